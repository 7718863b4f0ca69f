// Lines of CSV or logfmt made into JSON objects.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/config/spec.hpp"
#include "engine/io/csv.hpp"
#include "engine/io/logfmt.hpp"
#include "engine/message/failure.hpp"

namespace weir::stage {

/// What the text of a field becomes.
enum class FieldType : std::uint8_t { text, integer, number, boolean };
/// What may stand between the fields of csv, for a spec.
config::Extra delimiters();
const std::vector<std::string>& field_types();  ///< Their words.
std::optional<FieldType> field_type(std::string_view word);

/// What is said of the fields beforehand.
struct RecordRules {
  config::Map<std::string> types;    ///< Of csv and logfmt: of those that are no text, by their words.
  char delimiter = ',';              ///< Of csv.
  std::vector<std::string> columns;  ///< Of csv. Empty: its first record names them.
};

/// Tells which of these names can't be those of columns: one that is empty, or there twice.
void check_columns(const std::vector<std::string>& columns, config::Written& written);

/// Takes one line after the other. A record of CSV may go on over several; of logfmt each line is one. An empty field
/// that is no text becomes null. Of a record that is too long no more than `most` bytes and one line are kept. Used by
/// one source at a time.
class Records {
 public:
  enum class Format : std::uint8_t { csv, logfmt };
  /// `most`: bytes of a record.
  Records(Format format, const RecordRules& rules, std::uint64_t most);

  /// What became of the lines so far.
  enum class State : std::uint8_t {
    nothing,   ///< An empty line, the names of the fields, or what follows of a record that is too long.
    open,      ///< The record goes on with the next line.
    object,    ///< object() is a record.
    wrong,     ///< why() says what record() is not.
    too_long,  ///< record() is its beginning. The rest of it will be passed over.
  };
  State put(std::string_view line, std::int64_t number);
  /// What is there of a line whose end is still to come. Where that makes the record too long it need not be kept:
  /// later pieces are given alone, and put() takes what comes before the end. Otherwise nothing is taken of it: `open`.
  State put_piece(std::string_view piece, std::int64_t number);
  /// What comes up to the end of the line is no beginning of a record.
  void begin_inside_a_line() { passing_over_ = true; }
  /// No line follows: what is open is wrong.
  State end();

  std::string_view object() const { return object_; }  ///< JSON, until the next put().
  std::string_view record() const { return record_; }  ///< Its text, without the last line's end.
  std::int64_t line() const { return line_; }          ///< Its first.
  const std::string& why() const { return why_; }
  /// Where the first record names one field and looks as if it meant several: the word for what stands between them,
  /// the first time that it is asked for. Else null.
  const char* other_delimiter() { return std::exchange(other_delimiter_, nullptr); }

 private:
  State take_csv(const std::optional<io::CsvError>& error);  // Of what read_csv() has made of record_.
  State take_logfmt();
  State take_names();
  void add(std::string_view line, std::int64_t number);
  void look_for_end(std::string_view piece);
  State refuse_length(bool more);
  State no(std::string why);
  FieldType type_of(std::string_view name) const;
  void begin_field(std::string_view name);
  bool append(std::string_view name, FieldType type, std::string_view value);

  const Format format_;
  const char delimiter_;
  const std::uint64_t most_;
  std::vector<std::pair<std::string, FieldType>> types_;
  bool open_ = false;          // A record goes on with the next line.
  bool passing_over_ = false;  // Inside one that is too long.
  io::CsvEnd end_{delimiter_};
  std::string record_, scratch_, object_, why_;
  std::int64_t line_ = 0;
  std::vector<std::string_view> fields_;
  std::vector<io::LogfmtPair> pairs_;
  // Of CSV; where they were not given, none until the first record.
  std::vector<std::pair<std::string, FieldType>> columns_;
  const char* other_delimiter_ = nullptr;
  std::string names_wrong_;  // Why there are none, though there was one.
};

}  // namespace weir::stage
