// batch: gathers messages and sends many on as one.
#include <list>
#include <unordered_map>

#include "engine/message/document.hpp"
#include "engine/message/json.hpp"
#include "engine/script/condition.hpp"
#include "engine/script/text.hpp"
#include "engine/stage/joint.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

enum class As : std::uint8_t { list, lines };

struct BatchConfig {
  std::int64_t count = 100;
  config::Size bytes{1024 * 1024};
  config::Duration within = std::chrono::seconds(1);
  As as = As::list;
  std::optional<config::Lua> begins;
  std::optional<config::Template> key;
  std::int64_t keys = 10'000;
};

const auto spec =
    config::Spec<BatchConfig>("batch", "Gathers messages and sends many on as one.")
        .field("count", &BatchConfig::count, "So many at the most.", config::at_least(1))
        .field("bytes", &BatchConfig::bytes, "So many bytes of messages at the most; a larger one goes alone.",
               config::above(0))
        .field("within", &BatchConfig::within, "The first one waits no longer than this.", config::above(0))
        .field("as", &BatchConfig::as,
               "list: a JSON list of the payloads, which must be JSON. lines: their texts, one a line.",
               config::one_of({{"list", As::list}, {"lines", As::lines}}))
        .field("begins", &BatchConfig::begins,
               "A message for which this holds begins a new one, so what is held goes on before it.",
               config::sample("not re.match('^[ \\t]', text)"))
        .field(
            "key", &BatchConfig::key,
            "Messages of different keys are gathered apart: `count`, `bytes`, `within` and `begins` hold for each key.",
            config::sample("'{{ meta.file }}'"))
        .field("keys", &BatchConfig::keys,
               "So many keys are gathered at once; beyond that the messages that have waited longest go on.",
               config::at_least(1), config::at_most(10'000'000))
        .details(
            "With `begins` and `as: lines` a record of several lines, such as a stack trace, becomes one message; of "
            "one that goes on beyond `count` and `bytes` the rest follows. The lines must come in order: from one "
            "source or with one worker for each, and where a source reads many files, with `key`.\n"
            "Of one source no more than 10,000 messages are held, whatever their keys; then all go on. A key takes "
            "some 8 KiB while messages of it are held.\n"
            "What is made of messages carries what `meta:` has set, or their source, in the first of them.\n"
            "The messages are done when the one made of them is; if it fails, each of them has failed.")
        .example("batch: {count: 500, within: 2s}")
        .example("batch: {bytes: 64KiB, as: lines}")
        .example("batch:\n  begins: not re.match('^[ \\t]', text)\n  as: lines\n  count: 1000")
        .example("batch: {key: '{{ meta.tenant }}', count: 500}");

class Gather : public stage::Operator {
 public:
  Gather(const BatchConfig& config, stage::Context& context) : config_(config) {
    if (config_.begins) context.compile(begins_.emplace(), *config_.begins);
    if (config_.key) context.compile(key_.emplace(), *config_.key);
  }

  std::size_t process(stage::Batch& in, std::size_t from, stage::Output& out, runtime::Time now) override {
    std::size_t row = from;
    for (; row < in.size() && out.may_go_on(); ++row) {
      if (config_.as == As::list && !in.is_json(row)) {
        out.fail(in, row, {stage::Reason::decode, "the payload is no JSON, so no list can hold it; `as: lines` can"});
        continue;
      }
      const stage::Message message(in, row);
      key_text_.clear();
      if (key_) {
        if (auto failed = key_->fill(message, key_text_)) {
          out.fail(in, row, std::move(*failed));
          continue;
        }
      }
      auto held = find();
      bool ends = held != held_.end() && held->joint->bytes() + in.payload(row).size() > config_.bytes.bytes;
      if (begins_) {
        auto begins = begins_->holds(message);
        if (!begins) {
          out.fail(in, row, std::move(begins.failure()));
          continue;
        }
        ends = ends || (held != held_.end() && *begins);
      }
      if (!ends && held == held_.end() && held_.size() >= static_cast<std::size_t>(config_.keys)) {
        held = held_.begin();
        ends = true;
      }
      if (ends) {
        send(held, out);
        if (out.full()) break;
        held = held_.end();
      }
      if (held == held_.end()) held = hold(now + config_.within);
      out.absorb(in, row);
      held->joint->take(in, row);
      if (held->joint->size() >= static_cast<std::size_t>(config_.count) ||
          held->joint->bytes() >= config_.bytes.bytes) {
        send(held, out);
      }
    }
    return row;
  }

  std::optional<runtime::Time> tick(runtime::Time now, stage::Output& out) override {
    while (!held_.empty()) {
      if (now < held_.front().due) return held_.front().due;
      if (out.full()) return now;
      send(held_.begin(), out);
    }
    return std::nullopt;
  }

  bool flush(stage::Output& out) override {
    while (!held_.empty()) {
      if (out.full()) return false;
      send(held_.begin(), out);
    }
    return true;
  }

 private:
  /// Of one key.
  struct Held {
    std::string key;
    runtime::Time due;  // When it must go.
    std::unique_ptr<stage::Joint> joint;
  };
  using At = std::list<Held>::iterator;

  /// Of the key that was worked out last; the list's end: nothing.
  At find() {
    if (!key_) return held_.begin();
    const auto found = by_key_.find(key_text_);
    return found == by_key_.end() ? held_.end() : found->second;
  }
  At hold(runtime::Time due) {
    const At at = held_.insert(held_.end(), Held{key_text_, due, std::make_unique<stage::Joint>()});
    if (key_) by_key_.emplace(at->key, at);
    return at;
  }
  void send(At held, stage::Output& out) {
    payload_.clear();
    const bool list = config_.as == As::list;
    if (list) payload_ += '[';
    bool first = true;
    held->joint->each([&](std::string_view payload) {
      if (!std::exchange(first, false)) payload_ += list ? ',' : '\n';
      payload_ += payload;
    });
    if (list) payload_ += ']';
    const stage::Message made = out.emit(stage::main_port, payload_, held->joint->entered());
    stage::Joint::carry(std::move(held->joint), made);
    if (key_) by_key_.erase(held->key);
    held_.erase(held);
  }

  const BatchConfig config_;
  std::optional<script::Condition> begins_;
  std::optional<script::Text> key_;
  std::list<Held> held_;  // In the order in which they must go.
  std::unordered_map<std::string_view, At> by_key_;
  std::string payload_, key_text_;  // Reused.
};

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::operator_of<Gather>(config);
  configured.collects = true;
  configured.collects_most = config->count;
  return configured;
});

}  // namespace
}  // namespace weir::stages
