// A machine that is as busy as a test says.
#pragma once
#include <array>

#include "engine/runtime/machine.hpp"

namespace weir::runtime {

/// Idle until told otherwise. One thread.
class SimulatedMachine final : public Machine {
 public:
  void set(Load of, double share) { shares_[static_cast<std::size_t>(of)] = share; }
  /// This it does not tell.
  void hide(Load of) { shares_[static_cast<std::size_t>(of)].reset(); }
  std::optional<double> load(Load of) override { return shares_[static_cast<std::size_t>(of)]; }

 private:
  std::array<std::optional<double>, loads> shares_{0.0, 0.0, 0.0};
};

}  // namespace weir::runtime
