// The names of a message inside Lua: `msg` and what lies in it, `meta`, `result`, `request`, `failed`, `vars`.
//
// The payload never becomes a Lua table: a proxy names a node of the lazily parsed document, and reading a field costs
// one look into that. Lua reports errors by longjmp, so C functions here hold nothing that has a destructor.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "engine/message/json.hpp"
#include "engine/message/metadata.hpp"
#include "engine/message/number.hpp"
#include "engine/script/lua.hpp"
#include "engine/script/state.hpp"
#include "engine/script/time_text.hpp"

namespace weir::script {
namespace {

using message::Document;
using message::Node;
using message::Reason;

// Where things are kept in the registry.
char null_key, object_key, list_key;

void push_null(lua_State* lua) { lua_rawgetp(lua, LUA_REGISTRYINDEX, &null_key); }

void push_text(lua_State* lua, std::string_view text) { lua_pushlstring(lua, text.data(), text.size()); }

std::string_view text_at(lua_State* lua, int index) {
  std::size_t size;
  const char* text = lua_tolstring(lua, index, &size);
  return {text, size};
}

struct Place {
  Document* document;
  Node node;
};

/// What a proxy at `index` stands for. Raises where it stands for nothing any more.
Place place_at(lua_State* lua, int index) {
  State& state = State::of(lua);
  const Handle* handle = handle_at(lua, index);
  if (handle && handle->kind == Handle::Kind::root) {
    Document* document = state.touch();
    if (!document) raise_failure(lua);
    return {document, document->root()};
  }
  if (!handle || handle->kind != Handle::Kind::node) raise(lua, Reason::type, "this is no part of a message");
  if (handle->generation != state.generation()) raise(lua, Reason::type, "this is a part of another message");
  Document& document = handle->which == Handle::Which::message ? *state.touch() : state.other(handle->which);
  return {&document, document.holding({handle->node}, handle->value)};
}

/// How a person would name a member of a node, into the state's scratch.
const char* path_of(State& state, Document& document, Node node, std::string_view key = {}) {
  std::string& out = state.scratch();
  std::string decoded;
  out.assign(key);
  for (int depth = 0; node && depth < 8; ++depth) {
    const auto own = document.key(node, decoded);
    if (!own.empty()) out.insert(0, std::string(own) + (out.empty() ? "" : "."));
    node = document.parent(node);
  }
  const char* const whose = state.is_state(document) ? "state" : "msg";
  out.insert(0, out.empty() ? whose : std::string(whose) + ".");
  return out.c_str();
}

/// The position that a Lua key means in a list, from 0; none if it is no whole number from 1 on.
std::optional<std::size_t> position_at(lua_State* lua, int index) {
  if (lua_type(lua, index) != LUA_TNUMBER) return std::nullopt;
  int exact = 0;
  const auto position = lua_tointegerx(lua, index, &exact);
  if (!exact || position < 1) return std::nullopt;
  return static_cast<std::size_t>(position - 1);
}

/// One question may walk over the whole payload inside of one instruction. What walks little pays nothing.
void charge_walk(lua_State* lua, Document& document) {
  constexpr std::size_t free_steps = 1024, steps_each = 16;
  if (document.walked() > free_steps) State::of(lua).charge(lua, document.take_walked() / steps_each);
}

int read_member(lua_State* lua, Place place, Handle::Which which) {
  charge_walk(lua, *place.document);
  if (lua_type(lua, 2) == LUA_TSTRING) {
    push_node(lua, which, place.document->find(place.node, text_at(lua, 2)));
  } else if (const auto position = position_at(lua, 2)) {
    push_node(lua, which, place.document->at(place.node, *position));
  } else {
    lua_pushnil(lua);
  }
  if (lua_isnil(lua, -1) && !place.document->valid()) {
    raise(lua, Reason::decode, "%s is not valid JSON", path_of(State::of(lua), *place.document, place.node));
  }
  return 1;
}

/// False, and nothing pushed, of a container and of a number beyond all doubles.
bool push_scalar(lua_State* lua, const message::Glimpse& value) {
  if (const auto text = value.text(State::of(lua).scratch())) {
    push_text(lua, *text);
  } else if (value.is_null()) {
    push_null(lua);
  } else if (const auto number = value.number()) {
    if (const auto* integer = std::get_if<std::int64_t>(&*number)) {
      lua_pushinteger(lua, *integer);
    } else {
      lua_pushnumber(lua, std::get<double>(*number));
    }
  } else if (value.json().front() == 't' || value.json().front() == 'f') {
    lua_pushboolean(lua, value.json().front() == 't');
  } else {
    return false;
  }
  return true;
}

int root_index(lua_State* lua) {
  if (lua_type(lua, 2) == LUA_TSTRING) {
    const auto seen = State::of(lua).look(text_at(lua, 2));
    if (seen && push_scalar(lua, seen)) return 1;
    if (seen.is_nothing()) return 0;
  }
  Document* document = State::of(lua).touch();
  if (!document) raise_failure(lua);
  return read_member(lua, {document, document->root()}, Handle::Which::message);
}

int node_index(lua_State* lua) {
  const Place place = place_at(lua, 1);
  return read_member(lua, place, handle_at(lua, 1)->which);
}

[[noreturn]] void refuse_edit(lua_State* lua, Place place, std::string_view key) {
  State& state = State::of(lua);
  raise(lua, Reason::type, "%s cannot be set: nested too deeply, or no longer part of the message",
        path_of(state, *place.document, place.node, key));
}

/// What is written into a document lies outside of Lua's memory and stays there, overwritten or not: all of one
/// evaluation together has the same bound.
void charge_edit(lua_State* lua, std::size_t bytes) {
  State& state = State::of(lua);
  state.edited_bytes() += bytes;
  if (state.edited_bytes() > state.limits().memory_bytes) {
    raise(lua, Reason::memory, "the code writes more than %d KiB into one message",
          static_cast<int>(state.limits().memory_bytes >> 10));
  }
}

/// The value at stack position 3 as one that a document takes. JSON text lies in State::out().
message::Value value_at_3(lua_State* lua, Place place, std::string_view key) {
  State& state = State::of(lua);
  switch (lua_type(lua, 3)) {
    case LUA_TSTRING:
      charge_edit(lua, text_at(lua, 3).size());
      return message::Value::string(text_at(lua, 3));
    case LUA_TBOOLEAN:
      return message::Value::boolean(lua_toboolean(lua, 3));
    case LUA_TNUMBER:
      if (lua_isinteger(lua, 3)) return message::Value::integer(lua_tointeger(lua, 3));
      if (!std::isfinite(lua_tonumber(lua, 3))) {
        raise(lua, Reason::type, "%s is %s, which JSON cannot say", path_of(state, *place.document, place.node, key),
              std::isnan(lua_tonumber(lua, 3)) ? "not a number" : "infinite");
      }
      return message::Value::number(lua_tonumber(lua, 3));
    default:
      state.out().clear();
      write_json(lua, 3);
      charge_edit(lua, state.out().size());
      return message::Value::json(state.out());
  }
}

/// Makes the empty object a list of the value at stack position 3.
void write_list_of_one(lua_State* lua, State& state, Document& document, Place place) {
  state.out() = "[";
  write_json(lua, 3);
  state.out() += ']';
  charge_edit(lua, state.out().size());
  if (!document.replace(place.node, message::Value::json(state.out()))) refuse_edit(lua, place, {});
}

int assign(lua_State* lua, Place place, Handle::Which which) {
  State& state = State::of(lua);
  if (which != Handle::Which::message && which != Handle::Which::state) {
    raise(lua, Reason::type, "only msg and state can be changed");
  }
  Document& document = *place.document;
  charge_walk(lua, document);
  const bool removes = lua_isnil(lua, 3);
  if (document.kind(place.node) == message::Kind::array) {
    const auto position = position_at(lua, 2);
    const std::size_t size = document.size(place.node);
    if (!position)
      raise(lua, Reason::type, "%s is a list: its positions are 1, 2, …", path_of(state, document, place.node));
    if (removes) {
      if (*position + 1 < size) {
        raise(lua, Reason::type, "only the last of %s can become nil: use table.remove, or 'null'",
              path_of(state, document, place.node));
      }
      if (*position < size) document.remove_at(place.node, *position);
      return 0;
    }
    if (*position > size) {
      raise(lua, Reason::type, "%s would become a list with holes", path_of(state, document, place.node));
    }
    const auto value = value_at_3(lua, place, {});
    const Node written =
        *position == size ? document.append(place.node, value) : document.set_at(place.node, *position, value);
    if (!written) refuse_edit(lua, place, {});
    return 0;
  }
  if (!removes && document.size(place.node) == 0 && position_at(lua, 2) == 0) {
    // What is empty may become either: `{}` in Lua says no more than that.
    write_list_of_one(lua, state, document, place);
    return 0;
  }
  if (lua_type(lua, 2) != LUA_TSTRING) {
    raise(lua, Reason::type, "%s has names, not positions", path_of(state, document, place.node));
  }
  const auto key = text_at(lua, 2);
  if (removes) {
    document.remove(place.node, key);
  } else if (!document.set(place.node, key, value_at_3(lua, place, key))) {
    refuse_edit(lua, place, key);
  }
  return 0;
}

int root_newindex(lua_State* lua) {
  Document* document = State::of(lua).touch();
  if (!document) raise_failure(lua);
  return assign(lua, {document, document->root()}, Handle::Which::message);
}

int node_newindex(lua_State* lua) {
  const Place place = place_at(lua, 1);
  return assign(lua, place, handle_at(lua, 1)->which);
}

int length(lua_State* lua) {
  const Place place = place_at(lua, 1);
  const std::size_t size = place.document->size(place.node);
  if (place.document->kind(place.node) != message::Kind::array && size > 0) {
    raise(lua, Reason::type, "%s has names, not positions, so it has no length",
          path_of(State::of(lua), *place.document, place.node));
  }
  lua_pushinteger(lua, static_cast<lua_Integer>(size));
  return 1;
}

int equal(lua_State* lua) {
  const Handle* left = handle_at(lua, 1);
  const Handle* right = handle_at(lua, 2);
  const bool comparable = left && right && left->kind == Handle::Kind::node && right->kind == Handle::Kind::node &&
                          left->generation == right->generation && left->which == right->which;
  const bool current = comparable && left->generation == State::of(lua).generation();
  lua_pushboolean(lua, current ? place_at(lua, 1).node == place_at(lua, 2).node
                               : comparable && left->node == right->node && left->value == right->value);
  return 1;
}

/// Steps of pairs() and ipairs(): upvalues are the next node, the position of it, and whether keys are positions.
int step(lua_State* lua) {
  const Place place = place_at(lua, 1);
  const auto which = handle_at(lua, 1)->which;
  const auto node = static_cast<std::uint32_t>(lua_tointeger(lua, lua_upvalueindex(1)));
  if (node == Node::none) return 0;
  const auto position = lua_tointeger(lua, lua_upvalueindex(2));
  const Node here{node};
  lua_pushinteger(lua, place.document->next(here).index);
  lua_replace(lua, lua_upvalueindex(1));
  if (place.document->kind(place.node) == message::Kind::array) {
    lua_pushinteger(lua, position);
    lua_pushinteger(lua, position + 1);
    lua_replace(lua, lua_upvalueindex(2));
  } else {
    push_text(lua, place.document->key(here, State::of(lua).scratch()));
  }
  push_node(lua, which, here);
  return 2;
}

int node_pairs(lua_State* lua) {
  const Place place = place_at(lua, 1);
  lua_pushinteger(lua, place.document->first(place.node).index);
  lua_pushinteger(lua, 1);
  lua_pushcclosure(lua, step, 2);
  lua_pushvalue(lua, 1);
  lua_pushnil(lua);
  return 3;
}

int node_text(lua_State* lua) {
  State& state = State::of(lua);
  state.out().clear();
  write_json(lua, 1);
  push_text(lua, state.out());
  return 1;
}

// --- meta -----------------------------------------------------------------------------------------------------------

const message::Message& the_message(lua_State* lua) {
  const auto* message = State::of(lua).names().message;
  if (!message) raise(lua, Reason::type, "there is no message here");
  return *message;
}

bool text_or_nil(lua_State* lua, std::string_view text) {
  if (text.empty()) {
    lua_pushnil(lua);
  } else {
    push_text(lua, text);
  }
  return true;
}

void push_time(lua_State* lua, runtime::WallTime time) {
  State& state = State::of(lua);
  state.scratch() = rfc3339(time);
  push_text(lua, state.scratch());
}

/// Pushes a JSON text: scalars as they are, the rest as text.
void push_json_scalar(lua_State* lua, std::string_view json) {
  if (json.empty() || !push_scalar(lua, message::Glimpse(json))) push_text(lua, json);
}

int meta_index(lua_State* lua) {
  State& state = State::of(lua);
  const auto& message = the_message(lua);
  if (lua_type(lua, 2) != LUA_TSTRING) {
    lua_pushnil(lua);
    return 1;
  }
  const auto name = text_at(lua, 2);
  const auto* metadata = message.metadata();
  if (name == "id") {
    lua_pushinteger(lua, static_cast<lua_Integer>(message.id()));
  } else if (name == "time") {
    push_time(lua, state.host().wall(message.entered()));
  } else if (name == "attempt") {
    lua_pushinteger(lua, metadata ? metadata->attempt : 1);
  } else if (name == "key") {
    text_or_nil(lua, metadata ? std::string_view(metadata->key) : std::string_view());
  } else if (name == "event") {
    text_or_nil(lua, metadata ? std::string_view(metadata->event) : std::string_view());
  } else if (name == "alert") {
    text_or_nil(lua, metadata ? std::string_view(metadata->alert) : std::string_view());
  } else {
    for (const auto& [own, value] : state.new_meta()) {
      if (own != name) continue;
      if (value) {
        push_json_scalar(lua, *value);
      } else {
        lua_pushnil(lua);
      }
      return 1;
    }
    if (metadata) {
      for (const auto& [own, value] : metadata->own) {
        if (own != name) continue;
        push_json_scalar(lua, value);
        return 1;
      }
    }
    lua_pushnil(lua);
  }
  return 1;
}

int meta_newindex(lua_State* lua) {
  State& state = State::of(lua);
  the_message(lua);
  if (lua_type(lua, 2) != LUA_TSTRING) raise(lua, Reason::type, "meta has names, not positions");
  const auto name = text_at(lua, 2);
  for (const auto* taken : message::metadata_names) {
    if (name == taken) raise(lua, Reason::type, "meta.%s is set by weir", taken);
  }
  const bool removes = lua_isnil(lua, 3);
  state.out().clear();
  if (!removes) {
    const auto* handle = handle_at(lua, 3);
    if (lua_type(lua, 3) == LUA_TTABLE || (handle && handle->kind != Handle::Kind::null)) {
      raise(lua, Reason::type, "meta.%s holds a text, a number, true or false", lua_tostring(lua, 2));
    }
    write_json(lua, 3);
  }
  auto& all = state.new_meta();
  std::size_t at = 0;
  while (at < all.size() && all[at].first != name) ++at;
  if (at == all.size()) all.emplace_back(std::string(name), std::nullopt);
  if (removes) {
    all[at].second.reset();
  } else {
    all[at].second = state.out();
  }
  return 0;
}

// --- result, request, failed ----------------------------------------------------------------------------------------

using Pairs = std::vector<std::pair<std::string, std::string>>;

void push_pairs(lua_State* lua, const Pairs& pairs) {
  lua_createtable(lua, 0, static_cast<int>(pairs.size()));
  for (const auto& [name, value] : pairs) {
    push_text(lua, name);
    push_text(lua, value);
    lua_rawset(lua, -3);
  }
}

/// Several of one name are one with commas between (RFC 9110, 5.3); cookies can't be, and are a list. Lua may leave
/// this by a long jump, so nothing here has a destructor.
void push_headers(lua_State* lua, const Pairs& headers) {
  lua_createtable(lua, 0, static_cast<int>(headers.size()));
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const std::string& name = headers[i].first;
    const auto same = [&](const auto& other) { return other.first == name; };
    const auto begin = headers.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::any_of(headers.begin(), begin, same)) continue;
    push_text(lua, name);
    const auto count = std::count_if(begin, headers.end(), same);
    if (count == 1) {
      push_text(lua, headers[i].second);
    } else if (name == "set_cookie") {
      lua_createtable(lua, static_cast<int>(count), 0);
      lua_Integer at = 0;
      for (auto other = begin; other != headers.end(); ++other) {
        if (!same(*other)) continue;
        push_text(lua, other->second);
        lua_rawseti(lua, -2, ++at);
      }
    } else {
      std::string& joined = State::of(lua).out();
      joined.clear();
      const char* const between = name == "cookie" ? "; " : ", ";
      for (auto other = begin; other != headers.end(); ++other) {
        if (same(*other)) joined.append(joined.empty() ? "" : between).append(other->second);
      }
      push_text(lua, joined);
    }
    lua_rawset(lua, -3);
  }
}

