#include "engine/command/new_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <ostream>
#include <system_error>

#include "engine/command/exit_code.hpp"
#include "engine/config/draft.hpp"
#include "engine/config/words.hpp"
#include "engine/config/yaml.hpp"
#include "engine/stage/common.hpp"

namespace weir::command {
namespace {

/// What weir is to be used for one day, and what that waits for.
struct Later {
  std::string_view name;
  std::string_view needs;
};
constexpr std::array later_applications{
    Later{"microservices", "queue and nats"},  Later{"chat", "websocket_server"},
    Later{"task_automation", "queue"},         Later{"web_crawler", "queue and html"},
    Later{"iot", "mqtt and websocket_server"},
};

/// How the kind, as its first example configures it, stands among others.
stage::Configured configured_by_example(const stage::Kind& kind) {
  config::Diagnostics ignored;  // Examples are right: a test reads all of them.
  const config::Scope scope;
  config::Reader reader(ignored, scope);
  const auto& examples = kind.declaration().examples;
  const auto tree = config::parse(config::make_source(kind.name(), examples.empty() ? "" : examples.front()), ignored);
  const auto* value = tree ? tree->find(kind.name()) : nullptr;
  return kind.configure(value ? *value : config::Node(), reader);
}

std::string stage_lines(const std::string& name, std::string_view about, const std::string& from,
                        const std::string& kind) {
  return config::comment(about, 2) + "  " + name + ":\n" + (from.empty() ? "" : "    from: " + from + "\n") + kind;
}

/// What the last stage reads: everything that `work` lets out, and nothing that need not be read.
std::string outputs_of(const std::string& name, const stage::Configured& configured) {
  std::vector<std::string> all;
  if (configured.main_output) all.push_back(name);
  if (configured.ports_are_to_be_read) {
    for (const auto& port : configured.ports) all.push_back(name + "." + port);
  }
  return all.size() == 1 ? all.front() : "[" + config::listed(all) + "]";
}

void list(const stage::Catalog& catalog, Streams& streams) {
  std::size_t width = 0;
  for (const auto& application : applications()) width = std::max(width, application.name.size());
  for (const auto& [name, kind] : catalog.all()) width = std::max(width, name.size());
  const auto line = [&](std::string_view name, std::string_view summary) {
    streams.out << "  " << name << std::string(width + 2 - name.size(), ' ') << summary << "\n";
  };
  streams.out << "A whole pipeline to start from, with its tests:\n";
  for (const auto& application : applications()) line(application.name, application.summary());
  streams.out << "\nOne kind of stage, with everything it can be told:\n";
  for (const auto& [name, kind] : catalog.all()) line(name, kind->declaration().summary);
  streams.out << "\nweir new NAME -o FILE writes one of them.\n";
}

int unknown(const stage::Catalog& catalog, const std::string& name, Streams& streams) {
  for (const auto& later : later_applications) {
    if (later.name != name) continue;
    streams.err << "weir: '" << name << "' comes with a later version: it needs " << later.needs
                << "\n  = weir new lists what there is\n";
    return exit_code::usage;
  }
  if (stage::comes_later(name)) {
    streams.err << "weir: '" << name << "' comes with a later version\n  = weir new lists what there is\n";
    return exit_code::usage;
  }
  streams.err << "weir: there is no kind or application '" << name
              << "'\n  = " << config::did_you_mean(name, words_for_new(catalog), "weir new lists what there is")
              << "\n";
  return exit_code::usage;
}

/// The file anew; one that is there already stays as it is.
int written(const std::string& path, const std::string& text, Streams& streams) {
  const auto failed = [&](int code, const std::string& hint) {
    const std::error_code error(errno, std::generic_category());
    streams.err << "weir: " << path << ": " << (error.value() == EEXIST ? "is there already" : error.message()) << "\n"
                << hint;
    return code;
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wxe"), &std::fclose);
  if (!file) {
    return errno == EEXIST ? failed(exit_code::usage, "  = weir new writes over nothing: choose another name\n")
                           : failed(exit_code::system, "");
  }
  if (std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() || std::fflush(file.get()) != 0) {
    std::remove(path.c_str());  // Half of it is no file to start from.
    return failed(exit_code::io, "");
  }
  streams.err << "weir: wrote " << path << "\n  = weir test " << path << " tries it, weir run " << path << " runs it\n";
  return exit_code::done;
}

/// As whoever has only the program, and the text in this file, would call it.
std::string with_own_words(std::string_view text, const std::string& name, const std::string& file) {
  std::string out(text);
  const std::string there_file = name + ".yaml";
  for (const auto& [there, here] : std::to_array<std::pair<std::string_view, std::string_view>>(
           {{"engine/run pipelines/", "weir run "}, {"pipelines/", ""}, {there_file, file}})) {
    for (auto at = out.find(there); at != std::string::npos; at = out.find(there, at + here.size())) {
      out.replace(at, there.size(), here);
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> words_for_new(const stage::Catalog& catalog) {
  auto words = catalog.names();
  for (const auto& application : applications()) words.emplace_back(application.name);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

std::string_view Application::summary() const {
  auto line = text.substr(0, text.find('\n'));
  while (line.starts_with('#') || line.starts_with(' ')) line.remove_prefix(1);
  while (line.ends_with(':')) line.remove_suffix(1);
  return line;
}

std::optional<std::string> kind_to_start_from(const stage::Catalog& catalog, const std::string& name) {
  const auto* kind = catalog.find(name);
  if (!kind) return std::nullopt;
  const auto& declaration = kind->declaration();
  const auto configured = configured_by_example(*kind);
  using stage::Shape;
  const bool reads = configured.shape == Shape::source;
  const bool ends = configured.shape == Shape::sink || (configured.shape == Shape::operation &&
                                                        !configured.main_output && !configured.ports_are_to_be_read);
  const std::string message = declaration.example_message.empty() ? "{id: 1}" : declaration.example_message;

  std::string text =
      config::comment(name + ": " + declaration.summary, 0) +
      "#\n"
      "#   weir check FILE     finds every mistake in it\n"
      "#   weir test FILE      runs the tests at its end\n"
      "#   weir run FILE       runs it\n"
      "#   weir explain " +
      name +
      "\n"
      "#\n"
      "# What stands behind a # without a blank is an option that is not used: take the # away to use it.\n"
      "# `weir explain stage` tells the keys that all stages have, such as workers and on_error.\n\n"
      "stages:\n";
  if (configured.replies) {
    text += stage_lines("input", "Whoever asks here is answered. Any stage that listens may take its place.", "",
                        "    http_server: {listen: 127.0.0.1:8080, path: /}\n");
  } else if (!reads) {
    text += stage_lines("input", "Something to try it on. Any source may take its place; `weir list` names them.", "",
                        "    generate: {each: [" + message + "]}\n");
  }
  text += stage_lines("work", declaration.details.empty() ? declaration.summary : declaration.details,
                      reads ? "" : "input", config::draft(declaration, 4));
  if (!ends) {
    text += stage_lines("output", "What comes of it, a message on a line.", outputs_of("work", configured),
                        "    stdout: {}\n");
  }
  text +=
      "\n# `weir explain test` tells what a test may hold.\n"
      "tests:\n"
      "  - name: it runs to its end\n";
  if (configured.shape == Shape::call && configured.touches != stage::Touches::nothing)
    text += "    fake: {work: [{text: what it answers}]}\n";
  if (configured.replies) text += "    send: [{to: input, msg: " + message + "}]\n";
  if (reads && configured.touches != stage::Touches::nothing) text += "    fake: {work: [{text: '{\"id\": 1}'}]}\n";
  return text + "    expect: [{exit: 0}]\n";
}

int new_file(const stage::Catalog& catalog, const Arguments& arguments, Streams& streams) {
  if (arguments.kind.empty()) {
    list(catalog, streams);
    return exit_code::done;
  }
  auto text = kind_to_start_from(catalog, arguments.kind);
  for (const auto& application : applications()) {
    if (application.name != arguments.kind) continue;
    text = with_own_words(application.text, arguments.kind, arguments.write_to.value_or(arguments.kind + ".yaml"));
  }
  if (!text) return unknown(catalog, arguments.kind, streams);
  if (arguments.write_to) return written(*arguments.write_to, *text, streams);
  streams.out << *text;
  return exit_code::done;
}

}  // namespace weir::command
