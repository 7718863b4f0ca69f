#include "engine/io/http_files.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "engine/io/http_content.hpp"
#include "engine/observe/log.hpp"
#include "engine/runtime/files.hpp"

namespace weir::io {
namespace {

using runtime::FileStatus;
using runtime::Task;

constexpr std::uint64_t whole_bytes = 64 * 1024;          // So much is read before it is sent,
constexpr std::uint64_t packed_bytes_most = 1024 * 1024;  // or so much where it is packed.
constexpr const char* plain = "text/plain; charset=utf-8";
constexpr std::string_view index_page = "index.html";

HttpResponse not_there() { return http_refusal(404, "there is nothing here"); }

/// `a/b` of `a/%62`; nothing where that can be no file's.
std::optional<std::string> file_of(std::string_view rest) {
  std::string path;
  for (std::size_t from = 0; from < rest.size();) {
    const auto end = std::min(rest.find('/', from), rest.size());
    const auto part = http_decoded(rest.substr(from, end - from));
    if (!part || part->empty() || part->front() == '.' || part->find('/') != std::string::npos ||
        part->find('\0') != std::string::npos) {
      return std::nullopt;
    }
    path += path.empty() ? "" : "/";
    path += *part;
    from = end + 1;
  }
  if (path.empty() || rest.ends_with('/')) (path += path.empty() ? "" : "/") += index_page;
  return path;
}

HttpResponse come_again() { return http_refusal(503, "no file can be opened at the moment"); }

/// A file, or why it can't be had. Without a folder: that of the path as it is.
class Opened {
 public:
  Opened(runtime::Core& core, const std::optional<std::string>& folder, const std::string& path) {
    try {
      reader = folder ? core.files().open_below(*folder, path) : core.files().open(path);
    } catch (const std::system_error& error) {
      if (error.code() == std::errc::no_such_file_or_directory) return;
      observe::log(observe::Level::warn, "a file can't be served", {{"file", path}, {"err", error.code().message()}});
      // Of the file itself they say nothing: it may be there.
      out_of_means = error.code() == std::errc::too_many_files_open ||
                     error.code() == std::errc::too_many_files_open_in_system ||
                     error.code() == std::errc::not_enough_memory;
    }
  }
  std::shared_ptr<runtime::Reader> reader;
  bool out_of_means = false;
};

std::string hex(std::uint64_t number) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  return {digits.data(), end};
}
std::string tag_of(const FileStatus& status) {
  const auto modified = static_cast<std::uint64_t>(status.modified.time_since_epoch().count());
  return '"' + hex(status.size) + "-" + hex(modified) + '"';
}

/// Whether one of the tags is this one, whatever is said of its strength.
bool holds(std::string_view tags, const std::string& tag) {
  for (std::size_t from = 0; from < tags.size();) {
    const auto comma = std::min(tags.find(',', from), tags.size());
    auto one = http_trimmed(tags.substr(from, comma - from));
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == tag || one == "*") return true;
    from = comma + 1;
  }
  return false;
}

/// Whether it was to be answered only as long as it is as its asker knows it, and is so no more.
bool is_another(const HttpRequest& request, const FileStatus& status, const std::string& tag) {
  if (const auto tags = request.header("if-match")) return !holds(*tags, tag);
  const auto since = request.header("if-unmodified-since");
  const auto then = since ? parse_http_date(*since) : std::nullopt;
  return then && std::chrono::floor<std::chrono::seconds>(status.modified) > *then;
}

bool is_unchanged(const HttpRequest& request, const FileStatus& status, const std::string& tag) {
  if (const auto tags = request.header("if-none-match")) return holds(*tags, tag);
  const auto since = request.header("if-modified-since");
  const auto then = since ? parse_http_date(*since) : std::nullopt;
  return then && std::chrono::floor<std::chrono::seconds>(status.modified) <= *then;
}

struct Range {
  std::uint64_t from = 0, count = 0;
};
enum class Asked { all, part, nothing };

bool read_number(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range && end == text.data() + text.size()) {
    number = std::numeric_limits<std::uint64_t>::max();
    return true;
  }
  return error == std::errc() && end == text.data() + text.size();
}

/// `bytes=2-5`, `bytes=2-`, `bytes=-5`. What is malformed, or several at once, is as if it were not there.
Asked range_of(const HttpRequest& request, const FileStatus& status, const std::string& tag, Range& range) {
  const auto field = request.header("range");
  if (!field || request.method != "GET" || http_lower(field->substr(0, 6)) != "bytes=") return Asked::all;
  if (const auto only_if = request.header("if-range")) {
    const auto date = parse_http_date(*only_if);
    const bool same = only_if->starts_with('"')
                          ? *only_if == tag
                          : date && std::chrono::floor<std::chrono::seconds>(status.modified) == *date;
    if (!same) return Asked::all;
  }
  const auto said = field->substr(6);
  const auto dash = said.find('-');
  if (dash == said.npos) return Asked::all;
  const auto first = said.substr(0, dash), last = said.substr(dash + 1);
  std::uint64_t from = 0, to = status.size;
  if (first.empty()) {
    std::uint64_t tail = 0;
    if (!read_number(last, tail)) return Asked::all;
    if (tail == 0 || status.size == 0) return Asked::nothing;
    from = status.size - std::min(tail, status.size);
  } else {
    if (!read_number(first, from)) return Asked::all;
    if (!last.empty()) {
      if (!read_number(last, to) || to < from) return Asked::all;
      to = to < status.size ? to + 1 : status.size;
    }
    if (from >= status.size) return Asked::nothing;
  }
  range = {from, to - from};
  return Asked::part;
}

