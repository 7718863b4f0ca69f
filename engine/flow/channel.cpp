#include "engine/flow/channel.hpp"

#include <concurrentqueue/concurrentqueue.h>

#include <algorithm>
#include <deque>
#include <mutex>

#include "engine/runtime/assert.hpp"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define WEIR_UNDER_TSAN
#endif
#endif

namespace weir::flow {

struct InboxItem {
  /// A slot of the queue is used again after what stood in it was destroyed on another thread. The queue orders the two
  /// by a fence, which ThreadSanitizer does not see: under it, the slot's own address carries that order. The first
  /// member of what travels: constructed before the others and destroyed after them. Nothing in every other build.
  class SlotOrder {
#ifdef WEIR_UNDER_TSAN
   public:
    SlotOrder() { __tsan_acquire(this); }
    SlotOrder(const SlotOrder&) : SlotOrder() {}
    SlotOrder& operator=(const SlotOrder&) { return *this; }
    ~SlotOrder() { __tsan_release(this); }
#endif
  };

  [[no_unique_address]] SlotOrder slot;
  Mark mark = Mark::none;
  message::Batch::Pointer batch;
  std::uint64_t charged = 0;
  std::uint64_t from_budget = 0;
  runtime::Time sent{};     // Of a batch.
  std::uint32_t times = 1;  // Of a mark.
};

struct Inbox::Queue {
  struct Traits : moodycamel::ConcurrentQueueDefaultTraits {
    static const size_t BLOCK_SIZE = 16;  // An edge rarely holds more batches.
  };
  moodycamel::ConcurrentQueue<Item, Traits> items{64};
};

struct Edge::Tokens {
  explicit Tokens(Inbox& inbox) : producer(inbox.queue_->items) {}
  moodycamel::ProducerToken producer;
};

/// Who sends more often than this does not look whether what was sent before is still there: between two cores that
/// look would cost both of them a cache line a batch.
constexpr runtime::Duration age_grain = std::chrono::milliseconds(100);

/// What waits on an edge that drops its oldest: both sides take from its front, so it has a lock. Nobody holds it for
/// longer than it takes to move a batch's rows.
struct Edge::Oldest {
  std::mutex mutex;
  std::deque<InboxItem> items;
};

Edge::Edge(std::string name, Inbox& to, Bounds bounds, Budget& budget)
    : name_(std::move(name)), to_(to), bounds_(bounds), budget_(budget), tokens_(std::make_unique<Tokens>(to)) {
  if (bounds.drops_oldest) oldest_ = std::make_unique<Oldest>();
}

Edge::~Edge() {
  give_back_reserve();
  if (!oldest_) return;
  for (const auto& item : oldest_->items) budget_.give_back(item.from_budget);
}

void Edge::give_back_reserve() noexcept {
  if (reserved_) budget_.give_back(std::exchange(reserved_, 0));
}

bool Edge::fits(std::uint32_t messages, std::uint64_t bytes) noexcept {
  const std::uint64_t charged = charge(bytes);
  const auto free = [&] {
    return bounds_.messages - (sent_ - seen_released_) >= messages &&
           bounds_.bytes - (sent_bytes_ - seen_released_bytes_) >= charged;
  };
  if (!free()) {
    seen_released_bytes_ = released_bytes_.load(std::memory_order_acquire);
    seen_released_ = released_.load(std::memory_order_acquire);
    if (!free()) {
      need_messages_.store(messages, std::memory_order_relaxed);
      need_bytes_.store(charged, std::memory_order_relaxed);
      need_empty_.store(false, std::memory_order_relaxed);
      return false;
    }
  }
  if (reserved_ == charged && reserved_ != 0) return true;
  give_back_reserve();
  if (budget_.take(charged)) {
    reserved_ = charged;
    return true;
  }
  // One batch an edge may be beyond the budget, so the shared pool can't lock the graph.
  seen_released_ = released_.load(std::memory_order_acquire);
  if (seen_released_ == sent_) {
    seen_released_bytes_ = released_bytes_.load(std::memory_order_acquire);
    return true;
  }
  need_messages_.store(messages, std::memory_order_relaxed);
  need_bytes_.store(charged, std::memory_order_relaxed);
  need_empty_.store(true, std::memory_order_relaxed);
  return false;
}

void Edge::send(message::Batch::Pointer batch, runtime::Time now) {
  if (now - std::exchange(last_sent_, now) > age_grain && taken_seen_.load(std::memory_order_relaxed) == sent_) {
    waits_since_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  }
  InboxItem item;
  item.sent = now;
  item.charged = charge(batch->live_bytes());
  item.from_budget = std::exchange(reserved_, 0);
  sent_ += batch->size();
  sent_bytes_ += item.charged;
  item.batch = std::move(batch);
  sent_seen_.store(sent_, std::memory_order_relaxed);
  sent_bytes_seen_.store(sent_bytes_, std::memory_order_relaxed);
  put(std::move(item));
}

void Edge::send(Mark mark) {
  InboxItem item;
  item.mark = mark;
  put(std::move(item));
}

void Edge::put(InboxItem item) {
  if constexpr (planted == 13) to_.publish();
  if (oldest_) {
    const std::lock_guard lock(oldest_->mutex);
    oldest_->items.push_back(std::move(item));
  } else {
    to_.queue_->items.enqueue(tokens_->producer, std::move(item));
  }
  if constexpr (planted != 13) to_.publish();
}

std::uint32_t Edge::room() noexcept {
  seen_released_ = released_.load(std::memory_order_acquire);
  return bounds_.messages - static_cast<std::uint32_t>(sent_ - seen_released_);
}

void Edge::make_room(std::uint32_t messages, std::uint64_t bytes) {
  while (!fits(messages, bytes)) {
    const std::uint32_t free = room();
    const bool any = drop_front(messages > free ? messages - free : 1);
    WEIR_ASSERT(any || sent_ == released_.load(std::memory_order_acquire), "an edge on which nothing waits has room");
  }
}

bool Edge::drop_front(std::uint32_t most) {
  message::Batch::Pointer dropped;
  std::uint32_t count = 0;
  {
    const std::lock_guard lock(oldest_->mutex);
    auto& items = oldest_->items;
    const auto first =
        std::find_if(items.begin(), items.end(), [](const InboxItem& item) { return item.mark == Mark::none; });
    if (first == items.end()) return false;
    const std::uint64_t charged_before = first->charged, budget_before = first->from_budget;
    taken_sent_.store(first->sent.time_since_epoch().count(), std::memory_order_relaxed);
    count = std::min(most, static_cast<std::uint32_t>(first->batch->size()));
    dropped = std::move(first->batch);
    if (count == dropped->size()) {
      first->charged = first->from_budget = 0;
      const auto next = items.erase(first);
      // What stood before and behind it may be the same mark, and marks need no credit: so they become one.
      if (next != items.end() && next != items.begin() && next->mark != Mark::none &&
          std::prev(next)->mark == next->mark) {
        if (next->mark == Mark::run_end) std::prev(next)->times += next->times;
        items.erase(next);
      }
      sent_bytes_ -= charged_before;
      budget_.give_back(budget_before);
    } else {
      first->batch = message::Batch::make();
      for (std::size_t row = count; row < dropped->size(); ++row) first->batch->take_row(*dropped, row);
      first->charged = std::min(charged_before, charge(first->batch->live_bytes()));
      first->from_budget = std::min(budget_before, first->charged);
      sent_bytes_ -= charged_before - first->charged;
      budget_.give_back(budget_before - first->from_budget);
    }
    sent_ -= count;
    sent_seen_.store(sent_, std::memory_order_relaxed);
    sent_bytes_seen_.store(sent_bytes_, std::memory_order_relaxed);
  }
  this->count(Loss::dropped, count);
  dropped->shed_all([this] { return full(); });
  return true;
}

bool Edge::room_for_need() const noexcept {
  const std::uint64_t used = sent_seen_.load(std::memory_order_relaxed) - released_.load(std::memory_order_seq_cst);
  if (need_empty_.load(std::memory_order_relaxed)) return used == 0;
  const std::uint64_t used_bytes =
      sent_bytes_seen_.load(std::memory_order_relaxed) - released_bytes_.load(std::memory_order_seq_cst);
  return bounds_.messages - used >= std::max(need_messages_.load(std::memory_order_relaxed), bounds_.messages / 2) &&
         bounds_.bytes - used_bytes >= std::max(need_bytes_.load(std::memory_order_relaxed), bounds_.bytes / 2);
}

bool Edge::park(Waiter& waiter) noexcept {
  sender_.put(waiter);
  if constexpr (planted == 4) return true;
  if (room_for_need() || (planted != 11 && closed())) return !sender_.take_back();
  return true;
}

void Edge::release(std::uint32_t messages, std::uint64_t bytes, std::uint64_t from_budget) noexcept {
  if (oldest_) {  // Given back when they were taken.
    in_hand_.store(in_hand_.load(std::memory_order_relaxed) - messages, std::memory_order_relaxed);
    return;
  }
  give_home(messages, bytes, from_budget);
}

void Edge::give_home(std::uint32_t messages, std::uint64_t bytes, std::uint64_t from_budget) noexcept {
  if (from_budget) budget_.give_back(from_budget);
  // One writer, so load and exchange need not be one step; the exchange is the publication (see park.hpp), of the bytes
  // too: who looks for room reads them after the messages.
  if (bytes) released_bytes_.store(released_bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
  const std::uint64_t released = released_.load(std::memory_order_relaxed) + messages;
  if constexpr (planted == 3) {
    released_.store(released, std::memory_order_release);
    if (sender_.peek() && room_for_need()) sender_.wake();
    return;
  }
  released_.exchange(released, std::memory_order_seq_cst);
  if (sender_.occupied() && room_for_need()) sender_.wake();
}

message::Failure Edge::full() const { return {message::Reason::full, "the edge " + name() + " is full"}; }

runtime::Duration Edge::oldest_waits(runtime::Time now) const noexcept {
  if (taken() == sent()) return {};
  const auto since =
      std::max(waits_since_.load(std::memory_order_relaxed), taken_sent_.load(std::memory_order_relaxed));
  return std::max(now.time_since_epoch() - runtime::Duration(since), runtime::Duration::zero());
}

runtime::Duration Edge::row_cost() const noexcept {
  return runtime::Duration(to_.row_cost_.load(std::memory_order_relaxed));
}

Delivery::Delivery(Delivery&& other) noexcept
    : batch_(std::move(other.batch_)),
      edge_(other.edge_),
      messages_(std::exchange(other.messages_, 0)),
      bytes_(std::exchange(other.bytes_, 0)),
      from_budget_(std::exchange(other.from_budget_, 0)) {}

Delivery& Delivery::operator=(Delivery&& other) noexcept {
  if (this != &other) {
    release_all();
    batch_ = std::move(other.batch_);
    edge_ = other.edge_;
    messages_ = std::exchange(other.messages_, 0);
    bytes_ = std::exchange(other.bytes_, 0);
    from_budget_ = std::exchange(other.from_budget_, 0);
  }
  return *this;
}

void Delivery::release_one() noexcept {
  WEIR_ASSERT(messages_ > 0, "a row's place is given back once");
  if (messages_ == 1) {
    release_all();
  } else {
    --messages_;
    edge_->release(1, 0, 0);
  }
}

void Delivery::release_all() noexcept {
  if (messages_ == 0) return;
  edge_->release(std::exchange(messages_, 0), std::exchange(bytes_, 0), std::exchange(from_budget_, 0));
}

Inbox::Inbox() : queue_(std::make_unique<Queue>()) {}

Inbox::~Inbox() {
  // What nobody took is failed by its batches as they go; their places go with the edges.
  Item item;
  while (queue_->items.try_dequeue(item)) {
    if (item.from_budget) edges_.front()->budget_.give_back(item.from_budget);
    item.batch.reset();
  }
}

Edge& Inbox::connect(std::string name, Bounds bounds, Budget& budget, bool continues_lane) {
  edges_.push_back(std::make_unique<Edge>(std::move(name), *this, bounds, budget));
  if (continues_lane && !lanes_.empty()) {
    ++lanes_.back().count;
  } else {
    lanes_.push_back({edges_.size() - 1, 1, 0, 1});
  }
  return *edges_.back();
}

void Inbox::take_turns(std::size_t first, std::size_t step) {
  Lane& lane = lanes_.back();
  lane.current = first % lane.count;
  lane.step = step % lane.count;
}

void Edge::note_taken(const InboxItem& item) noexcept {
  taken_sent_.store(item.sent.time_since_epoch().count(), std::memory_order_relaxed);
  taken_seen_.store(taken_seen_.load(std::memory_order_relaxed) + item.batch->size(), std::memory_order_relaxed);
}

bool Inbox::next_of(Edge& edge, Item& item) {
  if (!edge.oldest_) return edge.to_.queue_->items.try_dequeue_from_producer(edge.tokens_->producer, item);
  std::unique_lock lock(edge.oldest_->mutex);
  if constexpr (planted == 14) lock.unlock();
  auto& items = edge.oldest_->items;
  if (items.empty()) return false;
  if (items.front().times > 1) {
    --items.front().times;
    item.mark = items.front().mark;
    return true;
  }
  item = std::move(items.front());
  items.pop_front();
  if (!item.batch) return true;
  // With the lock held: whoever finds that nothing waits must also find that all is home.
  if constexpr (planted == 15) lock.unlock();
  edge.note_taken(item);
  edge.in_hand_.store(edge.in_hand_.load(std::memory_order_relaxed) + item.batch->size(), std::memory_order_relaxed);
  edge.give_home(static_cast<std::uint32_t>(item.batch->size()), item.charged, item.from_budget);
  return true;
}

std::optional<Arrival> Inbox::receive_from(Edge& edge) {
  Item item;
  if (!next_of(edge, item)) return std::nullopt;
  if (item.mark == Mark::end) {
    edge.ended_ = true;
    ++ended_;
  }
  if (item.mark != Mark::none) return Arrival(item.mark, &edge);
  if (!edge.oldest_) edge.note_taken(item);
  return Arrival(Delivery(std::move(item.batch), &edge, item.charged, item.from_budget));
}

std::optional<Arrival> Inbox::receive() {
  if constexpr (planted != 6) seen_ = published_.load(std::memory_order_seq_cst);
  for (std::size_t looked = 0; looked < lanes_.size(); ++looked) {
    Lane& lane = lanes_[next_];
    // The next lane gets its turn, whatever this one has.
    next_ = next_ + 1 == lanes_.size() ? 0 : next_ + 1;
    while (auto arrival = receive_from(lane)) {
      if (arrival->mark == Mark::none) {
        lane.all_read = told_all_read_ = false;
      } else if (arrival->mark == Mark::all_read) {
        lane.all_read = true;
        if (!all_read_anew()) {
          if (!tells_each_) continue;
          arrival->mark = Mark::one_read;
        }
      } else if (arrival->mark == Mark::end && !ended() && all_read_anew()) {
        arrival->mark = Mark::all_read;
      }
      return arrival;
    }
  }
  if constexpr (planted == 6) seen_ = published_.load(std::memory_order_seq_cst);
  return std::nullopt;
}

std::optional<Arrival> Inbox::receive_from(Lane& lane) {
  std::optional<Arrival> arrival;
  if (Edge& edge = *edges_[lane.first + lane.current]; !edge.ended_) {
    // The run of this replica comes first, however long it takes.
    arrival = receive_from(edge);
    if (arrival && arrival->mark == Mark::run_end) lane.current = (lane.current + lane.step) % lane.count;
  } else {
    // Where this one's run should come there is none any more, so no later run either: only marks are left.
    for (std::size_t i = 0; i < lane.count && !arrival; ++i) {
      if (Edge& other = *edges_[lane.first + i]; !other.ended_) arrival = receive_from(other);
    }
  }
  return arrival;
}

/// Whether nothing is to come for now from any edge, which has not been told yet; then it is told.
bool Inbox::all_read_anew() noexcept {
  const auto over = [this](const Lane& lane) {
    const auto begin = edges_.begin() + static_cast<std::ptrdiff_t>(lane.first);
    return lane.all_read || std::all_of(begin, begin + static_cast<std::ptrdiff_t>(lane.count),
                                        [](const auto& edge) { return edge->ended_; });
  };
  return !told_all_read_ && (told_all_read_ = std::all_of(lanes_.begin(), lanes_.end(), over));
}

void Inbox::publish() noexcept {
  if constexpr (planted == 2) {
    published_.store(published_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    if (receiver_.peek()) receiver_.wake();
    return;
  }
  published_.fetch_add(1, std::memory_order_seq_cst);
  if (receiver_.occupied()) receiver_.wake();
}

void Inbox::clear() noexcept {
  for (const auto& edge : edges_) {
    while (receive_from(*edge)) {
    }
  }
}

void Inbox::poke() noexcept { publish(); }

void Inbox::close() noexcept {
  for (const auto& edge : edges_) {
    if (edge->closed_.load(std::memory_order_relaxed)) continue;
    if constexpr (planted == 12) {
      edge->sender_.wake();
      for (int looks = 0; looks < 20'000 && !edge->closed(); ++looks) continue;  // Long enough to be hit by chance.
    }
    edge->closed_.store(true, std::memory_order_seq_cst);
    if constexpr (planted != 5 && planted != 12) edge->sender_.wake();
    if (edge->closing_) edge->closing_();
  }
}

bool Inbox::park(Waiter& waiter) noexcept {
  receiver_.put(waiter);
  if constexpr (planted == 1) return true;
  if (published_.load(std::memory_order_seq_cst) != seen_) return !receiver_.take_back();
  return true;
}

}  // namespace weir::flow