void text_field(lua_State* lua, const char* name, std::string_view value) {
  push_text(lua, value);
  lua_setfield(lua, -2, name);
}

int result_index(lua_State* lua) {
  State& state = State::of(lua);
  const auto* metadata = the_message(lua).metadata();
  const message::Result* result = metadata ? metadata->result.get() : nullptr;
  const auto name = lua_type(lua, 2) == LUA_TSTRING ? text_at(lua, 2) : std::string_view();
  if (!result) {
    lua_pushnil(lua);
  } else if (name == "status" && result->status) {
    lua_pushinteger(lua, *result->status);
  } else if (name == "code" && result->code) {
    lua_pushinteger(lua, *result->code);
  } else if (name == "signal" && result->signal) {
    push_text(lua, *result->signal);
  } else if (name == "seconds" && result->seconds) {
    lua_pushnumber(lua, *result->seconds);
  } else if (name == "headers") {
    push_headers(lua, result->headers);
  } else if (name == "text") {
    push_text(lua, result->text);
  } else if (name == "stderr") {
    push_text(lua, result->error_text);
  } else if (name == "msg") {
    if (result->text.empty()) {
      lua_pushnil(lua);
    } else if (!state.bind_other(Handle::Which::result, result->text)) {
      raise(lua, Reason::decode, "result.text is not JSON");
    } else {
      push_node(lua, Handle::Which::result, state.other(Handle::Which::result).root());
    }
  } else {
    lua_pushnil(lua);
  }
  return 1;
}

