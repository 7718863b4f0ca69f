// How many of all calls may be further tries.
#pragma once
#include <algorithm>

#include "engine/runtime/time.hpp"

namespace weir::policy {

/// Of the calls at most this share is tried again, so that a service which is down is not asked a multiple of what it
/// was asked before it went down. Each call adds its share of a try, up to what `reserve` allows; a few tries a second
/// are always free, or a stage that calls rarely could never try again. Pure. One thread. (After Finagle's
/// RetryBudget.)
class RetryBudget {
 public:
  /// `share`: 0.1 are ten further tries on a hundred calls; 1 is no limit.
  explicit RetryBudget(double share) : share_(share) {}

  void called() noexcept { saved_ = std::min(saved_ + share_, reserve); }
  /// Takes one try; false: there is none.
  bool take(runtime::Time now) noexcept {
    if (share_ >= 1) return true;
    if (saved_ >= 1) {
      saved_ -= 1;
      return true;
    }
    if (now >= second_ + std::chrono::seconds(1)) {
      second_ = now;
      free_ = free_each_second;
    }
    return free_ > 0 && free_-- > 0;
  }

 private:
  static constexpr double reserve = 100;
  static constexpr int free_each_second = 10;

  const double share_;
  double saved_ = 0;
  runtime::Time second_{};
  int free_ = free_each_second;
};

}  // namespace weir::policy
