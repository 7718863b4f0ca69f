#include "engine/config/reader.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "engine/config/advice.hpp"

namespace weir::config {

namespace {

/// Told once: what is wrong already needs no second complaint.
bool refuse(const Node& node, Reader& reader, std::string_view wanted, std::string_view advice = {},
            std::string hint = {}) {
  if (!node.told)
    reader.error(node.place,
                 fmt::format("expected {}, found {}{}{}", wanted, node.found(), advice.empty() ? "" : ": ", advice),
                 std::move(hint));
  return false;
}

/// A number written plainly, or what the environment gave.
bool may_be_typed(const Node& node) { return node.is_scalar() && (node.plain || node.loose); }

/// Whether a constant was written where one is wanted; a `{{ }}` is filled in too late for it.
bool refuse_template(const Node& node, Reader& reader, std::string_view wanted) {
  if (!node.is_scalar() || node.text.find("{{") == std::string::npos) return false;
  reader.error(node.place, fmt::format("expected {}, found `{{{{ }}}}`: it is read once, at the start", wanted),
               "a constant, or '${name}'");
  return true;
}

template <class T>
bool read_unit(const Node& node, Reader& reader, std::string_view wanted, std::optional<T> (*parse)(std::string_view),
               std::string (*advice)(std::string_view), T& out) {
  if (refuse_template(node, reader, wanted)) return false;
  if (!node.is_scalar()) return refuse(node, reader, wanted);
  const auto value = parse(node.text);
  if (!value) return refuse(node, reader, wanted, advice ? advice(node.text) : "");
  out = *value;
  return true;
}

std::string range_advice(std::string_view text) {
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) return "both ends are written, with two points between them";
  const auto from = parse_integer(text.substr(0, dots));
  const auto to = parse_integer(text.substr(dots + 2));
  if (from && to && *from > *to) return "the smaller end comes first";
  return {};
}

std::string duration_range_advice(std::string_view text) {
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) return "both ends are written, with two points between them";
  const auto from = parse_duration(text.substr(0, dots));
  const auto to = parse_duration(text.substr(dots + 2));
  if (from && to) return "the shorter end comes first";
  return duration_advice(from ? text.substr(dots + 2) : text.substr(0, dots));
}

/// Where code begins: the first line under a `|`, else where the text begins.
Place code_place(const Node& node) {
  Place place = node.place;
  if (!place.source || place.line <= 0) return place;
  const std::string_view line = place.source->line(place.line);
  std::size_t at = 0;
  for (int column = 1; column < place.column && at < line.size(); ++column) {
    ++at;
    while (at < line.size() && (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80) ++at;
  }
  if (node.plain || at >= line.size() || (line[at] != '|' && line[at] != '>')) return place;
  ++place.line;
  place.column = 1;
  place.length = 1;
  for (int below = place.line; below < place.line + 100; ++below) {
    const std::string_view code = place.source->line(below);
    const std::size_t indent = code.find_first_not_of(' ');
    if (indent == std::string_view::npos) continue;
    place.column = static_cast<int>(indent) + 1;
    break;
  }
  return place;
}

/// Of `{{ msg.a.b }}` the path; empty of anything else.
std::string lone_field(std::string_view text) {
  const auto begin = text.find_first_not_of(" {"), end = text.find_last_not_of(" }");
  if (begin == std::string_view::npos || begin > end) return {};
  const std::string_view inside = text.substr(begin, end + 1 - begin);
  if (!inside.starts_with("msg.")) return {};
  const bool path = inside.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") ==
                    std::string_view::npos;
  return path ? std::string(inside.substr(4)) : std::string();
}

/// `msg.n`, `meta.key .. "x"`: not a text that one would write, but for the name of a file.
bool looks_like_code(std::string_view text) {
  const auto dot = text.find('.');
  constexpr std::array<std::string_view, 6> roots{"msg", "meta", "vars", "request", "result", "failed"};
  if (dot == std::string_view::npos || std::find(roots.begin(), roots.end(), text.substr(0, dot)) == roots.end())
    return false;
  const std::string_view rest = text.substr(dot + 1);
  constexpr std::array<std::string_view, 9> ends{"json", "ndjson", "jsonl", "csv", "txt", "log", "yaml", "html", "xml"};
  const bool is_file = std::find(ends.begin(), ends.end(), rest.substr(rest.rfind('.') + 1)) != ends.end();
  return !is_file && !rest.empty() && (std::isalpha(static_cast<unsigned char>(rest[0])) || rest[0] == '_');
}

/// Whether the code speaks of a var that is not set where it is tested.
bool names_unset(std::string_view code, const Scope& scope) {
  constexpr std::string_view vars = "vars.";
  for (auto at = code.find(vars); at != std::string_view::npos; at = code.find(vars, at + 1)) {
    const std::string_view rest = code.substr(at + vars.size());
    const auto end = rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_");
    if (scope.is_unset(std::string(rest.substr(0, end)))) return true;
  }
  return false;
}

}  // namespace

