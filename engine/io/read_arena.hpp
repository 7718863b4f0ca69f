// Bytes of a stream on their way from reads to whoever cuts them: in arenas, so that what is cut out need not be
// copied.
#pragma once
#include <cstddef>
#include <span>
#include <string_view>

#include "engine/message/arena.hpp"

namespace weir::io {

/// What was read and not yet taken. Reads go straight into an arena; what was cut out of it stays where it is, and only
/// what is left over is carried to the next arena, once for each. Not thread-safe.
class ReadArena {
 public:
  /// Where the next bytes are to go, at least one. Valid until the next call. What rest() gave is not valid any more
  /// unless it was taken, and the arena held.
  std::span<char> space();
  /// So many of them were written there. Returns them.
  std::string_view filled(std::size_t size);

  /// All that is left.
  std::string_view rest() const { return {arena_ ? arena_->data() + begin_ : "", filled_ - begin_}; }
  /// Takes the first bytes of it: others may read them on other cores, so nothing is written to that arena any more
  /// where they are; or `quietly`: nobody will look at them.
  void take(std::size_t size) {
    begin_ += size;
    taken_ = true;
  }
  void take_quietly(std::size_t size);
  /// So many bytes from the first one on are wanted in one piece.
  void expect(std::size_t size) { expected_ = size; }
  const message::ArenaRef& arena() const { return arena_; }

 private:
  void make_room();

  message::ArenaRef arena_;
  std::size_t filled_ = 0;             // Bytes of the arena that were read,
  std::size_t begin_ = 0;              // and where in it the rest begins.
  std::size_t offered_ = 0;            // What space() gave.
  std::size_t next_bytes_ = smallest;  // How large the next one shall be.
  std::size_t expected_ = 0;
  bool taken_ = false;  // Something was taken from it.

  // Arenas come in these sizes. Where little is read at a time a large one would hold little.
  static constexpr std::size_t smallest = 8 * 1024;
};

}  // namespace weir::io