int read_only(lua_State* lua) {
  raise(lua, Reason::type, "%s cannot be changed", lua_tostring(lua, lua_upvalueindex(1)));
}

void push_request(lua_State* lua, const message::Request& request) {
  lua_createtable(lua, 0, 6);
  text_field(lua, "method", request.method);
  text_field(lua, "path", request.path);
  text_field(lua, "client", request.client);
  push_pairs(lua, request.params);
  lua_setfield(lua, -2, "params");
  push_pairs(lua, request.query);
  lua_setfield(lua, -2, "query");
  push_headers(lua, request.headers);
  lua_setfield(lua, -2, "headers");
}

void push_failed(lua_State* lua, const message::Failure& failed) {
  lua_createtable(lua, 0, 7);
  text_field(lua, "kind", message::word(failed.reason));
  text_field(lua, "text", failed.text);
  text_field(lua, "stage", failed.stage);
  push_time(lua, failed.at);
  lua_setfield(lua, -2, "at");
  if (!failed.place.empty()) text_field(lua, "yaml", failed.place);
  if (failed.line) {
    lua_pushinteger(lua, *failed.line);
    lua_setfield(lua, -2, "line");
  }
  lua_pushinteger(lua, failed.attempts);
  lua_setfield(lua, -2, "attempts");
}

