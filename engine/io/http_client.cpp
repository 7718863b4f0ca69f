#include "engine/io/http_client.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <new>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/config/trimmed.hpp"
#include "engine/config/values.hpp"
#include "engine/io/address.hpp"
#include "engine/io/compress.hpp"
#include "engine/io/curl.hpp"
#include "engine/io/http_connections.hpp"
#include "engine/io/robots.hpp"
#include "engine/io/tls.hpp"
#include "engine/runtime/assert.hpp"
#include "engine/runtime/wait.hpp"

namespace weir::io {

namespace {

using message::Failure;
using message::Reason;
using runtime::Time;
using namespace std::string_view_literals;

constexpr long idle_connections = 256;
constexpr std::size_t idle_handles = 256;
constexpr std::size_t head_bytes_most = 256 * 1024;
constexpr std::size_t error_bytes_most = 200;

using config::trimmed;

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Why it can be no request; what a message put into it must not make a second header or request of it.
message::Done wrong(const HttpCall& call) {
  if (!http_is_token(call.method)) return Failure(Reason::type, "'" + call.method + "' is no HTTP method");
  if (is_one_of(call.method, {"CONNECT", "TRACE"})) {
    return Failure(Reason::type, "the method " + call.method + " is not for a client like this one");
  }
  if (!http_is_url(call.url)) return Failure(Reason::type, "the URL does not begin with http:// or https://");
  // libcurl would take the next part for it.
  const auto host = call.url.find("://") + 3;
  if (host == call.url.size() || "/?#"sv.find(call.url[host]) != std::string_view::npos) {
    return Failure(Reason::type, "the URL names no host");
  }
  if (call.url.find('\0') != std::string::npos) return Failure(Reason::type, "the URL holds a NUL byte");
  for (const auto& [name, value] : call.headers) {
    if (!http_is_token(name)) return Failure(Reason::type, "'" + name + "' can't be the name of a header");
    if (value.find_first_of("\r\n\0"sv) != std::string::npos) {
      return Failure(Reason::type, "the header '" + name + "' would hold a line break or a NUL byte");
    }
  }
  return std::nullopt;
}

/// Scheme, host and port, for comparison; empty where it is no URL.
std::string origin_of(const std::string& url) {
  std::string origin;
  CURLU* const parsed = curl().url();
  if (parsed && curl().url_set(parsed, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK) {
    for (const auto part : {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT}) {
      char* text = nullptr;
      if (curl().url_get(parsed, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0) == CURLUE_OK) {
        origin += http_lower(text) + " ";
      }
      curl().free(text);
    }
  }
  curl().url_cleanup(parsed);
  return origin;
}

/// Whether asking twice asks for no more than asking once (RFC 9110, 9.2.2).
bool is_repeatable(std::string_view method) { return is_one_of(method, {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}); }

bool redirects(int status) { return (status >= 301 && status <= 303) || status == 307 || status == 308; }

/// What is asked after a redirect, as browsers do it.
void follow(HttpCall& call, int status, std::string location) {
  const bool to_get = status == 303 ? call.method != "HEAD" : status <= 302 && call.method == "POST";
  if (to_get) {
    call.method = "GET";
    call.body.reset();
  }
  // What is said to one server is no other's business.
  const bool elsewhere = origin_of(call.url) != origin_of(location);
  std::erase_if(call.headers, [&](const auto& header) {
    const std::string name = http_lower(header.first);
    return (to_get && name.starts_with("content-")) ||
           (elsewhere && is_one_of(name, {"authorization", "cookie", "proxy-authorization", "host"}));
  });
  call.url = std::move(location);
}

Reason reason_of(CURLcode code, std::string_view text) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
    case CURLE_PROXY:
      return Reason::connect;
    case CURLE_OPERATION_TIMEDOUT:
      return Reason::timeout;
    case CURLE_SSL_CONNECT_ERROR:
      // Broken off in the middle: that says nothing about certificates, and may be better next time.
      for (const auto broken : {"SSL_ERROR_SYSCALL"sv, "Connection reset"sv, "unexpected eof"sv}) {
        if (text.find(broken) != std::string_view::npos) return Reason::connect;
      }
      return Reason::tls;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      if (text.find("CONNECT tunnel failed") != std::string_view::npos) return Reason::connect;  // By a proxy.
      // With TLS 1.3 a server says only behind the handshake that it wants a certificate, or another one.
      return text.find("SSL routines") != std::string_view::npos && text.find(" alert ") != std::string_view::npos
                 ? Reason::tls
                 : Reason::io;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_USE_SSL_FAILED:
      return Reason::tls;
    case CURLE_URL_MALFORMAT:
      return Reason::type;
    case CURLE_OUT_OF_MEMORY:
      return Reason::memory;
    default:
      return Reason::io;
  }
}

/// A socket of libcurl's that Asio watches. Asio never closes it: it is released before libcurl does. One that only
/// rests between two requests stays registered, which spares most of the system calls.
template <class Inside>
struct Watch {
  Watch(Inside& of, curl_socket_t socket) : inside(&of), fd(socket), descriptor(of.core.executor()) {}
  Inside* inside;  // Null once it is released.
  const curl_socket_t fd;
  asio::posix::stream_descriptor descriptor;
  int wants = 0, waits = 0;  // CURL_POLL_IN and CURL_POLL_OUT.
};

/// Whether a request is to be made once more, from the start.
enum class Repeat {
  no,
  same,   ///< Nothing was sent: something came by the kept connection that nobody had asked for, or it knows no chunks;
          ///< it is closed.
  again,  ///< It was sent, which is harmless, and the connection ended without a byte of a reply.
  alone,  ///< The same, by a connection that is made for it: other kept ones may have ended as well, and one that is
          ///< shared has ended for all who shared it (GOAWAY).
};

}  // namespace

