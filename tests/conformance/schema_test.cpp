// `weir schema` and `weir check` agree, by a validator of others: what runs passes both, what is wrong fails in both.
// Of tests/config/broken/ each file says in its first line what is wrong with it; `check only` where no schema could
// see it.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "engine/command/command.hpp"
#include "tests/support/child.hpp"
#include "tests/support/said.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

namespace fs = std::filesystem;
using weir::tests::catalog;
using weir::tests::Child;
using weir::tests::said_by;
using weir::tests::TemporaryFolder;

const fs::path repository = WEIR_SOURCE_DIR;

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

bool check_only(const std::string& path) { return first_line(path).starts_with("# check only: "); }

/// The folder of the validator's packages; empty where it could not be brought. Tests that run side by side may both
/// ask: one fetches, the other waits for it.
fs::path validator() {
  const auto folder = repository / "build" / "pypi";
  const auto fetched = Child({(repository / "tests/conformance/fetch_schema_checker").string(), folder.string()}).end();
  BOOST_TEST(fetched.code == 0, fetched.err);
  if (fs::exists(folder / "fetched")) return folder / "packages";
  BOOST_TEST_MESSAGE(fetched.out);
  return {};
}

/// Which of these files the validator refuses, and what it says. Some at a time: a child that is silent for long is
/// taken for stuck, and this one speaks only at its end.
struct Refused {
  std::string said;
  bool has(const std::string& path) const { return said.find("\"filename\": \"" + path + "\"") != std::string::npos; }
};
Refused refused_by(const fs::path& packages, const std::vector<std::string>& files) {
  constexpr std::size_t at_once = 16;
  const TemporaryFolder folder;
  const auto schema = folder.file("schema.json", said_by({"schema"}).out);
  Refused refused;
  for (std::size_t first = 0; first < files.size(); first += at_once) {
    std::vector<std::string> words{"python3",      "-m",  "check_jsonschema", "--output-format", "json",
                                   "--schemafile", schema};
    for (std::size_t i = first; i < std::min(first + at_once, files.size()); ++i) words.push_back(files[i]);
    const auto end = Child(words, {"PYTHONPATH=" + packages.string()}).end();
    BOOST_TEST((end.code == 0 || end.code == 1), end.out << end.err);
    if (end.code != 0) refused.said += end.out;
  }
  return refused;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_pipeline_and_everything_that_weir_new_prints_passes_the_schema) {
  const auto packages = validator();
  if (packages.empty()) return;
  const TemporaryFolder folder;
  auto files = files_in(repository / "pipelines");
  for (const auto& path : files_in(repository / "tests/command/trials")) {
    if (fs::path(path).stem() != "mistakes") files.push_back(path);
  }
  for (const auto& kind : catalog().names()) files.push_back(folder.file(kind + ".yaml", said_by({"new", kind}).out));
  BOOST_TEST(refused_by(packages, files).said == "");
}

BOOST_AUTO_TEST_CASE(a_file_with_kinds_of_its_own_or_of_another_passes_the_schema_as_it_passes_check) {
  const auto packages = validator();
  if (packages.empty()) return;
  const TemporaryFolder folder;
  const std::string made = "stages: {n: {generate: {range: 1..3}}, a: ";
  folder.file("lib.yaml",
              "kinds: {half: {options: {of: {type: integer}}, stages: {w: {where: 'true'}}}}\nlimits: {shop: 1/s}\n");
  folder.file("whole.yaml", made + "{from: n, drop: {}}}\n");
  const std::vector<std::string> files{
      folder.file("a.yaml", "include: lib.yaml\n" + made + "{from: n, half: {of: 2}}, b: {from: a, drop: {}}}\n"),
      folder.file("b.yaml", "include: whole.yaml\n"),
      folder.file("c.yaml", "kinds: {drop: {options: {n: {type: integer}}, stages: {w: {where: 'false'}}}}\n" + made +
                                "{from: n, drop: {n: 2}}, b: {from: a, stdout: {}}}\n"),
      folder.file("d.yaml", "kinds: {k: {options: null, stages: {w: {where: 'false'}}}}\n" + made +
                                "{from: n, k: {}}, b: {from: a, stdout: {}}}\n")};
  for (const auto& path : files) BOOST_TEST(said_by({"check", path}).code == 0, said_by({"check", path}).err);
  BOOST_TEST(refused_by(packages, files).said == "");
}

BOOST_AUTO_TEST_CASE(every_broken_file_fails_weir_check_at_a_line) {
  const auto files = files_in(repository / "tests/config/broken");
  BOOST_TEST(files.size() >= 25u);
  for (const auto& path : files) {
    const auto said = said_by({"check", path});
    BOOST_TEST(said.code == 78, path << " ended with " << said.code << "\n" << said.err);
    BOOST_TEST(said.err.starts_with(path + ":"), said.err);
    BOOST_TEST((check_only(path) || first_line(path).starts_with("# Wrong: ")), path << " does not say what is wrong");
  }
}

BOOST_AUTO_TEST_CASE(every_broken_file_fails_the_schema_but_those_that_say_why_it_cannot_see_it) {
  const auto packages = validator();
  if (packages.empty()) return;
  const auto files = files_in(repository / "tests/config/broken");
  const auto refused = refused_by(packages, files);
  for (const auto& path : files) {
    const bool seen = refused.has(path);
    if (check_only(path)) {
      BOOST_TEST(!seen, path << " is seen by the schema after all: its first line should say `Wrong:`");
    } else {
      BOOST_TEST(seen, path << " passes the schema");
    }
  }
}
