#include "engine/io/http_request.hpp"

#include <http_parser.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <utility>

#include "engine/io/binary_text.hpp"

namespace weir::io {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t request_line_max = 8 * 1024;
constexpr std::size_t chunk_line_max = 256;  // Size, extensions and all.
constexpr std::size_t unknown = static_cast<std::size_t>(-1);

struct Refusal {
  int status = 0;  ///< 0: nothing to refuse.
  std::string_view why;
};

/// Letters, digits, and these.
constexpr std::array<bool, 256> bytes_of(std::string_view others) {
  std::array<bool, 256> made{};
  for (const auto set : {"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"sv, others}) {
    for (const char byte : set) made[static_cast<unsigned char>(byte)] = true;
  }
  return made;
}

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char byte) { return byte >= '0' && byte <= '9'; });
}

bool has_dot_segment(std::string_view path) {
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    const auto segment = path.substr(at, end - at);
    if (segment == "." || segment == "..") return true;
    at = end + 1;
  }
  return false;
}

/// `name`, `name:80`, `1.2.3.4`, `[::1]:80`. No user, no path, no list.
bool is_host(std::string_view host) {
  std::string_view port;
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    const auto inside = host.substr(1, end - 1);
    if (!std::all_of(inside.begin(), inside.end(),
                     [](char byte) { return hex_value(byte) >= 0 || byte == ':' || byte == '.'; })) {
      return false;
    }
    port = host.substr(end + 1);
  } else {
    const auto colon = std::min(host.find(':'), host.size());
    const auto name = host.substr(0, colon);
    static constexpr auto fits = bytes_of("-._~!$&'()*+;=%");
    if (name.empty() || !std::all_of(name.begin(), name.end(), [](unsigned char byte) { return fits[byte]; })) {
      return false;
    }
    port = host.substr(colon);
  }
  return port.empty() || (port.front() == ':' && (port.size() == 1 || (port.size() <= 6 && is_digits(port.substr(1)))));
}

/// Bytes above 127 percent-encoded, as whoever sent them should have done.
std::string encoded(std::string text) {
  static constexpr auto above = [](unsigned char byte) { return byte > 127; };
  if (std::none_of(text.begin(), text.end(), above)) return text;
  std::string made;
  for (const char byte : text) {
    if (above(static_cast<unsigned char>(byte))) {
      append_percent(made, byte);
    } else {
      made += byte;
    }
  }
  return made;
}

/// What must be said of every byte of request line and fields before it is parsed: lines end in CRLF and nothing else
/// holds CR or LF, no line is folded, no other control character, NUL least of all. Fields may hold bytes above 127.
Refusal bad_bytes(std::string_view head, std::size_t from) {
  static constexpr auto plain = [] {  // Whatever stands before or behind it.
    std::array<bool, 256> made{};
    for (std::size_t byte = 0x21; byte < 256; ++byte) made[byte] = byte != 0x7f;
    return made;
  }();
  if (from > 0 && from < head.size() && head[from - 1] == '\r' && head[from] != '\n') {
    return {400, "CR stands inside a line"};
  }
  for (std::size_t i = from; i < head.size(); ++i) {
    const auto byte = static_cast<unsigned char>(head[i]);
    if (plain[byte]) continue;
    const char before = i > 0 ? head[i - 1] : '\0';
    if (byte == '\r') {
      if (i + 1 < head.size() && head[i + 1] != '\n') return {400, "CR stands inside a line"};
    } else if (byte == '\n') {
      if (before != '\r') return {400, "a line ends in LF alone"};
    } else if (byte == 0) {
      return {400, "NUL stands in the request"};
    } else if (byte != ' ' && byte != '\t') {
      return {400, "a control character stands in the request"};
    } else if (before == '\n') {
      return {400, "a field is folded over two lines"};
    }
  }
  return {};
}

struct Framing {
  bool chunked = false;
  std::size_t length = 0;
  bool wants_continue = false;
};

