#include "engine/stage/records.hpp"

#include <algorithm>

#include "engine/message/json.hpp"

namespace weir::stage {

std::optional<FieldType> field_type(std::string_view word) {
  if (word == "text") return FieldType::text;
  if (word == "integer") return FieldType::integer;
  if (word == "number") return FieldType::number;
  if (word == "boolean") return FieldType::boolean;
  return std::nullopt;
}

Records::Records(Format format, const config::Map<std::string>& types) : format_(format), types_(types) {}

Records::State Records::put(std::string_view line, std::int64_t number) {
  if (!open_) {
    line_ = number;
    record_ = line;
  } else {
    record_ += '\n';
    record_ += line;
  }
  // A line with an even number of quotes neither closes one that is open nor leaves one so.
  if (open_ && std::count(line.begin(), line.end(), '"') % 2 == 0) return State::open;
  if (format_ == Format::csv) {
    const auto error = io::read_csv(record_, fields_, scratch_);
    open_ = error && error->unclosed;
    if (open_) return State::open;
  }
  if (record_.ends_with('\r')) record_.pop_back();
  return take();
}

Records::State Records::end() {
  if (!std::exchange(open_, false)) return State::nothing;
  return take();
}

Records::State Records::no(std::string why) {
  why_ = std::move(why);
  return State::wrong;
}

Records::State Records::take() {
  if (record_.find_first_not_of(" \t") == std::string::npos) return State::nothing;
  object_ = "{";
  if (format_ == Format::logfmt) {
    if (const auto error = io::read_logfmt(record_, pairs_, scratch_)) {
      return no("not logfmt: " + error->what + ", byte " + std::to_string(error->offset + 1) + " of the line");
    }
    for (auto pair = pairs_.begin(); pair != pairs_.end(); ++pair) {
      const auto again = [&](const io::LogfmtPair& other) { return other.key == pair->key; };
      if (std::any_of(pair + 1, pairs_.end(), again)) continue;  // The last one counts.
      if (!pair->value) {
        object_ += object_.size() > 1 ? "," : "";
        message::append_quoted(object_, pair->key);
        object_ += ":true";
      } else if (!append(pair->key, *pair->value)) {
        return State::wrong;
      }
    }
    object_ += '}';
    return State::object;
  }
  if (const auto error = io::read_csv(record_, fields_, scratch_)) {
    if (names_.empty()) names_wrong_ = "the record that should name the fields is not CSV";
    return no("not CSV: " + error->what + ", byte " + std::to_string(error->offset + 1) + " of the record");
  }
  if (!names_wrong_.empty()) return no(names_wrong_);
  if (names_.empty()) {
    for (const auto field : fields_) {
      if (field.empty() || std::find(names_.begin(), names_.end(), field) != names_.end()) {
        names_.clear();
        names_wrong_ = field.empty()
                           ? "the first record, which names the fields, leaves one without a name"
                           : "the first record, which names the fields, has '" + std::string(field) + "' twice";
        return no(names_wrong_);
      }
      names_.emplace_back(field);
    }
    for (const auto& [name, type] : types_) {
      if (std::find(names_.begin(), names_.end(), name) != names_.end()) continue;
      names_wrong_ = "the first record, which names the fields, has no '" + name + "', of which `types` speaks";
      names_.clear();
      return no(names_wrong_);
    }
    return State::nothing;
  }
  if (fields_.size() != names_.size()) {
    return no("the record has " + std::to_string(fields_.size()) + " fields, but " + std::to_string(names_.size()) +
              " are named");
  }
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (!append(names_[i], fields_[i])) return State::wrong;
  }
  object_ += '}';
  return State::object;
}

bool Records::append(std::string_view name, std::string_view value) {
  const auto found = std::find_if(types_.begin(), types_.end(), [&](const auto& type) { return type.first == name; });
  const FieldType type = found == types_.end() ? FieldType::text : *field_type(found->second);
  object_ += object_.size() > 1 ? "," : "";
  message::append_quoted(object_, name);
  object_ += ':';
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
  no("'" + std::string(name) + "' is no " + found->second + ": " + std::string(value.substr(0, 64)));
  return false;
}

}  // namespace weir::stage
