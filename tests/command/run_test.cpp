// `weir run` as a person and a service manager see it: what it prints, how it ends, and with what number. The program
// itself is run, as it was built.
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "engine/message/json.hpp"
#include "tests/support/weir.hpp"

namespace {

using weir::tests::admin_port;
using weir::tests::Child;
using weir::tests::contains;
using weir::tests::counted_up;
using weir::tests::http_get;
using weir::tests::LoopbackSocket;
using weir::tests::ran;
using weir::tests::TemporaryFolder;
using weir::tests::ticking;
using weir::tests::weir_run;

/// Numbers to standard output, from 1 without an end.
constexpr const char* endless =
    "stages:\n"
    "  numbers: {generate: {range: 1..1000000000000}}\n"
    "  screen: {from: numbers, stdout: {}}\n";

constexpr const char* three =
    "stages:\n"
    "  numbers: {generate: {range: 1..3}}\n"
    "  screen: {from: numbers, stdout: {}}\n";

/// One message, longer than a pipe and a read of it hold together.
const std::string long_line =
    "stages:\n"
    "  one: {generate: {range: 1..1, msg: {text: '" +
    std::string(1'000'000, 'x') +
    "'}}}\n"
    "  screen: {from: one, stdout: {}}\n";

/// What of a command line of the shell.
weir::tests::ChildEnd shell(const std::string& line) { return Child({"bash", "-c", line, WEIR_BINARY}).end(); }

}  // namespace

BOOST_AUTO_TEST_CASE(a_standard_output_that_takes_nothing_is_told_with_its_reason) {
  const auto end = shell("\"$0\" schema > /dev/full");
  BOOST_TEST(end.code == 74);
  BOOST_TEST(end.err == "weir: standard output takes nothing: No space left on device\n");
  const auto gone = shell("trap '' PIPE; { \"$0\" schema; echo $? >&2; } | true");
  BOOST_TEST(gone.err == "0\n");
}

BOOST_AUTO_TEST_CASE(in_a_log_of_json_warnings_are_lines_of_it) {
  const TemporaryFolder folder;
  const auto path = folder.file("p.yaml", "stages:\n  numbers: {generate: {range: 1..3}}\n");
  const auto end = ran({path, "--log-format", "json"});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(contains(end.err, "nobody reads what 'numbers' puts out"), end.err);
  const auto broken = folder.file("q.yaml", "stages:\n  numbers: {generate: {rnge: 1..3}}\n");
  const auto refused = ran({broken, "--log-format", "json"});
  BOOST_TEST(refused.code == 78);
  BOOST_TEST(contains(refused.err, "has no key 'rnge'"), refused.err);
  for (const auto& text : {end.err, refused.err}) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      BOOST_TEST(!weir::message::check_json(line).has_value(), line);
    }
  }
}

// ------------------------------------------------------------------------------------------------------------- it ends

BOOST_AUTO_TEST_CASE(a_finite_run_prints_its_data_on_standard_output_and_ends_with_0) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("three.yaml", three)});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out == "1\n2\n3\n");
  BOOST_TEST(contains(end.err, "msg=running"), end.err);
}

BOOST_AUTO_TEST_CASE(the_log_says_at_the_end_what_was_read_and_what_became_of_it) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("orders.yaml",
                                    "stages:\n  numbers: {generate: {range: 1..20}}\n"
                                    "  odd: {from: numbers, where: msg ~= 3}\n"
                                    "  checked: {from: odd, lua: 'if msg % 5 == 0 then fail() end'}\n"
                                    "  shown: {from: checked, stdout: {}}\n"
                                    "  dead: {from: any.failed, file: {write: '" +
                                        folder.path("dead") + "', format: envelope}}\n")});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(
      contains(end.err, "pipeline=orders msg=ended read=20 sinks=\"shown 15, dead 4\" failed=4 dropped=0 seconds="),
      end.err);
}

BOOST_AUTO_TEST_CASE(several_files_run_side_by_side) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("one.yaml", three), folder.file("two.yaml", three), "--log-format", "json"});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(std::count(end.out.begin(), end.out.end(), '\n') == 6);
  BOOST_TEST(contains(end.err, "\"pipelines\":2"), end.err);
}

