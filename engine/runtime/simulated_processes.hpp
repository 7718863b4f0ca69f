// Child processes that are only told to exist: what they print, when, and how they end.
#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/runtime/processes.hpp"

namespace weir::runtime {

/// What a simulated child does, in virtual time.
struct Behaviour {
  struct Step {
    Duration after{};    ///< After the step before it.
    std::string output;  ///< To its standard output, at once.
    std::string error;   ///< To its standard error.
  };
  std::vector<Step> steps;
  /// What it does of what it has read.
  struct Reaction {
    std::string output, error;                         ///< Printed first.
    std::optional<Exit> exit;                          ///< Then it ends,
    bool closes_input = false, closes_output = false;  ///< or closes one of its streams,
    bool deaf = false;                                 ///< or reads nothing more.
  };
  /// Called with the bytes of each write to its input; what it returns goes to its output.
  std::function<std::string(std::string_view)> answer;
  /// The same for one that may also end of it.
  std::function<Reaction(std::string_view)> reacts;
  /// What it prints when its input has been closed.
  std::function<std::string()> at_end;
  bool until_input_ends = false;  ///< Ends only when the steps are over and its input has been closed.
  bool forever = false;           ///< Ends only by a signal.
  std::set<int> ignores;          ///< Signals it does not die of. SIGKILL always works.
  Exit exit;
};

/// The programs that exist, by name (argv[0]). A child whose output holds 64 KiB unread takes its next step, and reads,
/// only when some of it has been read, as on a pipe; whoever writes waits while 64 KiB are unread at its input. Not
/// thread-safe.
class SimulatedPrograms {
 public:
  /// `program` is asked at each start what this child will do. It may throw a std::system_error: the start fails.
  void script(const std::string& name, std::function<Behaviour(const Command&)> program);
  /// Asked for every name that was not scripted. Without it there is no such program.
  void otherwise(std::function<Behaviour(const Command&)> program) { otherwise_ = std::move(program); }
  std::size_t started() const { return started_; }                    ///< Children so far.
  std::size_t running() const { return running_; }                    ///< Children that have not ended.
  const std::vector<Command>& commands() const { return commands_; }  ///< All starts, in order.
  /// Sends a signal to all that run.
  void signal_all(int number);

 private:
  friend class SimulatedProcesses;
  friend class SimulatedChild;
  std::map<std::string, std::function<Behaviour(const Command&)>> programs_;
  std::function<Behaviour(const Command&)> otherwise_;
  std::vector<Command> commands_;
  std::set<class SimulatedChild*> children_;
  std::size_t started_ = 0;
  std::size_t running_ = 0;
};

/// One core's way to the programs.
class SimulatedProcesses final : public Processes {
 public:
  SimulatedProcesses(Core& core, SimulatedPrograms& programs) : core_(core), programs_(programs) {}
  std::unique_ptr<Child> start(const Command& command) override;
  void look_for(const Command& command) override;

 private:
  Core& core_;
  SimulatedPrograms& programs_;
};

}  // namespace weir::runtime
