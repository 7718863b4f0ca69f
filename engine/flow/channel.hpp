// The channel between stages: edges that know credits, inboxes that are read fairly.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/flow/budget.hpp"
#include "engine/flow/park.hpp"
#include "engine/message/batch.hpp"
#include "engine/runtime/time.hpp"

namespace weir::flow {

class Inbox;
struct InboxItem;

/// How much an edge may hold.
struct Bounds {
  Bounds(std::uint32_t most_messages, std::uint64_t most_bytes) : messages(most_messages), bytes(most_bytes) {}
  std::uint32_t messages;
  std::uint64_t bytes;
  bool across = false;        ///< Its ends are on two cores.
  bool drops_oldest = false;  ///< What is sent to a full edge pushes out what has waited the longest.
};

/// What travels along an edge: messages, or a mark among them.
enum class Mark : std::uint8_t {
  none,      ///< A batch.
  flush,     ///< A source may keep no more open: emit what you hold and pass this on.
  all_read,  ///< All sources behind this edge have been read for now. An inbox hands it out once that is so of all.
  one_read,  ///< Never sent: what an inbox makes of all_read of one edge, where it was asked to (tell_each()).
  run_end,   ///< The end of one run of an ordered replica (semantics 9).
  end        ///< Nothing will follow on this edge.
};

/// One edge: the way from one port of one sender to one receiver, with its own credits. The sender's core calls the
/// sending half, the receiver's core the receiving half; the figures may be read from anywhere.
/// Always: depth (sent, not taken) + held (taken, not released) + credits = capacity, in messages; and bytes likewise.
/// An edge owns no message's life but those in its queue; credits own nothing.
class Edge final : public Parking {
 public:
  Edge(std::string name, Inbox& to, Bounds bounds, Budget& budget);
  ~Edge();  ///< All credits must be home (graph::Running asserts it): let the receiver end first.
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;

  const std::string& name() const noexcept { return name_; }
  std::uint32_t capacity() const noexcept { return bounds_.messages; }
  bool across() const noexcept { return bounds_.across; }
  bool drops_oldest() const noexcept { return bounds_.drops_oldest; }

  // --- the sender ------------------------------------------------------------------------------------------------

  /// Rows a batch may have on this edge: half the capacity, at least one. Bytes likewise.
  std::uint32_t batch_most() const noexcept { return bounds_.messages / 2 ? bounds_.messages / 2 : 1; }
  std::uint64_t batch_bytes_most() const noexcept { return bounds_.bytes / 2; }
  /// What a row lately cost the receiver; zero where it does not say.
  runtime::Duration row_cost() const noexcept;
  /// Whether so much may be sent now. If not, the need is remembered for the next park().
  bool fits(std::uint32_t messages, std::uint64_t bytes) noexcept;
  /// Sends it. Only after fits() was true for it, with nothing sent in between. Never blocks.
  void send(message::Batch::Pointer batch, runtime::Time now);
  /// Messages that it has room for now, whatever their bytes.
  std::uint32_t room() noexcept;
  /// Of an edge that drops its oldest: lets go of as many of them as it takes for fits() to be true, which it then is.
  /// They are done, and counted as dropped. What the receiver has taken is not waiting any more and takes no room.
  void make_room(std::uint32_t messages, std::uint64_t bytes);
  /// Wakes the sender where it is parked: its patience is over.
  void wake_sender() noexcept { sender_.wake(); }
  /// What fits() took from the budget for a send that does not follow goes back.
  void give_back_reserve() noexcept;
  /// A mark needs no credit.
  void send(Mark mark);
  /// Messages that left their stage and never got into the edge. The sender counts, anybody reads.
  enum class Loss : std::uint8_t {
    dropped,  ///< It was full, and drops.
    failed,   ///< It was full, and fails.
    gone      ///< Its receiver takes nothing any more.
  };
  void count(Loss loss, std::uint32_t messages) noexcept {
    lost_[static_cast<std::size_t>(loss)].fetch_add(messages, std::memory_order_relaxed);
  }
  std::uint64_t lost(Loss loss) const noexcept {
    return lost_[static_cast<std::size_t>(loss)].load(std::memory_order_relaxed);
  }
  /// The receiver takes nothing any more: what is sent is lost, so ask before sending.
  bool closed() const noexcept { return closed_.load(std::memory_order_seq_cst); }
  /// Called once, on the receiver's core, when it closes: for a sender that is not sending. Before anything runs.
  void when_closed(std::function<void()> told) { closing_ = std::move(told); }
  bool park(Waiter& waiter) noexcept override;
  bool unpark() noexcept override { return sender_.take_back(); }

