#include "engine/config/own_kinds.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "engine/config/reader.hpp"

namespace weir::config {

namespace {

/// What may stand beside the kind in a stage that is an instance. Everything else is said of the stages inside.
constexpr std::array<std::string_view, 2> instance_keys{"from", "description"};
/// Words that mean something of every stage, also those that come later: no kind may be called so.
constexpr std::array<std::string_view, 17> stage_words{
    "from",  "workers", "order",   "edge", "merge", "state",    "cache",       "limit",   "breaker",
    "retry", "hedge",   "timeout", "do",   "any",   "deadline", "description", "on_error"};

template <class T>
bool reads_as(const Node& node, Reader& reader) {
  T value{};
  return read_value(node, reader, value);
}
bool is_list(const Node& node, Reader& reader) {
  if (!node.is_list() && !node.told) reader.error(node.place, "expected a list, found " + node.found());
  return node.is_list();
}
bool is_map(const Node& node, Reader& reader) {
  if (!node.is_map() && !node.told) reader.error(node.place, "expected a map, found " + node.found());
  return node.is_map();
}

struct Type {
  std::string_view name;
  bool (*reads)(const Node& node, Reader& reader);
  std::string_view guess;  ///< A value, where nobody has given any; empty: the name of the option.
};
/// Code that may stand where one expression is wanted, and where statements are.
constexpr std::string_view some_code = "now()";
constexpr std::array<Type, 13> types{{{"text", reads_as<std::string>, ""},
                                      {"integer", reads_as<std::int64_t>, "2"},
                                      {"number", reads_as<double>, "2"},
                                      {"boolean", reads_as<bool>, "true"},
                                      {"duration", reads_as<Duration>, "1s"},
                                      {"size", reads_as<Size>, "1MiB"},
                                      {"rate", reads_as<Rate>, "1/s"},
                                      {"integer range", reads_as<IntegerRange>, "1..2"},
                                      {"duration range", reads_as<DurationRange>, "1s..2s"},
                                      {"list", is_list, ""},
                                      {"map", is_map, ""},
                                      {"template", reads_as<Template>, ""},
                                      {"lua", reads_as<Lua>, some_code}}};

/// The cure for who calls a type as others do.
std::optional<std::string> other_name(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 14> others{{{"string", "text"},
                                                                                  {"str", "text"},
                                                                                  {"int", "integer"},
                                                                                  {"float", "number"},
                                                                                  {"double", "number"},
                                                                                  {"bool", "boolean"},
                                                                                  {"time", "duration"},
                                                                                  {"interval", "duration"},
                                                                                  {"bytes", "size"},
                                                                                  {"array", "list"},
                                                                                  {"object", "map"},
                                                                                  {"dict", "map"},
                                                                                  {"code", "lua"},
                                                                                  {"expression", "lua"}}};
  for (const auto& [other, ours] : others)
    if (other == name) return fmt::format("it is called '{}' here", ours);
  return std::nullopt;
}

const Type* type_named(std::string_view name) {
  const auto found = std::find_if(types.begin(), types.end(), [&](const Type& type) { return type.name == name; });
  return found == types.end() ? nullptr : &*found;
}

/// The map's one value under the key that must be a text; empty where it is none.
std::string word(const Node& map, std::string_view key) {
  const Node* node = map.find(key);
  return node && node->is_scalar() ? node->text : std::string();
}

/// Something of the type, at the place where the option is declared.
Node guess_of(const std::string& name, const Type& type, const Place& place) {
  Node scalar;
  scalar.kind = Node::Kind::scalar;
  scalar.text = type.guess.empty() ? name : std::string(type.guess);
  scalar.plain = !type.guess.empty();
  scalar.place = place;
  Node made;
  made.place = place;
  if (type.name == "list") {
    made.kind = Node::Kind::list;
    made.items.push_back(std::move(scalar));
    return made;
  }
  if (type.name != "map") return scalar;
  made.kind = Node::Kind::map;
  return made;
}

/// Code knows no `${}`; but a whole code may be an option of type lua.
void put_in_code(Node& node, const std::string& name, const Node& code) {
  if (node.is_scalar() && node.text == "${" + name + "}") {
    const Place place = node.place;
    node = code;
    node.place = code.place.source ? code.place : place;
    return;
  }
  for (auto& item : node.items) put_in_code(item, name, code);
  for (auto& entry : node.entries) put_in_code(entry.value, name, code);
}

}  // namespace

std::vector<std::string> option_types() {
  std::vector<std::string> known;
  for (const auto& type : types) known.emplace_back(type.name);
  return known;
}

OwnKinds::OwnKinds(const Node* kinds, Diagnostics& diagnostics) : diagnostics_(diagnostics) {
  if (!kinds || kinds->is_null()) return;
  if (!kinds->is_map()) {
    if (!kinds->told)
      diagnostics.error(kinds->place, fmt::format("expected a map of kinds, found {}", kinds->found()),
                        "kinds: {NAME: {options: {…}, stages: {…}}}", "kinds");
    return;
  }
  for (const auto& entry : kinds->entries) read(entry);
}

void OwnKinds::read(const Node::Entry& entry) {
  const std::string path = "kinds." + entry.key;
  check_name(entry.key, entry.key_place, "a kind", path, diagnostics_);
  if (!is_name(entry.key)) return;
  if (std::find(stage_words.begin(), stage_words.end(), entry.key) != stage_words.end()) {
    diagnostics_.error(entry.key_place, fmt::format("'{}' means something of every stage", entry.key),
                       "choose another name", path);
    return;
  }
  if (!entry.value.is_map()) {
    if (!entry.value.told)
      diagnostics_.error(entry.value.is_null() ? entry.key_place : entry.value.place,
                         fmt::format("expected the kind '{}' as a map, found {}", entry.key, entry.value.found()),
                         "a kind has stages, and options that they use as ${name}", path);
    return;
  }
  Kind kind;
  kind.name = entry.key;
  kind.place = entry.key_place;
  for (const auto& part : entry.value.entries) {
    if (part.key == "stages") {
      kind.stages = &part.value;
    } else if (part.key == "options") {
      if (!part.value.is_map()) {
        if (!part.value.told && !part.value.is_null())
          diagnostics_.error(part.value.place, fmt::format("expected a map of options, found {}", part.value.found()),
                             "options: {NAME: {type: text}}", path + ".options");
        continue;
      }
      for (const auto& option : part.value.entries) read_option(option, kind);
    } else if (part.key != "description") {
      diagnostics_.error(
          part.key_place, fmt::format("a kind has no key '{}'", part.key),
          did_you_mean(part.key, {"stages", "options", "description"}, "its keys are options, stages, description"),
          path + "." + part.key);
    }
  }
  const bool good = kind.stages && kind.stages->is_map() && !kind.stages->entries.empty();
  if (!good && !(kind.stages && kind.stages->told)) {
    diagnostics_.error(kind.place, fmt::format("the kind '{}' has no stages", kind.name),
                       "stages: {NAME: {KIND: …}} says what an instance of it does", path);
  }
  if (!good) kind.stages = nullptr;
  if (good) check_stages(kind);
  kinds_.push_back(std::move(kind));
}

void OwnKinds::check_stages(const Kind& kind) {
  for (const auto& entry : kind.stages->entries) {
    const std::string path = fmt::format("kinds.{}.stages.{}", kind.name, entry.key);
    check_name(entry.key, entry.key_place, "a stage", path, diagnostics_);
    if (entry.value.is_map() || entry.value.told) continue;
    diagnostics_.error(entry.key_place,
                       fmt::format("expected the stage '{}' as a map, found {}", entry.key, entry.value.found()), "",
                       path);
  }
}

void OwnKinds::read_option(const Node::Entry& entry, Kind& kind) {
  const std::string path = fmt::format("kinds.{}.options.{}", kind.name, entry.key);
  check_name(entry.key, entry.key_place, "an option", path, diagnostics_);
  Option option;
  option.name = entry.key;
  if (!entry.value.is_map()) {
    if (!entry.value.told)
      diagnostics_.error(entry.value.is_null() ? entry.key_place : entry.value.place,
                         fmt::format("expected an option as a map, found {}", entry.value.found()),
                         "such as {type: text} or {type: duration, default: 800ms}", path);
    kind.options.push_back(std::move(option));
    return;
  }
  for (const auto& part : entry.value.entries) {
    if (part.key == "type" || part.key == "default" || part.key == "description") continue;
    diagnostics_.error(
        part.key_place, fmt::format("an option has no key '{}'", part.key),
        did_you_mean(part.key, {"type", "default", "description"}, "its keys are type, default, description"), path);
  }
  option.type = word(entry.value, "type");
  option.fallback = entry.value.find("default");
  if (!type_named(option.type)) {
    const auto known = option_types();
    const Node* node = entry.value.find("type");
    const std::string one = "one of " + listed(known);
    diagnostics_.error(
        node ? node->place : entry.key_place,
        option.type.empty() ? "an option says its type" : fmt::format("there is no type '{}'", option.type),
        option.type.empty() ? one : other_name(option.type).value_or(did_you_mean(option.type, known, one)),
        path + ".type");
    option.type.clear();
  } else if (option.fallback && option.fallback->text.find("${") == std::string::npos) {  // That is filled in later.
    const Scope scope;
    Reader reader(diagnostics_, scope, path + ".default");
    type_named(option.type)->reads(*option.fallback, reader);
  }
  kind.options.push_back(std::move(option));
}

const OwnKinds::Kind* OwnKinds::find(std::string_view name) const {
  const auto found = std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& kind) { return kind.name == name; });
  return found == kinds_.end() ? nullptr : &*found;
}

