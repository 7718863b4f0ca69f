// Bytes that a source reads, made into messages by their format.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "engine/config/spec.hpp"
#include "engine/runtime/files.hpp"
#include "engine/stage/context.hpp"
#include "engine/stage/records.hpp"

namespace weir::stage {

/// How messages stand in a file or a stream.
enum class Format : std::uint8_t { lines, ndjson, json, whole, csv, envelope, logfmt };
/// The words for them, for a spec.
config::Extra formats();
/// The word for one whose messages are JSON; of any other nothing.
std::string json_of(Format format);
/// Tells what is wrong with `types`, and with `columns`.
void check_reading(Format format, const RecordRules& rules, config::Written& written);

/// The text behind a byte order mark, which it may begin with.
std::string_view without_mark(std::string_view text);
/// What messages of this file carry: `meta.file`.
std::shared_ptr<message::Metadata> origin_of(const std::string& path);
/// Of what a pattern led to and that can't be looked at.
void refuse_unseen(Source& source, const std::string& path, const std::system_error& error);

/// The lines of one file or stream, made into messages as they are found.
class LineIntake {
 public:
  /// The source outlives it.
  LineIntake(Format format, config::Size most, const RecordRules& rules, Source& source);
  ~LineIntake();
  LineIntake(const LineIntake&) = delete;
  LineIntake& operator=(const LineIntake&) = delete;

  /// Awaited behind each flush in the middle of a read: everything up to whole_bytes() has been sent on.
  std::function<Task<>()> after_flush;

  /// Reads once, emits what lines are whole by that, and flushes where it is full. How many bytes came; 0 = the end.
  Task<std::size_t> read_some(runtime::Reader& reader);
  /// No more comes: what is there of a line is the last one.
  void end();
  /// What is read next is no beginning of a line: up to its end it is passed over.
  void begin_inside_a_line();
  /// Lines came before those that are read here.
  void count_from(std::int64_t lines) { line_ = lines; }

  std::uint64_t whole_bytes() const { return whole_bytes_; }  ///< Of what was read: up to the end of the last line.
  std::uint64_t bytes() const { return bytes_; }              ///< Read.
  std::int64_t line() const { return line_; }                 ///< The last one that is whole, from 1.
  static constexpr std::size_t ending_bytes = 128;
  const std::string& ending() const { return ending_; }  ///< The last bytes that were read, no more than so many.

 private:
  bool pass_over(std::string_view piece);
  void put(std::string_view line);
  void put_envelope(std::string_view line);
  void put_state(Records::State state);

  const Format format_;
  const config::Size most_;
  Source& source_;
  Time entered_;
  std::int64_t line_ = 0;
  bool passing_over_ = false;  // Inside a line that was refused; records know that themselves.
  bool at_the_beginning_ = true;
  std::optional<bool> never_waits_;  // Not known before the first read.
  std::unique_ptr<Records> records_;
  message::ArenaRef arena_;
  std::string_view rest_;  // The beginning of a line whose end is still to be read; it lies in the arena.
  std::uint64_t bytes_ = 0, whole_bytes_ = 0;
  std::string ending_;
};

/// Reads to the end and emits. What is longer than `most`, or is not what the format says, is refused by the source
/// and the rest read. What comes out depends on the bytes alone, not on how the reads were cut.
class Intake {
 public:
  /// `what`: how all of it is called in failures, such as "the file".
  Intake(Format format, config::Size most, const char* what, RecordRules rules)
      : format_(format), most_(most), what_(what), rules_(std::move(rules)) {}

  /// Flushes before every read that may have to wait. Throws what the reader throws; a line whose end had not come by
  /// then is no message.
  Task<> read(runtime::Reader& reader, Source& source) const;

 private:
  Task<> read_lines(runtime::Reader& reader, Source& source) const;
  Task<> read_whole(runtime::Reader& reader, Source& source) const;

  const Format format_;
  const config::Size most_;
  const char* const what_;
  const RecordRules rules_;
};

}  // namespace weir::stage
