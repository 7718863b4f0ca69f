// One channel with a planted fault: the namespace is renamed, so that it stands beside the one that ships.
// Before including: #define WEIR_MUTANT N and #define flow flow_mutant.
#pragma once
#include "engine/flow/channel.cpp"
#include "tests/threads/litmus.hpp"

namespace weir::tests {

/// Whether the litmus finds the fault, at some capacity.
inline bool litmus_finds_it(int senders, bool close = false) {
  for (int round = 0; round < 3000; ++round) {
    for (const std::uint32_t capacity : {1u, 2u, 4u}) {
      LitmusSetting setting;
      setting.capacity = capacity;
      setting.senders = senders;
      setting.messages = close ? 200 : 300'000;
      setting.close_after = close ? 1 + static_cast<std::uint64_t>(round % 17) : 0;
      if (!run_litmus(setting).ok()) return true;
    }
    if (!close && round == 4) break;
  }
  return false;
}

}  // namespace weir::tests