Node OwnKinds::given(const Kind& kind, const Node::Entry& use, const Scope& scope, const std::string& path) {
  Node given;
  given.kind = Node::Kind::map;
  given.place = use.value.place;
  if (!use.value.is_map() && !use.value.is_null()) {
    if (!use.value.told)
      diagnostics_.error(
          use.value.place, fmt::format("expected the options of '{}', found {}", kind.name, use.value.found()),
          kind.options.empty() ? "it has none: {}" : "such as {" + kind.options.front().name + ": …}", path);
    return given;
  }
  std::vector<std::string> known;
  for (const auto& option : kind.options) known.push_back(option.name);
  for (const auto& entry : use.value.entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    diagnostics_.error(entry.key_place, fmt::format("'{}' has no option '{}'", kind.name, entry.key),
                       did_you_mean(entry.key, known, known.empty() ? "it has none" : "it has " + listed(known)),
                       path + "." + entry.key);
  }
  for (const auto& option : kind.options) {
    const auto* written = use.value.entry(option.name);
    const Node* value = written ? &written->value : option.fallback;
    if (!value) {
      diagnostics_.error(use.key_place, fmt::format("'{}' needs the option '{}'", kind.name, option.name),
                         option.type.empty() ? "" : fmt::format("it is a {}", option.type), path);
      continue;
    }
    if (written && !option.type.empty()) {
      Reader reader(diagnostics_, scope, path + "." + option.name);
      if (scope.guesses(*value)) {
        // Of what it stands for nobody knows what it is.
      } else if (option.type == "lua") {
        type_named(option.type)->reads(*value, reader);
      } else if (const auto filled = scope.fill(*value, false, diagnostics_, reader.path)) {
        type_named(option.type)->reads(*filled, reader);
      }
    }
    Node::Entry entry;
    entry.key = option.name;
    entry.key_place = written ? written->key_place : kind.place;
    entry.value = *value;
    given.entries.push_back(std::move(entry));
  }
  return given;
}