/// Request line and fields, without their last empty line, bytes already checked. Two readers must not understand
/// anything here differently.
Refusal check_head(std::string_view head, const HttpLimits& limits, Framing& framing) {
  const auto line_end = head.find("\r\n");
  const auto line = head.substr(0, line_end);
  const auto first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return {400, "the request line is not METHOD TARGET VERSION"};
  const auto method = line.substr(0, first), target = line.substr(first + 1, last - first - 1),
             version = line.substr(last + 1);
  if (!http_is_token(method)) return {400, "the method is no token"};
  if (target.empty() || std::any_of(target.begin(), target.end(),
                                    [](unsigned char byte) { return byte <= ' ' || byte == 0x7f || byte == '#'; })) {
    return {400, "the target holds what must be percent-encoded"};
  }
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digits(version.substr(5, 1)) || version[6] != '.' ||
      !is_digits(version.substr(7, 1))) {
    return {400, "the version is no HTTP version"};
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return {505, "only HTTP/1.1 and HTTP/1.0 are spoken here"};
  const bool old = version == "HTTP/1.0";
  if (method == "CONNECT") return {501, "this is no proxy"};
  if (method == "TRACE") return {501, "what is sent is not sent back here"};  // It may hold what a script can't see.
  if (target.front() != '/' && !(target == "*" && method == "OPTIONS") && !http_is_url(target)) {
    return {400, "the target is neither a path nor a URL"};
  }

  std::size_t fields = 0, hosts = 0, lengths = 0, codings = 0;
  for (auto at = line_end; at != std::string_view::npos && at + 2 < head.size();) {
    const auto begin = at + 2;
    at = head.find("\r\n", begin);
    const auto field = head.substr(begin, at == std::string_view::npos ? at : at - begin);
    if (++fields > limits.fields) return {431, "too many fields"};
    const auto colon = field.find(':');
    if (colon == std::string_view::npos) return {400, "a field has no colon"};
    if (!http_is_token(field.substr(0, colon))) return {400, "a field's name is no token"};
    if (std::string_view("hHcCtTeE").find(field.front()) == std::string_view::npos) continue;  // None of those below.
    const auto name = http_lower(field.substr(0, colon));
    const auto value = http_trimmed(field.substr(colon + 1));
    if (name == "host") {
      if (++hosts > 1) return {400, "two Host fields"};
      if (!is_host(value)) return {400, "the Host field names no host"};
    } else if (name == "content-length") {
      if (++lengths > 1) return {400, "two Content-Length fields"};
      // http_parser knows no tab behind it.
      if (!is_digits(value) || field.ends_with('\t')) return {400, "Content-Length is no number"};
      if (value.size() > 18) return {413, "the body is too large"};
      framing.length = std::stoull(std::string(value));
    } else if (name == "transfer-encoding") {
      if (++codings > 1) return {400, "two Transfer-Encoding fields"};
      if (old) return {400, "Transfer-Encoding in HTTP/1.0"};
      if (http_lower(value) != "chunked" || field.ends_with('\t')) {
        return {501, "the only transfer coding known here is chunked"};
      }
      framing.chunked = true;
    } else if (name.starts_with("transfer-encoding")) {  // http_parser takes it for that.
      return {400, "a field's name begins with Transfer-Encoding"};
    } else if (name == "expect") {
      if (http_lower(value) != "100-continue") return {417, "the only expectation known here is 100-continue"};
      framing.wants_continue = !old;
    }
  }
  if (hosts == 0 && !old) return {400, "no Host field"};
  if (lengths > 0 && codings > 0) return {400, "Content-Length beside Transfer-Encoding"};
  if (framing.length > limits.body_bytes) return {413, "the body is too large"};
  return {};
}

}  // namespace

// --------------------------------------------------------------------------------------------------------- the request

std::optional<std::string_view> HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string_view HttpRequest::sent_path() const {
  std::string_view sent = target;
  sent = sent.substr(0, sent.find('?'));
  if (sent.starts_with('/') || sent == "*") return sent;
  const auto authority = sent.find("//");  // http://host/path
  if (authority == sent.npos) return sent;
  sent = sent.substr(std::min(sent.find('/', authority + 2), sent.size()));
  return sent.empty() ? "/" : sent;
}

// ---------------------------------------------------------------------------------------------------------- the words

std::string_view http_trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

std::string http_lower(std::string_view text) {
  std::string result(text);
  for (auto& byte : result) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  }
  return result;
}

bool http_is_token(std::string_view text) {
  static constexpr auto fits = bytes_of("!#$%&'*+-.^_`|~");
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char byte) { return fits[byte]; });
}

