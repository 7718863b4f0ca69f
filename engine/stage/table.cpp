#include "engine/stage/table.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "engine/message/document.hpp"

namespace weir::stage {
namespace {

constexpr std::size_t cell_most = 40, cell_least = 6, columns_most = 64, gap = 2;
constexpr std::string_view cut_sign = "\xE2\x80\xA6";  // …

struct Range {
  std::uint32_t first, last;
};
// What stands over the character before it, or nowhere; and what takes two columns. As good as terminals agree.
constexpr std::array<Range, 22> no_column{
    {{0x300, 0x36F},   {0x483, 0x489},   {0x591, 0x5BD},   {0x610, 0x61A},    {0x64B, 0x65F},   {0x900, 0x902},
     {0x93C, 0x93C},   {0x941, 0x948},   {0x94D, 0x94D},   {0xE31, 0xE31},    {0xE34, 0xE3A},   {0xE47, 0xE4E},
     {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x202A, 0x202E},  {0x2060, 0x2064}, {0x20D0, 0x20FF},
     {0x3099, 0x309A}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xE0100, 0xE01EF}}};
constexpr std::array<Range, 30> two_columns{
    {{0x1100, 0x115F}, {0x231A, 0x231B},   {0x23E9, 0x23EC},   {0x25FD, 0x25FE},   {0x2614, 0x2615},
     {0x2648, 0x2653}, {0x26A1, 0x26A1},   {0x26AA, 0x26AB},   {0x26BD, 0x26BE},   {0x2705, 0x2705},
     {0x270A, 0x270B}, {0x2728, 0x2728},   {0x274C, 0x274C},   {0x2753, 0x2755},   {0x2B50, 0x2B50},
     {0x2E80, 0x303E}, {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},
     {0xA960, 0xA97F}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
     {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD}}};

template <std::size_t Size>
bool in(const std::array<Range, Size>& ranges, std::uint32_t character) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [character](const Range& range) { return range.first <= character && character <= range.last; });
}

struct Character {
  std::uint32_t code = 0xFFFD;
  std::size_t bytes = 1;
  bool good = false;
};

/// The first one; of what is not UTF-8 its first byte.
Character first_of(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t size = lead >= 0xF0 && lead < 0xF5 ? 4 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (size == 0 || lead >= 0xF5 || text.size() < size) return {};
  std::uint32_t code = lead & (0x7Fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3F);
  }
  const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {};
  return {code, size, true};
}

void append_utf8(std::string& out, std::uint32_t code) {  // From U+0800 to U+FFFF.
  out += static_cast<char>(0xE0 | code >> 12);
  out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
  out += static_cast<char>(0x80 | (code & 0x3F));
}

bool is_number(message::Kind kind) { return kind == message::Kind::integer || kind == message::Kind::number; }

Cell cell_of(message::Document& document, message::Document::Node member, std::size_t most) {
  if (const auto text = document.string(member)) return cell(*text, most);
  // White space between the parts of a list may be line breaks.
  std::string raw(document.raw(member).substr(0, 8 * most + 64));
  std::replace_if(
      raw.begin(), raw.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return cell(raw, most);
}

}  // namespace

Cell cell(std::string_view text, std::size_t most) {
  Cell made;
  std::size_t fits = 0, fits_width = 0;  // Up to where there is still room for the sign.
  while (!text.empty()) {
    const Character next = first_of(text);
    const bool control = next.code < 0x20 || next.code == 0x7F;
    const bool shown = next.good && !control && !(next.code >= 0x80 && next.code < 0xA0);
    const std::size_t width = !shown ? 1 : next.code < 0x300 || !in(no_column, next.code) ? 1 : 0;
    const std::size_t columns = width == 1 && shown && next.code >= 0x1100 && in(two_columns, next.code) ? 2 : width;
    if (made.width + columns > most) {
      made.text.resize(fits);
      made.text += cut_sign;
      made.width = fits_width + 1;
      return made;
    }
    if (shown) {
      made.text += text.substr(0, next.bytes);
    } else {
      append_utf8(made.text, !next.good || next.code >= 0x80 ? 0xFFFD
                             : next.code == 0x7F             ? 0x2421
                                                             : 0x2400 + next.code);
    }
    made.width += columns;
    if (made.width + 1 <= most) fits = made.text.size(), fits_width = made.width;
    text.remove_prefix(next.bytes);
  }
  return made;
}

