#include "engine/io/logfmt.hpp"

#include <algorithm>

namespace weir::io {
namespace {

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool plain(char c) { return static_cast<unsigned char>(c) > 0x20 && c != '=' && c != '"' && c != 0x7f; }

}  // namespace

std::optional<LogfmtError> read_logfmt(std::string_view line, std::vector<LogfmtPair>& pairs, std::string& scratch) {
  pairs.clear();
  scratch.clear();
  scratch.reserve(line.size());  // Views into it must stay.
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
    bool closed = false;
    for (; at < line.size() && !closed; ++at) {
      if (line[at] == '"') {
        closed = true;
      } else if (line[at] == '\\' && at + 1 < line.size()) {
        const char next = line[++at];
        if (next != '"' && next != '\\' && next != 'n' && next != 'r' && next != 't') scratch += '\\';
        scratch += next == 'n' ? '\n' : next == 'r' ? '\r' : next == 't' ? '\t' : next;
      } else {
        scratch += line[at];
      }
    }
    if (!closed) return LogfmtError{"a quote that is not closed", opening};
    if (at < line.size() && !blank(line[at])) return LogfmtError{"a blank is missing behind a closing quote", at};
    pair.value = std::string_view(scratch).substr(copied);
  }
}

bool is_logfmt_key(std::string_view key) { return !key.empty() && std::all_of(key.begin(), key.end(), plain); }

void append_logfmt(std::string& out, std::string_view value) {
  if (is_logfmt_key(value)) {
    out += value;
    return;
  }
  out += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n' || c == '\r' || c == '\t') {
      out += '\\';
      out += c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace weir::io