struct HttpClient::Inside : std::enable_shared_from_this<HttpClient::Inside> {
  Inside(runtime::Core& on, HttpClientOptions chosen);
  ~Inside();

  runtime::Core& core;
  const HttpClientOptions options;
  CURLM* multi = nullptr;
  std::vector<CURL*> idle;
  std::size_t calls = 0;
  std::optional<RobotsGate> robots;

  using Watched = Watch<Inside>;
  std::unordered_map<curl_socket_t, std::shared_ptr<Watched>> watches;
  HttpConnections connections;  // Other sockets are of threads that resolve names.
  TlsGoodbyes goodbyes;
  std::optional<Time> due;  // When libcurl wants to be called;
  std::unique_ptr<runtime::Alarm> alarm;
  Time alarm_at{};
  bool kicked = false;  // or soon.

  CURL* take_handle();
  void give_back(CURL* easy, bool worn) noexcept;
  /// One request and its reply, until `end`; `why`: it is made once more; `sent`: it had been sent. `location`: where
  /// it redirects to.
  runtime::Task<Repeat> once(const HttpCall& call, HttpReply& reply, std::string& location, Time end, Repeat why,
                             bool sent);
  /// The same, and so many redirects.
  runtime::Task<HttpReply> exchange(HttpCall call, std::int64_t redirects_most, bool asks_robots);

  // What libcurl asks for. It is never called from in here.
  void on_socket(curl_socket_t fd, int what) noexcept;
  static int close(void* of, curl_socket_t fd) noexcept;
  void on_timer(long milliseconds) noexcept;
  void release(curl_socket_t fd) noexcept;
  void arm(const std::shared_ptr<Watched>& watch);
  void wait_for(const std::shared_ptr<Watched>& watch, int way);
  void set_alarm();

  void act(curl_socket_t fd, int events);
};

namespace {

/// Whether libcurl has a file of those whom it believes where nobody says.
bool has_ca_file() {
  static const bool has = [] {
    const auto* const info = curl().version_info(CURLVERSION_NOW);
    return info->age >= CURLVERSION_SEVENTH && info->cainfo && ::access(info->cainfo, R_OK) == 0;
  }();
  return has;
}

/// One request under way. Taken out of libcurl's hands when it goes, whatever has come of it.
class Transfer {
 public:
  using Headers = std::unique_ptr<curl_slist, decltype(Curl::slist_free_all)>;

