// Children that are missing, killed, deaf, or leave something behind; and a weir that has no descriptor for one.
#include <filesystem>
#include <fstream>

#include "tests/support/process.hpp"
#include "tests/support/weir.hpp"

using namespace weir::tests;

namespace {

std::string source(const std::string& exec) {
  return "stages:\n  lines: {exec: {" + exec + "}}\n  screen: {from: lines, stdout: {}}\n";
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_program_that_can_t_be_started_is_named_with_where) {
  const TemporaryFolder folder;
  for (const auto& [exec, words] :
       {std::pair("pipe: [no-such-program-for-weir]", "exec: cannot start `no-such-program-for-weir`: No such file"),
        std::pair("run: [no-such-program-for-weir], every: 1s",
                  "exec: cannot start `no-such-program-for-weir`: No such file"),
        std::pair("pipe: [ls], dir: /no/such/dir",
                  "exec: cannot start `ls` in '/no/such/dir': No such file or directory"),
        std::pair("run: [/no/such/program], every: 1s", "exec: cannot start `/no/such/program`: No such file"),
        std::pair("pipe: [/etc]", "exec: cannot start `/etc`: Is a directory"),
        std::pair("pipe: [/etc/hosts]", "exec: cannot start `/etc/hosts`: ")}) {
    const auto end = ran({folder.file("p.yaml", source(exec))});
    BOOST_TEST(end.code == 69, exec << ": " << end.err);
    BOOST_TEST(contains(end.err, words), end.err);
  }
}

BOOST_AUTO_TEST_CASE(a_program_that_is_missing_for_each_message_is_missing_at_the_start) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("p.yaml",
                                    "stages:\n  n: {generate: {range: 1..3}}\n"
                                    "  asked: {from: n, exec: {run: [./no-such-program-for-weir], dir: /usr/bin}}\n"
                                    "  screen: {from: asked, stdout: {}}\n")});
  BOOST_TEST(end.code == 69, end.err);
  BOOST_TEST(contains(end.err,
                      "p.yaml:3:3: stage 'asked': exec: cannot start `./no-such-program-for-weir` in '/usr/bin': No "
                      "such file or directory"),
             end.err);
  const auto there = ran({folder.file("q.yaml",
                                      "stages:\n  n: {generate: {range: 1..3}}\n"
                                      "  asked: {from: n, exec: {run: [./printf, x], dir: /usr/bin}}\n"
                                      "  screen: {from: asked, stdout: {}}\n")});
  BOOST_TEST(there.code == 0, there.err);
  BOOST_TEST(there.out == "x\nx\nx\n");
}

BOOST_AUTO_TEST_CASE(a_program_that_a_message_chooses_and_that_is_missing_fails_the_message) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("p.yaml",
                                    "stages:\n  n: {generate: {range: 1..3}}\n"
                                    "  asked: {from: n, exec: {run: ['{{ \"no-such-program-for-\" .. \"weir\" }}'],\n"
                                    "    allow: [no-such-program-for-weir]}}\n"
                                    "  screen: {from: asked, stdout: {}}\n")});
  BOOST_TEST(end.code == 1, end.err);
  BOOST_TEST(contains(end.err, "no-such-program-for-weir: No such file or directory"), end.err);
  BOOST_TEST(contains(end.err, "messages failed and nobody listened\" messages=3"), end.err);
}

