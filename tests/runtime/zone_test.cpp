// Time zones: what the system's database says, also for the years that it only gives a rule for.
#include "engine/runtime/zone.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <string>

using namespace weir::runtime;
using namespace std::chrono;
using namespace std::chrono_literals;

namespace {

Zone zone(const std::string& name) {
  std::string why;
  const auto found = Zone::find(name, why);
  BOOST_REQUIRE_MESSAGE(found, why);
  return *found;
}
WallTime utc(int y, unsigned m, unsigned d, seconds of_day = 0s) {
  return WallTime(sys_days(year(y) / month(m) / day(d))) + of_day;
}
seconds ahead(const std::string& name, WallTime time) { return zone(name).at(time).ahead; }

/// A file of one type and no change, whose footer says all.
std::string file_with(const std::string& footer, char version = '2') {
  const auto header = [&](char types) {
    std::string made = "TZif";
    made += version;
    made.append(15, '\0');
    made.append(12, '\0');                                           // utc, standard, leaps
    made.append(4, '\0');                                            // changes
    made.append({'\0', '\0', '\0', types, '\0', '\0', '\0', '\1'});  // types, letters
    return made;
  };
  const std::string one("\0\0\0\0\0\0\0", 7);
  return header(1) + one + header(1) + one + "\n" + footer + "\n";
}

}  // namespace

BOOST_AUTO_TEST_CASE(utc_needs_no_database_and_never_changes) {
  const auto period = zone("UTC").at(utc(2030, 7, 1));
  BOOST_TEST(period.ahead.count() == 0);
  BOOST_CHECK(period.begin == WallTime::min() && period.end == WallTime::max());
}

BOOST_AUTO_TEST_CASE(clocks_change_when_the_database_says) {
  const auto berlin = zone("Europe/Berlin");
  const auto summer = berlin.at(utc(2026, 7, 1));
  BOOST_TEST(summer.ahead.count() == 7200);
  BOOST_CHECK(summer.begin == utc(2026, 3, 29, 1h));
  BOOST_CHECK(summer.end == utc(2026, 10, 25, 1h));
  BOOST_TEST(berlin.at(summer.begin - 1ns).ahead.count() == 3600);
  BOOST_TEST(berlin.at(summer.begin).ahead.count() == 7200);
  BOOST_TEST(berlin.at(summer.end).ahead.count() == 3600);
  BOOST_TEST(ahead("America/New_York", utc(2026, 7, 1)).count() == -4 * 3600);
  BOOST_TEST(ahead("Asia/Kolkata", utc(2026, 7, 1)).count() == 19'800);
  BOOST_TEST(ahead("Australia/Lord_Howe", utc(2026, 1, 1)).count() == 11 * 3600);  // Half an hour of summer.
  BOOST_TEST(ahead("Australia/Lord_Howe", utc(2026, 7, 1)).count() == 37'800);
  BOOST_TEST(ahead("Europe/Dublin", utc(2026, 7, 1)).count() == 3600);  // Where winter is the exception.
  BOOST_TEST(ahead("Europe/Dublin", utc(2026, 1, 1)).count() == 0);
  BOOST_TEST(ahead("Pacific/Apia", utc(2011, 12, 30)).count() == -36'000);  // The 30th it left out.
  BOOST_TEST(ahead("Pacific/Apia", utc(2011, 12, 31)).count() == 14 * 3600);
}

BOOST_AUTO_TEST_CASE(far_years_go_by_the_rule_at_the_end_of_the_file) {
  const auto berlin = zone("Europe/Berlin").at(utc(2200, 7, 1));
  BOOST_TEST(berlin.ahead.count() == 7200);
  BOOST_CHECK(berlin.begin == utc(2200, 3, 30, 1h));
  BOOST_CHECK(berlin.end == utc(2200, 10, 26, 1h));
  BOOST_TEST(ahead("America/New_York", utc(2100, 1, 1)).count() == -5 * 3600);
  BOOST_TEST(ahead("America/Santiago", utc(2100, 1, 1)).count() == -3 * 3600);  // Its summer spans the new year.
  BOOST_TEST(ahead("America/Santiago", utc(2100, 7, 1)).count() == -4 * 3600);
  BOOST_TEST(ahead("America/Nuuk", utc(2100, 7, 1)).count() == -3600);  // `M3.5.0/-1`: on the day before.
}

BOOST_AUTO_TEST_CASE(a_rule_may_be_written_in_each_way_that_posix_has) {
  const auto of = [](const std::string& footer, WallTime time) {
    const auto parsed = Zone::parse(file_with(footer));
    BOOST_REQUIRE_MESSAGE(parsed, footer);
    return parsed->at(time).ahead.count();
  };
  BOOST_TEST(of("UTC0", utc(2030, 7, 1)) == 0);
  BOOST_TEST(of("AAA-1BBB,J60,J300", utc(2028, 3, 1, 1h)) == 7200);  // The 1st of March in leap years too,
  BOOST_TEST(of("AAA-1BBB,J60,J300", utc(2028, 2, 29)) == 3600);
  BOOST_TEST(of("AAA-1BBB,59,300", utc(2028, 2, 29, 2h)) == 7200);  // and this is the 29th of February in those.
  BOOST_TEST(of("<+0530>-5:30<-0130>1:30:30,M1.1.1/0,M12.2.3/26:15", utc(2030, 7, 1)) == -5430);
  for (const char* wrong :
       {"A0", "AAA", "AAA0BBB", "AAA0BBB,M3.5.0", "AAA0BBB,M13.5.0,M1.1.0", "AAA0BBB,M3.6.0,M1.1.0",
        "AAA0BBB,M3.5.7,M1.1.0", "AAA0BBB,366,1", "AAA0BBB,M3.5.0/,M1.1.0", "AAA0BBB,1,2x", "<AAA0"}) {
    BOOST_TEST(!Zone::parse(file_with(wrong)), wrong);
  }
}

BOOST_AUTO_TEST_CASE(every_zone_of_this_machine_can_be_read) {
  const auto names = Zone::names();
  BOOST_TEST(names.size() > 300U);
  for (const auto& name : names) {
    std::string why;
    BOOST_TEST(Zone::find(name, why).has_value(), why);
  }
}

BOOST_AUTO_TEST_CASE(a_name_that_is_none_is_told_and_opens_no_other_file) {
  for (const std::string name : {"Europe/Berlinn", "", "/etc/passwd", "../../../etc/passwd", "Europe", "Europe/Ber lin",
                                 "zone.tab", "europe/../UTC"}) {
    std::string why;
    BOOST_TEST(!Zone::find(name, why), name);
    BOOST_TEST(why == "there is no time zone '" + name + "'");
  }
}

BOOST_AUTO_TEST_CASE(a_file_cut_anywhere_is_broken_and_nothing_worse) {
  const std::string good = file_with("CET-1CEST,M3.5.0,M10.5.0/3");
  BOOST_TEST(Zone::parse(good).has_value());
  for (std::size_t size = 0; size < good.size(); ++size) BOOST_TEST(!Zone::parse(good.substr(0, size)));
  BOOST_TEST(!Zone::parse(file_with("UTC0", '\0')));  // Of version 1: years to 2037 only.
  std::string huge = good;
  huge.replace(32, 4, "\xFF\xFF\xFF\xFF");
  BOOST_TEST(!Zone::parse(huge));
}
