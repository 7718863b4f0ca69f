#include "engine/command/run.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <future>
#include <map>
#include <ostream>
#include <utility>

#include "engine/command/admin.hpp"
#include "engine/command/exit_code.hpp"
#include "engine/command/fault.hpp"
#include "engine/command/pipelines.hpp"
#include "engine/command/progress.hpp"
#include "engine/command/supervisor.hpp"
#include "engine/observe/log.hpp"
#include "engine/runtime/processors.hpp"
#include "engine/runtime/real.hpp"

namespace weir::command {
namespace {

using observe::Level;

/// Where the admin port is to be; nothing where there shall be none.
struct AdminChoice {
  std::optional<AdminRules> rules;
  int exit_code = exit_code::done;
};

int refuse_admin(CheckedFile* file, const AdminMistake& mistake, Streams& streams) {
  if (!file) {
    streams.err << "weir: --admin: " << mistake.what << "\n  = " << mistake.hint << "\n";
    return mistake.exit_code;
  }
  config::Diagnostics diagnostics;
  diagnostics.error(file->plan->pipeline.admin.place, mistake.what, mistake.hint, "admin.listen");
  streams.err << diagnostics.render(streams.color);
  return exit_code::configuration;
}

AdminChoice choose_admin(Checked& checked, const Arguments& arguments, Streams& streams) {
  AdminChoice choice;
  AdminRules rules;
  CheckedFile* said_by = nullptr;
  std::optional<std::string> listen = arguments.admin;
  for (auto& file : checked.files) {
    const auto& admin = file.plan->pipeline.admin;
    if (rules.token.empty()) rules.token = admin.token;
    observe::redact(admin.token);
    for (const auto& secret : file.plan->pipeline.scope.secrets_read()) observe::redact(secret);
    if (arguments.admin || !admin.listen) continue;
    if (listen && *listen != *admin.listen) {
      const AdminMistake two{"another file says '" + *listen + "': there is one admin port",
                             "say it in one file, or with --admin"};
      choice.exit_code = refuse_admin(&file, two, streams);
      return choice;
    }
    listen = admin.listen;
    said_by = &file;
  }
  if (listen && *listen == "off") return choice;
  if (listen) {
    if (const auto mistake = listen_at(*listen, rules)) {
      choice.exit_code = refuse_admin(said_by, *mistake, streams);
      return choice;
    }
  }
  choice.rules = std::move(rules);
  return choice;
}

/// As many as were asked for; otherwise no more than can have work: one for each file, all where stages spread.
int cores_for(const std::vector<graph::Plan>& plans) {
  std::int64_t asked = 0;
  bool spreads = false;
  for (const auto& plan : plans) {
    asked = std::max(asked, plan.pipeline.run.threads.value_or(0));
    for (const auto& unit : plan.units) spreads = spreads || unit.replicas > 1;
  }
  if (asked > 0) return static_cast<int>(asked);
  const int processors = runtime::processors();
  return spreads ? processors : std::min(processors, static_cast<int>(plans.size()));
}

/// Calls `work` on a core that runs on another thread, and waits for it. What it throws comes out here.
void call_on(runtime::Core& core, const std::function<void()>& work) {
  std::promise<void> done;
  core.post([&] {
    try {
      work();
      done.set_value();
    } catch (...) {
      done.set_exception(std::current_exception());
    }
  });
  done.get_future().get();
}

/// Whether a stage writes to the terminal, or reads what somebody types there.
bool uses_terminal(const std::vector<graph::Plan>& plans, const Streams& streams) {
  const bool typed = ::isatty(STDIN_FILENO) == 1;
  for (const auto& plan : plans) {
    for (const auto& stage : plan.stages) {
      if (stage.configured.prints && streams.out_is_terminal) return true;
      if (stage.configured.reads_input && typed) return true;
    }
  }
  return false;
}

/// Files that run as one program share its standard input. (Checked together they need not be one.)
void refuse_shared_input(Checked& checked) {
  const std::string* reads = nullptr;
  for (auto& file : checked.files) {
    if (!file.plan) continue;
    for (const auto& stage : file.plan->stages) {
      if (!stage.configured.reads_input) continue;
      if (reads) {
        file.diagnostics.error(stage.place, *reads + " reads the standard input already", "run the two by themselves",
                               "stages." + stage.name);
      } else {
        reads = &file.path;
      }
    }
  }
}

int failed_to_start(const Fault& fault) {
  observe::log(Level::error, "can't start", {{"err", fault.what}});
  return fault.exit_code;
}

/// The admin port, or nothing where it is off or could not be had and nobody insisted.
std::unique_ptr<Admin> open_admin(runtime::Core& control, Supervisor& supervisor, const AdminRules& rules) {
  std::unique_ptr<Admin> admin;
  try {
    call_on(control, [&] {
      admin = std::make_unique<Admin>(control, supervisor, rules);
      admin->listen();
    });
  } catch (const std::system_error& error) {
    call_on(control, [&] { admin.reset(); });
    const std::string where = "the admin port " + rules.address.text();
    if (rules.as_written) throw std::system_error(error.code(), where);
    observe::log(Level::warn, "there is no admin port",
                 {{"address", rules.address.text()}, {"err", error.code().message()}});
    return nullptr;
  }
  if (admin->address().port != rules.address.port && rules.address.port != 0) {
    observe::log(Level::warn, "the admin port is taken; another one is used",
                 {{"taken", rules.address.text()}, {"used", admin->address().text()}});
  }
  return admin;
}

/// A terminal that closes ends its programs by SIGHUP: that begins the drain too, and never more, since the shell and
/// the system may both send one. Who started weir with nohup has it ignored.
bool hears_hangups() {
  struct sigaction now {};
  return ::sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler != SIG_IGN;
}

/// What comes while the files are read and the stages made begins the drain as soon as there is something to drain; so
/// that no moment of a start ends weir in another way. The third ends the process, as later.
class EarlySignals {
 public:
  EarlySignals() {
    struct sigaction keep {};
    keep.sa_handler = [](int number) {
      times = times + 1;
      if (times >= 3) std::_Exit(exit_code::signalled + number);
      heard = number;
    };
    keep.sa_flags = SA_RESTART;
    for (auto& [number, before] : before_) {
      const bool is_ours = ::sigaction(number, nullptr, &before) == 0 && before.sa_handler == SIG_DFL;
      if (is_ours) ::sigaction(number, &keep, nullptr);
    }
  }
  ~EarlySignals() {
    for (const auto& [number, before] : before_) ::sigaction(number, &before, nullptr);
  }
  EarlySignals(const EarlySignals&) = delete;
  EarlySignals& operator=(const EarlySignals&) = delete;

