// A message held against what is expected of it, and which stages promise an order.
#include "engine/command/expectations.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "engine/config/reader.hpp"
#include "engine/config/yaml.hpp"
#include "engine/runtime/random.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

config::Value value(const std::string& yaml) {
  config::Diagnostics diagnostics;
  const auto node = config::parse(config::make_source("test.yaml", yaml), diagnostics);
  const config::Scope scope;
  config::Reader reader(diagnostics, scope);
  config::Value value;
  BOOST_REQUIRE(node && config::read_value(*node, reader, value));
  return value;
}

command::Came came(const std::string& payload) {
  command::Came came;
  came.payload = payload;
  return came;
}

Lines whole(const std::string& expected, const std::string& payload) {
  command::ExpectConfig expect;
  expect.msg = value(expected);
  return command::differences(expect, came(payload));
}
Lines some(const std::string& expected, const std::string& payload) {
  command::ExpectConfig expect;
  expect.has = value(expected);
  return command::differences(expect, came(payload));
}

void check(const Lines& found, const Lines& expected) {
  BOOST_CHECK_EQUAL_COLLECTIONS(found.begin(), found.end(), expected.begin(), expected.end());
}

graph::Plan plan_of(const std::string& stages) {
  config::Diagnostics diagnostics;
  const auto nothing = [](const std::string&) { return std::optional<std::string>(); };
  auto pipeline = config::load(config::make_source("test.yaml", "stages:\n" + stages), {}, nothing, diagnostics);
  BOOST_REQUIRE(pipeline);
  auto plan = graph::compile(std::move(*pipeline), stage::Catalog::linked(), diagnostics);
  BOOST_REQUIRE_MESSAGE(plan, diagnostics.render());
  return std::move(*plan);
}

bool ordered(const graph::Plan& plan, const std::string& from) {
  const auto ports = command::find_ports(plan, from);
  BOOST_REQUIRE_EQUAL(ports.size(), 1U);
  return command::in_order(plan, ports.front());
}

}  // namespace

BOOST_AUTO_TEST_CASE(numbers_compare_by_value) {
  check(whole("{n: 2}", R"({"n": 2.0})"), {});
  check(whole("{n: 1e3}", R"({"n":1000})"), {});
  check(whole("{n: -0}", R"({"n":0})"), {});
  check(whole("{n: 9007199254740993}", R"({"n":9007199254740992})"),
        {"n: expected 9007199254740993, came 9007199254740992"});
  check(whole("{n: 1e999}", R"({"n":1e999})"), {});
  check(whole("{n: 18446744073709551615}", R"({"n":18446744073709551615})"), {});
  check(whole("{n: 18446744073709551615}", R"({"n":18446744073709551616})"),
        {"n: expected 18446744073709551615, came 18446744073709551616"});
  check(whole("{n: 18446744073709551616}", R"({"n":1.8446744073709552e+19})"), {});
  check(whole("{n: 1700000000000000003}", R"({"n":1.7e18})"), {"n: expected 1700000000000000003, came 1.7e18"});
  check(whole("{n: 1e999}", R"({"n":10e998})"), {});
  check(whole("{n: 1e999}", R"({"n":1e998})"), {"n: expected 1e999, came 1e998"});
  check(whole("{n: 0.1}", R"({"n":0.1000000000000000055})"), {});
  check(whole("2", "2.0"), {});
  check(whole("{n: '2'}", R"({"n":2})"), {R"(n: expected "2", came 2)"});
  check(whole("{n: 2}", R"({"n":"2"})"), {R"(n: expected 2, came "2")"});
}

