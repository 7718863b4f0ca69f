// What real and simulated cores have in common: coroutines need no more of a core than its executor and its alarms.
#pragma once
#include <cstdint>

#include "engine/runtime/core.hpp"

namespace weir::runtime {

class BasicCore : public Core {
 public:
  Task<> sleep_until(Time when) override;
  void resume(Ready& ready) noexcept override;
  Task<> yield() override;
  Task<bool> give_way() override;
  std::unique_ptr<Coroutine> spawn(Task<> body, std::function<void(std::exception_ptr)> ended) override;

 protected:
  /// On this core.
  void go_on(Ready& ready) noexcept {
    ++turns_;
    ready.go_on(ready);
  }

 private:
  std::uint64_t turns_ = 0;  // Of what was ready or had yielded.
};

}  // namespace weir::runtime
