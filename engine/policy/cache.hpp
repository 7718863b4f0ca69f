// What is remembered of answers, for how long, and who asks for what is not.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/runtime/time.hpp"

namespace weir::policy {

using runtime::Duration;
using runtime::Time;

struct CacheRule {
  Duration fresh{};         ///< So long an answer is as good as a new one;
  Duration stale{};         ///< and so long after that it does, until a new one has come.
  std::size_t entries = 1;  ///< At the most. Beyond, the one goes that was asked for least recently.
};

/// Answers by key. Of a key that is not known one who asks makes the call, and all others wait for that one (single
/// flight); of an answer that is stale the first who asks has it renewed, and nobody waits; where that fails, not again
/// for a second. Pure: it is told the time, calls nobody and never waits. One thread.
class Cache {
 public:
  using Ticket = std::uint64_t;
  using Value = std::shared_ptr<const void>;

  /// Where its bytes come from, and go back to.
  struct Memory {
    std::function<bool(std::size_t bytes)> take;  ///< False: there is no room for them.
    std::function<void(std::size_t bytes)> give_back;
  };

  enum class Answer : std::uint8_t {
    fresh,  ///< The value.
    stale,  ///< The value, which is no longer fresh.
    call,   ///< Nothing: whoever asks makes the call, and must say how it ended.
    wait    ///< Nothing yet: somebody is calling.
  };
  struct Found {
    Answer answer;
    Value value;
    bool renew = false;  ///< Of a stale one: make the call beside, and say how it ended.
  };

  Cache(CacheRule rule, Memory memory) : rule_(rule), memory_(std::move(memory)) {}
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  /// `who` is named again, once, when the call that it waits for has ended.
  Found look(const std::string& key, Ticket who, Time now);

  // How a call ended. Each returns those who wait for it, the first first.
  /// It is remembered from now on, if there is room for it.
  std::vector<Ticket> brought(const std::string& key, Value value, std::size_t bytes, Time now);
  /// What is remembered of the key stays.
  std::vector<Ticket> failed(const std::string& key, Time now);
  /// It was given up for a reason that is nobody else's: the one that makes the call now, if anybody waits.
  std::optional<Ticket> gave_up(const std::string& key);
  /// Waits no longer. Not for who makes the call.
  void leave(const std::string& key, Ticket who);

  std::size_t entries() const noexcept { return entries_.size(); }
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t calling() const noexcept { return flights_.size(); }  ///< Keys for which a call is under way.
  /// How often it was asked, by what it said.
  std::uint64_t answered(Answer answer) const noexcept { return answered_[static_cast<std::size_t>(answer)]; }
  /// Answers that went before their time, because there was no room.
  std::uint64_t evicted() const noexcept { return evicted_; }

 private:
  struct Entry {
    std::string key;
    Value value;
    std::size_t bytes;
    Time since;
    Time rests_until{};  ///< It is not renewed before.
  };
  using Entries = std::list<Entry>;
  void erase(Entries::iterator at);
  std::vector<Ticket> end_flight(const std::string& key);

  const CacheRule rule_;
  const Memory memory_;
  Entries entries_;  // The one asked for most recently first.
  std::unordered_map<std::string_view, Entries::iterator> by_key_;
  std::unordered_map<std::string, std::vector<Ticket>> flights_;  // Calls under way, and who waits for each.
  std::size_t bytes_ = 0;
  std::uint64_t answered_[4] = {};
  std::uint64_t evicted_ = 0;
};

}  // namespace weir::policy
