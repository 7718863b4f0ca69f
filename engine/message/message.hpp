// One message: a row of a batch, as stages and scripts see it.
#pragma once
#include <string_view>

#include "engine/message/batch.hpp"

namespace weir::message {

/// A cursor on one row. Cheap to copy; valid as long as the batch's row is. What a mapping or a stage may touch of a
/// message. Not an owner.
class Message {
 public:
  Message(Batch& batch, std::size_t row) noexcept : batch_(&batch), row_(row) {}

  std::string_view text() const { return batch_->payload(row_); }  ///< The payload as it is now.
  Document& document() const { return batch_->document(row_); }    ///< The payload as JSON; edits go in here.
  void replace(std::string_view bytes) const { batch_->replace_payload(row_, bytes); }
  /// A new payload, written where it shall stand: write(char* to) puts at most `most` bytes there and returns how many.
  /// text() may be read meanwhile.
  template <class Write>
  void rewrite(std::size_t most, Write write) const {
    batch_->rewrite_payload(row_, most, write);
  }
  std::uint64_t id() const noexcept { return batch_->id(row_); }
  runtime::Time entered() const noexcept { return batch_->entered(row_); }
  const Metadata* metadata() const noexcept { return batch_->metadata(row_); }
  Metadata& edit_metadata() const { return batch_->edit_metadata(row_); }
  /// What a call before has left is not what the next one brings.
  void forget_result() const {
    if (const auto* known = metadata(); known && known->result) edit_metadata().result.reset();
  }

  Batch& batch() const noexcept { return *batch_; }
  std::size_t row() const noexcept { return row_; }

 private:
  Batch* batch_;
  std::size_t row_;
};

}  // namespace weir::message
