#include "engine/script/patterns.hpp"

#include <re2/re2.h>

#include <algorithm>

namespace weir::script {
namespace {

/// The place behind what stands for itself at `at`, or is a class of characters; `at` where neither begins there.
std::size_t behind_literal(std::string_view pattern, std::size_t at) {
  const auto behind = [&](std::string_view end, std::size_t from) {
    const auto found = pattern.find(end, from);
    return found == pattern.npos ? pattern.size() : found + end.size();
  };
  if (pattern.substr(at).starts_with("\\Q")) return behind("\\E", at + 2);
  if (pattern[at] == '\\') return std::min(at + 2, pattern.size());
  if (pattern[at] != '[') return at;
  std::size_t in = at + 1;
  if (in < pattern.size() && pattern[in] == '^') ++in;
  if (in < pattern.size() && pattern[in] == ']') ++in;  // As the first it is one of the characters.
  while (in < pattern.size() && pattern[in] != ']') {
    if (pattern[in] == '\\') {
      in += 2;
    } else if (pattern.substr(in).starts_with("[:")) {
      in = behind(":]", in + 2);
    } else {
      ++in;
    }
  }
  return std::min(in + 1, pattern.size());
}

/// Debian's RE2 knows `(?P<name>` only; everybody else writes `(?<name>`.
std::string in_re2_s_words(std::string_view pattern) {
  std::string out;
  for (std::size_t at = 0; at < pattern.size();) {
    if (const auto behind = behind_literal(pattern, at); behind > at) {
      out += pattern.substr(at, behind - at);
      at = behind;
      continue;
    }
    const auto rest = pattern.substr(at);
    if (rest.starts_with("(?<") && rest.size() > 3 && rest[3] != '=' && rest[3] != '!') {
      out += "(?P<";
      at += 3;
    } else {
      out += pattern[at++];
    }
  }
  return out;
}

}  // namespace

std::unique_ptr<re2::RE2> compile_pattern(std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(4 << 20);
  return std::make_unique<RE2>(in_re2_s_words(pattern), options);
}

Patterns::Patterns() = default;
Patterns::~Patterns() = default;

const re2::RE2& Patterns::compiled(std::string_view pattern, bool& was_cached) {
  key_.assign(pattern);
  const auto found = known_.find(key_);
  was_cached = found != known_.end();
  if (was_cached) return *found->second;
  // Patterns are nearly always literals, fewer than this; code that builds them anew starts over now and then.
  if (known_.size() >= most) known_.clear();
  return *(known_[key_] = compile_pattern(key_));
}

std::string pattern_error(std::string_view pattern) {
  const auto compiled = compile_pattern(pattern);
  return compiled->ok() ? std::string() : compiled->error();
}

}  // namespace weir::script
