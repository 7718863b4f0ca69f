// Whether the machine is too busy to begin anything.
#pragma once
#include "engine/runtime/time.hpp"

namespace weir::policy {

using runtime::Duration;
using runtime::Time;

/// Closes when the load is `above` or more, and opens when it is below four fifths of that: between the two it stays as
/// it is, so that what it lets through does not close it again at once (after Fluent Bit's resume_ratio). Looks once a
/// second, and only while somebody asks. Pure: it is told the load and the time. One thread.
class LoadGate {
 public:
  static constexpr Duration between_looks = std::chrono::seconds(1);
  static constexpr double opens_below = 0.8;  ///< Of `above`.

  /// Shares of 1; `above` is more than 0.
  explicit LoadGate(double above) : above_(above) {}

  bool to_look(Time now) const noexcept { return now >= next_look_; }
  void looked(double load, Time now) noexcept {
    load_ = load;
    next_look_ = now + between_looks;
    if (load >= above_) closed_ = true;
    if (load < above_ * opens_below) closed_ = false;
  }

  bool closed() const noexcept { return closed_; }
  double load() const noexcept { return load_; }  ///< As last looked at.
  Time next_look() const noexcept { return next_look_; }

 private:
  const double above_;
  double load_ = 0;
  bool closed_ = false;
  Time next_look_ = Time::min();
};

}  // namespace weir::policy
