// Whose turn it is on a core, and for how long: slices within a batch (semantics 16), runs for workers that are sized
// by what a row takes (3), and the seconds of operators that were joined (23).
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <vector>

#include "engine/graph/wiring.hpp"
#include "engine/stage/kind.hpp"
#include "tests/support/bench.hpp"

using namespace std::chrono_literals;
using namespace weir;
using namespace weir::tests;

namespace {

/// What a row of `costly` takes, by its number, and the batches it was given; of the test under way.
std::function<void(std::uint64_t)> spend;
std::vector<std::size_t> given;
std::uint64_t worked_off = 0;

struct CostlyConfig {};
const auto costly_spec = config::Spec<CostlyConfig>("costly", "Takes time.").example("costly: {}");

class Costly final : public stage::MessageOperator<Costly> {
 public:
  Costly(const CostlyConfig&, stage::Context&) {}
  using MessageOperator::process;
  void process(stage::Message message, stage::Output& out) {
    if (message.row() == 0) given.push_back(message.batch().size());
    spend(worked_off++);
    out.pass(message);
  }
};

const stage::Register registered(costly_spec, [](auto config) { return stage::operator_of<Costly>(config); });

/// A pipeline whose `costly` stages take so long for a row, and the longest that nobody else could run meanwhile.
class Turns {
 public:
  Turns(const std::string& yaml, std::function<runtime::Duration(std::uint64_t)> cost, int cores = 1)
      : bench(yaml, 1, cores) {
    given.clear();
    worked_off = 0;
    spend = [this, cost](std::uint64_t row) {
      bench.runtime.spend(cost(row));
      at_once_ += cost(row);
    };
    bench.start();
    while (!bench.has_ended()) {
      BOOST_REQUIRE(bench.runtime.step());
      longest = std::max(longest, std::exchange(at_once_, {}));
    }
  }
  Bench bench;
  runtime::Duration longest{};

 private:
  runtime::Duration at_once_{};
};

constexpr const char* joined =
    "stages:\n"
    "  a: {generate: {range: 1..640}}\n"
    "  b: {from: a, costly: {}}\n"
    "  c: {from: b, drop: {}}\n";
constexpr const char* apart =
    "stages:\n"
    "  a: {generate: {range: 1..640}}\n"
    "  b: {from: a, costly: {}, edge: {capacity: 128}}\n"
    "  c: {from: b, drop: {}}\n";

}  // namespace

BOOST_AUTO_TEST_CASE(a_batch_of_slow_rows_is_cut_by_the_time_slice) {
  for (const auto* yaml : {joined, apart}) {
    const Turns turns(yaml, [](std::uint64_t) { return 100us; });
    BOOST_TEST(worked_off == 640U);
    BOOST_TEST((turns.longest <= 600us), yaml << turns.longest.count());
  }
}

BOOST_AUTO_TEST_CASE(a_row_that_takes_longer_than_a_slice_has_one_for_itself) {
  const Turns turns(apart, [](std::uint64_t) { return 2ms; });
  BOOST_TEST((turns.longest <= 2ms), turns.longest.count());
}

BOOST_AUTO_TEST_CASE(rows_that_become_slow_are_noticed_after_their_batch) {
  Turns turns(joined, [](std::uint64_t row) { return row < 256 ? runtime::Duration(100ns) : 100us; });
  BOOST_TEST((turns.longest <= 64 * 100us + 500us), turns.longest.count());
  Turns later(joined, [](std::uint64_t row) { return row < 256 ? runtime::Duration(100ns) : row < 320 ? 0us : 100us; });
  BOOST_TEST((later.longest <= 64 * 100us + 500us), later.longest.count());
}

BOOST_AUTO_TEST_CASE(quick_rows_are_left_together) {
  Turns turns(apart, [](std::uint64_t) { return 10ns; });
  BOOST_TEST(given == std::vector<std::size_t>(10, 64), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(workers_are_dealt_as_much_as_takes_200_microseconds) {
  for (const auto* order : {"kept", "free"}) {
    const std::string yaml =
        "stages:\n"
        "  a: {generate: {range: 1..640}}\n"
        "  b: {from: a, costly: {}, workers: 2, order: " +
        std::string(order) +
        "}\n"
        "  c: {from: b, drop: {}}\n";
    const Turns turns(
        yaml, [](std::uint64_t) { return 50us; }, 3);
    // Those that were sent before the first row had been timed were as large as they came.
    const auto large = std::count_if(given.begin(), given.end(), [](std::size_t rows) { return rows > 4; });
    BOOST_TEST(large <= 5, order << ": " << large << " of " << given.size());
    BOOST_TEST(given.back() <= 4U);
  }
}

BOOST_AUTO_TEST_CASE(a_joined_operator_shows_seconds_that_were_sampled) {
  Turns turns(
      "stages:\n"
      "  a: {generate: {range: 1..64000}}\n"
      "  b: {from: a, costly: {}}\n"
      "  c: {from: b, drop: {}}\n",
      [](std::uint64_t) { return 2us; });
  const auto busy = turns.bench.stage("b").state_s[static_cast<std::size_t>(observe::State::busy)];
  BOOST_TEST(busy > 0.9 * 0.128);
  BOOST_TEST(busy < 1.01 * 0.128);
}

BOOST_AUTO_TEST_CASE(workers_in_any_order_are_dealt_to_by_what_they_still_have) {
  flow::Budget budget(1 << 20);
  flow::Inbox slow, quick;
  const flow::Bounds bounds(128, 1 << 20);
  graph::Branch branch;
  branch.edges = {&slow.connect("slow", bounds, budget), &quick.connect("quick", bounds, budget)};
  std::vector<std::string> dealt;
  for (int i = 0; i < 6; ++i) {
    auto batch = message::Batch::make();
    batch->append("1", {});
    branch.choose();
    BOOST_REQUIRE(branch.edge().fits(1, 1));
    dealt.push_back(branch.edge().name());
    branch.edge().send(std::move(batch), {});
    branch.go_on();
    quick.receive();  // And done with it at once.
  }
  BOOST_TEST(dealt == (std::vector<std::string>{"slow", "quick", "quick", "quick", "quick", "quick"}),
             boost::test_tools::per_element());
  slow.clear();
}
