// Reads the stages of a file: which key is the kind, what the others say, and which of them do not go together.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "engine/graph/plan.hpp"
#include "engine/script/names.hpp"

namespace weir::graph {

/// What stands under `limits:` and `breakers:`.
struct NamedPolicies {
  std::map<std::string, stage::LimitConfig> limits;
  std::map<std::string, stage::BreakerConfig> breakers;
};

/// Reads one stage after the other. All mistakes go to the diagnostics; what comes back with one is not to be run.
class StageReader {
 public:
  /// `pipeline`: of which it reads what its stages may name.
  StageReader(const stage::Catalog& catalog, const config::Pipeline& pipeline, config::Diagnostics& diagnostics);

  /// Adds the stage to the end: one, or each step of a `do`.
  void read(const config::StageNode& node, std::vector<PlannedStage>& stages);

 private:
  using Entry = config::Node::Entry;
  PlannedStage read_common(const config::StageNode& node);
  void look_who_feeds(const config::StageNode& node, const PlannedStage& planned, config::Reader& reader);
  void check_code(config::Reader& reader, script::Setting setting);
  static config::Node without_common(const PlannedStage& planned, const Entry& kind, config::Reader& reader);
  bool configure(PlannedStage& planned, const Entry& kind, config::Reader& reader);
  void read_steps(const config::StageNode& node, const Entry& list, const PlannedStage& common,
                  std::vector<PlannedStage>& stages);
  static void put_gate(std::vector<PlannedStage>& stages, std::size_t first);
  const Entry* find_step(const config::StageNode& node, const config::Node& step);
  const Entry* find_kind(const config::StageNode& node);
  static const config::Template* remembered_by(const PlannedStage& planned);
  void check(const config::StageNode& node, const PlannedStage& planned);
  void check_edge(const PlannedStage& planned);
  void check_policies(const config::StageNode& node, const PlannedStage& planned);
  template <class Policy>
  void read_named(const config::Node& written, const config::Spec<Policy>& spec, const char* under,
                  const config::Scope& scope, std::map<std::string, Policy>& into);
  void resolve(stage::LimitConfig& limit, const std::string& path);
  void resolve(stage::BreakerConfig& breaker, const std::string& path);
  /// Of what stands alone: the one of that name, marked as shared. False, and an error told, where there can be none.
  template <class Policy>
  bool take_named(Policy& policy, const std::map<std::string, Policy>& named, const char* under, std::string hint,
                  const std::string& path);

  const stage::Catalog& catalog_;
  config::Diagnostics& diagnostics_;
  const std::vector<config::Instance>& instances_;
  const std::vector<std::string> vars_;  // Their names.
  const bool open_;                      // Who includes the file may have more vars, policies and kinds.
  NamedPolicies named_;
  std::vector<std::string> others_;  // Keys of the stage at hand that are no common ones.
};

}  // namespace weir::graph
