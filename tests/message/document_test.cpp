// One JSON payload: looked at lazily, edited in place, undone, written.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include "engine/message/arena.hpp"
#include "engine/message/batch.hpp"
#include "engine/message/document.hpp"
#include "engine/message/json.hpp"

namespace {
std::size_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* bytes = std::malloc(size)) return bytes;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* bytes) noexcept { std::free(bytes); }
void operator delete(void* bytes, std::size_t) noexcept { std::free(bytes); }

namespace {

using namespace weir::message;

/// A document over its own padded copy. The copy ends where the padding ends, so that a sanitizer sees what reads on.
class Payload {
 public:
  explicit Payload(std::string_view text, char behind = '"') { bind(text, behind); }
  void bind(std::string_view text, char behind = '"') {
    bytes_.reset(new char[text.size() + padding]);
    std::copy(text.begin(), text.end(), bytes_.get());
    std::fill_n(bytes_.get() + text.size(), padding, behind);
    document.bind({bytes_.get(), text.size()});
  }
  Document* operator->() { return &document; }
  Node root() { return document.root(); }
  Node find(std::string_view path) { return document.find_path(path); }
  std::string text() {
    std::string out;
    document.write(out);
    BOOST_TEST(document.written_size() == out.size());
    BOOST_TEST(document.written_most() >= out.size());
    std::string again(out.size(), 0);
    BOOST_TEST((document.write(again.data()) == again.data() + again.size()));
    BOOST_TEST(again == out);
    return out;
  }
  std::string raw(std::string_view path) { return std::string(document.raw(find(path))); }

  Document document;

 private:
  std::unique_ptr<char[]> bytes_;
};

std::string keys(Payload& payload, Node object) {
  std::string all, scratch;
  for (auto node = payload->first(object); node; node = payload->next(node)) {
    all += std::string(payload->key(node, scratch)) + "=" + std::string(payload->raw(node)) + " ";
  }
  return all;
}

BOOST_AUTO_TEST_CASE(a_container_that_is_overwritten_can_be_had_by_its_value_also_after_it_is_undone) {
  Payload payload(R"({"a":{"x":1},"l":[[1],[2]]})");
  const Node a = payload.find("a"), one = payload.find("l.0");
  const char* const value = payload->value_of(a);
  const char* const of_one = payload->value_of(one);
  const auto before = payload->mark();
  payload->set(payload.root(), "a", Value::json("{\"y\":2}"));
  payload->set_at(payload.find("l"), 0, Value::json("[3]"));
  BOOST_TEST(payload->raw(payload->holding(a, value)) == R"({"x":1})");
  BOOST_TEST(payload->raw(payload->holding(one, of_one)) == "[1]");
  BOOST_TEST(payload->raw(a) == R"({"y":2})");
  payload->set(payload->holding(a, value), "x", Value::integer(5));
  BOOST_TEST(payload->raw(payload->holding(a, value)) == R"({"x":5})");
  BOOST_TEST(payload.text() == R"({"a":{"y":2},"l":[[3],[2]]})");
  payload->rollback(before);
  BOOST_TEST(payload->raw(payload->holding(a, value)) == R"({"x":1})");
  payload->set(payload->holding(a, value), "x", Value::integer(6));
  BOOST_TEST(payload.text() == R"({"a":{"x":6},"l":[[1],[2]]})");
}

// --- reading --------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(members_are_found_and_decoded) {
  Payload payload(
      R"( {"a" : 1 , "f":2.0,"s":"x\n\u00e9","t":true,"n":null , "o":{"p":{"q":[10,20,{"r":"deep"}]}},"e":[ ],"h":{}} )");
  BOOST_TEST(payload->valid());
  BOOST_TEST((payload->kind(payload.root()) == Kind::object));
  BOOST_TEST(payload->size(payload.root()) == 8U);
  BOOST_TEST((payload->kind(payload.find("a")) == Kind::integer));
  BOOST_TEST(payload->integer(payload.find("a")).value() == 1);
  BOOST_TEST(payload->number(payload.find("a")).value() == 1.0);
  BOOST_TEST((payload->kind(payload.find("f")) == Kind::number));
  BOOST_TEST(!payload->integer(payload.find("f")));
  BOOST_TEST(payload.raw("f") == "2.0");
  BOOST_TEST(payload->string(payload.find("s")).value() == "x\n\xc3\xa9");
  BOOST_TEST(payload->string(payload.find("s")).value() == "x\n\xc3\xa9");
  BOOST_TEST(payload->boolean(payload.find("t")).value());
  BOOST_TEST((payload->kind(payload.find("n")) == Kind::null));
  BOOST_TEST(payload->string(payload.find("o.p.q.2.r")).value() == "deep");
  BOOST_TEST(payload->integer(payload->at(payload.find("o.p.q"), 1)).value() == 20);
  BOOST_TEST((payload->parent(payload.find("o.p")) == payload.find("o")));
  BOOST_TEST((payload->kind(payload.find("e")) == Kind::array));
  BOOST_TEST(payload->size(payload.find("e")) == 0U);
  BOOST_TEST((payload->kind(payload.find("h")) == Kind::object));
  BOOST_TEST(!payload->first(payload.find("h")));
  for (const char* missing : {"b", "a.b", "o.x", "o.p.q.3", "o.p.q.-1", "o.p.q.x", "", ".", "a."}) {
    BOOST_TEST(!payload.find(missing), missing);
  }
  BOOST_TEST((payload->kind({}) == Kind::invalid));
  BOOST_TEST(!payload->dirty());
}

BOOST_AUTO_TEST_CASE(questions_of_the_wrong_kind_have_no_answer) {
  Payload payload(R"({"a":"1","b":[1],"c":1})");
  BOOST_TEST(!payload->integer(payload.find("a")));
  BOOST_TEST(!payload->string(payload.find("c")));
  BOOST_TEST(!payload->boolean(payload.find("c")));
  BOOST_TEST(!payload->find(payload.find("b"), "x"));
  BOOST_TEST(!payload->at(payload.root(), 0));
  BOOST_TEST(!payload->at(payload.find("b"), 1));
  BOOST_TEST(payload->size(payload.find("c")) == 0U);
  BOOST_TEST(!payload->find({}, "x"));
  BOOST_TEST(!payload->next({}));
}

