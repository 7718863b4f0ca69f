#include "engine/stage/follow.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/io/glob.hpp"
#include "engine/stage/open_files.hpp"
#include "engine/stage/positions.hpp"

namespace weir::stage {
namespace {

using runtime::FileStatus;

/// How long a file that has lost its name is still read: whoever writes it may not have heard of that yet.
constexpr Duration rest_of_old_file = std::chrono::seconds(5);
/// How long a file that looks like a copy may grow, and how soon after that the other is cut.
constexpr Duration longest_copy = std::chrono::seconds(5), cut_after_copy = std::chrono::seconds(1);
/// Of one file at once, so that a large one does not keep the others waiting.
constexpr std::uint64_t turn_bytes = 1 << 20;

/// Where the positions of a stage are kept. Of a stage inside another, `a/b`, the slash is no folder.
std::string positions_path(const Source& source) {
  std::string name = source.name();
  std::replace(name.begin(), name.end(), '/', '.');
  return source.data + "/" + source.pipeline + "/" + name + ".positions";
}

/// A stretch of what was emitted, and how far in its file it goes.
struct Mark {
  std::uint64_t stretch = 0;
  std::shared_ptr<Followed> file;
  std::uint64_t offset = 0;
  std::int64_t line = 0;
};

class Follower {
 public:
  Follower(FollowSetting setting, Source& source)
      : setting_(std::move(setting)),
        source_(source),
        many_(io::is_pattern(setting_.pattern)),
        positions_(positions_path(source), source.core),
        open_files_(source, files_, [this](Followed& file, const std::string& path) { rename(file, path); }) {
    source.out.counters().behind_bytes = 0;
  }

  /// Finds what is there, and where to go on. What is wrong now keeps the stage from starting.
  Task<> begin() {
    auto& files = source_.core.files();
    if (!many_ && files.exists(setting_.pattern) && !files.status(setting_.pattern)) {
      const auto why = files.is_directory(setting_.pattern) ? std::errc::is_a_directory : std::errc::invalid_argument;
      const bool other = why == std::errc::invalid_argument;
      throw std::system_error(
          std::make_error_code(why),
          "file: cannot follow " + setting_.pattern + (other ? ", no regular file; `read` reads it to its end" : ""));
    }
    positions_.claim();
    auto stored = co_await positions_.read();
    at_end_ = !stored && setting_.from_end;
    began_before_ = stored.has_value();
    if (stored) stored_ = std::move(*stored);
    starting_ = true;
    co_await look();
    co_await find_renamed();
    starting_ = at_end_ = false;
    // From here on it is known where it began, whatever happens.
    if (many_) co_await look_at_endings();
    std::vector<Position> positions = done();
    try {
      co_await write(positions);
    } catch (const std::system_error& error) {
      if (!lacks_descriptors(error)) throw;
      changed_ = true;  // What can be read is read.
    }
    wrote_ = source_.core.now();
  }

  /// One look at all of them.
  Task<> round() {
    co_await look();
    if (std::exchange(find_renamed_again_, false)) co_await find_renamed();
    if (many_) co_await know_copies();
    // Before anything of it goes on: it may be renamed, and weir killed, and then nobody else knew of it.
    if (std::exchange(new_ones_, false)) co_await write_down();
    const auto files = files_;
    for (const auto& file : files) {
      if (source_.abandoned()) co_return;
      co_await read(file);
    }
    // At once: written down without that the file was cut, its copy would be new to the next start.
    if (std::exchange(cut_one_, false) && many_) {
      co_await look();
      co_await know_copies();
    }
    co_await write_down();
  }

  /// Writes down what has been answered since, if anything.
  Task<> write_down() {
    take_answers();
    if (!changed_) co_return;
    if (many_) co_await look_at_endings();
    std::vector<Position> positions = done();
    try {
      co_await write(positions);
      changed_ = false;
      if (std::exchange(told_unwritten_, false)) {
        source_.log(observe::Level::info, "the positions are written again", {{"path", positions_.path()}});
      }
    } catch (const std::system_error& error) {
      if (!std::exchange(told_unwritten_, true)) {
        source_.log(observe::Level::warn, "how far was read can't be written down; what comes now would come again",
                    {{"err", error.what()}});
      }
    }
    wrote_ = source_.core.now();
  }

