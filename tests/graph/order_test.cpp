// In which order messages come, with several workers (semantics 9).
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <sstream>

#include "tests/support/bench.hpp"

using namespace std::chrono_literals;
using namespace weir;
using namespace weir::tests;

namespace {

std::string numbers(int most) {
  std::string text;
  for (int n = 1; n <= most; ++n) text += std::to_string(n) + "\n";
  return text;
}

/// What comes of 300 numbers behind these stages, on three cores, whatever the seed.
void keeps_order(const std::string& stages, const std::string& expected = numbers(300)) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Bench bench("stages:\n  a: {generate: {range: 1..300}}\n" + stages + "  shown: {from: z, stdout: {}}\n", seed, 3);
    bench.run();
    BOOST_TEST_REQUIRE(bench.output() == expected, "seed " << seed << ": " << bench.output());
  }
}

/// Later messages take less time: they overtake whom they may.
void hurry(Bench& bench) {
  bench.runtime.programs().script("work", [](const runtime::Command& command) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({10'000us / std::stoi(command.argv.at(1)), "", ""});
    behaviour.exit.code = command.argv.at(1) == "3" ? 1 : 0;
    return behaviour;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(workers_of_an_operator_keep_the_order) {
  keeps_order("  z: {from: a, pass: {}, workers: 4, edge: {capacity: 3}}\n");
}

BOOST_AUTO_TEST_CASE(filtered_messages_leave_a_gap_that_nobody_waits_for) {
  std::string even;
  for (int n = 2; n <= 300; n += 2) even += std::to_string(n) + "\n";
  keeps_order("  z: {from: a, where: msg % 2 == 0, workers: 3, edge: {capacity: 1}}\n", even);
}

BOOST_AUTO_TEST_CASE(workers_behind_workers_keep_the_order_however_their_messages_are_cut) {
  keeps_order("  b: {from: a, pass: {}, workers: 2}\n  z: {from: b, pass: {}, workers: 3, edge: {capacity: 1}}\n");
  keeps_order("  b: {from: a, pass: {}, workers: 4, edge: {capacity: 2}}\n  z: {from: b, pass: {}, workers: 2}\n");
}

BOOST_AUTO_TEST_CASE(what_an_edge_before_workers_drops_is_no_turn_of_theirs) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..2000}}
  b: {from: a, pass: {}, workers: 3, edge: {capacity: 2, when_full: drop_newest}}
  work: {from: b, exec: {run: [work]}, merge: {}, edge: {capacity: 1}}
  shown: {from: work, stdout: {}}
)",
              1, 3);
  bench.runtime.programs().script("work", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({1ms, "", ""});
    return behaviour;
  });
  bench.run();
  std::istringstream lines(bench.output());
  std::uint64_t count = 0;
  int before = 0;
  for (int n = 0; lines >> n; before = n, ++count) BOOST_TEST_REQUIRE(n > before);
  BOOST_TEST(count > 0U);
  BOOST_TEST(count < 2000U);
  BOOST_TEST(count + bench.stage("b").dropped_by(observe::Dropped::full) == 2000U);
}

BOOST_AUTO_TEST_CASE(workers_that_read_two_stages_in_order_are_one_and_wait_for_neither) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1}}
  b: {generate: {range: 2..2}}
  c: {from: [a, b], pass: {}, workers: 2}
  d: {from: c, file: {write: out.txt}}
)",
              1, 2);
  bench.run();
  BOOST_TEST(bench.files().text("out.txt").size() == 4U);
  BOOST_TEST(bench.ending().unheard == 0U);
}

