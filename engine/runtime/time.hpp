// The words for time. Anybody may name an instant or a length of time; only the runtime can tell what time it is.
#pragma once
#include <chrono>

namespace weir::runtime {

using Duration = std::chrono::nanoseconds;

/// The engine's own clock: it starts at 0 with the runtime and never jumps. It has no now(): ask a Core.
struct Clock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock, duration>;
  static constexpr bool is_steady = true;
};
using Time = Clock::time_point;

/// Time of day, UTC. For people and for data; never for waiting.
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

}  // namespace weir::runtime
