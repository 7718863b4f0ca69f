#include "engine/script/time_text.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace weir::script {
namespace {

using namespace std::chrono;
using namespace std::string_view_literals;

constexpr std::array months{"January"sv, "February"sv, "March"sv,     "April"sv,   "May"sv,      "June"sv,
                            "July"sv,    "August"sv,   "September"sv, "October"sv, "November"sv, "December"sv};
constexpr std::array weekdays{"Sunday"sv,   "Monday"sv, "Tuesday"sv, "Wednesday"sv,
                              "Thursday"sv, "Friday"sv, "Saturday"sv};

/// Reads a text from the left.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest(text) {}

  bool literal(char c) {
    if (rest.empty() || rest[0] != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  /// Between `least` and `most` digits.
  std::optional<std::int64_t> digits(std::size_t least, std::size_t most) {
    std::size_t used = 0;
    std::int64_t value = 0;
    while (used < most && used < rest.size() && rest[used] >= '0' && rest[used] <= '9') {
      value = value * 10 + (rest[used++] - '0');
    }
    if (used < least) return std::nullopt;
    rest.remove_prefix(used);
    return value;
  }
  /// One of these words, or its first three letters, in any case; counted from 0.
  template <std::size_t Count>
  std::optional<int> word(const std::array<std::string_view, Count>& words) {
    for (int which = 0; which < static_cast<int>(Count); ++which) {
      for (const auto size : {words[static_cast<std::size_t>(which)].size(), std::size_t{3}}) {
        if (rest.size() < size) continue;
        bool same = true;
        for (std::size_t i = 0; i < size; ++i)
          same &= (rest[i] | 0x20) == (words[static_cast<std::size_t>(which)][i] | 0x20);
        if (!same) continue;
        rest.remove_prefix(size);
        return which;
      }
    }
    return std::nullopt;
  }
  /// `Z`, `+02:00`, `+0200`.
  std::optional<seconds> zone() {
    if (literal('Z') || literal('z')) return seconds(0);
    const bool east = !rest.empty() && rest[0] == '+';
    if (!east && (rest.empty() || rest[0] != '-')) return std::nullopt;
    rest.remove_prefix(1);
    const auto hour = digits(2, 2);
    literal(':');
    const auto minute = hour ? digits(2, 2) : std::nullopt;
    if (!minute || *hour > 23 || *minute > 59) return std::nullopt;
    const seconds offset = hours(*hour) + minutes(*minute);
    return east ? offset : -offset;
  }
  /// Digits of a fraction of a second, at least one; those beyond nanoseconds are cut off.
  std::optional<nanoseconds> fraction() {
    std::int64_t value = 0;
    std::size_t used = 0;
    for (; used < rest.size() && rest[used] >= '0' && rest[used] <= '9'; ++used) {
      if (used < 9) value = value * 10 + (rest[used] - '0');
    }
    if (used == 0) return std::nullopt;
    for (auto i = used; i < 9; ++i) value *= 10;
    rest.remove_prefix(used);
    return nanoseconds(value);
  }

  std::string_view rest;
};

/// The whole years that 64 bits of nanoseconds hold.
constexpr sys_seconds held_first = sys_days(1678y / January / 1), held_end = sys_days(2262y / January / 1);

struct Parts {
  std::int64_t year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0;
  nanoseconds below{0};
  seconds offset{0};

  /// Whether there is such a day and such a time of day. A leap second is the second after.
  bool real() const { return date().ok() && hour <= 23 && minute <= 59 && second <= 60; }
  sys_seconds whole() const { return sys_days(date()) + hours(hour) + minutes(minute) + seconds(second) - offset; }
  std::optional<runtime::WallTime> time() const {
    if (!real()) return std::nullopt;
    return time_of(whole(), below);
  }
  static std::optional<runtime::WallTime> time_of(sys_seconds whole, nanoseconds below) {
    if (whole < held_first || whole >= held_end) return std::nullopt;
    return runtime::WallTime(whole) + below;
  }

 private:
  year_month_day date() const {
    return {std::chrono::year(static_cast<int>(year)), std::chrono::month(static_cast<unsigned>(month)),
            std::chrono::day(static_cast<unsigned>(day))};
  }
};

void pad(std::string& out, std::int64_t value, int width, char with = '0') {
  auto digits = std::to_string(value);
  if (static_cast<int>(digits.size()) < width) out.append(static_cast<std::size_t>(width) - digits.size(), with);
  out += digits;
}

std::optional<Parts> read_rfc3339(std::string_view text) {
  Cursor cursor(text);
  Parts parts;
  const auto year = cursor.digits(4, 4);
  const bool dash = cursor.literal('-');
  const auto month = cursor.digits(2, 2);
  const bool other_dash = cursor.literal('-');
  const auto day = cursor.digits(2, 2);
  if (!year || !dash || !month || !other_dash || !day) return std::nullopt;
  parts.year = *year, parts.month = *month, parts.day = *day;
  if (cursor.rest.empty()) return parts;
  if (!cursor.literal('T') && !cursor.literal('t') && !cursor.literal(' ')) return std::nullopt;
  const auto hour = cursor.digits(2, 2);
  const bool colon = cursor.literal(':');
  const auto minute = cursor.digits(2, 2);
  if (!hour || !colon || !minute) return std::nullopt;
  parts.hour = *hour, parts.minute = *minute;
  if (cursor.literal(':')) {
    const auto second = cursor.digits(2, 2);
    if (!second) return std::nullopt;
    parts.second = *second;
    if (cursor.literal('.') || cursor.literal(',')) {
      const auto below = cursor.fraction();
      if (!below) return std::nullopt;
      parts.below = *below;
    }
  }
  if (!cursor.rest.empty()) {
    const auto offset = cursor.zone();
    if (!offset || !cursor.rest.empty()) return std::nullopt;
    parts.offset = *offset;
  }
  return parts;
}

}  // namespace

std::string exact_rfc3339(runtime::WallTime time) {
  std::string text = rfc3339(time);
  const auto below = (time - floor<milliseconds>(time)).count();
  if (below == 0) return text;
  text.pop_back();
  if (below % 1000 == 0) {
    pad(text, below / 1000, 3);
  } else {
    pad(text, below, 6);
  }
  return text + 'Z';
}

bool held(double seconds_since_1970) {
  return seconds_since_1970 >= static_cast<double>(held_first.time_since_epoch().count()) &&
         seconds_since_1970 < static_cast<double>(held_end.time_since_epoch().count());
}

runtime::WallTime time_of(double seconds_since_1970) {
  const double whole = std::floor(seconds_since_1970);
  return runtime::WallTime(std::chrono::seconds(static_cast<std::int64_t>(whole)) +
                           std::chrono::microseconds(std::llround((seconds_since_1970 - whole) * 1e6)));
}

bool outside_held_years(std::string_view text) {
  const auto parts = read_rfc3339(text);
  return parts && parts->real() && !parts->time();
}

std::optional<runtime::WallTime> parse_rfc3339(std::string_view text) {
  const auto parts = read_rfc3339(text);
  return parts ? parts->time() : std::nullopt;
}

std::optional<std::string> format_time(runtime::WallTime moment, std::string_view format, std::string& what,
                                       const Clocks& clocks) {
  const auto ahead = clocks.zone ? clocks.zone->at(moment).ahead : seconds(0);
  const auto time = std::chrono::time_point<std::chrono::system_clock, nanoseconds>(moment) + ahead;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  const auto weekday_index = static_cast<std::size_t>(weekday(day).c_encoding());
  const auto month_index = static_cast<std::size_t>(static_cast<unsigned>(date.month())) - 1;
  const auto hour = clock.hours().count();
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    if (++i == format.size()) {
      what = "a time format ends in '%'";
      return std::nullopt;
    }
    switch (format[i]) {
      case 'Y':
        pad(out, static_cast<int>(date.year()), 4);
        break;
      case 'y':
        pad(out, static_cast<int>(date.year()) % 100, 2);
        break;
      case 'm':
        pad(out, static_cast<unsigned>(date.month()), 2);
        break;
      case 'd':
        pad(out, static_cast<unsigned>(date.day()), 2);
        break;
      case 'e':
        pad(out, static_cast<unsigned>(date.day()), 2, ' ');
        break;
      case 'j':
        pad(out, (day - floor<days>(sys_days(date.year() / January / 1))).count() + 1, 3);
        break;
      case 'H':
        pad(out, hour, 2);
        break;
      case 'I':
        pad(out, hour % 12 == 0 ? 12 : hour % 12, 2);
        break;
      case 'M':
        pad(out, clock.minutes().count(), 2);
        break;
      case 'S':
        pad(out, clock.seconds().count(), 2);
        break;
      case 'L':
        pad(out, clock.subseconds().count() / 1'000'000, 3);
        break;
      case 'f':
        pad(out, clock.subseconds().count() / 1'000, 6);
        break;
      case 'p':
        out += hour < 12 ? "AM" : "PM";
        break;
      case 'a':
        out += weekdays[weekday_index].substr(0, 3);
        break;
      case 'A':
        out += weekdays[weekday_index];
        break;
      case 'b':
        out += months[month_index].substr(0, 3);
        break;
      case 'B':
        out += months[month_index];
        break;
      case 'F':
        out += *format_time(moment, "%Y-%m-%d", what, clocks);
        break;
      case 'T':
        out += *format_time(moment, "%H:%M:%S", what, clocks);
        break;
      case 's':
        out += std::to_string(floor<seconds>(moment).time_since_epoch().count());
        break;
      case 'z':
        out += ahead < seconds(0) ? '-' : '+';
        pad(out, abs(ahead) / hours(1), 2);
        pad(out, abs(ahead) / minutes(1) % 60, 2);
        break;
      case 'Z':
        out += clocks.name;
        break;
      case '%':
        out += '%';
        break;
      default:
        what = "a time format knows no '%" + std::string(1, format[i]) + "'";
        return std::nullopt;
    }
  }
  return out;
}

namespace {

/// When the clocks of the zone show this. The first of two; where they never do, as if they had not been put forward.
seconds ahead_when_clocks_show(const runtime::Zone& zone, sys_seconds shown) {
  if (shown < held_first + days(2) || shown >= held_end - days(2)) return seconds(0);  // Not held, or nearly.
  const auto before = zone.at(runtime::WallTime(shown - hours(26))).ahead;
  const auto after = zone.at(runtime::WallTime(shown + hours(26))).ahead;
  const bool as_before = zone.at(runtime::WallTime(shown - before)).ahead == before;
  const bool as_after = zone.at(runtime::WallTime(shown - after)).ahead == after;
  return !as_before && as_after ? after : before;
}

}  // namespace

std::optional<runtime::WallTime> parse_time(std::string_view text, std::string_view format, std::string& what,
                                            const Clocks& clocks) {
  Cursor cursor(text);
  Parts parts;
  std::optional<bool> afternoon;
  bool says_zone = false;
  std::optional<std::int64_t> unix_seconds;
  std::string expanded;
  for (std::size_t i = 0; i < format.size(); ++i) {  // %F and %T are only abbreviations.
    const auto two = format.substr(i, 2);
    if (two == "%F")
      expanded += "%Y-%m-%d", ++i;
    else if (two == "%T")
      expanded += "%H:%M:%S", ++i;
    else if (two == "%%")
      expanded += "%%", ++i;
    else
      expanded += format[i];
  }
  for (std::size_t i = 0; i < expanded.size(); ++i) {
    if (expanded[i] != '%') {
      if (!cursor.literal(expanded[i])) return std::nullopt;
      continue;
    }
    if (++i == expanded.size()) {
      what = "a time format ends in '%'";
      return std::nullopt;
    }
    std::optional<std::int64_t> number;
    switch (expanded[i]) {
      case 'Y':
        if (!(number = cursor.digits(4, 4))) return std::nullopt;
        parts.year = *number;
        break;
      case 'y':
        if (!(number = cursor.digits(2, 2))) return std::nullopt;
        parts.year = *number + (*number < 69 ? 2000 : 1900);
        break;
      case 'm':
        if (!(number = cursor.digits(1, 2))) return std::nullopt;
        parts.month = *number;
        break;
      case 'e':
      case 'd':
        cursor.literal(' ');
        if (!(number = cursor.digits(1, 2))) return std::nullopt;
        parts.day = *number;
        break;
      case 'H':
        if (!(number = cursor.digits(1, 2))) return std::nullopt;
        parts.hour = *number;
        break;
      case 'I':
        if (!(number = cursor.digits(1, 2)) || *number < 1 || *number > 12) return std::nullopt;
        parts.hour = *number;
        break;
      case 'M':
        if (!(number = cursor.digits(2, 2))) return std::nullopt;
        parts.minute = *number;
        break;
      case 'S':
        if (!(number = cursor.digits(2, 2))) return std::nullopt;
        parts.second = *number;
        break;
      case 'L':
      case 'f': {
        const auto below = cursor.fraction();
        if (!below) return std::nullopt;
        parts.below = *below;
        break;
      }
      case 'p': {
        constexpr std::array halves{"AM"sv, "PM"sv};
        if (cursor.rest.size() < 2) return std::nullopt;
        const bool pm = (cursor.rest[0] | 0x20) == 'p';
        if ((cursor.rest[0] | 0x20) != (halves[pm][0] | 0x20) || (cursor.rest[1] | 0x20) != 'm') return std::nullopt;
        cursor.rest.remove_prefix(2);
        afternoon = pm;
        break;
      }
      case 'a':
      case 'A':
        if (!cursor.word(weekdays)) return std::nullopt;
        break;
      case 'b':
      case 'B': {
        const auto month = cursor.word(months);
        if (!month) return std::nullopt;
        parts.month = *month + 1;
        break;
      }
      case 's': {
        const bool before_1970 = cursor.literal('-');
        if (!(number = cursor.digits(1, 10))) return std::nullopt;
        unix_seconds = before_1970 ? -*number : *number;
        break;
      }
      case 'z': {
        const auto offset = cursor.zone();
        if (!offset) return std::nullopt;
        parts.offset = *offset;
        says_zone = true;
        break;
      }
      case 'Z':
        if (!cursor.rest.starts_with("UTC") && !cursor.rest.starts_with("GMT")) return std::nullopt;
        cursor.rest.remove_prefix(3);
        says_zone = true;
        break;
      case '%':
        if (!cursor.literal('%')) return std::nullopt;
        break;
      default:
        what = "a time format knows no '%" + std::string(1, expanded[i]) + "' when reading";
        return std::nullopt;
    }
  }
  if (!cursor.rest.empty()) return std::nullopt;
  if (unix_seconds) return Parts::time_of(sys_seconds(seconds(*unix_seconds)), parts.below);
  if (afternoon) {
    if (parts.hour < 1 || parts.hour > 12) return std::nullopt;
    parts.hour = parts.hour % 12 + (*afternoon ? 12 : 0);
  }
  if (clocks.zone && !says_zone && parts.real()) parts.offset = ahead_when_clocks_show(*clocks.zone, parts.whole());
  return parts.time();
}

}  // namespace weir::script
