#include "engine/io/http_server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <exception>
#include <map>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/io/tls.hpp"
#include "engine/observe/log.hpp"
#include "engine/runtime/files.hpp"
#include "engine/runtime/wait.hpp"

namespace weir::io {

namespace {

using asio::ip::tcp;
using runtime::Task;
using runtime::Time;
using namespace std::chrono_literals;

constexpr int backlog = 1024;
constexpr std::size_t read_bytes = 8 * 1024;
constexpr std::size_t file_bytes = 64 * 1024;  // Of a file, at once.
constexpr auto look_time = 1s;                 // How often it is looked whether who waits for an answer is still there.
constexpr auto accept_pause = 100ms;  // After an accept that failed: no descriptors come back by asking faster.
constexpr auto linger_time = 2s;      // What a refused sender still sends is read over, or it would never see why.
constexpr std::size_t linger_bytes = 1024 * 1024;
constexpr std::string_view plain = "text/plain; charset=utf-8";

/// A descriptor kept for the day when there is none left: given up, it lets one sender be told that there is no room.
class Reserve {
 public:
  Reserve() { open(); }
  ~Reserve() {
    if (fd_ >= 0) ::close(fd_);
  }
  Reserve(const Reserve&) = delete;
  Reserve& operator=(const Reserve&) = delete;

  void turn_one_away(int listening) {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    const int sender = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (sender >= 0) ::close(sender);
    open();
  }

 private:
  void open() { fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
  int fd_ = -1;
};

/// What a connection waits for. The server's view of it; the coroutine converse() sets it.
struct Connection {
  explicit Connection(tcp::socket taken) : socket(std::move(taken)) {}

  enum class Waits { next_request, rest_of_request, handler, receiver };

  tcp::socket socket;
  std::array<char, read_bytes>
      buffer;                       ///< Of what is read. Here, since Asio keeps no frame so large for the next time.
  std::unique_ptr<TlsSession> tls;  ///< Null: in the clear.
  Waits waits = Waits::next_request;
  Time since{};          ///< When it began to wait for that.
  Time deadline{};       ///< When its patience ends.
  bool late = false;     ///< It has ended.
  bool evicted = false;  ///< Another connection needs the place, or the server ends.
  bool left = false;     ///< Its sender went while the handler was at work.
  std::function<void()> on_gone;
};

}  // namespace

struct HttpServer::Inside : std::enable_shared_from_this<HttpServer::Inside> {
  Inside(runtime::Core& on, Options chosen, HttpHandler handles)
      : core(on), options(chosen), handler(std::move(handles)), ended(on) {}

  runtime::Core& core;
  Options options;
  const HttpHandler handler;
  std::vector<std::shared_ptr<tcp::acceptor>> acceptors;
  std::map<std::uint64_t, std::unique_ptr<runtime::Coroutine>> coroutines;  // Each ends by taking itself out.
  std::vector<Connection*> open;                                            // Each lives in its coroutine's frame.
  std::uint64_t next_id = 0;
  std::unique_ptr<runtime::Alarm> alarm;
  Time alarm_at{};
  Reserve reserve;
  bool draining = false, closing = false;
  runtime::Waiter ended;
  std::string date;
  std::chrono::seconds date_of{-1};

  void start(Task<> body) {
    const auto id = next_id++;
    auto on_end = [inside = shared_from_this(), id](std::exception_ptr failure) { inside->has_ended(id, failure); };
    coroutines[id] = core.spawn(std::move(body), std::move(on_end));
  }

  void has_ended(std::uint64_t id, const std::exception_ptr& failure) {
    const auto alive = shared_from_this();  // The handle owns the callback that runs now.
    if (failure) {
      try {
        std::rethrow_exception(failure);
      } catch (const std::exception& error) {
        observe::log(observe::Level::error, "a connection ended by a fault", {{"err", error.what()}});
      } catch (...) {
        observe::log(observe::Level::error, "a connection ended by a fault");
      }
    }
    coroutines.erase(id);
    if (coroutines.empty()) ended.wake();
  }

  // --------------------------------------------------------------------------------------------------------- patience

