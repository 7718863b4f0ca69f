// The simulated runtime: virtual time, one thread, and every order of events chosen by a seed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/runtime/core.hpp"
#include "engine/runtime/simulated_files.hpp"
#include "engine/runtime/simulated_machine.hpp"
#include "engine/runtime/simulated_processes.hpp"

namespace weir::runtime {

class SimulatedContext;

/// All cores share the calling thread; a core is only a label, with a stream of randomness of its own. What is ready
/// runs in an order the seed picks, across cores and within one. When nothing is ready the clock jumps to the next
/// alarm; otherwise only spend() moves it, so work handed to blocking() takes no time. The same seed and the same
/// program give the same trace().
///
/// Coroutines must have ended before their handles and this go, and alarms must be gone. What is still queued then is
/// destroyed, not run.
class SimulatedRuntime final : public Runtime {
 public:
  explicit SimulatedRuntime(std::uint64_t seed, int cores = 1);
  ~SimulatedRuntime() override;
  SimulatedRuntime(const SimulatedRuntime&) = delete;
  SimulatedRuntime& operator=(const SimulatedRuntime&) = delete;

  int cores() const override;
  Core& core(int index) override;
  Core& core() { return core(0); }

  /// Runs until nothing is ready and no alarm is due up to `limit`. True: no alarm is left at all. The clock stays at
  /// the last thing that happened. Throws std::runtime_error if ten million steps pass without time moving.
  bool run_until_idle(Time limit = Time::max());
  /// The same, but no more than about so many steps, which the caller counts: it never throws. False: there is more to
  /// do up to `limit`.
  bool run_steps(std::uint64_t most, Time limit);
  /// Runs all that happens within `time`, then sets the clock to the end of it.
  void run_for(Duration time);
  /// Runs one thing that is ready, or moves the clock to the next alarm. False: nothing is left to do.
  bool step();

  /// What runs now takes so long: the clock moves on before it returns, and what comes due meanwhile waits for it.
  void spend(Duration time);

  Time now() const;
  void set_wall(WallTime at_start);  ///< Wall time when now() is 0. Before: 2030-01-01T00:00:00Z.
  std::uint64_t seed() const;
  std::uint64_t trace() const;  ///< A hash over every choice made so far and its virtual time.
  std::uint64_t steps() const;  ///< Things run so far.
  std::size_t alarms() const;   ///< Alarms pending: what sleeps, and nothing that was stopped.

  SimulatedFiles& files();        ///< One file system for all cores.
  SimulatedPrograms& programs();  ///< The programs a child can be.
  SimulatedMachine& machine();    ///< One for all cores: idle.

 private:
  std::unique_ptr<SimulatedContext> context_;
};

}  // namespace weir::runtime
