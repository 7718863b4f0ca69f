// Which globals a compiled chunk names, in branches that never run too.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace weir::script {

struct GlobalUse {
  std::string name;
  bool assigned = false;
  int line = 0;  ///< Of the chunk, from 1.
};

/// Reads them from what lua_dump gives of a main function, debug information included. Nothing is missed: code that
/// reaches `_ENV` by name must have been refused before. Empty with `understood` false for a format that is not
/// Lua 5.4's.
std::vector<GlobalUse> globals_of(std::string_view dumped, bool& understood);

}  // namespace weir::script
