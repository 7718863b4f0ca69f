// Cron expressions: when they fall due, and what is said of those that are none.
#include "engine/policy/cron.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "engine/runtime/rfc3339.hpp"

using namespace weir::policy;
using namespace std::chrono;
using namespace std::chrono_literals;
using weir::runtime::Zone;
using Times = std::vector<std::string>;

namespace {

WallTime utc(int y, unsigned m, unsigned d, seconds of_day = 0s) {
  return WallTime(sys_days(year(y) / month(m) / day(d))) + of_day;
}

/// The next so many, in UTC, to the minute.
Times due(const std::string& text, WallTime after, int count = 3, const std::string& zone = "UTC") {
  Cron::Mistake mistake;
  const auto cron = Cron::parse(text, mistake);
  BOOST_REQUIRE_MESSAGE(cron, text + ": " + mistake.what);
  std::string why;
  const auto found = Zone::find(zone, why);
  BOOST_REQUIRE_MESSAGE(found, why);
  Times times;
  for (int i = 0; i < count; ++i) {
    const auto next = cron->next(after, *found);
    BOOST_REQUIRE(next);
    BOOST_TEST((*next > after));
    after = *next;
    times.push_back(weir::runtime::rfc3339(after).substr(0, 16));
  }
  return times;
}

/// "TEXT AT+LENGTH; HINT"
std::string mistake(const std::string& text) {
  Cron::Mistake mistake;
  BOOST_TEST(!Cron::parse(text, mistake), text);
  return mistake.what + " " + std::to_string(mistake.at) + "+" + std::to_string(mistake.length) + "; " + mistake.hint;
}

}  // namespace

BOOST_AUTO_TEST_CASE(it_is_due_at_the_next_minute_that_fits_and_never_now) {
  BOOST_TEST(due("*/5 * * * *", utc(2030, 1, 1)) ==
             (Times{"2030-01-01T00:05", "2030-01-01T00:10", "2030-01-01T00:15"}));
  BOOST_TEST(due("* * * * *", utc(2030, 1, 1, 30s), 1) == (Times{"2030-01-01T00:01"}));
  BOOST_TEST(due("0 0 * * *", utc(2030, 1, 1) - 1ns, 1) == (Times{"2030-01-01T00:00"}));
  BOOST_TEST(due("0 0 * * *", utc(2030, 1, 1), 1) == (Times{"2030-01-02T00:00"}));
}

BOOST_AUTO_TEST_CASE(fields_take_lists_ranges_steps_and_names) {
  BOOST_TEST(due("30 9-17/4 * * mon-fri", utc(2030, 1, 4, 12h), 4) ==
             (Times{"2030-01-04T13:30", "2030-01-04T17:30", "2030-01-07T09:30", "2030-01-07T13:30"}));
  BOOST_TEST(due("0 0 1,15 jan,JUL *", utc(2030, 1, 1), 4) ==
             (Times{"2030-01-15T00:00", "2030-07-01T00:00", "2030-07-15T00:00", "2031-01-01T00:00"}));
  BOOST_TEST(due("5,10-20/5,59 0 1 1 *", utc(2030, 1, 1), 4) ==
             (Times{"2030-01-01T00:05", "2030-01-01T00:10", "2030-01-01T00:15", "2030-01-01T00:20"}));
  for (const char* sunday : {"0 0 * * 0", "0 0 * * 7", "0 0 * * sun", "0\t0 * *  Sun", "@weekly"}) {
    BOOST_TEST(due(sunday, utc(2030, 1, 1), 2) == (Times{"2030-01-06T00:00", "2030-01-13T00:00"}), sunday);
  }
  BOOST_TEST(due("0 0 * * fri-sun", utc(2030, 1, 1)) ==
             (Times{"2030-01-04T00:00", "2030-01-05T00:00", "2030-01-06T00:00"}));
  BOOST_TEST(due("0 0 * * sat-7", utc(2030, 1, 1), 2) == (Times{"2030-01-05T00:00", "2030-01-06T00:00"}));
}

BOOST_AUTO_TEST_CASE(of_two_restricted_days_either_will_do) {
  BOOST_TEST(due("0 0 13 * fri", utc(2030, 9, 1), 4) ==
             (Times{"2030-09-06T00:00", "2030-09-13T00:00", "2030-09-20T00:00", "2030-09-27T00:00"}));
  // One that begins with * is none: then both must fit.
  BOOST_TEST(due("0 0 */2 * mon", utc(2030, 1, 1), 2) == (Times{"2030-01-07T00:00", "2030-01-21T00:00"}));
}