BOOST_AUTO_TEST_CASE(a_whole_message_has_no_more_and_no_less) {
  check(whole("{a: 1, b: {c: [x, null]}}", R"({"b":{"c":["x",null]},"a":1})"), {});
  check(whole("{a: 1}", R"({"a":1,"b":2})"), {"b: not expected, came 2"});
  check(whole("{a: 1, b: 2}", R"({"a":1})"), {"b: expected 2, it is not there"});
  check(whole("{a: {b: 1}}", R"({"a":{"b":1,"c":{"d":2}}})"), {R"(a.c: not expected, came {"d":2})"});
  check(whole("{}", "[]"), {"expected {}, came []"});
  check(whole("{a: null}", "{}"), {"a: expected null, it is not there"});
  check(whole("{a: true}", R"({"a":1})"), {"a: expected true, came 1"});
}

BOOST_AUTO_TEST_CASE(some_fields_are_some_all_the_way_down_but_lists_are_whole) {
  check(some("{a: {b: 1}}", R"({"a":{"b":1,"c":2},"d":3})"), {});
  check(some("{list: [{a: 1}, {b: 2}]}", R"({"list":[{"a":1,"x":1},{"b":2}]})"), {});
  check(some("{list: [1, 2]}", R"({"list":[1,2,3]})"), {"list: expected a list of 2, came one of 3"});
  check(some("{list: [{a: 1}]}", R"({"list":[{"a":2}]})"), {"list[0].a: expected 1, came 2"});
  check(some("{a: 1}", "a: 1"), {"the message is no JSON: 'a: 1'"});
}

BOOST_AUTO_TEST_CASE(texts_are_whole_bytes) {
  command::ExpectConfig expect;
  expect.text = "one\ntwo";
  check(command::differences(expect, came("one\ntwo")), {});
  check(command::differences(expect, came("one\ntwo\n")), {"text: another from byte 8 on"});
  check(command::differences(expect, came("")), {"text: another from byte 1 on"});
}

BOOST_AUTO_TEST_CASE(what_a_message_carries_is_compared_by_its_names) {
  auto message = came("{}");
  message.at = runtime::Time(1500ms);
  auto metadata = std::make_shared<message::Metadata>();
  metadata->failed.emplace(message::Reason::exit, "no such id");
  metadata->failed->stage = "score";
  metadata->failed->line = 3;
  metadata->key = "a";
  metadata->own["mine"] = R"({"deep":1})";
  message.metadata = metadata;
  message.path = "a/b";
  command::ExpectConfig expect;
  expect.at = 1500ms;
  expect.path = "a/b";
  expect.failed.emplace();
  expect.failed->kind = "exit";
  expect.failed->line = 3;
  expect.meta = {{"key", value("a")}, {"mine", value("{deep: 1}")}, {"attempt", value("1")}};
  check(command::differences(expect, message), {});
  expect.at = 1s;
  expect.path = "a/c";
  expect.failed->text = "such an id";
  expect.failed->attempts = 2;
  expect.meta = {{"key", value("b")}, {"mine", value("{deep: 2}")}, {"other", value("1")}};
  check(
      command::differences(expect, message),
      {"at: expected 1s, came at 1.5s", "failed.text: expected 'such an id', came 'no such id'",
       "failed.attempts: expected 2, came 1", R"(meta.key: expected "b", came "a")",
       "meta.mine.deep: expected 2, came 1", "meta.other: expected 1, there is none", "path: expected a/c, came a/b"});
}

BOOST_AUTO_TEST_CASE(order_is_promised_along_one_path_from_one_source) {
  const auto plan = plan_of(
      "  a: {generate: {range: 1..9}}\n"
      "  b: {generate: {range: 1..9}}\n"
      "  one: {from: a, do: [{where: 'text ~= \"1\"'}, {set: {x: 1}}]}\n"
      "  kept: {from: one, workers: 4, set: {x: 1}}\n"
      "  free: {from: one, workers: 4, order: free, set: {x: 1}}\n"
      "  behind: {from: free, pass: {}}\n"
      "  both: {from: [kept, b], pass: {}}\n"
      "  ways: {from: a, route: {big: 'text == \"5\"'}}\n"
      "  big: {from: ways.big, pass: {}}\n"
      "  again: {from: [ways.big, ways.else], pass: {}}\n"
      "  dead: {from: any.failed, pass: {}}\n");
  for (const auto* stage : {"a", "one", "kept", "ways.big", "big", "ways.else"})
    BOOST_TEST(ordered(plan, stage), stage);
  for (const auto* stage : {"free", "behind", "both", "again", "dead"}) BOOST_TEST(!ordered(plan, stage), stage);
}

