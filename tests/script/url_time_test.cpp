// URLs and times as text, by the examples of their standards.
#include <boost/test/unit_test.hpp>

#include "engine/script/time_text.hpp"
#include "engine/script/url.hpp"

using namespace weir::script;

BOOST_AUTO_TEST_CASE(references_are_resolved_as_rfc_3986_says) {
  const std::pair<const char*, const char*> cases[] = {{"g:h", "g:h"},
                                                       {"g", "http://a/b/c/g"},
                                                       {"./g", "http://a/b/c/g"},
                                                       {"g/", "http://a/b/c/g/"},
                                                       {"/g", "http://a/g"},
                                                       {"//g", "http://g"},
                                                       {"?y", "http://a/b/c/d;p?y"},
                                                       {"g?y", "http://a/b/c/g?y"},
                                                       {"#s", "http://a/b/c/d;p?q#s"},
                                                       {"g#s", "http://a/b/c/g#s"},
                                                       {"g?y#s", "http://a/b/c/g?y#s"},
                                                       {";x", "http://a/b/c/;x"},
                                                       {"", "http://a/b/c/d;p?q"},
                                                       {".", "http://a/b/c/"},
                                                       {"./", "http://a/b/c/"},
                                                       {"..", "http://a/b/"},
                                                       {"../", "http://a/b/"},
                                                       {"../g", "http://a/b/g"},
                                                       {"../..", "http://a/"},
                                                       {"../../", "http://a/"},
                                                       {"../../g", "http://a/g"},
                                                       {"../../../g", "http://a/g"},
                                                       {"/./g", "http://a/g"},
                                                       {"/../g", "http://a/g"},
                                                       {"g.", "http://a/b/c/g."},
                                                       {"..g", "http://a/b/c/..g"},
                                                       {"./../g", "http://a/b/g"},
                                                       {"./g/.", "http://a/b/c/g/"},
                                                       {"g/./h", "http://a/b/c/g/h"},
                                                       {"g/../h", "http://a/b/c/h"},
                                                       {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
                                                       {"g?y/../x", "http://a/b/c/g?y/../x"}};
  for (const auto& [reference, expected] : cases)
    BOOST_TEST(*url_join("http://a/b/c/d;p?q", reference) == expected, reference);
  BOOST_TEST(!url_join("no base", "x").has_value());
}

BOOST_AUTO_TEST_CASE(equal_urls_become_the_same_text) {
  const std::pair<const char*, const char*> cases[] = {{"HTTP://Example.ORG", "http://example.org/"},
                                                       {"http://a:80/x#f", "http://a/x"},
                                                       {"https://a:443/", "https://a/"},
                                                       {"http://a:8080/", "http://a:8080/"},
                                                       {"http://a:/x", "http://a/x"},
                                                       {"http://a/b/../c/./d", "http://a/c/d"},
                                                       {"http://a/%7eu/%c3%a9", "http://a/~u/%C3%A9"},
                                                       {"http://u@A/x?Q=%2f", "http://u@a/x?Q=%2F"},
                                                       {"http://[::1]:80/", "http://[::1]/"},
                                                       {"http://a?x", "http://a/?x"},
                                                       {"http://a/..", "http://a/"}};
  for (const auto& [url, expected] : cases) BOOST_TEST(*url_normalise(url) == expected, url);
  for (const auto* url : {"", "x", "/x", "mailto:a@b", "http://"}) BOOST_TEST(!url_normalise(url).has_value(), url);
  BOOST_TEST(*url_host("http://u:p@A.B:1/x") == "a.b");
  BOOST_TEST(!url_host("x").has_value());
}

BOOST_AUTO_TEST_CASE(times_are_read_and_written) {
  for (const auto* text : {"2026-01-31T08:05:09.123Z", "2026-01-31 08:05:09.123", "2026-01-31T10:05:09.123+02:00",
                           "2026-01-31t08:05:09.1239z"}) {
    BOOST_TEST(rfc3339(*parse_rfc3339(text)) == "2026-01-31T08:05:09.123Z", text);
  }
  for (const auto* text : {"", "2026", "2026-02-30", "2026-01-01T24:00", "2026-01-01T00:00:00X",
                           "2026-01-01T00:00:00.Z", "26-01-01", "9999-01-01"}) {
    BOOST_TEST(!parse_rfc3339(text).has_value(), text);
  }
  std::string what;
  const auto time = *parse_rfc3339("2026-01-03T13:05:09Z");
  BOOST_TEST(*format_time(time, "%A %a %d %e %B %b %Y %y %j %H %I%p %M %S %L %F %T %s %z %Z %%", what) ==
             "Saturday Sat 03  3 January Jan 2026 26 003 13 01PM 05 09 000 2026-01-03 13:05:09 1767445509 +0000 UTC %");
  BOOST_TEST(!format_time(time, "%Q", what).has_value());
  BOOST_TEST(what == "a time format knows no '%Q'");
  what.clear();
  BOOST_TEST(rfc3339(*parse_time("10/Oct/2000:13:55:36 -0700", "%d/%b/%Y:%H:%M:%S %z", what)) ==
             "2000-10-10T20:55:36.000Z");
  BOOST_TEST(rfc3339(*parse_time("3 1 26 1 PM", "%d %m %y %I %p", what)) == "2026-01-03T13:00:00.000Z");
  BOOST_TEST(rfc3339(*parse_time("1767445509", "%s", what)) == "2026-01-03T13:05:09.000Z");
  BOOST_TEST(!parse_time("x", "%Y", what).has_value());
  BOOST_TEST(what.empty());
}
