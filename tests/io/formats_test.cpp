// CSV, logfmt, base64 and hex: what is read is what was written, and what is damaged is refused.
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "engine/io/binary_text.hpp"
#include "engine/io/csv.hpp"
#include "engine/io/logfmt.hpp"
#include "engine/runtime/random.hpp"

namespace {

using namespace weir;

std::vector<std::string> fields(std::string_view record) {
  std::vector<std::string_view> views;
  std::string scratch;
  if (const auto wrong = io::read_csv(record, views, scratch)) {
    return {"wrong: " + wrong->what + " at " + std::to_string(wrong->offset)};
  }
  return {views.begin(), views.end()};
}

using Fields = std::vector<std::string>;

std::string pairs(std::string_view line) {
  std::vector<io::LogfmtPair> found;
  std::string scratch, said;
  if (const auto wrong = io::read_logfmt(line, found, scratch)) {
    return "wrong: " + wrong->what + " at " + std::to_string(wrong->offset);
  }
  for (const auto& pair : found) {
    said += "(" + std::string(pair.key) + (pair.value ? "|" + std::string(*pair.value) : "") + ")";
  }
  return said;
}

/// Of those that formats treat differently.
std::string drawn(runtime::Random& random) {
  constexpr std::string_view letters = "ab,\"\n\r\\= \t'/u0\b\x1b\x7f";
  std::string text;
  for (auto left = random.below(8); left > 0; --left) {
    const auto which = random.below(letters.size() + 1);
    if (which < letters.size()) text += letters[which];
    if (which == letters.size()) text += "\xc3\xa4";
  }
  return text;
}

/// Whether each line of it ends inside a quote.
std::string insides(std::string_view text, std::size_t piece_bytes) {
  io::CsvEnd end;
  std::string said;
  for (bool more = true; more;) {
    const auto line_end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, line_end);
    for (; !line.empty(); line.remove_prefix(std::min(piece_bytes, line.size()))) {
      end.take(line.substr(0, piece_bytes));
    }
    said += end.inside() ? '1' : '0';
    if (!end.inside()) end.begin_record();
    more = line_end < text.size();
    if (more) text.remove_prefix(line_end + 1);
  }
  return said;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_record_is_cut_at_its_commas) {
  BOOST_TEST(fields("a,b,,d") == (Fields{"a", "b", "", "d"}));
  BOOST_TEST(fields("") == (Fields{""}));
  BOOST_TEST(fields(",") == (Fields{"", ""}));
  BOOST_TEST(fields("a,\r\n") == (Fields{"a", ""}));
  BOOST_TEST(fields(" a , b") == (Fields{" a ", " b"}));
}

BOOST_AUTO_TEST_CASE(between_quotes_anything_may_stand) {
  BOOST_TEST(fields("\"a,b\",\"x\"\"y\"\"\",\"\",\"1\n2\"") == (Fields{"a,b", "x\"y\"", "", "1\n2"}));
  BOOST_TEST(fields("\"\"\"\"") == (Fields{"\""}));
}

BOOST_AUTO_TEST_CASE(what_others_would_read_differently_is_refused) {
  BOOST_TEST(fields("a,\"b") == (Fields{"wrong: a quote that is not closed at 2"}));
  BOOST_TEST(fields("a\"b") == (Fields{"wrong: a quote inside a field that does not begin with one at 1"}));
  BOOST_TEST(fields("\"a\"b") == (Fields{"wrong: a comma is missing behind a closing quote at 3"}));
  BOOST_TEST(fields("a\nb") == (Fields{"wrong: more than one record at 1"}));
}

BOOST_AUTO_TEST_CASE(a_record_whose_quote_is_open_may_go_on) {
  std::vector<std::string_view> fields;
  std::string scratch;
  BOOST_TEST(io::read_csv("a,\"b", fields, scratch)->unclosed);
  BOOST_TEST(!io::read_csv("a,\"b\nc\",d", fields, scratch));
  BOOST_TEST(!io::read_csv("a,b\"c", fields, scratch)->unclosed);
}