void set_function(lua_State* lua, const char* name, lua_CFunction function) {
  lua_pushcfunction(lua, function);
  lua_setfield(lua, -2, name);
}

void name_metatable(lua_State* lua, const char* name) {
  lua_pushstring(lua, name);
  lua_setfield(lua, -2, "__name");
}

void make_node_metatable(lua_State* lua, const char* name, void* key) {
  lua_createtable(lua, 0, 8);
  name_metatable(lua, name);
  set_function(lua, "__index", node_index);
  set_function(lua, "__newindex", node_newindex);
  set_function(lua, "__len", length);
  set_function(lua, "__pairs", node_pairs);
  set_function(lua, "__eq", equal);
  set_function(lua, "__tostring", node_text);
  lua_rawsetp(lua, LUA_REGISTRYINDEX, key);
}

Handle* push_handle(lua_State* lua, Handle::Kind kind) {
  auto* handle = static_cast<Handle*>(lua_newuserdatauv(lua, sizeof(Handle), 0));
  *handle = Handle{};
  handle->kind = kind;
  return handle;
}

void push_value(lua_State* lua, const config::Value& value) {
  luaL_checkstack(lua, 8, nullptr);
  switch (value.kind) {
    case config::Value::Kind::null:
      push_null(lua);
      break;
    case config::Value::Kind::boolean:
      lua_pushboolean(lua, value.boolean);
      break;
    case config::Value::Kind::number:
      push_json_scalar(lua, value.number);
      break;
    case config::Value::Kind::text: {
      State& state = State::of(lua);
      state.scratch() = value.text.text();
      push_text(lua, state.scratch());
      break;
    }
    case config::Value::Kind::list: {
      lua_createtable(lua, static_cast<int>(value.items.size()), 0);
      lua_Integer position = 0;
      for (const auto& item : value.items) {
        push_value(lua, item);
        lua_rawseti(lua, -2, ++position);
      }
      if (value.items.empty()) mark_list(lua);
      freeze(lua);
      break;
    }
    case config::Value::Kind::map:
      lua_createtable(lua, 0, static_cast<int>(value.fields.size()));
      for (const auto& [name, field] : value.fields) {
        push_text(lua, name);
        push_value(lua, field);
        lua_rawset(lua, -3);
      }
      freeze(lua);
      break;
  }
}

}  // namespace

