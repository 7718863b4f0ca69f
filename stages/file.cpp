// file: reads a file message by message, or writes messages to one.
#include <algorithm>
#include <cstring>
#include <list>
#include <map>
#include <system_error>

#include "engine/io/glob.hpp"
#include "engine/runtime/files.hpp"
#include "engine/script/text.hpp"
#include "engine/stage/envelope.hpp"
#include "engine/stage/intake.hpp"
#include "engine/stage/kind.hpp"
#include "engine/stage/lineup.hpp"
#include "engine/stage/ticks.hpp"

namespace weir::stages {
namespace {

using namespace std::chrono_literals;

using stage::Format;

struct FileConfig {
  std::optional<std::string> read, follow;
  std::optional<config::Template> write, append;
  std::optional<Format> format;
  config::Map<std::string> types;
  std::optional<config::Duration> every;
  config::Size max_message{16 * 1024 * 1024};
};

Format format_of(const FileConfig& config, std::string_view path) {
  if (config.format) return *config.format;
  if (path.ends_with(".ndjson") || path.ends_with(".jsonl")) return Format::ndjson;
  if (path.ends_with(".json")) return Format::json;
  if (path.ends_with(".csv")) return Format::csv;
  return Format::lines;
}

void verify(const FileConfig& config, config::Written& written) {
  if (config.follow) {
    written.error("follow", "`follow` comes with a later version of weir", "`read` with `every` reads a file again");
    return;
  }
  const char* role = config.read ? "read" : config.write ? "write" : "append";
  const std::string path = config.read ? *config.read : config.write ? config.write->text() : config.append->text();
  if (path.empty()) written.error(role, "the path is empty");
  const Format format = format_of(config, path);
  const char* const said = config.format ? "format" : role;
  if (config.read) stage::check_reading(format, config.types, said, written);
  if (!config.read && (format == Format::csv || format == Format::logfmt)) {
    written.error(
        said,
        std::string("writing ") + (format == Format::csv ? "csv" : "logfmt") + " comes with a later version of weir",
        "`encode` makes a text of it, and `format: lines` writes that");
  }
  if (config.append && (format == Format::json || format == Format::whole)) {
    written.error(config.format ? "format" : role, "`append` adds lines", "write `format: ndjson` or `format: lines`");
  }
}

const auto spec =
    config::Spec<FileConfig>("file", "Reads a file message by message, or writes messages to one.")
        .role("read", &FileConfig::read, "Path of the file to read. With `*`, `?` or `[ ]`: all files that match, in order of name.",
              config::sample("orders.ndjson"))
        .role("follow", &FileConfig::follow, "Comes with a later version.", config::sample("app.log"))
        .role("write", &FileConfig::write,
              "Path of the file to make anew. It appears when all is written. With `{{ }}`, one file for each path "
              "that comes of it.",
              config::sample("large.ndjson"))
        .role("append", &FileConfig::append, "Path of the file to add lines to. May hold `{{ }}`, as of `write`.",
              config::sample("'logs/{{ msg.host }}.ndjson'"))
        .field(
            "format", &FileConfig::format,
            "lines: each line is a message. ndjson: each line is JSON. json: the file is one JSON value. whole: the "
            "file is one message, whatever it holds. Left out, the name's ending says it: .ndjson and .jsonl, .json, "
            ".csv, else lines. csv: the first record names the fields, each further one is an object. logfmt: each "
            "line "
            "is an object. Both are only read. envelope: each line is an object of `failed`, `meta` and `text`, to "
            "keep what failed; it is only written.",
            stage::formats())
        .field("types", &FileConfig::types,
               "Of the fields of csv and logfmt, those that are not text: integer, number or boolean. An empty one is "
               "null.",
               config::sample("{id: integer}"))
        .only_with("read")
        .field("every", &FileConfig::every,
               "Reads the file again after this time, the first time at once. While what was read is not taken, it is "
               "not read again; each time is counted as dropped (slow).",
               config::above(0), config::sample("1s"))
        .only_with("read")
        .field("max_message", &FileConfig::max_message, "A longer line, or file, fails (size).", config::above(0),
               config::at_most(1024.0 * 1024 * 1024))
        .only_with("read")
        .details(
            "Paths start at the working directory. Where a path is a pattern, `meta.file` is the file that a message "
            "came from. A pattern that no file matches is a mistake, as a missing file is; with `every` it is not. "
            "A path that stands there as written is no pattern.\n"
            "Written with json or whole, each message is a file of its own "
            "that takes the place of the one before. A message is done when its bytes are written. While the disk "
            "is full, messages wait.\n"
            "Directories that are missing on the way to a file are made. What a message fills into a path stays below "
            "the directory that is written before its first `{{`; a path that would leave it fails (type). No more "
            "than 256 files are written at "
            "once: a message for one more fails (full). Of those appended to the longest unused is closed.")
        .example("file: {read: orders.ndjson}")
        .example("file: {read: /proc/loadavg, every: 1s}")
        .example("file: {read: orders.csv, types: {id: integer, amount: number}}")
        .example("file: {read: 'logs/*.ndjson'}")
        .example("file: {write: large.ndjson}")
        .example("file: {append: dead.ndjson, format: envelope}")
        .example("file: {append: notes.txt, format: lines}")
        .example("file: {write: 'pages/{{ msg.id }}.html', format: whole}")
        .verify(verify);

// --------------------------------------------------------------------------------------------------------------- read

/// What the role names: one file, or all that match, in order of name.
std::vector<std::string> paths_of(const std::string& pattern, stage::Source& source) {
  try {
    return io::glob(source.core.files(), pattern);
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), "file: cannot look for " + pattern);
  }
}

