// Pipelines drawn from seeds, on two real cores: workers on both, narrow edges that block or drop, failures, drains in
// the middle, figures asked for all the time. What came is held against what must come; ThreadSanitizer watches.
//
//   WEIR_STORM_SEED=123 build/tests/threads_storm_test     one seed, and its pipeline; the cores race anew
//   WEIR_STORM_GRAPHS=10000 build/tests/threads_storm_test     so many; WEIR_STORM_FIRST=61: from that seed on
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/config/loader.hpp"
#include "engine/config/yaml.hpp"
#include "engine/graph/running.hpp"
#include "engine/runtime/real.hpp"
#include "engine/stage/kind.hpp"

using namespace weir;

namespace {

// Under a sanitizer every step costs ten times as much.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t graphs = 60;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr std::uint64_t graphs = 60;
#else
constexpr std::uint64_t graphs = 300;
#endif
#else
constexpr std::uint64_t graphs = 300;
#endif

// --- what came -----------------------------------------------------------------------------------------------------

struct Seen {
  int source, n;
};
/// By sink. All of them are on the home core; read once it has ended.
std::map<std::int64_t, std::vector<Seen>> seen;

struct SinkConfig {
  std::int64_t number = 0;
};

const auto sink_spec = config::Spec<SinkConfig>("storm_sink", "Notes what came, and drops it.")
                           .field("number", &SinkConfig::number, "Which sink this is.", config::at_least(0))
                           .example("storm_sink: {number: 1}");

int number_after(std::string_view text, std::string_view key) {
  int number = -1;
  const auto at = text.find(key);
  if (at != text.npos) std::from_chars(text.data() + at + key.size(), text.data() + text.size(), number);
  return number;
}

class Sink final : public stage::MessageOperator<Sink> {
 public:
  using MessageOperator::process;
  Sink(const SinkConfig& config, stage::Context&) : seen_(seen[config.number]) {}

  void process(stage::Message message, stage::Output& out) {
    const auto text = message.text();
    seen_.push_back({number_after(text, "\"s\":"), number_after(text, "\"n\":")});
    out.drop(message, stage::Dropped::configured);
  }

 private:
  std::vector<Seen>& seen_;
};

const stage::Register sink_registered(sink_spec, [](auto config) {
  auto configured = stage::operator_of<Sink>(config);
  configured.main_output = false;
  return configured;
});

// --- what is drawn -------------------------------------------------------------------------------------------------

struct Drawn {
  enum class Kind { source, pass, where, set, lua_drops, lua_fails, sink };
  struct Stage {
    Kind kind = Kind::pass;
    std::vector<std::size_t> inputs;
    int modulus = 2;
    bool kept = true;    ///< In order.
    bool drops = false;  ///< Its edges drop where they are full.
    int most = 0;        ///< Of a source; 0: until it is drained.
    bool lets_on(int n) const {
      return kind == Kind::pass || kind == Kind::set || kind == Kind::source || n % modulus != 0;
    }
  };
  std::vector<Stage> stages;
  std::string yaml = "stages:\n";
  bool endless = false;

  explicit Drawn(std::uint64_t seed) : random_(seed) {
    const int sources = 1 + below(2), middle = 1 + below(5), sinks = 1 + below(2);
    for (int i = 0; i < sources; ++i) {
      Stage& made = stages.emplace_back();
      made.kind = Kind::source;
      made.most = below(4) ? 1 + below(3000) : 0;
      endless = endless || made.most == 0;
      const std::string range = made.most ? "range: 1.." + std::to_string(made.most) : "range: 1..1000000000";
      yaml += "  s" + std::to_string(i) + ": {generate: {" + range + ", msg: {s: " + std::to_string(i) +
              ", n: '{{ i }}', pad: '" + std::string(static_cast<std::size_t>(below(3) ? 0 : below(900)), 'x') +
              "'}}}\n";
    }
    for (int i = 0; i < middle; ++i) draw(static_cast<Kind>(1 + below(5)));
    for (int i = 0; i < sinks; ++i) draw(Kind::sink);
    // What nobody reads goes to one more sink.
    std::vector<std::size_t> inputs;
    for (std::size_t i = 0; i < stages.size(); ++i) {
      bool read = stages[i].kind == Kind::sink;
      for (const auto& reader : stages) read = read || std::count(reader.inputs.begin(), reader.inputs.end(), i);
      if (!read) inputs.push_back(i);
    }
    if (!inputs.empty()) draw(Kind::sink, inputs);
    yaml += "  failed: {from: any.failed, drop: {}}\n";
  }

