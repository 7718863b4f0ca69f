#include "engine/stage/written_files.hpp"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "engine/io/csv.hpp"
#include "engine/runtime/rfc3339.hpp"
#include "engine/stage/envelope.hpp"
#include "engine/stage/record_lines.hpp"

namespace weir::stage {
namespace {

/// Where what tells files apart goes: before the last ending, and that of compressed ones.
std::size_t before_ending(const std::string& path) {
  const std::string_view plain = io::without_compression(path);
  const auto slash = plain.rfind('/');
  const auto name = slash == plain.npos ? 0 : slash + 1;
  const auto dot = plain.rfind('.');
  return dot == plain.npos || dot <= name ? plain.size() : dot;
}

constexpr std::string_view a_time = "00000000T000000.000Z";

bool looks_like_a_time(std::string_view text) {
  if (text.size() != a_time.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (a_time[i] == '0' ? !digit : text[i] != a_time[i]) return false;
  }
  return true;
}

std::system_error cannot_add(const std::string& path, const std::string& why) {
  return {std::make_error_code(std::errc::invalid_argument), "file: cannot add to " + path + ": " + why};
}

/// The first record of CSV in the text, without its end; empty where there is none, nothing where it may be cut off.
/// `whole`: the text is all that there is.
std::optional<std::string_view> first_record(std::string_view text, bool whole, char delimiter) {
  io::CsvEnd end(delimiter);
  for (std::size_t begin = 0;;) {  // Of a line.
    const std::size_t line_end = std::min(text.find('\n', begin), text.size());
    end.take(text.substr(begin, line_end - begin));
    const bool last = line_end == text.size();
    if (last && !whole) return std::nullopt;
    if (last || !end.inside()) {
      const std::string_view record = text.substr(0, line_end);
      if (last || (!record.empty() && record != "\r")) return record == "\r" ? std::string_view() : record;
      text.remove_prefix(line_end + 1);
      end.begin_record();
      begin = 0;
    } else {
      begin = line_end + 1;
    }
  }
}

bool lacks_descriptors(const std::system_error& error) {
  return error.code() == std::errc::too_many_files_open || error.code() == std::errc::too_many_files_open_in_system;
}

}  // namespace

std::string unfinished(const std::string& path) { return path + ".part"; }

std::unique_ptr<runtime::Writer> create(const std::string& path, runtime::Files::Mode mode, const std::string& meant,
                                        Driver& driver) {
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

Unfinished::~Unfinished() {
  if (finished_) return;
  try {
    driver_.core.files().remove(unfinished(path_));
  } catch (const std::system_error&) {
    // It is gone already, or stays behind under a name that says what it is.
  }
}

void Unfinished::finish() {
  driver_.core.files().rename(unfinished(path_), path_);
  finished_ = true;
}

void Unfinished::leave() {
  if (std::exchange(finished_, true)) return;
  driver_.log(observe::Level::warn, "stopped before the file was whole; what was written until then stays",
              {{"path", unfinished(path_)}});
}

std::string put_aside_name(const std::string& path, runtime::WallTime at) {
  std::string time = runtime::rfc3339(at);
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  std::string name = path;
  name.insert(before_ending(path), "-" + time);
  return name;
}

std::string WrittenFiles::free_aside_name(const std::string& path) {
  auto& files = driver_.core.files();
  // Always a later one than before, so that the order of the names is that of the files.
  auto at = std::max(driver_.core.wall(), last_aside_ + std::chrono::milliseconds(1));
  std::string aside = put_aside_name(path, at);
  while (files.exists(aside)) aside = put_aside_name(path, at += std::chrono::milliseconds(1));
  last_aside_ = at;
  return aside;
}

WrittenFiles::~WrittenFiles() {
  for (auto& file : files_) {
    if (file.unfinished && file.lineup && file.lineup->holds_messages()) file.unfinished->leave();
  }
}

// ------------------------------------------------------------------------------------------------------------- opening

std::unique_ptr<runtime::Writer> WrittenFiles::make(const std::string& path, bool in_place) {
  using Mode = runtime::Files::Mode;
  if (in_place) return create(path, Mode::append, path, driver_);
  const std::string part = unfinished(path);
  auto writer = create(part, Mode::alone, path, driver_);
  if (writer->size() == 0) return writer;
  // Left by who was killed, or failed: its messages are done, and nobody will send them again.
  try {
    const std::string aside = free_aside_name(part);
    driver_.core.files().rename(part, aside);
    driver_.log(observe::Level::warn, "an earlier run did not finish the file; what it wrote is put aside",
                {{"path", aside}});
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), "file: cannot put aside what an earlier run left, " + part);
  }
  return create(part, Mode::alone, path, driver_);
}

