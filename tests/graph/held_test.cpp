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
