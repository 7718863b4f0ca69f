// file: what grows is read as it does, through renaming, cutting and removing, and goes on where it was.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "engine/config/loader.hpp"
#include "engine/graph/running.hpp"
#include "engine/observe/log.hpp"
#include "engine/runtime/simulated.hpp"
#include "tests/stages/alone.hpp"

using namespace weir;
using namespace weir::tests;

namespace {

/// A machine whose disk outlives the weir that runs on it.
class Machine {
 public:
  /// `options`: of the stage that follows, from its role on. `rest`: the other stages.
  explicit Machine(const std::string& options = "follow: app.log",
                   const std::string& rest = "  out: {from: in, file: {append: out}}\n")
      : yaml_("stages:\n  in: {file: {" + options + "}}\n" + rest) {
    observe::Log::Options kept;
    kept.sink = [this](std::string_view line) { log += line; };
    observe::program_log().set(std::move(kept));
  }
  ~Machine() {
    if (running_) kill();
    observe::program_log().set({});
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  void start() {
    config::Diagnostics diagnostics;
    auto pipeline = config::load(
        std::make_shared<config::Source>(config::Source{"p.yaml", yaml_}), {},
        [](const std::string&) { return std::optional<std::string>(); }, diagnostics);
    BOOST_REQUIRE_MESSAGE(pipeline && !diagnostics.has_errors(), diagnostics.render());
    auto plan = graph::compile(std::move(*pipeline), stage::Catalog::linked(), diagnostics);
    BOOST_REQUIRE_MESSAGE(plan && !diagnostics.has_errors(), diagnostics.render());
    ended_ = false;
    running_ = std::make_unique<graph::Running>(std::move(*plan), runtime, 0, budget_, graph::RunOptions());
    running_->start([this](const graph::Ending& ending) {
      ended_ = true;
      ending_ = ending;
    });
    wait(1s);
  }
  void wait(runtime::Duration time) { runtime.run_for(time); }
  /// As by SIGTERM.
  void drain() {
    running_->drain();
    gone();
  }
  /// What was not written down by then is not.
  void kill() {
    running_->stop();
    gone();
  }
  std::int64_t behind() {
    std::optional<observe::PipelineSnapshot> taken;
    running_->snapshot([&](observe::PipelineSnapshot snapshot) { taken = std::move(snapshot); });
    while (!taken && runtime.step()) {
    }
    return taken->stages.front().behind_bytes.value();
  }
  std::string out(const std::string& path = "out") {
    return runtime.files().exists(path) ? runtime.files().text(path) : std::string();
  }
  runtime::SimulatedFiles& files() { return runtime.files(); }
  const graph::Ending& ending() const { return ending_; }
  bool has_ended() const { return ended_; }

  runtime::SimulatedRuntime runtime{1};
  std::string log;

 private:
  void gone() {
    for (int i = 0; !ended_ && i < 600; ++i) wait(1s);
    BOOST_REQUIRE(ended_);
    running_.reset();
  }

  const std::string yaml_;
  flow::Budget budget_{std::uint64_t{1} << 28};
  std::unique_ptr<graph::Running> running_;
  bool ended_ = false;
  graph::Ending ending_;
};

const std::string named =
    "  lines: {from: in, do: [lua: 'return {meta.file, text}']}\n  out: {from: lines, file: {append: out}}\n";

}  // namespace

// -------------------------------------------------------------------------------------------------------- what comes

BOOST_AUTO_TEST_CASE(what_is_there_is_read_and_then_what_comes) {
  Machine machine;
  machine.files().put("app.log", "1\n2\n");
  machine.start();
  BOOST_TEST(machine.out() == "1\n2\n");
  machine.files().add("app.log", "3\n");
  machine.wait(300ms);
  BOOST_TEST(machine.out() == "1\n2\n3\n");
}

BOOST_AUTO_TEST_CASE(how_often_is_looked_is_said_by_poll) {
  Machine machine("follow: app.log, poll: 10s");
  machine.files().put("app.log", "1\n");
  machine.start();
  machine.files().add("app.log", "2\n");
  machine.wait(8s);
  BOOST_TEST(machine.out() == "1\n");
  machine.wait(2s);
  BOOST_TEST(machine.out() == "1\n2\n");
}

BOOST_AUTO_TEST_CASE(how_much_is_still_to_be_read_is_a_figure) {
  Machine machine("follow: '*.log'", "  work: {from: in, exec: {run: [work]}, merge: {}, edge: {capacity: 2}}\n");
  machine.runtime.programs().script("work", [](const runtime::Command&) {
    runtime::Behaviour behaviour;
    behaviour.steps.push_back({10ms, "", ""});
    return behaviour;
  });
  std::string lines;
  for (int i = 0; i < 4'000; ++i) lines += std::string(499, 'x') + "\n";
  machine.files().put("a.log", lines);
  machine.files().put("b.log", "1\n2\n");
  machine.start();
  BOOST_TEST(machine.behind() > 1'000'000);
  BOOST_TEST(machine.behind() < 2'000'004);
  machine.wait(1h);
  BOOST_TEST(machine.behind() == 0);
}

BOOST_AUTO_TEST_CASE(records_of_several_lines_are_put_together_file_by_file) {
  Machine machine("follow: '*.log'",
                  "  whole: {from: in, batch: {key: '{{ meta.file }}', begins: \"not re.match('^ ', text)\", as: "
                  "lines, within: 5s}}\n"
                  "  lines: {from: whole, do: [lua: 'return {meta.file, text}']}\n"
                  "  out: {from: lines, file: {append: out}}\n");
  machine.files().put("a.log", "a1\n");
  machine.files().put("b.log", "b1\n");
  machine.start();
  machine.files().add("a.log", " a2\n");
  machine.files().add("b.log", " b2\n b3\n");
  machine.wait(300ms);
  machine.files().add("a.log", " a3\na4\n");
  machine.wait(6s);
  BOOST_TEST(machine.out() == "[\"a.log\",\"a1\\n a2\\n a3\"]\n[\"b.log\",\"b1\\n b2\\n b3\"]\n[\"a.log\",\"a4\"]\n");
}

BOOST_AUTO_TEST_CASE(half_a_line_is_no_message_until_its_end_has_come) {
  Machine machine;
  machine.files().put("app.log", "1\nha");
  machine.start();
  machine.files().add("app.log", "lf");
  machine.wait(10s);
  BOOST_TEST(machine.out() == "1\n");
  machine.files().add("app.log", "\n3");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\nhalf\n");
}

BOOST_AUTO_TEST_CASE(with_start_end_only_what_comes_is_read_and_of_half_a_line_nothing) {
  Machine machine("follow: '*.log', start: end");
  machine.files().put("a.log", "1\n2\n");
  machine.files().put("b.log", "1\nha");
  machine.start();
  machine.files().add("a.log", "3\n");
  machine.files().add("b.log", "lf\n3\n");
  machine.files().put("c.log", "new\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "3\n3\nnew\n");
  machine.kill();
  machine.files().add("a.log", "4\n");
  machine.start();
  BOOST_TEST(machine.out() == "3\n3\nnew\n4\n");
}

BOOST_AUTO_TEST_CASE(half_a_line_that_was_passed_over_is_passed_over_after_a_restart_too) {
  Machine machine("follow: b.log, start: end");
  machine.files().put("b.log", "1\nha");
  machine.start();
  machine.drain();
  machine.files().add("b.log", "lf\n3\n");
  machine.start();
  BOOST_TEST(machine.out() == "3\n");
}

BOOST_AUTO_TEST_CASE(a_file_that_appears_later_is_read_from_its_beginning) {
  Machine machine("follow: logs/app.log");
  machine.start();
  machine.files().put("logs/app.log", "1\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n");
}

BOOST_AUTO_TEST_CASE(a_line_that_is_too_long_is_refused_and_the_next_one_read) {
  Machine machine("follow: app.log, max_message: 10B",
                  "  out: {from: in, file: {append: out}}\n"
                  "  bad: {from: in.failed, do: [lua: 'return {failed.kind, failed.line}']}\n"
                  "  told: {from: bad, file: {append: told}}\n");
  machine.files().put("app.log", "1\n" + std::string(200'000, 'x'));
  machine.start();
  machine.files().add("app.log", std::string(200'000, 'x') + "\n3\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n3\n");
  BOOST_TEST(machine.out("told") == "[\"size\",2]\n");
  machine.kill();
  machine.start();
  BOOST_TEST(machine.out() == "1\n3\n");
}

// ---------------------------------------------------------------------------------------------- other files by a name

BOOST_AUTO_TEST_CASE(the_rest_of_a_renamed_file_is_read_before_the_one_that_took_its_name) {
  Machine machine;
  machine.files().put("app.log", "1\n");
  machine.start();
  machine.files().add("app.log", "2\n");
  machine.files().rename("app.log", "app.log.1");
  machine.files().put("app.log", "4\n");
  machine.files().add("app.log.1", "3\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n2\n3\n4\n");
  // Who writes has not heard of it yet.
  machine.files().add("app.log.1", "late\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n2\n3\n4\nlate\n");
}

BOOST_AUTO_TEST_CASE(the_last_line_of_a_renamed_file_needs_no_end) {
  Machine machine;
  machine.files().put("app.log", "1\n2");
  machine.start();
  machine.files().rename("app.log", "app.log.1");
  machine.wait(4s);
  BOOST_TEST(machine.out() == "1\n");
  machine.wait(2s);
  BOOST_TEST(machine.out() == "1\n2\n");
}

BOOST_AUTO_TEST_CASE(what_was_removed_is_read_to_its_end) {
  Machine machine;
  machine.files().put("app.log", "1\n");
  machine.start();
  machine.files().add("app.log", "2\n");
  machine.files().remove("app.log");
  machine.wait(10s);
  machine.files().put("app.log", "3\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n2\n3\n");
}

BOOST_AUTO_TEST_CASE(a_file_that_is_renamed_within_the_pattern_is_not_read_twice) {
  Machine machine("follow: 'app.log*'", named);
  machine.files().put("app.log", "1\n");
  machine.start();
  machine.files().rename("app.log", "app.log.1");
  machine.files().put("app.log", "2\n");
  machine.wait(1s);
  machine.files().add("app.log.1", "3\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "[\"app.log\",\"1\"]\n[\"app.log\",\"2\"]\n[\"app.log.1\",\"3\"]\n");
  machine.kill();
  machine.start();
  machine.files().rename("app.log.1", "app.log.2");
  machine.wait(10s);
  BOOST_TEST(machine.out() == "[\"app.log\",\"1\"]\n[\"app.log\",\"2\"]\n[\"app.log.1\",\"3\"]\n");
}

BOOST_AUTO_TEST_CASE(what_a_rotation_has_compressed_is_left_out) {
  Machine machine("follow: 'app.log*'", named);
  machine.files().put("app.log", "1\n");
  machine.files().put("app.log.2.gz", "\x1f\x8b\n\n");
  machine.start();
  machine.files().rename("app.log", "app.log.1.zst");
  machine.files().put("app.log", "2\n");
  machine.wait(10s);
  BOOST_TEST(machine.out() == "[\"app.log\",\"1\"]\n[\"app.log\",\"2\"]\n");
}

BOOST_AUTO_TEST_CASE(what_is_renamed_while_it_is_read_keeps_its_place_in_a_drain) {
  Machine machine("follow: 'app.log*'", named);
  machine.files().put("app.log", "1\n");
  machine.start();
  machine.files().add("app.log", "2\n");
  machine.files().rename("app.log", "app.log.1");
  machine.drain();
  machine.start();
  BOOST_TEST(machine.out() == "[\"app.log\",\"1\"]\n[\"app.log.1\",\"2\"]\n");
}

BOOST_AUTO_TEST_CASE(a_file_that_is_cut_is_read_anew) {
  Machine machine;
  machine.files().put("app.log", "1\n2\n");
  machine.start();
  machine.files().overwrite("app.log", "3\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n2\n3\n");
  // So is one that by then is longer than it was.
  machine.files().overwrite("app.log", "4\n5\n6\n7\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n2\n3\n4\n5\n6\n7\n");
  machine.drain();
  machine.start();
  BOOST_TEST(machine.out() == "1\n2\n3\n4\n5\n6\n7\n");
}

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be_read_keeps_nobody_from_the_others) {
  Machine machine("follow: 'l/*/app.log'");
  machine.files().put("l/a/app.log", "1\n");
  machine.files().put("l/b/app.log", "2\n");
  machine.files().make_unlistable("l/c");
  machine.files().put("l/c/app.log", "3\n");
  machine.start();
  BOOST_TEST(machine.out() == "1\n2\n3\n");  // A name that is no pattern needs no list.
}

BOOST_AUTO_TEST_CASE(what_can_not_be_looked_at_for_a_while_has_not_gone) {
  Machine machine("follow: 'l/*/*.log'");
  for (const char* path : {"l/a/app.log", "l/b/app.log"}) machine.files().put(path, "1\n");
  machine.files().make_unlistable("l/c");
  machine.files().put("l/c/app.log", "not yet\n");
  machine.start();
  BOOST_TEST(machine.out() == "1\n1\n");
  machine.files().make_unlistable("l/b");
  machine.wait(10s);
  machine.files().make_unlistable("l/b", false);
  machine.files().make_unlistable("l/c", false);
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n1\nnot yet\n");
  machine.files().add("l/b/app.log", "2\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n1\nnot yet\n2\n");
}

BOOST_AUTO_TEST_CASE(a_file_that_is_cut_and_has_grown_to_the_same_size_by_the_next_look_is_read_anew) {
  Machine machine;
  machine.files().put("app.log", "alive 1\n");
  machine.start();
  machine.wait(1s);
  machine.files().overwrite("app.log", "alive 2\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "alive 1\nalive 2\n");
}

BOOST_AUTO_TEST_CASE(the_copy_that_a_rotation_makes_before_it_cuts_is_read_only_behind_what_was_read) {
  Machine machine("follow: 'app.log*'", named);
  machine.files().put("app.log", "1\n2\n");
  machine.start();
  machine.files().put("app.log.1", "1\n2\n3\n");  // A line came between the last look and the cut.
  machine.files().overwrite("app.log", "4\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "[\"app.log\",\"1\"]\n[\"app.log\",\"2\"]\n[\"app.log\",\"4\"]\n[\"app.log.1\",\"3\"]\n");
  machine.drain();
  machine.start();
  machine.wait(1s);
  BOOST_TEST(machine.out() == "[\"app.log\",\"1\"]\n[\"app.log\",\"2\"]\n[\"app.log\",\"4\"]\n[\"app.log.1\",\"3\"]\n");
}

BOOST_AUTO_TEST_CASE(a_copy_is_known_where_its_file_is_cut_while_what_was_read_of_it_waits) {
  Machine machine("follow: 'app.log*'",
                  "  slow: {from: in, edge: {capacity: 1}, limit: {rate: 1/s, burst: 1}, pass: {}}\n"
                  "  out: {from: slow, file: {append: out}}\n");
  machine.files().put("app.log", "1\n2\n3\n4\n5\n6\n");
  machine.start();
  machine.wait(1500ms);
  machine.files().put("app.log.1", "1\n2\n3\n4\n5\n6\n");
  machine.files().overwrite("app.log", "7\n");
  machine.wait(20s);
  BOOST_TEST(machine.out() == "1\n2\n3\n4\n5\n6\n7\n");
}

BOOST_AUTO_TEST_CASE(a_copy_that_is_being_made_is_waited_for) {
  Machine machine("follow: 'app.log*'");
  const std::string head = std::string(2000, 'x') + "\n";
  machine.files().put("app.log", head + "2\n3\n");
  machine.start();
  machine.files().put("app.log.1", "");
  machine.wait(1s);
  machine.files().add("app.log.1", head + "2\n");
  machine.wait(250ms);
  BOOST_TEST(machine.out() == head + "2\n3\n");
  machine.files().add("app.log.1", "3\n");
  machine.files().overwrite("app.log", "");
  machine.wait(1s);
  BOOST_TEST(machine.out() == head + "2\n3\n");
  machine.files().add("app.log", "4\n");
  machine.wait(1s);
  machine.files().add("app.log.1", "5\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == head + "2\n3\n4\n5\n");
}

BOOST_AUTO_TEST_CASE(a_file_that_only_begins_like_another_is_read_from_its_beginning) {
  const std::string head = "# the same head\n";
  Machine machine("follow: '*.log'");
  machine.files().put("a.log", head + "1\n");
  machine.start();
  machine.files().put("b.log", head + "2\n3\n");  // Longer, and something else before that place.
  machine.files().put("c.log", head);             // Shorter, and stays so.
  machine.wait(2s);
  std::string out = machine.out();
  BOOST_TEST(out == head + "1\n" + head + "2\n3\n" + head);
}

BOOST_AUTO_TEST_CASE(a_file_that_begins_with_all_of_another_is_no_copy_while_that_is_not_cut) {
  Machine machine("follow: '*.log'");
  machine.files().put("a.log", "Starting\n");
  machine.start();
  machine.files().put("b.log", "Starting\n1\n");
  machine.wait(10s);
  BOOST_TEST(machine.out() == "Starting\nStarting\n1\n");
  machine.files().add("a.log", "2\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "Starting\nStarting\n1\n2\n");
}

BOOST_AUTO_TEST_CASE(a_copy_is_known_also_of_what_was_read_before_a_restart) {
  Machine machine("follow: 'app.log*'");
  machine.files().put("app.log", "1\n2\n");
  machine.start();
  machine.drain();
  machine.start();
  machine.files().put("app.log.1", "1\n2\n");
  machine.files().overwrite("app.log", "");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n2\n");
}

BOOST_AUTO_TEST_CASE(a_copy_is_known_where_weir_is_stopped_as_soon_as_it_has_seen_the_cut) {
  for (const bool seen_before : {false, true}) {
    Machine machine("follow: 'app.log*'");
    machine.files().put("app.log", "1\n2\n");
    machine.start();
    machine.files().put("app.log.1", "1\n2\n3\n");
    if (seen_before) machine.wait(250ms);
    machine.files().overwrite("app.log", "4\n");
    machine.wait(250ms);
    machine.drain();
    machine.start();
    machine.wait(1s);
    BOOST_TEST(machine.out() == "1\n2\n4\n3\n");
  }
}

BOOST_AUTO_TEST_CASE(a_copy_that_is_made_while_weir_does_not_run_is_known_too) {
  Machine machine("follow: 'app.log*'");
  machine.files().put("app.log", "1\n2\n");
  machine.start();
  machine.drain();
  machine.files().put("app.log.1", "1\n2\n3\n");
  machine.files().overwrite("app.log", "4\n");
  machine.start();
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n2\n4\n3\n");
  // And one that was found before its file was cut.
  machine.files().put("app.log.2", "4\n");
  machine.wait(1s);
  machine.kill();
  machine.files().overwrite("app.log", "5\n");
  machine.start();
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n2\n4\n3\n5\n");
}

BOOST_AUTO_TEST_CASE(what_was_not_done_when_its_file_was_copied_and_cut_comes_again_from_the_copy) {
  Machine machine("follow: 'app.log*'",
                  "  slow: {from: in, batch: {within: 1h}}\n  out: {from: slow, file: {append: out}}\n");
  machine.files().put("app.log", "1\n2\n");
  machine.start();
  machine.files().put("app.log.1", "1\n2\n");
  machine.files().overwrite("app.log", "3\n");
  machine.wait(1s);
  machine.kill();
  machine.start();
  machine.drain();
  BOOST_TEST(machine.out() == "[3,1,2]\n");
}

// ------------------------------------------------------------------------------------------------------- going on

BOOST_AUTO_TEST_CASE(started_again_it_goes_on_where_it_was) {
  Machine machine;
  machine.files().put("app.log", "1\n2\nha");
  machine.start();
  machine.drain();
  BOOST_TEST(machine.out() == "1\n2\n");
  machine.files().add("app.log", "lf\n4\n");
  machine.start();
  BOOST_TEST(machine.out() == "1\n2\nhalf\n4\n");
  machine.kill();
  machine.start();
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n2\nhalf\n4\n");
}

BOOST_AUTO_TEST_CASE(the_number_of_a_line_is_that_in_the_file_also_after_a_start) {
  Machine machine("follow: app.ndjson",
                  "  good: {from: in, drop: {}}\n  bad: {from: in.failed, do: [lua: 'return failed.line']}\n"
                  "  told: {from: bad, file: {append: out}}\n");
  machine.files().put("app.ndjson", "1\n2\n");
  machine.start();
  machine.drain();
  machine.files().add("app.ndjson", "3\n{\n");
  machine.start();
  BOOST_TEST(machine.out() == "4\n");
}

BOOST_AUTO_TEST_CASE(what_was_renamed_while_weir_did_not_run_is_read_to_its_end_first) {
  Machine machine("follow: logs/app.log");
  machine.files().put("logs/app.log", "1\n");
  machine.start();
  machine.kill();
  machine.files().add("logs/app.log", "2\n");
  machine.files().rename("logs/app.log", "logs/app.log.1");
  machine.files().put("logs/app.log", "3\n");
  machine.start();
  BOOST_TEST(machine.out() == "1\n2\n3\n");
}

BOOST_AUTO_TEST_CASE(a_folder_that_is_not_there_at_a_start_is_gone_on_with_when_it_is_back) {
  Machine machine("follow: 'l/*/*.log'");
  machine.files().put("l/a/1.log", "1\n");
  machine.files().put("l/b/2.log", "2\n");
  machine.start();
  machine.drain();
  machine.files().make_unlistable("l/b");
  machine.start();
  machine.wait(10s);
  machine.drain();  // Nor is it forgotten then.
  machine.start();
  machine.wait(10s);
  BOOST_TEST(machine.out() == "1\n2\n");
  BOOST_TEST(machine.log.find("is gone") == std::string::npos, machine.log);
  machine.files().make_unlistable("l/b", false);
  machine.files().add("l/b/2.log", "3\n");
  machine.wait(1s);
  BOOST_TEST(machine.out() == "1\n2\n3\n");
}

BOOST_AUTO_TEST_CASE(what_was_removed_while_weir_did_not_run_is_told) {
  Machine machine;
  machine.files().put("app.log", "1\n");
  machine.start();
  machine.kill();
  machine.files().remove("app.log");
  machine.files().put("app.log", "2\n");
  machine.start();
  BOOST_TEST(machine.out() == "1\n2\n");
  BOOST_TEST(machine.log.find("a file that was followed is gone") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(another_file_with_the_number_of_the_old_one_is_read_from_its_beginning) {
  Machine machine;
  machine.files().put("app.log", "1\n2\n");
  machine.start();
  machine.kill();
  machine.files().overwrite("app.log", "3\n4\n5\n");  // As if it had been made anew, and the number used again.
  machine.start();
  BOOST_TEST(machine.out() == "1\n2\n3\n4\n5\n");
}

BOOST_AUTO_TEST_CASE(only_what_is_done_is_written_down) {
  // The disk of the sink is full: what was read has not arrived.
  Machine machine;
  machine.files().put("app.log", "1\n2\n");
  machine.start();
  machine.files().add("app.log", "3\n");
  std::uint64_t used = 0;
  for (const auto& path : machine.files().paths()) used += machine.files().text(path).size();
  machine.files().set_capacity(used + 1);
  machine.wait(2s);
  machine.kill();
  machine.files().set_capacity(1'000'000);
  BOOST_TEST(machine.out() == "1\n2\n");
  machine.start();
  BOOST_TEST(machine.out() == "1\n2\n3\n");
}

BOOST_AUTO_TEST_CASE(of_many_lines_read_at_once_only_the_last_ones_come_again) {
  Machine machine("follow: app.log",
                  "  slow: {from: in, throttle: {rate: 100/s, burst: 1}}\n  out: {from: slow, file: {append: out}}\n");
  std::string lines;
  for (int i = 0; i < 2000; ++i) lines += std::to_string(i) + "\n";
  machine.files().put("app.log", lines);
  machine.start();
  machine.wait(9s);
  const auto lines_out = [&machine] {
    const auto out = machine.out();
    return std::count(out.begin(), out.end(), '\n');
  };
  const auto before = lines_out();
  BOOST_TEST(before > 900);
  machine.kill();
  machine.start();
  machine.wait(1min);
  const auto all = lines_out();
  BOOST_TEST(all - 2000 < 300);  // What the edges hold, and a second of positions; not what one read brought.
  BOOST_TEST(all >= 2000);
}

BOOST_AUTO_TEST_CASE(what_is_held_downstream_comes_again_after_a_kill_and_not_after_a_drain) {
  const std::string three =
      "  some: {from: in, batch: {count: 3, within: 1h, as: lines}}\n  out: {from: some, file: {append: out}}\n";
  {
    Machine machine("follow: app.log", three);
    machine.files().put("app.log", "1\n2\n3\n4\n");
    machine.start();
    machine.kill();
    BOOST_TEST(machine.out() == "1\n2\n3\n");
    machine.files().add("app.log", "5\n6\n");
    machine.start();
    // Of the four that came at once one was not done: all of them come again.
    BOOST_TEST(machine.out() == "1\n2\n3\n1\n2\n3\n4\n5\n6\n");
  }
  Machine machine("follow: app.log", three);
  machine.files().put("app.log", "1\n2\n3\n4\n");
  machine.start();
  machine.drain();
  BOOST_TEST(machine.out() == "1\n2\n3\n4\n");
  machine.files().add("app.log", "5\n6\n7\n");
  machine.start();
  BOOST_TEST(machine.out() == "1\n2\n3\n4\n5\n6\n7\n");
}

BOOST_AUTO_TEST_CASE(what_failed_for_good_does_not_come_again) {
  Machine machine("follow: app.ndjson",
                  "  out: {from: in, do: [where: msg.a == 1]}\n  kept: {from: out, file: {append: out}}\n"
                  "  dead: {from: any.failed, file: {append: dead}}\n");
  machine.files().put("app.ndjson", "{\"a\":1}\n{\n[]\n");
  machine.start();
  const auto dead = machine.out("dead");
  BOOST_TEST(dead != "");
  machine.kill();
  machine.start();
  BOOST_TEST(machine.out() == "{\"a\":1}\n");
  BOOST_TEST(machine.out("dead") == dead);
}

BOOST_AUTO_TEST_CASE(positions_that_weir_did_not_write_are_not_guessed_at) {
  Machine machine;
  machine.files().put("app.log", "1\n");
  machine.files().put("./weir-data/p/in.positions", "{\"path\":\"app.log\"}\n");
  machine.start();
  BOOST_TEST(machine.has_ended());
  BOOST_TEST((machine.ending().fault != nullptr));
}

BOOST_AUTO_TEST_CASE(a_hundred_thousand_lines_in_many_pieces_arrive_once_and_in_order) {
  Machine machine;
  machine.files().put("app.log", "");
  machine.start();
  std::string all;
  for (int i = 0; i < 100'000; ++i) {
    const std::string line = std::to_string(i) + "\n";
    all += line;
    machine.files().add("app.log", line);
    if (i % 5'000 == 4'321) machine.wait(300ms);
    if (i % 20'000 == 12'345) {
      machine.files().rename("app.log", "app.log." + std::to_string(i));
      machine.files().put("app.log", "");
      machine.wait(1s);
    }
  }
  machine.wait(1s);
  BOOST_TEST((machine.out() == all));
}

// ------------------------------------------------------------------------------------------ more than may be open

/// Of 60 files, `logs/0.log` …, each named once more after a rotation in its folder.
class Crowd {
 public:
  explicit Crowd(std::size_t open_most) : machine("follow: 'logs/*.log'") {
    machine.files().set_open_most(open_most);
    for (int i = 0; i < many; ++i) machine.files().put(path(i), line("old", i));
  }
  void rotate() {
    for (int i = 0; i < many; ++i) {
      machine.files().add(path(i), line("late", i));
      machine.files().rename(path(i), path(i) + ".1");
      machine.files().put(path(i), line("new", i));
    }
  }
  void grow() {
    for (int i = 0; i < many; ++i) machine.files().add(path(i), line("more", i));
  }
  /// Nothing can be opened any more then.
  std::size_t open_now() {
    for (std::size_t open = 0;; ++open) {
      machine.files().set_open_most(open + 1);
      try {
        machine.files().open(path(0));
        return open;
      } catch (const std::system_error&) {
      }
    }
  }
  /// Every line came, and once.
  bool whole() const {
    std::vector<std::string> came, written;
    std::istringstream text(machine.runtime.files().text("out"));
    for (std::string next; std::getline(text, next);) came.push_back(next + "\n");
    for (int i = 0; i < many; ++i) {
      for (const auto* word : {"old", "late", "new"}) written.push_back(line(word, i));
    }
    std::sort(came.begin(), came.end());
    std::sort(written.begin(), written.end());
    return came == written;
  }
  bool logged(const std::string& words) const { return machine.log.find(words) != std::string::npos; }

  static constexpr int many = 60;
  mutable Machine machine;

 private:
  static std::string path(int i) { return "logs/" + std::to_string(i) + ".log"; }
  static std::string line(const std::string& word, int i) { return word + " " + std::to_string(i) + "\n"; }
};

BOOST_AUTO_TEST_CASE(more_files_than_may_be_open_are_rotated_and_no_line_is_lost) {
  for (const std::size_t open_most : {15, 30, 62, 64}) {
    Crowd crowd(open_most);
    crowd.machine.start();
    crowd.rotate();
    crowd.machine.wait(10s);
    BOOST_TEST(crowd.whole(), open_most);
    BOOST_TEST(!crowd.logged("gone"), crowd.machine.log);
    BOOST_TEST(!crowd.logged("Too many open files"), crowd.machine.log);
  }
}

BOOST_AUTO_TEST_CASE(more_files_than_may_be_open_are_rotated_while_weir_does_not_run) {
  for (const std::size_t open_most : {15, 30, 62, 64}) {
    Crowd crowd(open_most);
    crowd.machine.start();
    crowd.machine.wait(2s);
    crowd.machine.kill();
    crowd.rotate();
    crowd.machine.start();
    crowd.machine.wait(10s);
    BOOST_TEST(crowd.whole(), open_most);
    BOOST_TEST(!crowd.logged("gone"), crowd.machine.log);
    BOOST_TEST(!crowd.logged("Too many open files"), crowd.machine.log);
  }
}

BOOST_AUTO_TEST_CASE(while_others_have_all_descriptors_files_wait_and_none_is_lost) {
  Crowd crowd(30);
  crowd.machine.start();
  crowd.machine.files().set_open_most(0);
  crowd.rotate();
  crowd.machine.wait(20s);
  crowd.machine.files().set_open_most(30);
  crowd.machine.wait(10s);
  BOOST_TEST(crowd.whole(), crowd.machine.out());
  BOOST_TEST(!crowd.logged("gone"), crowd.machine.log);
  BOOST_TEST(!crowd.logged("failed"), crowd.machine.log);
}

BOOST_AUTO_TEST_CASE(once_there_are_more_descriptors_more_files_are_open) {
  Crowd crowd(15);
  crowd.machine.start();
  crowd.machine.wait(10s);
  BOOST_TEST(crowd.open_now() < 15U);
  crowd.machine.files().set_open_most(100);
  for (int minutes = 0; minutes < 20; ++minutes) {
    crowd.grow();
    crowd.machine.wait(1min);
  }
  BOOST_TEST(crowd.open_now() >= 60U);
}

BOOST_AUTO_TEST_CASE(who_tries_whether_there_are_descriptors_again_takes_none_of_the_last) {
  Crowd crowd(30);
  crowd.machine.start();
  for (int minutes = 0; minutes < 20; ++minutes) {
    crowd.grow();
    crowd.machine.wait(1min);
    BOOST_TEST(crowd.open_now() <= 26U, minutes);
    crowd.machine.files().set_open_most(30);
  }
  BOOST_TEST(crowd.open_now() >= 10U);
}

// ------------------------------------------------------------------------------------------------------------ mistakes

BOOST_AUTO_TEST_CASE(what_does_not_fit_following_is_refused) {
  const auto mistake = [](const std::string& yaml) { return Read("file", yaml).mistake(); };
  BOOST_TEST(mistake("{follow: a.csv}") ==
             "`follow` reads lines, each by itself; write `format: lines`, `format: ndjson` or `format: logfmt`");
  BOOST_TEST(mistake("{follow: a.log, every: 1s}") == "'every' goes with read, not with follow");
  BOOST_TEST(mistake("{read: a.log, poll: 1s}") == "'poll' goes with follow, not with read");
}

BOOST_AUTO_TEST_CASE(what_is_no_file_cannot_be_followed) {
  Machine machine;
  machine.files().make_directory("app.log");
  machine.start();
  BOOST_TEST(machine.has_ended());
}
