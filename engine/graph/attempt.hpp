// One call under way: to its answer, its time-out, or until it is given up.
#pragma once
#include <functional>
#include <memory>
#include <optional>

#include "engine/policy/breaker.hpp"
#include "engine/runtime/core.hpp"
#include "engine/stage/context.hpp"

namespace weir::graph {

/// The message again, in a batch of its own and alone there, for what may be done to it beside the one that goes on:
/// nobody asks behind it, no token and no list counts it.
stage::Batch::Pointer copy_of(const stage::Message& message);

/// One call of a stage. Its core's thread only. It must have ended before it is destroyed.
class Attempt {
 public:
  /// Works on the message itself, which outlives it; or on `own`, which it keeps. `hedges`: it is the second.
  Attempt(const stage::Message& message, stage::Batch::Pointer own, std::optional<policy::Breaker::Permit> permit,
          bool hedges);

  /// `ended` is called once, when nothing of it runs any more; it may destroy this. At `until` it is cut off.
  void begin(runtime::Core& core, stage::Call& call, std::optional<runtime::Time> until,
             std::function<void(std::exception_ptr)> ended);
  void cut_off();  ///< Its time is over.
  void stop();     ///< The engine stops.
  /// Its answer is not wanted any more: it is stopped, and nobody who waited for it does any longer.
  void part();
  bool parted() const noexcept { return parted_; }
  bool running() const { return coroutine_ && coroutine_->running(); }

  bool hedges() const noexcept { return hedges_; }
  runtime::Time began() const noexcept { return began_; }
  /// Handed out once.
  std::optional<policy::Breaker::Permit> take_permit() noexcept { return std::exchange(permit_, std::nullopt); }
  /// How it ended. `late`: the message's own time is over; else what cut it off was this time-out.
  message::Done outcome(std::exception_ptr fault, bool late, std::optional<runtime::Duration> timeout);
  /// Whether it had a copy of the message; and what it brought of that.
  bool has_own() const noexcept { return own_ != nullptr; }
  std::shared_ptr<const message::Result> result() const;

 private:
  static runtime::Task<> run(stage::Call& call, Attempt& attempt);

  stage::Batch::Pointer own_;
  stage::Message message_;
  std::optional<policy::Breaker::Permit> permit_;
  const bool hedges_;
  bool ended_ = false, cut_off_ = false, parted_ = false;
  message::Done failed_;
  runtime::Time began_{};
  std::unique_ptr<runtime::Coroutine> coroutine_;
  std::unique_ptr<runtime::Alarm> alarm_;
};

}  // namespace weir::graph
