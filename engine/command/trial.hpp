// Runs one test in virtual time.
#pragma once
#include <string>
#include <vector>

#include "engine/command/test_block.hpp"

namespace weir::command {

struct Verdict {
  config::Diagnostics failures;  ///< What did not hold, each at its place; none: it passed.
  runtime::Duration took{};      ///< Virtual time, up to the last thing that happened.
  /// Messages that failed and reached nobody, where the test says nothing of the exit code: no failure of the test, but
  /// perhaps not what its author knows.
  std::uint64_t unheard = 0;
  std::vector<std::string> log;  ///< The first lines that the pipeline logged as warnings and errors.
  bool passed() const { return failures.empty(); }
};

/// Takes the program's log while it runs. Throws only std::bad_alloc and what a bug throws.
Verdict try_out(const Trial& trial, const stage::Catalog& catalog);

}  // namespace weir::command
