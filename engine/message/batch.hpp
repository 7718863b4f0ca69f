// A batch: how messages travel. A table with one owner over arenas that may be shared.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/message/ack.hpp"
#include "engine/message/arena.hpp"
#include "engine/message/metadata.hpp"
#include "engine/message/recycler.hpp"
#include "engine/runtime/assert.hpp"
#include "engine/runtime/time.hpp"

namespace weir::message {

class Document;
struct Member;
struct Members;

/// Messages in a batch at the most.
inline constexpr std::size_t batch_rows = 64;

/// Members of a payload's root that a row keeps at the most. A view of more is dear enough to look again.
inline constexpr std::uint32_t row_members_most = 128;

/// Where a payload lies.
struct Span {
  const char* data;
  std::uint32_t size;
};

/// What a source keeps of a batch until it has been answered: enough to send any row again. Holds the arenas.
class Retained {
 public:
  std::size_t size() const noexcept { return size_; }
  bool holds(const ArenaRef& arena) const noexcept {
    return std::any_of(arenas_.begin(), arenas_.end(), [&](const ArenaRef& held) { return held.get() == arena.get(); });
  }
  std::string_view payload(std::size_t row) const noexcept { return {rows_[row].data, rows_[row].size}; }
  const Metadata* metadata(std::size_t row) const noexcept {
    return metadata_.empty() ? nullptr : metadata_[row].get();
  }
  runtime::Time entered() const noexcept { return entered_; }
  void clear() noexcept {
    size_ = 0;
    metadata_.clear();
    arenas_.clear();
  }

 private:
  friend class Batch;
  std::size_t size_ = 0, room_ = 0;
  std::unique_ptr<Span[]> rows_;
  std::vector<std::shared_ptr<Metadata>> metadata_;
  std::vector<ArenaRef> arenas_;
  runtime::Time entered_{};
};

/// A view of a payload. When it goes, its tables go home to the core that made it, for another.
struct GiveBackDocument {
  void operator()(Document* document) const noexcept;
};
using DocumentPointer = std::unique_ptr<Document, GiveBackDocument>;

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
  std::uint64_t id(std::size_t row) const noexcept { return alike_ ? alike_id(row) : id_[row]; }
  /// When it entered weir.
  runtime::Time entered(std::size_t row) const noexcept { return alike_ ? all_entered_ : entered_[row]; }
  Token* token(std::size_t row) const noexcept { return alike_ ? all_token_ : has_tokens_ ? token_[row] : nullptr; }
  /// Null where the row has nothing beyond the columns above.
  const Metadata* metadata(std::size_t row) const noexcept { return has_metadata_ ? metadata_[row].get() : nullptr; }
  /// The row's own metadata, to be changed.
  Metadata& edit_metadata(std::size_t row);
  void share_metadata(std::size_t row, std::shared_ptr<Metadata> metadata);
  /// The row, which has just been added, was made of this line of the input. What of that lines() can't tell, since
  /// lines were left out before it, stands in its metadata.
  void came_from_line(std::size_t row, std::int64_t line) {
    const std::int64_t first = line - static_cast<std::int64_t>(row);
    if (lines_.known == 0) lines_.first = first;
    if (first == lines_.first) {
      lines_.known |= bit(row);
    } else {
      edit_metadata(row).line = line;
    }
  }
  /// Until rows are taken out or put in: for their token.
  const Lines& lines() const noexcept { return lines_; }

