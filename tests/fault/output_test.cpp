// Output that can't be had, is full, is taken, or goes away: nothing is lost without a word.
#include <filesystem>

#include "tests/support/weir.hpp"

using namespace weir::tests;

namespace {

constexpr const char* endless =
    "stages:\n"
    "  numbers: {generate: {range: 1..1000000000000}}\n"
    "  screen: {from: numbers, stdout: {}}\n";

constexpr const char* hundred =
    "stages:\n"
    "  numbers: {generate: {range: 1..100}}\n"
    "  screen: {from: numbers, stdout: {}}\n";

/// A shell with a file system of 1 MiB of its own at `$disk`, which nobody else sees and which ends with it.
const std::string small_disk = "disk=$2/disk; mkdir $disk && mount -t tmpfs -o size=1m none $disk || exit 99\n";
bool has_small_disks() {
  return machine_can("mount of one's own",
                     "d=$(mktemp -d); unshare -m sh -c \"mount -t tmpfs -o size=1m none $d\"; s=$?; "
                     "rmdir $d; exit $s");
}
ChildEnd ran_on_small_disk(const std::string& script, const std::string& pipeline, const TemporaryFolder& folder) {
  auto words = shell(small_disk + script, {pipeline, folder.path(".")});
  words.insert(words.begin(), {"unshare", "-m"});
  return Child(std::move(words), shell_environment).end();
}

/// Runs this; when it says that the small disk is full, prints the last byte of what it has written and makes the disk
/// larger. At the end prints all that it has written.
std::string given_room_when_full(const std::string& command, const std::string& out) {
  return "mkfifo $2/log; { " + command +
         "; } 2>$2/log & pid=$!\n"
         "while read -r line; do echo \"$line\" >&2; case $line in *'the disk is full'*)\n"
         "  tail -c 1 " +
         out +
         "; mount -o remount,size=8m $disk;; esac; done <$2/log\n"
         "wait $pid; code=$?; cat " +
         out + "; exit $code";
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_can_t_be_written_to_is_named) {
  const TemporaryFolder folder;
  const auto below = folder.file("p.txt", "a file") + "/none/out.txt";
  const auto end = ran({folder.file("p.yaml", writing(below))});
  BOOST_TEST(end.code == 69, end.err);
  BOOST_TEST(contains(end.err, "file: cannot write " + below + ": Not a directory"), end.err);
  const auto nowhere = ran({folder.file("r.yaml", writing("/proc/none/out.txt"))});
  BOOST_TEST(nowhere.code == 69, nowhere.err);
  BOOST_TEST(contains(nowhere.err, "file: cannot make the directory /proc/none: No such file"), nowhere.err);
  const auto directory = ran({folder.file("q.yaml", writing(folder.path(".")))});
  BOOST_TEST(directory.code == 69, directory.err);
  BOOST_TEST(contains(directory.err, "Is a directory"), directory.err);
}

BOOST_AUTO_TEST_CASE(directories_that_are_missing_are_made_as_the_umask_says) {
  const TemporaryFolder folder;
  const auto out = folder.path("a/b/out.txt");
  const auto end = ran_by_shell("umask 027; weir \"$1\"", {folder.file("p.yaml", writing(out))});
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(counted_up(text_of(out)) == 1000U);
  for (const auto* made : {"a", "a/b"}) {
    const auto mode = std::filesystem::status(folder.path(made)).permissions();
    BOOST_TEST(static_cast<unsigned>(mode) == 0750U, made);
  }
}

BOOST_AUTO_TEST_CASE(messages_wait_for_a_full_disk_and_all_arrive_when_there_is_room) {
  if (!has_small_disks()) return;
  const TemporaryFolder folder;
  const auto pipeline = folder.file("p.yaml", writing("${DISK}/out.txt", "append", "200000"));
  const auto end =
      ran_on_small_disk(given_room_when_full("export DISK=$disk; weir $1", "$disk/out.txt"), pipeline, folder);
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(end.out.starts_with("\n"), "while it waits there is no half line at the end");
  BOOST_TEST(counted_up(end.out.substr(1)) == 200'000U);
  BOOST_TEST(contains(end.err, "the disk is full: messages wait until there is room"), end.err);
  BOOST_TEST(contains(end.err, "the disk has room again"), end.err);
}

BOOST_AUTO_TEST_CASE(a_disk_that_stays_full_is_told_and_ends_with_1) {
  const TemporaryFolder folder;
  Child child(weir_run({folder.file("p.yaml", writing("/dev/full", "append")), "--set", "run.drain=100ms"}));
  BOOST_TEST(child.saw_on_err("the disk is full"));
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 1, end.err);
  BOOST_TEST(contains(end.err, "the drain time ran out"), end.err);
  BOOST_TEST(contains(end.err, "messages were left when it was stopped"), end.err);
}

BOOST_AUTO_TEST_CASE(a_standard_output_that_stays_full_is_told_and_ends_with_1) {
  const TemporaryFolder folder;
  Child child(
      shell("exec \"$WEIR\" run --admin off \"$1\" --set run.drain=100ms >/dev/full", {folder.file("p.yaml", hundred)}),
      shell_environment);
  BOOST_TEST(child.saw_on_err("the disk is full: messages wait until there is room\" path=\"standard output\""));
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 1, end.err);
  BOOST_TEST(contains(end.err, "messages were left when it was stopped"), end.err);
}

