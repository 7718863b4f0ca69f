#include "engine/policy/breaker.hpp"

#include <rapidcheck.h>
#include <boost/test/unit_test.hpp>
#include <ctime>
#include <ostream>
#include <string>
#include <vector>

#include "engine/policy/retry_budget.hpp"

namespace weir::policy {
static std::ostream& operator<<(std::ostream& out, Circuit circuit) { return out << word(circuit); }
}  // namespace weir::policy

using weir::policy::Breaker;
using weir::policy::BreakerRule;
using weir::policy::Breakers;
using weir::policy::Circuit;
using weir::policy::Duration;
using weir::policy::RetryBudget;
using weir::policy::Time;
using namespace std::chrono_literals;

namespace {

BreakerRule after(std::int64_t failures, Duration recover = 5s) {
  BreakerRule rule;
  rule.failures = failures;
  rule.recover_after = recover;
  return rule;
}

void fail(Breaker& breaker, Time now) { breaker.failed(*breaker.admit(now), now); }
void succeed(Breaker& breaker, Time now) { breaker.succeeded(*breaker.admit(now), 0s, now); }

}  // namespace

BOOST_AUTO_TEST_CASE(so_many_failures_in_a_row_open_it) {
  const auto rule = after(3);
  Breaker breaker(rule);
  fail(breaker, Time{});
  fail(breaker, Time{});
  succeed(breaker, Time{});  // Not in a row any more.
  fail(breaker, Time{1s});
  fail(breaker, Time{1s});
  BOOST_TEST(breaker.state(Time{1s}) == Circuit::closed);
  fail(breaker, Time{1s});
  BOOST_TEST(breaker.state(Time{1s}) == Circuit::open);
  BOOST_TEST(!breaker.admit(Time{1s}));
  BOOST_TEST((breaker.opens_again(Time{1s}) == Time{6s}));
}

BOOST_AUTO_TEST_CASE(one_probe_decides) {
  const auto rule = after(1);
  Breaker breaker(rule);
  fail(breaker, Time{});
  BOOST_TEST(breaker.state(Time{4999ms}) == Circuit::open);
  BOOST_TEST(breaker.state(Time{5s}) == Circuit::half_open);
  const auto probe = breaker.admit(Time{5s});
  BOOST_REQUIRE(probe);
  BOOST_TEST(!breaker.admit(Time{5s}));
  breaker.failed(*probe, Time{6s});
  BOOST_TEST(breaker.state(Time{6s}) == Circuit::open);
  BOOST_TEST((breaker.opens_again(Time{6s}) == Time{11s}));
  succeed(breaker, Time{11s});
  BOOST_TEST(breaker.state(Time{11s}) == Circuit::closed);
}

BOOST_AUTO_TEST_CASE(a_probe_that_is_given_up_leaves_its_place) {
  const auto rule = after(1);
  Breaker breaker(rule);
  fail(breaker, Time{});
  const auto probe = breaker.admit(Time{5s});
  BOOST_TEST(!breaker.admit(Time{5s}));
  breaker.withdrawn(*probe);
  BOOST_TEST(breaker.admit(Time{5s}).has_value());
}

BOOST_AUTO_TEST_CASE(calls_from_before_it_opened_change_nothing) {
  const auto rule = after(1);
  Breaker breaker(rule);
  const auto old = breaker.admit(Time{});
  const auto older = breaker.admit(Time{});
  fail(breaker, Time{});
  breaker.failed(*older, Time{4s});  // Would else begin the pause anew.
  BOOST_TEST((breaker.opens_again(Time{4s}) == Time{5s}));
  const auto probe = breaker.admit(Time{5s});
  breaker.succeeded(*old, 0s, Time{5s});
  BOOST_TEST(breaker.state(Time{5s}) == Circuit::half_open);
  breaker.succeeded(*probe, 0s, Time{5s});
  BOOST_TEST(breaker.state(Time{5s}) == Circuit::closed);
}

BOOST_AUTO_TEST_CASE(all_of_several_probes_must_go_well) {
  auto rule = after(1);
  rule.probes = 2;
  Breaker breaker(rule);
  fail(breaker, Time{});
  const auto one = breaker.admit(Time{5s}), two = breaker.admit(Time{5s});
  BOOST_REQUIRE((one && two));
  BOOST_TEST(!breaker.admit(Time{5s}));
  breaker.succeeded(*one, 0s, Time{5s});
  BOOST_TEST(breaker.state(Time{5s}) == Circuit::half_open);
  breaker.succeeded(*two, 0s, Time{5s});
  BOOST_TEST(breaker.state(Time{5s}) == Circuit::closed);
}

BOOST_AUTO_TEST_CASE(a_share_of_failures_opens_it_once_there_were_enough_calls) {
  BreakerRule rule;
  rule.failure_rate = 0.5;
  rule.window = 10s;
  rule.min_calls = 4;
  Breaker breaker(rule);
  fail(breaker, Time{});
  fail(breaker, Time{});
  succeed(breaker, Time{1s});
  BOOST_TEST(breaker.state(Time{1s}) == Circuit::closed);
  succeed(breaker, Time{1s});  // Two of four; a success may be the call that fills the count.
  BOOST_TEST(breaker.state(Time{1s}) == Circuit::open);
}

