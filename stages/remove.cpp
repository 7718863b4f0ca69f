// remove: takes fields out of a message's payload.
#include "engine/message/members.hpp"
#include "engine/message/payload.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct RemoveConfig {
  std::vector<config::Path> paths;
};

const auto spec =
    config::Spec<RemoveConfig>("remove", "Takes fields out of the payload.")
        .whole(&RemoveConfig::paths, "The fields, by their paths in the payload.", config::not_empty(),
               config::sample("[host, user.email]"))
        .details(
            "A field that is not there is no failure. All are found before any goes: `[items.0, items.1]` takes the "
            "first two out of a list. The last one that goes leaves an empty object or list behind. A payload that is "
            "no object fails (type).")
        .example("remove: [host, user.email]", "{host: h1, user: {id: 7, email: a@example.org}}");

class Remove : public stage::MessageOperator<Remove> {
 public:
  using MessageOperator::process;

  Remove(const RemoveConfig& config, stage::Context&) : paths_(config.paths) {
    for (const auto& path : paths_) {
      if (auto member = message::MemberName::of(path.text)) members_.push_back(std::move(*member));
    }
  }

  void process(stage::Message message, stage::Output& out) {
    if (remove_members(message)) return out.pass(message);
    auto document = message::object_of(message, "fields can only be removed from an object");
    if (!document) return out.fail(message, std::move(document.failure()));
    found_.clear();
    for (const auto& path : paths_) {
      if (const auto node = (*document)->find_path(path.text)) found_.push_back(node);
    }
    for (const auto node : found_) (*document)->remove(node);
    out.pass(message);
  }

 private:
  bool remove_members(const stage::Message& message) {
    if (members_.size() < paths_.size() || !edits_.begin(message)) return false;
    for (const auto& member : members_) {
      if (!edits_.remove(member)) return false;
    }
    edits_.apply(message);
    return true;
  }

  const std::vector<config::Path> paths_;
  std::vector<message::MemberName> members_;  // Those paths that are one.
  message::MemberEdits edits_;
  std::vector<message::Node> found_;  // Of the message at hand.
};

const stage::Register registered(spec, [](auto config) { return stage::operator_of<Remove>(config); });

}  // namespace
}  // namespace weir::stages
