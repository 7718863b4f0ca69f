#include "engine/stage/full_disk.hpp"

#include <algorithm>
#include <cerrno>

namespace weir::stage {

bool disk_full(const std::error_code& error) {
  return error == std::errc::no_space_on_device || error == std::error_code(EDQUOT, std::generic_category()) ||
         error == std::error_code(EDQUOT, std::system_category());
}

Task<> Patience::wait() {
  if (pause_ == shortest) {
    driver_.log(observe::Level::warn, "the disk is full: messages wait until there is room", {{"path", path_}});
  }
  const Duration pause = pause_;
  pause_ = std::min(pause_ * 2, longest);
  co_await driver_.core.sleep(pause);
}

void Patience::over() {
  if (pause_ == shortest) return;
  pause_ = shortest;
  driver_.log(observe::Level::info, "the disk has room again", {{"path", path_}});
}

}  // namespace weir::stage