  /// The parsed view of the payload, made at the first touch; edits go into it. Never null; ask Document::valid().
  Document& document(std::size_t row);
  /// Whether any row has a view, and so perhaps edits.
  bool has_documents() const noexcept { return has_documents_; }
  /// Whether a view exists already (so that nobody parses just to look).
  Document* document_if_any(std::size_t row) const noexcept { return has_documents_ ? documents_[row].get() : nullptr; }
  /// The payload is known to be JSON, strictly: whoever let it in has checked it (check_json), and nobody need do it
  /// again. Goes with the row; forgotten when its payload is replaced.
  void mark_json(std::size_t row) noexcept { json_ |= bit(row); }
  /// The same, and keeps the members that the check has found, if they are few: the view is then made of them.
  void mark_json(std::size_t row, const Members& members);
  /// The members that are kept of the row; not known once it has a view. Good until any row is marked.
  Members members(std::size_t row) const noexcept;
  /// Nobody will ask for them any more.
  void forget_members(std::size_t row) noexcept { listed_ &= ~bit(row); }
  bool known_json(std::size_t row) const noexcept { return (json_ & bit(row)) != 0; }
  /// Whether the payload is JSON, strictly. Looks at it where nobody has yet.
  bool is_json(std::size_t row);
  /// So many edits have been made; undo_edits() goes back to that many.
  std::size_t edits(std::size_t row) const noexcept { return has_documents_ ? edits_of_view(row) : 0; }
  void undo_edits(std::size_t row, std::size_t to) noexcept;
  /// Notes each payload as it is now, its edits written out, so that it can be had back whatever is done to it until
  /// the batch is compacted or notes again. Goes with a row that moves; not with copies.
  void keep_originals();
  /// The row was made of one of another batch: it has the same original, if there is any.
  void share_original(std::size_t row, const Batch& from, std::size_t from_row);
  /// Back to that. False: the row was made later.
  bool restore_original(std::size_t row) noexcept;

  // --- making rows ---------------------------------------------------------------------------------------------

