// gather: one message of all that one list became.
#include <boost/test/unit_test.hpp>

#include "tests/support/bench.hpp"

using namespace std::chrono_literals;
using namespace weir;
using namespace weir::tests;

namespace {

/// `work N` takes N ms; `work fails` exits with 1.
void work(Bench& bench) {
  bench.runtime.programs().script("work", [](const runtime::Command& command) {
    runtime::Behaviour behaviour;
    const std::string how = command.argv[1];
    if (how == "fails") {
      behaviour.exit.code = 1;
    } else {
      behaviour.steps.push_back({std::chrono::milliseconds(std::stoi(how)), "", ""});
    }
    return behaviour;
  });
}

std::string gathered(const std::string& yaml) {
  Bench bench(yaml);
  work(bench);
  bench.run();
  return bench.output();
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_list_comes_together_in_its_order_whatever_overtook_what) {
  BOOST_TEST(gathered(R"(
stages:
  a: {generate: {each: [30, 10, 20]}}
  b: {from: a, exec: {run: [work, '{{ msg }}']}, merge: {}, workers: 3, order: free}
  c: {from: b, gather: {of: a, into: all}}
  d: {from: c, stdout: {}}
)") == "{\"all\":[30,10,20]}\n");
}

BOOST_AUTO_TEST_CASE(each_tick_is_a_list_of_its_own) {
  BOOST_TEST(gathered(R"(
stages:
  a: {generate: {every: 1s, count: 4, each: [x, y], msg: {i: '{{ item }}'}}}
  b: {from: a, gather: {of: a, into: all}}
  c: {from: b, stdout: {}}
)") == "{\"all\":[{\"i\":\"x\"},{\"i\":\"y\"}]}\n{\"all\":[{\"i\":\"x\"},{\"i\":\"y\"}]}\n");
}

BOOST_AUTO_TEST_CASE(what_is_dropped_or_fails_is_not_waited_for) {
  BOOST_TEST(gathered(R"(
stages:
  a: {generate: {each: [5, fails, 6, 7]}}
  b: {from: a, where: msg ~= 6}
  c: {from: b, exec: {run: [work, '{{ msg }}']}, merge: {}}
  d: {from: c.failed, drop: {}}
  e: {from: c, gather: {of: a, into: all}}
  f: {from: e, stdout: {}}
)") == "{\"all\":[5,7]}\n");
}

BOOST_AUTO_TEST_CASE(who_failed_is_in_the_list_where_it_is_let_pass_or_read_as_well) {
  const std::string expected = "{\"all\":[{\"n\":5},{\"n\":\"fails\"},{\"n\":7}]}\n";
  BOOST_TEST(gathered(R"(
stages:
  a: {generate: {each: [5, fails, 7], msg: {n: '{{ item }}'}}}
  c: {from: a, exec: {run: [work, '{{ msg.n }}']}, merge: {}, on_error: pass}
  e: {from: c, gather: {of: a, into: all}}
  f: {from: e, stdout: {}}
)") == expected);
  BOOST_TEST(gathered(R"(
stages:
  a: {generate: {each: [5, fails, 7], msg: {n: '{{ item }}'}}}
  c: {from: a, exec: {run: [work, '{{ msg.n }}']}, merge: {}}
  e: {from: [c, c.failed], gather: {of: a, into: all}}
  f: {from: e, stdout: {}}
)") == expected);
}

BOOST_AUTO_TEST_CASE(an_expanded_list_comes_together_and_its_message_is_done_with_it) {
  Bench bench(R"(
stages:
  a: {generate: {each: [{id: 1, of: [3, 1, 2]}, {id: 2, of: []}, {id: 3, of: [9]}]}}
  b: {from: a, expand: {each: of, as: n, keep: [id]}}
  c: {from: b, set: {n: '{{ msg.n * 2 }}'}}
  d: {from: c, gather: {of: b, into: all}}
  e: {from: d, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() ==
             "{\"all\":[{\"id\":1,\"n\":6},{\"id\":1,\"n\":2},{\"id\":1,\"n\":4}]}\n"
             "{\"all\":[{\"id\":3,\"n\":18}]}\n");
  BOOST_TEST(bench.stage("d").in == 4U);
  BOOST_TEST(bench.stage("d").in_flight == 0);
}

BOOST_AUTO_TEST_CASE(a_list_within_a_list_comes_together_within_it) {
  BOOST_TEST(gathered(R"(
stages:
  a: {generate: {each: [{l: [[1, 2], [3]]}, {l: [[4]]}]}}
  outer: {from: a, expand: {each: l, as: m}}
  inner: {from: outer, expand: {each: m, as: n}}
  one: {from: inner, gather: {of: inner, into: in}}
  two: {from: one, gather: {of: outer, into: out}}
  e: {from: two, stdout: {}}
)") == "{\"out\":[{\"in\":[{\"n\":1},{\"n\":2}]},{\"in\":[{\"n\":3}]}]}\n{\"out\":[{\"in\":[{\"n\":4}]}]}\n");
}

BOOST_AUTO_TEST_CASE(a_list_of_which_nothing_arrives_leaves_empty) {
  BOOST_TEST(gathered(R"(
stages:
  a: {generate: {each: [1, 2]}}
  b: {from: a, where: msg > 2}
  c: {from: b, gather: {of: a, into: all}}
  d: {from: c, stdout: {}}
)") == "{\"all\":[]}\n");
}

BOOST_AUTO_TEST_CASE(an_empty_list_carries_what_the_message_carried_that_was_expanded) {
  BOOST_TEST(gathered(R"(
stages:
  a: {generate: {each: [{l: [1, 2]}]}}
  b: {from: a, meta: {of: mine}}
  c: {from: b, expand: {each: l}}
  d: {from: c, where: msg > 2}
  e: {from: d, gather: {of: c, into: all}}
  f: {from: e, set: {of: '{{ meta.of }}'}}
  g: {from: f, stdout: {}}
)") == "{\"all\":[],\"of\":\"mine\"}\n");
}

BOOST_AUTO_TEST_CASE(a_list_within_a_list_is_in_it_though_nothing_of_it_is_left) {
  BOOST_TEST(gathered(R"(
stages:
  a: {generate: {each: [{l: [[1, 2], [9], [1]]}]}}
  outer: {from: a, expand: {each: l, as: m}}
  inner: {from: outer, expand: {each: m, as: n}}
  high: {from: inner, where: msg.n > 5}
  one: {from: high, gather: {of: inner, into: in}}
  two: {from: one, gather: {of: outer, into: out}}
  e: {from: two, stdout: {}}
)") == "{\"out\":[{\"in\":[]},{\"in\":[{\"n\":9}]},{\"in\":[]}]}\n");
}

BOOST_AUTO_TEST_CASE(what_was_expanded_is_sent_again_where_its_empty_list_fails) {
  Bench bench(R"(
stages:
  a: {generate: {each: [{l: [1, 2]}]}}
  b: {from: a, expand: {each: l}}
  c: {from: b, where: msg > 2}
  d: {from: c, gather: {of: b, into: all}}
  e: {from: d, exec: {run: [work, fails]}}
  f: {from: a.failed, stdout: {}}
)");
  work(bench);
  bench.run();
  BOOST_TEST(bench.output() == "{\"l\":[1,2]}\n");
  BOOST_TEST(bench.stage("e").in_flight == 0);
}

BOOST_AUTO_TEST_CASE(a_message_of_no_list_fails) {
  BOOST_TEST(gathered(R"(
stages:
  a: {generate: {each: [1]}}
  other: {generate: {range: 7..7}}
  b: {from: [a, other], gather: {of: a, into: all}}
  c: {from: b, stdout: {}}
  d: {from: b.failed, set: {why: '{{ failed.kind }}'}, on_error: pass}
  e: {from: d, stdout: {}}
)")
                 .find("7\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(at_most_a_thousand_lists_are_open) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1003, msg: {l: ['{{ i }}']}}}
  b: {from: a, expand: {each: l, as: n}}
  stuck: {from: b, exec: {run: [work, '100000']}, merge: {}, workers: 2000, edge: {capacity: 4000}}
  c: {from: stuck, gather: {of: b, into: all}}
  d: {from: c, drop: {}}
  e: {from: c.failed, drop: {}}
)");
  work(bench);
  bench.run();
  BOOST_TEST(bench.stage("d").in == 1000U);
  BOOST_TEST(bench.stage("e").in == 3U);
}

BOOST_AUTO_TEST_CASE(a_gathered_list_that_fails_is_sent_again_message_by_message) {
  Bench bench(R"(
stages:
  a: {generate: {each: [1, 2]}}
  b: {from: a, gather: {of: a, into: all}}
  c: {from: b, lua: 'fail("no")'}
  d: {from: any.failed, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() == "1\n2\n");
}

BOOST_AUTO_TEST_CASE(what_is_gathered_has_to_be_a_stage_that_makes_lists) {
  const auto told = Bench(R"(
kinds:
  pair:
    stages:
      split: {expand: {each: l}}
      join: {from: split, gather: {of: split, into: all}}
stages:
  a: {generate: {each: [1]}}
  n: {generate: {range: 1..2}}
  b: {from: a, gather: {of: aa, into: all}}
  c: {from: b, gather: {of: n, into: all}}
  p: {from: c, pair: {}}
  d: {from: [p, n], drop: {}}
)")
                        .mistakes();
  BOOST_TEST(told.find("there is no stage 'aa' for 'b' to gather") != told.npos, told);
  BOOST_TEST(told.find("did you mean 'a'?") != told.npos, told);
  BOOST_TEST(told.find("'n' makes no lists that 'c' could gather") != told.npos, told);
  BOOST_TEST(told.find("split") == told.npos, told);
}

BOOST_AUTO_TEST_CASE(what_a_list_became_has_to_come_to_its_gather_one_by_one) {
  const auto told = Bench(R"(
stages:
  a: {generate: {each: [1, 2]}}
  b: {from: a, batch: {count: 2}}
  c: {from: b, gather: {of: a, into: all}}
  elsewhere: {generate: {each: [1]}}
  d: {from: elsewhere, gather: {of: a, into: all}}
  straight: {from: a, gather: {of: a, into: all}}
  behind: {from: straight, batch: {count: 2}}
  e: {from: [c, d, behind], drop: {}}
)")
                        .mistakes();
  BOOST_TEST(told.find("'b' makes one message of many, which is part of no list that 'c' gathers") != told.npos, told);
  BOOST_TEST(told.find("nothing that 'a' makes comes to 'd'") != told.npos, told);
  BOOST_TEST(told.find("'straight'") == told.npos, told);
}

BOOST_AUTO_TEST_CASE(a_list_of_a_source_that_fails_is_not_made_again_and_says_why) {
  Bench bench(R"(
stages:
  a: {generate: {each: [1, 2, 3]}}
  b: {from: a, exec: {run: [work, '{{ msg }}']}, merge: {}}
  c: {from: b, gather: {of: a, into: all}}
  d: {from: c, exec: {run: [work, fails]}}
  dead: {from: any.failed, lua: 'return {failed.stage, failed.kind, failed.text, text}'}
  out: {from: dead, stdout: {}}
)");
  work(bench);
  bench.run();
  std::string expected;
  for (const auto* one : {"1", "2", "3"})
    expected += std::string(R"(["d","exit","`work` exited with 1",")") + one + "\"]\n";
  BOOST_TEST(bench.output() == expected);
  BOOST_TEST(bench.runtime.programs().started() == 4U);
}

BOOST_AUTO_TEST_CASE(a_list_of_one_message_that_fails_is_made_again) {
  Bench bench(R"(
stages:
  a: {generate: {count: 1, msg: {l: [1, 2]}}}
  e: {from: a, expand: {each: l}}
  c: {from: e, gather: {of: e, into: all}}
  d: {from: c, exec: {run: [work, fails]}}
  dead: {from: any.failed, lua: 'return {failed.stage, failed.attempts, failed.kind}'}
  out: {from: dead, stdout: {}}
)");
  work(bench);
  bench.run();
  BOOST_TEST(bench.runtime.programs().started() == 3U);
  BOOST_TEST(bench.output().starts_with("[\"d\",3,\"exit\"]\n"), bench.output());
}
