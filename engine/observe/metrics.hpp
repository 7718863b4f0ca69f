// The table of all metrics, and a snapshot written as Prometheus reads it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/observe/snapshot.hpp"

namespace weir::observe {

enum class MetricType : std::uint8_t { counter, gauge, histogram };

constexpr std::string_view word(MetricType type) {
  return type == MetricType::counter ? "counter" : type == MetricType::gauge ? "gauge" : "histogram";
}

/// One metric, declared before it is counted. Names, types and labels are a contract with dashboards and alerts.
struct MetricFamily {
  std::string_view name;
  MetricType type;
  std::string_view labels;  ///< `pipeline, stage, kind`; values come from the configuration or from closed lists only.
  std::string_view unit;
  std::string_view help;
};

inline constexpr std::string_view stage_labels = "pipeline, stage, kind";

/// In the order they are written. `kind` is the stage's kind everywhere but in weir_stage_errors_total, where it is the
/// kind of the failure, as `failed.kind` says it.
inline constexpr MetricFamily metric_families[] = {
    {"weir_stage_messages_in_total", MetricType::counter, stage_labels, "messages",
     "Messages the stage took from its inbox."},
    {"weir_stage_messages_created_total", MetricType::counter, stage_labels, "messages",
     "Messages the stage made: read from outside, or more than it took when it expands one into many."},
    {"weir_stage_messages_out_total", MetricType::counter, "pipeline, stage, kind, port", "messages",
     "Messages the stage sent, once per port; failures that somebody listens to leave by the port failed."},
    {"weir_stage_messages_filtered_total", MetricType::counter, stage_labels, "messages",
     "Messages that ended here because a condition said so."},
    {"weir_stage_messages_absorbed_total", MetricType::counter, stage_labels, "messages",
     "Messages that became part of another one, such as a batch."},
    {"weir_stage_messages_failed_total", MetricType::counter, stage_labels, "messages",
     "Messages that failed with nobody listening."},
    {"weir_stage_dropped_total", MetricType::counter, "pipeline, stage, kind, reason", "messages",
     "Messages dropped on purpose, by reason."},
    {"weir_stage_errors_total", MetricType::counter, "pipeline, stage, kind", "messages",
     "Messages that failed, heard or not, by the kind of the failure."},
    {"weir_stage_in_flight_messages", MetricType::gauge, stage_labels, "messages", "Messages the stage holds now."},
    {"weir_stage_bytes_in_total", MetricType::counter, stage_labels, "bytes",
     "Payload bytes the stage took from its inbox; of a source none."},
    {"weir_stage_bytes_out_total", MetricType::counter, stage_labels, "bytes",
     "Payload bytes the stage sent to its readers; of a sink none. Fused with its reader: as sent, before edits "
     "are written out."},
    {"weir_stage_state_seconds_total", MetricType::counter, "pipeline, stage, kind, state", "seconds",
     "Time of the stage's workers by what they did; the states sum to wall time times workers."},
    {"weir_stage_duration_seconds", MetricType::histogram, stage_labels, "seconds",
     "Time that one message took a sink, or one call."},
    {"weir_stage_restarts_total", MetricType::counter, stage_labels, "restarts",
     "Restarts of the stage after a fault: 0, for a fault ends its pipeline."},
    {"weir_stage_workers", MetricType::gauge, stage_labels, "workers", "Workers of the stage now."},
    {"weir_end_to_end_seconds", MetricType::histogram, "pipeline, stage, kind, source", "seconds",
     "Time from a message's reading at the source until this sink was done with it; of what was collected from several "
     "sources, or stands in one batch with messages of another, by the first."},
    {"weir_ack_pending_messages", MetricType::gauge, stage_labels, "messages",
     "Messages of this source that have not ended yet."},
    {"weir_ack_replayed_total", MetricType::counter, stage_labels, "messages",
     "Messages this source sent again after a failure that may pass."},
    {"weir_http_refused_total", MetricType::counter, "pipeline, stage, kind, status", "requests",
     "HTTP requests that were told an error without becoming a message, by its status; those that no stage serves, or "
     "that could not be read, on the stage of their address with the most specific path."},
    {"weir_follow_behind_bytes", MetricType::gauge, stage_labels, "bytes",
     "Bytes of the files that the stage follows which it has not read yet, as far as it has looked."},
    {"weir_child_up", MetricType::gauge, stage_labels, "processes", "Child processes of the stage that run now."},
    {"weir_child_restarts_total", MetricType::counter, stage_labels, "restarts",
     "Child processes started again after their end."},
    {"weir_circuit_breaker_state", MetricType::gauge, "pipeline, stage, kind, state", "",
     "1 for the state that the stage's breaker is in, 0 for the others; of several keys the worst."},
    {"weir_circuit_breaker_not_closed_keys", MetricType::gauge, stage_labels, "keys",
     "Keys of the stage's breaker that are open or half open."},
    {"weir_circuit_breaker_overflowed_total", MetricType::counter, stage_labels, "calls",
     "Calls asked for when the stage's breaker had no room for their key: such keys share one circuit."},
    {"weir_ratelimit_tokens", MetricType::gauge, stage_labels, "messages",
     "Messages that the stage's limit would let go at once. Not of a limit with keys."},
    {"weir_ratelimit_waiting_messages", MetricType::gauge, stage_labels, "messages",
     "Messages that wait for the stage's limit."},
    {"weir_ratelimit_wait_seconds_total", MetricType::counter, stage_labels, "seconds",
     "Time that messages have waited for the stage's limit, all together."},
    {"weir_ratelimit_overflowed_total", MetricType::counter, stage_labels, "tokens",
     "Tokens asked for when the stage's limit had no room for their key: such keys share one bucket."},
    {"weir_ratelimit_load_ratio", MetricType::gauge, stage_labels, "",
     "The machine's load that the stage's limit goes by, as last looked at: 0 to 1."},
    {"weir_ratelimit_busy", MetricType::gauge, stage_labels, "",
     "1 while the machine is too busy for the stage's limit, which lets nothing begin."},
    {"weir_retries_total", MetricType::counter, stage_labels, "calls", "Calls made again after a failure."},
    {"weir_hedges_total", MetricType::counter, stage_labels, "calls",
     "Second calls made beside others that took long."},
    {"weir_hedges_won_total", MetricType::counter, stage_labels, "calls",
     "Second calls whose answer came first and counted."},
    {"weir_cache_requests_total", MetricType::counter, "pipeline, stage, kind, answer", "messages",
     "Messages that asked for a remembered answer: fresh or stale, they got it; miss, they called; shared, they got "
     "what a call brought that was under way."},
    {"weir_cache_evicted_total", MetricType::counter, stage_labels, "answers",
     "Answers forgotten before their time, because there were too many or memory was short."},
    {"weir_cache_entries", MetricType::gauge, stage_labels, "answers", "Answers that the stage remembers."},
    {"weir_cache_bytes", MetricType::gauge, stage_labels, "bytes",
     "Bytes of the program's memory that remembered answers take."},
    {"weir_channel_capacity_messages", MetricType::gauge, "pipeline, channel", "messages",
     "Places of the channel: depth, held and credits sum to it."},
    {"weir_channel_depth_messages", MetricType::gauge, "pipeline, channel", "messages",
     "Messages sent and not yet received."},
    {"weir_channel_held_messages", MetricType::gauge, "pipeline, channel", "messages",
     "Messages received and not yet done with."},
    {"weir_channel_credits_messages", MetricType::gauge, "pipeline, channel", "messages",
     "Free places of the channel."},
    {"weir_channel_bytes", MetricType::gauge, "pipeline, channel", "bytes",
     "Bytes charged for messages in the channel and in its receiver's hands."},
    {"weir_channel_oldest_message_seconds", MetricType::gauge, "pipeline, channel", "seconds",
     "How long the oldest of the messages sent and not yet received has waited, 0 where none does; never too low, and "
     "too high by at most the time between two batches."},
    {"weir_unaccounted_messages", MetricType::gauge, "pipeline", "messages",
     "Messages the ledgers of the stages cannot explain; anything but 0 is a bug of weir."},
    {"weir_config_hash_info", MetricType::gauge, "pipeline, hash", "",
     "Always 1; the label is the same where the same is run: of the pipeline's file, what it includes and what --set "
     "says, without comments and tests, and before the environment and secrets are filled in."},
    {"weir_memory_budget_bytes", MetricType::gauge, "", "bytes",
     "Bytes that messages in channels, remembered answers and what HTTP clients send and are sent may have together; "
     "an empty channel takes one batch beyond."},
    {"weir_memory_used_bytes", MetricType::gauge, "", "bytes",
     "Bytes charged for messages in channels and in their receivers' hands, for remembered answers, and for what HTTP "
     "clients send and are sent."},
    {"weir_build_info", MetricType::gauge, "version", "", "Always 1; the label names the version."},
    {"weir_run_start_time_seconds", MetricType::gauge, "", "seconds", "When the run began, in Unix time."},
    {"process_cpu_seconds_total", MetricType::counter, "", "seconds", "User and system CPU time of this process."},
    {"process_resident_memory_bytes", MetricType::gauge, "", "bytes", "Resident memory of this process."},
    {"process_open_fds", MetricType::gauge, "", "descriptors", "Open file descriptors of this process."},
    {"process_max_fds", MetricType::gauge, "", "descriptors", "Most file descriptors this process may open."},
    {"process_start_time_seconds", MetricType::gauge, "", "seconds", "When this process began, in Unix time."},
};

/// The text of /metrics (Prometheus text format 0.0.4). Allocates much; for the thread that serves it, not for a core.
std::string exposition(const Snapshot& snapshot);
inline constexpr std::string_view exposition_type = "text/plain; version=0.0.4; charset=utf-8";

/// The table as Markdown: engine/observe/METRICS.md.
std::string metrics_markdown();

}  // namespace weir::observe
