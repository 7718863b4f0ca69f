// The program as it was built, run by a test: helpers that tests/command and tests/fault share.
#pragma once
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/child.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/temporary_folder.hpp"

namespace weir::tests {

inline std::vector<std::string> weir_run(std::vector<std::string> words) {
  words.insert(words.begin(), {WEIR_BINARY, "run"});
  if (std::find(words.begin(), words.end(), "--admin") == words.end()) words.insert(words.end(), {"--admin", "off"});
  return words;
}

inline ChildEnd ran(const std::vector<std::string>& words) { return Child(weir_run(words)).end(); }

/// By a shell, where the program's surroundings matter: `$weir` runs it without an admin port, `$1` … are `words`.
inline std::vector<std::string> shell(const std::string& script, std::vector<std::string> words = {}) {
  words.insert(words.begin(), {"sh", "-c", "weir() { \"$WEIR\" run --admin off \"$@\"; }\n" + script, "sh"});
  return words;
}
inline const std::vector<std::string> shell_environment{std::string("WEIR=") + WEIR_BINARY};
inline ChildEnd ran_by_shell(const std::string& script, const std::vector<std::string>& words = {}) {
  return Child(shell(script, words), shell_environment).end();
}

/// The tests that need something of the machine say so where it is not there; nothing is claimed then.
inline bool machine_can(const std::string& what, const std::string& script) {
  if (Child({"sh", "-c", script}, shell_environment).end().code == 0) return true;
  BOOST_TEST_MESSAGE("skipped: this machine has no " << what);
  return false;
}

/// "1\n2\n…": how many lines count up from 1 without a gap and make up the whole text; 0 where one does not.
inline std::uint64_t counted_up(const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  std::uint64_t count = 0;
  while (std::getline(lines, line)) {
    if (line != std::to_string(count + 1)) return 0;
    ++count;
  }
  return text.empty() || text.ends_with('\n') ? count : 0;
}

/// The port from the first `listening` in the log.
inline std::uint16_t port_of(Child& child) {
  BOOST_REQUIRE_MESSAGE(child.saw_on_err("path=/"), child.err());
  const std::string mark = "address=127.0.0.1:";
  const auto at = child.err().find(mark);
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, child.err());
  return static_cast<std::uint16_t>(std::stoi(child.err().substr(at + mark.size())));
}

/// The port from `admin=http://127.0.0.1:PORT/` in the log.
inline std::uint16_t admin_port(Child& child) {
  BOOST_REQUIRE_MESSAGE(child.saw_on_err("admin=http://127.0.0.1:"), child.err());
  BOOST_REQUIRE(child.saw_on_err("msg=running"));
  const std::string mark = "admin=http://127.0.0.1:";
  return static_cast<std::uint16_t>(std::stoi(child.err().substr(child.err().find(mark) + mark.size())));
}

/// Reads from `file`, prints what it read.
inline std::string printing(const std::string& file) {
  return "stages:\n  lines: {file: {read: '" + file + "'}}\n  screen: {from: lines, stdout: {}}\n";
}

/// Numbers into a file.
inline std::string writing(const std::string& file, const std::string& role = "write", const std::string& to = "1000") {
  return "stages:\n  numbers: {generate: {range: 1.." + to + "}}\n  kept: {from: numbers, file: {" + role + ": '" +
         file + "', format: lines}}\n";
}

/// Now and then, without an end.
constexpr const char* ticking =
    "stages:\n"
    "  ticks: {generate: {every: 5ms}}\n"
    "  gone: {from: ticks, drop: {}}\n";

}  // namespace weir::tests
