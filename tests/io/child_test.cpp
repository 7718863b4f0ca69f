// What is kept of a child's words, and how its end is told. The rest of io/child is looked at through exec.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <string>

#include "engine/io/child.hpp"

using namespace weir;
using namespace weir::io;

BOOST_AUTO_TEST_CASE(of_a_stream_the_last_bytes_are_kept) {
  Tail tail(4);
  BOOST_TEST(tail.bytes() == "");
  tail.append("ab");
  BOOST_TEST(tail.bytes() == "ab");
  tail.append("cde");
  BOOST_TEST(tail.bytes() == "bcde");
  for (const char c : std::string("fghijklm")) tail.append({&c, 1});
  BOOST_TEST(tail.bytes() == "jklm");
  tail.append("0123456789");
  BOOST_TEST(tail.bytes() == "6789");
}

BOOST_AUTO_TEST_CASE(what_is_quoted_steers_no_terminal_and_is_cut_between_characters) {
  BOOST_TEST(quotable("a\x1b[2J\tb\x7f") == "a [2J b ");
  BOOST_TEST(quotable(std::string(300, 'x')) == std::string(300, 'x'));
  BOOST_TEST(quotable(std::string(301, 'x')) == std::string(300, 'x') + "…");
  BOOST_TEST(quotable(std::string(299, 'x') + "é and more") == std::string(299, 'x') + "…");
}

BOOST_AUTO_TEST_CASE(an_end_is_told_with_its_last_line) {
  runtime::Exit exit;
  exit.code = 3;
  BOOST_TEST(describe_end("./score", exit, "") == "`./score` exited with 3");
  BOOST_TEST(describe_end("./score", exit, "warming up\nno such id\r\n\n") == "`./score` exited with 3: no such id");
  exit.code = 0;
  exit.signal = SIGKILL;
  BOOST_TEST(describe_end("./score", exit, " \n") == "`./score` was killed by SIGKILL");
}
