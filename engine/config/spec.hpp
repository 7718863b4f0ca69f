// The declaration of a kind by member pointers: written once, it reads the YAML, and describes itself.
#pragma once
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/config/declaration.hpp"
#include "engine/config/node.hpp"
#include "engine/config/reader.hpp"
#include "engine/config/values.hpp"

namespace weir::config {

/// What a field's value must be beside its type. Numbers; a duration counts in seconds, a size in bytes, a rate per
/// second. For a list or a map: of each element, but for not_empty() and not_named().
struct Check {
  enum class Kind { above, at_least, at_most, not_empty, not_named };
  Kind kind;
  double bound = 0;
  std::vector<std::string> names = {};
};
Check above(double bound);
Check at_least(double bound);
Check at_most(double bound);
Check not_empty();
Check not_named(std::vector<std::string> names);  ///< Keys that a map may not have.

/// A word and what it stands for. For a std::string field the word itself.
struct Choice {
  std::string word;
  long long value = 0;
  bool later = false;  ///< Refused by name: it comes with a later version.
  Choice(const char* only_word) : word(only_word) {}
  Choice(const char* with_word, std::int64_t number) : word(with_word), value(number) {}
  template <class E>
    requires std::is_enum_v<E>
  Choice(const char* with_word, E meaning) : word(with_word), value(static_cast<long long>(meaning)) {}
};

/// One more thing that is said of a field, after its help text.
struct Extra {
  std::vector<Choice> choices;
  std::vector<Check> checks;
  std::vector<Choice> also;
  std::string sample;
  bool statements = false;
  Extra(Check check) : checks{std::move(check)} {}
  Extra() = default;
};
Extra one_of(std::initializer_list<Choice> choices);
/// Beside `one_of`: a word that is refused by name, since it comes with a later version. No schema and no explanation
/// of the type offers it.
Extra or_later(const char* word);
/// Of an integer field: a word that may stand in the place of the number, and the number that it stands for, which no
/// check looks at.
Extra or_word(const char* word, std::int64_t number);
Extra sample(std::string as_written);  ///< For explain; without it one is made up from the type.
Extra statements();                    ///< Of a Lua field: a block of statements, not one expression.

namespace detail {

/// Whether a mistake was told about it, or about anything in it, before it came to be read: then it says nothing.
bool told_of(const Node& node);

/// How one C++ type is read and shown; the type itself is forgotten.
struct TypeOps {
  std::string type;
  bool raw = false;  ///< `${}` is not filled in before: bare Lua, and maps that fill in their own fields.
  bool list = false;
  bool map = false;
  std::function<bool(const Node&, Reader&, const std::vector<Choice>&, void* out)> read;
  std::function<std::string(const void*, const std::vector<Choice>&)> show;
  std::function<std::optional<double>(const void*)> measure;  ///< For the checks; null where none fits.
  std::function<void(const void*, const std::function<void(const void*)>&)> each;  ///< Elements, for the checks.
};

struct Field {
  std::shared_ptr<const TypeOps> ops;
  std::shared_ptr<const TypeOps> element;  ///< Of lists and maps.
  std::vector<Choice> choices, also;
  std::vector<Check> checks;
  bool statements = false;
  std::function<void*(void* config)> member;
  std::function<std::string(const std::vector<Choice>&)> fallback;  ///< The default value, shown.
};

/// What a spec says: each field, and how it is read.
struct Said {
  Declaration declaration;
  std::vector<Field> fields;   ///< As many as the declaration has, in its order.
  std::optional<Field> value;  ///< Where it has one.
  bool last_is_value = false;
};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::vector<std::pair<std::string, T>>> : std::true_type {};

/// bool, std::int64_t, double, std::string and the types of values.hpp; made in spec.cpp.
template <class T>
std::shared_ptr<const TypeOps> leaf_ops();

bool read_choice(const Node& node, Reader& reader, const std::vector<Choice>& choices, long long& out);
bool read_list(const Node& node, Reader& reader, const TypeOps& element, const std::vector<Choice>& choices,
               const std::function<void*()>& next);
bool read_map(const Node& node, Reader& reader, const TypeOps& element, const std::vector<Choice>& choices,
              const std::function<void*(const std::string& key)>& next);

template <class T>
std::shared_ptr<const TypeOps> ops_of() {
  if constexpr (std::is_enum_v<T>) {
    static const auto ops = [] {
      TypeOps made;
      made.type = "text";
      made.read = [](const Node& node, Reader& reader, const std::vector<Choice>& choices, void* out) {
        long long value = 0;
        if (!read_choice(node, reader, choices, value)) return false;
        *static_cast<T*>(out) = static_cast<T>(value);
        return true;
      };
      made.show = [](const void* value, const std::vector<Choice>& choices) {
        for (const auto& choice : choices)
          if (choice.value == static_cast<long long>(*static_cast<const T*>(value))) return choice.word;
        return std::string();
      };
      return std::make_shared<const TypeOps>(std::move(made));
    }();
    return ops;
  } else if constexpr (IsOptional<T>::value) {
    using Inner = typename T::value_type;
    static const auto ops = [] {
      const auto inner = ops_of<Inner>();
      TypeOps made = *inner;
      made.read = [inner](const Node& node, Reader& reader, const std::vector<Choice>& choices, void* out) {
        Inner value{};
        if (!inner->read(node, reader, choices, &value)) return false;
        *static_cast<T*>(out) = std::move(value);
        return true;
      };
      made.show = [inner](const void* value, const std::vector<Choice>& choices) {
        const auto& held = *static_cast<const T*>(value);
        return held ? inner->show(&*held, choices) : std::string();
      };
      if (inner->measure)
        made.measure = [inner](const void* value) -> std::optional<double> {
          const auto& held = *static_cast<const T*>(value);
          return held ? inner->measure(&*held) : std::nullopt;
        };
      if (inner->each)
        made.each = [inner](const void* value, const std::function<void(const void*)>& visit) {
          const auto& held = *static_cast<const T*>(value);
          if (held) inner->each(&*held, visit);
        };
      return std::make_shared<const TypeOps>(std::move(made));
    }();
    return ops;
  } else if constexpr (IsMap<T>::value) {
    using Inner = typename T::value_type::second_type;
    static const auto ops = [] {
      const auto inner = ops_of<Inner>();
      TypeOps made;
      made.type = "map of " + inner->type;
      made.raw = inner->raw;
      made.map = true;
      made.read = [inner](const Node& node, Reader& reader, const std::vector<Choice>& choices, void* out) {
        T values;
        const bool good = read_map(node, reader, *inner, choices, [&](const std::string& key) -> void* {
          return &values.emplace_back(key, Inner{}).second;
        });
        if (good) *static_cast<T*>(out) = std::move(values);
        return good;
      };
      made.show = [inner](const void* value, const std::vector<Choice>& choices) {
        std::string shown;
        for (const auto& [key, element] : *static_cast<const T*>(value))
          shown += (shown.empty() ? "{" : ", ") + key + ": " + inner->show(&element, choices);
        return shown.empty() ? shown : shown + "}";
      };
      made.each = [](const void* value, const std::function<void(const void*)>& visit) {
        for (const auto& entry : *static_cast<const T*>(value)) visit(&entry.second);
      };
      return std::make_shared<const TypeOps>(std::move(made));
    }();
    return ops;
  } else if constexpr (IsVector<T>::value) {
    using Inner = typename T::value_type;
    static const auto ops = [] {
      const auto inner = ops_of<Inner>();
      TypeOps made;
      made.type = "list of " + inner->type;
      made.raw = inner->raw;
      made.list = true;
      made.read = [inner](const Node& node, Reader& reader, const std::vector<Choice>& choices, void* out) {
        T values;
        const bool good =
            read_list(node, reader, *inner, choices, [&]() -> void* { return &values.emplace_back(Inner{}); });
        if (good) *static_cast<T*>(out) = std::move(values);
        return good;
      };
      made.show = [inner](const void* value, const std::vector<Choice>& choices) {
        std::string shown;
        for (const auto& element : *static_cast<const T*>(value))
          shown += (shown.empty() ? "[" : ", ") + inner->show(&element, choices);
        return shown.empty() ? shown : shown + "]";
      };
      made.each = [](const void* value, const std::function<void(const void*)>& visit) {
        for (const auto& element : *static_cast<const T*>(value)) visit(&element);
      };
      return std::make_shared<const TypeOps>(std::move(made));
    }();
    return ops;
  } else {
    return leaf_ops<T>();
  }
}

/// What the inner type of an optional, list or map is, for the checks of each element.
template <class T>
std::shared_ptr<const TypeOps> element_of() {
  if constexpr (IsOptional<T>::value)
    return element_of<typename T::value_type>();
  else if constexpr (IsMap<T>::value)
    return ops_of<typename T::value_type::second_type>();
  else if constexpr (IsVector<T>::value)
    return ops_of<typename T::value_type>();
  else
    return nullptr;
}

}  // namespace detail

/// For a spec's own verification: where its keys stand, and the way to complain.
class Written {
 public:
  Written(const Node& node, Reader& reader) : node_(node), reader_(reader) {}
  bool has(const std::string& key) const { return node_.find(key) != nullptr; }
  Place place(const std::string& key) const;  ///< Of the key's value; of the whole where it is not written.
  Place place() const { return node_.place; }
  void error(const std::string& key, std::string what, std::string hint = {});
  void warning(const std::string& key, std::string what, std::string hint = {});
  Reader& reader() { return reader_; }