  // --- figures, any thread; one after the other, so only roughly of one instant -----------------------------------

  std::uint64_t sent() const noexcept { return sent_seen_.load(std::memory_order_relaxed); }
  std::uint64_t taken() const noexcept { return taken_seen_.load(std::memory_order_relaxed); }
  std::uint64_t released() const noexcept { return released_.load(std::memory_order_relaxed); }
  /// Of an edge that drops its oldest: what its receiver has in hand, which takes no place there.
  std::uint64_t in_hand() const noexcept { return in_hand_.load(std::memory_order_relaxed); }
  std::uint64_t bytes() const noexcept {
    return sent_bytes_seen_.load(std::memory_order_relaxed) - released_bytes_.load(std::memory_order_relaxed);
  }
  /// Of what it has no room for.
  message::Failure full() const;
  /// How long the oldest that has not been taken has waited; zero: nothing waits. Never less than it has, and more by
  /// no more than the time between two batches that were sent: what waits is known by when the batch before it was
  /// sent.
  runtime::Duration oldest_waits(runtime::Time now) const noexcept;

 private:
  friend class Inbox;
  friend class Delivery;
  struct Tokens;
  struct Oldest;
  std::uint64_t charge(std::uint64_t bytes) const noexcept { return bytes < bounds_.bytes ? bytes : bounds_.bytes; }
  bool room_for_need() const noexcept;
  void release(std::uint32_t messages, std::uint64_t bytes, std::uint64_t from_budget) noexcept;
  void give_home(std::uint32_t messages, std::uint64_t bytes, std::uint64_t from_budget) noexcept;
  void put(InboxItem item);
  void note_taken(const InboxItem& item) noexcept;
  bool drop_front(std::uint32_t most);

  std::string name_;
  Inbox& to_;
  Bounds bounds_;
  Budget& budget_;
  std::unique_ptr<Tokens> tokens_;
  std::unique_ptr<Oldest> oldest_;  // Where it drops its oldest; then what waits is here, not in the inbox's queue.
  // The sender's.
  alignas(64) std::uint64_t sent_ = 0;
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t seen_released_ = 0;
  std::uint64_t seen_released_bytes_ = 0;
  std::uint64_t reserved_ = 0;  // Taken from the budget by fits(), for the send that follows.
  // What the sender needs, for who wakes it. A mixed reading of these wakes once too often, never too seldom: the
  // sender looks again after it has put itself into the slot.
  std::atomic<std::uint32_t> need_messages_{1};
  std::atomic<std::uint64_t> need_bytes_{0};
  std::atomic<bool> need_empty_{false};  // The budget is full: only an empty edge may send beyond it.
  std::atomic<std::uint64_t> sent_seen_{0}, sent_bytes_seen_{0};
  runtime::Time last_sent_{};
  std::atomic<runtime::Duration::rep> waits_since_{0};  // When something was last sent with nothing before it.
  std::array<std::atomic<std::uint64_t>, 3> lost_{};    // By Loss.
  // The receiver's.
  alignas(64) std::atomic<std::uint64_t> released_{0};
  std::atomic<std::uint64_t> released_bytes_{0};
  std::atomic<std::uint64_t> taken_seen_{0};
  std::atomic<std::uint64_t> in_hand_{0};
  std::atomic<runtime::Duration::rep> taken_sent_{0};  // When what was taken last had been sent.
  bool ended_ = false;
  std::atomic<bool> closed_{false};
  std::function<void()> closing_;
  // Both.
  alignas(64) WaitSlot sender_;
};

/// A batch in the hands of its receiver, with the places it still takes on its edge. Move-only. What has not been
/// released when it is destroyed is released then: after the rows have been processed or handed on.
class Delivery {
 public:
  Delivery() = default;
  Delivery(message::Batch::Pointer rows, Edge* from, std::uint64_t charged, std::uint64_t from_budget) noexcept
      : batch_(std::move(rows)),
        edge_(from),
        messages_(static_cast<std::uint32_t>(batch_->size())),
        bytes_(charged),
        from_budget_(from_budget) {}
  Delivery(Delivery&& other) noexcept;
  Delivery& operator=(Delivery&& other) noexcept;
  ~Delivery() { release_all(); }

