// set: makes fields of a payload.
#include "tests/stages/alone.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(fields_are_set_and_everything_else_stays_as_it_was_written) {
  Alone set("set", "{env: prod, twice: '{{ msg.n * 2 }}'}");
  set.give({R"({"n":  2.50, "env": "test"})"});
  // What is set is written anew, between its neighbours as they came.
  BOOST_TEST(set.out() == (Lines{R"({"n":  2.50,"env":"prod","twice":5.0})"}));
}

BOOST_AUTO_TEST_CASE(no_value_sees_what_another_one_makes) {
  Alone set("set", "{a: '{{ msg.b }}', b: '{{ msg.a }}'}");
  set.give({R"({"a":1,"b":2})"});
  BOOST_TEST(set.out() == (Lines{R"({"a":2,"b":1})"}));
}

BOOST_AUTO_TEST_CASE(a_failed_message_is_as_it_came) {
  Alone set("set", "{a: 1, b: '{{ msg.x.y }}'}", {"failed"});
  set.give({R"({"n":1})"});
  BOOST_TEST(set.out().empty());
  BOOST_TEST(set.out("failed") == (Lines{R"({"n":1})"}));
  BOOST_TEST(set.balanced());
}

BOOST_AUTO_TEST_CASE(a_payload_that_is_no_object_fails) {
  Alone set("set", "{a: 1}");
  set.give({"[1]"});
  BOOST_REQUIRE_EQUAL(set.failed.size(), 1U);
  BOOST_TEST((set.failed[0].failure.reason == Reason::type));
}

BOOST_AUTO_TEST_CASE(the_name_of_a_field_is_no_template) {
  BOOST_TEST(Read("set", "{'{{ msg.k }}': 1}").mistake() ==
             "expected a constant key, found `{{ }}`: keys are read once, at the start; a name that depends on the "
             "message is made "
             "in `lua`");
}
