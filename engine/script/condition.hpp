// Conditions: `where:` and the values of `route:`.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "engine/config/values.hpp"
#include "engine/message/message.hpp"
#include "engine/message/outcome.hpp"
#include "engine/script/engine.hpp"
#include "engine/script/names.hpp"

namespace weir::script {

/// One condition, compiled. What has the form `msg.a OP literal`, joined by `and`, is recognised and answered without
/// Lua, with the same answers and the same failures. Movable; the engine must outlive it.
class Condition {
 public:
  enum class Path { automatic, lua_only };  ///< lua_only: for the test that compares both.

  Condition();
  Condition(Condition&&) noexcept;
  Condition& operator=(Condition&&) noexcept;
  ~Condition();

  /// Compiles; replaces what was there. Nothing on success.
  [[nodiscard]] std::optional<CompileError> compile(Engine& engine, const config::Lua& code,
                                                    Path path = Path::automatic);

  /// Whether the condition holds, by Lua's rule: all but nil and false do. What it does to `msg` is undone: a
  /// condition changes nothing.
  message::Outcome<bool> holds(const Names& names) const;

  /// Whether it runs without Lua.
  bool native() const;

 private:
  friend class Choice;
  struct Content;
  std::unique_ptr<Content> content_;
};

/// Conditions that are asked in turn, until one holds. What several of them ask about a message is looked up once.
class Choice {
 public:
  [[nodiscard]] std::optional<CompileError> compile(Engine& engine, const config::Map<config::Lua>& conditions);

  /// Which is the first that holds; as many as there are: none does.
  message::Outcome<std::size_t> first(const message::Message& message) const;

 private:
  std::vector<Condition> conditions_;
};

}  // namespace weir::script
