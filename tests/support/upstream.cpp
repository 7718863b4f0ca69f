#include "tests/support/upstream.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "tests/support/peer.hpp"

namespace weir::tests {

struct Upstream::Connection {
  Socket socket;
  std::string received, to_send;
};

Upstream::Upstream(Reply reply) : reply_(std::move(reply)) {
  listening_ = listen_on_loopback(port_, 1024);
  start();
}
Upstream::~Upstream() { end(); }

std::vector<std::string> Upstream::requests() {
  const std::lock_guard lock(mutex);
  return requests_;
}
std::vector<std::string> Upstream::bodies() {
  auto bodies = requests();
  for (auto& request : bodies) request.erase(0, request.find("\r\n\r\n") + 4);
  return bodies;
}
std::size_t Upstream::arrived() {
  const std::lock_guard lock(mutex);
  return requests_.size();
}
void Upstream::forget() {
  const std::lock_guard lock(mutex);
  requests_.clear();
}

/// False: it has ended.
bool Upstream::serve(Connection& connection) {
  std::array<char, 64 * 1024> bytes;
  for (;;) {
    const auto count = ::recv(connection.socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (count <= 0) return false;
    connection.received.append(bytes.data(), static_cast<std::size_t>(count));
  }
  while (const auto size = request_size(connection.received)) {
    if (connection.received.size() < *size) break;
    requests_.push_back(connection.received.substr(0, *size));
    connection.received.erase(0, *size);
    connection.to_send += reply_ ? reply_(requests_.back()) : "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
  }
  if (connection.to_send.empty()) return true;
  const auto count = ::send(connection.socket.get(), connection.to_send.data(), connection.to_send.size(),
                            MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN;
  connection.to_send.erase(0, static_cast<std::size_t>(count));
  return true;
}

SteadyTime Upstream::step(SteadyTime, std::vector<pollfd>& waits) {
  for (;;) {
    Socket socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) break;
    connections_.push_back(std::make_unique<Connection>());
    connections_.back()->socket = std::move(socket);
  }
  waits.push_back({listening_.get(), POLLIN, 0});
  std::erase_if(connections_, [&](const auto& connection) { return !serve(*connection); });
  for (const auto& connection : connections_) {
    const short wanted = connection->to_send.empty() ? POLLIN : POLLIN | POLLOUT;
    waits.push_back({connection->socket.get(), wanted, 0});
  }
  return SteadyTime::max();
}

}  // namespace weir::tests
