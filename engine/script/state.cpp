#include "engine/script/state.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <new>

#include "engine/message/json.hpp"
#include "engine/message/metadata.hpp"
#include "engine/message/payload.hpp"
#include "engine/runtime/assert.hpp"
#include "engine/script/lexer.hpp"
#include "engine/script/lua.hpp"

namespace weir::script {
namespace {

using message::Failure;
using message::Reason;

// An error of ours is a text that begins with a mark, so that it passes through Lua like any other: 1 and a letter for
// the reason; 2 for drop(). Then Lua's "lua:LINE: " and the words.
constexpr char failure_mark = 1;
constexpr char drop_mark = 2;

// An instruction costs about 10 ns, 128 bytes of fresh memory about the same.
constexpr std::size_t bytes_per_instruction = 128;

bool replace(std::string& text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  if (at == std::string::npos) return false;
  text.replace(at, from.size(), to);
  return true;
}

/// `(field 'a')` → a; empty where Lua could not tell.
std::string named_in(const std::string& text) {
  const auto open = text.rfind(" '");
  if (open == std::string::npos || !text.ends_with("')")) return {};
  return text.substr(open + 2, text.size() - open - 4);
}

/// Lua's own words made ours, and what kind of failure they tell of.
Failure from_lua(std::string text) {
  if (text.find("stack overflow") != std::string::npos || text.find("error in error handling") != std::string::npos) {
    return {Reason::memory, "the code calls itself too deeply"};
  }
  const auto name = named_in(text);
  for (const auto* what : {"nil", "null"}) {
    if (!text.starts_with("attempt to index a " + std::string(what) + " value")) continue;
    const bool missing = what[1] == 'i';
    if (name.empty())
      return {Reason::missing, missing ? "a field of something missing is asked for" : "a field of null is asked for"};
    return {Reason::missing, name + (missing ? " is missing" : " is null")};
  }
  for (const auto* pattern : {"find", "match", "gmatch", "gsub"}) {
    if (name == pattern && text.starts_with("attempt to call a nil value")) {
      return {Reason::type, "there is no string." + name + ": use re.match or re.replace"};
    }
  }
  const bool no_value = text.starts_with("bad argument") &&
                        (text.find("got nil") != std::string::npos || text.find("got no value") != std::string::npos);
  if (text.starts_with("attempt to ")) replace(text, "attempt to ", "cannot ");
  return {no_value ? Reason::missing : Reason::type, std::move(text)};
}

bool is_of_a_name(const Token& token) { return token.kind == Token::Kind::name || token.is("."); }

/// `msg.n > 3`: each comparison of a line by less or greater. Empty where one is of more than names, points and
/// literals.
std::string compared_in(std::string_view code, int line) {
  const auto tokens = tokens_of(code);
  std::string text;
  for (std::size_t at = 1; at + 1 < tokens.size(); ++at) {
    const auto& token = tokens[at];
    if (token.line != line || !(token.is("<") || token.is(">") || token.is("<=") || token.is(">="))) continue;
    std::size_t first = at - 1;
    std::size_t last = at + 1;
    while (is_of_a_name(tokens[first]) && first > 0 && is_of_a_name(tokens[first - 1])) --first;
    if (first > 0 && tokens[first - 1].is("#")) --first;
    if (tokens[last].is("-") || tokens[last].is("#")) ++last;
    while (last + 1 < tokens.size() && is_of_a_name(tokens[last]) && is_of_a_name(tokens[last + 1])) ++last;
    if (last == tokens.size() || tokens[at - 1].kind == Token::Kind::symbol ||
        tokens[last].kind == Token::Kind::symbol) {
      return {};
    }
    const auto end = tokens[last].offset + tokens[last].text.size();
    text += text.empty() ? " in `" : " or `";
    text.append(code.substr(tokens[first].offset, end - tokens[first].offset)).append("`");
  }
  return text;
}

/// Lua tells only of which types they are.
void name_what_is_compared(std::string& text, std::string_view code, int line) {
  if (!text.starts_with("cannot compare ")) return;
  const bool number_and_text =
      text == "cannot compare number with string" || text == "cannot compare string with number";
  text += compared_in(code, line);
  if (number_and_text) text += ": num(…) makes a number of a text";
}

int push_scalar_msg(lua_State* lua) {
  // 1: the environment. Upvalue: none. What msg is for a payload that is no object or list.
  push_node(lua, Handle::Which::message, State::of(lua).touch()->root());
  lua_setfield(lua, 1, "msg");
  return 0;
}

int write_value(lua_State* lua) {
  write_json(lua, 1);
  return 0;
}

char environment_key, root_key;
// What code gives whose value lies in State::out().
char written;

int open_state(lua_State* lua) {
  push_environment(lua);
  lua_getfield(lua, -1, "msg");
  lua_rawsetp(lua, LUA_REGISTRYINDEX, &root_key);
  lua_rawsetp(lua, LUA_REGISTRYINDEX, &environment_key);
  return 0;
}

}  // namespace

void raise(lua_State* lua, Reason reason, const char* format, ...) {
  const char mark[] = {failure_mark, static_cast<char>('A' + static_cast<int>(reason)), 0};
  va_list arguments;
  va_start(arguments, format);
  lua_pushvfstring(lua, format, arguments);
  va_end(arguments);
  lua_pushstring(lua, mark);
  luaL_where(lua, 1);
  lua_rotate(lua, -3, 2);
  lua_concat(lua, 3);
  lua_error(lua);
  std::abort();
}

void raise_failure(lua_State* lua) {
  const auto& failure = State::of(lua).failure();
  raise(lua, failure.reason, "%s", failure.text.c_str());
}

State& State::of(lua_State* lua) { return **static_cast<State**>(lua_getextraspace(lua)); }

const char* State::plain_words(const char* lua_words) {
  scratch_ = from_lua(lua_words).text;
  return scratch_.c_str();
}

State::State(Host& host, const config::Map<config::Value>& vars, Limits limits)
    : host_(host), vars_(vars), limits_(limits) {
  build();
}

State::~State() { lua_close(lua_); }

void* State::allocate(void* self, void* block, std::size_t old_size, std::size_t new_size) {
  auto& state = *static_cast<State*>(self);
  if (!block) old_size = 0;  // Then it says what kind of object is wanted.
  if (new_size == 0) {
    state.heap_.give_back(block, old_size);
    state.used_ -= old_size;
    return nullptr;
  }
  if (new_size > old_size) {
    if (!state.building_ && state.used_ + (new_size - old_size) > state.limits_.memory_bytes) return nullptr;
    state.bytes_ += new_size;
    if (state.bytes_ / bytes_per_instruction > static_cast<std::size_t>(state.limits_.instructions) && state.running_ &&
        !state.spent_) {
      // Not an error yet, Lua is in the middle of something: at its next instruction.
      state.spent_ = true;
      lua_sethook(state.running_, hook, LUA_MASKCOUNT, 1);
      state.counting_ = true;
    }
  }
  void* moved = state.heap_.resize(block, old_size, new_size);
  if (moved) state.used_ += new_size - old_size;
  return moved;
}

// --- the budget ------------------------------------------------------------------------------------------------------
//
// To count Lua's instructions costs a call for each of them, a tenth of what a message takes. So code that can tell its
// own rounds does without for as many as will surely not use up the budget, and has the whole of it then. What it
// executes to tell its rounds is not charged to it.

void State::count(lua_State* lua, int instructions) {
  instructions_ = instructions;
  lua_sethook(lua, hook, LUA_MASKCOUNT, instructions);
  if (lua == lua_) counting_ = true;
}

void State::stop_counting() {
  if (counting_) lua_sethook(lua_, nullptr, 0, 0);
  counting_ = false;
}

std::int64_t State::rounds_left(lua_State* lua) const {
  if (chunk_->rounds == 0) return 0;
  lua_rawgeti(lua, LUA_REGISTRYINDEX, chunk_->reference);
  lua_getupvalue(lua, -1, chunk_->rounds);
  const auto left = lua_tointeger(lua, -1);
  lua_pop(lua, 2);
  return left;
}

int State::more_rounds(lua_State* lua) {
  State& state = of(lua);
  state.rounds_before_ = std::int64_t{1} << 62;
  state.instructions_left_ = state.limits_.instructions;
  if (!state.spent_) state.count(lua, state.instructions_left_);
  lua_pushinteger(lua, state.rounds_before_);
  return 1;
}

void State::hook(lua_State* lua, lua_Debug*) {
  State& state = of(lua);
  if (!state.spent_ && state.chunk_->rounds > 0) {
    const auto left = state.rounds_left(lua);
    // Rounds that were taken and did not come need none: a quarter of all is the code's own in any case.
    const auto own = std::min<std::int64_t>(Prepared::instructions(state.rounds_before_ - left),
                                            static_cast<std::int64_t>(state.instructions_) * 3 / 4);
    state.rounds_before_ = left;
    state.instructions_left_ -= state.instructions_ - static_cast<int>(own);
    if (state.instructions_left_ > 0) return state.count(lua, state.instructions_left_);
  }
  state.spent_ = true;
  lua_sethook(lua, hook, LUA_MASKCOUNT, 1);  // Whoever catches the error meets it again at once.
  const char mark[] = {failure_mark, static_cast<char>('A' + static_cast<int>(Reason::budget)), 0};
  lua_pushstring(lua, mark);
  luaL_where(lua, 0);
  lua_pushfstring(lua, "the code was not done after %d instructions", state.limits_.instructions);
  lua_concat(lua, 3);
  lua_error(lua);
}

void State::charge(lua_State* lua, std::size_t work) {
  work_ += work;
  if (work_ <= static_cast<std::size_t>(limits_.instructions)) return;
  spent_ = true;
  counting_ = true;
  lua_sethook(lua, hook, LUA_MASKCOUNT, 1);
  raise(lua, Reason::budget, "the code was not done after %d instructions", limits_.instructions);
}

void State::build() {
  building_ = true;
  lua_ = lua_newstate(allocate, this);
  if (!lua_) throw std::bad_alloc();
  *static_cast<State**>(lua_getextraspace(lua_)) = this;
  lua_pushcfunction(lua_, open_state);
  const int status = lua_pcall(lua_, 0, 0, 0);
  WEIR_ASSERT(status == LUA_OK, lua_tostring(lua_, -1));
  building_ = false;
}

void State::rebuild() {
  running_ = nullptr;
  lua_close(lua_);
  ++rebuilt_;
  msg_is_scalar_ = counting_ = false;
  build();
  for (auto& chunk : chunks_) load(*chunk);
}

int State::write_object(lua_State* lua) {
  State& state = of(lua);
  std::string& out = state.out_;
  out.clear();
  script::write_object(lua, state.chunk_->prepared->objects[static_cast<std::size_t>(lua_tointeger(lua, 1))]);
  if (out.empty()) {
    out = "{}";
  } else {
    out.front() = '{';
    out += '}';
  }
  lua_pushlightuserdata(lua, &written);
  return 1;
}

int State::load_chunk(lua_State* lua) {
  auto& chunk = *static_cast<Chunk*>(lua_touserdata(lua, 1));
  chunk.rounds = 0;
  auto& code = State::of(lua).scratch();
  const auto load = [&] {
    if (luaL_loadbufferx(lua, code.data(), code.size(), "=lua", "t") != LUA_OK) return false;
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &environment_key);
    lua_setupvalue(lua, -2, 1);
    return true;
  };
  if (chunk.prepared && (code = chunk.prepared->code, load())) {
    lua_pushcfunction(lua, more_rounds);
    lua_pushcfunction(lua, write_object);
    lua_call(lua, 2, 1);
    const char* name = nullptr;
    for (int at = 1; chunk.rounds == 0 && (name = lua_getupvalue(lua, -1, at)); ++at) {
      if (std::strcmp(name, Prepared::rounds) == 0) chunk.rounds = at;
      lua_pop(lua, 1);
    }
  } else {
    // As it is written it may still be small enough for Lua.
    lua_settop(lua, 1);
    code.assign(chunk.form == Form::expression ? "return " : "").append(chunk.code);
    if (!load()) return lua_error(lua);
  }
  lua_pushinteger(lua, luaL_ref(lua, LUA_REGISTRYINDEX));
  return 1;
}

