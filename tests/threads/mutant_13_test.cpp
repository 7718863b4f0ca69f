// The litmus must catch a sender that publishes before it has put.
#define WEIR_MUTANT 13
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_a_sender_that_publishes_before_it_has_put) {
  BOOST_TEST(weir::tests::litmus_finds_it({.messages = 300'000}));
}
