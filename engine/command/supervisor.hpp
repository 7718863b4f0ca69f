// Watches over everything that runs: starts the pipelines, drains and stops them, and knows with what number weir ends.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph/running.hpp"
#include "engine/observe/snapshot.hpp"
#include "engine/runtime/real.hpp"
#include "engine/runtime/wait.hpp"

namespace weir::command {

enum class Phase : std::uint8_t { starting, running, draining, ended };
std::string_view word(Phase phase);

/// Lives on the control core, a service of the runtime with a thread of its own, which no pipeline can keep busy: so a
/// signal, a drain time and a scrape are answered whatever the cores do. All members there, but where noted.
class Supervisor {
 public:
  struct Pipeline {
    std::string name;
    const graph::Plan* plan = nullptr;  ///< Never changes; there until the last words are said.
    runtime::Duration drain{};
    Phase phase = Phase::starting;
  };

  /// Before the cores run, on the main thread: makes every pipeline. Throws what graph::Running throws.
  Supervisor(std::vector<graph::Plan> plans, runtime::RealRuntime& runtime, runtime::Core& control,
             flow::Budget& budget);
  ~Supervisor();

  /// Awaited when all pipelines have ended, in turn, before they are destroyed. Before start().
  void before_end(std::function<runtime::Task<>()> last_words) { last_words_.push_back(std::move(last_words)); }

  /// Starts all pipelines. When the last one has ended the runtime is stopped. `run_for`: drains after that time.
  void start(std::optional<runtime::Duration> run_for);
  /// The first begins the drain, the second stops everything at once. A third is the caller's to obey. SIGHUP begins
  /// the drain and is not counted.
  void signalled(int number);

  const std::vector<Pipeline>& pipelines() const { return pipelines_; }
  bool ready() const;

  /// The cells of all pipelines that answer within `patience`.
  runtime::Task<observe::Snapshot> snapshot(runtime::Duration patience);
  /// Bytes read of all bytes, over all pipelines, where all of them know. As of the last snapshot().
  std::optional<double> progress() const;

  /// After the runtime has returned; main thread.
  int exit_code() const { return exit_code_; }

 private:
  struct Slot;
  struct Answers;
  void drain(std::string_view why);
  void stop();
  void give_up();
  void on_ended(std::size_t pipeline, const graph::Ending& ending);
  void worsen(int exit_code);
  void finish();
  runtime::Task<> close();
  void on_home(std::size_t pipeline, std::function<void(graph::Running&)> work);

  runtime::RealRuntime& runtime_;
  runtime::Core& control_;
  flow::Budget& budget_;
  runtime::WallTime started_{};
  std::vector<Pipeline> pipelines_;
  std::vector<std::shared_ptr<Slot>> slots_;
  std::vector<std::optional<double>> progress_;
  std::vector<std::function<runtime::Task<>()>> last_words_;
  std::vector<std::unique_ptr<runtime::Alarm>> alarms_;
  std::size_t asking_ = 0;  ///< Pipelines that still owe an answer: until then nothing of them may go.
  runtime::Waiter answered_;
  std::unique_ptr<runtime::Coroutine> closing_;
  std::unique_ptr<runtime::Alarm> last_alarm_;
  bool started_all_ = false;
  bool draining_ = false;
  std::string_view early_;  ///< Why, where that was said before anything had started. A literal.
  bool stopping_ = false;
  int signals_ = 0;
  int exit_code_ = 0;
};

}  // namespace weir::command
