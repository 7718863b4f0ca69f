// set: sets fields of a message's payload.
#include "engine/script/text.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct SetConfig {
  config::Map<config::Value> fields;
};

const auto spec =
    config::Spec<SetConfig>("set", "Sets fields of the payload; what is made stands left.")
        .whole(&SetConfig::fields, "Each field, by its path in the payload, and what it becomes.", config::not_empty(),
               config::sample("{env: prod, latency_s: '{{ msg.latency_ms / 1000 }}'}"))
        .details(
            "All values are worked out before any field is set, so none sees another's. A value that is nil leaves "
            "its field out. A payload that is no object fails (type).")
        .example("set: {env: prod, latency_s: '{{ msg.latency_ms / 1000 }}', http.status: 200}", "{latency_ms: 12}");

class Set : public stage::MessageOperator<Set> {
 public:
  using MessageOperator::process;

  Set(const SetConfig& config, stage::Context& context) { context.compile(fields_, config.fields); }

  void process(stage::Message message, stage::Output& out) {
    if (auto failure = fields_.set(message)) return out.fail(message, std::move(*failure));
    out.pass(message);
  }

 private:
  script::Fields fields_;
};

const stage::Register registered(spec, [](auto config) { return stage::operator_of<Set>(config); });

}  // namespace
}  // namespace weir::stages
