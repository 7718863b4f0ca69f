// What is wrong with code that was never run.
#pragma once
#include <string>
#include <vector>

#include "engine/config/diagnostics.hpp"

namespace weir::script {

/// Why code cannot be compiled, at the place of the YAML where its author must look.
struct CompileError {
  CompileError() = default;
  CompileError(config::Place where, std::string why, std::string cure = {})
      : place(std::move(where)), what(std::move(why)), hint(std::move(cure)) {}

  config::Place place;
  std::string what;
  std::string hint;                ///< The cure, in a few words; may be empty.
  std::vector<CompileError> more;  ///< What else is wrong with the same code, as far as that can be said at once.

  void tell(config::Diagnostics& diagnostics, const std::string& path) const {
    diagnostics.error(place, what, hint, path);
    for (const auto& other : more) other.tell(diagnostics, path);
  }
};

}  // namespace weir::script
