// Plain cells of a histogram of seconds.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace weir::observe {

/// How often each length of time was seen. Plain memory, not thread-safe: whoever counts owns its cells, and a snapshot
/// copies or merges them on the counter's thread.
class HistogramCells {
 public:
  static constexpr std::size_t buckets = 18;
  /// Upper bound of a bucket in seconds, inclusive: 100 µs × 2^index, the last about 13 s. Above it: count only.
  static constexpr double bound_s(std::size_t index) { return 1e-4 * static_cast<double>(std::uint64_t{1} << index); }

  /// Counts `times` observations of `seconds` each. Below 0 (a wall clock set back) counts as 0; NaN is ignored.
  void observe(double seconds, std::uint64_t times = 1) {
    if (seconds != seconds) return;
    if (seconds < 0) seconds = 0;
    std::size_t index = 0;
    while (index < buckets && seconds > bound_s(index)) ++index;
    cells_[index] += times;
    sum_s_ += seconds * static_cast<double>(times);
  }
  void merge(const HistogramCells& other) {
    for (std::size_t i = 0; i <= buckets; ++i) cells_[i] += other.cells_[i];
    sum_s_ += other.sum_s_;
  }

  std::uint64_t cell(std::size_t index) const {
    return cells_[index];
  }  ///< Not cumulative; index == buckets: above all.
  double sum_s() const { return sum_s_; }
  std::uint64_t count() const {
    std::uint64_t all = 0;
    for (const auto cell : cells_) all += cell;
    return all;
  }

 private:
  std::array<std::uint64_t, buckets + 1> cells_{};
  double sum_s_ = 0;
};

}  // namespace weir::observe
