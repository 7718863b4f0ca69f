// alert: says once that something is wrong, and once that it is well again.
#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "engine/message/stand_in.hpp"
#include "engine/script/condition.hpp"
#include "engine/script/text.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct AlertConfig {
  config::Template key;
  config::Lua condition;
  std::int64_t after = 1;
  std::int64_t clear = 1;
  std::int64_t keys = 100'000;
};

const auto spec =
    config::Spec<AlertConfig>("alert", "Says once that something is wrong, and once that it is well again.")
        .field("key", &AlertConfig::key, "What each alert is about. Left out: there is one, for all messages.",
               config::sample("'{{ msg.device }}'"))
        .field("where", &AlertConfig::condition, "The condition for something being wrong, in Lua.",
               config::sample("msg.mean > 60"))
        .required()
        .field("after", &AlertConfig::after, "It holds for so many messages of a key in a row before the alert fires.",
               config::at_least(1))
        .field("clear", &AlertConfig::clear,
               "It does not hold for so many messages of a key in a row before the alert is cleared.",
               config::at_least(1))
        .field("keys", &AlertConfig::keys,
               "So many keys of which something is wrong are remembered; beyond that the one that was heard of the "
               "longest ago is forgotten.",
               config::at_least(1), config::at_most(10'000'000))
        .details(
            "The message that makes an alert fire goes on with `meta.alert` = firing, the one that clears it with "
            "cleared; all others go no further. A message of which key or condition can't be worked out fails, and "
            "counts for neither. What fires is remembered in memory only. Several `workers` share the messages by the "
            "key, and each remembers up to `keys` of them.\n"
            "Where the message that made an alert fire, or cleared it, fails later on and nobody reads `.failed`, that "
            "never was: when its source sends it again, or with the next one that says the same, it goes on again.")
        .example("alert: {key: '{{ msg.device }}', where: msg.mean > 60, after: 2, clear: 3}",
                 "{device: d1, mean: 61}");

class Alert : public stage::MessageOperator<Alert> {
 public:
  using MessageOperator::process;

  Alert(const AlertConfig& config, stage::Context& context)
      : after_(config.after), clear_(config.clear), most_(static_cast<std::size_t>(config.keys)) {
    context.compile(key_, config.key);
    context.compile(condition_, config.condition);
  }

  void process(stage::Message message, stage::Output& out) {
    if (undone_->any.load(std::memory_order_acquire)) undo();
    text_.clear();
    if (auto failed = key_.fill(message, text_)) return out.fail(message, std::move(*failed));
    auto holds = condition_.holds(message);
    if (!holds) return out.fail(message, std::move(holds.failure()));
    const auto found = by_key_.find(text_);
    if (found == by_key_.end() && !*holds) return out.filter(message);  // All is well, as before.
    const At at = found == by_key_.end() ? add(text_) : found->second;
    entries_.splice(entries_.end(), entries_, at);
    if (*holds != at->firing) {
      if (++at->in_a_row >= (at->firing ? clear_ : after_)) {
        at->firing = *holds;
        at->in_a_row = 0;
        at->turn = ++turns_;
        message.edit_metadata().alert = *holds ? "firing" : "cleared";
        if (message.batch().token(message.row())) new Announced(undone_, {text_, *holds, turns_}, message);
        if (!*holds) forget(at);
        return out.pass(message);
      }
    } else {
      at->in_a_row = 0;
      if (!at->firing) forget(at);
    }
    out.filter(message);
  }

 private:
  /// A key of which something is wrong. What is well is not remembered.
  struct Entry {
    std::string key;
    bool firing = false;
    std::int64_t in_a_row = 0;  // Messages that say the opposite.
    std::uint64_t turn = 0;     // The last of turns_ that was its own.
  };
  using At = std::list<Entry>::iterator;

  /// An alert that fired, or was cleared.
  struct Turn {
    std::string key;
    bool fired;
    std::uint64_t number;
  };
  /// Those of which nobody has heard. Shared with the messages that were to say so, which may outlive the stage.
  struct Undone {
    std::mutex mutex;
    std::vector<Turn> turns;
    std::atomic<bool> any{false};
  };
  class Announced final : public message::StandIn {
   public:
    Announced(std::shared_ptr<Undone> undone, Turn turn, stage::Message message)
        : StandIn(message.batch(), message.row()), undone_(std::move(undone)), turn_(std::move(turn)) {}

   private:
    void ended(const message::Token& token) noexcept override {
      if (token.failures().empty()) return;
      const std::lock_guard lock(undone_->mutex);
      undone_->turns.push_back(std::move(turn_));
      undone_->any.store(true, std::memory_order_release);
    }
    const std::shared_ptr<Undone> undone_;
    Turn turn_;
  };

  /// Whoever listens still believes what was so before: one message that says it again is enough.
  void undo() {
    std::vector<Turn> turns;
    {
      const std::lock_guard lock(undone_->mutex);
      turns.swap(undone_->turns);
      undone_->any.store(false, std::memory_order_relaxed);
    }
    for (const Turn& turn : turns) {
      const auto found = by_key_.find(turn.key);
      if (found == by_key_.end() && turn.fired) continue;  // It was cleared meanwhile, or forgotten.
      const At at = found == by_key_.end() ? add(turn.key) : found->second;
      if (at->turn != 0 && at->turn != turn.number) continue;  // Another has been announced since.
      at->firing = !turn.fired;
      at->in_a_row = (turn.fired ? after_ : clear_) - 1;
      at->turn = 0;
    }
  }

  At add(const std::string& key) {
    if (entries_.size() >= most_) forget(entries_.begin());
    entries_.emplace_back().key = key;
    const At at = std::prev(entries_.end());
    by_key_.emplace(at->key, at);
    return at;
  }
  void forget(At at) {
    by_key_.erase(at->key);
    entries_.erase(at);
  }

  script::Text key_;
  script::Condition condition_;
  const std::int64_t after_, clear_;
  const std::size_t most_;
  std::list<Entry> entries_;  // The one last heard of last.
  std::unordered_map<std::string_view, At> by_key_;
  std::uint64_t turns_ = 0;
  const std::shared_ptr<Undone> undone_ = std::make_shared<Undone>();
  std::string text_;  // Reused.
};

const stage::Register registered(spec, [](auto config) {
  return stage::operator_of<Alert>(config).remembering_by(config->key);
});

}  // namespace
}  // namespace weir::stages