  /// Room for `bytes` more in this batch? (64 messages or 64 KiB, but always one message.)
  bool fits(std::size_t bytes) const noexcept {
    return size_ < batch_rows && (size_ == 0 || live_bytes() + bytes <= arena_bytes);
  }
  /// So many bytes will probably come in all; an arena for them is made with the first.
  void expect(std::size_t bytes) noexcept { expected_bytes_ = bytes; }
  /// A new row with a copy of these bytes. No token, id 0. Returns its number.
  std::size_t append(std::string_view bytes, runtime::Time entered) {
    return append_written(bytes.size(), entered, [bytes](char* to) {
      if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
      return bytes.size();
    });
  }
  /// A new row that is written where it shall stand: write(char* to) puts there at most `most` bytes and returns how
  /// many. It must not touch the batch.
  template <class Write>
  std::size_t append_written(std::size_t most, runtime::Time entered, Write write) {
    char* const to = room_for(most);
    const std::size_t size = write(to);
    filling_->commit(size);
    return add_row(to, size, entered);
  }
  /// Up to `count` new rows while fits(most), one write() for each. Returns how many. Quicker than one by one: what
  /// write() puts down might be anything, so each time all that is known of the batch has to be read again.
  template <class Write>
  std::size_t append_many(std::uint64_t count, std::size_t most, runtime::Time entered, Write write) {
    const std::size_t first = size_;
    const bool alike = adds_alike(0, 0, entered, nullptr);
    const std::size_t most_each = std::max<std::size_t>(1, most);
    std::size_t row = first, live = live_bytes_;
    while (row - first < count && row < batch_rows && (row == 0 || live + most <= arena_bytes)) {
      char* to = room_for(most);
      char* const begin = to;
      // As many as surely fit; where each is shorter than `most`, there is room for more behind them.
      const std::size_t rows =
          std::min<std::uint64_t>({count - (row - first), batch_rows - row, filling_->room() / most_each,
                                   live + most <= arena_bytes ? (arena_bytes - live) / most_each : 1});
      for (const std::size_t end = row + rows; row < end; ++row) {
        const std::size_t size = write(to);
        payload_[row] = {to, static_cast<std::uint32_t>(size)};
        if (!alike) set_columns(row, 0, entered, nullptr);
        to += size;
      }
      const auto written = static_cast<std::size_t>(to - begin);
      live += written;
      filling_->commit(written);
      size_ = row;
      live_bytes_ = live;
    }
    return row - first;
  }
  /// A new row whose bytes lie in `arena` already.
  std::size_t append_shared(const ArenaRef& arena, std::string_view bytes, runtime::Time entered) {
    if (arenas_.empty() || arenas_.back().get() != arena.get()) hold(arena);
    return add_row(bytes.data(), bytes.size(), entered);
  }
  /// Replaces the payload by a copy of `bytes`; the parsed view is forgotten.
  void replace_payload(std::size_t row, std::string_view bytes) {
    rewrite_payload(row, bytes.size(), [bytes](char* to) {
      if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
      return bytes.size();
    });
  }
  /// The same, written where it shall stand, as in append_written(). The old payload may be read meanwhile.
  template <class Write>
  void rewrite_payload(std::size_t row, std::size_t most, Write write) {
    char* const to = room_for(most);
    Arena& arena = *filling_;  // What write() puts down might be anything: what is known already is not read again.
    Span& payload = payload_[row];
    const std::size_t others = live_bytes_ - payload.size;
    const std::size_t size = write(to);
    arena.commit(size);
    live_bytes_ = others + size;
    payload = {to, static_cast<std::uint32_t>(size)};
    if ((json_ | listed_) != 0) {
      json_ &= ~bit(row);
      listed_ &= ~bit(row);
    }
    if (has_documents_) forget_document(row);
  }
  void set_identity(std::size_t row, std::uint64_t id, Token* token) noexcept {
    spread();
    id_[row] = id;
    set_token(row, token);
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
  /// Where the rows use less than a quarter of their arenas: copies them out, so that little holds little. Not where
  /// their source holds these arenas anyway, until it has heard of all of them.
  void compact();

  // --- answering -----------------------------------------------------------------------------------------------

  void done(std::size_t row) noexcept {
    if (Token* token = release_token(row)) token->done(1);
  }
  /// One atomic operation for each run of rows of one token. The rows stay readable.
  void done(std::span<const std::uint8_t> rows) noexcept;
  void done_run(std::size_t from, std::size_t to) noexcept;  ///< Of rows `from` … `to` - 1 the same.
  void done_all() noexcept;
  /// The same of rows that are shed (Token::shed). Their verdict, if they still get one, is a drop.
  void shed(std::size_t row, const Failure& why) noexcept {
    if (Token* token = release_token(row)) token->shed(1, [&] { return why; });
  }
  void shed_all(const std::function<Failure()>& why) noexcept;
  /// What was made of the row stands for it from now on (Token::withdraw): its own verdict tells nobody anything.
  void withdraw(std::size_t row) noexcept {
    if (Token* token = release_token(row)) token->withdraw();
  }
  /// All of it is to fail with this at the stage that it comes to, whose workers go by a key that it has not.
  void refuse(Failure why) { refused_ = std::make_unique<Failure>(std::move(why)); }
  const Failure* refused() const noexcept { return refused_.get(); }  ///< Null: it is to be worked on.
  /// The row's asker is told, if it has one, and its token hears of it, with the payload as it is now. Without a token
  /// nobody does.
  void fail(std::size_t row, Failure failure) noexcept;
  void clear() noexcept;  ///< To no rows. Unanswered ones fail.

  /// Payload bytes of all rows, edits not counted until written out.
  std::size_t live_bytes() const noexcept { return live_bytes_; }
  /// Writes all edits out, so that payload() is plain and live_bytes() exact.
  void settle() {
    if (has_documents_) write_all_edits();
  }

  /// Settles, and lets go of all views: where the batch leaves its core, to read a payload again costs less than
  /// tables that are filled on one core and emptied on another; and an edge to another core holds many.
  void put_views_away();

  static constexpr std::size_t size_classes = 1;
  static constexpr std::size_t recycled_most(std::size_t) noexcept { return 1024; }
  std::size_t size_class() const noexcept { return 0; }

 private:
  friend class Recycler<Batch>;
  Batch();
  ~Batch();
  char* room_for(std::size_t bytes) {
    return filling_ && filling_->room() >= bytes ? filling_->end() : more_room_for(bytes);
  }
  char* more_room_for(std::size_t bytes);
  std::size_t add_row(const char* data, std::size_t size, runtime::Time entered) noexcept {
    WEIR_ASSERT(size_ < batch_rows, "a batch has room for the row that is added");
    payload_[size_] = {data, static_cast<std::uint32_t>(size)};
    if (!adds_alike(0, 0, entered, nullptr)) set_columns(size_, 0, entered, nullptr);
    live_bytes_ += size;
    return size_++;
  }
  std::uint64_t alike_id(std::size_t row) const noexcept { return first_id_ + id_step_ * row; }
  /// Whether rows that are added with these (the ids rising by `step`) leave all rows alike. If not, the columns are
  /// written from here on.
  bool adds_alike(std::uint64_t id, std::uint64_t step, runtime::Time entered, Token* token) noexcept {
    if (size_ == 0 && alike_) {
      first_id_ = id;
      id_step_ = step;
      all_entered_ = entered;
      all_token_ = token;
    } else if (alike_ &&
               (id != alike_id(size_) || step != id_step_ || entered != all_entered_ || token != all_token_)) {
      spread();
    }
    return alike_;
  }
  /// From now on each row has its own id, time and token in the columns.
  void spread() noexcept {
    if (alike_) write_columns();
  }
  void write_columns() noexcept;
  void set_columns(std::size_t row, std::uint64_t id, runtime::Time entered, Token* token) noexcept {
    id_[row] = id;
    entered_[row] = entered;
    if (has_tokens_ || token) set_token(row, token);
  }
  static constexpr std::uint64_t bit(std::size_t row) noexcept { return std::uint64_t{1} << row; }
  void set_token(std::size_t row, Token* token) noexcept {
    if (!has_tokens_) {
      if (!token) return;
      has_tokens_ = true;
      std::fill_n(token_.begin(), size_, nullptr);
    }
    token_[row] = token;
  }
  /// The row's token, which the row has no longer.
  Token* release_token(std::size_t row) noexcept {
    if (all_token_) spread();
    return has_tokens_ ? std::exchange(token_[row], nullptr) : nullptr;
  }
  bool any_token() const noexcept {
    return std::any_of(token_.begin(), token_.begin() + size_, [](const Token* token) { return token != nullptr; });
  }
  void answer_run(std::size_t from, std::size_t to) const noexcept;
  std::size_t edits_of_view(std::size_t row) const noexcept;
  void make_room_for_members(std::uint32_t room);
  bool retained() const noexcept;
  void hold(const ArenaRef& arena);
  void hold_from(const Batch& other, const char* bytes);
  void write_edits(std::size_t row) const;
  void write_all_edits() const;
  void forget_document(std::size_t row) const noexcept;

  std::size_t size_ = 0;
  mutable std::size_t live_bytes_ = 0;
  std::size_t expected_bytes_ = 0;
  std::uint64_t json_ = 0;    // Rows that are known to be JSON; no bit beyond size_.
  std::uint64_t listed_ = 0;  // Rows whose members are kept, as long as they have no view; no bit beyond size_.
  Lines lines_;
  std::uint64_t placed_ = 0;  // Rows that have a place in members_.
  // As a source makes them: ids that rise by id_step_, one time, one token for all rows. Then id_, entered_ and token_
  // mean nothing, and nothing has to be written into them.
  bool alike_ = true;
  std::uint64_t first_id_ = 0, id_step_ = 0;
  runtime::Time all_entered_{};
  Token* all_token_ = nullptr;   // Null where they are not alike.
  bool has_tokens_ = false;      // Otherwise token_ means nothing.
  std::uint64_t originals_ = 0;  // Rows that have one in original_; no bit beyond size_.
  bool has_metadata_ = false;
  bool has_documents_ = false;
  mutable std::array<Span, batch_rows> payload_;
  std::array<std::uint64_t, batch_rows> id_;
  std::array<runtime::Time, batch_rows> entered_;
  std::array<Token*, batch_rows> token_;
  std::array<std::shared_ptr<Metadata>, batch_rows> metadata_;
  mutable std::array<DocumentPointer, batch_rows> documents_;
  mutable std::array<std::size_t, batch_rows> written_;  // Edits of the view that payload_ shows.
  struct Kept {
    std::uint32_t first, count, room;  // In members_; so many may stand there.
  };
  std::array<Kept, batch_rows> members_of_;
  std::unique_ptr<Member[]> members_;  // By hand: a vector's insert() was paid twice for each row behind a route.
  std::uint32_t members_used_ = 0, members_room_ = 0;
  std::array<Span, batch_rows> original_;
  mutable std::vector<ArenaRef> arenas_;  // All that a payload or a view may point into.
  std::unique_ptr<Failure> refused_;
  mutable ArenaRef filling_;  // Where new payloads go; also in arenas_. Null until the first.
};

}  // namespace weir::message