void push_node(lua_State* lua, Handle::Which which, Node node) {
  State& state = State::of(lua);
  Document& document = which == Handle::Which::message ? *state.touch() : state.other(which);
  if (!node) {
    lua_pushnil(lua);
    return;
  }
  // First of all, because to ask a number for its kind is to read it.
  if (const auto number = document.any_number(node)) {
    if (const auto* integer = std::get_if<std::int64_t>(&*number)) {
      lua_pushinteger(lua, *integer);
    } else {
      lua_pushnumber(lua, std::get<double>(*number));
    }
    return;
  }
  switch (document.kind(node)) {
    case message::Kind::null:
      push_null(lua);
      return;
    case message::Kind::boolean:
      lua_pushboolean(lua, *document.boolean(node));
      return;
    case message::Kind::string: {
      const auto text = document.string(node);
      if (!text) break;
      push_text(lua, *text);
      return;
    }
    case message::Kind::array:
    case message::Kind::object: {
      Handle* handle = push_handle(lua, Handle::Kind::node);
      handle->which = which;
      handle->node = node.index;
      handle->value = document.value_of(node);
      handle->generation = state.generation();
      lua_rawgetp(lua, LUA_REGISTRYINDEX, document.kind(node) == message::Kind::array ? &list_key : &object_key);
      lua_setmetatable(lua, -2);
      return;
    }
    case message::Kind::integer:
    case message::Kind::number:
    case message::Kind::invalid:
      break;
  }
  raise(lua, Reason::decode, "%s is not valid JSON, or a number beyond all doubles", path_of(state, document, node));
}

