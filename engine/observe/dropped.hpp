// Why a message was dropped on purpose: a closed list, the label `reason` of weir_stage_dropped_total.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::observe {

/// A drop is a decision, a failure (message::Reason) a fault: no message is counted as both.
enum class Dropped : std::uint8_t {
  configured,  ///< The file says so: a `drop` stage, `drop()` in Lua, `on_error: drop`.
  limit,       ///< A rate limit that drops.
  full,        ///< An edge that was full and drops (`when_full: drop_newest`).
  unread,      ///< Made for, or sent by, a port that nobody reads.
  deadline,    ///< Its time was over before the work was done.
  taken,       ///< Somebody else has it already: a duplicate, a lost race.
  slow,        ///< Its reader was too slow to be waited for.
  gone,        ///< Whoever was to receive it has left.
};
inline constexpr std::size_t drop_reasons = 8;

constexpr std::string_view word(Dropped reason) {
  constexpr std::array<std::string_view, drop_reasons> words{"configured", "limit", "full", "unread",
                                                             "deadline",   "taken", "slow", "gone"};
  return words[static_cast<std::size_t>(reason)];
}

}  // namespace weir::observe
