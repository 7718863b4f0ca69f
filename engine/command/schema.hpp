// The JSON Schema of a whole pipeline file, for editors.
#pragma once
#include <string>

#include "engine/stage/kind.hpp"

namespace weir::command {

/// Draft-07, the version that the YAML language server reads. Made from the declarations that read the file.
std::string pipeline_schema(const stage::Catalog& catalog);

}  // namespace weir::command
