// Times of day as text, UTC.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "engine/runtime/rfc3339.hpp"

namespace weir::script {

using runtime::rfc3339;
/// RFC 3339; also with a blank for the T, without a zone (UTC then), without a time of day (midnight then).
std::optional<runtime::WallTime> parse_rfc3339(std::string_view text);

/// `%Y %y %m %d %e %j %H %I %M %S %L (milliseconds) %p %a %A %b %B %F %T %s (Unix) %z %Z %%`. Nothing, and `what` says
/// why, for any other.
std::optional<std::string> format_time(runtime::WallTime time, std::string_view format, std::string& what);
/// The reverse. Nothing where the text does not fit; `what` is set only where the format is wrong.
std::optional<runtime::WallTime> parse_time(std::string_view text, std::string_view format, std::string& what);

}  // namespace weir::script
