#include "engine/runtime/simulated.hpp"

#include <algorithm>
#include <asio/execution.hpp>
#include <asio/execution_context.hpp>
#include <asio/this_coro.hpp>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

#include "engine/runtime/assert.hpp"
#include "engine/runtime/basic_core.hpp"
#include "engine/runtime/wait.hpp"

namespace weir::runtime {

namespace {

constexpr std::uint64_t steps_without_time_max = 10'000'000;

// Something ready to run: a handler of Asio's, movable only, so std::function can't hold it.
class Work {
 public:
  virtual ~Work() = default;
  virtual void run() = 0;
};

template <class F>
class WorkOf final : public Work {
 public:
  explicit WorkOf(F f) : f_(std::move(f)) {}
  void run() override {
    F f = std::move(f_);
    f();
  }

 private:
  F f_;
};

class SimulatedCore;

}  // namespace

class SimulatedContext final : public asio::execution_context {
 public:
  SimulatedContext(std::uint64_t seed, int cores);
  ~SimulatedContext();

  void add(int core, std::unique_ptr<Work> work) { ready_.push_back({core, std::move(work)}); }

  using Key = std::pair<Time, std::uint64_t>;  // When, and a number that makes it unique.
  Key add_alarm(int core, Time when, std::function<void()> ring) {
    const Key key(when, ++alarm_number_);
    alarms_.emplace(key, AlarmEntry{core, std::move(ring)});
    return key;
  }
  void drop_alarm(const Key& key) { alarms_.erase(key); }

  bool step();
  bool run_until_idle(Time limit);
  bool run_steps(std::uint64_t most, Time limit);
  void move_clock(Time to);

  std::uint64_t seed;
  Time now{};
  WallTime wall_start = std::chrono::sys_days(std::chrono::year(2030) / 1 / 1);
  std::uint64_t steps = 0;
  std::uint64_t trace = 14695981039346656037u;  // FNV-1a
  SimulatedFiles files;
  SimulatedPrograms programs;
  SimulatedMachine machine;
  std::vector<std::unique_ptr<SimulatedCore>> cores;

  std::size_t alarms() const { return alarms_.size(); }

 private:
  struct Ready {
    int core;
    std::unique_ptr<Work> work;
  };
  struct AlarmEntry {
    int core;
    std::function<void()> ring;
    bool due = false;  // Its call is queued, but it can still be taken back.
  };

  void mix(std::uint64_t value) { trace = (trace ^ value) * 1099511628211u; }
  void run_one();
  std::map<Key, AlarmEntry>::iterator next_alarm();

  Random random_;
  std::vector<Ready> ready_;
  std::map<Key, AlarmEntry> alarms_;
  std::uint64_t alarm_number_ = 0;
  std::uint64_t steps_at_this_time_ = 0;
};

namespace {

// The least Asio asks of an executor: where it belongs, that it never runs anything inside the call, and equality.
class SimulatedExecutor {
 public:
  SimulatedExecutor(SimulatedContext& context, int core) noexcept : context_(&context), core_(core) {}

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *context_; }
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  SimulatedExecutor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }
  template <class F>
  void execute(F f) const {
    context_->add(core_, std::make_unique<WorkOf<F>>(std::move(f)));
  }
  bool operator==(const SimulatedExecutor&) const noexcept = default;

 private:
  SimulatedContext* context_;
  int core_;
};

class SimulatedAlarm final : public Alarm {
 public:
  SimulatedAlarm(SimulatedContext& context, SimulatedContext::Key key) : context_(context), key_(key) {}
  ~SimulatedAlarm() override { context_.drop_alarm(key_); }

 private:
  SimulatedContext& context_;
  SimulatedContext::Key key_;
};

class SimulatedCore final : public BasicCore {
 public:
  SimulatedCore(SimulatedContext& context, int index)
      : context_(context),
        index_(index),
        random_(context.seed ^ (0x9e3779b97f4a7c15u * (static_cast<std::uint64_t>(index) + 1))),
        processes_(*this, context.programs) {}

  int index() const override { return index_; }
  Time now() const override { return context_.now; }
  WallTime wall() const override { return context_.wall_start + context_.now.time_since_epoch(); }
  asio::any_io_executor executor() override { return SimulatedExecutor(context_, index_); }
  void post(std::function<void()> work) override {
    context_.add(index_, std::make_unique<WorkOf<std::function<void()>>>(std::move(work)));
  }
  std::unique_ptr<Alarm> alarm(Time when, std::function<void()> ring) override {
    return std::make_unique<SimulatedAlarm>(context_, context_.add_alarm(index_, when, std::move(ring)));
  }
  // At once, so that no virtual time passes while the outside is busy; then others have their turn, as they would.
  Task<> blocking(std::function<void()> work) override {
    throw_if_stopped(co_await asio::this_coro::cancellation_state);
    work();
    co_await yield();
  }
  Random& random() override { return random_; }
  Files& files() override { return context_.files; }
  Processes& processes() override { return processes_; }
  Machine& machine() override { return context_.machine; }

