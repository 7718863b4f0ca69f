// A folder's files as pages, or one file.
#pragma once
#include <cstdint>
#include <string>

#include "engine/io/http_request.hpp"
#include "engine/runtime/core.hpp"

namespace weir::io {

/// What lies below one folder, by GET and HEAD. `index.html` stands for its folder; nothing is listed. What is not
/// below the folder, begins with a dot, is no file, or is reached over a symbolic link is not there: 404. Where no
/// descriptor is left: 503 with Retry-After. An answer has ETag and Last-Modified and obeys If-None-Match,
/// If-Modified-Since, Range (one) and If-Range. Never changed once made.
class HttpFiles {
 public:
  enum class Of : std::uint8_t { folder, page };
  /// Of a page, the file of that path, whatever `rest` says; there a symbolic link is followed.
  explicit HttpFiles(std::string path, Of of = Of::folder) : path_(std::move(path)), of_(of) {}

  /// `rest`: the path below the folder as it was sent, without a slash before it. A file of more than 64 KiB is read
  /// while it is sent; one that gzip would make much shorter, and is no larger than 1 MiB, comes whole for whoever
  /// takes that. `request.path` may be used up.
  runtime::Task<HttpResponse> answer(runtime::Core& core, HttpRequest request, std::string rest) const;

 private:
  std::string path_;
  Of of_;
};

/// `text/html; charset=utf-8` of `a/b.html`.
std::string_view http_type_of(std::string_view path);

}  // namespace weir::io
