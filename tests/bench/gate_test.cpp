// What the engine may cost, as a ratio of two rows of one process that take turns: CPU time, never wall time, the least
// of many rounds. Less is asked than tests/bench/run measures, so that a busy machine passes; and so much that an
// engine that has lost three tenths of its pace does not.
//
//   WEIR_GATE_LOSS=0.3 build/tests/bench_gate_test     plants such a loss: each of the gates must fail
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <limits>

#include "engine/observe/metrics.hpp"
#include "tests/bench/kinds.hpp"

namespace {

using namespace weir;

#ifdef NDEBUG
constexpr bool release = true;
#else
constexpr bool release = false;  // Sanitizers and what is not optimised measure themselves.
#endif

constexpr std::uint64_t messages = release ? 1'000'000 : 50'000;  // So many that the start of a runtime hardly counts.
// So many that each row has a quiet moment. After the least of them a gate that is passed is passed.
constexpr int least_rounds = 15, most_rounds = 100;

/// Does so many messages of the job.
using Row = std::function<bench::Sums(std::uint64_t messages)>;

Row chain(bench::Chain shape, bench::Setting setting = {}) {
  return [shape, setting](std::uint64_t count) mutable {
    shape.messages = count;
    return bench::run(shape.yaml(), setting);
  };
}

double cpu_ticks(const Row& row, std::uint64_t count) {
  const auto expected = bench::loop(count);
  const std::clock_t began = std::clock();
  const auto sums = row(count);
  const std::clock_t ended = std::clock();
  BOOST_REQUIRE(sums == expected);
  return static_cast<double>(ended - began);
}

/// The one must be so many times as quick as the other.
void gate(const char* what, double least_ratio, const Row& one, const Row& other, std::uint64_t count = messages) {
  const char* const asked = std::getenv("WEIR_GATE_LOSS");
  const auto lost = static_cast<std::uint64_t>((asked ? std::atof(asked) : 0) * static_cast<double>(count));
  double of_one = std::numeric_limits<double>::max(), of_other = of_one;
  for (int round = 0; round < most_rounds; ++round) {
    if (round >= least_rounds && of_other / of_one >= least_ratio) break;
    of_one = std::min(of_one, cpu_ticks(one, count) + (lost ? cpu_ticks(one, lost) : 0));
    of_other = std::min(of_other, cpu_ticks(other, count));
  }
  const double reached = of_other / of_one;
  BOOST_TEST_MESSAGE(what << " = " << reached << ", asked " << least_ratio);
  BOOST_TEST(reached >= least_ratio, what << ": " << reached << " of at least " << least_ratio);
}

/// 64 messages at a time, though the targets are beside a loop that takes one after the other: where somebody else uses
/// the same processor, that loop is hardly slower, since it mostly waits, and the engine takes half as long again.
const Row loop = [](std::uint64_t count) { return bench::loop_rows(count); };

}  // namespace

BOOST_AUTO_TEST_CASE(a_chain_of_three_does_the_same_work_as_one_loop) {
  for (const bool edges : {false, true}) {
    BOOST_TEST((bench::run(bench::chain(3, edges, messages)) == bench::loop(messages)));
    BOOST_TEST((bench::run(bench::chain(8, edges, messages)) == bench::loop(messages)));
  }
}

BOOST_AUTO_TEST_CASE(a_chain_of_three_reaches_a_third_of_one_loop, *boost::unit_test::enable_if<release>()) {
  gate("chain of three : loop", 0.33, chain({}), loop);
}

BOOST_AUTO_TEST_CASE(three_stages_with_channels_between_reach_a_quarter_of_one_loop,
                     *boost::unit_test::enable_if<release>()) {
  gate("three through channels : loop", 0.215, chain({.capacity = 128}), loop);
}

BOOST_AUTO_TEST_CASE(messages_emitted_one_by_one_are_gathered, *boost::unit_test::enable_if<release>()) {
  gate("one message at a time, channels : loop", 0.16, chain({.capacity = 128, .source = ", one_by_one: emit"}), loop);
}

BOOST_AUTO_TEST_CASE(a_batch_and_a_token_for_each_message_stay_affordable, *boost::unit_test::enable_if<release>()) {
  gate("one message at a time, each a batch : loop", 0.0132, chain({.capacity = 128, .source = ", one_by_one: flush"}),
       loop, messages / 10);
}

BOOST_AUTO_TEST_CASE(eight_joined_stages_are_far_quicker_than_eight_through_channels,
                     *boost::unit_test::enable_if<release>()) {
  gate("8 joined : 8 through channels", 1.85, chain({.stages = 8}), chain({.stages = 8, .capacity = 128}));
}

BOOST_AUTO_TEST_CASE(acks_cost_next_to_nothing, *boost::unit_test::enable_if<release>()) {
  bench::Setting without;
  without.options.acks = false;
  gate("acks : none", 0.85, chain({.capacity = 128}), chain({.capacity = 128}, without));
}

BOOST_AUTO_TEST_CASE(figures_that_are_scraped_cost_next_to_nothing, *boost::unit_test::enable_if<release>()) {
  // What counting itself costs needs a second build: Metrics/ledger : Metrics/off of tests/bench/run.
  bench::Setting scraped, alone;
  scraped.snapshot_every = alone.snapshot_every = std::chrono::milliseconds(20);
  std::size_t bytes = 0;
  scraped.snapshot = [&bytes](observe::PipelineSnapshot pipeline) {
    observe::Snapshot snapshot;
    snapshot.pipelines.push_back(std::move(pipeline));
    bytes += observe::exposition(snapshot).size();
  };
  alone.snapshot = [](const observe::PipelineSnapshot&) {};
  gate("scraped each 20 ms : not", 0.85, chain({.capacity = 128}, scraped), chain({.capacity = 128}, alone),
       3 * messages);
  BOOST_TEST(bytes > 0u);
}
