// A stage that calls outside about each message: so many at once, in order or not, each within its time.
#include <algorithm>
#include <deque>
#include <utility>

#include "engine/graph/unit.hpp"
#include "engine/runtime/wait.hpp"
#include "engine/script/text.hpp"

namespace weir::graph {
namespace {

using message::Failure;
using message::Message;
using message::Reason;
using stage::Batch;

class CallUnit final : public Unit {
 public:
  using Unit::Unit;

  void prepare() override {
    Node& node = head();
    node.context = std::make_unique<stage::Context>(core_, *node.output, setting_.plan->pipeline.name,
                                                    [this]() -> script::Engine& { return setting_.scripts(core_); });
    call_ = node.planned->configured.make_call(*node.context);
    if (const auto& merge = node.planned->common.merge) {
      merge_ = std::make_unique<script::Fields>();
      node.context->compile(*merge_, *merge);
    }
    Unit::prepare();
  }
  void retire() noexcept override {
    jobs_.clear();
    taken_.reset();
    Unit::retire();
  }

 private:
  /// One call under way. It holds the batch that its message lies in.
  struct Job {
    Job(std::shared_ptr<flow::Delivery> from, std::size_t at) : delivery(std::move(from)), row(at) {}
    std::shared_ptr<flow::Delivery> delivery;
    std::size_t row;
    std::unique_ptr<runtime::Coroutine> coroutine, alarm;
    message::Done failed;
    runtime::Time began{};
    bool ended = false, too_late = false;
    bool running() const { return (coroutine && coroutine->running()) || (alarm && alarm->running()); }
    void stop() {
      if (coroutine && coroutine->running()) coroutine->stop();
      if (alarm && alarm->running()) alarm->stop();
    }
  };

  runtime::Task<> run() override {
    std::exception_ptr leaving;
    try {
      co_await answer();
    } catch (...) {
      leaving = std::current_exception();
    }
    // However it ends, no call outlives it.
    for (const auto& job : jobs_) job->stop();
    const auto running = [](const std::unique_ptr<Job>& job) { return job->running(); };
    while (std::any_of(jobs_.begin(), jobs_.end(), running)) co_await ended_.wait_through();
    if (leaving) std::rethrow_exception(leaving);
  }

