// Reads the stages of a file: which key is the kind, what the others say, and which of them do not go together.
#pragma once
#include <string>
#include <vector>

#include "engine/graph/plan.hpp"
#include "engine/script/names.hpp"

namespace weir::graph {

/// Reads one stage after the other. All mistakes go to the diagnostics; what comes back with one is not to be run.
class StageReader {
 public:
  StageReader(const stage::Catalog& catalog, config::Diagnostics& diagnostics)
      : catalog_(catalog), diagnostics_(diagnostics) {}

  /// Adds the stage to the end: one, or each step of a `do`.
  void read(const config::StageNode& node, std::vector<PlannedStage>& stages);

 private:
  using Entry = config::Node::Entry;
  PlannedStage read_common(const config::StageNode& node);
  void check_code(config::Reader& reader, script::Setting setting);
  void configure(PlannedStage& planned, const Entry& kind, config::Reader& reader);
  void read_steps(const config::StageNode& node, const Entry& list, const PlannedStage& common,
                  std::vector<PlannedStage>& stages);
  const Entry* find_step(const config::StageNode& node, const config::Node& step);
  const Entry* find_kind(const config::StageNode& node);
  void check(const config::StageNode& node, const PlannedStage& planned);
  void check_edge(const PlannedStage& planned);

  const stage::Catalog& catalog_;
  config::Diagnostics& diagnostics_;
  std::vector<std::string> others_;  // Keys of the stage at hand that are no common ones.
};

}  // namespace weir::graph
