// Logfmt: `level=info msg="all is well" cached`, one line at a time.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::io {

struct LogfmtError {
  std::string what;    ///< For a person: "a quote that is not closed".
  std::size_t offset;  ///< Bytes before the one that is wrong.
};

struct LogfmtPair {
  std::string_view key;
  std::optional<std::string_view> value;  ///< Nothing where the key stands alone.
};

/// Cuts a line into pairs. Between quotes a backslash begins what it begins in a string of JSON; before anything else
/// it is a backslash. Half a surrogate pair and bytes that are not UTF-8 are errors. Views into the line or into
/// `scratch`: valid as long as both. A key that comes again comes again here.
std::optional<LogfmtError> read_logfmt(std::string_view line, std::vector<LogfmtPair>& pairs, std::string& scratch);

/// Leaves of the pairs with one key the last, which counts.
void keep_last(std::vector<LogfmtPair>& pairs);

/// Whether a key can be written: it is not empty and holds no blank, `=`, quote or control character.
bool is_logfmt_key(std::string_view key);
/// Appends a value: as it is, or where it needs quotes as a string of JSON.
void append_logfmt(std::string& out, std::string_view value);

}  // namespace weir::io
