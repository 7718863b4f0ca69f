#include "engine/config/part.hpp"

#include <algorithm>

namespace weir::config {
namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

int characters(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

}  // namespace

Place part_of(const Place& whole, std::string_view value, std::size_t at, std::size_t length) {
  if (!whole.source || whole.line <= 0) return whole;
  const std::string_view line = whole.source->line(whole.line);
  std::size_t begin = 0;
  for (int left = whole.column - 1; begin < line.size() && (left > 0 || continues(line[begin])); ++begin) {
    if (!continues(line[begin])) --left;
  }
  const auto found = value.empty() ? line.npos : line.find(value, begin);
  if (found == line.npos) return whole;
  Place part = whole;
  part.column = 1 + characters(line.substr(0, found + at));
  part.length = std::max(1, characters(value.substr(std::min(at, value.size()), length)));
  return part;
}

}  // namespace weir::config
