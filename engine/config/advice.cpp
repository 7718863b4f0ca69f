#include "engine/config/advice.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "engine/config/reader.hpp"

namespace weir::config {

namespace {

struct Token {
  enum class Kind { name, number, text, sign };
  Kind kind;
  std::string_view text;  ///< Of a text with its quotes.
  bool blank_before = false;
};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The end of `[[…]]` or `[=[…]=]` at `start`; `start` if none begins there.
std::size_t long_bracket(std::string_view code, std::size_t start) {
  std::size_t i = start + 1;
  std::size_t level = 0;
  while (i < code.size() && code[i] == '=') ++i, ++level;
  if (start >= code.size() || code[start] != '[' || i >= code.size() || code[i] != '[') return start;
  const std::string close = "]" + std::string(level, '=') + "]";
  const std::size_t end = code.find(close, i);
  return end == std::string_view::npos ? code.size() : end + close.size();
}

/// Rough tokens of Lua, and of what is nearly Lua. Comments are left out.
std::vector<Token> tokens_of(std::string_view code) {
  std::vector<Token> tokens;
  bool blank = false;
  for (std::size_t i = 0; i < code.size();) {
    const char c = code[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      blank = true;
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    Token::Kind kind = Token::Kind::sign;
    if (code.substr(i, 2) == "--") {
      const std::size_t past = long_bracket(code, i + 2);
      i = past > i + 2 ? past : std::min(code.find('\n', i), code.size());
      blank = true;
      continue;
    }
    if (is_letter(c)) {
      kind = Token::Kind::name;
      while (end < code.size() && (is_letter(code[end]) || is_digit(code[end]))) ++end;
    } else if (is_digit(c)) {
      kind = Token::Kind::number;
      while (end < code.size() && (is_letter(code[end]) || is_digit(code[end]) || code[end] == '.')) ++end;
    } else if (c == '"' || c == '\'') {
      kind = Token::Kind::text;
      while (end < code.size() && code[end] != c && code[end] != '\n') end += code[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, code.size());
    } else if (const std::size_t past = long_bracket(code, i); past > i) {
      kind = Token::Kind::text;
      end = past;
    } else {
      for (const std::string_view sign : {"===", "!==", "...", "!=", "~=", "==", "<=", ">=", "&&", "||",
                                          "??",  "+=",  "-=",  "*=", "/=", "++", "..", "//", "::", "?."})
        if (code.substr(i, sign.size()) == sign) {
          end = i + sign.size();
          break;
        }
    }
    tokens.push_back({kind, code.substr(i, end - i), blank});
    blank = false;
    i = end;
  }
  return tokens;
}

constexpr std::array<std::string_view, 22> keywords{
    "and", "break", "do",  "else", "elseif", "end",    "false",  "for",  "function", "goto",  "if",
    "in",  "local", "nil", "not",  "or",     "repeat", "return", "then", "true",     "until", "while"};
bool is_keyword(std::string_view name) { return std::find(keywords.begin(), keywords.end(), name) != keywords.end(); }

constexpr std::array<std::string_view, 8> roots{"msg", "meta", "request", "result", "failed", "state", "vars", "item"};
bool is_root(std::string_view name) { return std::find(roots.begin(), roots.end(), name) != roots.end(); }

/// A JavaScript or shell word for a Lua word, inside balanced code.
std::optional<std::string> sign_advice(const std::vector<Token>& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto& token = tokens[i];
    if (token.kind != Token::Kind::sign) continue;
    if (token.text == "!=" || token.text == "!==") return fmt::format("Lua writes `~=`, not `{}`", token.text);
    if (token.text == "===") return "Lua writes `==`, not `===`";
    if (token.text == "&&") return "Lua writes `and`, not `&&`";
    if (token.text == "||") return "Lua writes `or`, not `||`";
    if (token.text == "??") return "Lua writes `a or b`, not `a ?? b`";
    if (token.text == "?.") return "Lua has no `?.`: write `(msg.a or {}).b`";
    if (token.text == "?") return "Lua writes `a and b or c`, not `a ? b : c`";
    if (token.text == "++") return "Lua writes `n = n + 1`, not `n++`";
    if (token.text.size() == 2 && token.text[1] == '=' &&
        std::string_view("+-*/").find(token.text[0]) != std::string_view::npos)
      return fmt::format("Lua writes `n = n {} 1`, not `n {} 1`", token.text[0], token.text);
    if (token.text == "!") {
      std::string next = i + 1 < tokens.size() ? std::string(tokens[i + 1].text) : "x";
      for (std::size_t k = i + 2;
           k + 1 < tokens.size() && tokens[k].text == "." && tokens[k + 1].kind == Token::Kind::name; k += 2)
        next += "." + std::string(tokens[k + 1].text);
      return fmt::format("Lua writes `not {}`, not `!{}`", next, next);
    }
  }
  return std::nullopt;
}

/// `msg.a.b`, ending before `end`; empty if it is no path of a name that weir gives.
std::string path_before(const std::vector<Token>& tokens, std::size_t end) {
  std::size_t start = end;
  while (start > 0 && tokens[start - 1].kind == Token::Kind::name) {
    if (start > 1 && tokens[start - 2].text == ".") {
      start -= 2;
      continue;
    }
    --start;
    break;
  }
  if (start >= end || !is_root(tokens[start].text)) return {};
  std::string path;
  for (std::size_t i = start; i < end; ++i) path += tokens[i].text;
  return path;
}

}  // namespace

std::optional<std::string> lua_advice(std::string_view code) {
  const auto tokens = tokens_of(code);
  if (auto advice = sign_advice(tokens)) return advice;
  for (std::size_t i = 1; i + 1 < tokens.size(); ++i)
    if (tokens[i].text == "." && tokens[i + 1].kind == Token::Kind::name && !tokens[i + 1].blank_before &&
        is_keyword(tokens[i + 1].text) && tokens[i - 1].kind == Token::Kind::name) {
      const std::string path = path_before(tokens, i);
      return fmt::format("`{}` is a word of Lua: write `{}[\"{}\"]`", tokens[i + 1].text,
                         path.empty() ? std::string(tokens[i - 1].text) : path, tokens[i + 1].text);
    }
  for (const auto& token : tokens) {
    if (token.kind != Token::Kind::text || token.text.size() < 2 || token.text[0] == '[') continue;
    const std::string_view inside = token.text.substr(1, token.text.size() - 2);
    for (std::size_t i = 0; i + 1 < inside.size(); ++i) {
      if (inside[i] != '\\') continue;
      const char escape = inside[i + 1];
      if (std::string_view("abfnrtv\\\"'zxu\n\r").find(escape) == std::string_view::npos && !is_digit(escape))
        return fmt::format("Lua has no escape `\\{}`: write the text as `[[{}]]`", escape, inside);
      ++i;
    }
  }
  return lua_trap(code);
}

std::optional<std::string> lua_trap(std::string_view code) {
  if (auto advice = subtraction_trap(code)) return advice;
  return length_trap(code);
}

std::optional<std::string> subtraction_trap(std::string_view code) {
  const auto tokens = tokens_of(code);
  // Functions are no numbers: a name behind `-` is one only if it is called, and that is seen below.
  std::vector<std::string_view> known{"msg",    "text",  "meta", "request", "result",
                                      "failed", "state", "vars", "item",    "i"};
  // Whatever the code names by itself is no half of a field's name.
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i].kind == Token::Kind::name && (i == 0 || (tokens[i - 1].text != "." && tokens[i - 1].text != "-")))
      known.push_back(tokens[i].text);
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    const auto& token = tokens[i];
    if (token.kind != Token::Kind::name) continue;
    if (tokens[i - 1].text == "-" && !tokens[i - 1].blank_before && !token.blank_before && i >= 2 &&
        tokens[i - 2].kind == Token::Kind::name && !is_keyword(token.text) &&
        std::find(known.begin(), known.end(), token.text) == known.end() &&
        !(i + 1 < tokens.size() && tokens[i + 1].text == "(")) {
      const std::string path = path_before(tokens, i - 1);
      const std::size_t dot = path.rfind('.');
      if (dot != std::string::npos)
        return fmt::format("`{}-{}` is a subtraction: write `{}[\"{}-{}\"]`", path, token.text, path.substr(0, dot),
                           path.substr(dot + 1), token.text);
    }
  }
  return std::nullopt;
}

