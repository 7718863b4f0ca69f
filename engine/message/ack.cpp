#include "engine/message/ack.hpp"

#include <algorithm>

namespace weir::message {

void Token::fail(std::uint64_t id, Failure failure, std::string payload,
                 std::shared_ptr<const Metadata> metadata) noexcept {
  // A child of an expand keeps its parent's id, so the ordinal is found from any of them.
  const auto ordinal = static_cast<std::uint32_t>(id - first_id_);
  {
    const std::lock_guard lock(mutex_);
    // Behind the last of the same row. Most often there is none, and one source's rows fail in their order.
    const auto last = std::find_if(failures_.rbegin(), failures_.rend(),
                                   [&](const FailedRow& row) { return row.ordinal == ordinal; });
    const auto at = last == failures_.rend() ? failures_.end() : last.base();
    constexpr std::size_t bytes_most = std::size_t{64} << 20;
    if (kept_.size() < rows_) kept_.resize(rows_);
    if (last != failures_.rend() && (kept_[ordinal] >= failures_most || bytes_ + payload.size() > bytes_most)) {
      ++last->beyond;
    } else {
      ++kept_[ordinal];
      bytes_ += payload.size();
      failures_.emplace(at, ordinal, std::move(failure), std::move(payload), std::move(metadata));
    }
  }
  done(1);
}

void Token::note_shed(std::uint32_t rows, Failure why) noexcept {
  shed_.fetch_add(rows, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  if (!shed_why_) shed_why_ = std::make_unique<Failure>(std::move(why));
}

}  // namespace weir::message
