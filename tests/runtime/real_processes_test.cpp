#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "engine/runtime/processes.hpp"
#include "tests/runtime/on_core.hpp"

using namespace weir::runtime;
using namespace std::chrono_literals;

namespace {

struct Seen {
  std::string output, error;
  Exit exit;
};

Command shell(std::string script) {
  Command command;
  command.argv = {"sh", "-c", std::move(script)};
  return command;
}

Task<> watch(Core& core, Command command, Seen& seen) {
  const auto child = core.processes().start(command);
  std::array<char, 65536> bytes;
  while (const std::size_t count = co_await child->read_output(bytes)) seen.output.append(bytes.data(), count);
  while (const std::size_t count = co_await child->read_error(bytes)) seen.error.append(bytes.data(), count);
  seen.exit = co_await child->wait();
  const Exit again = co_await child->wait();
  BOOST_TEST(again.code == seen.exit.code);
}

Seen run(Command command) {
  Seen seen;
  on_core([&](Core& core) { return watch(core, command, seen); });
  return seen;
}

Task<> feed(Child& child, std::string text) {
  co_await child.write(text);
  child.close_input();
}

Task<> collect(Child& child, std::string& text) {
  std::array<char, 1000> bytes;
  while (const std::size_t count = co_await child.read_output(bytes)) text.append(bytes.data(), count);
}

bool alive(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(stat, text, '\0');  // Where it ends meanwhile this reads nothing; an iterator would throw.
  const auto name_end = text.rfind(')');
  return name_end != std::string::npos && text.at(name_end + 2) != 'Z';  // Whoever inherits it may reap it late.
}

Task<> leave_grandchildren(Core& core, std::string script, bool wait_first, pid_t& grandchild) {
  {
    const auto child = core.processes().start(shell(script));
    std::array<char, 100> bytes;
    const std::size_t count = co_await child->read_output(bytes);
    grandchild = std::stoi(std::string(bytes.data(), count));
    BOOST_TEST(alive(grandchild));
    if (wait_first) (void)co_await child->wait();
  }
  const Time patience = core.now() + 20s;
  while (alive(grandchild) && core.now() < patience) co_await core.yield();
}

Task<> signal_it(Core& core, int number, Exit& exit) {
  const auto child = core.processes().start(shell("echo ready; exec sleep 1000"));
  std::array<char, 100> bytes;
  (void)co_await child->read_output(bytes);
  child->signal(number);
  exit = co_await child->wait();
}

Task<> write_to_the_dead(Core& core, std::error_code& error) {
  Command command;
  command.argv = {"true"};
  command.input = true;
  const auto child = core.processes().start(command);
  (void)co_await child->wait();
  const std::string text = "x";
  try {
    co_await child->write(text);
  } catch (const std::system_error& e) {
    error = e.code();
  }
}

Task<> start_often(Core& core, int times) {
  Command command;
  command.argv = {"true"};
  for (int i = 0; i < times; ++i) {
    command.input = i % 2 == 0;
    const auto child = core.processes().start(command);
    if (i % 3 == 0) {
      const Exit exit = co_await child->wait();
      BOOST_REQUIRE(exit.ok());
    }
    if (i % 3 == 1) co_await core.yield();
  }
}

std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

std::error_code start_error(Command command) {
  const auto runtime = make_real(Options{});
  try {
    runtime->core(0).processes().start(command);
  } catch (const std::system_error& error) {
    return error.code();
  }
  return {};
}

std::error_code look_error(const Command& command) {
  const auto runtime = make_real(Options{});
  try {
    runtime->core(0).processes().look_for(command);
  } catch (const std::system_error& error) {
    return error.code();
  }
  return {};
}

Task<> await_closed_input(Core& core, bool& told) {
  Command command = shell("exec <&-; exec sleep 1000");
  command.input = true;
  const auto child = core.processes().start(command);
  co_await child->input_broken();
  told = true;
}

Task<> close_awaited_input(Core& core, Exit& exit, bool& told) {
  Command command;
  command.argv = {"cat"};
  command.input = true;
  const auto child = core.processes().start(command);
  const auto waits = core.spawn(child->input_broken(), [&](std::exception_ptr error) { told = !error; });
  co_await core.yield();
  BOOST_TEST(!told);
  child->close_input();
  exit = co_await child->wait();
  while (waits->running()) co_await core.yield();
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_exit_code_a_signal_and_both_outputs_are_told) {
  const Seen seen = run(shell("echo out; echo err >&2; exit 7"));
  BOOST_TEST(seen.output == "out\n");
  BOOST_TEST(seen.error == "err\n");
  BOOST_TEST(seen.exit.code == 7);
  BOOST_TEST(seen.exit.signal == 0);
  const Seen killed = run(shell("kill -TERM $$"));
  BOOST_TEST(killed.exit.code == 0);
  BOOST_TEST(killed.exit.signal == SIGTERM);
}

BOOST_AUTO_TEST_CASE(much_output_arrives_whole) {
  const Seen seen = run(shell("head -c 5000000 /dev/zero"));
  BOOST_TEST(seen.output.size() == 5'000'000u);
  BOOST_TEST(seen.exit.ok());
}

BOOST_AUTO_TEST_CASE(what_is_written_to_cat_comes_back) {
  const auto runtime = make_real(Options{});
  Command command;
  command.argv = {"cat"};
  command.input = true;
  const auto child = runtime->core(0).processes().start(command);
  std::string sent;
  for (int i = 0; i < 100'000; ++i) sent += std::to_string(i) + "\n";
  std::string received;
  std::unique_ptr<Coroutine> feeder, collector;
  runtime->run([&] {
    feeder = runtime->core(0).spawn(feed(*child, sent), nullptr);
    collector = runtime->core(0).spawn(collect(*child, received), [&](std::exception_ptr) { runtime->stop(); });
  });
  BOOST_TEST((received == sent));
}

BOOST_AUTO_TEST_CASE(a_child_without_input_reads_an_empty_one) {
  const Seen seen = run(shell("cat; echo end"));
  BOOST_TEST(seen.output == "end\n");
}

BOOST_AUTO_TEST_CASE(writing_to_a_child_that_has_ended_is_a_broken_pipe) {
  std::error_code error;
  on_core([&](Core& core) { return write_to_the_dead(core, error); });
  BOOST_TEST((error == std::errc::broken_pipe));
}

BOOST_AUTO_TEST_CASE(a_child_that_closes_its_input_is_noticed_without_a_write) {
  bool told = false;
  on_core([&](Core& core) { return await_closed_input(core, told); });
  BOOST_TEST(told);
}

BOOST_AUTO_TEST_CASE(who_awaits_the_end_of_an_input_hears_of_its_being_closed_here) {
  bool told = false;
  Exit exit;
  exit.code = 1;
  on_core([&](Core& core) { return close_awaited_input(core, exit, told); });
  BOOST_TEST(told);
  BOOST_TEST(exit.ok());
}

BOOST_AUTO_TEST_CASE(environment_and_directory_are_the_childs_own) {
  Command command = shell("echo $GREETING; pwd");
  command.environment["GREETING"] = "hello world";
  command.directory = "/usr";
  BOOST_TEST(run(command).output == "hello world\n/usr\n");
  BOOST_TEST(::getenv("GREETING") == nullptr);
}

BOOST_AUTO_TEST_CASE(a_program_that_is_missing_or_may_not_run_is_refused_at_the_start) {
  Command command;
  command.argv = {"no-such-program-anywhere"};
  BOOST_TEST((start_error(command) == std::errc::no_such_file_or_directory));
  command.argv = {"/no/such/program"};
  BOOST_TEST((start_error(command) == std::errc::no_such_file_or_directory));
  command.argv = {"/etc/passwd"};
  BOOST_TEST((start_error(command) == std::errc::permission_denied));
  command.argv = {"true"};
  command.directory = "/no/such/directory";
  BOOST_TEST((start_error(command) == std::errc::no_such_file_or_directory));
  command.argv = {"/usr"};
  command.directory = "/";
  BOOST_TEST((start_error(command) == std::errc::is_a_directory));
  command.argv = {};
  BOOST_TEST((start_error(command) == std::errc::invalid_argument));
  BOOST_TEST(!has_children());
}

BOOST_AUTO_TEST_CASE(a_script_that_nothing_can_run_is_not_called_missing) {
  const auto folder = std::filesystem::temp_directory_path() / ("weir-scripts-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const auto refused = [&](const char* text, std::string directory = {}) {
    const auto script = folder / "script";
    std::ofstream(script) << text;
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    Command command;
    command.argv = {directory.empty() ? script.string() : "./script"};
    command.directory = std::move(directory);
    std::string why;
    const auto runtime = make_real(Options{});
    try {
      runtime->core(0).processes().start(command);
    } catch (const std::system_error& error) {
      why = error.what();
    }
    return why.substr(std::min(why.rfind("script"), why.size()));
  };
  BOOST_TEST(refused("#!/no/such -x\n") == "script, which is for `/no/such`: No such file or directory");
  BOOST_TEST(refused("#! /no/such", folder.string()) == "script, which is for `/no/such`: No such file or directory");
  BOOST_TEST(refused("#!/bin/sh\r\ntrue\r\n") ==
             "script, which is for `/bin/sh` (its first line ends in CR LF): No such file or directory");
  BOOST_TEST(refused("echo\n") == "script, which does not begin with #!: Exec format error");
  BOOST_TEST(refused("#!/bin/sh\n") == "");
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(where_a_program_is_to_start_is_looked_for_with_it) {
  Command command;
  command.argv = {"true"};
  BOOST_TEST(!look_error(command));
  command.directory = "/usr";
  BOOST_TEST(!look_error(command));
  command.directory = "/no/such/directory";
  BOOST_TEST((look_error(command) == std::errc::no_such_file_or_directory));
  command.directory = "/etc/passwd";
  BOOST_TEST((look_error(command) == std::errc::not_a_directory));
  command.directory.clear();
  command.argv = {"/usr"};
  BOOST_TEST((look_error(command) == std::errc::is_a_directory));
}

BOOST_AUTO_TEST_CASE(the_search_path_is_the_childs_and_never_ends_in_a_shell) {
  std::string folder = (std::filesystem::temp_directory_path() / "weir-path-XXXXXX").string();
  BOOST_REQUIRE(::mkdtemp(folder.data()) != nullptr);
  std::ofstream(folder + "/greet") << "#!/bin/sh\necho hi $1\n";
  std::ofstream(folder + "/plain") << "echo not a program\n";
  std::filesystem::permissions(folder + "/greet", std::filesystem::perms::owner_all);
  std::filesystem::permissions(folder + "/plain", std::filesystem::perms::owner_all);
  Command command;
  command.argv = {"greet", "you; exit 3"};
  command.environment["PATH"] = "/nowhere::" + folder;
  const Seen seen = run(command);
  BOOST_TEST(seen.output == "hi you; exit 3\n");
  command.argv = {"plain"};
  BOOST_TEST((start_error(command) == std::errc::executable_format_error));
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(a_child_gets_no_descriptor_mask_or_ignored_signal_of_the_engine) {
  const int leaked = ::open("/dev/null", O_RDONLY);  // Without O_CLOEXEC, as a careless library would.
  const auto runtime = make_real(Options{.cores = 1, .seed = 1, .pin = true});
  runtime->on_signal({SIGTERM, SIGUSR1}, [](int) {});
  Seen files, status;
  Command list;
  list.argv = {"ls", "/proc/self/fd"};
  Command mask;
  mask.argv = {"grep", "-E", "^Sig(Blk|Ign)|^Cpus_allowed_list", "/proc/self/status"};
  std::unique_ptr<Coroutine> one, two;
  int running = 2;
  const auto ended = [&](std::exception_ptr) {
    if (--running == 0) runtime->stop();
  };
  std::string expected;
  {
    std::ifstream own("/proc/self/status");
    for (std::string line; std::getline(own, line);)
      if (line.starts_with("Cpus_allowed_list")) expected = line + "\n";
  }
  runtime->run([&] {
    one = runtime->core(0).spawn(watch(runtime->core(0), list, files), ended);
    two = runtime->core(0).spawn(watch(runtime->core(0), mask, status), ended);
  });
  ::close(leaked);
  BOOST_TEST(files.output == "0\n1\n2\n3\n");  // 3 is the directory that ls reads.
  BOOST_TEST(status.output.find("SigBlk:\t0000000000000000\n") != std::string::npos);
  const auto ignored = std::stoull(status.output.substr(status.output.find("SigIgn:") + 8, 16), nullptr, 16);
  BOOST_TEST((ignored & (1u << (SIGPIPE - 1))) == 0u);
  BOOST_TEST((ignored & (1u << (SIGXFSZ - 1))) == 0u);
  BOOST_TEST(status.output.find(expected) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_signal_reaches_the_child) {
  Exit exit;
  on_core([&](Core& core) { return signal_it(core, SIGTERM, exit); });
  BOOST_TEST(exit.signal == SIGTERM);
}

BOOST_AUTO_TEST_CASE(letting_a_child_go_kills_its_whole_group_also_after_its_own_end) {
  pid_t grandchild = 0;
  on_core([&](Core& core) { return leave_grandchildren(core, "sleep 1000 & echo $!; wait", false, grandchild); });
  BOOST_TEST(!alive(grandchild));
  on_core([&](Core& core) { return leave_grandchildren(core, "sleep 1000 & echo $!", true, grandchild); });
  BOOST_TEST(!alive(grandchild));
  BOOST_TEST(!has_children());
}

BOOST_AUTO_TEST_CASE(a_thousand_starts_leave_no_zombie_and_no_descriptor) {
  on_core([](Core& core) { return start_often(core, 1); });
  const auto before = open_descriptors();
  on_core([](Core& core) { return start_often(core, 1000); });
  BOOST_TEST(open_descriptors() == before);
  BOOST_TEST(!has_children());
}

BOOST_AUTO_TEST_CASE(a_child_dies_with_an_engine_that_is_killed) {
  std::array<int, 2> fds;
  BOOST_REQUIRE(::pipe(fds.data()) == 0);
  const pid_t engine = ::fork();
  if (engine == 0) {
    const auto runtime = make_real(Options{});
    Command command;
    command.argv = {"sleep", "1000"};
    const auto child = runtime->core(0).processes().start(command);
    const pid_t pid = child->id();
    if (::write(fds[1], &pid, sizeof pid) == sizeof pid) ::raise(SIGKILL);
    ::_exit(1);
  }
  pid_t child = 0;
  BOOST_REQUIRE(::read(fds[0], &child, sizeof child) == static_cast<ssize_t>(sizeof child));
  BOOST_REQUIRE(::waitpid(engine, nullptr, 0) == engine);
  const auto patience = std::chrono::steady_clock::now() + 20s;
  while (alive(child) && std::chrono::steady_clock::now() < patience) ::sched_yield();
  BOOST_TEST(!alive(child));
  ::close(fds[0]);
  ::close(fds[1]);
}
