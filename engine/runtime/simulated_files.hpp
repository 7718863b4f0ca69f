// A file system in memory, with the faults a test asks for.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/runtime/files.hpp"

namespace weir::runtime {

/// Paths are compared as text. What a test puts somewhere has its directories made. Not thread-safe.
/// A file that is renamed or removed while open lives on for those who have it open, as on a real system.
class SimulatedFiles final : public Files {
 public:
  SimulatedFiles();
  ~SimulatedFiles() override;

  std::unique_ptr<Reader> open(const std::string& path) override;
  std::unique_ptr<Reader> open_below(const std::string& directory, const std::string& path) override;
  std::unique_ptr<Reader> standard_input() override;
  std::unique_ptr<Writer> create(const std::string& path, Mode mode) override;
  std::unique_ptr<Writer> standard_output() override;
  void rename(const std::string& from, const std::string& to) override;
  void remove(const std::string& path) override;
  void make_directories(const std::string& path) override;
  bool exists(const std::string& path) override;
  bool is_directory(const std::string& path) override;
  bool is_link(const std::string& path) override;
  std::optional<FileStatus> status(const std::string& path) override;
  std::vector<std::string> list(const std::string& directory) override;

  // What a test arranges.
  void put(const std::string& path, std::string bytes);
  void add(const std::string& path, std::string_view bytes);   ///< To the end of the file that is there.
  void overwrite(const std::string& path, std::string bytes);  ///< The same file, with other bytes, a second later.
  void make_directory(const std::string& path);
  void call_link(const std::string& path);  ///< What is there is told to be reached over a symbolic link.
  void make_unlistable(const std::string& path, bool unlistable = true);  ///< Listing it is permission_denied.
  void make_unreadable(const std::string& path);   ///< Opening it, to read or to write, is permission_denied.
  void fail_opens(std::errc error);                ///< Of any file, to read; std::errc() ends it.
  void set_open_most(std::size_t many);            ///< Of files, and to list a folder: too_many_files_open.
  void give_standard_input(std::string bytes);     ///< Then the end.
  void set_capacity(std::uint64_t bytes);          ///< Of all files together; what goes beyond is no_space_on_device.
  void set_files_most(std::size_t many);           ///< There may be; one more can't be made: no_space_on_device.
  void redirect_standard_output();                 ///< It goes to a file, one more of those.
  void show_standard_output(std::size_t columns);  ///< It is a terminal, so wide.
  void break_standard_output(std::uint64_t after_bytes);  ///< Its reader leaves: broken_pipe.
  void fail_sync(bool fails);                             ///< sync() throws io_error.
  void shorten_reads(std::uint64_t at_most_bytes);        ///< A read gives no more than this at once; 0 = no limit.

  // What a test looks at.
  std::string text(const std::string& path) const;  ///< Throws std::out_of_range where there is none.
  std::vector<std::string> paths() const;           ///< Sorted.
  const std::string& printed() const;               ///< All that went to the standard output.
  const std::vector<std::size_t>& writes(const std::string& path) const;  ///< What was to be written each time.
  std::uint64_t synced(const std::string& path) const;  ///< Bytes that would outlive a crash of the machine.

 private:
  void look_for_directory_of(const std::string& path) const;  // Throws where it is missing.

  struct Disk;
  struct File;
  class FileReader;
  class FileWriter;
  std::shared_ptr<Disk> disk_;  // Shared with open files.
};

}  // namespace weir::runtime
