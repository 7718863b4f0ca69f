#include "engine/script/patterns.hpp"

#include <re2/re2.h>

namespace weir::script {
namespace {

RE2::Options options() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(4 << 20);
  return options;
}

}  // namespace

Patterns::Patterns() = default;
Patterns::~Patterns() = default;

const re2::RE2& Patterns::compiled(std::string_view pattern, bool& was_cached) {
  key_.assign(pattern);
  const auto found = known_.find(key_);
  was_cached = found != known_.end();
  if (was_cached) return *found->second;
  // Patterns are nearly always literals, fewer than this; code that builds them anew starts over now and then.
  if (known_.size() >= most) known_.clear();
  return *(known_[key_] = std::make_unique<RE2>(re2::StringPiece(key_), options()));
}

std::string pattern_error(std::string_view pattern) {
  const RE2 compiled(re2::StringPiece(pattern.data(), pattern.size()), options());
  return compiled.ok() ? std::string() : compiled.error();
}

}  // namespace weir::script
