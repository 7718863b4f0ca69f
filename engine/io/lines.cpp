#include "engine/io/lines.hpp"

#include <algorithm>

namespace weir::io {

LineFramer::LineFramer(std::size_t line_bytes_most) : most_(line_bytes_most) {}

std::optional<Line> LineFramer::next_odd(bool ends, std::size_t size) {
  const std::string_view rest = bytes_.rest();
  if (rest.empty()) return std::nullopt;
  if (passing_over_) {
    bytes_.take_quietly(ends ? size + 1 : rest.size());
    looked_ = 0;
    if (!ends) return std::nullopt;
    passing_over_ = false;
    return next();
  }
  if (ends) return finish(size, true);
  looked_ = rest.size();
  // One more may be the "\r" of its end.
  if (rest.size() > most_ + 1 || (rest.size() == most_ + 1 && rest.back() != '\r')) {
    passing_over_ = true;
    return refuse(rest.size());
  }
  if (ended_) return finish(rest.size(), false);
  return std::nullopt;
}

/// The line whose bytes, `size` of them, are the first of the rest.
std::optional<Line> LineFramer::finish(std::size_t size, bool newline) {
  std::string_view bytes = bytes_.rest().substr(0, size);
  const std::size_t all = size + (newline ? 1 : 0);
  if (newline && bytes.ends_with('\r')) bytes.remove_suffix(1);
  if (bytes.size() > most_) return refuse(all);
  looked_ = 0;
  Line line;
  line.bytes = bytes;
  line.number = ++lines_;
  bytes_.take(all);
  return line;
}

/// The first bytes of the rest, `size` of them, are of a line that is too long.
Line LineFramer::refuse(std::size_t size) {
  // Never more than the shortest beginning that is too long: what is shown must not depend on how reads are cut.
  head_ = bytes_.rest().substr(0, std::min(head_bytes, most_));
  bytes_.take_quietly(size);
  looked_ = 0;
  Line line;
  line.bytes = head_;
  line.number = ++lines_;
  line.too_long = true;
  return line;
}

}  // namespace weir::io
