// How mistakes are shown: sorted, with a caret, not too many; and as JSON.
#include <boost/test/unit_test.hpp>

#include <string>

#include "engine/config/diagnostics.hpp"
#include "engine/config/yaml.hpp"

namespace {

using namespace weir::config;

Place at(const std::shared_ptr<const Source>& source, int line, int column, int length = 1) {
  Place place;
  place.source = source;
  place.line = line;
  place.column = column;
  place.length = length;
  return place;
}

BOOST_AUTO_TEST_CASE(a_mistake_is_shown_with_its_line_and_a_caret) {
  const auto source = make_source("orders.yaml", "a\n\n\n\n\n      rate_limt: 50/s\n");
  Diagnostics diagnostics;
  diagnostics.error(at(source, 6, 7, 9), "stage 'fetch' has no key 'rate_limt'", "did you mean 'rate_limit'?");
  BOOST_TEST(diagnostics.render() == R"(orders.yaml:6:7: error: stage 'fetch' has no key 'rate_limt'
    6 |       rate_limt: 50/s
      |       ^~~~~~~~~
      = did you mean 'rate_limit'?
)");
}

BOOST_AUTO_TEST_CASE(they_are_sorted_by_place_and_told_once) {
  const auto source = make_source("f.yaml", "a\nb\nc\n");
  Diagnostics diagnostics;
  diagnostics.error(at(source, 3, 1), "third");
  diagnostics.warning(at(source, 1, 1), "first");
  diagnostics.error(at(source, 3, 1), "third");
  BOOST_TEST(diagnostics.render() ==
             "f.yaml:1:1: warning: first\n    1 | a\n      | ^\nf.yaml:3:1: error: third\n    3 | c\n      | ^\n");
}

BOOST_AUTO_TEST_CASE(warnings_are_no_errors) {
  Diagnostics diagnostics;
  BOOST_TEST(diagnostics.empty());
  diagnostics.warning({}, "hm");
  BOOST_TEST(!diagnostics.has_errors());
  diagnostics.error({}, "no");
  BOOST_TEST(diagnostics.has_errors());
}

BOOST_AUTO_TEST_CASE(at_most_twenty_are_shown) {
  const auto source = make_source("f.yaml", "");
  Diagnostics diagnostics;
  for (int i = 1; i <= 25; ++i) diagnostics.error(at(source, i, 1), "wrong");
  const std::string shown = diagnostics.render();
  BOOST_TEST(shown.find("f.yaml:20:1") != std::string::npos);
  BOOST_TEST(shown.find("f.yaml:21:1") == std::string::npos);
  BOOST_TEST(shown.ends_with("… and 5 more\n"));
}

BOOST_AUTO_TEST_CASE(a_long_line_is_shown_around_the_place) {
  const auto source = make_source("f.yaml", std::string(5000, 'x') + "Y" + std::string(5000, 'x'));
  Diagnostics diagnostics;
  diagnostics.error(at(source, 1, 5001), "here");
  const std::string shown = diagnostics.render();
  BOOST_TEST(shown.size() < 600u);
  BOOST_TEST(shown.find("…" + std::string(80, 'x') + "Y") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_caret_stands_under_what_it_means_behind_wide_characters_and_marks) {
  const auto source = make_source("f.yaml", "a: 日本🙂 x\nb: e\u0301 x\n");
  Diagnostics diagnostics;
  diagnostics.error(at(source, 1, 8), "here");
  diagnostics.error(at(source, 1, 4, 3), "they");
  diagnostics.error(at(source, 2, 7), "there");
  BOOST_TEST(diagnostics.render() ==
             "f.yaml:1:4: error: they\n"
             "    1 | a: 日本🙂 x\n"
             "      |    ^~~~~~\n"
             "f.yaml:1:8: error: here\n"
             "    1 | a: 日本🙂 x\n"
             "      |           ^\n"
             "f.yaml:2:7: error: there\n"
             "    2 | b: e\u0301 x\n"
             "      |      ^\n");
}

BOOST_AUTO_TEST_CASE(however_many_there_are_the_rest_is_counted) {
  const auto source = make_source("f.yaml", std::string(3000, '\n'));
  Diagnostics diagnostics;
  for (int line = 1; line <= 2500; ++line) diagnostics.error(at(source, line, 1), "here");
  diagnostics.error(at(source, 7, 1), "here");
  BOOST_TEST(diagnostics.render().ends_with("… and 2480 more\n"));
}

BOOST_AUTO_TEST_CASE(what_steers_a_terminal_is_not_shown) {
  const auto source = make_source("f.yaml", "a\x1b[31mb\tc\n");
  Diagnostics diagnostics;
  diagnostics.error(at(source, 1, 1), "here");
  BOOST_TEST(diagnostics.render().find('\x1b') == std::string::npos);
  BOOST_TEST(diagnostics.render(true).find("\x1b[1;31merror:\x1b[0m") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(as_json) {
  const auto source = make_source("f.yaml", "a: \"b\"\n");
  Diagnostics diagnostics;
  diagnostics.error(at(source, 1, 4, 3), "found \"b\"", "cure", "stages.a");
  BOOST_TEST(
      diagnostics.json() ==
      R"([{"file":"f.yaml","line":1,"column":4,"length":3,"severity":"error","path":"stages.a","message":"found \"b\"","hint":"cure"}])");
  BOOST_TEST(Diagnostics().json() == "[]");
}

BOOST_AUTO_TEST_CASE(the_nearest_name) {
  BOOST_TEST(nearest("rate_limt", {"rate", "rate_limit", "retry"}) == "rate_limit");
  BOOST_TEST(nearest("fiel", {"file", "field"}) == "file");
  BOOST_TEST(nearest("websoket_servr", {"websocket", "websocket_server"}) == "websocket_server");
  BOOST_TEST(nearest("xyz", {"file", "pass"}) == "");
  BOOST_TEST(nearest("ab", {"cd", "ef"}) == "");
  BOOST_TEST(nearest("a", {}) == "");
  BOOST_TEST(nearest("foo", {"now", "num"}) == "");
  BOOST_TEST(nearest("nwo", {"now", "num"}) == "now");
}

}  // namespace