BOOST_AUTO_TEST_CASE(the_root_may_be_any_value) {
  Payload payload("  [1,\"two\",[3]]\n");
  BOOST_TEST(payload->valid());
  BOOST_TEST(payload->string(payload->at(payload.root(), 1)).value() == "two");
  BOOST_TEST(payload->size(payload.root()) == 3U);
  payload.bind(" \"text\" ");
  BOOST_TEST(payload->string(payload.root()).value() == "text");
  payload.bind(" -12 ");
  BOOST_TEST(payload->integer(payload.root()).value() == -12);
  payload.bind("null");
  BOOST_TEST(payload->valid());
  BOOST_TEST((payload->kind(payload.root()) == Kind::null));
  payload.bind("[]");
  BOOST_TEST(payload->valid());
}

BOOST_AUTO_TEST_CASE(an_empty_or_broken_payload_is_not_valid_and_stays_as_it_is) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "[",
                           "}",
                           "{\"a\":1",
                           "{\"a\":1}}",
                           "{} {}",
                           "1 2",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{:1}",
                           "[1,]",
                           "{\"a\":1,}",
                           "[,1]",
                           "tru",
                           "x",
                           "{\"a\":x}",
                           "{\"a\":1]",
                           "\"a",
                           "[\"a]",
                           "{\"a\" \"b\":1}",
                           "[1 2]",
                           "{\"a\":\"\xff\"}",
                           "{\"a\":\"\x01\"}",
                           "{\"a\":[}",
                           "\"a\" x",
                           "{\"a\":nul}",
                           "[1]]",
                           ","}) {
    for (const char behind : {'"', '}', ']', ' ', '\\', '1'}) {
      Payload payload(text, behind);
      BOOST_TEST(!payload->valid(), text);
      BOOST_TEST(!payload.root(), text);
      BOOST_TEST(!payload->find(payload.root(), "a"), text);
      BOOST_TEST(!payload->set(payload.root(), "a", Value::null()), text);
      BOOST_TEST(payload.text() == text);
    }
  }
  Document unbound;
  BOOST_TEST(!unbound.valid());
  BOOST_TEST(unbound.written_size() == 0U);
}

BOOST_AUTO_TEST_CASE(every_beginning_of_a_payload_is_refused) {
  const std::string text = R"({"a":[1,{"b":"\u00e9\\"}],"c\"":"x","d":{"e":{}}})";
  for (std::size_t size = 0; size < text.size(); ++size) {
    Payload payload(text.substr(0, size), text[size]);
    BOOST_TEST(!payload->valid(), size);
  }
  Payload payload(text, '}');
  BOOST_TEST(payload->valid());
}

BOOST_AUTO_TEST_CASE(what_only_the_strict_check_sees_is_found_when_read) {
  Payload payload(R"({"n":01,"s":"\x","a":[1,,2],"o":{"x"},"mixed":[{]],"good":1})");
  BOOST_TEST(payload->valid());
  BOOST_TEST(payload->integer(payload.find("good")).value() == 1);
  BOOST_TEST((payload->kind(payload.find("n")) == Kind::invalid));
  BOOST_TEST(!payload->any_number(payload.find("n")));
  BOOST_TEST(payload->size(payload.find("a")) == 0U);
  BOOST_TEST((payload->kind(payload.find("a")) == Kind::invalid));
  BOOST_TEST(!payload->valid());
  BOOST_TEST(!payload->string(payload.find("s")));
  BOOST_TEST(!payload->find(payload.find("o"), "x"));
  BOOST_TEST(payload->integer(payload.find("good")).value() == 1);
}

BOOST_AUTO_TEST_CASE(depth_is_limited_and_costs_no_stack) {
  const auto arrays = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  Payload payload(arrays(512));
  BOOST_TEST(payload->valid());
  Node node = payload.root();
  std::size_t depth = 1;
  for (; payload->at(node, 0); ++depth) node = payload->at(node, 0);
  BOOST_TEST(depth == 512U);
  BOOST_TEST(!payload->append(node, Value::json("[]")));
  BOOST_TEST(bool(payload->append(node, Value::integer(1))));
  std::string out = payload.text();
  BOOST_TEST(!check_json(out));
  payload.bind(arrays(513));
  BOOST_TEST(!payload->valid());
  payload.bind(arrays(200000));
  BOOST_TEST(!payload->valid());
  payload.bind("{}");
  BOOST_TEST(!payload->set(payload.root(), "a", Value::json(arrays(512))));
  BOOST_TEST(bool(payload->set(payload.root(), "a", Value::json(arrays(511)))));
  BOOST_TEST(!payload->replace_root(Value::json(arrays(513))));
  BOOST_TEST(!check_json(payload.text()));
  node = payload.root();
  int added = 0;
  while ((node = payload->set(node, "deeper", Value::json("{}")))) ++added;
  BOOST_TEST(added == 511);
  BOOST_TEST(!check_json(payload.text()));
}

BOOST_AUTO_TEST_CASE(keys_are_compared_decoded) {
  Payload payload(R"({"\u0061b":1,"q\"":2,"back\\slash":3,"a\u00e4":4,"":5,"a\/b":6})");
  BOOST_TEST(payload->integer(payload->find(payload.root(), "ab")).value() == 1);
  BOOST_TEST(payload->integer(payload->find(payload.root(), "q\"")).value() == 2);
  BOOST_TEST(payload->integer(payload->find(payload.root(), "back\\slash")).value() == 3);
  BOOST_TEST(!payload->find(payload.root(), "back\\\\slash"));
  BOOST_TEST(!payload->find(payload.root(), "\\u0061b"));
  BOOST_TEST(payload->integer(payload->find(payload.root(), "a\xc3\xa4")).value() == 4);
  BOOST_TEST(payload->integer(payload->find(payload.root(), "")).value() == 5);
  BOOST_TEST(payload->integer(payload->find(payload.root(), "a/b")).value() == 6);
  BOOST_TEST(keys(payload, payload.root()) == "ab=1 q\"=2 back\\slash=3 a\xc3\xa4=4 =5 a/b=6 ");
  payload->set(payload.root(), "ab", Value::integer(7));
  BOOST_TEST(payload.text() == R"({"\u0061b":7,"q\"":2,"back\\slash":3,"a\u00e4":4,"":5,"a\/b":6})");
  payload->set(payload.root(), "new\"\n", Value::null());
  BOOST_TEST((payload->kind(payload->find(payload.root(), "new\"\n")) == Kind::null));
}

