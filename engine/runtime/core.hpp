// A core: one thread of the engine with its clock, its randomness and its ways to the outside, real or simulated.
#pragma once
#include <exception>
#include <functional>
#include <memory>
#include <string>
// After a header of the standard library: Asio 1.22 asks a macro of libstdc++'s how to allocate, and where that isn't
// defined yet it allocates otherwise than the next file, which then frees what it can't.
#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#if !defined(ASIO_HAS_STD_ALIGNED_ALLOC) && !defined(ASIO_DISABLE_STD_ALIGNED_ALLOC)
#error "include a header of the standard library, or this one, before any of Asio's"
#endif

#include "engine/runtime/random.hpp"
#include "engine/runtime/time.hpp"

namespace weir::runtime {

class Files;
class Machine;
class Processes;

/// What a coroutine of the engine returns. Ended from outside (Coroutine::stop), every operation of this room throws
/// Stopped out of its co_await. Asio's own way, a system_error(operation_aborted) thrown by the very co_await, is
/// switched off for coroutines made by Core::spawn; code that awaits a bare Asio operation asks throw_if_stopped()
/// (wait.hpp) before and after it, since an operation begun after the stop is not cancelled by it.
template <class T = void>
using Task = asio::awaitable<T>;

/// Thrown out of a co_await when the coroutine is told to end. Not an error: nobody logs it.
struct Stopped {};

/// A coroutine that runs on a core by itself, and the handle to end it. Made by Core::spawn. All members on that
/// core's thread. Destroying the handle of a running coroutine is a bug (asserted): stop it, await its `ended` first.
class Coroutine {
 public:
  virtual ~Coroutine() = default;
  /// Asks it to end: what it awaits now, and all it awaits from now on, throws Stopped. Idempotent.
  virtual void stop() = 0;
  virtual bool running() const = 0;
};

/// A call that is due at an instant. Destroying it takes the call back. On its core's thread.
class Alarm {
 public:
  virtual ~Alarm() = default;
};

/// What waits for its turn on a core (Core::resume). Owned by who made it; lives until go_on() is called.
struct Ready {
  void (*go_on)(Ready& ready) noexcept = nullptr;  ///< It may be gone when this returns.
  Ready* next = nullptr;                           ///< The core's.
};

/// Everything a stage may use of the machine's time. One for each thread of the engine; what runs on it runs one at a
/// time. Only post() may be called from other threads.
class Core {
 public:
  virtual ~Core() = default;

  virtual int index() const = 0;
  virtual Time now() const = 0;       ///< Real: reads the clock (about 28 ns). Simulated: the virtual time.
  virtual WallTime wall() const = 0;  ///< Simulated: a fixed start (settable) + now().
  virtual asio::any_io_executor executor() = 0;

  /// Runs `work` on this core, soon, never inside the call. Any thread. Two posts keep no order that may be relied on:
  /// the simulated core shuffles what is ready. What `work` throws ends the program.
  virtual void post(std::function<void()> work) = 0;

  /// The same for what need not be copied: calls ready.go_on(). A tenth of the price of a post.
  virtual void resume(Ready& ready) noexcept = 0;

  /// Suspends until then. A time that has passed returns without suspending. Throws Stopped when stopped.
  virtual Task<> sleep_until(Time when) = 0;
  /// Duration::max() is for ever.
  Task<> sleep(Duration time) { return sleep_until(time > Time::max() - now() ? Time::max() : now() + time); }

  /// Calls `ring` once, on this core, at `when` or soon after, never inside the call. For what cannot be a coroutine
  /// that sleeps.
  virtual std::unique_ptr<Alarm> alarm(Time when, std::function<void()> ring) = 0;

  /// Lets everything else that is ready on this core run once. Throws Stopped when stopped.
  virtual Task<> yield() = 0;
  /// The same, for one that waits for what those others may make for it: whether any of them ran. Who gives way as well
  /// does not count, nor does what is only posted.
  virtual Task<bool> give_way() = 0;

  /// Starts a coroutine on this core; its first line runs soon, never inside the call. `ended` is called on the core
  /// when it has ended, with the exception that left it: null for a normal end and for Stopped. By then the coroutine's
  /// frame is gone and running() is false, so `ended` may destroy the handle.
  virtual std::unique_ptr<Coroutine> spawn(Task<> body, std::function<void(std::exception_ptr)> ended) = 0;

  /// Runs `work` where blocking harms nobody (a thread of the blocking pool; simulated: at once) and resumes when it
  /// has returned. Its exception comes out of the co_await. Not interruptible: stop() is felt after it.
  virtual Task<> blocking(std::function<void()> work) = 0;

  virtual Random& random() = 0;
  virtual Files& files() = 0;
  virtual Processes& processes() = 0;
  virtual Machine& machine() = 0;
};

/// All cores of a program.
class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual int cores() const = 0;
  virtual Core& core(int index) = 0;
};

}  // namespace weir::runtime