  void wait(Connection& connection, Connection::Waits what, runtime::Duration patience) {
    connection.waits = what;
    connection.since = core.now();
    connection.deadline = patience == runtime::Duration::max() ? Time::max() : connection.since + patience;
    arm(connection.deadline);
  }

  /// One alarm for all: set for the earliest end known when it was set, and mostly that has moved away by then.
  void arm(Time when) {
    if (closing || when == Time::max() || (alarm && alarm_at <= when)) return;
    alarm_at = when;
    alarm.reset();
    alarm = core.alarm(when, [this] { ring(); });
  }

  void ring() {
    alarm.reset();
    const auto now = core.now();
    auto next = Time::max();
    for (auto* connection : open) {
      if (connection->waits == Connection::Waits::handler) look(*connection, now);
      if (connection->deadline > now) {
        next = std::min(next, connection->deadline);
      } else if (!connection->late) {
        connection->late = true;
        interrupt(*connection);
      }
    }
    arm(next);
  }

  /// Whether who waits for a handler's answer is still there. A look now and then costs those nothing that are answered
  /// at once, where to wait for it beside each handler would. Whoever has closed his side gets no answer: nobody can
  /// tell him from one that is gone.
  static void look(Connection& connection, Time now) {
    connection.deadline = now + look_time;
    if (!connection.on_gone || connection.left || !has_gone(connection)) return;
    connection.left = true;
    connection.on_gone();
  }

  static bool has_gone(Connection& connection) {
    const int socket = connection.socket.native_handle();
    if (connection.tls) {  // What says goodbye lies before the end, unread.
      pollfd end{socket, POLLRDHUP, 0};
      return ::poll(&end, 1, 0) > 0;
    }
    char byte = 0;
    const auto count = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
  }

  static void interrupt(Connection& connection) {
    asio::error_code ignored;
    connection.socket.cancel(ignored);
  }

  /// Ends the connection that has waited longest for its sender: between two requests first, then in the middle of
  /// one. False: all of them are at work.
  bool evict() {
    Connection* longest = nullptr;
    const auto rank = [](const Connection& one) {
      return std::pair(one.waits == Connection::Waits::next_request ? 0 : 1, one.since);
    };
    for (auto* connection : open) {
      if (connection->evicted || connection->late) continue;
      if (connection->waits == Connection::Waits::handler || connection->waits == Connection::Waits::receiver) continue;
      if (!longest || rank(*connection) < rank(*longest)) longest = connection;
    }
    if (!longest) return false;
    longest->evicted = true;
    interrupt(*longest);
    return true;
  }

  // ------------------------------------------------------------------------------------------------------- coroutines

  static Task<> accept_all(std::shared_ptr<Inside> inside, std::shared_ptr<tcp::acceptor> acceptor) {
    auto& core = inside->core;
    while (!inside->closing && !inside->draining) {
      tcp::socket socket(core.executor());
      asio::error_code error;
      co_await acceptor->async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
      runtime::throw_if_stopped(co_await asio::this_coro::cancellation_state);
      if (inside->closing || inside->draining) co_return;
      if (error == asio::error::connection_aborted) continue;
      if (error) {
        observe::log(observe::Level::warn, "cannot accept a connection", {{"err", error.message()}});
        if (error.value() == EMFILE || error.value() == ENFILE) {
          if (!inside->evict()) inside->reserve.turn_one_away(acceptor->native_handle());
        }
        co_await core.sleep(accept_pause);
        continue;
      }
      ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
      socket.set_option(tcp::no_delay(true), error);
      const auto connected = inside->coroutines.size() - inside->acceptors.size();
      const bool room = connected < inside->options.connections || inside->evict();
      if (!room) continue;  // All are at work: closed by the socket's destructor.
      inside->start(converse(inside, std::move(socket)));
    }
  }

  /// Takes a connection into the list of open ones for as long as its coroutine runs.
  struct Listed {
    Listed(Inside& in, Connection& connection) : inside(in), listed(connection) { inside.open.push_back(&listed); }
    ~Listed() { std::erase(inside.open, &listed); }
    Listed(const Listed&) = delete;
    Listed& operator=(const Listed&) = delete;
    Inside& inside;
    Connection& listed;
  };

