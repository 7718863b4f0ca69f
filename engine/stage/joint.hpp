// Many messages that became one: who asked about each of them is answered as the one ends.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/message/message.hpp"

namespace weir::stage {

/// Messages that a collecting stage holds (`acks: on_emit`, semantics 13), and, once they have become one message,
/// what waits for that one's end: then each of them is done, or failed with its own payload, so that a source that
/// replays sends the messages and not what was made of them. Destroyed before that, they fail as `stopped`.
/// Filled on one core; the end may come on another.
class Joint final : private message::TokenOwner {
 public:
  Joint() = default;
  Joint(const Joint&) = delete;
  Joint& operator=(const Joint&) = delete;
  ~Joint() = default;

  /// Copies the row and takes over its token: whoever gave the row its verdict, absorb(), owes nothing more.
  void take(message::Batch& from, std::size_t row);
  std::size_t size() const noexcept { return rows_; }
  std::size_t bytes() const noexcept { return bytes_; }  ///< Of all payloads.
  /// When the first of them entered weir.
  runtime::Time entered() const noexcept { return held_.front()->entered(0); }
  /// visit(std::string_view payload), in the order taken.
  template <class Visit>
  void each(Visit visit) const {
    for (const auto& batch : held_) {
      for (std::size_t row = 0; row < batch->size(); ++row) visit(batch->payload(row));
    }
  }

  /// If what they become fails, none of them is to be sent again.
  void fail_for_good() noexcept { for_good_ = true; }
  /// `made` stands for all of them from now on, and carries the metadata that the first was given (Metadata::own); it
  /// has been tried as often as any of them. It must have no token yet, and the joint at least one message.
  static void carry(std::unique_ptr<Joint> joint, const message::Message& made);

 private:
  void completed(message::Token& token) noexcept override;

  std::vector<message::Batch::Pointer> held_;
  std::map<std::string, std::string> own_;  // Of the first.
  int attempt_ = 1;                         // The highest.
  std::size_t rows_ = 0;
  std::size_t bytes_ = 0;
  bool for_good_ = false;
  bool asked_ = false;  // Whether anybody waits for an answer.
  std::unique_ptr<message::Token> token_;
};

}  // namespace weir::stage
