// stdout: each message is a line.
#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using weir::stage::Dropped;

namespace {

std::string printed(const std::string& yaml, const std::vector<std::string>& payloads) {
  Alone out("stdout", yaml);
  out.deliver(payloads);
  out.end();
  out.run();
  BOOST_TEST(out.fault == "");
  BOOST_TEST(out.done == payloads.size());
  BOOST_TEST(out.balanced());
  return out.files().printed();
}

}  // namespace

BOOST_AUTO_TEST_CASE(text_is_the_payload_as_it_is_and_a_line_break) {
  BOOST_TEST(printed("{}", {"one", "", R"({"a":1})"}) == "one\n\n{\"a\":1}\n");
  BOOST_TEST(printed("{}", {std::string("a\0\xFF", 3)}) == std::string("a\0\xFF\n", 4));
  BOOST_TEST(printed("{format: text}", {"two\nlines\n"}) == "two\nlines\n\n");
}

BOOST_AUTO_TEST_CASE(as_json_every_line_is_json) {
  BOOST_TEST(printed("{format: json}", {R"({"a":1})", "5", "no json", "{\n  \"b\":\r\n 2}", ""}) ==
             "{\"a\":1}\n5\n\"no json\"\n{   \"b\":   2}\n\"\"\n");
  BOOST_TEST(printed("{format: json}", {std::string("a\0\x01\"\\", 5)}) == "\"a\\u0000\\u0001\\\"\\\\\"\n");
}

BOOST_AUTO_TEST_CASE(a_message_is_done_when_it_is_printed) {
  Alone out("stdout", "{}");
  out.start();
  out.deliver({"one"});
  out.run_for(1s);
  BOOST_TEST(out.files().printed() == "one\n");
  BOOST_TEST(out.done == 1U);
  BOOST_TEST(out.running());
}

BOOST_AUTO_TEST_CASE(a_reader_who_leaves_ends_it_quietly_and_what_he_did_not_get_is_counted) {
  Alone out("stdout", "{}");
  out.files().break_standard_output(8);
  out.start();
  out.deliver({"one", "two", "three"});
  out.run_for(1s);
  BOOST_TEST(out.ended);
  BOOST_TEST(out.closed);
  BOOST_TEST(out.fault == "");
  BOOST_TEST(out.files().printed() == "one\ntwo\n");
  BOOST_TEST(out.dropped(Dropped::gone) == 1U);
  BOOST_TEST(out.failed.empty());
  BOOST_TEST(out.done == 3U);
  BOOST_TEST(out.balanced());
}

BOOST_AUTO_TEST_CASE(while_the_disk_that_it_goes_to_is_full_messages_wait_and_no_half_line_stays) {
  for (const char* yaml : {"{}", "{format: json}"}) {
    Alone out("stdout", yaml);
    out.files().redirect_standard_output();
    out.files().set_capacity(8);
    out.start();
    out.deliver({"12345", "6789", "123"});
    out.run_for(1min);
    BOOST_TEST(out.files().printed() == "12345\n");
    BOOST_TEST(out.failed.empty());
    BOOST_TEST(out.running());
    out.files().set_capacity(1000);
    out.end();
    out.run_for(10s);
    BOOST_TEST(out.ended);
    BOOST_TEST(out.files().printed() == "12345\n6789\n123\n");
    BOOST_TEST(out.done == 3U);
    BOOST_TEST(out.balanced());
  }
}

BOOST_AUTO_TEST_CASE(stopped_while_the_disk_is_full_what_waits_fails_and_is_not_lost) {
  Alone out("stdout", "{}");
  out.files().redirect_standard_output();
  out.files().set_capacity(8);
  out.start();
  out.deliver({"12345", "6789"});
  out.run_for(1min);
  out.stop();
  BOOST_TEST(out.done == 1U);
  BOOST_REQUIRE_EQUAL(out.failed.size(), 1U);
  BOOST_TEST((out.failed[0].failure.reason == Reason::io));
  BOOST_TEST(out.failed[0].failure.text.starts_with("cannot write standard output: "), out.failed[0].failure.text);
  BOOST_TEST(out.balanced());
}

BOOST_AUTO_TEST_CASE(with_its_reader_gone_an_endless_pipeline_ends) {
  Bench bench("stages: {n: {generate: {range: 1..1000000000000}}, out: {from: n, stdout: {}}}");
  bench.files().break_standard_output(4);
  bench.run();
  BOOST_TEST(bench.output() == "1\n2\n");
  BOOST_TEST(!bench.ending().fault);
  BOOST_TEST(bench.ending().unheard == 0U);
  BOOST_TEST(bench.ending().left == 0U);
}

BOOST_AUTO_TEST_CASE(it_says_that_it_prints_so_that_nobody_draws_over_it) {
  BOOST_TEST(Read("stdout", "{}").configured.prints);
  BOOST_TEST(!Read("file", "{append: out.txt}").configured.prints);
}

BOOST_AUTO_TEST_CASE(a_table_comes_later_and_says_so) {
  BOOST_TEST(Read("stdout", "{format: table}").mistake() ==
             "table comes with a later version of weir; `text` and `json` are there");
}
