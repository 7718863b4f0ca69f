#include "engine/io/glob.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <system_error>

namespace weir::io {
namespace {

/// One byte of a name by what stands at `at` of the pattern, which is moved behind it.
bool matches_byte(std::string_view pattern, std::size_t& at, char byte) {
  if (pattern[at] == '?') return ++at, true;
  if (pattern[at] == '[') {
    std::size_t end = at + 1;
    const bool none_of = end < pattern.size() && (pattern[end] == '!' || pattern[end] == '^');
    if (none_of) ++end;
    bool found = false;
    for (bool first = true; end < pattern.size() && (first || pattern[end] != ']'); first = false) {
      const char from = pattern[end];
      char to = from;
      if (end + 2 < pattern.size() && pattern[end + 1] == '-' && pattern[end + 2] != ']') {
        to = pattern[end + 2];
        end += 2;
      }
      found = found || (from <= byte && byte <= to);
      ++end;
    }
    if (end < pattern.size()) {
      at = end + 1;
      return found != none_of;
    }  // Not closed: a bracket.
  } else if (pattern[at] == '\\' && at + 1 < pattern.size()) {
    ++at;
  }
  return pattern[at++] == byte;
}

/// What stands behind `**/` at the beginning of a pattern, several of which are as one; nothing where it doesn't begin
/// so. At the end `**` is `**/*`.
std::optional<std::string_view> behind_any_directories(std::string_view pattern) {
  std::optional<std::string_view> behind;
  while (pattern.starts_with("**/")) {
    pattern.remove_prefix(3);
    behind = pattern;
  }
  if (pattern == "**") behind = "*";
  return behind;
}

class Search {
 public:
  Search(runtime::Files& files, const Unseen& unseen) : files_(files), unseen_(unseen) {}

  std::vector<std::string> paths;

  /// What the rest of the pattern finds in `found`, which is empty or ends with a slash. `guessed`: by a pattern.
  void look(const std::string& found, std::string_view rest, bool guessed) {
    if (const auto behind = behind_any_directories(rest)) return look_below(found, *behind, guessed);
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (!is_pattern(part)) return go_on(found, part, rest, guessed);
    for_each(names_in(found, guessed), found, [&](const std::string& name) {
      if (matches(part, name)) go_on(found, name, rest, true);
    });
  }

 private:
  /// The same in the directory and in all below it, but for hidden ones. A link is not followed: it may lead back.
  void look_below(const std::string& found, std::string_view behind, bool guessed) {
    const auto names = names_in(found, guessed);
    if (names.empty()) return;
    look(found, behind, true);
    for_each(names, found, [&](const std::string& name) {
      const std::string path = found + name;
      if (!name.starts_with('.') && !files_.is_link(path) && files_.is_directory(path)) {
        look_below(path + '/', behind, true);
      }
    });
  }

  std::vector<std::string> names_in(const std::string& found, bool guessed) {
    try {
      return files_.list(found.empty() ? "." : found);
    } catch (const std::system_error& error) {
      if (error.code() == std::errc::no_such_file_or_directory) return {};
      if (!guessed) throw;
      unseen_(found, error);
      return {};
    }
  }

  /// One name that can't be looked at keeps nobody from the others.
  void for_each(const std::vector<std::string>& names, const std::string& found, const auto& look_at) {
    for (const auto& name : names) {
      try {
        look_at(name);
      } catch (const std::system_error& error) {
        unseen_(found + name, error);
      }
    }
  }

  void go_on(const std::string& found, std::string_view name, std::string_view rest, bool guessed) {
    const std::string path = found + std::string(name);
    const auto slash = rest.find('/');
    if (slash == rest.npos) {
      if (files_.exists(path) && !files_.is_directory(path)) paths.push_back(path);
    } else if (name.empty() || files_.is_directory(path)) {
      look(path + '/', rest.substr(slash + 1), guessed);
    }
  }

  runtime::Files& files_;
  const Unseen& unseen_;
};

}  // namespace

bool is_pattern(std::string_view path) { return path.find_first_of("*?[") != path.npos; }

bool matches(std::string_view pattern, std::string_view name) {
  if (name.starts_with('.') && !pattern.starts_with('.')) return false;
  std::size_t at = 0, byte = 0;
  std::size_t after_star = pattern.npos, taken_to = 0;  // Where to go on with one byte more for the last star.
  while (byte < name.size()) {
    std::size_t next = at;
    if (at < pattern.size() && pattern[at] == '*') {
      after_star = ++at;
      taken_to = byte;
    } else if (at < pattern.size() && matches_byte(pattern, next, name[byte])) {
      at = next;
      ++byte;
    } else if (after_star != pattern.npos) {
      at = after_star;
      byte = ++taken_to;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

bool matches_path(std::string_view pattern, std::string_view path) {
  while (true) {
    if (pattern == path) return true;
    if (const auto behind = behind_any_directories(pattern)) {
      // Any directories taken off the path, hidden ones excepted.
      while (!matches_path(*behind, path)) {
        const auto slash = path.find('/');
        if (slash == path.npos || !matches("*", path.substr(0, slash))) return false;
        path.remove_prefix(slash + 1);
      }
      return true;
    }
    const auto pattern_end = pattern.find('/'), path_end = path.find('/');
    if ((pattern_end == pattern.npos) != (path_end == path.npos)) return false;
    if (!matches(pattern.substr(0, pattern_end), path.substr(0, path_end))) return false;
    if (pattern_end == pattern.npos) return true;
    pattern.remove_prefix(pattern_end + 1);
    path.remove_prefix(path_end + 1);
  }
}

std::vector<std::string> glob(runtime::Files& files, const std::string& pattern, const Unseen& unseen) {
  if (!is_pattern(pattern) || files.exists(pattern)) return {pattern};
  Search search(files, unseen);
  search.look({}, pattern, false);
  std::sort(search.paths.begin(), search.paths.end());
  search.paths.erase(std::unique(search.paths.begin(), search.paths.end()), search.paths.end());
  return std::move(search.paths);
}

}  // namespace weir::io
