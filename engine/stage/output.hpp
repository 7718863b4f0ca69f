// Where a stage's messages go: its verdict on each, counted as it falls.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/flow/counters.hpp"
#include "engine/message/message.hpp"
#include "engine/runtime/core.hpp"
#include "engine/stage/pace.hpp"

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
    std::string name;          ///< "main", "failed", or as the kind declared.
    bool heard = false;        ///< Somebody reads it;
    bool looked_into = false;  ///< and may ask what stands in the payloads.
  };
  /// `ends`: the main output unread means delivered (a sink, a call); otherwise it is a loss, counted as `unread`.
  Output(runtime::Core& core, std::string stage, std::vector<OutPort> ports, OnError on_error, bool ends);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // --- verdicts on rows that came in -----------------------------------------------------------------------------

  /// Out by the main port, with its edits.
  void pass(Batch& batch, std::size_t row) {
    if (&batch == selecting_) [[likely]] {
      verdicts_[row] = passed;
    } else {
      pass_by_itself(batch, row);
    }
  }
  /// All rows from `from` on.
  void pass_rest(Batch& batch, std::size_t from) {
    for (std::size_t row = from; row < batch.size(); ++row) pass(batch, row);
  }
  /// Rows `from` … `to` - 1. They are answered at once where no one reads on.
  void pass_run(Batch& batch, std::size_t from, std::size_t to);
  void drop_rest(Batch& batch, std::size_t from, Dropped why) {
    for (std::size_t row = from; row < batch.size(); ++row) drop(batch, row, why);
  }
  void send(Port port, Batch& batch, std::size_t row);  ///< Out by another port.
  /// Done: it was to go no further.
  void filter(Batch& batch, std::size_t row) { finish(batch, row, filtered); }
  /// Done: lost by policy.
  void drop(Batch& batch, std::size_t row, Dropped why) {
    finish(batch, row, static_cast<Verdict>(dropped + static_cast<int>(why)));
  }
  /// Failed: its edits since mark() are undone. By on_error it leaves by `.failed`, is dropped, or passes with `failed`
  /// set; unheard, its ack fails.
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

  /// This stage takes nothing more: the stages before it end once nobody else wants what they make. What has been put
  /// out still leaves; rows that are under way still come, to be dropped as `gone`. Of an operator; a sink has
  /// Driver::close().
  void close() noexcept { closed_ = true; }
  bool closed() const noexcept { return closed_; }

  // --- messages made here ----------------------------------------------------------------------------------------

  /// A further message made of a row, which must not have got its verdict yet: it shares the row's ack, id and
  /// metadata. Returns where it is, so that metadata can be set.
  Message create(Port port, std::string_view payload, const Batch& batch, std::size_t row);
  Message create(Port port, std::string_view payload, Message from) {
    return create(port, payload, from.batch(), from.row());
  }
  /// A message made of nothing or of what was absorbed. Its token is the caller's to set (Batch::set_identity). Where
  /// nobody hears the port it is counted as dropped, and its token hears that it is done.
  Message emit(Port port, std::string_view payload, runtime::Time entered) {
    Batch& to = room_for_new(port, payload.size());
    return {to, to.append(payload, entered)};
  }
  /// The same, written where it shall stand: write(char* to) puts at most `most` bytes there and returns how many.
  template <class Write>
  Message emit_written(Port port, std::size_t most, runtime::Time entered, Write write) {
    Batch& to = room_for_new(port, most);
    return {to, to.append_written(most, entered, write)};
  }
  /// Up to `count` of them, one write() for each, until the output is full. Returns how many.
  template <class Write>
  std::uint64_t emit_many(Port port, std::uint64_t count, std::size_t most, runtime::Time entered, Write write) {
    std::uint64_t made = 0;
    if (port == main_port) leave_selection();
    while (made < count && !full_) {
      Batch* const last = last_[port];
      Batch& to = last && last->fits(most) ? *last : more_room(port);
      made += to.append_many(count - made, most, entered, write);
      if (!to.fits(most)) full_ = true;
    }
    count_made(port, made);
    return made;
  }
  /// The same, of bytes that lie in an arena already: no copy.
  Message emit_shared(Port port, const message::ArenaRef& arena, std::string_view payload, runtime::Time entered) {
    Batch& to = room_for_new(port, payload.size());
    return {to, to.append_shared(arena, payload, entered)};
  }

  /// No more than this should be put out now: return, or flush. (A port has 64 messages or 64 KiB; one more message is
  /// always taken, but a stage that goes on regardless takes memory that nobody granted.)
  bool full() const noexcept { return full_; }
  /// Asked by an operator before each row: whether it should be worked off in this call. No where the output is full or
  /// the time slice is over (semantics 16); the first row of a call always may.
  bool may_go_on() noexcept {
    if (full_) return false;
    if (granted_ == 0) granted_ = grant();
    return granted_ > 0 && granted_-- > 0;
  }
  /// The same for so many rows at once, each of which may still fill the output; asked again after those.
  std::size_t grant() noexcept {
    return pace_.grant([this] { return core_.now(); });
  }

  bool heard(Port port) const noexcept { return ports_[port].heard; }
  const std::string& stage() const noexcept { return stage_; }
  runtime::Core& core() const noexcept { return core_; }
  flow::Counters& counters() noexcept { return counters_; }
  const flow::Counters& counters() const noexcept { return counters_; }
  const std::vector<OutPort>& ports() const noexcept { return ports_; }

  /// Told of what fails without a token, so that no source hears of it, where neither `.failed` nor `any.failed` is
  /// read. Null: such failures are counted only.
  std::function<void(const Failure&)> on_unheard;

  // --- the engine's side -----------------------------------------------------------------------------------------

  /// Before an operator is called at `now`, in a turn that lasts until `until`: rows that pass from this batch stay in
  /// it, and if all do nothing is copied.
  void begin(Batch::Pointer& in, runtime::Time now, runtime::Time until) noexcept;
  /// After it: rows 0 … `done` - 1 have their verdict. If that is all of them the batch is used up. Those that are done
  /// are answered now, those of one token with one atomic operation.
  void end(Batch::Pointer& in, std::size_t done);
  /// What goes out by this port, in the order it was put; null when there is nothing.
  Batch::Pointer collect(Port port);
  bool pending() const noexcept { return waiting_ > 0; }
  std::size_t waiting(Port port) const noexcept;  ///< Messages put out and not yet collected.
  /// A failed row leaves as Batch::keep_originals() has noted it: this is a step of a `do`, and it leaves the whole.
  void fail_originals() noexcept { originals_ = true; }
  /// The rows of the batch before were perhaps slower than may_go_on() had thought.
  void relearn_pace() noexcept { pace_.relearn(); }
  /// Rows have come in: `in` and `in_flight` rise.
  void arrived(const Batch& batch) noexcept;
  /// A stage begins with this row: should it fail, its edits go back to as they are now.
  void mark(const Batch& batch, std::size_t row) noexcept {
    marked_ = &batch;
    marked_row_ = row;
    marked_edits_ = batch.edits(row);
  }
  /// A stage begins with a batch that has no edits yet: whichever row fails goes back to none.
  void mark_unedited(const Batch& batch) noexcept {
    marked_ = &batch;
    marked_row_ = any_row;
    marked_edits_ = 0;
  }
  /// Notes a failure as it will be told: stage and time filled in, no secret shown; of a row its line and attempts too.
  void complete(Failure& why) const;
  void complete(Failure& why, const Batch& batch, std::size_t row) const;

 private:
  /// A verdict that is noted for end(): a byte a row, so that giving it is one store, and all are counted at once.
  enum Verdict : std::uint8_t {
    none,
    passed,
    delivered,
    filtered,
    dropped
  };  // From `dropped` on: the reason is added.

  /// The batch that a row of so many bytes goes into. full() from the last row that fits on.
  Batch& room(Port port, std::size_t bytes) {
    Batch* const last = last_[port];
    Batch& batch = last && last->fits(bytes) ? *last : more_room(port);
    if (batch.size() + 1 >= message::batch_rows || batch.live_bytes() + bytes >= message::arena_bytes) full_ = true;
    return batch;
  }
  Batch& room_for_new(Port port, std::size_t bytes) {
    count_made(port, 1);
    if (port == main_port) leave_selection();
    return room(port, bytes);
  }
  void count_made(Port port, std::uint64_t messages) noexcept {
    counters_.created += messages;
    if (ports_[port].heard) {
      counters_.out[port] += messages;
    } else {
      counters_.drop(Dropped::unread, messages);
    }
  }
  Batch& more_room(Port port);
  void leave_selection() {
    if (selecting_) move_out_selection();
  }
  void move_out_selection();
  void pass_by_itself(Batch& batch, std::size_t row);
  /// The row ends here: counted, answered and out of what is in flight, by end() or at once.
  void finish(Batch& batch, std::size_t row, Verdict verdict) noexcept {
    if (&batch == in_) [[likely]] {
      verdicts_[row] = verdict;
    } else {
      count(verdict, 1);
      batch.done(row);
    }
  }
  void count(Verdict verdict, std::uint64_t messages) noexcept;
  /// The verdicts of the batch at hand, where they differ. True: rows have passed, and only those are left in it.
  bool end_each(Batch& in);
  /// Whether rows 0 … `rows` - 1 of the batch at hand all have the verdict of the first.
  bool unanimous(std::size_t rows) const noexcept;

  runtime::Core& core_;
  std::string stage_;
  std::vector<OutPort> ports_;
  OnError on_error_;
  bool ends_;
  std::optional<Port> any_port_;  // Where there is one, and somebody reads it.
  bool originals_ = false;
  bool full_ = false;
  bool closed_ = false;
  Pace pace_;
  std::size_t granted_ = 0;
  flow::Counters counters_;
  std::vector<std::vector<Batch::Pointer>> out_;  // By port; more than one batch only where a stage went on when full.
  std::vector<Batch*> last_;                      // Of those, by port; null where there is none.
  std::size_t waiting_ = 0;                       // Batches in out_.
  Batch::Pointer unread_;                         // The last message that create() made for nobody.
  // The batch at hand; again, as long as what passes stays in it: nothing else went out by the main port. And row by
  // row what end() has to see to.
  Batch* in_ = nullptr;
  Batch* selecting_ = nullptr;
  std::array<Verdict, message::batch_rows> verdicts_{};
  static constexpr std::size_t any_row = static_cast<std::size_t>(-1);
  std::size_t collected_bytes_ = 0;  // Of the batch before: the next one is made for as much.
  const Batch* marked_ = nullptr;
  std::size_t marked_row_ = 0;
  std::size_t marked_edits_ = 0;
};

}  // namespace weir::stage
