#include "engine/flow/park.hpp"

#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <memory>
#include <system_error>

#include "engine/runtime/wait.hpp"

namespace weir::flow {
namespace {

/// A suspended coroutine. It deletes itself when it has been resumed.
template <class Handler>
struct Suspended : Waiter {
  Suspended(Handler&& resume, asio::any_io_executor on, Parking& at)
      : handler(std::move(resume)), executor(std::move(on)), place(&at) {
    wake = [](Waiter& waiter) noexcept { static_cast<Suspended&>(waiter).finish({}); };
  }
  void finish(asio::error_code error) noexcept {
    auto go_on = [handler = std::move(handler), error]() mutable {
      asio::get_associated_cancellation_slot(handler).clear();
      std::move(handler)(error);
    };
    auto on = std::move(executor);
    delete this;
    asio::post(on, std::move(go_on));
  }
  Handler handler;
  asio::any_io_executor executor;
  Parking* place;
};

}  // namespace

runtime::Task<> suspend(Parking& place) {
  runtime::throw_if_stopped(co_await asio::this_coro::cancellation_state);
  auto executor = co_await asio::this_coro::executor;
  auto start = [&place, executor](auto handler) {
    using Node = Suspended<std::decay_t<decltype(handler)>>;
    auto slot = asio::get_associated_cancellation_slot(handler);
    auto* const node = new Node(std::move(handler), executor, place);
    // The slot is set before parking: afterwards another core may already have finished the node. Cancellation itself
    // comes on this core, so it can't run before this function returns.
    if (slot.is_connected()) {
      slot.assign([node, &place](asio::cancellation_type) {
        if (place.unpark()) node->finish(asio::error::operation_aborted);
      });
    }
    if (!place.park(*node)) node->finish({});
  };
  // How it ended does not matter, but whether the coroutine was told to end does.
  try {
    co_await asio::async_initiate<decltype(asio::use_awaitable), void(asio::error_code)>(start, asio::use_awaitable);
  } catch (const std::system_error&) {
  }
  runtime::throw_if_stopped(co_await asio::this_coro::cancellation_state);
}

}  // namespace weir::flow
