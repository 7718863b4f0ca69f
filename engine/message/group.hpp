// Groups: the messages that were made of one, and when the last of them has come to its end.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace weir::message {

class Expanded;
class Groups;

/// What one list became. Lives as long as somebody has a mark of it.
class Group {
 public:
  Group(std::shared_ptr<Groups> of, std::uint64_t number, std::shared_ptr<const Expanded> made_of)
      : of_(std::move(of)), number_(number), made_of_(std::move(made_of)) {}
  const Groups* of() const noexcept { return of_.get(); }
  std::uint64_t number() const noexcept { return number_; }
  /// No message of it is under way any more.
  bool complete() const noexcept { return live_.load(std::memory_order_acquire) == 0; }

 private:
  friend class GroupMark;
  void count_up() noexcept { live_.fetch_add(1, std::memory_order_relaxed); }
  void count_down() noexcept;

  std::shared_ptr<Groups> of_;
  std::uint64_t number_;
  std::shared_ptr<const Expanded> made_of_;  // Until it is complete.
  std::atomic<std::uint32_t> live_{0};
};

/// What a message carries in its metadata: its place in a group. The group is complete when no counted mark of it is
/// left, wherever the messages went: arrived, dropped, failed, or done elsewhere.
class GroupMark {
 public:
  GroupMark(std::shared_ptr<Group> group, std::size_t position) : group_(std::move(group)), position_(position) {
    group_->count_up();
  }
  GroupMark(const GroupMark& other) : group_(other.group_), position_(other.position_), counted_(other.counted_) {
    if (counted_) group_->count_up();
  }
  GroupMark(GroupMark&& other) noexcept
      : group_(std::move(other.group_)), position_(other.position_), counted_(std::exchange(other.counted_, false)) {}
  GroupMark& operator=(GroupMark other) noexcept {
    std::swap(group_, other.group_);
    std::swap(position_, other.position_);
    std::swap(counted_, other.counted_);
    return *this;
  }
  ~GroupMark() { release(); }

  Group& group() const noexcept { return *group_; }
  std::size_t position() const noexcept { return position_; }
  const std::shared_ptr<Group>& share() const noexcept { return group_; }
  /// Holds the group open no longer: of a copy that is kept only to be sent again.
  void release() noexcept {
    if (std::exchange(counted_, false)) group_->count_down();
  }

 private:
  std::shared_ptr<Group> group_;
  std::size_t position_;
  bool counted_ = true;
};

/// All groups of one stage. Thread-safe.
class Groups : public std::enable_shared_from_this<Groups> {
 public:
  static constexpr std::size_t most_open = 1000;

  /// Who waits for complete groups.
  class Listener {
   public:
    /// Any thread. Must not block, nor touch a group. `made_of`: null of a list that was made of no message.
    virtual void completed(std::uint64_t group, const std::shared_ptr<const Expanded>& made_of) noexcept = 0;

   protected:
    ~Listener() = default;
  };
  void listen(Listener& listener) {
    const std::lock_guard lock(mutex_);
    listeners_.push_back(&listener);
  }
  void leave(Listener& listener) {
    const std::lock_guard lock(mutex_);
    std::erase(listeners_, &listener);
  }

  /// A new group; null where so many are open already.
  std::shared_ptr<Group> open(std::shared_ptr<const Expanded> made_of) {
    const std::lock_guard lock(mutex_);
    if (open_ == most_open) return nullptr;
    ++open_;
    return std::make_shared<Group>(shared_from_this(), next_++, std::move(made_of));
  }

 private:
  friend class Group;
  void complete(std::uint64_t group, const std::shared_ptr<const Expanded>& made_of) noexcept {
    const std::lock_guard lock(mutex_);
    --open_;
    for (auto* listener : listeners_) listener->completed(group, made_of);
  }

  std::mutex mutex_;
  std::size_t open_ = 0;
  std::uint64_t next_ = 0;
  std::vector<Listener*> listeners_;
};

/// The list that a stage makes messages of just now: while it is not ended its group can't be complete.
class OpenList {
 public:
  /// `groups`: null where nobody gathers; then, and where too many are open, the messages are of no group. `made_of`:
  /// null where the list was made of no message.
  void begin(Groups* groups, std::shared_ptr<const Expanded> made_of = nullptr) {
    auto group = groups ? groups->open(std::move(made_of)) : nullptr;
    if (group) first_.emplace(std::move(group), 0);
    next_ = 0;
  }
  void end() noexcept { first_.reset(); }
  explicit operator bool() const noexcept { return first_.has_value(); }
  /// The mark of the next message. Only while a group is open.
  GroupMark next() { return {first_->share(), next_++}; }

 private:
  std::optional<GroupMark> first_;
  std::size_t next_ = 0;
};

inline void Group::count_down() noexcept {
  if (live_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const auto made_of = std::move(made_of_);  // Let go of behind the lock: its end may complete a wider group.
  of_->complete(number_, made_of);
}

}  // namespace weir::message
