#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/runtime/simulated.hpp"
#include "engine/runtime/wait.hpp"

using namespace weir::runtime;
using namespace std::chrono_literals;

namespace {

Task<> note_after(Core& core, Duration time, std::string name, std::vector<std::string>& notes) {
  co_await core.sleep(time);
  notes.push_back(name);
}

Task<> tick(Core& core, Duration every, Time until, std::uint64_t& ticks) {
  while (core.now() < until) {
    co_await core.sleep(every + Duration(core.random().below(1'000'000)));
    ++ticks;
  }
}

// Ends only by Stopped, and says which wait it was in.
enum class Where { sleep, wait, wait_until, yield, read_output, exit };
Task<> hang(Core& core, Where where, bool& stopped) {
  Command command;
  command.argv = {"sleeper"};
  char bytes[16];
  try {
    Waiter waiter(core);
    std::unique_ptr<Child> child;
    if (where == Where::read_output || where == Where::exit) child = core.processes().start(command);
    for (;;) {
      switch (where) {
        case Where::sleep:
          co_await core.sleep(1h);
          break;
        case Where::wait:
          co_await waiter.wait();
          break;
        case Where::wait_until:
          (void)co_await waiter.wait_until(core.now() + 1h);
          break;
        case Where::yield:
          co_await core.yield();
          break;
        case Where::read_output:
          (void)co_await child->read_output(bytes);
          break;
        case Where::exit:
          (void)co_await child->wait();
          break;
      }
    }
  } catch (const Stopped&) {
    stopped = true;
    throw;
  }
}

Task<> sleep_again_after_stop(Core& core, int& stops) {
  for (int i = 0; i < 3; ++i) {
    try {
      co_await core.sleep(1s);
    } catch (const Stopped&) {
      ++stops;
    }
  }
}

Task<> throw_it(Core& core) {
  co_await core.sleep(1ms);
  throw std::runtime_error("broken");
}

Task<> wait_for(Waiter& waiter, Core& core, Duration patience, std::vector<bool>& woken) {
  woken.push_back(co_await waiter.wait_until(core.now() + patience));
}

std::uint64_t trace_of_a_run(std::uint64_t seed) {
  SimulatedRuntime runtime(seed, 2);
  std::uint64_t ticks = 0;
  std::vector<std::unique_ptr<Coroutine>> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(runtime.core(i % 2).spawn(tick(runtime.core(i % 2), 10ms, Time(10s), ticks), nullptr));
  runtime.run_until_idle();
  return runtime.trace();
}

void no_matter(std::exception_ptr) {}

}  // namespace

BOOST_AUTO_TEST_CASE(who_gives_way_hears_whether_anybody_else_had_a_turn) {
  const auto told = [](bool beside_one_who_yields, bool beside_one_who_gives_way) {
    SimulatedRuntime runtime(1);
    std::vector<bool> said;
    const auto gives = [](Core& core, std::vector<bool>& notes) -> Task<> {
      for (int i = 0; i < 3; ++i) {
        const bool others = co_await core.give_way();
        notes.push_back(others);
      }
    };
    const auto yields = [](Core& core) -> Task<> {
      for (int i = 0; i < 50; ++i) co_await core.yield();
    };
    std::vector<bool> of_the_other;
    std::vector<std::unique_ptr<Coroutine>> all;
    const auto spawn = [&](Task<> body) { all.push_back(runtime.core().spawn(std::move(body), nullptr)); };
    spawn(gives(runtime.core(), said));
    if (beside_one_who_yields) spawn(yields(runtime.core()));
    if (beside_one_who_gives_way) spawn(gives(runtime.core(), of_the_other));
    runtime.run_until_idle();
    return std::count(said.begin(), said.end(), true);
  };
  BOOST_TEST(told(false, false) == 0);
  BOOST_TEST(told(false, true) == 0);
  BOOST_TEST(told(true, false) > 0);
}

BOOST_AUTO_TEST_CASE(a_run_of_so_many_steps_stops_in_the_middle_and_goes_on) {
  SimulatedRuntime runtime(1);
  int rung = 0;
  std::function<void()> ring;
  std::unique_ptr<Alarm> alarm;
  ring = [&] {
    ++rung;
    alarm = runtime.core().alarm(runtime.now() + 1s, ring);
  };
  alarm = runtime.core().alarm(Time(1s), ring);
  BOOST_TEST(!runtime.run_steps(3, Time::max()));
  BOOST_TEST(rung == 3);
  BOOST_TEST(runtime.run_steps(100, Time(5s)));
  BOOST_TEST(rung == 5);
  alarm.reset();
  BOOST_TEST(runtime.run_steps(100, Time::max()));
}

