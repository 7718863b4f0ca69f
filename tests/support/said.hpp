// What a command says, run in the test's own process.
#pragma once
#include <sstream>
#include <string>
#include <vector>

#include "engine/command/command.hpp"

namespace weir::tests {

struct Said {
  int code;
  std::string out;
  std::string err;
};

/// All kinds that this program was linked with.
inline const stage::Catalog& catalog() {
  static const auto linked = stage::Catalog::linked();
  return linked;
}

/// `weir WORDS…`
inline Said said_by(const std::vector<std::string>& words) {
  std::ostringstream out, err;
  command::Streams streams{out, err};
  const int code = command::run_command(catalog(), words, streams);
  return {code, out.str(), err.str()};
}

}  // namespace weir::tests
