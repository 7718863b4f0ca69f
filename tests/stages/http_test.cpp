// http: what is asked, what comes of it, and what `weir test` makes of both without a network.
#include <algorithm>
#include <sstream>

#include "engine/command/command.hpp"
#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"
#include "tests/support/peer.hpp"
#include "tests/support/real_run.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace weir::tests;
using weir::runtime::WallTime;
using Lines = std::vector<std::string>;

namespace {

std::string mistake(const std::string& yaml) { return Read("http", yaml).mistake(); }

/// One message that somebody asked for over the network.
struct AskedConfig {
  std::string method = "GET", path = "/", body, client;
  weir::config::Map<std::string> query, headers;
};
weir::runtime::Task<> ask(const AskedConfig& config, weir::stage::Source& source) {
  auto request = std::make_shared<weir::message::Request>();
  request->method = config.method;
  request->path = config.path;
  request->client = config.client;
  request->query = config.query;
  request->headers = config.headers;
  source.emit(config.body).edit_metadata().request = request;
  co_await source.flush();
}
const weir::stage::Register asked_kind(weir::config::Spec<AskedConfig>("asked", "Somebody asked.")
                                           .field("method", &AskedConfig::method, "")
                                           .field("path", &AskedConfig::path, "")
                                           .field("body", &AskedConfig::body, "")
                                           .field("client", &AskedConfig::client, "")
                                           .field("query", &AskedConfig::query, "")
                                           .field("headers", &AskedConfig::headers, ""),
                                       [](auto config) { return weir::stage::source_of(config, ask); });

std::string ok(const std::string& body, const std::string& fields = {}, const std::string& status = "200 OK") {
  return "HTTP/1.1 " + status + "\r\ncontent-length: " + std::to_string(body.size()) + "\r\n" + fields + "\r\n" + body;
}

/// What `source` gives goes through `http: HTTP` with `more` keys, on the real runtime, and what comes out or fails is
/// kept. URL in it is that of the peer, without the last slash.
struct Called {
  Called(Peer& peer, std::string http, const std::string& source, const std::string& more = {},
         RealRun::Enough enough = {}) {
    for (auto at = http.find("URL"); at != std::string::npos; at = http.find("URL", at)) {
      http.replace(at, 3, peer.url(""));
    }
    const bool from = http.find("every:") == std::string::npos;
    const RealRun run("stages:\n" + (from ? "  in: {" + source + "}\n" : std::string()) + "  call:\n" +
                          (from ? "    from: in\n" : "") + "    http: " + http + "\n" + more +
                          "  out: {from: call, file: {write: '" + folder.path("out") +
                          "', format: lines}}\n"
                          "  told:\n"
                          "    from: call.failed\n"
                          "    lua: return {kind = failed.kind, why = failed.text, text = text}\n"
                          "  failed: {from: told, file: {write: '" +
                          folder.path("failed") + "', format: lines}}\n",
                      std::move(enough));
    out = text_of(folder.path("out"));
    failed = text_of(folder.path("failed"));
  }
  TemporaryFolder folder;
  std::string out, failed;
};

std::string each(const std::string& payloads) { return "generate: {each: " + payloads + ", text: '{{ item }}'}"; }

/// The first line and the body.
std::string line_and_body(const std::string& request) {
  return request.substr(0, request.find(" HTTP/1.1\r\n")) + "|" + request.substr(request.find("\r\n\r\n") + 4);
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What `weir test` says of it.
std::string tested(const std::string& yaml) {
  static const auto catalog = weir::stage::Catalog::linked();
  const TemporaryFolder folder;
  const auto path = folder.file("http.yaml", yaml);
  std::ostringstream out, err;
  weir::command::Streams streams{out, err};
  weir::command::run_command(catalog, {"test", path}, streams);
  return out.str() + err.str();
}

}  // namespace

// ------------------------------------------------------------------------------------------------------- what is asked

BOOST_AUTO_TEST_CASE(the_reply_takes_the_place_of_the_payload_or_is_merged) {
  Peer peer(replies([](const std::string&) { return ok("{\"name\":\"Ann\"}", "X-Total-Count: 3\r\n"); }));
  const Called plain(peer, "{get: 'URL/users/{{ msg.id }}'}", each("['{\"id\":7}']"));
  BOOST_TEST(plain.out == "{\"name\":\"Ann\"}\n");
  const Called merged(peer, "{get: 'URL/users/{{ msg.id }}'}", each("['{\"id\":7}']"),
                      "    merge: {user: '{{ result.msg.name }}', code: '{{ result.status }}',\n"
                      "            total: '{{ result.headers.x_total_count }}', quick: '{{ result.seconds < 10 }}'}\n");
  BOOST_TEST(merged.out == "{\"id\":7,\"user\":\"Ann\",\"code\":200,\"total\":\"3\",\"quick\":true}\n");
  BOOST_TEST(line_and_body(peer.requests().at(0)) == "GET /users/7|");
}

BOOST_AUTO_TEST_CASE(each_method_sends_what_it_should) {
  Peer peer(replies([](const std::string& request) {
    return request.starts_with("HEAD") ? "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n" : ok("");
  }));
  for (const auto* http :
       {"{get: URL/a}", "{post: URL/a}", "{put: URL/a}", "{patch: URL/a}", "{delete: URL/a}", "{head: URL/a}",
        "{post: URL/a, msg: {new: '{{ msg.id }}', list: [1, x]}}", "{post: URL/a, text: 'id is {{ msg.id }}'}",
        "{put: URL/a, form: {id: '{{ msg.id }}', 'a b': 'x&y=z'}}", "{delete: URL/a, msg: {}}",
        "{post: URL/a, text: ''}"}) {
    const Called called(peer, http, each("['{\"id\":7}']"));
    BOOST_TEST(called.failed == "", http);
  }
  Lines seen;
  for (const auto& request : peer.requests()) {
    const auto at = request.find("content-type: ");
    seen.push_back(line_and_body(request) + "|" +
                   (at == std::string::npos ? "" : request.substr(at + 14, request.find('\r', at) - at - 14)));
  }
  const Lines expected{"GET /a||",
                       "POST /a|{\"id\":7}|application/json",
                       "PUT /a|{\"id\":7}|application/json",
                       "PATCH /a|{\"id\":7}|application/json",
                       "DELETE /a||",
                       "HEAD /a||",
                       "POST /a|{\"new\":7,\"list\":[1,\"x\"]}|application/json",
                       "POST /a|id is 7|text/plain; charset=utf-8",
                       "PUT /a|id=7&a%20b=x%26y%3Dz|application/x-www-form-urlencoded",
                       "DELETE /a|{}|application/json",
                       "POST /a||text/plain; charset=utf-8"};
  BOOST_TEST(seen == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_body_is_sent_in_chunks_where_a_header_says_so) {
  int tries = 0;
  Peer peer(replies([&](const std::string& request) {
    return request.starts_with("POST") && ++tries == 1 ? ok("", {}, "503 Service Unavailable") : ok("");
  }));
  const std::string chunks = ", headers: {Transfer-Encoding: Chunked, x-own: '1'}}";
  const Called retried(peer, "{post: URL/a" + chunks, each("[hello]"), "    retry: {attempts: 2, backoff: 1ms..1ms}\n");
  const Called put(peer, "{put: URL/a, msg: {id: 7}" + chunks, each("[hello]"));
  const std::string asked = "asked: {method: PUT, path: /a, headers: {content_length: '5'}, body: ";
  const Called forwarded(peer, "{forward: URL" + chunks, asked + "hello}");
  const Called empty(peer, "{forward: URL" + chunks, "asked: {path: /a}");
  BOOST_TEST(retried.failed + put.failed + forwarded.failed + empty.failed == "");
  Lines seen;
  for (const auto& request : peer.requests()) {
    seen.push_back(line_and_body(request));
    BOOST_TEST(has(request, "\r\nTransfer-Encoding: chunked\r\n") == !request.starts_with("GET"), request);
    BOOST_TEST(!has(request, "ontent-Length:"), request);
    BOOST_TEST(!has(request, "content-length:"), request);
    BOOST_TEST(!has(request, "Chunked"), request);
    BOOST_TEST(has(request, "\r\nx-own: 1\r\n"), request);
  }
  const Lines expected{"POST /a|5\r\nhello\r\n0\r\n\r\n", "POST /a|5\r\nhello\r\n0\r\n\r\n",
                       "PUT /a|8\r\n{\"id\":7}\r\n0\r\n\r\n", "PUT /a|5\r\nhello\r\n0\r\n\r\n", "GET /a|"};
  BOOST_TEST(seen == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(headers_are_filled_in_and_say_otherwise_what_weir_says) {
  Peer peer(replies([](const std::string&) { return ok(""); }));
  const Called called(peer,
                      "{post: URL/, headers: {X-Tenant: '{{ msg.id }}', Content-Type: text/csv, User-Agent: me}, "
                      "auth: {user: ann, password: 'a:b'}}",
                      each("['{\"id\":7}']"));
  const auto asked = peer.requests().at(0);
  for (const auto* line : {"X-Tenant: 7\r\n", "Content-Type: text/csv\r\n", "User-Agent: me\r\n",
                           "authorization: Basic YW5uOmE6Yg==\r\n"}) {
    BOOST_TEST(has(asked, line), asked);
  }
  BOOST_TEST(!has(asked, "application/json"));
  BOOST_TEST(!has(asked, "weir/"));
}

BOOST_AUTO_TEST_CASE(what_a_message_puts_into_a_url_stays_in_its_place) {
  Peer peer(replies([](const std::string&) { return ok(""); }));
  const Called called(peer, "{get: 'URL/a/{{ msg.id }}/b?q={{ msg.id }}', query: {more: '{{ msg.id }}', 'n m': '1'}}",
                      each("['{\"id\":\"x/../?y&z#w é\"}', '{\"id\":\"..\"}', '{\"no\":1}', '{\"id\":null}']"));
  const std::string escaped = "x%2F..%2F%3Fy%26z%23w%20%C3%A9";
  BOOST_TEST(line_and_body(peer.requests().at(0)) ==
             "GET /a/" + escaped + "/b?q=" + escaped + "&more=" + escaped + "&n%20m=1|");
  BOOST_TEST(line_and_body(peer.requests().at(1)) == "GET /a/null/b?q=null&more=null&n%20m=1|");
  BOOST_TEST(peer.requests().size() == 2U);
  BOOST_TEST(has(called.failed,
                 "\"kind\":\"type\",\"text\":\"{\\\"id\\\":\\\"..\\\"}\",\"why\":\"'..' would lead to "
                 "another path\""),
             called.failed);
  BOOST_TEST(has(called.failed, "\"kind\":\"missing\""), called.failed);
}

BOOST_AUTO_TEST_CASE(a_host_may_come_from_a_message_and_what_opens_the_url_is_taken_as_it_is) {
  Peer peer(replies([](const std::string&) { return ok(""); }));
  const auto port = std::to_string(peer.port());
  const Called host(peer, "{get: 'http://{{ msg.host }}/healthz'}",
                    each("['{\"host\":\"127.0.0.1:" + port + "\"}', '{\"host\":\"evil@127.0.0.1:" + port +
                         "\"}', '{\"host\":\"127.0.0.1:" + port + "/x?\"}', '{\"host\":\"\"}']"));
  BOOST_TEST(peer.requests().size() == 1U);
  BOOST_TEST(std::count(host.failed.begin(), host.failed.end(), '\n') == 3, host.failed);
  BOOST_TEST(has(host.failed, "' is no host of a URL\""), host.failed);
  const Called whole(peer, "{get: '{{ msg.url }}'}",
                     each("['{\"url\":\"" + peer.url("/a?b=c&d=%20") + "\"}', '{\"url\":\"file:///etc/passwd\"}']"));
  BOOST_TEST(line_and_body(peer.requests().at(1)) == "GET /a?b=c&d=%20|");
  BOOST_TEST(whole.failed ==
             "{\"kind\":\"type\",\"text\":\"{\\\"url\\\":\\\"file:///etc/passwd\\\"}\","
             "\"why\":\"the URL does not begin with http:// or https://\"}\n");
}

BOOST_AUTO_TEST_CASE(a_header_can_t_become_two) {
  Peer peer(replies([](const std::string&) { return ok(""); }));
  const Called called(peer, "{get: URL/, headers: {x-a: '{{ msg.a }}'}}", each("['{\"a\":\"b\\r\\nc: d\"}']"));
  BOOST_TEST(peer.requests().empty());
  BOOST_TEST(has(called.failed, "\"why\":\"the header 'x-a' would hold a line break or a NUL byte\""), called.failed);
}

// ----------------------------------------------------------------------------------------------------- what came of it

BOOST_AUTO_TEST_CASE(a_status_from_400_on_fails_unless_it_is_ok_and_the_result_tells_it) {
  Peer peer(replies([](const std::string& request) {
    const auto status = request.substr(request.find('/') + 1, 3);
    return ok("said " + status, "", status + " x");
  }));
  const std::string merge = "    merge: {status: '{{ result.status }}', said: '{{ result.text }}'}\n";
  const Called called(
      peer, "{get: 'URL/{{ msg.s }}', ok: [404]}",
      each("['{\"s\":204}', '{\"s\":304}', '{\"s\":404}', '{\"s\":400}', '{\"s\":503}', '{\"s\":599}']"), merge);
  BOOST_TEST(has(called.out, "{\"s\":404,\"status\":404,\"said\":\"said 404\"}\n"), called.out);
  BOOST_TEST(std::count(called.out.begin(), called.out.end(), '\n') == 3, called.out);
  for (const auto* why : {"\"answered 400 Bad Request\"", "\"answered 503 Service Unavailable\"", "\"answered 599\""}) {
    BOOST_TEST(has(called.failed, "\"kind\":\"status\""));
    BOOST_TEST(has(called.failed, why), called.failed);
  }
  const Called passed(
      peer, "{get: URL/500}", each("['{}']"),
      "    merge: {status: '{{ result.status }}', said: '{{ result.text }}', why: '{{ failed.kind }}'}\n"
      "    on_error: pass\n");
  BOOST_TEST(passed.out == "{\"status\":500,\"said\":\"said 500\",\"why\":\"status\"}\n");
}

BOOST_AUTO_TEST_CASE(retry_after_is_kept_with_the_failure_in_seconds_or_as_a_date) {
  const Read read("http", "{get: http://127.0.0.1/, ok: [404]}");
  const auto now = WallTime(std::chrono::seconds(784111777));  // Sun, 06 Nov 1994 08:49:37 GMT
  const auto judged = [&](int status, const std::string& retry_after) {
    weir::message::Result result;
    result.status = status;
    if (!retry_after.empty()) result.headers.emplace_back("retry_after", retry_after);
    const auto failure = read.configured.judge(result, now);
    if (!failure) return std::string("fine");
    std::string text = failure->may_pass ? "may pass" : "stays";
    if (failure->retry_after) text += " in " + weir::config::show(*failure->retry_after);
    return text;
  };
  BOOST_TEST(judged(200, "5") == "fine");
  BOOST_TEST(judged(404, "5") == "fine");
  BOOST_TEST(judged(400, "5") == "stays");
  BOOST_TEST(judged(429, "") == "may pass");
  BOOST_TEST(judged(429, "5") == "may pass in 5s");
  BOOST_TEST(judged(503, "Sun, 06 Nov 1994 08:50:37 GMT") == "may pass in 1m");
  BOOST_TEST(judged(503, "Sun, 06 Nov 1994 08:00:00 GMT") == "may pass");
  BOOST_TEST(judged(503, "soon") == "may pass");
  BOOST_TEST(judged(503, "99999999999999999999") == "may pass in 366d");
  BOOST_TEST(judged(503, "-1") == "may pass");
  BOOST_TEST(judged(503, "0") == "may pass");
  BOOST_TEST(judged(500, "1") == "may pass");  // Who waits as told uses no attempt: only what is said for it counts.
}

BOOST_AUTO_TEST_CASE(limits_of_the_stage_reach_the_client) {
  Peer peer(replies([](const std::string& request) {
    return has(request, "/go") ? ok("", "location: /large\r\n", "302 Found") : ok(std::string(100, 'x'));
  }));
  const Called large(peer, "{get: URL/large, max_body: 99B}", each("['{}']"));
  BOOST_TEST(has(large.failed, "\"kind\":\"size\",\"text\":\"{}\",\"why\":\"the reply is larger than 99B\""),
             large.failed);
  const Called followed(peer, "{get: URL/go}", each("['{}']"));
  BOOST_TEST(followed.out.size() == 101U);
  const Called not_followed(peer, "{get: URL/go, redirects: 0}", each("['{}']"),
                            "    merge: {to: '{{ result.headers.location }}'}\n");
  BOOST_TEST(not_followed.out == "{\"to\":\"/large\"}\n");
  const Called kept(peer, "{get: URL/large, public_only: true}", each("['{}']"));
  BOOST_TEST(has(kept.failed, "\"kind\":\"connect\",\"text\":\"{}\",\"why\":\"the address is not public: 127.0.0.1\""),
             kept.failed);
  Peer silent([](Peer::Connection& connection) { connection.wait_for_end(); });
  const Called late(silent, "{get: URL/}", each("['{}']"), "    timeout: 50ms\n");
  BOOST_TEST(has(late.failed, "\"kind\":\"timeout\",\"text\":\"{}\",\"why\":\"it took longer than 50ms\""),
             late.failed);
  const Called headless(silent, "{get: URL/, first_byte_timeout: 50ms}", each("['{}']"));
  BOOST_TEST(has(headless.failed, "\"why\":\"no reply had begun after 50ms\""), headless.failed);
  silent.end();
  BOOST_TEST(silent.left() == 2);
}

// ------------------------------------------------------------------------------------------------------------- forward

BOOST_AUTO_TEST_CASE(a_request_is_forwarded_without_what_belongs_to_the_hop) {
  Peer peer(replies([](const std::string&) {
    return ok("made", "connection: keep-alive, x-own\r\nx-own: 1\r\nx-up: 1\r\ndate: now\r\n", "201 Created");
  }));
  const Called called(
      peer, "{forward: 'URL/base/?v=1', headers: {x-by: gate}}",
      "asked: {method: POST, path: '/orders/a b/é', query: {q: 'x&y'}, body: hello, client: '10.0.0.1:5000', headers: "
      "{host: public.example, content_type: text/x, connection: 'close, X-Hop', x_hop: '1', te: trailers, x_id: '7', "
      "accept_encoding: br, content_length: '99', x_forwarded_for: 192.0.2.1, via: 1.0 old, x_forwarded_proto: https, "
      "x_by: me, "
      "authorization: Bearer}}",
      "    merge: {}\n");
  const auto asked = peer.requests().at(0);
  BOOST_TEST(line_and_body(asked) == "POST /base/orders/a%20b/%C3%A9?v=1&q=x%26y|hello");
  for (const auto* line :
       {"\r\ncontent-type: text/x\r\n", "\r\nx-id: 7\r\n", "\r\nx-by: gate\r\n",
        "\r\nx-forwarded-for: 192.0.2.1, 10.0.0.1\r\n", "\r\nauthorization: Bearer\r\n", "\r\nContent-Length: 5\r\n",
        "\r\nHost: 127.0.0.1:", "\r\nx-forwarded-host: public.example\r\n", "\r\nx-forwarded-proto: http\r\n",
        "\r\nvia: 1.0 old, 1.1 weir\r\n"}) {
    BOOST_TEST(has(asked, line), line << " in " << asked);
  }
  for (const auto* not_there :
       {"ost: public.example\r\nUser", "onnection:", "x-hop", "trailers", ": br\r\n", "x-by: me"}) {
    BOOST_TEST(!has(asked, not_there), not_there << " in " << asked);
  }
  const Called shown(peer, "{forward: URL}", "asked: {client: '[::1]:5000'}",
                     "    merge: {x: '{{ text == \"\" and result.headers }}'}\n    on_error: pass\n");
  BOOST_TEST(line_and_body(peer.requests().at(1)) == "GET /|");
  BOOST_TEST(has(peer.requests().at(1), "x-forwarded-for: ::1\r\n"));
  const Called headers(peer, "{forward: URL}", "asked: {body: '{}'}", "    merge: {all: '{{ result.headers }}'}\n");
  BOOST_TEST(headers.out == "{\"all\":{\"x_up\":\"1\"}}\n");
}

BOOST_AUTO_TEST_CASE(a_forward_follows_no_redirect_and_what_nobody_asked_for_can_t_be_forwarded) {
  Peer peer(replies([](const std::string&) { return ok("there", "location: /x\r\n", "302 Found"); }));
  const Called called(peer, "{forward: URL}", "asked: {path: /a}");
  BOOST_TEST(called.out == "there\n");
  BOOST_TEST(peer.requests().size() == 1U);
  const Called nobody(peer, "{forward: URL}", each("['{}']"));
  BOOST_TEST(nobody.failed ==
             "{\"kind\":\"missing\",\"text\":\"{}\",\"why\":\"there is no request to forward: nobody asked\"}\n");
  const Called climbs(peer, "{forward: URL/base}", "asked: {path: '/a/../../b'}");
  BOOST_TEST(has(climbs.failed, "\"kind\":\"type\""), climbs.failed);
  BOOST_TEST(peer.requests().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_forward_passes_on_what_the_asker_did_wrong_and_fails_where_the_server_did) {
  for (const auto& [said, fails] : {std::pair("404 Not Found", false), std::pair("401 Unauthorized", false),
                                    std::pair("429 Too Many Requests", true), std::pair("502 Bad Gateway", true)}) {
    Peer peer(replies([said = said](const std::string&) { return ok("there", "", said); }));
    const Called called(peer, "{forward: URL}", "asked: {path: /a}");
    BOOST_TEST((called.out == "there\n") == !fails, said);
    BOOST_TEST(has(called.failed, "\"kind\":\"status\"") == fails, said);
  }
}

// --------------------------------------------------------------------------------------------------------------- every

BOOST_AUTO_TEST_CASE(with_every_it_asks_again_and_again_and_each_reply_is_a_message) {
  int asked = 0;
  Peer peer(replies([&](const std::string&) {
    ++asked;
    return asked == 2 ? ok("not now", "", "503 Busy") : ok(std::to_string(asked));
  }));
  const Called called(peer, "{get: URL/, query: {a: '1'}, every: 5ms}", "", "",
                      [](const auto& snapshot) { return stage_of(snapshot, "out").in >= 3; });
  BOOST_TEST(called.out.starts_with("1\n3\n4\n"), called.out);
  BOOST_TEST(called.failed ==
             "{\"kind\":\"status\",\"text\":\"not now\",\"why\":\"answered 503 Service Unavailable\"}\n");
  BOOST_TEST(line_and_body(peer.requests().at(0)) == "GET /?a=1|");
}

BOOST_AUTO_TEST_CASE(with_every_a_server_that_wants_a_pause_gets_it) {
  int asked = 0;
  Peer peer(replies([&](const std::string&) {
    return ++asked == 1 ? ok("not now", "retry-after: 1\r\n", "503 Busy") : ok(std::to_string(asked));
  }));
  std::uint64_t created = 0;
  const Called called(peer, "{get: URL/, every: 5ms}", "", "", [&](const auto& snapshot) {
    created = stage_of(snapshot, "call").created;
    return stage_of(snapshot, "out").in >= 1;
  });
  BOOST_TEST(called.out.starts_with("2\n"), called.out);
  BOOST_TEST(created > 100U);  // Ticks that were left out count.
}

namespace {

/// What one tick brings of these pages, until so many messages have come.
struct Paged : Called {
  Paged(Peer& peer, const std::string& pages, std::uint64_t messages)
      : Called(peer, "{get: 'URL/list?a=1', every: 1h, pages: " + pages + "}", "", "",
               [messages](const auto& snapshot) {
                 return stage_of(snapshot, "out").in + stage_of(snapshot, "told").in >= messages;
               }) {}
};
Lines lines_of(const std::vector<std::string>& requests) {
  Lines lines;
  for (const auto& request : requests) lines.push_back(request.substr(0, request.find(" HTTP")));
  return lines;
}

}  // namespace

BOOST_AUTO_TEST_CASE(pages_are_turned_by_the_link_that_a_reply_names) {
  std::size_t page = 0;
  Peer peer(replies([&](const std::string&) {
    const Lines links{"link: <http://x/>; rel=prev, </list?page=2>; rel='next'\r\n",
                      "link: <?page=3>;title=\"see, rel=prev\";rel=\"last next\", <?page=9>; rel=last\r\n",
                      "link: <?page=1>; rel=\"first\"\r\n"};
    ++page;
    return ok(std::to_string(page), links.at(page - 1));
  }));
  const Paged called(peer, "{next: link}", 3);
  BOOST_TEST(called.out == "1\n2\n3\n");
  BOOST_TEST(lines_of(peer.requests()) == (Lines{"GET /list?a=1", "GET /list?page=2", "GET /list?page=3"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(pages_are_turned_by_a_field_that_holds_a_url_or_a_token) {
  std::size_t page = 0;
  Peer urls(replies([&](const std::string&) {
    return ok(++page == 1 ? "{\"at\":{\"next\":\"/more?b=2\"}}" : "{\"at\":{\"next\":null}}");
  }));
  const Paged by_url(urls, "{next: at.next}", 2);
  BOOST_TEST(lines_of(urls.requests()) == (Lines{"GET /list?a=1", "GET /more?b=2"}), boost::test_tools::per_element());
  page = 0;
  Peer tokens(replies([&](const std::string&) {
    const Lines next{"\"x&y=\"", "17", "\"\""};
    ++page;
    return ok("{\"cursor\":" + next.at(page - 1) + "}");
  }));
  const Paged by_token(tokens, "{next: cursor, query: from}", 3);
  page = 0;
  const Paged numbered(tokens, "{next: cursor, query: a}", 3);
  auto requests = lines_of(tokens.requests());
  BOOST_TEST(
      Lines(requests.begin() + 3, requests.end()) == (Lines{"GET /list?a=1", "GET /list?a=x%26y%3D", "GET /list?a=17"}),
      boost::test_tools::per_element());
  requests.resize(3);
  BOOST_TEST(requests == (Lines{"GET /list?a=1", "GET /list?a=1&from=x%26y%3D", "GET /list?a=1&from=17"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_link_is_found_behind_what_looks_like_one) {
  std::size_t page = 0;
  Peer peer(replies([&](const std::string&) {
    const Lines links{
        "link: <?page=0>; title=\"a \\\"<b>\"; rel=prev, <?page=2>; title=\"a < b\"; rel=\"last\tnext\"\r\n", ""};
    ++page;
    return ok(std::to_string(page), links.at(page - 1));
  }));
  const Paged called(peer, "{next: link}", 2);
  BOOST_TEST(lines_of(peer.requests()) == (Lines{"GET /list?a=1", "GET /list?page=2"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(behind_a_redirect_a_link_is_one_of_where_the_page_came_from) {
  Peer peer(replies([](const std::string& request) {
    if (request.starts_with("GET /list")) return ok("", "location: /v2/items\r\n", "302 Found");
    return ok("{}", request.starts_with("GET /v2/items ") ? "link: <items?page=2>; rel=next\r\n" : "");
  }));
  const Paged called(peer, "{next: link}", 2);
  BOOST_TEST(lines_of(peer.requests()) == (Lines{"GET /list?a=1", "GET /v2/items", "GET /v2/items?page=2"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_token_is_sent_as_the_page_writes_it_and_what_is_none_is_told) {
  std::size_t page = 0;
  Peer tokens(replies([&](const std::string&) {
    const Lines next{"18446744073709551616", "1.50", "1e3", "null"};
    return ok("{\"@odata.nextLink\":" + next.at(page++) + "}");
  }));
  const Paged by_token(tokens, "{next: '@odata.nextLink', query: from}", 4);
  BOOST_TEST(lines_of(tokens.requests()) == (Lines{"GET /list?a=1", "GET /list?a=1&from=18446744073709551616",
                                                   "GET /list?a=1&from=1.50", "GET /list?a=1&from=1e3"}),
             boost::test_tools::per_element());
  for (const char* none : {"true", "[\"a\"]", "{\"href\":\"/b\"}"}) {
    Peer peer(replies([&](const std::string&) { return ok(std::string("{\"next\":") + none + "}"); }));
    const Paged called(peer, "{next: next}", 2);
    BOOST_TEST(has(called.failed, "\"kind\":\"type\""), called.failed);
    BOOST_TEST(has(called.failed, "'next' of the page is neither text nor a number, so it names no next one"), none);
  }
}

BOOST_AUTO_TEST_CASE(a_page_behind_the_first_that_fails_for_now_is_asked_for_again) {
  std::size_t asked = 0;
  Peer peer(replies([&](const std::string&) {
    ++asked;
    if (asked == 2) return ok("not now", "", "503 Busy");
    return ok(std::to_string(asked), asked == 1 ? "link: <?page=2>; rel=next\r\n" : "");
  }));
  const Paged called(peer, "{next: link}", 2);
  BOOST_TEST(called.out == "1\n3\n");
  BOOST_TEST(called.failed == "");
  BOOST_TEST(lines_of(peer.requests()) == (Lines{"GET /list?a=1", "GET /list?page=2", "GET /list?page=2"}),
             boost::test_tools::per_element());
  // One that is gone is not.
  asked = 0;
  Peer gone(replies([&](const std::string&) {
    return ++asked == 1 ? ok("1", "link: <?page=2>; rel=next\r\n") : ok("no", "", "404 Not Found");
  }));
  const Paged once(gone, "{next: link}", 2);
  BOOST_TEST(gone.requests().size() == 2U);
}

BOOST_AUTO_TEST_CASE(with_every_a_call_may_take_as_long_as_timeout_says) {
  Peer silent(replies([](const std::string&) { return std::string("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"); }));
  const Called called(silent, "{get: URL/, every: 1h}", "", "    timeout: 50ms\n",
                      [](const auto& snapshot) { return stage_of(snapshot, "told").in >= 1; });
  BOOST_TEST(has(called.failed, "\"kind\":\"timeout\""), called.failed);
}

BOOST_AUTO_TEST_CASE(pages_end_at_their_number_and_never_lead_to_another_server) {
  int page = 0;
  Peer endless(replies([&](const std::string&) { return ok("{\"next\":\"/list?" + std::to_string(++page) + "\"}"); }));
  const Paged bounded(endless, "{next: next, most: 3}", 3);
  BOOST_TEST(endless.requests().size() == 3U);
  Peer turns(replies([](const std::string&) { return ok("{\"next\":\"/same\"}"); }));
  const Paged again(turns, "{next: next}", 3);
  BOOST_TEST(turns.requests().size() == 2U);
  BOOST_TEST(has(again.failed, "\"why\":\"the page says that it is its own next one\""), again.failed);
  Peer stranger(replies([](const std::string&) { return ok("{}"); }));
  Peer leads_away(replies([&](const std::string&) { return ok("{\"next\":\"" + stranger.url("/x") + "\"}"); }));
  const Paged called(leads_away, "{next: next}", 2);
  BOOST_TEST(has(called.failed, "\"kind\":\"type\""), called.failed);
  BOOST_TEST(has(called.failed, "\"why\":\"the next page is said to lie on another server\""), called.failed);
  BOOST_TEST(stranger.connections() == 0);
  Peer plain(replies([](const std::string&) { return ok("no JSON"); }));
  const Paged unread(plain, "{next: next}", 2);
  BOOST_TEST(has(unread.failed, "\"kind\":\"decode\""), unread.failed);
}

// --------------------------------------------------------------------------------------------------- without a network

BOOST_AUTO_TEST_CASE(in_a_test_a_fake_answers_and_ok_and_time_hold_as_they_would) {
  const auto said = tested(R"(
stages:
  in: {generate: {range: 1..4, msg: {n: '{{ i }}'}}}
  asked:
    from: in
    http: {get: 'http://example.org/{{ msg.n }}', ok: [404]}
    merge: {code: '{{ result.status }}', to: '{{ result.headers.x_to }}'}
    workers: 4
  told: {from: asked.failed, pass: {}}
  sent: {from: asked, http: {post: 'https://example.org/', msg: {sum: '{{ msg.n + msg.code }}'}}}
  noted: {from: told, http: {post: 'https://example.org/', text: '{{ msg.n }} failed'}}
tests:
  - name: calls
    fake:
      asked:
        - {where: msg.n == 1, status: 404, headers: {X-To: a}}
        - {where: msg.n == 2, status: 403}
        - {where: msg.n == 3, after: 11s}
        - {after: 9s, text: late}
      sent: [{}]
      noted: [{}]
    expect:
      - {from: asked, msg: {n: 1, code: 404, to: a}}
      - {from: asked, at: 10s, msg: {n: 4, code: 200}}  # Behind the one before it.
      - {from: told, at: 0s, has: {n: 2}, failed: {kind: status, text: answered 403 Forbidden}}
      - {from: told, at: 10s, has: {n: 3}, failed: {kind: timeout, text: it took longer than 10s}}
      - {from: sent, msg: {sum: 405}}
      - {from: sent, msg: {sum: 204}}
      - {from: noted, text: 2 failed}
      - {from: noted, text: 3 failed}
)");
  BOOST_TEST(has(said, "1 test: 1 passed"), said);
}

BOOST_AUTO_TEST_CASE(in_a_test_a_url_that_cannot_be_filled_in_fails_as_it_would_and_a_source_gives_what_its_fake_says) {
  const auto said = tested(R"(
stages:
  in: {generate: {each: [{}]}}
  asked: {from: in, http: {get: 'http://example.org/{{ msg.nothing }}'}}
  told: {from: asked.failed, pass: {}}
  polled: {http: {get: 'http://example.org/', every: 1m, pages: {next: link}}}
  kept: {from: polled, pass: {}}
  lost: {from: polled.failed, pass: {}}
  ends: {from: [told, kept, lost], drop: {}}
tests:
  - name: calls
    fake:
      asked: [{}]
      polled: [{text: "two\nlines\n"}, {after: 1s, status: 500, text: oh}, {after: 1s, msg: {a: 1}}]
    expect:
      - {from: told, failed: {kind: missing}}
      - {of: asked, calls: 0}
      - {from: kept, at: 0s, text: "two\nlines\n"}
      - {from: kept, at: 2s, msg: {a: 1}}
      - {from: lost, at: 1s, text: oh, failed: {kind: status}}
)");
  BOOST_TEST(has(said, "1 test: 1 passed"), said);
}

// ------------------------------------------------------------------------------------------------------------ mistakes

BOOST_AUTO_TEST_CASE(what_makes_no_sense_is_refused_by_name) {
  BOOST_TEST(mistake("{get: 'ftp://example.org/'}") ==
             "'ftp' is not spoken here; a URL begins with http:// or https://");
  BOOST_TEST(mistake("{get: orders}") == "'orders' is no whole URL; write `http://orders`");
  BOOST_TEST(mistake("{get: 'example.org/x'}") == "'example.org/x' is no whole URL; write `http://example.org/x`");
  BOOST_TEST(mistake("{get: ''}") == "the URL is empty");
  BOOST_TEST(mistake("{get: 'http://a/', robots: me/1.0}") ==
             "'me/1.0' can stand in no robots.txt; letters, `-` and `_`; a version goes into the header user-agent");
  BOOST_TEST(mistake("{head: 'http://a/', msg: {}}") == "a `head` sends no body");
  BOOST_TEST(mistake("{forward: 'http://a/', text: x}") == "a `forward` sends on what the asker sent");
  BOOST_TEST(mistake("{post: 'http://a/', text: x, msg: {}}") ==
             "one body is sent; keep one of `msg`, `text` and `form`");
  BOOST_TEST(mistake("{get: 'http://a/', headers: {'a b': c}}") == "'a b' can't be the name of a header");
  BOOST_TEST(mistake("{get: 'http://a/', headers: {Content-Length: '1'}}") ==
             "'Content-Length' is weir's own to say; leave it out");
  for (const std::string coding : {"gzip", "'gzip, chunked'", "identity", "''", "'{{ msg.coding }}'"}) {
    BOOST_TEST(
        mistake("{post: 'http://a/', headers: {Transfer-Encoding: " + coding + "}}") ==
        "the only 'transfer-encoding' that is sent is `chunked`; write that, or leave it out: then the body has a "
        "length");
  }
  for (const std::string word : {"get", "delete", "head"}) {
    BOOST_TEST(mistake("{" + word + ": 'http://a/', headers: {transfer-encoding: chunked}}") ==
               "a `" + word + "` without a body has nothing to send in chunks; leave 'transfer-encoding' out");
  }
  for (const std::string http : {"delete: 'http://a/', msg: {}", "forward: 'http://a/'", "put: 'http://a/'"}) {
    BOOST_TEST(Read("http", "{" + http + ", headers: {transfer-encoding: Chunked}}").diagnostics.empty(), http);
  }
  BOOST_TEST(mistake("{get: 'http://a/', headers: {Authorization: b}, auth: {user: a, password: b}}") ==
             "there is an 'authorization' among the headers already; keep one of the two");
  BOOST_TEST(mistake("{get: 'http://a/', auth: {user: 'a:b'}}") == "the name can't hold a colon: it ends there");
  BOOST_TEST(mistake("{get: 'http://a/', public_only: true, proxy: 'http://p:1'}") ==
             "behind a proxy nobody sees the addresses; let the proxy refuse them");
  BOOST_TEST(mistake("{get: 'http://a/', tls: {cert: a.pem}}") ==
             "a certificate and its key go together; write both `cert` and `key`");
  BOOST_TEST(mistake("{get: 'http://a/', pages: {next: link}}") ==
             "a call brings one reply: pages are for a stage with `every`");
  BOOST_TEST(mistake("{post: 'http://a/', every: 1s, pages: {next: link}}") == "pages are turned by `get`");
  BOOST_TEST(mistake("{get: 'http://a/', every: 1s, pages: {query: a}}") ==
             "a link is a whole URL; say where the token is: `next`");
  BOOST_TEST(!Read("http", "{get: 'http://a/', every: 1s, pages: {next: a..b}}").diagnostics.empty());
  BOOST_TEST(mistake("{get: 'http://a/', every: 1s, pages: {next: 'links[0].href'}}") ==
             "'links[0].href' is no path of a field; a place in a list stands behind a point: links.0.href");
  const TemporaryFolder folder;
  const auto pem = [&](const char* arguments) {
    const int code = std::system(("cd " + folder.path("") + " && openssl " + arguments + " 2>/dev/null >&2").c_str());
    BOOST_REQUIRE(code == 0);
  };
  pem("req -x509 -newkey rsa:2048 -nodes -subj /CN=a -keyout key.pem -out cert.pem");
  pem("rsa -aes128 -passout pass:secret -in key.pem -out locked.pem");
  const auto with_key = [&](const std::string& key) {
    return mistake("{get: 'https://a/', tls: {cert: " + folder.path("cert.pem") + ", key: " + folder.path(key) + "}}");
  };
  BOOST_TEST(with_key("locked.pem") == folder.path("locked.pem") + ": this is no key in PEM, or it has a pass phrase");
  BOOST_TEST(Read("http", "{get: 'https://a/', tls: {cert: " + folder.path("cert.pem") +
                              ", key: " + folder.path("key.pem") + "}}")
                 .diagnostics.empty());
  BOOST_TEST(mistake("{forward: 'http://a/', every: 1s}") == "without a message there is nothing to forward");
  BOOST_TEST(mistake("{get: 'http://a/{{ msg.a }}', every: 1s}") ==
             "`{{ }}` has nothing to speak of: there is no message here; what is known at start is written `${name}`");
  BOOST_TEST(!Read("http", "{get: 'http://a/', post: 'http://a/'}").diagnostics.empty());
  BOOST_TEST(!Read("http", "{get: 'http://a/', ok: [200]}").diagnostics.empty());
}
