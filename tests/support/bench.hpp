// A whole pipeline on the simulated runtime: what a test of stages stands on.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/graph/running.hpp"
#include "engine/runtime/simulated.hpp"

namespace weir::tests {

/// Runs a pipeline text in virtual time, with simulated files, standard streams and programs. Files put in before
/// start() are there for it. Everything ends with it; what leaks then is a bug.
///
///   Bench bench("stages: {a: {generate: {range: 1..3}}, b: {from: a, stdout: {}}}");
///   bench.run();
///   BOOST_TEST(bench.output() == "1\n2\n3\n");
class Bench {
 public:
  explicit Bench(const std::string& yaml, std::uint64_t seed = 1, int cores = 1);
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  runtime::SimulatedRuntime runtime;
  runtime::SimulatedFiles& files() { return runtime.files(); }
  graph::RunOptions options;
  std::uint64_t memory_bytes = 0;  ///< In place of `run: {memory}`, which must be at least 1 MiB.
  std::string log;                 ///< What the program's log said meanwhile.

  /// Everything wrong with the text, rendered; empty if nothing is. Warnings too.
  const std::string& mistakes() const { return mistakes_; }

  /// Compiles, makes and starts it. Throws what the stages throw; std::runtime_error with the mistakes where the text
  /// is wrong.
  void start();
  void advance(runtime::Duration time);  ///< Lets virtual time pass.
  /// Starts, unless started, and goes on until it has ended. Throws std::runtime_error if it stands still before.
  void run(runtime::Duration most = std::chrono::hours(24 * 365));
  void drain();                         ///< As SIGTERM does.
  void stop();                          ///< As a second one does.
  void destroy() { running_.reset(); }  ///< As its owner does as soon as it has ended.
  bool has_ended() const { return ended_; }
  const graph::Ending& ending() const { return ending_; }
  graph::Running& running() { return *running_; }
  const graph::Plan& plan() const { return running_ ? running_->plan() : *plan_; }
  const flow::Budget& budget() const { return *budget_; }

  /// What went to standard output.
  std::string output();
  observe::PipelineSnapshot snapshot();
  /// One stage of the snapshot. Throws if there is none.
  observe::StageSnapshot stage(const std::string& name);
  std::uint64_t out(const std::string& stage, const std::string& port = "main");

 private:
  std::string yaml_;
  std::string mistakes_;
  std::unique_ptr<flow::Budget> budget_;
  std::optional<graph::Plan> plan_;
  std::unique_ptr<graph::Running> running_;
  bool ended_ = false;
  graph::Ending ending_;
};

}  // namespace weir::tests
