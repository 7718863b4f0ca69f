// The strict reader of requests and the writer of responses, without a socket.
#include "engine/io/http_request.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/io/binary_text.hpp"
#include "engine/runtime/random.hpp"
#include "tests/io/http_cases.hpp"
#include "tests/support/child.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

using namespace weir::io;
using namespace std::string_literals;
using weir::tests::http_cases;

/// What a server would answer to these bytes, come in pieces of `piece` bytes.
std::string answers(std::string_view bytes, std::size_t piece) {
  HttpReader reader;
  std::string said;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    auto state = reader.feed(bytes.substr(at, piece));
    for (; state == HttpReader::State::whole; state = reader.feed({})) {
      said += said.empty() ? "200" : " 200";
      if (!reader.take().keep_alive) return said;
    }
    if (state == HttpReader::State::refused) {
      return said + (said.empty() ? "" : " ") + std::to_string(reader.status());
    }
  }
  return said;
}

std::vector<std::string> short_cases() {
  std::vector<std::string> seeds;
  for (const auto& one : http_cases()) {
    if (one.bytes.size() < 1'000) seeds.push_back(one.bytes);
  }
  return seeds;
}

/// One of them with one to three edits.
std::string damaged(const std::vector<std::string>& seeds, weir::runtime::Random& random) {
  constexpr std::string_view odd = "\r\n :;,0\x01\xff\t%/.";
  auto bytes = seeds[random.below(seeds.size())];
  for (auto edits = 1 + random.below(3); edits > 0 && !bytes.empty(); --edits) {
    const auto at = random.below(bytes.size());
    switch (random.below(4)) {
      case 0:
        bytes[at] = odd[random.below(odd.size())];
        break;
      case 1:
        bytes.erase(at, 1);
        break;
      case 2:
        bytes.insert(at, 1, odd[random.below(odd.size())]);
        break;
      default:
        bytes += seeds[random.below(seeds.size())];
    }
  }
  return bytes;
}

HttpRequest read(std::string_view bytes) {
  HttpReader reader;
  BOOST_REQUIRE(reader.feed(bytes) == HttpReader::State::whole);
  return reader.take();
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_case_is_read_or_refused_rightly_however_its_bytes_come) {
  for (const auto& one : http_cases()) {
    for (std::size_t piece : {std::size_t{1} << 30, std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
      if (one.bytes.size() > 2'000) piece = std::max(piece, 1 + one.bytes.size() / 500);  // Or it takes seconds.
      BOOST_CHECK_MESSAGE(answers(one.bytes, piece) == one.answers,
                          one.name << ", " << piece << " at a time: expected `" << one.answers << "`, got `"
                                   << answers(one.bytes, piece) << "`");
    }
  }
}

BOOST_AUTO_TEST_CASE(damaged_requests_are_answered_alike_however_their_bytes_come) {
  weir::runtime::Random random(7);
  const auto seeds = short_cases();
  for (int round = 0; round < 20'000; ++round) {
    const auto bytes = damaged(seeds, random);
    const auto whole = answers(bytes, 1 << 30), single = answers(bytes, 1);
    BOOST_REQUIRE_MESSAGE(whole == single, "round " << round << ": `" << whole << "` at once, `" << single
                                                    << "` byte by byte, of\n"
                                                    << bytes);
  }
}

BOOST_AUTO_TEST_CASE(a_request_says_what_was_sent) {
  auto request =
      read("POST /a%20b/c?d=e+f&g=%26&h HTTP/1.1\r\nHOST: x\r\nX-Two:  a b \r\nContent-Length: 5\r\n\r\nhello");
  BOOST_TEST(request.method == "POST");
  BOOST_TEST(request.target == "/a%20b/c?d=e+f&g=%26&h");
  BOOST_TEST(request.path == "/a b/c");
  BOOST_TEST(request.query == "d=e+f&g=%26&h");
  BOOST_TEST(request.header("host").value() == "x");
  BOOST_TEST(request.header("x-two").value() == "a b");
  BOOST_TEST(!request.header("X-Two").has_value());
  BOOST_TEST(request.body == "hello");
  BOOST_TEST(request.keep_alive);
}

BOOST_AUTO_TEST_CASE(what_of_a_target_should_have_been_percent_encoded_is) {
  const auto request = read("GET /caf\xc3\xa9/%C3%A9\xff?q=\xc3\xa9&%20 HTTP/1.1\r\nHost: x\r\n\r\n");
  BOOST_TEST(request.target == "/caf%C3%A9/%C3%A9%FF?q=%C3%A9&%20");
  BOOST_TEST(request.path == "/caf\xc3\xa9/\xc3\xa9\xff");
  BOOST_TEST(request.sent_path() == "/caf%C3%A9/%C3%A9%FF");
  BOOST_TEST(request.query == "q=%C3%A9&%20");
  BOOST_TEST(answers("GET http://b\xc3\xa9/ HTTP/1.1\r\nHost: x\r\n\r\n", 1) ==
             answers("GET http://b~@/ HTTP/1.1\r\nHost: x\r\n\r\n", 1));
}

BOOST_AUTO_TEST_CASE(chunks_are_joined_and_trailers_are_no_headers) {
  const auto request = read(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Late: "
      "1\r\n\r\n");
  BOOST_TEST(request.body == "abcdefg");
  BOOST_TEST(!request.header("x-late").has_value());
}

BOOST_AUTO_TEST_CASE(a_url_as_target_overrules_the_host) {
  const auto request = read("GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n");
  BOOST_TEST(request.header("host").value() == "b:81");
  BOOST_TEST(request.path == "/x");
  BOOST_TEST(request.query == "y");
  BOOST_TEST(read("GET http://b HTTP/1.1\r\nHost: a\r\n\r\n").path == "/");
}

BOOST_AUTO_TEST_CASE(keep_alive_follows_version_and_connection_field) {
  BOOST_TEST(!read("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").keep_alive);
  BOOST_TEST(!read("GET / HTTP/1.0\r\n\r\n").keep_alive);
  BOOST_TEST(read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

BOOST_AUTO_TEST_CASE(whoever_waits_for_a_word_before_the_body_gets_it_once) {
  const auto head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n"s;
  HttpReader reader;
  BOOST_TEST(!reader.wants_continue());
  reader.feed(head);
  BOOST_TEST(reader.wants_continue());
  BOOST_TEST(!reader.wants_continue());
  BOOST_REQUIRE(reader.feed("abc") == HttpReader::State::whole);
  BOOST_TEST(reader.take().body == "abc");
  reader.feed(head + "a");
  BOOST_TEST(!reader.wants_continue());
}

BOOST_AUTO_TEST_CASE(limits_are_the_callers) {
  HttpLimits limits;
  limits.body_bytes = 4;
  HttpReader small(limits);
  BOOST_REQUIRE(small.feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\n") ==
                HttpReader::State::refused);
  BOOST_TEST(small.status() == 413);
  limits.body_bytes = 1 << 24;
  HttpReader large(limits);
  std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 100'000; ++i) bytes += "5;x=yyyyyyyyyyyyyyyyyyyy\r\n12345\r\n";
  BOOST_REQUIRE(large.feed(bytes + "0\r\n\r\n") == HttpReader::State::whole);
  BOOST_TEST(large.take().body.size() == 500'000u);
}

BOOST_AUTO_TEST_CASE(a_response_is_written_with_its_length) {
  HttpResponse response(404, "text/plain", "no\n");
  BOOST_TEST(http_bytes(response, false, true, "then") ==
             "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nDate: then\r\nContent-Length: 3\r\n"
             "Connection: keep-alive\r\n\r\nno\n");
  BOOST_TEST(http_bytes(response, true, false) ==
             "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
  BOOST_TEST(
      http_bytes(HttpResponse(205, "text/plain", "x"), false, true) ==
      "HTTP/1.1 205 Reset Content\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
  BOOST_TEST(http_bytes(HttpResponse(204), false, true) == "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
}

BOOST_AUTO_TEST_CASE(a_response_is_written_in_chunks_where_it_has_a_body) {
  HttpResponse response(200, "text/plain", "twenty bytes of text");
  response.chunked = true;
  BOOST_TEST(
      http_bytes(response, false, true) ==
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
      "14\r\ntwenty bytes of text\r\n0\r\n\r\n");
  BOOST_TEST(http_bytes(response, true, true) ==
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20\r\nConnection: keep-alive\r\n\r\n");
  response.body.clear();
  BOOST_TEST(http_bytes(response, false, true)
                 .ends_with("\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
                            "0\r\n\r\n"));
  for (const int status : {204, 205, 304}) {
    response.status = status;
    response.body = "x";
    const auto bytes = http_bytes(response, false, true);
    BOOST_TEST(bytes.find("Transfer-Encoding") == std::string::npos, bytes);
    BOOST_TEST(bytes.ends_with("\r\n\r\n"), bytes);
  }
  response.status = 200;
  response.headers.emplace_back("X", "a\nb");
  BOOST_TEST(http_bytes(response, false, true)
                 .ends_with("Content-Length: 26\r\nConnection: keep-alive\r\n\r\n"
                            "The answer was malformed.\n"));
}

BOOST_AUTO_TEST_CASE(a_response_cannot_be_split_by_its_fields) {
  for (const auto& [name, value] : HttpFields{
           {"X", "a\r\nSet-Cookie: b"}, {"X", "a\nb"}, {"X: b\r\nY", "c"}, {"", "a"}, {"X", "\x01"}, {"X", "a\x7f"}}) {
    HttpResponse response(200);
    response.headers.emplace_back(name, value);
    BOOST_TEST(http_bytes(response, false, true).starts_with("HTTP/1.1 500 "));
  }
  HttpResponse response(200);
  response.headers.emplace_back("content-length", "99");
  BOOST_TEST(http_bytes(response, false, true).find("99") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(only_the_hosts_allowed_are_let_in) {
  const std::vector<std::string> allowed{"localhost", "127.0.0.1", "[::1]"};
  for (const auto* host :
       {"localhost", "LOCALHOST:9797", "127.0.0.1:80", "[::1]", "[::1]:9797", "localhost.", "localhost:"}) {
    BOOST_CHECK_MESSAGE(http_host_allowed(host, allowed), host);
  }
  for (const auto* host : {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::1]evil", "::1",
                           "localhost:80@evil", "127.0.0.2", "localhost:80:80", "user@localhost", "localhost/x"}) {
    BOOST_CHECK_MESSAGE(!http_host_allowed(host, allowed), host);
  }
}

// ---------------------------------------------------------------------------------------------- beside another reader

namespace {

using Pieces = std::vector<std::string>;

/// What a reader saw of a connection: its whole requests, and why there are no more.
struct Seen {
  std::vector<std::string> requests;
  std::string end;  ///< `more`, `closed`, or `refused` with a reason.
};

std::string hex(std::string_view bytes) {
  std::string text;
  append_hex(text, bytes);
  return text.empty() ? "-" : text;
}

/// The host that a URL names stands over the Host field (RFC 9112, 3.2.2); h11 leaves that to its user.
bool names_a_host(const std::string& target) { return http_is_url(target); }

std::string written(const HttpRequest& request) {
  std::string headers;
  for (const auto& [name, value] : request.headers) {
    if (name == "host" && names_a_host(request.target)) continue;
    headers += (headers.empty() ? "" : "\n") + name + ":" + (name == "transfer-encoding" ? http_lower(value) : value);
  }
  return hex(request.method) + " " + hex(request.target) + " " + hex(headers) + " " + hex(request.body);
}

Seen seen_by_us(const Pieces& pieces) {
  HttpReader reader;
  Seen seen;
  for (const auto& piece : pieces) {
    auto state = reader.feed(piece);
    for (; state == HttpReader::State::whole; state = reader.feed({})) {
      const auto request = reader.take();
      seen.requests.push_back(written(request));
      if (!request.keep_alive) return seen.end = "closed", seen;
    }
    if (state == HttpReader::State::refused) return seen.end = "refused " + std::string(reader.why()), seen;
  }
  seen.end = "more";
  return seen;
}

Seen seen_by_h11(const std::string& line) {
  Seen seen;
  std::size_t from = 0;
  for (auto end = line.find(';'); end != std::string::npos; end = line.find(';', from)) {
    auto request = line.substr(from, end - from);
    std::istringstream words(request);
    std::string method, target, headers, body, bytes, plain_target;
    words >> method >> target >> headers >> body;
    read_hex(target, plain_target);
    if (headers != "-") read_hex(headers, bytes);
    std::istringstream lines(bytes);
    std::string kept;
    for (std::string one; std::getline(lines, one);) {
      if (one.starts_with("host:") && names_a_host(plain_target)) continue;
      kept += (kept.empty() ? "" : "\n") + one;
    }
    seen.requests.push_back(method + " " + target + " " + hex(kept) + " " + body);
    from = end + 1;
  }
  seen.end = line.substr(from);
  return seen;
}

/// What weir refuses and h11 takes, and why weir does.
const std::vector<std::pair<std::string_view, std::string_view>> stricter{
    // Of two programs in a row one might take it otherwise.
    {"a line ends in LF alone", "h11 takes it for the end of a line"},
    {"a field is folded over two lines", "h11 joins them by a blank; obsolete since RFC 7230"},
    {"two Content-Length fields", "h11 takes equal ones"},
    {"Content-Length is no number", "h11 takes a list of equal ones"},
    {"a chunk's size is no number", "h11 takes blanks behind it, and 16 to 20 digits"},
    {"a chunk is longer than its size", "h11 0.14 takes any two bytes for the end of a chunk"},
    {"CR stands inside a line", "h11 takes it inside a chunk's extension"},
    {"NUL stands in the request", "h11 takes it inside a chunk's extension"},
    {"a control character stands in the request", "h11 takes it inside a chunk's extension"},
    {"the request begins with empty lines", "h11 reads over any number of them"},
    {"Transfer-Encoding in HTTP/1.0", "h11 takes it"},
    {"Content-Length beside Transfer-Encoding", "h11 lets the latter count"},
    {"two Transfer-Encoding fields", "h11 says so later"},
    {"a trailer is no field", "h11 takes one that is folded"},
    {"the trailers are too long", "h11 has no limit for their number"},
    {"a trailer says what only the head may say", "h11 hands trailers to its user"},
    {"two Host fields", "h11 asks this of HTTP/1.1 only"},
    {"the Host field names no host", "h11 does not look at it"},
    // Left to its user by h11.
    {"the target is neither a path nor a URL", "h11 does not look at it"},
    {"the target names no host", "h11 does not look at it"},
    {"the target holds what must be percent-encoded", "h11 takes a fragment"},
    {"a % without two hex digits", "h11 does not look at it"},
    {"the path holds `.` or `..`", "h11 does not look at it"},
    {"NUL stands in the path", "h11 does not look at it"},
    {"the method is not known here", "h11 takes any"},
    {"this is no proxy", "h11 stops for its user to decide"},
    {"what is sent is not sent back here", "h11 does not look at it"},
    {"only HTTP/1.1 and HTTP/1.0 are spoken here", "h11 takes any digits"},
    {"the only transfer coding known here is chunked", "h11 reads over empty elements of the list"},
    {"a field's name begins with Transfer-Encoding", "h11 looks at the whole name, http_parser does not"},
    {"the only expectation known here is 100-continue", "h11 does not look at it"},
    {"the body is too large", "h11 has no limit for it"},
    {"a chunk's line is too long", "h11 has no limit for it"},
    {"too many fields", "h11 has no limit for it"},
};
bool is_stricter(const std::string& end) {
  return std::any_of(stricter.begin(), stricter.end(),
                     [&](const auto& reason) { return end.find(reason.first) != std::string::npos; });
}

/// h11 takes no byte above 127 in a target; nginx, Go and weir do.
bool has_target_above_127(std::string_view bytes) {
  for (std::size_t end; !bytes.empty(); bytes.remove_prefix(std::min(end + 1, bytes.size()))) {
    end = std::min(bytes.find('\n'), bytes.size());
    const auto line = bytes.substr(0, end);
    const bool above =
        std::any_of(line.begin(), line.end(), [](char byte) { return static_cast<unsigned char>(byte) > 127; });
    if (above && line.find(" HTTP/1.") != line.npos) return true;
  }
  return false;
}

/// Empty, where both saw the same or the difference is one of those.
std::string difference(const Pieces& pieces, const Seen& theirs) {
  const auto ours = seen_by_us(pieces);
  const auto both = std::min(ours.requests.size(), theirs.requests.size());
  for (std::size_t i = 0; i < both; ++i) {
    if (ours.requests[i] != theirs.requests[i]) {
      return "request " + std::to_string(i + 1) + "\n  ours   " + ours.requests[i] + "\n  theirs " + theirs.requests[i];
    }
  }
  const auto told = [](const Seen& seen) { return std::to_string(seen.requests.size()) + " requests, " + seen.end; };
  const bool we_refuse = ours.end.starts_with("refused"), they_refuse = theirs.end.starts_with("refused");
  const bool same =
      ours.requests.size() == theirs.requests.size() && (ours.end == theirs.end || (we_refuse && they_refuse));
  const bool we_stop = we_refuse && ours.requests.size() <= theirs.requests.size() && is_stricter(ours.end);
  if (ours.end == "more" && they_refuse && ours.requests.size() == theirs.requests.size()) {
    auto ended = pieces;  // h11 may say so in the middle of a line.
    ended.emplace_back("\r\n\r\n");
    if (seen_by_us(ended).end.starts_with("refused")) return "";
  }
  // h11 knows of no HTTP/1.0 that stays open.
  std::string bytes;
  for (const auto& piece : pieces) bytes += piece;
  const bool old = theirs.end == "closed" && theirs.requests.size() <= ours.requests.size() &&
                   bytes.find("HTTP/1.0\r\n") != std::string::npos;
  const bool they_stop = they_refuse && theirs.requests.size() <= ours.requests.size() && has_target_above_127(bytes);
  return same || we_stop || they_stop || old
             ? ""
             : "ours: " + told(ours) + "\n  theirs: " + told(theirs) + "\n  of " + bytes;
}

/// A request that is right more often than not, of parts that matter.
std::string drawn(weir::runtime::Random& random) {
  const auto one_of = [&](std::initializer_list<const char*> texts) {
    return *(texts.begin() + random.below(texts.size()));
  };
  const auto often = [&](const char* right, std::initializer_list<const char*> others) {
    return random.below(8) == 0 ? one_of(others) : right;
  };
  std::string head = one_of({"GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"});
  head += " ";
  head += often("/a",
                {"/", "/a?b=c", "/a%20b", "/\xc3\xa4?\xff", "http://b/c", "*", "/a/../b", "/%2F", "//", "/a b", "/;p"});
  head += " ";
  head += often("HTTP/1.1", {"HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", "HTTP/11"});
  head += "\r\n";
  if (random.below(12) != 0)
    head += often("Host: a\r\n", {"host:a:80\r\n", "Host: a\r\nHost: a\r\n", "Host:\r\n", "Host: [::1]\r\n"});
  for (auto fields = random.below(4); fields > 0; --fields) {
    head += one_of({"X-A: 1\r\n", "X-B:\t two \t\r\n", "X-C:\r\n", "Accept: */*\r\n", "X-D: a, b\r\n", "X_E: \xe9\r\n",
                    "Connection: close\r\n", "Connection: keep-alive\r\n", "Connection: x, close\r\n", "X-F : a\r\n",
                    "X-G: a\r\n b\r\n", "Upgrade: x\r\nConnection: upgrade\r\n", "Expect: 100-continue\r\n"});
  }
  std::string body(random.below(20), 'b');
  const auto size = std::to_string(body.size());
  switch (random.below(4)) {
    case 0:
      return head + "\r\n";
    case 1:
      head += "Content-Length: " + size + "\r\n";
      if (random.below(8) == 0)
        head += often("Transfer-Encoding: chunked\r\n", {"Content-Length: 3\r\n", "Content-Length: 3, 3\r\n"});
      return head + "\r\n" + body;
    default:
      head += "Transfer-Encoding: ";
      head += often("chunked", {"Chunked", "chunked, chunked", "gzip, chunked", "identity", " chunked\t", "xchunked"});
      head += "\r\n\r\n";
  }
  for (std::size_t at = 0; at < body.size();) {
    const auto count = std::min<std::size_t>(1 + random.below(9), body.size() - at);
    head += std::to_string(count);
    head += often("\r\n", {";a=b\r\n", " \r\n", ";\r\n", "\n", ";a=\"\r\"\r\n"});
    head += body.substr(at, count) + often("\r\n", {"\n", "xx", ""});
    at += count;
  }
  return head + "0\r\n" + often("", {"X-T: 1\r\n", "Content-Length: 1\r\n", "X-T\r\n", "X-T : 1\r\n"}) + "\r\n";
}

Pieces sliced(std::string_view bytes, weir::runtime::Random& random) {
  Pieces pieces;
  const auto most = std::size_t{1} << random.below(9);
  while (!bytes.empty()) {
    const auto count = std::min<std::size_t>(1 + random.below(most), bytes.size());
    pieces.emplace_back(bytes.substr(0, count));
    bytes.remove_prefix(count);
  }
  return pieces;
}

std::uint64_t number_or(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

BOOST_AUTO_TEST_CASE(h11_reads_the_same_requests_and_refuses_what_we_refuse) {
  if (weir::tests::Child({"/usr/bin/python3", "-c", "import h11"}).end().code != 0) {
    BOOST_TEST_MESSAGE("skipped: this machine has no python3-h11");
    return;
  }
  const auto rounds = number_or("WEIR_H11_ROUNDS", 2'000), seed = number_or("WEIR_H11_SEED", 1);
  weir::runtime::Random random(seed);
  const auto seeds = short_cases();
  std::vector<Pieces> connections;
  for (const auto& bytes : seeds) connections.push_back(sliced(bytes, random));
  for (std::uint64_t i = 0; i < rounds; ++i) {
    std::string bytes = drawn(random);
    while (random.below(3) == 0) bytes += drawn(random);
    connections.push_back(sliced(i % 2 == 0 ? bytes : damaged(i % 4 == 1 ? seeds : Pieces{bytes}, random), random));
  }
  const weir::tests::TemporaryFolder folder;
  std::string lines;
  for (const auto& pieces : connections) {
    for (const auto& piece : pieces) append_hex(lines, piece), lines += ' ';
    lines += '\n';
  }
  const auto file = folder.file("connections", lines);
  const auto said = weir::tests::Child({"sh", "-c", "/usr/bin/python3 tests/io/h11_reader.py < \"$0\"", file}).end();
  BOOST_REQUIRE_MESSAGE(said.code == 0, said.err);
  std::istringstream theirs(said.out);
  std::string line;
  int differences = 0;
  for (const auto& pieces : connections) {
    BOOST_REQUIRE(std::getline(theirs, line));
    const auto why = difference(pieces, seen_by_h11(line));
    if (why.empty()) continue;
    BOOST_ERROR(why);
    if (++differences == 20) break;
  }
}