  static Task<bool> write(Connection& connection, std::string bytes) {
    asio::error_code error;
    co_await asio::async_write(connection.socket, asio::buffer(bytes),
                               asio::redirect_error(asio::use_awaitable, error));
    runtime::throw_if_stopped(co_await asio::this_coro::cancellation_state);
    co_return !error;
  }

  /// Writes all of it. False: the connection can't be used any more.
  static Task<bool> send(Inside& inside, Connection& connection, std::string bytes) {
    inside.wait(connection, Connection::Waits::receiver, inside.options.send_time);
    if (connection.tls) {
      connection.tls->write(bytes);
      bytes = connection.tls->take();
    }
    return write(connection, std::move(bytes));
  }

  /// Writes what the kernel has room for now, mostly all, and takes it off: no wait, and nothing to wait with.
  static void send_at_once(Connection& connection, std::string& bytes) {
    if (connection.tls) return;
    const auto count =
        ::send(connection.socket.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) bytes.erase(0, static_cast<std::size_t>(count));
  }

  /// 0: the connection has ended, or its patience has.
  static Task<std::size_t> read_raw(Connection& connection, std::span<char> into) {
    if (connection.late || connection.evicted) co_return 0;  // An interruption may come between two reads.
    asio::error_code error;
    const auto count = co_await connection.socket.async_read_some(asio::buffer(into.data(), into.size()),
                                                                  asio::redirect_error(asio::use_awaitable, error));
    runtime::throw_if_stopped(co_await asio::this_coro::cancellation_state);
    co_return error || connection.late || connection.evicted ? 0 : count;
  }

  /// As read_raw(), of what TLS has in it.
  static Task<std::size_t> read_tls(Connection& connection, std::span<char> into) {
    auto& tls = *connection.tls;
    for (;;) {
      const auto count = tls.read(into);
      auto answer = tls.take();  // It has an opinion of its own now and then.
      if (!answer.empty() && !co_await write(connection, std::move(answer))) co_return 0;
      if (count > 0 || tls.ended()) co_return count;
      const auto come = co_await read_raw(connection, into);  // What is not read yet lies in the session.
      if (come == 0) co_return 0;
      tls.receive(std::string_view(into.data(), come));
    }
  }
  /// False: there is nobody to talk to.
  static Task<bool> shake_hands(Inside& inside, Connection& connection, const std::string& peer) {
    connection.tls = inside.options.tls->accept();
    auto& tls = *connection.tls;
    inside.wait(connection, Connection::Waits::rest_of_request, inside.options.handshake_time);
    while (!tls.established() && !tls.failed()) {
      const auto count = co_await read_raw(connection, connection.buffer);
      if (count == 0) co_return false;
      tls.receive(std::string_view(connection.buffer.data(), count));
      auto answer = tls.take();
      if (!answer.empty() && !co_await write(connection, std::move(answer))) co_return false;
    }
    if (!tls.failed()) co_return true;
    observe::log(observe::Level::info, "a TLS handshake failed", {{"client", peer}, {"err", tls.why()}});
    co_await linger(inside, connection);  // So that the alert arrives.
    co_return false;
  }

  /// Ends a connection so that the last answer arrives: a close with unread bytes would reset it away.
  static Task<> linger(Inside& inside, Connection& connection) {
    inside.wait(connection, Connection::Waits::rest_of_request, linger_time);
    if (connection.tls) {
      connection.tls->close();
      auto goodbye = connection.tls->take();
      if (!goodbye.empty() && !co_await write(connection, std::move(goodbye))) co_return;
    }
    asio::error_code error;
    connection.socket.shutdown(tcp::socket::shutdown_send, error);
    for (std::size_t bytes = 0, count = 1; !error && count > 0 && bytes < linger_bytes; bytes += count) {
      count = co_await read_raw(connection, connection.buffer);
    }
  }

  static Task<> refuse(Inside& inside, Connection& connection, int status, std::string_view why) {
    auto bytes = http_bytes(http_refusal(status, why), false, false, inside.now_as_date());
    if (co_await send(inside, connection, std::move(bytes))) co_await linger(inside, connection);
  }

