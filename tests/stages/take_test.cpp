// take: the first messages, and then nothing more.
#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(so_many_go_on_and_what_comes_after_them_is_gone_and_done) {
  Alone take("take", "2");
  take.give({"", "b", "c"});
  BOOST_TEST(take.output->closed());
  take.give({"d"});
  BOOST_TEST(take.out() == (Lines{"", "b"}));
  BOOST_TEST(take.dropped(weir::stage::Dropped::gone) == 2U);
  BOOST_TEST(take.done == 4U);
  BOOST_TEST(take.balanced());
}

BOOST_AUTO_TEST_CASE(before_the_last_of_them_nothing_is_closed) {
  Alone take("take", "3");
  take.give({"a", "b"});
  BOOST_TEST(!take.output->closed());
}

BOOST_AUTO_TEST_CASE(take_takes_a_number_above_nought_and_one_worker) {
  BOOST_TEST(Read("take", "0").diagnostics.has_errors());
  BOOST_TEST(Read("take", "-1").diagnostics.has_errors());
  BOOST_TEST(Read("take", "{count: 1}").diagnostics.has_errors());
  Bench bench("stages: {a: {generate: {count: 1}}, b: {from: a, take: 1, workers: 2}, c: {from: b, drop: {}}}");
  BOOST_TEST(bench.mistakes().find("'take' remembers across messages, so only one can run") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_source_with_a_take_fused_behind_it_ends_and_makes_no_more_than_an_edge_may_hold) {
  Bench bench(R"(
stages:
  numbers: {generate: {range: 1..1000000, msg: {n: '{{ i }}'}}}
  even: {from: numbers, where: msg.n % 2 == 0}
  squares: {from: even, set: {square: '{{ msg.n * msg.n }}'}}
  five: {from: squares, take: 5}
  print: {from: five, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() ==
             "{\"n\":2,\"square\":4}\n{\"n\":4,\"square\":16}\n{\"n\":6,\"square\":36}\n{\"n\":8,\"square\":64}\n"
             "{\"n\":10,\"square\":100}\n");
  BOOST_TEST(bench.out("numbers") <= 138U);
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(as_the_last_step_of_a_do_it_ends_the_source_as_well) {
  Bench bench(R"(
stages:
  numbers: {generate: {range: 1..1000000, msg: {n: '{{ i }}'}}}
  squares:
    from: numbers
    do:
      - where: msg.n % 2 == 0
      - set: {square: '{{ msg.n * msg.n }}'}
      - take: 5
  print: {from: squares, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() ==
             "{\"n\":2,\"square\":4}\n{\"n\":4,\"square\":16}\n{\"n\":6,\"square\":36}\n{\"n\":8,\"square\":64}\n"
             "{\"n\":10,\"square\":100}\n");
  BOOST_TEST(bench.out("numbers") <= 138U);
}

BOOST_AUTO_TEST_CASE(a_source_before_an_edge_ends_as_well) {
  for (const auto* edge : {"", ", edge: {capacity: 4}"}) {
    Bench bench(std::string("stages:\n  numbers: {generate: {range: 1..1000000}}\n  five: {from: numbers, take: 5") +
                edge + "}\n  print: {from: five, stdout: {}, edge: {capacity: 2}}\n");
    bench.run();
    BOOST_TEST(bench.output() == "1\n2\n3\n4\n5\n");
    BOOST_TEST(bench.out("numbers") <= 138U);
  }
}

BOOST_AUTO_TEST_CASE(a_source_that_sleeps_for_long_hears_of_it_at_once) {
  for (const auto* edge : {"", ", edge: {capacity: 4}"}) {
    for (const auto* between : {"pass: {}", "exec: {run: [echo, x]}"}) {
      Bench bench(std::string("stages:\n  a: {generate: {every: 1h}}\n  b: {from: a, ") + between +
                  "}\n  c: {from: b, take: 1" + edge + "}\n  d: {from: c, drop: {}}\n");
      bench.runtime.programs().script("echo", [](const weir::runtime::Command&) { return weir::runtime::Behaviour(); });
      bench.run();
      BOOST_TEST((bench.runtime.now() < weir::runtime::Time(1min)), edge << between);
      BOOST_TEST(bench.out("c") == 1U);
    }
  }
  // One of two sources is quick; the other one would tick next year.
  Bench bench(
      "stages: {a: {generate: {cron: '0 0 1 1 *'}}, b: {generate: {range: 1..1}}, c: {from: [a, b], take: 1}, d: "
      "{from: c, drop: {}}}");
  bench.run();
  BOOST_TEST((bench.runtime.now() < weir::runtime::Time(1min)));
}

BOOST_AUTO_TEST_CASE(a_source_before_workers_on_other_cores_hears_of_it_at_once) {
  for (const std::string order : {"kept", "free", "{key: all}"}) {
    Bench bench(R"(
stages:
  ticks: {generate: {every: 1h}}
  sized: {from: ticks, pass: {}, workers: 3, order: )" +
                    order + R"(}
  first: {from: sized, take: 1}
  shown: {from: first, stdout: {}}
)",
                1, 3);
    bench.start();
    bench.advance(1min);
    BOOST_TEST(bench.has_ended());
  }
}

BOOST_AUTO_TEST_CASE(a_take_that_nobody_reads_ends_its_source_too) {
  Bench bench("stages: {a: {generate: {every: 1s}}, b: {from: a, take: 3}, c: {from: b, drop: {}}}");
  bench.run();
  BOOST_TEST((bench.runtime.now() <= weir::runtime::Time(3s)));
  BOOST_TEST(bench.stage("c").in == 3U);
}

BOOST_AUTO_TEST_CASE(all_the_sources_that_it_reads_end) {
  Bench bench(R"(
stages:
  a: {generate: {every: 10ms, text: a}}
  b: {generate: {every: 15ms, text: b}}
  c: {from: [a, b], take: 4}
  d: {from: c, stdout: {}}
)");
  bench.run(1min);
  BOOST_TEST(bench.output().size() == 8U);
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(as_long_as_somebody_else_reads_the_source_goes_on) {
  Bench bench(R"(
stages:
  numbers: {generate: {range: 1..1000}}
  two: {from: numbers, take: 2}
  few: {from: two, stdout: {}}
  all: {from: numbers, drop: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() == "1\n2\n");
  BOOST_TEST(bench.stage("all").in == 1000U);

  Bench split(R"(
stages:
  numbers: {generate: {range: 1..1000}}
  even: {from: numbers, where: msg % 2 == 0}
  two: {from: even, take: 2}
  few: {from: two, stdout: {}}
  odd: {from: even.else, drop: {}, edge: {capacity: 10}}
)");
  split.run();
  BOOST_TEST(split.output() == "2\n4\n");
  BOOST_TEST(split.stage("odd").in == 500U);
}

BOOST_AUTO_TEST_CASE(behind_a_call_no_further_calls_are_begun) {
  Bench bench(R"(
stages:
  numbers: {generate: {range: 1..100000}}
  asked: {from: numbers, exec: {run: [work]}, merge: {}, workers: 4}
  two: {from: asked, take: 2}
  few: {from: two, stdout: {}}
)");
  int calls = 0;
  bench.runtime.programs().script("work", [&calls](const weir::runtime::Command&) {
    ++calls;
    weir::runtime::Behaviour behaviour;
    behaviour.steps.push_back({1s, "", ""});
    return behaviour;
  });
  bench.run();
  BOOST_TEST(bench.output() == "1\n2\n");
  BOOST_TEST(calls <= 8);
}
