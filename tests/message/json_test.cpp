// JSON text: the strict check, strings between quotes, the structural index.
#include <rapidcheck.h>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <memory>
#include <random>
#include <vector>

#include "engine/message/arena.hpp"
#include "engine/message/json.hpp"

namespace {

using namespace weir::message;

/// A text with the padding that payloads have; the padding holds what must not be read as part of it.
class Padded {
 public:
  explicit Padded(std::string_view text, char behind = ' ') : bytes_(text), size_(text.size()) {
    bytes_.append(padding, behind);
  }
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::string bytes_;
  std::size_t size_;
};

/// "ok", or "OFFSET: what". All three ways must agree.
std::string verdict(std::string_view text) {
  const auto say = [](const std::optional<JsonError>& error) {
    return error ? std::to_string(error->offset) + ": " + error->what : "ok";
  };
  const std::string slow = say(check_json_slowly(text));
  BOOST_TEST(say(check_json(text)) == slow);
  for (const char behind : {' ', '"', '1', ']', '}', '\\', '\0'}) {
    BOOST_TEST(say(check_json_padded(Padded(text, behind).view())) == slow);
  }
  return slow;
}

BOOST_AUTO_TEST_CASE(any_value_may_be_the_whole_text) {
  for (const char* text :
       {"null", "true", "false", "0", "-1.5e3", "\"\"", "\"a\"", "[]", "{}", " [ ] ", "\t{\n}\r\n"}) {
    BOOST_TEST(verdict(text) == "ok", text);
  }
}

BOOST_AUTO_TEST_CASE(an_error_says_what_and_where) {
  using namespace std::string_view_literals;
  BOOST_TEST(verdict("") == "0: expected a value, found nothing");
  BOOST_TEST(verdict("  \n") == "3: expected a value, found nothing");
  BOOST_TEST(verdict("{\"a\":1") == "6: expected ',' or '}', found the end");
  BOOST_TEST(verdict("[1,,2]") == "3: expected a value");
  BOOST_TEST(verdict("[1,]") == "3: expected a value");
  BOOST_TEST(verdict("{\"a\":1,}") == "7: expected '\"', the begin of a key");
  BOOST_TEST(verdict("{\"a\" 1}") == "5: expected ':'");
  BOOST_TEST(verdict("{a:1}") == "1: expected '\"', the begin of a key");
  BOOST_TEST(verdict("[1}") == "2: expected ',' or ']'");
  BOOST_TEST(verdict("[tru]") == "4: expected true, false or null");
  BOOST_TEST(verdict("[01]") == "2: a number must not begin with 0");
  BOOST_TEST(verdict("[1.]") == "3: expected a digit behind the point");
  BOOST_TEST(verdict("[1e]") == "3: expected a digit of the exponent");
  BOOST_TEST(verdict("[-]") == "2: expected a digit");
  BOOST_TEST(verdict("\"abc") == "4: expected '\"', the end of the string, found the end");
  BOOST_TEST(verdict("\"abc\\") == "5: expected '\"', the end of the string, found the end");
  BOOST_TEST(verdict("\"a\tb\"") == "2: a control character in a string must be escaped");
  BOOST_TEST(verdict("\"\\x\"") == "1: no such escape");
  BOOST_TEST(verdict("\"\\u12g4\"") == "1: expected four hexadecimal digits behind \\u");
  BOOST_TEST(verdict("\"\\ud800\"") == "1: the first half of a surrogate pair without the second");
  BOOST_TEST(verdict("\"\\udc00\"") == "1: the second half of a surrogate pair without the first");
  BOOST_TEST(verdict("\"\xff\"") == "1: not UTF-8");
  BOOST_TEST(verdict("\"\xed\xa0\x80\"") == "1: not UTF-8");
  BOOST_TEST(verdict("\"\xc0\xaf\"") == "1: not UTF-8");
  BOOST_TEST(verdict("\xef\xbb\xbf{}") == "0: expected a value");
  BOOST_TEST(verdict("{} {}") == "3: expected the end: one value is all");
  BOOST_TEST(verdict("1\0"sv) == "1: expected the end: one value is all");
  BOOST_TEST(verdict("\0"sv) == "0: expected a value");
  BOOST_TEST(verdict("[\"a\0\"]"sv) == "3: a control character in a string must be escaped");
}

BOOST_AUTO_TEST_CASE(numbers_that_nobody_can_hold_pass_as_text) {
  for (const char* text : {"[123456789012345678901234567890]", "1e400", "[-1e+9999]", "18446744073709551616"}) {
    BOOST_TEST(verdict(text) == "ok", text);
  }
}

BOOST_AUTO_TEST_CASE(duplicate_keys_pass) { BOOST_TEST(verdict("{\"a\":1,\"a\":2}") == "ok"); }

BOOST_AUTO_TEST_CASE(depth_is_limited_and_costs_no_stack) {
  const auto arrays = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  const auto objects = [](std::size_t depth) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += "{\"a\":";
    return text + "1" + std::string(depth, '}');
  };
  BOOST_TEST(verdict(arrays(512)) == "ok");
  BOOST_TEST(verdict(objects(512)) == "ok");
  BOOST_TEST(verdict("[" + objects(511) + "]") == "ok");
  BOOST_TEST(verdict(arrays(513)) == "512: nested deeper than 512 levels");
  BOOST_TEST(verdict(objects(513)) == "2560: nested deeper than 512 levels");
  BOOST_TEST(verdict(arrays(200000)) == "512: nested deeper than 512 levels");
  BOOST_TEST(verdict(std::string(200000, '[')) == "512: nested deeper than 512 levels");
}

