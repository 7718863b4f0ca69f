// rename: moves fields of a payload to other names.
#include "tests/stages/alone.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

namespace {

std::string renamed(const std::string& fields, const std::string& payload) {
  Alone rename("rename", fields);
  rename.give({payload});
  BOOST_TEST(rename.balanced());
  if (rename.out().empty()) return "failed: " + rename.failed.at(0).failure.text;
  return rename.out()[0];
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_field_gets_another_name_and_stays_in_its_place) {
  BOOST_TEST(renamed("{message: msg}", R"({"a": 1, "msg":"x",  "n":  2.50})") ==
             R"({"a": 1,"message":"x","n":  2.50})");
  BOOST_TEST(renamed("{u.name: u.n}", R"({"u":{"n":1,"b":2}})") == R"({"u":{"name":1,"b":2}})");
}

BOOST_AUTO_TEST_CASE(a_field_that_is_not_there_changes_nothing) {
  for (const auto* payload : {"{}", R"({ "b": 1 })", R"({"a":5,"b":[ ]})"}) {
    BOOST_TEST(renamed("{b: a.x, c: d}", payload) == payload);
  }
}

BOOST_AUTO_TEST_CASE(what_had_the_new_name_gives_way) {
  BOOST_TEST(renamed("{b: a}", R"({"a":1,"b":2,"c":3,"b":4})") == R"({"b":1,"c":3})");
  BOOST_TEST(renamed("{x.b: a}", R"({"a":1,"x":{"b":2}})") == R"({"x":{"b":1}})");
  BOOST_TEST(renamed("{b: a}", R"({"a":null,"b":2})") == R"({"b":null})");
}

BOOST_AUTO_TEST_CASE(of_a_key_that_is_there_twice_the_one_that_counts_moves) {
  BOOST_TEST(renamed("{b: a}", R"({"a":1,"\u0061":2})") == R"({"b":2})");
  BOOST_TEST(renamed("{x.b: a}", R"({"a":1,"a":2})") == R"({"x":{"b":2}})");
}

BOOST_AUTO_TEST_CASE(a_field_that_moves_elsewhere_goes_last_there) {
  BOOST_TEST(renamed("{user.id: uid}", R"({"uid":7,"user":{"n":1}})") == R"({"user":{"n":1,"id":7}})");
  BOOST_TEST(renamed("{user.id: uid}", R"({"uid":7,"z":1})") == R"({"z":1,"user":{"id":7}})");
  BOOST_TEST(renamed("{id: user.id}", R"({"user":{"id":{"a": 1}}})") == R"({"user":{},"id":{"a": 1}})");
}

BOOST_AUTO_TEST_CASE(all_are_taken_out_before_any_is_put_in) {
  BOOST_TEST(renamed("{a: b, b: a}", R"({"a":1,"b":2})") == R"({"a":2,"b":1})");
  BOOST_TEST(renamed("{b: a, c: b}", R"({"a":1,"b":2})") == R"({"b":1,"c":2})");
  BOOST_TEST(renamed("{c: b, b: a}", R"({"a":1,"b":2})") == R"({"c":2,"b":1})");
  BOOST_TEST(renamed("{x: a, y: a}", R"({"a":1})") == R"({"x":1,"y":1})");
}

BOOST_AUTO_TEST_CASE(a_field_may_move_into_itself_or_out_of_what_moves) {
  BOOST_TEST(renamed("{a.b: a}", R"({"a":1})") == R"({"a":{"b":1}})");
  BOOST_TEST(renamed("{a: a.b}", R"({"a":{"b":1,"c":2}})") == R"({"a":1})");
  BOOST_TEST(renamed("{x: a, y: a.b}", R"({"a":{"b":1}})") == R"({"x":{"b":1},"y":1})");
  BOOST_TEST(renamed("{a: a}", R"({"a":1,"b":2})") == R"({"a":1,"b":2})");
}

BOOST_AUTO_TEST_CASE(elements_of_lists_can_move) {
  BOOST_TEST(renamed("{a: items.0, b: items.1}", R"({"items":[1,2,3]})") == R"({"items":[3],"a":1,"b":2})");
}

BOOST_AUTO_TEST_CASE(what_is_in_the_way_fails_the_message_as_it_came) {
  Alone rename("rename", "{b: a, n.x: c}");
  rename.give({R"({"a":1,"c":2,"n":5})", "[1]", "", "x"});
  BOOST_REQUIRE_EQUAL(rename.failed.size(), 4U);
  BOOST_TEST((rename.failed[0].failure.reason == Reason::type));
  BOOST_TEST(rename.failed[0].failure.text == "'c' cannot become 'n.x': something on the way is no object");
  BOOST_TEST(rename.failed[0].payload == R"({"a":1,"c":2,"n":5})");
  BOOST_TEST((rename.failed[1].failure.reason == Reason::type));
  BOOST_TEST((rename.failed[2].failure.reason == Reason::decode));
  BOOST_TEST((rename.failed[3].failure.reason == Reason::decode));
  BOOST_TEST(rename.balanced());
}

BOOST_AUTO_TEST_CASE(rename_takes_new_paths_with_old_ones) {
  BOOST_TEST(Read("rename", "{'{{ msg.k }}': b}").mistake() ==
             "expected a constant key, found `{{ }}`: keys are read once, at the start; a name that depends on the "
             "message is made "
             "in `lua`");
  BOOST_TEST(Read("rename", "{}").mistake() == "'rename' is empty");
  BOOST_TEST(Read("rename", "[a]").diagnostics.has_errors());
  BOOST_TEST(Read("rename", "{a: [b]}").diagnostics.has_errors());
  BOOST_TEST(Read("rename", "{a.: b}").mistake() ==
             "expected a path in the payload such as a.b as new name, found 'a.'; a name stands before, between and "
             "behind the points; a key that holds one itself is reached by `lua` only");
}
