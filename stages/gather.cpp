// gather: makes one message again of all that one list became.
#include <algorithm>
#include <deque>
#include <map>
#include <mutex>

#include "engine/message/expanded.hpp"
#include "engine/message/group.hpp"
#include "engine/message/json.hpp"
#include "engine/message/payload.hpp"
#include "engine/runtime/assert.hpp"
#include "engine/stage/joint.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct GatherConfig {
  std::string of;
  std::string into;
};

const auto spec =
    config::Spec<GatherConfig>("gather", "Makes one message again of all that one list became.")
        .field("of", &GatherConfig::of, "The stage that made the messages: an `expand`, or a `generate` with `each`.",
               config::not_empty(), config::sample("input"))
        .required()
        .field("into", &GatherConfig::into, "The field of the new message that holds the list of their payloads.",
               config::not_empty(), config::sample("items"))
        .required()
        .details(
            "It leaves once every message of one `expand`, or of one tick of `generate`, has arrived here, has been "
            "dropped or has failed: those that arrived, in the order in which they were made, whatever overtook what "
            "on the way. A list of which nothing arrives leaves as an empty one, with the metadata of the message that "
            "was expanded, which is done with it. To have the failed ones in it, read "
            "`STAGE.failed` as well, or say `on_error: pass`. The new message has the metadata of the one that arrived "
            "first; when it is done, so are all of which it was made. At most 1,000 lists are open at once: messages "
            "of further ones fail here, as do those that belong to no list of that stage, or to one that has left: a "
            "failed message that its source sends again comes too late where the others did not wait.")
        .example("gather: {of: input, into: items}");

class Gather : public stage::Operator, private message::Groups::Listener {
 public:
  Gather(const GatherConfig& config, stage::Context& context)
      : of_(config.of), groups_(context.gathers), once_(context.gathers_once) {
    WEIR_ASSERT(groups_, "what a gather waits for is known");
    message::append_quoted(opening_, config.into);
    opening_ = "{" + opening_ + ":[";
    wake_ = context.wake;
    groups_->listen(*this);
  }
  ~Gather() override {
    groups_->leave(*this);
    for (const auto& list : complete_) {
      if (list.made_of && !open_.contains(list.group)) list.made_of->stop();
    }
  }

  std::size_t process(stage::Batch& in, std::size_t from, stage::Output& out, runtime::Time) override {
    std::size_t row = from;
    for (; row < in.size() && out.may_go_on(); ++row) {
      const stage::Message message(in, row);
      out.mark(in, row);
      const message::GroupMark* const mark = mark_of(message);
      if (!mark || mark->group().complete()) {
        out.fail(message, {stage::Reason::missing,
                           mark ? "the list that this message was part of has left already"
                                : "this message is no part of a list of '" + of_ + "', or of one too many"});
        continue;
      }
      if (!message::json_of(message)) {
        out.fail(message, message::not_json(message));
        continue;
      }
      take(message, *mark, out);
    }
    return row;
  }

  std::optional<runtime::Time> tick(runtime::Time now, stage::Output& out) override {
    return send_complete(out, now) ? std::nullopt : std::optional(now);
  }
  /// Of a list that is not complete nothing is let go: what is missing is still on its way.
  bool flush(stage::Output& out) override { return send_complete(out, out.core().now()); }
  bool finish(stage::Output& out) override {
    if (!flush(out)) return false;
    // Nothing comes any more.
    while (!open_.empty() && !out.full()) send(open_.begin(), out);
    return open_.empty();
  }

 private:
  struct Part {
    std::size_t position;
    std::string payload;
  };
  struct Open {
    std::vector<Part> parts;
    std::unique_ptr<stage::Joint> joint = std::make_unique<stage::Joint>();
    message::Metadata metadata;  // Of the first.
  };
  struct Complete {
    std::uint64_t group = 0;
    std::shared_ptr<const message::Expanded> made_of;
  };

  const message::GroupMark* mark_of(const stage::Message& message) const {
    const auto* metadata = message.metadata();
    if (!metadata) return nullptr;
    for (const auto& mark : metadata->groups) {
      if (mark.group().of() == groups_.get()) return &mark;
    }
    return nullptr;
  }

  void take(const stage::Message& message, const message::GroupMark& mark, stage::Output& out) {
    Open& open = open_[mark.group().number()];
    open.parts.push_back({mark.position(), std::string(message.batch().payload(message.row()))});
    auto& metadata = message.edit_metadata();
    // Taken out of the row now: the batch may live on.
    const auto own = std::find_if(metadata.groups.begin(), metadata.groups.end(),
                                  [&](const auto& other) { return other.group().of() == groups_.get(); });
    const message::GroupMark arrived = std::move(*own);
    metadata.groups.erase(own);
    if (open.parts.size() == 1) open.metadata = metadata;
    metadata.groups.clear();
    out.absorb(message.batch(), message.row());
    open.joint->take(message.batch(), message.row());
  }

  bool send_complete(stage::Output& out, runtime::Time now) {
    for (;;) {
      if (out.full()) return false;
      Complete next;
      {
        const std::lock_guard lock(mutex_);
        if (complete_.empty()) return true;
        next = std::move(complete_.front());
        complete_.pop_front();
      }
      const auto found = open_.find(next.group);
      if (found != open_.end()) {
        send(found, out);
      } else {
        send_empty(next, out, now);
      }
    }
  }

  void send_empty(const Complete& list, stage::Output& out, runtime::Time now) {
    const auto& made_of = list.made_of;
    const stage::Message made = out.emit(stage::main_port, opening_ + "]}", made_of ? made_of->entered() : now);
    if (made_of) made_of->carry(made);
  }

  void send(std::map<std::uint64_t, Open>::iterator found, stage::Output& out) {
    payload_ = opening_;
    Open& open = found->second;
    std::stable_sort(open.parts.begin(), open.parts.end(),
                     [](const Part& one, const Part& other) { return one.position < other.position; });
    for (const auto& part : open.parts) {
      if (&part != &open.parts.front()) payload_ += ',';
      payload_ += part.payload;
    }
    payload_ += "]}";
    const stage::Message made = out.emit(stage::main_port, payload_, open.joint->entered());
    made.edit_metadata() = std::move(open.metadata);
    if (once_) open.joint->fail_for_good();
    stage::Joint::carry(std::move(open.joint), made);
    open_.erase(found);
  }

  void completed(std::uint64_t group, const std::shared_ptr<const message::Expanded>& made_of) noexcept override {
    {
      const std::lock_guard lock(mutex_);
      complete_.push_back({group, made_of});
    }
    wake_();
  }

  const std::string of_;
  const std::shared_ptr<message::Groups> groups_;
  const bool once_;
  std::function<void()> wake_;
  std::string opening_, payload_;
  std::map<std::uint64_t, Open> open_;  // By number, so by age.
  std::mutex mutex_;
  std::deque<Complete> complete_;  // Told by whoever let go of the last message, on any core.
};

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::operator_of<Gather>(config);
  configured.collects = true;
  configured.gathers = config->of;
  return configured;
});

}  // namespace
}  // namespace weir::stages
