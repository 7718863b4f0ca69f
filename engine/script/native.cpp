#include "engine/script/native.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <utility>

#include "engine/message/document.hpp"
#include "engine/message/json.hpp"
#include "engine/message/members.hpp"
#include "engine/message/number.hpp"
#include "engine/message/payload.hpp"
#include "engine/script/native_code.hpp"
#include "engine/script/state.hpp"
#include "engine/script/time_text.hpp"

namespace weir::script {
namespace {

using message::Document;
using message::Node;
using native::Code;
using native::Expression;
using native::Function;
using native::Statement;
using native::Value;
using Kind = Expression::Kind;

// Beyond these a double no longer tells all integers apart, and Lua compares in another way.
constexpr std::int64_t exact_most = std::int64_t{1} << 53;
// What is more is Lua's, whose memory is bounded.
constexpr std::size_t tables_most = 1024, members_most = 64, items_most = 1024, arena_bytes = 64 * 1024;
constexpr std::size_t depth_most = 64;
// As in Lua, whose budget pays for those beyond.
constexpr std::size_t walked_most = 1024;

/// A table that the code has made.
struct Table {
  std::vector<std::pair<std::string_view, Value>> members;
  std::vector<Value> items;
};

enum class Flow : std::uint8_t { on, unclear, gave, dropped, left };

bool exact(const Value& value) {
  return value.is(Value::Kind::number) || (value.integer <= exact_most && value.integer >= -exact_most);
}
double number_of(const Value& value) {
  return value.is(Value::Kind::integer) ? static_cast<double>(value.integer) : value.number;
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

/// The nearest integer that `number`, already rounded, is, or itself.
Value rounded(double number) {
  if (number >= -0x1p63 && number < 0x1p63) return Value::of(static_cast<std::int64_t>(number));
  return Value::of(number);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n\f\v";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// Whether it is written as weir writes it: some digits.
bool is_plain_integer(std::string_view text) {
  return text.size() <= 18 && std::all_of(text.begin(), text.end(), [](char one) { return one >= '0' && one <= '9'; });
}

/// Of digits alone; false for all else, which may be a number nevertheless.
bool plain_integer(std::string_view text, Value& out) {
  if (text.empty() || text.size() > 18) return false;
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end) return false;
  out = Value::of(value);
  return true;
}

}  // namespace

class Native::Content {
 public:
  Content(State& state, Code code)
      : state_(state),
        code_(std::move(code)),
        budget_(static_cast<std::size_t>(state.limits().instructions)),
        memory_bytes_(state.limits().memory_bytes),
        slots_(code_.slots),
        arena_(std::make_unique_for_overwrite<char[]>(arena_bytes)) {}

  Outcome run(const message::Message& message, std::string& out, std::vector<Emitted>& emitted) {
    message_ = &message;
    emitted_ = &emitted;
    document_ = message.batch().document_if_any(message.row());
    if (document_) {
      if (document_->kind(document_->root()) != message::Kind::object) return Outcome::unclear;
    } else {
      if (!message.text().starts_with('{')) return Outcome::unclear;
      look_.emplace(message);
    }
    used_ = tables_used_ = work_ = emitted_bytes_ = edited_bytes_ = 0;
    deep_ = edited_ = false;
    const Flow flow = walk(code_.body);
    Outcome outcome = flow == Flow::dropped   ? Outcome::dropped
                      : flow == Flow::unclear ? Outcome::unclear
                                              : Outcome::kept;
    if (flow == Flow::gave) outcome = give(out);
    if (outcome == Outcome::unclear) emitted.clear();
    if (edited_ && outcome != Outcome::kept) message.batch().undo_edits(message.row(), edits_before_);
    look_.reset();
    return outcome;
  }

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
    return &made;
  }

  // --- the payload ---------------------------------------------------------------------------------------------------

