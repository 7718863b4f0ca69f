#include "engine/stage/records.hpp"

#include <algorithm>
#include <utility>

#include "engine/message/json.hpp"

namespace weir::stage {

const std::vector<std::string>& field_types() {
  static const std::vector<std::string> words{"text", "integer", "number", "boolean"};  // In the order of FieldType.
  return words;
}

std::optional<FieldType> field_type(std::string_view word) {
  const auto& words = field_types();
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return std::nullopt;
  return static_cast<FieldType>(found - words.begin());
}

Records::Records(Format format, const config::Map<std::string>& types) : format_(format) {
  for (const auto& [name, type] : types) types_.emplace_back(name, *field_type(type));
}

Records::State Records::put(std::string_view line, std::int64_t number) {
  if (!open_) {
    line_ = number;
    record_ = line;
  } else {
    record_ += '\n';
    record_ += line;
    // A line with an even number of quotes does not close the one that is open.
    if (std::count(line.begin(), line.end(), '"') % 2 == 0) return State::open;
  }
  const bool returns = record_.ends_with('\r');
  if (returns) record_.pop_back();
  std::optional<io::CsvError> error;
  if (format_ == Format::csv) {
    error = io::read_csv(record_, fields_, scratch_);
    open_ = error && error->unclosed;
  }
  if (open_) {
    if (returns) record_ += '\r';  // It stands between quotes.
    return State::open;
  }
  if (record_.find_first_not_of(" \t") == std::string::npos) return State::nothing;
  return format_ == Format::csv ? take_csv(error) : take_logfmt();
}

Records::State Records::end() {
  if (!std::exchange(open_, false)) return State::nothing;
  return take_csv(io::read_csv(record_, fields_, scratch_));
}

Records::State Records::no(std::string why) {
  why_ = std::move(why);
  return State::wrong;
}

Records::State Records::take_logfmt() {
  if (const auto error = io::read_logfmt(record_, pairs_, scratch_)) {
    return no("not logfmt: " + error->what + ", byte " + std::to_string(error->offset + 1) + " of the line");
  }
  object_ = "{";
  for (auto pair = pairs_.begin(); pair != pairs_.end(); ++pair) {
    const auto again = [&](const io::LogfmtPair& other) { return other.key == pair->key; };
    if (std::any_of(pair + 1, pairs_.end(), again)) continue;  // The last one counts.
    begin_field(pair->key);
    if (!pair->value) {
      object_ += "true";
    } else if (!append(pair->key, type_of(pair->key), *pair->value)) {
      return State::wrong;
    }
  }
  object_ += '}';
  return State::object;
}

Records::State Records::take_csv(const std::optional<io::CsvError>& error) {
  if (error) {
    if (columns_.empty()) names_wrong_ = "the record that should name the fields is not CSV";
    return no("not CSV: " + error->what + ", byte " + std::to_string(error->offset + 1) + " of the record");
  }
  if (!names_wrong_.empty()) return no(names_wrong_);
  if (columns_.empty()) return take_names();
  if (fields_.size() != columns_.size()) {
    return no("the record has " + std::to_string(fields_.size()) + " fields, but " + std::to_string(columns_.size()) +
              " are named");
  }
  object_ = "{";
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const auto& [name, type] = columns_[i];
    begin_field(name);
    if (!append(name, type, fields_[i])) return State::wrong;
  }
  object_ += '}';
  return State::object;
}

Records::State Records::take_names() {
  const auto named = [this](std::string_view name) {
    return std::any_of(columns_.begin(), columns_.end(), [&](const auto& column) { return column.first == name; });
  };
  for (const auto field : fields_) {
    if (field.empty()) names_wrong_ = "the first record, which names the fields, leaves one without a name";
    if (named(field)) {
      names_wrong_ = "the first record, which names the fields, has '" + std::string(field) + "' twice";
    }
    if (!names_wrong_.empty()) break;
    columns_.emplace_back(field, type_of(field));
  }
  for (const auto& [name, type] : types_) {
    if (!names_wrong_.empty()) break;
    if (!named(name)) {
      names_wrong_ = "the first record, which names the fields, has no '" + name + "', of which `types` speaks";
    }
  }
  if (names_wrong_.empty()) return State::nothing;
  columns_.clear();
  return no(names_wrong_);
}

FieldType Records::type_of(std::string_view name) const {
  const auto found = std::find_if(types_.begin(), types_.end(), [&](const auto& type) { return type.first == name; });
  return found == types_.end() ? FieldType::text : found->second;
}

void Records::begin_field(std::string_view name) {
  if (object_.size() > 1) object_ += ',';
  message::append_key(object_, name);
}

bool Records::append(std::string_view name, FieldType type, std::string_view value) {
  if (type == FieldType::text) {
    message::append_quoted(object_, value);
    return true;
  }
  if (value.empty()) {
    object_ += "null";
    return true;
  }
  const bool is_number = config::is_json_number(value);
  const bool good = type == FieldType::boolean  ? value == "true" || value == "false"
                    : type == FieldType::number ? is_number
                                                : is_number && value.find_first_of(".eE") == value.npos;
  if (good) {
    object_ += value;
    return true;
  }
  no("'" + std::string(name) + "' is no " + field_types()[static_cast<std::size_t>(type)] + ": " +
     std::string(value.substr(0, 64)));
  return false;
}

}  // namespace weir::stage
