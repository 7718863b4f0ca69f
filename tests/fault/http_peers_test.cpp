// HTTP calls as built, to servers that are wrong in what they are or in what they say: their certificates, their
// handshakes, their replies.
#include <functional>
#include <memory>

#include "tests/support/asking.hpp"
#include "tests/support/peer.hpp"
#include "tests/support/proxy.hpp"
#include "tests/support/tls.hpp"
#include "tests/support/upstream.hpp"
#include "tests/support/watched.hpp"

using namespace weir::tests;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(each_way_in_which_tls_fails_is_told_and_only_one_that_may_pass_is_tried_again) {
  const Certificates certificates;
  certificates.make("authority");
  certificates.make("stranger");
  certificates.make("alone");
  certificates.make_by("authority", "good");
  certificates.make_by("authority", "other", "other.test");
  certificates.make_by("authority", "expired", "localhost", "20000101000000Z", "20010101000000Z");
  certificates.make_by("authority", "early", "localhost", "20900101000000Z");
  certificates.make_by("stranger", "foreign");
  std::vector<std::unique_ptr<TlsServer>> servers;
  const auto showing = [&](const std::string& name, const std::vector<std::string>& more = {}) -> TlsServer& {
    servers.push_back(std::make_unique<TlsServer>(certificates, name, more));
    return *servers.back();
  };
  const auto& good = showing("good");
  Peer plain([](Peer::Connection& connection) {
    connection.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    connection.wait_for_end();
  });
  const auto at = [](std::uint16_t port, const std::string& scheme = "https") {
    return scheme + "://localhost:" + std::to_string(port) + "/";
  };
  Line broken, hole;
  broken.reset_after = 10;
  hole.silent = true;
  Proxy breaks(good.port(), broken), silent(good.port(), hole);

  struct Wrong {
    std::string name, url;
    int status;
    std::string kind, text;
    int attempts;
  };
  const std::vector<Wrong> wrongs{
      {"other_name", showing("other").url(), 502, "tls", "SSL: no alternative certificate subject name matches", 1},
      {"expired", showing("expired").url(), 502, "tls", "SSL certificate problem: certificate has expired", 1},
      {"early", showing("early").url(), 502, "tls", "SSL certificate problem: certificate is not yet valid", 1},
      {"alone", showing("alone").url(), 502, "tls", "SSL certificate problem: self-signed certificate", 1},
      {"foreign", showing("foreign").url(), 502, "tls", "SSL certificate problem: unable to get local issuer", 1},
      {"unshown",
       showing("good", {"-Verify", "1", "-verify_return_error", "-CAfile", certificates.path("authority.pem")}).url(),
       502, "tls", "", 1},
      {"plain", at(plain.port()), 502, "tls", "", 1},
      {"secret", at(good.port(), "http"), 502, "io", "", 3},
      {"breaks", at(breaks.port()), 502, "connect", "", 3},
      {"silent", at(silent.port()), 504, "timeout", "no connection after 200ms", 3},
  };
  const TemporaryFolder folder;
  std::string yaml = "stages:\n";
  for (const auto& wrong : wrongs) {
    yaml += "  ask_" + wrong.name + ": {http_server: {listen: '127.0.0.1:0', path: /" + wrong.name + "}}\n" +  //
            "  call_" + wrong.name + ": {from: ask_" + wrong.name + ", http: {post: '" + wrong.url +
            "', connect_timeout: 200ms, tls: {ca: '" + certificates.path("authority.pem") + "'}}, " +
            "retry: {attempts: 3, backoff: 1ms..5ms, budget: 100%}, " +
            "breaker: {failures: 3, recover_after: 1m, when_open: fail}}\n" +  //
            "  told_" + wrong.name + ": {from: call_" + wrong.name + ", reply: {}}\n";
  }
  yaml += "  failed: {from: any.failed, file: {append: '" + folder.path("failed.ndjson") + "', format: envelope}}\n";
  Weir weir(folder.file("p.yaml", yaml));
  const auto port = weir.port();
  for (const auto& wrong : wrongs) {
    // Three failures open the breaker, whether they are tries of one message or of three.
    const auto request = asking("/" + wrong.name, wrong.name);
    for (int call = 0; call < 3; call += wrong.attempts) {
      const auto told = ask_at_once(port, {request}).front();
      BOOST_TEST(told.status == wrong.status, wrong.name << ": " << told.status);
    }
    const auto told = ask_at_once(port, {request}).front();
    BOOST_TEST(told.status == 503, wrong.name << ": " << told.status);
    BOOST_TEST(contains(told.head, "etry-after: 60\r\n"), told.head);
  }
  const auto end = weir.end();
  BOOST_TEST(end.code == 0, end.err);

  const auto failed = text_of(folder.path("failed.ndjson"));
  for (const auto& wrong : wrongs) {
    const auto begin =
        "{\"failed\":{\"kind\":\"" + wrong.kind + "\",\"stage\":\"call_" + wrong.name + "\",\"text\":\"" + wrong.text;
    const auto first = failed.find(begin);
    BOOST_TEST_REQUIRE(first != std::string::npos, begin << " is not in " << failed);
    const auto line = failed.substr(first, failed.find('\n', first) - first);
    BOOST_TEST(contains(line, "\"attempts\":" + std::to_string(wrong.attempts) + "}"), line);
  }
}