BOOST_AUTO_TEST_CASE(sleepers_wake_in_the_order_of_their_instants_and_take_no_real_time) {
  SimulatedRuntime runtime(1);
  std::vector<std::string> notes;
  auto a = runtime.core().spawn(note_after(runtime.core(), 3h, "third", notes), no_matter);
  auto b = runtime.core().spawn(note_after(runtime.core(), 1ns, "first", notes), no_matter);
  auto c = runtime.core().spawn(note_after(runtime.core(), 2s, "second", notes), no_matter);
  BOOST_TEST(runtime.run_until_idle());
  const std::vector<std::string> expected{"first", "second", "third"};
  BOOST_TEST(notes == expected, boost::test_tools::per_element());
  BOOST_TEST((runtime.now() == Time(3h)));
}

BOOST_AUTO_TEST_CASE(a_run_up_to_a_limit_leaves_what_comes_later) {
  SimulatedRuntime runtime(1);
  std::vector<std::string> notes;
  auto a = runtime.core().spawn(note_after(runtime.core(), 1s, "a", notes), no_matter);
  auto b = runtime.core().spawn(note_after(runtime.core(), 3s, "b", notes), no_matter);
  BOOST_TEST(!runtime.run_until_idle(Time(2s)));
  BOOST_TEST(notes.size() == 1u);
  BOOST_TEST((runtime.now() == Time(1s)));
  runtime.run_for(1500ms);
  BOOST_TEST((runtime.now() == Time(2500ms)));
  BOOST_TEST(notes.size() == 1u);
  runtime.run_for(500ms);
  BOOST_TEST(notes.size() == 2u);
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_run_and_another_seed_another_one) {
  const auto once = trace_of_a_run(7);
  BOOST_TEST(once == trace_of_a_run(7));
  BOOST_TEST(once != trace_of_a_run(8));
}

BOOST_AUTO_TEST_CASE(the_seed_decides_the_order_of_what_is_ready_on_different_cores) {
  std::vector<std::string> orders;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SimulatedRuntime runtime(seed, 2);
    std::string order;
    runtime.core(0).post([&order] { order += 'a'; });
    runtime.core(1).post([&order] { order += 'b'; });
    runtime.run_until_idle();
    orders.push_back(order);
  }
  BOOST_TEST(std::count(orders.begin(), orders.end(), "ab") > 0);
  BOOST_TEST(std::count(orders.begin(), orders.end(), "ba") > 0);
}

BOOST_AUTO_TEST_CASE(hours_of_four_coroutines_pass_in_seconds) {
#ifdef NDEBUG
  constexpr auto time = 24h;
#else
  constexpr auto time = 2h;  // Under sanitizers each step costs a tenth of a millisecond.
#endif
  SimulatedRuntime runtime(3);
  std::uint64_t ticks = 0;
  std::vector<std::unique_ptr<Coroutine>> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(runtime.core().spawn(tick(runtime.core(), 1s, Time(time), ticks), no_matter));
  runtime.run_until_idle();
  BOOST_TEST((runtime.now() >= Time(time)));
  BOOST_TEST(ticks > 4U * static_cast<std::uint64_t>(std::chrono::seconds(time).count()) * 99 / 100);
}

