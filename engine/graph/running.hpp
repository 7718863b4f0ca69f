// A pipeline that runs: its units on their cores, from start to the end of the last one.
#pragma once
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/flow/channel.hpp"
#include "engine/graph/plan.hpp"
#include "engine/observe/snapshot.hpp"
#include "engine/runtime/core.hpp"

namespace weir::graph {

struct RunOptions {
  std::uint64_t unacked_most = graph::unacked_most;  ///< Messages a source may have open.
  int attempts = 3;                                  ///< Of a source that can replay.
  bool acks = true;                                  ///< Only a benchmark turns them off.
  bool pooled_cores = true;                          ///< Replicas go to the other cores.
};

/// How a run ended.
struct Ending {
  std::uint64_t unheard = 0;  ///< Messages that failed for good and reached nobody.
  std::uint64_t left = 0;     ///< Messages that were in the engine when it was stopped.
  std::exception_ptr fault;   ///< What made it impossible to go on, if that was why it ended; null otherwise.
  std::string fault_stage;    ///< Where,
  std::string fault_place;    ///< FILE:LINE:COLUMN of it.
};

/// One pipeline on one runtime. Made, started, drained and destroyed by the thread of its home core, or before the
/// cores run. Destroy it only when it has ended.
class Running {
 public:
  /// `home`: the core of all its units but for replicas. Throws stage::Fault or std::system_error when the outside is
  /// not as the stages need it.
  Running(Plan plan, runtime::Runtime& runtime, int home, flow::Budget& budget, RunOptions options = {});
  ~Running();

  /// Starts every unit. `ended` is called once, on the home core, when the last one has ended.
  void start(std::function<void(const Ending&)> ended);
  /// Tells the sources to read no more; the rest ends by itself. Idempotent.
  void drain();
  /// After drain(), when its time is over: what waits for an outside fails (stopped), and goes where who reads failures
  /// can have it. No source sends again what fails so; where nobody reads failures it is left, and a source that keeps its
  /// place reads it after the next start. What has not ended soon after is to be stopped.
  void expire();
  /// Ends everything at once; what was under way fails as `stopped`. Idempotent.
  void stop();

  const Plan& plan() const;
  bool has_ended() const;
  /// The cells of this pipeline, each core's between two batches. `done` is called on the home core, in no hurry.
  void snapshot(std::function<void(observe::PipelineSnapshot)> done);
  /// Bytes read of all bytes, of those sources that know; for the progress line. Home core.
  std::optional<double> progress() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace weir::graph
