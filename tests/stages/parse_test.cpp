// parse: named groups become fields.
#include "tests/stages/alone.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(a_line_becomes_an_object_of_what_its_groups_took) {
  Alone parse("parse", R"x({re: '^(?<ip>\S+) "(?P<path>[^"]*)"( (?<n>\d+))?$'})x");
  parse.give({R"(10.0.0.1 "/a\b" 7)", R"(::1 "/ä")"});
  BOOST_TEST(parse.out() == (Lines{R"({"ip":"10.0.0.1","path":"/a\\b","n":"7"})", R"({"ip":"::1","path":"/ä"})"}));
  BOOST_TEST(parse.done == 2U);
  BOOST_TEST(parse.balanced());
}

BOOST_AUTO_TEST_CASE(of_a_field_the_groups_become_fields_beside_it) {
  Alone parse("parse", "{re: '(?<k>[a-z]+)=(?<v>.*)', of: a.line}");
  parse.give({R"({"n":  1.0, "a":{"line":"x=\u0041\"b"}, "v":0})"});
  BOOST_TEST(parse.out() == (Lines{R"({"n":  1.0, "a":{"line":"x=\u0041\"b"},"v":"A\"b","k":"x"})"}));
}

BOOST_AUTO_TEST_CASE(what_does_not_match_or_is_no_text_fails_as_it_came) {
  Alone parse("parse", "{re: '^(?<k>[a-z]+)$', of: k}", {"failed"});
  const Lines given{R"({"k":"A"})", R"({"k":1})", R"({"k":null})", "{}", "[1]", "no", ""};
  parse.give(given);
  BOOST_TEST(parse.out().empty());
  BOOST_TEST(parse.out("failed") == given);
  Alone line("parse", "{re: '^(?<k>[a-z]+)$'}");
  line.give({"A", "", "a"});
  BOOST_TEST(!Read("parse", "{re: '(?<k>.)'}").diagnostics.has_errors());
  BOOST_TEST(line.out() == (Lines{R"({"k":"a"})"}));
  BOOST_REQUIRE_EQUAL(line.failed.size(), 2U);
  BOOST_TEST((line.failed[0].failure.reason == Reason::decode));
  BOOST_TEST(line.failed[0].failure.text == "the payload does not match the regular expression");
  BOOST_TEST(line.balanced());
}

BOOST_AUTO_TEST_CASE(every_kind_of_failure_has_its_name) {
  Alone parse("parse", "{re: '^(?<k>[a-z]+)$', of: k}");
  parse.give({R"({"k":"A"})", R"({"k":1})", "{}", "[1]", "no"});
  const std::vector<Reason> reasons{Reason::decode, Reason::type, Reason::missing, Reason::type, Reason::decode};
  BOOST_REQUIRE_EQUAL(parse.failed.size(), reasons.size());
  for (std::size_t i = 0; i < reasons.size(); ++i) BOOST_TEST((parse.failed[i].failure.reason == reasons[i]), i);
  BOOST_TEST(parse.failed[0].failure.text == "'k' does not match the regular expression");
  BOOST_TEST(parse.failed[1].failure.text == "'k' is no text");
}

BOOST_AUTO_TEST_CASE(a_pattern_that_would_take_for_ever_elsewhere_takes_no_time) {
  Alone parse("parse", "{re: '^(?<a>(a+)+)$'}");
  parse.give({std::string(20'000, 'a') + "!"});
  BOOST_TEST(parse.failed.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_pattern_of_no_use_is_refused) {
  BOOST_TEST(Read("parse", "{re: '(a'}").mistake() == "this regular expression is of no use here; missing ): (a");
  BOOST_TEST(Read("parse", "{re: '(a)'}").mistake() ==
             "this regular expression is of no use here; it has no named group, such as (?<name>[a-z]+)");
  BOOST_TEST(Read("parse", "{re: '(?<a>x)(?<b>y)(?<a>z)'}").mistake() ==
             "this regular expression is of no use here; it has two groups named 'a'");
  BOOST_TEST(Read("parse", "{re: '(?<a>x)(?<=y)'}").diagnostics.has_errors());
  BOOST_TEST(!Read("parse", R"({re: '[(?<]\((?<a>x)'})").diagnostics.has_errors());
  BOOST_TEST(Read("parse", "{of: a}").diagnostics.has_errors());
}
