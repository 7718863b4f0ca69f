// meta: sets what travels beside the payload.
#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

namespace {

std::map<std::string, std::string> own(Alone& meta, std::size_t row = 0) {
  const auto* metadata = meta.held.at(0)->metadata(row);
  return metadata ? metadata->own : std::map<std::string, std::string>{};
}

}  // namespace

BOOST_AUTO_TEST_CASE(names_are_set_and_the_payload_stays_as_it_is) {
  Alone meta("meta", "{tenant: '{{ msg.t }}', source: shop, n: 2, text: 'n={{ msg.n }}'}");
  meta.hold = true;
  meta.give({R"({ "t":"a\u0041", "n":1.0 })"});
  BOOST_TEST(meta.out() == (Lines{R"({ "t":"a\u0041", "n":1.0 })"}));
  const auto found = own(meta);
  BOOST_TEST(found.size() == 4U);
  BOOST_TEST(found.at("source") == R"("shop")");
  BOOST_TEST(found.at("n") == "2");
  BOOST_TEST(found.at("text") == R"("n=1.0")");
  BOOST_TEST(meta.balanced());
}

BOOST_AUTO_TEST_CASE(code_reads_them_further_on) {
  Bench bench(R"(
stages:
  numbers: {generate: {range: 1..2, msg: {n: '{{ i }}'}}}
  marked: {from: numbers, meta: {n: '{{ msg.n }}', gone: '{{ msg.gone }}'}}
  again: {from: marked, meta: {n: '{{ meta.n + 1 }}', was: '{{ meta.n }}'}}
  shown: {from: again, set: {n: '{{ meta.n }}', was: '{{ meta.was }}', gone: '{{ meta.gone }}'}}
  screen: {from: shown, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() == "{\"n\":2,\"was\":1}\n{\"n\":3,\"was\":2}\n");
}

BOOST_AUTO_TEST_CASE(where_one_value_fails_none_is_set) {
  Alone meta("meta", "{a: 1, b: '{{ msg.x.y }}'}", {"failed"});
  meta.hold = true;
  meta.give({"{}", "no json", ""});
  BOOST_TEST(meta.out().empty());
  BOOST_TEST(meta.out("failed") == (Lines{"{}", "no json", ""}));
  for (std::size_t row = 0; row < 3; ++row) BOOST_TEST(own(meta, row).empty());
  BOOST_TEST(meta.balanced());
}

BOOST_AUTO_TEST_CASE(a_constant_needs_no_json) {
  Alone meta("meta", "{source: shop, none: null}");
  meta.hold = true;
  meta.give({"no json"});
  BOOST_TEST(own(meta).at("source") == R"("shop")");
  BOOST_TEST(own(meta).at("none") == "null");
}

BOOST_AUTO_TEST_CASE(a_list_or_a_table_fails) {
  Alone meta("meta", "{a: '{{ msg.a }}'}");
  meta.give({R"({"a":[1]})", R"({"a":{}})", R"({"a":null})"});
  BOOST_REQUIRE_EQUAL(meta.failed.size(), 2U);
  BOOST_TEST((meta.failed[0].failure.reason == Reason::type));
  BOOST_TEST(meta.failed[0].failure.text == "meta.a holds a text, a number, true or false");
  BOOST_TEST(meta.out().size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_weir_sets_itself_and_what_is_no_scalar_is_refused) {
  BOOST_TEST(Read("meta", "{id: 1}").mistake() == "'id' may not be a name here; weir uses it itself");
  BOOST_TEST(Read("meta", "{'{{ msg.k }}': b}").mistake() ==
             "expected a constant key, found `{{ }}`: keys are read once, at the start; a name that depends on the "
             "message is made "
             "in `lua`");
  BOOST_TEST(Read("meta", "{a: [1]}").mistake() ==
             "metadata is a text, a number, true or false; lists and maps belong in the payload");
  BOOST_TEST(Read("meta", "{}").diagnostics.has_errors());
}
