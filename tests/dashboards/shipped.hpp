// The dashboards as they are shipped, for the tests that look at them.
#pragma once
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace weir::tests {

using Words = std::vector<std::string>;

inline const std::string root = WEIR_SOURCE_DIR;
inline const std::string dashboards = root + "/dashboards/";

/// The text with `from`, which must stand there, made `to` throughout.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  auto at = text.find(from);
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, "there is no " << from);
  for (; at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  return text;
}

/// Those of dashboards/FOLDER whose names end so, in order.
inline Words files(const std::string& folder, const std::string& ending) {
  Words found;
  for (const auto& entry : std::filesystem::directory_iterator(dashboards + folder)) {
    if (entry.path().string().ends_with(ending)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  BOOST_REQUIRE(!found.empty());
  return found;
}

inline Words joined(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace weir::tests
