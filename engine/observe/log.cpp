#include "engine/observe/log.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/config/redaction.hpp"
#include "engine/runtime/rfc3339.hpp"

namespace weir::observe {

namespace {

constexpr auto window = std::chrono::seconds(10);
constexpr std::uint64_t equal_lines = 1;     // In a window, of lines equal in every field.
constexpr std::uint64_t similar_lines = 10;  // In a window, of lines equal in level, pipeline, stage and message.
constexpr std::size_t remembered_max = 1000;
constexpr std::size_t line_max = 4096;  // PIPE_BUF: a shorter write to a pipe with room is whole and never waits.
constexpr int patience_ms = 50;

/// The length of the UTF-8 sequence at `at`, 0 where none is valid.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const auto first = byte(0);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && byte(1) < 0xa0) return 0;  // Overlong.
  if (first == 0xed && byte(1) > 0x9f) return 0;  // Surrogates.
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

constexpr std::string_view replacement = "\xef\xbf\xbd";

/// Escapes as JSON does, which logfmt readers take too. What could move a terminal's cursor (C0, DEL, C1) never goes
/// out as it is, and no line holds invalid UTF-8. What is longer than `cap` bytes ends in `…`.
void append_escaped(std::string& line, std::string_view text, std::size_t cap) {
  constexpr std::string_view hex = "0123456789abcdef";
  const auto escape = [&](unsigned code) {
    line += "\\u00";
    line += hex[code >> 4];
    line += hex[code & 15];
  };
  std::size_t at = 0;
  while (at < text.size()) {
    if (at >= cap) {
      line += "…";
      return;
    }
    const auto length = sequence_length(text, at);
    const auto byte = static_cast<unsigned char>(text[at]);
    if (length == 0) {
      line += replacement;
    } else if (byte == '"' || byte == '\\') {
      line += '\\';
      line += text[at];
    } else if (byte == '\n') {
      line += "\\n";
    } else if (byte == '\r') {
      line += "\\r";
    } else if (byte == '\t') {
      line += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      escape(byte);
    } else if (byte == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0) {
      escape(static_cast<unsigned char>(text[at + 1]));
    } else {
      line.append(text, at, length);
    }
    at += std::max<std::size_t>(length, 1);
  }
}

bool needs_quotes(std::string_view text) {
  return text.empty() || std::any_of(text.begin(), text.end(), [](unsigned char byte) {
           return byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\';
         });
}

/// A line before it has a form: its secrets are gone, nothing is escaped yet.
struct Entry {
  Level level = Level::info;
  struct Pair {
    std::string key, value;
    bool bare = false;
  };
  std::vector<Pair> pairs;  ///< In the order written: pipeline, stage, msg, then the rest.

  void append(std::string_view key, std::string_view value, bool bare = false) {
    pairs.push_back({std::string(key), std::string(value), bare});
  }
};

std::string form(const Entry& entry, std::string_view ts, Log::Format format, std::size_t cap) {
  std::string line;
  const bool json = format == Log::Format::json;
  const auto append = [&](std::string_view key, std::string_view value, bool bare) {
    if (json) {
      line += line.empty() ? "{\"" : ",\"";
      append_escaped(line, key, cap);
      line += bare ? "\":" : "\":\"";
      append_escaped(line, value, cap);
      if (!bare) line += '"';
    } else {
      if (!line.empty()) line += ' ';
      line += key;
      line += '=';
      const bool quotes = !bare && (needs_quotes(value) || value.size() > cap);
      if (quotes) line += '"';
      append_escaped(line, value, cap);
      if (quotes) line += '"';
    }
  };
  if (!ts.empty()) append("ts", ts, false);
  append("level", word(entry.level), false);
  for (const auto& [key, value, bare] : entry.pairs) append(key, value, bare);
  line += json ? "}\n" : "\n";
  return line;
}

/// Cuts values, all alike, until the line fits a pipe's atomic write. A line with hundreds of fields stays longer.
std::string fitting(const Entry& entry, std::string_view ts, Log::Format format) {
  std::string line;
  for (std::size_t cap = 2048; cap >= 16; cap /= 2) {
    line = form(entry, ts, format, cap);
    if (line.size() <= line_max) break;
  }
  return line;
}

/// False: standard error did not take the line in time.
bool write_standard_error(std::string_view line, int patience) {
  while (!line.empty()) {
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    const int count = ::poll(&ready, 1, patience);
    if (count == 0) return false;
    if (count < 0 && errno == EINTR) continue;
    const auto written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return false;
      return true;  // Closed or broken: nobody reads, nobody misses it.
    }
    line.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Field::Field(std::string_view name, double number) : key(name), bare(true) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  own.assign(text.data(), end);
  if (own.find_first_of("nN") != std::string::npos) {  // inf, nan: no JSON numbers.
    bare = false;
    value = number != number ? "nan" : number > 0 ? "inf" : "-inf";
  }
}

struct Log::Inside {
  struct Repeats {
    runtime::WallTime since{};
    std::uint64_t seen = 0;
    std::uint64_t suppressed = 0;
    Entry last;  ///< Of those suppressed.
  };

  mutable std::mutex guard;
  Options options;
  mutable std::mutex secrets_guard;  // Not `guard`: that is held while standard error takes a line.
  config::Redaction secrets;
  std::atomic<bool> any_secrets{false};
  std::unordered_map<std::string, Repeats> equal, similar;
  runtime::WallTime swept{}, sweep_due{};
  std::uint64_t lost = 0;

  std::string clean(std::string_view text) const {
    const std::lock_guard lock(secrets_guard);
    return secrets.of(text);
  }