// --- duplicates -----------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(of_duplicate_keys_the_last_counts) {
  Payload payload(R"({"a":1,"b":2,"a":3,"\u0061":4,"c":5})");
  BOOST_TEST(payload->integer(payload.find("a")).value() == 4);
  BOOST_TEST(payload->size(payload.root()) == 3U);
  BOOST_TEST(keys(payload, payload.root()) == "b=2 a=4 c=5 ");
  BOOST_TEST(payload.text() == R"({"a":1,"b":2,"a":3,"\u0061":4,"c":5})");
  payload->set(payload.root(), "c", Value::integer(6));
  BOOST_TEST(payload.text() == R"({"a":1,"b":2,"a":3,"\u0061":4,"c":6})");
  const auto before = payload->mark();
  payload->set(payload.root(), "a", Value::integer(9));
  BOOST_TEST(payload.text() == R"({"b":2,"\u0061":9,"c":6})");
  payload->rollback(before);
  BOOST_TEST(payload->size(payload.root()) == 3U);
  payload->remove(payload.root(), "a");
  BOOST_TEST(payload.text() == R"({"b":2,"c":6})");
  BOOST_TEST(payload->size(payload.root()) == 2U);
  payload->rollback(before);
  payload->rename(payload.root(), "a", "b");
  BOOST_TEST(payload.text() == R"({"b":4,"c":6})");
  BOOST_TEST(payload->size(payload.root()) == 2U);
  BOOST_TEST(keys(payload, payload.root()) == "b=4 c=6 ");
}

BOOST_AUTO_TEST_CASE(duplicates_are_found_in_large_objects_too) {
  std::string text = "{";
  for (int i = 0; i < 20000; ++i) text += "\"k" + std::to_string(i % 10000) + "\":" + std::to_string(i) + ",";
  text += "\"\\u006b5\":-1}";
  Payload payload(text);
  BOOST_TEST(payload->size(payload.root()) == 10000U);
  BOOST_TEST(payload->integer(payload.find("k5")).value() == -1);
  BOOST_TEST(payload->integer(payload->first(payload.root())).value() == 10000);
}

// --- editing --------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(unedited_bytes_are_the_same_bytes_and_untouched_runs_are_copied) {
  const std::string text = "\n{ \"a\" : 1.50 , \"b\":[ 1,2 ],\t\"c\": {\"x\" :1e3, \"y\":2}, \"d\":true }\n";
  Payload payload(text);
  payload.find("c.x");
  BOOST_TEST(payload.text() == text);
  payload->set(payload.root(), "d", Value::boolean(false));
  BOOST_TEST(payload.text() == "{\"a\" : 1.50 , \"b\":[ 1,2 ],\t\"c\": {\"x\" :1e3, \"y\":2},\"d\":false}");
  payload->set_path("c.y", Value::string("z"));
  BOOST_TEST(payload.text() == "{\"a\" : 1.50 , \"b\":[ 1,2 ],\"c\":{\"x\" :1e3,\"y\":\"z\"},\"d\":false}");
}

BOOST_AUTO_TEST_CASE(every_type_is_written_in_its_form) {
  Payload payload("{}");
  const Node root = payload.root();
  payload->set(root, "i", Value::integer(-5));
  payload->set(root, "f", Value::number(2));
  payload->set(root, "s", Value::string("a\"\xff"));
  payload->set(root, "b", Value::boolean(true));
  payload->set(root, "n", Value::null());
  payload->set(root, "j", Value::json(" [1, 2] "));
  BOOST_TEST(payload.text() == "{\"i\":-5,\"f\":2.0,\"s\":\"a\\\"\xef\xbf\xbd\",\"b\":true,\"n\":null,\"j\":[1, 2]}");
  BOOST_TEST(!payload->set(root, "i", Value::number(std::numeric_limits<double>::quiet_NaN())));
  BOOST_TEST(!payload->set(root, "i", Value::number(std::numeric_limits<double>::infinity())));
  for (const char* bad : {"", " ", "tru", "x", "[", "{]", "\""})
    BOOST_TEST(!payload->set(root, "i", Value::json(bad)), bad);
  BOOST_TEST(payload->integer(payload.find("i")).value() == -5);
  BOOST_TEST(payload->integer(payload.find("j.1")).value() == 2);
  BOOST_TEST(payload->size(root) == 6U);
}

BOOST_AUTO_TEST_CASE(members_keep_their_place_and_new_ones_go_last) {
  Payload payload(R"({"a":1,"b":2,"c":3})");
  payload->set(payload.root(), "b", Value::integer(20));
  payload->set(payload.root(), "z", Value::integer(26));
  payload->rename(payload.root(), "a", "first");
  BOOST_TEST(payload.text() == R"({"first":1,"b":20,"c":3,"z":26})");
  BOOST_TEST(payload->remove(payload.root(), "c"));
  BOOST_TEST(!payload->remove(payload.root(), "c"));
  BOOST_TEST(!payload->rename(payload.root(), "c", "d"));
  BOOST_TEST(payload->rename(payload.root(), "z", "z"));
  BOOST_TEST(payload->rename(payload.root(), "z", "b"));
  BOOST_TEST(payload.text() == R"({"first":1,"b":26})");
  payload->set(payload.root(), "c", Value::integer(33));
  BOOST_TEST(keys(payload, payload.root()) == "first=1 b=26 c=33 ");
  payload->remove(payload.root(), "first");
  payload->remove(payload.root(), "b");
  payload->remove(payload.root(), "c");
  BOOST_TEST(payload.text() == "{}");
  BOOST_TEST(payload->size(payload.root()) == 0U);
  payload->set(payload.root(), "a", Value::json("[]"));
  BOOST_TEST(payload.text() == R"({"a":[]})");
}

BOOST_AUTO_TEST_CASE(nested_edits_reach_the_output_and_empty_containers_keep_their_kind) {
  Payload payload(R"({"u":{"id":7,"tags":["a","b"],"e":{},"f":[]},"z":0})");
  payload->set(payload.find("u"), "id", Value::integer(8));
  payload->append(payload.find("u.tags"), Value::string("c"));
  payload->append(payload.find("u.tags"), Value::json("{\"d\":{}}"));
  payload->set_at(payload.find("u.tags"), 0, Value::integer(1));
  BOOST_TEST(payload.text() == R"({"u":{"id":8,"tags":[1,"b","c",{"d":{}}],"e":{},"f":[]},"z":0})");
  payload->set_path("u.tags.3.d.x.y", Value::null());
  BOOST_TEST(payload->remove_at(payload.find("u.tags"), 1));
  BOOST_TEST(payload->string(payload.find("u.tags.1")).value() == "c");
  BOOST_TEST(payload->size(payload.find("u.tags")) == 3U);
  BOOST_TEST(payload.raw("u.tags") == R"([1,"c",{"d":{"x":{"y":null}}}])");
  BOOST_TEST(payload->remove_path("u.tags.0"));
  BOOST_TEST(payload->remove_path("u.tags.0"));
  BOOST_TEST(payload->remove_path("u.tags.0.d"));
  BOOST_TEST(!payload->remove_path("u.tags.0.d"));
  BOOST_TEST(!payload->remove_path("u.tags.1"));
  BOOST_TEST(payload.raw("u.tags") == "[{}]");
  payload->append(payload.find("u.e"), Value::null());
  BOOST_TEST(bool(payload->append(payload.find("u.f"), Value::null())));
  BOOST_TEST(payload.text() == R"({"u":{"id":8,"tags":[{}],"e":{},"f":[null]},"z":0})");
  BOOST_TEST(!payload->set_at(payload.find("u.f"), 1, Value::null()));
}

