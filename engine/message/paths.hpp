// Several payload paths as one tree, so that what they share on their way is looked up once.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/document.hpp"

namespace weir::message {

/// A name on the way, and what is asked for in what it leads to. The root has no name.
struct PathTree {
  std::string name;
  bool whole = false;  ///< All of it is asked for, whatever else is said of what lies in it.
  std::vector<PathTree> parts;

  /// `a.b` below this one.
  void add(std::string_view path);
  /// Takes all else out of the container. False, and nothing done, where none of it is there.
  bool keep(Document& document, Node container) const;
  /// Appends as JSON what there is of it at this node. False, and nothing appended, where that is nothing.
  bool write(Document& document, Node node, std::string& out) const;
};

}  // namespace weir::message
