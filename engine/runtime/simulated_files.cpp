#include "engine/runtime/simulated_files.hpp"

#include <algorithm>
#include <asio/this_coro.hpp>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <utility>

#include "engine/runtime/wait.hpp"

namespace weir::runtime {

struct SimulatedFiles::File {
  std::string bytes;
  std::uint64_t synced = 0;
  std::vector<std::size_t> writes;
  bool readable = true;
  bool regular = true;
  std::uint64_t inode = 0;
  std::int64_t overwritten = 0;  // So often.

  FileStatus status() const { return {1, inode, bytes.size(), WallTime(std::chrono::seconds(overwritten))}; }
};

struct SimulatedFiles::Disk {
  std::map<std::string, std::shared_ptr<File>> files;
  std::set<std::string> directories, unlistable, links;
  std::shared_ptr<File> input = std::make_shared<File>();
  std::shared_ptr<File> output = std::make_shared<File>();
  std::uint64_t capacity_bytes = std::numeric_limits<std::uint64_t>::max();
  std::size_t files_most = std::numeric_limits<std::size_t>::max();
  std::uint64_t output_bytes_max = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t read_bytes_max = 0;
  std::errc opens_fail{};
  long open_most = std::numeric_limits<long>::max();
  std::shared_ptr<char> descriptors = std::make_shared<char>();  // Whoever is open has a part in it.
  bool sync_fails = false;
  std::uint64_t inodes = 0;  // That have been given out.
  std::optional<std::size_t> output_columns;

  std::shared_ptr<File> make() {
    auto file = std::make_shared<File>();
    file->inode = ++inodes;
    return file;
  }
  void look_for_descriptor(const std::string& path) const;
  std::uint64_t used() const {
    std::uint64_t sum = output->regular ? output->bytes.size() : 0;
    for (const auto& [path, file] : files) sum += file->bytes.size();
    return sum;
  }
};

namespace {

/// Without the last name on the path; empty: the working directory, or the root.
std::string directory_of(const std::string& path) {
  const auto end = path.find_last_not_of('/');
  const auto slash = end == path.npos ? path.npos : path.rfind('/', end);
  const auto last = slash == path.npos ? path.npos : path.find_last_not_of('/', slash);
  return last == path.npos ? std::string() : path.substr(0, last + 1);
}

[[noreturn]] void fail(std::errc error, const std::string& what) {
  throw std::system_error(std::make_error_code(error), what);
}

}  // namespace

void SimulatedFiles::Disk::look_for_descriptor(const std::string& path) const {
  if (descriptors.use_count() > open_most) fail(std::errc::too_many_files_open, path);
}

class SimulatedFiles::FileReader final : public Reader {
 public:
  FileReader(std::shared_ptr<Disk> disk, std::shared_ptr<File> file) : disk_(std::move(disk)), file_(std::move(file)) {}

  Task<std::size_t> read(std::span<char> into) override {
    throw_if_stopped(co_await asio::this_coro::cancellation_state);
    std::size_t count = std::min(into.size(), file_->bytes.size() - std::min(at_, file_->bytes.size()));
    if (disk_->read_bytes_max > 0) count = std::min<std::size_t>(count, disk_->read_bytes_max);
    std::copy_n(file_->bytes.data() + std::min(at_, file_->bytes.size()), count, into.data());
    at_ += count;
    co_return count;
  }
  std::optional<std::uint64_t> size() const override {
    if (!file_->regular) return std::nullopt;
    return file_->bytes.size();
  }
  std::optional<FileStatus> status() const override {
    if (!file_->regular) return std::nullopt;
    return file_->status();
  }
  void seek(std::uint64_t offset) override { at_ = offset; }

 private:
  std::shared_ptr<Disk> disk_;
  std::shared_ptr<char> descriptor_ = disk_->descriptors;
  std::shared_ptr<File> file_;
  std::size_t at_ = 0;
};

class SimulatedFiles::FileWriter final : public Writer {
 public:
  FileWriter(std::shared_ptr<Disk> disk, std::shared_ptr<File> file, std::string path)
      : disk_(std::move(disk)), file_(std::move(file)), path_(std::move(path)) {}

