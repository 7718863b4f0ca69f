// Who waits for a token, in which order, and until when.
#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/policy/limit.hpp"

namespace weir::policy {

/// Lets those who wait through as their limit allows: of one key in the order they came, and no key behind another.
/// When a bucket has filled after a pause, no more go at once than it holds. Pure: it is told the time and never waits.
/// One thread; the limit may be shared with others.
class Turnstile {
 public:
  using Ticket = std::uint64_t;

  explicit Turnstile(Limit& limit);

  /// Waits from now on, at the latest until then (Time::max(): as long as it takes). Ask let_through() after it.
  void enter(Ticket ticket, const std::string& key, double cost, Time now, Time until);
  /// Waits no longer. False: it does not wait.
  bool leave(Ticket ticket);

  struct Through {
    std::vector<Ticket> admitted;  ///< They have their token.
    std::vector<Ticket> late;      ///< Their time came first.
  };
  /// Admits at most `most`.
  Through let_through(Time now, std::size_t most = static_cast<std::size_t>(-1));
  /// When to ask again; nothing: nobody waits. And when, if nobody may be admitted meanwhile.
  std::optional<Time> due() const;
  std::optional<Time> next_end() const;

  std::size_t waiting() const { return places_.size(); }
  std::size_t waiting(const std::string& key) const;

 private:
  struct Waiting {
    Ticket ticket;
    double cost;
    Time until;
  };
  struct Queue {
    std::list<Waiting> waiting;
    Time due{};                // Of its first: when it is worth asking for its token.
    std::uint64_t number = 0;  // Those due together go in the order they came.
  };
  using Queues = std::map<std::string, Queue>;
  struct Place {
    Queues::iterator queue;
    std::list<Waiting>::iterator at;
  };
  void set_due(Queues::iterator queue, Time due);

  Limit& limit_;
  const Duration gathering_;
  std::uint64_t next_number_ = 0;
  Queues queues_;
  std::unordered_map<Ticket, Place> places_;
  std::map<std::pair<Time, std::uint64_t>, Queues::iterator> by_due_;  // By when their first may go.
  std::set<std::pair<Time, Ticket>> by_end_;                           // Those who do not wait for ever.
};

}  // namespace weir::policy
