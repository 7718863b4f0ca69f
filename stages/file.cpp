// file: reads a file message by message, or writes messages to one.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "engine/message/document.hpp"
#include "engine/message/json.hpp"
#include "engine/runtime/files.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

using namespace std::chrono_literals;

enum class Format : std::uint8_t { lines, ndjson, json, whole };

struct FileConfig {
  std::optional<std::string> read, follow;
  std::optional<config::Template> write, append;
  std::optional<Format> format;
  std::optional<config::Duration> every;
  config::Size max_message{16 * 1024 * 1024};
};

Format format_of(const FileConfig& config, std::string_view path) {
  if (config.format) return *config.format;
  if (path.ends_with(".ndjson") || path.ends_with(".jsonl")) return Format::ndjson;
  if (path.ends_with(".json")) return Format::json;
  return Format::lines;
}

void verify_output(const config::Template& path, const char* role, config::Written& written) {
  if (!path.constant()) {
    written.error(role, "a path that each message fills in comes with a later version of weir", "name one file");
  } else if (path.text().empty()) {
    written.error(role, "the path is empty");
  }
}

void verify(const FileConfig& config, config::Written& written) {
  if (config.follow) {
    written.error("follow", "`follow` comes with a later version of weir", "`read` with `every` reads a file again");
  }
  if (config.read && config.read->empty()) written.error("read", "the path is empty");
  if (config.write) verify_output(*config.write, "write", written);
  if (config.append) verify_output(*config.append, "append", written);
  const char* role = config.read ? "read" : config.write ? "write" : "append";
  const std::string path = config.read     ? *config.read
                           : config.write  ? config.write->text()
                           : config.append ? config.append->text()
                                           : std::string();
  if (!config.format && path.ends_with(".csv")) {
    written.error(role, "csv comes with a later version of weir", "`format: lines` takes each line as text");
  }
  const Format format = format_of(config, path);
  if (config.append && (format == Format::json || format == Format::whole)) {
    written.error(config.format ? "format" : role, "`append` adds lines", "write `format: ndjson` or `format: lines`");
  }
}

const auto spec =
    config::Spec<FileConfig>("file", "Reads a file message by message, or writes messages to one.")
        .role("read", &FileConfig::read, "Path of the file to read.", config::sample("orders.ndjson"))
        .role("follow", &FileConfig::follow, "Comes with a later version.", config::sample("app.log"))
        .role("write", &FileConfig::write, "Path of the file to make anew. It appears when all is written.",
              config::sample("large.ndjson"))
        .role("append", &FileConfig::append, "Path of the file to add lines to.", config::sample("log.ndjson"))
        .field("format", &FileConfig::format,
               "lines: each line is a message. ndjson: each line is JSON. json: the file is one JSON value. whole: the "
               "file is one message, whatever it holds. Left out, the name's ending says it: .ndjson and .jsonl, .json, "
               "else lines.",
               config::one_of({{"lines", Format::lines},
                               {"ndjson", Format::ndjson},
                               {"json", Format::json},
                               {"whole", Format::whole}}))
        .field("every", &FileConfig::every, "Reads the file again after this time, the first time at once.",
               config::above(0), config::sample("1s"))
        .only_with("read")
        .field("max_message", &FileConfig::max_message, "A longer line, or file, fails (size).", config::above(0),
               config::at_most(1024.0 * 1024 * 1024))
        .only_with("read")
        .details("Paths start at the working directory. Written with json or whole, each message is a file of its own "
                 "that takes the place of the one before. A message is done when its bytes are written. While the disk "
                 "is full, messages wait.")
        .example("file: {read: orders.ndjson}")
        .example("file: {read: /proc/loadavg, every: 1s}")
        .example("file: {write: large.ndjson}")
        .example("file: {append: notes.txt, format: lines}")
        .verify(verify);

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// --------------------------------------------------------------------------------------------------------------- read

