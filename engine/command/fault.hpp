// What left a unit as an exception, for a person and for the exit code.
#pragma once
#include <exception>
#include <string>

namespace weir::command {

struct Fault {
  std::string what;
  int exit_code;
};

/// What is absent (a file, a program, a free port) is absent whenever it shows, 69: sources look for it in their first
/// step, which no clock tells from the start. Other errors mean another thing later: 71 at start, 74 under way.
enum class When { start, running };

Fault describe(std::exception_ptr thrown, When when);

}  // namespace weir::command
