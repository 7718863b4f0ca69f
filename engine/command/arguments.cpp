#include "engine/command/arguments.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <map>
#include <ostream>
#include <string_view>

#include "engine/command/exit_code.hpp"
#include "engine/config/diagnostics.hpp"
#include "engine/config/values.hpp"

namespace weir::command {
namespace {

struct VerbWord {
  std::string_view word;
  Verb verb;
  std::string_view summary;
};

constexpr std::array verbs{
    VerbWord{"run", Verb::run, "Runs pipelines until they have read everything or are told to end."},
    VerbWord{"replay", Verb::replay, "Sends what failed, as `format: envelope` kept it, to a stage again."},
    VerbWord{"check", Verb::check, "Finds every mistake in pipeline files and runs nothing."},
    VerbWord{"test", Verb::test, "Runs the tests in pipeline files, on virtual time and touching nothing outside."},
    VerbWord{"graph", Verb::graph, "Shows how the stages of a file are wired and what runs together."},
    VerbWord{"list", Verb::list, "Lists the kinds of stages."},
    VerbWord{"explain", Verb::explain,
             "Explains a kind, a key, a function; `stage`: all keys of stages; `test`: a test."},
    VerbWord{"new", Verb::new_file, "Prints or writes a file to start from; alone it lists what there is."},
    VerbWord{"schema", Verb::schema, "Prints the JSON Schema of a pipeline file, for editors."},
    VerbWord{"completion", Verb::completion, "Prints what teaches a shell to complete all this: bash, zsh or fish."},
    VerbWord{"version", Verb::version, "Prints the version."},
    VerbWord{"reference", Verb::reference, "Prints stages/README.md, the reference of all kinds."},
};
constexpr std::string_view hidden_verb = "reference";

constexpr std::array<std::string_view, 4> later_verbs{"top", "tap", "why", "tasks"};
constexpr std::string_view later_option = "--place";  // Of `run`.

std::string usage_text() {
  std::string text = "weir runs pipelines of stages written in YAML.\n\nUsage: weir VERB [ARGUMENT...]\n\n";
  for (const auto& verb : verbs) {
    if (verb.word == hidden_verb) continue;
    text += "  " + std::string(verb.word) + std::string(12 - verb.word.size(), ' ') + std::string(verb.summary) + "\n";
  }
  return text + "\nweir VERB --help says more of one.\n";
}

Parsed said(int exit_code) {
  Parsed parsed;
  parsed.exit_code = exit_code;
  return parsed;
}

Parsed refused(Streams& streams, const std::string& what, const std::string& hint) {
  streams.err << "weir: " << what << "\n";
  if (!hint.empty()) streams.err << "  = " << hint << "\n";
  return said(exit_code::usage);
}

Parsed unknown_verb(const std::string& word, Streams& streams) {
  if (std::find(later_verbs.begin(), later_verbs.end(), word) != later_verbs.end()) {
    return refused(streams, "'" + word + "' comes with a later version", "weir --help lists what there is");
  }
  if (word.ends_with(".yaml") || word.ends_with(".yml")) {
    return refused(streams, "there is no verb '" + word + "'", "weir run " + word + " runs it");
  }
  std::vector<std::string> words;
  for (const auto& verb : verbs) {
    if (verb.word != hidden_verb) words.emplace_back(verb.word);
  }
  for (const auto later : later_verbs) words.emplace_back(later);
  return refused(streams, "there is no verb '" + word + "'",
                 config::did_you_mean(word, words, "weir --help lists them"));
}

/// A mistake in the arguments of a verb, in the words of this program rather than the library's.
Parsed wrong_arguments(const CLI::App& app, const CLI::ParseError& error, Streams& streams) {
  const std::string help = app.get_name() + " --help says what it takes";
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    const auto extras = app.remaining();
    const std::string extra = extras.empty() ? std::string() : extras.front();
    if (!extra.starts_with("-")) return refused(streams, "'" + extra + "' is one argument too many", help);
    std::vector<std::string> names;
    for (const auto* option : app.get_options()) {
      for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    }
    const std::string written = extra.substr(0, extra.find('='));
    if (written == later_option) {
      return refused(streams, "'" + written + "' comes with a later version", help);
    }
    return refused(streams, app.get_name() + " has no option '" + written + "'",
                   config::did_you_mean(written, names, help));
  }
  for (const auto* option : app.get_options()) {
    const auto most = static_cast<std::size_t>(option->get_items_expected_max());
    if (!option->get_positional() || option->count() <= most) continue;
    return refused(streams, "'" + option->results()[most] + "' is one argument too many", help);
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    for (const auto* option : app.get_options()) {
      const auto most = static_cast<std::size_t>(option->get_items_expected_max());
      if (option->get_positional() || most == 0 || option->count() <= most) continue;
      return refused(streams,
                     "--" + option->get_lnames().front() + " is said " + std::to_string(option->count()) +
                         " times, and takes one value",
                     help);
    }
  }
  std::string what = error.what();
  if (what.ends_with(" is required")) {
    const std::string missing = what.substr(0, what.find(' '));
    what = app.get_name() + (missing.starts_with('-') ? " needs " : " needs a ") + missing;
  }
  return refused(streams, what, help);
}

class DurationText {
 public:
  explicit DurationText(std::optional<runtime::Duration>& into) : into_(into) {}
  std::string operator()(const std::string& text) const {
    into_ = config::parse_duration(text);
    if (into_) return {};
    const auto advice = config::duration_advice(text);
    return "'" + text + "' is no duration" + (advice.empty() ? ": write it as 5s or 250ms" : ": " + advice);
  }