  /// Reads until a whole request is there. False: there will be none; its sender has been told why, where it began one.
  static Task<bool> receive(Inside& inside, Connection& connection, HttpReader& reader) {
    auto state = reader.feed({});
    auto known = HttpReader::State::idle;
    while (state != HttpReader::State::whole && state != HttpReader::State::refused) {
      if (state != known) {
        known = state;
        inside.wait(connection, Connection::Waits::rest_of_request,
                    state == HttpReader::State::head ? inside.options.head_time : inside.options.body_time);
      }
      if (reader.wants_continue()) {
        std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        if (!co_await send(inside, connection, std::move(go_on))) co_return false;
        inside.wait(connection, Connection::Waits::rest_of_request, inside.options.body_time);
      }
      std::size_t count = 0;
      if (connection.tls) {
        count = co_await read_tls(connection, connection.buffer);
      } else if (!connection.late && !connection.evicted) {  // As read_raw(), without a frame of its own.
        asio::error_code error;
        count = co_await connection.socket.async_read_some(asio::buffer(connection.buffer),
                                                           asio::redirect_error(asio::use_awaitable, error));
        runtime::throw_if_stopped(co_await asio::this_coro::cancellation_state);
        if (error) count = 0;
      }
      if (connection.evicted) {
        if (!inside.draining || state == HttpReader::State::idle) co_return false;
        connection.evicted = false;  // What is told now is still to be sent.
        co_await refuse(inside, connection, 503, "the server is ending");
        co_return false;
      }
      if (connection.late) {
        connection.late = false;  // What is told now has a time of its own.
        if (state != HttpReader::State::idle) co_await refuse(inside, connection, 408, "the request took too long");
        co_return false;
      }
      if (count == 0) co_return false;
      state = reader.feed(std::string_view(connection.buffer.data(), count));
    }
    if (state == HttpReader::State::whole) co_return true;
    co_await refuse(inside, connection, reader.status(), reader.why());
    co_return false;
  }

  static Task<bool> send_file(Inside& inside, Connection& connection, const HttpResponse& response) {
    for (auto left = response.file_bytes; left > 0;) {
      std::string bytes(std::min<std::uint64_t>(left, file_bytes), '\0');
      std::size_t count = 0;
      try {
        count = co_await response.file->read(bytes);
      } catch (const std::system_error& error) {
        observe::log(observe::Level::error, "a file can't be read on", {{"err", error.what()}});
      }
      if (count == 0) co_return false;  // It has become shorter; how long it would be has been said.
      bytes.resize(count);
      left -= count;
      if (!co_await send(inside, connection, std::move(bytes))) co_return false;
    }
    co_return true;
  }

  static Task<> converse(std::shared_ptr<Inside> owner, tcp::socket taken) {
    auto& inside = *owner;
    Connection connection(std::move(taken));
    const Listed listed(inside, connection);
    HttpReader reader(inside.options.limits);
    const auto peer = name_of_peer(connection.socket);
    std::string subject;
    if (inside.options.tls) {
      if (!co_await shake_hands(inside, connection, peer)) co_return;
      subject = connection.tls->subject();
    }

    auto patience = inside.options.head_time;  // A new connection is there to say something at once.
    for (bool keep = true; keep && !inside.closing && !inside.draining; patience = inside.options.idle_time) {
      inside.wait(connection, Connection::Waits::next_request, patience);
      if (!co_await receive(inside, connection, reader)) co_return;
      auto request = reader.take();
      request.peer = peer;
      request.subject = subject;
      const bool head = request.method == "HEAD";
      keep = request.keep_alive;

      request.on_gone = &connection.on_gone;
      inside.wait(connection, Connection::Waits::handler, look_time);
      HttpResponse response;
      std::string fault;
      try {
        auto answering = inside.handler(request);
        response = co_await std::move(answering);
      } catch (const runtime::Stopped&) {
        throw;
      } catch (const std::exception& error) {
        fault = error.what();
        response = HttpResponse(500, std::string(plain), "internal error\n");
      }
      if (!fault.empty()) {
        observe::log(observe::Level::error, "a request was not answered for a fault", {{"err", fault}});
      }
      connection.on_gone = nullptr;
      if (connection.left) co_return;
      keep = keep && !response.close && !inside.draining;
      auto bytes = http_bytes(response, head, keep, inside.now_as_date());
      send_at_once(connection, bytes);
      if (!bytes.empty() && !co_await send(inside, connection, std::move(bytes))) co_return;
      if (response.file && !head && !co_await send_file(inside, connection, response)) co_return;
    }
    co_await linger(inside, connection);
  }

