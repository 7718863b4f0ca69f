#include "engine/io/http_connections.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

namespace weir::io {
namespace {

/// What the kernel calls a socket, for as long as the machine is up: its number may be another's already. 0: none.
std::uint64_t cookie_of(int fd) noexcept {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

int port_of(int fd) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return -1;
  // The port stands in the same place in both.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace

void HttpConnections::opened(int fd) { sockets_.insert_or_assign(fd, Socket{cookie_of(fd), {}, false, false}); }

void HttpConnections::made(const std::vector<int>& among, const std::string& ends, int own_port) {
  for (const auto fd : among) {
    const auto found = sockets_.find(fd);
    if (found == sockets_.end() || port_of(fd) != own_port) continue;
    found->second.ends = ends;
    by_ends_.insert_or_assign(ends, fd);
  }
}

void HttpConnections::answers_in_turn(const std::string& ends, bool old) {
  const auto found = by_ends_.find(ends);
  if (found == by_ends_.end()) return;
  auto& socket = sockets_.at(found->second);
  socket.in_turn = true;
  socket.old = old;
}

bool HttpConnections::is_old(const std::string& ends) const {
  const auto found = by_ends_.find(ends);
  return found != by_ends_.end() && sockets_.at(found->second).old;
}

std::optional<int> HttpConnections::answering_in_turn(const std::string& ends) const {
  const auto found = by_ends_.find(ends);
  if (found == by_ends_.end() || !sockets_.at(found->second).in_turn) return std::nullopt;
  return found->second;
}

bool HttpConnections::has_unasked_input(int fd) {
  char byte = 0;
  return ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

bool HttpConnections::is_open(int fd) const noexcept {
  const auto found = sockets_.find(fd);
  return found != sockets_.end() && found->second.cookie == cookie_of(fd);
}

void HttpConnections::forget(int fd) noexcept {
  const auto found = sockets_.find(fd);
  if (found == sockets_.end()) return;
  if (const auto known = by_ends_.find(found->second.ends); known != by_ends_.end() && known->second == fd) {
    by_ends_.erase(known);
  }
  sockets_.erase(found);
}

}  // namespace weir::io