namespace {

/// One expectation: which of four messages it fits, and how many it wants.
struct Want {
  std::uint32_t fits;
  std::int64_t least, most;
};

/// Whether each message can be given to an expectation so that all have what they want: every way is tried.
bool feasible(const std::vector<Want>& wants, const std::vector<std::uint32_t>& messages,
              std::vector<std::int64_t>& given, std::size_t next = 0) {
  if (next == messages.size()) {
    for (std::size_t i = 0; i < wants.size(); ++i) {
      if (given[i] < wants[i].least) return false;
    }
    return true;
  }
  for (std::size_t i = 0; i < wants.size(); ++i) {
    if ((wants[i].fits >> messages[next] & 1U) == 0 || given[i] == wants[i].most) continue;
    ++given[i];
    const bool good = feasible(wants, messages, given, next + 1);
    --given[i];
    if (good) return true;
  }
  return false;
}

}  // namespace

BOOST_AUTO_TEST_CASE(in_any_order_a_match_is_found_exactly_where_there_is_one) {
  command::Trial trial;
  trial.plan = std::make_shared<const graph::Plan>(
      plan_of("  a: {generate: {count: 1}}\n  b: {generate: {count: 1}}\n  both: {from: [a, b], pass: {}}\n"));
  runtime::Random random(1);
  int possible = 0, impossible = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<Want> wants;
    trial.config.expect.clear();
    for (std::uint64_t i = 0, count = 1 + random.below(4); i < count; ++i) {
      const auto least = static_cast<std::int64_t>(random.below(3));
      Want want{static_cast<std::uint32_t>(random.below(16)), least,
                least + static_cast<std::int64_t>(random.below(3))};
      if (want.most == 0) want.most = 1;
      wants.push_back(want);
      // A message is its bit in each field: it fits where the field of the expectation's number is true.
      command::ExpectConfig expect;
      expect.from = "both";
      expect.has = value("{m" + std::to_string(want.fits) + ": true}");
      expect.times.emplace();
      expect.times->at_least = want.least;
      expect.times->at_most = want.most;
      trial.config.expect.push_back(std::move(expect));
    }
    command::Record record;
    std::vector<std::uint32_t> messages;
    for (std::uint64_t i = 0, count = random.below(7); i < count; ++i) {
      messages.push_back(static_cast<std::uint32_t>(random.below(4)));
      std::string payload;
      for (std::uint32_t fits = 0; fits < 16; ++fits) {
        payload += (fits == 0 ? "{\"m" : ",\"m") + std::to_string(fits) +
                   ((fits >> messages.back() & 1U) != 0 ? "\":true" : "\":false");
      }
      record.came["both"].push_back(came(payload + "}"));
    }
    command::Seen seen;
    seen.record = &record;
    config::Diagnostics failures;
    command::compare(trial, seen, failures);
    std::vector<std::int64_t> given(wants.size(), 0);
    const bool expected = feasible(wants, messages, given);
    BOOST_REQUIRE_MESSAGE(failures.empty() == expected, "round " << round << "\n" << failures.render());
    ++(expected ? possible : impossible);
  }
  BOOST_TEST(possible > 100);
  BOOST_TEST(impossible > 100);
}

BOOST_AUTO_TEST_CASE(a_time_is_shown_as_one_would_write_it) {
  BOOST_TEST(command::shown(0s) == "0s");
  BOOST_TEST(command::shown(250ms) == "250ms");
  BOOST_TEST(command::shown(3600500ms) == "3600.5s");
  BOOST_TEST(command::shown(90min) == "90m");
}
