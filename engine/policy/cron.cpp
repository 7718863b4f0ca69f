#include "engine/policy/cron.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>
#include <vector>

#include "engine/config/values.hpp"

namespace weir::policy {
namespace {

using namespace std::chrono;
using namespace std::string_view_literals;

constexpr std::array months{"jan"sv, "feb"sv, "mar"sv, "apr"sv, "may"sv, "jun"sv,
                            "jul"sv, "aug"sv, "sep"sv, "oct"sv, "nov"sv, "dec"sv};
constexpr std::array weekdays{"sun"sv, "mon"sv, "tue"sv, "wed"sv, "thu"sv, "fri"sv, "sat"sv};

struct Field {
  const char* name;
  int least, most;
  const std::string_view* names;  // Of least and those after it.
  int names_count;
};
constexpr std::array<Field, 5> fields{{{"minute", 0, 59, nullptr, 0},
                                       {"hour", 0, 23, nullptr, 0},
                                       {"day of the month", 1, 31, nullptr, 0},
                                       {"month", 1, 12, months.data(), 12},
                                       {"day of the week", 0, 7, weekdays.data(), 7}}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> nicknames{{{"@yearly", "0 0 1 1 *"},
                                                                                  {"@annually", "0 0 1 1 *"},
                                                                                  {"@monthly", "0 0 1 * *"},
                                                                                  {"@weekly", "0 0 * * 0"},
                                                                                  {"@daily", "0 0 * * *"},
                                                                                  {"@midnight", "0 0 * * *"},
                                                                                  {"@hourly", "0 * * * *"}}};

std::string lower(std::string_view text) {
  std::string made(text);
  for (char& c : made) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return made;
}

struct Word {
  std::string_view text;
  std::size_t at;
};
std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  for (std::size_t at = 0; (at = text.find_first_not_of(" \t", at)) != text.npos;) {
    const auto end = std::min(text.find_first_of(" \t", at), text.size());
    words.push_back({text.substr(at, end - at), at});
    at = end;
  }
  return words;
}

/// As `every` takes it, of what others write after `@every`: `1h30m` is 90m.
std::string every_of(std::string_view text) {
  config::Duration sum{};
  const std::string_view digits = "0123456789.";
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(digits, text.find_first_not_of(digits)), text.size());
    const auto part = config::parse_duration(text.substr(0, end));
    if (!part) return "5m";
    sum += *part;
    text.remove_prefix(end);
  }
  return sum.count() > 0 ? config::show(sum) : "5m";
}

/// Reads one field into the set of its numbers.
class FieldReader {
 public:
  FieldReader(const Field& field, Cron::Mistake& mistake) : field_(field), mistake_(mistake) {}

  template <std::size_t Size>
  bool read(const Word& word, std::bitset<Size>& set) {
    for (std::size_t at = 0; at <= word.text.size();) {
      const auto end = std::min(word.text.find(',', at), word.text.size());
      const Word part{word.text.substr(at, end - at), word.at + at};
      int from = 0, to = 0, step = 1;
      if (!read_part(part, from, to, step)) return false;
      for (int number = from; number <= to; number += step) set.set(static_cast<std::size_t>(number));
      at = end + 1;
    }
    return true;
  }

 private:
  bool read_part(const Word& part, int& from, int& to, int& step) {
    const auto slash = part.text.find('/');
    const Word range{part.text.substr(0, slash), part.at};
    if (range.text == "*") {
      from = field_.least;
      to = last_number();
      return read_step(part, slash, step);
    }
    const auto dash = range.text.find('-', 1);
    const Word first{range.text.substr(0, dash), range.at};
    if (!read_number(first, from)) return false;
    if (dash == range.text.npos) {
      to = from;
      if (!read_step(part, slash, step)) return false;
      return slash == part.text.npos || refuse_step_of_one(part, first, from, step);
    }
    const Word last{range.text.substr(dash + 1), range.at + dash + 1};
    if (!read_number(last, to) || !read_step(part, slash, step)) return false;
    if (of_week() && to == 0 && from > 0) to = 7;  // `fri-sun`
    return from <= to || refuse_backwards(part, first, last, from, to, step);
  }

  bool refuse_step_of_one(const Word& part, const Word& number, int from, int step) {
    const bool sunday = of_week() && from == 7;
    return refuse(part, "a step needs a range to step through",
                  "write " + part_text(sunday ? 0 : from, sunday ? "0" : std::string(number.text), last_number(),
                                       std::to_string(last_number()), step));
  }

