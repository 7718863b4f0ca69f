// The stages of the rows, as any stage is written, and a pipeline of them on the real runtime.
#pragma once
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "engine/config/loader.hpp"
#include "engine/config/yaml.hpp"
#include "engine/graph/running.hpp"
#include "engine/runtime/real.hpp"
#include "engine/stage/kind.hpp"
#include "tests/bench/job.hpp"

namespace weir::bench {

/// Of the run under way; one at a time in a program. Each is written on one core only.
inline Sums run_sums;
/// How many its source has made.
inline std::uint64_t run_made = 0;

// --- bench_source ------------------------------------------------------------------------------------------------

/// The source emits as many as there is room for, or one message and asks whether it must flush, or flushes after each.
enum class OneByOne { no, emit, flush };

struct SourceConfig {
  std::int64_t count = 0;
  std::int64_t size = payload_bytes;
  bool token_each = false;
  OneByOne one_by_one = OneByOne::no;
};

inline const auto source_spec =
    config::Spec<SourceConfig>("bench_source", "Makes the messages of the job.")
        .field("count", &SourceConfig::count, "Messages.", config::at_least(0))
        .field("size", &SourceConfig::size, "Bytes of each, a multiple of 16.", config::at_least(16))
        .field("one_by_one", &SourceConfig::one_by_one, "What is done after each message, if they are made so.",
               config::one_of({{"no", OneByOne::no}, {"emit", OneByOne::emit}, {"flush", OneByOne::flush}}))
        .field("token_each", &SourceConfig::token_each, "A token of its own for each message, as no source here has.")
        .example("bench_source: {count: 10}");

/// Opens a token for each message, and lets it go when it is answered.
class TokenEach final : private message::TokenOwner {
 public:
  void open(stage::Message message) {
    ++last_id_;
    message.batch().set_identity(message.row(), last_id_, new message::Token(*this, last_id_, 1));
  }

 private:
  void completed(message::Token& token) noexcept override { delete &token; }
  std::uint64_t last_id_ = 0;
};

inline stage::Task<> run_one_by_one(const SourceConfig& config, stage::Source& source) {
  const auto count = static_cast<std::uint64_t>(config.count);
  for (std::uint64_t i = 0; i < count && !source.abandoned(); run_made = ++i) {
    source.out.emit_written(stage::main_port, payload_bytes, source.clock(), [i](char* to) {
      fill(to, i);
      return payload_bytes;
    });
    if (config.one_by_one == OneByOne::flush || source.full()) co_await source.flush();
  }
}

inline stage::Task<> run_source(const SourceConfig& config, stage::Source& source) {
  if (config.one_by_one != OneByOne::no) co_return co_await run_one_by_one(config, source);
  static TokenEach tokens;  // Outlives whatever is still on its way when the run ends.
  const auto count = static_cast<std::uint64_t>(config.count);
  const auto size = static_cast<std::size_t>(config.size);
  for (std::uint64_t i = 0; i < count && !source.abandoned();) {
    const auto now = source.clock();
    const auto write = [&i](char* to) {
      fill(to, i++);
      return payload_bytes;
    };
    const auto write_sized = [&i, size](char* to) {
      fill(to, size, i++);
      return size;
    };
    if (size != payload_bytes) {
      source.out.emit_many(stage::main_port, count - i, size, now, write_sized);
    } else if (!config.token_each) {
      source.out.emit_many(stage::main_port, count - i, payload_bytes, now, write);
    }
    while (config.token_each && i < count && !source.full()) {
      tokens.open(source.out.emit_written(stage::main_port, payload_bytes, now, write));
    }
    run_made = i;
    co_await source.flush();
  }
}

inline const stage::Register source_registered(source_spec,
                                               [](auto config) { return stage::source_of(config, run_source); });

// --- bench_work --------------------------------------------------------------------------------------------------

struct WorkConfig {};

inline const auto work_spec =
    config::Spec<WorkConfig>("bench_work", "Makes upper case and adds up.").example("bench_work: {}");

/// The work of the job on one message. Returns where its new payload stands.
inline const char* make_upper(const stage::Message& message) {
  const std::string_view text = message.text();
  const char* made = nullptr;
  message.rewrite(text.size(), [text, &made](char* to) {
    run_sums.of_all += upper(text.data(), to, text.size());
    made = to;
    return text.size();
  });
  return made;
}

class Work final : public stage::MessageOperator<Work> {
 public:
  using MessageOperator::process;
  Work(const WorkConfig&, stage::Context&) {}

  void process(stage::Message message, stage::Output& out) {
    make_upper(message);
    out.pass(message);
  }
};

inline const stage::Register work_registered(work_spec, [](auto config) { return stage::operator_of<Work>(config); });

// --- bench_pass --------------------------------------------------------------------------------------------------

struct PassConfig {};

inline const auto pass_spec =
    config::Spec<PassConfig>("bench_pass", "Lets every message on.").example("bench_pass: {}");

class Pass final : public stage::MessageOperator<Pass> {
 public:
  using MessageOperator::process;
  Pass(const PassConfig&, stage::Context&) {}

