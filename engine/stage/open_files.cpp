#include "engine/stage/open_files.hpp"

#include <algorithm>
#include <array>

namespace weir::stage {
namespace {

/// Descriptors that are left to others: the listing of a folder, the positions, who writes.
constexpr std::size_t spare_descriptors = 8;
/// So long after descriptors were short it is tried whether there are more again.
constexpr Duration short_for = std::chrono::minutes(1);

std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

}  // namespace

bool lacks_descriptors(const std::system_error& error) {
  return error.code() == std::errc::too_many_files_open || error.code() == std::errc::too_many_files_open_in_system;
}

std::unique_ptr<runtime::Reader> OpenFiles::open(const std::string& path) {
  while (true) {
    if (readers_ >= readers_most_ && source_.core.now() - short_at_ >= short_for) {
      readers_most_ += std::max<std::size_t>(1, readers_most_ / 4);
      short_at_ = source_.core.now();
    }
    while (readers_ >= readers_most_ && close_another()) {
    }
    try {
      // Those that can't be closed now will be: they have lost their names, and are read to their ends soon.
      if (readers_ >= readers_most_) throw std::system_error(std::make_error_code(not_now));
      auto reader = source_.core.files().open(path);
      if (readers_ >= readers_ever_) {
        readers_ever_ = readers_ + 1;
        if (readers_ever_ % (spare_descriptors / 2) == 0) look_for_spare_ones(path);
      }
      ++readers_;
      return reader;
    } catch (const std::system_error& error) {
      if (lacks_descriptors(error) && make_room()) continue;
      lacks_ = lacks_ || lacks_descriptors(error) || error.code() == not_now;
      throw;
    }
  }
}

/// Whoever else opens something now and then finds some.
void OpenFiles::look_for_spare_ones(const std::string& path) {
  std::array<std::unique_ptr<runtime::Reader>, spare_descriptors> spare;
  for (auto& reader : spare) reader = source_.core.files().open(path);
}

bool OpenFiles::make_room() {
  if (readers_ == 0) return false;
  readers_most_ = std::max<std::size_t>(2, readers_ * 3 / 4);
  readers_ever_ = std::min(readers_ever_, readers_most_);  // Whoever tries more again looks for spare ones again.
  short_at_ = source_.core.now();
  bool closed = false;
  while (readers_ >= readers_most_ && close_another()) closed = true;
  return closed;
}

void OpenFiles::close(Followed& file) noexcept {
  if (!file.reader) return;
  file.reader.reset();
  --readers_;
}

/// One that can be found again: by its name, or in its folder and with nothing to be read. They take turns.
bool OpenFiles::close_another() {
  for (std::size_t looked = 0; looked < files_.size(); ++looked) {
    next_to_close_ = (next_to_close_ + 1) % files_.size();
    Followed& file = *files_[next_to_close_];
    if (!file.reader || &file == at_work_) continue;
    if (!has_its_name(file)) {
      const auto status = file.reader->status();
      if (!status || status->size != file.read_to() || look_in_folder(file) != There::yes) continue;
    }
    close(file);
    if (!std::exchange(told_closed_, true)) {
      source_.log(observe::Level::info, "more files are followed than may be open at once; they take turns",
                  {{"open_at_once", readers_most_}});
    }
    return true;
  }
  return false;
}

bool OpenFiles::has_its_name(const Followed& file) const {
  try {
    const auto status = source_.core.files().status(file.path);
    return status && file.is(*status);
  } catch (const std::system_error&) {
    return false;
  }
}

const OpenFiles::Folder& OpenFiles::folder_of(const std::string& path) {
  const std::string directory = directory_of(path);
  if (const auto found = folders_.find(directory); found != folders_.end()) return found->second;
  auto& files = source_.core.files();
  Folder folder;
  for (const auto& name : files.list(directory.empty() ? "." : directory)) {
    const auto status = files.status(directory + name);
    if (status) folder[{status->device, status->inode}] = {directory + name, status->size};
  }
  return folders_[directory] = std::move(folder);
}

OpenFiles::There OpenFiles::look_in_folder(Followed& file) {
  try {
    const Folder& folder = folder_of(file.path);
    const auto found = folder.find({file.file.device, file.file.inode});
    if (found == folder.end()) return There::no;
    renamed_(file, found->second.path);
    file.size_now = found->second.size;
    return There::yes;
  } catch (const std::system_error& error) {
    return lacks_descriptors(error) ? There::unknown : There::no;
  }
}

}  // namespace weir::stage
