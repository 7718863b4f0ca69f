// The litmus must catch a sender that publishes without a locked step.
#define WEIR_MUTANT 2
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_a_sender_that_publishes_without_a_locked_step) {
  BOOST_TEST(weir::tests::litmus_finds_it({.messages = 300'000}));
}
