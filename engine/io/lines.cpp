#include "engine/io/lines.hpp"

#include <algorithm>
#include <cstring>

#include "engine/runtime/assert.hpp"

namespace weir::io {
namespace {

// Arenas come in these sizes. Where little is read at a time a large one would hold little.
constexpr std::size_t smallest = 8 * 1024;
constexpr std::size_t usual = message::arena_bytes;
// Less room than this at the end of an arena is not worth a read.
constexpr std::size_t least_read = 1024;

}  // namespace

LineFramer::LineFramer(std::size_t line_bytes_most) : most_(line_bytes_most), arena_bytes_(smallest) {}

std::span<char> LineFramer::space() {
  if (!arena_ || taken_ || arena_->capacity() - filled_ < least_read) make_room();
  offered_ = arena_->capacity() - filled_;
  return {arena_->data() + filled_, offered_};
}

void LineFramer::make_room() {
  const std::size_t open = filled_ - begin_;
  if (arena_ && !taken_ && begin_ > 0 && open <= arena_->capacity() / 2) {
    // Nobody else looks at this one (it held only what was discarded): its beginning is free again.
    std::memmove(arena_->data(), arena_->data() + begin_, open);
  } else {
    const std::size_t wanted = std::max(arena_bytes_, 2 * open);
    message::ArenaRef next = message::ArenaRef::make(wanted);
    if (open > 0) std::memcpy(next->data(), arena_->data() + begin_, open);
    arena_ = std::move(next);
    taken_ = false;
  }
  looked_ -= begin_;
  begin_ = 0;
  filled_ = open;
}

std::string_view LineFramer::filled(std::size_t size) {
  WEIR_ASSERT(size <= offered_, "no more than there is space for");
  // A read that fills what it was given will have more to give; one that gives little rarely does.
  if (size == offered_)
    arena_bytes_ = usual;
  else if (size < smallest / 2)
    arena_bytes_ = smallest;
  filled_ += size;
  offered_ = 0;
  return {arena_->data() + filled_ - size, size};
}

std::optional<Line> LineFramer::next() {
  if (begin_ < filled_) {
    const char* const bytes = arena_->data();
    const void* const found = std::memchr(bytes + looked_, '\n', filled_ - looked_);
    if (found) {
      const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - bytes);
      return finish(at - begin_, true);
    }
    looked_ = filled_;
    const std::size_t open = filled_ - begin_;
    // One more may be the "\r" of its end.
    if (discarded_ > 0 || open > most_ + 1 || (open == most_ + 1 && bytes[filled_ - 1] != '\r')) discard();
  }
  if (ended_ && (begin_ < filled_ || discarded_ > 0)) return finish(filled_ - begin_, false);
  return std::nullopt;
}

/// The line that begins at begin_ and has `size` bytes here.
std::optional<Line> LineFramer::finish(std::size_t size, bool newline) {
  const std::size_t begin = begin_;
  begin_ = looked_ = begin + size + (newline ? 1 : 0);
  Line line;
  line.number = ++lines_;
  line.size = discarded_ + size;
  const char last = size > 0 ? arena_->data()[begin + size - 1] : last_discarded_;
  if (newline && line.size > 0 && last == '\r') --line.size;
  line.too_long = line.size > most_;
  if (!line.too_long) {
    line.bytes = {arena_->data() + begin, static_cast<std::size_t>(line.size)};
    taken_ = true;
    return line;
  }
  if (discarded_ == 0) head_.clear();
  const std::size_t whole = static_cast<std::size_t>(std::min<std::uint64_t>(line.size, head_bytes));
  if (head_.size() < whole) head_.append(arena_->data() + begin, std::min(size, whole - head_.size()));
  head_.resize(whole);  // Its "\r" may have got in.
  line.bytes = head_;
  discarded_ = 0;
  last_discarded_ = 0;
  return line;
}

/// What is here is part of a line that is too long: only its first bytes are kept.
void LineFramer::discard() {
  const std::size_t size = filled_ - begin_;
  if (discarded_ == 0) head_.clear();
  if (head_.size() < head_bytes) head_.append(arena_->data() + begin_, std::min(size, head_bytes - head_.size()));
  discarded_ += size;
  last_discarded_ = arena_->data()[filled_ - 1];
  if (taken_) {
    begin_ = looked_ = filled_;
    return;
  }
  begin_ = looked_ = filled_ = 0;
  if (arena_->capacity() > usual) arena_ = {};
}

}  // namespace weir::io
