// Messages in a stream of bytes: how they are told apart there, both ways.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/io/lines.hpp"

namespace weir::io {

enum class Framing : std::uint8_t {
  lines,      ///< Each ends with "\n" (or, read, "\r\n").
  length,     ///< Before each stands how many bytes it has, as four bytes, the highest first.
  netstring,  ///< `5:hello,`
  raw         ///< Not at all: what is read at once is one.
};

/// Whether it can be told apart from the next when it is framed so. (A line with a line break in it is two.)
bool fits(Framing framing, std::string_view message);
/// Appends the message to a stream.
void append_frame(Framing framing, std::string_view message, std::string& stream);

/// Cuts a stream into messages, without copying them where they stand whole in one arena: like LineFramer, which does
/// the lines, and used like it. What is no frame breaks the stream, and so does one that announces more than `most`:
/// nothing comes out any more, and wrong() says why. Not thread-safe.
class Framer {
 public:
  Framer(Framing framing, std::size_t bytes_most);

  std::span<char> space() { return framing_ == Framing::lines ? lines_.space() : bytes_.space(); }
  std::string_view filled(std::size_t size) {
    return framing_ == Framing::lines ? lines_.filled(size) : bytes_.filled(size);
  }
  void end();
  std::optional<Line> next() { return framing_ == Framing::lines ? lines_.next() : next_frame(); }
  /// end() was said, and all has come out that will.
  bool ended() const { return framing_ == Framing::lines ? lines_.ended() : ended_; }
  const message::ArenaRef& arena() const { return framing_ == Framing::lines ? lines_.arena() : bytes_.arena(); }
  /// Why nothing more comes out of what was read; empty where all is well. A stream that ends inside a frame is wrong.
  const std::string& wrong() const { return wrong_; }
  /// Whether wrong() is that a message announced more than it may have.
  bool announced_too_much() const { return announced_too_much_; }

 private:
  std::optional<Line> next_frame();
  bool read_head();
  bool read_number();
  std::optional<Line> finish(std::string_view bytes, std::size_t behind);

  const Framing framing_;
  const std::size_t most_;
  LineFramer lines_;
  ReadArena bytes_;
  std::optional<std::uint64_t> size_;  // Of the message that comes, once that is known.
  std::uint64_t messages_ = 0;
  bool ended_ = false, announced_too_much_ = false;
  std::string wrong_;
};

}  // namespace weir::io
