// The ledger of each stage (semantics 22): what came is what went, by which way, and why it did not.
#include <boost/test/tools/floating_point_comparison.hpp>
#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

#include "tests/support/bench.hpp"
#include "tests/support/programs.hpp"

using namespace std::chrono_literals;
using namespace weir;
using namespace weir::tests;
using observe::Dropped;

namespace {

void balances(Bench& bench) {
  for (const auto& stage : bench.snapshot().stages) {
    BOOST_TEST(observe::unaccounted(stage) == 0, stage.stage << ": " << observe::unaccounted(stage));
    BOOST_TEST(stage.in_flight == 0, stage.stage << ": " << stage.in_flight);
  }
}

std::uint64_t dropped(Bench& bench, const std::string& stage, Dropped why) {
  return bench.stage(stage).dropped_by(why);
}

runtime::Behaviour ends_with(int code) {
  runtime::Behaviour behaviour;
  behaviour.exit.code = code;
  return behaviour;
}

std::string with_full_edge(const std::string& when_full, const std::string& more = "") {
  return "stages:\n"
         "  a: {generate: {range: 1..100}}\n"
         "  all: {from: a, file: {append: all.txt}}\n"
         "  work: {from: a, exec: {run: [work]}, merge: {}, edge: {capacity: 2, when_full: " +
         when_full + "}}\n" + more;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_way_out_of_a_stage_is_counted_once) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..12}}
  r: {from: a, route: {three: msg % 3 == 0, four: msg % 4 == 0}}
  l: {from: r.else, lua: 'if msg == 1 then drop() elseif msg == 2 then fail("no") elseif msg == 5 then emit(50) end'}
  w: {from: l, where: msg > 5}
  f: {from: l.failed, drop: {}}
  b: {from: r.three, batch: {count: 3}}
  c: {from: [b, w], stdout: {}}
)");
  bench.run();
  balances(bench);
  BOOST_TEST(bench.out("r", "three") == 4U);
  BOOST_TEST(bench.out("r", "else") == 6U);
  BOOST_TEST(dropped(bench, "r", Dropped::unread) == 2U);
  BOOST_TEST(dropped(bench, "l", Dropped::configured) == 1U);
  BOOST_TEST(bench.out("l", "failed") == 1U);
  BOOST_TEST(bench.stage("l").created == 1U);
  BOOST_TEST(bench.stage("w").filtered == 1U);
  BOOST_TEST(bench.stage("b").absorbed == 4U);
  BOOST_TEST(bench.stage("b").created == 2U);
  BOOST_TEST(dropped(bench, "f", Dropped::configured) == 1U);
}

BOOST_AUTO_TEST_CASE(what_goes_out_of_a_stage_goes_into_the_next_joined_or_not) {
  for (const std::string edge : {"", ", edge: {capacity: 4}"}) {
    Bench bench("stages:\n  a: {generate: {range: 10..19}}\n  b: {from: a, do: [where: msg > 10, where: msg < 15]" +
                edge + "}\n  c: {from: b, drop: {}" + edge + "}\n");
    bench.run();
    BOOST_TEST(bench.stage("a").bytes_out == 20U);
    BOOST_TEST(bench.stage("b").bytes_in == 20U);
    BOOST_TEST(bench.stage("b").bytes_out == 8U);
    BOOST_TEST(bench.stage("c").bytes_in == 8U);
  }
}

