// What can be said of code without running it: whether it compiles, which names it uses, which ports it opens.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/config/advice.hpp"
#include "engine/config/words.hpp"
#include "engine/script/globals.hpp"
#include "engine/script/lexer.hpp"
#include "engine/script/lua.hpp"
#include "engine/script/state.hpp"

namespace weir::script {
namespace {

using namespace std::string_view_literals;

constexpr std::array everywhere{"assert"sv,   "error"sv,    "ipairs"sv, "next"sv,   "pairs"sv, "select"sv, "tonumber"sv,
                                "tostring"sv, "try"sv,      "type"sv,   "string"sv, "table"sv, "math"sv,   "re"sv,
                                "url"sv,      "time"sv,     "now"sv,    "uuid"sv,   "num"sv,   "int"sv,    "trim"sv,
                                "starts"sv,   "contains"sv, "lines"sv,  "split"sv,  "fail"sv,  "null"sv,   "vars"sv};
constexpr std::array on_a_message{"msg"sv, "text"sv, "meta"sv, "request"sv, "result"sv, "failed"sv};
constexpr std::array in_a_block{"drop"sv, "emit"sv, "emit_to"sv};
constexpr std::array in_generate{"i"sv, "item"sv};
constexpr std::array in_a_generator{"sleep"sv, "yield"sv};

/// What stands in the tables that code knows by name: the sandbox's.
using Members = std::vector<std::string>;
const Members* members_of(std::string_view library) {
  static const std::map<std::string, Members, std::less<>> all{
      {"string",
       {"upper", "lower", "len", "reverse", "sub", "byte", "char", "pack", "packsize", "unpack", "rep", "format"}},
      {"table", {"pack", "insert", "remove", "concat", "sort", "move", "unpack"}},
      {"math", {"abs",  "acos", "asin", "ceil", "cos",        "deg",        "exp",      "floor", "rad",
                "sin",  "sqrt", "tan",  "atan", "log",        "max",        "min",      "modf",  "ult",
                "fmod", "type", "pi",   "huge", "maxinteger", "mininteger", "tointeger"}},
      {"re", {"match", "replace"}},
      {"url", {"host", "normalise", "join", "escape"}},
      {"time", {"format", "parse", "unix"}}};
  const auto found = all.find(library);
  return found == all.end() ? nullptr : &found->second;
}
/// Lua's own patterns can run for ever, so they are not here.
constexpr std::array of_patterns{"find"sv, "match"sv, "gmatch"sv, "gsub"sv};
constexpr auto instead_of_patterns = "use 're.match' or 're.replace', or 'contains' for a plain text";

template <std::size_t Count>
bool is_in(const std::array<std::string_view, Count>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_function(std::string_view name) {
  const bool data = members_of(name) != nullptr || name == "null" || name == "vars";
  return (is_in(everywhere, name) && !data) || is_in(in_a_block, name) || is_in(in_a_generator, name);
}

/// What Lua has elsewhere and this room took away, or other languages have.
std::string cure_for_absent(std::string_view name) {
  if (name == "pcall" || name == "xpcall") return "use 'try(f, ...)'";
  if (name == "print" || name == "warn") return "send what you want to see to a 'stdout' stage";
  if (name == "os" || name == "date") return "the time is 'now()', see also 'time.format'";
  if (name == "io" || name == "require" || name == "dofile" || name == "loadfile" || name == "import") {
    return "code touches nothing outside: use a stage such as 'file' or 'http'";
  }
  if (name == "load" || name == "loadstring") return "code is never made from text here";
  if (name == "unpack") return "use 'table.unpack'";
  if (name == "json") return "'msg' is the payload parsed; tables are written as JSON by themselves";
  if (name == "True" || name == "False") return name == "True" ? "Lua writes 'true'" : "Lua writes 'false'";
  if (name == "None" || name == "undefined") return "Lua writes 'nil'; JSON's null is 'null'";
  if (name == "this" || name == "event" || name == "payload" || name == "message" || name == "root") {
    return "the payload is 'msg'";
  }
  if (name == "secret" || name == "secrets") return config::no_secret_in_lua();
  if (name == "len") return "Lua writes '#x'";
  if (name == "str" || name == "String") return "use 'tostring'";
  if (name == "float" || name == "parseInt" || name == "parseFloat" || name == "Number") return "use 'num'";
  if (name == "f") return "Lua joins texts: 'a .. b'";
  if (name == "var" || name == "let" || name == "const") return "Lua writes 'local'";
  if (name == "env") return "'${NAME}' under 'vars:' and then 'vars.name'";
  return {};
}

CompileError at_line(const config::Place& place, std::string_view code, int line, std::string what, std::string hint) {
  return {place_in(place, code, line), std::move(what), std::move(hint)};
}

CompileError at_token(const config::Place& place, std::string_view code, const Token& token, std::string what,
                      std::string hint) {
  const auto start = token.offset == 0 ? std::string_view::npos : code.rfind('\n', token.offset - 1);
  const auto column = token.offset - (start == std::string_view::npos ? 0 : start + 1);
  return {place_in(place, code, token.line, column, static_cast<int>(token.text.size())), std::move(what),
          std::move(hint)};
}

/// The first use of a name on a line, or of one of its lines' tokens; null where it is not found. Of a text its
/// beginning will do: Lua quotes no more of one that it does not understand.
const Token* find_token(const std::vector<Token>& tokens, std::string_view text, int line) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool begun = tokens[i].kind == Token::Kind::string && tokens[i].text.starts_with(text);
    if ((tokens[i].text != text && !begun) || (line > 0 && tokens[i].line != line)) continue;
    if (tokens[i].kind == Token::Kind::name && i > 0 && (tokens[i - 1].is(".") || tokens[i - 1].is(":"))) continue;
    return &tokens[i];
  }
  return nullptr;
}

/// A bare word beside `==` or `~=`. Null where there is none.
const Token* compared_word(const std::vector<Token>& tokens, std::string_view name) {
  const auto any_of = [&tokens](std::size_t at, std::initializer_list<std::string_view> words) {
    return at < tokens.size() &&
           std::any_of(words.begin(), words.end(), [&](std::string_view word) { return tokens[at].is(word); });
  };
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].is_name(name) || any_of(i - 1, {".", ":"})) continue;
    const bool goes_on = any_of(i + 1, {"(", ".", ":", "[", "{"}) ||
                         (i + 1 < tokens.size() && tokens[i + 1].kind == Token::Kind::string);
    if (!goes_on && (any_of(i - 1, {"==", "~="}) || any_of(i + 1, {"==", "~="}))) return &tokens[i];
  }
  return nullptr;
}

