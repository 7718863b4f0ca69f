// `weir test`: runs the tests that stand in pipeline files.
#pragma once
#include "engine/command/arguments.hpp"
#include "engine/command/streams.hpp"
#include "engine/stage/kind.hpp"

namespace weir::command {

int test(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams);

}  // namespace weir::command
