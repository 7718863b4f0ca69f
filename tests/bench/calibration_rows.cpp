// Calibration: what the machine does, without the engine.
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <thread>

#include "tests/bench/rows.hpp"

namespace weir::bench {
namespace {

void loop_noalloc64(State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(loop(chain_messages));
  count(state, chain_messages);
}

void loop_noalloc(State& state, std::size_t size, std::uint64_t messages) {
  std::vector<char> message(size);
  for (auto _ : state) benchmark::DoNotOptimize(loop(messages, message));
  count(state, messages);
}

void loop_rows64(State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(loop_rows(chain_messages));
  count(state, chain_messages);
}

void loop_malloc64(State& state) {
  for (auto _ : state) {
    Sums sums;
    for (std::uint64_t i = 0; i < chain_messages; ++i) {
      auto* const payload = static_cast<char*>(std::malloc(payload_bytes));
      benchmark::DoNotOptimize(payload);
      fill(payload, i);
      sums.of_all += upper(payload, payload, payload_bytes);
      sums.of_firsts += first_word(payload);
      std::free(payload);
    }
    benchmark::DoNotOptimize(sums);
  }
  count(state, chain_messages);
}

void loop_shared64(State& state) {
  for (auto _ : state) {
    Sums sums;
    for (std::uint64_t i = 0; i < chain_messages; ++i) {
      auto payload = std::make_shared<std::array<char, payload_bytes>>();
      benchmark::DoNotOptimize(payload);
      fill(payload->data(), i);
      sums.of_all += upper(payload->data(), payload->data(), payload_bytes);
      sums.of_firsts += first_word(payload->data());
    }
    benchmark::DoNotOptimize(sums);
  }
  count(state, chain_messages);
}

void rmw(State& state) {
  std::atomic<std::uint64_t> counter{0};
  for (auto _ : state) {
    for (int i = 0; i < 1'000'000; ++i) counter.fetch_add(1, std::memory_order_seq_cst);
  }
  count(state, 1'000'000);
}

void memcpy_64MiB(State& state) {
  constexpr std::size_t bytes = 64 << 20;
  std::vector<char> from(bytes, 'a'), to(bytes, 'b');
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), bytes);
    benchmark::ClobberMemory();
  }
  count(state, bytes / payload_bytes);
}

/// This thread to the n-th of the processors it may run on, where there are so many.
void pin(int n) {
  cpu_set_t allowed;
  if (pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) != 0) return;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (!CPU_ISSET(processor, &allowed) || n-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
}

/// A cache line there and back between two processors, both spinning: what no hand-over can be quicker than. The thread
/// gives way after so many looks, or it would hold up the other on a machine that has no second processor to give.
void pingpong(State& state) {
  constexpr std::uint64_t rounds = 200'000;
  alignas(64) std::atomic<std::uint64_t> there{0};
  alignas(64) std::atomic<std::uint64_t> back{0};
  const auto wait = [](const std::atomic<std::uint64_t>& place, std::uint64_t value) {
    for (unsigned looks = 1; place.load(std::memory_order_acquire) != value; ++looks) {
      if (looks % 4096 == 0) {
        ::sched_yield();
      } else {
        __builtin_ia32_pause();
      }
    }
  };
  for (auto _ : state) {
    there = back = 0;
    std::thread other([&] {
      pin(1);
      for (std::uint64_t i = 1; i <= rounds; ++i) {
        wait(there, i);
        back.store(i, std::memory_order_release);
      }
    });
    std::thread one([&] {
      pin(0);
      for (std::uint64_t i = 1; i <= rounds; ++i) {
        there.store(i, std::memory_order_release);
        wait(back, i);
      }
    });
    one.join();
    other.join();
  }
  count(state, rounds);
}

void burn_200ns(State& state) {
  std::uint64_t x = 1;
  for (auto _ : state) {
    for (int i = 0; i < 100'000; ++i) x = burn(x, 200);
    benchmark::DoNotOptimize(x);
  }
  count(state, 100'000);
}

}  // namespace

void register_calibration() {
  row("Calib/loop_noalloc64", loop_noalloc64);
  row("Calib/loop_rows64", loop_rows64);
  row("Calib/loop_malloc64", loop_malloc64);
  row("Calib/loop_shared64", loop_shared64);
  row("Calib/loop_1KiB", loop_noalloc, std::size_t{1024}, std::uint64_t{500'000});
  row("Calib/loop_16KiB", loop_noalloc, std::size_t{16 * 1024}, std::uint64_t{50'000});
  row("Calib/rmw", rmw);
  row("Calib/pingpong", pingpong);
  row("Calib/memcpy", memcpy_64MiB);
  row("Calib/burn_200ns", burn_200ns);
}

}  // namespace weir::bench
