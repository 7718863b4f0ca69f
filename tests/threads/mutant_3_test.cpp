// The litmus must catch a receiver that gives credit back without a locked step.
#define WEIR_MUTANT 3
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_a_receiver_that_gives_credit_back_without_a_locked_step) {
  BOOST_TEST(weir::tests::litmus_finds_it({.messages = 300'000}));
}
