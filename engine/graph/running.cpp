#include "engine/graph/running.hpp"

#include <algorithm>
#include <functional>
#include <map>

#include "engine/graph/unit.hpp"
#include "engine/runtime/assert.hpp"
#include "engine/script/engine.hpp"

namespace weir::graph {
namespace {

/// Time and chance for the scripts of one core.
class CoreHost final : public script::Host {
 public:
  explicit CoreHost(runtime::Core& core) : core_(core) {}
  runtime::WallTime now() override { return core_.wall(); }
  std::uint64_t random() override { return core_.random().next(); }
  runtime::WallTime wall(runtime::Time when) override { return core_.wall() - (core_.now() - when); }

 private:
  runtime::Core& core_;
};

/// What an edge lost counts with the stage that it leads to, as come and gone there: the sender has counted it as out,
/// and rightly so, once for all readers of the port. So the ledger of both closes, and along each edge what left one
/// stage has come to the other or is under way. Refused: counting it with the sender, whose `out` it would contradict,
/// and a figure of the channel's own, which no ledger would hold to account.
void count_losses(const flow::Edge& edge, observe::StageSnapshot& to) {
  using Loss = flow::Edge::Loss;
  const auto dropped = edge.lost(Loss::dropped), failed = edge.lost(Loss::failed), gone = edge.lost(Loss::gone);
  to.in += dropped + failed + gone;
  to.dropped_by(observe::Dropped::full) += dropped;
  to.dropped_by(observe::Dropped::gone) += gone;
  to.failed += failed;
  if (failed) observe::add(to.errors, message::word(message::Reason::full), failed);
}

/// The Lua state of one pipeline on one core, made when a stage first asks.
struct Scripts {
  explicit Scripts(runtime::Core& core) : host(core) {}
  CoreHost host;
  std::unique_ptr<script::Engine> engine;
};

/// The answers of all units to one question for figures.
struct Collected {
  std::vector<std::vector<observe::StageSnapshot>> by_unit;
  std::size_t missing = 0;
  std::function<void(observe::PipelineSnapshot)> done;
};

}  // namespace

struct Running::Inside {
  Inside(Plan made, runtime::Runtime& on, int home_core, flow::Budget& memory, RunOptions with)
      : plan(std::move(made)), runtime(on), home(on.core(home_core)), budget(memory), options(with) {}

  script::Engine& scripts_of(runtime::Core& core) {
    Scripts& scripts = *scripts_by_core.at(core.index());
    if (!scripts.engine) scripts.engine = std::make_unique<script::Engine>(scripts.host, plan.pipeline.vars);
    return *scripts.engine;
  }

  void make_units() {
    setting.plan = &plan;
    setting.options = options;
    setting.scripts = [this](runtime::Core& core) -> script::Engine& { return scripts_of(core); };
    setting.unheard = &unheard;
    setting.memory = &budget;
    setting.groups = [this](std::size_t stage) -> std::shared_ptr<message::Groups> {
      const auto found = groups.find(stage);
      return found == groups.end() ? nullptr : found->second;
    };
    setting.limit = [this](const stage::LimitConfig& limit) {
      if (limit.shared.empty()) return made(limit);
      auto& named = limits[limit.shared];
      if (!named) named = made(limit);
      return named;
    };
    setting.breaker = [this](const stage::BreakerConfig& breaker) {
      if (breaker.shared.empty()) return std::make_shared<policy::Breakers>(breaker.rule());
      auto& named = breakers[breaker.shared];
      if (!named) named = std::make_shared<policy::Breakers>(breaker.rule());
      return named;
    };
    for (const auto& planned : plan.stages) {
      if (planned.gathers && !groups[*planned.gathers]) groups[*planned.gathers] = std::make_shared<message::Groups>();
    }
    for (const auto& planned : plan.units) {
      const auto shape = plan.stages[planned.stages.front()].configured.shape;
      for (int replica = 0; replica < planned.replicas; ++replica) {
        const int core = (home.index() + replica) % runtime.cores();
        auto& on = runtime.core(planned.replicas > 1 && options.pooled_cores ? core : home.index());
        if (!scripts_by_core.contains(on.index())) scripts_by_core.emplace(on.index(), std::make_unique<Scripts>(on));
        switch (shape) {
          case stage::Shape::source:
            units.push_back(make_source_unit(setting, planned, on));
            break;
          case stage::Shape::sink:
            units.push_back(make_sink_unit(setting, planned, on));
            break;
          case stage::Shape::call:
            units.push_back(make_call_unit(setting, planned, on));
            break;
          case stage::Shape::duplex:
            units.push_back(make_duplex_unit(setting, planned, on));
            break;
          case stage::Shape::operation:
            units.push_back(make_operator_unit(setting, planned, on, replica));
            break;
        }
      }
    }
  }

