#include "engine/script/heap.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace weir::script {
Heap::~Heap() {
  for (Spare* spare : spare_) {
    while (spare) std::free(std::exchange(spare, spare->next));
  }
}

void* Heap::move(void* block, std::size_t old_size, std::size_t size) {
  const std::size_t step = step_of(size), old_step = step_of(old_size);
  if (!keeps || (step >= steps && old_step >= steps)) return std::realloc(block, size);
  if (step == old_step) return block;
  void* const moved = take(size);
  if (!moved) return size < old_size ? block : nullptr;  // Larger than it need be, it may stay among those.
  std::memcpy(moved, block, std::min(old_size, size));
  give_back(block, old_size);
  return moved;
}

}  // namespace weir::script
