// A batch: how messages travel. A table with one owner over arenas that may be shared.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/message/ack.hpp"
#include "engine/message/arena.hpp"
#include "engine/message/metadata.hpp"
#include "engine/message/recycler.hpp"
#include "engine/runtime/time.hpp"

namespace weir::message {

class Document;

/// What a source keeps of a batch until it has been answered: enough to send any row again. Holds the arenas.
class Retained {
 public:
  std::size_t size() const noexcept { return rows_.size(); }
  std::string_view payload(std::size_t row) const noexcept { return rows_[row]; }
  const Metadata* metadata(std::size_t row) const noexcept { return metadata_.empty() ? nullptr : metadata_[row].get(); }
  runtime::Time entered() const noexcept { return entered_; }
  void clear() noexcept {
    rows_.clear();
    metadata_.clear();
    arenas_.clear();
  }

 private:
  friend class Batch;
  std::vector<std::string_view> rows_;
  std::vector<std::shared_ptr<Metadata>> metadata_;
  std::vector<ArenaRef> arenas_;
  runtime::Time entered_{};
};

/// Messages in a batch at the most.
inline constexpr std::size_t batch_rows = 64;

/// Up to 64 messages: a table of payloads, metadata in columns, lazily parsed views and their edits, and for each row
/// the ack token it counts on. Exactly one owner at a time; it may be handed to another core, never shared. The
/// payload bytes lie in arenas that other tables may point into as well, so they never change.
///
/// A row that has a token must be answered: done(), fail(), or moved to another batch. A batch that is destroyed with
/// unanswered rows fails them as `stopped`.
class Batch : public Recyclable<Batch> {
 public:
  struct GiveBack {
    void operator()(Batch* batch) const noexcept;
  };
  using Pointer = std::unique_ptr<Batch, GiveBack>;
  /// An empty batch, from the calling thread's free list where it has one.
  static Pointer make();

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  bool full() const noexcept { return size_ == batch_rows; }

  // --- columns -------------------------------------------------------------------------------------------------

  /// The payload as it is now: edits through document() are written out first. Valid until the row is edited, moved
  /// or answered. Followed by `padding` readable bytes.
  std::string_view payload(std::size_t row) const {
    if (has_documents_ && documents_[row]) write_edits(row);
    return {payload_[row].data, payload_[row].size};
  }
  std::uint64_t id(std::size_t row) const noexcept { return id_[row]; }
  runtime::Time entered(std::size_t row) const noexcept { return entered_[row]; }  ///< When it entered weir.
  Token* token(std::size_t row) const noexcept { return token_[row]; }
  /// Null where the row has nothing beyond the columns above.
  const Metadata* metadata(std::size_t row) const noexcept {
    return has_metadata_ ? metadata_[row].get() : nullptr;
  }
  /// The row's own metadata, to be changed.
  Metadata& edit_metadata(std::size_t row);
  void share_metadata(std::size_t row, std::shared_ptr<Metadata> metadata);

  /// The parsed view of the payload, made at the first touch; edits go into it. Never null; ask Document::valid().
  Document& document(std::size_t row);
  /// Whether a view exists already (so that nobody parses just to look).
  Document* document_if_any(std::size_t row) const noexcept { return has_documents_ ? documents_[row].get() : nullptr; }
  /// So many edits have been made; undo_edits() goes back to that many.
  std::size_t edits(std::size_t row) const noexcept;
  void undo_edits(std::size_t row, std::size_t to) noexcept;

  // --- making rows ---------------------------------------------------------------------------------------------

  /// Room for `bytes` more in this batch? (64 messages or 64 KiB, but always one message.)
  bool fits(std::size_t bytes) const noexcept {
    return size_ < batch_rows && (size_ == 0 || live_bytes() + bytes <= arena_bytes);
  }
  /// A new row with a copy of these bytes. No token, id 0. Returns its number.
  std::size_t append(std::string_view bytes, runtime::Time entered);
  /// Space for `most` bytes of a new row: write there, then append_written(). Nothing else between the two.
  char* reserve(std::size_t most);
  std::size_t append_written(std::size_t size, runtime::Time entered);
  /// A new row whose bytes lie in `arena` already.
  std::size_t append_shared(const ArenaRef& arena, std::string_view bytes, runtime::Time entered);
  /// Replaces the payload by a copy of `bytes`; the parsed view is forgotten.
  void replace_payload(std::size_t row, std::string_view bytes);
  void set_identity(std::size_t row, std::uint64_t id, Token* token) noexcept {
    id_[row] = id;
    token_[row] = token;
    if (token) has_tokens_ = true;
  }
  /// Gives every row the ids first_id, first_id + 1, … and this token, which must count size() rows.
  void open(Token* token, std::uint64_t first_id) noexcept;

  // --- moving rows ---------------------------------------------------------------------------------------------

  /// Appends the row of another batch, with everything it has; there it stays behind as an answered, empty shell.
  /// The caller has checked fits().
  std::size_t take_row(Batch& from, std::size_t row);
  /// Keeps only these rows (ascending); the others must have been answered or taken.
  void keep(std::span<const std::uint8_t> rows);
  /// A second table over the same arenas; each row's token counts one more.
  Pointer copy() const;
  /// Keeps what is needed to send the rows again. `kept` may be one used before.
  void retain(Retained& kept) const;
  /// Where the rows use less than a quarter of their arenas: copies them out, so that little holds little.
  void compact();

  // --- answering -----------------------------------------------------------------------------------------------

  void done(std::size_t row) noexcept;
  void done_all() noexcept;  ///< One atomic operation for each run of rows of one token. The rows stay readable.
  /// The row's token hears of it, with the payload as it is now. Without a token nobody does.
  void fail(std::size_t row, Failure failure) noexcept;
  void clear() noexcept;     ///< To no rows. Unanswered ones fail.

  /// Payload bytes of all rows, edits not counted until written out.
  std::size_t live_bytes() const noexcept { return live_bytes_; }
  /// Writes all edits out, so that payload() is plain and live_bytes() exact.
  void settle() {
    if (has_documents_) write_all_edits();
  }

  static constexpr std::size_t size_classes = 1;
  std::size_t size_class() const noexcept { return 0; }

 private:
  friend class Recycler<Batch>;
  struct Span {
    const char* data;
    std::uint32_t size;
  };
  Batch();
  ~Batch();
  char* room_for(std::size_t bytes);
  std::size_t add_row(const char* data, std::size_t size, runtime::Time entered) noexcept;
  void hold(const ArenaRef& arena);
  void hold_from(const Batch& other, const char* bytes);
  void write_edits(std::size_t row) const;
  void write_all_edits() const;
  void forget_document(std::size_t row) const noexcept;

  std::size_t size_ = 0;
  mutable std::size_t live_bytes_ = 0;
  bool has_tokens_ = false;
  bool has_metadata_ = false;
  bool has_documents_ = false;
  mutable std::array<Span, batch_rows> payload_;
  std::array<std::uint64_t, batch_rows> id_;
  std::array<runtime::Time, batch_rows> entered_;
  std::array<Token*, batch_rows> token_;
  std::array<std::shared_ptr<Metadata>, batch_rows> metadata_;
  mutable std::array<std::unique_ptr<Document>, batch_rows> documents_;
  mutable std::array<std::size_t, batch_rows> written_;  // Edits of the view that payload_ shows.
  mutable std::vector<ArenaRef> arenas_;  // All that a payload may point into; the last one is ours to fill, or null.
  mutable ArenaRef filling_;              // The arena new payloads go to, also in arenas_.
};

}  // namespace weir::message
