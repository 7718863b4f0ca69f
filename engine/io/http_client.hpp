// An HTTP client: HTTP/1.1 and HTTP/2, TLS, redirects, compression and a pool of connections, by libcurl.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/io/http_request.hpp"
#include "engine/message/outcome.hpp"
#include "engine/runtime/core.hpp"

namespace weir::io {

struct HttpClientOptions {
  HttpClientOptions() {}

  std::int64_t redirects = 5;  ///< Followed for one call; one more fails it. 0: the redirect itself is the reply.
  std::uint64_t max_body = 16 * 1024 * 1024;  ///< Bytes of a reply's body, after decompression.
  bool public_only = false;                   ///< Connects to no address of this machine or of a private net.
  std::string proxy;                          ///< Its URL; empty: none, whatever the environment says.
  std::string ca, cert, key;                  ///< PEM files; empty: the system's authorities, no certificate of ours.
  std::string
      robots;  ///< In whose name robots.txt is asked before each request, redirects too; empty: it is not asked.
  runtime::Duration connect_time = std::chrono::seconds(10);  ///< For name, connection and TLS.
  std::optional<runtime::Duration> first_byte_time;           ///< From the begin of a request to the head of its reply.
  std::optional<runtime::Duration> whole_time;                ///< From the begin of a call to its end.
};

/// One request. `body` must outlive the call.
struct HttpCall {
  HttpCall() {}

  std::string method = "GET";
  std::string url;
  HttpFields headers;  ///< Names as they shall be sent. A value with a line break or NUL fails the call (type).
  std::optional<std::string_view> body;
  bool chunked = false;  ///< Sends it in chunks, without a length, which only a server of HTTP/1.1 understands.
  /// Called before the request is sent again, where it may have arrived (HttpClient::call). It waits until the time
  /// that this returns. Null: it is sent at once.
  std::function<runtime::Time()> before_again;
};

/// What came of it. With a failure, the rest is what had come until then.
struct HttpReply {
  HttpReply() {}

  message::Done failure;
  int status = 0;         ///< 0: no head came.
  HttpFields headers;     ///< Names in lower case, in the order sent, those of the last response. What was true of the
                          ///< compressed body only (content-encoding, its length) is left out.
  std::string url;        ///< What was asked for last: behind redirects another than the call's.
  std::string body;       ///< Decompressed, but for a part (206) and what is compressed by other than gzip.
  bool unpacked = false;  ///< It was compressed.
  runtime::Duration time{0};
};

/// Calls of one owner share its connections, at most 256 of which wait idle. All members on the core's thread, the core
/// a real one. When it is destroyed no call may be under way.
class HttpClient {
 public:
  /// Loads libcurl, as the first client else does. Throws std::system_error where that fails.
  static void load();

  HttpClient(runtime::Core& core, HttpClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Many at once. Never throws but Stopped: then nothing of the call is left, its connection is closed (HTTP/1) or its
  /// stream is (HTTP/2). Failures: connect (name, refused, unreachable), tls, timeout (of the three times),
  /// robots, size (max_body, compressed too well), decode (compressed more than once), io (reset, cut short, not HTTP),
  /// status (too many redirects), type (what can be no request). A request on a kept connection that the server has
  /// closed meanwhile is sent again, once, by a new one, if no byte of a reply came, and if that is harmless: nothing
  /// had gone out, or the method is repeatable (not POST, not PATCH). HTTP/2 is spoken for what is repeatable and has
  /// no body.
  runtime::Task<HttpReply> call(HttpCall call);

  std::size_t calls() const;  ///< Under way now.

 private:
  struct Inside;
  std::shared_ptr<Inside> inside_;
};

}  // namespace weir::io
