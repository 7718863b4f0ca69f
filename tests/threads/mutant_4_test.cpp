// The litmus must catch a sender that parks without looking again.
#define WEIR_MUTANT 4
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_a_sender_that_parks_without_looking_again) {
  BOOST_TEST(weir::tests::litmus_finds_it({.messages = 300'000}));
}
