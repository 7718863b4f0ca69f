// What a command says, run in the test's own process.
#pragma once
#include <sstream>
#include <string>
#include <vector>

#include "engine/command/command.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temporary_folder.hpp"

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

/// What `weir check` says of a file with these stages.
inline Said check_of(const std::string& stages) {
  const TemporaryFolder folder;
  return said_by({"check", folder.file("a.yaml", "stages:\n" + stages)});
}
/// What `weir test` says of such a file.
inline std::string test_of(const std::string& yaml) {
  const TemporaryFolder folder;
  const auto said = said_by({"test", folder.file("a.yaml", yaml)});
  return said.out + said.err;
}

}  // namespace weir::tests
