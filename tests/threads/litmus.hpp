// The wake-up litmus: a thread that receives and one to three that send, no scheduler, the channel that ships.
#pragma once
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/flow/channel.hpp"

namespace weir::tests {

/// What one run saw.
struct LitmusResult {
  bool lost_wake = false;   ///< Somebody waited for 2 s though there was something to do.
  bool disorder = false;    ///< Messages of one edge arrived out of order, or too many were in flight.
  bool stray_wake = false;  ///< Somebody was woken twice, or after having left.
  std::uint64_t messages = 0;
  std::uint64_t dropped = 0;
  std::uint64_t parks = 0;
  bool ok() const { return !lost_wake && !disorder && !stray_wake; }
};

struct LitmusSetting {
  std::uint32_t capacity = 1;
  std::uint64_t bytes = 1 << 20;
  int senders = 1;
  std::uint64_t messages = 100'000;  ///< Of each sender.
  std::uint64_t close_after = 0;     ///< The receiver closes after so many; 0: never.
  bool cancel = false;               ///< Now and then who parks takes itself out again, as one that is stopped does.
  std::uint32_t payload_most = 64;
  bool drops_oldest = false;  ///< Full edges drop what has waited the longest; nobody who sends parks.
};

namespace litmus {

/// Waits by spinning: nothing but the protocol itself can save it.
struct Spinner : flow::Waiter {
  std::atomic<int> fired{0};
  int due = 0;  ///< How often it must have been woken once its wait is over.
  Spinner() {
    wake = [](flow::Waiter& waiter) noexcept {
      static_cast<Spinner&>(waiter).fired.fetch_add(1, std::memory_order_release);
    };
  }
};

/// What one thread waits with: each time another one, so that a wake-up which comes too late or twice meets nobody
/// else, and is seen when it is that one's turn again.
class Spinners {
 public:
  Spinner& next() {
    Spinner& spinner = all_[next_++ % all_.size()];
    stray_ |= spinner.fired != spinner.due;
    spinner.fired = spinner.due = 0;
    return spinner;
  }
  /// Once nobody can wake any more.
  bool any_stray() const {
    return stray_ || std::any_of(all_.begin(), all_.end(), [](const auto& one) { return one.fired != one.due; });
  }

 private:
  std::array<Spinner, 256> all_;
  std::size_t next_ = 0;
  bool stray_ = false;
};

class Delay {
 public:
  explicit Delay(std::uint32_t seed) : state_(seed) {}
  void operator()() {
    for (std::uint32_t n = (state_ = state_ * 1664525 + 1013904223) >> 27; n > 0; --n) __builtin_ia32_pause();
  }
  std::uint32_t below(std::uint32_t bound) { return ((state_ = state_ * 1664525 + 1013904223) >> 8) % bound; }

 private:
  std::uint32_t state_;
};

inline void pin(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);  // Without a second processor it stays where it is.
}

/// False: nobody woke it in 2 s of this thread's running time. Progress elsewhere resets nothing: a wake is due now.
inline bool wait(flow::Parking& place, Spinners& spinners, bool cancel, Delay& delay, std::atomic<bool>& give_up) {
  Spinner& spinner = spinners.next();
  if (!place.park(spinner)) return true;
  if (cancel && delay.below(8) == 0) {
    delay();
    if (place.unpark()) return true;  // As Stopped would; otherwise the wake-up is on its way.
  }
  spinner.due = 1;
  const auto began = std::chrono::steady_clock::now();
  for (std::uint64_t spins = 0; spinner.fired.load(std::memory_order_acquire) == 0; ++spins) {
    __builtin_ia32_pause();
    if ((spins & 0xff) != 0xff) continue;
    sched_yield();
    if (std::chrono::steady_clock::now() - began > std::chrono::seconds(2)) {
      give_up = true;
      if (place.unpark()) spinner.due = 0;
      return false;
    }
  }
  return true;
}

}  // namespace litmus

