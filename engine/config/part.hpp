// Where a part of a value stands.
#pragma once
#include <cstddef>
#include <string_view>

#include "engine/config/diagnostics.hpp"

namespace weir::config {

/// The place of `length` bytes of a value, `at` bytes from its beginning; `whole` is the value's own. That again where
/// the value does not stand in its line as it reads: escaped, folded, or filled in by `${}`.
Place part_of(const Place& whole, std::string_view value, std::size_t at, std::size_t length);

}  // namespace weir::config
