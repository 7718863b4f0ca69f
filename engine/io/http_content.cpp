#include "engine/io/http_content.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "engine/io/compress.hpp"

namespace weir::io {
namespace {

constexpr std::size_t pack_bytes_least = 1024;
constexpr std::size_t pack_bytes_most = 4 * 1024 * 1024;  // More would hold the core up for too long.

std::string* field(HttpResponse& response, std::string_view name) {
  for (auto& [key, value] : response.headers) {
    if (key.size() == name.size() && http_lower(key) == name) return &value;
  }
  return nullptr;
}

/// Of `gzip;q=0.5` the weight is above 0. Malformed ones are none.
bool is_wanted(std::string_view parameters) {
  const auto at = parameters.find("q=");
  if (at == parameters.npos) return true;
  return parameters.find_first_of("123456789", at + 2) != parameters.npos;
}

}  // namespace

bool http_is_compressible(std::string_view type) {
  const auto known = http_lower(type.substr(0, type.find(';')));
  constexpr auto others = std::to_array<std::string_view>(
      {"application/json", "application/javascript", "application/xml", "application/x-ndjson", "application/wasm",
       "image/svg+xml", "application/manifest+json"});
  return known.starts_with("text/") || known.ends_with("+json") || known.ends_with("+xml") ||
         std::find(others.begin(), others.end(), known) != others.end();
}

bool http_takes_gzip(const HttpRequest& request) {
  std::optional<bool> by_name, by_star;
  for (const auto& [name, value] : request.headers) {
    if (name != "accept-encoding") continue;
    for (const auto& element : http_list(value)) {
      const auto semicolon = std::min(element.find(';'), element.size());
      const auto coding = http_trimmed(std::string_view(element).substr(0, semicolon));
      const bool wanted = is_wanted(std::string_view(element).substr(semicolon));
      if (coding == "gzip" || coding == "x-gzip") by_name = wanted;
      if (coding == "*") by_star = wanted;
    }
  }
  return by_name.value_or(by_star.value_or(false));
}

void http_pack(bool takes_gzip, HttpResponse& response) {
  const auto size = response.body.size();
  if (size < pack_bytes_least || size > pack_bytes_most || response.status == 204 || response.status == 206) return;
  const auto* type = field(response, "content-type");
  if (!type || !http_is_compressible(*type) || field(response, "content-encoding")) return;
  if (const auto* cached = field(response, "cache-control"); cached && cached->find("no-transform") != cached->npos) {
    return;
  }
  if (auto* vary = field(response, "vary"); !vary) {
    response.headers.emplace_back("Vary", "Accept-Encoding");
  } else if (http_lower(*vary).find("accept-encoding") == std::string::npos && *vary != "*") {
    *vary += ", Accept-Encoding";
  }
  if (!takes_gzip) return;
  std::string packed;
  compress(Compression::gzip, response.body, packed);
  if (packed.size() >= response.body.size()) return;
  response.body = std::move(packed);
  response.headers.emplace_back("Content-Encoding", "gzip");
  // Other bytes than those that the tag was made for, though they mean the same.
  if (auto* tag = field(response, "etag"); tag && !tag->starts_with("W/")) tag->insert(0, "W/");
}

std::optional<HttpResponse> http_unpack(HttpRequest& request, std::size_t most) {
  std::size_t packed = 0;
  for (const auto& [name, value] : request.headers) {
    if (name != "content-encoding") continue;
    for (const auto& coding : http_list(value)) {
      if (coding == "identity") continue;
      if ((coding != "gzip" && coding != "x-gzip") || ++packed > 1) {
        auto response = http_refusal(415, "the only content coding known here is gzip, once");
        response.headers.emplace_back("Accept-Encoding", "gzip");
        return response;
      }
    }
  }
  if (packed == 0) return std::nullopt;
  std::string body;
  if (!request.body.empty()) {
    const auto bound = std::min(most, std::max(packed_free, request.body.size() * packed_ratio_most));
    const auto unpacked = unpack_gzip(request.body, bound, body);
    if (unpacked == Unpacked::damaged) return http_refusal(400, "the body is damaged, or no gzip");
    if (unpacked == Unpacked::too_large) {
      return http_refusal(413, bound < most ? "the body is more than 200 times as large when it is unpacked"
                                            : "the body is too large when it is unpacked");
    }
  }
  request.body = std::move(body);
  std::erase_if(request.headers, [](const auto& header) { return header.first == "content-encoding"; });
  for (auto& [name, value] : request.headers) {
    if (name == "content-length") value = std::to_string(request.body.size());
  }
  return std::nullopt;
}

}  // namespace weir::io
