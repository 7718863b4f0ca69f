// The machine as Linux tells of it: /proc, and the control group where that allows less.
#pragma once
#include <mutex>
#include <string>

#include "engine/runtime/machine.hpp"
#include "engine/runtime/time.hpp"

namespace weir::runtime {

/// Reads /proc/stat, /proc/meminfo and /proc/pressure, some 100 µs on the thread that asks. Where the program's control
/// group (version 2) has a share of the processors or of the memory, that share counts if it is used more.
class RealMachine final : public Machine {
 public:
  /// `root` is put before each path; a test has files of its own there.
  explicit RealMachine(std::string root = "");
  std::optional<double> load(Load of) override;

 private:
  /// Time that was used of what there was, since some beginning.
  struct Used {
    double used_s = 0, all_s = 0;
  };
  void look(Time now);
  std::string text(const std::string& path) const;
  std::optional<Used> processors() const;
  std::optional<Used> group_processors(Time now) const;
  std::optional<double> memory() const;
  std::optional<double> pressure() const;
  static double share(const std::optional<Used>& before, const std::optional<Used>& now);

  const std::string root_;
  std::string group_;  // Where the program's control group is; empty: none that limits.
  std::mutex mutex_;   // For all of the below.
  std::optional<Time> looked_;
  std::optional<Used> machine_, of_group_;
  std::optional<double> cpu_, memory_, pressure_;
};

/// For all real cores of the program.
Machine& real_machine();

}  // namespace weir::runtime
