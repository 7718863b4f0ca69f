// What stands in the payload, and what expressions make of it.
#include <cmath>

#include "engine/message/payload.hpp"
#include "engine/script/native_run.hpp"

namespace weir::script::native {
namespace {

using Kind = Expression::Kind;

// Beyond these a double no longer tells all integers apart, and Lua compares in another way.
constexpr std::int64_t exact_most = std::int64_t{1} << 53;

bool exact(const Value& value) {
  return value.is(Value::Kind::number) || (value.integer <= exact_most && value.integer >= -exact_most);
}
bool both_are(const Value& left, const Value& right, Value::Kind kind) { return left.is(kind) && right.is(kind); }

/// False: unclear.
bool equal(const Value& left, const Value& right, bool& is) {
  if (left.is_number() && right.is_number()) {
    if (left.kind == right.kind) {
      is = left.is(Value::Kind::integer) ? left.integer == right.integer : left.number == right.number;
      return true;
    }
    is = number_of(left) == number_of(right);
    return exact(left) && exact(right);
  }
  if (left.kind != right.kind) {
    is = false;
    // Two of Lua's userdata may say that they are equal.
    return !(left.is_container() && right.kind >= Value::Kind::null) &&
           !(right.is_container() && left.kind >= Value::Kind::null);
  }
  if (left.is_container()) return false;
  is = left.is(Value::Kind::text) ? left.text() == right.text()
                                  : !left.is(Value::Kind::boolean) || left.boolean == right.boolean;
  return true;
}

/// As Lua computes: whole numbers wrap around, `/` always gives a float, `//` and `%` round down.
bool compute(Kind op, const Value& left, const Value& right, Value& out) {
  if (!left.is_number() || !right.is_number()) return false;
  if (both_are(left, right, Value::Kind::integer) && op != Kind::over) {
    const std::int64_t a = left.integer, b = right.integer;
    const auto x = static_cast<std::uint64_t>(a), y = static_cast<std::uint64_t>(b);
    if (op == Kind::whole_over || op == Kind::modulo) {
      if (b == 0 || b == -1) return false;
      const std::int64_t rest = a % b;
      const bool down = rest != 0 && (rest ^ b) < 0;
      out = Value::of(op == Kind::modulo ? (down ? rest + b : rest) : a / b - down);
      return true;
    }
    out = Value::of(static_cast<std::int64_t>(op == Kind::plus ? x + y : op == Kind::less ? x - y : x * y));
    return true;
  }
  const double a = number_of(left), b = number_of(right);
  switch (op) {
    case Kind::plus:
      out = Value::of(a + b);
      return true;
    case Kind::less:
      out = Value::of(a - b);
      return true;
    case Kind::times:
      out = Value::of(a * b);
      return true;
    case Kind::over:
      out = Value::of(a / b);
      return true;
    case Kind::whole_over:
      out = Value::of(std::floor(a / b));
      return true;
    default: {
      double rest = std::fmod(a, b);
      if (rest > 0 ? b < 0 : rest < 0 && b > 0) rest += b;
      out = Value::of(rest);
      return true;
    }
  }
}

}  // namespace

bool below(const Value& left, const Value& right, bool or_equal, bool& is) {
  if (both_are(left, right, Value::Kind::text)) {
    is = or_equal ? left.text() <= right.text() : left.text() < right.text();
    return true;
  }
  if (!left.is_number() || !right.is_number()) return false;
  if (both_are(left, right, Value::Kind::integer)) {
    is = or_equal ? left.integer <= right.integer : left.integer < right.integer;
    return true;
  }
  const double a = number_of(left), b = number_of(right);
  is = or_equal ? a <= b : a < b;
  return left.kind == right.kind || (exact(left) && exact(right));
}

// --- what holds values -----------------------------------------------------------------------------------------------

// --- the payload -----------------------------------------------------------------------------------------------------

bool Run::value_of(message::Node node, Value& out) {
  if (!node) {
    out = Value();
    return document_->valid();
  }
  if (const auto number = document_->any_number(node)) return take(*number, out);
  switch (document_->kind(node)) {
    case message::Kind::null:
      out = Value::null();
      return true;
    case message::Kind::boolean:
      out = Value::of(*document_->boolean(node));
      return true;
    case message::Kind::string: {
      const auto text = document_->string(node);
      return text && read_text(*text, out);
    }
    case message::Kind::array:
    case message::Kind::object:
      out = Value(Value::Kind::node);
      out.index = node.index;
      out.data = document_->value_of(node);
      return true;
    default:
      return false;
  }
}

bool Run::member(std::string_view name, Value& out) {
  if (!document_) {
    const auto seen = look_->member(name);
    if (seen.is_nothing()) {
      out = Value();
      return true;
    }
    if (seen) {
      const char first = seen.json().front();
      if (first == '"') {
        const auto text = seen.text(scratch_);
        if (!text) return false;
        return text->data() == scratch_.data() ? keep(*text, out) : read_text(*text, out);
      }
      if (seen.is_number()) {
        const auto number = seen.number();
        return number && take(*number, out);
      }
      if (first == 'n' || first == 't' || first == 'f') {
        out = first == 'n' ? Value::null() : Value::of(first == 't');
        return true;
      }
    }
  }
  return touch() && value_of(document_->find(document_->root(), name), out);
}

bool Run::named(const Value& of, std::string_view name, Value& out) {
  if (of.is(Value::Kind::root)) return member(name, out);
  if (of.is(Value::Kind::node)) return touch() && value_of(document_->find(place(of), name), out);
  if (!of.is(Value::Kind::table)) return false;
  out = Value();
  for (const auto& [own, value] : tables_[of.index].members) {
    if (own == name) out = value;
  }
  return true;
}

bool Run::indexed(const Value& of, const Value& by, Value& out) {
  if (by.is(Value::Kind::text)) return named(of, by.text(), out);
  if (!by.is(Value::Kind::integer)) return false;
  out = Value();
  if (of.is(Value::Kind::node)) {
    return by.integer > 0 && touch() &&
           value_of(document_->at(place(of), static_cast<std::size_t>(by.integer - 1)), out);
  }
  if (!of.is(Value::Kind::table)) return false;
  const auto& items = tables_[of.index].items;
  if (by.integer > 0 && static_cast<std::uint64_t>(by.integer) <= items.size())
    out = items[static_cast<std::size_t>(by.integer - 1)];
  return true;
}

bool Run::length(const Value& of, std::size_t& size) {
  if (of.is(Value::Kind::text)) {
    size = of.size;
    return true;
  }
  if (of.is(Value::Kind::table)) {
    size = tables_[of.index].items.size();
    return true;
  }
  if (!of.is(Value::Kind::node) || !touch()) return false;
  const message::Node node = place(of);
  size = document_->size(node);
  return document_->kind(node) == message::Kind::array || size == 0;
}

// --- expressions -----------------------------------------------------------------------------------------------------

bool Run::truth(const Expression& one, bool& holds) {
  Value value;
  if (!eval(one, value)) return false;
  holds = value.holds();
  return true;
}

bool Run::eval(const Expression& one, Value& out) {
  switch (one.kind) {
    case Kind::constant:
      out = one.constant;
      return true;
    case Kind::local:
      out = slots_[one.slot];
      return true;
    case Kind::root:
      out = Value(Value::Kind::root);
      return true;
    case Kind::text:
      return keep(message_->text(), out);
    case Kind::state:
      return remembered(one.name, out);
    case Kind::member:
      return member(one.name, out);
    case Kind::named: {
      Value of;
      return eval(*one.left, of) && named(of, one.name, out);
    }
    case Kind::indexed: {
      Value of, by;
      return eval(*one.left, of) && eval(*one.right, by) && indexed(of, by, out);
    }
    case Kind::call:
      return call(one, out);
    case Kind::own_call:
      return own_call(one, out);
    case Kind::refuse:
      return false;
    case Kind::object: {
      Table* made = new_table(out);
      const auto index = out.index;
      if (!made || one.parts.size() > members_most) return false;
      made->had_names = true;
      for (std::size_t i = 0; i < one.parts.size(); ++i) {
        Value value;
        if (!eval(*one.parts[i], value)) return false;
        if (!value.is(Value::Kind::nil)) tables_[index].members.emplace_back(one.names[i], value);
      }
      return true;
    }
    case Kind::list: {
      Table* made = new_table(out);
      const auto index = out.index;
      if (!made || one.parts.size() > items_most) return false;
      for (const auto* part : one.parts) {
        Value value;
        if (!eval(*part, value) || value.is(Value::Kind::nil)) return false;
        tables_[index].items.push_back(value);
      }
      return true;
    }
    case Kind::joined:
      return join(one, out);
    case Kind::negation: {
      bool holds = false;
      if (!truth(*one.left, holds)) return false;
      out = Value::of(!holds);
      return true;
    }
    case Kind::minus: {
      Value value;
      if (!eval(*one.left, value) || !value.is_number()) return false;
      out = value.is(Value::Kind::integer)
                ? Value::of(static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(value.integer)))
                : Value::of(-value.number);
      return true;
    }
    case Kind::length: {
      Value of;
      std::size_t size = 0;
      if (!eval(*one.left, of) || !length(of, size)) return false;
      out = Value::of(static_cast<std::int64_t>(size));
      return true;
    }
    case Kind::both:
      return eval(*one.left, out) && (!out.holds() || eval(*one.right, out));
    case Kind::either:
      return eval(*one.left, out) && (out.holds() || eval(*one.right, out));
    case Kind::equal:
    case Kind::unequal: {
      Value left, right;
      bool is = false;
      if (!eval(*one.left, left) || !eval(*one.right, right) || !equal(left, right, is)) return false;
      out = Value::of(is == (one.kind == Kind::equal));
      return true;
    }
    case Kind::below:
    case Kind::at_most:
    case Kind::above:
    case Kind::at_least: {
      Value left, right;
      bool is = false;
      if (!eval(*one.left, left) || !eval(*one.right, right)) return false;
      const bool swapped = one.kind == Kind::above || one.kind == Kind::at_least;
      const bool or_equal = one.kind == Kind::at_most || one.kind == Kind::at_least;
      if (!(swapped ? below(right, left, or_equal, is) : below(left, right, or_equal, is))) return false;
      out = Value::of(is);
      return true;
    }
    default: {
      Value left, right;
      return eval(*one.left, left) && eval(*one.right, right) && compute(one.kind, left, right, out);
    }
  }
}

}  // namespace weir::script::native
