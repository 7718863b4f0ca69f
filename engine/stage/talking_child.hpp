// A child that takes messages and perhaps answers, with the worker that it has them from.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/stage/pipe.hpp"

namespace weir::stage {

class TalkingChild;

/// One of the stage's workers: a child, or the pause between two, and the messages that are its.
struct Worker {
  explicit Worker(runtime::Core& core) : news(core) {}
  std::deque<std::uint64_t> asked;  // Numbers of its messages, the oldest first.
  std::size_t given = 0;            // So many of those its child has been given, or is just being given.
  Time waits_since{};               // Of the oldest: given, or the answer before it came.
  bool blamed = false;              // Why its child ends is known, and no message's fault.
  bool answered = false;            // Its child has taken or answered something.
  bool cut_short = false;           // Its child was waited for no longer, and owed answers.
  std::string key;
  bool keyed = false;
  Time idle_since{};
  std::unique_ptr<TalkingChild> child;
  runtime::Waiter news;
};

/// Whoever has the workers: what a child asks and tells. All of it on the stage's core.
class Workplace {
 public:
  Workplace(const Pipe& of, Duplex& stage) : pipe(of), duplex(stage) {}

  const Pipe& pipe;
  Duplex& duplex;
  bool answers() const { return pipe.reply == Reply::one; }
  /// What the child prints is of interest.
  bool listens() const { return pipe.reply != Reply::none; }

  /// Something was said, or is over.
  virtual void wake() = 0;
  /// What an answer may take.
  virtual std::optional<Duration> timeout() const = 0;
  /// A source has read everything and waits for its answers before it says that this is the end; nothing came since.
  /// A child that keeps answers back until its input ends would wait for that. So would one whose standard output holds
  /// a few KiB, as that of most programs does. It is the same where another key waits for a worker. Nothing where none
  /// is waited for.
  virtual std::optional<Time> flushed_at(const Worker& worker) const = 0;
  /// The program ends: a child that has answered all is not waited for.
  virtual bool hurries() const = 0;
  /// No further message will come to this worker.
  virtual bool all_given(const Worker& worker) const = 0;
  /// Adds frames of messages that the child has not been given. How many.
  virtual std::size_t frame(Worker& worker, std::string& bytes) = 0;
  /// The child took so many.
  virtual void took(Worker& worker, std::size_t frames) = 0;
  /// The oldest has waited for too long.
  virtual void time_over(Worker& worker) = 0;

 protected:
  ~Workplace() = default;
};

/// A worker's child, from its start to its end.
class TalkingChild final : public io::WatchedChild {
 public:
  TalkingChild(Workplace& all, Worker& worker);

  io::Framer framer;
  ChildErrors errors;

  /// Its worker has another message, or its input is to end.
  void tell() { to_write_.wake(); }
  void look() { news_.wake(); }
  /// All that it said has been heard, and there is credit for more.
  void listen();
  /// When that was read which it said last.
  Time read_at() const { return silent_since_; }
  /// What it said waits to be heard.
  bool said() const { return !listening_ && !heard_; }
  void heard() {
    heard_ = true;
    if (!output_open_) look();
  }
  /// It is of no use any more.
  void end(std::string why, bool at_once);
  /// Nothing more is given to it.
  void close() {
    if (std::exchange(closes_, true)) return;
    stranded_since_ = core_.now();  // It ends now, or is ended.
    tell();
    look();
  }
  bool closes() const { return closes_; }
  /// Workplace::hurries() from now on, or its input has ended meanwhile.
  void hurry() {
    if (!closed_ || !all_.hurries() || stranded_since_) return;
    stranded_since_ = core_.now();
    look();
  }
  /// What it still says answers nobody knows what.
  bool useless() const { return at_once_; }
  /// Its input was ended so that it would answer what it kept back.
  bool let_go() const { return lets_go_; }
  const std::string& ended_because() const { return ended_because_; }

 private:
  Task<> through() override;
  Task<> part(bool broken_off) override;
  Task<> read_output() override;
  std::span<char> error_space() override { return errors.space(); }
  void errors_came(std::size_t count) override;
  Task<> feed() override;
  Task<> watch_input();
  void lose_input(runtime::Duration patience_more);
  std::optional<Time> due() const;
  void ring();

  Workplace& all_;
  Worker& worker_;
  runtime::Waiter to_write_, to_read_;
  bool listening_ = false;  // A read is under way, or wanted.
  bool heard_ = true;       // What was read has all been heard.
  Time silent_since_;       // Nothing was wanted from then on.
  bool closes_ = false, lets_go_ = false, closed_ = false, input_broken_ = false, given_up_ = false;
  std::optional<Time> stranded_since_;  // It closed one of its streams, or its input has ended early; and it lives on.
  std::optional<Time> waits_until_;     // The alarm that is set, if any.
  std::string ended_because_;
  bool at_once_ = false;
};

}  // namespace weir::stage
