// The plan as text, as a drawing and as data.
#include <string>

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

std::string workers_of(const PlannedUnit& unit, const PlannedStage& planned) {
  if (planned.common.workers == 1) return {};
  if (planned.configured.shape == stage::Shape::operation && unit.replicas == 1) {
    return "1 of " + std::to_string(planned.common.workers);
  }
  return std::to_string(planned.common.workers) + (planned.common.order == stage::Order::free ? ", order free" : "");
}

}  // namespace

std::string as_text(const Plan& plan) {
  std::string text = plan.pipeline.name + "\n";
  for (const auto& unit : plan.units) {
    for (const std::size_t index : unit.stages) {
      const auto& planned = plan.stages[index];
      text += planned.fused ? "    + " : "  ";
      text += planned.name + " (" + planned.kind->name() + ")";
      if (!planned.inputs.empty()) {
        text += " from ";
        for (std::size_t i = 0; i < planned.inputs.size(); ++i) {
          text += (i ? ", " : "") + shown_input(plan, planned.inputs[i]);
        }
      }
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
    const bool framed = unit.stages.size() > 1;
    if (framed) dot += "  subgraph cluster_" + std::to_string(number++) + " {\n    style=rounded; label=fused;\n";
    for (const std::size_t index : unit.stages) {
      const auto& planned = plan.stages[index];
      std::string label = planned.name + "\\n" + planned.kind->name();
      if (const auto workers = workers_of(unit, planned); !workers.empty()) label += "\\nworkers " + workers;
      dot += (framed ? "    " : "  ") + config::json_text(planned.name) + " [label=\"" + label + "\"];\n";
    }
    if (framed) dot += "  }\n";
  }
  for (const auto& planned : plan.stages) {
    for (const auto& input : planned.inputs) {
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
  for (const auto& planned : plan.stages) {
    json += first ? "" : ",";
    first = false;
    json += "{\"name\":" + json_text(planned.name) + ",\"kind\":" + json_text(planned.kind->name());
    json += std::string(",\"fused\":") + (planned.fused ? "true" : "false");
    json += ",\"workers\":" + std::to_string(planned.common.workers);
    if (!planned.common.description.empty()) json += ",\"description\":" + json_text(planned.common.description);
    json += ",\"ports\":[";
    for (std::size_t port = 0; port < planned.ports.size(); ++port) {
      json += (port ? "," : "") + json_text(planned.ports[port]);
    }
    json += "]}";
  }
  json += "],\"edges\":[";
  first = true;
  for (const auto& planned : plan.stages) {
    for (const auto& input : planned.inputs) {
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
      json += (i ? "," : "") + json_text(plan.stages[unit.stages[i]].name);
    }
    json += "]";
  }
  return json + "]}";
}

}  // namespace weir::graph