  /// `connections`: where its sockets are noted.
  Transfer(runtime::Core& core, const HttpClientOptions& options, HttpConnections& connections, TlsGoodbyes& goodbyes,
           const HttpCall& call, HttpReply& reply)
      : news(core), options_(options), connections_(connections), goodbyes_(goodbyes), call_(call), reply_(reply) {}
  ~Transfer() {
    if (ends_with_) goodbyes_.forget(ends_with_);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  void prepare(CURL* easy, bool alone, bool sent) {
    easy_ = easy;
    alone_ = alone;
    sent_ = sent;
    const auto set = [easy](CURLoption option, auto value) { curl().easy_setopt(easy, option, value); };
    for (const auto option :
         {CURLOPT_PRIVATE, CURLOPT_OPENSOCKETDATA, CURLOPT_PREREQDATA, CURLOPT_HEADERDATA, CURLOPT_WRITEDATA}) {
      set(option, static_cast<void*>(this));
    }
    set(CURLOPT_ERRORBUFFER, error_.data());
    set(CURLOPT_URL, call_.url.c_str());
    set(CURLOPT_FRESH_CONNECT, long{alone});
    prepare_request();
  }
  /// Makes a handle forget what a transfer left in it, where that may be gone soon; what holds for all stays.
  static void forget(CURL* easy) noexcept {
    const auto set = [easy](CURLoption option, auto value) { curl().easy_setopt(easy, option, value); };
    set(CURLOPT_CUSTOMREQUEST, static_cast<const char*>(nullptr));
    set(CURLOPT_POSTFIELDS, static_cast<const char*>(nullptr));  // Makes it a POST …
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(-1));
    set(CURLOPT_HTTPGET, 1L);  // … and this a GET, with no HEAD left either.
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    set(CURLOPT_HTTPHEADER, static_cast<curl_slist*>(nullptr));
    set(CURLOPT_ERRORBUFFER, static_cast<char*>(nullptr));
  }
  /// What holds for all calls: said once, for it costs as much as a request.
  static void prepare_for_all(CURL* easy, const HttpClientOptions& options) {
    const auto set = [easy](CURLoption option, auto value) { curl().easy_setopt(easy, option, value); };
    set(CURLOPT_NOSIGNAL, 1L);
    // A name that nobody answers for is resolved by a thread, which a transfer that is taken back would be made to
    // wait for, and with it this whole core.
    set(CURLOPT_QUICK_EXIT, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);  // follow() does.
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    // Where the headers say nothing else.
    set(CURLOPT_USERAGENT, options.robots.empty() ? "weir/" WEIR_VERSION : options.robots.c_str());
    set(CURLOPT_PROXY, options.proxy.c_str());
    set(CURLOPT_NOPROXY, options.proxy.empty() ? "*" : "");
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS,
        static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(options.connect_time).count()));
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!options.ca.empty()) set(CURLOPT_CAINFO, options.ca.c_str());
    // Nobody else is believed then. And Debian's folder beside Debian's file brings nobody new, but keeps libcurl from
    // remembering what it has read: 20 ms for each connection.
    if (!options.ca.empty() || has_ca_file()) set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    if (!options.cert.empty()) set(CURLOPT_SSLCERT, options.cert.c_str());
    if (!options.key.empty()) {
      set(CURLOPT_SSLKEY, options.key.c_str());
      set(CURLOPT_KEYPASSWD, "");  // OpenSSL would ask for one on the terminal, and all would wait.
    }
    set(CURLOPT_OPENSOCKETFUNCTION, static_cast<curl_opensocket_callback>(&Transfer::open));
    set(CURLOPT_PREREQFUNCTION, static_cast<curl_prereq_callback>(&Transfer::before_sending));
    set(CURLOPT_HEADERFUNCTION, static_cast<curl_write_callback>(&Transfer::take_header));
    set(CURLOPT_WRITEFUNCTION, static_cast<curl_write_callback>(&Transfer::take_body));
  }

  void finish(CURLcode code) {
    done = true;
    long status = 0;
    curl().easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    reply_.status = static_cast<int>(status);
    const char* url = nullptr;
    if (curl().easy_getinfo(easy_, CURLINFO_REDIRECT_URL, &url) == CURLE_OK && url) location = url;
    reply_.unpacked = unpacker_.has_value();
    if (unpacker_) {
      std::erase_if(reply_.headers, [](const auto& header) {
        return is_one_of(header.first, {"content-encoding", "content-length"});
      });
    }
    // Where both are said the chunks count (RFC 9112, 6.3).
    std::erase_if(reply_.headers, [this](const auto& header) {
      return header.first == "transfer-encoding" || (chunked_ && header.first == "content-length");
    });
    long version = 0;
    curl().easy_getinfo(easy_, CURLINFO_HTTP_VERSION, &version);
    const bool old = version == CURL_HTTP_VERSION_1_0;
    if (old || version == CURL_HTTP_VERSION_1_1) connections_.answers_in_turn(ends_, old);
    if (refused_) {
      reply_.failure = std::move(refused_);
    } else if (code != CURLE_OK) {
      reply_.failure = failure_of(code);
    } else if (!answered) {
      // (libcurl takes what ends in the middle of a head for a reply without a body.)
      reply_.failure = Failure(Reason::io, head_over_ ? "the server has not said more than that it would go on"
                                                      : "the reply is cut short in its head");
    } else if (ends_with_ && !goodbyes_.said(ends_with_)) {
      // (libcurl takes that for the end of the body, as if there were no TLS.)
      reply_.failure = Failure(Reason::io, "the reply is cut short: the connection ended without the goodbye of TLS");
    } else if (unpacker_ && !unpacker_->at_end()) {
      reply_.failure = Failure(Reason::io, "the compressed reply is cut short");
    }
    if (repeat == Repeat::no && was_lost_with_others(code)) repeat = Repeat::alone;
    news.wake();
  }

  runtime::Waiter news;
  bool done = false;
  bool answered = false;  ///< The head of its reply is there.
  Repeat repeat = Repeat::no;
  std::string location;

 private:
  void prepare_request() {
    const auto set = [this](CURLoption option, auto value) { curl().easy_setopt(easy_, option, value); };
    const bool sends = call_.body || is_one_of(call_.method, {"POST", "PUT", "PATCH"});
    if (call_.method == "HEAD") {
      set(CURLOPT_NOBODY, 1L);
    } else if (sends) {
      const std::string_view body = call_.body.value_or("");
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
      set(CURLOPT_POSTFIELDS, body.empty() ? "" : body.data());
    }
    // Over HTTP/2 libcurl fails an answered request whose body the server did not read, sends another one twice without
    // a word, and turns round and round while the server takes nothing.
    speaks_1_ = sends || !is_repeatable(call_.method) || http_lower(call_.url.substr(0, 5)) == "http:";
    if (sends || !is_repeatable(call_.method)) {
      set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    }
    if (call_.method != (sends ? "POST" : call_.method == "HEAD" ? "HEAD" : "GET")) {
      set(CURLOPT_CUSTOMREQUEST, call_.method.c_str());
    }
    // A part of what is compressed could not be unpacked.
    bool typed = false, chooses = false;
    for (const auto& [name, value] : call_.headers) {
      const auto low = http_lower(name);
      typed |= low == "content-type";
      chooses |= is_one_of(low, {"accept-encoding", "range"});
      // A name alone would take away what libcurl itself says.
      add_header(trimmed(value).empty() ? name + ";" : name + ": " + value);
    }
    if (!chooses) add_header("Accept-Encoding: gzip");
    if (sends) {
      if (!typed) add_header("Content-Type:");
      add_header("Expect:");  // Or a server that does not know it costs a second.
      // libcurl says no length then.
      if (call_.chunked) add_header("Transfer-Encoding: chunked");
    }
    set(CURLOPT_HTTPHEADER, headers_.get());
  }
  void add_header(const std::string& line) {
    curl_slist* const longer = curl().slist_append(headers_.get(), line.c_str());
    if (!longer) throw std::bad_alloc();
    static_cast<void>(headers_.release());
    headers_.reset(longer);
  }

  /// "… after 12 ms: …": with its time one cause would be another text for each call, and each a line in the log.
  static void cut_time(std::string& text) {
    constexpr std::string_view before = " after ", behind = " ms";
    const auto start = text.find(before);
    if (start == text.npos) return;
    const auto end = text.find_first_not_of("0123456789", start + before.size());
    if (end == start + before.size() || end == text.npos || text.compare(end, behind.size(), behind) != 0) return;
    text.erase(start, end + behind.size() - start);
  }

  Failure failure_of(CURLcode code) const {
    // libcurl has a word for each step that it was in; its time is for all of them, and no other is set.
    if (code == CURLE_OPERATION_TIMEDOUT) {
      return {Reason::timeout, "no connection after " + config::show(options_.connect_time)};
    }
    // Whatever begins otherwise it takes for HTTP/0.9: what it says of that leads away from a wrong port.
    if (code == CURLE_UNSUPPORTED_PROTOCOL && sendings_ > 0) return {Reason::io, "what the server says is no HTTP"};
    // So it says of a line of the head that is longer than it keeps one.
    if (code == CURLE_OUT_OF_MEMORY && sendings_ > 0 && !head_over_) {
      return {Reason::size, "a line in the head of the reply is too long"};
    }
    if (code == CURLE_COULDNT_CONNECT && socket_error_ != 0) {
      return {Reason::connect, "no socket can be opened here: " + std::generic_category().message(socket_error_)};
    }
    std::string text = error_[0] ? error_.data() : curl().easy_strerror(code);
    cut_time(text);
    if (text.size() > error_bytes_most) text.resize(error_bytes_most);
    return {reason_of(code, text), text};
  }
  /// Ends the transfer, from inside a function that libcurl calls.
  bool refuse(Reason reason, std::string text) {
    refused_ = Failure(reason, std::move(text));
    return false;
  }

  /// libcurl sends a request again, up to five times and whatever its method, where a kept connection ends without a
  /// byte of a reply. What has gone out may have been obeyed, though, and nobody orders twice because a line broke.
  bool may_send() {
    if (++sendings_ == 1) return true;
    long gone_out = 0;
    curl().easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &gone_out);
    if (sendings_ == 2 && gone_out == 0) return true;
    const bool in_turn = speaks_1_ || met_http_1_;
    if (sendings_ > 2 || sent_ || (alone_ && in_turn) || !is_repeatable(call_.method)) {
      return refuse(Reason::io, "the connection was closed before a reply began");
    }
    if (!in_turn && !call_.before_again) return true;  // By the next connection, which those share who were lost too.
    repeat = in_turn ? Repeat::alone : Repeat::again;
    return false;
  }
  /// By HTTP/2 a server ends a connection for all who share it (GOAWAY, RFC 9113, 6.8), and answers only some. The
  /// others share the next one, and meet the same: where few are answered by each, who is unlucky is never among them.
  /// The first of a connection is.
  bool was_lost_with_others(CURLcode code) const {
    if (alone_ || speaks_1_ || head_bytes_ > 0 || met_http_1_) return false;
    if (code == CURLE_HTTP2) return true;
    return sendings_ > 1 && (code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_SEND_ERROR);
  }
  /// A connection that was kept is looked at once more: libcurl asks only whether it is closed.
  bool may_send_by(std::string ends, int own_port) {
    long made = 0;
    curl().easy_getinfo(easy_, CURLINFO_NUM_CONNECTS, &made);
    if (made > 0) connections_.made(sockets_, ends, own_port);
    ends_ = std::move(ends);
    const auto in_turn = connections_.answering_in_turn(ends_);
    met_http_1_ |= in_turn.has_value();
    // What comes second by a connection of HTTP/1.0 libcurl says in HTTP/1.0, chunks and all.
    const bool no_chunks = call_.chunked && connections_.is_old(ends_);
    if (made == 0 && in_turn && (no_chunks || HttpConnections::has_unasked_input(*in_turn))) {
      repeat = Repeat::same;
      return false;
    }
    return may_send();
  }
  static int before_sending(void* of, char* there, char* here, int port, int own_port) noexcept {
    auto& transfer = *static_cast<Transfer*>(of);
    try {
      return transfer.may_send_by(HttpConnections::ends(there, port, here, own_port), own_port) ? CURL_PREREQFUNC_OK
                                                                                                : CURL_PREREQFUNC_ABORT;
    } catch (const std::bad_alloc&) {
      return CURL_PREREQFUNC_ABORT;
    }
  }

  static curl_socket_t open(void* of, curlsocktype, curl_sockaddr* address) noexcept {
    auto& transfer = *static_cast<Transfer*>(of);
    try {
      if (transfer.options_.public_only && !transfer.may_connect(*address)) return CURL_SOCKET_BAD;
      const auto fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
      if (fd < 0) return transfer.no_descriptor(errno);
      // TLS opens its files next, and where there is no descriptor left it takes them for bad ones.
      if (const int spare = ::fcntl(fd, F_DUPFD_CLOEXEC, 0); spare < 0) {
        const int error = errno;
        ::close(fd);
        return transfer.no_descriptor(error);
      } else {
        ::close(spare);
      }
      transfer.connections_.opened(fd);
      transfer.sockets_.push_back(fd);
      return fd;
    } catch (const std::bad_alloc&) {
      return CURL_SOCKET_BAD;
    }
  }
  /// libcurl would say that it could not connect, as if the server were not there.
  curl_socket_t no_descriptor(int error) {
    socket_error_ = error;
    return CURL_SOCKET_BAD;
  }
  bool may_connect(const curl_sockaddr& address) {
    std::array<char, INET6_ADDRSTRLEN> shown{};
    std::array<std::uint8_t, 16> bytes{};
    std::size_t size = 0;
    // What lies in the union behind `addr` may be unaligned for its own type: copied out.
    if (address.family == AF_INET && address.addrlen >= sizeof(sockaddr_in)) {
      sockaddr_in in{};
      std::memcpy(&in, &address.addr, sizeof in);
      std::memcpy(bytes.data(), &in.sin_addr, size = 4);
    } else if (address.family == AF_INET6 && address.addrlen >= sizeof(sockaddr_in6)) {
      sockaddr_in6 in{};
      // libcurl's own struct has room for a sockaddr_storage there.
      std::memcpy(static_cast<void*>(&in), static_cast<const void*>(&address.addr), sizeof in);
      std::memcpy(bytes.data(), &in.sin6_addr, size = 16);
    }
    if (is_public_address({bytes.data(), size})) {
      private_ = {};
      return true;
    }
    if (size > 0) ::inet_ntop(address.family, bytes.data(), shown.data(), shown.size());
    private_ = shown.data();
    return false;
  }

  static std::size_t take_header(char* bytes, std::size_t, std::size_t size, void* of) noexcept {
    auto& transfer = *static_cast<Transfer*>(of);
    try {
      return transfer.header({bytes, size}) ? size : 0;
    } catch (const std::bad_alloc&) {
      transfer.refuse(Reason::memory, "no memory for the head of the reply");
      return 0;
    }
  }
  bool header(std::string_view line) {
    head_bytes_ += line.size();
    if (head_bytes_ > head_bytes_most) {
      return refuse(Reason::size, "the head of the reply is larger than 256KiB");
    }
    if (line.starts_with("HTTP/")) {
      // libcurl would send the requests of others by the same connection at once, and mix up what comes.
      if (speaks_1_ && !line.starts_with("HTTP/1.")) {
        return refuse(Reason::io, "the server answers in another version of HTTP than it was asked in");
      }
      // Another one after a `100 Continue`.
      reply_.headers.clear();
      layers_ = 0;
      packed_ = false;
      chunked_ = false;
      said_length_.reset();
      head_over_ = false;
      informs_ = line.find(" 1") == line.find(' ');
      in_turn_ = line.starts_with("HTTP/1.");
      return true;
    }
    if (head_over_) return true;  // What comes behind the body.
    if (trimmed(line).empty()) {
      head_over_ = true;
      answered |= !informs_;
      look_for_end();
      return true;
    }
    if ((line.front() == ' ' || line.front() == '\t') && !reply_.headers.empty()) {
      if (is_one_of(reply_.headers.back().first, {"content-length", "transfer-encoding"})) {
        return refuse(Reason::io, "the reply says over several lines how long it is");
      }
      reply_.headers.back().second.append(" ").append(trimmed(line));  // It goes over several lines.
      return true;
    }
    const auto colon = line.find(':');
    // What is no name nobody could send on.
    if (colon == std::string_view::npos || !http_is_token(trimmed(line.substr(0, colon)))) return true;
    auto& [name, value] = reply_.headers.emplace_back(http_lower(trimmed(line.substr(0, colon))),
                                                      std::string(trimmed(line.substr(colon + 1))));
    if (name == "content-length") return length(value);
    if (name == "content-encoding") {
      for (const auto& coding : http_list(value)) {
        layers_ += coding != "identity";
        packed_ |= coding == "gzip" || coding == "x-gzip";
      }
      if (layers_ > 1) return refuse(Reason::decode, "the reply is compressed more than once");
    } else if (name == "transfer-encoding") {
      for (const auto& coding : http_list(value)) {
        chunked_ |= coding == "chunked";
        if (is_one_of(coding, {"chunked", "identity"})) continue;
        return refuse(Reason::decode, "the reply is compressed for its way, which nobody asked for");
      }
    }
    return true;
  }
  /// Who says two lengths lets two readers see two bodies (RFC 9112, 6.3).
  bool length(std::string_view value) {
    while (true) {
      const auto comma = std::min(value.find(','), value.size());
      const auto one = trimmed(value.substr(0, comma));
      if (one.empty() || one.find_first_not_of("0123456789") != std::string_view::npos) {
        return refuse(Reason::io, "the reply's Content-Length is no number");
      }
      if (one.size() - std::min(one.find_first_not_of('0'), one.size()) > 18) return too_large();
      if (said_length_ && *said_length_ != one) return refuse(Reason::io, "the reply has two lengths");
      said_length_ = one;
      if (comma == value.size()) return true;
      value.remove_prefix(comma + 1);
    }
  }

  /// Who says no length ends his body with the connection, and of TLS anybody on the way could do that for him.
  void look_for_end() {
    long status = 0;
    curl().easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    const bool has_body = !informs_ && call_.method != "HEAD" && status != 204 && status != 304;
    if (!has_body || !in_turn_ || said_length_ || chunked_ || http_lower(call_.url.substr(0, 6)) != "https:") return;
    const curl_tlssessioninfo* info = nullptr;
    curl().easy_getinfo(easy_, CURLINFO_TLS_SSL_PTR, &info);
    if (!info || info->backend != CURLSSLBACKEND_OPENSSL) return;
    ends_with_ = info->internals;
    goodbyes_.await(ends_with_);
  }

  static std::size_t take_body(char* bytes, std::size_t, std::size_t size, void* of) noexcept {
    auto& transfer = *static_cast<Transfer*>(of);
    try {
      return transfer.body({bytes, size}) ? size : 0;
    } catch (const std::bad_alloc&) {
      transfer.refuse(Reason::memory, "no memory for the body of the reply");
      return 0;
    }
  }
  bool body(std::string_view bytes) {
    std::string& body = reply_.body;
    if (read_ == 0 && !begin_body()) return too_large();
    read_ += bytes.size();
    if (read_ > options_.max_body) return too_large();  // As it came; empty members are never large.
    if (!unpacker_) {
      body.append(bytes);
      return true;
    }
    const std::uint64_t most =
        std::min(options_.max_body, std::max<std::uint64_t>(packed_free, read_ * packed_ratio_most));
    switch (unpacker_->append(bytes, most, body)) {
      case Unpacked::whole:
        return true;
      case Unpacked::damaged:
        return refuse(Reason::io, "the compressed reply is damaged");
      case Unpacked::too_large:
        break;
    }
    if (most == options_.max_body) return too_large();
    return refuse(Reason::size, "the reply is compressed by more than 200 to 1");
  }
  /// A part of a page, and what is compressed in a way that was not asked for, is taken as it is.
  bool begin_body() {
    long status = 0;
    curl().easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    if (packed_ && status != 206) unpacker_.emplace();
    curl_off_t length = -1;
    curl().easy_getinfo(easy_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > 0 && static_cast<std::uint64_t>(length) > options_.max_body) return false;
    if (length > 0 && !unpacker_) reply_.body.reserve(static_cast<std::size_t>(length));
    return true;
  }
  bool too_large() {
    return refuse(Reason::size, "the reply is larger than " + config::show(config::Size{options_.max_body}));
  }

 public:
  /// Whether its handle is worn: libcurl counts sendings for as long as there is one, and ends the sixth.
  bool sent_again() const noexcept { return sendings_ > 1; }
  /// Of one that could connect to nobody: the address it was not allowed to.
  void judge_address() {
    if (private_.empty() || !reply_.failure || reply_.failure->reason != Reason::connect) return;
    reply_.failure->text = "the address is not public: " + private_;
  }

 private:
  const HttpClientOptions& options_;
  HttpConnections& connections_;
  TlsGoodbyes& goodbyes_;
  const HttpCall& call_;
  HttpReply& reply_;
  CURL* easy_ = nullptr;
  Headers headers_{nullptr, curl().slist_free_all};
  std::array<char, CURL_ERROR_SIZE> error_{};
  message::Done refused_;
  std::string private_;
  std::vector<curl_socket_t> sockets_;  // That were opened for it.
  std::string ends_;                    // Of its connection.
  bool alone_ = false;                  // That was made for it.
  bool sent_ = false;                   // Before, by another transfer.
  bool met_http_1_ = false;             // By one that it was sent by.
  bool speaks_1_ = false;               // No other version of HTTP.
  std::size_t head_bytes_ = 0;
  int sendings_ = 0;
  int socket_error_ = 0;    ///< Why the last socket could not be opened.
  int layers_ = 0;          // Of compression;
  bool packed_ = false;     // by gzip.
  std::uint64_t read_ = 0;  // Of the body, as it came.
  std::optional<std::string> said_length_;
  bool chunked_ = false;
  bool in_turn_ = false;             // By HTTP/1.
  const void* ends_with_ = nullptr;  // The TLS whose end is that of the body.
  std::optional<GzipUnpacker> unpacker_;
  bool head_over_ = false, informs_ = false;
};

}  // namespace

