// Reads a pipeline file's top level. What the stages mean is for the rooms to the right.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/config/declaration.hpp"
#include "engine/config/node.hpp"
#include "engine/config/scope.hpp"
#include "engine/config/values.hpp"

namespace weir::config {

/// A stage as written: one kind and common keys, not yet told apart.
struct StageNode {
  std::string name;    ///< Inside an instance of a kind of one's own: INSTANCE/NAME.
  Place place;         ///< Of the name.
  Node body;           ///< Always a map.
  Scope scope;         ///< What its `${}` stand for.
  std::string inside;  ///< The instance that it is part of; empty: none.
};

/// A stage that stands for several: what it reads they read, and what they put out it puts out.
struct Instance {
  std::string name;
  Place place;
  std::string kind;
  std::string inside;          ///< The instance that it is part of; empty: none.
  Node from;                   ///< As written; null: it reads nothing.
  bool reads_unknown = false;  ///< It stands for all that there may be, and reads whatever those will.
};

/// `run:`
struct RunSettings {
  std::string data = "./weir-data";
  Size memory{256u << 20};
  std::optional<std::int64_t> threads;  ///< Not written: command/run.cpp says how many.
  bool pin = false;
  Duration drain = std::chrono::seconds(30);
};

/// `admin:`
struct AdminSettings {
  std::optional<std::string> listen;  ///< "ADDRESS:PORT" or "off".
  std::string token;                  ///< May come from a secret; never shown.
  Place place;
};

struct Pipeline {
  std::string name;  ///< The file's name without folder and `.yaml`.
  /// 16 hexadecimal digits, the same where the same is run: of the whole tree without `tests`, as written. What `${}`
  /// stands for is not in it, so that nobody finds a secret by trying.
  std::string hash;
  std::shared_ptr<const Source> source;
  Scope scope;                    ///< Knows environment, vars and secrets.
  Map<Value> vars;                ///< For Lua.
  std::vector<StageNode> stages;  ///< In the order written; empty only of a library.
  std::vector<Instance> instances;
  std::vector<std::string> refused;  ///< Names of stages that could not be read at all, which was told.
  std::vector<std::pair<std::string, Place>> own_kinds;
  RunSettings run;
  AdminSettings admin;
  Node tests;             ///< As written; null if there are none.
  Node limits, breakers;  ///< Maps as written, or null.
  /// It has no stages but kinds, limits or breakers, which other files include: it can be checked, not run.
  bool library = false;

  const StageNode* find(std::string_view stage) const;
};

/// Sets a value in the tree as if the file said so: "stages.work.workers=1". The text after '=' is read as YAML, so `1`
/// is a number. A name that the path passes through must exist, the last one need not. False, and an error told, if it
/// cannot be.
bool apply_override(Node& root, const std::string& assignment, Diagnostics& diagnostics);
/// The same with a value that is read already. `place`: where the path is written, for mistakes in it.
bool apply_override(Node& root, const std::string& path, Node value, Place place, Diagnostics& diagnostics);

/// The tree of a source, with what it includes, and with these set in it. Tests of included files are not part of it:
/// they are added to `included_tests`, a list for each file.
std::optional<Node> read(const std::shared_ptr<const Source>& source, const std::vector<std::string>& overrides,
                         Diagnostics& diagnostics, std::vector<Node>* included_tests = nullptr);

/// Nothing only if no pipeline could be made at all; has_errors() decides whether one may run.
std::optional<Pipeline> load_file(const std::string& path, const std::vector<std::string>& overrides,
                                  const Scope::Environment& environment, Diagnostics& diagnostics);
std::optional<Pipeline> load(std::shared_ptr<const Source> source, const std::vector<std::string>& overrides,
                             const Scope::Environment& environment, Diagnostics& diagnostics);
/// For `weir test`, which changes the tree for each test: reads one that is parsed already. Unset names read as
/// themselves if `testing`.
std::optional<Pipeline> load(std::shared_ptr<const Source> source, const Node& root,
                             const Scope::Environment& environment, bool testing, Diagnostics& diagnostics);

/// What can be compiled to find what is wrong with kinds of the tree that the pipeline does not use, each alone; of a
/// library also what else stands in it. It was loaded from the tree, and that outlives what is made here.
std::vector<Pipeline> unused_parts(const Pipeline& pipeline, const Node& root, Diagnostics& diagnostics);

/// "a/b/orders.yaml" → "orders".
std::string pipeline_name(const std::string& path);

/// What may stand under `run:`, `admin:` and a name of `secrets:`, for the schema.
const Declaration& run_declaration();
const Declaration& admin_declaration();
const Declaration& secret_declaration();

/// Whether a key of a file is one that only a later version knows.
bool key_comes_later(std::string_view key);

/// `[a-z][a-z0-9_]*`
bool is_name(std::string_view text);
/// Tells, with a better one where there is one, that this is no name `of` something, such as "a stage".
void check_name(const std::string& name, const Place& place, std::string_view of, const std::string& path,
                Diagnostics& diagnostics);

}  // namespace weir::config
