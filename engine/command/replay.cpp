#include "engine/command/replay.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/command/exit_code.hpp"
#include "engine/command/pipelines.hpp"
#include "engine/command/run.hpp"
#include "engine/config/diagnostics.hpp"
#include "engine/config/words.hpp"

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

/// INSTANCE/STAGE → INSTANCE; of any other nothing.
std::string around(const std::string& name) {
  const auto slash = name.rfind('/');
  return slash == std::string::npos ? std::string() : name.substr(0, slash);
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

/// `decode: {format: json}`: what a source that makes JSON could not read as such is no message of it.
Node checking(const std::string& from, const config::Place& place) {
  Node options, body;
  options.place = body.place = place;
  add(options, "format", text_node("json", place));
  add(body, "from", text_node(from, place));
  add(body, "decode", std::move(options));
  return body;
}

/// What is kept of a plan, by its stages: those that begin, all that are behind them, and all that read `any.failed`.
class Part {
 public:
  explicit Part(const graph::Plan& plan) : plan_(plan), kept_(plan.stages.size(), false) {}

  /// With all steps of its `do`.
  void keep(std::size_t stage) {
    const std::size_t first = stage - plan_.stages[stage].step;
    for (std::size_t at = first; at <= plan_.last_step(first); ++at) kept_[at] = true;
  }
  void find_rest() {
    follow();
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
      const auto& reads = plan_.stages[i].read_as;
      if (std::find(reads.begin(), reads.end(), config::any_failed) != reads.end()) keep(i);
    }
    follow();
  }
  bool has(std::size_t stage) const { return kept_[stage]; }
  bool has(const std::string& name) const {
    const auto found = plan_.find(name);
    return found && kept_[*found];
  }
  bool has_inside(const std::string& instance) const {
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
      if (kept_[i] && plan_.stages[i].name.starts_with(instance + "/")) return true;
    }
    return false;
  }

 private:
  void follow() {
    for (bool more = true; more;) {
      more = false;
      for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
        if (kept_[i]) continue;
        const auto& planned = plan_.stages[i];
        for (std::size_t n = 0; n < planned.inputs.size() && !kept_[i]; ++n) {
          const bool any = n < planned.read_as.size() && planned.read_as[n] == config::any_failed;
          if (any || !kept_[planned.inputs[n].stage]) continue;
          keep(i);
          more = true;
        }
      }
    }
  }

  const graph::Plan& plan_;
  std::vector<bool> kept_;
};

const config::Instance* instance_named(const config::Pipeline& pipeline, const std::string& name) {
  for (const auto& instance : pipeline.instances) {
    if (instance.name == name) return &instance;
  }
  return nullptr;
}

/// Whose `from` says what the stage reads: its own, or that of the nearest instance around it that has one.
std::string says_from(const config::Pipeline& pipeline, const config::StageNode& stage) {
  if (stage.body.find("from")) return stage.name;
  for (const auto* instance = instance_named(pipeline, stage.inside); instance;
       instance = instance_named(pipeline, instance->inside)) {
    if (!instance->from.is_null()) return instance->name;
  }
  return stage.name;
}

/// The stages that take what comes into the instance.
std::vector<std::size_t> entrances(const graph::Plan& plan, const config::Instance& instance) {
  std::vector<std::size_t> found;
  for (const auto& stage : plan.pipeline.stages) {
    if (!stage.name.starts_with(instance.name + "/") || stage.body.find("from")) continue;
    const auto planned = plan.find(stage.name);
    if (!planned || plan.stages[*planned].inputs.empty()) continue;
    // No instance between the two says what it reads.
    bool through = true;
    for (std::string at = stage.inside; through && at != instance.name; at = around(at)) {
      const auto* between = instance_named(plan.pipeline, at);
      through = between && between->from.is_null();
    }
    if (through) found.push_back(*planned);
  }
  return found;
}

/// Leaves of a `from` what is still there.
void keep_inputs(Node& from, const std::set<std::string>& kept) {
  // (One with a name to be filled in is told of where it is not.)
  const auto gone = [&kept](const Node& read) {
    return !kept.contains(read.text) && read.text.find("${") == std::string::npos;
  };
  std::erase_if(from.items, gone);
  if (from.is_list() ? from.items.empty() : gone(from)) from = Node();
}

/// Leaves of what is said of single edges that of those which are still there.
void keep_edges(Node& body, const std::set<std::string>& kept) {
  Node* const edge = body.find("edge");
  if (!edge || !edge->is_map()) return;
  std::erase_if(edge->entries, [&kept](const Node::Entry& entry) {
    const auto of = [&entry](const std::string& read) { return stage_of(read) == stage_of(entry.key); };
    return entry.value.is_map() && std::none_of(kept.begin(), kept.end(), of);
  });
  if (!edge->entries.empty()) return;
  std::erase_if(body.entries, [](const Node::Entry& entry) { return entry.key == "edge"; });
}

