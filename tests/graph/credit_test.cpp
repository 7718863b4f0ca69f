// Waiting for credit: who waits holds what it was sending, whatever happens meanwhile.
#include <boost/test/unit_test.hpp>
#include <string>

#include "tests/support/bench.hpp"

using namespace weir;
using namespace std::chrono_literals;

namespace {

/// A source that is far ahead of a call which takes a second for each message.
struct SlowCall : tests::Bench {
  SlowCall()
      : Bench(
            "stages:\n"
            "  many: {generate: {range: 1..1000}}\n"
            "  asked: {from: many, edge: {capacity: 4}, exec: {run: [slow]}}\n"
            "  shown: {from: asked, stdout: {}}\n") {
    runtime.programs().script("slow", [](const runtime::Command&) {
      runtime::Behaviour takes_a_second;
      takes_a_second.steps.push_back({1s, "done", ""});
      return takes_a_second;
    });
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_source_that_is_drained_while_it_waits_for_credit_loses_nothing) {
  SlowCall bench;
  bench.start();
  bench.advance(3500ms);
  const auto made = bench.stage("many").created;
  BOOST_TEST(made > 4U);
  bench.drain();
  bench.run();
  BOOST_TEST(bench.ending().unheard == 0U);
  BOOST_TEST(bench.ending().left == 0U);
  BOOST_TEST(bench.out("asked") == bench.stage("many").created);
}

BOOST_AUTO_TEST_CASE(a_run_that_is_stopped_while_it_waits_for_credit_tells_all_that_was_left) {
  SlowCall bench;
  bench.start();
  bench.advance(3500ms);
  const auto made = bench.stage("many").created;
  const auto asked = bench.out("asked");
  bench.stop();
  bench.run();
  BOOST_TEST(bench.ending().left == made - asked);
}
