#include "engine/io/child.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <system_error>

#include "engine/message/arena.hpp"

namespace weir::io {
namespace {

std::string last_line(std::string_view text) {
  const auto end = text.find_last_not_of(" \t\r\n");
  if (end == std::string_view::npos) return {};
  text = text.substr(0, end + 1);
  const auto begin = text.find_last_of("\r\n");
  return quotable(begin == std::string_view::npos ? text : text.substr(begin + 1));
}

}  // namespace

void Tail::append(std::string_view bytes) {
  if (bytes.size() >= most_) {
    bytes_.assign(bytes.substr(bytes.size() - most_));
    return;
  }
  if (bytes_.size() + bytes.size() > 2 * most_) bytes_.erase(0, bytes_.size() + bytes.size() - most_);
  bytes_ += bytes;
}

std::string_view Tail::bytes() const {
  const std::string_view all = bytes_;
  return all.substr(all.size() - std::min(all.size(), most_));
}

std::string quotable(std::string_view text) {
  constexpr std::size_t most = 300;
  const bool cut = text.size() > most;
  std::string line(text.substr(0, most));
  while (cut && !line.empty() && (static_cast<unsigned char>(line.back()) & 0xC0) == 0x80) line.pop_back();
  if (cut && !line.empty() && (static_cast<unsigned char>(line.back()) & 0x80) != 0) line.pop_back();
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return cut ? line + "…" : line;
}

std::string name_of_signal(int number) {
  const char* const name = ::sigabbrev_np(number);
  return name ? name : std::to_string(number);
}

std::string describe_end(const std::string& program, const runtime::Exit& exit, std::string_view errors) {
  std::string text = "`" + program + "` ";
  text += exit.signal ? "was killed by SIG" + name_of_signal(exit.signal) : "exited with " + std::to_string(exit.code);
  const std::string last = last_line(errors);
  return last.empty() ? text : text + ": " + last;
}

void Beside::start(runtime::Task<> body) {
  ++running_;
  coroutines_.push_back(core_.spawn(std::move(body), [this](std::exception_ptr fault) {
    if (fault && !fault_) fault_ = fault;
    if (--running_ == 0) all_ended_.wake();
  }));
}

runtime::Task<std::exception_ptr> Beside::end() {
  for (const auto& coroutine : coroutines_) {
    if (coroutine->running()) coroutine->stop();
  }
  while (running_ > 0) co_await all_ended_.wait_through();
  coroutines_.clear();
  co_return fault_;
}

WatchedChild::WatchedChild(runtime::Core& core, flow::Counters& counters, const runtime::Command& command,
                           std::string_view input)
    : core_(core),
      child_(core.processes().start(command)),
      news_(core),
      beside_(core),
      counters_(counters),
      input_(input),
      has_input_(command.input),
      began_(core.now()) {
  ++counters_.children;
}

WatchedChild::~WatchedChild() {
  if (child_) --counters_.children;
}

runtime::Task<> WatchedChild::finish() {
  std::exception_ptr leaving;
  try {
    co_await through();
  } catch (...) {
    leaving = std::current_exception();
  }
  const bool broken_off = leaving != nullptr;
  try {
    co_await part(broken_off);
  } catch (...) {
    if (!leaving) leaving = std::current_exception();
  }
  const std::exception_ptr fault = co_await beside_.end();
  child_.reset();
  --counters_.children;
  if (!leaving) leaving = fault;
  if (leaving) std::rethrow_exception(leaving);
}

runtime::Task<> WatchedChild::part(bool) { co_return; }

void WatchedChild::look_after() {
  beside_.start(await_exit());
  beside_.start(read_output());
  beside_.start(read_errors());
  if (has_input_) beside_.start(feed());
}

runtime::Task<> WatchedChild::read_errors() {
  const Ends ends(errors_open_, news_);
  for (int reads = 1;; ++reads) {
    const std::size_t count = co_await child_->read_error(error_space());
    errors_came(count);
    if (count == 0) co_return;
    if (reads % turn == 0) co_await core_.yield();
  }
}

runtime::Task<> WatchedChild::feed() {
  try {
    for (int pieces = 1; !input_.empty(); ++pieces) {
      const std::string_view piece = input_.substr(0, message::arena_bytes);
      co_await child_->write(piece);
      input_.remove_prefix(piece.size());
      if (pieces % turn == 0) co_await core_.yield();
    }
  } catch (const std::system_error& error) {
    // A child that has read enough may close its input: `head -1`.
    if (error.code() != std::errc::broken_pipe) throw;
  }
  child_->close_input();
}

runtime::Task<> WatchedChild::await_exit() {
  exit_ = co_await child_->wait();
  ended_ = core_.now();
  news_.wake();
}

runtime::Task<> WatchedChild::persuade() {
  child_->signal(SIGTERM);
  bool over = false;
  const auto alarm = core_.alarm(core_.now() + patience, [this, &over] {
    over = true;
    news_.wake();
  });
  while (!exit_ && !over) co_await news_.wait_through();
}

}  // namespace weir::io
