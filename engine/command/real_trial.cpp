#include "engine/command/real_trial.hpp"

#include <chrono>
#include <memory>
#include <utility>

#include "engine/command/doubles.hpp"
#include "engine/runtime/real.hpp"

namespace weir::command {
namespace {

using namespace std::chrono_literals;

/// A test without `for` that runs longer does not end by itself.
constexpr runtime::Duration longest = 1min;

/// All on core 0, which is the thread that asks.
class RealRun {
 public:
  RealRun(const Trial& trial, const stage::Catalog& catalog)
      : trial_(trial),
        runtime_(runtime::make_real({})),
        core_(runtime_->core(0)),
        budget_(trial.plan->pipeline.run.memory.bytes),
        doubles_(trial, catalog, *runtime_) {}

  Verdict verdict() {
    Verdict verdict;
    const KeptLog log(verdict.log);
    runtime_->run([this] { begin(); });
    verdict.took = took_;
    if (tired_) {
      verdict.tell(trial_, "it does not end by itself: after " + shown(longest) + " it was given up",
                   "say how long it is to run, such as `for: 20s`");
      return verdict;
    }
    seen_.record = &doubles_.record();
    judge(trial_, ending_, seen_, verdict);
    return verdict;
  }

 private:
  void begin() {
    began_ = core_.now();
    try {
      running_ = std::make_unique<graph::Running>(doubles_.plan(), *runtime_, 0, budget_);
      running_->start([this](const graph::Ending& ending) { on_ended(ending); });
    } catch (...) {
      ending_.fault = std::current_exception();
      return end();
    }
    for (const auto look : trial_.config.looks()) {
      at(look, [this, look] { take_figures([this, look](Figures figures) { seen_.at[look] = std::move(figures); }); });
    }
    const auto until = trial_.config.run_for;
    at(until.value_or(longest), [this, until] {
      tired_ = !until;
      if (tired_) return running_->stop();
      doubles_.end_sources();
      running_->drain();
    });
    if (until) {
      at(*until + trial_.plan->pipeline.run.drain, [this] { running_->stop(); });
    }
  }

  /// Unless it has ended by then.
  void at(runtime::Duration time, std::function<void()> what) {
    alarms_.push_back(core_.alarm(began_ + time, std::move(what)));
  }

  void take_figures(std::function<void(Figures)> done) {
    running_->snapshot([this, done = std::move(done)](observe::PipelineSnapshot snapshot) {
      done(figures_of(running_->plan(), std::move(snapshot), doubles_.record().calls));
    });
  }

  void on_ended(const graph::Ending& ending) {
    ending_ = ending;
    core_.post([this] {
      alarms_.clear();
      take_figures([this](Figures figures) {
        seen_.end = std::move(figures);
        core_.post([this] { end(); });
      });
    });
  }
  void end() {
    took_ = std::chrono::floor<std::chrono::milliseconds>(core_.now() - began_);
    running_.reset();
    runtime_->stop();
  }

  const Trial& trial_;
  const std::unique_ptr<runtime::RealRuntime> runtime_;
  runtime::Core& core_;
  flow::Budget budget_;
  Doubles doubles_;
  std::unique_ptr<graph::Running> running_;
  std::vector<std::unique_ptr<runtime::Alarm>> alarms_;
  graph::Ending ending_;
  Seen seen_;
  runtime::Time began_{};
  runtime::Duration took_{};
  bool tired_ = false;
};

}  // namespace

Verdict try_out_really(const Trial& trial, const stage::Catalog& catalog) {
  RealRun run(trial, catalog);
  return run.verdict();
}

}  // namespace weir::command