  /// How often message `n` of this source comes to a stage where nothing is dropped, and whether one edge or more may
  /// have dropped it.
  int times(std::size_t stage, std::size_t source, int n, bool& may_be_dropped) const {
    if (stages[stage].kind == Kind::source) return stage == source;
    int all = 0;
    for (const std::size_t input : stages[stage].inputs) {
      if (stages[input].lets_on(n)) all += times(input, source, n, may_be_dropped);
    }
    if (all > 0 && stages[stage].drops) may_be_dropped = true;
    return all;
  }
  /// Whether there is one way from the source to the stage, and all on it keep the order.
  bool in_order(std::size_t stage, std::size_t source) const {
    return ways(stage, source, true) == 1 && ways(stage, source, false) == 1;
  }

 private:
  int below(int bound) { return static_cast<int>(random_.below(static_cast<std::uint64_t>(bound))); }
  int ways(std::size_t stage, std::size_t source, bool kept) const {
    if (stages[stage].kind == Kind::source) return stage == source;
    if (kept && !stages[stage].kept) return 0;
    int all = 0;
    for (const std::size_t input : stages[stage].inputs) all += ways(input, source, kept);
    return all;
  }

  void draw(Kind kind, std::vector<std::size_t> inputs = {}) {
    const std::size_t number = stages.size();
    Stage made;
    made.kind = kind;
    made.modulus = 2 + below(5);
    for (int wanted = inputs.empty() ? 1 + below(2) : 0; wanted > 0;) {
      const auto input = static_cast<std::size_t>(below(static_cast<int>(number)));
      if (stages[input].kind == Kind::sink) continue;
      --wanted;
      if (!std::count(inputs.begin(), inputs.end(), input)) inputs.push_back(input);
    }
    made.inputs = inputs;
    std::string from;
    for (const std::size_t input : inputs) from += (from.empty() ? "" : ", ") + name(input);
    const std::string hit = "msg.n % " + std::to_string(made.modulus) + " == 0";
    const std::string does = kind == Kind::pass        ? "pass: {}"
                             : kind == Kind::where     ? "where: not (" + hit + ")"
                             : kind == Kind::set       ? "set: {more: '{{ msg.n * 2 }}'}"
                             : kind == Kind::lua_drops ? "lua: 'if " + hit + " then drop() end'"
                             : kind == Kind::lua_fails ? "lua: 'if " + hit + " then fail(\"no\") end'"
                                                       : "storm_sink: {number: " + std::to_string(number) + "}";
    std::string keys;
    if (kind != Kind::sink && below(3)) {
      made.kept = below(3) != 0;
      keys += ", workers: " + std::to_string(2 + below(4)) + ", order: " + (made.kept ? "kept" : "free");
    }
    if (below(2)) {
      const int capacities[] = {1, 2, 3, 7, 16, 64, 200};
      keys += ", edge: {capacity: " + std::to_string(capacities[below(7)]);
      if (below(4) == 0) keys += ", bytes: 1KiB";
      made.drops = below(4) == 0;
      if (made.drops) keys += std::string(", when_full: ") + (below(3) ? "drop_oldest" : "drop_newest");
      keys += "}";
    }
    yaml += "  t" + std::to_string(number) + ": {from: [" + from + "], " + does + keys + "}\n";
    stages.push_back(std::move(made));
  }
  std::string name(std::size_t stage) const {
    return (stages[stage].kind == Kind::source ? "s" : "t") + std::to_string(stage);
  }

  runtime::Random random_;
};

// --- one of them ---------------------------------------------------------------------------------------------------

struct Storm {
  explicit Storm(std::uint64_t seed)
      : drawn(seed), after(std::chrono::microseconds(runtime::Random(~seed).below(8000))) {}