BOOST_AUTO_TEST_CASE(for_begins_the_drain_and_a_drain_that_lost_nothing_ends_with_0) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("endless.yaml", ticking), "--for", "100ms"});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(contains(end.err, "msg=draining why=--for"), end.err);
  BOOST_TEST(!contains(end.err, "again="), end.err);
}

BOOST_AUTO_TEST_CASE(sigterm_under_load_drains_and_loses_nothing) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("endless.yaml", endless)}));
  BOOST_TEST(child.saw_on_out("\n5000\n"));
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(contains(end.err, "msg=draining why=SIGTERM at_most=30s again=\"stops at once\""), end.err);
  BOOST_TEST(counted_up(end.out) >= 5000U);
}

BOOST_AUTO_TEST_CASE(a_signal_that_comes_while_the_file_is_read_drains_as_soon_as_it_runs) {
  const TemporaryFolder folder;
  const std::string path = folder.path("endless.yaml");
  BOOST_REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const int pipe = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  BOOST_REQUIRE(pipe >= 0);
  const std::string text = ticking;
  BOOST_REQUIRE(::write(pipe, text.data(), 1) == 1);
  Child child(weir_run({path}));
  for (int unread = 1; unread > 0; ::sched_yield()) BOOST_REQUIRE(::ioctl(pipe, FIONREAD, &unread) == 0);
  child.signal(SIGTERM);
  BOOST_REQUIRE(::write(pipe, text.data() + 1, text.size() - 1) == static_cast<ssize_t>(text.size() - 1));
  ::close(pipe);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, "signal " << end.signal << ": " << end.err);
  BOOST_TEST(contains(end.err, "msg=draining why=SIGTERM"), end.err);
}

BOOST_AUTO_TEST_CASE(sigint_does_the_same) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("endless.yaml", ticking)}));
  BOOST_TEST(child.saw_on_err("msg=running"));
  child.signal(SIGINT);
  BOOST_TEST(child.end().code == 0);
}

BOOST_AUTO_TEST_CASE(a_first_signal_after_for_began_the_drain_is_answered) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("long_line.yaml", long_line), "--for", "1ms"}));
  BOOST_TEST(child.saw_on_err("msg=draining why=--for"));
  child.signal(SIGINT);
  BOOST_TEST(child.saw_on_err("msg=\"draining already\" signal=SIGINT again=\"stops at once\""));
  BOOST_TEST(!contains(child.err(), "stopping at once"));
  child.signal(SIGTERM);
  BOOST_TEST(child.saw_on_err("stopping at once"));
  BOOST_TEST(child.end().code == 128 + SIGTERM);
}

BOOST_AUTO_TEST_CASE(a_second_signal_stops_at_once) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("long_line.yaml", long_line)}));
  // One read takes less than the line and nobody reads on: the drain can't end.
  BOOST_TEST(child.saw_on_out("xxxx"));
  child.signal(SIGTERM);
  child.signal(SIGTERM);  // In the same moment, as whoever signals a process and its group does: still the first.
  BOOST_TEST(child.saw_on_err("msg=draining"));
  BOOST_TEST(!contains(child.err(), "stopping at once"));
  child.signal(SIGINT);
  BOOST_TEST(child.saw_on_err("stopping at once"));  // Only then is its output read.
  const auto end = child.end();
  BOOST_TEST(end.code == 128 + SIGINT,
             end.code << ", signal " << end.signal << ", " << end.out.size() << " bytes: " << end.err);
}

BOOST_AUTO_TEST_CASE(what_is_left_when_the_drain_time_ends_is_said_and_ends_with_1) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("endless.yaml", endless), "--set", "run.drain=100ms", "--for", "200ms"}));
  BOOST_TEST(child.saw_on_err("messages were left when it was stopped"));  // Only then is its output read.
  const auto end = child.end();
  BOOST_TEST(end.code == 1, end.err);
}

BOOST_AUTO_TEST_CASE(a_reader_that_leaves_ends_the_run_quietly) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("endless.yaml", endless), "--log-level", "warn"}));
  BOOST_TEST(child.saw_on_out("1\n"));
  child.close_output();
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.err.empty(), end.err);
}

