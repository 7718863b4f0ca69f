// How long a message takes from one stage to the next: at a pace that leaves the core idle, and as fast as it goes.
#include "tests/bench/rows.hpp"

namespace weir::bench {
namespace {

/// Of the run under way. Order is kept along a chain, so each stage counts the messages to know which one it has.
struct Timed {
  std::uint64_t stride = 1;            ///< Each so-manieth is looked at.
  std::vector<runtime::Time> left;     ///< When it left the stage before, by its number among those.
  std::vector<std::int64_t> taken_ns;  ///< From there to here, of all hops.
  double cpu_s = 0, wall_s = 0;        ///< From the first message to the last.

  void reset(std::uint64_t every, std::uint64_t messages) {
    *this = {};
    stride = every;
    left.assign(messages / every + 1, {});
    taken_ns.reserve(2 * left.size());
  }
  bool looks_at(std::uint64_t number) const noexcept { return number % stride == 0; }
  void leaves(std::uint64_t number, runtime::Time now) { left[number / stride] = now; }
  void arrives(std::uint64_t number, runtime::Time now) { taken_ns.push_back((now - left[number / stride]).count()); }
};
Timed timed;

// --- bench_timed_source --------------------------------------------------------------------------------------------

struct TimedSourceConfig {
  std::int64_t count = 0;
  std::int64_t per_ms = 0;
};

const auto timed_source_spec =
    config::Spec<TimedSourceConfig>("bench_timed_source", "Makes the messages of the job and notes when.")
        .field("count", &TimedSourceConfig::count, "Messages.", config::at_least(0))
        .field("per_ms", &TimedSourceConfig::per_ms, "So many at once each millisecond. 0: as fast as it goes.",
               config::at_least(0))
        .example("bench_timed_source: {count: 10}");

stage::Task<> run_timed_source(const TimedSourceConfig& config, stage::Source& source) {
  const auto count = static_cast<std::uint64_t>(config.count);
  const auto burst = static_cast<std::uint64_t>(config.per_ms);
  const auto began = source.core.now();
  const double cpu_before = process_cpu_s();
  auto due = began;
  for (std::uint64_t i = 0; i < count && !source.abandoned();) {
    const auto now = source.core.now();
    for (std::uint64_t n = 0; i < count && !source.full() && (burst == 0 || n < burst); ++n, ++i) {
      if (timed.looks_at(i)) timed.leaves(i, source.core.now());
      source.out.emit_written(stage::main_port, payload_bytes, now, [i](char* to) {
        fill(to, i);
        return payload_bytes;
      });
    }
    if (burst == 0) {
      co_await source.flush();
    } else {
      due += std::chrono::milliseconds(1);
      co_await source.sleep_until(due);
    }
  }
  timed.cpu_s = process_cpu_s() - cpu_before;
  timed.wall_s = std::chrono::duration<double>(source.core.now() - began).count();
}

const stage::Register timed_source_registered(timed_source_spec,
                                              [](auto config) { return stage::source_of(config, run_timed_source); });

// --- bench_timed_work, bench_timed_end -----------------------------------------------------------------------------

struct HopConfig {};

const auto timed_work_spec =
    config::Spec<HopConfig>("bench_timed_work", "bench_work that looks at the clock.").example("bench_timed_work: {}");
const auto timed_end_spec =
    config::Spec<HopConfig>("bench_timed_end", "bench_end that looks at the clock.").example("bench_timed_end: {}");

class TimedWork final : public stage::MessageOperator<TimedWork> {
 public:
  using MessageOperator::process;
  TimedWork(const HopConfig&, stage::Context& context) : core_(context.core) {}

  void process(stage::Message message, stage::Output& out) {
    const bool looks = timed.looks_at(number_);
    if (looks) timed.arrives(number_, core_.now());
    make_upper(message);
    out.pass(message);
    if (looks) timed.leaves(number_, core_.now());
    ++number_;
  }

 private:
  runtime::Core& core_;
  std::uint64_t number_ = 0;
};

class TimedEnd final : public stage::MessageOperator<TimedEnd> {
 public:
  using MessageOperator::process;
  TimedEnd(const HopConfig&, stage::Context& context) : core_(context.core) {}

  void process(stage::Message message, stage::Output& out) {
    if (timed.looks_at(number_)) timed.arrives(number_, core_.now());
    ++number_;
    run_sums.of_firsts += first_word(message.text().data());
    out.drop(message, stage::Dropped::configured);
  }

 private:
  runtime::Core& core_;
  std::uint64_t number_ = 0;
};

const stage::Register timed_work_registered(timed_work_spec,
                                            [](auto config) { return stage::operator_of<TimedWork>(config); });
const stage::Register timed_end_registered(timed_end_spec, [](auto config) {
  auto configured = stage::operator_of<TimedEnd>(config);
  configured.main_output = false;
  return configured;
});

// --- the rows ----------------------------------------------------------------------------------------------------

struct Pace {
  std::uint64_t messages;
  int per_ms = 0;
  int capacity = 128;        ///< 0: joined, so the hops are calls.
  std::uint64_t stride = 1;  ///< A prime: each place in a batch has its turn.
};

void latency_row(State& state, Pace pace) {
  const std::string edge = pace.capacity > 0 ? ", edge: {capacity: " + std::to_string(pace.capacity) + "}" : "";
  const std::string yaml = "stages:\n  s: {bench_timed_source: {count: " + std::to_string(pace.messages) +
                           ", per_ms: " + std::to_string(pace.per_ms) + "}}\n  work: {from: s, bench_timed_work: {}" +
                           edge + "}\n  end: {from: work, bench_timed_end: {}" + edge + "}\n";
  timed.reset(pace.stride, pace.messages);
  run_row(state, yaml, {}, pace.messages);
  percentiles(state, timed.taken_ns);
  state.counters["of_a_core"] = timed.wall_s > 0 ? timed.cpu_s / timed.wall_s : 0;
}

}  // namespace

void register_latencies() {
  constexpr std::uint64_t paced = 20'000, saturated = 2'000'000;
  row("Latency10k/edges", latency_row, Pace{paced, 10})->Iterations(1);
  row("Latency10k/fused", latency_row, Pace{paced, 10, 0})->Iterations(1);
  row("LatencySat/128", latency_row, Pace{saturated, 0, 128, 61})->Iterations(1);
  row("LatencySat/1024", latency_row, Pace{saturated, 0, 1024, 61})->Iterations(1);
}

}  // namespace weir::bench
