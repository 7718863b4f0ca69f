#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>

#include "engine/runtime/files.hpp"
#include "engine/runtime/processes.hpp"
#include "engine/runtime/real_machine.hpp"
#include "engine/runtime/wait.hpp"
#include "tests/runtime/on_core.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace weir::runtime;
using namespace std::chrono_literals;

namespace {

Task<> sleep_a_little(Core& core, Duration& slept) {
  const Time start = core.now();
  co_await core.sleep_until(start - 1s);
  co_await core.sleep(2ms);
  slept = core.now() - start;
}

enum class Where { sleep, far_sleep, wait, yield, read_fifo, write_fifo, read_output, write_input, exit, blocking };

Task<> hang(Core& core, Where where, std::string fifo, bool& stopped) {
  char bytes[16];
  const std::string megabyte(1 << 20, 'x');
  try {
    Waiter waiter(core);
    std::unique_ptr<Child> child;
    std::unique_ptr<Reader> reader;
    std::unique_ptr<Writer> writer;
    if (where == Where::read_output || where == Where::exit || where == Where::write_input) {
      Command command;
      command.argv = {"sleep", "1000"};
      command.input = true;
      child = core.processes().start(command);
    }
    if (where == Where::read_fifo) reader = core.files().open(fifo);
    if (where == Where::write_fifo) writer = core.files().create(fifo, Files::Mode::append);
    for (;;) {
      switch (where) {
        case Where::sleep:
          co_await core.sleep(1h);
          break;
        case Where::far_sleep:
          co_await core.sleep_until(Time::max());
          break;
        case Where::wait:
          co_await waiter.wait();
          break;
        case Where::yield:
          co_await core.yield();
          break;
        case Where::read_fifo:
          (void)co_await reader->read(bytes);
          break;
        case Where::write_fifo:
          co_await writer->write(megabyte);
          break;
        case Where::read_output:
          (void)co_await child->read_output(bytes);
          break;
        case Where::write_input:
          co_await child->write(megabyte);
          break;
        case Where::exit:
          (void)co_await child->wait();
          break;
        case Where::blocking: {
          std::function<void()> nothing = [] {};
          co_await core.blocking(std::move(nothing));
          break;
        }
      }
    }
  } catch (const Stopped&) {
    stopped = true;
    throw;
  }
}

Task<> block(Core& core, std::thread::id& where, std::string& caught) {
  std::function<void()> note = [&where] { where = std::this_thread::get_id(); };
  co_await core.blocking(std::move(note));
  std::function<void()> fail = [] { throw std::runtime_error("inside"); };
  try {
    co_await core.blocking(std::move(fail));
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
}

Task<> block_often(Core& core, std::atomic<int>& done, int times) {
  for (int i = 0; i < times; ++i) {
    std::function<void()> work = [&done] { ++done; };
    co_await core.blocking(std::move(work));
  }
}

Task<> read_all(Core&, Reader& reader, std::string& into) {
  std::array<char, 1000> bytes;
  while (const std::size_t count = co_await reader.read(bytes)) into.append(bytes.data(), count);
}

Task<> write_all(Core&, Writer& writer, std::string text, std::error_code& error) {
  try {
    co_await writer.write(text);
  } catch (const std::system_error& e) {
    error = e.code();
  }
}

bool non_blocking(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0; }

// Puts `fd` in the place of a standard descriptor for a while.
class Instead {
 public:
  Instead(int standard, int fd) : standard_(standard), saved_(::dup(standard)) { ::dup2(fd, standard); }
  ~Instead() { ::dup2(saved_, standard_), ::close(saved_); }

 private:
  int standard_, saved_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_sleep_lasts_at_least_as_long_as_asked_and_a_past_instant_not_at_all) {
  Duration slept{};
  on_core([&](Core& core) { return sleep_a_little(core, slept); });
  BOOST_TEST((slept >= 2ms));
  BOOST_TEST((slept < 10s));
}

BOOST_AUTO_TEST_CASE(a_stop_ends_every_kind_of_wait) {
  const std::string fifo = std::filesystem::temp_directory_path() / ("weir-stop-" + std::to_string(::getpid()));
  BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  for (const Where where : {Where::sleep, Where::far_sleep, Where::wait, Where::yield, Where::read_fifo,
                            Where::write_fifo, Where::read_output, Where::write_input, Where::exit, Where::blocking}) {
    BOOST_TEST_CONTEXT("wait " << static_cast<int>(where)) {
      bool stopped = false;
      on_core([&](Core& core) { return hang(core, where, fifo, stopped); }, true);
      BOOST_TEST(stopped);
    }
  }
  std::filesystem::remove(fifo);
}

BOOST_AUTO_TEST_CASE(blocking_work_runs_on_another_thread_and_its_exception_comes_back) {
  std::thread::id where;
  std::string caught;
  on_core([&](Core& core) { return block(core, where, caught); });
  BOOST_TEST((where != std::thread::id() && where != std::this_thread::get_id()));
  BOOST_TEST(caught == "inside");
}

namespace {

/// Waits until an alarm wakes it, wakes another and goes back to wait, as who makes messages in time does.
Task<> wake_in_turn(Core& core, Waiter& waiter, Waiter& other, std::string& order) {
  const auto ring = core.alarm(core.now(), [&] { waiter.wake(); });
  co_await waiter.wait();
  core.post([&] { order += "posted "; });
  other.wake();
  const auto kept = core.alarm(core.now(), [&] { order += "alarm ", waiter.wake(); });
  const auto taken_back = [&] { return core.alarm(core.now(), [&] { order += "taken back "; }); };
  { const auto first = taken_back(), second = taken_back(), third = taken_back(); }
  co_await waiter.wait();
}

Task<> woken_in_turn(Waiter& waiter, std::string& order) {
  co_await waiter.wait();
  order += "woken ";
}

}  // namespace

BOOST_AUTO_TEST_CASE(who_is_woken_goes_on_before_what_is_posted_and_before_the_alarms_made_meanwhile) {
  const auto runtime = make_real(Options{});
  Core& core = runtime->core(0);
  std::string order;
  Waiter waiter(core), other(core);
  std::array<std::unique_ptr<Coroutine>, 2> parts;
  int running = 2;
  const auto ended = [&](std::exception_ptr) {
    if (--running == 0) runtime->stop();
  };
  runtime->run([&] {
    parts[0] = core.spawn(woken_in_turn(other, order), ended);
    parts[1] = core.spawn(wake_in_turn(core, waiter, other, order), ended);
  });
  BOOST_TEST(order == "woken posted alarm ");
}

BOOST_AUTO_TEST_CASE(many_coroutines_of_two_cores_share_the_blocking_threads) {
  const auto runtime = make_real(Options{.cores = 2, .seed = 1, .pin = true});
  std::atomic<int> done = 0, running = 16;
  std::vector<std::unique_ptr<Coroutine>> all(16);
  runtime->run([&] {
    for (int i = 0; i < 16; ++i) {
      Core& core = runtime->core(i % 2);
      core.post([&, i] {
        Core& mine = runtime->core(i % 2);
        all[static_cast<std::size_t>(i)] = mine.spawn(block_often(mine, done, 100), [&](std::exception_ptr) {
          if (--running == 0) runtime->stop();
        });
      });
    }
  });
  BOOST_TEST(done == 1600);
}

BOOST_AUTO_TEST_CASE(cores_post_to_each_other_until_all_have_heard_of_the_end) {
  const auto runtime = make_real(Options{.cores = 3, .seed = 1});
  std::atomic<int> hops = 0;
  std::function<void(int)> hop = [&](int at) {
    if (++hops == 30'000) runtime->stop();
    const int next = (at + 1) % 3;
    runtime->core(next).post([&hop, next] { hop(next); });
  };
  runtime->run([&] { hop(0); });
  BOOST_TEST(hops >= 30'000);
}

BOOST_AUTO_TEST_CASE(a_stop_before_the_start_ends_the_run_at_once) {
  const auto runtime = make_real(Options{.cores = 2});
  runtime->stop();
  BOOST_CHECK_NO_THROW(runtime->run([] {}));
}

BOOST_AUTO_TEST_CASE(a_given_seed_gives_each_core_the_same_random_numbers_again) {
  const auto once = make_real(Options{.cores = 2, .seed = 9});
  const auto again = make_real(Options{.cores = 2, .seed = 9});
  const auto number = once->core(1).random().next();
  BOOST_TEST(number == again->core(1).random().next());
  BOOST_TEST(number != again->core(0).random().next());
}

BOOST_AUTO_TEST_CASE(a_service_answers_while_every_core_is_busy) {
  const auto runtime = make_real(Options{});
  Core& service = runtime->service("weir-test");
  BOOST_TEST(service.index() == -1);
  runtime->run([&] {
    std::latch answered(1);
    service.post([&] { answered.count_down(); });
    answered.wait();
    runtime->stop();
  });
}

BOOST_AUTO_TEST_CASE(a_signal_is_told_while_the_core_is_busy) {
  const auto runtime = make_real(Options{});
  std::promise<int> arrived;
  runtime->on_signal({SIGUSR1}, [&](int number) { arrived.set_value(number); });
  int number = 0;
  runtime->run([&] {
    ::kill(::getpid(), SIGUSR1);
    number = arrived.get_future().get();
    runtime->stop();
  });
  BOOST_TEST(number == SIGUSR1);
}

BOOST_AUTO_TEST_CASE(standard_input_from_a_slow_pipe_is_read_to_its_end_and_stays_a_blocking_descriptor) {
  std::array<int, 2> fds;
  BOOST_REQUIRE(::pipe(fds.data()) == 0);
  std::string text;
  bool changed = true;
  {
    const Instead instead(0, fds[0]);
    const auto runtime = make_real(Options{});
    const auto reader = runtime->core(0).files().standard_input();
    std::thread writer([&] {
      for (int i = 0; i < 1000; ++i) {
        BOOST_REQUIRE(::write(fds[1], "0123456789", 10) == 10);
        std::this_thread::yield();
      }
      changed = non_blocking(fds[0]) || non_blocking(0);
      ::close(fds[1]);
    });
    on_core(*runtime, [&](Core& core) { return read_all(core, *reader, text); });
    writer.join();
  }
  ::close(fds[0]);
  BOOST_TEST(text.size() == 10'000u);
  BOOST_TEST(!changed);
}

BOOST_AUTO_TEST_CASE(standard_output_to_a_slow_pipe_arrives_whole_and_stays_a_blocking_descriptor) {
  std::array<int, 2> fds;
  BOOST_REQUIRE(::pipe(fds.data()) == 0);
  std::string sent;
  for (int i = 0; i < 200'000; ++i) sent += static_cast<char>('a' + i % 26);
  std::string received;
  bool changed = true;
  std::error_code error;
  {
    const auto runtime = make_real(Options{});
    std::unique_ptr<Writer> writer;
    {
      const Instead instead(1, fds[1]);
      writer = runtime->core(0).files().standard_output();
    }
    ::close(fds[1]);
    std::thread reader([&] {
      std::array<char, 999> bytes;
      for (ssize_t count; (count = ::read(fds[0], bytes.data(), bytes.size())) > 0;)
        received.append(bytes.data(), static_cast<std::size_t>(count));
    });
    on_core(*runtime, [&](Core& core) { return write_all(core, *writer, sent, error); });
    BOOST_TEST(writer->written() == sent.size());
    writer.reset();
    reader.join();
  }
  changed = non_blocking(fds[0]);
  ::close(fds[0]);
  BOOST_TEST(!error);
  BOOST_TEST((received == sent));
  BOOST_TEST(!changed);
}

BOOST_AUTO_TEST_CASE(a_reader_that_leaves_breaks_the_standard_output_without_a_signal) {
  std::array<int, 2> fds;
  BOOST_REQUIRE(::pipe(fds.data()) == 0);
  const auto runtime = make_real(Options{});
  std::unique_ptr<Writer> writer;
  {
    const Instead instead(1, fds[1]);
    writer = runtime->core(0).files().standard_output();
  }
  const int flags_of = ::dup(fds[1]);
  ::close(fds[1]);
  std::error_code error;
  std::thread reader([&] {
    char byte;
    BOOST_REQUIRE(::read(fds[0], &byte, 1) == 1);
    ::close(fds[0]);
  });
  on_core(*runtime, [&](Core& core) { return write_all(core, *writer, std::string(1 << 20, 'x'), error); });
  reader.join();
  BOOST_TEST((error == std::errc::broken_pipe));
  BOOST_TEST(!non_blocking(flags_of));
  ::close(flags_of);
}

// -------------------------------------------------------------------------------------------------------- the machine

namespace {

/// What Linux tells of a machine, as files in a folder.
class ToldMachine {
 public:
  void says(const std::string& path, const std::string& text) {
    const std::filesystem::path file = folder_.path("") + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  RealMachine machine() const { return RealMachine(folder_.path("")); }

 private:
  weir::tests::TemporaryFolder folder_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_machine_tells_its_memory_and_its_pressure) {
  ToldMachine told;
  told.says("/proc/stat", "cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1 2 3\n");
  told.says("/proc/meminfo", "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    250 kB\n");
  told.says("/proc/pressure/cpu", "some avg10=12.50 avg60=1.00 avg300=1.00 total=1\n");
  told.says("/proc/pressure/io", "some avg10=40.00 avg60=1.00 avg300=1.00 total=1\nfull avg10=99.00 avg60=0 total=0\n");
  auto machine = told.machine();
  BOOST_TEST(machine.load(Load::memory).value() == 0.75);
  BOOST_TEST(machine.load(Load::pressure).value() == 0.4);
  BOOST_TEST(machine.load(Load::cpu).value() == 0.0);  // Nothing to compare it with yet.
}

BOOST_AUTO_TEST_CASE(a_control_group_that_allows_less_counts_where_it_is_used_more) {
  ToldMachine told;
  told.says("/proc/self/cgroup", "0::/a.slice\n");
  told.says("/proc/meminfo", "MemTotal:       1000 kB\nMemAvailable:    900 kB\n");
  told.says("/sys/fs/cgroup/a.slice/memory.max", "1000000\n");
  told.says("/sys/fs/cgroup/a.slice/memory.current", "900000\n");
  told.says("/sys/fs/cgroup/a.slice/memory.stat", "anon 5\ninactive_file 100000\n");
  BOOST_TEST(told.machine().load(Load::memory).value() == 0.8);
  told.says("/sys/fs/cgroup/a.slice/memory.max", "max\n");
  BOOST_TEST(std::abs(told.machine().load(Load::memory).value() - 0.1) < 1e-9);
}

BOOST_AUTO_TEST_CASE(a_machine_that_does_not_tell_has_no_load) {
  ToldMachine told;
  told.says("/proc/stat", "intr 1\n");
  auto machine = told.machine();
  for (const auto of : {Load::cpu, Load::memory, Load::pressure}) BOOST_TEST(!machine.load(of).has_value());
  BOOST_TEST(real_machine().load(Load::memory).value() > 0);  // This one does.
}
