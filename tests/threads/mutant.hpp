// This room with a planted fault: the namespace is renamed, so that it stands beside the one that ships.
// Before including: #define WEIR_MUTANT N and #define flow flow_mutant.
#pragma once
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "engine/flow/channel.cpp"
#include "engine/flow/park.cpp"
#include "tests/threads/litmus.hpp"
#include "tests/threads/stops.hpp"

namespace weir::tests {

/// Whether the hunt finds the fault. In a child, since a fault may as well end the process: by an assertion, or by what
/// two threads make of a list without its lock.
template <class Hunt>
bool found_by(Hunt hunt) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGALRM}) std::signal(signal, SIG_DFL);
    const rlimit none{};
    ::setrlimit(RLIMIT_CORE, &none);
    ::alarm(200);
    ::_exit(hunt() ? 1 : 0);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return false;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return false;  // It went on and on, and that shows nothing.
  if (WIFSIGNALED(status)) BOOST_TEST_MESSAGE("ended by signal " << WTERMSIG(status));
  return status != 0;
}

/// The litmus, at the smallest capacities; with `close_after`, closed after one message, two and so on.
inline bool litmus_finds_it(LitmusSetting setting, int rounds = 5) {
  return found_by([&] {
    for (int round = 0; round < rounds; ++round) {
      for (const std::uint32_t capacity : {1u, 2u, 4u}) {
        setting.capacity = capacity;
        if (setting.close_after) setting.close_after = 1 + static_cast<std::uint64_t>(round % 17);
        if (!run_litmus(setting).ok()) return true;
      }
    }
    return false;
  });
}

/// The litmus of coroutines that are stopped.
inline bool stops_find_it() {
  return found_by([] {
    for (int round = 0; round < 5; ++round) {
      for (const std::uint32_t capacity : {1u, 2u, 4u}) {
        if (!run_stops(capacity, 100'000).ok()) return true;
      }
    }
    return false;
  });
}

}  // namespace weir::tests
