// From paths on the command line to plans that may run, or to everything that is wrong with them.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/command/streams.hpp"
#include "engine/graph/plan.hpp"

namespace weir::command {

/// One file as read.
struct CheckedFile {
  std::string path;
  config::Diagnostics diagnostics;
  std::optional<graph::Plan> plan;  ///< Nothing where there are errors.
  std::size_t tests = 0;            ///< Where they were looked at.
  /// It has no stages, and is good for others to include: so many kinds of one's own are in it. Then there is no plan.
  std::optional<std::size_t> library_of;
};

class Checked {
 public:
  std::vector<CheckedFile> files;

  bool has_errors() const;
  /// Of all files, for a program.
  std::string json() const;
  /// Of all files, each at most 20, for a person.
  void print(Streams& streams) const;
};

/// Whether a file's `tests:` are looked at too: `weir run` must not fail by them.
enum class Tests { ignored, checked };

/// What is made of a plan before it runs: another pipeline, or nothing, which the caller has told.
struct Cut {
  std::function<std::optional<config::Pipeline>(const graph::Plan&)> make;
  std::string why;  ///< Said of what is wrong with the other only.
};

/// Reads and compiles every file, whatever is wrong with those before it. `cut`: of a file that is good, compiled anew.
Checked check_files(const std::vector<std::string>& paths, const std::vector<std::string>& overrides,
                    const stage::Catalog& catalog, Tests tests = Tests::ignored, const std::optional<Cut>& cut = {});

}  // namespace weir::command
