// The real runtime: one thread and one event loop for each core, the machine's clock, files and processes.
#pragma once
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/runtime/core.hpp"

namespace weir::runtime {

struct Options {
  int cores = 1;
  std::uint64_t seed = 0;  ///< 0: a fresh one from the system.
  bool pin = false;        ///< Each core to one processor of those the program was given.
  /// The program may open as many files as the system lets it, whatever its soft limit (its children get their own
  /// back), and what a core needs for itself is open before them.
  bool all_descriptors = false;
};

/// One for a program. Making it changes the process: SIGPIPE and SIGXFSZ are ignored, descriptors 0, 1 and 2
/// are opened on /dev/null where they were closed. Make it before other threads, on the main thread.
///
/// Order of ending: stop every coroutine and let its `ended` come, then stop(), then let this go. What is still queued
/// when it goes is destroyed, not run.
class RealRuntime : public Runtime {
 public:
  ~RealRuntime() override = default;

  /// Runs core 0 on the calling thread and each other core on one of its own; posts `on_started` to core 0. Returns
  /// when stop() has ended them all. Once only.
  virtual void run(std::function<void()> on_started) = 0;

  /// Asks run() to return. Any thread, idempotent, returns at once. A core that has heard of it goes on until all have
  /// (a barrier), so that none of them posts to one that is gone; then services end, after the cores.
  virtual void stop() = 0;

  /// Calls `handler` with the number of each of these signals that arrives, on a thread of its own: also while a core
  /// is busy. Before run(), once. Until the runtime goes, the signals are blocked elsewhere, children excepted.
  virtual void on_signal(std::vector<int> numbers, std::function<void(int)> handler) = 0;

  /// A core beside cores(), with a thread of its own that starts now, for what must answer while the cores are busy.
  /// Its index() is -1. Lives as long as the runtime. `name` is the thread's, 15 bytes at most. Before run() or on
  /// core 0.
  virtual Core& service(const std::string& name) = 0;

  virtual std::uint64_t seed() const = 0;
};

std::unique_ptr<RealRuntime> make_real(const Options& options);

}  // namespace weir::runtime
