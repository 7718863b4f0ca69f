// A file that is followed by a weir that is killed again and again: no line is lost, and after a drain none comes
// twice. Whoever is killed while the kernel copies what is written leaves half of it: that line comes again whole.
#include <filesystem>

#include "tests/support/weir.hpp"

using namespace weir::tests;

namespace {

std::string following(const TemporaryFolder& folder) {
  return "run: {data: '" + folder.path("data") + "'}\nstages:\n" + "  in: {file: {follow: '" + folder.path("app.log") +
         "', poll: 5ms}}\n" + "  kept: {from: in, file: {append: '" + folder.path("out") + "'}}\n" +
         // Each thousandth is shown, so that the test knows how far it is without looking at a clock.
         "  some: {from: in, where: 'contains(text, \"000 \")'}\n  screen: {from: some, stdout: {}}\n";
}

/// The lines `from` … `to` - 1, each its number and a tail.
void add(const std::string& path, int from, int to) {
  std::ofstream file(path, std::ios::binary | std::ios::app);
  for (int i = from; i < to; ++i) file << i << " 0123456789abcdef\n";
}

/// How often each number stands there; a line that is none of ours is an error, as are more halves than kills.
std::vector<int> counts(const std::string& path, int lines, int kills) {
  std::vector<int> all(static_cast<std::size_t>(lines), 0);
  const std::string tail = " 0123456789abcdef";
  int halves = 0;
  std::istringstream text(text_of(path));
  std::string line;
  while (std::getline(text, line)) {
    const int number = std::atoi(line.c_str());
    const std::string whole = std::to_string(number) + tail;
    if (number >= 0 && number < lines && whole.starts_with(line) && line.size() < whole.size()) {
      ++halves;
      continue;
    }
    BOOST_REQUIRE_MESSAGE(number >= 0 && number < lines && line == whole, "a line that nobody wrote: " << line);
    ++all[static_cast<std::size_t>(number)];
  }
  BOOST_TEST(halves <= kills);
  return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE(weir_is_killed_again_and_again_and_every_line_arrives) {
  const TemporaryFolder folder;
  const auto pipeline = folder.file("p.yaml", following(folder));
  const auto log = folder.path("app.log");
  constexpr int rounds = 12, lines_each = 4'000;
  int written = 1;
  add(log, 0, 1);
  for (int round = 0; round < rounds; ++round) {
    Child child(weir_run({pipeline}));
    add(log, written, written + lines_each / 2);
    // Now and then it is renamed while weir runs, and now and then while it does not.
    if (round % 3 == 1) std::filesystem::rename(log, log + "." + std::to_string(round));
    add(log, written + lines_each / 2, written + lines_each);
    written += lines_each;
    // Somewhere in the middle of them.
    BOOST_TEST(child.saw_on_out(std::to_string((written - lines_each / 2) / 1000 * 1000 - 1000 * (round % 2)) + " "));
    child.signal(SIGKILL);
    BOOST_TEST(child.end().signal == SIGKILL);
    if (round % 3 == 2) std::filesystem::rename(log, log + "." + std::to_string(round));
  }
  const int last = written / 1000 * 1000 + 1000;  // It is shown, and when it is, all has been read.
  add(log, written, last + 1);
  {
    Child child(weir_run({pipeline}));
    BOOST_TEST(child.saw_on_out(std::to_string(last) + " "));
    child.signal(SIGTERM);
    const auto end = child.end();
    BOOST_TEST(end.code == 0, end.err);
  }
  const auto size = std::filesystem::file_size(folder.path("out"));
  const auto end = ran({pipeline, "--for", "50ms"});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out == "");
  BOOST_TEST(std::filesystem::file_size(folder.path("out")) == size);  // What was drained does not come again.
  const auto all = counts(folder.path("out"), last + 1, rounds);
  BOOST_TEST((std::find(all.begin(), all.end(), 0) == all.end()));
  BOOST_TEST_MESSAGE("came more than once: " << std::count_if(all.begin(), all.end(), [](int n) { return n > 1; })
                                             << " of " << last + 1);
}

BOOST_AUTO_TEST_CASE(a_second_weir_does_not_go_on_from_the_same_place) {
  const TemporaryFolder folder;
  const auto pipeline = folder.file("p.yaml", following(folder));
  add(folder.path("app.log"), 0, 1001);
  Child first(weir_run({pipeline}));
  BOOST_TEST(first.saw_on_out("1000 "));
  const auto second = ran({pipeline, "--for", "50ms"});
  BOOST_TEST(second.code == 69);
  BOOST_TEST(second.err.find("another weir goes on from ") != std::string::npos, second.err);
  BOOST_TEST(second.out == "");
  first.signal(SIGKILL);
  first.end();
  const auto third = ran({pipeline, "--for", "50ms"});
  BOOST_TEST(third.code == 0, third.err);
}
