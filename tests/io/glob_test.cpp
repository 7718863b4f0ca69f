#include "engine/io/glob.hpp"

#include <boost/test/unit_test.hpp>

#include "engine/runtime/simulated_files.hpp"

using namespace weir;
using Paths = std::vector<std::string>;

namespace {

Paths glob(runtime::SimulatedFiles& files, const std::string& pattern, Paths* unseen = nullptr) {
  return io::glob(files, pattern, [&](const std::string& path, const std::system_error&) {
    BOOST_REQUIRE_MESSAGE(unseen, path);
    unseen->push_back(path);
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_name_is_matched_as_a_shell_does) {
  BOOST_TEST(io::matches("*.log", "a.log"));
  BOOST_TEST(io::matches("*", ""));
  BOOST_TEST(io::matches("a*b*c", "a-bb-bc"));
  BOOST_TEST(!io::matches("a*b*c", "a-b-"));
  BOOST_TEST(!io::matches("*.log", "a.log.1"));
  BOOST_TEST(io::matches("a?c", "abc"));
  BOOST_TEST(!io::matches("a?c", "ac"));
  BOOST_TEST(io::matches("[a-cx]1", "b1"));
  BOOST_TEST(io::matches("[a-cx]1", "x1"));
  BOOST_TEST(!io::matches("[a-cx]1", "d1"));
  BOOST_TEST(io::matches("[!0-9]*", "a"));
  BOOST_TEST(!io::matches("[!0-9]*", "7"));
  BOOST_TEST(io::matches("[^0-9]*", "a"));
  BOOST_TEST(!io::matches("[^0-9]*", "7"));
  BOOST_TEST(io::matches("[]]", "]"));
  BOOST_TEST(io::matches("a[", "a["));
  BOOST_TEST(io::matches("\\*", "*"));
  BOOST_TEST(!io::matches("\\*", "a"));
}

BOOST_AUTO_TEST_CASE(a_name_that_begins_with_a_dot_is_only_matched_by_a_dot) {
  BOOST_TEST(!io::matches("*", ".hidden"));
  BOOST_TEST(!io::matches("?hidden", ".hidden"));
  BOOST_TEST(io::matches(".h*", ".hidden"));
}

BOOST_AUTO_TEST_CASE(a_pattern_that_might_be_tried_in_very_many_ways_is_told_at_once) {
  BOOST_TEST(!io::matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));
}

BOOST_AUTO_TEST_CASE(what_is_found_comes_in_order_of_name_and_directories_do_not) {
  runtime::SimulatedFiles files;
  for (const auto* path : {"logs/b.log", "logs/a.log", "logs/a.txt", "logs/x/c.log", "logs/y/a.log", "z.log"}) {
    files.put(path, "");
  }
  files.make_directory("logs/dir.log");
  BOOST_TEST(glob(files, "logs/*.log") == Paths({"logs/a.log", "logs/b.log"}));
  BOOST_TEST(glob(files, "logs/*/*.log") == Paths({"logs/x/c.log", "logs/y/a.log"}));
  BOOST_TEST(glob(files, "*/y/?.log") == Paths({"logs/y/a.log"}));
  BOOST_TEST(glob(files, "*.log") == Paths({"z.log"}));
  BOOST_TEST(glob(files, "none/*.log") == Paths());
}

BOOST_AUTO_TEST_CASE(a_path_below_the_root_is_found_too) {
  runtime::SimulatedFiles files;
  files.put("/var/log/a.log", "");
  BOOST_TEST(glob(files, "/var/*/*.log") == Paths({"/var/log/a.log"}));
  BOOST_TEST(glob(files, "/*/log/a.log") == Paths({"/var/log/a.log"}));
}

BOOST_AUTO_TEST_CASE(a_path_that_stands_there_as_written_is_no_pattern) {
  runtime::SimulatedFiles files;
  files.put("a[1].log", "");
  files.put("a1.log", "");
  BOOST_TEST(glob(files, "a[1].log") == Paths({"a[1].log"}));
  BOOST_TEST(glob(files, "plain") == Paths({"plain"}));
}

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be_read_keeps_nobody_from_the_others) {
  runtime::SimulatedFiles files;
  for (const char* path : {"l/a/x.log", "l/b/x.log", "l/c/x.log"}) files.put(path, "");
  files.make_unlistable("l/b");
  Paths unseen;
  BOOST_TEST(glob(files, "l/*/*.log", &unseen) == Paths({"l/a/x.log", "l/c/x.log"}));
  BOOST_TEST(unseen == Paths({"l/b/"}));
  BOOST_CHECK_THROW(glob(files, "l/b/*.log", &unseen), std::system_error);
}

BOOST_AUTO_TEST_CASE(two_stars_are_any_directories_on_the_way_or_none) {
  runtime::SimulatedFiles files;
  for (const char* path :
       {"l/top.log", "l/a/mid.log", "l/a/b/deep.log", "l/a/b/deep.txt", "l/.git/x.log", "l/a/.h.log", "other/x.log"}) {
    files.put(path, "");
  }
  BOOST_TEST(glob(files, "l/**/*.log") == Paths({"l/a/b/deep.log", "l/a/mid.log", "l/top.log"}));
  BOOST_TEST(glob(files, "l/**/b/*.log") == Paths({"l/a/b/deep.log"}));
  BOOST_TEST(glob(files, "l/**/deep.log") == Paths({"l/a/b/deep.log"}));
  BOOST_TEST(glob(files, "l/a/**") == Paths({"l/a/b/deep.log", "l/a/b/deep.txt", "l/a/mid.log"}));
  BOOST_TEST(glob(files, "**/top.log") == Paths({"l/top.log"}));
  BOOST_TEST(glob(files, "l/**/**/*.txt") == Paths({"l/a/b/deep.txt"}));
  BOOST_TEST(glob(files, "l/**/a/**/*.log") == Paths({"l/a/b/deep.log", "l/a/mid.log"}));
  BOOST_TEST(glob(files, "l/**/*/**/*.log") == Paths({"l/a/b/deep.log", "l/a/mid.log"}));
  BOOST_TEST(glob(files, "none/**/*.log") == Paths());
  BOOST_TEST(glob(files, "l/a**b/*") == Paths());
}

BOOST_AUTO_TEST_CASE(two_stars_follow_no_link_and_pass_by_what_can_t_be_read) {
  runtime::SimulatedFiles files;
  for (const char* path : {"l/a/x.log", "l/b/x.log", "l/back/x.log"}) files.put(path, "");
  files.call_link("l/back");
  files.make_unlistable("l/b");
  Paths unseen;
  BOOST_TEST(glob(files, "l/**/*.log", &unseen) == Paths({"l/a/x.log"}));
  BOOST_TEST(unseen == Paths({"l/b/"}));
  BOOST_CHECK_THROW(glob(files, "l/b/**/*.log", &unseen), std::system_error);
}

BOOST_AUTO_TEST_CASE(a_whole_path_is_matched_by_two_stars_too) {
  for (const char* path : {"logs/a.log", "logs/x/a.log", "logs/x/y/a.log"}) {
    BOOST_TEST(io::matches_path("logs/**/*.log", path), path);
    BOOST_TEST(io::matches_path("**/a.log", path), path);
    BOOST_TEST(io::matches_path("logs/**", path), path);
  }
  BOOST_TEST(io::matches_path("logs/**/x/**/a.log", "logs/x/y/a.log"));
  BOOST_TEST(!io::matches_path("logs/**/z/a.log", "logs/x/y/a.log"));
  BOOST_TEST(!io::matches_path("logs/**/*.log", "logs/.x/a.log"));
  BOOST_TEST(!io::matches_path("logs/**", "logs"));
}

BOOST_AUTO_TEST_CASE(a_whole_path_is_matched_part_by_part) {
  BOOST_TEST(io::matches_path("logs/*.log", "logs/a.log"));
  BOOST_TEST(io::matches_path("/var/*/a[12].log", "/var/x/a2.log"));
  BOOST_TEST(io::matches_path("a[1].log", "a[1].log"));
  BOOST_TEST(!io::matches_path("logs/*.log", "logs/x/a.log"));
  BOOST_TEST(!io::matches_path("*.log", "logs/a.log"));
  BOOST_TEST(!io::matches_path("logs/a", "logs"));
}
