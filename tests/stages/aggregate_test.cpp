// aggregate: one message of many, by key and window.
#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>
#include <random>
#include <sstream>

#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;
using weir::runtime::Time;

BOOST_AUTO_TEST_CASE(each_group_of_a_window_becomes_one_message_when_it_closes) {
  Alone aggregate(
      "aggregate",
      "{by: [d], window: 10s, fields: {n: count(), s: sum(c), lo: min(c), hi: max(c), m: mean(c), f: first(c), "
      "l: last(c)}}");
  aggregate.give({R"({"d":"a","c":2})", R"({"d":"b","c":1.50})", R"({"d":"a","c":5})"});
  aggregate.run_for(9s);
  aggregate.give({R"({"d":"a","c":2})"});
  BOOST_TEST(aggregate.out().empty());
  BOOST_TEST(aggregate.done == 4U);
  BOOST_TEST((aggregate.tick() == Time(10s)));
  aggregate.run_for(1s);
  BOOST_TEST(!aggregate.tick());
  BOOST_TEST(aggregate.out() == (Lines{R"({"d":"a","n":3,"s":9,"lo":2,"hi":5,"m":3.0,"f":2,"l":2})",
                                       R"({"d":"b","n":1,"s":1.5,"lo":1.50,"hi":1.50,"m":1.5,"f":1.50,"l":1.50})"}));
  BOOST_TEST(aggregate.output->counters().absorbed == 4U);
  BOOST_TEST(aggregate.output->counters().created == 2U);
  BOOST_TEST(aggregate.balanced());
  aggregate.run_for(1h);
  BOOST_TEST(!aggregate.tick());  // Empty windows send nothing.
  BOOST_TEST(aggregate.out().size() == 2U);
}

BOOST_AUTO_TEST_CASE(where_nothing_of_it_is_looked_at_any_payload_counts) {
  Alone aggregate("aggregate", "{window: 10s, fields: {n: count()}}");
  aggregate.give({"a line", "", "{}"});
  aggregate.finish();
  BOOST_TEST(aggregate.out() == (Lines{R"({"n":3})"}));
  BOOST_TEST(aggregate.failed.empty());
}

BOOST_AUTO_TEST_CASE(a_message_that_comes_before_the_tick_closes_the_window_before_it) {
  Alone aggregate("aggregate", "{window: 10s, fields: {n: count()}}");
  aggregate.give({"{}", "{}"});
  aggregate.run_for(25s);
  aggregate.give({"{}"});
  BOOST_TEST(aggregate.out() == (Lines{R"({"n":2})"}));
  BOOST_TEST((aggregate.tick() == Time(30s)));
  aggregate.finish();
  BOOST_TEST(aggregate.out() == (Lines{R"({"n":2})", R"({"n":1})"}));
  BOOST_TEST(aggregate.balanced());
}

BOOST_AUTO_TEST_CASE(a_source_that_has_read_everything_does_not_cut_a_window_short_but_the_end_closes_it) {
  Alone aggregate("aggregate", "{window: 10s, fields: {n: count()}}");
  aggregate.give({"{}"});
  aggregate.flush();
  BOOST_TEST(aggregate.out().empty());
  aggregate.give({"{}"});
  aggregate.finish();
  BOOST_TEST(aggregate.out() == (Lines{R"({"n":2})"}));
}

BOOST_AUTO_TEST_CASE(windows_that_slide_hold_a_message_as_often_as_they_overlap) {
  Alone aggregate("aggregate",
                  "{window: 3s, slide: 1s, fields: {n: count(), s: sum(v), l: last(v), f: first(v), p: p50(v)}}");
  for (int second = 0; second < 4; ++second) {
    aggregate.give({"{\"v\":" + std::to_string(second + 1) + "}"});
    BOOST_TEST((aggregate.tick() == Time(std::chrono::seconds(second + 1))));
    aggregate.run_for(1s);
    aggregate.tick();
  }
  BOOST_TEST(aggregate.out() == (Lines{R"({"n":1,"s":1,"l":1,"f":1,"p":1})", R"({"n":2,"s":3,"l":2,"f":1,"p":1})",
                                       R"({"n":3,"s":6,"l":3,"f":1,"p":2})", R"({"n":3,"s":9,"l":4,"f":2,"p":3})"}));
  aggregate.finish();
  BOOST_TEST(aggregate.out().size() == 6U);
  BOOST_TEST(aggregate.out()[4] == R"({"n":2,"s":7,"l":4,"f":3,"p":3})");
  BOOST_TEST(aggregate.out()[5] == R"({"n":1,"s":4,"l":4,"f":4,"p":4})");
  BOOST_TEST(aggregate.balanced());
}

