#include "engine/io/read_arena.hpp"

#include <algorithm>
#include <cstring>

#include "engine/runtime/assert.hpp"

namespace weir::io {
namespace {

constexpr std::size_t usual = message::arena_bytes;
// Less room than this at the end of an arena is not worth a read.
constexpr std::size_t least_read = 1024;

}  // namespace

std::span<char> ReadArena::space() {
  const std::size_t room = arena_ ? arena_->capacity() - filled_ : 0;
  if (taken_ || room < least_read || arena_->capacity() - begin_ < expected_) make_room();
  offered_ = arena_->capacity() - filled_;
  return {arena_->data() + filled_, offered_};
}

void ReadArena::make_room() {
  const std::size_t open = filled_ - begin_;
  const std::size_t wanted = std::max({next_bytes_, 2 * open, expected_});
  if (arena_ && !taken_ && begin_ > 0 && open <= arena_->capacity() / 2 && arena_->capacity() >= expected_) {
    // Nobody else looks at this one (it held only what was taken quietly): its beginning is free again.
    std::memmove(arena_->data(), arena_->data() + begin_, open);
  } else {
    message::ArenaRef next = message::ArenaRef::make(wanted);
    if (open > 0) std::memcpy(next->data(), arena_->data() + begin_, open);
    arena_ = std::move(next);
    taken_ = false;
  }
  begin_ = 0;
  filled_ = open;
}

std::string_view ReadArena::filled(std::size_t size) {
  WEIR_ASSERT(size <= offered_, "no more than there is space for");
  // A read that fills what it was given will have more to give; one that gives little rarely does.
  if (size == offered_)
    next_bytes_ = usual;
  else if (size < smallest / 2)
    next_bytes_ = smallest;
  filled_ += size;
  offered_ = 0;
  return {arena_->data() + filled_ - size, size};
}

void ReadArena::take_quietly(std::size_t size) {
  begin_ += size;
  if (taken_ || begin_ < filled_) return;
  begin_ = filled_ = 0;
  if (arena_->capacity() > usual) arena_ = {};
}

}  // namespace weir::io
