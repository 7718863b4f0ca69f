// where: lets on the messages for which a condition holds; the others leave by .else, or go no further.
#include "engine/script/condition.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct WhereConfig {
  config::Lua condition;
};

const auto spec =
    config::Spec<WhereConfig>("where", "Lets on the messages for which a condition holds; the others leave by .else.")
        .scalar(&WhereConfig::condition, "The condition, in Lua.", config::sample("msg.level == \"error\""))
        .details(
            "Where nobody reads .else the others go no further. A condition changes nothing; one that cannot be "
            "answered, because a field is missing, fails the message. As in Lua only nil and false do not hold; JSON's "
            "null is a value and holds.")
        .example("where: msg.level == \"error\" and (msg.status or 0) >= 500", "{level: error, status: 503}");

class Where : public stage::MessageOperator<Where> {
 public:
  using MessageOperator::process;

  Where(const WhereConfig& config, stage::Context& context) { context.compile(condition_, config.condition); }

  void process(stage::Message message, stage::Output& out) {
    auto holds = condition_.holds(message);
    if (!holds) return out.fail(message, std::move(holds.failure()));
    if (*holds) return out.pass(message);
    if (out.heard(otherwise)) return out.send(otherwise, message);
    out.filter(message);
  }

 private:
  static constexpr stage::Port otherwise = stage::first_own_port;
  script::Condition condition_;
};

const stage::Register registered(spec, [](auto config) { return stage::operator_of<Where>(config).port("else"); });

}  // namespace
}  // namespace weir::stages
