#include "engine/stage/positions.hpp"

#include <array>
#include <functional>
#include <system_error>

#include "engine/message/arena.hpp"
#include "engine/message/document.hpp"
#include "engine/message/json.hpp"
#include "engine/stage/context.hpp"

namespace weir::stage {
namespace {

/// The one line; false where it is not one of ours.
bool read_line(std::string_view line, Position& position) {
  if (message::check_json(line)) return false;
  const std::string padded = std::string(line) + std::string(message::padding, '\0');
  message::Document document;
  document.bind({padded.data(), line.size()});
  const auto number = [&](std::string_view key) { return document.integer(document.find(document.root(), key)); };
  const auto path = document.string(document.find(document.root(), "path"));
  const auto device = number("device"), inode = number("inode"), bytes = number("beginning_bytes"),
             hash = number("beginning_hash"), offset = number("offset"), lines = number("line");
  if (!path || !device || !inode || !bytes || !hash || !offset || !lines) return false;
  position.path = *path;
  position.device = static_cast<std::uint64_t>(*device);
  position.inode = static_cast<std::uint64_t>(*inode);
  position.beginning = {static_cast<std::uint64_t>(*bytes), static_cast<std::uint64_t>(*hash)};
  position.offset = static_cast<std::uint64_t>(*offset);
  position.line = *lines;
  const auto ending_bytes = number("ending_bytes"), ending_hash = number("ending_hash");
  if (ending_bytes && ending_hash) {
    position.ending = {static_cast<std::uint64_t>(*ending_bytes), static_cast<std::uint64_t>(*ending_hash)};
  }
  return true;
}

void append_line(std::string& out, const Position& position) {
  const auto number = [&out](const char* key, std::uint64_t value) {
    // As a number with a sign: that is what a reader of JSON has room for.
    out += std::string(",\"") + key + "\":" + std::to_string(static_cast<std::int64_t>(value));
  };
  out += "{\"path\":";
  message::append_quoted(out, position.path);
  number("device", position.device);
  number("inode", position.inode);
  number("beginning_bytes", position.beginning.bytes);
  number("beginning_hash", position.beginning.hash);
  number("offset", position.offset);
  number("line", static_cast<std::uint64_t>(position.line));
  if (position.ending.bytes > 0) {
    number("ending_bytes", position.ending.bytes);
    number("ending_hash", position.ending.hash);
  }
  out += "}\n";
}

}  // namespace

Fingerprint fingerprint_of(std::string_view bytes) {
  Fingerprint made{bytes.size(), 14695981039346656037U};
  for (const char byte : bytes) {
    made.hash = (made.hash ^ static_cast<unsigned char>(byte)) * 1099511628211U;
  }
  return made;
}

/// Two that go on from one place would each read everything, and write down over each other how far they came.
void Positions::claim() {
  auto& files = core_.files();
  try {
    if (const auto slash = path_.rfind('/'); slash != path_.npos) files.make_directories(path_.substr(0, slash));
    claim_ = files.create(path_ + ".lock", runtime::Files::Mode::alone);
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::device_or_resource_busy) {
      throw std::system_error(error.code(), "another weir goes on from " + path_);
    }
    // That nothing can be written there is write()'s to say.
  }
}

Task<std::optional<std::vector<Position>>> Positions::read() {
  std::string text;
  {
    std::unique_ptr<runtime::Reader> reader;
    try {
      reader = core_.files().open(path_);
    } catch (const std::system_error& error) {
      if (error.code() == std::errc::no_such_file_or_directory) co_return std::nullopt;
      throw std::system_error(error.code(), "cannot read " + path_);
    }
    std::array<char, 4096> bytes;
    while (const std::size_t size = co_await reader->read(bytes)) text.append(bytes.data(), size);
  }
  std::vector<Position> positions;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (!read_line(std::string_view(text).substr(begin, end - begin), positions.emplace_back())) {
      throw Fault("what is in " + path_ +
                  " says nowhere to go on from; without that file all is read from the beginning");
    }
    begin = end + 1;
  }
  co_return positions;
}

Task<> Positions::write(const std::vector<Position>& positions) {
  std::string text;
  for (const auto& position : positions) append_line(text, position);
  auto& files = core_.files();
  const std::string unfinished = path_ + ".part";
  try {
    if (const auto slash = path_.rfind('/'); slash != path_.npos) files.make_directories(path_.substr(0, slash));
    {
      const auto writer = files.create(unfinished, runtime::Files::Mode::truncate);
      co_await writer->write(text);
      co_await writer->sync();
    }
    // It syncs the folder, which takes some milliseconds.
    std::function<void()> rename = [&files, &unfinished, this] { files.rename(unfinished, path_); };
    co_await core_.blocking(std::move(rename));
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), "cannot write " + path_);
  }
}

}  // namespace weir::stage