BOOST_AUTO_TEST_CASE(a_path_makes_the_objects_that_are_missing_or_changes_nothing) {
  Payload payload(R"({"a":1,"n":null,"l":[{}]})");
  BOOST_TEST(bool(payload->set_path("x.y.z", Value::integer(1))));
  BOOST_TEST(bool(payload->set_path("l.0.k", Value::integer(2))));
  const auto before = payload->mark();
  for (const char* way : {"a.b", "n.b", "l.1", "l.x", "l.1.k", "x.y.z.w"}) {
    BOOST_TEST(!payload->set_path(way, Value::null()), way);
  }
  BOOST_TEST(!payload->set_path("q.r", Value::number(std::numeric_limits<double>::infinity())));
  BOOST_TEST(!payload->edited_since(before));
  BOOST_TEST(payload.text() == R"({"a":1,"n":null,"l":[{"k":2}],"x":{"y":{"z":1}}})");
}

BOOST_AUTO_TEST_CASE(the_root_can_be_replaced_even_where_there_was_no_json) {
  Payload payload("no json");
  BOOST_TEST(!payload->valid());
  const auto before = payload->mark();
  BOOST_TEST(bool(payload->replace_root(Value::json("{\"a\":1}"))));
  BOOST_TEST(payload->valid());
  payload->set(payload.root(), "b", Value::integer(2));
  BOOST_TEST(payload.text() == R"({"a":1,"b":2})");
  payload->rollback(before);
  BOOST_TEST(!payload->valid());
  BOOST_TEST(payload.text() == "no json");
  payload.bind("[1,2]");
  payload->replace_root(Value::string("x"));
  BOOST_TEST(payload.text() == "\"x\"");
}

BOOST_AUTO_TEST_CASE(views_stay_valid_until_unbound) {
  Payload payload(R"({"a":"one","b":"t\u0077o","c":{"d":[1]}})");
  const auto a = payload->string(payload.find("a")).value();
  const auto b = payload->string(payload.find("b")).value();
  payload->set_path("c.d.0", Value::string("x"));
  const auto c = payload->raw(payload.find("c"));
  payload->set(payload.root(), "a", Value::string("changed"));
  const auto changed = payload->string(payload.find("a")).value();
  for (int i = 0; i < 5000; ++i)
    payload->set(payload.root(), "k" + std::to_string(i), Value::string(std::string(20, 'k')));
  payload->remove(payload.root(), "b");
  BOOST_TEST(a == "one");
  BOOST_TEST(b == "two");
  BOOST_TEST(c == R"({"d":["x"]})");
  BOOST_TEST(changed == "changed");
  BOOST_TEST(!check_json(payload.text()));
}

BOOST_AUTO_TEST_CASE(a_value_can_be_copied_within_its_document) {
  Payload payload(R"({"a":{"x":[1,2]}})");
  payload->set_path("a.x.0", Value::integer(5));
  payload->set(payload.root(), "b", Value::json(payload->raw(payload.find("a"))));
  payload->set(payload.find("b"), "self", Value::json(payload->raw(payload.find("b"))));
  BOOST_TEST(payload.text() == R"({"a":{"x":[5,2]},"b":{"x":[5,2],"self":{"x":[5,2]}}})");
}

BOOST_AUTO_TEST_CASE(nodes_of_values_that_are_gone_do_no_harm) {
  Payload payload(R"({"a":{"b":{"c":1}},"l":[1,2,3]})");
  const Node b = payload.find("a.b"), c = payload.find("a.b.c");
  payload->set(payload.root(), "a", Value::json("{\"new\":{\"k\":1}}"));
  payload->set(b, "c", Value::integer(2));
  payload->set(b, "d", Value::integer(2));
  payload->replace(c, Value::string("lost"));
  BOOST_TEST(payload.text() == R"({"a":{"new":{"k":1}},"l":[1,2,3]})");
  BOOST_TEST(payload->integer(payload.find("a.new.k")).value() == 1);
  payload->remove(b, "c");
  BOOST_TEST(payload.text() == R"({"a":{"new":{"k":1}},"l":[1,2,3]})");
  // Removing while going over them.
  for (auto node = payload->first(payload.find("l")); node; node = payload->next(node)) {
    if (payload->integer(node) == 2) payload->remove_at(payload.find("l"), 1);
  }
  BOOST_TEST(payload.raw("l") == "[1,3]");
  BOOST_TEST(payload->integer(payload->at(payload.find("l"), 1)).value() == 3);
}

BOOST_AUTO_TEST_CASE(a_node_that_is_removed_takes_the_others_of_its_key_along) {
  Payload payload(R"({"a":1,"b":[1,2,3],"a":2,"c":{"d":1}})");
  const Node a = payload.find("a"), second = payload.find("b.1"), inside = payload.find("c.d");
  const auto before = payload->mark();
  BOOST_TEST(payload->remove(a));
  BOOST_TEST(!payload->remove(a));
  BOOST_TEST(payload->remove(second));
  BOOST_TEST(payload->remove(payload.find("c")));
  BOOST_TEST(payload->remove(inside));  // Out of what is gone already: nothing comes of it.
  BOOST_TEST(!payload->remove(payload.root()));
  BOOST_TEST(!payload->remove(Node{}));
  BOOST_TEST(payload.text() == R"({"b":[1,3]})");
  BOOST_TEST(payload->size(payload.root()) == 1U);
  payload->rollback(before);
  BOOST_TEST(payload.text() == R"({"a":1,"b":[1,2,3],"a":2,"c":{"d":1}})");
  BOOST_TEST(payload->size(payload.root()) == 3U);
}