bool State::load(Chunk& chunk) {
  building_ = true;
  stop_counting();
  lua_pushcfunction(lua_, load_chunk);
  lua_pushlightuserdata(lua_, &chunk);
  const bool loaded = lua_pcall(lua_, 1, 1, 0) == LUA_OK;
  if (loaded) chunk.reference = static_cast<int>(lua_tointeger(lua_, -1));
  lua_settop(lua_, 0);
  building_ = false;
  return loaded;
}

std::optional<CompileError> State::compile(std::string_view code, Form form, const config::Place& place,
                                           Setting setting, Chunk*& chunk, Findings* findings) {
  Findings found;
  if (auto error = examine(code, form, place, setting, &found)) return error;
  auto made = std::make_unique<Chunk>();
  made->code = code;
  made->form = form;
  made->place = place;
  made->uses_msg = found.uses_msg;
  made->straight = found.straight && code.size() < static_cast<std::size_t>(limits_.instructions);
  if (form == Form::block && setting != Setting::generate) {
    const auto tokens = tokens_of(code);
    made->prepared = prepared(code, tokens, made->straight);
    // No token is more than two instructions.
    const auto each = 2 * tokens.size() + 8;
    made->rounds_most = static_cast<int>(static_cast<std::size_t>(limits_.instructions) / each);
  }
  if (!load(*made)) return CompileError(place, "the code is too large");
  chunk = made.get();
  chunks_.push_back(std::move(made));
  if (findings) *findings = std::move(found);
  return std::nullopt;
}