BOOST_AUTO_TEST_CASE(failures_that_nobody_hears_end_with_1) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("failing.yaml",
                                    "stages:\n"
                                    "  words: {generate: {each: [a, b], text: '{{ item }}'}}\n"
                                    "  fields: {from: words, set: {n: 1}}\n"
                                    "  gone: {from: fields, drop: {}}\n")});
  BOOST_TEST(end.code == 1, end.err);
  BOOST_TEST(contains(end.err, "messages failed and nobody listened"), end.err);
}

// ------------------------------------------------------------------------------------------------------ it can't start

BOOST_AUTO_TEST_CASE(a_file_with_mistakes_ends_with_78_and_runs_nothing) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("three.yaml", three), folder.file("bad.yaml", "stages: {a: {genrate: {}}}\n")});
  BOOST_TEST(end.code == 78);
  BOOST_TEST(end.out.empty());
  BOOST_TEST(contains(end.err, "bad.yaml:1:14: error:"), end.err);
}

BOOST_AUTO_TEST_CASE(a_warning_is_told_and_the_run_goes_on) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("warned.yaml", "stages: {numbers: {generate: {range: 1..3}}}\n")});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(contains(end.err, "warning:"), end.err);
}

BOOST_AUTO_TEST_CASE(a_missing_input_file_ends_with_69) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("reading.yaml", "stages:\n  lines: {file: {read: " + folder.path("missing.txt") +
                                                        "}}\n  screen: {from: lines, stdout: {}}\n")});
  BOOST_TEST(end.code == 69, end.err);
  BOOST_TEST(contains(end.err, folder.path("missing.txt")), end.err);
  BOOST_TEST(contains(end.err, "No such file or directory"), end.err);
}

BOOST_AUTO_TEST_CASE(a_missing_program_ends_with_69) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("starting.yaml",
                                    "stages:\n  lines: {exec: {pipe: [no-such-program-for-weir]}}\n"
                                    "  screen: {from: lines, stdout: {}}\n")});
  BOOST_TEST(end.code == 69, end.err);
  BOOST_TEST(contains(end.err, "no-such-program-for-weir"), end.err);
}

BOOST_AUTO_TEST_CASE(an_admin_port_that_was_asked_for_and_is_taken_ends_with_69) {
  const TemporaryFolder folder;
  LoopbackSocket taken;
  const auto address = "127.0.0.1:" + std::to_string(taken.listen());
  const auto end = ran({folder.file("endless.yaml", ticking), "--admin", address});
  BOOST_TEST(end.code == 69, end.err);
  BOOST_TEST(contains(end.err, "the admin port " + address), end.err);
  BOOST_TEST(contains(end.err, "Address already in use"), end.err);

  const auto file = folder.file("written.yaml", std::string(ticking) + "admin: {listen: '" + address + "'}\n");
  BOOST_TEST(Child({WEIR_BINARY, "run", file}).end().code == 69);
}

BOOST_AUTO_TEST_CASE(the_usual_admin_port_gives_way_to_the_next_free_one) {
  const TemporaryFolder folder;
  const auto file = folder.file("endless.yaml", ticking);
  Child first({WEIR_BINARY, "run", file});
  const auto first_port = admin_port(first);
  Child second({WEIR_BINARY, "run", file});
  const auto second_port = admin_port(second);
  BOOST_TEST(first_port != second_port);
  BOOST_TEST(contains(second.err(), "taken=127.0.0.1:9797"), second.err());
  BOOST_TEST(http_get(second_port, "/livez").status == 200);
  first.signal(SIGTERM);
  second.signal(SIGTERM);
  BOOST_TEST(first.end().code == 0);
  BOOST_TEST(second.end().code == 0);
}

// ------------------------------------------------------------------------------------------------------- while it runs

