// Memory for Lua's objects.
#pragma once
#include <cstddef>
#include <cstdlib>

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
  void* resize(void* block, std::size_t old_size, std::size_t size) {
    return old_size == 0 ? take(size) : move(block, old_size, size);
  }
  void give_back(void* block, std::size_t size) {
    if (size == 0) return;
    const std::size_t step = step_of(size);
    if (!keeps || step >= steps || spare_bytes_ >= spare_bytes_most) return std::free(block);
    auto* const spare = static_cast<Spare*>(block);
    spare->next = spare_[step];
    spare_[step] = spare;
    spare_bytes_ += (step + 1) * step_bytes;
  }

 private:
  struct Spare {
    Spare* next;
  };
#ifdef __SANITIZE_ADDRESS__
  static constexpr bool keeps = false;
#else
  static constexpr bool keeps = true;
#endif
  static constexpr std::size_t step_bytes = 16, steps = 16;
  static constexpr std::size_t spare_bytes_most = 512 * 1024;
  static std::size_t step_of(std::size_t size) { return (size - 1) / step_bytes; }  // From `steps` on: not kept.

  void* take(std::size_t size) {
    const std::size_t step = step_of(size);
    if (!keeps || step >= steps) return std::malloc(size);
    const std::size_t whole = (step + 1) * step_bytes;
    Spare* const spare = spare_[step];
    if (!spare) return std::malloc(whole);
    spare_[step] = spare->next;
    spare_bytes_ -= whole;
    return spare;
  }
  void* move(void* block, std::size_t old_size, std::size_t size);

  Spare* spare_[steps] = {};
  std::size_t spare_bytes_ = 0;
};

}  // namespace weir::script
