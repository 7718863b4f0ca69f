// URLs and times as text, by the examples of their standards.
#include <boost/test/unit_test.hpp>

#include "engine/script/time_text.hpp"
#include "engine/script/url.hpp"

using namespace weir;
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
  BOOST_TEST(*url_join("http://a/b/c/d;p?q", "http:g") == "http:g");
}

BOOST_AUTO_TEST_CASE(blanks_around_a_link_are_not_part_of_it) {
  for (const auto* reference : {" g", "g ", "\t\n g\r\n", "\fg"}) {
    BOOST_TEST(*url_join("http://a/b", reference) == "http://a/g", reference);
  }
  BOOST_TEST(*url_join("http://a/b", " https://c/d ") == "https://c/d");
  BOOST_TEST(*url_join("http://a/b?q", " \n") == "http://a/b?q");
  BOOST_TEST(*url_join("http://a/b", "g h") == "http://a/g h");
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
                                                       {"http://x/é", "http://x/%C3%A9"},
                                                       {"http://x/a b?c=ü|", "http://x/a%20b?c=%C3%BC%7C"},
                                                       {"http://x/%zz%", "http://x/%zz%"},
                                                       {"http://x/a+b,c=[d]!?/?", "http://x/a+b,c=[d]!?/?"},
                                                       {"http://ex.com:0080", "http://ex.com/"},
                                                       {"http://ex.com:08080/", "http://ex.com:8080/"},
                                                       {"http://ex.com:000/", "http://ex.com:0/"},
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
                           "2026-01-01T00:00:00.Z", "26-01-01", "9999-02-30"}) {
    BOOST_TEST(!parse_rfc3339(text).has_value(), text);
    BOOST_TEST(!outside_held_years(text), text);
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

BOOST_AUTO_TEST_CASE(a_time_outside_the_years_that_are_held_is_known_as_one) {
  for (const auto* text : {"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1677-12-31T23:59:59.999Z",
                           "2262-01-01T00:00:00Z", "1678-01-01T00:00:00+01:00", "2261-12-31T23:59:59-01:00"}) {
    BOOST_TEST(!parse_rfc3339(text).has_value(), text);
    BOOST_TEST(outside_held_years(text), text);
  }
  for (const auto* text : {"1678-01-01T00:00:00.000Z", "2261-12-31T23:59:59.999Z", "2026-01-01T00:00:00.000Z",
                           "1969-12-31T23:59:59.500Z"}) {
    BOOST_TEST(exact_rfc3339(*parse_rfc3339(text)) == text);
    BOOST_TEST(!outside_held_years(text), text);
  }
  BOOST_TEST(held(-9214560000.0));
  BOOST_TEST(!held(-9214560000.5));
  BOOST_TEST(held(9214646399.9));
  BOOST_TEST(!held(9214646400.0));
}

BOOST_AUTO_TEST_CASE(times_that_were_read_are_written_with_all_their_digits) {
  for (const auto* text :
       {"2026-01-03T13:05:09.123Z", "2026-01-03T13:05:09.123456Z", "2026-01-03T13:05:09.123456789Z",
        "2026-01-03T13:05:09.000001Z", "2026-01-03T13:05:09.000000001Z", "1969-12-31T23:59:59.999999Z"}) {
    BOOST_TEST(exact_rfc3339(*parse_rfc3339(text)) == text);
  }
}

BOOST_AUTO_TEST_CASE(seconds_since_1970_are_read_with_their_fraction_or_not_at_all) {
  const auto read = [](const char* text, const char* format) {
    std::string what;
    const auto time = parse_time(text, format, what);
    BOOST_TEST(what.empty());
    return time ? exact_rfc3339(*time) : "none";
  };
  BOOST_TEST(read("100.25", "%s.%L") == "1970-01-01T00:01:40.250Z");
  BOOST_TEST(read("-86400", "%s") == "1969-12-31T00:00:00.000Z");
  BOOST_TEST(read("9214646399", "%s") == "2261-12-31T23:59:59.000Z");
  for (const auto* text : {"9214646400", "9223372037", "9999999999", "99999999999", "-9999999999", "--1", "-"}) {
    BOOST_TEST(read(text, "%s") == "none", text);
  }
}

BOOST_AUTO_TEST_CASE(an_hour_of_twelve_is_one_of_twelve) {
  std::string what;
  BOOST_TEST(!parse_time("13:00", "%I:%M", what).has_value());
  BOOST_TEST(!parse_time("00:00", "%I:%M", what).has_value());
  BOOST_TEST(!parse_time("13:00 PM", "%I:%M %p", what).has_value());
  BOOST_TEST(rfc3339(*parse_time("12:00 AM", "%I:%M %p", what)) == "1970-01-01T00:00:00.000Z");
  BOOST_TEST(rfc3339(*parse_time("11:30", "%I:%M", what)) == "1970-01-01T11:30:00.000Z");
  BOOST_TEST(rfc3339(*parse_time("13:00", "%H:%M", what)) == "1970-01-01T13:00:00.000Z");
}

BOOST_AUTO_TEST_CASE(times_are_read_and_written_as_the_clocks_of_a_place_show_them) {
  std::string why;
  const auto berlin = runtime::Zone::find("Europe/Berlin", why), katmandu = runtime::Zone::find("Asia/Kathmandu", why),
             york = runtime::Zone::find("America/New_York", why);
  if (!berlin || !katmandu || !york) {
    BOOST_TEST_MESSAGE("skipped: this machine has no database of zones");
    return;
  }
  std::string what;
  const auto shown = [&](const std::string& time, const runtime::Zone& zone) {
    return format_time(*parse_rfc3339(time), "%F %T.%f %z %Z %s", what, {&zone, "X"}).value_or(what);
  };
  BOOST_TEST(shown("2026-07-01T22:30:00.000123Z", *berlin) == "2026-07-02 00:30:00.000123 +0200 X 1782945000");
  BOOST_TEST(shown("2026-01-01T00:00:00Z", *york) == "2025-12-31 19:00:00.000000 -0500 X 1767225600");
  BOOST_TEST(shown("2026-01-01T00:00:00Z", *katmandu) == "2026-01-01 05:45:00.000000 +0545 X 1767225600");
  const auto read = [&](const std::string& text, const runtime::Zone& zone, const std::string& format = "%F %T") {
    const auto time = parse_time(text, format, what, {&zone, "X"});
    return time ? rfc3339(*time) : "none";
  };
  BOOST_TEST(read("2026-07-01 00:30:00", *berlin) == "2026-06-30T22:30:00.000Z");
  BOOST_TEST(read("2026-01-01 05:45:00", *katmandu) == "2026-01-01T00:00:00.000Z");
  // The clocks are put forward from 2:00 to 3:00, and in autumn back from 3:00.
  BOOST_TEST(read("2026-03-29 01:59:59", *berlin) == "2026-03-29T00:59:59.000Z");
  BOOST_TEST(read("2026-03-29 02:30:00", *berlin) == "2026-03-29T01:30:00.000Z");
  BOOST_TEST(read("2026-03-29 03:00:00", *berlin) == "2026-03-29T01:00:00.000Z");
  BOOST_TEST(read("2026-10-25 02:30:00", *berlin) == "2026-10-25T00:30:00.000Z");
  BOOST_TEST(read("2026-10-25 03:00:00", *berlin) == "2026-10-25T02:00:00.000Z");
  BOOST_TEST(read("2026-11-01 01:30:00", *york) == "2026-11-01T05:30:00.000Z");
  BOOST_TEST(read("2026-07-01 00:30:00 +0900", *berlin, "%F %T %z") == "2026-06-30T15:30:00.000Z");
  BOOST_TEST(read("2026-02-30 00:30:00", *berlin) == "none");
  BOOST_TEST(read("1678-01-01 00:00:00", *berlin) == "1678-01-01T00:00:00.000Z");
}

BOOST_AUTO_TEST_CASE(the_times_of_common_logs_are_read) {
  std::string what;
  const auto read = [&](const std::string& text, const std::string& format) {
    const auto time = parse_time(text, format, what);
    return time ? exact_rfc3339(*time) : "none";
  };
  BOOST_TEST(read("2030 Feb  5 17:32:18", "%Y %b %d %H:%M:%S") == "2030-02-05T17:32:18.000Z");
  BOOST_TEST(read("2030-01-01 10:00:00.123", "%F %T.%L") == "2030-01-01T10:00:00.123Z");
  BOOST_TEST(read("2030-01-01 10:00:00,123456", "%Y-%m-%d %H:%M:%S,%f") == "2030-01-01T10:00:00.123456Z");
}
