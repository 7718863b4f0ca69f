// What the files of rows share: how a row is registered, run, checked and counted.
#pragma once
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/bench/kinds.hpp"

namespace weir::bench {

using benchmark::State;
using namespace std::chrono_literals;

inline constexpr std::uint64_t chain_messages = 5'000'000;  // So many that starting a runtime, 5 ms, hardly counts.

/// Peak RSS since exec, as the kernel counts it: a program started by a larger one inherits its ru_maxrss.
double peak_rss_bytes();
/// What is resident now.
double rss_bytes();
/// CPU time of this process so far.
double process_cpu_s();

/// So many messages an iteration: adds what each took, and the peak RSS.
void count(State& state, std::uint64_t messages);

/// Runs the row's pipeline, and says so if its sums are not as they must be.
void run_checked(State& state, const std::string& yaml, const Setting& setting, std::uint64_t messages,
                 const std::function<bool(const Sums&)>& as_they_must);
/// The same where they are the loop's, and each message is looked at so many times.
void run_row(State& state, const std::string& yaml, const Setting& setting, std::uint64_t messages,
             std::uint64_t firsts_times = 1, std::size_t size = payload_bytes);

/// Adds hop_us_p50, hop_us_p99 and hop_us_p99.9 to the row.
void percentiles(State& state, std::vector<std::int64_t> taken_ns);

/// Registers it, as NAME/process_time; `arguments` go to `run` after the state.
template <class Row, class... Arguments>
benchmark::internal::Benchmark* row(const std::string& name, Row run, Arguments... arguments) {
  return benchmark::RegisterBenchmark(name.c_str(), [=](State& state) { run(state, arguments...); })
      ->MeasureProcessCPUTime()
      ->Unit(benchmark::kMillisecond);
}

// One for each file.
void register_calibration();
void register_chains();
void register_channels();
void register_stores();
void register_fans();
void register_latencies();
void register_growth();

}  // namespace weir::bench
