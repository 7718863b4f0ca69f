#include "engine/command/completion.hpp"

#include <fmt/format.h>

#include "engine/command/explain.hpp"
#include "engine/command/new_file.hpp"
#include "engine/config/diagnostics.hpp"

namespace weir::command {
namespace {

using config::listed;

constexpr const char* files = "FILE";

/// Whether pipeline files stand behind the verb; before them, with `reads_file`, one of any kind.
bool takes_pipelines(const VerbWords& verb) { return verb.takes == files || verb.takes == "PIPELINE"; }

/// What may stand behind the verb, where it is a word that weir knows; files are for the shell to find.
std::vector<std::string> words_behind(const stage::Catalog& catalog, const VerbWords& verb) {
  if (!verb.values.empty()) return verb.values;
  if (verb.takes.empty() || takes_pipelines(verb)) return {};
  if (verb.takes == "WORD") return explained_words(catalog);
  return words_for_new(catalog);
}

std::vector<std::string> option_names(const VerbWords& verb) {
  std::vector<std::string> names;
  for (const auto& option : verb.options) names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

/// In single quotes, for any of the three shells.
std::string quoted(std::string_view text, std::string_view quote_inside) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += quote_inside;
    } else {
      out += c;
    }
  }
  return out + "'";
}
std::string quoted(std::string_view text) { return quoted(text, "'\\''"); }

// --------------------------------------------------------------------------------------------------------------- bash

std::string bash(const stage::Catalog& catalog) {
  std::vector<std::string> verbs{"help", "--help", "--version"};
  std::string values, behind, options;
  for (const auto& verb : vocabulary()) {
    verbs.push_back(verb.verb);
    for (const auto& option : verb.options) {
      if (option.takes.empty()) continue;
      std::vector<std::string> patterns;
      for (const auto& name : option.names) patterns.push_back(verb.verb + ":" + name);
      values += fmt::format(
          "    {}) {} ;;\n", listed(patterns, "|"),
          option.takes == files ? "_weir_files; return" : "words=" + quoted(listed(option.values, " ")) + "; value=1");
    }
    options += fmt::format("    {}) options={} ;;\n", verb.verb, quoted(listed(option_names(verb), " ")));
    const auto words = words_behind(catalog, verb);
    const std::string_view which = verb.reads_file ? "" : " yaml";
    if (takes_pipelines(verb)) behind += fmt::format("    {}) _weir_files{}; return ;;\n", verb.verb, which);
    if (!words.empty()) behind += fmt::format("    {}) words={} ;;\n", verb.verb, quoted(listed(words, " ")));
  }
  return "# Completion of weir for bash: source <(weir completion bash)\n"
         "# Files that may hold any character, one on a line of compgen, kept whole; with `yaml` only pipelines.\n"
         "_weir_files() {\n"
         "  local name\n"
         "  compopt -o filenames 2>/dev/null\n"
         "  while IFS= read -r name; do\n"
         "    if [[ -z $1 || -d $name || $name == *.yaml || $name == *.yml ]]; then COMPREPLY+=(\"$name\"); fi\n"
         "  done < <(compgen -f -- \"$word\")\n"
         "}\n"
         "_weir() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]}\n"
         "  local words= options= value=\n"
         "  COMPREPLY=()\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    COMPREPLY=($(compgen -W " +
         quoted(listed(verbs, " ")) +
         " -- \"$word\"))\n"
         "    return\n"
         "  fi\n"
         "  # Bash takes `--output=json` apart at the sign.\n"
         "  if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
         "  case $verb:$before in\n" +
         values +
         "  esac\n"
         "  if [[ -z $value && $word == -* ]]; then\n"
         "    case $verb in\n" +
         options +
         "    esac\n"
         "    words=$options\n"
         "  elif [[ -z $value ]]; then\n"
         "    case $verb in\n" +
         behind +
         "    esac\n"
         "  fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "}\n"
         "complete -F _weir weir\n";
}

