#include "engine/config/values.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "engine/config/advice.hpp"
#include "engine/config/trimmed.hpp"

namespace weir::config {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Unit {
  std::string_view name;
  double factor;
};
// Largest first: how a value is shown.
constexpr std::array<Unit, 6> duration_units{
    {{"d", 86400e9}, {"h", 3600e9}, {"m", 60e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}}};
constexpr std::array<Unit, 4> size_units{{{"GiB", 1073741824.0}, {"MiB", 1048576.0}, {"KiB", 1024.0}, {"B", 1.0}}};

/// "1.5" and its unit "MiB"; only digits, at most one point between digits.
std::optional<std::pair<std::string_view, std::string_view>> split_unit(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && is_digit(text[i])) ++i;
  if (i == 0) return std::nullopt;
  if (i + 1 < text.size() && text[i] == '.' && is_digit(text[i + 1])) {
    ++i;
    while (i < text.size() && is_digit(text[i])) ++i;
  }
  const std::string_view number = text.substr(0, i);
  if (number.size() > 1 && number[0] == '0' && number[1] != '.') return std::nullopt;
  return std::pair(number, text.substr(i));
}

double to_double(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

template <std::size_t N>
std::optional<double> with_unit(std::string_view text, const std::array<Unit, N>& units) {
  const auto parts = split_unit(text);
  if (!parts) return std::nullopt;
  for (const auto& unit : units)
    if (unit.name == parts->second) return to_double(parts->first) * unit.factor;
  return std::nullopt;
}

/// The two ends of "a..b".
std::optional<std::pair<std::string_view, std::string_view>> split_range(std::string_view text) {
  const std::size_t dots = text.find("..");
  if (dots == std::string_view::npos || dots == 0) return std::nullopt;
  return std::pair(text.substr(0, dots), text.substr(dots + 2));
}

/// Past the `}}` that ends the code which begins at `start`; npos if it never does. Knows Lua's texts, comments and
/// tables.
std::size_t code_end(std::string_view text, std::size_t start) {
  int depth = 0;
  for (std::size_t i = start; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      std::size_t end = i + 1;
      while (end < text.size() && text[end] != c && text[end] != '\n') end += text[end] == '\\' ? 2 : 1;
      i = end + 1;
      continue;
    }
    if (c == '[' && i + 1 < text.size() && (text[i + 1] == '[' || text[i + 1] == '=')) {
      std::size_t equals = i + 1;
      while (equals < text.size() && text[equals] == '=') ++equals;
      if (equals < text.size() && text[equals] == '[') {
        const std::string close = "]" + std::string(equals - i - 1, '=') + "]";
        const std::size_t end = text.find(close, equals);
        if (end == std::string_view::npos) return end;
        i = end + close.size();
        continue;
      }
    }
    if (c == '{') ++depth;
    if (c == '}') {
      if (depth == 0) return i + 1 < text.size() && text[i + 1] == '}' ? i + 2 : std::string_view::npos;
      --depth;
    }
    ++i;
  }
  return std::string_view::npos;
}

/// Where the n-th `{{` of a text stands in its source, if it stands there as in the text; else the place of the whole.
class PartPlaces {
 public:
  explicit PartPlaces(const Place& whole) : whole_(whole) {}
  Place find(std::string_view raw) {
    if (first_ && whole_.source) seek();  // Most texts have none.
    if (!whole_.source || whole_.line <= 0 || offset_ == std::string::npos) return whole_;
    const std::string& text = whole_.source->text;
    std::size_t from = first_ ? skip_columns(offset_, whole_.column - 1) : offset_;
    const std::size_t found = text.find(raw, from);
    if (found == std::string::npos || found > from + 65536) return whole_;
    first_ = false;
    offset_ = found + raw.size();
    Place place = whole_;
    std::size_t line_start = found;
    while (line_start > 0 && text[line_start - 1] != '\n') --line_start;
    const auto at = [&](std::size_t offset) { return text.begin() + static_cast<std::ptrdiff_t>(offset); };
    place.line = whole_.line + static_cast<int>(std::count(at(line_), at(found), '\n'));
    place.column = 1 + characters(std::string_view(text).substr(line_start, found - line_start));
    place.length = characters(raw.substr(0, raw.find('\n')));
    return place;
  }

