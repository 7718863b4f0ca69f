// stdout: each message is a line.
#include <algorithm>
#include <sstream>

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

// --------------------------------------------------------------------------------------------------------------- table

namespace {

/// What a terminal of so many columns shows; 0: it is none.
std::string shown(std::size_t columns, const std::vector<std::vector<std::string>>& batches) {
  Alone out("stdout", "{format: table}");
  if (columns > 0) out.files().show_standard_output(columns);
  out.start();
  for (const auto& batch : batches) {
    out.deliver(batch);
    out.run_for(1s);
  }
  out.end();
  out.run_for(1s);
  BOOST_TEST(out.fault == "");
  BOOST_TEST(out.failed.empty());
  BOOST_TEST(out.balanced());
  return out.files().printed();
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_table_has_its_header_once_and_columns_as_wide_as_the_first_rows) {
  BOOST_TEST(shown(0, {{R"({"name":"Ada","n":5,"ok":true})", R"({"n":12345,"name":"Grace","of":[1,{"a":null}]})"},
                       {R"({"name":"Al","n":7})"}}) ==
             "name       n  ok    of\n"
             "Ada        5  true\n"
             "Grace  12345        [1,{\"a\":null}]\n"
             "Al         7\n");
}

BOOST_AUTO_TEST_CASE(each_batch_is_there_as_soon_as_it_came) {
  Alone out("stdout", "{format: table}");
  out.start();
  out.deliver({R"({"a":1})"});
  out.run_for(1s);
  BOOST_TEST(out.files().printed() == "a\n1\n");
  BOOST_TEST(out.done == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_no_object_is_one_column) {
  BOOST_TEST(shown(0, {{"plain", "[1,2]", "7", ""}}) == "plain\n[1,2]\n7\n\n");
  BOOST_TEST(shown(0, {{"plain", R"({"a":1})", "more", R"({"a":2})", "{}"}}) == "plain\na\n1\nmore\n2\n\n");
  BOOST_TEST(shown(0, {{"{}"}, {R"({"a":1})"}}) == "{}\na\n1\n");
}

BOOST_AUTO_TEST_CASE(a_wider_cell_that_comes_later_widens_its_column_and_nothing_is_wider_than_40) {
  BOOST_TEST(shown(0, {{R"({"a":"x","b":1})"}, {R"({"a":"longer","b":2})"}, {R"({"a":"y","b":3})"}}) ==
             "a  b\nx  1\nlonger  2\ny       3\n");
  BOOST_TEST(shown(0, {{R"({"a":")" + std::string(41, 'x') + R"("})", R"({"a":")" + std::string(40, 'y') + R"("})"}}) ==
             "a\n" + std::string(39, 'x') + "…\n" + std::string(40, 'y') + "\n");
}

BOOST_AUTO_TEST_CASE(fields_that_the_first_rows_did_not_have_are_owned_up_to) {
  BOOST_TEST(shown(0, {{R"({"a":1})"}, {R"({"a":2,"b":3})"}, {R"({"b":4})"}}) == "a\n1\n2  …\n  …\n");
}

BOOST_AUTO_TEST_CASE(wide_characters_take_two_columns_and_marks_none) {
  BOOST_TEST(shown(0, {{R"({"a":"日本","b":1})", R"({"a":"e\u0301e","b":2})", R"({"a":"🙂","b":3})",
                        R"({"a":"ab","b":4})"}}) == "a     b\n日本  1\née    2\n🙂    3\nab    4\n");
  // Nothing is cut in the middle of a character.
  std::string wide;
  for (int i = 0; i < 30; ++i) wide += "日";
  std::string cut;
  for (int i = 0; i < 19; ++i) cut += "日";
  BOOST_TEST(shown(0, {{R"({"a":")" + wide + R"("})"}}) == "a\n" + cut + "…\n");
}

BOOST_AUTO_TEST_CASE(no_message_can_move_the_cursor) {
  BOOST_TEST(shown(0, {{R"({"a":"x\u001b[2J\n\ty","b\r":"\u0085\u007f"})"}}) == "a         b␍\nx␛[2J␊␉y  �␡\n");
  BOOST_TEST(shown(0, {{"\x1b[2J\xFF\xC3"}}) == "␛[2J��\n");
}

BOOST_AUTO_TEST_CASE(on_a_narrow_terminal_the_widest_columns_are_cut_first_and_no_line_is_longer) {
  const std::string row = R"({"id":1,"text":"a text that is rather long","host":"web-1.example.org"})";
  BOOST_TEST(shown(40, {{row}}) ==
             "id  text             host\n"
             " 1  a text that is…  web-1.example.o…\n");
  BOOST_TEST(shown(20, {{row, R"({"id":2})"}}) ==
             "id  text  …\n"
             " 1  a text that …  …\n"
             " 2\n");
  BOOST_TEST(shown(12, {{std::string(30, 'x')}}) == std::string(11, 'x') + "…\n");
}

BOOST_AUTO_TEST_CASE(columns_are_never_wider_than_the_terminal_whatever_comes) {
  std::vector<std::vector<std::string>> batches;
  for (int i = 0; i < 40; ++i) {
    batches.push_back({R"({"a":")" + std::string(static_cast<std::size_t>(i), 'x') + R"(","b":")" +
                       std::string(static_cast<std::size_t>(40 - i), 'y') + R"(","c":1,"d":{"e":[]}})"});
  }
  for (const std::size_t columns : {1, 5, 9, 10, 17, 30, 60, 80, 200}) {
    std::istringstream lines(shown(columns, batches));
    for (std::string line; std::getline(lines, line);) {
      const auto width = static_cast<std::size_t>(std::count_if(
          line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
      BOOST_TEST(width <= std::max<std::size_t>(columns, 9), columns << ": " << line);
    }
  }
}
