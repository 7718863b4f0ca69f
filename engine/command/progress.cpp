#include "engine/command/progress.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>

#include "engine/runtime/wait.hpp"

namespace weir::command {
namespace {

using namespace std::chrono_literals;

constexpr auto quiet_at_first = 1s;
constexpr auto pause = 500ms;
constexpr int terminal_patience_ms = 50;  // A terminal that somebody has stopped (Ctrl-S) must not stop weir.

/// `12,345`
std::string grouped(double value) {
  auto digits = std::to_string(static_cast<std::uint64_t>(std::max(0.0, value) + 0.5));
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return digits;
}

}  // namespace

std::string progress_line(std::string_view name, double messages_per_s, std::optional<double> fraction,
                          std::optional<runtime::Duration> left) {
  std::string line = std::string(name) + "  " + grouped(messages_per_s) + " msg/s";
  if (fraction) line += " · " + std::to_string(static_cast<int>(std::clamp(*fraction, 0.0, 1.0) * 100)) + " %";
  if (left) {
    const auto s = std::chrono::ceil<std::chrono::seconds>(std::max(*left, runtime::Duration(0))).count();
    char text[64];
    if (s >= 3600) {
      std::snprintf(text, sizeof text, " · %lld:%02lld:%02lld left", static_cast<long long>(s / 3600),
                    static_cast<long long>(s / 60 % 60), static_cast<long long>(s % 60));
    } else {
      std::snprintf(text, sizeof text, " · %02lld:%02lld left", static_cast<long long>(s / 60),
                    static_cast<long long>(s % 60));
    }
    line += text;
  }
  return line;
}

std::uint64_t messages_through(const observe::Snapshot& snapshot) {
  std::uint64_t sinks = 0, sources = 0;
  bool has_sink = false;
  for (const auto& pipeline : snapshot.pipelines) {
    for (const auto& stage : pipeline.stages) {
      if (!stage.end_to_end.empty()) {
        has_sink = true;
        sinks += stage.in;
      }
      if (stage.ack_pending) sources += stage.created;
    }
  }
  return has_sink ? sinks : sources;
}

void Terminal::put(std::string_view text) {
  while (!text.empty()) {
    pollfd ready{descriptor_, POLLOUT, 0};
    if (::poll(&ready, 1, terminal_patience_ms) <= 0) return;
    const auto written = ::write(descriptor_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void Terminal::write(std::string_view lines) {
  const std::lock_guard lock(mutex_);
  std::string text = progress_.empty() ? std::string() : "\r\x1b[K";
  text += lines;
  text += progress_;
  put(text);
}

void Terminal::show(std::string_view progress) {
  const std::lock_guard lock(mutex_);
  if (progress.empty() && progress_.empty()) return;
  progress_ = progress;
  put("\r\x1b[K" + progress_);
}

Progress::Progress(runtime::Core& control, Supervisor& supervisor, Terminal& terminal)
    : control_(control), supervisor_(supervisor), terminal_(terminal) {}

void Progress::start() {
  running_ = control_.spawn(run(), [](std::exception_ptr) {});
}

runtime::Task<> Progress::close() {
  if (running_ && running_->running()) {
    running_->stop();
    while (running_->running()) co_await control_.yield();
  }
  running_.reset();
  terminal_.show({});
}

runtime::Task<> Progress::run() {
  co_await control_.sleep(quiet_at_first);
  const auto& pipelines = supervisor_.pipelines();
  const std::string name =
      pipelines.size() == 1 ? pipelines.front().name : std::to_string(pipelines.size()) + " pipelines";
  const auto began = control_.now() - quiet_at_first;
  auto before_at = began;
  std::uint64_t before = 0;
  for (;;) {
    const auto snapshot = co_await supervisor_.snapshot(pause);
    const auto now = control_.now();
    const auto through = messages_through(snapshot);
    const auto fraction = supervisor_.progress();
    std::optional<runtime::Duration> left;
    if (fraction && *fraction > 0.001) {
      left = std::chrono::duration_cast<runtime::Duration>((now - began) * ((1.0 - *fraction) / *fraction));
    }
    const std::chrono::duration<double> passed = now - before_at;
    if (through >= before && passed.count() > 0) {
      terminal_.show(progress_line(name, static_cast<double>(through - before) / passed.count(), fraction, left));
    }
    before = through;
    before_at = now;
    co_await control_.sleep(pause);
  }
}

}  // namespace weir::command
