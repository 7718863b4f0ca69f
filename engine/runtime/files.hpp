// Files and streams of bytes, real or simulated.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "engine/runtime/core.hpp"

namespace weir::runtime {

/// Which regular file it is, by whatever name, and how long it is now.
struct FileStatus {
  std::uint64_t device = 0, inode = 0;
  std::uint64_t size = 0;  ///< Bytes.
  WallTime modified{};
};

/// An open file, pipe or terminal, read from its beginning. Closed by its destructor. One coroutine at a time.
class Reader {
 public:
  virtual ~Reader() = default;
  /// Reads some bytes, at least one; 0 = the end. Regular files do not suspend. Throws std::system_error.
  virtual Task<std::size_t> read(std::span<char> into) = 0;
  /// Bytes in all, where that is known (a regular file).
  virtual std::optional<std::uint64_t> size() const = 0;
  virtual std::optional<FileStatus> status() const = 0;  ///< Of a regular file, whatever it is called by now.
  virtual void seek(std::uint64_t offset) = 0;           ///< What is read next. Regular files only.
};

/// An open file, pipe or terminal to write to. Closed by its destructor. One coroutine at a time.
class Writer {
 public:
  virtual ~Writer() = default;
  /// Writes all of it. Throws std::system_error (no_space_on_device, broken_pipe …); written() then says how many
  /// bytes of this call went out before. Never raises SIGPIPE. A slow pipe suspends the caller, not the core.
  virtual Task<> write(std::span<const char> bytes) = 0;
  virtual std::size_t written() const = 0;
  /// Durable when it returns (fdatasync on the blocking pool). After a failure never call it again on this file.
  virtual Task<> sync() = 0;
  /// Cuts what a failed write left behind: the file ends `size` bytes after its beginning. Regular files only.
  virtual void truncate(std::uint64_t size) = 0;
  virtual std::uint64_t size() const = 0;  ///< Bytes in the file now; 0 for what is no regular file.
  /// Whether nobody will find what is written: a regular file that has lost its last name. (Renamed, it has another.)
  virtual bool removed() const = 0;
  virtual std::optional<std::size_t> columns() const { return std::nullopt; }  ///< Of a terminal, where that is known.
};

/// The file system. All of them throw std::system_error with the path's own error.
class Files {
 public:
  virtual ~Files() = default;
  virtual std::unique_ptr<Reader> open(const std::string& path) = 0;
  /// The regular file of this path, `a/b`, below a directory. No symbolic link below it is followed, no part of the
  /// path is `.` or `..`: whatever would lead out of the directory, and whatever is no file, is
  /// no_such_file_or_directory.
  virtual std::unique_ptr<Reader> open_below(const std::string& directory, const std::string& path) = 0;
  virtual std::unique_ptr<Reader> standard_input() = 0;
  /// truncate, alone: nobody else may have opened it so, or it is device_or_resource_busy; its name is no link, or it
  /// is too_many_symbolic_link_levels. alone and append leave what it holds.
  enum class Mode { truncate, append, alone };
  virtual std::unique_ptr<Writer> create(const std::string& path, Mode mode) = 0;
  virtual std::unique_ptr<Writer> standard_output() = 0;
  virtual void rename(const std::string& from, const std::string& to) = 0;  ///< Replaces `to`; syncs the directory.
  virtual void remove(const std::string& path) = 0;
  /// Makes the directory and those on the way to it, as far as they are missing (mode 0777 less the umask). Durable.
  virtual void make_directories(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  virtual bool is_directory(const std::string& path) = 0;  ///< Also of a symbolic link to one.
  virtual bool is_link(const std::string& path) = 0;       ///< Whether the name itself is a symbolic link.
  virtual std::optional<FileStatus> status(const std::string& path) = 0;  ///< Nothing where no regular file is.
  /// The names in it, in no order, without `.` and `..`.
  virtual std::vector<std::string> list(const std::string& directory) = 0;
};

}  // namespace weir::runtime
