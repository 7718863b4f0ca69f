#include "engine/policy/limit.hpp"

#include <algorithm>
#include <cmath>

#include "engine/runtime/assert.hpp"

namespace weir::policy {
namespace {

constexpr double longest_ns = 4e18;  // Some 126 years; more would not go into a Duration.

}  // namespace

Limit::Limit(LimitRule rule) : rule_(rule), capacity_(time_for(rule.burst)) {
  WEIR_ASSERT(rule.tokens > 0 && rule.period > Duration::zero(), "a rate is above 0");
  WEIR_ASSERT(rule.burst >= 1 && rule.keys > 0, "a bucket holds a token");
}

Limit::Limit(LoadRule rule) : Limit(LimitRule{std::numeric_limits<double>::infinity(), std::chrono::seconds(1), 1, 1}) {
  load_ = std::move(rule.load);
  gate_.emplace(rule.above);
}

// Rounded up, so that the rate is never exceeded.
Duration Limit::time_for(double tokens) const {
  const double ns = std::ceil(static_cast<double>(rule_.period.count()) * tokens / rule_.tokens);
  return Duration(static_cast<Duration::rep>(std::min(ns, longest_ns)));
}

std::optional<Time> Limit::take(const std::string& key, double cost, Time now) {
  const std::scoped_lock lock(mutex_);
  if (gate_) {
    if (gate_->to_look(now)) gate_->looked(load_().value_or(0), now);
    if (gate_->closed()) return gate_->next_look();
  }
  Bucket& of = bucket(key, now);
  const Time full = std::max(of.full, now);
  const Duration charged = time_for(cost);
  // It may go as soon as the bucket then lacks no more than it holds.
  const Duration lacks = std::min(charged, capacity_) - capacity_;
  const Time may = std::max(full + lacks, of.paused_until);
  if (may > now) return may;
  of.full = full + charged;
  return std::nullopt;
}

Time Limit::owe(const std::string& key, double cost, Time now) {
  const std::scoped_lock lock(mutex_);
  if (gate_) return now;
  Bucket& of = bucket(key, now);
  of.full = std::max(of.full, now) + time_for(cost);
  return std::max({now, of.full - capacity_, of.paused_until});
}

void Limit::give_back(const std::string& key, double cost, Time now) {
  const std::scoped_lock lock(mutex_);
  Bucket& of = bucket(key, now);
  of.full -= time_for(cost);
}

void Limit::pause(const std::string& key, Time now, Time until) {
  const std::scoped_lock lock(mutex_);
  Bucket& of = bucket(key, now);
  of.paused_until = std::max(of.paused_until, until);
}

double Limit::tokens(const std::string& key, Time now) const {
  const std::scoped_lock lock(mutex_);
  const auto found = buckets_.find(key);
  if (found == buckets_.end() || found->second.full <= now) return rule_.burst;
  const double lacks = static_cast<double>((found->second.full - now).count()) * rule_.tokens /
                       static_cast<double>(rule_.period.count());
  return std::max(0.0, rule_.burst - lacks);
}

std::uint64_t Limit::overflowed() const {
  const std::scoped_lock lock(mutex_);
  return overflowed_;
}

std::size_t Limit::size() const {
  const std::scoped_lock lock(mutex_);
  return buckets_.size();
}

std::optional<Limit::Machine> Limit::machine() const {
  const std::scoped_lock lock(mutex_);
  if (!gate_) return std::nullopt;
  return Machine{gate_->load(), gate_->closed()};
}

Limit::Bucket& Limit::bucket(const std::string& key, Time now) {
  const auto found = buckets_.find(key);
  if (found != buckets_.end()) return found->second;
  if (buckets_.size() >= rule_.keys) forget_full(now);
  if (buckets_.size() >= rule_.keys) {
    ++overflowed_;
    return shared_;
  }
  return buckets_[key];
}

void Limit::forget_full(Time now) {
  if (now < looked_until_) return;
  std::erase_if(buckets_,
                [now](const auto& entry) { return entry.second.full <= now && entry.second.paused_until <= now; });
  looked_until_ = now + capacity_ / 8;
}

}  // namespace weir::policy
