// keep: takes all out of a payload but some fields.
#include "tests/stages/alone.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(these_fields_stay_in_the_order_they_came_in) {
  Alone keep("keep", "[user.id, ts]");
  keep.give({R"({"ts": 1.0, "host":"a", "user": {"email":"x", "id":7, "tags":[1]}, "z":1})"});
  BOOST_TEST(keep.out() == (Lines{R"({"ts": 1.0,"user":{"id":7}})"}));
  BOOST_TEST(keep.done == 1U);
  BOOST_TEST(keep.balanced());
}

BOOST_AUTO_TEST_CASE(what_is_named_whole_stays_whole_and_untouched) {
  Alone keep("keep", "[a, a.b]");
  keep.give({R"({"a": {"b":1, "c" : 2}, "d":3})", R"({ "a":{} })"});
  BOOST_TEST(keep.out() == (Lines{R"({"a": {"b":1, "c" : 2}})", R"({ "a":{} })"}));
}

BOOST_AUTO_TEST_CASE(where_none_of_them_is_an_empty_object_goes_on) {
  Alone keep("keep", "[a.b]");
  keep.give({R"({"x":1,"y":2})", R"({"a":5})", R"({"a":{"c":1}})", "{}", R"({"a":{"b":null}})"});
  BOOST_TEST(keep.out() == (Lines{"{}", "{}", "{}", "{}", R"({"a":{"b":null}})"}));
}

BOOST_AUTO_TEST_CASE(elements_of_lists_are_counted_from_nought) {
  Alone keep("keep", "[items.0.id, items.2]");
  keep.give({R"({"items":[{"id":1,"n":2},{"id":3},{"id":4,"n":5},{"id":6}]})"});
  BOOST_TEST(keep.out() == (Lines{R"({"items":[{"id":1},{"id":4,"n":5}]})"}));
}

BOOST_AUTO_TEST_CASE(of_a_key_that_is_there_twice_the_one_that_counts_stays) {
  Alone keep("keep", "[a, ä]");
  keep.give({R"({"a":1,"b":2,"a":3})", R"({"b":0,"\u0061":1,"\u00e4":2,"a":3})"});
  BOOST_TEST(keep.out() == (Lines{R"({"a":3})", R"({"\u00e4":2,"a":3})"}));
}

BOOST_AUTO_TEST_CASE(a_payload_that_is_no_object_fails_as_it_came) {
  Alone keep("keep", "[a]");
  keep.give({"", "hello", "[1]", "7"});
  BOOST_TEST(keep.out().empty());
  BOOST_REQUIRE_EQUAL(keep.failed.size(), 4U);
  BOOST_TEST((keep.failed[0].failure.reason == Reason::decode));
  BOOST_TEST((keep.failed[2].failure.reason == Reason::type));
  BOOST_TEST(keep.failed[2].failure.text == "fields can only be kept of an object, and the payload is none");
  BOOST_TEST(keep.failed[2].payload == "[1]");
  BOOST_TEST(keep.balanced());
}

BOOST_AUTO_TEST_CASE(keep_takes_paths) {
  BOOST_TEST(Read("keep", "[]").diagnostics.has_errors());
  BOOST_TEST(Read("keep", "{a: b}").diagnostics.has_errors());
  BOOST_TEST(Read("keep", "[.a]").diagnostics.has_errors());
}
