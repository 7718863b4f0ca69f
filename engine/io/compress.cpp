#include "engine/io/compress.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <new>
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
  std::optional<std::uint64_t> size() const override { return std::nullopt; }
  std::optional<runtime::FileStatus> status() const override { return compressed_->status(); }
  void seek(std::uint64_t) override {
    throw std::system_error(std::make_error_code(std::errc::invalid_argument), name_);
  }

 protected:
  /// Of left_ as much as goes into the room. How many bytes that made.
  virtual std::size_t decompress(std::span<char> into) = 0;
  [[noreturn]] void damaged() const {
    throw std::system_error(std::make_error_code(std::errc::bad_message), name_ + " is damaged, or ends too early");
  }

  std::span<char> left_;  // Of what was read.
  bool inside_ = false;   // A member has begun and not ended.

 private:
  const std::unique_ptr<runtime::Reader> compressed_;
  const std::string name_;
  std::vector<char> bytes_;
};

class Gunzip final : public Decompressing {
 public:
  Gunzip(std::unique_ptr<runtime::Reader> compressed, std::string name)
      : Decompressing(std::move(compressed), std::move(name)) {
    if (::inflateInit2(&stream_, gzip_format) != Z_OK) throw std::bad_alloc();
  }
  ~Gunzip() override { ::inflateEnd(&stream_); }

 private:
  std::size_t decompress(std::span<char> into) override {
    if (left_.empty() && !more_to_give_) return 0;
    stream_.next_in = reinterpret_cast<Bytef*>(left_.data());
    stream_.avail_in = static_cast<uInt>(left_.size());
    stream_.next_out = reinterpret_cast<Bytef*>(into.data());
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(into.size(), 1 << 30));
    const uInt room = stream_.avail_out;
    inside_ = true;
    const int said = ::inflate(&stream_, Z_NO_FLUSH);
    left_ = left_.last(stream_.avail_in);
    if (said == Z_STREAM_END) {
      inside_ = false;
      ::inflateReset(&stream_);
    } else if (said != Z_OK && said != Z_BUF_ERROR) {
      damaged();
    }
    more_to_give_ = inside_ && stream_.avail_out == 0;
    return room - stream_.avail_out;
  }

  z_stream stream_{};
  bool more_to_give_ = false;  // It had no room for all.
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
    if (ZSTD_isError(said)) damaged();
    left_ = left_.subspan(in.pos);
    inside_ = said != 0;
    more_to_give_ = inside_ && out.pos == out.size;
    return out.pos;
  }

  ZSTD_DStream* stream_;
  bool more_to_give_ = false;
};

}  // namespace

Compression compression_of(std::string_view path) {
  if (path.ends_with(".gz")) return Compression::gzip;
  if (path.ends_with(".zst")) return Compression::zstd;
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

Unpacked unpack_gzip(std::string_view bytes, std::size_t most, std::string& out) {
  z_stream stream{};
  if (::inflateInit2(&stream, gzip_format) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ended(&stream, ::inflateEnd);
  if (bytes.size() > (std::size_t{1} << 30)) return Unpacked::too_large;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  const std::size_t begin = out.size();
  for (bool inside = true; inside || stream.avail_in > 0;) {
    const std::size_t before = out.size();
    if (before - begin > most) return Unpacked::too_large;
    const std::size_t room = std::min(read_bytes, most - (before - begin) + 1);
    out.resize(before + room);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(room);
    const int said = ::inflate(&stream, Z_NO_FLUSH);
    out.resize(before + room - stream.avail_out);
    if (said == Z_STREAM_END) {
      inside = false;
      if (stream.avail_in > 0) ::inflateReset(&stream);
    } else if (said != Z_OK || (stream.avail_in == 0 && stream.avail_out > 0)) {
      return Unpacked::damaged;
    } else {
      inside = true;
    }
  }
  return out.size() - begin > most ? Unpacked::too_large : Unpacked::whole;
}

}  // namespace weir::io
