#include "engine/message/ack.hpp"

#include <algorithm>

namespace weir::message {

void Token::fail(std::uint64_t id, Failure failure, std::string payload,
                 std::shared_ptr<const Metadata> metadata) noexcept {
  // A child of an expand keeps its parent's id, so the ordinal is found from any of them.
  const auto ordinal = static_cast<std::uint32_t>(id - first_id_);
  {
    const std::lock_guard lock(mutex_);
    const bool known =
        std::any_of(failures_.begin(), failures_.end(), [&](const FailedRow& row) { return row.ordinal == ordinal; });
    if (!known) failures_.emplace_back(ordinal, std::move(failure), std::move(payload), std::move(metadata));
  }
  done(1);
}

}  // namespace weir::message