  void blow() {
    seen.clear();
    config::Diagnostics diagnostics;
    auto pipeline = config::load(
        config::make_source("storm.yaml", drawn.yaml), {},
        [](const std::string&) { return std::optional<std::string>(); }, diagnostics);
    std::optional<graph::Plan> plan;
    if (pipeline) plan = graph::compile(std::move(*pipeline), stage::Catalog::linked(), diagnostics);
    BOOST_REQUIRE_MESSAGE(plan, diagnostics.render());
    runtime::Options machine;
    machine.cores = 2;
    machine.seed = 1;
    flow::Budget budget(1 << 20);
    const auto runtime = runtime::make_real(machine);
    auto running = std::make_unique<graph::Running>(std::move(*plan), *runtime, 0, budget);
    runtime::Core& home = runtime->core(0);
    bool ended = false;
    std::unique_ptr<runtime::Alarm> drain;
    std::function<void(observe::PipelineSnapshot)> look = [&](observe::PipelineSnapshot cells) {
      for (const auto& stage : cells.stages) BOOST_TEST(observe::unaccounted(stage) == 0, stage.stage);
      last = std::move(cells);
      if (ended) return runtime->stop();
      home.post([&] { running->snapshot(look); });
    };
    runtime->run([&] {
      if (drawn.endless) drain = home.alarm(home.now() + after, [&] { running->drain(); });
      running->start([&](const graph::Ending& of) {
        ending = of;
        ended = true;
        drain.reset();
      });
      running->snapshot(look);
    });
    running.reset();
    BOOST_TEST(budget.used() == 0U);
    BOOST_TEST(!ending.fault);
    BOOST_TEST(ending.left == 0U);
    BOOST_TEST(ending.unheard == 0U);
    for (const auto& channel : last.channels) {
      BOOST_TEST(channel.credits == channel.capacity, channel.name());
      BOOST_TEST(channel.bytes == 0, channel.name());
    }
    check_messages();
  }

  void check_messages() {
    for (std::size_t sink = 0; sink < drawn.stages.size(); ++sink) {
      if (drawn.stages[sink].kind != Drawn::Kind::sink) continue;
      std::map<std::pair<int, int>, int> times;
      std::map<int, int> before;
      for (const auto& one : seen[static_cast<std::int64_t>(sink)]) {
        ++came;
        ++times[{one.source, one.n}];
        int& last_of = before[one.source];
        if (drawn.in_order(sink, static_cast<std::size_t>(one.source))) {
          ++ordered;
          BOOST_TEST(one.n > last_of,
                     "t" << sink << " got s" << one.source << " number " << one.n << " after " << last_of);
        }
        last_of = one.n;
      }
      std::uint64_t known = 0;
      for (std::size_t source = 0; drawn.stages[source].kind == Drawn::Kind::source; ++source) {
        for (int n = 1; n <= made(source); ++n) {
          bool may_be_dropped = false;
          const int due = drawn.times(sink, source, n, may_be_dropped);
          const auto found = times.find({static_cast<int>(source), n});
          const int got = found == times.end() ? 0 : found->second;
          if (may_be_dropped ? got > due : got != due) {
            BOOST_TEST(got == due, "t" << sink << " got s" << source << " number " << n << " so often");
          }
          known += found != times.end();
        }
      }
      BOOST_TEST(known == times.size());
    }
  }
  int made(std::size_t source) const {
    for (const auto& stage : last.stages) {
      if (stage.stage == "s" + std::to_string(source)) return static_cast<int>(observe::count_of(stage.out, "main"));
    }
    return 0;
  }

  Drawn drawn;
  runtime::Duration after;
  graph::Ending ending;
  observe::PipelineSnapshot last;
  std::uint64_t came = 0, ordered = 0;  ///< Messages, and those of them whose order was looked at.
};

std::optional<std::uint64_t> asked(const char* name) {
  const char* const text = std::getenv(name);
  if (!text) return std::nullopt;
  return std::stoull(text);
}

}  // namespace

BOOST_AUTO_TEST_CASE(on_two_cores_every_message_comes_as_often_as_it_must_in_order_and_nothing_is_left) {
  const auto only = asked("WEIR_STORM_SEED");
  const std::uint64_t first = only ? *only : asked("WEIR_STORM_FIRST").value_or(1);
  const std::uint64_t count = only ? 1 : asked("WEIR_STORM_GRAPHS").value_or(graphs);
  std::uint64_t came = 0, ordered = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Storm storm(seed);
    if (only) std::cout << storm.drawn.yaml << std::flush;
    BOOST_TEST_CONTEXT("WEIR_STORM_SEED=" << seed << "\n" << storm.drawn.yaml) { storm.blow(); }
    came += storm.came;
    ordered += storm.ordered;
  }
  BOOST_TEST_MESSAGE(came << " messages came, " << ordered << " of them had to be in order");
  if (!only) BOOST_TEST((came > 0 && ordered > 0));
}