void State::release(Chunk* chunk) {
  luaL_unref(lua_, LUA_REGISTRYINDEX, chunk->reference);
  std::erase_if(chunks_, [&](const auto& one) { return one.get() == chunk; });
}

void State::begin(const Names& names, lua_State* runs, bool counts) {
  names_ = names;
  document_ = nullptr;
  look_.reset();
  touched_ = state_touched_ = spent_ = memory_hit_ = dropped_ = fail_called_ = false;
  ++generation_;
  bytes_ = work_ = edited_bytes_ = 0;
  running_ = runs;
  keys_.clear();
  if (!emitted_.empty()) emitted_.clear();
  if (!new_meta_.empty()) new_meta_.clear();
  // Counting costs a call for each instruction; code that cannot run longer than it is written needs none.
  if (counts) {
    count(runs, limits_.instructions);
  } else {
    stop_counting();
  }
}

message::Document* State::touch() {
  if (document_) return document_;
  if (!names_.message) {
    failure_ = Failure(Reason::type, "there is no message here");
    return nullptr;
  }
  message::Document* const document = message::json_of(*names_.message);
  if (!document) {
    failure_ = message::not_json(*names_.message);
    return nullptr;
  }
  edits_before_ = names_.message->batch().edits(names_.message->row());
  touched_ = true;
  return document_ = document;
}

