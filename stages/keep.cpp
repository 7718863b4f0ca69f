// keep: takes all fields out of a message's payload but some.
#include "engine/message/members.hpp"
#include "engine/message/paths.hpp"
#include "engine/message/payload.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct KeepConfig {
  std::vector<config::Path> paths;
};

const auto spec =
    config::Spec<KeepConfig>("keep", "Takes all fields out of the payload but these.")
        .whole(&KeepConfig::paths, "The fields that stay, by their paths in the payload.", config::not_empty(),
               config::sample("[ts, user.id]"))
        .details(
            "They stay where they are, in the order they came in: `user.id` keeps user with nothing but its id. A "
            "field that is not there is no failure; where none of them is, an empty object goes on. A payload that is "
            "no object fails (type).")
        .example("keep: [ts, user.id]", "{ts: 1, user: {id: 7, email: a@example.org}}");

class Keep : public stage::MessageOperator<Keep> {
 public:
  using MessageOperator::process;

  Keep(const KeepConfig& config, stage::Context&) {
    for (const auto& path : config.paths) {
      kept_.add(path.text);
      if (auto member = message::MemberName::of(path.text)) members_.push_back(std::move(*member));
    }
    all_members_ = members_.size() == config.paths.size();
  }

  void process(stage::Message message, stage::Output& out) {
    if (all_members_ && edits_.begin(message)) {
      edits_.keep_only(members_);
      edits_.apply(message);
      return out.pass(message);
    }
    auto document = message::object_of(message, "fields can only be kept of an object");
    if (!document) return out.fail(message, std::move(document.failure()));
    const auto root = (*document)->root();
    if (!kept_.keep(**document, root)) (*document)->keep_only(root, {});
    out.pass(message);
  }

 private:
  message::PathTree kept_;
  std::vector<message::MemberName> members_;  // Those paths that are one.
  bool all_members_ = false;
  message::MemberEdits edits_;
};

const stage::Register registered(spec, [](auto config) { return stage::operator_of<Keep>(config); });

}  // namespace
}  // namespace weir::stages
