// The litmus must catch one that resumes another inside its wake.
#define WEIR_MUTANT 17
#define flow flow_mutant
#include <boost/test/unit_test.hpp>

#include "tests/threads/mutant.hpp"

BOOST_AUTO_TEST_CASE(the_litmus_catches_one_that_resumes_another_inside_its_wake) {
  BOOST_TEST(weir::tests::stops_find_it());
}
