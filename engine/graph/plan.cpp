#include "engine/graph/plan.hpp"

#include <algorithm>

#include "engine/config/advice.hpp"
#include "engine/config/words.hpp"
#include "engine/script/engine.hpp"

namespace weir::graph {
namespace {

using config::Diagnostics;
using config::Node;
using config::Place;

constexpr std::int64_t unacked_most = 10'000;

/// Reads one stage: which of its keys is the kind, and what all of them say.
class StageReader {
 public:
  StageReader(const config::Pipeline& pipeline, const stage::Catalog& catalog, Diagnostics& diagnostics)
      : pipeline_(pipeline), catalog_(catalog), diagnostics_(diagnostics) {}

  PlannedStage read(const config::StageNode& node) {
    PlannedStage planned;
    planned.name = node.name;
    planned.place = node.place;
    const Node::Entry* kind = find_kind(node);
    config::Reader reader(diagnostics_, pipeline_.scope, "stages." + node.name);
    planned.common = stage::common_spec().read(node.body, reader, others_);
    if (!kind) return planned;
    planned.kind = catalog_.find(kind->key);
    const auto errors = diagnostics_.error_count();
    {
      const config::Reader::Step step(reader, kind->key);
      planned.configured = planned.kind->configure(kind->value, reader);
    }
    planned.ports = {std::string(config::main_word), std::string(config::failed_word)};
    planned.ports.insert(planned.ports.end(), planned.configured.ports.begin(), planned.configured.ports.end());
    if (planned.configured.shape == stage::Shape::source) planned.ports.emplace_back(config::any_word);
    // A source has no message yet; the code that makes one has its number and its element.
    const bool makes = planned.configured.shape == stage::Shape::source;
    const auto setting = makes ? script::Setting::generate : script::Setting::message;
    for (const auto& use : reader.code) {
      if (const auto wrong = script::check(use, setting)) {
        diagnostics_.error(wrong->place, wrong->what, wrong->hint, use.path);
      } else if (const auto trap = config::length_trap(use.code)) {
        diagnostics_.warning(use.place, "Lua has no `.length`: this is a field of that name", *trap);
      }
    }
    if (diagnostics_.error_count() == errors) check(node, planned);
    return planned;
  }

 private:
  /// The one key that names a kind. All others are common keys, or mistakes that are told here.
  const Node::Entry* find_kind(const config::StageNode& node) {
    others_.clear();
    const Node::Entry* kind = nullptr;
    bool told = false;
    for (const auto& entry : node.body.entries) {
      if (catalog_.find(entry.key)) {
        others_.push_back(entry.key);
        if (kind) {
          told = true;
          diagnostics_.error(entry.key_place,
                             "stage '" + node.name + "' has two kinds, '" + kind->key + "' and '" + entry.key + "'",
                             "a stage does one thing; make a second stage that reads `from: " + node.name + "`");
        } else {
          kind = &entry;
        }
        continue;
      }
      const auto& common = stage::common_spec().declaration();
      if (common.find(entry.key)) continue;
      others_.push_back(entry.key);
      told = true;
      if (stage::comes_later(entry.key)) {
        diagnostics_.error(entry.key_place, "'" + entry.key + "' comes with a later version of weir");
        continue;
      }
      auto known = common.keys();
      const auto kinds = catalog_.names();
      known.insert(known.end(), kinds.begin(), kinds.end());
      const auto near = config::nearest(entry.key, known);
      diagnostics_.error(entry.key_place, "stage '" + node.name + "' has no key '" + entry.key + "'",
                         near.empty() ? "`weir list` shows the kinds" : "did you mean '" + near + "'?");
    }
    if (!kind && !told) {
      diagnostics_.error(node.place, "stage '" + node.name + "' has no kind",
                         "say what it does, such as `stdout: {}`; `weir list` shows the kinds");
    }
    return kind;
  }

