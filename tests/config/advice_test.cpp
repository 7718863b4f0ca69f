// What weir says to those who write another language's words in Lua.
#include <boost/test/unit_test.hpp>

#include <string>

#include "engine/config/advice.hpp"

namespace {

using namespace weir::config;

std::string advice(const char* code) { return lua_advice(code).value_or(""); }
std::string trap(const char* code) { return lua_trap(code).value_or(""); }
std::string bare(const char* code) {
  const auto advice = bare_lua_advice(code);
  return advice ? advice->cure : "";
}

BOOST_AUTO_TEST_CASE(words_of_other_languages) {
  BOOST_TEST(advice("msg.a != 1") == "Lua writes `~=`, not `!=`");
  BOOST_TEST(advice("msg.a && msg.b") == "Lua writes `and`, not `&&`");
  BOOST_TEST(advice("msg.a || msg.b") == "Lua writes `or`, not `||`");
  BOOST_TEST(advice("msg.a ?? msg.b") == "Lua writes `a or b`, not `a ?? b`");
  BOOST_TEST(advice("msg.a ? 1 : 2") == "Lua writes `a and b or c`, not `a ? b : c`");
  BOOST_TEST(advice("!msg.ok") == "Lua writes `not msg.ok`, not `!msg.ok`");
  BOOST_TEST(advice("msg.a === 1") == "Lua writes `==`, not `===`");
  BOOST_TEST(advice("state.n += 1") == "Lua writes `n = n + 1`, not `n += 1`");
  BOOST_TEST(advice("msg.a?.b") == "Lua has no `?.`: write `(msg.a or {}).b`");
}

BOOST_AUTO_TEST_CASE(a_word_of_lua_as_a_field) {
  BOOST_TEST(advice("msg.end > 1") == "`end` is a word of Lua: write `msg[\"end\"]`");
  BOOST_TEST(advice("msg.a.repeat") == "`repeat` is a word of Lua: write `msg.a[\"repeat\"]`");
}

BOOST_AUTO_TEST_CASE(a_subtraction_that_was_a_name) {
  BOOST_TEST(trap("msg.content-type == 1") == "`msg.content-type` is a subtraction: write `msg[\"content-type\"]`");
  BOOST_TEST(advice("msg.content-type") == "`msg.content-type` is a subtraction: write `msg[\"content-type\"]`");
  BOOST_TEST(trap("request.headers.content-type") ==
             "`request.headers.content-type` is a subtraction: write `request.headers[\"content-type\"]`");
  for (const char* fine : {"msg.a - msg.b", "msg.a-msg.b", "msg.a-1", "msg.a-i", "local cut = 1 return msg.a-cut",
                           "msg.a-num(msg.b)", "msg.a - b"})
    BOOST_TEST(trap(fine) == "", fine);
}

BOOST_AUTO_TEST_CASE(an_escape_that_lua_has_not) {
  BOOST_TEST(advice(R"x(re.match("^(\S+)", text))x") == R"x(Lua has no escape `\S`: write the text as `[[^(\S+)]]`)x");
  for (const char* fine : {R"x("\n\t\\\"\065\x41\u{e9}\z")x", R"x([[^(\S+)]])x", R"x(-- "\S")x"})
    BOOST_TEST(advice(fine) == "", fine);
}

BOOST_AUTO_TEST_CASE(a_length) {
  BOOST_TEST(trap("msg.items.length > 3") ==
             "Lua writes `#msg.items` for how many there are; a field of that name is `msg.items[\"length\"]`");
  for (const char* fine : {"msg.length > 3", "x.items.length", "msg.items[\"length\"]", "#msg.items > 3"})
    BOOST_TEST(trap(fine) == "", fine);
}

BOOST_AUTO_TEST_CASE(texts_and_comments_are_no_code) {
  for (const char* fine : {"msg.a == \"x != y\"", "msg.a -- && !", "msg.a == [[a ? b]]",
                           "msg.a ~= 1 and not msg.b or msg.c", "--[[ || ]] msg.a", "x:y()", "a // b", "a .. b"})
    BOOST_TEST(advice(fine) == "", fine);
}

BOOST_AUTO_TEST_CASE(what_is_not_filled_in_inside_bare_lua) {
  BOOST_TEST(bare("msg.n > ${limit}") == "bare Lua here: write `vars.limit`");
  BOOST_TEST(bare("msg.n > ${LIMIT:-5}") == "bare Lua here: under vars: write `x: '${LIMIT}'`, and here `vars.x`");
  BOOST_TEST(bare("\"x\" == \"${secret.api}\"") ==
             "bare Lua here: a secret can't be read in Lua; it stands only where an option says so, such as headers of "
             "http");
  BOOST_TEST(bare("{{ msg.n }} > 3") == "bare Lua here: write `msg.n` without the braces");
  for (const char* fine : {"local t = {{1}, {2}}", "return {{a = msg.a}}", "{{msg.a}, {msg.b}}", "x = {{msg.a, 1}}",
                           "re.match([[^\\d{2}$]], text)", "\"$\" .. \"{\""})
    BOOST_TEST(bare(fine) == "", fine);
}

}  // namespace