BOOST_AUTO_TEST_CASE(the_forms_with_a_name_are_short_for_fields) {
  BOOST_TEST(due("@hourly", utc(2030, 1, 1), 2) == (Times{"2030-01-01T01:00", "2030-01-01T02:00"}));
  BOOST_TEST(due("@daily", utc(2030, 1, 1), 1) == (Times{"2030-01-02T00:00"}));
  BOOST_TEST(due("@midnight", utc(2030, 1, 1), 1) == (Times{"2030-01-02T00:00"}));
  BOOST_TEST(due("@monthly", utc(2030, 1, 1), 1) == (Times{"2030-02-01T00:00"}));
  BOOST_TEST(due("@yearly", utc(2030, 1, 1), 1) == (Times{"2031-01-01T00:00"}));
  BOOST_TEST(due("@Annually", utc(2030, 1, 1), 1) == (Times{"2031-01-01T00:00"}));
}

BOOST_AUTO_TEST_CASE(days_that_are_rare_are_found) {
  BOOST_TEST(due("0 0 29 2 *", utc(2095, 1, 1), 2) == (Times{"2096-02-29T00:00", "2104-02-29T00:00"}));
  BOOST_TEST(due("0 0 31 * *", utc(2030, 1, 31), 2) == (Times{"2030-03-31T00:00", "2030-05-31T00:00"}));
  BOOST_TEST(due("0 0 29 2 */7", utc(2032, 3, 1), 1) == (Times{"2060-02-29T00:00"}));  // On a Sunday.
}

BOOST_AUTO_TEST_CASE(times_are_those_of_the_zone) {
  BOOST_TEST(due("0 2 * * *", utc(2030, 1, 1), 1, "Europe/Berlin") == (Times{"2030-01-01T01:00"}));
  BOOST_TEST(due("0 2 * * *", utc(2030, 7, 1), 1, "Europe/Berlin") == (Times{"2030-07-02T00:00"}));
  BOOST_TEST(due("0 0 1 * *", utc(2030, 1, 1), 1, "America/New_York") == (Times{"2030-01-01T05:00"}));
  BOOST_TEST(due("0 6 * * *", utc(2030, 1, 1), 1, "Asia/Kolkata") == (Times{"2030-01-01T00:30"}));
}

// In Berlin, on 2030-03-31, the clocks go from 02:00 to 03:00 (01:00 UTC), and on 2030-10-27 from 03:00 to 02:00.

BOOST_AUTO_TEST_CASE(a_time_of_day_that_the_clock_leaves_out_is_due_at_the_change) {
  BOOST_TEST(due("30 2 * * *", utc(2030, 3, 30), 3, "Europe/Berlin") ==
             (Times{"2030-03-30T01:30", "2030-03-31T01:00", "2030-04-01T00:30"}));
  // Several of them are due together, once; so is one that is due then anyway.
  BOOST_TEST(due("0,20,40 2 * * *", utc(2030, 3, 31), 2, "Europe/Berlin") ==
             (Times{"2030-03-31T01:00", "2030-04-01T00:00"}));
  BOOST_TEST(due("0 2,3 * * *", utc(2030, 3, 31), 2, "Europe/Berlin") ==
             (Times{"2030-03-31T01:00", "2030-04-01T00:00"}));
  BOOST_TEST(due("30 2 31 3 *", utc(2030, 1, 1), 2, "Europe/Berlin") ==
             (Times{"2030-03-31T01:00", "2031-03-31T00:30"}));
}

BOOST_AUTO_TEST_CASE(a_time_of_day_that_the_clock_shows_twice_is_due_the_first_time) {
  BOOST_TEST(due("30 2 * * *", utc(2030, 10, 26), 3, "Europe/Berlin") ==
             (Times{"2030-10-26T00:30", "2030-10-27T00:30", "2030-10-28T01:30"}));
  BOOST_TEST(due("0 3 * * *", utc(2030, 10, 27), 1, "Europe/Berlin") == (Times{"2030-10-27T02:00"}));
  // Begun between the two it waits for the next day.
  BOOST_TEST(due("30 2 * * *", utc(2030, 10, 27, 1h), 1, "Europe/Berlin") == (Times{"2030-10-28T01:30"}));
}

