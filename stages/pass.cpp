// pass: lets every message on as it is.
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct PassConfig {};

const auto spec = config::Spec<PassConfig>("pass", "Lets every message on as it is.")
                      .details("It names a place where several stages meet, or makes room for one with `edge`.")
                      .example("pass: {}");

class Pass : public stage::Operator {
 public:
  Pass(const PassConfig&, stage::Context&) {}

  std::size_t process(stage::Batch& in, std::size_t from, stage::Output& out, runtime::Time) override {
    out.pass_rest(in, from);
    return in.size();
  }
};

const stage::Register registered(spec, [](auto config) { return stage::operator_of<Pass>(config); });

}  // namespace
}  // namespace weir::stages
