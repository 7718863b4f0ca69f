// generate: numbers, lists and what code yields; at once, or in time.
#include <ctime>

#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;
using weir::stage::Dropped;

namespace {

std::string mistake(const std::string& yaml) { return Read("generate", yaml).mistake(); }

Lines made(const std::string& yaml) {
  Alone generate("generate", yaml);
  generate.run();
  BOOST_TEST(generate.fault == "");
  BOOST_TEST(generate.balanced());
  return generate.out();
}

std::vector<weir::runtime::Time> at(std::initializer_list<weir::runtime::Duration> times) {
  std::vector<weir::runtime::Time> all;
  for (const auto time : times) all.emplace_back(time);
  return all;
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace

// ------------------------------------------------------------------------------------------------------- what is made

BOOST_AUTO_TEST_CASE(a_range_gives_its_numbers_both_ends_included) {
  BOOST_TEST(made("{range: 1..3}") == (Lines{"1", "2", "3"}));
  BOOST_TEST(made("{range: -1..1}") == (Lines{"-1", "0", "1"}));
  BOOST_TEST(made("{range: 7..7}") == (Lines{"7"}));
  BOOST_TEST(made("{range: 9223372036854775806..9223372036854775807}") ==
             (Lines{"9223372036854775806", "9223372036854775807"}));
}

BOOST_AUTO_TEST_CASE(a_list_gives_its_elements_each_with_its_type) {
  BOOST_TEST(made("{each: [eu, '5', 5, true, null, {a: [1]}]}") ==
             (Lines{"\"eu\"", "\"5\"", "5", "true", "null", "{\"a\":[1]}"}));
  BOOST_TEST(made("{each: []}") == Lines{});
}

BOOST_AUTO_TEST_CASE(count_ends_it) {
  BOOST_TEST(made("{count: 2}") == (Lines{"{}", "{}"}));
  BOOST_TEST(made("{count: 0}") == Lines{});
  BOOST_TEST(made("{range: 1..100, count: 2}") == (Lines{"1", "2"}));
  BOOST_TEST(made("{range: 1..2, count: 100}") == (Lines{"1", "2"}));
  BOOST_TEST(made("{each: [a, b, c], count: 2}") == (Lines{"\"a\"", "\"b\""}));
  BOOST_TEST(made("{count: 2, lua: 'while true do yield({}) end'}") == (Lines{"{}", "{}"}));
}

BOOST_AUTO_TEST_CASE(a_message_may_use_the_number_and_the_element) {
  BOOST_TEST(made("{range: 5..6, msg: {n: '{{ i }}', twice: '{{ 2 * i }}', kind: job}}") ==
             (Lines{R"({"n":5,"twice":10,"kind":"job"})", R"({"n":6,"twice":12,"kind":"job"})"}));
  BOOST_TEST(made("{each: [{r: eu}, {r: us}], msg: {i: '{{ i }}', region: '{{ item.r }}'}}") ==
             (Lines{R"({"i":1,"region":"eu"})", R"({"i":2,"region":"us"})"}));
  BOOST_TEST(made("{count: 2, text: 'job {{ i }}'}") == (Lines{"job 1", "job 2"}));
  BOOST_TEST(made("{each: [a], text: '{{ item }}'}") == (Lines{"a"}));
  BOOST_TEST(made("{count: 1, text: plain}") == (Lines{"plain"}));
  BOOST_TEST(made("{count: 1, msg: {a: 1}}") == (Lines{R"({"a":1})"}));
}

BOOST_AUTO_TEST_CASE(a_million_numbers_come_in_order_and_none_twice) {
#ifdef NDEBUG
  constexpr std::size_t most = 1'000'000;
#else
  constexpr std::size_t most = 100'000;
#endif
  const auto numbers = made("{range: 1.." + std::to_string(most) + "}");
  BOOST_REQUIRE_EQUAL(numbers.size(), most);
  for (std::size_t i = 0; i < numbers.size(); ++i) BOOST_REQUIRE_EQUAL(numbers[i], std::to_string(i + 1));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_made_is_refused_by_its_number_and_the_rest_goes_on) {
  Alone generate("generate", "{range: 1..3, msg: {x: '{{ i == 2 and item.x or i }}'}}");
  generate.run();
  BOOST_TEST(generate.out() == (Lines{R"({"x":1})", R"({"x":3})"}));
  BOOST_REQUIRE_EQUAL(generate.refused.size(), 1U);
  BOOST_TEST(generate.refused[0].first == "2");
  BOOST_TEST((generate.refused[0].second.reason == Reason::missing));
}

// ------------------------------------------------------------------------------------------------------------- in time

BOOST_AUTO_TEST_CASE(the_first_tick_is_at_once_and_the_others_keep_their_distance) {
  Alone generate("generate", "{every: 10s, count: 3}");
  generate.run();
  BOOST_TEST(generate.out() == (Lines{"{}", "{}", "{}"}));
  BOOST_CHECK(generate.times() == at({0s, 10s, 20s}));
}

BOOST_AUTO_TEST_CASE(a_tick_gives_the_next_number_or_the_whole_list) {
  Alone numbers("generate", "{every: 1s, range: 1..3}");
  numbers.run();
  BOOST_TEST(numbers.out() == (Lines{"1", "2", "3"}));
  BOOST_CHECK(numbers.times() == at({0s, 1s, 2s}));

  Alone list("generate", "{every: 1m, each: [a, b], count: 4}");
  list.run();
  BOOST_TEST(list.out() == (Lines{"\"a\"", "\"b\"", "\"a\"", "\"b\""}));
  BOOST_CHECK(list.times() == at({0s, 0s, 60s, 60s}));
}

BOOST_AUTO_TEST_CASE(it_ends_with_its_last_message_and_not_a_tick_later) {
  Alone generate("generate", "{every: 1h, range: 1..2}");
  generate.run();
  BOOST_CHECK(generate.core().now() == weir::runtime::Time(1h));
}

BOOST_AUTO_TEST_CASE(a_list_longer_than_one_output_comes_whole_in_one_tick) {
  std::string list = "[0";
  for (int i = 1; i < 1000; ++i) list += ", " + std::to_string(i);
  Alone generate("generate", "{every: 1s, count: 2000, each: " + list + "]}");
  generate.run();
  BOOST_REQUIRE_EQUAL(generate.out().size(), 2000U);
  BOOST_TEST(generate.out()[999] == "999");
  BOOST_CHECK(generate.times()[999] == weir::runtime::Time(0s));
  BOOST_CHECK(generate.times()[1000] == weir::runtime::Time(1s));
}

BOOST_AUTO_TEST_CASE(ticks_quicker_than_a_millisecond_come_in_bursts_and_none_is_missing) {
  Alone generate("generate", "{every: 10us, count: 100000}");
  generate.run();
  BOOST_TEST(generate.out().size() == 100'000U);
  BOOST_TEST(generate.dropped(Dropped::slow) == 0U);
  BOOST_TEST((generate.core().now() - weir::runtime::Time() < 1100ms));
}

BOOST_AUTO_TEST_CASE(a_tick_that_is_due_the_moment_there_is_room_is_not_left_out) {
  Alone generate("generate", "{every: 1s, range: 1..100}");
  generate.limit_room(1);
  generate.start();
  generate.run_for(5s);
  generate.make_room(2);
  generate.run_for(1ms);
  BOOST_CHECK(generate.times() == at({0s, 5s, 5s}));
  BOOST_TEST(generate.dropped(Dropped::slow) == 3U);  // Of seconds 2 to 4; that of second 1 waited.
}

BOOST_AUTO_TEST_CASE(a_tick_that_nobody_has_room_for_is_left_out_and_counted) {
  Alone generate("generate", "{every: 1s, range: 1..100}");
  generate.limit_room(3);
  generate.start();
  generate.run_for(10500ms);
  BOOST_TEST(generate.out() == (Lines{"1", "2", "3"}));
  generate.make_room(1000);
  generate.run_for(2s);
  // The fourth had been made and waited; of seconds 4 to 10 nothing was made, and no number is missing.
  BOOST_TEST(generate.out() == (Lines{"1", "2", "3", "4", "5", "6"}));
  BOOST_TEST(generate.dropped(Dropped::slow) == 7U);
  BOOST_CHECK(generate.times() == at({0s, 1s, 2s, 10500ms, 11s, 12s}));
  BOOST_TEST(generate.balanced());
}

BOOST_AUTO_TEST_CASE(a_short_wait_is_made_up_for_and_no_tick_is_lost) {
  Alone generate("generate", "{every: 20ms, range: 1..100}");
  generate.limit_room(1);
  generate.start();
  generate.run_for(35ms);
  generate.make_room(1000);
  generate.run_for(45ms);
  BOOST_TEST(generate.out() == (Lines{"1", "2", "3", "4", "5"}));
  BOOST_TEST(generate.dropped(Dropped::slow) == 0U);
}

BOOST_AUTO_TEST_CASE(a_day_of_ticks_takes_no_time_to_try) {
  Alone generate("generate", "{every: 1s, msg: {n: '{{ i }}'}}");
#ifdef NDEBUG
  constexpr auto time = 24h;
#else
  constexpr auto time = 4h;
#endif
  constexpr auto ticks = std::chrono::seconds(time).count();
  [[maybe_unused]] const double before = cpu_seconds();
  generate.start();
  generate.run_for(time - 1ms);
  BOOST_TEST(generate.out().size() == static_cast<std::size_t>(ticks));
  BOOST_TEST(generate.out().back() == "{\"n\":" + std::to_string(ticks) + "}");
  BOOST_CHECK(generate.times().back() == weir::runtime::Time(time - 1s));
#ifdef NDEBUG  // Under sanitizers only that it ends.
  BOOST_TEST(cpu_seconds() - before < 1.0);
#endif
}

// --------------------------------------------------------------------------------------------------- by the calendar

BOOST_AUTO_TEST_CASE(by_the_calendar_the_first_tick_is_the_next_time_that_fits) {
  Alone generate("generate", "{cron: '*/5 * * * *', count: 3}");
  generate.runtime.set_wall(std::chrono::sys_days(std::chrono::year(2030) / 1 / 1) + 1min);
  generate.run();
  BOOST_TEST(generate.out() == (Lines{"{}", "{}", "{}"}));
  BOOST_CHECK(generate.times() == at({4min, 9min, 14min}));
  BOOST_CHECK(generate.core().now() == weir::runtime::Time(14min));  // And ends with the last.

  Alone midnight("generate", "{cron: '@daily', count: 1}");  // It is midnight already.
  midnight.run();
  BOOST_CHECK(midnight.times() == at({24h}));
}

BOOST_AUTO_TEST_CASE(by_the_calendar_a_tick_gives_what_it_gives_with_every) {
  Alone numbers("generate", "{cron: '@hourly', range: 1..2, msg: {n: '{{ i }}'}}");
  numbers.run();
  BOOST_TEST(numbers.out() == (Lines{R"({"n":1})", R"({"n":2})"}));
  BOOST_CHECK(numbers.times() == at({1h, 2h}));

  Alone list("generate", "{cron: '@hourly', each: [a, b], count: 4}");
  list.run();
  BOOST_CHECK(list.times() == at({1h, 1h, 2h, 2h}));

  Alone code("generate", "{cron: '@hourly', lua: 'for n = 1, 2 do sleep(\"1m\") yield({n = n}) end'}");
  code.run();
  BOOST_TEST(code.out() == (Lines{R"({"n":1})", R"({"n":2})"}));
  BOOST_CHECK(code.times() == at({61min, 121min}));  // Each tick lets the code go on to its next message.
}

BOOST_AUTO_TEST_CASE(a_year_in_berlin_takes_no_time_to_try) {
  Alone nightly("generate", "{cron: '30 2 * * *', zone: Europe/Berlin}");
  Alone hourly("generate", "{cron: '30 * * * *', zone: Europe/Berlin}");
#ifdef NDEBUG
  constexpr int days = 365;
#else
  constexpr int days = 2;  // Under sanitizers a tick costs milliseconds.
#endif
  [[maybe_unused]] const double before = cpu_seconds();
  nightly.start();
  nightly.run_for(24h * 365);
  hourly.start();
  hourly.run_for(24h * days);
  BOOST_TEST(nightly.out().size() == 365U);  // Once a day, also where the clocks were changed.
  BOOST_TEST(hourly.out().size() == days * 24U);
  BOOST_TEST(nightly.dropped(Dropped::slow) + hourly.dropped(Dropped::slow) == 0U);
  // 2030-03-31 has no 02:30: then it is the moment of the change, 01:00 UTC. And 2030-10-27 has two.
  const weir::runtime::Time march(24h * 89), october(24h * 299);
  BOOST_CHECK(nightly.times()[89] == march + 1h);
  BOOST_CHECK(nightly.times()[299] == october + 30min);
#ifdef NDEBUG  // Under sanitizers only that it ends.
  BOOST_TEST(cpu_seconds() - before < 1.0);
#endif
}

BOOST_AUTO_TEST_CASE(by_the_calendar_a_tick_that_nobody_has_room_for_is_left_out_and_counted) {
  Alone generate("generate", "{cron: '@hourly', range: 1..100}");
  generate.limit_room(2);
  generate.start();
  generate.run_for(6h + 30min);
  BOOST_TEST(generate.out() == (Lines{"1", "2"}));
  generate.make_room(100);
  generate.run_for(2h);
  // The third had been made and waited; of hours 4 to 6 nothing was made, and no number is missing.
  BOOST_TEST(generate.out() == (Lines{"1", "2", "3", "4", "5"}));
  BOOST_TEST(generate.dropped(Dropped::slow) == 3U);
  BOOST_CHECK(generate.times() == at({1h, 2h, 6h + 30min, 7h, 8h}));
  BOOST_TEST(generate.balanced());
}

BOOST_AUTO_TEST_CASE(by_the_calendar_a_tick_before_the_last_one_is_done_is_left_out_and_counted) {
  for (const auto* what : {"range: 1..100", "lua: 'for n = 1, 100 do yield(n) end'"}) {
    Alone generate("generate", std::string("{cron: '@hourly', ") + what + "}");
    generate.hold = true;
    generate.start();
    generate.run_for(3h + 30min);
    BOOST_TEST(generate.out() == Lines{"1"});
    BOOST_TEST(generate.dropped(Dropped::slow) == 2U);
    generate.hold = false;
    generate.run_for(2h);
    BOOST_TEST(generate.out() == (Lines{"1", "2", "3"}));
    BOOST_CHECK(generate.times() == at({1h, 4h, 5h}));
    BOOST_TEST(generate.dropped(Dropped::slow) == 2U);
    BOOST_TEST(generate.balanced());
  }
}

BOOST_AUTO_TEST_CASE(by_the_calendar_a_job_that_takes_longer_than_its_interval_does_not_pile_up) {
  Bench bench(
      "stages:\n  each: {generate: {cron: '*/10 * * * *', text: '{{ i }}'}}\n"
      "  work: {from: each, exec: {run: [work, '{{ text }}']}, timeout: 1h}\n"
      "  out: {from: work, file: {append: out, format: lines}}\n");
  std::vector<weir::runtime::Time> begun;
  bench.runtime.programs().script("work", [&](const weir::runtime::Command&) {
    begun.push_back(bench.runtime.now());
    weir::runtime::Behaviour behaviour;
    behaviour.steps.emplace_back();
    behaviour.steps.back().after = 25min;
    return behaviour;
  });
  bench.start();
  bench.advance(65min);
  BOOST_CHECK(begun == at({10min, 40min}));
  bench.drain();
  bench.run();
  BOOST_TEST(bench.stage("each").dropped_by(Dropped::slow) == 4U);
}

BOOST_AUTO_TEST_CASE(by_the_calendar_ticks_that_are_batched_do_not_wait_for_each_other) {
  Bench bench(
      "stages:\n  each: {generate: {cron: '@hourly', range: 1..4}}\n"
      "  pairs: {from: each, batch: {count: 2, within: 1d}}\n"
      "  out: {from: pairs, stdout: {}}\n");
  bench.run();
  BOOST_TEST(bench.output() == "[1,2]\n[3,4]\n");
  BOOST_TEST(bench.stage("each").dropped_by(Dropped::slow) == 0U);
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_set_makes_no_tick_come_twice_and_no_flood_of_them) {
  const auto midnight = std::chrono::sys_days(std::chrono::year(2030) / 1 / 1);
  Alone generate("generate", "{cron: '0 * * * *', range: 1..100}");
  generate.runtime.set_wall(midnight);
  generate.start();
  generate.run_for(61min);
  generate.runtime.set_wall(midnight - 30min);  // It is 00:31 again: 01:00 has been.
  generate.run_for(60min);
  BOOST_TEST(generate.out() == (Lines{"1"}));
  generate.run_for(30min);
  BOOST_TEST(generate.out() == (Lines{"1", "2"}));
  generate.runtime.set_wall(midnight + 10h);  // The machine slept from 02:01 to 12:31.
  generate.run_for(10min);
  BOOST_TEST(generate.out() == (Lines{"1", "2"}));
  BOOST_TEST(generate.dropped(Dropped::slow) == 10U);
  generate.run_for(1h);
  BOOST_TEST(generate.out() == (Lines{"1", "2", "3"}));
  BOOST_TEST(generate.balanced());
}

BOOST_AUTO_TEST_CASE(a_mistake_in_an_expression_is_shown_where_it_stands) {
  BOOST_TEST(Read("generate", "{cron: '0 2 * * monday'}").diagnostics.render() ==
             "test.yaml:1:17: error: 'monday' is no day of the week\n"
             "    1 | {cron: '0 2 * * monday'}\n"
             "      |                 ^~~~~~\n"
             "      = names have three letters: mon\n");
}

// ------------------------------------------------------------------------------------------------------- no more made

BOOST_AUTO_TEST_CASE(no_more_is_made_than_one_output_beyond_what_is_taken) {
  Alone generate("generate", "{range: 1..1000000000000}");
  generate.limit_room(3);
  generate.start();
  generate.run_for(1h);
  BOOST_TEST(generate.out() == (Lines{"1", "2", "3"}));
  BOOST_TEST(generate.output->counters().created <= 64U);
  generate.make_room(1000);
  generate.run_for(1h);
  BOOST_TEST(generate.out().size() == 1003U);
  BOOST_TEST(generate.output->counters().created <= 1003U + 64U);
}

BOOST_AUTO_TEST_CASE(when_nobody_listens_any_more_it_ends) {
  for (const char* yaml : {"{range: 1..1000000000000}", "{every: 1s}", "{lua: 'while true do yield({}) end'}"}) {
    Alone generate("generate", yaml);
    generate.limit_room(2);
    generate.start();
    generate.run_for(5s);
    generate.abandon();
    generate.make_room(1000);
    generate.run_for(5s);
    BOOST_TEST(generate.ended, yaml);
    BOOST_TEST(generate.fault == "");
  }
}

BOOST_AUTO_TEST_CASE(stopped_it_leaves_nothing_asleep) {
  Alone generate("generate", "{every: 1h}");
  generate.start();
  generate.run_for(90min);
  generate.stop();
  BOOST_TEST(generate.ended);
  BOOST_TEST(generate.fault == "");
  BOOST_TEST(generate.runtime.alarms() == 0U);
}

// ---------------------------------------------------------------------------------------------------------------- code

BOOST_AUTO_TEST_CASE(code_yields_and_sleeps) {
  Alone generate("generate",
                 "lua: |\n"
                 "  local a, b = 0, 1\n"
                 "  for n = 1, 4 do\n"
                 "    sleep(\"100ms\")\n"
                 "    yield({n = n, fibonacci = a})\n"
                 "    a, b = b, a + b\n"
                 "    sleep(0.5)\n"
                 "  end\n");
  generate.run();
  BOOST_TEST(generate.out() == (Lines{R"({"fibonacci":0,"n":1})", R"({"fibonacci":1,"n":2})",
                                      R"({"fibonacci":1,"n":3})", R"({"fibonacci":2,"n":4})"}));
  BOOST_CHECK(generate.times() == at({100ms, 700ms, 1300ms, 1900ms}));
}

BOOST_AUTO_TEST_CASE(yield_tells_how_long_the_message_had_to_wait) {
  Alone generate("generate", "{lua: 'local w = 0 for n = 1, 3 do w = yield({waited = w}) end'}");
  generate.limit_room(1);
  generate.start();
  generate.run_for(2s);
  generate.make_room(10);
  generate.run_for(1s);
  BOOST_TEST(generate.ended);
  BOOST_TEST(generate.out() == (Lines{R"({"waited":0})", R"({"waited":0.0})", R"({"waited":2.0})"}));
}

BOOST_AUTO_TEST_CASE(code_is_not_run_ahead_of_what_is_taken) {
  Alone generate("generate", "{lua: 'for n = 1, 1000 do yield(n) end'}");
  generate.limit_room(3);
  generate.start();
  generate.run_for(1h);
  BOOST_TEST(generate.out() == (Lines{"1", "2", "3"}));
  BOOST_TEST(generate.output->counters().created == 4U);  // The one that waits.
}

BOOST_AUTO_TEST_CASE(code_with_every_gives_one_message_a_tick) {
  Alone generate("generate", "{every: 1s, lua: 'for n = 1, 3 do yield(n) end'}");
  generate.run();
  BOOST_TEST(generate.out() == (Lines{"1", "2", "3"}));
  BOOST_CHECK(generate.times() == at({0s, 1s, 2s}));
}

BOOST_AUTO_TEST_CASE(code_that_fails_ends_the_source_and_says_why) {
  Alone generate("generate", "{lua: 'yield(1) fail(\"enough\") yield(2)'}");
  generate.run();
  BOOST_TEST(generate.out() == (Lines{"1"}));
  BOOST_REQUIRE_EQUAL(generate.refused.size(), 1U);
  BOOST_TEST((generate.refused[0].second.reason == Reason::user));
  BOOST_TEST(generate.refused[0].second.text == "enough");
}

BOOST_AUTO_TEST_CASE(code_that_sleeps_for_nothing_lets_others_run_and_one_without_end_is_cut) {
  Alone sleepy("generate", "{lua: 'while true do sleep(0) end'}");
  sleepy.start();
  for (int i = 0; i < 1000; ++i) sleepy.runtime.step();
  sleepy.stop();
  BOOST_TEST(sleepy.ended);

  Alone busy("generate", "{lua: 'while true do end'}");
  busy.run();
  BOOST_REQUIRE_EQUAL(busy.refused.size(), 1U);
  BOOST_TEST((busy.refused[0].second.reason == Reason::budget));
}

// ------------------------------------------------------------------------------------------------------------ mistakes

BOOST_AUTO_TEST_CASE(what_says_too_little_or_too_much_is_refused) {
  BOOST_TEST(mistake("{}") ==
             "says neither what is made nor when; write `range`, `each`, `lua`, `every`, `cron` or `count`");
  BOOST_TEST(mistake("{range: 1..3, each: [a]}") ==
             "only one of `range`, `each` and `lua` says what is made; make a stage of each");
  BOOST_TEST(mistake("{count: 1, msg: {a: 1}, text: a}") == "`msg` and `text` exclude each other; keep one of them");
  BOOST_TEST(mistake("{lua: yield(1), msg: {a: 1}}") == "the code of `lua` yields whole messages; build them there");
  BOOST_TEST(mistake("{cron: '0 2 * * *', every: 1s}") == "`every` and `cron` exclude each other; keep one of them");
  BOOST_TEST(mistake("{every: 1s, zone: Europe/Berlin}") == "`zone` goes with `cron`");
  BOOST_TEST(mistake("{every: 1s, overlap: skip}") == "`overlap` goes with `cron`");
  BOOST_TEST(mistake("{every: 1s, missed: skip}") == "`missed` goes with `cron`");
  BOOST_TEST(mistake("{cron: '@daily', zone: Europe/berlin}") ==
             "there is no time zone 'Europe/berlin'; did you mean 'Europe/Berlin'?");
  BOOST_TEST(mistake("{cron: '@daily', zone: ''}") == "there is no time zone ''; a name such as Europe/Berlin, or UTC");
  BOOST_TEST(!Read("generate", "{cron: '@daily', overlap: wait}").diagnostics.empty());
  BOOST_TEST(mistake("{every: 0s}") == "expected a duration above 0s, found \"0s\"");
  BOOST_TEST(mistake("{count: -1}") == "expected an integer at least 0, found \"-1\"");
  BOOST_TEST(!Read("generate", "{range: 3..1}").diagnostics.empty());
  BOOST_TEST(!Read("generate", "{range: 1..3, rnage: 1}").diagnostics.empty());
}
