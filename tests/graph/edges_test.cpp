// What may wait between two stages, and who waits for whom when it is full (semantics 4 to 8).
#include <boost/test/unit_test.hpp>

#include "tests/support/bench.hpp"
#include "tests/support/programs.hpp"

using namespace std::chrono_literals;
using namespace weir;
using namespace weir::tests;

namespace {

/// Calls that never end: what is read stays where it is.
void stuck(Bench& bench) {
  bench.runtime.programs().script("stuck", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.forever = true;
    return behaviour;
  });
}

observe::ChannelSnapshot channel(Bench& bench, const std::string& name) {
  const auto taken = bench.snapshot();
  for (const auto& found : taken.channels) {
    if (found.name() == name) return found;
  }
  throw std::runtime_error("no channel " + name);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_full_edge_stops_the_source_and_shows_no_credit) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1000}}
  b: {from: a, exec: {run: [stuck]}, edge: {capacity: 8}, workers: 2}
)");
  stuck(bench);
  bench.start();
  bench.advance(1s);
  const auto edge = channel(bench, "a.main->b");
  BOOST_TEST(edge.capacity == 8);
  BOOST_TEST(edge.credits == 0);
  BOOST_TEST(edge.depth + edge.held == 8);
  BOOST_TEST(bench.out("a") <= 8U + 64U);
}

BOOST_AUTO_TEST_CASE(an_edge_to_what_is_written_in_bulk_holds_more_unless_it_loses_any) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..10}}
  small: {from: a, exec: {run: [stuck]}}
  large: {from: a, file: {write: out.ndjson}}
  each: {from: a, file: {write: out.json}}
  latest: {from: a, file: {write: latest.ndjson}, edge: {when_full: drop_oldest}}
  told: {from: a, file: {write: told.ndjson}, edge: {capacity: 7}}
)");
  stuck(bench);
  bench.start();
  BOOST_TEST(channel(bench, "a.main->small").capacity == 128);
  BOOST_TEST(channel(bench, "a.main->large").capacity == 512);
  BOOST_TEST(channel(bench, "a.main->each").capacity == 128);
  BOOST_TEST(channel(bench, "a.main->latest").capacity == 128);
  BOOST_TEST(channel(bench, "a.main->told").capacity == 7);
}

BOOST_AUTO_TEST_CASE(a_batch_takes_half_an_edge_at_the_most) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1000}}
  b: {from: a, exec: {run: [stuck]}, edge: {capacity: 9}}
)");
  stuck(bench);
  bench.start();
  bench.advance(1s);
  // Two halves of four; the ninth place is too small for a third.
  const auto edge = channel(bench, "a.main->b");
  BOOST_TEST(edge.held == 4);
  BOOST_TEST(edge.depth == 4);
}

BOOST_AUTO_TEST_CASE(bytes_are_a_bound_as_well) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1000, text: '0123456789'}}
  b: {from: a, exec: {run: [stuck]}, edge: {bytes: 100B}}
)");
  stuck(bench);
  bench.start();
  bench.advance(1s);
  const auto edge = channel(bench, "a.main->b");
  BOOST_TEST(edge.bytes == 100);
  BOOST_TEST(edge.depth + edge.held == 10);
}

BOOST_AUTO_TEST_CASE(a_message_larger_than_the_edge_travels_alone_and_is_charged_all_of_it) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..10, text: '0123456789'}}
  b: {from: a, exec: {run: [stuck]}, edge: {bytes: 4B}}
)");
  stuck(bench);
  bench.start();
  bench.advance(1s);
  const auto edge = channel(bench, "a.main->b");
  BOOST_TEST(edge.bytes == 4);
  BOOST_TEST(edge.depth + edge.held == 1);

  Bench through(
      "stages: {a: {generate: {range: 1..10, text: '0123456789'}}, b: {from: a, stdout: {}, edge: {bytes: 4B}}}");
  through.run();
  BOOST_TEST(through.output().size() == 110U);
}

BOOST_AUTO_TEST_CASE(a_fan_out_goes_as_fast_as_its_slowest_reader) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1000}}
  b: {from: a, exec: {run: [stuck]}, edge: {capacity: 4}}
  c: {from: a, drop: {}}
)");
  stuck(bench);
  bench.start();
  bench.advance(1s);
  BOOST_TEST(bench.stage("c").in == 4U);
}

BOOST_AUTO_TEST_CASE(an_edge_that_drops_holds_nobody) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1000}}
  b: {from: a, exec: {run: [stuck]}, edge: {capacity: 4, when_full: drop_newest}}
  c: {from: a, drop: {}}
)");
  stuck(bench);
  bench.start();
  bench.advance(1s);
  BOOST_TEST(bench.stage("c").in == 1000U);
  BOOST_TEST(bench.stage("b").in == 1000U - static_cast<std::uint64_t>(channel(bench, "a.main->b").depth));
}