  /// All that was emitted has been answered; its coroutine may have ended in the middle of a file.
  Task<> write_down_at_the_end() {
    const auto last = source_.end_stretch();
    if (source_.stretches_answered() >= last) {
      marks_.clear();
      for (const auto& file : files_) {
        file->open_marks = 0;
        changed_ = changed_ || file->done_offset != file->whole_to();
        file->done_offset = file->whole_to();
        file->done_line = file->lines->line();
      }
    }
    co_await write_down();
  }

 private:
  using All = OpenFiles::All;
  using There = OpenFiles::There;

  // ------------------------------------------------------------------------------------------------------ finding them

  Task<> look() {
    open_files_.look_again();
    std::vector<std::string> paths;
    std::set<std::string> unseen;
    const auto note = [&](const std::string& path, const std::system_error& error) {
      if (lacks_descriptors(error)) throw error;  // Of what is below, nothing could be said.
      if (unseen.insert(path).second && !unseen_.contains(path)) refuse_unseen(source_, path, error);
    };
    while (true) {
      try {
        paths = io::glob(source_.core.files(), setting_.pattern, note);
        complained_.erase(looking);
        unseen_ = std::move(unseen);
        break;
      } catch (const std::system_error& error) {
        if (lacks_descriptors(error) && open_files_.make_room()) continue;
        complain(looking, "file: cannot look for " + setting_.pattern, error);
        co_return;  // What is open is read on under its name.
      }
    }
    for (const auto& file : files_) file->found = false;
    for (const auto& path : paths) {
      if (many_ && is_packed(path)) continue;
      if (const auto file = known(path)) {
        if (!std::exchange(file->found, true)) rename(*file, path);
      } else if (!open_files_.lacks()) {  // Or it is found by the next look.
        co_await open(path);
      }
    }
    // What can't be looked at now has not gone.
    const auto hidden = [this](const Followed& file) {
      return std::any_of(unseen_.begin(), unseen_.end(), [&](const auto& path) {
        return file.path == path || file.path.starts_with(path.ends_with('/') ? path : path + '/');
      });
    };
    for (const auto& file : files_) {
      if (!file->found && file->named && hidden(*file)) file->found = true;
      if (file->named && !file->found) file->last_came = source_.core.now();
      file->named = file->found;
    }
    // The rest of a file comes before what took its name.
    std::stable_partition(files_.begin(), files_.end(), [](const auto& file) { return !file->named; });
  }

  /// What a rotation has compressed was followed under its name before that. Told once.
  bool is_packed(const std::string& path) {
    constexpr std::array<std::string_view, 6> endings{".gz", ".zst", ".bz2", ".xz", ".zip", ".lz4"};
    const bool packed =
        std::any_of(endings.begin(), endings.end(), [&](auto ending) { return path.ends_with(ending); });
    if (packed && !std::exchange(told_packed_, true)) {
      source_.log(observe::Level::info, "compressed files do not grow and are left out", {{"file", path}});
    }
    return packed;
  }

  /// That which is open already, by whatever name it was.
  std::shared_ptr<Followed> known(const std::string& path) const {
    std::optional<FileStatus> status;
    try {
      status = source_.core.files().status(path);
    } catch (const std::system_error&) {
      return nullptr;  // To open it will say why.
    }
    if (!status) return nullptr;
    const auto found = open_.find({status->device, status->inode});
    if (found == open_.end()) return nullptr;
    found->second->size_now = status->size;
    return found->second;
  }

  void rename(Followed& file, const std::string& path) {
    if (file.path == path) return;
    file.path = path;
    if (many_) file.origin = origin_of(path);
    changed_ = true;
  }

