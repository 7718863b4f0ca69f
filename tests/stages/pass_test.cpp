// pass: everything goes on.
#include "tests/stages/alone.hpp"

using namespace weir::tests;
using Lines = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(every_message_goes_on_as_it_is) {
  Alone pass("pass", "{}");
  pass.give({"a", "", "{}"});
  BOOST_TEST(pass.out() == (Lines{"a", "", "{}"}));
  BOOST_TEST(pass.done == 3U);
  BOOST_TEST(pass.balanced());
}

BOOST_AUTO_TEST_CASE(pass_has_no_options) { BOOST_TEST(Read("pass", "{speed: 3}").diagnostics.has_errors()); }
