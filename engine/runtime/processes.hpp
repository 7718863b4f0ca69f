// Child processes, real or simulated.
#pragma once
#include <csignal>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/runtime/core.hpp"

namespace weir::runtime {

/// How a child ended.
struct Exit {
  int code = 0;    ///< Its exit code; 0 where a signal ended it.
  int signal = 0;  ///< The signal that ended it; 0 = none.
  bool ok() const { return code == 0 && signal == 0; }
};

/// What a child may use. The kernel sees to it.
struct Limits {
  std::optional<std::int64_t> cpu_s;          ///< Of processor time; then SIGXCPU, and a second later SIGKILL.
  std::optional<std::uint64_t> memory_bytes;  ///< Of address space: what it asks for beyond that it does not get.
  std::optional<std::uint64_t> files;         ///< Open at once.
  bool operator==(const Limits&) const = default;
};

/// What to start. The child gets a process group of its own, the signal mask and processor affinity the engine itself
/// was started with, and no descriptor but 0, 1, 2. It is told to die with the engine (PDEATHSIG).
struct Command {
  std::vector<std::string> argv;                   ///< argv[0] is looked up in PATH (the child's). Never a shell.
  std::map<std::string, std::string> environment;  ///< Added to the engine's own.
  std::string directory;                           ///< Empty: the engine's.
  bool input = false;                              ///< Whether write() will be used; else stdin is /dev/null.
  Limits limits = {};                              ///< Each process of its group has them for itself.
};

/// A running child. Its destructor kills the whole process group (SIGKILL) and reaps the child: no zombie is left.
/// Each of read_output, read_error, write, input_broken and wait may be awaited by a coroutine of its own at the same
/// time, on the core that started it. Stopped out of a wait leaves the child as it was.
class Child {
 public:
  virtual ~Child() = default;
  virtual Task<std::size_t> read_output(std::span<char> into) = 0;  ///< 0 = the end.
  /// The same of what is there already; nothing: it would have to wait. Not while a read is awaited.
  virtual std::optional<std::size_t> read_output_now(std::span<char> into) = 0;
  virtual Task<std::size_t> read_error(std::span<char> into) = 0;  ///< 0 = the end.
  virtual Task<> write(std::span<const char> bytes) = 0;           ///< Throws std::system_error(broken_pipe).
  virtual void close_input() = 0;
  /// Returns when nobody reads its input any more, or close_input() was called.
  virtual Task<> input_broken() = 0;
  virtual Task<Exit> wait() = 0;  ///< Once it has ended, always at once.
  /// To the whole process group: also to what the child left behind when it ended. The child is reaped only by the
  /// destructor, so its number can't meanwhile belong to a stranger.
  virtual void signal(int number) = 0;
  virtual int id() const = 0;  ///< Its pid.
};

class Processes {
 public:
  virtual ~Processes() = default;
  /// Throws std::system_error if argv[0] is not found or may not be executed, or the system has no room.
  virtual std::unique_ptr<Child> start(const Command& command) = 0;
  /// Throws the same of a program that could not be started now, as far as can be told without starting it.
  virtual void look_for(const Command& command) = 0;
};

}  // namespace weir::runtime
