// route: the first condition that holds decides.
#include "tests/stages/alone.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(the_first_condition_that_holds_wins_and_else_takes_the_rest) {
  Alone route("route", "{big: msg.n > 10, even: msg.n % 2 == 0}", {"big", "even", "else"});
  route.give({R"({"n":12})", R"({"n":2})", R"({"n":3})"});
  BOOST_TEST(route.out("big") == (Lines{R"({"n":12})"}));
  BOOST_TEST(route.out("even") == (Lines{R"({"n":2})"}));
  BOOST_TEST(route.out("else") == (Lines{R"({"n":3})"}));
  BOOST_TEST(route.out().empty());
  BOOST_TEST(route.balanced());
}

BOOST_AUTO_TEST_CASE(a_port_that_nobody_reads_drops_and_counts) {
  Alone route("route", "{big: msg.n > 10}", {});
  route.give({R"({"n":12})", R"({"n":2})"});
  BOOST_TEST(route.dropped(weir::stage::Dropped::unread) == 2U);
  BOOST_TEST(route.done == 2U);
  BOOST_TEST(route.balanced());
}

BOOST_AUTO_TEST_CASE(a_route_cannot_have_a_name_that_every_stage_has) {
  for (const auto* name : {"failed", "else", "main", "any"}) {
    BOOST_TEST(Read("route", std::string("{") + name + ": msg.n > 1}").diagnostics.has_errors());
  }
  BOOST_TEST(Read("route", "{}").diagnostics.has_errors());
}

BOOST_AUTO_TEST_CASE(a_condition_that_fails_fails_the_message) {
  Alone route("route", "{big: msg.a.b > 10}", {"big", "else"});
  route.give({"{}"});
  BOOST_TEST(route.out("else").empty());
  BOOST_REQUIRE_EQUAL(route.failed.size(), 1U);
  BOOST_TEST((route.failed[0].failure.reason == Reason::missing));
}
