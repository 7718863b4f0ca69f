#include "engine/message/arena.hpp"

#include <cstring>

namespace weir::message {

namespace {
constexpr std::size_t class_bytes[] = {first_arena_bytes, 8 * 1024,   16 * 1024,   32 * 1024,   arena_bytes, 128 * 1024,
                                       256 * 1024,        512 * 1024, 1024 * 1024, 2048 * 1024, 4096 * 1024};
constexpr std::size_t giant = 11;
// Of those that hold a message larger than most, a thread keeps so many bytes of each size.
constexpr std::size_t large_bytes_kept = 4096 * 1024;
}  // namespace

std::size_t Arena::recycled_most(std::size_t size_class) noexcept {
  return size_class == giant || class_bytes[size_class] <= arena_bytes ? 1024
                                                                       : large_bytes_kept / class_bytes[size_class];
}

ArenaRef ArenaRef::make(std::size_t capacity) {
  std::size_t size_class = 0;
  while (size_class < giant && class_bytes[size_class] < capacity) ++size_class;
  Arena* arena = Recycler<Arena>::local(size_class).take();
  const std::size_t wanted = size_class == giant ? capacity : class_bytes[size_class];
  if (arena->capacity_ != wanted) {
    arena->bytes_ = std::make_unique_for_overwrite<char[]>(wanted + padding);
    std::memset(arena->bytes_.get() + wanted, 0, padding);
    arena->capacity_ = wanted;
    arena->size_class_ = size_class;
  }
  arena->used_ = 0;
  arena->references_.store(1, std::memory_order_relaxed);
  ArenaRef reference;
  reference.arena_ = arena;
  return reference;
}

void ArenaRef::release() noexcept {
  // A sole owner needs no atomic decrement: nobody else can be copying it.
  if (arena_->references_.load(std::memory_order_acquire) != 1 &&
      arena_->references_.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  if (arena_->size_class_ == giant) {
    arena_->bytes_.reset();  // A giant's block is not hoarded; the arena itself goes home.
    arena_->capacity_ = 0;
  }
  Recycler<Arena>::give_back(arena_);
}

}  // namespace weir::message
