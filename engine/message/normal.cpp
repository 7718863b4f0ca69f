#include "engine/message/normal.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "engine/message/json.hpp"

namespace weir::message {
namespace {

constexpr std::size_t written_out_most = 40;
constexpr std::string_view number_characters = "0123456789+-.eE";

bool digit(char c) { return c >= '0' && c <= '9'; }

bool less(std::int64_t left, double right) noexcept {
  if (right >= 0x1p63) return true;
  return right >= -0x1p63 && left < static_cast<std::int64_t>(std::ceil(right));
}
bool less(double left, std::int64_t right) noexcept {
  if (left < -0x1p63) return true;
  return left < 0x1p63 && static_cast<std::int64_t>(std::floor(left)) < right;
}
bool less(std::int64_t left, std::int64_t right) noexcept { return left < right; }
bool less(double left, double right) noexcept { return left < right; }

/// Whether a number is its own normal form, as most are: `17`, `-2.5`. False is no answer: it may be one all the same.
bool is_plain(std::string_view text) {
  const std::size_t first = text.starts_with('-') ? 1 : 0;
  if (first == text.size()) return false;
  if (text[first] == '0') return text == "0";
  std::size_t at = first;
  while (at < text.size() && digit(text[at])) ++at;
  if (at == first) return false;
  if (at == text.size()) return at <= written_out_most;
  if (text[at] != '.' || text.ends_with('.') || text.ends_with('0')) return false;
  return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at) + 1, text.end(), digit);
}

/// A number: these digits as an integer, times ten to the power of the exponent. Neither the first nor the last digit
/// is 0; of zero there is none.
struct Decimal {
  bool negative = false;
  std::string digits;
  std::int64_t exponent = 0;
};

/// False: the text is no number, or has an exponent that is beyond counting.
bool read_decimal(std::string_view text, Decimal& decimal) {
  decimal.negative = text.starts_with('-');
  if (decimal.negative) text.remove_prefix(1);
  bool behind_point = false;
  std::size_t at = 0;
  for (; at < text.size() && (digit(text[at]) || text[at] == '.'); ++at) {
    if (text[at] == '.') {
      behind_point = true;
      continue;
    }
    if (behind_point) --decimal.exponent;
    if (text[at] != '0' || !decimal.digits.empty()) decimal.digits += text[at];
  }
  if (at == 0) return false;
  std::int64_t exponent = 0;
  if (at < text.size()) {
    if ((text[at] | 0x20) != 'e') return false;
    text.remove_prefix(at + 1);
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto read = std::from_chars(text.data(), text.data() + text.size(), exponent);
    if (read.ptr != text.data() + text.size()) return false;
    constexpr std::int64_t most = 1'000'000'000'000'000;
    const bool counts = read.ec == std::errc() && exponent > -most && exponent < most;
    if (!counts && !decimal.digits.empty()) return false;
  }
  decimal.exponent += exponent;
  while (decimal.digits.ends_with('0')) {
    decimal.digits.pop_back();
    ++decimal.exponent;
  }
  return true;
}

void append_decimal(std::string& out, const Decimal& decimal) {
  const std::string& digits = decimal.digits;
  const auto count = static_cast<std::int64_t>(digits.size());
  const std::int64_t before_point = count + decimal.exponent;
  if (count == 0) {
    out += '0';
    return;
  }
  if (decimal.negative) out += '-';
  if (decimal.exponent >= 0 && before_point <= static_cast<std::int64_t>(written_out_most)) {
    out.append(digits).append(static_cast<std::size_t>(decimal.exponent), '0');
  } else if (decimal.exponent < 0 && before_point > 0) {
    const auto whole = static_cast<std::size_t>(before_point);
    out.append(digits, 0, whole).append(1, '.').append(digits, whole);
  } else if (decimal.exponent < 0 && before_point > -6) {
    out.append("0.").append(static_cast<std::size_t>(-before_point), '0').append(digits);
  } else {
    out += digits[0];
    if (count > 1) out.append(1, '.').append(digits, 1);
    out += 'e';
    append_integer(out, before_point - 1);
  }
}

/// The place behind the string whose opening quote is at `from`.
std::size_t end_of_string(std::string_view json, std::size_t from) {
  std::size_t at = from + 1;
  while (at < json.size() && json[at] != '"') at += json[at] == '\\' ? 2 : 1;
  return std::min(at + 1, json.size());
}

void append_normal_string(std::string& out, std::string_view quoted) {
  std::string text;
  if (quoted.find('\\') != quoted.npos && unquote(quoted, text)) {
    append_quoted(out, text);
  } else {
    out += quoted;
  }
}

// Apart from what most values take: its locals would make that slower.
[[gnu::noinline]] void append_number_read(std::string& out, std::string_view text) {
  Decimal decimal;
  if (read_decimal(text, decimal)) {
    append_decimal(out, decimal);
  } else {
    out += text;
  }
}

[[gnu::noinline]] void append_piece_by_piece(std::string& out, std::string_view json) {
  for (std::size_t at = 0; at < json.size();) {
    const char c = json[at];
    std::size_t end = at + 1;
    if (c == '"') {
      end = end_of_string(json, at);
      append_normal_string(out, json.substr(at, end - at));
    } else if (c == '-' || digit(c)) {
      end = std::min(json.find_first_not_of(number_characters, at), json.size());
      append_normal_number(out, json.substr(at, end - at));
    } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
      out += c;
    }
    at = end;
  }
}

}  // namespace

bool less(const Number& left, const Number& right) noexcept {
  return std::visit([](auto one, auto other) { return less(one, other); }, left, right);
}

void append_normal_number(std::string& out, std::string_view text) {
  if (is_plain(text)) {
    out += text;
  } else {
    append_number_read(out, text);
  }
}

void append_normal(std::string& out, std::string_view json) {
  if (json.starts_with('"') ? json.find('\\') == json.npos : is_plain(json)) {  // As most are.
    out += json;
  } else {
    append_piece_by_piece(out, json);
  }
}

}  // namespace weir::message
