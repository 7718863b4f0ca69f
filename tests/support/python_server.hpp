// Servers in Python, as other people write them.
#pragma once
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child.hpp"

namespace weir::tests {

/// One of tests/support/servers.py, by Debian's Python, which knows Debian's packages.
class PythonServer {
 public:
  explicit PythonServer(std::vector<std::string> words) {
    words.insert(words.begin(), {"/usr/bin/python3", std::string(WEIR_SOURCE_DIR) + "/tests/support/servers.py"});
    server_ = std::make_unique<Child>(std::move(words));
    BOOST_REQUIRE_MESSAGE(server_->saw_on_out("port "), server_->err());
    BOOST_REQUIRE(server_->saw_on_out("\n"));
  }
  std::string port() const {
    const auto& out = server_->out();
    return out.substr(5, out.find('\n') - 5);
  }
  std::string url(const std::string& path = {}) const { return "http://127.0.0.1:" + port() + path; }
  /// What it was asked.
  std::string end() {
    server_->signal(SIGTERM);
    return server_->end().out;
  }

 private:
  std::unique_ptr<Child> server_;
};

}  // namespace weir::tests
