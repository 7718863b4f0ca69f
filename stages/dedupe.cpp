// dedupe: lets the first message of each key on and drops the others.
#include <list>
#include <mutex>
#include <unordered_map>

#include "engine/runtime/assert.hpp"
#include "engine/script/text.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct DedupeConfig {
  config::Template key;
  config::Duration forget = std::chrono::minutes(10);
  std::int64_t keys = 100'000;
};

const auto spec =
    config::Spec<DedupeConfig>("dedupe", "Lets the first message of each key on and drops the others.")
        .field("key", &DedupeConfig::key, "What two messages have in common that are one and the same.",
               config::sample("'{{ msg.id }}'"))
        .required()
        .field("forget", &DedupeConfig::forget, "So long after its first message a key may come again.",
               config::above(0))
        .field("keys", &DedupeConfig::keys, "So many keys are remembered; beyond that the oldest is forgotten.",
               config::at_least(1), config::at_most(10'000'000))
        .details(
            "A key is sure once its first message is done. Should that one fail, the key is forgotten, and all that "
            "came meanwhile has failed with it: so whatever the source sends again gets its chance. Keys are "
            "remembered in memory only. What is dropped is counted as taken. A key that cannot be worked out fails its "
            "message.")
        .example("dedupe: {key: '{{ msg.id }}', forget: 1h}", "{id: 7}");

class Pending;

/// The keys that are known. Held by the operator and by every message whose end is awaited, and thread-safe: a message
/// may end on any core.
class Keys {
 public:
  struct Entry {
    std::string key;
    runtime::Time at;            // When its first message came.
    Pending* pending = nullptr;  // Null: that one is done.
  };
  using At = std::list<Entry>::iterator;

  Keys(runtime::Duration forget, std::int64_t most) : forget_(forget), most_(static_cast<std::size_t>(most)) {}

  std::mutex mutex;  // For all of the below.
  /// Null where the key is not known, or no longer.
  Entry* find(const std::string& key, runtime::Time now) {
    while (!entries_.empty() && old(entries_.front(), now)) erase(entries_.begin());
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    if (!old(*found->second, now)) return &*found->second;
    erase(found->second);
    return nullptr;
  }
  At add(const std::string& key, runtime::Time now);
  void erase(At at) {
    by_key_.erase(at->key);
    entries_.erase(at);
  }

 private:
  bool old(const Entry& entry, runtime::Time now) const { return !entry.pending && entry.at + forget_ <= now; }

  const runtime::Duration forget_;
  const std::size_t most_;
  std::list<Entry> entries_;  // In the order in which they came.
  std::unordered_map<std::string_view, At> by_key_;
};

/// The first message of a key, on its way; and those of the same key that came meanwhile. It stands in for the token of
/// the first, and lives until that one's end.
class Pending final : private message::TokenOwner {
 public:
  /// From now on the row counts on this. It must have a token.
  static Pending* stand_in(std::shared_ptr<Keys> keys, message::Batch& batch, std::size_t row) {
    auto* const pending = new Pending(std::move(keys), batch.id(row));
    pending->waiting_.emplace_back(batch, row);
    batch.set_identity(row, batch.id(row), &pending->token_);
    return pending;
  }
  // Under the keys' mutex.
  void known_at(Keys::At at) { at_ = at; }
  void forgotten() { at_.reset(); }
  /// The row ends as the first one does; its token is taken from it.
  void join(message::Batch& batch, std::size_t row) {
    auto& joined = waiting_.emplace_back(batch, row);
    joined.payload = batch.payload(row);
    batch.set_identity(row, batch.id(row), nullptr);
  }

 private:
  struct Waiting {
    Waiting(const message::Batch& batch, std::size_t row) : token(batch.token(row)), id(batch.id(row)) {}
    message::Token* token;
    std::uint64_t id;
    std::string payload;  // Not of the first: whoever fails it tells.
  };

  Pending(std::shared_ptr<Keys> keys, std::uint64_t id) : keys_(std::move(keys)), token_(*this, id, 1) {}
  ~Pending() = default;

  void completed(message::Token& token) noexcept override {
    struct Delete {
      void operator()(Pending* pending) const { delete pending; }
    };
    const std::unique_ptr<Pending, Delete> ends_here(this);
    const auto& failures = token.failures();
    {
      const std::lock_guard lock(keys_->mutex);
      if (at_ && failures.empty()) (*at_)->pending = nullptr;
      if (at_ && !failures.empty()) keys_->erase(*at_);
    }
    // Nobody joins any more. The key is free again before the source hears that it may send the message again.
    if (!failures.empty()) waiting_.front().payload = failures.front().payload;
    for (auto& waiting : waiting_) {
      if (failures.empty()) {
        waiting.token->done(1);
      } else {
        waiting.token->fail(waiting.id, failures.front().failure, std::move(waiting.payload));
      }
    }
  }

  std::shared_ptr<Keys> keys_;
  message::Token token_;
  std::optional<Keys::At> at_;    // Nothing once the key has been forgotten because there were too many.
  std::vector<Waiting> waiting_;  // The first one first.
};

Keys::At Keys::add(const std::string& key, runtime::Time now) {
  if (entries_.size() >= most_) {
    if (entries_.front().pending) entries_.front().pending->forgotten();
    erase(entries_.begin());
  }
  entries_.push_back({key, now, nullptr});
  const At at = std::prev(entries_.end());
  by_key_.emplace(at->key, at);
  return at;
}

class Dedupe : public stage::Operator {
 public:
  Dedupe(const DedupeConfig& config, stage::Context& context)
      : keys_(std::make_shared<Keys>(config.forget, config.keys)) {
    context.compile(key_, config.key);
  }

  std::size_t process(stage::Batch& in, std::size_t from, stage::Output& out, runtime::Time now) override {
    std::size_t row = from;
    for (; row < in.size() && out.may_go_on(); ++row) {
      const stage::Message message(in, row);
      out.mark(in, row);
      text_.clear();
      if (auto failed = key_.fill(message, text_)) {
        out.fail(message, std::move(*failed));
        continue;
      }
      bool first = false;
      {
        const std::lock_guard lock(keys_->mutex);
        if (Keys::Entry* const known = keys_->find(text_, now)) {
          if (known->pending && in.token(row)) known->pending->join(in, row);
        } else {
          first = true;
          const auto at = keys_->add(text_, now);
          if (in.token(row)) {  // Otherwise nobody asks how it ends.
            at->pending = Pending::stand_in(keys_, in, row);
            at->pending->known_at(at);
          }
        }
      }
      if (first) {
        out.pass(message);
      } else {
        out.drop(message, stage::Dropped::taken);
      }
    }
    return row;
  }

 private:
  script::Text key_;
  const std::shared_ptr<Keys> keys_;
  std::string text_;  // Reused.
};

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::operator_of<Dedupe>(config);
  configured.memory = stage::Memory::whole;
  return configured;
});

}  // namespace
}  // namespace weir::stages
