#include "engine/stage/records.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/message/json.hpp"

namespace weir::stage {
namespace {

constexpr std::array delimiter_words{std::pair("comma", io::Delimiter::comma),
                                     std::pair("semicolon", io::Delimiter::semicolon),
                                     std::pair("tab", io::Delimiter::tab), std::pair("pipe", io::Delimiter::pipe)};

const std::string& word(FieldType type) { return field_types()[static_cast<std::size_t>(type)]; }

}  // namespace

config::Extra delimiters() {
  config::Extra words;
  for (const auto& [word, delimiter] : delimiter_words) words.choices.emplace_back(word, delimiter);
  return words;
}

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

void check_columns(const std::vector<std::string>& columns, config::Written& written) {
  for (auto column = columns.begin(); column != columns.end(); ++column) {
    if (column->empty()) written.error("columns", "a column has no name");
    if (std::find(columns.begin(), column, *column) != column) {
      written.error("columns", "there are two columns '" + *column + "'");
    }
  }
}

Records::Records(Format format, const RecordRules& rules, std::uint64_t most)
    : format_(format), delimiter_(rules.delimiter), most_(most) {
  for (const auto& [name, type] : rules.types) types_.emplace_back(name, *field_type(type));
  for (const auto& name : rules.columns) columns_.emplace_back(name, type_of(name));
}

Records::State Records::put(std::string_view line, std::int64_t number) {
  if (passing_over_) {
    look_for_end(line);
    passing_over_ = end_.inside();
    return State::nothing;
  }
  const bool goes_on = open_;
  add(line, number);
  std::optional<io::CsvError> error;
  if (goes_on) {
    look_for_end(line);
    open_ = end_.inside();
  } else if (format_ == Format::csv) {
    error = io::read_csv(record_, fields_, scratch_, delimiter_);
    open_ = error && error->unclosed;
    if (open_) end_.begin_inside();
  }
  if (!open_ && record_.ends_with('\r')) record_.pop_back();
  if (record_.size() > most_) return refuse_length(open_);
  if (open_) return State::open;
  if (format_ == Format::logfmt) {
    return record_.find_first_not_of(" \t") == std::string::npos ? State::nothing : take_logfmt();
  }
  if (record_.empty()) return State::nothing;
  if (goes_on) error = io::read_csv(record_, fields_, scratch_, delimiter_);
  return take_csv(error);
}

Records::State Records::put_piece(std::string_view piece, std::int64_t number) {
  if (!passing_over_) {
    const std::size_t before = open_ ? record_.size() + 1 : 0;
    if (before + piece.size() <= most_ + 1) return State::open;  // One for a carriage return.
    if (!open_) end_.begin_record();
    add(piece, number);
    look_for_end(piece);
    return refuse_length(true);
  }
  look_for_end(piece);
  return State::nothing;
}

void Records::add(std::string_view line, std::int64_t number) {
  if (open_) {
    record_ += '\n';
    record_ += line;
  } else {
    line_ = number;
    record_ = line;
  }
}

void Records::look_for_end(std::string_view piece) {
  if (format_ == Format::csv) end_.take(piece);
}

/// What there is of record_ is too long. `more`: it has not ended.
Records::State Records::refuse_length(bool more) {
  passing_over_ = more;
  open_ = false;
  if (columns_.empty() && names_wrong_.empty()) names_wrong_ = "the record that should name the fields is too long";
  return State::too_long;
}

Records::State Records::end() {
  if (!std::exchange(open_, false)) return State::nothing;
  return take_csv(io::read_csv(record_, fields_, scratch_, delimiter_));
}

Records::State Records::no(std::string why) {
  why_ = std::move(why);
  return State::wrong;
}

Records::State Records::take_logfmt() {
  if (const auto error = io::read_logfmt(record_, pairs_, scratch_)) {
    return no("not logfmt: " + error->what + ", byte " + std::to_string(error->offset + 1) + " of the line");
  }
  io::keep_last(pairs_);
  object_ = "{";
  for (const auto& [key, value] : pairs_) {
    const FieldType type = type_of(key);
    begin_field(key);
    if (value) {
      if (!append(key, type, *value)) return State::wrong;
    } else if (type == FieldType::integer || type == FieldType::number) {
      return no("'" + std::string(key) + "' is no " + word(type) + ": it stands alone");
    } else {
      object_ += "true";
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
    return no("the record has " + std::to_string(fields_.size()) + (fields_.size() == 1 ? " field" : " fields") +
              ", but " + std::to_string(columns_.size()) + (columns_.size() == 1 ? " is" : " are") + " named");
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
  if (fields_.size() == 1) {
    for (const auto& [word, delimiter] : delimiter_words) {
      if (fields_[0].find(static_cast<char>(delimiter)) != std::string_view::npos) other_delimiter_ = word;
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
  no("'" + std::string(name) + "' is no " + word(type) + ": " + std::string(value.substr(0, 64)));
  return false;
}

}  // namespace weir::stage
