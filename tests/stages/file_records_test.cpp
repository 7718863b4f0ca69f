// file: CSV and logfmt as they are read, envelopes as they are written.
#include "tests/support/bench.hpp"

#include <boost/test/unit_test.hpp>

using namespace std::chrono_literals;
using namespace weir;
using namespace weir::tests;

namespace {

const std::string end =
    "  good: {from: in, file: {write: good}}\n  bad: {from: in.failed, set: {line: '{{ failed.line }}'}}\n";

/// What comes of a file, and what each refused record says.
struct Got {
  Got(const std::string& options, const std::string& bytes, std::uint64_t cut = 0) {
    Bench bench("stages:\n  in: {file: {read: in" + options +
                "}}\n  out: {from: in, file: {append: out}}\n"
                "  why: {from: in.failed, lua: 'return {failed.kind, failed.line, failed.text, text}'}\n"
                "  told: {from: why, file: {append: told}}\n");
    BOOST_TEST_REQUIRE(bench.mistakes() == "");
    bench.files().put("in", bytes);
    if (cut > 0) bench.files().shorten_reads(cut);
    bench.run();
    good = bench.files().text("out");
    bad = bench.files().text("told");
    log = bench.log;
  }
  std::string good, bad, log;
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_first_record_names_the_fields) {
  const Got got(", format: csv", "id,name\r\n1,Ann\r\n2,\"B \"\"q\"\", x\"\n\n3,\"two\nlines\"");
  BOOST_TEST(got.good ==
             "{\"id\":\"1\",\"name\":\"Ann\"}\n"
             "{\"id\":\"2\",\"name\":\"B \\\"q\\\", x\"}\n"
             "{\"id\":\"3\",\"name\":\"two\\nlines\"}\n");
  BOOST_TEST(got.bad == "");
}

BOOST_AUTO_TEST_CASE(fields_may_stand_between_other_delimiters) {
  const Got got(", format: csv, delimiter: semicolon", "id;name\n1;\"A;B\"\n2;\"two\n;lines\"\n3;4;5\n");
  BOOST_TEST(got.good ==
             "{\"id\":\"1\",\"name\":\"A;B\"}\n"
             "{\"id\":\"2\",\"name\":\"two\\n;lines\"}\n");
  BOOST_TEST(got.bad == "[\"decode\",5,\"the record has 3 fields, but 2 are named\",\"3;4;5\"]\n");
  Bench bench(
      "stages:\n  in: {file: {read: in.tsv.gz, compress: none}}\n"
      "  out: {from: in, file: {append: out.tsv}}\n  bars: {from: in, file: {write: out.csv, delimiter: pipe}}\n");
  bench.files().put("in.tsv.gz", "a\tb\n1\t\"x\ty\"\n2\t3|4\n");
  bench.files().put("out.tsv", "a\tb\n");
  bench.run();
  BOOST_TEST(bench.files().text("out.tsv") == "a\tb\n1\t\"x\ty\"\n2\t3|4\n");
  BOOST_TEST(bench.files().text("out.csv") == "a|b\n1|x\ty\n2|\"3|4\"\n");
}

BOOST_AUTO_TEST_CASE(the_ending_of_a_name_says_the_format_in_large_letters_too) {
  Bench bench(
      "stages:\n  in: {file: {read: DATA.CSV}}\n  out: {from: in, file: {append: out.NDJSON}}\n"
      "  tabs: {from: in, file: {append: Out.Tsv}}\n");
  bench.files().put("DATA.CSV", "a,b\n1,2\n");
  bench.run();
  BOOST_TEST(bench.files().text("out.NDJSON") == "{\"a\":\"1\",\"b\":\"2\"}\n");
  BOOST_TEST(bench.files().text("Out.Tsv") == "a\tb\n1\t2\n");
}

BOOST_AUTO_TEST_CASE(where_no_record_names_the_fields_they_are_given) {
  for (const std::uint64_t cut : {0, 1, 7}) {
    const Got got(", format: csv, columns: [id, name], types: {id: integer}",
                  "\xEF\xBB\xBF"
                  "1,Ann\n2,\"two\nlines\"\n3\n\n4,\n",
                  cut);
    BOOST_TEST(got.good ==
               "{\"id\":1,\"name\":\"Ann\"}\n"
               "{\"id\":2,\"name\":\"two\\nlines\"}\n"
               "{\"id\":4,\"name\":\"\"}\n");
    BOOST_TEST(got.bad == "[\"decode\",4,\"the record has 1 field, but 2 are named\",\"3\"]\n");
  }
  const auto mistakes = [](const std::string& options) {
    return Bench("stages:\n  in: {file: {read: in" + options + "}}\n  out: {from: in, drop: {}}\n").mistakes();
  };
  BOOST_TEST(mistakes(", columns: [a]").find("only csv has columns") != std::string::npos);
  BOOST_TEST(mistakes(".csv, columns: [a, a]").find("two columns 'a'") != std::string::npos);
  BOOST_TEST(mistakes(".csv, columns: [id, name], types: {nam: integer}").find("did you mean 'name'?") !=
             std::string::npos);
  BOOST_TEST(mistakes(".csv, columns: [id, name], types: {name: integer}") == "");
}

BOOST_AUTO_TEST_CASE(one_field_that_looks_like_several_is_told_of) {
  const Got semicolon(", format: csv", "id;name\n1;Ann\n");
  BOOST_TEST(semicolon.log.find("another `delimiter` may be meant\" delimiter=semicolon") != std::string::npos,
             semicolon.log);
  BOOST_TEST(semicolon.good == "{\"id;name\":\"1;Ann\"}\n");
  const Got one(", format: csv", "id\n1;2\n");
  BOOST_TEST(one.log.find("delimiter") == std::string::npos, one.log);
}

BOOST_AUTO_TEST_CASE(fields_have_the_types_that_are_given) {
  const Got got(", format: csv, types: {n: integer, x: number, b: boolean}",
                "n,x,b,t\n1,2.50,true,1\n,,,\n12345678901234567890,1e3,false,\n");
  BOOST_TEST(got.good ==
             "{\"n\":1,\"x\":2.50,\"b\":true,\"t\":\"1\"}\n"
             "{\"n\":null,\"x\":null,\"b\":null,\"t\":\"\"}\n"
             "{\"n\":12345678901234567890,\"x\":1e3,\"b\":false,\"t\":\"\"}\n");
}

BOOST_AUTO_TEST_CASE(what_is_no_record_fails_with_its_line_and_the_rest_is_read) {
  const Got got(", format: csv, types: {n: integer}",
                "n,m\n1,a\nx,b\n2\n3,\"c\n\nd\"\n4,e\"f\n0x10,g\n5,h\n6,\"i\n7,j\n");
  BOOST_TEST(got.good == "{\"n\":1,\"m\":\"a\"}\n{\"n\":3,\"m\":\"c\\n\\nd\"}\n{\"n\":5,\"m\":\"h\"}\n");
  BOOST_TEST(got.bad ==
             "[\"decode\",3,\"'n' is no integer: x\",\"x,b\"]\n"
             "[\"decode\",4,\"the record has 1 field, but 2 are named\",\"2\"]\n"
             "[\"decode\",8,\"not CSV: a quote inside a field that does not begin with one, byte 4 of the record\","
             "\"4,e\\\"f\"]\n"
             "[\"decode\",9,\"'n' is no integer: 0x10\",\"0x10,g\"]\n"
             "[\"decode\",11,\"not CSV: a quote that is not closed, byte 3 of the record\",\"6,\\\"i\\n7,j\"]\n");
}

BOOST_AUTO_TEST_CASE(how_the_reads_are_cut_makes_no_difference) {
  const std::string bytes = "\xEF\xBB\xBFn,m\n1,\"a\nb\"\n2,c\n3\n";
  const Got whole(", format: csv", bytes);
  for (std::uint64_t cut = 1; cut < 9; ++cut) {
    const Got pieces(", format: csv", bytes, cut);
    BOOST_TEST(pieces.good == whole.good);
    BOOST_TEST(pieces.bad == whole.bad);
  }
}

BOOST_AUTO_TEST_CASE(names_that_are_none_are_told_and_each_record_fails) {
  const Got twice(", format: csv", "a,a\n1,2\n");
  BOOST_TEST(twice.good == "");
  BOOST_TEST(twice.bad ==
             "[\"decode\",1,\"the first record, which names the fields, has 'a' twice\",\"a,a\"]\n"
             "[\"decode\",2,\"the first record, which names the fields, has 'a' twice\",\"1,2\"]\n");
  const Got missing(", format: csv, types: {b: integer}", "a\n1\n");
  BOOST_TEST(missing.bad.find("has no 'b', of which `types` speaks") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_record_that_never_ends_is_refused_when_it_is_too_long) {
  std::string bytes = "a\nx\n\"";
  for (int i = 0; i < 100; ++i) bytes += "0123456789\n";
  const Got got(", format: csv, max_message: 100B", bytes);
  BOOST_TEST(got.good == "{\"a\":\"x\"}\n");
  BOOST_TEST(got.bad.starts_with("[\"size\",3,\"the record is longer than max_message, 100B; this is its beginning\""));
  BOOST_TEST(std::count(got.bad.begin(), got.bad.end(), '\n') == 1);
}

BOOST_AUTO_TEST_CASE(of_a_record_that_is_too_long_all_is_passed_over_and_what_follows_is_read) {
  std::string lines;
  for (int i = 0; i < 60; ++i) lines += "x,y\n";
  const std::string one_line(300, 'z');
  // Between quotes over many lines or in one, with quotes and quoted line ends in it; and without quotes.
  for (const std::string& large :
       {'"' + lines + "\",3", '"' + one_line + "\"\"\n,\n" + one_line + "\r\n\",3", "\"a\nb" + one_line + "\n\",3",
        "3," + one_line, one_line + ",\"c\n" + lines + '"'}) {
    const std::string bytes =
        "\xEF\xBB\xBF"
        "a,b\n1,2\n" +
        large + "\n5,6\n";
    for (std::uint64_t cut : {0, 1, 2, 3, 7, 50, 103}) {
      const Got got(", format: csv, max_message: 100B", bytes, cut);
      BOOST_TEST(got.good == "{\"a\":\"1\",\"b\":\"2\"}\n{\"a\":\"5\",\"b\":\"6\"}\n");
      BOOST_TEST(got.bad.starts_with("[\"size\",3,\"the record is longer than max_message, 100B; "), got.bad);
      BOOST_TEST(std::count(got.bad.begin(), got.bad.end(), '\n') == 1);
    }
  }
}

BOOST_AUTO_TEST_CASE(names_that_are_too_long_leave_no_names) {
  for (std::uint64_t cut : {0, 1, 20}) {
    const Got got(", format: csv, max_message: 10B", "a,b,c,d,e,f,g,h\n1,2\n", cut);
    BOOST_TEST(got.good == "");
    BOOST_TEST(got.bad ==
               "[\"size\",1,\"the record is longer than max_message, 10B; this is its beginning\",\"a,b,c,d,e,\"]\n"
               "[\"decode\",2,\"the record that should name the fields is too long\",\"1,2\"]\n");
  }
}

BOOST_AUTO_TEST_CASE(a_line_of_logfmt_that_is_too_long_ends_where_it_ends) {
  for (std::uint64_t cut : {0, 1, 20}) {
    const Got got(", format: logfmt, max_message: 10B", "a=1\nb=\"" + std::string(100, 'x') + "\nc=3\n", cut);
    BOOST_TEST(got.good == "{\"a\":\"1\"}\n{\"c\":\"3\"}\n");
    BOOST_TEST(got.bad ==
               "[\"size\",2,\"the line is longer than max_message, 10B; this is its beginning\",\"b=\\\"xxxxxxx\"]\n");
  }
}

BOOST_AUTO_TEST_CASE(only_empty_lines_of_csv_are_no_records) {
  const Got got(", format: csv", "\n\r\na\nx\n \n\n\t\n\r\ny\n");
  BOOST_TEST(got.good == "{\"a\":\"x\"}\n{\"a\":\" \"}\n{\"a\":\"\\t\"}\n{\"a\":\"y\"}\n");
  BOOST_TEST(got.bad == "");
}

BOOST_AUTO_TEST_CASE(what_is_not_utf8_fails_with_its_place_and_the_rest_is_read) {
  const Got csv(", format: csv", "a,b\n1,\xe4\n2,\xc3\xa4\n");
  BOOST_TEST(csv.good == "{\"a\":\"2\",\"b\":\"\xc3\xa4\"}\n");
  BOOST_TEST(
      csv.bad.starts_with("[\"decode\",2,\"not CSV: field 2 holds bytes that are not UTF-8, byte 3 of the record\","),
      csv.bad);
  const Got logfmt(", format: logfmt", "a=1 b=\xe4\na=2\n");
  BOOST_TEST(logfmt.good == "{\"a\":\"2\"}\n");
  BOOST_TEST(logfmt.bad.starts_with("[\"decode\",1,\"not logfmt: bytes that are not UTF-8, byte 7 of the line\","),
             logfmt.bad);
}

BOOST_AUTO_TEST_CASE(logfmt_lines_are_objects) {
  const Got got(", format: logfmt, types: {n: integer}", "level=info msg=\"all is well\" cached n=1\nn=2 n=3\n=x\n");
  BOOST_TEST(got.good == "{\"level\":\"info\",\"msg\":\"all is well\",\"cached\":true,\"n\":1}\n{\"n\":3}\n");
  BOOST_TEST(got.bad.starts_with("[\"decode\",3,\"not logfmt: "));
}

BOOST_AUTO_TEST_CASE(a_key_that_stands_alone_is_true_and_no_number) {
  const Got got(", format: logfmt, types: {n: integer, x: number, b: boolean, t: text}", "b t\nn\nn=\nx b\nn n=1\n");
  BOOST_TEST(got.good == "{\"b\":true,\"t\":true}\n{\"n\":null}\n{\"n\":1}\n");
  BOOST_TEST(got.bad ==
             "[\"decode\",2,\"'n' is no integer: it stands alone\",\"n\"]\n"
             "[\"decode\",4,\"'x' is no number: it stands alone\",\"x b\"]\n");
}

BOOST_AUTO_TEST_CASE(an_envelope_that_is_read_is_the_message_that_it_keeps) {
  Bench bench(
      "stages:\n  in: {file: {read: dead, format: envelope}}\n"
      "  out: {from: in, do: [lua: 'return {text, meta.key, meta.shop, meta.attempt}']}\n"
      "  kept: {from: out, file: {append: out}}\n"
      "  why: {from: in.failed, do: [lua: 'return {failed.line, failed.text}']}\n  told: {from: why, file: {append: "
      "told}}\n");
  BOOST_TEST_REQUIRE(bench.mistakes() == "");
  bench.files().put("dead",
                    R"({"failed":null,"meta":{"id":7,"time":"x","attempt":3,"key":"k","shop":{"n":1}},"text":"a\nb"}
{"text":"","meta":{"key":"l","shop":2}}
{"meta":{}}
{"text":"a","meta":[]}
{"text":"a","meta":{"key":1}}
[]
)");
  bench.run();
  BOOST_TEST(bench.files().text("out") == R"(["a\nb","k","{\"n\":1}",1])"
                                          "\n"
                                          R"(["","l",2,1])"
                                          "\n");
  BOOST_TEST(bench.files().text("told") ==
             "[3,\"no envelope: there is no `text`\"]\n[4,\"no envelope: `meta` is no object\"]\n"
             "[5,\"no envelope: `meta.key` is no text\"]\n[6,\"no envelope: an object was expected\"]\n");
}

BOOST_AUTO_TEST_CASE(what_is_added_to_a_file_of_envelopes_while_it_is_read_is_not_read) {
  Bench bench(
      "stages:\n  in: {file: {read: dead, format: envelope}}\n  bad: {from: in, lua: 'fail(\"no\")'}\n"
      "  out: {from: bad, drop: {}}\n  dead: {from: any.failed, file: {append: dead, format: envelope}}\n");
  bench.files().put("dead", "{\"text\":\"1\"}\n{\"text\":\"2\"}\n");
  bench.run();
  const auto text = bench.files().text("dead");
  BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 4);
}

BOOST_AUTO_TEST_CASE(an_envelope_keeps_what_failed_and_why) {
  Bench bench(R"(
stages:
  in: {file: {read: in.csv, types: {n: integer}}}
  out: {from: in, drop: {}}
  dead: {from: any.failed, file: {append: dead.ndjson, format: envelope}}
)");
  BOOST_TEST(bench.mistakes() == "");
  bench.files().put("in.csv", "n\n1\n\"x\ny\"\n");
  bench.run();
  const auto line = bench.files().text("dead.ndjson");
  const std::string begin =
      "{\"failed\":{\"kind\":\"decode\",\"stage\":\"in\",\"text\":\"'n' is no integer: x\\ny\","
      "\"at\":\"2030-01-01T00:00:00.000Z\",\"line\":3,\"attempts\":1},\"meta\":{\"id\":";
  BOOST_TEST(line.starts_with(begin), line);
  BOOST_TEST(line.ends_with(",\"time\":\"2030-01-01T00:00:00.000Z\",\"attempt\":1},\"text\":\"\\\"x\\ny\\\"\"}\n"),
             line);
}