BOOST_AUTO_TEST_CASE(where_a_record_ends_is_known_without_keeping_it) {
  for (const std::size_t piece : {1U, 2U, 3U, 100U}) {
    BOOST_TEST(insides("a,b\nc,\"d\ne\"\"\n\",f\ng", piece) == "01100");
    BOOST_TEST(insides("\"a\"\"\nb\"\"\"\n", piece) == "100");
    BOOST_TEST(insides("a\"b,\"c\n\"d\"e,\"f\n\"g\r\n\"\r\n", piece) == "00100");
    BOOST_TEST(insides("a\rb,\"c\n,\r,\"d\n\"\",\"\n", piece) == "0011");
  }
  runtime::Random random(11);
  for (int round = 0; round < 5000; ++round) {
    std::string record = drawn(random) + drawn(random) + drawn(random);
    std::erase(record, '\n');
    std::vector<std::string_view> fields;
    std::string scratch;
    const auto wrong = io::read_csv(record, fields, scratch);
    io::CsvEnd end;
    end.take(record);
    BOOST_TEST_REQUIRE(end.inside() == (wrong && wrong->unclosed), record);
  }
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8_are_refused_with_their_place) {
  BOOST_TEST(fields("a,b\xff,c") == (Fields{"wrong: field 2 holds bytes that are not UTF-8 at 3"}));
  BOOST_TEST(fields("\xc3\xa4,\"\xc3\n,\"\"\"") == (Fields{"wrong: field 2 holds bytes that are not UTF-8 at 4"}));
  BOOST_TEST(fields("\xed\xa0\x80") == (Fields{"wrong: field 1 holds bytes that are not UTF-8 at 0"}));
  BOOST_TEST(fields("a,\"b\",\xe2\x82") == (Fields{"wrong: field 3 holds bytes that are not UTF-8 at 6"}));
  BOOST_TEST(pairs("a=1 b=\xc3\xa4 c=\xff") == "wrong: bytes that are not UTF-8 at 11");
  BOOST_TEST(pairs("\xfe=1") == "wrong: bytes that are not UTF-8 at 0");
}

BOOST_AUTO_TEST_CASE(a_field_whose_blanks_would_be_lost_stands_between_quotes) {
  for (const std::string field : {" ", "\t", "a\t", "\ta", " a", "a "}) {
    std::string record;
    io::append_csv(record, field);
    BOOST_TEST(record == "\"" + field + "\"");
  }
}

BOOST_AUTO_TEST_CASE(another_delimiter_takes_the_place_of_the_comma) {
  for (const char delimiter : {',', ';', '\t', '|'}) {
    const Fields made{"a", "", "x,y", "p;q", "t\tt", "v|w", "\"", "line\nend", ""};
    std::string record, scratch;
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (i > 0) record += delimiter;
      io::append_csv(record, made[i], delimiter);
    }
    io::CsvEnd end(delimiter);
    end.begin_record();
    end.take(record.substr(0, record.find('\n')));
    BOOST_TEST(end.inside());
    std::vector<std::string_view> read;
    BOOST_TEST(!io::read_csv(record, read, scratch, delimiter));
    BOOST_TEST(Fields(read.begin(), read.end()) == made);
  }
  std::vector<std::string_view> read;
  std::string scratch;
  BOOST_TEST(io::read_csv("\"a\",b", read, scratch, ';')->what == "a delimiter is missing behind a closing quote");
}

