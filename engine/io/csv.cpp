#include "engine/io/csv.hpp"

#include <algorithm>

namespace weir::io {

std::optional<CsvError> read_csv(std::string_view record, std::vector<std::string_view>& fields, std::string& scratch) {
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
      if (at < record.size() && record[at] != ',') return CsvError{"a comma is missing behind a closing quote", at};
    } else {
      const std::size_t end = std::min(record.find(',', at), record.size());
      const std::string_view field = record.substr(at, end - at);
      if (const auto wrong = field.find_first_of("\"\r\n"); wrong != field.npos) {
        return CsvError{
            field[wrong] == '"' ? "a quote inside a field that does not begin with one" : "more than one record",
            at + wrong};
      }
      fields.push_back(field);
      at = end;
    }
    if (at == record.size()) return std::nullopt;
    ++at;  // The comma.
  }
}

void append_csv(std::string& out, std::string_view field) {
  const bool blank_end = !field.empty() && (field.front() == ' ' || field.back() == ' ');
  if (!blank_end && field.find_first_of(",\"\r\n") == field.npos) {
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