// ------------------------------------------------------------------------------------------------- libcurl on the core

HttpClient::Inside::Inside(runtime::Core& on, HttpClientOptions chosen) : core(on), options(std::move(chosen)) {
  multi = curl().multi_init();
  if (!multi) throw std::bad_alloc();
  if (!options.robots.empty()) {
    robots.emplace(core, options.robots, [this](std::string url) {
      HttpCall call;
      call.url = std::move(url);
      return exchange(std::move(call), HttpClientOptions().redirects, false);
    });
  }
  const auto set = [this](CURLMoption option, auto value) { curl().multi_setopt(multi, option, value); };
  const curl_socket_callback watch = [](CURL*, curl_socket_t fd, int what, void* of, void*) noexcept {
    static_cast<Inside*>(of)->on_socket(fd, what);
    return 0;
  };
  const curl_multi_timer_callback remind = [](CURLM*, long milliseconds, void* of) noexcept {
    static_cast<Inside*>(of)->on_timer(milliseconds);
    return 0;
  };
  set(CURLMOPT_SOCKETFUNCTION, watch);
  set(CURLMOPT_SOCKETDATA, static_cast<void*>(this));
  set(CURLMOPT_TIMERFUNCTION, remind);
  set(CURLMOPT_TIMERDATA, static_cast<void*>(this));
  set(CURLMOPT_MAXCONNECTS, idle_connections);
}

