// weir test: the files of tests/command/trials/, as a person runs them.
//
// passing_*.yaml must pass. Beside each other stands what is said of it, whole: NAME.expected. After a change that is
// meant, WEIR_WRITE_EXPECTED=1 writes them anew: read the difference before you keep it.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "engine/command/command.hpp"
#include "engine/message/json.hpp"
#include "tests/support/said.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

namespace fs = std::filesystem;
using weir::tests::contains;
using weir::tests::Said;
using weir::tests::TemporaryFolder;
using weir::tests::text_of;

const fs::path repository = WEIR_SOURCE_DIR;
const std::string trials = "tests/command/trials/";

/// As from the repository's root: so the paths in what is said are the same everywhere.
Said said_by(const std::vector<std::string>& words) {
  fs::current_path(repository);
  return weir::tests::said_by(words);
}

/// The first line in which two texts differ, so that a failure can be read.
std::string first_difference(const std::string& expected, const std::string& came) {
  std::istringstream one(expected), other(came);
  std::string a, b;
  for (int line = 1;; ++line) {
    const bool more_one = static_cast<bool>(std::getline(one, a)),
               more_other = static_cast<bool>(std::getline(other, b));
    if (!more_one && !more_other) return "nothing";
    if (!more_one || !more_other || a != b) {
      return "line " + std::to_string(line) + "\n  expected: " + (more_one ? a : "the end") +
             "\n  came:     " + (more_other ? b : "the end");
    }
  }
}

void check_said(const std::string& name, const std::string& said) {
  const fs::path path = repository / trials / (name + ".expected");
  if (const char* write = std::getenv("WEIR_WRITE_EXPECTED"); write && *write) {
    std::ofstream(path, std::ios::binary) << said;
    return;
  }
  const auto expected = text_of(path);
  BOOST_TEST((expected == said), name << ": " << first_difference(expected, said));
}

/// Nothing is optimised where AddressSanitizer looks on: millions of steps take minutes there.
#ifdef __SANITIZE_ADDRESS__
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

}  // namespace

BOOST_AUTO_TEST_CASE(every_test_that_must_pass_passes) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(repository / trials)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with("passing_") || entry.path().extension() != ".yaml") continue;
    if (sanitized && name == "passing_generators.yaml") continue;  // Millions of steps, each of them a hundred times.
    ++files;
    const auto said = said_by({"test", trials + name});
    BOOST_TEST(said.code == 0, said.out << said.err);
    BOOST_TEST(!contains(said.out, "failed"), said.out);
    BOOST_TEST(said.err.empty(), said.err);
    const auto checked = said_by({"check", trials + name});
    BOOST_TEST(checked.code == 0, checked.err);
  }
  BOOST_TEST(files >= 4);
}

BOOST_AUTO_TEST_CASE(a_test_needs_no_environment_to_know_who_is_called) {
  const TemporaryFolder folder;
  const auto file = folder.file("p.yaml", R"(
vars: {server: '${WEIR_TEST_UNSET}'}
stages:
  in: {file: {read: in.ndjson}}
  far: {from: in, http: {get: '${WEIR_TEST_UNSET}/users/{{ msg.id }}'}, merge: {name: '{{ result.text }}'}}
  near: {from: far, http: {get: '{{ vars.server }}/of/{{ msg.id }}'}, merge: {}}
  hook: {from: near, http: {post: '${WEIR_TEST_UNSET}'}}
tests:
  - name: both are asked
    fake: {far: [{text: ann}], near: [{}], hook: [{}]}
    send: [{to: in, msg: {id: 1}}]
    expect: [{from: hook, msg: {id: 1, name: ann}}, {exit: 0}]
)");
  const auto said = said_by({"test", file});
  BOOST_TEST(said.code == 0, said.out << said.err);
  BOOST_TEST(said_by({"check", file}).code == 78);
}

BOOST_AUTO_TEST_CASE(who_asks_for_what_no_route_takes_is_told_404) {
  const TemporaryFolder folder;
  const auto file = folder.file("p.yaml", R"(
stages:
  asked: {http_server: {listen: '127.0.0.1:8080', path: /n, format: json}}
  sorted: {from: asked, route: {even: msg.n % 2 == 0, large: msg.n > 10}}
  even: {from: sorted.even, reply: {text: even}}
  noted: {from: sorted.large, where: msg.n > 20}
  end: {from: noted, drop: {}}
tests:
  - name: by nobody, by one without a reply, and by one who replies
    send:
      - {to: asked, msg: {n: 1}}
      - {to: asked, at: 1s, msg: {n: 11}}
      - {to: asked, at: 2s, msg: {n: 2}}
    expect:
      - {answered: asked, at: 0s, status: 404, text: "nothing here is responsible for this\n"}
      - {answered: asked, at: 1s, status: 204}
      - {answered: asked, at: 2s, status: 200, text: even}
      - {of: sorted, dropped: 1}
)");
  const auto said = said_by({"test", file});
  BOOST_TEST(said.code == 0, said.out << said.err);
}