  bool refuse_backwards(const Word& part, const Word& first, const Word& last, int from, int to, int step) {
    std::string what = "the range " + std::string(first.text) + "-" + std::string(last.text) + " runs backwards";
    const std::string end(last.text);
    if (of_week() && from == 7) {  // A week begins with Sunday, its 0.
      return refuse(part, std::move(what), "write " + part_text(0, "0", to, end, step));
    }
    std::string parts = part_text(from, std::string(first.text), last_number(), std::to_string(last_number()), step);
    const int numbers = last_number() - field_.least + 1;
    const int again = from + (last_number() - from) / step * step + step - numbers;
    if (again > to) return refuse(part, std::move(what), "write " + parts);
    parts += "," + part_text(again, std::to_string(again), to, end, step);
    return refuse(part, std::move(what), "write its two parts: " + parts);
  }

  /// As one writes it.
  static std::string part_text(int from, std::string first, int to, const std::string& last, int step) {
    if (from + step > to) return first;
    return std::move(first) + "-" + last + (step == 1 ? "" : "/" + std::to_string(step));
  }

  /// Without a slash it is 1.
  bool read_step(const Word& part, std::size_t slash, int& step) {
    if (slash == part.text.npos) return true;
    const Word after{part.text.substr(slash + 1), part.at + slash + 1};
    if (!digits(after.text, step) || step < 1) {
      return refuse(after.text.empty() ? part : after, "'" + std::string(after.text) + "' is no step",
                    "a whole number above 0, such as */5");
    }
    if (step > field_.most - field_.least) {
      return refuse(after, "a step of " + std::string(after.text) + " is longer than the " + field_.name + " goes",
                    "at most " + std::to_string(field_.most - field_.least));
    }
    return true;
  }

  bool read_number(const Word& word, int& number) {
    if (digits(word.text, number)) {
      if (number >= field_.least && number <= field_.most) return true;
      return refuse(word, "there is no " + std::string(field_.name) + " " + std::string(word.text),
                    "it goes from " + std::to_string(field_.least) + " to " + std::to_string(field_.most));
    }
    const auto name = lower(word.text);
    for (int i = 0; i < field_.names_count; ++i) {
      if (field_.names[i] != name) continue;
      number = field_.least + i;
      return true;
    }
    std::string hint = "a number from " + std::to_string(field_.least) + " to " + std::to_string(field_.most);
    if (field_.names)
      hint += ", or " + std::string(field_.names[0]) + ", " + std::string(field_.names[1]) + " and so on";
    if (word.text.empty()) return refuse(word, std::string("a number is missing in the ") + field_.name, hint);
    if (word.text == "?") hint = "write * for any";
    for (int i = 0; i < field_.names_count; ++i) {
      const std::string known(field_.names[i]);
      if (!name.starts_with(known)) continue;
      const bool counted = name[known.size()] == '#';
      hint = counted ? "write " + known + ", and let a `where` behind it see which one of the month it is"
                     : "names have three letters: " + known;
    }
    return refuse(word, "'" + std::string(word.text) + "' is no " + field_.name, hint);
  }
  static bool digits(std::string_view text, int& number) {
    if (text.empty() || text.size() > 4 || text.find_first_not_of("0123456789") != text.npos) return false;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return true;
  }
  bool of_week() const { return field_.names == weekdays.data(); }
  int last_number() const { return of_week() ? 6 : field_.most; }
  bool refuse(const Word& word, std::string what, std::string hint) {
    mistake_ = {std::move(what), std::move(hint), word.at, std::max<std::size_t>(word.text.size(), 1)};
    return false;
  }

  const Field& field_;
  Cron::Mistake& mistake_;
};

}  // namespace

