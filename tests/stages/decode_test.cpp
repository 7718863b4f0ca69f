// decode: values out of texts.
#include "tests/stages/alone.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

namespace {

std::string decoded(const std::string& yaml, const std::string& payload) {
  Alone decode("decode", yaml);
  decode.give({payload});
  BOOST_TEST(decode.balanced());
  if (!decode.out().empty()) return decode.out()[0];
  const auto& failed = decode.failed.at(0);
  BOOST_TEST(failed.payload == payload);
  return std::string(weir::message::word(failed.failure.reason)) + ": " + failed.failure.text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(json_in_a_field_becomes_what_it_says) {
  BOOST_TEST(decoded("{of: m}", R"({"a": 1.0,"m":"{\"x\": [1]}"})") == R"({"a": 1.0,"m":{"x": [1]}})");
  BOOST_TEST(decoded("{of: a.m, into: b.c}", R"({"a":{"m":"5"}})") == R"({"a":{"m":"5"},"b":{"c":5}})");
  BOOST_TEST(decoded("{into: data}", "[1, 2]") == R"({"data":[1, 2]})");
  BOOST_TEST(decoded("{}", R"( {"a" : 1})") == R"( {"a" : 1})");
  BOOST_TEST(decoded("{of: m}", R"({"m":"{"})") ==
             "decode: 'm' is not JSON: expected '\"', the begin of a key, found the end at byte 2");
  BOOST_TEST(decoded("{}", "").starts_with("decode: the payload is not JSON: "));
}

BOOST_AUTO_TEST_CASE(a_record_of_csv_becomes_a_list_or_by_its_columns_an_object) {
  BOOST_TEST(decoded("{format: csv}", "1,\"a,\"\"b\"\"\",,\xc3\xa4\r\n") == R"(["1","a,\"b\"","","ä"])");
  BOOST_TEST(decoded("{format: csv, columns: [id, name]}", "1,\"E\ne\"") == R"({"id":"1","name":"E\ne"})");
  BOOST_TEST(decoded("{format: csv, of: l, into: f, columns: [id]}", R"({"l":"7"})") == R"({"l":"7","f":{"id":"7"}})");
  BOOST_TEST(decoded("{format: csv, delimiter: tab}", "1\ta,b") == R"(["1","a,b"])");
  BOOST_TEST(decoded("{format: csv}", "") == R"([""])");
  BOOST_TEST(decoded("{format: csv, columns: [id, name]}", "1") == "decode: the payload has 1 fields, not 2");
  BOOST_TEST(decoded("{format: csv}", "1,\"a") ==
             "decode: the payload is not CSV: a quote that is not closed at byte 3");
}

BOOST_AUTO_TEST_CASE(logfmt_becomes_an_object) {
  BOOST_TEST(decoded("{format: logfmt}", R"(level=info msg="all \"is\" well" n=1 empty= cached)") ==
             R"({"level":"info","msg":"all \"is\" well","n":"1","empty":"","cached":true})");
  BOOST_TEST(decoded("{format: logfmt}", "") == "{}");
  BOOST_TEST(decoded("{format: logfmt, of: line, into: fields}", R"({"line":"a=1"})") ==
             R"({"line":"a=1","fields":{"a":"1"}})");
  BOOST_TEST(decoded("{format: logfmt}", "a=\"b") ==
             "decode: the payload is not logfmt: a quote that is not closed at byte 3");
}

BOOST_AUTO_TEST_CASE(a_key_of_logfmt_that_comes_again_is_one_field) {
  BOOST_TEST(decoded("{format: logfmt}", "a=1 b a=2") == R"({"b":true,"a":"2"})");
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_text_fail) {
  BOOST_TEST(decoded("{format: csv}", "a,\xff") ==
             "decode: the payload is not CSV: field 2 holds bytes that are not UTF-8 at byte 3");
  BOOST_TEST(decoded("{format: logfmt}", "a=\xff") ==
             "decode: the payload is not logfmt: bytes that are not UTF-8 at byte 3");
  BOOST_TEST(decoded("{format: text, into: line}", "a\xff") == "decode: the payload holds bytes that are no text");
  BOOST_TEST(decoded("{format: hex, into: line}", "ff") == "decode: the payload holds bytes that are no text");
}

BOOST_AUTO_TEST_CASE(any_text_finds_a_place_in_a_new_payload) {
  BOOST_TEST(decoded("{format: text, into: a.line}", "say \"hi\"") == R"({"a":{"line":"say \"hi\""}})");
  BOOST_TEST(decoded("{format: text, into: line}", "") == R"({"line":""})");
}

