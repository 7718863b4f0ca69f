// A source and what is fused behind it: opens tokens, hears acks, sends again, knows when all is done.
#include <algorithm>
#include <atomic>
#include <deque>

#include "engine/graph/episode.hpp"
#include "engine/graph/policed.hpp"
#include "engine/graph/unit.hpp"
#include "engine/message/asker.hpp"
#include "engine/runtime/wait.hpp"

namespace weir::graph {
namespace {

using message::Failure;
using message::Message;
using message::Token;
using message::TokenOwner;
using stage::Batch;
using stage::Port;

/// The stretches that a source cuts its messages into, and how many tokens of each are still open. A token that may
/// hold rows of several belongs to the oldest.
class Stretches {
 public:
  /// The stretch of a token that is opened now.
  std::uint64_t open() noexcept {
    ++open_[static_cast<std::size_t>(oldest_unsent_ - first_)];
    return oldest_unsent_;
  }
  void close(std::uint64_t stretch) noexcept { --open_[static_cast<std::size_t>(stretch - first_)]; }
  /// Rows of an older stretch are emitted again.
  void go_back_to(std::uint64_t stretch, bool unsent) noexcept {
    if (!unsent) oldest_unsent_ = now_;
    oldest_unsent_ = std::min(oldest_unsent_, stretch);
  }
  /// All that was emitted again has been sent.
  void come_back() noexcept { oldest_unsent_ = now_; }
  /// `unsent`: what was emitted before is not all in tokens yet.
  std::uint64_t end(bool unsent) {
    open_.push_back(0);
    ++now_;
    if (!unsent) oldest_unsent_ = now_;
    return now_ - 1;
  }
  std::uint64_t answered(bool unsent) noexcept {
    while (first_ < now_ && open_.front() == 0 && !(unsent && oldest_unsent_ <= first_)) {
      open_.pop_front();
      ++first_;
      oldest_unsent_ = std::max(oldest_unsent_, first_);
    }
    return first_ - 1;
  }

 private:
  std::uint64_t first_ = 1, now_ = 1, oldest_unsent_ = 1;
  std::deque<std::size_t> open_{0};  // Of the stretches first_ … now_.
};

class SourceUnit final : public Unit, private TokenOwner {
 public:
  SourceUnit(const UnitSetting& setting, const PlannedUnit& planned, runtime::Core& core)
      : Unit(setting, planned, core, 0), driver_(*this), any_port_(head().planned->ports.size() - 1) {
    stage = planned.stages.front();
    // 16 bits of chance keep the ids of two runs apart; below them the count.
    next_id_ = (core.random().next() & 0xffff) << 48;
    driver_.data = setting.plan->pipeline.run.data;
  }

  void prepare() override {
    equip(*head().planned, driver_);
    const auto& common = head().planned->common;
    if (common.limit) limit_.emplace(*common.limit, setting_.limit(*common.limit), driver_, true);
    if (common.limit || common.deadline) {
      driver_.on_entry = [this](const std::shared_ptr<message::Metadata>& metadata, std::string_view payload) {
        return enters(metadata, payload);
      };
    }
    Unit::prepare();
  }
  void drain() override {
    draining_ = true;
    if (is_running(body_)) body_->stop();
  }
  void expire() override {
    expired_ = true;
    to_replay_.wake();
  }
  void reader_closed() override {
    look_for_readers();
    if (!abandoned()) return;
    if (is_running(body_)) body_->stop();
    to_replay_.wake();
  }
  void retire() noexcept override {
    over_ = true;
    deadline_alarm_.reset();
    spent_alarm_.reset();
    limited_.retire();
    // What was put out and never sent has no token; of everything else the tokens tell.
    for (Port port = 0; port <= any_port_; ++port) {
      while (auto batch = head().output->collect(port)) {
        if (!batch->token(0)) left_ += batch->size();
      }
    }
    Unit::retire();
  }
  std::uint64_t left() noexcept override {
    collect_acks();
    for (const auto& open : failed_) left_ += rows_failed(*open);
    failed_.clear();
    return std::exchange(left_, 0);
  }

  void snapshot(std::vector<observe::StageSnapshot>& stages) override {
    const std::size_t first = stages.size();
    collect_acks();
    Unit::snapshot(stages);
    stages[first].ack_pending = static_cast<std::int64_t>(open_ + held_);
    stages[first].ack_replayed = replayed_;
    if (limit_) limit_->show(stages[first], core_.now());
  }
  std::optional<std::pair<std::uint64_t, std::uint64_t>> progress() const override {
    if (driver_.all_bytes == 0) return std::nullopt;
    return std::pair(driver_.read_bytes, driver_.all_bytes);
  }

