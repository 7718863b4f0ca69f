// Runs one coroutine on a real core, from start to end.
#pragma once
#include <exception>
#include <functional>
#include <memory>

#include "engine/runtime/real.hpp"

namespace weir::runtime {

/// `body` makes the coroutine; an exception that leaves it leaves this too. With `stop_soon` it is stopped after a few
/// turns of the loop, when it has long reached its wait.
inline void on_core(RealRuntime& runtime, const std::function<Task<>(Core&)>& body, bool stop_soon = false) {
  std::unique_ptr<Coroutine> coroutine, stopper;
  std::exception_ptr error;
  std::function<void(int)> stop_after = [&](int turns) {
    if (turns == 0)
      coroutine->stop();
    else
      runtime.core(0).post([&, turns] { stop_after(turns - 1); });
  };
  runtime.run([&] {
    coroutine = runtime.core(0).spawn(body(runtime.core(0)), [&](std::exception_ptr thrown) {
      error = thrown;
      runtime.stop();
    });
    if (stop_soon) stop_after(20);
  });
  if (error) std::rethrow_exception(error);
}

inline void on_core(const std::function<Task<>(Core&)>& body, bool stop_soon = false) {
  const auto runtime = make_real(Options{});
  on_core(*runtime, body, stop_soon);
}

}  // namespace weir::runtime
