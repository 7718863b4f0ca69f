// Input that is missing, broken or endless: what is said of it, with what number weir ends, and that the rest goes on.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/weir.hpp"

using namespace weir::tests;

namespace {

/// As nobody, whom permissions concern; root they do not. The folder must be open to all.
const char* const as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups -- ";
bool can_be_nobody() {
  if (::getuid() != 0) return true;
  return machine_can("other user that may run the program", std::string(as_nobody) + "\"$WEIR\" version");
}
ChildEnd ran_as_nobody(const std::string& path) {
  return ran_by_shell(std::string(::getuid() == 0 ? as_nobody : "") + "\"$WEIR\" run --admin off \"$1\"", {path});
}

constexpr const char* filtering = "stages:\n  lines: {stdin: {}}\n  screen: {from: lines, stdout: {}}\n";

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_directory_is_no_input) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("p.yaml", printing(folder.path("")))});
  BOOST_TEST(end.code == 69, end.err);
  BOOST_TEST(contains(end.err, "file: cannot read " + folder.path("") + ": Is a directory"), end.err);
}

BOOST_AUTO_TEST_CASE(what_may_not_be_read_or_written_is_named) {
  const TemporaryFolder folder;
  if (!can_be_nobody()) return;
  ::chmod(folder.path("").c_str(), 0755);
  const auto secret = folder.file("secret.txt", "one\n");
  const auto reading = folder.file("reading.yaml", printing(secret));
  const auto appending = folder.file("appending.yaml", writing(secret, "append"));
  ::chmod(secret.c_str(), 0000);

  const auto read = ran_as_nobody(reading);
  BOOST_TEST(read.code == 69, read.err);
  BOOST_TEST(contains(read.err, "file: cannot read " + secret + ": Permission denied"), read.err);
  const auto written = ran_as_nobody(appending);
  BOOST_TEST(written.code == 69, written.err);
  BOOST_TEST(contains(written.err, "file: cannot write " + secret + ": Permission denied"), written.err);
  const auto pipeline = ran_as_nobody(secret);
  BOOST_TEST(pipeline.code == 78, pipeline.err);
  BOOST_TEST(contains(pipeline.err, secret + ": error: cannot be read: Permission denied"), pipeline.err);
}

BOOST_AUTO_TEST_CASE(links_in_a_circle_are_told) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink(folder.path("loop"), folder.path("loop"));
  const auto input = ran({folder.file("p.yaml", printing(folder.path("loop")))});
  BOOST_TEST(input.code == 69, input.err);
  BOOST_TEST(contains(input.err, "Too many levels of symbolic links"), input.err);
  const auto pipeline = ran({folder.path("loop")});
  BOOST_TEST(pipeline.code == 78, pipeline.err);
  BOOST_TEST(contains(pipeline.err, "Too many levels of symbolic links"), pipeline.err);
}

BOOST_AUTO_TEST_CASE(an_empty_file_is_no_message_and_no_mistake) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("p.yaml", printing(folder.file("empty.txt", "")))});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out.empty());
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_text_pass_as_they_are) {
  const TemporaryFolder folder;
  const std::string bytes("a\0b\n\xff\xfe\xc0\nlast\n", 13);
  const auto end = ran({folder.file("p.yaml", printing(folder.file("bytes.txt", bytes)))});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out == bytes);
}

BOOST_AUTO_TEST_CASE(lines_that_are_no_json_fail_one_by_one_and_say_where) {
  const TemporaryFolder folder;
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  const auto input =
      folder.file("bad.ndjson", std::string("{\"a\": \"\0\"}\n", 11) + "{\"a\": \"\xff\"}\n{\"a\": 1}\n" + deep + "\n");
  const auto end = ran({folder.file("p.yaml", printing(input))});
  BOOST_TEST(end.code == 1, end.err);
  BOOST_TEST(end.out == "{\"a\": 1}\n");
  BOOST_TEST(contains(end.err, "a control character in a string must be escaped, byte 8 of the line"), end.err);
  BOOST_TEST(contains(end.err, "not UTF-8, byte 8 of the line"), end.err);
  BOOST_TEST(contains(end.err, "nested deeper than 512 levels, byte 513 of the line"), end.err);
  BOOST_TEST(contains(end.err, "messages failed and nobody listened\" messages=3"), end.err);
}

BOOST_AUTO_TEST_CASE(a_line_of_100_mib_is_refused_by_its_beginning_and_those_after_it_are_read) {
  const TemporaryFolder folder;
  const auto input = folder.file("long.txt", "first\n");
  std::filesystem::resize_file(input, (100U << 20) + 6);  // Zeros, which the file system need not even hold.
  std::ofstream(input, std::ios::app | std::ios::binary) << "\nlast\n";
  const auto unheard = ran({folder.file("p.yaml", printing(input))});
  BOOST_TEST(unheard.code == 1, unheard.err);
  BOOST_TEST(unheard.out == "first\nlast\n");
  BOOST_TEST(contains(unheard.err, "the line is longer than max_message, 16MiB; this is its beginning"), unheard.err);

  const auto heard = ran({folder.file("heard.yaml", printing(input) + "  rest: {from: lines.failed, file: {append: '" +
                                                        folder.path("refused.txt") + "', format: lines}}\n")});
  BOOST_TEST(heard.code == 0, heard.err);
  BOOST_TEST(text_of(folder.path("refused.txt")).size() == 1025U);
}

BOOST_AUTO_TEST_CASE(a_fifo_is_read_to_its_writer_s_end) {
  const TemporaryFolder folder;
  const auto fifo = folder.path("fifo");
  BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const auto end =
      ran_by_shell("printf '1\\n2\\n3\\n' >\"$2\" & weir \"$1\"", {folder.file("p.yaml", printing(fifo)), fifo});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out == "1\n2\n3\n");
}

