// Kinds of the user's own: stages with options, put in wherever one is used.
#include <boost/test/unit_test.hpp>

#include "tests/support/bench.hpp"

using namespace std::chrono_literals;
using namespace weir;
using namespace weir::tests;

namespace {

const std::string numbers = "  n: {generate: {range: 1..3, msg: {n: '{{ i }}'}}}\n";

std::string mistakes(const std::string& text) { return Bench(text).mistakes(); }

}  // namespace

BOOST_AUTO_TEST_CASE(an_instance_reads_and_is_read_like_a_stage) {
  Bench bench(
      "kinds:\n"
      "  tenfold:\n"
      "    options: {by: {type: integer, default: 10}, of: {type: template, default: '{{ msg.n }}'}}\n"
      "    stages:\n"
      "      some: {where: msg.n > 1}\n"
      "      times: {from: some, set: {by: '${by}', of: '${of}'}}\n"
      "stages:\n" +
      numbers +
      "  a: {from: n, tenfold: {}}\n"
      "  b: {from: a, tenfold: {by: 7, of: 'not {{ msg.by }}'}}\n"
      "  s: {from: b, stdout: {}}\n");
  BOOST_TEST(bench.mistakes() == "");
  bench.run();
  BOOST_TEST(bench.output() == "{\"n\":2,\"by\":7,\"of\":\"not 10\"}\n{\"n\":3,\"by\":7,\"of\":\"not 10\"}\n");
  BOOST_TEST(bench.out("a/some") == 2U);
}

BOOST_AUTO_TEST_CASE(a_whole_code_may_be_an_option) {
  Bench bench(
      "kinds:\n  only: {options: {what: {type: lua}}, stages: {it: {where: '${what}'}}}\n"
      "stages:\n" +
      numbers + "  a: {from: n, only: {what: msg.n == 2}}\n  s: {from: a, stdout: {}}\n");
  BOOST_TEST(bench.mistakes() == "");
  bench.run();
  BOOST_TEST(bench.output() == "{\"n\":2}\n");
}

BOOST_AUTO_TEST_CASE(failures_inside_leave_by_the_instance_unless_heard_inside) {
  Bench bench(
      "kinds:\n"
      "  strict:\n"
      "    stages:\n"
      "      one: {lua: 'if msg.n == 1 then fail(\"one\") end'}\n"
      "      two: {from: one, lua: 'if msg.n == 2 then fail(\"two\") end'}\n"
      "      heard: {from: two.failed, drop: {}}\n"
      "stages:\n" +
      numbers +
      "  a: {from: n, strict: {}}\n"
      "  s: {from: a, file: {append: good}}\n"
      "  f: {from: a.failed, file: {append: bad}}\n"
      "  t: {from: a/one, file: {append: inner}}\n");
  BOOST_TEST(bench.mistakes() == "");
  bench.run();
  BOOST_TEST(bench.files().text("good") == "{\"n\":3}\n");
  BOOST_TEST(bench.files().text("bad") == "{\"n\":1}\n");
  BOOST_TEST(bench.files().text("inner") == "{\"n\":2}\n{\"n\":3}\n");
}

BOOST_AUTO_TEST_CASE(kinds_may_be_made_of_kinds_but_not_of_themselves) {
  Bench bench(
      "kinds:\n"
      "  inc: {stages: {add: {set: {n: '{{ msg.n + 1 }}'}}}}\n"
      "  twice: {stages: {first: {inc: {}}, second: {from: first, inc: {}}}}\n"
      "stages:\n" +
      numbers + "  a: {from: n, twice: {}}\n  s: {from: a, stdout: {}}\n");
  BOOST_TEST(bench.mistakes() == "");
  bench.run();
  BOOST_TEST(bench.output() == "{\"n\":3}\n{\"n\":4}\n{\"n\":5}\n");
  BOOST_TEST(mistakes("kinds:\n  a: {stages: {x: {a: {}}}}\nstages:\n" + numbers + "  b: {from: n, a: {}}\n") ==
             "test.yaml:2:20: error: the kind 'a' is made of itself\n"
             "    2 |   a: {stages: {x: {a: {}}}}\n"
             "      |                    ^\n");
}

BOOST_AUTO_TEST_CASE(a_source_may_be_inside) {
  Bench bench(
      "kinds:\n  ticks: {options: {wait: {type: duration}}, stages: {t: {generate: {every: '${wait}', count: 2}}}}\n"
      "stages:\n  a: {ticks: {wait: 5s}}\n  s: {from: a, stdout: {}}\n");
  BOOST_TEST(bench.mistakes() == "");
  bench.run();
  BOOST_TEST(bench.output() == "{}\n{}\n");
  BOOST_TEST((bench.runtime.now() == runtime::Time(5s)));
}