BOOST_AUTO_TEST_CASE(what_fails_is_told_with_its_line_what_was_expected_and_what_came) {
  const auto said = said_by({"test", trials + "failing.yaml"});
  BOOST_TEST(said.code == 2);
  BOOST_TEST(said.err.empty(), said.err);
  BOOST_TEST(!contains(said.out, "passed  "), said.out);
  check_said("failing", said.out);
}

BOOST_AUTO_TEST_CASE(what_does_not_end_is_given_up_and_told_how_to_end, *boost::unit_test::enable_if<!sanitized>()) {
  const auto said = said_by({"test", trials + "endless.yaml"});
  BOOST_TEST(said.code == 2);
  BOOST_TEST(contains(said.out, "does not end by itself"), said.out);
  BOOST_TEST(contains(said.out, "such as `for: 20s`"), said.out);
}

BOOST_AUTO_TEST_CASE(what_goes_on_without_time_passing_is_given_up_too, *boost::unit_test::enable_if<!sanitized>()) {
  const TemporaryFolder folder;
  const auto path = folder.file("a.yaml",
                                "stages:\n  all: {generate: {range: 1..100000000000}}\n  gone: {from: all, drop: {}}\n"
                                "tests: [{name: a, expect: [{exit: 0}]}]\n");
  const auto said = said_by({"test", path});
  BOOST_TEST(said.code == 2);
  BOOST_TEST(contains(said.out, "it goes on and on at 0s, and no time passes"), said.out);
}

BOOST_AUTO_TEST_CASE(twenty_thousand_messages_through_five_calls_at_one_moment_have_an_end,
                     *boost::unit_test::enable_if<!sanitized>()) {
  const TemporaryFolder folder;
  std::string stages, fakes, before = "in";
  for (const std::string name : {"a", "b", "c", "d", "e"}) {
    stages += "  " + name + ": {from: " + before + ", exec: {run: [x]}}\n";
    fakes += (fakes.empty() ? "" : ", ") + name + ": [{text: x}]";
    before = name;
  }
  stages += "  out: {from: e, drop: {}}\ntests:\n  - name: many\n    fake: {" + fakes + "}\n";
  const std::string expect = "    expect: [{of: out, in: 20000}]\n";
  const auto sent = folder.file("sent.yaml", "stages:\n  in: {stdin: {format: lines}}\n" + stages +
                                                 "    send: [{to: in, times: 20000, text: x}]\n" + expect);
  const auto made = folder.file("made.yaml", "stages:\n  in: {generate: {range: 1..20000}}\n" + stages + expect);
  for (const auto& path : {sent, made}) {
    const auto said = said_by({"test", path});
    BOOST_TEST(said.out == path + "\n  passed  many (0s)\n1 test: 1 passed\n", said.err);
  }
}

BOOST_AUTO_TEST_CASE(every_mistake_in_the_block_is_told_at_once_by_check_and_by_test) {
  const auto checked = said_by({"check", trials + "mistakes.yaml"});
  BOOST_TEST(checked.code == 78);
  const auto tested = said_by({"test", trials + "mistakes.yaml"});
  BOOST_TEST(tested.code == 78);
  BOOST_TEST(tested.out.empty());
  const auto json = said_by({"check", trials + "mistakes.yaml", "--output", "json"});
  check_said("mistakes", json.out);
}

BOOST_AUTO_TEST_CASE(a_mistake_is_shown_with_its_line_and_the_nearest_name) {
  const TemporaryFolder folder;
  const auto path = folder.file("a.yaml",
                                "stages:\n  numbers: {generate: {range: 1..3}}\n  print: {from: numbers, stdout: {}}\n"
                                "tests:\n  - name: a\n    expect:\n      - {from: prnt, text: '1'}\n");
  const auto said = said_by({"test", path});
  BOOST_TEST(said.code == 78);
  BOOST_TEST(said.err == path +
                             ":7:16: error: there is no stage 'prnt'\n"
                             "    7 |       - {from: prnt, text: '1'}\n"
                             "      |                ^~~~\n"
                             "      = did you mean 'print'?\n");
}

