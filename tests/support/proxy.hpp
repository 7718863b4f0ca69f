// A line that is as bad as a test wants it: a TCP proxy between a client and a healthy server.
#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/poll_thread.hpp"

namespace weir::tests {

/// What becomes of the bytes that go through. What is not set is as it should be.
struct Line {
  std::chrono::milliseconds latency{0};    ///< From coming in until going on, each way.
  std::size_t slice = 0;                   ///< So many bytes go on at once; 0: as they come.
  std::chrono::milliseconds pause{0};      ///< From one slice to the next.
  bool silent = false;                     ///< A black hole: takes everything and passes nothing on.
  std::optional<std::size_t> reset_after;  ///< So many bytes of a reply go on, then the connection is reset;
  std::optional<std::size_t> close_after;  ///< or closed in order.
  bool close_after_head = false;           ///< Closed where a reply's body would begin.

  static Line with_bandwidth(std::size_t bytes_a_second) {
    Line line;
    line.slice = std::max<std::size_t>(1, bytes_a_second / 100);
    line.pause = std::chrono::milliseconds(10);
    return line;
  }
};

/// Listens on 127.0.0.1, on a thread of its own, and gives each client a connection of its own to a port there. Where
/// nobody listens at that port, a client finds its connection closed.
class Proxy : private PollThread {
 public:
  explicit Proxy(std::uint16_t to, Line line = {});
  ~Proxy() override;
  using PollThread::end;

  std::uint16_t port() const { return port_; }
  std::string url(const std::string& path = "/") const { return "http://127.0.0.1:" + std::to_string(port_) + path; }

  void become(Line line);  ///< From now on, also for the connections that there are.
  void cut();              ///< Resets all connections that there are.
  int connections();       ///< Taken so far.

 private:
  struct Way;
  struct Pair;
  SteadyTime step(SteadyTime now, std::vector<pollfd>& waits) override;
  void accept_all();
  void read_all(Way& way, SteadyTime now);
  void write_all(Pair& pair, Way& way, SteadyTime now);
  bool breaks(Pair& pair);
  std::size_t may_go(const Pair& pair, const Way& way, const std::string& bytes) const;
  SteadyTime wait_for(const Way& way, std::vector<pollfd>& waits) const;

  const std::uint16_t to_;
  std::uint16_t port_ = 0;
  Socket listening_;
  Line line_;
  int connections_ = 0;
  std::vector<std::unique_ptr<Pair>> pairs_;
};

/// A server that never accepts: its backlog is full, so that whoever connects waits for an answer that never comes.
class FullBacklog {
 public:
  FullBacklog();
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

 private:
  std::uint16_t port_ = 0;
  Socket listening_;
  std::vector<Socket> waiting_;
};

/// A name that nobody has: no part of one may be so long, so no name server is asked.
inline std::string unknown_host() { return std::string(64, 'x') + ".invalid"; }

}  // namespace weir::tests
