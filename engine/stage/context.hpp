// What a running stage has at hand.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/flow/channel.hpp"
#include "engine/message/group.hpp"
#include "engine/message/outcome.hpp"
#include "engine/observe/log.hpp"
#include "engine/runtime/core.hpp"
#include "engine/script/compile_error.hpp"
#include "engine/stage/output.hpp"

namespace weir::script {
class Engine;
}

namespace weir::stage {

struct Common;
struct StateConfig;

using flow::Delivery;
using runtime::Duration;
using runtime::Task;
using runtime::Time;

/// A stage can't go on: what it was built on is broken. Leaves the stage as an exception; only the supervisor catches.
class Fault : public std::exception {
 public:
  explicit Fault(std::string why) : why_(std::move(why)) {}
  const char* what() const noexcept override { return why_.c_str(); }

 private:
  std::string why_;
};

/// What every stage may touch. Lives as long as the stage's instance on its core; that core's thread only.
class Context {
 public:
  Context(runtime::Core& on, Output& output, std::string of, std::function<script::Engine&()> scripts)
      : core(on), out(output), pipeline(std::move(of)), scripts_(std::move(scripts)) {}
  virtual ~Context() = default;  // A unit owns its stages' contexts by this type, a sink's Driver among them.
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  runtime::Core& core;
  Output& out;
  const std::string pipeline;
  const std::string& name() const noexcept { return out.stage(); }
  const StateConfig* state = nullptr;  ///< Where the stage has a `state`.
  std::optional<Duration> timeout;     ///< How long one call may take. Of a stage that calls the engine sees to it.
  /// Where calls have a limit: for one that asks twice, of which the limit knows once. Takes the tokens, and returns
  /// the time before which it must not. Else null.
  std::function<Time(const Message&)> ask_twice;
  /// Where a `gather` waits for what this stage makes: its groups; and of a `gather` those that it waits for.
  std::shared_ptr<message::Groups> opens, gathers;
  /// The lists are a source's own: what is sent again comes when its list has left, so that nothing is to be gained by
  /// it.
  bool gathers_once = false;
  std::function<void()> wake;  ///< Has tick() called soon, of a kind that collects. Any thread, while the stage lives.
  /// The program's, on which what the stage holds for others draws (semantics 10). Null: nobody counts.
  flow::Budget* memory = nullptr;

  /// The Lua state of this pipeline on this core; made when first asked for.
  script::Engine& engine() { return scripts_(); }
  /// Compiles code of the configuration into a member of the stage. It was checked when the file was: an error now is
  /// a Fault.
  template <class Compiled, class... Code>
  void compile(Compiled& compiled, const Code&... code) {
    if (auto error = compiled.compile(engine(), code...)) refuse(*error);
  }
  /// One line in the log, with pipeline and stage.
  void log(observe::Level level, std::string_view message, std::initializer_list<observe::Field> more = {});

 private:
  [[noreturn]] static void refuse(const script::CompileError& error);
  std::function<script::Engine&()> scripts_;
};

/// What a source has besides. Its coroutine emits, flushes when full, and returns when it has read everything; then the
/// engine waits for the acks. When the program drains, whatever the coroutine awaits throws runtime::Stopped: let it
/// pass, what was emitted is not lost.
class Source : public Context {
 public:
  using Context::Context;

  /// Puts a message out by the main port. Suspends nobody: look at full() after it.
  Message emit(std::string_view payload) { return out.emit(main_port, payload, core.now()); }
  Message emit_shared(const message::ArenaRef& arena, std::string_view payload) {
    return out.emit_shared(main_port, arena, payload, core.now());
  }
  bool full() const noexcept { return out.full(); }
  /// Sends on what was emitted and waits for credit. Call it when full, and before waiting for anything outside.
  virtual Task<> flush() = 0;
  /// The time as it was read last: after flush(), sleep_until() or waited_outside() just now. For what is emitted soon
  /// after it, since another reading costs as much as the message.
  virtual Time clock() const noexcept = 0;
  /// Flushes, then waits.
  Task<> sleep_until(Time when);
  Task<> sleep(Duration time) { return sleep_until(core.now() + time); }
  /// What was read can't become a message. It leaves by `.failed` or `any.failed` with these bytes, or is counted and
  /// logged where nobody listens.
  virtual void refuse(std::string_view bytes, Failure why) = 0;
  /// The same where something was called: who hears of the failure has what it brought. Null: nothing.
  void refuse_result(std::string_view bytes, Failure why, std::shared_ptr<const message::Result> result);
  /// The time since the last flush was spent waiting for the outside, not computing. For the figures only.
  virtual void waited_outside() {}
  /// Whether nobody downstream takes anything any more: then return.
  virtual bool abandoned() const noexcept = 0;

