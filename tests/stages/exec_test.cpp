// exec: programs run for each message, at each tick, or stay, and their lines are messages.
#include <csignal>
#include <system_error>

#include "tests/stages/alone.hpp"
#include "tests/support/bench.hpp"

using namespace weir::tests;
using weir::runtime::Behaviour;
using weir::runtime::Command;
using weir::runtime::Exit;
using weir::runtime::Time;
using weir::stage::Dropped;
using Lines = std::vector<std::string>;

namespace {

std::string mistake(const std::string& yaml) { return Read("exec", yaml).mistake(); }

Behaviour::Step says(std::string output, weir::runtime::Duration after = 0s) {
  Behaviour::Step step;
  step.after = after;
  step.output = std::move(output);
  return step;
}
Behaviour::Step complains(std::string error, weir::runtime::Duration after = 0s) {
  Behaviour::Step step;
  step.after = after;
  step.error = std::move(error);
  return step;
}
Behaviour that(std::vector<Behaviour::Step> steps, int code = 0) {
  Behaviour behaviour;
  behaviour.steps = std::move(steps);
  behaviour.exit.code = code;
  return behaviour;
}

/// Messages of these payloads go through `exec: EXEC` with `more` keys, and what comes out or fails is printed.
struct Called {
  Called(const std::string& exec, const std::string& payloads, const std::string& more = {})
      : bench(
            "stages:\n"
            "  in: {generate: {each: " +
            payloads +
            ", text: '{{ item }}'}}\n"
            "  call:\n"
            "    from: in\n"
            "    exec: " +
            exec + "\n" + more +
            "  out: {from: call, file: {write: out, format: lines}}\n"
            "  told:\n"
            "    from: call.failed\n"
            "    lua: return {kind = failed.kind, why = failed.text, text = text}\n"
            "  failed: {from: told, file: {write: failed, format: lines}}\n") {
    if (!bench.mistakes().empty()) BOOST_TEST_MESSAGE(bench.mistakes());
  }
  void program(const std::string& name, std::function<Behaviour(const Command&)> what) {
    bench.runtime.programs().script(name, std::move(what));
  }
  void run() {
    bench.run();
    BOOST_TEST(bench.runtime.programs().running() == 0U);
    BOOST_TEST(bench.runtime.alarms() == 0U);
  }
  std::string out() { return bench.files().text("out"); }
  std::string failed() { return bench.files().text("failed"); }

  Bench bench;
};

}  // namespace

// -------------------------------------------------------------------------------------------- one child for a message

BOOST_AUTO_TEST_CASE(what_the_program_prints_takes_the_place_of_the_payload) {
  Called exec("{run: [greet, --name, '{{ text }}']}", "[ann, bob]");
  exec.program("greet", [](const Command& command) { return that({says("hello " + command.argv.at(2) + "\n")}); });
  exec.run();
  BOOST_TEST(exec.out() == "hello ann\n\nhello bob\n\n");
  BOOST_TEST(exec.failed() == "");
  BOOST_TEST(exec.bench.runtime.programs().started() == 2U);
}

BOOST_AUTO_TEST_CASE(each_element_stays_one_argument_whatever_a_message_puts_into_it) {
  Called exec("{run: [show, 'a {{ text }} b', '{{ text }}', '']}", "[\"x; rm -rf / $(id) 'q' \\n *\"]");
  exec.program("show", [](const Command&) { return that({}); });
  exec.run();
  const std::string text = "x; rm -rf / $(id) 'q' \n *";
  BOOST_TEST(exec.bench.runtime.programs().commands().at(0).argv == (Lines{"show", "a " + text + " b", text, ""}));
}

BOOST_AUTO_TEST_CASE(with_merge_the_message_is_kept_and_result_tells_all) {
  Called exec("{run: [score], ok: [3]}", "['{\"id\":7}']",
              "    merge: {code: '{{ result.code }}', said: '{{ trim(result.text) }}',\n"
              "            complained: '{{ result.stderr }}',\n"
              "            seconds: '{{ result.seconds }}', signal: '{{ result.signal }}'}\n");
  exec.program("score", [](const Command&) { return that({says("0.75\n", 2s), complains("careful\n", 500ms)}, 3); });
  exec.run();
  BOOST_TEST(exec.out() == "{\"id\":7,\"code\":3,\"said\":\"0.75\",\"complained\":\"careful\\n\",\"seconds\":2.5}\n");
}

BOOST_AUTO_TEST_CASE(an_empty_merge_keeps_the_message_untouched) {
  Called exec("{run: [score]}", "['{\"id\":  7}']", "    merge: {}\n");
  exec.program("score", [](const Command&) { return that({says("much")}); });
  exec.run();
  BOOST_TEST(exec.out() == "{\"id\":  7}\n");
}

