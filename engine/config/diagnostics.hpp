// What is wrong in a file, and where: collected, never thrown, shown with the line and a caret.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/redaction.hpp"

namespace weir::config {

/// A text that was read, kept whole for as long as anybody may point into it.
struct Source {
  std::string name;  ///< As the user wrote it, such as "orders.yaml".
  std::string text;  ///< UTF-8, without a byte order mark.

  /// The line, from 1, without its end; empty past the last.
  std::string_view line(int number) const;
};

/// A stretch of one line of a source. Owns its source, so it may be kept for the whole run and copied to any thread.
struct Place {
  std::shared_ptr<const Source> source;  ///< Null for what no file holds, such as an override.
  int line = 0;                          ///< From 1; 0 when the whole file is meant.
  int column = 0;                        ///< From 1, in characters, not bytes.
  int length = 1;                        ///< In characters; at least 1.
  /// Where an alias or ${name} brought this text in; its line is 0 when nothing did.
  std::shared_ptr<const Source> used_source;
  int used_line = 0;
  int used_column = 0;

  /// "file:line:column"; only the file where no line is meant.
  std::string str() const;
};

enum class Severity { error, warning };

/// One thing that is wrong, at the place where the author must look.
struct Diagnostic {
  Severity severity = Severity::error;
  Place place;
  std::string path;  ///< Dotted, such as "stages.limiter.rate"; empty where no key is meant.
  std::string what;
  std::string hint;  ///< The cure, in a few words; may be empty.

  /// What stands below the mistake, line by line: where its text is used, if that is elsewhere, and the cure.
  std::string notes() const;
};

/// Everything that is wrong. Reading goes on after a mistake, so that all are told at once. Not thread-safe.
class Diagnostics {
 public:
  void error(Place place, std::string what, std::string hint = {}, std::string path = {});
  void warning(Place place, std::string what, std::string hint = {}, std::string path = {});
  void add(Diagnostic diagnostic);
  /// Those that name no path get what this says of their place.
  void name_paths(const std::function<std::string(const Place&)>& path_at);
  /// Takes back what was told since so many were.
  void forget_after(std::size_t count);
  /// What is told, before or after, does not show this text.
  void redact(std::string_view secret);

  bool has_errors() const { return errors_ > 0; }
  std::size_t error_count() const { return errors_; }
  bool empty() const { return all_.empty(); }
  const std::vector<Diagnostic>& all() const { return all_; }  ///< In the order of finding.

  /// For a terminal: sorted by place, each mistake once, at most 20, the rest as a count.
  std::string render(bool color = false) const;

  /// A JSON list of {file, line, column, length, severity, path, message, hint}: all of them, sorted.
  std::string json() const;

 private:
  void hide_secrets(Diagnostic& diagnostic) const;
  std::vector<Diagnostic> sorted() const;
  std::vector<Diagnostic> all_;
  std::size_t errors_ = 0;
  Redaction secrets_;
};

/// The candidate that was probably meant: at most two slips away (a swap counts once), or a third of a long name. Empty
/// if none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

/// The cure that goes with it: "did you mean 'x'?", or `otherwise` where none is near.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates, std::string otherwise = {});
/// "a, b, c".
std::string listed(const std::vector<std::string>& words, std::string_view separator = ", ");

/// Text as a JSON string, with its quotes.
std::string json_text(std::string_view text);

}  // namespace weir::config
