#include "engine/command/pipelines.hpp"

#include <algorithm>
#include <map>
#include <ostream>

#include "engine/command/test_block.hpp"
#include "engine/config/loader.hpp"
#include "engine/config/yaml.hpp"

namespace weir::command {
namespace {

/// The whole of a file, for what concerns no line of it.
config::Place whole(const std::string& path) {
  config::Source source;
  source.name = path;
  config::Place place;
  place.source = std::make_shared<const config::Source>(std::move(source));
  return place;
}

/// A pipeline's name is a label of every metric: two of one name would be counted as one.
void refuse_same_names(std::vector<CheckedFile>& files) {
  std::map<std::string, std::string> seen;
  for (auto& file : files) {
    const auto name = config::pipeline_name(file.path);
    const auto [first, added] = seen.emplace(name, file.path);
    if (added) continue;
    file.diagnostics.error(whole(file.path), "the pipeline '" + name + "' is there already, from " + first->second,
                           "a pipeline is named after its file: rename one of the two");
    file.plan.reset();
  }
}

/// Compiles another pipeline in place of one that is good. What is wrong with it then is no mistake of the file.
void compile_cut(CheckedFile& file, const Cut& cut, const stage::Catalog& catalog) {
  auto pipeline = cut.make(*file.plan);
  file.plan.reset();
  if (!pipeline) return;
  config::Diagnostics found;
  file.plan = graph::compile(std::move(*pipeline), catalog, found);
  for (auto diagnostic : found.all()) {
    if (diagnostic.severity == config::Severity::error) {
      diagnostic.hint = "the file is right: this is so because " + cut.why;
    }
    file.diagnostics.add(std::move(diagnostic));
  }
}

/// Adds what has not been told at the same place.
void add_news(const config::Diagnostics& found, bool warnings, config::Diagnostics& diagnostics) {
  for (const auto& one : found.all()) {
    const auto& known = diagnostics.all();
    const bool told = std::any_of(known.begin(), known.end(), [&](const config::Diagnostic& other) {
      return other.what == one.what && other.place.str() == one.place.str();
    });
    if ((warnings || one.severity == config::Severity::error) && !told) diagnostics.add(one);
  }
}

/// What nothing in the file uses, so that no plan shows what is wrong with it: kinds of one's own, and the tests of
/// files that it includes.
void check_unused(const std::shared_ptr<const config::Source>& source, const config::Node& root,
                  const std::vector<config::Node>& included_tests, const config::Pipeline& pipeline,
                  const stage::Catalog& catalog, config::Diagnostics& diagnostics) {
  config::Diagnostics of_parts, of_tests;
  for (auto& part : config::unused_parts(pipeline, root, of_parts)) graph::compile(std::move(part), catalog, of_parts);
  for (const auto& tests : included_tests) {
    config::Node with = root;
    std::erase_if(with.entries, [](const config::Node::Entry& entry) { return entry.key == "tests"; });
    config::Node::Entry entry;
    entry.key = "tests";
    entry.value = tests;
    with.entries.push_back(std::move(entry));
    read_tests(source, with, catalog, of_tests);
  }
  add_news(of_parts, true, diagnostics);
  add_news(of_tests, false, diagnostics);  // (Their tests change the pipeline, and warn of what comes of that.)
}

}  // namespace

bool Checked::has_errors() const {
  return std::any_of(files.begin(), files.end(),
                     [](const auto& file) { return file.diagnostics.has_errors() || !(file.plan || file.library_of); });
}

std::string Checked::json() const {
  config::Diagnostics all;
  for (const auto& file : files) {
    for (const auto& diagnostic : file.diagnostics.all()) all.add(diagnostic);
  }
  return all.json();
}

void Checked::print(Streams& streams) const {
  for (const auto& file : files) {
    if (!file.diagnostics.empty()) streams.err << file.diagnostics.render(streams.color);
  }
  streams.err.flush();
}

Checked check_files(const std::vector<std::string>& paths, const std::vector<std::string>& overrides,
                    const stage::Catalog& catalog, Tests tests, const std::optional<Cut>& cut) {
  Checked checked;
  for (const auto& path : paths) {
    CheckedFile& file = checked.files.emplace_back();
    file.path = path;
    const auto source = config::read_source(path, file.diagnostics);
    std::vector<config::Node> included_tests;
    auto root = source ? config::read(source, overrides, file.diagnostics, &included_tests) : std::nullopt;
    if (!root) continue;
    auto pipeline = config::load(source, *root, config::Scope::process_environment, false, file.diagnostics);
    const auto loaded = tests == Tests::checked ? pipeline : std::nullopt;
    if (loaded && loaded->library) file.library_of = loaded->own_kinds.size();
    // A pipeline with mistakes is compiled all the same, so that all of them are told at once.
    if (pipeline && !file.library_of) {
      config::Diagnostics whole = file.diagnostics;
      file.plan = graph::compile(std::move(*pipeline), catalog, whole);
      if (cut && file.plan && !whole.has_errors()) {
        compile_cut(file, *cut, catalog);
      } else {
        file.diagnostics = std::move(whole);
      }
    }
    if (loaded) check_unused(source, *root, included_tests, *loaded, catalog, file.diagnostics);
    if (loaded) file.tests = read_tests(source, *root, catalog, file.diagnostics).size();
    config::name_paths(*root, file.diagnostics);
    if (file.diagnostics.has_errors()) {
      file.plan.reset();
      file.library_of.reset();
    }
  }
  refuse_same_names(checked.files);
  return checked;
}

}  // namespace weir::command