BOOST_AUTO_TEST_CASE(another_exit_code_fails_the_message_with_the_last_that_was_said_unless_it_is_ok) {
  Called exec("{run: [check, '{{ text }}'], ok: [1, 4]}", "[0, 1, 2, 4]");
  exec.program("check", [](const Command& command) {
    const int code = std::stoi(command.argv[1]);
    return that({says("printed"), complains("first\nno such thing: " + command.argv[1] + "\n\n")}, code);
  });
  exec.run();
  BOOST_TEST(exec.out() == "printed\nprinted\nprinted\n");
  BOOST_TEST(exec.failed() ==
             "{\"kind\":\"exit\",\"text\":\"2\",\"why\":\"`check` exited with 2: no such thing: 2\"}\n");
}

BOOST_AUTO_TEST_CASE(a_signal_fails_the_message_whatever_is_ok) {
  Called exec("{run: [check], ok: [0, 9, 15]}", "[a]");
  exec.program("check", [](const Command&) {
    Behaviour behaviour;
    behaviour.exit.signal = SIGTERM;
    return behaviour;
  });
  exec.run();
  BOOST_TEST(exec.failed() == "{\"kind\":\"exit\",\"text\":\"a\",\"why\":\"`check` was killed by SIGTERM\"}\n");
}

BOOST_AUTO_TEST_CASE(the_result_of_a_failed_call_is_there_for_who_reads_failed) {
  Bench bench(
      "stages:\n"
      "  in: {generate: {count: 1}}\n"
      "  call: {from: in, exec: {run: [check]}}\n"
      "  told:\n"
      "    from: call.failed\n"
      "    lua: return {code = result.code, out = result.text, err = result.stderr}\n"
      "  out: {from: told, stdout: {}}\n");
  bench.runtime.programs().script("check", [](const Command&) { return that({says("half"), complains("oh")}, 2); });
  bench.run();
  BOOST_TEST(bench.output() == "{\"code\":2,\"err\":\"oh\",\"out\":\"half\"}\n");
}

BOOST_AUTO_TEST_CASE(on_error_pass_merges_what_there_is) {
  Called exec("{run: [check]}", "['{\"id\":1}']",
              "    merge: {code: '{{ result.code }}', why: '{{ failed.kind }}'}\n"
              "    on_error: pass\n");
  exec.program("check", [](const Command&) { return that({}, 2); });
  exec.run();
  BOOST_TEST(exec.out() == "{\"id\":1,\"code\":2,\"why\":\"exit\"}\n");
}

BOOST_AUTO_TEST_CASE(the_program_reads_the_payload_or_what_stdin_says) {
  for (const auto& [exec, expected] :
       {std::pair("{run: [cat]}", "{\"a\":\"<x>\"}"), std::pair("{run: [cat], stdin: 'just {{ msg.a }}'}", "just <x>"),
        std::pair("{run: [cat], stdin: ''}", "")}) {
    Called cat(exec, "['{\"a\":\"<x>\"}']");
    cat.program("cat", [](const Command& command) {
      BOOST_TEST(command.input);
      Behaviour behaviour;
      behaviour.answer = [](std::string_view bytes) { return std::string(bytes); };
      behaviour.until_input_ends = true;
      return behaviour;
    });
    cat.run();
    BOOST_TEST(cat.out() == std::string(expected) + "\n", exec);
  }
}

BOOST_AUTO_TEST_CASE(environment_and_directory_are_filled_in_and_handed_over) {
  Called exec("{run: [job], env: {ID: 'n{{ text }}', LC_ALL: C}, dir: /var/jobs}", "[5]");
  exec.program("job", [](const Command&) { return that({}); });
  exec.run();
  const auto& command = exec.bench.runtime.programs().commands().at(0);
  BOOST_TEST(command.environment.at("ID") == "n5");
  BOOST_TEST(command.environment.at("LC_ALL") == "C");
  BOOST_TEST(command.directory == "/var/jobs");
}

BOOST_AUTO_TEST_CASE(a_nul_byte_can_be_no_argument) {
  Called exec("{run: [job, '{{ msg.a }}']}", "['{\"a\":\"x\\u0000y\"}']");
  exec.program("job", [](const Command&) { return that({}); });
  exec.run();
  BOOST_TEST(exec.failed() ==
             "{\"kind\":\"type\",\"text\":\"{\\\"a\\\":\\\"x\\\\u0000y\\\"}\","
             "\"why\":\"argument 1 holds a NUL byte, which no argument can\"}\n");
  BOOST_TEST(exec.bench.runtime.programs().started() == 0U);
}

