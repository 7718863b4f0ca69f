// The one line that shows a person on a terminal how far a run has come.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "engine/command/supervisor.hpp"

namespace weir::command {

/// `orders  12,345 msg/s · 45 % · 00:12 left`. `fraction`: of the work that is done, where that is known.
std::string progress_line(std::string_view name, double messages_per_s, std::optional<double> fraction,
                          std::optional<runtime::Duration> left);

/// Messages that have come to their end by now: what sinks took; without a sink, what sources read.
std::uint64_t messages_through(const observe::Snapshot& snapshot);

/// A terminal whose last line is the progress and whose other lines are the log. Thread-safe.
class Terminal {
 public:
  explicit Terminal(int descriptor) : descriptor_(descriptor) {}
  void write(std::string_view lines);    ///< Whole lines; the progress stays below them.
  void show(std::string_view progress);  ///< Replaces the progress; empty: there is none.

 private:
  void put(std::string_view text);
  int descriptor_;
  std::mutex mutex_;
  std::string progress_;
};

/// Asks the supervisor twice a second, after the first second. On the control core.
class Progress {
 public:
  Progress(runtime::Core& control, Supervisor& supervisor, Terminal& terminal);
  void start();
  runtime::Task<> close();

 private:
  runtime::Task<> run();
  runtime::Core& control_;
  Supervisor& supervisor_;
  Terminal& terminal_;
  std::unique_ptr<runtime::Coroutine> running_;
};

}  // namespace weir::command
