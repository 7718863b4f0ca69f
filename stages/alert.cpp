// alert: says once that something is wrong, and once that it is well again.
#include <list>
#include <unordered_map>

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
            "counts for neither. What fires is remembered in memory only; a message that its source sends again counts "
            "again.")
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
    text_.clear();
    if (auto failed = key_.fill(message, text_)) return out.fail(message, std::move(*failed));
    auto holds = condition_.holds(message);
    if (!holds) return out.fail(message, std::move(holds.failure()));
    const auto found = by_key_.find(text_);
    if (found == by_key_.end() && !*holds) return out.filter(message);  // All is well, as before.
    const At at = found == by_key_.end() ? add() : found->second;
    entries_.splice(entries_.end(), entries_, at);
    if (*holds != at->firing) {
      if (++at->in_a_row >= (at->firing ? clear_ : after_)) {
        at->firing = *holds;
        at->in_a_row = 0;
        message.edit_metadata().alert = *holds ? "firing" : "cleared";
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
  };
  using At = std::list<Entry>::iterator;

  At add() {
    if (entries_.size() >= most_) forget(entries_.begin());
    entries_.emplace_back().key = text_;
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
  std::string text_;  // Reused.
};

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::operator_of<Alert>(config);
  configured.memory = stage::Memory::whole;
  return configured;
});

}  // namespace
}  // namespace weir::stages
