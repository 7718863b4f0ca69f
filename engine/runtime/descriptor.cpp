#include "engine/runtime/descriptor.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <asio/error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

#include "engine/runtime/wait.hpp"

namespace weir::runtime {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

void throw_errno(const std::string& what) {
  const int error = errno;
  throw std::system_error(error, std::generic_category(), what);
}

Descriptor::Descriptor(asio::io_context& io, UniqueFd fd, Sharing sharing, std::string name)
    : fd_(std::move(fd)), sharing_(sharing), name_(std::move(name)) {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) throw_errno(name_);
  if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) {
    kind_ = Kind::regular;
    return;
  }
  if (S_ISSOCK(status.st_mode)) kind_ = Kind::socket;
  if (S_ISFIFO(status.st_mode)) kind_ = Kind::fifo;
  if (S_ISCHR(status.st_mode) && ::isatty(fd_.get()) == 1) kind_ = Kind::terminal;

  // Its own epoll instance tells whether it can be watched at all (/dev/null can't: EPERM).
  UniqueFd watch(::epoll_create1(EPOLL_CLOEXEC));
  if (watch.get() < 0) throw_errno(name_);
  epoll_event event{};
  if (::epoll_ctl(watch.get(), EPOLL_CTL_ADD, fd_.get(), &event) != 0) {
    if (errno == EPERM) return;
    throw_errno(name_);
  }
  waitable_ = true;
  if (sharing_ == Sharing::shared) {
    asio_.emplace(io, watch.get());
    watch.release();
    return;
  }
  const int flags = ::fcntl(fd_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK) < 0) throw_errno(name_);
  asio_.emplace(io, fd_.get());
}

Descriptor::~Descriptor() {
  // Asio closes what it holds; the own descriptor is ours to close.
  if (asio_ && sharing_ == Sharing::own) asio_->release();
}

int Descriptor::ready(Way way) const {
  pollfd poll_fd{fd_.get(), static_cast<short>(way == Way::in ? POLLIN : POLLOUT), 0};
  return ::poll(&poll_fd, 1, 0) > 0 ? poll_fd.revents : 0;
}

Task<> Descriptor::wait(Way way) {
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  auto wait_for = way == Way::in ? asio::posix::descriptor_base::wait_read : asio::posix::descriptor_base::wait_write;
  if (sharing_ == Sharing::shared) {
    const int events = way == Way::in ? EPOLLIN : EPOLLOUT;
    if (watched_events_ != events) {
      epoll_event event{};
      event.events = static_cast<std::uint32_t>(events);
      if (::epoll_ctl(asio_->native_handle(), EPOLL_CTL_MOD, fd_.get(), &event) != 0) throw_errno(name_);
      watched_events_ = events;
    }
    wait_for = asio::posix::descriptor_base::wait_read;  // The epoll instance becomes readable, whatever it watches.
  }
  asio::error_code error;
  co_await asio_->async_wait(wait_for, asio::redirect_error(asio::use_awaitable, error));
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  if (error) throw std::system_error(error, name_);
}

Task<> Descriptor::wait_readable() {
  while (ready(Way::in) == 0) co_await wait(Way::in);
}

Task<> Descriptor::wait_broken() {
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  asio::error_code error;
  co_await asio_->async_wait(asio::posix::descriptor_base::wait_error,
                             asio::redirect_error(asio::use_awaitable, error));
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  if (error && error != asio::error::operation_aborted) throw std::system_error(error, name_);
}

void Descriptor::stop_waiting() {
  if (asio_) asio_->cancel();
}

Task<std::size_t> Descriptor::read(std::span<char> into) {
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  for (;;) {
    // Readiness told by epoll may be stale: only poll() just before makes a blocking descriptor's read safe.
    if (waitable_ && sharing_ == Sharing::shared)
      while (ready(Way::in) == 0) co_await wait(Way::in);
    const ssize_t count = ::read(fd_.get(), into.data(), into.size());
    if (count > 0) {
      has_read_ = true;
      co_return static_cast<std::size_t>(count);
    }
    if (count == 0) {
      // A FIFO without a writer reads as ended; before the first one has come (no POLLHUP yet) it has only not begun.
      if (kind_ != Kind::fifo || has_read_ || sharing_ == Sharing::shared || into.empty()) co_return 0;
      const int events = ready(Way::in);
      if ((events & POLLIN) != 0) continue;
      if (events != 0) co_return 0;
    } else if (errno == EINTR) {
      continue;
    } else if (errno == EIO && kind_ == Kind::terminal) {
      co_return 0;  // The terminal was closed.
    } else if (errno != EAGAIN || !waitable_) {
      throw_errno(name_);
    }
    co_await wait(Way::in);
  }
}

std::optional<std::size_t> Descriptor::read_now(std::span<char> into) {
  if (!waitable_ || sharing_ == Sharing::shared) return std::nullopt;
  const ssize_t count = ::read(fd_.get(), into.data(), into.size());
  if (count <= 0) return std::nullopt;
  has_read_ = true;
  return static_cast<std::size_t>(count);
}

Task<> Descriptor::write(std::span<const char> bytes, std::size_t& done) {
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  std::size_t at_most = bytes.size();
  if (waitable_ && sharing_ == Sharing::shared) {
    if (kind_ == Kind::fifo || kind_ == Kind::other) at_most = PIPE_BUF;
    if (kind_ == Kind::terminal) at_most = 256;  // What a terminal driver has room for when poll() says it has.
  }
  while (!bytes.empty()) {
    if (waitable_ && sharing_ == Sharing::shared && kind_ != Kind::socket)
      while (ready(Way::out) == 0) co_await wait(Way::out);
    const std::size_t size = std::min(at_most, bytes.size());
    const ssize_t count = kind_ == Kind::socket ? ::send(fd_.get(), bytes.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL)
                                                : ::write(fd_.get(), bytes.data(), size);
    if (count >= 0) {
      done += static_cast<std::size_t>(count);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN && waitable_) {
      co_await wait(Way::out);
    } else if (errno == EIO && kind_ == Kind::terminal) {
      // The terminal was closed: whoever read there has left, as at the other end of a pipe.
      throw std::system_error(EPIPE, std::generic_category(), name_);
    } else if (errno != EINTR) {
      throw_errno(name_);
    }
  }
}

}  // namespace weir::runtime
