#include "engine/config/spec.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "engine/config/advice.hpp"

namespace weir::config {

namespace {

std::string joined(const std::vector<std::string>& words, std::string_view last = ", ") {
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i)
    all += (i == 0 ? "" : i + 1 == words.size() ? std::string(last) : ", ") + words[i];
  return all;
}

std::string shown_bound(double bound, const std::string& type) {
  if (type.find("duration") != std::string::npos) return show(Duration(static_cast<std::int64_t>(bound * 1e9)));
  if (type.find("size") != std::string::npos) return show(Size{static_cast<std::uint64_t>(bound)});
  if (type.find("rate") != std::string::npos) return show(Rate{bound, std::chrono::seconds(1)});
  return show(bound);
}

std::string shown_check(const Check& check, const std::string& type) {
  switch (check.kind) {
    case Check::Kind::above:
      return "above " + shown_bound(check.bound, type);
    case Check::Kind::at_least:
      return "at least " + shown_bound(check.bound, type);
    case Check::Kind::at_most:
      return "at most " + shown_bound(check.bound, type);
    case Check::Kind::not_empty:
      return "not empty";
    case Check::Kind::not_named:
      return fmt::format("without the key {}", joined(check.names, " or "));
  }
  return {};
}

bool holds(const Check& check, double value) {
  switch (check.kind) {
    case Check::Kind::above:
      return value > check.bound;
    case Check::Kind::at_least:
      return value >= check.bound;
    case Check::Kind::at_most:
      return value <= check.bound;
    default:
      return true;
  }
}

/// A text that is nothing but one `${}` may stand for a whole map or list.
bool is_lone_name(const Node& node) {
  return node.is_scalar() && node.text.starts_with("${") && node.text.ends_with("}");
}

template <class T>
std::shared_ptr<const detail::TypeOps> make_leaf(std::string type,
                                                 std::function<std::optional<double>(const void*)> measure = {}) {
  detail::TypeOps ops;
  ops.type = std::move(type);
  ops.raw = std::is_same_v<T, Lua>;
  ops.read = [](const Node& node, Reader& reader, const std::vector<Choice>& choices, void* out) {
    if (!read_value(node, reader, *static_cast<T*>(out))) return false;
    if constexpr (std::is_same_v<T, std::string>) {
      long long ignored = 0;
      if (!choices.empty()) return detail::read_choice(node, reader, choices, ignored);
    }
    return true;
  };
  ops.show = [](const void* value, const std::vector<Choice>&) { return show(*static_cast<const T*>(value)); };
  ops.measure = std::move(measure);
  return std::make_shared<const detail::TypeOps>(std::move(ops));
}

}  // namespace

Check above(double bound) { return {Check::Kind::above, bound, {}}; }
Check at_least(double bound) { return {Check::Kind::at_least, bound, {}}; }
Check at_most(double bound) { return {Check::Kind::at_most, bound, {}}; }
Check not_empty() { return {Check::Kind::not_empty, 0, {}}; }
Check not_named(std::vector<std::string> names) { return {Check::Kind::not_named, 0, std::move(names)}; }

Extra one_of(std::initializer_list<Choice> choices) {
  Extra extra;
  extra.choices = choices;
  return extra;
}
Extra or_later(const char* word) {
  Extra extra;
  extra.choices.emplace_back(word, std::int64_t{-1});
  extra.choices.back().later = true;
  return extra;
}
Extra or_word(const char* word, std::int64_t number) {
  Extra extra;
  extra.also.emplace_back(word, number);
  return extra;
}
Extra sample(std::string as_written) {
  Extra extra;
  extra.sample = std::move(as_written);
  return extra;
}
Extra statements() {
  Extra extra;
  extra.statements = true;
  return extra;
}

