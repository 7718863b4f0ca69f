// The environment in which all code runs: what of Lua's own library is safe, made read-only.
//
// Allowed is what stands here; everything else is gone. The reasons stand in README.md.
#include <array>
#include <cmath>
#include <cstring>

#include "engine/message/number.hpp"
#include "engine/script/lua.hpp"
#include "engine/script/state.hpp"

namespace weir::script {
namespace {

using message::Reason;

std::size_t size_at(lua_State* lua, int index) { return static_cast<std::size_t>(luaL_len(lua, index)); }

/// Calls one of Lua's functions on arguments of exactly the types it means: strings are no numbers here, nor numbers
/// strings. Upvalues: the function, its name, and its parameters, one letter each: s text, n number, N number that
/// must be given; the last letter holds for all that follow.
int strict(lua_State* lua) {
  const char* parameters = lua_tostring(lua, lua_upvalueindex(3));
  const int given = lua_gettop(lua);
  const char* letter = parameters;
  for (int i = 1; i <= given || *letter; ++i) {
    const int type = i <= given ? lua_type(lua, i) : LUA_TNONE;
    const bool optional = *letter == 'n' && type <= LUA_TNIL;
    const int wanted = *letter == 's' ? LUA_TSTRING : LUA_TNUMBER;
    if (type != wanted && !optional) {
      raise(lua, type <= LUA_TNIL ? Reason::missing : Reason::type, "bad argument #%d to '%s' (%s expected, got %s)", i,
            lua_tostring(lua, lua_upvalueindex(2)), lua_typename(lua, wanted), luaL_typename(lua, i));
    }
    if (letter[1]) {
      ++letter;
    } else if (i >= given) {
      break;
    }
  }
  return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

/// Copies a function of the library on top into the table below it, under the strict rule.
void take_strict(lua_State* lua, const char* name, const char* parameters) {
  lua_getfield(lua, -1, name);
  lua_pushstring(lua, name);
  lua_pushstring(lua, parameters);
  lua_pushcclosure(lua, strict, 3);
  lua_setfield(lua, -3, name);
}

void take(lua_State* lua, const char* name) {
  lua_getfield(lua, -1, name);
  lua_setfield(lua, -3, name);
}

void set_function(lua_State* lua, const char* name, lua_CFunction function) {
  lua_pushcfunction(lua, function);
  lua_setfield(lua, -2, name);
}

/// A function of Lua's library behind a check of ours: upvalue 1.
void take_guarded(lua_State* lua, const char* name, lua_CFunction guard) {
  lua_getfield(lua, -1, name);
  lua_pushcclosure(lua, guard, 1);
  lua_setfield(lua, -3, name);
}

int pass_on(lua_State* lua) { return lua_tocfunction(lua, lua_upvalueindex(1))(lua); }

// --- text ------------------------------------------------------------------------------------------------------------

/// Lua's own runs n times round even where every part is empty.
int string_rep(lua_State* lua) {
  if (lua_type(lua, 1) == LUA_TSTRING && lua_type(lua, 2) == LUA_TNUMBER && lua_type(lua, 3) <= LUA_TNIL) {
    const auto times = luaL_checkinteger(lua, 2);
    if (times <= 0 || lua_rawlen(lua, 1) == 0) {
      lua_pushliteral(lua, "");
      return 1;
    }
    State::of(lua).charge(lua, static_cast<std::size_t>(times) / 8);
  } else if (lua_type(lua, 1) == LUA_TSTRING && lua_type(lua, 2) == LUA_TNUMBER && lua_type(lua, 3) == LUA_TSTRING) {
    const auto times = luaL_checkinteger(lua, 2);
    if (times > 0) State::of(lua).charge(lua, static_cast<std::size_t>(times) / 8);
  } else {
    raise(lua, lua_type(lua, 1) <= LUA_TNIL || lua_type(lua, 2) <= LUA_TNIL ? Reason::missing : Reason::type,
          "string.rep wants a text and a number, got %s and %s", luaL_typename(lua, 1), luaL_typename(lua, 2));
  }
  return pass_on(lua);
}

int to_text(lua_State* lua) {
  State& state = State::of(lua);
  luaL_checkany(lua, 1);
  switch (lua_type(lua, 1)) {
    case LUA_TSTRING:
      lua_settop(lua, 1);
      return 1;
    case LUA_TFUNCTION:
      lua_pushliteral(lua, "function");
      return 1;
    case LUA_TNIL:
      lua_pushliteral(lua, "nil");
      return 1;
    case LUA_TNUMBER:
      if (!std::isfinite(lua_tonumber(lua, 1))) {
        luaL_tolstring(lua, 1, nullptr);
        return 1;
      }
      break;
    default:
      break;
  }
  state.out().clear();
  write_json(lua, 1);
  lua_pushlstring(lua, state.out().data(), state.out().size());
  return 1;
}

/// Without `%p` and without the addresses that Lua gives for tables: no output depends on where memory lies.
int string_format(lua_State* lua) {
  if (lua_type(lua, 1) != LUA_TSTRING) {
    raise(lua, Reason::type, "string.format wants a text first, got %s", luaL_typename(lua, 1));
  }
  int argument = 1;
  std::size_t size;
  const char* at = lua_tolstring(lua, 1, &size);
  for (const char* const end = at + size; at < end; ++at) {  // A 0 is no end.
    if (*at != '%') continue;
    ++at;
    while (*at && std::strchr("-+ #0123456789.", *at)) ++at;
    if (*at == '%') continue;
    if (!*at) break;
    ++argument;
    if (*at == 'p') raise(lua, Reason::type, "string.format knows no %%p here");
    if (*at == 's') {
      if (lua_type(lua, argument) == LUA_TSTRING || lua_type(lua, argument) == LUA_TNONE) continue;
      lua_pushcfunction(lua, to_text);
      lua_pushvalue(lua, argument);
      lua_call(lua, 1, 1);
      lua_replace(lua, argument);
    } else if (*at != 'q' && lua_type(lua, argument) != LUA_TNUMBER) {
      raise(lua, lua_type(lua, argument) <= LUA_TNIL ? Reason::missing : Reason::type,
            "bad argument #%d to 'format' (number expected, got %s)", argument, luaL_typename(lua, argument));
    } else if (*at == 'q' && (lua_type(lua, argument) == LUA_TTABLE || lua_type(lua, argument) >= LUA_TTABLE)) {
      raise(lua, Reason::type, "string.format can quote no %s", luaL_typename(lua, argument));
    }
  }
  return pass_on(lua);
}

void make_string(lua_State* lua) {
  lua_createtable(lua, 0, 16);
  lua_pushcfunction(lua, luaopen_string);
  lua_call(lua, 0, 1);
  for (const auto* name : {"upper", "lower", "len", "reverse"}) take_strict(lua, name, "s");
  take_strict(lua, "sub", "snn");
  take_strict(lua, "byte", "snn");
  take_strict(lua, "char", "n");
  for (const auto* name : {"pack", "packsize", "unpack"}) take(lua, name);
  take_guarded(lua, "rep", string_rep);
  take_guarded(lua, "format", string_format);
  lua_pop(lua, 1);

  // Methods of texts are these functions; and no arithmetic: "12" + 1 fails.
  lua_pushliteral(lua, "");
  lua_createtable(lua, 0, 1);
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
  lua_pop(lua, 1);
}

// --- tables ----------------------------------------------------------------------------------------------------------

// Each of these runs once over a list inside of one instruction.

int table_insert(lua_State* lua) {
  if (lua_gettop(lua) == 3 && lua_isinteger(lua, 2)) {
    const auto size = size_at(lua, 1);
    const auto position = lua_tointeger(lua, 2);
    if (position > 0 && static_cast<std::size_t>(position) <= size) {
      State::of(lua).charge(lua, (size - static_cast<std::size_t>(position)) / 2);
    }
  }
  return pass_on(lua);
}

int table_remove(lua_State* lua) {
  if (lua_isinteger(lua, 2)) {
    const auto size = size_at(lua, 1);
    const auto position = lua_tointeger(lua, 2);
    if (position > 0 && static_cast<std::size_t>(position) <= size) {
      State::of(lua).charge(lua, (size - static_cast<std::size_t>(position)) / 2);
    }
  }
  return pass_on(lua);
}

int table_concat(lua_State* lua) {
  if (lua_type(lua, 1) == LUA_TTABLE || lua_type(lua, 1) == LUA_TUSERDATA)
    State::of(lua).charge(lua, size_at(lua, 1) / 2);
  return pass_on(lua);
}

int table_sort(lua_State* lua) {
  if (lua_type(lua, 1) == LUA_TTABLE || lua_type(lua, 1) == LUA_TUSERDATA) {
    auto size = size_at(lua, 1);
    std::size_t work = 0;
    for (auto left = size; left > 1; left /= 2) work += size;
    State::of(lua).charge(lua, work);
  }
  return pass_on(lua);
}

int table_move(lua_State* lua) {
  const auto from = luaL_checkinteger(lua, 2), to = luaL_checkinteger(lua, 3);
  if (to >= from) State::of(lua).charge(lua, static_cast<std::size_t>(to) - static_cast<std::size_t>(from) + 1);
  return pass_on(lua);
}

int table_unpack(lua_State* lua) {
  const auto from = luaL_optinteger(lua, 2, 1);
  const auto to = lua_type(lua, 3) <= LUA_TNIL ? luaL_len(lua, 1) : luaL_checkinteger(lua, 3);
  if (to >= from) State::of(lua).charge(lua, static_cast<std::size_t>(to) - static_cast<std::size_t>(from) + 1);
  return pass_on(lua);
}

void make_table(lua_State* lua) {
  lua_createtable(lua, 0, 8);
  lua_pushcfunction(lua, luaopen_table);
  lua_call(lua, 0, 1);
  take(lua, "pack");
  take_guarded(lua, "insert", table_insert);
  take_guarded(lua, "remove", table_remove);
  take_guarded(lua, "concat", table_concat);
  take_guarded(lua, "sort", table_sort);
  take_guarded(lua, "move", table_move);
  take_guarded(lua, "unpack", table_unpack);
  lua_pop(lua, 1);
}

void make_math(lua_State* lua) {
  lua_createtable(lua, 0, 32);
  lua_pushcfunction(lua, luaopen_math);
  lua_call(lua, 0, 1);
  for (const auto* name :
       {"abs", "acos", "asin", "ceil", "cos", "deg", "exp", "floor", "rad", "sin", "sqrt", "tan", "tointeger"}) {
    take_strict(lua, name, "N");
  }
  for (const auto* name : {"fmod", "ult"}) take_strict(lua, name, "NN");
  for (const auto* name : {"atan", "log"}) take_strict(lua, name, "Nn");
  for (const auto* name : {"max", "min"}) take_strict(lua, name, "N");
  take_strict(lua, "modf", "N");
  for (const auto* name : {"type", "pi", "huge", "maxinteger", "mininteger"}) take(lua, name);
  lua_pop(lua, 1);
}

// --- read-only tables -----------------------------------------------------------------------------------------------

int frozen_newindex(lua_State* lua) { raise(lua, Reason::type, "this cannot be changed"); }

int frozen_len(lua_State* lua) {
  lua_pushinteger(lua, static_cast<lua_Integer>(lua_rawlen(lua, lua_upvalueindex(1))));
  return 1;
}

/// next(), which looks behind read-only tables without handing out what is behind them.
int next_of(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_settop(lua, 2);
  if (lua_getmetatable(lua, 1)) {
    if (lua_rawgeti(lua, -1, 1) == LUA_TTABLE) lua_replace(lua, 1);
    lua_settop(lua, 2);
  }
  return lua_next(lua, 1) ? 2 : (lua_pushnil(lua), 1);
}

int pairs_of(lua_State* lua) {
  if (lua_type(lua, 1) <= LUA_TNIL) raise(lua, Reason::missing, "pairs wants a list or an object, got nil");
  if (lua_type(lua, 1) == LUA_TUSERDATA && luaL_getmetafield(lua, 1, "__pairs") != LUA_TNIL) {
    lua_pushvalue(lua, 1);
    lua_call(lua, 1, 3);
    return 3;
  }
  if (lua_type(lua, 1) != LUA_TTABLE) {
    raise(lua, Reason::type, "pairs wants a list or an object, got %s", luaL_typename(lua, 1));
  }
  lua_pushcfunction(lua, next_of);
  lua_pushvalue(lua, 1);
  lua_pushnil(lua);
  return 3;
}

int ipairs_step(lua_State* lua) {
  const auto position = luaL_checkinteger(lua, 2) + 1;
  lua_pushinteger(lua, position);
  return lua_geti(lua, 1, position) == LUA_TNIL ? 1 : 2;
}

int ipairs_of(lua_State* lua) {
  if (lua_type(lua, 1) <= LUA_TNIL) raise(lua, Reason::missing, "ipairs wants a list, got nil");
  if (lua_type(lua, 1) == LUA_TUSERDATA) {
    // Only a list has a length, and it knows the quickest way through itself.
    if (luaL_getmetafield(lua, 1, "__pairs") != LUA_TNIL) {
      luaL_len(lua, 1);
      lua_pushvalue(lua, 1);
      lua_call(lua, 1, 3);
      return 3;
    }
  }
  if (lua_type(lua, 1) != LUA_TTABLE) raise(lua, Reason::type, "ipairs wants a list, got %s", luaL_typename(lua, 1));
  lua_pushcfunction(lua, ipairs_step);
  lua_pushvalue(lua, 1);
  lua_pushinteger(lua, 0);
  return 3;
}

// --- the rest of the base library -----------------------------------------------------------------------------------

int type_of(lua_State* lua) {
  luaL_checkany(lua, 1);
  const Handle* handle = handle_at(lua, 1);
  lua_pushstring(lua, !handle ? luaL_typename(lua, 1) : handle->kind == Handle::Kind::null ? "null" : "table");
  return 1;
}

int error_of(lua_State* lua) {
  if (lua_type(lua, 1) == LUA_TSTRING) raise(lua, Reason::user, "%s", lua_tostring(lua, 1));
  lua_settop(lua, 1);
  lua_pushcfunction(lua, to_text);
  lua_insert(lua, 1);
  lua_call(lua, 1, 1);
  raise(lua, Reason::user, "%s", lua_tostring(lua, 1));
}

int assert_of(lua_State* lua) {
  luaL_checkany(lua, 1);
  if (lua_toboolean(lua, 1)) return lua_gettop(lua);
  if (lua_type(lua, 2) == LUA_TSTRING) raise(lua, Reason::user, "%s", lua_tostring(lua, 2));
  raise(lua, Reason::user, "an assertion does not hold");
}

/// What try() gives on: true and the results, or false and the words of the error. What ends the message, its budget or
/// its memory ends the try too.
int finish_try(lua_State* lua, int status, lua_KContext) {
  State& state = State::of(lua);
  if (status == LUA_OK || status == LUA_YIELD) {
    lua_pushboolean(lua, 1);
    lua_insert(lua, 1);
    return lua_gettop(lua);
  }
  if (status == LUA_ERRMEM) state.note_memory();
  std::size_t size = 0;
  const char* text = lua_type(lua, -1) == LUA_TSTRING ? lua_tolstring(lua, -1, &size) : nullptr;
  const bool is_verdict =
      text &&
      (text[0] == 2 || (text[0] == 1 && text[1] == 'A' + static_cast<int>(Reason::user) && state.fail_called()));
  if (state.spent() || is_verdict) return lua_error(lua);
  lua_pushboolean(lua, 0);
  const bool ours = text && text[0] == 1;
  if (ours) text += 2;
  if (text && std::strncmp(text, "lua:", 4) == 0) {
    if (const char* colon = std::strstr(text + 4, ": ")) text = colon + 2;
  }
  lua_pushstring(lua, !text ? "an error without words" : ours ? text : state.plain_words(text));
  return 2;
}

int try_of(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TFUNCTION);
  return finish_try(lua, lua_pcallk(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0, 0, finish_try), 0);
}

int environment_index(lua_State* lua) {
  std::size_t size;
  const char* name = luaL_checklstring(lua, 2, &size);
  if (const int pushed = push_dynamic_name(lua, {name, size})) return pushed;
  raise(lua, Reason::type, "there is no '%s' here", name);
}

int environment_newindex(lua_State* lua) {
  raise(lua, Reason::type, "nothing outlives a message: write 'local %s'", lua_tostring(lua, 2));
}

}  // namespace

void freeze(lua_State* lua) {
  lua_createtable(lua, 0, 0);
  lua_createtable(lua, 1, 5);
  lua_pushvalue(lua, -3);
  lua_rawseti(lua, -2, 1);
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  lua_pushcfunction(lua, frozen_newindex);
  lua_setfield(lua, -2, "__newindex");
  lua_pushvalue(lua, -3);
  lua_pushcclosure(lua, frozen_len, 1);
  lua_setfield(lua, -2, "__len");
  lua_setmetatable(lua, -2);
  lua_remove(lua, -2);
}

void push_environment(lua_State* lua) {
  luaL_checkstack(lua, 32, nullptr);
  lua_createtable(lua, 0, 64);
  lua_pushcfunction(lua, luaopen_base);
  lua_call(lua, 0, 1);
  for (const auto* name : {"select", "tonumber"}) take(lua, name);
  lua_pop(lua, 1);
  // luaopen_base fills Lua's own table of globals; nobody can reach it, and nothing shall lie in it.
  lua_createtable(lua, 0, 0);
  lua_rawseti(lua, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);

  set_function(lua, "assert", assert_of);
  set_function(lua, "error", error_of);
  set_function(lua, "ipairs", ipairs_of);
  set_function(lua, "next", next_of);
  set_function(lua, "pairs", pairs_of);
  set_function(lua, "tostring", to_text);
  set_function(lua, "try", try_of);
  set_function(lua, "type", type_of);
  make_string(lua);
  freeze(lua);
  lua_setfield(lua, -2, "string");
  make_table(lua);
  freeze(lua);
  lua_setfield(lua, -2, "table");
  make_math(lua);
  freeze(lua);
  lua_setfield(lua, -2, "math");

  add_names(lua);
  add_functions(lua);
  push_vars(lua, State::of(lua).vars());
  lua_setfield(lua, -2, "vars");

  lua_createtable(lua, 0, 2);
  set_function(lua, "__index", environment_index);
  set_function(lua, "__newindex", environment_newindex);
  lua_setmetatable(lua, -2);
}

}  // namespace weir::script