  std::shared_ptr<policy::Limit> made(const stage::LimitConfig& limit) {
    if (!limit.by) return std::make_shared<policy::Limit>(limit.rule());
    runtime::Machine& machine = home.machine();
    if (!machine.load(*limit.by)) {
      throw stage::Fault("this machine does not tell its " + std::string(runtime::word(*limit.by)) +
                         ", by which a limit goes");
    }
    policy::LoadRule rule;
    rule.above = limit.load_above();
    rule.load = [&machine, of = *limit.by] { return machine.load(of); };
    return std::make_shared<policy::Limit>(std::move(rule));
  }

  std::vector<Unit*> units_of(std::size_t stage) {
    std::vector<Unit*> found;
    for (const auto& unit : units) {
      if (unit->node(stage)) found.push_back(unit.get());
    }
    return found;
  }

  void connect() {
    for (std::size_t reader = 0; reader < plan.stages.size(); ++reader) {
      if (plan.stages[reader].fused) continue;
      const auto& inputs = plan.stages[reader].inputs;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        connect(inputs[i], reader, plan.stages[reader].common.edge_from(plan.stages[reader].read_as[i]));
      }
    }
  }

  /// An edge from each instance of what is read to each instance of who reads. Where replicas on either side keep the
  /// order, the k-th run goes by sender k mod senders to receiver k mod receivers; to receivers that go by key each
  /// run, to each what it gets of it.
  void connect(PortRef input, std::size_t reader, const stage::EdgeLimits& limits) {
    const auto& to = plan.stages[reader];
    const auto& from = plan.stages[input.stage];
    const auto senders = units_of(input.stage);
    const auto receivers = units_of(reader);
    const auto in_order = [](const std::vector<Unit*>& replicas, const PlannedStage& planned) {
      return replicas.size() > 1 && planned.common.order == stage::Order::kept;
    };
    const bool by_key = receivers.size() > 1 && to.common.order == stage::Order::by_key;
    const bool keeps = receivers.size() == 1 || by_key || to.common.order == stage::Order::kept;
    const bool passed = keeps && in_order(senders, from);
    std::vector<Branch> branches(senders.size());
    for (std::size_t s = 0; s < senders.size(); ++s) {
      Branch& branch = branches[s];
      branch.to = to.name;
      branch.when_full = limits.when_full.value_or(stage::WhenFull::block);
      branch.patience = limits.after.value_or(runtime::Duration::zero());
      branch.runs = passed ? Runs::passed : in_order(receivers, to) ? Runs::piece : Runs::none;
      if (by_key) branch.by_key.emplace(*to.common.order.key);
      if (passed && !by_key) {
        branch.next = s % receivers.size();
        branch.step = senders.size();
      }
    }
    for (std::size_t r = 0; r < receivers.size(); ++r) {
      for (std::size_t s = 0; s < senders.size(); ++s) {
        flow::Inbox& inbox = receivers[r]->inbox();
        const bool across = &senders[s]->core() != &receivers[r]->core();
        const auto mebibyte = std::uint64_t{1} << 20;
        const bool in_bulk =
            to.configured.writes_in_bulk && limits.when_full.value_or(stage::WhenFull::block) == stage::WhenFull::block;
        // Of replicas each has an edge of its own.
        const auto on_core = stage::places_on_core(receivers.size() > 1 ? 1 : to.common.workers);
        const auto usual = std::max<std::int64_t>(across ? 1024 : in_bulk ? 512 : 0, on_core);
        flow::Bounds bounds(static_cast<std::uint32_t>(limits.capacity.value_or(usual)),
                            limits.bytes ? limits.bytes->bytes : (across ? 8 : 1) * mebibyte);
        bounds.across = across;
        bounds.drops_oldest = limits.when_full == stage::WhenFull::drop_oldest;
        flow::Edge& made =
            inbox.connect(from.name + "." + from.ports[input.port] + "->" + to.name, bounds, budget, passed && s > 0);
        if (passed) inbox.take_turns(by_key ? 0 : r, by_key ? 1 : receivers.size());
        // The sender hears of it at once: it may not send anything for hours.
        made.when_closed([this, sender = senders[s], here = std::weak_ptr<int>(here)] {
          home.post([this, sender, here] {
            if (here.lock()) send(*sender, &Unit::reader_closed);
          });
        });
        branches[s].connect(made);
        channels.push_back({&made, from.name, from.ports[input.port], to.name});
      }
    }
    for (std::size_t s = 0; s < senders.size(); ++s) {
      senders[s]->node(input.stage)->targets[input.port].branches.push_back(std::move(branches[s]));
    }
  }

