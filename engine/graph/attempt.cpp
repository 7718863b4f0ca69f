#include "engine/graph/attempt.hpp"

#include <utility>

#include "engine/config/values.hpp"

namespace weir::graph {

using message::Failure;
using message::Reason;
using stage::Message;

namespace {

std::string describe(const std::exception_ptr& fault) {
  try {
    std::rethrow_exception(fault);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "unknown fault";
  }
}

}  // namespace

stage::Batch::Pointer copy_of(const Message& message) {
  auto copy = stage::Batch::make();
  const std::size_t row = copy->append(message.text(), message.entered());
  copy->set_identity(row, message.id(), nullptr);
  if (const auto* metadata = message.metadata()) {
    auto& own = copy->edit_metadata(row);
    own = *metadata;
    own.asker.reset();
    own.groups.clear();
  }
  return copy;
}

Attempt::Attempt(const Message& message, stage::Batch::Pointer own, std::optional<policy::Breaker::Permit> permit,
                 bool hedges)
    : own_(std::move(own)), message_(own_ ? Message(*own_, 0) : message), permit_(permit), hedges_(hedges) {}

void Attempt::begin(runtime::Core& core, stage::Call& call, std::optional<runtime::Time> until,
                    std::function<void(std::exception_ptr)> ended) {
  began_ = core.now();
  coroutine_ = core.spawn(run(call, *this), std::move(ended));
  if (until) alarm_ = core.alarm(*until, [this] { cut_off(); });
}

runtime::Task<> Attempt::run(stage::Call& call, Attempt& attempt) {
  attempt.failed_ = co_await call.call(attempt.message_);
  attempt.ended_ = true;
}

void Attempt::cut_off() {
  if (!running()) return;
  cut_off_ = true;
  coroutine_->stop();
}

void Attempt::stop() {
  alarm_.reset();
  if (running()) coroutine_->stop();
}

void Attempt::part() {
  parted_ = true;
  stop();
}

message::Done Attempt::outcome(std::exception_ptr fault, bool late, std::optional<runtime::Duration> timeout) {
  alarm_.reset();
  if (ended_) return std::move(failed_);
  // Stopped: its time was over, or the program ends; anything else is a fault of the call.
  if (fault) return Failure(Reason::fault, describe(fault));
  if (!cut_off_) return message::engine_stopped();
  return late ? message::deadline_passed() : Failure(Reason::timeout, "it took longer than " + config::show(*timeout));
}

std::shared_ptr<const message::Result> Attempt::result() const {
  const auto* metadata = message_.metadata();
  return metadata ? metadata->result : nullptr;
}

}  // namespace weir::graph
