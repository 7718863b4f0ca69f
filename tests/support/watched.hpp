// weir as built, with its admin port, and what a test looks at while it runs.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "tests/support/process.hpp"
#include "tests/support/weir.hpp"

namespace weir::tests {

/// Looks again and again until it holds; false after half a minute.
template <class Holds>
bool until(const Holds& holds) {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > patience) return false;
  }
  return true;
}

class Weir {
 public:
  /// `environment`: NAME=VALUE.
  explicit Weir(const std::string& file, std::vector<std::string> environment = {})
      : child_(weir_run({file, "--admin", "127.0.0.1:0"}), std::move(environment)) {
    admin_ = admin_port(child_);
  }
  int id() const { return child_.id(); }
  Child& child() { return child_; }
  /// Of the http_servers, which share an address.
  std::uint16_t port() { return port_of(child_); }
  std::uint16_t admin() const { return admin_; }
  std::string figure(const std::string& name) const { return weir::tests::figure(admin_, name); }
  /// Looks again and again until the figure is that; false after half a minute.
  bool comes_to(const std::string& name, const std::string& value) const {
    return until([&] { return figure(name) == value; });
  }
  /// Looks again and again until it has no more descriptors than that; false after half a minute.
  bool holds_at_most(std::size_t descriptors) const {
    return until([&] { return descriptors_of(id()) <= descriptors; });
  }
  /// Drains it; what it says must be that all is well.
  ChildEnd end() {
    BOOST_TEST(figure("weir_unaccounted_messages") == "0");
    child_.signal(SIGTERM);
    return child_.end();
  }

 private:
  Child child_;
  std::uint16_t admin_ = 0;
};

}  // namespace weir::tests
