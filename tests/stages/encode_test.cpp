// encode: texts out of values.
#include "tests/stages/alone.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

namespace {

std::string encoded(const std::string& yaml, const std::string& payload) {
  Alone encode("encode", yaml);
  encode.give({payload});
  BOOST_TEST(encode.balanced());
  if (!encode.out().empty()) return encode.out()[0];
  const auto& failed = encode.failed.at(0);
  BOOST_TEST(failed.payload == payload);
  return std::string(weir::message::word(failed.failure.reason)) + ": " + failed.failure.text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_field_becomes_the_text_of_its_json) {
  BOOST_TEST(encoded("{of: m}", R"({"a": 1.0, "m":{"x": [1]}})") == R"({"a": 1.0,"m":"{\"x\": [1]}"})");
  BOOST_TEST(encoded("{of: m, into: t}", R"({"m":null})") == R"({"m":null,"t":"null"})");
  BOOST_TEST(encoded("{into: line}", R"({"a": 1})") == R"({"line":"{\"a\": 1}"})");
  BOOST_TEST(encoded("{}", R"({"a": 1})") == R"({"a": 1})");
}

BOOST_AUTO_TEST_CASE(a_list_or_the_columns_of_an_object_become_a_record_of_csv) {
  BOOST_TEST(encoded("{format: csv}", R"([1, 2.50, "a,\"b\"", null, true, " x", {"y":[1,2]}])") ==
             R"(1,2.50,"a,""b""",,true," x","{""y"":[1,2]}")");
  BOOST_TEST(encoded("{format: csv, columns: [id, gone, name]}", R"({"name":"A\nb","id":7,"id":8})") == "8,,\"A\nb\"");
  BOOST_TEST(encoded("{format: csv}", "[\"\"]") == "\"\"");
  BOOST_TEST(encoded("{format: csv}", "[]") == "");
  BOOST_TEST(encoded("{format: csv}", "{}") ==
             "type: the payload is not a list (`columns` makes a record of an object)");
  BOOST_TEST(encoded("{format: csv, columns: [a]}", "[1]") == "type: the payload is not an object");
}

BOOST_AUTO_TEST_CASE(an_object_becomes_logfmt) {
  BOOST_TEST(encoded("{format: logfmt}", R"({"level":"info","msg":"a \"b\"\n","n":1.0,"no":null,"on":true,"e":"","l":[1, 2]})") ==
             R"(level=info msg="a \"b\"\n" n=1.0 no= on=true e="" l="[1, 2]")");
  BOOST_TEST(encoded("{format: logfmt}", "{}") == "");
  BOOST_TEST(encoded("{format: logfmt}", R"({"a b":1})") ==
             "type: the key 'a b' of the payload cannot stand in logfmt: it is empty, or holds a blank, `=` or a quote");
  BOOST_TEST(encoded("{format: logfmt, of: a}", R"({"a":[1]})") == "type: 'a' is not an object");
}

BOOST_AUTO_TEST_CASE(text_takes_a_text_as_it_is_and_everything_else_as_json) {
  BOOST_TEST(encoded("{format: text, of: m, into: t}", R"({"m":{"a": 1}})") == R"({"m":{"a": 1},"t":"{\"a\": 1}"})");
  BOOST_TEST(encoded("{format: text, of: m}", R"({"m":1.50})") == R"({"m":"1.50"})");
  BOOST_TEST(encoded("{format: text, into: t}", "no json") == R"({"t":"no json"})");
  BOOST_TEST(encoded("{format: text, into: t}", "\xff") == "decode: the payload holds bytes that are no text");
}

BOOST_AUTO_TEST_CASE(any_bytes_become_base64_or_hex) {
  BOOST_TEST(encoded("{format: base64}", "\xff\xfe") == "//4=");
  BOOST_TEST(encoded("{format: base64}", "") == "");
  BOOST_TEST(encoded("{format: base64, into: b}", "hi?") == R"({"b":"aGk/"})");
  BOOST_TEST(encoded("{format: hex, of: m}", R"({"m":"h\u00e4"})") == R"({"m":"68c3a4"})");
}

BOOST_AUTO_TEST_CASE(a_field_that_is_not_there_fails) {
  BOOST_TEST(encoded("{of: m}", "{}") == "missing: there is no 'm' in the payload");
  BOOST_TEST(encoded("{}", "x").starts_with("decode: the payload is not JSON: "));
  BOOST_TEST(encoded("{of: m}", "7") == "type: fields can only be set in an object, and the payload is none");
}

BOOST_AUTO_TEST_CASE(what_makes_no_sense_is_refused) {
  BOOST_TEST(Read("encode", "{columns: [a]}").mistake() == "only csv has columns");
  BOOST_TEST(Read("encode", "{format: text}").mistake() ==
             "this would leave the payload as it is; say of which field: `of: line`");
}
