// `lua:`: statements that change, replace, multiply, drop or fail a message.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/config/values.hpp"
#include "engine/message/failure.hpp"
#include "engine/script/engine.hpp"
#include "engine/script/names.hpp"

namespace weir::script {

/// What became of the message that a block was run on.
enum class Verdict : std::uint8_t {
  pass,  ///< It goes on, edited or replaced in place.
  drop,  ///< drop() was called.
  fail   ///< See Run::failure; the message is as before.
};

/// One message more, in the order in which the code sent them.
struct Emitted {
  static constexpr int main = -1;
  int port = main;      ///< Index into Block::ports(), or main.
  std::string payload;  ///< JSON text, or the text itself where the code gave text.
};

/// Reused from message to message, so that nothing is allocated for most of them.
struct Run {
  Verdict verdict = Verdict::pass;
  message::Failure failure;      ///< Only for Verdict::fail.
  std::vector<Emitted> emitted;  ///< Nothing where it failed.
};

/// A `lua:` block, compiled. Movable; the engine must outlive it.
class Block {
 public:
  Block();
  Block(Block&&) noexcept;
  Block& operator=(Block&&) noexcept;
  ~Block();

  enum class Path { automatic, lua_only };  ///< lua_only: for the test that compares both.

  [[nodiscard]] std::optional<CompileError> compile(Engine& engine, const config::Lua& code,
                                                    Setting setting = Setting::message, Path path = Path::automatic);

  /// Runs the code once. drop() and fail() end it there and then.
  /// `state`: of code compiled with Setting::keyed.
  void run(const message::Message& message, Run& run, KeyTable* state = nullptr) const;

  /// Whether it runs without Lua, as long as nothing is unclear.
  bool native() const;
  /// The ports that emit_to() opens, in the order of first mention.
  const std::vector<std::string>& ports() const;

 private:
  struct Content;
  std::unique_ptr<Content> content_;
};

}  // namespace weir::script
