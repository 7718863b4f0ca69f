#include "engine/io/http_memory.hpp"

namespace weir::io {

bool HttpMemory::hold(flow::Share& share, std::uint64_t bytes) {
  const auto charged = bytes > free_bytes ? bytes : 0;
  if (share.hold(charged)) return true;
  if (this_thread() == home_) {
    make_room_(charged - share.bytes());
    return share.hold(charged);
  }
  core_.post([weak = weak_from_this(), more = charged - share.bytes()] {
    const auto alive = weak.lock();
    if (alive && alive->make_room_) alive->make_room_(more);
  });
  return false;
}

}  // namespace weir::io