void push_vars(lua_State* lua, const config::Map<config::Value>& vars) {
  lua_createtable(lua, 0, static_cast<int>(vars.size()));
  for (const auto& [name, value] : vars) {
    push_text(lua, name);
    push_value(lua, value);
    lua_rawset(lua, -3);
  }
  freeze(lua);
}

int push_dynamic_name(lua_State* lua, std::string_view name) {
  State& state = State::of(lua);
  const Names& names = state.names();
  const auto* metadata = names.message ? names.message->metadata() : nullptr;
  if (name == "text") {
    push_text(lua, the_message(lua).text());
  } else if (name == "state") {
    Document* const document = state.touch_state();
    if (!document) return 0;
    push_node(lua, Handle::Which::state, document->root());
  } else if (name == "request") {
    if (metadata && metadata->request) {
      push_request(lua, *metadata->request);
    } else {
      lua_pushnil(lua);
    }
  } else if (name == "failed") {
    if (metadata && metadata->failed) {
      push_failed(lua, *metadata->failed);
    } else {
      lua_pushnil(lua);
    }
  } else if (name == "i") {
    if (names.i) {
      lua_pushinteger(lua, *names.i);
    } else {
      lua_pushnil(lua);
    }
  } else if (name == "item") {
    if (names.item.empty()) {
      lua_pushnil(lua);
    } else if (!state.bind_other(Handle::Which::item, names.item)) {
      raise(lua, Reason::decode, "item is not JSON");
    } else {
      push_node(lua, Handle::Which::item, state.other(Handle::Which::item).root());
    }
  } else {
    return 0;
  }
  return 1;
}

