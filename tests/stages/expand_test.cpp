// expand: one message becomes many.
#include "tests/stages/alone.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

namespace {

/// `[0,1,…]`
std::string list_of(int count) {
  std::string list = "[";
  for (int i = 0; i < count; ++i) list += (i ? "," : "") + std::to_string(i);
  return list + "]";
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_element_becomes_a_message_with_what_is_kept) {
  Alone expand("expand", "{each: items, as: item, keep: [id, user.name, gone]}");
  expand.give({R"({"id": 1.0, "items":[{"a": 1}, "x", null], "user":{"name":"Ann","age":3}})"});
  BOOST_TEST(expand.out() == (Lines{R"({"id":1.0,"user":{"name":"Ann"},"item":{"a": 1}})",
                                    R"({"id":1.0,"user":{"name":"Ann"},"item":"x"})",
                                    R"({"id":1.0,"user":{"name":"Ann"},"item":null})"}));
  const auto& counters = expand.output->counters();
  BOOST_TEST(counters.in == 1U);
  BOOST_TEST(counters.created == 2U);
  BOOST_TEST(counters.out[0] == 3U);
  BOOST_TEST(expand.done == 1U);
  BOOST_TEST(expand.balanced());
}

BOOST_AUTO_TEST_CASE(without_as_the_element_is_the_payload) {
  Alone expand("expand", "{each: items}");
  expand.give({R"({"items":[1, {"b" : [ ]} , "\u0041"]})", R"({"items":["only"]})"});
  BOOST_TEST(expand.out() == (Lines{"1", R"({"b" : [ ]})", R"("\u0041")", R"("only")"}));
  Alone whole("expand", "{}");
  whole.give({"[1,[2]]", "[]"});
  BOOST_TEST(whole.out() == (Lines{"1", "[2]"}));
  BOOST_TEST(whole.output->counters().filtered == 1U);
  BOOST_TEST(whole.balanced());
}

BOOST_AUTO_TEST_CASE(without_as_what_is_kept_is_set_in_the_element) {
  Alone expand("expand", "{each: items, keep: [id, user.name]}");
  expand.give({R"({"id":7,"user":{"name":"Ann"},"items":[{"n":1},{"id":0,"user":5}]})"});
  BOOST_TEST(expand.out() == (Lines{R"({"n":1,"id":7,"user":{"name":"Ann"}})", R"({"id":7,"user":{"name":"Ann"}})"}));
  expand.give({R"({"id":7,"items":[{"n":1},2]})"});
  BOOST_TEST(expand.out().size() == 2U);  // Nothing was sent before it was found out.
  BOOST_REQUIRE_EQUAL(expand.failed.size(), 1U);
  BOOST_TEST((expand.failed[0].failure.reason == Reason::type));
  BOOST_TEST(expand.failed[0].failure.text ==
             "an element of 'items' is no object, so nothing can be kept in it; `as` gives it a field of its own");
  BOOST_TEST(expand.balanced());
}

BOOST_AUTO_TEST_CASE(the_element_may_stand_deep_in_the_new_payload) {
  Alone expand("expand", "{each: a.b, as: x.y, keep: [id]}");
  expand.give({R"({"id":1,"a":{"b":[1,2]}})"});
  BOOST_TEST(expand.out() == (Lines{R"({"id":1,"x":{"y":1}})", R"({"id":1,"x":{"y":2}})"}));
}

BOOST_AUTO_TEST_CASE(an_empty_list_is_filtered_and_no_list_there_fails) {
  Alone expand("expand", "{each: items, as: item}");
  expand.give({R"({"items":[]})", "{}", R"({"items":null})", R"({"items":{}})", "[1]", "no", "", R"({"items":[1]})"});
  BOOST_TEST(expand.out() == (Lines{R"({"item":1})"}));
  BOOST_TEST(expand.output->counters().filtered == 1U);
  BOOST_REQUIRE_EQUAL(expand.failed.size(), 6U);
  const std::vector<Reason> reasons{Reason::missing, Reason::type,   Reason::type,
                                    Reason::missing, Reason::decode, Reason::decode};
  for (std::size_t i = 0; i < reasons.size(); ++i) BOOST_TEST((expand.failed[i].failure.reason == reasons[i]), i);
  BOOST_TEST(expand.failed[0].failure.text == "there is no 'items' in the payload");
  BOOST_TEST(expand.failed[1].failure.text == "'items' is no list");
  BOOST_TEST(expand.failed[0].payload == "{}");
  BOOST_TEST(expand.balanced());
}

BOOST_AUTO_TEST_CASE(a_message_that_becomes_a_thousand_leaves_in_pieces_and_is_done_with_the_last) {
  Alone expand("expand", "{each: items}");
  expand.hold = true;
  expand.give({R"({"items":)" + list_of(1000) + "}", R"({"items":)" + list_of(1000) + "}"});
  BOOST_TEST(expand.out().size() == 2000U);
  BOOST_TEST(expand.out()[0] == "0");
  BOOST_TEST(expand.out()[999] == "999");
  BOOST_TEST(expand.out()[1000] == "0");
  BOOST_TEST(expand.largest_out() <= 64U);
  BOOST_TEST(expand.done == 0U);
  expand.held.pop_back();
  for (auto& batch : expand.held) batch->done_all();
  BOOST_TEST(expand.done == 1U);
  BOOST_TEST(expand.failed.size() == 1U);
  BOOST_TEST(expand.output->counters().created == 1998U);
  BOOST_TEST(expand.balanced());
}

BOOST_AUTO_TEST_CASE(large_elements_go_by_bytes) {
  Alone expand("expand", "{each: items, as: item}");
  const std::string large(40'000, 'x');
  std::string list;
  for (int i = 0; i < 5; ++i) list += (i ? ",\"" : "\"") + large + "\"";
  expand.give({R"({"items":[)" + list + "]}"});
  BOOST_TEST(expand.out().size() == 5U);
  BOOST_TEST(expand.out()[4] == R"({"item":")" + large + "\"}");
  BOOST_TEST(expand.largest_out() <= 2U);
}

BOOST_AUTO_TEST_CASE(metadata_goes_along) {
  Alone expand("expand", "{}", {"failed"});
  expand.hold = true;
  expand.give({"[1,2]"});
  BOOST_REQUIRE_EQUAL(expand.held.size(), 1U);
  BOOST_TEST(expand.held[0]->id(0) == expand.held[0]->id(1));
  BOOST_TEST(expand.held[0]->known_json(0));
  BOOST_TEST(expand.held[0]->known_json(1));
}

BOOST_AUTO_TEST_CASE(what_makes_no_sense_is_refused) {
  BOOST_TEST(Read("expand", "{keep: [id]}").mistake() ==
             "a payload that is a list has no fields to keep; name the list by `each`");
  BOOST_TEST(Read("expand", "{each: items, as: id.x, keep: [id]}").mistake() ==
             "the element and what is kept would both stand at 'id'; another name for the element");
  BOOST_TEST(Read("expand", "{each: ''}").diagnostics.has_errors());
  BOOST_TEST(Read("expand", "[items]").diagnostics.has_errors());
}
