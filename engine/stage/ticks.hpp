// The ticks of a source: when they fall, and what becomes of those that came while it could not see to them.
#pragma once
#include <cstdint>
#include <string_view>

#include "engine/stage/context.hpp"

namespace weir::stage {

/// One after the other from now on; the first is at once.
class Ticks {
 public:
  /// `messages`: what one gives.
  Ticks(Duration every, Source& source, std::uint64_t messages = 1)
      : every_(every), messages_(messages), source_(source), due_(source.core.now()) {}

  Time due() const noexcept { return due_; }
  void next() noexcept { due_ += every_; }
  /// Leaves out the ticks that fell before now, if the next one is late by more than `grace`: they are counted as
  /// created and dropped (slow), and the log says why.
  void skip_late(std::string_view why, Duration grace = Duration::zero());

 private:
  const Duration every_;
  const std::uint64_t messages_;
  Source& source_;
  Time due_;
};

}  // namespace weir::stage
