#include "tests/support/asking.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace weir::tests {

std::string asking(const std::string& target, const std::string& body, const std::string& method) {
  return method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
         (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body;
}

namespace {

using Clock = std::chrono::steady_clock;

struct Asker {
  Socket socket;
  SteadyTime begun{}, answered{};
  std::string all;

  void ask(std::uint16_t port, const std::string& bytes) {
    begun = Clock::now();
    socket = connect_to_loopback(port);
    if (!socket) return;
    const auto count = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count != static_cast<ssize_t>(bytes.size())) socket.close();
  }
  void listen() {
    std::array<char, 64 * 1024> bytes;
    const auto count = ::recv(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (all.empty()) answered = Clock::now();
    if (count > 0) {
      all.append(bytes.data(), static_cast<std::size_t>(count));
    } else {
      socket.close();
    }
  }
  Told told() const {
    Told told;
    const auto end = all.find("\r\n\r\n");
    if (end == std::string::npos || all.size() < 12) return told;
    told.status = std::atoi(all.c_str() + 9);
    told.head = all.substr(0, end + 2);
    told.body = all.substr(end + 4);
    told.took = answered - begun;
    return told;
  }
};

}  // namespace

std::vector<Told> ask_at_once(std::uint16_t port, const std::vector<std::string>& requests,
                              std::chrono::microseconds apart, std::chrono::milliseconds patience) {
  std::vector<Asker> askers(requests.size());
  const auto begun = Clock::now();
  for (std::size_t asked = 0;;) {
    const auto due = begun + apart * static_cast<std::int64_t>(asked);
    if (asked < askers.size() && Clock::now() >= due) {
      askers[asked].ask(port, requests[asked]);
      ++asked;
      if (apart == apart.zero()) continue;
    }
    std::vector<pollfd> waits;
    for (const auto& asker : askers) {
      if (asker.socket) waits.push_back({asker.socket.get(), POLLIN, 0});
    }
    if (asked == askers.size() && (waits.empty() || Clock::now() > due + patience)) break;
    ::poll(waits.data(), waits.size(), asked < askers.size() ? 1 : 100);
    for (auto& asker : askers) {
      if (asker.socket) asker.listen();
    }
  }
  std::vector<Told> told;
  for (const auto& asker : askers) told.push_back(asker.told());
  return told;
}

}  // namespace weir::tests