namespace detail {

template <>
std::shared_ptr<const TypeOps> leaf_ops<bool>() {
  static const auto ops = make_leaf<bool>("boolean");
  return ops;
}
template <>
std::shared_ptr<const TypeOps> leaf_ops<std::int64_t>() {
  static const auto ops = make_leaf<std::int64_t>("integer", [](const void* value) -> std::optional<double> {
    return static_cast<double>(*static_cast<const std::int64_t*>(value));
  });
  return ops;
}
template <>
std::shared_ptr<const TypeOps> leaf_ops<double>() {
  static const auto ops = make_leaf<double>(
      "number", [](const void* value) -> std::optional<double> { return *static_cast<const double*>(value); });
  return ops;
}
template <>
std::shared_ptr<const TypeOps> leaf_ops<std::string>() {
  static const auto ops = make_leaf<std::string>("text");
  return ops;
}
template <>
std::shared_ptr<const TypeOps> leaf_ops<Duration>() {
  static const auto ops = make_leaf<Duration>("duration", [](const void* value) -> std::optional<double> {
    return std::chrono::duration<double>(*static_cast<const Duration*>(value)).count();
  });
  return ops;
}
template <>
std::shared_ptr<const TypeOps> leaf_ops<Size>() {
  static const auto ops = make_leaf<Size>("size", [](const void* value) -> std::optional<double> {
    return static_cast<double>(static_cast<const Size*>(value)->bytes);
  });
  return ops;
}
template <>
std::shared_ptr<const TypeOps> leaf_ops<Rate>() {
  static const auto ops = make_leaf<Rate>(
      "rate", [](const void* value) -> std::optional<double> { return static_cast<const Rate*>(value)->per_s(); });
  return ops;
}
template <>
std::shared_ptr<const TypeOps> leaf_ops<IntegerRange>() {
  static const auto ops = make_leaf<IntegerRange>("integer range");
  return ops;
}
template <>
std::shared_ptr<const TypeOps> leaf_ops<DurationRange>() {
  static const auto ops = make_leaf<DurationRange>("duration range");
  return ops;
}
template <>
std::shared_ptr<const TypeOps> leaf_ops<Path>() {
  static const auto ops = make_leaf<Path>("path");
  return ops;
}
template <>
std::shared_ptr<const TypeOps> leaf_ops<Lua>() {
  static const auto ops = make_leaf<Lua>("lua");
  return ops;
}
template <>
std::shared_ptr<const TypeOps> leaf_ops<Template>() {
  static const auto ops = make_leaf<Template>("template");
  return ops;
}
template <>
std::shared_ptr<const TypeOps> leaf_ops<Value>() {
  static const auto ops = make_leaf<Value>("value");
  return ops;
}

bool read_choice(const Node& node, Reader& reader, const std::vector<Choice>& choices, long long& out) {
  std::string word;
  // null, true and numbers are words too where a word is wanted.
  if (!read_value(node, reader, word)) return false;
  std::vector<std::string> words;
  for (const auto& choice : choices) {
    if (choice.word == word) {
      out = choice.value;
      if (choice.later && !node.told)
        reader.error(node.place, fmt::format("'{}' comes with a later version of weir", word));
      return !choice.later;
    }
    if (!choice.later) words.push_back(choice.word);
  }
  const std::string near = nearest(word, words);
  if (!node.told)
    reader.error(node.place, fmt::format("expected {}, found {}", joined(words, " or "), node.found()),
                 near.empty() ? "" : fmt::format("did you mean '{}'?", near));
  return false;
}

bool read_list(const Node& node, Reader& reader, const TypeOps& element, const std::vector<Choice>& choices,
               const std::function<void*()>& next) {
  if (!node.is_list()) {
    if (node.told) return false;
    std::string hint;
    if (node.is_map() && element.type == "map") hint = "a list of one is written `- …` below the key, or [{…}]";
    const bool plain = node.text.find_first_of("{}[],:#'\"\n") == std::string::npos;
    if (node.is_scalar()) hint = "a list stands in brackets" + (plain ? ": [" + node.text + "]" : std::string());
    const std::string of = element.type == "map" || element.type == "path" ? element.type + "s" : element.type;
    reader.error(node.place, fmt::format("expected a list of {}, found {}", of, node.found()), std::move(hint));
    return false;
  }
  bool good = true;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const Reader::Step step(reader, std::to_string(i));
    good &= element.read(node.items[i], reader, choices, next());
  }
  return good;
}