BOOST_AUTO_TEST_CASE(a_percentile_is_a_value_that_came) {
  Alone aggregate("aggregate", "{window: 1s, fields: {a: p1(v), b: p50(v), c: p95(v), d: p99(v)}}");
  std::vector<std::string> values;
  for (int i = 0; i < 200; ++i) values.push_back("{\"v\":" + std::to_string((i * 37) % 200 + 1) + "}");
  for (std::size_t i = 0; i < 200; i += 50) {
    aggregate.give(std::vector<std::string>(values.begin() + static_cast<std::ptrdiff_t>(i),
                                            values.begin() + static_cast<std::ptrdiff_t>(i) + 50));
  }
  aggregate.finish();
  BOOST_TEST(aggregate.out() == (Lines{R"({"a":2,"b":100,"c":190,"d":198})"}));
}

BOOST_AUTO_TEST_CASE(integers_of_64_bits_are_told_apart_and_come_out_as_they_came) {
  Alone aggregate("aggregate", "{by: [k], window: 1d, fields: {lo: min(v), hi: max(v), p: p50(v), q: p99(v)}}");
  aggregate.give({R"({"k":1,"v":1700000000000000003})", R"({"k":1,"v":1700000000000000001})",
                  R"({"k":2,"v":9223372036854775807})", R"({"k":3,"v":9223372036854775806})",
                  R"({"k":3,"v":9223372036854775808})", R"({"k":4,"v":-9223372036854775808})"});
  aggregate.finish();
  BOOST_TEST(
      aggregate.out() ==
      (Lines{
          R"({"k":1,"lo":1700000000000000001,"hi":1700000000000000003,"p":1700000000000000001,"q":1700000000000000003})",
          R"({"k":2,"lo":9223372036854775807,"hi":9223372036854775807,"p":9223372036854775807,"q":9223372036854775807})",
          R"({"k":3,"lo":9223372036854775806,"hi":9223372036854775808,"p":9223372036854775806,"q":9223372036854775808.0})",
          R"({"k":4,"lo":-9223372036854775808,"hi":-9223372036854775808,"p":-9223372036854775808,"q":-9223372036854775808})"}));
}

BOOST_AUTO_TEST_CASE(an_integer_among_other_numbers_is_still_an_integer) {
  Alone aggregate("aggregate", "{window: 1s, fields: {a: p25(v), b: p50(v), c: p75(v), d: p99(v)}}");
  aggregate.give({R"({"v":2.5})", R"({"v":1})", R"({"v":-0.5})", R"({"v":7})"});
  aggregate.finish();
  BOOST_TEST(aggregate.out() == (Lines{R"({"a":-0.5,"b":1,"c":2.5,"d":7})"}));
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_not_counted_and_of_nothing_there_is_null) {
  Alone aggregate("aggregate",
                  "{by: [k, x.y], window: 1s, fields: {n: count(), c: count(v), s: sum(v), m: mean(v), hi: max(v), p: "
                  "p50(v), f: first(v)}}");
  aggregate.give({"{}", R"({"k":null,"v":null})", R"({"x":{"y":1},"v":1})"});
  aggregate.finish();
  BOOST_TEST(aggregate.out() ==
             (Lines{R"({"k":null,"x":{"y":null},"n":2,"c":0,"s":0,"m":null,"hi":null,"p":null,"f":null})",
                    R"({"k":null,"x":{"y":1},"n":1,"c":1,"s":1,"m":1.0,"hi":1,"p":1,"f":1})"}));
}

BOOST_AUTO_TEST_CASE(keys_are_the_same_however_they_are_written) {
  Alone aggregate("aggregate", "{by: [k], window: 1s, fields: {n: count()}}");
  aggregate.give({R"({"k":"a"})", R"({"k":"\u0061"})", R"({"k":1,"k":"a"})", R"({"\u006b":"a"})", R"({"k":[1]})"});
  aggregate.finish();
  BOOST_TEST(aggregate.out() == (Lines{R"({"k":"a","n":4})", R"({"k":[1],"n":1})"}));
}

