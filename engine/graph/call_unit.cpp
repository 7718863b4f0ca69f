// A stage that calls outside about each message: so many at once, in order or not, each within its time and as its
// policies allow (calls.hpp).
#include <algorithm>
#include <utility>

#include "engine/graph/calls.hpp"
#include "engine/graph/unit.hpp"
#include "engine/message/asker.hpp"
#include "engine/runtime/wait.hpp"
#include "engine/script/text.hpp"

namespace weir::graph {
namespace {

using message::Message;
using runtime::Time;
using stage::Batch;

class CallUnit final : public Unit {
 public:
  using Unit::Unit;

  void prepare() override {
    Node& node = head();
    node.context = std::make_unique<stage::Context>(core_, *node.output, setting_.plan->pipeline.name,
                                                    [this]() -> script::Engine& { return setting_.scripts(core_); });
    const auto& common = node.planned->common;
    if (common.merge) {
      merge_ = std::make_unique<script::Fields>();
      node.context->compile(*merge_, *common.merge);
    }
    const auto stage = static_cast<std::size_t>(node.planned - setting_.plan->stages.data());
    const bool may_have_deadline = setting_.plan->any_up_to(
        stage, [](const PlannedStage& planned) { return planned.common.deadline.has_value(); });
    calls_.emplace(setting_, *node.planned, *node.context, may_have_deadline, [this] { wake(); });
    Unit::prepare();
  }
  void retire() noexcept override {
    if (calls_) calls_->retire();
    taken_.reset();
    Unit::retire();
  }
  void expire() override { calls_->expire(); }
  void snapshot(std::vector<observe::StageSnapshot>& stages) override {
    const std::size_t own = stages.size();
    Unit::snapshot(stages);
    calls_->show(stages[own]);
  }

 private:
  const stage::Common& common() { return head().planned->common; }

  runtime::Task<> run() override {
    std::exception_ptr leaving;
    try {
      co_await answer();
    } catch (...) {
      leaving = std::current_exception();
    }
    // However it ends, no call outlives it.
    calls_->stop();
    while (calls_->running()) co_await ended_.wait_through();
    if (leaving) std::rethrow_exception(leaving);
  }

  runtime::Task<> answer() {
    while (true) {
      calls_->move_on();
      // More calls may have ended at once than the output takes.
      for (bool more = true; more;) {
        more = settle();
        co_await pump();
      }
      if (abandoned()) give_up();
      if (!taken_) {
        if (flush_due_ && calls_->jobs().empty()) {
          const flow::Mark mark = *std::exchange(flush_due_, std::nullopt);
          co_await pass_flush(mark);
        }
        if (inbox_.ended() && calls_->jobs().empty()) break;
      }
      if (taken_ && calls_->may_begin() && begin()) {
        if (turn_is_over()) co_await yield_turn();
        continue;
      }
      if (!taken_ && calls_->may_begin() && !flush_due_ && !inbox_.ended()) {
        if (auto arrival = inbox_.receive()) {
          if (asks_to_let_go(arrival->mark)) {
            flush_due_ = arrival->mark;
          } else if (arrival->mark == flow::Mark::none) {
            head().output->arrived(*arrival->delivery);
            taken_ = std::make_shared<flow::Delivery>(std::move(arrival->delivery));
            next_row_ = 0;
            taken_at_ = read_clock();
            if (abandoned()) give_up();
          }
          continue;
        }
        if (finished_.is_set()) {
          finished_.clear();
          continue;
        }
        spent(observe::State::busy);
        waiting_for_input_ = true;
        co_await flow::suspend(core_, inbox_);
        waiting_for_input_ = false;
        spent(calls_->calling() ? observe::State::outside : observe::State::idle);
        continue;
      }
      spent(observe::State::busy);
      co_await finished_.wait();
      spent(observe::State::outside);
    }
    co_await finish();
    send_mark(flow::Mark::end);
    spent(observe::State::busy);
  }

