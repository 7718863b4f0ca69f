// Compressed bytes, by gzip (RFC 1952) and Zstandard (RFC 8878).
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/runtime/files.hpp"

namespace weir::io {

enum class Compression : std::uint8_t { none, gzip, zstd };

/// By the ending of its name: `.gz`, `.zst`.
Compression compression_of(std::string_view path);
/// Without that ending.
std::string_view without_compression(std::string_view path);
/// Whether a name ends so, in letters of either size: `DATA.CSV` ends in `.csv`.
bool ends_in(std::string_view path, std::string_view ending);

/// Appends the bytes as one whole member (gzip) or frame (zstd). Members may follow each other: together they are what
/// their contents are together. Throws std::bad_alloc.
void compress(Compression by, std::string_view bytes, std::string& out);

/// Reads what another reader gives, as it was before it was compressed; members follow each other, and zeros behind the
/// last one of gzip are padding. Suspends where that one does. Its size is not known. Throws std::system_error:
/// bad_message where the bytes are damaged or end too early, not_enough_memory where zstd wants more than 128 MiB for
/// them, what that one throws, and invalid_argument out of seek().
std::unique_ptr<runtime::Reader> decompress(Compression by, std::unique_ptr<runtime::Reader> compressed,
                                            std::string name);

/// Reads all of a file to which a member shall be added: the last byte that it holds, nothing where it holds none. Lets
/// others go on meanwhile. Throws what decompress() does, and bad_message where nobody would read what is added.
runtime::Task<std::optional<char>> last_byte(Compression by, std::unique_ptr<runtime::Reader> compressed,
                                             std::string name, runtime::Core& core);

/// Zeros compress 1:1000. What another party has compressed better than this was made to be so, or holds nothing.
inline constexpr std::size_t packed_ratio_most = 200;
inline constexpr std::size_t packed_free = 1024 * 1024;  ///< So many unpacked bytes may come at any ratio.

enum class Unpacked : std::uint8_t { whole, damaged, too_large };

/// Takes what was compressed by gzip, one member or several, as it comes. Zeros behind the last one are padding.
class GzipUnpacker {
 public:
  GzipUnpacker();  ///< Throws std::bad_alloc.
  ~GzipUnpacker();
  GzipUnpacker(const GzipUnpacker&) = delete;
  GzipUnpacker& operator=(const GzipUnpacker&) = delete;

  /// Appends what these bytes become to `out`, which then holds `most` bytes in all, at the most. whole: nothing was
  /// wrong yet. After anything else it takes no more.
  Unpacked append(std::string_view bytes, std::uint64_t most, std::string& out);
  /// Whether a member has ended and no other begun.
  bool at_end() const;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

/// Appends what was compressed by gzip, `most` bytes of it at the most.
Unpacked unpack_gzip(std::string_view bytes, std::size_t most, std::string& out);

}  // namespace weir::io