 private:
  class SourceDriver final : public stage::Source {
   public:
    explicit SourceDriver(SourceUnit& unit)
        : Source(unit.core_, *unit.head().output, unit.setting_.plan->pipeline.name,
                 [&unit]() -> script::Engine& { return unit.setting_.scripts(unit.core_); }),
          unit_(unit) {}
    runtime::Task<> flush() override { return unit_.flush(); }
    runtime::Time clock() const noexcept override { return unit_.clock(); }
    void waited_outside() override { unit_.spent(observe::State::outside); }
    void refuse(std::string_view bytes, Failure why) override { unit_.refuse(bytes, std::move(why)); }
    bool abandoned() const noexcept override { return unit_.abandoned(); }
    bool batched() const override { return unit_.batched(); }
    std::uint64_t end_stretch() override { return unit_.stretches_.end(unit_.unsent()); }
    std::uint64_t stretches_answered() override {
      unit_.collect_acks();
      return unit_.stretches_.answered(unit_.unsent());
    }

   private:
    SourceUnit& unit_;
  };

  /// A batch that was sent and has not been answered.
  struct Open : Token {
    Open(TokenOwner& owner, std::uint64_t id, std::uint32_t rows) : Token(owner, id, rows) {}
    message::Retained kept;
    std::int64_t bytes = 0;   ///< Of the payloads that are kept.
    bool last = false;        ///< Sent as a failure: if that fails too, it is over.
    std::size_t handled = 0;  ///< Of its failures: sent again, or on.
    std::uint64_t stretch = 0;
    bool stopped = false;                   ///< A failure of it was only a stop: what stands here is to be read again.
    std::shared_ptr<message::Asker> asker;  ///< Of its one message, where the source listens; until it has ended.
    bool asked = false;                     ///< There was one: what failed has been told to somebody.
    bool succeeded = false;                 ///< Whoever asked was told so.
    runtime::Time entered{};                ///< Where nothing of it is kept.
    runtime::Time again_at{};               ///< When what failed of it is sent again, or on.
    Open* next = nullptr;
  };

  static bool is_running(const std::unique_ptr<runtime::Coroutine>& coroutine) {
    return coroutine && coroutine->running();
  }

  runtime::Task<> run() override {
    std::exception_ptr leaving;
    try {
      co_await read_and_answer();
    } catch (...) {
      leaving = std::current_exception();
    }
    over_ = true;
    if (is_running(body_)) body_->stop();
    if (is_running(replayer_)) replayer_->stop();
    while (is_running(body_) || is_running(replayer_)) co_await helper_ended_.wait_through();
    if (driver_.at_end) co_await driver_.at_end();
    if (leaving) std::rethrow_exception(leaving);
  }

  runtime::Task<> read_and_answer() {
    if (!draining_) {
      body_ = core_.spawn(head().planned->configured.run_source(driver_), [this](std::exception_ptr fault) {
        if (fault) body_fault_ = fault;
        body_ended_.set();
        helper_ended_.wake();
      });
      co_await body_ended_.wait();
    }
    if (body_fault_) std::rethrow_exception(body_fault_);
    // Everything has been read. What is held back downstream is let go, and what fails is sent again, until all is
    // answered (semantics 19).
    while (true) {
      const auto before = rounds_;
      {
        auto pass = co_await gate_.enter();
        co_await pump();
        co_await pass_flush(flow::Mark::all_read);
      }
      while (collect_acks(), open_ > 0 && rounds_ == before) co_await wait_for_ack();
      while (replayer_ && replayer_->running()) co_await replayer_ended_.wait();
      if (body_fault_) std::rethrow_exception(body_fault_);
      if (collect_acks(), open_ == 0 && (failed_.empty() || leaves_failed())) break;
    }
    if (driver_.before_end) co_await driver_.before_end();
    send_mark(flow::Mark::end);
    spent(observe::State::busy);
  }

