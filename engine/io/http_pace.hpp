// How long whoever sends or takes many bytes is waited for. Pure: it is told the time.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>

#include "engine/runtime/time.hpp"

namespace weir::io {

/// The patience with one body on its way. It begins anew with every byte that gets on; and beyond the first patience
/// each KiB buys a second, so nobody holds a place for long with a byte now and then.
class HttpPace {
 public:
  static constexpr std::uint64_t least_bytes_per_s = 1024;

  void begin(runtime::Duration patience, runtime::Time now) noexcept {
    patience_ = patience;
    begun_ = moved_ = now;
    bytes_ = 0;
  }
  void moved(std::uint64_t bytes, runtime::Time now) noexcept {
    if (bytes == 0) return;
    bytes_ += bytes;
    moved_ = now;
  }
  /// Something got on that was counted before.
  void stirred(runtime::Time now) noexcept { moved_ = now; }
  /// When it ends, unless more bytes have got on by then.
  runtime::Time deadline() const noexcept {
    const runtime::Duration bought = std::chrono::milliseconds(
        bytes_ * std::chrono::milliseconds(std::chrono::seconds(1)).count() / least_bytes_per_s);
    return std::min(moved_ + patience_, begun_ + patience_ + bought);
  }

 private:
  runtime::Duration patience_{};
  runtime::Time begun_{}, moved_{};
  std::uint64_t bytes_ = 0;
};

}  // namespace weir::io
