// Where a stage's messages go: its verdict on each, counted as it falls.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/flow/counters.hpp"
#include "engine/message/message.hpp"
#include "engine/runtime/core.hpp"

namespace weir::stage {

using message::Batch;
using message::Failure;
using message::Message;
using message::Reason;
using observe::Dropped;

/// A way out of a stage, by number. The engine's two come first, then those of the kind in the order declared.
using Port = std::size_t;
inline constexpr Port main_port = 0;
inline constexpr Port failed_port = 1;
inline constexpr Port first_own_port = 2;

/// What happens to a message that fails (`on_error`).
enum class OnError : std::uint8_t { fail, drop, pass };

/// What a stage says of its messages. One for each stage on a core; that core's thread only.
///
/// For each row that came in, exactly one verdict: pass, send, filter, drop, fail or absorb. Beside it, create() makes
/// further messages of a row. Rows leave in the order of the calls, port by port, and travel on when the stage returns
/// (an operator) or flushes (a driver). Everything is counted here (semantics 22).
class Output {
 public:
  struct OutPort {
    std::string name;      ///< "main", "failed", or as the kind declared.
    bool heard = false;    ///< Somebody reads it.
  };
  /// `ends`: the main output unread means delivered (a sink, a call); otherwise it is a loss, counted as `unread`.
  Output(runtime::Core& core, std::string stage, std::vector<OutPort> ports, OnError on_error, bool ends);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // --- verdicts on rows that came in -----------------------------------------------------------------------------

  void pass(Batch& batch, std::size_t row);               ///< Out by the main port, with its edits.
  void send(Port port, Batch& batch, std::size_t row);    ///< Out by another port.
  void filter(Batch& batch, std::size_t row);             ///< Done: it was to go no further.
  void drop(Batch& batch, std::size_t row, Dropped why);  ///< Done: lost by policy.
  /// Failed. By on_error it leaves by `.failed`, is dropped, or passes with `failed` set; unheard, its ack fails. The
  /// stage has undone its edits.
  void fail(Batch& batch, std::size_t row, Failure why);
  /// on_error: pass, by a stage that still has something to do to the message: sets `failed` and counts. No verdict.
  void note_failure(Message message, Failure why);
  /// Taken into what the stage holds; its ack, if it has one, is the caller's to answer.
  void absorb(Batch& batch, std::size_t row);

  void pass(Message m) { pass(m.batch(), m.row()); }
  void send(Port port, Message m) { send(port, m.batch(), m.row()); }
  void filter(Message m) { filter(m.batch(), m.row()); }
  void drop(Message m, Dropped why) { drop(m.batch(), m.row(), why); }
  void fail(Message m, Failure why) { fail(m.batch(), m.row(), std::move(why)); }

  // --- messages made here ----------------------------------------------------------------------------------------

  /// A further message made of a row, which must not have got its verdict yet: it shares the row's ack, id and
  /// metadata. Returns where it is, so that metadata can be set.
  Message create(Port port, std::string_view payload, const Batch& batch, std::size_t row);
  Message create(Port port, std::string_view payload, Message from) {
    return create(port, payload, from.batch(), from.row());
  }
  /// A message made of nothing or of what was absorbed. Its token is the caller's to set (Batch::set_identity).
  Message emit(Port port, std::string_view payload, runtime::Time entered);
  /// The same, of bytes that lie in an arena already: no copy.
  Message emit_shared(Port port, const message::ArenaRef& arena, std::string_view payload, runtime::Time entered);

  /// No more than this should be put out now: return, or flush. (A port has 64 messages or 64 KiB; one more message is
  /// always taken, but a stage that goes on regardless takes memory that nobody granted.)
  bool full() const noexcept { return full_; }

  bool heard(Port port) const noexcept { return ports_[port].heard; }
  const std::string& stage() const noexcept { return stage_; }
  runtime::Core& core() const noexcept { return core_; }
  flow::Counters& counters() noexcept { return counters_; }
  const flow::Counters& counters() const noexcept { return counters_; }
  const std::vector<OutPort>& ports() const noexcept { return ports_; }
  /// Failures that reached nobody, their rows without an ack; whoever has one hears of it through that.
  std::uint64_t unheard() const noexcept { return unheard_; }

  // --- the engine's side -----------------------------------------------------------------------------------------

  /// Before an operator is called: rows that pass from this batch stay in it, and if all do nothing is copied.
  void begin(Batch::Pointer& in) noexcept;
  /// After it: rows 0 … `done` - 1 have their verdict. If that is all of them the batch is used up.
  void end(Batch::Pointer& in, std::size_t done);
  /// What goes out by this port, in the order it was put; null when there is nothing.
  Batch::Pointer collect(Port port);
  bool pending() const noexcept;
  /// Rows have come in: `in` and `in_flight` rise.
  void arrived(const Batch& batch) noexcept;
  /// A stage begins with this row: should it fail, its edits go back to as they are now.
  void mark(const Batch& batch, std::size_t row) noexcept {
    marked_ = &batch;
    marked_row_ = row;
    marked_edits_ = batch.edits(row);
  }
  /// Notes a failure as it will be told: stage, time, line and attempts filled in.
  void complete(Failure& why, const Batch& batch, std::size_t row) const;

 private:
  Batch& room(Port port, std::size_t bytes);
  void leave_selection();

  runtime::Core& core_;
  std::string stage_;
  std::vector<OutPort> ports_;
  OnError on_error_;
  bool ends_;
  bool full_ = false;
  std::uint64_t unheard_ = 0;
  flow::Counters counters_;
  std::vector<std::vector<Batch::Pointer>> out_;  // By port; more than one batch only where a stage went on when full.
  // Rows of the batch at hand that passed, as long as nothing else went out by the main port.
  Batch* in_ = nullptr;
  std::array<std::uint8_t, message::batch_rows> passed_;
  std::size_t passed_count_ = 0;
  bool selecting_ = false;
  const Batch* marked_ = nullptr;
  std::size_t marked_row_ = 0;
  std::size_t marked_edits_ = 0;
};

}  // namespace weir::stage
