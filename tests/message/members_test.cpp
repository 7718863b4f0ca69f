// The members of a payload's root without a view: they are seen and changed exactly as the view would.
#include "engine/message/members.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

#include "engine/message/payload.hpp"

namespace {

using namespace weir;
using namespace weir::message;

struct One {
  explicit One(std::string_view payload) : batch(Batch::make()), message(*batch, batch->append(payload, {})) {}
  bool has_view() const { return batch->document_if_any(0) != nullptr; }
  std::string text() const { return std::string(message.text()); }
  Batch::Pointer batch;
  Message message;
};

MemberName name(const char* path) { return MemberName::of(path).value(); }

std::string number_of(const Glimpse& seen) {
  const auto number = seen.number();
  if (!number) return "none";
  return std::visit([](auto known) { return std::to_string(known); }, *number);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_member_is_seen_without_a_view) {
  One one(R"( {"n" : 1 , "f":-2.5,"s":"x","t":true,"z":null,"o":{"n":7},"l":[1],"n2":1e999,"e":"a\n"} )");
  BOOST_TEST(number_of(Look(one.message).member("n")) == "1");
  BOOST_TEST(number_of(Look(one.message).member("f")) == "-2.500000");
  BOOST_TEST(number_of(Look(one.message).member("s")) == "none");
  BOOST_TEST(number_of(Look(one.message).member("n2")) == "none");
  BOOST_TEST(Look(one.message).member("n2").is_number());
  std::string scratch;
  BOOST_TEST(Look(one.message).member("s").text(scratch).value() == "x");
  BOOST_TEST(Look(one.message).member("e").text(scratch).value() == "a\n");
  BOOST_TEST(!Look(one.message).member("t").text(scratch));
  BOOST_TEST(Look(one.message).member("z").is_null());
  BOOST_TEST(Look(one.message).member("o").json() == R"({"n":7})");
  BOOST_TEST(Look(one.message).member("missing").is_nothing());
  BOOST_TEST(!one.has_view());
  BOOST_TEST(Look(one.message).at("l").json() == "[1]");
  BOOST_TEST(!one.has_view());
  BOOST_TEST(Look(one.message).at("o.n").json() == "7");
  BOOST_TEST(one.has_view());
}

BOOST_AUTO_TEST_CASE(a_text_is_plain_up_to_its_first_escape_wherever_that_stands) {
  for (std::size_t size = 0; size < 70; ++size) {
    One plain(R"({"s":")" + std::string(size, 'x') + R"(","e":"\n"})");
    BOOST_TEST(Look(plain.message).member("s").is_plain_string());
    BOOST_TEST(Look(plain.message).member("s").unquoted() == std::string(size, 'x'));
    for (std::size_t at = 0; at < size; ++at) {
      // (Bytes that differ from a backslash in one bit.)
      One one(R"({"s":")" + std::string(at, ']') + R"(\n)" + std::string(size - at - 1, 'L') + R"("})");
      BOOST_TEST(!Look(one.message).member("s").is_plain_string());
    }
  }
  BOOST_TEST(!Look(One(R"({"s":1})").message).member("s").is_plain_string());
}

BOOST_AUTO_TEST_CASE(a_row_whose_members_are_forgotten_is_json_all_the_same) {
  One one(R"({"n":1})");
  BOOST_TEST(number_of(Look(one.message).member("n")) == "1");
  one.batch->forget_members(0);
  const auto to = Batch::make();
  to->take_row(*one.batch, 0);
  BOOST_TEST(to->known_json(0));
  BOOST_TEST(!to->members(0).first);
  BOOST_TEST(number_of(Look({*to, 0}).member("n")) == "1");
}

BOOST_AUTO_TEST_CASE(where_only_the_view_can_tell_it_does) {
  for (const auto* text : {"[1]", "7", "[]", R"({"\u006e":1})"}) {
    One one(text);
    BOOST_TEST(Look(one.message).member("n").unclear(), text);
    MemberEdits edits;
    BOOST_TEST(!edits.begin(one.message), text);
    BOOST_TEST(!Look(one.message).at("n").unclear(), text);
  }
  One escaped(R"({"n":2,"\u006e":1})");
  BOOST_TEST(Look(escaped.message).at("n").json() == "1");
  One none("not JSON");
  BOOST_TEST(Look(none.message).at("n").unclear());
  One edited(R"({"n":1})");
  json_of(edited.message)->set_path("n", Value::integer(2));
  BOOST_TEST(Look(edited.message).member("n").unclear());
  BOOST_TEST(Look(edited.message).at("n").json() == "2");
}

BOOST_AUTO_TEST_CASE(of_members_with_one_name_the_last_counts) {
  One one(R"({"n":1,"m":0,"n":2})");
  BOOST_TEST(Look(one.message).member("n").json() == "2");
  const MemberName n = name("n"), m = name("m");  // They must stay until the edits are applied.
  MemberEdits edits;
  BOOST_REQUIRE(edits.begin(one.message));
  BOOST_TEST(!edits.set(n, "3"));
  BOOST_REQUIRE(edits.begin(one.message));
  BOOST_TEST(edits.set(m, "3"));
  edits.apply(one.message);
  BOOST_TEST(one.text() == R"({"n":1,"m":3,"n":2})");
}

BOOST_AUTO_TEST_CASE(names_that_json_would_escape_are_for_the_view) {
  for (const auto* path : {"", "a.b", "a\"", "a\\", "\n", "\xff"}) BOOST_TEST(!MemberName::of(path), path);
  BOOST_TEST(MemberName::of("\xc3\xa9 b")->text() == "\xc3\xa9 b");
  BOOST_TEST(MemberName::of("n")->quoted() == "\"n\"");
}

BOOST_AUTO_TEST_CASE(what_may_be_nested_too_deep_or_is_long_is_for_the_view) {
  One one(R"({"n":1})");
  const MemberName n = name("n");
  MemberEdits edits;
  BOOST_REQUIRE(edits.begin(one.message));
  BOOST_TEST(!edits.set(n, "[]"));
  One wide(R"({"n":")" + std::string(5'000, 'x') + "\"}");
  BOOST_TEST(!edits.begin(wide.message));
  BOOST_TEST(Look(wide.message).member("n").json().size() == 5'002U);
}

BOOST_AUTO_TEST_CASE(an_edited_row_travels_and_gets_back_its_original) {
  One one(R"({"a":1,"b":2})");
  one.batch->keep_originals();
  const MemberName c = name("c");
  MemberEdits edits;
  BOOST_REQUIRE(edits.begin(one.message));
  BOOST_TEST(edits.set(c, "3"));
  edits.apply(one.message);
  auto to = Batch::make();
  to->take_row(*one.batch, 0);
  Message moved(*to, 0);
  BOOST_TEST(Look(moved).member("c").json() == "3");
  BOOST_TEST(to->live_bytes() == moved.text().size());
  BOOST_TEST(to->restore_original(0));
  BOOST_TEST(moved.text() == R"({"a":1,"b":2})");
  BOOST_TEST(Look(moved).member("c").is_nothing());
}

BOOST_AUTO_TEST_CASE(random_edits_write_what_the_view_writes) {
  std::mt19937 random(23);
  const auto below = [&](unsigned most) { return static_cast<unsigned>(random() % most); };
  const auto any = [&](std::initializer_list<const char*> of) { return std::string(of.begin()[below(of.size())]); };
  const auto blank = [&] { return below(3) ? std::string() : any({" ", "\t", " \n "}); };
  const auto key = [&] { return any({"a", "b", "c", "d", "e", "ab", "longer than sixteen bytes", "\xc3\xa9"}); };
  const auto value = [&] {
    return any({"1", "-2.50", "\"x\"", "\"a\\n\\u00e9 and more than sixteen\"", "true", "null"});
  };
  std::size_t without_view = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = blank() + "{" + blank();
    for (unsigned i = 0, n = below(7); i < n; ++i) {
      if (i) text += blank() + "," + blank();
      const bool nested = below(5) == 0;
      text += "\"" + (below(40) ? key() : "\\u0061") + "\"" + blank() + ":" + blank() +
              (nested ? "{\"a\": [1, 2]}" : value());
    }
    text += blank() + "}" + blank();
    One bytes(text), view(text);
    MemberEdits edits;
    for (unsigned i = 0, n = 1 + below(4); i < n; ++i) {  // As many stages would.
      const std::string one = key(), other = key(), json = value();
      const auto one_name = MemberName::of(one).value(), other_name = MemberName::of(other).value();
      const unsigned what = below(4);
      Document& document = *json_of(view.message);
      const bool can = edits.begin(bytes.message);
      // What can't be done without a view is done with it, as the stages do.
      Document* const own = can ? nullptr : json_of(bytes.message);
      const auto by_view = [&](Document& edited) {
        switch (what) {
          case 0:
            edited.set_path(one, Value::json(json));
            if (one != other) edited.set_path(other, Value::json("7"));
            break;
          case 1:
            edited.remove(edited.root(), one);
            edited.remove(edited.root(), other);
            break;
          case 2:
            edited.rename(edited.root(), one, other);
            break;
          default: {
            std::vector<Node> kept;
            for (const auto& name : {one, other}) {
              if (const auto node = edited.find(edited.root(), name)) kept.push_back(node);
            }
            edited.keep_only(edited.root(), kept);
          }
        }
      };
      by_view(document);
      bool done = can;
      if (can) {
        if (what == 0) done = edits.set(one_name, json) && (one == other || edits.set(other_name, "7"));
        if (what == 1) done = edits.remove(one_name) && edits.remove(other_name);
        if (what == 2) done = edits.rename(one_name, other_name);
        if (what == 3) edits.keep_only({one_name, other_name});
        if (done) edits.apply(bytes.message);
      }
      if (!done) by_view(own ? *own : *json_of(bytes.message));
      without_view += done;
      BOOST_REQUIRE_EQUAL(bytes.text(), view.text());
      BOOST_REQUIRE_EQUAL(bytes.batch->live_bytes(), bytes.text().size());
      const auto seen = Look(bytes.message).at(other), known = Look(view.message).at(other);
      BOOST_REQUIRE_EQUAL(seen.is_nothing(), known.is_nothing());
      if (seen) BOOST_REQUIRE_EQUAL(seen.json(), known.json());
    }
  }
  BOOST_TEST(without_view > 20'000U);
}

BOOST_AUTO_TEST_CASE(an_escape_is_seen_wherever_it_stands_and_nothing_behind_the_text) {
  for (std::size_t size = 0; size <= 40; ++size) {
    for (std::size_t at = 0; at <= size; ++at) {
      std::string json = '"' + std::string(size, ']') + '"';  // What a backslash becomes when a bit is lost.
      if (at < size) json[1 + at] = '\\';
      const std::vector<char> alone(json.begin(), json.end());  // No byte more: a read behind it is seen by ASan.
      BOOST_TEST(Glimpse({alone.data(), alone.size()}).is_plain_string() == (at == size), size << " at " << at);
    }
  }
}
