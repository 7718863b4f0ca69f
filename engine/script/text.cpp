#include "engine/script/text.hpp"

#include <algorithm>

#include "engine/message/json.hpp"
#include "engine/message/payload.hpp"
#include "engine/script/lua.hpp"
#include "engine/script/plain.hpp"
#include "engine/script/program.hpp"

namespace weir::script {
namespace {

using message::Done;
using message::Failure;
using message::Outcome;
using message::Reason;

/// One `{{ }}`, or the plain text between two.
struct Part {
  bool is_code = false;
  std::string text;  ///< Plain text, or the code.
  config::Place place;
  Program program;
  Plain plain;
};

/// What a part gave.
enum class Gave : std::uint8_t { value, nil, failure };

/// The same as append(), by Lua.
Gave run(const Part& part, const Names& names, bool as_json, std::string& out, Failure& failure) {
  State& state = part.program.state();
  if (!state.run(part.program.chunk(), names)) {
    failure = std::move(state.failure());
    return Gave::failure;
  }
  lua_State* lua = state.lua();
  Gave gave = Gave::value;
  switch (lua_type(lua, -1)) {
    case LUA_TNIL:
      gave = Gave::nil;
      break;
    case LUA_TSTRING: {
      std::size_t size;
      const char* text = lua_tolstring(lua, -1, &size);
      if (as_json) {
        message::append_quoted(out, {text, size});
      } else {
        out.append(text, size);
      }
      break;
    }
    case LUA_TBOOLEAN:
      out += lua_toboolean(lua, -1) ? "true" : "false";
      break;
    default:
      if (!state.write_top()) {
        failure = std::move(state.failure());
        return Gave::failure;
      }
      out += state.out();
  }
  state.finish(false);
  return gave;
}

/// What a value that stands in the payload gives; nothing where only Lua can tell.
std::optional<Gave> give(const Plain& plain, const message::Message& message, bool as_json, std::string& out) {
  if (plain.computes()) {
    if (plain.append(message, message::Look(message), as_json, out)) return Gave::value;
    return std::nullopt;
  }
  const auto found = look_up(message, message::Look(message), plain.path);
  if (found.is_nothing()) return Gave::nil;
  if (!found || (found.is_number() && !found.number())) return std::nullopt;
  if (found.is_string() && !as_json) {
    std::string scratch;
    const auto text = found.text(scratch);
    if (!text) return std::nullopt;
    out += *text;
  } else {
    out += found.json();
  }
  return Gave::value;
}

/// Appends what a value looks like inside a longer text, or as JSON. What is not plain is for Lua to say or to refuse.
Gave append(const Part& part, const Names& names, bool as_json, std::string& out, Failure& failure) {
  if (part.plain && names.message) {
    if (const auto gave = give(part.plain, *names.message, as_json, out)) return *gave;
  }
  return run(part, names, as_json, out, failure);
}

Failure nil_in_text(const Part& part) {
  Failure failure(Reason::missing, "there is nothing to fill in: '{{ " + part.text + " }}' is nil");
  failure.place = part.place.str();
  return failure;
}

}  // namespace

struct Text::Content {
  std::vector<Part> parts;
  std::string constant, constant_json;
  bool is_constant = false;
};

Text::Text() = default;
Text::Text(Text&&) noexcept = default;
Text& Text::operator=(Text&&) noexcept = default;
Text::~Text() = default;

std::optional<CompileError> Text::compile(Engine& engine, const config::Template& text, Setting setting) {
  auto content = std::make_unique<Content>();
  content->is_constant = text.constant();
  if (content->is_constant) {
    content->constant = text.text();
    message::append_quoted(content->constant_json, content->constant);
  }
  for (const auto& from : text.parts) {
    Part part;
    part.is_code = from.lua;
    part.text = from.text;
    part.place = from.place;
    if (from.lua) {
      if (auto error = part.program.compile(engine, from.text, Form::expression, from.place, setting)) return error;
      part.plain = Plain::of(tokens_of(part.text));
    }
    content->parts.push_back(std::move(part));
  }
  content_ = std::move(content);
  return std::nullopt;
}

bool Text::constant() const { return content_->is_constant; }
bool Text::lone() const { return content_->parts.size() == 1 && content_->parts[0].is_code; }
bool Text::native() const {
  const auto& parts = content_->parts;
  return std::all_of(parts.begin(), parts.end(), [](const Part& one) { return !one.is_code || one.plain; });
}
std::string_view Text::constant_text() const { return content_->constant; }

Done Text::fill(const Names& names, std::string& out, Escape escape) const {
  if (content_->is_constant) {
    out += content_->constant;
    return std::nullopt;
  }
  const std::size_t before = out.size();
  std::string value;
  Failure failure;
  for (const auto& part : content_->parts) {
    if (!part.is_code) {
      out += part.text;
      continue;
    }
    if (escape) value.clear();
    const Gave gave = append(part, names, false, escape ? value : out, failure);
    if (gave == Gave::nil) failure = nil_in_text(part);
    if (gave == Gave::value && escape) {
      if (auto refused = escape(value, out.size() == before, out)) {
        failure = std::move(*refused);
        if (failure.place.empty()) failure.place = part.place.str();
        out.resize(before);
        return failure;
      }
    }
    if (gave != Gave::value) {
      out.resize(before);
      return failure;
    }
  }
  return std::nullopt;
}

Outcome<std::string> Text::text(const Names& names) const {
  std::string out;
  if (auto failure = fill(names, out)) return std::move(*failure);
  return out;
}

Outcome<bool> Text::json(const Names& names, std::string& out) const {
  if (content_->is_constant) {
    out += content_->constant_json;
    return true;
  }
  Failure failure;
  if (lone()) {
    const std::size_t before = out.size();
    const Gave gave = append(content_->parts[0], names, true, out, failure);
    if (gave != Gave::failure) return gave == Gave::value;
    out.resize(before);
    return failure;
  }
  std::string text;
  if (auto failed = fill(names, text)) return std::move(*failed);
  message::append_quoted(out, text);
  return true;
}

// --- trees -----------------------------------------------------------------------------------------------------------

struct Tree::Content {
  /// One value: constant JSON, a text, or a container of such.
  struct Branch {
    enum class Kind : std::uint8_t { constant, text, list, map };
    Kind kind = Kind::constant;
    std::string json;
    Text text;
    std::vector<std::string> keys;  ///< Quoted, with their colon.
    std::vector<Branch> branches;
  };
  Branch root;

