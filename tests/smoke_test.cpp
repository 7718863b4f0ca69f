// The program that was built starts and says who it is.
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <string>

namespace {

struct Outcome {
  std::string output;
  int status;
};

Outcome run(const std::string& arguments) {
  FILE* pipe = popen((std::string(WEIR_BINARY) + " " + arguments).c_str(), "r");
  BOOST_REQUIRE(pipe != nullptr);
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output.push_back(static_cast<char>(c));
  return {output, pclose(pipe)};
}

}  // namespace

BOOST_AUTO_TEST_CASE(weir_says_its_version) {
  const auto [output, status] = run("version");
  BOOST_TEST(status == 0);
  BOOST_TEST(output.starts_with("weir "));
}
