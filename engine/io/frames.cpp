#include "engine/io/frames.hpp"

#include <algorithm>
#include <charconv>

#include "engine/config/values.hpp"

namespace weir::io {
namespace {

constexpr std::size_t count_bytes = 4;
constexpr std::size_t digits_most = 9;

}  // namespace

bool fits(Framing framing, std::string_view message) {
  switch (framing) {
    case Framing::lines:
      return message.find('\n') == std::string_view::npos;
    case Framing::length:
      return message.size() <= 0xFFFFFFFF;
    case Framing::netstring:
      return message.size() < 1'000'000'000;
    case Framing::raw:
      break;
  }
  return true;
}

void append_frame(Framing framing, std::string_view message, std::string& stream) {
  switch (framing) {
    case Framing::lines:
      stream += message;
      stream += '\n';
      break;
    case Framing::length:
      for (int shift = 24; shift >= 0; shift -= 8) stream += static_cast<char>(message.size() >> shift & 0xFF);
      stream += message;
      break;
    case Framing::netstring:
      stream += std::to_string(message.size());
      stream += ':';
      stream += message;
      stream += ',';
      break;
    case Framing::raw:
      stream += message;
      break;
  }
}

Framer::Framer(Framing framing, std::size_t bytes_most) : framing_(framing), most_(bytes_most), lines_(bytes_most) {}

void Framer::end() {
  if (framing_ == Framing::lines) return lines_.end();
  if (!ended_ && wrong_.empty() && (size_ || !bytes_.rest().empty())) wrong_ = "the stream ends inside a message";
  ended_ = true;
}

std::optional<Line> Framer::next_frame() {
  if (!wrong_.empty() || ended_) return std::nullopt;
  if (framing_ == Framing::raw) {
    const std::string_view rest = bytes_.rest();
    return rest.empty() ? std::nullopt : finish(rest, 0);
  }
  if (!size_ && !read_head()) return std::nullopt;
  if (*size_ > most_) {
    announced_too_much_ = true;
    wrong_ = "message " + std::to_string(messages_ + 1) + " has " + std::to_string(*size_) + " bytes, more than " +
             config::show(config::Size{most_});
    return std::nullopt;
  }
  const std::size_t size = static_cast<std::size_t>(*size_);
  const std::size_t behind = framing_ == Framing::netstring ? 1 : 0;
  const std::string_view rest = bytes_.rest();
  if (rest.size() < size + behind) {
    bytes_.expect(size + behind);
    return std::nullopt;
  }
  if (behind && rest[size] != ',') {
    wrong_ = "behind a netstring stands no comma";
    return std::nullopt;
  }
  return finish(rest.substr(0, size), behind);
}

/// What stands before a message. False: not all of it is there, or it is wrong.
bool Framer::read_head() {
  if (framing_ == Framing::netstring) return read_number();
  const std::string_view rest = bytes_.rest();
  if (rest.size() < count_bytes) return false;
  std::uint64_t size = 0;
  for (const char byte : rest.substr(0, count_bytes)) size = size << 8 | static_cast<unsigned char>(byte);
  size_ = size;
  bytes_.take_quietly(count_bytes);
  return true;
}

bool Framer::read_number() {
  const std::string_view head = bytes_.rest().substr(0, digits_most + 1);
  const auto colon = head.find(':');
  const std::string_view digits = head.substr(0, colon);
  const bool number = std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  const bool zero_first = digits.size() > 1 && digits.front() == '0';
  const bool whole = colon != std::string_view::npos;
  if (!number || zero_first || digits.size() > digits_most || (whole && digits.empty())) {
    wrong_ = "what should be a netstring begins with no length";
    return false;
  }
  if (!whole) return false;
  std::uint64_t size = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), size);
  size_ = size;
  bytes_.take_quietly(colon + 1);
  return true;
}

std::optional<Line> Framer::finish(std::string_view bytes, std::size_t behind) {
  Line message;
  message.bytes = bytes;
  message.number = ++messages_;
  bytes_.take(bytes.size() + behind);
  bytes_.expect(0);
  size_.reset();
  return message;
}

}  // namespace weir::io
