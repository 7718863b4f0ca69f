#include "engine/stage/intake.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/message/document.hpp"
#include "engine/message/json.hpp"
#include "engine/stage/envelope.hpp"

namespace weir::stage {
namespace {

/// What is shown of a message that is too long.
constexpr std::size_t shown_bytes = 1024;
constexpr const char* the_line = "the line";

void refuse_size(Source& source, std::string_view bytes, config::Size most, const char* what,
                 std::optional<std::int64_t> line) {
  Failure why(Reason::size,
              std::string(what) + " is longer than max_message, " + config::show(most) + "; this is its beginning");
  why.line = line;
  // Never more than the shortest beginning that is too long: what is shown must not depend on how reads are cut.
  source.refuse(bytes.substr(0, std::min<std::uint64_t>(shown_bytes, most.bytes)), std::move(why));
}

}  // namespace

config::Extra formats() {
  return config::one_of({{"lines", Format::lines},
                         {"ndjson", Format::ndjson},
                         {"json", Format::json},
                         {"whole", Format::whole},
                         {"csv", Format::csv},
                         {"envelope", Format::envelope},
                         {"logfmt", Format::logfmt}});
}

std::string json_of(Format format) {
  switch (format) {
    case Format::ndjson:
      return "ndjson";
    case Format::json:
      return "json";
    case Format::csv:
      return "csv";
    case Format::logfmt:
      return "logfmt";
    case Format::lines:
    case Format::whole:
    case Format::envelope:
      break;
  }
  return {};
}

void check_reading(Format format, const RecordRules& rules, config::Written& written) {
  const auto& [types, delimiter, columns] = rules;
  check_columns(columns, written);
  if (!types.empty() && format != Format::csv && format != Format::logfmt) {
    written.error("types", "only the fields of csv and logfmt have types given to them");
  }
  for (const auto& [name, type] : types) {
    if (!columns.empty() && std::find(columns.begin(), columns.end(), name) == columns.end()) {
      written.error("types", "there is no column '" + name + "'",
                    config::did_you_mean(name, columns, "one of " + config::listed(columns)));
    }
    if (field_type(type)) continue;
    written.error("types", "there is no type '" + type + "' for the field '" + name + "'",
                  config::did_you_mean(type, field_types(), "one of " + config::listed(field_types())));
  }
}

Task<> Intake::read(runtime::Reader& reader, Source& source) const {
  const bool by_lines = format_ != Format::json && format_ != Format::whole;
  return by_lines ? read_lines(reader, source) : read_whole(reader, source);
}

std::string_view without_mark(std::string_view text) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  return text.starts_with(byte_order_mark) ? text.substr(byte_order_mark.size()) : text;
}

std::shared_ptr<message::Metadata> origin_of(const std::string& path) {
  auto metadata = std::make_shared<message::Metadata>();
  message::append_quoted(metadata->own["file"], path);
  return metadata;
}

void refuse_unseen(Source& source, const std::string& path, const std::system_error& error) {
  source.refuse({}, {Reason::io, "file: cannot look into " + path + ": " + error.code().message()});
}

LineIntake::LineIntake(Format format, config::Size most, const RecordRules& rules, Source& source)
    : format_(format), most_(most), source_(source), entered_(source.core.now()) {
  if (format == Format::csv) records_ = std::make_unique<Records>(Records::Format::csv, rules, most.bytes);
  if (format == Format::logfmt) records_ = std::make_unique<Records>(Records::Format::logfmt, rules, most.bytes);
}
LineIntake::~LineIntake() = default;

Task<std::size_t> LineIntake::read_some(runtime::Reader& reader) {
  // A new arena each time: what was sent on may be read on another core while more is read here.
  auto next = message::ArenaRef::make(std::max(message::arena_bytes, 2 * rest_.size()));
  if (!rest_.empty()) std::memcpy(next->end(), rest_.data(), rest_.size());
  next->commit(rest_.size());
  const std::size_t before = rest_.size();
  arena_ = std::move(next);
  rest_ = {arena_->data(), before};
  const std::span<char> room(arena_->end(), arena_->room());
  const std::size_t size = co_await reader.read(room);
  if (!never_waits_) never_waits_ = reader.size().has_value();
  if (!*never_waits_) source_.waited_outside();
  arena_->commit(size);
  source_.read_bytes += size;
  bytes_ += size;
  ending_.append(arena_->end() - std::min(size, ending_bytes), std::min(size, ending_bytes));
  if (ending_.size() > ending_bytes) ending_.erase(0, ending_.size() - ending_bytes);
  entered_ = source_.core.now();

  const char* begin = arena_->data();
  const char* const end = arena_->end();
  const char* look = begin + before;
  while (const auto* newline =
             static_cast<const char*>(std::memchr(look, '\n', static_cast<std::size_t>(end - look)))) {
    put({begin, static_cast<std::size_t>(newline - begin)});
    begin = look = newline + 1;
    whole_bytes_ = bytes_ - static_cast<std::size_t>(end - begin);
    if (source_.full()) {
      co_await source_.flush();
      if (after_flush) co_await after_flush();
      entered_ = source_.clock();
    }
  }
  rest_ = {begin, static_cast<std::size_t>(end - begin)};
  if (size > 0 && pass_over(rest_)) rest_ = {};
  co_return size;
}

