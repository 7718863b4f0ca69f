// Arenas: the bytes that messages are made of.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "engine/message/recycler.hpp"

namespace weir::message {

/// Readable bytes behind every payload, so that a parser may read whole vectors.
inline constexpr std::size_t padding = 64;
/// What an arena holds unless told otherwise.
inline constexpr std::size_t arena_bytes = 64 * 1024;
/// The first arena of a batch of which nothing is known (Batch::expect); each further one is larger, up to arena_bytes.
/// Then one small message alone holds little, also where a source keeps it until it is answered, and 64 of them use
/// most of what they hold: they need not be copied out before an edge, and the bytes of all batches stay in the cache.
inline constexpr std::size_t first_arena_bytes = 1024;

/// A block of bytes that is filled from its beginning on and never written twice, shared by all that point into it. One
/// writer: the batch that fills it, or the reader that made it. It writes behind used() only, so that others may read
/// what stands before. References may travel to any core.
class Arena : public Recyclable<Arena> {
 public:
  char* data() noexcept { return bytes_.get(); }
  const char* data() const noexcept { return bytes_.get(); }
  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t used() const noexcept { return used_; }
  std::size_t room() const noexcept { return capacity_ - used_; }
  /// The writer only: the next free bytes, and the promise that `size` of them have been written.
  char* end() noexcept { return bytes_.get() + used_; }
  void commit(std::size_t size) noexcept { used_ += size; }

  static constexpr std::size_t size_classes = 12;  // 1, 8, 16, 32, 64 KiB and on to 4 MiB, one giant.
  static std::size_t recycled_most(std::size_t size_class) noexcept;
  std::size_t size_class() const noexcept { return size_class_; }

 private:
  friend class ArenaRef;
  friend class Recycler<Arena>;
  Arena() = default;
  ~Arena() = default;

  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
  std::size_t size_class_ = 0;
  std::atomic<std::uint32_t> references_{0};
};

/// Shared ownership of an arena. The last reference sends it home. One thread at a time may copy or drop a reference.
class ArenaRef {
 public:
  ArenaRef() noexcept = default;
  /// A fresh arena with room for at least `capacity` bytes, from the calling thread's free list where it has one.
  static ArenaRef make(std::size_t capacity = arena_bytes);
  ArenaRef(const ArenaRef& other) noexcept : arena_(other.arena_) {
    if (!arena_) return;
    // Where this is the only one, nobody else can be copying it; what others had read of the bytes they have read.
    if (arena_->references_.load(std::memory_order_acquire) == 1) {
      arena_->references_.store(2, std::memory_order_relaxed);
    } else {
      arena_->references_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  ArenaRef(ArenaRef&& other) noexcept : arena_(std::exchange(other.arena_, nullptr)) {}
  ArenaRef& operator=(ArenaRef other) noexcept {
    std::swap(arena_, other.arena_);
    return *this;
  }
  ~ArenaRef() {
    if (arena_) release();
  }
  Arena* operator->() const noexcept { return arena_; }
  Arena& operator*() const noexcept { return *arena_; }
  Arena* get() const noexcept { return arena_; }
  explicit operator bool() const noexcept { return arena_ != nullptr; }

 private:
  void release() noexcept;
  Arena* arena_ = nullptr;
};

}  // namespace weir::message
