// Expressions so plain that what they give is known without Lua.
#pragma once
#include <string>
#include <vector>

#include "engine/message/number.hpp"
#include "engine/script/program.hpp"

namespace weir::script {

/// `msg.a.b`, `msg.a.b OP number`, or texts joined by `..`; or none of these.
struct Plain {
  /// Of texts that are joined: one that stands in the code, or where one stands in the payload.
  struct Piece {
    std::string text;
    std::vector<std::string> path;  ///< Empty: `text` it is.
  };

  std::vector<std::string> path;
  char op = 0;  ///< One of + - * /; 0 where there is none.
  message::Number operand;
  std::vector<Piece> pieces;

  static Plain of(const std::vector<Token>& tokens);

  explicit operator bool() const { return !path.empty() || !pieces.empty(); }
  bool computes() const { return op != 0 || !pieces.empty(); }
  /// Where it computes: appends what it gives, as JSON or as text. False, and nothing is appended, where only Lua can
  /// tell: a number among texts is for Lua to spell.
  bool append(const message::Message& message, const message::Look& look, bool as_json, std::string& out) const;
};

}  // namespace weir::script
