// The page that stages/README.md holds: every kind, from its declaration.
#pragma once
#include <string>

#include "engine/stage/kind.hpp"

namespace weir::command {

std::string reference_page(const stage::Catalog& catalog);

}  // namespace weir::command
