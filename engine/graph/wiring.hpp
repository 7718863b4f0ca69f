// The ways out of a stage: to the operator fused behind it, or along edges to others.
#pragma once
#include <vector>

#include "engine/flow/channel.hpp"
#include "engine/stage/common.hpp"

namespace weir::graph {

struct Node;

/// One reader of a port. Its edges are one, or one for each of its replicas, dealt to in turn.
struct Branch {
  std::vector<flow::Edge*> edges;
  std::size_t next = 0;
  bool deals_runs = false;  ///< Each batch is a run of its own with its mark, so that the order can be found again.
  stage::WhenFull when_full = stage::WhenFull::block;

  bool closed() const noexcept {
    for (const auto* edge : edges) {
      if (!edge->closed()) return false;
    }
    return true;
  }
};

/// Where what leaves by a port goes: one of the two, or nowhere.
struct Target {
  Node* fused = nullptr;
  std::vector<Branch> branches;
};

}  // namespace weir::graph
