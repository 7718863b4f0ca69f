// The figures of a run under load: every family of the table is there, promtool finds nothing to say, and the ledger
// is closed whenever somebody looks.
#include <memory>
#include <set>

#include "engine/observe/metrics.hpp"
#include "tests/support/weir.hpp"

using namespace weir::tests;

namespace {

/// Every kind that needs no code, with failures, restarts and a slow end, under a load that does not end.
std::string everything(const TemporaryFolder& folder) {
  return "run: {data: '" + folder.path("data") +
         "'}\n"
         "stages:\n"
         "  numbers: {generate: {range: 1..1000000000000, msg: {n: '{{ i }}'}}}\n"
         "  load: {file: {read: /proc/loadavg, every: 5ms}}\n"
         "  words: {exec: {pipe: [printf, 'one\\ntwo\\n'], restart: 1ms..5ms}}\n"
         "  grown: {file: {follow: '" +
         folder.file("grown.txt", "one\n") +
         "'}}\n"
         "  seen: {from: grown, drop: {}}\n"
         "  even: {from: numbers, where: msg.n % 2 == 0}\n"
         "  odd: {from: even.else, drop: {}}\n"
         "  squares: {from: even, set: {square: '{{ msg.n * msg.n }}'}}\n"
         "  size: {from: squares, route: {small: msg.n % 1000 == 0, large: msg.n % 3 == 0}}\n"
         "  asked: {from: size.small, exec: {run: [expr, '{{ msg.n }}', '%', '7']}, workers: 2, timeout: 5s}\n"
         "  called: {from: size.small, throttle: 1000/s}\n"
         "  evenly: {from: called, pass: {}, limit: {rate: 1000/s, key: '{{ msg.n % 3 }}'}}\n"
         "  bearable: {from: evenly, pass: {}, limit: {by: memory, above: 100%}}\n"
         "  tried: {from: bearable, exec: {run: ['true']}, retry: 2, breaker: {failures: 5, key: same}}\n"
         "  known: {from: bearable, exec: {run: ['true']}, cache: {key: '{{ msg.n % 3 }}', fresh: 20ms, stale: 1s},\n"
         "          hedge: 1ms}\n"
         "  broken: {from: words, set: {a: 1}}\n"
         "  desk: {http_server: {listen: '127.0.0.1:0', path: /}}\n"
         "  told: {from: desk, reply: {}}\n"
         "  together: {from: [asked, size.large, size.else, load], edge: {capacity: 64}, workers: 2, pass: {}}\n"
         "  bundles: {from: size.else, batch: {count: 5, within: 50ms}}\n"
         "  screen: {from: bundles, stdout: {format: json}}\n"
         "  lossy: {from: together, edge: {capacity: 4, when_full: drop_newest}, file: {append: /dev/null}}\n"
         "  kept: {from: together, file: {append: /dev/null, format: lines}}\n"
         "  failures: {from: any.failed, file: {append: '" +
         folder.path("failed.txt") + "', format: lines}}\n";
}

std::set<std::string> families_of(const std::string& metrics) {
  std::set<std::string> names;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) names.insert(line.substr(7, line.find(' ', 7) - 7));
  }
  return names;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_family_is_there_and_the_ledger_is_closed_at_every_look) {
  const TemporaryFolder folder;
  Child child(shell("exec \"$WEIR\" run --admin 127.0.0.1:0 \"$1\" >/dev/null",
                    {folder.file("everything.yaml", everything(folder))}),
              shell_environment);
  const auto port = admin_port(child);
  std::string metrics;
  for (int look = 0; look < 200; ++look) {
    metrics = http_get(port, "/metrics").body;
    BOOST_REQUIRE_MESSAGE(contains(metrics, "\nweir_unaccounted_messages{pipeline=\"everything\"} 0\n"),
                          metrics.substr(0, 20000));
  }
  const auto there = families_of(metrics);
  for (const auto& family : weir::observe::metric_families) {
    BOOST_TEST(there.contains(std::string(family.name)), family.name << " is missing");
  }
  BOOST_TEST(there.size() == std::size(weir::observe::metric_families));
  for (const auto* series :
       {"weir_child_restarts_total{pipeline=\"everything\",stage=\"words\",kind=\"exec\"} ",
        "weir_stage_errors_total{pipeline=\"everything\",stage=\"broken\",kind=\"decode\"} ",
        "weir_stage_dropped_total{pipeline=\"everything\",stage=\"odd\",kind=\"drop\",reason=\"configured\"} ",
        "weir_end_to_end_seconds_count{pipeline=\"everything\",stage=\"kept\",kind=\"file\",source=\"numbers\"} "}) {
    const auto at = metrics.find(series);
    BOOST_TEST(at != std::string::npos, series);
    if (at != std::string::npos) BOOST_TEST(metrics[at + std::string(series).size()] != '0', series << "0");
  }

  if (machine_can("promtool", "command -v promtool")) {
    const auto path = folder.file("metrics.txt", metrics);
    const auto end = Child({"sh", "-c", "promtool check metrics <\"$0\"", path}).end();
    BOOST_TEST(end.code == 0, end.out << end.err);
    BOOST_TEST(end.out + end.err == "");
  }
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

BOOST_AUTO_TEST_CASE(sixty_half_sent_requests_do_not_delay_anybody_s_figures) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("p.yaml", ticking), "--admin", "127.0.0.1:0"}));
  const auto port = admin_port(child);
  std::vector<std::unique_ptr<LoopbackSocket>> half;
  for (int i = 0; i < 60; ++i) {
    half.push_back(std::make_unique<LoopbackSocket>());
    BOOST_REQUIRE(half.back()->connect(port));
    half.back()->send("GET /metrics HTTP/1.1\r\nHost: loc");
  }
  for (const auto* path : {"/metrics", "/graph", "/readyz", "/livez"}) {
    BOOST_TEST(http_get(port, path).status == 200, path);
  }
  child.signal(SIGTERM);
  BOOST_TEST(child.end().code == 0);
}
