// HTTP/1.1 as bytes: reading requests strictly, writing responses. No sockets, no time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/runtime/time.hpp"

namespace weir::flow {
class Share;
}
namespace weir::runtime {
class Reader;
}

namespace weir::io {

struct HttpLimits {
  std::size_t head_bytes = 16 * 1024;    ///< Request line and fields; above: 431.
  std::size_t fields = 100;              ///< Above: 431.
  std::size_t body_bytes = 1024 * 1024;  ///< After chunks are joined; above: 413.
};

using HttpFields = std::vector<std::pair<std::string, std::string>>;

/// A whole request, its body included. A value.
class HttpRequest {
 public:
  HttpRequest() {}

  std::string method;  ///< `GET`.
  std::string target;  ///< As sent: `/a%20b?c=d`, bytes above 127 percent-encoded.
  std::string path;    ///< `/a b`: percent-decoded, begins with / (or is `*`), holds no segment `.` or `..`, no NUL.
  std::string query;   ///< `c=d`, as sent.
  HttpFields headers;  ///< Names in lower case, in the order sent.
  std::string body;
  std::string peer;     ///< `127.0.0.1:50123`, filled in by the server.
  std::string subject;  ///< Of the certificate that the client has shown and the server has verified: `CN=alice`.
  bool keep_alive = true;
  bool takes_chunks = true;  ///< Not where it came by HTTP/1.0.
  /// Where a handler leaves what to call, once, when the sender goes before he is answered: seen within a second. The
  /// server's, which lets go of it when the handler returns; may be null.
  std::function<void()>* on_gone = nullptr;
  /// What the connection holds of the program's memory: for this body, and once the handler has returned for the
  /// answer. Whoever takes the body on takes this with it, and a handler that held something for the answer leaves it
  /// here. The server's; may be null.
  flow::Share* memory = nullptr;
  /// Where a handler leaves who serves it (HttpRefused::served_by). The server's; may be null.
  std::uint64_t* served_by = nullptr;

  std::string_view sent_path() const;  ///< Of the target, without a host: `/a%20b`; `*` as it is.
  /// The value of a field, its name in lower case; nothing where it does not stand. Of several, the first.
  std::optional<std::string_view> header(std::string_view name) const;
};

class HttpResponse {
 public:
  HttpResponse() {}
  explicit HttpResponse(int code) : status(code) {}
  HttpResponse(int code, std::string type, std::string text) : status(code), body(std::move(text)) {
    headers.emplace_back("Content-Type", std::move(type));
  }

  int status = 200;
  HttpFields headers;  ///< Content-Length, Transfer-Encoding, Connection and Date are the server's.
  std::string body;
  bool chunked = false;  ///< The body is sent as a chunk and not with its length, to who takes that.
  /// In its place: so many bytes that are read while they are sent. A reader that ends before ends the connection.
  std::shared_ptr<runtime::Reader> file;
  std::uint64_t file_bytes = 0;
  bool close = false;  ///< Ends the connection after it.
};

/// A refusal in words; of one that is only for now, 503, with Retry-After.
HttpResponse http_refusal(int status, std::string_view why);
/// Why a 503 is told.
inline constexpr std::string_view http_no_place = "there is no room for more at the moment";
inline constexpr std::string_view http_no_memory = "there is no memory for more at the moment";

/// Reads the requests of one connection. Whatever two readers could understand differently is refused: two lengths, a
/// length and chunks, bare CR or LF, folded lines, spaces before a colon, odd chunk sizes. After a refusal the
/// connection can't be read on. Not thread-safe.
class HttpReader {
 public:
  explicit HttpReader(HttpLimits limits = {});
  ~HttpReader();
  HttpReader(HttpReader&&) noexcept;