/// Whether the code may have a variable of this name.
bool declares(const std::vector<Token>& tokens, std::string_view name) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].is("function")) return true;
    if (i > 0 && tokens[i].is_name(name) &&
        (tokens[i - 1].is("local") || tokens[i - 1].is("for") || tokens[i - 1].is(",")))
      return true;
  }
  return false;
}

std::string as_text(std::string_view name) { return "a text is written \"" + std::string(name) + "\""; }

/// Of several that read so on the line, the one that Lua means: with the code up to there it says so already.
const Token* refused_token(std::string_view code, Form form, const std::vector<Token>& tokens, std::string_view text,
                           int line) {
  const std::unique_ptr<lua_State, void (*)(lua_State*)> lua(luaL_newstate(), lua_close);
  for (const auto& token : tokens) {
    if (!lua || token.text != text || token.line != line) continue;
    std::string source(form == Form::expression ? "return " : "");
    source += code.substr(0, token.offset + token.text.size());
    const bool good = luaL_loadbufferx(lua.get(), source.data(), source.size(), "=lua", "t") == LUA_OK;
    const char* said = good ? nullptr : lua_tostring(lua.get(), -1);
    if (said && !std::string_view(said).ends_with("<eof>")) {
      // Of `&&` the first.
      const Token* found = &token;
      while (found != tokens.data() && found[-1].text == found->text &&
             found[-1].offset + found[-1].text.size() == found->offset) {
        --found;
      }
      return found;
    }
    lua_settop(lua.get(), 0);
  }
  return find_token(tokens, text, line);
}

