// Runs one test: on virtual time, or as it says.
#pragma once
#include "engine/command/verdict.hpp"

namespace weir::command {

/// Takes the program's log while it runs. Throws only std::bad_alloc and what a bug throws.
Verdict try_out(const Trial& trial, const stage::Catalog& catalog);

}  // namespace weir::command
