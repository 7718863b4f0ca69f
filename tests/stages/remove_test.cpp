// remove: takes fields out of a payload.
#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(fields_go_and_everything_else_stays_as_it_was_written) {
  Alone remove("remove", "[host, user.email]");
  remove.give({R"({"host": "a", "n":  1.50, "user": {"id":1, "email":"x"}, "z":[ ]})"});
  BOOST_TEST(remove.out() == (Lines{R"({"n":  1.50,"user":{"id":1},"z":[ ]})"}));
  BOOST_TEST(remove.done == 1U);
  BOOST_TEST(remove.balanced());
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_no_failure_and_changes_nothing) {
  Alone remove("remove", "[host, a.b.c, items.7]");
  const Lines given{"{}", R"({ "a": 5, "items": [1] })", R"({"a":{"b":null}})"};
  remove.give(given);
  BOOST_TEST(remove.out() == given);
}

BOOST_AUTO_TEST_CASE(null_goes_like_any_value_and_the_last_field_leaves_an_empty_object) {
  Alone remove("remove", "[a]");
  remove.give({R"({"a":null})"});
  BOOST_TEST(remove.out() == (Lines{"{}"}));
}

BOOST_AUTO_TEST_CASE(all_are_found_before_any_goes) {
  Alone remove("remove", "[items.0, items.1, items]");
  remove.give({R"({"items":[1,2,3]})"});
  Alone two("remove", "[items.0, items.1]");
  two.give({R"({"items":[1,2,3]})"});
  BOOST_TEST(remove.out() == (Lines{"{}"}));
  BOOST_TEST(two.out() == (Lines{R"({"items":[3]})"}));
}

BOOST_AUTO_TEST_CASE(of_a_key_that_is_there_twice_nothing_stays_and_keys_are_compared_decoded) {
  Alone remove("remove", "[a, ä]");
  remove.give({R"({"a":1,"b":2,"a":3})", R"({"\u0061":1,"b":2,"a":3,"\u00e4":4})"});
  BOOST_TEST(remove.out() == (Lines{R"({"b":2})", R"({"b":2})"}));
}

BOOST_AUTO_TEST_CASE(a_payload_that_is_no_object_fails_as_it_came) {
  Alone remove("remove", "[a]");
  remove.give({"", "hello", "[1]", "null", R"({"a":1)", R"({"a":1})"});
  BOOST_TEST(remove.out() == (Lines{"{}"}));
  BOOST_REQUIRE_EQUAL(remove.failed.size(), 5U);
  const std::vector<Reason> reasons{Reason::decode, Reason::decode, Reason::type, Reason::type, Reason::decode};
  for (std::size_t i = 0; i < 5; ++i) BOOST_TEST((remove.failed[i].failure.reason == reasons[i]), i);
  BOOST_TEST(remove.failed[1].failure.text == "the payload is not JSON: expected a value at byte 1");
  BOOST_TEST(remove.failed[2].failure.text ==
             "fields can only be removed from an object, and the payload is none");
  BOOST_TEST(remove.failed[2].payload == "[1]");
  BOOST_TEST(remove.balanced());
}

BOOST_AUTO_TEST_CASE(what_fails_is_dropped_or_goes_on_as_it_came_where_that_is_said) {
  for (const auto* word : {"drop", "pass"}) {
    const std::string on_error = word;
    Bench bench(
        "stages:\n  a: {generate: {each: [1, 2], msg: '{{ i == 1 and 1 or {a = 1, b = 2} }}'}}\n"
        "  b: {from: a, remove: [a], on_error: " +
        on_error + "}\n  c: {from: b, stdout: {}}\n");
    BOOST_TEST_REQUIRE(bench.mistakes().empty(), bench.mistakes());
    bench.run();
    BOOST_TEST(bench.output() == (on_error == "drop" ? "{\"b\":2}\n" : "1\n{\"b\":2}\n"));
    BOOST_TEST(bench.ending().unheard == 0U);
  }
}

BOOST_AUTO_TEST_CASE(fields_deep_down_are_reached) {
  std::string nested = R"({"a":1,"b":2})", path = "a";
  for (int i = 0; i < 500; ++i) {
    nested = R"({"x":)" + nested + "}";
    path = "x." + path;
  }
  Alone remove("remove", "[" + path + "]");
  remove.give({nested});
  BOOST_REQUIRE_EQUAL(remove.out().size(), 1U);
  BOOST_TEST(remove.out()[0].find(R"({"b":2})") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(remove_takes_paths_and_says_what_one_is) {
  BOOST_TEST(Read("remove", "[]").mistake() == "'remove' is empty");
  BOOST_TEST(Read("remove", "host").mistake() ==
             "expected a list of paths, found \"host\"; a list stands in brackets: [host]");
  BOOST_TEST(Read("remove", "[a..b]").mistake() ==
             "expected a path in the payload such as a.b, found \"a..b\": a name stands before, between and behind "
             "the points; a key that holds one itself is reached by `lua` only");
  BOOST_TEST(Read("remove", "['']").diagnostics.has_errors());
  BOOST_TEST(Read("remove", "['{{ msg.a }}']").diagnostics.has_errors());
}
