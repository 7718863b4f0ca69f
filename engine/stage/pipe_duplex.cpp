// Children that stay and take messages: as a transform where they answer, as a sink where they do not.
#include <algorithm>
#include <memory>

#include "engine/policy/backoff.hpp"
#include "engine/script/text.hpp"
#include "engine/stage/common.hpp"
#include "engine/stage/talking_child.hpp"

namespace weir::stage {
namespace {

constexpr std::size_t held_bytes_most = 16 * 1024 * 1024;  // Of all that wait for an answer; one more is always taken.
constexpr std::size_t write_bytes = 64 * 1024;
constexpr auto surplus =
    "the child answered more than it was asked: answers before this one may stand with the wrong messages";
constexpr Duration told_silent_after = std::chrono::seconds(30);

/// A message that came and has no verdict yet.
struct Asked {
  Asked(std::shared_ptr<Delivery> delivery, std::size_t at)
      : in(std::move(delivery)), row(at), bytes((*in)->payload(at).size()) {}
  std::shared_ptr<Delivery> in;  // Null once it has its verdict.
  std::size_t row;
  std::size_t bytes;
  std::string input;  // What the child gets, where that is not the payload.
  std::unique_ptr<Failure> failed;
  int attempts = 0;
  bool over = false;                  // It may have its verdict.
  std::vector<std::uint64_t> behind;  // Of its key: they failed before they were given, and have theirs right after it.

  Message message() const { return Message(**in, row); }
};

/// All of them, and the messages between.
class Children final : public Workplace {
 public:
  Children(const Pipe& of, Duplex& stage) : Workplace(of, stage) {
    const auto& common = *duplex.common;
    if (pipe.input) duplex.compile(input_.emplace(), *pipe.input);
    if (common.order.key) duplex.compile(key_.emplace(), *common.order.key);
    if (common.merge) duplex.compile(merge_.emplace(), *common.merge);
    kept_ = common.order == Order::kept;
    if (!key_) {
      for (std::int64_t i = 0; i < common.workers; ++i) workers_.push_back(std::make_unique<Worker>(duplex.core));
    }
  }

  Task<> run() {
    duplex.on_flush = [this] {
      flushed_at_ = duplex.core.now();
      look_at_all();
      wake();
    };
    duplex.answered = [this] { return first_; };
    duplex.on_drain = [this] {
      for (const auto& worker : workers_) {
        if (worker->child) worker->child->hurry();
      }
    };
    duplex.on_expire = [this] { expire(); };
    io::Beside beside(duplex.core);
    std::exception_ptr leaving;
    try {
      beside.start(guard(take_in()));
      for (const auto& worker : workers_) start(beside, *worker);
      if (key_) beside.start(guard(hire(beside)));
      co_await serve();
    } catch (...) {
      leaving = std::current_exception();
    }
    duplex.on_flush = nullptr;
    duplex.answered = nullptr;
    duplex.on_drain = nullptr;
    duplex.on_expire = nullptr;
    const std::exception_ptr fault = co_await beside.end();
    if (!leaving) leaving = fault;
    if (leaving) std::rethrow_exception(leaving);
  }

  // --- what a child asks and tells -----------------------------------------------------------------------------------

