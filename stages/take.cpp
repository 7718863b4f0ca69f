// take: lets the first messages on, then takes nothing more.
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct TakeConfig {
  std::int64_t count = 1;
};

const auto spec =
    config::Spec<TakeConfig>("take", "Lets the first messages on, so many, and then takes nothing more.")
        .scalar(&TakeConfig::count, "How many.", config::at_least(1), config::sample("100"))
        .details(
            "After the last of them the stages before it end, unless somebody else reads what they make, and the "
            "pipeline ends when nothing else keeps it going. What was under way then is dropped and counted as gone; "
            "whoever asked hears that it is done. A message that its source sends again, because it failed further "
            "on, counts again.")
        .example("take: 100");

class Take : public stage::MessageOperator<Take> {
 public:
  using MessageOperator::process;

  Take(const TakeConfig& config, stage::Context&) : left_(config.count) {}

  void process(stage::Message message, stage::Output& out) {
    if (left_ == 0) return out.drop(message, stage::Dropped::gone);
    if (--left_ == 0) out.close();
    out.pass(message);
  }

 private:
  std::int64_t left_;
};

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::operator_of<Take>(config);
  configured.memory = stage::Memory::whole;
  return configured;
});

}  // namespace
}  // namespace weir::stages
