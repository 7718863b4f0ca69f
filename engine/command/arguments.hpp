// The command line as read: what every verb may be told.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "engine/command/streams.hpp"
#include "engine/observe/log.hpp"
#include "engine/runtime/time.hpp"

namespace weir::command {

enum class Verb { run, check, test, graph, list, explain, schema, version, reference };
enum class Output { text, json };
enum class GraphFormat { text, dot, json };

struct Arguments {
  Verb verb = Verb::version;
  std::vector<std::string> files;
  std::vector<std::string> overrides;        ///< `--set path=value`
  std::optional<runtime::Duration> run_for;  ///< `--for`
  std::optional<std::string> admin;          ///< `--admin`, as written
  observe::Log::Format log_format = observe::Log::Format::logfmt;
  observe::Level log_level = observe::Level::info;
  Output output = Output::text;
  GraphFormat graph_format = GraphFormat::text;
  std::vector<std::string> only;  ///< `--only TEXT`: tests whose name holds one of them; all, if empty
  std::string kind;
};

struct Parsed {
  std::optional<Arguments> arguments;  ///< Nothing where all is said already: help, a mistake.
  int exit_code = 0;                   ///< Of that.
};

/// Without the program's name. Help goes to out, mistakes to err.
Parsed parse(const std::vector<std::string>& arguments, Streams& streams);

}  // namespace weir::command
