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
  constexpr std::string_view letters = "ab,\"\n\r\\= \t'\xc3\xa4";
  std::string text;
  for (auto left = random.below(8); left > 0; --left) text += letters[random.below(letters.size())];
  return text;
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

BOOST_AUTO_TEST_CASE(pairs_stand_between_blanks) {
  BOOST_TEST(pairs("a=1  b=\"x y\" c= d e=\"\"") == "(a|1)(b|x y)(c|)(d)(e|)");
  BOOST_TEST(pairs("") == "");
  BOOST_TEST(pairs(" \t ") == "");
  BOOST_TEST(pairs(R"(a="\"\\\n\x" b=c=d)") == "(a|\"\\\n\\x)(b|c=d)");
  BOOST_TEST(pairs("a=1 a=2") == "(a|1)(a|2)");
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