/// A sink that takes what would have been answered.
Node dropping(const Node& body) {
  Node drops;
  drops.kind = Node::Kind::map;
  drops.place = body.place;
  for (const auto* key : {"from", "edge"}) {
    if (const Node* value = body.find(key)) add(drops, key, *value);
  }
  Node nothing;
  nothing.kind = Node::Kind::map;
  nothing.place = body.place;
  add(drops, "drop", std::move(nothing));
  return drops;
}

/// A file that is there, of those that the path may name: what stands in `{{ }}` may be anything.
std::optional<std::string> made_anew(const config::Template& path) {
  namespace fs = std::filesystem;
  std::error_code none;  // What can't be looked at is told when it is opened.
  const auto holds_something = [&none](const fs::path& file) {
    return fs::is_regular_file(file, none) && fs::file_size(file, none) > 0;
  };
  const std::string text = path.text();
  if (path.constant()) return holds_something(text) ? std::optional(text) : std::nullopt;
  const std::string known = text.substr(0, text.find("{{"));
  const auto slash = known.rfind('/');
  const std::string folder = slash == known.npos ? "." : known.substr(0, slash + 1);
  std::optional<std::string> found;
  for (fs::directory_iterator at(folder, none), end; !none && at != end; at.increment(none)) {
    const std::string name = (slash == known.npos ? "" : folder) + at->path().filename().string();
    if (!name.starts_with(known) || (found && *found < name)) continue;
    // (Of a path with several parts to fill in the first folder will do.)
    const bool ends_here = text.find('/', known.size()) == text.npos;
    if (ends_here ? holds_something(at->path()) : at->is_directory(none)) found = name;
  }
  return found;
}

/// What would spoil files is refused: to add to the very one that is replayed, and to make one anew that holds
/// something.
void look_at_files(CheckedFile& file, const std::string& envelopes) {
  std::error_code none;  // What can't be looked at is told when it is opened.
  const bool may_be_added_to = std::filesystem::is_regular_file(envelopes, none);
  for (const auto& planned : file.plan->stages) {
    const std::string& adds_to = planned.configured.adds_to;
    const auto& goes_to = planned.configured.goes_to;
    const std::string path = "stages." + planned.name;
    if (may_be_added_to && !adds_to.empty() && std::filesystem::equivalent(envelopes, adds_to, none)) {
      file.diagnostics.error(planned.place,
                             "'" + planned.name + "' adds to " + adds_to +
                                 ", the file that is replayed: what fails again would stand there twice",
                             "move it aside first, and replay that: mv " + envelopes + " " + envelopes + ".again",
                             path);
    }
    if (!goes_to || !planned.configured.makes_anew) continue;
    const auto made = made_anew(*goes_to);
    if (!made) continue;
    const bool can_be_set = planned.name.find('/') == std::string::npos;  // (Not inside an instance.)
    file.diagnostics.error(
        planned.place, "'" + planned.name + "' makes " + *made + " anew: what stands there now would be lost",
        can_be_set ? "move it aside, or write another: --set " + path + ".file.write=PATH" : "move it aside first",
        path);
  }
}

/// All that `--to` may name.
std::vector<std::string> names_in(const config::Pipeline& pipeline) {
  std::vector<std::string> names;
  for (const auto& stage : pipeline.stages) names.push_back(stage.name);
  for (const auto& instance : pipeline.instances) names.push_back(instance.name);
  return names;
}

}  // namespace

