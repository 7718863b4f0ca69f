// Conditions, and that those which need no Lua say what Lua would say.
#include <boost/test/unit_test.hpp>

#include "engine/runtime/random.hpp"
#include "tests/script/bench.hpp"

using namespace weir;
using namespace weir::script;

namespace {

std::string said(Engine& engine, const std::string& code, const std::string& payload, Condition::Path path) {
  Condition condition;
  if (const auto error = condition.compile(engine, {code, {}}, path)) return "compile: " + told(*error);
  OneMessage one(payload);
  const auto holds = condition.holds(one.message());
  if (one.text() != payload) return "it changed the payload to " + one.text();
  return holds ? (*holds ? "yes" : "no") : told(holds.failure());
}

std::string said(const std::string& code, const std::string& payload) {
  StillHost host;
  Engine engine(host);
  return said(engine, code, payload, Condition::Path::automatic);
}

bool is_native(const std::string& code) {
  StillHost host;
  Engine engine(host);
  Condition condition;
  return !condition.compile(engine, {code, {}}) && condition.native();
}

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  std::string pick(std::initializer_list<const char*> from) { return from.begin()[random_.below(from.size())]; }
  std::string name() { return pick({"a", "b", "c", "len"}); }
  std::string scalar() {
    return pick({"0",
                 "1",
                 "-1",
                 "1.0",
                 "1.5",
                 "-0.0",
                 "2",
                 "9007199254740993",
                 "9007199254740992.0",
                 "1e300",
                 "9223372036854775807",
                 "9223372036854775808",
                 "\"\"",
                 "\"1\"",
                 "\"x\"",
                 "\"xy\"",
                 "\"\\u0061\"",
                 "true",
                 "false",
                 "null",
                 "[]",
                 "[1]"});
  }
  std::string object(int depth) {
    std::string out = "{";
    const auto members = random_.below(4);
    for (std::uint64_t i = 0; i < members; ++i) {
      out += (i ? ",\"" : "\"") + name() + "\":" + (depth > 0 && random_.below(3) == 0 ? object(depth - 1) : scalar());
    }
    return out + "}";
  }
  std::string payload() {
    return random_.below(10) == 0
               ? pick({"1", "\"x\"", "null", "[1]", "nonsense", "", "{\"a\":tru}", "{\"a\":{\"b\" 1}}"})
               : object(2);
  }
  std::string literal() {
    return pick({"0",
                 "1",
                 "-1",
                 "1.0",
                 "1.5",
                 "-0.0",
                 "0.5",
                 "2",
                 "9007199254740993",
                 "9007199254740992",
                 "1e300",
                 "0x10",
                 "9223372036854775807",
                 "9223372036854775808",
                 "''",
                 "\"1\"",
                 "'x'",
                 "[[xy]]",
                 "'\\97'",
                 "true",
                 "false",
                 "nil"});
  }
  std::string comparison() {
    std::string path = "msg." + name();
    if (random_.below(3) == 0) path += random_.below(2) ? "." + name() : "['" + name() + "']";
    return path + " " + pick({"==", "~=", "<", "<=", ">", ">="}) + " " + literal();
  }
  std::string condition() {
    std::string code = comparison();
    while (random_.below(3) == 0) code += " and " + comparison();
    return code;
  }

