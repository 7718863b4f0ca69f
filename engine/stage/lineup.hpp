// Messages that are brought to a file or a stream, a line each.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "engine/io/compress.hpp"
#include "engine/runtime/files.hpp"
#include "engine/stage/context.hpp"
#include "engine/stage/full_disk.hpp"

namespace weir::stage {

/// What else is done with lines before their messages pass.
struct Care {
  io::Compression compression = io::Compression::none;  ///< What is written at once becomes one member.
  bool sync = false;                                    ///< They are made durable first.
};

using Deliveries = std::vector<Delivery>;

/// What is worth one write. Of 200 MB to four files a write of 12 KB at a time took 140 ms of the system, one of this
/// and more 80 ms. Where it begins and ends at multiples of it, ext4 of Linux 6.18 takes 40 instead of 65 ms for 200
/// MB, and three quarters of the time to make them durable and to give them up.
inline constexpr std::size_t block_bytes = 64 * 1024;

/// The next delivery, and of what has come besides so much that it is worth a write. None: all inputs have ended.
Task<Deliveries> receive_some(Driver& driver);
/// So many bytes of what comes by Driver::receive_soon(), or less.
Task<Deliveries> receive_soon(Driver& driver, std::size_t bytes);

/// What is written of the lines that were added.
enum class Extent {
  all,
  blocks  ///< Up to the last multiple of block_bytes of the file: see Lineup::write(). Not of what is compressed.
};

/// Lines that are added message by message, then written together; until then their batches are held. A message passes
/// when its line is there whole. No half line stays behind where there is an end to cut; on a full disk all waits.
class Lineup {
 public:
  /// `name`: of what is written, for failures and the log. `json`: each line is JSON; its line breaks, which are white
  /// space there, become blanks.
  Lineup(std::string name, bool json, std::unique_ptr<runtime::Writer> writer, Driver& driver, Care care = {});
  Lineup(const Lineup&) = delete;
  Lineup& operator=(const Lineup&) = delete;
  ~Lineup();

  void add(Message message, std::string_view line);
  /// Writes what was added. What it returns, if anything, is why the messages after those that passed are still without
  /// a verdict: fail_left() or drop_left() gives it. Stopped while it waits for a full disk, it fails them itself; so
  /// it does where they can't be made durable, and then throws std::system_error: what was written is not to be
  /// trusted.
  /// By blocks, the last line of those may be there in part, until the rest follows or the file is let go of; only
  /// where nobody reads the file yet. A file system that keeps whole blocks takes one for half the price of its parts.
  Task<std::error_code> write(Extent extent = Extent::all);
  void fail_left(const std::error_code& error);
  void drop_left(Dropped why);

  /// Of the first line that was added and is not there whole; null: there is none.
  const Batch* first_waiting() const { return next_ < ends_.size() ? &ends_[next_].message.batch() : nullptr; }
  /// Bytes up to the end of the block of those that wait. After a write by blocks.
  std::size_t missing_bytes() const { return missing_; }
  std::size_t waiting_bytes() const { return bytes_.size(); }  ///< Of the lines that were added.
  /// Of the file, without those but for what is there of the first.
  std::uint64_t size() const { return writer_->size(); }
  bool removed() const { return writer_->removed(); }
  /// What is written from here on goes there. Nothing was added.
  void go_on_with(std::unique_ptr<runtime::Writer> writer) {
    writer_ = std::move(writer);
    file_end_.reset();
  }

  /// Where nothing was written: what an empty file is, compressed. Throws std::system_error.
  Task<> write_nothing();
  Task<> sync() { return writer_->sync(); }
  /// Of the terminal that it goes to, if it does.
  std::optional<std::size_t> columns() const { return writer_->columns(); }
  /// Whether any message passed: nobody will send it again.
  bool holds_messages() const { return holds_messages_; }

 private:
  struct End {
    Message message;
    std::size_t bytes;  // Of bytes_, up to the end of its line.
  };
  void blank(std::size_t begin, char line_break);
  void cut(std::size_t bytes);
  void begin_anew();
  void keep_from(std::size_t begin);
  std::size_t pass_until(std::size_t written, std::size_t begin);
  std::size_t end_of(Extent extent);
  void pack();
  Task<> make_durable();

  const std::string name_;
  const bool json_;
  const Care care_;
  std::unique_ptr<runtime::Writer> writer_;
  Driver& driver_;
  Patience patience_;
  std::string packed_;
  std::string bytes_;      // Of the lines that are to be written; reused.
  std::vector<End> ends_;  // Of each of them.
  std::size_t missing_ = 0;
  std::optional<std::uint64_t> file_end_;  // Where that is known without asking.
  std::size_t begun_ = 0;                  // So many bytes of the first line are there: of a block.
  std::size_t blanked_ = 0;                // So many need no further look.
  std::size_t next_ = 0;                   // The first of ends_ that has no verdict.
  bool holds_messages_ = false;
};

}  // namespace weir::stage
