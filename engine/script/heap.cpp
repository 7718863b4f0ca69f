#include "engine/script/heap.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace weir::script {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool keeps = false;
#else
constexpr bool keeps = true;
#endif

}  // namespace

Heap::~Heap() {
  for (Spare* spare : spare_) {
    while (spare) std::free(std::exchange(spare, spare->next));
  }
}

void* Heap::take(std::size_t size) {
  const std::size_t step = step_of(size);
  if (!keeps || step >= steps) return std::malloc(size);
  const std::size_t whole = (step + 1) * step_bytes;
  Spare* const spare = spare_[step];
  if (!spare) return std::malloc(whole);
  spare_[step] = spare->next;
  spare_bytes_ -= whole;
  return spare;
}

void Heap::give_back(void* block, std::size_t size) {
  if (size == 0) return;
  const std::size_t step = step_of(size);
  if (!keeps || step >= steps || spare_bytes_ >= spare_bytes_most) return std::free(block);
  auto* const spare = static_cast<Spare*>(block);
  spare->next = spare_[step];
  spare_[step] = spare;
  spare_bytes_ += (step + 1) * step_bytes;
}

void* Heap::resize(void* block, std::size_t old_size, std::size_t size) {
  if (old_size == 0) return take(size);
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
