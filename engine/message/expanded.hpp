// The message that a list was made of, for who puts out the list when nothing of it is left.
#pragma once
#include <cstdint>
#include <memory>
#include <utility>

#include "engine/message/message.hpp"

namespace weir::message {

/// Who waits for the end of the message waits for this one's as well. Shared; any thread.
class Expanded {
 public:
  explicit Expanded(const Message& from)
      : token_(from.batch().token(from.row())), id_(from.id()), entered_(from.entered()) {
    if (token_) token_->add(1);
    if (const auto* metadata = from.metadata()) metadata_ = std::make_unique<const Metadata>(*metadata);
  }
  ~Expanded() {
    if (token_) token_->withdraw();
  }
  Expanded(const Expanded&) = delete;
  Expanded& operator=(const Expanded&) = delete;

  runtime::Time entered() const noexcept { return entered_; }
  /// `made` stands for it from now on: it has its id and its metadata, and whoever waits for it waits for `made` too.
  /// That must have no token yet.
  void carry(const Message& made) const {
    if (token_) token_->add(1);
    made.batch().set_identity(made.row(), id_, token_);
    if (metadata_) made.edit_metadata() = *metadata_;
  }
  /// It was not carried, and won't be.
  void stop() const {
    if (!token_) return;
    token_->add(1);
    token_->fail(id_, engine_stopped(), {}, nullptr);
  }

 private:
  Token* const token_;
  const std::uint64_t id_;
  const runtime::Time entered_;
  std::unique_ptr<const Metadata> metadata_;
};

}  // namespace weir::message
