// lua: code on each message.
#include <algorithm>
#include <sstream>

#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

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

namespace {

/// What leaves a `lua` with this state and code, a line each.
std::string remembering(const std::string& state, const std::string& code, const std::string& messages,
                        const std::string& more = "") {
  Bench bench("stages:\n  a: {generate: {each: [" + messages + "]" + more +
              "}}\n  b:\n    from: a\n    state: " + state + "\n    lua: |\n      " + code +
              "\n  c: {from: b, stdout: {}}\n  d: {from: b.failed, drop: {}}\n");
  bench.run();
  return bench.output();
}

const std::string count = "state.n = (state.n or 0) + 1 return state.n";

}  // namespace

BOOST_AUTO_TEST_CASE(each_key_has_a_table_of_its_own) {
  BOOST_TEST(remembering("{key: '{{ msg }}', forget: 1h}", count, "a, b, a, a, b") == "1\n1\n2\n3\n2\n");
}

BOOST_AUTO_TEST_CASE(a_table_is_kept_when_the_message_is_dropped_and_not_when_the_code_fails) {
  BOOST_TEST(remembering("{key: all, forget: 1h}",
                         "state.n = (state.n or 0) + 1 if state.n < 3 then drop() end return state.n",
                         "1, 2, 3, 4") == "3\n4\n");
  BOOST_TEST(remembering("{key: all, forget: 1h}",
                         "state.n = (state.n or 0) + 1 if msg % 2 == 0 then fail('no') end return state.n",
                         "1, 2, 3, 4, 5") == "1\n2\n3\n");
}

BOOST_AUTO_TEST_CASE(a_table_that_has_not_changed_for_a_while_is_forgotten) {
  BOOST_TEST(remembering("{key: all, forget: 3s}", count, "1, 2", ", every: 2s, count: 6") == "1\n2\n3\n4\n5\n6\n");
  BOOST_TEST(remembering("{key: all, forget: 2s}", count, "1, 2", ", every: 2s, count: 6") == "1\n2\n1\n2\n1\n2\n");
  // Looking at it is no change.
  BOOST_TEST(remembering("{key: all, forget: 3s}", "if not state.n then state.n = 1 end local n = state.n return n",
                         "1", ", every: 2s, count: 4") == "1\n1\n1\n1\n");
}

BOOST_AUTO_TEST_CASE(beyond_its_keys_the_one_that_changed_the_longest_ago_is_forgotten) {
  BOOST_TEST(remembering("{key: '{{ msg }}', forget: 1h, keys: 2}", count, "a, b, a, c, a, b") == "1\n1\n2\n1\n3\n1\n");
}

BOOST_AUTO_TEST_CASE(lists_and_tables_are_kept_and_an_empty_table_takes_no_room) {
  BOOST_TEST(
      remembering(
          "{key: all, forget: 1h}",
          "state.seen = state.seen or {} state.seen[#state.seen + 1] = msg return {n = #state.seen, seen = state.seen}",
          "1, 2") == "{\"n\":1,\"seen\":[1]}\n{\"n\":2,\"seen\":[1,2]}\n");
  BOOST_TEST(remembering("{key: '{{ msg }}', forget: 1h, keys: 1}",
                         "if msg == 'b' then state.n = nil else state.n = (state.n or 0) + 1 end return state.n or 0",
                         "a, b, a") == "1\n0\n2\n");
}

BOOST_AUTO_TEST_CASE(a_table_that_grows_without_end_fails_its_message) {
  BOOST_TEST(remembering("{key: all, forget: 1h}",
                         "state.text = (state.text or '') .. string.rep('x', 30000) return #state.text",
                         "1, 2, 3, 4") == "30000\n60000\n");
}

BOOST_AUTO_TEST_CASE(several_workers_remember_of_each_key_what_one_would) {
  // Of 1,000 messages of 40 keys the running sum of each key; every tenth fails, which changes nothing of it.
  const auto sums = [](const std::string& workers, std::uint64_t seed) {
    Bench bench(R"(
stages:
  a: {generate: {range: 1..1000, msg: {n: '{{ i }}', k: '{{ i * 7 % 40 }}'}}}
  b:
    from: a
    state: {key: '{{ msg.k }}', forget: 1h}
    workers: )" + workers +
                    R"(
    lua: |
      state.sum = (state.sum or 0) + msg.n
      if msg.n % 10 == 9 then fail("no") end
      msg.sum = state.sum
  c: {from: b, file: {write: out}}
  d: {from: b.failed, file: {write: bad}}
)",
                seed, 3);
    BOOST_TEST(bench.mistakes() == "");
    bench.run();
    const auto sorted = [&bench](const char* path) {
      std::istringstream text(bench.files().text(path));
      Lines lines;
      for (std::string line; std::getline(text, line);) lines.push_back(line);
      std::sort(lines.begin(), lines.end());
      return lines;
    };
    return std::pair(sorted("out"), sorted("bad"));
  };
  const auto one = sums("1", 1);
  BOOST_TEST(one.first.size() == 900U);
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    BOOST_TEST((sums("4", seed) == one));
    BOOST_TEST((sums("4\n    order: {key: '{{msg.k}}'}", seed) == one));
  }
}

BOOST_AUTO_TEST_CASE(several_workers_forget_as_one_does) {
  for (const std::string workers : {"", "\n    workers: 3"}) {
    const std::string twice = ", every: 2s, count: 6";
    BOOST_TEST(remembering("{key: '{{ msg }}', forget: 3s}" + workers, count, "1, 2", twice) == "1\n1\n2\n2\n3\n3\n");
    BOOST_TEST(remembering("{key: '{{ msg }}', forget: 2s}" + workers, count, "1, 2", twice) == "1\n1\n1\n1\n1\n1\n");
  }
}

BOOST_AUTO_TEST_CASE(state_is_known_where_the_stage_has_a_key_and_nowhere_else) {
  const auto told = Bench(R"(
stages:
  a: {generate: {range: 1..3}}
  b: {from: a, lua: 'state.n = 1'}
  c: {from: b, lua: 'state = {}', state: {key: all, forget: 1s}}
  d: {from: c, pass: {}, state: {key: all, forget: 1s}}
  e: {from: d, lua: 'msg.n = 1', state: {key: all}}
  f: {from: e, lua: 'msg.n = state.n', state: {key: '{{ msg.n }}', forget: 1s}, workers: 2, order: free}
  g: {from: f, lua: 'msg.n = state.n', state: {key: '{{ mgs.x }}', forget: 1s, store: disk}}
  h: {from: g, drop: {}}
)")
                        .mistakes();
  BOOST_TEST(told.find("there is no 'state' here") != std::string::npos, told);
  BOOST_TEST(told.find("by 'state: {key: …, forget: 1h}' beside it") != std::string::npos, told);
  BOOST_TEST(told.find("'state' would be a global") != std::string::npos, told);
  BOOST_TEST(told.find("only the code of `lua` has something to remember") != std::string::npos, told);
  BOOST_TEST(told.find("state needs 'forget'") != std::string::npos, told);
  BOOST_TEST(told.find("'lua' remembers by its key, so its workers share the messages by that") != std::string::npos,
             told);
  BOOST_TEST(told.find("there is no 'mgs' here") != std::string::npos, told);
  BOOST_TEST(told.find("'disk' comes with a later version of weir") != std::string::npos, told);
}
