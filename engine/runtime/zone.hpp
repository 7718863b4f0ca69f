// Time zones, as the system's database has them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/runtime/time.hpp"

namespace weir::runtime {

/// How far the clocks of a place are ahead of UTC, and since when. Read once, then immutable; any thread.
class Zone {
 public:
  /// "UTC", which needs no database, or a name such as "Europe/Berlin". Nothing, and `why` says so, where there is none
  /// of that name or its file is broken. Reads a file: not for the hot path.
  static std::optional<Zone> find(std::string_view name, std::string& why);
  /// The same, of the bytes of a TZif file (RFC 8536) of version 2 or later.
  static std::optional<Zone> parse(std::string_view bytes);
  /// The names of the database, for whoever mistyped one. Empty where there is no database.
  static std::vector<std::string> names();

  /// A stretch of time in which the clocks are not changed.
  struct Period {
    WallTime begin, end;           ///< The end excluded. The first has WallTime::min(), the last WallTime::max().
    std::chrono::seconds ahead{};  ///< Local time less UTC.
  };
  Period at(WallTime time) const;

 private:
  struct Change {
    std::int64_t at_s;  // Since 1970, UTC.
    std::int64_t ahead_s;
  };
  /// When the clocks are changed each year: `M3.5.0/2`, `J60`, `59`.
  struct Rule {
    enum class Kind { weekday, julian, day } kind = Kind::day;
    int month = 0, week = 0, day = 0;
    std::int64_t time_s = 7200;
    std::int64_t local_s(int year) const;  // Since 1970, as the clocks then show it.
  };
  struct Yearly {
    std::int64_t standard_s = 0;
    std::optional<std::int64_t> summer_s;
    Rule begins, ends;
  };
  static std::optional<Yearly> parse_yearly(std::string_view text);

  std::int64_t first_ahead_s_ = 0;  // Before the first change.
  std::vector<Change> changes_;     // Rising; up to the last year that WallTime can hold.
};

}  // namespace weir::runtime
