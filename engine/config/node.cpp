#include "engine/config/node.hpp"

#include <utility>

namespace weir::config {

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