BOOST_AUTO_TEST_CASE(a_program_that_is_gone_at_a_later_tick_fails_that_tick_only) {
  const TemporaryFolder folder;
  const auto program = folder.file("tell", "#!/bin/sh\necho -n here\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  Child child(weir_run({folder.file("p.yaml", "stages:\n  told: {exec: {run: ['" + program +
                                                  "'], every: 10ms}}\n"
                                                  "  bad: {from: told.failed, exec: {run: [echo, -n, gone]}}\n"
                                                  "  screen: {from: [told, bad], stdout: {}}\n")}));
  BOOST_TEST(child.saw_on_out("here\n"), child.err());
  std::filesystem::remove(program);
  BOOST_TEST(child.saw_on_out("gone\n"), child.err());
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

BOOST_AUTO_TEST_CASE(a_child_that_is_killed_is_told_and_what_it_said_is_kept) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("p.yaml", source("pipe: [sh, -c, 'echo said; kill -9 $$']"))});
  BOOST_TEST(end.code == 1, end.err);
  BOOST_TEST(end.out == "said\n");
  BOOST_TEST(contains(end.err, "`sh` was killed by SIGKILL"), end.err);
}

BOOST_AUTO_TEST_CASE(a_child_that_closes_its_output_and_lives_on_is_told_and_ends_with_the_run) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("p.yaml", source("pipe: [sh, -c, 'echo 1; exec >&- 2>&-; sleep 1000']"))}));
  BOOST_TEST(child.saw_on_err("the child has closed its output and lives on: it is waited for"), child.err());
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out == "1\n");
}

BOOST_AUTO_TEST_CASE(a_line_that_never_ends_is_told_and_the_child_ends_with_the_run) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("p.yaml", source("pipe: [cat, /dev/zero]"))}));
  BOOST_TEST(child.saw_on_err("line 1 is longer than 16MiB"), child.err());
  child.signal(SIGTERM);
  BOOST_TEST(child.end().code == 1);
}

BOOST_AUTO_TEST_CASE(a_child_that_is_deaf_to_sigterm_is_killed) {
  const TemporaryFolder folder;
  Child child(
      weir_run({folder.file("p.yaml", source("pipe: [sh, -c, 'trap : TERM; echo 1; while :; do sleep 1; done']"))}));
  BOOST_TEST(child.saw_on_out("1\n"));
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

BOOST_AUTO_TEST_CASE(children_die_with_a_weir_that_is_killed) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("p.yaml", source("pipe: [sh, -c, 'echo $$; exec sleep 1000']"))}));
  BOOST_TEST(child.saw_on_out("\n"));
  const auto id = std::stoi(child.out());
  child.signal(SIGKILL);
  BOOST_TEST(child.end().signal == SIGKILL);
  // The kernel kills it while it ends ours; who adopts it reaps it soon after.
  const auto gone = ran_by_shell("while grep -qs '^State:.[^ZX]' /proc/$1/status; do :; done", {std::to_string(id)});
  BOOST_TEST(gone.code == 0);
}

BOOST_AUTO_TEST_CASE(restarts_leave_no_descriptor_and_no_child_behind) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("p.yaml",
                                    "stages:\n"
                                    "  lines: {exec: {pipe: [sh, -c, 'echo $$; kill -9 $$'], restart: 1ms..2ms}}\n"
                                    "  screen: {from: lines, stdout: {}}\n"),
                        "--admin", "127.0.0.1:0"}));
  const auto port = admin_port(child);
  std::size_t before = 0;
  for (int restarts = 0; restarts < 200;) {
    if (before == 0 && restarts >= 10) before = descriptors_of(child.id());
    restarts = std::atoi(figure(port, "weir_child_restarts_total").c_str());
  }
  const auto after = descriptors_of(child.id());
  // A child that is being started and connections on their way out come and go; one left by each restart would be 190.
  BOOST_TEST(after <= before + 20, before << " descriptors after 10 restarts, " << after << " after 200");
  BOOST_TEST(std::atoi(figure(port, "weir_child_up").c_str()) <= 1);
  BOOST_TEST(figure(port, "weir_unaccounted_messages") == "0");
  const auto zombies = ran_by_shell("ps --ppid $1 -o stat= | grep -c Z", {std::to_string(child.id())});
  BOOST_TEST(std::atoi(zombies.out.c_str()) <= 1, zombies.out);  // One that has just ended.
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

