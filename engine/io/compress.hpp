// Compressed bytes, by gzip (RFC 1952) and Zstandard (RFC 8878).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/runtime/files.hpp"

namespace weir::io {

enum class Compression : std::uint8_t { none, gzip, zstd };

/// By the ending of its name: `.gz`, `.zst`.
Compression compression_of(std::string_view path);
/// Without that ending.
std::string_view without_compression(std::string_view path);

/// Appends the bytes as one whole member (gzip) or frame (zstd). Members may follow each other: together they are what
/// their contents are together. Throws std::bad_alloc.
void compress(Compression by, std::string_view bytes, std::string& out);

/// Reads what another reader gives, as it was before it was compressed; members follow each other. Suspends where that
/// one does. Its size is not known. Throws std::system_error(bad_message) where the bytes are damaged or end
/// too early, what that one throws, and invalid_argument out of seek().
std::unique_ptr<runtime::Reader> decompress(Compression by, std::unique_ptr<runtime::Reader> compressed,
                                            std::string name);

/// Zeros compress 1:1000. What another party has compressed better than this was made to be so, or holds nothing.
inline constexpr std::size_t packed_ratio_most = 200;
inline constexpr std::size_t packed_free = 1024 * 1024;  ///< So many unpacked bytes may come at any ratio.

enum class Unpacked : std::uint8_t { whole, damaged, too_large };
/// Appends what was compressed by gzip, one member or several, `most` bytes of it at the most.
Unpacked unpack_gzip(std::string_view bytes, std::size_t most, std::string& out);

}  // namespace weir::io