bool read_map(const Node& node, Reader& reader, const TypeOps& element, const std::vector<Choice>& choices,
              const std::function<void*(const std::string& key)>& next) {
  if (!node.is_map()) {
    if (!node.told) reader.error(node.place, fmt::format("expected a map of {}, found {}", element.type, node.found()));
    return false;
  }
  bool good = true;
  for (const auto& entry : node.entries) {
    const Reader::Step step(reader, entry.key);
    good &= check_key(entry, reader);
    good &= element.read(entry.value, reader, choices, next(entry.key));
  }
  return good;
}

bool told_of(const Node& node) {
  return node.told || std::any_of(node.items.begin(), node.items.end(), told_of) ||
         std::any_of(node.entries.begin(), node.entries.end(), [](const auto& entry) { return told_of(entry.value); });
}

}  // namespace detail

Place Written::place(const std::string& key) const {
  const Node* found = node_.find(key);
  return found ? found->place : node_.place;
}
void Written::error(const std::string& key, std::string what, std::string hint) {
  const Place where = place(key);
  if (!has(key)) return reader_.error(where, std::move(what), std::move(hint));
  const Reader::Step step(reader_, key);
  reader_.error(where, std::move(what), std::move(hint));
}
void Written::warning(const std::string& key, std::string what, std::string hint) {
  const Place where = place(key);
  if (!has(key)) return reader_.warning(where, std::move(what), std::move(hint));
  const Reader::Step step(reader_, key);
  reader_.warning(where, std::move(what), std::move(hint));
}

SpecCore::SpecCore(std::string name, std::string summary) : said_(std::make_shared<detail::Said>()) {
  said_->declaration.name = std::move(name);
  said_->declaration.summary = std::move(summary);
}

namespace {

FieldDeclaration describe(detail::Field& field, std::string key, std::string help, const std::vector<Extra>& extras) {
  FieldDeclaration declaration;
  declaration.type = field.ops->type;
  declaration.key = std::move(key);
  declaration.help = std::move(help);
  for (const auto& extra : extras) {
    for (const auto& choice : extra.choices) {
      field.choices.push_back(choice);
      if (!choice.later) declaration.choices.push_back(choice.word);
    }
    for (const auto& word : extra.also) {
      field.also.push_back(word);
      declaration.also.push_back(word.word);
    }
    for (const auto& check : extra.checks) {
      field.checks.push_back(check);
      const bool counted = declaration.type.ends_with("integer") || declaration.type.ends_with("number");
      const bool measured = declaration.type == "duration" || declaration.type == "size" || declaration.type == "rate";
      const bool lower = check.kind == Check::Kind::above || check.kind == Check::Kind::at_least;
      if (measured && lower && (check.kind == Check::Kind::above || check.bound > 0)) declaration.above = 0;
      if (counted) {
        if (check.kind == Check::Kind::above) declaration.above = check.bound;
        if (check.kind == Check::Kind::at_least) declaration.at_least = check.bound;
        if (check.kind == Check::Kind::at_most) declaration.at_most = check.bound;
      }
      declaration.not_empty |= check.kind == Check::Kind::not_empty;
      declaration.not_named.insert(declaration.not_named.end(), check.names.begin(), check.names.end());
      declaration.range += (declaration.range.empty() ? "" : ", ") + shown_check(check, declaration.type);
    }
    if (!extra.sample.empty()) declaration.sample = extra.sample;
    field.statements |= extra.statements;
  }
  declaration.fallback = field.fallback(field.choices);
  return declaration;
}

/// Takes back what is told while it lives, where that speaks of a guess.
class Unjudged {
 public:
  Unjudged(Reader& reader, bool guessed)
      : diagnostics_(reader.diagnostics), guessed_(guessed), told_(diagnostics_.all().size()) {}
  ~Unjudged() {
    if (guessed_) diagnostics_.forget_after(told_);
  }
  Unjudged(const Unjudged&) = delete;
  Unjudged& operator=(const Unjudged&) = delete;

