#include "engine/runtime/real_machine.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>

namespace weir::runtime {
namespace {

using namespace std::chrono_literals;

constexpr Duration between_looks = 500ms;
/// What was used since a look longer ago says nothing of now.
constexpr Duration forgotten_after = 10s;

/// The number behind `name` in lines such as `MemTotal: 1024 kB` or `usage_usec 17`.
std::optional<double> number_of(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    std::istringstream words(line.substr(name.size()));
    double number = 0;
    if (words >> number) return number;
  }
  return std::nullopt;
}

}  // namespace

RealMachine::RealMachine(std::string root) : root_(std::move(root)) {
  std::istringstream lines(text("/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("0::/")) group_ = "/sys/fs/cgroup" + (line == "0::/" ? std::string() : line.substr(3));
  }
}

std::string RealMachine::text(const std::string& path) const {
  std::ostringstream all;
  all << std::ifstream(root_ + path).rdbuf();
  return all.str();
}

std::optional<double> RealMachine::load(Load of) {
  const std::lock_guard lock(mutex_);
  const Time now = std::chrono::time_point_cast<Duration>(Time(std::chrono::steady_clock::now().time_since_epoch()));
  if (!looked_ || now - *looked_ >= between_looks) look(now);
  return of == Load::cpu ? cpu_ : of == Load::memory ? memory_ : pressure_;
}

void RealMachine::look(Time now) {
  const bool recent = looked_ && now - *looked_ <= forgotten_after;
  const auto machine = processors();
  const auto group = group_processors(now);
  cpu_.reset();
  if (machine) cpu_ = recent ? std::max(share(machine_, machine), share(of_group_, group)) : 0;
  machine_ = machine;
  of_group_ = group;
  memory_ = memory();
  pressure_ = pressure();
  looked_ = now;
}

double RealMachine::share(const std::optional<Used>& before, const std::optional<Used>& now) {
  if (!before || !now || now->all_s <= before->all_s) return 0;
  return std::clamp((now->used_s - before->used_s) / (now->all_s - before->all_s), 0.0, 1.0);
}

std::optional<RealMachine::Used> RealMachine::processors() const {
  std::istringstream words(text("/proc/stat"));
  std::string name;
  if (!(words >> name) || name != "cpu") return std::nullopt;
  // user, nice, system, idle, iowait, irq, softirq, steal; what follows is contained in the first two.
  Used used;
  double ticks = 0;
  for (int column = 0; column < 8 && words >> ticks; ++column) {
    used.all_s += ticks;
    if (column != 3 && column != 4) used.used_s += ticks;
  }
  return used;
}

std::optional<RealMachine::Used> RealMachine::group_processors(Time now) const {
  if (group_.empty()) return std::nullopt;
  double quota = 0, period = 0;
  std::istringstream most(text(group_ + "/cpu.max"));  // "max 100000" where it has no share of its own.
  const auto used = number_of(text(group_ + "/cpu.stat"), "usage_usec");
  if (!(most >> quota >> period) || period <= 0 || !used) return std::nullopt;
  Used of_group;
  of_group.used_s = *used / 1e6;
  of_group.all_s = std::chrono::duration<double>(now.time_since_epoch()).count() * quota / period;
  return of_group;
}

std::optional<double> RealMachine::memory() const {
  const std::string told = text("/proc/meminfo");
  const auto all = number_of(told, "MemTotal:"), free = number_of(told, "MemAvailable:");
  std::optional<double> used;
  if (all && free && *all > 0) used = 1 - *free / *all;
  if (group_.empty()) return used;
  double most = 0, current = 0;
  std::istringstream limit(text(group_ + "/memory.max")), now(text(group_ + "/memory.current"));  // Or "max".
  if (!(limit >> most) || !(now >> current) || most <= 0) return used;
  const double cached = number_of(text(group_ + "/memory.stat"), "inactive_file ").value_or(0);
  return std::max(used.value_or(0), std::clamp((current - cached) / most, 0.0, 1.0));
}

std::optional<double> RealMachine::pressure() const {
  std::optional<double> worst;
  for (const auto* of : {"cpu", "memory", "io"}) {
    const auto percent = number_of(text(std::string("/proc/pressure/") + of), "some avg10=");
    if (percent) worst = std::max(worst.value_or(0), *percent / 100);
  }
  return worst;
}

Machine& real_machine() {
  static RealMachine machine;
  return machine;
}

}  // namespace weir::runtime