  Task<std::shared_ptr<Followed>> open(const std::string& path) {
    auto file = std::make_shared<Followed>();
    file->path = path;
    std::optional<FileStatus> status;
    try {
      if (!source_.core.files().status(path)) co_return nullptr;  // It is not there now, or is no regular file.
      file->reader = open_files_.open(path);
      status = file->reader->status();
      complained_.erase(path);
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::no_such_file_or_directory) complain(path, "file: cannot read " + path, error);
      co_return nullptr;
    }
    if (!status) {
      open_files_.close(*file);
      co_return nullptr;
    }
    file->file = *status;
    file->last_came = source_.core.now();
    if (many_) file->origin = origin_of(path);
    begin_at(*file, 0, 0);
    co_await go_on_where_it_was(*file);
    file->beginning = co_await beginning_of(*file, Fingerprint::most_bytes);
    if (at_end_) co_await go_to_end(*file);
    if (many_) file->before = co_await bytes_before(*file, file->read_to());
    file->to_be_known = many_ && (!starting_ || began_before_) && file->read_to() == 0 && !file->cut;
    files_.push_back(file);
    open_[{file->file.device, file->file.inode}] = file;
    changed_ = new_ones_ = true;
    co_return file;
  }

  /// Whether it is open now.
  bool reopen(Followed& file) {
    if (file.reader) return true;
    try {
      file.reader = open_files_.open(file.path);
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::no_such_file_or_directory) {
        complain(file.path, "file: cannot read " + file.path, error);
      }
      return false;
    }
    const auto status = file.reader->status();
    if (!status || !file.is(*status)) {
      open_files_.close(file);  // Its name is another's by now.
      return false;
    }
    complained_.erase(file.path);
    file.reader->seek(file.read_to());
    return true;
  }

  void begin_at(Followed& file, std::uint64_t offset, std::int64_t line) {
    file.lines = std::make_unique<LineIntake>(setting_.format, setting_.most, setting_.rules, source_);
    file.lines->count_from(line);
    file.before.clear();
    file.began_at = file.done_offset = offset;
    file.done_line = line;
    if (file.reader) file.reader->seek(offset);
  }

  Task<> go_on_where_it_was(Followed& file) {
    const auto same = [&file](const Position& position) {
      return position.inode == file.file.inode && (position.device == file.file.device || position.path == file.path);
    };
    const auto found = std::find_if(stored_.begin(), stored_.end(), same);
    if (found == stored_.end()) co_return;
    const Position position = *found;
    const Fingerprint now = co_await beginning_of(file, position.beginning.bytes);
    if (now != position.beginning || file.file.size < position.offset) {
      // Still to be looked for by another name, where that is the reason.
      if (now == position.beginning) forget(position);
      source_.log(observe::Level::info, "the file is another one than it was; it is read from its beginning",
                  {{"path", file.path}});
      if (position.ending.bytes > 0) {  // It may have been cut meanwhile.
        file.cut = {position.beginning, position.ending, position.offset, position.offset,
                    position.line,      position.offset, position.line,   source_.core.now()};
      }
      co_return;
    }
    std::array<char, 1> before{'\n'};
    if (position.offset > 0) {
      file.reader->seek(position.offset - 1);
      co_await file.reader->read(before);
    }
    begin_at(file, position.offset, position.line);
    // It was begun at its end, in the middle of a line.
    if (before[0] != '\n') file.lines->begin_inside_a_line();
    forget(position);
  }
  void forget(const Position& position) {
    std::erase_if(stored_, [&position](const Position& other) {
      return other.inode == position.inode && other.device == position.device;
    });
  }

  Task<> go_to_end(Followed& file) {
    if (file.file.size == 0) co_return;
    std::array<char, 1> last{'\n'};
    file.reader->seek(file.file.size - 1);
    co_await file.reader->read(last);
    begin_at(file, file.file.size, 0);
    if (last[0] != '\n') file.lines->begin_inside_a_line();
  }