  runtime::Task<> flush() {
    // Whoever collects may hold one message of each open batch, and wait for more than may be read: then nobody would
    // go on. So a source that has to wait asks them to let go, once, and again when it has sent something again.
    for (std::optional<std::uint64_t> asked; collect_acks(), has_enough_open();) {
      if (asked != rounds_) send_mark(flow::Mark::flush);
      asked = rounds_;
      spent(observe::State::busy);
      co_await wait_for_ack();
      spent(observe::State::backpressured);
    }
    {
      auto pass = gate_.try_enter();
      if (!pass) {
        auto in_turn = co_await gate_.enter();
        pass.emplace(std::move(in_turn));
      }
      read_clock();
      begin_batch();
      if (!work_off()) co_await catch_up();
    }
    // What was answered already gives its arenas back before the source fills the next one: it gets the one that is
    // still in the cache.
    collect_acks();
    end_batch();
    spent_until_clock(observe::State::busy);
    if (turn_is_over()) co_await yield_turn();
    if (abandoned()) throw runtime::Stopped();  // The source might sleep next, for as long as it likes.
  }

  bool batched() const {
    const auto& plan = *setting_.plan;
    const auto is_this = [this](const PlannedStage& planned) { return &planned == nodes_.front()->planned; };
    for (std::size_t i = 0; i < plan.stages.size(); ++i) {
      const auto& behind = plan.stages[i].configured;
      const bool keeps = behind.collects_most > 0 || behind.shape == stage::Shape::duplex;
      if (keeps && plan.any_up_to(i, is_this)) return true;
    }
    return false;
  }

  /// So many, or so large, that it reads no more until some are answered: it keeps them all, to send them again.
  /// Whoever gathers a list of a source's own waits for the whole of it, however large.
  bool has_enough_open() {
    const bool bounded = head().planned->configured.group_most == 0;
    return open_ + held_ >= setting_.options.unacked_most ||
           (bounded && open_bytes_ + held_bytes_ > setting_.memory->most());
  }

  void admit(Batch& batch, Port port) override {
    if (!setting_.options.acks) return;
    if (listens_) return admit_each(batch, port);
    Open& token = open(static_cast<std::uint32_t>(batch.size()), port);
    batch.retain(token.kept);
    token.retains(token.kept);
    token.came_from(batch.lines());
    token.bytes = static_cast<std::int64_t>(batch.live_bytes());
    open_bytes_ += token.bytes;
    batch.open(&token, token.first_id());
  }

  message::Done enters(const std::shared_ptr<message::Metadata>& metadata, std::string_view payload) {
    const runtime::Time now = core_.now();
    if (limit_) {
      const auto batch = Batch::make();
      const std::size_t row = batch->append(payload, now);
      batch->share_metadata(row, metadata);
      auto toll = limit_->toll(Message(*batch, row));
      if (!toll) return std::move(toll.failure());
      if (const auto until = limit_->bucket().take(toll->key, toll->cost, now)) {
        if (limited_.happens()) limited_.say({{"because", limit_->config().text()}});
        return limit_->refused(now, *until);
      }
    }
    if (const auto& time = head().planned->common.deadline) {
      metadata->deadline = now + *time;
      impatient_.emplace_back(*metadata->deadline, metadata->asker);
      if (!std::exchange(deadline_set_, true)) arm_deadline();
    }
    return std::nullopt;
  }
  /// Who is not answered by then is told so, wherever the message is.
  void arm_deadline() {
    const runtime::Time due = impatient_.front().first;
    // Not replaced inside its own call: two take turns.
    std::swap(deadline_alarm_, spent_alarm_);
    deadline_alarm_ = core_.alarm(due, [this] { look_at_deadlines(); });
  }
  void look_at_deadlines() {
    const runtime::Time now = core_.now();
    while (!impatient_.empty() && impatient_.front().first <= now) {
      const auto asker = impatient_.front().second.lock();
      impatient_.pop_front();
      if (asker) asker->fail(message::deadline_passed());
    }
    while (!impatient_.empty() && impatient_.front().second.expired()) impatient_.pop_front();
    deadline_set_ = !impatient_.empty();
    if (deadline_set_) arm_deadline();
  }

  /// Who asked is answered when his own message is done, so each has a token. Nothing of it is kept: who has been told
  /// that it failed is not there any more when it is tried again.
  void admit_each(Batch& batch, Port port) {
    for (std::size_t row = 0; row < batch.size(); ++row) {
      Open& token = open(1, port);
      const auto* metadata = batch.metadata(row);
      token.asker = metadata ? metadata->asker : nullptr;
      token.asked = token.asker != nullptr;
      token.succeeded = false;
      token.entered = batch.entered(row);
      batch.set_identity(row, token.first_id(), &token);
    }
  }

