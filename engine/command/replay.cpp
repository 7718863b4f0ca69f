#include "engine/command/replay.hpp"

#include <algorithm>
#include <optional>
#include <ostream>
#include <set>
#include <utility>
#include <vector>

#include "engine/command/exit_code.hpp"
#include "engine/command/pipelines.hpp"
#include "engine/command/run.hpp"
#include "engine/config/diagnostics.hpp"

namespace weir::command {
namespace {

using config::Node;

Node text_node(std::string text, const config::Place& place) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.text = std::move(text);
  node.place = place;
  return node;
}

void add(Node& map, std::string key, Node value) {
  map.kind = Node::Kind::map;
  Node::Entry entry;
  entry.key = std::move(key);
  entry.key_plain = true;
  entry.key_place = value.place;
  entry.value = std::move(value);
  map.entries.push_back(std::move(entry));
}

/// "a.failed" → "a".
std::string stage_of(const std::string& read) { return read.substr(0, read.find('.')); }

/// What a stage reads, as written.
std::vector<Node> inputs(const Node& stage) {
  const Node* from = stage.find("from");
  if (!from) return {};
  if (from->is_scalar()) return {*from};
  return from->items;
}

/// Keeps of what it reads that which these give.
void keep_inputs(Node& stage, const std::set<std::string>& kept) {
  Node* const from = stage.find("from");
  if (!from) return;
  const auto gone = [&kept](const std::string& read) {
    return !kept.contains(stage_of(read)) && stage_of(read) != "any";
  };
  std::erase_if(from->items, [&](const Node& item) { return gone(item.text); });
  if (Node* const edge = stage.find("edge")) {  // One that it no longer has.
    const auto& stages = inputs(stage);
    std::erase_if(edge->entries, [&](const Node::Entry& entry) {
      const auto of = [&](const Node& item) { return stage_of(item.text) == stage_of(entry.key); };
      return entry.value.is_map() && std::none_of(stages.begin(), stages.end(), of);
    });
    if (edge->entries.empty()) {
      std::erase_if(stage.entries, [](const Node::Entry& entry) { return entry.key == "edge"; });
    }
  }
}

/// `file: {read: …, format: envelope}`
Node reading(const std::string& envelopes, const config::Place& place) {
  std::string path = envelopes;  // As it is: no name of a variable in it is meant.
  for (auto at = path.find("${"); at != path.npos; at = path.find("${", at + 3)) path.insert(at, "\\");
  Node options, body;
  options.place = body.place = place;
  add(options, "read", text_node(std::move(path), place));
  add(options, "format", text_node("envelope", place));
  add(body, "file", std::move(options));
  return body;
}

}  // namespace

bool begin_at(Node& root, const std::string& to, const std::string& envelopes) {
  Node* const stages = root.find("stages");
  Node* const first = stages ? stages->find(to) : nullptr;
  if (!first) return false;

  std::set<std::string> kept{to};
  for (bool more = true; more;) {
    more = false;
    for (const auto& entry : stages->entries) {
      if (kept.contains(entry.key)) continue;
      for (const auto& read : inputs(entry.value)) {
        if (stage_of(read.text) != "any" && !kept.contains(stage_of(read.text))) continue;
        more = kept.insert(entry.key).second || more;
      }
    }
  }
  std::erase_if(stages->entries, [&kept](const Node::Entry& entry) { return !kept.contains(entry.key); });
  std::erase_if(root.entries, [](const Node::Entry& entry) { return entry.key == "tests"; });
  for (auto& entry : stages->entries) keep_inputs(entry.value, kept);

  Node* const begin = stages->find(to);
  const config::Place place = begin->place;
  Node* const from = begin->find("from");
  if (!from) {
    *begin = reading(envelopes, place);
    return true;
  }
  std::string source = "replay";
  while (stages->find(source)) source += "_again";
  // What comes round to it still does.
  Node list;
  list.kind = Node::Kind::list;
  list.place = from->place;
  list.items = inputs(*begin);
  std::erase_if(list.items, [&kept](const Node& item) { return !kept.contains(stage_of(item.text)); });
  list.items.push_back(text_node(source, from->place));
  *from = std::move(list);
  add(*stages, source, reading(envelopes, place));
  return true;
}

int replay(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams) {
  std::optional<std::vector<std::string>> others;  // Where there is no such stage: those that there are.
  auto checked = check_files(arguments.files, arguments.overrides, catalog, Tests::ignored, [&](Node& root) {
    if (begin_at(root, arguments.to, arguments.envelopes)) return;
    others.emplace();
    const Node* const stages = root.find("stages");
    for (const auto& entry : stages ? stages->entries : std::vector<Node::Entry>()) others->push_back(entry.key);
  });
  if (others && !checked.has_errors()) {
    streams.err << "weir: --to: there is no stage '" << arguments.to << "' in " << arguments.files.front()
                << "\n  = " << config::did_you_mean(arguments.to, *others, "one of " + config::listed(*others)) << "\n";
    return exit_code::usage;
  }
  return run(std::move(checked), arguments, streams);
}

}  // namespace weir::command
