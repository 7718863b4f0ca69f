// What is known about a running program at one moment, as plain data: filled in by whoever runs it, read by /metrics,
// /graph, the progress line and `weir why`.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/observe/dropped.hpp"
#include "engine/observe/histogram.hpp"
#include "engine/runtime/time.hpp"

namespace weir::observe {

/// What a worker of a stage does with its time. The four sum to wall seconds × workers.
enum class State : std::uint8_t {
  busy,           ///< Computing.
  idle,           ///< Waiting for input.
  backpressured,  ///< Waiting for credit of an output.
  outside,        ///< Waiting for the outside: a call, a child, a timer.
};
inline constexpr std::size_t states = 4;

constexpr std::string_view word(State state) {
  constexpr std::array<std::string_view, states> words{"busy", "idle", "backpressured", "outside"};
  return words[static_cast<std::size_t>(state)];
}

/// A count with the word of a closed list it belongs to: a port, a kind of failure.
using Counts = std::vector<std::pair<std::string, std::uint64_t>>;

/// Adds to the count of a word; appends the word where it is new.
void add(Counts& counts, std::string_view word, std::uint64_t count);
/// The count of a word; 0 where it does not stand.
std::uint64_t count_of(const Counts& counts, std::string_view word);
std::uint64_t total(const Counts& counts);

/// What a stage remembers of its calls.
struct CacheCells {
  std::uint64_t fresh = 0;   ///< Messages that found an answer,
  std::uint64_t stale = 0;   ///< found one to be renewed,
  std::uint64_t miss = 0;    ///< made a call,
  std::uint64_t shared = 0;  ///< or got what a call brought that was under way.
  std::uint64_t evicted = 0;
  std::int64_t entries = 0, bytes = 0;
};

/// The cells of one stage, all taken at the same moment of its core: unaccounted() is 0 in every one of them. Counts
/// are messages since the run began and never go back, not even over a restart of the stage.
struct StageSnapshot {
  std::string stage;  ///< Its name in the file.
  std::string kind;   ///< `throttle`.

  std::uint64_t in = 0;        ///< Taken from its inbox, or lost on an edge that leads to it.
  std::uint64_t created = 0;   ///< Made by the stage: read from outside, or the m - n more of expanding n into m.
  Counts out;                  ///< Sent, once per port, not per reader. List every port the stage has, at 0 too.
  std::uint64_t filtered = 0;  ///< Ended here because a condition said so.
  std::uint64_t absorbed = 0;  ///< Became part of something else: a batch, a window, a sink's outside.
  std::array<std::uint64_t, drop_reasons> dropped{};  ///< By Dropped.
  std::uint64_t failed = 0;    ///< Failed, and nobody listened; one that somebody listens to is out{port="failed"}.
  std::int64_t in_flight = 0;  ///< Counted from what the stage holds now, never derived from the others.

  /// Every failure by its kind: unheard, heard on `.failed`, or dropped or passed by `on_error`. List every kind, at 0
  /// too: a series that first appears at 1 looks to rate() as if nothing had happened.
  Counts errors;

  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::array<double, states> state_s{};  ///< By State, seconds.
  std::int64_t workers = 1;              ///< Right now.
  std::uint64_t restarts = 0;            ///< By supervision, after a fault.
  bool fused = false;                    ///< Runs inside the stage before it: no channel between them. For /graph.