std::unique_ptr<runtime::Reader> open(const std::string& path, stage::Source& source) {
  try {
    return source.core.files().open(path);
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), "file: cannot read " + path);
  }
}

stage::Intake intake_of(const FileConfig& config) {
  return {format_of(config, *config.read), config.max_message, "the file", config.types};
}

/// Reads them one after the other. That one can't be read fails nothing but itself, unless it is the first.
stage::Task<> read_all(const std::vector<std::string>& paths, const FileConfig& config, stage::Source& source,
                       bool first_must_be_there) {
  const stage::Intake intake = intake_of(config);
  for (const std::string& path : paths) {
    if (source.abandoned()) co_return;
    if (io::is_pattern(*config.read)) source.origin = stage::origin_of(path);
    std::unique_ptr<runtime::Reader> reader;
    try {
      reader = open(path, source);
    } catch (const std::system_error& error) {
      if (std::exchange(first_must_be_there, false)) throw;
      source.refuse({}, {stage::Reason::io, error.what()});
      continue;
    }
    first_must_be_there = false;
    co_await intake.read(*reader, source);
  }
}

stage::Task<> read_every(const FileConfig& config, stage::Source& source) {
  stage::Ticks ticks(*config.every, source);
  auto paths = paths_of(*config.read, source);
  // A file that is missing from the start is a mistake; missing later, it happens. A pattern that nothing matches is
  // a folder that is empty for now.
  if (paths.empty()) source.log(observe::Level::warn, "no file matches yet", {{"pattern", *config.read}});
  for (bool first = true; !source.abandoned(); first = false) {
    co_await read_all(paths, config, source, first);
    co_await source.flush();
    ticks.next();
    ticks.skip_late("the file was not read when it was due, because nobody took what came before");
    co_await source.sleep_until(ticks.due());
    paths.clear();
    try {
      paths = paths_of(*config.read, source);
    } catch (const std::system_error& error) {
      source.refuse({}, {stage::Reason::io, error.what()});
    }
  }
}

stage::Task<> read_file(const FileConfig& config, stage::Source& source) {
  if (config.every) {
    co_await read_every(config, source);
    co_return;
  }
  const auto paths = paths_of(*config.read, source);
  if (paths.empty()) {
    throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory),
                            "file: nothing matches " + *config.read);
  }
  for (const auto& path : paths) {
    if (const auto status = source.core.files().status(path)) source.all_bytes += status->size;
  }
  co_await read_all(paths, config, source, true);
}

// -------------------------------------------------------------------------------------------------------------- write

