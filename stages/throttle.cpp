// throttle: lets messages on no faster than its limit says.
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

const auto spec =
    stage::limit_spec_of("throttle", "Lets messages on no faster than a limit says.")
        .details("The same words as in `limit`. What comes too early waits, fails or is dropped (`over`).")
        .example("throttle: {rate: 100/m, burst: 10}")
        .example("throttle: 10/s");

/// All there is to do is done by the limit before it.
class Throttle final : public stage::Call {
 public:
  Throttle(const stage::LimitConfig&, stage::Context&) {}
  stage::Task<message::Done> call(stage::Message) override { co_return std::nullopt; }
};

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::call_of<Throttle>(config);
  configured.brings_result = false;
  configured.limit = *config;
  return configured;
});

}  // namespace
}  // namespace weir::stages
