#include "engine/command/explain.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <ostream>
#include <string_view>
#include <utility>

#include "engine/command/arguments.hpp"
#include "engine/command/exit_code.hpp"
#include "engine/command/file_words.hpp"
#include "engine/command/test_block.hpp"
#include "engine/config/declaration.hpp"
#include "engine/config/diagnostics.hpp"
#include "engine/config/loader.hpp"
#include "engine/script/manual.hpp"
#include "engine/stage/common.hpp"

namespace weir::command {
namespace {

constexpr const char* common_name = "stage";
constexpr const char* test_name = "test";
constexpr const char* functions_name = "functions";

/// Of code's names, and of the functions in them: `re`, `time.format`.
bool is_of_code(const std::string& word) {
  const auto manual = script::manual();
  return word == functions_name || std::any_of(manual.begin(), manual.end(), [&](const auto& entry) {
           return entry.name == word || entry.name.starts_with(word + ".");
         });
}

bool is_part_of(const script::ManualEntry& entry, const std::string& word) {
  return word == functions_name || entry.name == word || entry.name.starts_with(word + ".");
}

/// Of one of code's names what it is; of a table of functions, each of them.
std::string manual_text(const std::string& word) {
  if (word == functions_name) return script::manual_text();
  return script::manual_lines("", [&word](const auto& entry) { return is_part_of(entry, word); }) +
         "\n`weir explain functions` has all that Lua code knows.\n";
}

std::string manual_json(const std::string& word) {
  std::string text;
  for (const auto& entry : script::manual()) {
    if (!is_part_of(entry, word)) continue;
    text += (text.empty() ? "[\n " : ",\n ");
    text += "{\"name\": " + config::json_text(entry.name) + ", \"use\": " + config::json_text(entry.use) +
            ", \"text\": " + config::json_text(entry.text) + "}";
  }
  return text + "\n]\n";
}

const config::Declaration* whole_declaration(const stage::Catalog& catalog, const std::string& word) {
  if (const auto* kind = catalog.find(word)) return &kind->declaration();
  if (word == common_name) return &stage::common_spec().declaration();
  if (word == stage::do_key) return &stage::do_declaration();
  if (word == test_name) return &test_declaration();
  const auto& of_file = file_words();
  const auto found = std::find_if(of_file.begin(), of_file.end(), [&](const auto& one) { return one.name == word; });
  return found == of_file.end() ? nullptr : &*found;
}

/// A key by where it stands: `merge`, `limit.burst`, `file.read`. Null: there is none. `within`: what has it.
const config::FieldDeclaration* find_key(const stage::Catalog& catalog, const std::string& path, std::string& within) {
  auto dot = path.find('.');
  const auto* declaration = whole_declaration(catalog, path.substr(0, dot));
  const config::FieldDeclaration* field = nullptr;
  if (declaration) {
    within = path.substr(0, dot);
  } else {
    declaration = &stage::common_spec().declaration();
    within = common_name;
    field = declaration->find(path.substr(0, dot));
    if (!field) return nullptr;
  }
  while (dot != std::string::npos) {
    if (field) {
      declaration = field->nested.get();
      within = path.substr(0, dot);
    }
    if (!declaration) return nullptr;
    const auto next = path.find('.', dot + 1);
    field = declaration->find(path.substr(dot + 1, next == std::string::npos ? next : next - dot - 1));
    if (!field) return nullptr;
    dot = next;
  }
  return field;
}

/// A key as if it were all that there is.
config::Declaration alone(const config::FieldDeclaration& field) {
  config::Declaration made;
  if (field.nested) {
    made = *field.nested;
    if (made.summary.empty()) made.summary = field.help;
  } else {
    made.shape = config::Declaration::Shape::scalar;
    made.value = field;
    made.summary = field.help;
  }
  made.name = field.key;
  return made;
}

const config::Declaration* declaration_of(const stage::Catalog& catalog, const std::string& path) {
  std::string within;
  if (const auto* whole = whole_declaration(catalog, path)) return whole;
  const auto* field = find_key(catalog, path, within);
  return field ? field->nested.get() : nullptr;
}

/// All that may be explained by one word, the keys that stages have in common first.
std::vector<std::string> words_and_keys(const stage::Catalog& catalog) {
  auto words = stage::common_spec().declaration().keys();
  const auto others = explained_words(catalog);
  words.insert(words.end(), others.begin(), others.end());
  return words;
}

/// Where a word is a key, or a value that a key may have: the first three places, as `weir explain` takes them.
std::vector<std::string> places_of(const stage::Catalog& catalog, const std::string& word) {
  constexpr std::size_t most = 3;
  std::vector<std::string> places;
  for (const auto& within : words_and_keys(catalog)) {
    const auto* declaration = declaration_of(catalog, within);
    if (!declaration) continue;
    for (const auto& field : declaration->fields) {
      const auto& choices = field.choices;
      const bool here = field.key == word || std::find(choices.begin(), choices.end(), word) != choices.end();
      if (here && places.size() < most) places.push_back(within + "." + field.key);
    }
  }
  return places;
}

/// A known word that it is another form of, such as `retry` of `retries`. Empty: none.
std::string with_the_same_stem(const std::string& word, const std::vector<std::string>& known) {
  constexpr std::size_t least = 4;
  for (const auto& candidate : known) {
    const auto stem = candidate.substr(0, candidate.size() - 1);
    if (stem.size() >= least && word.starts_with(stem)) return candidate;
  }
  return {};
}

/// The types that carry a unit: how each is written.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> types_with_units{
    {{"duration", "a number and its unit, us, ms, s, m, h or d: 250ms, 1.5s, 90m"},
     {"duration range", "two durations: 100ms..10s"},
     {"size", "a number and its unit, B, KiB, MiB or GiB: 64KiB"},
     {"rate", "so many in a time: 100/s, 60/m, 5/10s"},
     {"range", "two integers: 1..100"}}};

int unknown(const stage::Catalog& catalog, const std::string& word, Streams& streams) {
  for (const auto& verb : vocabulary()) {
    if (verb.verb != word) continue;
    streams.err << "weir: '" << word << "' is a verb: " << verb.summary << "\n  = weir " << word << " --help\n";
    return exit_code::usage;
  }
  if (config::key_comes_later(word)) {
    streams.err << "weir: '" << word
                << "' comes with a later version\n  = weir explain run, vars, kinds: what a file may say\n";
    return exit_code::usage;
  }
  if (stage::comes_later(word)) {
    streams.err << "weir: '" << word << "' comes with a later version\n  = weir list names the kinds there are\n";
    return exit_code::usage;
  }
  if (const auto dot = word.rfind('.'); dot != std::string::npos) {
    const auto of = word.substr(0, dot);
    if (const auto* declaration = declaration_of(catalog, of)) {
      streams.err << "weir: there is no key '" << word.substr(dot + 1) << "' in '" << of << "'\n  = "
                  << config::did_you_mean(word.substr(dot + 1), declaration->keys(),
                                          "weir explain " + of + " has them all")
                  << "\n";
      return exit_code::usage;
    }
  }
  auto places = places_of(catalog, word);
  if (word.starts_with(std::string(config::any_word) + ".")) places = {std::string(common_name) + ".from"};
  const auto known = words_and_keys(catalog);
  auto near = config::nearest(word, known);
  if (near.empty()) near = with_the_same_stem(word, known);
  streams.err << "weir: there is no kind '" << word << "'\n"
              << (!places.empty() ? "  = weir explain " + config::listed(places)
                  : near.empty()  ? "  = weir list names them, weir explain stage the keys that all of them take"
                                  : "  = did you mean '" + near + "'?")
              << "\n";
  return exit_code::usage;
}

}  // namespace

