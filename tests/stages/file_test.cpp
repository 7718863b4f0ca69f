// file: files become messages, and messages files.
#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

namespace {

constexpr std::size_t mebibyte = 1024 * 1024;

std::string mistake(const std::string& yaml) { return Read("file", yaml).mistake(); }

/// Everything that came of reading these bytes: payloads, and what was refused as "LINE KIND TEXT|BYTES".
struct Got {
  Lines out, refused;
  bool operator==(const Got&) const = default;
};

Got got(const std::string& yaml, const std::string& path, std::string bytes, std::uint64_t read_at_most = 0) {
  Alone file("file", yaml);
  file.files().put(path, std::move(bytes));
  file.files().shorten_reads(read_at_most);
  file.run();
  BOOST_TEST(file.fault == "");
  Got got;
  got.out = file.out();
  for (const auto& [what, why] : file.refused) {
    got.refused.push_back((why.line ? std::to_string(*why.line) : "-") + " " + std::string(word(why.reason)) + " " +
                          why.text + "|" + what);
  }
  return got;
}

Lines lines_of(const std::string& bytes) { return got("{read: a.txt}", "a.txt", bytes).out; }

}  // namespace

// ---------------------------------------------------------------------------------------------------------------- read

BOOST_AUTO_TEST_CASE(each_line_is_a_message_whatever_ends_it) {
  BOOST_TEST(lines_of("one\ntwo\n") == (Lines{"one", "two"}));
  BOOST_TEST(lines_of("one\r\ntwo\r\n") == (Lines{"one", "two"}));
  BOOST_TEST(lines_of("one\ntwo") == (Lines{"one", "two"}));
  BOOST_TEST(lines_of("one\r\ntwo\r") == (Lines{"one", "two"}));
  BOOST_TEST(lines_of("a\rb\n") == (Lines{"a\rb"}));
}

BOOST_AUTO_TEST_CASE(empty_lines_are_messages_and_an_empty_file_is_none) {
  BOOST_TEST(lines_of("") == Lines{});
  BOOST_TEST(lines_of("\n\n") == (Lines{"", ""}));
  BOOST_TEST(got("{read: a.ndjson}", "a.ndjson", "").out == Lines{});
  BOOST_TEST(got("{read: a.ndjson}", "a.ndjson", "1\n\n  \t\r\n2\n").out == (Lines{"1", "2"}));
  BOOST_TEST(got("{read: a.json}", "a.json", "").out == Lines{});
  BOOST_TEST(got("{read: a.txt, format: whole}", "a.txt", "").out == (Lines{""}));
}

BOOST_AUTO_TEST_CASE(a_byte_order_mark_is_no_part_of_the_first_line) {
  BOOST_TEST(lines_of("\xEF\xBB\xBFone\n\xEF\xBB\xBFtwo\n") == (Lines{"one", "\xEF\xBB\xBFtwo"}));
  BOOST_TEST(lines_of("\xEF\xBB\xBF") == (Lines{""}));
  BOOST_TEST(got("{read: a.ndjson}", "a.ndjson", "\xEF\xBB\xBF{}\n").out == (Lines{"{}"}));
  BOOST_TEST(got("{read: a.json}", "a.json", "\xEF\xBB\xBF[1]").out == (Lines{"[1]"}));
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_text_pass_as_they_are) {
  const std::string bytes("a\0b\xFF\xC0\x80", 6);
  BOOST_TEST(lines_of(bytes + "\n") == (Lines{bytes}));
  BOOST_TEST(got("{read: a.bin, format: whole}", "a.bin", bytes + "\n").out == (Lines{bytes + "\n"}));
}

BOOST_AUTO_TEST_CASE(the_name_s_ending_says_the_format_unless_it_is_written) {
  const std::string bytes = "[1,\n2]\n";
  BOOST_TEST(got("{read: a.log}", "a.log", bytes).out == (Lines{"[1,", "2]"}));
  BOOST_TEST(got("{read: a.json}", "a.json", bytes).out == (Lines{bytes}));
  BOOST_TEST(got("{read: a.ndjson}", "a.ndjson", bytes).refused.size() == 2U);
  BOOST_TEST(got("{read: a.jsonl}", "a.jsonl", bytes).refused.size() == 2U);
  BOOST_TEST(got("{read: a.json, format: lines}", "a.json", bytes).out == (Lines{"[1,", "2]"}));
  BOOST_TEST(got("{read: a.log, format: json}", "a.log", bytes).out == (Lines{bytes}));
}

