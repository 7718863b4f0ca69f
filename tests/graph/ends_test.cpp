// How a pipeline ends: read to the end, drained, stopped, or left by those who read it.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <string>

#include "tests/support/bench.hpp"

using namespace std::chrono_literals;
using namespace weir;
using namespace weir::tests;

BOOST_AUTO_TEST_CASE(a_drain_under_load_loses_nothing_of_what_was_read) {
  Bench bench(R"(
stages:
  numbers: {generate: {every: 10us, text: '{{ i }}'}}
  slow: {from: numbers, exec: {run: [slow]}, merge: {}, edge: {capacity: 4}}
  shown: {from: slow, stdout: {}}
)");
  bench.runtime.programs().script("slow", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({5ms, "", ""});
    return behaviour;
  });
  bench.start();
  bench.advance(500ms);
  bench.drain();
  bench.run();
  BOOST_TEST(bench.ending().unheard == 0U);
  BOOST_TEST(bench.ending().left == 0U);
  BOOST_TEST(bench.stage("shown").in == bench.out("numbers"));
}

BOOST_AUTO_TEST_CASE(at_the_end_of_what_was_read_everything_held_is_let_go_at_once) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..5}}
  b: {from: a, batch: {count: 100, within: 1h}}
  c: {from: b, batch: {count: 100, within: 1h, as: lines}}
  d: {from: c, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() == "[1,2,3,4,5]\n");
  BOOST_TEST((bench.runtime.now() < runtime::Time(1s)));
}

BOOST_AUTO_TEST_CASE(what_was_sent_again_is_let_go_as_well) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..3}}
  b: {from: a, exec: {run: [work, '{{ msg }}']}, merge: {}}
  c: {from: b, batch: {count: 100, within: 1h}}
  d: {from: c, stdout: {}}
)");
  bench.runtime.programs().script("work", [failed = false](const runtime::Command& command) mutable {
    runtime::Behaviour behaviour;
    if (command.argv.at(1) == "2" && !std::exchange(failed, true)) behaviour.exit.code = 1;
    return behaviour;
  });
  bench.run();
  BOOST_TEST(bench.output() == "[1,3]\n[2]\n");
  BOOST_TEST((bench.runtime.now() < runtime::Time(1s)));
}

BOOST_AUTO_TEST_CASE(what_waits_for_another_source_is_not_let_go_where_its_own_has_been_read) {
  // Two halves of each pair, by name, the one all at once and the other from time to time.
  Bench bench(R"(
stages:
  a: {generate: {every: 100ms, count: 3, msg: {id: '{{ i }}', of: a}}}
  b: {generate: {range: 1..3, msg: {id: '{{ i }}', of: b}}}
  far: {from: b, pass: {}}
  pairs: {from: [a, far], batch: {key: '{{ msg.id }}', count: 2, within: 30s}}
  out: {from: pairs, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() ==
             "[{\"id\":1,\"of\":\"b\"},{\"id\":1,\"of\":\"a\"}]\n"
             "[{\"id\":2,\"of\":\"b\"},{\"id\":2,\"of\":\"a\"}]\n"
             "[{\"id\":3,\"of\":\"b\"},{\"id\":3,\"of\":\"a\"}]\n");
  BOOST_TEST((bench.runtime.now() < runtime::Time(1s)));
}

BOOST_AUTO_TEST_CASE(a_window_is_not_closed_by_the_end_of_one_of_its_sources) {
  Bench bench(R"(
stages:
  slow: {generate: {every: 1s, count: 5, msg: {n: 1}}}
  quick: {generate: {range: 1..5, msg: {n: 1}}}
  sum: {from: [slow, quick], aggregate: {window: 1m, fields: {n: count()}}}
  shown: {from: sum, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() == "{\"n\":10}\n");
}

BOOST_AUTO_TEST_CASE(a_way_on_which_nothing_came_is_not_waited_for) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..5}}
  none: {from: a, where: msg > 5}
  some: {from: a, where: msg > 2}
  b: {from: [none, some], batch: {count: 100, within: 1h}}
  c: {from: b, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() == "[3,4,5]\n");
  BOOST_TEST((bench.runtime.now() < runtime::Time(1s)));
}

BOOST_AUTO_TEST_CASE(a_batch_waits_no_longer_than_it_may_though_the_one_before_went_early) {
  Bench bench(R"(
stages:
  a: {generate: {lua: 'yield(1) sleep("500ms") yield(2) yield(3) sleep("10s")'}}
  b: {from: a, batch: {count: 2, within: 1s}}
  c: {from: b, stdout: {}}
)");
  bench.start();
  bench.advance(1499ms);
  BOOST_TEST(bench.output() == "[1,2]\n");
  bench.advance(2ms);
  BOOST_TEST(bench.output() == "[1,2]\n[3]\n");
}

