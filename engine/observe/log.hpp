// The log: one line an event, for people who search and machines that read.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/runtime/time.hpp"

namespace weir::observe {

enum class Level : std::uint8_t { debug, info, warn, error };

constexpr std::string_view word(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warn";
    case Level::error:
      return "error";
  }
  return "";
}

/// One `key=value` of a line. A view: lives as long as the call. Keys are words of the code: a-z, 0-9, _.
struct Field {
  Field(std::string_view name, std::string_view text) : key(name), value(text) {}
  Field(std::string_view name, const std::string& text) : key(name), value(text) {}
  Field(std::string_view name, const char* text) : key(name), value(text) {}
  Field(std::string_view name, bool truth) : key(name), own(truth ? "true" : "false"), bare(true) {}
  Field(std::string_view name, double number);
  template <class Integer, std::enable_if_t<std::is_integral_v<Integer>, int> = 0>
  Field(std::string_view name, Integer number) : key(name), own(std::to_string(number)), bare(true) {}

  std::string_view text() const { return bare ? std::string_view(own) : value; }

  std::string_view key;
  std::string_view value;
  std::string own;    ///< The text of a number or truth.
  bool bare = false;  ///< A number or truth: no quotes in JSON.
};

/// Writes lines `ts level pipeline stage msg …` to standard error. Thread-safe. Never throws, never blocks for longer
/// than 50 ms: what standard error does not take by then is lost, and the next line that goes out says how many were.
///
/// The message is fixed words, the data stand in fields. At most one line in 10 s of those equal in every field, and
/// ten of those equal in level, pipeline, stage and message; the next of its kind says `suppressed=N`, or, where none
/// comes, the last of those suppressed does, with whatever line comes after the 10 s. Without a clock nothing is
/// limited.
class Log {
 public:
  enum class Format : std::uint8_t { logfmt, json };
  struct Options {
    Format format = Format::logfmt;
    Level least = Level::info;
    std::function<runtime::WallTime()> clock;  ///< Any thread. None: no ts.
    std::function<void(std::string_view line)>
        sink;  ///< Whole lines with their newline, one call at a time. None: standard error.
  };

  Log();
  explicit Log(Options options);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// Sets format, level, clock and sink anew; secrets and counts stay.
  void set(Options options);

  void operator()(Level level, std::string_view message, std::initializer_list<Field> fields = {}) noexcept;

  /// Registers a text that never appears in a line: `***` stands in its place. Empty texts are ignored.
  void redact(std::string_view secret);
  /// The text as it may be shown anywhere, but for secrets of less than four characters. Any thread.
  std::string redacted(std::string text) const;

  /// Says what is still suppressed. At the end of the run.
  void flush() noexcept;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

/// The program's log. The one object of weir that is not passed around: any depth of any room may have something to
/// say, and there is one standard error. Tests build their own Log.
Log& program_log();

/// program_log()(…).
void log(Level level, std::string_view message, std::initializer_list<Field> fields = {}) noexcept;
void redact(std::string_view secret);
std::string redacted(std::string text);

}  // namespace weir::observe
