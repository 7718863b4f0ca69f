// When an operator's turn is over, found out without reading the clock for each row.
#pragma once
#include <algorithm>
#include <cstddef>

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
    left_ = rows_ + 1;
  }
  /// A row is about to be worked off. False: it is time to look().
  bool count() noexcept { return --left_ > 0; }
  /// False: the turn is over.
  bool look(runtime::Time now) noexcept {
    const runtime::Duration took = now - looked_;
    const auto rows = static_cast<runtime::Duration::rep>(rows_);
    rows_ =
        took <= runtime::Duration::zero()
            ? rows_most
            : static_cast<std::size_t>(std::clamp<runtime::Duration::rep>(rows * between_looks / took, 1, rows_most));
    looked_ = now;
    left_ = rows_;
    return now < until_;
  }
  /// The next row is looked at by itself.
  void relearn() noexcept { rows_ = 1; }

 private:
  static constexpr runtime::Duration between_looks = std::chrono::microseconds(50);
  static constexpr runtime::Duration::rep rows_most = 64;
  std::size_t rows_ = 1;
  std::size_t left_ = 0;
  runtime::Time looked_{}, until_{};
};

}  // namespace weir::stage
