// Comma-separated values (RFC 4180), one record at a time; or with another delimiter in place of the comma: any
// character of ASCII but a quote and a line end.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::io {

/// What people write CSV with.
enum class Delimiter : char { comma = ',', semicolon = ';', tab = '\t', pipe = '|' };

struct CsvError {
  std::string what;       ///< For a person: "a quote that is not closed".
  std::size_t offset;     ///< Bytes before the one that is wrong.
  bool unclosed = false;  ///< A quote: with the next line it may be a record.
};

/// Cuts one record into fields. Views into the record, or into `scratch` where a field held doubled quotes: valid as
/// long as both. Line ends inside quotes belong to the field; one behind the record is passed over, one elsewhere is an
/// error, and so is a byte that is not UTF-8. The empty record has one field, which is empty.
/// Strict, because what another program reads differently is no exchange format: a quote stands around a whole field.
std::optional<CsvError> read_csv(std::string_view record, std::vector<std::string_view>& fields, std::string& scratch,
                                 char delimiter = ',');

/// Tells of a record that is looked at piece by piece whether it goes on with the next line.
class CsvEnd {
 public:
  explicit CsvEnd(char delimiter = ',') : delimiter_(delimiter) {}
  /// What comes is the beginning of a record.
  void begin_record() { at_ = At::beginning; }
  /// What comes stands between quotes.
  void begin_inside() { at_ = At::inside; }
  /// The next bytes of a line, without its end.
  void take(std::string_view piece);
  /// Whether a quote is open: a line end that comes now belongs to the field. A record that is no CSV ends with the
  /// line.
  bool inside() const { return at_ == At::inside; }

 private:
  enum class At : std::uint8_t { beginning, plain, inside, behind_quote, wrong };
  char delimiter_;
  At at_ = At::beginning;  // Of a field, or where in it.
};

/// Appends a field, between quotes where it needs them. Blanks and tabs at its ends are kept by quotes.
void append_csv(std::string& out, std::string_view field, char delimiter = ',');

}  // namespace weir::io
