// What real and simulated cores have in common: coroutines need no more of a core than its executor and its alarms.
#pragma once
#include "engine/runtime/core.hpp"

namespace weir::runtime {

class BasicCore : public Core {
 public:
  Task<> sleep_until(Time when) override;
  void resume(Ready& ready) noexcept override;
  Task<> yield() override;
  std::unique_ptr<Coroutine> spawn(Task<> body, std::function<void(std::exception_ptr)> ended) override;
};

}  // namespace weir::runtime
