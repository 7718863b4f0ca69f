// alert: firing once, cleared once.
#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

namespace {

/// What goes on of values 0 (well) and 1 (wrong), each with its state.
std::string told(const std::string& options, const std::string& values) {
  Alone alert("alert", "{where: msg.v == 1" + options + "}");
  alert.hold = true;
  std::string said;
  for (std::size_t i = 0; i < values.size(); ++i) {
    alert.give({std::string(R"({"v":)") + values[i] + "}"});
    for (; !alert.held.empty(); alert.held.clear()) {
      alert.held[0]->done_all();
      said += (said.empty() ? "" : " ") + std::to_string(i) + alert.held[0]->metadata(0)->alert;
    }
  }
  BOOST_TEST(alert.balanced());
  return said;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_message_that_fires_and_the_one_that_clears_go_on_and_no_other) {
  BOOST_TEST(told("", "0110010") == "1firing 3cleared 5firing 6cleared");
  BOOST_TEST(told(", after: 3", "1101110") == "5firing 6cleared");
  BOOST_TEST(told(", after: 2, clear: 3", "110010001000") == "1firing 7cleared");
  BOOST_TEST(told("", "0000") == "");
}

BOOST_AUTO_TEST_CASE(each_key_has_an_alert_of_its_own) {
  Alone alert("alert", "{key: '{{ msg.k }}', where: msg.n > 5, after: 2}");
  alert.give({R"({"k":"a","n":9})", R"({"k":"b","n":9})", R"({"k":"b","n":8})", R"({"k":"a","n":7})"});
  BOOST_TEST(alert.out() == (Lines{R"({"k":"b","n":8})", R"({"k":"a","n":7})"}));
  BOOST_TEST(alert.output->counters().filtered == 2U);
  BOOST_TEST(alert.done == 4U);
  BOOST_TEST(alert.balanced());
}

BOOST_AUTO_TEST_CASE(a_message_that_says_nothing_fails_and_counts_for_neither) {
  Alone alert("alert", "{key: '{{ msg.k }}', where: msg.n > 5, after: 2}");
  alert.give({R"({"k":"a","n":9})", R"({"k":"a"})", "{}", "no", "", R"({"k":"a","n":null})", R"({"k":"a","n":9})"});
  BOOST_TEST(alert.out() == (Lines{R"({"k":"a","n":9})"}));
  BOOST_REQUIRE_EQUAL(alert.failed.size(), 5U);
  BOOST_TEST((alert.failed[0].failure.reason == Reason::type));
  BOOST_TEST((alert.failed[1].failure.reason == Reason::missing));
  BOOST_TEST((alert.failed[2].failure.reason == Reason::decode));
  BOOST_TEST(alert.balanced());
}

BOOST_AUTO_TEST_CASE(of_too_many_keys_the_one_not_heard_of_for_longest_is_forgotten) {
  Alone alert("alert", "{key: '{{ msg.k }}', where: msg.v, keys: 2}");
  const auto give = [&](const char* key, bool wrong) {
    alert.give({std::string(R"({"k":")") + key + R"(","v":)" + (wrong ? "true" : "false") + "}"});
  };
  give("a", true);
  give("b", true);
  give("a", true);
  give("c", true);   // b is forgotten,
  give("b", false);  // so there is nothing to clear.
  give("a", false);
  BOOST_TEST(alert.out().size() == 4U);
  BOOST_TEST(alert.out()[3] == R"({"k":"a","v":false})");
}

BOOST_AUTO_TEST_CASE(code_further_on_reads_what_the_alert_says) {
  Bench bench(R"(
stages:
  values: {generate: {each: [1, 7, 8, 2], msg: {v: '{{ item }}'}}}
  high: {from: values, alert: {where: msg.v > 5, after: 2}}
  told: {from: high, set: {is: '{{ meta.alert }}'}}
  screen: {from: told, stdout: {}}
)");
  bench.run();
  BOOST_TEST(bench.output() == "{\"v\":8,\"is\":\"firing\"}\n{\"v\":2,\"is\":\"cleared\"}\n");
}

BOOST_AUTO_TEST_CASE(several_workers_say_of_each_key_what_one_would) {
  Bench bench(R"(
stages:
  a: {generate: {range: 0..999, msg: {n: '{{ i }}', k: '{{ i % 10 }}', v: '{{ i // 10 % 10 }}'}}}
  b: {from: a, alert: {key: '{{ msg.k }}', where: msg.v > 5, after: 2}, workers: 4}
  c: {from: b, where: 'msg.v == 7 and meta.alert == "firing" or msg.v == 0 and meta.alert == "cleared"'}
  d: {from: c, drop: {}}
)",
              1, 3);
  bench.run();
  BOOST_TEST(bench.stage("c").in == 190U);  // Ten keys fire ten times; the last time they are not cleared.
  BOOST_TEST(bench.stage("d").in == 190U);
}

BOOST_AUTO_TEST_CASE(alert_needs_a_condition_and_without_a_key_runs_once) {
  BOOST_TEST(Read("alert", "{key: a}").diagnostics.has_errors());
  BOOST_TEST(Read("alert", "{where: msg.v, after: 0}").diagnostics.has_errors());
  Bench bench(
      "stages: {a: {generate: {count: 1}}, b: {from: a, alert: {where: msg.v}, workers: 2}, c: {from: b, drop: {}}}");
  BOOST_TEST(bench.mistakes().find("only one can run") != std::string::npos);
}