  Open& open(std::uint32_t rows, Port port) {
    Open* token = nullptr;
    if (spare_.empty()) {
      token = new Open(*this, next_id_, rows);
    } else {
      token = spare_.back().release();
      spare_.pop_back();
      token->reopen(next_id_, rows);
    }
    token->bytes = 0;
    token->stretch = stretches_.open();
    token->stopped = false;
    token->last = port == stage::failed_port || port == any_port_;
    next_id_ += rows;
    open_ += rows;
    return *token;
  }

  void completed(Token& token) noexcept override {
    auto& open = static_cast<Open&>(token);
    const bool failed = !open.failures().empty();  // Pushed, it is the source's, who may delete it at once.
    if (const auto asker = std::move(open.asker)) {
      open.succeeded = asker->succeeded();
      // Mostly told already: of what failed at once, and of what is done by a reply.
      if (failed) {
        asker->fail(open.failures().front().failure);
      } else if (const auto* const why = open.shed_why()) {
        asker->fail(*why);
      } else {
        asker->done();
      }
    }
    Open* top = answered_.load(std::memory_order_relaxed);
    do open.next = top;
    while (!answered_.compare_exchange_weak(top, &open, std::memory_order_seq_cst, std::memory_order_relaxed));
    // Successes are collected when the source comes by; it is only woken when it waits, or has something to send again.
    if ((wanted_.load(std::memory_order_seq_cst) || failed) && !over_) {
      core_.post([this] { hear(); });
    }
  }

  void hear() {
    collect_acks();
    heard_.set();
  }

  runtime::Task<> wait_for_ack() {
    wanted_.store(true, std::memory_order_seq_cst);
    if (answered_.load(std::memory_order_seq_cst) == nullptr) co_await heard_.wait();
    wanted_.store(false, std::memory_order_relaxed);
  }

  /// Takes in what has been answered. Failures go to failed_, and a coroutine that sends them again.
  void collect_acks() {
    // Mostly there is none, and to look is cheaper than to take.
    Open* open = answered_.load(std::memory_order_relaxed);
    if (open) open = answered_.exchange(nullptr, std::memory_order_seq_cst);
    while (open) {
      Open* next = open->next;
      open_ -= open->rows();
      open_bytes_ -= open->bytes;
      if (open->failures().empty()) {
        stretches_.close(open->stretch);
        open->kept.clear();
        if (spare_.size() < spare_most) {
          spare_.emplace_back(open);
        } else {
          delete open;
        }
      } else if (over_) {
        left_ += rows_failed(*open);
        delete open;
      } else if (open->last) {
        for (const auto& row : open->failures()) lost(row, *open);
        close(*open);
        delete open;
      } else {
        open->again_at = pause_of(*open);
        held_ += open->rows();
        held_bytes_ += open->bytes;
        failed_.push_back(std::unique_ptr<Open>(open));
        to_replay_.wake();
      }
      open = next;
    }
    if (!failed_.empty() && !leaves_failed() && !is_running(replayer_) && !over_ && !body_fault_) {
      replayer_ = core_.spawn(replay(), [this](std::exception_ptr fault) {
        if (fault) {
          body_fault_ = fault;
          if (is_running(body_)) body_->stop();  // Or nobody would hear of it while it waits.
        }
        replayer_ended_.set();
        helper_ended_.wake();
        hear();  // What failed since its last look found it still running, and nobody else may come by for long.
      });
    }
  }

  /// There is no time to send anything again, and nobody who reads failures: they are left.
  bool leaves_failed() {
    const auto& output = *head().output;
    return expired_ && !listens_ && !output.heard(stage::failed_port) && !output.heard(any_port_);
  }

