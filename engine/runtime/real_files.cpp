#include "engine/runtime/real_files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <asio/this_coro.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <utility>

#include "engine/runtime/descriptor.hpp"
#include "engine/runtime/wait.hpp"

namespace weir::runtime {

namespace {

constexpr Duration fifo_retry_interval = std::chrono::milliseconds(50);

int open_retrying(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0666);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

/// A descriptor for the day when there is none left: what is written can still be finished then, one after the other.
/// Any thread.
class Reserve {
 public:
  static Reserve& of_all() {
    static Reserve reserve;
    return reserve;
  }
  void keep() {
    const std::lock_guard lock(mutex_);
    open();
  }
  /// Calls `use`, which may open one file and has closed it when it returns.
  template <class Use>
  void lend(Use use) {
    const std::lock_guard lock(mutex_);
    kept_ = UniqueFd();
    use();
    open();
  }

 private:
  void open() {
    if (kept_.get() < 0) kept_ = UniqueFd(open_retrying("/dev/null", O_RDONLY));
  }
  std::mutex mutex_;
  UniqueFd kept_;
};

/// 0, or an errno.
int sync_directory(const std::string& directory) {
  const UniqueFd fd(open_retrying(directory, O_RDONLY | O_DIRECTORY));
  if (fd.get() < 0) return errno;
  // Some file systems (FUSE, some network ones) can't sync a directory and say so.
  return ::fsync(fd.get()) != 0 && errno != EINVAL ? errno : 0;
}

void sync_directory_of(const std::string& path) {
  auto directory = std::filesystem::path(path).parent_path().string();
  if (directory.empty()) directory = ".";
  int error = sync_directory(directory);
  if (error == EMFILE || error == ENFILE) Reserve::of_all().lend([&] { error = sync_directory(directory); });
  if (error != 0) throw std::system_error(error, std::generic_category(), directory);
}

std::optional<FileStatus> status_of(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  const WallTime modified(std::chrono::seconds(status.st_mtim.tv_sec) +
                          std::chrono::nanoseconds(status.st_mtim.tv_nsec));
  return FileStatus{status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size), modified};
}

class FileReader final : public Reader {
 public:
  FileReader(asio::io_context& io, UniqueFd fd, Sharing sharing, const std::string& path)
      : descriptor_(io, std::move(fd), sharing, path), path_(path) {}

  Task<std::size_t> read(std::span<char> into) override { return descriptor_.read(into); }
  std::optional<std::uint64_t> size() const override {
    struct stat status {};
    if (!descriptor_.regular() || ::fstat(descriptor_.fd(), &status) != 0) return std::nullopt;
    return static_cast<std::uint64_t>(status.st_size);
  }
  std::optional<FileStatus> status() const override {
    struct stat status {};
    if (::fstat(descriptor_.fd(), &status) != 0) return std::nullopt;
    return status_of(status);
  }
  void seek(std::uint64_t offset) override {
    if (::lseek(descriptor_.fd(), static_cast<off_t>(offset), SEEK_SET) < 0) throw_errno(path_);
  }

 private:
  Descriptor descriptor_;
  std::string path_;
};

// `directory_too`: the file may be new, so its name must be made durable with its bytes.
void sync_file(int fd, const std::string& path, bool directory_too) {
  // EINVAL, EROFS: a pipe, a terminal, a device: nothing to make durable.
  if (::fdatasync(fd) != 0 && errno != EINVAL && errno != EROFS) throw_errno(path);
  if (directory_too) sync_directory_of(path);
}

bool same_file(int fd, const std::string& path) {
  struct stat ours {
  }, named{};
  return ::fstat(fd, &ours) == 0 && ::stat(path.c_str(), &named) == 0 && ours.st_dev == named.st_dev &&
         ours.st_ino == named.st_ino;
}

class FileWriter final : public Writer {
 public:
  FileWriter(asio::io_context& io, Core& core, UniqueFd fd, Sharing sharing, const std::string& path, bool named)
      : io_(io), core_(core), path_(path), named_(named) {
    descriptor_.emplace(io, std::move(fd), sharing, path);
  }
  // A FIFO, opened at the first write: that must wait for its reader, and nothing tells when one comes.
  FileWriter(asio::io_context& io, Core& core, const std::string& path)
      : io_(io), core_(core), path_(path), named_(false) {}

