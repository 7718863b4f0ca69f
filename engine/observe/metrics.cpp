#include "engine/observe/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace weir::observe {

namespace {

constexpr std::size_t families = std::size(metric_families);

/// Place of a name in the table. A name that is not declared there does not compile.
consteval std::size_t metric(std::string_view name) {
  for (std::size_t i = 0; i < families; ++i) {
    if (metric_families[i].name == name) return i;
  }
  throw "no such metric in the table";
}

using Labels = std::vector<prometheus::ClientMetric::Label>;

/// Series of every family, gathered in the order of the stages and written in the order of the table.
class Exposition {
 public:
  Exposition() {
    for (std::size_t i = 0; i < families; ++i) {
      written_[i].name = metric_families[i].name;
      written_[i].help = metric_families[i].help;
      written_[i].type = type_of(metric_families[i].type);
    }
  }

  void add(std::size_t family, const Labels& labels, double value) {
    prometheus::ClientMetric series;
    series.label = labels;
    if (metric_families[family].type == MetricType::counter) {
      series.counter.value = value;
    } else {
      series.gauge.value = value;
    }
    written_[family].metric.push_back(std::move(series));
  }
  void add(std::size_t family, const Labels& labels, std::uint64_t value) {
    add(family, labels, static_cast<double>(value));
  }
  void add(std::size_t family, const Labels& labels, std::int64_t value) {
    add(family, labels, static_cast<double>(value));
  }
  void add(std::size_t family, const Labels& labels, const HistogramCells& cells) {
    prometheus::ClientMetric series;
    series.label = labels;
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < HistogramCells::buckets; ++i) {
      cumulative += cells.cell(i);
      series.histogram.bucket.push_back({cumulative, HistogramCells::bound_s(i)});
    }
    series.histogram.sample_count = cells.count();
    series.histogram.sample_sum = cells.sum_s();
    written_[family].metric.push_back(std::move(series));
  }
  template <class Value>
  void add(std::size_t family, const Labels& labels, const std::optional<Value>& value) {
    if (value) add(family, labels, *value);
  }

  std::string text() {
    std::vector<prometheus::MetricFamily> shown;
    for (auto& family : written_) {
      if (!family.metric.empty()) shown.push_back(std::move(family));
    }
    const prometheus::Serializer& serializer = prometheus::TextSerializer();
    return serializer.Serialize(shown);
  }

 private:
  static prometheus::MetricType type_of(MetricType type) {
    switch (type) {
      case MetricType::counter:
        return prometheus::MetricType::Counter;
      case MetricType::gauge:
        return prometheus::MetricType::Gauge;
      case MetricType::histogram:
        return prometheus::MetricType::Histogram;
    }
    return prometheus::MetricType::Untyped;
  }

  std::array<prometheus::MetricFamily, families> written_;
};

Labels with(const Labels& labels, std::string_view name, std::string_view value) {
  Labels more = labels;
  more.push_back({std::string(name), std::string(value)});
  return more;
}

void write_stage(Exposition& to, const std::string& pipeline, const StageSnapshot& stage) {
  const Labels place{{"pipeline", pipeline}, {"stage", stage.stage}};
  const Labels labels = with(place, "kind", stage.kind);

  to.add(metric("weir_stage_messages_in_total"), labels, stage.in);
  to.add(metric("weir_stage_messages_created_total"), labels, stage.created);
  for (const auto& [port, count] : stage.out) {
    to.add(metric("weir_stage_messages_out_total"), with(labels, "port", port), count);
  }
  to.add(metric("weir_stage_messages_filtered_total"), labels, stage.filtered);
  to.add(metric("weir_stage_messages_absorbed_total"), labels, stage.absorbed);
  to.add(metric("weir_stage_messages_failed_total"), labels, stage.failed);
  for (std::size_t i = 0; i < drop_reasons; ++i) {
    to.add(metric("weir_stage_dropped_total"), with(labels, "reason", word(static_cast<Dropped>(i))), stage.dropped[i]);
  }
  for (const auto& [kind, count] : stage.errors) {
    to.add(metric("weir_stage_errors_total"), with(place, "kind", kind), count);
  }
  to.add(metric("weir_stage_in_flight_messages"), labels, stage.in_flight);
  to.add(metric("weir_stage_bytes_in_total"), labels, stage.bytes_in);
  to.add(metric("weir_stage_bytes_out_total"), labels, stage.bytes_out);
  for (std::size_t i = 0; i < states; ++i) {
    to.add(metric("weir_stage_state_seconds_total"), with(labels, "state", word(static_cast<State>(i))),
           stage.state_s[i]);
  }
  to.add(metric("weir_stage_duration_seconds"), labels, stage.duration);
  to.add(metric("weir_stage_restarts_total"), labels, stage.restarts);
  to.add(metric("weir_stage_workers"), labels, stage.workers);
  for (const auto& [source, cells] : stage.end_to_end) {
    to.add(metric("weir_end_to_end_seconds"), with(labels, "source", source), cells);
  }
  to.add(metric("weir_ack_pending_messages"), labels, stage.ack_pending);
  to.add(metric("weir_ack_replayed_total"), labels, stage.ack_replayed);
  for (const auto& [status, count] : stage.http_refused) {
    to.add(metric("weir_http_refused_total"), with(labels, "status", status), count);
  }
  to.add(metric("weir_follow_behind_bytes"), labels, stage.behind_bytes);
  to.add(metric("weir_child_up"), labels, stage.children);
  to.add(metric("weir_child_restarts_total"), labels, stage.child_restarts);
  if (stage.breaker) {
    for (const std::string_view state : {"closed", "open", "half_open"}) {
      to.add(metric("weir_circuit_breaker_state"), with(labels, "state", state), *stage.breaker == state ? 1.0 : 0.0);
    }
  }
  to.add(metric("weir_circuit_breaker_not_closed_keys"), labels, stage.breaker_not_closed);
  to.add(metric("weir_circuit_breaker_overflowed_total"), labels, stage.breaker_overflowed);
  to.add(metric("weir_ratelimit_tokens"), labels, stage.limit_tokens);
  to.add(metric("weir_ratelimit_waiting_messages"), labels, stage.limit_waiting);
  to.add(metric("weir_ratelimit_wait_seconds_total"), labels, stage.limit_wait_s);
  to.add(metric("weir_ratelimit_overflowed_total"), labels, stage.limit_overflowed);
  to.add(metric("weir_ratelimit_load_ratio"), labels, stage.limit_load);
  if (stage.limit_busy) to.add(metric("weir_ratelimit_busy"), labels, *stage.limit_busy ? 1.0 : 0.0);
  to.add(metric("weir_retries_total"), labels, stage.retries);
  to.add(metric("weir_hedges_total"), labels, stage.hedges);
  to.add(metric("weir_hedges_won_total"), labels, stage.hedges_won);
  if (const auto& cache = stage.cache) {
    const auto asked = [&](std::string_view answer, std::uint64_t count) {
      to.add(metric("weir_cache_requests_total"), with(labels, "answer", answer), count);
    };
    asked("fresh", cache->fresh);
    asked("stale", cache->stale);
    asked("miss", cache->miss);
    asked("shared", cache->shared);
    to.add(metric("weir_cache_evicted_total"), labels, cache->evicted);
    to.add(metric("weir_cache_entries"), labels, cache->entries);
    to.add(metric("weir_cache_bytes"), labels, cache->bytes);
  }
}

