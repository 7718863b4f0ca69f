#include "engine/io/binary_text.hpp"

#include <array>
#include <cstdint>

namespace weir::io {
namespace {

constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr auto values = [] {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    table[static_cast<unsigned char>(digits[i])] = static_cast<std::int8_t>(i);
  }
  table['-'] = 62;
  table['_'] = 63;
  return table;
}();

}  // namespace

void append_base64(std::string& out, std::string_view bytes) {
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) out += digits[bits >> (count - 6) & 63];
  }
  if (count > 0) out += digits[bits << (6 - count) & 63];
  for (std::size_t whole = bytes.size(); whole % 3 != 0; ++whole) out += '=';
}

bool read_base64(std::string_view text, std::string& out) {
  if (text.find_first_of("\r\n") != text.npos) {  // As in mail, and as `base64` writes it: lines of 76 letters.
    std::string joined(text);
    std::erase_if(joined, [](char c) { return c == '\r' || c == '\n'; });
    return read_base64(joined, out);
  }
  const std::size_t before = out.size();
  const std::size_t written = text.size();
  while (text.ends_with('=')) text.remove_suffix(1);
  const std::size_t padding = written - text.size();
  bool good = text.size() % 4 != 1 && (padding == 0 || (padding <= 2 && written % 4 == 0));
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const int value = values[static_cast<unsigned char>(c)];
    if (value < 0) good = false;
    bits = bits << 6 | (static_cast<std::uint32_t>(value) & 63);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 255);
  }
  good = good && (bits & ((1U << count) - 1)) == 0;
  if (!good) out.resize(before);
  return good;
}

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

void append_hex(std::string& out, std::string_view bytes) {
  constexpr std::string_view sixteen = "0123456789abcdef";
  for (const char c : bytes) {
    out += sixteen[static_cast<unsigned char>(c) >> 4];
    out += sixteen[static_cast<unsigned char>(c) & 15];
  }
}

void append_percent(std::string& out, char byte) {
  constexpr std::string_view sixteen = "0123456789ABCDEF";
  out += '%';
  out += sixteen[static_cast<unsigned char>(byte) >> 4];
  out += sixteen[static_cast<unsigned char>(byte) & 15];
}

bool read_hex(std::string_view text, std::string& out) {
  const std::size_t before = out.size();
  bool good = text.size() % 2 == 0;
  for (std::size_t i = 0; good && i < text.size(); i += 2) {
    const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
    good = high >= 0 && low >= 0;
    if (good) out += static_cast<char>(high * 16 + low);
  }
  if (!good) out.resize(before);
  return good;
}

}  // namespace weir::io
