#include "engine/stage/output.hpp"

#include <cstring>

#include "engine/config/words.hpp"
#include "engine/message/asker.hpp"
#include "engine/observe/log.hpp"

namespace weir::stage {

Output::Output(runtime::Core& core, std::string stage, std::vector<OutPort> ports, OnError on_error, bool ends)
    : core_(core), stage_(std::move(stage)), ports_(std::move(ports)), on_error_(on_error), ends_(ends) {
  if (ports_.back().name == config::any_word && ports_.back().heard) any_port_ = ports_.size() - 1;
  counters_.out.resize(ports_.size());
  out_.resize(ports_.size());
  last_.resize(ports_.size());
}

void Output::begin(Batch::Pointer& in, runtime::Time now, runtime::Time until) noexcept {
  pace_.begin(now, until);
  granted_ = 0;
  in_ = in.get();
  verdicts_.fill(none);
  selecting_ = out_[main_port].empty() && ports_[main_port].heard ? in_ : nullptr;
}

void Output::count(Verdict verdict, std::uint64_t messages) noexcept {
  counters_.in_flight -= static_cast<std::int64_t>(messages);
  if (verdict >= dropped) {
    counters_.drop(static_cast<Dropped>(verdict - dropped), messages);
  } else if (verdict == filtered) {
    counters_.filtered += messages;
  } else {
    counters_.out[main_port] += messages;
  }
}

bool Output::unanimous(std::size_t rows) const noexcept {
  return rows > 0 && std::memcmp(&verdicts_[0], &verdicts_[1], rows - 1) == 0;
}

void Output::move_out_selection() {
  selecting_ = nullptr;
  for (std::size_t row = 0; row < in_->size(); ++row) {
    if (verdicts_[row] != passed) continue;
    verdicts_[row] = none;
    count(passed, 1);
    room(main_port, in_->payload(row).size()).take_row(*in_, row);
  }
}

void Output::end(Batch::Pointer& in, std::size_t done) {
  const bool all = done == in->size();
  if (!all) leave_selection();
  bool stays = false;
  if (all && unanimous(done)) {
    const Verdict verdict = verdicts_[0];
    if (verdict != none) count(verdict, done);
    if (verdict > passed) in->done_all();
    stays = verdict == passed;
  } else {
    stays = end_each(*in);
  }
  if (stays) {
    last_[main_port] = in.get();
    out_[main_port].push_back(std::move(in));
    ++waiting_;
  }
  selecting_ = nullptr;
  in_ = nullptr;
  if (in && done == in->size()) in.reset();
}

bool Output::end_each(Batch& in) {
  std::array<std::uint8_t, message::batch_rows> ended, staying;
  std::size_t ends = 0, stays = 0;
  for (std::size_t row = 0; row < in.size(); ++row) {
    const Verdict verdict = verdicts_[row];
    if (verdict == none) continue;
    count(verdict, 1);
    const auto number = static_cast<std::uint8_t>(row);
    if (verdict == passed) {
      staying[stays++] = number;
    } else {
      ended[ends++] = number;
    }
  }
  in.done({ended.data(), ends});
  if (stays > 0) in.keep({staying.data(), stays});
  return stays > 0;
}

Batch& Output::more_room(Port port) {
  if (!out_[port].empty())
    full_ = true;  // What was there has no room for it, though it may have had for a smaller one.
  out_[port].push_back(Batch::make());
  last_[port] = out_[port].back().get();
  last_[port]->expect(collected_bytes_);
  ++waiting_;
  return *last_[port];
}

Batch::Pointer Output::collect(Port port) {
  auto& batches = out_[port];
  if (batches.empty()) return nullptr;
  Batch::Pointer first = std::move(batches.front());
  batches.erase(batches.begin());
  if (batches.empty()) last_[port] = nullptr;
  collected_bytes_ = first->live_bytes();
  if (--waiting_ == 0) full_ = false;
  return first;
}

std::size_t Output::waiting(Port port) const noexcept {
  std::size_t rows = 0;
  for (const auto& batch : out_[port]) rows += batch->size();
  return rows;
}

void Output::arrived(const Batch& batch) noexcept {
  marked_ = nullptr;  // Another batch may have lain where this one lies.
  counters_.in += batch.size();
  counters_.bytes_in += batch.live_bytes();
  counters_.in_flight += static_cast<std::int64_t>(batch.size());
}

void Output::pass_by_itself(Batch& batch, std::size_t row) {
  if (!ports_[main_port].heard) {
    if (ends_) {
      finish(batch, row, delivered);
    } else {
      drop(batch, row, Dropped::unread);
    }
    return;
  }
  --counters_.in_flight;
  ++counters_.out[main_port];
  leave_selection();
  Batch& to = room(main_port, batch.payload(row).size());
  to.take_row(batch, row);
}

void Output::pass_run(Batch& batch, std::size_t from, std::size_t to) {
  if (&batch == in_ || ports_[main_port].heard || !ends_) {
    for (std::size_t row = from; row < to; ++row) pass(batch, row);
    return;
  }
  count(delivered, to - from);
  batch.done_run(from, to);
}

void Output::send(Port port, Batch& batch, std::size_t row) {
  if (!ports_[port].heard) {
    if (const auto* metadata = batch.metadata(row); metadata && metadata->asker) metadata->asker->note_unrouted();
    drop(batch, row, Dropped::unread);
    return;
  }
  --counters_.in_flight;
  ++counters_.out[port];
  if (!ports_[port].looked_into) batch.forget_members(row);  // They are as large as a small message.
  room(port, batch.payload(row).size()).take_row(batch, row);
}

void Output::absorb(Batch& batch, std::size_t row) {
  (void)batch;
  (void)row;
  --counters_.in_flight;
  ++counters_.absorbed;
}

void Output::complete(Failure& why) const {
  if (why.stage.empty()) why.stage = stage_;
  if (why.at == runtime::WallTime{}) why.at = core_.wall();
  why.text = observe::redacted(std::move(why.text));  // It goes with the message, wherever that goes.
}

void Output::complete(Failure& why, const Batch& batch, std::size_t row) const {
  complete(why);
  if (const auto* metadata = batch.metadata(row)) {
    if (!why.line) why.line = metadata->line;
    if (why.attempts < metadata->attempt) why.attempts = metadata->attempt;
  }
  if (const auto* token = batch.token(row); token && !why.line) why.line = token->line(batch.id(row));
  why.may_pass = !why.lasts && (why.may_pass || message::transient(why.reason));
}

void Output::fail(Batch& batch, std::size_t row, Failure why) {
  if (marked_ == &batch && (marked_row_ == row || marked_row_ == any_row)) batch.undo_edits(row, marked_edits_);
  complete(why, batch, row);
  ++counters_.errors[static_cast<std::size_t>(why.reason)];
  switch (on_error_) {
    case OnError::drop:
      return drop(batch, row, Dropped::configured);
    case OnError::pass:
      if (originals_) batch.restore_original(row);
      batch.edit_metadata(row).failed = std::move(why);
      return pass(batch, row);
    case OnError::fail:
      break;
  }
  if (originals_) batch.restore_original(row);
  if (ports_[failed_port].heard) {
    batch.edit_metadata(row).failed = std::move(why);
    return send(failed_port, batch, row);
  }
  const bool unknown = !batch.token(row);
  if (unknown && any_port_) {
    batch.edit_metadata(row).failed = std::move(why);
    return send(*any_port_, batch, row);
  }
  --counters_.in_flight;
  ++counters_.failed[static_cast<std::size_t>(why.reason)];
  if (unknown && on_unheard) on_unheard(why);
  batch.fail(row, std::move(why));
}

void Output::note_failure(Message message, Failure why) {
  complete(why, message.batch(), message.row());
  ++counters_.errors[static_cast<std::size_t>(why.reason)];
  message.edit_metadata().failed = std::move(why);
}

Message Output::create(Port port, std::string_view payload, const Batch& batch, std::size_t row) {
  ++counters_.created;
  if (!ports_[port].heard) {
    // It still needs somewhere to be until its metadata is set; nobody will ever see it.
    counters_.drop(Dropped::unread);
    unread_ = Batch::make();
    return {*unread_, unread_->append(payload, batch.entered(row))};
  }
  ++counters_.out[port];
  if (port == main_port) leave_selection();
  Batch& to = room(port, payload.size());
  const std::size_t made = to.append(payload, batch.entered(row));
  message::Token* token = batch.token(row);
  if (token) token->add(1);
  to.set_identity(made, batch.id(row), token);
  to.share_original(made, batch, row);
  if (const auto* metadata = batch.metadata(row)) {
    to.share_metadata(made, std::make_shared<message::Metadata>(*metadata));
  }
  return {to, made};
}

}  // namespace weir::stage