BOOST_AUTO_TEST_CASE(a_program_that_is_not_there_is_told_before_any_message) {
  Called exec("{run: [nothing], dir: /work}", "[a, b]");
  BOOST_CHECK_EXCEPTION(exec.run(), weir::stage::Fault, [](const weir::stage::Fault& fault) {
    const std::string why = fault.what();
    return why.find(": stage 'call': exec: cannot start `nothing` in '/work': No such file") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(a_program_that_a_message_chooses_and_that_cannot_be_started_fails_it) {
  Called exec("{run: ['{{ \"nothing\" }}'], allow: [nothing]}", "[a, b]");
  exec.run();
  BOOST_TEST(exec.failed() ==
             "{\"kind\":\"io\",\"text\":\"a\",\"why\":\"nothing: No such file or directory\"}\n"
             "{\"kind\":\"io\",\"text\":\"b\",\"why\":\"nothing: No such file or directory\"}\n");
}

BOOST_AUTO_TEST_CASE(who_takes_too_long_is_killed_and_what_it_said_is_told) {
  Bench bench(
      "stages:\n"
      "  in: {generate: {count: 1}}\n"
      "  call: {from: in, exec: {run: [slow]}, timeout: 2s}\n"
      "  told:\n"
      "    from: call.failed\n"
      "    lua: return {kind = failed.kind, out = result.text, seconds = result.seconds, code = result.code}\n"
      "  out: {from: told, stdout: {}}\n");
  bench.runtime.programs().script("slow", [](const Command&) {
    auto behaviour = that({says("begun")});
    behaviour.forever = true;
    behaviour.ignores = {SIGTERM};
    return behaviour;
  });
  bench.run();
  BOOST_TEST(bench.output() == "{\"kind\":\"timeout\",\"out\":\"begun\",\"seconds\":2.0}\n");
  BOOST_TEST(bench.runtime.programs().running() == 0U);
  BOOST_TEST((bench.runtime.now() < Time(4s)));
}

BOOST_AUTO_TEST_CASE(no_more_children_than_workers_run_at_once_and_the_order_is_kept) {
  std::size_t most = 0;
  Called exec("{run: [job, '{{ text }}']}", "[5, 4, 3, 2, 1]", "    workers: 3\n");
  auto& programs = exec.bench.runtime.programs();
  exec.program("job", [&](const Command& command) {
    most = std::max(most, programs.running() + 1);
    return that({says(command.argv[1], std::chrono::seconds(std::stoi(command.argv[1])))});
  });
  exec.run();
  BOOST_TEST(most == 3U);
  BOOST_TEST(exec.out() == "5\n4\n3\n2\n1\n");
}

BOOST_AUTO_TEST_CASE(more_output_than_a_message_holds_fails_it_and_ends_the_program) {
  Called exec("{run: [flood]}", "[a]");
  exec.program("flood", [](const Command&) {
    Behaviour behaviour;
    for (int i = 0; i < 300; ++i) behaviour.steps.push_back(says(std::string(60'000, 'x')));
    behaviour.forever = true;
    return behaviour;
  });
  exec.run();
  BOOST_TEST(exec.failed() == "{\"kind\":\"size\",\"text\":\"a\",\"why\":\"`flood` printed more than 16MiB\"}\n");
}

BOOST_AUTO_TEST_CASE(of_standard_error_the_last_64_kib_are_kept) {
  Called exec("{run: [grumble]}", "['{}']",
              "    merge: {size: '{{ #result.stderr }}', last: '{{ string.sub(result.stderr, -3) }}'}\n");
  exec.program("grumble", [](const Command&) {
    Behaviour behaviour;
    for (int i = 0; i < 100; ++i) behaviour.steps.push_back(complains(std::string(50'000, 'e')));
    behaviour.steps.push_back(complains("end"));
    return behaviour;
  });
  exec.run();
  BOOST_TEST(exec.out() == "{\"size\":65536,\"last\":\"end\"}\n");
}

BOOST_AUTO_TEST_CASE(a_child_that_reads_no_further_is_no_failure) {
  Called exec("{run: [head]}", "[a]");
  exec.program("head", [](const Command&) { return that({says("seen")}); });  // Ends before all is written.
  exec.run();
  BOOST_TEST(exec.out() == "seen\n");
}

// ------------------------------------------------------------------------------------------------------ one for a tick

BOOST_AUTO_TEST_CASE(with_every_a_run_that_takes_longer_than_its_timeout_is_killed_and_fails_that_tick) {
  Bench bench(
      "stages:\n"
      "  job: {exec: {run: [job], every: 10s}, timeout: 2s}\n"
      "  out: {from: job, stdout: {}}\n"
      "  told:\n"
      "    from: job.failed\n"
      "    lua: return {kind = failed.kind, text = text, why = failed.text}\n"
      "  failed: {from: told, file: {append: failed.txt, format: lines}}\n");
  int runs = 0;
  bench.runtime.programs().script("job", [&runs](const Command&) {
    auto behaviour = that({says("begun")});
    behaviour.forever = ++runs == 1;
    behaviour.ignores = {SIGTERM};
    return behaviour;
  });
  bench.start();
  bench.advance(9s);
  BOOST_TEST(bench.runtime.programs().running() == 0U);
  bench.advance(5s);
  BOOST_TEST(bench.output() == "begun\n");
  BOOST_TEST(bench.files().text("failed.txt") ==
             "{\"kind\":\"timeout\",\"text\":\"begun\",\"why\":\"it took longer than 2s\"}\n");
  bench.drain();
  bench.run();
}

BOOST_AUTO_TEST_CASE(with_every_it_runs_at_once_and_then_at_each_tick) {
  Alone exec("exec", "{run: [df, -h], every: 10s}");
  int runs = 0;
  exec.runtime.programs().script("df", [&](const Command& command) {
    BOOST_TEST(!command.input);
    return that({says("run " + std::to_string(++runs), 1s)});
  });
  exec.start();
  exec.run_for(25s);
  BOOST_TEST(exec.out() == (Lines{"run 1", "run 2", "run 3"}));
  BOOST_CHECK((exec.times() == std::vector<Time>{Time(1s), Time(11s), Time(21s)}));
  exec.stop();
  BOOST_TEST(exec.runtime.programs().running() == 0U);
}

BOOST_AUTO_TEST_CASE(ticks_that_fall_while_one_still_runs_are_left_out_and_counted) {
  Alone exec("exec", "{run: [slow], every: 10s}");
  exec.runtime.programs().script("slow", [](const Command&) { return that({says("x", 25s)}); });
  exec.start();
  exec.run_for(56s);
  BOOST_CHECK((exec.times() == std::vector<Time>{Time(25s), Time(55s)}));
  BOOST_TEST(exec.dropped(Dropped::slow) == 4U);  // Of seconds 10, 20, 40 and 50.
  BOOST_TEST(exec.balanced());
}

BOOST_AUTO_TEST_CASE(a_run_that_fails_is_refused_and_the_next_tick_comes) {
  Alone exec("exec", "{run: [job], every: 1s}", {"stderr"});
  int runs = 0;
  exec.runtime.programs().script(
      "job", [&](const Command&) { return ++runs == 1 ? that({complains("no disk\n")}, 2) : that({says("fine")}); });
  exec.start();
  exec.run_for(1500ms);
  BOOST_TEST(exec.out() == (Lines{"fine"}));
  BOOST_TEST(exec.out("stderr") == (Lines{"no disk"}));
  BOOST_REQUIRE_EQUAL(exec.refused.size(), 1U);
  BOOST_TEST(exec.refused[0].first == "no disk\n");
  BOOST_TEST((exec.refused[0].second.reason == Reason::exit));
  BOOST_TEST(exec.refused[0].second.text == "`job` exited with 2: no disk");
}

BOOST_AUTO_TEST_CASE(the_result_of_a_run_and_of_a_child_that_failed_is_there_for_who_reads_failed) {
  Alone run("exec", "{run: [job], every: 1m}");
  run.runtime.programs().script("job", [](const Command&) {
    return that({says("half"), complains("no disk\n", 2s)}, 2);
  });
  run.start();
  run.run_for(30s);
  BOOST_REQUIRE_EQUAL(run.brought.size(), 1U);
  BOOST_REQUIRE(run.brought[0]);
  BOOST_TEST(run.brought[0]->code.value_or(-1) == 2);
  BOOST_TEST(run.brought[0]->text == "half");
  BOOST_TEST(run.brought[0]->error_text == "no disk\n");
  BOOST_TEST(run.brought[0]->seconds.value_or(-1) == 2.0);

  Alone child("exec", "{pipe: [job]}");
  child.runtime.programs().script("job", [](const Command&) { return that({says("a\n"), complains("oh\n", 3s)}, 4); });
  child.run();
  BOOST_REQUIRE_EQUAL(child.brought.size(), 1U);
  BOOST_REQUIRE(child.brought[0]);
  BOOST_TEST(child.brought[0]->code.value_or(-1) == 4);
  BOOST_TEST(child.brought[0]->text == "");
  BOOST_TEST(child.brought[0]->error_text == "oh\n");
  BOOST_TEST(child.brought[0]->seconds.value_or(-1) == 3.0);
}

BOOST_AUTO_TEST_CASE(a_program_that_is_missing_when_the_run_begins_stops_the_start) {
  for (const char* yaml : {"{run: [nothing], every: 1s}", "{pipe: [nothing]}", "{pipe: [nothing], restart: 1s..2s}"}) {
    Alone exec("exec", yaml);
    exec.run();
    BOOST_TEST(exec.fault == "exec: cannot start `nothing`: No such file or directory", yaml);
  }
}

BOOST_AUTO_TEST_CASE(a_program_that_is_missing_at_a_later_tick_fails_that_tick_only) {
  Alone exec("exec", "{run: [job], every: 1s}");
  int asked = 0;
  exec.runtime.programs().script("job", [&](const Command&) -> Behaviour {
    if (++asked == 2) throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory), "job");
    return that({says(std::to_string(asked))});
  });
  exec.start();
  exec.run_for(2500ms);
  BOOST_TEST(exec.fault == "");
  BOOST_TEST(exec.out() == (Lines{"1", "3"}));
  BOOST_REQUIRE_EQUAL(exec.refused.size(), 1U);
  BOOST_TEST((exec.refused[0].second.reason == Reason::io));
}

// ----------------------------------------------------------------------------------------------------- one that stays

BOOST_AUTO_TEST_CASE(each_line_is_a_message_as_it_appears) {
  Alone exec("exec", "{pipe: [tail, -F, log]}");
  exec.runtime.programs().script("tail", [](const Command& command) {
    BOOST_TEST(command.argv == (Lines{"tail", "-F", "log"}));
    return that({says("one\ntw"), says("o\r\n", 5s), says("\nlast without an end", 5s)});
  });
  exec.run();
  BOOST_TEST(exec.out() == (Lines{"one", "two", "", "last without an end"}));
  BOOST_CHECK((exec.times() == std::vector<Time>{Time(0s), Time(5s), Time(10s), Time(10s)}));
  BOOST_TEST(exec.refused.empty());
  BOOST_TEST(exec.runtime.programs().running() == 0U);
  BOOST_TEST(exec.balanced());
}

BOOST_AUTO_TEST_CASE(its_end_is_the_end_of_the_stage_and_another_code_a_failure) {
  Alone exec("exec", "{pipe: [job], ok: [4]}");
  exec.runtime.programs().script("job", [](const Command&) { return that({says("a\n"), complains("oh\nno\n")}, 3); });
  exec.run();
  BOOST_TEST(exec.out() == (Lines{"a"}));
  BOOST_REQUIRE_EQUAL(exec.refused.size(), 1U);
  BOOST_TEST((exec.refused[0].second.reason == Reason::exit));
  BOOST_TEST(exec.refused[0].second.text == "`job` exited with 3: no");
  BOOST_TEST(exec.refused[0].first == "oh\nno\n");

  Alone fine("exec", "{pipe: [job], ok: [3]}");
  fine.runtime.programs().script("job", [](const Command&) { return that({}, 3); });
  fine.run();
  BOOST_TEST(fine.refused.empty());
}

BOOST_AUTO_TEST_CASE(standard_error_leaves_line_by_line_where_somebody_reads_it) {
  Alone exec("exec", "{pipe: [job]}", {"stderr"});
  exec.runtime.programs().script("job", [](const Command&) {
    return that({says("a\n"), complains("one\ntw"), complains("o\n", 1s), says("b\n", 1s)});
  });
  exec.run();
  BOOST_TEST(exec.out() == (Lines{"a", "b"}));
  BOOST_TEST(exec.out("stderr") == (Lines{"one", "two"}));
  BOOST_TEST(exec.balanced());
}

BOOST_AUTO_TEST_CASE(who_reads_standard_error_too_slowly_loses_the_oldest_lines_counted) {
  Alone exec("exec", "{pipe: [job]}", {"stderr"});
  exec.runtime.programs().script("job", [](const Command&) {
    Behaviour behaviour;
    for (int i = 1; i <= 1000; ++i) behaviour.steps.push_back(complains(std::to_string(i) + "\n", 1ms));
    return behaviour;
  });
  exec.limit_room(0);
  exec.start();
  exec.run_for(1h);
  BOOST_TEST(exec.runtime.programs().running() == 0U);  // Its standard error was read to the end all the same.
  exec.make_room(10'000);
  exec.run_for(1h);
  BOOST_TEST(exec.ended);
  const auto& lines = exec.out("stderr");
  BOOST_TEST(lines.size() + exec.dropped(Dropped::slow) == 1000U);
  BOOST_TEST(exec.dropped(Dropped::slow) > 600U);
  BOOST_TEST(lines.back() == "1000");
  BOOST_TEST(exec.balanced());
}

BOOST_AUTO_TEST_CASE(the_child_waits_when_nobody_takes_its_lines) {
  Alone exec("exec", "{pipe: [flood]}");
  exec.runtime.programs().script("flood", [&](const Command&) {
    Behaviour behaviour;
    for (int i = 0; i < 2000; ++i) behaviour.steps.push_back(says(std::string(999, 'x') + "\n"));
    return behaviour;
  });
  exec.limit_room(3);
  exec.start();
  exec.run_for(1h);
  BOOST_TEST(exec.out().size() == 3U);
  BOOST_TEST(exec.runtime.programs().running() == 1U);  // 2 MB fit nowhere but into the program itself.
  exec.make_room(10'000);
  exec.run_for(1h);
  BOOST_TEST(exec.ended);
  BOOST_TEST(exec.out().size() == 2000U);
}

BOOST_AUTO_TEST_CASE(a_line_that_is_too_long_is_refused_and_the_rest_read) {
  Alone exec("exec", "{pipe: [job]}");
  exec.runtime.programs().script("job", [](const Command&) {
    Behaviour behaviour;
    behaviour.steps.push_back(says("a\n"));
    for (int i = 0; i < 300; ++i) behaviour.steps.push_back(says(std::string(60'000, 'x')));
    behaviour.steps.push_back(says("\nb\n"));
    return behaviour;
  });
  exec.run();
  BOOST_TEST(exec.out() == (Lines{"a", "b"}));
  BOOST_REQUIRE_EQUAL(exec.refused.size(), 1U);
  BOOST_TEST((exec.refused[0].second.reason == Reason::size));
  BOOST_TEST(exec.refused[0].second.text == "line 2 is longer than 16MiB");
  BOOST_TEST(exec.refused[0].second.line.value() == 2);
}

BOOST_AUTO_TEST_CASE(a_line_without_an_end_is_refused_as_soon_as_it_is_too_long) {
  Alone exec("exec", "{pipe: [job]}");
  exec.runtime.programs().script("job", [](const Command&) {
    Behaviour behaviour;
    behaviour.steps.push_back(says("a\n"));
    for (int i = 0; i < 300; ++i) behaviour.steps.push_back(says(std::string(60'000, 'x')));
    behaviour.forever = true;
    return behaviour;
  });
  exec.start();
  exec.run_for(1s);
  BOOST_TEST(exec.running());
  BOOST_TEST(exec.out() == Lines{"a"});
  BOOST_REQUIRE_EQUAL(exec.refused.size(), 1U);
  BOOST_TEST(exec.refused[0].first == std::string(1024, 'x'));
  BOOST_TEST((exec.refused[0].second.reason == Reason::size));
  BOOST_TEST(exec.refused[0].second.text == "line 2 is longer than 16MiB");
  exec.stop();
  BOOST_TEST(exec.refused.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_frame_that_announces_too_much_is_refused_and_ends_the_child) {
  Alone exec("exec", "{pipe: [job], framing: length}");
  exec.runtime.programs().script("job", [](const Command&) {
    auto behaviour = that({says(std::string("\0\0\0\1a\xff\xff\xff\xff", 9))});
    behaviour.forever = true;
    return behaviour;
  });
  exec.run();
  BOOST_TEST(exec.out() == Lines{"a"});
  BOOST_REQUIRE(!exec.refused.empty());
  BOOST_TEST((exec.refused[0].second.reason == Reason::size));
  BOOST_TEST(exec.refused[0].second.text == "message 2 has 4294967295 bytes, more than 16MiB");
  BOOST_TEST(exec.runtime.programs().running() == 0U);
}

BOOST_AUTO_TEST_CASE(of_a_child_that_closes_its_output_and_lives_on_is_told_once_and_it_is_waited_for) {
  Bench bench(
      "stages:\n"
      "  job: {exec: {pipe: [job], stdin: x, restart: 100ms..100ms}}\n"
      "  out: {from: job, file: {write: out, format: lines}}\n");
  int children = 0;
  bench.runtime.programs().script("job", [&](const Command&) {
    ++children;
    Behaviour behaviour;
    behaviour.reacts = [](std::string_view) {
      Behaviour::Reaction reaction;
      reaction.output = "a\n";
      reaction.closes_output = true;
      return reaction;
    };
    behaviour.forever = true;
    return behaviour;
  });
  bench.start();
  bench.advance(10s);
  BOOST_TEST(children == 1);
  const std::string told = "the child has closed its output and lives on: it is waited for";
  const auto place = bench.log.find(told);
  BOOST_REQUIRE_MESSAGE(place != std::string::npos, bench.log);
  BOOST_TEST(bench.log.find(told, place + 1) == std::string::npos, bench.log);
  bench.drain();
  bench.advance(2s);
  BOOST_TEST(bench.has_ended());
  BOOST_TEST(bench.files().text("out") == "a\n");
  BOOST_TEST(bench.runtime.programs().running() == 0U);
}

BOOST_AUTO_TEST_CASE(it_is_given_its_standard_input_once) {
  Alone exec("exec", "{pipe: [cat], stdin: \"a\\nb\\n\"}");
  exec.runtime.programs().script("cat", [](const Command& command) {
    BOOST_TEST(command.input);
    Behaviour behaviour;
    behaviour.answer = [](std::string_view bytes) { return std::string(bytes); };
    behaviour.until_input_ends = true;
    return behaviour;
  });
  exec.run();
  BOOST_TEST(exec.out() == (Lines{"a", "b"}));
}

BOOST_AUTO_TEST_CASE(with_restart_it_starts_again_after_a_pause_that_grows) {
  std::vector<Time> starts;
  Alone exec("exec", "{pipe: [job], restart: 100ms..10s}");
  exec.runtime.programs().script("job", [&](const Command&) {
    starts.push_back(exec.core().now());
    return that({says(std::to_string(starts.size()) + "\n")}, 1);
  });
  exec.start();
  exec.run_for(10min);
  BOOST_TEST(exec.running());
  BOOST_REQUIRE_GT(starts.size(), 50U);
  BOOST_TEST(starts.size() < 200U);
  BOOST_TEST(exec.out().size() == starts.size());
  BOOST_TEST(exec.refused.empty());
  for (std::size_t i = 1; i < starts.size(); ++i) {
    const auto pause = starts[i] - starts[i - 1];
    const auto ceiling = std::min<weir::runtime::Duration>(10s, 100ms * (1LL << std::min<std::size_t>(i, 20)));
    BOOST_TEST((pause >= 100ms && pause <= ceiling), "pause " << i << " took " << pause.count() << " ns");
  }
  BOOST_TEST(exec.output->counters().child_restarts == starts.size() - 1);
}

BOOST_AUTO_TEST_CASE(a_child_that_ran_for_long_starts_again_soon) {
  std::vector<Time> starts;
  Alone exec("exec", "{pipe: [job], restart: 1s..1h}");
  exec.runtime.programs().script("job", [&](const Command&) {
    starts.push_back(exec.core().now());
    return starts.size() < 8 ? that({}, 1) : that({says("", 10s)});
  });
  exec.start();
  exec.run_for(24h);
  BOOST_REQUIRE_GT(starts.size(), 20U);
  for (std::size_t i = 9; i < starts.size(); ++i) BOOST_TEST((starts[i] - starts[i - 1] <= 12s));
}

BOOST_AUTO_TEST_CASE(a_program_that_vanishes_between_two_starts_is_waited_for) {
  int asked = 0;
  Alone exec("exec", "{pipe: [job], restart: 1s..2s}");
  exec.runtime.programs().script("job", [&](const Command&) -> Behaviour {
    if (++asked == 2) throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory), "job");
    return that({says(std::to_string(asked) + "\n")});
  });
  exec.start();
  exec.run_for(5s);
  BOOST_TEST(exec.fault == "");
  BOOST_REQUIRE_GE(exec.out().size(), 2U);
  BOOST_TEST(exec.out()[1] == "3");
}

BOOST_AUTO_TEST_CASE(stopped_it_asks_the_child_to_end_and_takes_what_it_still_said) {
  Alone exec("exec", "{pipe: [job], restart: 1s..2s}");
  exec.runtime.programs().script("job", [](const Command&) {
    auto behaviour = that({says("a\n")});
    behaviour.forever = true;
    return behaviour;
  });
  exec.start();
  exec.run_for(1min);
  BOOST_TEST(exec.runtime.programs().running() == 1U);
  exec.stop();
  BOOST_TEST(exec.ended);
  BOOST_TEST(exec.fault == "");
  BOOST_TEST(exec.runtime.programs().running() == 0U);
  BOOST_TEST(exec.runtime.programs().started() == 1U);
  BOOST_TEST((exec.core().now() == Time(1min)));
  BOOST_TEST(exec.runtime.alarms() == 0U);
}

BOOST_AUTO_TEST_CASE(a_child_that_ignores_being_asked_is_killed_a_second_later) {
  Alone exec("exec", "{pipe: [job]}");
  exec.runtime.programs().script("job", [](const Command&) {
    Behaviour behaviour;
    behaviour.forever = true;
    behaviour.ignores = {SIGTERM};
    return behaviour;
  });
  exec.start();
  exec.run_for(1min);
  exec.stop();
  BOOST_TEST(exec.ended);
  BOOST_TEST(exec.runtime.programs().running() == 0U);
  BOOST_TEST((exec.core().now() == Time(61s)));
}

BOOST_AUTO_TEST_CASE(when_nobody_listens_any_more_the_child_is_ended) {
  Alone exec("exec", "{pipe: [ticker], restart: 1s..2s}");
  exec.runtime.programs().script("ticker", [](const Command&) {
    Behaviour behaviour;
    for (int i = 0; i < 1000; ++i) behaviour.steps.push_back(says("tick\n", 1s));
    return behaviour;
  });
  exec.start();
  exec.run_for(3500ms);
  exec.abandon();
  exec.run_for(3s);
  BOOST_TEST(exec.ended);
  BOOST_TEST(exec.runtime.programs().running() == 0U);
  BOOST_TEST(exec.runtime.programs().started() == 1U);
}

// ------------------------------------------------------------------------------------------------------------ mistakes

BOOST_AUTO_TEST_CASE(what_would_make_data_code_is_refused) {
  const std::string cure =
      "a template after the shell's `-c` may become code; hand it over by `stdin`, or by `env: {ID: '{{ … }}'}`, "
      "which the code reads as \"$ID\"";
  BOOST_TEST(mistake("{run: [sh, -c, 'echo {{ text }}']}") == cure);
  BOOST_TEST(mistake("{run: [/bin/bash, -ec, 'echo \"{{ text }}\"']}") == cure);
  BOOST_TEST(mistake("{run: [env, sh, -c, 'x', '{{ text }}']}") == cure);
  BOOST_TEST(Read("exec", "{run: [sh, script.sh, '{{ text }}']}").diagnostics.empty());
  BOOST_TEST(Read("exec", "{run: [sh, -c, 'echo $ID'], env: {ID: '{{ text }}'}}").diagnostics.empty());
  BOOST_TEST(
      mistake("{run: ['{{ text }}', a]}") ==
      "a message would choose the program, and nothing says which ones it may; list them: `allow: [psql, find]`; "
      "or write the program, and `{{ }}` in its arguments only");
  BOOST_TEST(mistake("{run: '{{ text }}', allow: [psql, /bin/sh]}") ==
             "'/bin/sh' runs whatever it is given: so would every message; name the programs themselves");
}

BOOST_AUTO_TEST_CASE(a_message_may_choose_among_the_programs_that_are_allowed) {
  Called called(
      "{run: '{{ msg.command }}', allow: [wc, ./tell]}",
      R"([{command: [wc, '-c', 7]}, {command: ./tell}, {command: [rm, '-rf']}, {command: []}, {command: {a: 1}}])");
  std::vector<Lines> ran;
  for (const char* name : {"wc", "./tell", "rm"}) {
    called.program(name, [&](const Command& command) {
      ran.push_back(command.argv);
      return that({says("ok")});
    });
  }
  called.run();
  BOOST_REQUIRE(ran.size() == 2U);
  BOOST_TEST(ran[0] == (Lines{"wc", "-c", "7"}), boost::test_tools::per_element());
  BOOST_TEST(ran[1] == Lines{"./tell"}, boost::test_tools::per_element());
  const auto failed = called.failed();
  BOOST_TEST(failed.find("'rm' is no program that it may choose") != std::string::npos, failed);
  BOOST_TEST(failed.find("a command line is a list of texts and numbers, this is []") != std::string::npos, failed);
  BOOST_TEST(failed.find(R"(this is {\"a\":1})") != std::string::npos, failed);
}

BOOST_AUTO_TEST_CASE(what_comes_later_or_makes_no_sense_is_refused_by_name) {
  BOOST_TEST(mistake("{run: [a], allow: [b]}") ==
             "no message chooses the program here: it is written; leave `allow` out");
  BOOST_TEST(Read("exec", "{run: [a], limits: {memory: 1MiB, cpu: 2s, files: 10}}").diagnostics.empty());
  BOOST_TEST(mistake("{run: [a], limits: {cpu: 100ms}}").find("at least 1") != std::string::npos);
  BOOST_TEST(mistake("{pipe: [a], restart: 0s..1s}") ==
             "a restart without a pause would take the whole machine; write `100ms..30s`");
  BOOST_TEST(mistake("{run: []}") == "'run' is empty");
  BOOST_TEST(mistake("{run: ['']}") == "the program has no name");
  BOOST_TEST(mistake("{pipe: [tail, '{{ msg.file }}']}") ==
             "`{{ }}` has nothing to speak of: there is no message here; what is known at start is written `${name}`");
  BOOST_TEST(mistake("{run: [a], every: 1s, stdin: '{{ text }}'}") ==
             "`{{ }}` has nothing to speak of: there is no message here; what is known at start is written `${name}`");
  BOOST_TEST(mistake("{run: [a], env: {'A=B': c}}") == "'A=B' can't be the name of a variable");
  BOOST_TEST(mistake("{run: ls -l}") ==
             "'ls -l' is looked for as the name of one program; the command line is a list: [ls, '-l']; no shell takes "
             "it apart");
  BOOST_TEST(!Read("exec", "{run: [a], pipe: [b]}").diagnostics.empty());
  BOOST_TEST(!Read("exec", "{pipe: [a], every: 1s}").diagnostics.empty());
  BOOST_TEST(!Read("exec", "{run: [a], restart: 1s..2s}").diagnostics.empty());
}

BOOST_AUTO_TEST_CASE(where_it_takes_no_messages_it_says_what_does) {
  const auto mistakes = Bench(
                            "stages:\n"
                            "  in: {generate: {count: 1}}\n"
                            "  df: {from: in, exec: {run: [df], every: 1s}}\n"
                            "  out: {from: df, stdout: {}}\n")
                            .mistakes();
  BOOST_TEST(mistakes.find("      = without `every` it runs once for each message\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(limits_are_handed_over) {
  Called exec("{run: [job], limits: {cpu: 1500ms, memory: 64MiB, files: 20}}", "[5]");
  exec.program("job", [](const Command&) { return that({}); });
  exec.run();
  const auto& limits = exec.bench.runtime.programs().commands().at(0).limits;
  BOOST_TEST(limits.cpu_s.value() == 2);
  BOOST_TEST(limits.memory_bytes.value() == 64U << 20);
  BOOST_TEST(limits.files.value() == 20U);
}

BOOST_AUTO_TEST_CASE(frames_of_a_source_are_messages_whatever_they_hold) {
  Alone exec("exec", "{pipe: [job], framing: netstring}");
  exec.runtime.programs().script("job", [](const Command&) {
    return that({says("3:a\nb,0:,2:"), says("cd,5:ef", 1s)});
  });
  exec.run();
  BOOST_TEST(exec.out() == (Lines{"a\nb", "", "cd"}));
  BOOST_REQUIRE_EQUAL(exec.refused.size(), 1U);
  BOOST_TEST((exec.refused[0].second.reason == Reason::decode));
  BOOST_TEST(exec.refused[0].second.text == "the stream ends inside a message");

  Alone broken("exec", "{pipe: [job], framing: netstring}");
  broken.runtime.programs().script("job", [](const Command&) {
    auto behaviour = that({says("1:a,hello"), says("1:b,", 1s)});
    behaviour.forever = true;
    return behaviour;
  });
  broken.run();
  BOOST_TEST(broken.out() == Lines{"a"});
  BOOST_TEST(broken.refused.at(0).second.text == "what should be a netstring begins with no length");
  BOOST_TEST(broken.runtime.programs().running() == 0U);

  Alone raw("exec", "{pipe: [job], framing: raw}");
  raw.runtime.programs().script("job", [](const Command&) { return that({says("a\nb"), says("c", 1s)}); });
  raw.run();
  BOOST_TEST(raw.out() == (Lines{"a\nb", "c"}));
}