Reader::Reader(Diagnostics& where, const Scope& names, std::string start)
    : diagnostics(where), scope(names), path(std::move(start)) {}

void Reader::error(const Place& place, std::string what, std::string hint) {
  diagnostics.error(place, std::move(what), std::move(hint), path);
}
void Reader::warning(const Place& place, std::string what, std::string hint) {
  diagnostics.warning(place, std::move(what), std::move(hint), path);
}

Reader::Step::Step(Reader& reader, std::string_view key) : reader_(reader), length_(reader.path.size()) {
  if (!reader.path.empty()) reader.path += '.';
  reader.path += key;
}
Reader::Step::~Step() { reader_.path.resize(length_); }

bool read_value(const Node& node, Reader& reader, bool& out) {
  if (refuse_template(node, reader, "true or false")) return false;
  if (may_be_typed(node) && (node.text == "true" || node.text == "false")) {
    out = node.text == "true";
    return true;
  }
  const bool quoted = node.is_scalar() && (node.text == "true" || node.text == "false");
  return refuse(node, reader, "true or false", quoted ? "a quoted one is text" : "");
}

bool read_value(const Node& node, Reader& reader, std::int64_t& out) {
  if (refuse_template(node, reader, "an integer")) return false;
  if (!node.is_scalar()) return refuse(node, reader, "an integer");
  const auto value = parse_integer(node.text);
  if (value && may_be_typed(node)) {
    out = *value;
    return true;
  }
  if (value) return refuse(node, reader, "an integer", "a quoted one is text");
  std::string advice = number_advice(node.text);
  if (advice.empty() && is_json_number(node.text))
    advice = node.text.find_first_of(".eE") == std::string::npos ? "it is larger than 64 bits hold" : "digits only";
  return refuse(node, reader, "an integer", advice);
}

bool read_value(const Node& node, Reader& reader, double& out) {
  if (refuse_template(node, reader, "a number")) return false;
  if (!node.is_scalar()) return refuse(node, reader, "a number");
  const auto value = parse_number(node.text);
  if (value && may_be_typed(node)) {
    out = *value;
    return true;
  }
  if (value) return refuse(node, reader, "a number", "a quoted one is text");
  if (node.text.ends_with('%')) {
    const auto share = parse_number(std::string_view(node.text).substr(0, node.text.size() - 1));
    if (share) return refuse(node, reader, "a number", fmt::format("a share is a number here: {}", *share / 100));
  }
  return refuse(node, reader, "a number", number_advice(node.text));
}

bool read_value(const Node& node, Reader& reader, std::string& out) {
  if (!node.is_scalar()) return refuse(node, reader, "a text");
  const auto before = reader.diagnostics.error_count();
  const Template made = parse_template(node.text, node.place, reader.diagnostics, reader.path);
  if (reader.diagnostics.error_count() > before) return false;
  if (!made.constant()) {
    reader.error(made.parts[made.parts[0].lua ? 0 : 1].place,
                 "expected a constant text, found `{{ }}`: it is read once, at the start",
                 "a constant, or '${name}'; braces that are meant as such are written \\{{");
    return false;
  }
  out = made.text();
  return true;
}

bool read_value(const Node& node, Reader& reader, Duration& out) {
  return read_unit<Duration>(node, reader, "a duration such as 250ms", parse_duration, duration_advice, out);
}
bool read_value(const Node& node, Reader& reader, Size& out) {
  return read_unit<Size>(node, reader, "a size such as 64MiB", parse_size, size_advice, out);
}
bool read_value(const Node& node, Reader& reader, Rate& out) {
  return read_unit<Rate>(node, reader, "a rate such as 10/s", parse_rate, rate_advice, out);
}
bool read_value(const Node& node, Reader& reader, IntegerRange& out) {
  return read_unit<IntegerRange>(node, reader, "a range of integers such as 1..10", parse_integer_range, range_advice,
                                 out);
}
bool read_value(const Node& node, Reader& reader, DurationRange& out) {
  return read_unit<DurationRange>(node, reader, "a range of durations such as 100ms..30s", parse_duration_range,
                                  duration_range_advice, out);
}

