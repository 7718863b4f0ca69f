// Time of day as text.
#pragma once
#include <string>

#include "engine/runtime/time.hpp"

namespace weir::runtime {

/// `2030-01-01T00:00:00.000Z`: RFC 3339, UTC, milliseconds.
std::string rfc3339(WallTime time);

}  // namespace weir::runtime
