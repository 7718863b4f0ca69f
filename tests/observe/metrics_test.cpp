// The metric table, what /metrics says, and the law of conservation.
#include "engine/observe/metrics.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>
#include <sstream>
#include <string>

namespace {

using namespace weir::observe;
using namespace std::string_literals;

HistogramCells some_cells() {
  HistogramCells cells;
  cells.observe(0.0001);
  cells.observe(0.00015, 3);
  cells.observe(20);
  return cells;
}

StageSnapshot full_stage() {
  StageSnapshot stage;
  stage.stage = "limiter";
  stage.kind = "throttle";
  stage.in = 100;
  stage.created = 7;
  stage.out = {{"main", 60}, {"failed", 4}};
  stage.filtered = 10;
  stage.absorbed = 20;
  stage.dropped_by(Dropped::limit) = 5;
  stage.failed = 2;
  stage.in_flight = 6;
  stage.errors = {{"timeout", 5}, {"decode", 1}};
  stage.bytes_in = 12345;
  stage.state_s[static_cast<std::size_t>(State::busy)] = 1.5;
  stage.workers = 4;
  stage.restarts = 1;
  stage.duration = some_cells();
  stage.end_to_end = {{"lines", some_cells()}};
  stage.ack_pending = 3;
  stage.ack_replayed = 2;
  stage.http_refused = {{"401", 3}};
  stage.behind_bytes = 17;
  stage.children = 1;
  stage.child_restarts = 9;
  stage.breaker = "open";
  stage.limit_waiting = 4;
  stage.limit_wait_s = 0.5;
  stage.limit_tokens = 2;
  stage.breaker_not_closed = 1;
  stage.breaker_overflowed = 4;
  stage.limit_overflowed = 3;
  stage.limit_load = 0.9;
  stage.limit_busy = true;
  stage.hedges = 5;
  stage.hedges_won = 2;
  stage.cache = CacheCells{7, 1, 4, 2, 1, 3, 900};
  stage.retries = 8;
  return stage;
}

Snapshot full_snapshot() {
  Snapshot snapshot;
  snapshot.version = "0.1.0";
  snapshot.started = weir::runtime::WallTime(std::chrono::seconds(1'700'000'000));
  snapshot.memory_budget_bytes = 256 << 20;
  snapshot.process = read_process();
  PipelineSnapshot pipeline;
  pipeline.pipeline = "orders";
  pipeline.config_hash = "00000000075bcd15";
  pipeline.stages.push_back(full_stage());
  ChannelSnapshot channel;
  channel.from = "lines";
  channel.to = "limiter";
  channel.capacity = 128;
  channel.depth = 20;
  channel.held = 8;
  channel.credits = 100;
  channel.bytes = 4096;
  channel.oldest_s = 2.5;
  pipeline.channels.push_back(channel);
  snapshot.pipelines.push_back(pipeline);
  return snapshot;
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_law_leaves_nothing_over_and_names_what_is_missing) {
  auto stage = full_stage();
  BOOST_TEST(unaccounted(stage) == 0);
  ++stage.in;
  BOOST_TEST(unaccounted(stage) == 1);
  stage.out.front().second += 3;
  BOOST_TEST(unaccounted(stage) == -2);
  BOOST_TEST(unaccounted(StageSnapshot()) == 0);
}

BOOST_AUTO_TEST_CASE(every_term_of_the_law_counts) {
  const auto base = full_stage();
  auto changed = base;
  ++changed.created;
  BOOST_TEST(unaccounted(changed) == 1);
  for (const auto change : {&StageSnapshot::filtered, &StageSnapshot::absorbed, &StageSnapshot::failed}) {
    changed = base;
    ++(changed.*change);
    BOOST_TEST(unaccounted(changed) == -1);
  }
  for (std::size_t reason = 0; reason < drop_reasons; ++reason) {
    changed = base;
    ++changed.dropped[reason];
    BOOST_TEST(unaccounted(changed) == -1);
  }
  changed = base;
  ++changed.in_flight;
  BOOST_TEST(unaccounted(changed) == -1);
  changed = base;
  add(changed.out, "else", 1);
  BOOST_TEST(unaccounted(changed) == -1);
}

BOOST_AUTO_TEST_CASE(two_wrongs_of_a_pipeline_make_no_right) {
  PipelineSnapshot pipeline;
  pipeline.stages = {full_stage(), full_stage()};
  BOOST_TEST(unaccounted(pipeline) == 0);
  ++pipeline.stages[0].in;
  ++pipeline.stages[1].failed;
  BOOST_TEST(unaccounted(pipeline) == 2);
}

BOOST_AUTO_TEST_CASE(replicas_of_a_stage_merge_cell_by_cell) {
  auto stage = full_stage();
  auto other = full_stage();
  other.out = {{"failed", 1}, {"else", 63}};
  other.end_to_end.front().first = "tail";
  stage.merge(other);
  BOOST_TEST(unaccounted(stage) == 0);
  BOOST_TEST(stage.in == 200u);
  BOOST_TEST(count_of(stage.out, "main") == 60u);
  BOOST_TEST(count_of(stage.out, "failed") == 5u);
  BOOST_TEST(count_of(stage.out, "else") == 63u);
  BOOST_TEST(count_of(stage.errors, "timeout") == 10u);
  BOOST_TEST(stage.dropped_by(Dropped::limit) == 10u);
  BOOST_TEST(stage.workers == 8);
  BOOST_TEST(stage.duration->count() == 10u);
  BOOST_TEST(stage.end_to_end.size() == 2u);
  BOOST_TEST(stage.ack_pending.value() == 6);
  StageSnapshot bare;
  bare.merge(stage);
  BOOST_TEST(bare.duration->count() == 10u);
  StageSnapshot sink;
  sink.merge(StageSnapshot());
  BOOST_TEST(!sink.ack_pending.has_value());
}

BOOST_AUTO_TEST_CASE(a_bound_belongs_to_its_bucket_and_what_is_above_all_is_only_counted) {
  HistogramCells cells;
  cells.observe(HistogramCells::bound_s(0));
  cells.observe(std::nextafter(HistogramCells::bound_s(0), 1.0));
  cells.observe(HistogramCells::bound_s(17));
  cells.observe(1e9);
  cells.observe(-5);
  cells.observe(std::numeric_limits<double>::quiet_NaN());
  BOOST_TEST(cells.cell(0) == 2u);
  BOOST_TEST(cells.cell(1) == 1u);
  BOOST_TEST(cells.cell(17) == 1u);
  BOOST_TEST(cells.cell(18) == 1u);
  BOOST_TEST(cells.count() == 5u);
  BOOST_TEST(cells.sum_s() == 0.0002 + 13.1072 + 1e9, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(the_exposition_says_what_the_snapshot_says) {
  const auto text = exposition(full_snapshot());
  const auto labels = R"(pipeline="orders",stage="limiter",kind="throttle")"s;
  for (const auto& line : {
           "weir_stage_messages_in_total{" + labels + "} 100",
           "weir_stage_messages_out_total{" + labels + R"(,port="main"} 60)",
           "weir_stage_messages_out_total{" + labels + R"(,port="failed"} 4)",
           "weir_stage_dropped_total{" + labels + R"(,reason="limit"} 5)",
           "weir_stage_dropped_total{" + labels + R"(,reason="gone"} 0)",
           R"(weir_stage_errors_total{pipeline="orders",stage="limiter",kind="timeout"} 5)"s,
           "weir_stage_state_seconds_total{" + labels + R"(,state="busy"} 1.5)",
           "weir_stage_duration_seconds_bucket{" + labels + R"(,le="0.0001"} 1)",
           "weir_stage_duration_seconds_bucket{" + labels + R"(,le="0.0002"} 4)",
           "weir_stage_duration_seconds_bucket{" + labels + R"(,le="13.1072"} 4)",
           "weir_stage_duration_seconds_bucket{" + labels + R"(,le="+Inf"} 5)",
           "weir_stage_duration_seconds_count{" + labels + "} 5",
           R"(weir_channel_credits_messages{pipeline="orders",channel="lines.main->limiter"} 100)"s,
           "weir_circuit_breaker_state{" + labels + R"(,state="open"} 1)",
           "weir_circuit_breaker_state{" + labels + R"(,state="closed"} 0)",
           "weir_circuit_breaker_overflowed_total{" + labels + "} 4",
           "weir_retries_total{" + labels + "} 8",
           "weir_follow_behind_bytes{" + labels + "} 17",
           "weir_end_to_end_seconds_count{" + labels + R"(,source="lines"} 5)",
           R"(weir_channel_oldest_message_seconds{pipeline="orders",channel="lines.main->limiter"} 2.5)"s,
           R"(weir_config_hash_info{pipeline="orders",hash="00000000075bcd15"} 1)"s,
           R"(weir_unaccounted_messages{pipeline="orders"} 0)"s,
           R"(weir_build_info{version="0.1.0"} 1)"s,
           "weir_run_start_time_seconds 1700000000"s,
           "weir_memory_budget_bytes 268435456"s,
       }) {
    BOOST_CHECK_MESSAGE(has_line(text, line), "missing: " << line);
  }
}

BOOST_AUTO_TEST_CASE(every_family_of_the_table_is_written_once_and_nothing_else_is) {
  std::set<std::string> declared, written;
  for (const auto& family : metric_families) {
    BOOST_CHECK_MESSAGE(declared.insert(std::string(family.name)).second, family.name << " stands twice");
  }
  std::istringstream lines(exposition(full_snapshot()));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    const auto name = line.substr(7, line.find(' ', 7) - 7);
    BOOST_CHECK_MESSAGE(written.insert(name).second, name << " is written twice");
  }
  BOOST_TEST(declared == written, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_labels_written_are_the_labels_declared) {
  const auto text = exposition(full_snapshot());
  for (const auto& family : metric_families) {
    const auto sample =
        family.type == MetricType::histogram ? std::string(family.name) + "_count" : std::string(family.name);
    const auto at = ("\n" + text).find("\n" + sample + (family.labels.empty() ? " " : "{"));
    BOOST_REQUIRE_MESSAGE(at != std::string::npos, sample << " has no series");
    if (family.labels.empty()) continue;
    const auto open = text.find('{', at);
    std::string names;
    bool quoted = false, name = true;
    for (auto i = open + 1; quoted || text[i] != '}'; ++i) {
      if (text[i] == '"') quoted = !quoted;
      if (quoted) continue;
      if (text[i] == '=') name = false;
      if (text[i] == ',')
        names += ", ", name = true;
      else if (name)
        names += text[i];
    }
    BOOST_TEST(names == family.labels);
  }
}

BOOST_AUTO_TEST_CASE(label_values_are_escaped) {
  auto snapshot = full_snapshot();
  snapshot.pipelines.front().pipeline = "a\"b\\c\nd";
  BOOST_TEST(exposition(snapshot).find(R"(pipeline="a\"b\\c\nd")") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_empty_snapshot_is_written_too) {
  const auto text = exposition(Snapshot());
  BOOST_TEST(text.find("weir_build_info") != std::string::npos);
  BOOST_TEST(text.find("weir_stage") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(promtool_finds_nothing_to_say) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
    BOOST_TEST_MESSAGE("promtool is not installed (package prometheus): not checked");
    return;
  }
  FILE* promtool = ::popen("promtool check metrics 2>&1 >/dev/null", "w");
  BOOST_REQUIRE(promtool != nullptr);
  const auto text = exposition(full_snapshot());
  BOOST_TEST(std::fwrite(text.data(), 1, text.size(), promtool) == text.size());
  BOOST_TEST(::pclose(promtool) == 0);
}

BOOST_AUTO_TEST_CASE(the_process_knows_itself) {
  const auto process = read_process();
  BOOST_REQUIRE(process.has_value());
  BOOST_TEST(process->resident_bytes > 1u << 20);
  BOOST_TEST(process->open_fds >= 3u);
  BOOST_TEST(process->max_fds >= process->open_fds);
  BOOST_TEST(process->started_s > 1.6e9);
}

BOOST_AUTO_TEST_CASE(the_table_in_the_docs_is_the_table_in_the_code) {
  std::ifstream file("engine/observe/METRICS.md");
  const std::string written((std::istreambuf_iterator<char>(file)), {});
  const auto generated = metrics_markdown();
  if (written != generated) {
    if (const char* write = std::getenv("WEIR_WRITE_DOCS"); write && *write) {
      std::ofstream("engine/observe/METRICS.md") << generated;
    } else {
      BOOST_ERROR("engine/observe/METRICS.md is stale: run this test once with WEIR_WRITE_DOCS=1");
    }
  }
}
