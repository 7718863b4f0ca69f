// The tree that a file becomes: every node knows its place.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/diagnostics.hpp"

namespace weir::config {

/// One value of a file. A value type: a copy stands for itself. Aliases are already followed.
struct Node {
  enum class Kind { null, scalar, list, map };
  struct Entry;

  Kind kind = Kind::null;
  std::string text;    ///< A scalar's text, after YAML's own escapes; of a null, as written.
  bool plain = false;  ///< Written without quotes: only then may it be a number, true, false or null.
  bool loose = false;  ///< From the environment: text that takes whatever type is wanted.
  bool unset = false;  ///< In a test: a name stands in it, in the place of what the environment or a secret would say.
  bool told = false;   ///< A mistake was told about it already: one that follows from it need not be.
  Place place;
  std::vector<Node> items;     ///< Of a list.
  std::vector<Entry> entries;  ///< Of a map, in the order written; no key twice.

  bool is_null() const { return kind == Kind::null; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_list() const { return kind == Kind::list; }
  bool is_map() const { return kind == Kind::map; }

  /// The value under a key, or nothing; nothing too where this is no map.
  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
  const Entry* entry(std::string_view key) const;

  /// How a message names what was found: `"many"`, `5`, `a list`, `a map`, `nothing`.
  std::string found() const;
};

struct Node::Entry {
  std::string key;
  bool key_plain = false;
  Place key_place;
  Node value;
};

/// Gives each diagnostic without a path the dotted one of where it stands, such as "tests.0.expect.1.from": of the
/// innermost key or value that begins there, else of the last one before. It keeps none where that is no text of the
/// tree.
void name_paths(const Node& root, Diagnostics& diagnostics);

}  // namespace weir::config