  void wake() override { news_.wake(); }
  std::optional<Duration> timeout() const override { return answers() ? duplex.common->timeout : std::nullopt; }
  bool hurries() const override { return answers() && duplex.drains; }
  std::optional<Time> flushed_at(const Worker& worker) const override {
    const bool all_given = worker.given > 0 && worker.given == worker.asked.size();
    if (!answers() || !all_given) return std::nullopt;
    if (flushed_at_ || !key_waits_since_) return flushed_at_;
    // One is enough for a key that waits.
    const bool silent_longest = std::none_of(workers_.begin(), workers_.end(), [&](const auto& other) {
      return other->given > 0 && other->waits_since < worker.waits_since;
    });
    return silent_longest ? key_waits_since_ : std::nullopt;
  }
  bool all_given(const Worker& worker) const override { return all_in_ && worker.given == worker.asked.size(); }
  std::size_t frame(Worker& worker, std::string& bytes) override {
    std::size_t frames = 0;
    for (; worker.given < worker.asked.size() && bytes.size() < write_bytes; ++worker.given, ++frames) {
      if (worker.given == 0) worker.waits_since = duplex.core.now();
      const Asked& asked = at(worker.asked[worker.given]);
      io::append_frame(pipe.framing, input_ ? std::string_view(asked.input) : asked.message().text(), bytes);
    }
    return frames;
  }
  void took(Worker& worker, std::size_t frames) override {
    if (answers()) return;
    worker.answered = true;
    for (; frames > 0 && !worker.asked.empty(); --frames) end(release(worker));
    wake();
  }
  void time_over(Worker& worker) override {
    fail(release(worker), Failure(Reason::timeout, "it took longer than " + config::show(*timeout())));
    worker.blamed = true;
    wake();
  }

 private:
  Asked& at(std::uint64_t number) { return asked_[static_cast<std::size_t>(number - first_)]; }
  std::uint64_t newest() const { return first_ + asked_.size() - 1; }
  /// The worker's oldest message is none of its any more. Its number.
  std::uint64_t release(Worker& worker) {
    const std::uint64_t number = worker.asked.front();
    worker.asked.pop_front();
    if (worker.given > 0) --worker.given;
    if (!worker.asked.empty() || !worker.keyed) return number;
    worker.idle_since = duplex.core.now();
    room_.wake();  // A key may wait for it.
    if (worker.child) worker.child->look();
    return number;
  }
  /// It may have its verdict, and so may those of its key that waited for that.
  void end(std::uint64_t number) {
    Asked& asked = at(number);
    asked.over = true;
    if (kept_) return;
    ready_.push_back(number);
    for (const std::uint64_t next : asked.behind) end(next);
  }
  void fail(std::uint64_t number, Failure why) {
    at(number).failed = std::make_unique<Failure>(std::move(why));
    end(number);
  }
  void expire() {
    expired_ = true;
    for (const auto& worker : workers_) {
      worker->cut_short |= !worker->asked.empty();
      while (!worker->asked.empty()) fail(release(*worker), message::engine_stopped());
    }
    room_.wake();
    wake();
  }
  void look_at_all() {
    for (const auto& worker : workers_) {
      if (worker->child) worker->child->look();
    }
  }
  /// A fault in one of the coroutines beside is the stage's.
  Task<> guard(Task<> body) {
    try {
      co_await std::move(body);
    } catch (const runtime::Stopped&) {
      throw;
    } catch (...) {
      if (!fault_) fault_ = std::current_exception();
      wake();
    }
  }

  // --- messages come in ----------------------------------------------------------------------------------------------

  Task<> take_in() {
    while (true) {
      auto delivery = co_await duplex.receive();
      if (!delivery) break;
      flushed_at_.reset();
      const auto in = std::make_shared<Delivery>(std::move(*delivery));
      const std::size_t rows = (*in)->size();
      for (std::size_t row = 0; row < rows; ++row) {
        const std::size_t bytes = (*in)->payload(row).size();
        while (!abandoned_ && !asked_.empty() &&
               (asked_.size() >= pipe.unanswered || held_bytes_ + bytes > held_bytes_most)) {
          room_wanted_ = true;
          watch_for_silence();
          co_await room_.wait();
        }
        room_wanted_ = false;
        if (abandoned_) {
          duplex.out.drop_rest(**in, row, Dropped::gone);
          wake();
          break;
        }
        if (const auto key = add(in, row)) {
          Worker* worker = nullptr;
          while (!abandoned_ && !expired_ && !(worker = worker_of(*key))) {
            if (!key_waits_since_) key_waits_since_ = duplex.core.now();
            look_at_all();
            co_await room_.wait();
          }
          key_waits_since_.reset();
          if (worker) give(*worker, newest());
          if (!worker && !abandoned_) {
            fail(newest(), message::engine_stopped());
            wake();
          }
        }
      }
      in->release_all();  // They are with the children now, and counted there.
    }
    all_in_ = true;
    for (const auto& worker : workers_) {
      if (worker->child) worker->child->tell();
      worker->news.wake();
    }
    hiring_.wake();
    wake();
  }

