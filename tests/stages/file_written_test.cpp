// file: what is written as CSV and logfmt, compressed, put aside, and made durable.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <ctime>
#include <limits>
#include <string>

#include "engine/io/compress.hpp"
#include "engine/stage/written_files.hpp"
#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir;
using namespace weir::tests;
using Lines = std::vector<std::string>;

namespace {

/// What stands in `path` when these were delivered one after the other.
std::string written(const std::string& yaml, const std::vector<Lines>& deliveries, const std::string& path,
                    const std::string& before = {}) {
  Alone file("file", yaml);
  if (!before.empty()) file.files().put(path, before);
  file.start();
  for (const auto& payloads : deliveries) file.deliver(payloads);
  file.end();
  file.runtime.run_until_idle();
  BOOST_TEST(file.ended);
  BOOST_TEST(file.fault == "");
  return file.files().text(path);
}

std::string read_again(const std::string& name, const std::string& bytes) {
  Alone file("file", "{read: " + name + ", format: lines}");
  file.files().put(name, bytes);
  file.run();
  std::string all;
  for (const auto& line : file.out()) all += line + "\n";
  return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_has_come_is_written_at_once_up_to_64_kib) {
  const auto writes = [](std::size_t bytes, bool beside) {
    Alone file("file", "{write: 'out/{{ msg.to }}.txt'}");
    const std::string line = R"({"to":"a","x":")" + std::string(bytes, 'x') + R"("})";
    file.start();
    for (int i = 0; i < 8; ++i) file.deliver(beside ? Lines{line, R"({"to":"b"})"} : Lines{line});
    file.end();
    file.runtime.run_until_idle();
    std::string all;
    for (int i = 0; i < 8; ++i) all += line + "\n";
    BOOST_TEST(file.files().text("out/a.txt") == all);
    return file.files().writes("out/a.txt").size();
  };
  BOOST_TEST(writes(100, false) == 1U);
  BOOST_TEST(writes(100, true) == 1U);
  BOOST_TEST(writes(16 * 1024, false) == 2U);
  BOOST_TEST(writes(64 * 1024, true) == 8U);
}

namespace {

/// A file that takes lines of 1,000 bytes, one in each delivery.
struct Blocks {
  Blocks(const std::string& yaml, int deliveries, std::uint64_t room = 1'000'000) : file("file", yaml) {
    file.files().set_capacity(room);
    file.start();
    for (int i = 0; i < deliveries; ++i) file.deliver({line(i)});
  }
  static std::string line(int number) { return std::to_string(1000 + number) + std::string(995, 'x'); }
  static std::string lines(std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) all += line(static_cast<int>(i)) + "\n";
    return all;
  }
  Alone file;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_file_that_nobody_reads_yet_is_written_by_whole_blocks) {
  using Sizes = std::vector<std::size_t>;
  Blocks blocks("{write: a.txt, format: lines}", 200);
  blocks.file.end();
  blocks.file.runtime.run_until_idle();
  BOOST_TEST(blocks.file.files().writes("a.txt") == (Sizes{65536, 65536, 65536, 200'000 - 3 * 65536}),
             boost::test_tools::per_element());
  BOOST_TEST(blocks.file.files().text("a.txt") == Blocks::lines(200));
  BOOST_TEST(blocks.file.done == 200U);

  // Of one that others read no half line is seen.
  Blocks lines("{append: a.txt, format: lines}", 200);
  lines.file.end();
  lines.file.runtime.run_until_idle();
  BOOST_TEST(lines.file.files().writes("a.txt") == (Sizes{66'000, 66'000, 66'000, 2'000}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(in_a_pipeline_blocks_are_whole_while_others_bring_more_and_nothing_waits_for_long) {
  std::ptrdiff_t whole = 0;  // Of all runs: where turns are shuffled, now and then nobody else has one.
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Bench bench("stages:\n  in: {generate: {range: 1..5000, text: '{{ i }} " + std::string(190, 'x') +
                    "'}}\n  late: {generate: {every: 1s, count: 3, text: '{{ i }}'}}\n"
                    "  some: {from: in, where: 'true', edge: {capacity: 64}}\n"
                    "  out: {from: some, file: {write: out.txt, format: lines}}\n"
                    "  slow: {from: late, file: {write: slow.txt, format: lines}}\n",
                seed);
    bench.start();
    bench.advance(std::chrono::milliseconds(1500));
    BOOST_TEST(bench.files().text("slow.txt.part") == "1\n2\n");
    bench.run();
    const auto& sizes = bench.files().writes("out.txt");
    whole += std::count(sizes.begin(), sizes.end(), 65536U);
    BOOST_TEST(bench.files().text("slow.txt") == "1\n2\n3\n");
    const std::string text = bench.files().text("out.txt");
    BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 5000);
  }
  BOOST_TEST(whole > 0);
}

BOOST_AUTO_TEST_CASE(what_waits_for_its_block_is_written_when_nothing_comes) {
  Blocks blocks("{write: a.txt, format: lines}", 80);
  blocks.file.runtime.run_until_idle();
  BOOST_TEST(blocks.file.files().text("a.txt.part") == Blocks::lines(80));
  BOOST_TEST(blocks.file.done == 80U);
}

BOOST_AUTO_TEST_CASE(on_a_full_disk_the_line_that_two_blocks_share_is_not_left_there_in_half) {
  Blocks blocks("{write: a.txt, format: lines}", 200, 65'600);
  blocks.file.end();
  blocks.file.runtime.run_for(std::chrono::seconds(1));
  BOOST_TEST(blocks.file.files().text("a.txt.part") == Blocks::lines(65));
  BOOST_TEST(blocks.file.done == 65U);
  blocks.file.files().set_capacity(1'000'000);
  blocks.file.runtime.run_until_idle();
  BOOST_TEST(blocks.file.files().text("a.txt") == Blocks::lines(200));
  BOOST_TEST(blocks.file.done == 200U);
}

BOOST_AUTO_TEST_CASE(stopped_between_two_blocks_a_file_ends_with_a_whole_line) {
  Blocks blocks("{write: a.txt, format: lines}", 200, 140'300);
  blocks.file.runtime.run_for(std::chrono::seconds(1));
  blocks.file.stop();
  BOOST_TEST(blocks.file.files().text("a.txt.part") == Blocks::lines(140));
  BOOST_TEST(blocks.file.done == 140U);
  BOOST_TEST(blocks.file.failed.size() > 0U);
}

BOOST_AUTO_TEST_CASE(what_an_earlier_run_wrote_and_did_not_finish_is_put_aside) {
  Alone file("file", "{write: out/a.txt}");
  file.files().put("out/a.txt.part", "1\n2\n");
  file.start();
  file.deliver({"3"});
  file.end();
  file.runtime.run_until_idle();
  BOOST_TEST(file.files().text("out/a.txt") == "3\n");
  const auto paths = file.files().paths();
  BOOST_REQUIRE_EQUAL(paths.size(), 2U);
  BOOST_TEST(paths[1].starts_with("out/a.txt-20"), paths[1]);
  BOOST_TEST(paths[1].ends_with("Z.part"), paths[1]);
  BOOST_TEST(file.files().text(paths[1]) == "1\n2\n");
}

BOOST_AUTO_TEST_CASE(each_message_of_what_is_written_at_once_has_its_own_verdict) {
  Alone file("file", "{append: a.csv, columns: [a]}");
  file.files().set_capacity(12);
  file.start();
  file.deliver({R"({"a":1})", "[]"});
  file.deliver({"[]", R"({"a":2})", R"({"a":300})"});
  file.deliver({R"({"a":4000})", R"({"a":5})"});
  file.end();
  file.runtime.run_for(std::chrono::seconds(1));
  BOOST_TEST(file.files().text("a.csv") == "a\n1\n2\n300\n");
  file.files().set_capacity(1000);
  file.runtime.run_until_idle();
  BOOST_TEST(file.files().text("a.csv") == "a\n1\n2\n300\n4000\n5\n");
  BOOST_REQUIRE_EQUAL(file.failed.size(), 2U);
  for (const auto& failed : file.failed) BOOST_TEST((failed.failure.reason == Reason::type));
}

BOOST_AUTO_TEST_CASE(a_file_that_is_added_to_and_that_somebody_removes_is_begun_anew) {
  Bench bench(
      "stages:\n  in: {generate: {every: 1s, text: '{{ i }}'}}\n"
      "  out: {from: in, file: {append: logs/out.txt, format: lines}}\n");
  const auto told = [&bench] {
    std::size_t times = 0;
    const std::string line = "msg=\"the file was removed; it is begun anew\"";
    for (auto at = bench.log.find(line); at != std::string::npos; at = bench.log.find(line, at + 1)) ++times;
    return times;
  };
  bench.start();
  bench.advance(std::chrono::milliseconds(1500));
  // As logrotate does it: who has moved it away finds in it what still comes.
  bench.files().rename("logs/out.txt", "logs/old.txt");
  bench.advance(std::chrono::seconds(1));
  BOOST_TEST(bench.files().text("logs/old.txt") == "1\n2\n3\n");
  BOOST_TEST(!bench.files().exists("logs/out.txt"));
  BOOST_TEST(told() == 0U, bench.log);

  bench.files().remove("logs/old.txt");
  bench.advance(std::chrono::seconds(2));
  BOOST_TEST(bench.files().text("logs/out.txt") == "4\n5\n");
  BOOST_TEST(told() == 1U, bench.log);

  bench.files().put("logs/out.txt", "other\n");  // As `sed -i` does it: another file of its name.
  bench.advance(std::chrono::seconds(2));
  BOOST_TEST(bench.files().text("logs/out.txt") == "other\n6\n7\n");
  BOOST_TEST(told() == 2U, bench.log);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_removed_while_the_disk_is_full_does_not_take_what_waits_with_it) {
  Bench bench(
      "stages:\n  in: {generate: {range: 1..5, text: '{{ i }}'}}\n"
      "  out: {from: in, file: {append: out.txt, format: lines}}\n");
  bench.files().set_capacity(4);
  bench.start();
  bench.advance(std::chrono::seconds(5));
  BOOST_TEST(bench.files().text("out.txt") == "1\n2\n");
  bench.files().remove("out.txt");
  bench.files().set_capacity(1000);
  bench.run();
  BOOST_TEST(bench.files().text("out.txt") == "3\n4\n5\n");
  BOOST_TEST(bench.ending().unheard == 0U);
}

// ----------------------------------------------------------------------------------------------------- CSV and logfmt

BOOST_AUTO_TEST_CASE(csv_that_is_begun_anew_has_its_header_and_fits_what_took_its_place) {
  Alone file("file", "{append: a.csv}");
  file.start();
  file.deliver({R"({"a":1})"});
  file.run_for(1s);
  file.files().remove("a.csv");
  file.deliver({R"({"a":2})"});
  file.run_for(1s);
  BOOST_TEST(file.files().text("a.csv") == "a\n2\n");
  file.files().put("a.csv", "a,b\n3,4");
  file.deliver({R"({"a":5,"b":6})"});
  file.run_for(1s);
  BOOST_TEST(file.files().text("a.csv") == "a,b\n3,4\n5,6\n");
  BOOST_TEST(file.done == 3U);

  file.files().put("a.csv", "\"a");  // What cannot be added to fails its messages, until it can.
  file.deliver({R"({"a":7})"});
  file.run_for(1s);
  BOOST_TEST(file.running());
  BOOST_REQUIRE_EQUAL(file.failed.size(), 1U);
  BOOST_CHECK(file.failed[0].failure.reason == Reason::io);
  file.files().remove("a.csv");
  file.deliver({R"({"a":8})"});
  file.run_for(1s);
  BOOST_TEST(file.files().text("a.csv") == "a\n8\n");
}

BOOST_AUTO_TEST_CASE(the_first_message_says_what_the_columns_of_csv_are) {
  BOOST_TEST(written("{write: a.csv}",
                     {{R"({"id":1,"name":"Ann"})", R"({"name":"B, \"q\"","id":null})"}, {R"({"id":[1,2]})"}},
                     "a.csv") == "id,name\n1,Ann\n,\"B, \"\"q\"\"\"\n\"[1,2]\",\n");
}

BOOST_AUTO_TEST_CASE(columns_say_which_fields_are_written_and_in_which_order) {
  BOOST_TEST(written("{write: a.csv, columns: [name, 'the id']}", {{R"({"the id":1,"name":"Ann","more":2})", "{}"}},
                     "a.csv") == "name,the id\nAnn,1\n,\n");
}

BOOST_AUTO_TEST_CASE(a_field_without_a_column_is_not_lost_without_a_word) {
  Alone file("file", "{append: a.csv}");
  file.start();
  file.deliver({R"({"a":1})", R"({"a":2,"b":3})", "[]", R"({"a":4})"});
  file.end();
  file.runtime.run_until_idle();
  BOOST_TEST(file.files().text("a.csv") == "a\n1\n4\n");
  BOOST_REQUIRE_EQUAL(file.failed.size(), 2U);
  BOOST_TEST((file.failed[0].failure.reason == Reason::type));
  BOOST_TEST(file.failed[0].failure.text == "there is no column for the field 'b'; `columns` says which are written");
  BOOST_TEST(file.failed[1].failure.text == "the payload is no object, so it has no fields to write");
}

BOOST_AUTO_TEST_CASE(a_line_of_csv_takes_so_long_as_there_are_columns) {
  const auto ticks = [](int members) {
    std::string object;
    for (int i = 0; i < members; ++i) {
      object += (object.empty() ? "{\"a" : ",\"a") + std::to_string(i) + "\":" + std::to_string(i);
    }
    object += "}";
    std::clock_t least = std::numeric_limits<std::clock_t>::max();
    for (int i = 0; i < 3; ++i) {
      const std::clock_t begin = std::clock();
      BOOST_TEST(written("{write: a.csv}", {Lines(5, object)}, "a.csv").size() > object.size());
      least = std::min(least, std::clock() - begin);
    }
    return least;
  };
  // Four times as many take four times as long; where each is looked for among all, sixteen times.
  BOOST_TEST(ticks(40'000) < 9 * ticks(10'000));
}

BOOST_AUTO_TEST_CASE(csv_that_is_added_to_keeps_its_header_and_its_columns) {
  BOOST_TEST(written("{append: a.csv}", {{R"({"a":1,"b":2})"}}, "a.csv", "b,a\n0,0\n") == "b,a\n0,0\n2,1\n");
}

BOOST_AUTO_TEST_CASE(csv_that_is_added_to_may_begin_as_csv_that_is_read_may) {
  const Lines one{R"({"a":1,"b":2})"};
  for (const std::string before : {"\xEF\xBB\xBF"
                                   "b,a\n0,0\n",
                                   "\n\r\nb,a\r\n0,0\n", "\xEF\xBB\xBF\n\"b\",a\n", "b,a"}) {
    const std::string line_end = before.ends_with('\n') ? "" : "\n";
    BOOST_TEST(written("{append: a.csv}", {one}, "a.csv", before) == before + line_end + "2,1\n");
    BOOST_TEST(written("{append: a.csv, columns: [b, a]}", {one}, "a.csv", before) == before + line_end + "2,1\n");
  }
  BOOST_TEST(written("{append: a.csv}", {{R"({"x\ny":1})"}}, "a.csv", "\"x\ny\"\n") == "\"x\ny\"\n1\n");
  for (const std::string before : {"\xEF\xBB\xBF", "\n", "\r\n\n"}) {
    const std::string line_end = before.ends_with('\n') ? "" : "\n";
    BOOST_TEST(written("{append: a.csv}", {one}, "a.csv", before) == before + line_end + "a,b\n1,2\n");
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_added_to_half_a_field_of_csv) {
  for (const std::string before : {"a,b\n7,\"half", "a,b\n7,\"half\nof it"}) {
    Alone file("file", "{append: a.csv, columns: [a, b]}");
    file.files().put("a.csv", before);
    file.run();
    BOOST_TEST(file.fault == "file: cannot add to a.csv: it ends in the middle of a field: Invalid argument");
    BOOST_TEST(file.files().text("a.csv") == before);
  }
  for (const std::string before : {"a,b\n7,\"a\n\"\"b\"", "a,b\n7,8"}) {
    Alone file("file", "{append: a.csv, columns: [a, b]}");
    file.files().put("a.csv", before);
    file.start();
    file.deliver({R"({"a":1,"b":2})"});
    file.end();
    file.runtime.run_until_idle();
    BOOST_TEST(file.files().text("a.csv") == before + "\n1,2\n");
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_added_below_other_columns) {
  const auto refused = [](const std::string& before) {
    Alone file("file", "{append: a.csv, columns: [a, b]}");
    file.files().put("a.csv", before);
    file.run();
    BOOST_TEST(file.files().text("a.csv") == before);
    return file.fault;
  };
  BOOST_TEST(refused("b,a\n0,0") ==
             "file: cannot add to a.csv: its columns are b, a, and `columns` says a, b: Invalid argument");
  BOOST_TEST(
      refused("\"a\"b\n") ==
      "file: cannot add to a.csv: its first record is not CSV: a comma is missing behind a closing quote, byte 4: "
      "Invalid argument");
  BOOST_TEST(refused(std::string(100'000, 'a')) ==
             "file: cannot add to a.csv: its first record is too long: Invalid argument");
  Alone many("file", "{append: '{{ msg.to }}.csv', columns: [a]}");
  many.files().put("1.csv", "b\n");
  many.start();
  many.deliver({R"({"to":1,"a":1})", R"({"to":2,"a":2})"});
  many.end();
  many.runtime.run_until_idle();
  BOOST_TEST(many.fault == "");
  BOOST_TEST(many.files().text("2.csv") == "a\n2\n");
  BOOST_REQUIRE_EQUAL(many.failed.size(), 1U);
  BOOST_TEST((many.failed[0].failure.reason == Reason::io));
  BOOST_TEST(many.failed[0].failure.text ==
             "file: cannot add to 1.csv: its columns are b, and `columns` says a: Invalid argument");
}

BOOST_AUTO_TEST_CASE(a_column_has_a_name_and_one_place) {
  Alone file("file", "{write: a.csv}");
  file.start();
  file.deliver({R"({"a":1,"":2})", R"({"a":3,"b":4,"a":5})", R"({"":6})"});
  file.end();
  file.runtime.run_until_idle();
  BOOST_TEST(file.files().text("a.csv") == "b,a\n4,5\n");
  BOOST_REQUIRE_EQUAL(file.failed.size(), 2U);
  BOOST_TEST((file.failed[0].failure.reason == Reason::type));
  BOOST_TEST(file.failed[0].failure.text == "the key of a field is empty, and a column needs a name");
  BOOST_TEST(Read("file", "{write: a.csv, columns: [a, a]}").mistake() == "there are two columns 'a'");
  BOOST_TEST(Read("file", "{append: a.csv, columns: ['']}").mistake() == "a column has no name");
}

BOOST_AUTO_TEST_CASE(each_file_of_csv_has_its_header) {
  Bench bench(
      "stages:\n  in: {generate: {range: 1..4, msg: {n: '{{ i }}', k: '{{ i % 2 }}'}}}\n"
      "  out: {from: in, file: {write: 'out/{{ msg.k }}.csv'}}\n");
  bench.run();
  BOOST_TEST(bench.files().text("out/0.csv") == "n,k\n2,0\n4,0\n");
  BOOST_TEST(bench.files().text("out/1.csv") == "n,k\n1,1\n3,1\n");
}

BOOST_AUTO_TEST_CASE(blanks_alone_in_a_line_are_read_again) {
  const Lines hard{R"({"a":" "})", R"({"a":"\t"})", R"({"a":""})", R"({"a":"\tx"})"};
  Alone file("file", "{read: a.csv}");
  file.files().put("a.csv", written("{write: a.csv}", {hard}, "a.csv"));
  file.run();
  BOOST_TEST(file.out() == hard);
}

BOOST_AUTO_TEST_CASE(csv_is_read_again_as_what_was_written) {
  const std::string hard = R"({"a":"x\ny","b":"\"","c":" blank ","d":""})";
  const auto bytes = written("{write: a.csv}", {{hard}}, "a.csv");
  Alone file("file", "{read: a.csv}");
  file.files().put("a.csv", bytes);
  file.run();
  BOOST_TEST(file.out() == Lines{hard});
}

BOOST_AUTO_TEST_CASE(logfmt_is_written_a_pair_for_each_field) {
  Alone file("file", "{append: a.log, format: logfmt}");
  file.start();
  file.deliver({R"({"level":"info","msg":"all \"well\"\n","n":1.50,"no":null})", R"({"a b":1})"});
  file.end();
  file.runtime.run_until_idle();
  BOOST_TEST(file.files().text("a.log") == "level=info msg=\"all \\\"well\\\"\\n\" n=1.50 no=\n");
  BOOST_REQUIRE_EQUAL(file.failed.size(), 1U);
  BOOST_TEST(file.failed[0].failure.text ==
             "the key 'a b' cannot stand in logfmt: it is empty, or holds a blank, `=` or a quote");
}

BOOST_AUTO_TEST_CASE(half_a_line_that_somebody_left_is_ended_before_the_next_one) {
  BOOST_TEST(written("{append: a.txt}", {{"2"}}, "a.txt", "1\nha") == "1\nha\n2\n");
  BOOST_TEST(written("{append: a.txt}", {{"2"}}, "a.txt", "1\n") == "1\n2\n");
}

// -------------------------------------------------------------------------------------------------------- compression

BOOST_AUTO_TEST_CASE(what_is_compressed_by_its_name_is_read_again_by_it) {
  for (const std::string name : {"a.txt.gz", "a.txt.zst"}) {
    const auto bytes = written("{append: " + name + "}", {{"one", "two"}, {"three"}}, name);
    BOOST_TEST(bytes.substr(0, 2) == (name.ends_with("gz") ? "\x1f\x8b" : "\x28\xb5"));
    BOOST_TEST(read_again(name, bytes) == "one\ntwo\nthree\n");
  }
}

BOOST_AUTO_TEST_CASE(a_compressed_file_of_nothing_is_whole_too) {
  for (const std::string name : {"a.txt.gz", "a.txt.zst"}) {
    const auto bytes = written("{write: " + name + "}", {}, name);
    BOOST_TEST(!bytes.empty());
    BOOST_TEST(read_again(name, bytes).empty());
  }
  BOOST_TEST(written("{write: a.txt}", {}, "a.txt").empty());
}

BOOST_AUTO_TEST_CASE(the_format_is_that_of_the_name_before_it_was_compressed) {
  const auto bytes = written("{write: a.csv.gz}", {{R"({"a":1})"}}, "a.csv.gz");
  BOOST_TEST(read_again("a.csv.gz", bytes) == "a\n1\n");
  Alone file("file", "{read: a.csv.gz}");
  file.files().put("a.csv.gz", bytes);
  file.run();
  BOOST_TEST(file.out() == Lines{R"({"a":"1"})"});
}

BOOST_AUTO_TEST_CASE(compress_says_it_where_the_name_does_not) {
  const auto bytes = written("{append: a.txt, compress: zstd}", {{"one"}}, "a.txt");
  BOOST_TEST(read_again("b.zst", bytes) == "one\n");
  BOOST_TEST(written("{append: a.gz, compress: none}", {{"one"}}, "a.gz") == "one\n");
}

BOOST_AUTO_TEST_CASE(a_whole_file_can_be_compressed_too) {
  const auto bytes = written("{write: a.json.gz}", {{R"({"a":1})"}}, "a.json.gz");
  Alone file("file", "{read: a.json.gz}");
  file.files().put("a.json.gz", bytes);
  file.run();
  BOOST_TEST(file.out() == Lines{R"({"a":1})"});
}

BOOST_AUTO_TEST_CASE(a_full_disk_leaves_no_half_of_a_compressed_member) {
  Alone file("file", "{append: a.gz}");
  file.files().set_capacity(60);
  file.start();
  file.deliver({"one"});
  file.run_for(1s);
  file.deliver({"a line that is a good deal longer, 0123456789 abcdefghijklmnopqrstuvwxyz, and has no place"});
  file.run_for(1s);
  BOOST_TEST(file.done == 1U);
  BOOST_TEST(read_again("a.gz", file.files().text("a.gz")) == "one\n");
  file.files().set_capacity(10'000);
  file.end();
  file.runtime.run_until_idle();
  BOOST_TEST(file.done == 2U);
  BOOST_TEST(read_again("a.gz", file.files().text("a.gz")).find("no place\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(half_a_line_in_a_compressed_file_is_ended_as_well) {
  for (const auto& [name, by] :
       {std::pair("a.ndjson.gz", io::Compression::gzip), std::pair("a.ndjson.zst", io::Compression::zstd)}) {
    for (const std::string before : {R"({"x":1})", "{\"x\":1}\n", ""}) {
      std::string bytes;
      io::compress(by, before, bytes);
      const std::string line_end = before.ends_with('}') ? "\n" : "";
      const auto after = written("{append: " + std::string(name) + "}", {{R"({"a":2})"}}, name, bytes);
      BOOST_TEST(after.starts_with(bytes));
      BOOST_TEST(read_again(name, after) == before + line_end + "{\"a\":2}\n");
    }
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_added_to_a_compressed_file_that_is_damaged) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i * 7919) + "\n";
  for (const auto& [name, by] : {std::pair("a.gz", io::Compression::gzip), std::pair("a.zst", io::Compression::zstd)}) {
    std::string bytes;
    io::compress(by, text, bytes);
    for (const std::string& wrong : {bytes.substr(0, bytes.size() - 1), std::string("plain\n"), bytes + "x"}) {
      Alone file("file", "{append: " + std::string(name) + "}");
      file.files().put(name, wrong);
      file.run();
      BOOST_TEST(file.fault == "file: cannot add to " + std::string(name) + ": it is " +
                                   (wrong != "plain\n" ? "damaged, or ends too early"
                                    : name[2] == 'g'   ? "not gzip"
                                                       : "not zstd") +
                                   ": Bad message");
      BOOST_TEST(file.files().text(name) == wrong);
    }
  }
  std::string bytes;
  io::compress(io::Compression::gzip, text, bytes);
  Alone padded("file", "{append: a.gz}");
  padded.files().put("a.gz", bytes + std::string(512, '\0'));
  padded.run();
  BOOST_TEST(padded.fault == "file: cannot add to a.gz: it ends in zeros, behind which nothing is read: Bad message");
}

BOOST_AUTO_TEST_CASE(a_line_end_that_finds_no_room_leaves_a_compressed_file_as_it_was) {
  std::string bytes;
  io::compress(io::Compression::gzip, "half", bytes);
  Alone file("file", "{append: a.gz}");
  file.files().put("a.gz", bytes);
  file.files().set_capacity(bytes.size() + 5);
  file.start();
  file.run_for(1min);
  BOOST_TEST(!file.ended);
  BOOST_TEST(file.files().text("a.gz") == bytes);
  file.files().set_capacity(1000);
  file.end();
  file.run_for(10s);
  BOOST_TEST(file.ended);
  BOOST_TEST(file.fault == "");
  BOOST_TEST(file.files().text("a.gz").size() > bytes.size());
}

BOOST_AUTO_TEST_CASE(a_damaged_file_ends_the_stage) {
  Alone file("file", "{read: a.gz}");
  file.files().put("a.gz", "no gzip");
  file.run();
  BOOST_TEST(file.fault == "file: a.gz is not gzip: Bad message");
}

// ----------------------------------------------------------------------------------------------------------- rotation

BOOST_AUTO_TEST_CASE(a_name_gets_its_time_before_its_ending) {
  const runtime::WallTime at(std::chrono::sys_days(std::chrono::year(2026) / 11 / 26) + 9h + 15min + 123ms);
  BOOST_TEST(stage::put_aside_name("logs/app.log", at) == "logs/app-20261126T091500.123Z.log");
  BOOST_TEST(stage::put_aside_name("a.b.ndjson.gz", at) == "a.b-20261126T091500.123Z.ndjson.gz");
  BOOST_TEST(stage::put_aside_name("logs.d/app", at) == "logs.d/app-20261126T091500.123Z");
  BOOST_TEST(stage::put_aside_name(".hidden", at) == ".hidden-20261126T091500.123Z");
}

BOOST_AUTO_TEST_CASE(no_file_grows_beyond_its_size_and_no_line_is_cut) {
  Alone file("file", "{append: a.txt, rotate: {size: 10B}}");
  file.start();
  file.deliver({"1234", "1234", "x", "123456789012345", "y"});
  file.deliver({"z"});
  file.end();
  file.runtime.run_until_idle();
  BOOST_TEST(file.done == 6U);
  Lines texts;
  for (const auto& path : file.files().paths()) texts.push_back(file.files().text(path));
  BOOST_TEST(texts == (Lines{"1234\n1234\n", "x\n", "123456789012345\n", "y\nz\n"}));
  BOOST_TEST(file.files().paths().back() == "a.txt");
}

BOOST_AUTO_TEST_CASE(a_file_is_put_aside_with_the_first_message_of_a_new_period) {
  Alone file("file", "{append: a.csv, rotate: {every: 1h}}");
  file.start();
  file.deliver({R"({"a":1})"});
  file.run_for(30min);
  file.deliver({R"({"a":2})"});
  file.run_for(5h);
  BOOST_TEST(file.files().paths() == Lines{"a.csv"});
  file.deliver({R"({"a":3})"});
  file.run_for(1s);
  BOOST_REQUIRE_EQUAL(file.files().paths().size(), 2U);
  BOOST_TEST(file.files().text(file.files().paths()[0]) == "a\n1\n2\n");
  BOOST_TEST(file.files().text("a.csv") == "a\n3\n");
}

BOOST_AUTO_TEST_CASE(only_so_many_old_ones_are_kept_and_no_other_file_is_touched) {
  Alone file("file", "{append: logs/a.txt, rotate: {size: 2B, keep: 2}}");
  file.files().put("logs/a-old.txt", "");
  file.files().put("logs/a-20200101T000000.000Z.log", "");
  file.start();
  for (int i = 1; i < 7; ++i) file.deliver({std::to_string(i)});
  file.end();
  file.runtime.run_until_idle();
  Lines texts;
  for (const auto& path : file.files().paths()) texts.push_back(file.files().text(path));
  BOOST_TEST(texts == (Lines{"", "4\n", "5\n", "", "6\n"}));
}

BOOST_AUTO_TEST_CASE(compressed_files_are_put_aside_as_well) {
  Alone file("file", "{append: a.txt.gz, rotate: {size: 25B}}");
  file.start();
  file.deliver({"one"});
  file.run_for(1s);
  file.deliver({"two"});
  file.end();
  file.runtime.run_until_idle();
  BOOST_REQUIRE_EQUAL(file.files().paths().size(), 2U);
  BOOST_TEST(read_again("a.gz", file.files().text(file.files().paths()[0])) == "one\n");
  BOOST_TEST(read_again("a.gz", file.files().text("a.txt.gz")) == "two\n");
}

// --------------------------------------------------------------------------------------------------------- durability

BOOST_AUTO_TEST_CASE(by_default_nothing_that_is_added_waits_for_the_disk) {
  Alone file("file", "{append: a.txt}");
  file.start();
  file.deliver({"1"});
  file.run_for(1h);
  BOOST_TEST(file.done == 1U);
  BOOST_TEST(file.files().synced("a.txt") == 0U);
}

BOOST_AUTO_TEST_CASE(with_fsync_always_a_message_is_done_when_it_is_on_the_disk) {
  Alone file("file", "{append: a.txt, fsync: always}");
  file.start();
  file.deliver({"1", "2"});
  file.runtime.run_until_idle();
  BOOST_TEST(file.done == 2U);
  BOOST_TEST(file.files().synced("a.txt") == 4U);
}

BOOST_AUTO_TEST_CASE(what_the_disk_does_not_take_is_not_done_and_ends_the_stage) {
  Alone file("file", "{append: a.txt, fsync: always}");
  file.start();
  file.files().fail_sync(true);
  file.deliver({"1", "2"});
  file.runtime.run_until_idle();
  BOOST_TEST(file.done == 0U);
  BOOST_TEST(file.failed.size() == 2U);
  BOOST_TEST(file.fault == "file: cannot sync a.txt: Input/output error");
}

BOOST_AUTO_TEST_CASE(with_a_duration_it_is_on_the_disk_so_much_later) {
  Alone file("file", "{append: '{{ text }}.txt', fsync: 10s}");
  file.start();
  file.deliver({"a", "b"});
  file.run_for(1s);
  BOOST_TEST(file.done == 2U);
  BOOST_TEST(file.files().synced("a.txt") == 0U);
  file.run_for(10s);
  BOOST_TEST(file.files().synced("a.txt") == 2U);
  BOOST_TEST(file.files().synced("b.txt") == 2U);
  file.deliver({"a"});
  file.end();
  file.run_for(1s);
  BOOST_TEST(file.ended);
  BOOST_TEST(file.files().synced("a.txt") == 4U);  // Also when it ends before.
}

BOOST_AUTO_TEST_CASE(where_nothing_is_written_nobody_is_up_to_make_it_durable) {
  Alone file("file", "{append: a.txt, fsync: 1s}");
  file.start();
  file.deliver({"a"});
  BOOST_TEST(file.runtime.run_until_idle());  // It comes to rest.
  BOOST_TEST((file.runtime.now() < weir::runtime::Time(3s)));
  BOOST_TEST(file.files().synced("a.txt") == 2U);
  file.deliver({"b"});
  file.runtime.run_until_idle();
  BOOST_TEST(file.files().synced("a.txt") == 4U);
}

BOOST_AUTO_TEST_CASE(a_disk_that_fails_later_ends_the_stage_with_the_next_message) {
  Alone file("file", "{append: a.txt, fsync: 10s}");
  file.start();
  file.deliver({"1"});
  file.run_for(1s);
  file.files().fail_sync(true);
  file.run_for(20s);
  file.deliver({"2"});
  file.run_for(1s);
  BOOST_TEST(file.fault == "file: cannot sync a.txt: Input/output error");
}
