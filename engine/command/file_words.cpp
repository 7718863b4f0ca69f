#include "engine/command/file_words.hpp"

#include <algorithm>
#include <memory>
#include <string>

#include "engine/command/test_block.hpp"
#include "engine/config/loader.hpp"
#include "engine/config/own_kinds.hpp"
#include "engine/runtime/assert.hpp"
#include "engine/stage/common.hpp"

namespace weir::command {
namespace {

using config::Declaration;
using config::FieldDeclaration;

FieldDeclaration field(std::string key, std::string type, std::string help) {
  FieldDeclaration made;
  made.key = std::move(key);
  made.type = std::move(type);
  made.help = std::move(help);
  return made;
}

FieldDeclaration map_of(std::string key, std::string help, const Declaration& declaration) {
  auto made = field(std::move(key), "map", std::move(help));
  made.nested = std::make_shared<const Declaration>(declaration);
  return made;
}

/// A map whose keys are names, and what stands under each.
Declaration named(std::string word, std::string summary, FieldDeclaration each) {
  Declaration made;
  made.name = std::move(word);
  made.summary = std::move(summary);
  each.key = "NAME";
  each.any_name = true;
  made.fields.push_back(std::move(each));
  return made;
}
Declaration named(std::string word, std::string summary, const Declaration& each) {
  return named(std::move(word), std::move(summary), map_of({}, each.summary, each));
}

Declaration vars() {
  auto each = field({}, "anything", "A text in it may hold ${OTHER} and ${ENVIRONMENT:-default}.");
  each.sample = "'${HOST:-localhost}'";
  return named("vars", "Constants: ${name} in texts, vars.name in Lua.", std::move(each));
}

Declaration kinds() {
  Declaration option;
  option.fields.push_back(field("type", "text", "What may be given."));
  option.fields.back().required = true;
  option.fields.back().choices = config::option_types();
  option.fields.push_back(
      field("default", "anything", "What it is where nothing is given. Without it something must be."));
  option.fields.back().sample = "800ms";
  option.fields.push_back(field("description", "text", "For people."));
  Declaration kind;
  kind.fields.push_back(field("description", "text", "For people."));
  kind.fields.push_back(
      map_of("options", "What an instance is given, by names.", named({}, {}, map_of({}, "An option.", option))));
  kind.fields.push_back(field("stages", "map",
                              "What an instance does: stages by their names. Those without `from` read "
                              "what it reads."));
  kind.fields.back().required = true;
  kind.fields.back().each_is = "stage_or_instance";
  kind.fields.back().sample = "{some: {where: 'msg.n > 1'}}";
  return named("kinds", "Kinds of one's own, by their names: options, and stages that use them as ${name}.",
               map_of({}, "A kind, for the stages of this file.", kind));
}

Declaration include() {
  Declaration made;
  made.name = "include";
  made.summary = "Files that this one takes stages, vars, secrets, limits, breakers and kinds from.";
  made.shape = Declaration::Shape::scalar;
  made.value = field({}, "list of text",
                     "Their paths, from the folder of the file that says so. A name may stand in one "
                     "of them only; but the vars of the file that is run go before theirs.");
  made.value.one_or_more = true;
  made.value.sample = "[kinds.yaml, limits.yaml]";
  return made;
}

}  // namespace

const std::vector<Declaration>& file_words() {
  static const auto all = [] {
    std::vector<Declaration> words{
        vars(),
        named("secrets", "Secrets by their names: ${secret.name} where an option allows it.",
              config::secret_declaration()),
        named("limits", "Limits by their names: `limit: NAME` on a stage; all who name one share it.",
              stage::limit_spec().declaration()),
        named("breakers", "Breakers by their names: `breaker: NAME` on a stage; all who name one share it.",
              stage::breaker_spec().declaration()),
        kinds(),
        include(),
        config::run_declaration(),
        config::admin_declaration(),
        test_declaration()};
    words.back().name = "tests";
    words.back().summary = "A list of tests, for `weir test`: what comes from outside, what must come of it.";
    return words;
  }();
  return all;
}

const Declaration& file_word(std::string_view word) {
  const auto& all = file_words();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& known) { return known.name == word; });
  WEIR_ASSERT(found != all.end(), "a word of the file that nobody declared");
  return *found;
}

}  // namespace weir::command
