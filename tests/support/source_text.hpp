// The repository's C++ files as the checks of its form see them: words and includes, without comments and strings.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace weir::tests {

struct SourceFile {
  std::string path;  ///< Relative to the repository, with forward slashes.
  std::string text;
};

struct Token {
  std::string text;  ///< An identifier, a number, `::`, `->`, one other character, or `""` for any string or character.
  int line = 0;
};

struct Include {
  std::string path;
  bool angled = false;
  int line = 0;
};

struct SourceText {
  std::vector<Token> tokens;  ///< Without `#include` lines; other directives are read as code.
  std::vector<Include> includes;
};

SourceText read_source(std::string_view text);

/// Every .cpp and .hpp below the given folders of the repository, in the order of their paths.
std::vector<SourceFile> repository_sources(const std::vector<std::string>& folders);

bool is_identifier(const Token& token);

}  // namespace weir::tests