  std::optional<HistogramCells> duration;  ///< One message of a sink, or one call.
  /// Of a sink: from a source's reading until the sink was done with it, by the source. List every source whose
  /// messages may come to it.
  std::vector<std::pair<std::string, HistogramCells>> end_to_end;
  std::optional<std::int64_t> ack_pending;    ///< Open messages of a source.
  std::optional<std::uint64_t> ack_replayed;  ///< Sent again by a source after a failure that may pass.
  /// Requests that the stage's server answered itself, so that no message came of them, by the status that it told.
  /// Empty of a stage that has none.
  Counts http_refused;
  std::optional<std::int64_t> behind_bytes;  ///< Of a source that follows files: what of them it has not read yet.
  std::optional<std::int64_t> children;      ///< Child processes that run now. Stands on what starts some.
  std::optional<std::uint64_t> child_restarts;
  std::optional<std::string> breaker;               ///< closed, open or half_open: the worst of its keys.
  std::optional<std::int64_t> breaker_not_closed;   ///< So many of its keys are not closed.
  std::optional<std::uint64_t> breaker_overflowed;  ///< Calls of keys that had to share one circuit.
  std::optional<std::int64_t> limit_waiting;        ///< Messages that wait for their limit.
  std::optional<double> limit_wait_s;               ///< How long messages have waited for it, all together.
  std::optional<double> limit_tokens;               ///< Of a limit without keys: what could go at once.
  std::optional<std::uint64_t> limit_overflowed;    ///< Tokens asked for by keys that had to share one bucket.
  std::optional<double> limit_load;         ///< Of a limit by the machine's load: that, as last looked at; 0 … 1.
  std::optional<bool> limit_busy;           ///< Of such a one: nothing begins.
  std::optional<std::uint64_t> retries;     ///< Calls made again.
  std::optional<std::uint64_t> hedges;      ///< Calls made beside others that took long,
  std::optional<std::uint64_t> hedges_won;  ///< and those of them whose answer counted.
  std::optional<CacheCells> cache;

  std::uint64_t& dropped_by(Dropped reason) { return dropped[static_cast<std::size_t>(reason)]; }

  std::uint64_t all_dropped() const noexcept;  ///< Over the reasons.

  /// Adds the cells of another replica of the same stage.
  void merge(const StageSnapshot& other);
};

/// An edge between two stages that are not fused, those of replicas added up: depth + held + credits == capacity. Its
/// figures are read one after the other, so they are only roughly of one moment.
struct ChannelSnapshot {
  std::string from;
  std::string port = "main";
  std::string to;
  std::int64_t capacity = 0;   ///< Messages.
  std::int64_t depth = 0;      ///< Sent, not yet received.
  std::int64_t held = 0;       ///< Received, credit not yet given back.
  std::int64_t placeless = 0;  ///< Received and not yet done with, where that takes no place: it drops its oldest.
  std::int64_t credits = 0;    ///< Free places.
  std::int64_t bytes = 0;      ///< Charged for depth and held.
  double oldest_s = 0;         ///< How long the oldest of those not yet received has waited.
  std::string name() const { return from + "." + port + "->" + to; }
};

struct PipelineSnapshot {
  std::string pipeline;     ///< File name without .yaml.
  std::string config_hash;  ///< Pipeline::hash.
  std::vector<StageSnapshot> stages;
  std::vector<ChannelSnapshot> channels;
};

/// What the system says of this process.
struct ProcessSnapshot {
  double cpu_s = 0;
  double started_s = 0;  ///< Unix seconds.
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
};
/// Reads /proc/self: about 50 µs of blocking, meant for a scrape. Nothing where /proc is not there.
std::optional<ProcessSnapshot> read_process();

struct Snapshot {
  std::string version;
  runtime::WallTime started{};  ///< When the run began.
  std::int64_t memory_budget_bytes = 0;
  std::int64_t memory_used_bytes = 0;
  std::optional<ProcessSnapshot> process;
  std::vector<PipelineSnapshot> pipelines;
};

/// The law of conservation: in + created = out + filtered + absorbed + dropped + failed + in_flight. What is left over,
/// 0 unless the engine is wrong: above 0 messages vanished, below 0 some were counted twice.
std::int64_t unaccounted(const StageSnapshot& stage);
/// The sum over the stages of their absolute values, so that two wrongs make no right.
std::int64_t unaccounted(const PipelineSnapshot& pipeline);

}  // namespace weir::observe