BOOST_AUTO_TEST_CASE(the_failed_port_ends_with_the_main_one) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..3}}
  b: {from: a, where: 'true'}
  c: {from: b.failed, file: {write: failed.txt}}
  d: {from: b, file: {write: good.txt}}
)");
  bench.run();
  BOOST_TEST(bench.files().text("failed.txt") == "");
  BOOST_TEST(bench.files().text("good.txt") == "1\n2\n3\n");
}

BOOST_AUTO_TEST_CASE(a_drain_and_a_stop_count_though_nothing_has_begun) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Bench drained("stages: {a: {generate: {every: 1s}}, b: {from: a, drop: {}}}", seed);
    drained.start();
    drained.drain();
    drained.run(1h);
    Bench stopped("stages: {a: {generate: {every: 1s}}, b: {from: a, drop: {}}}", seed);
    stopped.start();
    stopped.stop();
    stopped.run(1h);
    BOOST_TEST(stopped.ending().left == 0U);
  }
}

BOOST_AUTO_TEST_CASE(what_a_stop_leaves_is_owned_up_to) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1000}}
  work: {from: a, exec: {run: [work]}, merge: {}, edge: {capacity: 2}}
)");
  bench.runtime.programs().script("work", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.forever = true;
    return behaviour;
  });
  bench.start();
  bench.advance(1s);
  bench.stop();
  bench.run(1h);
  BOOST_TEST(bench.ending().left == bench.out("a"));
  BOOST_TEST(bench.runtime.programs().running() == 0U);
}

BOOST_AUTO_TEST_CASE(a_source_without_end_ends_when_its_only_reader_has_left) {
  for (const std::string between :
       {"pass: {}", "pass: {}, edge: {capacity: 4}", "pass: {}, workers: 3", "pass: {}, workers: 3, order: free"}) {
    Bench bench("stages:\n  a: {generate: {every: 1ms}}\n  b: {from: a, " + between +
                    "}\n  c: {from: b, stdout: {}}\n"
                    "  dead: {from: any.failed, file: {append: dead.txt}}\n",
                1, 3);
    bench.files().break_standard_output(10);
    bench.run(1h);
    BOOST_TEST(bench.ending().unheard == 0U);
  }
}

BOOST_AUTO_TEST_CASE(a_child_that_will_not_end_delays_a_stop_and_does_not_outlive_it) {
  Bench bench("stages: {a: {exec: {pipe: [deaf]}}, b: {from: a, drop: {}}}");
  bench.runtime.programs().script("deaf", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.forever = true;
    behaviour.ignores.insert(SIGTERM);
    return behaviour;
  });
  bench.start();
  bench.advance(1s);
  bench.stop();
  bench.run(1h);
  BOOST_TEST(bench.runtime.programs().running() == 0U);
}

BOOST_AUTO_TEST_CASE(a_stop_or_a_question_at_any_moment_finds_nobody_who_is_gone) {
  constexpr const char* text = "stages: {a: {generate: {range: 1..3}}, b: {from: a, drop: {}}}";
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    bool over = false;
    for (int moment = 0; !over; ++moment) {
      Bench bench(text, seed, 2);
      bench.start();
      for (int step = 0; step < moment; ++step) bench.runtime.step();
      over = bench.has_ended();
      int answers = 0;
      bench.running().snapshot([&](const observe::PipelineSnapshot&) { ++answers; });
      bench.running().stop();
      while (!bench.has_ended()) BOOST_REQUIRE(bench.runtime.step());
      BOOST_TEST(answers == 1);
      bench.destroy();
      bench.runtime.run_until_idle(bench.runtime.now());
    }
  }
}