BOOST_AUTO_TEST_CASE(equal_values_are_one_group_and_others_are_not) {
  Alone aggregate("aggregate", "{by: [k], window: 1s, fields: {n: count()}}");
  aggregate.give({R"({"k":1})", R"({"k":1.0})", R"({"k":1e0})", R"({"k":10E-1})", R"({"k":0})", R"({"k":-0})",
                  R"({"k":-0.0e7})", R"({"k":[1,2]})", R"({"k":[1, 2.0]})", R"({"k":{"a": "b c"}})",
                  R"({"k":{ "a":"\u0062 c" }})", R"({"k":"1"})", R"({"k":1.50})", R"({"k":15e-1})"});
  aggregate.give({R"({"k":18446744073709551615})", R"({"k":18446744073709551616})", R"({"k":18446744073709551615.0})",
                  R"({"k":1e999})", R"({"k":10e998})", R"({"k":true})", R"({"k":9007199254740993})",
                  R"({"k":9007199254740992})"});
  aggregate.finish();
  BOOST_TEST(aggregate.out() ==
             (Lines{R"({"k":1,"n":4})", R"({"k":0,"n":3})", R"({"k":[1,2],"n":2})", R"({"k":{"a":"b c"},"n":2})",
                    R"({"k":"1","n":1})", R"({"k":1.5,"n":2})", R"({"k":18446744073709551615,"n":2})",
                    R"({"k":18446744073709551616,"n":1})", R"({"k":1e999,"n":2})", R"({"k":true,"n":1})",
                    R"({"k":9007199254740993,"n":1})", R"({"k":9007199254740992,"n":1})"}));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_counted_fails_and_counts_nowhere) {
  Alone aggregate("aggregate", "{by: [k], window: 1s, fields: {n: count(), s: sum(v), m: max(w)}}");
  aggregate.give({R"({"k":1,"v":"1"})", R"({"k":1,"v":1,"w":true})", "no", "", "[1]", R"({"k":1,"v":1})"});
  aggregate.finish();
  BOOST_TEST(aggregate.out() == (Lines{R"({"k":null,"n":1,"s":0,"m":null})", R"({"k":1,"n":1,"s":1,"m":null})"}));
  BOOST_REQUIRE_EQUAL(aggregate.failed.size(), 4U);
  BOOST_TEST((aggregate.failed[0].failure.reason == Reason::type));
  BOOST_TEST(aggregate.failed[0].failure.text == "'v' is no number");
  BOOST_TEST((aggregate.failed[2].failure.reason == Reason::decode));
  BOOST_TEST(aggregate.balanced());
}

BOOST_AUTO_TEST_CASE(sums_that_64_bits_do_not_hold_go_on_as_floats) {
  Alone aggregate("aggregate", "{window: 1s, fields: {s: sum(v)}}");
  aggregate.give({R"({"v":9223372036854775807})", R"({"v":9223372036854775807})"});
  aggregate.finish();
  BOOST_REQUIRE_EQUAL(aggregate.out().size(), 1U);
  BOOST_TEST(aggregate.out()[0] == R"({"s":18446744073709551616.0})");
}

BOOST_AUTO_TEST_CASE(a_sum_of_integers_is_exact_whatever_it_was_on_the_way) {
  for (const auto* three : {"9223372036854775807 3 -9223372036854775807", "-9223372036854775807 9223372036854775807 3",
                            "9007199254740990 -9007199254740993 6"}) {
    Alone aggregate("aggregate", "{window: 1s, fields: {s: sum(v)}}");
    std::istringstream numbers(three);
    for (std::string number; numbers >> number;) aggregate.give({"{\"v\":" + number + "}"});
    aggregate.finish();
    BOOST_REQUIRE_EQUAL(aggregate.out().size(), 1U);
    BOOST_TEST(aggregate.out()[0] == "{\"s\":3}");
  }
}

