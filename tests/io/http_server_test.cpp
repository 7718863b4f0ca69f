// The HTTP server behind real sockets on 127.0.0.1: what it answers, and that slow or greedy senders harm nobody else.
#include "engine/io/http_server.hpp"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/flow/budget.hpp"
#include "engine/io/tls.hpp"
#include "engine/runtime/real.hpp"
#include "engine/runtime/wait.hpp"
#include "tests/io/http_cases.hpp"
#include "tests/support/child.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;
using namespace std::string_literals;
using tests::statuses;

io::HttpResponse answer(const io::HttpRequest& request) {
  if (request.path == "/throw") throw std::runtime_error("not for the sender's eyes");
  return io::HttpResponse(200, "text/plain", request.method + " " + request.path + " " + request.body + "\n");
}

runtime::Task<io::HttpResponse> answer_at_once(io::HttpRequest request) { co_return answer(request); }

std::string large_or_path(const std::string& path) {
  return path == "/large" ? std::string(3'000'000, 'x') : "a" + path;
}
runtime::Task<io::HttpResponse> answer_in_chunks(io::HttpRequest request) {
  io::HttpResponse response(200, "text/plain", large_or_path(request.path));
  response.chunked = true;
  co_return response;
}

runtime::Task<io::HttpResponse> never(runtime::Core* core, io::HttpRequest request) {
  if (request.path == "/now") co_return io::HttpResponse(200, "text/plain", "now\n");
  runtime::Waiter waiter(*core);
  co_await waiter.wait();
  co_return io::HttpResponse(200);
}

/// A core with real sockets and a clock that the test moves.
class HandMoved final : public runtime::Core {
 public:
  explicit HandMoved(runtime::Core& real) : real_(real), now_(real.now()) {}
  /// On the core.
  void advance(runtime::Duration time) {
    now_ += time;
    for (std::size_t i = 0; i < rings_.size();) {
      if (rings_[i]->when > now_) {
        ++i;
        continue;
      }
      const auto ring = rings_[i]->ring;
      rings_.erase(rings_.begin() + static_cast<std::ptrdiff_t>(i));
      ring();
      i = 0;
    }
  }

  int index() const override { return real_.index(); }
  runtime::Time now() const override { return now_; }
  runtime::WallTime wall() const override { return real_.wall(); }
  asio::any_io_executor executor() override { return real_.executor(); }
  void post(std::function<void()> work) override { real_.post(std::move(work)); }
  void resume(runtime::Ready& ready) noexcept override { real_.resume(ready); }
  runtime::Task<> sleep_until(runtime::Time when) override { return real_.sleep_until(when); }
  std::unique_ptr<runtime::Alarm> alarm(runtime::Time when, std::function<void()> ring) override {
    rings_.push_back(std::make_shared<Ring>(Ring{when, std::move(ring)}));
    return std::make_unique<Hand>(*this, rings_.back());
  }
  runtime::Task<> yield() override { return real_.yield(); }
  runtime::Task<bool> give_way() override { return real_.give_way(); }
  std::unique_ptr<runtime::Coroutine> spawn(runtime::Task<> body,
                                            std::function<void(std::exception_ptr)> ended) override {
    return real_.spawn(std::move(body), std::move(ended));
  }
  runtime::Task<> blocking(std::function<void()> work) override { return real_.blocking(std::move(work)); }
  runtime::Random& random() override { return real_.random(); }
  runtime::Files& files() override { return real_.files(); }
  runtime::Processes& processes() override { return real_.processes(); }
  runtime::Machine& machine() override { return real_.machine(); }

 private:
  struct Ring {
    runtime::Time when;
    std::function<void()> ring;
  };
  struct Hand : runtime::Alarm {
    Hand(HandMoved& in, std::shared_ptr<Ring> what) : core(in), ring(std::move(what)) {}
    ~Hand() override { std::erase(core.rings_, ring); }
    HandMoved& core;
    std::shared_ptr<Ring> ring;
  };
  runtime::Core& real_;
  runtime::Time now_;
  std::vector<std::shared_ptr<Ring>> rings_;
};

