#include "engine/config/scope.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

#include <fmt/format.h>

#include "engine/config/advice.hpp"
#include "engine/config/reader.hpp"

namespace weir::config {

namespace {

constexpr std::size_t secret_bytes_max = 65536;

/// What a secret's file holds; where it can't be, why. Never waits for a FIFO's writer, never reads without an end.
std::optional<std::string> read_secret(const std::string& path, std::string& why) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) {
    why = std::strerror(errno);
    return std::nullopt;
  }
  ::fcntl(file, F_SETFL, 0);  // A pipe that somebody writes to is as good as a file.
  std::string text;
  std::array<char, 4096> piece;
  ssize_t count = 0;
  while (text.size() <= secret_bytes_max) {
    count = ::read(file, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(count));
  }
  if (count < 0) why = std::strerror(errno);
  ::close(file);
  if (count < 0) return std::nullopt;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) why = "it is empty";
  if (text.size() > secret_bytes_max) why = "it is larger than 64 KiB";
  return why.empty() ? std::optional<std::string>(std::move(text)) : std::nullopt;
}

bool is_lower(char c) { return (c >= 'a' && c <= 'z') || c == '_'; }
bool is_upper(char c) { return (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Text that is put in is never looked at again: its braces are written as plain ones.
std::string as_plain(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && text[i + 1] == '{' && (text[i] == '{' || text[i] == '$')) {
      out += '\\';
      out += text[i];
      out += '{';
      ++i;
      continue;
    }
    out += text[i];
  }
  return out;
}

/// `${…}` taken apart.
struct Name {
  enum class Kind { name, environment, secret };
  Kind kind = Kind::name;
  std::string name;
  bool has_default = false;
  std::string fallback;  ///< After `:-`.
  bool has_message = false;
  std::string message;  ///< After `:?`.
};

std::optional<Name> parse_name(std::string_view inside) {
  Name name;
  if (inside.starts_with("secret.")) {
    name.kind = Name::Kind::secret;
    name.name = inside.substr(7);
    for (const char c : name.name)
      if (!is_lower(c) && !is_digit(c)) return std::nullopt;
    return name.name.empty() ? std::nullopt : std::optional(name);
  }
  std::size_t end = 0;
  if (!inside.empty() && inside[0] >= 'a' && inside[0] <= 'z') {
    while (end < inside.size() && (is_lower(inside[end]) || is_digit(inside[end]))) ++end;
    name.name = inside.substr(0, end);
    return end == inside.size() ? std::optional(name) : std::nullopt;
  }
  while (end < inside.size() && (is_upper(inside[end]) || (end > 0 && is_digit(inside[end])))) ++end;
  if (end == 0) return std::nullopt;
  name.kind = Name::Kind::environment;
  name.name = inside.substr(0, end);
  const std::string_view rest = inside.substr(end);
  if (rest.starts_with(":-")) {
    name.has_default = true;
    name.fallback = rest.substr(2);
  } else if (rest.starts_with(":?")) {
    name.has_message = true;
    name.message = rest.substr(2);
  } else if (!rest.empty()) {
    return std::nullopt;
  }
  return name;
}

/// The `}` that ends a `${` whose inside begins at `start`; npos if there is none. A default may hold braces of its
/// own.
std::size_t name_end(std::string_view text, std::size_t start) {
  int depth = 0;
  for (std::size_t i = start; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && depth-- == 0) return i;
  }
  return std::string_view::npos;
}

/// Past a `{{ }}` that begins at `start`; only just past its braces where it never ends (that is told when it is read).
std::size_t past_template(std::string_view text, std::size_t start) {
  char quote = 0;
  int depth = 0;
  for (std::size_t i = start + 2; i < text.size(); ++i) {
    const char c = text[i];
    if (quote) {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && depth-- == 0) {
      return i + 2;
    }
  }
  return start + 2;
}

}  // namespace

struct Scope::Content {
  Environment environment;
  bool testing = false;
  bool open = false;
  std::map<std::string, std::string> secrets;  ///< Name and file.
  /// Those that were read, by file: each is read once. Shared by all scopes that come of one.
  std::shared_ptr<std::map<std::string, std::string>> read = std::make_shared<std::map<std::string, std::string>>();
  Node own;                              ///< The names of this scope: a map.
  bool options = false;                  ///< They were written outside of this scope.
  std::set<std::string> guessed;         ///< Of the options, those that nobody has said.
  std::shared_ptr<const Content> outer;  ///< Where the texts in `own` look further.

  const Node* find(const std::string& name, const Content*& where) const {
    for (const Content* scope = this; scope; scope = scope->outer.get())
      if (const Node* found = scope->own.find(name)) {
        where = scope;
        return found;
      }
    return nullptr;
  }

