// The litmus must catch a receiver that notes what is new after looking.
#define WEIR_MUTANT 6
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_a_receiver_that_notes_what_is_new_after_looking) {
  BOOST_TEST(weir::tests::litmus_finds_it({.messages = 300'000}));
}
