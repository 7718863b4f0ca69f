// What collecting stages hold does not keep a source from reading on, however little of what it read they got.
#include <boost/test/unit_test.hpp>

#include "tests/support/bench.hpp"

using namespace std::chrono_literals;
using weir::tests::Bench;

BOOST_AUTO_TEST_CASE(a_filter_before_a_batch_does_not_let_the_source_wait_for_it) {
  // One message of each batch that the source sent is held, so of what it may have open nearly all is answered.
  Bench bench(
      "stages:\n"
      "  numbers: {generate: {range: 1..20000}}\n"
      "  some: {from: numbers, where: msg % 64 == 0}\n"
      "  many: {from: some, batch: {count: 500, within: 1h}}\n"
      "  screen: {from: many, stdout: {}}\n");
  bench.options.unacked_most = 1000;
  BOOST_TEST(bench.mistakes().empty(), bench.mistakes());
  bench.run();
  BOOST_TEST((bench.runtime.now() < weir::runtime::Time(1min)));
  BOOST_TEST(bench.stage("many").in == 312U);
  BOOST_TEST(bench.stage("many").absorbed == 312U);
}

BOOST_AUTO_TEST_CASE(a_batch_is_as_large_as_it_may_be_where_the_source_need_not_wait) {
  Bench bench(
      "stages:\n"
      "  numbers: {generate: {range: 1..2000}}\n"
      "  many: {from: numbers, batch: {count: 500, within: 1h}}\n"
      "  gone: {from: many, drop: {}}\n");
  bench.options.unacked_most = 1000;
  bench.run();
  BOOST_TEST(bench.out("many") == 4U);
}

BOOST_AUTO_TEST_CASE(a_source_keeps_no_more_to_send_again_than_memory_allows) {
  // All wait for the first of their key, which takes its time: no edge is full.
  Bench bench(
      "run: {memory: 1MiB}\n"
      "stages:\n"
      "  large: {generate: {range: 1..200, msg: {pad: '{{ string.rep(\"x\", 100000) }}'}}}\n"
      "  one: {from: large, dedupe: {key: one}}\n"
      "  slow: {from: one, exec: {run: [slow]}}\n");
  bench.runtime.programs().script("slow", [](const weir::runtime::Command&) {
    weir::runtime::Behaviour behaviour;
    behaviour.steps.push_back({1min, "done", ""});
    return behaviour;
  });
  bench.start();
  bench.advance(30s);
  BOOST_TEST(bench.stage("large").created < 80U);  // A batch may go beyond it.
  BOOST_TEST(bench.stage("large").created > 10U);
  bench.advance(10min);
  BOOST_TEST(bench.has_ended());
  BOOST_TEST(bench.stage("one").in == 200U);
}

BOOST_AUTO_TEST_CASE(a_batch_lets_go_where_its_source_may_keep_no_more) {
  Bench bench(
      "run: {memory: 1MiB}\n"
      "stages:\n"
      "  large: {generate: {range: 1..200, msg: {pad: '{{ string.rep(\"x\", 100000) }}'}}}\n"
      "  many: {from: large, batch: {count: 150, within: 1h}}\n"
      "  gone: {from: many, drop: {}}\n");
  bench.run();
  BOOST_TEST(bench.stage("many").absorbed + bench.stage("many").in_flight == bench.stage("many").in);
  BOOST_TEST(bench.stage("many").in == 200U);
  BOOST_TEST((bench.runtime.now() < weir::runtime::Time(1min)));
}

BOOST_AUTO_TEST_CASE(a_batch_lets_go_where_one_of_its_sources_may_keep_no_more) {
  Bench bench(
      "run: {memory: 1MiB}\n"
      "stages:\n"
      "  large: {generate: {range: 1..200, msg: {pad: '{{ string.rep(\"x\", 100000) }}'}}}\n"
      "  rare: {generate: {every: 1h, count: 2}}\n"
      "  all: {from: [large, rare], pass: {}}\n"
      "  many: {from: all, batch: {count: 150, within: 30m}}\n"
      "  gone: {from: many, drop: {}}\n");
  bench.start();
  bench.advance(1min);
  BOOST_TEST(bench.stage("many").in == 201U);
}

BOOST_AUTO_TEST_CASE(a_list_that_is_gathered_may_be_larger_than_memory) {
  Bench bench(
      "run: {memory: 1MiB}\n"
      "stages:\n"
      "  list: {generate: {each: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20], "
      "msg: {pad: '{{ string.rep(\"x\", 100000) }}'}}}\n"
      "  whole: {from: list, gather: {of: list, into: all}}\n"
      "  gone: {from: whole, drop: {}}\n");
  bench.run();
  BOOST_TEST(bench.has_ended());
  BOOST_TEST(bench.out("whole") == 1U);
}
