#include "engine/stage/joint.hpp"

#include <algorithm>

namespace weir::stage {

void Joint::take(message::Batch& from, std::size_t row) {
  const std::string_view payload = from.payload(row);
  if (const auto* metadata = from.metadata(row)) {
    if (rows_ == 0) own_ = metadata->own;
    attempt_ = std::max(attempt_, metadata->attempt);
  }
  if (held_.empty() || !held_.back()->fits(payload.size())) held_.push_back(message::Batch::make());
  message::Batch& to = *held_.back();
  const std::size_t made = to.append(payload, from.entered(row));
  message::Token* token = from.token(row);
  to.set_identity(made, from.id(row), token);
  from.set_identity(row, from.id(row), nullptr);
  asked_ = asked_ || token;
  ++rows_;
  bytes_ += payload.size();
}

void Joint::carry(std::unique_ptr<Joint> joint, const message::Message& made) {
  const std::uint64_t id = joint->held_.front()->id(0);
  if (!joint->own_.empty()) made.edit_metadata().own = std::move(joint->own_);
  if (joint->attempt_ > 1) made.edit_metadata().attempt = joint->attempt_;
  message::Token* token = nullptr;
  if (joint->asked_) {
    message::TokenOwner& owner = *joint;
    if (const message::Token* const first = joint->held_.front()->token(0)) owner.stage = first->stage();
    joint->token_ = std::make_unique<message::Token>(owner, id, 1);
    token = joint->token_.get();
    joint.release();  // It lives until the token is answered: completed().
  }
  made.batch().set_identity(made.row(), id, token);
}

void Joint::completed(message::Token& token) noexcept {
  const std::unique_ptr<Joint> ends_here(this);
  if (const auto* const shed = token.shed_why()) {
    for (const auto& batch : held_) batch->shed_all([shed] { return *shed; });
    return;
  }
  if (token.failures().empty()) {
    for (const auto& batch : held_) batch->done_all();
    return;
  }
  message::Failure why = token.failures().front().failure;
  if (for_good_) {
    why.lasts = true;
    why.may_pass = false;
  }
  for (const auto& batch : held_) {
    for (std::size_t row = 0; row < batch->size(); ++row) batch->fail(row, why);
  }
}

}  // namespace weir::stage