 private:
  std::optional<runtime::Duration>& into_;
};

template <class Enum>
CLI::Option* choice(CLI::App& app, const std::string& name, Enum& into, std::map<std::string, Enum> words,
                    const std::string& help) {
  std::string names;
  for (const auto& [word, value] : words) names += (names.empty() ? "" : "|") + word;
  const auto take = [&into, words, name, names](const CLI::results_t& results) {
    const auto found = words.find(results.back());
    if (found == words.end()) throw CLI::ValidationError(name, "takes " + names + ", got '" + results.back() + "'");
    into = found->second;
    return true;
  };
  return app.add_option(name, take, help)->type_name(names)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

void add_files(CLI::App& app, Arguments& arguments) {
  app.add_option("FILE", arguments.files, "Pipeline files.")->required()->type_name("");
}
void add_overrides(CLI::App& app, Arguments& arguments) {
  app.add_option("--set", arguments.overrides, "Sets a value of the file, as --set stages.work.workers=4. Repeatable.")
      ->type_name("PATH=VALUE")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
}
void add_running(CLI::App& app, Arguments& arguments) {
  app.add_option("--for", "Begins the drain after this time.")
      ->type_name("DURATION")
      ->check(CLI::Validator(DurationText(arguments.run_for), ""));
  app.add_option("--admin", arguments.admin, "Where metrics and health are served; 127.0.0.1:9797 unless told.")
      ->type_name("ADDRESS:PORT|off");
  choice<observe::Log::Format>(app, "--log-format", arguments.log_format,
                               {{"logfmt", observe::Log::Format::logfmt}, {"json", observe::Log::Format::json}},
                               "How the log is written.");
  choice<observe::Level>(app, "--log-level", arguments.log_level,
                         {{"debug", observe::Level::debug},
                          {"info", observe::Level::info},
                          {"warn", observe::Level::warn},
                          {"error", observe::Level::error}},
                         "What the log holds at least.");
}
void add_output(CLI::App& app, Arguments& arguments) {
  choice<Output>(app, "--output", arguments.output, {{"text", Output::text}, {"json", Output::json}},
                 "For people or for programs.");
}

/// What the verb may be told, and where it goes.
void describe(CLI::App& app, const VerbWord& verb, Arguments& arguments) {
  app.description(std::string(verb.summary));
  app.name("weir " + std::string(verb.word));
  app.set_help_flag("-h,--help", "Prints this.");
  app.get_formatter()->column_width(34);
  app.get_formatter()->label("REQUIRED", "");
  app.get_formatter()->label("Positionals", "Arguments");

  switch (verb.verb) {
    case Verb::run:
      add_files(app, arguments);
      add_overrides(app, arguments);
      add_running(app, arguments);
      break;
    case Verb::replay:
      app.add_option("FILE", arguments.envelopes, "What failed, as `format: envelope` has written it.")
          ->required()
          ->type_name("");
      app.add_option("PIPELINE", arguments.files, "The pipeline file.")->required()->type_name("")->expected(1);
      app.add_option("--to", arguments.to, "The stage that takes it.")->required()->type_name("STAGE");
      add_overrides(app, arguments);
      add_running(app, arguments);
      break;
    case Verb::check:
      add_files(app, arguments);
      add_overrides(app, arguments);
      add_output(app, arguments);
      break;
    case Verb::test:
      add_files(app, arguments);
      app.add_option("--only", arguments.only, "Runs the tests whose name holds this text. Repeatable.")
          ->type_name("TEXT")
          ->expected(1)
          ->take_all()
          ->allow_extra_args(false);
      add_overrides(app, arguments);
      add_output(app, arguments);
      break;
    case Verb::graph:
      app.add_option("FILE", arguments.files, "A pipeline file.")->required()->type_name("")->expected(1);
      add_overrides(app, arguments);
      choice<GraphFormat>(app, "--format", arguments.graph_format,
                          {{"text", GraphFormat::text}, {"dot", GraphFormat::dot}, {"json", GraphFormat::json}},
                          "For people, for Graphviz or for programs.");
      break;
    case Verb::explain:
      app.add_option(
             "WORD", arguments.kind,
             "A kind that `weir list` names; `stage`, the keys of all stages, or `test`; a key of one of these, "
             "such as `merge`, `file.read` or `limit.burst`; what else a file holds, such as `vars`; "
             "`functions`, what Lua code knows, or a name in it, such as `failed` or `re.match`.")
          ->required()
          ->type_name("");
      add_output(app, arguments);
      break;
    case Verb::new_file:
      app.add_option("KIND|APPLICATION", arguments.kind, "What `weir new` lists.")->type_name("");
      app.add_option("-o", arguments.write_to, "Writes it to a file that is not there yet.")->type_name("FILE");
      break;
    case Verb::completion:
      choice<Shell>(
          app, "SHELL", arguments.shell, {{"bash", Shell::bash}, {"zsh", Shell::zsh}, {"fish", Shell::fish}},
          "Which one. Bash: source <(weir completion bash), in ~/.bashrc for good. Zsh: the same in ~/.zshrc, "
          "behind compinit. Fish: weir completion fish | source.")
          ->required();
      break;
    case Verb::list:
    case Verb::version:
      add_output(app, arguments);
      break;
    case Verb::schema:
    case Verb::reference:
      break;
  }
}

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (auto end = text.find(by); end != std::string::npos; end = text.find(by, begin)) {
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

bool is_upper(const std::string& word) {
  return std::all_of(word.begin(), word.end(), [](char c) { return c < 'a' || c > 'z'; });
}

}  // namespace

std::vector<VerbWords> vocabulary() {
  std::vector<VerbWords> all;
  for (const auto& verb : verbs) {
    if (verb.word == hidden_verb) continue;
    Arguments arguments;
    CLI::App app;
    describe(app, verb, arguments);
    VerbWords& words = all.emplace_back();
    words.verb = verb.word;
    words.summary = verb.summary;
    for (const auto* option : app.get_options()) {
      // A type in capitals is a word for something, such as DURATION; the others are what may be written.
      std::vector<std::string> values;
      std::string takes;
      if (option->get_items_expected_max() > 0) {
        takes = option->get_type_name();
        for (const auto& word : split(takes, '|')) {
          if (!word.empty() && !is_upper(word)) values.push_back(word);
        }
      }
      if (option->get_positional()) {
        words.reads_file = words.takes == "FILE";
        words.takes = option->get_name();
        words.values = std::move(values);
        continue;
      }
      OptionWords& named = words.options.emplace_back();
      for (const auto& name : option->get_snames()) named.names.push_back("-" + name);
      for (const auto& name : option->get_lnames()) named.names.push_back("--" + name);
      named.help = option->get_description();
      named.takes = std::move(takes);
      named.values = std::move(values);
    }
  }
  return all;
}

Parsed parse(const std::vector<std::string>& words, Streams& streams) {
  if (words.empty()) {
    streams.err << usage_text();
    return said(exit_code::usage);
  }
  const std::string& word = words.front();
  if (word == "--help" || word == "-h" || word == "help") {
    streams.out << usage_text();
    return said(exit_code::done);
  }
  const std::string_view named = word == "--version" ? "version" : std::string_view(word);
  if (named.starts_with("-")) {
    return refused(streams, "the verb comes first; '" + word + "' is none", "weir --help lists them");
  }
  const auto found = std::find_if(verbs.begin(), verbs.end(), [&](const auto& verb) { return verb.word == named; });
  if (found == verbs.end()) return unknown_verb(word, streams);

  Arguments arguments;
  arguments.verb = found->verb;
  CLI::App app;
  describe(app, *found, arguments);
  std::vector<std::string> rest(words.rbegin(), words.rend() - 1);  // The library wants them last first.
  try {
    app.parse(std::move(rest));
  } catch (const CLI::CallForHelp&) {
    streams.out << app.help();
    return said(exit_code::done);
  } catch (const CLI::ParseError& error) {
    return wrong_arguments(app, error, streams);
  }
  Parsed parsed;
  parsed.arguments = std::move(arguments);
  return parsed;
}

}  // namespace weir::command
