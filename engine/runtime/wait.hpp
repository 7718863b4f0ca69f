// How a coroutine waits for another one, and how it learns that it has been stopped.
#pragma once
#include <memory>

#include "engine/runtime/core.hpp"

namespace weir::runtime {

/// For code that awaits bare Asio operations, before and after each:
///   throw_if_stopped(co_await asio::this_coro::cancellation_state);
inline void throw_if_stopped(const asio::cancellation_state& state) {
  if (state.cancelled() != asio::cancellation_type::none) throw Stopped{};
}

/// A place where one coroutine waits until somebody wakes it. A wake that finds nobody waiting is kept, once: the next
/// wait returns at once. All members on the core's thread (from another one: core.post). The woken coroutine resumes
/// through the core, never inside wake(). Nobody may be waiting when it is destroyed.
class Waiter {
 public:
  explicit Waiter(Core& core);
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  Task<> wait();                     ///< Throws Stopped when stopped; a wake of the same moment may then be lost.
  Task<bool> wait_until(Time when);  ///< False: the time came first. Throws Stopped.
  Task<> wait_through();             ///< Not interruptible: a stop is felt at the next operation.
  void wake();
  bool waiting() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // Shared with the stop handler and the alarm, which may outlive a woken wait.
};

}  // namespace weir::runtime