/// As much of the range as is there.
Task<std::string> read_whole(runtime::Reader& reader, Range range) {
  std::string bytes(range.count, '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const std::span<char> room(bytes.data() + filled, bytes.size() - filled);
    const auto count = co_await reader.read(room);
    if (count == 0) break;
    filled += count;
  }
  bytes.resize(filled);
  co_return bytes;
}

}  // namespace

std::string_view http_type_of(std::string_view path) {
  static constexpr auto types = std::to_array<std::pair<std::string_view, std::string_view>>({
      {"html", "text/html; charset=utf-8"},
      {"htm", "text/html; charset=utf-8"},
      {"css", "text/css; charset=utf-8"},
      {"js", "text/javascript; charset=utf-8"},
      {"mjs", "text/javascript; charset=utf-8"},
      {"json", "application/json"},
      {"map", "application/json"},
      {"webmanifest", "application/manifest+json"},
      {"ndjson", "application/x-ndjson"},
      {"jsonl", "application/x-ndjson"},
      {"txt", "text/plain; charset=utf-8"},
      {"log", "text/plain; charset=utf-8"},
      {"md", "text/markdown; charset=utf-8"},
      {"csv", "text/csv; charset=utf-8"},
      {"xml", "application/xml"},
      {"yaml", "application/yaml"},
      {"yml", "application/yaml"},
      {"svg", "image/svg+xml"},
      {"png", "image/png"},
      {"jpg", "image/jpeg"},
      {"jpeg", "image/jpeg"},
      {"gif", "image/gif"},
      {"webp", "image/webp"},
      {"avif", "image/avif"},
      {"ico", "image/x-icon"},
      {"woff", "font/woff"},
      {"woff2", "font/woff2"},
      {"ttf", "font/ttf"},
      {"mp3", "audio/mpeg"},
      {"ogg", "audio/ogg"},
      {"wav", "audio/wav"},
      {"mp4", "video/mp4"},
      {"webm", "video/webm"},
      {"pdf", "application/pdf"},
      {"wasm", "application/wasm"},
      {"zip", "application/zip"},
      {"gz", "application/gzip"},
  });
  const auto dot = path.rfind('.');
  const auto ending = dot == path.npos ? std::string() : http_lower(path.substr(dot + 1));
  for (const auto& [known, type] : types) {
    if (known == ending) return type;
  }
  return "application/octet-stream";
}

Task<HttpResponse> HttpFiles::answer(runtime::Core& core, HttpRequest request, std::string rest) const {
  const bool one = of_ == Of::page;
  const auto path = one ? path_ : file_of(rest);
  if (!path) co_return not_there();
  const Opened opened(core, one ? std::nullopt : std::optional(path_), *path);
  if (opened.out_of_means) co_return come_again();
  if (!opened.reader) {
    if (one || rest.empty() || rest.ends_with('/')) co_return not_there();
    const Opened page(core, path_, *path + "/" + std::string(index_page));
    if (page.out_of_means) co_return come_again();
    if (!page.reader) co_return not_there();
    HttpResponse moved(301, plain, "it is a folder\n");  // Or its page's own links would lead elsewhere.
    auto to = std::string(request.sent_path()) + "/";
    if (!request.query.empty()) to += "?" + request.query;
    moved.headers.emplace_back("Location", std::move(to));
    co_return moved;
  }
  const auto& file = opened.reader;
  const auto status = file->status();
  if (!status) co_return not_there();
  const auto tag = tag_of(*status);
  HttpResponse response(200);
  const auto type = http_type_of(*path);
  response.headers = {{"Content-Type", std::string(type)},
                      {"ETag", tag},
                      {"Last-Modified", http_date(status->modified)},
                      {"Accept-Ranges", "bytes"},
                      {"X-Content-Type-Options", "nosniff"}};
  // Whether this one was packed or not, and though it be a 304, which has nothing to pack.
  if (status->size <= packed_bytes_most && http_is_compressible(type)) {
    response.headers.emplace_back("Vary", "Accept-Encoding");
  }
  if (is_another(request, *status, tag)) co_return http_refusal(412, "it is another one by now");
  if (is_unchanged(request, *status, tag)) {
    response.status = 304;
    co_return response;
  }
  Range range{0, status->size};
  switch (range_of(request, *status, tag, range)) {
    case Asked::all:
      break;
    case Asked::part:
      response.status = 206;
      response.headers.emplace_back("Content-Range", "bytes " + std::to_string(range.from) + "-" +
                                                         std::to_string(range.from + range.count - 1) + "/" +
                                                         std::to_string(status->size));
      file->seek(range.from);
      break;
    case Asked::nothing:
      response = http_refusal(416, "so much is not there");
      response.headers.emplace_back("Content-Range", "bytes */" + std::to_string(status->size));
      co_return response;
  }
  const bool packs = response.status == 200 && http_takes_gzip(request) && http_is_compressible(type);
  // An empty one too: what is a file has a length, to HEAD as well (http_head).
  if (range.count == 0 || range.count > (packs ? packed_bytes_most : whole_bytes)) {
    response.file = file;
    response.file_bytes = range.count;
  } else {
    auto reading = read_whole(*file, range);
    response.body = co_await std::move(reading);
  }
  co_return response;
}

}  // namespace weir::io