BOOST_AUTO_TEST_CASE(a_large_text_leaves_the_thread_s_parser_small) {
  std::string text = "[\"" + std::string(5'000'000, 'x') + "\"]";
  BOOST_TEST(!check_json(text));
  BOOST_TEST(!check_json("[1]"));
  text.pop_back();
  BOOST_TEST(check_json(text)->offset == text.size());
  const Padded padded(text + "]");
  BOOST_TEST(structure_of(padded.view()).count == 3U);
  BOOST_TEST(structure_of(Padded("[1]").view()).count == 3U);
}

BOOST_AUTO_TEST_CASE(a_text_that_has_been_changed_gets_one_verdict_from_both_checkers) {
  std::mt19937 random(7);
  const std::string good =
      "{\"a\":[1,-2.5e3,true,false,null,\"x\\u00e9\\n\\\"\"],\"b\\ud83d\\ude00\":{\"c\":{}},\"\xc3\xa4\":"
      "\"\xf0\x9f\x98\x80\"}";
  const std::string spice = "{}[]\",:\\0123456789-+.eEtrufalsn \n\t\x01\xc3\xa4\xf0\x9f\x98\x80";
  int accepted = 0;
  for (int i = 0; i < 60000; ++i) {
    std::string text = good;
    for (int edits = static_cast<int>(random() % 3) + 1; edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = spice[random() % spice.size()];
          break;
        case 1:
          text.erase(at, 1 + random() % 3);
          break;
        case 2:
          text.insert(at, 1, spice[random() % spice.size()]);
          break;
        default:
          text.resize(at + 1);
      }
      if (text.empty()) break;
    }
    const bool slow = !check_json_slowly(text);
    // check_json() asks the slow one only if simdjson refuses; a difference shows where simdjson accepts.
    BOOST_REQUIRE_MESSAGE(!check_json(text) == slow, text);
    accepted += slow;
  }
  BOOST_TEST(accepted > 1000);
}

/// Any JSON text, with blanks wherever they may stand.
std::string any_json(int depth) {
  const auto blanks = [] { return *rc::gen::element<std::string>("", "", "", " ", "\n", "\t\r ", "    "); };
  const auto string = [] {
    std::string text = "\"";
    for (int pieces = *rc::gen::inRange(0, 6); pieces > 0; --pieces) {
      text += *rc::gen::element<std::string>(
          "a", "plain text", "fifteen bytes..", "sixteen bytes...", "\x7f", "/", "{[:,]}", "\\\"", "\\\\", "\\n", "\\/",
          "\\u0041", "\\uFFFF", "\\ud83d\\uDe00", "\xc3\xa4", "\xe2\x82\xac\xe2\x82\xac", "\xf0\x9f\x98\x80");
    }
    return text + '"';
  };
  const int kind = *rc::gen::inRange(0, depth > 0 ? 8 : 5);
  if (kind == 0) return *rc::gen::element<std::string>("true", "false", "null");
  if (kind == 1)
    return *rc::gen::element<std::string>("0", "-0", "7", "-12", "1.5", "0.25e7", "1E+9", "1e-999", "-3e5");
  if (kind == 2) return std::to_string(*rc::gen::arbitrary<std::int64_t>());
  if (kind < 5) return string();
  const bool object = kind < 7;
  std::string text = object ? "{" : "[";
  text += blanks();
  for (int members = *rc::gen::inRange(0, 5), i = 0; i < members; ++i) {
    if (i > 0) text += ',' + blanks();
    if (object) text += string() + blanks() + ':' + blanks();
    text += any_json(depth - 1) + blanks();
  }
  return text + (object ? '}' : ']');
}

