#include "engine/command/verdict.hpp"

#include <algorithm>

#include "engine/command/exit_code.hpp"
#include "engine/command/fault.hpp"
#include "engine/observe/log.hpp"

namespace weir::command {

namespace {

constexpr std::size_t log_lines_most = 10;

}  // namespace

KeptLog::KeptLog(std::vector<std::string>& lines) {
  observe::Log::Options options;
  options.least = observe::Level::warn;
  options.sink = [&lines](std::string_view line) {
    while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
    if (lines.size() < log_lines_most) lines.emplace_back(line);
  };
  observe::program_log().set(std::move(options));
}
KeptLog::~KeptLog() { observe::program_log().set({}); }

void Verdict::tell(const Trial& trial, const std::string& what, const std::string& hint) {
  failures.error(trial.config.place, what, hint);
}

void judge(const Trial& trial, const graph::Ending& ending, Seen& seen, Verdict& verdict) {
  const bool exit_expected = std::any_of(trial.config.expect.begin(), trial.config.expect.end(),
                                         [](const auto& expect) { return expect.exit.has_value(); });
  if (ending.fault) {
    const auto fault = describe(ending.fault, When::running);
    seen.exit_code = fault.exit_code;
    if (!exit_expected) {
      verdict.tell(trial, "the pipeline can't go on: " + fault.what,
                   ending.fault_stage.empty() ? "" : "in stage '" + ending.fault_stage + "'");
    }
  } else if (ending.unheard > 0 || ending.left > 0) {
    seen.exit_code = exit_code::failures;
  }
  if (!exit_expected) verdict.unheard = ending.unheard;
  const auto lost = ending.fault ? 0 : observe::unaccounted(seen.end.stages);
  if (lost != 0) verdict.tell(trial, std::to_string(lost) + " messages are not accounted for", "this is a bug in weir");
  for (const auto& refused : seen.record->refused) verdict.failures.add(refused);
  compare(trial, seen, verdict.failures);
}

}  // namespace weir::command
