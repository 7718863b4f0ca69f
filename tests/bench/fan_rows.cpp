// One stage that several read, and several that share the work of one; and what a slow reader holds up.
#include "tests/bench/rows.hpp"

namespace weir::bench {
namespace {

// --- bench_burn --------------------------------------------------------------------------------------------------

struct BurnConfig {
  std::int64_t ns = 0;
  bool skewed = false;
};

const auto burn_spec = config::Spec<BurnConfig>("bench_burn", "Computes for a while and lets the message on.")
                           .field("ns", &BurnConfig::ns, "So long, on a processor of 3 GHz.", config::at_least(0))
                           .field("skewed", &BurnConfig::skewed, "One message in 16 costs 16 times as much.")
                           .example("bench_burn: {ns: 200}");

/// Which of 16 the costly one is depends on the payload, so that it is not always the same replica's.
bool costly(std::string_view payload) noexcept { return (payload[0] & 0x0f) == 0; }

class Burn final : public stage::MessageOperator<Burn> {
 public:
  using MessageOperator::process;
  Burn(const BurnConfig& config, stage::Context&)
      : ns_(static_cast<std::uint64_t>(config.ns)), skewed_(config.skewed) {}

  void process(stage::Message message, stage::Output& out) {
    x_ = burn(x_, skewed_ && costly(message.text()) ? 16 * ns_ : ns_);
    out.pass(message);
  }

 private:
  const std::uint64_t ns_;
  const bool skewed_;
  std::uint64_t x_ = 1;
};

const stage::Register burn_registered(burn_spec, [](auto config) { return stage::operator_of<Burn>(config); });

// --- bench_slow --------------------------------------------------------------------------------------------------

struct SlowConfig {
  std::int64_t ns = 2000;
  std::int64_t most = 0;
};

const auto slow_spec =
    config::Spec<SlowConfig>("bench_slow", "A sink that computes for a while over each message.")
        .field("ns", &SlowConfig::ns, "So long, on a processor of 3 GHz.", config::at_least(0))
        .field("most", &SlowConfig::most, "More messages must not be under way.", config::at_least(1))
        .example("bench_slow: {most: 128}");

/// Of the run under way: the most messages that were under way, and what was resident.
struct Slowly {
  std::uint64_t under_way_most = 0;
  double rss_first = 0, rss_last = 0;
};
Slowly slowly;

stage::Task<> run_slow(const SlowConfig& config, stage::Driver& driver) {
  std::uint64_t done = 0, x = 1, batches = 0;
  while (auto delivery = co_await driver.receive()) {
    stage::Batch& batch = **delivery;
    slowly.under_way_most = std::max(slowly.under_way_most, run_made - done);
    for (std::size_t row = 0; row < batch.size(); ++row) {
      x = burn(x, static_cast<std::uint64_t>(config.ns));
      run_sums.of_firsts += first_word(batch.payload(row).data());
      driver.out.pass(batch, row);
    }
    done += batch.size();
    if (++batches % 256 == 0) {
      slowly.rss_last = rss_bytes();
      if (slowly.rss_first == 0) slowly.rss_first = slowly.rss_last;
    }
  }
  benchmark::DoNotOptimize(x);
  if (slowly.under_way_most > static_cast<std::uint64_t>(config.most)) {
    throw stage::Fault(std::to_string(slowly.under_way_most) + " messages were under way, more than " +
                       std::to_string(config.most));
  }
}

const stage::Register slow_registered(slow_spec, [](auto config) { return stage::sink_of(config, run_slow); });

// --- the rows ----------------------------------------------------------------------------------------------------

std::string source_and_work(std::uint64_t messages) {
  return "stages:\n  s: {bench_source: {count: " + std::to_string(messages) + "}}\n  work: {from: s, bench_work: {}}\n";
}

/// One source read by four, each on an edge of its own.
void fan_out_row(State& state) {
  constexpr std::uint64_t messages = chain_messages / 2;
  std::string yaml = source_and_work(messages);
  for (int i = 0; i < 4; ++i) yaml += "  end" + std::to_string(i) + ": {from: work, bench_end: {}}\n";
  run_row(state, yaml, {}, messages, 4);
}

struct Workers {
  std::string stage;  ///< What they do.
  std::string order = "kept";
  int workers = 4;
  int cores = 1;
  std::uint64_t messages = chain_messages / 2;
};

/// Dealt to replicas and merged again.
void workers_row(State& state, const Workers& how) {
  const std::string yaml = source_and_work(how.messages) + "  each: {from: work, " + how.stage +
                           ", workers: " + std::to_string(how.workers) + ", order: " + how.order +
                           ", edge: {}}\n  end: {from: each, bench_end: {}, edge: {}}\n";
  Setting setting;
  setting.cores = how.cores;
  run_row(state, yaml, setting, how.messages);
}

void register_burning(const std::string& name, const std::string& stage, std::uint64_t messages) {
  for (const std::string order : {"kept", "free"}) {
    for (const int cores : {1, 2}) {
      row("Fan/" + order + "_" + name + (cores == 1 ? "_one" : "_two"), workers_row,
          Workers{stage, order, 4, cores, messages});
    }
  }
}

/// As much is offered as the engine takes; the row fails when it takes more than it has room for: what the edge holds,
/// and what the source has made ahead of it.
void slow_row(State& state, std::uint64_t messages) {
  constexpr int capacity = 128;
  slowly = {};
  const std::string yaml = source_and_work(messages) +
                           "  slow: {from: work, bench_slow: {most: " + std::to_string(capacity + message::batch_rows) +
                           "}, edge: {capacity: " + std::to_string(capacity) + "}}\n";
  run_row(state, yaml, {}, messages);
  state.counters["under_way_most"] = static_cast<double>(slowly.under_way_most);
  state.counters["rss_first_bytes"] = slowly.rss_first;
  state.counters["rss_last_bytes"] = slowly.rss_last;
}

}  // namespace

void register_fans() {
  const std::string pass = "bench_pass: {}";
  row("Fan/out_4", fan_out_row);
  row("Fan/workers_4_kept", workers_row, Workers{pass});
  row("Fan/workers_4_free", workers_row, Workers{pass, "free"});
  row("Fan/workers_4_kept_two_cores", workers_row, Workers{pass, "kept", 4, 2});
  register_burning("5ns", "bench_burn: {ns: 5}", 1'000'000);
  register_burning("200ns", "bench_burn: {ns: 200}", 500'000);
  register_burning("2us", "bench_burn: {ns: 2000}", 100'000);
  register_burning("skewed", "bench_burn: {ns: 200, skewed: true}", 500'000);
  row("Fan/20us_one_worker", workers_row, Workers{"bench_burn: {ns: 20000}", "kept", 1, 1, 50'000});
  row("Fan/20us_four_two", workers_row, Workers{"bench_burn: {ns: 20000}", "kept", 4, 2, 50'000});
  row("Slow/1M", slow_row, std::uint64_t{1'000'000})->Iterations(1);
  row("Slow/100k", slow_row, std::uint64_t{100'000})->Iterations(1);
}

}  // namespace weir::bench
