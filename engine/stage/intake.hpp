// Bytes that a source reads, made into messages by their format.
#pragma once
#include <cstdint>
#include <string>

#include "engine/config/spec.hpp"
#include "engine/runtime/files.hpp"
#include "engine/stage/context.hpp"

namespace weir::stage {

/// How messages stand in a file or a stream.
enum class Format : std::uint8_t { lines, ndjson, json, whole, csv, envelope, logfmt };
/// The words for them, for a spec.
config::Extra formats();
/// Tells, at the key that said so, what a source can't read, and what is wrong with `types`.
void check_reading(Format format, const config::Map<std::string>& types, const std::string& key,
                   config::Written& written);

/// Reads to the end and emits. What is longer than `most`, or is not what the format says, is refused by the source
/// and the rest read. What comes out depends on the bytes alone, not on how the reads were cut.
class Intake {
 public:
  /// `what`: how all of it is called in failures, such as "the file".
  /// `types`: of the fields of csv and logfmt, by their words. It outlives this.
  Intake(Format format, config::Size most, const char* what, const config::Map<std::string>& types)
      : format_(format), most_(most), what_(what), types_(types) {}

  /// Flushes before every read that may have to wait. Throws what the reader throws; a line whose end had not come by
  /// then is no message.
  Task<> read(runtime::Reader& reader, Source& source) const;

 private:
  Task<> read_lines(runtime::Reader& reader, Source& source) const;
  Task<> read_whole(runtime::Reader& reader, Source& source) const;

  const Format format_;
  const config::Size most_;
  const char* const what_;
  const config::Map<std::string>& types_;
};

}  // namespace weir::stage
