// dedupe: one message of each key.
#include <malloc.h>

#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(the_first_of_each_key_goes_on_and_the_others_are_dropped) {
  Alone dedupe("dedupe", "{key: '{{ msg.id }}'}");
  dedupe.give({R"({"id":1})", R"({"id":2})", R"({"id":1,"n":2})"});
  dedupe.give({R"({"id":2})", R"({"id":3})"});
  BOOST_TEST(dedupe.out() == (Lines{R"({"id":1})", R"({"id":2})", R"({"id":3})"}));
  BOOST_TEST(dedupe.dropped(weir::stage::Dropped::taken) == 2U);
  BOOST_TEST(dedupe.done == 5U);
  BOOST_TEST(dedupe.balanced());
}

BOOST_AUTO_TEST_CASE(what_comes_while_the_first_is_under_way_is_done_when_that_one_is) {
  Alone dedupe("dedupe", "{key: '{{ text }}'}");
  dedupe.hold = true;
  dedupe.give({"a", "a", "b"});
  dedupe.give({"a"});
  BOOST_TEST(dedupe.out() == (Lines{"a", "b"}));
  BOOST_TEST(dedupe.done == 0U);
  dedupe.held[0]->done(0);
  BOOST_TEST(dedupe.done == 1U);  // The second batch; b is still open in the first.
  dedupe.held[0]->done(1);
  BOOST_TEST(dedupe.done == 4U);
  BOOST_TEST(dedupe.balanced());
}

BOOST_AUTO_TEST_CASE(if_the_first_fails_its_key_is_forgotten_and_what_came_meanwhile_has_failed_with_it) {
  Alone dedupe("dedupe", "{key: '{{ msg.id }}'}");
  dedupe.hold = true;
  dedupe.give({R"({"id":1,"n":1})", R"({"id":1,"n":2})"});
  dedupe.give({R"({"id":1,"n":3})"});
  dedupe.held[0]->fail(0, {Reason::io, "no room"});
  BOOST_REQUIRE_EQUAL(dedupe.failed.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    BOOST_TEST(dedupe.failed[i].payload == R"({"id":1,"n":)" + std::to_string(i + 1) + "}");
    BOOST_TEST((dedupe.failed[i].failure.reason == Reason::io));
  }
  dedupe.give({R"({"id":1,"n":4})"});
  BOOST_TEST(dedupe.out().size() == 2U);
  BOOST_TEST(dedupe.out()[1] == R"({"id":1,"n":4})");
}

BOOST_AUTO_TEST_CASE(after_its_time_a_key_may_come_again_but_not_while_its_first_is_under_way) {
  Alone dedupe("dedupe", "{key: '{{ text }}', forget: 10s}");
  dedupe.give({"a"});
  dedupe.run_for(9999ms);
  dedupe.give({"a"});
  BOOST_TEST(dedupe.out().size() == 1U);
  dedupe.run_for(1ms);
  dedupe.give({"a"});
  BOOST_TEST(dedupe.out().size() == 2U);
  dedupe.hold = true;
  dedupe.give({"b"});
  dedupe.run_for(1h);
  dedupe.give({"b"});
  BOOST_TEST(dedupe.out().size() == 3U);
  dedupe.held[0]->done(0);
  dedupe.give({"b"});
  BOOST_TEST(dedupe.out().size() == 4U);
}

BOOST_AUTO_TEST_CASE(of_too_many_keys_the_oldest_is_forgotten) {
  Alone dedupe("dedupe", "{key: '{{ text }}', keys: 2}");
  dedupe.hold = true;
  dedupe.give({"a", "b", "c", "a", "c"});
  BOOST_TEST(dedupe.out() == (Lines{"a", "b", "c", "a"}));
  // One that is under way when it is forgotten still ends, and takes nothing with it that is not its own.
  dedupe.held[0]->fail(0, {Reason::io, "no room"});
  dedupe.give({"a"});
  BOOST_TEST(dedupe.out().size() == 4U);
  BOOST_TEST(dedupe.failed.size() == 0U);  // The others of its batch are still open.
  dedupe.held[0]->done_all();
  dedupe.held.clear();
  BOOST_TEST(dedupe.failed.size() == 1U);
  BOOST_TEST(dedupe.done == 5U);
}

BOOST_AUTO_TEST_CASE(a_key_that_cannot_be_worked_out_fails_its_message) {
  Alone dedupe("dedupe", "{key: '{{ msg.id }}'}");
  dedupe.give({"{}", "no json", "", R"({"id":null})", R"({"id":null})", R"({"id":"\u0061"})", R"({"id":"a"})"});
  BOOST_TEST(dedupe.out() == (Lines{R"({"id":null})", R"({"id":"\u0061"})"}));
  BOOST_REQUIRE_EQUAL(dedupe.failed.size(), 3U);
  BOOST_TEST((dedupe.failed[0].failure.reason == Reason::missing));
  BOOST_TEST((dedupe.failed[1].failure.reason == Reason::decode));
  BOOST_TEST(dedupe.balanced());
}

