// The plain counters of a stage. Counted by one core, read by it alone; observe/ publishes copies.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/message/failure.hpp"
#include "engine/observe/dropped.hpp"
#include "engine/observe/histogram.hpp"
#include "engine/observe/snapshot.hpp"
#include "engine/runtime/time.hpp"

namespace weir::flow {

#ifdef WEIR_UNCOUNTED
/// In the benchmark that asks what counting costs, a cell counts nothing.
inline constexpr bool counting = false;
template <class Number>
struct Cell {
  Cell() = default;
  Cell(Number) {}
  operator Number() const { return {}; }
  Cell& operator+=(Number) { return *this; }
  Cell& operator-=(Number) { return *this; }
  Cell& operator++() { return *this; }
  Cell& operator--() { return *this; }
};
#else
inline constexpr bool counting = true;
template <class Number>
using Cell = Number;
#endif

/// What became of the messages of one stage on one core (semantics 22):
/// in + created = out + filtered + absorbed + dropped + failed + in_flight.
struct Counters {
  Cell<std::uint64_t> in{};
  Cell<std::uint64_t> created{};
  Cell<std::uint64_t> filtered{};
  Cell<std::uint64_t> absorbed{};
  Cell<std::uint64_t> bytes_in{};
  Cell<std::uint64_t> bytes_out{};
  std::vector<Cell<std::uint64_t>> out;  ///< By port, in the order of Ports.
  std::array<Cell<std::uint64_t>, observe::drop_reasons> dropped{};
  std::array<Cell<std::uint64_t>, message::reasons> failed{};  ///< Unheard failures, by reason.
  std::array<Cell<std::uint64_t>, message::reasons> errors{};  ///< All failures, heard or not, by reason.
  std::uint64_t restarts = 0;
  Cell<std::int64_t> in_flight{};  ///< Counted as it is held, never derived.
  std::array<Cell<runtime::Duration>, observe::states> time{};
  observe::HistogramCells duration;  ///< Sinks: one message. Calls: one call.
  std::int64_t children = 0;
  std::uint64_t child_restarts = 0;
  observe::Counts http_refused;              ///< As StageSnapshot::http_refused.
  std::optional<std::int64_t> behind_bytes;  ///< Likewise.

  void drop(observe::Dropped reason, std::uint64_t messages = 1) {
    dropped[static_cast<std::size_t>(reason)] += messages;
  }
};

}  // namespace weir::flow
