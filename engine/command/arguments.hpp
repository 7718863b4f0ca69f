// The command line as read: what every verb may be told.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "engine/command/streams.hpp"
#include "engine/observe/log.hpp"
#include "engine/runtime/time.hpp"

namespace weir::command {

enum class Verb { run, replay, check, test, graph, list, explain, new_file, schema, completion, version, reference };
enum class Shell { bash, zsh, fish };
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
  std::vector<std::string> only;        ///< `--only TEXT`: tests whose name holds one of them; all, if empty
  std::string kind;                     ///< Or what else `new` and `explain` take; for `new` perhaps nothing
  std::string envelopes;                ///< The file that `weir replay` reads,
  std::string to;                       ///< and `--to`, the stage that gets what is in it.
  std::optional<std::string> write_to;  ///< `-o FILE`
  Shell shell = Shell::bash;
};

struct Parsed {
  std::optional<Arguments> arguments;  ///< Nothing where all is said already: help, a mistake.
  int exit_code = 0;                   ///< Of that.
};

/// What a verb may be told, for who completes it: taken from what reads it.
struct OptionWords {
  std::vector<std::string> names;  ///< With their dashes: --help, -h.
  std::string help;
  std::string takes;                ///< What its value is called, such as DURATION; empty: it takes none.
  std::vector<std::string> values;  ///< What else the value may be, or a part of it: text, json.
};
struct VerbWords {
  std::string verb;
  std::string summary;
  std::string takes;        ///< What stands behind it: FILE, PIPELINE, KIND, SHELL; empty: nothing.
  bool reads_file = false;  ///< Before that a file of any kind.
  std::vector<std::string> values;
  std::vector<OptionWords> options;
};
std::vector<VerbWords> vocabulary();

/// Without the program's name. Help goes to out, mistakes to err.
Parsed parse(const std::vector<std::string>& arguments, Streams& streams);

}  // namespace weir::command
