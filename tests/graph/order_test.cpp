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
