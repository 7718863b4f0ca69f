// A chunk that is given back when nobody wants it any more, and how paths and literals are read without Lua.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/message/members.hpp"
#include "engine/script/lexer.hpp"
#include "engine/script/state.hpp"

namespace weir::script {

/// Owns one chunk of an engine's state. Movable; the engine must outlive it.
class Program {
 public:
  Program() = default;
  Program(Program&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)), chunk_(std::exchange(other.chunk_, nullptr)) {}
  Program& operator=(Program&& other) noexcept {
    std::swap(state_, other.state_);
    std::swap(chunk_, other.chunk_);
    return *this;
  }
  ~Program() {
    if (chunk_) state_->release(chunk_);
  }

  std::optional<CompileError> compile(Engine& engine, std::string_view code, Form form, const config::Place& place,
                                      Setting setting, Findings* findings = nullptr) {
    Program made;
    made.state_ = &engine.state();
    if (auto error = made.state_->compile(code, form, place, setting, made.chunk_, findings)) return error;
    *this = std::move(made);
    return std::nullopt;
  }

  State& state() const { return *state_; }
  const Chunk& chunk() const { return *chunk_; }

 private:
  State* state_ = nullptr;
  Chunk* chunk_ = nullptr;
};

/// `msg.a.b`, `msg["a b"]`: the names on the way, from the token at `at` on, which is moved behind it. Nothing, and
/// `at` unmoved, where there is no such path.
std::optional<std::vector<std::string>> read_path(const std::vector<Token>& tokens, std::size_t& at);

/// A constant as conditions and sums without Lua know it.
struct Literal {
  enum class Kind : std::uint8_t { nil, boolean, integer, number, text };
  Kind kind = Kind::nil;
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;
  std::string text;
};
/// A literal, from the token at `at` on, which is moved behind it. Nothing, and `at` unmoved, where there is none, or
/// one in a spelling that is left to Lua, such as 0x10.
std::optional<Literal> read_literal(const std::vector<Token>& tokens, std::size_t& at);

/// What a path leads to. Unclear where only Lua can say: what stands on the way is no object, or the payload is none.
message::Glimpse look_up(const message::Message& message, const message::Look& look,
                         const std::vector<std::string>& path);

}  // namespace weir::script