std::unique_ptr<runtime::Reader> open(const std::string& path, stage::Source& source) {
  try {
    return source.core.files().open(path);
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), "file: cannot read " + path);
  }
}

/// What is shown of a message that is too long.
constexpr std::size_t shown_bytes = 1024;

void refuse_size(stage::Source& source, std::string_view bytes, const FileConfig& config,
                 std::optional<std::int64_t> line) {
  stage::Failure why(stage::Reason::size, std::string(line ? "the line" : "the file") + " is longer than max_message, " +
                                              config::show(config.max_message) + "; this is its beginning");
  why.line = line;
  source.refuse(bytes.substr(0, shown_bytes), std::move(why));
}

/// Makes messages of lines as they are found.
class Lines {
 public:
  Lines(const FileConfig& config, Format format, stage::Source& source)
      : config_(config), format_(format), source_(source), entered_(source.core.now()) {}

  /// A line is longer than may be. It is refused, and what is still to come of it passed over.
  bool refuse_if_long(std::string_view begin) {
    if (begin.size() <= config_.max_message.bytes + 1) return false;  // One for a carriage return.
    if (!skipping_) refuse_size(source_, begin, config_, line_ + 1);
    skipping_ = true;
    return true;
  }
  bool skipping() const { return skipping_; }

  /// A whole line, without its end. It lies in the arena.
  void put(const message::ArenaRef& arena, std::string_view line) {
    ++line_;
    if (std::exchange(skipping_, false)) return;
    if (line_ == 1 && line.starts_with(byte_order_mark)) line.remove_prefix(byte_order_mark.size());
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > config_.max_message.bytes) return refuse_size(source_, line, config_, line_);
    if (format_ == Format::ndjson) {
      if (line.find_first_not_of(" \t") == line.npos) return;  // Between two values there may be empty lines.
      if (const auto error = message::check_json_padded(line)) {
        stage::Failure why(stage::Reason::decode,
                           "not JSON: " + error->what + ", byte " + std::to_string(error->offset + 1) + " of the line");
        why.line = line_;
        return source_.refuse(line, std::move(why));
      }
    }
    source_.out.emit_shared(stage::main_port, arena, line, entered_);
  }

  void look_at_clock() { entered_ = source_.core.now(); }

 private:
  const FileConfig& config_;
  const Format format_;
  stage::Source& source_;
  stage::Time entered_;
  std::int64_t line_ = 0;  // The last one seen, from 1.
  bool skipping_ = false;  // Inside a line that was refused.
};

stage::Task<> read_lines(const FileConfig& config, Format format, runtime::Reader& reader, stage::Source& source) {
  Lines lines(config, format, source);
  const bool never_waits = reader.size().has_value();
  message::ArenaRef arena;
  std::string_view rest;  // The beginning of a line whose end is still to be read; it lies in the arena.
  for (bool ended = false; !ended && !source.abandoned();) {
    // A new arena each time: what was sent on may be read on another core while more is read here.
    auto next = message::ArenaRef::make(std::max(message::arena_bytes, 2 * rest.size()));
    if (!rest.empty()) std::memcpy(next->end(), rest.data(), rest.size());
    next->commit(rest.size());
    arena = std::move(next);
    const std::span<char> room(arena->end(), arena->room());
    const std::size_t size = co_await reader.read(room);
    arena->commit(size);
    source.read_bytes += size;
    ended = size == 0;
    lines.look_at_clock();

    const char* begin = arena->data();
    const char* const end = arena->end();
    const char* look = begin + rest.size();
    while (const auto* newline = static_cast<const char*>(std::memchr(look, '\n', static_cast<std::size_t>(end - look)))) {
      lines.put(arena, {begin, static_cast<std::size_t>(newline - begin)});
      begin = look = newline + 1;
      if (source.full()) {
        co_await source.flush();
        lines.look_at_clock();
      }
    }
    rest = {begin, static_cast<std::size_t>(end - begin)};
    if (ended && !rest.empty()) lines.put(arena, rest);
    if (lines.refuse_if_long(rest) || lines.skipping()) rest = {};
    // The next read may wait, for a pipe's writer. And where all was refused others must still get their turn.
    if (!never_waits || !source.out.pending()) co_await source.flush();
  }
}