Task<WrittenFiles::File*> WrittenFiles::open(const std::string& path) {
  const auto found = by_path_.find(path);
  if (found != by_path_.end() && !(setting_.append && found->second->lineup->removed())) {
    // Not while they are gone through to be made durable.
    if (const auto pass = gate_.try_enter()) files_.splice(files_.begin(), files_, found->second);
    co_return &*found->second;
  }
  auto pass = co_await gate_.enter();
  // Still there: only this coroutine opens and closes files; who makes them durable erases none.
  if (found != by_path_.end()) {
    driver_.log(observe::Level::warn, "the file was removed; it is begun anew", {{"path", path}});
    files_.erase(found->second);
    by_path_.erase(found);
  }
  if (files_.size() == most) {
    if (!setting_.append) co_return nullptr;
    co_await close_longest_unused();
  }
  // No file can take the place of a device.
  const bool in_place = setting_.append || path.starts_with("/dev/");
  std::unique_ptr<runtime::Writer> writer;
  std::optional<std::vector<std::string>> header;
  while (true) {
    try {
      writer = make(path, in_place);
      if (in_place && writer->size() > 0) {
        if (setting_.format == Format::csv) header = co_await header_of(path);
        co_await end_line(path, *writer);
      }
      break;
    } catch (const std::system_error& error) {
      if (!lacks_descriptors(error) || !setting_.append || files_.empty()) throw;
    }
    writer.reset();
    co_await close_longest_unused();
  }
  auto& file = files_.emplace_front(path);
  by_path_[path] = files_.begin();
  if (!in_place) file.unfinished.emplace(file.path, driver_);
  const Care care{setting_.compression, setting_.durability.always};
  file.lineup.emplace(file.path, setting_.format == Format::ndjson, std::move(writer), driver_, care);
  file.has_header = header.has_value();
  file.name_columns(header && !header->empty() ? std::move(*header) : setting_.columns);
  file.period = period_now();
  co_return &file;
}

Task<> WrittenFiles::close_longest_unused() {
  if (files_.back().dirty && setting_.durability.every) {
    try {
      co_await sync(files_.back());
    } catch (const std::system_error&) {
      fault_ = std::current_exception();  // Of that one: no reason to fail what is for another.
    }
  }
  by_path_.erase(files_.back().path);
  files_.pop_back();
}

/// Half a line may have been left by who was killed while writing it: the next one does not go on with it. Throws where
/// nobody could read what is added.
Task<> WrittenFiles::end_line(const std::string& path, runtime::Writer& writer) {
  const std::uint64_t size = writer.size();
  const bool packed = setting_.compression != io::Compression::none;
  std::unique_ptr<runtime::Reader> reader;
  try {
    reader = driver_.core.files().open(path);
  } catch (const std::system_error& error) {
    if (lacks_descriptors(error)) throw;
    co_return;  // It may be written and not read: who does that knows how it ends.
  }
  if (!packed) reader->seek(size - 1);
  const auto last = co_await io::last_byte(setting_.compression, std::move(reader),
                                           "file: cannot add to " + path + ": it", driver_.core);
  if (!last || *last == '\n') co_return;
  if (setting_.format == Format::csv && co_await ends_between_quotes(path)) {
    throw cannot_add(path, "it ends in the middle of a field");
  }
  std::string line_end;
  io::compress(setting_.compression, "\n", line_end);
  try {
    co_await writer.write(line_end);
  } catch (const std::system_error&) {
    writer.truncate(size);
    throw;
  }
}