  enum class State {
    idle,     ///< Nothing of a request is there.
    head,     ///< In the middle of request line and fields.
    body,     ///< In the middle of a body.
    whole,    ///< A request is there: take() it.
    refused,  ///< See status() and why().
  };
  /// Takes bytes off the connection. Call it with nothing to learn whether the bytes already here hold a request.
  State feed(std::string_view bytes);
  State state() const;
  /// The request without its body, from `body` on.
  const HttpRequest& head() const;
  /// Of a body that is on its way: the bytes that are here.
  std::size_t body_bytes() const;
  /// The bytes that it will have; nothing where its sender has not said so.
  std::optional<std::size_t> said_bytes() const;
  /// It may have no more than these, or than its limits say; refused (413) at once where it will.
  State narrow_body(std::size_t most);
  /// Whether its sender waits for `100 Continue` before the body.
  bool expects_continue() const;
  bool wants_continue();  ///< The same, once.
  /// The whole request. The reader goes on with what was sent after it: call feed({}).
  HttpRequest take();
  /// Lets go of all that is here; nothing more is read.
  void drop();

  int status() const;            ///< 400, 413, 414, 417, 431, 501 or 505.
  std::string_view why() const;  ///< In words, for a person.

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

/// The bytes of a response before its body or file. `head`: of an answer to HEAD. `date`: an IMF-fixdate or nothing. A
/// field that could split the response (CR, LF, NUL or a name that is no token) turns it into a 500. What has no body
/// is not chunked any more.
std::string http_head(HttpResponse& response, bool head, bool keep_alive, std::string_view date = {});
/// What of its body follows: nothing to HEAD, and to a status that has none.
std::string_view http_body(const HttpResponse& response, bool head);
/// What ends that, where it is chunked.
std::string_view http_end(const HttpResponse& response);
/// All three in one.
std::string http_bytes(HttpResponse response, bool head, bool keep_alive, std::string_view date = {});

std::string http_date(runtime::WallTime time);  ///< `Sun, 06 Nov 1994 08:49:37 GMT`.
/// That and the two older forms; nothing where it is none.
std::optional<runtime::WallTime> parse_http_date(std::string_view text);

/// Whether it begins as one that can be called: http:// or https://, whatever their case.
bool http_is_url(std::string_view text);

/// With each %XX as the byte that it stands for. Nothing where a % is not followed by two hex digits.
std::optional<std::string> http_decoded(std::string_view text);

/// Whether the request shows this token, as `Authorization: Bearer TOKEN`. Takes as long for one that is wrong in its
/// first byte as for one that is wrong in its last.
bool http_shows_token(const HttpRequest& request, std::string_view token);
/// 401 for who shows neither this token nor this user with his password. Nothing: he may ask. Both empty: anyone may.
std::optional<HttpResponse> http_refuse_stranger(const HttpRequest& request, std::string_view token,
                                                 std::string_view user, std::string_view password);

std::string http_lower(std::string_view text);         ///< ASCII only.
std::string_view http_trimmed(std::string_view text);  ///< Without the blanks and tabs around it.
bool http_is_token(std::string_view text);             ///< What a method, or the name of a field, may be.
bool http_is_value(std::string_view text);             ///< What a field may hold: no control character but the tab.
/// Whether HttpReader lets it through. Not CONNECT and TRACE, which are told 501 as what it does not know.
bool http_serves_method(std::string_view method);
/// The elements of a field that is a list, `Connection: close, X-Mine`: in lower case, without those that are empty.
std::vector<std::string> http_list(std::string_view value);
/// Whether a field, its name in lower case, belongs to one connection or says how long the body on it is: whoever sends
/// a message on writes it anew.
bool http_is_of_the_hop(std::string_view name);

std::string_view http_phrase(int status);  ///< "Not Found"; "Unknown" for codes it does not know.

/// Whether a Host value names one of `allowed`, whatever its port and case. Against DNS rebinding: a page of a stranger
/// that lets its own name point to 127.0.0.1 still sends that name. IPv6 in brackets: `[::1]`.
bool http_host_allowed(std::string_view host, std::span<const std::string> allowed);

}  // namespace weir::io
