// What an edge could be kept in, without the edge: the queue that it is kept in, a ring for one sender and one
// receiver, a list with a lock, and the queue with its places counted by both sides. Of what engine/flow/README.md
// refuses it for its price.
#include <concurrentqueue/concurrentqueue.h>

#include <array>
#include <atomic>
#include <deque>
#include <mutex>

#include "tests/bench/rows.hpp"

namespace weir::bench {
namespace {

constexpr std::uint64_t batches = 2'000'000;

/// As large as what an edge puts into its queue for a batch.
struct Item {
  std::uint64_t batch = 0, charged = 0, from_budget = 0, times = 1;
};

class Queue {
 public:
  bool put(const Item& item) { return items_.enqueue(producer_, item); }
  bool take(Item& item) { return items_.try_dequeue_from_producer(producer_, item); }

 private:
  struct Traits : moodycamel::ConcurrentQueueDefaultTraits {
    static const size_t BLOCK_SIZE = 16;
  };
  moodycamel::ConcurrentQueue<Item, Traits> items_{64};
  moodycamel::ProducerToken producer_{items_};
};

/// Each side keeps its own place and the last that it has seen of the other's.
class Ring {
 public:
  bool put(const Item& item) {
    if (mine_ - seen_taken_ == slots_.size() &&
        mine_ - (seen_taken_ = taken_.load(std::memory_order_acquire)) == slots_.size()) {
      return false;
    }
    slots_[mine_ % slots_.size()] = item;
    put_.store(++mine_, std::memory_order_release);
    return true;
  }
  bool take(Item& item) {
    if (theirs_ == seen_put_ && theirs_ == (seen_put_ = put_.load(std::memory_order_acquire))) return false;
    item = slots_[theirs_ % slots_.size()];
    taken_.store(++theirs_, std::memory_order_release);
    return true;
  }

 private:
  std::array<Item, 64> slots_;
  alignas(64) std::uint64_t mine_ = 0, seen_taken_ = 0;
  alignas(64) std::atomic<std::uint64_t> put_{0};
  alignas(64) std::uint64_t theirs_ = 0, seen_put_ = 0;
  alignas(64) std::atomic<std::uint64_t> taken_{0};
};

class List {
 public:
  bool put(const Item& item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(item);
    return true;
  }
  bool take(Item& item) {
    const std::lock_guard lock(mutex_);
    if (items_.empty()) return false;
    item = items_.front();
    items_.pop_front();
    return true;
  }

 private:
  std::mutex mutex_;
  std::deque<Item> items_;
};

/// The queue, and a semaphore of its places beside it.
class Counted {
 public:
  bool put(const Item& item) {
    if (places_.fetch_sub(64, std::memory_order_seq_cst) < 64) {
      places_.fetch_add(64, std::memory_order_seq_cst);
      return false;
    }
    return queue_.put(item);
  }
  bool take(Item& item) {
    if (!queue_.take(item)) return false;
    places_.fetch_add(64, std::memory_order_seq_cst);
    return true;
  }

 private:
  Queue queue_;
  alignas(64) std::atomic<std::int64_t> places_{64 * 64};
};

/// One thread puts two and takes two, as often as a channel of 128 messages has it.
template <class Store>
void store_row(State& state) {
  for (auto _ : state) {
    Store store;
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < batches; i += 2) {
      for (const std::uint64_t more : {0u, 1u}) store.put({.batch = i + more});
      for (Item item; store.take(item);) sum += item.batch;
    }
    if (sum != batches * (batches - 1) / 2) {
      state.SkipWithError("something was lost");
      return;
    }
  }
  count(state, batches);
}

}  // namespace

void register_stores() {
  row("Store/queue", store_row<Queue>);
  row("Store/ring", store_row<Ring>);
  row("Store/list", store_row<List>);
  row("Store/counted", store_row<Counted>);
}

}  // namespace weir::bench