/// Of a file of CSV, which is read through for it: what is added would stand in its last field.
Task<bool> WrittenFiles::ends_between_quotes(const std::string& path) {
  const auto reader = io::decompress(setting_.compression, driver_.core.files().open(path), "file: " + path);
  io::CsvEnd end(setting_.delimiter);
  end.begin_record();
  std::string bytes(message::arena_bytes, '\0');
  for (int reads = 1;; ++reads) {
    const std::span<char> room(bytes);
    const std::size_t size = co_await reader->read(room);
    if (size == 0) co_return end.inside();
    std::string_view rest(bytes.data(), size);
    for (auto newline = rest.find('\n'); newline != rest.npos; newline = rest.find('\n')) {
      end.take(rest.substr(0, newline));
      if (!end.inside()) end.begin_record();
      rest.remove_prefix(newline + 1);
    }
    end.take(rest);
    if (reads % 16 == 0) co_await driver_.core.yield();
  }
}

/// The columns of a file of CSV that is there already; nothing where it has no record yet, none where it can't be read.
/// Throws where they are not those that are to be written.
Task<std::optional<std::vector<std::string>>> WrittenFiles::header_of(const std::string& path) {
  std::vector<std::string> columns;
  std::unique_ptr<runtime::Reader> reader;
  try {
    reader = driver_.core.files().open(path);
  } catch (const std::system_error& error) {
    if (lacks_descriptors(error)) throw;
    co_return columns;  // It may be written and not read: who does that knows what they are.
  }
  reader = io::decompress(setting_.compression, std::move(reader), "file: cannot add to " + path + ": it");
  std::string text(message::arena_bytes, '\0');
  std::size_t size = 0;
  for (bool more = true; more && size < text.size();) {
    const std::span<char> room(text.data() + size, text.size() - size);
    const std::size_t came = co_await reader->read(room);
    size += came;
    more = came > 0;
  }
  const auto record =
      first_record(without_mark(std::string_view(text).substr(0, size)), size < text.size(), setting_.delimiter);
  if (!record) throw cannot_add(path, "its first record is too long");
  if (record->empty()) co_return std::nullopt;
  std::vector<std::string_view> fields;
  std::string scratch;
  if (const auto wrong = io::read_csv(*record, fields, scratch, setting_.delimiter)) {
    throw cannot_add(path,
                     "its first record is not CSV: " + wrong->what + ", byte " + std::to_string(wrong->offset + 1));
  }
  columns.assign(fields.begin(), fields.end());
  if (!setting_.columns.empty() && columns != setting_.columns) {
    throw cannot_add(path, "its columns are " + config::listed(columns) + ", and `columns` says " +
                               config::listed(setting_.columns));
  }
  co_return columns;
}

// ------------------------------------------------------------------------------------------------------------- writing

Task<> WrittenFiles::write(File& file, const std::vector<Message>& messages, Extent extent) {
  auto pass = co_await gate_.enter();
  if (fault_) std::rethrow_exception(fault_);
  const bool rotates = setting_.rotation.has_value();
  if (rotates && setting_.rotation->every && file.period != period_now()) co_await rotate(file);
  Lineup& lineup = *file.lineup;
  for (const Message& message : messages) {
    auto line = line_of(file, message.batch(), message.row());
    if (!line) continue;
    if (rotates && setting_.rotation->size) {
      const std::uint64_t before = lineup.size() + lineup.waiting_bytes();
      if (before > 0 && before + line->size() + 1 > setting_.rotation->size->bytes) {
        co_await write_added(file, Extent::all);
        co_await rotate(file);
        line = line_of(file, message.batch(), message.row());  // Now with a header.
        if (!line) continue;
      }
    }
    lineup.add(message, *line);
    file.has_header = true;
  }
  const bool read_by_others = !file.unfinished;
  const bool whole = read_by_others || setting_.compression != io::Compression::none || setting_.durability.always;
  co_await write_added(file, whole ? Extent::all : extent);
  if (setting_.durability.always) file.dirty = false;
  if (!setting_.durability.every) co_return;
  to_sync_.wake();
  if (!syncing_) {
    syncing_ = driver_.core.spawn(sync_from_time_to_time(), [this](std::exception_ptr fault) {
      fault_ = fault;
      syncing_ended_.wake();
    });
  }
}