namespace {

/// What of 600 numbers comes to the end behind these stages, by n % 7; each key's in order, whatever the seed.
void keeps_order_of_each_key(const std::string& stages, int cores = 3) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Bench bench("stages:\n  a: {generate: {range: 1..600}}\n" + stages + "  shown: {from: z, stdout: {}}\n", seed,
                cores);
    bench.runtime.programs().script("work", [](const runtime::Command&) { return runtime::Behaviour(); });
    bench.run();
    std::istringstream lines(bench.output());
    std::map<int, int> last;
    int count = 0;
    for (int n = 0; lines >> n; ++count) {
      BOOST_TEST_REQUIRE(n > last[n % 7], "seed " << seed << ": " << n << " after " << last[n % 7]);
      last[n % 7] = n;
    }
    BOOST_TEST_REQUIRE(count == 600, "seed " << seed << ": " << bench.mistakes());
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(of_workers_who_share_by_key_each_key_keeps_its_order) {
  keeps_order_of_each_key("  z: {from: a, pass: {}, workers: 4, order: {key: '{{ msg % 7 }}'}, edge: {capacity: 3}}\n");
  keeps_order_of_each_key("  z: {from: a, pass: {}, workers: 100, order: {key: '{{ msg % 7 }}'}}\n", 1);
}

BOOST_AUTO_TEST_CASE(workers_who_share_by_key_behind_and_before_others_keep_it) {
  const std::string key = ", order: {key: '{{ msg % 7 }}'}";
  // Behind those who keep the order of all, which has to be found again before it is shared out.
  keeps_order_of_each_key(
      "  b: {from: a, pass: {}, workers: 3, edge: {capacity: 2}}\n"
      "  z: {from: b, pass: {}, workers: 4" +
      key + "}\n");
  keeps_order_of_each_key("  b: {from: a, pass: {}, workers: 3" + key +
                          "}\n"
                          "  z: {from: b, pass: {}, workers: 4, edge: {capacity: 1}" +
                          key + "}\n");
  // Those who keep the order of all can't know it of several who deal: they are one.
  keeps_order_of_each_key("  b: {from: a, pass: {}, workers: 3" + key + "}\n  z: {from: b, pass: {}, workers: 4}\n");
  keeps_order_of_each_key("  b: {from: a, do: [{where: true}, {pass: {}}], workers: 3" + key +
                          "}\n"
                          "  c: {from: b, exec: {run: [work]}, merge: {}, workers: 9" +
                          key +
                          "}\n"
                          "  z: {from: c, pass: {}, workers: 2" +
                          key + "}\n");
}

BOOST_AUTO_TEST_CASE(one_key_is_always_one_workers) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..400}}
  b: {from: a, pass: {}, workers: 4, order: {key: all}, edge: {capacity: 8}}
  shown: {from: b, stdout: {}}
)",
              1, 2);
  bench.run();
  BOOST_TEST(bench.output() == numbers(400));
}

BOOST_AUTO_TEST_CASE(who_reads_the_same_as_workers_who_share_by_key_has_all_in_order) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Bench bench(R"(
stages:
  a: {generate: {range: 1..300}}
  b: {from: a, pass: {}, workers: 3, order: {key: '{{ msg % 7 }}'}, edge: {capacity: 2}}
  c: {from: a, pass: {}, workers: 2, order: {key: '{{ msg % 5 }}'}}
  d: {from: a, pass: {}, workers: 2}
  lost: {from: [b, c], drop: {}}
  shown: {from: d, stdout: {}}
)",
                seed, 3);
    bench.run();
    BOOST_TEST_REQUIRE(bench.output() == numbers(300));
    BOOST_TEST_REQUIRE(bench.stage("lost").in == 600U);
  }
}

BOOST_AUTO_TEST_CASE(several_stages_may_feed_workers_who_share_by_key) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..300}}
  b: {from: a, pass: {}, workers: 2}
  c: {from: a, pass: {}, workers: 3, edge: {capacity: 1}}
  d: {from: [a, b, c], pass: {}, workers: 4, order: {key: '{{ msg % 7 }}'}, edge: {capacity: 1}}
  shown: {from: d, drop: {}}
)",
              1, 3);
  BOOST_TEST(bench.mistakes() == "");
  bench.run();
  BOOST_TEST(bench.stage("shown").in == 900U);
}

