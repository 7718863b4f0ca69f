// Kinds of the user's own: `kinds: {NAME: {options, stages}}`, and the stages that an instance of one becomes.
#pragma once
#include <string>
#include <vector>

#include "engine/config/diagnostics.hpp"
#include "engine/config/loader.hpp"
#include "engine/config/node.hpp"
#include "engine/config/scope.hpp"

namespace weir::config {

/// What an option of such a kind may be.
std::vector<std::string> option_types();

/// Reads what stands under `kinds:`; every mistake in it is told once, whether or not anybody uses the kind. Outlives
/// its use only as long as the tree does.
class OwnKinds {
 public:
  /// `kinds`: null where the file has none.
  OwnKinds(const Node* kinds, Diagnostics& diagnostics);

  bool empty() const { return kinds_.empty(); }
  /// Adds the stage as it is, or what it stands for: an instance, and the stages inside it, whose names begin with
  /// that of the instance and a slash. `inside`: the instance that it is itself inside of; empty if none.
  void add(const std::string& name, const Place& place, const Node& body, const Scope& scope, const std::string& inside,
           Pipeline& pipeline);
  /// For each kind that the pipeline has no instance of, a pipeline with that alone, which reads what nobody knows, and
  /// with guesses for the options that must be given: so what can be wrong with it whatever it is given is found.
  std::vector<Pipeline> unused(const Pipeline& pipeline);

 private:
  struct Option {
    std::string name, type;
    const Node* fallback = nullptr;  // Null: it must be given.
  };
  struct Kind {
    std::string name;
    Place place;
    std::vector<Option> options;
    const Node* stages = nullptr;
  };
  void read(const Node::Entry& entry);
  void check_stages(const Kind& kind);
  void read_option(const Node::Entry& entry, Kind& kind);
  const Kind* find(std::string_view name) const;
  /// The map of all options of an instance, those with a default filled up.
  Node given(const Kind& kind, const Node::Entry& use, const Scope& scope, const std::string& path);
  void add_inside(const Kind& kind, const std::string& name, const Node& options, const Scope& within,
                  Pipeline& pipeline);

  std::vector<Kind> kinds_;
  static constexpr std::size_t stages_most = 5000;  // Of a file, with the instances that hold them.
  bool told_too_many_ = false;
  std::vector<std::string> open_;  // Kinds that are being put in, from the outside in.
  Diagnostics& diagnostics_;
};

}  // namespace weir::config
