// What a process uses, as the kernel says, and what weir says of itself.
#pragma once
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>

#include "tests/support/http_get.hpp"
#include "tests/support/temporary_folder.hpp"

namespace weir::tests {

/// What a process costs is asked as it is released: sanitizers keep what is freed, and take their time.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool as_released = false;
#else
inline constexpr bool as_released = true;
#endif

/// Open descriptors.
inline std::size_t descriptors_of(int id) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(id) + "/fd"))
    ++count;
  return count;
}

/// User and system time so far, in steps of 10 ms.
inline std::chrono::milliseconds processor_time_of(int id) {
  const auto stat = text_of("/proc/" + std::to_string(id) + "/stat");
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  std::int64_t user = 0, system = 0;
  fields >> user >> system;
  return std::chrono::milliseconds((user + system) * 1000 / ::sysconf(_SC_CLK_TCK));
}

/// Resident memory.
inline std::uint64_t resident_kib_of(int id) {
  const auto status = text_of("/proc/" + std::to_string(id) + "/status");
  const auto at = status.find("VmRSS:");
  return at == std::string::npos ? 0 : std::stoull(status.substr(at + 6));
}

/// Children that run or are not yet waited for, separated by blanks.
inline std::string children_of(int id) {
  return text_of("/proc/" + std::to_string(id) + "/task/" + std::to_string(id) + "/children");
}

/// The first series of that name, or that begins so: `weir_retries_total`,
/// `weir_stage_errors_total{pipeline="p",stage="call"`. Empty where there is none.
inline std::string figure_in(const std::string& metrics, const std::string& name) {
  const auto at = metrics.find("\n" + name + (name.find('{') == std::string::npos ? "{" : ""));
  if (at == std::string::npos) return {};
  const auto value = metrics.find("} ", at) + 2;
  return metrics.substr(value, metrics.find('\n', value) - value);
}
inline std::string figure(std::uint16_t port, const std::string& name) {
  return figure_in(http_get(port, "/metrics").body, name);
}

}  // namespace weir::tests
