#include "engine/command/schema.hpp"

#include <algorithm>

#include "engine/command/file_words.hpp"
#include "engine/command/test_block.hpp"
#include "engine/config/declaration.hpp"
#include "engine/config/diagnostics.hpp"
#include "engine/config/loader.hpp"
#include "engine/config/own_kinds.hpp"
#include "engine/config/words.hpp"
#include "engine/config/yaml.hpp"
#include "engine/stage/common.hpp"

namespace weir::command {
namespace {

using config::json_text;

/// Whether it is a source whatever it is told: one that may also be something else has a role for each.
bool only_reads_outside(const stage::Kind& kind) {
  const auto& declaration = kind.declaration();
  const auto has_role = [](const config::FieldDeclaration& field) { return field.role; };
  if (std::any_of(declaration.fields.begin(), declaration.fields.end(), has_role)) return false;
  const auto reads_outside = [&kind](const std::string& example) {
    config::Diagnostics ignored;  // Examples are right: a test reads all of them.
    const config::Scope scope;
    config::Reader reader(ignored, scope);
    const auto tree = config::parse(config::make_source(kind.name(), example), ignored);
    const auto* value = tree ? tree->find(kind.name()) : nullptr;
    return kind.configure(value ? *value : config::Node(), reader).shape == stage::Shape::source;
  };
  return !declaration.examples.empty() &&
         std::all_of(declaration.examples.begin(), declaration.examples.end(), reads_outside);
}

/// `"stage": {…}`: the common keys, and exactly one of the kinds; in a file with kinds of its own perhaps one of those,
/// whose names no schema knows. One that takes the place of weir's own has its name and other options: an editor still
/// offers those of weir's.
std::string stage_schema(const stage::Catalog& catalog, bool own_kinds) {
  std::string properties = config::json_schema_properties(stage::common_spec().declaration());
  std::string one_of, sources;
  for (const auto& [name, kind] : catalog.all()) {
    if (only_reads_outside(*kind)) {
      sources += (sources.empty() ? "" : ", ") + json_text(name) + ": {\"not\": {\"required\": [\"from\"]}}";
    }
    const std::string kind_schema = "{\"$ref\": " + json_text("#/definitions/kinds/" + name) + "}";
    properties +=
        ",\n        " + json_text(name) + ": " + (own_kinds ? "{\"anyOf\": [" + kind_schema + ", {}]}" : kind_schema);
    one_of += (one_of.empty() ? "" : ", ") + ("{\"required\": [" + json_text(name) + "]}");
  }
  properties += ",\n        \"do\": {\"description\": " + json_text(stage::do_declaration().summary) +
                ", \"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": \"#/definitions/step\"}}";
  one_of += ", {\"required\": [\"do\"]}";
  if (own_kinds) return "{\n      \"type\": \"object\",\n      \"properties\": {" + properties + "}\n    }";
  return "{\n      \"type\": \"object\",\n      \"additionalProperties\": false,\n      \"properties\": {" +
         properties + "},\n      \"dependencies\": {" + sources + "},\n      \"oneOf\": [" + one_of + "]\n    }";
}

/// `"step": {…}`: one kind and nothing else. Which of them are operators, `weir check` knows.
std::string step_schema(const stage::Catalog& catalog) {
  std::string properties;
  for (const auto& [name, kind] : catalog.all()) {
    properties += (properties.empty() ? "\n        " : ",\n        ") + json_text(name) +
                  ": {\"$ref\": " + json_text("#/definitions/kinds/" + name) + "}";
  }
  return "{\n      \"type\": \"object\",\n      \"additionalProperties\": false,\n      \"minProperties\": 1,\n"
         "      \"maxProperties\": 1,\n      \"properties\": {" +
         properties + "}\n    }";
}

std::string kinds_schema(const stage::Catalog& catalog) {
  std::string all;
  for (const auto& [name, kind] : catalog.all()) {
    all += (all.empty() ? "\n      " : ",\n      ") + json_text(name) + ": " + config::json_schema(kind->declaration());
  }
  return "{" + all + "\n    }";
}

/// A map whose keys are names, and what stands under each.
std::string named(const std::string& description, const std::string& value,
                  const std::string& type = "[\"object\", \"null\"]") {
  return "{\n      \"description\": " + json_text(description) + ",\n      \"type\": " + type +
         ",\n      \"propertyNames\": {\"pattern\": "
         "\"^[a-z][a-z0-9_]*$\"},\n" +
         "      \"additionalProperties\": " + value + "\n    }";
}

}  // namespace

std::string pipeline_schema(const stage::Catalog& catalog) {
  std::string stages = named("What the pipeline does: stages by their names.", "{}", "\"object\"");
  stages.insert(stages.rfind("\n    }"), ",\n      \"minProperties\": 1");
  stages.insert(stages.find("[a-z]"), "(?!" + std::string(config::any_word) + "$)");
  return "{\n"
         "  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
         "  \"title\": \"A weir pipeline\",\n"
         "  \"type\": \"object\",\n"
         "  \"additionalProperties\": false,\n"
         "  \"anyOf\": [{\"required\": [\"stages\"]}, {\"required\": [\"include\"]}, {\"required\": [\"kinds\"]}, "
         "{\"required\": [\"limits\"]}, {\"required\": [\"breakers\"]}],\n"
         "  \"properties\": {\n"
         "    \"stages\": " +
         stages +
         ",\n"
         "    \"vars\": " +
         named(file_word("vars").summary, "{}") +
         ",\n"
         "    \"secrets\": " +
         named(file_word("secrets").summary, config::json_schema(config::secret_declaration())) +
         ",\n"
         "    \"limits\": " +
         named(file_word("limits").summary, config::json_schema(stage::limit_spec().declaration())) +
         ",\n"
         "    \"breakers\": " +
         named(file_word("breakers").summary, config::json_schema(stage::breaker_spec().declaration())) +
         ",\n"
         "    \"kinds\": " +
         named(file_word("kinds").summary, config::json_schema(*file_word("kinds").fields.front().nested)) +
         ",\n"
         "    \"include\": {\"description\": " +
         json_text(file_word("include").summary) +
         ", \"anyOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"items\": {\"type\": \"string\"}}]},\n"
         "    \"run\": " +
         config::json_schema(config::run_declaration()) +
         ",\n"
         "    \"admin\": " +
         config::json_schema(config::admin_declaration()) +
         ",\n"
         "    \"tests\": {\"description\": " +
         json_text(file_word("tests").summary) +
         ", \"type\": [\"array\", \"null\"], \"items\": " + config::json_schema(test_declaration()) +
         "}\n"
         "  },\n"
         "  \"if\": {\"anyOf\": [{\"required\": [\"kinds\"]}, {\"required\": [\"include\"]}]},\n"
         "  \"then\": {\"properties\": {\"stages\": {\"additionalProperties\": {\"$ref\": "
         "\"#/definitions/stage_or_instance\"}}}},\n"
         "  \"else\": {\"properties\": {\"stages\": {\"additionalProperties\": {\"$ref\": "
         "\"#/definitions/stage\"}}}},\n"
         "  \"definitions\": {\n"
         "    \"stage\": " +
         stage_schema(catalog, false) +
         ",\n"
         "    \"stage_or_instance\": " +
         stage_schema(catalog, true) +
         ",\n"
         "    \"step\": " +
         step_schema(catalog) +
         ",\n"
         "    \"kinds\": " +
         kinds_schema(catalog) +
         "\n"
         "  }\n"
         "}\n";
}

}  // namespace weir::command
