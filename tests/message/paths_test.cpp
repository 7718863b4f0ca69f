// Payloads as JSON, and several paths in them at once.
#include <boost/test/unit_test.hpp>
#include <string>

#include "engine/message/batch.hpp"
#include "engine/message/paths.hpp"
#include "engine/message/payload.hpp"

namespace {

using namespace weir;
using namespace weir::message;

struct One {
  explicit One(std::string_view payload) : batch(Batch::make()), message(*batch, batch->append(payload, {})) {}
  Batch::Pointer batch;
  Message message;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_payload_is_checked_once_and_strictly) {
  One good(R"({"a": [1, 2]})");
  BOOST_TEST(json_of(good.message));
  BOOST_TEST(good.batch->known_json(0));
  for (const auto* text : {"", "{", R"({"a":01})", R"({"a":[1,,2]})", "nul", "\xff", "{} x"}) {
    One bad(text);
    BOOST_TEST(!json_of(bad.message), text);
    BOOST_TEST(!bad.batch->known_json(0));
    BOOST_TEST((not_json(bad.message).reason == Reason::decode));
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_object_says_so) {
  One list("[1]"), text("x"), object("{}");
  BOOST_TEST(object_of(list.message, "this wants an object").failure().text ==
             "this wants an object, and the payload is none");
  BOOST_TEST((object_of(text.message, "this wants an object").failure().reason == Reason::decode));
  BOOST_TEST(bool(object_of(object.message, "this wants an object")));
}

BOOST_AUTO_TEST_CASE(an_edited_payload_is_seen_as_it_is_now) {
  One one(R"({"a":1})");
  json_of(one.message)->set(json_of(one.message)->root(), "b", Value::integer(2));
  BOOST_TEST(one.message.text() == R"({"a":1,"b":2})");
  BOOST_TEST(bool(json_of(one.message)->find_path("b")));
}

BOOST_AUTO_TEST_CASE(a_tree_of_paths_writes_what_there_is_of_it) {
  One one(R"({"a": {"b":1, "c":[1,2,{"d":3}]}, "e": {}, "f":"\u0041"})");
  Document& document = *json_of(one.message);
  const auto written = [&](std::initializer_list<const char*> paths) {
    PathTree tree;
    for (const auto* path : paths) tree.add(path);
    std::string out = "x";
    const bool any = tree.write(document, document.root(), out);
    return (any ? "" : "none") + out;
  };
  BOOST_TEST(written({"f", "a.b"}) == R"(x{"f":"\u0041","a":{"b":1}})");
  BOOST_TEST(written({"a.c.2.d", "a.c.0", "no"}) == R"(x{"a":{"c":[{"d":3},1]}})");
  BOOST_TEST(written({"a.b", "a"}) == R"(x{"a":{"b":1, "c":[1,2,{"d":3}]}})");
  BOOST_TEST(written({"e"}) == R"(x{"e":{}})");
  BOOST_TEST(written({"e.x", "f.y", "no"}) == "nonex");
}
