// The litmus must catch a receiver that takes the oldest without the lock.
#define WEIR_MUTANT 14
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_a_receiver_that_takes_the_oldest_without_the_lock) {
  BOOST_TEST(weir::tests::litmus_finds_it({.senders = 2, .messages = 300'000, .drops_oldest = true}));
}