std::vector<std::string> http_list(std::string_view value) {
  std::vector<std::string> elements;
  for (std::size_t from = 0; from < value.size();) {
    const auto comma = std::min(value.find(',', from), value.size());
    const auto element = http_trimmed(value.substr(from, comma - from));
    if (!element.empty()) elements.push_back(http_lower(element));
    from = comma + 1;
  }
  return elements;
}

bool http_is_of_the_hop(std::string_view name) {
  constexpr auto names = std::to_array<std::string_view>(
      {"connection", "content-length", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
       "te", "trailer", "transfer-encoding", "upgrade"});
  return std::find(names.begin(), names.end(), name) != names.end();
}

HttpResponse http_refusal(int status, std::string_view why) {
  HttpResponse response(status, "text/plain; charset=utf-8", std::string(why) + "\n");
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

// ---------------------------------------------------------------------------------------------------------- the reader

/// Bytes pass the strict check first, then http_parser, in pieces whose ends the check has chosen: a head, a line of
/// chunk size, data. Where the two don't agree on where a request ends, it is refused.
struct HttpReader::Inside {
  enum class Phase { head, sized, chunk_line, chunk_data, chunk_end, trailers, whole, refused };

  explicit Inside(HttpLimits chosen) : limits(chosen) { reset(); }

  void reset() {
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = this;
    request = HttpRequest();
    framing = Framing();
    in_value = true;
    parsed_whole = false;
    phase = Phase::head;
    checked = 0;
    left = 0;
    trailer_bytes = 0;
    trailer_fields = 0;
    in_trailers = false;
    continue_due = false;
    body_most = limits.body_bytes;
  }

  const HttpLimits limits;
  std::size_t body_most = 0;  // Of this request.
  http_parser parser{};
  HttpRequest request;
  Framing framing;
  Phase phase = Phase::head;
  std::string bytes;         // What has come.
  std::size_t consumed = 0;  // Of `bytes`. A cursor: erasing behind each chunk of one byte would be quadratic.
  std::size_t checked = 0;   // Of rest(), those that bad_bytes() has seen.
  std::size_t left = 0;      // Of the body or of the chunk.
  std::size_t trailer_bytes = 0, trailer_fields = 0;
  bool in_value = true;
  bool in_trailers = false;
  bool parsed_whole = false;
  bool continue_due = false;
  Refusal refusal;

  void refuse(Refusal why) {
    refusal = why;
    phase = Phase::refused;
    bytes = std::string();
    consumed = 0;
  }

  std::string_view rest() const { return std::string_view(bytes).substr(consumed); }
  void append(std::string_view more) {
    if (more.empty()) return;
    bytes.erase(0, std::exchange(consumed, 0));
    bytes.append(more);
  }

  /// Hands the first `count` bytes to http_parser and drops them.
  bool parse(std::size_t count) {
    const auto done = http_parser_execute(&parser, &settings(), rest().data(), count);
    const auto error = HTTP_PARSER_ERRNO(&parser);
    if (error == HPE_INVALID_METHOD) return refuse({501, "the method is not known here"}), false;
    if (error == HPE_CB_headers_complete) return refuse(refusal), false;
    if (error != HPE_OK || done != count) return refuse({400, "the request is malformed"}), false;
    consumed += count;
    checked -= std::min(checked, count);
    return true;
  }

  /// Finds a line's end among the first `most` bytes; `unknown` with nothing refused: more bytes are needed.
  std::size_t line_end(std::size_t most, Refusal too_long) {
    const auto here = rest().substr(0, most + 1);
    const auto end = here.find('\n');
    if (end == std::string_view::npos && here.size() > most) return refuse(too_long), unknown;
    if (const auto bad = bad_bytes(here.substr(0, end == std::string_view::npos ? end : end + 1), 0); bad.status != 0) {
      return refuse(bad), unknown;
    }
    return end == std::string_view::npos ? unknown : end + 1;
  }

  /// One step. False: nothing more to do with the bytes that are here.
  bool step() {
    switch (phase) {
      case Phase::head:
        return read_head();
      case Phase::sized:
        return read_data(Phase::whole);
      case Phase::chunk_line:
        return read_chunk_line();
      case Phase::chunk_data:
        return read_data(Phase::chunk_end);
      case Phase::chunk_end:
        return read_chunk_end();
      case Phase::trailers:
        return read_trailer();
      case Phase::whole:
      case Phase::refused:
        return false;
    }
    return false;
  }

  bool read_head() {
    if (!skipped_line && rest().starts_with("\r\n")) {  // Left over by some clients after a body.
      consumed += 2;
      checked = 0;
      skipped_line = true;
    }
    const auto here = rest().substr(0, limits.head_bytes + 1);
    const auto search = checked < 3 ? 0 : checked - 3;
    const auto end = here.find("\r\n\r\n", search);
    const auto length = end == std::string_view::npos ? here.size() : end + 4;
    if (const auto bad = bad_bytes(here.substr(0, length), checked); bad.status != 0) {
      return refuse(bad), false;
    }
    checked = length;
    const auto line = here.find("\r\n");
    if (std::min(line, here.size()) > request_line_max) return refuse({414, "the target is too long"}), false;
    if (length > limits.head_bytes) return refuse({431, "the fields are too long"}), false;
    if (end == std::string_view::npos) {
      if (line == 0) refuse({400, "the request begins with empty lines"});
      return false;
    }
    if (const auto bad = check_head(here.substr(0, end), limits, framing); bad.status != 0) {
      return refuse(bad), false;
    }
    if (!parse(length)) return false;
    checked = 0;
    skipped_line = false;
    continue_due = framing.wants_continue && (framing.chunked || framing.length > 0);
    left = framing.length;
    phase = framing.chunked ? Phase::chunk_line : left > 0 ? Phase::sized : Phase::whole;
    return finish_if_whole();
  }

  bool read_data(Phase after) {
    const auto count = std::min(left, rest().size());
    if (count == 0) return false;
    // Behind the first piece: by then the server has had a say in whether there is room for all.
    if (phase == Phase::sized && left < framing.length) request.body.reserve(framing.length);
    left -= count;
    if (!parse(count)) return false;
    if (left > 0) return false;
    phase = after;
    return finish_if_whole();
  }

  bool read_chunk_line() {
    const auto length = line_end(chunk_line_max, {400, "a chunk's line is too long"});
    if (length == unknown) return false;
    const auto line = rest().substr(0, length - 2);
    const auto digits = line.substr(0, line.find(';'));
    if (digits.empty() || digits.size() > 15 ||
        !std::all_of(digits.begin(), digits.end(), [](char digit) { return hex_value(digit) >= 0; })) {
      return refuse({400, "a chunk's size is no number"}), false;
    }
    left = std::stoull(std::string(digits), nullptr, 16);
    if (left > body_most - request.body.size()) return refuse({413, "the body is too large"}), false;
    if (!parse(length)) return false;
    phase = left > 0 ? Phase::chunk_data : Phase::trailers;
    return true;
  }

  bool read_chunk_end() {
    if (rest().size() < 2) {
      if (!rest().empty() && rest().front() != '\r') refuse({400, "a chunk is longer than its size"});
      return false;
    }
    if (!rest().starts_with("\r\n")) return refuse({400, "a chunk is longer than its size"}), false;
    if (!parse(2)) return false;
    phase = Phase::chunk_line;
    return true;
  }

  bool read_trailer() {
    in_trailers = true;
    const auto length = line_end(limits.head_bytes, {431, "the trailers are too long"});
    if (length == unknown) return false;
    const auto line = rest().substr(0, length - 2);
    if (!line.empty()) {
      trailer_bytes += length;
      if (trailer_bytes > limits.head_bytes || ++trailer_fields > limits.fields) {
        return refuse({431, "the trailers are too long"}), false;
      }
      const auto name = http_lower(line.substr(0, line.find(':')));
      if (name.size() == line.size() || !http_is_token(name)) return refuse({400, "a trailer is no field"}), false;
      if (name == "content-length" || name == "transfer-encoding" || name == "host") {
        return refuse({400, "a trailer says what only the head may say"}), false;
      }
    }
    const bool end = line.empty();
    if (!parse(length)) return false;
    if (end) phase = Phase::whole;
    return finish_if_whole();
  }

  bool finish_if_whole() {
    if (phase != Phase::whole) {
      if (parsed_whole) refuse({400, "the request ends before its length"});
      return phase != Phase::refused;
    }
    in_trailers = false;
    if (!parsed_whole) return refuse({400, "the request is malformed"}), false;
    return false;
  }

  /// Called by http_parser. What the check let through but the target's form forbids is refused here.
  int headers_complete() {
    request.method = http_method_str(static_cast<http_method>(parser.method));
    request.target = encoded(std::move(request.target));
    std::string_view target = request.target;
    if (!target.starts_with('/') && target != "*") {  // http://host/path: the target's host counts.
      const auto authority = target.find("//") + 2;
      const auto slash = std::min(target.find_first_of("/?", authority), target.size());
      if (!is_host(target.substr(authority, slash - authority))) return stop({400, "the target names no host"});
      for (auto& [name, value] : request.headers) {
        if (name == "host") value = target.substr(authority, slash - authority);
      }
      target.remove_prefix(slash);
    }
    const auto question = std::min(target.find('?'), target.size());
    auto path = http_decoded(target.substr(0, question));
    request.query = target.substr(std::min(question + 1, target.size()));
    if (!path || !http_decoded(request.query)) return stop({400, "a % without two hex digits"});
    if (path->empty()) path = "/";
    if (path->find('\0') != std::string::npos) return stop({400, "NUL stands in the path"});
    if (has_dot_segment(*path)) return stop({400, "the path holds `.` or `..`"});
    request.path = std::move(*path);
    return 0;
  }
  int stop(Refusal why) {
    refusal = why;
    return -1;
  }

  bool stays_open() const {
    bool closes = false, keeps = parser.http_major == 1 && parser.http_minor == 1;
    for (const auto& [name, value] : request.headers) {
      if (name != "connection") continue;
      for (const auto& option : http_list(value)) {
        closes = closes || option == "close";
        keeps = keeps || option == "keep-alive";
      }
    }
    return keeps && !closes;
  }

  void field(std::string_view text, bool value) {
    if (in_trailers) return;  // Trailers are read over: nothing that follows a body may change what was decided before.
    if (request.headers.empty()) request.headers.reserve(8);
    if (!value && in_value) request.headers.emplace_back();
    in_value = value;
    (value ? request.headers.back().second : request.headers.back().first).append(text);
  }

  static Inside& of(http_parser* parser) { return *static_cast<Inside*>(parser->data); }

  static const http_parser_settings& settings() {
    static const http_parser_settings made = [] {
      http_parser_settings hooks;
      http_parser_settings_init(&hooks);
      hooks.on_url = [](http_parser* p, const char* at, std::size_t length) {
        of(p).request.target.append(at, length);
        return 0;
      };
      hooks.on_header_field = [](http_parser* p, const char* at, std::size_t length) {
        of(p).field({at, length}, false);
        return 0;
      };
      hooks.on_header_value = [](http_parser* p, const char* at, std::size_t length) {
        of(p).field({at, length}, true);
        return 0;
      };
      hooks.on_headers_complete = [](http_parser* p) {
        for (auto& [name, value] : of(p).request.headers) {
          for (auto& byte : name) {
            if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
          }
          if (const auto kept = http_trimmed(value); kept.size() < value.size()) value = std::string(kept);
        }
        return of(p).headers_complete();
      };
      hooks.on_body = [](http_parser* p, const char* at, std::size_t length) {
        of(p).request.body.append(at, length);
        return 0;
      };
      hooks.on_message_complete = [](http_parser* p) {
        of(p).parsed_whole = true;
        of(p).request.keep_alive = of(p).stays_open();
        of(p).request.takes_chunks = p->http_minor > 0;
        return 0;
      };
      return hooks;
    }();
    return made;
  }

  bool skipped_line = false;
};

HttpReader::HttpReader(HttpLimits limits) : inside_(std::make_unique<Inside>(limits)) {}
HttpReader::~HttpReader() = default;
HttpReader::HttpReader(HttpReader&&) noexcept = default;

HttpReader::State HttpReader::feed(std::string_view bytes) {
  if (inside_->phase != Inside::Phase::refused) inside_->append(bytes);
  while (inside_->step()) {
  }
  return state();
}

HttpReader::State HttpReader::state() const {
  switch (inside_->phase) {
    case Inside::Phase::head:
      return inside_->rest().empty() ? State::idle : State::head;
    case Inside::Phase::whole:
      return State::whole;
    case Inside::Phase::refused:
      return State::refused;
    default:
      return State::body;
  }
}

bool HttpReader::expects_continue() const {
  // Whoever has begun with the body does not wait.
  return inside_->continue_due && state() == State::body && inside_->rest().empty() && inside_->request.body.empty();
}

bool HttpReader::wants_continue() {
  const bool wants = expects_continue();
  inside_->continue_due = false;
  return wants;
}

HttpRequest HttpReader::take() {
  HttpRequest request = std::move(inside_->request);
  inside_->reset();
  return request;
}

void HttpReader::drop() {
  inside_->refuse({});
  inside_->request = HttpRequest();
}

const HttpRequest& HttpReader::head() const { return inside_->request; }
std::size_t HttpReader::body_bytes() const { return inside_->request.body.size(); }
std::optional<std::size_t> HttpReader::said_bytes() const {
  return inside_->framing.chunked ? std::nullopt : std::optional<std::size_t>(inside_->framing.length);
}

HttpReader::State HttpReader::narrow_body(std::size_t most) {
  inside_->body_most = std::min(most, inside_->limits.body_bytes);
  // Of chunks the next one's length may be known.
  if (std::max<std::size_t>(inside_->framing.length, body_bytes() + inside_->left) > inside_->body_most) {
    inside_->refuse({413, "the body is too large"});
  }
  return state();
}

int HttpReader::status() const { return inside_->refusal.status; }
std::string_view HttpReader::why() const { return inside_->refusal.why; }

// -------------------------------------------------------------------------------------------------------- the response

std::string_view http_phrase(int status) {
  switch (status) {
#define WEIR_PHRASE(code, name, phrase) \
  case code:                            \
    return #phrase;
    HTTP_STATUS_MAP(WEIR_PHRASE)
#undef WEIR_PHRASE
    default:
      return "Unknown";
  }
}

namespace {

/// `scheme` in lower case, with its blank.
bool shows(const HttpRequest& request, std::string_view scheme, std::string_view secret) {
  const auto shown = request.header("authorization");
  if (!shown || http_lower(shown->substr(0, scheme.size())) != scheme) return false;
  const auto given = shown->substr(scheme.size());
  unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < secret.size(); ++i) {
    const unsigned char other = i < given.size() ? static_cast<unsigned char>(given[i]) : 0;
    difference |= static_cast<unsigned char>(secret[i]) ^ other;
  }
  return difference == 0;
}

}  // namespace