  /// Nothing more is taken in until something is answered: a child that waits for more before it answers never will.
  void watch_for_silence() {
    if (silence_ || !answers()) return;
    silence_ = duplex.core.alarm(duplex.core.now() + told_silent_after, [this, before = answers_] {
      if (answers_ != before || !room_wanted_) return silence_.reset();
      duplex.log(
          observe::Level::warn,
          "nothing was answered for " + config::show(told_silent_after) +
              ", and no more is given meanwhile: a child that never answers wants `reply: none`, one that answers "
              "only after more messages, or keeps its answers back, a larger `unanswered`",
          {{"unanswered", asked_.size()}});
    });
  }

  /// Takes note of a message. Its key, empty where there are none; nothing: it has failed already.
  std::optional<std::string> add(const std::shared_ptr<Delivery>& in, std::size_t row) {
    Asked& asked = asked_.emplace_back(in, row);
    const Message message = asked.message();
    held_bytes_ += asked.bytes;
    std::string key;
    message::Done failure;
    const auto* metadata = message.metadata();
    if (metadata && metadata->deadline && *metadata->deadline <= duplex.core.now()) {
      failure = message::deadline_passed();
    }
    if (!failure && expired_) failure = message::engine_stopped();
    if (!failure && merge_ && duplex.common->on_error != OnError::pass) failure = merge_->foreseen(message);
    if (!failure && input_) failure = input_->fill(message, asked.input);
    // Its key is wanted though it has failed: it leaves behind what of that came earlier.
    message::Done keyless = key_ ? key_->fill(message, key) : std::nullopt;
    const bool has_key = !keyless;
    if (!failure) failure = std::move(keyless);
    if (!failure) failure = check(message, asked.input);
    if (!failure) return key;
    Worker* const before = has_key ? holder_of(key) : nullptr;
    if (before && !before->asked.empty()) {
      asked.failed = std::make_unique<Failure>(std::move(*failure));
      at(before->asked.back()).behind.push_back(newest());
    } else {
      fail(newest(), std::move(*failure));
      wake();
    }
    return std::nullopt;
  }
  /// Whether it can be framed.
  message::Done check(const Message& message, std::string& input) {
    if (io::fits(pipe.framing, input_ ? std::string_view(input) : message.text())) return std::nullopt;
    if (pipe.framing != io::Framing::lines) return Failure(Reason::size, "it is too long for a frame");
    if (!input_ && message.batch().is_json(message.row())) {
      // Line breaks of JSON are white space.
      std::string text(message.text());
      std::replace(text.begin(), text.end(), '\n', ' ');
      message.replace(text);
      return std::nullopt;
    }
    return Failure(Reason::type, "it holds a line break, and to the child a line is a message");
  }

