// meta: sets metadata, which travels with a message beside its payload.
#include "engine/script/text.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct MetaConfig {
  config::Map<config::Value> values;
};

const auto spec =
    config::Spec<MetaConfig>("meta", "Sets metadata, which travels with a message beside its payload.")
        .whole(&MetaConfig::values, "Each name, and what it becomes: a text, a number, true or false.",
               config::not_empty(), config::not_named({message::metadata_names.begin(), message::metadata_names.end()}),
               config::sample("{tenant: '{{ msg.tenant }}', source: shop}"))
        .details(
            "Read it as `meta.name` in Lua. All values are worked out before any is set. A value that is nil leaves "
            "what there is. A list or a table fails (type).")
        .example("meta: {tenant: '{{ msg.tenant }}', source: shop}", "{tenant: t1}")
        .verify([](const MetaConfig& config, config::Written& written) {
          for (const auto& [name, value] : config.values) {
            using Kind = config::Value::Kind;
            if (value.kind == Kind::list || value.kind == Kind::map) {
              written.error(name, "metadata is a text, a number, true or false",
                            "lists and maps belong in the payload");
            }
          }
        });

class Meta : public stage::MessageOperator<Meta> {
 public:
  using MessageOperator::process;

  Meta(const MetaConfig& config, stage::Context& context) : texts_(config.values.size()) {
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      names_.push_back(config.values[i].first);
      context.compile(texts_[i], config.values[i].second);
    }
    values_.resize(texts_.size());
  }

  void process(stage::Message message, stage::Output& out) {
    bool any = false;
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      values_[i].clear();
      auto wrote = texts_[i].json(message, values_[i]);
      if (!wrote) return out.fail(message, std::move(wrote.failure()));
      if (!*wrote) continue;
      if (values_[i].starts_with('{') || values_[i].starts_with('[')) {
        return out.fail(message, {stage::Reason::type, "meta." + names_[i] + " holds a text, a number, true or false"});
      }
      any = true;
    }
    if (any) {
      auto& own = message.edit_metadata().own;
      for (std::size_t i = 0; i < texts_.size(); ++i) {
        if (!values_[i].empty()) own[names_[i]] = values_[i];
      }
    }
    out.pass(message);
  }

 private:
  std::vector<script::Tree> texts_;
  std::vector<std::string> names_, values_;  // As JSON, of the message at hand; empty: nil.
};

const stage::Register registered(spec, [](auto config) { return stage::operator_of<Meta>(config); });

}  // namespace
}  // namespace weir::stages