  void unit_ended(Unit& unit, std::exception_ptr fault) {
    // On the unit's core; what follows is the home core's.
    home.post([this, &unit, fault] {
      if (fault && !ending.fault) {
        ending.fault = fault;
        ending.fault_stage = unit.name();
        if (const auto stage = plan.find(unit.name())) ending.fault_place = plan.stages[*stage].place.str();
        stop();
      }
      --alive;
      finish_if_over();
    });
  }

  void finish_if_over() {
    if (alive > 0 || errands > 0 || over) return;
    over = true;
    for (const auto& unit : units) unit->retire();
    for (const auto& unit : units) ending.left += unit->left();
    for (const auto& channel : channels) {
      channel.edge->give_back_reserve();
      WEIR_ASSERT(channel.edge->released() == channel.edge->sent(), channel.edge->name().c_str());
    }
    ending.unheard = unheard;
    if (ended) ended(ending);
  }

  void stop() {
    if (stopped) return;
    stopped = true;
    for (const auto& unit : units) send(*unit, &Unit::stop);
  }

  /// Has `errand` done on the unit's core. The run is not over before that, so the errand finds the unit there; where
  /// it is over, nothing runs on any core any more and there is nothing to tell a unit. `done`, if any, is called on
  /// the home core after it.
  template <typename Errand>
  void send(Unit& unit, Errand errand, std::function<void()> done = nullptr) {
    if (over) return;
    ++errands;
    unit.core().post([this, &unit, errand = std::move(errand), done = std::move(done)] {
      std::invoke(errand, unit);
      home.post([this, done] {
        if (done) done();
        --errands;
        finish_if_over();
      });
    });
  }

  /// One row for each stage and each channel, whatever number of units and edges they have.
  observe::PipelineSnapshot merged(Collected& collected) {
    observe::PipelineSnapshot pipeline;
    pipeline.pipeline = plan.pipeline.name;
    pipeline.config_hash = plan.pipeline.hash;
    for (const auto& planned : plan.stages) {
      if (!planned.first_step()) continue;  // The steps of a `do` are one stage.
      observe::StageSnapshot* whole = nullptr;
      for (auto& stages : collected.by_unit) {
        for (auto& cells : stages) {
          if (cells.stage != planned.name) continue;
          if (whole) {
            whole->merge(cells);
          } else {
            pipeline.stages.push_back(std::move(cells));
            whole = &pipeline.stages.back();
          }
        }
      }
    }
    const auto stage_of = [&](const std::string& name) -> observe::StageSnapshot& {
      return *std::find_if(pipeline.stages.begin(), pipeline.stages.end(),
                           [&](const observe::StageSnapshot& cells) { return cells.stage == name; });
    };
    for (const auto& channel : channels) count_losses(*channel.edge, stage_of(channel.to));
    for (const auto& channel : channels) {
      observe::ChannelSnapshot shown;
      shown.from = channel.from;
      shown.port = channel.port;
      shown.to = channel.to;
      shown.capacity = channel.edge->capacity();
      // Read from the end of the way to its beginning: what moves meanwhile is never counted as gone.
      const auto released = channel.edge->released();
      const auto taken = channel.edge->taken();
      const auto sent = channel.edge->sent();
      shown.depth = static_cast<std::int64_t>(sent - taken);
      shown.held = static_cast<std::int64_t>(taken - released);
      shown.placeless = static_cast<std::int64_t>(channel.edge->in_hand());
      shown.credits = shown.capacity - shown.depth - shown.held;
      shown.bytes = static_cast<std::int64_t>(channel.edge->bytes());
      shown.oldest_s = std::chrono::duration<double>(channel.edge->oldest_waits(home.now())).count();
      auto same = std::find_if(pipeline.channels.begin(), pipeline.channels.end(),
                               [&](const observe::ChannelSnapshot& other) { return other.name() == shown.name(); });
      if (same == pipeline.channels.end()) {
        pipeline.channels.push_back(std::move(shown));
      } else {
        same->capacity += shown.capacity;
        same->depth += shown.depth;
        same->held += shown.held;
        same->placeless += shown.placeless;
        same->credits += shown.credits;
        same->bytes += shown.bytes;
        same->oldest_s = std::max(same->oldest_s, shown.oldest_s);
      }
    }
    return pipeline;
  }

