// exec on the real machine: real programs, real process groups, and nothing of them left.
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>

#include "tests/support/real_run.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace weir;
using namespace std::chrono_literals;
using Run = tests::RealRun;
using tests::stage_of;
using tests::TemporaryFolder;
using tests::text_of;

namespace {

std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}
bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}
bool alive(pid_t pid) {
  const std::string stat = text_of("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');
  return name_end != std::string::npos && stat.at(name_end + 2) != 'Z';  // Whoever inherits it may reap it late.
}
/// It is killed when we are told; the kernel may take a moment more.
bool gone(pid_t pid) {
  const auto patience = std::chrono::steady_clock::now() + 20s;
  while (alive(pid) && std::chrono::steady_clock::now() < patience) ::sched_yield();
  return !alive(pid);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_thousand_restarts_leave_no_zombie_and_no_descriptor) {
  const auto restart = [](std::uint64_t times) {
    Run run(
        "stages:\n"
        "  child: {exec: {pipe: [echo, once], restart: 1us..2us}}\n"
        "  gone: {from: child, drop: {}}\n",
        [times](const auto& snapshot) { return stage_of(snapshot, "child").child_restarts >= times; });
    BOOST_TEST(!run.ending.fault);
    BOOST_TEST(run.ending.left == 0U);
  };
  restart(1);
  const auto before = open_descriptors();
  restart(1000);
  BOOST_TEST(open_descriptors() == before);
  BOOST_TEST(!has_children());
}

BOOST_AUTO_TEST_CASE(a_child_that_forks_and_ignores_being_asked_is_gone_with_all_it_forked) {
  const TemporaryFolder folder;
  const auto inner = folder.file("inner", "trap '' TERM\necho $$\nwhile :; do sleep 1; done\n");
  const auto outer = folder.file("outer", "trap '' TERM\nsh " + inner + " &\nsh -c 'sh " + inner +
                                              " & wait' &\necho $$\nwhile :; do sleep 1; done\n");
  const auto pids = folder.path("pids");
  Run run(
      "stages:\n"
      "  child: {exec: {pipe: [sh, '" +
          outer +
          "']}}\n"
          "  pids: {from: child, file: {append: '" +
          pids + "'}}\n",
      [](const auto& snapshot) { return stage_of(snapshot, "pids").in >= 3; });
  std::istringstream lines(text_of(pids));
  int told = 0;
  for (pid_t pid; lines >> pid; ++told) BOOST_TEST(gone(pid), "process " << pid << " is still there");
  BOOST_TEST(told == 3);
  BOOST_TEST(!has_children());
}

BOOST_AUTO_TEST_CASE(a_time_limit_ends_a_call_and_all_that_it_started) {
  const TemporaryFolder folder;
  const auto pids = folder.path("pids");
  const auto script = folder.file("job", "trap '' TERM\n(echo $$ >>" + pids + "; sleep 1000) &\necho $! >>" + pids +
                                             "\nwhile :; do sleep 1; done\n");
  Run run(
      "stages:\n"
      "  in: {generate: {count: 1}}\n"
      "  call: {from: in, exec: {run: [sh, '" +
      script +
      "']}, timeout: 500ms}\n"
      "  why: {from: call.failed, set: {kind: '{{ failed.kind }}'}}\n"
      "  told: {from: why, file: {write: '" +
      folder.path("why.ndjson") + "'}}\n");
  BOOST_TEST(text_of(folder.path("why.ndjson")) == "{\"kind\":\"timeout\"}\n");
  std::istringstream lines(text_of(pids));
  for (pid_t pid; lines >> pid;) BOOST_TEST(gone(pid), "process " << pid << " is still there");
  BOOST_TEST(!has_children());
}

BOOST_AUTO_TEST_CASE(sixty_four_megabytes_on_standard_error_stall_nobody) {
  const TemporaryFolder folder;
  const auto script = folder.file("job",
                                  "head -c 64000000 /dev/zero | tr '\\0' '\\n' >&2\n"
                                  "head -c 64000000 /dev/zero | tr '\\0' e >&2\necho done\n");
  Run run(
      "stages:\n"
      "  staying: {exec: {pipe: [sh, '" +
      script +
      "']}}\n"
      "  a: {from: staying, file: {write: '" +
      folder.path("a.txt") +
      "'}}\n"
      "  once: {generate: {count: 1}}\n"
      "  called: {from: once, exec: {run: [sh, '" +
      script +
      "']}, merge: {said: '{{ trim(result.text) }}',\n"
      "           kept: '{{ #result.stderr }}'}}\n"
      "  b: {from: called, file: {write: '" +
      folder.path("b.ndjson") + "'}}\n");
  BOOST_TEST(text_of(folder.path("a.txt")) == "done\n");
  BOOST_TEST(text_of(folder.path("b.ndjson")) == "{\"said\":\"done\",\"kept\":65536}\n");
  BOOST_TEST(run.ending.unheard == 0U);
}

BOOST_AUTO_TEST_CASE(much_output_is_read_to_its_last_line) {
  const TemporaryFolder folder;
  Run run(
      "stages:\n"
      "  numbers: {exec: {pipe: [seq, '200000']}}\n"
      "  kept: {from: numbers, file: {write: '" +
      folder.path("n.txt") + "'}}\n");
  const std::string text = text_of(folder.path("n.txt"));
  std::string expected;
  for (int i = 1; i <= 200'000; ++i) expected += std::to_string(i) + "\n";
  BOOST_TEST((text == expected));
}
