// where: lets on what its condition holds for.
#include "tests/stages/alone.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(what_the_condition_holds_for_goes_on_and_the_rest_no_further) {
  Alone where("where", "msg.n > 2");
  where.give({R"({"n":1})", R"({"n":3})", R"({"n":2})", R"({"n": 4})"});
  BOOST_TEST(where.out() == (Lines{R"({"n":3})", R"({"n": 4})"}));
  BOOST_TEST(where.output->counters().filtered == 2U);
  BOOST_TEST(where.done == 4U);
  BOOST_TEST(where.balanced());
}

BOOST_AUTO_TEST_CASE(the_rest_leaves_by_else_where_somebody_reads_it) {
  Alone where("where", "msg.ok", {"else"});
  where.give({R"({"ok":true})", R"({"ok":false})", R"({"no":1})", R"({"ok":null})"});
  BOOST_TEST(where.out() == (Lines{R"({"ok":true})", R"({"ok":null})"}));  // null is a value, as everywhere in Lua.
  BOOST_TEST(where.out("else") == (Lines{R"({"ok":false})", R"({"no":1})"}));
  BOOST_TEST(where.output->counters().filtered == 0U);
  BOOST_TEST(where.balanced());
}

BOOST_AUTO_TEST_CASE(a_condition_that_cannot_be_answered_fails_the_message_and_only_that_one) {
  Alone where("where", "msg.a.b > 1");
  where.give({R"({"a":{"b":2}})", R"({"n":1})", "no json"});
  BOOST_TEST(where.out().size() == 1U);
  BOOST_REQUIRE_EQUAL(where.failed.size(), 2U);
  BOOST_TEST((where.failed[0].failure.reason == Reason::missing));
  BOOST_TEST(where.failed[0].failure.stage == "tested");
  BOOST_TEST(where.failed[0].payload == R"({"n":1})");
  BOOST_TEST((where.failed[1].failure.reason == Reason::decode));
  BOOST_TEST(where.balanced());
}

BOOST_AUTO_TEST_CASE(where_takes_a_condition_and_nothing_else) {
  BOOST_TEST(Read("where", "{field: a}").diagnostics.has_errors());
}
