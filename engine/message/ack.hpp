// Acknowledgement: how a source hears what became of the messages it let in.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/message/failure.hpp"

namespace weir::message {

class Retained;
class Token;

struct Metadata;

/// Whoever opened a token. It must outlive the token.
class TokenOwner {
 public:
  /// Every row of the token has been answered. Called once, on whichever core answered last; the token is the owner's
  /// again. Must not block or throw.
  virtual void completed(Token& token) noexcept = 0;

  static constexpr std::size_t unknown = static_cast<std::size_t>(-1);
  /// The stage that made the messages, by its place in the plan. Set before any token is opened.
  std::size_t stage = unknown;

 protected:
  ~TokenOwner() = default;
};

/// One failed row of a token.
struct FailedRow {
  FailedRow(std::uint32_t row, Failure why, std::string bytes, std::shared_ptr<const Metadata> carried)
      : ordinal(row), failure(std::move(why)), payload(std::move(bytes)), metadata(std::move(carried)) {}
  std::uint32_t ordinal;  ///< Which of the token's rows, from 0.
  Failure failure;
  std::string payload;                       ///< The message as it entered the stage that failed it,
  std::shared_ptr<const Metadata> metadata;  ///< and what it carried; may be null.
  std::uint64_t beyond = 0;                  ///< So many failures of the same row were not kept.
};

/// The lines of the input that rows were made of, where they follow each other.
struct Lines {
  std::int64_t first = 0;   ///< Of the first row;
  std::uint64_t known = 0;  ///< holds for the rows whose bit is set.
};

/// The promise, for a batch of messages of one source, that somebody will say how each of them ended. It counts rows
/// outstanding: a copy adds, each end subtracts, at zero the owner hears. One atomic operation for a run of rows.
/// A row and all that was made of it share one ordinal, and each of them may fail.
/// Thread-safe: all but the constructor and reading failures().
class Token {
 public:
  /// `rows` messages with the ids first_id … first_id + rows - 1 (semantics 11).
  Token(TokenOwner& owner, std::uint64_t first_id, std::uint32_t rows)
      : owner_(&owner), ends_(more(rows)), first_id_(first_id), rows_(rows) {}
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;
  /// For other rows, by its owner, once completed() has been called: owners keep their tokens and use them again.
  void reopen(std::uint64_t first_id, std::uint32_t rows) noexcept {
    ends_.store(more(rows), std::memory_order_relaxed);
    shed_.store(0, std::memory_order_relaxed);
    first_id_ = first_id;
    rows_ = rows;
    failures_.clear();
    kept_.clear();
    bytes_ = 0;
    shed_why_.reset();
    lines_ = {};
    retained_ = nullptr;
  }
  /// By its owner, before the rows are sent.
  void came_from(const Lines& lines) noexcept { lines_ = lines; }
  /// By its owner, before the rows are sent: this is kept until completed() has been called, unchanged.
  void retains(const Retained& kept) noexcept { retained_ = &kept; }
  /// Null: nothing is kept of its rows. Only while a row of it is outstanding.
  const Retained* retained() const noexcept { return retained_; }

  void add(std::uint32_t rows) noexcept { ends_.fetch_add(more(rows), std::memory_order_relaxed); }
  /// `rows` of those outstanding ended well: delivered, filtered, dropped by policy, or heard on a port.
  void done(std::uint32_t rows) noexcept { end(rows, rows); }
  /// The same of rows that a limit or a full edge dropped: nothing was done of them. For a token of one row, whose
  /// owner may ask (shed_why), `why` is asked.
  template <class Why>
  void shed(std::uint32_t rows, const Why& why) noexcept {
    if (rows_ == 1) note_shed(rows, why());
    done(rows);
  }
  /// One of those outstanding stands for nothing of its own: what was made of it does.
  void withdraw() noexcept { end(1, more(1)); }
  /// One outstanding row ended badly and nobody listens where it did.
  void fail(std::uint64_t id, Failure failure, std::string payload,
            std::shared_ptr<const Metadata> metadata = nullptr) noexcept;

  std::uint64_t first_id() const noexcept { return first_id_; }
  std::uint32_t rows() const noexcept { return rows_; }
  /// The line of the input that this row, or the one it was made of, was read from; nothing where that is not known.
  std::optional<std::int64_t> line(std::uint64_t id) const noexcept {
    const std::uint64_t ordinal = id - first_id_;
    if (ordinal >= 64 || ((lines_.known >> ordinal) & 1) == 0) return std::nullopt;
    return lines_.first + static_cast<std::int64_t>(ordinal);
  }
  /// Of its owner. Only while a row of it is outstanding.
  std::size_t stage() const noexcept { return owner_->stage; }
  std::int64_t open() const noexcept { return open_of(ends_.load(std::memory_order_relaxed)); }
  /// Only once completed() has been called: in the order of failing, but those of one row one after the other. Beyond
  /// `failures_most` of a row, and beyond 64 MiB of all, only the first of a row is kept, and of the others how many
  /// there were (FailedRow::beyond).
  const std::vector<FailedRow>& failures() const noexcept { return failures_; }
  static constexpr std::size_t failures_most = 10'000;
  /// Only once completed() has been called, and of a token of one row: why it was shed, where all that became of it
  /// was; otherwise null.
  const Failure* shed_why() const noexcept {
    const auto all = static_cast<std::uint32_t>(ends_.load(std::memory_order_relaxed) >> 32);
    return shed_why_ && shed_.load(std::memory_order_relaxed) == all ? shed_why_.get() : nullptr;
  }

 private:
  /// How ends_ changes with `rows` more: its upper half counts all that there ever were, its lower half the open ones.
  static constexpr std::uint64_t more(std::uint32_t rows) noexcept { return (std::uint64_t{rows} << 32) + rows; }
  static constexpr std::uint32_t open_of(std::uint64_t ends) noexcept { return static_cast<std::uint32_t>(ends); }
  void end(std::uint32_t rows, std::uint64_t less) noexcept {
    // Where all that are open are the caller's, nobody else can add any or end one: no atomic subtraction is needed.
    if (const auto ends = ends_.load(std::memory_order_acquire); open_of(ends) == rows) {
      ends_.store(ends - less, std::memory_order_relaxed);
    } else if (open_of(ends_.fetch_sub(less, std::memory_order_acq_rel)) != rows) {
      return;
    }
    owner_->completed(*this);
  }
  void note_shed(std::uint32_t rows, Failure why) noexcept;

  TokenOwner* owner_;
  std::atomic<std::uint64_t> ends_;
  std::atomic<std::uint32_t> shed_{0};  // Of those, only where rows_ is 1.
  std::uint64_t first_id_;
  std::uint32_t rows_;
  Lines lines_;
  const Retained* retained_ = nullptr;
  std::mutex mutex_;  // Failing is rare; it guards failures_, and shed_why_.
  std::vector<FailedRow> failures_;
  std::vector<std::uint32_t> kept_;    // Failures of each row; empty as long as there is none.
  std::size_t bytes_ = 0;              // Payloads of all.
  std::unique_ptr<Failure> shed_why_;  // The first.
};

}  // namespace weir::message
