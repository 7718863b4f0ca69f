#include "engine/stage/output.hpp"

namespace weir::stage {

Output::Output(runtime::Core& core, std::string stage, std::vector<OutPort> ports, OnError on_error, bool ends)
    : core_(core), stage_(std::move(stage)), ports_(std::move(ports)), on_error_(on_error), ends_(ends) {
  counters_.out.resize(ports_.size());
  out_.resize(ports_.size());
}

void Output::begin(Batch::Pointer& in) noexcept {
  in_ = in.get();
  passed_count_ = 0;
  selecting_ = out_[main_port].empty();
}

void Output::leave_selection() {
  if (!selecting_) return;
  selecting_ = false;
  for (std::size_t i = 0; i < passed_count_; ++i) {
    Batch& to = room(main_port, in_->payload(passed_[i]).size());
    to.take_row(*in_, passed_[i]);
  }
  passed_count_ = 0;
}

void Output::end(Batch::Pointer& in, std::size_t done) {
  if (selecting_ && passed_count_ > 0) {
    if (done == in->size()) {
      if (passed_count_ != done) in->keep({passed_.data(), passed_count_});
      out_[main_port].push_back(std::move(in));
    } else {
      leave_selection();
    }
  }
  selecting_ = false;
  passed_count_ = 0;
  in_ = nullptr;
  if (in && done == in->size()) in.reset();
}

Batch& Output::room(Port port, std::size_t bytes) {
  auto& batches = out_[port];
  if (batches.empty() || !batches.back()->fits(bytes)) batches.push_back(Batch::make());
  Batch& batch = *batches.back();
  if (batch.size() + 1 >= message::batch_rows || batch.live_bytes() + bytes >= message::arena_bytes) full_ = true;
  return batch;
}

Batch::Pointer Output::collect(Port port) {
  auto& batches = out_[port];
  if (batches.empty()) return nullptr;
  Batch::Pointer first = std::move(batches.front());
  batches.erase(batches.begin());
  if (!pending()) full_ = false;
  return first;
}

bool Output::pending() const noexcept {
  for (const auto& batches : out_) {
    if (!batches.empty()) return true;
  }
  return false;
}

void Output::arrived(const Batch& batch) noexcept {
  counters_.in += batch.size();
  counters_.bytes_in += batch.live_bytes();
  counters_.in_flight += static_cast<std::int64_t>(batch.size());
}

void Output::pass(Batch& batch, std::size_t row) {
  --counters_.in_flight;
  if (!ports_[main_port].heard) {
    if (ends_) {
      ++counters_.out[main_port];
    } else {
      counters_.drop(Dropped::unread);
    }
    batch.done(row);
    return;
  }
  ++counters_.out[main_port];
  if (selecting_ && &batch == in_) {
    passed_[passed_count_++] = static_cast<std::uint8_t>(row);
    return;
  }
  leave_selection();
  Batch& to = room(main_port, batch.payload(row).size());
  to.take_row(batch, row);
}

void Output::send(Port port, Batch& batch, std::size_t row) {
  --counters_.in_flight;
  if (!ports_[port].heard) {
    counters_.drop(Dropped::unread);
    batch.done(row);
    return;
  }
  ++counters_.out[port];
  room(port, batch.payload(row).size()).take_row(batch, row);
}

void Output::filter(Batch& batch, std::size_t row) {
  --counters_.in_flight;
  ++counters_.filtered;
  batch.done(row);
}

void Output::drop(Batch& batch, std::size_t row, Dropped why) {
  --counters_.in_flight;
  counters_.drop(why);
  batch.done(row);
}

void Output::absorb(Batch& batch, std::size_t row) {
  (void)batch;
  (void)row;
  --counters_.in_flight;
  ++counters_.absorbed;
}

void Output::complete(Failure& why, const Batch& batch, std::size_t row) const {
  if (why.stage.empty()) why.stage = stage_;
  if (why.at == runtime::WallTime{}) why.at = core_.wall();
  if (const auto* metadata = batch.metadata(row)) {
    if (!why.line) why.line = metadata->line;
    if (why.attempts < metadata->attempt) why.attempts = metadata->attempt;
  }
  why.may_pass = why.may_pass || message::transient(why.reason);
}

void Output::fail(Batch& batch, std::size_t row, Failure why) {
  if (marked_ == &batch && marked_row_ == row) batch.undo_edits(row, marked_edits_);
  complete(why, batch, row);
  ++counters_.errors[static_cast<std::size_t>(why.reason)];
  switch (on_error_) {
    case OnError::drop:
      return drop(batch, row, Dropped::configured);
    case OnError::pass:
      batch.edit_metadata(row).failed = std::move(why);
      return pass(batch, row);
    case OnError::fail:
      break;
  }
  if (ports_[failed_port].heard) {
    batch.edit_metadata(row).failed = std::move(why);
    return send(failed_port, batch, row);
  }
  --counters_.in_flight;
  ++counters_.failed[static_cast<std::size_t>(why.reason)];
  if (!batch.token(row)) ++unheard_;
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
    static thread_local Batch::Pointer unread;
    unread = Batch::make();
    return {*unread, unread->append(payload, batch.entered(row))};
  }
  ++counters_.out[port];
  if (port == main_port) leave_selection();
  Batch& to = room(port, payload.size());
  const std::size_t made = to.append(payload, batch.entered(row));
  message::Token* token = batch.token(row);
  if (token) token->add(1);
  to.set_identity(made, batch.id(row), token);
  if (const auto* metadata = batch.metadata(row)) {
    to.share_metadata(made, std::make_shared<message::Metadata>(*metadata));
  }
  return {to, made};
}

Message Output::emit(Port port, std::string_view payload, runtime::Time entered) {
  ++counters_.created;
  ++counters_.out[port];
  if (port == main_port) leave_selection();
  Batch& to = room(port, payload.size());
  return {to, to.append(payload, entered)};
}

Message Output::emit_shared(Port port, const message::ArenaRef& arena, std::string_view payload,
                            runtime::Time entered) {
  ++counters_.created;
  ++counters_.out[port];
  Batch& to = room(port, payload.size());
  return {to, to.append_shared(arena, payload, entered)};
}

}  // namespace weir::stage
