// Regular expressions whose named groups become fields.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace weir::script {

/// One pattern, compiled: RE2, which takes linear time. Named groups are written `(?P<name>…)` or `(?<name>…)`.
/// Movable.
class Groups {
 public:
  /// Of a pattern that is malformed, names no group or two alike, error() says so and nothing else may be asked.
  explicit Groups(std::string_view pattern);
  Groups(Groups&&) noexcept;
  Groups& operator=(Groups&&) noexcept;
  ~Groups();

  const std::string& error() const { return error_; }  ///< Empty: it is good.
  /// Of the named groups, in the order written.
  const std::vector<std::string>& names() const { return names_; }
  /// Whether it matches anywhere in the text. Then values[i] is what names()[i] took, a view into the text; nothing,
  /// where it took no part.
  bool match(std::string_view text, std::vector<std::optional<std::string_view>>& values) const;

 private:
  std::unique_ptr<re2::RE2> pattern_;
  std::vector<std::string> names_;
  std::vector<int> numbers_;
  std::string error_;
};

}  // namespace weir::script
