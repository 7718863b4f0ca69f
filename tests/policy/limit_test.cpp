#include "engine/policy/limit.hpp"

#include <rapidcheck.h>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <deque>
#include <set>

#include "engine/policy/turnstile.hpp"

using weir::policy::Duration;
using weir::policy::Limit;
using weir::policy::LimitRule;
using weir::policy::LoadGate;
using weir::policy::LoadRule;
using weir::policy::Time;
using weir::policy::Turnstile;
using namespace std::chrono_literals;

namespace {

LimitRule rule(double tokens, Duration period, double burst, std::size_t keys = 100'000) {
  LimitRule made;
  made.tokens = tokens;
  made.period = period;
  made.burst = burst;
  made.keys = keys;
  return made;
}

/// All who have come through by then, asked only when due.
std::vector<std::pair<Time, Turnstile::Ticket>> run(Turnstile& turnstile, Time until) {
  std::vector<std::pair<Time, Turnstile::Ticket>> through;
  while (const auto due = turnstile.due()) {
    if (*due > until) break;
    for (const auto ticket : turnstile.let_through(*due).admitted) through.emplace_back(*due, ticket);
  }
  return through;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_burst_goes_at_once_and_then_one_at_a_time) {
  Limit limit(rule(100, 1min, 10));
  for (int i = 0; i < 10; ++i) BOOST_TEST(!limit.take("", 1, Time{}));
  const auto next = limit.take("", 1, Time{});
  BOOST_REQUIRE(next);
  BOOST_TEST((*next == Time{600ms}));
  BOOST_TEST(limit.take("", 1, Time{599ms}).has_value());
  BOOST_TEST(!limit.take("", 1, Time{600ms}));
  BOOST_TEST((*limit.take("", 1, Time{600ms}) == Time{1200ms}));
}

BOOST_AUTO_TEST_CASE(each_key_has_its_own) {
  Limit limit(rule(1, 1s, 1));
  BOOST_TEST(!limit.take("a", 1, Time{}));
  BOOST_TEST(!limit.take("b", 1, Time{}));
  BOOST_TEST(limit.take("a", 1, Time{}).has_value());
}

BOOST_AUTO_TEST_CASE(what_is_given_back_is_there_again) {
  Limit limit(rule(1, 1s, 1));
  BOOST_TEST(!limit.take("", 1, Time{}));
  limit.give_back("", 1, Time{});
  BOOST_TEST(limit.tokens("", Time{}) == 1.0);
  BOOST_TEST(!limit.take("", 1, Time{}));
}

BOOST_AUTO_TEST_CASE(what_is_owed_is_paid_before_anybody_else_has_his) {
  Limit limit(rule(1, 1s, 2));
  BOOST_TEST((limit.owe("", 1, Time{}) == Time{}));
  BOOST_TEST((limit.owe("", 1, Time{}) == Time{}));
  BOOST_TEST((limit.owe("", 1, Time{}) == Time{1s}));
  BOOST_TEST((*limit.take("", 1, Time{1s}) == Time{2s}));
  BOOST_TEST(!limit.take("", 1, Time{2s}));
  limit.pause("", Time{2s}, Time{1min});
  BOOST_TEST((limit.owe("", 1, Time{30s}) == Time{1min}));
}

BOOST_AUTO_TEST_CASE(a_pause_holds_its_key_and_no_other) {
  Limit limit(rule(10, 1s, 10));
  limit.pause("a", Time{}, Time{30s});
  BOOST_TEST((*limit.take("a", 1, Time{1s}) == Time{30s}));
  BOOST_TEST(!limit.take("b", 1, Time{1s}));
  BOOST_TEST(!limit.take("a", 1, Time{30s}));
}

BOOST_AUTO_TEST_CASE(a_pause_makes_no_key_forgotten_that_is_not_full_now) {
  Limit limit(rule(1, 10s, 1, 2));
  BOOST_TEST(!limit.take("a", 1, Time{}));
  BOOST_TEST(!limit.take("b", 1, Time{}));
  BOOST_TEST(!limit.take("c", 1, Time{}));
  limit.pause("c", Time{}, Time{3600s});  // One of those that share a bucket.
  BOOST_TEST(limit.take("a", 1, Time{}).has_value());
  // And they are looked through again as before: a and b are full by then.
  BOOST_TEST(!limit.take("d", 1, Time{20s}));
  BOOST_TEST(limit.take("d", 1, Time{20s}).has_value());
}

BOOST_AUTO_TEST_CASE(what_costs_more_than_the_bucket_holds_goes_when_it_is_full) {
  Limit limit(rule(1, 1s, 5));
  BOOST_TEST(!limit.take("", 20, Time{}));
  BOOST_TEST((*limit.take("", 1, Time{}) == Time{16s}));  // 20 owed, 5 held.
}

BOOST_AUTO_TEST_CASE(a_full_bucket_is_forgotten_and_beyond_all_keys_one_is_shared) {
  Limit limit(rule(1, 1s, 1, 2));
  BOOST_TEST(!limit.take("a", 1, Time{}));
  BOOST_TEST(!limit.take("b", 1, Time{}));
  BOOST_TEST(!limit.take("c", 1, Time{}));
  BOOST_TEST(limit.take("d", 1, Time{}).has_value());  // Shares what c has taken.
  BOOST_TEST(limit.overflowed() == 2U);
  BOOST_TEST(!limit.take("e", 1, Time{2s}));
  BOOST_TEST(limit.size() == 1U);
  BOOST_TEST(limit.overflowed() == 2U);
}

BOOST_AUTO_TEST_CASE(in_no_window_more_than_rate_times_its_length_and_the_burst) {
  BOOST_TEST(rc::check("the window", [] {
    const auto tokens = *rc::gen::inRange(1, 5000);
    const auto burst = *rc::gen::inRange(1, 50);
    Limit limit(rule(tokens, 1s, burst));
    Time now{};
    std::deque<Time> taken;
    for (int i = 0; i < 300; ++i) {
      now += Duration(*rc::gen::inRange(0, 3'000'000));
      if (limit.take("", 1, now)) continue;
      taken.push_back(now);
      for (std::size_t back = 1; back <= taken.size(); ++back) {
        const Duration length = now - taken[taken.size() - back];
        const double most = std::chrono::duration<double>(length).count() * tokens + burst;
        RC_ASSERT(static_cast<double>(back) <= most + 1e-6);
      }
    }
  }));
}

BOOST_AUTO_TEST_CASE(those_who_wait_get_the_whole_rate_evenly_and_in_order) {
  Limit limit(rule(2000, 1s, 1));
  Turnstile turnstile(limit);
  for (Turnstile::Ticket i = 0; i < 25'000; ++i) turnstile.enter(i, "", 1, Time{}, Time::max());
  const auto through = run(turnstile, Time{10s});
  BOOST_TEST(through.size() >= 19'999U);
  BOOST_TEST(through.size() <= 20'001U);
  for (std::size_t i = 0; i < through.size(); ++i) {
    BOOST_REQUIRE(through[i].second == i);
    if (i > 0) BOOST_REQUIRE((through[i].first - through[i - 1].first >= 500us));
  }
}

BOOST_AUTO_TEST_CASE(where_tokens_come_quickly_those_who_wait_go_some_at_a_time) {
  Limit limit(rule(2000, 1s, 64));
  Turnstile turnstile(limit);
  for (Turnstile::Ticket i = 0; i < 20'000; ++i) turnstile.enter(i, "", 1, Time{}, Time::max());
  const auto through = run(turnstile, Time{9s});
  BOOST_TEST(std::abs(static_cast<double>(through.size()) - 18'064) <= 20);
  std::set<Time> moments;
  for (const auto& [at, ticket] : through) moments.insert(at);
  BOOST_TEST(moments.size() <= 9 * 100 + 1U);  // Not oftener than each 10 ms.
  // Who comes while there is a token waits for nobody.
  turnstile.enter(20'000, "other", 1, Time{9s + 1us}, Time::max());
  BOOST_TEST(turnstile.let_through(Time{9s + 1us}).admitted == std::vector<Turnstile::Ticket>{20'000},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_slow_key_does_not_hold_up_the_others) {
  Limit limit(rule(1, 1min, 1));
  Turnstile turnstile(limit);
  for (Turnstile::Ticket i = 0; i < 100; ++i) turnstile.enter(i, "slow", 1, Time{}, Time::max());
  turnstile.enter(100, "quick", 1, Time{}, Time::max());
  const auto through = turnstile.let_through(Time{});
  BOOST_TEST(through.admitted == (std::vector<Turnstile::Ticket>{0, 100}), boost::test_tools::per_element());
  BOOST_TEST(turnstile.waiting("slow") == 99U);
  BOOST_TEST((turnstile.due() == Time{1min}));
}

BOOST_AUTO_TEST_CASE(whose_time_comes_first_is_late_exactly_then) {
  Limit limit(rule(1, 10s, 1));
  Turnstile turnstile(limit);
  turnstile.enter(1, "", 1, Time{}, Time::max());
  turnstile.enter(2, "", 1, Time{}, Time{30s});
  turnstile.enter(3, "", 1, Time{}, Time{5s});
  BOOST_TEST(turnstile.let_through(Time{}).admitted.size() == 1U);
  BOOST_TEST((turnstile.due() == Time{5s}));
  BOOST_TEST(turnstile.let_through(Time{5s}).late == std::vector<Turnstile::Ticket>{3},
             boost::test_tools::per_element());
  BOOST_TEST(turnstile.let_through(Time{10s}).admitted == std::vector<Turnstile::Ticket>{2},
             boost::test_tools::per_element());
  BOOST_TEST(!turnstile.due());
}

BOOST_AUTO_TEST_CASE(who_leaves_makes_room_for_the_next) {
  Limit limit(rule(1, 1s, 3));
  Turnstile turnstile(limit);
  limit.take("", 2, Time{});
  turnstile.enter(1, "", 3, Time{}, Time::max());  // Must wait for 2.
  turnstile.enter(2, "", 1, Time{}, Time::max());
  BOOST_TEST(turnstile.let_through(Time{}).admitted.empty());
  BOOST_TEST(turnstile.leave(1));
  BOOST_TEST(!turnstile.leave(1));
  BOOST_TEST(turnstile.let_through(Time{}).admitted == std::vector<Turnstile::Ticket>{2},
             boost::test_tools::per_element());
  BOOST_TEST(turnstile.waiting() == 0U);
}

BOOST_AUTO_TEST_CASE(a_gate_closes_at_its_bound_and_opens_clearly_below_it) {
  LoadGate gate(0.5);
  BOOST_TEST(gate.to_look(Time{}));
  const std::vector<std::pair<double, bool>> looks{{0.49, false}, {0.5, true},   {0.45, true}, {0.4, true},
                                                   {0.39, false}, {0.49, false}, {0.9, true},  {0.1, false}};
  Time now{};
  for (const auto& [load, closed] : looks) {
    gate.looked(load, now);
    BOOST_TEST(gate.closed() == closed, load);
    BOOST_TEST(!gate.to_look(now + 999ms));
    BOOST_TEST(gate.to_look(now += 1s));
  }
}

BOOST_AUTO_TEST_CASE(nothing_passes_while_the_machine_is_too_busy_and_everything_while_it_is_not) {
  double load = 0.2;
  int looks = 0;
  Limit limit(LoadRule{0.5, [&] {
                         ++looks;
                         return std::optional(load);
                       }});
  for (int i = 0; i < 1000; ++i) BOOST_TEST(!limit.take("", 1, Time{}));
  load = 0.8;
  BOOST_TEST(!limit.take("", 1, Time{999ms}));
  BOOST_TEST((limit.take("", 1, Time{1s}) == Time{2s}));
  BOOST_TEST((limit.take("", 1, Time{1500ms}) == Time{2s}));
  BOOST_TEST(looks == 2);
  BOOST_TEST(limit.machine()->busy);
  Turnstile turnstile(limit);
  for (Turnstile::Ticket i = 0; i < 5; ++i) turnstile.enter(i, "", 1, Time{1500ms}, Time::max());
  BOOST_TEST(turnstile.let_through(Time{1500ms}).admitted.empty());
  BOOST_TEST((turnstile.due() == Time{2s}));
  load = 0.1;
  BOOST_TEST(turnstile.let_through(Time{2s}).admitted.size() == 5U);
}

BOOST_AUTO_TEST_CASE(between_two_looks_nothing_passes_that_a_look_forbade) {
  BOOST_TEST(rc::check("the gate", [] {
    const double above = *rc::gen::inRange(1, 101) / 100.0;
    double load = 0;
    bool closed = false;
    Time next_look = Time::min();
    Limit limit(LoadRule{above, [&] { return std::optional(load); }});
    Time now{};
    for (int i = 0; i < 200; ++i) {
      now += Duration(*rc::gen::inRange(0, 1'500'000'000));
      load = *rc::gen::inRange(0, 101) / 100.0;
      if (now >= next_look) {
        if (load >= above) closed = true;
        if (load < above * 0.8) closed = false;
        next_look = now + 1s;
      }
      const auto until = limit.take("", 1, now);
      RC_ASSERT(until.has_value() == closed);
      if (until) RC_ASSERT(*until == next_look);
    }
  }));
}