void State::undo() {
  if (touched_) names_.message->batch().undo_edits(names_.message->row(), edits_before_);
}

bool State::bind_other(Handle::Which which, std::string_view json) {
  const auto index = static_cast<std::size_t>(which) - 1;
  auto& bytes = others_bytes_[index];
  if (!others_[index]) others_[index] = std::make_unique<message::Document>();
  auto& document = *others_[index];
  if (document.bytes().data() == bytes.data() && document.bytes() == json && !json.empty()) return document.valid();
  if (message::check_json(json)) return false;
  document.unbind();
  bytes.assign(json);
  bytes.append(message::padding, '\0');
  document.bind({bytes.data(), json.size()});
  return document.valid();
}

message::Document& State::other(Handle::Which which) { return *others_[static_cast<std::size_t>(which) - 1]; }

message::Document* State::bind_state(const KeyTable& table) {
  if (auto& document = others_[static_cast<std::size_t>(Handle::Which::state) - 1]) document->unbind();
  return bind_other(Handle::Which::state, table.json) ? &other(Handle::Which::state) : nullptr;
}

message::Document* State::touch_state() {
  if (!names_.state) return nullptr;
  if (!state_touched_ && !bind_state(*names_.state)) return nullptr;
  state_touched_ = true;
  return &other(Handle::Which::state);
}

