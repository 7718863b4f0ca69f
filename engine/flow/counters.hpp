// The plain counters of a stage and of an edge. Counted by one core, read by it alone; observe/ publishes copies.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "engine/message/failure.hpp"
#include "engine/observe/dropped.hpp"
#include "engine/observe/histogram.hpp"
#include "engine/observe/snapshot.hpp"
#include "engine/runtime/time.hpp"

namespace weir::flow {

/// What became of the messages of one stage on one core (semantics 22):
/// in + created = out + filtered + absorbed + dropped + failed + in_flight.
struct Counters {
  std::uint64_t in = 0;
  std::uint64_t created = 0;
  std::uint64_t filtered = 0;
  std::uint64_t absorbed = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::vector<std::uint64_t> out;                          ///< By port, in the order of Ports.
  std::array<std::uint64_t, observe::drop_reasons> dropped{};
  std::array<std::uint64_t, message::reasons> failed{};    ///< Unheard failures, by reason.
  std::array<std::uint64_t, message::reasons> errors{};    ///< All failures, heard or not, by reason.
  std::uint64_t restarts = 0;
  std::int64_t in_flight = 0;                              ///< Counted as it is held, never derived.
  std::array<runtime::Duration, observe::states> time{};
  observe::HistogramCells duration;                        ///< Drivers: one message, or one call.
  observe::HistogramCells end_to_end;                      ///< Sinks: from the source's reading to here.
  std::int64_t children = 0;
  std::uint64_t child_restarts = 0;

  void drop(observe::Dropped reason, std::uint64_t messages = 1) { dropped[static_cast<std::size_t>(reason)] += messages; }
};

}  // namespace weir::flow
