// The words of Lua: enough to find a name's column, a literal argument, or a condition that needs no Lua.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::script {

struct Token {
  enum class Kind : std::uint8_t { name, keyword, string, number, symbol };
  Kind kind = Kind::symbol;
  std::string_view text;   ///< As written.
  std::size_t offset = 0;  ///< In the code.
  int line = 1;            ///< From 1.

  bool is(std::string_view word) const { return text == word && kind != Kind::string; }
  bool is_name(std::string_view word) const { return kind == Kind::name && text == word; }
};

/// All tokens of the code, comments left out. Of code that is no Lua, what can be told. Pure.
std::vector<Token> tokens_of(std::string_view code);

/// The value of a string token. False where it is malformed.
bool string_value(const Token& token, std::string& out);

}  // namespace weir::script
