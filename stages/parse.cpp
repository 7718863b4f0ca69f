// parse: makes fields of what the named groups of a regular expression take out of a text.
#include "engine/message/json.hpp"
#include "engine/message/payload.hpp"
#include "engine/script/groups.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct ParseConfig {
  std::string re;
  std::optional<config::Path> of;
};

const auto spec =
    config::Spec<ParseConfig>("parse", "Makes fields of what the named groups of a regular expression take.")
        .field("re", &ParseConfig::re, "The regular expression (RE2). Named groups are written `(?<name>…)`.",
               config::sample("'^(?<user>[^@]+)@(?<host>.+)$'"))
        .required()
        .field("of", &ParseConfig::of,
               "The text, by its path in the payload; the fields are then set in the payload. Left out: the payload "
               "is the text, and an object of the fields takes its place.",
               config::sample("line"))
        .details(
            "It matches anywhere in the text; `^` and `$` bind it to both ends. Bytes that are not UTF-8 match "
            "nothing. "
            "All that is taken is text; a group that took no part makes no field. A text that does not match fails "
            "(decode), a field that is not there fails (missing), one that is no text fails (type).")
        .example("parse: {re: '^(?<method>[A-Z]+) (?<path>[^ ]+)', of: request}", "{request: GET /index.html}")
        .verify([](const ParseConfig& config, config::Written& written) {
          const script::Groups groups(config.re);
          if (!groups.error().empty()) written.error("re", "this regular expression is of no use here", groups.error());
        });

class Parse : public stage::MessageOperator<Parse> {
 public:
  using MessageOperator::process;

  Parse(const ParseConfig& config, stage::Context&) : groups_(config.re), of_(config.of) {}

  void process(stage::Message message, stage::Output& out) {
    message::Document* document = nullptr;
    std::string_view text;
    if (of_) {
      auto object = message::object_of(message, "fields can only be set in an object");
      if (!object) return out.fail(message, std::move(object.failure()));
      document = *object;
      const auto node = document->find_path(of_->text);
      if (!node) return out.fail(message, {stage::Reason::missing, "there is no '" + of_->text + "' in the payload"});
      const auto held = document->string(node);
      if (!held) return out.fail(message, {stage::Reason::type, "'" + of_->text + "' is no text"});
      text = *held;
    } else {
      text = message.text();
    }
    if (!groups_.match(text, values_)) {
      return out.fail(message, {stage::Reason::decode, of_ ? "'" + of_->text + "' does not match the regular expression"
                                                           : "the payload does not match the regular expression"});
    }
    const auto& names = groups_.names();
    if (document) {
      for (std::size_t i = 0; i < values_.size(); ++i) {
        if (values_[i]) document->set(document->root(), names[i], message::Value::string(*values_[i]));
      }
      return out.pass(message);
    }
    made_ = "{";
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (!values_[i]) continue;
      if (made_.size() > 1) made_ += ',';
      message::append_key(made_, names[i]);
      message::append_quoted(made_, *values_[i]);
    }
    made_ += '}';
    message.replace(made_);
    message.batch().mark_json(message.row());
    out.pass(message);
  }

 private:
  const script::Groups groups_;
  const std::optional<config::Path> of_;
  std::vector<std::optional<std::string_view>> values_;  // By group, of the message at hand.
  std::string made_;
};

const stage::Register registered(spec, [](auto config) { return stage::operator_of<Parse>(config); });

}  // namespace
}  // namespace weir::stages
