// Texts with `{{ }}`, and trees of them.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/values.hpp"
#include "engine/message/outcome.hpp"
#include "engine/script/engine.hpp"
#include "engine/script/names.hpp"

namespace weir::script {

/// What a `{{ }}` becomes where not everything may stand, as in a URL. Appends to `out`, or says why it cannot.
/// `opens`: nothing stands before it in the text.
using Escape = message::Done (*)(std::string_view value, bool opens, std::string& out);

/// A config::Template, compiled. `{{ msg.a.b }}` and `{{ msg.a.b OP number }}`, OP one of + - * /, are recognised and
/// worked out without Lua, with the same results and the same failures. Movable; the engine must outlive it.
class Text {
 public:
  Text();
  Text(Text&&) noexcept;
  Text& operator=(Text&&) noexcept;
  ~Text();

  [[nodiscard]] std::optional<CompileError> compile(Engine& engine, const config::Template& text,
                                                    Setting setting = Setting::message);

  /// Appends the text: numbers as weir writes them, lists and tables as JSON, null as `null`. A nil fails (`missing`).
  /// A lone `{{ }}` is treated the same. On failure `out` is as before.
  message::Done fill(const Names& names, std::string& out, Escape escape = nullptr) const;
  /// The same as a value of its own.
  message::Outcome<std::string> text(const Names& names) const;

  /// Appends the value as JSON: a lone `{{ }}` keeps its type, all else is a JSON string. False: it was nil, and
  /// nothing was appended.
  message::Outcome<bool> json(const Names& names, std::string& out) const;

  bool constant() const;  ///< No `{{}}` in it.
  bool lone() const;      ///< Nothing but one `{{}}`.
  bool native() const;    ///< Runs without Lua, as long as nothing fails.
  /// The text where it is constant; empty otherwise.
  std::string_view constant_text() const;

 private:
  friend class Tree;
  struct Content;
  std::unique_ptr<Content> content_;
};

/// A config::Value, compiled: what `msg:`, `set:` and `merge:` hold. Movable; the engine must outlive it.
class Tree {
 public:
  Tree();
  Tree(Tree&&) noexcept;
  Tree& operator=(Tree&&) noexcept;
  ~Tree();

  [[nodiscard]] std::optional<CompileError> compile(Engine& engine, const config::Value& tree,
                                                    Setting setting = Setting::message);

  /// Appends JSON text. Members whose value is nil are left out; elements of a list become null. False: the tree is
  /// one `{{ }}` that was nil, and nothing was appended. On failure `out` is as before.
  message::Outcome<bool> json(const Names& names, std::string& out) const;

  bool constant() const;
  std::string_view constant_json() const;  ///< The JSON text where it is constant; empty otherwise.

 private:
  struct Content;
  std::unique_ptr<Content> content_;
};

/// A mapping of payload paths to values, as `set:` and `merge:` write it, compiled. Movable; the engine must outlive
/// it.
class Fields {
 public:
  Fields();
  Fields(Fields&&) noexcept;
  Fields& operator=(Fields&&) noexcept;
  ~Fields();

  /// Keys are payload paths: `a.b` sets b in a, and makes a.
  [[nodiscard]] std::optional<CompileError> compile(Engine& engine, const config::Map<config::Value>& fields);

  /// Evaluates every value first, then sets all of them in order: no value sees another's. A nil leaves its field as
  /// it is. On failure the message is as before. A payload that is no object fails (`type`). `what_there_is`: a value
  /// that fails leaves its field as it is, too.
  message::Done set(const Names& names, bool what_there_is = false) const;
  /// Why set() will fail of what the payload begins with: known without reading it. Nothing: it may be an object.
  message::Done foreseen(const message::Message& message) const;

 private:
  struct Content;
  std::unique_ptr<Content> content_;
};

}  // namespace weir::script