  Worker* holder_of(const std::string& key) const {
    const auto has = [&](const auto& worker) { return worker->keyed && worker->key == key; };
    const auto found = std::find_if(workers_.begin(), workers_.end(), has);
    return found == workers_.end() ? nullptr : found->get();
  }
  /// Who gets the next message: of a key always the same, as long as that has any of it. Null: nobody yet.
  Worker* worker_of(const std::string& key) {
    if (!key_) return least_busy();
    if (Worker* const holder = holder_of(key)) return holder;
    Worker* free = nullptr;
    for (const auto& worker : workers_) {
      const bool idle = worker->asked.empty();
      if (idle && (!free || worker->idle_since < free->idle_since)) free = worker.get();
    }
    if (workers_.size() < static_cast<std::size_t>(duplex.common->workers)) {
      workers_.push_back(std::make_unique<Worker>(duplex.core));
      free = workers_.back().get();
      hiring_.wake();
    }
    if (!free) return nullptr;
    // The child of another key sees the end of its input first.
    if (free->child && free->keyed) free->child->close();
    free->key = key;
    free->keyed = true;
    return free;
  }
  Worker* least_busy() {
    Worker* best = nullptr;
    for (const auto& worker : workers_) {
      const auto worse = [](const Worker& one, const Worker& other) {
        if (!one.child != !other.child) return !one.child;
        return one.asked.size() > other.asked.size();
      };
      if (!best || worse(*best, *worker)) best = worker.get();
    }
    return best;
  }
  void give(Worker& worker, std::uint64_t number) {
    const bool first = worker.asked.empty();
    worker.asked.push_back(number);
    if (worker.child && worker.child->let_go()) worker.child->close();  // The next one has it.
    if (worker.child) worker.child->tell();
    if (!first) return;
    if (worker.child) worker.child->look();
    worker.news.wake();
  }

  // --- children live and end -----------------------------------------------------------------------------------------

  void start(io::Beside& beside, Worker& worker) {
    ++living_;
    beside.start(guard(live(worker)));
  }
  /// A worker for each key that finds none free.
  Task<> hire(io::Beside& beside) {
    for (std::size_t hired = 0;;) {
      for (; hired < workers_.size(); ++hired) start(beside, *workers_[hired]);
      if (all_in_) co_return;
      co_await hiring_.wait();
    }
  }

  bool finished(const Worker& worker) const { return all_in_ && worker.asked.empty(); }

  Task<> live(Worker& worker) {
    const Living living(*this);
    policy::Backoff backoff(pipe.restart->from, pipe.restart->to);
    for (bool at_once = !key_;;) {
      while (!at_once && worker.asked.empty() && !all_in_) co_await worker.news.wait();
      // One that was never needed is started all the same: it may have something to say, or be missing.
      if (finished(worker) && (started_ || key_)) co_return;
      std::string because;
      worker.given = 0;
      worker.blamed = worker.answered = worker.cut_short = false;
      try {
        worker.child = std::make_unique<TalkingChild>(*this, worker);
        started_ = true;
      } catch (const std::system_error& error) {
        if (!started_) refuse_to_start(pipe.command, error);
        because = not_started(pipe.command, error).text;
      }
      bool needed = true;
      if (worker.child) {
        co_await worker.child->finish();
        const std::unique_ptr<TalkingChild> child = std::move(worker.child);
        because = told(*child);
        const bool as_told = child->closes() || (child->let_go() && worker.asked.empty());
        if (finished(worker) || as_told) judge(worker, *child, because);
        if (finished(worker) || abandoned_) co_return;
        if (child->ran() / 10 >= pipe.restart->from || worker.answered || worker.blamed) backoff.reset();
        needed = !as_told && !(worker.keyed && worker.asked.empty());
        const bool mute =
            child->let_go() && child->exit() && is_ok(pipe.ok, *child->exit()) && answers() && !worker.answered;
        blame(worker, because, mute);
      }
      wake();
      at_once = needed;
      if (!needed) continue;
      co_await duplex.core.sleep(pause_before_restart(duplex, backoff, because));
      if (finished(worker)) co_return;
      ++duplex.out.counters().child_restarts;
    }
  }
  /// How long it lasts, however it ends.
  class Living {
   public:
    explicit Living(Children& all) : all_(all) {}
    Living(const Living&) = delete;
    Living& operator=(const Living&) = delete;
    ~Living() {
      --all_.living_;
      all_.wake();
    }

   private:
    Children& all_;
  };

