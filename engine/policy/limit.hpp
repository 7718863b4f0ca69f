// How often something may happen: a token bucket for each key; or only while the machine is not too busy.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/policy/load_gate.hpp"
#include "engine/runtime/time.hpp"

namespace weir::policy {

using runtime::Duration;
using runtime::Time;

struct LimitRule {
  double tokens = 1;                          ///< So many
  Duration period = std::chrono::seconds(1);  ///< in so long.
  double burst = 1;                           ///< Tokens that a bucket holds; at least 1.
  std::size_t keys = 100'000;                 ///< Buckets at once. Further keys share one.
};

/// As many tokens as are asked for, but none while the machine is too busy.
struct LoadRule {
  double above = 1;  ///< A share: see LoadGate.
  std::function<std::optional<double>()>
      load;  ///< What it is now. Asked at most once a second, under the lock. Nothing: 0.
};

/// In any time t at most rate × t + burst tokens of a key are given out. The generic cell rate algorithm: of a bucket
/// only the time is kept when it would be full again, so a bucket that is full is one nobody need remember. Pure but
/// for its lock: it is told the time and never waits. Any thread; those that share it share its buckets.
class Limit {
 public:
  explicit Limit(LimitRule rule);
  explicit Limit(LoadRule rule);

  /// Takes so many tokens: nothing; or takes none and returns the time when there will be enough, if nobody else comes
  /// first. What costs more than the bucket holds is given when it is full.
  std::optional<Time> take(const std::string& key, double cost, Time now);
  /// Takes so many tokens, there or not: the time when they are. Others wait until then.
  Time owe(const std::string& key, double cost, Time now);
  /// What was taken has not been used.
  void give_back(const std::string& key, double cost, Time now);
  /// Nothing is given of this key before then. The bucket fills meanwhile.
  void pause(const std::string& key, Time now, Time until);

  /// Tokens there are now.
  double tokens(const std::string& key, Time now) const;
  /// Calls of take() whose key found all buckets taken: they shared one.
  std::uint64_t overflowed() const;
  std::size_t size() const;
  const LimitRule& rule() const { return rule_; }

  /// Of one that goes by the machine's load: what that was when last looked at, and whether nothing is let through.
  struct Machine {
    double load = 0;
    bool busy = false;
  };
  std::optional<Machine> machine() const;

 private:
  struct Bucket {
    Time full{};          // When it is, or was.
    Time paused_until{};  // Before it, nothing is given.
  };
  Bucket& bucket(const std::string& key, Time now);
  void forget_full(Time now);
  Duration time_for(double tokens) const;

  const LimitRule rule_;
  const Duration capacity_;  // The time in which an empty bucket fills.
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
  Bucket shared_;
  Time looked_until_{};  // Before it, looking for full buckets again is not worth it.
  std::uint64_t overflowed_ = 0;
  std::function<std::optional<double>()> load_;
  std::optional<LoadGate> gate_;
};

}  // namespace weir::policy