BOOST_AUTO_TEST_CASE(what_is_older_than_the_window_counts_no_more) {
  BreakerRule rule;
  rule.failure_rate = 0.5;
  rule.window = 10s;
  rule.min_calls = 2;
  Breaker breaker(rule);
  fail(breaker, Time{});
  succeed(breaker, Time{10s});
  succeed(breaker, Time{10s});
  BOOST_TEST(breaker.state(Time{10s}) == Circuit::closed);
}

BOOST_AUTO_TEST_CASE(a_slow_call_is_a_failure) {
  auto rule = after(1);
  rule.slow = 1s;
  Breaker breaker(rule);
  breaker.succeeded(*breaker.admit(Time{}), 1s, Time{1s});
  BOOST_TEST(breaker.state(Time{1s}) == Circuit::closed);
  breaker.succeeded(*breaker.admit(Time{1s}), 1001ms, Time{3s});
  BOOST_TEST(breaker.state(Time{3s}) == Circuit::open);
}

BOOST_AUTO_TEST_CASE(no_call_while_it_is_open_and_no_more_probes_than_allowed) {
  BOOST_TEST(rc::check("the transition table", [] {
    auto rule = after(*rc::gen::inRange(1, 4));
    rule.probes = *rc::gen::inRange(1, 4);
    Breaker breaker(rule);
    std::vector<Breaker::Permit> under_way;
    Time now{};
    std::optional<Time> opened;  // The model: when it opened last, while it has not closed since.
    for (int i = 0; i < 200; ++i) {
      now += Duration(*rc::gen::inRange<std::int64_t>(0, 2'000'000'000));
      const auto before = breaker.state(now);
      if (before == Circuit::open) {
        RC_ASSERT(opened && now < *opened + rule.recover_after);
        RC_ASSERT(!breaker.admit(now));
      }
      if (before == Circuit::half_open) RC_ASSERT(opened && now >= *opened + rule.recover_after);
      if (*rc::gen::inRange(0, 2) == 0) {
        if (const auto permit = breaker.admit(now)) under_way.push_back(*permit);
        continue;
      }
      if (under_way.empty()) continue;
      const auto permit = under_way.back();
      under_way.pop_back();
      if (*rc::gen::inRange(0, 2) == 0) {
        breaker.failed(permit, now);
      } else {
        breaker.succeeded(permit, 0s, now);
      }
      const auto then = breaker.state(now);
      if (then == Circuit::open && before != Circuit::open) opened = now;
      if (then == Circuit::closed) opened.reset();
      RC_ASSERT(!(before == Circuit::open && then == Circuit::closed));
      RC_ASSERT(!(before == Circuit::closed && then == Circuit::half_open));
    }
  }));
}

BOOST_AUTO_TEST_CASE(each_key_has_its_own_circuit) {
  Breakers breakers(after(1));
  breakers.failed("a", *breakers.admit("a", Time{}), Time{});
  BOOST_TEST(!breakers.admit("a", Time{}));
  BOOST_TEST(breakers.admit("b", Time{}).has_value());
  BOOST_TEST(breakers.worst(Time{}) == Circuit::open);
  BOOST_TEST(breakers.not_closed(Time{}) == 1U);
  BOOST_TEST(breakers.state("a", Time{5s}) == Circuit::half_open);
}

BOOST_AUTO_TEST_CASE(beyond_all_keys_the_fresh_ones_go_first_and_then_one_is_shared) {
  auto rule = after(1);
  rule.keys = 2;
  Breakers breakers(rule);
  breakers.failed("a", *breakers.admit("a", Time{}), Time{});
  breakers.succeeded("b", *breakers.admit("b", Time{}), 0s, Time{});
  breakers.failed("c", *breakers.admit("c", Time{}), Time{});  // Takes the place of b.
  BOOST_TEST(!breakers.admit("a", Time{}));
  BOOST_TEST(!breakers.admit("c", Time{}));
  breakers.failed("d", *breakers.admit("d", Time{}), Time{});
  BOOST_TEST(!breakers.admit("e", Time{}));  // Shares the one of d.
  BOOST_TEST(breakers.state("e", Time{}) == Circuit::open);
  BOOST_TEST(breakers.overflowed() == 2U);
}

BOOST_AUTO_TEST_CASE(keys_that_nobody_calls_any_more_make_room_for_others) {
  auto rule = after(2);  // One failure speaks against a key for ever.
  rule.keys = 2;
  Breakers breakers(rule);
  for (const auto* key : {"a", "b"}) breakers.failed(key, *breakers.admit(key, Time{}), Time{});
  breakers.failed("c", *breakers.admit("c", Time{}), Time{});
  BOOST_TEST(breakers.overflowed() == 1U);
  BOOST_TEST(breakers.admit("b", Time{9s}).has_value());  // It is called still.
  breakers.failed("c", *breakers.admit("c", Time{10s}), Time{10s});
  BOOST_TEST(breakers.overflowed() == 1U);  // It has the place of a,
  breakers.failed("c", *breakers.admit("c", Time{10s}), Time{10s});
  BOOST_TEST(breakers.state("c", Time{10s}) == Circuit::open);
  breakers.failed("b", *breakers.admit("b", Time{10s}), Time{10s});  // and b is remembered.
  BOOST_TEST(breakers.state("b", Time{10s}) == Circuit::open);
}

BOOST_AUTO_TEST_CASE(a_probe_of_the_shared_circuit_is_its_own_whatever_makes_room_meanwhile) {
  auto rule = after(1);
  rule.keys = 1;
  Breakers breakers(rule);
  breakers.failed("a", *breakers.admit("a", Time{}), Time{});
  breakers.failed("b", *breakers.admit("b", Time{}), Time{});  // Shared.
  const auto of_a = breakers.admit("a", Time{6s}), of_b = breakers.admit("b", Time{6s});
  BOOST_REQUIRE((of_a && of_b));
  breakers.succeeded("a", *of_a, 0s, Time{6s});
  breakers.succeeded("b", *of_b, 0s, Time{6s});
  breakers.failed("a", *breakers.admit("a", Time{7s}), Time{7s});
  BOOST_TEST(breakers.admit("c", Time{7s}).has_value());
}

BOOST_AUTO_TEST_CASE(a_table_without_room_is_not_looked_through_for_each_call) {
  auto rule = after(2);
  rule.keys = 20'000;
  Breakers breakers(rule);
  // CPU that some calls take, each with a key of its own.
  const auto failing = [&](std::size_t from, std::size_t to) {
    const std::clock_t begun = std::clock();
    for (std::size_t key = from; key < to; ++key) {
      const auto name = std::to_string(key);
      if (const auto permit = breakers.admit(name, Time{})) breakers.failed(name, *permit, Time{});
    }
    return std::clock() - begun;
  };
  const auto with_room = failing(0, 20'000);
  BOOST_TEST(failing(20'000, 40'000) < 10 * with_room);
}

BOOST_AUTO_TEST_CASE(whoever_listens_hears_of_each_outcome_until_it_forgets) {
  Breakers breakers(after(1));
  int heard = 0;
  const auto number = breakers.tell([&] { ++heard; });
  breakers.failed("a", *breakers.admit("a", Time{}), Time{});
  BOOST_TEST(heard == 1);
  breakers.forget(number);
  breakers.failed("b", *breakers.admit("b", Time{}), Time{});
  BOOST_TEST(heard == 1);
}

BOOST_AUTO_TEST_CASE(of_calls_of_a_closed_circuit_nobody_need_hear_and_of_each_probe_everybody) {
  auto rule = after(2);
  Breakers breakers(rule);
  int heard = 0;
  breakers.tell([&] { ++heard; });
  breakers.succeeded("", *breakers.admit("", Time{}), 0s, Time{});
  breakers.failed("", *breakers.admit("", Time{}), Time{});
  BOOST_TEST(heard == 0);
  breakers.failed("", *breakers.admit("", Time{}), Time{});
  BOOST_TEST(heard == 1);  // It has opened.
  breakers.withdrawn("", *breakers.admit("", Time{5s}), Time{5s});
  BOOST_TEST(heard == 2);  // A place for a probe is free.
  breakers.failed("", *breakers.admit("", Time{5s}), Time{5s});
  BOOST_TEST(heard == 3);
  breakers.succeeded("", *breakers.admit("", Time{10s}), 0s, Time{10s});
  BOOST_TEST(heard == 4);  // It has closed.
}

BOOST_AUTO_TEST_CASE(tries_are_a_share_of_the_calls_beside_a_few_each_second) {
  RetryBudget budget(0.1);
  int tries = 0;
  for (int i = 0; i < 1000; ++i) {
    budget.called();
    tries += budget.take(Time{});
  }
  BOOST_TEST(tries <= 110);
  BOOST_TEST(tries >= 100);
  int later = 0;
  for (int i = 0; i < 100; ++i) later += budget.take(Time{1s});
  BOOST_TEST(later == 10);
  RetryBudget without_limit(1);
  without_limit.called();
  int many = 0;
  for (int i = 0; i < 1000; ++i) many += without_limit.take(Time{});
  BOOST_TEST(many == 1000);
}

BOOST_AUTO_TEST_CASE(however_calls_and_tries_come_no_more_are_tried_than_the_budget_allows) {
  BOOST_TEST(rc::check("the budget", [] {
    const double share = *rc::gen::inRange(0, 100) / 100.0;
    RetryBudget budget(share);
    Time now{};
    int calls = 0, tries = 0;
    for (int i = 0; i < 500; ++i) {
      now += Duration(*rc::gen::inRange(0, 200'000'000));
      if (*rc::gen::inRange(0, 2) == 0) {
        budget.called();
        ++calls;
      } else {
        tries += budget.take(now);
      }
      const double seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
      RC_ASSERT(tries <= share * calls + 10 * (seconds + 1) + 1e-6);
    }
  }));
}
