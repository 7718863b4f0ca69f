// The strict reader of requests and the writer of responses, without a socket.
#include "engine/io/http_request.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine/runtime/random.hpp"
#include "tests/io/http_cases.hpp"

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

HttpRequest read(std::string_view bytes) {
  HttpReader reader;
  BOOST_REQUIRE(reader.feed(bytes) == HttpReader::State::whole);
  return reader.take();
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_case_is_read_or_refused_rightly_however_its_bytes_come) {
  for (const auto& one : http_cases()) {
    for (const std::size_t piece : {std::size_t{1} << 30, std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
      BOOST_CHECK_MESSAGE(answers(one.bytes, piece) == one.answers,
                          one.name << ", " << piece << " at a time: expected `" << one.answers << "`, got `"
                                   << answers(one.bytes, piece) << "`");
    }
  }
}

BOOST_AUTO_TEST_CASE(damaged_requests_are_answered_alike_however_their_bytes_come) {
  weir::runtime::Random random(7);
  std::vector<std::string> seeds;
  for (const auto& one : http_cases()) {
    if (one.bytes.size() < 1'000) seeds.push_back(one.bytes);
  }
  constexpr std::string_view odd = "\r\n :;,0\x01\xff\t%/.";
  for (int round = 0; round < 20'000; ++round) {
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
  BOOST_TEST(http_bytes(HttpResponse(204), false, true) == "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
}

BOOST_AUTO_TEST_CASE(a_response_cannot_be_split_by_its_fields) {
  for (const auto& [name, value] :
       HttpFields{{"X", "a\r\nSet-Cookie: b"}, {"X", "a\nb"}, {"X: b\r\nY", "c"}, {"", "a"}}) {
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