/// A server on a thread of its own, ended by the destructor. Its time stands still but for advance().
class Server {
 public:
  explicit Server(io::HttpServerOptions options = {}, bool answers = true)
      : Server(std::move(options), answers ? io::HttpHandler(answer_at_once) : nullptr) {}
  Server(io::HttpServerOptions options, io::HttpHandler handler, bool real_time = true)
      : runtime_(runtime::make_real({})) {
    core_ = &runtime_->service("http");
    if (!real_time) {
      hand_ = std::make_unique<HandMoved>(*core_);
      core_ = hand_.get();
    }
    if (!handler) handler = [core = core_](io::HttpRequest request) { return never(core, std::move(request)); };
    on_core([&] {
      server_ = std::make_unique<io::HttpServer>(*core_, options, handler);
      port_ = server_->listen("127.0.0.1", 0);
    });
  }
  ~Server() {
    std::promise<void> ended;
    on_core([&] {
      server_->close();
      closing_ = core_->spawn(server_->closed(), [&](std::exception_ptr) {
        closing_.reset();
        server_.reset();
        ended.set_value();
      });
    });
    ended.get_future().get();
    runtime_->run([this] { runtime_->stop(); });
  }

  void on_core(std::function<void()> work) {
    std::promise<void> done;
    core_->post([&] {
      work();
      done.set_value();
    });
    done.get_future().get();
  }
  std::size_t connections() {
    std::size_t count = 0;
    on_core([&] { count = server_->connections(); });
    return count;
  }
  void advance(runtime::Duration time) {
    on_core([&] { hand_->advance(time); });
    on_core([] {});  // What was interrupted has had its turn.
  }
  io::HttpServer& get() { return *server_; }
  std::uint16_t port() const { return port_; }

 private:
  std::unique_ptr<runtime::RealRuntime> runtime_;
  std::unique_ptr<HandMoved> hand_;
  runtime::Core* core_ = nullptr;
  std::unique_ptr<io::HttpServer> server_;
  std::unique_ptr<runtime::Coroutine> closing_;
  std::uint16_t port_ = 0;
};

