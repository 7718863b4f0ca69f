// How far files have been read, kept on disk so that a weir that is started again goes on there.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/runtime/core.hpp"
#include "engine/runtime/files.hpp"

namespace weir::stage {

using runtime::Task;

/// Some bytes of a file. By its first ones a file is told from another that gets its number.
struct Fingerprint {
  static constexpr std::size_t most_bytes = 1024;
  std::uint64_t bytes = 0;  ///< So many of them; a file may grow longer than it was when they were read.
  std::uint64_t hash = 0;   ///< FNV-1a.
  bool operator==(const Fingerprint&) const = default;
};
Fingerprint fingerprint_of(std::string_view bytes);

/// How far one file has been read.
struct Position {
  std::string path;  ///< Where it was last seen.
  std::uint64_t device = 0, inode = 0;
  Fingerprint beginning;
  std::uint64_t offset = 0;  ///< Bytes that are done with: whole lines.
  std::int64_t line = 0;     ///< Lines in them.
  Fingerprint ending;        ///< Of the last of those bytes, where a copy is to be known by them.
};

/// The file of positions of one stage, a JSON object a line. Written whole each time, beside it first and then
/// renamed: whenever weir or the machine dies, the old one or the new one is there.
class Positions {
 public:
  Positions(std::string path, runtime::Core& core) : path_(std::move(path)), core_(core) {}
  const std::string& path() const { return path_; }

  /// Keeps others from going on from the same place as long as this lives, by a file beside it. Throws
  /// std::system_error where another weir does already; where nothing can be written it does nothing.
  void claim();
  /// Nothing where there is no such file yet. Throws std::system_error where it can't be read, and Fault where it is
  /// not what write() makes.
  Task<std::optional<std::vector<Position>>> read();
  /// Durable when it returns. Makes the folder. Throws std::system_error.
  Task<> write(const std::vector<Position>& positions);

 private:
  const std::string path_;
  runtime::Core& core_;
  std::unique_ptr<runtime::Writer> claim_;  // A file beside it that only one may hold.
};

}  // namespace weir::stage
