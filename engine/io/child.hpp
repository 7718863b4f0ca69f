// A child process and those who look after it: its input fed, its end awaited, nothing of it left behind.
#pragma once
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/flow/counters.hpp"
#include "engine/runtime/processes.hpp"
#include "engine/runtime/wait.hpp"

namespace weir::io {

/// The last bytes of a stream, at least `most` of them where there were as many.
class Tail {
 public:
  explicit Tail(std::size_t most) : most_(most) {}
  void append(std::string_view bytes);
  std::string_view bytes() const;  ///< No more than `most`.

 private:
  std::size_t most_;
  std::string bytes_;
};

/// Text of a child's for one line of ours: at most 300 bytes, without what steers a terminal.
std::string quotable(std::string_view text);
/// `TERM`, or the number of one that has no name.
std::string name_of_signal(int number);
/// "`./score` exited with 3: no such id": the last line of what it said on its standard error says why.
std::string describe_end(const std::string& program, const runtime::Exit& exit, std::string_view errors);

/// Coroutines beside the one that owns this, on its core. Before it goes, end() must have returned.
class Beside {
 public:
  explicit Beside(runtime::Core& core) : core_(core), all_ended_(core) {}

  void start(runtime::Task<> body);
  /// Stops those that still run and returns when none does. Not interruptible. What left one of them, or null.
  runtime::Task<std::exception_ptr> end();

 private:
  runtime::Core& core_;
  runtime::Waiter all_ended_;
  std::vector<std::unique_ptr<runtime::Coroutine>> coroutines_;
  std::size_t running_ = 0;
  std::exception_ptr fault_;
};

/// Says that a stream has ended, when whoever reads it has.
class Ends {
 public:
  Ends(bool& open, runtime::Waiter& news) : open_(open), news_(news) {}
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;
  ~Ends() {
    open_ = false;
    news_.wake();
  }

 private:
  bool& open_;
  runtime::Waiter& news_;
};

/// A child from its start to its end. Derived reads what it prints; finish() must have returned before it goes.
class WatchedChild {
 public:
  /// Leaves nothing running, however it is left: neither the child nor its process group nor a coroutine. Throws
  /// std::system_error where a stream breaks.
  runtime::Task<> finish();

  std::optional<runtime::Exit> exit() const { return exit_; }
  /// From its start to its end, or until now.
  runtime::Duration ran() const { return (exit_ ? ended_ : core_.now()) - began_; }

  static constexpr runtime::Duration patience = std::chrono::seconds(1);  ///< With a child told to end, and the like.

 protected:
  /// Starts it. Throws std::system_error where it can't be started. Counted among the children while it lives. `input`
  /// is fed to it where the command wants some; it must outlive this.
  WatchedChild(runtime::Core& core, flow::Counters& counters, const runtime::Command& command, std::string_view input);
  ~WatchedChild();

  /// Reads what it prints, by read_output(), and what it complains of, until that is all over or nobody wants more.
  virtual runtime::Task<> through() = 0;
  /// What is still to be done with it, whatever ended through(): `broken_off` if that was stopped or failed. Not to be
  /// interrupted.
  virtual runtime::Task<> part(bool broken_off);
  /// Runs beside through() for as long as that stream is open, as Ends tells.
  virtual runtime::Task<> read_output() = 0;
  /// Its standard error is read as fast as it comes: here the next bytes are to stand, at least one,
  virtual std::span<char> error_space() = 0;
  /// and so many came; 0: no more will.
  virtual void errors_came(std::size_t count) = 0;
  /// Beside them, of a child that wants input: gives it that, then closes it.
  virtual runtime::Task<> feed();

  /// Starts all that runs beside through().
  void look_after();
  /// Asks it to end and gives it a moment. Not interruptible.
  runtime::Task<> persuade();
  /// Ends what it left behind in its process group, or the end of its output might never come.
  void end_group() { child_->signal(SIGKILL); }

  static constexpr int turn = 8;  // So many reads or writes in a row, then others on this core have theirs.

  runtime::Core& core_;
  std::unique_ptr<runtime::Child> child_;
  runtime::Waiter news_;
  std::optional<runtime::Exit> exit_;
  bool output_open_ = true, errors_open_ = true;
  Beside beside_;  // What runs beside through().

 private:
  runtime::Task<> await_exit();
  runtime::Task<> read_errors();

  flow::Counters& counters_;
  std::string_view input_;
  const bool has_input_;
  runtime::Time began_, ended_{};
};

}  // namespace weir::io
