// The functions that weir adds to Lua.
//
// Lua reports errors by longjmp. Where C++ objects with destructors are needed, they live in State, or in a function
// that returns before Lua is asked for anything.
#include <re2/re2.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>

#include "engine/message/number.hpp"
#include "engine/script/lua.hpp"
#include "engine/script/state.hpp"
#include "engine/script/time_text.hpp"
#include "engine/script/url.hpp"

namespace weir::script {
namespace {

using message::Reason;

char list_mark_key;

void push_text(lua_State* lua, std::string_view text) { lua_pushlstring(lua, text.data(), text.size()); }

/// A text argument; numbers are none. Raises.
std::string_view text_argument(lua_State* lua, int index, const char* function) {
  if (lua_type(lua, index) != LUA_TSTRING) {
    raise(lua, lua_type(lua, index) <= LUA_TNIL ? Reason::missing : Reason::type,
          "%s wants a text as argument %d, got %s", function, index,
          lua_type(lua, index) == LUA_TNONE ? "nothing" : luaL_typename(lua, index));
  }
  std::size_t size;
  const char* text = lua_tolstring(lua, index, &size);
  return {text, size};
}

void charge_text(lua_State* lua, std::string_view text) { State::of(lua).charge(lua, text.size() / 16); }

// --- re -------------------------------------------------------------------------------------------------------------

const re2::RE2& pattern_argument(lua_State* lua, const char* function) {
  State& state = State::of(lua);
  const auto pattern = text_argument(lua, 1, function);
  bool was_cached = false;
  const RE2& compiled = state.patterns().compiled(pattern, was_cached);
  if (!was_cached) state.charge(lua, 500 + pattern.size() * 10);
  if (!compiled.ok()) raise(lua, Reason::type, "%s: the pattern is wrong: %s", function, compiled.error().c_str());
  return compiled;
}

int re_match(lua_State* lua) {
  const auto text = text_argument(lua, 2, "re.match");
  const RE2& pattern = pattern_argument(lua, "re.match");
  charge_text(lua, text);
  constexpr int most = 32;
  std::array<re2::StringPiece, most> found;
  const int groups = pattern.NumberOfCapturingGroups();
  if (groups >= most) raise(lua, Reason::type, "re.match: a pattern has at most %d groups", most - 1);
  if (!pattern.Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), RE2::UNANCHORED, found.data(),
                     groups + 1)) {
    lua_pushnil(lua);
    return 1;
  }
  luaL_checkstack(lua, groups + 1, nullptr);
  for (int i = groups == 0 ? 0 : 1; i <= groups; ++i) {
    const auto& group = found[static_cast<std::size_t>(i)];
    if (group.data()) {
      lua_pushlstring(lua, group.data(), group.size());
    } else {
      lua_pushnil(lua);
    }
  }
  return groups == 0 ? 1 : groups;
}

int re_replace(lua_State* lua) {
  State& state = State::of(lua);
  const auto text = text_argument(lua, 2, "re.replace");
  const auto by = text_argument(lua, 3, "re.replace");
  const RE2& pattern = pattern_argument(lua, "re.replace");
  charge_text(lua, text);
  // What it can grow to is charged before it is made.
  if (by.size() > 1) state.charge(lua, by.size() * text.size() / 128);
  const re2::StringPiece rewrite(by.data(), by.size());
  std::string& wrong = state.scratch();
  wrong.clear();
  if (!pattern.CheckRewriteString(rewrite, &wrong)) raise(lua, Reason::type, "re.replace: %s", wrong.c_str());
  std::string& out = state.out();
  out.assign(text);
  RE2::GlobalReplace(&out, pattern, rewrite);
  push_text(lua, out);
  return 1;
}

// --- url ------------------------------------------------------------------------------------------------------------

/// Into State::out(); false: there is none.
using Make = bool (*)(std::string_view, std::string_view, std::string&);

bool put(std::optional<std::string> made, std::string& out) {
  if (made) out = *made;
  return made.has_value();
}

int url_function(lua_State* lua, const char* function, int texts, Make make) {
  State& state = State::of(lua);
  const auto first = text_argument(lua, 1, function);
  const auto second = texts == 2 ? text_argument(lua, 2, function) : std::string_view();
  charge_text(lua, first);
  charge_text(lua, second);
  if (make(first, second, state.out())) {
    push_text(lua, state.out());
  } else {
    lua_pushnil(lua);
  }
  return 1;
}