/// A text damaged in up to three places.
std::string damaged(std::string text) {
  const std::string spice = "{}[]\",:\\/0123456789-+.eEutrfalsn \n\t\x01\x7f\xc3\xa4\xe2\xed\xf0\x9f\x98\x80\xff";
  for (int edits = *rc::gen::inRange(0, 4); edits > 0 && !text.empty(); --edits) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    const char other = spice[*rc::gen::inRange<std::size_t>(0, spice.size())];
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
        text[at] = other;
        break;
      case 1:
        text.insert(at, 1, other);
        break;
      case 2:
        text.erase(at, *rc::gen::inRange<std::size_t>(1, 4));
        break;
      case 3:
        text.insert(at, text.substr(*rc::gen::inRange<std::size_t>(0, text.size()), 5));
        break;
      default:
        text.resize(at + 1);
    }
  }
  return text;
}

/// Of a text that is an array or an object: what each member's key and value are, by the structure of the plain loop.
std::vector<std::pair<std::string, std::string>> members_by_structure(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> members;
  const Structure plain = structure_of_short(text);
  const auto piece = [&](std::uint32_t from, std::uint32_t to) {  // Without the blanks behind it.
    const std::string whole = text.substr(plain.offsets[from], plain.offsets[to] - plain.offsets[from]);
    return whole.substr(0, whole.find_last_not_of(" \n\t\r") + 1);
  };
  for (std::uint32_t at = 1; at + 1 < plain.count;) {
    auto& [key, value] = members.emplace_back();
    if (text[plain.offsets[0]] == '{') {
      key = piece(at, at + 1);
      at += 2;
    }
    const std::uint32_t begin = at;
    int depth = 0;
    do {
      const char c = text[plain.offsets[at++]];
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    } while (depth > 0);
    value = piece(begin, at++);
  }
  return members;
}

BOOST_AUTO_TEST_CASE(the_quick_check_says_of_any_text_what_the_plain_loop_says_and_finds_the_members) {
  const auto say = [](const std::optional<JsonError>& error) {
    return error ? std::to_string(error->offset) + ": " + error->what : "ok";
  };
  BOOST_TEST(rc::check([&] {
    const std::string whole = any_json(4);
    RC_ASSERT(!check_json_slowly(whole));
    for (int i = 0; i < 20; ++i) {
      const std::string text = i == 0 ? whole : damaged(whole);
      const std::string slow = say(check_json_slowly(text));
      // A piece of memory that is no longer than the text, so that a sanitizer sees a look behind it.
      const auto bare = std::make_unique<char[]>(text.size());
      std::copy(text.begin(), text.end(), bare.get());
      RC_ASSERT(say(check_json({bare.get(), text.size()})) == slow);
      Members found;
      const Padded padded(text, *rc::gen::element(' ', '"', '1', ']', '}', '\\', '\0'));
      RC_ASSERT(say(check_json_padded(padded.view(), &found)) == slow);
      RC_ASSERT(!found.first || slow == "ok");
      // Only of scalars, and of an object that has a key with an escape, may there be none.
      if (slow == "ok" && text.find_first_of("[{") == text.find_first_not_of(" \n\t\r")) {
        const auto there = members_by_structure(text);
        const auto escaped = [](const auto& member) { return member.first.find('\\') != std::string::npos; };
        RC_ASSERT((found.first != nullptr) == std::none_of(there.begin(), there.end(), escaped));
        if (!found.first) continue;
        std::vector<std::pair<std::string, std::string>> members;
        for (const Member* member = found.first; member != found.first + found.count; ++member) {
          auto& [key, value] = members.emplace_back();
          if (member->key != 0) key = text.substr(member->key - 1, member->key_end - member->key + 2);
          value = text.substr(member->value, member->value_end - member->value);
        }
        RC_ASSERT(members == there);
      }
    }
  }));
}

