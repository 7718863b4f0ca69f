#include "engine/command/trial.hpp"

#include <set>

#include "engine/command/doubles.hpp"
#include "engine/command/real_trial.hpp"
#include "engine/runtime/simulated.hpp"

namespace weir::command {
namespace {

using namespace std::chrono_literals;
using runtime::Time;

/// A test that takes more steps than this, or so many without time moving, does not end by itself.
constexpr std::uint64_t steps_most = 5'000'000;
constexpr std::uint64_t steps_at_once = 500'000;
/// So many more for each message in each stage; none once more were made than messages_most and those that the test
/// sends: then no end is to be seen.
constexpr std::uint64_t steps_a_message = 50;
constexpr std::uint64_t messages_most = 100'000;

/// Without what nobody would miss.
std::string roughly(runtime::Duration time) {
  for (const runtime::Duration unit : {runtime::Duration(24h), runtime::Duration(1h), runtime::Duration(1s)}) {
    if (time >= 10 * unit) return shown(time - time % unit);
  }
  return shown(time);
}

class Run {
 public:
  Run(const Trial& trial, const stage::Catalog& catalog)
      : trial_(trial), runtime_(1), budget_(trial.plan->pipeline.run.memory.bytes), doubles_(trial, catalog, runtime_) {
    if (trial.start) runtime_.set_wall(*trial.start);
  }
  ~Run() { crash(); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Verdict verdict() {
    Verdict verdict;
    const KeptLog log(verdict.log);
    start();
    const auto looks = trial_.config.looks();
    std::set<runtime::Duration> restarts;
    for (const auto& send : trial_.config.send) {
      if (send.restart) restarts.insert(send.at);
    }
    std::set<runtime::Duration> marks = looks;
    marks.insert(restarts.begin(), restarts.end());
    for (const auto& send : trial_.config.send) {
      if (!send.machine.empty()) marks.insert(send.at);
    }
    const auto until = trial_.config.run_for;
    for (const auto mark : marks) {
      if (until && mark > *until) break;
      if (!load_machine(mark) || !run_until(Time(mark))) break;
      if (restarts.contains(mark)) {
        crash();
        start();
        if (!run_until(Time(mark))) break;
      }
      if (looks.contains(mark)) seen_.at[mark] = figures();
    }
    if (until && run_until(Time(*until))) {
      doubles_.end_sources();
      if (running_) running_->drain();
      const Time drained = Time(*until) + trial_.plan->pipeline.run.drain;
      if (run_until(drained) && !ended_ && running_) running_->stop();
    }
    run_until(Time::max());
    if (!ended_ && !tired_) {  // Nothing is under way: who waits for more to be sent is told that nothing comes.
      doubles_.end_sources();
      run_until(Time::max());
    }
    verdict.took = last_ - Time();
    if (!ended_) {
      if (tired_ && stuck_) {
        verdict.tell(trial_, "it goes on and on at " + shown(verdict.took) + ", and no time passes",
                     "say how many messages are made, such as `set: {stages.NAME.generate.count: 100}`");
        return verdict;
      }
      verdict.tell(trial_,
                   tired_ ? "it does not end by itself: after " + roughly(verdict.took) + " it was given up"
                          : "it stands still and has not ended",
                   tired_ ? "say how long it is to run, such as `for: 20s`" : "this is a bug in weir");
      return verdict;
    }
    seen_.record = &doubles_.record();
    seen_.end = figures();
    judge(trial_, ending_, seen_, verdict);
    return verdict;
  }

 private:
  void start() {
    ended_ = false;
    try {
      running_ = std::make_unique<graph::Running>(doubles_.plan(), runtime_, 0, budget_);
      running_->start([this](const graph::Ending& ending) {
        ended_ = true;
        ending_ = ending;
        last_ = runtime_.now();
      });
    } catch (...) {
      ending_ = {};
      ending_.fault = std::current_exception();
      ended_ = true;
      running_.reset();
    }
  }

  /// As busy as it is from then on, before anything happens that is due then. False: that was too much.
  bool load_machine(runtime::Duration at) {
    for (const auto& send : trial_.config.send) {
      if (send.machine.empty() || send.at != at) continue;
      if (at > at.zero() && !run_until(Time(at) - runtime::Duration(1))) return false;
      for (const auto& [of, share] : send.machine) {
        runtime_.machine().set(*load_of(of), stage::parse_share(share).value_or(0));
      }
    }
    return true;
  }

  /// As if the program had been killed: whatever is under way is gone.
  void crash() {
    if (running_ && !ended_) {
      running_->stop();
      runtime_.run_steps(steps_at_once, runtime_.now() + 1min);
    }
    running_.reset();
  }

  /// All that happens up to and at `limit`. False: that was too much.
  bool run_until(Time limit) {
    std::uint64_t at_once = 0;
    while (!tired_) {
      const Time before = runtime_.now();
      if (runtime_.run_steps(steps_at_once, limit)) break;
      at_once = runtime_.now() == before ? at_once + steps_at_once : 0;
      const auto more = steps_for_messages();
      stuck_ = at_once > more;
      tired_ = stuck_ || runtime_.steps() > steps_most + more;
    }
    if (!ended_) last_ = runtime_.now();
    if (!tired_ && limit != Time::max() && limit > runtime_.now()) runtime_.run_for(limit - runtime_.now());
    if (!ended_) last_ = runtime_.now();
    return !tired_;
  }

  /// How many more than usual the messages of this test may take.
  std::uint64_t steps_for_messages() {
    std::uint64_t made = 0, most = messages_most;
    for (const auto& stage : figures().stages.stages) made += stage.created;
    for (const auto& send : trial_.config.send) most += static_cast<std::uint64_t>(send.times);
    return made > most ? 0 : made * steps_a_message * trial_.plan->stages.size();
  }

  Figures figures() {
    const auto& calls = doubles_.record().calls;
    std::optional<observe::PipelineSnapshot> taken;
    if (running_) {
      running_->snapshot([&](observe::PipelineSnapshot snapshot) { taken = std::move(snapshot); });
      while (!taken && runtime_.step()) {
      }
    }
    if (taken) return figures_of(running_->plan(), std::move(*taken), calls);
    Figures figures;
    figures.calls = calls;
    return figures;
  }

  const Trial& trial_;
  runtime::SimulatedRuntime runtime_;
  flow::Budget budget_;
  Doubles doubles_;
  std::unique_ptr<graph::Running> running_;
  graph::Ending ending_;
  Seen seen_;
  bool ended_ = false;
  bool tired_ = false, stuck_ = false;  // It took too many steps; in all, or at one moment.
  Time last_{};
};

}  // namespace

Verdict try_out(const Trial& trial, const stage::Catalog& catalog) {
  if (trial.config.clock == TestClock::real) return try_out_really(trial, catalog);
  Run run(trial, catalog);
  return run.verdict();
}

}  // namespace weir::command
