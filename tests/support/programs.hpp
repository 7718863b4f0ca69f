// Programs that several tests of pipelines run.
#pragma once
#include <chrono>

#include "tests/support/bench.hpp"

namespace weir::tests {

/// `work` takes 10 ms, whatever it is told.
inline void slow_work(Bench& bench) {
  bench.runtime.programs().script("work", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({std::chrono::milliseconds(10), "", ""});
    return behaviour;
  });
}

}  // namespace weir::tests
