// The program of the rows, and what they share. README.md says how to read them.
#include "tests/bench/rows.hpp"

#include <ctime>
#include <fstream>

namespace weir::bench {
namespace {

double status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kib = 0;
    if (word == field && status >> kib) return kib * 1024;
  }
  return 0;
}

}  // namespace

double peak_rss_bytes() { return status_bytes("VmHWM:"); }
double rss_bytes() { return status_bytes("VmRSS:"); }

double process_cpu_s() {
  std::timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

void count(State& state, std::uint64_t messages) {
  using benchmark::Counter;
  const auto each = static_cast<double>(messages);
  state.counters["cpu_s_each"] = Counter(each, Counter::kIsIterationInvariantRate | Counter::kInvert);
  state.counters["messages"] = each;
  state.counters["peak_rss_bytes"] = peak_rss_bytes();
}

void run_checked(State& state, const std::string& yaml, const Setting& setting, std::uint64_t messages,
                 const std::function<bool(const Sums&)>& as_they_must) {
  for (auto _ : state) {
    try {
      if (!as_they_must(run(yaml, setting))) {
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

void run_row(State& state, const std::string& yaml, const Setting& setting, std::uint64_t messages,
             std::uint64_t firsts_times, std::size_t size) {
  std::vector<char> bytes(size);
  const Sums expected = size == payload_bytes ? loop(messages) : loop(messages, bytes);
  run_checked(state, yaml, setting, messages, [&](const Sums& sums) {
    return sums.of_all == expected.of_all && sums.of_firsts == firsts_times * expected.of_firsts;
  });
}

void percentiles(State& state, std::vector<std::int64_t> taken_ns) {
  if (taken_ns.empty()) return;
  std::sort(taken_ns.begin(), taken_ns.end());
  const auto at = [&](double share) {
    return static_cast<double>(taken_ns[static_cast<std::size_t>(share * static_cast<double>(taken_ns.size() - 1))]) *
           1e-3;
  };
  state.counters["hop_us_p50"] = at(0.5);
  state.counters["hop_us_p99"] = at(0.99);
  state.counters["hop_us_p99.9"] = at(0.999);
}

}  // namespace weir::bench

int main(int argc, char** argv) {
  using namespace weir::bench;
  register_calibration();
  register_chains();
  register_channels();
  register_stores();
  register_fans();
  register_latencies();
  register_growth();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 64;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
