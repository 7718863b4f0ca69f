#include "tests/support/proxy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <stdexcept>

namespace weir::tests {

namespace {

constexpr std::size_t kept_bytes_most = 256 * 1024;  // What waits in here; the rest waits where it comes from.

}  // namespace

/// One direction of a connection.
struct Proxy::Way {
  struct Piece {
    SteadyTime due;
    std::string bytes;
  };
  int from = -1, to = -1;
  bool is_reply = false;
  std::deque<Piece> pieces;
  std::size_t kept_bytes = 0;
  SteadyTime free{};      // When the next slice may go.
  bool blocked = false;   // The receiver takes no more.
  bool ended = false;     // Nothing more comes from there,
  bool finished = false;  // and that has been said to the other side.
};

struct Proxy::Pair {
  Socket client, server;
  Way there, back;
  std::size_t of_reply = 0;  // Bytes of the reply that have gone on since the last of a request did.
  bool head_over = false;
  bool over = false;
};

Proxy::Proxy(std::uint16_t to, Line line) : to_(to), line_(line) {
  listening_ = listen_on_loopback(port_, 1024);
  start();
}
Proxy::~Proxy() { end(); }

void Proxy::become(Line line) {
  {
    const std::lock_guard lock(mutex);
    line_ = line;
  }
  wake();
}
void Proxy::cut() {
  const std::lock_guard lock(mutex);
  for (const auto& pair : pairs_) pair->client.reset();
  pairs_.clear();
  wake();
}
int Proxy::connections() {
  const std::lock_guard lock(mutex);
  return connections_;
}

void Proxy::accept_all() {
  for (;;) {
    Socket client(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client) return;
    ++connections_;
    auto pair = std::make_unique<Pair>();
    pair->client = std::move(client);
    pair->server = connect_to_loopback(to_);
    if (!pair->server) continue;
    pair->there.from = pair->back.to = pair->client.get();
    pair->there.to = pair->back.from = pair->server.get();
    pair->back.is_reply = true;
    pairs_.push_back(std::move(pair));
  }
}

void Proxy::read_all(Way& way, SteadyTime now) {
  std::array<char, 64 * 1024> bytes;
  while (!way.ended && way.kept_bytes < kept_bytes_most) {
    const auto count = ::recv(way.from, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
      way.ended = true;
      return;
    }
    if (line_.silent) continue;
    way.pieces.push_back({now + line_.latency, std::string(bytes.data(), static_cast<std::size_t>(count))});
    way.kept_bytes += static_cast<std::size_t>(count);
  }
}

/// How much of it goes on at once.
std::size_t Proxy::may_go(const Pair& pair, const Way& way, const std::string& bytes) const {
  std::size_t count = line_.slice > 0 ? std::min(line_.slice, bytes.size()) : bytes.size();
  if (!way.is_reply) return count;
  for (const auto& most : {line_.reset_after, line_.close_after}) {
    if (most) count = std::min(count, *most - std::min(*most, pair.of_reply));
  }
  if (line_.close_after_head) {
    const auto head = bytes.find("\r\n\r\n");  // A test's server sends it at once.
    if (head != std::string::npos) count = std::min(count, head + 4);
  }
  return count;
}

/// Whether the connection ends here, by its line.
bool Proxy::breaks(Pair& pair) {
  if (line_.reset_after && pair.of_reply >= *line_.reset_after) {
    pair.client.reset();
  } else if ((line_.close_after && pair.of_reply >= *line_.close_after) || (line_.close_after_head && pair.head_over)) {
    pair.client.close();
  } else {
    return false;
  }
  pair.over = true;
  return true;
}

void Proxy::write_all(Pair& pair, Way& way, SteadyTime now) {
  way.blocked = false;
  while (!way.pieces.empty()) {
    auto& piece = way.pieces.front();
    if (piece.due > now || way.free > now) return;
    if (way.is_reply && breaks(pair)) return;
    const auto share = may_go(pair, way, piece.bytes);
    const auto count = ::send(way.to, piece.bytes.data(), share, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) {
      way.blocked = errno == EAGAIN;
      if (!way.blocked) pair.over = true;
      return;
    }
    const auto gone = static_cast<std::size_t>(count);
    if (way.is_reply) {
      pair.of_reply += gone;
      pair.head_over |= piece.bytes.substr(0, gone).ends_with("\r\n\r\n");
    } else {
      pair.of_reply = 0;
      pair.head_over = false;
    }
    way.kept_bytes -= gone;
    piece.bytes.erase(0, gone);
    if (piece.bytes.empty()) way.pieces.pop_front();
    way.free = now + line_.pause;
    if (way.is_reply && breaks(pair)) return;
  }
  if (!way.ended || way.finished) return;
  ::shutdown(way.to, SHUT_WR);
  way.finished = true;
  // A client that has left wants nothing more, nor does one whose server has.
  if (!way.is_reply || line_.silent) pair.over = true;
  pair.over |= pair.there.finished && pair.back.finished;
}

SteadyTime Proxy::wait_for(const Way& way, std::vector<pollfd>& waits) const {
  if (!way.ended && way.kept_bytes < kept_bytes_most) waits.push_back({way.from, POLLIN, 0});
  if (way.blocked) waits.push_back({way.to, POLLOUT, 0});
  return way.pieces.empty() || way.blocked ? SteadyTime::max() : std::max(way.pieces.front().due, way.free);
}

SteadyTime Proxy::step(SteadyTime now, std::vector<pollfd>& waits) {
  accept_all();
  waits.push_back({listening_.get(), POLLIN, 0});
  for (const auto& pair : pairs_) {
    for (auto* way : {&pair->there, &pair->back}) {
      if (!pair->over) read_all(*way, now);
      if (!pair->over) write_all(*pair, *way, now);
    }
  }
  std::erase_if(pairs_, [](const auto& pair) { return pair->over; });
  // Only of what is open still: another thread may have the number of a closed one by now, and poll() would keep what
  // that thread closes from ending.
  auto due = SteadyTime::max();
  for (const auto& pair : pairs_) due = std::min({due, wait_for(pair->there, waits), wait_for(pair->back, waits)});
  return due;
}

FullBacklog::FullBacklog() {
  listening_ = listen_on_loopback(port_, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int full = 0; waiting_.size() < 16 && full < 2;) {
    Socket one(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(one.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    pollfd ready{one.get(), POLLOUT, 0};
    if (::poll(&ready, 1, 50) == 0) ++full;
    waiting_.push_back(std::move(one));
  }
}

}  // namespace weir::tests
