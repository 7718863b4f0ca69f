#include "engine/config/redaction.hpp"

#include <algorithm>

namespace weir::config {

void Redaction::add(std::string_view secret) {
  if (secret.empty() || std::find(secrets_.begin(), secrets_.end(), secret) != secrets_.end()) return;
  const auto shorter =
      std::find_if(secrets_.begin(), secrets_.end(), [&](const auto& known) { return known.size() < secret.size(); });
  secrets_.emplace(shorter, secret);
}

std::string Redaction::of(std::string_view text, std::size_t least) const {
  constexpr std::string_view stars = "***";
  std::string shown(text);
  for (const auto& secret : secrets_) {
    if (secret.size() < least) break;
    for (auto at = shown.find(secret); at != std::string::npos; at = shown.find(secret, at + stars.size())) {
      shown.replace(at, secret.size(), stars);
    }
  }
  return shown;
}

}  // namespace weir::config