  static std::optional<CompileError> compile(Engine& engine, const config::Value& from, Setting setting, Branch& to) {
    if (from.constant()) {
      // Not from.json(): a template without `{{}}` may still have lost a backslash, and only Text knows that.
      write_constant(from, to.json);
      return std::nullopt;
    }
    if (from.kind == config::Value::Kind::text) {
      to.kind = Branch::Kind::text;
      return to.text.compile(engine, from.text, setting);
    }
    to.kind = from.kind == config::Value::Kind::list ? Branch::Kind::list : Branch::Kind::map;
    for (const auto& item : from.items) {
      if (auto error = compile(engine, item, setting, to.branches.emplace_back())) return error;
    }
    for (const auto& [name, field] : from.fields) {
      std::string key;
      message::append_quoted(key, name);
      to.keys.push_back(key + ":");
      if (auto error = compile(engine, field, setting, to.branches.emplace_back())) return error;
    }
    return std::nullopt;
  }

  static void write_constant(const config::Value& from, std::string& out) {
    switch (from.kind) {
      case config::Value::Kind::null:
        out += "null";
        break;
      case config::Value::Kind::boolean:
        out += from.boolean ? "true" : "false";
        break;
      case config::Value::Kind::number:
        out += from.number;
        break;
      case config::Value::Kind::text:
        message::append_quoted(out, from.text.text());
        break;
      case config::Value::Kind::list:
        out += '[';
        for (const auto& item : from.items) {
          if (&item != &from.items.front()) out += ',';
          write_constant(item, out);
        }
        out += ']';
        break;
      case config::Value::Kind::map:
        out += '{';
        for (const auto& field : from.fields) {
          if (&field != &from.fields.front()) out += ',';
          message::append_key(out, field.first);
          write_constant(field.second, out);
        }
        out += '}';
        break;
    }
  }