std::optional<config::Pipeline> begin_at(const graph::Plan& plan, const std::string& to, const std::string& envelopes) {
  const auto* const instance = instance_named(plan.pipeline, to);
  std::vector<std::size_t> began;
  if (instance) began = entrances(plan, *instance);
  if (const auto stage = plan.find(to)) began.push_back(*stage);
  if (began.empty()) return std::nullopt;

  Part part(plan);
  for (const auto stage : began) part.keep(stage);
  part.find_rest();

  // What of each `from` is still there.
  std::map<std::string, std::set<std::string>> read;
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const auto& planned = plan.stages[i];
    if (!part.has(i) || std::find(began.begin(), began.end(), i) != began.end()) continue;
    for (std::size_t n = 0; n < planned.read_as.size(); ++n) {
      const bool stays = part.has(planned.inputs[n].stage) || planned.read_as[n] == config::any_failed;
      if (stays) read[says_from(plan.pipeline, *plan.pipeline.find(planned.name))].insert(planned.read_as[n]);
    }
  }

  config::Pipeline pipeline = plan.pipeline;
  pipeline.tests = Node();
  std::erase_if(pipeline.stages, [&part](const auto& stage) { return !part.has(stage.name); });
  std::erase_if(pipeline.instances, [&part](const auto& one) { return !part.has_inside(one.name); });
  for (auto& stage : pipeline.stages) {
    const auto planned = *plan.find(stage.name);
    if (Node* const from = stage.body.find("from")) keep_inputs(*from, read[stage.name]);
    keep_edges(stage.body, read[stage.name]);
    const auto& last = plan.stages[plan.last_step(planned)].configured;
    if (last.replies) stage.body = dropping(stage.body);
  }
  for (auto& one : pipeline.instances) keep_inputs(one.from, read[one.name]);

  const std::string inside = around(to);
  std::string source = "replay";
  const auto taken = [&](const std::string& name) {
    const std::string whole = inside.empty() ? name : inside + "/" + name;
    return plan.pipeline.find(whole) || instance_named(plan.pipeline, whole);
  };
  while (taken(source)) source += "_again";
  for (auto& one : pipeline.instances) {
    if (instance && one.name == to) one.from = text_node(source, one.place);
  }
  for (auto& stage : pipeline.stages) {
    if (instance || stage.name != to) continue;
    const config::Place place = stage.place;
    const auto& planned = plan.stages[began.front()];
    if (planned.inputs.empty()) {
      if (planned.configured.reads_json_of.empty()) {
        stage.body = reading(envelopes, place);
        return pipeline;
      }
      stage.body = checking(source, place);
      continue;
    }
    if (Node* const from = stage.body.find("from")) {
      *from = text_node(source, place);
    } else {
      add(stage.body, "from", text_node(source, place));
    }
  }
  config::StageNode begins;
  begins.name = inside.empty() ? source : inside + "/" + source;
  begins.place = plan.stages[began.front()].place;
  begins.body = reading(envelopes, begins.place);
  begins.scope = pipeline.scope;
  begins.inside = inside;
  pipeline.stages.push_back(std::move(begins));
  return pipeline;
}

int replay(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams) {
  const auto is_pipeline = [](const std::string& path) { return path.ends_with(".yaml") || path.ends_with(".yml"); };
  if (is_pipeline(arguments.envelopes) && !is_pipeline(arguments.files.front())) {
    streams.err << "weir: the file of what failed comes first, the pipeline after it\n  = weir replay "
                << arguments.files.front() << " " << arguments.envelopes << " --to " << arguments.to << "\n";
    return exit_code::usage;
  }
  // Where nothing can begin there: what may be named instead.
  std::optional<std::vector<std::string>> others;
  bool is_instance = false;
  std::string reads_json_of;
  const auto cut = [&](const graph::Plan& plan) {
    auto part = begin_at(plan, arguments.to, arguments.envelopes);
    if (const auto to = plan.find(arguments.to)) reads_json_of = plan.stages[*to].configured.reads_json_of;
    if (part) return part;
    others = names_in(plan.pipeline);
    is_instance = instance_named(plan.pipeline, arguments.to) != nullptr;
    return part;
  };
  auto checked = check_files(arguments.files, arguments.overrides, catalog, Tests::ignored,
                             Cut{cut, "`weir replay --to " + arguments.to + "` runs only what is behind it"});
  if (others && is_instance) {
    std::erase_if(*others, [&](const auto& name) { return !name.starts_with(arguments.to + "/"); });
    streams.err << "weir: --to: '" << arguments.to
                << "' reads nothing that could be replaced: its messages begin inside of it\n  = one of "
                << config::listed(*others) << "\n";
    return exit_code::usage;
  }
  if (others) {
    streams.err << "weir: --to: there is no stage '" << arguments.to << "' in " << arguments.files.front()
                << "\n  = " << config::did_you_mean(arguments.to, *others, "one of " + config::listed(*others)) << "\n";
    return exit_code::usage;
  }
  // (Of a record alone nobody knows the names of its fields.)
  if (reads_json_of == "csv" || reads_json_of == "logfmt") {
    streams.err << "weir: warning: --to: what '" << arguments.to << "' could not read as " << reads_json_of
                << " is not read again as that, it fails\n"
                   "  = correct the `text` in "
                << arguments.envelopes
                << " to the object that its record should have become, such as \"text\": \"{\\\"id\\\": 9}\"\n";
  }
  if (!checked.has_errors()) look_at_files(checked.files.front(), arguments.envelopes);
  return run(std::move(checked), arguments, streams);
}

}  // namespace weir::command