BOOST_AUTO_TEST_CASE(all_but_some_members_can_be_removed_at_once) {
  Payload payload(R"({"a":1, "b": 2,  "c":3,"\u0062":4, "d":[5,6]})");
  const auto before = payload->mark();
  payload->keep_only(payload.root(), std::vector{payload.find("c"), payload.find("b")});
  BOOST_TEST(payload.text() == R"({"c":3,"\u0062":4})");
  BOOST_TEST(payload->size(payload.root()) == 2U);
  payload->rollback(before);
  payload->keep_only(payload.find("d"), std::vector{payload.find("d.1")});
  payload->keep_only(payload.root(), std::vector{payload.find("d")});
  BOOST_TEST(payload.text() == R"({"d":[6]})");
  payload->keep_only(payload.root(), {});
  BOOST_TEST(payload.text() == "{}");
  Payload scalar("7");
  scalar->keep_only(scalar.root(), {});
  BOOST_TEST(scalar.text() == "7");
}

BOOST_AUTO_TEST_CASE(arrays_count_right_after_appending_and_removing) {
  Payload payload("[0,1,2]");
  const Node root = payload.root();
  payload->append(root, Value::json("{}"));
  payload->at(root, 3);
  payload->size(payload->at(root, 3));
  payload->append(root, Value::integer(4));
  BOOST_TEST(payload->integer(payload->at(root, 4)).value() == 4);
  BOOST_TEST(payload->integer(payload->at(root, 2)).value() == 2);
  payload->remove_at(root, 0);
  BOOST_TEST(payload->integer(payload->at(root, 0)).value() == 1);
  BOOST_TEST(payload->integer(payload->at(root, 3)).value() == 4);
  BOOST_TEST(!payload->at(root, 4));
}

namespace {

/// An object of so many members; with names that need an escape, and one that comes twice.
std::string wide(int members, bool unusual) {
  std::string text = unusual ? R"({"twice":0)" : R"({"first":0)";
  for (int i = 0; i < members; ++i) {
    text +=
        (unusual && i % 100 == 0 ? R"(,"\u006be)" : ",\"ke") + ("y" + std::to_string(i)) + "\":" + std::to_string(i);
  }
  return text + (unusual ? R"(,"twice":1})" : "}");
}

/// The least of some tries, in clock ticks.
template <class Work>
std::clock_t ticks(Work work) {
  std::clock_t least = std::numeric_limits<std::clock_t>::max();
  for (int i = 0; i < 5; ++i) {
    const std::clock_t begin = std::clock();
    work();
    least = std::min(least, std::clock() - begin);
  }
  return least;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_done_to_each_member_of_a_wide_object_takes_so_long_as_there_are_members) {
  for (const bool unusual : {false, true}) {
    const auto finding = [&](int members) {
      const std::string text = wide(members, unusual);
      return ticks([&] {
        Payload payload(text);
        for (int i = 0; i < members; ++i) {
          if (payload->integer(payload.find("key" + std::to_string(i))) != i) BOOST_FAIL(i);
        }
      });
    };
    const auto setting = [&](int members) {
      const std::string text = wide(members, unusual);
      return ticks([&] {
        Payload payload(text);
        for (int i = 0; i < members; ++i) {
          payload->set(payload.root(), "key" + std::to_string(i), Value::integer(i + 1));
        }
      });
    };
    const auto renaming = [&](int members) {
      const std::string text = wide(members, unusual);
      return ticks([&] {
        Payload payload(text);
        for (int i = 0; i < members; ++i) {
          const std::string number = std::to_string(i);
          if (!payload->rename(payload.root(), "key" + number, "new" + number)) BOOST_FAIL(i);
        }
      });
    };
    const auto removing = [&](int members) {
      const std::string text = wide(members, unusual);
      return ticks([&] {
        Payload payload(text);
        for (int i = 0; i < members; ++i) {
          if (!payload->remove(payload.root(), "key" + std::to_string(i))) BOOST_FAIL(i);
        }
      });
    };
    // Four times as many take four times as long; where each walks past all, sixteen times.
    BOOST_TEST(finding(20'000) < 9 * finding(5'000), "found" << unusual);
    BOOST_TEST(setting(20'000) < 9 * setting(5'000), "set" << unusual);
    BOOST_TEST(renaming(20'000) < 9 * renaming(5'000), "renamed" << unusual);
    BOOST_TEST(removing(20'000) < 9 * removing(5'000), "removed" << unusual);
  }
}

BOOST_AUTO_TEST_CASE(
    of_wide_objects_with_names_twice_and_with_escapes_the_last_one_counts_however_often_it_is_asked_for) {
  std::mt19937 random(23);
  for (int round = 0; round < 200; ++round) {
    const auto name = [&] { return "k" + std::to_string(random() % 150); };
    std::map<std::string, std::string> members;
    std::string text;
    for (int i = 0, n = static_cast<int>(random() % 200); i < n; ++i) {
      const std::string key = name(), value = std::to_string(i);
      text += (text.empty() ? "{\"" : ",\"") + (random() % 8 == 0 ? "\\u006b" + key.substr(1) : key) + "\":" + value;
      members[key] = value;
    }
    text += text.empty() ? "{}" : "}";
    Payload payload(text);
    const Node root = payload.root();
    const auto at_first = payload->mark();
    const auto members_first = members;
    for (int i = 0; i < 300; ++i) {
      const std::string key = name(), to = name();
      const auto had = members.find(key);
      switch (random() % 6) {
        case 0:
          members[key] = std::to_string(1000 + i);
          payload->set(root, key, Value::integer(1000 + i));
          break;
        case 1:
          BOOST_REQUIRE(payload->remove(root, key) == (members.erase(key) == 1));
          break;
        case 2:
          BOOST_REQUIRE(payload->rename(root, key, to) == (had != members.end()));
          if (had != members.end() && key != to) {
            members[to] = had->second;
            members.erase(key);
          }
          break;
        case 3:
          if (i % 50 == 49) {
            payload->rollback(at_first);
            members = members_first;
          }
          break;
        default:
          BOOST_REQUIRE(std::string(payload->raw(payload->find(root, key))) ==
                        (had == members.end() ? "" : had->second));
      }
    }
    std::string written;
    payload->write(written);
    Payload again(written);
    for (const auto& [key, value] : members) {
      BOOST_REQUIRE_EQUAL(payload->raw(payload->find(root, key)), value);
      BOOST_REQUIRE_EQUAL(again->raw(again.find(key)), value);
    }
    BOOST_REQUIRE_EQUAL(payload->size(root), members.size());
    BOOST_REQUIRE_EQUAL(again->size(again.root()), members.size());
  }
}