BOOST_AUTO_TEST_CASE(mistakes_in_use_are_told) {
  const std::string kind =
      "kinds: {k: {options: {wait: {type: duration}}, stages: {p: {pass: {}}}}}\nstages:\n" + numbers;
  const std::string end = "  s: {from: a, drop: {}}\n";
  BOOST_TEST(mistakes(kind + "  a: {from: n, k: {}}\n" + end) ==
             "test.yaml:4:16: error: 'k' needs the option 'wait'\n"
             "    4 |   a: {from: n, k: {}}\n"
             "      |                ^\n"
             "      = it is a duration\n");
  BOOST_TEST(mistakes(kind + "  a: {from: n, k: {wiat: 1s, wait: 1s}}\n" + end) ==
             "test.yaml:4:20: error: 'k' has no option 'wiat'\n"
             "    4 |   a: {from: n, k: {wiat: 1s, wait: 1s}}\n"
             "      |                    ^~~~\n"
             "      = did you mean 'wait'?\n");
  BOOST_TEST(mistakes(kind + "  a: {from: n, k: {wait: 5}}\n" + end) ==
             "test.yaml:4:26: error: expected a duration such as 250ms, found \"5\": a duration carries its unit\n"
             "    4 |   a: {from: n, k: {wait: 5}}\n"
             "      |                          ^\n");
  BOOST_TEST(mistakes(kind + "  a: {from: n, k: {wait: 5s}, workers: 2}\n" + end) ==
             "test.yaml:4:31: error: 'workers' can't be said of 'k', which is made of stages\n"
             "    4 |   a: {from: n, k: {wait: 5s}, workers: 2}\n"
             "      |                               ^~~~~~~\n"
             "      = say it of a stage in kinds.k\n");
  BOOST_TEST(mistakes(kind + "  a: {k: {wait: 5s}}\n" + end) ==
             "test.yaml:4:3: error: stage 'a' reads nothing, and 'p' inside of it would read what it reads\n"
             "    4 |   a: {k: {wait: 5s}}\n"
             "      |   ^\n"
             "      = say `from: STAGE`\n");
}

BOOST_AUTO_TEST_CASE(mistakes_in_a_kind_are_told_though_nobody_uses_it) {
  const std::string end = "stages:\n" + numbers + "  s: {from: n, drop: {}}\n";
  BOOST_TEST(mistakes("kinds: {k: {options: {a: {type: durration}}, stages: {p: {pass: {}}}}}\n" + end) ==
             "test.yaml:1:33: error: there is no type 'durration'\n"
             "    1 | kinds: {k: {options: {a: {type: durration}}, stages: {p: {pass: {}}}}}\n"
             "      |                                 ^~~~~~~~~\n"
             "      = did you mean 'duration'?\n");
  BOOST_TEST(mistakes("kinds: {k: {stages: {}}}\n" + end) ==
             "test.yaml:1:9: error: the kind 'k' has no stages\n"
             "    1 | kinds: {k: {stages: {}}}\n"
             "      |         ^\n"
             "      = stages: {NAME: {KIND: …}} says what an instance of it does\n");
  BOOST_TEST(mistakes("kinds: {workers: {stages: {p: {pass: {}}}}}\n" + end) ==
             "test.yaml:1:9: error: 'workers' means something of every stage\n"
             "    1 | kinds: {workers: {stages: {p: {pass: {}}}}}\n"
             "      |         ^~~~~~~\n"
             "      = choose another name\n");
  BOOST_TEST(mistakes("kinds: {drop: {stages: {p: {pass: {}}}}}\n" + end)
                 .starts_with("test.yaml:1:9: warning: this 'drop' takes the place of weir's own\n"));
}

BOOST_AUTO_TEST_CASE(an_instance_with_a_mistake_in_its_options_is_not_said_to_put_out_nothing) {
  BOOST_TEST(mistakes("kinds: {k: {options: {w: {type: duration}}, stages: {s: {pass: {}, deadline: '${w}'}}}}\n"
                      "stages:\n" +
                      numbers +
                      "  a: {from: n, k: {w: '{{ 1 }}'}}\n"
                      "  o: {from: a, stdout: {}}\n"
                      "  f: {from: a.failed, stdout: {}}\n") ==
             "test.yaml:4:23: error: expected a duration such as 250ms, found `{{ }}`: it is read once, at the start\n"
             "    4 |   a: {from: n, k: {w: '{{ 1 }}'}}\n"
             "      |                       ^~~~~~~~~\n"
             "      = a constant, or '${name}'\n");
}

