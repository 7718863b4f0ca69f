// `weir replay`: what failed and was kept in envelopes is sent to a stage again.
#pragma once
#include <string>

#include "engine/command/arguments.hpp"
#include "engine/command/streams.hpp"
#include "engine/config/node.hpp"
#include "engine/stage/kind.hpp"

namespace weir::command {

/// Makes of a pipeline the part that begins at `to`, fed by what is in the file of envelopes: that stage, all that read
/// it, however far behind, and all that read `any.failed`. A stage that reads outside is itself replaced. False where
/// there is no such stage; then nothing is changed.
bool begin_at(config::Node& root, const std::string& to, const std::string& envelopes);

/// As run() does: it takes the process.
int replay(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams);

}  // namespace weir::command