BOOST_AUTO_TEST_CASE(wide_objects_and_long_lists_under_random_edits_agree_with_maps_and_vectors) {
  std::mt19937 random(17);
  for (int round = 0; round < 60; ++round) {
    const auto any_key = [&] { return "k" + std::to_string(random() % 400); };
    std::map<std::string, int> members;
    std::vector<int> elements;
    for (int i = 0, n = static_cast<int>(random() % 300); i < n; ++i) members[any_key()] = i;
    for (int i = 0, n = static_cast<int>(random() % 100); i < n; ++i) elements.push_back(i);
    std::string text = "{";
    for (const auto& [key, value] : members) text += '"' + key + "\":" + std::to_string(value) + ",";
    text += "\"list\":[";
    for (const int value : elements) text += std::to_string(value) + (value + 1 < int(elements.size()) ? "," : "");
    text += "]}";
    Payload payload(text);
    const Node root = payload.root(), list = payload->find(root, "list");
    payload->size(root);
    const auto at_first = payload->mark();
    const auto members_first = members;
    const auto elements_first = elements;
    for (int i = 0; i < 600; ++i) {
      const std::string key = any_key();
      const std::size_t position = elements.empty() ? 0 : random() % elements.size();
      switch (random() % 8) {
        case 0:
          payload->set(root, key, Value::integer(i));
          members[key] = i;
          break;
        case 1:
          BOOST_REQUIRE(payload->remove(root, key) == (members.erase(key) == 1));
          break;
        case 2: {
          const std::string to = any_key();
          const auto had = members.find(key);
          const int value = had == members.end() ? 0 : had->second;
          BOOST_REQUIRE(payload->rename(root, key, to) == (had != members.end()));
          if (had != members.end() && key != to) {
            members.erase(key);
            members[to] = value;
          }
          break;
        }
        case 3:
          payload->append(list, Value::integer(i));
          elements.push_back(i);
          break;
        case 4:
          BOOST_REQUIRE(payload->remove_at(list, position) == !elements.empty());
          if (!elements.empty()) elements.erase(elements.begin() + static_cast<std::ptrdiff_t>(position));
          break;
        case 5:
          if (i % 100 == 99) {
            payload->rollback(at_first);
            members = members_first;
            elements = elements_first;
          }
          break;
        default: {
          const auto known = members.find(key);
          const auto value = payload->integer(payload->find(root, key));
          BOOST_REQUIRE(value.has_value() == (known != members.end()));
          if (value) BOOST_REQUIRE(*value == known->second);
          for (const std::size_t near : {position, position + 1, position, position + 2}) {
            if (near < elements.size()) BOOST_REQUIRE(payload->integer(payload->at(list, near)) == elements[near]);
          }
        }
      }
    }
    BOOST_REQUIRE(payload->size(root) == members.size() + 1);
    BOOST_REQUIRE(payload->size(list) == elements.size());
  }
}

BOOST_AUTO_TEST_CASE(a_document_in_use_allocates_nothing) {
  const std::string text =
      R"({"a":"x\n","b":{"c":[1,2,3],"d":{"e":"long enough to be indexed by the vector code"}},"f":1})" +
      std::string(padding, ' ');
  const std::string_view payload(text.data(), text.size() - padding);
  Document document;
  std::string out;
  const auto use = [&] {
    document.bind(payload);
    const auto before = document.mark();
    document.set_path("b.d.e", Value::string("y"));
    document.rollback(before);
    document.string(document.find_path("a"));
    document.set_path("b.c.1", Value::number(1.5));
    document.set(document.root(), "new", Value::json("{\"k\":[]}"));
    document.remove(document.root(), "f");
    document.size(document.find_path("b.d"));
    out.clear();
    document.write(out);
    document.unbind();
  };
  use();
  const std::size_t before = allocations;
  for (int i = 0; i < 1000; ++i) use();
  BOOST_TEST(allocations == before);
  BOOST_TEST(
      out ==
      R"({"a":"x\n","b":{"c":[1,1.5,3],"d":{"e":"long enough to be indexed by the vector code"}},"new":{"k":[]}})");
}

// --- undoing --------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(rolling_back_takes_every_edit_back) {
  const std::string text = R"( {"a":1,"b":{"c":[1,2,{"d":3}],"e":"x"},"f":null} )";
  Payload payload(text);
  const auto clean = payload->mark();
  payload->set_path("b.c.2.d", Value::integer(4));
  const std::string first = payload.text();
  const auto later = payload->mark();
  payload->remove(payload.root(), "a");
  payload->rename(payload.root(), "b", "bb");
  payload->append(payload.find("bb.c"), Value::string("s"));
  payload->set_path("bb.c.2.x.y", Value::integer(1));
  payload->remove_at(payload.find("bb.c"), 0);
  payload->set(payload.root(), "bb", Value::integer(0));
  payload->set(payload.root(), "g", Value::integer(0));
  payload->replace_root(Value::json("[]"));
  BOOST_TEST(payload.text() == "[]");
  payload->rollback(later);
  BOOST_TEST(payload.text() == first);
  BOOST_TEST(payload->dirty());
  BOOST_TEST(payload->size(payload.root()) == 3U);
  BOOST_TEST(payload->size(payload.find("b.c")) == 3U);
  payload->rollback(clean);
  BOOST_TEST(payload.text() == text);
  BOOST_TEST(!payload->dirty());
  payload->set_path("b.c.0", Value::integer(9));
  BOOST_TEST(payload.text() == R"({"a":1,"b":{"c":[9,2,{"d":3}],"e":"x"},"f":null})");
}

BOOST_AUTO_TEST_CASE(nodes_that_were_read_between_mark_and_rollback_can_still_be_edited) {
  Payload payload(R"({"a":{"b":[1,2]},"s":"\u0041"})");
  const auto before = payload->mark();
  payload->rename(payload.root(), "a", "z");
  payload->rename(payload.root(), "s", "t");
  const Node b = payload.find("z.b");
  payload->append(b, Value::integer(3));
  const auto text = payload->string(payload.find("t")).value();
  payload->rollback(before);
  BOOST_TEST(payload->size(b) == 2U);
  payload->append(b, Value::integer(4));
  BOOST_TEST(payload.text() == R"({"a":{"b":[1,2,4]},"s":"\u0041"})");
  BOOST_TEST(payload->string(payload.find("s")).value() == "A");
  BOOST_TEST(text == "A");
}

// --- against a simple tree ------------------------------------------------------------------------------------------

struct Tree {
  Kind kind = Kind::null;
  std::string scalar;  // As JSON text.
  std::vector<std::pair<std::string, Tree>> members;
};

