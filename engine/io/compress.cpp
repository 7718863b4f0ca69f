#include "engine/io/compress.hpp"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace weir::io {
namespace {

constexpr int gzip_format = 16 + MAX_WBITS;
constexpr std::size_t read_bytes = 64 * 1024;

void compress_gzip(std::string_view bytes, std::string& out) {
  z_stream stream{};
  if (::deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip_format, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  std::size_t left = bytes.size();
  int said = Z_OK;
  while (said != Z_STREAM_END) {
    const std::size_t before = out.size();
    out.resize(before + read_bytes);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = read_bytes;
    if (stream.avail_in == 0) {  // It counts in 32 bits.
      stream.avail_in = static_cast<uInt>(std::min<std::size_t>(left, 1 << 30));
      left -= stream.avail_in;
    }
    said = ::deflate(&stream, left == 0 ? Z_FINISH : Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  ::deflateEnd(&stream);
}

void compress_zstd(std::string_view bytes, std::string& out) {
  const std::size_t before = out.size();
  out.resize(before + ZSTD_compressBound(bytes.size()));
  // Level 3, its own default.
  const std::size_t size = ZSTD_compress(out.data() + before, out.size() - before, bytes.data(), bytes.size(), 3);
  if (ZSTD_isError(size)) throw std::bad_alloc();
  out.resize(before + size);
}

class Decompressing : public runtime::Reader {
 public:
  Decompressing(std::unique_ptr<runtime::Reader> compressed, std::string name)
      : compressed_(std::move(compressed)), name_(std::move(name)), bytes_(read_bytes) {}

  runtime::Task<std::size_t> read(std::span<char> into) override {
    while (!into.empty()) {
      if (const std::size_t made = decompress(into)) co_return made;
      if (!left_.empty()) continue;  // A member that holds nothing.
      const std::size_t size = co_await compressed_->read(bytes_);
      left_ = {bytes_.data(), size};
      if (size > 0) continue;
      if (inside_) damaged();
      break;
    }
    co_return 0;
  }
  /// Whether zeros stand behind the last member: who finds them reads no further.
  bool padded() const { return padded_; }
  std::optional<std::uint64_t> size() const override { return std::nullopt; }
  std::optional<runtime::FileStatus> status() const override { return compressed_->status(); }
  void seek(std::uint64_t) override {
    throw std::system_error(std::make_error_code(std::errc::invalid_argument), name_);
  }

 protected:
  /// Of left_ as much as goes into the room. How many bytes that made.
  virtual std::size_t decompress(std::span<char> into) = 0;
  [[noreturn]] void damaged() const { no(std::errc::bad_message, " is damaged, or ends too early"); }
  [[noreturn]] void no(std::errc error, const char* what) const {
    throw std::system_error(std::make_error_code(error), name_ + what);
  }

  std::span<char> left_;  // Of what was read.
  bool inside_ = false;   // A member has begun and not ended.
  bool begun_ = false;    // Something of it was good.
  bool padded_ = false;

 private:
  const std::unique_ptr<runtime::Reader> compressed_;
  const std::string name_;
  std::vector<char> bytes_;
};

/// gzip, one member behind the other, a step at a time. Zeros behind the last one are padding.
class GzipStream {
 public:
  GzipStream() {
    if (::inflateInit2(&zlib_, gzip_format) != Z_OK) throw std::bad_alloc();
  }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;
  ~GzipStream() { ::inflateEnd(&zlib_); }

  /// Takes from the front of `in`, and makes of it as many bytes as there is room for. How many; nothing: what came is
  /// damaged.
  std::optional<std::size_t> step(std::string_view& in, std::span<char> room) {
    if (in.empty() && !more_to_give_) return 0;
    if (at_end_ && (padded_ || in.front() == '\0')) {
      padded_ = true;
      if (in.find_first_not_of('\0') != in.npos) return std::nullopt;
      in = {};
      return 0;
    }
    if (std::exchange(at_end_, false)) ::inflateReset(&zlib_);
    inside_ = true;
    constexpr std::size_t most = 1 << 30;  // It counts in 32 bits.
    const std::size_t given = std::min(in.size(), most);
    zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    zlib_.avail_in = static_cast<uInt>(given);
    zlib_.next_out = reinterpret_cast<Bytef*>(room.data());
    zlib_.avail_out = static_cast<uInt>(std::min(room.size(), most));
    const std::size_t before = zlib_.avail_out;
    const int said = ::inflate(&zlib_, Z_NO_FLUSH);
    if (said != Z_OK && said != Z_STREAM_END && said != Z_BUF_ERROR) return std::nullopt;
    in.remove_prefix(given - zlib_.avail_in);
    at_end_ = said == Z_STREAM_END;
    inside_ = !at_end_;
    more_to_give_ = inside_ && zlib_.avail_out == 0;
    return before - zlib_.avail_out;
  }
  bool inside() const { return inside_; }              ///< A member has begun and not ended.
  bool at_end() const { return at_end_; }              ///< One has ended, and no other begun.
  bool padded() const { return padded_; }              ///< Zeros have come behind it.
  bool more_to_give() const { return more_to_give_; }  ///< It had no room for all.

 private:
  z_stream zlib_{};
  bool inside_ = false, at_end_ = false, padded_ = false, more_to_give_ = false;
};

class Gunzip final : public Decompressing {
 public:
  using Decompressing::Decompressing;

 private:
  std::size_t decompress(std::span<char> into) override {
    std::string_view in(left_.data(), left_.size());
    const auto made = stream_.step(in, into);
    if (!made && !begun_ && !std::string_view(left_.data(), left_.size()).starts_with("\x1f\x8b")) {
      no(std::errc::bad_message, " is not gzip");
    }
    if (!made) damaged();
    begun_ = begun_ || !left_.empty();
    left_ = left_.last(in.size());
    inside_ = stream_.inside();
    padded_ = stream_.padded();
    return *made;
  }

  GzipStream stream_;
};

class Unzstd final : public Decompressing {
 public:
  Unzstd(std::unique_ptr<runtime::Reader> compressed, std::string name)
      : Decompressing(std::move(compressed), std::move(name)), stream_(ZSTD_createDStream()) {
    if (!stream_) throw std::bad_alloc();
  }
  ~Unzstd() override { ZSTD_freeDStream(stream_); }

 private:
  std::size_t decompress(std::span<char> into) override {
    if (left_.empty() && !more_to_give_) return 0;
    ZSTD_inBuffer in{left_.data(), left_.size(), 0};
    ZSTD_outBuffer out{into.data(), into.size(), 0};
    const std::size_t said = ZSTD_decompressStream(stream_, &out, &in);
    if (ZSTD_getErrorCode(said) == ZSTD_error_frameParameter_windowTooLarge) {
      no(std::errc::not_enough_memory, " wants more memory to be read than the 128 MiB that are allowed");
    }
    if (ZSTD_getErrorCode(said) == ZSTD_error_prefix_unknown && !begun_) no(std::errc::bad_message, " is not zstd");
    if (ZSTD_isError(said)) damaged();
    begun_ = true;
    left_ = left_.subspan(in.pos);
    inside_ = said != 0;
    more_to_give_ = inside_ && out.pos == out.size;
    return out.pos;
  }

  ZSTD_DStream* stream_;
  bool more_to_give_ = false;
};

}  // namespace

bool ends_in(std::string_view path, std::string_view ending) {
  if (path.size() < ending.size()) return false;
  path.remove_prefix(path.size() - ending.size());
  return std::equal(path.begin(), path.end(), ending.begin(), [](char c, char small) {
    return c == small || ('A' <= c && c <= 'Z' && c + ('a' - 'A') == small);
  });
}

Compression compression_of(std::string_view path) {
  if (ends_in(path, ".gz")) return Compression::gzip;
  if (ends_in(path, ".zst")) return Compression::zstd;
  return Compression::none;
}

std::string_view without_compression(std::string_view path) {
  const auto by = compression_of(path);
  return path.substr(0, path.size() - (by == Compression::gzip ? 3 : by == Compression::zstd ? 4 : 0));
}

void compress(Compression by, std::string_view bytes, std::string& out) {
  switch (by) {
    case Compression::none:
      out += bytes;
      break;
    case Compression::gzip:
      compress_gzip(bytes, out);
      break;
    case Compression::zstd:
      compress_zstd(bytes, out);
      break;
  }
}

std::unique_ptr<runtime::Reader> decompress(Compression by, std::unique_ptr<runtime::Reader> compressed,
                                            std::string name) {
  if (by == Compression::gzip) return std::make_unique<Gunzip>(std::move(compressed), std::move(name));
  if (by == Compression::zstd) return std::make_unique<Unzstd>(std::move(compressed), std::move(name));
  return compressed;
}

runtime::Task<std::optional<char>> last_byte(Compression by, std::unique_ptr<runtime::Reader> compressed,
                                             std::string name, runtime::Core& core) {
  std::optional<char> last;
  const auto reader = decompress(by, std::move(compressed), name);
  std::vector<char> bytes(read_bytes);
  while (const std::size_t size = co_await reader->read(bytes)) {
    last = bytes[size - 1];
    co_await core.yield();
  }
  const auto* const unpacked = dynamic_cast<const Decompressing*>(reader.get());
  if (unpacked && unpacked->padded()) {
    throw std::system_error(std::make_error_code(std::errc::bad_message),
                            name + " ends in zeros, behind which nothing is read");
  }
  co_return last;
}

struct GzipUnpacker::Stream {
  GzipStream gzip;
  std::array<char, 16 * 1024> made;
};

GzipUnpacker::GzipUnpacker() : stream_(std::make_unique<Stream>()) {}
GzipUnpacker::~GzipUnpacker() = default;

bool GzipUnpacker::at_end() const { return stream_->gzip.at_end(); }

Unpacked GzipUnpacker::append(std::string_view bytes, std::uint64_t most, std::string& out) {
  auto& [gzip, made] = *stream_;
  while (!bytes.empty() || gzip.more_to_give()) {
    const auto count = gzip.step(bytes, made);
    if (!count) return Unpacked::damaged;
    const std::uint64_t room = most - std::min<std::uint64_t>(out.size(), most);
    out.append(made.data(), std::min<std::uint64_t>(*count, room));
    if (*count > room) return Unpacked::too_large;
  }
  return Unpacked::whole;
}

Unpacked unpack_gzip(std::string_view bytes, std::size_t most, std::string& out) {
  GzipUnpacker unpacker;
  const auto said = unpacker.append(bytes, out.size() + most, out);
  return said == Unpacked::whole && !unpacker.at_end() ? Unpacked::damaged : said;
}

}  // namespace weir::io
