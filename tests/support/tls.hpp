// Certificates good and bad, made by openssl, and its server that shows them.
#pragma once
#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child.hpp"
#include "tests/support/temporary_folder.hpp"

namespace weir::tests {

/// `path("NAME.pem")` and `path("NAME.key")` of what was made under that name. All are for one host.
class Certificates {
 public:
  std::string path(const std::string& file) const { return folder_.path(file); }

  /// Vouches for itself, as an authority does, and who has none.
  void make(const std::string& name, const std::string& host = "localhost") const {
    auto words = asked_for(name, host);
    words.insert(words.end(),
                 {"-x509", "-days", "3650", "-addext", "subjectAltName=DNS:" + host, "-out", path(name + ".pem")});
    run(std::move(words));
  }
  /// Vouched for by another one. From when and until when it holds: `20260101000000Z`.
  void make_by(const std::string& authority, const std::string& name, const std::string& host = "localhost",
               const std::string& from = "20200101000000Z", const std::string& until = "21000101000000Z") const {
    auto words = asked_for(name, host);
    words.insert(words.end(), {"-out", path(name + ".csr")});
    run(std::move(words));
    folder_.file("index.txt", "");
    const auto config = folder_.file("ca.cnf", "[ca]\ndefault_ca = it\n[it]\ndatabase = " + path("index.txt") +
                                                   "\nnew_certs_dir = " + path("") +
                                                   "\nrand_serial = yes\ndefault_md = sha256\npolicy = any\n"
                                                   "[any]\ncommonName = supplied\n");
    const auto names = folder_.file("names.cnf", "subjectAltName=DNS:" + host + "\n");
    run({"openssl",    "ca",
         "-batch",     "-notext",
         "-config",    config,
         "-cert",      path(authority + ".pem"),
         "-keyfile",   path(authority + ".key"),
         "-in",        path(name + ".csr"),
         "-out",       path(name + ".pem"),
         "-startdate", from,
         "-enddate",   until,
         "-extfile",   names});
  }

 private:
  std::vector<std::string> asked_for(const std::string& name, const std::string& host) const {
    return {"openssl", "req",   "-newkey",     "ec",      "-pkeyopt",         "ec_paramgen_curve:prime256v1",
            "-nodes",  "-subj", "/CN=" + host, "-keyout", path(name + ".key")};
  }
  static void run(std::vector<std::string> words) {
    const auto end = Child(std::move(words)).end();
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
  }
  TemporaryFolder folder_;
};

/// `openssl s_server`, which shows a certificate and answers one connection after the other with a page about itself.
class TlsServer {
 public:
  TlsServer(const Certificates& certificates, const std::string& name, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"openssl",
                                   "s_server",
                                   "-accept",
                                   "127.0.0.1:0",
                                   "-www",
                                   "-cert",
                                   certificates.path(name + ".pem"),
                                   "-key",
                                   certificates.path(name + ".key")};
    words.insert(words.end(), more.begin(), more.end());
    server_ = std::make_unique<Child>(words);
    BOOST_REQUIRE(server_->saw_on_out("ACCEPT 127.0.0.1:"));
    BOOST_REQUIRE(server_->saw_on_out("\n"));
    const auto& out = server_->out();
    port_ = static_cast<std::uint16_t>(std::stoi(out.substr(out.find("ACCEPT 127.0.0.1:") + 17)));
  }
  std::uint16_t port() const { return port_; }
  std::string url(const std::string& host = "localhost") const {
    return "https://" + host + ":" + std::to_string(port_) + "/";
  }

 private:
  std::unique_ptr<Child> server_;
  std::uint16_t port_ = 0;
};

}  // namespace weir::tests
