// One run of such code: what native_values, native_functions, native_writing and native share.
#pragma once
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/message/document.hpp"
#include "engine/message/members.hpp"
#include "engine/message/message.hpp"
#include "engine/message/number.hpp"
#include "engine/message/payload.hpp"
#include "engine/runtime/time.hpp"
#include "engine/script/native.hpp"
#include "engine/script/native_code.hpp"
#include "engine/script/state.hpp"

namespace re2 {
class RE2;
}

namespace weir::script::native {

// What is more is Lua's, whose memory is bounded.
constexpr std::size_t tables_most = 1024, members_most = 64, items_most = 1024, arena_bytes = 64 * 1024;
constexpr std::size_t depth_most = 64;
// As in Lua, whose budget pays for those beyond.
constexpr std::size_t walked_most = 1024;

/// A table that the code has made.
struct Table {
  std::vector<std::pair<std::string_view, Value>> members;
  std::vector<Value> items;
  bool had_names = false;  // Then Lua may hold its items in another order.
};

enum class Flow : std::uint8_t { on, unclear, gave, dropped, left };

inline double number_of(const Value& value) {
  return value.is(Value::Kind::integer) ? static_cast<double>(value.integer) : value.number;
}
/// Whether the left is less, or is equal where that will do, as Lua compares. False: unclear.
bool below(const Value& left, const Value& right, bool or_equal, bool& is);

/// Code, and what it needs to run for one message after another. What a function gives is false, or Flow::unclear,
/// where only Lua can tell.
class Run {
 public:
  using Outcome = Native::Outcome;

  Run(State& state, Code code);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Outcome run(const message::Message& message, std::string& out, std::vector<Emitted>& emitted, KeyTable* key_table);
  void keep(KeyTable& key_table) const;

 private:
  // --- what holds values ---------------------------------------------------------------------------------------------

  /// Null where there is no room left.
  char* room(std::size_t size) {
    if (size > arena_bytes - used_) return nullptr;
    char* const at = arena_.get() + used_;
    used_ += size;
    return at;
  }
  bool keep(std::string_view text, Value& out) {
    char* const at = room(text.size());
    if (!at) return false;
    std::memcpy(at, text.data(), text.size());
    out = Value::of(std::string_view(at, text.size()));
    return true;
  }
  Table* new_table(Value& out) {
    if (tables_used_ == tables_most) return nullptr;
    if (tables_used_ == tables_.size()) tables_.emplace_back();
    out = Value(Value::Kind::table);
    out.index = static_cast<std::uint32_t>(tables_used_);
    Table& made = tables_[tables_used_++];
    made.members.clear();
    made.items.clear();
    made.had_names = false;
    return &made;
  }

  // --- the payload ---------------------------------------------------------------------------------------------------

  bool touch() {
    if (!document_) document_ = message::json_of(*message_);
    return document_ && document_->walked() <= walked_most;
  }
  message::Node place(const Value& value) {
    return value.is(Value::Kind::root) ? document_->root() : document_->holding({value.index}, value.data);
  }
  bool value_of(message::Node node, Value& out);

  /// The table of the key; of what holds anything, Lua can tell more.
  bool touch_state();
  bool remembered(std::string_view name, Value& out);
  bool remember(const Statement& one);
  bool read_text(std::string_view text, Value& out) {
    work_ += text.size() / 16;
    out = Value::of(text);
    return text.size() <= arena_bytes;
  }
  static bool take(const message::Number& number, Value& out) {
    const auto* const integer = std::get_if<std::int64_t>(&number);
    out = integer ? Value::of(*integer) : Value::of(std::get<double>(number));
    return true;
  }
  bool member(std::string_view name, Value& out);
  bool named(const Value& of, std::string_view name, Value& out);
  bool indexed(const Value& of, const Value& by, Value& out);
  bool length(const Value& of, std::size_t& size);

  // --- expressions ---------------------------------------------------------------------------------------------------

  bool truth(const Expression& one, bool& holds);
  bool eval(const Expression& one, Value& out);
  bool join(const Expression& one, Value& out);
  bool format(const Expression& one, Value& out);
  bool to_text(const Value& value, Value& out);
  /// The groups of what is found, or what is found where the pattern has none; nil where nothing is.
  bool match(const Expression& one, Value* out, std::uint32_t wanted);
  const re2::RE2& pattern(const Expression& one);
  bool replace(const Expression& one, Value& out);
  bool split(std::string_view text, std::string_view by, Value& out);
  bool concat(const Value& list, std::string_view between, Value& out);
  /// A time as RFC 3339 or as whole seconds.
  static std::optional<runtime::WallTime> time_of(const Value& value);
  bool call(const Expression& one, Value& out);
  /// False too where it gave nothing.
  bool own_call(const Expression& one, Value& out);
  Flow enter(const Expression& one);

  // --- writing -------------------------------------------------------------------------------------------------------

  /// Appends what it gives as JSON, and says whether it was nil: then nothing.
  bool write(const Expression& one, std::string& out, std::size_t depth, bool& nil);
  bool write(const Value& value, std::string& out, std::size_t depth);
  bool write(Table& table, std::string& out, std::size_t depth);
  Outcome give(std::string& out);

  // --- statements ----------------------------------------------------------------------------------------------------

  Flow walk(const Statement::Body& body);
  static Flow on_if(bool clear);
  Flow step(const Statement& one);
  /// One round of a loop more. False when Lua's budget might not last.
  bool round() { return (work_ += code_.weight) <= budget_; }
  Flow each(const Statement& one);
  Flow count(const Statement& one);
  Flow again(const Statement& one);
  static bool append(Table& table, const Value& value);
  /// For what is written into the message. False when it might be more than Lua may.
  bool pay(std::size_t bytes);
  bool store(const Statement& one);
  static bool store(Table& table, const Value& by, const Value& value);
  bool emit(const Statement& one);

  State& state_;
  const Code code_;
  const std::size_t budget_, memory_bytes_;

  // Of the run that is under way.
  const message::Message* message_ = nullptr;
  std::vector<Emitted>* emitted_ = nullptr;
  message::Document* document_ = nullptr;  // Once it is needed, as
  message::Document* state_document_ = nullptr;
  KeyTable* key_table_ = nullptr;
  std::optional<message::Look> look_;
  std::size_t edits_before_ = 0;
  bool edited_ = false;
  bool deep_ = false;     // Something of the payload is written deeper than it was.
  std::size_t work_ = 0;  // More than Lua would have been charged so far.
  std::size_t emitted_bytes_ = 0, edited_bytes_ = 0;
  const Expression* given_ = nullptr;
  std::vector<Value> slots_;
  std::vector<Table> tables_;
  std::size_t tables_used_ = 0;
  std::unique_ptr<char[]> arena_;
  std::size_t used_ = 0;
  std::string scratch_, json_;
};

}  // namespace weir::script::native