/// What a file is called until it is whole. In the same folder, so that renaming it is one step.
std::string unfinished(const std::string& path) { return path + ".part"; }

/// The row may be written in this format. Where not, it has failed.
bool accept(stage::Batch& batch, std::size_t row, Format format, stage::Output& out) {
  if (format != Format::ndjson && format != Format::json) return true;
  if (batch.is_json(row)) return true;
  out.fail(batch, row, {stage::Reason::decode, "the payload is no JSON; `format: lines` would write it as it is"});
  return false;
}

/// Adds these rows, and fails those that are not what the format says.
void add(stage::Lineup& lines, stage::Batch& batch, const std::vector<std::size_t>& rows, Format format,
         stage::Driver& driver) {
  std::string envelope;
  for (const std::size_t row : rows) {
    if (format == Format::envelope) {
      envelope.clear();
      const auto age = driver.core.now() - batch.entered(row);
      stage::append_envelope(envelope, batch, row, driver.core.wall() - age);
      lines.add(row, envelope);
    } else if (accept(batch, row, format, driver.out)) {
      lines.add(row, batch.payload(row));
    }
  }
}

/// Makes the directories that are missing on the way to it as well. `meant`: what it shall be called in the end.
std::unique_ptr<runtime::Writer> create(const std::string& path, runtime::Files::Mode mode, const std::string& meant,
                                        stage::Driver& driver) {
  auto& files = driver.core.files();
  const auto slash = path.rfind('/');
  const std::string directory = slash == path.npos ? std::string() : path.substr(0, slash);
  std::string what = "write " + meant;
  try {
    if (files.is_directory(meant)) throw std::system_error(std::make_error_code(std::errc::is_a_directory));
    try {
      return files.create(path, mode);
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::no_such_file_or_directory || directory.empty()) throw;
    }
    what = "make the directory " + directory;
    files.make_directories(directory);
    what = "write " + meant;
    return files.create(path, mode);
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), "file: cannot " + what);
  }
}

/// A file that is not finished, removed unless it was renamed or left.
class Unfinished {
 public:
  Unfinished(const std::string& path, stage::Driver& driver) : path_(path), driver_(driver) {}
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished() {
    if (finished_) return;
    try {
      driver_.core.files().remove(unfinished(path_));
    } catch (const std::system_error&) {
      // It is gone already, or stays behind under a name that says what it is.
    }
  }
  void finish() {
    driver_.core.files().rename(unfinished(path_), path_);
    finished_ = true;
  }
  /// It holds messages that are done: nobody will send them again.
  void leave() {
    if (std::exchange(finished_, true)) return;
    driver_.log(observe::Level::warn, "stopped before the file was whole; what was written until then stays",
                {{"path", unfinished(path_)}});
  }

 private:
  const std::string& path_;
  stage::Driver& driver_;
  bool finished_ = false;  // It is no more ours to remove.
};

// ------------------------------------------------------------------------------------------------- where each row goes

/// The path of each message.
class Path {
 public:
  Path(const config::Template& path, stage::Driver& driver) : constant_(path.constant()), text_(path.text()) {
    if (constant_) return;
    driver.compile(filled_in_, path);
    const auto& first = path.parts.front();
    if (!first.lua) root_ = first.text.substr(0, first.text.rfind('/') + 1);
  }

  /// The one path of all of them; null where each has its own.
  const std::string* constant() const { return constant_ ? &text_ : nullptr; }

  message::Done of(const message::Message& message, std::string& path) const {
    path.clear();
    if (auto failure = filled_in_.fill(message, path)) return failure;
    // Made anew of its parts, so that one file has one path. No `..`: behind a link it leads elsewhere than it reads.
    const std::string rest = path.substr(root_.size());
    bool below = rest.find('\0') == rest.npos && !(root_.empty() && rest.starts_with('/'));
    std::string plain = root_;
    for (std::size_t begin = 0; begin < rest.size();) {
      const std::size_t end = std::min(rest.find('/', begin), rest.size());
      const std::string_view part = std::string_view(rest).substr(begin, end - begin);
      below = below && part != "..";
      if (!part.empty() && part != ".") (plain += plain.size() > root_.size() ? "/" : "") += part;
      begin = end + 1;
    }
    below = below && plain.size() > root_.size();
    if (below) path = std::move(plain);
    if (below) return std::nullopt;
    const std::string root = root_.empty() ? "the working directory" : root_;
    return stage::Failure(stage::Reason::type, "the path '" + path + "' is none below " + root);
  }