bool make_host(std::string_view url, std::string_view, std::string& out) { return put(url_host(url), out); }
bool make_normal(std::string_view url, std::string_view, std::string& out) { return put(url_normalise(url), out); }
bool make_joined(std::string_view base, std::string_view url, std::string& out) {
  return put(url_join(base, url), out);
}
bool make_escaped(std::string_view text, std::string_view, std::string& out) { return put(url_escape(text), out); }

int host_of_url(lua_State* lua) { return url_function(lua, "url.host", 1, make_host); }
int normalise_url(lua_State* lua) { return url_function(lua, "url.normalise", 1, make_normal); }
int join_url(lua_State* lua) { return url_function(lua, "url.join", 2, make_joined); }
int escape_for_url(lua_State* lua) { return url_function(lua, "url.escape", 1, make_escaped); }

// --- time -----------------------------------------------------------------------------------------------------------

/// Why a text is no time, into State::out().
const char* why_no_time(State& state, std::string_view text) {
  const bool outside = outside_held_years(text);
  state.out().assign("'").append(text).append(outside ? "' " : "' is no time such as 2026-01-31T08:00:00Z");
  if (outside) state.out() += not_held;
  return state.out().c_str();
}

/// A time given as RFC 3339 text or as seconds since 1970. Raises.
runtime::WallTime time_argument(lua_State* lua, int index, const char* function) {
  if (lua_type(lua, index) == LUA_TNUMBER) {
    const double seconds = lua_tonumber(lua, index);
    if (!std::isfinite(seconds)) raise(lua, Reason::type, "%s: no such time: seconds since 1970 are wanted", function);
    if (!held(seconds)) raise(lua, Reason::type, "%s: %s %s", function, luaL_tolstring(lua, index, nullptr), not_held);
    if (lua_isinteger(lua, index)) return runtime::WallTime(std::chrono::seconds(lua_tointeger(lua, index)));
    return time_of(seconds);
  }
  const auto text = text_argument(lua, index, function);
  const auto time = parse_rfc3339(text);
  if (!time) raise(lua, Reason::type, "%s: %s", function, why_no_time(State::of(lua), text));
  return *time;
}

bool format_into(runtime::WallTime time, std::string_view format, const Clocks& clocks, std::string& out) {
  std::string what;
  const auto text = format_time(time, format, what, clocks);
  out = text ? *text : what;
  return text.has_value();
}

/// 1: parsed; 0: the text does not fit; -1: the format is wrong, and `out` says how.
int parse_into(std::string_view text, const std::string_view* format, const Clocks& clocks, std::string& out) {
  std::string what;
  const auto time = format ? parse_time(text, *format, what, clocks) : parse_rfc3339(text);
  out = time ? exact_rfc3339(*time) : what;
  return time ? 1 : what.empty() ? 0 : -1;
}

/// Null: there is none of that name. Read once for a thread; a script that makes names up does not fill the memory.
const runtime::Zone* known_zone(std::string_view name) {
  constexpr std::size_t most = 1000;
  static thread_local std::map<std::string, runtime::Zone, std::less<>> known;
  if (const auto found = known.find(name); found != known.end()) return &found->second;
  std::string why;
  auto zone = runtime::Zone::find(name, why);
  if (!zone) return nullptr;
  if (known.size() >= most) known.clear();
  return &known.emplace(name, std::move(*zone)).first->second;
}

Clocks clocks_argument(lua_State* lua, int index, const char* function) {
  Clocks clocks;
  if (lua_type(lua, index) <= LUA_TNIL) return clocks;
  clocks.name = text_argument(lua, index, function);
  if (clocks.name == "UTC") return clocks;
  clocks.zone = known_zone(clocks.name);
  if (!clocks.zone)
    raise(lua, Reason::type, "%s: there is no zone '%s', such as Europe/Berlin", function, clocks.name.data());
  return clocks;
}

int time_format(lua_State* lua) {
  State& state = State::of(lua);
  const auto time = time_argument(lua, 1, "time.format");
  const auto format = text_argument(lua, 2, "time.format");
  const Clocks clocks = clocks_argument(lua, 3, "time.format");
  charge_text(lua, format);
  if (!format_into(time, format, clocks, state.out())) raise(lua, Reason::type, "time.format: %s", state.out().c_str());
  push_text(lua, state.out());
  return 1;
}

