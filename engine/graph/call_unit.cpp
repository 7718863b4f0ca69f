// A stage that calls outside about each message: so many at once, in order or not, each within its time and as its
// policies allow. From the outside in: deadline, retry, limit, breaker, timeout, call.
#include <algorithm>
#include <deque>
#include <utility>

#include "engine/graph/policed.hpp"
#include "engine/graph/unit.hpp"
#include "engine/policy/adaptive.hpp"
#include "engine/runtime/wait.hpp"
#include "engine/script/text.hpp"

namespace weir::graph {
namespace {

using message::Failure;
using message::Message;
using message::Reason;
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
    call_ = node.planned->configured.make_call(*node.context);
    if (common.merge) {
      merge_ = std::make_unique<script::Fields>();
      node.context->compile(*merge_, *common.merge);
    }
    if (common.limit) {
      limit_.emplace(*common.limit, setting_.limit(*common.limit), *node.context, false);
      gate_.emplace(limit_->bucket());
      again_gate_.emplace(limit_->bucket());
      std::int64_t places = 0;
      for (const auto& input : node.planned->read_as) places += common.edge_from(input).capacity.value_or(128);
      places_each_key_ = static_cast<std::size_t>(std::max<std::int64_t>(1, places / 4));
    }
    if (common.breaker) {
      // It may be another stage's call, on another core, that closes it.
      const std::weak_ptr<bool> alive = alive_;
      auto changed = [this, alive] {
        core_.post([this, alive] {
          if (alive.lock()) wake();
        });
      };
      breaker_.emplace(*common.breaker, setting_.breaker(*common.breaker), *node.context, std::move(changed));
    }
    if (common.workers == stage::adaptive_workers) adaptive_.emplace();
    if (common.retry) budget_.emplace(common.retry->budget_share());
    Unit::prepare();
  }
  void retire() noexcept override {
    alive_.reset();
    gate_alarm_.reset();
    held_alarm_.reset();
    jobs_.clear();
    taken_.reset();
    Unit::retire();
  }
  void snapshot(std::vector<observe::StageSnapshot>& stages) override {
    const std::size_t own = stages.size();
    Unit::snapshot(stages);
    auto& cells = stages[own];
    const Time now = core_.now();
    cells.workers = static_cast<std::int64_t>(workers());
    if (breaker_) cells.breaker = std::string(word(breaker_->circuits().worst(now)));
    if (limit_) {
      cells.limit_waiting = static_cast<std::int64_t>(gate_->waiting() + again_gate_->waiting());
      cells.limit_wait_s = std::chrono::duration<double>(limit_wait_).count();
      if (!limit_->keyed()) cells.limit_tokens = limit_->bucket().tokens({}, now);
    }
    if (budget_) cells.retries = retries_;
  }

 private:
  /// One message on its way. It holds the batch that its message lies in.
  struct Job {
    enum class Step : std::uint8_t {
      waiting,  ///< For a token.
      held,     ///< By an open breaker.
      calling,
      pausing,  ///< Before it tries again.
      over
    };
    Job(std::shared_ptr<flow::Delivery> from, std::size_t at) : delivery(std::move(from)), row(at) {}
    std::shared_ptr<flow::Delivery> delivery;
    std::size_t row;
    Step step = Step::waiting;
    std::uint64_t ticket = 0;
    bool working = false;  // A worker has it.
    bool dropped = false;  // By its limit.
    bool ended = false, cut_off = false;
    Toll toll;
    std::string circuit;
    std::optional<policy::Breaker::Permit> permit;
    std::unique_ptr<runtime::Coroutine> coroutine;
    std::unique_ptr<runtime::Alarm> alarm;
    message::Done failed;
    Time began{}, waits_since{};
    std::optional<Time> deadline;
    int attempt = 1;
    std::optional<policy::Backoff> backoff;

    Message message() const { return Message(**delivery, row); }
    bool running() const { return coroutine && coroutine->running(); }
  };
  using Step = Job::Step;

  const stage::Common& common() { return head().planned->common; }