BOOST_AUTO_TEST_CASE(what_an_edge_drops_is_counted_with_the_stage_that_did_not_get_it) {
  Bench bench(with_full_edge("drop_newest"));
  slow_work(bench);
  bench.run();
  balances(bench);
  BOOST_TEST(bench.stage("all").in == 100U);
  BOOST_TEST(bench.stage("work").in == 100U);
  const auto lost = dropped(bench, "work", Dropped::full);
  BOOST_TEST(lost > 0U);
  BOOST_TEST(lost + bench.runtime.programs().started() == 100U);
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(what_an_edge_fails_is_a_failure_of_the_stage_that_did_not_get_it) {
  Bench bench(with_full_edge("fail", "  dead: {from: any.failed, file: {append: dead.txt}}\n"));
  slow_work(bench);
  bench.run();
  balances(bench);
  const auto work = bench.stage("work");
  BOOST_TEST(work.failed > 0U);
  BOOST_TEST(observe::count_of(work.errors, "full") == work.failed);
  BOOST_TEST(work.in == bench.out("a"));
  BOOST_TEST(bench.out("a", "any") + bench.runtime.programs().started() == 100U);
}

BOOST_AUTO_TEST_CASE(a_source_that_nobody_reads_is_counted_as_unread) {
  Bench bench("stages: {a: {generate: {range: 1..5}}, b: {from: a, batch: {count: 2}}, c: {generate: {range: 1..3}}}");
  bench.run();
  balances(bench);
  BOOST_TEST(dropped(bench, "c", Dropped::unread) == 3U);
  BOOST_TEST(dropped(bench, "b", Dropped::unread) == 3U);
  BOOST_TEST(bench.out("c") == 0U);
}

BOOST_AUTO_TEST_CASE(what_comes_for_a_reader_that_has_left_is_gone) {
  Bench bench("stages: {a: {generate: {range: 1..1000}}, b: {from: a, stdout: {}, edge: {capacity: 8}}}");
  bench.files().break_standard_output(5);
  bench.run();
  balances(bench);
  BOOST_TEST(bench.stage("b").in == bench.out("a"));
  BOOST_TEST(dropped(bench, "b", Dropped::gone) + bench.out("b") == bench.out("a"));
}

BOOST_AUTO_TEST_CASE(ticks_and_lines_that_nobody_could_take_are_dropped_as_slow) {
  Bench bench("stages: {a: {exec: {run: [work], every: 1ms}}, b: {from: a, drop: {}}}");
  slow_work(bench);
  bench.start();
  bench.advance(100ms);
  bench.drain();
  bench.run();
  balances(bench);
  BOOST_TEST(dropped(bench, "a", Dropped::slow) > 0U);
}

BOOST_AUTO_TEST_CASE(the_time_of_a_call_is_that_of_all_its_workers) {
  Bench bench("stages: {a: {generate: {range: 1..3}}, work: {from: a, exec: {run: [work]}, workers: 2}}");
  slow_work(bench);
  bench.run();
  const auto work = bench.stage("work");
  // Three calls of 10 ms, two at a time: 20 ms of two workers, of which one had nothing to do for the last 10.
  BOOST_TEST(work.state_s[static_cast<std::size_t>(observe::State::outside)] == 0.030,
             boost::test_tools::tolerance(0.01));
  BOOST_TEST(work.state_s[static_cast<std::size_t>(observe::State::idle)] == 0.010, boost::test_tools::tolerance(0.01));
}

BOOST_AUTO_TEST_CASE(a_message_has_come_through_when_its_sink_is_done_with_it) {
  Bench bench("stages: {a: {generate: {range: 1..4}}, b: {from: a, file: {append: full.txt}}}");
  bench.files().set_capacity(1);
  bench.start();
  bench.advance(1min);
  BOOST_TEST(bench.stage("b").end_to_end.at(0).second.count() == 0U);
  bench.files().set_capacity(1000);
  bench.run();
  const auto stage = bench.stage("b");
  BOOST_REQUIRE(stage.end_to_end.size() == 1U);
  BOOST_TEST(stage.end_to_end[0].first == "a");
  BOOST_TEST(stage.end_to_end[0].second.count() == 4U);
  BOOST_TEST(stage.end_to_end[0].second.sum_s() >= 4 * 60.0);
  BOOST_TEST(stage.duration->count() == 4U);
  BOOST_TEST(stage.duration->sum_s() >= 60.0);  // They were one batch.
  BOOST_TEST(!bench.stage("a").duration);
}

BOOST_AUTO_TEST_CASE(the_age_of_a_message_stands_with_the_source_that_read_it) {
  Bench bench(R"(
stages:
  quick: {generate: {range: 1..3, every: 1s}}
  slow: {generate: {range: 1..2, every: 1s}}
  pairs: {from: slow, batch: {count: 2, within: 1m}}
  other: {generate: {range: 1..9}}
  alone: {from: other, drop: {}}
  all: {from: [quick, pairs], file: {append: all.txt}}
)");
  bench.run();
  const auto ages = bench.stage("all").end_to_end;
  BOOST_REQUIRE(ages.size() == 2U);
  BOOST_TEST(ages[0].first == "quick");
  BOOST_TEST(ages[0].second.count() == 3U);
  BOOST_TEST(ages[1].first == "slow");
  BOOST_TEST(ages[1].second.count() == 1U);
  BOOST_TEST(ages[1].second.sum_s() >= 1.0);
}

BOOST_AUTO_TEST_CASE(how_long_the_oldest_has_waited_is_known_of_each_channel) {
  Bench bench(R"(
stages:
  ticks: {generate: {every: 10s, msg: {}}}
  work: {from: ticks, exec: {run: [work]}, merge: {}}
)");
  slow_work(bench, 60s);
  const auto oldest_s = [&bench] { return bench.snapshot().channels.at(0).oldest_s; };
  bench.start();
  bench.advance(9s);
  BOOST_TEST(oldest_s() == 0.0);  // The first is being worked on.
  bench.advance(6s);
  BOOST_TEST(oldest_s() == 5.0);
  bench.advance(40s);
  BOOST_TEST(oldest_s() == 45.0);
  bench.advance(10s);  // The one of 10 s is taken; the one of 20 s is known by it.
  BOOST_TEST(oldest_s() >= 45.0);
  BOOST_TEST(oldest_s() <= 55.0);
}

BOOST_AUTO_TEST_CASE(where_the_oldest_gives_way_the_age_is_that_of_what_is_left) {
  Bench bench(R"(
stages:
  ticks: {generate: {every: 10s, msg: {}}}
  work: {from: ticks, exec: {run: [work]}, merge: {}, edge: {capacity: 2, when_full: drop_oldest}}
)");
  slow_work(bench, 1h);
  bench.start();
  bench.advance(10min + 5s);
  const auto channel = bench.snapshot().channels.at(0);
  BOOST_TEST(channel.depth == 2);
  BOOST_TEST(channel.oldest_s >= 15.0);
  BOOST_TEST(channel.oldest_s <= 25.0);
}

// ------------------------------------------------------------------------------------------ what stands around a call

BOOST_AUTO_TEST_CASE(a_try_is_counted_when_it_is_made_and_not_when_its_pause_begins) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1}}
  b: {from: a, exec: {run: [work]}, retry: {attempts: 3, backoff: 1h..1h}}
  c: {from: b.failed, drop: {}}
)");
  bench.runtime.programs().script("work", [](const runtime::Command&) { return ends_with(1); });
  bench.start();
  bench.advance(1s);
  BOOST_TEST(bench.stage("b").retries.value() == 0U);
  bench.run();
  BOOST_TEST(bench.stage("b").retries.value() == 2U);
}

