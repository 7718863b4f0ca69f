// The verbs that read pipeline files and run nothing.
#pragma once
#include "engine/command/arguments.hpp"
#include "engine/command/streams.hpp"
#include "engine/stage/kind.hpp"

namespace weir::command {

int check(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams);
int graph(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams);

}  // namespace weir::command
