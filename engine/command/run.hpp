// `weir run`: from files on the command line to an exit code.
#pragma once
#include "engine/command/arguments.hpp"
#include "engine/command/pipelines.hpp"
#include "engine/command/streams.hpp"
#include "engine/stage/kind.hpp"

namespace weir::command {

/// Takes the process: its signals, its standard streams, its log. Once.
int run(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams);
/// The same with files that have been read.
int run(Checked checked, const Arguments& arguments, Streams& streams);

}  // namespace weir::command