std::optional<Cron> Cron::parse(std::string_view text, Mistake& mistake) {
  auto words = words_of(text);
  const std::size_t length = std::max<std::size_t>(text.size(), 1);
  if (words.empty()) {
    mistake = {"the expression is empty", "five fields, such as '*/5 * * * *', or @hourly", 0, length};
    return std::nullopt;
  }
  if (words[0].text.starts_with('@')) {
    const auto name = lower(words[0].text);
    const auto found = std::find_if(nicknames.begin(), nicknames.end(), [&](const auto& n) { return n.first == name; });
    if (found == nicknames.end() || words.size() > 1) {
      std::string hint = "there are @hourly, @daily, @weekly, @monthly and @yearly";
      if (name == "@every") hint = "`every: " + every_of(words.size() > 1 ? words[1].text : "") + "` does that";
      if (name == "@reboot") hint = "without `cron` and `every` a source begins at once";
      mistake = {"cron has no '" + std::string(text) + "'", std::move(hint), words[0].at, words[0].text.size()};
      return std::nullopt;
    }
    words = words_of(found->second);
  }
  if (words.size() != fields.size()) {
    const bool more = words.size() > fields.size();
    std::string found = words.size() == 1 ? "one field" : std::to_string(words.size()) + " fields";
    mistake = {"expected five fields, found " + found,
               more ? "minute, hour, day of the month, month, day of the week; seconds are for `every`"
                    : "minute, hour, day of the month, month, day of the week, such as '*/5 * * * *'",
               more ? words[5].at : 0, more ? words[5].text.size() : length};
    return std::nullopt;
  }

  Cron cron;
  const auto read = [&](std::size_t which, auto& set) {
    return FieldReader(fields[which], mistake).read(words[which], set);
  };
  if (!read(0, cron.minutes_) || !read(1, cron.hours_) || !read(2, cron.days_) || !read(3, cron.months_) ||
      !read(4, cron.weekdays_)) {
    return std::nullopt;
  }
  if (cron.weekdays_[7]) cron.weekdays_.set(0);
  const auto starred = [&](std::size_t which) { return words[which].text.starts_with('*'); };
  cron.any_day_ = starred(2);
  cron.any_weekday_ = starred(4);
  cron.by_clock_ = starred(0) || starred(1);

  // In 400 years every date has had every weekday that it can have.
  const Local begin = local_days(year(2000) / January / 1), end = local_days(year(2400) / January / 1);
  if (!cron.match(begin, end)) {
    mistake = {"there is no such day in any of these months", "it would never be due", words[2].at,
               words[2].text.size()};
    return std::nullopt;
  }
  return cron;
}

bool Cron::day_matches(local_days day) const {
  const year_month_day date(day);
  const bool of_month = days_[static_cast<unsigned>(date.day())], of_week = weekdays_[weekday(day).c_encoding()];
  // Where both are restricted, either will do.
  return any_day_ || any_weekday_ ? of_month && of_week : of_month || of_week;
}

std::optional<Cron::Local> Cron::match(Local from, Local end) const {
  local_days day = floor<days>(from);
  auto first = from - day;  // Of the day.
  while (day < end) {
    const year_month_day date(day);
    if (!months_[static_cast<unsigned>(date.month())]) {
      day = local_days((date.year() / date.month() + std::chrono::months(1)) / 1);
      first = 0min;
      continue;
    }
    if (day_matches(day)) {
      auto hour = static_cast<std::size_t>(duration_cast<hours>(first).count());
      auto minute = static_cast<std::size_t>((first % 1h).count());
      for (; hour < 24; ++hour, minute = 0) {
        if (!hours_[hour]) continue;
        while (minute < 60 && !minutes_[minute]) ++minute;
        if (minute == 60) continue;
        const Local found = day + hours(hour) + minutes(minute);
        return found < end ? std::optional(found) : std::nullopt;
      }
    }
    day += days(1);
    first = 0min;
  }
  return std::nullopt;
}

std::optional<WallTime> Cron::next(WallTime after, const runtime::Zone& zone) const {
  // Whole minutes of local time: no zone of today is ahead by less than that, and those of long ago are rounded.
  const auto local = [](WallTime time, seconds ahead) {
    return Local(ceil<minutes>((time + ahead).time_since_epoch()));
  };
  const WallTime last = WallTime::max() - hours(48);
  if (after >= last) return std::nullopt;
  WallTime from = std::max(after, WallTime::min() + hours(48)) + nanoseconds(1);
  for (;;) {
    const auto period = zone.at(from);
    Local begin = local(from, period.ahead);
    const Local end = local(std::min(period.end, last), period.ahead);
    if (!by_clock_ && period.begin > WallTime::min() + hours(48)) {
      const auto before = zone.at(period.begin - nanoseconds(1)).ahead;
      // Shown before the change, and after it.
      const Local was = local(period.begin, before), is = local(period.begin, period.ahead);
      if (from == period.begin && was < is && match(was, is)) return period.begin;
      begin = std::max(begin, was);
    }
    if (begin < end) {
      if (const auto found = match(begin, end)) return WallTime(found->time_since_epoch()) - period.ahead;
    }
    if (period.end >= last) return std::nullopt;
    from = period.end;
  }
}

}  // namespace weir::policy