 private:
  Diagnostics& diagnostics_;
  const bool guessed_;
  const std::size_t told_;
};

void read_field(const detail::Field& field, const FieldDeclaration& declaration, const Node& node, Reader& reader,
                void* config) {
  std::optional<Node> filled;
  if (!field.ops->raw || (!field.ops->type.ends_with("lua") && is_lone_name(node))) {
    filled = reader.scope.fill(node, declaration.secret_ok, reader.diagnostics, reader.path);
    if (!filled) return;
  } else {
    filled = node;
  }
  if (declaration.one_or_more && !filled->is_list() && !filled->is_null()) {
    Node list;
    list.kind = Node::Kind::list;
    list.place = filled->place;
    list.items.push_back(std::move(*filled));
    filled = std::move(list);
  }
  // Maps with keys of their own judge these for themselves.
  const bool filled_in = is_lone_name(node) || !(declaration.nested || field.ops->type.ends_with("lua"));
  const Unjudged unjudged(reader, filled_in && reader.scope.guesses(node));
  const std::size_t code_before = reader.code.size();
  void* member = field.member(config);
  for (const auto& check : field.checks)
    if (check.kind == Check::Kind::not_named)
      for (const auto& entry : filled->entries)
        if (std::find(check.names.begin(), check.names.end(), entry.key) != check.names.end())
          reader.error(entry.key_place, fmt::format("'{}' may not be a name here", entry.key), "weir uses it itself");
  for (const auto& word : field.also) {
    if (filled->is_scalar() && filled->text == word.word) {
      *static_cast<std::int64_t*>(member) = word.value;
      return;
    }
    if (filled->is_scalar() && !filled->text.empty() && std::isalpha(static_cast<unsigned char>(filled->text[0]))) {
      reader.error(filled->place, fmt::format("expected an integer or {}, found {}", word.word, filled->found()));
      return;
    }
  }
  if (!field.ops->read(*filled, reader, field.choices, member)) return;
  if (field.statements)
    for (std::size_t i = code_before; i < reader.code.size(); ++i)
      if (reader.code[i].what == CodeUse::What::expression) reader.code[i].what = CodeUse::What::block;

  for (const auto& check : field.checks) {
    const auto fail = [&](const Place& place, const std::string& found) {
      const std::string& type = field.element ? field.element->type : declaration.type;
      reader.error(place, fmt::format("expected {} {} {}, found {}", type[0] == 'i' ? "an" : "a", type,
                                      shown_check(check, declaration.type), found));
    };
    if (check.kind == Check::Kind::not_empty) {
      const bool empty = (filled->is_scalar() && filled->text.empty()) ||
                         (filled->is_list() && filled->items.empty()) ||
                         (filled->is_map() && filled->entries.empty()) || filled->is_null();
      if (empty)
        reader.error(filled->place,
                     fmt::format("'{}' is empty", declaration.key.empty() ? reader.path : declaration.key));
    } else if (field.ops->each && field.element && field.element->measure) {
      std::size_t index = 0;
      field.ops->each(member, [&](const void* value) {
        const auto size = field.element->measure(value);
        const Node& one = filled->is_list() && index < filled->items.size() ? filled->items[index] : *filled;
        if (size && !holds(check, *size)) fail(one.place, one.found());
        ++index;
      });
    } else if (field.ops->measure) {
      const auto size = field.ops->measure(member);
      if (size && !holds(check, *size)) fail(filled->place, filled->found());
    }
  }
}

}  // namespace

void SpecCore::add(detail::Field field, std::string key, std::string help, const std::vector<Extra>& extras) {
  Declaration& declaration = said_->declaration;
  if (declaration.shape == Declaration::Shape::scalar) declaration.shape = Declaration::Shape::scalar_or_fields;
  declaration.fields.push_back(describe(field, std::move(key), std::move(help), extras));
  said_->fields.push_back(std::move(field));
  said_->last_is_value = false;
}

void SpecCore::add_value(detail::Field field, Declaration::Shape shape, std::string help,
                         const std::vector<Extra>& extras) {
  Declaration& declaration = said_->declaration;
  declaration.value = describe(field, "", help.empty() ? declaration.summary : std::move(help), extras);
  declaration.value.fallback.clear();  // It is always written.
  declaration.shape =
      shape == Declaration::Shape::scalar && !said_->fields.empty() ? Declaration::Shape::scalar_or_fields : shape;
  said_->value = std::move(field);
  said_->last_is_value = true;
}

FieldDeclaration& SpecCore::last() {
  Declaration& declaration = said_->declaration;
  return said_->last_is_value || declaration.fields.empty() ? declaration.value : declaration.fields.back();
}

