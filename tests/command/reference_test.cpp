// Whatever has a kind has everything else that belongs to it: a file of its name, a test, a place in a pipeline, and
// its section of the reference, which is made from the declarations.
#include "engine/command/reference.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace {

namespace fs = std::filesystem;
const fs::path repository = WEIR_SOURCE_DIR;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::set<std::string> kinds() {
  const auto names = weir::stage::Catalog::linked().names();
  return {names.begin(), names.end()};
}

/// Whether some line of a pipeline names the kind as a key: `    pass: {}`, `{from: a, pass: {}}`.
bool uses(const std::string& pipeline, const std::string& kind) {
  std::istringstream lines(pipeline);
  std::string line;
  while (std::getline(lines, line)) {
    const auto code = line.substr(0, line.find('#'));
    for (auto at = code.find(kind + ":"); at != std::string::npos; at = code.find(kind + ":", at + 1)) {
      if (at > 0 && (code[at - 1] == ' ' || code[at - 1] == '{')) return true;
    }
  }
  return false;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_reference_says_what_the_declarations_say) {
  const auto page = weir::command::reference_page(weir::stage::Catalog::linked());
  BOOST_TEST(text_of(repository / "stages/README.md") == page,
             "stages/README.md is not what `weir reference` prints: run `weir reference > stages/README.md`");
}

BOOST_AUTO_TEST_CASE(a_stage_is_one_file_of_its_kind_s_name) {
  std::set<std::string> files;
  for (const auto& entry : fs::directory_iterator(repository / "stages")) {
    if (entry.path().extension() == ".cpp") files.insert(entry.path().stem().string());
  }
  const auto all = kinds();
  for (const auto& kind : all) BOOST_TEST(files.contains(kind), "no stages/" + kind + ".cpp");
  for (const auto& file : files) BOOST_TEST(all.contains(file), "stages/" + file + ".cpp registers no such kind");
}

BOOST_AUTO_TEST_CASE(every_kind_has_its_test) {
  for (const auto& kind : kinds()) {
    BOOST_TEST(fs::exists(repository / "tests/stages" / (kind + "_test.cpp")), "no tests/stages/" + kind + "_test.cpp");
  }
}

BOOST_AUTO_TEST_CASE(every_kind_stands_in_a_pipeline) {
  std::string pipelines;
  for (const auto& entry : fs::directory_iterator(repository / "pipelines")) {
    if (entry.path().extension() == ".yaml") pipelines += text_of(entry.path()) + "\n";
  }
  for (const auto& kind : kinds()) BOOST_TEST(uses(pipelines, kind), "no file of pipelines/ has a stage of " + kind);
}
