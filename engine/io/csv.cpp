#include "engine/io/csv.hpp"

#include <algorithm>

#include "engine/message/json.hpp"

namespace weir::io {
namespace {

/// `wrong`: where the first byte stands that is not UTF-8.
CsvError not_utf8(std::string_view record, std::size_t wrong, char delimiter) {
  std::vector<std::string_view> before;
  std::string scratch;
  const auto cut = read_csv(record.substr(0, wrong), before, scratch, delimiter);
  const std::size_t field = before.size() + (cut ? 1 : 0);  // What is cut between quotes is no field yet.
  return {"field " + std::to_string(field) + " holds bytes that are not UTF-8", wrong};
}

}  // namespace

std::optional<CsvError> read_csv(std::string_view record, std::vector<std::string_view>& fields, std::string& scratch,
                                 char delimiter) {
  fields.clear();
  scratch.clear();
  scratch.reserve(record.size());  // Views into it must stay.
  if (record.ends_with('\n')) record.remove_suffix(1);
  if (record.ends_with('\r')) record.remove_suffix(1);
  std::size_t at = 0;
  while (true) {
    if (at < record.size() && record[at] == '"') {
      const std::size_t opening = at++;
      const std::size_t begin = at, copied = scratch.size();
      std::size_t from = at;  // Not yet in scratch.
      while (true) {
        const std::size_t quote = record.find('"', at);
        if (quote == record.npos) return CsvError{"a quote that is not closed", opening, true};
        at = quote + 1;
        if (at == record.size() || record[at] != '"') break;
        scratch += record.substr(from, at - from);  // With one quote of the two.
        from = ++at;
      }
      const std::size_t end = at - 1;
      if (from == begin) {
        fields.push_back(record.substr(begin, end - begin));
      } else {
        scratch += record.substr(from, end - from);
        fields.push_back(std::string_view(scratch).substr(copied));
      }
      if (at < record.size() && record[at] != delimiter) {
        const char* const what = delimiter == ',' ? "a comma is missing behind a closing quote"
                                                  : "a delimiter is missing behind a closing quote";
        return CsvError{what, at};
      }
    } else {
      const std::size_t end = std::min(record.find(delimiter, at), record.size());
      const std::string_view field = record.substr(at, end - at);
      if (const auto wrong = field.find_first_of("\"\r\n"); wrong != field.npos) {
        return CsvError{
            field[wrong] == '"' ? "a quote inside a field that does not begin with one" : "more than one record",
            at + wrong};
      }
      fields.push_back(field);
      at = end;
    }
    if (at == record.size()) break;
    ++at;  // The delimiter.
  }
  if (const auto wrong = message::find_not_utf8(record)) return not_utf8(record, *wrong, delimiter);
  return std::nullopt;
}

void CsvEnd::take(std::string_view piece) {
  for (std::size_t at = 0; at < piece.size() && at_ != At::wrong; ++at) {
    if (at_ == At::inside) at = std::min(piece.find('"', at), piece.size());  // The quickest way.
    if (at == piece.size()) return;
    const char c = piece[at];
    switch (at_) {
      case At::beginning:
        at_ = c == '"' ? At::inside : c == delimiter_ ? At::beginning : c == '\r' ? At::wrong : At::plain;
        break;
      case At::plain:
        at_ = c == delimiter_ ? At::beginning : c == '"' || c == '\r' ? At::wrong : At::plain;
        break;
      case At::inside:
        at_ = At::behind_quote;
        break;
      case At::behind_quote:
        at_ = c == '"' ? At::inside : c == delimiter_ ? At::beginning : At::wrong;
        break;
      case At::wrong:
        break;
    }
  }
}

void append_csv(std::string& out, std::string_view field, char delimiter) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  const bool blank_end = !field.empty() && (blank(field.front()) || blank(field.back()));
  if (!blank_end && field.find(delimiter) == field.npos && field.find_first_of("\"\r\n") == field.npos) {
    out += field;
    return;
  }
  out += '"';
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace weir::io
