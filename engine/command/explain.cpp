#include "engine/command/explain.hpp"

#include <algorithm>
#include <ostream>

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

std::string manual_json() {
  std::string text;
  for (const auto& entry : script::manual()) {
    text += (text.empty() ? "[\n " : ",\n ");
    text += "{\"name\": " + config::json_text(entry.name) + ", \"use\": " + config::json_text(entry.use) +
            ", \"text\": " + config::json_text(entry.text) + "}";
  }
  return text + "\n]\n";
}

int unknown(const stage::Catalog& catalog, const std::string& word, Streams& streams) {
  if (config::key_comes_later(word)) {
    streams.err << "weir: '" << word
                << "' comes with a later version\n  = weir explain run, vars, kinds: what a file may say\n";
    return exit_code::usage;
  }
  if (stage::comes_later(word)) {
    streams.err << "weir: '" << word << "' comes with a later version\n  = weir list names the kinds there are\n";
    return exit_code::usage;
  }
  const auto near = config::nearest(word, explained_words(catalog));
  streams.err << "weir: there is no kind '" << word << "'\n"
              << (near.empty() ? "  = weir list names them" : "  = did you mean '" + near + "'?") << "\n";
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
  const auto* kind = catalog.find(word);
  const auto& common = stage::common_spec().declaration();
  const config::Declaration* declaration = kind ? &kind->declaration() : nullptr;
  // Somebody who asks for `workers` finds it among its neighbours; what has keys of its own, as `limit`, has a page.
  if (!declaration && word == common_name) declaration = &common;
  if (const auto* key = common.find(word); !declaration && key) {
    declaration = key->nested && key->nested->name == word ? key->nested.get() : &common;
  }
  if (word == stage::do_key) declaration = &stage::do_declaration();
  if (!declaration && word == test_name) declaration = &test_declaration();
  for (const auto& of_file : file_words()) {
    if (!declaration && word == of_file.name) declaration = &of_file;
  }
  if (!declaration && is_of_code(word)) {
    streams.out << (output == Output::json ? manual_json() : script::manual_text());
    return exit_code::done;
  }
  if (!declaration) return unknown(catalog, word, streams);
  const std::string text =
      output == Output::json ? config::json_schema(*declaration) : config::explain_text(*declaration);
  streams.out << text << (text.ends_with('\n') ? "" : "\n");
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
