#include "engine/graph/episode.hpp"

#include <utility>

namespace weir::graph {

bool Episode::happens() {
  last_ = context_.core.now();
  ++times_;
  if (std::exchange(goes_on_, true)) return false;
  began_ = last_;
  arm(last_ + quiet);
  return true;
}

void Episode::say(std::initializer_list<observe::Field> more) { context_.log(level_, begins_, more); }

void Episode::retire() noexcept {
  alarm_.reset();
  rung_.reset();
}

void Episode::arm(runtime::Time when) {
  std::swap(alarm_, rung_);
  alarm_ = context_.core.alarm(when, [this] { look(); });
}

void Episode::look() {
  if (context_.core.now() < last_ + quiet) return arm(last_ + quiet);
  goes_on_ = false;
  const std::chrono::duration<double> went_on = last_ - began_;
  context_.log(observe::Level::info, over_, {{"times", std::exchange(times_, 0)}, {"seconds", went_on.count()}});
}

}  // namespace weir::graph