  Task<Fingerprint> beginning_of(Followed& file, std::uint64_t bytes_most) {
    const std::string bytes = co_await bytes_at(file, 0, bytes_most);
    co_return fingerprint_of(bytes);
  }
  Task<std::string> bytes_before(Followed& file, std::uint64_t end) {
    const std::uint64_t bytes_most = std::min<std::uint64_t>(end, LineIntake::ending_bytes);
    return bytes_at(file, end - bytes_most, bytes_most);
  }
  Task<Fingerprint> ending_at(Followed& file, std::uint64_t end) {
    const std::string bytes = co_await bytes_before(file, end);
    co_return fingerprint_of(bytes);
  }
  /// Reads what stands there, and goes back to where it was.
  Task<std::string> bytes_at(Followed& file, std::uint64_t offset, std::uint64_t bytes_most) {
    std::string bytes(std::min<std::uint64_t>(bytes_most, Fingerprint::most_bytes), '\0');
    std::size_t size = 0;
    if (!reopen(file)) co_return std::string();
    file.reader->seek(offset);
    while (size < bytes.size()) {
      const std::span<char> room(bytes.data() + size, bytes.size() - size);
      const std::size_t more = co_await file.reader->read(room);
      if (more == 0) break;
      size += more;
    }
    file.reader->seek(file.read_to());
    bytes.resize(size);
    co_return bytes;
  }

  /// A rotation that copies a file and then cuts it (`copytruncate`) leaves what was read under a name that the pattern
  /// may find. Such a copy goes on where the file was, with what that had not come to. That it looks like one is not
  /// enough: files may begin alike, and one may have been read to its end. It is one if the other has been cut.
  Task<> know_copies() {
    All unknown;
    std::copy_if(files_.begin(), files_.end(), std::back_inserter(unknown),
                 [](const auto& file) { return file->to_be_known; });
    if (unknown.empty()) co_return;
    const ByBeginning others = by_beginning();
    for (std::size_t i = 0; i < unknown.size(); ++i) {
      if (i % 16 == 15) co_await source_.core.yield();
      co_await know_copy(unknown[i], others);
    }
  }

  using ByBeginning = std::map<std::uint64_t, std::map<std::uint64_t, All>>;  // By the bytes and their hash.
  ByBeginning by_beginning() const {
    ByBeginning made;
    for (const auto& file : files_) {
      if (file->to_be_known) continue;
      if (file->has_ending()) made[file->beginning.bytes][file->beginning.hash].push_back(file);
      if (file->cut) made[file->cut->beginning.bytes][file->cut->beginning.hash].push_back(file);
    }
    return made;
  }

  Task<> know_copy(const std::shared_ptr<Followed>& copy, const ByBeginning& others) {
    if (!reopen(*copy)) co_return;
    const auto status = copy->reader->status();
    const std::uint64_t size = status ? status->size : 0;
    const Time now = source_.core.now();
    const bool grew = std::exchange(copy->copied_to, size) != size;
    if (grew) copy->grew_at = now;
    if (size == 0) {
      copy->to_be_known = copy->named;
      co_return;
    }
    const std::string first = co_await bytes_at(*copy, 0, Fingerprint::most_bytes);
    bool may_be = false;
    for (const auto& [bytes, files] : others) {
      if (bytes > first.size()) break;
      const Fingerprint beginning = fingerprint_of(std::string_view(first).substr(0, bytes));
      const auto alike = files.find(beginning.hash);
      if (alike == files.end()) continue;
      for (const auto& file : alike->second) {
        if (file->cut && file->cut->beginning == beginning && size >= file->cut->read_to &&
            co_await ending_at(*copy, file->cut->read_to) == file->cut->ending) {
          source_.log(observe::Level::info, "the file is a copy of one that was cut; it goes on where that was",
                      {{"path", copy->path}, {"of", file->path}});
          co_await take_over(copy, *file->cut);
          co_return;
        }
        if (!file->has_ending() || file->beginning != beginning) continue;
        if (size < file->read_to()) {
          may_be = may_be || (grew && now - copy->last_came < longest_copy);
        } else if (now - copy->grew_at < cut_after_copy) {
          may_be = may_be || co_await ending_at(*copy, file->read_to()) == file->ending();
        }
      }
    }
    copy->to_be_known = may_be;
  }