  /// Whether what stands in `${…}` and is not known here may be known to who includes the file.
  bool may_be_known(const std::string& inside) const {
    const auto name = open ? parse_name(inside) : std::nullopt;
    if (!name || name->kind == Name::Kind::environment) return false;
    return name->kind == Name::Kind::name || !secrets.contains(name->name);
  }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const Content* scope = this; scope; scope = scope->outer.get())
      for (const auto& entry : scope->own.entries) all.push_back(entry.key);
    return all;
  }
};

namespace {

/// Calls back with what stands in each `${…}` of the text.
template <class Visit>
void each_name(const Node& node, Visit visit) {
  if (node.loose) return;
  const std::string& text = node.text;
  for (std::size_t i = text.find("${"); i != std::string::npos; i = text.find("${", i + 2)) {
    const std::size_t end = name_end(text, i + 2);
    if (end != std::string::npos) visit(text.substr(i + 2, end - i - 2));
  }
}

/// Whether the node is made of a guess, in this scope. `seen`: values that were looked into, so that a ring of vars
/// ends.
template <class Content>
bool guesses_in(const Content& scope, const Node& node, std::set<const Node*>& seen) {
  bool found = false;
  each_name(node, [&](const std::string& name) {
    const Content* where = nullptr;
    const Node* value = scope.find(name, where);
    if (!value) {
      found = found || scope.may_be_known(name);
    } else if (seen.insert(value).second) {
      const Content& written_in = where->options ? *where->outer : *where;
      found = found || where->guessed.contains(name) || guesses_in(written_in, *value, seen);
    }
  });
  const auto below = [&](const Node& part) { return guesses_in(scope, part, seen); };
  return found || std::any_of(node.items.begin(), node.items.end(), below) ||
         std::any_of(node.entries.begin(), node.entries.end(), [&](const auto& entry) { return below(entry.value); });
}

bool any_unset(const Node& node) {
  return node.unset || std::any_of(node.items.begin(), node.items.end(), any_unset) ||
         std::any_of(node.entries.begin(), node.entries.end(),
                     [](const auto& entry) { return any_unset(entry.value); });
}

constexpr std::size_t text_bytes_most = 1024 * 1024;
constexpr std::size_t names_most = 100'000;

/// One filling. Keeps the names that are being filled in, so that a ring of vars ends, and counts them, so that vars
/// made of vars do not grow without end.
template <class Content>
class Filling {
 public:
  Filling(bool secret_ok, Diagnostics& diagnostics, const std::string& path)
      : secret_ok_(secret_ok), diagnostics_(diagnostics), path_(path) {}

  std::optional<Node> fill(const Content& scope, const Node& node) {
    switch (node.kind) {
      case Node::Kind::null:
        return node;
      case Node::Kind::scalar:
        return fill_text(scope, node);
      case Node::Kind::list: {
        Node filled = node;
        bool good = true;
        for (auto& item : filled.items)
          if (auto done = fill(scope, item))
            item = std::move(*done);
          else
            good = false;
        return good ? std::optional(std::move(filled)) : std::nullopt;
      }
      case Node::Kind::map: {
        Node filled = node;
        bool good = true;
        for (auto& entry : filled.entries)
          if (auto done = fill(scope, entry.value))
            entry.value = std::move(*done);
          else
            good = false;
        return good ? std::optional(std::move(filled)) : std::nullopt;
      }
    }
    return node;
  }

 private:
  std::optional<Node> fill_text(const Content& scope, const Node& node) {
    const std::string& text = node.text;
    if (node.loose || text.find("${") == std::string::npos) return node;
    Node filled = node;
    filled.text.clear();
    for (std::size_t i = 0; i < text.size();) {
      if (text[i] == '\\' && (text.compare(i + 1, 2, "${") == 0 || text.compare(i + 1, 2, "{{") == 0)) {
        filled.text.append(text, i, 3);
        i += 3;
        continue;
      }
      if (text.compare(i, 2, "{{") == 0) {
        const std::size_t end = std::min(past_template(text, i), text.size());
        filled.text.append(text, i, end - i);
        i = end;
        continue;
      }
      if (text.compare(i, 2, "${") != 0) {
        filled.text += text[i++];
        continue;
      }
      const std::size_t end = name_end(text, i + 2);
      if (end == std::string::npos) {
        error(node, "`${` without `}`", "a dollar and a brace that are meant as such are written \\${");
        return std::nullopt;
      }
      const std::string inside = text.substr(i + 2, end - i - 2);
      const bool lone = i == 0 && end + 1 == text.size();
      auto put = resolve(scope, node, inside);
      if (!put) return std::nullopt;
      if (lone) return put;
      if (!put->is_scalar()) {
        error(node, fmt::format("`${{{}}}` is {} and stands inside a text", inside, put->found()),
              "alone in its quotes it keeps its type");
        return std::nullopt;
      }
      filled.text += put->text;
      filled.plain = false;
      filled.unset |= put->unset;
      i = end + 1;
      if (filled.text.size() > text_bytes_most) {
        error(node, fmt::format("what is filled in makes it longer than {} KiB", text_bytes_most / 1024),
              "a var made of vars grows by each");
        return std::nullopt;
      }
    }
    return filled;
  }