 private:
  void seek() {
    offset_ = 0;
    for (int line = 1; line < whole_.line && offset_ != std::string::npos; ++line) {
      offset_ = whole_.source->text.find('\n', offset_);
      if (offset_ != std::string::npos) ++offset_;
    }
    line_ = offset_;
  }
  static int characters(std::string_view text) {
    return static_cast<int>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  }
  std::size_t skip_columns(std::size_t from, int columns) const {
    const std::string& text = whole_.source->text;
    while (from < text.size() && columns > 0) {
      ++from;
      while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
      --columns;
    }
    return from;
  }
  const Place& whole_;
  std::size_t line_ = 0;  // Where the line of the whole begins.
  std::size_t offset_ = 0;
  bool first_ = true;
};

}  // namespace

double Rate::per_s() const { return count / std::chrono::duration<double>(period).count(); }

Template::Template(std::string constant) {
  if (!constant.empty()) parts.push_back({false, std::move(constant), {}});
}
Template::Template(const char* constant) : Template(std::string(constant)) {}

bool Template::constant() const {
  return std::none_of(parts.begin(), parts.end(), [](const Part& part) { return part.lua; });
}
bool Template::lone() const { return parts.size() == 1 && parts[0].lua; }
std::string Template::text() const {
  std::string all;
  for (const auto& part : parts) all += part.lua ? "{{ " + part.text + " }}" : part.text;
  return all;
}

Value::Value() = default;

bool Value::constant() const {
  switch (kind) {
    case Kind::text:
      return text.constant();
    case Kind::list:
      return std::all_of(items.begin(), items.end(), [](const Value& item) { return item.constant(); });
    case Kind::map:
      return std::all_of(fields.begin(), fields.end(), [](const auto& field) { return field.second.constant(); });
    default:
      return true;
  }
}

std::string Value::json() const {
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return boolean ? "true" : "false";
    case Kind::number:
      return number;
    case Kind::text:
      return json_text(text.text());
    case Kind::list: {
      std::string out = "[";
      for (const auto& item : items) out += (out.size() > 1 ? "," : "") + item.json();
      return out + "]";
    }
    case Kind::map: {
      std::string out = "{";
      for (const auto& [key, value] : fields) out += (out.size() > 1 ? "," : "") + json_text(key) + ":" + value.json();
      return out + "}";
    }
  }
  return "null";
}

std::optional<Duration> parse_duration(std::string_view text) {
  const auto parts = split_unit(text);
  if (!parts) return std::nullopt;
  for (const auto& unit : duration_units) {
    if (unit.name != parts->second) continue;
    // Whole numbers exactly; a fraction to the nearest nanosecond.
    std::int64_t whole = 0;
    const auto [end, error] = std::from_chars(parts->first.data(), parts->first.data() + parts->first.size(), whole);
    const auto factor = static_cast<std::int64_t>(unit.factor);
    if (error == std::errc{} && end == parts->first.data() + parts->first.size())
      return whole <= std::numeric_limits<std::int64_t>::max() / factor ? std::optional(Duration(whole * factor))
                                                                        : std::nullopt;
    const double value = std::round(to_double(parts->first) * unit.factor);
    if (!(value < 9.2e18)) return std::nullopt;
    return Duration(static_cast<std::int64_t>(value));
  }
  return std::nullopt;
}

std::optional<Size> parse_size(std::string_view text) {
  const auto value = with_unit(text, size_units);
  if (!value || !(*value <= 9007199254740992.0)) return std::nullopt;
  return Size{static_cast<std::uint64_t>(std::llround(*value))};
}

std::optional<Rate> parse_rate(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto count = split_unit(text.substr(0, slash));
  if (!count || !count->second.empty()) return std::nullopt;
  std::string period(text.substr(slash + 1));
  if (period.empty()) return std::nullopt;
  if (!is_digit(period[0])) period.insert(0, "1");
  const auto length = parse_duration(period);
  if (!length || length->count() == 0) return std::nullopt;
  return Rate{to_double(count->first), *length};
}

