// The dashboards and rules against the real: weir runs two pipelines made for it, Debian's Prometheus scrapes it, and
// tests/dashboards/check asks for what every panel would show. Each fault it is to find is planted once.
#include <boost/test/unit_test.hpp>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "tests/dashboards/shipped.hpp"
#include "tests/support/weir.hpp"

namespace {

using weir::tests::admin_port;
using weir::tests::Child;
using weir::tests::ChildEnd;
using weir::tests::contains;
using weir::tests::dashboards;
using weir::tests::files;
using weir::tests::http_get;
using weir::tests::joined;
using weir::tests::machine_can;
using weir::tests::replaced;
using weir::tests::root;
using weir::tests::TemporaryFolder;
using weir::tests::text_of;
using weir::tests::Words;

bool machine_has_prometheus() {
  return machine_can("prometheus, or no python3", "command -v prometheus promtool python3 >/dev/null");
}

ChildEnd promtool(const Words& words) { return Child(joined({"promtool"}, words)).end(); }

/// A recorded nothing, a metric that weir has not, an alert that does not say where to look.
constexpr const char* planted_rules =
    "groups:\n"
    "  - name: planted\n"
    "    rules:\n"
    "      - {record: planted:nothing, expr: 'weir_child_up{stage=\"nobody\"}'}\n"
    "      - {record: planted:unknown, expr: 'weir_children_up'}\n"
    "      - {alert: PlantedSilent, expr: 'weir_child_up > 1e9', annotations: {summary: many}}\n";

/// weir and a Prometheus that scrapes it each second, set up by the file that is shipped.
class Live {
 public:
  Live()
      : weir_({WEIR_BINARY, "run", root + "/tests/dashboards/pipelines/shop.yaml",
               root + "/tests/dashboards/pipelines/uphill.yaml", "--admin", "127.0.0.1:0", "--set", "run.drain=100ms"},
              {"PLACE=" + folder_.path("")}),
        admin_(admin_port(weir_)),
        prometheus_({"prometheus", "--config.file=" + configuration(), "--storage.tsdb.path=" + folder_.path("data"),
                     "--web.listen-address=127.0.0.1:0"}) {
    const std::string mark = "msg=\"Listening on\" address=";
    BOOST_REQUIRE_MESSAGE(prometheus_.saw_on_err(mark), prometheus_.err());
    BOOST_REQUIRE(prometheus_.saw_on_err("Server is ready to receive web requests."));
    const auto address = prometheus_.err().substr(prometheus_.err().find(mark) + mark.size());
    url_ = "http://" + address.substr(0, address.find_first_of(" \n"));
    const auto end = check({"--wait", "40", dashboards + "grafana/engine.json", dashboards + "grafana/channels.json"});
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.out + end.err);
  }
  ~Live() {
    weir_.signal(SIGTERM);  // So that it ends its own children.
    prometheus_.signal(SIGTERM);
    weir_.end();
    prometheus_.end();
  }
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

  std::uint16_t admin() const { return admin_; }
  const TemporaryFolder& folder() const { return folder_; }

  ChildEnd check(const Words& words) const {
    return Child(joined({"python3", root + "/tests/dashboards/check", "--prometheus", url_}, words)).end();
  }

 private:
  std::string configuration() const {
    auto text = text_of(dashboards + "provisioning/prometheus/prometheus.yml");
    text = replaced(text, "127.0.0.1:9797", "127.0.0.1:" + std::to_string(admin_));
    text = replaced(text, "interval: 15s", "interval: 1s");
    const auto planted = folder_.file("planted.rules.yml", planted_rules);
    text = replaced(text, "[../../rules/*.rules.yml]", "['" + dashboards + "rules/*.rules.yml', '" + planted + "']");
    return folder_.file("prometheus.yml", text);
  }

  TemporaryFolder folder_;
  Child weir_;
  std::uint16_t admin_;
  Child prometheus_;
  std::string url_;
};

std::optional<Live> running;

/// Ends what ran before the tests are counted.
struct Ending {
  ~Ending() { running.reset(); }
};

/// Nothing where the machine has no Prometheus: that is said.
Live* live() {
  if (!running && machine_has_prometheus()) running.emplace();
  return running ? &*running : nullptr;
}

/// What is told of the dashboard when `from` in it is made `to`.
std::string told_of(const std::string& name, const std::string& from, const std::string& to) {
  const auto text = replaced(text_of(dashboards + "grafana/" + name), from, to);
  const auto end = running->check({running->folder().file(name, text)});
  BOOST_TEST(end.code == 1, end.err);
  return end.out;
}

}  // namespace

