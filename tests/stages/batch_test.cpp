// batch: many messages become one.
#include "tests/stages/alone.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(so_many_messages_become_one_list) {
  Alone batch("batch", "{count: 2}");
  batch.give({"1", R"({"a":2})", "3"});
  BOOST_TEST(batch.out() == (Lines{R"([1,{"a":2}])"}));
  BOOST_TEST(batch.output->counters().absorbed == 3U);
  BOOST_TEST(batch.balanced());
  batch.flush();
  BOOST_TEST(batch.out().back() == "[3]");
  BOOST_TEST(batch.balanced());
}

BOOST_AUTO_TEST_CASE(lines_are_joined_whatever_they_hold) {
  Alone batch("batch", "{count: 3, as: lines}");
  batch.give({"one", "", "{three"});
  BOOST_TEST(batch.out() == (Lines{"one\n\n{three"}));
}

BOOST_AUTO_TEST_CASE(what_is_no_json_fails_where_a_list_is_wanted) {
  Alone batch("batch", "{count: 2}");
  batch.give({"1", "one", "2"});
  BOOST_TEST(batch.out() == (Lines{"[1,2]"}));
  BOOST_REQUIRE_EQUAL(batch.failed.size(), 1U);
  BOOST_TEST((batch.failed[0].failure.reason == Reason::decode));
  BOOST_TEST(batch.failed[0].payload == "one");
}

BOOST_AUTO_TEST_CASE(no_more_bytes_come_together_than_allowed_and_a_larger_message_goes_alone) {
  Alone batch("batch", "{bytes: 10B, as: lines}");
  batch.give({"aaaa", "bbbb", "cccc", "0123456789abcdef", "d"});
  batch.flush();
  BOOST_TEST(batch.out() == (Lines{"aaaa\nbbbb", "cccc", "0123456789abcdef", "d"}));
}

BOOST_AUTO_TEST_CASE(a_message_may_begin_the_next_one) {
  Alone batch("batch", "{begins: 'not re.match(\"^[ ]\", text)', as: lines, count: 3}");
  batch.give({"  at none", "Error: a", "  at f", "  at g", "  at h", "  at i"});
  batch.give({"Error: b", "Error: c", "  at k"});
  BOOST_TEST(batch.out() == (Lines{"  at none", "Error: a\n  at f\n  at g", "  at h\n  at i", "Error: b"}));
  batch.flush();
  BOOST_TEST(batch.out().back() == "Error: c\n  at k");
  batch.give({"Error: d"});
  batch.run_for(1s);
  BOOST_TEST(!batch.tick());
  BOOST_TEST(batch.out().back() == "Error: d");
  BOOST_TEST(batch.balanced());
}

BOOST_AUTO_TEST_CASE(one_of_which_it_can_not_be_said_whether_it_begins_fails) {
  Alone batch("batch", "{begins: msg.level > 3}");
  batch.give({R"({"level":5})", R"({"level":1})", "{}", R"({"level":4})"});
  batch.flush();
  BOOST_TEST(batch.out() == (Lines{R"([{"level":5},{"level":1}])", R"([{"level":4}])"}));
  BOOST_REQUIRE_EQUAL(batch.failed.size(), 1U);
  BOOST_TEST(batch.failed[0].payload == "{}");
}

BOOST_AUTO_TEST_CASE(the_first_one_waits_no_longer_than_it_should) {
  Alone batch("batch", "{within: 2s}");
  BOOST_TEST(!batch.tick());
  batch.give({"1"});
  BOOST_TEST((batch.tick() == weir::runtime::Time(2s)));
  batch.run_for(1s);
  batch.give({"2"});
  BOOST_TEST((batch.tick() == weir::runtime::Time(2s)));
  BOOST_TEST(batch.out().empty());
  batch.run_for(1s);
  BOOST_TEST(!batch.tick());
  BOOST_TEST(batch.out() == (Lines{"[1,2]"}));
  batch.give({"3"});
  BOOST_TEST((batch.tick() == weir::runtime::Time(4s)));
}

BOOST_AUTO_TEST_CASE(messages_of_different_keys_are_gathered_apart) {
  Alone batch("batch", "{key: '{{ msg.k }}', count: 2, within: 2s}");
  batch.give({R"({"k":1,"n":1})", R"({"k":"b"})", "{}", R"({"k":1,"n":2})"});
  BOOST_TEST(batch.out() == (Lines{R"([{"k":1,"n":1},{"k":1,"n":2}])"}));
  batch.run_for(1s);
  batch.give({R"({"k":"c"})"});
  BOOST_TEST((batch.tick() == weir::runtime::Time(2s)));
  batch.run_for(1s);
  BOOST_TEST((batch.tick() == weir::runtime::Time(3s)));
  BOOST_TEST(batch.out().back() == R"([{"k":"b"}])");
  batch.give({R"({"k":1,"n":3})", R"({"k":"c"})"});
  BOOST_TEST(batch.out().back() == R"([{"k":"c"},{"k":"c"}])");
  batch.flush();
  BOOST_TEST(batch.out().back() == R"([{"k":1,"n":3}])");
  BOOST_REQUIRE_EQUAL(batch.failed.size(), 1U);
  BOOST_TEST(batch.failed[0].payload == "{}");
  BOOST_TEST(batch.balanced());
}

BOOST_AUTO_TEST_CASE(what_has_waited_longest_goes_where_there_are_too_many_keys) {
  Alone batch("batch", "{key: '{{ msg }}', keys: 2, count: 3}");
  batch.give({"1", "2", "1", "3", "2", "1"});
  BOOST_TEST(batch.out() == (Lines{"[1,1]", "[2,2]"}));
  batch.flush();
  BOOST_TEST(batch.out() == (Lines{"[1,1]", "[2,2]", "[3]", "[1]"}));
  BOOST_TEST(batch.balanced());
}

BOOST_AUTO_TEST_CASE(the_messages_are_done_when_the_one_made_of_them_is) {
  Alone batch("batch", "{count: 3}");
  batch.hold = true;
  batch.give({"1", "2"});
  batch.give({"3", "4"});
  BOOST_TEST(batch.done == 0U);
  BOOST_REQUIRE_EQUAL(batch.held.size(), 1U);
  batch.held[0]->done_all();
  BOOST_TEST(batch.done == 2U);  // The first two; the token of the others still counts the fourth.
  batch.flush();
  batch.held[1]->done_all();
  BOOST_TEST(batch.done == 4U);
}

BOOST_AUTO_TEST_CASE(each_message_fails_with_its_own_payload_when_the_one_made_of_them_fails) {
  Alone batch("batch", "{count: 3}");
  batch.hold = true;
  batch.give({"1", "2", "3"});
  batch.held[0]->fail(0, {Reason::io, "no room"});
  BOOST_REQUIRE_EQUAL(batch.failed.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    BOOST_TEST(batch.failed[i].payload == std::to_string(i + 1));
    BOOST_TEST(batch.failed[i].ordinal == i);
    BOOST_TEST((batch.failed[i].failure.reason == Reason::io));
  }
}

BOOST_AUTO_TEST_CASE(what_is_held_when_the_program_is_stopped_fails_and_is_not_lost) {
  std::size_t failed = 0;
  {
    Alone batch("batch", "{count: 3}");
    batch.give({"1", "2"});
    batch.release();
    failed = batch.failed.size();
  }
  BOOST_TEST(failed == 2U);
}