void OwnKinds::add(const std::string& name, const Place& place, const Node& body, const Scope& scope,
                   const std::string& inside, Pipeline& pipeline) {
  const Node::Entry* use = nullptr;
  for (const auto& entry : body.entries) {
    if (!use && find(entry.key)) use = &entry;
  }
  if (!use) {
    StageNode stage{name, place, body};
    stage.scope = scope;
    stage.inside = inside;
    pipeline.stages.push_back(std::move(stage));
    return;
  }
  const Kind& kind = *find(use->key);
  // Kinds of kinds multiply: thirty of two stages each would be a thousand million.
  if (pipeline.instances.size() + pipeline.stages.size() >= stages_most) {
    if (!std::exchange(told_too_many_, true)) {
      diagnostics_.error(use->key_place, fmt::format("the kinds make more than {} stages of this file", stages_most),
                         "a kind that uses others twice doubles what they make", "stages." + name);
    }
    return;
  }
  const std::string path = "stages." + name;
  for (const auto& entry : body.entries) {
    if (&entry == use) continue;
    if (std::find(instance_keys.begin(), instance_keys.end(), entry.key) != instance_keys.end()) continue;
    diagnostics_.error(entry.key_place,
                       fmt::format("'{}' can't be said of '{}', which is made of stages", entry.key, kind.name),
                       fmt::format("say it of a stage in kinds.{}", kind.name), path + "." + entry.key);
  }
  if (std::find(open_.begin(), open_.end(), kind.name) != open_.end()) {
    diagnostics_.error(use->key_place, fmt::format("the kind '{}' is made of itself", kind.name), "", path);
    return;
  }
  Instance instance;
  instance.name = name;
  instance.place = place;
  instance.kind = kind.name;
  instance.inside = inside;
  if (const Node* from = body.find("from")) instance.from = *from;
  const auto before = diagnostics_.error_count();
  const Node options = given(kind, *use, scope, path + "." + kind.name);
  pipeline.instances.push_back(std::move(instance));
  if (!kind.stages || diagnostics_.error_count() > before) return;
  add_inside(kind, name, options, scope.with_options(options), pipeline);
}

