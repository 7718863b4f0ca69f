#include "engine/command/supervisor.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "engine/command/exit_code.hpp"
#include "engine/command/fault.hpp"
#include "engine/config/words.hpp"
#include "engine/observe/log.hpp"

namespace weir::command {
namespace {

using namespace std::chrono_literals;
using observe::Level;

/// In which what has just failed may go where it is kept.
constexpr auto last_words_time = 1s;
/// Stopping is fast by design. What has not ended by then never will: it hangs in the system, or in a bug.
constexpr auto stop_patience = 5s;

std::string_view signal_name(int number) {
  switch (number) {
    case SIGTERM:
      return "SIGTERM";
    case SIGINT:
      return "SIGINT";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "a signal";
  }
}

}  // namespace

std::string_view word(Phase phase) {
  switch (phase) {
    case Phase::starting:
      return "starting";
    case Phase::running:
      return "running";
    case Phase::draining:
      return "draining";
    case Phase::ended:
      return "ended";
  }
  return "";
}

/// What belongs to the pipeline's home core. Shared with what is posted there, so that a request that comes late finds
/// nobody instead of what is gone.
struct Supervisor::Slot {
  runtime::Core* home = nullptr;
  std::unique_ptr<graph::Running> running;
};

/// The answers to one question to all cores, on the control core.
struct Supervisor::Answers {
  Answers(runtime::Core& control, std::size_t pipelines) : news(control), parts(pipelines), missing(pipelines) {}
  runtime::Waiter news;
  std::vector<std::optional<observe::PipelineSnapshot>> parts;
  std::size_t missing;
};

namespace {

/// Each file's core: dealt round-robin, but for files that listen on one address, which share a server and so a core.
std::vector<int> homes_of(const std::vector<graph::Plan>& plans, int cores) {
  std::vector<int> homes(plans.size(), -1);
  const auto addresses = [&](std::size_t plan) {
    std::vector<std::string> all;
    for (const auto& stage : plans[plan].stages) {
      const auto& serves = stage.configured.serves;
      if (serves && !serves->address.ends_with(":0")) all.push_back(serves->address);
    }
    return all;
  };
  const auto meet = [&](std::size_t one, std::size_t other) {
    const auto mine = addresses(one), theirs = addresses(other);
    return std::find_first_of(mine.begin(), mine.end(), theirs.begin(), theirs.end()) != mine.end();
  };
  int next = 0;
  for (std::size_t first = 0; first < plans.size(); ++first) {
    if (homes[first] >= 0) continue;
    std::vector<std::size_t> together{first};
    homes[first] = next++ % cores;
    for (std::size_t at = 0; at < together.size(); ++at) {
      for (std::size_t other = first + 1; other < plans.size(); ++other) {
        if (homes[other] >= 0 || !meet(together[at], other)) continue;
        homes[other] = homes[first];
        together.push_back(other);
      }
    }
  }
  return homes;
}

/// What became of its messages, for whoever had no terminal to watch it on.
void tell_sums(const observe::PipelineSnapshot& pipeline, double seconds) {
  constexpr std::size_t sinks_most = 8;
  std::uint64_t read = 0, failed = 0, dropped = 0;
  std::string sinks;
  std::size_t shown = 0;
  for (const auto& stage : pipeline.stages) {
    if (stage.ack_pending) {  // A source; what it sends on as a failure was read once.
      read += stage.created;
      for (const auto& [port, count] : stage.out) {
        if (port == config::failed_word || port == config::any_word) read -= count;
      }
    }
    failed += observe::total(stage.errors);
    dropped += stage.all_dropped();
    if (stage.end_to_end.empty()) continue;
    if (++shown > sinks_most) continue;
    sinks += (sinks.empty() ? "" : ", ") + stage.stage + " " + std::to_string(stage.in);
  }
  if (shown > sinks_most) sinks += ", …";
  if (shown == 0) sinks = "none";
  observe::log(Level::info, "ended",
               {{"pipeline", pipeline.pipeline},
                {"read", read},
                {"sinks", sinks},
                {"failed", failed},
                {"dropped", dropped},
                {"seconds", std::round(seconds * 1000) / 1000}});
}

}  // namespace

Supervisor::Supervisor(std::vector<graph::Plan> plans, runtime::RealRuntime& runtime, runtime::Core& control,
                       flow::Budget& budget)
    : runtime_(runtime), control_(control), budget_(budget), progress_(plans.size()), answered_(control) {
  const auto homes = homes_of(plans, runtime.cores());
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const int home = homes[i];
    Pipeline pipeline;
    pipeline.name = plans[i].pipeline.name;
    pipeline.drain = plans[i].pipeline.run.drain;
    auto slot = std::make_shared<Slot>();
    slot->home = &runtime.core(home);
    slot->running = std::make_unique<graph::Running>(std::move(plans[i]), runtime, home, budget);
    pipeline.plan = &slot->running->plan();
    pipelines_.push_back(std::move(pipeline));
    slots_.push_back(std::move(slot));
  }
}