namespace {

/// Everything that `slow` is asked takes it three hours, and then it fails.
void give_slow_program(Bench& bench, runtime::Duration takes = 3h) {
  bench.runtime.programs().script("slow", [takes](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({takes, "", ""});
    behaviour.exit.code = 1;
    return behaviour;
  });
}

/// As the supervisor does it, where the drain's time is not enough.
void drain_in_vain(Bench& bench) {
  bench.start();
  bench.advance(10s);
  bench.drain();
  bench.advance(30s);
  BOOST_TEST(!bench.has_ended());
  bench.running().expire();
  bench.advance(1s);
}

/// Every message that was read has failed, and its failure is in the file.
void all_is_kept(Bench& bench, const std::string& of) {
  BOOST_TEST(bench.has_ended(), of);
  const auto kept = bench.files().text("kept");
  const auto read = bench.out("a");
  BOOST_TEST(read > 0U);
  BOOST_TEST(static_cast<std::uint64_t>(std::count(kept.begin(), kept.end(), '\n')) == read, of);
  BOOST_TEST(kept.find("\"kind\":\"stopped\"") != std::string::npos, of);
  BOOST_TEST(bench.ending().left == 0U, of);
}

std::string numbers_to(const std::string& call) {
  return "stages:\n  a: {generate: {range: 1..300}}\n  b: {from: a, pass: {}}\n  work: {from: b, " + call +
         "}\n  kept: {from: work.failed, file: {append: kept, format: envelope}}\n  done: {from: work, drop: {}}\n";
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_the_drain_has_no_time_for_fails_and_is_kept_by_who_reads_failures) {
  for (const std::string policy :
       {"", ", retry: {attempts: 9, backoff: 1h..2h}", ", limit: 1/h", ", order: {key: '{{ msg % 2 }}'}",
        ", breaker: {failures: 1, when_open: hold, recover_after: 1h}"}) {
    Bench bench(numbers_to("workers: 3, exec: {run: [slow]}, merge: {}" + policy));
    give_slow_program(bench, policy.empty() ? 3h : runtime::Duration(1s));
    drain_in_vain(bench);
    all_is_kept(bench, policy);
  }
}

BOOST_AUTO_TEST_CASE(what_the_drain_has_no_time_for_goes_to_who_reads_any_failed) {
  Bench bench(
      "stages:\n  a: {generate: {range: 1..300}}\n  work: {from: a, exec: {run: [slow]}, merge: {}}\n"
      "  kept: {from: any.failed, file: {append: kept, format: envelope}}\n  done: {from: work, drop: {}}\n");
  give_slow_program(bench);
  drain_in_vain(bench);
  all_is_kept(bench, "any.failed");
}

BOOST_AUTO_TEST_CASE(what_a_child_has_not_answered_by_then_fails_too) {
  for (const std::string more : {"", ", workers: 3", ", workers: 2, order: {key: '{{ msg % 5 }}'}"}) {
    Bench bench(numbers_to("exec: {pipe: [slow], unanswered: 10}" + more));
    give_slow_program(bench);
    drain_in_vain(bench);
    bench.stop();
    bench.advance(1s);
    all_is_kept(bench, more);
  }
}

BOOST_AUTO_TEST_CASE(what_the_drain_has_no_time_for_is_left_where_nobody_reads_failures) {
  Bench bench(
      "stages:\n  a: {generate: {range: 1..300}}\n  work: {from: a, exec: {run: [slow]}, merge: {}}\n"
      "  done: {from: work, drop: {}}\n");
  give_slow_program(bench);
  drain_in_vain(bench);
  BOOST_TEST(bench.has_ended());
  BOOST_TEST(bench.ending().left == bench.out("a"));
  BOOST_TEST(bench.ending().unheard == 0U);
}

// ----------------------------------------------------------------------------------------------------- marks in a mesh

namespace {

/// What it takes to run ten messages through so many stages, each the text `%` for its name and the one before it.
std::uint64_t steps_of(int stages, const std::function<std::string(int)>& stage) {
  std::string yaml = "stages:\n  s0: {generate: {range: 1..10}}\n";
  for (int i = 1; i <= stages; ++i) yaml += stage(i);
  Bench bench(yaml + "  end: {from: s" + std::to_string(stages) + ", stdout: {}}\n");
  bench.run();
  BOOST_TEST(bench.output() == "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
  return bench.runtime.steps();
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_mark_that_comes_by_many_edges_is_not_passed_on_for_each) {
  const auto workers = [](int i) {
    return "  s" + std::to_string(i) + ": {from: s" + std::to_string(i - 1) + ", pass: {}, workers: 3}\n";
  };
  const auto diamond = [](int i) {
    const std::string n = std::to_string(i), before = "s" + std::to_string(i - 1);
    return "  r" + n + ": {from: " + before + ", route: {a: msg > 0}}\n  s" + n + ": {from: [r" + n + ".a, r" + n +
           ".else], pass: {}}\n";
  };
  // Twice as many stages take some twice as much, where they took a hundred times as much and more.
  BOOST_TEST(steps_of(12, workers) < 4 * steps_of(6, workers));
  BOOST_TEST(steps_of(18, diamond) < 4 * steps_of(9, diamond));
}