Table::Table(std::optional<std::size_t> columns)
    : columns_(columns ? std::optional(std::max(*columns, cell_least + gap + 1) - gap - 1) : std::nullopt) {}

void Table::look_at(Batch& batch) {
  if (decided_) return;
  std::string scratch;
  for (std::size_t row = 0; row < batch.size(); ++row) {
    auto& document = batch.document(row);
    const auto root = document.root();
    if (document.kind(root) != message::Kind::object) continue;
    for (auto member = document.first(root); member; member = document.next(member)) {
      const auto key = document.key(member, scratch);
      auto column = std::find_if(table_.begin(), table_.end(), [&](const Column& c) { return c.key == key; });
      if (column == table_.end()) {
        if (table_.size() == columns_most) {
          left_off_ = true;
          continue;
        }
        column = table_.emplace(column, std::string(key), cell(key, cell_most).width);
      }
      column->width = std::max(column->width, cell_of(document, member, cell_most).width);
      column->numbers &= is_number(document.kind(member));
    }
  }
  decided_ = !table_.empty();
  if (decided_) fit();
}

std::size_t Table::width() const {
  std::size_t sum = table_.empty() ? 0 : gap * (table_.size() - 1);
  for (const auto& column : table_) sum += column.width;
  return sum;
}

/// Narrows the widest until all have room; those that then still have none are left off.
void Table::fit() {
  if (!columns_) return;
  while (width() > *columns_) {
    const auto widest = std::max_element(table_.begin(), table_.end(),
                                         [](const Column& a, const Column& b) { return a.width < b.width; });
    if (widest->width > cell_least) {
      --widest->width;
    } else {
      table_.pop_back();
      left_off_ = true;
    }
  }
}

void Table::put(Column& column, Cell cell, bool numbers, std::string& out) {
  const std::size_t left = column.width - std::min(column.width, cell.width);
  out.append(blanks_ + (numbers ? left : 0), ' ');
  out += cell.text;
  blanks_ = gap + (numbers ? 0 : left);
}

void Table::put_header(std::string& out) {
  for (auto& column : table_) put(column, cell(column.key, column.width), column.numbers, out);
  blanks_ = 0;
  if (left_off_) (out += "  ") += cut_sign;
  out += '\n';
}

void Table::line(Batch& batch, std::size_t row, std::string& out) {
  auto& document = batch.document(row);
  const auto root = document.root();
  if (!decided_ || document.kind(root) != message::Kind::object) {
    out += cell(batch.payload(row), columns_ ? *columns_ + gap + 1 : std::string_view::npos).text;
    return;
  }
  std::vector<Cell> cells(table_.size());
  std::string scratch;
  bool more = false;
  for (auto member = document.first(root); member; member = document.next(member)) {
    const auto key = document.key(member, scratch);
    const auto column = std::find_if(table_.begin(), table_.end(), [&](const Column& c) { return c.key == key; });
    if (column == table_.end()) {
      more = true;
      continue;
    }
    const std::size_t room = columns_ ? *columns_ - std::min(*columns_, width()) : cell_most;
    Cell made = cell_of(document, member, std::max(column->width, std::min(cell_most, column->width + room)));
    column->width = std::max(column->width, made.width);
    cells[static_cast<std::size_t>(column - table_.begin())] = std::move(made);
  }
  if (!std::exchange(headed_, true)) put_header(out);
  for (std::size_t i = 0; i < table_.size(); ++i) put(table_[i], std::move(cells[i]), table_[i].numbers, out);
  while (out.ends_with(' ')) out.pop_back();
  if (more) (out += "  ") += cut_sign;
  blanks_ = 0;
}

}  // namespace weir::stage
