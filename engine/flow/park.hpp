// Parking: how one that can't go on waits without a thread, and is woken exactly once.
#pragma once
#include <atomic>

#include "engine/runtime/core.hpp"

#ifndef WEIR_MUTANT
#define WEIR_MUTANT 0
#endif

namespace weir::flow {

/// Which fault is planted in this room: none, but in tests/threads/mutant_*_test.cpp, where the litmus must find each.
inline constexpr int planted = WEIR_MUTANT;

/// One that waits. Owned by the one that waits; it lives until wake() was called or it was taken back out of its slot.
struct Waiter {
  /// Called once, by whichever thread made the wait pointless. Must not block. The waiter may be gone when it returns.
  void (*wake)(Waiter&) noexcept = nullptr;
};

/// A place for at most one waiter. The protocol (evidence: a two-thread litmus with planted faults, tests/threads/):
/// who changes the state publishes it with a seq_cst read-modify-write and then calls wake(); who waits puts itself in
/// with put(), then looks at the state once more, and if there is something to do tries to take itself back. Whoever
/// gets the waiter out of the slot owns the wake-up.
class WaitSlot {
 public:
  void put(Waiter& waiter) noexcept {
    waiter_.store(&waiter, planted == 7 ? std::memory_order_release : std::memory_order_seq_cst);
  }
  /// True: the waiter is out again and nobody will wake it. False: a wake-up is on its way.
  bool take_back() noexcept {
    if constexpr (planted == 8) return occupied() && (waiter_.store(nullptr, std::memory_order_seq_cst), true);
    return waiter_.exchange(nullptr, std::memory_order_seq_cst) != nullptr || planted == 9;
  }
  bool occupied() const noexcept { return waiter_.load(std::memory_order_seq_cst) != nullptr; }
  bool peek() const noexcept { return waiter_.load(std::memory_order_relaxed) != nullptr; }  ///< Proves nothing.
  void wake() noexcept {
    if constexpr (planted == 10) {
      Waiter* const waiter = waiter_.load(std::memory_order_seq_cst);
      waiter_.store(nullptr, std::memory_order_seq_cst);
      return waiter ? waiter->wake(*waiter) : void();
    }
    if (Waiter* waiter = waiter_.exchange(nullptr, std::memory_order_seq_cst)) waiter->wake(*waiter);
  }

 private:
  std::atomic<Waiter*> waiter_{nullptr};
};

/// Somewhere to park: the two halves of the protocol for one kind of state.
class Parking {
 public:
  /// Puts the waiter in. False: there was something to do after all and it was not left there.
  virtual bool park(Waiter& waiter) noexcept = 0;
  /// Takes it back. False: it is being woken.
  virtual bool unpark() noexcept = 0;

 protected:
  ~Parking() = default;
};

/// Suspends the coroutine, which runs on this core, until it is woken; goes on soon where there is something to do.
/// Resumes through the core, never inside wake(). Throws runtime::Stopped when the coroutine is stopped. Whatever it
/// returned for, look at the state again.
runtime::Task<> suspend(runtime::Core& core, Parking& place);

}  // namespace weir::flow