stage::Task<> read_whole(const FileConfig& config, Format format, runtime::Reader& reader, stage::Source& source) {
  const std::size_t most = config.max_message.bytes;
  const std::size_t expected = std::min<std::uint64_t>(reader.size().value_or(0), most);
  auto arena = message::ArenaRef::make(expected + 1);  // One more, so that the end is seen without growing.
  for (;;) {
    if (arena->room() == 0) {
      auto larger = message::ArenaRef::make(std::min(2 * arena->used(), most + 1));
      std::memcpy(larger->end(), arena->data(), arena->used());
      larger->commit(arena->used());
      arena = std::move(larger);
    }
    const std::span<char> room(arena->end(), arena->room());
    const std::size_t size = co_await reader.read(room);
    if (size == 0) break;
    arena->commit(size);
    source.read_bytes += size;
    if (arena->used() > most) {
      refuse_size(source, {arena->data(), arena->used()}, config, std::nullopt);
      co_return;
    }
  }
  std::string_view text(arena->data(), arena->used());
  if (format == Format::json) {
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    if (text.empty()) co_return;
    if (const auto error = message::check_json_padded(text)) {
      stage::Failure why(stage::Reason::decode, "not JSON: " + error->what);
      why.line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(error->offset), '\n');
      source.refuse(text, std::move(why));
      co_return;
    }
  }
  source.emit_shared(arena, text);
}

stage::Task<> read_once(const FileConfig& config, runtime::Reader& reader, stage::Source& source) {
  const Format format = format_of(config, *config.read);
  if (format == Format::lines || format == Format::ndjson) {
    co_await read_lines(config, format, reader, source);
  } else {
    co_await read_whole(config, format, reader, source);
  }
}