BOOST_AUTO_TEST_CASE(a_line_that_is_no_json_is_refused_with_its_number_and_text_and_the_rest_read) {
  const std::string nul(1, '\0');
  const auto all = got("{read: a.ndjson}", "a.ndjson", "{\"a\":1}\nnonsense\n\n{\"a\":\"\xFF\"}\n\"" + nul + "\"\n2\n");
  BOOST_TEST(all.out == (Lines{R"({"a":1})", "2"}));
  BOOST_REQUIRE_EQUAL(all.refused.size(), 3U);
  BOOST_TEST(all.refused[0].starts_with("2 decode not JSON: "), all.refused[0]);
  BOOST_TEST(all.refused[0].ends_with(" of the line|nonsense"), all.refused[0]);
  BOOST_TEST(all.refused[1].starts_with("4 decode not JSON: "), all.refused[1]);
  BOOST_TEST(all.refused[2].starts_with("5 decode not JSON: "), all.refused[2]);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_no_json_is_refused_with_the_line_where_it_goes_wrong) {
  const auto all = got("{read: a.json}", "a.json", "{\n  \"a\": 1,\n  b: 2\n}\n");
  BOOST_TEST(all.out == Lines{});
  BOOST_REQUIRE_EQUAL(all.refused.size(), 1U);
  BOOST_TEST(all.refused[0].starts_with("3 decode not JSON: "), all.refused[0]);
}

BOOST_AUTO_TEST_CASE(a_line_of_100_mib_is_refused_and_the_rest_is_read) {
  std::string bytes = "before\n";
  bytes.append(100 * mebibyte, 'x');
  bytes += "\nafter\n";
  const auto all = got("{read: a.txt}", "a.txt", std::move(bytes));
  BOOST_TEST(all.out == (Lines{"before", "after"}));
  BOOST_REQUIRE_EQUAL(all.refused.size(), 1U);
  BOOST_TEST(all.refused[0] ==
             "2 size the line is longer than max_message, 16MiB; this is its beginning|" + std::string(1024, 'x'));
}

BOOST_AUTO_TEST_CASE(a_line_of_exactly_max_message_is_a_message_and_one_byte_more_is_not) {
  const std::string fits(16, 'x'), bom = "\xEF\xBB\xBF";
  for (const std::uint64_t cut : {0, 1, 5, 17}) {
    BOOST_TEST(got("{read: a, max_message: 16B}", "a", fits + "\n", cut).out == (Lines{fits}));
    BOOST_TEST(got("{read: a, max_message: 16B}", "a", fits + "\r\n", cut).out == (Lines{fits}));
    BOOST_TEST(got("{read: a, max_message: 16B}", "a", fits, cut).out == (Lines{fits}));
    BOOST_TEST(got("{read: a, max_message: 16B}", "a", bom + fits + "\r\n", cut).out == (Lines{fits}));
    const auto more = got("{read: a, max_message: 16B}", "a", fits + "y\nz\n", cut);
    BOOST_TEST(more.out == (Lines{"z"}));
    BOOST_TEST(more.refused ==
               (Lines{"1 size the line is longer than max_message, 16B; this is its beginning|" + fits}));
    BOOST_TEST(got("{read: a, max_message: 16B, format: whole}", "a", fits, cut).out == (Lines{fits}));
    BOOST_TEST(got("{read: a, max_message: 16B, format: whole}", "a", fits + "y", cut).refused ==
               (Lines{"- size the file is longer than max_message, 16B; this is its beginning|" + fits}));
  }
}

BOOST_AUTO_TEST_CASE(what_comes_out_does_not_depend_on_how_reads_are_cut) {
  std::string bytes = "\xEF\xBB\xBF{\"first\":1}\r\n\n[1,2]\nno json\r\n\"\xC3\xA4\"\n\"\xC3\n{\"long\":\"" +
                      std::string(300, 'y') + "\"}\n" + std::string(70, 'z') + "\r\r\n\t\n" + std::string(200, 'w') +
                      "\n3";
  for (int i = 0; i < 50; ++i) bytes += "\n{\"i\":" + std::to_string(i) + "}";
  for (const char* yaml : {"{read: a, format: lines}", "{read: a, format: ndjson}", "{read: a, format: whole}",
                           "{read: a, format: lines, max_message: 70B}", "{read: a, format: ndjson, max_message: 20B}",
                           "{read: a, format: whole, max_message: 100B}"}) {
    const auto whole = got(yaml, "a", bytes);
    for (const std::uint64_t cut : {1, 2, 3, 7, 71, 72, 73, 100, 1000}) {
      const auto pieces = got(yaml, "a", bytes, cut);
      BOOST_TEST(pieces.out == whole.out, yaml << " read by " << cut);
      BOOST_TEST(pieces.refused == whole.refused, yaml << " read by " << cut);
    }
  }
}