void add_names(lua_State* lua) {
  push_handle(lua, Handle::Kind::null);
  lua_createtable(lua, 0, 2);
  name_metatable(lua, "null");
  set_function(lua, "__tostring", node_text);
  lua_setmetatable(lua, -2);
  lua_pushvalue(lua, -1);
  lua_rawsetp(lua, LUA_REGISTRYINDEX, &null_key);
  lua_setfield(lua, -2, "null");

  make_node_metatable(lua, "object", &object_key);
  make_node_metatable(lua, "list", &list_key);

  push_handle(lua, Handle::Kind::root);
  lua_createtable(lua, 0, 8);
  name_metatable(lua, "message");
  set_function(lua, "__index", root_index);
  set_function(lua, "__newindex", root_newindex);
  set_function(lua, "__len", length);
  set_function(lua, "__pairs", node_pairs);
  set_function(lua, "__tostring", node_text);
  lua_setmetatable(lua, -2);
  lua_setfield(lua, -2, "msg");

  push_handle(lua, Handle::Kind::meta);
  lua_createtable(lua, 0, 4);
  name_metatable(lua, "meta");
  set_function(lua, "__index", meta_index);
  set_function(lua, "__newindex", meta_newindex);
  lua_setmetatable(lua, -2);
  lua_setfield(lua, -2, "meta");

  push_handle(lua, Handle::Kind::result);
  lua_createtable(lua, 0, 4);
  name_metatable(lua, "result");
  set_function(lua, "__index", result_index);
  lua_pushliteral(lua, "result");
  lua_pushcclosure(lua, read_only, 1);
  lua_setfield(lua, -2, "__newindex");
  lua_setmetatable(lua, -2);
  lua_setfield(lua, -2, "result");
}

}  // namespace weir::script
