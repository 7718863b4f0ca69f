// Texts with {{ }}, trees of them, and fields that are set.
#include <boost/test/unit_test.hpp>

#include "engine/runtime/random.hpp"
#include "tests/script/bench.hpp"

using namespace weir;
using namespace weir::script;

namespace {

config::Template parsed(const std::string& text) {
  config::Diagnostics diagnostics;
  auto made = config::parse_template(text, {}, diagnostics, "");
  BOOST_TEST(diagnostics.empty());
  return made;
}

std::string filled(const std::string& text, const std::string& payload = "{}") {
  StillHost host;
  Engine engine(host);
  Text compiled;
  if (const auto error = compiled.compile(engine, parsed(text))) return "compile: " + told(*error);
  OneMessage one(payload);
  const auto made = compiled.text(one.message());
  return made ? *made : told(made.failure());
}

std::string json(const std::string& text, const std::string& payload = "{}") {
  StillHost host;
  Engine engine(host);
  Text compiled;
  if (const auto error = compiled.compile(engine, parsed(text))) return "compile: " + told(*error);
  OneMessage one(payload);
  std::string out;
  const auto made = compiled.json(one.message(), out);
  return !made ? told(made.failure()) : *made ? out : "nothing";
}

config::Value text_value(const std::string& text) {
  config::Value value;
  value.kind = config::Value::Kind::text;
  value.text = parsed(text);
  return value;
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_are_shown_in_a_text) {
  const std::string payload = R"({"i":1,"f":1.50,"s":"a\"b","l":[1, 2],"o":{"k":null},"n":null,"t":true})";
  BOOST_TEST(filled("{{ msg.i }} {{ msg.f }} {{ msg.s }} {{ msg.l }} {{ msg.o }} {{ msg.n }} {{ msg.t }}", payload) ==
             R"(1 1.50 a"b [1, 2] {"k":null} null true)");
  BOOST_TEST(filled("{{ msg.i / 2 }}|{{ 4 / 2 }}|{{ msg.i + 1 }}|{{ {1, 2} }}|{{ 'x' }}", payload) ==
             "0.5|2.0|2|[1,2]|x");
  BOOST_TEST(filled("plain") == "plain");
  BOOST_TEST(filled("") == "");
  BOOST_TEST(filled("a {{ msg.q }}") == "missing: there is nothing to fill in: '{{ msg.q }}' is nil");
  BOOST_TEST(filled("a {{ msg.q.z }}") == "missing: q is missing");
  BOOST_TEST(filled("a {{ 0 / 0 }}") == "type: the value is not a number, which JSON cannot say");
  BOOST_TEST(filled("{{ text }}!", "no json") == "no json!");
  BOOST_TEST(filled("{{ msg.a }}!", "no json") ==
             "decode: the payload is not JSON: expected true, false or null at byte 2");
}

BOOST_AUTO_TEST_CASE(a_lone_one_keeps_its_type) {
  BOOST_TEST(json("{{ msg.f }}", R"({"f":1.50})") == "1.50");
  BOOST_TEST(json("{{ msg.s }}", R"({"s":"\u0061"})") == R"("\u0061")");
  BOOST_TEST(json("{{ msg.s .. '' }}", R"({"s":"\u0061"})") == R"("a")");
  BOOST_TEST(json("{{ msg.q }}") == "nothing");
  BOOST_TEST(json("{{ null }}") == "null");
  BOOST_TEST(json("{{ {a = {}} }}") == R"({"a":{}})");
  BOOST_TEST(json(" {{ 1 }}") == R"(" 1")");
  BOOST_TEST(json("a\"b") == R"("a\"b")");
}

BOOST_AUTO_TEST_CASE(each_filling_is_escaped_and_may_be_refused) {
  StillHost host;
  Engine engine(host);
  Text text;
  BOOST_TEST(!text.compile(engine, parsed("{{ msg.a }}/{{ msg.b }}")));
  const Escape escape = [](std::string_view value, bool opens, std::string& out) -> message::Done {
    if (value == "bad") return message::Failure(message::Reason::type, "bad may not stand here");
    out += (opens ? "^" : "<") + std::string(value) + ">";
    return std::nullopt;
  };
  OneMessage one(R"({"a":1,"b":"x"})"), other(R"({"a":1,"b":"bad"})");
  std::string out = "…";
  const auto before = out;
  out.clear();
  BOOST_TEST(!text.fill(one.message(), out, escape));
  BOOST_TEST(out == "^1>/<x>");
  const auto refused = text.fill(other.message(), out, escape);
  BOOST_TEST((refused && told(*refused) == "type: bad may not stand here"));
  BOOST_TEST(out == "^1>/<x>");
}