std::optional<std::string> length_trap(std::string_view code) {
  const auto tokens = tokens_of(code);
  for (std::size_t i = 2; i < tokens.size(); ++i) {
    const bool called = i + 1 < tokens.size() && (tokens[i + 1].text == "(" || tokens[i + 1].text == "=");
    if (tokens[i].kind != Token::Kind::name || tokens[i].text != "length" || tokens[i - 1].text != "." || called)
      continue;
    const std::string path = path_before(tokens, i - 1);
    if (path.find('.') != std::string::npos)
      return fmt::format("Lua writes `#{}` for how many there are; a field of that name is `{}[\"length\"]`", path,
                         path);
  }
  return std::nullopt;
}

std::string no_secret_in_lua() { return "a secret can't be read in Lua; " + std::string(where_secrets_stand); }

std::optional<BareLua> bare_lua_advice(std::string_view code, const std::function<bool(std::string_view)>& is_option) {
  constexpr std::string_view no_dollar = "`${…}` is not filled in here", no_braces = "`{{ }}` is not filled in here";
  for (std::size_t i = code.find("${"); i != std::string_view::npos; i = code.find("${", i + 1)) {
    std::size_t end = i + 2;
    while (end < code.size() && (is_letter(code[end]) || is_digit(code[end]) || code[end] == '.')) ++end;
    if (end == i + 2 || end >= code.size() || (code[end] != '}' && code[end] != ':')) continue;
    const std::string name(code.substr(i + 2, end - i - 2));
    if (name.starts_with("secret.")) return BareLua{no_dollar, "bare Lua here: " + no_secret_in_lua()};
    if (name[0] >= 'A' && name[0] <= 'Z')
      return BareLua{no_dollar,
                     fmt::format("bare Lua here: under vars: write `x: '${{{}}}'`, and here `vars.x`", name)};
    if (is_option && is_option(name) && code == "${" + name + "}") {
      return BareLua{no_dollar, "an option that is the whole code is declared by `type: lua`"};
    }
    if (is_option && is_option(name)) {
      return BareLua{no_dollar,
                     fmt::format("bare Lua here, which knows no options: `meta: {{{0}: '${{{0}}}'}}` in a stage or "
                                 "step before it makes `meta.{0}` of it",
                                 name)};
    }
    return BareLua{no_dollar, fmt::format("bare Lua here: write `vars.{}`", name)};
  }
  for (std::size_t i = code.find("{{"); i != std::string_view::npos; i = code.find("{{", i + 1)) {
    std::size_t start = i + 2;
    while (start < code.size() && code[start] == ' ') ++start;
    std::size_t end = start;
    while (end < code.size() && is_letter(code[end])) ++end;
    const std::string_view root = code.substr(start, end - start);
    const std::size_t close = code.find("}}", end);
    if (close == std::string_view::npos) continue;
    const std::string_view inside = code.substr(start, close - start);
    // `{{msg.a}, {msg.b}}` is a table of tables; `{{ msg.a }}` hardly ever is.
    if ((is_root(root) || root == "text" || root == "i") && inside.find_first_of("{},;") == std::string_view::npos &&
        inside.find(" = ") == std::string_view::npos) {
      std::string_view shown = inside;
      while (!shown.empty() && shown.back() == ' ') shown.remove_suffix(1);
      return BareLua{no_braces, fmt::format("bare Lua here: write `{}` without the braces", shown)};
    }
  }
  return std::nullopt;
}

bool check_key(const Node::Entry& entry, Reader& reader) {
  const bool is_template = entry.key.find("{{") != std::string::npos;
  if (!is_template && entry.key.find("${") == std::string::npos) return true;
  reader.error(entry.key_place,
               fmt::format("expected a constant key, found `{}`: keys are read once, at the start",
                           is_template ? "{{ }}" : "${…}"),
               is_template ? "a name that depends on the message is made in `lua`" : "write the name out");
  return false;
}

}  // namespace weir::config
