// The rows of the table: calibration, and the real engine on the real runtime. README.md says how to read them.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "engine/observe/metrics.hpp"
#include "tests/bench/kinds.hpp"

namespace weir::bench {
namespace {

using benchmark::State;
using namespace std::chrono_literals;

constexpr std::uint64_t chain_messages = 5'000'000;     // So many that starting a runtime, some 5 ms, hardly counts.
constexpr std::uint64_t scraped_messages = 30'000'000;  // A second of it.

/// As the kernel counts it since exec: a program started by a larger one inherits its ru_maxrss.
double peak_rss_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib * 1024;
  }
  return 0;
}

void count(State& state, std::uint64_t messages) {
  using benchmark::Counter;
  const auto each = static_cast<double>(messages);
  state.counters["cpu_s_each"] = Counter(each, Counter::kIsIterationInvariantRate | Counter::kInvert);
  state.counters["messages"] = each;
  state.counters["peak_rss_bytes"] = peak_rss_bytes();
}

// --- calibration -------------------------------------------------------------------------------------------------

void loop_noalloc64(State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(loop(chain_messages));
  count(state, chain_messages);
}

/// The same work as a batch would do it: 64 messages generated, then all made upper case, then all looked at.
void loop_rows64(State& state) {
  std::vector<char> bytes(64 * payload_bytes);
  for (auto _ : state) {
    Sums sums;
    for (std::uint64_t i = 0; i < chain_messages; i += 64) {
      for (std::size_t row = 0; row < 64; ++row) fill(bytes.data() + row * payload_bytes, i + row);
      for (std::size_t row = 0; row < 64; ++row) {
        char* const payload = bytes.data() + row * payload_bytes;
        sums.of_all += upper(payload, payload, payload_bytes);
      }
      for (std::size_t row = 0; row < 64; ++row) sums.of_firsts += first_word(bytes.data() + row * payload_bytes);
    }
    benchmark::DoNotOptimize(sums);
  }
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

// --- the engine --------------------------------------------------------------------------------------------------

/// Runs the row's pipeline, and says so if it has not done its work: `times` the loop's sums.
void run_row(State& state, const std::string& yaml, const Setting& setting, std::uint64_t messages,
             std::uint64_t firsts_times = 1) {
  const Sums expected = loop(messages);
  for (auto _ : state) {
    try {
      const Sums sums = run(yaml, setting);
      if (sums.of_all != expected.of_all || sums.of_firsts != firsts_times * expected.of_firsts) {
        state.SkipWithError("the sums are wrong: messages were lost or changed");
        return;
      }
    } catch (const std::exception& wrong) {
      state.SkipWithError(wrong.what());
      return;
    }
  }
  count(state, messages);
}

void chain_row(State& state, int stages, bool edges) {
  run_row(state, chain(stages, edges, chain_messages), {}, chain_messages);
}

enum class Tokens { none, message, batch };

void ack_row(State& state, Tokens tokens) {
  Setting setting;
  setting.options.acks = tokens == Tokens::batch;
  run_row(state, chain(3, true, chain_messages, tokens == Tokens::message), setting, chain_messages);
}

/// One source read by four, each on an edge of its own.
void fan_out_row(State& state) {
  constexpr std::uint64_t messages = chain_messages / 2;
  std::string yaml = "stages:\n  s: {bench_source: {count: " + std::to_string(messages) + "}}\n" +
                     "  work: {from: s, bench_work: {}}\n";
  for (int i = 0; i < 4; ++i) yaml += "  end" + std::to_string(i) + ": {from: work, bench_end: {}}\n";
  run_row(state, yaml, {}, messages, 4);
}

/// Dealt to four replicas and merged again.
void fan_workers_row(State& state, const char* order, int cores) {
  constexpr std::uint64_t messages = chain_messages / 2;
  const std::string yaml = "stages:\n  s: {bench_source: {count: " + std::to_string(messages) + "}}\n" +
                           "  work: {from: s, bench_work: {}}\n" +
                           "  each: {from: work, bench_pass: {}, workers: 4, order: " + order + "}\n" +
                           "  end: {from: each, bench_end: {}}\n";
  Setting setting;
  setting.cores = cores;
  run_row(state, yaml, setting, messages);
}

/// With a scrape every half second, thirty times as often as Prometheus asks by default, and all of it on the one core.
void metrics_row(State& state, bool scraped) {
  Setting setting;
  std::size_t bytes = 0;
  if (scraped) {
    setting.snapshot_every = 500ms;
    setting.snapshot = [&bytes](observe::PipelineSnapshot pipeline) {
      observe::Snapshot snapshot;
      snapshot.pipelines.push_back(std::move(pipeline));
      bytes += observe::exposition(snapshot).size();
    };
  }
  run_row(state, chain(3, true, scraped_messages), setting, scraped_messages);
  state.counters["scraped_bytes"] = static_cast<double>(bytes);
}

template <class Row, class... Arguments>
void row(const std::string& name, Row run, Arguments... arguments) {
  benchmark::RegisterBenchmark(name.c_str(), [=](State& state) { run(state, arguments...); })
      ->MeasureProcessCPUTime()
      ->Unit(benchmark::kMillisecond);
}

void register_rows() {
  row("Calib/loop_noalloc64", loop_noalloc64);
  row("Calib/loop_rows64", loop_rows64);
  row("Calib/loop_malloc64", loop_malloc64);
  row("Calib/rmw", rmw);
  row("Calib/memcpy", memcpy_64MiB);
  row("Chain/fused/3", chain_row, 3, false);
  row("Chain/fused/8", chain_row, 8, false);
  row("Chain/edges/3", chain_row, 3, true);
  row("Chain/edges/8", chain_row, 8, true);
  row("Ack/none", ack_row, Tokens::none);
  row("Ack/batch", ack_row, Tokens::batch);
  row("Ack/message", ack_row, Tokens::message);
  row("Fan/out_4", fan_out_row);
  row("Fan/workers_4_kept", fan_workers_row, "kept", 1);
  row("Fan/workers_4_free", fan_workers_row, "free", 1);
  row("Fan/workers_4_kept_two_cores", fan_workers_row, "kept", 2);
  // The program that counts nothing has the other rows as well; only this one of it is asked for.
  row(flow::counting ? "Metrics/ledger" : "Metrics/off", metrics_row, false);
  row("Metrics/scraped", metrics_row, true);
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) {
  weir::bench::register_rows();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 64;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