  Task<> take_over(const std::shared_ptr<Followed>& copy, const Cut& cut) {
    co_await source_.flush();
    begin_at(*copy, cut.whole_to, cut.line);
    copy->before = co_await bytes_before(*copy, cut.whole_to);
    copy->beginning = co_await beginning_of(*copy, Fingerprint::most_bytes);
    copy->to_be_known = false;
    changed_ = true;
    if (cut.done_offset == cut.whole_to) co_return;
    copy->done_offset = cut.done_offset;
    copy->done_line = cut.done_line;
    marks_.push_back({source_.end_stretch(), copy, cut.whole_to, cut.line});
    ++copy->open_marks;
  }

  /// What was followed and is not where it was: renamed while weir did not run, it is in the same folder.
  Task<> find_renamed() {
    const auto left = std::exchange(stored_, {});
    std::vector<Position> kept;  // For when their folder is there again.
    for (const auto& position : left) {
      bool found = false, hidden = false;
      try {
        const OpenFiles::Folder* folder = nullptr;
        while (!folder) {
          try {
            folder = &open_files_.folder_of(position.path);
          } catch (const std::system_error& error) {
            if (!lacks_descriptors(error) || !open_files_.make_room()) throw;
          }
        }
        if (const auto there = folder->find({position.device, position.inode}); there != folder->end()) {
          const std::string path = there->second.path;
          if (const auto file = known(path)) {
            rename(*file, path);
          } else {
            stored_ = {position};
            open_files_.forget_lack();
            const auto opened = co_await open(path);
            found = opened && stored_.empty();
            hidden = !opened && open_files_.lacks();
            find_renamed_again_ = find_renamed_again_ || hidden;
            if (opened && !found) {
              open_files_.close(*opened);
              files_.pop_back();  // Another one, that is none of ours.
              open_.erase({opened->file.device, opened->file.inode});
            }
          }
        }
      } catch (const std::system_error& error) {
        hidden = !found;
        if (lacks_descriptors(error)) {
          find_renamed_again_ = true;
        } else {
          source_.log(observe::Level::warn,
                      "the folder of a file that was followed can't be looked into; it is waited for",
                      {{"path", position.path}, {"err", error.code().message()}});
        }
      }
      stored_.clear();
      if (hidden) kept.push_back(position);
      if (!found && !hidden) {
        source_.log(observe::Level::warn,
                    "a file that was followed is gone; what may have come after what was read is not",
                    {{"path", position.path}, {"read_bytes", position.offset}});
      }
    }
    stored_ = std::move(kept);
  }

  void complain(const std::string& of, const std::string& what, const std::system_error& error) {
    if (error.code() == not_now) return;
    if (starting_ && !many_) throw std::system_error(error.code(), what);
    if (lacks_descriptors(error)) {  // Every look tries again.
      if (!std::exchange(told_none_left_, true)) {
        source_.log(observe::Level::warn, "no descriptor is left to follow all files; they wait",
                    {{"err", what + ": " + error.code().message()}});
      }
      return;
    }
    if (!complained_.insert(of).second) return;
    source_.refuse({}, {Reason::io, what + ": " + error.code().message()});
  }

  // ------------------------------------------------------------------------------------------------------ reading them

  Task<> note(std::shared_ptr<Followed> file) {
    note_behind(*file, file->seen_size);
    co_await mark(file);
    if (source_.core.now() - wrote_ >= setting_.poll) co_await write_down();
    source_.origin = file->origin;
  }