int time_parse(lua_State* lua) {
  State& state = State::of(lua);
  const auto text = text_argument(lua, 1, "time.parse");
  const bool formatted = lua_type(lua, 2) > LUA_TNIL;
  const auto format = formatted ? text_argument(lua, 2, "time.parse") : std::string_view();
  const Clocks clocks = clocks_argument(lua, 3, "time.parse");
  charge_text(lua, text);
  charge_text(lua, format);
  switch (parse_into(text, formatted ? &format : nullptr, clocks, state.out())) {
    case 1:
      push_text(lua, state.out());
      return 1;
    case 0:
      lua_pushnil(lua);
      return 1;
    default:
      raise(lua, Reason::type, "time.parse: %s", state.out().c_str());
  }
}

int time_unix(lua_State* lua) {
  const auto time = time_argument(lua, 1, "time.unix").time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  if (time == seconds) {
    lua_pushinteger(lua, seconds.count());
  } else {
    // All nanoseconds at once would not fit into a double.
    lua_pushnumber(lua, static_cast<double>(seconds.count()) + std::chrono::duration<double>(time - seconds).count());
  }
  return 1;
}

int now(lua_State* lua) {
  State& state = State::of(lua);
  state.out() = rfc3339(state.host().now());
  push_text(lua, state.out());
  return 1;
}

int uuid(lua_State* lua) {
  const auto text = make_uuid(State::of(lua).host());
  lua_pushlstring(lua, text.data(), text.size());
  return 1;
}

// --- numbers and text -----------------------------------------------------------------------------------------------

int num(lua_State* lua) {
  if (lua_type(lua, 1) == LUA_TNUMBER) {
    lua_settop(lua, 1);
    return 1;
  }
  if (lua_type(lua, 1) != LUA_TSTRING) {
    lua_pushnil(lua);
    return 1;
  }
  auto text = trimmed(text_argument(lua, 1, "num"));
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  std::int64_t integer = 0;
  double number = 0;
  const char* end = text.data() + text.size();
  if (const auto read = std::from_chars(text.data(), end, integer);
      !text.empty() && read.ec == std::errc() && read.ptr == end) {
    lua_pushinteger(lua, integer);
    return 1;
  }
  const bool begins = !text.empty() && (std::isdigit(static_cast<unsigned char>(text.back())) || text.back() == '.');
  if (const auto read = std::from_chars(text.data(), end, number);
      begins && read.ec == std::errc() && read.ptr == end && std::isfinite(number)) {
    lua_pushnumber(lua, number);
  } else {
    lua_pushnil(lua);
  }
  return 1;
}

int int_of(lua_State* lua) {
  if (lua_type(lua, 1) == LUA_TNUMBER) {
    if (lua_isinteger(lua, 1)) {
      lua_settop(lua, 1);
      return 1;
    }
    lua_Integer integer;
    if (lua_numbertointeger(std::trunc(lua_tonumber(lua, 1)), &integer)) {
      lua_pushinteger(lua, integer);
    } else {
      lua_pushnil(lua);
    }
    return 1;
  }
  if (lua_type(lua, 1) != LUA_TSTRING) {
    lua_pushnil(lua);
    return 1;
  }
  auto text = trimmed(text_argument(lua, 1, "int"));
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  std::int64_t integer = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), integer);
  if (!text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size()) {
    lua_pushinteger(lua, integer);
  } else {
    lua_pushnil(lua);
  }
  return 1;
}

int trim(lua_State* lua) {
  const auto text = text_argument(lua, 1, "trim");
  charge_text(lua, text);
  push_text(lua, trimmed(text));
  return 1;
}

int starts(lua_State* lua) {
  const auto text = text_argument(lua, 1, "starts");
  const auto with = text_argument(lua, 2, "starts");
  charge_text(lua, with);
  lua_pushboolean(lua, text.starts_with(with));
  return 1;
}

