// How busy the machine is, as an interface.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::runtime {

/// What of it.
enum class Load : std::uint8_t {
  cpu,      ///< Of the processors' time: the share in which they did not idle.
  memory,   ///< Of the memory: the share that could not be had any more.
  pressure  ///< Of the time: the share in which somebody waited for a processor, memory or a disk.
};
inline constexpr std::size_t loads = 3;

constexpr std::string_view word(Load load) {
  constexpr std::array<std::string_view, loads> words{"cpu", "memory", "pressure"};
  return words[static_cast<std::size_t>(load)];
}

/// Any thread.
class Machine {
 public:
  virtual ~Machine() = default;
  /// How much of it is used now: 0 … 1. Nothing where the machine does not tell. The real one looks at most once in
  /// half a second, whoever asks; cpu is of the time since it looked before, and 0 as long as it has not.
  virtual std::optional<double> load(Load of) = 0;
};

}  // namespace weir::runtime