BOOST_AUTO_TEST_CASE(what_begins_with_a_star_goes_by_the_clock_as_it_shows) {
  BOOST_TEST(due("30 * * * *", utc(2030, 3, 31), 3, "Europe/Berlin") ==
             (Times{"2030-03-31T00:30", "2030-03-31T01:30", "2030-03-31T02:30"}));
  BOOST_TEST(due("30 * * * *", utc(2030, 10, 27), 3, "Europe/Berlin") ==
             (Times{"2030-10-27T00:30", "2030-10-27T01:30", "2030-10-27T02:30"}));
  BOOST_TEST(due("*/30 2 * * *", utc(2030, 3, 31), 1, "Europe/Berlin") == (Times{"2030-04-01T00:00"}));
  BOOST_TEST(due("*/30 2 * * *", utc(2030, 10, 27), 4, "Europe/Berlin") ==
             (Times{"2030-10-27T00:30", "2030-10-27T01:00", "2030-10-27T01:30", "2030-10-28T01:00"}));
}

BOOST_AUTO_TEST_CASE(a_change_of_half_an_hour_or_at_midnight_is_one_like_any_other) {
  // Lord Howe: on 2030-10-06 from 02:00 to 02:30, at 15:30 UTC of the day before.
  BOOST_TEST(due("15 2 * * *", utc(2030, 10, 5), 2, "Australia/Lord_Howe") ==
             (Times{"2030-10-05T15:30", "2030-10-06T15:15"}));
  // Beirut: on 2030-03-31 from 00:00 to 01:00, at 22:00 UTC of the day before.
  BOOST_TEST(due("@daily", utc(2030, 3, 30), 2, "Asia/Beirut") == (Times{"2030-03-30T22:00", "2030-03-31T21:00"}));
}

BOOST_AUTO_TEST_CASE(a_range_of_one_number_takes_a_step) {
  BOOST_TEST(due("5-5/2 * * * *", utc(2030, 1, 1), 2) == (Times{"2030-01-01T00:05", "2030-01-01T01:05"}));
  BOOST_TEST(due("0 0 * * 7-7/3", utc(2030, 1, 1), 2) == (Times{"2030-01-06T00:00", "2030-01-13T00:00"}));
}

BOOST_AUTO_TEST_CASE(what_is_advised_is_accepted_and_means_what_was_meant) {
  struct Case {
    std::string before, wrong, after;  ///< The field and what stands around it.
    std::string advised, meant;        ///< The field as advised, and number by number.
  };
  const std::vector<Case> cases{
      {"", "5/15", " * * * *", "5-59/15", "5,20,35,50"},
      {"", "5/59", " * * * *", "5", "5"},
      {"", "59/2", " * * * *", "59", "59"},
      {"", "5-3/2", " * * * *", "5-59/2,1-3/2",
       "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39,41,43,45,47,49,51,53,55,57,59"},
      {"", "55-3/6", " * * * *", "55,1", "55,1"},
      {"", "50-3/7", " * * * *", "50-59/7", "50,57"},
      {"0 ", "22-2", " * * *", "22-23,0-2", "22,23,0,1,2"},
      {"0 ", "23-0", " * * *", "23,0", "23,0"},
      {"0 0 ", "30-2", " * *", "30-31,1-2", "30,31,1,2"},
      {"0 0 1 ", "nov-feb", " *", "nov-12,1-feb", "11,12,1,2"},
      {"0 0 1 ", "10-4/3", " *", "10,1-4/3", "10,1,4"},
      {"0 0 * * ", "fri-mon", "", "fri-6,0-mon", "5,6,0,1"},
      {"0 0 * * ", "7-2", "", "0-2", "0,1,2"},
      {"0 0 * * ", "7-4/2", "", "0-4/2", "0,2,4"},
      {"0 0 * * ", "7/2", "", "0-6/2", "0,2,4,6"},
      {"0 0 * * ", "tue/2", "", "tue-6/2", "2,4,6"},
      {"0 0 * * ", "mon#2", "", "mon", "1"},
      {"0 0 * * ", "Monday", "", "mon", "1"},
      {"0 0 ", "?", " * *", "*", "*"},
  };
  for (const auto& one : cases) {
    const auto said = mistake(one.before + one.wrong + one.after);
    const auto hint = said.substr(said.rfind("; ") + 2);
    const auto at = hint.find(one.advised);
    BOOST_TEST(at != hint.npos, said);
    if (at != hint.npos)
      BOOST_TEST((at + one.advised.size() == hint.size() ||
                  !std::isdigit(static_cast<unsigned char>(hint[at + one.advised.size()]))),
                 said);
    BOOST_TEST(due(one.before + one.advised + one.after, utc(2030, 1, 1), 40) ==
                   due(one.before + one.meant + one.after, utc(2030, 1, 1), 40),
               one.wrong);
  }
}

