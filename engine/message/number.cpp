#include "engine/message/number.hpp"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace weir::message {

char* write_integer(char* out, std::int64_t value) noexcept {
  return std::to_chars(out, out + number_text_most, value).ptr;
}

char* write_float(char* out, double value) noexcept {
  if (!std::isfinite(value)) return nullptr;
  const double size = std::fabs(value);
  if (size >= 1e-3 && size < 1e9) {
    // Most computed figures have few decimals. If the quotient is the value, these digits read back as it; they are at
    // most 15, and no two decimals of so few digits read as one double, so no shorter ones do.
    const auto millionths = static_cast<std::uint64_t>(size * 1e6 + 0.5);
    if (static_cast<double>(millionths) / 1e6 == size) {
      if (value < 0) *out++ = '-';
      out = std::to_chars(out, out + number_text_most, millionths / 1'000'000).ptr;
      *out++ = '.';
      auto decimals = millionths % 1'000'000;
      do {
        *out++ = static_cast<char>('0' + decimals / 100'000);
        decimals = decimals % 100'000 * 10;
      } while (decimals != 0);
      return out;
    }
  }
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  char* end = plain ? std::to_chars(out, out + number_text_most, value, std::chars_format::fixed).ptr
                    : std::to_chars(out, out + number_text_most, value).ptr;
  for (const char* at = out; at != end; ++at) {
    if (*at == '.' || *at == 'e') return end;
  }
  *end++ = '.';
  *end++ = '0';
  return end;
}

void append_integer(std::string& out, std::int64_t value) {
  char text[number_text_most];
  out.append(text, write_integer(text, value));
}

bool append_float(std::string& out, double value) {
  char text[number_text_most];
  char* const end = write_float(text, value);
  if (!end) return false;
  out.append(text, end);
  return true;
}

bool append_number(std::string& out, const Number& number) {
  if (const auto* const floating = std::get_if<double>(&number)) return append_float(out, *floating);
  append_integer(out, std::get<std::int64_t>(number));
  return true;
}

namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

// For a text that std::from_chars found out of range: whether it is too small rather than too large. Its value is
// 0.d… × 10^(point + exponent), where `point` says how many digits stand between the first that is not 0 and the point.
bool too_small(const char* at, const char* end) {
  std::int64_t point = 0;
  bool seen = false, behind = false;
  for (; at != end && *at != 'e' && *at != 'E'; ++at) {
    if (*at == '.') behind = true;
    if (!digit(*at)) continue;
    if (*at != '0') seen = true;
    if (seen && !behind) ++point;
    if (!seen && behind) --point;
  }
  if (at == end) return point < 0;
  const bool negative = at + 1 != end && at[1] == '-';
  std::int64_t exponent = 0;
  for (++at; at != end; ++at) {
    if (digit(*at) && exponent < std::numeric_limits<std::int64_t>::max() / 16) exponent = exponent * 10 + (*at - '0');
  }
  return point + (negative ? -exponent : exponent) < 0;
}

}  // namespace

std::optional<Number> parse_number(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  const bool negative = at != end && *at == '-';
  if (negative) ++at;
  const char* const digits = at;
  std::uint64_t whole = 0;  // Exact up to 18 digits; beyond those from_chars decides.
  while (at != end && digit(*at)) whole = whole * 10 + static_cast<std::uint64_t>(*at++ - '0');
  const auto count = at - digits;
  if (count == 0 || (count > 1 && *digits == '0')) return std::nullopt;
  if (at == end) {
    if (count <= 18) {
      const auto value = static_cast<std::int64_t>(whole);
      return negative ? -value : value;
    }
    std::int64_t value;
    if (std::from_chars(text.data(), end, value).ec == std::errc()) return value;
  }
  if (at != end && *at == '.') {
    const char* const fraction = ++at;
    while (at != end && digit(*at)) whole = whole * 10 + static_cast<std::uint64_t>(*at++ - '0');
    if (at == fraction) return std::nullopt;
    // Most floats: both are exact as doubles, so the one division rounds as it should.
    if (at == end && count + (at - fraction) <= 15) {
      static constexpr double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
                                          1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};
      const double value = static_cast<double>(whole) / powers[at - fraction];
      return negative ? -value : value;
    }
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at != end && (*at == '+' || *at == '-')) ++at;
    const char* const exponent = at;
    while (at != end && digit(*at)) ++at;
    if (at == exponent) return std::nullopt;
  }
  if (at != end) return std::nullopt;
  double value;
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec == std::errc()) return value;
  if (too_small(text.data(), end)) return negative ? -0.0 : 0.0;
  return std::nullopt;
}

}  // namespace weir::message
