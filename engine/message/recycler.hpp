// Objects that go home: what one core allocated is freed or used again on that core.
#pragma once
#include <atomic>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace weir::message {

/// A thread's free list for objects of one type, which comes home from other threads through a lock-free stack.
/// (Freeing on another core what this one allocated cost 68 % of a two-core chain.) T derives from Recyclable<T>, and
/// T::size_classes says how many lists a thread keeps: objects of different sizes are not mixed; T::recycled_most(),
/// how many objects in each.
/// An object whose home thread has ended is deleted by whoever holds it; a home that is full deletes what is its own.
/// A home is never destroyed: the next thread that starts moves in, so giving back needs no reference count.
template <class T>
class Recycler {
 public:
  /// The calling thread's own.
  static Recycler& local(std::size_t size_class = 0) {
    thread_local Tenant tenants[T::size_classes];
    return *tenants[size_class].home;
  }

  /// A recycled object of this home, or a new one.
  T* take() {
    if (!free_) {
      count_ = 0;
      T* returned = returned_.exchange(nullptr, std::memory_order_acquire);
      while (returned) {
        T* const object = std::exchange(returned, returned->next_free_);
        keep(object);
      }
    }
    if (T* object = free_) {
      free_ = object->next_free_;
      --count_;
      return object;
    }
    T* object = new T;
    object->home_ = this;
    return object;
  }

  /// Gives an object back to its home. Any thread. The object must have been reset.
  static void give_back(T* object) noexcept {
    Recycler* home = object->home_;
    if (home == &local(object->size_class())) return home->keep(object);
    if (home->closed_.load(std::memory_order_acquire)) {
      delete object;
      return;
    }
    T* top = home->returned_.load(std::memory_order_relaxed);
    do object->next_free_ = top;
    while (!home->returned_.compare_exchange_weak(top, object, std::memory_order_seq_cst, std::memory_order_relaxed));
    // The home may have closed between the look and the push: then whoever looks last empties the stack.
    if (home->closed_.load(std::memory_order_seq_cst)) home->sweep();
  }

 private:
  /// The home's thread.
  void keep(T* object) noexcept {
    if (count_ >= T::recycled_most(object->size_class())) {
      delete object;
      return;
    }
    object->next_free_ = free_;
    free_ = object;
    ++count_;
  }

  struct Tenant {
    Recycler* home = move_in();
    Tenant() = default;
    Tenant(const Tenant&) = delete;
    Tenant& operator=(const Tenant&) = delete;
    ~Tenant() { home->close(); }
  };
  struct Homes {
    std::mutex mutex;
    std::vector<Recycler*> all, empty;
  };
  static Homes& homes() {
    static Homes* const homes = new Homes;  // Outlives every thread on purpose.
    return *homes;
  }
  static Recycler* move_in() {
    Homes& known = homes();
    const std::lock_guard lock(known.mutex);
    if (known.empty.empty()) {
      known.all.push_back(new Recycler);
      return known.all.back();
    }
    Recycler* home = known.empty.back();
    known.empty.pop_back();
    home->closed_.store(false, std::memory_order_seq_cst);
    return home;
  }
  void close() noexcept {
    closed_.store(true, std::memory_order_seq_cst);
    while (T* object = free_) {
      free_ = object->next_free_;
      delete object;
    }
    count_ = 0;
    sweep();
    Homes& known = homes();
    const std::lock_guard lock(known.mutex);
    known.empty.push_back(this);
  }
  void sweep() noexcept {
    T* object = returned_.exchange(nullptr, std::memory_order_seq_cst);
    while (object) {
      T* next = object->next_free_;
      delete object;
      object = next;
    }
  }

  T* free_ = nullptr;
  std::size_t count_ = 0;
  alignas(64) std::atomic<T*> returned_{nullptr};
  std::atomic<bool> closed_{false};
};

template <class T>
class Recyclable {
 private:
  friend class Recycler<T>;
  Recycler<T>* home_ = nullptr;
  T* next_free_ = nullptr;
};

}  // namespace weir::message
