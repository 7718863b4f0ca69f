#include "engine/policy/adaptive.hpp"

#include <algorithm>
#include <cmath>

namespace weir::policy {

void Adaptive::succeeded(Duration took, Time now) {
  sum_ += std::chrono::duration<double>(took).count();
  ++calls_;
  look(now);
}

void Adaptive::pushed_back(Time now) {
  pushed_ = true;
  look(now);
}

void Adaptive::look(Time now) {
  if (now < next_look_) return;
  const double mean = calls_ > 0 ? sum_ / static_cast<double>(calls_) : average_;
  const bool queued = known_ && calls_ > 0 && mean >= queueing * least_;
  const bool longer = known_ && calls_ > 0 && mean >= average_ + deviations * std::max(deviation_, average_ * steady);
  if (queued && limit_ == 1) least_ = mean;  // It is not we who make it slow.
  if (pushed_ || longer || queued) {
    limit_ = std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(limit_) * down));
    slow_start_ = false;
  } else if (reached_ && calls_ > 0 && (slow_start_ || mean <= average_ * (1 + steady))) {
    limit_ = std::min(most, slow_start_ ? limit_ * 2 : limit_ + 1);
  }
  if (calls_ > 0) {
    least_ = known_ ? std::min(least_, mean) : mean;
    if (!known_) {
      average_ = mean;
      known_ = true;
    } else {
      deviation_ += newer * (std::abs(mean - average_) - deviation_);
      average_ += newer * (mean - average_);
    }
  }
  sum_ = 0;
  calls_ = 0;
  reached_ = pushed_ = false;
  next_look_ = now + Duration(static_cast<Duration::rep>(average_ * 1e9));
}

}  // namespace weir::policy
