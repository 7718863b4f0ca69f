// Lines out of a stream of bytes, cut where they were read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/io/read_arena.hpp"

namespace weir::io {

/// One line, without its end.
struct Line {
  std::string_view bytes;    ///< Where it is too long: only its first bytes, LineFramer::head_bytes at the most.
  std::uint64_t number = 0;  ///< From 1.
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
/// A line longer than `most` comes out once, as too_long, as soon as it is; what follows up to its end is passed over,
/// and takes no memory. Once a line was taken from an arena no further byte is written to it: others may read it on
/// other cores. Not thread-safe.
class LineFramer {
 public:
  explicit LineFramer(std::size_t line_bytes_most);

  static constexpr std::size_t head_bytes = 1024;

  /// Where the next bytes are to go, at least one. Only when next() has nothing more. Valid until the next call.
  std::span<char> space() { return bytes_.space(); }
  /// So many of them were written there. Returns them.
  std::string_view filled(std::size_t size) { return bytes_.filled(size); }
  /// No more will come.
  void end() { ended_ = true; }

  /// The next line; its bytes are valid until space() is called, those of an arena as long as somebody holds that.
  std::optional<Line> next() {
    const std::string_view rest = bytes_.rest();
    const void* const found = std::memchr(rest.data() + looked_, '\n', rest.size() - looked_);
    if (!found) return next_odd(false, 0);
    const auto size = static_cast<std::size_t>(static_cast<const char*>(found) - rest.data());
    if (passing_over_ || size > most_ || (size > 0 && rest[size - 1] == '\r')) return next_odd(true, size);
    looked_ = 0;
    Line line;
    line.bytes = rest.substr(0, size);
    line.number = ++lines_;
    bytes_.take(size + 1);
    return line;
  }
  /// end() was said, and every line has come out.
  bool ended() const { return ended_ && bytes_.rest().empty(); }
  /// What the last line stands in, unless it was too long.
  const message::ArenaRef& arena() const { return bytes_.arena(); }
  /// Lines so far.
  std::uint64_t lines() const { return lines_; }

 private:
  /// Of one that is not simply there: with its end at `size`, or without one.
  std::optional<Line> next_odd(bool ends, std::size_t size);
  std::optional<Line> finish(std::size_t size, bool newline);
  Line refuse(std::size_t size);

  const std::size_t most_;
  ReadArena bytes_;
  std::size_t looked_ = 0;  // So many bytes of the rest hold no end.
  bool ended_ = false;
  std::uint64_t lines_ = 0;
  bool passing_over_ = false;  // The rest of a line that was too long.
  std::string head_;           // Its beginning.
};

}  // namespace weir::io