std::optional<IntegerRange> parse_integer_range(std::string_view text) {
  const auto ends = split_range(text);
  if (!ends) return std::nullopt;
  const auto from = parse_integer(ends->first);
  const auto to = parse_integer(ends->second);
  if (!from || !to || *from > *to) return std::nullopt;
  return IntegerRange{*from, *to};
}

std::optional<Path> parse_path(std::string_view text) {
  const bool empty_part = text.empty() || text.front() == '.' || text.back() == '.' || text.find("..") != text.npos;
  if (empty_part) return std::nullopt;
  return Path{std::string(text)};
}

std::optional<DurationRange> parse_duration_range(std::string_view text) {
  const auto ends = split_range(text);
  if (!ends) return std::nullopt;
  const auto from = parse_duration(ends->first);
  const auto to = parse_duration(ends->second);
  if (!from || !to || *from > *to) return std::nullopt;
  return DurationRange{*from, *to};
}

bool is_json_number(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t start = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i > start;
  };
  if (i < text.size() && text[i] == '-') ++i;
  const std::size_t first = i;
  if (!digits()) return false;
  if (text[first] == '0' && i > first + 1) return false;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (!digits()) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == text.size();
}

bool paths_meet(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  return b.starts_with(a) && (a.size() == b.size() || b[a.size()] == '.');
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  if (!is_json_number(text)) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_number(std::string_view text) {
  if (!is_json_number(text)) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

namespace {

/// What is wrong with the number before a unit, if it is that.
std::string amount_advice(std::string_view number, std::string_view rest) {
  const auto digit_at = [&](std::size_t at) { return at < rest.size() && is_digit(rest[at]); };
  if (rest.empty()) return {};
  const bool is_signed = rest.size() > 1 && (rest[1] == '+' || rest[1] == '-');
  if ((rest[0] == 'e' || rest[0] == 'E') && digit_at(is_signed ? 2 : 1)) {
    return "a number before a unit has no exponent: write it out";
  }
  if (rest[0] == ',' && digit_at(1)) {
    const auto unit = rest.substr(std::min(rest.find_first_not_of("0123456789", 1), rest.size()));
    return fmt::format("a fraction has a point, as in {}.5{}, and no number a comma", number, unit);
  }
  if (rest[0] == '_' && digit_at(1)) return "no `_` stands in a number";
  if (number == "0" && (rest[0] == 'x' || rest[0] == 'X') && rest.size() > 1 &&
      std::isxdigit(static_cast<unsigned char>(rest[1]))) {
    return "numbers are decimal";
  }
  return {};
}

/// `h30m`: a unit and after it another number.
bool has_several_units(std::string_view rest) {
  const auto digit = rest.find_first_of("0123456789");
  if (digit == rest.npos) return false;
  const auto unit = trimmed(rest.substr(0, digit));
  return std::any_of(duration_units.begin(), duration_units.end(),
                     [&](const Unit& known) { return known.name == unit; });
}

}  // namespace

std::string number_advice(std::string_view text) {
  std::string_view digits = text;
  if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) digits.remove_prefix(1);
  if (digits.empty()) return {};
  const auto all_digits = [](std::string_view s, std::string_view more = "") {
    return !s.empty() && std::all_of(s.begin(), s.end(),
                                     [&](char c) { return is_digit(c) || more.find(c) != std::string_view::npos; });
  };
  std::string_view shorn = digits;
  while (shorn.size() > 1 && shorn[0] == '0') shorn.remove_prefix(1);
  if (digits.size() > 1 && digits[0] == '0' && all_digits(digits))
    return fmt::format("a leading 0 means octal to some: write {}, or quote a text: '{}'", shorn, text);
  if (digits.size() > 2 && digits[0] == '0' &&
      (digits[1] == 'x' || digits[1] == 'X' || digits[1] == 'o' || digits[1] == 'b') &&
      std::all_of(digits.begin() + 2, digits.end(),
                  [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '_'; }))
    return fmt::format("numbers are decimal; quote a text: '{}'", text);
  if (text[0] == '+' && is_json_number(digits))
    return fmt::format("write {} without the +, or quote a text: '{}'", digits, text);
  if (digits[0] == '.' && all_digits(digits.substr(1)))
    return fmt::format("write {}0{}", text[0] == '-' ? "-" : "", digits);
  if (digits.back() == '.' && all_digits(digits.substr(0, digits.size() - 1))) return fmt::format("write {}0", text);
  if (is_digit(digits[0]) && digits.find('_') != std::string_view::npos && all_digits(digits, "_")) {
    std::string plain(text);
    plain.erase(std::remove(plain.begin(), plain.end(), '_'), plain.end());
    return fmt::format("write {}, or quote a text: '{}'", plain, text);
  }
  std::string lower(digits);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (lower == ".inf" || lower == ".nan") return "there is no infinity and no NaN in JSON";
  return {};
}

std::string duration_advice(std::string_view text) {
  const auto parts = split_unit(text);
  if (!parts) {
    if (!text.empty() && text[0] == '-') return "a duration is never negative";
    constexpr std::array<std::string_view, 6> without_end{"all", "ever", "forever", "inf", "infinite", "unlimited"};
    if (std::find(without_end.begin(), without_end.end(), text) != without_end.end()) {
      return "for one without an end write a long one, such as 36500d";
    }
    return {};
  }
  if (parts->second.empty()) return "a duration carries its unit";
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 18> words{{{"sec", "s"},
                                                                                        {"secs", "s"},
                                                                                        {"second", "s"},
                                                                                        {"seconds", "s"},
                                                                                        {"S", "s"},
                                                                                        {"min", "m"},
                                                                                        {"mins", "m"},
                                                                                        {"minute", "m"},
                                                                                        {"minutes", "m"},
                                                                                        {"M", "m"},
                                                                                        {"hour", "h"},
                                                                                        {"hours", "h"},
                                                                                        {"H", "h"},
                                                                                        {"day", "d"},
                                                                                        {"days", "d"},
                                                                                        {"D", "d"},
                                                                                        {"msec", "ms"},
                                                                                        {"µs", "us"}}};
  std::string_view unit = parts->second;
  while (!unit.empty() && unit[0] == ' ') unit.remove_prefix(1);
  for (const auto& [word, meant] : words)
    if (unit == word) return fmt::format("write {}{}", parts->first, meant);
  for (const auto& known : duration_units)
    if (unit == known.name)
      return unit.size() == parts->second.size() ? "106751d is the longest"
                                                 : fmt::format("write {}{}, without a blank", parts->first, unit);
  if (has_several_units(parts->second)) return "a duration has one unit: 90m, not 1h30m";
  if (auto advice = amount_advice(parts->first, parts->second); !advice.empty()) return advice;
  return "its units are us, ms, s, m, h and d";
}

std::string size_advice(std::string_view text) {
  const auto parts = split_unit(text);
  if (!parts) return {};
  if (parts->second.empty()) return "a size carries its unit";
  if (auto advice = amount_advice(parts->first, parts->second); !advice.empty()) return advice;
  for (const auto& known : size_units)
    if (parts->second == known.name) return "8388608GiB is the largest";
  std::string_view unit = parts->second;
  while (!unit.empty() && unit[0] == ' ') unit.remove_prefix(1);
  if (!unit.empty())
    for (const auto& [letter, meant] :
         {std::pair('k', "KiB"), std::pair('m', "MiB"), std::pair('g', "GiB"), std::pair('b', "B")})
      if ((unit[0] | 0x20) == letter) return fmt::format("write {}{}", parts->first, meant);
  return "its units are B, KiB, MiB and GiB";
}

std::string path_advice(std::string_view text) {
  if (text.empty()) return "the payload itself is meant where no path is written";
  return "a name stands before, between and behind the points; a key that holds one itself is reached by `lua` only";
}

std::string rate_advice(std::string_view text) {
  const auto parts = split_unit(text);
  if (parts && parts->second.empty()) return fmt::format("a rate carries its time: {}/s", text);
  if (parts) {
    if (auto advice = amount_advice(parts->first, parts->second); !advice.empty()) return advice;
  }
  if (parts && parts->second == "ps") return fmt::format("write {}/s", parts->first);
  return {};
}

Template parse_template(std::string_view text, const Place& place, Diagnostics& diagnostics, const std::string& path) {
  Template made;
  made.place = place;
  std::string plain;
  PartPlaces places(place);
  const auto flush = [&] {
    if (!plain.empty()) made.parts.push_back({false, std::move(plain), place});
    plain.clear();
  };
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '\\' && (text.substr(i + 1, 2) == "{{" || text.substr(i + 1, 2) == "${")) {
      plain += text.substr(i + 1, 2);
      i += 3;
      continue;
    }
    if (text.substr(i, 2) != "{{") {
      plain += text[i++];
      continue;
    }
    const std::size_t end = code_end(text, i + 2);
    if (end == std::string_view::npos) {
      const bool closed = text.find("}}", i) != std::string_view::npos;
      diagnostics.error(
          places.find(text.substr(i, 2)),
          closed ? "the code in `{{ }}` does not end where its `}}` stands" : "`{{` without `}}`",
          closed ? "a quote or a { is left open in it" : "two braces that are meant as such are written \\{{", path);
      return Template();
    }
    const std::string_view raw = text.substr(i, end - i);
    const std::string_view code = trimmed(raw.substr(2, raw.size() - 4));
    const Place here = places.find(raw);
    if (code.empty()) {
      diagnostics.error(here, "`{{ }}` holds no code", "two braces that are meant as such are written \\{{", path);
    } else if (const std::size_t dollar = code.find("${"); dollar != std::string_view::npos) {
      std::string name(code.substr(dollar + 2, code.find_first_of("}:", dollar) - dollar - 2));
      const bool upper = !name.empty() && name[0] >= 'A' && name[0] <= 'Z';
      diagnostics.error(here, "`${…}` inside `{{ }}`: this is Lua",
                        upper ? fmt::format("under vars: write `x: '${{{}}}'`, and here `vars.x`", name)
                        : name.starts_with("secret.") ? no_secret_in_lua()
                                                      : fmt::format("write `vars.{}`", name),
                        path);
    }
    flush();
    made.parts.push_back({true, std::string(code), here});
    i = end;
  }
  flush();
  return made;
}