HttpClient::Inside::~Inside() {
  for (CURL* const easy : idle) curl().easy_cleanup(easy);
  curl().multi_cleanup(multi);
  while (!watches.empty()) release(watches.begin()->first);
}

CURL* HttpClient::Inside::take_handle() {
  if (idle.empty()) {
    CURL* const easy = curl().easy_init();
    if (!easy) throw std::bad_alloc();
    Transfer::prepare_for_all(easy, options);
    curl().easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, static_cast<curl_closesocket_callback>(&Inside::close));
    curl().easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, static_cast<void*>(this));
    const curl_ssl_ctx_callback prepare = [](CURL*, void* context, void* of) noexcept {
      try {
        static_cast<Inside*>(of)->goodbyes.listen(context);
        return CURLE_OK;
      } catch (const std::exception&) {
        return CURLE_OUT_OF_MEMORY;
      }
    };
    curl().easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, prepare);
    curl().easy_setopt(easy, CURLOPT_SSL_CTX_DATA, static_cast<void*>(this));
    return easy;
  }
  CURL* const easy = idle.back();
  idle.pop_back();
  return easy;
}

void HttpClient::Inside::give_back(CURL* easy, bool worn) noexcept {
  curl().multi_remove_handle(multi, easy);  // Nothing is done where it is out already.
  Transfer::forget(easy);
  if (!worn && idle.size() < idle_handles) {
    idle.push_back(easy);
  } else {
    curl().easy_cleanup(easy);
  }
}