BOOST_AUTO_TEST_CASE(the_admin_port_shows_what_flows) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("ticking.yaml", ticking), "--admin", "127.0.0.1:0"}));
  const auto port = admin_port(child);

  BOOST_TEST(http_get(port, "/livez").body == "ok\n");
  auto ready = http_get(port, "/readyz");
  for (int i = 0; i < 1000 && ready.status != 200; ++i) ready = http_get(port, "/readyz");
  BOOST_TEST(ready.body == "{\"ready\": true, \"pipelines\": [{\"pipeline\": \"ticking\", \"phase\": \"running\"}]}\n");

  const auto metrics = http_get(port, "/metrics");
  BOOST_TEST(metrics.status == 200);
  BOOST_TEST(contains(metrics.head, "text/plain; version=0.0.4"), metrics.head);
  BOOST_TEST(contains(metrics.body, "weir_unaccounted_messages{pipeline=\"ticking\"} 0"), metrics.body);
  BOOST_TEST(contains(metrics.body, "weir_stage_messages_created_total{pipeline=\"ticking\",stage=\"ticks\""));
  BOOST_TEST(contains(metrics.body, "process_resident_memory_bytes "));

  const auto graph = http_get(port, "/graph");
  BOOST_TEST(graph.status == 200);
  BOOST_TEST(!weir::message::check_json(graph.body).has_value(), graph.body);
  BOOST_TEST(contains(graph.body, "\"unaccounted\": 0"), graph.body);

  BOOST_TEST(contains(http_get(port, "/").body, "/metrics"));
  const auto nothing = http_get(port, "/nothing");
  BOOST_TEST(nothing.status == 404);
  BOOST_TEST(nothing.body == "{\"error\": \"there is nothing at /nothing; / lists what there is\"}\n");
  BOOST_TEST(http_get(port, "/metrics", "", "POST").status == 405);
  BOOST_TEST(http_get(port, "/metrics", "", "GET", "evil.example").status == 403);

  child.signal(SIGTERM);
  BOOST_TEST(child.end().code == 0);
}

BOOST_AUTO_TEST_CASE(half_sent_requests_and_busy_cores_do_not_keep_metrics_waiting) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("busy.yaml",
                                    "stages:\n"
                                    "  numbers: {generate: {range: 1..1000000000000, msg: {n: '{{ i }}'}}}\n"
                                    "  work:\n"
                                    "    from: numbers\n"
                                    "    lua: 'local sum = 0 for i = 1, 10000 do sum = sum + i end msg.sum = sum'\n"
                                    "  gone: {from: work, drop: {}}\n"),
                        "--admin", "127.0.0.1:0"}));
  const auto port = admin_port(child);
  std::vector<std::unique_ptr<LoopbackSocket>> half;
  for (int i = 0; i < 60; ++i) {
    half.push_back(std::make_unique<LoopbackSocket>());
    BOOST_TEST(half.back()->connect(port));
    half.back()->send("GET /metrics HTTP/1.1\r\nHost: loc");
  }
  const auto metrics = http_get(port, "/metrics");
  BOOST_TEST(metrics.status == 200);
  BOOST_TEST(contains(metrics.body, "weir_unaccounted_messages{pipeline=\"busy\"} 0"), metrics.body);
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(!contains(end.err, "did not tell their figures in time"), end.err);
}

BOOST_AUTO_TEST_CASE(a_token_is_asked_for_and_never_shown) {
  const TemporaryFolder folder;
  const auto secret = folder.file("token", "rosebud-17");
  Child child(weir_run({folder.file("guarded.yaml", std::string(ticking) + "secrets: {admin: {file: " + secret +
                                                        "}}\nadmin: {token: '${secret.admin}'}\n"),
                        "--admin", "127.0.0.1:0"}));
  const auto port = admin_port(child);
  BOOST_TEST(http_get(port, "/metrics").status == 401);
  const auto metrics = http_get(port, "/metrics", "Authorization: Bearer rosebud-17\r\n");
  BOOST_TEST(metrics.status == 200);
  const auto graph = http_get(port, "/graph", "Authorization: Bearer rosebud-17\r\n");
  BOOST_TEST(!contains(metrics.body + graph.body, "rosebud-17"));
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(!contains(end.out + end.err, "rosebud-17"));
}

BOOST_AUTO_TEST_CASE(no_progress_is_shown_where_nobody_watches) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("ticking.yaml", ticking), "--for", "1500ms"});
  BOOST_TEST(end.code == 0);
  BOOST_TEST(!contains(end.err, "msg/s"), end.err);
  BOOST_TEST(!contains(end.err, "\x1b"), end.err);
}
