// `cache`, `limit`, `breaker`, `retry` and `hedge`: what is written around calls.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/spec.hpp"
#include "engine/message/failure.hpp"
#include "engine/policy/breaker.hpp"
#include "engine/policy/cache.hpp"
#include "engine/policy/limit.hpp"
#include "engine/runtime/machine.hpp"

namespace weir::stage {

/// What happens to a message for which there is no token.
enum class Over : std::uint8_t { wait, fail, drop };
/// What happens where too many of one key wait.
enum class OverKey : std::uint8_t { fail, block };

/// `limit:`, and an entry of `limits:`.
struct LimitConfig {
  std::string word;  ///< Written alone: a rate, or the name of one under `limits:`.
  std::optional<config::Rate> rate;
  std::optional<runtime::Load> by;   ///< Of one that goes by the machine's load instead,
  std::optional<std::string> above;  ///< and from which share of it on.
  std::optional<std::int64_t> burst;
  std::optional<config::Template> key, cost;
  std::optional<Over> over;
  config::Duration max_wait = std::chrono::minutes(5);
  std::int64_t keys = 100'000;
  std::optional<OverKey> over_key;
  std::string shared;  ///< Its name, where it is one of `limits:`: all who name it draw on the same buckets.
  config::Place place;

  /// Of one that has a rate.
  policy::LimitRule rule() const;
  /// Of one that has not: a share of 1.
  double load_above() const;
  /// What it is that must not be exceeded, in words.
  std::string text() const;
};

/// "10%" is 0.1. Nothing: it is no such share, of at most 100%.
std::optional<double> parse_share(const std::string& text);

enum class WhenOpen : std::uint8_t { hold, fail };

/// `breaker:`, and an entry of `breakers:`.
struct BreakerConfig {
  std::string word;  ///< Written alone: the name of one under `breakers:`.
  std::optional<std::int64_t> failures;
  std::optional<double> failure_rate;
  std::optional<config::Duration> window, slow;
  std::optional<std::int64_t> min_calls;
  config::Duration recover_after = std::chrono::seconds(5);
  std::int64_t probes = 1;
  std::optional<config::Template> key;
  std::int64_t keys = 100'000;
  WhenOpen when_open = WhenOpen::hold;
  std::string shared;
  config::Place place;

  policy::BreakerRule rule() const;
};

/// `retry:`
struct RetryConfig {
  std::int64_t attempts = 3;
  config::DurationRange backoff{std::chrono::milliseconds(100), std::chrono::seconds(10)};
  std::optional<std::vector<std::string>> on;
  std::string budget = "10%";

  /// What the policies themselves say is no failure of the call.
  static constexpr std::array never_again{message::Reason::limit, message::Reason::open, message::Reason::deadline};

  /// Of the calls, as a share.
  double budget_share() const;
  /// Whether a call that failed so is made again, if there is a try left.
  bool again_after(const message::Failure& failure) const;
};

/// `cache:`
struct CacheConfig {
  config::Template key;
  config::Duration fresh{}, stale{};
  std::int64_t entries = 10'000;

  policy::CacheRule rule() const;
};

/// `hedge:`
struct HedgeConfig {
  config::Duration after{};
  std::string budget = "5%";

  /// Of the calls, as a share.
  double budget_share() const;
};

const config::Spec<LimitConfig>& limit_spec();
/// The same words for a kind that is a limit.
config::Spec<LimitConfig> limit_spec_of(std::string name, std::string summary);
const config::Spec<BreakerConfig>& breaker_spec();
const config::Spec<RetryConfig>& retry_spec();
const config::Spec<CacheConfig>& cache_spec();
const config::Spec<HedgeConfig>& hedge_spec();

}  // namespace weir::stage
