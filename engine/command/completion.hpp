// `weir completion`: what teaches a shell the words of the command line.
#pragma once
#include <string>

#include "engine/command/arguments.hpp"
#include "engine/stage/kind.hpp"

namespace weir::command {

/// A script for the shell to read. Its words are those of this program: verbs, options and values from what reads the
/// command line, kinds from the catalog.
std::string completion(const stage::Catalog& catalog, Shell shell);

}  // namespace weir::command