BOOST_GLOBAL_FIXTURE(Ending);

// ---------------------------------------------------------------------------------------------------- as it is shipped

BOOST_AUTO_TEST_CASE(every_panel_has_data_and_every_metric_stands_in_a_dashboard) {
  if (!live()) return;
  const auto end = live()->check(joined({"--wait", "40", "--every"}, files("grafana", ".json")));
  BOOST_TEST(end.code == 0, end.out << end.err);
  BOOST_TEST(contains(end.out, "faults: 0\n"), end.out);
}

BOOST_AUTO_TEST_CASE(every_rule_is_evaluated_and_every_alert_says_where_to_look) {
  if (!live()) return;
  Words words{"--wait", "40"};
  for (const auto& file : files("rules", ".rules.yml")) words.insert(words.end(), {"--rules", file});
  const auto end = live()->check(words);
  BOOST_TEST(end.code == 0, end.out << end.err);
}

BOOST_AUTO_TEST_CASE(the_metrics_are_written_as_prometheus_wants_them) {
  if (!live()) return;
  const auto metrics = http_get(live()->admin(), "/metrics");
  BOOST_TEST(metrics.status == 200);
  const auto file = live()->folder().file("metrics.txt", metrics.body);
  const auto end = Child({"sh", "-c", "promtool check metrics <\"$0\"", file}).end();
  BOOST_TEST(end.code == 0);
  BOOST_TEST(end.out + end.err == "");
}

BOOST_AUTO_TEST_CASE(the_rules_do_what_their_tests_say) {
  if (!machine_has_prometheus()) return;
  const auto checked = promtool(joined({"check", "rules", "--lint=all", "--lint-fatal"}, files("rules", ".rules.yml")));
  BOOST_TEST(checked.code == 0, checked.out << checked.err);
  const auto tested = promtool(joined({"test", "rules"}, files("rules/tests", ".yml")));
  BOOST_TEST(tested.code == 0, tested.out << tested.err);
}

BOOST_AUTO_TEST_CASE(prometheus_takes_the_configuration) {
  if (!machine_has_prometheus()) return;
  const auto end = promtool({"check", "config", dashboards + "provisioning/prometheus/prometheus.yml"});
  BOOST_TEST(end.code == 0, end.out << end.err);
  BOOST_TEST(contains(end.out, "2 rule files found"), end.out);
}

BOOST_AUTO_TEST_CASE(every_alert_is_tested_where_it_fires_and_where_it_does_not) {
  std::string rules, tests;
  for (const auto& file : files("rules", ".rules.yml")) rules += text_of(file);
  for (const auto& file : files("rules/tests", ".yml")) tests += text_of(file);
  int alerts = 0;
  const std::regex name("- alert: (\\w+)");
  for (std::sregex_iterator found(rules.begin(), rules.end(), name), end; found != end; ++found) {
    ++alerts;
    const auto alert = (*found)[1].str();
    BOOST_TEST(contains(tests, "alertname: " + alert + ", exp_alerts: []"),
               alert << " is not tested where it is silent");
    BOOST_TEST(contains(tests, "alertname: " + alert + "\n        exp_alerts:\n          - exp_labels:"),
               alert << " is not tested where it fires");
  }
  BOOST_TEST(alerts >= 10);
}

BOOST_AUTO_TEST_CASE(the_files_are_what_make_writes) {
  if (!machine_can("python3", "command -v python3 >/dev/null")) return;
  const auto end = Child({"python3", dashboards + "make", "--check"}).end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out == "");
}

// --------------------------------------------------------------------------------------------------- what is found out

BOOST_AUTO_TEST_CASE(a_panel_without_data_is_found) {
  if (!live()) return;
  BOOST_TEST(told_of("engine.json", "(weir_child_up{", "(weir_child_up{stage=\\\"nobody\\\",") ==
             "engine.json: Children: A: no data: sum by (instance, pipeline, stage) "
             "(weir_child_up{stage=\"nobody\",instance=~\"$instance\"})\n"
             "faults: 1\n");
}

BOOST_AUTO_TEST_CASE(a_metric_that_weir_does_not_have_is_found) {
  if (!live()) return;
  BOOST_TEST(told_of("engine.json", "(weir_child_up{", "(weir_children_up{") ==
             "engine.json: Children: A: weir has no metric weir_children_up\n"
             "faults: 1\n");
}

