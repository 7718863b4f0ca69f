// Operators: stages that only compute. The engine fuses them into their neighbours.
#pragma once
#include <algorithm>
#include <optional>

#include "engine/runtime/time.hpp"
#include "engine/stage/output.hpp"

namespace weir::stage {

/// A stage that only computes: it never waits and never blocks. One instance for each core it runs on.
class Operator {
 public:
  virtual ~Operator() = default;

  /// Gives each row from `from` on its verdict, in order, while `out.may_go_on()`. Returns how many rows
  /// have theirs; it is called again with the rest when what it put out has been sent. A row that becomes many may
  /// need several calls: then the operator remembers where it was inside it and does not count it yet.
  virtual std::size_t process(Batch& in, std::size_t from, Output& out, runtime::Time now) = 0;

  /// Collecting kinds: emit what has been held long enough. Returns when to be asked next; nothing: never.
  virtual std::optional<runtime::Time> tick(runtime::Time now, Output& out) {
    (void)now;
    (void)out;
    return std::nullopt;
  }
  /// Collecting kinds: a source upstream has read everything for now, or everything has ended: emit all that is held,
  /// until out.full(); true once nothing is held any more.
  virtual bool flush(Output& out) {
    (void)out;
    return true;
  }
  /// Everything has ended, nothing comes any more: the same. Of its own where nobody upstream waits for what is held
  /// (`acks: on_take`): then a source that has read everything, or has to wait, is no reason to let go of it.
  virtual bool finish(Output& out) { return flush(out); }
};

/// An operator written as a function of one message: Derived has `void process(Message message, Output& out)`, which
/// gives the message its one verdict. Edits that it made are undone by the engine if the verdict is fail().
template <class Derived>
class MessageOperator : public Operator {
 public:
  std::size_t process(Batch& in, std::size_t from, Output& out, runtime::Time) final {
    std::size_t row = from;
    const bool edited = in.has_documents();
    if (!edited) out.mark_unedited(in);
    while (row < in.size() && !out.full()) {
      const std::size_t end = std::min(in.size(), row + out.grant());
      if (row == end) break;
      for (; row < end && !out.full(); ++row) {
        if (edited) out.mark(in, row);
        static_cast<Derived*>(this)->process(Message(in, row), out);
      }
    }
    return row;
  }
};

}  // namespace weir::stage
