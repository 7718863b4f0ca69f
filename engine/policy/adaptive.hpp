// How many calls at once are best: found by watching how long they take.
#pragma once
#include <cstddef>
#include <cstdint>

#include "engine/runtime/time.hpp"

namespace weir::policy {

using runtime::Duration;
using runtime::Time;

/// The limit of calls under way, by the law of Vector's adaptive request concurrency (RFC 1858 there): looked at once
/// in the time a call takes on average, it goes up by one where it was reached and calls took no longer than before; it
/// goes down by a tenth where somebody pushed back (a time-out, a failure that may pass) or calls took clearly longer.
/// Until the first of these it doubles instead (slow start). Beyond that law: calls that take twice the least that was
/// seen wait for each other over there, and it goes down too; else where latency grows with the limit, the average
/// would follow it and the limit never end. Pure. One thread.
class Adaptive {
 public:
  static constexpr std::size_t most = 200;

  std::size_t limit() const noexcept { return limit_; }
  /// So many are under way now.
  void began(std::size_t in_flight) noexcept { reached_ = reached_ || in_flight >= limit_; }
  /// One went well.
  void succeeded(Duration took, Time now);
  /// One was pushed back.
  void pushed_back(Time now);

 private:
  void look(Time now);

  static constexpr double down = 0.9;
  static constexpr double newer = 0.4;       // The weight of the last window in the average.
  static constexpr double deviations = 2.5;  // So many above the average are clearly longer.
  static constexpr double steady = 0.05;     // Differences below this share are none.
  static constexpr double queueing = 2;      // So many times the least: calls wait for each other over there.

  std::size_t limit_ = 1;
  bool slow_start_ = true, reached_ = false, pushed_ = false, known_ = false;
  double average_ = 0, deviation_ = 0, least_ = 0;  // Seconds, of the windows before.
  double sum_ = 0;                                  // Of this one,
  std::uint64_t calls_ = 0;                         // and of how many.
  Time next_look_{};
};

}  // namespace weir::policy