/// An advice such as "`msg.a-b` is a subtraction: write …" at the place of what it quotes first.
CompileError at_quoted(const config::Place& place, std::string_view code, const std::string& advice) {
  const auto end = advice.find('`', 1), cure = advice.find(": ");
  const auto offset = code.find(advice.substr(1, end - 1));
  const std::string hint = cure == std::string::npos ? "" : advice.substr(cure + 2);
  if (offset == std::string_view::npos) return CompileError(place, advice.substr(0, cure), hint);
  Token token;
  token.text = code.substr(offset, end - 1);
  token.offset = offset;
  token.line = 1 + static_cast<int>(std::count(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
  return at_token(place, code, token, advice.substr(0, cure), hint);
}

/// Whether it would be code behind a `return`.
bool is_expression(std::string_view code) {
  const std::unique_ptr<lua_State, void (*)(lua_State*)> lua(luaL_newstate(), lua_close);
  const std::string source = "return " + std::string(code);
  return lua && luaL_loadbufferx(lua.get(), source.data(), source.size(), "=lua", "t") == LUA_OK;
}

/// In a line of advice.
std::string shown_code(std::string_view code) {
  constexpr std::size_t shown_bytes = 40;
  const auto end = code.find_last_not_of(" \t\r\n");
  code = code.substr(0, end == std::string_view::npos ? 0 : end + 1);
  return code.size() <= shown_bytes && code.find('\n') == std::string_view::npos ? std::string(code) : "…";
}

/// The last thing that code begins and has no `end` for; null: there is none.
const Token* unended(const std::vector<Token>& tokens) {
  std::vector<const Token*> open;
  const Token* loop = nullptr;  // Whose `do` is still to come.
  for (const auto& token : tokens) {
    if (token.kind != Token::Kind::keyword) continue;
    if (token.is("for") || token.is("while")) {
      loop = &token;
    } else if (token.is("do")) {
      open.push_back(loop ? std::exchange(loop, nullptr) : &token);
    } else if (token.is("if") || token.is("function") || token.is("repeat")) {
      open.push_back(&token);
    } else if ((token.is("end") || token.is("until")) && !open.empty()) {
      open.pop_back();
    }
  }
  return open.empty() || open.back()->is("repeat") ? nullptr : open.back();
}

/// A line of the code that Lua's text speaks of, from behind " at line " or " on line ".
struct Spoken {
  std::size_t begin = 0, end = 0;  ///< Of its number in the text.
  int line = 0;
};
std::optional<Spoken> line_spoken_of(std::string_view text) {
  text = text.substr(0, text.find(" near "));  // From there on it quotes the code.
  for (const std::string_view before : {" at line ", " on line "}) {
    const auto at = text.find(before);
    if (at == std::string_view::npos) continue;
    Spoken spoken;
    spoken.begin = spoken.end = at + before.size();
    for (; spoken.end < text.size() && text[spoken.end] >= '0' && text[spoken.end] <= '9'; ++spoken.end) {
      spoken.line = spoken.line * 10 + (text[spoken.end] - '0');
    }
    if (spoken.line > 0) return spoken;
  }
  return std::nullopt;
}

/// What Lua notices only behind it: a jump that leads nowhere, at the end of its function; a label that is there twice.
/// Lua gives the line that it has read to, so the word itself is looked for. Null: it is none of these.
const Token* noticed_late(const std::vector<Token>& tokens, std::string_view text, int spoken, int noticed) {
  if (text.starts_with("break outside")) return find_token(tokens, "break", spoken);
  if (text.find("<goto") != std::string_view::npos) return find_token(tokens, "goto", spoken);
  if (!text.starts_with("label '")) return nullptr;
  const auto name = text.substr(7, text.find('\'', 7) - 7);
  const Token* last = nullptr;
  for (std::size_t i = 1; i + 1 < tokens.size() && tokens[i].line <= noticed; ++i) {
    if (tokens[i].is_name(name) && tokens[i - 1].is("::") && tokens[i + 1].is("::")) last = &tokens[i];
  }
  return last;
}

/// Lua's "lua:3: unexpected symbol near '!'" as an error of ours.
CompileError syntax_error(std::string_view code, Form form, const config::Place& place,
                          const std::vector<Token>& tokens, std::string text) {
  int line = 1;
  if (text.starts_with("lua:")) {
    line = std::max(1, std::atoi(text.c_str() + 4));
    const auto end = text.find(": ");
    if (end != std::string::npos) text.erase(0, end + 2);
  }
  const auto advice = config::lua_advice(code);
  std::string hint = advice ? *advice : "";
  if (const auto spoken = line_spoken_of(text)) {
    const Token* const token = noticed_late(tokens, text, spoken->line, line);
    if (token && token->line == spoken->line) {
      constexpr std::size_t before = std::string_view(" at line ").size();
      text.erase(spoken->begin - before, spoken->end - spoken->begin + before);
    } else {
      text.replace(spoken->begin, spoken->end - spoken->begin,
                   std::to_string(place_in(place, code, spoken->line).line));
    }
    if (token) return at_token(place, code, *token, std::move(text), std::move(hint));
  }
  std::string near;
  if (const auto at = text.rfind(" near "); at != std::string::npos) {
    near = text.substr(at + 6);
    if (near.size() > 2 && near.front() == '\'') near = near.substr(1, near.size() - 2);
  }
  if (form == Form::expression && text.starts_with("<eof> expected")) {
    text = "one expression is wanted, and '" + near + "' comes after it";
    if (hint.empty() && near == "=") hint = "Lua compares with '=='";
    if (hint.empty() && near == "in") hint = "use 'contains(text, \"part\")', or of a list 'contains(list, value)'";
  } else if (const Token* begun = text.starts_with("'end' expected") && near == "<eof>" ? unended(tokens) : nullptr) {
    return at_token(place, code, *begun, "this '" + std::string(begun->text) + "' has no `end`", std::move(hint));
  } else if (near == "<eof>" || near == "eof") {
    text = tokens.empty() ? "there is no code here" : "the code ends too early";
    if (hint.empty() && form == Form::block && !tokens.empty() && is_expression(code)) {
      hint = "a value alone does nothing: write `return " + shown_code(code) + "`, or an assignment";
    }
  }
  if (const Token* token = near.empty() ? nullptr : refused_token(code, form, tokens, near, line)) {
    return at_token(place, code, *token, std::move(text), std::move(hint));
  }
  // Behind the last word only empty lines are left, and behind those of the code somebody else's.
  if (!tokens.empty() && line > tokens.back().line) {
    return at_token(place, code, tokens.back(), std::move(text), std::move(hint));
  }
  return at_line(place, code, line, std::move(text), std::move(hint));
}

int write_dump(lua_State*, const void* bytes, std::size_t size, void* out) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), size);
  return 0;
}

