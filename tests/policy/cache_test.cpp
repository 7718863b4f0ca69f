#include "engine/policy/cache.hpp"

#include <rapidcheck.h>
#include <boost/test/unit_test.hpp>
#include <map>

using weir::policy::Cache;
using weir::policy::CacheRule;
using weir::policy::Duration;
using weir::policy::Time;
using namespace std::chrono_literals;
using Answer = Cache::Answer;

namespace {

/// Memory with so many bytes.
struct Bytes {
  std::size_t free;
  Cache::Memory memory() {
    return {[this](std::size_t bytes) {
              if (bytes > free) return false;
              free -= bytes;
              return true;
            },
            [this](std::size_t bytes) { free += bytes; }};
  }
};

CacheRule rule(Duration fresh, Duration stale, std::size_t entries = 100) {
  CacheRule made;
  made.fresh = fresh;
  made.stale = stale;
  made.entries = entries;
  return made;
}

Cache::Value value(int number) { return std::make_shared<const int>(number); }
int number(const Cache::Value& value) { return *std::static_pointer_cast<const int>(value); }

const std::vector<Cache::Ticket> nobody;

}  // namespace

BOOST_TEST_DONT_PRINT_LOG_VALUE(Answer)

BOOST_AUTO_TEST_CASE(an_answer_is_fresh_then_stale_then_forgotten) {
  Bytes bytes{1000};
  Cache cache(rule(10s, 20s), bytes.memory());
  BOOST_TEST(cache.look("a", 1, Time{}).answer == Answer::call);
  BOOST_TEST(cache.brought("a", value(7), 10, Time{1s}) == nobody);
  BOOST_TEST(number(cache.look("a", 2, Time{10'999ms}).value) == 7);
  BOOST_TEST(cache.look("a", 2, Time{10'999ms}).answer == Answer::fresh);
  const auto stale = cache.look("a", 3, Time{11s});
  BOOST_TEST(stale.answer == Answer::stale);
  BOOST_TEST(stale.renew);
  BOOST_TEST(!cache.look("a", 4, Time{12s}).renew);  // That is under way.
  BOOST_TEST(cache.failed("a", Time{13s}) == nobody);
  BOOST_TEST(!cache.look("a", 5, Time{13'999ms}).renew);  // Who is down is not asked by everybody.
  BOOST_TEST(cache.look("a", 5, Time{14s}).renew);
  BOOST_TEST(cache.failed("a", Time{14s}) == nobody);
  BOOST_TEST(cache.look("a", 5, Time{30'999ms}).renew);  // Stale on failure.
  BOOST_TEST(cache.failed("a", Time{30'999ms}) == nobody);
  BOOST_TEST(cache.look("a", 6, Time{31s}).answer == Answer::call);
  BOOST_TEST(cache.entries() == 0U);
  BOOST_TEST(bytes.free == 1000U);
}

BOOST_AUTO_TEST_CASE(who_comes_while_one_calls_waits_for_that_one) {
  Bytes bytes{1000};
  Cache cache(rule(10s, 0s), bytes.memory());
  cache.look("a", 1, Time{});
  BOOST_TEST(cache.look("a", 2, Time{}).answer == Answer::wait);
  BOOST_TEST(cache.look("a", 3, Time{}).answer == Answer::wait);
  BOOST_TEST(cache.look("b", 4, Time{}).answer == Answer::call);
  cache.leave("a", 2);
  BOOST_TEST(cache.calling() == 2U);
  BOOST_TEST(cache.brought("a", value(1), 10, Time{1s}) == (std::vector<Cache::Ticket>{3}));
  BOOST_TEST(cache.calling() == 1U);
  BOOST_TEST(cache.answered(Answer::call) == 2U);
  BOOST_TEST(cache.answered(Answer::wait) == 2U);
}

BOOST_AUTO_TEST_CASE(where_the_caller_gives_up_the_next_one_calls) {
  Bytes bytes{1000};
  Cache cache(rule(10s, 0s), bytes.memory());
  for (Cache::Ticket who = 1; who <= 3; ++who) cache.look("a", who, Time{});
  BOOST_TEST((cache.gave_up("a") == Cache::Ticket{2}));
  BOOST_TEST(cache.failed("a", Time{}) == (std::vector<Cache::Ticket>{3}));
  BOOST_TEST(cache.look("a", 4, Time{}).answer == Answer::call);
  BOOST_TEST(!cache.gave_up("a"));
  BOOST_TEST(cache.calling() == 0U);
}

BOOST_AUTO_TEST_CASE(beyond_its_entries_the_one_goes_that_was_asked_for_least_recently) {
  Bytes bytes{1000};
  Cache cache(rule(1h, 0s, 2), bytes.memory());
  for (const auto* key : {"a", "b"}) cache.brought(key, value(1), 10, Time{});
  cache.look("a", 1, Time{1s});
  cache.brought("c", value(1), 10, Time{2s});
  BOOST_TEST(cache.look("b", 2, Time{3s}).answer == Answer::call);
  BOOST_TEST(cache.look("a", 3, Time{3s}).answer == Answer::fresh);
  BOOST_TEST(cache.evicted() == 1U);
}

BOOST_AUTO_TEST_CASE(where_memory_is_short_old_answers_make_room_and_what_is_too_large_is_not_kept) {
  Bytes bytes{100};
  {
    Cache cache(rule(1h, 0s), bytes.memory());
    cache.brought("a", value(1), 60, Time{});
    cache.brought("b", value(2), 60, Time{});
    BOOST_TEST(cache.look("a", 1, Time{}).answer == Answer::call);
    BOOST_TEST(cache.look("b", 2, Time{}).answer == Answer::fresh);
    cache.brought("c", value(3), 101, Time{});
    BOOST_TEST(cache.look("c", 3, Time{}).answer == Answer::call);
    BOOST_TEST(cache.look("b", 4, Time{}).answer == Answer::fresh);
    BOOST_TEST(cache.bytes() == 60U);
  }
  BOOST_TEST(bytes.free == 100U);
}

/// Against a table of when each key last had an answer, which it forgets nothing of.
BOOST_AUTO_TEST_CASE(no_answer_is_older_than_it_may_be_and_no_key_has_two_calls) {
  BOOST_TEST(rc::check("the cache", [] {
    const auto fresh = Duration(*rc::gen::inRange(1, 20)), stale = Duration(*rc::gen::inRange(0, 20));
    const auto entries = static_cast<std::size_t>(*rc::gen::inRange(1, 6));
    Bytes bytes{static_cast<std::size_t>(*rc::gen::inRange(20, 200))};
    const auto all = bytes.free;
    std::map<std::string, std::pair<Time, int>> known;
    std::map<std::string, std::vector<Cache::Ticket>> waiting;  // By key for which a call is under way.
    {
      Cache cache(rule(fresh, stale, entries), bytes.memory());
      Time now{};
      int next = 0;
      for (Cache::Ticket who = 0; who < 200; ++who) {
        now += Duration(*rc::gen::inRange(0, 6));
        const std::string key(1, static_cast<char>('a' + *rc::gen::inRange(0, 8)));
        const bool calling = waiting.contains(key);
        switch (*rc::gen::inRange(0, calling ? 5 : 2)) {
          case 2: {
            RC_ASSERT(cache.brought(key, value(++next), static_cast<std::size_t>(*rc::gen::inRange(1, 40)), now) ==
                      waiting[key]);
            known[key] = {now, next};
            waiting.erase(key);
            break;
          }
          case 3:
            RC_ASSERT(cache.failed(key, now) == waiting[key]);
            waiting.erase(key);
            break;
          case 4: {
            auto& those = waiting[key];
            const auto calls = cache.gave_up(key);
            RC_ASSERT(calls.has_value() == !those.empty());
            if (calls) {
              RC_ASSERT(*calls == those.front());
              those.erase(those.begin());
            } else {
              waiting.erase(key);
            }
            break;
          }
          default: {
            const auto found = cache.look(key, who, now);
            const bool given = found.answer == Answer::fresh || found.answer == Answer::stale;
            RC_ASSERT(given == (found.value != nullptr));
            if (given) {
              const auto& [since, last] = known.at(key);
              RC_ASSERT(number(found.value) == last);
              RC_ASSERT(now - since < fresh + stale);
              RC_ASSERT((found.answer == Answer::fresh) == (now - since < fresh));
            }
            const bool calls = found.answer == Answer::call || found.renew;
            RC_ASSERT(!(calls && calling));
            RC_ASSERT(!(found.answer == Answer::wait && !calling));
            if (calls) waiting[key];
            if (found.answer == Answer::wait) waiting[key].push_back(who);
          }
        }
        RC_ASSERT(cache.entries() <= entries);
        RC_ASSERT(cache.calling() == waiting.size());
        RC_ASSERT(bytes.free + cache.bytes() == all);
      }
    }
    RC_ASSERT(bytes.free == all);
  }));
}