  struct Channel {
    flow::Edge* edge;
    std::string from, port, to;
  };

  Plan plan;
  std::map<std::size_t, std::shared_ptr<message::Groups>> groups;  // Of the stages that a `gather` waits for.
  std::map<std::string, std::shared_ptr<policy::Limit>> limits;    // Those that have a name.
  std::map<std::string, std::shared_ptr<policy::Breakers>> breakers;
  runtime::Runtime& runtime;
  runtime::Core& home;
  flow::Budget& budget;
  RunOptions options;
  UnitSetting setting;
  std::map<int, std::unique_ptr<Scripts>> scripts_by_core;
  const std::shared_ptr<int> here = std::make_shared<int>(0);  // For what was posted here and finds it gone.
  std::vector<std::unique_ptr<Unit>> units;
  std::vector<Channel> channels;
  std::atomic<std::uint64_t> unheard = 0;
  std::size_t alive = 0;    ///< Units that have not ended.
  std::size_t errands = 0;  ///< Sent to units and not yet done.
  bool stopped = false, drained = false, over = false;
  Ending ending;
  std::function<void(const Ending&)> ended;
};

Running::Running(Plan plan, runtime::Runtime& runtime, int home, flow::Budget& budget, RunOptions options)
    : inside_(std::make_unique<Inside>(std::move(plan), runtime, home, budget, options)) {
  inside_->make_units();
  inside_->connect();
  inside_->alive = inside_->units.size();
  for (const auto& unit : inside_->units) unit->prepare();
}

Running::~Running() {
  // No token may outlive its source, and no batch its arenas' users: first everybody lets go, then everybody goes.
  for (const auto& unit : inside_->units) unit->retire();
}

void Running::start(std::function<void(const Ending&)> ended) {
  Inside& in = *inside_;
  in.ended = std::move(ended);
  // Readers first, as far as posts keep their order; nothing rests on it: an inbox takes messages before its unit runs.
  for (auto unit = in.units.rbegin(); unit != in.units.rend(); ++unit) {
    Unit* const raw = unit->get();
    raw->core().post([raw, &in] { raw->start([raw, &in](std::exception_ptr fault) { in.unit_ended(*raw, fault); }); });
  }
}

void Running::drain() {
  if (inside_->drained) return;
  inside_->drained = true;
  for (const auto& unit : inside_->units) inside_->send(*unit, &Unit::drain);
}

void Running::expire() {
  for (const auto& unit : inside_->units) inside_->send(*unit, &Unit::expire);
}

void Running::stop() { inside_->stop(); }

const Plan& Running::plan() const { return inside_->plan; }

bool Running::has_ended() const { return inside_->over; }

void Running::snapshot(std::function<void(observe::PipelineSnapshot)> done) {
  Inside& in = *inside_;
  auto collected = std::make_shared<Collected>();
  collected->done = std::move(done);
  collected->by_unit.resize(in.units.size());
  if (in.over) {  // No core works on any unit any more.
    for (std::size_t i = 0; i < in.units.size(); ++i) in.units[i]->snapshot(collected->by_unit[i]);
    return collected->done(in.merged(*collected));
  }
  collected->missing = in.units.size();
  for (std::size_t i = 0; i < in.units.size(); ++i) {
    in.send(
        *in.units[i], [collected, i](Unit& unit) { unit.snapshot(collected->by_unit[i]); },
        [collected, &in] {
          if (--collected->missing == 0) collected->done(in.merged(*collected));
        });
  }
}

std::optional<double> Running::progress() const {
  std::uint64_t read = 0, all = 0;
  for (const auto& unit : inside_->units) {
    if (const auto bytes = unit->progress()) {
      read += bytes->first;
      all += bytes->second;
    }
  }
  if (all == 0) return std::nullopt;
  return static_cast<double>(read) / static_cast<double>(all);
}

}  // namespace weir::graph
