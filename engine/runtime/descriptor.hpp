// A file descriptor that a coroutine can wait for. Only for the real runtime's own files.
#pragma once
#include <optional>
#include <span>
#include <string>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "engine/runtime/core.hpp"

namespace weir::runtime {

/// Closes it. Movable.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd();
  int get() const { return fd_; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_ = -1;
};

/// Throws std::system_error(errno, what).
[[noreturn]] void throw_errno(const std::string& what);

/// Who else holds the open file, of which this process may have only a duplicate.
enum class Sharing {
  own,    ///< Nobody: it is set to non-blocking.
  shared  ///< Perhaps another process, to whom a non-blocking standard output would be a surprise: left as it is.
};

/// Reads and writes without ever blocking the thread where the kind of file allows that; regular files, /dev/null and
/// the like can't be waited for and are done at once.
///
/// Asio's own waiting sets the open file to non-blocking, async_wait included. So a shared one is watched by an epoll
/// instance of its own, and Asio waits for that; it is read when it is ready, once, and a pipe written at most
/// PIPE_BUF bytes at a time, for which poll() promises room.
class Descriptor {
 public:
  Descriptor(asio::io_context& io, UniqueFd fd, Sharing sharing, std::string name);
  ~Descriptor();

  Task<std::size_t> read(std::span<char> into);
  /// Of one that is set to non-blocking: what is there already. Nothing: that, an end, or an error is for read() to
  /// tell.
  std::optional<std::size_t> read_now(std::span<char> into);
  /// `done` counts what has gone out, also when this throws.
  Task<> write(std::span<const char> bytes, std::size_t& done);
  Task<> wait_readable();
  /// Of a pipe's end that is written, own: returns when nobody reads the other any more, or by stop_waiting().
  Task<> wait_broken();
  void stop_waiting();
  int fd() const { return fd_.get(); }
  bool regular() const { return kind_ == Kind::regular; }

 private:
  enum class Kind { regular, terminal, socket, fifo, other };
  enum class Way { in, out };
  int ready(Way way) const;  // What poll() says of it now; 0 = not ready.
  Task<> wait(Way way);

  UniqueFd fd_;
  Sharing sharing_;
  std::string name_;
  Kind kind_ = Kind::other;
  bool waitable_ = false;
  bool has_read_ = false;
  int watched_events_ = 0;                              // Of the epoll instance, when shared.
  std::optional<asio::posix::stream_descriptor> asio_;  // fd_ itself when own (not closed by it), else the epoll.
};

}  // namespace weir::runtime
