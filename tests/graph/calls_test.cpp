// Deadline, retry, hedge, time-out and workers around a call (semantics 15, language 5 and 8), held against a model:
// which calls a drawn stage makes of drawn answers, when, and what becomes of each message.
#include <rapidcheck.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/bench.hpp"
#include "tests/support/programs.hpp"

using namespace std::chrono_literals;
using namespace weir;
using namespace weir::tests;
using runtime::Duration;
using runtime::Time;

namespace {

/// The stage. Zero: without it. Answers take an odd number of milliseconds and all of this is even, so that no call is
/// answered at the instant at which its time is over.
struct Policies {
  int messages = 1, workers = 1, attempts = 1;
  Duration timeout{0}, hedge_after{0}, deadline{0}, backoff_least{2ms}, backoff_most{2ms};
};

struct Called {
  Time at;
  Duration takes;
  bool answers;  ///< Or it fails, when its time is over.
};

struct Story {
  std::map<std::string, std::vector<Called>> calls;  ///< By message, as they began.
  std::set<std::string> done, failed;
  Time ended;
};

Duration even_ms(int least, int most) { return std::chrono::milliseconds(2 * *rc::gen::inRange(least, most)); }

Policies drawn_policies() {
  Policies drawn;
  drawn.messages = *rc::gen::inRange(1, 9);
  drawn.workers = *rc::gen::inRange(1, 5);
  drawn.attempts = *rc::gen::inRange(1, 5);
  if (*rc::gen::arbitrary<bool>()) drawn.timeout = even_ms(1, 60);
  if (*rc::gen::arbitrary<bool>()) drawn.hedge_after = even_ms(1, 60);
  if (*rc::gen::inRange(0, 3) == 0) drawn.deadline = even_ms(10, 200);
  drawn.backoff_least = even_ms(1, 20);
  drawn.backoff_most = drawn.backoff_least + even_ms(0, 30);
  return drawn;
}

std::string ms(Duration time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) + "ms";
}

std::string text_of(const Policies& policies) {
  std::ostringstream yaml;
  yaml << "stages:\n  a: {generate: {range: 1.." << policies.messages << "}}\n"
       << "  b:\n    from: a\n    exec: {run: [call, '{{ msg }}']}\n    merge: {}\n    workers: " << policies.workers
       << "\n    order: free\n";
  yaml << "    timeout: " << (policies.timeout > 0ms ? ms(policies.timeout) : "1h") << "\n";
  if (policies.attempts > 1) {
    yaml << "    retry: {attempts: " << policies.attempts << ", backoff: " << ms(policies.backoff_least) << ".."
         << ms(policies.backoff_most) << ", budget: 100%}\n";
  }
  if (policies.hedge_after > 0ms) yaml << "    hedge: {after: " << ms(policies.hedge_after) << ", budget: 100%}\n";
  if (policies.deadline > 0ms) yaml << "    deadline: " << ms(policies.deadline) << "\n";
  yaml << "  c: {from: b, file: {append: done.txt}}\n  f: {from: b.failed, file: {append: failed.txt}}\n";
  return yaml.str();
}

std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) RC_ASSERT(lines.insert(line).second);  // None comes twice.
  return lines;
}

Story played(const Policies& policies) {
  Story story;
  Bench bench(text_of(policies));
  RC_ASSERT(bench.mistakes() == "");
  bench.runtime.programs().script("call", [&](const runtime::Command& command) {
    const Duration takes = std::chrono::milliseconds(2 * *rc::gen::inRange(0, 80) + 1);
    const bool answers = *rc::gen::inRange(0, 3) == 0;
    story.calls[command.argv.at(1)].push_back({bench.runtime.now(), takes, answers});
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({takes, "", ""});
    behaviour.exit.code = answers ? 0 : 1;
    return behaviour;
  });
  bench.run();
  story.ended = bench.runtime.now();
  for (const auto& stage : bench.snapshot().stages) RC_ASSERT(observe::unaccounted(stage) == 0);
  RC_ASSERT(bench.runtime.programs().running() == 0U);
  const auto text = [&](const char* path) {
    return bench.files().exists(path) ? bench.files().text(path) : std::string();
  };
  story.done = lines_of(text("done.txt"));
  story.failed = lines_of(text("failed.txt"));
  return story;
}