 private:
  SimulatedContext& context_;
  int index_;
  Random random_;
  SimulatedProcesses processes_;
};

}  // namespace

SimulatedContext::SimulatedContext(std::uint64_t from_seed, int core_count) : seed(from_seed), random_(from_seed) {
  WEIR_ASSERT(core_count > 0, "a runtime has a core");
  for (int i = 0; i < core_count; ++i) cores.push_back(std::make_unique<SimulatedCore>(*this, i));
}

SimulatedContext::~SimulatedContext() {
  // Destroying a handler queues the destruction of its coroutine's frame, and that may queue more.
  while (!ready_.empty() || !alarms_.empty()) {
    const auto ready = std::move(ready_);
    ready_.clear();
    const auto alarms = std::move(alarms_);
    alarms_.clear();
  }
  shutdown();
  destroy();
}

std::map<SimulatedContext::Key, SimulatedContext::AlarmEntry>::iterator SimulatedContext::next_alarm() {
  auto next = alarms_.begin();
  while (next != alarms_.end() && next->second.due) ++next;
  return next;
}

void SimulatedContext::run_one() {
  const std::size_t choice = ready_.size() > 1 ? random_.below(ready_.size()) : 0;
  std::swap(ready_[choice], ready_.back());
  const Ready chosen = std::move(ready_.back());
  ready_.pop_back();
  ++steps;
  mix(choice);
  mix(static_cast<std::uint64_t>(chosen.core));
  mix(static_cast<std::uint64_t>(now.time_since_epoch().count()));
  if (++steps_at_this_time_ > steps_without_time_max)
    throw std::runtime_error("simulation: ten million steps without time moving: something spins");
  chosen.work->run();
}

void SimulatedContext::move_clock(Time to) {
  if (to > now) {
    now = to;
    steps_at_this_time_ = 0;
  }
  // Rung from the queue, so that the seed orders alarms of one instant too.
  for (auto it = alarms_.begin(); it != alarms_.end() && it->first.first <= now; ++it) {
    if (std::exchange(it->second.due, true)) continue;
    auto ring = [this, key = it->first] {
      const auto found = alarms_.find(key);
      if (found == alarms_.end()) return;
      const auto call = std::move(found->second.ring);
      alarms_.erase(found);
      call();
    };
    add(it->second.core, std::make_unique<WorkOf<decltype(ring)>>(std::move(ring)));
  }
}

bool SimulatedContext::step() {
  if (ready_.empty()) {
    const auto next = next_alarm();
    if (next == alarms_.end()) return false;
    move_clock(std::max(now, next->first.first));
  }
  run_one();
  return true;
}

bool SimulatedContext::run_until_idle(Time limit) {
  for (;;) {
    while (!ready_.empty()) run_one();
    const auto next = next_alarm();
    if (next == alarms_.end()) return true;
    if (next->first.first > limit) return false;
    move_clock(std::max(now, next->first.first));
  }
}

bool SimulatedContext::run_steps(std::uint64_t most, Time limit) {
  steps_at_this_time_ = 0;  // Who asks for so many at a time counts them.
  for (const std::uint64_t end = steps + most; steps < end; run_one()) {
    if (!ready_.empty()) continue;
    const auto next = next_alarm();
    if (next == alarms_.end() || next->first.first > limit) return true;
    move_clock(std::max(now, next->first.first));
  }
  return false;
}

SimulatedRuntime::SimulatedRuntime(std::uint64_t seed, int cores)
    : context_(std::make_unique<SimulatedContext>(seed, cores)) {}
SimulatedRuntime::~SimulatedRuntime() = default;

int SimulatedRuntime::cores() const { return static_cast<int>(context_->cores.size()); }
Core& SimulatedRuntime::core(int index) { return *context_->cores.at(static_cast<std::size_t>(index)); }
bool SimulatedRuntime::run_until_idle(Time limit) { return context_->run_until_idle(limit); }
bool SimulatedRuntime::run_steps(std::uint64_t most, Time limit) { return context_->run_steps(most, limit); }
void SimulatedRuntime::run_for(Duration time) {
  const Time end = context_->now + time;
  context_->run_until_idle(end);
  context_->now = std::max(context_->now, end);
}
void SimulatedRuntime::spend(Duration time) { context_->move_clock(context_->now + time); }
bool SimulatedRuntime::step() { return context_->step(); }
Time SimulatedRuntime::now() const { return context_->now; }
void SimulatedRuntime::set_wall(WallTime at_start) { context_->wall_start = at_start; }
std::uint64_t SimulatedRuntime::seed() const { return context_->seed; }
std::uint64_t SimulatedRuntime::trace() const { return context_->trace; }
std::uint64_t SimulatedRuntime::steps() const { return context_->steps; }
std::size_t SimulatedRuntime::alarms() const { return context_->alarms(); }
SimulatedFiles& SimulatedRuntime::files() { return context_->files; }
SimulatedPrograms& SimulatedRuntime::programs() { return context_->programs; }
SimulatedMachine& SimulatedRuntime::machine() { return context_->machine; }

}  // namespace weir::runtime
