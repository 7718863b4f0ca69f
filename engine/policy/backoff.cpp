#include "engine/policy/backoff.hpp"

#include <limits>

#include "engine/runtime/assert.hpp"

namespace weir::policy {

Backoff::Backoff(Duration least, Duration most) : least_(least), most_(most), ceiling_(least) {
  WEIR_ASSERT(least > Duration::zero() && least <= most, "a backoff goes from a little to more");
}

// Without ever making a number that is too large for a Duration.
Duration Backoff::doubled(Duration wait) const { return wait > most_ / 2 ? most_ : wait * 2; }

Duration Backoff::next(double chance) {
  ceiling_ = doubled(ceiling_);
  if (failures_ < std::numeric_limits<int>::max()) ++failures_;
  const double span = static_cast<double>((ceiling_ - least_).count());
  const Duration wait = least_ + Duration(static_cast<Duration::rep>(span * chance));
  return wait < ceiling_ ? wait : ceiling_;  // A span of centuries is rounded upwards by the double.
}

void Backoff::reset() {
  ceiling_ = least_;
  failures_ = 0;
}

}  // namespace weir::policy
