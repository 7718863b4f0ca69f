// The graph compiler: from the stages of a file to a plan of what runs where.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/config/loader.hpp"
#include "engine/config/words.hpp"
#include "engine/stage/common.hpp"
#include "engine/stage/kind.hpp"

namespace weir::graph {

/// One end of an edge: a port of a stage.
struct PortRef {
  PortRef(std::size_t of, stage::Port number) : stage(of), port(number) {}
  std::size_t stage;
  stage::Port port;
  bool operator==(const PortRef&) const = default;
};

/// A stage with all that the file says of it. Ports: main, failed, the kind's own, and last, of one that makes
/// messages, such as a source, and of one that hands failures over itself, `any`. A `do` is planned as its steps, one
/// behind the other: they share name and common keys, each reads the one before, and to everybody else they are one
/// stage. So is an operator with a limit or a deadline: the gate that sees to these is a step before its own.
struct PlannedStage {
  std::string name;
  std::size_t step = 0;   ///< Which of them, from 0.
  std::size_t steps = 0;  ///< So many in all; 0: it is the whole stage.
  bool in_do = false;     ///< The user wrote a `do`.
  bool gate = false;      ///< The first step, which calls nobody and lets the others begin.
  bool gated = false;     ///< It stands behind one.
  const stage::Kind* kind = nullptr;
  stage::Configured configured;
  stage::Common common;
  config::Place place;
  std::vector<std::string> ports;
  std::vector<PortRef> inputs;         ///< In the order of `from`; `any.failed` stands for each `any` port.
  std::vector<std::string> read_as;    ///< Of each input what `from` calls it.
  bool doubtful = false;               ///< Of its options something was refused, or is a guess: so its ports may be.
  bool reads_unknown = false;          ///< It reads something that was refused: what comes to it is not known.
  std::optional<std::size_t> gathers;  ///< The stage whose lists it waits for (`gather`).
  bool fused = false;                  ///< It runs inside the stage before it: no edge, no capacity.

  bool first_step() const noexcept { return step == 0; }
  bool last_step() const noexcept { return step + 1 >= steps; }
  /// The first of those that the user wrote; and whether there are several.
  bool first_written() const noexcept { return step == (gated ? 1U : 0U) && !gate; }
  bool of_several() const noexcept { return !gate && steps > (gated ? 2U : 1U); }
  /// Whether this is the one that `any.failed` reads; it goes by that name alone.
  bool is_any(stage::Port port) const { return port + 1 == ports.size() && ports[port] == config::any_word; }
  /// Ports that can be named.
  std::size_t visible_ports() const { return ports.size() - (ports.empty() || !is_any(ports.size() - 1) ? 0 : 1); }
  /// It makes messages that nobody else knows of: it hears how they end, and its last port is `any`.
  bool opens_tokens() const noexcept {
    return configured.shape == stage::Shape::source || configured.shape == stage::Shape::duplex;
  }
  /// Whether it and all that it reads are known: where not, that was told, and what would follow from it is not.
  bool known() const noexcept { return kind != nullptr && !reads_unknown; }
  /// As the user wrote it: of a step "do".
  std::string kind_name() const { return in_do ? "do" : kind->name(); }
};

/// What runs together as one coroutine: a driver or the head of a chain, and the operators fused behind it.
struct PlannedUnit {
  std::vector<std::size_t> stages;  ///< The head first; each other one after the stage it reads.
  int replicas = 1;                 ///< Of an operator with `workers`, one a core in turn.
};

/// Messages that a source may have unanswered.
inline constexpr std::int64_t unacked_most = 10'000;

/// A pipeline file that may run.
struct Plan {
  config::Pipeline pipeline;
  std::vector<PlannedStage> stages;  ///< In the order of the file.
  std::vector<PlannedUnit> units;    ///< Every stage in exactly one. Sources first, then along the flow.

  /// Whether it holds of the stage or of any that its messages may have come by.
  bool any_up_to(std::size_t stage, const std::function<bool(const PlannedStage&)>& holds) const;
  /// Who reads a port.
  std::vector<std::size_t> readers(PortRef from) const;
  /// Of the steps whose first it is; of any other stage itself.
  std::size_t last_step(std::size_t first) const noexcept {
    return stages[first].steps > 0 ? first + stages[first].steps - 1 : first;
  }
  std::size_t count() const;  ///< Of the stages as the user sees them: a `do` is one.
  std::optional<std::size_t> find(std::string_view stage) const;  ///< Of a `do` its first step; the others follow.
};

/// What a stage outside of all instances would read by this `from`: of a `do` or an instance perhaps several ports.
/// Empty, and an error told, where there is nothing of the name.
std::vector<PortRef> outputs(const Plan& plan, const std::string& from, const config::Place& place,
                             config::Diagnostics& diagnostics);

/// Reads every stage, checks the wiring and all code, and decides what is fused. Nothing only where there are errors;
/// all of them have gone to `diagnostics` then. Warnings: outputs that nobody reads.
std::optional<Plan> compile(config::Pipeline pipeline, const stage::Catalog& catalog, config::Diagnostics& diagnostics);

/// The plan for `weir graph`.
std::string as_text(const Plan& plan);
std::string as_dot(const Plan& plan);
std::string as_json(const Plan& plan);

}  // namespace weir::graph
