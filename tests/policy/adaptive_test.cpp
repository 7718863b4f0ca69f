#include "engine/policy/adaptive.hpp"

#include <rapidcheck.h>

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

BOOST_AUTO_TEST_CASE(it_goes_up_only_where_it_was_reached_and_nobody_pushed_back_and_no_oftener_than_calls_take) {
  BOOST_TEST(rc::check("the law", [] {
    Adaptive adaptive;
    Time now{}, changed{};
    bool reached = false, pushed = false, ever_pushed = false;
    Duration least = Duration::max();  // Of all calls so far: no average is below it.
    const int events = *rc::gen::inRange(1, 200);
    for (int i = 0; i < events; ++i) {
      now += Duration(*rc::gen::inRange(0, 300'000'000));
      const auto before = adaptive.limit();
      switch (*rc::gen::inRange(0, 4)) {
        case 0: {
          const auto in_flight = static_cast<std::size_t>(*rc::gen::inRange(1, 250));
          adaptive.began(in_flight);
          reached = reached || in_flight >= before;
          RC_ASSERT(adaptive.limit() == before);
          continue;
        }
        case 1:
          adaptive.pushed_back(now);
          pushed = ever_pushed = true;
          break;
        default: {
          const Duration took(*rc::gen::inRange(1, 400'000'000));
          least = std::min(least, took);
          adaptive.succeeded(took, now);
        }
      }
      const auto after = adaptive.limit();
      RC_ASSERT(after >= 1U && after <= Adaptive::most);
      if (after == before) continue;
      if (after > before) {
        RC_ASSERT(reached && (!pushed || before == 1));  // From 1 it cannot be seen to go down.
        RC_ASSERT(after == before + 1 || (!ever_pushed && after == std::min(2 * before, Adaptive::most)));
      } else {
        RC_ASSERT(after == std::max<std::size_t>(1, before * 9 / 10));
      }
      if (changed != Time{}) RC_ASSERT((now - changed >= std::min(least, Duration(400'000'000))));
      changed = now;
      reached = pushed = false;
    }
  }));
}

BOOST_AUTO_TEST_CASE(whatever_a_service_bears_it_settles_near_that) {
  BOOST_TEST(rc::check("where it settles", [] {
    const auto at_once = static_cast<std::size_t>(*rc::gen::inRange(2, 80));
    Adaptive adaptive;
    Time now{};
    after(adaptive, 60s, at_once, now);
    for (int i = 0; i < 30; ++i) {
      const auto limit = after(adaptive, 1s, at_once, now);
      RC_ASSERT(2 * limit >= at_once && limit <= 2 * at_once + 5);
    }
  }));
}
