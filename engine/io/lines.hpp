// Lines out of a stream of bytes, cut where they were read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/message/arena.hpp"

namespace weir::io {

/// One line, without its end.
struct Line {
  std::string_view bytes;    ///< Where it is too long: only its first bytes, LineFramer::head_bytes at the most.
  std::uint64_t number = 0;  ///< From 1.
  std::uint64_t size = 0;    ///< How long it is, all of it.
  bool too_long = false;
};

/// Cuts a stream into lines. Bytes are read straight into an arena and lines are views of it, so that a message may
/// point there without a copy; only the beginning of a line whose end has not come yet is carried over, once for each
/// arena. A line ends with "\n" or "\r\n"; what stands behind the last end is a line too. What comes out depends on the
/// bytes alone, not on the pieces they came in.
///
///   while (true) {
///     while (auto line = framer.next()) …       // bytes stand in framer.arena(), but for a line that is too long
///     if (framer.ended()) break;
///     const std::size_t count = co_await reader.read(framer.space());
///     if (count > 0) framer.filled(count); else framer.end();
///   }
///
/// A line longer than `most` comes out once, as too_long, when its end has come; it takes no memory meanwhile. Once a
/// line was taken from an arena no further byte is written to it: others may read it on other cores. Not thread-safe.
class LineFramer {
 public:
  explicit LineFramer(std::size_t line_bytes_most);

  static constexpr std::size_t head_bytes = 1024;

  /// Where the next bytes are to go, at least one. Only when next() has nothing more. Valid until the next call.
  std::span<char> space();
  /// So many of them were written there. Returns them.
  std::string_view filled(std::size_t size);
  /// No more will come.
  void end() { ended_ = true; }

  /// The next line; its bytes are valid until space() is called, those of an arena as long as somebody holds that.
  std::optional<Line> next();
  /// end() was said, and every line has come out.
  bool ended() const { return ended_ && begin_ == filled_ && discarded_ == 0; }
  /// What the last line stands in, unless it was too long.
  const message::ArenaRef& arena() const { return arena_; }
  /// Lines so far.
  std::uint64_t lines() const { return lines_; }

 private:
  std::optional<Line> finish(std::size_t size, bool newline);
  void discard();
  void make_room();

  const std::size_t most_;
  message::ArenaRef arena_;
  std::size_t filled_ = 0;   // Bytes of the arena that were read,
  std::size_t begin_ = 0;    // where in it the next line begins,
  std::size_t looked_ = 0;   // and up to where it holds no end.
  std::size_t offered_ = 0;  // What space() gave.
  std::size_t arena_bytes_;  // How large the next one shall be.
  bool taken_ = false;       // A line was taken from it.
  bool ended_ = false;
  std::uint64_t lines_ = 0;
  // A line that is too long, while it passes by.
  std::uint64_t discarded_ = 0;
  char last_discarded_ = 0;
  std::string head_;
};

}  // namespace weir::io