  Task<> read(const std::shared_ptr<Followed>& file) {
    if (file->closed || file->to_be_known) co_return;
    if (file->cut && source_.core.now() - file->cut->at > rest_of_old_file) file->cut.reset();
    if (!file->reader) {
      auto there = file->named ? There::yes : open_files_.look_in_folder(*file);
      if (there == There::unknown && open_files_.make_room()) there = open_files_.look_in_folder(*file);
      const bool at_rest =
          there == There::yes && file->size_now == file->seen_size && file->size_now == file->read_to();
      if (!file->named && (at_rest || there == There::no) && source_.core.now() - file->last_came >= rest_of_old_file) {
        if (there == There::no) {
          source_.log(observe::Level::warn,
                      "a file that was followed is gone; what may have come after what was read is not",
                      {{"path", file->path}, {"read_bytes", file->read_to()}});
        }
        co_return co_await end(file);
      }
      if (there != There::yes || at_rest || !reopen(*file)) co_return;
    }
    open_files_.keep(file.get());
    co_await read_on(file);
    open_files_.keep(nullptr);
  }

  Task<> read_on(const std::shared_ptr<Followed>& file) {
    const auto status = file->reader->status();
    const std::uint64_t size = status ? status->size : 0;
    const runtime::WallTime modified = status ? status->modified : runtime::WallTime{};
    // It may have been cut and have grown to the very same size since.
    if (size != file->seen_size || modified != file->seen_modified || size < file->read_to()) {
      co_await look_for_another_beginning(*file, size);
      file->seen_size = size;
      file->seen_modified = modified;
    }
    note_behind(*file, size);
    source_.origin = file->origin;
    // Of one read, thousands of short lines may come: that much would come again after a kill.
    file->lines->after_flush = [this, of = std::weak_ptr<Followed>(file)] { return note(of.lock()); };
    std::uint64_t left = file->named ? turn_bytes : ~std::uint64_t{0};
    for (std::uint64_t came = 1; came > 0 && left > 0 && file->read_to() < size;) {
      came = co_await file->lines->read_some(*file->reader);
      left -= std::min(left, came);
      if (came > 0) file->last_came = source_.core.now();
      note_behind(*file, size);
      co_await mark(file);
      if (source_.abandoned()) co_return;
      if (source_.core.now() - wrote_ >= setting_.poll) co_await write_down();
      source_.origin = file->origin;
    }
    more_to_read_ = more_to_read_ || left == 0;
    if (file->named || source_.core.now() - file->last_came < rest_of_old_file) co_return;
    co_await end(file);
  }

  /// Nothing more is read of it.
  Task<> end(std::shared_ptr<Followed> file) {
    source_.origin = file->origin;
    file->lines->end();
    co_await mark(file);
    file->closed = true;
    note_behind(*file, 0);
    open_.erase({file->file.device, file->file.inode});
    changed_ = true;
    open_files_.close(*file);
  }

  void note_behind(Followed& file, std::uint64_t size) {
    const std::uint64_t read = file.read_to();
    const auto behind = static_cast<std::int64_t>(size > read ? size - read : 0);
    *source_.out.counters().behind_bytes += behind - std::exchange(file.behind, behind);
  }

  Task<> look_for_another_beginning(Followed& file, std::uint64_t size) {
    const Fingerprint now = co_await beginning_of(file, file.beginning.bytes);
    if (now != file.beginning || size < file.read_to()) {
      source_.log(observe::Level::info, "the file was cut; it is read from its beginning", {{"path", file.path}});
      if (many_ && file.read_to() > 0) {
        file.cut = {file.beginning,     file.ending(),    file.read_to(), file.whole_to(),
                    file.lines->line(), file.done_offset, file.done_line, source_.core.now()};
      }
      begin_at(file, 0, 0);
      cut_one_ = true;
      file.beginning = {};
      // What is still to be answered of its old bytes says nothing of the new ones.
      std::erase_if(marks_, [&file](const Mark& mark) { return mark.file.get() == &file; });
      file.open_marks = 0;
      changed_ = true;
    }
    if (file.beginning.bytes < Fingerprint::most_bytes) {
      file.beginning = co_await beginning_of(file, Fingerprint::most_bytes);
    }
  }

