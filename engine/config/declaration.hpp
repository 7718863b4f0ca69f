// What a kind takes, without its C++ type: from this one description come the errors, `weir explain`, the reference and
// the schema.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::config {

struct Declaration;

/// What one key says of others beside it. The reader tells it in these words, or in its own where they are empty.
struct Bond {
  std::vector<std::string> keys;
  std::vector<std::string> values;  ///< What the one key must be; empty: anything.
  std::string what, hint;
};

/// One key of a kind.
struct FieldDeclaration {
  std::string key;
  std::string type;  ///< As in the language: text, integer, duration, "list of text", "map of lua", …
  std::string help;
  std::string fallback;  ///< The value it has when not written; empty if it then has none.
  std::string range;     ///< Such as "above 0"; empty if any value will do.
  std::optional<double> above, at_least,
      at_most;                         ///< The same of numbers, and `above 0` of durations and sizes, for the schema.
  bool not_empty = false;              ///< For the schema as well: of a list or a map,
  std::vector<std::string> not_named;  ///< and the keys that a map may not have.
  std::string sample;                  ///< A value as one would write it.
  bool required = false;
  bool role = false;         ///< One of these is written, and only one: what the kind does.
  bool secret_ok = false;    ///< `${secret.name}` may stand here.
  bool one_or_more = false;  ///< A list that may be written as its one element.
  bool any_name = false;     ///< It stands for every other key with a map behind it; `key` is what to call those.
  std::vector<std::string> choices;
  std::vector<std::string> also;       ///< Words that may stand in the place of a number.
  std::vector<std::string> only_with;  ///< Roles it goes with; all, if empty.
  std::vector<Bond> needs;             ///< Of the keys of each at least one is written too,
  std::vector<Bond> excludes;          ///< and of these none.
  // For the schema; whoever reads the value has words of his own for it.
  bool distinct = false;                      ///< A list in which nothing stands twice.
  bool share = false;                         ///< A text such as 80%.
  bool rate_or_name = false;                  ///< A text that is one of the two.
  std::string begins;                         ///< A text begins so.
  std::string each_is;                        ///< Of a map of anything: what each value is, by the schema's definition.
  std::shared_ptr<const Declaration> nested;  ///< For a map with keys of its own, or a list of such maps.
};

/// A kind, or a group of options.
struct Declaration {
  enum class Shape {
    fields,            ///< A map of the fields below; `{}` and nothing at all mean all defaults.
    scalar,            ///< The value itself: `where: msg.n > 1`.
    scalar_or_fields,  ///< Either: `limit: 10/s`, `limit: {rate: 10/s}`. The scalar stands for the field
                       ///< `scalar_field`.
    whole              ///< The whole map is the value: `set: {new: text}`.
  };
  std::string name;
  std::string summary;
  std::string details;
  Shape shape = Shape::fields;
  FieldDeclaration value;  ///< Of shapes scalar, scalar_or_fields and whole.
  std::vector<FieldDeclaration> fields;
  std::vector<Bond> some_of;          ///< Of the keys of each at least one is written.
  std::vector<std::string> examples;  ///< YAML, each the lines of one stage's kind.
  std::string example_message;        ///< What the first of them can be tried on, in YAML; empty: any message will do.

  const FieldDeclaration* find(const std::string& key) const;
  std::vector<std::string> keys() const;
};

/// A value as one would write it, made up from the type where the declaration gives none.
std::string sample_of(const FieldDeclaration& field);

/// What is said of a field beside its type: default, range, choices, roles.
std::vector<std::string> facts(const FieldDeclaration& field);

/// The type in words: what may be one value or a map of options is both.
std::string type_of(const FieldDeclaration& field);

/// Adds the text in lines of at most a hundred characters, the first going on where `out` stands, the others indented.
void add_wrapped(std::string& out, std::string_view text, std::size_t column, const std::string& indent);

/// For `weir explain KIND`: every option with type, default, range and example.
std::string explain_text(const Declaration& declaration);

/// A section of the reference page.
std::string markdown(const Declaration& declaration);

/// Only what stands between the braces of "properties", for who joins several declarations into one map.
std::string json_schema_properties(const Declaration& declaration);

/// A draft-07 schema of the kind's value, as JSON text. Accepts what the reader accepts: a text with `${` in any place.
std::string json_schema(const Declaration& declaration);

}  // namespace weir::config