BOOST_AUTO_TEST_CASE(a_tree_leaves_out_what_is_nil) {
  config::Value tree;
  tree.kind = config::Value::Kind::map;
  config::Value list;
  list.kind = config::Value::Kind::list;
  list.items = {text_value("{{ msg.q }}"), text_value("x{{ msg.a }}"), text_value("c")};
  tree.fields = {
      {"gone", text_value("{{ msg.q }}")}, {"list", list}, {"a", text_value("{{ msg.a }}")}, {"c", text_value("1")}};
  StillHost host;
  Engine engine(host);
  Tree compiled;
  BOOST_TEST(!compiled.compile(engine, tree));
  OneMessage one(R"({"a":1})");
  std::string out = "=";
  const auto wrote = compiled.json(one.message(), out);
  BOOST_TEST((wrote && *wrote));
  BOOST_TEST(out == R"(={"list":[null,"x1","c"],"a":1,"c":"1"})");
  BOOST_TEST(!compiled.constant());
}

BOOST_AUTO_TEST_CASE(in_generate_there_is_i_and_item) {
  StillHost host;
  Engine engine(host);
  Text text;
  BOOST_TEST(!text.compile(engine, parsed("{{ i }}:{{ item.name }}"), Setting::generate));
  Names names;
  names.i = 3;
  names.item = R"({"name":"x"})";
  std::string out;
  BOOST_TEST(!text.fill(names, out));
  BOOST_TEST(out == "3:x");
  names.item = R"({"name":"y"})";
  out.clear();
  BOOST_TEST(!text.fill(names, out));
  BOOST_TEST(out == "3:y");
  const auto error = Text().compile(engine, parsed("{{ msg.a }}"), Setting::generate);
  BOOST_TEST((error && told(*error) == "there is no 'msg' here (in 'generate' there is no message yet)"));
}

BOOST_AUTO_TEST_CASE(fields_are_set_together_or_not_at_all) {
  StillHost host;
  Engine engine(host);
  const auto set = [&](config::Map<config::Value> fields, const std::string& payload) {
    Fields compiled;
    if (const auto error = compiled.compile(engine, fields)) return told(*error);
    OneMessage one(payload);
    const auto failure = compiled.set(one.message());
    return (failure ? told(*failure) + " | " : "") + one.text();
  };
  BOOST_TEST(set({{"a", text_value("{{ msg.b }}")}, {"b", text_value("{{ msg.a }}")}, {"c.d", text_value("x")}},
                 R"({"a":1,"b":2})") == R"({"a":2,"b":1,"c":{"d":"x"}})");
  BOOST_TEST(set({{"a", text_value("{{ msg.q }}")}}, R"({"a":1})") == R"({"a":1})");
  BOOST_TEST(set({{"x", text_value("1")}, {"a.b", text_value("1")}}, R"({"a":1})") ==
             R"(type: 'a.b' cannot be set: something on the way is no object | {"a":1})");
  BOOST_TEST(set({{"x", text_value("1")}}, "[1]") ==
             "type: fields can only be set in an object, and the payload is none: `decode: {format: text, into: line}` "
             "makes one of a text | [1]");
  BOOST_TEST(set({{"x", text_value("1")}}, "hi") ==
             "decode: the payload is not JSON: expected a value at byte 1; fields can only be set in an object, and "
             "`decode: {format: text, into: line}` makes one of a text | hi");
}

BOOST_AUTO_TEST_CASE(a_field_and_one_sum_with_it_need_no_lua) {
  StillHost host;
  Engine engine(host);
  const auto native = [&](const std::string& text) {
    Text compiled;
    return !compiled.compile(engine, parsed(text)) && compiled.native();
  };
  for (const auto* text : {"{{ msg.a }}", "{{ msg.a / 1000 }}", "{{ msg.a.b - -1.5 }} and {{ msg['x y'] * 2e3 -- so }}",
                           "{{ msg.a .. msg.b.c }}", "{{ 'a' .. msg.a .. \"b\" }}", "{{ 'a' .. 'b' }}"}) {
    BOOST_TEST(native(text), text);
  }
  for (const auto* text :
       {"{{ (msg.a / 2) }}", "{{ 2 / msg.a }}", "{{ msg.a // 2 }}", "{{ msg.a % 2 }}", "{{ msg.a ^ 2 }}",
        "{{ msg.a + 1 + 1 }}", "{{ msg.a * 0x10 }}", "{{ msg.a + '1' }}", "{{ msg.a + msg.b }}", "{{ msg.a .. 1 }}",
        "{{ msg.a == 1 }}", "{{ -msg.a }}", "{{ 'a' }}", "{{ msg.a .. msg.b + 1 }}", "{{ (msg.a .. 'x') .. 'y' }}",
        "{{ msg.a .. i }}", "{{ msg.a .. nil }}", "{{ msg.a - 0 }}"}) {
    BOOST_TEST(!native(text), text);
  }
}

