// What became of one test.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "engine/command/expectations.hpp"
#include "engine/command/test_block.hpp"
#include "engine/graph/running.hpp"

namespace weir::command {

struct Verdict {
  config::Diagnostics failures;  ///< What did not hold, each at its place; none: it passed.
  runtime::Duration took{};      ///< By the clock of the test, up to the last thing that happened.
  /// Messages that failed and reached nobody, where the test says nothing of the exit code: no failure of the test, but
  /// perhaps not what its author knows.
  std::uint64_t unheard = 0;
  std::vector<std::string> log;  ///< The first lines that the pipeline logged as warnings and errors.
  bool passed() const { return failures.empty(); }
  /// Of the test as a whole.
  void tell(const Trial& trial, const std::string& what, const std::string& hint);
};

/// The program's log, of which the first lines are kept while this lives.
class KeptLog {
 public:
  explicit KeptLog(std::vector<std::string>& lines);
  ~KeptLog();
  KeptLog(const KeptLog&) = delete;
  KeptLog& operator=(const KeptLog&) = delete;
};

/// Of a pipeline that has ended so: what was seen against what was expected. `seen` has the figures of the end.
void judge(const Trial& trial, const graph::Ending& ending, Seen& seen, Verdict& verdict);

}  // namespace weir::command
