// The HTTP client against servers on 127.0.0.1, good ones and bad ones.
#include "engine/io/http_client.hpp"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/address.hpp"
#include "engine/io/compress.hpp"
#include "engine/io/http_server.hpp"
#include "engine/runtime/real.hpp"
#include "engine/runtime/wait.hpp"
#include "tests/runtime/on_core.hpp"
#include "tests/support/peer.hpp"
#include "tests/support/proxy.hpp"
#include "tests/support/python_server.hpp"
#include "tests/support/tls.hpp"

namespace {

/// The name server, as far as this program asks it: it never answers for `slow.test` until it is let go.
struct Names {
  std::mutex mutex;
  std::condition_variable news;
  int asked = 0, waiting = 0;
  bool held = true;

  static Names& all() {
    static Names names;
    return names;
  }
  void wait() {
    std::unique_lock lock(mutex);
    ++asked;
    ++waiting;
    news.notify_all();
    news.wait(lock, [this] { return !held; });
    --waiting;
    news.notify_all();
  }
  int asked_for() {
    const std::lock_guard lock(mutex);
    return asked;
  }
  void let_go() {
    std::unique_lock lock(mutex);
    held = false;
    news.notify_all();
    news.wait(lock, [this] { return waiting == 0; });
  }
};

}  // namespace

// libcurl calls this one: a program's own function goes before a library's.
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
  using Function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  if (name && std::strcmp(name, "slow.test") == 0) {
    Names::all().wait();
    return EAI_AGAIN;
  }
  if (name && std::strcmp(name, "nobody.test") == 0) return EAI_NONAME;
  return real(name, service, hints, found);
}

