// What a pipeline file may say at its top level, beside its stages.
#pragma once
#include <string_view>
#include <vector>

#include "engine/config/declaration.hpp"

namespace weir::command {

/// For `weir explain WORD`, and the schema.
const std::vector<config::Declaration>& file_words();
/// One of them that is there.
const config::Declaration& file_word(std::string_view word);

}  // namespace weir::command