// UBSan asks a pipe whether an object's memory can be read; without descriptors it takes every object for a stranger.
#ifndef __SANITIZE_ADDRESS__
BOOST_AUTO_TEST_CASE(without_descriptors_for_its_files_it_ends_with_71) {
  const TemporaryFolder folder;
  const auto end =
      ran_by_shell("ulimit -n 9; weir \"$1\"", {folder.file("p.yaml",
                                                            "stages:\n  a: {file: {read: /etc/hosts}}\n"
                                                            "  b: {from: a, file: {append: /dev/null}}\n"
                                                            "  c: {from: a, file: {append: /dev/null}}\n"
                                                            "  d: {from: a, file: {append: /dev/null}}\n"
                                                            "  e: {from: a, file: {append: /dev/null}}\n"
                                                            "  f: {from: a, file: {append: /dev/null}}\n")});
  BOOST_TEST(end.code == 71, end.err);
  BOOST_TEST(contains(end.err, "Too many open files"), end.err);
}

BOOST_AUTO_TEST_CASE(
    without_descriptors_for_all_its_files_what_was_written_has_its_name_and_what_is_appended_is_there) {
  const TemporaryFolder folder;
  const auto all = [&](const std::string& role) {
    std::filesystem::create_directory(folder.path(role));
    return ran_by_shell("ulimit -n 25; weir \"$1\"", {folder.file(role + ".yaml",
                                                                  "stages:\n  n: {generate: {range: 1..100}}\n"
                                                                  "  out: {from: n, file: {" +
                                                                      role + ": '" + folder.path(role) +
                                                                      "/{{ msg }}.txt'}}\n"
                                                                      "  refused: {from: out.failed, stdout: {}}\n")});
  };
  const auto written = all("write");
  BOOST_TEST(written.code == 0, written.err);
  const auto refused = static_cast<std::size_t>(std::count(written.out.begin(), written.out.end(), '\n'));
  BOOST_TEST(refused < 100U);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path("write"))) {
    BOOST_TEST(entry.path().extension() == ".txt", entry.path());
    ++files;
  }
  BOOST_TEST(files == 100 - refused);

  const auto appended = all("append");
  BOOST_TEST(appended.code == 0, appended.err);
  BOOST_TEST(appended.out == "");
}

BOOST_AUTO_TEST_CASE(without_descriptors_a_file_that_is_there_is_looked_at_all_the_same_before_anything_is_added) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path("out"));
  for (int i = 100; i < 160; ++i) folder.file("out/" + std::to_string(i) + ".csv", "k,a,b\n0,1,2\nhalf");
  const auto end = ran_by_shell("ulimit -n 30; weir \"$1\"",
                                {folder.file("p.yaml",
                                             "stages:\n  n: {generate: {range: 100..159}}\n"
                                             "  o: {from: n, lua: 'return {b = \"B\", a = \"A\", k = msg}'}\n"
                                             "  out: {from: o, file: {append: '" +
                                                 folder.path("out") + "/{{ msg.k }}.csv', format: csv}}\n")});
  BOOST_TEST(end.code == 0, end.err);
  for (int i = 100; i < 160; ++i) {
    const auto n = std::to_string(i);
    BOOST_TEST(text_of(folder.path("out/" + n + ".csv")) == "k,a,b\n0,1,2\nhalf\n" + n + ",A,B\n");
  }
}

