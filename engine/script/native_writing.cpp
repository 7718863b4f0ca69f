// What code gives, as JSON.
#include <algorithm>
#include <cstring>

#include "engine/message/json.hpp"
#include "engine/script/native_run.hpp"

namespace weir::script::native {
namespace {

using Kind = Expression::Kind;

/// Whether it is written as weir writes it: some digits.
bool is_plain_integer(std::string_view text) {
  return text.size() <= 18 && std::all_of(text.begin(), text.end(), [](char one) { return one >= '0' && one <= '9'; });
}

}  // namespace

bool Run::write(const Expression& one, std::string& out, std::size_t depth, bool& nil) {
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

bool Run::write(const Value& value, std::string& out, std::size_t depth) {
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

bool Run::write(Table& table, std::string& out, std::size_t depth) {
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

Run::Outcome Run::give(std::string& out) {
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

}  // namespace weir::script::native
