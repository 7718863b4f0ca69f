#include "engine/graph/calls.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "engine/config/values.hpp"

namespace weir::graph {

using message::Failure;
using message::Message;
using message::Reason;
using runtime::Time;
using stage::Batch;

namespace {

/// Who asks to be left alone for longer than this, in all, for one message, has in fact refused it.
constexpr runtime::Duration left_alone_most = std::chrono::hours(1);

/// Who does is neither failing nor tried out: the call after that is no attempt.
bool asks_to_wait(const Failure& failure) { return failure.reason == Reason::status && failure.retry_after; }

/// Then it is for whoever asked, and for nobody else.
bool sets_cookies(const message::Result& result) {
  return std::any_of(result.headers.begin(), result.headers.end(),
                     [](const auto& header) { return header.first == "set_cookie"; });
}

}  // namespace

Calls::Calls(const UnitSetting& setting, const PlannedStage& planned, stage::Context& context, bool eager,
             std::function<void()> wake)
    : common_(planned.common),
      context_(context),
      core_(context.core),
      eager_(eager || (common_.limit && common_.limit->over.value_or(stage::Over::wait) == stage::Over::wait) ||
             common_.cache),
      wake_(std::move(wake)),
      limited_(context, observe::Level::info, "messages are held back by the limit", "the limit holds nothing back"),
      turned_away_(context, observe::Level::info,
                   drops_early() ? "messages are dropped by the limit" : "messages are refused by the limit",
                   drops_early() ? "the limit drops nothing any more" : "the limit refuses nothing any more"),
      pausing_(context, observe::Level::warn, "the server asks for a pause", "the server asks for none any more"),
      retrying_(context, observe::Level::info, "calls fail and are made again", "no call is made again any more"),
      spent_(context, observe::Level::warn, "the retry budget is used up: what fails is not tried again",
             "the retry budget suffices again"),
      hedging_(context, observe::Level::info, "calls take long: others are made beside them",
               "no call takes so long any more"),
      forgetting_(context, observe::Level::info,
                  "answers are forgotten before their time: too many, or memory is short",
                  "answers are kept for their time again"),
      pushed_back_(context, observe::Level::info, "the other side pushes back: fewer calls at once",
                   "the other side does not push back any more") {
  if (planned.configured.brings_result) {
    call_ = planned.configured.make_call(context);
    const auto missing = [&planned](const std::exception& why) {
      return stage::Fault(planned.place.str() + ": stage '" + planned.name + "': " + why.what());
    };
    try {
      call_->look_outside();
    } catch (const std::system_error& why) {
      throw missing(why);
    } catch (const stage::Fault& why) {
      throw missing(why);
    }
  }
  if (common_.cache) cache_.emplace(*common_.cache, context, *setting.memory);
  if (common_.limit) {
    limit_.emplace(*common_.limit, setting.limit(*common_.limit), context, false);
    gate_.emplace(limit_->bucket());
    again_gate_.emplace(limit_->bucket());
    std::int64_t places = 0;
    for (const auto& input : planned.read_as) {
      places += common_.edge_from(input).capacity.value_or(stage::places_on_core(common_.workers));
    }
    places_each_key_ = static_cast<std::size_t>(std::max<std::int64_t>(1, places / 4));
    context.ask_twice = [this](const Message& message) {
      const auto toll = limit_->toll(message);
      return toll ? limit_->bucket().owe(toll->key, toll->cost, core_.now()) : core_.now();
    };
  }
  if (common_.breaker) {
    // It may be another stage's call, on another core, that closes it.
    const std::weak_ptr<bool> alive = alive_;
    auto changed = [this, alive] {
      core_.post([this, alive] {
        if (alive.lock()) wake_();
      });
    };
    breaker_.emplace(*common_.breaker, setting.breaker(*common_.breaker), context, std::move(changed));
  }
  if (common_.order.key) context.compile(lane_.emplace(), *common_.order.key);
  if (common_.workers == stage::adaptive_workers) adaptive_.emplace();
  if (common_.retry) retry_budget_.emplace(common_.retry->budget_share());
  if (common_.hedge) hedge_budget_.emplace(common_.hedge->budget_share());
}

void Calls::retire() noexcept {
  alive_.reset();
  gate_alarm_.reset();
  gate_due_.reset();
  held_alarm_.reset();
  for (Episode* episode :
       {&limited_, &turned_away_, &pausing_, &retrying_, &spent_, &hedging_, &forgetting_, &pushed_back_})
    episode->retire();
  jobs_.clear();
  renewing_.clear();
  parted_.clear();
}

// ---------------------------------------------------------------------------------------------------------- beginning

bool Calls::begin(std::unique_ptr<Job> made, Time taken_at) {
  const Time now = core_.now();
  Job& job = *made;
  job.ticket = next_ticket_++;
  message::Done failure = read_terms(job, taken_at);
  if (!failure) failure = std::exchange(job.fails_with, std::nullopt);
  const bool too_many = !failure && crowded(job);
  if (too_many && holds_up(job)) return false;
  jobs_.push_back(std::move(made));
  if (!failure && cache_) {
    auto key = cache_->key(job.message());
    if (!key) failure = std::move(key.failure());
    if (key && *key && call_->may_be_remembered(job.message())) job.key = std::move(**key);
  }
  if (!failure && job.deadline && *job.deadline <= now) failure = message::deadline_passed();
  if (!failure && expired_) failure = message::engine_stopped();
  if (failure) {
    fail_in_turn(job, std::move(*failure));
    return true;
  }
  set_deadline(job);
  if (too_many) {
    // (Where it has to wait for its turn to fail it can share nobody's call, nor lead one.)
    if (!job.key.empty() && !fails_in_turn()) recall(job, now);
    if (job.step != Step::queued) return true;
    Failure why = limit_->refused(now, std::nullopt);
    why.text = std::to_string(places_each_key_) + " of its key wait already for a token or a worker (" + why.text + ")";
    fail_in_turn(job, std::move(why));
  } else if (take_lane(job)) {
    go_on(job, now);
  }
  return true;
}

void Calls::go_on(Job& job, Time now) {
  if (job.fails_with) return finish(job, std::exchange(job.fails_with, std::nullopt));
  if (!job.key.empty()) recall(job, now);
  if (job.step == Step::queued) seek(job);
}

/// Whether nobody of its key is before it.
bool Calls::take_lane(Job& job) {
  if (!lane_) return true;
  const auto [lane, first] = lanes_.try_emplace(job.lane);
  job.has_lane = first;
  if (first) return true;
  job.step = Step::in_line;
  lane->second.push_back(&job);
  return false;
}

bool Calls::fails_in_turn() const { return lane_ && common_.on_error == stage::OnError::pass; }

/// One that is not at it. With `on_error: pass` it leaves where the others do, and not before who is ahead in its lane.
void Calls::fail_in_turn(Job& job, Failure why) {
  if (fails_in_turn() && !job.has_lane && (job.step == Step::in_line || !take_lane(job))) {
    job.fails_with = std::move(why);
    return;
  }
  withdraw(job, core_.now());
  finish(job, std::move(why));
}

void Calls::leave_lane(Job& job) {
  if (!std::exchange(job.has_lane, false)) return;
  const auto lane = lanes_.find(job.lane);
  if (lane->second.empty()) {
    lanes_.erase(lane);
    return;
  }
  Job& next = *lane->second.front();
  lane->second.pop_front();
  next.has_lane = true;
  rung_.push_back(&next);  // Not at once: a thousand that are remembered would be a thousand calls deep.
}

/// What the policies ask of the message before anything is done about it.
message::Done Calls::read_terms(Job& job, Time taken_at) {
  const Message message = job.message();
  if (lane_) {
    if (auto failure = lane_->fill(message, job.lane)) return failure;
  }
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
  if (const auto& time = common_.deadline) {
    const Time until = taken_at + *time;
    if (!job.deadline || until < *job.deadline) {
      job.deadline = until;
      message.edit_metadata().deadline = until;
    }
  }
  return std::nullopt;
}

bool Calls::crowded(const Job& job) const {
  return waits_at_gate() && limit_->keyed() && gate_->waiting(job.toll.key) >= places_each_key_;
}

/// Whether it waits for its turn before the stage, and all behind it with it.
bool Calls::holds_up(const Job& job) const {
  if (const auto& said = limit_->config().over_key) return *said == stage::OverKey::block;
  const auto* metadata = job.message().metadata();
  return !metadata || !metadata->asker;
}

void Calls::set_deadline(Job& job) {
  if (job.deadline) job.deadline_alarm = core_.alarm(*job.deadline, [this, raw = &job] { time_is_over(*raw); });
}

/// It wants a token, and a worker.
void Calls::seek(Job& job) {
  if (waits_at_gate()) return enter(*gate_, job.ticket, job, core_.now());
  job.step = Step::queued;
  queued_.push_back(&job);
}

// -------------------------------------------------------------------------------------------------- what is remembered

/// Answered, or told to wait for an answer; or still to be called about.
void Calls::recall(Job& job, Time now) {
  auto found = cache_->answers().look(job.key, job.ticket, now);
  switch (found.answer) {
    case policy::Cache::Answer::fresh:
    case policy::Cache::Answer::stale:
      if (found.renew) renew(job, now);
      answer(job, std::static_pointer_cast<const message::Result>(found.value));
      break;
    case policy::Cache::Answer::wait:
      job.step = Step::sharing;
      sharing_[job.ticket] = &job;
      break;
    case policy::Cache::Answer::call:
      job.leads = true;
      break;
  }
}

void Calls::answer(Job& job, const StageCache::Value& value) {
  job.message().edit_metadata().result = value;
  finish(job, std::nullopt);
}

/// Its message is a copy that goes nowhere: it has no deadline but the stage's, and nobody waits for it.
void Calls::renew(const Job& job, Time now) {
  auto made = std::make_unique<Job>(copy_of(job.message()));
  if (made->message().metadata()) made->message().edit_metadata().deadline.reset();
  made->ticket = next_ticket_++;
  made->key = job.key;
  made->leads = true;
  made->toll = job.toll;
  made->circuit = job.circuit;
  if (common_.deadline) made->deadline = now + *common_.deadline;
  set_deadline(*made);
  renewing_.push_back(std::move(made));
  seek(*renewing_.back());
}

/// The one that called for all who wait for the answer is over.
void Calls::end_flight(Job& job) {
  if (!std::exchange(job.leads, false)) return;
  auto& answers = cache_->answers();
  const auto* metadata = job.message().metadata();
  const bool personal = metadata && metadata->result && sets_cookies(*metadata->result);
  if (!job.failed && !job.gone && !personal) {
    StageCache::Value value = metadata ? metadata->result : nullptr;
    if (!value) value = std::make_shared<const message::Result>();
    for (const auto ticket : cache_->brought(job.key, value, core_.now())) answer(take_sharer(ticket), value);
    if (answers.evicted() != std::exchange(evicted_, answers.evicted()) && forgetting_.happens()) forgetting_.say();
  } else if (job.failed && of_the_other_side(*job.failed)) {
    for (const auto ticket : answers.failed(job.key, core_.now())) {
      Job& sharer = take_sharer(ticket);
      if (metadata && metadata->result && !personal) sharer.message().edit_metadata().result = metadata->result;
      finish(sharer, job.failed);
    }
  } else if (const auto next = answers.gave_up(job.key)) {
    // What failed it was its own: the next one asks for itself.
    Job& other = take_sharer(*next);
    other.leads = true;
    seek(other);
  }
  if (job.own && job.failed && job.failed->reason != Reason::stopped) {
    context_.log(observe::Level::warn, "an answer could not be renewed", {{"why", job.failed->text}});
  }
}

Job& Calls::take_sharer(std::uint64_t ticket) {
  const auto found = sharing_.find(ticket);
  Job& job = *found->second;
  sharing_.erase(found);
  return job;
}

// ---------------------------------------------------------------------------------------------------- tokens, workers

void Calls::enter(policy::Turnstile& gate, std::uint64_t ticket, Job& job, Time now) {
  if (ticket == job.ticket) job.step = Step::waiting;
  waiting_[ticket] = {&job, now};
  gate.enter(ticket, job.toll.key, job.toll.cost, now, now + limit_->config().max_wait);
}

void Calls::move_on() {
  if (stopping_) return;
  const Time now = core_.now();
  while (!rung_.empty()) {
    Job& job = *rung_.front();
    rung_.pop_front();
    if (job.deadline && *job.deadline <= now && job.step != Step::calling && !job.fails_with) {
      fail_in_turn(job, message::deadline_passed());
    } else if (job.step == Step::in_line) {
      if (!job.has_lane) continue;  // It has failed already, and will when it is its turn.
      job.step = Step::queued;
      go_on(job, now);
    } else if (job.step == Step::pausing) {
      again(job, now);
    } else if (job.step == Step::calling) {
      hedge(job, now);
    }
  }
  std::erase_if(renewing_, [](const auto& job) { return job->is_over(); });
  if (!held_.empty()) release_held(now);
  if (limit_) pass_gates(now);
  while (free_workers() > 0 && !queued_.empty()) {
    Job& job = *queued_.front();
    queued_.pop_front();
    work(job);
  }
}

void Calls::pass_gates(Time now) {
  // Those who try again have a worker already and come first.
  pass(*again_gate_, static_cast<std::size_t>(-1), now);
  pass(*gate_, free_workers(), now);
  auto due = again_gate_->due();
  const auto first = free_workers() > 0 ? gate_->due() : std::nullopt;
  if (limit_->config().by) {
    tell_load();
  } else if (now >= paused_until_ && (due || first) && limited_.happens()) {
    limited_.say({{"because", limit_->config().text()}});
  }
  if (const auto next = free_workers() > 0 ? first : gate_->next_end()) {
    due = std::min(*next, due.value_or(Time::max()));
  }
  // One that rings too early only looks again; to set it anew for each token costs more than the token.
  if (!due || (gate_due_ && *gate_due_ <= *due)) return;
  gate_due_ = *due;
  gate_alarm_ = core_.alarm(*due, [this] {
    gate_due_.reset();
    wake_();
  });
}

void Calls::pass(policy::Turnstile& gate, std::size_t most, Time now) {
  const auto through = gate.let_through(now, most);
  for (const auto ticket : through.late) {
    Job& job = leave(ticket, now);
    if (ticket != job.ticket) {
      job.second.reset();
    } else {
      finish(job, not_again(job, waited_long()));
    }
  }
  for (const auto ticket : through.admitted) {
    Job& job = leave(ticket, now);
    if (ticket != job.ticket) {
      job.second.reset();
      start_second(job, now);
    } else if (job.working) {
      call(job);
    } else {
      work(job);
    }
  }
}

Job& Calls::leave(std::uint64_t ticket, Time now) {
  const auto found = waiting_.find(ticket);
  Job& job = *found->second.job;
  limit_wait_ += now - found->second.since;
  waiting_.erase(found);
  return job;
}

/// It waits no longer, for whatever it is.
void Calls::withdraw(Job& job, Time now) {
  switch (job.step) {
    case Step::in_line:
      std::erase(lanes_.find(job.lane)->second, &job);
      break;
    case Step::sharing:
      cache_->answers().leave(job.key, job.ticket);
      sharing_.erase(job.ticket);
      break;
    case Step::waiting:
      (job.working ? *again_gate_ : *gate_).leave(job.ticket);
      leave(job.ticket, now);
      break;
    case Step::queued:
      std::erase(queued_, &job);
      break;
    case Step::held:
      std::erase(held_, &job);
      break;
    case Step::calling:
    case Step::pausing:
    case Step::over:
      break;
  }
}

/// Where it has failed before, that stays why it failed, with what was answered.
Failure Calls::not_again(Job& job, Failure why) {
  if (!job.failed) return why;
  Failure first = std::move(*job.failed);
  first.text += " (and not tried again: " + why.text + ")";
  return first;
}

Failure Calls::waited_long() const {
  Failure why = limit_->refused(core_.now(), std::nullopt);
  why.text += ", and it has waited for " + config::show(limit_->config().max_wait);
  return why;
}

void Calls::tell_load() {
  const auto machine = limit_->bucket().machine();
  if (!machine || machine->busy == was_busy_) return;
  was_busy_ = machine->busy;
  context_.log(was_busy_ ? observe::Level::warn : observe::Level::info,
               was_busy_ ? "the machine is too busy: nothing begins" : "the machine bears more again",
               {{"by", runtime::word(*limit_->config().by)}, {"load", machine->load}});
}

/// A worker takes it.
void Calls::work(Job& job) {
  const Time now = core_.now();
  if (limit_ && !waits_at_gate()) {
    const auto until = limit_->bucket().take(job.toll.key, job.toll.cost, now);
    if (limit_->config().by) tell_load();
    if (until) {
      if (!limit_->config().by && turned_away_.happens()) turned_away_.say({{"because", limit_->config().text()}});
      job.dropped = drops_early();
      return finish(job, limit_->refused(now, *until));
    }
  }
  count(now);
  ++calling_;
  if (adaptive_) adaptive_->began(calling_);
  job.working = true;
  call(job);
}

// ------------------------------------------------------------------------------------------------------------ calling

/// It has its token and its worker.
void Calls::call(Job& job) {
  const Time now = core_.now();
  if (expired_) return finish(job, message::engine_stopped());
  const bool too_late = job.deadline && *job.deadline <= now;
  if (breaker_ && !job.permit && !too_late) job.permit = breaker_->circuits().admit(job.circuit, now);
  if (too_late || (breaker_ && !job.permit)) {
    if (limit_) limit_->bucket().give_back(job.toll.key, job.toll.cost, now);
    if (too_late) return finish(job, message::deadline_passed());
    if (!breaker_->holds()) return finish(job, not_again(job, breaker_->refused(job.circuit, now)));
    return hold(job);
  }
  if (!call_) return finish(job, std::nullopt);
  if (job.failed) {
    ++retries_;
    if (retrying_.happens()) retrying_.say({{"because", job.failed->text}});
    if (!asks_to_wait(*job.failed)) ++job.attempt;
    job.failed.reset();
    job.message().forget_result();
  }
  if (retry_budget_ && job.attempt == 1) retry_budget_->called();
  if (hedge_budget_) hedge_budget_->called();
  job.step = Step::calling;
  if (job.attempt > 1) job.message().edit_metadata().attempt = job.attempt;
  start(job, std::exchange(job.permit, std::nullopt), false, now);
  if (hedge_budget_ && call_->may_be_doubled(job.message())) {
    job.alarm = core_.alarm(now + common_.hedge->after, [this, raw = &job] { ring(*raw); });
  }
}

void Calls::start(Job& job, std::optional<policy::Breaker::Permit> permit, bool hedges, Time now) {
  // Of two at once each works on a message of its own, since the one that is given up may still write to it.
  Batch::Pointer own = hedge_budget_ ? copy_of(job.message()) : nullptr;
  job.attempts.push_back(std::make_unique<Attempt>(job.message(), std::move(own), permit, hedges));
  Attempt& attempt = *job.attempts.back();
  std::optional<Time> until;
  if (common_.timeout && (!job.deadline || now + *common_.timeout < *job.deadline)) until = now + *common_.timeout;
  attempt.begin(core_, *call_, until, [this, of = &job, raw = &attempt](std::exception_ptr fault) {
    raw->parted() ? parted(*raw) : end(*of, *raw, fault);
  });
}

void Calls::time_is_over(Job& job) {
  if (job.step != Step::calling) return ring(job);
  for (const auto& attempt : job.attempts) attempt->cut_off();
}

/// The first call has taken long enough for a second beside it.
void Calls::hedge(Job& job, Time now) {
  if (expired_ || job.attempts.size() != 1 || job.second || !hedge_budget_->take(now)) return;
  if (!limit_) return start_second(job, now);
  if (!waits_at_gate()) {
    if (!limit_->bucket().take(job.toll.key, job.toll.cost, now)) start_second(job, now);
    return;
  }
  job.second = next_ticket_++;
  enter(*again_gate_, *job.second, job, now);
}

/// It has its token.
void Calls::start_second(Job& job, Time now) {
  if (expired_) return;
  const bool too_late = job.deadline && *job.deadline <= now;
  std::optional<policy::Breaker::Permit> permit;
  if (breaker_ && !too_late) permit = breaker_->circuits().admit(job.circuit, now);
  if (too_late || (breaker_ && !permit)) {
    if (limit_) limit_->bucket().give_back(job.toll.key, job.toll.cost, now);
    return;
  }
  ++hedges_;
  if (hedging_.happens()) hedging_.say({{"longer_than", config::show(common_.hedge->after)}});
  start(job, permit, true, now);
}

/// One that has not begun.
void Calls::give_up_second(Job& job, Time now) {
  job.alarm.reset();
  std::erase(rung_, &job);  // It may have rung: nobody is to take that for the end of another wait.
  if (!job.second) return;
  again_gate_->leave(*job.second);
  leave(*job.second, now);
  job.second.reset();
}

/// Its calls that are still under way go on without it, to their end.
void Calls::part(Job& job, Time now) {
  for (auto& attempt : job.attempts) {
    attempt->part();
    if (const auto permit = attempt->take_permit()) breaker_->circuits().withdrawn(job.circuit, *permit, now);
    parted_.push_back(std::move(attempt));
  }
  job.attempts.clear();
}

void Calls::parted(Attempt& attempt) {
  std::erase_if(parted_, [&attempt](const auto& other) { return other.get() == &attempt; });
  wake_();
}

/// The breaker is open. It keeps its worker: what comes after it would find the breaker open too.
void Calls::hold(Job& job) {
  job.step = Step::held;
  held_.push_back(&job);
  arm_held();
}

void Calls::release_held(Time now) {
  std::vector<Job*> still;
  std::vector<Job*> free;
  for (Job* const job : held_) {
    job->permit = breaker_->circuits().admit(job->circuit, now);
    (job->permit ? free : still).push_back(job);
  }
  held_ = std::move(still);
  for (Job* const job : free) {
    if (limit_) {
      enter(*again_gate_, job->ticket, *job, now);
    } else {
      call(*job);
    }
  }
  arm_held();
}

void Calls::arm_held() {
  std::optional<Time> due;
  for (const Job* const job : held_) {
    if (const auto when = breaker_->circuits().opens_again(job->circuit, core_.now())) {
      due = std::min(due.value_or(Time::max()), *when);
    }
  }
  held_alarm_.reset();
  if (due) held_alarm_ = core_.alarm(*due, [this] { wake_(); });
}

/// Of an alarm, in which it must not be destroyed: the rest is done by move_on().
void Calls::ring(Job& job) {
  rung_.push_back(&job);
  wake_();
}

// ------------------------------------------------------------------------------------------------------------- ending

void Calls::end(Job& job, Attempt& attempt, std::exception_ptr fault) {
  const Time now = core_.now();
  const auto at = std::find_if(job.attempts.begin(), job.attempts.end(),
                               [&attempt](const auto& other) { return other.get() == &attempt; });
  const auto ended = std::move(*at);
  job.attempts.erase(at);
  message::Done failed = ended->outcome(fault, job.deadline && *job.deadline <= now, common_.timeout);
  const runtime::Duration took = now - ended->began();
  context_.out.counters().duration.observe(std::chrono::duration<double>(took).count());
  if (adaptive_) adapt(*ended, failed, now);
  if (const auto permit = ended->take_permit()) breaker_->judge(job.circuit, *permit, failed, took, now);
  if (failed && limit_ && failed->retry_after) {
    const Time until = now + *failed->retry_after;
    limit_->bucket().pause(job.toll.key, now, until);
    if (pausing_.happens()) pausing_.say({{"for", config::show(*failed->retry_after)}, {"because", failed->text}});
    paused_until_ = std::max(paused_until_, until);
  }
  if (failed && !job.attempts.empty()) return;  // The other one may still bring something.
  give_up_second(job, now);
  if (ended->has_own()) job.message().edit_metadata().result = ended->result();
  if (!failed) {
    hedges_won_ += ended->hedges();
    part(job, now);
    return finish(job, std::nullopt);
  }
  job.failed = std::move(failed);
  if (!stopping_ && !expired_ && common_.retry && pause(job, now)) return wake_();
  failed = std::move(job.failed);
  finish(job, std::move(failed));
}

void Calls::adapt(const Attempt& attempt, const message::Done& failed, Time now) {
  count(now);
  if (!failed) {
    adaptive_->succeeded(now - attempt.began(), now);
  } else if (failed->may_pass || message::transient(failed->reason)) {
    const auto before = adaptive_->limit();
    adaptive_->pushed_back(now);
    if (adaptive_->limit() < before && pushed_back_.happens()) {
      pushed_back_.say({{"workers", adaptive_->limit()}, {"because", failed->text}});
    }
  }
}

/// Whether it is to be tried again, after a pause that has begun.
bool Calls::pause(Job& job, Time now) {
  const stage::RetryConfig& retry = *common_.retry;
  if (!retry.again_after(*job.failed)) return false;
  const bool asked_to_wait = asks_to_wait(*job.failed);
  if (!asked_to_wait) {
    if (job.attempt >= retry.attempts) return false;
    if (!retry_budget_->take(now)) {
      if (spent_.happens()) spent_.say({{"because", job.failed->text}});
      job.failed->text += " (and not tried again: the retry budget is used up)";
      return false;
    }
  }
  if (!job.backoff) job.backoff.emplace(retry.backoff.from, retry.backoff.to);
  const runtime::Duration wait = asked_to_wait ? std::max(*job.failed->retry_after, retry.backoff.from)
                                               : job.backoff->next(core_.random().fraction());
  const Time when = now + wait;
  if (job.deadline && *job.deadline <= when) return false;
  if (asked_to_wait) {
    job.left_alone += wait;
    if (job.left_alone > left_alone_most) {
      job.failed->text += " (and asks for more than " + config::show(left_alone_most) + " of patience)";
      return false;
    }
  }
  job.step = Step::pausing;
  job.alarm = core_.alarm(when, [this, raw = &job] { ring(*raw); });
  return true;
}

void Calls::again(Job& job, Time now) {
  job.alarm.reset();
  if (limit_) {
    enter(*again_gate_, job.ticket, job, now);
  } else {
    call(job);
  }
}

void Calls::finish(Job& job, message::Done failed) {
  const Time now = core_.now();
  job.step = Step::over;
  job.alarm.reset();
  job.deadline_alarm.reset();
  std::erase(rung_, &job);
  job.failed = std::move(failed);
  if (job.failed) job.failed->attempts = std::max(job.failed->attempts, job.attempt);
  if (job.permit) breaker_->circuits().withdrawn(job.circuit, *std::exchange(job.permit, std::nullopt), now);
  if (std::exchange(job.working, false)) {
    count(now);
    --calling_;
  }
  end_flight(job);
  leave_lane(job);
  wake_();
}

void Calls::abandon() {
  const Time now = core_.now();
  for (const auto& job : jobs_) {
    const bool begun = job->working || job->step == Step::over;
    if (begun) continue;
    withdraw(*job, now);
    job->gone = true;
    finish(*job, std::nullopt);
  }
}

void Calls::expire() {
  if (std::exchange(expired_, true)) return;
  for (const auto& job : jobs_) {
    if (job->step == Step::over) continue;
    if (job->step == Step::calling) {
      for (const auto& attempt : job->attempts) attempt->stop();
    } else {
      fail_in_turn(*job, message::engine_stopped());
    }
  }
  wake_();
}

void Calls::stop() {
  stopping_ = true;
  gate_alarm_.reset();
  gate_due_.reset();
  held_alarm_.reset();
  const auto end = [](const std::unique_ptr<Job>& job) {
    job->alarm.reset();
    job->deadline_alarm.reset();
    for (const auto& attempt : job->attempts) attempt->stop();
  };
  std::for_each(jobs_.begin(), jobs_.end(), end);
  std::for_each(renewing_.begin(), renewing_.end(), end);
}

bool Calls::running() const {
  const auto calls = [](const std::unique_ptr<Job>& job) { return !job->attempts.empty(); };
  return !parted_.empty() || std::any_of(jobs_.begin(), jobs_.end(), calls) ||
         std::any_of(renewing_.begin(), renewing_.end(), calls);
}

// ------------------------------------------------------------------------------------------------------------ figures

/// Before the number of workers that are taken changes, and before it is asked for.
void Calls::count(Time now) {
  outside_ += (now - std::exchange(counted_until_, now)) * static_cast<std::int64_t>(calling_);
}

runtime::Duration Calls::outside(Time now) {
  count(now);
  return std::exchange(outside_, runtime::Duration{0});
}

void Calls::show(observe::StageSnapshot& cells) const {
  const Time now = core_.now();
  cells.workers = static_cast<std::int64_t>(workers());
  if (breaker_) {
    cells.breaker = std::string(word(breaker_->circuits().worst(now)));
    cells.breaker_not_closed = static_cast<std::int64_t>(breaker_->circuits().not_closed(now));
    if (breaker_->keyed()) cells.breaker_overflowed = breaker_->circuits().overflowed();
  }
  if (limit_) {
    cells.limit_waiting = static_cast<std::int64_t>(gate_->waiting() + again_gate_->waiting());
    cells.limit_wait_s = std::chrono::duration<double>(limit_wait_).count();
    limit_->show(cells, now);
  }
  if (retry_budget_) cells.retries = retries_;
  if (hedge_budget_) {
    cells.hedges = hedges_;
    cells.hedges_won = hedges_won_;
  }
  if (cache_) {
    using Answer = policy::Cache::Answer;
    const auto& answers = cache_->answers();
    auto& shown = cells.cache.emplace();
    shown.fresh = answers.answered(Answer::fresh);
    shown.stale = answers.answered(Answer::stale);
    shown.miss = answers.answered(Answer::call);
    shown.shared = answers.answered(Answer::wait);
    shown.evicted = answers.evicted();
    shown.entries = static_cast<std::int64_t>(answers.entries());
    shown.bytes = static_cast<std::int64_t>(answers.bytes());
  }
}

}  // namespace weir::graph