BOOST_AUTO_TEST_CASE(the_log_says_when_a_policy_begins_to_act_and_when_it_is_over_and_nothing_of_each_message) {
  const auto times = [](const std::string& text, const std::string& what) {
    int found = 0;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
    return found;
  };
  Bench bench(R"(
stages:
  a: {generate: {range: 1..100}}
  b: {from: a, exec: {run: [work]}, merge: {}, limit: {rate: 10/s, burst: 1}, retry: {attempts: 2, backoff: 1ms..2ms, budget: 100%}}
  c: {from: b.failed, drop: {}}
  d: {generate: {every: 1m, count: 2}}
)");
  int runs = 0;
  bench.runtime.programs().script("work", [&runs](const runtime::Command&) { return ends_with(++runs % 2); });
  bench.run();
  BOOST_TEST(times(bench.log, "msg=\"messages are held back by the limit\" because=") == 1, bench.log);
  BOOST_TEST(times(bench.log, "msg=\"the limit holds nothing back\" times=") == 1, bench.log);
  BOOST_TEST(times(bench.log, "msg=\"calls fail and are made again\" because=") == 1, bench.log);
  BOOST_TEST(times(bench.log, "msg=\"no call is made again any more\" times=") == 1, bench.log);
}

BOOST_AUTO_TEST_CASE(what_is_remembered_is_charged_to_the_memory_and_leaves_half_of_it) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..200}}
  b: {from: a, exec: {run: [large]}, cache: {key: '{{ msg }}', fresh: 1h}, merge: {}}
  c: {from: b, drop: {}}
  d: {from: c.failed, drop: {}}
)");
  bench.memory_bytes = 256 * 1024;
  bench.runtime.programs().script("large", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({1ms, std::string(10'000, 'x'), ""});
    return behaviour;
  });
  bench.start();
  bench.advance(150ms);
  const auto cache = bench.stage("b").cache.value();
  BOOST_TEST(cache.entries == 12);
  BOOST_TEST(cache.bytes > 120'000);
  BOOST_TEST(cache.bytes <= 128 * 1024);
  BOOST_TEST(bench.budget().used() >= cache.bytes);
  BOOST_TEST(cache.evicted + static_cast<std::uint64_t>(cache.entries) == 150U);
  bench.run();
  balances(bench);
  bench.destroy();
  BOOST_TEST(bench.budget().used() == 0);
}

BOOST_AUTO_TEST_CASE(answers_are_counted_by_what_they_were) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..100, every: 1s}}
  b: {from: a, exec: {run: [answer]}, cache: {key: same, fresh: 4500ms, stale: 1m}, merge: {}}
  c: {from: b, drop: {}}
)");
  bench.runtime.programs().script("answer", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({1500ms, "", ""});
    return behaviour;
  });
  bench.start();
  bench.advance(10s);  // Called at 0 s, answered at 1.5 s; renewed from 6 s to 7.5 s.
  const auto cache = bench.stage("b").cache.value();
  BOOST_TEST(cache.miss == 1U);
  BOOST_TEST(cache.shared == 1U);
  BOOST_TEST(cache.stale == 2U);
  BOOST_TEST(cache.fresh == 7U);
  BOOST_TEST(cache.entries == 1);
  bench.run();
  balances(bench);
  BOOST_TEST(bench.stage("b").in == 100U);
}

