// The wake-up protocol of the channel that ships, under the litmus: bytes, fan-in, close, cancel, and coroutines that
// are stopped. WEIR_LITMUS_MESSAGES=1000000: so many messages at each setting.
#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "tests/threads/litmus.hpp"
#include "tests/threads/stops.hpp"

using weir::tests::LitmusSetting;
using weir::tests::run_litmus;

namespace {
// Under a sanitizer every step costs ten times as much.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t by_default = 10'000;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr std::uint64_t by_default = 10'000;
#else
constexpr std::uint64_t by_default = 60'000;
#endif
#else
constexpr std::uint64_t by_default = 60'000;
#endif

std::uint64_t messages() {
  const char* const asked = std::getenv("WEIR_LITMUS_MESSAGES");
  return asked ? std::stoull(asked) : by_default;
}

/// How often somebody parked.
std::uint64_t check_once(const LitmusSetting& setting) {
  const auto result = run_litmus(setting);
  BOOST_TEST(!result.lost_wake, "a wake-up was lost at capacity " << setting.capacity);
  BOOST_TEST(!result.disorder);
  BOOST_TEST(!result.stray_wake);
  if (!setting.close_after)
    BOOST_TEST(result.messages + result.dropped == setting.messages * static_cast<std::uint64_t>(setting.senders));
  return result.parks;
}

void check(LitmusSetting setting) {
  setting.messages = messages() / static_cast<std::uint64_t>(setting.senders);
  // Where the machine is busy one thread may be through before the other begins: that shows nothing.
  std::uint64_t parks = 0;
  for (int round = 0; round < 50 && parks == 0; ++round) parks = check_once(setting);
  BOOST_TEST(parks > 0u);
}
}  // namespace

BOOST_AUTO_TEST_CASE(no_wake_up_is_lost_at_the_smallest_capacities) {
  for (const std::uint32_t capacity : {1u, 2u, 4u, 64u}) {
    LitmusSetting setting;
    setting.capacity = capacity;
    check(setting);
  }
}

BOOST_AUTO_TEST_CASE(no_wake_up_is_lost_when_bytes_are_what_is_short) {
  for (const std::uint64_t bytes : {1u, 64u, 200u}) {
    LitmusSetting setting;
    setting.capacity = 16;
    setting.bytes = bytes;
    check(setting);
  }
}

BOOST_AUTO_TEST_CASE(no_wake_up_is_lost_when_three_send_to_one) {
  for (const std::uint32_t capacity : {1u, 4u}) {
    LitmusSetting setting;
    setting.capacity = capacity;
    setting.senders = 3;
    check(setting);
  }
}

BOOST_AUTO_TEST_CASE(a_wait_that_is_cancelled_while_it_is_being_woken_ends_exactly_once) {
  LitmusSetting setting;
  setting.capacity = 2;
  setting.senders = 2;
  setting.cancel = true;
  check(setting);
}

BOOST_AUTO_TEST_CASE(a_coroutine_that_is_stopped_while_it_is_being_woken_ends_exactly_once) {
  for (const std::uint32_t capacity : {1u, 2u, 4u}) {
    const auto result = weir::tests::run_stops(capacity, messages());
    BOOST_TEST(!result.lost_wake, "nothing went on at capacity " << capacity);
    BOOST_TEST(!result.disorder);
    BOOST_TEST(!result.twice);
    BOOST_TEST(!result.elsewhere);
    BOOST_TEST_MESSAGE("capacity " << capacity << ": " << result.waits << " waits, " << result.stops << " stops");
    BOOST_TEST(result.stops > 0u);
  }
}

BOOST_AUTO_TEST_CASE(an_edge_that_drops_its_oldest_hands_out_the_rest_in_order_and_the_last_for_certain) {
  for (const std::uint32_t capacity : {1u, 4u, 64u}) {
    LitmusSetting setting;
    setting.capacity = capacity;
    setting.senders = 2;
    setting.drops_oldest = true;
    check(setting);
  }
}

BOOST_AUTO_TEST_CASE(closing_while_senders_park_lets_every_one_of_them_go) {
  for (int round = 0; round < 200; ++round) {
    LitmusSetting setting;
    setting.capacity = 1;
    setting.senders = 2;
    setting.close_after = 1 + static_cast<std::uint64_t>(round % 17);
    check(setting);
  }
}
