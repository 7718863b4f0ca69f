// How long to wait before trying again.
#pragma once
#include "engine/runtime/time.hpp"

namespace weir::policy {

using runtime::Duration;

/// Exponential backoff with full jitter. Each wait lies anywhere between `least` and a ceiling that doubles from twice
/// `least` up to `most`, so that many who failed together do not come back together. Pure: it is told what chance says
/// and never waits. Not thread-safe; whoever tries owns one.
class Backoff {
 public:
  /// least <= most, least above 0.
  Backoff(Duration least, Duration most);

  /// The wait before the next try. `chance`: 0 … 1, 1 excluded.
  Duration next(double chance);
  /// It worked: the next wait is a short one again.
  void reset();
  /// Waits handed out since the last success.
  int failures() const { return failures_; }

 private:
  Duration doubled(Duration wait) const;

  Duration least_;
  Duration most_;
  Duration ceiling_;
  int failures_ = 0;
};

}  // namespace weir::policy