 private:
  runtime::Random random_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(comparisons_joined_by_and_need_no_lua) {
  for (const auto* code : {"msg.level == 'error'", "msg.a.b >= -1.5 and msg[\"x y\"] ~= nil", "msg.ok == true -- so"}) {
    BOOST_TEST(is_native(code), code);
  }
  for (const auto* code :
       {"msg.a", "not msg.a", "msg.a == 1 or msg.b == 2", "1 == msg.a", "msg.a == msg.b", "(msg.a == 1)",
        "msg.a == 1 + 1", "msg[1] == 1", "msg.a == 'x' .. 'y'", "text == 'x'", "msg.a() == 1"}) {
    BOOST_TEST(!is_native(code), code);
  }
}

BOOST_AUTO_TEST_CASE(a_missing_field_is_equal_to_nothing_and_in_no_order) {
  BOOST_TEST(said("msg.a == 1", "{}") == "no");
  BOOST_TEST(said("msg.a ~= 1", "{}") == "yes");
  BOOST_TEST(said("msg.a == nil", "{}") == "yes");
  BOOST_TEST(said("msg.a == nil", R"({"a":null})") == "no");
  BOOST_TEST(said("msg.a == null", R"({"a":null})") == "yes");
  BOOST_TEST(said("msg.a < 1", "{}") == "type: cannot compare nil with number in `msg.a < 1`");
  BOOST_TEST(said("msg.a > 1", "{}") == "type: cannot compare number with nil in `msg.a > 1`");
  BOOST_TEST(said("msg.a < 1", R"({"a":"0"})") ==
             "type: cannot compare string with number in `msg.a < 1`: num(…) makes a number of a text");
  BOOST_TEST(said("msg.a.b == 1", "{}") == "missing: a is missing");
  BOOST_TEST(said("msg.a.b == 1", R"({"a":null})") == "missing: a is null");
}

BOOST_AUTO_TEST_CASE(what_is_no_json_fails_as_decode) {
  BOOST_TEST(said("msg.a == 1", "hello") == "decode: the payload is not JSON: expected a value at byte 1");
  BOOST_TEST(said("msg.a == 1", R"({"a":1,"b":01})").starts_with("decode: the payload is not JSON: "));
  BOOST_TEST(said("true", "hello") == "yes");
}

BOOST_AUTO_TEST_CASE(all_but_nil_and_false_holds) {
  BOOST_TEST(said("msg.a", R"({"a":0})") == "yes");
  BOOST_TEST(said("msg.a", R"({"a":false})") == "no");
  BOOST_TEST(said("msg.a", "{}") == "no");
  BOOST_TEST(said("#msg.items > 1", R"({"items":[1,2]})") == "yes");
  BOOST_TEST(said("contains({'a', 'b'}, msg.x) and starts(msg.x, 'b')", R"({"x":"b"})") == "yes");
}

BOOST_AUTO_TEST_CASE(a_condition_changes_nothing) {
  BOOST_TEST(said("(function() msg.a = 2 return true end)()", R"({"a":1})") == "yes");
}

BOOST_AUTO_TEST_CASE(what_runs_without_lua_says_what_lua_says) {
  StillHost host;
  Engine engine(host);
  Maker maker(20260131);
#ifdef NDEBUG
  constexpr int rounds = 12'000;
#else
  constexpr int rounds = 3'000;
#endif
  for (int round = 0; round < rounds; ++round) {
    const auto code = maker.condition(), payload = maker.payload();
    const auto native = said(engine, code, payload, Condition::Path::automatic);
    const auto lua = said(engine, code, payload, Condition::Path::lua_only);
    BOOST_REQUIRE_MESSAGE(native == lua, code << " on " << payload << ": " << native << ", but Lua: " << lua);
  }
}

BOOST_AUTO_TEST_CASE(the_first_that_holds_is_chosen_with_and_without_lua) {
  StillHost host;
  Engine engine(host);
  const config::Map<config::Lua> conditions{
      {"x", {"msg.a == 'x'", {}}},   {"y", {"msg.a == 'y' and msg.n == 1", {}}}, {"long", {"#msg.a > 3", {}}},
      {"xy", {"msg.a == 'xy'", {}}}, {"quoted", {"msg.a == '\"'", {}}},          {"none", {"msg.a == ''", {}}}};
  Choice choice;
  BOOST_REQUIRE(!choice.compile(engine, conditions));
  const auto chosen = [&](const char* payload) {
    OneMessage one(payload);
    const auto first = choice.first(one.message());
    return first ? *first < conditions.size() ? conditions[*first].first : "else" : told(first.failure());
  };
  BOOST_TEST(chosen(R"({"a":"x"})") == "x");
  BOOST_TEST(chosen(R"({"a":"\u0078"})") == "x");
  BOOST_TEST(chosen(R"({"a":"y","n":1})") == "y");
  BOOST_TEST(chosen(R"({"a":"y","n":2})") == "else");
  BOOST_TEST(chosen(R"({"a":"xxxx"})") == "long");
  BOOST_TEST(chosen(R"({"a":"xy"})") == "xy");
  BOOST_TEST(chosen(R"({"a":"\""})") == "quoted");
  BOOST_TEST(chosen(R"({"a":""})") == "none");
  BOOST_TEST(chosen(R"({"a":"z"})") == "else");
  BOOST_TEST(chosen(R"({"a":1})") == "type: cannot get length of a number value (field 'a')");
}

BOOST_AUTO_TEST_CASE(a_payload_that_code_has_looked_at_is_known_to_be_json_in_every_copy) {
  StillHost host;
  Engine engine(host);
  for (const auto path : {Condition::Path::automatic, Condition::Path::lua_only}) {
    Condition condition;
    BOOST_REQUIRE(!condition.compile(engine, {"msg.a == 1", {}}, path));
    OneMessage json(R"({"a":1})");
    BOOST_TEST(!json.batch->known_json(0));
    BOOST_TEST(*condition.holds(json.message()));
    BOOST_TEST(json.batch->known_json(0));
    const auto copy = json.batch->copy();
    BOOST_TEST(copy->known_json(0));
    const message::Message copied(*copy, 0);
    BOOST_TEST(*condition.holds(copied));

    OneMessage none("{\"a\":1}}");
    BOOST_TEST(!condition.holds(none.message()));
    BOOST_TEST(!none.batch->known_json(0));
  }
}
