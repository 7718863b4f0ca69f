// The litmus of coroutines: one sends and one receives, each on a core of its own that never sleeps, through suspend()
// as it ships; each is stopped again and again, while it waits or is being woken, and another goes on in its place.
#pragma once
#include <asio/io_context.hpp>
#include <cstdlib>
#include <memory>
#include <thread>

#include "engine/flow/park.hpp"
#include "engine/runtime/basic_core.hpp"
#include "tests/threads/litmus.hpp"

namespace weir::tests {

struct StopsResult {
  bool lost_wake = false;  ///< Nothing went on for 2 s.
  bool disorder = false;   ///< Messages were lost, or came out of order.
  bool twice = false;      ///< A coroutine was resumed more often than it waited.
  bool elsewhere = false;  ///< A coroutine went on on another thread than its core's.
  std::uint64_t waits = 0;
  std::uint64_t stops = 0;
  bool ok() const { return !lost_wake && !disorder && !twice && !elsewhere; }
};

namespace litmus {

/// One coroutine lives on it at a time.
class SpinningCore final : public runtime::BasicCore {
 public:
  int index() const override { return 0; }
  runtime::Time now() const override { return {}; }
  runtime::WallTime wall() const override { return {}; }
  asio::any_io_executor executor() override { return io_.get_executor(); }
  void post(std::function<void()> work) override { asio::post(io_, std::move(work)); }
  void resume(runtime::Ready& ready) noexcept override {
    if (++resumed > waits) {
      twice = true;
      return;
    }
    BasicCore::resume(ready);
  }
  std::unique_ptr<runtime::Alarm> alarm(runtime::Time, std::function<void()>) override { std::abort(); }
  runtime::Task<> blocking(std::function<void()>) override { std::abort(); }
  runtime::Random& random() override { std::abort(); }
  runtime::Files& files() override { std::abort(); }
  runtime::Processes& processes() override { std::abort(); }
  runtime::Machine& machine() override { std::abort(); }

  /// The core's thread; until `done`, or until all has stood still for 2 s. `live` makes the coroutine, and another one
  /// after each stop.
  template <class Live>
  void serve(Live live, const std::atomic<bool>& done, std::atomic<std::uint64_t>& steps, std::atomic<bool>& give_up,
             std::uint32_t seed) {
    Delay delay(seed);
    thread_ = std::this_thread::get_id();
    std::unique_ptr<runtime::Coroutine> coroutine;
    // Half of them are stopped after so many polls, wherever they are; the others once both have come on so far: a
    // wake-up that one of these has lost is not made good by its stop.
    std::uint32_t polls_left = 0;
    std::uint64_t steps_until = 0;
    std::uint64_t seen = 0;
    auto since = std::chrono::steady_clock::now();
    for (std::uint64_t turn = 1; !give_up; ++turn) {
      if (!coroutine) {
        if (done) return;
        coroutine = spawn(live(), [&coroutine](std::exception_ptr) { coroutine.reset(); });
        polls_left = delay.below(2) ? 0 : 1 + delay.below(60);
        steps_until = polls_left ? ~std::uint64_t{0} : steps + 1 + delay.below(60);
      }
      io_.poll_one();
      io_.restart();
      delay();
      if (coroutine && ((polls_left > 0 && --polls_left == 0) || steps >= steps_until)) {
        steps_until = ~std::uint64_t{0};
        coroutine->stop();
        ++stops;
      }
      if (turn % 64 == 0) ::sched_yield();
      if (turn % 1024 != 0) continue;
      const auto now = std::chrono::steady_clock::now();
      if (const auto made = steps.load(); made != seen) {
        seen = made;
        since = now;
      } else if (now - since > std::chrono::seconds(2)) {
        lost = true;
        give_up = true;
      }
    }
    // What still waits is let go as a stop lets go of it. One that does not even hear that goes with its core.
    if (coroutine) coroutine->stop();
    for (int turn = 0; turn < 1000 && coroutine; ++turn) io_.poll();
    static_cast<void>(coroutine ? coroutine.release() : nullptr);
  }

  runtime::Task<> wait(flow::Parking& place) {
    ++waits;
    co_await flow::suspend(*this, place);
    if (std::this_thread::get_id() != thread_) elsewhere = true;
  }

  std::atomic<std::uint64_t> waits{0}, resumed{0};
  std::atomic<bool> twice{false}, elsewhere{false};
  bool lost = false;
  std::uint64_t stops = 0;

 private:
  asio::io_context io_{1};
  std::thread::id thread_;
};

}  // namespace litmus

class Stops {
 public:
  Stops(std::uint32_t capacity, std::uint64_t messages)
      : messages_(messages), edge_(inbox_.connect("stops", flow::Bounds(capacity, 1 << 20), budget_)) {}

  StopsResult run() {
    std::thread sender([this] {
      litmus::pin(0);
      sender_.serve([this] { return send(); }, all_sent_, steps_, give_up_, 7);
    });
    litmus::pin(1);
    receiver_.serve([this] { return receive(); }, all_received_, steps_, give_up_, 99);
    sender.join();
    StopsResult result;
    result.lost_wake = sender_.lost || receiver_.lost;
    result.disorder = disorder_ || (!give_up_ && next_ != messages_);
    result.twice = sender_.twice || receiver_.twice;
    result.elsewhere = sender_.elsewhere || receiver_.elsewhere;
    result.waits = sender_.waits + receiver_.waits;
    result.stops = sender_.stops + receiver_.stops;
    return result;
  }

 private:
  void check(const litmus::SpinningCore& core) {
    if (core.twice || core.elsewhere) give_up_ = true;
  }

  runtime::Task<> send() {
    while (sent_ < messages_ && !give_up_) {
      auto batch = message::Batch::make();
      const auto rows =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(1 + rows_.below(edge_.batch_most()), messages_ - sent_));
      for (std::uint32_t row = 0; row < rows; ++row) {
        batch->append("x", {});
        batch->set_identity(row, sent_ + row, nullptr);
      }
      while (!edge_.fits(rows, batch->live_bytes())) {
        check(sender_);
        co_await sender_.wait(edge_);
      }
      sent_ += rows;
      ++steps_;
      edge_.send(std::move(batch), {});
      if (rows_.below(4) == 0) co_await sender_.yield();  // Else the receiver may be stopped only where it has all.
    }
    if (!all_sent_) edge_.send(flow::Mark::end);
    all_sent_ = true;
  }

  runtime::Task<> receive() {
    while (!inbox_.ended() && !give_up_) {
      auto arrival = inbox_.receive();
      if (!arrival) {
        check(receiver_);
        co_await receiver_.wait(inbox_);
        continue;
      }
      ++steps_;
      if (arrival->mark != flow::Mark::none) continue;
      for (std::size_t row = 0; row < arrival->delivery->size(); ++row) {
        if (arrival->delivery->id(row) != next_) disorder_ = true;
        ++next_;
      }
    }
    all_received_ = true;
  }

  const std::uint64_t messages_;
  flow::Budget budget_{1 << 30};
  flow::Inbox inbox_;
  flow::Edge& edge_;
  litmus::SpinningCore sender_, receiver_;
  litmus::Delay rows_{5};
  std::uint64_t sent_ = 0, next_ = 0;
  bool disorder_ = false;
  std::atomic<bool> all_sent_{false}, all_received_{false}, give_up_{false};
  std::atomic<std::uint64_t> steps_{0};
};

inline StopsResult run_stops(std::uint32_t capacity, std::uint64_t messages) { return Stops(capacity, messages).run(); }

}  // namespace weir::tests