stage::Task<> read_every(const FileConfig& config, stage::Source& source) {
  const stage::Duration period = *config.every;
  stage::Time due = source.core.now();
  auto reader = open(*config.read, source);  // Missing from the start: a mistake. Missing later: it happens.
  while (!source.abandoned()) {
    if (reader) co_await read_once(config, *reader, source);
    reader.reset();
    // What falls due while the last one is still being sent on is left out.
    due += period * std::max<std::int64_t>(1, (source.core.now() - due + period - 1ns) / period);
    co_await source.sleep_until(due);
    try {
      reader = open(*config.read, source);
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
  const auto reader = open(*config.read, source);
  source.all_bytes = reader->size().value_or(0);
  co_await read_once(config, *reader, source);
}

// -------------------------------------------------------------------------------------------------------------- write

/// What a file is called until it is whole. In the same folder, so that renaming it is one step.
std::string unfinished(const std::string& path) { return path + ".part"; }

bool disk_full(const std::error_code& error) {
  return error == std::errc::no_space_on_device || error == std::error_code(EDQUOT, std::generic_category()) ||
         error == std::error_code(EDQUOT, std::system_category());
}

bool is_json(stage::Batch& batch, std::size_t row) {
  if (auto* document = batch.document_if_any(row)) return document->valid();
  return !message::check_json_padded(batch.payload(row));
}

/// The row may be written in this format. Where not, it has failed.
bool accept(stage::Batch& batch, std::size_t row, Format format, stage::Output& out) {
  if (format != Format::ndjson && format != Format::json) return true;
  if (is_json(batch, row)) return true;
  out.fail(batch, row, {stage::Reason::decode, "the payload is no JSON; `format: lines` would write it as it is"});
  return false;
}

/// Waits for room on a full disk, longer each time. What waits holds its places, so the sources wait as well.
class Patience {
 public:
  Patience(const std::string& path, stage::Driver& driver) : path_(path), driver_(driver) {}

  stage::Task<> wait() {
    if (pause_ == shortest) {
      driver_.log(observe::Level::warn, "the disk is full: messages wait until there is room", {{"path", path_}});
    }
    const stage::Duration pause = pause_;
    pause_ = std::min(pause_ * 2, longest);
    co_await driver_.core.sleep(pause);
  }
  void over() {
    if (pause_ == shortest) return;
    pause_ = shortest;
    driver_.log(observe::Level::info, "the disk has room again", {{"path", path_}});
  }

 private:
  static constexpr stage::Duration shortest = 100ms, longest = 5s;
  const std::string& path_;
  stage::Driver& driver_;
  stage::Duration pause_ = shortest;
};

/// A file of lines that messages are added to.
class Lineup {
 public:
  Lineup(const std::string& path, Format format, std::unique_ptr<runtime::Writer> writer, stage::Driver& driver)
      : path_(path), format_(format), writer_(std::move(writer)), driver_(driver), patience_(path, driver) {}

  /// Writes the rows and gives each its verdict.
  stage::Task<> add(stage::Batch& batch) {
    gather(batch);
    std::size_t begin = 0;  // What comes before is in the file, in whole lines.
    for (std::size_t next = 0; next < ends_.size();) {
      std::error_code error;
      try {
        const std::span<const char> left(bytes_.data() + begin, bytes_.size() - begin);
        co_await writer_->write(left);
      } catch (const std::system_error& failed) {
        error = failed.code();
      }
      const std::size_t written = error ? begin + writer_->written() : bytes_.size();
      for (; next < ends_.size() && ends_[next].bytes <= written; ++next) {
        begin = ends_[next].bytes;
        driver_.out.pass(batch, ends_[next].row);
      }
      if (!error) break;
      cut(written - begin);
      if (!disk_full(error)) {
        fail(batch, next, error);
        co_return;
      }
      try {
        co_await patience_.wait();
      } catch (const runtime::Stopped&) {
        fail(batch, next, error);
        throw;
      }
    }
    patience_.over();
  }

  stage::Task<> sync() { return writer_->sync(); }

 private:
  struct End {
    std::size_t row;
    std::size_t bytes;  // Of bytes_, up to the end of the row's line.
  };

  void gather(stage::Batch& batch) {
    bytes_.clear();
    ends_.clear();
    for (std::size_t row = 0; row < batch.size(); ++row) {
      if (!accept(batch, row, format_, driver_.out)) continue;
      const std::size_t begin = bytes_.size();
      bytes_ += batch.payload(row);
      if (format_ == Format::ndjson) {
        // A line break in JSON is white space: a string can't hold one.
        std::replace_if(bytes_.begin() + static_cast<std::ptrdiff_t>(begin), bytes_.end(),
                        [](char c) { return c == '\n' || c == '\r'; }, ' ');
      }
      bytes_ += '\n';
      ends_.push_back({row, bytes_.size()});
    }
  }

  /// Takes a half-written line off the end. What is no regular file has no end to cut.
  void cut(std::size_t bytes) {
    const std::uint64_t size = writer_->size();
    if (bytes > 0 && size >= bytes) writer_->truncate(size - bytes);
  }

  void fail(stage::Batch& batch, std::size_t next, const std::error_code& error) {
    for (; next < ends_.size(); ++next) {
      driver_.out.fail(batch, ends_[next].row, {stage::Reason::io, "cannot write " + path_ + ": " + error.message()});
    }
  }

  const std::string& path_;
  const Format format_;
  std::unique_ptr<runtime::Writer> writer_;
  stage::Driver& driver_;
  Patience patience_;
  std::string bytes_;      // Of one delivery; reused.
  std::vector<End> ends_;  // Of the rows that are to be written.
};

std::unique_ptr<runtime::Writer> create(const std::string& path, runtime::Files::Mode mode, const std::string& meant,
                                        stage::Driver& driver) {
  try {
    if (driver.core.files().is_directory(meant)) {
      throw std::system_error(std::make_error_code(std::errc::is_a_directory));
    }
    return driver.core.files().create(path, mode);
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), "file: cannot write " + meant);
  }
}