 private:
  const Node& node_;
  Reader& reader_;
};

/// All of a Spec that does not depend on the type of the config. Written once, on a temporary, and only read from then
/// on: what is copied from it shares what it says.
class SpecCore {
 public:
  const std::string& name() const { return said_->declaration.name; }
  const Declaration& declaration() const { return said_->declaration; }
  std::shared_ptr<const Declaration> shared_declaration() const { return {said_, &said_->declaration}; }

 protected:
  SpecCore(std::string name, std::string summary);
  void add(detail::Field field, std::string key, std::string help, const std::vector<Extra>& extras);
  void add_value(detail::Field field, Declaration::Shape shape, std::string help, const std::vector<Extra>& extras);
  FieldDeclaration& last();
  /// Fills `config` from the node; keys in `others` belong to somebody else and are passed over.
  void read_into(const Node& node, Reader& reader, void* config, const std::vector<std::string>& others) const;

  std::shared_ptr<detail::Said> said_;
};

/// Declares a configuration struct. Default values are read off Config{} itself. Chain the calls on one temporary:
///   const auto spec = Spec<FileConfig>("file", "Reads or writes a file.")
///       .role("read", &FileConfig::read, "Path to read.")
///       .field("format", &FileConfig::format, "…", one_of({{"lines", Format::lines}}));
/// Members may be bool, std::int64_t, double, std::string, the types of values.hpp, an enum (with one_of), and
/// std::vector, Map and std::optional of these. An optional is set exactly if it is written.
template <class Config>
class Spec : public SpecCore {
 public:
  Spec(std::string name, std::string summary) : SpecCore(std::move(name), std::move(summary)) {}