  /// Until when what failed of it waits. What may pass is not gone a moment later: the pause is that of a `retry` of
  /// which nothing is said, but without chance, and at least what the other side asked for.
  runtime::Time pause_of(const Open& open) {
    runtime::Time until{};
    if (listens_) return until;
    const auto [least, most] = stage::RetryConfig().backoff;
    for (const auto& row : open.failures()) {
      const auto* metadata = open.kept.metadata(row.ordinal);
      const int attempt = metadata ? metadata->attempt : 1;
      if (!row.failure.may_pass || attempt >= attempts_) continue;
      runtime::Duration pause = least;
      for (int before = 1; before < attempt && pause < most; ++before) pause = std::min(2 * pause, most);
      const auto asked = row.failure.retry_after.value_or(runtime::Duration::zero());
      until = std::max(until, core_.now() + std::max(pause, std::min(asked, longest_pause)));
    }
    return until;
  }
  /// The first whose pause is over; at the end of the drain time, and where nobody takes anything more, any.
  std::deque<std::unique_ptr<Open>>::iterator due() {
    return std::find_if(failed_.begin(), failed_.end(), [this, now = core_.now()](const auto& open) {
      return open->again_at <= now || expired_ || abandoned();
    });
  }

  runtime::Task<> replay() {
    while (!failed_.empty() && !leaves_failed()) {
      if (due() != failed_.end()) {
        co_await replay_due();
        continue;
      }
      const auto first = std::min_element(failed_.begin(), failed_.end(), [](const auto& one, const auto& other) {
        return one->again_at < other->again_at;
      });
      co_await to_replay_.wait_until((*first)->again_at);
    }
  }

  /// Sends again what may pass, and the rest by `.failed` or `any.failed`.
  runtime::Task<> replay_due() {
    ++rounds_;
    auto pass = co_await gate_.enter();
    stage::Output& output = *head().output;
    read_clock();
    for (auto at = due(); at != failed_.end(); at = due()) {
      std::rotate(failed_.begin(), at, std::next(at));  // What fails meanwhile comes behind it.
      Open* const open = failed_.front().get();
      stretches_.go_back_to(open->stretch, unsent());
      const auto& failures = open->failures();
      while (open->handled < failures.size()) {
        // What one row became, as far as it failed.
        const auto begin = failures.begin() + static_cast<std::ptrdiff_t>(open->handled);
        const auto end =
            std::find_if(begin, failures.end(), [&](const auto& row) { return row.ordinal != begin->ordinal; });
        const auto& row = *begin;
        const auto* metadata = listens_ ? row.metadata.get() : open->kept.metadata(row.ordinal);
        const int attempt = metadata ? metadata->attempt : 1;
        const auto payload = listens_ ? std::string_view(row.payload) : open->kept.payload(row.ordinal);
        const auto entered = listens_ ? open->entered : open->kept.entered();
        const auto again = std::find_if(begin, end, [](const auto& failed) { return failed.failure.may_pass; });
        // (What is sent to nobody would be dropped, and so be done.)
        if (!listens_ && !expired_ && again != end && attempt < attempts_ && !abandoned()) {
          ++replayed_;
          const Message once_more = output.emit(stage::main_port, payload, entered);
          if (metadata) once_more.edit_metadata() = *metadata;
          auto& carried = once_more.edit_metadata();
          carried.attempt = attempt + 1;
          if (!carried.line) carried.line = open->line(open->first_id() + row.ordinal);
        } else if (output.heard(stage::failed_port)) {
          const Message failed = output.emit(stage::failed_port, payload, entered);
          if (metadata) failed.edit_metadata() = *metadata;
          failed.edit_metadata().failed = told(row.failure, attempt);
        } else {
          // Each goes as it was where it failed: nothing of what was made of the row is lost.
          for (auto each = begin; each != end; ++each, ++open->handled) {
            if (output.full()) co_await pump();
            if (!output.heard(any_port_)) {
              lost(*each, *open);
              continue;
            }
            const Message failed = output.emit(any_port_, each->payload, entered);
            const auto* const carried = each->metadata ? each->metadata.get() : metadata;
            if (carried) failed.edit_metadata() = *carried;
            failed.edit_metadata().failed = told(each->failure, attempt);
            tell_beyond(driver_, *each);
          }
        }
        open->handled = static_cast<std::size_t>(end - failures.begin());
        if (output.full()) co_await pump();
      }
      close(*open);
      held_ -= open->rows();
      held_bytes_ -= open->bytes;
      failed_.pop_front();
    }
    co_await pump();
    heard_.set();
    if (!unsent()) stretches_.come_back();
  }

  /// Rows of it of which something failed, and is not handled.
  static std::size_t rows_failed(const Open& open) {
    std::size_t rows = 0;
    const auto& failures = open.failures();
    for (std::size_t i = open.handled; i < failures.size(); ++i) {
      rows += i == open.handled || failures[i].ordinal != failures[i - 1].ordinal;
    }
    return rows;
  }
  /// All of it has been sent again, or on, or is lost.
  void close(const Open& open) noexcept {
    if (!open.stopped) stretches_.close(open.stretch);
  }
  bool unsent() { return head().output->pending(); }

