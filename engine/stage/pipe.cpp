#include "engine/stage/pipe.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

namespace weir::stage {
namespace {

constexpr std::size_t error_line_bytes_most = 64 * 1024;
constexpr std::size_t error_lines_waiting_most = 256;

}  // namespace

bool is_ok(const std::vector<std::int64_t>& ok, const runtime::Exit& exit) {
  return exit.ok() || (exit.signal == 0 && std::find(ok.begin(), ok.end(), exit.code) != ok.end());
}

std::shared_ptr<message::Result> result_of(const io::WatchedChild& child, std::string_view errors) {
  auto result = std::make_shared<message::Result>();
  if (const auto exit = child.exit()) {
    if (exit->signal) {
      result->signal = io::name_of_signal(exit->signal);
    } else {
      result->code = exit->code;
    }
  }
  result->error_text = errors;
  result->seconds = std::chrono::duration<double>(child.ran()).count();
  return result;
}

Failure not_started(const runtime::Command& command, const std::system_error& error) {
  // Too long a command line stays too long.
  const auto reason = error.code() == std::errc::argument_list_too_long ? Reason::size : Reason::io;
  std::string text = error.what();
  if (!command.directory.empty()) text += " (started in '" + command.directory + "')";
  return {reason, text};
}

void refuse_to_start(const runtime::Command& command, const std::system_error& error) {
  const std::string where = command.directory.empty() ? std::string() : " in '" + command.directory + "'";
  throw std::system_error(error.code(), "exec: cannot start `" + command.argv.front() + "`" + where);
}

Failure too_long(const io::Line& said) {
  Failure why(Reason::size, "line " + std::to_string(said.number) + " is longer than 16MiB");
  why.line = static_cast<std::int64_t>(said.number);
  return why;
}

Failure broken(const io::Framer& framer) {
  return {framer.announced_too_much() ? Reason::size : Reason::decode, framer.wrong()};
}

Duration pause_before_restart(Context& context, policy::Backoff& backoff, const std::string& because) {
  const Duration pause = backoff.next(context.core.random().fraction());
  context.log(observe::Level::warn, "the child is started again",
              {{"because", because}, {"pause_s", std::chrono::duration<double>(pause).count()}});
  return pause;
}

void tell_output_is_held(Context& context) {
  context.log(observe::Level::warn, "the child has ended, but a process outside its group still holds its output");
}

ChildErrors::ChildErrors(Context& context)
    : context_(context), framer_(error_line_bytes_most), tail_(error_tail_bytes) {}

void ChildErrors::came(std::size_t count) {
  if (count == 0) {
    framer_.end();
  } else {
    tail_.append(framer_.filled(count));
  }
  take_lines();
}

void ChildErrors::take(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto space = framer_.space();
    const std::size_t size = std::min(space.size(), bytes.size());
    std::memcpy(space.data(), bytes.data(), size);
    bytes.remove_prefix(size);
    came(size);
  }
  came(0);
}

void ChildErrors::put_out() {
  while (!waiting_.empty() && !context_.out.full()) {
    context_.out.emit(stderr_port, waiting_.front(), context_.core.now());
    waiting_.pop_front();
  }
}

void ChildErrors::take_lines() {
  // A flood must not be paid for line by line: the log would take none of it anyway.
  constexpr int logged_most = 4;
  int lines = 0;
  const bool heard = context_.out.heard(stderr_port);
  while (const auto line = framer_.next()) {
    if (heard) {
      put_by(line->bytes);
    } else if (++lines <= logged_most) {
      context_.log(observe::Level::info, "the child wrote to standard error", {{"line", io::quotable(line->bytes)}});
    }
  }
}

void ChildErrors::put_by(std::string_view line) {
  if (waiting_.size() == error_lines_waiting_most) {
    waiting_.pop_front();
    ++context_.out.counters().created;
    context_.out.counters().drop(Dropped::slow);
  }
  waiting_.emplace_back(line);
}

}  // namespace weir::stage
