// Texts that must not be shown: what secrets are.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace weir::config {

/// Not thread-safe.
class Redaction {
 public:
  /// From now on `***` stands in the place of this text. An empty one is ignored.
  void add(std::string_view secret);
  /// `least`: shorter ones are left: they stand in texts by chance.
  std::string of(std::string_view text, std::size_t least = 1) const;
  bool empty() const { return secrets_.empty(); }

 private:
  std::vector<std::string> secrets_;  // Longest first: a secret may be part of another one.
};

}  // namespace weir::config