void HttpClient::Inside::on_socket(curl_socket_t fd, int what) noexcept {
  if (what == CURL_POLL_REMOVE) {
    const auto found = watches.find(fd);
    if (found == watches.end()) return;
    if (connections.is_open(fd)) {
      found->second->wants = 0;  // Until it is wanted again, or close().
      return;
    }
    // No connection, or one that libcurl gave up while it was being made: those it has closed by now, past close().
    connections.forget(fd);
    return release(fd);
  }
  auto& watch = watches[fd];
  if (!watch) {
    watch = std::make_shared<Watched>(*this, fd);
    asio::error_code error;
    watch->descriptor.assign(fd, error);
    // Not to be watched: the call ends when its time does.
    if (error) return;
  }
  watch->wants = what;
  arm(watch);
}

int HttpClient::Inside::close(void* of, curl_socket_t fd) noexcept {
  auto& inside = *static_cast<Inside*>(of);
  inside.release(fd);
  inside.connections.forget(fd);
  return ::close(fd);
}

void HttpClient::Inside::release(curl_socket_t fd) noexcept {
  const auto found = watches.find(fd);
  if (found == watches.end()) return;
  found->second->inside = nullptr;
  if (found->second->descriptor.is_open()) found->second->descriptor.release();
  watches.erase(found);
}

