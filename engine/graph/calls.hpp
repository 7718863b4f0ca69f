// The way of the messages that a stage calls about. From the outside in: deadline, cache, retry, hedge, limit, breaker,
// timeout, call.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/graph/attempt.hpp"
#include "engine/graph/episode.hpp"
#include "engine/graph/policed.hpp"
#include "engine/policy/adaptive.hpp"

namespace weir::graph {

/// One message on its way. It holds the batch that its message lies in.
struct Job {
  enum class Step : std::uint8_t {
    in_line,  ///< Waits for those of its key that came before it (`order: {key: …}`).
    sharing,  ///< Waits for the answer to another's call, who asks the same.
    waiting,  ///< For a token.
    queued,   ///< For a worker.
    held,     ///< By an open breaker.
    calling,
    pausing,  ///< Before it tries again.
    over
  };
  Job(std::shared_ptr<flow::Delivery> from, std::size_t at) : delivery(std::move(from)), row(at) {}
  /// One that renews an answer, beside those who get the old one.
  explicit Job(stage::Batch::Pointer copy) : own(std::move(copy)) {}

  std::shared_ptr<flow::Delivery> delivery;  ///< Null of one that renews:
  stage::Batch::Pointer own;                 ///< its batch is its own.
  std::size_t row = 0;
  std::uint64_t ticket = 0;
  Step step = Step::queued;
  bool working = false;  ///< A worker has it.
  bool dropped = false;  ///< By its limit,
  bool gone = false;     ///< or because nobody wants it any more.
  Toll toll;
  std::string circuit;
  std::string lane;          ///< The key by which it is in order,
  bool has_lane = false;     ///< and that it is the one of that key that may go on.
  message::Done fails_with;  ///< As soon as it may: known before begin(), or while it waits in its lane.
  std::string key;           ///< Of what is remembered,
  bool leads = false;        ///< and whether it is the one that calls for all who wait for that.
  std::optional<policy::Breaker::Permit> permit;   ///< For its next call.
  std::vector<std::unique_ptr<Attempt>> attempts;  ///< Its calls: one, or two where the second hedges the first.
  std::optional<std::uint64_t> second;             ///< By which the second waits for a token.
  std::unique_ptr<runtime::Alarm> alarm, deadline_alarm;
  message::Done failed;
  std::optional<runtime::Time> deadline;
  int attempt = 1;
  std::optional<policy::Backoff> backoff;
  runtime::Duration left_alone{0};  ///< As long as it was asked to wait (Retry-After), in all.

  stage::Message message() const { return {own ? *own : **delivery, row}; }
  bool is_over() const { return step == Step::over && attempts.empty(); }
};

/// Takes messages and brings each to its end, as its stage's policies say. Its core's thread only. Whoever owns it
/// calls move_on() after each wake(), and looks then which of the oldest are over.
class Calls {
 public:
  /// `eager`: messages are taken as they come, and wait here for a worker, since something may become of them before.
  Calls(const UnitSetting& setting, const PlannedStage& planned, stage::Context& context, bool eager,
        std::function<void()> wake);

  /// Whether another message may be taken now.
  bool may_begin() const { return !stopping_ && (eager_ || free_workers() > queued_.size()); }
  /// Takes it, at the end of jobs(). False: not yet, too many of its key wait; then it is as if it had not been asked.
  bool begin(std::unique_ptr<Job> job, runtime::Time taken_at);
  /// Everything that may go on goes on: who has its token now, whose pause is over, whom the breaker lets through.
  void move_on();
  /// Nobody wants what further calls would bring: of those that have not begun none does.
  void abandon();
  /// The time is over in which calls may end: what is not done fails (stopped), and so does what still comes.
  void expire();
  /// No call outlives this, however long it takes: running() says when it is over.
  void stop();
  bool running() const;
  /// Lets go of everything.
  void retire() noexcept;

  /// In the order of their messages. Those that are over are the owner's to take out.
  std::deque<std::unique_ptr<Job>>& jobs() noexcept { return jobs_; }

  void show(observe::StageSnapshot& cells) const;
  bool calling() const noexcept { return calling_ > 0; }
  std::size_t workers() const { return adaptive_ ? adaptive_->limit() : static_cast<std::size_t>(common_.workers); }
  /// Time that workers have spent in calls since this was last asked, all together.
  runtime::Duration outside(runtime::Time now);

 private:
  using Step = Job::Step;
  struct Waiting {
    Job* job;
    runtime::Time since;
  };

