#include "engine/message/batch.hpp"

#include <algorithm>

#include "engine/message/asker.hpp"
#include "engine/message/document.hpp"
#include "engine/message/json.hpp"

namespace weir::message {
namespace {

// Edited payloads that may become longer than this are measured first, so that little is reserved in vain.
constexpr std::size_t unmeasured_most = 4096;

// Members that all rows of a batch keep at the most.
constexpr std::uint32_t members_most = 2048;

bool lies_in(const Arena& arena, const char* bytes) {
  return bytes >= arena.data() && bytes <= arena.data() + arena.capacity();
}

/// answer(Token&, std::uint32_t rows) for each run of rows of one token, of rows `from` … `to` - 1.
template <class Tokens, class Answer>
void each_run(const Tokens& tokens, std::size_t from, std::size_t to, Answer answer) {
  for (std::size_t row = from; row < to;) {
    Token* const token = tokens[row];
    std::uint32_t run = 0;
    for (; row < to && tokens[row] == token; ++row) ++run;
    if (token) answer(*token, run);
  }
}

}  // namespace

Batch::Batch() = default;

Batch::~Batch() { clear(); }

Batch::Pointer Batch::make() { return Pointer(Recycler<Batch>::local().take()); }

void Batch::GiveBack::operator()(Batch* batch) const noexcept {
  batch->clear();
  Recycler<Batch>::give_back(batch);
}

void GiveBackDocument::operator()(Document* document) const noexcept {
  document->unbind();
  Recycler<Document>::give_back(document);
}

Document& Batch::document(std::size_t row) {
  has_documents_ = true;
  auto& document = documents_[row];
  if (!document) {
    document.reset(Recycler<Document>::local().take());
    const std::string_view bytes(payload_[row].data, payload_[row].size);
    const Members known = members(row);
    if (known.first) {
      document->bind(bytes, known);
    } else {
      document->bind(bytes);
    }
    listed_ &= ~bit(row);  // Also where nothing is in the list, which then has no place yet.
    written_[row] = 0;
  }
  return *document;
}

void Batch::mark_json(std::size_t row, const Members& members) {
  mark_json(row);
  if (!members.first || members.count > row_members_most || (has_documents_ && documents_[row])) return;
  Kept& kept = members_of_[row];
  if (!(placed_ & bit(row)) || members.count > kept.room) {
    const std::uint32_t used = members_used_ + members.count;
    if (used > members_room_) {
      if (used > members_most) return;
      make_room_for_members(used);
    }
    kept.first = std::exchange(members_used_, used);
    kept.room = members.count;
    placed_ |= bit(row);
  }
  kept.count = members.count;
  std::copy_n(members.first, members.count, members_.get() + kept.first);
  listed_ |= bit(row);
}

void Batch::make_room_for_members(std::uint32_t room) {
  members_room_ = std::max(room, std::min(2 * members_room_, members_most));
  auto larger = std::make_unique_for_overwrite<Member[]>(members_room_);
  std::copy_n(members_.get(), members_used_, larger.get());
  members_ = std::move(larger);
}

Members Batch::members(std::size_t row) const noexcept {
  if (!(listed_ & bit(row))) return {};
  return {members_.get() + members_of_[row].first, members_of_[row].count};
}

std::size_t Batch::edits_of_view(std::size_t row) const noexcept {
  const Document* document = document_if_any(row);
  return document ? document->mark().edits : 0;
}

void Batch::undo_edits(std::size_t row, std::size_t to) noexcept {
  Document* document = document_if_any(row);
  if (!document || document->mark().edits == to) return;
  Document::Mark mark;
  mark.edits = to;
  document->rollback(mark);
  written_[row] = static_cast<std::size_t>(-1);  // As many edits may be made again, but others.
}

void Batch::forget_document(std::size_t row) const noexcept {
  if (has_documents_) documents_[row].reset();
}

void Batch::write_edits(std::size_t row) const {
  // The view stays the truth: payload_ shows what it would be written as, and is written again when it has changed.
  const Document& document = *documents_[row];
  const std::size_t edits = document.mark().edits;
  if (edits == written_[row]) return;
  written_[row] = edits;
  live_bytes_ -= payload_[row].size;
  if (edits == 0) {
    payload_[row] = {document.bytes().data(), static_cast<std::uint32_t>(document.bytes().size())};
  } else {
    // Small ones are not measured before they are written: what is reserved too much is given to the next one.
    const std::size_t most = document.written_most();
    const std::size_t reserved = most <= unmeasured_most ? most : document.written_size();
    char* to = const_cast<Batch*>(this)->room_for(reserved);
    const auto size = static_cast<std::size_t>(document.write(to) - to);
    WEIR_ASSERT(size <= reserved, "an edited payload is no longer than was reserved for it");
    filling_->commit(size);
    payload_[row] = {to, static_cast<std::uint32_t>(size)};
  }
  live_bytes_ += payload_[row].size;
}

void Batch::put_views_away() {
  if (!has_documents_) return;
  write_all_edits();
  for (std::size_t row = 0; row < size_; ++row) documents_[row].reset();
  has_documents_ = false;
}

void Batch::write_all_edits() const {
  for (std::size_t row = 0; row < size_; ++row) {
    if (documents_[row]) write_edits(row);
  }
}

Metadata& Batch::edit_metadata(std::size_t row) {
  has_metadata_ = true;
  auto& metadata = metadata_[row];
  if (!metadata) {
    metadata = std::make_shared<Metadata>();
  } else if (metadata.use_count() > 1) {
    metadata = std::make_shared<Metadata>(*metadata);
  }
  return *metadata;
}

void Batch::share_metadata(std::size_t row, std::shared_ptr<Metadata> metadata) {
  has_metadata_ = true;
  metadata_[row] = std::move(metadata);
}

char* Batch::more_room_for(std::size_t bytes) {
  const std::size_t next = filling_ ? std::min(2 * filling_->capacity(), arena_bytes)
                                    : std::clamp(expected_bytes_, first_arena_bytes, arena_bytes);
  filling_ = ArenaRef::make(std::max(bytes, next));
  arenas_.push_back(filling_);
  return filling_->end();
}

void Batch::hold(const ArenaRef& arena) {
  for (auto held = arenas_.rbegin(); held != arenas_.rend(); ++held) {
    if (held->get() == arena.get()) return;
  }
  arenas_.push_back(arena);
}

void Batch::hold_from(const Batch& other, const char* bytes) {
  if (!arenas_.empty() && lies_in(*arenas_.back(), bytes)) return;  // As those before them, mostly.
  for (auto held = other.arenas_.rbegin(); held != other.arenas_.rend(); ++held) {
    if (lies_in(**held, bytes)) return hold(*held);
  }
}

void Batch::open(Token* token, std::uint64_t first_id) noexcept {
  if (alike_) {
    first_id_ = first_id;
    id_step_ = 1;
    all_token_ = token;
    return;
  }
  for (std::size_t row = 0; row < size_; ++row) id_[row] = first_id + row;
  has_tokens_ = token != nullptr;
  if (token) std::fill_n(token_.begin(), size_, token);
}

void Batch::write_columns() noexcept {
  alike_ = false;
  for (std::size_t row = 0; row < size_; ++row) id_[row] = alike_id(row);
  std::fill_n(entered_.begin(), size_, all_entered_);
  has_tokens_ = all_token_ != nullptr;
  if (has_tokens_) std::fill_n(token_.begin(), size_, std::exchange(all_token_, nullptr));
}

bool Batch::is_json(std::size_t row) {
  if (Document* document = document_if_any(row)) return document->valid();
  if (!known_json(row) && !check_json_padded(payload(row))) mark_json(row);
  return known_json(row);
}

std::size_t Batch::take_row(Batch& from, std::size_t row) {
  const Span span = from.payload_[row];
  hold_from(from, span.data);
  const std::uint64_t id = from.id(row);
  const runtime::Time entered = from.entered(row);
  Token* const token = from.release_token(row);
  const std::size_t to = size_;
  if (!adds_alike(id, 1, entered, token)) set_columns(to, id, entered, token);
  payload_[to] = span;
  live_bytes_ += span.size;
  ++size_;
  from.live_bytes_ -= span.size;
  from.payload_[row].size = 0;
  if (const Members known = from.members(row); known.first) {
    mark_json(to, known);
    from.listed_ &= ~bit(row);
  } else if (from.known_json(row)) {
    mark_json(to);
  }
  share_original(to, from, row);
  if (from.has_metadata_ && from.metadata_[row]) {
    has_metadata_ = true;
    metadata_[to] = std::move(from.metadata_[row]);
  }
  if (from.has_documents_ && from.documents_[row]) {
    has_documents_ = true;
    hold_from(from, from.documents_[row]->bytes().data());
    documents_[to] = std::move(from.documents_[row]);
    written_[to] = from.written_[row];
  }
  return to;
}

void Batch::keep(std::span<const std::uint8_t> rows) {
  spread();
  std::size_t to = 0;
  std::uint64_t json = 0, listed = 0, placed = 0, originals = 0;
  for (const std::size_t row : rows) {
    if (originals_ & bit(row)) originals |= bit(to);
    if (known_json(row)) json |= bit(to);
    if (listed_ & bit(row)) listed |= bit(to);
    if (placed_ & bit(row)) placed |= bit(to);
    if (row != to) {
      live_bytes_ -= payload_[to].size;  // Of a row that is gone; 0 where it has been moved down.
      payload_[to] = payload_[row];
      payload_[row].size = 0;
      id_[to] = id_[row];
      entered_[to] = entered_[row];
      members_of_[to] = members_of_[row];
      if (originals_) original_[to] = original_[row];
      if (has_tokens_) token_[to] = std::exchange(token_[row], nullptr);
      if (has_metadata_) metadata_[to] = std::move(metadata_[row]);
      if (has_documents_) {
        forget_document(to);
        documents_[to] = std::move(documents_[row]);
        written_[to] = written_[row];
      }
    }
    ++to;
  }
  for (std::size_t row = to; row < size_; ++row) {
    live_bytes_ -= payload_[row].size;
    if (has_metadata_) metadata_[row].reset();
    forget_document(row);
  }
  size_ = to;
  json_ = json;
  listed_ = listed;
  placed_ = placed;
  originals_ = originals;
}

void Batch::keep_originals() {
  settle();
  std::copy_n(payload_.begin(), size_, original_.begin());
  originals_ = size_ < batch_rows ? bit(size_) - 1 : ~std::uint64_t{0};
}

void Batch::share_original(std::size_t row, const Batch& from, std::size_t from_row) {
  if (!(from.originals_ & bit(from_row))) return;
  hold_from(from, from.original_[from_row].data);
  original_[row] = from.original_[from_row];
  originals_ |= bit(row);
}

bool Batch::restore_original(std::size_t row) noexcept {
  if (!(originals_ & bit(row))) return false;
  Span& payload = payload_[row];
  live_bytes_ += original_[row].size;
  live_bytes_ -= payload.size;
  if (payload.data != original_[row].data) json_ &= ~bit(row);
  payload = original_[row];
  listed_ &= ~bit(row);
  if (has_documents_) forget_document(row);
  return true;
}

Batch::Pointer Batch::copy() const {
  write_all_edits();
  Pointer other = make();
  other->size_ = size_;
  other->live_bytes_ = live_bytes_;
  other->json_ = json_;
  std::copy_n(payload_.begin(), size_, other->payload_.begin());
  other->alike_ = alike_;
  if (alike_) {
    other->first_id_ = first_id_;
    other->id_step_ = id_step_;
    other->all_entered_ = all_entered_;
    other->all_token_ = all_token_;
    if (all_token_) all_token_->add(static_cast<std::uint32_t>(size_));
  } else {
    std::copy_n(id_.begin(), size_, other->id_.begin());
    std::copy_n(entered_.begin(), size_, other->entered_.begin());
    other->has_tokens_ = has_tokens_;
    if (has_tokens_) std::copy_n(token_.begin(), size_, other->token_.begin());
  }
  if (has_metadata_) {
    other->has_metadata_ = true;
    for (std::size_t row = 0; row < size_; ++row) other->metadata_[row] = metadata_[row];
  }
  other->arenas_ = arenas_;
  if (has_tokens_) {
    for (std::size_t row = 0; row < size_;) {
      std::size_t end = row + 1;
      while (end < size_ && token_[end] == token_[row]) ++end;
      if (token_[row]) token_[row]->add(static_cast<std::uint32_t>(end - row));
      row = end;
    }
  }
  return other;
}

void Batch::retain(Retained& kept) const {
  if (has_documents_) write_all_edits();
  kept.clear();
  if (kept.room_ < size_) {
    kept.rows_ = std::make_unique_for_overwrite<Span[]>(size_);
    kept.room_ = size_;
  }
  kept.size_ = size_;
  std::copy_n(payload_.begin(), size_, kept.rows_.get());
  if (has_metadata_) kept.metadata_.assign(metadata_.begin(), metadata_.begin() + static_cast<std::ptrdiff_t>(size_));
  for (auto& metadata : kept.metadata_) {
    if (!metadata || metadata->groups.empty()) continue;
    // Kept only to be sent again, they hold no group open.
    metadata = std::make_shared<Metadata>(*metadata);
    for (auto& mark : metadata->groups) mark.release();
  }
  kept.arenas_ = arenas_;
  kept.entered_ = size_ ? entered(0) : runtime::Time{};
}

/// Whether each row's token keeps all arenas until it has been answered.
bool Batch::retained() const noexcept {
  const Token* before = nullptr;
  for (std::size_t row = 0; row < size_; ++row) {
    const Token* const token = this->token(row);
    if (!token || !token->retained()) return false;
    if (token == before) continue;
    const auto kept = [token](const ArenaRef& arena) { return token->retained()->holds(arena); };
    if (!std::all_of(arenas_.begin(), arenas_.end(), kept)) return false;
    before = token;
  }
  return true;
}

void Batch::compact() {
  settle();
  std::size_t held = 0;
  for (const auto& arena : arenas_) held += arena->capacity();
  if (live_bytes_ * 4 >= held || held <= 1024 || retained()) return;
  ArenaRef arena = ArenaRef::make(live_bytes_);
  for (std::size_t row = 0; row < size_; ++row) {
    Span& span = payload_[row];
    char* to = arena->end();
    if (span.size) std::memcpy(to, span.data, span.size);
    arena->commit(span.size);
    span.data = to;
    forget_document(row);
  }
  originals_ = 0;
  arenas_.clear();
  arenas_.push_back(arena);
  filling_ = std::move(arena);
}

void Batch::done(std::span<const std::uint8_t> rows) noexcept {
  if (rows.size() == size_) return done_all();
  if (all_token_) spread();
  if (!has_tokens_) return;
  Token* of_run = nullptr;
  std::uint32_t run = 0;
  for (const std::size_t row : rows) {
    Token* const token = std::exchange(token_[row], nullptr);
    if (token != of_run) {
      if (of_run) of_run->done(run);
      of_run = token;
      run = 0;
    }
    ++run;
  }
  if (of_run) of_run->done(run);
}

void Batch::done_run(std::size_t from, std::size_t to) noexcept {
  if (from == 0 && to == size_) return done_all();
  if (all_token_) spread();
  if (!has_tokens_) return;
  answer_run(from, to);
  std::fill(token_.begin() + from, token_.begin() + to, nullptr);
}

void Batch::done_all() noexcept {
  if (Token* const token = std::exchange(all_token_, nullptr)) token->done(static_cast<std::uint32_t>(size_));
  if (!has_tokens_) return;
  answer_run(0, size_);
  has_tokens_ = false;
}

void Batch::shed_all(const std::function<Failure()>& why) noexcept {
  if (Token* const token = std::exchange(all_token_, nullptr)) token->shed(static_cast<std::uint32_t>(size_), why);
  if (!has_tokens_) return;
  each_run(token_, 0, size_, [&why](Token& token, std::uint32_t rows) { token.shed(rows, why); });
  has_tokens_ = false;
}

/// The tokens of the column hear that rows `from` … `to` - 1 are done.
void Batch::answer_run(std::size_t from, std::size_t to) const noexcept {
  each_run(token_, from, to, [](Token& token, std::uint32_t rows) { token.done(rows); });
}

void Batch::fail(std::size_t row, Failure failure) noexcept {
  if (Token* token = release_token(row)) {
    std::shared_ptr<const Metadata> metadata = has_metadata_ ? metadata_[row] : nullptr;
    if (metadata && metadata->asker) metadata->asker->fail(failure);
    if (metadata && !metadata->groups.empty()) {
      // Its end is told when all of the token have ended, and some of them may wait for its group.
      const auto alone = std::make_shared<Metadata>(*metadata);
      alone->groups.clear();
      metadata = alone;
    }
    token->fail(id(row), std::move(failure), std::string(payload(row)), std::move(metadata));
  }
}

void Batch::clear() noexcept {
  if (all_token_ || (has_tokens_ && any_token())) {  // A batch whose rows were taken goes home without a call for each.
    for (std::size_t row = 0; row < size_; ++row) {
      if (token(row)) fail(row, engine_stopped());
    }
  }
  if (has_metadata_) {
    for (std::size_t row = 0; row < size_; ++row) metadata_[row].reset();
  }
  if (has_documents_) {
    for (std::size_t row = 0; row < size_; ++row) forget_document(row);
  }
  size_ = 0;
  live_bytes_ = 0;
  expected_bytes_ = 0;
  json_ = listed_ = placed_ = originals_ = 0;
  lines_ = {};
  members_used_ = 0;
  alike_ = true;
  all_token_ = nullptr;
  has_tokens_ = has_metadata_ = has_documents_ = false;
  arenas_.clear();
  filling_ = ArenaRef();
  refused_.reset();
}

}  // namespace weir::message
