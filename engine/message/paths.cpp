#include "engine/message/paths.hpp"

#include <algorithm>
#include <span>

#include "engine/message/json.hpp"

namespace weir::message {

void PathTree::add(std::string_view path) {
  const std::size_t dot = path.find('.');
  const std::string_view first = path.substr(0, dot);
  auto found = std::find_if(parts.begin(), parts.end(), [&](const PathTree& part) { return part.name == first; });
  if (found == parts.end()) {
    parts.emplace_back().name = first;
    found = parts.end() - 1;
  }
  if (dot == std::string_view::npos) {
    found->whole = true;
  } else {
    found->add(path.substr(dot + 1));
  }
}

bool PathTree::keep(Document& document, Node container) const {
  thread_local std::vector<Node> kept;  // Those of this container lie behind those of what it is in.
  const std::size_t base = kept.size();
  for (const auto& part : parts) {
    const Node node = document.step(container, part.name);
    if (node && (part.whole || part.keep(document, node))) kept.push_back(node);
  }
  const bool any = kept.size() > base;
  if (any) document.keep_only(container, std::span(kept).subspan(base));
  kept.resize(base);
  return any;
}

bool PathTree::write(Document& document, Node node, std::string& out) const {
  if (whole) {
    out += document.raw(node);
    return true;
  }
  const bool object = document.kind(node) == Kind::object;
  const std::size_t before = out.size();
  out += object ? '{' : '[';
  bool any = false;
  for (const auto& part : parts) {
    const Node inside = document.step(node, part.name);
    if (!inside) continue;
    const std::size_t start = out.size();
    if (any) out += ',';
    if (object) append_key(out, part.name);
    if (part.write(document, inside, out)) {
      any = true;
    } else {
      out.resize(start);
    }
  }
  if (!any) {
    out.resize(before);
    return false;
  }
  out += object ? '}' : ']';
  return true;
}

}  // namespace weir::message
