// A text without the white space around it.
#pragma once
#include <string_view>

namespace weir::config {

/// Blanks, tabs and line breaks. (Lua's trim() knows two more, HTTP no line breaks: `script`, io::http_trimmed.)
inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto from = text.find_first_not_of(blanks);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

}  // namespace weir::config
