#include "engine/runtime/basic_core.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <utility>

#include "engine/runtime/assert.hpp"
#include "engine/runtime/wait.hpp"

namespace weir::runtime {

namespace {

struct Spawned {
  Spawned(asio::any_io_executor on, std::function<void(std::exception_ptr)> call)
      : executor(std::move(on)), ended(std::move(call)) {}
  asio::any_io_executor executor;
  std::function<void(std::exception_ptr)> ended;
  asio::cancellation_signal signal;  // Asio keeps the coroutine's cancellation state inside it: outlives the frame.
  bool running = true;
  bool stopping = false;
};

// Null for the ways to end that are no error.
std::exception_ptr fault_of(std::exception_ptr thrown, bool stopping) {
  if (!thrown) return nullptr;
  try {
    std::rethrow_exception(thrown);
  } catch (const Stopped&) {
    return nullptr;
  } catch (const asio::system_error& error) {
    if (stopping && error.code() == asio::error::operation_aborted) return nullptr;
  } catch (...) {
  }
  return thrown;
}

class Finish {
 public:
  explicit Finish(std::shared_ptr<Spawned> state) : state_(std::move(state)) {}
  // Asio calls this inside the dying frame; `ended` is told from the queue, when the frame is gone.
  void operator()(std::exception_ptr thrown) {
    std::shared_ptr<Spawned> state = std::move(state_);
    const auto executor = state->executor;
    asio::post(executor, [state = std::move(state), thrown] {
      state->running = false;
      const auto ended = std::move(state->ended);
      if (ended) ended(fault_of(thrown, state->stopping));
    });
  }

 private:
  std::shared_ptr<Spawned> state_;
};

class Handle final : public Coroutine {
 public:
  explicit Handle(std::shared_ptr<Spawned> state) : state_(std::move(state)) {}
  ~Handle() override {
    // While another exception passes (a failing test) the report of that one is worth more than ours.
    if (std::uncaught_exceptions() == 0)
      WEIR_ASSERT(!state_->running, "a coroutine is stopped and awaited before its handle goes");
    state_->ended = nullptr;
  }
  void stop() override {
    if (!state_->running || std::exchange(state_->stopping, true)) return;
    const auto keep = state_;
    keep->signal.emit(asio::cancellation_type::terminal);
  }
  bool running() const override { return state_->running; }

 private:
  std::shared_ptr<Spawned> state_;
};

// Holds the state, and with it the signal, as long as its frame lives.
Task<> run([[maybe_unused]] std::shared_ptr<Spawned> state, Task<> body) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await asio::post(asio::use_awaitable);
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  Task<> mine = std::move(body);
  co_await std::move(mine);
}

}  // namespace

Task<> BasicCore::sleep_until(Time when) {
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  if (when <= now()) co_return;
  Waiter waiter(*this);
  (void)co_await waiter.wait_until(when);
}

void BasicCore::resume(Ready& ready) noexcept {
  asio::post(executor(), [this, &ready] { go_on(ready); });
}

Task<> BasicCore::yield() {
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  co_await asio::post(asio::use_awaitable);
  ++turns_;
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
}

Task<bool> BasicCore::give_way() {
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  const auto before = turns_;
  co_await asio::post(asio::use_awaitable);
  throw_if_stopped(co_await asio::this_coro::cancellation_state);
  co_return turns_ != before;
}

std::unique_ptr<Coroutine> BasicCore::spawn(Task<> body, std::function<void(std::exception_ptr)> ended) {
  auto state = std::make_shared<Spawned>(executor(), std::move(ended));
  auto handle = std::make_unique<Handle>(state);
  auto slot = state->signal.slot();
  asio::co_spawn(state->executor, run(state, std::move(body)), asio::bind_cancellation_slot(slot, Finish(state)));
  return handle;
}

}  // namespace weir::runtime
