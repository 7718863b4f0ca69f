// Programs that several tests of pipelines run.
#pragma once
#include <chrono>

#include "tests/support/bench.hpp"

namespace weir::tests {

/// `work` takes its time, whatever it is told.
inline void slow_work(Bench& bench, runtime::Duration time = std::chrono::milliseconds(10)) {
  bench.runtime.programs().script("work", [time](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({time, "", ""});
    return behaviour;
  });
}

}  // namespace weir::tests
