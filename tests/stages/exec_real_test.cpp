// exec on the real machine: real programs, real process groups, and nothing of them left.
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstdlib>
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

// ------------------------------------------------------------------------------------------- one that takes messages

namespace {

std::string numbers(int from, int to, const std::string& behind = "\n") {
  std::string text;
  for (int i = from; i <= to; ++i) text += std::to_string(i) + behind;
  return text;
}

/// 1 … `count` go to `exec: EXEC`, with `more` keys; what comes out.
std::string talked(const TemporaryFolder& folder, int count, const std::string& exec, const std::string& more = {}) {
  const auto out = folder.path("out.txt");
  const Run run("stages:\n  in: {generate: {range: 1.." + std::to_string(count) +
                "}}\n  talk:\n    from: in\n    exec: " + exec + "\n" + more + "  out: {from: talk, file: {write: '" +
                out + "'}}\n");
  BOOST_TEST(!run.ending.fault);
  BOOST_TEST(run.ending.left == 0U);
  return text_of(out);
}

}  // namespace

BOOST_AUTO_TEST_CASE(messages_go_through_a_child_and_come_back_in_order) {
  const TemporaryFolder folder;
  BOOST_TEST((talked(folder, 100'000, "{pipe: [cat]}") == numbers(1, 100'000)));
  BOOST_TEST((talked(folder, 100'000, "{pipe: [cat]}", "    workers: 3\n") == numbers(1, 100'000)));
  for (const char* framing : {"length", "netstring"}) {
    BOOST_TEST((talked(folder, 20'000, "{pipe: [cat], framing: " + std::string(framing) + "}") == numbers(1, 20'000)));
  }
}

BOOST_AUTO_TEST_CASE(a_child_that_keeps_its_answers_back_until_some_are_together_locks_nothing) {
  const TemporaryFolder folder;
  BOOST_TEST((talked(folder, 20'000, "{pipe: [grep, .]}") == numbers(1, 20'000)));
}

BOOST_AUTO_TEST_CASE(a_child_that_is_killed_often_loses_and_repeats_nothing) {
  const TemporaryFolder folder;
  const auto script = folder.file("job",
                                  "while read -r line; do echo $line\n"
                                  "if [ $((line % 40)) = 0 ]; then printf half; kill -9 $$; fi; done\n");
  BOOST_TEST((talked(folder, 1'000, "{pipe: [sh, '" + script + "'], restart: 1us..2us}") == numbers(1, 1'000)));
  BOOST_TEST(!has_children());
}

BOOST_AUTO_TEST_CASE(a_thousand_children_one_after_the_other_leave_no_zombie_and_no_descriptor) {
  const TemporaryFolder folder;
  const auto exec = "{pipe: [head, '-n1'], restart: 1us..2us}";
  BOOST_TEST((talked(folder, 2, exec) == numbers(1, 2)));
  const auto before = open_descriptors();
  BOOST_TEST((talked(folder, 1'000, exec) == numbers(1, 1'000)));
  BOOST_TEST(open_descriptors() == before);
  BOOST_TEST(!has_children());
}

// WEIR_ERROR_BYTES=1000000000 for a gigabyte: tests/README.md.
BOOST_AUTO_TEST_CASE(however_much_it_says_on_standard_error_it_goes_on_answering) {
  const TemporaryFolder folder;
  const char* const bytes = std::getenv("WEIR_ERROR_BYTES");
  const auto script =
      folder.file("job", "read -r first; echo $first\nhead -c " + std::string(bytes ? bytes : "32000000") +
                             " /dev/zero | tr '\\0' e >&2\nexec cat\n");
  BOOST_TEST((talked(folder, 1'000, "{pipe: [sh, '" + script + "']}") == numbers(1, 1'000)));
}

BOOST_AUTO_TEST_CASE(one_that_stops_reading_and_ignores_everything_is_gone_with_all_it_forked) {
  const TemporaryFolder folder;
  const auto pids = folder.path("pids");
  const auto script = folder.file("job",
                                  "trap '' TERM\nread -r line; [ $line = 1 ] || { echo $line; exec cat; }\n"
                                  "(trap '' TERM; sh -c 'echo $$ >>" +
                                      pids + "; sleep 1000') &\necho $$ >>" + pids + "\nwhile :; do sleep 1; done\n");
  BOOST_TEST((talked(folder, 500, "{pipe: [sh, '" + script + "']}", "    timeout: 500ms\n    on_error: drop\n") ==
              numbers(2, 500)));
  std::istringstream lines(text_of(pids));
  int told = 0;
  for (pid_t pid; lines >> pid; ++told) BOOST_TEST(gone(pid), "process " << pid << " is still there");
  BOOST_TEST(told == 2);
  BOOST_TEST(!has_children());
}

BOOST_AUTO_TEST_CASE(an_answer_that_never_ends_fails_its_message_and_the_others_are_answered) {
  const TemporaryFolder folder;
  const auto script = folder.file("job", "read -r line; echo $line; [ $line = 1 ] || exec cat\nexec cat /dev/zero\n");
  BOOST_TEST((talked(folder, 10, "{pipe: [sh, '" + script + "'], restart: 1us..2us}", "    on_error: drop\n") ==
              "1\n" + numbers(3, 10)));
  BOOST_TEST(!has_children());
}

BOOST_AUTO_TEST_CASE(a_flood_of_answers_that_nobody_asked_for_is_as_slow_as_who_reads_it) {
  const TemporaryFolder folder;
  const Run run(
      "stages:\n"
      "  in: {generate: {count: 1}}\n"
      "  talk: {from: in, exec: {pipe: [seq, '100000'], reply: free}}\n"
      "  out: {from: talk, file: {write: '" +
      folder.path("out.txt") + "'}}\n");
  BOOST_TEST((text_of(folder.path("out.txt")) == numbers(1, 100'000)));
}

BOOST_AUTO_TEST_CASE(a_sink_is_done_when_its_child_has_ended) {
  const TemporaryFolder folder;
  const auto script =
      folder.file("job", "sort -n >" + folder.path("all") + "\nsleep 0.2\necho late >>" + folder.path("all"));
  const Run run(
      "stages:\n"
      "  in: {generate: {range: 1..10000}}\n"
      "  load: {from: in, exec: {pipe: [sh, '" +
      script + "'], reply: none}}\n");
  BOOST_TEST((text_of(folder.path("all")) == numbers(1, 10'000) + "late\n"));
}

// ------------------------------------------------------------------------------------------------------------- limits

BOOST_AUTO_TEST_CASE(a_child_has_the_limits_that_it_is_given) {
  const TemporaryFolder folder;
  const auto script = folder.file("job", "ulimit -n; ulimit -v; ulimit -t");
  const Run run(
      "stages:\n"
      "  in: {generate: {count: 1}}\n"
      "  job: {from: in, exec: {run: [sh, '" +
      script +
      "'], limits: {files: 20, memory: 1GiB, cpu: 90s}}}\n"
      "  out: {from: job, file: {write: '" +
      folder.path("out.txt") + "', format: lines}}\n");
  BOOST_TEST(text_of(folder.path("out.txt")) == "20\n1048576\n90\n\n");
}
