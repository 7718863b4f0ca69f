// http_server: what a file may say of it. What it answers over sockets is in tests/fault/http_server_test.cpp.
#include "tests/stages/alone.hpp"
#include "tests/support/said.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace weir::tests;

namespace {

std::string mistake(const std::string& yaml) { return Read("http_server", yaml).mistake(); }

std::string checked(const std::string& stages) {
  const auto said = check_of(stages);
  return said.code == 0 ? "good" : said.err;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_can_not_be_served_is_refused) {
  BOOST_TEST(mistake("{listen: '8080', path: /a}") ==
             "'8080' is no address with a port; such as 127.0.0.1:8080 or [::1]:8080");
  BOOST_TEST(mistake("{listen: '0.0.0.0:8080', path: /a}") ==
             "0.0.0.0:8080 can be reached from other machines, and there is neither token nor TLS; auth: {token: "
             "'${secret.NAME}'}, "
             "or listen on 127.0.0.1");
  BOOST_TEST(mistake("{listen: 127.0.0.1:1, path: a}") ==
             "'a' is no path to serve: a path begins with /; such as /jobs, /jobs/{id} or /orders/*");
  BOOST_TEST(mistake("{listen: 127.0.0.1:1, path: /a, methods: [get]}") ==
             "'get' is no method that comes through; such as GET or POST");
  for (const std::string method : {"FOO", "TRACE", "CONNECT"}) {
    BOOST_TEST(mistake("{listen: 127.0.0.1:1, path: /a, methods: [" + method + "]}") ==
               "'" + method + "' is no method that comes through; such as GET or POST");
  }
  BOOST_TEST(Read("http_server", "{listen: 127.0.0.1:1, path: /a, methods: [M-SEARCH, PATCH]}").diagnostics.empty());
  BOOST_TEST(mistake("{listen: 127.0.0.1:1, path: /a, files: ''}") == "the file has no name");
  BOOST_TEST(mistake("{listen: 127.0.0.1:1, path: /*, files: pages, format: json}") ==
             "pages are served by GET and HEAD, and no message comes of it");
  BOOST_TEST(mistake("{listen: 127.0.0.1:1, path: /a, auth: {user: me}}") ==
             "a user and his password go together; write both `user` and `password`");
  BOOST_TEST(mistake("{listen: 127.0.0.1:1, path: /a, auth: {}}") ==
             "it says nobody who may ask; token: '${secret.NAME}', or user and password");
  BOOST_TEST(mistake("{listen: 127.0.0.1:1, path: /a, auth: {user: 'a:b', password: c}}") ==
             "the name can't hold a colon: it ends there");
  BOOST_TEST(Read("http_server", "{listen: '0.0.0.0:8080', path: /a, auth: {token: t}}").diagnostics.empty());
}

BOOST_AUTO_TEST_CASE(two_stages_that_would_have_the_same_request_are_refused) {
  const auto two = [](const std::string& one, const std::string& other) {
    return checked("  a: {http_server: {listen: 127.0.0.1:8080, " + one +
                   "}}\n"
                   "  b: {http_server: {listen: 127.0.0.1:8080, " +
                   other + "}}\n  gone: {from: [a, b], drop: {}}\n");
  };
  const auto said = two("path: '/a/{x}', methods: [GET, POST]", "path: '/a/{y}', methods: [PUT, POST]");
  BOOST_TEST(contains(said, "'a' serves /a/{x} on 127.0.0.1:8080 already, and some method of 'b'"), said);
  BOOST_TEST(contains(said, "give them different paths or `methods`"), said);
  BOOST_TEST(contains(two("path: /a", "path: /a, methods: [GET]"), "'a' serves /a on"));
  const auto terms = two("path: /a, tls: {cert: a.pem, key: a.key}", "path: /b");
  BOOST_TEST(contains(terms, "'a' listens on 127.0.0.1:8080 with another `tls`"), terms);
  BOOST_TEST(contains(terms, "what shares an address shares its certificates"), terms);
  BOOST_TEST(contains(two("path: /a/*, files: pages", "path: /a/*"), "'a' serves /a/* on"));
  BOOST_TEST(two("path: /a, methods: [GET]", "path: /a, methods: [POST]") == "good");
  BOOST_TEST(two("path: '/a/{x}'", "path: /a/*") == "good");
}

BOOST_AUTO_TEST_CASE(a_request_can_be_read_everywhere_behind_it) {
  const auto said = test_of(R"(stages:
  ask: {http_server: {listen: 127.0.0.1:8080, path: '/{shop}/jobs/{id}', format: json}}
  told:
    from: ask
    do:
      - where: request.method == "PUT"
      - set:
          shop: '{{ request.params.shop }}'
          id: '{{ request.params.id }}'
          page: '{{ request.query.page }}'
          key: '{{ request.headers.x_api_key or request.client }}'
          path: '{{ request.path }}'
  kept: {from: told, stdout: {}}
tests:
  - name: a
    send:
      - {to: ask, msg: {n: 1}, request: {method: PUT, path: /eu/jobs/7, query: {page: '2'}, headers: {X-Api-Key: k}}}
      - {to: ask, msg: {n: 2}, request: {method: PUT, path: /eu/jobs/8, client: 10.0.0.2}}
      - {to: ask, msg: {n: 3}}
    expect:
      - {from: kept, msg: {n: 1, shop: eu, id: '7', page: '2', key: k, path: /eu/jobs/7}}
      - {from: kept, msg: {n: 2, shop: eu, id: '8', key: 10.0.0.2, path: /eu/jobs/8}}
      - {answered: ask, status: 204, times: 3}
)");
  BOOST_TEST(contains(said, "1 test: 1 passed"), said);
}

BOOST_AUTO_TEST_CASE(a_refused_body_is_heard_with_its_request_and_may_be_answered) {
  const auto said = test_of(R"(stages:
  ask: {http_server: {listen: 127.0.0.1:8080, path: /, format: json}}
  kept: {from: ask, stdout: {}}
  sorry: {from: ask.failed, reply: {status: 422, text: '{{ request.method }} {{ failed.kind }}: {{ text }}'}}
tests:
  - name: a
    send: [{to: ask, text: '{', request: {method: POST}}, {to: ask, msg: {n: 1}}]
    expect:
      - {answered: ask, status: 422, text: 'POST decode: {'}
      - {answered: ask, status: 204}
      - {from: kept, msg: {n: 1}}
      - {exit: 0}
)");
  BOOST_TEST(contains(said, "1 test: 1 passed"), said);
}

BOOST_AUTO_TEST_CASE(who_is_told_that_it_failed_is_told_before_any_failed_hears) {
  const auto said = test_of(R"(stages:
  ask: {http_server: {listen: 127.0.0.1:8080, path: /, format: json}}
  sure: {from: ask, lua: 'if msg.bad then fail("bad") end'}
  kept: {from: sure, stdout: {}}
  dead: {from: any.failed, reply: {text: too late}}
tests:
  - name: a
    send: [{to: ask, msg: {bad: true}}, {to: ask, text: '{'}]
    expect:
      - {answered: ask, status: 500, failed: {kind: user, stage: sure}}
      - {answered: ask, status: 400, failed: {kind: decode, stage: ask}}
      - {of: dead, in: 2, dropped: 2}
      - {exit: 0}
)");
  BOOST_TEST(contains(said, "1 test: 1 passed"), said);
}

BOOST_AUTO_TEST_CASE(what_is_held_back_is_answered_when_it_is_done) {
  const auto said = test_of(R"(stages:
  ask: {http_server: {listen: 127.0.0.1:8080, path: /, format: json}}
  lists: {from: ask, batch: {count: 3, within: 10s}}
  sent: {from: lists, exec: {run: [send]}}
tests:
  - name: a
    fake: {sent: [{where: 'contains(text, "1")', after: 2s}, {failed: connect}]}
    send: [{to: ask, every: 1s, times: 6, msg: {n: '{{ i }}'}}]
    expect:
      - {answered: ask, at: 4s, status: 204, times: 3}
      - {answered: ask, at: 5s, status: 502, failed: connect, times: 3}
      - {exit: 0}
)");
  BOOST_TEST(contains(said, "1 test: 1 passed"), said);
}
