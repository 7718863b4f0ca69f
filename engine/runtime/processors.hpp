// How many processors this program may use.
#pragma once

namespace weir::runtime {

/// Those the scheduler lets it run on, at least 1: fewer than the machine has under taskset, in a cpuset or a container
/// that pins. A container's share of time (cgroup quota) takes none away.
int processors();

}  // namespace weir::runtime
