// The engine on two real cores: what crosses them arrives whole, in order and counted, while figures are asked for all
// the time. ThreadSanitizer watches.
#include <boost/test/unit_test.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/config/yaml.hpp"
#include "engine/graph/running.hpp"
#include "engine/runtime/real.hpp"

using namespace std::chrono_literals;
using namespace weir;

namespace {

struct Ran {
  graph::Ending ending;
  std::map<std::string, observe::StageSnapshot> stages;
  std::uint64_t looks = 0;
};

Ran run(const std::string& yaml, runtime::Duration drain_after = runtime::Duration{0}) {
  config::Diagnostics diagnostics;
  auto pipeline = config::load(
      config::make_source("cores.yaml", yaml), {}, [](const std::string&) { return std::optional<std::string>(); },
      diagnostics);
  std::optional<graph::Plan> plan;
  if (pipeline) plan = graph::compile(std::move(*pipeline), stage::Catalog::linked(), diagnostics);
  BOOST_REQUIRE_MESSAGE(plan, diagnostics.render());

  runtime::Options machine;
  machine.cores = 2;
  machine.seed = 1;
  flow::Budget budget(plan->pipeline.run.memory.bytes);
  const auto runtime = runtime::make_real(machine);
  graph::Running running(std::move(*plan), *runtime, 0, budget);
  runtime::Core& home = runtime->core(0);
  Ran ran;
  bool ended = false;
  std::unique_ptr<runtime::Alarm> drain;
  std::function<void(observe::PipelineSnapshot)> look = [&](observe::PipelineSnapshot cells) {
    ++ran.looks;
    for (const auto& stage : cells.stages) BOOST_TEST(observe::unaccounted(stage) == 0, stage.stage);
    for (auto& stage : cells.stages) ran.stages[stage.stage] = std::move(stage);
    if (ended) return runtime->stop();
    home.post([&] { running.snapshot(look); });
  };
  runtime->run([&] {
    if (drain_after > runtime::Duration{0}) drain = home.alarm(home.now() + drain_after, [&] { running.drain(); });
    running.start([&](const graph::Ending& ending) {
      ran.ending = ending;
      ended = true;
      drain.reset();
    });
    running.snapshot(look);
  });
  return ran;
}

}  // namespace

BOOST_AUTO_TEST_CASE(workers_on_two_cores_lose_nothing) {
  for (const std::string order : {"kept", "free"}) {
    const auto ran =
        run("stages:\n"
            "  a: {generate: {range: 1..20000, msg: {n: '{{ i }}'}}}\n"
            "  b: {from: a, set: {twice: '{{ msg.n * 2 }}'}, workers: 4, order: " +
            order +
            "}\n"
            "  c: {from: b, where: msg.n % 2 == 0}\n"
            "  d: {from: c, drop: {}}\n"
            "  e: {from: c.else, batch: {count: 7}}\n"
            "  f: {from: e, drop: {}}\n");
    BOOST_TEST(!ran.ending.fault);
    BOOST_TEST(ran.ending.left == 0U);
    BOOST_TEST(ran.ending.unheard == 0U);
    BOOST_TEST(ran.stages.at("b").in == 20'000U);
    BOOST_TEST(ran.stages.at("d").in == 10'000U);
    BOOST_TEST(ran.stages.at("e").absorbed == 10'000U);
    // A source that must wait for its acks asks collecting stages to let go of what they hold.
    BOOST_TEST(ran.stages.at("f").in >= (10'000U + 6) / 7);
    BOOST_TEST(ran.stages.at("f").in == ran.stages.at("e").created);
    BOOST_TEST(ran.looks > 1U);
  }
}

BOOST_AUTO_TEST_CASE(failures_on_one_core_are_heard_on_the_other) {
  const auto ran =
      run("stages:\n"
          "  a: {generate: {range: 1..5000, msg: {n: '{{ i }}'}}}\n"
          "  b: {from: a, lua: 'if msg.n % 10 == 0 then fail(\"ten\") end', workers: 2}\n"
          "  c: {from: b, drop: {}}\n"
          "  d: {from: any.failed, drop: {}}\n");
  BOOST_TEST(ran.ending.unheard == 0U);
  BOOST_TEST(ran.stages.at("c").in == 4'500U);
  BOOST_TEST(ran.stages.at("d").in == 500U);
}

BOOST_AUTO_TEST_CASE(a_drain_under_load_on_two_cores_leaves_nothing) {
  const auto ran =
      run("stages:\n"
          "  a: {generate: {range: 1..1000000000}}\n"
          "  b: {from: a, pass: {}, workers: 2}\n"
          "  c: {from: b, drop: {}}\n",
          200ms);
  BOOST_TEST(ran.ending.left == 0U);
  BOOST_TEST(ran.ending.unheard == 0U);
  BOOST_TEST(ran.stages.at("a").created > 0U);
  BOOST_TEST(ran.stages.at("c").in == ran.stages.at("a").created);
}
