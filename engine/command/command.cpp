#include "engine/command/command.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <system_error>

#include "engine/command/arguments.hpp"
#include "engine/command/check.hpp"
#include "engine/command/completion.hpp"
#include "engine/command/exit_code.hpp"
#include "engine/command/explain.hpp"
#include "engine/command/fault.hpp"
#include "engine/command/new_file.hpp"
#include "engine/command/reference.hpp"
#include "engine/command/replay.hpp"
#include "engine/command/run.hpp"
#include "engine/command/schema.hpp"
#include "engine/command/test.hpp"

namespace weir::command {
namespace {

bool wants_color(bool is_terminal) {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  return is_terminal && !(no_color && *no_color != '\0') && !(terminal && std::string_view(terminal) == "dumb");
}

int run_verb(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams) {
  switch (arguments.verb) {
    case Verb::run:
      return run(catalog, arguments, streams);
    case Verb::replay:
      return replay(catalog, arguments, streams);
    case Verb::check:
      return check(catalog, arguments, streams);
    case Verb::test:
      return test(catalog, arguments, streams);
    case Verb::graph:
      return graph(catalog, arguments, streams);
    case Verb::list:
      return list(catalog, arguments.output, streams);
    case Verb::explain:
      return explain(catalog, arguments.kind, arguments.output, streams);
    case Verb::version:
      return version(arguments.output, streams);
    case Verb::new_file:
      return new_file(catalog, arguments, streams);
    case Verb::completion:
      streams.out << completion(catalog, arguments.shell);
      return exit_code::done;
    case Verb::schema:
      streams.out << pipeline_schema(catalog);
      return exit_code::done;
    case Verb::reference:
      streams.out << reference_page(catalog);
      return exit_code::done;
  }
  return exit_code::bug;
}

}  // namespace

int run_command(const stage::Catalog& catalog, const std::vector<std::string>& words, Streams& streams) {
  try {
    const auto parsed = parse(words, streams);
    return parsed.arguments ? run_verb(catalog, *parsed.arguments, streams) : parsed.exit_code;
  } catch (...) {
    const auto fault = describe(std::current_exception(), When::start);
    streams.err << "weir: " << fault.what << "\n";
    return fault.exit_code;
  }
}

int run_command(const stage::Catalog& catalog, int argc, const char* const* argv) {
  const bool err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  Streams streams{std::cout, std::cerr, ::isatty(STDOUT_FILENO) == 1, err_is_terminal, wants_color(err_is_terminal)};
  const int ended = run_command(catalog, std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc), streams);
  errno = 0;
  std::cout.flush();
  if (std::cout.good() || errno == EPIPE) return ended;
  const std::error_code error(errno, std::generic_category());
  std::cerr << "weir: standard output takes nothing: " << error.message() << "\n";
  return ended == exit_code::done ? exit_code::io : ended;
}

}  // namespace weir::command
