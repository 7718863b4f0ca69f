#include "engine/script/groups.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "engine/script/patterns.hpp"

namespace weir::script {
namespace {

/// Groups beyond this many are not looked at: RE2 slows down with each that it has to fill in.
constexpr int groups_most = 64;

}  // namespace

Groups::Groups(std::string_view pattern) : pattern_(compile_pattern(pattern)) {
  if (!pattern_->ok()) {
    error_ = pattern_->error();
    return;
  }
  for (const auto& [number, name] : pattern_->CapturingGroupNames()) {
    numbers_.push_back(number);
    names_.push_back(name);
  }
  for (auto name = names_.begin(); name != names_.end(); ++name) {
    if (std::find(names_.begin(), name, *name) != name) error_ = "it has two groups named '" + *name + "'";
  }
  if (names_.empty()) error_ = "it has no named group, such as (?<name>[a-z]+)";
  if (pattern_->NumberOfCapturingGroups() > groups_most) {
    error_ = "it has more than " + std::to_string(groups_most) + " groups; (?:…) only groups and takes nothing";
  }
}

Groups::Groups(Groups&&) noexcept = default;
Groups& Groups::operator=(Groups&&) noexcept = default;
Groups::~Groups() = default;

bool Groups::match(std::string_view text, std::vector<std::optional<std::string_view>>& values) const {
  std::array<re2::StringPiece, groups_most + 1> found;
  const int count = pattern_->NumberOfCapturingGroups() + 1;
  if (!pattern_->Match({text.data(), text.size()}, 0, text.size(), RE2::UNANCHORED, found.data(), count)) return false;
  values.clear();
  for (const int number : numbers_) {
    const auto& piece = found[static_cast<std::size_t>(number)];
    if (piece.data()) {
      values.emplace_back(std::string_view(piece.data(), piece.size()));
    } else {
      values.emplace_back();
    }
  }
  return true;
}

}  // namespace weir::script