  bool touch() {
    if (!document_) document_ = message::json_of(*message_);
    return document_ && document_->walked() <= walked_most;
  }
  Node place(const Value& value) {
    return value.is(Value::Kind::root) ? document_->root() : document_->holding({value.index}, value.data);
  }
  bool value_of(Node node, Value& out) {
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
  bool member(std::string_view name, Value& out) {
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
  bool named(const Value& of, std::string_view name, Value& out) {
    if (of.is(Value::Kind::root)) return member(name, out);
    if (of.is(Value::Kind::node)) return touch() && value_of(document_->find(place(of), name), out);
    if (!of.is(Value::Kind::table)) return false;
    out = Value();
    for (const auto& [own, value] : tables_[of.index].members) {
      if (own == name) out = value;
    }
    return true;
  }
  bool indexed(const Value& of, const Value& by, Value& out) {
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
  bool length(const Value& of, std::size_t& size) {
    if (of.is(Value::Kind::text)) {
      size = of.size;
      return true;
    }
    if (of.is(Value::Kind::table)) {
      size = tables_[of.index].items.size();
      return true;
    }
    if (!of.is(Value::Kind::node) || !touch()) return false;
    const Node node = place(of);
    size = document_->size(node);
    return document_->kind(node) == message::Kind::array || size == 0;
  }

  // --- expressions: false where it is unclear ------------------------------------------------------------------------

  bool truth(const Expression& one, bool& holds) {
    Value value;
    if (!eval(one, value)) return false;
    holds = value.holds();
    return true;
  }
  bool eval(const Expression& one, Value& out) {
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
      case Kind::object: {
        Table* made = new_table(out);
        const auto index = out.index;
        if (!made || one.parts.size() > members_most) return false;
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

  bool join(const Expression& one, Value& out) {
    constexpr std::size_t most = 16;
    std::array<Value, most> pieces;
    if (one.parts.size() > most) return false;
    std::size_t size = 0;
    for (std::size_t i = 0; i < one.parts.size(); ++i) {
      Value& piece = pieces[i];
      if (!eval(*one.parts[i], piece)) return false;
      if (piece.is_number()) {
        // As Lua spells it.
        std::array<char, 40> text;
        if (piece.is(Value::Kind::integer)) {
          const char* const end = std::to_chars(text.data(), text.data() + text.size(), piece.integer).ptr;
          if (!keep({text.data(), static_cast<std::size_t>(end - text.data())}, piece)) return false;
        } else {
          if (!std::isfinite(piece.number)) return false;
          auto written = static_cast<std::size_t>(std::snprintf(text.data(), text.size(), "%.14g", piece.number));
          if (std::string_view(text.data(), written).find_first_not_of("-0123456789") == std::string_view::npos) {
            text[written++] = '.';
            text[written++] = '0';
          }
          if (!keep({text.data(), written}, piece)) return false;
        }
      }
      if (!piece.is(Value::Kind::text)) return false;
      size += piece.size;
    }
    char* const begin = room(size);
    if (!begin) return false;
    char* to = begin;
    for (std::size_t i = 0; i < one.parts.size(); ++i) {
      std::memcpy(to, pieces[i].data, pieces[i].size);
      to += pieces[i].size;
    }
    return read_text({begin, size}, out);
  }

  bool format(const Expression& one, Value& out) {
    std::string text;  // Its own: what it formats may be formatted too.
    for (std::size_t i = 0; i < one.conversions.size(); ++i) {
      const auto& conversion = one.conversions[i];
      text += conversion.before;
      if (conversion.spec.empty()) break;
      Value value;
      if (!eval(*one.parts[i + 1], value)) return false;
      if (conversion.letter == 's') {
        if (!to_text(value, value)) return false;
        text += value.text();
        continue;
      }
      if (!value.is_number()) return false;
      std::array<char, 512> written;  // A double has 309 digits at the most, and 99 behind the point.
      int size = 0;
      if (conversion.letter == 'd') {
        if (!value.is(Value::Kind::integer)) return false;
        size = std::snprintf(written.data(), written.size(), conversion.spec.c_str(),
                             static_cast<long long>(value.integer));
      } else {
        size = std::snprintf(written.data(), written.size(), conversion.spec.c_str(), number_of(value));
      }
      text.append(written.data(), static_cast<std::size_t>(size));
    }
    return keep(text, out);
  }

  bool to_text(const Value& value, Value& out) {
    if (value.is(Value::Kind::text)) {
      out = value;
      return true;
    }
    scratch_.clear();
    switch (value.kind) {
      case Value::Kind::nil:
        return read_text("nil", out);
      case Value::Kind::null:
        return read_text("null", out);
      case Value::Kind::boolean:
        return read_text(value.boolean ? "true" : "false", out);
      case Value::Kind::integer:
        message::append_integer(scratch_, value.integer);
        break;
      case Value::Kind::number:
        if (!message::append_float(scratch_, value.number)) return false;
        break;
      default:
        return false;
    }
    return keep(scratch_, out);
  }

  /// The groups of what is found, or what is found where the pattern has none; nil where nothing is.
  bool match(const Expression& one, Value* out, std::uint32_t wanted) {
    Value text;
    if (!eval(*one.parts[1], text) || !text.is(Value::Kind::text)) return false;
    std::fill(out, out + wanted, Value());
    std::array<re2::StringPiece, native::groups_most + 1> found;
    work_ += text.size / 16;
    if (!pattern(one).Match({text.data, text.size}, 0, text.size, RE2::UNANCHORED, found.data(),
                            static_cast<int>(one.slot) + 1))
      return true;
    for (std::uint32_t i = 0; i < wanted && i < std::max(one.slot, 1u); ++i) {
      const auto& group = found[one.slot == 0 ? 0 : i + 1];
      if (group.data() && !read_text({group.data(), group.size()}, out[i])) return false;
    }
    return true;
  }
  const re2::RE2& pattern(const Expression& one) {
    const auto text = one.parts.front()->constant.text();
    bool was_cached = false;
    const auto& compiled = state_.patterns().compiled(text, was_cached);
    if (!was_cached) work_ += 500 + text.size() * 10;
    return compiled;
  }
  bool replace(const Expression& one, Value& out) {
    Value text, by;
    if (!eval(*one.parts[1], text) || !eval(*one.parts[2], by)) return false;
    if (!both_are(text, by, Value::Kind::text)) return false;
    work_ += text.size / 16 + by.size * text.size / 128;
    const re2::StringPiece rewrite(by.data, by.size);
    const auto& compiled = pattern(one);
    if (work_ > budget_ || !compiled.CheckRewriteString(rewrite, &scratch_)) return false;
    scratch_ = text.text();
    RE2::GlobalReplace(&scratch_, compiled, rewrite);
    return keep(scratch_, out);
  }
  bool split(std::string_view text, std::string_view by, Value& out) {
    Table* const made = by.empty() ? nullptr : new_table(out);
    if (!made) return false;
    work_ += text.size() / 16;
    while (made->items.size() < items_most) {
      const auto* const at = static_cast<const char*>(memmem(text.data(), text.size(), by.data(), by.size()));
      const auto size = at ? static_cast<std::size_t>(at - text.data()) : text.size();
      made->items.push_back(Value::of(text.substr(0, size)));
      if (!at) return true;
      text.remove_prefix(size + by.size());
    }
    return false;
  }
  bool concat(const Value& list, std::string_view between, Value& out) {
    if (!list.is(Value::Kind::table)) return false;
    scratch_.clear();
    for (const auto& item : tables_[list.index].items) {
      if (!item.is(Value::Kind::text) || scratch_.size() > arena_bytes) return false;
      if (&item != tables_[list.index].items.data()) scratch_ += between;
      scratch_ += item.text();
    }
    work_ += scratch_.size() / 16;
    return keep(scratch_, out);
  }
  /// A time as RFC 3339 or as whole seconds.
  static std::optional<runtime::WallTime> time_of(const Value& value) {
    if (value.is(Value::Kind::text)) return parse_rfc3339(value.text());
    if (!value.is(Value::Kind::integer) || !held(static_cast<double>(value.integer))) return std::nullopt;
    return runtime::WallTime(std::chrono::seconds(value.integer));
  }

  bool call(const Expression& one, Value& out) {
    switch (one.function) {
      case Function::format:
        return format(one, out);
      case Function::match:
        return match(one, &out, 1);
      case Function::replace:
        return replace(one, out);
      case Function::now:
        return keep(rfc3339(state_.host().now()), out);
      case Function::uuid: {
        const auto text = make_uuid(state_.host());
        return keep({text.data(), text.size()}, out);
      }
      default:
        break;
    }
    Value first;
    if (!eval(*one.parts.front(), first)) return false;
    const bool is_text = first.is(Value::Kind::text);
    switch (one.function) {
      case Function::upper:
      case Function::lower: {
        char* const to = is_text ? room(first.size) : nullptr;
        if (!to) return false;
        const bool up = one.function == Function::upper;
        std::transform(first.data, first.data + first.size, to, [up](char letter) {
          const bool changes = up ? letter >= 'a' && letter <= 'z' : letter >= 'A' && letter <= 'Z';
          return changes ? static_cast<char>(letter ^ 0x20) : letter;
        });
        return read_text({to, first.size}, out);
      }
      case Function::len:
        out = Value::of(static_cast<std::int64_t>(first.size));
        return is_text;
      case Function::sub: {
        Value from, to = Value::of(std::int64_t{-1});
        if (!is_text || !eval(*one.parts[1], from) || !from.is(Value::Kind::integer)) return false;
        if (one.parts.size() > 2 && (!eval(*one.parts[2], to) || !to.is(Value::Kind::integer))) return false;
        const auto size = static_cast<std::int64_t>(first.size);
        std::int64_t begin = from.integer, end = to.integer;
        if (begin <= 0) begin = begin == 0 || begin < -size ? 1 : size + begin + 1;
        if (end > size)
          end = size;
        else if (end < 0)
          end = end < -size ? 0 : size + end + 1;
        const bool some = begin <= end;
        return read_text(
            some ? first.text().substr(static_cast<std::size_t>(begin - 1), static_cast<std::size_t>(end - begin + 1))
                 : "",
            out);
      }
      case Function::floor:
      case Function::ceil:
        if (!first.is_number()) return false;
        out = first.is(Value::Kind::integer)    ? first
              : one.function == Function::floor ? rounded(std::floor(first.number))
                                                : rounded(std::ceil(first.number));
        return true;
      case Function::abs:
        if (!first.is_number()) return false;
        out = first.is(Value::Kind::number) ? Value::of(std::fabs(first.number))
              : first.integer < 0 ? Value::of(static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(first.integer)))
                                  : first;
        return true;
      case Function::max:
      case Function::min: {
        if (!first.is_number()) return false;
        for (std::size_t i = 1; i < one.parts.size(); ++i) {
          Value other;
          bool is = false;
          if (!eval(*one.parts[i], other)) return false;
          if (!(one.function == Function::max ? below(first, other, false, is) : below(other, first, false, is)))
            return false;
          if (!other.is_number()) return false;
          if (is) first = other;
        }
        out = first;
        return true;
      }
      case Function::to_int:
        if (is_text) return plain_integer(trimmed(first.text()), out);
        out = first.is(Value::Kind::integer) ? first : Value();
        if (!first.is(Value::Kind::number)) return true;
        if (const Value whole = rounded(std::trunc(first.number)); whole.is(Value::Kind::integer)) out = whole;
        return true;
      case Function::num:
        if (is_text) return plain_integer(trimmed(first.text()), out);
        out = first.is_number() ? first : Value();
        return true;
      case Function::to_number:
        if (is_text) return plain_integer(first.text(), out);
        out = first.is_number() ? first : Value();
        return true;
      case Function::to_text:
        return to_text(first, out);
      case Function::trim:
        return is_text && read_text(trimmed(first.text()), out);
      case Function::starts:
      case Function::contains: {
        Value with;
        if (!is_text || !eval(*one.parts[1], with) || !with.is(Value::Kind::text)) return false;
        work_ += (first.size + with.size) / 16;
        out = Value::of(one.function == Function::starts
                            ? first.text().starts_with(with.text())
                            : with.size == 0 || memmem(first.data, first.size, with.data, with.size) != nullptr);
        return true;
      }
      case Function::type: {
        constexpr std::array words = {"nil",  "boolean", "number", "number", "string",
                                      "null", "table",   "table",  "table"};
        out = Value::of(std::string_view(words[static_cast<std::size_t>(first.kind)]));
        return true;
      }
      case Function::split: {
        Value by;
        if (!is_text || !eval(*one.parts[1], by) || !by.is(Value::Kind::text)) return false;
        return split(first.text(), by.text(), out);
      }
      case Function::concat: {
        Value between = Value::of(std::string_view());
        if (one.parts.size() > 1 && (!eval(*one.parts[1], between) || !between.is(Value::Kind::text))) return false;
        return concat(first, between.text(), out);
      }
      case Function::time_unix: {
        const auto time = time_of(first);
        if (!time) return false;
        const auto seconds = std::chrono::floor<std::chrono::seconds>(*time);
        out = Value::of(std::int64_t{seconds.time_since_epoch().count()});
        return seconds == *time;
      }
      case Function::time_format: {
        Value format;
        if (!eval(*one.parts[1], format) || !format.is(Value::Kind::text)) return false;
        const auto time = time_of(first);
        const auto text = time ? script::format_time(*time, format.text(), scratch_) : std::nullopt;
        return text && keep(*text, out);
      }
      case Function::format:
      case Function::match:
      case Function::replace:
      case Function::now:
      case Function::uuid:
        break;
    }
    return false;
  }

  // --- writing -------------------------------------------------------------------------------------------------------

  /// Appends what it gives as JSON, and says whether it was nil: then nothing.
  bool write(const Expression& one, std::string& out, std::size_t depth, bool& nil) {
    nil = false;
    if (one.kind == Kind::object) {
      const std::size_t begin = out.size();
      for (std::size_t i = 0; i < one.parts.size(); ++i) {
        const std::size_t before = out.size();
        out += before == begin ? '{' : ',';
        out += one.keys[i];
        if (!write(*one.parts[i], out, depth + 1, nil)) return false;
        if (nil) out.resize(before);
      }
      out += out.size() == begin ? "{}" : "}";
      nil = false;
      return true;
    }
    if (one.kind == Kind::member && !document_) {
      // Often as it stands there.
      if (const auto seen = look_->member(one.name)) {
        const auto json = seen.json();
        const char first = json.front();
        if (first == '"'                   ? json.size() <= arena_bytes && !std::memchr(json.data(), '\\', json.size())
            : first >= '1' && first <= '9' ? is_plain_integer(json)
                                           : first == 't' || first == 'f' || first == 'n') {
          out += json;
          return true;
        }
        if (first == '{' || first == '[') {
          deep_ |= depth > 1;
          out += json;
          return true;
        }
      }
    }
    Value value;
    if (!eval(one, value)) return false;
    nil = value.is(Value::Kind::nil);
    return nil || write(value, out, depth);
  }
  bool write(const Value& value, std::string& out, std::size_t depth) {
    switch (value.kind) {
      case Value::Kind::nil:
        return false;
      case Value::Kind::boolean:
        out += value.boolean ? "true" : "false";
        return true;
      case Value::Kind::integer:
        message::append_integer(out, value.integer);
        return true;
      case Value::Kind::number:
        return message::append_float(out, value.number);
      case Value::Kind::text:
        message::append_quoted(out, value.text());
        return out.size() <= memory_bytes_;
      case Value::Kind::null:
        out += "null";
        return true;
      case Value::Kind::root:
      case Value::Kind::node:
        deep_ |= depth > (value.is(Value::Kind::node) ? 1 : 0);
        if (!touch()) return false;
        out += document_->raw(place(value));
        return out.size() <= memory_bytes_;
      case Value::Kind::table:
        return depth < depth_most && write(tables_[value.index], out, depth + 1);
    }
    return false;
  }
  bool write(Table& table, std::string& out, std::size_t depth) {
    if (out.size() > memory_bytes_) return false;
    if (!table.items.empty()) {
      for (std::size_t i = 0; i < table.items.size(); ++i) {
        out += i == 0 ? '[' : ',';
        if (!write(table.items[i], out, depth)) return false;
      }
      out += ']';
      return true;
    }
    auto& members = table.members;
    const auto by_name = [](const auto& left, const auto& right) { return left.first < right.first; };
    if (!std::is_sorted(members.begin(), members.end(), by_name)) std::sort(members.begin(), members.end(), by_name);
    for (std::size_t i = 0; i < members.size(); ++i) {
      out += i == 0 ? '{' : ',';
      message::append_key(out, members[i].first);
      if (!write(members[i].second, out, depth)) return false;
    }
    out += members.empty() ? "{}" : "}";
    return true;
  }

  Outcome give(std::string& out) {
    const Expression& one = *given_;
    out.clear();
    bool nil = false;
    if (one.kind != Kind::object) {
      Value value;
      if (!eval(one, value)) return Outcome::unclear;
      if (value.is(Value::Kind::nil) || value.is(Value::Kind::root)) return Outcome::kept;
      if (value.is(Value::Kind::text)) {
        out = value.text();
        return Outcome::text;
      }
      if (!write(value, out, 0)) return Outcome::unclear;
    } else if (!write(one, out, 0, nil)) {
      return Outcome::unclear;
    }
    // What is nested too deeply is refused elsewhere. A short text can't be, as each container takes two bytes.
    return deep_ && out.size() > 2 * message::json_depth ? Outcome::unclear : Outcome::replaced;
  }

  // --- statements ----------------------------------------------------------------------------------------------------

  Flow walk(const Statement::Body& body) {
    for (const auto& one : body) {
      if (const Flow flow = step(one); flow != Flow::on) return flow;
    }
    return Flow::on;
  }

  static Flow on_if(bool clear) { return clear ? Flow::on : Flow::unclear; }

  Flow step(const Statement& one) {
    switch (one.kind) {
      case Statement::Kind::locals: {
        // All are known before the first is set, as they may have names of others.
        if (one.conditions.size() == 1) {
          Value value;
          if (!eval(*one.conditions.front(), value)) return Flow::unclear;
          slots_[one.slot] = value;
          return Flow::on;
        }
        for (std::size_t i = 0; i < one.conditions.size(); ++i) {
          if (!eval(*one.conditions[i], slots_[one.slot + i])) return Flow::unclear;
        }
        return Flow::on;
      }
      case Statement::Kind::captures:
        return on_if(match(*one.value, &slots_[one.slot], one.slots));
      case Statement::Kind::assign: {
        Value value;
        if (!eval(*one.value, value)) return Flow::unclear;
        slots_[one.slot] = value;
        return Flow::on;
      }
      case Statement::Kind::store:
        return on_if(store(one));
      case Statement::Kind::choose:
        for (std::size_t i = 0; i < one.conditions.size(); ++i) {
          bool holds = false;
          if (!truth(*one.conditions[i], holds)) return Flow::unclear;
          if (holds) return walk(one.branches[i]);
        }
        return one.branches.size() > one.conditions.size() ? walk(one.branches.back()) : Flow::on;
      case Statement::Kind::each:
        return each(one);
      case Statement::Kind::count:
        return count(one);
      case Statement::Kind::insert: {
        Value list, value;
        if (!eval(*one.left, list) || !eval(*one.value, value)) return Flow::unclear;
        return on_if(list.is(Value::Kind::table) && append(tables_[list.index], value));
      }
      case Statement::Kind::emit:
        return on_if(emit(one));
      case Statement::Kind::drop:
        return Flow::dropped;
      case Statement::Kind::leave:
        return Flow::left;
      case Statement::Kind::give:
        given_ = one.value;
        return Flow::gave;
      case Statement::Kind::block:
        return walk(one.branches.front());
      case Statement::Kind::refuse:
        return Flow::unclear;
    }
    return Flow::unclear;
  }

  /// One round of a loop more. False when Lua's budget might not last.
  bool round() { return (work_ += code_.weight) <= budget_; }

  Flow each(const Statement& one) {
    Value of;
    if (!eval(*one.value, of)) return Flow::unclear;
    const auto& body = one.branches.front();
    if (of.is(Value::Kind::table)) {
      if (!one.positions && !tables_[of.index].members.empty()) return Flow::unclear;  // In which order?
      for (std::size_t i = 0; i < tables_[of.index].items.size(); ++i) {
        slots_[one.slot] = Value::of(static_cast<std::int64_t>(i + 1));
        slots_[one.slot + 1] = tables_[of.index].items[i];
        if (!round()) return Flow::unclear;
        if (const Flow flow = walk(body); flow != Flow::on) return flow == Flow::left ? Flow::on : flow;
      }
      return Flow::on;
    }
    if (!of.is(Value::Kind::node) && !of.is(Value::Kind::root)) return Flow::unclear;
    if (!touch()) return Flow::unclear;
    const auto kind = document_->kind(place(of));
    if (one.positions && kind != message::Kind::array && document_->size(place(of)) > 0) return Flow::unclear;
    std::int64_t position = 0;
    for (Node here = document_->first(place(of)); here;) {
      if (document_->kind(place(of)) != kind) return Flow::unclear;
      const Node next = document_->next(here);
      if (kind == message::Kind::array) {
        slots_[one.slot] = Value::of(++position);
      } else {
        const auto key = document_->key(here, scratch_);
        if (!(key.data() == scratch_.data() ? keep(key, slots_[one.slot]) : read_text(key, slots_[one.slot])))
          return Flow::unclear;
      }
      if (!value_of(here, slots_[one.slot + 1]) || !round()) return Flow::unclear;
      if (const Flow flow = walk(body); flow != Flow::on) return flow == Flow::left ? Flow::on : flow;
      here = next;
    }
    return Flow::on;
  }

  Flow count(const Statement& one) {
    std::array<std::int64_t, 3> bounds;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      Value value;
      if (!eval(*one.conditions[i], value) || !value.is(Value::Kind::integer)) return Flow::unclear;
      bounds[i] = value.integer;
    }
    const auto [from, to, by] = bounds;
    if (by == 0) return Flow::unclear;
    if (by > 0 ? from > to : from < to) return Flow::on;
    const auto apart = by > 0 ? static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from)
                              : static_cast<std::uint64_t>(from) - static_cast<std::uint64_t>(to);
    const auto rounds = apart / (by > 0 ? static_cast<std::uint64_t>(by) : 0 - static_cast<std::uint64_t>(by));
    std::int64_t at = from;
    for (std::uint64_t i = 0;; ++i) {
      slots_[one.slot] = Value::of(at);
      if (!round()) return Flow::unclear;
      if (const Flow flow = walk(one.branches.front()); flow != Flow::on) return flow == Flow::left ? Flow::on : flow;
      if (i == rounds) return Flow::on;
      at += by;
    }
  }

  static bool append(Table& table, const Value& value) {
    if (value.is(Value::Kind::nil) || !table.members.empty() || table.items.size() >= items_most) return false;
    table.items.push_back(value);
    return true;
  }

  /// For what is written into the message. False when it might be more than Lua may.
  bool pay(std::size_t bytes) {
    edited_bytes_ += bytes;
    return edited_bytes_ <= memory_bytes_;
  }
  bool store(const Statement& one) {
    Value of, by = Value::of(std::string_view(one.name)), value;
    if (!eval(*one.left, of) || (one.right && !eval(*one.right, by)) || !eval(*one.value, value)) return false;
    if (of.is(Value::Kind::table)) return store(tables_[of.index], by, value);
    if (!by.is(Value::Kind::text) || (!of.is(Value::Kind::root) && !of.is(Value::Kind::node)) || !touch()) return false;
    const Node node = place(of);
    if (document_->kind(node) != message::Kind::object) return false;
    if (!edited_) edits_before_ = message_->batch().edits(message_->row());
    edited_ = true;
    switch (value.kind) {
      case Value::Kind::nil:
        document_->remove(node, by.text());
        return true;
      case Value::Kind::boolean:
        return bool(document_->set(node, by.text(), message::Value::boolean(value.boolean)));
      case Value::Kind::integer:
        return bool(document_->set(node, by.text(), message::Value::integer(value.integer)));
      case Value::Kind::number:
        return std::isfinite(value.number) &&
               bool(document_->set(node, by.text(), message::Value::number(value.number)));
      case Value::Kind::text:
        return pay(value.size) && document_->set(node, by.text(), message::Value::string(value.text()));
      default:
        json_.clear();
        return write(value, json_, 0) && pay(json_.size()) &&
               bool(document_->set(node, by.text(), message::Value::json(json_)));
    }
  }
  static bool store(Table& table, const Value& by, const Value& value) {
    if (by.is(Value::Kind::integer)) {
      if (by.integer < 1 || static_cast<std::uint64_t>(by.integer) > table.items.size() + 1) return false;
      if (static_cast<std::size_t>(by.integer) == table.items.size() + 1) return append(table, value);
      if (value.is(Value::Kind::nil)) return false;
      table.items[static_cast<std::size_t>(by.integer - 1)] = value;
      return true;
    }
    if (!by.is(Value::Kind::text) || !table.items.empty()) return false;
    auto& members = table.members;
    const auto found =
        std::find_if(members.begin(), members.end(), [&](const auto& one) { return one.first == by.text(); });
    if (value.is(Value::Kind::nil)) {
      if (found != members.end()) members.erase(found);
    } else if (found != members.end()) {
      found->second = value;
    } else {
      if (members.size() == members_most) return false;
      members.emplace_back(by.text(), value);
    }
    return true;
  }

  bool emit(const Statement& one) {
    const Expression& what = *one.value;
    json_.clear();
    bool nil = false;
    if (what.kind == Kind::object) {
      if (!write(what, json_, 0, nil)) return false;
    } else {
      Value value;
      if (!eval(what, value)) return false;
      if (value.is(Value::Kind::text))
        json_ = value.text();
      else if (!write(value, json_, 0))
        return false;
    }
    emitted_bytes_ += json_.size() + sizeof(Emitted);
    work_ += json_.size() / 16;
    if (emitted_bytes_ > memory_bytes_ || work_ > budget_) return false;
    Emitted& made = emitted_->emplace_back();
    made.port = one.port;
    made.payload = json_;
    return true;
  }

  State& state_;
  const Code code_;
  const std::size_t budget_, memory_bytes_;

  // Of the run that is under way.
  const message::Message* message_ = nullptr;
  std::vector<Emitted>* emitted_ = nullptr;
  Document* document_ = nullptr;  // Once it is needed.
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

Native::Native(std::unique_ptr<Content> content) : content_(std::move(content)) {}
Native::Native(Native&&) noexcept = default;
Native& Native::operator=(Native&&) noexcept = default;
Native::~Native() = default;

std::optional<Native> Native::of(Engine& engine, const config::Lua& code, const std::vector<std::string>& ports) {
  State& state = engine.state();
  auto read = native::read(code.code, ports, state.vars());
  if (!read || read->weight > static_cast<std::size_t>(state.limits().instructions)) return std::nullopt;
  return Native(std::make_unique<Content>(state, std::move(*read)));
}

Native::Outcome Native::run(const message::Message& message, std::string& out, std::vector<Emitted>& emitted) const {
  return content_->run(message, out, emitted);
}

}  // namespace weir::script