Task<> WrittenFiles::write_added(File& file, Extent extent) {
  file.dirty = true;
  const std::error_code error = co_await file.lineup->write(extent);
  if (!error) co_return;
  file.lineup->fail_left(error);
  if (file.lineup->size() == 0) file.has_header = false;  // It was to be the first line.
}

/// The line of the row: its payload, or what is made of it. None: it has failed.
std::optional<std::string_view> WrittenFiles::line_of(File& file, Batch& batch, std::size_t row) {
  if (setting_.format == Format::lines) return batch.payload(row);
  if (setting_.format != Format::ndjson) return made_line_of(file, batch, row);
  if (batch.is_json(row)) return batch.payload(row);
  driver_.out.fail(batch, row, {Reason::decode, "the payload is no JSON; `format: lines` would write it as it is"});
  return std::nullopt;
}

/// line_, of what is not written as it is.
std::optional<std::string_view> WrittenFiles::made_line_of(File& file, Batch& batch, std::size_t row) {
  line_.clear();
  switch (setting_.format) {
    case Format::envelope: {
      const auto age = driver_.core.now() - batch.entered(row);
      append_envelope(line_, batch, row, driver_.core.wall() - age);
      return line_;
    }
    case Format::csv:
    case Format::logfmt: {
      message::Document& document = batch.document(row);
      if (document.kind(document.root()) != message::Kind::object) {
        driver_.out.fail(batch, row, {Reason::type, "the payload is no object, so it has no fields to write"});
        return std::nullopt;
      }
      if (setting_.format == Format::csv) {
        if (!csv_line(file, batch, row)) return std::nullopt;
        return line_;
      }
      const auto wrong = append_logfmt_record(line_, document, document.root());
      if (!wrong) return line_;
      driver_.out.fail(batch, row,
                       {Reason::type, "the key '" + *wrong +
                                          "' cannot stand in logfmt: it is empty, or holds a blank, `=` or a quote"});
      return std::nullopt;
    }
    default:
      return batch.payload(row);
  }
}

bool WrittenFiles::csv_line(File& file, Batch& batch, std::size_t row) {
  message::Document& document = batch.document(row);
  std::string scratch;
  if (setting_.columns.empty()) {
    const bool first = file.columns.empty();
    std::vector<std::string> named;  // By this one, where it is the first. (A key comes once.)
    for (auto member = document.first(document.root()); member; member = document.next(member)) {
      const auto key = document.key(member, scratch);
      if (!first && !file.named.contains(key)) {  // It would be lost.
        driver_.out.fail(batch, row,
                         {Reason::type, "there is no column for the field '" + std::string(key) +
                                            "'; `columns` says which are written"});
        return false;
      }
      if (!first) continue;
      if (key.empty()) {
        driver_.out.fail(batch, row, {Reason::type, "the key of a field is empty, and a column needs a name"});
        return false;
      }
      named.emplace_back(key);
    }
    if (first) file.name_columns(std::move(named));
    if (file.columns.empty()) {
      driver_.out.fail(batch, row, {Reason::type, "the first object has no fields; `columns` says which are written"});
      return false;
    }
  }
  if (!file.has_header) {
    for (const auto& column : file.columns) {
      if (&column != &file.columns.front()) line_ += setting_.delimiter;
      io::append_csv(line_, column, setting_.delimiter);
    }
    line_ += '\n';
  }
  append_csv_record(line_, document, document.root(), file.columns, setting_.delimiter);
  return true;
}

// ------------------------------------------------------------------------------------------------------------ rotation

std::int64_t WrittenFiles::period_now() const {
  if (!setting_.rotation || !setting_.rotation->every) return 0;
  return driver_.core.wall().time_since_epoch() / *setting_.rotation->every;
}