void OwnKinds::add_inside(const Kind& kind, const std::string& name, const Node& options, const Scope& within,
                          Pipeline& pipeline) {
  open_.push_back(kind.name);
  for (const auto& entry : kind.stages->entries) {
    if (!entry.value.is_map()) {  // Told where the kind was read.
      pipeline.refused.push_back(name + "/" + entry.key);
      continue;
    }
    Node body_inside = entry.value;
    for (const auto& option : kind.options) {
      if (option.type == "lua" && options.find(option.name)) {
        put_in_code(body_inside, option.name, *options.find(option.name));
      }
    }
    add(name + "/" + entry.key, entry.key_place, body_inside, within, name, pipeline);
  }
  open_.pop_back();
}

std::vector<Pipeline> OwnKinds::unused(const Pipeline& pipeline) {
  std::vector<Pipeline> all;
  for (const auto& kind : kinds_) {
    const bool used = std::any_of(pipeline.instances.begin(), pipeline.instances.end(),
                                  [&](const Instance& instance) { return instance.kind == kind.name; });
    if (used || !kind.stages) continue;
    Node options;
    options.kind = Node::Kind::map;
    std::set<std::string> guessed;
    for (const auto& option : kind.options) {
      const auto* type = type_named(option.type);
      Node::Entry entry;
      entry.key = option.name;
      entry.key_place = kind.place;
      entry.value = option.fallback ? *option.fallback : guess_of(option.name, type ? *type : types[0], kind.place);
      if (!option.fallback) guessed.insert(option.name);
      options.entries.push_back(std::move(entry));
    }
    Pipeline& alone = all.emplace_back(pipeline);
    alone.stages.clear();
    alone.instances.clear();
    alone.own_kinds.clear();
    Instance instance;
    instance.name = kind.name;
    instance.place = kind.place;
    instance.kind = kind.name;
    instance.reads_unknown = true;
    alone.instances.push_back(std::move(instance));
    // Who includes it may use a part of it alone, and then has what that part needs.
    if (kind.place.source != pipeline.source) alone.scope = pipeline.scope.opened();
    add_inside(kind, kind.name, options, alone.scope.with_options(options, std::move(guessed)), alone);
  }
  return all;
}

}  // namespace weir::config