  void check(const config::StageNode& node, const PlannedStage& planned) {
    using stage::Shape;
    const auto shape = planned.configured.shape;
    const auto place = [&](const char* key) {
      const auto* entry = node.body.entry(key);
      return entry ? entry->key_place : node.place;
    };
    const auto refuse = [&](const char* key, std::string what, std::string hint = {}) {
      diagnostics_.error(place(key), std::move(what), std::move(hint), "stages." + node.name + "." + key);
    };
    const auto written = [&](const char* key) { return node.body.find(key) != nullptr; };
    if (shape == Shape::source && written("from")) {
      refuse("from", "'" + planned.kind->name() + "' reads outside here and takes no `from`",
             planned.configured.instead_of_from);
    }
    if (shape != Shape::source && planned.common.from.empty()) {
      diagnostics_.error(node.place, "stage '" + node.name + "' reads nothing", "say `from: STAGE`");
    }
    if (shape == Shape::source) {
      if (written("edge")) refuse("edge", "a source has no edge before it");
      if (written("workers")) refuse("workers", "this source takes no workers");
    }
    if (shape != Shape::call) {
      if (written("merge")) refuse("merge", "only a stage that calls has something to merge");
      if (written("timeout")) refuse("timeout", "only a stage that calls can take too long");
    }
    if (shape == Shape::sink && planned.common.workers > 1) {
      refuse("workers", "'" + planned.kind->name() + "' writes in one place and takes no workers");
    }
    if (shape == Shape::operation && planned.common.workers > 1) {
      if (planned.configured.memory == stage::Memory::whole || planned.configured.collects) {
        refuse("workers", "'" + planned.kind->name() + "' remembers across messages, so only one can run");
      }
    }
    if (planned.configured.collects_most > unacked_most) {
      diagnostics_.error(place(planned.kind->name().c_str()),
                         "it would wait for " + std::to_string(planned.configured.collects_most) +
                             " messages, but a source has at most " + std::to_string(unacked_most) + " unanswered",
                         "collect fewer at once");
    }
  }