// ---------------------------------------------------------------------------------------------------------------- zsh

/// A text inside an argument of _arguments, whose own marks it must not hold.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh(const stage::Catalog& catalog) {
  std::string verbs, cases;
  for (const auto& verb : vocabulary()) {
    verbs += "    " + quoted(verb.verb + ":" + zsh_text(verb.summary)) + "\n";
    std::string arguments;
    for (const auto& option : verb.options) {
      for (const auto& name : option.names) {
        std::string one = (option.takes.empty() ? "" : "*") + name + "[" + zsh_text(option.help) + "]";
        if (!option.takes.empty()) {
          one += ":" + zsh_text(option.takes) + ":";
          if (option.takes == files) one += "_files";
          if (!option.values.empty()) one += "(" + listed(option.values, " ") + ")";
        }
        arguments += " \\\n        " + quoted(one);
      }
    }
    const auto words = words_behind(catalog, verb);
    if (verb.reads_file) arguments += " \\\n        " + quoted("1:file:_files");
    if (takes_pipelines(verb)) arguments += " \\\n        " + quoted("*:pipeline:_files -g \"*.(yaml|yml)(-.)\"");
    if (!words.empty())
      arguments += " \\\n        " + quoted("1:" + zsh_text(verb.takes) + ":(" + listed(words, " ") + ")");
    cases += "    " + verb.verb + ")\n      _arguments" + arguments + "\n      ;;\n";
  }
  return "#compdef weir\n"
         "# Completion of weir for zsh: source <(weir completion zsh), behind compinit; or as a file _weir on $fpath.\n"
         "_weir() {\n"
         "  local -a verbs=(\n" +
         verbs +
         "  )\n"
         "  if ((CURRENT == 2)); then\n"
         "    _describe verb verbs\n"
         "    return\n"
         "  fi\n"
         "  local verb=$words[2]\n"
         "  shift words\n"
         "  ((CURRENT--))\n"
         "  case $verb in\n" +
         cases +
         "  esac\n"
         "}\n"
         "if [[ $funcstack[1] == _weir ]]; then _weir \"$@\"; else compdef _weir weir; fi\n";
}

// --------------------------------------------------------------------------------------------------------------- fish

std::string fish(const stage::Catalog& catalog) {
  const auto fish_quoted = [](std::string_view text) { return quoted(text, "\\'"); };
  std::string out =
      "# Completion of weir for fish: weir completion fish | source\n"
      "complete -c weir -f\n";
  for (const auto& verb : vocabulary()) {
    const std::string here = "complete -c weir -n '__fish_seen_subcommand_from " + verb.verb + "'";
    out += fmt::format("complete -c weir -n __fish_use_subcommand -a {} -d {}\n", verb.verb, fish_quoted(verb.summary));
    for (const auto& option : verb.options) {
      std::string names;
      for (const auto& name : option.names) {
        names += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      std::string value;
      if (!option.takes.empty()) {
        value = option.takes == files ? " -r -F" : " -x";
        if (!option.values.empty()) value += " -a " + fish_quoted(listed(option.values, " "));
      }
      out += here + names + value + " -d " + fish_quoted(option.help) + "\n";
    }
    const auto words = words_behind(catalog, verb);
    if (verb.reads_file) out += here + " -F\n";
    if (takes_pipelines(verb)) out += here + " -a '(__fish_complete_suffix .yaml)'\n";
    if (!words.empty()) out += here + " -a " + fish_quoted(listed(words, " ")) + "\n";
  }
  return out;
}

}  // namespace

std::string completion(const stage::Catalog& catalog, Shell shell) {
  switch (shell) {
    case Shell::bash:
      return bash(catalog);
    case Shell::zsh:
      return zsh(catalog);
    case Shell::fish:
      return fish(catalog);
  }
  return {};
}

}  // namespace weir::command
