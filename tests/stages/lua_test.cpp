// lua: code on each message.
#include "tests/stages/alone.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(an_edited_message_goes_on_and_a_returned_one_takes_its_place) {
  Alone edit("lua", "msg.a = 1");
  edit.give({"{}"});
  BOOST_TEST(edit.out() == (Lines{R"({"a":1})"}));
  Alone replace("lua", "return {b = msg.a}");
  replace.give({R"({"a":5})"});
  BOOST_TEST(replace.out() == (Lines{R"({"b":5})"}));
}

BOOST_AUTO_TEST_CASE(a_dropped_message_is_done_and_counted) {
  Alone lua("lua", "if msg.n > 1 then drop() end");
  lua.give({R"({"n":1})", R"({"n":2})"});
  BOOST_TEST(lua.out() == (Lines{R"({"n":1})"}));
  BOOST_TEST(lua.dropped(weir::stage::Dropped::configured) == 1U);
  BOOST_TEST(lua.done == 2U);
  BOOST_TEST(lua.balanced());
}

BOOST_AUTO_TEST_CASE(a_port_opens_where_the_code_names_it) {
  Alone lua("lua", "if msg.big then emit_to(\"large\", {id = msg.id}) end", {"large"});
  BOOST_TEST(lua.configured().ports == (Lines{"large"}));
  lua.give({R"({"id":1,"big":true})", R"({"id":2})"});
  BOOST_TEST(lua.out().size() == 2U);
  BOOST_TEST(lua.out("large") == (Lines{R"({"id":1})"}));
  BOOST_TEST(lua.balanced());
}

BOOST_AUTO_TEST_CASE(a_message_that_becomes_many_leaves_in_pieces_and_is_done_with_the_last) {
  Alone lua("lua", "for i = 1, 1000 do emit({i = i}) end drop()");
  lua.hold = true;
  lua.give({"{}", "{}"});
  BOOST_TEST(lua.out().size() == 2000U);
  BOOST_TEST(lua.out()[999] == R"({"i":1000})");
  BOOST_TEST(lua.largest_out() <= 64U);
  BOOST_TEST(lua.done == 0U);
  lua.held.pop_back();
  for (auto& batch : lua.held) batch->done_all();
  BOOST_TEST(lua.done == 1U);
  BOOST_TEST(lua.failed.size() == 1U);
  BOOST_TEST(lua.balanced());
}

BOOST_AUTO_TEST_CASE(large_messages_leave_in_pieces_as_well) {
  Alone lua("lua", "for i = 1, 6 do emit({text = string.rep(\"x\", 40000)}) end drop()");
  lua.give({"{}"});
  BOOST_TEST(lua.out().size() == 6U);
  BOOST_TEST(lua.largest_out() <= 2U);
  BOOST_TEST(lua.balanced());
}

BOOST_AUTO_TEST_CASE(a_failed_message_is_as_it_came_and_what_it_had_sent_is_not) {
  Alone lua("lua", "msg.a = 1 emit({}) fail(\"not today\")");
  lua.give({R"({"n":1})"});
  BOOST_TEST(lua.out().empty());
  BOOST_REQUIRE_EQUAL(lua.failed.size(), 1U);
  BOOST_TEST((lua.failed[0].failure.reason == Reason::user));
  BOOST_TEST(lua.failed[0].failure.text == "not today");
  BOOST_TEST(lua.failed[0].payload == R"({"n":1})");
}