std::string show(bool value) { return value ? "true" : "false"; }
std::string show(std::int64_t value) { return std::to_string(value); }
std::string show(double value) { return fmt::format("{}", value); }
std::string show(const std::string& value) { return value; }
std::string show(const Path& value) { return value.text; }

std::string show(Duration value) {
  const auto count = static_cast<std::int64_t>(value.count());
  if (count == 0) return "0s";
  for (const auto& unit : duration_units) {
    const auto factor = static_cast<std::int64_t>(unit.factor);
    if (count % factor == 0) return fmt::format("{}{}", count / factor, unit.name);
  }
  return fmt::format("{}us", static_cast<double>(count) / 1e3);
}

std::string show(Size value) {
  if (value.bytes == 0) return "0B";
  for (const auto& unit : size_units) {
    const auto factor = static_cast<std::uint64_t>(unit.factor);
    if (value.bytes % factor == 0) return fmt::format("{}{}", value.bytes / factor, unit.name);
  }
  return fmt::format("{}B", value.bytes);
}

std::string show(const Rate& value) {
  std::string period = show(value.period);
  if (period.size() > 1 && period[0] == '1' && !is_digit(period[1])) period.erase(0, 1);
  return fmt::format("{}/{}", value.count, period);
}
std::string show(const IntegerRange& value) { return fmt::format("{}..{}", value.from, value.to); }
std::string show(const DurationRange& value) { return show(value.from) + ".." + show(value.to); }
std::string show(const Lua& value) { return value.code; }
std::string show(const Template& value) { return value.text(); }
std::string show(const Value& value) { return value.kind == Value::Kind::null ? std::string() : value.json(); }

}  // namespace weir::config
