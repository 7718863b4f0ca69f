// A full disk: what waits for it to have room again.
#pragma once
#include <chrono>
#include <string>
#include <system_error>

#include "engine/stage/context.hpp"

namespace weir::stage {

/// There is no room, or no more than this user may have: an error that passes when somebody clears up.
bool disk_full(const std::error_code& error);

/// Waits for room on a full disk, longer each time. What waits holds its places, so the sources wait as well.
class Patience {
 public:
  /// `path`: of what is written, for the log. Both outlive it.
  Patience(const std::string& path, Driver& driver) : path_(path), driver_(driver) {}

  Task<> wait();
  void over();  ///< It was written.

 private:
  static constexpr Duration shortest = std::chrono::milliseconds(100), longest = std::chrono::seconds(5);
  const std::string& path_;
  Driver& driver_;
  Duration pause_ = shortest;
};

}  // namespace weir::stage
