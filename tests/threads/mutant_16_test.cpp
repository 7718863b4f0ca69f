// The litmus must catch a stop that resumes whom another wakes.
#define WEIR_MUTANT 16
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_a_stop_that_resumes_whom_another_wakes) {
  BOOST_TEST(weir::tests::stops_find_it());
}
