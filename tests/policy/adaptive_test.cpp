#include "engine/policy/adaptive.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>

using weir::policy::Adaptive;
using weir::policy::Duration;
using weir::policy::Time;
using namespace std::chrono_literals;

namespace {

/// A service that answers `at_once` calls in 100 ms, and more in proportionally longer. Runs for so long with as many
/// calls under way as allowed; returns where the limit then is.
std::size_t after(Adaptive& adaptive, Duration time, std::size_t at_once, Time& now) {
  const Time until = now + time;
  while (now < until) {
    const std::size_t calls = adaptive.limit();
    const Duration took = Duration(100ms) * static_cast<long>(std::max(calls, at_once)) / static_cast<long>(at_once);
    adaptive.began(calls);
    now += took;
    for (std::size_t i = 0; i < calls; ++i) adaptive.succeeded(took, now);
  }
  return adaptive.limit();
}

}  // namespace

BOOST_AUTO_TEST_CASE(it_begins_with_one_and_doubles_until_somebody_pushes_back) {
  Adaptive adaptive;
  Time now{};
  BOOST_TEST(adaptive.limit() == 1U);
  after(adaptive, 450ms, 1000, now);
  BOOST_TEST(adaptive.limit() >= 16U);
  const auto before = adaptive.limit();
  now += 1s;
  adaptive.pushed_back(now);
  BOOST_TEST(adaptive.limit() == before * 9 / 10);
  now += 1s;
  adaptive.began(adaptive.limit());
  adaptive.succeeded(100ms, now);
  BOOST_TEST(adaptive.limit() == before * 9 / 10 + 1);
}

BOOST_AUTO_TEST_CASE(it_stays_near_what_the_service_answers_best) {
  Adaptive adaptive;
  Time now{};
  after(adaptive, 60s, 20, now);
  std::size_t least = 1000, most = 0;
  for (int i = 0; i < 100; ++i) {
    const auto limit = after(adaptive, 1s, 20, now);
    least = std::min(least, limit);
    most = std::max(most, limit);
  }
  BOOST_TEST(least >= 10U);
  BOOST_TEST(most <= 45U);
}

BOOST_AUTO_TEST_CASE(what_is_not_reached_does_not_grow) {
  Adaptive adaptive;
  Time now{};
  after(adaptive, 350ms, 1000, now);
  const auto limit = adaptive.limit();
  for (int i = 0; i < 100; ++i) {
    adaptive.began(limit - 1);
    now += 100ms;
    adaptive.succeeded(100ms, now);
  }
  BOOST_TEST(adaptive.limit() == limit);
}

BOOST_AUTO_TEST_CASE(it_never_leaves_its_bounds) {
  Adaptive adaptive;
  Time now{};
  BOOST_TEST(after(adaptive, 60s, 100'000, now) == Adaptive::most);
  for (int i = 0; i < 200; ++i) adaptive.pushed_back(now += 1s);
  BOOST_TEST(adaptive.limit() == 1U);
}