BOOST_AUTO_TEST_CASE(an_edge_that_drops_its_oldest_keeps_the_latest) {
  Bench bench(R"(
stages:
  a: {generate: {every: 1ms, range: 1..100}}
  b: {from: a, exec: {run: [work]}, merge: {}, edge: {capacity: 4, when_full: drop_oldest}}
  c: {from: b, stdout: {}}
)");
  slow_work(bench);
  bench.run();
  BOOST_TEST(bench.output().starts_with("1\n"));
  BOOST_TEST(bench.output().ends_with("\n97\n98\n99\n100\n"));
  BOOST_TEST(bench.stage("b").in == 100U);
  const auto dropped = bench.stage("b").dropped_by(observe::Dropped::full);
  BOOST_TEST(dropped + bench.stage("c").in == 100U);
  BOOST_TEST(dropped > 80U);
}

BOOST_AUTO_TEST_CASE(what_waits_on_an_edge_that_drops_its_oldest_never_exceeds_its_capacity) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1000}}
  b: {from: a, exec: {run: [stuck]}, edge: {capacity: 5, when_full: drop_oldest}}
  c: {from: a, drop: {}}
)");
  stuck(bench);
  bench.start();
  bench.advance(1s);
  BOOST_TEST(bench.stage("c").in == 1000U);
  BOOST_TEST(channel(bench, "a.main->b").depth == 5);
  BOOST_TEST(channel(bench, "a.main->b").credits == 0);
  BOOST_TEST(bench.stage("b").dropped_by(observe::Dropped::full) == 1000U - 5 - 1);
}

BOOST_AUTO_TEST_CASE(workers_in_order_read_an_edge_that_drops_its_oldest) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..1000}}
  b: {from: a, lua: 'if msg % 7 == 0 then drop() end', workers: 3, edge: {capacity: 3, when_full: drop_oldest}}
  c: {from: b, stdout: {}}
)");
  bench.run();
  int before = 0;
  std::istringstream lines(bench.output());
  for (int number = 0; lines >> number; before = number) BOOST_TEST(before < number);
  BOOST_TEST(before == 1000);
}

BOOST_AUTO_TEST_CASE(an_edge_is_patient_before_it_fails) {
  Bench bench(R"(
stages:
  a: {generate: {each: [1, 2, 3, 4, 5, 6, 7, 8]}}
  b: {from: a, exec: {run: [stuck]}, edge: {capacity: 4, when_full: fail, after: 500ms}}
  late: {from: a.failed, drop: {}}
  full: {from: b.failed, stdout: {}}
)");
  stuck(bench);
  bench.start();
  bench.advance(499ms);
  BOOST_TEST(bench.stage("b").failed == 0U);
  bench.advance(1ms);
  // All that waited fail together: patience is the edge's, not each message's.
  BOOST_TEST(bench.stage("b").failed == 4U);
}

BOOST_AUTO_TEST_CASE(patience_ends_when_there_is_room_again) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..20}}
  b: {from: a, exec: {run: [work]}, merge: {}, edge: {capacity: 4, when_full: drop_newest, after: 50ms}}
  c: {from: b, drop: {}}
)");
  slow_work(bench);
  bench.run();
  BOOST_TEST(bench.stage("c").in == 20U);
}

BOOST_AUTO_TEST_CASE(a_full_edge_takes_what_fits_and_loses_the_rest) {
  Bench bench(R"(
stages:
  a: {generate: {each: [1, 2, 3, 4, 5, 6, 7]}}
  b: {from: a, exec: {run: [stuck]}, edge: {capacity: 5, when_full: drop_newest}}
)");
  stuck(bench);
  bench.start();
  bench.advance(1s);
  BOOST_TEST(bench.stage("b").dropped_by(observe::Dropped::full) == 2U);
}

BOOST_AUTO_TEST_CASE(one_of_several_inputs_has_an_edge_of_its_own) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..100}}
  b: {generate: {range: 1..100}}
  c: {from: [a, b], exec: {run: [stuck]}, edge: {capacity: 10, a: {capacity: 4, when_full: drop_newest}}}
)");
  stuck(bench);
  bench.start();
  bench.advance(1s);
  BOOST_TEST(channel(bench, "a.main->c").capacity == 4);
  BOOST_TEST(channel(bench, "b.main->c").capacity == 10);
  BOOST_TEST(bench.stage("c").dropped_by(observe::Dropped::full) > 90U);
}

BOOST_AUTO_TEST_CASE(two_inputs_are_taken_as_they_come) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..3}}
  b: {generate: {every: 1h}}
  c: {from: [b, a], stdout: {}}
)");
  bench.start();
  bench.advance(1s);
  BOOST_TEST(bench.stage("c").in == 4U);
}

BOOST_AUTO_TEST_CASE(a_full_memory_slows_and_locks_nothing) {
  Bench bench(R"(
stages:
  a: {generate: {range: 1..500, text: 'some text of a message'}}
  b: {from: a, pass: {}, edge: {capacity: 16}}
  c: {from: [a, b], stdout: {}}
)");
  bench.memory_bytes = 1;
  bench.run();
  BOOST_TEST(bench.stage("c").in == 1000U);
  BOOST_TEST(bench.budget().used() == 0);
}