  Task<> mark(const std::shared_ptr<Followed>& file) {
    co_await source_.flush();
    const std::uint64_t offset = file->whole_to();
    const std::uint64_t before = marked_to(*file);
    if (offset == before) co_return;
    marks_.push_back({source_.end_stretch(), file, offset, file->lines->line()});
    ++file->open_marks;
  }
  std::uint64_t marked_to(const Followed& file) const {
    if (file.open_marks == 0) return file.done_offset;
    const auto last =
        std::find_if(marks_.rbegin(), marks_.rend(), [&](const Mark& m) { return m.file.get() == &file; });
    return last->offset;
  }

  // ---------------------------------------------------------------------------------------------------- how far it got

  void take_answers() {
    const auto answered = source_.stretches_answered();
    while (!marks_.empty() && marks_.front().stretch <= answered) {
      const Mark& mark = marks_.front();
      mark.file->done_offset = mark.offset;
      mark.file->done_line = mark.line;
      --mark.file->open_marks;
      changed_ = true;
      marks_.pop_front();
    }
    const auto over = [](const auto& file) { return file->closed && file->open_marks == 0; };
    std::erase_if(files_, over);
  }

  Task<> look_at_endings() {
    const auto files = files_;
    for (const auto& file : files) {
      if (file->closed || std::exchange(file->done_ending_at, file->done_offset) == file->done_offset) continue;
      file->done_ending = file->ending();
      if (file->done_offset != file->read_to()) file->done_ending = co_await ending_at(*file, file->done_offset);
    }
  }

  Task<> write(const std::vector<Position>& positions) {
    while (true) {
      try {
        co_return co_await positions_.write(positions);
      } catch (const std::system_error& error) {
        if (!lacks_descriptors(error) || !open_files_.make_room()) throw;
      }
    }
  }

  std::vector<Position> done() const {
    std::vector<Position> positions = stored_;
    for (const auto& file : files_) {
      positions.push_back({file->path, file->file.device, file->file.inode, file->beginning, file->done_offset,
                           file->done_line, file->done_ending});
    }
    return positions;
  }

 public:
  /// A file was left in the middle for the others: there is more to read at once.
  bool has_more() { return std::exchange(more_to_read_, false); }

 private:
  const FollowSetting setting_;
  Source& source_;
  const bool many_;
  Positions positions_;
  std::vector<Position> stored_;  // Where it was, of files that have not been found yet.
  bool told_packed_ = false, told_none_left_ = false;
  bool find_renamed_again_ = false;  // There was no descriptor for that.
  bool starting_ = false, at_end_ = false, began_before_ = false;
  All files_;  // Those without a name first.
  OpenFiles open_files_;
  // What is open, by device and number.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::shared_ptr<Followed>> open_;
  std::deque<Mark> marks_;
  bool changed_ = false;   // Since it was written down.
  bool cut_one_ = false;   // In this round.
  bool new_ones_ = false;  // Among files_, since then.
  bool told_unwritten_ = false, more_to_read_ = false;
  Time wrote_{};
  // Paths that can't be read, and `looking`: each is told once until it can be again. A pattern may be a path as well.
  static constexpr const char* looking = "";
  std::set<std::string> complained_;
  std::set<std::string> unseen_;  // What the pattern led to and could not be looked at, the last time.
};

Task<> write_down_at_the_end(std::shared_ptr<Follower> follower) { co_await follower->write_down_at_the_end(); }

}  // namespace

Task<> follow(FollowSetting setting, Source& source) {
  const auto poll = setting.poll;
  const auto follower = std::make_shared<Follower>(std::move(setting), source);
  co_await follower->begin();
  source.before_end = [follower] { return write_down_at_the_end(follower); };
  while (!source.abandoned()) {
    co_await follower->round();
    if (!follower->has_more()) co_await source.sleep(poll);
  }
}

}  // namespace weir::stage
