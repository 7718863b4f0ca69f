// Files that are written a line each message: whole under their name, rotated, made durable, no more than 256 at once.
#pragma once
#include <cstdint>
#include <exception>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "engine/flow/event.hpp"
#include "engine/io/compress.hpp"
#include "engine/runtime/wait.hpp"
#include "engine/stage/intake.hpp"
#include "engine/stage/lineup.hpp"

namespace weir::stage {

/// What a file is called until it is whole. In the same folder, so that renaming it is one step.
std::string unfinished(const std::string& path);

/// Makes the directories that are missing on the way to it as well. `meant`: what it shall be called in the end.
std::unique_ptr<runtime::Writer> create(const std::string& path, runtime::Files::Mode mode, const std::string& meant,
                                        Driver& driver);

/// A file that is not finished, removed unless it was renamed or left. Both outlive it.
class Unfinished {
 public:
  Unfinished(const std::string& path, Driver& driver) : path_(path), driver_(driver) {}
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished();
  void finish();
  void leave();  ///< It holds messages that are done: nobody will send them again.

 private:
  const std::string& path_;
  Driver& driver_;
  bool finished_ = false;  // It is no more ours to remove.
};

/// When a file that is appended to is put aside, and how many of those stay.
struct Rotation {
  std::optional<config::Size> size;
  std::optional<config::Duration> every;  ///< In steps from the beginning of 1970, UTC.
  std::optional<std::int64_t> keep;
};

/// When written bytes are made durable.
struct Durability {
  bool always = false;            ///< Before their messages are done.
  std::optional<Duration> every;  ///< So long after they were written at the latest.
};

struct WritingSetting {
  bool append = false;
  Format format = Format::lines;
  std::vector<std::string> columns;  ///< Of csv. None: as in the file, or in the first message.
  char delimiter = ',';              ///< The same.
  io::Compression compression = io::Compression::none;
  Durability durability;
  std::optional<Rotation> rotation;
};

/// `logs/app.log` → `logs/app-20261126T091500.123Z.log`, and the same before `.gz`.
std::string put_aside_name(const std::string& path, runtime::WallTime at);

/// The files that are open. One coroutine at a time.
class WrittenFiles {
 public:
  WrittenFiles(WritingSetting setting, Driver& driver) : setting_(std::move(setting)), driver_(driver) {}
  WrittenFiles(const WrittenFiles&) = delete;
  WrittenFiles& operator=(const WrittenFiles&) = delete;
  ~WrittenFiles();

  struct File {
    explicit File(std::string at) : path(std::move(at)) {}
    void name_columns(std::vector<std::string> names) {
      columns = std::move(names);
      named = {columns.begin(), columns.end()};
    }
    /// Of the messages that wait for the rest of their block; null: none does.
    const Batch* first_waiting() const { return lineup->first_waiting(); }
    /// What their block still needs.
    std::size_t missing_bytes() const { return lineup->missing_bytes(); }
    std::string path;
    std::optional<Unfinished> unfinished;
    std::optional<Lineup> lineup;
    std::vector<std::string> columns;            // Of csv; none: not known yet.
    std::unordered_set<std::string_view> named;  // Views of those: only name_columns() changes either.
    bool has_header = false;
    bool dirty = false;       // Written since it was made durable.
    bool failed = false;      // To be made durable: what it holds is not to be trusted.
    std::int64_t period = 0;  // Of rotation by time, that it was begun in.
  };

  /// Throws std::system_error where it can't be made; null: too many are open. One that is added to and that somebody
  /// has removed is begun anew.
  Task<File*> open(const std::string& path);
  /// Gives each of these messages, and those that wait for their block, its verdict. Throws std::system_error where
  /// what was written can't be made durable. By blocks, where nobody reads the file yet, those after the last whole
  /// block get none: File::first_waiting().
  Task<> write(File& file, const std::vector<Message>& messages, Extent extent = Extent::all);
  /// Gives each its name. One that can't get it keeps no other from its own; then throws what went wrong.
  Task<> finish();
  /// Ends what runs beside. To be awaited before this is destroyed, also when it is left by an exception.
  Task<> close();

 private:
  static constexpr std::size_t most = 256;

  std::unique_ptr<runtime::Writer> make(const std::string& path, bool in_place);
  Task<> close_longest_unused();
  Task<> end_line(const std::string& path, runtime::Writer& writer);
  Task<bool> ends_between_quotes(const std::string& path);
  Task<std::optional<std::vector<std::string>>> header_of(const std::string& path);
  Task<> write_added(File& file, Extent extent);
  std::optional<std::string_view> line_of(File& file, Batch& batch, std::size_t row);
  std::optional<std::string_view> made_line_of(File& file, Batch& batch, std::size_t row);
  bool csv_line(File& file, Batch& batch, std::size_t row);
  std::int64_t period_now() const;
  Task<> rotate(File& file);
  std::string free_aside_name(const std::string& path);
  void remove_old(const File& file);
  Task<> sync(File& file);
  Task<> sync_from_time_to_time();

  const WritingSetting setting_;
  Driver& driver_;
  std::list<File> files_;  // The last used first.
  std::map<std::string, std::list<File>::iterator> by_path_;
  std::string line_;  // Of one row; reused.
  runtime::WallTime last_aside_{};
  flow::Gate gate_{driver_.core};
  std::unique_ptr<runtime::Coroutine> syncing_;
  runtime::Waiter to_sync_{driver_.core}, syncing_ended_{driver_.core};
  std::exception_ptr fault_;  // Of that.
};

}  // namespace weir::stage
