// The job through chains of stages: joined or with channels between, acknowledged or not, counted or not.
#include <cstdlib>

#include "engine/observe/metrics.hpp"
#include "tests/bench/rows.hpp"

namespace weir::bench {
namespace {

constexpr std::uint64_t scraped_messages = 30'000'000;  // A second of it.

// --- bench_box_source, bench_box_work, bench_box_end: what a message holds is a pointer to a block of the heap's -----

struct BoxSourceConfig {
  std::int64_t count = 0;
};
struct BoxConfig {};

const auto box_source_spec =
    config::Spec<BoxSourceConfig>("bench_box_source", "Makes the job, each payload in a heap block.")
        .field("count", &BoxSourceConfig::count, "Messages.", config::at_least(0))
        .example("bench_box_source: {count: 10}");

char* block_of(const stage::Message& message) {
  char* block = nullptr;
  std::memcpy(&block, message.text().data(), sizeof block);
  return block;
}

stage::Task<> run_box_source(const BoxSourceConfig& config, stage::Source& source) {
  const auto count = static_cast<std::uint64_t>(config.count);
  for (std::uint64_t i = 0; i < count && !source.abandoned();) {
    const auto write = [&i](char* to) {
      auto* const block = static_cast<char*>(std::malloc(payload_bytes));
      fill(block, i++);
      std::memcpy(to, &block, sizeof block);
      return sizeof block;
    };
    source.out.emit_many(stage::main_port, count - i, sizeof(char*), source.clock(), write);
    co_await source.flush();
  }
}

const auto box_work_spec =
    config::Spec<BoxConfig>("bench_box_work", "bench_work, where it stands.").example("bench_box_work: {}");
const auto box_end_spec =
    config::Spec<BoxConfig>("bench_box_end", "bench_end, and frees the block.").example("bench_box_end: {}");

class BoxWork final : public stage::MessageOperator<BoxWork> {
 public:
  using MessageOperator::process;
  BoxWork(const BoxConfig&, stage::Context&) {}

  void process(stage::Message message, stage::Output& out) {
    char* const block = block_of(message);
    run_sums.of_all += upper(block, block, payload_bytes);
    out.pass(message);
  }
};

class BoxEnd final : public stage::MessageOperator<BoxEnd> {
 public:
  using MessageOperator::process;
  BoxEnd(const BoxConfig&, stage::Context&) {}

  void process(stage::Message message, stage::Output& out) {
    char* const block = block_of(message);
    run_sums.of_firsts += first_word(block);
    std::free(block);
    out.drop(message, stage::Dropped::configured);
  }
};

const stage::Register box_source_registered(box_source_spec,
                                            [](auto config) { return stage::source_of(config, run_box_source); });
const stage::Register box_work_registered(box_work_spec,
                                          [](auto config) { return stage::operator_of<BoxWork>(config); });
const stage::Register box_end_registered(box_end_spec, [](auto config) {
  auto configured = stage::operator_of<BoxEnd>(config);
  configured.main_output = false;
  return configured;
});

// --- the rows ----------------------------------------------------------------------------------------------------

void chain_row(State& state, const Chain& chain) { run_row(state, chain.yaml(), {}, chain.messages, 1, chain.size); }

/// Fewer where each costs more.
void register_chain(const std::string& name, int stages, std::uint64_t messages, std::size_t size = payload_bytes,
                    const std::string& source = {}) {
  for (const bool edges : {false, true}) {
    const Chain chain{
        .stages = stages, .messages = messages, .capacity = edges ? 128 : 0, .size = size, .source = source};
    row((edges ? "Chain/edges/" : "Chain/fused/") + name, chain_row, chain);
  }
}

void box_row(State& state) {
  run_row(state,
          "stages:\n  s: {bench_box_source: {count: " + std::to_string(chain_messages) +
              "}}\n"
              "  work: {from: s, bench_box_work: {}, edge: {capacity: 128}}\n"
              "  end: {from: work, bench_box_end: {}, edge: {capacity: 128}}\n",
          {}, chain_messages);
}

enum class Tokens { none, message, batch };

void ack_row(State& state, Tokens tokens) {
  Setting setting;
  setting.options.acks = tokens == Tokens::batch;
  const Chain chain{
      .messages = chain_messages, .capacity = 128, .source = tokens == Tokens::message ? ", token_each: true" : ""};
  run_row(state, chain.yaml(), setting, chain_messages);
}

/// With a scrape every half second, thirty times as often as Prometheus asks by default, and all of it on the one core.
/// Who does without figures has the alarm as well: a core that has one asks the kernel for news at each turn of its
/// loop, and in a program that runs pipelines there always is one.
void metrics_row(State& state, bool scraped) {
  Setting setting;
  std::size_t bytes = 0;
  setting.snapshot_every = 500ms;
  setting.snapshot = [&bytes, scraped](observe::PipelineSnapshot pipeline) {
    if (!scraped) return;
    observe::Snapshot snapshot;
    snapshot.pipelines.push_back(std::move(pipeline));
    bytes += observe::exposition(snapshot).size();
  };
  run_row(state, chain(3, true, scraped_messages), setting, scraped_messages);
  state.counters["scraped_bytes"] = static_cast<double>(bytes);
}

}  // namespace

void register_chains() {
  register_chain("2", 2, chain_messages);
  register_chain("3", 3, chain_messages);
  register_chain("8", 8, chain_messages);
  register_chain("32", 32, chain_messages / 5);
  register_chain("3_1KiB", 3, chain_messages / 10, 1024);
  register_chain("3_16KiB", 3, chain_messages / 100, 16 * 1024);
  register_chain("3_one", 3, chain_messages / 5, payload_bytes, ", one_by_one: emit");
  register_chain("3_alone", 3, chain_messages / 5, payload_bytes, ", one_by_one: flush");
  row("Chain/alloc/3", box_row);
  row("Ack/none", ack_row, Tokens::none);
  row("Ack/batch", ack_row, Tokens::batch);
  row("Ack/message", ack_row, Tokens::message);
  // The program that counts nothing has the other rows as well; only this one of it is asked for.
  row(flow::counting ? "Metrics/ledger" : "Metrics/off", metrics_row, false);
  row("Metrics/scraped", metrics_row, true);
}

}  // namespace weir::bench
