// Times of day as text, in UTC or as the clocks of a place show them.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "engine/runtime/rfc3339.hpp"
#include "engine/runtime/zone.hpp"

namespace weir::script {

using runtime::rfc3339;
/// The same with the digits below milliseconds, where there are any: six or nine behind the point then.
std::string exact_rfc3339(runtime::WallTime time);

/// Of a time that is one but that 64 bits of nanoseconds do not hold, to say behind what it is.
inline constexpr const char* not_held = "lies outside the years 1678 to 2261, which is all that weir holds";
/// Whether weir holds a time that many seconds from the beginning of 1970. Not of NaN and the infinities.
bool held(double seconds_since_1970);
/// One that is held, to the microsecond: there a double has no finer steps.
runtime::WallTime time_of(double seconds_since_1970);
/// Whether a text that parse_rfc3339() refuses is a time, only one that weir does not hold.
bool outside_held_years(std::string_view text);

/// RFC 3339; also with a blank for the T, without a zone (UTC then), without a time of day (midnight then). Nothing
/// where it is none, or one that weir does not hold.
std::optional<runtime::WallTime> parse_rfc3339(std::string_view text);

/// Where the clocks hang that a text is of. Outlives the call.
struct Clocks {
  const runtime::Zone* zone = nullptr;  ///< Null: UTC.
  std::string_view name = "UTC";        ///< What %Z says.
};

/// `%Y %y %m %d %e %j %H %I %M %S %L (milliseconds) %f (microseconds) %p %a %A %b %B %F %T %s (Unix) %z %Z %%`.
/// Nothing, and `what` says why, for any other.
std::optional<std::string> format_time(runtime::WallTime time, std::string_view format, std::string& what,
                                       const Clocks& clocks = {});
/// The reverse; %L and %f are as many digits as there are, a day may stand behind a blank for its zero. A text with %z
/// says itself where its clocks hang. Of an hour that comes twice the first is meant; one that is left out is counted
/// on from the one before. Nothing where the text does not fit or weir does not hold the time; `what` is set only where
/// the format is wrong.
std::optional<runtime::WallTime> parse_time(std::string_view text, std::string_view format, std::string& what,
                                            const Clocks& clocks = {});

}  // namespace weir::script