BOOST_AUTO_TEST_CASE(a_fifo_that_nobody_writes_to_keeps_nobody_from_ending) {
  const TemporaryFolder folder;
  const auto fifo = folder.path("fifo");
  BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  Child child(weir_run({folder.file("p.yaml", printing(fifo))}));
  BOOST_TEST(child.saw_on_err("msg=running"));
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

BOOST_AUTO_TEST_CASE(an_empty_standard_input_ends_quietly) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("p.yaml", filtering), "--log-level", "warn"});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out == "");
  BOOST_TEST(end.err == "");
}

BOOST_AUTO_TEST_CASE(a_pipe_is_read_to_its_end_and_no_line_is_lost) {
  const TemporaryFolder folder;
  const auto end = ran_by_shell("{ seq 1 100000; printf 100001; } | weir \"$1\"", {folder.file("p.yaml", filtering)});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(counted_up(end.out) == 100'001U);
}

BOOST_AUTO_TEST_CASE(a_pipe_whose_writer_stays_silent_keeps_nobody_from_ending) {
  const TemporaryFolder folder;
  const auto fifo = folder.path("fifo");
  BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  for (const int signals : {1, 2}) {
    Child child(shell("exec 3<>\"$2\"; printf '1\\n2\\nhalf' >&3; exec \"$WEIR\" run --admin off \"$1\" <&3",
                      {folder.file("p.yaml", filtering), fifo}),
                shell_environment);
    BOOST_TEST(child.saw_on_err("msg=running"));
    BOOST_TEST(child.saw_on_out("1\n2\n"));
    child.signal(SIGTERM);
    if (signals == 2) child.signal(SIGINT);
    const auto end = child.end();
    if (signals == 1) BOOST_TEST(end.code == 0, end.err);
    BOOST_TEST(end.out == "1\n2\n");  // What had no end yet is no message.
  }
}

BOOST_AUTO_TEST_CASE(a_standard_input_that_is_closed_or_a_directory_is_missing_and_not_empty) {
  const TemporaryFolder folder;
  const auto file = folder.file("p.yaml", filtering);
  const auto closed = ran_by_shell("weir \"$1\" <&-", {file});
  BOOST_TEST(closed.code == 69, closed.err);
  BOOST_TEST(contains(closed.err, "standard input was closed when weir was started"), closed.err);
  const auto directory = ran_by_shell("weir \"$1\" <\"$2\"", {file, folder.path(".")});
  BOOST_TEST(directory.code == 69, directory.err);
  BOOST_TEST(contains(directory.err, "standard input: Is a directory"), directory.err);
}

BOOST_AUTO_TEST_CASE(two_files_of_one_program_cannot_both_read_the_standard_input) {
  const TemporaryFolder folder;
  const auto one = folder.file("one.yaml", filtering), two = folder.file("two.yaml", filtering);
  const auto end = ran({one, two});
  BOOST_TEST(end.code == 78, end.err);
  BOOST_TEST(contains(end.err, "one.yaml reads the standard input already"), end.err);
  BOOST_TEST(contains(end.err, "run the two by themselves"), end.err);
  BOOST_TEST(Child({WEIR_BINARY, "check", one, two}).end().code == 0);
}

BOOST_AUTO_TEST_CASE(a_read_that_fails_ends_with_74) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("p.yaml", printing("/proc/self/mem"))});  // Its first page can't be read.
  BOOST_TEST(end.code == 74, end.err);
  BOOST_TEST(contains(end.err, "/proc/self/mem: Input/output error"), end.err);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_gone_when_it_is_read_again_fails_a_message_and_not_the_run) {
  const TemporaryFolder folder;
  const auto input = folder.file("now_and_then.txt", "here\n");
  Child child(weir_run({folder.file("p.yaml", "stages:\n  lines: {file: {read: '" + input + "', every: 10ms}}\n" +
                                                  "  told: {from: lines.failed, exec: {run: [echo, -n, gone]}}\n" +
                                                  "  screen: {from: [lines, told], stdout: {}}\n")}));
  BOOST_TEST(child.saw_on_out("here\n"));
  std::filesystem::remove(input);
  BOOST_TEST(child.saw_on_out("gone\n"));
  std::filesystem::rename(folder.file("new.txt", "again\n"), input);
  BOOST_TEST(child.saw_on_out("again\n"));
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
}

BOOST_AUTO_TEST_CASE(any_name_that_a_file_can_have_is_good) {
  const TemporaryFolder folder;
  for (const std::string name :
       {"a b.txt", "new\nline.txt", "ümläut 日本.txt", "it's.txt", "{{ x }}.txt", "${X}.txt"}) {
    folder.file(name, "1\n2\n");
    const auto written = replaced(replaced(replaced(folder.path(name), "\n", "\\n"), "{{", "\\\\{{"), "${", "\\\\${");
    const auto end = ran({folder.file("p.yaml", "stages:\n  lines: {file: {read: \"" + written +
                                                    "\"}}\n"
                                                    "  screen: {from: lines, stdout: {}}\n")});
    BOOST_TEST(end.code == 0, name << ": " << end.err);
    BOOST_TEST(end.out == "1\n2\n", name);
  }
}

BOOST_AUTO_TEST_CASE(a_pattern_that_matches_nothing_is_a_file_that_is_missing) {
  const TemporaryFolder folder;
  const auto end = ran({folder.file("p.yaml", printing(folder.path("*.log")))});
  BOOST_TEST(end.code == 69, end.err);
  BOOST_TEST(contains(end.err, "nothing matches"), end.err);
}
