#include "engine/runtime/zone.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace weir::runtime {
namespace {

using namespace std::chrono;

const std::string folder = "/usr/share/zoneinfo/";
constexpr std::int64_t day_s = 86'400;
constexpr int last_year = 2261;  // The last that WallTime holds whole.
constexpr std::size_t file_bytes_most = 1 << 20;

std::int64_t big_endian(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  if (size == 4) return static_cast<std::int32_t>(value);
  return static_cast<std::int64_t>(value);
}

/// Seconds since 1970, held within what WallTime can say.
WallTime wall(std::int64_t seconds_since_1970) {
  constexpr auto most = duration_cast<seconds>(WallTime::max().time_since_epoch()).count();
  return WallTime(seconds(std::clamp<std::int64_t>(seconds_since_1970, -most, most)));
}

/// Reads a POSIX TZ text from the left.
struct Cursor {
  std::string_view rest;

  bool literal(char c) {
    if (!rest.starts_with(c)) return false;
    rest.remove_prefix(1);
    return true;
  }
  std::optional<int> number() {
    int value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc() || rest.starts_with('-')) return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    return value;
  }
  /// `CET`, `<+03>`
  bool name() {
    if (literal('<')) {
      const auto end = rest.find('>');
      if (end == rest.npos) return false;
      rest.remove_prefix(end + 1);
      return true;
    }
    std::size_t size = 0;
    while (size < rest.size() && ((rest[size] | 0x20) >= 'a' && (rest[size] | 0x20) <= 'z')) ++size;
    rest.remove_prefix(size);
    return size >= 3;
  }
  /// `[+-]hh[:mm[:ss]]`
  std::optional<std::int64_t> time() {
    const bool minus = literal('-');
    if (!minus) literal('+');
    std::int64_t value = 0;
    for (std::int64_t unit = 3600; unit > 0; unit /= 60) {
      if (unit < 3600 && !literal(':')) break;
      const auto part = number();
      if (!part) return std::nullopt;
      value += *part * unit;
    }
    return minus ? -value : value;
  }
};

}  // namespace

std::int64_t Zone::Rule::local_s(int of_year) const {
  const year y(of_year);
  sys_days date = sys_days(y / January / 1);
  if (kind == Kind::julian) {  // From 1; the 29th of February is never counted.
    date += days(day - 1 + (y.is_leap() && day >= 60 ? 1 : 0));
  } else if (kind == Kind::day) {
    date += days(day);
  } else {
    const weekday wanted(static_cast<unsigned>(day));
    const auto of_month = y / std::chrono::month(static_cast<unsigned>(month));
    date = week == 5 ? sys_days(of_month / wanted[last]) : sys_days(of_month / wanted[static_cast<unsigned>(week)]);
  }
  return date.time_since_epoch().count() * day_s + time_s;
}

std::optional<Zone::Yearly> Zone::parse_yearly(std::string_view text) {
  Cursor cursor{text};
  Yearly yearly;
  const bool named = cursor.name();
  const auto standard = named ? cursor.time() : std::nullopt;
  if (!standard) return std::nullopt;
  yearly.standard_s = -*standard;  // POSIX counts to the west.
  if (cursor.rest.empty()) return yearly;
  if (!cursor.name()) return std::nullopt;
  yearly.summer_s = yearly.standard_s + 3600;
  if (!cursor.rest.starts_with(',')) {
    const auto summer = cursor.time();
    if (!summer) return std::nullopt;
    yearly.summer_s = -*summer;
  }
  for (Rule* rule : {&yearly.begins, &yearly.ends}) {
    if (!cursor.literal(',')) return std::nullopt;
    if (cursor.literal('M')) {
      rule->kind = Rule::Kind::weekday;
      const auto month = cursor.number();
      const bool dot = cursor.literal('.');
      const auto week = cursor.number();
      const bool other_dot = cursor.literal('.');
      const auto day = cursor.number();
      if (!month || !dot || !week || !other_dot || !day) return std::nullopt;
      if (*month < 1 || *month > 12 || *week < 1 || *week > 5 || *day < 0 || *day > 6) return std::nullopt;
      rule->month = *month, rule->week = *week, rule->day = *day;
    } else {
      rule->kind = cursor.literal('J') ? Rule::Kind::julian : Rule::Kind::day;
      const auto day = cursor.number();
      if (!day || *day > 365) return std::nullopt;
      rule->day = *day;
    }
    if (cursor.literal('/')) {
      const auto time = cursor.time();
      if (!time) return std::nullopt;
      rule->time_s = *time;
    }
  }
  if (!cursor.rest.empty()) return std::nullopt;
  return yearly;
}

