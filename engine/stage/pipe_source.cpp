// A child that stays and prints messages.
#include "engine/policy/backoff.hpp"
#include "engine/stage/pipe.hpp"

namespace weir::stage {
namespace {

/// A child that stays, from its start to its end. Only its standard output waits for anybody: it is read when all that
/// was read before has been sent on.
class Staying final : public io::WatchedChild {
 public:
  Staying(const Pipe& pipe, Source& source, std::string_view input)
      : WatchedChild(source.core, source.out.counters(), pipe.command, input),
        pipe_(pipe),
        source_(source),
        framer_(pipe.framing, output_bytes_most),
        errors_(source),
        asked_(core_),
        read_at_(core_.now()) {}

  std::string told() const { return io::describe_end(pipe_.command.argv.front(), *exit_, errors_.tail()); }
  std::string_view errors() const { return errors_.tail(); }

 private:
  /// Until it has ended and all it said is sent on, or nobody listens any more.
  Task<> through() override {
    look_after();
    bool group_ended = false;
    std::optional<Time> mute_since;
    while (true) {
      const bool more = put_out();
      co_await source_.flush();
      if (source_.abandoned()) co_return;
      if (more) continue;
      if (!framer_.wrong().empty()) co_return refuse_stream();
      if (exit_ && !output_open_ && !errors_open_ && framer_.ended() && !errors_.pending()) co_return;
      if (exit_ && !group_ended) {
        group_ended = true;
        end_group();
      }
      if (ask()) continue;
      if (errors_.pending()) news_.wake();
      bool news = true;
      if (exit_ && !given_up_) {
        news = co_await news_.wait_until(core_.now() + patience);
      } else if (!exit_ && !output_open_ && !told_of_silence_) {
        if (!mute_since) mute_since = core_.now();
        co_await news_.wait_until(*mute_since + patience);
        if (!exit_ && *mute_since + patience <= core_.now()) tell_of_silence();
      } else {
        co_await news_.wait();
      }
      source_.waited_outside();
      if (!news) give_up();
      take_in();
    }
  }
  /// Nothing more can come of it, and it lives on: it may have something to do yet.
  void tell_of_silence() {
    told_of_silence_ = true;
    source_.log(observe::Level::warn, "the child has closed its output and lives on: it is waited for");
  }
  Task<> part(bool broken_off) override {
    if (!exit_) co_await persuade();
    take_in();
    // What was read is not lost: no more than one arena of it.
    while (broken_off) {
      const auto said = framer_.next();
      if (!said) break;
      put(*said);
    }
  }
  /// True: there is more to put out than could be.
  bool put_out() {
    while (!reading()) {
      if (source_.full()) return true;
      const auto said = framer_.next();
      if (!said) break;
      put(*said);
    }
    errors_.put_out();
    return false;
  }
  void put(const io::Line& said) {
    if (!said.too_long) {
      source_.out.emit_shared(main_port, framer_.arena(), said.bytes, read_at_);
      return;
    }
    source_.refuse(said.bytes, too_long(said));
  }
  /// Nobody knows where the next message would begin.
  void refuse_stream() { source_.refuse({}, broken(framer_)); }
  bool reading() const { return !into_.empty() || read_ > 0; }
  /// True: there is more to put out already.
  bool ask() {
    if (reading() || !output_open_) return false;
    into_ = framer_.space();
    // Without a turn of the reader's as long as there is something.
    const auto count = child_->read_output_now(into_);
    if (!count) {
      asked_.wake();
      return false;
    }
    read_ = *count;
    take_in();
    return true;
  }
  void take_in() {
    if (read_ > 0) {
      framer_.filled(std::exchange(read_, 0));
      read_at_ = core_.now();
      into_ = {};
    } else if (!output_open_) {
      into_ = {};
      framer_.end();
    }
  }
  void give_up() {
    tell_output_is_held(source_);
    given_up_ = true;
    output_open_ = errors_open_ = false;
  }
  Task<> read_output() override {
    const io::Ends ends(output_open_, news_);
    while (true) {
      while (into_.empty() || read_ > 0) co_await asked_.wait();
      const std::size_t count = co_await child_->read_output(into_);
      if (count == 0) co_return;
      read_ = count;
      news_.wake();
    }
  }
  std::span<char> error_space() override { return errors_.space(); }
  void errors_came(std::size_t count) override {
    errors_.came(count);
    if (errors_.pending()) news_.wake();
  }

  const Pipe& pipe_;
  Source& source_;
  io::Framer framer_;
  ChildErrors errors_;
  runtime::Waiter asked_;
  std::span<char> into_;  // Where the next read shall put its bytes: asked for, or not taken in yet;
  std::size_t read_ = 0;  // and how many it put there.
  Time read_at_;          // When the last of them came.
  bool given_up_ = false;
  bool told_of_silence_ = false;
};

}  // namespace

Task<> read_pipe(const Pipe& pipe, Source& source) {
  const std::string input = pipe.input ? pipe.input->text() : std::string();
  std::optional<policy::Backoff> backoff;
  if (pipe.restart) backoff.emplace(pipe.restart->from, pipe.restart->to);
  for (bool first = true;; first = false) {
    std::unique_ptr<Staying> child;
    std::string end;
    try {
      child = std::make_unique<Staying>(pipe, source, input);
    } catch (const std::system_error& error) {
      if (first) refuse_to_start(pipe.command, error);
      end = not_started(pipe.command, error).text;
    }
    if (child) {
      co_await child->finish();
      if (source.abandoned()) co_return;
      if (child->exit()) end = child->told();
      if (!backoff) {
        const bool failed = child->exit() && !is_ok(pipe.ok, *child->exit());
        const std::string_view said = child->errors();
        if (failed) source.refuse_result(said, Failure(Reason::exit, end), result_of(*child, said));
        co_return;
      }
      if (child->ran() / 10 >= pipe.restart->from) backoff->reset();
      child.reset();
    }
    co_await source.sleep(pause_before_restart(source, *backoff, end));
    if (source.abandoned()) co_return;
    ++source.out.counters().child_restarts;
  }
}

}  // namespace weir::stage