std::vector<std::string> explained_words(const stage::Catalog& catalog) {
  auto words = catalog.names();
  for (const auto* word : {common_name, stage::do_key.data(), test_name, functions_name}) words.emplace_back(word);
  for (const auto& of_file : file_words()) words.push_back(of_file.name);
  for (const auto* policy : explained_policies()) words.push_back(policy->name);
  return words;
}

std::vector<const config::Declaration*> explained_policies() {
  std::vector<const config::Declaration*> policies;
  for (const auto& field : stage::common_spec().declaration().fields) {
    if (field.nested && !field.nested->details.empty()) policies.push_back(field.nested.get());
  }
  return policies;
}

int explain(const stage::Catalog& catalog, const std::string& word, Output output, Streams& streams) {
  const auto* declaration = whole_declaration(catalog, word);
  std::string within;
  std::optional<config::Declaration> one;
  if (const auto* key = declaration ? nullptr : find_key(catalog, word, within)) {
    declaration = &one.emplace(alone(*key));
  }
  if (!declaration && is_of_code(word)) {
    streams.out << (output == Output::json ? manual_json(word) : manual_text(word));
    return exit_code::done;
  }
  for (const auto& [type, written] : types_with_units) {
    if (declaration || type != word || output == Output::json) continue;
    streams.out << type << ": " << written << "\n";
    return exit_code::done;
  }
  if (!declaration) return unknown(catalog, word, streams);
  const std::string text =
      output == Output::json ? config::json_schema(*declaration) : config::explain_text(*declaration);
  streams.out << text << (text.ends_with('\n') ? "" : "\n");
  if (one && output == Output::text) streams.out << "\n`weir explain " << within << "` has what else stands there.\n";
  return exit_code::done;
}

int list(const stage::Catalog& catalog, Output output, Streams& streams) {
  if (output == Output::json) {
    std::string text;
    for (const auto& [name, kind] : catalog.all()) {
      text += (text.empty() ? "[\n " : ",\n ");
      text += "{\"kind\": " + config::json_text(name) +
              ", \"summary\": " + config::json_text(kind->declaration().summary) + "}";
    }
    streams.out << (text.empty() ? "[]" : text + "\n]") << "\n";
    return exit_code::done;
  }
  std::size_t width = 0;
  for (const auto& [name, kind] : catalog.all()) width = std::max(width, name.size());
  for (const auto& [name, kind] : catalog.all()) {
    streams.out << name << std::string(width + 2 - name.size(), ' ') << kind->declaration().summary << "\n";
  }
  return exit_code::done;
}

int version(Output output, Streams& streams) {
  if (output == Output::json) {
    streams.out << "{\"name\": \"weir\", \"version\": " << config::json_text(WEIR_VERSION) << "}\n";
  } else {
    streams.out << "weir " << WEIR_VERSION << "\n";
  }
  return exit_code::done;
}

}  // namespace weir::command