  std::string told(const TalkingChild& child) const {
    std::string text = child.ended_because();
    if (child.exit()) {
      const auto end = io::describe_end(pipe.command.argv.front(), *child.exit(), child.errors.tail());
      text += (text.empty() ? "" : ": ") + end;
    }
    return text;
  }
  /// At the end of everything: who never answers tells only by this whether all went well.
  void judge(const Worker& worker, const TalkingChild& child, const std::string& because) {
    if (abandoned_ || !child.exit() || is_ok(pipe.ok, *child.exit())) return;
    if (!answers()) return duplex.refuse(child.errors.tail(), Failure(Reason::exit, because));
    const char* const what = worker.cut_short
                                 ? "the child had not answered all when the drain was over, and ended badly"
                                 : "the child has answered all and ended badly";
    duplex.log(observe::Level::warn, what, {{"because", because}});
  }
  /// The message whose turn it was may have killed the child; where it does so again and again, it fails. Where the
  /// child was `mute` up to the end of its input, all that it was given fail at once: another one would say no more.
  void blame(Worker& worker, const std::string& because, bool mute) {
    if (worker.blamed || worker.given == 0 || worker.asked.empty()) return;
    if (!mute && ++at(worker.asked.front()).attempts < pipe.attempts) return;
    for (std::size_t given = mute ? worker.given : 1; given > 0 && !worker.asked.empty(); --given) {
      const std::uint64_t number = release(worker);
      Failure why(Reason::exit, because);
      why.text += mute ? ", having answered nothing up to the end of its input; one that may leave out an answer is "
                         "written with `reply: free`"
                       : ", and it was this message's turn each of " + std::to_string(at(number).attempts) + " times";
      fail(number, std::move(why));
    }
  }

  // --- what they say -------------------------------------------------------------------------------------------------

  Task<> serve() {
    while (true) {
      const bool all_out = put_out();
      co_await duplex.flush();
      if (fault_) std::rethrow_exception(fault_);
      if (duplex.abandoned() && !abandoned_) give_up();
      if (!all_out) continue;
      if (all_in_ && asked_.empty() && living_ == 0) co_return;
      for (const auto& worker : workers_) {
        if (worker->child && listens()) worker->child->listen();
      }
      co_await news_.wait();
      duplex.waited(!asked_.empty());
    }
  }

  /// False: the output was full before all was out.
  bool put_out() {
    if (!settle()) return false;  // Of a key what ended before anything else of it is heard.
    for (const auto& worker : workers_) {
      TalkingChild* const child = worker->child.get();
      if (!child) continue;
      if (child->errors.pending()) {
        child->errors.put_out();
        if (child->errors.pending()) return false;
        child->look();
      }
      if (child->said() && !hear(*worker, *child)) return false;
    }
    return settle();
  }
  bool hear(Worker& worker, TalkingChild& child) {
    while (true) {
      if (duplex.out.full()) return false;
      const auto said = child.framer.next();
      if (!said) break;
      if (child.useless()) continue;
      if (pipe.reply == Reply::free) {
        emit(child, *said);
      } else if (!answer(worker, *said)) {
        child.end("it answered more than it was asked", true);
        if (!expired_) duplex.refuse(said->bytes, Failure(Reason::decode, surplus));
      }
    }
    if (!child.framer.wrong().empty() && child.ended_because().empty()) {
      child.end(child.framer.wrong(), true);
      if (!answers()) {
        duplex.refuse({}, broken(child.framer));
      } else if (child.framer.announced_too_much() && worker.given > 0) {
        worker.blamed = true;
        fail(release(worker), broken(child.framer));
      }
    }
    child.heard();
    return true;
  }
  void emit(TalkingChild& child, const io::Line& said) {
    if (said.too_long) return duplex.refuse(said.bytes, too_long(said));
    duplex.out.emit_shared(main_port, child.framer.arena(), said.bytes, child.read_at());
  }
  /// False: nobody asked.
  bool answer(Worker& worker, const io::Line& said) {
    if (worker.given == 0) return false;
    const std::uint64_t number = release(worker);
    const Asked& asked = at(number);
    worker.answered = true;
    ++answers_;
    worker.waits_since = worker.child->read_at();
    if (key_waits_since_) look_at_all();  // Another may be the one that is silent the longest.
    if (said.too_long) {
      worker.blamed = true;
      worker.child->end("an answer is longer than 16MiB", true);
      fail(number, too_long(said));
      return true;
    }
    if (merge_) {
      auto result = std::make_shared<message::Result>();
      result->text = said.bytes;
      asked.message().edit_metadata().result = std::move(result);
    } else {
      asked.message().forget_result();
      asked.message().replace(said.bytes);
    }
    end(number);
    if (!kept_) settle();
    return true;
  }