 private:
  bool constant_;
  std::string text_;
  script::Text filled_in_;
  std::string root_;  // What is filled in stays below it. Empty: below the working directory.
};

/// Rows of one delivery that go to one file.
struct Share {
  std::string path;
  std::vector<std::size_t> rows;
};

/// Deals the rows out by their paths, in the order in which those first come. What has none fails.
std::vector<Share> deal(const Path& path, stage::Batch& batch, stage::Driver& driver) {
  std::vector<Share> shares;
  if (path.constant()) {
    auto& all = shares.emplace_back(Share{*path.constant(), {}}).rows;
    for (std::size_t row = 0; row < batch.size(); ++row) all.push_back(row);
    return shares;
  }
  std::string filled;
  for (std::size_t row = 0; row < batch.size(); ++row) {
    if (auto failure = path.of(stage::Message(batch, row), filled)) {
      driver.out.fail(batch, row, std::move(*failure));
      continue;
    }
    auto found = std::find_if(shares.begin(), shares.end(), [&](const Share& share) { return share.path == filled; });
    if (found == shares.end()) found = shares.insert(shares.end(), Share{filled, {}});
    found->rows.push_back(row);
  }
  return shares;
}

void fail_all(const Share& share, stage::Batch& batch, const stage::Failure& why, stage::Driver& driver) {
  for (const std::size_t row : share.rows) driver.out.fail(batch, row, why);
}

/// Files of lines that are open, at most 256.
class OpenFiles {
 public:
  OpenFiles(bool append, Format format, stage::Driver& driver) : append_(append), format_(format), driver_(driver) {}
  OpenFiles(const OpenFiles&) = delete;
  OpenFiles& operator=(const OpenFiles&) = delete;
  ~OpenFiles() {
    for (auto& file : files_) {
      if (file.unfinished && file.lineup && file.lineup->holds_messages()) file.unfinished->leave();
    }
  }

  /// Throws std::system_error where it can't be made; nothing: too many are open.
  stage::Lineup* open(const std::string& path) {
    if (const auto found = by_path_.find(path); found != by_path_.end()) {
      files_.splice(files_.begin(), files_, found->second);
      return &*files_.front().lineup;
    }
    if (files_.size() == most) {
      if (!append_) return nullptr;
      by_path_.erase(files_.back().path);
      files_.pop_back();
    }
    // No file can take the place of a device.
    const bool in_place = append_ || path.starts_with("/dev/");
    auto writer = in_place ? create(path, runtime::Files::Mode::append, path, driver_)
                           : create(unfinished(path), runtime::Files::Mode::truncate, path, driver_);
    auto& file = files_.emplace_front(path);
    by_path_[path] = files_.begin();
    if (!in_place) file.unfinished.emplace(file.path, driver_);
    return &file.lineup.emplace(file.path, format_ == Format::ndjson, std::move(writer), driver_);
  }

  /// Gives each its name. One that can't get it keeps no other from its own; then throws what went wrong.
  stage::Task<> finish() {
    std::exception_ptr fault;
    for (auto& file : files_) {
      if (!file.unfinished) continue;
      try {
        co_await file.lineup->sync();  // Or a crash of the machine might leave an empty file under the name.
        file.unfinished->finish();
      } catch (const std::system_error&) {
        fault = std::current_exception();
      }
    }
    if (fault) std::rethrow_exception(fault);
  }

 private:
  static constexpr std::size_t most = 256;
  struct File {
    explicit File(std::string at) : path(std::move(at)) {}
    std::string path;
    std::optional<Unfinished> unfinished;
    std::optional<stage::Lineup> lineup;
  };
  const bool append_;
  const Format format_;
  stage::Driver& driver_;
  std::list<File> files_;  // The last used first.
  std::map<std::string, std::list<File>::iterator> by_path_;
};