BOOST_AUTO_TEST_CASE(every_mistake_is_told_with_its_place_and_its_cure) {
  BOOST_TEST(mistake("") == "the expression is empty 0+1; five fields, such as '*/5 * * * *', or @hourly");
  BOOST_TEST(
      mistake("5 * * *") ==
      "expected five fields, found 4 fields 0+7; minute, hour, day of the month, month, day of the week, such as "
      "'*/5 * * * *'");
  BOOST_TEST(
      mistake("0 */5 * * * *") ==
      "expected five fields, found 6 fields 12+1; minute, hour, day of the month, month, day of the week; seconds "
      "are for `every`");
  BOOST_TEST(mistake("60 * * * *") == "there is no minute 60 0+2; it goes from 0 to 59");
  BOOST_TEST(mistake("0 24 * * *") == "there is no hour 24 2+2; it goes from 0 to 23");
  BOOST_TEST(mistake("0 0 0 * *") == "there is no day of the month 0 4+1; it goes from 1 to 31");
  BOOST_TEST(mistake("0 0 * 1,13 *") == "there is no month 13 8+2; it goes from 1 to 12");
  BOOST_TEST(mistake("0 0 * * 8") == "there is no day of the week 8 8+1; it goes from 0 to 7");
  BOOST_TEST(mistake("0 0 * * monday") == "'monday' is no day of the week 8+6; names have three letters: mon");
  BOOST_TEST(mistake("0 0 * mai *") == "'mai' is no month 6+3; a number from 1 to 12, or jan, feb and so on");
  BOOST_TEST(mistake("x * * * *") == "'x' is no minute 0+1; a number from 0 to 59");
  BOOST_TEST(mistake("-5 * * * *") == "'-5' is no minute 0+2; a number from 0 to 59");
  BOOST_TEST(mistake("0 0 ? * *") == "'?' is no day of the month 4+1; write * for any");
  BOOST_TEST(mistake("1,,2 * * * *") == "a number is missing in the minute 2+1; a number from 0 to 59");
  BOOST_TEST(mistake("1- * * * *") == "a number is missing in the minute 2+1; a number from 0 to 59");
  BOOST_TEST(mistake("0 22-2 * * *") == "the range 22-2 runs backwards 2+4; write its two parts: 22-23,0-2");
  BOOST_TEST(mistake("0 0 * * fri-mon") == "the range fri-mon runs backwards 8+7; write its two parts: fri-6,0-mon");
  BOOST_TEST(mistake("5/15 * * * *") == "a step needs a range to step through 0+4; write 5-59/15");
  BOOST_TEST(mistake("59-3/6 * * * *") == "the range 59-3 runs backwards 0+6; write 59");
  BOOST_TEST(mistake("58-3/3 * * * *") == "the range 58-3 runs backwards 0+6; write its two parts: 58,1");
  BOOST_TEST(mistake("0 0 * * 7-2") == "the range 7-2 runs backwards 8+3; write 0-2");
  BOOST_TEST(mistake("0 0 * * 7/2") == "a step needs a range to step through 8+3; write 0-6/2");
  BOOST_TEST(mistake("1/2/3 * * * *") == "'2/3' is no step 2+3; a whole number above 0, such as */5");
  BOOST_TEST(mistake("5/0 * * * *") == "'0' is no step 2+1; a whole number above 0, such as */5");
  BOOST_TEST(mistake("0 0 * * mon#2") ==
             "'mon#2' is no day of the week 8+5; write mon, and let a `where` behind it see which one of the month it "
             "is");
  BOOST_TEST(mistake("*/0 * * * *") == "'0' is no step 2+1; a whole number above 0, such as */5");
  BOOST_TEST(mistake("*/ * * * *") == "'' is no step 0+2; a whole number above 0, such as */5");
  BOOST_TEST(mistake("*/90 * * * *") == "a step of 90 is longer than the minute goes 2+2; at most 59");
  BOOST_TEST(mistake("0 0 30 2 *") == "there is no such day in any of these months 4+2; it would never be due");
  BOOST_TEST(mistake("@dayly") == "cron has no '@dayly' 0+6; there are @hourly, @daily, @weekly, @monthly and @yearly");
  BOOST_TEST(mistake("@every 90s") == "cron has no '@every 90s' 0+6; `every: 90s` does that");
  BOOST_TEST(mistake("@every 1h30m") == "cron has no '@every 1h30m' 0+6; `every: 90m` does that");
  BOOST_TEST(mistake("@every") == "cron has no '@every' 0+6; `every: 5m` does that");
  BOOST_TEST(mistake("@every so often") == "cron has no '@every so often' 0+6; `every: 5m` does that");
  BOOST_TEST(mistake("@reboot") == "cron has no '@reboot' 0+7; without `cron` and `every` a source begins at once");
}
