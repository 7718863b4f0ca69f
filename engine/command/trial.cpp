#include "engine/command/trial.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "engine/command/doubles.hpp"
#include "engine/command/exit_code.hpp"
#include "engine/command/expectations.hpp"
#include "engine/command/fault.hpp"
#include "engine/graph/running.hpp"
#include "engine/observe/log.hpp"
#include "engine/runtime/simulated.hpp"

namespace weir::command {
namespace {

using namespace std::chrono_literals;
using runtime::Time;

/// A test that takes more steps than this, or so many without time moving, does not end by itself.
constexpr std::uint64_t steps_most = 5'000'000;
constexpr std::uint64_t steps_at_once = 500'000;
constexpr std::size_t log_lines_most = 10;

/// The program's log, kept while this lives.
class KeptLog {
 public:
  explicit KeptLog(std::vector<std::string>& lines) {
    observe::Log::Options options;
    options.least = observe::Level::warn;
    options.sink = [&lines](std::string_view line) {
      while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
      if (lines.size() < log_lines_most) lines.emplace_back(line);
    };
    observe::program_log().set(std::move(options));
  }
  ~KeptLog() { observe::program_log().set({}); }
  KeptLog(const KeptLog&) = delete;
  KeptLog& operator=(const KeptLog&) = delete;
};

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
    std::set<runtime::Duration> looks, restarts;
    for (const auto& expect : trial_.config.expect) {
      if (expect.at) looks.insert(*expect.at);
    }
    for (const auto& send : trial_.config.send) {
      if (send.restart) restarts.insert(send.at);
    }
    std::set<runtime::Duration> marks = looks;
    marks.insert(restarts.begin(), restarts.end());
    const auto until = trial_.config.run_for;
    for (const auto mark : marks) {
      if (until && mark > *until) break;
      if (!run_until(Time(mark))) break;
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
    }
    run_until(Time::max());
    if (!ended_ && !tired_) {  // Nothing is under way: who waits for more to be sent is told that nothing comes.
      doubles_.end_sources();
      run_until(Time::max());
    }
    verdict.took = last_ - Time();
    if (!ended_) {
      if (tired_ && stuck_) {
        tell(verdict, "it goes on and on at " + shown(verdict.took) + ", and no time passes",
             "say how many messages are made, such as `set: {stages.NAME.generate.count: 100}`");
        return verdict;
      }
      tell(verdict,
           tired_ ? "it does not end by itself: after " + roughly(verdict.took) + " it was given up"
                  : "it stands still and has not ended",
           tired_ ? "say how long it is to run, such as `for: 20s`" : "this is a bug in weir");
      return verdict;
    }
    judge(verdict);
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
    for (bool over = false; !over && !tired_;) {
      const Time before = runtime_.now();
      over = runtime_.run_steps(steps_at_once, limit);
      stuck_ = !over && runtime_.now() == before;
      tired_ = stuck_ || (!over && runtime_.steps() > steps_most);
    }
    if (!ended_) last_ = runtime_.now();
    if (!tired_ && limit != Time::max() && limit > runtime_.now()) runtime_.run_for(limit - runtime_.now());
    if (!ended_) last_ = runtime_.now();
    return !tired_;
  }

  Figures figures() {
    Figures figures;
    figures.calls = doubles_.record().calls;
    if (!running_) return figures;
    std::optional<observe::PipelineSnapshot> taken;
    running_->snapshot([&](observe::PipelineSnapshot snapshot) { taken = std::move(snapshot); });
    while (!taken && runtime_.step()) {
    }
    if (taken) figures.stages = std::move(*taken);
    return figures;
  }

  void tell(Verdict& verdict, const std::string& what, const std::string& hint) const {
    verdict.failures.error(trial_.config.place, what, hint);
  }

  void judge(Verdict& verdict) {
    const bool exit_expected = std::any_of(trial_.config.expect.begin(), trial_.config.expect.end(),
                                           [](const auto& expect) { return expect.exit.has_value(); });
    seen_.record = &doubles_.record();
    seen_.end = figures();
    if (ending_.fault) {
      const auto fault = describe(ending_.fault, When::running);
      seen_.exit_code = fault.exit_code;
      if (!exit_expected) {
        tell(verdict, "the pipeline can't go on: " + fault.what,
             ending_.fault_stage.empty() ? "" : "in stage '" + ending_.fault_stage + "'");
      }
    } else if (ending_.unheard > 0 || ending_.left > 0) {
      seen_.exit_code = exit_code::failures;
    }
    if (!exit_expected) verdict.unheard = ending_.unheard;
    const auto lost = ending_.fault ? 0 : observe::unaccounted(seen_.end.stages);
    if (lost != 0) tell(verdict, std::to_string(lost) + " messages are not accounted for", "this is a bug in weir");
    for (const auto& refused : seen_.record->refused) {
      tell(verdict, refused, "add an entry to `fake`, such as {text: '…'} or {failed: timeout}");
    }
    compare(trial_, seen_, verdict.failures);
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
  Run run(trial, catalog);
  return run.verdict();
}

}  // namespace weir::command