BOOST_AUTO_TEST_CASE(a_full_standard_output_holds_whole_lines_and_all_arrive_when_there_is_room) {
  if (!has_small_disks()) return;
  const TemporaryFolder folder;
  const auto pipeline =
      folder.file("p.yaml", "stages:\n  n: {generate: {range: 1..200000}}\n  s: {from: n, stdout: {}}\n");
  for (const auto* onto : {">", ">>"}) {
    const auto end = ran_on_small_disk(given_room_when_full("weir $1 " + std::string(onto) + "$disk/out", "$disk/out"),
                                       pipeline, folder);
    BOOST_TEST(end.code == 0, end.err);
    BOOST_TEST(end.out.starts_with("\n"), "while it waits there is no half line at the end");
    BOOST_TEST(counted_up(end.out.substr(1)) == 200'000U, onto);
    std::filesystem::remove(folder.path("disk"));
    std::filesystem::remove(folder.path("log"));
  }
}

BOOST_AUTO_TEST_CASE(two_writers_of_one_file_are_one_too_many) {
  const TemporaryFolder folder;
  const auto out = folder.path("out.txt");
  const auto end = ran({folder.file(
      "p.yaml", writing(out) + "  again: {from: numbers, file: {write: '" + out + "', format: lines}}\n")});
  BOOST_TEST(end.code == 78, end.err);
  BOOST_TEST(contains(end.err, "'kept' makes the file " + out + " already"), end.err);

  // The same from another program; who came first goes on.
  const auto slow = "stages:\n  numbers: {generate: {every: 1ms}}\n  kept: {from: numbers, file: {write: '" + out +
                    "'}}\n  screen: {from: numbers, stdout: {}}\n";
  Child first(weir_run({folder.file("first.yaml", slow)}));
  BOOST_TEST(first.saw_on_out("{}\n"));
  const auto second = ran({folder.file("second.yaml", slow)});
  BOOST_TEST(second.code == 69, second.err);
  BOOST_TEST(contains(second.err, "Device or resource busy"), second.err);
  first.signal(SIGTERM);
  const auto first_end = first.end();
  BOOST_TEST(first_end.code == 0, first_end.err);
  BOOST_TEST(std::filesystem::exists(out));
}

BOOST_AUTO_TEST_CASE(what_is_added_to_a_file_that_somebody_has_removed_is_not_lost) {
  const TemporaryFolder folder;
  const auto dead = folder.path("dead.ndjson");
  Child child(
      weir_run({folder.file("p.yaml",
                            "stages:\n  ticks: {generate: {every: 5ms}}\n"
                            "  never: {from: ticks, lua: fail('no')}\n"
                            "  dead: {from: never.failed, file: {append: '" +
                                dead + "', format: envelope}}\n" + "  screen: {from: never.failed, stdout: {}}\n")}));
  BOOST_TEST(child.saw_on_out("{}\n"));
  std::filesystem::remove(dead);
  BOOST_TEST(child.saw_on_err("msg=\"the file was removed; it is begun anew\""));
  child.signal(SIGTERM);
  const auto end = child.end();
  BOOST_TEST(end.code == 0, end.err);
  BOOST_TEST(contains(text_of(dead), "\"stage\":\"never\""), text_of(dead));
}

BOOST_AUTO_TEST_CASE(a_reader_that_has_enough_ends_the_run_quietly) {
  const TemporaryFolder folder;
  const auto end = ran_by_shell("{ weir --log-level warn \"$1\"; echo $? >\"$2\"; } | head -n 1",
                                {folder.file("p.yaml", endless), folder.path("code")});
  BOOST_TEST(end.out == "1\n");
  BOOST_TEST(end.err.empty(), end.err);
  BOOST_TEST(text_of(folder.path("code")) == "0\n");
}

BOOST_AUTO_TEST_CASE(standard_streams_that_are_closed_at_the_start_are_nobody_s_files) {
  const TemporaryFolder folder;
  const auto out = folder.path("out.txt");
  const auto both = folder.file("both.yaml", writing(out) + "  screen: {from: numbers, stdout: {}}\n");
  const auto closed = ran_by_shell("weir \"$1\" >&-", {both});
  BOOST_TEST(closed.code == 69, closed.err);
  BOOST_TEST(contains(closed.err, "standard output was closed when weir was started"), closed.err);

  const auto silent = folder.file("silent.yaml", writing(out));
  for (const auto* how : {"<&-", ">&-", "2>&-", "<&- >&- 2>&-"}) {
    const auto end = ran_by_shell("weir \"$1\" " + std::string(how), {silent});
    BOOST_TEST(end.code == 0, how << ": " << end.err);
    BOOST_TEST(counted_up(text_of(out)) == 1000U, how);
  }
  const auto list = ran_by_shell("\"$WEIR\" list >&-");
  BOOST_TEST(list.code == 74, list.err);
}