/// When a try ended, and whether with an answer. `next`: the call that begins it; then the one behind it.
struct Tried {
  Time at;
  bool answered;
};
Tried tried(const Policies& policies, const std::vector<Called>& calls, std::size_t& next, Time cut) {
  const auto end_of = [&](const Called& call) {
    return call.at + (policies.timeout > 0ms ? std::min(call.takes, policies.timeout) : call.takes);
  };
  const auto answers = [&](const Called& call) {
    return call.answers && (policies.timeout == 0ms || call.takes < policies.timeout);
  };
  const Called& first = calls[next++];
  const Time hedged_at = first.at + policies.hedge_after;
  const bool hedged = next < calls.size() && calls[next].at == hedged_at;
  // Of one instant, whether its time is over or it is to be hedged comes first is open.
  const bool over = end_of(first) < hedged_at || (end_of(first) == hedged_at && !hedged);
  if (policies.hedge_after == 0ms || over || cut <= hedged_at) return {end_of(first), answers(first)};
  RC_ASSERT(hedged);
  const Called& second = calls[next++];
  Tried best{std::max(end_of(first), end_of(second)), false};
  for (const Called* const call : {&first, &second}) {
    if (answers(*call) && (!best.answered || end_of(*call) < best.at)) best = {end_of(*call), true};
  }
  return best;
}

/// Some mistakes show in one story of thousands.
struct Thousands {
  Thousands() { ::setenv("RC_PARAMS", "max_success=2000", 0); }
};

}  // namespace

BOOST_GLOBAL_FIXTURE(Thousands);

BOOST_AUTO_TEST_CASE(calls_are_made_when_their_policies_say_and_by_none_else) {
  BOOST_TEST(rc::check("the calls", [] {
    const Policies policies = drawn_policies();
    const Story story = played(policies);
    const Time cut = policies.deadline > 0ms ? Time(policies.deadline) : Time::max();
    std::vector<std::pair<Time, int>> busy;  // A worker is taken, +1, and free again, -1.
    for (int i = 1; i <= policies.messages; ++i) {
      const std::string message = std::to_string(i);
      RC_ASSERT(story.done.count(message) + story.failed.count(message) == 1U);
      const auto found = story.calls.find(message);
      if (found == story.calls.end()) {
        RC_ASSERT(story.failed.count(message) == 1U);  // No worker was free before its time was over.
        RC_ASSERT((cut < Time::max()));
        continue;
      }
      const auto& calls = found->second;
      for (const Called& call : calls) RC_ASSERT((call.at < cut));
      std::size_t next = 0;
      int tries = 1;
      Tried last = tried(policies, calls, next, cut);
      while (!last.answered && last.at < cut && tries < policies.attempts) {
        if (next == calls.size()) {  // Its time would have been over before the next one.
          RC_ASSERT((cut <= last.at + policies.backoff_most));
          break;
        }
        RC_ASSERT((calls[next].at >= last.at + policies.backoff_least));
        RC_ASSERT((calls[next].at <= last.at + policies.backoff_most));
        last = tried(policies, calls, next, cut);
        ++tries;
      }
      RC_ASSERT(next == calls.size());
      RC_ASSERT(story.done.count(message) == (last.answered && last.at < cut ? 1U : 0U));
      RC_ASSERT((std::min(last.at, cut) <= story.ended));
      busy.emplace_back(calls.front().at, 1);
      busy.emplace_back(std::min(last.at, cut), -1);
    }
    std::sort(busy.begin(), busy.end());  // Of one instant the ends first.
    int taken = 0;
    for (const auto& [at, change] : busy) RC_ASSERT((taken += change) <= policies.workers);
  }));
}