BOOST_AUTO_TEST_CASE(a_label_in_the_legend_that_the_result_lacks_is_found) {
  if (!live()) return;
  BOOST_TEST(
      told_of("engine.json", "sum by (instance, pipeline, stage) (weir_child_up", "sum by (stage) (weir_child_up") ==
      "engine.json: Children: A: the legend names the label pipeline, which the result lacks\n"
      "faults: 1\n");
}

BOOST_AUTO_TEST_CASE(a_query_that_is_not_understood_is_found) {
  if (!live()) return;
  const auto told = told_of("engine.json", "(weir_child_up{", "((weir_child_up{");
  BOOST_TEST(contains(told, "engine.json: Children: A: 1:"), told);
  BOOST_TEST(contains(told, "unclosed left parenthesis\nfaults: 1\n"), told);
}

BOOST_AUTO_TEST_CASE(nothing_but_nan_is_found) {
  if (!live()) return;
  const auto told = told_of("engine.json", "(weir_child_up{", "(0 / 0 * weir_child_up{");
  BOOST_TEST(contains(told, "engine.json: Children: A: nothing but NaN: sum by"), told);
}

BOOST_AUTO_TEST_CASE(a_variable_that_is_not_there_is_found) {
  if (!live()) return;
  BOOST_TEST(
      told_of("engine.json", "weir_child_up{instance=~\\\"$instance", "weir_child_up{instance=~\\\"$instances") ==
      "engine.json: Children: A: no variable 'instances'\n"
      "faults: 1\n");
}

BOOST_AUTO_TEST_CASE(a_variable_without_values_is_found) {
  if (!live()) return;
  BOOST_TEST(told_of("engine.json", "label_values(weir_build_info, instance)", "label_values(weir_build_info, host)") ==
             "engine.json: variable instance: no values: label_values(weir_build_info, host)\n"
             "faults: 1\n");
}

BOOST_AUTO_TEST_CASE(a_column_that_the_result_lacks_is_found) {
  if (!live()) return;
  BOOST_TEST(told_of("channels.json", "\"options\": \"Charged\"", "\"options\": \"Bytes charged\"") ==
             "channels.json: Edges: no column Bytes charged\n"
             "faults: 1\n");
}

BOOST_AUTO_TEST_CASE(a_panel_that_says_too_little_is_found) {
  if (!live()) return;
  const auto no_unit = told_of("engine.json", "\"unit\": \"percentunit\"", "\"unit\": \"\"");
  BOOST_TEST(contains(no_unit, "engine.json: Message memory: no unit\n"), no_unit);
  const auto no_words = told_of("engine.json", "\"description\": \"Restarts a second.", "\"said\": \"");
  BOOST_TEST(contains(no_words, "engine.json: Children started again: no description\n"), no_words);
}

BOOST_AUTO_TEST_CASE(a_panel_that_grafana_does_not_draw_itself_is_found) {
  if (!live()) return;
  const auto told = told_of("engine.json", "\"type\": \"bargauge\"", "\"type\": \"flowchart\"");
  BOOST_TEST(contains(told, "engine.json: Message memory: a panel of type flowchart needs more than Grafana\n"), told);
}

BOOST_AUTO_TEST_CASE(a_panel_that_lies_upon_another_is_found) {
  if (!live()) return;
  const auto told = told_of("engine.json", "\"x\": 12,\n    \"y\": 4,", "\"x\": 11,\n    \"y\": 4,");
  BOOST_TEST(contains(told, "engine.json: Processor time a message: lies upon Processor\n"), told);
}

BOOST_AUTO_TEST_CASE(a_metric_that_no_dashboard_shows_is_found) {
  if (!live()) return;
  const auto end = live()->check({"--every", dashboards + "grafana/engine.json"});
  BOOST_TEST(end.code == 1);
  BOOST_TEST(contains(end.out, "no dashboard shows weir_stage_bytes_in_total\n"), end.out);
}

BOOST_AUTO_TEST_CASE(rules_that_find_nothing_or_say_too_little_are_found) {
  if (!live()) return;
  const auto end = live()->check({"--rules", live()->folder().path("planted.rules.yml")});
  BOOST_TEST(end.code == 1);
  BOOST_TEST(end.out ==
             "planted.rules.yml: planted:unknown: weir has no metric weir_children_up\n"
             "planted.rules.yml: PlantedSilent: no description\n"
             "planted.rules.yml: PlantedSilent: its severity is none of critical, warning, info\n"
             "planted.rules.yml: planted:nothing: no data: weir_child_up{stage=\"nobody\"}\n"
             "planted.rules.yml: planted:unknown: no data: weir_children_up\n"
             "faults: 5\n");
}
