// What is done to whole bodies on their way in and out: gzip, where the other side speaks it.
#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

#include "engine/io/http_request.hpp"

namespace weir::io {

/// Whether a body of this type becomes much shorter: text, JSON, XML, SVG and the like.
bool http_is_compressible(std::string_view type);

/// Whether the request takes an answer in gzip (RFC 9110, 12.5.3): by its name or by `*`, not with `q=0`.
bool http_takes_gzip(const HttpRequest& request);

/// Packs the body of an answer where it pays: 1 KiB to 4 MiB of a compressible type, not packed or partial yet, and
/// no-transform not said. Such an answer says `Vary: Accept-Encoding`, packed or not.
void http_pack(bool takes_gzip, HttpResponse& response);

/// Unpacks the body of a request whose Content-Encoding says that it is packed, and takes that field away. Nothing: it
/// may be read on. 415 for what is not known here, 400 for what is damaged, 413 for more than `most` bytes, or more
/// than 200 times what was sent once that is more than 1 MiB.
std::optional<HttpResponse> http_unpack(HttpRequest& request, std::size_t most);

}  // namespace weir::io