bool http_shows_token(const HttpRequest& request, std::string_view token) { return shows(request, "bearer ", token); }

static bool shows_user(const HttpRequest& request, std::string_view user, std::string_view password) {
  std::string pair;
  append_base64(pair, std::string(user) + ":" + std::string(password));
  return shows(request, "basic ", pair);
}

std::optional<HttpResponse> http_refuse_stranger(const HttpRequest& request, std::string_view token,
                                                 std::string_view user, std::string_view password) {
  const bool by_token = !token.empty(), by_user = !user.empty();
  if (!by_token && !by_user) return std::nullopt;
  if (by_token && http_shows_token(request, token)) return std::nullopt;
  if (by_user && shows_user(request, user, password)) return std::nullopt;
  auto refused = http_refusal(
      401, by_token ? "this wants its token: Authorization: Bearer TOKEN" : "this wants a user and his password");
  if (by_token) refused.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (by_user) refused.headers.emplace_back("WWW-Authenticate", "Basic realm=\"weir\", charset=\"UTF-8\"");
  return refused;
}

std::optional<std::string> http_decoded(std::string_view text) {
  if (text.find('%') == std::string_view::npos) return std::string(text);
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::string http_date(runtime::WallTime time) {
  using namespace std::chrono;
  constexpr std::array weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<seconds>(time - day));
  std::array<char, 64> text{};
  const int length = std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
                                   weekdays[weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
                                   months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                                   static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                                   static_cast<int>(clock.seconds().count()));
  return std::string(text.data(), static_cast<std::size_t>(length));
}

