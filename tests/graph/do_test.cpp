// `do`: operators run in turn in one stage, which everybody else sees as one.
#include <boost/test/unit_test.hpp>

#include "tests/support/bench.hpp"

using namespace std::chrono_literals;
using namespace weir;
using namespace weir::tests;

namespace {

const std::string numbers = "stages:\n  n: {generate: {range: 1..4, msg: {n: '{{ i }}'}}}\n";

std::string mistakes(const std::string& stages) { return Bench(numbers + stages).mistakes(); }

}  // namespace

BOOST_AUTO_TEST_CASE(steps_run_in_turn) {
  Bench bench(
      numbers +
      "  d:\n    from: n\n    do:\n      - where: msg.n % 2 == 0\n      - set: {square: '{{ msg.n * msg.n }}'}\n"
      "      - set: {more: '{{ msg.square + 1 }}'}\n"
      "  s: {from: d, stdout: {}}\n");
  BOOST_TEST(bench.mistakes() == "");
  bench.run();
  BOOST_TEST(bench.output() == "{\"n\":2,\"square\":4,\"more\":5}\n{\"n\":4,\"square\":16,\"more\":17}\n");
}

BOOST_AUTO_TEST_CASE(its_figures_are_those_of_one_stage) {
  Bench bench(
      numbers +
      "  d: {from: n, do: [{where: msg.n > 1}, {set: {a: '{{ msg.n == 3 and fail(\"three\") or 1 }}'}}, {pass: {}}]}\n"
      "  s: {from: d, stdout: {}}\n  f: {from: d.failed, drop: {}}\n");
  BOOST_TEST(bench.mistakes() == "");
  bench.run();
  const auto snapshot = bench.snapshot();
  BOOST_TEST(snapshot.stages.size() == 4U);
  const auto stage = bench.stage("d");
  BOOST_TEST(stage.kind == "do");
  BOOST_TEST(stage.in == 4U);
  BOOST_TEST(stage.filtered == 1U);
  BOOST_TEST(bench.out("d") == 2U);
  BOOST_TEST(bench.out("d", "failed") == 1U);
  BOOST_TEST(observe::unaccounted(stage) == 0);
}

BOOST_AUTO_TEST_CASE(what_is_between_two_steps_is_in_flight) {
  Bench bench(
      "stages:\n  n: {generate: {range: 1..64}}\n"
      "  d: {from: n, do: [{pass: {}}, {lua: 'for i = 1, 9 do emit(i) end'}]}\n"
      "  e: {from: d, exec: {run: [slow]}, edge: {capacity: 2}}\n");
  bench.runtime.programs().script("slow", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({1ms, "", ""});
    return behaviour;
  });
  bench.start();
  while (!bench.has_ended()) {
    bench.advance(7ms);
    BOOST_TEST_REQUIRE(observe::unaccounted(bench.stage("d")) == 0);
  }
  BOOST_TEST(bench.stage("d").in_flight == 0);
}

BOOST_AUTO_TEST_CASE(a_failure_says_the_stage_and_carries_the_message_as_it_came_to_it) {
  Bench bench(numbers +
              "  d: {from: n, do: [{set: {a: 1}}, {lua: 'return {other = msg.n}'}, {lua: 'if msg.other == 2 then "
              "fail(\"two\") end'}]}\n"
              "  s: {from: d, drop: {}}\n"
              "  f: {from: d.failed, set: {stage: '{{ failed.stage }}'}}\n"
              "  t: {from: f, stdout: {}}\n");
  BOOST_TEST(bench.mistakes() == "");
  bench.run();
  BOOST_TEST(bench.output() == "{\"n\":2,\"stage\":\"d\"}\n");
}

BOOST_AUTO_TEST_CASE(ports_of_any_step_are_the_stages) {
  Bench bench(numbers +
              "  d: {from: n, do: [{lua: 'if msg.n == 1 then emit_to(\"one\", msg) drop() end'},\n"
              "                    {route: {two: msg.n == 2}}]}\n"
              "  a: {from: d.one, file: {append: one}}\n  b: {from: d.two, file: {append: two}}\n"
              "  c: {from: d.else, file: {append: else}}\n");
  BOOST_TEST(bench.mistakes() == "");
  bench.run();
  BOOST_TEST(bench.files().text("one") == "{\"n\":1}\n");
  BOOST_TEST(bench.files().text("two") == "{\"n\":2}\n");
  BOOST_TEST(bench.files().text("else") == "{\"n\":3}\n{\"n\":4}\n");
}

BOOST_AUTO_TEST_CASE(a_step_may_hold_messages_back) {
  Bench bench(
      "stages:\n  n: {generate: {every: 1s, count: 5}}\n"
      "  d: {from: n, do: [{set: {a: 1}}, {batch: {count: 100, within: 1500ms}}, {pass: {}}]}\n"
      "  s: {from: d, stdout: {}}\n");
  BOOST_TEST(bench.mistakes() == "");
  bench.start();
  bench.advance(1600ms);
  BOOST_TEST(bench.output() == "[{\"a\":1},{\"a\":1}]\n");
  bench.run();
  BOOST_TEST(bench.output() == "[{\"a\":1},{\"a\":1}]\n[{\"a\":1},{\"a\":1}]\n[{\"a\":1}]\n");
  BOOST_TEST(observe::unaccounted(bench.stage("d")) == 0);
}

