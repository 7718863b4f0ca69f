#include "engine/io/http_server.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
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

#include "engine/io/http_pace.hpp"
#include "engine/io/tls.hpp"
#include "engine/observe/log.hpp"
#include "engine/runtime/files.hpp"
#include "engine/runtime/wait.hpp"

namespace weir::io {

namespace {

using asio::ip::tcp;
using message::Reason;
using runtime::Task;
using runtime::Time;
using namespace std::chrono_literals;

constexpr int backlog = 1024;
constexpr std::size_t read_bytes = 8 * 1024;
constexpr std::size_t file_bytes = 64 * 1024;  // Of a file, at once.
constexpr std::size_t tls_bytes = 16 * 1024;   // What is made into TLS at once: one record.
constexpr auto look_time = 1s;  // How often it is looked whether who waits for an answer is still there, or takes it.
constexpr auto accept_pause = 100ms;  // After an accept that failed: no descriptors come back by asking faster.
// What a refused sender still sends is read over, or it would never see why: between two pieces, and in all.
constexpr auto linger_pause = 2s, linger_time = 30s;
constexpr std::size_t read_over_bytes = 16 * 1024;  // So much is, and the connection goes on.
constexpr std::size_t turning_most = 256;  // So many are heard before they are turned away; others are told unheard.
constexpr auto first_words_time = 500ms;   // For who was accepted as the server began to end.
constexpr auto slow_after = 1s;            // Whoever takes nothing for so long may be closed where memory is short.
constexpr std::string_view plain = "text/plain; charset=utf-8";

/// Of what was written, the bytes that the other side does not have yet.
int bytes_on_the_way(int socket) {
  int bytes = 0;
  return ::ioctl(socket, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

/// Tells who has not been heard why, and reads over what lies there: unread, it would reset the words away.
void tell_unheard(int socket) {
  const auto bytes = http_bytes(http_refusal(503, http_no_place), false, false);
  if (::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return;
  ::shutdown(socket, SHUT_WR);
  std::array<char, read_bytes> unread;
  while (::recv(socket, unread.data(), unread.size(), MSG_DONTWAIT) > 0) {
  }
}

/// A descriptor kept for the day when there is none left: given up, it lets one sender be told that there is no room.
class SpareDescriptor {
 public:
  SpareDescriptor() { open(); }
  ~SpareDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  SpareDescriptor(const SpareDescriptor&) = delete;
  SpareDescriptor& operator=(const SpareDescriptor&) = delete;

  /// False: nobody was there. `tell`: in the clear, so that he can be told.
  bool turn_one_away(int listening, bool tell) {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    const int sender = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (sender >= 0 && tell) tell_unheard(sender);
    if (sender >= 0) ::close(sender);
    open();
    return sender >= 0;
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
  Time since{};                 ///< When it began to wait for that.
  Time deadline{};              ///< When its patience ends.
  HttpPace pace;                ///< Of the body or the response that is on its way.
  int on_the_way = 0;           ///< Of what was written, when some of it was written last.
  bool late = false;            ///< It has ended.
  bool evicted = false;         ///< Another connection needs the place or the memory, or the server ends.
  bool left = false;            ///< Its sender went while the handler was at work.
  bool ending = false;          ///< The server drains: what lies there is read, and nothing more is waited for,
  bool fresh = false;           ///< but the first words of one that has just come.
  bool turned = false;          ///< There was no place for it.
  flow::Share memory;           ///< For the body that it reads or the response that it writes.
  std::uint64_t served_by = 0;  ///< Whose the request at hand is, or the response (HttpRefused).
  std::function<void()> on_gone;

  bool given_up() const { return late || evicted; }
  /// Before it waits for its sender.
  void look_whether_it_ends() {
    if (ending && !fresh && !has_bytes()) evicted = true;
  }
  bool has_bytes() {
    char byte = 0;
    return ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
  }
};

}  // namespace

struct HttpServer::Inside : std::enable_shared_from_this<HttpServer::Inside> {
  Inside(runtime::Core& on, Options chosen, HttpHandler handles)
      : core(on),
        options(std::move(chosen)),
        handler(std::move(handles)),
        memory(std::make_shared<HttpMemory>(on, options.memory)),
        ended(on) {}

  runtime::Core& core;
  Options options;
  const HttpHandler handler;
  const std::shared_ptr<HttpMemory> memory;
  std::vector<std::shared_ptr<tcp::acceptor>> acceptors;
  std::map<std::uint64_t, std::unique_ptr<runtime::Coroutine>> coroutines;  // Each ends by taking itself out.
  std::vector<Connection*> open;                                            // Each lives in its coroutine's frame.
  std::size_t turning = 0;                                                  // Of those, the ones that are turned away.
  std::uint64_t next_id = 0;
  std::unique_ptr<runtime::Alarm> alarm;
  Time alarm_at{};
  SpareDescriptor spare;
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
    if (what == Connection::Waits::receiver) {
      connection.on_the_way = bytes_on_the_way(connection.socket.native_handle());
    }
    arm(next_look(connection, connection.since));
  }
  static Time next_look(const Connection& connection, Time now) {
    return connection.waits == Connection::Waits::receiver ? std::min(connection.deadline, now + look_time)
                                                           : connection.deadline;
  }

  /// Of what gets on in pieces.
  void wait_for_body(Connection& connection, Connection::Waits what, runtime::Duration patience) {
    wait(connection, what, patience);
    connection.pace.begin(patience, connection.since);
  }

  void gets_on(Connection& connection, std::size_t bytes) {
    connection.since = core.now();
    connection.pace.moved(bytes, connection.since);
    connection.deadline = connection.pace.deadline();
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
      if (connection->waits == Connection::Waits::receiver) ask_kernel(*connection, now);
      if (connection->deadline > now) {
        next = std::min(next, next_look(*connection, now));
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

  /// A slow receiver may have taken some although there is no room to write more: the kernel asks for more only once a
  /// good part of its buffer is empty. It does not say when, so it is asked now and then.
  static void ask_kernel(Connection& connection, Time now) {
    const int left = bytes_on_the_way(connection.socket.native_handle());
    if (left >= connection.on_the_way) return;
    connection.on_the_way = left;
    connection.since = now;
    connection.pace.stirred(now);
    connection.deadline = connection.pace.deadline();
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
      if (connection->given_up() || connection->turned) continue;
      if (connection->waits == Connection::Waits::handler || connection->waits == Connection::Waits::receiver) continue;
      if (!longest || rank(*connection) < rank(*longest)) longest = connection;
    }
    if (!longest) return false;
    longest->evicted = true;
    interrupt(*longest);
    return true;
  }

  /// Closes those that have taken nothing of their response for the longest, if that gives so many bytes back. The
  /// budget has them at once, the machine when their coroutines have had their turn.
  void make_room(std::uint64_t bytes) {
    std::vector<Connection*> slow;
    const auto now = core.now();
    auto room = memory->left();
    for (auto* connection : open) {
      if (connection->waits != Connection::Waits::receiver || connection->given_up()) continue;
      if (connection->memory.bytes() == 0 || now - connection->since < slow_after) continue;
      slow.push_back(connection);
      room += connection->memory.bytes();
    }
    if (room < bytes) return;
    const auto longer = [](const auto* one, const auto* other) { return one->since < other->since; };
    std::stable_sort(slow.begin(), slow.end(), longer);  // Many are looked at in one moment: the first came first.
    for (auto* connection : slow) {
      if (memory->left() >= bytes) return;
      connection->memory.hold(0);
      connection->evicted = true;
      interrupt(*connection);
      refused({0, Reason::memory, "a client that took its answer too slowly was closed, for want of memory",
               connection->served_by});
    }
  }

  void refused(const HttpRefused& what) const {
    if (options.on_refused) return options.on_refused(what);
    if (!what.words.empty()) observe::log(observe::Level::warn, what.words);
  }

  // ------------------------------------------------------------------------------------------------------- coroutines

  static Task<> accept_all(std::shared_ptr<Inside> inside, std::shared_ptr<tcp::acceptor> acceptor) {
    auto& core = inside->core;
    inside->memory->serve([weak = std::weak_ptr(inside)](std::uint64_t bytes) {
      if (const auto alive = weak.lock()) alive->make_room(bytes);
    });
    while (!inside->closing && !inside->draining) {
      tcp::socket socket(core.executor());
      asio::error_code error;
      co_await acceptor->async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
      runtime::throw_if_stopped(co_await asio::this_coro::cancellation_state);
      if (inside->closing) co_return;
      if (!error) {
        inside->take(std::move(socket));
        continue;
      }
      if (inside->draining) co_return;
      if (error == asio::error::connection_aborted) continue;
      observe::log(observe::Level::warn, "cannot accept a connection", {{"err", error.message()}});
      if (error.value() == EMFILE || error.value() == ENFILE) inside->without_descriptors(*acceptor);
      co_await core.sleep(accept_pause);
    }
  }

  void without_descriptors(tcp::acceptor& acceptor) {
    if (evict()) return;
    const bool turned = spare.turn_one_away(acceptor.native_handle(), !options.tls);
    if (turned) refused({options.tls ? 0 : 503, Reason::full});
  }

  /// Those who are connected, and whom the server has not heard of yet.
  void take_all_who_wait(tcp::acceptor& acceptor) {
    asio::error_code error;
    acceptor.non_blocking(true, error);
    while (!error) {
      tcp::socket socket(core.executor());
      acceptor.accept(socket, error);
      if (!error) take(std::move(socket));
    }
  }

  void take(tcp::socket socket) {
    asio::error_code ignored;
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    socket.set_option(tcp::no_delay(true), ignored);
    const auto connected = coroutines.size() - acceptors.size() - turning;
    if (connected < options.connections || evict()) return start(converse(shared_from_this(), std::move(socket)));
    refused({503, Reason::full, "a connection was turned away, since all there may be are at work"});
    if (turning < turning_most) {
      ++turning;
      start(turn_away(shared_from_this(), std::move(socket)));
    } else if (!options.tls) {
      tell_unheard(socket.native_handle());
    }
  }

  /// Hears what somebody wants for whom there is no place, and tells him so.
  static Task<> turn_away(std::shared_ptr<Inside> owner, tcp::socket taken) {
    auto& inside = *owner;
    const Turning counted(inside);
    Connection connection(std::move(taken));
    connection.turned = true;
    const Listed listed(inside, connection);
    const auto peer = name_of_peer(connection.socket);
    if (inside.options.tls && !co_await shake_hands(inside, connection, peer)) co_return;
    inside.wait(connection, Connection::Waits::rest_of_request, linger_pause);
    auto reading = connection.tls ? read_tls(connection, connection.buffer) : read_raw(connection, connection.buffer);
    if (co_await std::move(reading) == 0) co_return;
    auto telling = tell(inside, connection, http_refusal(503, http_no_place), false);
    co_await std::move(telling);
  }

  struct Turning {
    explicit Turning(Inside& in) : inside(in) {}
    ~Turning() { --inside.turning; }
    Turning(const Turning&) = delete;
    Turning& operator=(const Turning&) = delete;
    Inside& inside;
  };

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

  /// What is still to be written: a head, a body and its end, one behind the other, and all somebody else's.
  struct Rest {
    std::string_view head, body, end = {};
    std::size_t bytes() const { return head.size() + body.size() + end.size(); }
    std::string_view first() const { return !head.empty() ? head : !body.empty() ? body : end; }
    void drop(std::size_t count) {
      for (auto* part : {&head, &body, &end}) {
        const auto of_part = std::min(count, part->size());
        part->remove_prefix(of_part);
        count -= of_part;
      }
    }
  };

  /// Writes all of it, as wait_for_body() has allowed. False: the connection can't be used any more.
  static Task<bool> send(Inside& inside, Connection& connection, Rest rest) {
    while (rest.bytes() > 0) {
      if (connection.given_up()) co_return false;
      const auto piece = rest.first().substr(0, tls_bytes);
      std::size_t count = piece.size();
      if (connection.tls) {
        connection.tls->write(piece);
        auto bytes = connection.tls->take();
        if (!co_await write(connection, std::move(bytes))) co_return false;
      } else {
        const std::array<asio::const_buffer, 3> all{asio::buffer(rest.head), asio::buffer(rest.body),
                                                    asio::buffer(rest.end)};
        asio::error_code error;
        count = co_await connection.socket.async_write_some(all, asio::redirect_error(asio::use_awaitable, error));
        runtime::throw_if_stopped(co_await asio::this_coro::cancellation_state);
        if (error) co_return false;
      }
      rest.drop(count);
      connection.on_the_way = bytes_on_the_way(connection.socket.native_handle());
      inside.gets_on(connection, count);
    }
    co_return !connection.given_up();
  }

  /// Writes what the kernel has room for now, mostly all: no wait, and nothing to wait with.
  static void send_at_once(Connection& connection, Rest& rest) {
    if (connection.tls) return;
    std::array<iovec, 3> all{};
    all[0] = {const_cast<char*>(rest.head.data()), rest.head.size()};
    all[1] = {const_cast<char*>(rest.body.data()), rest.body.size()};
    all[2] = {const_cast<char*>(rest.end.data()), rest.end.size()};
    msghdr message{};
    message.msg_iov = all.data();
    message.msg_iovlen = all.size();
    const auto count = ::sendmsg(connection.socket.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) rest.drop(static_cast<std::size_t>(count));
  }

  /// 0: the connection has ended, or its patience has.
  static Task<std::size_t> read_raw(Connection& connection, std::span<char> into) {
    connection.look_whether_it_ends();
    if (connection.given_up()) co_return 0;  // An interruption may come between two reads.
    asio::error_code error;
    const auto count = co_await connection.socket.async_read_some(asio::buffer(into.data(), into.size()),
                                                                  asio::redirect_error(asio::use_awaitable, error));
    runtime::throw_if_stopped(co_await asio::this_coro::cancellation_state);
    const bool ends_by_itself = connection.evicted && connection.ending;  // What came before that is answered.
    co_return error || (connection.given_up() && !ends_by_itself) ? 0 : count;
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
      if (tls.met_http()) break;
      if (!answer.empty() && !co_await write(connection, std::move(answer))) co_return false;
    }
    if (!tls.failed()) co_return true;
    observe::log(observe::Level::info, "a TLS handshake failed", {{"client", peer}, {"err", tls.why()}});
    if (tls.met_http()) {
      connection.tls.reset();
      inside.refused({400, std::nullopt});
      auto telling = tell(inside, connection, http_refusal(400, "this port speaks https"), false);
      co_await std::move(telling);
      co_return false;
    }
    co_await linger(inside, connection);  // So that the alert arrives.
    co_return false;
  }

  /// Ends a connection so that the last answer arrives: a close with unread bytes would reset it away.
  static Task<> linger(Inside& inside, Connection& connection) {
    const Time end = inside.core.now() + (inside.draining ? linger_pause : linger_time);
    inside.wait(connection, Connection::Waits::rest_of_request, linger_pause);
    connection.ending = false;  // It has an end of its own.
    if (connection.tls) {
      connection.tls->close();
      auto goodbye = connection.tls->take();
      if (!goodbye.empty() && !co_await write(connection, std::move(goodbye))) co_return;
    }
    asio::error_code error;
    connection.socket.shutdown(tcp::socket::shutdown_send, error);
    for (std::size_t count = 1; !error && count > 0 && inside.core.now() < end;) {
      inside.wait(connection, Connection::Waits::rest_of_request, linger_pause);
      count = co_await read_raw(connection, connection.buffer);
    }
  }

  /// `lack`: it is for want of that.
  static Task<> refuse(Inside& inside, Connection& connection, HttpReader& reader, int status, std::string_view why,
                       std::optional<Reason> lack = std::nullopt) {
    auto refusing = refuse(inside, connection, reader, http_refusal(status, why), lack);
    co_await std::move(refusing);
  }
  /// Whoever is told may linger, and shall not keep from others what he was refused for: it goes before.
  static Task<> refuse(Inside& inside, Connection& connection, HttpReader& reader, HttpResponse told,
                       std::optional<Reason> lack = std::nullopt) {
    const bool head = reader.head().method == "HEAD";
    reader.drop();
    connection.memory.hold(0);
    HttpRefused refused{told.status, lack, {}, connection.served_by};
    if (lack) refused.words = "a request was turned away for want of memory";
    inside.refused(refused);
    auto telling = tell(inside, connection, std::move(told), head);
    co_await std::move(telling);
  }
  /// The last that is said on the connection.
  static Task<> tell(Inside& inside, Connection& connection, HttpResponse told, bool head) {
    const auto bytes = http_bytes(std::move(told), head, false, inside.now_as_date());
    inside.wait_for_body(connection, Connection::Waits::receiver, inside.options.send_time);
    const Rest rest{bytes, {}};
    if (co_await send(inside, connection, rest)) co_await linger(inside, connection);
  }

  /// What is refused whatever its body brings is refused without it, unless so little is left that it is read over, and
  /// the connection kept.
  static HttpFirstLook first_look(const Inside& inside, HttpReader& reader) {
    if (!inside.options.first_look) return {};
    auto look = inside.options.first_look(reader.head());
    const auto said = reader.said_bytes();
    const bool waits = reader.expects_continue();
    const bool fits = said && *said <= look.body_bytes;
    if (!waits && fits && *said - reader.body_bytes() <= read_over_bytes) look.refused.reset();
    return look;
  }

  /// Reads until a whole request is there. False: there will be none; its sender has been told why, where it began one.
  static Task<bool> receive(Inside& inside, Connection& connection, HttpReader& reader) {
    auto state = reader.feed({});
    auto known = HttpReader::State::idle;
    while (state != HttpReader::State::whole && state != HttpReader::State::refused) {
      if (state != known) {
        known = state;
        if (state == HttpReader::State::head) {
          inside.wait(connection, Connection::Waits::rest_of_request, inside.options.head_time);
        } else if (state == HttpReader::State::body) {
          inside.wait_for_body(connection, Connection::Waits::rest_of_request, inside.options.body_time);
          auto look = first_look(inside, reader);
          connection.served_by = look.served_by;
          if (look.refused) {
            auto refusing = refuse(inside, connection, reader, std::move(*look.refused));
            co_await std::move(refusing);
            co_return false;
          }
          state = reader.narrow_body(look.body_bytes);
          if (state == HttpReader::State::refused) break;
        }
      }
      if (state == HttpReader::State::body && !inside.memory->hold(connection.memory, reader.body_bytes())) {
        co_await refuse(inside, connection, reader, 503, http_no_memory, Reason::memory);
        co_return false;
      }
      if (reader.wants_continue()) {
        const Rest go_on{"HTTP/1.1 100 Continue\r\n\r\n", {}};
        inside.wait_for_body(connection, Connection::Waits::receiver, inside.options.send_time);
        if (!co_await send(inside, connection, go_on)) co_return false;
        inside.wait_for_body(connection, Connection::Waits::rest_of_request, inside.options.body_time);
      }
      std::size_t count = 0;
      if (connection.tls) {
        count = co_await read_tls(connection, connection.buffer);
      } else if (connection.look_whether_it_ends(); !connection.given_up()) {  // As read_raw(), without its frame.
        asio::error_code error;
        count = co_await connection.socket.async_read_some(asio::buffer(connection.buffer),
                                                           asio::redirect_error(asio::use_awaitable, error));
        runtime::throw_if_stopped(co_await asio::this_coro::cancellation_state);
        if (error) count = 0;
      }
      // Read as the server began to end: it is answered, and the connection ends behind that.
      if (connection.evicted && inside.draining && count > 0) connection.evicted = false;
      if (connection.evicted) {
        if (!inside.draining || state == HttpReader::State::idle) co_return false;
        connection.evicted = connection.ending = false;  // What is told now is still to be sent.
        co_await refuse(inside, connection, reader, 503, "the server is ending");
        co_return false;
      }
      if (connection.late) {
        connection.late = false;  // What is told now has a time of its own.
        if (state == HttpReader::State::idle) co_return false;
        co_await refuse(inside, connection, reader, 408, "the request took too long");
        co_return false;
      }
      if (count == 0) co_return false;
      if (state == HttpReader::State::body) inside.gets_on(connection, count);
      state = reader.feed(std::string_view(connection.buffer.data(), count));
    }
    if (state == HttpReader::State::whole) co_return true;
    co_await refuse(inside, connection, reader, reader.status(), reader.why());
    co_return false;
  }

  /// As send().
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
      const Rest rest{bytes, {}};
      if (!co_await send(inside, connection, rest)) co_return false;
    }
    co_return true;
  }

  static Task<> converse(std::shared_ptr<Inside> owner, tcp::socket taken) {
    auto& inside = *owner;
    Connection connection(std::move(taken));
    connection.ending = connection.fresh = inside.draining;
    connection.memory = inside.memory->share();
    const Listed listed(inside, connection);
    HttpReader reader(inside.options.limits);
    const auto peer = name_of_peer(connection.socket);
    std::string subject;
    if (inside.options.tls) {
      if (!co_await shake_hands(inside, connection, peer)) co_return;
      subject = connection.tls->subject();
    }

    // A new connection is there to say something at once.
    auto patience = connection.fresh ? runtime::Duration(first_words_time) : inside.options.head_time;
    for (bool keep = true; keep && !inside.closing; patience = inside.options.idle_time) {
      inside.wait(connection, Connection::Waits::next_request, patience);
      connection.served_by = 0;
      if (!co_await receive(inside, connection, reader)) co_return;
      connection.fresh = false;
      auto request = reader.take();
      request.peer = peer;
      request.subject = subject;
      const bool head = request.method == "HEAD";
      const bool takes_chunks = request.takes_chunks;
      keep = request.keep_alive;

      request.on_gone = &connection.on_gone;
      request.memory = &connection.memory;
      request.served_by = &connection.served_by;
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
      request.body = std::string();
      const auto held = response.file ? std::min<std::uint64_t>(response.file_bytes, file_bytes) : response.body.size();
      if (!inside.memory->hold(connection.memory, held)) {
        inside.refused({503, Reason::memory, "an answer was lost for want of memory", connection.served_by});
        response = http_refusal(503, http_no_memory);
        connection.memory.hold(0);
      }
      keep = keep && !response.close && !inside.draining;
      response.chunked = response.chunked && takes_chunks;
      const auto bytes = http_head(response, head, keep, inside.now_as_date());
      Rest rest{bytes, http_body(response, head), http_end(response)};
      const auto bytes_in_all = rest.bytes();
      send_at_once(connection, rest);
      const bool file = response.file && !head;
      if (rest.bytes() > 0 || file) {
        inside.wait_for_body(connection, Connection::Waits::receiver, inside.options.send_time);
        inside.gets_on(connection, bytes_in_all - rest.bytes());
        if (!co_await send(inside, connection, rest)) co_return;
        if (file && !co_await send_file(inside, connection, response)) co_return;
      }
      connection.memory.hold(0);
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
    for (auto* connection : open) {
      connection->ending = true;
      if (connection->waits == Connection::Waits::handler || connection->waits == Connection::Waits::receiver) continue;
      if (connection->has_bytes()) continue;
      connection->evicted = true;
      interrupt(*connection);
    }
    for (const auto& acceptor : acceptors) {
      take_all_who_wait(*acceptor);
      acceptor->close(ignored);
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
void HttpServer::set_connections(std::size_t most) { inside_->options.connections = most; }
std::shared_ptr<HttpMemory> HttpServer::memory() const { return inside_->memory; }
void HttpServer::drain() { inside_->drain(); }
runtime::Task<> HttpServer::closed_by(runtime::Time when) { return Inside::all_ended_by(inside_, when); }
runtime::Task<> HttpServer::closed() { return Inside::all_ended(inside_); }
std::size_t HttpServer::connections() const { return inside_->open.size(); }

}  // namespace weir::io
