#include "engine/observe/snapshot.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace weir::observe {

void add(Counts& counts, std::string_view word, std::uint64_t count) {
  const auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& entry) { return entry.first == word; });
  if (found == counts.end()) {
    counts.emplace_back(word, count);
  } else {
    found->second += count;
  }
}

std::uint64_t count_of(const Counts& counts, std::string_view word) {
  const auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& entry) { return entry.first == word; });
  return found == counts.end() ? 0 : found->second;
}

std::uint64_t total(const Counts& counts) {
  std::uint64_t sum = 0;
  for (const auto& [word, count] : counts) sum += count;
  return sum;
}

namespace {

template <class Number>
void merge_number(std::optional<Number>& into, const std::optional<Number>& from) {
  if (from) into = into.value_or(Number{}) + *from;
}

void merge_cells(std::optional<HistogramCells>& into, const std::optional<HistogramCells>& from) {
  if (!from) return;
  if (!into) into.emplace();
  into->merge(*from);
}

}  // namespace

std::uint64_t StageSnapshot::all_dropped() const noexcept {
  return std::accumulate(dropped.begin(), dropped.end(), std::uint64_t{0});
}

void StageSnapshot::merge(const StageSnapshot& other) {
  in += other.in;
  created += other.created;
  for (const auto& [port, count] : other.out) add(out, port, count);
  filtered += other.filtered;
  absorbed += other.absorbed;
  for (std::size_t i = 0; i < drop_reasons; ++i) dropped[i] += other.dropped[i];
  failed += other.failed;
  in_flight += other.in_flight;
  for (const auto& [kind_of_failure, count] : other.errors) add(errors, kind_of_failure, count);
  bytes_in += other.bytes_in;
  bytes_out += other.bytes_out;
  for (std::size_t i = 0; i < states; ++i) state_s[i] += other.state_s[i];
  workers += other.workers;
  restarts += other.restarts;
  fused = fused || other.fused;
  merge_cells(duration, other.duration);
  for (const auto& [source, cells] : other.end_to_end) {
    const auto same =
        std::find_if(end_to_end.begin(), end_to_end.end(), [&](const auto& own) { return own.first == source; });
    if (same == end_to_end.end()) {
      end_to_end.emplace_back(source, cells);
    } else {
      same->second.merge(cells);
    }
  }
  merge_number(ack_pending, other.ack_pending);
  merge_number(ack_replayed, other.ack_replayed);
  for (const auto& [status, count] : other.http_refused) add(http_refused, status, count);
  merge_number(behind_bytes, other.behind_bytes);
  merge_number(children, other.children);
  merge_number(child_restarts, other.child_restarts);
}

std::int64_t unaccounted(const StageSnapshot& stage) {
  // Unsigned on purpose: differences of counters are right even where one has wrapped.
  const std::uint64_t came = stage.in + stage.created;
  const std::uint64_t went = total(stage.out) + stage.filtered + stage.absorbed + stage.all_dropped() + stage.failed +
                             static_cast<std::uint64_t>(stage.in_flight);
  return static_cast<std::int64_t>(came - went);
}

std::int64_t unaccounted(const PipelineSnapshot& pipeline) {
  std::int64_t sum = 0;
  for (const auto& stage : pipeline.stages) sum += std::abs(unaccounted(stage));
  return sum;
}

}  // namespace weir::observe