BOOST_AUTO_TEST_CASE(texts_joined_without_lua_say_what_lua_says) {
  StillHost host;
  Engine engine(host);
  for (const bool as_json : {false, true}) {
    for (const auto* payload :
         {R"({"a":"x","b":"y"})", R"({"a":"","b":"\u00e9\n\"","a b":"z"})", R"({"a":"x","b":7})",
          R"({"a":"x","b":1.50})", R"({"a":"x"})", R"({"a":"x","b":null})", R"({"a":"x","b":[1]})",
          R"({"a":"x","b":true})", R"({"a":"x","b":{"c":"deep"}})", "[1]", "7", "\"text\"", "no JSON"}) {
      for (const std::string code : {"msg.a .. msg.b", "'<' .. msg.a .. '>'", "msg.a .. msg.b.c .. '\\n\"'",
                                     "'' .. msg['a b'] .. msg.a .. 'é'"}) {
        const auto said = [&](const std::string& text) {
          Text compiled;
          BOOST_REQUIRE(!compiled.compile(engine, parsed(text)));
          OneMessage one(payload);
          std::string out = "before ";
          if (as_json) {
            const auto wrote = compiled.json(one.message(), out);
            return !wrote ? told(wrote.failure()) + " after " + out : out;
          }
          const auto failure = compiled.fill(one.message(), out);
          return failure ? told(*failure) + " after " + out : out;
        };
        const auto native = said("{{ " + code + " }}"), lua = said("{{ (" + code + ") }}");
        BOOST_TEST(native == lua, code << " on " << payload << ": " << native << ", but Lua: " << lua);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_sum_without_lua_says_what_lua_says) {
  StillHost host;
  runtime::Random random(20260131);
  const auto pick = [&](std::initializer_list<const char*> from) {
    return std::string(from.begin()[random.below(from.size())]);
  };
  Engine engine(host);
  const auto made = [&](const std::string& text, const std::string& payload, bool as_json) -> std::string {
    Text compiled;
    if (const auto error = compiled.compile(engine, parsed(text))) return "compile: " + told(*error);
    OneMessage one(payload);
    std::string out = "before ";
    if (as_json) {
      const auto wrote = compiled.json(one.message(), out);
      return !wrote ? told(wrote.failure()) + " after " + out : *wrote ? out : "nothing";
    }
    const auto failure = compiled.fill(one.message(), out);
    return failure ? told(*failure) + " after " + out : out;
  };
#ifdef NDEBUG
  constexpr int rounds = 12'000;
#else
  constexpr int rounds = 3'000;
#endif
  for (int round = 0; round < rounds; ++round) {
    const std::string sum =
        pick({"msg.a", "msg.b", "msg.a.b", "msg['a']", "msg.len"}) + " " + pick({"+", "-", "*", "/"}) + " " +
        pick({"0", "1", "-1", "1000", "-0", "0.0", "-0.0", "0.1", "1e3", "1.5", "3", "1e308", "1e-320",
              "9007199254740993", "9223372036854775807", "-9223372036854775807", "9223372036854775808", "0x10"});
    const auto value = [&] {
      return pick({"0",
                   "1",
                   "-1",
                   "3",
                   "-0",
                   "1.0",
                   "-0.0",
                   "0.1",
                   "1e3",
                   "1E400",
                   "1e308",
                   "5e-324",
                   "9007199254740993",
                   "9223372036854775807",
                   "-9223372036854775808",
                   "9223372036854775808",
                   "1234",
                   "\"1\"",
                   "null",
                   "true",
                   "[1]",
                   "{\"b\":2.5}",
                   "{\"b\":7}",
                   "{}",
                   "01",
                   "1."});
    };
    const std::string payload = random.below(20) == 0
                                    ? pick({"", "1", "[1]", "null", "nonsense", "{\"a\":1"})
                                    : "{\"a\":" + value() + ",\"b\":" + value() + ",\"a\":" + value() + "}";
    const bool lone = random.below(2) == 0, as_json = random.below(2) == 0;
    const std::string before = lone ? "" : "x ";
    const auto native = made(before + "{{ " + sum + " }}", payload, as_json);
    const auto lua = made(before + "{{ (" + sum + ") }}", payload, as_json);
    BOOST_REQUIRE_MESSAGE(native == lua, sum << " on " << payload << ": " << native << ", but Lua: " << lua);
  }
}