BOOST_AUTO_TEST_CASE(lines_that_are_longer_than_one_read_come_whole) {
  Lines lines;
  std::string bytes;
  for (const std::size_t size : {65'535, 65'536, 65'537, 200'000, 1, 16 * 1024 * 1024}) {
    lines.emplace_back(size, static_cast<char>('a' + lines.size()));
    bytes += lines.back() + "\n";
  }
  BOOST_CHECK(lines_of(bytes) == lines);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_missing_a_directory_or_closed_to_us_stops_the_start) {
  const auto fault = [](const std::string& path) {
    Alone file("file", "{read: " + path + "}");
    file.files().make_directory("folder");
    file.files().make_unreadable("secret");
    file.run();
    return file.fault;
  };
  BOOST_TEST(fault("nowhere") == "file: cannot read nowhere: No such file or directory");
  BOOST_TEST(fault("folder") == "file: cannot read folder: Is a directory");
  BOOST_TEST(fault("secret") == "file: cannot read secret: Permission denied");
}

BOOST_AUTO_TEST_CASE(a_pattern_names_several_files_which_are_read_in_order_of_name) {
  Bench bench(
      "stages:\n  in: {file: {read: 'logs/*.log'}}\n"
      "  out: {from: in, do: [lua: 'return {meta.file, text}']}\n  kept: {from: out, file: {append: kept}}\n");
  BOOST_TEST(bench.mistakes() == "");
  bench.files().put("logs/b.log", "3\n4");
  bench.files().put("logs/a.log", "1\n2\n");
  bench.files().put("logs/c.txt", "5\n");
  bench.run();
  BOOST_TEST(bench.files().text("kept") ==
             "[\"logs/a.log\",\"1\"]\n[\"logs/a.log\",\"2\"]\n[\"logs/b.log\",\"3\"]\n[\"logs/b.log\",\"4\"]\n");
}

BOOST_AUTO_TEST_CASE(each_of_several_files_begins_anew) {
  Alone file("file", "{read: '*.csv'}");
  file.files().put("a.csv", "id,name\n1,Ann\n");
  file.files().put("b.csv", "\xEF\xBB\xBFname,id\nBob,2\n");
  file.run();
  BOOST_TEST(file.out() == (Lines{R"({"id":"1","name":"Ann"})", R"({"name":"Bob","id":"2"})"}));
  BOOST_TEST(file.source().all_bytes == file.source().read_bytes);
}

BOOST_AUTO_TEST_CASE(what_of_several_files_cannot_be_decoded_says_of_which_it_is) {
  Bench bench(
      "stages:\n  in: {file: {read: '*.ndjson'}}\n  good: {from: in, drop: {}}\n"
      "  bad: {from: in.failed, do: [lua: 'return {meta.file, failed.line}']}\n  kept: {from: bad, file: {append: "
      "kept}}\n");
  bench.files().put("a.ndjson", "1\n");
  bench.files().put("b.ndjson", "1\n{\n");
  bench.run();
  BOOST_TEST(bench.files().text("kept") == "[\"b.ndjson\",2]\n");
}

BOOST_AUTO_TEST_CASE(that_one_of_several_files_cannot_be_read_keeps_no_other_from_being_read) {
  Alone file("file", "{read: '*'}");
  file.files().put("a", "1\n");
  file.files().make_unreadable("b");
  file.files().put("c", "3\n");
  file.run();
  BOOST_TEST(file.out() == (Lines{"1", "3"}));
  BOOST_REQUIRE_EQUAL(file.refused.size(), 1U);
  BOOST_TEST(file.refused[0].second.text == "file: cannot read b: Permission denied");
}

BOOST_AUTO_TEST_CASE(a_pattern_that_nothing_matches_ends_the_stage) {
  Alone file("file", "{read: 'logs/*.log'}");
  file.run();
  BOOST_TEST(file.fault == "file: nothing matches logs/*.log: No such file or directory");
}

BOOST_AUTO_TEST_CASE(with_every_a_pattern_may_match_nothing_for_now_and_is_looked_up_each_time) {
  Alone file("file", "{read: '*.log', every: 10s}");
  file.start();
  file.run_for(5s);
  file.files().put("a.log", "1\n");
  file.files().put("b.log", "2\n");
  file.run_for(10s);
  file.files().remove("a.log");
  file.run_for(10s);
  BOOST_TEST(file.out() == (Lines{"1", "2", "2"}));
  BOOST_TEST(file.refused.empty());
}

