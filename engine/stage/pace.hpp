// When an operator's turn is over, found out without reading the clock for each row.
#pragma once
#include <algorithm>
#include <cstddef>
#include <utility>

#include "engine/runtime/time.hpp"

namespace weir::stage {

/// Looks at the clock after as many rows as should take 50 µs by what the rows before them took: rows that cost 0.1 µs
/// run through, rows that cost a millisecond are looked at one by one. A batch that is suddenly slower is noticed after
/// it (relearn()). One core's thread only.
class Pace {
 public:
  /// A call begins at `now`; the turn lasts until `until`. One row may be worked off in any case.
  void begin(runtime::Time now, runtime::Time until) noexcept {
    looked_ = now;
    until_ = until;
    first_ = true;
  }
  /// Rows that may be worked off before this is asked again; none, where the turn is over. Asked once those are done.
  template <class Clock>
  std::size_t grant(Clock clock) noexcept {
    if (std::exchange(first_, false)) return rows_;
    const runtime::Time now = clock();
    const runtime::Duration took = now - std::exchange(looked_, now);
    const auto rows = static_cast<runtime::Duration::rep>(rows_);
    rows_ =
        took <= runtime::Duration::zero()
            ? rows_most
            : static_cast<std::size_t>(std::clamp<runtime::Duration::rep>(rows * between_looks / took, 1, rows_most));
    return now < until_ ? rows_ : 0;
  }
  /// The next row is looked at by itself.
  void relearn() noexcept { rows_ = 1; }

 private:
  static constexpr runtime::Duration between_looks = std::chrono::microseconds(50);
  static constexpr runtime::Duration::rep rows_most = 64;
  std::size_t rows_ = 1;
  bool first_ = true;
  runtime::Time looked_{}, until_{};
};

}  // namespace weir::stage