  std::optional<Node> resolve(const Content& scope, const Node& node, const std::string& inside) {
    if (++names_ > names_most) {
      if (names_ == names_most + 1) {
        error(node, fmt::format("more than {} names would be filled in here", names_most),
              "a var made of vars grows by each");
      }
      return std::nullopt;
    }
    const auto name = parse_name(inside);
    if (!name) {
      error(node, fmt::format("`${{{}}}` names nothing", inside),
            inside.find('.') != std::string::npos || inside.find('[') != std::string::npos
                ? "a var is named whole, such as ${host}; its parts are at hand in Lua: vars.a.b"
                : "it is ${var}, ${ENVIRONMENT}, ${ENVIRONMENT:-default}, ${ENVIRONMENT:?message} or ${secret.name}");
      return std::nullopt;
    }
    switch (name->kind) {
      case Name::Kind::secret:
        return secret(scope, node, name->name);
      case Name::Kind::environment:
        return environment(scope, node, *name);
      case Name::Kind::name:
        break;
    }
    const Content* where = nullptr;
    const Node* found = scope.find(name->name, where);
    if (!found && scope.may_be_known(inside)) return literal(node, inside);
    if (!found) {
      const auto known = scope.names();
      const std::string near = nearest(name->name, known);
      error(node, fmt::format("no var is called '{}'", name->name),
            !near.empty()   ? fmt::format("did you mean '${{{}}}'?", near)
            : known.empty() ? fmt::format("write it under vars:, or in capitals for the environment")
                            : fmt::format("known are {}", listed(known)));
      return std::nullopt;
    }
    if (!open_.insert(found).second) {
      error(node, fmt::format("the var '{}' is made of itself", name->name), "");
      return std::nullopt;
    }
    auto filled = fill(where->options ? *where->outer : *where, *found);
    open_.erase(found);
    if (filled) mark(*filled, node.place);
    return filled;
  }

  std::optional<Node> environment(const Content& scope, const Node& node, const Name& name) {
    std::optional<std::string> value;
    if (scope.environment) value = scope.environment(name.name);
    if (!value || (value->empty() && (name.has_default || name.has_message))) {
      if (name.has_default)
        value = name.fallback;
      else if (scope.testing && !value)
        return unset(node, name.name);
      else if (!value || name.has_message) {
        error(node,
              name.has_message && !name.message.empty() ? fmt::format("${{{}}}: {}", name.name, name.message)
                                                        : fmt::format("the environment has no {}", name.name),
              fmt::format("set it, or give a default: ${{{}:-default}}", name.name));
        return std::nullopt;
      }
    }
    return literal(node, *value);
  }

  std::optional<Node> secret(const Content& scope, const Node& node, const std::string& name) {
    const auto found = scope.secrets.find(name);
    const bool guess = found == scope.secrets.end() && (scope.testing || scope.open);
    if (found == scope.secrets.end() && !guess) {
      std::vector<std::string> known;
      for (const auto& [key, file] : scope.secrets) known.push_back(key);
      const std::string near = nearest(name, known);
      error(node, fmt::format("no secret is called '{}'", name),
            near.empty() ? fmt::format("write it under secrets: {{{}: {{file: PATH}}}}", name)
                         : fmt::format("did you mean '${{secret.{}}}'?", near));
      return std::nullopt;
    }
    if (!secret_ok_) {
      error(node, "a secret may not stand here", std::string(where_secrets_stand));
      return std::nullopt;
    }
    if (scope.testing || guess) return unset(node, name);
    const std::string& path = found->second;
    if (path.empty()) return std::nullopt;  // Told where it stands.
    if (const auto known = scope.read->find(path); known != scope.read->end()) {
      diagnostics_.redact(known->second);
      return literal(node, known->second);
    }
    std::string why;
    auto value = read_secret(path, why);
    if (!value) {
      error(node, fmt::format("the secret '{}' cannot be read from {}: {}", name, path, why),
            "it is a file of at most 64 KiB that holds the secret and nothing else");
      return std::nullopt;
    }
    diagnostics_.redact(*value);
    return literal(node, scope.read->emplace(path, std::move(*value)).first->second);
  }

