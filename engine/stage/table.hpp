// Messages as the rows of a table, for people.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/stage/output.hpp"

namespace weir::stage {

/// A text as it may be printed, and how many columns of a terminal it takes. Control characters and broken UTF-8 are
/// shown by signs (␊, �), so no message can move the cursor; what is wider than `most` is cut and ends in `…`.
struct Cell {
  std::string text;
  std::size_t width = 0;
};
Cell cell(std::string_view text, std::size_t most);

/// The first batch with an object decides the columns: its fields as they come, each as wide as its widest cell. A
/// wider cell that comes later widens its column where there is room. What a row has beyond the columns is a `…` at its
/// end. Not thread-safe.
class Table {
 public:
  /// `columns`: of the terminal; none: it goes elsewhere, and lines may be as long as they are.
  explicit Table(std::optional<std::size_t> columns);

  /// Before the lines of a batch are asked for.
  void look_at(Batch& batch);
  /// Appends the row's line, without its end. Before the first object comes the header, a line of its own. What is no
  /// object is one cell, its text.
  void line(Batch& batch, std::size_t row, std::string& out);

 private:
  struct Column {
    Column(std::string of, std::size_t wide) : key(std::move(of)), width(wide) {}
    std::string key;
    std::size_t width;
    bool numbers = true;  // All that is known of it: then it stands right.
  };
  void fit();
  std::size_t width() const;
  void put(Column& column, Cell cell, bool numbers, std::string& out);
  void put_header(std::string& out);

  const std::optional<std::size_t> columns_;
  std::vector<Column> table_;
  bool decided_ = false, headed_ = false, left_off_ = false;
  std::size_t blanks_ = 0;  // Owed to the line: only written if more follows.
};

}  // namespace weir::stage
