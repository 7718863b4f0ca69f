// rename: moves fields of a message's payload to other names.
#include "engine/message/members.hpp"
#include "engine/message/payload.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct RenameConfig {
  config::Map<config::Path> fields;
};

const auto spec =
    config::Spec<RenameConfig>("rename", "Moves fields of the payload to other names; what is made stands left.")
        .whole(&RenameConfig::fields, "Each new path in the payload, and the path of what moves there.",
               config::not_empty(), config::sample("{message: msg, user.id: uid}"))
        .details(
            "A field that is not there is no failure, and leaves what has the new name as it is; one that is there "
            "takes its place. All are taken out before any is put in, so `{a: b, b: a}` swaps two. A field that only "
            "gets another name stays in its place, unless fields change names among each other; those, and one that "
            "moves elsewhere, go last there, and what is missing on the way is made. A payload that is no object fails "
            "(type).")
        .example("rename: {message: msg, user.id: uid}", "{msg: it is late, uid: 7}")
        .verify([](const RenameConfig& config, config::Written& written) {
          for (const auto& [made, old] : config.fields) {
            if (!config::parse_path(made)) {
              written.error(made, "expected a path in the payload such as a.b as new name, found '" + made + "'",
                            config::path_advice(made));
            }
          }
        });

class Rename : public stage::MessageOperator<Rename> {
 public:
  using MessageOperator::process;

  Rename(const RenameConfig& config, stage::Context&) {
    for (const auto& [made, old] : config.fields) {
      Move& move = moves_.emplace_back();
      move.to = made;
      move.from = old.text;
      const std::size_t dot = made.rfind('.'), old_dot = old.text.rfind('.');
      move.around = made.substr(0, dot == made.npos ? 0 : dot);
      move.in_place = move.around == std::string_view(old.text).substr(0, old_dot == made.npos ? 0 : old_dot);
      move.name = made.substr(dot == made.npos ? 0 : dot + 1);
      move.old_name = old.text.substr(old_dot == made.npos ? 0 : old_dot + 1);
      auto from = message::MemberName::of(old.text), to = message::MemberName::of(made);
      if (from && to) members_.emplace_back(std::move(*from), std::move(*to));
    }
    // Where no two have to do with each other, each may be done before the next is looked at.
    for (const auto& one : moves_) {
      if (one.to != one.from && config::paths_meet(one.to, one.from)) apart_ = false;
      for (const auto& other : moves_) {
        if (&one == &other) break;
        for (const auto& path : {other.to, other.from}) {
          if (config::paths_meet(one.to, path) || config::paths_meet(one.from, path)) apart_ = false;
        }
      }
    }
  }

  void process(stage::Message message, stage::Output& out) {
    if (rename_members(message)) return out.pass(message);
    auto object = message::object_of(message, "fields can only be renamed in an object");
    if (!object) return out.fail(message, std::move(object.failure()));
    message::Document& document = **object;
    found_.assign(moves_.size(), {});
    values_.resize(moves_.size());
    for (std::size_t i = 0; i < moves_.size(); ++i) {
      const Move& move = moves_[i];
      if (apart_ && move.in_place) {
        const auto around = move.around.empty() ? document.root() : document.find_path(move.around);
        if (document.kind(around) == message::Kind::object) {
          document.rename(around, move.old_name, move.name);
          continue;
        }
      }
      found_[i] = document.find_path(move.from);
      if (found_[i]) values_[i] = document.raw(found_[i]);
    }
    for (const auto node : found_) document.remove(node);
    for (std::size_t i = 0; i < moves_.size(); ++i) {
      if (!found_[i] || document.set_path(moves_[i].to, message::Value::json(values_[i]))) continue;
      return out.fail(message, {stage::Reason::type, "'" + moves_[i].from + "' cannot become '" + moves_[i].to +
                                                         "': something on the way is no object"});
    }
    out.pass(message);
  }

 private:
  struct Move {
    std::string to, from;
    bool in_place = false;  // The same object holds both,
    std::string around;     // which stands there; empty: the payload.
    std::string name, old_name;
  };
  bool rename_members(const stage::Message& message) {
    if (!apart_ || members_.size() < moves_.size() || !edits_.begin(message)) return false;
    for (const auto& [from, to] : members_) {
      if (!edits_.rename(from, to)) return false;
    }
    edits_.apply(message);
    return true;
  }

  std::vector<Move> moves_;
  std::vector<std::pair<message::MemberName, message::MemberName>> members_;  // Those moves that are within the root.
  message::MemberEdits edits_;
  bool apart_ = true;
  std::vector<message::Node> found_;      // In the message at hand,
  std::vector<std::string_view> values_;  // and what they are, as JSON.
};

const stage::Register registered(spec, [](auto config) { return stage::operator_of<Rename>(config); });

}  // namespace
}  // namespace weir::stages
