// The types of values that a file holds. Each reads from text and shows itself as one would write it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/config/diagnostics.hpp"
#include "engine/runtime/time.hpp"

namespace weir::config {

/// Written with its unit: `us ms s m h d`. Never negative.
using Duration = weir::runtime::Duration;

/// An ordered map, as written. No key twice.
template <class T>
using Map = std::vector<std::pair<std::string, T>>;

/// An amount of bytes, written with its unit: `B KiB MiB GiB`.
struct Size {
  std::uint64_t bytes = 0;
  bool operator==(const Size&) const = default;
};

/// So many in so long: `10/s`, `100/m`, `1/10s`.
struct Rate {
  double count = 0;
  Duration period = std::chrono::seconds(1);
  double per_s() const;
  bool operator==(const Rate&) const = default;
};

/// `1..10`, both ends included; from <= to.
struct IntegerRange {
  std::int64_t from = 0;
  std::int64_t to = 0;
  bool operator==(const IntegerRange&) const = default;
};

/// `100ms..30s`; from <= to.
struct DurationRange {
  Duration from{0};
  Duration to{0};
  bool operator==(const DurationRange&) const = default;
};

/// Where a field stands in a payload: `a.b` is b in a, `items.0` the first element of items.
struct Path {
  std::string text;
  bool operator==(const Path&) const = default;
};

/// Bare Lua, not yet compiled.
struct Lua {
  std::string code;
  Place place;
};

/// Text that may hold `{{ Lua }}`, filled in for each message. Its `${}` are filled in already.
struct Template {
  struct Part {
    bool lua = false;
    std::string text;  ///< Plain text, or the code between the braces, trimmed.
    Place place;
  };
  std::vector<Part> parts;  ///< No two texts side by side; none at all for the empty text.
  Place place;
  bool unset = false;  ///< As of its Node.

  Template() = default;
  Template(std::string constant);  // NOLINT: a default is written as text
  Template(const char* constant);

  bool constant() const;     ///< No `{{}}` at all.
  bool lone() const;         ///< Nothing but one `{{}}`: its value keeps its type.
  std::string text() const;  ///< The constant text; with `{{}}`, as written.
};

/// What `msg:`, `set:`, `merge:` and `vars:` hold: JSON with templates at the leaves.
struct Value {
  enum class Kind { null, boolean, number, text, list, map };
  /// Null. Not written here: clang would look into `fields` before a pair with a Value in it is a complete type.
  Value();
  Kind kind = Kind::null;
  bool boolean = false;
  std::string number;  ///< As written; always a JSON number.
  Template text;
  std::vector<Value> items;
  Map<Value> fields;
  Place place;

  bool constant() const;
  std::string json() const;  ///< Templates as their text.
};

std::optional<Duration> parse_duration(std::string_view text);
std::optional<Size> parse_size(std::string_view text);
std::optional<Rate> parse_rate(std::string_view text);
std::optional<IntegerRange> parse_integer_range(std::string_view text);
std::optional<DurationRange> parse_duration_range(std::string_view text);
/// No part of it is empty. A key that holds a point itself cannot be named by a path.
std::optional<Path> parse_path(std::string_view text);
/// Whether one path leads to what the other leads to, or to what lies in it.
bool paths_meet(std::string_view a, std::string_view b);
/// JSON's way: no octal, no 0x, no '+', no leading zero.
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_number(std::string_view text);
bool is_json_number(std::string_view text);

/// Why a text that looks like a number, duration or size is none, with the cure; empty if nothing better is known.
std::string number_advice(std::string_view text);
std::string duration_advice(std::string_view text);
std::string size_advice(std::string_view text);
std::string rate_advice(std::string_view text);
std::string path_advice(std::string_view text);

/// Cuts text into parts; `\{{` and `\${` become plain. Errors (a `{{` without its end, `${` inside code) go to
/// diagnostics. Leaves `${}` as it is: that is Scope's work, before.
Template parse_template(std::string_view text, const Place& place, Diagnostics& diagnostics, const std::string& path);

std::string show(bool value);
std::string show(std::int64_t value);
std::string show(double value);
std::string show(const std::string& value);
std::string show(Duration value);
std::string show(Size value);
std::string show(const Rate& value);
std::string show(const IntegerRange& value);
std::string show(const DurationRange& value);
std::string show(const Path& value);
std::string show(const Lua& value);
std::string show(const Template& value);
std::string show(const Value& value);

}  // namespace weir::config
