// Broken invariants: our own bugs, never the user's.
#pragma once

namespace weir::runtime {

/// Prints where and what to standard error and aborts. Any thread.
[[noreturn]] void assertion_failed(const char* file, int line, const char* condition, const char* what) noexcept;

}  // namespace weir::runtime

/// Holds in release builds too. `what` says in words what must be true, with the name of what broke it where known
/// (a const char*).
#define WEIR_ASSERT(condition, what) \
  ((condition) ? static_cast<void>(0) : ::weir::runtime::assertion_failed(__FILE__, __LINE__, #condition, (what)))