Supervisor::~Supervisor() = default;

void Supervisor::on_home(std::size_t pipeline, std::function<void(graph::Running&)> work) {
  auto slot = slots_[pipeline];
  slot->home->post([slot, work = std::move(work)] {
    if (slot->running) work(*slot->running);
  });
}

void Supervisor::start(std::optional<runtime::Duration> run_for) {
  started_ = control_.wall();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const auto ended = [this, i](const graph::Ending& ending) {
      control_.post([this, i, ending] { on_ended(i, ending); });
    };
    const auto began = [this, i] {
      control_.post([this, i] {
        if (pipelines_[i].phase == Phase::starting) pipelines_[i].phase = draining_ ? Phase::draining : Phase::running;
      });
    };
    on_home(i, [ended, began](graph::Running& running) {
      try {
        running.start(ended);
        began();
      } catch (...) {
        graph::Ending ending;
        ending.fault = std::current_exception();
        ended(ending);
      }
    });
  }
  started_all_ = true;
  if (draining_) {  // A signal came while the program was starting.
    draining_ = false;
    drain(early_);
  } else if (run_for) {
    alarms_.push_back(control_.alarm(control_.now() + *run_for, [this] { drain("--for"); }));
  }
}

void Supervisor::signalled(int number) {
  if (number == SIGHUP) return drain(signal_name(number));
  ++signals_;
  if (signals_ == 1) {
    if (!draining_) return drain(signal_name(number));
    // By `--for`, SIGHUP or a fault: who presses a key must see that it was heard.
    return observe::log(Level::info, "draining already", {{"signal", signal_name(number)}, {"again", "stops at once"}});
  }
  exit_code_ = exit_code::signalled + number;
  observe::log(Level::warn, "stopping at once", {{"signal", signal_name(number)}});
  stop();
}

void Supervisor::drain(std::string_view why) {
  if (std::exchange(draining_, true)) return;
  if (!started_all_) {
    early_ = why;
    return;
  }
  runtime::Duration longest{0};
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    auto& pipeline = pipelines_[i];
    if (pipeline.phase == Phase::ended) continue;
    pipeline.phase = Phase::draining;
    longest = std::max(longest, pipeline.drain);
    on_home(i, [](graph::Running& running) { running.drain(); });
    alarms_.push_back(control_.alarm(control_.now() + pipeline.drain, [this, i] {
      if (pipelines_[i].phase == Phase::ended) return;
      observe::log(Level::error, "the drain time ran out", {{"pipeline", pipelines_[i].name}});
      worsen(exit_code::failures);
      on_home(i, [](graph::Running& running) { running.expire(); });
      alarms_.push_back(control_.alarm(control_.now() + last_words_time, [this, i] {
        if (pipelines_[i].phase == Phase::ended) return;
        on_home(i, [](graph::Running& running) { running.stop(); });
        if (!last_alarm_) last_alarm_ = control_.alarm(control_.now() + stop_patience, [this] { give_up(); });
      }));
    }));
  }
  if (signals_ == 0) return observe::log(Level::info, "draining", {{"why", why}, {"at_most", config::show(longest)}});
  observe::log(Level::info, "draining", {{"why", why}, {"at_most", config::show(longest)}, {"again", "stops at once"}});
}

void Supervisor::stop() {
  if (std::exchange(stopping_, true)) return;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (pipelines_[i].phase != Phase::ended) on_home(i, [](graph::Running& running) { running.stop(); });
  }
  last_alarm_ = control_.alarm(control_.now() + stop_patience, [this] { give_up(); });
}

void Supervisor::give_up() {
  std::size_t ended = 0;
  for (const auto& pipeline : pipelines_) {
    if (pipeline.phase == Phase::ended) {
      ++ended;
      continue;
    }
    observe::log(Level::error, "did not stop; ending without it", {{"pipeline", pipeline.name}});
  }
  // Where all have ended, some may be waiting for a drain time that runs longer than theirs.
  if (ended == pipelines_.size()) return;
  worsen(exit_code::failures);
  observe::program_log().flush();
  std::_Exit(exit_code_);
}

