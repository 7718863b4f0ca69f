// What the graph compiler says of ports: those that nobody reads, and those that nothing leaves by.
#include <boost/test/unit_test.hpp>

#include "tests/support/bench.hpp"

using weir::tests::Bench;

namespace {
const std::string numbers = "stages:\n  n: {generate: {range: 1..3}}\n";

std::string mistakes(const std::string& stages) { return Bench(numbers + stages).mistakes(); }
}  // namespace

BOOST_AUTO_TEST_CASE(an_output_that_nobody_reads_is_warned_of) {
  BOOST_TEST(Bench(numbers).mistakes() ==
             "test.yaml:2:3: warning: nobody reads what 'n' puts out; it is dropped\n"
             "    2 |   n: {generate: {range: 1..3}}\n"
             "      |   ^\n"
             "      = give it a reader, such as `stdout: {}` with `from: n`\n");
}

BOOST_AUTO_TEST_CASE(each_port_of_a_route_or_of_code_that_nobody_reads_is_warned_of) {
  BOOST_TEST(mistakes("  r: {from: n, route: {low: msg < 2}}\n") ==
             "test.yaml:3:3: warning: nobody reads 'r.low'; it is dropped\n"
             "    3 |   r: {from: n, route: {low: msg < 2}}\n"
             "      |   ^\n"
             "test.yaml:3:3: warning: nobody reads 'r.else'; it is dropped\n"
             "    3 |   r: {from: n, route: {low: msg < 2}}\n"
             "      |   ^\n");
  BOOST_TEST(mistakes("  l: {from: n, lua: 'emit_to(\"more\", msg)'}\n  d: {from: l, drop: {}}\n") ==
             "test.yaml:3:3: warning: nobody reads 'l.more'; it is dropped\n"
             "    3 |   l: {from: n, lua: 'emit_to(\"more\", msg)'}\n"
             "      |   ^\n");
}

BOOST_AUTO_TEST_CASE(what_a_stage_does_without_a_reader_is_not_warned_of) {
  BOOST_TEST(mistakes("  w: {from: n, where: msg < 2}\n  d: {from: w, drop: {}}\n") == "");
  BOOST_TEST(mistakes("  e: {from: n, exec: {run: ['true']}}\n") == "");
}

BOOST_AUTO_TEST_CASE(what_fails_at_a_route_has_no_way_to_pass) {
  BOOST_TEST(mistakes("  r: {from: n, on_error: pass, route: {low: msg < 2}}\n"
                      "  t: {from: [r.low, r.else], stdout: {}}\n") ==
             "test.yaml:3:16: error: what fails can't pass: nothing leaves by the main output of 'route'\n"
             "    3 |   r: {from: n, on_error: pass, route: {low: msg < 2}}\n"
             "      |                ^~~~~~~~\n"
             "      = leave it out, and read 'r.failed' or `any.failed`\n");
}

BOOST_AUTO_TEST_CASE(reading_where_nothing_leaves_is_a_mistake) {
  BOOST_TEST(mistakes("  d: {from: n, drop: {}}\n  s: {from: d, stdout: {}}\n") ==
             "test.yaml:4:13: error: nothing leaves by the main output of 'd': it is a drop\n"
             "    4 |   s: {from: d, stdout: {}}\n"
             "      |             ^\n");
  BOOST_TEST(mistakes("  r: {from: n, route: {low: msg < 2}}\n"
                      "  s: {from: r, stdout: {}}\n"
                      "  t: {from: [r.low, r.else], stdout: {}}\n") ==
             "test.yaml:4:13: error: nothing leaves by the main output of 'r': it is a route\n"
             "    4 |   s: {from: r, stdout: {}}\n"
             "      |             ^\n"
             "      = read one of its ports, such as 'r.low'\n");
}

BOOST_AUTO_TEST_CASE(the_fields_of_merge_have_constant_names) {
  BOOST_TEST(mistakes("  e: {from: n, exec: {run: ['true']}, merge: {'{{ msg.k }}': 1}}\n") ==
             "test.yaml:3:47: error: expected a constant key, found `{{ }}`: keys are read once, at the start\n"
             "    3 |   e: {from: n, exec: {run: ['true']}, merge: {'{{ msg.k }}': 1}}\n"
             "      |                                               ^~~~~~~~~~~~~\n"
             "      = a name that depends on the message is made in `lua`\n");
}

