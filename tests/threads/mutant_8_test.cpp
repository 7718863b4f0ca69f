// The litmus must catch one that takes itself out in two steps.
#define WEIR_MUTANT 8
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_one_that_takes_itself_out_in_two_steps) {
  BOOST_TEST(weir::tests::litmus_finds_it({.senders = 2, .messages = 20'000, .cancel = true}, 100));
}
