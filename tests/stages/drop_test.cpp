// drop: nothing goes on.
#include "tests/stages/alone.hpp"

using namespace weir::tests;

BOOST_AUTO_TEST_CASE(every_message_is_done_and_counted_as_dropped_on_purpose) {
  Alone drop("drop", "{}");
  drop.give({"a", "b"});
  BOOST_TEST(drop.out().empty());
  BOOST_TEST(drop.dropped(weir::stage::Dropped::configured) == 2U);
  BOOST_TEST(drop.done == 2U);
  BOOST_TEST(drop.balanced());
}
