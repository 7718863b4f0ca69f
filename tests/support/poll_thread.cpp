#include "tests/support/poll_thread.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace weir::tests {

void Socket::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}
void Socket::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

Socket listen_on_loopback(std::uint16_t& port, int backlog) {
  Socket listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  auto address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listening.get(), backlog) != 0 ||
      ::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no port to listen on");
  }
  port = ntohs(address.sin_port);
  return listening;
}

Socket connect_to_loopback(std::uint16_t port) {
  Socket connecting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = loopback(port);
  if (::connect(connecting.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    connecting.close();
  }
  return connecting;
}

PollThread::PollThread() : alarm_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void PollThread::start() {
  thread_ = std::thread([this] { run(); });
}

void PollThread::wake() {
  const std::uint64_t one = 1;
  static_cast<void>(::write(alarm_.get(), &one, sizeof one) == sizeof one);
}

void PollThread::end() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex);
    ends_ = true;
  }
  wake();
  thread_.join();
}

void PollThread::run() {
  using namespace std::chrono;
  std::vector<pollfd> waits;
  for (;;) {
    waits.assign(1, pollfd{alarm_.get(), POLLIN, 0});
    SteadyTime due;
    {
      const std::lock_guard lock(mutex);
      if (ends_) return;
      due = step(steady_clock::now(), waits);
    }
    int patience = -1;
    if (due != SteadyTime::max()) {
      patience =
          static_cast<int>(std::clamp<std::int64_t>(ceil<milliseconds>(due - steady_clock::now()).count(), 0, 60'000));
    }
    ::poll(waits.data(), waits.size(), patience);
    std::uint64_t rung = 0;
    static_cast<void>(::read(alarm_.get(), &rung, sizeof rung) == sizeof rung);
  }
}

}  // namespace weir::tests