int contains(lua_State* lua) {
  if (lua_type(lua, 1) == LUA_TSTRING) {
    const auto text = text_argument(lua, 1, "contains");
    const auto what = text_argument(lua, 2, "contains");
    // memmem is linear; std::string_view::find is not.
    charge_text(lua, text);
    lua_pushboolean(lua, what.empty() || memmem(text.data(), text.size(), what.data(), what.size()) != nullptr);
    return 1;
  }
  const Handle* handle = handle_at(lua, 1);
  if (lua_type(lua, 1) != LUA_TTABLE && !(handle && handle->kind != Handle::Kind::null)) {
    raise(lua, lua_type(lua, 1) <= LUA_TNIL ? Reason::missing : Reason::type, "contains wants a list or a text, got %s",
          luaL_typename(lua, 1));
  }
  if (lua_type(lua, 2) == LUA_TNONE) raise(lua, Reason::missing, "contains wants a value as argument 2, got nothing");
  const auto size = luaL_len(lua, 1);
  State::of(lua).charge(lua, static_cast<std::size_t>(size));
  for (lua_Integer i = 1; i <= size; ++i) {
    lua_geti(lua, 1, i);
    if (lua_compare(lua, -1, 2, LUA_OPEQ)) {
      lua_pushboolean(lua, 1);
      return 1;
    }
    lua_pop(lua, 1);
  }
  lua_pushboolean(lua, 0);
  return 1;
}

/// The parts between separators as a list on top.
void push_split(lua_State* lua, std::string_view text, std::string_view by) {
  lua_createtable(lua, 4, 0);
  mark_list(lua);
  lua_Integer position = 0;
  while (true) {
    const auto* at = static_cast<const char*>(memmem(text.data(), text.size(), by.data(), by.size()));
    const auto size = at ? static_cast<std::size_t>(at - text.data()) : text.size();
    push_text(lua, text.substr(0, size));
    lua_rawseti(lua, -2, ++position);
    if (!at) return;
    text.remove_prefix(size + by.size());
  }
}

int split(lua_State* lua) {
  const auto text = text_argument(lua, 1, "split");
  const auto by = text_argument(lua, 2, "split");
  if (by.empty()) raise(lua, Reason::type, "split wants a separator that is not empty");
  charge_text(lua, text);
  push_split(lua, text, by);
  return 1;
}

int lines(lua_State* lua) {
  auto text = text_argument(lua, 1, "lines");
  charge_text(lua, text);
  lua_createtable(lua, 4, 0);
  mark_list(lua);
  lua_Integer position = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    push_text(lua, line);
    lua_rawseti(lua, -2, ++position);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return 1;
}

// --- what decides over the message ----------------------------------------------------------------------------------

int fail(lua_State* lua) {
  const auto text = text_argument(lua, 1, "fail");
  State::of(lua).note_fail();
  raise(lua, Reason::user, "%s", text.data());
}

int drop(lua_State* lua) {
  lua_pushliteral(lua, "\2");
  return lua_error(lua);
}

/// The value at `index` as a payload, in State::out(): text as it is, all else as JSON.
void write_payload(lua_State* lua, int index) {
  State& state = State::of(lua);
  state.out().clear();
  if (lua_type(lua, index) <= LUA_TNIL) raise(lua, Reason::missing, "there is nothing to send: the value is nil");
  if (lua_type(lua, index) == LUA_TSTRING) {
    state.out() = text_argument(lua, index, "emit");
  } else {
    write_json(lua, index);
  }
}

void add_emitted(State& state, int port) {
  Emitted emitted;
  emitted.port = port;
  emitted.payload = state.out();
  state.emitted().push_back(std::move(emitted));
}

/// What was emitted lies outside of Lua's memory and counts towards the same bound.
void charge_emitted(lua_State* lua) {
  State& state = State::of(lua);
  const std::size_t before = state.emitted().empty() ? 0 : state.emitted_bytes();
  const std::size_t bytes = before + state.out().size() + sizeof(Emitted);
  if (bytes > state.limits().memory_bytes) {
    raise(lua, Reason::memory, "the code emits more than %d KiB from one message",
          static_cast<int>(state.limits().memory_bytes >> 10));
  }
  state.emitted_bytes() = bytes;
  state.charge(lua, state.out().size() / 16);
}

int emit(lua_State* lua) {
  write_payload(lua, 1);
  charge_emitted(lua);
  add_emitted(State::of(lua), Emitted::main);
  return 0;
}