void Supervisor::worsen(int exit_code) {
  // The number of the second signal stands above all; the first fault above what merely failed.
  if (signals_ >= 2) return;
  if (exit_code_ == exit_code::done || (exit_code_ == exit_code::failures && exit_code != exit_code::done)) {
    exit_code_ = exit_code;
  }
}

void Supervisor::on_ended(std::size_t index, const graph::Ending& ending) {
  auto& pipeline = pipelines_[index];
  if (std::exchange(pipeline.phase, Phase::ended) == Phase::ended) return;
  if (ending.fault) {
    const auto fault = describe(ending.fault, When::running);
    observe::log(Level::error, "the pipeline can't go on",
                 {{"pipeline", pipeline.name},
                  {"stage", ending.fault_stage},
                  {"err", fault.what},
                  {"yaml", ending.fault_place}});
    worsen(fault.exit_code);
  }
  if (ending.left > 0) {
    observe::log(Level::error, "messages were left when it was stopped",
                 {{"pipeline", pipeline.name}, {"messages", ending.left}});
    worsen(exit_code::failures);
  }
  if (ending.unheard > 0) {
    observe::log(Level::error, "messages failed and nobody listened",
                 {{"pipeline", pipeline.name},
                  {"messages", ending.unheard},
                  {"hint", "read `any.failed`, or `STAGE.failed`, to keep them"}});
    worsen(exit_code::failures);
  }
  const bool all_ended =
      std::all_of(pipelines_.begin(), pipelines_.end(), [](const auto& other) { return other.phase == Phase::ended; });
  if (all_ended) return finish();
  // One that is broken is for whoever started weir to see, not to be found weeks later among those that still run.
  if (ending.fault) drain("a fault");
}

void Supervisor::finish() {
  alarms_.clear();
  closing_ = control_.spawn(close(), [this](std::exception_ptr thrown) {
    if (thrown) {
      const auto fault = describe(thrown, When::running);
      observe::log(Level::error, "the end went wrong", {{"err", fault.what}});
      worsen(fault.exit_code);
    }
    last_alarm_.reset();
    closing_.reset();
    runtime_.stop();
  });
}

runtime::Task<> Supervisor::close() {
  const observe::Snapshot at_end = co_await snapshot(last_words_time);
  const std::chrono::duration<double> ran = control_.wall() - started_;
  for (const auto& pipeline : at_end.pipelines) tell_sums(pipeline, ran.count());
  for (const auto& words : last_words_) co_await words();
  while (asking_ > 0) co_await answered_.wait();
  const auto gone = std::make_shared<Answers>(control_, slots_.size());
  for (const auto& slot : slots_) {
    slot->home->post([this, slot, gone] {
      slot->running.reset();
      control_.post([gone] {
        --gone->missing;
        gone->news.wake();
      });
    });
  }
  while (gone->missing > 0) co_await gone->news.wait();
}

bool Supervisor::ready() const {
  return std::all_of(
             pipelines_.begin(), pipelines_.end(),
             [](const auto& pipeline) { return pipeline.phase == Phase::running || pipeline.phase == Phase::ended; }) &&
         !draining_;
}

runtime::Task<observe::Snapshot> Supervisor::snapshot(runtime::Duration patience) {
  const auto answers = std::make_shared<Answers>(control_, slots_.size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    ++asking_;
    on_home(i, [this, i, answers](graph::Running& running) {
      const auto progress = running.progress();
      running.snapshot([this, i, answers, progress](observe::PipelineSnapshot cells) {
        control_.post([this, i, answers, progress, cells = std::move(cells)]() mutable {
          progress_[i] = progress;
          answers->parts[i] = std::move(cells);
          --answers->missing;
          answers->news.wake();
          --asking_;
          answered_.wake();
        });
      });
    });
  }
  const auto until = control_.now() + patience;
  while (answers->missing > 0) {
    const bool woken = co_await answers->news.wait_until(until);
    if (!woken) break;
  }
  observe::Snapshot snapshot;
  snapshot.version = WEIR_VERSION;
  snapshot.started = started_;
  snapshot.memory_budget_bytes = budget_.most();
  snapshot.memory_used_bytes = budget_.used();
  for (auto& part : answers->parts) {
    if (part) snapshot.pipelines.push_back(std::move(*part));
  }
  if (answers->missing > 0) {
    observe::log(Level::warn, "pipelines did not tell their figures in time", {{"pipelines", answers->missing}});
  }
  co_return snapshot;
}

std::optional<double> Supervisor::progress() const {
  double sum = 0;
  for (const auto& one : progress_) {
    if (!one) return std::nullopt;
    sum += *one;
  }
  if (progress_.empty()) return std::nullopt;
  return sum / static_cast<double>(progress_.size());
}

}  // namespace weir::command
