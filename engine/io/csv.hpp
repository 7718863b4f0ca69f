// Comma-separated values (RFC 4180), one record at a time.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::io {

struct CsvError {
  std::string what;       ///< For a person: "a quote that is not closed".
  std::size_t offset;     ///< Bytes before the one that is wrong.
  bool unclosed = false;  ///< A quote: with the next line it may be a record.
};

/// Cuts one record into fields. Views into the record, or into `scratch` where a field held doubled quotes: valid as
/// long as both. Line ends inside quotes belong to the field; one behind the record is passed over, one elsewhere is an
/// error. The empty record has one field, which is empty. Bytes that are no UTF-8 pass.
/// Strict, because what another program reads differently is no exchange format: a quote stands around a whole field.
std::optional<CsvError> read_csv(std::string_view record, std::vector<std::string_view>& fields, std::string& scratch);

/// Appends a field, between quotes where it needs them.
void append_csv(std::string& out, std::string_view field);

}  // namespace weir::io