bool may_be_port(std::string_view name) {
  if (std::find(config::taken_ports.begin(), config::taken_ports.end(), name) != config::taken_ports.end())
    return false;
  if (name.empty() || name[0] < 'a' || name[0] > 'z') return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

}  // namespace

bool is_known_name(std::string_view name, Form form, Setting setting) {
  const bool message = setting != Setting::generate, generate = setting == Setting::generate;
  if (name == "state") return setting == Setting::keyed && form == Form::block;
  return is_in(everywhere, name) || (message && is_in(on_a_message, name)) ||
         (message && form == Form::block && is_in(in_a_block, name)) || (generate && is_in(in_generate, name)) ||
         (generate && form == Form::block && is_in(in_a_generator, name));
}

std::vector<std::string> known_names(Form form, Setting setting) {
  std::vector<std::string> names;
  const auto add = [&](const auto& from) {
    for (const auto name : from) {
      if (is_known_name(name, form, setting)) names.emplace_back(name);
    }
  };
  add(everywhere), add(on_a_message), add(in_a_block), add(in_generate), add(in_a_generator);
  if (setting == Setting::keyed && form == Form::block) names.emplace_back("state");
  return names;
}

namespace {

/// A function that the sandbox has not, asked for by name: `math.random`, `text:gsub(…)`.
std::optional<CompileError> absent_function(std::string_view code, const config::Place& place,
                                            const std::vector<Token>& tokens, const std::vector<GlobalUse>& globals) {
  // Code that defines functions may have methods of its own.
  const bool defines =
      std::any_of(tokens.begin(), tokens.end(), [](const Token& token) { return token.is("function"); });
  for (std::size_t i = 2; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    if (token.kind != Token::Kind::name) continue;
    const bool called = i + 1 < tokens.size() && tokens[i + 1].is("(");
    if (tokens[i - 1].is(":") && called && !defines && is_in(of_patterns, token.text)) {
      return at_token(place, code, token, "there is no 'string." + std::string(token.text) + "' here",
                      instead_of_patterns);
    }
    const bool assigned = i + 1 < tokens.size() && tokens[i + 1].is("=");  // That fails for another reason.
    if (assigned || !tokens[i - 1].is(".") || (i > 2 && (tokens[i - 3].is(".") || tokens[i - 3].is(":")))) continue;
    const std::string library(tokens[i - 2].text);
    const Members* const members = tokens[i - 2].kind == Token::Kind::name ? members_of(library) : nullptr;
    const bool is_global = std::any_of(globals.begin(), globals.end(),
                                       [&](const GlobalUse& use) { return use.name == library && !use.assigned; });
    if (!members || !is_global || std::find(members->begin(), members->end(), token.text) != members->end()) continue;
    std::string hint;
    if (library == "string" && is_in(of_patterns, token.text)) {
      hint = instead_of_patterns;
    } else if (const auto near = config::nearest(token.text, *members); !near.empty()) {
      hint = "did you mean '" + library + "." + near + "'?";
    }
    return at_token(place, code, token, "there is no '" + library + "." + std::string(token.text) + "' here", hint);
  }
  return std::nullopt;
}

/// What other languages call as a method of a value.
std::string cure_for_method(std::string_view name, const std::string& value) {
  const auto is_one_of = [name](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (is_one_of({"startswith", "startsWith", "starts_with"})) return "use 'starts(" + value + ", …)'";
  if (is_one_of({"contains", "includes", "has"})) return "use 'contains(" + value + ", …)'";
  if (is_one_of({"strip", "trim"})) return "use 'trim(" + value + ")'";
  if (is_one_of({"split", "lines"})) return "use '" + std::string(name) + "(" + value + ", …)'";
  if (is_one_of({"replace", "replaceAll", "replace_all"})) return "use 're.replace'";
  if (is_one_of({"toLowerCase", "downcase"})) return "use '" + value + ":lower()'";
  if (is_one_of({"toUpperCase", "upcase"})) return "use '" + value + ":upper()'";
  if (is_one_of({"length", "size", "count"})) return "Lua writes '#" + value + "'";
  if (is_one_of({"append", "push", "add", "insert"})) return "use 'table.insert(" + value + ", …)'";
  if (is_one_of({"join", "concat"})) return "use 'table.concat(" + value + ", …)'";
  if (is_one_of({"items", "keys", "values", "entries"}))
    return "write 'for name, value in pairs(" + value + ") do … end'";
  return "nothing in a message is a function";
}

/// A function that a value of the message is asked for, which has none: `msg.name.startswith(…)`. A text has those of
/// `string`, as `msg.name:lower()`, or `msg.name.lower(msg.name)`.
std::optional<CompileError> function_of_a_value(std::string_view code, const config::Place& place,
                                                const std::vector<Token>& tokens,
                                                const std::vector<GlobalUse>& globals) {
  constexpr std::array of_a_message{"msg"sv, "text"sv, "meta"sv, "request"sv, "result"sv, "failed"sv, "item"sv};
  if (std::any_of(tokens.begin(), tokens.end(), [](const Token& token) { return token.is("function"); })) return {};
  const auto is_name = [&tokens](std::size_t at) { return tokens[at].kind == Token::Kind::name; };
  for (std::size_t i = 2; i + 1 < tokens.size(); ++i) {
    const bool method = tokens[i - 1].is(":");
    if (!is_name(i) || !tokens[i + 1].is("(") || !(method || tokens[i - 1].is("."))) continue;
    std::size_t root = i;
    while (root >= 2 && tokens[root - 1].is(root == i && method ? ":" : ".") && is_name(root - 2)) root -= 2;
    const auto& of = tokens[root];
    const bool of_message = root < i && is_in(of_a_message, of.text) &&
                            !(root > 0 && (tokens[root - 1].is(".") || tokens[root - 1].is(":"))) &&
                            std::any_of(globals.begin(), globals.end(),
                                        [&of](const GlobalUse& use) { return use.name == of.text && !use.assigned; });
    if (!of_message) continue;
    const Members& of_string = *members_of("string");
    const bool known = std::find(of_string.begin(), of_string.end(), tokens[i].text) != of_string.end();
    const bool bare = i + 2 < tokens.size() && tokens[i + 2].is(")");
    if (known && (method || !bare)) continue;
    std::string value(of.text);
    for (std::size_t at = root + 2; at < i; at += 2) value += "." + std::string(tokens[at].text);
    const std::string name(tokens[i].text);
    return at_token(place, code, tokens[i], "'" + value + "' has no function '" + name + "'",
                    known ? "write '" + value + ":" + name + "()'" : cure_for_method(name, value));
  }
  return std::nullopt;
}

/// The byte of `source` where the one of `code` at `offset` stands, if the code is written from `at` on: perhaps with
/// other blanks and line breaks, and with the doubled or escaped marks of a quoted scalar.
std::size_t same_byte(std::string_view source, std::size_t at, char quote, std::string_view code, std::size_t offset) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto skip = [blanks](std::string_view text, std::size_t from) {
    return std::min(text.find_first_not_of(blanks, from), text.size());
  };
  std::size_t byte = skip(code, 0);
  at = skip(source, at);
  while (byte < offset && byte < code.size()) {
    if (blanks.find(code[byte]) != std::string_view::npos) {
      const auto next = skip(code, byte);
      if (next > offset) break;
      byte = next;
      if (quote == '"' && source.substr(at, 2) == "\\n") at += 2;
      at = skip(source, at);
      continue;
    }
    if (quote == '"' && at < source.size() && source[at] == '\\') ++at;
    if (at >= source.size() || source[at] != code[byte]) return std::string_view::npos;
    at += quote == '\'' && code[byte] == '\'' ? 2 : 1;
    ++byte;
  }
  return at;
}

/// Of code that stands otherwise in its file than it is read: folded by `>`, indented more, with quotes doubled.
config::Place place_as_written(const config::Place& place, std::string_view code, int line, std::size_t byte_column,
                               int length) {
  const std::string_view source = place.source->text;
  std::size_t at = 0;
  for (int number = 1; number < place.line; ++number) at = std::min(source.find('\n', at), source.size() - 1) + 1;
  for (int column = 1; column < place.column && at < source.size(); ++column) {
    ++at;
    while (at < source.size() && (source[at] & 0xc0) == 0x80) ++at;
  }
  char quote = at < source.size() && (source[at] == '\'' || source[at] == '"') ? source[at] : '\0';
  if (quote != '\0') ++at;
  std::size_t offset = 0;
  for (int number = 1; number < line; ++number) offset = std::min(code.find('\n', offset), code.size() - 1) + 1;
  if (byte_column == 0) {
    byte_column = std::min(code.find_first_not_of(" \t", offset), code.size()) - std::min(offset, code.size());
  }
  offset = std::min(offset + byte_column, code.size());
  // All of it must be there, or this is not where it stands. A template's code begins behind some braces.
  constexpr std::size_t far = 65536;
  const auto end = std::min(source.size(), at + far);
  for (auto from = at; from < end; from = source.find("{{", from) + 2) {
    if (same_byte(source, from, quote, code, code.size()) != std::string_view::npos) {
      const auto byte = same_byte(source, from, quote, code, offset);
      const auto begin = source.rfind('\n', byte == 0 ? 0 : byte - 1);
      const auto line_begin = byte == 0 || begin == std::string_view::npos ? 0 : begin + 1;
      config::Place found = place;
      found.line =
          1 + static_cast<int>(std::count(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(byte), '\n'));
      const auto before = source.substr(line_begin, byte - line_begin);
      found.column =
          1 + static_cast<int>(std::count_if(before.begin(), before.end(), [](char c) { return (c & 0xc0) != 0x80; }));
      found.length = std::max(1, length);
      return found;
    }
    if (source.find("{{", from) == std::string_view::npos) break;
  }
  return place;
}

}  // namespace

