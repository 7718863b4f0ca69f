#include "engine/config/loader.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "engine/config/include.hpp"
#include "engine/config/own_kinds.hpp"
#include "engine/config/reader.hpp"
#include "engine/config/spec.hpp"
#include "engine/config/words.hpp"
#include "engine/config/yaml.hpp"

namespace weir::config {

namespace {

const auto run_spec =
    Spec<RunSettings>("run", "How the pipeline runs.")
        .field("data", &RunSettings::data, "Folder for what weir keeps on disk.", not_empty(), sample("./weir-data"))
        .field("memory", &RunSettings::memory, "What all messages under way may hold together.", at_least(1 << 20))
        .field("threads", &RunSettings::threads,
               "Threads that work. Left out: one for each file, or one for each processor where a stage has workers "
               "that compute.",
               at_least(1), at_most(1024))
        .field("pin", &RunSettings::pin, "Whether each thread stays on one core.")
        .field(
            "drain", &RunSettings::drain,
            "How long the end may take. What waits for an answer then fails (stopped), and leaves by `.failed` where "
            "somebody reads it; a second later all is stopped.");

const auto admin_spec =
    Spec<AdminSettings>("admin", "The port for metrics and health.")
        .field("listen", &AdminSettings::listen,
               "ADDRESS:PORT, or 'off'. Left out: 127.0.0.1:9797, or the next port that is free.", not_empty(),
               sample("127.0.0.1:9797"))
        .field("token", &AdminSettings::token, "What a caller must show; needed for an address that is not loopback.",
               not_empty(), sample("'${secret.admin}'"))
        .secret_ok()
        .place(&AdminSettings::place);

struct SecretSettings {
  std::string file;
};
const auto secret_spec = Spec<SecretSettings>("secret", "Where a secret stands.")
                             .field("file", &SecretSettings::file, "The file that holds it, and nothing else.",
                                    not_empty(), sample("/run/secrets/api"))
                             .required();

constexpr std::array<std::string_view, 1> later{"places"};
const std::vector<std::string> top_keys{"stages", "vars",  "secrets", "limits",  "breakers",
                                        "run",    "admin", "kinds",   "include", "tests"};

/// Whether it has what other files use, and no stages or anything that says how it runs.
bool is_library(const Node& root) {
  if (root.entry("stages")) return false;
  const auto has = [&root](const char* key) {
    const Node* found = root.find(key);
    return found && !found->is_null();
  };
  return (has("kinds") || has("limits") || has("breakers")) && !has("run") && !has("admin");
}

bool expect_map(const Node& node, Diagnostics& diagnostics, const std::string& key, std::string_view of) {
  if (node.is_map()) return true;
  if (!node.told)
    diagnostics.error(node.place, fmt::format("expected a map of {}, found {}", of, node.found()),
                      fmt::format("{}: {{NAME: …}}", key), key);
  return false;
}

}  // namespace

bool key_comes_later(std::string_view key) { return std::find(later.begin(), later.end(), key) != later.end(); }

const Declaration& run_declaration() { return run_spec.declaration(); }
const Declaration& admin_declaration() { return admin_spec.declaration(); }
const Declaration& secret_declaration() { return secret_spec.declaration(); }

const StageNode* Pipeline::find(std::string_view stage) const {
  for (const auto& candidate : stages)
    if (candidate.name == stage) return &candidate;
  return nullptr;
}

bool is_name(std::string_view text) {
  if (text.empty() || text[0] < 'a' || text[0] > 'z') return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

void check_name(const std::string& name, const Place& place, std::string_view of, const std::string& path,
                Diagnostics& diagnostics) {
  if (is_name(name)) return;
  std::string better;
  for (const char c : name) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if ((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9'))
      better += lower;
    else if (!better.empty() && better.back() != '_')
      better += '_';
  }
  diagnostics.error(place, fmt::format("'{}' is no name of {}: small letters, digits and _, a letter first", name, of),
                    is_name(better) ? fmt::format("write '{}'", better) : "", path);
}

std::string pipeline_name(const std::string& path) {
  // A file's name may hold any bytes, a label of a metric and a text of JSON only UTF-8.
  std::string name = as_utf8(path.substr(path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1));
  for (const std::string_view end : {".yaml", ".yml"})
    if (name.size() > end.size() && name.ends_with(end)) {
      name.resize(name.size() - end.size());
      break;
    }
  return name;
}

bool apply_override(Node& root, const std::string& assignment, Diagnostics& diagnostics) {
  const auto source = make_source("--set " + assignment, assignment);
  Place place;
  place.source = source;
  place.line = 1;
  place.column = 1;
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    diagnostics.error(place, "expected PATH=VALUE", "such as --set stages.work.workers=1");
    return false;
  }
  // Read in its place, so that a mistake in the value points into what was typed.
  const std::string path = assignment.substr(0, equals);
  Diagnostics inner;
  auto value = parse(make_source(source->name, std::string(equals + 1, ' ') + assignment.substr(equals + 1)), inner);
  const bool bad = inner.has_errors();
  for (const auto& found : inner.all()) diagnostics.add(found);
  if (bad || !value) return false;
  return apply_override(root, path, std::move(*value), place, diagnostics);
}

bool apply_override(Node& root, const std::string& path, Node value, Place place, Diagnostics& diagnostics) {
  const int column = place.column;
  Node* at = &root;
  std::string walked;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t dot = std::min(path.find('.', start), path.size());
    const std::string key = path.substr(start, dot - start);
    const bool last = dot == path.size();
    place.column = column + static_cast<int>(start);
    place.length = std::max<int>(1, static_cast<int>(key.size()));
    if (key.empty()) {
      diagnostics.error(place, "a name is missing here", "such as --set stages.work.workers=1");
      return false;
    }
    Node* next = nullptr;
    if (at->is_list()) {
      const auto index = parse_integer(key);
      if (!index || *index < 0 || static_cast<std::size_t>(*index) >= at->items.size()) {
        diagnostics.error(place, fmt::format("'{}' is a list of {}: expected a number from 0 to {}", walked,
                                             at->items.size(), at->items.empty() ? 0 : at->items.size() - 1));
        return false;
      }
      next = &at->items[static_cast<std::size_t>(*index)];
    } else if (at->is_map() || (at->is_null() && last)) {
      at->kind = Node::Kind::map;
      next = at->find(key);
      // `run`, `vars` and `admin` need not be written to be set.
      const bool may_grow =
          last ||
          (walked.empty() && std::find(top_keys.begin(), top_keys.end(), key) != top_keys.end() && key != "stages");
      if (!next && may_grow) {
        Node::Entry entry;
        entry.key = key;
        entry.key_place = place;
        entry.value.place = place;
        at->entries.push_back(std::move(entry));
        next = &at->entries.back().value;
      }
      if (!next) {
        std::vector<std::string> known;
        for (const auto& entry : at->entries) known.push_back(entry.key);
        const std::string near = nearest(key, known);
        diagnostics.error(
            place,
            walked.empty() ? fmt::format("the file has no '{}'", key) : fmt::format("'{}' has no '{}'", walked, key),
            !near.empty()   ? fmt::format("did you mean '{}'?", near)
            : known.empty() ? ""
                            : fmt::format("it has {}", listed(known)));
        return false;
      }
    } else {
      diagnostics.error(place, fmt::format("'{}' is no map: nothing can be set inside it", walked));
      return false;
    }
    walked += (walked.empty() ? "" : ".") + key;
    if (last) {
      *next = std::move(value);
      return true;
    }
    at = next;
    start = dot + 1;
  }
  return false;
}

namespace {

/// FNV-1a of what a tree says, whatever its layout: maps in the order written, since stages are.
class Hash {
 public:
  void add(const Node& node) {
    add(static_cast<char>(node.kind));
    add(node.plain ? '1' : '0');
    add(node.text);
    for (const auto& item : node.items) add(item);
    for (const auto& entry : node.entries) {
      if (&node == top_ && entry.key == "tests") continue;
      add(entry.key);
      add(entry.value);
    }
    add('.');
  }
  std::string of(const Node& root) {
    top_ = &root;
    add(root);
    return fmt::format("{:016x}", hash_);
  }

