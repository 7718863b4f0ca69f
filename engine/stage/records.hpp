// Lines of CSV or logfmt made into JSON objects.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/values.hpp"
#include "engine/io/csv.hpp"
#include "engine/io/logfmt.hpp"
#include "engine/message/failure.hpp"

namespace weir::stage {

/// What the text of a field becomes.
enum class FieldType : std::uint8_t { text, integer, number, boolean };
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
  std::size_t open_bytes() const { return open_ ? record_.size() : 0; }
  void give_up() { open_ = false; }  ///< Of what is open.

 private:
  State take();
  State no(std::string why);
  bool append(std::string_view name, std::string_view value);

  const Format format_;
  const config::Map<std::string>& types_;
  bool open_ = false;
  std::string record_, scratch_, object_, why_;
  std::int64_t line_ = 0;
  std::vector<std::string_view> fields_;
  std::vector<io::LogfmtPair> pairs_;
  std::vector<std::string> names_;  // Of CSV; empty until the first record.
  std::string names_wrong_;         // Why there are none, though there was one.
};

}  // namespace weir::stage