std::optional<runtime::WallTime> parse_http_date(std::string_view text) {
  const std::string whole(text);
  // RFC 9110, 5.6.7. The names of days and months are English: the program stays in the C locale.
  for (const char* form : {"%a, %d %b %Y %H:%M:%S", "%A, %d-%b-%y %H:%M:%S", "%a %b %e %H:%M:%S %Y"}) {
    std::tm parts{};
    const char* const end = ::strptime(whole.c_str(), form, &parts);
    if (!end) continue;
    const auto zone = http_trimmed(end);
    if (!zone.empty() && zone != "GMT" && zone != "UTC") continue;
    // A time beyond those that are held (1677 to 2262) is the last of them.
    constexpr auto first = std::chrono::ceil<std::chrono::seconds>(runtime::WallTime::min().time_since_epoch());
    constexpr auto last = std::chrono::floor<std::chrono::seconds>(runtime::WallTime::max().time_since_epoch());
    return runtime::WallTime(
        std::chrono::seconds(std::clamp<std::int64_t>(::timegm(&parts), first.count(), last.count())));
  }
  return std::nullopt;
}

bool http_is_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char byte) {
    const auto code = static_cast<unsigned char>(byte);
    return (code < 0x20 && byte != '\t') || code == 0x7f;
  });
}