  Task<> write(std::span<const char> bytes) override {
    written_ = 0;
    while (!descriptor_) {
      UniqueFd fd(open_retrying(path_, O_WRONLY | O_NONBLOCK));
      if (fd.get() >= 0)
        descriptor_.emplace(io_, std::move(fd), Sharing::own, path_);
      else if (errno != ENXIO)
        throw_errno(path_);
      else
        co_await core_.sleep(fifo_retry_interval);
    }
    co_await descriptor_->write(bytes, written_);
  }
  std::size_t written() const override { return written_; }
  Task<> sync() override {
    throw_if_stopped(co_await asio::this_coro::cancellation_state);
    if (!descriptor_ || !descriptor_->regular()) co_return;
    auto work = [fd = descriptor_->fd(), path = path_, first = std::exchange(named_, false)] {
      sync_file(fd, path, first);
    };
    std::function<void()> named(std::move(work));
    co_await core_.blocking(std::move(named));
  }
  void truncate(std::uint64_t size) override {
    const int fd = descriptor_ ? descriptor_->fd() : -1;
    const auto end = static_cast<off_t>(size);
    if (::ftruncate(fd, end) != 0) throw_errno(path_);
    // Without O_APPEND (an inherited standard output) the next write would leave a hole.
    if ((::fcntl(fd, F_GETFL) & O_APPEND) == 0 && ::lseek(fd, end, SEEK_SET) < 0) throw_errno(path_);
  }
  std::uint64_t size() const override {
    struct stat status {};
    if (!descriptor_ || !descriptor_->regular() || ::fstat(descriptor_->fd(), &status) != 0) return 0;
    return static_cast<std::uint64_t>(status.st_size);
  }
  bool removed() const override {
    struct stat status {};
    if (!descriptor_ || !descriptor_->regular() || ::fstat(descriptor_->fd(), &status) != 0) return false;
    return status.st_nlink == 0 && !same_file(descriptor_->fd(), path_);  // Some file systems count no links.
  }
  std::optional<std::size_t> columns() const override {
    winsize window{};
    if (!descriptor_ || ::ioctl(descriptor_->fd(), TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return std::nullopt;
    return window.ws_col;
  }

 private:
  asio::io_context& io_;
  Core& core_;
  std::string path_;
  bool named_;  // Made by us under path_ and not yet synced with its directory.
  std::optional<Descriptor> descriptor_;
  std::size_t written_ = 0;
};

UniqueFd duplicate(int fd, const std::string& name) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (copy.get() < 0) throw_errno(name);
  return copy;
}

/// Ours alone while it is open: two that write one file, in one weir or in two, would each take the
/// other's lines for its own. Locked before it is emptied; what was renamed between opening and locking is another's
/// finished work.
UniqueFd create_alone(const std::string& path, bool emptied) {
  Reserve::of_all().keep();
  for (int tries = 1;; ++tries) {
    UniqueFd fd(open_retrying(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOFOLLOW));
    if (fd.get() < 0) throw_errno(path);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) throw_errno(path);
    if (!S_ISREG(status.st_mode)) return fd;
    // A file system without locks (some network ones) says so; then there are none.
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
      throw std::system_error(EBUSY, std::generic_category(), path);
    if (tries < 100 && !same_file(fd.get(), path)) continue;  // Some file systems number a file anew each time.
    if (emptied && ::ftruncate(fd.get(), 0) != 0) throw_errno(path);
    return fd;
  }
}

}  // namespace

std::unique_ptr<Reader> RealFiles::open(const std::string& path) {
  // Non-blocking, or a FIFO without a writer would hold the thread here.
  UniqueFd fd(open_retrying(path, O_RDONLY | O_NONBLOCK));
  if (fd.get() < 0) throw_errno(path);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_errno(path);
  if (S_ISDIR(status.st_mode)) throw std::system_error(std::make_error_code(std::errc::is_a_directory), path);
  return std::make_unique<FileReader>(io_, std::move(fd), Sharing::own, path);
}

