// `include`: what a pipeline file takes from other files.
#pragma once
#include <vector>

#include "engine/config/diagnostics.hpp"
#include "engine/config/node.hpp"

namespace weir::config {

inline constexpr std::string_view include_key = "include";

/// Puts into `root`, a file as parsed, what the files under its `include` hold, and what those include: their stages,
/// vars, secrets and kinds. Paths are relative to the folder of the file that names them. A name that two files give is
/// an error; but a var of `root` stands for one of the same name in an included file, which so has a default. What
/// concerns a run, and tests, is of the file alone that is run: an included file's tests are left out, and added to
/// `tests` where somebody wants them; its `run` and `admin` are errors. A file that is included twice comes once.
void include_files(Node& root, Diagnostics& diagnostics, std::vector<Node>* tests = nullptr);

}  // namespace weir::config
