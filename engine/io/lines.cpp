#include "engine/io/lines.hpp"

#include <algorithm>
#include <cstring>

namespace weir::io {

LineFramer::LineFramer(std::size_t line_bytes_most) : most_(line_bytes_most) {}

std::optional<Line> LineFramer::next_odd(bool ends, std::size_t size) {
  if (ends) return finish(size, true);
  if (const std::string_view rest = bytes_.rest(); !rest.empty()) {
    looked_ = rest.size();
    // One more may be the "\r" of its end.
    if (discarded_ > 0 || rest.size() > most_ + 1 || (rest.size() == most_ + 1 && rest.back() != '\r')) discard();
  }
  if (ended_ && (!bytes_.rest().empty() || discarded_ > 0)) return finish(bytes_.rest().size(), false);
  return std::nullopt;
}

/// The line whose last bytes, `size` of them, are the first of the rest.
std::optional<Line> LineFramer::finish(std::size_t size, bool newline) {
  const std::string_view bytes = bytes_.rest().substr(0, size);
  looked_ = 0;
  Line line;
  line.number = ++lines_;
  line.size = discarded_ + size;
  const char last = size > 0 ? bytes.back() : last_discarded_;
  if (newline && line.size > 0 && last == '\r') --line.size;
  line.too_long = line.size > most_;
  if (!line.too_long) {
    line.bytes = {bytes.data(), static_cast<std::size_t>(line.size)};
  } else {
    if (discarded_ == 0) head_.clear();
    const std::size_t whole = static_cast<std::size_t>(std::min<std::uint64_t>(line.size, head_bytes));
    if (head_.size() < whole) head_.append(bytes.substr(0, whole - head_.size()));
    head_.resize(whole);  // Its "\r" may have got in.
    line.bytes = head_;
    discarded_ = 0;
    last_discarded_ = 0;
  }
  bytes_.take(size + (newline ? 1 : 0));
  return line;
}

/// What is here is part of a line that is too long: only its first bytes are kept.
void LineFramer::discard() {
  const std::string_view rest = bytes_.rest();
  if (discarded_ == 0) head_.clear();
  if (head_.size() < head_bytes) head_.append(rest.substr(0, head_bytes - head_.size()));
  discarded_ += rest.size();
  last_discarded_ = rest.back();
  bytes_.take_quietly(rest.size());
  looked_ = 0;
}

}  // namespace weir::io
