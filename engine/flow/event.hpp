// Small waits between coroutines of one core.
#pragma once
#include <deque>
#include <optional>
#include <utility>

#include "engine/flow/park.hpp"

namespace weir::flow {

/// Something that happens, awaited by one coroutine. set() may come before the wait and is kept until it. One core's
/// thread only.
class Event final : public Parking {
 public:
  explicit Event(runtime::Core& core) : core_(core) {}
  void set() noexcept {
    set_ = true;
    slot_.wake();
  }
  bool is_set() const noexcept { return set_; }
  void clear() noexcept { set_ = false; }
  /// Returns once it is set, and clears it. Throws runtime::Stopped.
  runtime::Task<> wait() {
    while (!set_) co_await suspend(core_, *this);
    set_ = false;
  }
  bool park(Waiter& waiter) noexcept override {
    slot_.put(waiter);
    return !set_ || !slot_.take_back();
  }
  bool unpark() noexcept override { return slot_.take_back(); }

 private:
  runtime::Core& core_;
  bool set_ = false;
  WaitSlot slot_;
};

/// One coroutine at a time, first come first served. One core's thread only.
class Gate {
 public:
  explicit Gate(runtime::Core& core) : core_(core) {}
  /// Holds the gate until destroyed.
  class Pass {
   public:
    explicit Pass(Gate& gate) noexcept : gate_(&gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_) gate_->leave();
    }

   private:
    Gate* gate_;
  };
  /// Without waiting; nothing where somebody is inside.
  std::optional<Pass> try_enter() noexcept {
    if (closed_) return std::nullopt;
    closed_ = true;
    return std::optional<Pass>(std::in_place, *this);
  }
  /// Throws runtime::Stopped, then without the gate.
  runtime::Task<Pass> enter() {
    if (closed_) {
      Event turn(core_);
      waiting_.push_back(&turn);
      try {
        co_await turn.wait();
      } catch (...) {
        leave_queue(turn);
        throw;
      }
    } else {
      closed_ = true;
    }
    co_return Pass(*this);
  }

 private:
  void leave() noexcept {
    if (waiting_.empty()) {
      closed_ = false;
      return;
    }
    Event* next = waiting_.front();
    waiting_.pop_front();
    next->set();  // The gate stays closed: it is theirs.
  }
  void leave_queue(Event& turn) noexcept {
    for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
      if (*it == &turn) {
        waiting_.erase(it);
        return;
      }
    }
    leave();  // It was our turn already.
  }
  runtime::Core& core_;
  bool closed_ = false;
  std::deque<Event*> waiting_;
};

}  // namespace weir::flow