namespace {

bool holds(const Bond& bond, const Node& node) {
  return std::any_of(bond.keys.begin(), bond.keys.end(), [&](const std::string& key) {
    const Node* found = node.find(key);
    if (!found || bond.values.empty()) return found != nullptr;
    const bool known_later = found->text.find("${") != std::string::npos;
    return known_later || std::find(bond.values.begin(), bond.values.end(), found->text) != bond.values.end();
  });
}

/// What the keys of a map say of each other.
void check_bonds(const Declaration& declaration, const Node& node, Reader& reader) {
  const auto errors_before = reader.diagnostics.error_count();
  Written written(node, reader);
  for (const auto& field : declaration.fields) {
    if (!node.find(field.key)) continue;
    for (const auto& bond : field.needs) {
      if (holds(bond, node)) continue;
      const std::string with =
          joined(bond.keys, "` or `") + (bond.values.empty() ? "" : ": " + joined(bond.values, "` or `"));
      written.error(field.key, bond.what.empty() ? fmt::format("`{}` goes with `{}`", field.key, with) : bond.what,
                    bond.hint);
    }
    for (const auto& bond : field.excludes) {
      const auto other =
          std::find_if(bond.keys.begin(), bond.keys.end(), [&](const auto& key) { return node.find(key) != nullptr; });
      if (other == bond.keys.end()) continue;
      const bool own_words = !bond.what.empty();
      written.error(field.key,
                    own_words ? bond.what : fmt::format("`{}` and `{}` exclude each other", *other, field.key),
                    own_words ? bond.hint : "keep one of them");
    }
  }
  if (reader.diagnostics.error_count() > errors_before) return;
  for (const auto& bond : declaration.some_of) {
    if (!holds(bond, node)) written.error("", bond.what, bond.hint);
  }
}

}  // namespace