std::optional<Zone> Zone::parse(std::string_view bytes) {
  constexpr std::size_t header = 44;
  struct Counts {
    std::size_t utc, standard, leaps, changes, types, letters;
  };
  const auto counts = [&](std::size_t at) -> std::optional<Counts> {
    if (bytes.size() < at + header || bytes.substr(at, 4) != "TZif" || bytes[at + 4] < '2') return std::nullopt;
    const auto count = [&](std::size_t which) {
      return static_cast<std::size_t>(static_cast<std::uint32_t>(big_endian(bytes, at + 20 + 4 * which, 4)));
    };
    const Counts all{count(0), count(1), count(2), count(3), count(4), count(5)};
    if (std::max({all.utc, all.standard, all.leaps, all.changes, all.types, all.letters}) > file_bytes_most)
      return std::nullopt;
    return all;
  };
  const auto size = [](const Counts& all, std::size_t time) {
    return all.changes * (time + 1) + all.types * 6 + all.letters + all.leaps * (time + 4) + all.standard + all.utc;
  };
  // The first part, of 32 bits, is for readers of version 1: what is wanted comes after it.
  const auto old = counts(0);
  if (!old) return std::nullopt;
  std::size_t at = header + size(*old, 4);
  const auto all = counts(at);
  if (!all || all->types == 0) return std::nullopt;
  at += header;
  if (bytes.size() < at + size(*all, 8)) return std::nullopt;

  Zone zone;
  const std::size_t which = at + all->changes * 8, types = which + all->changes;
  const auto ahead = [&](std::size_t type) { return big_endian(bytes, types + type * 6, 4); };
  zone.first_ahead_s_ = ahead(0);
  for (std::size_t i = 0; i < all->changes; ++i) {
    const std::size_t type = static_cast<unsigned char>(bytes[which + i]);
    if (type >= all->types) return std::nullopt;
    const Change change{big_endian(bytes, at + i * 8, 8), ahead(type)};
    if (!zone.changes_.empty() && zone.changes_.back().at_s >= change.at_s) return std::nullopt;
    // A change of its name alone, or of what is called summer, is none of the clocks.
    const std::int64_t before = zone.changes_.empty() ? zone.first_ahead_s_ : zone.changes_.back().ahead_s;
    if (change.ahead_s != before) zone.changes_.push_back(change);
  }
  const std::int64_t last_s = all->changes > 0 ? big_endian(bytes, at + (all->changes - 1) * 8, 8) : INT64_MIN;

  std::string_view rule = bytes.substr(at + size(*all, 8));
  if (!rule.starts_with('\n') || !rule.ends_with('\n') || rule.size() < 2) return std::nullopt;
  rule = rule.substr(1, rule.size() - 2);
  if (rule.empty()) return zone;
  const auto yearly = parse_yearly(rule);
  if (!yearly) return std::nullopt;
  if (!yearly->summer_s) {
    const std::int64_t before = zone.changes_.empty() ? zone.first_ahead_s_ : zone.changes_.back().ahead_s;
    if (before != yearly->standard_s) return std::nullopt;  // The file contradicts itself.
    return zone;
  }
  for (int y = last_s == INT64_MIN ? 1970 : 1970 + static_cast<int>(last_s / (day_s * 366)); y <= last_year; ++y) {
    std::vector<Change> of_year{{yearly->begins.local_s(y) - yearly->standard_s, *yearly->summer_s},
                                {yearly->ends.local_s(y) - *yearly->summer_s, yearly->standard_s}};
    if (of_year[1].at_s < of_year[0].at_s) std::swap(of_year[0], of_year[1]);
    for (const auto& change : of_year) {
      const std::int64_t before = zone.changes_.empty() ? zone.first_ahead_s_ : zone.changes_.back().ahead_s;
      if (change.at_s > last_s && change.ahead_s != before) zone.changes_.push_back(change);
    }
  }
  return zone;
}

std::optional<Zone> Zone::find(std::string_view name, std::string& why) {
  if (name == "UTC") return Zone();
  const bool sound = !name.empty() && name.front() != '/' && name.find("..") == name.npos &&
                     std::all_of(name.begin(), name.end(), [](unsigned char c) {
                       return std::isalnum(c) != 0 || c == '/' || c == '_' || c == '-' || c == '+';
                     });
  const std::string path = folder + std::string(name);
  std::error_code error;
  std::string bytes;
  if (sound && std::filesystem::is_regular_file(path, error)) {  // "Europe" is a directory.
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  if (!bytes.starts_with("TZif")) {
    why = names().empty() && sound ? "this machine has no time zones (" + folder + ")"
                                   : "there is no time zone '" + std::string(name) + "'";
    return std::nullopt;
  }
  auto zone = parse(bytes);
  if (!zone) why = "the file of time zone '" + std::string(name) + "' is broken";
  return zone;
}

std::vector<std::string> Zone::names() {
  std::vector<std::string> names;
  std::ifstream table(folder + "zone.tab");
  for (std::string line; std::getline(table, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string country, place, name;
    if (words >> country >> place >> name) names.push_back(std::move(name));
  }
  if (!names.empty()) names.emplace_back("UTC");
  return names;
}

Zone::Period Zone::at(WallTime time) const {
  const auto now_s = floor<seconds>(time).time_since_epoch().count();
  const auto next = std::upper_bound(changes_.begin(), changes_.end(), now_s,
                                     [](std::int64_t s, const Change& change) { return s < change.at_s; });
  Period period{WallTime::min(), WallTime::max(), seconds(first_ahead_s_)};
  if (next != changes_.end()) period.end = wall(next->at_s);
  if (next != changes_.begin()) {
    period.begin = wall(std::prev(next)->at_s);
    period.ahead = seconds(std::prev(next)->ahead_s);
  }
  return period;
}

}  // namespace weir::runtime