  /// The last one; 0: none came.
  int came() const { return heard; }

 private:
  static inline volatile std::sig_atomic_t heard = 0, times = 0;
  std::array<std::pair<int, struct sigaction>, 3> before_{{{SIGTERM, {}}, {SIGINT, {}}, {SIGHUP, {}}}};
};

/// A thread of its own, so that three Ctrl-C end even a weir whose every core hangs.
void take_signals(runtime::RealRuntime& runtime, runtime::Core& control, Supervisor& supervisor,
                  std::atomic<int>& count) {
  std::vector<int> numbers{SIGTERM, SIGINT};
  if (hears_hangups()) numbers.push_back(SIGHUP);
  // Blocked from here to the end of the process: one that comes when the runtime has gone already, and the program is
  // about to end with what came of the run, would end it in another way.
  sigset_t blocked;
  ::sigemptyset(&blocked);
  for (const int number : numbers) ::sigaddset(&blocked, number);
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  std::map<int, runtime::Time> heard;
  runtime.on_signal(numbers, [&control, &supervisor, &count, heard = std::move(heard)](int number) mutable {
    // Who ends a process and its group tells it twice in one moment, as `timeout` does: that is one signal. The second
    // may be heard behind another: what waits is told by its number.
    using namespace std::chrono_literals;
    const auto now = control.now();
    const auto before = heard.find(number);
    const bool again = before != heard.end() && now - before->second < 100ms;
    heard[number] = now;
    if (again) return;
    if (number != SIGHUP && ++count >= 3) std::_Exit(exit_code::signalled + number);
    control.post([&supervisor, number] { supervisor.signalled(number); });
  });
}

/// The program's log as this run wants it; as it was before where the run's clock and terminal are gone.
class LogOfThisRun {
 public:
  explicit LogOfThisRun(const observe::Log::Options& options) { observe::program_log().set(options); }
  ~LogOfThisRun() {
    observe::program_log().flush();
    observe::program_log().set({});
  }
  LogOfThisRun(const LogOfThisRun&) = delete;
  LogOfThisRun& operator=(const LogOfThisRun&) = delete;
};

/// What is wrong with the files, for who reads the log by a program: a line for each.
void log_found(const std::vector<CheckedFile>& files) {
  for (const auto& file : files) {
    for (const auto& found : file.diagnostics.all()) {
      const auto& place = found.place;
      observe::log(found.severity == config::Severity::error ? Level::error : Level::warn, found.what,
                   {{"file", place.source ? place.source->name : file.path},
                    {"line", place.line},
                    {"column", place.column},
                    {"path", found.path},
                    {"hint", found.notes()}});
    }
  }
}

/// `told_in_log`: whose mistakes and warnings are for the log.
int run_plans(std::vector<graph::Plan> plans, const std::vector<CheckedFile>& told_in_log, const Arguments& arguments,
              const std::optional<AdminRules>& rules, Terminal* terminal, const EarlySignals& early_signals) {
  std::uint64_t memory = 0;
  std::size_t stages = 0;
  runtime::Options options;
  for (const auto& plan : plans) {
    memory = std::max(memory, plan.pipeline.run.memory.bytes);
    stages += plan.count();
    options.pin = options.pin || plan.pipeline.run.pin;
  }
  options.cores = cores_for(plans);
  options.all_descriptors = true;
  const std::size_t pipelines = plans.size();

  // Destroyed from the last to the first: whoever lives on a core goes before the runtime does.
  flow::Budget budget(memory);
  const auto runtime = runtime::make_real(options);
  std::atomic<int> signals{0};
  auto& control = runtime->service("weir-control");
  observe::Log::Options log;
  log.format = arguments.log_format;
  log.least = arguments.log_level;
  log.clock = [&control] { return control.wall(); };
  if (terminal) log.sink = [terminal](std::string_view line) { terminal->write(line); };
  const LogOfThisRun log_of_this_run(log);
  log_found(told_in_log);

  std::optional<Supervisor> supervisor;
  std::unique_ptr<Admin> admin;
  try {
    supervisor.emplace(std::move(plans), *runtime, control, budget);
    if (rules) admin = open_admin(control, *supervisor, *rules);
  } catch (...) {
    return failed_to_start(describe(std::current_exception(), When::start));
  }
  std::optional<Progress> progress;
  if (terminal) progress.emplace(control, *supervisor, *terminal);
  if (progress) supervisor->before_end([&progress] { return progress->close(); });
  if (admin) supervisor->before_end([&admin] { return admin->close(); });
  take_signals(*runtime, control, *supervisor, signals);
  if (const int early = early_signals.came()) control.post([&supervisor, early] { supervisor->signalled(early); });
  observe::log(Level::info, "running",
               {{"pipelines", pipelines},
                {"stages", stages},
                {"admin", admin ? "http://" + admin->address().text() + "/" : std::string("off")}});
  runtime->run([&control, &supervisor, &progress, &arguments] {
    control.post([&supervisor, &progress, &arguments] {
      supervisor->start(arguments.run_for);
      if (progress) progress->start();
    });
  });
  return supervisor->exit_code();
}

}  // namespace

int run(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams) {
  const EarlySignals from_here_on;
  return run(check_files(arguments.files, arguments.overrides, catalog), arguments, streams);
}

int run(Checked checked, const Arguments& arguments, Streams& streams) {
  const EarlySignals early_signals;
  refuse_shared_input(checked);
  const bool in_log = arguments.log_format == observe::Log::Format::json;
  if (!in_log) {
    checked.print(streams);
  } else if (checked.has_errors()) {
    observe::Log::Options log;  // There is no clock yet.
    log.format = arguments.log_format;
    const LogOfThisRun log_of_mistakes(log);
    log_found(checked.files);
  }
  if (checked.has_errors()) return exit_code::configuration;
  const auto choice = choose_admin(checked, arguments, streams);
  if (choice.exit_code != exit_code::done) return choice.exit_code;

  std::vector<graph::Plan> plans;
  for (auto& file : checked.files) plans.push_back(std::move(*file.plan));
  if (!in_log) checked.files.clear();
  std::unique_ptr<Terminal> terminal;
  if (streams.err_is_terminal && !uses_terminal(plans, streams)) {
    terminal = std::make_unique<Terminal>(STDERR_FILENO);
  }
  return run_plans(std::move(plans), checked.files, arguments, choice.rules, terminal.get(), early_signals);
}

}  // namespace weir::command