  void put(Entry entry, std::uint64_t suppressed, std::string_view ts) {
    if (suppressed > 0) entry.append("suppressed", std::to_string(suppressed), true);
    if (lost > 0) entry.append("lost", std::to_string(lost), true);
    const auto line = fitting(entry, ts, options.format);
    if (options.sink) {
      options.sink(line);
      lost = 0;
    } else if (write_standard_error(line, lost > 0 ? 0 : patience_ms)) {
      lost = 0;
    } else {
      ++lost;
    }
  }

  static bool over(const Repeats& repeats, runtime::WallTime at) {
    return at < repeats.since || at - repeats.since >= window;  // A clock set back ends a window too.
  }

  /// Ends the window of one kind of line, if it is over, and returns how many it suppressed.
  static std::uint64_t ended(std::unordered_map<std::string, Repeats>& repeats, const std::string& key,
                             runtime::WallTime at) {
    const auto found = repeats.find(key);
    if (found == repeats.end() || !over(found->second, at)) return 0;
    const auto suppressed = found->second.suppressed;
    repeats.erase(found);
    return suppressed;
  }

  /// Ends the windows that are over (all of them: `at` is null); the last line that each suppressed speaks for the
  /// rest.
  void sweep(std::unordered_map<std::string, Repeats>& repeats, const runtime::WallTime* at, std::string_view ts) {
    for (auto entry = repeats.begin(); entry != repeats.end();) {
      if (at && !over(entry->second, *at)) {
        ++entry;
        continue;
      }
      auto ended = std::move(entry->second);
      entry = repeats.erase(entry);
      if (ended.suppressed > 0) put(std::move(ended.last), ended.suppressed, ts);
    }
  }

  /// Whether the line may go out now.
  static bool admit(std::unordered_map<std::string, Repeats>& repeats, const std::string& key, std::uint64_t most,
                    const Entry& entry, runtime::WallTime at) {
    if (repeats.size() >= remembered_max && !repeats.contains(key)) return true;  // Bounded; unknown lines go out.
    auto& seen = repeats[key];
    if (seen.seen == 0) seen.since = at;
    ++seen.seen;
    if (seen.seen <= most) return true;
    ++seen.suppressed;
    seen.last = entry;
    return false;
  }
};

Log::Log() : Log(Options()) {}
Log::Log(Options options) : inside_(std::make_unique<Inside>()) { inside_->options = std::move(options); }
Log::~Log() = default;

void Log::set(Options options) {
  const std::lock_guard lock(inside_->guard);
  inside_->options = std::move(options);
}

void Log::operator()(Level level, std::string_view message, std::initializer_list<Field> fields) noexcept {
  try {
    auto& inside = *inside_;
    const std::lock_guard lock(inside.guard);
    if (level < inside.options.least) return;

    Entry entry;
    entry.level = level;
    const auto append = [&](const Field& field) {
      const auto value = inside.clean(field.text());
      entry.append(field.key, value, field.bare && value == field.text());
    };
    for (const std::string_view first : {"pipeline", "stage"}) {
      for (const auto& field : fields) {
        if (field.key == first) append(field);
      }
    }
    entry.append("msg", inside.clean(message));
    const auto place = entry.pairs;
    for (const auto& field : fields) {
      if (field.key != "pipeline" && field.key != "stage") append(field);
    }

    if (!inside.options.clock) return inside.put(std::move(entry), 0, {});
    const auto at = inside.options.clock();
    const auto ts = runtime::rfc3339(at);
    Entry kind;
    kind.level = level;
    kind.pairs = place;
    const auto equal = form(entry, {}, Format::json, std::string::npos);
    const auto similar = form(kind, {}, Format::json, std::string::npos);
    const auto suppressed = Inside::ended(inside.equal, equal, at) + Inside::ended(inside.similar, similar, at);
    if (at >= inside.sweep_due || at < inside.swept) {
      inside.sweep(inside.equal, &at, ts);
      inside.sweep(inside.similar, &at, ts);
      inside.swept = at;
      inside.sweep_due = at + std::chrono::seconds(1);
    }
    if (!Inside::admit(inside.equal, equal, equal_lines, entry, at)) return;
    if (!Inside::admit(inside.similar, similar, similar_lines, entry, at)) return;
    inside.put(std::move(entry), suppressed, ts);
  } catch (...) {  // Out of memory, a clock or sink that throws: a log line is no reason to end anything.
  }
}

void Log::redact(std::string_view secret) {
  const std::lock_guard lock(inside_->secrets_guard);
  inside_->secrets.add(secret);
  inside_->any_secrets.store(!inside_->secrets.empty(), std::memory_order_release);
}

std::string Log::redacted(std::string text) const {
  if (!inside_->any_secrets.load(std::memory_order_acquire)) return text;
  constexpr std::size_t least = 4;  // What a failure says is compared, and `exited with 1` is no secret.
  const std::lock_guard lock(inside_->secrets_guard);
  return inside_->secrets.of(text, least);
}

void Log::flush() noexcept {
  try {
    const std::lock_guard lock(inside_->guard);
    const auto ts = inside_->options.clock ? runtime::rfc3339(inside_->options.clock()) : std::string();
    inside_->sweep(inside_->equal, nullptr, ts);
    inside_->sweep(inside_->similar, nullptr, ts);
  } catch (...) {
  }
}

Log& program_log() {
  static Log& log = *new Log;  // Never destroyed: a destructor of something static may still log.
  return log;
}

void log(Level level, std::string_view message, std::initializer_list<Field> fields) noexcept {
  program_log()(level, message, fields);
}

void redact(std::string_view secret) { program_log().redact(secret); }
std::string redacted(std::string text) { return program_log().redacted(std::move(text)); }

}  // namespace weir::observe
