// Lines of CSV or logfmt made into JSON objects.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/config/values.hpp"
#include "engine/io/csv.hpp"
#include "engine/io/logfmt.hpp"
#include "engine/message/failure.hpp"

namespace weir::stage {

/// What the text of a field becomes.
enum class FieldType : std::uint8_t { text, integer, number, boolean };
const std::vector<std::string>& field_types();  ///< Their words.
std::optional<FieldType> field_type(std::string_view word);

/// Takes one line after the other. A record of CSV may go on over several, its first names the fields; of logfmt each
/// line is one. An empty field that is no text becomes null. Used by one source at a time.
class Records {
 public:
  enum class Format : std::uint8_t { csv, logfmt };
  Records(Format format, const config::Map<std::string>& types);

  /// What became of the lines so far.
  enum class State : std::uint8_t {
    nothing,  ///< An empty line, or the names of the fields.
    open,     ///< The record goes on with the next line.
    object,   ///< object() is a record.
    wrong     ///< why() says what record() is not.
  };
  State put(std::string_view line, std::int64_t number);
  /// No line follows: what is open is wrong.
  State end();

  std::string_view object() const { return object_; }  ///< JSON, until the next put().
  std::string_view record() const { return record_; }  ///< Its text, without the last line's end.
  std::int64_t line() const { return line_; }          ///< Its first.
  const std::string& why() const { return why_; }
  void give_up() { open_ = false; }  ///< Of what is open.

 private:
  State take_csv(const std::optional<io::CsvError>& error);  // Of what read_csv() has made of record_.
  State take_logfmt();
  State take_names();
  State no(std::string why);
  FieldType type_of(std::string_view name) const;
  void begin_field(std::string_view name);
  bool append(std::string_view name, FieldType type, std::string_view value);

  const Format format_;
  std::vector<std::pair<std::string, FieldType>> types_;
  bool open_ = false;
  std::string record_, scratch_, object_, why_;
  std::int64_t line_ = 0;
  std::vector<std::string_view> fields_;
  std::vector<io::LogfmtPair> pairs_;
  std::vector<std::pair<std::string, FieldType>> columns_;  // Of CSV; none until the first record.
  std::string names_wrong_;                                 // Why there are none, though there was one.
};

}  // namespace weir::stage