  std::size_t free_workers() const { return workers() > calling_ ? workers() - calling_ : 0; }
  bool drops_early() const { return common_.limit && common_.limit->over == stage::Over::drop; }
  bool waits_at_gate() const { return limit_ && limit_->over() == stage::Over::wait; }

  void go_on(Job& job, runtime::Time now);
  bool take_lane(Job& job);
  bool fails_in_turn() const;
  void fail_in_turn(Job& job, message::Failure why);
  void leave_lane(Job& job);
  message::Done read_terms(Job& job, runtime::Time taken_at);
  bool crowded(const Job& job) const;
  bool holds_up(const Job& job) const;
  void set_deadline(Job& job);
  void recall(Job& job, runtime::Time now);
  void answer(Job& job, const StageCache::Value& value);
  void renew(const Job& job, runtime::Time now);
  void end_flight(Job& job);
  Job& take_sharer(std::uint64_t ticket);
  void seek(Job& job);
  void enter(policy::Turnstile& gate, std::uint64_t ticket, Job& job, runtime::Time now);
  void pass_gates(runtime::Time now);
  static message::Failure not_again(Job& job, message::Failure why);
  void pass(policy::Turnstile& gate, std::size_t most, runtime::Time now);
  Job& leave(std::uint64_t ticket, runtime::Time now);
  void withdraw(Job& job, runtime::Time now);
  message::Failure waited_long() const;
  void tell_load();
  void work(Job& job);
  void call(Job& job);
  void start(Job& job, std::optional<policy::Breaker::Permit> permit, bool hedges, runtime::Time now);
  void time_is_over(Job& job);
  void hedge(Job& job, runtime::Time now);
  void start_second(Job& job, runtime::Time now);
  void give_up_second(Job& job, runtime::Time now);
  void part(Job& job, runtime::Time now);
  void hold(Job& job);
  void release_held(runtime::Time now);
  void arm_held();
  void ring(Job& job);
  void end(Job& job, Attempt& attempt, std::exception_ptr fault);
  void parted(Attempt& attempt);
  void adapt(const Attempt& attempt, const message::Done& failed, runtime::Time now);
  bool pause(Job& job, runtime::Time now);
  void again(Job& job, runtime::Time now);
  void finish(Job& job, message::Done failed);
  void count(runtime::Time now);

  const stage::Common& common_;
  stage::Context& context_;
  runtime::Core& core_;
  const bool eager_;
  const std::function<void()> wake_;
  std::unique_ptr<stage::Call> call_;  // Null: nobody is called, the limit before it is all there is.
  std::optional<StageCache> cache_;
  std::optional<StageLimit> limit_;
  std::optional<policy::Turnstile> gate_, again_gate_;  // Before a worker is taken; and with one.
  std::optional<StageBreaker> breaker_;
  std::optional<policy::RetryBudget> retry_budget_, hedge_budget_;
  std::optional<policy::Adaptive> adaptive_;
  std::size_t places_each_key_ = 0;

  std::deque<std::unique_ptr<Job>> jobs_;
  std::vector<std::unique_ptr<Job>> renewing_;
  std::vector<std::unique_ptr<Attempt>> parted_;        // Given up, and not yet ended.
  std::unordered_map<std::uint64_t, Waiting> waiting_;  // At a gate.
  std::unordered_map<std::uint64_t, Job*> sharing_;
  std::optional<script::Text> lane_;                         // Of `order: {key: …}`.
  std::unordered_map<std::string, std::deque<Job*>> lanes_;  // Those in line behind one that is at it.
  std::deque<Job*> queued_;
  std::vector<Job*> held_;
  std::deque<Job*> rung_;
  std::uint64_t next_ticket_ = 0;
  std::unique_ptr<runtime::Alarm> gate_alarm_, held_alarm_;
  std::optional<runtime::Time> gate_due_;  // When gate_alarm_ will ring.
  bool stopping_ = false, expired_ = false;
  bool was_busy_ = false;  // The machine, as told last.

  std::size_t calling_ = 0;        // Workers that are taken.
  runtime::Duration outside_{0};   // Spent in calls, of all workers together,
  runtime::Time counted_until_{};  // until then.
  runtime::Duration limit_wait_{0};
  std::uint64_t retries_ = 0, hedges_ = 0, hedges_won_ = 0;
  std::uint64_t evicted_ = 0;     // Answers, as told last.
  runtime::Time paused_until_{};  // What waits until then waits for that, and not for the rate.
  Episode limited_, turned_away_, pausing_, retrying_, spent_, hedging_, forgetting_, pushed_back_;  // For the log.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace weir::graph
