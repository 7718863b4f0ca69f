// The paths that stages serve: `/jobs/{id}/files/*`. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/message/asker.hpp"

namespace weir::io {

/// Parts between slashes: a text, `{name}` for any one part, and as the last one `*` for all that is left, be it
/// nothing. A value.
class HttpPath {
 public:
  using Found = std::vector<std::pair<std::string, std::string>>;

  /// Nothing where it is no path; `why` says so, for a person.
  static std::optional<HttpPath> parse(std::string_view text, std::string& why);

  const std::string& text() const { return text_; }                                        ///< As written.
  bool takes_rest() const { return !parts_.empty() && parts_.back().kind == Kind::rest; }  ///< It ends in `*`.
  std::string shape() const;  ///< Without the names: two of one shape match the same.

  /// `path`: as it was sent, percent-encoded, without the query. Appends what stands for the names, decoded.
  bool match(std::string_view path, Found& found) const;
  /// Of a path that matches, what the `*` stands for, as it was sent and without the slash before it.
  std::string_view rest(std::string_view path) const;
  /// Of two that match the same path: at the first part in which they differ a text stands before a name, and that
  /// before `*`.
  bool stands_before(const HttpPath& other) const;

 private:
  enum class Kind : std::uint8_t { text, name, rest };
  struct Part {
    Part(Kind of, std::string what) : kind(of), word(std::move(what)) {}
    Kind kind;
    std::string word;
  };
  std::string text_;
  std::vector<Part> parts_;
};

/// Whether who takes these methods takes this one; HEAD goes with GET. Empty: all.
bool http_takes(const std::vector<std::string>& methods, std::string_view method);

/// What is told of a path that nobody serves, 404; or, of one that is served by these methods only, 405.
message::Answer http_not_served(const std::vector<std::string>& methods);

/// Whether some request may have a method of both. Empty: all.
bool http_methods_meet(const std::vector<std::string>& one, const std::vector<std::string>& other);

/// `a=1&b=x+y` as names and values, decoded, in the order sent.
HttpPath::Found http_query(std::string_view query);

}  // namespace weir::io
