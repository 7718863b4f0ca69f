// Bytes that a source reads, made into messages by their format.
#pragma once
#include <cstdint>
#include <string>

#include "engine/config/spec.hpp"
#include "engine/runtime/files.hpp"
#include "engine/stage/context.hpp"

namespace weir::stage {

/// How messages stand in a file or a stream. Those after `whole` come with a later version.
enum class Format : std::uint8_t { lines, ndjson, json, whole, csv, envelope, logfmt };
/// The words for them, for a spec.
config::Extra formats();
/// Tells, at the key that said so, that a format comes later.
void refuse_later(Format format, const std::string& key, config::Written& written);

/// Reads to the end and emits. What is longer than `most`, or is not what the format says, is refused by the source
/// and the rest read. What comes out depends on the bytes alone, not on how the reads were cut.
class Intake {
 public:
  /// `what`: how all of it is called in failures, such as "the file".
  Intake(Format format, config::Size most, const char* what) : format_(format), most_(most), what_(what) {}

  /// Flushes before every read that may have to wait. Throws what the reader throws; a line whose end had not come by
  /// then is no message.
  Task<> read(runtime::Reader& reader, Source& source) const;

 private:
  Task<> read_lines(runtime::Reader& reader, Source& source) const;
  Task<> read_whole(runtime::Reader& reader, Source& source) const;

  const Format format_;
  const config::Size most_;
  const char* const what_;
};

}  // namespace weir::stage
