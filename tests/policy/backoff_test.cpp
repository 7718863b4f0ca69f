#include "engine/policy/backoff.hpp"

#include <rapidcheck.h>
#include <boost/test/unit_test.hpp>

#include "engine/runtime/random.hpp"

using weir::policy::Backoff;
using weir::policy::Duration;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(the_ceiling_doubles_until_the_most) {
  Backoff backoff(100ms, 1s);
  const double nearly_all = 0.999999;
  BOOST_TEST((backoff.next(nearly_all) > 199ms));
  BOOST_TEST((backoff.next(nearly_all) > 399ms));
  BOOST_TEST((backoff.next(nearly_all) > 799ms));
  BOOST_TEST((backoff.next(nearly_all) > 999ms));
  const Duration fifth = backoff.next(nearly_all);
  BOOST_TEST((fifth > 999ms && fifth <= 1s));
  BOOST_TEST(backoff.failures() == 5);
}

BOOST_AUTO_TEST_CASE(chance_may_always_choose_the_least) {
  Backoff backoff(100ms, 30s);
  for (int i = 0; i < 100; ++i) BOOST_TEST((backoff.next(0) == 100ms));
}

BOOST_AUTO_TEST_CASE(waits_are_spread_over_the_whole_span) {
  Backoff backoff(1s, 1h);
  for (int i = 0; i < 20; ++i) (void)backoff.next(0);  // The ceiling has come to the most.
  weir::runtime::Random random(1);
  int in_first_quarter = 0, in_last_quarter = 0;
  for (int i = 0; i < 1000; ++i) {
    const Duration wait = backoff.next(random.fraction());
    in_first_quarter += wait < 15min;
    in_last_quarter += wait > 45min;
  }
  BOOST_TEST((in_first_quarter > 200 && in_first_quarter < 300));
  BOOST_TEST((in_last_quarter > 200 && in_last_quarter < 300));
}

BOOST_AUTO_TEST_CASE(a_success_makes_it_short_again) {
  Backoff backoff(100ms, 30s);
  for (int i = 0; i < 10; ++i) (void)backoff.next(0.5);
  backoff.reset();
  BOOST_TEST(backoff.failures() == 0);
  BOOST_TEST((backoff.next(0.5) == 150ms));
}

BOOST_AUTO_TEST_CASE(a_range_of_one_length_always_waits_that_long) {
  Backoff backoff(2s, 2s);
  for (const double chance : {0.0, 0.3, 0.999}) BOOST_TEST((backoff.next(chance) == 2s));
}

BOOST_AUTO_TEST_CASE(every_wait_of_every_range_lies_inside_it) {
  BOOST_TEST(rc::check([] {
    const auto least = *rc::gen::inRange<Duration::rep>(1, Duration::max().count());
    const auto most = *rc::gen::oneOf(rc::gen::inRange<Duration::rep>(least, Duration::max().count()),
                                      rc::gen::just(Duration::max().count()));
    Backoff backoff{Duration(least), Duration(most)};
    weir::runtime::Random random(*rc::gen::arbitrary<std::uint64_t>());
    for (int i = 0; i < 100; ++i) {
      const Duration wait = backoff.next(random.fraction());
      RC_ASSERT(wait >= Duration(least));
      RC_ASSERT(wait <= Duration(most));
    }
  }));
}
