#include "engine/flow/park.hpp"

#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/use_awaitable.hpp>
#include <exception>
#include <optional>

#include "engine/runtime/wait.hpp"

namespace weir::flow {
namespace {

using Handler = asio::async_result<asio::use_awaitable_t<>, void(std::exception_ptr)>::handler_type;

/// A suspended coroutine. Asio keeps it, as what begins the wait, in the frame that it makes for the co_await: so there
/// it lies until the coroutine goes on, and parking allocates nothing.
class Suspended : public Waiter, public runtime::Ready {
 public:
  Suspended(runtime::Core& core, Parking& place) : core_(core), place_(place) {
    wake = [](Waiter& waiter) noexcept { static_cast<Suspended&>(waiter).finish(); };
    go_on = [](runtime::Ready& ready) noexcept { static_cast<Suspended&>(ready).resume(); };
  }

  void operator()(Handler handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    const bool stopped = is_stopped(handler);
    handler_.emplace(std::move(handler));
    // The slot is set before parking: afterwards another core may already have finished it. Cancellation itself comes
    // on this core, so it can't run before this function returns.
    if (slot.is_connected()) {
      slot.assign([this](asio::cancellation_type) {
        if (place_.unpark() || planted == 16) finish();
      });
    }
    if (stopped || !place_.park(*this)) finish();
  }

 private:
  static bool is_stopped(const Handler& handler) {
    return handler.get_cancellation_state().cancelled() != asio::cancellation_type::none;
  }
  void finish() noexcept {
    if constexpr (planted == 17) return resume();
    core_.resume(*this);
  }
  /// How the wait ended does not matter, but whether the coroutine was told to end does. Gone when it returns.
  void resume() {
    Handler handler = std::move(*handler_);
    handler(is_stopped(handler) ? std::make_exception_ptr(runtime::Stopped()) : nullptr);
  }

  runtime::Core& core_;
  Parking& place_;
  std::optional<Handler> handler_;
};

}  // namespace

runtime::Task<> suspend(runtime::Core& core, Parking& place) {
  const asio::use_awaitable_t<> token;
  return asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(Suspended(core, place), token);
}

}  // namespace weir::flow