  static Node unset(const Node& node, const std::string& name) {
    Node made = literal(node, name);
    made.unset = true;
    return made;
  }

  static Node literal(const Node& node, const std::string& value) {
    Node made;
    made.kind = Node::Kind::scalar;
    made.text = as_plain(value);
    made.loose = true;
    made.place = node.place;
    return made;
  }

  static void mark(Node& node, const Place& user) {
    if (node.place.line != user.line || node.place.source != user.source) {
      node.place.used_source = user.source;
      node.place.used_line = user.line;
      node.place.used_column = user.column;
    }
    for (auto& item : node.items) mark(item, user);
    for (auto& entry : node.entries) mark(entry.value, user);
  }

  void error(const Node& node, std::string what, std::string hint) {
    diagnostics_.error(node.place, std::move(what), std::move(hint), path_);
  }

  bool secret_ok_;
  std::size_t names_ = 0;
  Diagnostics& diagnostics_;
  const std::string& path_;
  std::set<const Node*> open_;
};

}  // namespace

std::optional<std::string> Scope::process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value ? std::optional<std::string>(value) : std::nullopt;
}

Scope::Scope(Environment environment) {
  auto content = std::make_shared<Content>();
  content->environment = std::move(environment);
  content->own.kind = Node::Kind::map;
  content_ = std::move(content);
}

Scope Scope::with_vars(const Node& names) const { return with(names, false, {}); }
Scope Scope::with_options(const Node& names, std::set<std::string> guessed) const {
  return with(names, true, std::move(guessed));
}

Scope Scope::with(const Node& names, bool options, std::set<std::string> guessed) const {
  auto content = std::make_shared<Content>(*content_);
  content->own = names;
  content->options = options;
  content->guessed = std::move(guessed);
  content->outer = content_;
  Scope scope;
  scope.content_ = std::move(content);
  return scope;
}

Scope Scope::with_secret(const std::string& name, const std::string& file) const {
  auto content = std::make_shared<Content>(*content_);
  content->secrets[name] = file;
  Scope scope;
  scope.content_ = std::move(content);
  return scope;
}

Scope Scope::for_tests() const {
  return changed([](Content& content) { content.testing = true; });
}

Scope Scope::opened() const {
  return changed([](Content& content) { content.open = true; });
}

bool Scope::open() const { return content_->open; }

Scope Scope::changed(void (*change)(Content&)) const {
  auto content = std::make_shared<Content>(*content_);
  change(*content);
  for (auto* at = content.get(); at->outer;) {
    auto outer = std::make_shared<Content>(*at->outer);
    change(*outer);
    auto* next = outer.get();
    at->outer = std::move(outer);
    at = next;
  }
  Scope scope;
  scope.content_ = std::move(content);
  return scope;
}

std::optional<Node> Scope::fill(const Node& node, bool secret_ok, Diagnostics& diagnostics,
                                const std::string& path) const {
  return Filling<Content>(secret_ok, diagnostics, path).fill(*content_, node);
}

Map<Value> Scope::vars(Diagnostics& diagnostics) const {
  Reader reader(diagnostics, *this, "vars");
  Map<Value> all;
  for (const Content* scope = content_.get(); scope; scope = scope->outer.get()) {
    if (scope->options) continue;
    for (const auto& entry : scope->own.entries) {
      const Reader::Step step(reader, entry.key);
      const auto filled = Filling<Content>(false, diagnostics, reader.path).fill(*scope, entry.value);
      Value value;
      if (filled && read_value(*filled, reader, value)) all.emplace_back(entry.key, std::move(value));
    }
  }
  return all;
}

bool Scope::guesses(const Node& node) const {
  std::set<const Node*> seen;
  return (content_->options || content_->open) && guesses_in(*content_, node, seen);
}

bool Scope::is_option(std::string_view name) const {
  for (const Content* scope = content_.get(); scope; scope = scope->outer.get())
    if (scope->options && scope->own.find(name)) return true;
  return false;
}

bool Scope::is_unset(const std::string& var) const {
  const Content* where = nullptr;
  const Node* found = content_->testing ? content_->find(var, where) : nullptr;
  if (!found || where->options) return false;
  Diagnostics told;  // Where the vars were read.
  const auto filled = Filling<Content>(false, told, var).fill(*where, *found);
  return filled && any_unset(*filled);
}

std::vector<std::string> Scope::names() const { return content_->names(); }

std::vector<std::string> Scope::secrets_read() const {
  std::vector<std::string> values;
  for (const auto& [file, value] : *content_->read) values.push_back(value);
  return values;
}

}  // namespace weir::config