  static Outcome<bool> write(const Branch& branch, const Names& names, std::string& out) {
    if (branch.kind == Branch::Kind::constant) {
      out += branch.json;
      return true;
    }
    if (branch.kind == Branch::Kind::text) return branch.text.json(names, out);
    const bool is_map = branch.kind == Branch::Kind::map;
    out += is_map ? '{' : '[';
    bool first = true;
    for (std::size_t i = 0; i < branch.branches.size(); ++i) {
      const std::size_t before = out.size();
      if (!first) out += ',';
      if (is_map) out += branch.keys[i];
      auto wrote = write(branch.branches[i], names, out);
      if (!wrote) return wrote;
      if (!*wrote && is_map) {
        out.resize(before);
        continue;
      }
      if (!*wrote) out += "null";
      first = false;
    }
    out += is_map ? '}' : ']';
    return true;
  }
};

Tree::Tree() = default;
Tree::Tree(Tree&&) noexcept = default;
Tree& Tree::operator=(Tree&&) noexcept = default;
Tree::~Tree() = default;

std::optional<CompileError> Tree::compile(Engine& engine, const config::Value& tree, Setting setting) {
  auto content = std::make_unique<Content>();
  if (auto error = Content::compile(engine, tree, setting, content->root)) return error;
  content_ = std::move(content);
  return std::nullopt;
}

Outcome<bool> Tree::json(const Names& names, std::string& out) const {
  const std::size_t before = out.size();
  auto wrote = Content::write(content_->root, names, out);
  if (!wrote) out.resize(before);
  return wrote;
}

bool Tree::constant() const { return content_->root.kind == Content::Branch::Kind::constant; }
std::string_view Tree::constant_json() const { return content_->root.json; }

// --- fields ----------------------------------------------------------------------------------------------------------

struct Fields::Content {
  struct Field {
    std::string path;
    std::optional<message::MemberName> member;
    config::Place place;
    Tree tree;
  };
  std::vector<Field> fields;
  bool members = true;       // All of them are.
  mutable std::string json;  // Of all values, one after the other; and where each ends, or npos for nil.
  mutable std::vector<std::size_t> ends;
  mutable message::MemberEdits edits;

  /// Calls set(field, value) for each that has one, until it says no.
  template <class Set>
  bool each(Set set) const {
    std::size_t from = 0;
    for (std::size_t i = 0; i < ends.size(); ++i) {
      if (ends[i] == std::string::npos) continue;
      if (!set(fields[i], std::string_view(json).substr(from, ends[i] - from))) return false;
      from = ends[i];
    }
    return true;
  }
  bool set_members(const message::Message& message) const {
    if (!members || !edits.begin(message)) return false;
    if (!each([&](const Field& field, std::string_view value) { return edits.set(*field.member, value); }))
      return false;
    edits.apply(message);
    return true;
  }
};

Fields::Fields() = default;
Fields::Fields(Fields&&) noexcept = default;
Fields& Fields::operator=(Fields&&) noexcept = default;
Fields::~Fields() = default;

std::optional<CompileError> Fields::compile(Engine& engine, const config::Map<config::Value>& fields) {
  auto content = std::make_unique<Content>();
  for (const auto& [path, value] : fields) {
    auto& field = content->fields.emplace_back();
    field.path = path;
    field.member = message::MemberName::of(path);
    content->members = content->members && field.member;
    field.place = value.place;
    if (auto error = field.tree.compile(engine, value)) return error;
  }
  content_ = std::move(content);
  return std::nullopt;
}

Done Fields::foreseen(const message::Message& message) const {
  if (content_->fields.empty()) return std::nullopt;
  const auto text = message.text();
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin != std::string_view::npos && text[begin] == '{') return std::nullopt;
  constexpr const char* cure = "`decode: {format: text, into: line}` makes one of a text";
  if (!message::is_json(message)) {
    auto failure = message::not_json(message);
    failure.text += std::string("; fields can only be set in an object, and ") + cure;
    return failure;
  }
  return Failure(Reason::type, std::string("fields can only be set in an object, and the payload is none: ") + cure);
}

Done Fields::set(const Names& names, bool what_there_is) const {
  if (content_->fields.empty()) return std::nullopt;  // `merge: {}` keeps the message as it is, whatever it is.
  auto& json = content_->json;
  auto& ends = content_->ends;
  json.clear();
  ends.clear();
  for (const auto& field : content_->fields) {
    const std::size_t begin = json.size();
    auto wrote = field.tree.json(names, json);
    if (!wrote && !what_there_is) return std::move(wrote.failure());
    if (!wrote) json.resize(begin);
    ends.push_back(wrote && *wrote ? json.size() : std::string::npos);
  }
  if (content_->set_members(*names.message)) return std::nullopt;
  auto& batch = names.message->batch();
  const auto row = names.message->row();
  if (auto failed = foreseen(*names.message)) return failed;
  auto* document = message::json_of(*names.message);
  if (!document) return message::not_json(*names.message);
  const auto before = batch.edits(row);
  Done failed;
  content_->each([&](const Content::Field& field, std::string_view value) {
    if (document->set_path(field.path, message::Value::json(value))) return true;
    batch.undo_edits(row, before);
    failed = Failure(Reason::type, "'" + field.path + "' cannot be set: something on the way is no object");
    failed->place = field.place.str();
    return false;
  });
  return failed;
}

}  // namespace weir::script