std::unique_ptr<Reader> RealFiles::open_below(const std::string& directory, const std::string& path) {
  // One name after the other: what stands before the last is opened as a directory, and no step follows a link.
  UniqueFd at(open_retrying(directory, O_RDONLY | O_DIRECTORY));
  if (at.get() < 0) throw_errno(directory);
  const auto missing = [&]() { throw std::system_error(ENOENT, std::generic_category(), path); };
  for (std::size_t from = 0; from <= path.size();) {
    const auto end = std::min(path.find('/', from), path.size());
    const std::string name = path.substr(from, end - from);
    const bool last = end == path.size();
    if (name.empty() || name == "." || name == ".." || name.find('\0') != std::string::npos) missing();
    const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | (last ? 0 : O_DIRECTORY);
    UniqueFd next(::openat(at.get(), name.c_str(), flags));
    if (next.get() < 0) {
      if (errno == ELOOP || errno == ENOTDIR || errno == ENXIO || errno == ENAMETOOLONG) missing();
      throw_errno(path);
    }
    at = std::move(next);
    from = end + 1;
  }
  struct stat status {};
  if (::fstat(at.get(), &status) != 0) throw_errno(path);
  if (!S_ISREG(status.st_mode)) missing();
  return std::make_unique<FileReader>(io_, std::move(at), Sharing::own, path);
}

std::unique_ptr<Reader> RealFiles::standard_input() {
  const std::string name = "standard input";
  const int flags = ::fcntl(STDIN_FILENO, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY) {
    throw std::system_error(EBADF, std::generic_category(), name + " was closed when weir was started");
  }
  struct stat status {};
  if (::fstat(STDIN_FILENO, &status) == 0 && S_ISDIR(status.st_mode)) {
    throw std::system_error(std::make_error_code(std::errc::is_a_directory), name);
  }
  return std::make_unique<FileReader>(io_, duplicate(STDIN_FILENO, name), Sharing::shared, name);
}

std::unique_ptr<Writer> RealFiles::create(const std::string& path, Mode mode) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode)) {
    if (::access(path.c_str(), W_OK) != 0) throw_errno(path);
    return std::make_unique<FileWriter>(io_, core_, path);
  }
  // O_APPEND in all modes: after truncate() the next write goes to the new end.
  UniqueFd fd = mode == Mode::append ? UniqueFd(open_retrying(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK))
                                     : create_alone(path, mode == Mode::truncate);
  if (fd.get() < 0) throw_errno(path);
  return std::make_unique<FileWriter>(io_, core_, std::move(fd), Sharing::own, path, true);
}

std::unique_ptr<Writer> RealFiles::standard_output() {
  const std::string name = "standard output";
  const int flags = ::fcntl(STDOUT_FILENO, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
    throw std::system_error(EBADF, std::generic_category(), name + " was closed when weir was started");
  }
  return std::make_unique<FileWriter>(io_, core_, duplicate(STDOUT_FILENO, name), Sharing::shared, name, false);
}

void RealFiles::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_errno(from + " to " + to);
  sync_directory_of(to);
  if (std::filesystem::path(from).parent_path() != std::filesystem::path(to).parent_path()) sync_directory_of(from);
}

void RealFiles::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) throw_errno(path);
}

void RealFiles::make_directories(const std::string& path) {
  for (std::size_t end = 0; end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    const std::string directory = path.substr(0, end);
    if (::mkdir(directory.c_str(), 0777) == 0) {
      sync_directory_of(directory);
    } else if (errno != EEXIST) {
      throw_errno(directory);
    } else if (end == path.size() && !is_directory(directory)) {
      throw std::system_error(std::make_error_code(std::errc::not_a_directory), directory);
    }
  }
}

bool RealFiles::exists(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw_errno(path);
}

bool RealFiles::is_directory(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return S_ISDIR(status.st_mode);
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw_errno(path);
}

bool RealFiles::is_link(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return S_ISLNK(status.st_mode);
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw_errno(path);
}

std::optional<FileStatus> RealFiles::status(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return status_of(status);
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw_errno(path);
}

std::vector<std::string> RealFiles::list(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) throw std::system_error(error, directory);
  return names;
}

}  // namespace weir::runtime