BOOST_AUTO_TEST_CASE(keys_of_the_text_before_are_no_keys_of_this_one) {
  const auto members_of = [](const std::string& text) {
    const Padded padded(text);
    Members found;
    BOOST_TEST(!check_json_padded(padded.view(), &found), text);
    std::string said;
    for (const Member* member = found.first; member != found.first + found.count; ++member) {
      said += text.substr(member->key, member->key_end - member->key) + "=" +
              text.substr(member->value, member->value_end - member->value) + ";";
    }
    return said;
  };
  const std::string long_key(40, 'k');
  BOOST_TEST(members_of(R"({"a":1,"b":{"c":2,"d":3},"a key of 20 bytes..":4,")" + long_key + R"(":5,"e" : 6,"f":7})") ==
             R"(a=1;b={"c":2,"d":3};a key of 20 bytes..=4;)" + long_key + "=5;e=6;f=7;");
  BOOST_TEST(members_of(R"({"a":1,"a key of 20 bytes..":4,"f":7})") == "a=1;a key of 20 bytes..=4;f=7;");
  BOOST_TEST(members_of(R"({"ab":1,"x":2,"a":3,"b":{"d":3},"a key of 20 bytes,,":4,"f"  :7,"f":8})") ==
             R"(ab=1;x=2;a=3;b={"d":3};a key of 20 bytes,,=4;f=7;f=8;)");
  std::string many = "{";
  for (int i = 0; i < 200; ++i) many += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":1";
  many += "}";
  const std::string all = members_of(many);
  BOOST_TEST(members_of(many) == all);
  BOOST_TEST(members_of(R"({"a":1})") == "a=1;");

  // The text ends within a key; with what stands behind it, it would be the one that is expected.
  BOOST_TEST(members_of(R"({"x}":1})") == "x}=1;");
  std::string cut = R"({"x}":1})";
  cut.append(padding, ' ');
  BOOST_TEST(check_json_padded(std::string_view(cut).substr(0, 4)).has_value());
}

BOOST_AUTO_TEST_CASE(every_beginning_of_a_text_is_refused) {
  const std::string text = "{\"a\":[1,{\"b\":\"\\u00e9\\\\\"}],\"\xc3\xa4\":\"x\"}";
  for (std::size_t size = 0; size < text.size(); ++size) {
    const Padded part(text.substr(0, size), text[size]);
    BOOST_TEST(check_json_padded(part.view()).has_value(), size);
    BOOST_TEST(check_json_slowly(part.view()).has_value(), size);
  }
}

