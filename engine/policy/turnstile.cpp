#include "engine/policy/turnstile.hpp"

#include <algorithm>

namespace weir::policy {

namespace {

/// How long whoever found no token lets tokens gather before asking again. Where they come quicker than a millisecond,
/// those who wait go some at a time: a turn of the event loop for each costs as much as the call it lets through.
Duration gathering(const LimitRule& rule) {
  using namespace std::chrono_literals;
  constexpr Duration longest = 10ms;
  const std::chrono::duration<double> each = std::chrono::duration<double>(rule.period) / rule.tokens;
  if (each >= 1ms) return Duration(0);
  return std::min(longest, std::chrono::duration_cast<Duration>(each * (rule.burst / 3)));
}

}  // namespace

Turnstile::Turnstile(Limit& limit) : limit_(limit), gathering_(gathering(limit.rule())) {}

void Turnstile::enter(Ticket ticket, const std::string& key, double cost, Time now, Time until) {
  const auto [queue, added] = queues_.try_emplace(key);
  auto& waiting = queue->second.waiting;
  waiting.push_back({ticket, cost, until});
  places_[ticket] = {queue, std::prev(waiting.end())};
  if (until != Time::max()) by_end_.emplace(until, ticket);
  if (added) {
    queue->second.due = now;
    queue->second.number = next_number_++;
    by_due_.emplace(std::pair(now, queue->second.number), queue);
  }
}

bool Turnstile::leave(Ticket ticket) {
  const auto found = places_.find(ticket);
  if (found == places_.end()) return false;
  const auto [queue, at] = found->second;
  const bool first = at == queue->second.waiting.begin();
  if (at->until != Time::max()) by_end_.erase({at->until, ticket});
  queue->second.waiting.erase(at);
  places_.erase(found);
  if (queue->second.waiting.empty()) {
    by_due_.erase({queue->second.due, queue->second.number});
    queues_.erase(queue);
  } else if (first) {
    set_due(queue, Time{});  // The next one may need fewer.
  }
  return true;
}

void Turnstile::set_due(Queues::iterator queue, Time due) {
  by_due_.erase({queue->second.due, queue->second.number});
  queue->second.due = due;
  by_due_.emplace(std::pair(due, queue->second.number), queue);
}

Turnstile::Through Turnstile::let_through(Time now, std::size_t most) {
  Through through;
  while (!by_end_.empty() && by_end_.begin()->first <= now) {
    through.late.push_back(by_end_.begin()->second);
    leave(through.late.back());
  }
  while (through.admitted.size() < most && !by_due_.empty() && by_due_.begin()->first.first <= now) {
    const auto queue = by_due_.begin()->second;
    const Waiting& first = queue->second.waiting.front();
    if (const auto later = limit_.take(queue->first, first.cost, now)) {
      set_due(queue, std::max(*later, now + gathering_));
    } else {
      through.admitted.push_back(first.ticket);
      leave(first.ticket);
    }
  }
  return through;
}

std::optional<Time> Turnstile::due() const {
  std::optional<Time> due;
  if (!by_due_.empty()) due = by_due_.begin()->first.first;
  if (!by_end_.empty()) due = std::min(due.value_or(Time::max()), by_end_.begin()->first);
  return due;
}

std::optional<Time> Turnstile::next_end() const {
  if (by_end_.empty()) return std::nullopt;
  return by_end_.begin()->first;
}

std::size_t Turnstile::waiting(const std::string& key) const {
  const auto found = queues_.find(key);
  return found == queues_.end() ? 0 : found->second.waiting.size();
}

}  // namespace weir::policy
