// The litmus must catch one that parks without a locked step.
#define WEIR_MUTANT 7
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_one_that_parks_without_a_locked_step) {
  BOOST_TEST(weir::tests::litmus_finds_it({.messages = 300'000}));
}
