// The litmus must catch one that goes on though a wake-up is on its way.
#define WEIR_MUTANT 9
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_one_that_goes_on_though_a_wake_up_is_on_its_way) {
  BOOST_TEST(weir::tests::litmus_finds_it({.senders = 2, .messages = 20'000, .cancel = true}, 100));
}
