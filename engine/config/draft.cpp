#include "engine/config/draft.hpp"

#include <map>

#include "engine/config/diagnostics.hpp"
#include "engine/config/yaml.hpp"

namespace weir::config {

namespace {

/// What an example in one line says of each of its options, as written: `by` is `by: [device]`.
using Written = std::map<std::string, std::string>;

Written options_of(const std::string& example, const Node& value) {
  Written options;
  for (std::size_t i = 0; i < value.entries.size(); ++i) {
    const auto begins = [&](std::size_t at) {
      return static_cast<std::size_t>(value.entries[at].key_place.column) - 1;
    };
    const bool last = i + 1 == value.entries.size();
    const std::size_t end = last ? example.rfind('}') : begins(i + 1);
    std::string text = example.substr(begins(i), end - begins(i));
    while (text.ends_with(' ') || text.ends_with(',')) text.pop_back();
    options.emplace(value.entries[i].key, std::move(text));
  }
  return options;
}

std::string about(const FieldDeclaration& field, bool one_of_roles) {
  auto said = facts(field);
  said.insert(said.begin(), type_of(field));
  if (one_of_roles) said.insert(said.begin(), "what it does");
  return field.help + "\n" + listed(said, "; ");
}

/// An option that is not written, as it would be.
void add_unwritten(std::string& out, const FieldDeclaration& field, const std::string& indent,
                   const std::string& mark) {
  if (field.nested && field.nested->shape == Declaration::Shape::fields) {
    out += indent + mark + field.key + ":\n";
    const std::string dash = field.type == "list of maps" ? "- " : "  ";
    bool first = true;
    for (const auto& inner : field.nested->fields) {
      out += comment(about(inner, inner.role), indent.size());
      add_unwritten(out, inner, indent, mark + (first ? dash : "  "));
      first = false;
    }
    return;
  }
  const bool shown = !field.fallback.empty();
  out += indent + mark + field.key + ": " + (shown ? field.fallback : sample_of(field)) + "\n";
}

}  // namespace

std::string comment(std::string_view text, std::size_t indent) {
  const std::string start = std::string(indent, ' ') + "# ";
  std::string out = start;
  add_wrapped(out, text, start.size(), start);
  return out;
}

std::string draft(const Declaration& declaration, std::size_t indent) {
  const std::string before(indent, ' ');
  const std::string example = declaration.examples.empty() ? declaration.name + ": {}" : declaration.examples.front();
  Diagnostics diagnostics;
  const auto tree = parse(make_source(declaration.name, example), diagnostics);
  const Node* value = tree ? tree->find(declaration.name) : nullptr;
  const bool either = declaration.shape == Declaration::Shape::scalar_or_fields && value && value->is_map();
  const bool options = (declaration.shape == Declaration::Shape::fields || either) && !declaration.fields.empty();
  std::string out;
  if (!options || !value || example.find('\n') != std::string::npos) {
    if (!declaration.value.type.empty()) out += comment(about(declaration.value, false), indent);
    std::string_view rest = example;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      out += before + std::string(rest.substr(0, end)) + "\n";
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    return out;
  }
  const auto written = options_of(example, *value);
  // With nothing under it all options are as they are; braces would let nobody add one below.
  out += before + declaration.name + ":\n";
  const std::string inside(indent + 2, ' ');
  for (const auto& field : declaration.fields) {
    out += comment(about(field, field.role), inside.size());
    const auto found = written.find(field.key);
    if (found != written.end()) {
      out += inside + found->second + "\n";
    } else {
      add_unwritten(out, field, inside, "#");
    }
  }
  return out;
}

}  // namespace weir::config
