// A thread that waits by poll() for many descriptors at once: what a test's own servers stand on.
#pragma once
#include <poll.h>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace weir::tests {

using SteadyTime = std::chrono::steady_clock::time_point;

/// A socket and its end. Move-only.
class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() { close(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void close();
  /// Closes a connection so that the other side sees a reset.
  void reset();

 private:
  int fd_;
};

/// Listens on 127.0.0.1, on a port of the kernel's choice. Throws where there is none.
Socket listen_on_loopback(std::uint16_t& port, int backlog);
/// To a port of 127.0.0.1, waiting for it; nothing where nobody listens.
Socket connect_to_loopback(std::uint16_t port);

/// Whoever derives from it calls start() at the end of its constructor and end() at the begin of its destructor.
class PollThread {
 public:
  PollThread();
  virtual ~PollThread() = default;
  PollThread(const PollThread&) = delete;
  PollThread& operator=(const PollThread&) = delete;

  /// When it returns the thread has ended.
  void end();

 protected:
  /// Does all that can be done without waiting, adds what is to be waited for, and says until when at the latest. On
  /// the thread, under `mutex`.
  virtual SteadyTime step(SteadyTime now, std::vector<pollfd>& waits) = 0;

  void start();
  /// So that the next step() comes at once. Any thread.
  void wake();

  std::mutex mutex;  ///< Of all that the thread and its owner share.

 private:
  void run();
  Socket alarm_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace weir::tests
