// A healthy HTTP server for many connections at once, that keeps what has arrived.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/poll_thread.hpp"

namespace weir::tests {

/// Listens on 127.0.0.1, on a thread of its own.
class Upstream : private PollThread {
 public:
  /// What it says to a request, as it goes over the wire. Called on its thread.
  using Reply = std::function<std::string(const std::string& request)>;

  explicit Upstream(Reply reply = {});
  ~Upstream() override;

  std::uint16_t port() const { return port_; }
  std::string url(const std::string& path = "/") const { return "http://127.0.0.1:" + std::to_string(port_) + path; }

  std::vector<std::string> requests();  ///< Whole ones, in the order in which they came.
  std::vector<std::string> bodies();    ///< Of these.
  std::size_t arrived();                ///< How many.
  void forget();                        ///< What has arrived.

 private:
  struct Connection;
  SteadyTime step(SteadyTime now, std::vector<pollfd>& waits) override;
  bool serve(Connection& connection);

  const Reply reply_;
  std::uint16_t port_ = 0;
  Socket listening_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::string> requests_;
};

}  // namespace weir::tests