  /// A key.
  template <class T, class... Extras>
  Spec&& field(std::string key, T Config::*member, std::string help, Extras... extras) && {
    add(bind(member), std::move(key), std::move(help), {Extra(std::move(extras))...});
    return std::move(*this);
  }
  /// A key that says what the kind does: one of all roles is written, and only one. Its member is best a std::optional.
  template <class T, class... Extras>
  Spec&& role(std::string key, T Config::*member, std::string help, Extras... extras) && {
    add(bind(member), std::move(key), std::move(help), {Extra(std::move(extras))...});
    last().role = true;
    return std::move(*this);
  }
  /// A map with keys of its own, read by another spec. The member is Sub or std::optional<Sub>.
  template <class M, class Sub>
  Spec&& group(std::string key, M Config::*member, const Spec<Sub>& sub, std::string help) && {
    add(bind_group(member, sub), std::move(key), std::move(help), {});
    last().nested = sub.shared_declaration();
    return std::move(*this);
  }
  /// Keys of the user's beside the others, each with such a map: `edge: {capacity: 10, orders: {capacity: 1}}`.
  /// `called` is what the documentation calls them.
  template <class Sub>
  Spec&& by_name(std::string called, Map<Sub> Config::*member, const Spec<Sub>& sub, std::string help) && {
    add(bind_by_name(member, sub), std::move(called), std::move(help), {});
    last().nested = sub.shared_declaration();
    last().any_name = true;
    return std::move(*this);
  }
  /// A list of such maps.
  template <class Sub>
  Spec&& list(std::string key, std::vector<Sub> Config::*member, const Spec<Sub>& sub, std::string help) && {
    add(bind_list(member, sub), std::move(key), std::move(help), {});
    last().nested = sub.shared_declaration();
    return std::move(*this);
  }

