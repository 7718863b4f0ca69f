// A kind as somebody would begin to write it: for `weir new`.
#pragma once
#include <string>

#include "engine/config/declaration.hpp"

namespace weir::config {

/// The kind's first example, and beside it everything else that the kind can be told, as comments: what it means, its
/// type, default and range, and behind a `#` the option as one would write it. Indented by so many blanks. What the
/// example holds may be taken away or changed; without the `#`, an option is where it belongs.
std::string draft(const Declaration& declaration, std::size_t indent);

/// The text in comment lines of at most a hundred characters.
std::string comment(std::string_view text, std::size_t indent);

}  // namespace weir::config
