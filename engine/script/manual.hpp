// What code may call and look at, for people.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace weir::script {

struct ManualEntry {
  std::string_view name;  ///< As in code: `re.match`.
  std::string_view use;   ///< How it is written: `re.match(pattern, text)`.
  std::string_view text;  ///< One or two sentences.
};

/// All names and functions that code knows, where it stands on a message or generates, in the order to read them.
std::span<const ManualEntry> manual();
/// The same as text for a terminal.
std::string manual_text();
/// Those that are wanted, a line each, `indent` before it and their uses in one column.
std::string manual_lines(std::string_view indent, const std::function<bool(const ManualEntry&)>& wanted);
/// And as Markdown, headings from level two.
std::string manual_markdown();

}  // namespace weir::script
