// How long a body on its way is waited for.
#include "engine/io/http_pace.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>

namespace {

using namespace weir;
using namespace std::chrono_literals;
using runtime::Time;

const Time start{1h};

io::HttpPace begun() {
  io::HttpPace pace;
  pace.begin(30s, start);
  return pace;
}

}  // namespace

BOOST_AUTO_TEST_CASE(silence_is_borne_for_as_long_as_patience_lasts) {
  BOOST_TEST((begun().deadline() == start + 30s));
}

BOOST_AUTO_TEST_CASE(a_body_that_gets_on_may_take_as_long_as_it_needs) {
  auto pace = begun();
  for (auto now = start; now < start + 1h; now += 20s) {
    BOOST_REQUIRE((pace.deadline() > now));
    pace.moved(64 * 1024, now);
  }
}

BOOST_AUTO_TEST_CASE(one_that_stops_is_given_up_however_much_has_come) {
  auto pace = begun();
  pace.moved(1 << 30, start + 10s);
  BOOST_TEST((pace.deadline() == start + 40s));
}

BOOST_AUTO_TEST_CASE(a_byte_now_and_then_is_not_enough) {
  auto pace = begun();
  auto now = start;
  while (pace.deadline() > now) {
    pace.moved(1, now);
    now += 1s;
  }
  BOOST_TEST((now - start == 31s));
}

BOOST_AUTO_TEST_CASE(nothing_that_moves_is_no_progress) {
  auto pace = begun();
  pace.moved(0, start + 20s);
  BOOST_TEST((pace.deadline() == start + 30s));
}
