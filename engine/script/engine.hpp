// One Lua state behind bars: what all scripts of one pipeline file on one core run in.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/reader.hpp"
#include "engine/config/values.hpp"
#include "engine/runtime/time.hpp"
#include "engine/script/compile_error.hpp"
#include "engine/script/names.hpp"

namespace weir::script {

class State;

/// What scripts are told of the world: time and chance, and both come from here so that a test can fix them.
class Host {
 public:
  virtual ~Host() = default;
  virtual runtime::WallTime now() = 0;
  virtual std::uint64_t random() = 0;  ///< 64 even bits, for uuid().
  /// The time of day at an instant of the engine's clock, for `meta.time`.
  virtual runtime::WallTime wall(runtime::Time when) = 0;
};

/// What a script may use up.
struct Limits {
  std::size_t memory_bytes = 16 * 1024 * 1024;  ///< Of the whole state, all that Lua allocates.
  int instructions = 1'000'000;                 ///< Of one evaluation. Work inside functions is charged to it as well.
};

/// One Lua 5.4 state in the sandbox that README.md describes. Conditions, texts, blocks and generators are compiled
/// into it and must not outlive it. Not thread-safe: one for each core and pipeline file.
///
/// A message that exceeds the memory fails with `memory`; the state is then made anew and everything compiled into it
/// again, so that nothing of what that message did remains. Generators that were running have ended then.
class Engine {
 public:
  /// The host must outlive the engine. `vars` are the constants that scripts see under that name.
  explicit Engine(Host& host, const config::Map<config::Value>& vars = {}, Limits limits = {});
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  /// How often the state had to be made anew, for a counter.
  std::uint64_t rebuilt() const;
  /// What the state holds just now.
  std::size_t memory_bytes() const;

  State& state() const { return *state_; }  ///< For this room only.

 private:
  std::unique_ptr<State> state_;
};

// --- checking without running ----------------------------------------------------------------------------------------
// Pure, any thread. The first mistake, or nothing.

/// An expression: `where:`, a route, the inside of one `{{ }}`.
std::optional<CompileError> check_expression(std::string_view code, const config::Place& place,
                                             Setting setting = Setting::message);
/// Statements: `lua:`.
std::optional<CompileError> check_block(std::string_view code, const config::Place& place,
                                        Setting setting = Setting::message);
std::optional<CompileError> check(const config::Template& text, Setting setting = Setting::message);
std::optional<CompileError> check(const config::Value& tree, Setting setting = Setting::message);
/// What a reader found, whatever it is.
std::optional<CompileError> check(const config::CodeUse& use, Setting setting = Setting::message);
/// Of code that is good otherwise: the first `vars.NAME` or `vars["NAME"]` that is none of these. Nothing can be said
/// of a name that is worked out, or where `vars` stands alone and so may be a local.
std::optional<CompileError> check_vars(const config::CodeUse& use, const std::vector<std::string>& known);
/// What to write instead of a condition that holds whatever comes: a text alone, or one behind `or`.
std::optional<std::string> holds_always(std::string_view condition);

}  // namespace weir::script