void write_channel(Exposition& to, const std::string& pipeline, const ChannelSnapshot& channel) {
  const Labels labels{{"pipeline", pipeline}, {"channel", channel.name()}};
  to.add(metric("weir_channel_capacity_messages"), labels, channel.capacity);
  to.add(metric("weir_channel_depth_messages"), labels, channel.depth);
  to.add(metric("weir_channel_held_messages"), labels, channel.held);
  to.add(metric("weir_channel_credits_messages"), labels, channel.credits);
  to.add(metric("weir_channel_bytes"), labels, channel.bytes);
  to.add(metric("weir_channel_oldest_message_seconds"), labels, channel.oldest_s);
}

void write_process(Exposition& to, const ProcessSnapshot& process) {
  to.add(metric("process_cpu_seconds_total"), {}, process.cpu_s);
  to.add(metric("process_resident_memory_bytes"), {}, process.resident_bytes);
  to.add(metric("process_open_fds"), {}, process.open_fds);
  to.add(metric("process_max_fds"), {}, process.max_fds);
  to.add(metric("process_start_time_seconds"), {}, process.started_s);
}

}  // namespace

std::string exposition(const Snapshot& snapshot) {
  Exposition to;
  for (const auto& pipeline : snapshot.pipelines) {
    for (const auto& stage : pipeline.stages) write_stage(to, pipeline.pipeline, stage);
    for (const auto& channel : pipeline.channels) write_channel(to, pipeline.pipeline, channel);
    const Labels labels{{"pipeline", pipeline.pipeline}};
    to.add(metric("weir_unaccounted_messages"), labels, unaccounted(pipeline));
    to.add(metric("weir_config_hash_info"), with(labels, "hash", pipeline.config_hash), std::uint64_t{1});
  }
  to.add(metric("weir_memory_budget_bytes"), {}, snapshot.memory_budget_bytes);
  to.add(metric("weir_memory_used_bytes"), {}, snapshot.memory_used_bytes);
  to.add(metric("weir_build_info"), {{"version", snapshot.version}}, std::uint64_t{1});
  to.add(metric("weir_run_start_time_seconds"), {},
         std::chrono::duration<double>(snapshot.started.time_since_epoch()).count());
  if (snapshot.process) write_process(to, *snapshot.process);
  return to.text();
}

std::string metrics_markdown() {
  std::string text =
      "# Metrics\n\n"
      "Generated from `metric_families` in `metrics.hpp`; a test compares the two. Names, types and labels are a\n"
      "contract with dashboards and alerts.\n\n"
      "| name | type | labels | unit | meaning |\n|---|---|---|---|---|\n";
  for (const auto& family : metric_families) {
    text += "| `" + std::string(family.name) + "` | " + std::string(word(family.type)) + " | " +
            std::string(family.labels) + " | " + std::string(family.unit) + " | " + std::string(family.help) + " |\n";
  }
  text += "\nClosed lists. `reason`:";
  for (std::size_t i = 0; i < drop_reasons; ++i) {
    text += (i == 0 ? " `" : ", `") + std::string(word(static_cast<Dropped>(i))) + "`";
  }
  text += ". `state`:";
  for (std::size_t i = 0; i < states; ++i) {
    text += (i == 0 ? " `" : ", `") + std::string(word(static_cast<State>(i))) + "`";
  }
  text +=
      ".\n`kind` is the stage's kind, except in `weir_stage_errors_total`, where it is the kind of the failure\n"
      "(`engine/message/failure.hpp`).\n\n"
      "Histograms have " +
      std::to_string(HistogramCells::buckets) +
      " buckets, 100 µs × 2ⁿ.\n\n"
      "The ledger, for each stage and at every scrape:\n\n"
      "    messages_in + messages_created = sum of messages_out over its ports + messages_filtered + "
      "messages_absorbed\n"
      "                                     + sum of dropped over its reasons + messages_failed + in_flight\n\n"
      "`weir_unaccounted_messages` is what is left over, summed over the stages: 0.\n";
  return text;
}

}  // namespace weir::observe
