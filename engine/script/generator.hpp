// `generate: {lua: …}`: code that makes messages, one step at a time.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "engine/config/values.hpp"
#include "engine/message/failure.hpp"
#include "engine/script/engine.hpp"

namespace weir::script {

/// What a generator wants next.
struct Step {
  enum class Kind : std::uint8_t { message, sleep, ended, failed };
  Kind kind = Kind::ended;
  std::string payload;        ///< Of a message.
  runtime::Duration sleep{};  ///< Not negative.
  message::Failure failure;   ///< The generator has ended then.
};

/// A generator, compiled: a coroutine that stops at each yield() and sleep(). Each step has a budget of its own.
/// Movable; the engine must outlive it.
class Generator {
 public:
  Generator();
  Generator(Generator&&) noexcept;
  Generator& operator=(Generator&&) noexcept;
  ~Generator();

  [[nodiscard]] std::optional<CompileError> compile(Engine& engine, const config::Lua& code);

  /// Runs up to the next yield, sleep or end; `step` is reused. After a message: waited_seconds is how long it had to
  /// wait until it was taken, which the yield returns. Once ended or failed it stays so.
  void next(double waited_seconds, Step& step);

 private:
  struct Content;
  std::unique_ptr<Content> content_;
};

}  // namespace weir::script
