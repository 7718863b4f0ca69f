// throttle: messages go on no faster than its limit says, in virtual time.
#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using namespace std::chrono_literals;

namespace {

std::string paced(const std::string& limit) {
  return "stages:\n"
         "  in: {generate: {range: 1..5}}\n"
         "  paced: {from: in, throttle: " +
         limit +
         "}\n"
         "  out: {from: paced, stdout: {}}\n";
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_a_second_goes_on_and_the_order_stays) {
  Bench bench(paced("1/s"));
  BOOST_TEST(bench.mistakes() == "");
  bench.start();
  bench.advance(0s);
  BOOST_TEST(bench.output() == "1\n");
  bench.advance(2s);
  BOOST_TEST(bench.output() == "1\n2\n3\n");
  BOOST_TEST(bench.stage("paced").limit_waiting.value_or(0) == 2);
  bench.run();
  BOOST_TEST(bench.output() == "1\n2\n3\n4\n5\n");
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(each_key_has_a_pace_of_its_own) {
  Bench bench(paced("{rate: 1/s, key: '{{ msg % 2 }}'}"));
  bench.start();
  bench.advance(0s);
  BOOST_TEST(bench.stage("out").in == 2U);
}

BOOST_AUTO_TEST_CASE(what_comes_too_early_may_be_dropped) {
  Bench bench(paced("{rate: 1/s, burst: 2, over: drop}"));
  bench.run();
  BOOST_TEST(bench.output() == "1\n2\n");
  BOOST_TEST(bench.stage("paced").dropped_by(weir::stage::Dropped::limit) == 3U);
}

BOOST_AUTO_TEST_CASE(a_named_limit_will_do_and_an_unknown_one_is_told) {
  Bench named("limits: {slow: {rate: 1/h}}\n" + paced("slow"));
  BOOST_TEST(named.mistakes() == "");
  Bench unknown("limits: {slow: {rate: 1/h}}\n" + paced("slwo"));
  BOOST_TEST(unknown.mistakes().find("there is no 'slwo' under `limits:`") != std::string::npos, unknown.mistakes());
  BOOST_TEST(unknown.mistakes().find("did you mean 'slow'?") != std::string::npos, unknown.mistakes());
}

BOOST_AUTO_TEST_CASE(nothing_is_called_so_nothing_is_tried_again_or_takes_too_long) {
  const auto tells = [](const std::string& keys, const std::string& what) {
    Bench bench(
        "stages:\n"
        "  in: {generate: {range: 1..5}}\n"
        "  paced: {from: in, throttle: 1/s, " +
        keys +
        "}\n"
        "  out: {from: paced, stdout: {}}\n");
    BOOST_TEST(bench.mistakes().find(what) != std::string::npos, bench.mistakes());
  };
  tells("retry: 3", "there is nothing to try again");
  tells("timeout: 1s", "nothing can take too long");
  tells("workers: adaptive", "only how long calls take says how many are best");
}

BOOST_AUTO_TEST_CASE(a_second_limit_beside_its_own_is_refused) {
  Bench bench(
      "stages:\n"
      "  in: {generate: {range: 1..5}}\n"
      "  paced: {from: in, throttle: 10/s, limit: 2/s}\n"
      "  out: {from: paced, stdout: {}}\n");
  BOOST_TEST(bench.mistakes() ==
             "test.yaml:3:37: error: 'throttle' is a limit itself\n"
             "    3 |   paced: {from: in, throttle: 10/s, limit: 2/s}\n"
             "      |                                     ^~~~~\n"
             "      = keep one of the two; a second limit stands on a stage of its own\n");
}
