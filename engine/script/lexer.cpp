#include "engine/script/lexer.hpp"

#include <algorithm>
#include <array>

#include "engine/io/binary_text.hpp"

namespace weir::script {
namespace {

using namespace std::string_view_literals;

constexpr std::array keywords{"and"sv,      "break"sv,  "do"sv,   "else"sv, "elseif"sv, "end"sv,  "false"sv, "for"sv,
                              "function"sv, "goto"sv,   "if"sv,   "in"sv,   "local"sv,  "nil"sv,  "not"sv,   "or"sv,
                              "repeat"sv,   "return"sv, "then"sv, "true"sv, "until"sv,  "while"sv};
constexpr std::array symbols{"..."sv, ".."sv, "=="sv, "~="sv, "<="sv, ">="sv, "//"sv, "::"sv, "<<"sv, ">>"sv};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_hex(char c) { return io::hex_value(c) >= 0; }

/// The size of `[[`, `[=[`, … at this place; 0 where there is none.
std::size_t long_bracket(std::string_view code, std::size_t at) {
  std::size_t end = at + 1;
  while (end < code.size() && code[end] == '=') ++end;
  return end < code.size() && code[end] == '[' ? end + 1 - at : 0;
}

/// Behind the closing bracket that belongs to an opening one of `size`.
std::size_t behind_long(std::string_view code, std::size_t at, std::size_t size) {
  std::string close = "]" + std::string(size - 2, '=') + "]";
  const auto end = code.find(close, at + size);
  return end == std::string_view::npos ? code.size() : end + close.size();
}

std::size_t behind_quoted(std::string_view code, std::size_t at) {
  const char quote = code[at++];
  while (at < code.size() && code[at] != quote && code[at] != '\n') {
    if (code[at] != '\\') {
      ++at;
    } else if (at + 1 < code.size() && code[at + 1] == 'z') {
      at += 2;
      while (at < code.size() && " \t\r\n\f\v"sv.find(code[at]) != std::string_view::npos) ++at;
    } else {
      at += 2;
    }
  }
  return std::min(at + 1, code.size());
}

void append_utf8(std::string& out, std::uint32_t code_point) {
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
    return;
  }
  std::array<char, 6> bytes;
  int used = 0;
  std::uint32_t first = 0x3f;
  do {
    bytes[static_cast<std::size_t>(used++)] = static_cast<char>(0x80 | (code_point & 0x3f));
    code_point >>= 6;
    first >>= 1;
  } while (code_point > first);
  bytes[static_cast<std::size_t>(used++)] = static_cast<char>((~first << 1) | code_point);
  while (used > 0) out += bytes[static_cast<std::size_t>(--used)];
}

}  // namespace

std::vector<Token> tokens_of(std::string_view code) {
  std::vector<Token> tokens;
  int line = 1;
  const auto add = [&](Token::Kind kind, std::size_t from, std::size_t to) {
    Token token;
    token.kind = kind;
    token.text = code.substr(from, to - from);
    token.offset = from;
    token.line = line;
    line += static_cast<int>(std::count(token.text.begin(), token.text.end(), '\n'));
    tokens.push_back(token);
  };
  std::size_t at = 0;
  while (at < code.size()) {
    const char c = code[at];
    const char next = at + 1 < code.size() ? code[at + 1] : '\0';
    std::size_t end = at + 1;
    if (c == '\n') {
      ++line;
    } else if (c == ' ' || (c >= '\t' && c <= '\r')) {
    } else if (c == '-' && next == '-') {
      const auto size = at + 2 < code.size() && code[at + 2] == '[' ? long_bracket(code, at + 2) : 0;
      end = size ? behind_long(code, at + 2, size) : std::min(code.find('\n', at), code.size());
      line += static_cast<int>(std::count(code.begin() + static_cast<std::ptrdiff_t>(at),
                                          code.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    } else if (is_letter(c)) {
      while (end < code.size() && (is_letter(code[end]) || is_digit(code[end]))) ++end;
      const auto word = code.substr(at, end - at);
      const bool reserved = std::find(keywords.begin(), keywords.end(), word) != keywords.end();
      add(reserved ? Token::Kind::keyword : Token::Kind::name, at, end);
    } else if (is_digit(c) || (c == '.' && is_digit(next))) {
      const bool hexadecimal = c == '0' && (next == 'x' || next == 'X');
      while (end < code.size()) {
        const char before = static_cast<char>(code[end - 1] | 0x20);
        const bool sign = (code[end] == '+' || code[end] == '-') && before == (hexadecimal ? 'p' : 'e');
        if (!sign && !is_letter(code[end]) && !is_digit(code[end]) && code[end] != '.') break;
        ++end;
      }
      add(Token::Kind::number, at, end);
    } else if (c == '"' || c == '\'') {
      end = behind_quoted(code, at);
      add(Token::Kind::string, at, end);
    } else if (const auto size = c == '[' ? long_bracket(code, at) : 0) {
      end = behind_long(code, at, size);
      add(Token::Kind::string, at, end);
    } else {
      for (const auto symbol : symbols) {
        if (code.substr(at).starts_with(symbol)) {
          end = at + symbol.size();
          break;
        }
      }
      add(Token::Kind::symbol, at, end);
    }
    at = end;
  }
  return tokens;
}

bool string_value(const Token& token, std::string& out) {
  out.clear();
  auto text = token.text;
  if (token.kind != Token::Kind::string || text.size() < 2) return false;
  if (text[0] == '[') {
    const auto size = long_bracket(text, 0);
    if (text.size() < 2 * size) return false;
    text = text.substr(size, text.size() - 2 * size);
    if (text.starts_with("\r\n")) {
      text.remove_prefix(2);
    } else if (text.starts_with('\n')) {
      text.remove_prefix(1);
    }
    out = text;
    return true;
  }
  if (text.back() != text.front()) return false;
  text = text.substr(1, text.size() - 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return false;
    constexpr auto plain = "abfnrtv"sv;
    constexpr auto meaning = "\a\b\f\n\r\t\v"sv;
    const char c = text[i];
    if (const auto at = plain.find(c); at != std::string_view::npos) {
      out += meaning[at];
    } else if (c == '\\' || c == '"' || c == '\'' || c == '\n') {
      out += c;
    } else if (c == 'x') {
      if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
      out += static_cast<char>(io::hex_value(text[i + 1]) * 16 + io::hex_value(text[i + 2]));
      i += 2;
    } else if (c == 'z') {
      while (i + 1 < text.size() && " \t\r\n\f\v"sv.find(text[i + 1]) != std::string_view::npos) ++i;
    } else if (is_digit(c)) {
      int value = 0;
      std::size_t used = 0;
      while (used < 3 && i + used < text.size() && is_digit(text[i + used]))
        value = value * 10 + (text[i + used++] - '0');
      if (value > 255) return false;
      out += static_cast<char>(value);
      i += used - 1;
    } else if (c == 'u') {
      std::uint32_t value = 0;
      if (i + 1 >= text.size() || text[i + 1] != '{') return false;
      std::size_t at_hex = i + 2;
      while (at_hex < text.size() && is_hex(text[at_hex]) && value < 0x8000000u) {
        value = value * 16 + static_cast<std::uint32_t>(io::hex_value(text[at_hex++]));
      }
      if (at_hex == i + 2 || at_hex >= text.size() || text[at_hex] != '}' || value > 0x7fffffffu) return false;
      append_utf8(out, value);
      i = at_hex;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace weir::script