std::optional<std::string> holds_always(std::string_view condition) {
  const auto tokens = tokens_of(condition);
  const auto is_text = [&](std::size_t at) { return at < tokens.size() && tokens[at].kind == Token::Kind::string; };
  if (tokens.size() == 1 && is_text(0)) return "a condition asks something, such as `msg.level == \"error\"`";
  std::string asked = "msg.field";
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i].is("==")) {
      std::size_t first = i;
      while (first > 0 && (tokens[first - 1].kind == Token::Kind::name || tokens[first - 1].is("."))) --first;
      if (first < i) asked = condition.substr(tokens[first].offset, tokens[i].offset - tokens[first].offset);
      while (asked.ends_with(' ')) asked.pop_back();
    }
    const bool ends = i + 2 == tokens.size() || (i + 2 < tokens.size() && tokens[i + 2].is("or"));
    if (!tokens[i].is("or") || !is_text(i + 1) || !ends) continue;
    return "each side of `or` is a condition of its own: write `or " + asked +
           " == " + std::string(tokens[i + 1].text) + "`";
  }
  return std::nullopt;
}

config::Place place_in(const config::Place& place, std::string_view code, int line, std::size_t byte_column,
                       int length) {
  if (!place.source || place.line < 1) return place;
  const auto line_of = [](std::string_view text, int number) {
    for (; number > 1; --number) {
      const auto end = text.find('\n');
      if (end == std::string_view::npos) return std::string_view();
      text.remove_prefix(end + 1);
    }
    return text.substr(0, text.find('\n'));
  };
  const auto byte_of = [](std::string_view text, int column) {
    std::size_t at = 0;
    for (int characters = 1; at < text.size(); ++at) {
      if ((text[at] & 0xc0) != 0x80 && characters++ == column) break;
    }
    return at;
  };
  // Where the first line of the code stands: at the place, behind a quote or brace of it, or, of a block, below.
  const auto first = line_of(code, 1);
  int first_line = place.line;
  std::size_t first_byte = std::string_view::npos;
  const auto here = place.source->line(place.line);
  const auto from = byte_of(here, place.column);
  if (!(from < here.size() && (here[from] == '|' || here[from] == '>'))) first_byte = here.find(first, from);
  for (int below = 1; first_byte == std::string_view::npos && below <= 3; ++below) {
    const auto candidate = place.source->line(place.line + below);
    first_byte = first.empty() ? 0 : candidate.find(first);
    first_line = place.line + below;
  }
  if (first_byte == std::string_view::npos) return place_as_written(place, code, line, byte_column, length);
  config::Place found = place;
  const auto wanted = line_of(code, std::max(1, line));
  found.line = first_line + std::max(1, line) - 1;
  const auto there = place.source->line(found.line);
  std::size_t at = found.line == first_line ? first_byte : there.find(wanted);
  if (at == std::string_view::npos) at = std::min(there.find_first_not_of(" \t"), there.size());
  if (byte_column == 0) {
    const auto blanks = wanted.find_first_not_of(" \t");
    if (blanks != std::string_view::npos) byte_column = blanks;
  }
  at = std::min(at + byte_column, there.size());
  found.column = 1 + static_cast<int>(std::count_if(there.begin(), there.begin() + static_cast<std::ptrdiff_t>(at),
                                                    [](char c) { return (c & 0xc0) != 0x80; }));
  found.length = std::max(1, length);
  return found;
}