std::string print(const Tree& tree) {
  if (tree.kind != Kind::array && tree.kind != Kind::object) return tree.scalar;
  const bool object = tree.kind == Kind::object;
  std::string out(1, object ? '{' : '[');
  for (const auto& [key, value] : tree.members) {
    if (out.size() > 1) out += ',';
    if (object) append_quoted(out, key), out += ':';
    out += print(value);
  }
  return out + (object ? '}' : ']');
}

/// What a document shows, walked node by node.
std::string walk(Document& document, Node node) {
  const Kind kind = document.kind(node);
  if (kind == Kind::string) {
    std::string out;
    append_quoted(out, document.string(node).value());
    return out;
  }
  if (kind != Kind::array && kind != Kind::object) return std::string(document.raw(node));
  const bool object = kind == Kind::object;
  std::string out(1, object ? '{' : '['), scratch;
  std::size_t count = 0;
  for (auto child = document.first(node); child; child = document.next(child)) {
    if (count > 0) out += ',';
    if (object) {
      const std::string key(document.key(child, scratch));
      BOOST_REQUIRE((document.find(node, key) == child));
      append_quoted(out, key), out += ':';
    } else {
      BOOST_REQUIRE((document.at(node, count) == child));
    }
    ++count;
    out += walk(document, child);
  }
  BOOST_REQUIRE(document.size(node) == count);
  return out + (object ? '}' : ']');
}

class Storm {
 public:
  explicit Storm(unsigned seed) : random_(seed) {}
  unsigned below(unsigned most) { return static_cast<unsigned>(random_() % most); }

  Tree value(int depth) {
    Tree tree;
    switch (below(depth > 0 ? 8 : 5)) {
      case 0:
        tree.kind = Kind::null, tree.scalar = "null";
        break;
      case 1:
        tree.kind = Kind::boolean, tree.scalar = below(2) ? "true" : "false";
        break;
      case 2:
        tree.kind = Kind::integer, tree.scalar = std::to_string(static_cast<int>(random_()));
        break;
      case 3:
        tree.kind = Kind::number, tree.scalar = std::to_string(below(1000)) + ".50";
        break;
      case 4:
        tree.kind = Kind::string, append_quoted(tree.scalar, text());
        break;
      case 5:
        tree.kind = Kind::array;
        break;
      default:
        tree.kind = Kind::object;
    }
    if (tree.kind == Kind::array || tree.kind == Kind::object) {
      for (unsigned i = below(below(20) == 0 ? 40 : 6); i > 0; --i) {
        std::string name = tree.kind == Kind::object ? key() : "";
        if (tree.kind == Kind::object && member(tree, name) != tree.members.size()) continue;
        tree.members.emplace_back(name, value(depth - 1));
      }
    }
    return tree;
  }
  std::string key() {
    static const char* names[] = {"a",    "b",        "c", "id",     "name",   "level",
                                  "x\"y", "\xc3\xa4", "",  "back\\", "line\n", "a.b"};
    return below(4) ? names[below(12)] : "k" + std::to_string(below(50));
  }
  std::string text() {
    static const char* texts[] = {
        "", "x", "a longer text, with: [brackets] {braces}", "quote\"", "\\", "\n\t", "\xf0\x9f\x98\x80", "\x01"};
    return texts[below(8)];
  }
  static std::size_t member(const Tree& tree, const std::string& key) {
    std::size_t i = 0;
    while (i < tree.members.size() && tree.members[i].first != key) ++i;
    return i;
  }
  /// The tree as text that says the same in another way: blanks, escaped letters, duplicates of what comes later.
  std::string spelled(const Tree& tree) {
    const auto blank = [&] { return std::string(below(4) ? 0 : below(3), " \n\t"[below(3)]); };
    if (tree.kind != Kind::array && tree.kind != Kind::object) return blank() + tree.scalar + blank();
    const bool object = tree.kind == Kind::object;
    std::string out = blank() + (object ? "{" : "[") + blank();
    bool any = false;
    const auto add = [&](const std::string& name, const Tree& value) {
      if (any) out += ',';
      any = true;
      if (object) {
        std::string quoted;
        append_quoted(quoted, name);
        if (below(8) == 0) {
          const std::size_t at = quoted.find('a');
          if (at != std::string::npos) quoted.replace(at, 1, "\\u0061");
        }
        out += blank() + quoted + blank() + ":";
      }
      out += spelled(value);
    };
    for (std::size_t i = 0; i < tree.members.size(); ++i) {
      if (object && below(12) == 0)
        add(tree.members[i + below(static_cast<unsigned>(tree.members.size() - i))].first, value(0));
      add(tree.members[i].first, tree.members[i].second);
    }
    return out + blank() + (object ? "}" : "]") + blank();
  }

  /// The same random edit on both; goes down to a random container first.
  void edit(Document& document, Tree& tree) {
    Tree* at = &tree;
    Node node = document.root();
    while (below(3) && !at->members.empty()) {
      const std::size_t i = below(static_cast<unsigned>(at->members.size()));
      const bool object = at->kind == Kind::object;
      node = object ? document.find(node, at->members[i].first) : document.at(node, i);
      at = &at->members[i].second;
    }
    const Tree fresh = value(below(4) ? 0 : 2);
    const std::string json = below(2) ? spelled(fresh) : print(fresh);
    if (at->kind == Kind::object) {
      const std::string name =
          at->members.empty() || below(2) ? key() : at->members[below(static_cast<unsigned>(at->members.size()))].first;
      const std::size_t i = member(*at, name);
      const bool there = i != at->members.size();
      switch (below(4)) {
        case 0:
          BOOST_REQUIRE(document.remove(node, name) == there);
          if (there) at->members.erase(at->members.begin() + static_cast<std::ptrdiff_t>(i));
          return;
        case 1: {
          const std::string other = key();
          BOOST_REQUIRE(document.rename(node, name, other) == there);
          if (!there || name == other) return;
          const std::size_t j = member(*at, other);
          at->members[i].first = other;
          if (j != at->members.size()) at->members.erase(at->members.begin() + static_cast<std::ptrdiff_t>(j));
          return;
        }
        default:
          BOOST_REQUIRE(bool(document.set(node, name, Value::json(json))));
          if (there)
            at->members[i].second = fresh;
          else
            at->members.emplace_back(name, fresh);
          return;
      }
    }
    if (at->kind == Kind::array) {
      const std::size_t size = at->members.size(), i = below(static_cast<unsigned>(size) + 1);
      switch (below(3)) {
        case 0:
          BOOST_REQUIRE(document.remove_at(node, i) == (i < size));
          if (i < size) at->members.erase(at->members.begin() + static_cast<std::ptrdiff_t>(i));
          return;
        case 1:
          BOOST_REQUIRE(bool(document.set_at(node, i, Value::json(json))) == (i < size));
          if (i < size) at->members[i].second = fresh;
          return;
        default:
          BOOST_REQUIRE(bool(document.append(node, Value::json(json))));
          at->members.emplace_back("", fresh);
          return;
      }
    }
    BOOST_REQUIRE(bool(document.replace(node, Value::json(json))));
    *at = fresh;
  }

