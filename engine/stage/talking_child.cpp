#include "engine/stage/talking_child.hpp"

#include <algorithm>
#include <array>

namespace weir::stage {
namespace {

using namespace std::chrono_literals;

constexpr Duration idle_most = 1min;      // Of a child of one key.
constexpr Duration hold_most = 200ms;     // Of answers that are waited for before anything more can come.
constexpr Duration answering_most = 30s;  // By one that has closed its input: it may have read all that it wants.

}  // namespace

TalkingChild::TalkingChild(Workplace& all, Worker& worker)
    : WatchedChild(all.duplex.core, all.duplex.out.counters(), all.pipe.command, {}),
      framer(all.pipe.framing, output_bytes_most),
      errors(all.duplex),
      all_(all),
      worker_(worker),
      to_write_(core_),
      to_read_(core_),
      silent_since_(core_.now()) {}

void TalkingChild::listen() {
  if (listening_ || !heard_ || !output_open_) return;
  // The time limit stands still while it is not listened to (semantics 21).
  const Time now = core_.now();
  worker_.waits_since = std::min(now, worker_.waits_since + (now - silent_since_));
  listening_ = true;
  to_read_.wake();
  if (exit_ || (!waits_until_ && (all_.timeout() || all_.flushed_at(worker_)))) look();
}

void TalkingChild::end(std::string why, bool at_once) {
  if (!ended_because_.empty()) return;
  ended_because_ = std::move(why);
  at_once_ = at_once;
  look();
}

Task<> TalkingChild::through() {
  look_after();
  if (all_.answers()) beside_.start(watch_input());
  all_.wake();
  bool group_ended = false;
  while (true) {
    if (exit_ && !group_ended) {
      group_ended = true;
      end_group();
    }
    if (exit_ && !output_open_ && !errors_open_ && heard_ && !errors.pending()) co_return;
    if (!exit_ && !ended_because_.empty() && !group_ended) {
      group_ended = true;
      if (!at_once_) co_await persuade();
      if (!exit_) end_group();
      continue;
    }
    waits_until_ = due();
    if (!waits_until_) {
      co_await news_.wait();
    } else if (!co_await news_.wait_until(*waits_until_)) {
      ring();
    }
  }
}

/// When something is to be done if nothing happens until then.
std::optional<Time> TalkingChild::due() const {
  if (exit_) {
    if (given_up_ || (output_open_ && !listening_ && all_.listens())) return std::nullopt;
    return core_.now() + patience;
  }
  if (!ended_because_.empty()) return std::nullopt;
  std::optional<Time> when;
  const auto by = [&when](Time time) { when = std::min(when.value_or(Time::max()), time); };
  if (stranded_since_) by(*stranded_since_ + patience);
  if (const auto timeout = all_.timeout(); timeout && listening_ && worker_.given > 0) {
    by(worker_.waits_since + *timeout);
  }
  if (worker_.keyed && worker_.asked.empty() && !closes_) by(worker_.idle_since + idle_most);
  if (const auto since = all_.flushed_at(worker_); since && listening_ && !lets_go_ && !closed_ && !input_broken_) {
    by(std::max(*since, worker_.waits_since) + hold_most);
  }
  return when;
}

void TalkingChild::ring() {
  const Time now = core_.now();
  if (exit_) {
    tell_output_is_held(all_.duplex);
    given_up_ = true;
    output_open_ = errors_open_ = listening_ = false;
    return;
  }
  if (worker_.keyed && worker_.asked.empty() && !closes_ && worker_.idle_since + idle_most <= now) close();
  if (const auto since = all_.flushed_at(worker_);
      since && listening_ && !input_broken_ && std::max(*since, worker_.waits_since) + hold_most <= now) {
    lets_go_ = true;
    tell();
  }
  const auto timeout = all_.timeout();
  if (timeout && listening_ && worker_.given > 0 && worker_.waits_since + *timeout <= now) {
    all_.time_over(worker_);
    return end("a message took longer than " + config::show(*timeout), true);
  }
  if (!stranded_since_ || *stranded_since_ + patience > now) return;
  if ((lets_go_ || all_.hurries()) && worker_.given > 0 && output_open_ && !input_broken_) {  // It still answers.
    stranded_since_ = now;
    return;
  }
  if (closed_ && !closes_ && worker_.given == 0 && !all_.hurries()) {
    return stranded_since_.reset();  // It owes nothing, and may take its time.
  }
  end(input_broken_                                ? "it closed its input"
      : closes_ || (closed_ && worker_.given == 0) ? "it did not end with its input"
                                                   : "it closed its output",
      false);
}

Task<> TalkingChild::part(bool) {
  if (!exit_) co_await persuade();
}

Task<> TalkingChild::read_output() {
  const io::Ends ends(output_open_, news_);
  if (!all_.listens()) {
    std::array<char, 16 * 1024> bytes;
    for (int reads = 1; co_await child_->read_output(bytes) > 0; ++reads) {
      if (reads % turn == 0) co_await core_.yield();
    }
    co_return;
  }
  while (true) {
    while (!listening_) co_await to_read_.wait();
    const std::span<char> space = framer.space();
    const std::size_t count = co_await child_->read_output(space);
    listening_ = heard_ = false;
    silent_since_ = core_.now();
    all_.wake();
    if (count == 0) break;
    framer.filled(count);
  }
  // An answer that is only begun is none; of one that says what it likes the last line may lack its end.
  if (!all_.answers()) framer.end();
  if (!exit_) stranded_since_ = core_.now();
}

void TalkingChild::errors_came(std::size_t count) {
  errors.came(count);
  if (errors.pending()) all_.wake();
}

Task<> TalkingChild::feed() {
  try {
    std::string bytes;
    for (int pieces = 1;; ++pieces) {
      bytes.clear();
      const std::size_t frames = closes_ || lets_go_ || useless() ? 0 : all_.frame(worker_, bytes);
      if (frames == 0) {
        if (closes_ || lets_go_ || all_.all_given(worker_)) break;
        co_await to_write_.wait();
        continue;
      }
      if (frames == worker_.given && all_.timeout() && !waits_until_) look();  // The first one's time runs from now on.
      co_await child_->write(bytes);
      all_.took(worker_, frames);
      if (!waits_until_ && all_.flushed_at(worker_)) look();
      if (pieces % turn == 0) co_await core_.yield();
    }
  } catch (const std::system_error&) {
    co_return lose_input(Duration(0));
  }
  closed_ = true;
  child_->close_input();
  hurry();
}

/// It may close its input and live on, owing answers, while nothing is written that would tell.
Task<> TalkingChild::watch_input() {
  co_await child_->input_broken();
  if (!closed_ && worker_.given > 0) lose_input(answering_most - patience);
}

/// It closed its input, or has ended. What it was given already it may still answer.
void TalkingChild::lose_input(Duration patience_more) {
  input_broken_ = true;
  const Time since = core_.now() + patience_more;
  if (!exit_ && (!stranded_since_ || since < *stranded_since_)) stranded_since_ = since;
  look();
}

}  // namespace weir::stage
