// The policies around a stage with their code compiled: whose limit, breaker and answer a message's are.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/graph/unit.hpp"
#include "engine/policy/backoff.hpp"
#include "engine/policy/breaker.hpp"
#include "engine/policy/cache.hpp"
#include "engine/policy/limit.hpp"
#include "engine/policy/retry_budget.hpp"
#include "engine/policy/turnstile.hpp"
#include "engine/script/text.hpp"

namespace weir::graph {

/// What a limit says of one message.
struct Toll {
  std::string key;
  double cost = 1;
};

/// A stage's `limit`, with its code compiled. That core's thread only; the buckets may be shared.
class StageLimit {
 public:
  StageLimit(const stage::LimitConfig& config, std::shared_ptr<policy::Limit> limit, stage::Context& context,
             bool listens);

  /// Whose bucket, and how much of it.
  message::Outcome<Toll> toll(const message::Message& message) const;
  stage::Over over() const { return over_; }
  bool keyed() const { return config_.key.has_value(); }
  const stage::LimitConfig& config() const { return config_; }
  policy::Limit& bucket() const { return *limit_; }
  /// How it stands now; who waits for it is not known here.
  void show(observe::StageSnapshot& cells, runtime::Time now) const;
  /// The failure of one that finds no token until then.
  message::Failure refused(runtime::Time now, std::optional<runtime::Time> until) const;

 private:
  const stage::LimitConfig& config_;
  std::shared_ptr<policy::Limit> limit_;
  stage::Over over_;
  std::optional<script::Text> key_, cost_;
};

/// A stage's `breaker`, with its code compiled. That core's thread only; the circuits may be shared.
class StageBreaker {
 public:
  StageBreaker(const stage::BreakerConfig& config, std::shared_ptr<policy::Breakers> breakers, stage::Context& context,
               std::function<void()> changed);
  ~StageBreaker();
  StageBreaker(const StageBreaker&) = delete;
  StageBreaker& operator=(const StageBreaker&) = delete;

  message::Outcome<std::string> key(const message::Message& message) const;
  policy::Breakers& circuits() const { return *breakers_; }
  bool keyed() const { return key_.has_value(); }
  bool holds() const { return config_.when_open == stage::WhenOpen::hold; }
  message::Failure refused(const std::string& key, runtime::Time now) const;
  /// Tells the circuit how a call ended. What says nothing of the other side changes nothing.
  void judge(const std::string& key, policy::Breaker::Permit permit, const message::Done& failed,
             runtime::Duration took, runtime::Time now);

 private:
  const stage::BreakerConfig& config_;
  std::shared_ptr<policy::Breakers> breakers_;
  std::uint64_t listener_ = 0;
  std::optional<script::Text> key_;
  stage::Context& context_;
};

/// Whether a failed call says how the other side is, and not only something of this message.
bool of_the_other_side(const message::Failure& failure);

/// A stage's `cache`, with its code compiled. That core's thread only.
class StageCache {
 public:
  using Value = std::shared_ptr<const message::Result>;

  /// `memory` outlives it. Half of it is left to others.
  StageCache(const stage::CacheConfig& config, stage::Context& context, flow::Budget& memory);

  /// Under what the answer to the message is remembered; nothing: it is not.
  message::Outcome<std::optional<std::string>> key(const message::Message& message) const;
  policy::Cache& answers() { return answers_; }
  const policy::Cache& answers() const { return answers_; }
  std::vector<policy::Cache::Ticket> brought(const std::string& key, const Value& value, runtime::Time now);

 private:
  script::Text key_;
  policy::Cache answers_;
};

}  // namespace weir::graph