BOOST_AUTO_TEST_CASE(what_has_no_key_fails_at_the_stage_whose_workers_share_by_it) {
  const std::string stages = R"(
stages:
  a: {generate: {each: [{k: 1, n: 1}, {n: 2}, {k: 1, n: 3}, {n: 4}, {k: 2, n: 5}], msg: '{{ item }}'}}
  b: {from: a, set: {seen: 1}, workers: 3, order: {key: '{{ msg.k }}'}, edge: {capacity: 1}}
)";
  Bench heard(stages + "  good: {from: b, drop: {}}\n" +
                  "  bad: {from: b.failed, set: {at: '{{ failed.stage }}', why: '{{ failed.kind }}'}}\n" +
                  "  shown: {from: bad, stdout: {}}\n",
              1, 2);
  heard.run();
  BOOST_TEST(heard.output() ==
             "{\"n\":2,\"at\":\"b\",\"why\":\"missing\"}\n{\"n\":4,\"at\":\"b\",\"why\":\"missing\"}\n");
  BOOST_TEST(heard.stage("b").in == 5U);
  BOOST_TEST(heard.stage("good").in == 3U);
  Bench unheard(stages + "  good: {from: b, drop: {}}\n", 1, 2);
  unheard.run();
  BOOST_TEST(unheard.ending().unheard == 2U);
  Bench passing(R"(
stages:
  a: {generate: {each: [{k: 1, n: 1}, {n: 2}], msg: '{{ item }}'}}
  b: {from: a, set: {seen: 1}, workers: 3, order: {key: '{{ msg.k }}'}, on_error: pass}
  bad: {from: b, where: failed}
  shown: {from: bad, stdout: {}}
)",
                1, 2);
  passing.run();
  BOOST_TEST(passing.output() == "{\"n\":2}\n");
}

BOOST_AUTO_TEST_CASE(what_has_no_key_fails_as_it_came_with_what_stages_before_have_made_of_it) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Bench bench(R"(
stages:
  a: {generate: {range: 1..600, msg: {n: '{{ i }}', k: '{{ i % 7 ~= 3 and i % 7 or nil }}', p: ''}}}
  b: {generate: {range: 1..600, msg: {n: '{{ i }}', k: '{{ i % 7 }}', p: ''}}}
  c: {from: a, pass: {}, workers: 3, order: {key: '{{ msg.n }}'}}
  d: {from: c, lua: 'msg.p = msg.p .. "d"'}
  e: {from: [b, d], set: {p: '{{ msg.p .. "e" }}'}, workers: 4, order: {key: '{{ msg.k }}'}, edge: {capacity: 1}}
  good: {from: e, drop: {}}
  bad: {from: e.failed, where: msg.p ~= "d"}
  shown: {from: bad, stdout: {}}
)",
                seed, 2);
    bench.run();
    BOOST_TEST(bench.stage("bad").in == 86U);
    BOOST_TEST(bench.output() == "", "seed " << seed << ": " << bench.output());
  }
}

BOOST_AUTO_TEST_CASE(an_edge_before_workers_who_share_by_key_loses_what_one_of_them_can_not_take) {
  for (const std::string when : {"drop_newest", "drop_oldest", "fail", "drop_newest, after: 1ms"}) {
    Bench bench(R"(
stages:
  a: {generate: {range: 1..2000}}
  b: {from: a, pass: {}, workers: 3, order: {key: '{{ msg % 7 }}'}, edge: {capacity: 2, when_full: )" +
                    when + R"(}}
  work: {from: b, exec: {run: [work]}, merge: {}, edge: {capacity: 1}}
  shown: {from: work, stdout: {}}
)",
                1, 3);
    bench.runtime.programs().script("work", [](const runtime::Command&) {
      runtime::Behaviour behaviour;
      behaviour.steps.push_back({1ms, "", ""});
      return behaviour;
    });
    bench.run();
    std::istringstream lines(bench.output());
    std::map<int, int> last;
    std::uint64_t count = 0;
    for (int n = 0; lines >> n; ++count) {
      // (What failed at a full edge comes again later.)
      if (when != "fail") BOOST_TEST_REQUIRE(n > last[n % 7]);
      last[n % 7] = n;
    }
    BOOST_TEST(count > 0U);
    if (when != "fail") BOOST_TEST(count + bench.stage("b").dropped_by(observe::Dropped::full) == 2000U);
    if (when == "fail") BOOST_TEST(count + bench.ending().unheard == 2000U);
  }
}

BOOST_AUTO_TEST_CASE(calls_keep_the_order_and_pass_over_one_that_failed) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..6}}
  work: {from: a, exec: {run: [work, '{{ msg }}']}, merge: {}, workers: 6, on_error: drop}
  shown: {from: work, stdout: {}}
)");
  hurry(bench);
  bench.run();
  BOOST_TEST(bench.output() == "1\n2\n4\n5\n6\n");
}

BOOST_AUTO_TEST_CASE(calls_in_free_order_pass_on_whoever_is_ready) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..6}}
  work: {from: a, exec: {run: [work, '{{ msg }}']}, merge: {}, workers: 6, on_error: drop, order: free}
  shown: {from: work, stdout: {}}
)");
  hurry(bench);
  bench.run();
  BOOST_TEST(bench.output() == "6\n5\n4\n2\n1\n");
}

