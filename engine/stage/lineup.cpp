#include "engine/stage/lineup.hpp"

#include <algorithm>
#include <cstring>

namespace weir::stage {

Task<Deliveries> receive_some(Driver& driver) {
  Deliveries deliveries;
  std::size_t bytes = 0;
  for (auto next = co_await driver.receive(); next; next = driver.receive_more()) {
    bytes += (*next)->live_bytes();
    deliveries.push_back(std::move(*next));
    if (bytes >= block_bytes) break;
  }
  co_return deliveries;
}

Task<Deliveries> receive_soon(Driver& driver, std::size_t bytes) {
  Deliveries deliveries;
  for (std::size_t came = 0; came < bytes;) {
    auto next = driver.receive_more();
    if (!next) next = co_await driver.receive_soon();
    if (!next) break;
    came += (*next)->live_bytes();
    deliveries.push_back(std::move(*next));
  }
  co_return deliveries;
}

Lineup::Lineup(std::string name, bool json, std::unique_ptr<runtime::Writer> writer, Driver& driver, Care care)
    : name_(std::move(name)),
      json_(json),
      care_(care),
      writer_(std::move(writer)),
      driver_(driver),
      patience_(name_, driver) {}

Lineup::~Lineup() {
  try {
    cut(begun_);
  } catch (const std::system_error&) {
    // Half a line stays behind, at the end of what was not finished.
  }
}

void Lineup::add(Message message, std::string_view line) {
  const std::size_t begin = bytes_.size();
  bytes_ += line;
  if (json_) blank(begin, '\n');
  bytes_ += '\n';
  ends_.push_back({message, bytes_.size()});
}

Task<std::error_code> Lineup::write(Extent extent) {
  if (json_) blank(blanked_, '\r');  // Of all at once: one search is quicker than many.
  blanked_ = bytes_.size();
  if (care_.compression != io::Compression::none) pack();
  const std::size_t end = end_of(extent);
  std::error_code error;
  std::size_t begin = 0;  // What comes before is there, in whole lines.
  for (std::size_t from = begun_; from < end; from = begin) {
    error.clear();
    try {
      const std::span<const char> left(bytes_.data() + from, end - from);
      co_await writer_->write(left);
    } catch (const std::system_error& failed) {
      error = failed.code();
    }
    const std::size_t written = error ? from + writer_->written() : end;
    file_end_ = error || !file_end_ ? std::nullopt : std::optional(*file_end_ + (end - from));
    begun_ = 0;
    if (care_.sync && next_ < ends_.size() && ends_[next_].bytes <= written) co_await make_durable();
    begin = pass_until(written, begin);
    if (!error) {
      begun_ = end - begin;
      break;
    }
    if (error == std::errc::broken_pipe) co_return error;
    cut(written - begin);
    if (!disk_full(error)) co_return error;
    try {
      co_await patience_.wait();
    } catch (const runtime::Stopped&) {
      fail_left(error);
      throw;
    }
    // Nobody would find what is written there now.
    if (writer_->removed()) co_return std::make_error_code(std::errc::no_such_file_or_directory);
  }
  patience_.over();
  keep_from(begin);
  co_return std::error_code();
}

/// The messages whose lines are there pass. Where those end; `begin`: there are none.
std::size_t Lineup::pass_until(std::size_t written, std::size_t begin) {
  while (next_ < ends_.size() && ends_[next_].bytes <= written) {
    Batch& batch = ends_[next_].message.batch();
    const std::size_t from = ends_[next_].message.row();
    std::size_t to = from;
    for (; next_ < ends_.size() && ends_[next_].bytes <= written; ++next_, ++to) {
      if (&ends_[next_].message.batch() != &batch || ends_[next_].message.row() != to) break;
      begin = ends_[next_].bytes;
    }
    driver_.out.pass_run(batch, from, to);
    holds_messages_ = true;
  }
  return begin;
}

/// Of bytes_, where writing ends.
std::size_t Lineup::end_of(Extent extent) {
  if (extent == Extent::all) return bytes_.size();
  const std::size_t waiting = bytes_.size() - begun_;
  if (!file_end_) file_end_ = writer_->size();
  const auto beyond = static_cast<std::size_t>((*file_end_ + waiting) % block_bytes);  // The last multiple.
  missing_ = block_bytes - beyond;
  return waiting > beyond ? bytes_.size() - beyond : 0;
}

/// All of it is there, or nothing.
void Lineup::pack() {
  packed_.clear();
  if (!bytes_.empty()) io::compress(care_.compression, bytes_, packed_);
  bytes_.swap(packed_);
  for (auto& end : ends_) end.bytes = bytes_.size();
}

Task<> Lineup::make_durable() {
  std::error_code error;
  try {
    co_await writer_->sync();
    co_return;
  } catch (const std::system_error& failed) {
    error = failed.code();
  }
  fail_left(error);
  throw std::system_error(error, "file: cannot sync " + name_);
}

Task<> Lineup::write_nothing() {
  if (care_.compression == io::Compression::none || writer_->size() > 0) co_return;
  packed_.clear();
  io::compress(care_.compression, {}, packed_);
  co_await writer_->write(packed_);
}

void Lineup::fail_left(const std::error_code& error) {
  for (; next_ < ends_.size(); ++next_) {
    driver_.out.fail(ends_[next_].message, {Reason::io, "cannot write " + name_ + ": " + error.message()});
  }
  begin_anew();
}

void Lineup::drop_left(Dropped why) {
  for (; next_ < ends_.size(); ++next_) driver_.out.drop(ends_[next_].message, why);
  begin_anew();
}

void Lineup::begin_anew() {
  bytes_.clear();
  ends_.clear();
  next_ = begun_ = blanked_ = 0;
}

/// What comes before is there, and its messages have passed.
void Lineup::keep_from(std::size_t begin) {
  if (next_ == ends_.size()) return begin_anew();
  bytes_.erase(0, begin);
  blanked_ -= begin;
  ends_.erase(ends_.begin(), ends_.begin() + static_cast<std::ptrdiff_t>(next_));
  next_ = 0;
  for (auto& end : ends_) end.bytes -= begin;
}

/// A line break in JSON is white space: a string can't hold one.
void Lineup::blank(std::size_t begin, char line_break) {
  char* const line = bytes_.data() + begin;
  const std::size_t size = bytes_.size() - begin;
  if (std::memchr(line, line_break, size)) std::replace(line, line + size, line_break, ' ');
}

/// Takes a half-written line off the end: the next one must not be glued to it. What is no regular file has no end to
/// cut.
void Lineup::cut(std::size_t bytes) {
  const std::uint64_t size = writer_->size();
  if (bytes > 0 && size >= bytes) writer_->truncate(size - bytes);
}

}  // namespace weir::stage
