// dedupe: lets the first message of each key on and drops the others.
#include <list>
#include <mutex>
#include <unordered_map>

#include "engine/message/stand_in.hpp"
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
            "A key is sure once its first message is done. Should that one fail, or be dropped whole by a limit or a "
            "full edge, the key is forgotten, and all that came meanwhile ends as it did: so whatever is sent again "
            "gets its chance. Keys are "
            "remembered in memory only. What is dropped is counted as taken. A key that cannot be worked out fails its "
            "message. Several `workers` share the messages by the key, and each remembers up to `keys` of them.")
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
  bool full() const noexcept { return entries_.size() >= most_; }
  At add(const std::string& key, runtime::Time now);  ///< Where it is full, in the place of the oldest.
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

/// The first message of a key, on its way; and those of the same key that came meanwhile.
class Pending final : public message::StandIn {
 public:
  Pending(std::shared_ptr<Keys> keys, message::Batch& batch, std::size_t row)
      : StandIn(batch, row), keys_(std::move(keys)) {}

  // Under the keys' mutex.
  void known_at(Keys::At at) { at_ = at; }
  void forgotten() { at_.reset(); }
  /// The row ends as the first one does. It is kept, and leaves an empty shell.
  void join(message::Batch& batch, std::size_t row) {
    if (joined_.empty() || joined_.back()->full()) joined_.push_back(message::Batch::make());
    message::Batch& to = *joined_.back();
    const std::size_t at = to.take_row(batch, row);
    // It goes no further: whoever gathers what was made of one list does not wait for it.
    if (const auto* const metadata = to.metadata(at); metadata && !metadata->groups.empty()) {
      to.edit_metadata(at).groups.clear();
    }
    to.put_views_away();
    to.compact();
  }

 private:
  /// Once the source has heard of the first.
  ~Pending() override {
    for (auto& batch : joined_) {
      if (!why_) {
        batch->done_all();
      } else if (shed_) {
        batch->shed_all([this] { return *why_; });
      } else {
        for (std::size_t row = 0; row < batch->size(); ++row) batch->fail(row, *why_);
      }
    }
  }

  void ended(const message::Token& token) noexcept override {
    if (!token.failures().empty()) {
      why_ = token.failures().front().failure;
    } else if (const auto* const shed = token.shed_why()) {
      why_ = *shed;
      shed_ = true;
    }
    // Nobody joins any more. The key is free again before whoever sent the message hears that it may do so again.
    const std::lock_guard lock(keys_->mutex);
    if (at_ && !why_) (*at_)->pending = nullptr;
    if (at_ && why_) keys_->erase(*at_);
  }

  const std::shared_ptr<Keys> keys_;
  std::optional<Keys::At> at_;                   // Nothing once the key has been forgotten because there were too many.
  std::vector<message::Batch::Pointer> joined_;  // With their own tokens.
  std::optional<message::Failure> why_;          // The first one failed, or was shed.
  bool shed_ = false;
};

Keys::At Keys::add(const std::string& key, runtime::Time now) {
  if (full()) {
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
      : context_(context), most_(config.keys), keys_(std::make_shared<Keys>(config.forget, config.keys)) {
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
      bool first = false, evicts = false;
      {
        const std::lock_guard lock(keys_->mutex);
        if (Keys::Entry* const known = keys_->find(text_, now)) {
          if (known->pending && in.token(row)) known->pending->join(in, row);
        } else {
          first = true;
          evicts = keys_->full();
          const auto at = keys_->add(text_, now);
          if (in.token(row)) {  // Otherwise nobody asks how it ends.
            at->pending = new Pending(keys_, in, row);
            at->pending->known_at(at);
          }
        }
      }
      if (evicts) {
        context_.log(observe::Level::warn, "too many keys: the one that came first was forgotten before its time",
                     {{"keys", std::to_string(most_)}});
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
  stage::Context& context_;
  const std::int64_t most_;
  script::Text key_;
  const std::shared_ptr<Keys> keys_;
  std::string text_;  // Reused.
};

const stage::Register registered(spec, [](auto config) {
  return stage::operator_of<Dedupe>(config).remembering_by(config->key);
});

}  // namespace
}  // namespace weir::stages