BOOST_AUTO_TEST_CASE(a_stop_ends_every_kind_of_wait_and_leaves_no_alarm) {
  for (const Where where :
       {Where::sleep, Where::wait, Where::wait_until, Where::yield, Where::read_output, Where::exit}) {
    BOOST_TEST_CONTEXT("wait " << static_cast<int>(where)) {
      SimulatedRuntime runtime(5);
      runtime.programs().script("sleeper", [](const Command&) {
        Behaviour behaviour;
        behaviour.forever = true;
        return behaviour;
      });
      bool stopped = false, ended = false;
      auto coroutine = runtime.core().spawn(hang(runtime.core(), where, stopped), [&](std::exception_ptr error) {
        BOOST_TEST(!error);
        ended = true;
      });
      // A loop of yields is never idle: some steps into it are enough.
      if (where == Where::yield)
        for (int i = 0; i < 10; ++i) runtime.step();
      else
        runtime.run_for(1ms);
      coroutine->stop();
      coroutine->stop();
      runtime.run_until_idle();
      BOOST_TEST(stopped);
      BOOST_TEST(ended);
      BOOST_TEST(!coroutine->running());
      BOOST_TEST(runtime.alarms() == 0u);
      BOOST_TEST((runtime.now() < Time(1s)));
      BOOST_TEST(runtime.programs().running() == 0u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_coroutine_stopped_before_its_first_line_never_runs_it) {
  SimulatedRuntime runtime(1);
  bool stopped = false, ended = false;
  auto coroutine =
      runtime.core().spawn(hang(runtime.core(), Where::sleep, stopped), [&](std::exception_ptr) { ended = true; });
  coroutine->stop();
  runtime.run_until_idle();
  BOOST_TEST(ended);
  BOOST_TEST(!stopped);
}

BOOST_AUTO_TEST_CASE(a_sleep_for_ever_ends_only_by_a_stop) {
  SimulatedRuntime runtime(1);
  runtime.run_for(1s);
  std::vector<std::string> notes;
  auto coroutine = runtime.core().spawn(note_after(runtime.core(), Duration::max(), "never", notes), no_matter);
  BOOST_TEST(!runtime.run_until_idle(Time(24h)));
  BOOST_TEST((runtime.now() == Time(1s)));
  coroutine->stop();
  BOOST_TEST(runtime.run_until_idle());
  BOOST_TEST(notes.empty());
}

BOOST_AUTO_TEST_CASE(once_stopped_every_later_wait_is_refused_too) {
  SimulatedRuntime runtime(1);
  int stops = 0;
  auto coroutine = runtime.core().spawn(sleep_again_after_stop(runtime.core(), stops), no_matter);
  runtime.run_for(500ms);
  coroutine->stop();
  runtime.run_until_idle();
  BOOST_TEST(stops == 3);
  BOOST_TEST(!coroutine->running());
  BOOST_TEST((runtime.now() == Time(500ms)));
}

BOOST_AUTO_TEST_CASE(an_exception_that_leaves_a_coroutine_is_told_to_whoever_started_it) {
  SimulatedRuntime runtime(1);
  std::string what;
  std::unique_ptr<Coroutine> coroutine;
  coroutine = runtime.core().spawn(throw_it(runtime.core()), [&](std::exception_ptr error) {
    coroutine.reset();  // Allowed here: the frame is gone.
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      what = e.what();
    }
  });
  runtime.run_until_idle();
  BOOST_TEST(what == "broken");
}

BOOST_AUTO_TEST_CASE(a_wait_ends_by_the_wake_or_by_its_time_and_keeps_one_wake_that_came_early) {
  SimulatedRuntime runtime(1);
  Waiter waiter(runtime.core());
  std::vector<bool> woken;
  auto a = runtime.core().spawn(wait_for(waiter, runtime.core(), 1s, woken), no_matter);
  runtime.run_until_idle();
  BOOST_TEST((woken == std::vector<bool>{false}));
  a = runtime.core().spawn(wait_for(waiter, runtime.core(), 1s, woken), no_matter);
  runtime.run_for(1ms);
  BOOST_TEST(waiter.waiting());
  waiter.wake();
  runtime.run_until_idle();
  waiter.wake();
  waiter.wake();
  a = runtime.core().spawn(wait_for(waiter, runtime.core(), 1s, woken), no_matter);
  runtime.run_until_idle();
  BOOST_TEST((woken == std::vector<bool>{false, true, true}));
  BOOST_TEST(runtime.alarms() == 0u);
}

BOOST_AUTO_TEST_CASE(an_alarm_that_is_taken_back_never_rings_even_in_the_instant_it_is_due) {
  SimulatedRuntime runtime(1);
  int rings = 0;
  std::unique_ptr<Alarm> one, other;
  one = runtime.core().alarm(Time(1s), [&] { ++rings, other.reset(); });
  other = runtime.core().alarm(Time(1s), [&] { ++rings, one.reset(); });
  BOOST_TEST(runtime.run_until_idle());
  BOOST_TEST(rings == 1);
}

BOOST_AUTO_TEST_CASE(the_wall_clock_starts_at_2030_and_moves_with_virtual_time) {
  SimulatedRuntime runtime(1);
  const WallTime start = std::chrono::sys_days(std::chrono::year(2030) / 1 / 1);
  BOOST_TEST((runtime.core().wall() == start));
  runtime.run_for(24h);
  BOOST_TEST((runtime.core().wall() == start + 24h));
  runtime.set_wall(WallTime(0ns));
  BOOST_TEST((runtime.core().wall() == WallTime(24h)));
}

namespace {

Task<> block(Core& core, Time& during, std::string& caught) {
  try {
    auto work = [&core, &during] { during = core.now(), throw std::runtime_error("inside"); };
    std::function<void()> named = work;
    co_await core.blocking(std::move(named));
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(time_stands_still_during_blocking_work_and_its_exception_comes_back) {
  SimulatedRuntime runtime(1);
  Time during;
  std::string caught;
  auto a = runtime.core().spawn(block(runtime.core(), during, caught), no_matter);
  runtime.run_until_idle();
  BOOST_TEST((during == Time()));
  BOOST_TEST((runtime.now() == Time()));
  BOOST_TEST(caught == "inside");
}

BOOST_AUTO_TEST_CASE(what_is_still_queued_when_the_runtime_goes_is_destroyed_without_running) {
  bool ran = false;
  const auto held = std::make_shared<int>(1);
  {
    SimulatedRuntime runtime(1);
    runtime.core().post([&ran, held] { ran = true; });
    BOOST_TEST(held.use_count() == 2);
  }
  BOOST_TEST(!ran);
  BOOST_TEST(held.use_count() == 1);
}
