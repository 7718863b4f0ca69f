#include "engine/io/logfmt.hpp"

#include <algorithm>
#include <unordered_set>

#include "engine/io/binary_text.hpp"
#include "engine/message/json.hpp"

namespace weir::io {
namespace {

constexpr std::size_t unicode_bytes = 6;  // Of `\uXXXX`.

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool plain(char c) { return static_cast<unsigned char>(c) > 0x20 && c != '=' && c != '"' && c != 0x7f; }

/// Whether the text begins with `\uXXXX`.
bool begins_with_code(std::string_view text) {
  return text.size() >= unicode_bytes && text.starts_with("\\u") &&
         std::all_of(text.begin() + 2, text.begin() + unicode_bytes, [](char c) { return hex_value(c) >= 0; });
}

/// Appends what the escape stands for that the text begins with. Its bytes: 0 where it is no escape, nothing where it
/// is half a surrogate pair.
std::optional<std::size_t> read_escape(std::string_view text, std::string& out) {
  constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
  const std::size_t letter = text.size() > 1 ? letters.find(text[1]) : letters.npos;
  if (letter != letters.npos) {
    out += meant[letter];
    return 2;
  }
  if (!begins_with_code(text)) return 0;
  std::string character;
  for (std::size_t bytes = unicode_bytes; bytes <= 2 * unicode_bytes; bytes += unicode_bytes) {
    if (!begins_with_code(text.substr(bytes - unicode_bytes))) break;
    if (!message::unquote('"' + std::string(text.substr(0, bytes)) + '"', character)) continue;  // One of a pair.
    out += character;
    return bytes;
  }
  return std::nullopt;
}

}  // namespace

std::optional<LogfmtError> read_logfmt(std::string_view line, std::vector<LogfmtPair>& pairs, std::string& scratch) {
  pairs.clear();
  scratch.clear();
  scratch.reserve(line.size());  // Views into it must stay.
  if (const auto wrong = message::find_not_utf8(line)) return LogfmtError{"bytes that are not UTF-8", *wrong};
  std::size_t at = 0;
  while (true) {
    while (at < line.size() && blank(line[at])) ++at;
    if (at == line.size()) return std::nullopt;
    const std::size_t begin = at;
    while (at < line.size() && !blank(line[at]) && line[at] != '=' && line[at] != '"') ++at;
    if (at == begin) {
      return LogfmtError{line[at] == '=' ? "a value without a key" : "a quote where a key should stand", at};
    }
    LogfmtPair& pair = pairs.emplace_back();
    pair.key = line.substr(begin, at - begin);
    if (at == line.size() || blank(line[at])) continue;
    if (line[at] == '"') return LogfmtError{"a quote inside a key", at};
    ++at;
    if (at == line.size() || line[at] != '"') {
      const std::size_t value = at;
      while (at < line.size() && !blank(line[at])) ++at;  // In a value that is not quoted `=` and quotes are plain.
      pair.value = line.substr(value, at - value);
      continue;
    }
    const std::size_t opening = at++;
    const std::size_t copied = scratch.size();
    for (std::size_t from = at;;) {  // Not yet in scratch.
      while (at < line.size() && line[at] != '"' && line[at] != '\\') ++at;
      scratch += line.substr(from, at - from);
      if (at == line.size()) return LogfmtError{"a quote that is not closed", opening};
      if (line[at] == '"') break;
      const auto escape = read_escape(line.substr(at), scratch);
      if (!escape) return LogfmtError{"half a surrogate pair", at};
      from = at + *escape;
      at += std::max<std::size_t>(*escape, 1);  // Alone it is a backslash.
    }
    ++at;
    if (at < line.size() && !blank(line[at])) return LogfmtError{"a blank is missing behind a closing quote", at};
    pair.value = std::string_view(scratch).substr(copied);
  }
}

void keep_last(std::vector<LogfmtPair>& pairs) {
  constexpr std::size_t few = 32;  // To compare each with each is quicker then.
  auto kept = pairs.rbegin();      // Behind them in this direction.
  std::unordered_set<std::string_view> keys;
  for (auto pair = pairs.rbegin(); pair != pairs.rend(); ++pair) {
    const auto same = [&](const LogfmtPair& other) { return other.key == pair->key; };
    if (pairs.size() <= few ? std::any_of(pairs.rbegin(), kept, same) : !keys.insert(pair->key).second) continue;
    if (kept != pair) *kept = *pair;
    ++kept;
  }
  pairs.erase(pairs.begin(), kept.base());
}

bool is_logfmt_key(std::string_view key) { return !key.empty() && std::all_of(key.begin(), key.end(), plain); }

void append_logfmt(std::string& out, std::string_view value) {
  if (is_logfmt_key(value)) {
    out += value;
    return;
  }
  message::append_quoted(out, value);
}

}  // namespace weir::io