BOOST_AUTO_TEST_CASE(with_every_it_is_read_again_and_again) {
  Alone file("file", "{read: load, every: 10s}");
  file.files().put("load", "1\n");
  file.start();
  file.run_for(5s);
  file.files().put("load", "2\n3\n");
  file.run_for(10s);
  BOOST_TEST(file.out() == (Lines{"1", "2", "3"}));
  BOOST_CHECK(file.times()[1] == weir::runtime::Time(10s));
  // What is missing later is a failure of that time only.
  file.files().remove("load");
  file.run_for(10s);
  BOOST_REQUIRE_EQUAL(file.refused.size(), 1U);
  BOOST_TEST((file.refused[0].second.reason == Reason::io));
  BOOST_TEST(file.refused[0].second.text == "file: cannot read load: No such file or directory");
  file.files().put("load", "4\n");
  file.run_for(10s);
  BOOST_TEST(file.out().back() == "4");
  BOOST_TEST(file.running());
}

BOOST_AUTO_TEST_CASE(what_falls_due_while_the_last_reading_still_waits_is_left_out_and_counted) {
  Alone file("file", "{read: load, every: 1s}");
  file.files().put("load", "1\n");
  file.limit_room(1);
  file.start();
  file.run_for(5500ms);
  file.make_room(100);
  file.run_for(2s);
  BOOST_CHECK((file.times() == std::vector<weir::runtime::Time>{weir::runtime::Time(0s), weir::runtime::Time(5500ms),
                                                                weir::runtime::Time(6s), weir::runtime::Time(7s)}));
  BOOST_TEST(file.dropped(weir::stage::Dropped::slow) == 4U);  // Of seconds 2 to 5.
  BOOST_TEST(file.balanced());
}

BOOST_AUTO_TEST_CASE(it_knows_how_far_it_has_come) {
  Alone file("file", "{read: a}");
  file.files().put("a", "one\ntwo\n");
  file.run();
  BOOST_TEST(file.source().all_bytes == 8U);
  BOOST_TEST(file.source().read_bytes == 8U);
}

