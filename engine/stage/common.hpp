// The keys that stages have in common, beside their kind.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/spec.hpp"
#include "engine/stage/output.hpp"
#include "engine/stage/policies.hpp"

namespace weir::stage {

enum class Order : std::uint8_t { kept, free, by_key };
enum class WhenFull : std::uint8_t { block, fail, drop_newest, drop_oldest };

/// What one edge is told.
struct EdgeLimits {
  std::optional<std::int64_t> capacity;
  std::optional<config::Size> bytes;
  std::optional<WhenFull> when_full;
  std::optional<config::Duration> after;
  config::Place place;
};

/// The places of an edge on one core that is told nothing: what workers have in hand has its places there, too.
constexpr std::int64_t places_on_core(std::int64_t workers) { return workers > 128 ? workers : 128; }

/// `edge:`
struct EdgeConfig : EdgeLimits {
  config::Map<EdgeLimits> inputs;  ///< Of those that are told something else, by what `from` calls them.
};

enum class Store : std::uint8_t { memory };

/// `state:`
struct StateConfig {
  config::Template key;
  config::Duration forget{};
  std::int64_t keys = 100'000;
  Store store = Store::memory;
};

/// `order:`, a word or a map.
struct OrderConfig {
  Order word = Order::kept;
  std::optional<config::Template> key;

  Order order() const { return key ? Order::by_key : word; }
  bool operator==(Order other) const { return order() == other; }
};

/// What `workers: adaptive` is as a number.
inline constexpr std::int64_t adaptive_workers = 0;

struct Common {
  std::vector<std::string> from;
  config::Place place;
  std::optional<EdgeConfig> edge;
  std::optional<std::int64_t> attempts;  ///< Of a source.
  std::int64_t workers = 1;              ///< Or adaptive_workers.
  OrderConfig order;
  std::optional<config::Map<config::Value>> merge;
  std::optional<StateConfig> state;
  std::optional<LimitConfig> limit;
  std::optional<BreakerConfig> breaker;
  std::optional<RetryConfig> retry;
  std::optional<CacheConfig> cache;
  std::optional<HedgeConfig> hedge;
  std::optional<config::Duration> timeout, deadline;
  OnError on_error = OnError::fail;
  std::string description;

  /// Of the edge from this input, as `from` calls it.
  EdgeLimits edge_from(std::string_view input) const;
};

/// Reads all of them; its keys are the words a kind can't have.
const config::Spec<Common>& common_spec();
/// The key that stands in the place of a kind and holds a list of operators; and what there is to say of it.
inline constexpr std::string_view do_key = "do";
const config::Declaration& do_declaration();
/// Common keys and kinds of the language that this version refuses by name. Ask only where neither is known: a kind
/// that has come needs no line taken out here.
bool comes_later(std::string_view word);

}  // namespace weir::stage