  runtime::Task<> answer() {
    const auto workers = static_cast<std::size_t>(head().planned->common.workers);
    while (true) {
      // More calls may have ended at once than the output takes.
      for (bool more = true; more;) {
        more = settle();
        co_await pump();
      }
      if (abandoned()) give_up();
      if (!taken_) {
        if (flush_due_ && jobs_.empty()) {
          flush_due_ = false;
          co_await pass_flush();
        }
        if (inbox_.ended() && jobs_.empty()) break;
      }
      if (calling_ < workers && taken_) {
        begin();
        if (turn_is_over()) co_await yield_turn();
        continue;
      }
      if (calling_ < workers && !flush_due_ && !inbox_.ended()) {
        if (auto arrival = inbox_.receive()) {
          if (arrival->mark == flow::Mark::flush) {
            flush_due_ = true;
          } else if (arrival->mark == flow::Mark::none) {
            head().output->arrived(*arrival->delivery);
            taken_ = std::make_shared<flow::Delivery>(std::move(arrival->delivery));
            next_row_ = 0;
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
        spent(calling_ ? observe::State::outside : observe::State::idle);
        continue;
      }
      spent(observe::State::busy);
      co_await finished_.wait();
      spent(observe::State::outside);
    }
    co_await pass_flush(true);
    send_mark(flow::Mark::end);
    spent(observe::State::busy);
  }

  /// Nobody wants what further calls would bring.
  void give_up() {
    inbox_.close();
    if (!taken_) return;
    for (; next_row_ < (*taken_)->size(); ++next_row_) {
      head().output->drop(**taken_, next_row_, observe::Dropped::gone);
      taken_->release_one();
    }
    taken_.reset();
  }

  /// Seconds × workers: those whose call is under way are outside, the others do what the unit does.
  void count_time(observe::State state, runtime::Time since, runtime::Time now) override {
    count_calls(now);
    const auto outside = std::exchange(outside_, runtime::Duration{0});
    auto& time = head().output->counters().time;
    time[static_cast<std::size_t>(observe::State::outside)] += outside;
    const auto others = state == observe::State::outside ? observe::State::idle : state;
    time[static_cast<std::size_t>(others)] += (now - since) * head().planned->common.workers - outside;
  }
  /// Before the number of calls under way changes, and before it is asked for.
  void count_calls(runtime::Time now) {
    outside_ += (now - std::exchange(counted_until_, now)) * static_cast<std::int64_t>(calling_);
  }

  void begin() {
    count_calls(read_clock());
    auto job = std::make_unique<Job>(taken_, next_row_++);
    if (next_row_ == (*taken_)->size()) taken_.reset();
    ++calling_;
    job->began = clock();
    Job* const raw = job.get();
    jobs_.push_back(std::move(job));
    raw->coroutine = core_.spawn(call(*call_, *raw), [this, raw](std::exception_ptr fault) { end(*raw, fault); });
    if (const auto& time = head().planned->common.timeout) {
      raw->alarm = core_.spawn(ring(core_, raw->began + *time, *raw), [this](std::exception_ptr) { wake(); });
    }
  }
  static runtime::Task<> call(stage::Call& call, Job& job) {
    job.failed = co_await call.call(Message(**job.delivery, job.row));
    job.ended = true;
  }
  static runtime::Task<> ring(runtime::Core& core, runtime::Time when, Job& job) {
    co_await core.sleep_until(when);
    if (job.coroutine->running()) {
      job.too_late = true;
      job.coroutine->stop();
    }
  }
  void end(Job& job, std::exception_ptr fault) {
    if (!job.ended) {
      // Stopped: its time was over, or the program ends; anything else is a fault of the call.
      job.failed = job.too_late ? Failure(Reason::timeout,
                                          "it took longer than " + config::show(*head().planned->common.timeout))
                                : Failure(Reason::stopped, "the engine stopped before it was done");
      if (fault) job.failed = Failure(Reason::fault, describe(fault));
    }
    if (job.alarm && job.alarm->running()) job.alarm->stop();
    count_calls(read_clock());
    --calling_;
    head().output->counters().duration.observe(std::chrono::duration<double>(clock() - job.began).count());
    wake();
  }
  static std::string describe(const std::exception_ptr& fault) {
    try {
      std::rethrow_exception(fault);
    } catch (const std::exception& error) {
      return error.what();
    } catch (...) {
      return "unknown fault";
    }
  }
  void wake() {
    finished_.set();
    ended_.wake();
    if (waiting_for_input_) inbox_.poke();
  }

  /// Gives the finished calls their verdict: the oldest first, or whichever is ready. True: the output was full before
  /// all had theirs.
  bool settle() {
    const bool kept = head().planned->common.order == stage::Order::kept;
    for (auto it = jobs_.begin(); it != jobs_.end();) {
      Job& job = **it;
      if (job.running()) {
        if (kept) return false;
        ++it;
        continue;
      }
      if (head().output->full()) return true;
      verdict(job);
      job.delivery->release_one();
      it = jobs_.erase(it);
    }
    return false;
  }

  void verdict(Job& job) {
    stage::Output& out = *head().output;
    Batch& batch = **job.delivery;
    const Message message(batch, job.row);
    out.mark(batch, job.row);
    if (job.failed && head().planned->common.on_error != stage::OnError::pass) {
      return out.fail(message, std::move(*job.failed));
    }
    if (job.failed) out.note_failure(message, std::move(*job.failed));
    if (merge_) {
      if (auto wrong = merge_->set(message)) return out.fail(message, std::move(*wrong));
    } else if (!job.failed) {
      const auto* metadata = message.metadata();
      if (metadata && metadata->result) message.replace(metadata->result->text);
    }
    out.pass(message);
  }

  std::unique_ptr<stage::Call> call_;
  std::unique_ptr<script::Fields> merge_;
  std::deque<std::unique_ptr<Job>> jobs_;  // In the order of their messages.
  std::size_t calling_ = 0;
  runtime::Duration outside_{0};   // Spent in calls since the last spent(), of all workers together,
  runtime::Time counted_until_{};  // until then.
  std::shared_ptr<flow::Delivery> taken_;
  std::size_t next_row_ = 0;
  bool flush_due_ = false;
  bool waiting_for_input_ = false;
  flow::Event finished_{core_};
  runtime::Waiter ended_{core_};
};

}  // namespace

std::unique_ptr<Unit> make_call_unit(const UnitSetting& setting, const PlannedUnit& planned, runtime::Core& core) {
  return std::make_unique<CallUnit>(setting, planned, core, 0);
}

}  // namespace weir::graph
