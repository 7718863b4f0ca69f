// The Lua state itself: what all files of this room share and nobody outside sees.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/config/values.hpp"
#include "engine/message/document.hpp"
#include "engine/message/failure.hpp"
#include "engine/message/members.hpp"
#include "engine/script/block.hpp"
#include "engine/script/compile_error.hpp"
#include "engine/script/engine.hpp"
#include "engine/script/heap.hpp"
#include "engine/script/names.hpp"
#include "engine/script/patterns.hpp"
#include "engine/script/prepared.hpp"

struct lua_State;
struct lua_Debug;

namespace weir::script {

enum class Form : std::uint8_t { expression, block };

/// One piece of code, compiled; and compiled again when the state is made anew.
struct Chunk {
  std::string code;  ///< As written.
  Form form = Form::expression;
  config::Place place;
  bool uses_msg = false;
  bool straight = false;             ///< Cannot run longer than it is written: no loop, no function.
  int reference = -1;                ///< Of the function, in Lua's registry.
  std::optional<Prepared> prepared;  ///< As Lua gets it, where that is not as it is written.
  int rounds = 0;                    ///< Which upvalue of the function says how many are left, or 0: it does not tell.
  int rounds_most = 0;               ///< As many may be before Lua's instructions are counted.
};

/// What code needs to know of itself beside being compiled.
struct Findings {
  bool uses_msg = false;
  bool straight = false;
  std::vector<std::string> ports;  ///< Of emit_to, in the order of first mention.
};

/// Everything that can be said of code without running it. Makes a small state of its own.
std::optional<CompileError> examine(std::string_view code, Form form, const config::Place& place, Setting setting,
                                    Findings* findings = nullptr);

/// The place of a line (and, where known, a column in bytes) of code that stands at `place`.
config::Place place_in(const config::Place& place, std::string_view code, int line, std::size_t byte_column = 0,
                       int length = 1);

/// What a userdata of ours is. There are no others in the sandbox.
struct Handle {
  enum class Kind : std::uint8_t { null, root, node, meta, result };
  enum class Which : std::uint8_t { message, result, item, state };  ///< Whose document a node belongs to.
  Kind kind = Kind::null;
  Which which = Which::message;
  std::uint32_t node = 0;
  std::uint64_t generation = 0;
  const char* value = nullptr;  ///< What the node's value is called (message::Document::value_of).
};

class State {
 public:
  State(Host& host, const config::Map<config::Value>& vars, Limits limits);
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  static State& of(lua_State* lua);

  /// Compiles and keeps. The chunk stays until it is released.
  std::optional<CompileError> compile(std::string_view code, Form form, const config::Place& place, Setting setting,
                                      Chunk*& chunk, Findings* findings = nullptr);
  void release(Chunk* chunk);

  /// Runs a chunk. On success its one result is on top of an otherwise empty stack, and finish() must follow. On
  /// failure the stack is empty, what was done to the message is undone, and failure() says why; unless dropped().
  bool run(const Chunk& chunk, const Names& names);
  /// Ends an evaluation that succeeded: keeps what it did to the message, or undoes that.
  void finish(bool keep);
  /// Before finish(), and after a drop(): writes what was done to `state` into its KeyTable. False: failed, as run(),
  /// because it has become too large.
  bool keep_state();
  /// Makes JSON text of the value on top of the stack, in out(), unless the code has done so. False: failed, as run().
  bool write_top();
  /// The value on top of the stack, which is no text, as a longer text shows it. Same as above.
  bool is_null(int index) const;

  /// Whether what failed was in truth a drop().
  bool dropped() const { return dropped_; }
  message::Failure& failure() { return failure_; }

  // --- for generators ------------------------------------------------------------------------------------------------
  /// A new coroutine that will run the chunk; a registry reference, or -1 and failure().
  int start(const Chunk& chunk);
  void stop(int coroutine);
  enum class Resumed : std::uint8_t { message, sleep, ended, failed };
  Resumed resume(int coroutine, const Chunk& chunk, bool first, double waited_seconds);
  std::uint64_t epoch() const { return rebuilt_; }

  // --- for what Lua calls --------------------------------------------------------------------------------------------
  lua_State* lua() const { return lua_; }
  Host& host() const { return host_; }
  const Names& names() const { return names_; }
  std::uint64_t generation() const { return generation_; }
  /// The payload as JSON; on failure null, and failure() says why. Raises nothing.
  message::Document* touch();
  /// A member of the payload, as far as it is told without touching it.
  message::Glimpse look(std::string_view member) {
    if (document_ || !names_.message) return {};
    if (!look_) look_.emplace(*names_.message);
    return look_->member(member);
  }
  message::Document& other(Handle::Which which);
  bool is_state(const message::Document& document) const {
    return others_[static_cast<std::size_t>(Handle::Which::state) - 1].get() == &document;
  }
  /// Binds one of the documents beside the message's to a copy of this text. False if it is not JSON.
  bool bind_other(Handle::Which which, std::string_view json);
  /// The document of `state`, bound to what this table holds. Null if that is no JSON.
  message::Document* bind_state(const KeyTable& table);
  /// The table of the key, bound when first touched. Null where there is no key, or its text is no JSON.
  message::Document* touch_state();
  void charge(lua_State* lua, std::size_t work);
  bool spent() const { return spent_ || memory_hit_; }
  void note_memory() { memory_hit_ = true; }
  /// Lua's words for an error in ours, in scratch().
  const char* plain_words(const char* lua_words);
  bool fail_called() const { return fail_called_; }
  void note_fail() { fail_called_ = true; }

