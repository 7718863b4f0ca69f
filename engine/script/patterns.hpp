// Regular expressions, compiled once: RE2, which takes linear time.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace re2 {
class RE2;
}

namespace weir::script {

/// Compiles a pattern. Named groups are written `(?P<name>…)` or `(?<name>…)`. Of one that is malformed RE2::ok() is
/// false.
std::unique_ptr<re2::RE2> compile_pattern(std::string_view pattern);

/// A bounded cache of compiled patterns. Not thread-safe.
class Patterns {
 public:
  Patterns();
  ~Patterns();

  /// The compiled pattern, valid until the next call; one that is malformed too: ask RE2::ok().
  const re2::RE2& compiled(std::string_view pattern, bool& was_cached);

  static constexpr std::size_t most = 256;

 private:
  std::unordered_map<std::string, std::unique_ptr<re2::RE2>> known_;
  std::string key_;
};

/// What is wrong with a pattern; empty if nothing is. For checking literals before anything runs.
std::string pattern_error(std::string_view pattern);

}  // namespace weir::script