BOOST_AUTO_TEST_CASE(what_fails_further_on_tells_the_line_that_it_was_read_from) {
  const auto lines_of = [](const std::string& name, const std::string& text, const std::string& reader) {
    Bench bench("stages:\n  in: {file: {read: " + name +
                "}}\n"
                "  most: {from: in, where: tostring(msg.n) ~= '2'}\n"
                "  parts: {from: most, lua: 'emit(msg)'}\n"
                "  never: {from: parts, lua: fail('no')}\n"
                "  out: {from: never, drop: {}}\n"
                "  told: {from: " +
                reader +
                ", lua: return failed.line or 0}\n"
                "  kept: {from: told, file: {append: kept, format: lines}}\n");
    BOOST_TEST(bench.mistakes() == "");
    bench.files().put(name, text);
    bench.run();
    return bench.files().text("kept");
  };
  for (const std::string reader : {"never.failed", "any.failed"}) {
    BOOST_TEST(lines_of("a.ndjson", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n\n\n{\"n\":4}\n{\"n\":5}\n", reader) ==
               "1\n1\n3\n3\n6\n6\n7\n7\n");
    BOOST_TEST(lines_of("a.csv", "n\n1\n\"x\ny\"\n2\n3\n", reader) == "2\n2\n3\n3\n6\n6\n");
    BOOST_TEST(lines_of("a.json", "{\"n\":1}", reader) == "0\n0\n");
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_decoded_leaves_by_failed_with_its_line_and_text) {
  Bench bench(
      "stages:\n"
      "  in: {file: {read: in.ndjson}}\n"
      "  good: {from: in, file: {write: good.ndjson}}\n"
      "  told:\n"
      "    from: in.failed\n"
      "    lua: |\n"
      "      return {kind = failed.kind, stage = failed.stage, line = failed.line, text = text}\n"
      "  kept: {from: told, file: {write: bad.ndjson}}\n");
  bench.files().put("in.ndjson", "{\"a\":1}\n{broken\n{\"a\":2}\n");
  if (!bench.mistakes().empty()) BOOST_TEST_MESSAGE(bench.mistakes());
  bench.run();
  BOOST_TEST(bench.files().text("good.ndjson") == "{\"a\":1}\n{\"a\":2}\n");
  BOOST_TEST(bench.files().text("bad.ndjson") ==
             "{\"kind\":\"decode\",\"line\":2,\"stage\":\"in\",\"text\":\"{broken\"}\n");
  BOOST_TEST(bench.ending().unheard == 0U);
}

// --------------------------------------------------------------------------------------------------------------- write

BOOST_AUTO_TEST_CASE(a_written_file_appears_when_all_is_written) {
  Alone file("file", "{write: out.txt}");
  file.files().put("out.txt", "of last week\n");
  file.start();
  file.deliver({"one", "two"});
  file.run_for(1s);
  BOOST_TEST(file.done == 2U);  // When its bytes are written, not when the file is renamed.
  BOOST_TEST(file.files().text("out.txt") == "of last week\n");
  BOOST_TEST(file.files().paths() == (Lines{"out.txt", "out.txt.part"}));
  file.deliver({"three"});
  file.end();
  file.run_for(1s);
  BOOST_TEST(file.ended);
  BOOST_TEST(file.fault == "");
  BOOST_TEST(file.files().paths() == (Lines{"out.txt"}));
  BOOST_TEST(file.files().text("out.txt") == "one\ntwo\nthree\n");
  BOOST_TEST(file.files().synced("out.txt") == 14U);
  BOOST_TEST(file.done == 3U);
  BOOST_TEST(file.balanced());
}

BOOST_AUTO_TEST_CASE(stopped_before_its_end_it_leaves_what_was_there_and_what_it_has_written) {
  Alone file("file", "{write: out.txt}");
  file.files().put("out.txt", "old\n");
  file.start();
  file.deliver({"new"});
  file.run_for(1s);
  BOOST_TEST(file.done == 1U);  // So nobody will send it again.
  file.stop();
  BOOST_TEST(file.files().paths() == (Lines{"out.txt", "out.txt.part"}));
  BOOST_TEST(file.files().text("out.txt") == "old\n");
  BOOST_TEST(file.files().text("out.txt.part") == "new\n");
}

BOOST_AUTO_TEST_CASE(stopped_before_the_first_message_it_leaves_nothing) {
  Alone file("file", "{write: out.txt}");
  file.start();
  file.run_for(1s);
  file.stop();
  BOOST_TEST(file.files().paths().empty());
}

BOOST_AUTO_TEST_CASE(nothing_to_write_is_an_empty_file) {
  Alone file("file", "{write: out.txt}");
  file.end();
  file.run();
  BOOST_TEST(file.files().text("out.txt") == "");
}

BOOST_AUTO_TEST_CASE(ndjson_is_one_line_a_message_and_what_is_none_fails) {
  Alone file("file", "{write: out.ndjson}");
  file.deliver({"{\n  \"a\": 1\r\n}", "no json", "2"});
  file.end();
  file.run();
  BOOST_TEST(file.files().text("out.ndjson") == "{   \"a\": 1  }\n2\n");
  BOOST_REQUIRE_EQUAL(file.failed.size(), 1U);
  BOOST_TEST((file.failed[0].failure.reason == Reason::decode));
  BOOST_TEST(file.failed[0].failure.text == "the payload is no JSON; `format: lines` would write it as it is");
  BOOST_TEST(file.balanced());
}

BOOST_AUTO_TEST_CASE(json_and_whole_make_of_each_message_a_file_that_takes_the_place_of_the_last) {
  Alone json("file", "{write: state.json}");
  json.start();
  json.deliver({"{\"n\":1}"});
  json.run_for(1s);
  BOOST_TEST(json.files().text("state.json") == "{\"n\":1}");
  json.deliver({"{\"n\":2}", "nonsense"});
  json.end();
  json.run_for(1s);
  BOOST_TEST(json.files().text("state.json") == "{\"n\":2}");
  BOOST_TEST(json.files().paths() == (Lines{"state.json"}));
  BOOST_TEST(json.failed.size() == 1U);

  Alone whole("file", "{write: page.html, format: whole}");
  whole.deliver({"<p>one\n", "<p>two\n"});
  whole.end();
  whole.run();
  BOOST_TEST(whole.files().text("page.html") == "<p>two\n");
  BOOST_TEST(whole.done == 2U);
}

BOOST_AUTO_TEST_CASE(append_adds_lines_to_what_is_there) {
  Alone file("file", "{append: log.txt}");
  file.files().put("log.txt", "old\n");
  file.start();
  file.deliver({"new"});
  file.run_for(1s);
  BOOST_TEST(file.files().text("log.txt") == "old\nnew\n");
  file.end();
  file.run_for(1s);
  BOOST_TEST(file.ended);
  BOOST_TEST(file.files().paths() == (Lines{"log.txt"}));
}

BOOST_AUTO_TEST_CASE(while_the_disk_is_full_messages_wait_and_no_half_line_stays) {
  Alone file("file", "{append: log.txt}");
  file.files().set_capacity(10);
  file.start();
  file.deliver({"12345", "6789", "abc"});
  file.run_for(1min);
  BOOST_TEST(file.files().text("log.txt") == "12345\n");
  BOOST_TEST(file.done == 0U);  // The three are one delivery: its credits come back together.
  BOOST_TEST(file.failed.empty());
  file.files().set_capacity(1000);
  file.end();
  file.run_for(10s);
  BOOST_TEST(file.ended);
  BOOST_TEST(file.files().text("log.txt") == "12345\n6789\nabc\n");
  BOOST_TEST(file.done == 3U);
  BOOST_TEST(file.balanced());
}

BOOST_AUTO_TEST_CASE(while_the_disk_has_no_room_for_one_more_file_messages_wait) {
  for (const char* yaml : {"{append: '{{ msg }}.txt'}", "{append: 1.txt}"}) {
    Alone file("file", yaml);
    file.files().put("other", "");
    file.files().set_files_most(1);
    file.start();
    file.deliver({"1", "2"});
    file.run_for(1min);
    BOOST_TEST(!file.ended, yaml);
    BOOST_TEST(file.done == 0U, yaml);
    BOOST_TEST(file.failed.empty(), yaml);
    file.files().set_files_most(3);
    file.end();
    file.run_for(10s);
    BOOST_TEST(file.ended, yaml);
    BOOST_TEST(file.done == 2U, yaml);
    BOOST_TEST(file.files().text("1.txt").starts_with("1\n"), yaml);
    BOOST_TEST(file.balanced(), yaml);
  }
  Alone stopped("file", "{append: '{{ msg }}.txt'}");
  stopped.files().set_files_most(1);
  stopped.start();
  stopped.deliver({"1", "2", "3"});
  stopped.run_for(1min);
  stopped.stop();
  BOOST_TEST(stopped.done == 1U);
  BOOST_TEST(stopped.failed.size() == 2U);
  BOOST_TEST(stopped.balanced());
}

BOOST_AUTO_TEST_CASE(stopped_while_the_disk_is_full_what_waits_fails_and_is_not_lost) {
  for (const char* yaml : {"{append: log.txt}", "{write: log.txt}", "{write: log.json, format: whole}"}) {
    Alone file("file", yaml);
    file.files().set_capacity(7);
    file.start();
    file.deliver({"12345", "6789abcdef"});
    file.run_for(1min);
    file.stop();
    BOOST_TEST(file.done == 1U, yaml);
    BOOST_REQUIRE_EQUAL(file.failed.size(), 1U);
    BOOST_TEST((file.failed[0].failure.reason == Reason::io));
    BOOST_TEST(file.failed[0].failure.text.starts_with("cannot write log."), file.failed[0].failure.text);
    BOOST_TEST(file.balanced());
  }
}

BOOST_AUTO_TEST_CASE(a_disk_that_does_not_keep_its_word_ends_the_stage_and_the_old_file_stays) {
  Alone file("file", "{write: out.txt}");
  file.files().put("out.txt", "old\n");
  file.files().fail_sync(true);
  file.deliver({"new"});
  file.end();
  file.run();
  BOOST_TEST(file.fault.find("Input/output error") != std::string::npos, file.fault);
  BOOST_TEST(file.files().text("out.txt") == "old\n");
  BOOST_TEST(file.files().paths() == (Lines{"out.txt", "out.txt.part"}));  // Of what was done, whatever is left.

  Alone each("file", "{write: out.json}");
  each.files().fail_sync(true);
  each.deliver({"{}"});
  each.end();
  each.run();
  BOOST_TEST(each.fault == "");
  BOOST_REQUIRE_EQUAL(each.failed.size(), 1U);
  BOOST_TEST((each.failed[0].failure.reason == Reason::io));
}

BOOST_AUTO_TEST_CASE(where_nothing_may_be_written_the_start_stops) {
  const auto fault = [](const std::string& yaml) {
    Alone file("file", yaml);
    file.files().make_directory("folder");
    file.files().make_unreadable("mine.txt");
    file.files().make_unreadable("mine.txt.part");
    file.end();
    file.run();
    return file.fault;
  };
  BOOST_TEST(fault("{write: folder}") == "file: cannot write folder: Is a directory");
  BOOST_TEST(fault("{append: folder}") == "file: cannot write folder: Is a directory");
  BOOST_TEST(fault("{append: mine.txt}") == "file: cannot write mine.txt: Permission denied");
  BOOST_TEST(fault("{write: mine.txt}") == "file: cannot write mine.txt: Permission denied");
  BOOST_TEST(fault("{write: mine.txt, format: whole}") == "file: cannot write mine.txt: Permission denied");
  BOOST_TEST(fault("{append: mine.txt/below/it.txt}") == "file: cannot write mine.txt/below/it.txt: Not a directory");
}

BOOST_AUTO_TEST_CASE(directories_that_are_missing_on_the_way_are_made) {
  for (const auto& [yaml, text] : {std::pair("{append: 'logs/2030/01/a.txt'}", "{\"n\":\"1\"}\n"),
                                   std::pair("{write: 'logs/2030/01/a.txt'}", "{\"n\":\"1\"}\n"),
                                   std::pair("{write: 'logs/2030/01/a.txt', format: whole}", "{\"n\":\"1\"}"),
                                   std::pair("{append: 'logs/2030/0{{ msg.n }}/a.txt'}", "{\"n\":\"1\"}\n"),
                                   std::pair("{write: 'logs/2030/0{{ msg.n }}/a.txt'}", "{\"n\":\"1\"}\n"),
                                   std::pair("{write: 'logs/2030/0{{ msg.n }}/a.json'}", "{\"n\":\"1\"}")}) {
    Alone file("file", yaml);
    file.deliver({R"({"n":"1"})"});
    file.end();
    file.run();
    BOOST_TEST(file.fault == "", yaml);
    BOOST_TEST(file.done == 1U, yaml);
    const auto paths = file.files().paths();
    BOOST_REQUIRE_EQUAL(paths.size(), 1U);
    BOOST_TEST(file.files().text(paths[0]) == text, yaml);
    BOOST_TEST(file.files().is_directory("logs/2030/01"), yaml);
  }
}

// -------------------------------------------------------------------------------------------- a path for each message

BOOST_AUTO_TEST_CASE(each_path_that_a_template_gives_is_a_file_of_its_own) {
  Alone file("file", "{write: 'out/{{ msg.day }}.ndjson'}");
  file.start();
  file.deliver({R"({"day":"mon","n":1})", R"({"day":"tue","n":2})", R"({"day":"mon","n":3})"});
  file.run_for(1s);
  BOOST_TEST(file.done == 3U);
  BOOST_TEST(file.files().paths() == (Lines{"out/mon.ndjson.part", "out/tue.ndjson.part"}));
  file.deliver({R"({"day":"tue","n":4})", R"({"n":5})"});
  file.end();
  file.run_for(1s);
  BOOST_TEST(file.ended);
  BOOST_TEST(file.files().paths() == (Lines{"out/mon.ndjson", "out/tue.ndjson"}));
  BOOST_TEST(file.files().text("out/mon.ndjson") == "{\"day\":\"mon\",\"n\":1}\n{\"day\":\"mon\",\"n\":3}\n");
  BOOST_TEST(file.files().text("out/tue.ndjson") == "{\"day\":\"tue\",\"n\":2}\n{\"day\":\"tue\",\"n\":4}\n");
  BOOST_REQUIRE_EQUAL(file.failed.size(), 1U);
  BOOST_TEST((file.failed[0].failure.reason == Reason::missing));
  BOOST_TEST(file.balanced());

  Alone pages("file", "{write: 'pages/{{ msg.id }}.json'}");
  pages.deliver({R"({"id":1})", R"({"id":2})", R"({"id":1,"new":true})"});
  pages.end();
  pages.run();
  BOOST_TEST(pages.files().paths() == (Lines{"pages/1.json", "pages/2.json"}));
  BOOST_TEST(pages.files().text("pages/1.json") == R"({"id":1,"new":true})");
}

BOOST_AUTO_TEST_CASE(what_a_message_fills_in_stays_below_its_directory) {
  const auto path_of = [](const std::string& yaml, const std::string& text) {
    Alone file("file", yaml);
    file.deliver({text});
    file.end();
    file.run();
    const auto paths = file.files().paths();
    BOOST_REQUIRE_EQUAL(paths.size() + file.failed.size(), 1U);
    if (!paths.empty()) return paths[0];
    BOOST_TEST((file.failed[0].failure.reason == Reason::type));
    return file.failed[0].failure.text;
  };
  const std::string in_out = "{write: 'out/{{ text }}', format: lines}";
  BOOST_TEST(path_of(in_out, "a") == "out/a");
  BOOST_TEST(path_of(in_out, "a/b") == "out/a/b");
  BOOST_TEST(path_of(in_out, "./a//b/") == "out/a/b");
  BOOST_TEST(path_of(in_out, "/etc/passwd") == "out/etc/passwd");
  BOOST_TEST(path_of(in_out, "..a") == "out/..a");
  BOOST_TEST(path_of(in_out, "../a") == "the path 'out/../a' is none below out/");
  BOOST_TEST(path_of(in_out, "a/../../b") == "the path 'out/a/../../b' is none below out/");
  BOOST_TEST(path_of(in_out, "a/../b") == "the path 'out/a/../b' is none below out/");
  BOOST_TEST(path_of(in_out, "") == "the path 'out/' is none below out/");
  BOOST_TEST(path_of(in_out, ".") == "the path 'out/.' is none below out/");
  BOOST_TEST(path_of(in_out, "..") == "the path 'out/..' is none below out/");
  BOOST_TEST(path_of(in_out, std::string("a\0b", 3)).ends_with("' is none below out/"));
  BOOST_TEST(path_of("{append: '{{ text }}'}", "a/b") == "a/b");
  BOOST_TEST(path_of("{append: '{{ text }}'}", "/etc/passwd") ==
             "the path '/etc/passwd' is none below the working directory");
  BOOST_TEST(path_of("{append: '/var/log/x-{{ text }}'}", "a") == "/var/log/x-a");
  BOOST_TEST(path_of("{append: '/var/log/x-{{ text }}'}", "/../../etc/passwd") ==
             "the path '/var/log/x-/../../etc/passwd' is none below /var/log/");
  BOOST_TEST(path_of("{write: 'out/{{ text }}.html', format: whole}", "../../a") ==
             "the path 'out/../../a.html' is none below out/");
}

BOOST_AUTO_TEST_CASE(no_more_than_256_files_are_written_at_once_and_any_number_appended_to) {
  Lines names;
  for (int i = 0; i < 300; ++i) names.push_back("f" + std::to_string(i));
  const auto give = [&](Alone& file) {
    for (int round = 0; round < 2; ++round) {
      for (std::size_t first = 0; first < names.size(); first += 50) {
        file.deliver({names.begin() + static_cast<std::ptrdiff_t>(first),
                      names.begin() + static_cast<std::ptrdiff_t>(first) + 50});
      }
    }
    file.end();
    file.run();
  };
  Alone written("file", "{write: 'out/{{ text }}', format: lines}");
  give(written);
  BOOST_TEST(written.files().paths().size() == 256U);
  BOOST_TEST(written.done == 512U);
  BOOST_TEST(written.failed.size() == 88U);
  BOOST_TEST((written.failed[0].failure.reason == Reason::full));
  BOOST_TEST(written.failed[0].failure.text ==
             "too many files at once, out/f256 would be one more; `append` closes one for another");

  Alone appended("file", "{append: 'out/{{ text }}'}");
  give(appended);
  BOOST_TEST(appended.done == 600U);
  BOOST_TEST(appended.files().paths().size() == 300U);
  BOOST_TEST(appended.files().text("out/f0") == "f0\nf0\n");
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_made_fails_its_own_messages_only) {
  Alone file("file", "{append: 'out/{{ text }}'}");
  file.files().make_directory("out/folder");
  file.deliver({"a", "folder", "b"});
  file.end();
  file.run();
  BOOST_TEST(file.fault == "");
  BOOST_TEST(file.done == 2U);
  BOOST_REQUIRE_EQUAL(file.failed.size(), 1U);
  BOOST_TEST((file.failed[0].failure.reason == Reason::io));
  BOOST_TEST(file.failed[0].failure.text == "file: cannot write out/folder: Is a directory");
}

// ------------------------------------------------------------------------------------------------------------ mistakes

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused_with_its_cure) {
  BOOST_TEST(mistake("{read: ''}") == "the path is empty");
  BOOST_TEST(mistake("{write: ''}") == "the path is empty");
  const std::string lines = "`append` adds lines; write `format: ndjson` or `format: lines`";
  BOOST_TEST(mistake("{append: a.json}") == lines);
  BOOST_TEST(mistake("{append: a.txt, format: whole}") == lines);
  BOOST_TEST(mistake("{write: a.txt, columns: [a]}") == "only csv has columns");
  BOOST_TEST(mistake("{write: a.txt, fsync: 1}") == "expected never, always or a duration, found '1'; such as 1s");
  BOOST_TEST(mistake("{append: a.txt, rotate: {keep: 3}}") == "when?; say `size: 100MiB` or `every: 1d`");
  BOOST_TEST(mistake("{write: a.txt, rotate: {every: 1d}}") == "'rotate' goes with append, not with write");
  BOOST_TEST(mistake("{follow: a.log.gz}") == "a compressed file does not grow line by line; `read` reads it");
  BOOST_TEST(mistake("{read: a.csv, types: {id: intger}}") ==
             "there is no type 'intger' for the field 'id'; did you mean 'integer'?");
  BOOST_TEST(mistake("{read: a.txt, types: {id: integer}}") ==
             "only the fields of csv and logfmt have types given to them");
  BOOST_TEST(Read("file", "{read: a.csv, format: lines}").diagnostics.empty());
  BOOST_TEST(!Read("file", "{read: a, write: b}").diagnostics.empty());
  BOOST_TEST(!Read("file", "{}").diagnostics.empty());
  BOOST_TEST(!Read("file", "{write: a, every: 1s}").diagnostics.empty());
}