  static Task<> all_ended(std::shared_ptr<Inside> inside) {
    while (!inside->coroutines.empty()) co_await inside->ended.wait();
  }
  static Task<> all_ended_by(std::shared_ptr<Inside> inside, Time when) {
    std::unique_ptr<runtime::Alarm> alarm;
    if (when != Time::max()) alarm = inside->core.alarm(when, [inside] { inside->ended.wake(); });
    while (!inside->coroutines.empty() && inside->core.now() < when) co_await inside->ended.wait_through();
  }

  // ------------------------------------------------------------------------------------------------------------- rest

  static std::string name_of_peer(const tcp::socket& socket) {
    asio::error_code error;
    const auto end = socket.remote_endpoint(error);
    if (error) return {};
    const auto address = end.address().to_string();
    return (end.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(end.port());
  }

  const std::string& now_as_date() {
    const auto now = core.wall();
    const auto second = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
    if (second != date_of) {
      date_of = second;
      date = http_date(now);
    }
    return date;
  }

  std::uint16_t listen(const std::string& address, std::uint16_t port) {
    const tcp::endpoint end(asio::ip::make_address(address), port);
    auto acceptor = std::make_shared<tcp::acceptor>(core.executor());
    acceptor->open(end.protocol());
    ::fcntl(acceptor->native_handle(), F_SETFD, FD_CLOEXEC);
    acceptor->set_option(tcp::acceptor::reuse_address(true));
    acceptor->bind(end);
    acceptor->listen(backlog);
    const auto chosen = acceptor->local_endpoint().port();
    start(accept_all(shared_from_this(), acceptor));
    acceptors.push_back(std::move(acceptor));
    return chosen;
  }

  void drain() {
    if (std::exchange(draining, true)) return;
    asio::error_code ignored;
    for (const auto& acceptor : acceptors) acceptor->close(ignored);
    for (auto* connection : open) {
      if (connection->waits == Connection::Waits::handler || connection->waits == Connection::Waits::receiver) continue;
      connection->evicted = true;
      interrupt(*connection);
    }
  }

  void close() {
    if (std::exchange(closing, true)) return;
    alarm.reset();
    asio::error_code ignored;
    for (const auto& acceptor : acceptors) acceptor->close(ignored);
    std::vector<std::uint64_t> running;
    for (const auto& [id, coroutine] : coroutines) running.push_back(id);
    for (const auto id : running) {
      if (const auto found = coroutines.find(id); found != coroutines.end()) found->second->stop();
    }
  }
};

HttpServer::HttpServer(runtime::Core& core, Options options, HttpHandler handler)
    : inside_(std::make_shared<Inside>(core, std::move(options), std::move(handler))) {}
HttpServer::~HttpServer() { close(); }

std::uint16_t HttpServer::listen(const std::string& address, std::uint16_t port) {
  try {
    return inside_->listen(address, port);
  } catch (const std::system_error& error) {  // Asio's category is its own: its errors equal no std::errc.
    throw std::system_error(error.code().value(), std::system_category(),
                            "listen on " + address + ":" + std::to_string(port));
  }
}
void HttpServer::close() { inside_->close(); }
void HttpServer::set_limits(HttpLimits limits) { inside_->options.limits = limits; }
void HttpServer::drain() { inside_->drain(); }
runtime::Task<> HttpServer::closed_by(runtime::Time when) { return Inside::all_ended_by(inside_, when); }
runtime::Task<> HttpServer::closed() { return Inside::all_ended(inside_); }
std::size_t HttpServer::connections() const { return inside_->open.size(); }

}  // namespace weir::io