  /// Lists of such maps by names of the user's: `fake: {STAGE: [{…}]}`.
  template <class Sub>
  Spec&& lists(std::string key, Map<std::vector<Sub>> Config::*member, const Spec<Sub>& sub, std::string help) && {
    add(bind_lists(member, sub), std::move(key), std::move(help), {});
    last().nested = sub.shared_declaration();
    return std::move(*this);
  }

  /// The kind's value is this one thing: `where: msg.n > 1`. If there are fields as well, a map is read as those.
  template <class T, class... Extras>
  Spec&& scalar(T Config::*member, std::string help = {}, Extras... extras) && {
    add_value(bind(member), Declaration::Shape::scalar, std::move(help), {Extra(std::move(extras))...});
    return std::move(*this);
  }
  /// The kind's value is this map (or list), whatever its keys: `set: {new: text}`.
  template <class T, class... Extras>
  Spec&& whole(T Config::*member, std::string help = {}, Extras... extras) && {
    add_value(bind(member), Declaration::Shape::whole, std::move(help), {Extra(std::move(extras))...});
    return std::move(*this);
  }

  // Said of the field just declared.
  Spec&& required() && {
    last().required = true;
    last().fallback.clear();
    return std::move(*this);
  }
  Spec&& secret_ok() && {
    last().secret_ok = true;
    return std::move(*this);
  }
  Spec&& one_or_more() && {  ///< A list that may be written as its one element: `from: a`.
    last().one_or_more = true;
    return std::move(*this);
  }
  template <class... Roles>
  Spec&& only_with(Roles... roles) && {
    last().only_with = {std::string(roles)...};
    return std::move(*this);
  }

  /// One of these is written too.
  Spec&& needs(std::vector<std::string> keys, std::string what = {}, std::string hint = {}) && {
    last().needs.push_back({std::move(keys), {}, std::move(what), std::move(hint)});
    return std::move(*this);
  }
  /// This key is written too, with one of these values.
  Spec&& needs_value(std::string key, std::vector<std::string> values, std::string what = {},
                     std::string hint = {}) && {
    last().needs.push_back({{std::move(key)}, std::move(values), std::move(what), std::move(hint)});
    return std::move(*this);
  }
  /// None of these is.
  Spec&& excludes(std::vector<std::string> keys, std::string what = {}, std::string hint = {}) && {
    last().excludes.push_back({std::move(keys), {}, std::move(what), std::move(hint)});
    return std::move(*this);
  }
  // For the schema alone: whoever reads the value says what is wrong with it.
  Spec&& distinct() && {  ///< Nothing stands twice in the list.
    last().distinct = true;
    return std::move(*this);
  }
  Spec&& filled() && {  ///< The list is not empty.
    last().not_empty = true;
    return std::move(*this);
  }
  Spec&& share() && {  ///< The text is such as 80%.
    last().share = true;
    return std::move(*this);
  }
  Spec&& rate_or_name() && {
    last().rate_or_name = true;
    return std::move(*this);
  }
  Spec&& begins(std::string with) && {
    last().begins = std::move(with);
    return std::move(*this);
  }

  // Said of the whole.
  /// At least one of these keys is written.
  Spec&& some_of(std::vector<std::string> keys, std::string what, std::string hint = {}) && {
    said_->declaration.some_of.push_back({std::move(keys), {}, std::move(what), std::move(hint)});
    return std::move(*this);
  }
  Spec&& details(std::string text) && {
    said_->declaration.details = std::move(text);
    return std::move(*this);
  }
  /// `message`: what the first example can be tried on, as `{n: 1}`, where not any message will do.
  Spec&& example(std::string yaml, std::string message = {}) && {
    said_->declaration.examples.push_back(std::move(yaml));
    if (!message.empty()) said_->declaration.example_message = std::move(message);
    return std::move(*this);
  }
  /// Where the kind's value stands in the file.
  Spec&& place(Place Config::*member) && {
    place_ = member;
    return std::move(*this);
  }
  /// Runs when every field was read: for what two fields must say together.
  Spec&& verify(std::function<void(const Config&, Written&)> verify) && {
    verify_ = std::move(verify);
    return std::move(*this);
  }

