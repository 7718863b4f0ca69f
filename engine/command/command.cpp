#include "engine/command/command.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <streambuf>
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

/// The standard output, which remembers what was wrong with it: a stream would only say that something was.
class ProgramOutput final : public std::streambuf {
 public:
  ProgramOutput() { setp(bytes_.data(), bytes_.data() + bytes_.size()); }
  int error() const { return error_; }  ///< Of errno; 0: none.

 protected:
  int_type overflow(int_type byte) override {
    if (sync() != 0) return traits_type::eof();
    if (!traits_type::eq_int_type(byte, traits_type::eof())) {
      *pptr() = traits_type::to_char_type(byte);
      pbump(1);
    }
    return traits_type::not_eof(byte);
  }
  int sync() override {
    const char* at = pbase();
    while (error_ == 0 && at < pptr()) {
      const auto written = ::write(STDOUT_FILENO, at, static_cast<std::size_t>(pptr() - at));
      if (written >= 0) {
        at += written;
      } else if (errno == EAGAIN) {
        pollfd ready{STDOUT_FILENO, POLLOUT, 0};
        ::poll(&ready, 1, -1);
      } else if (errno != EINTR) {
        error_ = errno;
      }
    }
    setp(bytes_.data(), bytes_.data() + bytes_.size());
    return error_ == 0 ? 0 : -1;
  }

 private:
  std::array<char, 8192> bytes_{};
  int error_ = 0;
};

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
  ProgramOutput output;
  std::ostream out(&output);
  Streams streams{out, std::cerr, ::isatty(STDOUT_FILENO) == 1, err_is_terminal, wants_color(err_is_terminal)};
  const int ended = run_command(catalog, std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc), streams);
  out.flush();
  if (output.error() == 0 || output.error() == EPIPE) return ended;
  std::cerr << "weir: standard output takes nothing: "
            << std::error_code(output.error(), std::generic_category()).message() << "\n";
  return ended == exit_code::done ? exit_code::io : ended;
}

}  // namespace weir::command