/// A file that is not finished, removed unless it was renamed.
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

 private:
  const std::string& path_;
  stage::Driver& driver_;
  bool finished_ = false;
};

stage::Task<> add_all(Lineup& lineup, stage::Driver& driver) {
  while (auto delivery = co_await driver.receive()) co_await lineup.add(**delivery);
}

stage::Task<> append_lines(const std::string& path, Format format, stage::Driver& driver) {
  auto writer = create(path, runtime::Files::Mode::append, path, driver);
  Lineup lineup(path, format, std::move(writer), driver);
  co_await add_all(lineup, driver);
}

stage::Task<> write_lines(const std::string& path, Format format, stage::Driver& driver) {
  auto writer = create(unfinished(path), runtime::Files::Mode::truncate, path, driver);
  Unfinished file(path, driver);
  Lineup lineup(path, format, std::move(writer), driver);
  co_await add_all(lineup, driver);
  co_await lineup.sync();  // Or a crash of the machine might leave an empty file under the name.
  file.finish();
}

/// One message as a file that is there whole or not at all.
stage::Task<std::error_code> replace_file(const std::string& path, std::string_view bytes, stage::Driver& driver) {
  std::error_code error;
  try {
    Unfinished file(path, driver);
    const auto writer = driver.core.files().create(unfinished(path), runtime::Files::Mode::truncate);
    co_await writer->write(bytes);
    co_await writer->sync();
    file.finish();
  } catch (const std::system_error& failed) {
    error = failed.code();
  }
  co_return error;
}

stage::Task<> write_each(const std::string& path, Format format, stage::Driver& driver) {
  {
    // That nothing can be written there is told now, not with the first message.
    const Unfinished file(path, driver);
    create(unfinished(path), runtime::Files::Mode::truncate, path, driver);
  }
  Patience patience(path, driver);
  while (auto delivery = co_await driver.receive()) {
    stage::Batch& batch = **delivery;
    for (std::size_t row = 0; row < batch.size(); ++row) {
      if (!accept(batch, row, format, driver.out)) continue;
      std::error_code error = co_await replace_file(path, batch.payload(row), driver);
      while (disk_full(error)) {
        try {
          co_await patience.wait();
        } catch (const runtime::Stopped&) {
          for (; row < batch.size(); ++row) {
            driver.out.fail(batch, row, {stage::Reason::io, "cannot write " + path + ": " + error.message()});
          }
          throw;
        }
        error = co_await replace_file(path, batch.payload(row), driver);
      }
      patience.over();
      if (error) {
        driver.out.fail(batch, row, {stage::Reason::io, "cannot write " + path + ": " + error.message()});
      } else {
        driver.out.pass(batch, row);
      }
    }
  }
}

stage::Task<> write_file(const FileConfig& config, stage::Driver& driver) {
  const std::string path = config.write ? config.write->text() : config.append->text();
  const Format format = format_of(config, path);
  if (format == Format::json || format == Format::whole) {
    co_await write_each(path, format, driver);
  } else if (config.append || path.starts_with("/dev/")) {  // No file can take the place of a device.
    co_await append_lines(path, format, driver);
  } else {
    co_await write_lines(path, format, driver);
  }
}

const stage::Register registered(spec, [](auto config) {
  auto configured = config->read ? stage::source_of(config, read_file) : stage::sink_of(config, write_file);
  configured.touches = stage::Touches::fs;
  return configured;
});

}  // namespace
}  // namespace weir::stages