BOOST_AUTO_TEST_CASE(running_a_file_does_not_look_at_its_tests) {
  const TemporaryFolder folder;
  const auto path = folder.file("a.yaml",
                                "stages:\n  numbers: {generate: {range: 1..3}}\n  gone: {from: numbers, drop: {}}\n"
                                "tests: [{name: a, expect: [{from: nobody}]}]\n");
  BOOST_TEST(said_by({"graph", path}).code == 0);
  BOOST_TEST(said_by({"check", path}).code == 78);
}

BOOST_AUTO_TEST_CASE(a_file_without_tests_says_so) {
  const auto said = said_by({"test", trials + "none.yaml"});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(said.out == trials + "none.yaml: no tests\n0 tests: 0 passed\n");
}

BOOST_AUTO_TEST_CASE(some_tests_are_taken_by_their_names) {
  const auto file = trials + "passing_time.yaml";
  const auto said = said_by({"test", file, "--only", "never ends"});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(said.out == file + "\n  passed  what never ends is ended by `for` (1h)\n1 test: 1 passed\n");
  const auto several = said_by({"test", file, trials + "none.yaml", "--only", "never ends", "--only", "lets go"});
  BOOST_TEST(contains(several.out, "2 tests: 2 passed\n"), several.out);
  BOOST_TEST(!contains(several.out, "none.yaml"), several.out);
  const auto none = said_by({"test", trials + "failing.yaml", "--only", "nothing come"});
  BOOST_TEST(none.code == 64);
  BOOST_TEST(none.err == "weir: no test's name holds 'nothing come'\n  = did you mean 'nothing came'?\n");
}

BOOST_AUTO_TEST_CASE(what_failed_and_reached_nobody_is_noted_unless_the_exit_code_is_expected) {
  const TemporaryFolder folder;
  const std::string stages =
      "stages:\n  numbers: {generate: {range: 1..3}}\n"
      "  odd: {from: numbers, lua: 'if text == \"2\" then fail(\"even\") end'}\n  print: {from: odd, stdout: {}}\n";
  const auto noted = folder.file("a.yaml", stages + "tests: [{name: a, expect: [{from: print, times: 2}]}]\n");
  const auto said = said_by({"test", noted});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(contains(said.out, "  passed  a (0s); 1 message failed and reached nobody\n"), said.out);
  const auto expected = folder.file("b.yaml", stages + "tests: [{name: a, expect: [{exit: 1}]}]\n");
  BOOST_TEST(contains(said_by({"test", expected}).out, "  passed  a (0s)\n"));
  BOOST_TEST(said_by({"check", expected}).out == expected + ": good, 3 stages, 1 test\n");
}

BOOST_AUTO_TEST_CASE(programs_are_told_in_json) {
  const auto said = said_by(
      {"test", trials + "passing_time.yaml", trials + "none.yaml", trials + "failing.yaml", "--output", "json"});
  BOOST_TEST(said.code == 2);
  BOOST_TEST(!weir::message::check_json(said.out).has_value(), said.out);
  BOOST_TEST(contains(said.out, R"({"name":"what never ends is ended by `for`","line":)"), said.out);
  BOOST_TEST(contains(said.out, R"("passed":true,"virtual_s":3600,"unheard":0,"failures":[],"log":[]})"), said.out);
  BOOST_TEST(contains(said.out, R"("message":"from print: message 2 is not the one expected")"), said.out);
  BOOST_TEST(contains(said.out, R"({"file":"tests/command/trials/none.yaml","tests":[]})"), said.out);
}

BOOST_AUTO_TEST_CASE(programs_are_told_mistakes_as_check_tells_them) {
  const auto tested = said_by({"test", trials + "mistakes.yaml", "--output", "json"});
  BOOST_TEST(tested.code == 78);
  BOOST_TEST(tested.err.empty(), tested.err);
  BOOST_TEST(tested.out == said_by({"check", trials + "mistakes.yaml", "--output", "json"}).out);
}

