// What converts a payload, or a part of it, between values and text: what is converted, how it is written as text, and
// where what comes of it goes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/spec.hpp"
#include "engine/config/values.hpp"
#include "engine/io/csv.hpp"
#include "engine/message/payload.hpp"

namespace weir::stage {

/// How a value is written as text.
enum class Coding : std::uint8_t { json, csv, logfmt, text, base64, hex };
config::Extra codings();  ///< The words for them, for a spec.

/// The options of a kind that converts, in one direction or the other.
struct Conversion {
  Coding format = Coding::json;
  std::optional<config::Path> of, into;
  std::vector<std::string> columns;  ///< Of CSV.
  io::Delimiter delimiter = io::Delimiter::comma;
};
/// Tells what of them does not go together. `cure`: of a conversion that would change nothing.
void verify(const Conversion& conversion, const char* cure, config::Written& written);

/// Without `of` the whole payload is converted, otherwise one field of it. Without `into` what comes of it takes the
/// place of what was converted; with it, it goes there: beside what it was made of, or, where that was the whole
/// payload, into a new payload that holds nothing else.
class Placing {
 public:
  Placing(const std::optional<config::Path>& of, const std::optional<config::Path>& into);

  /// The text to be converted: the payload as it is, or that of a field, which must be text. Valid until put().
  message::Outcome<std::string_view> text(const message::Message& message) const;
  /// The value to be converted; the payload is JSON then.
  message::Outcome<message::Node> value(const message::Message& message) const;
  /// What is converted, in words: "the payload", "'a.b'".
  const std::string& name() const { return name_; }
  /// Whether what comes of it will be the whole payload, which may then be any bytes.
  bool whole() const { return !of_ && !into_; }

  /// Puts a value there, as JSON text.
  message::Done put(const message::Message& message, std::string_view json) const;
  /// Puts a text there: as it is where it is the whole payload, else as a JSON string, which not all bytes can be.
  message::Done put_text(const message::Message& message, std::string_view text) const;

 private:
  const std::optional<config::Path> of_, into_;
  std::string name_;
  std::string opening_, closing_;  // Around what goes into a new payload.
};

}  // namespace weir::stage
