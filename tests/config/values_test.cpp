// The types of values: what is read, what is refused, how it is shown again.
#include <boost/test/unit_test.hpp>

#include <string>

#include "engine/config/values.hpp"
#include "engine/config/yaml.hpp"

namespace {

using namespace weir::config;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(a_duration_carries_its_unit) {
  BOOST_CHECK(parse_duration("250ms") == Duration(250ms));
  BOOST_CHECK(parse_duration("1.5s") == Duration(1500ms));
  BOOST_CHECK(parse_duration("90m") == Duration(90min));
  BOOST_CHECK(parse_duration("2d") == Duration(48h));
  BOOST_CHECK(parse_duration("7us") == Duration(7us));
  BOOST_CHECK(parse_duration("0s") == Duration(0s));
  for (const char* bad :
       {"", "5", "s", "-5s", "5 s", "5sec", "1h30m", "05s", "5.s", ".5s", "1e3s", "5S", "99999999999d", "0x5s", "5s "})
    BOOST_TEST(!parse_duration(bad).has_value(), bad);
  BOOST_TEST(duration_advice("5") == "a duration carries its unit");
  BOOST_TEST(duration_advice("5 s") == "write 5s, without a blank");
  BOOST_TEST(duration_advice("all") == "for one without an end write a long one, such as 36500d");
  BOOST_TEST(duration_advice("5sec") == "write 5s");
  BOOST_TEST(duration_advice("1h30m") == "a duration has one unit: 90m, not 1h30m");
  BOOST_TEST(duration_advice("1h 30m") == "a duration has one unit: 90m, not 1h30m");
  BOOST_TEST(duration_advice("-5s") == "a duration is never negative");
  for (const char* written : {"1e3ms", "1E3ms", "1e-3s", "2.5e+3ms"}) {
    BOOST_TEST(duration_advice(written) == "a number before a unit has no exponent: write it out", written);
  }
  BOOST_TEST(duration_advice("1,5s") == "a fraction has a point, as in 1.5s, and no number a comma");
  BOOST_TEST(duration_advice("1_000ms") == "no `_` stands in a number");
  BOOST_TEST(duration_advice("0x1s") == "numbers are decimal");
  BOOST_TEST(duration_advice("1.5.2s") == "its units are us, ms, s, m, h and d");
}

BOOST_AUTO_TEST_CASE(a_size_carries_its_unit) {
  BOOST_CHECK(parse_size("64MiB") == Size{64u << 20});
  BOOST_CHECK(parse_size("1.5KiB") == Size{1536});
  BOOST_CHECK(parse_size("0B") == Size{0});
  for (const char* bad : {"", "64", "64MB", "64M", "64 MiB", "-1B", "9999999999GiB"})
    BOOST_TEST(!parse_size(bad).has_value(), bad);
  BOOST_TEST(size_advice("64") == "a size carries its unit");
  BOOST_TEST(size_advice("64MB") == "write 64MiB");
  BOOST_TEST(size_advice("64k") == "write 64KiB");
  BOOST_TEST(size_advice("1e3KiB") == "a number before a unit has no exponent: write it out");
  BOOST_TEST(size_advice("1,5MiB") == "a fraction has a point, as in 1.5MiB, and no number a comma");
  BOOST_TEST(size_advice("0x40B") == "numbers are decimal");
}

BOOST_AUTO_TEST_CASE(a_rate_is_so_many_in_so_long) {
  BOOST_CHECK(parse_rate("100/m") == (Rate{100, 1min}));
  BOOST_CHECK(parse_rate("1/10s") == (Rate{1, 10s}));
  BOOST_TEST(parse_rate("1/10s")->per_s() == 0.1);
  BOOST_TEST(parse_rate("10/s")->per_s() == 10);
  for (const char* bad : {"", "10", "10/", "/s", "10/0s", "-1/s", "10/x", "10 / s", "10/s/s"})
    BOOST_TEST(!parse_rate(bad).has_value(), bad);
  BOOST_TEST(rate_advice("10") == "a rate carries its time: 10/s");
  BOOST_TEST(rate_advice("1e3/s") == "a number before a unit has no exponent: write it out");
  BOOST_TEST(rate_advice("1,5/s") == "a fraction has a point, as in 1.5/s, and no number a comma");
}

BOOST_AUTO_TEST_CASE(ranges_hold_both_ends) {
  BOOST_CHECK(parse_integer_range("1..10") == (IntegerRange{1, 10}));
  BOOST_CHECK(parse_integer_range("-5..-5") == (IntegerRange{-5, -5}));
  BOOST_CHECK(parse_duration_range("100ms..30s") == (DurationRange{100ms, 30s}));
  for (const char* bad : {"", "1", "1..", "..1", "10..1", "1...3", "1..2..3", "a..b", "01..2"})
    BOOST_TEST(!parse_integer_range(bad).has_value(), bad);
  for (const char* bad : {"1s", "1s..", "30s..1s", "1..2s"}) BOOST_TEST(!parse_duration_range(bad).has_value(), bad);
}

BOOST_AUTO_TEST_CASE(a_path_is_made_of_names_with_points_between_them) {
  for (const auto* good : {"a", "a.b", "items.0", "a b.c-d", "\xc3\xa4", "1.5"}) {
    BOOST_TEST_REQUIRE(parse_path(good).has_value(), good);
    BOOST_TEST(show(*parse_path(good)) == good);
  }
  for (const auto* bad : {"", ".", ".a", "a.", "a..b"}) BOOST_TEST(!parse_path(bad).has_value(), bad);
}

BOOST_AUTO_TEST_CASE(numbers_are_those_of_json) {
  for (const char* good : {"0", "-0", "17", "-1.5", "1e5", "1E-3", "1.25e+10"}) BOOST_TEST(is_json_number(good), good);
  for (const char* bad : {"", "-", "017", "+5", ".5", "5.", "0x1F", "0o17", "1_000", ".inf", "NaN", "1e", "--1", "1 "})
    BOOST_TEST(!is_json_number(bad), bad);
  BOOST_TEST(parse_integer("9223372036854775807").value() == 9223372036854775807);
  BOOST_TEST(!parse_integer("9223372036854775808").has_value());
  BOOST_TEST(!parse_integer("1.0").has_value());
  BOOST_TEST(!parse_number("1e999").has_value());
  BOOST_TEST(number_advice("017") == "a leading 0 means octal to some: write 17, or quote a text: '017'");
  BOOST_TEST(number_advice("0x1F") == "numbers are decimal; quote a text: '0x1F'");
  BOOST_TEST(number_advice("+5") == "write 5 without the +, or quote a text: '+5'");
  BOOST_TEST(number_advice(".5") == "write 0.5");
  BOOST_TEST(number_advice("5.") == "write 5.0");
  BOOST_TEST(number_advice("1_000") == "write 1000, or quote a text: '1_000'");
  BOOST_TEST(number_advice(".inf") == "there is no infinity and no NaN in JSON");
  for (const char* text : {"abc", "1.2.3", "2024-01-01", "12:30", "5s", "-", "x1"})
    BOOST_TEST(number_advice(text) == "", text);
}

BOOST_AUTO_TEST_CASE(values_are_shown_as_one_would_write_them) {
  BOOST_TEST(show(Duration(250ms)) == "250ms");
  BOOST_TEST(show(Duration(90min)) == "90m");
  BOOST_TEST(show(Duration(24h)) == "1d");
  BOOST_TEST(show(Duration(0s)) == "0s");
  BOOST_TEST(show(Size{64u << 20}) == "64MiB");
  BOOST_TEST(show(Size{1536}) == "1536B");
  BOOST_TEST(show(Rate{100, 1min}) == "100/m");
  BOOST_TEST(show(Rate{1, 10s}) == "1/10s");
  BOOST_TEST(show(DurationRange{100ms, 30s}) == "100ms..30s");
  BOOST_TEST(show(0.1) == "0.1");
}

struct Cut {
  Template made;
  std::string told;
};

Cut cut(const std::string& text) {
  Diagnostics diagnostics;
  Place place;
  place.source = make_source("f.yaml", "t: '" + text + "'");
  place.line = 1;
  place.column = 4;
  Cut result;
  result.made = parse_template(text, place, diagnostics, "t");
  result.told = diagnostics.render();
  return result;
}

BOOST_AUTO_TEST_CASE(a_text_is_cut_at_its_braces) {
  const Template made = cut("http://x/{{ msg.id }}/{{msg.b}}").made;
  BOOST_REQUIRE(made.parts.size() == 4u);
  BOOST_TEST(made.parts[0].text == "http://x/");
  BOOST_TEST(made.parts[1].text == "msg.id");
  BOOST_TEST(made.parts[1].lua);
  BOOST_TEST(made.parts[1].place.str() == "f.yaml:1:14");
  BOOST_TEST(made.parts[3].place.str() == "f.yaml:1:27");
  BOOST_TEST(!made.lone());
  BOOST_TEST(!made.constant());
  BOOST_TEST(made.text() == "http://x/{{ msg.id }}/{{ msg.b }}");
  BOOST_TEST(cut("{{ msg.x }}").made.lone());
  BOOST_TEST(!cut(" {{ msg.x }}").made.lone());
  BOOST_TEST(cut("").made.constant());
  BOOST_TEST(cut("").made.parts.empty());
}

BOOST_AUTO_TEST_CASE(braces_inside_the_code_do_not_end_it) {
  BOOST_TEST(cut("{{ {a = {b = 1}} }}").made.parts[0].text == "{a = {b = 1}}");
  BOOST_TEST(cut(R"({{ "}}" .. '}}' }})").made.parts[0].text == R"("}}" .. '}}')");
  BOOST_TEST(cut("{{ [[ }} ]] }}").made.parts[0].text == "[[ }} ]]");
  BOOST_TEST(cut("{{ {} }}x").made.parts[1].text == "x");
}

BOOST_AUTO_TEST_CASE(braces_with_a_backslash_are_plain) {
  const Template made = cut(R"(a \{{ b }} \${c} \n)").made;
  BOOST_TEST(made.constant());
  BOOST_TEST(made.text() == R"(a {{ b }} ${c} \n)");
}

BOOST_AUTO_TEST_CASE(a_template_that_is_wrong_is_told_at_its_place) {
  BOOST_TEST(cut("x {{ msg.id").told == R"(f.yaml:1:7: error: `{{` without `}}`
    1 | t: 'x {{ msg.id'
      |       ^~
      = two braces that are meant as such are written \{{
)");
  BOOST_TEST(cut("x {{ }}").told == R"(f.yaml:1:7: error: `{{ }}` holds no code
    1 | t: 'x {{ }}'
      |       ^~~~~
      = two braces that are meant as such are written \{{
)");
  BOOST_TEST(cut("{{ msg.n > ${limit} }}").told == R"(f.yaml:1:5: error: `${…}` inside `{{ }}`: this is Lua
    1 | t: '{{ msg.n > ${limit} }}'
      |     ^~~~~~~~~~~~~~~~~~~~~~
      = write `vars.limit`
)");
}

}  // namespace