  runtime::Task<> run() override {
    std::exception_ptr leaving;
    try {
      co_await answer();
    } catch (...) {
      leaving = std::current_exception();
    }
    // However it ends, no call outlives it.
    stopping_ = true;
    gate_alarm_.reset();
    held_alarm_.reset();
    for (const auto& job : jobs_) {
      job->alarm.reset();
      if (job->running()) job->coroutine->stop();
    }
    const auto running = [](const std::unique_ptr<Job>& job) { return job->running(); };
    while (std::any_of(jobs_.begin(), jobs_.end(), running)) co_await ended_.wait_through();
    if (leaving) std::rethrow_exception(leaving);
  }

  runtime::Task<> answer() {
    while (true) {
      move_on();
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
      if (may_begin() && taken_ && begin()) {
        if (turn_is_over()) co_await yield_turn();
        continue;
      }
      if (may_begin() && !taken_ && !flush_due_ && !inbox_.ended()) {
        if (auto arrival = inbox_.receive()) {
          if (arrival->mark == flow::Mark::flush) {
            flush_due_ = true;
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

  // -------------------------------------------------------------------------------------------------------- figures

  /// Seconds × workers: those whose call is under way are outside, the others do what the unit does.
  void count_time(observe::State state, runtime::Time since, runtime::Time now) override {
    count_calls(now);
    const auto outside = std::exchange(outside_, runtime::Duration{0});
    auto& time = head().output->counters().time;
    time[static_cast<std::size_t>(observe::State::outside)] += outside;
    const auto others = state == observe::State::outside ? observe::State::idle : state;
    time[static_cast<std::size_t>(others)] += (now - since) * static_cast<std::int64_t>(workers()) - outside;
  }
  /// Before the number of workers that are taken changes, and before it is asked for.
  void count_calls(runtime::Time now) {
    outside_ += (now - std::exchange(counted_until_, now)) * static_cast<std::int64_t>(calling_);
  }

  // ------------------------------------------------------------------------------------------- the way of a message

  std::size_t workers() { return adaptive_ ? adaptive_->limit() : static_cast<std::size_t>(common().workers); }
  std::size_t free_workers() { return workers() > calling_ ? workers() - calling_ : 0; }
  bool waits_at_gate() const { return limit_ && limit_->over() == stage::Over::wait; }
  /// Who waits for a token needs no worker; otherwise there must be one.
  bool may_begin() { return !stopping_ && (waits_at_gate() || free_workers() > 0); }

  /// Takes the next row. False: not yet, too many of its key wait.
  bool begin() {
    const Time now = read_clock();
    auto made = std::make_unique<Job>(taken_, next_row_);
    Job& job = *made;
    if (auto failure = read_terms(job)) {
      take_row(std::move(made));
      finish(job, std::move(failure));
      return true;
    }
    if (waits_at_gate() && limit_->keyed() && gate_->waiting(job.toll.key) >= places_each_key_) {
      if (limit_->config().over_key == stage::OverKey::block) return false;
      take_row(std::move(made));
      Failure why = limit_->refused(now, std::nullopt);
      why.text += ", and " + std::to_string(places_each_key_) + " of its key wait already";
      finish(job, std::move(why));
      return true;
    }
    take_row(std::move(made));
    if (!limit_) {
      work(job);
    } else if (waits_at_gate()) {
      enter(*gate_, job, now);
      move_on();
    } else if (const auto until = limit_->bucket().take(job.toll.key, job.toll.cost, now)) {
      job.dropped = limit_->over() == stage::Over::drop;
      finish(job, limit_->refused(now, *until));
    } else {
      work(job);
    }
    return true;
  }

  void take_row(std::unique_ptr<Job> job) {
    jobs_.push_back(std::move(job));
    if (++next_row_ == (*taken_)->size()) taken_.reset();
  }

  /// What the policies ask of the message before anything is done about it.
  message::Done read_terms(Job& job) {
    const Message message = job.message();
    if (limit_) {
      auto toll = limit_->toll(message);
      if (!toll) return std::move(toll.failure());
      job.toll = std::move(*toll);
    }
    if (breaker_) {
      auto key = breaker_->key(message);
      if (!key) return std::move(key.failure());
      job.circuit = std::move(*key);
    }
    if (const auto* metadata = message.metadata()) job.deadline = metadata->deadline;
    if (const auto& time = common().deadline) {
      const Time until = taken_at_ + *time;
      if (!job.deadline || until < *job.deadline) {
        job.deadline = until;
        message.edit_metadata().deadline = until;
      }
    }
    return std::nullopt;
  }

  void enter(policy::Turnstile& gate, Job& job, Time now) {
    job.step = Step::waiting;
    job.ticket = next_ticket_++;
    job.waits_since = now;
    waiting_[job.ticket] = &job;
    gate.enter(job.ticket, job.toll.key, job.toll.cost, now,
               std::min(now + limit_->config().max_wait, job.deadline.value_or(Time::max())));
  }

  /// Everything that may go on goes on: who has its token now, whose pause is over, whom the breaker lets through.
  void move_on() {
    if (stopping_) return;
    while (!rung_.empty()) {
      Job* const job = rung_.front();
      rung_.pop_front();
      if (job->step == Step::pausing) {
        again(*job);
      } else if (job->step == Step::held) {
        std::erase(held_, job);
        finish(*job, late());
      }
    }
    if (!held_.empty()) release_held();
    if (limit_) pass_gates();
  }

  void pass_gates() {
    const Time now = read_clock();
    // Those who try again have a worker already and come first.
    pass(*again_gate_, static_cast<std::size_t>(-1), now);
    pass(*gate_, free_workers(), now);
    auto due = again_gate_->due();
    if (const auto first = gate_->due(); first && (free_workers() > 0 || *first > now)) {
      due = std::min(*first, due.value_or(Time::max()));
    }
    if (!due) return gate_alarm_.reset();
    if (gate_alarm_ && gate_due_ == *due) return;
    gate_due_ = *due;
    gate_alarm_.reset();
    gate_alarm_ = core_.alarm(*due, [this] {
      gate_due_ = Time::min();
      wake();
    });
  }
  void pass(policy::Turnstile& gate, std::size_t most, Time now) {
    const auto through = gate.let_through(now, most);
    for (const auto ticket : through.late) {
      Job& job = leave(ticket, now);
      finish(job, job.deadline && *job.deadline <= now ? late() : waited_long());
    }
    for (const auto ticket : through.admitted) {
      Job& job = leave(ticket, now);
      job.working ? call(job) : work(job);
    }
  }
  Job& leave(std::uint64_t ticket, Time now) {
    const auto found = waiting_.find(ticket);
    Job& job = *found->second;
    waiting_.erase(found);
    limit_wait_ += now - job.waits_since;
    return job;
  }
  Failure waited_long() {
    Failure why = limit_->refused(clock(), std::nullopt);
    why.text += ", and it has waited for " + config::show(limit_->config().max_wait);
    return why;
  }
  static Failure late() { return Failure(Reason::deadline, "its time was over"); }

  /// A worker takes it.
  void work(Job& job) {
    count_calls(read_clock());
    ++calling_;
    if (adaptive_) adaptive_->began(calling_);
    job.working = true;
    call(job);
  }

  /// It has its token and its worker.
  void call(Job& job) {
    const Time now = clock();
    if (job.deadline && *job.deadline <= now) return finish(job, late());
    if (breaker_ && !job.permit) {
      job.permit = breaker_->circuits().admit(job.circuit, now);
      if (!job.permit) {
        if (limit_) limit_->bucket().give_back(job.toll.key, job.toll.cost, now);
        if (!breaker_->holds()) return finish(job, breaker_->refused(job.circuit, now));
        return hold(job);
      }
    }
    if (budget_ && job.attempt == 1) budget_->called();
    job.step = Step::calling;
    job.began = now;
    job.ended = job.cut_off = false;
    job.failed.reset();
    const Message message = job.message();
    if (job.attempt > 1) message.edit_metadata().attempt = job.attempt;
    job.coroutine = core_.spawn(call(*call_, job), [this, raw = &job](std::exception_ptr fault) { end(*raw, fault); });
    std::optional<Time> until = job.deadline;
    if (const auto& time = common().timeout) until = std::min(until.value_or(Time::max()), now + *time);
    if (until) job.alarm = core_.alarm(*until, [raw = &job] { cut_off(*raw); });
  }
  static runtime::Task<> call(stage::Call& call, Job& job) {
    job.failed = co_await call.call(job.message());
    job.ended = true;
  }
  static void cut_off(Job& job) {
    if (!job.running()) return;
    job.cut_off = true;
    job.coroutine->stop();
  }

  /// The breaker is open. It keeps its worker: what comes after it would find the breaker open too.
  void hold(Job& job) {
    job.step = Step::held;
    held_.push_back(&job);
    if (job.deadline) job.alarm = core_.alarm(*job.deadline, [this, raw = &job] { ring(*raw); });
    arm_held();
  }
  void release_held() {
    const Time now = read_clock();
    std::vector<Job*> still;
    std::vector<Job*> free;
    for (Job* const job : held_) {
      job->permit = breaker_->circuits().admit(job->circuit, now);
      (job->permit ? free : still).push_back(job);
    }
    held_ = std::move(still);
    for (Job* const job : free) {
      job->alarm.reset();
      if (limit_) {
        enter(*again_gate_, *job, now);
      } else {
        call(*job);
      }
    }
    arm_held();
  }
  void arm_held() {
    std::optional<Time> due;
    for (const Job* const job : held_) {
      if (const auto when = breaker_->circuits().opens_again(job->circuit, clock())) {
        due = std::min(due.value_or(Time::max()), *when);
      }
    }
    held_alarm_.reset();
    if (due) held_alarm_ = core_.alarm(*due, [this] { wake(); });
  }

  /// Of an alarm, in which it must not be destroyed: the rest is done by move_on().
  void ring(Job& job) {
    rung_.push_back(&job);
    wake();
  }

  void end(Job& job, std::exception_ptr fault) {
    const Time now = read_clock();
    if (!job.ended) {
      // Stopped: its time was over, or the program ends; anything else is a fault of the call.
      job.failed = Failure(Reason::stopped, "the engine stopped before it was done");
      if (job.cut_off) {
        const bool deadline = job.deadline && *job.deadline <= now;
        job.failed =
            deadline ? late() : Failure(Reason::timeout, "it took longer than " + config::show(*common().timeout));
      }
      if (fault) job.failed = Failure(Reason::fault, describe(fault));
    }
    job.alarm.reset();
    head().output->counters().duration.observe(std::chrono::duration<double>(now - job.began).count());
    if (adaptive_) adapt(job, now);
    if (breaker_ && job.permit) breaker_->judge(job.circuit, *job.permit, job.failed, now - job.began, now);
    job.permit.reset();
    if (job.failed && limit_ && job.failed->retry_after) {
      limit_->bucket().pause(job.toll.key, now + *job.failed->retry_after);
    }
    if (!stopping_ && job.failed && common().retry && pause(job, now)) return wake();
    message::Done failed = std::move(job.failed);
    finish(job, std::move(failed));
  }

  void adapt(const Job& job, Time now) {
    count_calls(now);
    if (!job.failed) {
      adaptive_->succeeded(now - job.began, now);
    } else if (job.failed->may_pass || message::transient(job.failed->reason)) {
      adaptive_->pushed_back(now);
    }
  }

  /// Whether it is to be tried again, after a pause that has begun.
  bool pause(Job& job, Time now) {
    const stage::RetryConfig& retry = *common().retry;
    if (!retry.again_after(*job.failed)) return false;
    const bool asked_to_wait = job.failed->reason == Reason::status && job.failed->retry_after;
    if (!asked_to_wait) {
      if (job.attempt >= retry.attempts) return false;
      if (!budget_->take(now)) {
        job.failed->text += " (and not tried again: the retry budget is used up)";
        return false;
      }
      ++job.attempt;
    }
    if (!job.backoff) job.backoff.emplace(retry.backoff.from, retry.backoff.to);
    // Who asks to be left alone is neither failing nor tried out: no attempt.
    const runtime::Duration wait = asked_to_wait ? std::max(*job.failed->retry_after, retry.backoff.from)
                                                 : job.backoff->next(core_.random().fraction());
    const Time when = now + wait;
    if (job.deadline && *job.deadline <= when) return false;
    ++retries_;
    job.step = Step::pausing;
    job.alarm = core_.alarm(when, [this, raw = &job] { ring(*raw); });
    return true;
  }
  void again(Job& job) {
    job.alarm.reset();
    // What the call before has left is not what this one brings.
    const Message message = job.message();
    if (const auto* metadata = message.metadata(); metadata && metadata->result) {
      message.edit_metadata().result.reset();
    }
    if (limit_) {
      enter(*again_gate_, job, read_clock());
    } else {
      read_clock();
      call(job);
    }
  }

  void finish(Job& job, message::Done failed) {
    job.step = Step::over;
    job.failed = std::move(failed);
    if (job.failed) job.failed->attempts = std::max(job.failed->attempts, job.attempt);
    if (job.permit) breaker_->circuits().withdrawn(job.circuit, *std::exchange(job.permit, std::nullopt), clock());
    if (std::exchange(job.working, false)) {
      count_calls(clock());
      --calling_;
    }
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

  // -------------------------------------------------------------------------------------------------------- verdicts

  /// Gives the finished messages their verdict: the oldest first, or whichever is ready. True: the output was full
  /// before all had theirs.
  bool settle() {
    const bool kept = common().order == stage::Order::kept;
    for (auto it = jobs_.begin(); it != jobs_.end();) {
      Job& job = **it;
      if (job.step != Step::over || job.running()) {
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
    if (job.dropped) return out.drop(message, observe::Dropped::limit);
    if (job.failed && common().on_error != stage::OnError::pass) {
      return out.fail(message, std::move(*job.failed));
    }
    if (job.failed) out.note_failure(message, std::move(*job.failed));
    if (merge_) {
      if (auto wrong = merge_->set(message)) return out.fail(message, std::move(*wrong));
    } else if (!job.failed && head().planned->configured.brings_result) {
      const auto* metadata = message.metadata();
      if (metadata && metadata->result) message.replace(metadata->result->text);
    }
    out.pass(message);
  }

  std::unique_ptr<stage::Call> call_;
  std::unique_ptr<script::Fields> merge_;
  std::optional<StageLimit> limit_;
  std::optional<policy::Turnstile> gate_, again_gate_;  // Before a worker is taken; and with one.
  std::optional<StageBreaker> breaker_;
  std::optional<policy::RetryBudget> budget_;
  std::optional<policy::Adaptive> adaptive_;
  std::size_t places_each_key_ = 0;

  std::deque<std::unique_ptr<Job>> jobs_;            // In the order of their messages.
  std::unordered_map<std::uint64_t, Job*> waiting_;  // At a gate, by ticket.
  std::vector<Job*> held_;
  std::deque<Job*> rung_;
  std::uint64_t next_ticket_ = 0;
  std::unique_ptr<runtime::Alarm> gate_alarm_, held_alarm_;
  Time gate_due_ = Time::min();

  std::size_t calling_ = 0;        // Workers that are taken.
  runtime::Duration outside_{0};   // Spent in calls since the last spent(), of all workers together,
  runtime::Time counted_until_{};  // until then.
  runtime::Duration limit_wait_{0};
  std::uint64_t retries_ = 0;
  std::shared_ptr<flow::Delivery> taken_;
  std::size_t next_row_ = 0;
  Time taken_at_{};
  bool flush_due_ = false;
  bool stopping_ = false;
  bool waiting_for_input_ = false;
  flow::Event finished_{core_};
  runtime::Waiter ended_{core_};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Unit> make_call_unit(const UnitSetting& setting, const PlannedUnit& planned, runtime::Core& core) {
  return std::make_unique<CallUnit>(setting, planned, core, 0);
}

}  // namespace weir::graph