BOOST_AUTO_TEST_CASE(pairs_stand_between_blanks) {
  BOOST_TEST(pairs("a=1  b=\"x y\" c= d e=\"\"") == "(a|1)(b|x y)(c|)(d)(e|)");
  BOOST_TEST(pairs("") == "");
  BOOST_TEST(pairs(" \t ") == "");
  BOOST_TEST(pairs(R"(a="\"\\\n\x" b=c=d)") == "(a|\"\\\n\\x)(b|c=d)");
  BOOST_TEST(pairs("a=1 a=2") == "(a|1)(a|2)");
}

BOOST_AUTO_TEST_CASE(of_pairs_with_one_key_the_last_counts) {
  for (const int more : {0, 100}) {
    std::string line = "a=1 b a=2 c=3 b=4", expected = "a2 c3 b4 ";
    for (int i = 0; i < more; ++i) {
      line += " k" + std::to_string(i) + "=0 x=0";
      expected += "k" + std::to_string(i) + "0 ";
    }
    if (more > 0) expected += "x0 ";
    std::vector<io::LogfmtPair> found;
    std::string scratch, said;
    BOOST_TEST(!io::read_logfmt(line, found, scratch));
    io::keep_last(found);
    for (const auto& pair : found) said += std::string(pair.key) + std::string(pair.value.value_or("-")) + " ";
    BOOST_TEST(said == expected);
  }
}

BOOST_AUTO_TEST_CASE(between_quotes_escapes_are_those_of_json) {
  BOOST_TEST(pairs(R"(a="\u001b[0m\b\f\/\u0041\t\"\\")") == "(a|\x1b[0m\b\f/A\t\"\\)");
  BOOST_TEST(pairs(R"(a="\u00e4\uD83D\uDE00\u20ac")") == "(a|\xc3\xa4\xf0\x9f\x98\x80\xe2\x82\xac)");
  BOOST_TEST(pairs(R"(a="\u00e" b="C:\x\u" c=\u0041)") == R"((a|\u00e)(b|C:\x\u)(c|\u0041))");
  for (const std::string half : {R"(a="\ud83d")", R"(a="\ude00")", R"(a="\ud83d\u0041")", R"(a="\ud83dx")"}) {
    BOOST_TEST(pairs(half) == "wrong: half a surrogate pair at 3");
  }
}

BOOST_AUTO_TEST_CASE(what_no_logfmt_reader_takes_raw_is_escaped) {
  std::string line;
  io::append_logfmt(line, "\x1b[0m\b\1\n");
  BOOST_TEST(line == R"("\u001b[0m\b\u0001\n")");
}

BOOST_AUTO_TEST_CASE(a_line_that_is_no_logfmt_is_refused) {
  BOOST_TEST(pairs("=1") == "wrong: a value without a key at 0");
  BOOST_TEST(pairs("a \"b\"") == "wrong: a quote where a key should stand at 2");
  BOOST_TEST(pairs("a\"b") == "wrong: a quote inside a key at 1");
  BOOST_TEST(pairs("a=\"b") == "wrong: a quote that is not closed at 2");
  BOOST_TEST(pairs("a=\"b\\\"") == "wrong: a quote that is not closed at 2");
  BOOST_TEST(pairs("a=\"b\"c") == "wrong: a blank is missing behind a closing quote at 5");
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_again) {
  runtime::Random random(7);
  for (int round = 0; round < 5000; ++round) {
    Fields made;
    std::string record, line, expected;
    for (auto left = random.below(4) + 1; left > 0; --left) {
      made.push_back(drawn(random));
      if (made.size() > 1) record += ',';
      io::append_csv(record, made.back());
      line += (line.empty() ? "k=" : " k=");
      io::append_logfmt(line, made.back());
      expected += "(k|" + made.back() + ")";
    }
    BOOST_TEST_REQUIRE(fields(record) == made, record);
    BOOST_TEST_REQUIRE(pairs(line) == expected, line);
    std::string text, back;
    io::append_base64(text, record);
    BOOST_TEST_REQUIRE((io::read_base64(text, back) && back == record));
    text.clear();
    back.clear();
    io::append_hex(text, record);
    BOOST_TEST_REQUIRE((io::read_hex(text, back) && back == record));
  }
}