void HttpClient::Inside::arm(const std::shared_ptr<Watched>& watch) {
  for (const int way : {CURL_POLL_IN, CURL_POLL_OUT}) {
    if ((watch->wants & way) && !(watch->waits & way)) wait_for(watch, way);
  }
}

void HttpClient::Inside::wait_for(const std::shared_ptr<Watched>& watch, int way) {
  using asio::posix::stream_descriptor;
  watch->waits |= way;
  watch->descriptor.async_wait(way == CURL_POLL_IN ? stream_descriptor::wait_read : stream_descriptor::wait_write,
                               [watch, way](const asio::error_code& error) {
                                 watch->waits &= ~way;
                                 if (error || !watch->inside) return;
                                 if (watch->wants & way) {
                                   watch->inside->act(watch->fd,
                                                      way == CURL_POLL_IN ? CURL_CSELECT_IN : CURL_CSELECT_OUT);
                                 }
                                 if (watch->inside) watch->inside->arm(watch);
                               });
}

void HttpClient::Inside::on_timer(long milliseconds) noexcept {
  due.reset();
  if (milliseconds < 0) {
    alarm.reset();
    return;
  }
  due = core.now() + std::chrono::milliseconds(milliseconds);
  if (milliseconds > 0) return set_alarm();
  if (std::exchange(kicked, true)) return;
  core.post([weak = weak_from_this()] {
    const auto inside = weak.lock();
    if (!inside) return;
    inside->kicked = false;
    if (inside->due && *inside->due <= inside->core.now()) inside->act(CURL_SOCKET_TIMEOUT, 0);
  });
}

