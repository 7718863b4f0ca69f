#include "engine/runtime/processors.hpp"

#include <sched.h>

#include <algorithm>
#include <thread>

namespace weir::runtime {

int processors() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0) return CPU_COUNT(&allowed);
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));  // More than CPU_SETSIZE processors.
}

}  // namespace weir::runtime