void SpecCore::read_into(const Node& written, Reader& reader, void* config,
                         const std::vector<std::string>& others) const {
  const auto& [declaration, fields, value, _] = *said_;
  const auto errors_before = reader.diagnostics.error_count();
  // As the user wrote it; of an element of a list, what it is.
  const std::string last_step = reader.path.substr(reader.path.rfind('.') + 1);
  const bool by_key = reader.subject.empty() && !last_step.empty() && !parse_integer(last_step);
  const std::string subject = reader.subject.empty() ? declaration.name : std::exchange(reader.subject, {});
  if (written.told && !written.is_map()) return;
  const bool value_shape =
      declaration.shape == Declaration::Shape::scalar || declaration.shape == Declaration::Shape::whole;
  if (value_shape) {
    if (written.is_null())
      return reader.error(written.place, fmt::format("'{}' needs a value", by_key ? last_step : subject),
                          declaration.value.help);
    return read_field(*value, declaration.value, written, reader, config);
  }
  std::optional<Node> filled;
  const Node* node = &written;
  const Unjudged unjudged(reader, is_lone_name(written) && reader.scope.guesses(written));
  const bool lua_value = value && value->ops->raw;
  if (is_lone_name(written) && !lua_value) {
    // What the fields hold is filled in by the fields themselves: they know where a secret may stand.
    filled = reader.scope.fill(written, false, reader.diagnostics, reader.path);
    if (!filled) return;
    node = &*filled;
  }
  if (declaration.shape == Declaration::Shape::scalar_or_fields && !node->is_map()) {
    if (node->is_null())
      return reader.error(node->place, fmt::format("'{}' needs a value", by_key ? last_step : subject),
                          declaration.value.help);
    return read_field(*value, declaration.value, *node, reader, config);
  }
  if (!node->is_map() && !node->is_null()) {
    const std::string key = last_step.empty() || parse_integer(last_step) ? declaration.name : last_step;
    std::string hint;
    if (!fields.empty() && node->is_scalar())
      hint = fmt::format("write {}: {{{}: {}}}", key, declaration.fields.front().key, node->text);
    // Who says `true` wants it as it is, where that is possible.
    const auto& declared = declaration.fields;
    const bool bare =
        node->plain && node->text == "true" &&
        std::none_of(declared.begin(), declared.end(), [](const auto& field) { return field.required || field.role; });
    if (fields.empty() || bare) hint = fmt::format("write {}: {{}}", key);
    return reader.error(node->place, fmt::format("expected a map of options for {}, found {}", subject, node->found()),
                        hint);
  }

  std::vector<std::string> known = declaration.keys();
  known.insert(known.end(), others.begin(), others.end());
  std::vector<std::string> roles;
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (declaration.fields[i].role && node->find(declaration.fields[i].key)) roles.push_back(declaration.fields[i].key);

  std::vector<std::string> meant;  // By keys that are misspelt: what is missing then has been told.
  const auto is_meant = [&meant](const std::string& key) {
    return std::find(meant.begin(), meant.end(), key) != meant.end();
  };
  for (const auto& entry : node->entries) {
    const auto at = std::find_if(declaration.fields.begin(), declaration.fields.end(),
                                 [&](const auto& field) { return field.key == entry.key; });
    if (at == declaration.fields.end() || at->any_name) {
      if (std::find(others.begin(), others.end(), entry.key) != others.end()) continue;
      const Reader::Step step(reader, entry.key);
      const auto named = std::find_if(declaration.fields.begin(), declaration.fields.end(),
                                      [](const auto& field) { return field.any_name; });
      const bool may_be_named = named != declaration.fields.end() &&
                                (entry.value.is_map() || named->nested->shape == Declaration::Shape::scalar_or_fields);
      if (may_be_named) {
        Node alone = *node;
        alone.entries = {entry};
        const auto& field = fields[static_cast<std::size_t>(named - declaration.fields.begin())];
        field.ops->read(alone, reader, field.choices, field.member(config));
        continue;
      }
      const std::string near = nearest(entry.key, known);
      if (!near.empty()) meant.push_back(near);
      const std::string all =
          known.empty() ? fmt::format("{} takes no options", subject) : fmt::format("its keys are {}", joined(known));
      reader.error(entry.key_place, fmt::format("{} has no key '{}'", subject, entry.key),
                   near.empty() ? all : fmt::format("did you mean '{}'? {}", near, all));
      continue;
    }
    const Reader::Step step(reader, entry.key);
    if (!at->only_with.empty() && !roles.empty() && std::none_of(roles.begin(), roles.end(), [&](const auto& role) {
          return std::find(at->only_with.begin(), at->only_with.end(), role) != at->only_with.end();
        }))
      reader.error(entry.key_place, fmt::format("'{}' goes with {}, not with {}", entry.key,
                                                joined(at->only_with, " or "), roles.front()));
    read_field(fields[static_cast<std::size_t>(at - declaration.fields.begin())], *at, entry.value, reader, config);
  }

  std::vector<std::string> all_roles;
  for (const auto& field : declaration.fields) {
    if (field.role) all_roles.push_back(field.key);
    if (field.required && !node->find(field.key) && !is_meant(field.key))
      reader.error(node->place, fmt::format("{} needs '{}'", subject, field.key), field.help);
  }
  if (!all_roles.empty() && roles.empty() && std::none_of(all_roles.begin(), all_roles.end(), is_meant))
    reader.error(node->place,
                 all_roles.size() == 1 ? fmt::format("{} needs '{}'", subject, all_roles[0])
                                       : fmt::format("{} needs one of {}", subject, joined(all_roles, " or ")),
                 declaration.examples.empty()
                     ? ""
                     : fmt::format("such as {}",
                                   declaration.examples.front().substr(0, declaration.examples.front().find('\n'))));
  if (roles.size() > 1) {
    const Node::Entry* second = nullptr;
    const Node::Entry* first = nullptr;
    for (const auto& entry : node->entries)
      if (std::find(roles.begin(), roles.end(), entry.key) != roles.end()) {
        if (!first)
          first = &entry;
        else if (!second)
          second = &entry;
      }
    reader.error(second->key_place,
                 fmt::format("{} takes one of {}, found '{}' and '{}'", subject, joined(all_roles, " or "), first->key,
                             second->key),
                 "a second stage does the other");
  }
  if (reader.diagnostics.error_count() == errors_before) check_bonds(declaration, *node, reader);
}

}  // namespace weir::config
