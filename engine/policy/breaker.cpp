#include "engine/policy/breaker.hpp"

#include <algorithm>

namespace weir::policy {
namespace {

/// Gives the circuit an outcome. No where it was closed and stays so: nobody waits for such a one, and of calls that go
/// well nobody need hear.
template <class Outcome>
bool matters(Breaker& circuit, Time now, Outcome outcome) {
  const bool was_closed = circuit.state(now) == Circuit::closed;
  outcome(circuit);
  return !was_closed || circuit.state(now) != Circuit::closed;
}

}  // namespace

Circuit Breaker::state(Time now) const {
  if (circuit_ == Circuit::open && now >= opened_ + rule_.recover_after) return Circuit::half_open;
  return circuit_;
}

std::optional<Time> Breaker::opens_again(Time now) const {
  if (state(now) != Circuit::open) return std::nullopt;
  return opened_ + rule_.recover_after;
}

bool Breaker::fresh(Time now) const {
  if (circuit_ != Circuit::closed || in_a_row_ > 0) return false;
  return calls_.empty() || calls_.back().at + rule_.window <= now;
}

bool Breaker::idle(Time now) const {
  return probing_ == 0 && touched_ + std::max(rule_.window, rule_.recover_after) <= now;
}

/// What the time alone has changed.
void Breaker::settle(Time now) {
  touched_ = now;
  if (circuit_ == Circuit::open && state(now) == Circuit::half_open) {
    circuit_ = Circuit::half_open;
    ++era_;
    probing_ = good_probes_ = 0;
  }
}

std::optional<Breaker::Permit> Breaker::admit(Time now) {
  settle(now);
  if (circuit_ == Circuit::open) return std::nullopt;
  if (circuit_ == Circuit::half_open) {
    if (probing_ + good_probes_ >= rule_.probes) return std::nullopt;
    ++probing_;
  }
  return Permit{era_};
}

void Breaker::open(Time now) {
  circuit_ = Circuit::open;
  ++era_;
  opened_ = now;
  in_a_row_ = 0;
  calls_.clear();
  failed_ = 0;
}

void Breaker::note(bool failed, Time now) {
  in_a_row_ = failed ? in_a_row_ + 1 : 0;
  if (rule_.failures && in_a_row_ >= *rule_.failures) return open(now);
  if (!rule_.failure_rate) return;
  calls_.push_back({now, failed});
  failed_ += failed;
  while (calls_.front().at + rule_.window <= now) {
    failed_ -= calls_.front().failed;
    calls_.pop_front();
  }
  const auto calls = static_cast<std::int64_t>(calls_.size());
  if (calls < rule_.min_calls) return;
  if (static_cast<double>(failed_) >= *rule_.failure_rate * static_cast<double>(calls)) open(now);
}

void Breaker::succeeded(Permit permit, Duration took, Time now) {
  if (rule_.slow && took > *rule_.slow) return failed(permit, now);
  touched_ = now;
  if (permit.era != era_) return;
  if (circuit_ == Circuit::closed) return note(false, now);
  --probing_;
  if (++good_probes_ < rule_.probes) return;
  circuit_ = Circuit::closed;
  ++era_;
  in_a_row_ = 0;
}

void Breaker::failed(Permit permit, Time now) {
  touched_ = now;
  if (permit.era != era_) return;
  if (circuit_ == Circuit::closed) return note(true, now);
  open(now);
}

void Breaker::withdrawn(Permit permit) {
  if (permit.era == era_ && circuit_ == Circuit::half_open) --probing_;
}

// ---------------------------------------------------------------------------------------------------------- by key

Breaker& Breakers::breaker(const std::string& key, Time now) {
  const auto found = breakers_.find(key);
  if (found != breakers_.end()) return found->second;
  if (breakers_.size() >= rule_.keys) make_room(now);
  return breakers_.size() >= rule_.keys ? shared_ : breakers_.try_emplace(key, rule_).first->second;
}

/// The one of a key, or what it would share.
const Breaker& Breakers::known(const std::string& key) const {
  const auto found = breakers_.find(key);
  return found == breakers_.end() ? shared_ : found->second;
}

void Breakers::make_room(Time now) {
  if (now < looked_until_) return;
  auto gone = std::erase_if(breakers_, [now](const auto& entry) { return entry.second.fresh(now); });
  if (gone == 0) gone = std::erase_if(breakers_, [now](const auto& entry) { return entry.second.idle(now); });
  // A look at all for a few places pays for itself once in a while only.
  if (gone < rule_.keys / 16) looked_until_ = now + std::chrono::seconds(1);
}

std::optional<Breaker::Permit> Breakers::admit(const std::string& key, Time now) {
  const std::scoped_lock lock(mutex_);
  Breaker& of = breaker(key, now);
  auto permit = of.admit(now);
  if (&of != &shared_) return permit;
  ++overflowed_;
  if (permit) permit->shared = true;
  return permit;
}

/// Who gave the permit; null where the key has been forgotten since.
Breaker* Breakers::of(const std::string& key, const Breaker::Permit& permit) {
  if (permit.shared) return &shared_;
  const auto found = breakers_.find(key);
  return found == breakers_.end() ? nullptr : &found->second;
}

void Breakers::succeeded(const std::string& key, Breaker::Permit permit, Duration took, Time now) {
  const std::scoped_lock lock(mutex_);
  Breaker* const circuit = of(key, permit);
  if (circuit && matters(*circuit, now, [&](Breaker& of) { of.succeeded(permit, took, now); })) told();
}

void Breakers::failed(const std::string& key, Breaker::Permit permit, Time now) {
  const std::scoped_lock lock(mutex_);
  Breaker* const circuit = of(key, permit);
  if (circuit && matters(*circuit, now, [&](Breaker& of) { of.failed(permit, now); })) told();
}

void Breakers::withdrawn(const std::string& key, Breaker::Permit permit, Time now) {
  const std::scoped_lock lock(mutex_);
  Breaker* const circuit = of(key, permit);
  if (circuit && matters(*circuit, now, [&](Breaker& of) { of.withdrawn(permit); })) told();
}

Circuit Breakers::state(const std::string& key, Time now) const {
  const std::scoped_lock lock(mutex_);
  return known(key).state(now);
}

std::optional<Time> Breakers::opens_again(const std::string& key, Time now) const {
  const std::scoped_lock lock(mutex_);
  return known(key).opens_again(now);
}

std::uint64_t Breakers::overflowed() const {
  const std::scoped_lock lock(mutex_);
  return overflowed_;
}

Circuit Breakers::worst(Time now) const {
  const std::scoped_lock lock(mutex_);
  Circuit worst = shared_.state(now);
  for (const auto& [key, breaker] : breakers_) {
    const Circuit state = breaker.state(now);
    if (state == Circuit::open || (state == Circuit::half_open && worst == Circuit::closed)) worst = state;
  }
  return worst;
}

std::size_t Breakers::not_closed(Time now) const {
  const std::scoped_lock lock(mutex_);
  std::size_t count = shared_.state(now) != Circuit::closed;
  for (const auto& [key, breaker] : breakers_) count += breaker.state(now) != Circuit::closed;
  return count;
}

std::uint64_t Breakers::tell(std::function<void()> changed) {
  const std::scoped_lock lock(mutex_);
  listeners_.emplace(next_listener_, std::move(changed));
  return next_listener_++;
}

void Breakers::forget(std::uint64_t listener) {
  const std::scoped_lock lock(mutex_);
  listeners_.erase(listener);
}

// Still under the lock: whoever has called forget() is not called any more.
void Breakers::told() {
  for (const auto& [number, changed] : listeners_) changed();
}

}  // namespace weir::policy
