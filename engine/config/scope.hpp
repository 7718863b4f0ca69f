// What `${…}` stands for at a place of the file.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/config/node.hpp"
#include "engine/config/values.hpp"

namespace weir::config {

/// Names that a file may use. A value type, cheap to copy; reading it changes nothing, so any thread may.
class Scope {
 public:
  using Environment = std::function<std::optional<std::string>(const std::string& name)>;

  /// What the process was given.
  static std::optional<std::string> process_environment(const std::string& name);

  Scope() : Scope(Environment{}) {}
  explicit Scope(Environment environment);

  /// A scope that knows these too (a map; anything else is no names); they hide what has the same name. Vars may name
  /// each other.
  Scope with_vars(const Node& names) const;
  /// The same for what an instance of a kind of one's own was given: written outside, so its texts know the outside's
  /// names only. `guessed`: those of which nobody has said yet what they are: a value of the right type stands for
  /// them.
  Scope with_options(const Node& names, std::set<std::string> guessed = {}) const;
  Scope with_secret(const std::string& name, const std::string& file) const;
  /// For `weir test`: an unset ${NAME} and any secret read as their own name.
  Scope for_tests() const;
  /// For what others include: a name that it does not know may be one of theirs, so it is a guess.
  Scope opened() const;
  bool open() const;

  /// The node with its `${}` filled in, all the way down. A text that is nothing but one `${}` becomes what it names.
  /// What comes from the environment or a secret is text and is never looked at again: a `{{` in it stays two braces.
  /// secret_ok: whether `${secret.name}` may stand here. Nothing, and an error told, if a name is unknown.
  std::optional<Node> fill(const Node& node, bool secret_ok, Diagnostics& diagnostics, const std::string& path) const;

  /// The vars filled in, as the constants that Lua sees under `vars`; a `{{ }}` in them stays as written.
  Map<Value> vars(Diagnostics& diagnostics) const;

  /// Whether something in the node depends on what was guessed: then nothing can be said against it.
  bool guesses(const Node& node) const;
  /// Whether the name is an option of a kind of one's own, which code does not know.
  bool is_option(std::string_view name) const;
  /// Whether a var says, in a test, the name of what the environment or a secret would.
  bool is_unset(const std::string& var) const;

  std::vector<std::string> names() const;  ///< Of vars and options.
  /// What the secrets are that were filled in so far, by this scope or one it came of or made: they must stay out of
  /// the log.
  std::vector<std::string> secrets_read() const;

 private:
  struct Content;
  Scope changed(void (*change)(Content&)) const;  // Of it and of the outer ones, which fill in their own texts.
  Scope with(const Node& names, bool options, std::set<std::string> guessed) const;
  std::shared_ptr<const Content> content_;
};

}  // namespace weir::config