std::string in_quotes(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

BOOST_AUTO_TEST_CASE(quoting_escapes_what_must_be_and_repairs_what_is_not_utf_8) {
  using namespace std::string_view_literals;
  BOOST_TEST(in_quotes("") == "\"\"");
  BOOST_TEST(in_quotes("a/b") == "\"a/b\"");
  BOOST_TEST(in_quotes("\"\\\n\t\r\b\f\x01\x1f\x7f") == "\"\\\"\\\\\\n\\t\\r\\b\\f\\u0001\\u001f\x7f\"");
  BOOST_TEST(in_quotes("a\0b"sv) == "\"a\\u0000b\"");
  BOOST_TEST(in_quotes("\xc3\xa4\xf0\x9f\x98\x80") == "\"\xc3\xa4\xf0\x9f\x98\x80\"");
  BOOST_TEST(in_quotes("a\xff"
                       "b") ==
             "\"a\xef\xbf\xbd"
             "b\"");
  BOOST_TEST(in_quotes("\xc3") == "\"\xef\xbf\xbd\"");
  BOOST_TEST(in_quotes("\xe2\x82") == "\"\xef\xbf\xbd\xef\xbf\xbd\"");
  BOOST_TEST(in_quotes("\xed\xa0\x80") == "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

BOOST_AUTO_TEST_CASE(unquoting_knows_every_escape) {
  std::string out;
  BOOST_TEST(unquote(R"("\"\\\/\b\f\n\r\t")", out));
  BOOST_TEST(out == "\"\\/\b\f\n\r\t");
  BOOST_TEST(unquote(R"("\u0041\u00e4\u20ac\uD83D\ude00\u0000")", out));
  BOOST_TEST(out == std::string("A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\0", 11));
  for (const char* bad : {"", "\"", "a", "\"a", "a\"", R"("\")", R"("\x")", R"("\u12")", R"("\ud800")",
                          R"("\ud800\u0041")", R"("\udc00")", R"("\ud800\n")", "\"a\"b\"", "\"\n\""}) {
    BOOST_TEST(!unquote(bad, out), bad);
  }
}

BOOST_AUTO_TEST_CASE(what_was_quoted_is_valid_and_comes_back) {
  std::mt19937 random(11);
  for (int i = 0; i < 20000; ++i) {
    std::string text(random() % 40, ' ');
    for (char& c : text) c = static_cast<char>(random() % 4 == 0 ? random() % 256 : random() % 128);
    const std::string json = in_quotes(text);
    BOOST_REQUIRE_MESSAGE(!check_json(json), json);
    std::string back, again;
    BOOST_REQUIRE(unquote(json, back));
    BOOST_REQUIRE(unquote(in_quotes(back), again) && again == back);
    if (!check_json('"' + std::string(text.size(), 'x') + '"') && back.size() == text.size())
      BOOST_REQUIRE(back == text);
  }
}

std::vector<std::uint32_t> offsets(const Structure& structure) {
  return {structure.offsets, structure.offsets + structure.count};
}

BOOST_AUTO_TEST_CASE(both_structural_indexes_agree_on_valid_text) {
  std::mt19937 random(13);
  const std::vector<std::string> pieces = {"1",        "-2.5e3",   "true",         "null", "\"\"", "\"a,b:[]{}\"",
                                           "\"\\\\\"", "\"\\\"\"", "\"\xc3\xa4\"", "[]",   "{}"};
  for (int i = 0; i < 5000; ++i) {
    std::string text = pieces[random() % pieces.size()];
    for (int levels = static_cast<int>(random() % 6); levels > 0; --levels) {
      const std::string blank(random() % 3, " \n\t"[random() % 3]);
      const std::string other = pieces[random() % pieces.size()];
      text = random() % 2 ? "[" + blank + text + "," + blank + other + "]" + blank
                          : blank + "{\"k\"" + blank + ":" + text + ",\"\\u00e4\":" + blank + other + "}";
    }
    BOOST_REQUIRE_MESSAGE(!check_json(text), text);
    const Padded padded(text, '"');
    const auto fast = offsets(structure_of(padded.view()));
    BOOST_REQUIRE_MESSAGE(fast == offsets(structure_of_short(text)), text);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_check_tells_the_members_it_has_found) {
  const auto members_of = [](const std::string& text) {
    const Padded padded(text, ' ');
    Members found{reinterpret_cast<const Member*>(&found), 1};
    BOOST_TEST(!check_json_padded(padded.view(), &found));
    std::string said = found.first ? "" : "unknown";
    for (const Member* member = found.first; found.first && member != found.first + found.count; ++member) {
      said += text.substr(member->key, member->key_end - member->key) + "=" +
              text.substr(member->value, member->value_end - member->value) + ";";
    }
    return said;
  };
  BOOST_TEST(members_of(R"({"a":[1,{"b":"x\"y"}] , "" :null,"c":{ }})") == R"(a=[1,{"b":"x\"y"}];=null;c={ };)");
  BOOST_TEST(members_of("[ 1 , [] ,\"x\" ]") == "=1;=[];=\"x\";");
  BOOST_TEST(members_of(" [ ] ") == "");
  BOOST_TEST(members_of("{}") == "");
  BOOST_TEST(members_of("\"x\"") == "unknown");
  BOOST_TEST(members_of("1e999") == "unknown");  // JSON, but only the loop says so.
  BOOST_TEST(members_of("[" + std::string(40'000, ' ') + "1]") == "unknown");
}