  std::string& out() { return out_; }
  std::string& scratch() { return scratch_; }
  std::vector<std::string_view>& keys() { return keys_; }
  std::vector<Emitted>& emitted() { return emitted_; }
  std::size_t& emitted_bytes() { return emitted_bytes_; }
  std::size_t& edited_bytes() { return edited_bytes_; }
  std::vector<std::string>*& ports() { return ports_; }
  std::vector<std::pair<std::string, std::optional<std::string>>>& new_meta() { return new_meta_; }
  Patterns& patterns() { return patterns_; }
  runtime::Duration& sleep() { return sleep_; }
  bool& sleeping() { return sleeping_; }

  std::uint64_t rebuilt() const { return rebuilt_; }
  std::size_t used() const { return used_; }
  const Limits& limits() const { return limits_; }
  const config::Map<config::Value>& vars() const { return vars_; }

 private:
  static void* allocate(void* self, void* block, std::size_t old_size, std::size_t new_size);
  static void hook(lua_State* lua, lua_Debug* where);
  static int more_rounds(lua_State* lua);
  static int write_object(lua_State* lua);
  void count(lua_State* lua, int instructions);
  void stop_counting();
  std::int64_t rounds_left(lua_State* lua) const;
  void build();
  void rebuild();
  bool load(Chunk& chunk);
  static int load_chunk(lua_State* lua);
  void begin(const Names& names, lua_State* runs, bool counts);
  bool set_msg(const Chunk& chunk);
  bool failed(lua_State* from, int status, const Chunk* chunk);
  void undo();

  Host& host_;
  config::Map<config::Value> vars_;
  Limits limits_;
  Heap heap_;
  lua_State* lua_ = nullptr;
  lua_State* running_ = nullptr;  // The coroutine that runs just now, or null between evaluations.
  std::size_t used_ = 0;
  std::size_t bytes_ = 0;  // Allocated during this evaluation.
  std::size_t work_ = 0;   // Charged during this evaluation by functions.
  bool building_ = false;
  bool counting_ = false;           // Whether the main coroutine has its hook.
  std::int64_t rounds_before_ = 0;  // What was left of them when the instructions up to the next hook began to count.
  int instructions_ = 0;            // From there to the hook, and
  int instructions_left_ = 0;       // with these.
  bool spent_ = false;
  bool memory_hit_ = false;
  bool dropped_ = false;
  bool fail_called_ = false;
  bool msg_is_scalar_ = false;
  bool touched_ = false;
  bool state_touched_ = false;
  bool sleeping_ = false;
  runtime::Duration sleep_{};
  Names names_;
  const Chunk* chunk_ = nullptr;
  message::Document* document_ = nullptr;
  std::optional<message::Look> look_;
  std::size_t edits_before_ = 0;
  std::uint64_t generation_ = 0;
  std::uint64_t rebuilt_ = 0;
  message::Failure failure_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::unique_ptr<message::Document> others_[3];
  std::string others_bytes_[3];
  std::string out_, scratch_;
  std::vector<std::string_view> keys_;
  std::vector<Emitted> emitted_;
  std::size_t emitted_bytes_ = 0, edited_bytes_ = 0;
  std::vector<std::string>* ports_ = nullptr;
  std::vector<std::pair<std::string, std::optional<std::string>>> new_meta_;
  Patterns patterns_;
};

// --- C functions, gathered by file ----------------------------------------------------------------------------------

/// Fails the evaluation with this reason. `format` is that of lua_pushfstring. Never returns; no C++ object with a
/// destructor may be alive in the calling function.
[[noreturn]] void raise(lua_State* lua, message::Reason reason, const char* format, ...);
/// Fails the evaluation with State::failure().
[[noreturn]] void raise_failure(lua_State* lua);

/// sandbox.cpp: makes the environment in which all chunks run and leaves it on the stack.
void push_environment(lua_State* lua);
/// Makes of the table on top of the stack one that reads like it and cannot be written to.
void freeze(lua_State* lua);

/// proxies.cpp: metatables and the names `msg`, `meta`, `result`, `null`; adds them to the environment on top.
void add_names(lua_State* lua);
/// Pushes a node of a document: a scalar as Lua's, a container as a proxy.
void push_node(lua_State* lua, Handle::Which which, message::Node node);
void push_vars(lua_State* lua, const config::Map<config::Value>& vars);
/// The names that are looked up anew each time: text, request, failed, i, item. 0 results: not one of them.
int push_dynamic_name(lua_State* lua, std::string_view name);

/// A new one, by the host's chance.
std::array<char, 36> make_uuid(Host& host);
/// Without blanks and ends of lines around it, as trim() and the numbers in texts are read.
std::string_view trimmed(std::string_view text);
/// functions.cpp: now, uuid, re, url, time, num, int, trim, …; adds them to the environment on top.
void add_functions(lua_State* lua);
/// Gives the table on top the mark of a list, so that it is written as `[]` when empty.
void mark_list(lua_State* lua);

/// values.cpp: appends the value at `index` as JSON to State::out(). Raises.
void write_json(lua_State* lua, int index);
/// The members of an object, each with its comma in front, of those arguments that are not nil. Raises.
void write_object(lua_State* lua, const Prepared::Object& object);
/// The same of what is plainly JSON; false, and nothing appended, of the rest. Never raises.
bool write_json_quickly(lua_State* lua, int index);
Handle* handle_at(lua_State* lua, int index);

/// Names that code may use where it stands.
bool is_known_name(std::string_view name, Form form, Setting setting);
std::vector<std::string> known_names(Form form, Setting setting);

}  // namespace weir::script
