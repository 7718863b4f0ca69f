#include "engine/stage/ticks.hpp"

namespace weir::stage {

void Ticks::skip_late(std::string_view why, Duration grace) {
  const Time now = source_.core.now();
  if (now <= due_ || now - due_ < grace) return;
  const auto lost = (now - due_ + every_ - Duration(1)) / every_;  // Not one that is due this very moment.
  due_ += lost * every_;
  const std::uint64_t messages = static_cast<std::uint64_t>(lost) * messages_;
  auto& counters = source_.out.counters();
  counters.created += messages;
  counters.drop(Dropped::slow, messages);
  source_.log(observe::Level::warn, why, {{"ticks", lost}});
}

}  // namespace weir::stage
