// Which of the files that are followed are open, and what else stands in their folders.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/stage/followed.hpp"

namespace weir::stage {

bool lacks_descriptors(const std::system_error& error);
/// As many are open as may be; the next look tries again.
inline constexpr auto not_now = std::errc::resource_unavailable_try_again;

/// Of more files than may be open at once some are closed. One of them is opened again when it has grown; it is known
/// by its number. Its source's core only.
class OpenFiles {
 public:
  using All = std::vector<std::shared_ptr<Followed>>;
  /// All of them outlive it. `renamed`: told of a file that has another name in its folder now.
  OpenFiles(Source& source, const All& files, std::function<void(Followed& file, const std::string& path)> renamed)
      : source_(source), files_(files), renamed_(std::move(renamed)) {}

  /// Throws what keeps it from being opened; `not_now` as well.
  std::unique_ptr<runtime::Reader> open(const std::string& path);
  void close(Followed& file) noexcept;
  /// Of the descriptors there are none left: for a while fewer are used. False where that frees none now.
  bool make_room();
  /// Of which is being read, so it stays open; null: of none.
  void keep(const Followed* file) noexcept { at_work_ = file; }

  /// A file could not be opened for want of a descriptor.
  bool lacks() const noexcept { return lacks_; }
  void forget_lack() noexcept { lacks_ = false; }
  /// Folders are looked into again, and what could not be opened is tried again.
  void look_again() {
    folders_.clear();
    lacks_ = false;
  }

  /// What stands in a folder, by device and number.
  struct Named {
    std::string path;
    std::uint64_t size = 0;
  };
  using Folder = std::map<std::pair<std::uint64_t, std::uint64_t>, Named>;
  /// Looked into once a look: many may be looked for in it.
  const Folder& folder_of(const std::string& path);

  enum class There { yes, no, unknown };
  /// A file that has lost its name may have another in its folder. It has it then, and its size.
  There look_in_folder(Followed& file);

 private:
  void look_for_spare_ones(const std::string& path);
  bool close_another();
  bool has_its_name(const Followed& file) const;

  Source& source_;
  const All& files_;
  const std::function<void(Followed&, const std::string&)> renamed_;
  std::size_t readers_ = 0, readers_most_ = ~std::size_t{0};  // Files that are open, and may be.
  std::size_t readers_ever_ = 0;                              // The most that were since descriptors were short.
  Time short_at_{};                                           // When they were, or it was tried whether they still are.
  std::size_t next_to_close_ = 0;                             // Of files_.
  const Followed* at_work_ = nullptr;
  bool lacks_ = false, told_closed_ = false;
  std::map<std::string, Folder> folders_;  // That have been looked into since the last look.
};

}  // namespace weir::stage
