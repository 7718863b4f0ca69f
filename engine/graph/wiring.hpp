// The ways out of a stage: to the operator fused behind it, or along edges to others.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "engine/flow/channel.hpp"
#include "engine/script/text.hpp"
#include "engine/stage/common.hpp"

namespace weir::graph {

struct Node;

/// What a run is, where replicas share the work and their reader finds the order again (semantics 9): messages that one
/// replica gets in one go, followed by a mark. Readers take a run from each replica in turn.
enum class Runs : std::uint8_t {
  none,   ///< There are no replicas, or they need not keep the order.
  piece,  ///< To replicas: each batch sent is a run.
  passed  ///< From a replica: what became of one run that it got, be it nothing.
};

/// By what the replicas of a reader share its messages, where all of one key are one replica's (`order: {key: …}`).
struct ByKey {
  explicit ByKey(const config::Template& written) : text(&written) {}
  const config::Template* text;        ///< The plan's.
  script::Text key;                    ///< Compiled on the sender's core, who works it out once for both.
  std::vector<message::Batch*> parts;  ///< By edge, while a piece is split: else null.
};

/// One reader of a port. Its edges are one, or one for each of its replicas: dealt to by key, or in turn where that
/// keeps the order, else to whoever has least to do.
struct Branch {
  std::string to;  ///< The reader.
  std::vector<flow::Edge*> edges;
  std::vector<std::optional<runtime::Time>> full_since;  ///< Of each edge.
  std::optional<ByKey> by_key;
  std::size_t next = 0;
  std::size_t step = 1;  ///< To the edge of the next run.
  Runs runs = Runs::none;
  stage::WhenFull when_full = stage::WhenFull::block;
  runtime::Duration patience{};  ///< Before an edge that is full fails or drops.

  void connect(flow::Edge& made) {
    edges.push_back(&made);
    full_since.emplace_back();
  }
  flow::Edge& edge() const noexcept { return *edges[next]; }
  void go_on() noexcept { next = (next + step) % edges.size(); }
  /// Before a piece is sent: where the order is free, to the replica with the fewest messages on their way to it and in
  /// its hands; among equals in turn. One that is slow so holds up only what it has.
  void choose() noexcept {
    if (runs != Runs::none || edges.size() < 2) return;
    std::size_t best = next;
    std::uint64_t least = ~std::uint64_t{0};
    for (std::size_t i = 0; i < edges.size(); ++i) {
      const std::size_t at = (next + i) % edges.size();
      const std::uint64_t has = edges[at]->sent() - edges[at]->released();
      if (edges[at]->closed() || has >= least) continue;
      least = has;
      best = at;
    }
    next = best;
  }
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
