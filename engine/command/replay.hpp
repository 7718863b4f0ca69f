// `weir replay`: what failed and was kept in envelopes is sent to a stage again.
#pragma once
#include <optional>
#include <string>

#include "engine/command/arguments.hpp"
#include "engine/command/streams.hpp"
#include "engine/graph/plan.hpp"

namespace weir::command {

/// The part of a pipeline that begins at `to`, fed by what is in the file of envelopes: that stage, all that read it,
/// however far behind, and all that read `any.failed`. A stage that reads outside is itself replaced; a reply that
/// nobody waits for is dropped. `to`: a stage, INSTANCE/STAGE of one inside a kind of one's own, or an instance that
/// reads something. Nothing where there is none of that name, or it is an instance into which nothing comes.
std::optional<config::Pipeline> begin_at(const graph::Plan& plan, const std::string& to, const std::string& envelopes);

/// As run() does: it takes the process.
int replay(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams);

}  // namespace weir::command