  explicit operator bool() const noexcept { return batch_ != nullptr; }
  message::Batch& operator*() const noexcept { return *batch_; }
  message::Batch* operator->() const noexcept { return batch_.get(); }
  Edge* edge() const noexcept { return edge_; }
  /// The batch itself, to hand on; the places stay ours until released.
  message::Batch::Pointer take() noexcept { return std::move(batch_); }
  /// Gives one row's place back. The bytes go back with the last one.
  void release_one() noexcept;
  void release_all() noexcept;
  std::uint32_t unreleased() const noexcept { return messages_; }

 private:
  message::Batch::Pointer batch_;
  Edge* edge_ = nullptr;
  std::uint32_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t from_budget_ = 0;
};

/// What an inbox hands out.
struct Arrival {
  Arrival() = default;
  Arrival(Mark what, Edge* on) : mark(what), edge(on) {}
  explicit Arrival(Delivery batch) : edge(batch.edge()), delivery(std::move(batch)) {}
  Mark mark = Mark::none;
  Edge* edge = nullptr;
  Delivery delivery;  ///< Where mark is none.
};

/// The receiving end: one queue with a producer token for each edge, read round-robin by edge, with one waiter.
/// Order: kept along each edge, not across edges. The receiver's core only, but for what says otherwise.
class Inbox final : public Parking {
 public:
  Inbox();
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  /// Before anything runs. The inbox owns the edge. Edges that continue the lane of the one before are read strictly
  /// in turn, a run from each (Mark::run_end): the merge of ordered replicas, without a reorder buffer.
  Edge& connect(std::string name, Bounds bounds, Budget& budget, bool continues_lane = false);
  /// The lane made last begins with its edge `first`, and each turn goes on by `step` edges: for one of several
  /// receivers, who gets only some of the runs.
  void take_turns(std::size_t first, std::size_t step);

  /// For Edge::row_cost().
  void set_row_cost(runtime::Duration cost) noexcept { row_cost_.store(cost.count(), std::memory_order_relaxed); }

  /// The next arrival, or none for now. Mark::all_read is handed out once all edges have it, or have ended, and a
  /// message has come since the last time; ends are handed out like everything else, or as that where they were all
  /// that was missing.
  std::optional<Arrival> receive();
  /// From now on it also tells of each edge by itself (Mark::one_read).
  void tell_each() noexcept { tells_each_ = true; }
  /// All edges have ended.
  bool ended() const noexcept { return ended_ == edges_.size(); }
  /// Tells all senders that nothing is taken any more. Keep receiving until ended(), and drop what still comes.
  void close() noexcept;
  /// Lets go of all that is there, whoever's turn it is. Once nobody sends any more.
  void clear() noexcept;
  /// Wakes the receiver though nothing arrived. Any thread.
  void poke() noexcept;

  bool park(Waiter& waiter) noexcept override;
  bool unpark() noexcept override { return receiver_.take_back(); }

  const std::vector<std::unique_ptr<Edge>>& edges() const noexcept { return edges_; }

 private:
  friend class Edge;
  using Item = InboxItem;
  struct Queue;
  struct Lane {
    std::size_t first, count, current, step;
    bool all_read = false;  // Since its last message. Of one replica: those before it have had their turn.
  };
  std::optional<Arrival> receive_from(Lane& lane);
  std::optional<Arrival> receive_from(Edge& edge);
  bool all_read_anew() noexcept;
  static bool next_of(Edge& edge, Item& item);
  void publish() noexcept;

  std::unique_ptr<Queue> queue_;
  std::vector<std::unique_ptr<Edge>> edges_;
  std::vector<Lane> lanes_;
  std::size_t next_ = 0;
  std::size_t ended_ = 0;
  bool told_all_read_ = false;  // Since the last message.
  bool tells_each_ = false;
  std::atomic<runtime::Duration::rep> row_cost_{0};
  std::uint64_t seen_ = 0;                               // published_ before the last look: what came since is news.
  alignas(64) std::atomic<std::uint64_t> published_{0};  // Items and pokes, by all senders.
  alignas(64) WaitSlot receiver_;
};

}  // namespace weir::flow