/// A client that sends raw bytes. Waits 20 s at most, then the test fails.
class Client {
 public:
  /// `holds`: so many bytes, about, lie in its kernel at the most; 0: as many as the kernel likes.
  explicit Client(std::uint16_t port, int holds = 0) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (holds > 0) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &holds, sizeof holds);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      throw std::system_error(errno, std::generic_category(), "connect");
    }
  }
  Client(Client&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  ~Client() {
    if (socket_ >= 0) ::close(socket_);
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;  // The server has heard enough.
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  void end() { ::shutdown(socket_, SHUT_WR); }
  bool is_told() const {
    pollfd ready{socket_, POLLIN, 0};
    return ::poll(&ready, 1, 0) > 0;
  }
  /// Until the server's kernel has all that was sent.
  void arrive() {
    for (int left = 1; left > 0;) ::ioctl(socket_, SIOCOUTQ, &left);
  }
  /// Takes so many bytes off and forgets them; how many they were, where the server ends the connection before.
  std::size_t take(std::size_t most) {
    std::size_t taken = 0;
    std::vector<char> buffer(256 * 1024);
    while (taken < most) {
      pollfd ready{socket_, POLLIN, 0};
      if (::poll(&ready, 1, 20'000) <= 0) throw std::runtime_error("nothing came in 20 s");
      const auto count = ::recv(socket_, buffer.data(), std::min(buffer.size(), most - taken), 0);
      if (count <= 0) break;
      taken += static_cast<std::size_t>(count);
    }
    return taken;
  }

  /// Reads until `enough` is part of what came, or the server ends the connection.
  std::string receive(std::string_view enough = "\1never\1") {
    while (received_.find(enough) == std::string::npos) {
      pollfd ready{socket_, POLLIN, 0};
      if (::poll(&ready, 1, 20'000) <= 0) throw std::runtime_error("no answer in 20 s, only: " + received_);
      char buffer[65536];
      const auto count = ::recv(socket_, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      received_.append(buffer, static_cast<std::size_t>(count));
    }
    return std::exchange(received_, {});
  }

 private:
  int socket_;
  std::string received_;
};

std::string exchange(std::uint16_t port, std::string_view bytes) {
  Client client(port);
  client.send(bytes);
  client.end();
  return client.receive();
}

double cpu_s(const rusage& usage) {
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

const std::string get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace

BOOST_AUTO_TEST_CASE(every_raw_case_is_answered_rightly) {
  Server server;
  BOOST_TEST(tests::http_cases().size() >= 120u);
  for (const auto& one : tests::http_cases()) {
    const auto got = statuses(exchange(server.port(), one.bytes));
    BOOST_CHECK_MESSAGE(got == one.answers, one.name << ": expected `" << one.answers << "`, got `" << got << "`");
  }
}

BOOST_AUTO_TEST_CASE(a_connection_serves_one_request_after_the_other) {
  Server server;
  Client client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.send(get);
    const auto got = client.receive("GET /x \n");
    BOOST_TEST(got.starts_with("HTTP/1.1 200 OK\r\n"));
    BOOST_TEST(got.find("\r\nConnection: keep-alive\r\n") != std::string::npos);
    BOOST_TEST(got.find("\r\nDate: ") != std::string::npos);
  }
  BOOST_TEST(server.connections() == 1u);
}

BOOST_AUTO_TEST_CASE(head_is_answered_without_a_body_but_with_its_length) {
  Server server;
  const auto got = exchange(server.port(), "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
  BOOST_TEST(got.find("Content-Length: 9\r\n") != std::string::npos);
  BOOST_TEST(got.ends_with("\r\n\r\n"));
}

BOOST_AUTO_TEST_CASE(an_answer_comes_in_chunks_to_who_takes_them_and_the_connection_goes_on) {
  Server server({}, io::HttpHandler(answer_in_chunks));
  const auto asked = [](const std::string& method, const std::string& path) {
    return method + " " + path + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  const auto all = exchange(
      server.port(), asked("GET", "/one") + asked("HEAD", "/one") + asked("GET", "/large") + asked("GET", "/two"));
  const auto begin_of = [&](std::size_t nth) {
    std::size_t at = 0;
    for (; nth > 0; --nth) at = all.find("HTTP/1.1 200 OK\r\n", at + 1);
    return at;
  };
  const auto part = [&](std::size_t nth) { return all.substr(begin_of(nth), begin_of(nth + 1) - begin_of(nth)); };
  BOOST_TEST(part(0).find("\r\nTransfer-Encoding: chunked\r\n") != std::string::npos, part(0));
  BOOST_TEST(part(0).find("Content-Length") == std::string::npos, part(0));
  BOOST_TEST(part(0).ends_with("\r\n\r\n5\r\na/one\r\n0\r\n\r\n"), part(0));
  BOOST_TEST(part(1).find("Transfer-Encoding") == std::string::npos, part(1));
  BOOST_TEST(part(1).ends_with("\r\n\r\n"), part(1));
  BOOST_TEST(part(2).ends_with("\r\n\r\n2dc6c0\r\n" + large_or_path("/large") + "\r\n0\r\n\r\n"));
  BOOST_TEST(all.ends_with("\r\n\r\n5\r\na/two\r\n0\r\n\r\n"));

  const auto old = exchange(server.port(), "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  BOOST_TEST(old.find("Transfer-Encoding") == std::string::npos, old);
  BOOST_TEST(old.find("\r\nContent-Length: 5\r\n") != std::string::npos, old);
  BOOST_TEST(old.ends_with("\r\n\r\na/old"), old);
}

BOOST_AUTO_TEST_CASE(whoever_expects_a_word_before_the_body_gets_it) {
  Server server;
  Client client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  BOOST_TEST(client.receive("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  BOOST_TEST(client.receive("POST / abc\n").starts_with("HTTP/1.1 200 OK\r\n"));
}

BOOST_AUTO_TEST_CASE(a_handler_that_throws_tells_the_sender_nothing_but_500) {
  Server server;
  const auto got = exchange(server.port(), "GET /throw HTTP/1.1\r\nHost: a\r\n\r\n" + get);
  BOOST_TEST(statuses(got) == "500 200");
  BOOST_TEST(got.find("eyes") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(sixty_half_requests_delay_nobody) {
  Server server;
  std::vector<Client> slow;
  for (int i = 0; i < 60; ++i) {
    slow.emplace_back(server.port());
    slow.back().send(i % 2 == 0 ? "GET /metrics HTTP/1.1\r\nHo"
                                : "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
  }
  Client client(server.port());
  client.send(get);
  BOOST_TEST(client.receive("GET /x \n").starts_with("HTTP/1.1 200 OK\r\n"));
  BOOST_TEST(server.connections() == 61u);
  slow.front().send("st: a\r\n\r\n");  // They are served, too, when they get on.
  BOOST_TEST(slow.front().receive("GET /metrics \n").starts_with("HTTP/1.1 200 OK\r\n"));
}

BOOST_AUTO_TEST_CASE(at_the_limit_the_longest_idle_gives_way) {
  io::HttpServerOptions options;
  options.connections = 3;
  Server server(options);
  Client oldest(server.port()), second(server.port()), third(server.port());
  for (auto* client : {&oldest, &second, &third}) {
    client->send(get);
    client->receive("GET /x \n");
  }
  second.send("GET /x HT");
  Client last(server.port());
  last.send(get);
  BOOST_TEST(last.receive("GET /x \n").starts_with("HTTP/1.1 200"));
  BOOST_TEST(oldest.receive() == "");
  second.send("TP/1.1\r\nHost: a\r\n\r\n");
  BOOST_TEST(second.receive("GET /x \n").starts_with("HTTP/1.1 200"));
}

BOOST_AUTO_TEST_CASE(a_sender_that_does_not_come_to_its_end_is_told_so_wherever_it_stops) {
  io::HttpServerOptions options;
  options.head_time = options.body_time = options.idle_time = 50ms;
  Server server(options);
  const auto post = "POST / HTTP/1.1\r\nHost: a\r\n"s;
  const auto chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  const std::vector<std::string> begun{"G",
                                       "GET /x HT",
                                       post + "X: ",
                                       post + "\r",
                                       post + "Content-Length: 9\r\n\r\n",
                                       post + "Content-Length: 9\r\n\r\nabc",
                                       chunked + "3",
                                       chunked + "3\r\nab",
                                       chunked + "3\r\nabc",
                                       chunked + "3\r\nabc\r\n0\r\n",
                                       chunked + "0\r\nX: a\r\n"};
  std::vector<std::pair<std::unique_ptr<Client>, std::string>> clients;
  const auto begin = [&](const std::string& bytes, const std::string& answers) {
    clients.emplace_back(std::make_unique<Client>(server.port()), answers);
    clients.back().first->send(bytes);
  };
  for (const auto& bytes : begun) {
    begin(bytes, "408");
    begin(get + bytes, "200 408");
  }
  begin("", "");
  begin("\r\n", "");
  begin(get, "200");
  begin(post + "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", "100 408");
  for (const auto& [client, answers] : clients) BOOST_TEST(statuses(client->receive()) == answers);
}

BOOST_AUTO_TEST_CASE(whoever_leaves_early_leaves_nothing_behind) {
  Server server;
  for (const auto* bytes : {"", "GET /x HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
                            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
                            "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    Client client(server.port());
    client.send(bytes);
  }
  Client client(server.port());
  client.send(get);
  client.receive("GET /x \n");
  while (server.connections() > 1) {
  }
}

BOOST_AUTO_TEST_CASE(a_handshake_that_does_not_come_to_its_end_is_given_up) {
  const tests::TemporaryFolder folder;
  const auto cert = folder.path("a.pem"), key = folder.path("a.key");
  const auto made =
      tests::Child({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=a", "-keyout", key, "-out", cert})
          .end();
  BOOST_REQUIRE_MESSAGE(made.code == 0, made.err);
  io::TlsFiles files;
  files.certificates.push_back({cert, key});
  io::HttpServerOptions options;
  options.tls = std::make_shared<io::TlsServer>(files);
  options.handshake_time = 50ms;
  Server server(options);
  Client silent(server.port()), half(server.port()), plain(server.port()), broken(server.port());
  half.send("\x16\x03\x01\x02\x00\x01\x00"s);
  plain.send(get);
  broken.send("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"s);
  BOOST_TEST(silent.receive() == "");
  BOOST_TEST(half.receive() == "");
  BOOST_TEST(statuses(plain.receive()) == "400");
  BOOST_TEST(broken.receive().starts_with("\x15\x03"));  // An alert.
  while (server.connections() > 0) {
  }
}

BOOST_AUTO_TEST_CASE(a_receiver_that_does_not_read_is_given_up) {
  io::HttpServerOptions options;
  options.send_time = 50ms;
  options.limits.body_bytes = 64 << 20;
  Server server(options);
  Client client(server.port());
  const std::string body(32 << 20, 'x');  // More than the kernel buffers for a socket.
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  Client watcher(server.port());
  watcher.send(get);
  watcher.receive("GET /x \n");
  while (server.connections() > 1) {
  }
  BOOST_TEST(client.receive().size() < body.size());
}

BOOST_AUTO_TEST_CASE(closing_stops_the_handlers_that_wait) {
  auto server = std::make_unique<Server>(io::HttpServerOptions(), false);
  Client waits(server->port()), client(server->port());
  waits.send(get);
  client.send("GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
  BOOST_TEST(client.receive("now\n").starts_with("HTTP/1.1 200"));
  server.reset();
  BOOST_TEST(waits.receive() == "");
}

BOOST_AUTO_TEST_CASE(who_is_in_the_middle_of_a_request_when_the_server_ends_is_told_so) {
  Server server;
  Client sending(server.port()), idle(server.port());
  sending.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
  idle.send(get);
  idle.receive("GET /x \n");
  server.on_core([&] { server.get().drain(); });
  const auto told = sending.receive("\r\n\r\n");
  BOOST_TEST(told.starts_with("HTTP/1.1 503 "));
  BOOST_TEST(told.find("Retry-After: 1\r\n") != std::string::npos);
  BOOST_TEST(told.find("Connection: close\r\n") != std::string::npos);
  BOOST_TEST(idle.receive() == "");
}

BOOST_AUTO_TEST_CASE(a_port_in_use_and_a_name_for_an_address_are_told_by_listen) {
  Server server;
  server.on_core([&] {
    BOOST_CHECK_EXCEPTION(server.get().listen("127.0.0.1", server.port()), std::system_error,
                          [](const auto& error) { return error.code() == std::errc::address_in_use; });
    BOOST_CHECK_THROW(server.get().listen("localhost", 0), std::system_error);
  });
}

BOOST_AUTO_TEST_CASE(without_descriptors_the_longest_idle_gives_way_and_nothing_spins) {
  Server server;
  Client idle(server.port());
  idle.send(get);
  idle.receive("GET /x \n");
  Client first(server.port());  // Its descriptor is this program's, too: opened before the limit falls.
  first.send(get);
  first.receive("GET /x \n");

  rlimit before{};
  BOOST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int highest = ::dup(0);
  ::close(highest);
  rlimit low = before;
  low.rlim_cur = static_cast<rlim_t>(highest) + 1;  // One is left: the client's own socket takes it.
  BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
  {
    rusage start{}, end{};
    ::getrusage(RUSAGE_SELF, &start);
    Client late(server.port());
    late.send(get);
    const auto got = late.receive("GET /x \n");
    ::getrusage(RUSAGE_SELF, &end);
    BOOST_TEST(statuses(got) == "200");
    BOOST_TEST(idle.receive() == "");
    BOOST_TEST(cpu_s(end) - cpu_s(start) < 0.05);  // The answer takes a pause of 0.1 s at least: a spin would fill it.
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
}

// ------------------------------------------------------------------------------------------------------- long bodies

namespace {

/// A body of so many bytes for whoever asks.
io::HttpHandler much(std::size_t bytes) {
  return [bytes](io::HttpRequest&) -> runtime::Task<io::HttpResponse> {
    const std::size_t size = bytes;
    return [](std::size_t count) -> runtime::Task<io::HttpResponse> {
      co_return io::HttpResponse(200, "text/plain", std::string(count, 'x'));
    }(size);
  };
}

std::string posting(std::size_t bytes) {
  return "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
}

/// Until it holds.
void until(const std::function<bool()>& so) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!so()) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("not in 20 s");
  }
}

constexpr std::size_t mib = 1 << 20;

}  // namespace

BOOST_AUTO_TEST_CASE(an_upload_that_gets_on_may_take_minutes_and_one_that_trickles_may_not) {
  flow::Budget budget(64 * mib);
  io::HttpServerOptions options;
  options.memory = &budget;
  Server server(options, answer_at_once, false);
  Client steady(server.port());
  steady.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string piece(32 * 1024, 'x');
  for (int i = 1; i <= 8; ++i) {
    steady.send("8000\r\n" + piece + "\r\n");
    until([&] { return budget.used() == static_cast<std::int64_t>(i * piece.size()); });
    server.advance(20s);
  }
  steady.send("0\r\n\r\n");
  BOOST_TEST(statuses(steady.receive("x\n")) == "200");
  BOOST_TEST(budget.used() == 0);

  Client trickling(server.port());
  trickling.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8000\r\n" + piece + "\r\n");
  until([&] { return budget.used() > 0; });
  for (int i = 1; i <= 8; ++i) {  // 32 KiB have bought 32 s beyond the first 30.
    trickling.send("1\r\nx\r\n");
    until([&] { return budget.used() >= static_cast<std::int64_t>(piece.size()) + i || trickling.is_told(); });
    server.advance(10s);
  }
  BOOST_TEST(statuses(trickling.receive()) == "408");
}

BOOST_AUTO_TEST_CASE(an_answer_that_is_taken_may_take_minutes_and_one_that_is_not_ends) {
  Server server({}, much(96 * mib), false);
  Client steady(server.port()), silent(server.port());
  for (auto* client : {&steady, &silent}) {
    client->send(get);
    client->take(1);
  }
  std::size_t taken = 1;
  for (int i = 0; i < 5; ++i) {
    taken += steady.take(16 * mib);  // More than lies in the kernel: the server has written on.
    server.advance(20s);
  }
  taken += steady.take(16 * mib);
  BOOST_TEST(taken == 96 * mib + 1);
  BOOST_TEST(silent.take(100 * mib) < 96 * mib);
}

BOOST_AUTO_TEST_CASE(an_answer_that_is_taken_in_small_portions_gets_on_although_the_kernel_asks_for_no_more) {
  Server server({}, much(32 * mib), false);
  Client client(server.port(), 64 * 1024);
  client.send(get);
  std::size_t taken = client.take(1);
  for (int i = 0; i < 6; ++i) {
    taken += client.take(100'000);
    server.advance(20s);
  }
  taken += client.take(32 * mib - taken);
  BOOST_TEST(taken == 32 * mib);
}

BOOST_AUTO_TEST_CASE(who_has_taken_some_of_an_answer_has_30_seconds_from_then_and_not_from_when_somebody_looked) {
  Server server({}, much(32 * mib), false);
  Client client(server.port(), 64 * 1024);
  client.send(get);
  client.take(100'000);
  int seconds = 0;
  for (; seconds < 100 && server.connections() > 0; ++seconds) server.advance(1s);
  BOOST_TEST(seconds >= 30);
  BOOST_TEST(seconds <= 35);
}

BOOST_AUTO_TEST_CASE(answers_that_nobody_takes_fill_no_more_than_the_memory) {
  flow::Budget budget(64 * mib);
  std::atomic<int> refused = 0;
  io::HttpServerOptions options;
  options.memory = &budget;
  options.on_refused = [&](const io::HttpRefused& told) { refused += told.why == message::Reason::memory ? 1 : 0; };
  Server server(options, much(20 * mib), false);
  std::vector<Client> slow;
  for (int i = 0; i < 3; ++i) {
    slow.emplace_back(server.port());
    slow.back().send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    slow.back().take(1);
    server.advance(1ms);
  }
  BOOST_TEST(budget.used() == static_cast<std::int64_t>(60 * mib));
  Client at_once(server.port());
  at_once.send(get);
  BOOST_TEST(statuses(at_once.receive("more at the moment\n")) == "503");  // All others have only just begun.
  BOOST_TEST(refused == 1);

  // Once nothing gets on in the kernel either.
  std::optional<Client> next;
  std::string begin;
  do {
    server.advance(2s);
    next.emplace(server.port());
    next->send(get);
    begin = next->receive("\r\n\r\n");
  } while (begin.starts_with("HTTP/1.1 503"));
  BOOST_TEST(begin.size() + next->take(20 * mib - begin.size()) == 20 * mib);
  // One that had taken nothing for a while had to go.
  const auto was_cut = [](Client& client) { return client.take(21 * mib) < 20 * mib; };
  BOOST_TEST(std::count_if(slow.begin(), slow.end(), was_cut) == 1);
  until([&] { return budget.used() == 0; });
  BOOST_TEST(refused >= 2);
}

BOOST_AUTO_TEST_CASE(uploads_that_do_not_end_fill_no_more_than_the_memory_and_small_ones_still_pass) {
  flow::Budget budget(4 * mib);
  std::atomic<int> refused = 0;
  io::HttpServerOptions options;
  options.memory = &budget;
  options.on_refused = [&](const io::HttpRefused& told) { refused += told.why == message::Reason::memory ? 1 : 0; };
  {
    Server server(options, much(2), true);
    std::vector<Client> slow;
    for (int i = 0; i < 4; ++i) {
      slow.emplace_back(server.port());
      slow.back().send(posting(mib) + std::string(mib - 1000, 'x'));
      until([&] { return budget.used() == static_cast<std::int64_t>((i + 1) * (mib - 1000)); });
    }
    // What is only said holds nobody up.
    Client says(server.port());
    says.send(posting(2 * mib) + "x");
    Client late(server.port());
    late.send(posting(mib) + std::string(30'000, 'x'));
    const auto told = late.receive("moment\n");
    BOOST_TEST(statuses(told) == "503");
    BOOST_TEST(told.find("Retry-After: 1\r\n") != std::string::npos);
    Client small(server.port());
    small.send(posting(10'000) + std::string(5'000, 'x'));
    small.send(std::string(5'000, 'x'));
    BOOST_TEST(statuses(small.receive("xx")) == "200");
    BOOST_TEST(refused == 1);
    slow[0].send(std::string(1000, 'x'));
    BOOST_TEST(statuses(slow[0].receive("xx")) == "200");
    until([&] { return budget.used() == static_cast<std::int64_t>(3 * (mib - 1000)); });
    Client again(server.port());
    again.send(posting(mib) + std::string(mib, 'x'));
    BOOST_TEST(statuses(again.receive("xx")) == "200");
  }
  BOOST_TEST(budget.used() == 0);
}

BOOST_AUTO_TEST_CASE(what_is_refused_holds_no_memory_while_its_sender_is_told_why) {
  flow::Budget budget(mib);
  std::map<int, int> told;
  io::HttpServerOptions options;
  options.memory = &budget;
  options.limits.body_bytes = 2 * mib;
  options.on_refused = [&](const io::HttpRefused& refused) { ++told[refused.status]; };
  Server server(options, answer_at_once, false);  // Time stands still: whoever lingers stays.
  const std::string piece(500'000, 'x');
  const std::string chunked = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7a120\r\n";
  const auto holds = [&](std::size_t bytes) {
    until([&] { return budget.used() == static_cast<std::int64_t>(bytes); });
  };

  Client crowded(server.port());
  crowded.send(posting(2 * mib) + piece);
  holds(piece.size());
  crowded.send(piece + piece);
  BOOST_TEST(statuses(crowded.receive("moment\n")) == "503");
  holds(0);

  Client long_one(server.port());
  long_one.send(chunked + piece);
  holds(piece.size());
  long_one.send("\r\n200000\r\n");
  BOOST_TEST(statuses(long_one.receive("too large\n")) == "413");
  holds(0);

  Client slow(server.port());
  slow.send(posting(mib) + piece);
  holds(piece.size());
  until([&] {  // What it has sent has bought it time.
    server.advance(10min);
    return slow.is_told();
  });
  BOOST_TEST(statuses(slow.receive("too long\n")) == "408");
  holds(0);

  Client last(server.port());
  last.send(posting(mib) + piece);
  holds(piece.size());
  server.on_core([&] { server.get().drain(); });
  BOOST_TEST(statuses(last.receive("ending\n")) == "503");
  holds(0);
  server.on_core([&] { BOOST_TEST((told == std::map<int, int>{{408, 1}, {413, 1}, {503, 2}})); });
}

// --------------------------------------------------------------------------------------------------- too many, the end

BOOST_AUTO_TEST_CASE(where_all_are_at_work_the_next_is_told_so) {
  std::atomic<int> refused = 0;
  io::HttpServerOptions options;
  options.connections = 2;
  options.on_refused = [&](const io::HttpRefused& told) { refused += told.why == message::Reason::full ? 1 : 0; };
  Server server(options, false);
  Client one(server.port()), other(server.port());
  one.send(get);
  other.send(get);
  one.arrive();
  other.arrive();
  until([&] { return server.connections() == 2; });
  server.on_core([] {});
  for (int i = 0; i < 3; ++i) {
    const auto told = exchange(server.port(), get);
    BOOST_TEST(statuses(told) == "503");
    BOOST_TEST(told.find("Retry-After: 1\r\n") != std::string::npos);
    BOOST_TEST(told.find("Connection: close\r\n") != std::string::npos);
  }
  BOOST_TEST(refused == 3);
  std::vector<Client> many;  // Who comes in a flood is told so unheard.
  for (int i = 0; i < 300; ++i) many.emplace_back(server.port());
  for (auto& client : many) client.send(get);
  for (auto& client : many) BOOST_REQUIRE(client.receive("\r\n\r\n").starts_with("HTTP/1.1 503 "));
  BOOST_TEST(refused == 303);
}

BOOST_AUTO_TEST_CASE(what_lies_in_the_kernel_when_the_server_ends_is_served) {
  Server server;
  Client kept(server.port()), half(server.port());
  kept.send(get);
  kept.receive("GET /x \n");
  half.send("GET /x HT");
  until([&] { return server.connections() == 2; });
  std::vector<Client> come;
  server.on_core([&] {
    kept.send(get);
    kept.arrive();
    half.send("TP/1.1\r\nHost: a\r\n\r\n");
    half.arrive();
    for (int i = 0; i < 20; ++i) {
      come.emplace_back(server.port());
      if (i == 0) continue;  // He speaks later.
      come.back().send(get);
      come.back().arrive();
    }
    server.get().drain();
  });
  come.front().send(get);
  BOOST_TEST(statuses(kept.receive()) == "200");
  BOOST_TEST(statuses(half.receive()) == "200");
  for (auto& client : come) BOOST_TEST(statuses(client.receive()) == "200");
  BOOST_CHECK_THROW(Client(server.port()), std::system_error);
}

BOOST_AUTO_TEST_CASE(of_tls_12_only_what_keeps_its_secrets_is_spoken) {
  io::TlsFiles files;
  const tests::TemporaryFolder folder;
  const auto rsa = tests::Child({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=rsa",
                                 "-keyout", folder.path("r.key"), "-out", folder.path("r.pem")})
                       .end();
  BOOST_REQUIRE_MESSAGE(rsa.code == 0, rsa.err);
  files.certificates.push_back({folder.path("r.pem"), folder.path("r.key")});
  io::HttpServerOptions options;
  options.tls = std::make_shared<io::TlsServer>(files);
  Server server(options);
  const auto spoken = [&](const std::string& ciphers) {
    const auto end = tests::Child({"sh", "-c",
                                   "openssl s_client -connect 127.0.0.1:" + std::to_string(server.port()) +
                                       " -tls1_2 -cipher '" + ciphers + "' </dev/null"})
                         .end();
    return end.code == 0;
  };
  BOOST_TEST(spoken("ECDHE-RSA-AES128-GCM-SHA256"));
  BOOST_TEST(spoken("ECDHE-RSA-CHACHA20-POLY1305"));
  BOOST_TEST(!spoken("AES128-GCM-SHA256"));        // The key's theft opens what was recorded.
  BOOST_TEST(!spoken("ECDHE-RSA-AES128-SHA256"));  // CBC.
  BOOST_TEST(!spoken("ECDHE-RSA-AES256-SHA"));
}
