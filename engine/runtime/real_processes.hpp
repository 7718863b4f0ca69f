// Child processes of the machine, for one core.
#pragma once
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include <memory>

#include <asio/io_context.hpp>

#include "engine/runtime/processes.hpp"

namespace weir::runtime {

/// What the engine changed in itself and must not hand down to its children.
struct Inheritance {
  sigset_t signal_mask;
  cpu_set_t affinity;
  bool affinity_known = false;
  struct sigaction on_sigpipe, on_sigxfsz;
  struct rlimit descriptors;
  static Inheritance now();  ///< As it is at this moment, of the calling thread.
};

/// Starts children with vfork: the calling core stands still until the child has reached its program (under 1 ms), and
/// no page tables are copied, however large the engine is.
///
/// The kernel ties PDEATHSIG to the thread that started the child, not to the process: children are started on core
/// threads, which live as long as anything runs. A program that gains rights by exec (set-uid) loses the request.
class RealProcesses final : public Processes {
 public:
  RealProcesses(asio::io_context& io, const Inheritance& inheritance) : io_(io), inheritance_(inheritance) {}
  std::unique_ptr<Child> start(const Command& command) override;
  void look_for(const Command& command) override;

 private:
  asio::io_context& io_;
  const Inheritance& inheritance_;
};

}  // namespace weir::runtime