BOOST_AUTO_TEST_CASE(what_would_make_a_sum_infinite_fails_and_counts_nowhere) {
  Alone aggregate("aggregate", "{by: [k], window: 1s, fields: {n: count(), s: sum(v), m: mean(w)}}");
  aggregate.give({R"({"k":1,"v":1.5e308})", R"({"k":1,"v":1.5e308})", R"({"k":2,"v":1e308})", R"({"k":1,"w":-1e308})",
                  R"({"k":1,"v":1,"w":-1e308})", R"({"k":1,"v":-1e308})"});
  aggregate.finish();
  BOOST_TEST(aggregate.out() ==
             (Lines{R"({"k":1,"n":3,"s":5e+307,"m":-1e+308})", R"({"k":2,"n":1,"s":1e+308,"m":null})"}));
  BOOST_REQUIRE_EQUAL(aggregate.failed.size(), 2U);
  BOOST_TEST((aggregate.failed[0].failure.reason == Reason::type));
  BOOST_TEST(aggregate.failed[0].failure.text == "with this message the sum of 'v' would be infinite");
  BOOST_TEST(aggregate.failed[1].failure.text == "with this message the sum of 'w' would be infinite");
  BOOST_TEST(aggregate.balanced());
}

BOOST_AUTO_TEST_CASE(what_would_make_the_sum_of_a_window_that_slides_infinite_fails) {
  Alone aggregate("aggregate", "{window: 3s, slide: 1s, time: t, fields: {s: sum(v)}, late: 10s}");
  aggregate.give({R"({"t":0,"v":1e308})", R"({"t":2,"v":1e308})", R"({"t":3,"v":1e308})", R"({"t":1,"v":1e308})"});
  BOOST_REQUIRE_EQUAL(aggregate.failed.size(), 2U);  // Each stands in a window with the first.
  aggregate.finish();
  BOOST_TEST(aggregate.out() == (Lines{R"({"s":1e+308})", R"({"s":1e+308})", R"({"s":1e+308})", R"({"s":1e+308})",
                                       R"({"s":1e+308})", R"({"s":1e+308})"}));
  BOOST_TEST(aggregate.balanced());
}

