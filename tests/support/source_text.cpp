#include "tests/support/source_text.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace weir::tests {
namespace {

bool starts_identifier(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool continues_identifier(char c) { return starts_identifier(c) || is_digit(c); }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  SourceText read() {
    while (at_ < text_.size()) step();
    return std::move(result_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void advance(std::size_t count = 1) {
    for (; count > 0 && at_ < text_.size(); --count, ++at_) {
      if (text_[at_] == '\n') ++line_;
    }
  }

  void advance_past(std::string_view end) {
    const auto found = text_.find(end, at_);
    advance(found == std::string_view::npos ? text_.size() - at_ : found + end.size() - at_);
  }

  void emit(std::string text, int line) { result_.tokens.emplace_back(std::move(text), line); }

  void step() {
    const char c = peek();
    if (c == '\n') {
      line_start_ = true;
      advance();
    } else if (is_blank(c)) {
      advance();
    } else if (c == '/' && peek(1) == '/') {
      while (at_ < text_.size() && peek() != '\n') advance(peek() == '\\' ? 2 : 1);
    } else if (c == '/' && peek(1) == '*') {
      advance(2);
      advance_past("*/");
    } else if (c == '#' && line_start_) {
      directive();
    } else {
      line_start_ = false;
      code(c);
    }
  }

  void directive() {
    line_start_ = false;
    auto name = at_ + 1;
    while (name < text_.size() && is_blank(text_[name])) ++name;
    const int line = line_;
    if (text_.substr(name, 7) != "include") {
      emit("#", line);
      advance();
      return;
    }
    advance(name + 7 - at_);
    while (is_blank(peek())) advance();
    const char close = peek() == '<' ? '>' : '"';
    advance();
    const auto begin = at_;
    while (at_ < text_.size() && peek() != close && peek() != '\n') advance();
    result_.includes.emplace_back(std::string(text_.substr(begin, at_ - begin)), close == '>', line);
    if (peek() == close) advance();
  }

  void code(char c) {
    const int line = line_;
    const auto begin = at_;
    if (starts_identifier(c)) {
      while (continues_identifier(peek())) advance();
      const auto word = text_.substr(begin, at_ - begin);
      if (peek() == '"' && word.back() == 'R' && word.size() <= 3) {
        raw_string();
        emit("\"\"", line);
      } else {
        emit(std::string(word), line);
      }
    } else if (is_digit(c)) {
      // A digit separator is the one quote that opens nothing.
      while (continues_identifier(peek()) || peek() == '.' || (peek() == '\'' && continues_identifier(peek(1)))) {
        advance();
      }
      emit(std::string(text_.substr(begin, at_ - begin)), line);
    } else if (c == '"' || c == '\'') {
      advance();
      while (at_ < text_.size() && peek() != c && peek() != '\n') advance(peek() == '\\' ? 2 : 1);
      advance();
      emit("\"\"", line);
    } else if ((c == ':' && peek(1) == ':') || (c == '-' && peek(1) == '>')) {
      advance(2);
      emit(std::string(text_.substr(begin, 2)), line);
    } else {
      advance();
      emit(std::string(1, c), line);
    }
  }

  void raw_string() {
    advance();
    const auto begin = at_;
    while (at_ < text_.size() && peek() != '(') advance();
    advance_past(")" + std::string(text_.substr(begin, at_ - begin)) + "\"");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_start_ = true;
  SourceText result_;
};

}  // namespace

SourceText read_source(std::string_view text) { return Reader(text).read(); }

bool is_identifier(const Token& token) { return !token.text.empty() && starts_identifier(token.text.front()); }

std::vector<SourceFile> repository_sources(const std::vector<std::string>& folders) {
  namespace fs = std::filesystem;
  const fs::path root = WEIR_SOURCE_DIR;
  std::vector<SourceFile> files;
  for (const auto& folder : folders) {
    if (!fs::is_directory(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const auto extension = entry.path().extension();
      if (!entry.is_regular_file() || (extension != ".cpp" && extension != ".hpp")) continue;
      std::ifstream stream(entry.path(), std::ios::binary);
      std::string text(std::istreambuf_iterator<char>(stream), {});
      files.emplace_back(entry.path().lexically_relative(root).generic_string(), std::move(text));
    }
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return files;
}

}  // namespace weir::tests
