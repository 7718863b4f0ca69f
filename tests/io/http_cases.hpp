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

/// `200 400` of what a connection has been answered.
inline std::string statuses(const std::string& answers) {
  std::string found;
  for (auto at = answers.find("HTTP/1.1 "); at != std::string::npos; at = answers.find("HTTP/1.1 ", at + 1)) {
    const auto status = answers.substr(at + 9, 3);  // A refusal may name the version in its text, too.
    if (status.find_first_not_of("0123456789") == std::string::npos) found += (found.empty() ? "" : " ") + status;
  }
  return found;
}

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
      {"a url in capitals", "GET HTTP://b/x HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"options of the server", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"tabs and spaces around a value", get + "X: \t a\t \r\n\r\n", "200"},
      {"an empty value", get + "X:\r\n\r\n", "200"},
      {"bytes above 127 in a value", get + "X: h\xc3\xa4\r\n\r\n", "200"},
      {"an upgrade nobody asked for", get + "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" + get + "\r\n",
       "200 200"},
      {"a host with a port", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200"},
      {"what browsers leave unencoded", "GET /?a={b}|c HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"an upgrade to http/2 nobody asked for",
       get + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n" + get + "\r\n",
       "200 200"},
      {"an upgrade with a body",
       post + "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\nabc" + get + "\r\n", "200 200"},
      {"a get with a body", get + "Content-Length: 3\r\n\r\nabc" + get + "\r\n", "200 200"},
      {"a get with chunks", get + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + get + "\r\n", "200 200"},
      {"a delete with a body", "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "200"},
      {"a body that looks like a request",
       post + "Content-Length: 36\r\n\r\nGET /inside HTTP/1.1\r\nHost: evil\r\n\r\n", "200"},
      {"head, then get", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get + "\r\n", "200 200"},
      {"options of a path", "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"a length with zeros before it", post + "Content-Length: 0003\r\n\r\nabc", "200"},
      {"a length behind a tab", post + "Content-Length:\t3\r\n\r\nabc", "200"},
      {"chunked in capitals", post + "TRANSFER-ENCODING:\tCHUNKED \r\n\r\n0\r\n\r\n", "200"},
      {"a chunk size with zeros before it", chunked + "00000003\r\nabc\r\n000\r\n\r\n", "200"},
      {"an extension of the last chunk", chunked + "0;a=b\r\n\r\n", "200"},
      {"a quoted chunk extension", chunked + "3;a=\"b;c\"\r\nabc\r\n0\r\n\r\n", "200"},
      {"a name that is like one of the framing", post + "Transfer_Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
       "200"},
      {"an https url as target", "GET https://b:443/x?y=/../z HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"a url without a path", "GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"two slashes", "GET //a//b HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"an encoded slash", "GET /a%2Fb%2f HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"dots that are no segment", "GET /a..b/.../..c/d. HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"a host with an empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", "200"},
      {"as many fields as may be", get + many_fields.substr(0, many_fields.find("X99:")) + "\r\n", "200"},
      {"a target as long as may be", "GET /" + std::string(8'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"a body as long as may be", post + "Content-Length: 65536\r\n\r\n" + std::string(65'536, 'a'), "200"},

      // Which connections stay open.
      {"close among other words", get + "Connection: x, Close\r\n\r\n" + get + "\r\n", "200"},
      {"close in a second field", get + "Connection: keep-alive\r\nConnection: close\r\n\r\n" + get + "\r\n", "200"},
      {"a word that only begins with close", get + "Connection: closed\r\n\r\n" + get + "\r\n", "200 200"},
      {"empty words of the connection", get + "Connection: , ,,\r\n\r\n" + get + "\r\n", "200 200"},
      {"http/1.0 that asks to stay", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n" + get + "\r\n", "200 200"},
      {"http/1.0 that asks for both", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n" + get + "\r\n", "200"},

      // Whoever waits for a word before the body.
      {"an expectation in capitals", post + "Expect: 100-CONTINUE\r\nContent-Length: 3\r\n\r\nabc", "200"},
      {"an expectation without a body", post + "Expect: 100-continue\r\n\r\n" + get + "\r\n", "200 200"},
      {"an expectation of http/1.0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", "200"},
      {"an expectation before chunks",
       post + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "200"},
      {"two expectations in one field", post + "Expect: 100-continue, x\r\nContent-Length: 3\r\n\r\nabc", "417"},
      {"an expectation and a body beyond the limit", post + "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n",
       "413"},

      // What has not come to its end.
      {"half a request line", "GET / HT", ""},
      {"half the fields", get + "X: ", ""},
      {"half a body", post + "Content-Length: 30\r\n\r\nabc", ""},
      {"half a chunk", chunked + "3\r\nab", ""},
      {"chunks without an end", chunked + "3\r\nabc\r\n", ""},
      {"half an end of the fields", get + "\r", ""},
      {"half an end of the chunks", chunked + "0\r\n\r", ""},
      {"a method and nothing more", "POST", ""},
      {"half the trailers", chunked + "0\r\nX: a\r\n", ""},

      // Hosts.
      {"no host", "GET / HTTP/1.1\r\n\r\n", "400"},
      {"two hosts", get + "Host: b\r\n\r\n", "400"},
      {"two equal hosts", get + "Host: a\r\n\r\n", "400"},
      {"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"},
      {"a host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"},
      {"a list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"},
      {"two hosts in different case", get + "hOST: a\r\n\r\n", "400"},
      {"a host with a long port", "GET / HTTP/1.1\r\nHost: a:999999\r\n\r\n", "400"},
      {"a host with a port in words", "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n", "400"},
      {"a host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
      {"a host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400"},
      {"a url, but no host field", "GET http://a/ HTTP/1.1\r\n\r\n", "400"},
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
      {"two equal lengths in one field", post + "Content-Length: 3, 3\r\n\r\nabc", "400"},
      {"a length before a tab", post + "Content-Length: 3\t\r\n\r\nabc", "400"},  // http_parser knows blanks only.
      {"a length with an exponent", post + "Content-Length: 1e1\r\n\r\nabcdefghij", "400"},
      {"a length with an underscore", post + "Content-Length: 1_0\r\n\r\nabcdefghij", "400"},
      {"a length with a point", post + "Content-Length: 3.0\r\n\r\nabc", "400"},
      {"a length behind a vertical tab",
       post + "Content-Length: \x0b"
              "3\r\n\r\nabc",
       "400"},
      {"a length behind a no-break space",
       post + "Content-Length: \xa0"
              "3\r\n\r\nabc",
       "400"},
      {"a length of http/1.0 beside chunks",
       "POST / HTTP/1.0\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {"no coding", post + "Transfer-Encoding:\r\n\r\n", "501"},
      {"the coding identity", post + "Transfer-Encoding: identity\r\n\r\n", "501"},
      {"a coding in quotes", post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "501"},
      {"a coding with a parameter", post + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", "501"},
      {"a coding behind a comma", post + "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", "501"},
      {"chunks twice in one field", post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "501"},
      {"a coding with a space before its colon", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"},
      {"a name that begins with that of the coding", post + "Transfer-Encoding.: chunked\r\n\r\n", "400"},
      {"a coding in a folded field", post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "400"},
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
      {"a tab before the colon", get + "X\t: a\r\n\r\n", "400"},
      {"a field behind LF alone", get + "X: a\nTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"a field behind CR alone", get + "X: a\rTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"two CR at the end of a line", get + "X: a\r\r\n\r\n", "400"},
      {"a vertical tab inside a value",
       get + "X: a\x0b"
             "b\r\n\r\n",
       "400"},
      {"a form feed inside a value",
       get + "X: a\x0c"
             "b\r\n\r\n",
       "400"},
      {"an escape inside a value", get + "X: \x1b[2J\r\n\r\n", "400"},
      {"NUL inside a name", get + "X\0: a\r\n\r\n"s, "400"},
      {"brackets in a name", get + "X[a]: a\r\n\r\n", "400"},
      {"a proxy's greeting", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get + "\r\n", "400"},
      {"http/0.9", "GET /\r\n\r\n", "400"},
      {"LF before the request", "\n" + get + "\r\n", "400"},
      {"a space before the request", " " + get + "\r\n", "400"},
      {"garbage behind a request", get + "\r\n\x01\x02\x03\r\n\r\n", "200 400"},
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
      {"a target above 127", "GET /\xc3\xa4?\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
      {"a url without a host", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a url with a user", "GET http://u@b/x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a way upwards", "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a way upwards in disguise", "GET /a/%2e%2E%2fb HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"NUL in disguise", "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a broken escape", "GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a broken escape in the query", "GET /?a%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400"},

      {"a version of two digits before the point", "GET / HTTP/01.1\r\nHost: a\r\n\r\n", "400"},
      {"a version with a comma", "GET / HTTP/1,1\r\nHost: a\r\n\r\n", "400"},
      {"a later version", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", "505"},
      {"a space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400"},
      {"NUL inside the target", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"s, "400"},
      {"DEL inside the target", "GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a method with a byte above 127", "G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a method in lower case", "get / HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
      {"trace", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
      {"connect to a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
      {"a star that is no options", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"an authority as target", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a url of another scheme", "GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a url with two hosts", "GET http://b@c/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a dot as a segment", "GET /a/./b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a dot in disguise at the end", "GET /a/%2e HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a way upwards at the end", "GET /a/.. HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a way upwards behind an encoded slash", "GET /a%2f..%2fb HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a way upwards in a url", "GET http://a/../b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"an escape of another kind", "GET /%u0041 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"a lone percent", "GET /% HTTP/1.1\r\nHost: a\r\n\r\n", "400"},

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
      {"a chunk size with a minus", chunked + "-3\r\nabc\r\n0\r\n\r\n", "400"},
      {"a chunk size behind a space", chunked + " 3\r\nabc\r\n0\r\n\r\n", "400"},
      {"a chunk size with an underscore", chunked + "1_0\r\nabc\r\n0\r\n\r\n", "400"},
      {"a chunk size with two CR", chunked + "3\r\r\nabc\r\n0\r\n\r\n", "400"},
      {"a chunk that ends in LF", chunked + "3\r\nabc\n0\r\n\r\n", "400"},
      {"a chunk without an end of its own", chunked + "3\r\nabc0\r\n\r\n", "400"},
      {"a chunk shorter than its size", chunked + "5\r\nabc\r\n0\r\n\r\n", "400"},
      {"NUL inside a chunk extension", chunked + "3;a\0b\r\nabc\r\n0\r\n\r\n"s, "400"},
      {"chunks that together are beyond the limit",
       chunked + "fffff\r\n" + std::string(0xfffff, 'a') + "\r\n2\r\nab\r\n0\r\n\r\n", "413"},
      {"a coding among the trailers", chunked + "0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"a host among the trailers", chunked + "0\r\nHost: b\r\n\r\n", "400"},
      {"a trailer with a space before the colon", chunked + "0\r\nX : a\r\n\r\n", "400"},
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
      {"one field beyond the limit", get + "X: " + std::string(17'000, 'a') + "\r\n\r\n", "431"},
      {"fields without an end", get + "X: " + std::string(17'000, 'a'), "431"},
      {"a request line without an end", std::string(9'000, 'A'), "414"},
      {"two good requests, a bad one, a good one",
       get + "\r\n" + post + "Content-Length: 1\r\n\r\nx" + get + "X : a\r\n\r\n" + get + "\r\n", "200 200 400"},
      {"a good request, then a bad one", get + "\r\n" + get + "Host: b\r\n\r\n", "200 400"},
      {"what follows a bad request is not read", get + "Host: b\r\n\r\n" + get + "\r\n", "400"},
  };
}

}  // namespace weir::tests
