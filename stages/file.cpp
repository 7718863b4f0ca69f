// file: reads a file message by message, or writes messages to one.
#include <algorithm>
#include <deque>
#include <system_error>

#include "engine/io/compress.hpp"
#include "engine/io/glob.hpp"
#include "engine/runtime/files.hpp"
#include "engine/script/text.hpp"
#include "engine/stage/follow.hpp"
#include "engine/stage/intake.hpp"
#include "engine/stage/kind.hpp"
#include "engine/stage/records.hpp"
#include "engine/stage/ticks.hpp"
#include "engine/stage/written_files.hpp"

namespace weir::stages {
namespace {

using namespace std::chrono_literals;

using stage::Format;

/// Where a file that is followed is begun the very first time.
enum class Start : std::uint8_t { beginning, end };

struct FileConfig {
  std::optional<std::string> read, follow;
  std::optional<config::Template> write, append;
  std::optional<Format> format;
  config::Map<std::string> types;
  std::optional<config::Duration> every;
  config::Duration poll{250ms};
  Start start = Start::beginning;
  std::vector<std::string> columns;
  std::optional<io::Delimiter> delimiter;
  std::optional<io::Compression> compress;
  std::string fsync = "never";
  std::optional<stage::Rotation> rotate;
  config::Size max_message{16 * 1024 * 1024};
};

/// None where a mistake has been found.
const std::optional<config::Template>& written_path(const FileConfig& config) {
  return config.write ? config.write : config.append;
}

io::Compression compression_of(const FileConfig& config, std::string_view path) {
  return config.compress.value_or(io::compression_of(path));
}

Format format_of(const FileConfig& config, std::string_view path) {
  if (config.format) return *config.format;
  path = io::without_compression(path);
  if (io::ends_in(path, ".ndjson") || io::ends_in(path, ".jsonl")) return Format::ndjson;
  if (io::ends_in(path, ".json")) return Format::json;
  if (io::ends_in(path, ".csv") || io::ends_in(path, ".tsv")) return Format::csv;
  return Format::lines;
}

char delimiter_of(const FileConfig& config, std::string_view path) {
  const bool tabs = io::ends_in(io::without_compression(path), ".tsv");
  return static_cast<char>(config.delimiter.value_or(tabs ? io::Delimiter::tab : io::Delimiter::comma));
}

stage::RecordRules rules_of(const FileConfig& config, std::string_view path) {
  return {config.types, delimiter_of(config, path), config.columns};
}

/// `fsync: never | always | DURATION`; nothing where it is none of these.
std::optional<stage::Durability> durability_of(const std::string& fsync) {
  stage::Durability durability;
  durability.always = fsync == "always";
  if (durability.always || fsync == "never") return durability;
  durability.every = config::parse_duration(fsync);
  return durability.every ? std::optional(durability) : std::nullopt;
}

void verify(const FileConfig& config, config::Written& written) {
  const bool reads = config.read || config.follow;
  const char* role = config.read ? "read" : config.follow ? "follow" : config.write ? "write" : "append";
  const std::string path = config.read ? *config.read : config.follow ? *config.follow : written_path(config)->text();
  if (path.empty()) written.error(role, "the path is empty");
  const Format format = format_of(config, path);
  const char* const said = config.format ? "format" : role;
  if (reads) stage::check_reading(format, rules_of(config, path), written);
  if (config.follow && format != Format::lines && format != Format::ndjson && format != Format::logfmt) {
    written.error(said, "`follow` reads lines, each by itself",
                  "write `format: lines`, `format: ndjson` or `format: logfmt`");
  }
  if (config.append && (format == Format::json || format == Format::whole)) {
    written.error(config.format ? "format" : role, "`append` adds lines", "write `format: ndjson` or `format: lines`");
  }
  if (config.follow && compression_of(config, path) != io::Compression::none) {
    written.error(role, "a compressed file does not grow line by line", "`read` reads it");
  }
  if (!config.columns.empty() && format != Format::csv) {
    written.error("columns", "only csv has columns");
  }
  if (!reads) stage::check_columns(config.columns, written);
  if (config.delimiter && format != Format::csv) written.error("delimiter", "only csv has a delimiter");
  if (!durability_of(config.fsync)) {
    written.error("fsync", "expected never, always or a duration, found '" + config.fsync + "'", "such as 1s");
  }
}

const auto rotate_spec =
    config::Spec<stage::Rotation>("rotate", "When a file is put aside.")
        .field("size", &stage::Rotation::size,
               "Before a line that would make it longer than this. Of a compressed file its bytes on the disk count, "
               "and what is still to be added to them as long as it is before it is compressed: so it stays shorter.",
               config::above(0), config::sample("100MiB"))
        .field("every", &stage::Rotation::every,
               "With the first message after each step of this length, counted from 1970 in UTC: `1d` is midnight.",
               config::above(0), config::sample("1d"))
        .field("keep", &stage::Rotation::keep, "So many of those that were put aside; the oldest are removed.",
               config::at_least(0), config::sample("7"))
        .some_of({"size", "every"}, "when?", "say `size: 100MiB` or `every: 1d`");

const auto spec =
    config::Spec<FileConfig>("file", "Reads a file message by message, or writes messages to one.")
        .role("read", &FileConfig::read,
              "Path of the file to read. With `*`, `?` or `[ ]`: all files that match, in order of name. `**` as a "
              "part of its own stands for any folders on the way, or none.",
              config::sample("orders.ndjson"))
        .role("follow", &FileConfig::follow,
              "Path of the file to read as it grows, as `tail -F` does, or a pattern of several. It goes on where it "
              "was when weir is started again.",
              config::sample("app.log"))
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
            ".csv and .tsv, else lines. csv: the first record names the fields, each further one is an object. logfmt: "
            "each line is an object. envelope: each line is an object of `failed`, `meta` and `text` (or `base64`, of "
            "bytes that are no text), to keep what failed and can be sent again: what is read of it is the payload, "
            "with its `meta`.",
            stage::formats())
        .field("types", &FileConfig::types,
               "Of the fields of csv and logfmt, those that are not text: integer, number or boolean. An empty one is "
               "null. What does not fit, and what is not UTF-8, fails (decode).",
               config::sample("{id: integer}"))
        .only_with("read", "follow")
        .field("every", &FileConfig::every,
               "Reads the file again after this time, the first time at once. While what was read is not taken, it is "
               "not read again; each time is counted as dropped (slow).",
               config::above(0), config::sample("1s"))
        .only_with("read")
        .field("max_message", &FileConfig::max_message, "A longer line, or file, fails (size).", config::above(0),
               config::at_most(1024.0 * 1024 * 1024))
        .only_with("read", "follow")
        .field("poll", &FileConfig::poll, "How often is looked for what has come.", config::above(0))
        .only_with("follow")
        .field("start", &FileConfig::start,
               "Where what is there the very first time is begun. What appears later is always read from its "
               "beginning.",
               config::one_of({{"beginning", Start::beginning}, {"end", Start::end}}))
        .only_with("follow")
        .field(
            "columns", &FileConfig::columns,
            "Of csv. With read: the fields, where the first record does not name them but is one like the others. "
            "With write and append: the fields that are written, in this order, and no others; left out, those of the "
            "first record of the file, or of the first message, and a message with others fails (type). What is "
            "missing or null is empty.",
            config::sample("[id, name, amount]"))
        .distinct()
        .only_with("read", "write", "append")
        .field(
            "delimiter", &FileConfig::delimiter,
            "Of csv: what stands between the fields. Left out, it is a tab where the name ends in .tsv, else a comma.",
            stage::delimiters())
        .only_with("read", "write", "append")
        .field("compress", &FileConfig::compress,
               "What is read or written is compressed. Left out, the name's ending says it: .gz, .zst, else none.",
               config::one_of(
                   {{"none", io::Compression::none}, {"gzip", io::Compression::gzip}, {"zstd", io::Compression::zstd}}))
        .only_with("read", "write", "append")
        .field(
            "fsync", &FileConfig::fsync,
            "never: a message is done when the system has its bytes; they outlive weir, not a loss of power. always: "
            "it is done when they are on the disk. A duration: done as with never, and on the disk so much later at "
            "the most. A file that is written anew is on the disk before it gets its name, whatever stands here.",
            config::sample("1s"))
        .only_with("write", "append")
        .group("rotate", &FileConfig::rotate, rotate_spec,
               "Puts the file aside as `NAME-TIME.ENDING` and begins a new one.")
        .only_with("append")
        .details(
            "Paths start at the working directory. Where a path is a pattern, `meta.file` is the file that a message "
            "came from. A pattern that no file matches is a mistake, as a missing file is; with `every` it is not. "
            "A path that stands there as written is no pattern. `failed.line` is the line that a message was "
            "read from, wherever it fails, but for json, whole and envelope.\n"
            "What is followed may not be there yet, be renamed or removed, or be cut and begun anew. A file that has "
            "lost its name is read on, before the one that took its place, until nothing has come for 5 s. Where it is "
            "copied before it is cut (`copytruncate`) and the pattern finds the copy, of that only what comes behind "
            "what was read is read. Half a line is no message until its end has come. How far was read is kept in "
            "`weir-data/PIPELINE/STAGE.positions` (see `run: {data}`), and only of messages that are done or have "
            "failed for good: when weir is killed the last ones come again, and none is lost. A file is known again by "
            "its number on the disk and its first 1,024 bytes. Without that file of positions all is begun again. "
            "Beside it stands a `.lock`: a second weir with the same one does not start.\n"
            "Written with json or whole, each message is a file of its own that takes the place of the one before. A "
            "message is done when its bytes are written: what stands in NAME.part when weir is killed, or when the "
            "stage fails, nobody sends again, so it is put aside as NAME-TIME.part when the file is begun anew. While "
            "the disk is full, messages wait. A compressed file that is added to is read through first. To one that is "
            "damaged, and to a file of CSV whose columns are not those of `columns`, nothing is added. Where weir is "
            "killed in the middle of a write, half a line may stay, which is ended before anything is added. A file "
            "that somebody else renames meanwhile is written on, whatever it is called: `rotate` puts it aside here, "
            "and what copies a file and empties it does as well. One that is added to and that somebody removes is "
            "begun anew by the next message, where another has taken its place that one is added to, and the log says "
            "so.\n"
            "Directories that are missing on the way to a file are made. What a message fills into a path stays below "
            "the directory that is written before its first `{{`; a path that would leave it fails (type). No more "
            "than 256 files are written at "
            "once: a message for one more fails (full). Of those appended to the longest unused is closed.")
        .example("file: {read: orders.ndjson}")
        .example("file: {read: /proc/loadavg, every: 1s}")
        .example("file: {read: orders.csv, types: {id: integer, amount: number}}")
        .example("file: {read: orders.csv, delimiter: semicolon}")
        .example("file: {read: plain.csv, columns: [id, name, amount]}")
        .example("file: {read: 'logs/*.ndjson'}")
        .example("file: {follow: '/var/log/nginx/*.log', start: end}")
        .example("file: {write: large.ndjson}")
        .example("file: {append: dead.ndjson, format: envelope}")
        .example("file: {append: notes.txt, format: lines}")
        .example("file: {append: events.ndjson, rotate: {size: 100MiB, every: 1d, keep: 7}, fsync: 1s}")
        .example("file: {write: sums.csv.gz, columns: [customer, total]}")
        .example("file: {write: 'pages/{{ msg.id }}.html', format: whole}")
        .verify(verify);

// --------------------------------------------------------------------------------------------------------------- read

/// What the role names: one file, or all that match, in order of name.
std::vector<std::string> paths_of(const std::string& pattern, stage::Source& source) {
  const auto refuse = [&](const std::string& path, const std::system_error& error) {
    stage::refuse_unseen(source, path, error);
  };
  try {
    return io::glob(source.core.files(), pattern, refuse);
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

/// As much of a file as there was when it was opened. Who reads what failed may add to the same file what fails again.
class AsItWas final : public runtime::Reader {
 public:
  AsItWas(std::unique_ptr<runtime::Reader> reader, std::uint64_t bytes) : reader_(std::move(reader)), left_(bytes) {}
  stage::Task<std::size_t> read(std::span<char> into) override {
    if (left_ == 0) co_return 0;
    const std::span<char> room = into.first(std::min<std::uint64_t>(into.size(), left_));
    const std::size_t size = co_await reader_->read(room);
    left_ -= size;
    co_return size;
  }
  std::optional<std::uint64_t> size() const override { return reader_->size(); }
  std::optional<runtime::FileStatus> status() const override { return reader_->status(); }
  void seek(std::uint64_t offset) override { reader_->seek(offset); }

 private:
  const std::unique_ptr<runtime::Reader> reader_;
  std::uint64_t left_;
};

stage::Intake intake_of(const FileConfig& config) {
  return {format_of(config, *config.read), config.max_message, "the file", rules_of(config, *config.read)};
}

/// Reads them one after the other. That one can't be read fails nothing but itself, unless it is the first that can't
/// be opened, or the only one.
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
    if (const auto size = reader->size(); size && format_of(config, *config.read) == Format::envelope) {
      reader = std::make_unique<AsItWas>(std::move(reader), *size);
    }
    reader = io::decompress(compression_of(config, path), std::move(reader), "file: " + path);
    try {
      co_await intake.read(*reader, source);
    } catch (const std::system_error& error) {
      if (paths.size() == 1 && !config.every) throw;
      source.refuse({}, {stage::Reason::io, error.what()});
    }
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

stage::Task<> follow_file(const FileConfig& config, stage::Source& source) {
  stage::FollowSetting setting{*config.follow,     format_of(config, *config.follow),
                               config.max_message, rules_of(config, *config.follow),
                               config.poll,        config.start == Start::end};
  co_await stage::follow(std::move(setting), source);
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
    if (compression_of(config, path) != io::Compression::none) {  // How much will come of it is not known.
      source.all_bytes = 0;
      break;
    }
    if (const auto status = source.core.files().status(path)) source.all_bytes += status->size;
  }
  co_await read_all(paths, config, source, true);
}

// -------------------------------------------------------------------------------------------------------------- write

/// The row may be written in this format. Where not, it has failed.
bool accept(stage::Batch& batch, std::size_t row, Format format, stage::Output& out) {
  if (format != Format::json) return true;
  if (batch.is_json(row)) return true;
  out.fail(batch, row, {stage::Reason::decode, "the payload is no JSON; `format: whole` would write it as it is"});
  return false;
}

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

/// Messages that go to one file.
struct Share {
  std::string path;
  std::vector<stage::Message> messages;
  void add(stage::Delivery& delivery) {
    stage::Batch& batch = *delivery;
    for (std::size_t row = 0; row < batch.size(); ++row) messages.emplace_back(batch, row);
  }
};

/// Deals the messages out by their paths, in the order in which those first come. What has none fails.
std::vector<Share> deal(const Path& path, stage::Deliveries& deliveries, stage::Driver& driver) {
  std::vector<Share> shares;
  std::unordered_map<std::string, std::size_t> index;
  std::string filled;
  for (auto& delivery : deliveries) {
    stage::Batch& batch = *delivery;
    for (std::size_t row = 0; row < batch.size(); ++row) {
      const stage::Message message(batch, row);
      if (auto failure = path.of(message, filled)) {
        driver.out.fail(message, std::move(*failure));
        continue;
      }
      const std::size_t share = index.try_emplace(filled, shares.size()).first->second;
      if (share == shares.size()) shares.push_back({filled, {}});
      shares[share].messages.push_back(message);
    }
  }
  return shares;
}

void fail_all(const Share& share, const stage::Failure& why, stage::Driver& driver) {
  for (const auto& message : share.messages) driver.out.fail(message, why);
}

void fail_stopped(const Share& share, stage::Driver& driver) {
  fail_all(share, {stage::Reason::stopped, "stopped before it was written"}, driver);
}

/// While the disk has no room for one more it waits.
stage::Task<stage::WrittenFiles::File*> open_patiently(stage::WrittenFiles& files, const std::string& path,
                                                       stage::Driver& driver) {
  stage::Patience patience(path, driver);
  for (;; co_await patience.wait()) {
    try {
      auto* const file = co_await files.open(path);
      patience.over();
      co_return file;
    } catch (const std::system_error& error) {
      if (!stage::disk_full(error.code())) throw;
    }
  }
}

/// The file that they went to; null: they have failed, since there is none for them.
stage::Task<stage::WrittenFiles::File*> write_share(stage::WrittenFiles& files, const Share& share,
                                                    stage::Extent extent, stage::Driver& driver) {
  stage::WrittenFiles::File* file = nullptr;
  stage::Failure why(stage::Reason::full,
                     "too many files at once, " + share.path + " would be one more; `append` closes one for another");
  why.lasts = true;
  try {
    file = co_await open_patiently(files, share.path, driver);
  } catch (const std::system_error& error) {
    why = {stage::Reason::io, error.what()};
  } catch (const runtime::Stopped&) {
    fail_stopped(share, driver);
    throw;
  }
  if (file) {
    co_await files.write(*file, share.messages, extent);
  } else {
    fail_all(share, why, driver);
  }
  co_return file;
}

/// Each to the file of its name.
stage::Task<> write_shares(stage::WrittenFiles& files, const std::vector<Share>& shares, stage::Driver& driver) {
  for (std::size_t next = 0; next < shares.size(); ++next) {
    try {
      co_await write_share(files, shares[next], stage::Extent::all, driver);
    } catch (const runtime::Stopped&) {
      while (++next < shares.size()) fail_stopped(shares[next], driver);
      throw;
    }
  }
}

/// These and what others on this core bring meanwhile, in whole blocks; the rest when they bring no more.
stage::Task<> write_blocks(stage::WrittenFiles& files, const std::string& path, stage::Deliveries deliveries,
                           stage::Driver& driver) {
  constexpr std::size_t bytes_most = 16 * stage::block_bytes;  // Then what was written is counted.
  std::size_t bytes = 0;
  std::deque<stage::Delivery> held;  // Whose messages are not all written.
  Share share{path, {}};
  for (bool last = false;;) {
    share.messages.clear();
    for (auto& delivery : deliveries) {
      share.add(delivery);
      held.push_back(std::move(delivery));
    }
    const auto* file = co_await write_share(files, share, last ? stage::Extent::all : stage::Extent::blocks, driver);
    if (!file || !file->first_waiting()) co_return;
    while (&*held.front() != file->first_waiting()) held.pop_front();
    const std::size_t missing = file->missing_bytes();
    deliveries = co_await stage::receive_soon(driver, missing);
    std::size_t came = 0;
    for (const auto& delivery : deliveries) came += delivery->live_bytes();
    bytes += came;
    last = came < missing || bytes >= bytes_most;
  }
}

stage::Task<> write_all(const Path& path, stage::WrittenFiles& files, stage::Driver& driver) {
  // That nothing can be written there is told now, not with the first message.
  if (path.constant()) co_await open_patiently(files, *path.constant(), driver);
  while (true) {
    stage::Deliveries deliveries = co_await stage::receive_some(driver);
    if (deliveries.empty()) break;
    if (path.constant()) {
      co_await write_blocks(files, *path.constant(), std::move(deliveries), driver);
    } else {
      const auto shares = deal(path, deliveries, driver);
      co_await write_shares(files, shares, driver);
    }
  }
  co_await files.finish();
}

stage::Task<> write_lines(const Path& path, stage::WritingSetting setting, stage::Driver& driver) {
  stage::WrittenFiles files(std::move(setting), driver);
  std::exception_ptr leaving;
  try {
    co_await write_all(path, files, driver);
  } catch (...) {
    leaving = std::current_exception();
  }
  co_await files.close();
  if (leaving) std::rethrow_exception(leaving);
}

/// One message as a file that is there whole or not at all.
stage::Task<std::error_code> replace_file(const std::string& path, std::string_view bytes, stage::Driver& driver) {
  std::error_code error;
  try {
    const auto writer = stage::create(stage::unfinished(path), runtime::Files::Mode::truncate, path, driver);
    stage::Unfinished file(path, driver);  // Not before it is ours: a file that is busy is another's.
    co_await writer->write(bytes);
    co_await writer->sync();
    file.finish();
  } catch (const std::system_error& failed) {
    error = failed.code();
  }
  co_return error;
}

stage::Task<> write_each(const Path& path, Format format, io::Compression compression, stage::Driver& driver) {
  if (path.constant()) {
    // That nothing can be written there is told now, not with the first message.
    const auto writer =
        stage::create(stage::unfinished(*path.constant()), runtime::Files::Mode::truncate, *path.constant(), driver);
    const stage::Unfinished file(*path.constant(), driver);
  }
  std::string at = path.constant() ? *path.constant() : std::string();
  std::string packed;
  stage::Patience patience(at, driver);
  while (auto delivery = co_await driver.receive()) {
    stage::Batch& batch = **delivery;
    for (std::size_t row = 0; row < batch.size(); ++row) {
      if (!accept(batch, row, format, driver.out)) continue;
      packed.clear();
      if (compression != io::Compression::none) io::compress(compression, batch.payload(row), packed);
      const std::string_view bytes = packed.empty() ? batch.payload(row) : std::string_view(packed);
      if (!path.constant()) {
        if (auto failure = path.of(stage::Message(batch, row), at)) {
          driver.out.fail(batch, row, std::move(*failure));
          continue;
        }
      }
      std::error_code error = co_await replace_file(at, bytes, driver);
      while (stage::disk_full(error)) {
        try {
          co_await patience.wait();
        } catch (const runtime::Stopped&) {
          for (; row < batch.size(); ++row) {
            driver.out.fail(batch, row, {stage::Reason::io, "cannot write " + at + ": " + error.message()});
          }
          throw;
        }
        error = co_await replace_file(at, bytes, driver);
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

/// Whether each message is a file.
bool writes_each(const FileConfig& config) {
  if (!written_path(config)) return false;
  const Format format = format_of(config, written_path(config)->text());
  return format == Format::json || format == Format::whole;
}

stage::Task<> write_file(const FileConfig& config, stage::Driver& driver) {
  const config::Template& written = *written_path(config);
  const Path path(written, driver);
  const Format format = format_of(config, written.text());
  const auto compression = compression_of(config, written.text());
  if (writes_each(config)) {
    co_await write_each(path, format, compression, driver);
    co_return;
  }
  stage::WritingSetting setting;
  setting.append = config.append.has_value();
  setting.format = format;
  setting.columns = config.columns;
  setting.delimiter = delimiter_of(config, written.text());
  setting.compression = compression;
  setting.durability = *durability_of(config.fsync);
  setting.rotation = config.rotate;
  co_await write_lines(path, std::move(setting), driver);
}

const stage::Register registered(spec, [](auto config) {
  auto configured = config->read           ? stage::source_of(config, read_file)
                    : config->follow       ? stage::source_of(config, follow_file)
                    : writes_each(*config) ? stage::sink_of(config, write_file)
                                           : stage::sink_of(config, write_file).in_bulk();
  if (const auto& path = written_path(*config)) {
    const Format format = format_of(*config, path->text());
    configured.looks_inside = !path->constant() || format == Format::csv || format == Format::logfmt;
    configured.writes_json_as = stage::json_of(format);
    configured.makes_anew = config->write && !writes_each(*config);
  }
  configured.touches = stage::Touches::fs;
  configured.goes_to = written_path(*config);
  if (config->append && config->append->constant()) configured.adds_to = config->append->text();
  // (Of envelopes only those are read that were there; what is read whole is read once.)
  const auto& read = config->follow ? config->follow : config->read;
  const auto format = read ? format_of(*config, *read) : Format::lines;
  configured.reads_json_of = stage::json_of(format);
  const bool once =
      format == Format::envelope || ((format == Format::json || format == Format::whole) && !config->every);
  if (read && format == Format::lines) configured.makes = stage::Makes::lines;
  if (read && !once) {
    configured.reads = [pattern = *read](const std::string& path) { return io::matches_path(pattern, path); };
  }
  return configured;
});

}  // namespace
}  // namespace weir::stages
