// stdin: the standard input becomes messages.
#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

namespace {

/// Payloads, and what was refused as "LINE KIND TEXT".
struct Got {
  Lines out, refused;
};

Got got(const std::string& yaml, std::string bytes, std::uint64_t read_at_most = 0) {
  Alone input("stdin", yaml);
  input.files().give_standard_input(std::move(bytes));
  input.files().shorten_reads(read_at_most);
  input.run();
  BOOST_TEST(input.fault == "");
  BOOST_TEST(input.balanced());
  Got got;
  got.out = input.out();
  for (const auto& [what, why] : input.refused) {
    got.refused.push_back((why.line ? std::to_string(*why.line) : "-") + " " + std::string(word(why.reason)) + " " +
                          why.text);
  }
  return got;
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_line_is_a_message_also_a_last_one_without_an_end) {
  for (const std::uint64_t cut : {0, 1, 3}) {
    BOOST_TEST(got("{}", "one\r\n\ntwo", cut).out == (Lines{"one", "", "two"}));
    BOOST_TEST(got("{format: lines}", "one\n", cut).out == (Lines{"one"}));
  }
  BOOST_TEST(got("{}", "").out == Lines{});
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_text_pass_as_they_are) {
  const std::string bytes("a\0b\xFF\0", 5);
  BOOST_TEST(got("{}", bytes + "\n" + bytes).out == (Lines{bytes, bytes}));
  BOOST_TEST(got("{format: whole}", bytes + "\n").out == (Lines{bytes + "\n"}));
}

BOOST_AUTO_TEST_CASE(the_formats_are_those_of_a_file) {
  const auto ndjson = got("{format: ndjson}", "{\"a\":1}\nnonsense\n\n2");
  BOOST_TEST(ndjson.out == (Lines{R"({"a":1})", "2"}));
  BOOST_REQUIRE_EQUAL(ndjson.refused.size(), 1U);
  BOOST_TEST(ndjson.refused[0].starts_with("2 decode not JSON: "), ndjson.refused[0]);
  const auto logfmt = got("{format: logfmt}", "a=\xff\na=1\n");
  BOOST_TEST(logfmt.out == Lines{R"({"a":"1"})"});
  BOOST_TEST(logfmt.refused == Lines{"1 decode not logfmt: bytes that are not UTF-8, byte 3 of the line"});
  BOOST_TEST(got("{format: json}", "[1,\n2]\n").out == (Lines{"[1,\n2]\n"}));
  BOOST_TEST(got("{format: json}", "").out == Lines{});
  BOOST_TEST(got("{format: json}", "[1,\n2\n").refused.size() == 1U);
  BOOST_TEST(got("{format: whole}", "").out == (Lines{""}));
}

BOOST_AUTO_TEST_CASE(a_line_longer_than_max_message_is_refused_and_the_rest_read) {
  for (const std::uint64_t cut : {0, 1, 5, 17}) {
    const auto lines = got("{max_message: 4B}", "1234\n12345\n" + std::string(100, 'x') + "\nlast", cut);
    BOOST_TEST(lines.out == (Lines{"1234", "last"}));
    BOOST_TEST(lines.refused == (Lines{"2 size the line is longer than max_message, 4B; this is its beginning",
                                       "3 size the line is longer than max_message, 4B; this is its beginning"}));
    BOOST_TEST(got("{format: whole, max_message: 4B}", "12345", cut).refused ==
               (Lines{"- size the input is longer than max_message, 4B; this is its beginning"}));
  }
}

BOOST_AUTO_TEST_CASE(nobody_knows_how_far_it_has_come) {
  Alone input("stdin", "{}");
  input.files().give_standard_input("one\ntwo\n");
  input.run();
  BOOST_TEST(input.source().all_bytes == 0U);
  BOOST_TEST(input.source().read_bytes == 8U);
}

BOOST_AUTO_TEST_CASE(no_more_is_read_than_finds_room) {
  Alone input("stdin", "{}");
  std::string bytes;
  for (int i = 1; i <= 100'000; ++i) bytes += std::to_string(i) + "\n";
  input.files().give_standard_input(bytes);
  input.limit_room(3);
  input.start();
  input.run_for(1h);
  BOOST_TEST(input.out() == (Lines{"1", "2", "3"}));
  BOOST_TEST(input.source().read_bytes <= 65'536U);
  input.make_room(100'000);
  input.run_for(1h);
  BOOST_TEST(input.ended);
  BOOST_TEST(input.out().size() == 100'000U);
}

BOOST_AUTO_TEST_CASE(a_line_that_fails_for_a_while_is_sent_again_and_only_that_one) {
  Bench bench(
      "stages:\n  in: {stdin: {}}\n  work: {from: in, exec: {run: [work, '{{ text }}']}, merge: {}}\n"
      "  shown: {from: work, stdout: {}}\n");
  int failures = 2;
  bench.runtime.programs().script("work", [&failures](const weir::runtime::Command& command) {
    weir::runtime::Behaviour behaviour;
    behaviour.exit.code = command.argv.at(1) == "5" && failures-- > 0 ? 1 : 0;
    return behaviour;
  });
  bench.files().give_standard_input("4\n5\n6");
  bench.run();
  BOOST_TEST(bench.output() == "4\n6\n5\n");
  BOOST_TEST(bench.stage("in").ack_replayed.value() == 2U);
  BOOST_TEST(bench.ending().unheard == 0U);
}

BOOST_AUTO_TEST_CASE(of_two_that_read_it_the_second_is_told_who_was_first) {
  const Bench two("stages:\n  a: {stdin: {}}\n  b: {stdin: {}}\n  out: {from: [a, b], stdout: {}}\n");
  BOOST_TEST(two.mistakes() ==
             "test.yaml:3:3: error: 'a' reads the standard input already\n"
             "    3 |   b: {stdin: {}}\n"
             "      |   ^\n"
             "      = there is only one: let all who want it read `from: a`\n");
  BOOST_TEST(Bench("stages:\n  a: {stdin: {}}\n  b: {from: a, drop: {}}\n  c: {from: a, stdout: {}}\n").mistakes() ==
             "");
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused_with_its_cure) {
  BOOST_TEST(!Read("stdin", "{read: a}").diagnostics.empty());
  BOOST_TEST(!Read("stdin", "{columns: [a]}").diagnostics.empty());
  BOOST_TEST(Read("stdin", "{format: csv, columns: [a]}").diagnostics.empty());
  BOOST_TEST(!Read("stdin", "{max_message: 0B}").diagnostics.empty());
}
