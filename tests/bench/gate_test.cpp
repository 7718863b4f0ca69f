// What the engine may cost, as a ratio to the same work in one loop of the same process: CPU time, never wall time, the
// least of several rounds that take turns, and less asked than tests/bench/run measures, so that a busy machine passes
// and an engine that has lost its way does not.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <ctime>
#include <functional>
#include <limits>

#include "tests/bench/kinds.hpp"

namespace {

using namespace weir;

#ifdef NDEBUG
constexpr bool release = true;
#else
constexpr bool release = false;  // Sanitizers and what is not optimised measure themselves.
#endif

constexpr std::uint64_t messages = release ? 1'000'000 : 50'000;  // So many that the start of a runtime hardly counts.
constexpr int rounds = 25;                     // So many that each has a quiet moment.

double cpu_ticks(const std::function<bench::Sums()>& work) {
  const auto expected = bench::loop(messages);
  const std::clock_t began = std::clock();
  const auto sums = work();
  const std::clock_t ended = std::clock();
  BOOST_REQUIRE(sums == expected);
  return static_cast<double>(ended - began);
}

/// How much quicker the one is than the other.
double ratio(const std::function<bench::Sums()>& one, const std::function<bench::Sums()>& other) {
  double least_of_one = std::numeric_limits<double>::max(), least_of_other = least_of_one;
  for (int round = 0; round < rounds; ++round) {
    least_of_one = std::min(least_of_one, cpu_ticks(one));
    least_of_other = std::min(least_of_other, cpu_ticks(other));
  }
  return least_of_other / least_of_one;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_chain_of_three_does_the_same_work_as_one_loop) {
  for (const bool edges : {false, true}) {
    BOOST_TEST((bench::run(bench::chain(3, edges, messages)) == bench::loop(messages)));
    BOOST_TEST((bench::run(bench::chain(8, edges, messages)) == bench::loop(messages)));
  }
}

BOOST_AUTO_TEST_CASE(a_chain_of_three_reaches_three_tenths_of_one_loop, *boost::unit_test::enable_if<release>()) {
  const double reached =
      ratio([] { return bench::run(bench::chain(3, false, messages)); }, [] { return bench::loop(messages); });
  BOOST_TEST_MESSAGE("chain of three : loop = " << reached);
  BOOST_TEST(reached >= 0.3);
}

BOOST_AUTO_TEST_CASE(acks_cost_less_than_a_quarter, *boost::unit_test::enable_if<release>()) {
  bench::Setting without;
  without.options.acks = false;
  const double reached = ratio([] { return bench::run(bench::chain(3, true, messages)); },
                               [&] { return bench::run(bench::chain(3, true, messages), without); });
  BOOST_TEST_MESSAGE("acks : none = " << reached);
  BOOST_TEST(reached >= 0.75);
}