 private:
  std::mt19937 random_;
};

BOOST_AUTO_TEST_CASE(random_documents_under_random_edits_agree_with_a_tree) {
  Payload payload("");
  Document reread;
  for (unsigned seed = 1; seed <= 4000; ++seed) {
    BOOST_TEST_INFO("seed " << seed);
    Storm storm(seed);
    Tree tree = storm.value(4);
    const std::string text = storm.spelled(tree);
    payload.bind(text, "\"]}, \\1"[seed % 7]);
    BOOST_REQUIRE_MESSAGE(!check_json(text), "seed " << seed << ": " << text);
    BOOST_REQUIRE(payload->valid());
    struct Saved {
      Document::Mark mark;
      Tree tree;
      std::string text;
    };
    std::vector<Saved> saved;
    const auto written = [&] {
      std::string out;
      payload->write(out);
      return out;
    };
    for (unsigned steps = storm.below(12); steps > 0; --steps) {
      switch (storm.below(8)) {
        case 0:
          saved.push_back({payload->mark(), tree, written()});
          break;
        case 1:
          if (!saved.empty()) {
            payload->rollback(saved.back().mark);
            tree = saved.back().tree;
            BOOST_REQUIRE_MESSAGE(written() == saved.back().text, "seed " << seed);
            saved.pop_back();
          }
          break;
        case 2:
          BOOST_REQUIRE_MESSAGE(walk(payload.document, payload.root()) == print(tree), "seed " << seed);
          break;
        default:
          storm.edit(payload.document, tree);
      }
    }
    const std::string out = written();
    BOOST_REQUIRE_MESSAGE(!check_json(out), "seed " << seed << ": " << out);
    BOOST_REQUIRE_MESSAGE(out.size() == payload->written_size(), "seed " << seed);
    BOOST_REQUIRE_MESSAGE(out.size() <= payload->written_most(), "seed " << seed);
    BOOST_REQUIRE_MESSAGE(walk(payload.document, payload.root()) == print(tree), "seed " << seed);
    const std::string padded = out + std::string(padding, '"');
    reread.bind(std::string_view(padded).substr(0, out.size()));
    BOOST_REQUIRE_MESSAGE(walk(reread, reread.root()) == print(tree), "seed " << seed << ": " << out);
    if (!payload->dirty()) BOOST_REQUIRE(out == text);
    if (!saved.empty()) {
      payload->rollback(saved.front().mark);
      BOOST_REQUIRE_MESSAGE(written() == saved.front().text, "seed " << seed);
      BOOST_REQUIRE_MESSAGE(walk(payload.document, payload.root()) == print(saved.front().tree), "seed " << seed);
    }
  }
}

BOOST_AUTO_TEST_CASE(broken_payloads_do_no_harm) {
  Payload payload("");
  for (unsigned seed = 1; seed <= 6000; ++seed) {
    Storm storm(seed);
    std::string text = storm.spelled(storm.value(4));
    for (unsigned i = 1 + storm.below(3); i > 0 && !text.empty(); --i) {
      const std::size_t at = storm.below(static_cast<unsigned>(text.size()));
      const std::string spice = "{}[]\",:\\0 tn\x01\xff";
      if (storm.below(2))
        text[at] = spice[storm.below(static_cast<unsigned>(spice.size()))];
      else
        text.erase(at, 1);
    }
    payload.bind(text, "\"]}, \\1"[seed % 7]);
    const bool strict = !check_json(text);
    if (strict) BOOST_REQUIRE_MESSAGE(payload->valid(), text);
    std::vector<Node> nodes{payload.root()};
    std::string scratch;
    for (std::size_t i = 0; i < nodes.size() && i < 500; ++i) {
      payload->kind(nodes[i]);
      payload->string(nodes[i]);
      payload->key(nodes[i], scratch);
      for (auto node = payload->first(nodes[i]); node; node = payload->next(node)) nodes.push_back(node);
    }
    std::string out;
    payload->write(out);
    BOOST_REQUIRE(out == text);
    payload->set_path("a.b.c", Value::integer(1));
    payload->remove_path("id");
    for (const Node node : nodes) payload->append(node, Value::null());
    out.clear();
    payload->write(out);
    if (strict) BOOST_REQUIRE_MESSAGE(!check_json(out), text << " became " << out);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_row_keeps_the_members_its_check_has_found_until_its_payload_is_another) {
  const auto batch = Batch::make();
  const auto check = [&](std::size_t row) {
    Members found;
    BOOST_REQUIRE(!check_json_padded(batch->payload(row), &found));
    batch->mark_json(row, found);
  };
  for (int i = 0; i < 5; ++i) check(batch->append("{\"a\":" + std::to_string(i) + ",\"b\":\"x\"}", {}));
  batch->replace_payload(2, "[10,{}]");
  const auto other = Batch::make();
  other->take_row(*batch, 0);
  const std::uint8_t kept[] = {1, 2, 4};
  batch->keep(kept);
  const auto a = [](Document& document) { return document.integer(document.find_path("a")).value_or(-1); };
  BOOST_TEST(a(other->document(0)) == 0);
  BOOST_TEST(a(batch->document(0)) == 1);
  BOOST_TEST(batch->document(1).integer(batch->document(1).find_path("0")).value() == 10);
  BOOST_TEST(a(batch->document(2)) == 4);
  batch->document(2).set_path("a", Value::integer(5));
  BOOST_TEST(batch->payload(2) == R"({"a":5,"b":"x"})");
  batch->replace_payload(2, R"({"c":1,"d":2,"a":6})");
  BOOST_TEST(a(batch->document(2)) == 6);
  batch->clear();
  check(batch->append("[1]", {}));
  BOOST_TEST(batch->document(0).size(batch->document(0).root()) == 1U);
}

BOOST_AUTO_TEST_CASE(members_that_are_many_are_looked_for_again) {
  const auto batch = Batch::make();
  std::string text = "[0";
  for (int i = 1; i < 2000; ++i) text += "," + std::to_string(i);
  Members found;
  batch->append(text + "]", {});
  BOOST_REQUIRE(!check_json_padded(batch->payload(0), &found));
  batch->mark_json(0, found);
  BOOST_TEST(batch->document(0).size(batch->document(0).root()) == 2000U);
}