stage::Task<> write_lines(const Path& path, bool append, Format format, stage::Driver& driver) {
  OpenFiles files(append, format, driver);
  // That nothing can be written there is told now, not with the first message.
  if (path.constant()) files.open(*path.constant());
  while (auto delivery = co_await driver.receive()) {
    stage::Batch& batch = **delivery;
    const auto shares = deal(path, batch, driver);
    for (std::size_t next = 0; next < shares.size(); ++next) {
      const Share& share = shares[next];
      stage::Lineup* file = nullptr;
      stage::Failure why(stage::Reason::full, "too many files at once, " + share.path + " would be one more");
      try {
        file = files.open(share.path);
      } catch (const std::system_error& error) {
        why = {stage::Reason::io, error.what()};
      }
      if (!file) {
        fail_all(share, batch, why, driver);
        continue;
      }
      try {
        add(*file, batch, share.rows, format, driver);
        const std::error_code error = co_await file->write(batch);
        if (error) file->fail_left(batch, error);
      } catch (const runtime::Stopped&) {
        const stage::Failure stopped(stage::Reason::stopped, "stopped before it was written");
        while (++next < shares.size()) fail_all(shares[next], batch, stopped, driver);
        throw;
      }
    }
  }
  co_await files.finish();
}

/// One message as a file that is there whole or not at all.
stage::Task<std::error_code> replace_file(const std::string& path, std::string_view bytes, stage::Driver& driver) {
  std::error_code error;
  try {
    const auto writer = create(unfinished(path), runtime::Files::Mode::truncate, path, driver);
    Unfinished file(path, driver);  // Not before it is ours: a file that is busy is another's.
    co_await writer->write(bytes);
    co_await writer->sync();
    file.finish();
  } catch (const std::system_error& failed) {
    error = failed.code();
  }
  co_return error;
}

stage::Task<> write_each(const Path& path, Format format, stage::Driver& driver) {
  if (path.constant()) {
    // That nothing can be written there is told now, not with the first message.
    const auto writer = create(unfinished(*path.constant()), runtime::Files::Mode::truncate, *path.constant(), driver);
    const Unfinished file(*path.constant(), driver);
  }
  std::string at = path.constant() ? *path.constant() : std::string();
  stage::Patience patience(at, driver);
  while (auto delivery = co_await driver.receive()) {
    stage::Batch& batch = **delivery;
    for (std::size_t row = 0; row < batch.size(); ++row) {
      if (!accept(batch, row, format, driver.out)) continue;
      if (!path.constant()) {
        if (auto failure = path.of(stage::Message(batch, row), at)) {
          driver.out.fail(batch, row, std::move(*failure));
          continue;
        }
      }
      std::error_code error = co_await replace_file(at, batch.payload(row), driver);
      while (stage::disk_full(error)) {
        try {
          co_await patience.wait();
        } catch (const runtime::Stopped&) {
          for (; row < batch.size(); ++row) {
            driver.out.fail(batch, row, {stage::Reason::io, "cannot write " + at + ": " + error.message()});
          }
          throw;
        }
        error = co_await replace_file(at, batch.payload(row), driver);
      }
      patience.over();
      if (error) {
        driver.out.fail(batch, row, {stage::Reason::io, "cannot write " + at + ": " + error.message()});
      } else {
        driver.out.pass(batch, row);
      }
    }
  }
}

stage::Task<> write_file(const FileConfig& config, stage::Driver& driver) {
  const config::Template& written = config.write ? *config.write : *config.append;
  const Path path(written, driver);
  const Format format = format_of(config, written.text());
  if (format == Format::json || format == Format::whole) {
    co_await write_each(path, format, driver);
  } else {
    co_await write_lines(path, config.append.has_value(), format, driver);
  }
}

const stage::Register registered(spec, [](auto config) {
  auto configured = config->read ? stage::source_of(config, read_file) : stage::sink_of(config, write_file);
  configured.touches = stage::Touches::fs;
  configured.goes_to = config->write ? config->write : config->append;
  return configured;
});

}  // namespace
}  // namespace weir::stages