void HttpClient::Inside::set_alarm() {
  // One that comes too early looks again: libcurl moves its time forth and back with each read.
  if (alarm && alarm_at <= *due) return;
  alarm_at = *due;
  alarm = core.alarm(alarm_at, [this] {
    alarm.reset();
    if (!due) return;
    if (*due > core.now()) return set_alarm();
    act(CURL_SOCKET_TIMEOUT, 0);
  });
}

void HttpClient::Inside::act(curl_socket_t fd, int events) {
  if (fd == CURL_SOCKET_TIMEOUT) due.reset();
  int running = 0;
  curl().multi_socket_action(multi, fd, events, &running);
  int left = 0;
  while (const CURLMsg* const said = curl().multi_info_read(multi, &left)) {
    if (said->msg != CURLMSG_DONE) continue;
    CURL* const easy = said->easy_handle;
    const CURLcode code = said->data.result;
    void* transfer = nullptr;
    curl().easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    curl().multi_remove_handle(multi, easy);  // `said` is gone with it.
    static_cast<Transfer*>(transfer)->finish(code);
  }
}

// --------------------------------------------------------------------------------------------------------------- calls

runtime::Task<Repeat> HttpClient::Inside::once(const HttpCall& call, HttpReply& reply, std::string& location, Time end,
                                               Repeat why, bool sent) {
  /// However this is left, libcurl knows nothing of it any more.
  struct Handle {
    Handle(Inside& of, const Transfer& by) : inside(of), transfer(by), easy(of.take_handle()) { ++inside.calls; }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() {
      inside.give_back(easy, transfer.sent_again());
      --inside.calls;
    }
    Inside& inside;
    const Transfer& transfer;
    CURL* const easy;
  };
  const Time begun = core.now();
  Transfer transfer(core, options, connections, goodbyes, call, reply);
  const Handle handle(*this, transfer);
  transfer.prepare(handle.easy, why == Repeat::alone, sent);
  if (curl().multi_add_handle(multi, handle.easy) != CURLM_OK) throw std::bad_alloc();
  while (!transfer.done) {
    const bool waits_for_head = options.first_byte_time && !transfer.answered;
    const Time head_due = waits_for_head ? begun + *options.first_byte_time : Time::max();
    const Time limit = std::min(head_due, end);
    if (limit == Time::max()) {
      co_await transfer.news.wait();
      continue;
    }
    const bool news = co_await transfer.news.wait_until(limit);
    if (news || transfer.done || (limit == head_due && transfer.answered)) continue;
    reply.failure =
        Failure(Reason::timeout, limit == end ? "it took longer than " + config::show(*options.whole_time)
                                              : "no reply had begun after " + config::show(*options.first_byte_time));
    co_return Repeat::no;
  }
  transfer.judge_address();
  location = std::move(transfer.location);
  co_return transfer.repeat;
}

void HttpClient::load() { curl(); }

HttpClient::HttpClient(runtime::Core& core, HttpClientOptions options)
    : inside_(std::make_shared<Inside>(core, std::move(options))) {}

HttpClient::~HttpClient() { WEIR_ASSERT(inside_->calls == 0, "no call outlives its HTTP client"); }

std::size_t HttpClient::calls() const { return inside_->calls; }

runtime::Task<HttpReply> HttpClient::call(HttpCall call) {
  return inside_->exchange(std::move(call), inside_->options.redirects, inside_->robots.has_value());
}

runtime::Task<HttpReply> HttpClient::Inside::exchange(HttpCall call, std::int64_t redirects_most, bool asks_robots) {
  const Time begun = core.now();
  const Time end = options.whole_time ? begun + *options.whole_time : Time::max();
  HttpReply reply;
  reply.failure = wrong(call);
  for (std::int64_t followed = 0; !reply.failure; ++followed) {
    std::string location;
    reply = HttpReply();
    if (asks_robots) {
      reply.failure = co_await robots->ask(call.url);
      if (reply.failure) break;
    }
    // Once again and once alone; before that, each time one connection less is kept.
    bool sent = false;
    for (auto repeat = Repeat::same; repeat != Repeat::no;) {
      if (repeat != Repeat::same && call.before_again) co_await core.sleep_until(std::min(call.before_again(), end));
      reply = HttpReply();
      repeat = co_await once(call, reply, location, end, repeat, sent);
      sent |= repeat == Repeat::again;
    }
    if (reply.failure || !redirects(reply.status) || location.empty() || redirects_most == 0) break;
    if (followed == redirects_most) {
      reply.failure =
          Failure(Reason::status, "answered " + std::to_string(reply.status) + " after " + std::to_string(followed) +
                                      (followed == 1 ? " redirect" : " redirects"));
    } else if (!http_is_url(location)) {
      reply.failure = Failure(Reason::status, "it redirects to what is neither http:// nor https://");
    } else {
      follow(call, reply.status, std::move(location));
    }
  }
  reply.time = core.now() - begun;
  reply.url = std::move(call.url);
  co_return reply;
}

}  // namespace weir::io
