// The plan as text, as a drawing and as data.
#include <algorithm>
#include <string>
#include <vector>

#include "engine/config/diagnostics.hpp"
#include "engine/config/words.hpp"
#include "engine/graph/plan.hpp"

namespace weir::graph {
namespace {

std::string shown_input(const Plan& plan, PortRef input) {
  const auto& from = plan.stages[input.stage];
  const auto& port = from.ports[input.port];
  if (input.port == stage::main_port) return from.name;
  return port == config::any_word ? std::string(config::any_failed) + " of " + from.name : from.name + "." + port;
}

std::string label_of(const std::string& port) {
  return port == config::any_word ? std::string(config::any_failed) : port;
}

/// What a stage reads, each once: several steps of a `do` may have the same port.
std::vector<PortRef> distinct(const Plan& plan, const PlannedStage& planned) {
  std::vector<PortRef> all;
  for (const auto& input : planned.inputs) {
    const auto same = [&](const PortRef& other) { return shown_input(plan, other) == shown_input(plan, input); };
    if (std::none_of(all.begin(), all.end(), same)) all.push_back(input);
  }
  return all;
}

/// "where", or of a `do` its steps: "do: where, set".
std::string shown_kind(const Plan& plan, std::size_t first) {
  const auto& planned = plan.stages[first];
  if (!planned.in_do) return planned.kind->name();
  std::vector<std::string> kinds;
  for (std::size_t i = first; i <= plan.last_step(first); ++i) {
    if (!plan.stages[i].gate) kinds.push_back(plan.stages[i].kind->name());
  }
  return "do: " + config::listed(kinds);
}

/// Its ports, and those of the steps behind it.
std::vector<std::string> ports_of(const Plan& plan, std::size_t first) {
  std::vector<std::string> all;
  for (std::size_t i = first; i <= plan.last_step(first); ++i) {
    for (const auto& port : plan.stages[i].ports) {
      if (std::find(all.begin(), all.end(), port) == all.end()) all.push_back(port);
    }
  }
  return all;
}

std::string shown_workers(const PlannedStage& planned) {
  return planned.common.workers == stage::adaptive_workers ? "adaptive" : std::to_string(planned.common.workers);
}

/// So many as there are: workers that keep the order may have to be one (`fuse`).
std::int64_t workers_at_work(const Plan& plan, std::size_t stage) {
  const auto& planned = plan.stages[stage];
  if (planned.configured.shape != stage::Shape::operation || planned.common.workers == 1) return planned.common.workers;
  const auto has = [stage](const PlannedUnit& unit) { return unit.stages.front() == stage; };
  return std::find_if(plan.units.begin(), plan.units.end(), has)->replicas;
}

std::string workers_of(const PlannedUnit& unit, const PlannedStage& planned) {
  if (planned.common.workers == 1) return {};
  if (planned.configured.shape == stage::Shape::operation && unit.replicas == 1) {
    return "1 of " + std::to_string(planned.common.workers);
  }
  const auto& order = planned.common.order;
  return shown_workers(planned) + (order == stage::Order::free     ? ", order free"
                                   : order == stage::Order::by_key ? ", order by key"
                                                                   : "");
}

}  // namespace

std::string as_text(const Plan& plan) {
  std::string text = plan.pipeline.name + "\n";
  for (const auto& unit : plan.units) {
    for (const std::size_t index : unit.stages) {
      const auto& planned = plan.stages[index];
      if (!planned.first_step()) continue;
      text += planned.fused ? "    + " : "  ";
      text += planned.name + " (" + shown_kind(plan, index) + ")";
      std::string inputs;
      for (const auto& input : distinct(plan, planned)) {
        inputs += (inputs.empty() ? " from " : ", ") + shown_input(plan, input);
      }
      text += inputs;
      if (planned.fused) text += ", fused";
      if (const auto workers = workers_of(unit, planned); !workers.empty()) text += ", workers " + workers;
      if (planned.common.edge && planned.common.edge->capacity) {
        text += ", edge of " + std::to_string(*planned.common.edge->capacity);
      }
      text += "\n";
    }
  }
  return text;
}

std::string as_dot(const Plan& plan) {
  std::string dot = "digraph " + config::json_text(plan.pipeline.name) + " {\n  rankdir=LR;\n  node [shape=box];\n";
  std::size_t number = 0;
  for (const auto& unit : plan.units) {
    // What is fused stands in one frame.
    const bool framed = std::count_if(unit.stages.begin(), unit.stages.end(),
                                      [&](std::size_t index) { return plan.stages[index].first_step(); }) > 1;
    if (framed) dot += "  subgraph cluster_" + std::to_string(number++) + " {\n    style=rounded; label=fused;\n";
    for (const std::size_t index : unit.stages) {
      const auto& planned = plan.stages[index];
      if (!planned.first_step()) continue;
      std::string label = planned.name + "\\n" + shown_kind(plan, index);
      if (const auto workers = workers_of(unit, planned); !workers.empty()) label += "\\nworkers " + workers;
      dot += (framed ? "    " : "  ") + config::json_text(planned.name) + " [label=\"" + label + "\"];\n";
    }
    if (framed) dot += "  }\n";
  }
  for (const auto& planned : plan.stages) {
    if (!planned.first_step()) continue;
    for (const auto& input : distinct(plan, planned)) {
      const auto& from = plan.stages[input.stage];
      dot += "  " + config::json_text(from.name) + " -> " + config::json_text(planned.name);
      std::string options;
      if (input.port != stage::main_port) {
        options = "label=" + config::json_text(label_of(from.ports[input.port]));
      }
      if (planned.fused) options += (options.empty() ? "" : ", ") + std::string("style=dotted");
      if (!options.empty()) dot += " [" + options + "]";
      dot += ";\n";
    }
  }
  return dot + "}\n";
}

std::string as_json(const Plan& plan) {
  using config::json_text;
  std::string json = "{\"pipeline\":" + json_text(plan.pipeline.name) + ",\"stages\":[";
  bool first = true;
  for (std::size_t stage = 0; stage < plan.stages.size(); ++stage) {
    const auto& planned = plan.stages[stage];
    if (!planned.first_step()) continue;
    json += first ? "" : ",";
    first = false;
    json += "{\"name\":" + json_text(planned.name) + ",\"kind\":" + json_text(planned.kind_name());
    if (planned.in_do) {
      const std::size_t from = planned.gate ? 1 : 0;
      json += ",\"do\":[";
      for (std::size_t i = from; i < planned.steps; ++i) {
        json += (i > from ? "," : "") + json_text(plan.stages[stage + i].kind->name());
      }
      json += "]";
    }
    json += std::string(",\"fused\":") + (planned.fused ? "true" : "false");
    const bool adaptive = planned.common.workers == stage::adaptive_workers;
    json += ",\"workers\":" + (adaptive ? "\"adaptive\"" : std::to_string(workers_at_work(plan, stage)));
    if (!planned.common.description.empty()) json += ",\"description\":" + json_text(planned.common.description);
    json += ",\"ports\":[";
    const auto ports = ports_of(plan, stage);
    for (std::size_t port = 0; port < ports.size(); ++port) json += (port ? "," : "") + json_text(ports[port]);
    json += "]}";
  }
  json += "],\"edges\":[";
  first = true;
  for (const auto& planned : plan.stages) {
    if (!planned.first_step()) continue;
    for (const auto& input : distinct(plan, planned)) {
      const auto& from = plan.stages[input.stage];
      json += first ? "" : ",";
      first = false;
      json += "{\"from\":" + json_text(from.name) + ",\"port\":" + json_text(from.ports[input.port]) +
              ",\"to\":" + json_text(planned.name) + ",\"fused\":" + (planned.fused ? "true" : "false") + "}";
    }
  }
  json += "],\"units\":[";
  first = true;
  for (const auto& unit : plan.units) {
    json += first ? "[" : ",[";
    first = false;
    for (std::size_t i = 0; i < unit.stages.size(); ++i) {
      if (!plan.stages[unit.stages[i]].first_step()) continue;
      json += (i ? "," : "") + json_text(plan.stages[unit.stages[i]].name);
    }
    json += "]";
  }
  return json + "]}";
}

}  // namespace weir::graph
