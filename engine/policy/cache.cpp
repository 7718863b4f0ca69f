#include "engine/policy/cache.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace weir::policy {

namespace {

constexpr Duration rest_after_failure = std::chrono::seconds(1);

}  // namespace

Cache::~Cache() { memory_.give_back(bytes_); }

void Cache::erase(Entries::iterator at) {
  memory_.give_back(at->bytes);
  bytes_ -= at->bytes;
  by_key_.erase(at->key);
  entries_.erase(at);
}

Cache::Found Cache::look(const std::string& key, Ticket who, Time now) {
  const auto flight = flights_.find(key);
  Found found{Answer::call, nullptr};
  if (const auto known = by_key_.find(key); known != by_key_.end()) {
    const auto at = known->second;
    const Duration age = now - at->since;
    if (age < rule_.fresh + rule_.stale) {
      entries_.splice(entries_.begin(), entries_, at);
      found.value = at->value;
      found.answer = age < rule_.fresh ? Answer::fresh : Answer::stale;
      found.renew = found.answer == Answer::stale && flight == flights_.end() && at->rests_until <= now;
    } else {
      erase(at);
    }
  }
  if (!found.value && flight != flights_.end()) {
    flight->second.push_back(who);
    found.answer = Answer::wait;
  } else if (!found.value || found.renew) {
    flights_.try_emplace(key);
  }
  ++answered_[static_cast<std::size_t>(found.answer)];
  return found;
}

std::vector<Cache::Ticket> Cache::end_flight(const std::string& key) {
  const auto flight = flights_.find(key);
  if (flight == flights_.end()) return {};
  auto waiting = std::move(flight->second);
  flights_.erase(flight);
  return waiting;
}

std::vector<Cache::Ticket> Cache::brought(const std::string& key, Value value, std::size_t bytes, Time now) {
  if (const auto known = by_key_.find(key); known != by_key_.end()) erase(known->second);
  // What is larger than all that is remembered does not drive all of it out.
  bool room = memory_.take(bytes);
  if (!room && bytes > bytes_) return end_flight(key);
  while (!entries_.empty() && (!room || entries_.size() >= rule_.entries)) {
    erase(std::prev(entries_.end()));
    ++evicted_;
    if (!room) room = memory_.take(bytes);
  }
  if (room) {
    entries_.push_front({key, std::move(value), bytes, now, {}});
    by_key_.emplace(entries_.front().key, entries_.begin());
    bytes_ += bytes;
  }
  return end_flight(key);
}

std::vector<Cache::Ticket> Cache::failed(const std::string& key, Time now) {
  if (const auto known = by_key_.find(key); known != by_key_.end()) {
    known->second->rests_until = now + rest_after_failure;
  }
  return end_flight(key);
}

std::optional<Cache::Ticket> Cache::gave_up(const std::string& key) {
  const auto flight = flights_.find(key);
  if (flight == flights_.end()) return std::nullopt;
  if (flight->second.empty()) {
    flights_.erase(flight);
    return std::nullopt;
  }
  const Ticket next = flight->second.front();
  flight->second.erase(flight->second.begin());
  return next;
}

void Cache::leave(const std::string& key, Ticket who) {
  const auto flight = flights_.find(key);
  if (flight != flights_.end()) std::erase(flight->second, who);
}

}  // namespace weir::policy
