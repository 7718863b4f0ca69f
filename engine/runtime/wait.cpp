#include "engine/runtime/wait.hpp"

#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "engine/runtime/assert.hpp"

namespace weir::runtime {

namespace {

enum Outcome : int { woken, late, stopped };

using Token = asio::use_awaitable_t<asio::any_io_executor>;
using Handler = asio::async_result<Token, void(int)>::handler_type;

}  // namespace

struct Waiter::State final : Ready, std::enable_shared_from_this<State> {
  explicit State(Core& on) : core(on) {
    go_on = [](Ready& ready) noexcept { static_cast<State&>(ready).resume(); };
  }

  // `clear_slot`: false while the stop handler itself runs, which may not destroy itself.
  void finish(int outcome, bool clear_slot) {
    if (!handler) return;
    Handler parked = std::move(*handler);
    handler.reset();
    alarm.reset();
    if (clear_slot) {
      auto slot = asio::get_associated_cancellation_slot(parked);
      if (slot.is_connected()) slot.clear();
    }
    WEIR_ASSERT(!going, "who waits at a waiter has gone on before the next one waits there");
    going.emplace(std::move(parked));
    how = outcome;
    self = shared_from_this();
    core.resume(*this);
  }
  void resume() {
    const auto keep = std::move(self);
    Handler parked = std::move(*going);
    going.reset();
    parked(how);
  }

  Core& core;
  std::optional<Handler> handler;  // Somebody waits.
  std::unique_ptr<Alarm> alarm;
  bool kept = false;
  std::optional<Handler> going;  // Woken, and the core's turn to resume has not come.
  int how = woken;
  std::shared_ptr<State> self;  // Until then.
};

namespace {

template <class State>
class OnStop {
 public:
  explicit OnStop(std::shared_ptr<State> state) : state_(std::move(state)) {}
  void operator()(asio::cancellation_type) { state_->finish(stopped, false); }

 private:
  std::shared_ptr<State> state_;
};

template <class State>
class Park {
 public:
  Park(std::shared_ptr<State> state, std::optional<Time> when, bool interruptible)
      : state_(std::move(state)), when_(when), interruptible_(interruptible) {}

  void operator()(Handler handler) {
    WEIR_ASSERT(!state_->handler, "a waiter holds one coroutine");
    auto slot = asio::get_associated_cancellation_slot(handler);
    state_->handler.emplace(std::move(handler));
    if (interruptible_ && slot.is_connected()) slot.template emplace<OnStop<State>>(state_);
    if (when_) {
      std::weak_ptr<State> weak = state_;
      state_->alarm = state_->core.alarm(*when_, [weak] {
        if (const auto state = weak.lock()) state->finish(late, true);
      });
    }
  }

 private:
  std::shared_ptr<State> state_;
  std::optional<Time> when_;
  bool interruptible_;
};

template <class State>
Task<int> park(std::shared_ptr<State> state, std::optional<Time> when, bool interruptible) {
  Park<State> initiation(std::move(state), when, interruptible);
  Token token;
  Task<int> parked = asio::async_initiate<Token&, void(int)>(std::move(initiation), token);
  co_return co_await std::move(parked);
}

}  // namespace

Waiter::Waiter(Core& core) : state_(std::make_shared<State>(core)) {}

Waiter::~Waiter() {
  // The coroutine would vanish without a word. While an exception passes (a failing test) that is what it may do.
  if (std::uncaught_exceptions() == 0) WEIR_ASSERT(!state_->handler, "nobody waits at a waiter that goes");
  state_->handler.reset();
}

Task<> Waiter::wait() {
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  if (std::exchange(state_->kept, false)) co_return;
  const int outcome = co_await park(state_, std::nullopt, true);
  if (outcome == stopped) throw Stopped{};
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
}

Task<bool> Waiter::wait_until(Time when) {
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  if (std::exchange(state_->kept, false)) co_return true;
  const int outcome = co_await park(state_, std::optional<Time>(when), true);
  if (outcome == stopped) throw Stopped{};
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  co_return outcome == woken;
}

Task<> Waiter::wait_through() {
  if (std::exchange(state_->kept, false)) co_return;
  (void)co_await park(state_, std::nullopt, false);
}

void Waiter::wake() {
  if (state_->handler)
    state_->finish(woken, true);
  else
    state_->kept = true;
}

bool Waiter::waiting() const { return state_->handler.has_value(); }

}  // namespace weir::runtime
