// Raw HTTP/1.1 requests and what must become of them, for the reader alone and for the server behind a socket.
#pragma once
#include <string>
#include <vector>

namespace weir::tests {

struct HttpCase {
  std::string name;
  std::string bytes;
  /// The statuses answered, in order; nothing is answered to a request that has not come to its end.
  std::string answers;
};

inline std::vector<HttpCase> http_cases() {
  using namespace std::string_literals;
  const auto get = "GET / HTTP/1.1\r\nHost: a\r\n"s;
  const auto post = "POST / HTTP/1.1\r\nHost: a\r\n"s;
  const auto chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  std::string many_fields;
  for (int i = 0; i < 101; ++i) many_fields += "X" + std::to_string(i) + ": a\r\n";
  return {
      // What is right.
      {"get", get + "\r\n", "200"},
      {"post with a length", post + "Content-Length: 3\r\n\r\nabc", "200"},
      {"post of nothing", post + "Content-Length: 0\r\n\r\n", "200"},
      {"post without a length", post + "\r\n", "200"},
      {"chunks", chunked + "3\r\nabc\r\n0\r\n\r\n", "200"},
      {"two chunks, hex in both cases", chunked + "A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n", "200"},
      {"chunk extension", chunked + "3;name=value\r\nabc\r\n0\r\n\r\n", "200"},
      {"trailers", chunked + "3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n", "200"},
      {"two requests at once", get + "\r\n" + get + "\r\n", "200 200"},
      {"chunks, then another request", chunked + "3\r\nabc\r\n0\r\n\r\n" + get + "\r\n", "200 200"},
      {"a length, then another request", post + "Content-Length: 3\r\n\r\nabc" + get + "\r\n", "200 200"},
      {"an empty line before the request", "\r\n" + get + "\r\n", "200"},
      {"an empty line between requests", get + "\r\n\r\n" + get + "\r\n", "200 200"},
      {"http/1.0 without a host", "GET / HTTP/1.0\r\n\r\n", "200"},
      {"the last of its connection", get + "Connection: close\r\n\r\n" + get + "\r\n", "200"},
      {"http/1.0 ends its connection", "GET / HTTP/1.0\r\n\r\n" + get + "\r\n", "200"},
      {"a url as target", "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"options of the server", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"tabs and spaces around a value", get + "X: \t a\t \r\n\r\n", "200"},
      {"an empty value", get + "X:\r\n\r\n", "200"},
      {"bytes above 127 in a value", get + "X: h\xc3\xa4\r\n\r\n", "200"},
      {"an upgrade nobody asked for", get + "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" + get + "\r\n",
       "200 200"},
      {"a host with a port", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200"},
      {"what browsers leave unencoded", "GET /?a={b}|c HTTP/1.1\r\nHost: a\r\n\r\n", "200"},

      // What has not come to its end.
      {"half a request line", "GET / HT", ""},
      {"half the fields", get + "X: ", ""},
      {"half a body", post + "Content-Length: 30\r\n\r\nabc", ""},
      {"half a chunk", chunked + "3\r\nab", ""},
      {"chunks without an end", chunked + "3\r\nabc\r\n", ""},
      {"half the trailers", chunked + "0\r\nX: a\r\n", ""},

      // Hosts.
      {"no host", "GET / HTTP/1.1\r\n\r\n", "400"},
      {"two hosts", get + "Host: b\r\n\r\n", "400"},
      {"two equal hosts", get + "Host: a\r\n\r\n", "400"},
      {"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"},
      {"a host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"},
      {"a list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"},
      {"a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},

      // Two ways to tell where the body ends.
      {"length and chunks", post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {"chunks and length", post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400"},
      {"two lengths", post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"},
      {"two equal lengths", post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"},
      {"a list of lengths", post + "Content-Length: 3, 4\r\n\r\nabcd", "400"},
      {"a length with a plus", post + "Content-Length: +3\r\n\r\nabc", "400"},
      {"a negative length", post + "Content-Length: -1\r\n\r\n", "400"},
      {"a hex length", post + "Content-Length: 0x3\r\n\r\nabc", "400"},
      {"a length with a space inside", post + "Content-Length: 3 3\r\n\r\nabc", "400"},
      {"an empty length", post + "Content-Length:\r\n\r\n", "400"},
      {"a length that overflows", post + "Content-Length: 99999999999999999999999\r\n\r\n", "413"},
      {"a length beyond the limit", post + "Content-Length: 1048577\r\n\r\n", "413"},
      {"an unknown coding", post + "Transfer-Encoding: xchunked\r\n\r\n", "501"},
      {"two codings", post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "501"},
      {"gzip and chunks", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
      {"chunks said twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {"chunks in http/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {"a coding behind a vertical tab",
       post + "Transfer-Encoding: \x0b"
              "chunked\r\n\r\n0\r\n\r\n",
       "400"},

      // Lines and names.
      {"a space before the colon", get + "X : a\r\n\r\n", "400"},
      {"a folded field", get + "X: a\r\n b\r\n\r\n", "400"},
      {"a first field that is folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400"},
      {"LF alone", "GET / HTTP/1.1\nHost: a\n\n", "400"},
      {"LF alone at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", "400"},
      {"CR inside a value", get + "X: a\rb\r\n\r\n", "400"},
      {"NUL inside a value", get + "X: a\0b\r\n\r\n"s, "400"},
      {"DEL inside a value", get + "X: a\x7f\r\n\r\n", "400"},
      {"a control character in a name", get + "X\x01: a\r\n\r\n", "400"},
      {"bytes above 127 in a name", get + "X\xc3\xa4: a\r\n\r\n", "400"},
      {"an empty name", get + ": a\r\n\r\n", "400"},
      {"a field without a colon", get + "X\r\n\r\n", "400"},
      {"garbage", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"s, "400"},
      {"many empty lines", "\r\n\r\n\r\n", "400"},

      // The request line.
      {"an unknown version", "GET / HTTP/9.9\r\nHost: a\r\n\r\n", "505"},
      {"http/2 in words", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
      {"no version", "GET /\r\nHost: a\r\n\r\n", "400"},
      {"a version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a version with more digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", "400"},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a space inside the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a tab inside the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"an unknown method", "FETCH / HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
      {"connect", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
      {"a method that is no token", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a target without a slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a target with a fragment", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a target above 127", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a url without a host", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a url with a user", "GET http://u@b/x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a way upwards", "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a way upwards in disguise", "GET /a/%2e%2E%2fb HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"NUL in disguise", "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a broken escape", "GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a broken escape in the query", "GET /?a%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400"},

      // Chunks.
      {"a chunk size that is no number", chunked + "xyz\r\n", "400"},
      {"an empty chunk size", chunked + "\r\nabc\r\n0\r\n\r\n", "400"},
      {"a chunk size with 0x", chunked + "0x3\r\nabc\r\n0\r\n\r\n", "400"},
      {"a chunk size with a sign", chunked + "+3\r\nabc\r\n0\r\n\r\n", "400"},
      {"a chunk size with a space", chunked + "3 \r\nabc\r\n0\r\n\r\n", "400"},
      {"a chunk line that ends in LF", chunked + "3\nabc\n0\n\n", "400"},
      {"LF inside a chunk extension", chunked + "3;a\nb\r\nabc\r\n0\r\n\r\n", "400"},
      {"CR inside a chunk extension", chunked + "3;a\rb\r\nabc\r\n0\r\n\r\n", "400"},
      {"a long chunk extension", chunked + "3;" + std::string(300, 'a') + "\r\nabc\r\n0\r\n\r\n", "400"},
      {"a chunk longer than its size", chunked + "3\r\nabcd\r\n0\r\n\r\n", "400"},
      {"a chunk size that overflows", chunked + "fffffffffffffffff\r\n", "400"},
      {"a chunk beyond the limit", chunked + "100001\r\n", "413"},
      {"a folded trailer", chunked + "0\r\nX: a\r\n b\r\n\r\n", "400"},
      {"a trailer that ends in LF", chunked + "0\r\nX: a\n\r\n", "400"},
      {"a trailer without a colon", chunked + "0\r\nX\r\n\r\n", "400"},
      {"a length among the trailers", chunked + "0\r\nContent-Length: 5\r\n\r\nhello", "400"},

      // Limits and expectations.
      {"fields beyond the limit", get + "X: " + std::string(200'000, 'a') + "\r\n\r\n", "431"},
      {"too many fields", get + many_fields + "\r\n", "431"},
      {"a target beyond the limit", "GET /" + std::string(9'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", "414"},
      {"trailers beyond the limit", chunked + "0\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n", "431"},
      {"too many trailers", chunked + "0\r\n" + many_fields + "\r\n", "431"},
      {"an unknown expectation", post + "Expect: tea\r\nContent-Length: 3\r\n\r\nabc", "417"},
      {"a good request, then a bad one", get + "\r\n" + get + "Host: b\r\n\r\n", "200 400"},
      {"what follows a bad request is not read", get + "Host: b\r\n\r\n" + get + "\r\n", "400"},
  };
}

}  // namespace weir::tests