 private:
  void add(char byte) {
    hash_ ^= static_cast<unsigned char>(byte);
    hash_ *= 1099511628211u;
  }
  void add(const std::string& text) {
    for (const char byte : std::to_string(text.size())) add(byte);
    add(':');
    for (const char byte : text) add(byte);
  }

  const Node* top_ = nullptr;
  std::uint64_t hash_ = 14695981039346656037u;
};

std::string hash_of(const Node& root) { return Hash().of(root); }

}  // namespace

std::optional<Node> read(const std::shared_ptr<const Source>& source, const std::vector<std::string>& overrides,
                         Diagnostics& diagnostics, std::vector<Node>* included_tests) {
  auto root = parse(source, diagnostics);
  if (root) include_files(*root, diagnostics, included_tests);
  if (root && !root->is_null())
    for (const auto& assignment : overrides) apply_override(*root, assignment, diagnostics);
  return root;
}

std::optional<Pipeline> load_file(const std::string& path, const std::vector<std::string>& overrides,
                                  const Scope::Environment& environment, Diagnostics& diagnostics) {
  const auto source = read_source(path, diagnostics);
  return source ? load(source, overrides, environment, diagnostics) : std::nullopt;
}

std::optional<Pipeline> load(std::shared_ptr<const Source> source, const std::vector<std::string>& overrides,
                             const Scope::Environment& environment, Diagnostics& diagnostics) {
  const auto root = read(source, overrides, diagnostics);
  return root ? load(std::move(source), *root, environment, false, diagnostics) : std::nullopt;
}

std::optional<Pipeline> load(std::shared_ptr<const Source> source, const Node& root,
                             const Scope::Environment& environment, bool testing, Diagnostics& diagnostics) {
  Pipeline pipeline;
  pipeline.name = pipeline_name(source->name);
  pipeline.hash = hash_of(root);
  pipeline.source = source;
  Place whole;
  whole.source = source;
  whole.length = 0;
  if (root.is_null() && !root.told) {
    diagnostics.error(whole, "the file is empty", "a pipeline has stages: {NAME: {KIND: …}}");
    return std::nullopt;
  }
  if (!root.is_map()) {
    if (!root.told)
      diagnostics.error(root.place, fmt::format("expected a pipeline, found {}", root.found()),
                        "a pipeline has stages: {NAME: {KIND: …}}");
    return std::nullopt;
  }

  for (const auto& entry : root.entries) {
    if (std::find(top_keys.begin(), top_keys.end(), entry.key) != top_keys.end()) continue;
    if (key_comes_later(entry.key)) {
      diagnostics.error(entry.key_place, fmt::format("'{}' comes with a later version of weir", entry.key), "",
                        entry.key);
      continue;
    }
    const std::string near = nearest(entry.key, top_keys);
    diagnostics.error(
        entry.key_place, fmt::format("a pipeline has no key '{}'", entry.key),
        (near.empty() ? "" : fmt::format("did you mean '{}'? ", near)) + "its keys are " + listed(top_keys), entry.key);
  }

  pipeline.library = is_library(root);
  Scope scope(environment);
  if (testing) scope = scope.for_tests();
  if (pipeline.library) scope = scope.opened();
  const Node* vars = root.find("vars");
  if (vars && !vars->is_null() && expect_map(*vars, diagnostics, "vars", "names and values")) {
    for (const auto& entry : vars->entries)
      check_name(entry.key, entry.key_place, "a var", "vars." + entry.key, diagnostics);
    scope = scope.with_vars(*vars);
  }
  if (const Node* secrets = root.find("secrets");
      secrets && !secrets->is_null() && expect_map(*secrets, diagnostics, "secrets", "names and files")) {
    for (const auto& entry : secrets->entries) {
      Reader reader(diagnostics, scope, "secrets." + entry.key);
      check_name(entry.key, entry.key_place, "a secret", reader.path, diagnostics);
      reader.subject = fmt::format("the secret '{}'", entry.key);
      const auto before = diagnostics.error_count();
      const auto secret = secret_spec.read(entry.value, reader);
      // One without a file was told.
      scope = scope.with_secret(entry.key, diagnostics.error_count() == before ? secret.file : std::string());
    }
  }
  pipeline.scope = scope;
  pipeline.vars = scope.vars(diagnostics);
  Reader reader(diagnostics, pipeline.scope);
  if (const Node* run = root.find("run")) {
    const Reader::Step step(reader, "run");
    pipeline.run = run_spec.read(*run, reader);
  }
  if (const Node* admin = root.find("admin")) {
    const Reader::Step step(reader, "admin");
    pipeline.admin = admin_spec.read(*admin, reader);
  }
  if (const Node* tests = root.find("tests")) pipeline.tests = *tests;
  for (const auto& [key, into] : {std::pair("limits", &pipeline.limits), std::pair("breakers", &pipeline.breakers)}) {
    const Node* named = root.find(key);
    if (!named || named->is_null() || !expect_map(*named, diagnostics, key, "names and what they stand for")) continue;
    *into = *named;
  }

  OwnKinds own(root.find("kinds"), diagnostics);
  if (const Node* kinds = root.find("kinds")) {
    for (const auto& entry : kinds->entries) pipeline.own_kinds.emplace_back(entry.key, entry.key_place);
  }

  const Node::Entry* stages = root.entry("stages");
  if (pipeline.library) return pipeline;
  if (!stages) {
    diagnostics.error(whole, "the file has no stages", "a pipeline has stages: {NAME: {KIND: …}}", "stages");
    return pipeline;
  }
  if (stages->value.is_null() || (stages->value.is_map() && stages->value.entries.empty())) {
    if (!stages->value.told)
      diagnostics.error(stages->key_place, "there are no stages", "a pipeline has stages: {NAME: {KIND: …}}", "stages");
    return pipeline;
  }
  if (!expect_map(stages->value, diagnostics, "stages", "names and stages")) return pipeline;
  for (const auto& entry : stages->value.entries) {
    const std::string path = "stages." + entry.key;
    if (entry.key == any_word)
      diagnostics.error(entry.key_place,
                        "'any' is no name of a stage: any.failed is what failed and nobody else listens to",
                        "choose another name", path);
    else
      check_name(entry.key, entry.key_place, "a stage", path, diagnostics);
    if (!entry.value.is_map()) {
      if (!entry.value.told)
        diagnostics.error(entry.value.is_null() ? entry.key_place : entry.value.place,
                          fmt::format("expected the stage '{}' as a map, found {}", entry.key, entry.value.found()),
                          "a stage has one kind, such as pass: {}, and from: of whom it reads", path);
      pipeline.refused.push_back(entry.key);
      continue;
    }
    own.add(entry.key, entry.key_place, entry.value, pipeline.scope, "", pipeline);
  }
  return pipeline;
}

std::vector<Pipeline> unused_parts(const Pipeline& pipeline, const Node& root, Diagnostics& diagnostics) {
  Diagnostics told;  // What is wrong with the kinds themselves, when the pipeline was loaded.
  OwnKinds own(root.find("kinds"), told);
  const auto known = told.all().size();
  auto parts = own.unused(pipeline);
  for (std::size_t i = known; i < told.all().size(); ++i) diagnostics.add(told.all()[i]);
  if (pipeline.library) parts.push_back(pipeline);
  for (auto& part : parts) part.library = false;
  return parts;
}

}  // namespace weir::config