BOOST_AUTO_TEST_CASE(what_programs_are_told_is_not_laid_out_for_a_terminal) {
  const auto said = said_by({"test", trials + "failing.yaml", "--output", "json"});
  BOOST_TEST(!contains(said.out, "\\n      = "), said.out);
  BOOST_TEST(contains(said.out, R"("hint":"expected {\"n\":2,\"square\":5}\ncame )"), said.out);
}

BOOST_AUTO_TEST_CASE(a_child_that_answers_by_lines_is_given_one_to_say) {
  const auto said = said_by({"test", trials + "several.yaml"});
  BOOST_TEST(said.code == 2);
  check_said("several", said.out);
}

BOOST_AUTO_TEST_CASE(what_is_wrong_only_as_a_test_changes_the_file_is_told_with_the_test) {
  const TemporaryFolder folder;
  const auto path = folder.file("a.yaml",
                                "stages:\n"
                                "  in: {generate: {range: 1..3, msg: {k: a}}}\n"
                                "  c: {from: in, workers: 4, order: {key: '{{ msg.k }}'}, exec: {run: [x]}}\n"
                                "  out: {from: c, drop: {}}\n"
                                "tests:\n"
                                "  - name: one alone\n"
                                "    set: {stages.c.workers: 1}\n"
                                "    fake: {c: [{}]}\n"
                                "    expect: [{exit: 0}]\n");
  const auto said = said_by({"test", path});
  BOOST_TEST(said.code == 78);
  BOOST_TEST(contains(said.err, "      = it is so in the test 'one alone' at " + path + ":6:5, by what it changes\n"),
             said.err);
}

BOOST_AUTO_TEST_CASE(a_count_that_is_not_written_is_told_by_its_key) {
  const TemporaryFolder folder;
  const auto path = folder.file("a.yaml",
                                "stages:\n  in: {generate: {range: 1..3}}\n  out: {from: in, stdout: {}}\n"
                                "tests: [{name: a, expect: [{from: out, times: ~}]}]\n");
  BOOST_TEST(contains(said_by({"test", path}).err, "error: 'times' needs a value\n"), said_by({"test", path}).err);
}

BOOST_AUTO_TEST_CASE(a_test_is_explained_and_stands_in_the_schema) {
  const auto said = said_by({"explain", "test"});
  BOOST_TEST(said.code == 0);
  BOOST_TEST(contains(said.out, "test: A test of the pipeline"), said.out);
  BOOST_TEST(contains(said.out, "restart"), said.out);
  const auto schema = said_by({"schema"});
  BOOST_TEST(!weir::message::check_json(schema.out).has_value());
  BOOST_TEST(contains(schema.out, R"("tests": {"description": "A list of tests, for `weir test`)"));
}

BOOST_AUTO_TEST_CASE(nothing_outside_is_touched) {
  const TemporaryFolder folder;
  const auto written = folder.path("written.txt");
  const auto read = folder.file("read.txt", "real\n");
  const auto path =
      folder.file("a.yaml", "stages:\n  lines: {file: {read: '" + read + "'}}\n  kept: {from: lines, file: {append: '" +
                                written + "'}}\n  called: {from: lines, exec: {run: [touch, '" + written +
                                "']}}\ntests:\n  - name: a\n    send: [{to: lines, text: faked}]\n"
                                "    fake: {called: [{}]}\n    expect: [{from: kept, text: faked}]\n");
  const auto said = said_by({"test", path});
  BOOST_TEST(said.code == 0, said.out);
  BOOST_TEST(!fs::exists(written));
}

BOOST_AUTO_TEST_CASE(the_same_test_ends_the_same_way_each_time) {
  const auto first = said_by({"test", trials + "failing.yaml"}).out;
  for (int i = 0; i < 3; ++i) BOOST_TEST((said_by({"test", trials + "failing.yaml"}).out == first));
}

BOOST_AUTO_TEST_CASE(how_long_a_test_took_is_said_as_somebody_wants_to_read_it) {
  const weir::tests::TemporaryFolder folder;
  const auto said = said_by({"test", folder.file("a.yaml",
                                                 "stages:\n  a: {generate: {every: 63331448us, count: 2}}\n"
                                                 "  b: {generate: {every: 126662896us, count: 1}}\n"
                                                 "  c: {from: [a, b], drop: {}}\n"
                                                 "tests:\n"
                                                 "  - name: long\n"
                                                 "    expect: [{exit: 0}]\n"
                                                 "  - name: short\n"
                                                 "    set: {stages.a.generate.every: 126.6628ms}\n"
                                                 "    expect: [{exit: 0}]\n"
                                                 "  - name: shorter\n"
                                                 "    set: {stages.a.generate.every: 1ms}\n"
                                                 "    expect: [{exit: 0}]\n")});
  BOOST_TEST(said.out.find("  passed  long (63.33s)\n  passed  short (126.7ms)\n  passed  shorter (1ms)\n") !=
                 std::string::npos,
             said.out);
}
