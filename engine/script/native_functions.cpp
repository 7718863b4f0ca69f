// The functions that code may call, and `..`.
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "engine/message/json.hpp"
#include "engine/script/native_run.hpp"
#include "engine/script/time_text.hpp"

namespace weir::script::native {
namespace {

/// The nearest integer that `number`, already rounded, is, or itself.
Value rounded(double number) {
  if (number >= -0x1p63 && number < 0x1p63) return Value::of(static_cast<std::int64_t>(number));
  return Value::of(number);
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

bool Run::join(const Expression& one, Value& out) {
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

bool Run::format(const Expression& one, Value& out) {
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
      size =
          std::snprintf(written.data(), written.size(), conversion.spec.c_str(), static_cast<long long>(value.integer));
    } else {
      size = std::snprintf(written.data(), written.size(), conversion.spec.c_str(), number_of(value));
    }
    text.append(written.data(), static_cast<std::size_t>(size));
  }
  return keep(text, out);
}

bool Run::to_text(const Value& value, Value& out) {
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

bool Run::match(const Expression& one, Value* out, std::uint32_t wanted) {
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

const re2::RE2& Run::pattern(const Expression& one) {
  const auto text = one.parts.front()->constant.text();
  bool was_cached = false;
  const auto& compiled = state_.patterns().compiled(text, was_cached);
  if (!was_cached) work_ += 500 + text.size() * 10;
  return compiled;
}

bool Run::replace(const Expression& one, Value& out) {
  Value text, by;
  if (!eval(*one.parts[1], text) || !eval(*one.parts[2], by)) return false;
  if (!text.is(Value::Kind::text) || !by.is(Value::Kind::text)) return false;
  work_ += text.size / 16 + by.size * text.size / 128;
  const re2::StringPiece rewrite(by.data, by.size);
  const auto& compiled = pattern(one);
  if (work_ > budget_ || !compiled.CheckRewriteString(rewrite, &scratch_)) return false;
  scratch_ = text.text();
  RE2::GlobalReplace(&scratch_, compiled, rewrite);
  return keep(scratch_, out);
}

bool Run::split(std::string_view text, std::string_view by, Value& out) {
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

bool Run::concat(const Value& list, std::string_view between, Value& out) {
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

std::optional<runtime::WallTime> Run::time_of(const Value& value) {
  if (value.is(Value::Kind::text)) return parse_rfc3339(value.text());
  if (!value.is(Value::Kind::integer) || !held(static_cast<double>(value.integer))) return std::nullopt;
  return runtime::WallTime(std::chrono::seconds(value.integer));
}

bool Run::call(const Expression& one, Value& out) {
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
      constexpr std::array words = {"nil", "boolean", "number", "number", "string", "null", "table", "table", "table"};
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

}  // namespace weir::script::native
