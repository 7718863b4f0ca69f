// What a test expected, held against what came.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/command/doubles.hpp"
#include "engine/observe/snapshot.hpp"

namespace weir::command {

/// The figures of all stages at one moment.
struct Figures {
  observe::PipelineSnapshot stages;
  std::map<std::string, std::int64_t> calls;
  /// Messages that have places on an edge, by the stage that it leads to and by what its `from` calls the other end.
  std::map<std::string, std::map<std::string, std::int64_t>> edges;
};

/// `plan`: what runs, with what stands in for the outside.
Figures figures_of(const graph::Plan& plan, observe::PipelineSnapshot stages,
                   const std::map<std::string, std::int64_t>& calls);

/// All that came of a test.
struct Seen {
  const Record* record = nullptr;
  std::map<config::Duration, Figures> at;  ///< Those that an expectation asks for.
  Figures end;
  int exit_code = 0;
};

/// Every expectation that does not hold, at its place: what was expected, what came, and wherein the nearest differs.
/// Pure.
void compare(const Trial& trial, const Seen& seen, config::Diagnostics& failures);

/// Whether what leaves by a port has an order that can be relied on (semantics 9): one source, one path, no workers
/// that go each their own way.
bool in_order(const graph::Plan& plan, graph::PortRef from);

/// A time as one would write it in a test: `90m`, `3600.5s`.
std::string shown(runtime::Duration time);

/// How the message differs from what an expectation says of it; empty where it does not.
std::vector<std::string> differences(const ExpectConfig& expected, const Came& came);

}  // namespace weir::command
