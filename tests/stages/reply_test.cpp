// reply: what a file may say of it. What it answers is in tests/command/trials/passing_askers.yaml, and over sockets in
// tests/fault/http_server_test.cpp.
#include "tests/stages/alone.hpp"
#include "tests/support/said.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace weir::tests;

namespace {

std::string mistake(const std::string& yaml) { return Read("reply", yaml).mistake(); }

std::string checked(const std::string& stages) {
  const auto said = check_of(stages);
  return said.code == 0 ? said.out : said.err;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_can_be_no_answer_is_refused) {
  BOOST_TEST(mistake("{status: 99}") == "'99' is no status of an answer; one from 200 to 599");
  BOOST_TEST(mistake("{status: ok}") == "'ok' is no status of an answer; one from 200 to 599");
  BOOST_TEST(mistake("{msg: {a: 1}, text: a}") == "`msg` and `text` exclude each other; keep one of them");
  BOOST_TEST(mistake("{headers: {content-length: 3}}") == "`content-length` is written by the server itself");
  for (const std::string coding : {"gzip", "'gzip, chunked'", "identity", "''", "'{{ msg.coding }}'", "[chunked]"}) {
    BOOST_TEST(
        mistake("{headers: {Transfer-Encoding: " + coding + "}}") ==
        "the only `Transfer-Encoding` that is sent is `chunked`; write that, or leave it out: then the answer has "
        "a length");
  }
  BOOST_TEST(Read("reply", "{headers: {Transfer-Encoding: Chunked}}").diagnostics.empty());
  BOOST_TEST(mistake("{headers: {'a b': c}}") == "'a b' is no name of a header");
  BOOST_TEST(mistake("{headers: {a: [b]}}") == "`a` is a text");
  BOOST_TEST(mistake("{headers: 'a: {{ text }}'}") ==
             "headers are a mapping, or one template that gives a table; such as {x-reason: '{{ failed.kind }}'} or "
             "'{{ result.headers }}'");
}

BOOST_AUTO_TEST_CASE(a_reply_to_nobody_is_refused) {
  const auto said = checked(
      "  numbers: {generate: {range: 1..3}}\n"
      "  low: {from: numbers, where: msg < 2}\n"
      "  answer: {from: [low, low.failed], reply: {}}\n");
  BOOST_TEST(contains(said, "nobody waits for the answer of 'answer'"), said);
  BOOST_TEST(contains(said, "a stage that listens, such as http_server, must lead to it"), said);
}

BOOST_AUTO_TEST_CASE(a_reply_anywhere_behind_one_that_listens_is_good) {
  const auto said = checked(
      "  ask: {http_server: {listen: 127.0.0.1:8080, path: /}}\n"
      "  numbers: {generate: {range: 1..3}}\n"
      "  low: {from: [numbers, ask], where: msg < 2}\n"
      "  answer: {from: low.failed, reply: {}}\n"
      "  sorry: {from: any.failed, reply: {status: 500}}\n"
      "  kept: {from: low, drop: {}}\n");
  BOOST_TEST(!contains(said, "nobody"), said);
}

BOOST_AUTO_TEST_CASE(a_list_of_which_nothing_is_left_is_the_answer_to_who_asked) {
  const auto said = test_of(R"(stages:
  ask: {http_server: {listen: 127.0.0.1:8080, path: /, format: json}}
  each: {from: ask, expand: {}}
  high: {from: each, where: msg > 5}
  list: {from: high, gather: {of: each, into: items}}
  answer: {from: list, reply: {}}
tests:
  - name: a
    send: [{to: ask, text: '[1]'}, {to: ask, text: '[1, 2, 3]'}, {to: ask, text: '[9, 1]'}, {to: ask, text: '[]'}]
    expect:
      - {answered: ask, status: 200, msg: {items: []}, times: 2}
      - {answered: ask, status: 200, msg: {items: [9]}}
      - {answered: ask, status: 204}
      - {of: answer, in: 3, errors: 0}
      - {exit: 0}
)");
  BOOST_TEST(contains(said, "1 test: 1 passed"), said);
}

BOOST_AUTO_TEST_CASE(a_list_whose_asker_was_told_that_one_of_it_failed_is_dropped) {
  const auto said = test_of(R"(stages:
  ask: {http_server: {listen: 127.0.0.1:8080, path: /, format: json}}
  each: {from: ask, expand: {}}
  sure: {from: each, lua: 'if msg == 2 then fail("two") end if msg == 3 then drop() end'}
  list: {from: sure, gather: {of: each, into: items}}
  answer: {from: list, reply: {}}
tests:
  - name: a
    send: [{to: ask, text: '[2, 3]'}, {to: ask, text: '[1, 2]'}]
    expect:
      - {answered: ask, status: 500, failed: {kind: user, stage: sure}, times: 2}
      - {of: answer, in: 2, dropped: 2, errors: 0}
      - {exit: 0}
)");
  BOOST_TEST(contains(said, "1 test: 1 passed"), said);
}

BOOST_AUTO_TEST_CASE(what_nobody_asked_for_fails) {
  const auto said = test_of(R"(stages:
  ask: {http_server: {listen: 127.0.0.1:8080, path: /}}
  numbers: {generate: {range: 1..2}}
  answer: {from: [numbers, ask], reply: {}}
  dead: {from: answer.failed, stdout: {}}
tests:
  - name: a
    send: [{to: ask, text: hello}]
    expect:
      - {answered: ask, status: 200, text: hello, headers: {content-type: text/plain; charset=utf-8}}
      - {from: dead, text: '1', failed: {kind: missing, stage: answer, text: nobody asked for this message}}
      - {from: dead, text: '2', failed: missing}
)");
  BOOST_TEST(contains(said, "1 test: 1 passed"), said);
}

BOOST_AUTO_TEST_CASE(what_fails_when_a_reply_has_told_of_success_is_lost) {
  for (const auto* status : {"202", "503"}) {
    const auto said = test_of(std::string(R"(stages:
  ask: {http_server: {listen: 127.0.0.1:8080, path: /}}
  answer: {from: ask, reply: {status: )") +
                              status + R"(}}
  answered: {from: answer, take: 1}
  work: {from: answered, lua: 'fail("no")'}
  out: {from: work, drop: {}}
tests:
  - name: a
    send: [{to: ask, text: hello}]
    expect:
      - {answered: ask, status: )" +
                              status + R"(}
      - {exit: )" + (*status == '2' ? "1" : "0") +
                              "}\n");
    BOOST_TEST(contains(said, "1 test: 1 passed"), said);
  }
}

BOOST_AUTO_TEST_CASE(an_answer_that_is_not_expected_is_shown) {
  const auto said = test_of(R"(stages:
  ask: {http_server: {listen: 127.0.0.1:8080, path: /}}
  answer: {from: ask, reply: {status: 201, headers: {x-a: b}, msg: {n: 1}}}
tests:
  - name: a
    send: [{to: ask}]
    expect: [{answered: ask, at: 1s, status: 200, headers: {x-a: c, x-b: d}, msg: {n: 2}}]
  - name: b
    send: [{to: ask, times: 2}]
    expect: [{answered: ask, status: 201}]
  - name: c
    expect: [{answered: ask}]
)");
  BOOST_TEST(contains(said,
                      "      = expected status 200, {\"n\":2}, at 1s, headers.x-a 'c', headers.x-b 'd'\n"
                      "      = nearest  status 201, {\"n\":1} at 0s\n"
                      "      = at: expected 1s, came at 0s\n"
                      "      = n: expected 2, came 1\n"
                      "      = status: expected 200, came 201\n"
                      "      = headers.x-a: expected 'c', came 'b'\n"
                      "      = headers.x-b: expected 'd', there is none\n"),
             said);
  BOOST_TEST(contains(said,
                      "      = answer 2 status 201, {\"n\":1} at 0s\n"
                      "      = what those who ask get is named whole; `times: {at_least: 1}` takes any number\n"),
             said);
  BOOST_TEST(contains(said, "      = expected any answer\n      = nothing came\n"), said);
  BOOST_TEST(contains(said, "a.yaml:7:14: error: answered by ask: no such answer came\n"), said);
  BOOST_TEST(contains(said, "a.yaml:10:14: error: answered by ask: one more came than expected\n"), said);
}
