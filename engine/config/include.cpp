#include "engine/config/include.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "engine/config/yaml.hpp"

namespace weir::config {
namespace {

constexpr std::array<std::string_view, 6> joined{"stages", "vars", "secrets", "limits", "breakers", "kinds"};
constexpr std::array<std::string_view, 2> of_a_run{"run", "admin"};

bool is_one_of(const auto& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

class Inclusion {
 public:
  Inclusion(Node& root, Diagnostics& diagnostics, std::vector<Node>* tests)
      : root_(root), diagnostics_(diagnostics), tests_(tests) {}

  void run() {
    if (root_.place.source) seen_.insert(normal(root_.place.source->name));
    if (const Node* vars = root_.find("vars")) {
      for (const auto& entry : vars->entries) own_vars_.insert(entry.key);
    }
    const Node files = *root_.find(include_key);  // A copy: what is joined may move the entries.
    follow(files);
    std::erase_if(root_.entries, [](const Node::Entry& entry) { return entry.key == include_key; });
  }

 private:
  void follow(const Node& files) {
    if (files.is_scalar()) return add(files);
    if (!files.is_list()) {
      if (files.told) return;
      return diagnostics_.error(files.place, fmt::format("expected a file or a list of files, found {}", files.found()),
                                "such as include: [kinds.yaml]", std::string(include_key));
    }
    for (const auto& file : files.items) add(file);
  }

  void add(const Node& file) {
    if (!file.is_scalar() || file.text.empty() || file.text.find("${") != std::string::npos) {
      if (file.told) return;
      return diagnostics_.error(file.place, "expected the path of a file, as plain text", "such as kinds.yaml",
                                std::string(include_key));
    }
    std::string path = file.text;
    if (path.front() != '/' && file.place.source) {
      const auto& from = file.place.source->name;
      path = from.substr(0, from.rfind('/') == std::string::npos ? 0 : from.rfind('/') + 1) + path;
    }
    path = normal(path);
    if (!seen_.insert(path).second) return;
    Diagnostics reading;
    const auto source = read_source(path, reading);
    if (!source) {
      const auto& why = reading.all().empty() ? std::string("it can't be read") : reading.all().front().what;
      return diagnostics_.error(file.place, why, "paths are relative to the file that includes",
                                std::string(include_key));
    }
    const auto included = parse(source, diagnostics_);
    if (!included || included->is_null()) return;
    if (!included->is_map()) {
      if (!included->told)
        diagnostics_.error(included->place,
                           fmt::format("expected a map of stages, vars or kinds, found {}", included->found()));
      return;
    }
    for (const auto& entry : included->entries) {
      if (entry.key == include_key) {
        follow(entry.value);
      } else if (is_one_of(joined, entry.key)) {
        join(entry);
      } else if (is_one_of(of_a_run, entry.key)) {
        diagnostics_.error(entry.key_place,
                           fmt::format("'{}' belongs to the file that is run, not to one that it includes", entry.key),
                           "move it there", entry.key);
      } else if (entry.key == "tests") {
        if (tests_) tests_->push_back(entry.value);
      } else if (!root_.find(entry.key)) {
        root_.entries.push_back(entry);  // Not known: whoever reads the whole says so.
      }
    }
  }

  void join(const Node::Entry& from) {
    Node* const to = root_.find(from.key);
    if (!to || to->is_null()) {
      std::erase_if(root_.entries, [&](const Node::Entry& entry) { return entry.key == from.key; });
      root_.entries.push_back(from);
      return;
    }
    if (!to->is_map() || !from.value.is_map()) {
      if (to->is_map() && !from.value.is_null() && !from.value.told)
        diagnostics_.error(from.value.place,
                           fmt::format("expected a map under '{}', found {}", from.key, from.value.found()));
      return;
    }
    for (const auto& entry : from.value.entries) {
      const Node::Entry* const same = to->entry(entry.key);
      if (!same) {
        to->entries.push_back(entry);
      } else if (from.key != "vars" || !own_vars_.contains(entry.key)) {
        diagnostics_.error(entry.key_place, fmt::format("'{}' is also in {}", entry.key, same->key_place.str()),
                           "one of them needs another name", from.key + "." + entry.key);
      }
    }
  }

  /// One name for each file, however it is spelt.
  static std::string normal(const std::string& path) { return std::filesystem::path(path).lexically_normal().string(); }

  Node& root_;
  Diagnostics& diagnostics_;
  std::vector<Node>* const tests_;  // Null: nobody wants them.
  std::set<std::string> seen_;      // Files.
  std::set<std::string> own_vars_;  // Of the root.
};

}  // namespace

void include_files(Node& root, Diagnostics& diagnostics, std::vector<Node>* tests) {
  if (root.is_map() && root.find(include_key)) Inclusion(root, diagnostics, tests).run();
}

}  // namespace weir::config
