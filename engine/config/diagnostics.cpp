#include "engine/config/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace weir::config {

namespace {

constexpr std::size_t shown_max = 20;
constexpr std::size_t excerpt_characters_max = 160;

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// The bytes at which each character of the line begins, and its end.
std::vector<std::size_t> character_starts(std::string_view line) {
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < line.size(); ++i)
    if (!continues(line[i])) starts.push_back(i);
  starts.push_back(line.size());
  return starts;
}

/// The character that begins the text, which is not empty. Where its bytes are no UTF-8: any.
char32_t first_character(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(i < text.size() ? text[i] : 0); };
  if (byte(0) < 0x80) return byte(0);
  const std::size_t more = byte(0) >= 0xF0 ? 3 : byte(0) >= 0xE0 ? 2 : 1;
  char32_t point = byte(0) & (0x3Fu >> more);
  for (std::size_t i = 1; i <= more; ++i) point = point << 6 | (byte(i) & 0x3Fu);
  return point;
}

/// How many cells of a terminal it takes: two for what East Asia writes and for emoji, none for a mark on the one
/// before.
std::size_t cells_of(char32_t point) {
  const auto within = [point](char32_t from, char32_t to) { return point >= from && point <= to; };
  if (within(0x300, 0x36F) || within(0x200B, 0x200F) || within(0x20D0, 0x20FF) || within(0xFE00, 0xFE0F)) return 0;
  const bool wide = within(0x1100, 0x115F) || within(0x2E80, 0x303E) || within(0x3041, 0xA4CF) ||
                    within(0xA960, 0xA97F) || within(0xAC00, 0xD7A3) || within(0xF900, 0xFAFF) ||
                    within(0xFE30, 0xFE6F) || within(0xFF00, 0xFF60) || within(0xFFE0, 0xFFE6) ||
                    within(0x1F300, 0x1F64F) || within(0x1F680, 0x1F6FF) || within(0x1F900, 0x1FAFF) ||
                    within(0x20000, 0x3FFFD);
  return wide ? 2 : 1;
}

std::size_t cells(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 0 || !continues(text[i])) count += cells_of(first_character(text.substr(i)));
  }
  return count;
}

struct Palette {
  const char *bold, *red, *yellow, *green, *reset;
};
constexpr Palette plain_palette{"", "", "", "", ""};
constexpr Palette color_palette{"\x1b[1m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;32m", "\x1b[0m"};

/// The line with its caret. A long line is shown around the place; a tab is shown as one blank, so that the caret
/// stands under its character.
std::string excerpt(const Place& place, const Palette& paint) {
  if (!place.source || place.line <= 0) return {};
  const std::string_view line = place.source->line(place.line);
  const auto starts = character_starts(line);
  const std::size_t count = starts.size() - 1;
  const std::size_t at =
      std::min<std::size_t>(place.column > 0 ? static_cast<std::size_t>(place.column) - 1 : 0, count);
  std::size_t first = 0;
  std::size_t last = count;
  if (count > excerpt_characters_max) {
    first = at > excerpt_characters_max / 2 ? at - excerpt_characters_max / 2 : 0;
    last = std::min(count, first + excerpt_characters_max);
  }
  std::string text(line.substr(starts[first], starts[last] - starts[first]));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  const char* cut_before = first > 0 ? "…" : "";
  const char* cut_after = last < count ? "…" : "";
  const auto cells_between = [&](std::size_t from, std::size_t to) {
    return cells(line.substr(starts[from], starts[to] - starts[from]));
  };
  const std::size_t indent = cells_between(first, std::max(first, at)) + (first > 0 ? 1 : 0);
  const std::size_t wanted = place.length > 0 ? static_cast<std::size_t>(place.length) : 1;
  const std::size_t length =
      std::max<std::size_t>(1, last > at ? cells_between(at, std::min(last, at + wanted)) : std::size_t{1});
  return fmt::format("{:>5} | {}{}{}\n      | {}{}^{}{}\n", place.line, cut_before, text, cut_after,
                     std::string(indent, ' '), paint.green, std::string(length - 1, '~'), paint.reset);
}

auto order(const Diagnostic& a) {
  return std::tuple<std::string_view, int, int>(
      a.place.source ? std::string_view(a.place.source->name) : std::string_view(), a.place.line, a.place.column);
}

}  // namespace

std::string_view Source::line(int number) const {
  std::string_view rest(text);
  for (int i = 1; i < number; ++i) {
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) return {};
    rest.remove_prefix(end + 1);
  }
  rest = rest.substr(0, rest.find('\n'));
  if (!rest.empty() && rest.back() == '\r') rest.remove_suffix(1);
  return rest;
}

std::string Place::str() const {
  const std::string name = source ? source->name : "weir";
  return line > 0 ? fmt::format("{}:{}:{}", name, line, column) : name;
}

std::string Diagnostic::notes() const {
  if (place.used_line <= 0) return hint;
  Place used;
  used.source = place.used_source;
  used.line = place.used_line;
  used.column = place.used_column;
  return "used at " + used.str() + (hint.empty() ? "" : "\n") + hint;
}

void Diagnostics::add(Diagnostic diagnostic) {
  if (diagnostic.severity == Severity::error) ++errors_;
  hide_secrets(diagnostic);
  all_.push_back(std::move(diagnostic));
}

