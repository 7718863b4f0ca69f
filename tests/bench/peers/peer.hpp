// What the peers in C++ share: a message as their users have it, one allocation of its own, and what a run has cost.
#pragma once
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/job.hpp"

namespace weir::bench {

inline constexpr std::size_t batch_messages = 64;
inline constexpr std::size_t bound_messages = 1024;

using Payload = std::unique_ptr<char[]>;
using Batch = std::vector<Payload>;

inline Payload unfilled() { return std::make_unique_for_overwrite<char[]>(payload_bytes); }

inline Payload filled(std::uint64_t i) {
  Payload payload = unfilled();
  fill(payload.get(), i);
  return payload;
}

inline std::uint64_t worked(const Payload& payload) noexcept {
  return upper(payload.get(), payload.get(), payload_bytes);
}

/// CPU time of all threads.
inline double cpu_s() noexcept {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

inline long peak_rss_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    long kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib;
  }
  return 0;
}

/// Does the work with so many messages, and prints what the runner reads.
inline void report(const std::string& name, std::uint64_t messages, Sums (*work)(std::uint64_t)) {
  const auto began = std::chrono::steady_clock::now();
  const double cpu_before = cpu_s();
  const Sums sums = work(messages);
  const double cpu = cpu_s() - cpu_before;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  const auto as_printed = [](std::uint64_t number) { return static_cast<unsigned long long>(number); };
  std::fprintf(stderr, "sums %llx %llx\n", as_printed(sums.of_all), as_printed(sums.of_firsts));
  std::printf("%s %llu %.4f %.2f %ld\n", name.c_str(), as_printed(messages), seconds.count(),
              cpu * 1e9 / static_cast<double>(messages), peak_rss_kib());
}

}  // namespace weir::bench
