// batch: gathers messages and sends many on as one.
#include "engine/message/document.hpp"
#include "engine/message/json.hpp"
#include "engine/script/condition.hpp"
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
        .details(
            "With `begins` and `as: lines` a record of several lines, such as a stack trace, becomes one message; of "
            "one that goes on beyond `count` and `bytes` the rest follows. The lines must come in order, from one "
            "source or with one worker for each.\n"
            "The messages are done when the one made of them is; if it fails, each of them has failed.")
        .example("batch: {count: 500, within: 2s}")
        .example("batch: {bytes: 64KiB, as: lines}")
        .example("batch:\n  begins: not re.match('^[ \\t]', text)\n  as: lines\n  count: 1000");

class Gather : public stage::Operator {
 public:
  Gather(const BatchConfig& config, stage::Context& context) : config_(config) {
    if (config_.begins) context.compile(begins_.emplace(), *config_.begins);
  }

  std::size_t process(stage::Batch& in, std::size_t from, stage::Output& out, runtime::Time now) override {
    std::size_t row = from;
    for (; row < in.size() && out.may_go_on(); ++row) {
      if (config_.as == As::list && !in.is_json(row)) {
        out.fail(in, row, {stage::Reason::decode, "the payload is no JSON, so no list can hold it; `as: lines` can"});
        continue;
      }
      bool ends = held_ && held_->bytes() + in.payload(row).size() > config_.bytes.bytes;
      if (begins_) {
        auto begins = begins_->holds(stage::Message(in, row));
        if (!begins) {
          out.fail(in, row, std::move(begins.failure()));
          continue;
        }
        ends = ends || (held_ && *begins);
      }
      if (ends) {
        send(out);
        if (out.full()) break;
      }
      if (!held_) {
        held_ = std::make_unique<stage::Joint>();
        due_ = now + config_.within;
      }
      out.absorb(in, row);
      held_->take(in, row);
      if (held_->size() >= static_cast<std::size_t>(config_.count) || held_->bytes() >= config_.bytes.bytes) send(out);
    }
    return row;
  }

  std::optional<runtime::Time> tick(runtime::Time now, stage::Output& out) override {
    if (!held_) return std::nullopt;
    if (now < due_) return due_;
    if (out.full()) return now;
    send(out);
    return std::nullopt;
  }

  bool flush(stage::Output& out) override {
    if (!held_) return true;
    if (out.full()) return false;
    send(out);
    return true;
  }

 private:
  void send(stage::Output& out) {
    payload_.clear();
    const bool list = config_.as == As::list;
    if (list) payload_ += '[';
    bool first = true;
    held_->each([&](std::string_view payload) {
      if (!std::exchange(first, false)) payload_ += list ? ',' : '\n';
      payload_ += payload;
    });
    if (list) payload_ += ']';
    const stage::Message made = out.emit(stage::main_port, payload_, held_->entered());
    stage::Joint::carry(std::move(held_), made);
  }

  const BatchConfig config_;
  std::optional<script::Condition> begins_;
  std::unique_ptr<stage::Joint> held_;  // Null where nothing is held.
  runtime::Time due_{};                 // When what is held must go.
  std::string payload_;                 // Reused.
};

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::operator_of<Gather>(config);
  configured.collects = true;
  configured.collects_most = config->count;
  return configured;
});

}  // namespace
}  // namespace weir::stages
