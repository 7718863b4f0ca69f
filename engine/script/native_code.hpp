// Code as a tree, of as much of Lua as weir runs itself: what `native` walks over.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/values.hpp"

namespace weir::script::native {

/// A value while code runs. Texts are views; who runs the code holds what they show.
struct Value {
  enum class Kind : std::uint8_t { nil, boolean, integer, number, text, null, root, node, table };

  Kind kind = Kind::nil;
  bool boolean = false;
  std::uint32_t index = 0;  ///< Of a node in the document, or of a table among those of this run.
  union {
    std::int64_t integer = 0;
    double number;
    const char* data;  ///< Of a text; of a node what its value is called (message::Document::value_of).
  };
  std::size_t size = 0;

  static Value null() { return {Kind::null}; }
  static Value of(bool value) {
    Value made(Kind::boolean);
    made.boolean = value;
    return made;
  }
  static Value of(std::int64_t value) {
    Value made(Kind::integer);
    made.integer = value;
    return made;
  }
  static Value of(double value) {
    Value made(Kind::number);
    made.number = value;
    return made;
  }
  static Value of(std::string_view text) {
    Value made(Kind::text);
    made.data = text.data();
    made.size = text.size();
    return made;
  }

  Value() = default;
  Value(Kind kind) : kind(kind) {}

  std::string_view text() const { return {data, size}; }
  bool is(Kind one) const { return kind == one; }
  bool is_number() const { return kind == Kind::integer || kind == Kind::number; }
  bool is_container() const { return kind >= Kind::root; }
  bool holds() const { return kind > Kind::boolean || boolean; }
};

/// A function that may be called within an expression.
enum class Function : std::uint8_t {
  upper,
  lower,
  len,
  sub,
  format,
  floor,
  ceil,
  abs,
  max,
  min,
  to_int,
  num,
  to_text,
  to_number,
  trim,
  starts,
  contains,
  type,
  split,
  concat,
  match,
  replace,
  now,
  uuid,
  time_unix,
  time_format
};

struct Subroutine;

/// Groups that a pattern may have.
inline constexpr int groups_most = 15;

/// One `%` of a format and the text before it.
struct Conversion {
  std::string before;
  std::string spec;  ///< As snprintf wants it; empty: the end.
  char letter = 0;
};

struct Expression {
  enum class Kind : std::uint8_t {
    constant,
    local,
    root,
    text,      ///< Of the payload as it stands there.
    state,     ///< Of the key's table, by `name`.
    member,    ///< Of the payload, by `name`.
    named,     ///< Of left, by `name`.
    indexed,   ///< Of left, by right.
    call,      ///< function(parts…).
    own_call,  ///< own(parts…).
    refuse,    ///< What fails the message: Lua says how.
    object,    ///< names[i] = parts[i], in order of their names.
    list,      ///< Of parts, none at all included.
    joined,    ///< parts[0] .. parts[1] ..
    negation,
    minus,
    length,
    both,
    either,  // and, or
    equal,
    unequal,
    below,
    at_most,
    above,
    at_least,
    plus,
    less,
    times,
    over,
    whole_over,
    modulo
  };
  using Ref = const Expression*;

  Kind kind = Kind::constant;
  Function function = Function::upper;
  std::uint32_t slot = 0;  // Of a match: how many groups its pattern has.
  Ref left = nullptr, right = nullptr;
  const Subroutine* own = nullptr;
  Value constant;
  std::string name;  // Or the text of the constant.
  std::vector<Ref> parts;
  std::vector<std::string> names, keys;  // keys: as JSON writes them, with their colon.
  std::vector<Conversion> conversions;
};

struct Statement {
  enum class Kind : std::uint8_t {
    locals,    ///< slot… = conditions…
    captures,  ///< slot… = the groups of the match that value is; slots of them
    assign,    ///< slot = value
    assigns,   ///< targets = conditions, all known before the first is set
    call,      ///< What value gives is not wanted.
    loop,      ///< while value do branches[0]
    repeat,    ///< branches[0] until value
    store,     ///< left[right], or left.name where there is no right, = value
    choose,    ///< branches[i] where conditions[i] holds; one branch more is `else`.
    each,      ///< for slot, slot + 1 in pairs(value) or ipairs(value) do branches[0]; `positions`: ipairs
    count,     ///< for slot = conditions[0], conditions[1], conditions[2] do branches[0]
    remember,  ///< state.name = value
    insert,    ///< table.insert(left, value)
    emit,      ///< of value, by `port`
    drop,
    leave,
    give,  ///< value, or nothing at all
    block,
    refuse  ///< What fails the message: Lua says how.
  };
  using Ref = Expression::Ref;
  using Body = std::vector<Statement>;

  Kind kind = Kind::refuse;
  bool positions = false;
  int port = -1;
  std::uint32_t slot = 0, slots = 1;
  Ref left = nullptr, right = nullptr, value = nullptr;
  std::string name;
  std::vector<Ref> conditions;
  std::vector<std::uint32_t> targets;
  std::vector<Body> branches;
};

constexpr std::size_t assigned_most = 8;

/// A function of the code's own. It can only be called, not handed on, does not call itself and changes no local but
/// its own: so its locals have their places among those of the code, and what it reads of others is where it was. One
/// that acts is called by a statement alone, since what an expression computes first is not always what Lua does.
struct Subroutine {
  static constexpr std::uint32_t slots_most = 8;
  std::uint32_t slot = 0, slots = 0;  ///< Of its parameters.
  bool acts = false;                  ///< It sends, drops, or changes what was there before it.
  Statement::Body body;
};

struct Code {
  std::deque<Expression> expressions;  ///< Where all of them lie.
  std::deque<Subroutine> subroutines;
  Statement::Body body;
  std::uint32_t slots = 0;
  bool uses_msg = false;
  std::size_t weight = 0;  ///< More than the instructions that Lua would need for all of it once.
};

/// Nothing where there is anything in it that only Lua runs. `code` compiles; `keyed`: it may use `state`.
std::optional<Code> read(std::string_view code, const std::vector<std::string>& ports,
                         const config::Map<config::Value>& vars, bool keyed);

}  // namespace weir::script::native