  /// Nobody wants what further calls would bring.
  void give_up() {
    inbox_.close();
    calls_->abandon();
    if (!taken_) return;
    for (; next_row_ < (*taken_)->size(); ++next_row_) {
      head().output->drop(**taken_, next_row_, observe::Dropped::gone);
      taken_->release_one();
    }
    taken_.reset();
  }

  /// Takes the next row. False: not yet.
  bool begin() {
    read_clock();
    auto job = std::make_unique<Job>(taken_, next_row_);
    // What the call would bring could be put nowhere. (What passes all the same is called about.)
    if (merge_ && common().on_error != stage::OnError::pass) job->fails_with = merge_->foreseen(job->message());
    if (!calls_->begin(std::move(job), taken_at_)) return false;
    if (++next_row_ == (*taken_)->size()) taken_.reset();
    return true;
  }

  void wake() {
    finished_.set();
    ended_.wake();
    if (waiting_for_input_) inbox_.poke();
  }

  /// Seconds × workers: those whose call is under way are outside, the others do what the unit does.
  void count_time(observe::State state, Time since, Time now) override {
    const auto outside = calls_->outside(now);
    auto& time = head().output->counters().time;
    time[static_cast<std::size_t>(observe::State::outside)] += outside;
    const auto others = state == observe::State::outside ? observe::State::idle : state;
    // Where their number has just been lowered, more calls may be under way than there are workers.
    const auto all = (now - since) * static_cast<std::int64_t>(calls_->workers());
    time[static_cast<std::size_t>(others)] += std::max(all - outside, runtime::Duration::zero());
  }

  /// Gives the finished messages their verdict: the oldest first, or whichever is ready. True: the output was full
  /// before all had theirs.
  bool settle() {
    const bool kept = common().order == stage::Order::kept;
    auto& jobs = calls_->jobs();
    for (auto it = jobs.begin(); it != jobs.end();) {
      Job& job = **it;
      if (!job.is_over()) {
        if (kept) return false;
        ++it;
        continue;
      }
      if (head().output->full()) return true;
      verdict(job);
      job.delivery->release_one();
      it = jobs.erase(it);
    }
    return false;
  }

  void verdict(Job& job) {
    stage::Output& out = *head().output;
    Batch& batch = **job.delivery;
    const Message message(batch, job.row);
    out.mark(batch, job.row);
    if (job.dropped) {
      batch.shed(job.row, *job.failed);
      return out.drop(message, observe::Dropped::limit);
    }
    if (job.gone) return out.drop(message, observe::Dropped::gone);
    if (job.failed && common().on_error != stage::OnError::pass) {
      return out.fail(message, std::move(*job.failed));
    }
    const bool failed = job.failed.has_value();
    if (failed) out.note_failure(message, std::move(*job.failed));
    if (merge_) {
      // What a call that failed did not bring is no second failure: the first is what there is to say.
      if (auto wrong = merge_->set(message, failed)) return out.fail(message, std::move(*wrong));
    } else if (!failed && head().planned->configured.brings_result) {
      const auto* metadata = message.metadata();
      if (metadata && metadata->result) message.replace(metadata->result->text);
    }
    out.pass(message);
  }

  std::unique_ptr<script::Fields> merge_;
  std::optional<Calls> calls_;
  std::shared_ptr<flow::Delivery> taken_;
  std::size_t next_row_ = 0;
  Time taken_at_{};
  std::optional<flow::Mark> flush_due_;  // That is to be passed on when the calls at hand have ended.
  bool waiting_for_input_ = false;
  flow::Event finished_{core_};
  runtime::Waiter ended_{core_};
};

}  // namespace

std::unique_ptr<Unit> make_call_unit(const UnitSetting& setting, const PlannedUnit& planned, runtime::Core& core) {
  return std::make_unique<CallUnit>(setting, planned, core, 0);
}

}  // namespace weir::graph