  /// Every mistake goes to the reader; what could not be read keeps its default. `others`: keys of the same map that
  /// somebody else reads.
  Config read(const Node& node, Reader& reader, const std::vector<std::string>& others = {}) const {
    Config config{};
    const auto before = reader.diagnostics.error_count();
    if (place_) config.*place_ = node.place;
    read_into(node, reader, &config, others);
    if (verify_ && reader.diagnostics.error_count() == before && !detail::told_of(node) &&
        !reader.scope.guesses(node)) {
      Written written(node, reader);
      verify_(config, written);
    }
    return config;
  }

 private:
  template <class T>
  static detail::Field bind(T Config::*member) {
    return made(member, detail::ops_of<T>(), detail::element_of<T>());
  }
  template <class M, class Sub>
  static detail::Field bind_group(M Config::*member, const Spec<Sub>& sub) {
    detail::TypeOps ops;
    ops.type = "map";
    ops.raw = true;  // The sub-spec fills in its own fields.
    ops.read = [sub](const Node& node, Reader& reader, const std::vector<Choice>&, void* out) {
      *static_cast<M*>(out) = sub.read(node, reader);
      return true;
    };
    return made(member, std::make_shared<const detail::TypeOps>(std::move(ops)), nullptr);
  }
  /// Reads one of them, from a map of which it is the only key, and adds it.
  template <class Sub>
  static detail::Field bind_by_name(Map<Sub> Config::*member, const Spec<Sub>& sub) {
    detail::TypeOps ops;
    ops.type = "map";
    ops.raw = true;
    ops.read = [sub](const Node& node, Reader& reader, const std::vector<Choice>&, void* out) {
      const auto& entry = node.entries.front();
      auto value = sub.read(entry.value, reader);
      static_cast<Map<Sub>*>(out)->emplace_back(entry.key, std::move(value));
      return true;
    };
    return made(member, std::make_shared<const detail::TypeOps>(std::move(ops)), nullptr);
  }
  template <class Sub>
  static detail::Field bind_list(std::vector<Sub> Config::*member, const Spec<Sub>& sub) {
    return made(member, std::make_shared<const detail::TypeOps>(list_ops(sub)), nullptr);
  }
  template <class Sub>
  static detail::Field bind_lists(Map<std::vector<Sub>> Config::*member, const Spec<Sub>& sub) {
    const detail::TypeOps list = list_ops(sub);
    detail::TypeOps ops;
    ops.type = "map of lists of maps";
    ops.raw = true;
    ops.map = true;
    ops.read = [list](const Node& node, Reader& reader, const std::vector<Choice>& choices, void* out) {
      Map<std::vector<Sub>> values;
      const bool good = detail::read_map(node, reader, list, choices, [&](const std::string& key) -> void* {
        return &values.emplace_back(key, std::vector<Sub>()).second;
      });
      if (good) *static_cast<Map<std::vector<Sub>>*>(out) = std::move(values);
      return good;
    };
    return made(member, std::make_shared<const detail::TypeOps>(std::move(ops)), nullptr);
  }
  template <class Sub>
  static detail::TypeOps list_ops(const Spec<Sub>& sub) {
    detail::TypeOps one;
    one.type = "map";
    one.raw = true;
    one.read = [sub](const Node& node, Reader& reader, const std::vector<Choice>&, void* out) {
      *static_cast<Sub*>(out) = sub.read(node, reader);
      return true;
    };
    detail::TypeOps ops;
    ops.type = "list of maps";
    ops.raw = true;
    ops.list = true;
    ops.read = [one](const Node& node, Reader& reader, const std::vector<Choice>& choices, void* out) {
      std::vector<Sub> values;
      const bool good =
          detail::read_list(node, reader, one, choices, [&]() -> void* { return &values.emplace_back(); });
      if (good) *static_cast<std::vector<Sub>*>(out) = std::move(values);
      return good;
    };
    return ops;
  }
  template <class T>
  static detail::Field made(T Config::*member, std::shared_ptr<const detail::TypeOps> ops,
                            std::shared_ptr<const detail::TypeOps> element) {
    detail::Field field;
    field.member = [member](void* config) -> void* { return &(static_cast<Config*>(config)->*member); };
    field.fallback = [member, ops](const std::vector<Choice>& choices) {
      const Config defaults{};
      return ops->show ? ops->show(&(defaults.*member), choices) : std::string();
    };
    field.ops = std::move(ops);
    field.element = std::move(element);
    return field;
  }

  Place Config::*place_ = nullptr;
  std::function<void(const Config&, Written&)> verify_;
};

}  // namespace weir::config