int emit_to(lua_State* lua) {
  State& state = State::of(lua);
  const auto port = text_argument(lua, 1, "emit_to");
  int number = -1;
  if (state.ports()) {
    for (std::size_t i = 0; i < state.ports()->size(); ++i) {
      if ((*state.ports())[i] == port) number = static_cast<int>(i);
    }
  }
  if (number < 0) raise(lua, Reason::type, "there is no port '%s' here", port.data());
  write_payload(lua, 2);
  charge_emitted(lua);
  add_emitted(state, number);
  return 0;
}

// --- what generators do ---------------------------------------------------------------------------------------------

int yield(lua_State* lua) {
  State& state = State::of(lua);
  write_payload(lua, 1);
  state.sleeping() = false;
  return lua_yield(lua, 0);
}

int after_sleep(lua_State*, int, lua_KContext) { return 0; }

int sleep(lua_State* lua) {
  State& state = State::of(lua);
  if (lua_type(lua, 1) == LUA_TNUMBER) {
    const double seconds = lua_tonumber(lua, 1);
    if (!(seconds >= 0) || seconds > 1e9) raise(lua, Reason::type, "sleep wants seconds, not below 0");
    state.sleep() = runtime::Duration(static_cast<std::int64_t>(seconds * 1e9));
  } else {
    const auto text = text_argument(lua, 1, "sleep");
    const auto duration = config::parse_duration(text);
    if (!duration) raise(lua, Reason::type, "sleep: '%s' is no duration such as 100ms", text.data());
    state.sleep() = *duration;
  }
  state.sleeping() = true;
  return lua_yieldk(lua, 0, 0, after_sleep);
}

void set_function(lua_State* lua, const char* name, lua_CFunction function) {
  lua_pushcfunction(lua, function);
  lua_setfield(lua, -2, name);
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n\f\v";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return text.substr(0, 0);  // RE2 finds no groups in {}.
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::array<char, 36> make_uuid(Host& host) {
  const std::array<std::uint64_t, 2> bits{(host.random() & ~0xf000ull) | 0x4000ull,
                                          (host.random() & 0x3fffffffffffffffull) | 0x8000000000000000ull};
  std::array<char, 36> text;
  std::size_t at = 0;
  for (std::size_t digit = 0; digit < 32; ++digit) {
    if (digit == 8 || digit == 12 || digit == 16 || digit == 20) text[at++] = '-';
    text[at++] = "0123456789abcdef"[(bits[digit / 16] >> (60 - 4 * (digit % 16))) & 15];
  }
  return text;
}

void mark_list(lua_State* lua) {
  if (lua_rawgetp(lua, LUA_REGISTRYINDEX, &list_mark_key) != LUA_TTABLE) {
    lua_pop(lua, 1);
    lua_createtable(lua, 2, 0);
    lua_pushboolean(lua, 1);
    lua_rawseti(lua, -2, 2);
    lua_pushvalue(lua, -1);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &list_mark_key);
  }
  lua_setmetatable(lua, -2);
}

void add_functions(lua_State* lua) {
  set_function(lua, "now", now);
  set_function(lua, "uuid", uuid);
  set_function(lua, "num", num);
  set_function(lua, "int", int_of);
  set_function(lua, "trim", trim);
  set_function(lua, "starts", starts);
  set_function(lua, "contains", contains);
  set_function(lua, "lines", lines);
  set_function(lua, "split", split);
  set_function(lua, "fail", fail);
  set_function(lua, "drop", drop);
  set_function(lua, "emit", emit);
  set_function(lua, "emit_to", emit_to);
  set_function(lua, "yield", yield);
  set_function(lua, "sleep", sleep);

  lua_createtable(lua, 0, 2);
  set_function(lua, "match", re_match);
  set_function(lua, "replace", re_replace);
  freeze(lua);
  lua_setfield(lua, -2, "re");

  lua_createtable(lua, 0, 4);
  set_function(lua, "host", host_of_url);
  set_function(lua, "normalise", normalise_url);
  set_function(lua, "join", join_url);
  set_function(lua, "escape", escape_for_url);
  freeze(lua);
  lua_setfield(lua, -2, "url");

  lua_createtable(lua, 0, 3);
  set_function(lua, "format", time_format);
  set_function(lua, "parse", time_parse);
  set_function(lua, "unix", time_unix);
  freeze(lua);
  lua_setfield(lua, -2, "time");
}

}  // namespace weir::script
