// What the system says of this process, from /proc and getrlimit.
#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "engine/observe/snapshot.hpp"

namespace weir::observe {

namespace {

/// Seconds since the epoch at which the machine started; the start of a process is told in ticks since then.
double machine_started_s() {
  std::ifstream stat("/proc/stat");
  for (std::string line; std::getline(stat, line);) {
    if (line.starts_with("btime ")) return std::stod(line.substr(6));
  }
  return 0;
}

std::uint64_t open_descriptors() {
  struct Closer {
    void operator()(DIR* folder) const { ::closedir(folder); }
  };
  const std::unique_ptr<DIR, Closer> folder(::opendir("/proc/self/fd"));
  if (!folder) return 0;
  std::uint64_t count = 0;
  while (const dirent* entry = ::readdir(folder.get())) count += entry->d_name[0] != '.';
  return count - 1;  // The folder itself.
}

}  // namespace

std::optional<ProcessSnapshot> read_process() {
  std::ifstream stat("/proc/self/stat");
  std::string line;
  if (!std::getline(stat, line)) return std::nullopt;
  // The second field is the program's name in parentheses and may hold anything, spaces and parentheses too.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user_ticks = 0, system_ticks = 0, started_ticks = 0;
  fields >> user_ticks >> system_ticks;
  for (int field = 16; field < 22; ++field) fields >> skipped;
  std::uint64_t virtual_bytes = 0, resident_pages = 0;
  fields >> started_ticks >> virtual_bytes >> resident_pages;
  if (!fields) return std::nullopt;

  const auto ticks_per_s = static_cast<double>(::sysconf(_SC_CLK_TCK));
  static const double machine_started = machine_started_s();
  ProcessSnapshot process;
  process.cpu_s = (user_ticks + system_ticks) / ticks_per_s;
  process.started_s = machine_started + started_ticks / ticks_per_s;
  process.resident_bytes = resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  process.open_fds = open_descriptors();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) process.max_fds = limit.rlim_cur;
  return process;
}

}  // namespace weir::observe