void LineIntake::end() {
  if (!rest_.empty()) put(rest_);
  rest_ = {};
  whole_bytes_ = bytes_;
  if (records_) put_state(records_->end());
}

void LineIntake::begin_inside_a_line() {
  passing_over_ = true;
  if (records_) records_->begin_inside_a_line();
}

/// Of a line whose end is still to come. Whether it is too long, or belongs to what was: then it has been refused, and
/// later pieces are given alone.
bool LineIntake::pass_over(std::string_view piece) {
  if (at_the_beginning_) piece = without_mark(piece);
  if (records_) {
    const auto state = records_->put_piece(piece, line_ + 1);
    if (state == Records::State::open) return false;
    put_state(state);
  } else if (!passing_over_) {
    if (piece.size() <= most_.bytes + 1) return false;  // One for a carriage return.
    refuse_size(source_, piece, most_, the_line, line_ + 1);
  }
  at_the_beginning_ = false;
  passing_over_ = true;
  return true;
}

/// A whole line, without its end. It lies in the arena.
void LineIntake::put(std::string_view line) {
  ++line_;
  if (std::exchange(at_the_beginning_, false)) line = without_mark(line);
  if (records_) return put_state(records_->put(line, line_));
  if (std::exchange(passing_over_, false)) return;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() > most_.bytes) return refuse_size(source_, line, most_, the_line, line_);
  message::Members members;
  if (format_ == Format::ndjson || format_ == Format::envelope) {
    if (line.find_first_not_of(" \t") == line.npos) return;  // Between two values there may be empty lines.
    if (const auto error = message::check_json_padded(line, &members)) {
      Failure why(Reason::decode,
                  "not JSON: " + error->what + ", byte " + std::to_string(error->offset + 1) + " of the line");
      why.line = line_;
      return source_.refuse(line, std::move(why));
    }
  }
  if (format_ == Format::envelope) return put_envelope(line);
  const auto made = source_.out.emit_shared(main_port, arena_, line, entered_);
  if (format_ == Format::ndjson) made.batch().mark_json(made.row(), members);
  source_.sign(made);
  made.batch().came_from_line(made.row(), line_);
}

/// It is JSON.
void LineIntake::put_envelope(std::string_view line) {
  std::string text;
  auto metadata = std::make_shared<message::Metadata>();
  const std::string wrong = open_envelope(line, text, *metadata);
  if (wrong.empty()) {
    const auto made = source_.out.emit(main_port, text, entered_);
    made.batch().share_metadata(made.row(), std::move(metadata));
    return;
  }
  Failure why(Reason::decode, "no envelope: " + wrong);
  why.line = line_;
  source_.refuse(line, std::move(why));
}

void LineIntake::put_state(Records::State state) {
  if (const char* const other = records_->other_delimiter()) {
    source_.log(observe::Level::warn, "the first record names one field only: another `delimiter` may be meant",
                {{"delimiter", other}, {"field", records_->record()}});
  }
  if (state == Records::State::object) {
    const auto made = source_.out.emit(main_port, records_->object(), entered_);
    made.batch().mark_json(made.row());
    source_.sign(made);
    made.batch().came_from_line(made.row(), records_->line());
  } else if (state == Records::State::wrong) {
    Failure why(Reason::decode, records_->why());
    why.line = records_->line();
    source_.refuse(records_->record(), std::move(why));
  } else if (state == Records::State::too_long) {
    const char* const what = format_ == Format::csv ? "the record" : the_line;
    refuse_size(source_, records_->record(), most_, what, records_->line());
  }
}

Task<> Intake::read_lines(runtime::Reader& reader, Source& source) const {
  LineIntake lines(format_, most_, rules_, source);
  const bool never_waits = reader.size().has_value();
  while (!source.abandoned()) {
    const std::size_t size = co_await lines.read_some(reader);
    if (size == 0) lines.end();
    // The next read may wait, for a pipe's writer. And where all was refused others must still get their turn.
    if (!never_waits || !source.out.pending()) co_await source.flush();
    if (size == 0) break;
  }
}

Task<> Intake::read_whole(runtime::Reader& reader, Source& source) const {
  const std::size_t most = most_.bytes;
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
      refuse_size(source, {arena->data(), arena->used()}, most_, what_, std::nullopt);
      co_return;
    }
  }
  std::string_view text(arena->data(), arena->used());
  if (format_ == Format::json) {
    text = without_mark(text);
    if (text.empty()) co_return;
    if (const auto error = message::check_json_padded(text)) {
      Failure why(Reason::decode, "not JSON: " + error->what);
      why.line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(error->offset), '\n');
      source.refuse(text, std::move(why));
      co_return;
    }
  }
  const auto made = source.emit_shared(arena, text);
  if (format_ == Format::json) made.batch().mark_json(made.row());
  source.sign(made);
}

}  // namespace weir::stage