BOOST_AUTO_TEST_CASE(more_files_than_descriptors_are_followed_in_turns) {
  const TemporaryFolder folder;
  for (int i = 100; i < 140; ++i) folder.file(std::to_string(i) + ".log", std::to_string(i) + "\n");
  const auto yaml = folder.file("p.yaml", "stages:\n  lines: {file: {follow: '" + folder.path("*.log") +
                                              "'}}\n  out: {from: lines, stdout: {}}\n");
  const std::vector<std::string> words{yaml, folder.path("")};
  const auto few = ran_by_shell("mkdir $2/few && cd $2/few && ulimit -n 30; weir \"$1\" --for 500ms", words);
  BOOST_TEST(few.code == 0, few.err);
  BOOST_TEST(std::count(few.out.begin(), few.out.end(), '\n') == 40, few.err);
  BOOST_TEST(contains(few.err, "more files are followed than may be open at once"), few.err);
  BOOST_TEST(!contains(few.err, "Too many open files"), few.err);
  // What only the soft limit forbids is no limit.
  const auto soft = ran_by_shell("mkdir $2/soft && cd $2/soft && ulimit -Sn 30; weir \"$1\" --for 500ms", words);
  BOOST_TEST(soft.code == 0, soft.err);
  BOOST_TEST(std::count(soft.out.begin(), soft.out.end(), '\n') == 40, soft.err);
}

BOOST_AUTO_TEST_CASE(what_comes_to_a_file_that_was_closed_for_others_is_read) {
  const TemporaryFolder folder;
  const auto path = [&](int i) { return folder.path(std::to_string(i) + ".log"); };
  const auto add = [](const std::string& to, const std::string& line) {
    std::ofstream(to, std::ios::app) << line << std::flush;
  };
  for (int i = 100; i < 140; ++i) add(path(i), std::to_string(i) + "\n");
  const auto yaml =
      folder.file("p.yaml", "run: {data: '" + folder.path("data") + "'}\nstages:\n  lines: {file: {follow: '" +
                                folder.path("*.log") + "', poll: 20ms}}\n  out: {from: lines, stdout: {}}\n");
  Child child(shell("ulimit -n 30; exec \"$WEIR\" run --admin off \"$1\"", {yaml}), shell_environment);
  for (int i = 100; i < 140; ++i) BOOST_REQUIRE(child.saw_on_out(std::to_string(i) + "\n"));
  for (int round = 0; round < 3; ++round) {
    for (int i = 100; i < 140; ++i) add(path(i), "round " + std::to_string(round) + " of " + std::to_string(i) + "\n");
    for (int i = 100; i < 140; ++i) {
      BOOST_REQUIRE(child.saw_on_out("round " + std::to_string(round) + " of " + std::to_string(i) + "\n"));
    }
  }
  // By another name it is the same, open or closed.
  for (int i = 100; i < 140; ++i) {
    std::filesystem::rename(path(i), path(i + 100));
    add(path(i + 100), "renamed " + std::to_string(i) + "\n");
  }
  for (int i = 100; i < 140; ++i) BOOST_REQUIRE(child.saw_on_out("renamed " + std::to_string(i) + "\n"));
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(std::count(end.out.begin(), end.out.end(), '\n') == 40 * 5, end.err);
  BOOST_TEST(!contains(end.err, "gone"), end.err);
}

BOOST_AUTO_TEST_CASE(a_child_has_the_soft_limit_of_descriptors_that_weir_was_started_with) {
  const TemporaryFolder folder;
  const auto end =
      ran_by_shell("ulimit -Sn 77; weir \"$1\"", {folder.file("p.yaml",
                                                              "stages:\n  a: {exec: {pipe: [sh, -c, 'ulimit -n']}}\n"
                                                              "  b: {from: a, stdout: {}}\n")});
  BOOST_TEST(end.out == "77\n", end.err);
}

BOOST_AUTO_TEST_CASE(without_descriptors_for_a_child_its_message_fails_and_the_run_goes_on) {
  const TemporaryFolder folder;
  const auto end = ran_by_shell("ulimit -n 20; weir \"$1\"",
                                {folder.file("p.yaml",
                                             "stages:\n  n: {generate: {range: 1..40}}\n"
                                             "  many: {from: n, exec: {run: [sleep, '0.01']}, workers: 20}\n"
                                             "  gone: {from: many, drop: {}}\n"
                                             "  refused: {from: many.failed, stdout: {}}\n")});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(!end.out.empty());
}
#endif