inline LitmusResult run_litmus(const LitmusSetting& setting) {
  flow::Budget budget(1 << 30);
  flow::Inbox inbox;
  std::vector<flow::Edge*> edges;
  flow::Bounds bounds(setting.capacity, setting.bytes);
  bounds.drops_oldest = setting.drops_oldest;
  for (int sender = 0; sender < setting.senders; ++sender) {
    edges.push_back(&inbox.connect("litmus", bounds, budget));
  }
  std::atomic<bool> give_up{false}, lost{false}, disorder{false};
  std::atomic<std::uint64_t> parks{0}, received{0};
  std::vector<litmus::Spinners> spinners(static_cast<std::size_t>(setting.senders) + 1);  // The receiver's is the last.

  const auto send = [&](int number) {
    litmus::pin(number % 2);
    litmus::Delay delay(static_cast<std::uint32_t>(7 + number));
    flow::Edge& edge = *edges[static_cast<std::size_t>(number)];
    std::string payload(setting.payload_most, 'x');
    for (std::uint64_t i = 0; i < setting.messages && !give_up && !edge.closed();) {
      auto batch = message::Batch::make();
      const std::uint32_t rows = 1 + delay.below(edge.batch_most());
      for (std::uint32_t row = 0; row < rows && i + row < setting.messages; ++row) {
        batch->append(std::string_view(payload).substr(0, delay.below(setting.payload_most + 1)), {});
        batch->set_identity(row, i + row, nullptr);
      }
      const auto count = static_cast<std::uint32_t>(batch->size());
      if (setting.drops_oldest) edge.make_room(count, batch->live_bytes());
      while (!give_up && !edge.closed() && !edge.fits(count, batch->live_bytes())) {
        delay();
        ++parks;
        if (!litmus::wait(edge, spinners[static_cast<std::size_t>(number)], setting.cancel, delay, give_up))
          lost = true;
      }
      if (give_up || edge.closed()) break;
      i += count;
      edge.send(std::move(batch), {});
      delay();
    }
    edge.send(flow::Mark::end);
  };

  std::vector<std::thread> senders;
  for (int sender = 0; sender < setting.senders; ++sender) senders.emplace_back(send, sender);

  litmus::pin(1);
  litmus::Delay delay(99);
  std::vector<std::uint64_t> next(edges.size());
  std::vector<flow::Delivery> held;
  bool closed = false;
  while (!inbox.ended() && !give_up) {
    auto arrival = inbox.receive();
    if (!arrival) {
      // All that is owed goes back before parking: the rule that keeps senders alive. Not after close(): then a sender
      // that waits must be let go though no place ever becomes free.
      if (!closed) held.clear();
      delay();
      ++parks;
      if (!litmus::wait(inbox, spinners.back(), setting.cancel, delay, give_up)) lost = true;
      continue;
    }
    if (arrival->mark != flow::Mark::none) continue;
    std::size_t from = 0;
    while (edges[from] != arrival->edge) ++from;
    for (std::size_t row = 0; row < arrival->delivery->size(); ++row) {
      // Where the oldest are dropped, ids are skipped and never come twice or late.
      const std::uint64_t id = arrival->delivery->id(row);
      if (!closed && (setting.drops_oldest ? id < next[from] : id != next[from])) disorder = true;
      next[from] = id + 1;
    }
    received += arrival->delivery->size();
    if (edges[from]->sent() - edges[from]->released() > setting.capacity) disorder = true;
    held.push_back(std::move(arrival->delivery));
    if (!closed && delay.below(3) == 0) held.clear();
    if (setting.close_after && received >= setting.close_after && !closed) {
      closed = true;
      inbox.close();
    }
  }
  held.clear();
  for (auto& sender : senders) sender.join();
  LitmusResult result;
  result.lost_wake = lost;
  result.disorder = disorder;
  for (const auto& each : spinners) result.stray_wake |= each.any_stray();
  result.messages = received;
  for (const auto* edge : edges) result.dropped += edge->lost(flow::Edge::Loss::dropped);
  if (!setting.close_after) {
    for (const auto& expected : next) result.disorder |= expected != setting.messages;
    if (budget.used() != 0) result.disorder = true;
  }
  result.parks = parks;
  return result;
}

}  // namespace weir::tests
