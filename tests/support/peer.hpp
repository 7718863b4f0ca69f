// A server that does what a test says, byte by byte, well-behaved or not.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace weir::tests {

/// Where the chunks end that begin at `at`; nothing while that is not known.
inline std::optional<std::size_t> end_of_chunks(const std::string& received, std::size_t at) {
  for (;;) {
    const auto line = received.find("\r\n", at);
    if (line == std::string::npos) return std::nullopt;
    const auto size = std::strtoull(received.c_str() + at, nullptr, 16);
    at = line + 2 + size + 2;
    if (size == 0) return at;
    if (at > received.size()) return std::nullopt;
  }
}

/// Bytes of the request that begins here, its body included where it has a length or comes in chunks; nothing while
/// they are not known.
inline std::optional<std::size_t> request_size(const std::string& received) {
  const auto head = received.find("\r\n\r\n");
  if (head == std::string::npos) return std::nullopt;
  for (const auto* name : {"\r\ncontent-length: ", "\r\nContent-Length: "}) {
    const auto at = received.find(name);
    if (at < head) return head + 4 + static_cast<std::size_t>(std::atoll(received.c_str() + at + 18));
  }
  if (received.find("\r\nTransfer-Encoding: chunked\r\n") < head) return end_of_chunks(received, head + 4);
  return head + 4;
}

/// Listens on 127.0.0.1, on a thread of its own. One connection after the other goes through the script, and is closed
/// behind it. No read waits longer than 20 s.
class Peer {
 public:
  class Connection {
   public:
    Connection(Peer& peer, int fd, int number) : peer_(peer), fd_(fd), number_(number) {}
    int number() const { return number_; }  ///< From 1.

    /// The next request, its body included where that has an end; nothing when the other side has closed.
    std::optional<std::string> request() {
      auto size = request_size(received_);
      while (!size || received_.size() < *size) {
        std::array<char, 65536> bytes;
        const auto count = ::recv(fd_, bytes.data(), bytes.size(), 0);
        if (count <= 0) return std::nullopt;
        received_.append(bytes.data(), static_cast<std::size_t>(count));
        if (!size) size = request_size(received_);
      }
      auto request = received_.substr(0, *size);
      received_.erase(0, *size);
      peer_.note(request);
      return request;
    }
    /// False where nobody takes it any more.
    bool send(std::string_view bytes) {
      while (!bytes.empty()) {
        const auto count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(count));
      }
      return true;
    }
    bool answer(const std::string& body, const std::string& fields = {}, const std::string& status = "200 OK") {
      return send("HTTP/1.1 " + status + "\r\ncontent-length: " + std::to_string(body.size()) + "\r\n" + fields +
                  "\r\n" + body);
    }
    /// Closes it so that the other side sees a reset.
    void reset() {
      const linger now{1, 0};
      ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    /// Waits until the other side has closed, whatever it still sends.
    void wait_for_end() {
      std::array<char, 4096> bytes;
      while (::recv(fd_, bytes.data(), bytes.size(), 0) > 0) {
      }
      const std::lock_guard lock(peer_.mutex_);
      ++peer_.left_;
    }

   private:
    Peer& peer_;
    const int fd_;
    const int number_;
    std::string received_;
  };

  explicit Peer(std::function<void(Connection&)> script) : script_(std::move(script)) {
    listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listening_, 64) != 0 || ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no port to listen on");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Peer() { end(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url(const std::string& path = "/") const { return "http://127.0.0.1:" + std::to_string(port_) + path; }

  /// Takes no more connections; when it returns, the script has ended.
  void end() {
    if (!thread_.joinable()) return;
    ::shutdown(listening_, SHUT_RDWR);
    thread_.join();
    ::close(listening_);
  }
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  int connections() {
    const std::lock_guard lock(mutex_);
    return connections_;
  }
  int left() {  ///< How many wait_for_end() saw end.
    const std::lock_guard lock(mutex_);
    return left_;
  }

 private:
  void serve() {
    for (;;) {
      const int fd = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0 && errno == EMFILE) continue;  // A test that lets there be none for a moment.
      if (fd < 0) return;
      const timeval patience{20, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      int number = 0;
      {
        const std::lock_guard lock(mutex_);
        number = ++connections_;
      }
      Connection connection(*this, fd, number);
      script_(connection);
      ::close(fd);
    }
  }
  void note(const std::string& request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
  }

  const std::function<void(Connection&)> script_;
  int listening_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  int connections_ = 0, left_ = 0;
  std::thread thread_;
};

/// Answers every request by what `reply` makes of it: bytes as they go over the wire.
inline std::function<void(Peer::Connection&)> replies(std::function<std::string(const std::string& request)> reply) {
  return [reply = std::move(reply)](Peer::Connection& connection) {
    while (const auto request = connection.request()) {
      if (!connection.send(reply(*request))) return;
    }
  };
}
/// Sends these bytes after the first request, and closes.
inline std::function<void(Peer::Connection&)> sends(std::string bytes) {
  return [bytes = std::move(bytes)](Peer::Connection& connection) {
    if (connection.request()) connection.send(bytes);
  };
}

}  // namespace weir::tests