BOOST_AUTO_TEST_CASE(more_calls_that_end_at_once_than_one_batch_holds_all_go_on) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..200}}
  work: {from: a, exec: {run: [work]}, merge: {}, workers: 200, edge: {capacity: 400}}
  shown: {from: work, stdout: {}}
)");
  bench.runtime.programs().script("work", [](const runtime::Command&) { return runtime::Behaviour(); });
  bench.run();
  BOOST_TEST(bench.output() == numbers(200));
}

BOOST_AUTO_TEST_CASE(an_edge_has_room_for_what_all_workers_have_in_hand) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1000}}
  work: {from: a, exec: {run: [work]}, merge: {}, workers: 1000}
  shown: {from: work, drop: {}}
)");
  bench.runtime.programs().script("work", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({1h, "", ""});
    return behaviour;
  });
  bench.start();
  bench.advance(1min);
  BOOST_TEST(bench.stage("work").in_flight == 1000);
  bench.advance(1h);
  BOOST_TEST(bench.has_ended());
}

BOOST_AUTO_TEST_CASE(of_one_key_nobody_who_fails_while_he_waits_passes_whom_he_waits_for) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..9}}
  work:
    from: a
    workers: 6
    order: {key: '{{ msg % 3 }}'}
    exec: {run: [work, '{{ msg }}']}
    deadline: 20ms
    on_error: pass
    merge: {}
  shown: {from: work, stdout: {}}
)");
  bench.runtime.programs().script("work", [](const runtime::Command& command) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({command.argv.at(1) == "2" ? 5ms : 1h, "", ""});
    return behaviour;
  });
  bench.run();
  std::istringstream lines(bench.output());
  std::map<int, std::string> by_key;
  for (int n = 0; lines >> n;) by_key[n % 3] += std::to_string(n) + " ";
  BOOST_TEST(by_key[0] == "3 6 9 ");
  BOOST_TEST(by_key[1] == "1 4 7 ");
  BOOST_TEST(by_key[2] == "2 5 8 ");
}

BOOST_AUTO_TEST_CASE(who_must_wait_for_his_turn_to_fail_neither_shares_a_call_nor_leads_one) {
  // With a key of its limit that is crowded, and the key of an answer that another waits for or is called for.
  for (const bool expires : {false, true}) {
    Bench bench(R"(
stages:
  b:
    generate:
      lua: |
        local function m(id, lane, c, lim) yield({id = id, lane = lane, c = c, lim = lim}) end
        m("Q", "L", "8", "l1") m("P", "L", "5", "l4") m("D", "M", "4", "l3")
        for i = 0, 4 do m("f" .. i, "o" .. i, "1" .. i, "l2") end
        sleep("500ms")
        m("X", "L", "4", "l2") m("Y", "L", "5", "l2")
        sleep("12s")
  r: {from: b, route: {x: msg.id == "X"}}
  x1: {from: r.x, pass: {}, deadline: 2s}
  call:
    from: [r.else, x1]
    exec: {run: [work, '{{ msg.c }}']}
    workers: 8
    order: {key: '{{ msg.lane }}'}
    cache: {key: '{{ msg.c }}', fresh: 1m}
    limit: {rate: 1/m, burst: 1, key: '{{ msg.lim }}', over_key: fail}
    edge: {capacity: 8}
    merge: {r: 1}
    on_error: pass
  out: {from: call, file: {append: out}}
)");
    bench.runtime.programs().script("work", [](const runtime::Command& command) {
      runtime::Behaviour behaviour;
      behaviour.steps.push_back({std::chrono::seconds(std::stoi(command.argv.at(1))), "", ""});
      return behaviour;
    });
    bench.start();
    bench.advance(1s);
    if (expires) {
      bench.drain();
      bench.running().expire();
      bench.advance(1s);
      BOOST_TEST(bench.has_ended());
    } else {
      bench.run(10min);
    }
    const auto out = bench.files().text("out");
    BOOST_TEST(std::count(out.begin(), out.end(), '\n') == 10, out);
    BOOST_TEST(out.find("\"Q\"") < out.find("\"P\""));
    BOOST_TEST(out.find("\"P\"") < out.find("\"X\""));
    BOOST_TEST(out.find("\"X\"") < out.find("\"Y\""));
  }
}