BOOST_AUTO_TEST_CASE(workers_run_all_steps_and_keep_the_order) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Bench bench(
        "stages:\n  n: {generate: {range: 1..300}}\n"
        "  d: {from: n, workers: 3, edge: {capacity: 3}, do: [{where: msg % 2 == 0}, {pass: {}}]}\n"
        "  s: {from: d, stdout: {}}\n",
        seed, 3);
    bench.run();
    std::string even;
    for (int n = 2; n <= 300; n += 2) even += std::to_string(n) + "\n";
    BOOST_TEST_REQUIRE(bench.output() == even);
  }
}

BOOST_AUTO_TEST_CASE(mistakes_in_steps_are_told_where_they_stand) {
  const std::string end = "  s: {from: d, drop: {}}\n";
  BOOST_TEST(mistakes("  d: {from: n, do: [{wheer: msg.n > 1}]}\n" + end) ==
             "test.yaml:3:22: error: 'd' has a step 'wheer', which is no kind\n"
             "    3 |   d: {from: n, do: [{wheer: msg.n > 1}]}\n"
             "      |                      ^~~~~\n"
             "      = did you mean 'where'?\n");
  BOOST_TEST(mistakes("  d: {from: n, do: [{pass: {}, workers: 2}]}\n" + end) ==
             "test.yaml:3:32: error: 'workers' is said of the whole stage, not of a step of its `do`\n"
             "    3 |   d: {from: n, do: [{pass: {}, workers: 2}]}\n"
             "      |                                ^~~~~~~\n"
             "      = write it beside `do`\n");
  BOOST_TEST(mistakes("  d: {from: n, do: [{stdout: {}}]}\n" + end) ==
             "test.yaml:3:22: error: 'stdout' is no operator: it can't be a step of `do`\n"
             "    3 |   d: {from: n, do: [{stdout: {}}]}\n"
             "      |                      ^~~~~~\n"
             "      = make it a stage of its own that reads `from: d`\n");
  BOOST_TEST(mistakes("  d: {from: n, do: [{route: {a: msg.n > 1}}, {pass: {}}]}\n" + end) ==
             "test.yaml:3:22: error: nothing leaves by the main output of 'route': no step can follow\n"
             "    3 |   d: {from: n, do: [{route: {a: msg.n > 1}}, {pass: {}}]}\n"
             "      |                      ^~~~~\n"
             "      = make it the last\n");
  BOOST_TEST(mistakes("  d: {from: n, do: []}\n" + end) ==
             "test.yaml:3:20: error: expected a list of operators, found an empty one\n"
             "    3 |   d: {from: n, do: []}\n"
             "      |                    ^\n"
             "      = such as do: [{where: msg.n > 1}, {set: {big: true}}]\n");
  BOOST_TEST(mistakes("  d: {do: [{pass: {}}, {pass: {}}]}\n" + end) ==
             "test.yaml:3:3: error: stage 'd' reads nothing\n"
             "    3 |   d: {do: [{pass: {}}, {pass: {}}]}\n"
             "      |   ^\n"
             "      = say `from: STAGE`\n");
}

BOOST_AUTO_TEST_CASE(a_graph_shows_it_as_one_stage) {
  Bench bench(numbers +
              "  d: {from: n, do: [{where: msg.n > 1}, {set: {a: 1}}]}\n  s: {from: [d, d.failed], drop: {}}\n");
  BOOST_TEST(graph::as_text(bench.plan()) ==
             "test\n"
             "  n (generate)\n"
             "    + d (do: where, set) from n, fused\n"
             "  s (drop) from d, d.failed\n");
}

BOOST_AUTO_TEST_CASE(each_step_has_what_the_ones_before_made_of_an_object_without_members) {
  Bench bench(
      "stages:\n  in: {file: {read: in, format: lines}}\n"
      "  edited: {from: in, do: [{set: {c: 1, d: 2}}, {remove: [c]}, {where: msg.d == 2}]}\n"
      "  out: {from: edited, file: {write: out, format: lines}}\n");
  bench.files().put("in", "{}\n{\"b\":1}\n{}\n");
  bench.run();
  BOOST_TEST(bench.files().text("out") == "{\"d\":2}\n{\"b\":1,\"d\":2}\n{\"d\":2}\n");
}

BOOST_AUTO_TEST_CASE(what_a_step_fails_and_passes_leaves_the_whole_as_it_came_in_its_turn) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..130, msg: {n: '{{ i }}'}}}
  b:
    from: a
    on_error: pass
    do:
      - set: {one: 1}
      - lua: if msg.n % 60 == 2 then fail("no") end
      - where: msg.n % 60 < 4
      - set: {two: 2}
  c: {from: b, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() ==
             "{\"n\":1,\"one\":1,\"two\":2}\n{\"n\":2}\n{\"n\":3,\"one\":1,\"two\":2}\n{\"n\":60,\"one\":1,\"two\":2}\n"
             "{\"n\":61,\"one\":1,\"two\":2}\n{\"n\":62}\n{\"n\":63,\"one\":1,\"two\":2}\n"
             "{\"n\":120,\"one\":1,\"two\":2}\n{\"n\":121,\"one\":1,\"two\":2}\n{\"n\":122}\n"
             "{\"n\":123,\"one\":1,\"two\":2}\n");
  BOOST_TEST(bench.stage("c").in == 11U);
}