bool State::keep_state() {
  if (names_.state) names_.state->changed = false;
  if (!state_touched_) return true;
  const auto& document = other(Handle::Which::state);
  if (!document.dirty()) return true;
  const std::size_t size = document.written_size();
  if (size > KeyTable::most_bytes) {
    finish(false);
    emitted_.clear();
    failure_ = Failure(Reason::size, "the state of one key is at most " + std::to_string(KeyTable::most_bytes) +
                                         " bytes, and this would be " + std::to_string(size));
    failure_.place = chunk_->place.str();
    dropped_ = false;
    return false;
  }
  names_.state->json.clear();
  document.write(names_.state->json);
  names_.state->changed = true;
  return true;
}

bool State::set_msg(const Chunk& chunk) {
  bool scalar = false;
  if (names_.message && chunk.uses_msg) {
    // Only a look: a payload that is no JSON fails when code touches it, not before.
    if (auto* document = names_.message->batch().document_if_any(names_.message->row())) {
      const auto kind = document->kind(document->root());
      scalar = kind != message::Kind::object && kind != message::Kind::array && kind != message::Kind::invalid;
    } else {
      const auto text = names_.message->text();
      std::size_t at = 0;
      while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) ++at;
      scalar = at < text.size() && text[at] != '{' && text[at] != '[' && touch();
      if (!scalar) failure_.text.clear();
    }
    if (scalar && !touch()) scalar = false;
  }
  if (!scalar && !msg_is_scalar_) return true;
  msg_is_scalar_ = scalar;
  if (scalar) {
    lua_pushcfunction(lua_, push_scalar_msg);
    lua_rawgetp(lua_, LUA_REGISTRYINDEX, &environment_key);
    return lua_pcall(lua_, 1, 0, 0) == LUA_OK;
  }
  lua_pushcfunction(lua_, [](lua_State* lua) {
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &root_key);
    lua_setfield(lua, 1, "msg");
    return 0;
  });
  lua_rawgetp(lua_, LUA_REGISTRYINDEX, &environment_key);
  return lua_pcall(lua_, 1, 0, 0) == LUA_OK;
}

bool State::failed(lua_State* from, int status, const Chunk* chunk) {
  running_ = nullptr;
  undo();
  keys_.clear();
  std::size_t size = 0;
  const char* raw = lua_type(from, -1) == LUA_TSTRING ? lua_tolstring(from, -1, &size) : "";
  std::string text(raw, size);
  int line = 0;
  if (memory_hit_ || status == LUA_ERRMEM) {
    memory_hit_ = true;
    failure_ = Failure(Reason::memory,
                       "the code needs more than " +
                           (limits_.memory_bytes < (1u << 20) ? std::to_string(limits_.memory_bytes >> 10) + " KiB"
                                                              : std::to_string(limits_.memory_bytes >> 20) + " MiB") +
                           " of memory");
  } else {
    std::optional<Reason> reason;
    if (!text.empty() && text[0] == drop_mark) {
      dropped_ = true;
      text.clear();
    } else if (text.size() > 1 && text[0] == failure_mark) {
      reason = static_cast<Reason>(text[1] - 'A');
      text.erase(0, 2);
    }
    if (text.starts_with("lua:")) {
      const auto end = text.find(": ", 4);
      line = std::atoi(text.c_str() + 4);
      text.erase(0, end == std::string::npos ? text.size() : end + 2);
    }
    failure_ = reason ? Failure(*reason, std::move(text)) : from_lua(std::move(text));
  }
  if (!dropped_) emitted_.clear();
  if (chunk && !dropped_) {
    failure_.place = place_in(chunk->place, chunk->code, line).str();
    name_what_is_compared(failure_.text, chunk->code, line);
    if (failure_.text.empty()) failure_.text = "the code failed without a word";
  }
  if (from == lua_) lua_settop(lua_, 0);
  if (memory_hit_) rebuild();
  return false;
}