BOOST_AUTO_TEST_CASE(second_calls_are_counted_and_end_with_their_pipeline) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..20}}
  b: {from: a, exec: {run: [slow, '{{ msg }}']}, hedge: {after: 10ms, budget: 100%}, merge: {}, workers: 4}
  c: {from: b, drop: {}}
)");
  // Of each message the first call does not come back.
  bench.runtime.programs().script("slow", [called = std::set<std::string>()](const runtime::Command& command) mutable {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({called.insert(command.argv.at(1)).second ? 1h : 5ms, "", ""});
    return behaviour;
  });
  bench.run(1min);
  balances(bench);
  const auto b = bench.stage("b");
  BOOST_TEST(b.hedges.value() == 20U);
  BOOST_TEST(b.hedges_won.value() == 20U);
  BOOST_TEST(b.out.front().second == 20U);
}

BOOST_AUTO_TEST_CASE(keys_that_are_not_closed_and_those_that_share_a_bucket_are_counted) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..6}}
  b:
    from: a
    exec: {run: [failing]}
    breaker: {failures: 1, key: '{{ msg % 2 }}', when_open: fail}
    limit: {rate: 1/h, burst: 10, key: '{{ msg }}', keys: 2}
    merge: {}
    on_error: drop
)");
  bench.runtime.programs().script("failing", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.exit.code = 1;
    return behaviour;
  });
  bench.run();
  const auto b = bench.stage("b");
  BOOST_TEST(b.breaker_not_closed.value() == 2);
  BOOST_TEST(b.breaker_overflowed.value() == 0U);
  BOOST_TEST(b.limit_overflowed.value() > 0U);
}

BOOST_AUTO_TEST_CASE(what_a_limit_does_with_who_comes_too_early_is_what_the_log_says) {
  for (const auto& [over, said] : {std::pair("drop", "dropped"), std::pair("fail", "refused")}) {
    Bench bench(
        std::string("stages:\n  a: {generate: {range: 1..10}}\n  b: {from: a, exec: {run: [work]}, limit: {rate: "
                    "1/s, over: ") +
        over + "}}\n  c: {from: b.failed, drop: {}}\n  d: {generate: {every: 1m, count: 2}}\n");
    bench.runtime.programs().script("work", [](const runtime::Command&) { return runtime::Behaviour(); });
    bench.run();
    BOOST_TEST(bench.log.find(std::string("msg=\"messages are ") + said + " by the limit\"") != std::string::npos,
               bench.log);
    BOOST_TEST(bench.log.find("held back") == std::string::npos, bench.log);
  }
}

BOOST_AUTO_TEST_CASE(a_stage_that_computes_behind_a_gate_is_one_stage_in_the_figures) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..10}}
  b: {from: a, where: msg % 2 == 0, limit: {rate: 1/s, burst: 4, over: drop}}
  c: {from: b, drop: {}}
)");
  bench.start();
  bench.advance(0s);
  bench.run();
  balances(bench);
  auto b = bench.stage("b");
  BOOST_TEST(b.in == 10U);
  BOOST_TEST(b.dropped_by(Dropped::limit) == 6U);
  BOOST_TEST(b.filtered == 2U);
  BOOST_TEST(bench.out("b") == 2U);
  BOOST_TEST(b.workers == 1);
  BOOST_TEST(b.kind == "where");
  BOOST_TEST(b.limit_tokens.has_value());
  BOOST_TEST(!b.duration.has_value());
  BOOST_TEST(!b.fused);
}

BOOST_AUTO_TEST_CASE(what_waits_for_a_worker_when_nobody_wants_more_is_gone) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..50}}
  b: {from: a, exec: {run: [slow]}, deadline: 1h, merge: {}}
  c: {from: b, take: 2}
  d: {from: c, stdout: {}}
)");
  bench.runtime.programs().script("slow", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({1s, "", ""});
    return behaviour;
  });
  bench.run();
  balances(bench);
  BOOST_TEST(bench.output() == "1\n2\n");
  BOOST_TEST((bench.runtime.now() < runtime::Time(5s)));
  BOOST_TEST(dropped(bench, "b", Dropped::gone) > 40U);
}