bool http_serves_method(std::string_view method) {
  if (method == "CONNECT" || method == "TRACE") return false;
  constexpr std::array known{
#define WEIR_METHOD(code, name, text) std::string_view(#text),
      HTTP_METHOD_MAP(WEIR_METHOD)
#undef WEIR_METHOD
  };
  return std::find(known.begin(), known.end(), method) != known.end();
}

bool http_is_url(std::string_view text) {
  const auto scheme = http_lower(text.substr(0, 8));
  return scheme.starts_with("http://") || scheme == "https://";
}

namespace {

bool has_body(const HttpResponse& response) { return response.status != 204 && response.status != 304; }

}  // namespace

std::string_view http_body(const HttpResponse& response, bool head) {
  return has_body(response) && !head && !response.file ? std::string_view(response.body) : std::string_view();
}

std::string http_bytes(HttpResponse response, bool head, bool keep_alive, std::string_view date) {
  auto bytes = http_head(response, head, keep_alive, date);
  bytes += http_body(response, head);
  return bytes += http_end(response);
}

std::string_view http_end(const HttpResponse& response) {
  if (!response.chunked) return {};
  return response.body.empty() ? "0\r\n\r\n" : "\r\n0\r\n\r\n";
}

std::string http_head(HttpResponse& response, bool head, bool keep_alive, std::string_view date) {
  const bool splits = std::any_of(response.headers.begin(), response.headers.end(), [](const auto& field) {
    return !http_is_token(field.first) || !http_is_value(field.second);
  });
  if (splits || response.status < 200 || response.status > 599) {
    response = HttpResponse(500, "text/plain; charset=utf-8", "The answer was malformed.\n");
  }
  if (response.status == 205) {  // The asker is to clear his form, and no more (RFC 9110, 15.3.6).
    response.body.clear();
    response.file = nullptr;
  }
  if (head || response.file || response.status == 205 || !has_body(response)) response.chunked = false;
  std::string bytes;
  bytes.reserve(256 + 64 * response.headers.size());
  bytes += "HTTP/1.1 ";
  bytes += std::to_string(response.status);
  bytes += ' ';
  bytes += http_phrase(response.status);
  bytes += "\r\n";
  for (const auto& [name, value] : response.headers) {
    const bool may_be_ours = "cdkptuCDKPTU"sv.find(name.front()) != std::string_view::npos && name != "content-type";
    if (may_be_ours) {
      const auto key = http_lower(name);
      if (http_is_of_the_hop(key) || key == "date") continue;
    }
    bytes.append(name).append(": ").append(value).append("\r\n");
  }
  if (!date.empty()) bytes.append("Date: ").append(date).append("\r\n");
  const std::uint64_t length = response.file ? response.file_bytes : response.body.size();
  // To a HEAD that was answered without a body nobody knows what a GET would bring: it was asked elsewhere, perhaps.
  const bool unknown = head && length == 0 && !response.file;
  if (response.chunked) {
    bytes += "Transfer-Encoding: chunked\r\n";
  } else if (has_body(response) && !unknown) {
    bytes.append("Content-Length: ").append(std::to_string(length)).append("\r\n");
  }
  bytes += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  if (response.chunked && length > 0) {
    std::array<char, 16> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), length, 16).ptr;
    bytes.append(digits.data(), end).append("\r\n");
  }
  return bytes;
}

bool http_host_allowed(std::string_view host, std::span<const std::string> allowed) {
  if (!is_host(host)) return false;
  const auto end = host.starts_with('[') ? host.find(']') + 1 : std::min(host.find(':'), host.size());
  auto name = http_lower(host.substr(0, end));
  if (name.size() > 1 && name.back() == '.') name.pop_back();
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& one) { return http_lower(one) == name; });
}

}  // namespace weir::io
