// Memory for Lua's objects.
#pragma once
#include <cstddef>

namespace weir::script {

/// malloc with a store of small blocks before it: Lua frees thousands of them in one go and wants as many again, which
/// is more than malloc keeps at hand. Not thread-safe; all blocks have been given back when it is destroyed.
/// Under AddressSanitizer it keeps none, so that what is used after it was freed is seen.
class Heap {
 public:
  Heap() = default;
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  ~Heap();

  /// As realloc(), but is told the old size: 0 where there is no block. `size` > 0. Null where there is no memory; then
  /// the
  /// old block stays as it was. To become smaller always succeeds.
  void* resize(void* block, std::size_t old_size, std::size_t size);
  void give_back(void* block, std::size_t size);

 private:
  struct Spare {
    Spare* next;
  };
  static constexpr std::size_t step_bytes = 16, steps = 16;
  static constexpr std::size_t spare_bytes_most = 512 * 1024;
  static std::size_t step_of(std::size_t size) { return (size - 1) / step_bytes; }  // From `steps` on: not kept.

  void* take(std::size_t size);

  Spare* spare_[steps] = {};
  std::size_t spare_bytes_ = 0;
};

}  // namespace weir::script
