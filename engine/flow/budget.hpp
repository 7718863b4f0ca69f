// The memory that what waits in a program may take: one budget for all, and what each has of it.
#pragma once
#include <atomic>
#include <cstdint>
#include <utility>

namespace weir::flow {

/// The memory that all edges of a program, and whatever else holds bytes for it, may fill together, in bytes.
/// Thread-safe.
class Budget {
 public:
  explicit Budget(std::uint64_t bytes) : most_(static_cast<std::int64_t>(bytes)) {}
  bool take(std::uint64_t bytes) noexcept {
    const auto amount = static_cast<std::int64_t>(bytes);
    if (used_.fetch_add(amount, std::memory_order_relaxed) + amount <= most_) return true;
    used_.fetch_sub(amount, std::memory_order_relaxed);
    return false;
  }
  void give_back(std::uint64_t bytes) noexcept {
    used_.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  }
  std::int64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
  std::int64_t most() const noexcept { return most_; }

 private:
  std::int64_t most_;
  alignas(64) std::atomic<std::int64_t> used_{0};
};

/// What one holder has of a budget, which outlives it; its end gives that back. Without a budget everything is granted.
/// Move-only; of one thread at a time.
class Share {
 public:
  explicit Share(Budget* of = nullptr) noexcept : of_(of) {}
  ~Share() { hold(0); }
  Share(Share&& other) noexcept : of_(other.of_), bytes_(std::exchange(other.bytes_, 0)) {}
  Share& operator=(Share&& other) noexcept {
    if (this == &other) return *this;
    hold(0);
    of_ = other.of_;
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }

  /// So many bytes in all from now on; fewer are always granted. False: there is no room, and it has what it had.
  bool hold(std::uint64_t bytes) noexcept {
    if (of_ && bytes > bytes_ && !of_->take(bytes - bytes_)) return false;
    if (of_ && bytes < bytes_) of_->give_back(bytes_ - bytes);
    bytes_ = bytes;
    return true;
  }
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  Budget* of_;
  std::uint64_t bytes_ = 0;
};

}  // namespace weir::flow
