// What weir says about itself: kinds, their options, its version.
#pragma once
#include <string>
#include <vector>

#include "engine/command/arguments.hpp"
#include "engine/command/streams.hpp"
#include "engine/stage/kind.hpp"

namespace weir::command {

/// What `explain` can be asked: kinds, and the names of what is no kind.
std::vector<std::string> explained_words(const stage::Catalog& catalog);

/// Of the keys that stages have in common those that have more to say than a line each: `weir explain cache`.
std::vector<const config::Declaration*> explained_policies();

int explain(const stage::Catalog& catalog, const std::string& kind, Output output, Streams& streams);
int list(const stage::Catalog& catalog, Output output, Streams& streams);
int version(Output output, Streams& streams);

}  // namespace weir::command
