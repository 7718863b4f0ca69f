// When a cron expression falls due.
#pragma once
#include <bitset>
#include <optional>
#include <string>
#include <string_view>

#include "engine/runtime/zone.hpp"

namespace weir::policy {

using runtime::WallTime;

/// Five fields: minute, hour, day of the month, month, day of the week; or @hourly, @daily and so on. Pure: it is told
/// the time. Immutable; any thread.
///
/// Where the clocks are changed it does as Vixie's cron, and Debian's, do. An expression whose minute or hour begins
/// with `*` goes by the clock as it shows: what the clock skips is not due, what it shows twice is due twice. Any other
/// names a time of day and is due once a day: if the clock skips it, at the moment of the change; if the clock shows it
/// twice, the first time. (Kubernetes leaves the first out and does the other twice.)
class Cron {
 public:
  /// What is wrong, where in the text, and the cure.
  struct Mistake {
    std::string what, hint;
    std::size_t at = 0, length = 0;  ///< In bytes.
  };
  static std::optional<Cron> parse(std::string_view text, Mistake& mistake);

  /// The first instant after `after` at which it is due. Nothing only where time, as far as it can be told, ends
  /// before.
  std::optional<WallTime> next(WallTime after, const runtime::Zone& zone) const;

 private:
  using Local = std::chrono::local_time<std::chrono::minutes>;
  /// The first match at or after `from` and before `end`.
  std::optional<Local> match(Local from, Local end) const;
  bool day_matches(std::chrono::local_days day) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<8> weekdays_;                     // 7 is not used: Sunday is 0.
  bool any_day_ = false, any_weekday_ = false;  // Begins with `*`.
  bool by_clock_ = false;
};

}  // namespace weir::policy
