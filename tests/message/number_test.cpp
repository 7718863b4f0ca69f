// Numbers as JSON text.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "engine/message/normal.hpp"
#include "engine/message/number.hpp"

namespace {

using namespace weir::message;

std::string written(double value) {
  std::string out;
  return append_float(out, value) ? out : "refused";
}
std::string written_integer(std::int64_t value) {
  std::string out;
  append_integer(out, value);
  return out;
}
std::string read(std::string_view text) {
  const auto number = parse_number(text);
  if (!number) return "none";
  if (const auto* integer = std::get_if<std::int64_t>(&*number)) return written_integer(*integer);
  return written(std::get<double>(*number));
}

BOOST_AUTO_TEST_CASE(integers_are_written_without_a_point_and_floats_with_one) {
  BOOST_TEST(written_integer(0) == "0");
  BOOST_TEST(written_integer(-7) == "-7");
  BOOST_TEST(written_integer(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  BOOST_TEST(written(2) == "2.0");
  BOOST_TEST(written(-0.0) == "-0.0");
  BOOST_TEST(written(0.1) == "0.1");
  BOOST_TEST(written(0.1 + 0.2) == "0.30000000000000004");
  BOOST_TEST(written(100000) == "100000.0");
  BOOST_TEST(written(-0.001) == "-0.001");
  BOOST_TEST(written(0.0001) == "0.0001");
  BOOST_TEST(written(0.00012345) == "0.00012345");
  BOOST_TEST(written(12.345) == "12.345");
  BOOST_TEST(written(-999999999.999999) == "-999999999.999999");
  BOOST_TEST(written(1e9) == "1000000000.0");
  BOOST_TEST(written(1e15) == "1000000000000000.0");
  BOOST_TEST(written(1e16) == "1e+16");
  BOOST_TEST(written(1e20) == "1e+20");
  BOOST_TEST(written(1e-7) == "1e-07");
  BOOST_TEST(written(9007199254740993.0) == "9007199254740992.0");
}

BOOST_AUTO_TEST_CASE(what_json_cannot_say_is_refused) {
  std::string out = "before";
  BOOST_TEST(!append_float(out, std::nan("")));
  BOOST_TEST(!append_float(out, std::numeric_limits<double>::infinity()));
  BOOST_TEST(!append_float(out, -std::numeric_limits<double>::infinity()));
  BOOST_TEST(out == "before");
}

BOOST_AUTO_TEST_CASE(integers_are_exact_up_to_64_bits_and_doubles_beyond) {
  BOOST_TEST(read("0") == "0");
  BOOST_TEST(read("-0") == "0");
  BOOST_TEST(read("1152921504606846977") == "1152921504606846977");
  BOOST_TEST(read("9223372036854775807") == "9223372036854775807");
  BOOST_TEST(read("-9223372036854775808") == "-9223372036854775808");
  BOOST_TEST(read("9223372036854775808") == "9223372036854775808.0");
  BOOST_TEST(read("18446744073709551616") == "18446744073709551616.0");
  BOOST_TEST(read("-123123123123123123123123123123") == "-1.2312312312312312e+29");
}

BOOST_AUTO_TEST_CASE(a_point_or_an_exponent_makes_a_float) {
  BOOST_TEST(read("1.0") == "1.0");
  BOOST_TEST(read("1e2") == "100.0");
  BOOST_TEST(read("1E+2") == "100.0");
  BOOST_TEST(read("-0.0") == "-0.0");
  BOOST_TEST(read("-12.5e-1") == "-1.25");
}

BOOST_AUTO_TEST_CASE(too_small_reads_as_zero_and_too_large_as_nothing) {
  BOOST_TEST(read("1e-400") == "0.0");
  BOOST_TEST(read("-123.456e-789") == "-0.0");
  BOOST_TEST(read("0.0e99999999999999999999") == "0.0");
  BOOST_TEST(read("1e-99999999999999999999") == "0.0");
  BOOST_TEST(read("0." + std::string(400, '0') + "1") == "0.0");
  BOOST_TEST(read("1e400") == "none");
  BOOST_TEST(read("-1e+9999") == "none");
  BOOST_TEST(read("1" + std::string(400, '0')) == "none");
  BOOST_TEST(read("0.4e006699999999999999999999999999") == "none");
  BOOST_TEST(read("5e-324") == "5e-324");
  BOOST_TEST(read("1.7976931348623157e308") == "1.7976931348623157e+308");
}

BOOST_AUTO_TEST_CASE(what_is_no_json_number_reads_as_nothing) {
  for (const char* text : {"",    "-",  "+1", "01",  "-01", "1.",       ".5",    "1.e2", "1e",  "1e+",
                           "0x1", "1 ", " 1", "NaN", "inf", "Infinity", "1_000", "1,5",  "--1", "1e2.5"}) {
    BOOST_TEST(read(text) == "none", "\"" << text << "\"");
  }
  BOOST_TEST(read({"1\0", 2}) == "none");
}

BOOST_AUTO_TEST_CASE(short_decimals_are_read_as_exactly_as_long_ones) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 200000; ++i) {
    std::string text = std::to_string(random() % 1'000'000'000'000'000 / (std::uint64_t{1} << (random() % 50)));
    if (text.size() > 15) continue;
    const std::size_t point = 1 + random() % text.size();
    std::string decimal = text.substr(0, point) + "." + text.substr(point);
    if (decimal.back() == '.') decimal += '0';
    if (decimal.size() > 2 && decimal[0] == '0' && decimal[1] != '.') continue;
    const auto quick = parse_number(decimal);
    BOOST_REQUIRE_MESSAGE(quick.has_value(), decimal);
    BOOST_REQUIRE_MESSAGE(std::get<double>(*quick) == std::strtod(decimal.c_str(), nullptr), decimal);
    BOOST_REQUIRE(std::get<double>(*parse_number("-" + decimal)) == -std::get<double>(*quick));
  }
}

BOOST_AUTO_TEST_CASE(no_shorter_digits_would_read_back) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 200000; ++i) {
    double value = static_cast<double>(random() % 2'000'000'000'000) / 1e3;
    if (i % 3 == 0) value /= 1e6;
    if (i % 5 == 0) value = std::nextafter(value, 0);
    if (i % 7 == 0) value = -value;
    const std::string mine = written(value);
    std::string shortest;
    char text[64];
    shortest.assign(text, std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr);
    const auto digits = [](std::string from) {
      from = from.substr(0, from.find('e'));
      std::erase_if(from, [](char c) { return c < '0' || c > '9'; });
      while (!from.empty() && from.back() == '0') from.pop_back();
      return from.substr(std::min(from.find_first_not_of('0'), from.size()));
    };
    BOOST_REQUIRE_MESSAGE(digits(shortest) == digits(mine), mine << " instead of " << shortest);
    BOOST_REQUIRE_MESSAGE(std::get<double>(*parse_number(mine)) == value, mine);
  }
}