namespace {
const std::string asked = "stages:\n  ask: {http_server: {listen: 127.0.0.1:8080, path: /}}\n";

std::string told_of(const std::string& stages) { return Bench(asked + stages).mistakes(); }
}  // namespace

BOOST_AUTO_TEST_CASE(a_reply_behind_what_makes_one_message_of_many_answers_nobody) {
  BOOST_TEST(
      told_of("  some: {from: ask, batch: {count: 5}}\n"
              "  more: {from: some, pass: {}}\n"
              "  answer: {from: more, reply: {}}\n") ==
      "test.yaml:5:3: error: 'answer' is reached only through 'some', which makes one message of many: who asked "
      "is not known behind it\n"
      "    5 |   answer: {from: more, reply: {}}\n"
      "      |   ^~~~~~\n"
      "      = reply to what 'some' reads\n");
  for (const char* stages : {"  some: {from: ask, aggregate: {window: 1s, fields: {n: count()}}}\n"
                             "  answer: {from: some, reply: {}}\n",
                             "  some: {from: ask, do: [{where: msg}, {batch: {}}, {pass: {}}]}\n"
                             "  answer: {from: some, reply: {}}\n",
                             "  some: {from: ask, batch: {}}\n"
                             "  call: {from: some, exec: {run: ['true']}, merge: {}}\n"
                             "  answer: {from: [call, call.failed], reply: {}}\n"}) {
    const auto said = told_of(stages);
    BOOST_TEST(said.find("'answer' is reached only through 'some', which makes one message of many") != said.npos,
               said);
  }
  const auto said = told_of(
      "  some: {from: ask, exec: {pipe: [talk], reply: free}}\n"
      "  answer: {from: some, reply: {}}\n");
  BOOST_TEST(said.find("'answer' is reached only through 'some', which puts out messages of its own") != said.npos,
             said);
}

BOOST_AUTO_TEST_CASE(a_reply_that_some_who_asked_reach_is_good) {
  for (const char* stages : {"  parts: {from: ask, expand: {each: msg.parts}}\n"
                             "  whole: {from: parts, gather: {of: parts, into: parts}}\n"
                             "  answer: {from: whole, reply: {}}\n",
                             "  some: {from: ask, batch: {}}\n"
                             "  kept: {from: some, drop: {}}\n"
                             "  answer: {from: some.failed, reply: {}}\n",
                             "  some: {from: ask, batch: {}}\n"
                             "  answer: {from: [some, ask], reply: {}}\n",
                             "  some: {from: ask, batch: {}}\n"
                             "  kept: {from: some, drop: {}}\n"
                             "  answer: {from: any.failed, reply: {}}\n",
                             "  some: {from: ask, exec: {pipe: [talk], reply: one}}\n"
                             "  answer: {from: some, reply: {}}\n",
                             "  some: {from: ask, exec: {pipe: [talk], reply: free}}\n"
                             "  kept: {from: some, drop: {}}\n"
                             "  answer: {from: some.failed, reply: {}}\n"}) {
    BOOST_TEST(told_of(stages).find("error") == std::string::npos, told_of(stages));
  }
}

BOOST_AUTO_TEST_CASE(an_order_that_no_workers_could_keep_is_refused) {
  BOOST_TEST(Bench("stages:\n  n: {generate: {range: 1..3}, order: free}\n  s: {from: n, stdout: {}}\n").mistakes() ==
             "test.yaml:2:32: error: this source has no workers, who could keep an order or not\n"
             "    2 |   n: {generate: {range: 1..3}, order: free}\n"
             "      |                                ^~~~~\n");
  BOOST_TEST(mistakes("  s: {from: n, stdout: {}, order: free}\n") ==
             "test.yaml:3:28: error: 'stdout' has no workers, who could keep an order or not\n"
             "    3 |   s: {from: n, stdout: {}, order: free}\n"
             "      |                            ^~~~~\n"
             "      = it writes messages as they come\n");
  BOOST_TEST(mistakes("  p: {from: n, pass: {}, workers: 2, order: free}\n  s: {from: p, stdout: {}}\n") == "");
}