  /// Verdicts, the oldest first, or in the order in which they may have them. False: the output was full before all
  /// that may had theirs.
  bool settle() {
    for (; !ready_.empty(); ready_.pop_front()) {
      if (duplex.out.full()) return false;
      verdict(at(ready_.front()));
    }
    while (!asked_.empty() && asked_.front().over) {
      if (asked_.front().in) {
        if (duplex.out.full()) return false;
        verdict(asked_.front());
      }
      asked_.pop_front();
      ++first_;
      if (room_wanted_) room_.wake();
    }
    return true;
  }
  void verdict(Asked& asked) {
    Output& out = duplex.out;
    const Message message = asked.message();
    const std::shared_ptr<Delivery> in = std::move(asked.in);
    const std::size_t row = asked.row;
    Batch& batch = **in;
    held_bytes_ -= asked.bytes;
    out.mark(batch, row);
    if (asked.failed) {
      message.forget_result();
      asked.failed->attempts = std::max(asked.failed->attempts, asked.attempts);
      if (duplex.common->on_error != OnError::pass) return out.fail(message, std::move(*asked.failed));
      out.note_failure(message, std::move(*asked.failed));
    }
    if (merge_) {
      // (As of a call: what a child that failed did not bring is no second failure.)
      if (auto wrong = merge_->set(message, asked.failed != nullptr)) return out.fail(message, std::move(*wrong));
    }
    if (pipe.reply != Reply::free || asked.failed) return out.pass(message);
    out.absorb(batch, row);
    batch.done(row);
  }

  /// Nobody wants what they would say.
  void give_up() {
    abandoned_ = true;
    duplex.close();
    for (auto& asked : asked_) {
      if (asked.in) duplex.out.drop(asked.message(), Dropped::gone);
    }
    first_ += asked_.size();
    asked_.clear();
    ready_.clear();
    held_bytes_ = 0;
    for (const auto& worker : workers_) {
      worker->asked.clear();
      worker->given = 0;
      if (worker->child) worker->child->end("nobody reads what it says", false);
      worker->news.wake();
    }
    room_.wake();
  }

  std::optional<script::Text> input_, key_;
  std::optional<script::Fields> merge_;
  bool kept_ = true;
  bool expired_ = false;  // The time to answer in is over.
  std::vector<std::unique_ptr<Worker>> workers_;
  std::deque<Asked> asked_;  // In the order of coming.
  std::uint64_t first_ = 0;  // Its first one's number.
  // Where the order of coming is not kept: those that are over, until they have their verdict. Of a key in its order.
  std::deque<std::uint64_t> ready_;
  std::size_t held_bytes_ = 0;
  std::size_t living_ = 0;  // Workers that have not ended.
  bool room_wanted_ = false;
  std::uint64_t answers_ = 0;                // So far.
  std::unique_ptr<runtime::Alarm> silence_;  // Set while it is looked for; it is told of once.
  std::optional<Time> flushed_at_;
  std::optional<Time> key_waits_since_;  // For a worker, and all that came before is with the children.
  bool all_in_ = false, started_ = false, abandoned_ = false;
  std::exception_ptr fault_;
  runtime::Waiter room_{duplex.core};  // Of who takes in.
  runtime::Waiter news_{duplex.core};  // Of who puts out.
  runtime::Waiter hiring_{duplex.core};
};

}  // namespace

Task<> run_pipe(const Pipe& pipe, Duplex& duplex) {
  Children children(pipe, duplex);
  co_await children.run();
}

}  // namespace weir::stage