bool read_value(const Node& node, Reader& reader, Path& out) {
  constexpr std::string_view payload = "msg.";
  if (node.is_scalar() && node.text.starts_with(payload) && node.text.size() > payload.size() && !node.told) {
    reader.warning(node.place,
                   fmt::format("'{}' is a field of a field 'msg' here: a path begins in the payload", node.text),
                   fmt::format("write '{}'", node.text.substr(payload.size())));
  }
  if (node.is_scalar() && node.text.starts_with("{{")) {
    const auto field = lone_field(node.text);
    reader.error(node.place, "expected a path in the payload such as a.b, found `{{ }}`",
                 field.empty() ? "the name of the field, as it stands in the payload" : "write '" + field + "'");
    return false;
  }
  return read_unit<Path>(node, reader, "a path in the payload such as a.b", parse_path, path_advice, out);
}

bool read_value(const Node& node, Reader& reader, Lua& out) {
  if (!node.is_scalar())
    return refuse(node, reader, "Lua", "",
                  node.is_null() ? "" : "code with { } or [ ] in it is quoted, or stands under `|`");
  if (node.told) return false;
  if (node.text.find_first_not_of(" \t\r\n") == std::string::npos) return refuse(node, reader, "Lua");
  out.code = node.text;
  out.place = code_place(node);
  const auto is_option = [&reader](std::string_view name) { return reader.scope.is_option(name); };
  if (auto advice = bare_lua_advice(node.text, is_option)) {
    reader.error(node.place, std::string(advice->what), std::move(advice->cure));
    return false;
  }
  reader.code.push_back({CodeUse::What::expression, out.code, out.place, reader.path});
  return true;
}

bool read_value(const Node& node, Reader& reader, Template& out) {
  if (!node.is_scalar()) return refuse(node, reader, "a text");
  if (node.told) return false;
  const auto before = reader.diagnostics.error_count();
  out = parse_template(node.text, node.place, reader.diagnostics, reader.path);
  if (reader.diagnostics.error_count() > before) return false;
  if (node.plain && looks_like_code(node.text)) {
    reader.warning(node.place, fmt::format("'{}' is a text here, as it stands", node.text),
                   fmt::format("what a message says is filled in by '{{{{ {} }}}}'; a text that is meant so is quoted",
                               node.text));
  }
  out.unset = node.unset;
  for (const auto& part : out.parts) {
    if (part.lua) out.unset = out.unset || names_unset(part.text, reader.scope);
  }
  for (const auto& part : out.parts)
    if (part.lua) reader.code.push_back({CodeUse::What::template_part, part.text, part.place, reader.path});
  return true;
}

bool read_value(const Node& node, Reader& reader, Value& out) {
  out = Value();
  out.place = node.place;
  switch (node.kind) {
    case Node::Kind::null:
      out.kind = Value::Kind::null;
      return !node.told;
    case Node::Kind::list: {
      out.kind = Value::Kind::list;
      bool good = true;
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        const Reader::Step step(reader, std::to_string(i));
        good &= read_value(node.items[i], reader, out.items.emplace_back());
      }
      return good;
    }
    case Node::Kind::map: {
      out.kind = Value::Kind::map;
      bool good = true;
      for (const auto& entry : node.entries) {
        const Reader::Step step(reader, entry.key);
        good &= check_key(entry, reader);
        good &= read_value(entry.value, reader, out.fields.emplace_back(entry.key, Value()).second);
      }
      return good;
    }
    case Node::Kind::scalar:
      break;
  }
  if (node.told) return false;
  if (node.plain) {
    if (node.text == "true" || node.text == "false") {
      out.kind = Value::Kind::boolean;
      out.boolean = node.text == "true";
      return true;
    }
    if (is_json_number(node.text)) {
      out.kind = Value::Kind::number;
      out.number = node.text;
      return true;
    }
    if (const auto advice = number_advice(node.text); !advice.empty())
      return refuse(node, reader, "a number or a text", advice);
  }
  out.kind = Value::Kind::text;
  return read_value(node, reader, out.text);
}

}  // namespace weir::config