  void process(stage::Message message, stage::Output& out) { out.pass(message); }
};

inline const stage::Register pass_registered(pass_spec, [](auto config) { return stage::operator_of<Pass>(config); });

// --- bench_end ---------------------------------------------------------------------------------------------------

struct EndConfig {};

inline const auto end_spec =
    config::Spec<EndConfig>("bench_end", "Looks at each message and drops it.").example("bench_end: {}");

class End final : public stage::MessageOperator<End> {
 public:
  using MessageOperator::process;
  End(const EndConfig&, stage::Context&) {}

  void process(stage::Message message, stage::Output& out) {
    run_sums.of_firsts += first_word(message.text().data());
    out.drop(message, stage::Dropped::configured);
  }
};

inline const stage::Register end_registered(end_spec, [](auto config) {
  auto configured = stage::operator_of<End>(config);
  configured.main_output = false;
  return configured;
});

// --- bench_work_end ----------------------------------------------------------------------------------------------

struct WorkEndConfig {};

inline const auto work_end_spec =
    config::Spec<WorkEndConfig>("bench_work_end", "bench_work and bench_end in one.").example("bench_work_end: {}");

class WorkEnd final : public stage::MessageOperator<WorkEnd> {
 public:
  using MessageOperator::process;
  WorkEnd(const WorkEndConfig&, stage::Context&) {}

  void process(stage::Message message, stage::Output& out) {
    run_sums.of_firsts += first_word(make_upper(message));
    out.drop(message, stage::Dropped::configured);
  }
};

inline const stage::Register work_end_registered(work_end_spec, [](auto config) {
  auto configured = stage::operator_of<WorkEnd>(config);
  configured.main_output = false;
  return configured;
});

// --- running -----------------------------------------------------------------------------------------------------

/// A pipeline of `stages` stages: source, work, passes, end; where there are two, the second does all.
struct Chain {
  int stages = 3;
  std::uint64_t messages = 0;
  int capacity = 0;  ///< Of a channel before each stage but the first; 0: none, they are joined.
  std::size_t size = payload_bytes;
  std::string source;  ///< More keys of the source.

  std::string yaml() const {
    std::string text = "stages:\n  s0: {bench_source: {count: " + std::to_string(messages) +
                       ", size: " + std::to_string(size) + source + "}}\n";
    for (int i = 1; i < stages; ++i) {
      const char* kind = stages == 2       ? "bench_work_end"
                         : i == 1          ? "bench_work"
                         : i == stages - 1 ? "bench_end"
                                           : "bench_pass";
      text += "  s" + std::to_string(i) + ": {from: s" + std::to_string(i - 1) + ", " + kind + ": {}";
      if (capacity > 0) text += ", edge: {capacity: " + std::to_string(capacity) + "}";
      text += "}\n";
    }
    return text;
  }
};

/// With `edges`, channels of 128 messages.
inline std::string chain(int stages, bool edges, std::uint64_t messages) {
  return Chain{.stages = stages, .messages = messages, .capacity = edges ? 128 : 0}.yaml();
}

/// How a row is run.
struct Setting {
  graph::RunOptions options;
  int cores = 1;
  /// While it runs, its figures are taken so often, as a scrape takes them; zero: never.
  runtime::Duration snapshot_every{};
  std::function<void(observe::PipelineSnapshot)> snapshot;
};

/// Compiles the text and runs it to its end on this thread. Throws std::runtime_error if it is wrong or did not end
/// well.
inline Sums run(const std::string& yaml, const Setting& setting = {}) {
  config::Diagnostics diagnostics;
  auto pipeline = config::load(
      config::make_source("bench.yaml", yaml), {}, [](const std::string&) { return std::optional<std::string>(); },
      diagnostics);
  std::optional<graph::Plan> plan;
  if (pipeline && !diagnostics.has_errors()) {
    plan = graph::compile(std::move(*pipeline), stage::Catalog::linked(), diagnostics);
  }
  if (!plan) throw std::runtime_error(diagnostics.render());

  run_sums = {};
  run_made = 0;
  runtime::Options machine;
  machine.cores = setting.cores;
  machine.seed = 1;
  machine.pin = setting.cores > 1;  // As `run: {pin: true}`: which processor it is must not be chance.
  flow::Budget budget(plan->pipeline.run.memory.bytes);
  const auto runtime = runtime::make_real(machine);
  graph::Running running(std::move(*plan), *runtime, 0, budget, setting.options);
  graph::Ending end;
  std::unique_ptr<runtime::Alarm> alarm;
  runtime::Core& home = runtime->core(0);
  std::function<void()> scrape;
  const auto scrape_later = [&] { alarm = home.alarm(home.now() + setting.snapshot_every, scrape); };
  scrape = [&] {
    running.snapshot(setting.snapshot);
    scrape_later();
  };
  runtime->run([&] {
    if (setting.snapshot_every > runtime::Duration{}) scrape_later();
    running.start([&](const graph::Ending& ending) {
      end = ending;
      alarm.reset();
      runtime->stop();
    });
  });
  if (end.fault) std::rethrow_exception(end.fault);
  if (end.unheard || end.left) throw std::runtime_error("the row lost messages");
  return run_sums;
}

}  // namespace weir::bench