namespace {

std::string reply_of(const std::string& status, const std::string& fields = {}, const std::string& body = {}) {
  return "HTTP/1.1 " + status + "\r\ncontent-length: " + std::to_string(body.size()) + "\r\n" + fields + "\r\n" + body;
}
/// The first request is answered with `begin`, and then with `more` without an end.
std::function<void(Peer::Connection&)> endless(const std::string& begin, const std::string& more) {
  return [begin, more](Peer::Connection& connection) {
    if (!connection.request() || !connection.send(begin)) return;
    std::string many;
    while (many.size() < 16 * 1024) many += more;
    while (connection.send(many)) {
    }
  };
}

}  // namespace

BOOST_AUTO_TEST_CASE(whatever_a_server_says_the_asker_is_told_in_time_and_memory_is_bounded) {
  struct Hostile {
    std::string name;
    std::function<void(Peer::Connection&)> script;
    std::string keys;  ///< Of the call.
    int status = 0;    ///< What the asker is told.
    std::string kind, text;
  };
  const std::string soon = ", timeout: 500ms", large(4 * 1024 * 1024, 'x');
  const std::vector<Hostile> hostiles{
      {"continues", endless("", "HTTP/1.1 100 Continue\r\n\r\n"), "", 502, "size",
       "the head of the reply is larger than 256KiB"},
      {"hints", endless("", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"), "", 502, "size",
       "the head of the reply is larger than 256KiB"},
      {"headers", endless("HTTP/1.1 200 OK\r\n", "x: y\r\n"), "", 502, "size",
       "the head of the reply is larger than 256KiB"},
      {"one_header", endless("HTTP/1.1 200 OK\r\nx: ", "y"), "", 502, "size",
       "a line in the head of the reply is too long"},
      {"trailers", endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", "x: y\r\n"), "", 502,
       "size", "the head of the reply is larger than 256KiB"},
      {"extension", endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", "x"), soon, 504, "timeout",
       "it took longer than 500ms"},
      {"chunks", endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\na\r\n"), ", timeout: 20s", 502,
       "size", "the reply is larger than 100KiB"},
      {"endless", endless("HTTP/1.1 200 OK\r\n\r\n", "x"), "", 502, "size", "the reply is larger than 100KiB"},
      {"early",
       [](Peer::Connection& connection) {
         connection.send(reply_of("413 Payload Too Large", "connection: close\r\n"));
         connection.wait_for_end();
       },
       "", 413, "", ""},
      {"ancient", sends("hello"), "", 502, "io", "what the server says is no HTTP"},
      {"loop", replies([](const std::string&) { return reply_of("307 Go", "location: /again\r\n"); }), "", 502,
       "status", "answered 307 after 5 redirects"},
      {"far", replies([](const std::string&) { return reply_of("302 Go", "location: gopher://x/\r\n"); }), "", 502,
       "status", "it redirects to what is neither http:// nor https://"},
      {"a_year", replies([](const std::string&) { return reply_of("503 No", "retry-after: 31536000\r\n"); }),
       ", retry: {attempts: 3, backoff: 1ms..2ms}, deadline: 1s", 502, "status", "answered 503 Service Unavailable"},
      {"the_past",
       replies([](const std::string&) { return reply_of("503 No", "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n"); }),
       ", retry: {attempts: 3, backoff: 1ms..2ms}", 502, "status", "answered 503 Service Unavailable"},
      {"at_once", replies([](const std::string&) { return reply_of("429 No", "retry-after: 0\r\n"); }),
       ", retry: {attempts: 3, backoff: 1ms..2ms}", 502, "status", "answered 429 Too Many Requests"},
      {"strange",
       replies([](const std::string&) { return reply_of("299 What", "x-latin: caf\xe9\r\nx-empty:\r\n", "\xff\xfe"); }),
       "", 299, "", ""},
      {"packed", replies([](const std::string&) { return reply_of("200 OK", "content-encoding: nonsense\r\n", "x"); }),
       "", 200, "", ""},
      {"beyond", replies([](const std::string&) { return reply_of("799 What", "", "x"); }), "", 502, "status",
       "answered 799"},
      {"switch", replies([](const std::string&) { return reply_of("101 Switching Protocols", "upgrade: x\r\n"); }),
       soon, 504, "timeout", "it took longer than 500ms"},
  };
  const TemporaryFolder folder;
  std::vector<std::unique_ptr<Peer>> peers;
  std::string yaml = "stages:\n";
  for (const auto& one : hostiles) {
    peers.push_back(std::make_unique<Peer>(one.script));
    yaml += "  ask_" + one.name + ": {http_server: {listen: '127.0.0.1:0', path: /" + one.name +
            ", max_body: 8MiB}}\n" +  //
            "  call_" + one.name + ": {from: ask_" + one.name + ", http: {forward: '" + peers.back()->url() +
            "', redirects: 5, max_body: 100KiB}" + one.keys + "}\n" +  //
            "  told_" + one.name + ": {from: call_" + one.name +
            ", reply: {status: '{{ result.status }}', headers: '{{ result.headers }}'}}\n";
  }
  yaml += "  failed: {from: any.failed, file: {append: '" + folder.path("failed.ndjson") + "', format: envelope}}\n";
  Weir weir(folder.file("p.yaml", yaml));
  const auto port = weir.port();
  for (const auto& one : hostiles) {
    const auto told = ask_at_once(port, {asking("/" + one.name, one.name == "early" ? large : one.name)}).front();
    BOOST_TEST(told.status == one.status, one.name << ": " << told.status << " " << told.head << told.body);
    if (one.status == 502) BOOST_TEST(told.body == "who was asked for it gave no good answer\n", one.name << told.body);
    if (one.name == "strange") BOOST_TEST(told.body == "\xff\xfe");
    if (one.name == "a_year") BOOST_TEST(contains(told.head, "etry-after: 31536000\r\n"), told.head);
  }
  if (as_released) BOOST_TEST(resident_kib_of(weir.id()) < 100 * 1024U);
  const auto end = weir.end();
  BOOST_TEST(end.code == 0, end.err);
  const auto failed = text_of(folder.path("failed.ndjson"));
  for (std::size_t i = 0; i < hostiles.size(); ++i) {
    const auto& one = hostiles[i];
    const auto begin =
        "{\"failed\":{\"kind\":\"" + one.kind + "\",\"stage\":\"call_" + one.name + "\",\"text\":\"" + one.text;
    if (!one.kind.empty()) BOOST_TEST(contains(failed, begin), begin << " is not in " << failed);
    if (contains(one.keys, "backoff") && one.name != "a_year") BOOST_TEST(peers[i]->requests().size() == 3U, one.name);
  }
}
