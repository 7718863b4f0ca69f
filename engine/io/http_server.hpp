// weir's own HTTP/1.1 server: the admin port, and the stage http_server.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/io/http_memory.hpp"
#include "engine/io/http_request.hpp"
#include "engine/message/failure.hpp"
#include "engine/runtime/core.hpp"

namespace weir::io {

class TlsServer;

/// Answers one request; may wait. Runs on the server's core, one call at a time for a connection, many at a time for a
/// server. What it throws becomes a 500, except runtime::Stopped. The request is the server's, lives until the handler
/// has returned, and may be taken apart.
using HttpHandler = std::function<runtime::Task<HttpResponse>(HttpRequest&)>;

/// Of a request of which only the head is there.
struct HttpFirstLook {
  std::optional<HttpResponse> refused;       ///< What its sender is told, whatever follows.
  std::size_t body_bytes = std::size_t(-1);  ///< As HttpLimits::body_bytes, for this one.
  std::uint64_t served_by = 0;               ///< As HttpRefused::served_by.
};

/// What a sender was told by the server itself, in place of its handler.
struct HttpRefused {
  int status = 0;  ///< 0: nothing, but he was cut off.
  /// Where it is a loss for want of room: `full` of connections, or `memory`.
  std::optional<message::Reason> why = std::nullopt;
  std::string_view words = {};  ///< For the log; empty where it is not worth a line.
  std::uint64_t served_by = 0;  ///< As the first look or the handler has named whose the request is; 0: nobody knows.
};

struct HttpServerOptions {
  HttpLimits limits;
  std::shared_ptr<TlsServer> tls;                               ///< Null: spoken in the clear.
  runtime::Duration handshake_time = std::chrono::seconds(10);  ///< From the connection on.
  /// At the limit the one that has waited longest for its sender is closed; where all are at work the next is told 503.
  std::size_t connections = 512;
  runtime::Duration head_time =
      std::chrono::seconds(10);  ///< From the first byte (or the connection) to the end of the fields.
  runtime::Duration idle_time = std::chrono::seconds(60);  ///< Between two requests.
  runtime::Duration body_time = std::chrono::seconds(30);  ///< Between two pieces of a body that gets on (HttpPace).
  runtime::Duration send_time = std::chrono::seconds(30);  ///< The same of a response that is taken.
  /// Asked before the rest of a body is read that does not come with its head. Empty: the handler alone decides.
  std::function<HttpFirstLook(const HttpRequest&)> first_look;
  flow::Budget* memory = nullptr;  ///< Outlives the server, and what is answered by it. Null: nobody counts.
  /// Told of each; the words are its to log. Empty: the server logs them.
  std::function<void(const HttpRefused&)> on_refused;
};

/// All members on the core's thread, or before the core runs. Slow senders hold nobody up but themselves. The core
/// outlives the server and everything that it has still to end: close(), then await closed().
class HttpServer {
 public:
  using Options = HttpServerOptions;
  HttpServer(runtime::Core& core, Options options, HttpHandler handler);
  ~HttpServer();  ///< Closes.
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Begins to accept and returns the port. `address`: an IPv4 or IPv6 literal; `port` 0: the kernel's choice. May be
  /// called for several addresses. Throws std::system_error (address_in_use, permission_denied …).
  std::uint16_t listen(const std::string& address, std::uint16_t port);

  void set_connections(std::size_t most);

  /// What whoever keeps an answer before the handler returns it asks.
  std::shared_ptr<HttpMemory> memory() const;

  /// Accepts those who have come by now, and no more. What has come of requests is served; connections of which nothing
  /// more lies there end, half a request included; the others when they have had their answer. Idempotent.
  void drain();

  /// Ends listening, all connections and the handlers they wait for (they are stopped). Idempotent.
  void close();
  /// Returns when the last coroutine of the server has ended. After close().
  runtime::Task<> closed();
  /// Returns when all have ended, after drain() or close(), or at `when`. No stop interrupts it.
  runtime::Task<> closed_by(runtime::Time when);

  std::size_t connections() const;  ///< Open now.

 private:
  struct Inside;
  std::shared_ptr<Inside> inside_;
};

}  // namespace weir::io
