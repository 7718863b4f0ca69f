// Files that grow, read as they do: `tail -F`, with a place to go on from.
#pragma once
#include <string>

#include "engine/stage/intake.hpp"

namespace weir::stage {

struct FollowSetting {
  std::string pattern;            ///< A path, or a pattern of several.
  Format format = Format::lines;  ///< lines, ndjson or logfmt.
  config::Size most;              ///< Of a line.
  RecordRules rules;
  Duration poll{};        ///< Between two looks.
  bool from_end = false;  ///< Of what is there the very first time only what comes is read.
};

/// Reads what is there, then every `poll` what has come, until nobody takes it any more. What is done with is written
/// down in Source::data, in `PIPELINE/STAGE.positions`; a file is known again by its number and its first bytes.
///
/// - A file that is renamed or removed is read on, before others, until nothing has come for five seconds; then what it
///   still holds of a line is the last one. One that was renamed within its folder while weir did not run is found.
/// - A file that is shorter than what was read of it, or begins otherwise, is read anew.
/// - Half a line waits for its end.
/// - Of more files than this process may have open, less a few for others, some are closed. They are opened again when
///   they have grown, under their name or another in their folder; what can't be opened now waits for the next look,
///   and each minute it is tried whether more may be open. Of one that is closed and then renamed into another folder,
///   or removed, what it was given last is not read.
/// - Of a pattern: a file that turns up with the first bytes of one that is followed, and with its last that were read
///   where they were, is a copy if the other is cut within a second: only what comes behind those is read of it.
Task<> follow(FollowSetting setting, Source& source);

}  // namespace weir::stage
