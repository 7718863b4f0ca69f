#include "engine/config/declaration.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "engine/config/diagnostics.hpp"

namespace weir::config {

std::string sample_of(const FieldDeclaration& field) {
  if (!field.sample.empty()) return field.sample;
  if (!field.choices.empty()) return field.choices.front();
  const std::string& type = field.type;
  if (type == "map" && field.nested && !field.nested->fields.empty()) {
    const auto& first = field.nested->fields.front();
    const std::string inner = sample_of(first);
    return inner.empty() ? inner : "{" + first.key + ": " + inner + "}";
  }
  if (type.starts_with("list of ")) {
    FieldDeclaration one;
    one.type = type.substr(8);
    const std::string inner = sample_of(one);
    return inner.empty() ? inner : "[" + inner + "]";
  }
  if (type.starts_with("map of ")) {
    FieldDeclaration one;
    one.type = type.substr(7);
    const std::string inner = sample_of(one);
    return inner.empty() ? inner : "{name: " + inner + "}";
  }
  if (type == "boolean") return "true";
  if (type == "integer") return "10";
  if (type == "number") return "0.5";
  if (type == "duration") return "250ms";
  if (type == "size") return "64MiB";
  if (type == "rate") return "10/s";
  if (type == "integer range") return "1..10";
  if (type == "duration range") return "100ms..30s";
  if (type == "path") return "a.b";
  if (type == "lua") return "msg.n > 1";
  if (type == "template") return "'{{ msg.id }}'";
  if (type == "value") return "{n: '{{ msg.n }}'}";
  return {};
}

std::vector<std::string> facts(const FieldDeclaration& field) {
  std::vector<std::string> all;
  if (!field.choices.empty()) all.push_back("one of " + listed(field.choices, ", "));
  if (!field.also.empty()) all.push_back("or " + listed(field.also, ", "));
  if (field.required)
    all.push_back("required");
  else if (!field.role && !field.fallback.empty())
    all.push_back("default " + field.fallback);
  if (!field.range.empty()) all.push_back(field.range);
  if (field.one_or_more) all.push_back("one or a list");
  if (!field.only_with.empty()) all.push_back("with " + listed(field.only_with, " or "));
  if (field.secret_ok) all.push_back("may hold ${secret.name}");
  const std::string sample = sample_of(field);
  if (!sample.empty() && field.choices.empty() && sample != field.fallback) all.push_back("such as " + sample);
  return all;
}

std::string type_of(const FieldDeclaration& field) {
  const bool either = field.nested && field.nested->shape == Declaration::Shape::scalar_or_fields;
  return either && field.type == "map" ? field.nested->value.type + " or map" : field.type;
}

void add_wrapped(std::string& out, std::string_view text, std::size_t column, const std::string& indent) {
  constexpr std::size_t most = 100;
  bool first = true;  // Of its line: no blank before it.
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    const auto word = text.substr(0, end);
    const auto width = static_cast<std::size_t>(
        std::count_if(word.begin(), word.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    if (!first && column + 1 + width > most) {
      out += "\n" + indent;
      column = indent.size();
      first = true;
    }
    if (!first) out += ' ';
    out += word;
    column += width + (first ? 0 : 1);
    first = false;
    if (end < text.size() && text[end] == '\n') {
      out += "\n" + indent;
      column = indent.size();
      first = true;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out += '\n';
}

namespace {

std::size_t widest(const Declaration& declaration) {
  std::size_t width = 0;
  for (const auto& field : declaration.fields) width = std::max(width, field.key.size());
  return width;
}

bool uses_type(const Declaration& declaration, std::string_view type) {
  if (declaration.value.type.ends_with(type)) return true;
  return std::any_of(declaration.fields.begin(), declaration.fields.end(), [type](const FieldDeclaration& field) {
    return field.type.ends_with(type) || (field.nested && uses_type(*field.nested, type));
  });
}

/// What the types mean that no other language has.
void explain_types(const Declaration& declaration, std::string& out) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> types{
      {{"path", "where a field stands in the payload: a.b is b in a, items.0 the first of items"},
       {"lua", "code in Lua, without quotes, `${}` or `{{ }}`"},
       {"template", "text that may hold `{{ Lua }}`, filled in for each message; then it is quoted"},
       {"value", "anything; a text in it may be a template"}}};
  bool any = false;
  for (const auto& [type, meaning] : types) {
    if (!uses_type(declaration, type)) continue;
    out += any ? "" : "\nTypes:\n";
    any = true;
    out += fmt::format("  {:<8}  {}\n", type, meaning);
  }
}

/// What is refused by name until then.
bool comes_later(const FieldDeclaration& field) { return field.help == "Comes with a later version."; }

void explain_fields(const Declaration& declaration, std::string& out, const std::string& indent) {
  const std::size_t width = widest(declaration);
  bool roles = false;
  bool others = false;
  for (const auto& field : declaration.fields) (field.role ? roles : others) = true;
  const auto list = [&](bool role) {
    for (const auto& field : declaration.fields) {
      if (field.role != role || comes_later(field)) continue;
      const std::string below = indent + "  " + std::string(width, ' ') + "  ";
      out += fmt::format("{}  {:<{}}  ", indent, field.key, width);
      add_wrapped(out, field.help, below.size(), below);
      std::vector<std::string> said = facts(field);
      said.insert(said.begin(), type_of(field));
      out += below;
      add_wrapped(out, listed(said, "; "), below.size(), below);
      // One name of several says what the others say; where names are all there is, what stands under each is.
      if (field.nested && (!field.any_name || declaration.fields.size() == 1))
        explain_fields(*field.nested, out, below);
    }
  };
  if (roles) {
    out += indent + "One of these says what it does:\n";
    list(true);
  }
  if (others) {
    if (roles || !indent.empty() || declaration.shape == Declaration::Shape::fields)
      out += indent + (roles ? "Options:\n" : "Keys:\n");
    list(false);
  }
  std::vector<std::string> later;
  for (const auto& field : declaration.fields) {
    if (comes_later(field)) later.push_back(field.key);
  }
  if (!later.empty())
    add_wrapped(out += indent + "  ", "With a later version: " + listed(later) + ".", 2, indent + "  ");
}

std::string table_cell(std::string text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string code_cell(const std::string& text) { return text.empty() ? "" : "`" + table_cell(text) + "`"; }

void markdown_rows(const Declaration& declaration, std::string& out, const std::string& prefix) {
  for (const auto& field : declaration.fields) {
    std::string meaning = field.help;
    if (!field.choices.empty()) meaning += " One of `" + listed(field.choices, "`, `") + "`.";
    if (!field.range.empty()) meaning += " Must be " + field.range + ".";
    if (!field.also.empty()) meaning += " Or `" + listed(field.also, "`, `") + "`.";
    if (field.one_or_more) meaning += " One, or a list.";
    if (!field.only_with.empty()) meaning += " With `" + listed(field.only_with, "` or `") + "`.";
    for (const auto& bond : field.needs) meaning += " With `" + listed(bond.keys, "` or `") + "`.";
    for (const auto& bond : field.excludes) meaning += " Not with `" + listed(bond.keys, "` or `") + "`.";
    if (field.secret_ok) meaning += " May hold `${secret.name}`.";
    const std::string fallback = field.required ? "required" : field.role ? "one of these" : code_cell(field.fallback);
    out += fmt::format("| `{}{}` | {} | {} | {} | {} |\n", prefix, field.key, table_cell(type_of(field)), fallback,
                       table_cell(meaning), code_cell(sample_of(field)));
    if (field.nested && !field.any_name)
      markdown_rows(*field.nested, out,
                    prefix + field.key +
                        (field.type == "list of maps"           ? "[]."
                         : field.type == "map of lists of maps" ? ".NAME[]."
                                                                : "."));
  }
}

constexpr std::string_view filled_in = R"({"type":"string","pattern":"\\$\\{"})";

std::string pattern(std::string_view expression) {
  return fmt::format(R"({{"type":"string","pattern":{}}})", json_text(expression));
}

std::string any_of(const std::string& schema) { return fmt::format(R"({{"anyOf":[{},{}]}})", schema, filled_in); }

constexpr std::string_view whole = "(0|[1-9][0-9]*)", amount = "(0|[1-9][0-9]*)(\\.[0-9]+)?";
/// Before an amount that is not 0.
constexpr std::string_view not_nothing = "(?=[0-9.]*[1-9])";
constexpr std::string_view span = "(us|ms|s|m|h|d)";

std::string type_schema(const std::string& type, const FieldDeclaration& field) {
  if (!field.each_is.empty()) {
    return fmt::format(R"({{"type":"object","minProperties":1,"propertyNames":{{"pattern":"^[a-z][a-z0-9_]*$"}},)"
                       R"("additionalProperties":{{"$ref":{}}}}})",
                       json_text("#/definitions/" + field.each_is));
  }
  if (type.starts_with("list of ") && type != "list of maps")
    return any_of(fmt::format(R"({{"type":"array",{}{}"items":{}}})", field.not_empty ? R"("minItems":1,)" : "",
                              field.distinct ? R"("uniqueItems":true,)" : "", type_schema(type.substr(8), field)));
  if (type.starts_with("map of ")) {
    const std::string inner = type.substr(7);
    // Keys are the user's, and read once: nothing is filled in.
    std::string names = json_text("\\{\\{|\\$\\{");
    names = fmt::format(R"({{"pattern":{}}})", names);
    if (!field.not_named.empty()) {
      std::vector<std::string> taken;
      for (const auto& name : field.not_named) taken.push_back(json_text(name));
      names = fmt::format(R"({{"anyOf":[{},{{"enum":[{}]}}]}})", names, listed(taken, ","));
    }
    names = fmt::format(R"("propertyNames":{{"not":{}}},)", names);
    const std::string map =
        fmt::format(R"({{"type":"object",{}{}"additionalProperties":{}}})",
                    field.not_empty ? R"("minProperties":1,)" : "", names, type_schema(inner, field));
    return inner == "lua" ? map : any_of(map);
  }
  if (!field.choices.empty()) {
    std::vector<std::string> words;
    for (const auto& choice : field.choices) words.push_back(json_text(choice));
    return any_of(fmt::format(R"({{"enum":[{}]}})", listed(words, ",")));
  }
  if (type == "boolean") return any_of(R"({"type":"boolean"})");
  if (type == "integer" || type == "number") {
    std::string schema = fmt::format(R"({{"type":"{}")", type);
    if (field.above) schema += fmt::format(R"(,"exclusiveMinimum":{})", *field.above);
    if (field.at_least) schema += fmt::format(R"(,"minimum":{})", *field.at_least);
    if (field.at_most) schema += fmt::format(R"(,"maximum":{})", *field.at_most);
    if (field.also.empty()) return any_of(schema + "}");
    std::vector<std::string> words;
    for (const auto& word : field.also) words.push_back(json_text(word));
    return any_of(fmt::format(R"({{"anyOf":[{}}},{{"enum":[{}]}}]}})", schema, listed(words, ",")));
  }
  const std::string_view some = field.above ? not_nothing : "";
  const std::string period = fmt::format("({}{})?{}", not_nothing, amount, span);
  if (field.share) return any_of(pattern("^(100(\\.0+)?|[1-9]?[0-9](\\.[0-9]+)?)%$"));
  if (field.rate_or_name) {
    return any_of(pattern(fmt::format("^([a-z][a-z0-9_]*|{}{}/{})$", not_nothing, amount, period)));
  }
  if (!field.begins.empty()) return any_of(pattern("^" + field.begins));
  if (type == "duration") return any_of(pattern(fmt::format("^{}{}{}$", some, amount, span)));
  if (type == "size") return any_of(pattern(fmt::format("^{}{}(B|KiB|MiB|GiB)$", some, amount)));
  if (type == "rate") return any_of(pattern(fmt::format("^{}{}/{}$", some, amount, period)));
  if (type == "integer range") return any_of(pattern(fmt::format("^-?{}\\.\\.-?{}$", whole, whole)));
  if (type == "duration range") return any_of(pattern(fmt::format("^{}{}\\.\\.{}{}$", amount, span, amount, span)));
  if (type == "path") return any_of(R"({"type":["string","number","boolean"],"pattern":"^[^.]+(\\.[^.]+)*$"})");
  if (type == "lua" || type == "text" || type == "template") return R"({"type":["string","number","boolean"]})";
  return "{}";  // A value: anything.
}

std::string object_schema(const Declaration& declaration);

std::string field_schema(const FieldDeclaration& field) {
  std::string schema;
  if (field.nested) {
    schema = field.nested->shape == Declaration::Shape::fields ? any_of(object_schema(*field.nested))
                                                               : json_schema(*field.nested);
    if ((field.type == "list of maps" || field.type == "map of lists of maps"))
      schema =
          any_of(fmt::format(R"({{"type":"array",{}"items":{}}})", field.not_empty ? R"("minItems":1,)" : "", schema));
    if (field.type == "map of lists of maps")
      schema = any_of(fmt::format(R"({{"type":"object","additionalProperties":{}}})", schema));
  } else {
    schema = type_schema(field.type, field);
    if (field.one_or_more && field.type.starts_with("list of "))
      schema = fmt::format(R"({{"anyOf":[{},{}]}})", schema, type_schema(field.type.substr(8), field));
  }
  std::string said = listed(facts(field), "; ");
  if (!said.empty() && said[0] >= 'a' && said[0] <= 'z') said[0] = static_cast<char>(said[0] - 32);
  const std::string about = field.help.empty() || said.empty() ? field.help + said : field.help + " " + said + ".";
  // The description goes first, so that an editor shows it whatever stands behind it.
  return fmt::format(R"({{"description":{}{}{})", json_text(about), schema == "{}" ? "" : ",", schema.substr(1));
}

std::string any_required(const std::vector<std::string>& keys) {
  std::vector<std::string> any;
  for (const auto& key : keys) any.push_back(fmt::format(R"({{"required":[{}]}})", json_text(key)));
  return any.size() == 1 ? any.front() : fmt::format(R"({{"anyOf":[{}]}})", listed(any, ","));
}

std::string object_schema(const Declaration& declaration) {
  std::vector<std::string> required;
  std::vector<std::string> roles;
  std::vector<std::string> dependencies;
  for (const auto& field : declaration.fields) {
    if (comes_later(field)) continue;
    if (field.required) required.push_back(json_text(field.key));
    if (field.role) roles.push_back(fmt::format(R"({{"required":[{}]}})", json_text(field.key)));
    std::vector<std::string> bonds;
    if (!field.only_with.empty()) bonds.push_back(any_required(field.only_with));
    for (const auto& bond : field.needs) {
      bonds.push_back(any_required(bond.keys));
      if (bond.values.empty()) continue;
      std::vector<std::string> values;
      for (const auto& value : bond.values) values.push_back(json_text(value));
      bonds.push_back(fmt::format(R"({{"properties":{{{}:{}}}}})", json_text(bond.keys.front()),
                                  any_of(fmt::format(R"({{"enum":[{}]}})", listed(values, ",")))));
    }
    for (const auto& bond : field.excludes) bonds.push_back(fmt::format(R"({{"not":{}}})", any_required(bond.keys)));
    if (bonds.size() == 1) dependencies.push_back(json_text(field.key) + ":" + bonds.front());
    if (bonds.size() > 1)
      dependencies.push_back(fmt::format(R"({}:{{"allOf":[{}]}})", json_text(field.key), listed(bonds, ",")));
  }
  std::vector<std::string> some;
  for (const auto& bond : declaration.some_of) some.push_back(any_required(bond.keys));
  const bool may_be_nothing = required.empty() && roles.empty() && some.empty();
  const auto by_name = std::find_if(declaration.fields.begin(), declaration.fields.end(),
                                    [](const FieldDeclaration& field) { return field.any_name; });
  std::string schema = fmt::format(R"({{"type":{},"additionalProperties":{},"properties":{{{}}})",
                                   may_be_nothing ? R"(["object","null"])" : R"("object")",
                                   by_name == declaration.fields.end() ? "false" : field_schema(*by_name),
                                   json_schema_properties(declaration));
  if (!required.empty()) schema += fmt::format(R"(,"required":[{}])", listed(required, ","));
  if (!roles.empty()) schema += fmt::format(R"(,"oneOf":[{}])", listed(roles, ","));
  if (!dependencies.empty()) schema += fmt::format(R"(,"dependencies":{{{}}})", listed(dependencies, ","));
  if (!some.empty()) schema += fmt::format(R"(,"allOf":[{}])", listed(some, ","));
  return schema + "}";
}

}  // namespace

const FieldDeclaration* Declaration::find(const std::string& key) const {
  for (const auto& field : fields)
    if (field.key == key) return &field;
  return nullptr;
}

std::vector<std::string> Declaration::keys() const {
  std::vector<std::string> all;
  for (const auto& field : fields) {
    if (!field.any_name) all.push_back(field.key);
  }
  return all;
}

std::string explain_text(const Declaration& declaration) {
  std::string out = declaration.name + ": ";
  add_wrapped(out, declaration.summary, out.size(), "");
  if (!declaration.details.empty()) add_wrapped(out += '\n', declaration.details, 0, "");
  if (declaration.shape != Declaration::Shape::fields) {
    std::vector<std::string> said = facts(declaration.value);
    said.insert(said.begin(), declaration.value.type);
    out += fmt::format("\nIts value: {}\n", listed(said, "; "));
    if (declaration.value.help != declaration.summary) add_wrapped(out += "  ", declaration.value.help, 2, "  ");
  }
  if (!declaration.fields.empty()) {
    out += declaration.shape == Declaration::Shape::scalar_or_fields ? "\nOr a map:\n" : "\n";
    explain_fields(declaration, out, "");
  } else if (declaration.shape == Declaration::Shape::fields) {
    out += fmt::format("\nTakes no options: {}: {{}}\n", declaration.name);
  }
  explain_types(declaration, out);
  if (!declaration.examples.empty()) {
    out += declaration.examples.size() > 1 ? "\nExamples:\n" : "\nExample:\n";
    for (const auto& example : declaration.examples) {
      std::string_view rest = example;
      while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        out += fmt::format("  {}\n", rest.substr(0, end));
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      }
    }
  }
  return out;
}

std::string markdown(const Declaration& declaration) {
  std::string out = fmt::format("## {}\n\n{}\n", declaration.name, declaration.summary);
  if (!declaration.details.empty()) out += "\n" + declaration.details + "\n";
  if (declaration.shape != Declaration::Shape::fields) {
    out += fmt::format("\nIts value is a {}", declaration.value.type);
    if (!declaration.value.choices.empty()) out += ", one of `" + listed(declaration.value.choices, "`, `") + "`";
    if (!declaration.value.range.empty()) out += ", " + declaration.value.range;
    const std::string sample = sample_of(declaration.value);
    if (!sample.empty()) out += ", such as `" + sample + "`";
    out += declaration.value.help == declaration.summary || declaration.value.help.empty()
               ? ".\n"
               : ". " + declaration.value.help + "\n";
    if (declaration.shape == Declaration::Shape::scalar_or_fields) out += "\nOr a map:\n";
  } else if (declaration.fields.empty()) {
    out += fmt::format("\nTakes no options: `{}: {{}}`.\n", declaration.name);
  }
  if (!declaration.fields.empty()) {
    out += "\n| option | type | default | meaning | example |\n|---|---|---|---|---|\n";
    markdown_rows(declaration, out, "");
  }
  for (const auto& example : declaration.examples)
    out += "\n```yaml\n" + example + (example.ends_with('\n') ? "" : "\n") + "```\n";
  return out;
}

std::string json_schema_properties(const Declaration& declaration) {
  std::vector<std::string> all;
  for (const auto& field : declaration.fields) {
    if (!field.any_name && !comes_later(field)) all.push_back(json_text(field.key) + ":" + field_schema(field));
  }
  return listed(all, ",");
}

std::string json_schema(const Declaration& declaration) {
  std::string schema;
  switch (declaration.shape) {
    case Declaration::Shape::fields:
      schema = any_of(object_schema(declaration));
      break;
    case Declaration::Shape::scalar:
    case Declaration::Shape::whole:
      schema = field_schema(declaration.value);
      break;
    case Declaration::Shape::scalar_or_fields:
      schema = fmt::format(R"({{"anyOf":[{},{},{}]}})", field_schema(declaration.value), object_schema(declaration),
                           filled_in);
      break;
  }
  return fmt::format(R"({{"title":{},"description":{},"allOf":[{}]}})", json_text(declaration.name),
                     json_text(declaration.summary), schema);
}

}  // namespace weir::config