  /// A failure of what was made of many says nothing of how often each of them was tried.
  static Failure told(Failure failure, int attempt) {
    failure.attempts = std::max(failure.attempts, attempt);
    return failure;
  }

  /// Read, but no message.
  void refuse(std::string_view bytes, Failure why) {
    stage::Output& output = *head().output;
    output.complete(why);
    auto& counters = output.counters();
    ++counters.errors[static_cast<std::size_t>(why.reason)];
    const auto asker = driver_.origin ? driver_.origin->asker : nullptr;
    const auto on_error = head().planned->common.on_error;
    if (on_error == stage::OnError::drop) {
      ++counters.created;
      counters.drop(observe::Dropped::configured, 1);
      if (asker) asker->done();
      return;
    }
    const Port port = on_error == stage::OnError::pass   ? stage::main_port
                      : output.heard(stage::failed_port) ? stage::failed_port
                                                         : any_port_;
    if (asker && port == any_port_) asker->fail(why);
    if (port == stage::main_port || output.heard(port)) {
      const Message failed = output.emit(port, bytes, core_.now());
      driver_.sign(failed);
      failed.edit_metadata().line = why.line;
      failed.edit_metadata().failed = std::move(why);
      return;
    }
    ++counters.created;
    ++counters.failed[static_cast<std::size_t>(why.reason)];
    if (!asker) tell_lost(driver_, why);
  }

  void lost(const message::FailedRow& row, Open& open) {
    const Failure& why = row.failure;
    open.stopped = open.stopped || why.reason == message::Reason::stopped;
    if (!open.asked || open.succeeded) {
      tell_lost(driver_, why);
      return tell_beyond(driver_, row);
    }
    // It reached somebody, who was told no more than a stranger may know.
    driver_.log(observe::Level::info, "a message failed and who asked was told",
                {{"failed_stage", why.stage}, {"why", why.text}});
  }

  SourceDriver driver_;
  const Port any_port_;
  const int attempts_ = static_cast<int>(head().planned->common.attempts.value_or(setting_.options.attempts));
  const bool listens_ = head().planned->configured.listens;
  std::optional<StageLimit> limit_;
  Episode limited_{driver_, observe::Level::info, "requests are refused by the limit",
                   "the limit refuses nothing any more"};
  std::deque<std::pair<runtime::Time, std::weak_ptr<message::Asker>>> impatient_;  // By their deadlines.
  std::unique_ptr<runtime::Alarm> deadline_alarm_, spent_alarm_;
  bool deadline_set_ = false;
  std::unique_ptr<runtime::Coroutine> body_, replayer_;
  std::exception_ptr body_fault_;
  flow::Event body_ended_{core_}, heard_{core_}, replayer_ended_{core_};
  runtime::Waiter helper_ended_{core_};
  flow::Gate gate_{core_};
  std::uint64_t next_id_ = 0;
  std::int64_t open_bytes_ = 0;
  std::uint64_t open_ = 0;
  std::int64_t held_bytes_ = 0;
  std::uint64_t held_ = 0;  // Of those in failed_.
  std::uint64_t replayed_ = 0;
  std::uint64_t rounds_ = 0;  // Of sending failures on: after each, what is held downstream is let go again.
  static constexpr runtime::Duration longest_pause = std::chrono::hours(1);  // Whatever the other side asks for.
  std::deque<std::unique_ptr<Open>> failed_;
  runtime::Waiter to_replay_{core_};  // Until one of them is due.
  Stretches stretches_;
  static constexpr std::size_t spare_most = 64;
  std::vector<std::unique_ptr<Open>> spare_;  // To be used again.
  alignas(64) std::atomic<Open*> answered_{nullptr};
  std::atomic<bool> wanted_{false};
  std::atomic<bool> over_{false};  // Nothing is sent again any more.
  bool draining_ = false, expired_ = false;
  std::uint64_t left_ = 0;

 public:
  ~SourceUnit() override {
    over_ = true;
    collect_acks();
  }
};

}  // namespace

std::unique_ptr<Unit> make_source_unit(const UnitSetting& setting, const PlannedUnit& planned, runtime::Core& core) {
  return std::make_unique<SourceUnit>(setting, planned, core);
}

}  // namespace weir::graph
