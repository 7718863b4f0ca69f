// Whether it is worth calling at all: a circuit breaker for each key.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "engine/runtime/time.hpp"

namespace weir::policy {

using runtime::Duration;
using runtime::Time;

struct BreakerRule {
  std::optional<std::int64_t> failures;  ///< So many in a row open it.
  std::optional<double> failure_rate;    ///< So large a share of the calls of the window opens it: 0 … 1,
  Duration window = std::chrono::seconds(10);
  std::int64_t min_calls = 10;   ///< if there were so many.
  std::optional<Duration> slow;  ///< A call that took longer counts as a failure.
  Duration recover_after = std::chrono::seconds(5);
  std::int64_t probes = 1;  ///< So many calls at once try whether it works again; all of them must.
  std::size_t keys = 100'000;
};

enum class Circuit : std::uint8_t { closed, open, half_open };

constexpr std::string_view word(Circuit circuit) {
  constexpr std::string_view words[] = {"closed", "open", "half_open"};
  return words[static_cast<int>(circuit)];
}

/// One circuit: closed → open, when the rule says so; open → half open, `recover_after` later; half open → closed,
/// when `probes` calls went well; half open → open, when one of them did not. Calls that began before it opened change
/// nothing of it any more. Pure: it is told the time and never waits. One thread.
class Breaker {
 public:
  /// May call. It is to be handed back with the call's outcome, exactly once.
  struct Permit {
    std::uint64_t era = 0;  ///< Of the circuit when the call began.
    bool shared = false;    ///< Of the circuit that keys without room share.
  };

  explicit Breaker(const BreakerRule& rule) : rule_(rule) {}

  std::optional<Permit> admit(Time now);
  void succeeded(Permit permit, Duration took, Time now);
  void failed(Permit permit, Time now);
  /// The call was given up, or says nothing of how the other side is.
  void withdrawn(Permit permit);

  Circuit state(Time now) const;
  /// When it will be half open; nothing where it is not open.
  std::optional<Time> opens_again(Time now) const;
  /// Nothing speaks against it: as good as a new one.
  bool fresh(Time now) const;
  /// Nobody has called, or waits for an outcome, for as long as it looks back or stays open, whichever is longer.
  bool idle(Time now) const;

 private:
  struct Call {
    Time at;
    bool failed;
  };
  void settle(Time now);
  void open(Time now);
  void note(bool failed, Time now);

  const BreakerRule& rule_;
  Circuit circuit_ = Circuit::closed;
  std::uint64_t era_ = 0;  // Goes up with each change.
  Time opened_{};
  Time touched_{};  // When it was last asked, or told an outcome.
  std::int64_t in_a_row_ = 0;
  std::int64_t probing_ = 0, good_probes_ = 0;
  std::deque<Call> calls_;  // Of the window, where there is a rate.
  std::int64_t failed_ = 0;
};

/// A breaker for each key. Any thread: one that has a name is shared by the stages that name it. Where there is no room
/// for one more key, those are forgotten that are as good as new; if there are none, those that have been idle; if
/// there are none of those either, the new keys share one breaker.
class Breakers {
 public:
  explicit Breakers(BreakerRule rule) : rule_(rule) {}

  std::optional<Breaker::Permit> admit(const std::string& key, Time now);
  void succeeded(const std::string& key, Breaker::Permit permit, Duration took, Time now);
  void failed(const std::string& key, Breaker::Permit permit, Time now);
  void withdrawn(const std::string& key, Breaker::Permit permit, Time now);

  Circuit state(const std::string& key, Time now) const;
  std::optional<Time> opens_again(const std::string& key, Time now) const;
  /// The worst of all keys, and how many are not closed.
  Circuit worst(Time now) const;
  std::size_t not_closed(Time now) const;
  /// Calls that were asked for when there was no room for their key.
  std::uint64_t overflowed() const;
  const BreakerRule& rule() const { return rule_; }

  /// `changed` is called when an outcome may matter to who waits, on the thread that brought it. Returns a number.
  std::uint64_t tell(std::function<void()> changed);
  void forget(std::uint64_t listener);

 private:
  Breaker& breaker(const std::string& key, Time now);
  Breaker* of(const std::string& key, const Breaker::Permit& permit);
  const Breaker& known(const std::string& key) const;
  void make_room(Time now);
  void told();

  const BreakerRule rule_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Breaker> breakers_;
  Breaker shared_{rule_};            // Of keys for which there is no room.
  Time looked_until_ = Time::min();  // Before then none is looked for: it costs a look at all.
  std::uint64_t overflowed_ = 0;
  std::map<std::uint64_t, std::function<void()>> listeners_;
  std::uint64_t next_listener_ = 0;
};

}  // namespace weir::policy