void Diagnostics::name_paths(const std::function<std::string(const Place&)>& path_at) {
  for (auto& diagnostic : all_) {
    if (diagnostic.path.empty() && diagnostic.place.line > 0) diagnostic.path = path_at(diagnostic.place);
  }
}

void Diagnostics::forget_after(std::size_t count) {
  for (; all_.size() > count; all_.pop_back()) {
    if (all_.back().severity == Severity::error) --errors_;
  }
}

void Diagnostics::redact(std::string_view secret) {
  secrets_.add(secret);
  for (auto& diagnostic : all_) hide_secrets(diagnostic);
}

void Diagnostics::hide_secrets(Diagnostic& diagnostic) const {
  if (secrets_.empty()) return;
  diagnostic.what = secrets_.of(diagnostic.what);
  diagnostic.hint = secrets_.of(diagnostic.hint);
}

void Diagnostics::error(Place place, std::string what, std::string hint, std::string path) {
  add({Severity::error, std::move(place), std::move(path), std::move(what), std::move(hint)});
}

void Diagnostics::warning(Place place, std::string what, std::string hint, std::string path) {
  add({Severity::warning, std::move(place), std::move(path), std::move(what), std::move(hint)});
}

std::vector<Diagnostic> Diagnostics::sorted() const {
  std::vector<Diagnostic> all = all_;
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return order(a) < order(b); });
  // One text may be read by several: an anchored part through each alias, a var wherever it is named.
  std::vector<Diagnostic> once;
  for (auto& found : all) {
    bool known = false;  // Those of one place stand together.
    for (auto other = once.rbegin(); !known && other != once.rend() && order(*other) == order(found); ++other) {
      known = other->what == found.what;
    }
    if (!known) once.push_back(std::move(found));
  }
  return once;
}

std::string Diagnostics::render(bool color) const {
  const Palette& paint = color ? color_palette : plain_palette;
  const auto all = sorted();
  std::string text;
  for (std::size_t i = 0; i < all.size() && i < shown_max; ++i) {
    const Diagnostic& found = all[i];
    const bool error = found.severity == Severity::error;
    text += fmt::format("{}{}:{} {}{}:{} {}\n", paint.bold, found.place.str(), paint.reset,
                        error ? paint.red : paint.yellow, error ? "error" : "warning", paint.reset, found.what);
    text += excerpt(found.place, paint);
    const std::string notes = found.notes();
    for (std::string_view rest = notes; !rest.empty();) {
      const auto end = std::min(rest.find('\n'), rest.size());
      text += fmt::format("      = {}\n", rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  if (all.size() > shown_max) text += fmt::format("… and {} more\n", all.size() - shown_max);
  return text;
}

std::string Diagnostics::json() const {
  std::string text = "[";
  for (const auto& found : sorted()) {
    if (text.size() > 1) text += ",";
    text += fmt::format(
        R"({{"file":{},"line":{},"column":{},"length":{},"severity":"{}","path":{},"message":{},"hint":{}}})",
        json_text(found.place.source ? found.place.source->name : ""), found.place.line, found.place.column,
        found.place.length, found.severity == Severity::error ? "error" : "warning", json_text(found.path),
        json_text(found.what), json_text(found.notes()));
  }
  return text + "]";
}

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
  // Of three letters two are most of the word.
  const std::size_t allowed = name.size() <= 3 ? 1 : std::max<std::size_t>(2, name.size() / 3);
  std::string best;
  std::size_t best_distance = allowed + 1;
  for (const auto& candidate : candidates) {
    const std::size_t rows = name.size();
    const std::size_t columns = candidate.size();
    if (rows > 200 || columns > 200) continue;
    // Optimal string alignment: a swap of neighbours is one slip.
    std::vector<std::vector<std::size_t>> distance(rows + 1, std::vector<std::size_t>(columns + 1));
    for (std::size_t i = 0; i <= rows; ++i) distance[i][0] = i;
    for (std::size_t j = 0; j <= columns; ++j) distance[0][j] = j;
    for (std::size_t i = 1; i <= rows; ++i)
      for (std::size_t j = 1; j <= columns; ++j) {
        const std::size_t cost = name[i - 1] == candidate[j - 1] ? 0 : 1;
        std::size_t least = std::min({distance[i - 1][j] + 1, distance[i][j - 1] + 1, distance[i - 1][j - 1] + cost});
        if (i > 1 && j > 1 && name[i - 1] == candidate[j - 2] && name[i - 2] == candidate[j - 1])
          least = std::min(least, distance[i - 2][j - 2] + 1);
        distance[i][j] = least;
      }
    const std::size_t found = distance[rows][columns];
    // A word that shares nothing is no slip, however short it is.
    if (found < best_distance && found < std::max(rows, columns)) {
      best_distance = found;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates, std::string otherwise) {
  const std::string near = nearest(name, candidates);
  return near.empty() ? otherwise : "did you mean '" + near + "'?";
}

std::string listed(const std::vector<std::string>& words, std::string_view separator) {
  std::string all;
  for (const auto& word : words) (all += all.empty() ? "" : separator) += word;
  return all;
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        else
          out += c;
    }
  }
  return out + "\"";
}

}  // namespace weir::config