namespace {

using namespace weir;
using namespace std::chrono_literals;
using namespace std::string_literals;
using io::HttpCall;
using io::HttpClient;
using io::HttpClientOptions;
using io::HttpReply;
using runtime::Core;
using runtime::Task;
using tests::Peer;
using tests::replies;
using tests::sends;

HttpCall get(std::string url) {
  HttpCall call;
  call.url = std::move(url);
  return call;
}
HttpCall send(std::string method, std::string url, std::string_view body) {
  HttpCall call = get(std::move(url));
  call.method = std::move(method);
  call.body = body;
  return call;
}

Task<> make(Core& core, HttpClientOptions options, std::vector<HttpCall> calls, std::vector<HttpReply>& into) {
  HttpClient client(core, std::move(options));
  for (auto& call : calls) {
    HttpReply reply = co_await client.call(std::move(call));
    BOOST_TEST(client.calls() == 0U);
    into.push_back(std::move(reply));
  }
}

/// One after the other, by one client.
std::vector<HttpReply> ask(std::vector<HttpCall> calls, HttpClientOptions options = {}) {
  std::vector<HttpReply> got;
  runtime::on_core([&](Core& core) { return make(core, options, std::move(calls), got); });
  return got;
}
HttpReply ask(HttpCall call, HttpClientOptions options = {}) {
  std::vector<HttpCall> calls;
  calls.push_back(std::move(call));
  return std::move(ask(std::move(calls), std::move(options)).at(0));
}

std::string kind(const HttpReply& reply) {
  return reply.failure ? std::string(word(reply.failure->reason)) : "no failure";
}
std::string why(const HttpReply& reply) { return kind(reply) + (reply.failure ? ": " + reply.failure->text : ""); }
std::string shown(const io::HttpFields& headers) {
  std::string text;
  for (const auto& [name, value] : headers) text += name + "=" + value + ";";
  return text;
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string ok(const std::string& body, const std::string& fields = {}, const std::string& status = "200 OK") {
  return "HTTP/1.1 " + status + "\r\ncontent-length: " + std::to_string(body.size()) + "\r\n" + fields + "\r\n" + body;
}
std::string gzip(const std::string& bytes) {
  std::string out;
  io::compress(io::Compression::gzip, bytes, out);
  return out;
}
std::string without_chunks(const std::string& body) {
  std::string whole;
  for (std::size_t at = 0;;) {
    const auto size = std::strtoull(body.c_str() + at, nullptr, 16);
    if (size == 0) return whole + body.substr(at);
    at = body.find("\r\n", at) + 2;
    whole += body.substr(at, size);
    at += size + 2;
  }
}
/// The first line, and the body.
std::string line_and_body(const std::string& request) {
  return request.substr(0, request.find("\r\n")) + "|" + request.substr(request.find("\r\n\r\n") + 4);
}

}  // namespace

// --------------------------------------------------------------------------------------------------- request and reply

BOOST_AUTO_TEST_CASE(a_reply_is_its_status_its_headers_and_its_body) {
  Peer peer(replies([](const std::string&) {
    return ok("hello", "X-Mixed-Case:  some value \r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\n");
  }));
  const auto reply = ask(get(peer.url("/path?query=1#fragment")));
  BOOST_TEST(why(reply) == "no failure");
  BOOST_TEST(reply.status == 200);
  BOOST_TEST(shown(reply.headers) == "content-length=5;x-mixed-case=some value;set-cookie=a=1;set-cookie=b=2;");
  BOOST_TEST(reply.body == "hello");
  BOOST_TEST((reply.time > 0ns && reply.time < 20s));
  BOOST_TEST(peer.requests().at(0).starts_with("GET /path?query=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
}

BOOST_AUTO_TEST_CASE(each_method_sends_what_it_is_given_and_no_more) {
  Peer peer(replies([](const std::string& request) {
    return request.starts_with("HEAD") ? "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n" : ok("x");
  }));
  std::vector<HttpCall> calls;
  for (const auto* method : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"}) {
    calls.push_back(get(peer.url()));
    calls.back().method = method;
  }
  for (const auto* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    calls.push_back(send(method, peer.url(), "body"));
  }
  const std::string large(3'000'000, 'x');
  calls.push_back(send("POST", peer.url("/large"), large));
  for (const auto& reply : ask(std::move(calls))) BOOST_TEST(why(reply) == "no failure");
  const auto requests = peer.requests();
  std::vector<std::string> seen;
  for (std::size_t i = 0; i + 1 < requests.size(); ++i) seen.push_back(line_and_body(requests[i]));
  const std::vector<std::string> expected{"GET / HTTP/1.1|",       "HEAD / HTTP/1.1|",    "POST / HTTP/1.1|",
                                          "PUT / HTTP/1.1|",       "PATCH / HTTP/1.1|",   "DELETE / HTTP/1.1|",
                                          "OPTIONS / HTTP/1.1|",   "REPORT / HTTP/1.1|",  "GET / HTTP/1.1|body",
                                          "POST / HTTP/1.1|body",  "PUT / HTTP/1.1|body", "PATCH / HTTP/1.1|body",
                                          "DELETE / HTTP/1.1|body"};
  BOOST_TEST(seen == expected, boost::test_tools::per_element());
  BOOST_TEST((line_and_body(requests.back()) == "POST /large HTTP/1.1|" + large));
  BOOST_TEST(!has(requests.back(), "Expect:"));  // A server that does not know it costs a second.
  BOOST_TEST(has(requests.at(2), "Content-Length: 0\r\n"));
  BOOST_TEST(!has(requests.at(9), "Content-Type:"));
  BOOST_TEST(peer.connections() == 1);
}

BOOST_AUTO_TEST_CASE(a_body_is_sent_in_chunks_where_the_call_says_so) {
  Peer peer(replies([](const std::string&) { return ok("x"); }));
  const std::string large(3'000'000, 'x');
  std::vector<HttpCall> calls;
  for (const auto* method : {"POST", "PUT", "PATCH", "DELETE", "GET"}) {
    calls.push_back(send(method, peer.url(), "body"));
  }
  calls.push_back(send("POST", peer.url(), ""));
  calls.push_back(send("PUT", peer.url("/large"), large));
  for (auto& call : calls) call.chunked = true;
  // One without a body has nothing to send so.
  calls.push_back(get(peer.url("/none")));
  calls.back().chunked = true;
  calls.push_back(send("POST", peer.url("/sized"), "body"));
  for (const auto& reply : ask(std::move(calls))) BOOST_TEST(why(reply) == "no failure");
  const auto requests = peer.requests();
  BOOST_REQUIRE(requests.size() == 9U);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    BOOST_TEST(has(requests[i], "\r\nTransfer-Encoding: chunked\r\n") == (i < 7), requests[i].substr(0, 200));
    BOOST_TEST(has(requests[i], "\r\nContent-Length:") == (i == 8), requests[i].substr(0, 200));
    BOOST_TEST(!has(requests[i], "\r\nExpect:"));
  }
  std::vector<std::string> seen;
  for (std::size_t i = 0; i < 6; ++i) seen.push_back(line_and_body(requests[i]));
  const std::vector<std::string> expected{
      "POST / HTTP/1.1|4\r\nbody\r\n0\r\n\r\n",  "PUT / HTTP/1.1|4\r\nbody\r\n0\r\n\r\n",
      "PATCH / HTTP/1.1|4\r\nbody\r\n0\r\n\r\n", "DELETE / HTTP/1.1|4\r\nbody\r\n0\r\n\r\n",
      "GET / HTTP/1.1|4\r\nbody\r\n0\r\n\r\n",   "POST / HTTP/1.1|0\r\n\r\n"};
  BOOST_TEST(seen == expected, boost::test_tools::per_element());
  BOOST_TEST((without_chunks(requests[6].substr(requests[6].find("\r\n\r\n") + 4)) == large + "0\r\n\r\n"));
  BOOST_TEST(line_and_body(requests[7]) == "GET /none HTTP/1.1|");
  BOOST_TEST(peer.connections() == 1);
}

BOOST_AUTO_TEST_CASE(what_was_sent_in_chunks_is_sent_again_in_chunks) {
  // Each connection answers what it is asked first, so that it is kept.
  Peer peer([](Peer::Connection& connection) {
    if (connection.request()) connection.answer("x");
    connection.request();
  });
  const std::string large(300'000, 'x');
  for (const auto& [method, body] : {std::pair("PUT", std::string("body")), {"PUT", large}, {"POST", large}}) {
    std::vector<HttpCall> calls;
    calls.push_back(get(peer.url()));
    calls.push_back(send(method, peer.url("/second"), body));
    calls.back().chunked = true;
    const auto before = peer.requests().size();
    const auto got = ask(std::move(calls));
    BOOST_TEST(why(got.at(1)) ==
               (method == "PUT"s ? "no failure" : "io: the connection was closed before a reply began"));
    const auto requests = peer.requests();
    BOOST_REQUIRE(requests.size() == before + (method == "PUT"s ? 3 : 2));
    for (auto i = before + 1; i < requests.size(); ++i) {
      BOOST_TEST(has(requests[i], "\r\nTransfer-Encoding: chunked\r\n"));
      BOOST_TEST((without_chunks(requests[i].substr(requests[i].find("\r\n\r\n") + 4)) == body + "0\r\n\r\n"));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_redirect_is_followed_in_chunks_while_there_is_a_body) {
  Peer peer(replies([](const std::string& request) {
    if (request.starts_with("POST /same ")) return ok("", "location: /to\r\n", "307 Temporary Redirect");
    if (request.starts_with("POST /to ")) return ok("", "location: /seen\r\n", "303 See Other");
    return ok("seen");
  }));
  auto call = send("POST", peer.url("/same"), "body");
  call.chunked = true;
  BOOST_TEST(ask(std::move(call)).body == "seen");
  const auto requests = peer.requests();
  BOOST_REQUIRE(requests.size() == 3U);
  BOOST_TEST(line_and_body(requests[1]) == "POST /to HTTP/1.1|4\r\nbody\r\n0\r\n\r\n");
  BOOST_TEST(line_and_body(requests[2]) == "GET /seen HTTP/1.1|");
  BOOST_TEST(!has(requests[2], "Transfer-Encoding"));
}

BOOST_AUTO_TEST_CASE(chunks_are_sent_by_no_connection_that_has_answered_in_http_1_0) {
  Peer peer(replies(
      [](const std::string&) { return "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx"s; }));
  int asked = 0;
  std::vector<HttpCall> calls;
  for (const bool chunked : {false, false, true, true}) {
    calls.push_back(send("POST", peer.url(), "body"));
    calls.back().chunked = chunked;
    calls.back().before_again = [&asked] { return ++asked, runtime::Time(); };
  }
  for (const auto& reply : ask(std::move(calls))) BOOST_TEST(why(reply) == "no failure");
  std::vector<std::string> seen;
  for (const auto& request : peer.requests()) seen.push_back(line_and_body(request));
  const std::vector<std::string> expected{"POST / HTTP/1.1|body", "POST / HTTP/1.0|body",
                                          "POST / HTTP/1.1|4\r\nbody\r\n0\r\n\r\n",
                                          "POST / HTTP/1.1|4\r\nbody\r\n0\r\n\r\n"};
  BOOST_TEST(seen == expected, boost::test_tools::per_element());
  BOOST_TEST(peer.connections() == 3);
  BOOST_TEST(asked == 0);  // Nothing had gone out.
}

BOOST_AUTO_TEST_CASE(robots_txt_is_asked_before_each_page_and_each_redirect) {
  Peer peer(replies([](const std::string& request) {
    if (request.starts_with("GET /robots.txt ")) return ok("user-agent: weirbot\ndisallow: /private\n");
    if (request.starts_with("GET /moved ")) return ok("", "location: /private/a\r\n", "302 Found");
    return ok("page");
  }));
  HttpClientOptions options;
  options.robots = "weirbot";
  const auto got = ask({get(peer.url("/a")), get(peer.url("/private/b")), get(peer.url("/moved"))}, options);
  BOOST_TEST(got.at(0).body == "page");
  BOOST_TEST(why(got.at(1)) == "robots: " + peer.url("/robots.txt") + " does not let 'weirbot' fetch it");
  BOOST_TEST(kind(got.at(2)) == "robots");
  std::vector<std::string> lines;
  for (const auto& request : peer.requests()) {
    lines.push_back(request.substr(0, request.find("\r\n")));
    BOOST_TEST(has(request, "User-Agent: weirbot\r\n"));
  }
  const std::vector<std::string> expected{"GET /robots.txt HTTP/1.1", "GET /a HTTP/1.1", "GET /moved HTTP/1.1"};
  BOOST_TEST(lines == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(headers_are_sent_as_they_are_given_and_weir_says_who_it_is) {
  Peer peer(replies([](const std::string&) { return ok(""); }));
  HttpCall call = get(peer.url());
  call.headers = {{"X-One", "1"}, {"x-empty", ""}, {"accept", "text/html"}, {"host", "example.org"}};
  HttpCall other = get(peer.url());
  other.headers = {{"user-agent", "me/2"}, {"accept-encoding", "identity"}};
  std::vector<HttpCall> calls;
  calls.push_back(std::move(call));
  calls.push_back(std::move(other));
  ask(std::move(calls));
  const auto requests = peer.requests();
  for (const auto* line : {"\r\nX-One: 1\r\n", "\r\nx-empty:\r\n", "\r\naccept: text/html\r\n",
                           "\r\nHost: example.org\r\n", "\r\nUser-Agent: weir/", "\r\nAccept-Encoding: gzip\r\n"}) {
    BOOST_TEST(has(requests.at(0), line), line << " in " << requests[0]);
  }
  BOOST_TEST(has(requests.at(1), "\r\nuser-agent: me/2\r\n"));
  BOOST_TEST(!has(requests.at(1), "weir/"));
  BOOST_TEST(has(requests.at(1), "\r\naccept-encoding: identity\r\n"));
}

BOOST_AUTO_TEST_CASE(what_would_make_a_second_request_or_none_is_refused_before_anything_is_sent) {
  const auto with = [](const std::string& name, const std::string& value) {
    HttpCall call = get("http://127.0.0.1:1/");
    call.headers = {{name, value}};
    return call;
  };
  BOOST_TEST(why(ask(with("a", "b\r\nc: d"))) == "type: the header 'a' would hold a line break or a NUL byte");
  BOOST_TEST(why(ask(with("a", std::string("b\0c", 3)))) ==
             "type: the header 'a' would hold a line break or a NUL byte");
  BOOST_TEST(why(ask(with("a b", "c"))) == "type: 'a b' can't be the name of a header");
  BOOST_TEST(why(ask(send("GET / HTTP/1.1\r\n", "http://127.0.0.1:1/", ""))) ==
             "type: 'GET / HTTP/1.1\r\n' is no HTTP method");
  BOOST_TEST(why(ask(send("CONNECT", "http://127.0.0.1:1/", ""))) ==
             "type: the method CONNECT is not for a client like this one");
  for (const auto* url : {"", "example.org", "ftp://example.org/", "file:///etc/passwd", "//example.org"}) {
    BOOST_TEST(why(ask(get(url))) == "type: the URL does not begin with http:// or https://");
  }
  for (const auto* url : {"http://", "http:///x", "https://?a", "http://#"}) {
    BOOST_TEST(why(ask(get(url))) == "type: the URL names no host");
  }
  for (const auto* url : {"http://127.0.0.1:99999/", "http://127.0.0.1:1/a\r\nb: c", "http://127.0.0.1:1/a b"}) {
    BOOST_TEST(kind(ask(get(url))) == "type", url);
  }
}

BOOST_AUTO_TEST_CASE(only_the_last_head_counts_not_a_continue_or_a_hint_before_it) {
  Peer peer(sends("HTTP/1.1 100 Continue\r\nx-early: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" +
                  ok("done", "x-late: 1\r\n", "201 Created")));
  const auto reply = ask(send("POST", peer.url(), "x"));
  BOOST_TEST(reply.status == 201);
  BOOST_TEST(shown(reply.headers) == "content-length=4;x-late=1;");
  BOOST_TEST(reply.body == "done");
}

BOOST_AUTO_TEST_CASE(chunks_are_joined_and_what_comes_behind_them_is_no_header) {
  Peer peer(
      sends("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n"
            "x-behind: 1\r\n\r\n"));
  const auto reply = ask(get(peer.url()));
  BOOST_TEST(why(reply) == "no failure");
  BOOST_TEST(shown(reply.headers) == "");
  BOOST_TEST(reply.body == "hello world");
}

// --------------------------------------------------------------------------------------------------------- connections

BOOST_AUTO_TEST_CASE(a_length_beside_chunks_is_not_that_of_the_body) {
  Peer peer(sends("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
  const auto reply = ask(get(peer.url()));
  BOOST_TEST(why(reply) == "no failure");
  BOOST_TEST(reply.body == "hello");
  BOOST_TEST(reply.headers.empty());
}

BOOST_AUTO_TEST_CASE(connections_are_kept_and_one_that_was_closed_meanwhile_costs_nothing) {
  Peer peer([](Peer::Connection& connection) {
    // Two requests each, and the connection goes without a word.
    for (int i = 0; i < 2; ++i) {
      if (connection.request()) connection.answer(std::to_string(connection.number()));
    }
  });
  std::vector<HttpCall> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(get(peer.url()));
  std::string seen;
  for (const auto& reply : ask(std::move(calls))) seen += why(reply) + " " + reply.body + ";";
  BOOST_TEST(seen == "no failure 1;no failure 1;no failure 2;no failure 2;no failure 3;");
  BOOST_TEST(peer.requests().size() == 5U);
}

BOOST_AUTO_TEST_CASE(what_a_kept_connection_has_swallowed_is_sent_again_once_and_only_if_that_is_harmless) {
  for (const auto& [method, sendings] : {std::pair("GET", 2), {"PUT", 2}, {"POST", 1}, {"PATCH", 1}}) {
    // Each connection answers what it is asked first, so that it is kept.
    Peer peer([](Peer::Connection& connection) {
      if (connection.request()) connection.answer("x");
      connection.request();
    });
    std::vector<HttpReply> got;
    const auto two_kept = [&](Core& core) -> Task<> {
      HttpClient client(core, {});
      HttpCall first = get(peer.url()), second = send(method, peer.url("/second"), "x");
      HttpReply reply = co_await client.call(std::move(first));
      got.push_back(std::move(reply));
      reply = co_await client.call(std::move(second));
      got.push_back(std::move(reply));
    };
    runtime::on_core(two_kept);
    const auto requests = peer.requests();
    BOOST_TEST(std::count_if(requests.begin(), requests.end(),
                             [](const std::string& request) { return has(request, " /second "); }) == sendings,
               method);
    BOOST_TEST(why(got.at(1)) == (sendings == 2 ? "no failure" : "io: the connection was closed before a reply began"),
               method);
  }
}

BOOST_AUTO_TEST_CASE(whoever_counts_how_often_a_server_is_asked_is_asked_before_it_is_asked_again) {
  using Clock = std::chrono::steady_clock;
  for (const auto& [method, counted] : {std::pair("GET", 1), {"PUT", 1}, {"POST", 0}}) {
    std::mutex mutex;
    std::vector<Clock::time_point> seconds;
    Peer peer([&](Peer::Connection& connection) {
      while (const auto request = connection.request()) {
        if (has(*request, " /second ")) {
          const std::lock_guard lock(mutex);
          seconds.push_back(Clock::now());
          if (seconds.size() == 1) return;
        }
        connection.answer("x");
      }
    });
    int asked = 0;
    HttpReply got;
    const auto two_kept = [&](Core& core) -> Task<> {
      HttpClient client(core, {});
      HttpCall first = get(peer.url()), second = send(method, peer.url("/second"), "x");
      second.before_again = [&] {
        ++asked;
        return core.now() + 300ms;
      };
      got = co_await client.call(std::move(first));
      got = co_await client.call(std::move(second));
    };
    runtime::on_core(two_kept);
    BOOST_TEST(asked == counted, method);
    BOOST_TEST(why(got) == (counted == 1 ? "no failure" : "io: the connection was closed before a reply began"));
    BOOST_TEST(seconds.size() == 1U + static_cast<std::size_t>(counted), method);
    if (counted == 1) BOOST_TEST((seconds.back() - seconds.front() >= 300ms));
  }
}

BOOST_AUTO_TEST_CASE(however_often_a_server_closes_kept_connections_what_is_harmless_is_answered) {
  Peer peer([](Peer::Connection& connection) {
    if (connection.request()) connection.answer("x");
    connection.request();
  });
  int answered = 0;
  const auto many = [&](Core& core) -> Task<> {
    HttpClient client(core, {});
    for (int i = 0; i < 30; ++i) {
      HttpCall call = get(peer.url());
      const HttpReply reply = co_await client.call(std::move(call));
      answered += why(reply) == "no failure";
    }
  };
  runtime::on_core(many);
  BOOST_TEST(answered == 30);
}

namespace {

Task<io::HttpResponse> echo(io::HttpRequest request) {
  co_return io::HttpResponse(200, "text/plain", request.path + " " + request.body);
}

/// Many calls at once, from one client to one server, both on core 0.
class Crowd {
 public:
  Crowd(Core& core, HttpClient& client, std::string url, int many, int rounds)
      : core_(core), client_(client), url_(std::move(url)), many_(many), rounds_(rounds), all_(core) {}

  Task<> run() {
    for (int i = 0; i < many_; ++i) {
      coroutines_.push_back(core_.spawn(one(*this, i), [this](std::exception_ptr) {
        if (++ended_ == many_) all_.wake();
      }));
    }
    co_await all_.wait();
  }
  int good = 0;

 private:
  static Task<> one(Crowd& crowd, int number) {
    for (int round = 0; round < crowd.rounds_; ++round) {
      const std::string body = std::to_string(number * 1000 + round);
      HttpCall call = send("POST", crowd.url_ + std::to_string(number), body);
      HttpReply reply = co_await crowd.client_.call(std::move(call));
      crowd.good += reply.body == "/" + std::to_string(number) + " " + body;
      if (reply.failure) BOOST_TEST_MESSAGE(why(reply));
    }
  }
  Core& core_;
  HttpClient& client_;
  const std::string url_;
  const int many_, rounds_;
  int ended_ = 0;
  runtime::Waiter all_;
  std::vector<std::unique_ptr<runtime::Coroutine>> coroutines_;
};

Task<> crowd_and_server(Core& core, std::size_t& connections, int& good) {
  io::HttpServer server(core, {}, echo);
  const auto port = server.listen("127.0.0.1", 0);
  {
    HttpClient client(core, {});
    Crowd crowd(core, client, "http://127.0.0.1:" + std::to_string(port) + "/", 64, 20);
    co_await crowd.run();
    connections = server.connections();
    good = crowd.good;
  }
  server.close();
  co_await server.closed();
}

/// What a call brings that is stopped as soon as this does not hold any more.
std::vector<HttpReply> stopped(HttpCall call, const std::function<bool()>& goes_on) {
  std::vector<HttpReply> got;
  const auto runtime = runtime::make_real({});
  std::unique_ptr<runtime::Coroutine> calling;
  std::vector<HttpCall> calls;
  calls.push_back(std::move(call));
  const std::function<void()> look = [&] {
    if (goes_on()) {
      runtime->core(0).post(look);
    } else {
      calling->stop();
    }
  };
  runtime->run([&] {
    calling = runtime->core(0).spawn(make(runtime->core(0), {}, std::move(calls), got),
                                     [&](std::exception_ptr) { runtime->stop(); });
    runtime->core(0).post(look);
  });
  return got;
}

}  // namespace

BOOST_AUTO_TEST_CASE(many_calls_at_once_share_as_many_connections_as_there_are_calls) {
  std::size_t connections = 0;
  int good = 0;
  runtime::on_core([&](Core& core) { return crowd_and_server(core, connections, good); });
  BOOST_TEST(good == 64 * 20);
  BOOST_TEST(connections <= 64U);
}

BOOST_AUTO_TEST_CASE(a_call_that_is_stopped_leaves_nothing_behind) {
  Peer peer([](Peer::Connection& connection) {
    if (!connection.request()) return;
    connection.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    connection.wait_for_end();
  });
  const auto got = stopped(get(peer.url()), [&] { return peer.requests().empty(); });  // Until it has arrived.
  BOOST_TEST(got.empty());
  peer.end();
  BOOST_TEST(peer.left() == 1);
}

// ------------------------------------------------------------------------------------------------------- what is large

BOOST_AUTO_TEST_CASE(a_compressed_reply_is_read_as_what_it_was) {
  const std::string text(100'000, 'x');
  Peer peer(replies([&](const std::string&) { return ok(gzip(text), "Content-Encoding: gzip\r\nx: y\r\n"); }));
  const auto reply = ask(get(peer.url()));
  BOOST_TEST(why(reply) == "no failure");
  BOOST_TEST((reply.body == text));
  BOOST_TEST(shown(reply.headers) == "x=y;");
}

BOOST_AUTO_TEST_CASE(a_compressed_reply_that_is_cut_short_fails_and_one_of_several_members_is_whole) {
  const std::string text = "all of it, and more than that";
  const auto packed = gzip(text);
  const auto asked = [](const std::string& bytes) {
    Peer peer(sends(ok(bytes, "Content-Encoding: gzip\r\n")));
    const auto reply = ask(get(peer.url()));
    return why(reply) == "no failure" ? reply.body : why(reply);
  };
  for (const std::size_t left : {packed.size() - 1, packed.size() / 2, std::size_t{5}}) {
    BOOST_TEST(asked(packed.substr(0, left)) == "io: the compressed reply is cut short");
  }
  BOOST_TEST(asked(packed + gzip("!")) == text + "!");
  BOOST_TEST(asked(packed + std::string(512, '\0')) == text);
  BOOST_TEST(asked(packed + "more") == "io: the compressed reply is damaged");
}

BOOST_AUTO_TEST_CASE(a_part_and_what_is_compressed_otherwise_is_taken_as_it_came) {
  Peer peer(replies([](const std::string& request) {
    if (has(request, "\r\nRange:")) {
      return std::string("HTTP/1.1 206 Partial Content\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\npart");
    }
    return ok("brotli", "Content-Encoding: br\r\n");
  }));
  auto call = get(peer.url());
  call.headers = {{"Range", "bytes=0-3"}};
  const auto part = ask(std::move(call));
  BOOST_TEST(why(part) == "no failure");
  BOOST_TEST(part.body == "part");
  BOOST_TEST(has(shown(part.headers), "content-encoding=gzip;"));
  BOOST_TEST(!has(peer.requests().at(0), "Accept-Encoding"));
  const auto other = ask(get(peer.url()));
  BOOST_TEST(other.body == "brotli");
  BOOST_TEST(has(shown(other.headers), "content-encoding=br;"));
}

BOOST_AUTO_TEST_CASE(what_is_compressed_for_its_way_is_refused) {
  Peer peer(sends("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"));
  BOOST_TEST(kind(ask(get(peer.url()))) == "decode");
}

BOOST_AUTO_TEST_CASE(members_that_hold_nothing_come_to_an_end) {
  std::string empty;
  while (empty.size() < 200'000) empty += gzip("");
  HttpClientOptions options;
  options.max_body = 100'000;
  Peer peer(sends("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + empty));
  BOOST_TEST(why(ask(get(peer.url()), options)) == "size: the reply is larger than 100000B");
}

BOOST_AUTO_TEST_CASE(who_says_two_lengths_has_said_none) {
  for (const auto* lengths : {"3\r\ncontent-length: 5", "5x", "3, 5", "-1", "", "5\r\n 6"}) {
    Peer peer(sends(std::string("HTTP/1.1 200 OK\r\ncontent-length: ") + lengths + "\r\n\r\nhello"));
    const auto reply = ask(get(peer.url()));
    BOOST_TEST(kind(reply) == "io", lengths << " gave " << why(reply));
  }
  Peer peer(sends("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello"));
  BOOST_TEST(why(ask(get(peer.url()))) == "no failure");
}

BOOST_AUTO_TEST_CASE(a_reply_larger_than_it_may_be_fails_and_is_not_read_to_its_end) {
  HttpClientOptions options;
  options.max_body = 100'000;
  const std::string more(100'001, 'x'), just(100'000, 'x');
  for (const auto& [bytes, expected] : {
           std::pair(ok(just), "no failure"),
           std::pair(ok(more), "size: the reply is larger than 100000B"),
           std::pair("HTTP/1.1 200 OK\r\n\r\n" + more, "size: the reply is larger than 100000B"),
           std::pair(ok(gzip(just), "content-encoding: gzip\r\n"), "no failure"),
           std::pair(ok(gzip(more), "content-encoding: gzip\r\n"), "size: the reply is larger than 100000B"),
           std::pair(std::string("HTTP/1.1 200 OK\r\ncontent-length: 123456789012\r\n\r\nx"),
                     "size: the reply is larger than 100000B"),
       }) {
    Peer peer(sends(bytes));
    const auto reply = ask(get(peer.url()), options);
    BOOST_TEST(why(reply) == expected);
    BOOST_TEST(reply.status == 200);
    BOOST_TEST((reply.body.size() <= 100'000U));
  }
}

BOOST_AUTO_TEST_CASE(a_bomb_is_not_unpacked) {
  HttpClientOptions options;
  options.max_body = std::uint64_t{1} << 30;
  const std::string bomb = gzip(std::string(64 * 1024 * 1024, '\0'));
  Peer peer(replies([&](const std::string& request) {
    if (has(request, "GET /twice")) return ok(gzip(bomb), "content-encoding: gzip, gzip\r\n");
    if (has(request, "GET /both")) {
      return "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n" +
             std::string();
    }
    return ok(bomb, "content-encoding: gzip\r\n");
  }));
  const auto reply = ask(get(peer.url()), options);
  BOOST_TEST(why(reply) == "size: the reply is compressed by more than 200 to 1");
  BOOST_TEST((reply.body.size() < 8U * 1024 * 1024));
  BOOST_TEST(why(ask(get(peer.url("/twice")), options)) == "decode: the reply is compressed more than once");
  BOOST_TEST(why(ask(get(peer.url("/both")), options)) ==
             "decode: the reply is compressed for its way, which nobody asked for");
  // Well compressed, and yet no bomb: under a mebibyte, or within the ratio.
  Peer small(
      replies([](const std::string&) { return ok(gzip(std::string(1'000'000, '\0')), "content-encoding: gzip\r\n"); }));
  BOOST_TEST(why(ask(get(small.url()), options)) == "no failure");
}

BOOST_AUTO_TEST_CASE(a_head_that_never_ends_fails) {
  Peer peer([](Peer::Connection& connection) {
    if (!connection.request()) return;
    connection.send("HTTP/1.1 200 OK\r\n");
    while (connection.send("x: " + std::string(1000, 'y') + "\r\n")) {
    }
  });
  const auto reply = ask(get(peer.url()));
  BOOST_TEST(why(reply) == "size: the head of the reply is larger than 256KiB");
  Peer one_line([](Peer::Connection& connection) {
    if (!connection.request()) return;
    connection.send("HTTP/1.1 200 OK\r\nx: ");
    while (connection.send(std::string(1000, 'y'))) {
    }
  });
  BOOST_TEST(why(ask(get(one_line.url()))) == "size: a line in the head of the reply is too long");
}

// ----------------------------------------------------------------------------------------------------------- redirects

namespace {

/// `/302/to/303/to/x`: a redirect for each pair.
std::string redirecting(const std::string& request) {
  const auto path = request.substr(request.find('/'), request.find(" HTTP") - request.find('/'));
  const auto to = path.find("/to/");
  if (to == std::string::npos) return ok(line_and_body(request));
  return ok("moved", "location: /" + path.substr(to + 4) + "\r\n", path.substr(1, to - 1) + " Moved");
}

}  // namespace

BOOST_AUTO_TEST_CASE(redirects_are_followed_with_the_method_that_each_of_them_means) {
  Peer peer(replies(redirecting));
  const auto last = [&](const std::string& method, const std::string& path) {
    HttpCall call = send(method, peer.url(path), "b");
    if (method == "GET" || method == "HEAD") call.body.reset();
    call.headers = {{"content-type", "text/x"}};
    const auto reply = ask(std::move(call));
    BOOST_TEST(why(reply) == "no failure");
    return reply.body;
  };
  BOOST_TEST(last("GET", "/301/to/302/to/303/to/307/to/308/to/x") == "GET /x HTTP/1.1|");
  BOOST_TEST(last("POST", "/301/to/x") == "GET /x HTTP/1.1|");
  BOOST_TEST(!has(peer.requests().back(), "content-type"));
  BOOST_TEST(last("POST", "/302/to/x") == "GET /x HTTP/1.1|");
  BOOST_TEST(last("POST", "/303/to/x") == "GET /x HTTP/1.1|");
  BOOST_TEST(last("POST", "/307/to/308/to/x") == "POST /x HTTP/1.1|b");
  BOOST_TEST(has(peer.requests().back(), "content-type: text/x"));
  BOOST_TEST(last("PUT", "/301/to/x") == "PUT /x HTTP/1.1|b");
  BOOST_TEST(last("PUT", "/303/to/x") == "GET /x HTTP/1.1|");
  BOOST_TEST(last("DELETE", "/302/to/x") == "DELETE /x HTTP/1.1|b");
}

BOOST_AUTO_TEST_CASE(too_many_redirects_fail_and_none_means_that_the_redirect_is_the_reply) {
  Peer peer(replies([](const std::string&) { return ok("again", "location: /\r\n", "302 Found"); }));
  BOOST_TEST(why(ask(get(peer.url()))) == "status: answered 302 after 5 redirects");
  BOOST_TEST(peer.requests().size() == 6U);
  HttpClientOptions none;
  none.redirects = 0;
  const auto reply = ask(get(peer.url()), none);
  BOOST_TEST(why(reply) == "no failure");
  BOOST_TEST(reply.status == 302);
  BOOST_TEST(reply.body == "again");
  BOOST_TEST(shown(reply.headers) == "content-length=5;location=/;");
  Peer away(replies([](const std::string&) { return ok("", "location: file:///etc/passwd\r\n", "302 Found"); }));
  BOOST_TEST(why(ask(get(away.url()))) == "status: it redirects to what is neither http:// nor https://");
  Peer nowhere(replies([](const std::string&) { return ok("here", "", "304 Not Modified"); }));
  BOOST_TEST(ask(get(nowhere.url())).status == 304);
}

BOOST_AUTO_TEST_CASE(another_server_is_not_told_what_the_first_one_was) {
  Peer second(replies([](const std::string&) { return ok("x"); }));
  Peer first(replies([&](const std::string& request) {
    return has(request, "/same") ? redirecting(request) : ok("", "location: " + second.url("/x") + "\r\n", "307 Go");
  }));
  for (const auto& path : {"/302/to/same", "/other"}) {
    HttpCall call = get(first.url(path));
    call.headers = {{"Authorization", "Bearer s"}, {"Cookie", "c"}, {"x-mine", "1"}};
    BOOST_TEST(why(ask(std::move(call))) == "no failure");
  }
  BOOST_TEST(has(first.requests().at(1), "Bearer s"));
  const auto asked = second.requests().at(0);
  BOOST_TEST(!has(asked, "Bearer s"));
  BOOST_TEST(!has(asked, "Cookie"));
  BOOST_TEST(has(asked, "x-mine: 1"));
}

// ----------------------------------------------------------------------------------------------------------- bad peers

BOOST_AUTO_TEST_CASE(a_reply_that_is_cut_short_or_none_at_all_fails_as_io) {
  for (const auto* bytes : {"", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "HTTP/1.1 200 O",
                            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
                            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nhello",
                            "no HTTP at all\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 abc\r\n\r\n",
                            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nnot gzip!",
                            "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 200 OK\r\nx: y\r\n",
                            "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/2 200 OK\r\ncontent-length: 0\r\n\r\n"}) {
    Peer peer(sends(bytes));
    const auto reply = ask(get(peer.url()));
    BOOST_TEST(kind(reply) == "io", bytes << " gave " << why(reply));
    BOOST_TEST((!reply.failure || !reply.failure->text.empty()));
  }
}

BOOST_AUTO_TEST_CASE(what_a_server_sends_unasked_is_nobody_s_reply) {
  Peer peer([&](Peer::Connection& connection) {
    if (!connection.request()) return;
    connection.send(ok("asked") + ok("unasked"));
    while (connection.request()) connection.answer("on the same connection");
  });
  std::vector<HttpCall> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(get(peer.url()));
  std::string seen;
  for (const auto& reply : ask(std::move(calls))) seen += why(reply) + " " + reply.body + ";";
  BOOST_TEST(seen == "no failure asked;no failure asked;no failure asked;");
}

BOOST_AUTO_TEST_CASE(what_a_server_sends_between_two_requests_is_nobody_s_reply) {
  std::atomic<bool> sent = false;
  bool told = false;
  Peer peer([&](Peer::Connection& connection) {
    while (connection.request()) {
      connection.answer("asked");
      if (std::exchange(told, true)) continue;
      sent.wait(false);  // Not in the same piece: the first has been read.
      connection.send(ok("unasked"));
      sent = false;
      sent.notify_all();
    }
  });
  std::string seen;
  const auto asks = [&](Core& core) -> Task<> {
    HttpClient client(core, {});
    for (int i = 0; i < 4; ++i) {
      HttpCall call = get(peer.url());
      const HttpReply reply = co_await client.call(std::move(call));
      seen += why(reply) + " " + reply.body + ";";
      if (i > 0) continue;
      sent = true;
      sent.notify_all();
      sent.wait(true);
    }
  };
  runtime::on_core(asks);
  BOOST_TEST(seen == "no failure asked;no failure asked;no failure asked;no failure asked;");
  BOOST_TEST(peer.connections() == 2);
}

BOOST_AUTO_TEST_CASE(a_length_that_nobody_can_count_is_too_large) {
  Peer peer(sends("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nabc"));
  BOOST_TEST(kind(ask(get(peer.url()))) == "size");
}

BOOST_AUTO_TEST_CASE(a_header_over_two_lines_is_one_and_what_is_none_is_left_out) {
  Peer peer(replies(
      [](const std::string&) { return ok("x", "a: one\r\n  two: three\r\n\tfour\r\nb c: d\r\n: e\r\nf: g\r\n"); }));
  const auto reply = ask(get(peer.url()));
  BOOST_TEST(why(reply) == "no failure");
  BOOST_TEST(shown(reply.headers) == "content-length=1;a=one two: three four;f=g;");
}

BOOST_AUTO_TEST_CASE(a_reset_in_the_middle_fails_as_io_and_what_came_is_kept) {
  Peer peer([](Peer::Connection& connection) {
    if (!connection.request()) return;
    connection.send("HTTP/1.1 503 Unavailable\r\ncontent-length: 10\r\nx: y\r\n\r\n");
    connection.reset();
  });
  const auto reply = ask(get(peer.url()));
  BOOST_TEST(kind(reply) == "io");
  BOOST_TEST(reply.status == 503);
  BOOST_TEST(shown(reply.headers) == "content-length=10;x=y;");
}

BOOST_AUTO_TEST_CASE(nobody_at_the_port_and_a_name_that_is_none_fail_as_connect) {
  std::string url;
  {
    Peer gone(sends(""));
    url = gone.url();
  }
  const auto refused = ask(get(url));
  BOOST_TEST(kind(refused) == "connect");
  // Without the time that it took: one cause has one text.
  BOOST_TEST(why(refused).find(" ms") == std::string::npos, why(refused));
  BOOST_TEST(kind(ask(get("http://nobody.test/"))) == "connect");
}

BOOST_AUTO_TEST_CASE(a_name_server_that_never_answers_holds_nobody_up) {
  HttpClientOptions options;
  options.connect_time = 50ms;
  const auto late = ask(get("http://slow.test/"), options);
  BOOST_TEST(why(late) == "timeout: no connection after 50ms");
  BOOST_TEST((late.time >= 50ms && late.time < 10s));
  BOOST_TEST(Names::all().asked_for() == 1);
  // Nor one who is stopped: the core goes on, and the client goes.
  const auto got = stopped(get("http://slow.test/"), [] { return Names::all().asked_for() == 1; });
  BOOST_TEST(got.empty());
  Names::all().let_go();
}

namespace {

runtime::Duration processor_time() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/// A call that leaves a connection behind, which the server closes; then one to somebody else, who never answers.
Task<> wait_in_vain(Core& core, std::string closes, std::string silent, std::vector<HttpReply>& got,
                    runtime::Duration& used) {
  HttpClientOptions options;
  options.whole_time = 300ms;
  HttpClient client(core, options);
  HttpCall first = get(std::move(closes)), second = get(std::move(silent));
  HttpReply reply = co_await client.call(std::move(first));
  got.push_back(std::move(reply));
  const auto before = processor_time();
  reply = co_await client.call(std::move(second));
  got.push_back(std::move(reply));
  used = processor_time() - before;
}

}  // namespace

BOOST_AUTO_TEST_CASE(waiting_costs_nothing_nor_does_a_connection_that_was_closed_while_it_rested) {
  Peer closes([](Peer::Connection& connection) {
    if (connection.request()) connection.answer("x");
  });
  Peer silent([](Peer::Connection& connection) { connection.wait_for_end(); });
  std::vector<HttpReply> got;
  runtime::Duration used{};
  runtime::on_core([&](Core& core) { return wait_in_vain(core, closes.url(), silent.url(), got, used); });
  BOOST_TEST(why(got.at(0)) == "no failure");
  BOOST_TEST(why(got.at(1)) == "timeout: it took longer than 300ms");
  BOOST_TEST((used < 15ms), std::chrono::duration_cast<std::chrono::microseconds>(used).count() << " us");
}

namespace {

std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

}  // namespace

BOOST_AUTO_TEST_CASE(without_descriptors_a_call_fails_as_connect_and_the_next_one_goes_on) {
  Peer peer(replies([](const std::string&) { return ok("x", "connection: close\r\n"); }));
  std::vector<HttpReply> got;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  // Of the loop itself, all are open when the first line runs.
  const auto starved = [&](Core& core) -> Task<> {
    HttpClient client(core, {});
    for (int round = 0; round < 3; ++round) {
      rlimit none = before;
      if (round == 1) none.rlim_cur = 3;
      ::setrlimit(RLIMIT_NOFILE, &none);
      HttpCall call = get(peer.url());
      HttpReply reply = co_await client.call(std::move(call));
      got.push_back(std::move(reply));
    }
  };
  runtime::on_core(starved);
  ::setrlimit(RLIMIT_NOFILE, &before);
  BOOST_TEST(kind(got.at(0)) == "no failure");
  BOOST_TEST(kind(got.at(1)) == "connect");
  BOOST_TEST(why(got.at(1)) == "connect: no socket can be opened here: Too many open files");
  BOOST_TEST(kind(got.at(2)) == "no failure");
}

BOOST_AUTO_TEST_CASE(a_last_descriptor_that_does_not_suffice_for_tls_is_no_failure_of_tls) {
  Peer peer([](Peer::Connection& connection) { connection.wait_for_end(); });
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  HttpReply got;
  const auto starved = [&](Core& core) -> Task<> {
    HttpClient client(core, {});
    const int next = ::dup(0);
    ::close(next);
    rlimit one = before;
    one.rlim_cur = static_cast<rlim_t>(next) + 1;
    ::setrlimit(RLIMIT_NOFILE, &one);
    HttpCall call = get("https" + peer.url().substr(4));
    got = co_await client.call(std::move(call));
  };
  runtime::on_core(starved);
  ::setrlimit(RLIMIT_NOFILE, &before);
  BOOST_TEST(kind(got) == "connect", why(got));
}

BOOST_AUTO_TEST_CASE(no_descriptor_is_left_of_many_calls_good_and_bad) {
  Peer peer([](Peer::Connection& connection) {
    if (!connection.request()) return;
    if (connection.number() % 2 == 0) connection.answer("x", "connection: close\r\n");
  });
  const auto before = open_descriptors();
  std::vector<HttpCall> calls;
  for (int i = 0; i < 400; ++i) calls.push_back(get(peer.url()));
  const auto got = ask(std::move(calls));
  BOOST_TEST(std::count_if(got.begin(), got.end(), [](const HttpReply& reply) { return !reply.failure; }) == 200);
  peer.end();
  BOOST_TEST(open_descriptors() == before - 1);  // The peer's own.
}

BOOST_AUTO_TEST_CASE(who_never_says_hello_or_never_answers_or_never_ends_is_left_in_time) {
  const auto silent = [](Peer::Connection& connection) { connection.wait_for_end(); };
  Peer no_hello(silent), no_head(silent);
  Peer dribbles([](Peer::Connection& connection) {
    if (!connection.request()) return;
    connection.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx");
    connection.wait_for_end();
  });
  HttpClientOptions options;
  options.connect_time = 50ms;
  const auto late = ask(get("https" + no_hello.url().substr(4)), options);
  BOOST_TEST(why(late) == "timeout: no connection after 50ms");
  BOOST_TEST((late.time >= 50ms && late.time < 10s));

  options = {};
  options.first_byte_time = 50ms;
  const auto headless = ask(get(no_head.url()), options);
  BOOST_TEST(why(headless) == "timeout: no reply had begun after 50ms");
  BOOST_TEST((headless.time >= 50ms && headless.time < 10s));

  options.whole_time = 100ms;
  const auto endless = ask(get(dribbles.url()), options);
  BOOST_TEST(why(endless) == "timeout: it took longer than 100ms");
  BOOST_TEST((endless.time >= 100ms && endless.time < 10s));
}

BOOST_AUTO_TEST_CASE(who_comes_after_one_that_had_no_connection_in_time_is_served) {
  const tests::FullBacklog full;
  Peer no_hello([](Peer::Connection& connection) { connection.wait_for_end(); });
  Peer good(replies([](const std::string&) { return ok("x", "connection: close\r\n"); }));
  tests::Line late;
  late.latency = 200ms;  // libcurl looks by itself before that.
  tests::Proxy far(good.port(), late);
  HttpClientOptions options;
  options.connect_time = 30ms;
  options.whole_time = 5s;
  std::vector<HttpCall> calls;
  for (const auto& url : {full.url(), "https" + no_hello.url().substr(4)}) {
    calls.push_back(get(url));
    calls.push_back(get(far.url()));  // Its socket has the number of the one before.
  }
  const auto got = ask(std::move(calls), options);
  for (std::size_t i = 0; i < got.size(); ++i) {
    BOOST_TEST(why(got[i]) == (i % 2 == 0 ? "timeout: no connection after 30ms" : "no failure"));
  }
}

// ------------------------------------------------------------------------------------------------ where it may connect

BOOST_AUTO_TEST_CASE(public_only_refuses_this_machine_by_whatever_name) {
  Peer peer(replies([](const std::string&) { return ok("secret"); }));
  HttpClientOptions options;
  options.public_only = true;
  const auto port = std::to_string(peer.port());
  for (const std::string host : {"127.0.0.1", "localhost", "127.1", "0x7f000001", "[::ffff:127.0.0.1]", "0.0.0.0"}) {
    const auto reply = ask(get("http://" + host + ":" + port + "/"), options);
    BOOST_TEST(why(reply).starts_with("connect: the address is not public: "), host << " gave " << why(reply));
  }
  BOOST_TEST(peer.connections() == 0);
}

BOOST_AUTO_TEST_CASE(which_addresses_are_public) {
  const auto is_public = [](const std::string& text) {
    std::array<std::uint8_t, 16> bytes{};
    const bool v6 = text.find(':') != std::string::npos;
    BOOST_REQUIRE(::inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), bytes.data()) == 1);
    return io::is_public_address({bytes.data(), v6 ? 16U : 4U});
  };
  for (const std::string address :
       {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
        "192.167.255.255", "192.169.0.0", "223.255.255.255", "198.17.0.1", "198.20.0.1", "2606:4700::1111",
        "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"}) {
    BOOST_TEST(is_public(address), address);
  }
  for (const std::string address : {"0.0.0.0",
                                    "10.1.2.3",
                                    "100.64.0.1",
                                    "100.127.255.255",
                                    "127.0.0.1",
                                    "127.255.255.254",
                                    "169.254.169.254",
                                    "172.16.0.1",
                                    "172.31.255.255",
                                    "192.0.0.8",
                                    "192.0.2.1",
                                    "192.168.1.1",
                                    "198.18.0.1",
                                    "198.19.255.255",
                                    "198.51.100.1",
                                    "203.0.113.1",
                                    "224.0.0.1",
                                    "240.0.0.1",
                                    "255.255.255.255",
                                    "::",
                                    "::1",
                                    "fe80::1",
                                    "fc00::1",
                                    "fd12::1",
                                    "ff02::1",
                                    "2001:db8::1",
                                    "2001::1",
                                    "::ffff:127.0.0.1",
                                    "::ffff:10.0.0.1",
                                    "64:ff9b::a00:1",
                                    "2002:a00:1::1",
                                    "2002:7f00:1::",
                                    "::127.0.0.1",
                                    "fec0::1"}) {
    BOOST_TEST(!is_public(address), address);
  }
  BOOST_TEST(!io::is_public_address({}));
}

BOOST_AUTO_TEST_CASE(a_proxy_is_used_if_it_is_asked_for_and_never_because_of_the_environment) {
  Peer peer(replies([](const std::string&) { return ok("direct"); }));
  Peer proxy(replies([](const std::string&) { return ok("by proxy"); }));
  for (const auto* name : {"http_proxy", "HTTP_PROXY", "all_proxy"}) ::setenv(name, proxy.url().c_str(), 1);
  ::setenv("no_proxy", "127.0.0.1", 1);
  BOOST_TEST(ask(get(peer.url())).body == "direct");
  BOOST_TEST(proxy.connections() == 0);
  HttpClientOptions options;
  options.proxy = proxy.url();
  BOOST_TEST(ask(get(peer.url("/x")), options).body == "by proxy");
  BOOST_TEST(proxy.requests().at(0).starts_with("GET " + peer.url("/x") + " HTTP/1.1\r\n"));
  for (const auto* name : {"http_proxy", "HTTP_PROXY", "all_proxy", "no_proxy"}) ::unsetenv(name);
}

// ----------------------------------------------------------------------------------------------------------------- TLS

BOOST_AUTO_TEST_CASE(a_certificate_is_believed_if_its_authority_is_and_its_name_fits) {
  const tests::Certificates certificates;
  certificates.make("server");
  const tests::TlsServer server(certificates, "server");
  HttpClientOptions options;
  options.ca = certificates.path("server.pem");
  const auto reply = ask(get(server.url()), options);
  BOOST_TEST(why(reply) == "no failure");
  BOOST_TEST(reply.status == 200);
  const auto stranger = ask(get(server.url()));
  BOOST_TEST(kind(stranger) == "tls", why(stranger));
  const auto other = ask(get(server.url("127.0.0.1")), options);
  BOOST_TEST(kind(other) == "tls", why(other));
  HttpClientOptions missing;
  missing.ca = "/nowhere/ca.pem";
  BOOST_TEST(kind(ask(get("https://127.0.0.1:1/"), missing)) != "no failure");
}

BOOST_AUTO_TEST_CASE(a_certificate_of_ours_is_shown_where_one_is_asked_for) {
  const tests::Certificates certificates;
  certificates.make("server");
  certificates.make("client", "weir");
  const tests::TlsServer server(certificates, "server",
                                {"-Verify", "1", "-verify_return_error", "-CAfile", certificates.path("client.pem")});
  HttpClientOptions options;
  options.ca = certificates.path("server.pem");
  const auto hidden = ask(get(server.url()), options);
  BOOST_TEST(kind(hidden) == "tls", why(hidden));
  options.cert = certificates.path("client.pem");
  options.key = certificates.path("client.key");
  BOOST_TEST(why(ask(get(server.url()), options)) == "no failure");
}

namespace {

/// Eight callers share the calls, as many as there is room for in `into`.
Task<> ask_by_eight(Core& core, HttpClientOptions options, HttpCall call, std::vector<HttpReply>& into) {
  HttpClient client(core, std::move(options));
  runtime::Waiter all(core);
  std::vector<std::unique_ptr<runtime::Coroutine>> callers;
  auto next = into.begin();
  std::size_t ended = 0;
  const auto ask = [&]() -> Task<> {
    while (next != into.end()) {
      HttpReply& reply = *next++;
      reply = co_await client.call(call);
    }
  };
  for (int i = 0; i < 8; ++i) {
    callers.push_back(core.spawn(ask(), [&](std::exception_ptr) {
      if (++ended == 8) all.wake();
    }));
  }
  co_await all.wait();
}

/// What so many calls bring, eight at a time, by HTTP/2 where only the first `most` of each connection are answered;
/// and what the server says of each request that it saw.
std::pair<std::vector<HttpReply>, std::vector<std::string>> refused_beyond(int most, std::size_t calls) {
  const tests::Certificates certificates;
  certificates.make("server");
  tests::PythonServer server(
      {"goaway", certificates.path("server.pem"), certificates.path("server.key"), std::to_string(most)});
  HttpClientOptions options;
  options.ca = certificates.path("server.pem");
  std::vector<HttpReply> got(calls);
  runtime::on_core(
      [&](Core& core) { return ask_by_eight(core, options, get("https://localhost:" + server.port() + "/"), got); });
  std::istringstream lines(server.end());
  std::vector<std::string> said;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("port")) said.push_back(line);
  }
  return {std::move(got), std::move(said)};
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_a_goaway_says_was_not_looked_at_is_asked_again) {
  for (const int most : {1, 3}) {
    const auto [replies, said] = refused_beyond(most, 100);
    for (const auto& reply : replies) {
      BOOST_TEST(why(reply) == "no failure");
      BOOST_TEST(reply.body == "here");
    }
    BOOST_TEST(std::count(said.begin(), said.end(), "answered") == 100);
  }
}

BOOST_AUTO_TEST_CASE(a_server_that_looks_at_nothing_is_not_asked_for_ever) {
  const auto [replies, said] = refused_beyond(0, 8);
  for (const auto& reply : replies) BOOST_TEST(kind(reply) == "io", why(reply));
  BOOST_TEST((said.size() >= 8 && said.size() <= 3 * 8), said.size() << " requests");
}

BOOST_AUTO_TEST_CASE(what_is_sent_again_goes_by_no_other_kept_connection_which_may_have_ended_too) {
  tests::PythonServer server({"swallow"});
  for (const bool counted : {false, true}) {
    std::vector<HttpReply> got(200);
    const auto all = [&](Core& core) {
      HttpCall call = get(server.url());
      if (counted) call.before_again = [&core] { return core.now(); };
      return ask_by_eight(core, {}, std::move(call), got);
    };
    runtime::on_core(all);
    for (const auto& reply : got) BOOST_TEST(why(reply) == "no failure");
  }
}

BOOST_AUTO_TEST_CASE(a_body_that_ends_with_the_connection_is_whole_only_if_tls_has_said_goodbye) {
  const tests::Certificates certificates;
  certificates.make("server");
  tests::PythonServer server({"cut", certificates.path("server.pem"), certificates.path("server.key")});
  HttpClientOptions options;
  options.ca = certificates.path("server.pem");
  const std::string cut = "io: the reply is cut short: the connection ended without the goodbye of TLS";
  for (const auto& [path, outcome] : {std::pair("/whole", std::string("no failure")),
                                      {"/cut", cut},
                                      {"/none", cut},
                                      {"/length", "no failure"},
                                      {"/chunks", "no failure"}}) {
    for (int time = 0; time < 3; ++time) {
      const auto reply = ask(get("https://localhost:" + server.port() + path), options);
      BOOST_TEST(why(reply) == outcome, path);
      BOOST_TEST(reply.body == (path == std::string("/none") ? "" : "some"), path);
    }
  }
  const auto head = ask(send("HEAD", "https://localhost:" + server.port() + "/none", ""), options);
  BOOST_TEST(head.status == 200);
}

BOOST_AUTO_TEST_CASE(a_tls_that_is_too_old_fails_as_tls) {
  const tests::Certificates certificates;
  certificates.make("server");
  const tests::TlsServer server(certificates, "server", {"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"});
  HttpClientOptions options;
  options.ca = certificates.path("server.pem");
  const auto reply = ask(get(server.url()), options);
  BOOST_TEST(kind(reply) == "tls", why(reply));
}

BOOST_AUTO_TEST_CASE(who_does_not_speak_tls_fails_as_tls) {
  Peer peer([](Peer::Connection& connection) {
    connection.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    connection.wait_for_end();
  });
  const auto reply = ask(get("https" + peer.url().substr(4)));
  BOOST_TEST(kind(reply) == "tls", why(reply));
}

// --------------------------------------------------------------------------------------------------------------- dates

BOOST_AUTO_TEST_CASE(a_date_of_http_is_read_and_nothing_else) {
  const auto seconds = [](std::string_view text) {
    const auto date = io::parse_http_date(text);
    return date ? std::chrono::duration_cast<std::chrono::seconds>(date->time_since_epoch()).count() : -1;
  };
  BOOST_TEST(seconds("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777);
  BOOST_TEST(seconds("Sunday, 06-Nov-94 08:49:37 GMT") == 784111777);
  BOOST_TEST(seconds("Sun Nov  6 08:49:37 1994") == 784111777);
  BOOST_TEST(seconds("Fri, 31 Dec 9999 23:59:59 GMT") == 9223372036);  // The last that is held.
  BOOST_TEST(seconds("soon") == -1);
  BOOST_TEST(seconds("") == -1);
}