BOOST_AUTO_TEST_CASE(a_child_inside_that_stays_takes_what_the_instance_reads) {
  const std::string kind =
      "kinds:\n  num: {stages: {it: {exec: {pipe: [job], stdin: '{{ msg.n }}'}, merge: {got: '{{ result.text }}'}, "
      "timeout: 5s}}}\n"
      "  outer: {stages: {in: {num: {}}}}\n";
  for (const char* use : {"num", "outer"}) {
    Bench bench(kind + "stages:\n" + numbers + "  a: {from: n, " + use + ": {}}\n  s: {from: a, stdout: {}}\n");
    BOOST_TEST(bench.mistakes() == "");
    bench.runtime.programs().script("job", [](const runtime::Command&) {
      runtime::Behaviour cat;
      cat.until_input_ends = true;
      cat.answer = [](std::string_view lines) { return std::string(lines); };
      return cat;
    });
    bench.run();
    BOOST_TEST(bench.output() == "{\"n\":1,\"got\":\"1\"}\n{\"n\":2,\"got\":\"2\"}\n{\"n\":3,\"got\":\"3\"}\n");
  }
}

BOOST_AUTO_TEST_CASE(a_child_inside_that_stays_is_a_source_where_the_instance_reads_nothing) {
  BOOST_TEST(mistakes("kinds: {lines: {stages: {it: {exec: {pipe: [job], framing: raw}, attempts: 3}}}}\n"
                      "stages:\n  a: {lines: {}}\n  s: {from: a, stdout: {}}\n") == "");
}

BOOST_AUTO_TEST_CASE(what_an_instance_reads_is_read_by_something_inside) {
  const std::string kinds =
      "kinds:\n  two: {stages: {it: {generate: {range: 1..2}}, w: {from: it, pass: {}}}}\n"
      "  outer: {stages: {in: {two: {}}}}\nstages:\n" +
      numbers;
  BOOST_TEST(mistakes(kinds + "  a: {from: n, two: {}}\n  s: {from: [a, n], stdout: {}}\n") ==
             "test.yaml:6:13: error: nothing inside 'a' reads what it reads: 'two' takes no `from`\n"
             "    6 |   a: {from: n, two: {}}\n"
             "      |             ^\n"
             "      = leave it out; a stage of kinds.two that takes input and has no `from` would read it\n");
  BOOST_TEST(mistakes(kinds + "  a: {from: n, outer: {}}\n  s: {from: [a, n], stdout: {}}\n")
                 .starts_with("test.yaml:6:13: error: nothing inside 'a' reads what it reads: 'outer' takes no"));
  BOOST_TEST(mistakes(kinds + "  a: {outer: {}}\n  s: {from: [a, n], stdout: {}}\n") == "");
}

BOOST_AUTO_TEST_CASE(what_a_sink_inside_has_written_leaves_the_instance_where_nothing_else_does) {
  for (const char* use : {"log", "outer"}) {
    Bench bench(
        "kinds:\n  log: {stages: {it: {file: {append: log}}}}\n  outer: {stages: {in: {pass: {}}, l: {from: in, log: "
        "{}}}}\n"
        "stages:\n" +
        numbers + "  a: {from: n, " + use + ": {}}\n  s: {from: a, stdout: {}}\n");
    BOOST_TEST(bench.mistakes() == "");
    bench.run();
    BOOST_TEST(bench.output() == "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    BOOST_TEST(bench.files().text("log") == bench.output());
  }
  // Beside an operator that nobody reads, a sink is not the output; two sinks are no one output.
  for (const char* sink : {"file: {append: log}", "log: {}"}) {
    Bench bench(
        "kinds:\n  log: {stages: {it: {file: {append: log}}}}\n  tap: {stages: {in: {pass: {}}, l: {from: in, " +
        std::string(sink) + "}, o: {from: in, set: {o: 1}}}}\nstages:\n" + numbers +
        "  a: {from: n, tap: {}}\n  s: {from: a, stdout: {}}\n");
    BOOST_TEST(bench.mistakes() == "");
    bench.run();
    BOOST_TEST(bench.output() == "{\"n\":1,\"o\":1}\n{\"n\":2,\"o\":1}\n{\"n\":3,\"o\":1}\n");
  }
  BOOST_TEST(mistakes("kinds: {two: {stages: {a: {file: {append: x}}, b: {file: {append: y}}}}}\nstages:\n" + numbers +
                      "  a: {from: n, two: {}}\n  s: {from: a, stdout: {}}\n")
                 .starts_with("test.yaml:5:13: error: 'a' has more than one output\n"));
}
