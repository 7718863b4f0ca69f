// What the bodies on their way through an HTTP server take of the program's memory.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "engine/flow/budget.hpp"
#include "engine/runtime/core.hpp"

namespace weir::io {

/// What a server asks before it keeps a body, of a request or of an answer. Any thread may hold(). It may outlive its
/// server, not the budget and the core.
class HttpMemory : public std::enable_shared_from_this<HttpMemory> {
 public:
  /// A body of so many bytes is free, so that small requests are served when nothing is left.
  static constexpr std::uint64_t free_bytes = 16 * 1024;

  /// `budget`: null, and everything is granted.
  HttpMemory(runtime::Core& core, flow::Budget* budget) : core_(core), budget_(budget) {}

  flow::Share share() const noexcept { return flow::Share(budget_); }
  /// Has a share() hold what a body of so many bytes takes, no more and no less. Where there is no room the server
  /// closes those that have taken nothing for the longest, at once on its own thread, else soon. False: there is none.
  bool hold(flow::Share& share, std::uint64_t bytes);

  /// The server's: from its core's thread, and what makes room for so many bytes.
  void serve(std::function<void(std::uint64_t bytes)> make_room) {
    make_room_ = std::move(make_room);
    home_ = this_thread();
  }
  std::uint64_t left() const noexcept {
    const auto bytes = budget_ ? budget_->most() - budget_->used() : 0;
    return bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0;
  }

 private:
  /// An address that no other thread has.
  static const void* this_thread() noexcept {
    static thread_local const char mark = 0;
    return &mark;
  }

  runtime::Core& core_;
  flow::Budget* const budget_;
  std::function<void(std::uint64_t)> make_room_;
  const void* home_ = nullptr;
};

}  // namespace weir::io
