// Paths as stages serve them: what they match, and which of two counts.
#include "engine/io/http_path.hpp"

#include <boost/test/unit_test.hpp>
#include <sstream>
#include <string>

namespace {

using weir::io::HttpPath;

HttpPath path_of(const std::string& text) {
  std::string why;
  auto path = HttpPath::parse(text, why);
  BOOST_REQUIRE_MESSAGE(path, text << ": " << why);
  return *path;
}

std::string why_not(const std::string& text) {
  std::string why;
  BOOST_TEST(!HttpPath::parse(text, why).has_value(), text);
  return why;
}

std::string shown(const HttpPath::Found& found) {
  std::string text;
  for (const auto& [name, value] : found) text += name + "=" + value + ";";
  return text;
}

/// What is found, or "no".
std::string matched(const std::string& path, const std::string& sent) {
  HttpPath::Found found;
  const bool fits = path_of(path).match(sent, found);
  if (!fits) BOOST_TEST(found.empty());
  return fits ? shown(found) : "no";
}

}  // namespace

BOOST_AUTO_TEST_CASE(texts_match_themselves_and_nothing_else) {
  BOOST_TEST(matched("/", "/") == "");
  BOOST_TEST(matched("/", "/a") == "no");
  BOOST_TEST(matched("/jobs", "/jobs") == "");
  BOOST_TEST(matched("/jobs", "/jobs/") == "no");
  BOOST_TEST(matched("/jobs/", "/jobs/") == "");
  BOOST_TEST(matched("/jobs/", "/jobs") == "no");
  BOOST_TEST(matched("/jobs", "/Jobs") == "no");
  BOOST_TEST(matched("/jobs", "/%6Aobs") == "");
  BOOST_TEST(matched("/jobs", "*") == "no");
}

BOOST_AUTO_TEST_CASE(a_name_stands_for_one_part_which_is_decoded) {
  BOOST_TEST(matched("/jobs/{id}", "/jobs/7") == "id=7;");
  BOOST_TEST(matched("/jobs/{id}", "/jobs/a%20b%2Fc") == "id=a b/c;");
  BOOST_TEST(matched("/jobs/{id}", "/jobs/") == "no");
  BOOST_TEST(matched("/jobs/{id}", "/jobs/7/x") == "no");
  BOOST_TEST(matched("/{shop}/jobs/{id}/x", "/eu/jobs/7/x") == "shop=eu;id=7;");
  BOOST_TEST(matched("/{shop}/jobs/{id}/x", "/eu/jobs/7/y") == "no");
}

BOOST_AUTO_TEST_CASE(a_last_star_stands_for_all_that_is_left) {
  BOOST_TEST(matched("/orders/*", "/orders/") == "");
  BOOST_TEST(matched("/orders/*", "/orders/1/2") == "");
  BOOST_TEST(matched("/orders/*", "/orders") == "no");
  BOOST_TEST(matched("/*", "/") == "");
  BOOST_TEST(matched("/{a}/*", "/x/y/z") == "a=x;");
}

BOOST_AUTO_TEST_CASE(what_is_no_path_is_said) {
  BOOST_TEST(why_not("") == "a path begins with /");
  BOOST_TEST(why_not("jobs") == "a path begins with /");
  BOOST_TEST(why_not("/*/a") == "`*` is the last part of a path");
  BOOST_TEST(why_not("/{Id}") == "'Id' is no name: a to z, 0 to 9 and _");
  BOOST_TEST(why_not("/{}") == "'' is no name: a to z, 0 to 9 and _");
  BOOST_TEST(why_not("/{a}/{a}") == "'a' stands there twice");
  BOOST_TEST(why_not("/a//b") == "an empty part stands in it");
  BOOST_TEST(why_not("/x{id}") == "'x{id}' is a text, or {name}, or a last `*`, and as it is meant, without %");
  BOOST_TEST(why_not("/a?b=c") == "'a?b=c' is a text, or {name}, or a last `*`, and as it is meant, without %");
}

BOOST_AUTO_TEST_CASE(the_most_specific_stands_first) {
  const auto before = [](const std::string& one, const std::string& other) {
    return path_of(one).stands_before(path_of(other)) && !path_of(other).stands_before(path_of(one));
  };
  BOOST_TEST(before("/jobs/new", "/jobs/{id}"));
  BOOST_TEST(before("/jobs/{id}", "/jobs/*"));
  BOOST_TEST(before("/jobs/{id}", "/*"));
  BOOST_TEST(before("/{a}/x", "/{a}/*"));
  BOOST_TEST(before("/jobs/{id}/x", "/{kind}/7/x"));
  BOOST_TEST(path_of("/a/{b}/*").shape() == "/a/{}/*");
  BOOST_TEST(path_of("/a/{x}").shape() == path_of("/a/{y}").shape());
}

BOOST_AUTO_TEST_CASE(a_query_is_names_and_values) {
  const auto query = [](const std::string& text) { return shown(weir::io::http_query(text)); };
  BOOST_TEST(query("") == "");
  BOOST_TEST(query("a=1&b=x+y&c=%26&d&e=&&f=g=h") == "a=1;b=x y;c=&;d=;e=;f=g=h;");
}