  // A source that goes on where it was when weir is started again cuts what it emits into stretches. It writes down how
  // far a stretch came only once that has been answered for good: done, heard by who takes failures, or lost and told.
  // What was only stopped is not answered.
  /// Ends one stretch and begins the next. The first is number 1. Flush before it.
  virtual std::uint64_t end_stretch() = 0;
  /// All stretches up to this one have been answered; 0: none.
  virtual std::uint64_t stretches_answered() = 0;
  /// A stage behind it keeps messages unanswered until more have come, or may do so, as a child that stays does with
  /// what it prints: whoever waits for the answers before it emits more may wait for ever.
  virtual bool batched() const { return false; }
  /// Called once all has been answered, before the stage ends; also when it drains. It is not called when the drain
  /// time runs out. It outlives the source's coroutine, so it owns what it needs.
  std::function<Task<>()> before_end;
  /// Called last of all, however the stage ends, by force too: whatever the source has opened is to be closed when it
  /// returns. It waits only where no stop interrupts it (runtime::Waiter::wait_through), and not for long; it owns what
  /// it needs.
  std::function<Task<>()> at_end;
  /// Where the stage has a limit or a deadline: of what is about to be emitted. It sets the deadline and says why the
  /// message is turned away, if it is. See enters().
  std::function<message::Done(const std::shared_ptr<message::Metadata>& metadata, std::string_view payload)> on_entry;
  /// What a source that listens asks of each message before it emits it.
  message::Done enters(const std::shared_ptr<message::Metadata>& metadata, std::string_view payload) const {
    return on_entry ? on_entry(metadata, payload) : std::nullopt;
  }
  std::string data = "./weir-data";  ///< Folder for what is kept on disk (`run: {data}`).

  /// What all that is read now carries, refused or not: `meta.file`, where many files are read. Null: nothing.
  std::shared_ptr<message::Metadata> origin;
  void sign(const Message& made) const {
    if (origin) made.batch().share_metadata(made.row(), origin);
  }

  /// For the progress line: bytes read of all there are, where the source knows.
  std::uint64_t read_bytes = 0;
  std::uint64_t all_bytes = 0;
};

/// What a driver with an input has besides: a sink, or a stage that waits for the outside.
class Driver : public Context {
 public:
  using Context::Context;

  /// The next batch; none: all inputs have ended. Before it waits it flushes. Each row gets its verdict by `out`; the
  /// credits go back when the delivery is destroyed, so keep it until the rows are done with.
  virtual Task<std::optional<Delivery>> receive() = 0;
  /// A batch that is there already, to be worked off together with what receive() brought. None: what comes next, if
  /// anything, has to wait for that.
  virtual std::optional<Delivery> receive_more() = 0;
  /// The same, once others on this core have had a few turns to bring it. None as well where it is stopped.
  virtual Task<std::optional<Delivery>> receive_soon() = 0;
  virtual Task<> flush() = 0;
  /// This stage takes nothing any more: upstream ends. Return after it.
  virtual void close() = 0;

  /// Called when a source upstream has read everything for now: bring everything that was received to its end, then
  /// return. Left empty, flush() is all there is to do.
  std::function<Task<>()> on_flush;
};

/// What a stage has whose input and output do not depend on each other. One of its coroutines, or several in turn, take
/// in what comes; another gives the rows their verdicts and puts out what the outside says. Neither waits for what the
/// other waits for, so whoever answers late, or only after many, locks nothing.
class Duplex : public Context {
 public:
  using Context::Context;

  // The coroutine that takes in.
  /// The next batch; none: all inputs have ended. Waits for nothing else. The places on the edge go back when the
  /// delivery lets go of them: when the outside has its messages, not when it has answered.
  virtual Task<std::optional<Delivery>> receive() = 0;

  // The coroutine that puts out.
  /// Sends on what was put out and waits for credit. Also to be called after `on_flush`.
  virtual Task<> flush() = 0;
  /// The time since the last flush was spent waiting: for the outside, or for input.
  virtual void waited(bool outside) = 0;
  /// What the outside said can't become a message, or no message is to blame. It leaves by `.failed` or `any.failed`
  /// with these bytes, or is counted and logged where nobody listens.
  virtual void refuse(std::string_view bytes, Failure why) = 0;

  /// Whether nobody downstream takes anything any more: then close(), give what is held its verdict, and go on until
  /// receive() says that it is over.
  virtual bool abandoned() const noexcept = 0;
  /// This stage takes nothing any more: upstream ends.
  virtual void close() = 0;

  const Common* common = nullptr;  ///< The keys that it has in common with others.
  /// Called when a source upstream has read everything for now: flush() is to be called, soon, and again whenever
  /// answered() has risen.
  std::function<void()> on_flush;
  /// The program drains. Called when that begins; `drains` from then on.
  std::function<void()> on_drain;
  /// The stage's to fill in; called when the time of the drain is over: what has no verdict fails (engine_stopped), and
  /// so does what still comes.
  std::function<void()> on_expire;
  bool drains = false;
  /// How many of the messages that came, in the order of coming, have their verdict, and all that came before them.
  std::function<std::uint64_t()> answered;
};

/// A stage that answers one message at a time from outside, many at once (`workers`). The engine gives it its
/// concurrency, order, timeout, merge and on_error. One instance for each stage; `call` runs many times at once.
class Call {
 public:
  virtual ~Call() = default;
  /// Once, before the first message, where it is really called and not faked: throws what is missing outside, which the
  /// first message would find otherwise.
  virtual void look_outside() {}
  /// Calls outside and puts what came into the message's metadata as `result`. Failed: the reason. Stopped out of a
  /// co_await (its time is over, or the program stops): let it pass and leave nothing running.
  virtual Task<message::Done> call(Message message) = 0;
  /// What call() would send for the message, without sending it: `weir test` asks for it, in place of a call. Failed:
  /// as call() would, before anything is sent. A kind that does not tell sends the payload.
  virtual message::Done compose(const Message& message, std::string& sent) {
    sent = message.text();
    return std::nullopt;
  }
  /// Whether what the call for the message brings may be given to others that ask the same (`cache`).
  virtual bool may_be_remembered(const Message&) const { return true; }
  /// Whether the call for the message may be made twice at once (`hedge`).
  virtual bool may_be_doubled(const Message&) const { return true; }
};

}  // namespace weir::stage