  Task<> write(std::span<const char> bytes) override {
    throw_if_stopped(co_await asio::this_coro::cancellation_state);
    written_ = 0;
    file_->writes.push_back(bytes.size());
    std::uint64_t room = 0;
    if (file_->regular) {
      const std::uint64_t used = disk_->used();
      room = disk_->capacity_bytes > used ? disk_->capacity_bytes - used : 0;
    } else {
      room = disk_->output_bytes_max - std::min<std::uint64_t>(disk_->output_bytes_max, file_->bytes.size());
    }
    written_ = static_cast<std::size_t>(std::min<std::uint64_t>(room, bytes.size()));
    file_->bytes.append(bytes.data(), written_);
    if (written_ < bytes.size()) fail(file_->regular ? std::errc::no_space_on_device : std::errc::broken_pipe, path_);
  }
  std::size_t written() const override { return written_; }
  Task<> sync() override {
    throw_if_stopped(co_await asio::this_coro::cancellation_state);
    if (disk_->sync_fails) fail(std::errc::io_error, path_);
    file_->synced = file_->bytes.size();
  }
  void truncate(std::uint64_t size) override {
    if (!file_->regular) fail(std::errc::invalid_argument, path_);
    file_->bytes.resize(size);
    file_->synced = std::min(file_->synced, size);
  }
  std::uint64_t size() const override { return file_->regular ? file_->bytes.size() : 0; }
  bool removed() const override {
    if (!file_->regular || file_ == disk_->output) return false;
    return std::none_of(disk_->files.begin(), disk_->files.end(),
                        [&](const auto& named) { return named.second == file_; });
  }
  std::optional<std::size_t> columns() const override {
    return file_ == disk_->output ? disk_->output_columns : std::nullopt;
  }