BOOST_AUTO_TEST_CASE(what_is_under_way_when_it_is_destroyed_is_still_answered) {
  Alone dedupe("dedupe", "{key: '{{ text }}'}");
  dedupe.hold = true;
  dedupe.give({"a", "a"});
  dedupe.release();
  dedupe.held.clear();
  BOOST_TEST(dedupe.failed.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_message_whose_first_try_failed_gets_through_when_it_is_sent_again) {
  Bench bench(R"(
stages:
  a: {generate: {each: [1, 2, 1]}}
  b: {from: a, dedupe: {key: '{{ text }}'}}
  c: {from: b, exec: {run: [work, '{{ text }}']}, merge: {}}
  d: {from: c, stdout: {}}
)");
  bench.runtime.programs().script("work", [failed = false](const weir::runtime::Command& command) mutable {
    weir::runtime::Behaviour behaviour;
    if (command.argv.at(1) == "1" && !std::exchange(failed, true)) behaviour.exit.code = 1;
    return behaviour;
  });
  bench.run();
  BOOST_TEST(bench.output() == "2\n1\n");
  BOOST_TEST(bench.ending().unheard == 0U);
  BOOST_TEST(bench.stage("b").in == 5U);  // Both of key 1 came again.
}

BOOST_AUTO_TEST_CASE(what_waits_for_the_first_of_its_key_is_not_copied) {
  constexpr std::size_t messages = 200, each = 200'000;
  const auto allocated = [] {
    const auto now = mallinfo2();
    return now.uordblks + now.hblkhd;
  };
  Bench bench("stages:\n  a: {generate: {count: " + std::to_string(messages) + ", msg: {id: 1, x: '" +
              std::string(each, 'x') + R"('}}}
  b: {from: a, dedupe: {key: '{{ msg.id }}'}}
  c: {from: b, exec: {run: [work]}, merge: {}}
  d: {from: c, drop: {}}
)");
  bench.runtime.programs().script("work", [](const weir::runtime::Command&) {
    weir::runtime::Behaviour behaviour;
    behaviour.steps.push_back({10s, "", ""});
    return behaviour;
  });
  const std::size_t before = allocated();
  bench.start();
  bench.advance(5s);
  BOOST_TEST(bench.stage("b").dropped[static_cast<std::size_t>(weir::stage::Dropped::taken)] == messages - 1);
  // The source keeps each until it is answered.
  BOOST_TEST(allocated() - before < messages * each * 3 / 2);
  bench.run();
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(what_waited_fails_with_what_it_carried) {
  Bench bench(R"(
stages:
  a: {generate: {count: 2, msg: {id: 1, i: '{{ i }}'}}}
  b: {from: a, meta: {number: '{{ msg.i }}'}}
  c: {from: b, dedupe: {key: '{{ msg.id }}'}}
  d: {from: c, exec: {run: [work]}, merge: {}}
  e: {from: d, drop: {}}
  f: {from: any.failed, set: {carried: '{{ meta.number }}'}}
  g: {from: f, stdout: {}}
)");
  bench.runtime.programs().script("work", [](const weir::runtime::Command&) {
    weir::runtime::Behaviour behaviour;
    behaviour.exit.code = 1;
    return behaviour;
  });
  bench.run();
  BOOST_TEST(bench.output() == "{\"id\":1,\"i\":1,\"carried\":1}\n{\"id\":1,\"i\":2,\"carried\":2}\n");
}

BOOST_AUTO_TEST_CASE(whoever_gathers_a_list_does_not_wait_for_what_waits_for_one_of_it) {
  Bench bench(R"(
stages:
  a: {generate: {each: [1, 2, 1]}}
  b: {from: a, dedupe: {key: '{{ text }}'}}
  c: {from: b, gather: {of: a, into: all}}
  d: {from: c, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() == "{\"all\":[1,2]}\n");
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(several_workers_let_the_first_of_each_key_on) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Bench bench(R"(
stages:
  a: {generate: {range: 1..1000, msg: {n: '{{ i }}', k: '{{ i % 37 }}'}}}
  b: {from: a, dedupe: {key: '{{ msg.k }}'}, workers: 4}
  c: {from: b, where: msg.n <= 37}
  d: {from: c, drop: {}}
)",
                seed, 3);
    bench.run();
    BOOST_TEST(bench.stage("d").in == 37U);
    BOOST_TEST(bench.stage("c").in == 37U);
    BOOST_TEST(bench.stage("b").dropped_by(weir::observe::Dropped::taken) == 963U);
  }
}

BOOST_AUTO_TEST_CASE(dedupe_needs_a_key_and_with_one_for_all_runs_once) {
  BOOST_TEST(Read("dedupe", "{}").diagnostics.has_errors());
  BOOST_TEST(Read("dedupe", "{key: a, keys: 0}").diagnostics.has_errors());
  BOOST_TEST(Read("dedupe", "{key: a, forget: 0s}").diagnostics.has_errors());
  Bench bench(
      "stages: {a: {generate: {count: 1}}, b: {from: a, dedupe: {key: a}, workers: 2}, c: {from: b, drop: {}}}");
  BOOST_TEST(bench.mistakes().find("only one can run") != std::string::npos);
  Bench step(
      "stages: {a: {generate: {count: 1}}, b: {from: a, do: [{set: {a: 1}}, {dedupe: {key: '{{ msg.a }}'}}], workers: "
      "2}, c: {from: b, drop: {}}}");
  BOOST_TEST(step.mistakes().find("which a step before it may change") != std::string::npos, step.mistakes());
}