/// What can't be put aside is written on; so is what was, while no new file can be made in its place.
Task<> WrittenFiles::rotate(File& file) {
  file.period = period_now();
  if (file.lineup->size() == 0) co_return;  // Empty, or no regular file.
  if (file.dirty && (setting_.durability.always || setting_.durability.every)) co_await sync(file);
  auto& files = driver_.core.files();
  const auto warn = [&](std::string_view what, const std::system_error& error) {
    driver_.log(observe::Level::warn, what, {{"path", file.path}, {"err", error.code().message()}});
  };
  try {
    files.rename(file.path, free_aside_name(file.path));
  } catch (const std::system_error& error) {
    if (files.exists(file.path)) {
      warn("the file can't be rotated; it is written on", error);
      co_return;
    }
    // It has its new name, now or since the last try.
  }
  try {
    file.lineup->go_on_with(make(file.path, true));
  } catch (const std::system_error& error) {
    file.period = period_now() - 1;  // So that the next message tries again.
    warn("the file was put aside and no new one can be made; the old one is written on", error);
    co_return;
  }
  file.has_header = false;
  if (!setting_.rotation->keep) co_return;
  try {
    remove_old(file);
  } catch (const std::system_error& error) {
    warn("files that were put aside can't be removed", error);
  }
}

void WrittenFiles::remove_old(const File& file) {
  auto& files = driver_.core.files();
  const auto slash = file.path.rfind('/');
  const std::string directory = slash == file.path.npos ? std::string() : file.path.substr(0, slash + 1);
  const std::string begin = file.path.substr(directory.size(), before_ending(file.path) - directory.size()) + "-";
  const std::string end = file.path.substr(before_ending(file.path));
  std::vector<std::string> old;
  for (const auto& name : files.list(directory.empty() ? "." : directory)) {
    if (name.size() != begin.size() + a_time.size() + end.size() || !name.starts_with(begin) || !name.ends_with(end) ||
        !looks_like_a_time(std::string_view(name).substr(begin.size(), a_time.size()))) {
      continue;
    }
    old.push_back(name);
  }
  std::sort(old.begin(), old.end());  // The oldest first.
  const auto keep = static_cast<std::size_t>(*setting_.rotation->keep);
  for (std::size_t i = 0; i + keep < old.size(); ++i) files.remove(directory + old[i]);
}

// ---------------------------------------------------------------------------------------------------------- durability

Task<> WrittenFiles::sync(File& file) {
  file.dirty = false;
  try {
    co_await file.lineup->sync();
  } catch (const std::system_error& error) {
    file.failed = true;
    throw std::system_error(error.code(), "file: cannot sync " + file.path);
  }
}

Task<> WrittenFiles::sync_from_time_to_time() {
  for (;;) {
    // Where nothing is written there is nothing to be up for.
    while (std::none_of(files_.begin(), files_.end(), [](const File& file) { return file.dirty; })) {
      co_await to_sync_.wait();
    }
    co_await driver_.core.sleep(*setting_.durability.every);
    auto pass = co_await gate_.enter();
    for (auto& file : files_) {
      if (file.dirty) co_await sync(file);
    }
  }
}

Task<> WrittenFiles::finish() {
  co_await close();
  std::exception_ptr fault = fault_;
  for (auto& file : files_) {
    if (file.failed) continue;  // Asked again it might say that all is well.
    try {
      if (file.unfinished && file.lineup) co_await file.lineup->write_nothing();
      // Or a crash of the machine might leave an empty file under the name.
      if (file.unfinished || (file.dirty && setting_.durability.every)) co_await sync(file);
      if (file.unfinished) file.unfinished->finish();
      file.lineup.reset();  // Others may want its descriptor, to be finished.
    } catch (const std::system_error&) {
      fault = std::current_exception();
    }
  }
  if (fault) std::rethrow_exception(fault);
}

Task<> WrittenFiles::close() {
  if (syncing_ && syncing_->running()) syncing_->stop();
  while (syncing_ && syncing_->running()) co_await syncing_ended_.wait_through();
}

}  // namespace weir::stage
