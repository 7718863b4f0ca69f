// The command line: hands the arguments to the verb they name.
#pragma once
#include <string>
#include <vector>

#include "engine/command/streams.hpp"
#include "engine/stage/kind.hpp"

namespace weir::command {

/// The program: standard streams, process environment. Returns the exit code (exit_code.hpp); throws nothing.
int run_command(const stage::Catalog& catalog, int argc, const char* const* argv);

/// The same with streams of one's own, for tests; `arguments` without the program's name. `run` starts a real runtime,
/// which takes the process's signals: once in a process.
int run_command(const stage::Catalog& catalog, const std::vector<std::string>& arguments, Streams& streams);

}  // namespace weir::command
