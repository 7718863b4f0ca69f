// Who hears how a message ends before its source does.
#pragma once
#include <vector>

#include "engine/message/batch.hpp"

namespace weir::message {

/// Takes the place of the token of one row, which must have one. Made with new: it goes when the row has ended.
class StandIn : private TokenOwner {
 public:
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

 protected:
  StandIn(Batch& batch, std::size_t row) : of_(*batch.token(row)), token_(*this, batch.id(row), 1) {
    batch.set_identity(row, batch.id(row), &token_);
  }
  virtual ~StandIn() = default;

  /// The row, and all that was made of it, has ended: `token` says how (failures(), shed_why()). The source hears of it
  /// after this has returned, so what it sends again comes later. Called once, on whichever core answered last. Must
  /// not block.
  virtual void ended(const Token& token) noexcept = 0;

 private:
  void completed(Token& token) noexcept final {
    ended(token);
    const auto& failures = token.failures();
    if (const auto* const shed = token.shed_why()) {
      of_.shed(1, [shed] { return *shed; });
    } else if (failures.empty()) {
      of_.done(1);
    } else {
      of_.add(static_cast<std::uint32_t>(failures.size()) - 1);
      for (const auto& failed : failures) of_.fail(token.first_id(), failed.failure, failed.payload, failed.metadata);
    }
    delete this;
  }

  Token& of_;
  Token token_;
};

}  // namespace weir::message
