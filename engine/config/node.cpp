#include "engine/config/node.hpp"

#include <string>
#include <utility>

namespace weir::config {
namespace {

/// Looks through a tree for the last key or value that begins at a place or before it.
class PathAt {
 public:
  explicit PathAt(const Place& place) : place_(place) {}

  std::string best;

  void look_at(const Node& node, const std::string& path) {
    offer(node.place, path);
    for (std::size_t i = 0; i < node.items.size(); ++i) look_at(node.items[i], under(path, std::to_string(i)));
    for (const auto& entry : node.entries) {
      const auto below = under(path, entry.key);
      offer(entry.key_place, below);
      look_at(entry.value, below);
    }
  }

 private:
  static std::string under(const std::string& path, const std::string& name) {
    return path.empty() ? name : path + "." + name;
  }

  void offer(const Place& at, const std::string& path) {
    // A part that an alias repeats stands at one place more than once.
    const bool same_text = at.source == place_.source && at.used_source == place_.used_source &&
                           at.used_line == place_.used_line && at.used_column == place_.used_column;
    const auto begins = std::pair(at.line, at.column);
    if (!same_text || begins > std::pair(place_.line, place_.column) || begins < begins_) return;
    begins_ = begins;
    best = path;
  }

  const Place& place_;
  std::pair<int, int> begins_{0, 0};
};

}  // namespace

void name_paths(const Node& root, Diagnostics& diagnostics) {
  diagnostics.name_paths([&root](const Place& place) {
    PathAt path(place);
    path.look_at(root, {});
    return path.best;
  });
}

const Node::Entry* Node::entry(std::string_view key) const {
  for (const auto& candidate : entries)
    if (candidate.key == key) return &candidate;
  return nullptr;
}

const Node* Node::find(std::string_view key) const {
  const Entry* found = entry(key);
  return found ? &found->value : nullptr;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

std::string Node::found() const {
  switch (kind) {
    case Kind::null:
      return "nothing";
    case Kind::list:
      return "a list";
    case Kind::map:
      return "a map";
    case Kind::scalar:
      break;
  }
  std::string shown = text.substr(0, text.find('\n'));
  if (shown.size() > 60) {
    shown.resize(60);
    while (!shown.empty() && (static_cast<unsigned char>(shown.back()) & 0xC0) == 0x80) shown.pop_back();
    if (!shown.empty() && (static_cast<unsigned char>(shown.back()) & 0x80)) shown.pop_back();
  }
  if (shown.size() < text.size()) shown += "…";
  return "\"" + shown + "\"";
}

}  // namespace weir::config
