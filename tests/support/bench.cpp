#include "tests/support/bench.hpp"

#include <stdexcept>

#include "engine/config/loader.hpp"
#include "engine/observe/log.hpp"

namespace weir::tests {

Bench::Bench(const std::string& yaml, std::uint64_t seed, int cores) : runtime(seed, cores), yaml_(yaml) {
  observe::Log::Options kept;
  kept.sink = [this](std::string_view line) { log += line; };
  observe::program_log().set(std::move(kept));
  config::Diagnostics diagnostics;
  auto source = std::make_shared<config::Source>(config::Source{"test.yaml", yaml});
  auto pipeline = config::load(
      source, {}, [](const std::string&) { return std::optional<std::string>(); }, diagnostics);
  if (pipeline && !diagnostics.has_errors()) {
    plan_ = graph::compile(std::move(*pipeline), stage::Catalog::linked(), diagnostics);
  }
  mistakes_ = diagnostics.render();
}

Bench::~Bench() {
  if (running_ && !ended_) {
    running_->stop();
    runtime.run_until_idle(runtime.now() + std::chrono::minutes(1));
  }
  running_.reset();
  observe::program_log().set({});
}

void Bench::start() {
  if (!plan_) throw std::runtime_error(mistakes_);
  budget_ = std::make_unique<flow::Budget>(memory_bytes ? memory_bytes : plan_->pipeline.run.memory.bytes);
  running_ = std::make_unique<graph::Running>(std::move(*plan_), runtime, 0, *budget_, options);
  running_->start([this](const graph::Ending& ending) {
    ended_ = true;
    ending_ = ending;
  });
}

void Bench::advance(runtime::Duration time) { runtime.run_for(time); }

void Bench::run(runtime::Duration most) {
  if (!running_) start();
  const auto limit = runtime.now() + most;
  while (!ended_ && runtime.now() <= limit && runtime.step()) {
  }
  if (!ended_) throw std::runtime_error("the pipeline stands still and has not ended");
  runtime.run_until_idle(runtime.now());
}

void Bench::drain() { running_->drain(); }

void Bench::stop() { running_->stop(); }

std::string Bench::output() { return runtime.files().printed(); }

observe::PipelineSnapshot Bench::snapshot() {
  std::optional<observe::PipelineSnapshot> taken;
  running_->snapshot([&](observe::PipelineSnapshot snapshot) { taken = std::move(snapshot); });
  while (!taken && runtime.step()) {
  }
  return std::move(*taken);
}

observe::StageSnapshot Bench::stage(const std::string& name) {
  const auto taken = snapshot();
  for (const auto& cells : taken.stages) {
    if (cells.stage == name) return cells;
  }
  throw std::runtime_error("no stage " + name);
}

std::uint64_t Bench::out(const std::string& stage, const std::string& port) {
  return observe::count_of(this->stage(stage).out, port);
}

}  // namespace weir::tests
