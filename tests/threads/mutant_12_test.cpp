// The litmus must catch a close that wakes before it is closed.
#define WEIR_MUTANT 12
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_a_close_that_wakes_before_it_is_closed) {
  BOOST_TEST(weir::tests::litmus_finds_it({.senders = 2, .messages = 200, .close_after = 1}, 3000));
}
