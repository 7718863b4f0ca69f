// What weir says about itself: kinds, their options, its version.
#pragma once
#include <string>

#include "engine/command/arguments.hpp"
#include "engine/command/streams.hpp"
#include "engine/stage/kind.hpp"

namespace weir::command {

int explain(const stage::Catalog& catalog, const std::string& kind, Output output, Streams& streams);
int list(const stage::Catalog& catalog, Output output, Streams& streams);
int version(Output output, Streams& streams);

}  // namespace weir::command