namespace {

/// For these messages, one a second, in clock ticks: the least of some tries.
std::clock_t ticks(const std::string& yaml, const std::vector<std::string>& values) {
  std::clock_t least = std::numeric_limits<std::clock_t>::max();
  for (int i = 0; i < 3; ++i) {
    Alone aggregate("aggregate", yaml);
    const std::clock_t begin = std::clock();
    Lines batch;
    for (std::size_t second = 0; second < values.size(); ++second) {
      batch.push_back("{\"t\":" + std::to_string(second) + ",\"v\":" + values[second] + "}");
      if (batch.size() == 50) aggregate.give(std::exchange(batch, {}));
    }
    least = std::min(least, std::clock() - begin);
    BOOST_TEST(aggregate.failed.empty());
  }
  return least;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_large_number_makes_the_window_that_slides_no_slower) {
  const std::string yaml = "{window: 1h, slide: 1s, time: t, fields: {m: mean(v)}}";
  std::vector<std::string> values(2000, "1.5");
  const auto plain = ticks(yaml, values);
  values[5] = "1e300";
  BOOST_TEST(ticks(yaml, values) < 4 * plain);
}

BOOST_AUTO_TEST_CASE(a_window_that_slides_in_many_steps_is_no_slower_than_one_of_few) {
  const std::string fields =
      ", slide: 1s, time: t, fields: {n: count(), s: sum(v), m: mean(v), hi: max(v), f: first(v)}}";
  const std::vector<std::string> values(4000, "1.5");
  BOOST_TEST(ticks("{window: 1h" + fields, values) < 4 * ticks("{window: 10s" + fields, values));
}

BOOST_AUTO_TEST_CASE(first_and_last_are_as_they_came_also_where_windows_slide) {
  for (const std::string slide : {"", ", slide: 5s"}) {
    Alone aggregate("aggregate",
                    "{by: [k], window: 10s, time: t, late: 1m, fields: {f: first(v), l: last(v)}" + slide + "}",
                    {"late"});
    aggregate.give({R"({"k":1,"t":7,"v":"a"})", R"({"k":1,"t":3,"v":"b"})", R"({"k":1,"t":8,"v":"c"})",
                    R"({"k":1,"t":2,"v":"d"})"});
    aggregate.finish();
    const Lines out = aggregate.out();
    BOOST_TEST(std::count(out.begin(), out.end(), R"({"k":1,"f":"a","l":"d"})") == 1, out.front());
  }
}

BOOST_AUTO_TEST_CASE(the_sum_of_a_window_that_slides_is_right_to_the_last_place) {
  Alone aggregate("aggregate", "{window: 10s, slide: 1s, time: t, fields: {s: sum(v), m: mean(v)}}");
  for (int second = 0; second < 25; ++second) aggregate.give({"{\"t\":" + std::to_string(second) + ",\"v\":0.1}"});
  for (std::size_t window = 9; window < aggregate.out().size(); ++window) {
    BOOST_TEST(aggregate.out()[window] == R"({"s":1.0,"m":0.1})");
  }
}

BOOST_AUTO_TEST_CASE(integers_add_up_in_a_window_that_slides_whatever_came_on_the_way) {
  Alone aggregate("aggregate", "{window: 3s, slide: 1s, time: t, fields: {s: sum(v)}}");
  aggregate.give({R"({"t":0,"v":9223372036854775807})", R"({"t":1,"v":9223372036854775807})",
                  R"({"t":2,"v":-9223372036854775807})", R"({"t":3,"v":5})", R"({"t":4,"v":1})"});
  BOOST_TEST(aggregate.out() == (Lines{R"({"s":9223372036854775807})", R"({"s":18446744073709551616.0})",
                                       R"({"s":9223372036854775807})", R"({"s":5})"}));
}

BOOST_AUTO_TEST_CASE(windows_that_slide_are_what_their_messages_are_in_whatever_order_these_come) {
  constexpr int panes = 5;
  std::mt19937 random(31);
  for (int round = 0; round < 100; ++round) {
    struct Given {
      int pane;
      std::string key;
      int halves;  // The value, twice.
    };
    std::vector<Given> taken;
    Lines expected;
    std::size_t late = 0;
    bool any = false;
    int closed_until = 0, now = 100;
    const int waits = static_cast<int>(random() % 4);
    const auto close_until = [&](int pane) {
      for (; closed_until < pane; ++closed_until) {
        std::vector<const Given*> inside;
        for (const auto& one : taken) {
          if (one.pane <= closed_until && one.pane > closed_until - panes) inside.push_back(&one);
        }
        const auto as_they_came = inside;
        std::stable_sort(inside.begin(), inside.end(), [](auto* a, auto* b) { return a->pane < b->pane; });
        std::vector<std::string> keys;
        for (const auto* one : inside) {
          if (std::find(keys.begin(), keys.end(), one->key) == keys.end()) keys.push_back(one->key);
        }
        for (const auto& key : keys) {
          std::vector<int> values;
          for (const auto* one : as_they_came) {
            if (one->key == key) values.push_back(one->halves);
          }
          const auto text = [](int halves) { return std::to_string(halves / 2) + (halves % 2 ? ".5" : ".0"); };
          auto sorted = values;
          std::sort(sorted.begin(), sorted.end());
          int sum = 0;
          for (const int value : values) sum += value;
          expected.push_back("{\"k\":\"" + key + "\",\"n\":" + std::to_string(values.size()) + ",\"s\":" + text(sum) +
                             ",\"lo\":" + text(sorted.front()) + ",\"hi\":" + text(sorted.back()) +
                             ",\"f\":" + text(values.front()) + ",\"l\":" + text(values.back()) +
                             ",\"p\":" + text(sorted[(sorted.size() * 50 + 99) / 100 - 1]) + "}");
        }
      }
    };
    Alone aggregate(
        "aggregate",
        "{by: [k], window: 5s, slide: 1s, time: t, late: " + std::to_string(waits) +
            "s, fields: {n: count(), s: sum(v), lo: min(v), hi: max(v), f: first(v), l: last(v), p: p50(v)}}",
        {"late"});
    for (int i = 0; i < 200; ++i) {
      if (random() % 3 == 0) now += static_cast<int>(random() % (random() % 10 == 0 ? 12 : 3));
      const Given given{now - static_cast<int>(random() % 9), std::string(1, static_cast<char>('a' + random() % 4)),
                        static_cast<int>(random() % 40)};
      aggregate.give({"{\"t\":" + std::to_string(given.pane) + ",\"k\":\"" + given.key +
                      "\",\"v\":" + std::to_string(given.halves / 2) + (given.halves % 2 ? ".5" : ".0") + "}"});
      if (any && given.pane + panes <= closed_until) {
        ++late;
        continue;
      }
      taken.push_back(given);
      if (!std::exchange(any, true)) closed_until = given.pane - waits;
      close_until(given.pane - waits);
    }
    aggregate.finish();
    int last = 0;
    for (const auto& one : taken) last = std::max(last, one.pane);
    close_until(last + panes);
    BOOST_TEST(aggregate.out("late").size() == late);
    BOOST_REQUIRE(aggregate.out() == expected);
    BOOST_TEST(aggregate.balanced());
  }
}

BOOST_AUTO_TEST_CASE(a_message_fails_if_a_window_that_it_would_be_in_had_an_infinite_sum_and_no_other) {
  constexpr int panes = 4;
  constexpr const char* values[] = {"1.7e308", "-1.7e308", "9e307", "-9e307", "1", "-5e305"};
  std::mt19937 random(37);
  for (int round = 0; round < 100; ++round) {
    Alone aggregate("aggregate", "{window: 4s, slide: 1s, time: t, late: 3s, fields: {s: sum(v)}}", {"late"});
    std::map<int, double> sums;
    bool any = false;
    int closed_until = 0, now = 100;
    for (int i = 0; i < 100; ++i) {
      if (random() % 2 == 0) now += static_cast<int>(random() % 4);
      const int pane = now - static_cast<int>(random() % 3);
      const std::string value = values[random() % std::size(values)];
      bool infinite = false;
      for (int first = pane - panes + 1; first <= pane; ++first) {
        if (any && first + panes <= closed_until) continue;
        long double sum = 0;
        for (int at = first; at < first + panes; ++at) {
          const double before = sums.contains(at) ? sums[at] : 0;
          sum += at == pane ? before + std::stod(value) : before;
        }
        infinite |= !std::isfinite(static_cast<double>(sum));
      }
      const std::size_t failed = aggregate.failed.size();
      aggregate.give({"{\"t\":" + std::to_string(pane) + ",\"v\":" + value + "}"});
      BOOST_REQUIRE_EQUAL(aggregate.failed.size() - failed, infinite ? 1U : 0U);
      if (infinite) continue;
      sums[pane] += std::stod(value);
      if (!std::exchange(any, true)) closed_until = pane - 3;
      closed_until = std::max(closed_until, pane - 3);
    }
    aggregate.finish();
    for (const auto& line : aggregate.out()) BOOST_TEST(line.find("inf") == line.npos);
  }
}

BOOST_AUTO_TEST_CASE(by_time_windows_close_as_later_messages_come_and_what_is_too_late_leaves_by_late) {
  Alone aggregate("aggregate", "{window: 10s, time: t, late: 5s, fields: {n: count(), l: last(t)}}", {"late"});
  aggregate.hold = true;
  aggregate.give({R"({"t":100})", R"({"t":112})", R"({"t":109.5})", R"({"t":114.9})"});
  BOOST_TEST(aggregate.out().empty());
  aggregate.give({R"({"t":115})", R"({"t":101})", R"({"t":110})"});
  BOOST_TEST(aggregate.out() == (Lines{R"({"n":2,"l":109.5})"}));
  BOOST_TEST(aggregate.out("late") == (Lines{R"({"t":101})"}));
  BOOST_TEST(aggregate.held.at(0)->metadata(0)->own.at("window_start") == R"("1970-01-01T00:01:40.000Z")");
  BOOST_TEST(aggregate.held.at(0)->metadata(0)->own.at("window_end") == R"("1970-01-01T00:01:50.000Z")");
  BOOST_TEST(!aggregate.tick());
  aggregate.finish();
  BOOST_TEST(aggregate.out().back() == R"({"n":4,"l":110})");
  BOOST_TEST(aggregate.balanced());
}

BOOST_AUTO_TEST_CASE(times_are_numbers_or_texts) {
  Alone aggregate("aggregate", "{window: 1m, time: t, fields: {n: count()}}");
  aggregate.give({R"({"t":"1970-01-01T00:00:59.999Z"})", R"({"t":1})", R"({"t":"yesterday"})", "{}", R"({"t":1e300})",
                  R"({"t":null})"});
  aggregate.finish();
  BOOST_TEST(aggregate.out() == (Lines{R"({"n":2})"}));
  BOOST_REQUIRE_EQUAL(aggregate.failed.size(), 4U);
  BOOST_TEST((aggregate.failed[0].failure.reason == Reason::type));
  BOOST_TEST((aggregate.failed[1].failure.reason == Reason::missing));
  BOOST_TEST((aggregate.failed[2].failure.reason == Reason::type));
  BOOST_TEST(aggregate.failed[0].failure.text == "'t' is no time: seconds since 1970, or a text as of RFC 3339");
  BOOST_TEST(aggregate.failed[2].failure.text ==
             "'t' lies outside the years 1678 to 2261, which is all that weir holds");
}

BOOST_AUTO_TEST_CASE(a_time_on_the_edge_of_a_window_is_in_the_one_that_begins_then) {
  const auto start = [](const std::string& time, const std::string& window) {
    Alone aggregate("aggregate", "{window: " + window + ", time: t, fields: {n: count()}}");
    aggregate.hold = true;
    aggregate.give({"{\"t\":" + time + "}"});
    aggregate.finish();
    return aggregate.held.at(0)->metadata(0)->own.at("window_start");
  };
  for (const char* time : {"1700000012.250", "1700000012.25", "1.70000001225e9", "\"2023-11-14T22:13:32.250Z\""}) {
    BOOST_TEST(start(time, "250ms") == R"("2023-11-14T22:13:32.250Z")", time);
  }
  BOOST_TEST(start("1700000012.1", "100ms") == R"("2023-11-14T22:13:32.100Z")");
  BOOST_TEST(start("1700000012.001", "1ms") == R"("2023-11-14T22:13:32.001Z")");
  BOOST_TEST(start("1700000012.0009999999999", "1ms") == R"("2023-11-14T22:13:32.000Z")");
  BOOST_TEST(start("-1.5", "250ms") == R"("1969-12-31T23:59:58.500Z")");
}

BOOST_AUTO_TEST_CASE(the_mean_of_integers_is_as_exact_as_their_sum) {
  Alone aggregate("aggregate", "{window: 1s, fields: {m: mean(v)}}");
  aggregate.give({R"({"v":9007199254740993})", R"({"v":1})", R"({"v":-9007199254740993})"});
  aggregate.finish();
  BOOST_TEST(aggregate.out() == (Lines{R"({"m":0.3333333333333333})"}));
}

BOOST_AUTO_TEST_CASE(a_window_that_weir_cannot_hold_is_said_to_be_one) {
  Alone aggregate("aggregate", "{window: 365d, time: t, fields: {n: count()}}");
  aggregate.give({R"({"t":9214646399})", R"({"t":-9214560000})"});
  BOOST_REQUIRE_EQUAL(aggregate.failed.size(), 2U);
  for (const auto& failed : aggregate.failed) {
    BOOST_TEST(failed.failure.text ==
               "'t', with its windows, lies outside the years 1678 to 2261, which is all that weir holds");
  }
}

BOOST_AUTO_TEST_CASE(small_numbers_do_not_tip_over_the_sum_of_a_window_either) {
  Alone aggregate("aggregate", "{window: 2s, slide: 1s, time: t, fields: {s: sum(v)}}");
  aggregate.give({R"({"t":0,"v":1.7976931348623157e308})", R"({"t":1,"v":9e291})", R"({"t":1,"v":9e291})"});
  BOOST_REQUIRE_EQUAL(aggregate.failed.size(), 1U);
  BOOST_TEST(aggregate.failed[0].failure.text == "with this message the sum of 'v' would be infinite");
}

BOOST_AUTO_TEST_CASE(a_time_that_weir_cannot_hold_is_said_to_be_one) {
  Alone aggregate("aggregate", "{window: 1m, time: t, fields: {n: count()}}");
  aggregate.give({R"({"t":"9999-12-31T23:59:59Z"})", R"({"t":9300000000})"});
  BOOST_REQUIRE_EQUAL(aggregate.failed.size(), 2U);
  for (const auto& failed : aggregate.failed) {
    BOOST_TEST((failed.failure.reason == Reason::type));
    BOOST_TEST(failed.failure.text == "'t' lies outside the years 1678 to 2261, which is all that weir holds");
  }
}

BOOST_AUTO_TEST_CASE(more_groups_than_an_output_takes_leave_in_pieces_and_more_than_allowed_fail) {
  Alone aggregate("aggregate", "{by: [k], window: 1s, fields: {n: count()}, keys: 300}");
  for (int i = 0; i < 301; ++i) aggregate.give({"{\"k\":" + std::to_string(i) + "}"});
  BOOST_REQUIRE_EQUAL(aggregate.failed.size(), 1U);
  BOOST_TEST((aggregate.failed[0].failure.reason == Reason::memory));
  aggregate.run_for(1s);
  while (aggregate.tick()) {
  }
  BOOST_TEST(aggregate.out().size() == 300U);
  BOOST_TEST(aggregate.out()[299] == R"({"k":299,"n":1})");
  BOOST_TEST(aggregate.balanced());
}

BOOST_AUTO_TEST_CASE(in_a_pipeline_each_window_comes_in_its_time) {
  Bench bench(R"(
stages:
  readings: {generate: {every: 1s, count: 25, msg: {device: d1, celsius: '{{ i }}'}}}
  averages: {from: readings, aggregate: {by: [device], window: 10s, fields: {mean: mean(celsius), n: count()}}}
  marked: {from: averages, set: {from: '{{ meta.window_start }}'}}
  screen: {from: marked, stdout: {}}
)");
  bench.start();
  bench.advance(9999ms);
  BOOST_TEST(bench.output() == "");
  bench.advance(2ms);
  const std::string first = R"({"device":"d1","mean":5.5,"n":10,"from":"2030-01-01T00:00:00.000Z"})";
  BOOST_TEST(bench.output() == first + "\n");
  bench.run();
  BOOST_TEST(bench.output() == first + "\n" +
                                   R"({"device":"d1","mean":15.5,"n":10,"from":"2030-01-01T00:00:10.000Z"})" + "\n" +
                                   R"({"device":"d1","mean":23.0,"n":5,"from":"2030-01-01T00:00:20.000Z"})" + "\n");
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(what_makes_no_sense_is_refused) {
  BOOST_TEST(
      Read("aggregate", "{window: 1s, fields: {m: median(c)}}").mistake() ==
      "'median(c)' is no function of a field; count(), or count, sum, min, max, mean, first, last or p1 to p99 of "
      "a path: mean(celsius)");
  for (const auto* bad : {"mean", "mean()", "p0(c)", "p100(c)", "p5x(c)", "sum(a..b)", "p(c)", "q5(c)"}) {
    BOOST_TEST(Read("aggregate", std::string("{window: 1s, fields: {m: '") + bad + "'}}").diagnostics.has_errors(),
               bad);
  }
  BOOST_TEST(Read("aggregate", "{window: 1s, fields: {'{{ msg.k }}': count()}}").mistake() ==
             "expected a constant key, found `{{ }}`: keys are read once, at the start; a name that depends on the "
             "message is made "
             "in `lua`");
  BOOST_TEST(Read("aggregate", "{window: 3s, slide: 2s, fields: {n: count()}}").mistake() ==
             "a window is a whole number of slides long; such as `window: 1m, slide: 10s`");
  BOOST_TEST(Read("aggregate", "{window: 3s, late: 2s, fields: {n: count()}}").mistake() ==
             "by arrival nothing comes late; name the field that holds the time: `time: at`");
  BOOST_TEST(Read("aggregate", "{window: 3s, by: [n], fields: {n.x: count()}}").mistake() ==
             "'n' and 'n.x' would stand in the same place; another name for one");
  BOOST_TEST(Read("aggregate", "{window: 3s}").diagnostics.has_errors());
  BOOST_TEST(Read("aggregate", "{fields: {n: count()}}").diagnostics.has_errors());
  BOOST_TEST(Read("aggregate", "{window: 0s, fields: {n: count()}}").diagnostics.has_errors());
  Bench bench(
      "stages: {a: {generate: {count: 1}}, b: {from: a, workers: 2, aggregate: {window: 1s, fields: {n: count()}}}, "
      "c: {from: b, drop: {}}}");
  BOOST_TEST(bench.mistakes().find("only one can run") != std::string::npos);
}
