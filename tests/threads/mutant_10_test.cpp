// The litmus must catch one that wakes whom another may have woken.
#define WEIR_MUTANT 10
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_one_that_wakes_whom_another_may_have_woken) {
  BOOST_TEST(weir::tests::litmus_finds_it({.senders = 3, .messages = 20'000, .cancel = true}, 100));
}
