// drop: takes every message and throws it away.
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct DropConfig {};

const auto spec = config::Spec<DropConfig>("drop", "Takes every message and throws it away.")
                      .details("Counted as dropped, reason configured. Whoever asked hears that it is done.")
                      .example("drop: {}");

class Drop : public stage::Operator {
 public:
  Drop(const DropConfig&, stage::Context&) {}

  std::size_t process(stage::Batch& in, std::size_t from, stage::Output& out, runtime::Time) override {
    out.drop_rest(in, from, stage::Dropped::configured);
    return in.size();
  }
};

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::operator_of<Drop>(config);
  configured.main_output = false;
  return configured;
});

}  // namespace
}  // namespace weir::stages
