// Looking for a text in a text.
#pragma once
#include <string>

namespace weir::tests {

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace weir::tests