BOOST_AUTO_TEST_CASE(base64_and_hex_become_what_they_were_made_of) {
  BOOST_TEST(decoded("{format: base64}", "aGk/Pw==") == "hi??");
  BOOST_TEST(decoded("{format: base64}", "aGk_Pw") == "hi??");
  BOOST_TEST(decoded("{format: base64}", "/w==") == "\xff");
  BOOST_TEST(decoded("{format: base64, of: b}", R"({"b":"aGk="})") == R"({"b":"hi"})");
  BOOST_TEST(decoded("{format: base64, of: b}", R"({"b":"/w=="})") == "decode: 'b' holds bytes that are no text");
  BOOST_TEST(decoded("{format: base64}", "aGk/\r\nPw==\n") == "hi??");
  BOOST_TEST(decoded("{format: base64, of: b}", R"({"b":"aG\nk=\n"})") == R"({"b":"hi"})");
  for (const auto* bad : {"a", "aGk=b", "aG k", "aGk==", "aGl", "aGk=\nb", "aGk=\n=", "a\n"}) {
    BOOST_TEST(decoded("{format: base64}", bad) == "decode: the payload is no base64", bad);
  }
  BOOST_TEST(decoded("{format: hex}", "6869C3a4") == "hi\xc3\xa4");
  BOOST_TEST(decoded("{format: hex}", "686") == "decode: the payload is not hexadecimal");
  BOOST_TEST(decoded("{format: hex}", "6g") == "decode: the payload is not hexadecimal");
}

BOOST_AUTO_TEST_CASE(a_field_that_is_not_there_or_is_no_text_fails) {
  BOOST_TEST(decoded("{of: m}", "{}") == "missing: there is no 'm' in the payload");
  BOOST_TEST(decoded("{of: m}", R"({"m":1})") == "type: 'm' is no text");
  BOOST_TEST(decoded("{of: m}", R"({"m":null})") == "type: 'm' is no text");
  BOOST_TEST(decoded("{of: m}", "[1]") == "type: fields can only be set in an object, and the payload is none");
  BOOST_TEST(decoded("{of: m}", "x").starts_with("decode: the payload is not JSON: "));
  BOOST_TEST(decoded("{of: m, into: a.b}", R"({"m":"1","a":2})") ==
             "type: 'a.b' cannot be set: something on the way is no object, or it is too deep");
}

BOOST_AUTO_TEST_CASE(of_a_key_that_is_there_twice_the_one_that_counts_is_decoded) {
  BOOST_TEST(decoded("{of: m}", R"({"m":"1","\u006d":"2"})") == R"({"\u006d":2})");
}

BOOST_AUTO_TEST_CASE(what_makes_no_sense_is_refused) {
  BOOST_TEST(Read("decode", "{columns: [a]}").mistake() == "only csv has columns");
  BOOST_TEST(Read("decode", "{format: csv, columns: [x, y, x]}").mistake() == "there are two columns 'x'");
  BOOST_TEST(Read("decode", "{format: csv, columns: [x, '']}").mistake() == "a column has no name");
  BOOST_TEST(Read("decode", "{format: text}").mistake() ==
             "this would leave the payload as it is; say where the text goes: `into: line`");
  BOOST_TEST(Read("decode", "{format: xml}").diagnostics.has_errors());
}