bool State::run(const Chunk& chunk, const Names& names) {
  begin(names, lua_, !chunk.straight && chunk.rounds == 0);
  chunk_ = &chunk;
  int status = LUA_OK;
  if (!set_msg(chunk)) {
    status = LUA_ERRRUN;
  } else {
    lua_rawgeti(lua_, LUA_REGISTRYINDEX, chunk.reference);
    if (chunk.rounds > 0) {
      lua_pushinteger(lua_, chunk.rounds_most);
      lua_setupvalue(lua_, -2, chunk.rounds);
    }
    status = lua_pcall(lua_, 0, 1, 0);
  }
  if (status == LUA_OK) return true;
  if (status == LUA_ERRMEM) memory_hit_ = true;
  return failed(lua_, status, &chunk);
}

bool State::write_top() {
  if (lua_touserdata(lua_, -1) == &written) return true;
  out_.clear();
  if (write_json_quickly(lua_, -1)) return true;
  lua_pushcfunction(lua_, write_value);
  lua_insert(lua_, -2);
  const int status = lua_pcall(lua_, 1, 0, 0);
  return status == LUA_OK || failed(lua_, status, chunk_);
}

bool State::is_null(int index) const {
  const Handle* handle = handle_at(lua_, index);
  return handle && handle->kind == Handle::Kind::null;
}

void State::finish(bool keep) {
  running_ = nullptr;
  lua_settop(lua_, 0);
  if (!keep) {
    undo();
    return;
  }
  if (new_meta_.empty()) return;
  auto& own = names_.message->edit_metadata().own;
  for (auto& [name, value] : new_meta_) {
    if (value) {
      own[name] = std::move(*value);
    } else {
      own.erase(name);
    }
  }
}

// --- generators ------------------------------------------------------------------------------------------------------

int State::start(const Chunk& chunk) {
  lua_pushcfunction(lua_, [](lua_State* lua) {
    lua_State* made = lua_newthread(lua);
    lua_rawgeti(made, LUA_REGISTRYINDEX, lua_tointeger(lua, 1));
    lua_pushinteger(lua, luaL_ref(lua, LUA_REGISTRYINDEX));
    return 1;
  });
  lua_pushinteger(lua_, chunk.reference);
  if (const int status = lua_pcall(lua_, 1, 1, 0); status != LUA_OK) {
    failed(lua_, status, &chunk);
    return -1;
  }
  const int reference = static_cast<int>(lua_tointeger(lua_, -1));
  lua_settop(lua_, 0);
  return reference;
}

void State::stop(int coroutine) { luaL_unref(lua_, LUA_REGISTRYINDEX, coroutine); }

State::Resumed State::resume(int coroutine, const Chunk& chunk, bool first, double waited_seconds) {
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, coroutine);
  lua_State* runs = lua_tothread(lua_, -1);
  lua_settop(lua_, 0);
  begin(Names(), runs, true);
  chunk_ = &chunk;
  if (!first) lua_pushnumber(runs, waited_seconds);
  int results = 0;
  const int status = lua_resume(runs, lua_, first ? 0 : 1, &results);
  running_ = nullptr;
  if (status == LUA_YIELD) {
    lua_settop(runs, 0);
    return sleeping_ ? Resumed::sleep : Resumed::message;
  }
  if (status == LUA_OK) return Resumed::ended;
  if (status == LUA_ERRMEM) memory_hit_ = true;
  failed(runs, status, &chunk);
  return Resumed::failed;
}

}  // namespace weir::script