BOOST_AUTO_TEST_CASE(every_number_reads_back_as_itself) {
  std::mt19937_64 random(20240611);
  for (int i = 0; i < 200000; ++i) {
    const auto bits = random();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    const auto back = parse_number(written(value));
    BOOST_REQUIRE_MESSAGE(back && std::holds_alternative<double>(*back), written(value));
    BOOST_REQUIRE(std::memcmp(&std::get<double>(*back), &value, sizeof value) == 0);
    const auto integer = static_cast<std::int64_t>(bits >> (i % 64));
    const auto same = parse_number(written_integer(integer));
    BOOST_REQUIRE(same && std::get<std::int64_t>(*same) == integer);
  }
}

std::string normal(std::string_view json) {
  std::string out;
  append_normal(out, json);
  return out;
}

BOOST_AUTO_TEST_CASE(equal_numbers_have_one_normal_form) {
  const std::pair<const char*, std::vector<const char*>> cases[] = {
      {"0", {"0", "-0", "0.0", "-0.000", "0e5", "0E-7", "0e99999999999999999999"}},
      {"1", {"1", "1.0", "1e0", "1E+0", "10e-1", "0.1e1", "0.0001e00004"}},
      {"-1200", {"-1200", "-1.2e3", "-1200.00", "-12E+2"}},
      {"2.5", {"2.5", "2.50", "25e-1", "0.25E1"}},
      {"-0.5", {"-0.5", "-0.50", "-5e-1"}},
      {"120.034", {"120.034", "120.0340", "1.20034e2"}},
      {"0.000012", {"0.000012", "1.2e-5", "12e-6"}},
      {"1.2e-7", {"0.00000012", "1.2e-07", "120e-9"}},
      {"9223372036854775808", {"9223372036854775808", "9223372036854775808.0", "9.223372036854775808e18"}},
      {"1e999", {"1e999", "10e998", "1.0E+999", "0.1e1000"}},
      {"1e40", {"10000000000000000000000000000000000000000", "1e40"}},
      {"1000000000000000000000000000000000000000", {"1000000000000000000000000000000000000000", "1e39"}},
      {"1e99999999999999999999", {"1e99999999999999999999"}}};
  for (const auto& [expected, texts] : cases) {
    for (const auto* text : texts) BOOST_TEST(normal(text) == expected, text);
    BOOST_TEST(normal(expected) == expected);
  }
}

BOOST_AUTO_TEST_CASE(equal_values_have_one_normal_form) {
  BOOST_TEST(normal(R"( [ 1.0 , { "a\u0062" : "c d" , "e" : [ ] } , "\"\\" , true , null ] )") ==
             R"([1,{"ab":"c d","e":[]},"\"\\",true,null])");
  BOOST_TEST(normal(R"("1.0 ")") == R"("1.0 ")");
  BOOST_TEST(normal(R"("\u0031\/")") == R"("1/")");
  BOOST_TEST(normal("true") == "true");
  BOOST_TEST(normal("") == "");
}

BOOST_AUTO_TEST_CASE(numbers_are_compared_exactly) {
  constexpr std::int64_t large = 9007199254740993, most = std::numeric_limits<std::int64_t>::max();
  const Number ascending[] = {-1e300, std::numeric_limits<std::int64_t>::min(),
                              -1.5,   std::int64_t{-1},
                              -0.5,   std::int64_t{0},
                              0.5,    large - 1,
                              large,  static_cast<double>(large + 1),
                              most,   static_cast<double>(most),
                              1e300};
  for (const auto& left : ascending) {
    for (const auto& right : ascending) BOOST_TEST(less(left, right) == (&left < &right));
  }
  BOOST_TEST(!less(Number(1.0), Number(std::int64_t{1})));
  BOOST_TEST(!less(Number(std::int64_t{1}), Number(1.0)));
  BOOST_TEST(!less(Number(-0x1p63), Number(std::numeric_limits<std::int64_t>::min())));
}

}  // namespace