std::optional<CompileError> examine(std::string_view code, Form form, const config::Place& place, Setting setting,
                                    Findings* findings) {
  const auto tokens = tokens_of(code);
  if (const auto advice = config::bare_lua_advice(code)) return CompileError(place, advice->cure);
  std::string dumped, problem;
  {
    const std::unique_ptr<lua_State, void (*)(lua_State*)> lua(luaL_newstate(), lua_close);
    if (!lua) return CompileError(place, "there is no memory to compile with");
    std::string source(form == Form::expression ? "return " : "");
    source += code;
    if (luaL_loadbufferx(lua.get(), source.data(), source.size(), "=lua", "t") != LUA_OK) {
      std::size_t size;
      const char* text = lua_tolstring(lua.get(), -1, &size);
      problem = text ? std::string(text, size) : "the code cannot be compiled";
    } else {
      lua_dump(lua.get(), write_dump, &dumped, 0);
    }
  }
  if (!problem.empty()) return syntax_error(code, form, place, tokens, std::move(problem));
  if (form == Form::expression && tokens.empty()) return CompileError(place, "there is no code here");
  if (form == Form::expression && tokens.front().is(";")) return CompileError(place, "one expression is wanted");
  if (const auto trap = config::subtraction_trap(code)) return at_quoted(place, code, *trap);

  for (const auto& token : tokens) {
    if (token.is_name("_ENV")) return at_token(place, code, token, "'_ENV' is not to be had here", "");
  }
  bool understood = false;
  const auto globals = globals_of(dumped, understood);
  if (!understood) return CompileError(place, "this build's Lua is not the one that weir knows");
  bool uses_msg = false;
  std::map<std::string_view, std::pair<std::size_t, CompileError>> refused;  // Each name at its first use.
  for (const auto& use : globals) {
    uses_msg |= use.name == "msg";
    std::string what, hint;
    if (use.assigned) {
      what = "'" + use.name + "' would be a global, and nothing outlives a message";
      hint = is_known_name(use.name, form, setting) ? "'" + use.name + "' is weir's own name: take another"
                                                    : "write 'local " + use.name + "'";
      if (use.name == "msg") hint = "'return {...}' replaces the payload, 'msg.field = ...' changes it";
    } else if (!is_known_name(use.name, form, setting)) {
      what = "there is no '" + use.name + "' here";
      hint = cure_for_absent(use.name);
      if (use.name == "state") {
        hint = "a 'lua' stage has a table for each key by 'state: {key: …, forget: 1h}' beside it";
      } else if (is_in(in_a_block, use.name)) {
        hint = "only 'lua:' can call it, on a message";
      } else if (is_in(on_a_message, use.name)) {
        hint = "in 'generate' there is no message yet";
      } else if (is_in(in_a_generator, use.name) || is_in(in_generate, use.name)) {
        hint = "it is known in 'generate' only";
      } else if (compared_word(tokens, use.name) && (hint.empty() || use.name == "print" || use.name == "warn")) {
        hint = as_text(use.name);
      } else if (hint.empty()) {
        const auto near = config::nearest(use.name, known_names(form, setting));
        hint = near.empty() ? "a field of the payload is 'msg." + use.name + "'" : "did you mean '" + near + "'?";
      }
    } else if (is_function(use.name) && !declares(tokens, use.name) && compared_word(tokens, use.name)) {
      what = "'" + use.name + "' is a function here, and nothing in a message is equal to it";
      hint = as_text(use.name);
    } else {
      continue;
    }
    const Token* token = compared_word(tokens, use.name);
    if (!token) token = find_token(tokens, use.name, use.line);
    if (!token) token = find_token(tokens, use.name, 0);
    const std::size_t offset = token ? token->offset : code.size();
    const auto known = refused.find(use.name);
    if (known != refused.end() && known->second.first <= offset) continue;
    auto error = token ? at_token(place, code, *token, std::move(what), std::move(hint))
                       : at_line(place, code, use.line, std::move(what), std::move(hint));
    refused.insert_or_assign(use.name, std::pair(offset, std::move(error)));
  }
  if (!refused.empty()) {
    std::vector<std::pair<std::size_t, CompileError>> errors;
    for (auto& [name, error] : refused) errors.push_back(std::move(error));
    std::sort(errors.begin(), errors.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    CompileError first = std::move(errors.front().second);
    for (auto at = errors.begin() + 1; at != errors.end(); ++at) first.more.push_back(std::move(at->second));
    return first;
  }
  if (auto absent = absent_function(code, place, tokens, globals)) return absent;
  if (auto absent = function_of_a_value(code, place, tokens, globals)) return absent;

  std::vector<std::string> ports;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool is_field = i > 0 && (tokens[i - 1].is(".") || tokens[i - 1].is(":"));
    const auto is_at = [&](std::size_t at, std::string_view text) { return at < tokens.size() && tokens[at].is(text); };
    std::string value;
    if (tokens[i].is_name("emit_to") && !is_field) {
      const bool literal = is_at(i + 1, "(") && i + 3 < tokens.size() && string_value(tokens[i + 2], value) &&
                           (is_at(i + 3, ",") || is_at(i + 3, ")"));
      if (!literal) {
        return at_token(place, code, tokens[i], "emit_to wants the name of its port written out",
                        "such as 'emit_to(\"late\", msg)'");
      }
      if (!may_be_port(value)) {
        return at_token(place, code, tokens[i + 2], "'" + value + "' cannot be the name of a port",
                        "lower-case letters, digits and '_'; not 'main', 'failed', 'else' or 'any'");
      }
      if (std::find(ports.begin(), ports.end(), value) == ports.end()) ports.push_back(value);
    }
    if (tokens[i].is_name("re") && !is_field && is_at(i + 1, ".") &&
        (is_at(i + 2, "match") || is_at(i + 2, "replace")) && is_at(i + 3, "(") && i + 5 < tokens.size() &&
        string_value(tokens[i + 4], value) && is_at(i + 5, ",")) {
      if (const auto wrong = pattern_error(value); !wrong.empty()) {
        return at_token(place, code, tokens[i + 4], "the pattern is wrong: " + wrong, "");
      }
    }
  }
  if (findings) {
    findings->uses_msg = uses_msg;
    findings->straight = std::none_of(tokens.begin(), tokens.end(), [](const Token& token) {
      return token.is("for") || token.is("while") || token.is("repeat") || token.is("goto") || token.is("function");
    });
    findings->ports = std::move(ports);
  }
  return std::nullopt;
}

std::optional<CompileError> check_vars(const config::CodeUse& use, const std::vector<std::string>& known) {
  const auto tokens = tokens_of(use.code);
  const auto is_at = [&](std::size_t at, std::string_view text) { return at < tokens.size() && tokens[at].is(text); };
  std::optional<CompileError> wrong;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool is_field = i > 0 && (tokens[i - 1].is(".") || tokens[i - 1].is(":"));
    if (!tokens[i].is_name("vars") || is_field) continue;
    std::string name;
    if (is_at(i + 1, ".") && i + 2 < tokens.size()) {
      name = tokens[i + 2].text;
    } else if (!is_at(i + 1, "[")) {
      return std::nullopt;
    } else if (!is_at(i + 3, "]") || !string_value(tokens[i + 2], name)) {
      continue;
    }
    if (wrong || std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto near = config::nearest(name, known);
    // Not told yet: where `vars` stands alone further on, it may be a local.
    wrong = at_token(use.place, use.code, tokens[i + 2], "no var is called '" + name + "'",
                     !near.empty()   ? "did you mean 'vars." + near + "'?"
                     : known.empty() ? "write it under vars:"
                                     : "known are " + config::listed(known));
  }
  return wrong;
}

}  // namespace weir::script