  const config::Pipeline& pipeline_;
  const stage::Catalog& catalog_;
  Diagnostics& diagnostics_;
  std::vector<std::string> others_;
};

/// Resolves every `from`.
void wire(Plan& plan, Diagnostics& diagnostics) {
  std::vector<std::string> names;
  for (const auto& planned : plan.stages) names.push_back(planned.name);
  for (auto& planned : plan.stages) {
    const auto* node = plan.pipeline.find(planned.name);
    const Node* from = node->body.find("from");
    for (std::size_t i = 0; i < planned.common.from.size(); ++i) {
      const std::string& text = planned.common.from[i];
      const Place place = from && from->is_list() && i < from->items.size() ? from->items[i].place
                          : from                                            ? from->place
                                                                            : planned.place;
      if (text == config::any_failed) {
        for (std::size_t source = 0; source < plan.stages.size(); ++source) {
          const auto& other = plan.stages[source];
          if (other.kind && other.configured.shape == stage::Shape::source) {
            planned.inputs.emplace_back(source, other.ports.size() - 1);
          }
        }
        continue;
      }
      const auto dot = text.find('.');
      const std::string stage_name = text.substr(0, dot);
      const auto found = plan.find(stage_name);
      if (!found) {
        const auto near = config::nearest(stage_name, names);
        diagnostics.error(place, "there is no stage '" + stage_name + "'",
                          near.empty() ? "" : "did you mean '" + near + "'?");
        continue;
      }
      const auto& other = plan.stages[*found];
      if (!other.kind) continue;  // Already told.
      const std::string port(dot == std::string::npos ? config::main_word : std::string_view(text).substr(dot + 1));
      const auto visible = other.ports.end() - (other.configured.shape == stage::Shape::source ? 1 : 0);
      const auto at = std::find(other.ports.begin(), visible, port);
      if (at == visible) {
        std::vector<std::string> known(other.ports.begin() + 1, visible);
        const auto near = config::nearest(port, known);
        std::string list;
        for (const auto& name : known) list += (list.empty() ? "" : ", ") + name;
        diagnostics.error(place, "stage '" + stage_name + "' has no port '" + port + "'",
                          near.empty() ? "it has " + list : "did you mean '" + near + "'?");
        continue;
      }
      const PortRef ref(*found, static_cast<stage::Port>(at - other.ports.begin()));
      if (ref.port == stage::main_port && !other.configured.main_output) {
        const std::string& own = other.configured.ports.empty() ? std::string() : other.configured.ports.front();
        diagnostics.error(place,
                          "nothing leaves by the main output of '" + stage_name + "': it is a " + other.kind->name(),
                          own.empty() ? "" : "read one of its ports, such as '" + stage_name + "." + own + "'");
        continue;
      }
      if (std::find(planned.inputs.begin(), planned.inputs.end(), ref) != planned.inputs.end()) {
        diagnostics.error(place, "'" + text + "' is read twice here");
        continue;
      }
      planned.inputs.push_back(ref);
    }
  }
}

/// Refuses a cycle, naming the way round.
void refuse_cycles(const Plan& plan, Diagnostics& diagnostics) {
  enum class Seen { no, on_path, done };
  std::vector<Seen> seen(plan.stages.size(), Seen::no);
  std::vector<std::size_t> path;
  // Depth first along the inputs, with a stack of its own: a file may have thousands of stages in a row.
  struct Step {
    std::size_t stage, next;
  };
  for (std::size_t start = 0; start < plan.stages.size(); ++start) {
    if (seen[start] != Seen::no) continue;
    std::vector<Step> steps{{start, 0}};
    seen[start] = Seen::on_path;
    while (!steps.empty()) {
      auto& step = steps.back();
      const auto& inputs = plan.stages[step.stage].inputs;
      if (step.next == inputs.size()) {
        seen[step.stage] = Seen::done;
        steps.pop_back();
        continue;
      }
      const std::size_t before = inputs[step.next++].stage;
      if (seen[before] == Seen::on_path) {
        std::string way = plan.stages[before].name;
        // The path runs against the flow, so its deepest step comes first on the way round.
        std::size_t first = 0;
        while (steps[first].stage != before) ++first;
        for (std::size_t i = steps.size(); i-- > first + 1;) way += " → " + plan.stages[steps[i].stage].name;
        way += " → " + plan.stages[before].name;
        diagnostics.error(plan.stages[before].place, "the stages feed each other in a circle: " + way,
                          "a loop must pass through a queue, which comes with a later version of weir");
        seen[before] = Seen::done;  // Told once.
        continue;
      }
      if (seen[before] == Seen::no) {
        seen[before] = Seen::on_path;
        steps.push_back({before, 0});
      }
    }
  }
}

void warn(const Plan& plan, Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const auto& planned = plan.stages[i];
    const auto& configured = planned.configured;
    if (configured.shape != stage::Shape::source && planned.inputs.empty()) {
      diagnostics.warning(planned.place,
                          "nothing reaches '" + planned.name + "': there is no source here that could fail");
    }
    const bool ends = configured.shape == stage::Shape::sink || configured.shape == stage::Shape::call;
    if (!ends && configured.main_output && plan.readers({i, stage::main_port}).empty()) {
      diagnostics.warning(planned.place, "nobody reads what '" + planned.name + "' puts out; it is dropped",
                          "give it a reader, such as `stdout: {}` with `from: " + planned.name + "`");
    }
    if (!configured.ports_are_to_be_read) continue;
    for (std::size_t own = 0; own < configured.ports.size(); ++own) {
      if (!plan.readers({i, stage::first_own_port + own}).empty()) continue;
      diagnostics.warning(planned.place,
                          "nobody reads '" + planned.name + "." + configured.ports[own] + "'; it is dropped");
    }
  }
}

/// Sorts the stages into units: an operator joins the one it reads where nothing has to wait between them.
void fuse(Plan& plan, Diagnostics& diagnostics) {
  const std::size_t count = plan.stages.size();
  std::vector<std::size_t> unit_of(count, count);
  // In flow order, so that what a stage reads has its unit already.
  std::vector<std::size_t> order;
  std::vector<std::size_t> missing(count);
  std::vector<std::vector<std::size_t>> readers(count);
  for (std::size_t i = 0; i < count; ++i) {
    missing[i] = plan.stages[i].inputs.size();
    for (const auto& input : plan.stages[i].inputs) readers[input.stage].push_back(i);
    if (missing[i] == 0) order.push_back(i);
  }
  for (std::size_t at = 0; at < order.size(); ++at) {
    for (const std::size_t reader : readers[order[at]]) {
      if (--missing[reader] == 0) order.push_back(reader);
    }
  }
  const auto replicated = [&](std::size_t i) {
    return plan.stages[i].configured.shape == stage::Shape::operation && plan.stages[i].common.workers > 1;
  };
  for (const std::size_t i : order) {
    auto& planned = plan.stages[i];
    const auto& common = planned.common;
    const bool may_fuse = planned.configured.shape == stage::Shape::operation && !planned.configured.collects &&
                          planned.inputs.size() == 1 && !common.edge && common.workers == 1 &&
                          plan.readers(planned.inputs.front()).size() == 1 && !replicated(planned.inputs.front().stage);
    if (may_fuse) {
      planned.fused = true;
      unit_of[i] = unit_of[planned.inputs.front().stage];
      plan.units[unit_of[i]].stages.push_back(i);
      continue;
    }
    unit_of[i] = plan.units.size();
    PlannedUnit unit;
    unit.stages.push_back(i);
    if (replicated(i)) {
      // Workers keep the order because one sender deals to them and their reader takes from them in the same turn. Two
      // that deal, each in its own turn, come to wait for each other round the workers: the storm found it.
      const std::size_t from = planned.inputs.front().stage;
      const bool one_deals =
          planned.inputs.size() == 1 && (!replicated(from) || plan.stages[from].common.order == stage::Order::kept);
      if (one_deals || common.order == stage::Order::free) {
        unit.replicas = static_cast<int>(common.workers);
      } else {
        diagnostics.warning(planned.place,
                            "'" + planned.name + "' reads " +
                                (planned.inputs.size() > 1 ? "several stages" : "workers of `order: free`") +
                                " in order, so one of its workers does all the work",
                            planned.inputs.size() > 1
                                ? "write `order: free`, or a `pass: {}` that reads them all, before it"
                                : "write `order: free` here as well");
      }
    }
    plan.units.push_back(std::move(unit));
  }
}

}  // namespace

std::vector<std::size_t> Plan::readers(PortRef from) const {
  std::vector<std::size_t> readers;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (std::find(stages[i].inputs.begin(), stages[i].inputs.end(), from) != stages[i].inputs.end()) {
      readers.push_back(i);
    }
  }
  return readers;
}

std::optional<std::size_t> Plan::find(std::string_view stage) const {
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (stages[i].name == stage) return i;
  }
  return std::nullopt;
}

std::optional<Plan> compile(config::Pipeline pipeline, const stage::Catalog& catalog, Diagnostics& diagnostics) {
  Plan plan;
  plan.pipeline = std::move(pipeline);
  StageReader reader(plan.pipeline, catalog, diagnostics);
  for (const auto& node : plan.pipeline.stages) plan.stages.push_back(reader.read(node));
  wire(plan, diagnostics);
  refuse_cycles(plan, diagnostics);
  if (diagnostics.has_errors()) return std::nullopt;
  warn(plan, diagnostics);
  fuse(plan, diagnostics);
  return plan;
}

}  // namespace weir::graph
