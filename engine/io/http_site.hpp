// An address that several stages listen on together: one server, and for each stage a desk where its requests come.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/flow/budget.hpp"
#include "engine/io/http_path.hpp"
#include "engine/io/http_request.hpp"
#include "engine/message/asker.hpp"
#include "engine/message/metadata.hpp"
#include "engine/runtime/core.hpp"

namespace weir::io {

class HttpFiles;
class HttpSite;
struct HttpRefused;
class TlsServer;

/// What one stage serves.
struct HttpService {
  explicit HttpService(HttpPath serves) : path(std::move(serves)) {}
  HttpPath path;
  std::vector<std::string> methods;      ///< In capitals; empty: all. GET stands for HEAD as well.
  std::size_t body_bytes = 1024 * 1024;  ///< Above: 413.
  /// So many requests may lie at the desk while none is taken from it; the next is told 503 at once.
  std::size_t waiting = 64;
  /// Whoever shows neither the token nor the user with his password is told 401. Both empty: anyone may ask.
  std::string token, user, password;
  std::shared_ptr<const HttpFiles> files;  ///< Answer in the stage's place: nothing comes to the desk.
  std::shared_ptr<TlsServer> tls;          ///< Null: in the clear. The first desk's is its address's.
  std::string terms;                       ///< What all desks of an address must say alike, of their TLS.
  /// Bodies and answers of more than 16 KiB draw on it; the first desk's is its address's. Outlives all that asks.
  /// Null: nobody counts.
  flow::Budget* memory = nullptr;
  /// Told of each whom its address told something in place of the stage: of its own requests, and the first desk of the
  /// address of those that were not read, or that nobody serves. May be empty.
  std::function<void(const HttpRefused&)> on_refused;
};

/// A request and who waits for its answer. Move-only.
class HttpAsked {
 public:
  HttpAsked(std::shared_ptr<message::Request> what, std::string sent, flow::Share holds,
            std::shared_ptr<message::Asker> who)
      : request(std::move(what)), body(std::move(sent)), memory(std::move(holds)), asker(std::move(who)) {}
  std::shared_ptr<message::Request> request;
  std::string body;
  flow::Share memory;  ///< For the body.
  std::shared_ptr<message::Asker> asker;
};

/// Where one stage takes its requests. Of all that listen on an address on one core, the stage with the most specific
/// path gets a request; a path that nobody has is told 404, a method 405. All on its core's thread, but the askers,
/// which any thread may answer. A client that goes before it is answered is seen to have gone within a second.
/// Bodies packed by gzip are unpacked, and answers packed for those who take it (http_content.hpp). A header whose name
/// holds `_` is left out: it would pass for the one with `-`.
class HttpDesk {
 public:
  /// `address`: an IPv4 or IPv6 literal. Begins to accept with the first desk of an address. Throws std::system_error
  /// where it can't listen, or another desk of the address serves the same or has other `terms`.
  HttpDesk(runtime::Core& core, const std::string& address, std::uint16_t port, HttpService service);
  ~HttpDesk();  ///< Closes.
  HttpDesk(const HttpDesk&) = delete;
  HttpDesk& operator=(const HttpDesk&) = delete;

  std::uint16_t port() const;  ///< The kernel's choice, where 0 was asked for.

  /// Whose asker has gone by now is passed over.
  std::optional<HttpAsked> take();
  runtime::Task<> wait();  ///< Until something lies there, perhaps already gone again. Throws runtime::Stopped.

  /// Takes no more requests: they are told 503. With the last desk of an address its server accepts no more. What has
  /// been taken is still to be answered. Idempotent.
  void close();
  /// After close(): whoever still waits is told 503. Returns when nothing of the desk is left; with the last desk of an
  /// address when its server has sent all its answers. Once stopped it gives them another second, and cuts them off.
  runtime::Task<> ended();

 private:
  friend class HttpSite;
  struct Inside;
  std::shared_ptr<Inside> inside_;
};

}  // namespace weir::io
