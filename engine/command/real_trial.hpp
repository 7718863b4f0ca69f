// Runs one test on the machine's own clock, with everything outside as it is.
#pragma once
#include "engine/command/verdict.hpp"

namespace weir::command {

/// For `clock: real`. Takes the program's log while it runs, and its main thread. Throws only std::bad_alloc and what a
/// bug throws.
Verdict try_out_really(const Trial& trial, const stage::Catalog& catalog);

}  // namespace weir::command
