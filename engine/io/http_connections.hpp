// The sockets of an HTTP client's connections, and what they are known by.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace weir::io {

/// Those whose end its owner hears of, once they are made. One core's only.
class HttpConnections {
 public:
  /// What a connection is known by, to whoever is about to send: both addresses.
  static std::string ends(const char* there, int port, const char* here, int own_port) {
    return std::string(there) + ' ' + std::to_string(port) + ' ' + here + ' ' + std::to_string(own_port);
  }

  void opened(int fd);
  /// One of these is the connection with these ends.
  void made(const std::vector<int>& among, const std::string& ends, int own_port);
  /// It speaks HTTP/1: whatever comes is an answer, to one who waits. (By HTTP/2 others may be waiting, and more than
  /// answers comes.) `old`: HTTP/1.0.
  void answers_in_turn(const std::string& ends, bool old);
  /// Its socket, where that is known of it.
  std::optional<int> answering_in_turn(const std::string& ends) const;
  bool is_old(const std::string& ends) const;
  /// Of one that answers in turn: something came while nobody waited for an answer, or it was closed. It would be taken
  /// for the next one's.
  static bool has_unasked_input(int fd);
  /// Whether the number is still the socket that it was.
  bool is_open(int fd) const noexcept;
  void forget(int fd) noexcept;

 private:
  struct Socket {
    std::uint64_t cookie;
    std::string ends;
    bool in_turn, old;
  };

  std::unordered_map<int, Socket> sockets_;
  std::unordered_map<std::string, int> by_ends_;
};

}  // namespace weir::io
