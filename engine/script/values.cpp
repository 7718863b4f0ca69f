// Lua values as JSON text.
//
// Lua reports errors by longjmp: while one may be raised, nothing here holds an object with a destructor but what lives
// in State.
#include <algorithm>
#include <cmath>

#include "engine/message/json.hpp"
#include "engine/message/number.hpp"
#include "engine/script/lua.hpp"
#include "engine/script/state.hpp"

namespace weir::script {
namespace {

using message::Reason;

constexpr int depth_most = 200;

void write(lua_State* lua, int index, int depth, const char* key);

/// What is written lies outside of Lua's memory and has the same bound; a table may lie in another many times.
void bound(lua_State* lua, State& state, std::size_t more) {
  if (state.out().size() + more <= state.limits().memory_bytes) return;
  raise(lua, Reason::memory, "what the code writes takes more than %d KiB",
        static_cast<int>(state.limits().memory_bytes >> 10));
}

/// The table itself, where the one at `index` only reads like it (freeze()). May push; returns its index.
int behind_freeze(lua_State* lua, int index, bool& is_list) {
  is_list = false;
  if (!lua_getmetatable(lua, index)) return index;
  if (lua_rawgeti(lua, -1, 1) == LUA_TTABLE) {
    lua_remove(lua, -2);
    return behind_freeze(lua, lua_gettop(lua), is_list);
  }
  lua_pop(lua, 1);
  is_list = lua_rawgeti(lua, -1, 2) == LUA_TBOOLEAN;
  lua_pop(lua, 2);
  return index;
}

void write_table(lua_State* lua, int index, int depth, const char* key) {
  State& state = State::of(lua);
  if (depth >= depth_most) raise(lua, Reason::type, "%s is nested too deeply, or holds itself", key);
  bound(lua, state, 0);
  luaL_checkstack(lua, 8, nullptr);
  const int top = lua_gettop(lua);
  bool is_list = false;
  index = behind_freeze(lua, index, is_list);
  std::string& out = state.out();
  const auto length = lua_rawlen(lua, index);
  auto& keys = state.keys();
  const std::size_t base = keys.size();
  std::size_t positions = 0;
  lua_pushnil(lua);
  while (lua_next(lua, index)) {
    if (lua_type(lua, -2) == LUA_TSTRING) {
      std::size_t size;
      const char* name = lua_tolstring(lua, -2, &size);
      keys.emplace_back(name, size);
    } else if (lua_isinteger(lua, -2)) {
      const auto position = lua_tointeger(lua, -2);
      if (position < 1 || static_cast<lua_Unsigned>(position) > length) {
        raise(lua, Reason::type, "%s is a list with holes, which JSON cannot say: put 'null' there", key);
      }
      ++positions;
    } else {
      raise(lua, Reason::type, "%s has a %s as key; JSON knows only text", key, luaL_typename(lua, -2));
    }
    lua_pop(lua, 1);
  }
  if (positions > 0 || (is_list && keys.size() == base)) {
    if (keys.size() > base)
      raise(lua, Reason::type, "%s has both positions and names; JSON knows one or the other", key);
    if (positions != length) {
      raise(lua, Reason::type, "%s is a list with holes, which JSON cannot say: put 'null' there", key);
    }
    out += '[';
    for (lua_Unsigned i = 1; i <= length; ++i) {
      if (i > 1) out += ',';
      lua_rawgeti(lua, index, static_cast<lua_Integer>(i));
      write(lua, lua_gettop(lua), depth + 1, key);
      lua_settop(lua, top + (index > top));
    }
    out += ']';
  } else {
    std::sort(keys.begin() + static_cast<std::ptrdiff_t>(base), keys.end());
    out += '{';
    const std::size_t end = keys.size();
    for (std::size_t i = base; i < end; ++i) {
      const auto name = keys[i];
      if (i > base) out += ',';
      message::append_key(out, name);
      const char* text = lua_pushlstring(lua, name.data(), name.size());
      lua_pushvalue(lua, -1);
      lua_rawget(lua, index);
      write(lua, lua_gettop(lua), depth + 1, text);
      lua_settop(lua, top + (index > top));
    }
    out += '}';
  }
  keys.resize(base);
  lua_settop(lua, top);
}

void write(lua_State* lua, int index, int depth, const char* key) {
  State& state = State::of(lua);
  std::string& out = state.out();
  switch (lua_type(lua, index)) {
    case LUA_TNIL:
      out += "null";
      return;
    case LUA_TBOOLEAN:
      out += lua_toboolean(lua, index) ? "true" : "false";
      return;
    case LUA_TNUMBER:
      if (lua_isinteger(lua, index)) {
        message::append_integer(out, lua_tointeger(lua, index));
      } else if (!message::append_float(out, lua_tonumber(lua, index))) {
        raise(lua, Reason::type, "%s is %s, which JSON cannot say", key,
              std::isnan(lua_tonumber(lua, index)) ? "not a number" : "infinite");
      }
      return;
    case LUA_TSTRING: {
      std::size_t size;
      const char* text = lua_tolstring(lua, index, &size);
      bound(lua, state, size);
      message::append_quoted(out, {text, size});
      return;
    }
    case LUA_TTABLE:
      write_table(lua, index, depth, key);
      return;
    case LUA_TUSERDATA: {
      const Handle& handle = *handle_at(lua, index);
      if (handle.kind == Handle::Kind::null) {
        out += "null";
        return;
      }
      if (handle.kind == Handle::Kind::root) {
        message::Document* document = state.touch();
        if (!document) raise_failure(lua);
        const auto raw = document->raw(document->root());
        bound(lua, state, raw.size());
        out += raw;
        return;
      }
      if (handle.kind == Handle::Kind::node) {
        if (handle.generation != state.generation()) raise(lua, Reason::type, "%s belongs to another message", key);
        auto& document = handle.which == Handle::Which::message ? *state.touch() : state.other(handle.which);
        const auto raw = document.raw(document.holding({handle.node}, handle.value));
        bound(lua, state, raw.size());
        out += raw;
        return;
      }
      raise(lua, Reason::type, "%s cannot be written as JSON: take the fields that are wanted", key);
    }
    default:
      raise(lua, Reason::type, "%s is a %s, which JSON cannot say", key, luaL_typename(lua, index));
  }
}

// --- what is quickly written -----------------------------------------------------------------------------------------
//
// Nothing here raises or runs anything of Lua's, so that it needs no protected call. What is false may be right all the
// same: then it is written from its beginning, more slowly and by what knows the words for what can't be.

bool write_quickly(lua_State* lua, State& state, int index, int depth);

/// A name in a table, a text of Lua's and so with a 0 behind it, and where on the stack its value lies.
struct Member {
  const char* name;
  std::size_t size;
  int value;
};

// Most tables have no more, and no others in others.
constexpr int members_most = 16, quick_depth_most = 8;

bool before(const Member& left, const Member& right) {
  const auto a = static_cast<unsigned char>(*left.name), b = static_cast<unsigned char>(*right.name);
  return a != b ? a < b : std::string_view(left.name, left.size) < std::string_view(right.name, right.size);
}

/// Of names alone. The first of them and its value are on top of the stack.
bool write_members(lua_State* lua, State& state, int index, int depth) {
  Member members[members_most];
  int count = 0;
  for (int value = lua_gettop(lua);; value += 2) {
    if (count == members_most || lua_type(lua, value - 1) != LUA_TSTRING) return false;
    Member one{};
    one.name = lua_tolstring(lua, value - 1, &one.size);
    one.value = value;
    int to = count++;
    for (; to > 0 && before(one, members[to - 1]); --to) members[to] = members[to - 1];
    members[to] = one;
    lua_pushvalue(lua, value - 1);
    if (!lua_next(lua, index)) break;
  }
  std::string& out = state.out();
  for (int i = 0; i < count; ++i) {
    out += i == 0 ? '{' : ',';
    message::append_key(out, {members[i].name, members[i].size});
    if (!write_quickly(lua, state, members[i].value, depth + 1)) return false;
  }
  out += '}';
  return true;
}

/// Of positions alone, which Lua mostly knows in their order. The first of them and its value are on top of the stack.
bool write_items(lua_State* lua, State& state, int index, int depth) {
  std::string& out = state.out();
  const int value = lua_gettop(lua);
  for (lua_Integer position = 1;; ++position) {
    if (!lua_isinteger(lua, value - 1) || lua_tointeger(lua, value - 1) != position) return false;
    out += position == 1 ? '[' : ',';
    if (!write_quickly(lua, state, value, depth + 1)) return false;
    lua_settop(lua, value - 1);
    if (!lua_next(lua, index)) break;
  }
  out += ']';
  return true;
}

bool write_quickly(lua_State* lua, State& state, int index, int depth) {
  std::string& out = state.out();
  switch (lua_type(lua, index)) {
    case LUA_TBOOLEAN:
      out += lua_toboolean(lua, index) ? "true" : "false";
      return true;
    case LUA_TNUMBER:
      if (!lua_isinteger(lua, index)) return message::append_float(out, lua_tonumber(lua, index));
      message::append_integer(out, lua_tointeger(lua, index));
      return true;
    case LUA_TSTRING: {
      std::size_t size;
      const char* text = lua_tolstring(lua, index, &size);
      if (out.size() + size > state.limits().memory_bytes) return false;
      message::append_quoted(out, {text, size});
      return true;
    }
    case LUA_TTABLE: {
      if (depth == quick_depth_most || out.size() > state.limits().memory_bytes) return false;
      if (!lua_checkstack(lua, 8 + 2 * members_most) || lua_getmetatable(lua, index)) return false;
      const int top = lua_gettop(lua);
      lua_pushnil(lua);
      if (!lua_next(lua, index)) {
        out += "{}";
        return true;
      }
      const bool written = lua_type(lua, -2) == LUA_TSTRING ? write_members(lua, state, index, depth)
                                                            : write_items(lua, state, index, depth);
      lua_settop(lua, top);
      return written;
    }
    case LUA_TUSERDATA:
      if (handle_at(lua, index)->kind != Handle::Kind::null) return false;
      out += "null";
      return true;
    default:
      return false;
  }
}

}  // namespace

Handle* handle_at(lua_State* lua, int index) {
  return lua_type(lua, index) == LUA_TUSERDATA ? static_cast<Handle*>(lua_touserdata(lua, index)) : nullptr;
}

bool write_json_quickly(lua_State* lua, int index) {
  State& state = State::of(lua);
  const int top = lua_gettop(lua);
  const std::size_t before = state.out().size();
  if (write_quickly(lua, state, lua_absindex(lua, index), 0)) return true;
  lua_settop(lua, top);
  state.out().resize(before);
  return false;
}

void write_json(lua_State* lua, int index) {
  index = lua_absindex(lua, index);
  if (!write_json_quickly(lua, index)) write(lua, index, 0, "the value");
}

void write_object(lua_State* lua, const Prepared::Object& object) {
  State& state = State::of(lua);
  std::string& out = state.out();
  const int top = lua_gettop(lua);
  for (const auto& member : object) {
    const std::size_t before = out.size();
    out += member.key;
    if (write_quickly(lua, state, member.argument, 1)) continue;
    lua_settop(lua, top);
    out.resize(before);
    if (lua_type(lua, member.argument) == LUA_TNIL) continue;
    out += member.key;
    write(lua, member.argument, 1, member.name.c_str());
  }
}

}  // namespace weir::script
