#include "engine/runtime/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace weir::runtime {

void assertion_failed(const char* file, int line, const char* condition, const char* what) noexcept {
  std::fprintf(stderr, "weir: bug: %s (%s) at %s:%d\n", what, condition, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace weir::runtime
