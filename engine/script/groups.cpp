#include "engine/script/groups.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>

namespace weir::script {
namespace {

/// Groups beyond this many are not looked at: RE2 slows down with each that it has to fill in.
constexpr int groups_most = 64;

/// Debian's RE2 knows `(?P<name>` only; everybody else writes `(?<name>`.
std::string in_re2_s_words(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      out += c;
      out += pattern[++i];
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    if (!in_class && pattern.substr(i).starts_with("(?<") && i + 3 < pattern.size() && pattern[i + 3] != '=' &&
        pattern[i + 3] != '!') {
      out += "(?P<";
      i += 2;
      continue;
    }
    out += c;
  }
  return out;
}

}  // namespace

Groups::Groups(std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(4 << 20);
  pattern_ = std::make_unique<RE2>(in_re2_s_words(pattern), options);
  if (!pattern_->ok()) {
    error_ = pattern_->error();
    return;
  }
  for (const auto& [number, name] : pattern_->CapturingGroupNames()) {
    numbers_.push_back(number);
    names_.push_back(name);
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