 private:
  std::shared_ptr<Disk> disk_;
  std::shared_ptr<char> descriptor_ = disk_->descriptors;
  std::shared_ptr<File> file_;
  std::string path_;
  std::size_t written_ = 0;
};

SimulatedFiles::SimulatedFiles() : disk_(std::make_shared<Disk>()) {
  disk_->input->regular = false;
  disk_->output->regular = false;
}
SimulatedFiles::~SimulatedFiles() = default;

std::unique_ptr<Reader> SimulatedFiles::open(const std::string& path) {
  if (disk_->opens_fail != std::errc()) fail(disk_->opens_fail, path);
  if (is_directory(path)) fail(std::errc::is_a_directory, path);
  const auto found = disk_->files.find(path);
  if (found == disk_->files.end()) fail(std::errc::no_such_file_or_directory, path);
  if (!found->second->readable) fail(std::errc::permission_denied, path);
  disk_->look_for_descriptor(path);
  return std::make_unique<FileReader>(disk_, found->second);
}

std::unique_ptr<Reader> SimulatedFiles::open_below(const std::string& directory, const std::string& path) {
  const std::string parts = "/" + path + "/";
  const bool leads_out =
      parts.find("//") != parts.npos || parts.find("/./") != parts.npos || parts.find("/../") != parts.npos;
  const std::string whole = directory.ends_with('/') ? directory + path : directory + "/" + path;
  if (leads_out || is_directory(whole)) fail(std::errc::no_such_file_or_directory, path);
  return open(whole);
}

std::unique_ptr<Reader> SimulatedFiles::standard_input() { return std::make_unique<FileReader>(disk_, disk_->input); }

std::unique_ptr<Writer> SimulatedFiles::create(const std::string& path, Mode mode) {
  if (is_directory(path)) fail(std::errc::is_a_directory, path);
  look_for_directory_of(path);
  disk_->look_for_descriptor(path);
  if (!disk_->files.contains(path) && disk_->files.size() >= disk_->files_most) {
    fail(std::errc::no_space_on_device, path);
  }
  auto& file = disk_->files[path];
  if (!file) file = disk_->make();
  if (!file->readable) fail(std::errc::permission_denied, path);
  if (mode == Mode::truncate) {  // (It does not know who else has opened it.)
    file->bytes.clear();
    file->synced = 0;
  }
  return std::make_unique<FileWriter>(disk_, file, path);
}

std::unique_ptr<Writer> SimulatedFiles::standard_output() {
  return std::make_unique<FileWriter>(disk_, disk_->output, "standard output");
}

void SimulatedFiles::rename(const std::string& from, const std::string& to) {
  const auto found = disk_->files.find(from);
  if (found == disk_->files.end()) fail(std::errc::no_such_file_or_directory, from);
  if (is_directory(to)) fail(std::errc::is_a_directory, to);
  look_for_directory_of(to);
  if (from == to) return;
  const auto file = found->second;
  disk_->files.erase(found);
  disk_->files[to] = file;
}

void SimulatedFiles::remove(const std::string& path) {
  if (disk_->files.erase(path) == 0) fail(std::errc::no_such_file_or_directory, path);
}

void SimulatedFiles::make_directories(const std::string& path) {
  for (std::string directory = path; !directory.empty(); directory = directory_of(directory)) {
    if (disk_->files.contains(directory)) fail(std::errc::not_a_directory, directory);
  }
  make_directory(path);
}

void SimulatedFiles::look_for_directory_of(const std::string& path) const {
  const std::string directory = directory_of(path);
  for (std::string on_the_way = directory; !on_the_way.empty(); on_the_way = directory_of(on_the_way)) {
    if (disk_->files.contains(on_the_way)) fail(std::errc::not_a_directory, path);
  }
  if (!directory.empty() && !disk_->directories.contains(directory)) {
    fail(std::errc::no_such_file_or_directory, path);
  }
}

bool SimulatedFiles::exists(const std::string& path) { return disk_->files.contains(path) || is_directory(path); }

bool SimulatedFiles::is_directory(const std::string& path) {
  std::string prefix = path;
  while (prefix.size() > 1 && prefix.back() == '/') prefix.pop_back();
  return prefix == "/" || disk_->directories.contains(prefix);
}

bool SimulatedFiles::is_link(const std::string& path) { return disk_->links.contains(path); }

std::optional<FileStatus> SimulatedFiles::status(const std::string& path) {
  const auto found = disk_->files.find(path);
  if (found == disk_->files.end()) return std::nullopt;
  return found->second->status();
}

std::vector<std::string> SimulatedFiles::list(const std::string& directory) {
  std::vector<std::string> names;
  disk_->look_for_descriptor(directory);
  if (directory != "." && !is_directory(directory)) fail(std::errc::no_such_file_or_directory, directory);
  const std::string wanted =
      directory == "." ? std::string() : directory.substr(0, directory.find_last_not_of('/') + 1);
  if (disk_->unlistable.contains(wanted)) fail(std::errc::permission_denied, directory);
  const auto add = [&](const std::string& path) {
    if (path.starts_with('/') != directory.starts_with('/')) return;  // Of the two, none has a directory in its path.
    if (path != "/" && directory_of(path) == wanted) names.push_back(path.substr(path.rfind('/') + 1));
  };
  for (const auto& [path, file] : disk_->files) add(path);
  for (const auto& path : disk_->directories) add(path);
  return names;
}

void SimulatedFiles::call_link(const std::string& path) { disk_->links.insert(path); }

void SimulatedFiles::make_unlistable(const std::string& path, bool unlistable) {
  unlistable ? void(disk_->unlistable.insert(path)) : void(disk_->unlistable.erase(path));
}

void SimulatedFiles::put(const std::string& path, std::string bytes) {
  const auto file = disk_->make();
  file->bytes = std::move(bytes);
  file->synced = file->bytes.size();
  disk_->files[path] = file;
  make_directory(directory_of(path));
}
void SimulatedFiles::make_directory(const std::string& path) {
  for (std::string directory = path.substr(0, path.find_last_not_of('/') + 1); !directory.empty();
       directory = directory_of(directory)) {
    disk_->directories.insert(directory);
  }
}
void SimulatedFiles::fail_opens(std::errc error) { disk_->opens_fail = error; }

void SimulatedFiles::make_unreadable(const std::string& path) {
  make_directory(directory_of(path));
  auto& file = disk_->files[path];
  if (!file) file = disk_->make();
  file->readable = false;
}
void SimulatedFiles::add(const std::string& path, std::string_view bytes) { disk_->files.at(path)->bytes += bytes; }
void SimulatedFiles::overwrite(const std::string& path, std::string bytes) {
  File& file = *disk_->files.at(path);
  file.bytes = std::move(bytes);
  ++file.overwritten;
}
void SimulatedFiles::give_standard_input(std::string bytes) { disk_->input->bytes = std::move(bytes); }
void SimulatedFiles::set_files_most(std::size_t many) { disk_->files_most = many; }
void SimulatedFiles::set_open_most(std::size_t many) { disk_->open_most = static_cast<long>(many); }
void SimulatedFiles::set_capacity(std::uint64_t bytes) { disk_->capacity_bytes = bytes; }
void SimulatedFiles::redirect_standard_output() { disk_->output->regular = true; }
void SimulatedFiles::show_standard_output(std::size_t columns) { disk_->output_columns = columns; }
void SimulatedFiles::break_standard_output(std::uint64_t after_bytes) { disk_->output_bytes_max = after_bytes; }
void SimulatedFiles::fail_sync(bool fails) { disk_->sync_fails = fails; }
void SimulatedFiles::shorten_reads(std::uint64_t at_most_bytes) { disk_->read_bytes_max = at_most_bytes; }

std::string SimulatedFiles::text(const std::string& path) const { return disk_->files.at(path)->bytes; }
std::vector<std::string> SimulatedFiles::paths() const {
  std::vector<std::string> paths;
  for (const auto& [path, file] : disk_->files) paths.push_back(path);
  return paths;
}
const std::string& SimulatedFiles::printed() const { return disk_->output->bytes; }
const std::vector<std::size_t>& SimulatedFiles::writes(const std::string& path) const {
  return disk_->files.at(path)->writes;
}
std::uint64_t SimulatedFiles::synced(const std::string& path) const { return disk_->files.at(path)->synced; }

}  // namespace weir::runtime
