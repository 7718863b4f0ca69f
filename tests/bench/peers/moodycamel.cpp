// moodycamel's queues by hand: generate on one thread, upper-case and sum and drop on the other, the job of the
// engine's rows, each message 64 bytes on the heap. A queue between any two steps, so the second thread has one to
// itself; at most 1,024 messages under way, by a semaphore.
//
//   moodycamel KIND MESSAGES      prints: name messages seconds cpu_ns_per_message peak_rss_kib
//
// KIND: one          a message at a time
//       bulk         64 at a time
//       bulk_pooled  the same, and buffers come back through a third queue, which is the bound as well
//       bulk_same    64 at a time, the three steps in turn on one thread, which needs neither semaphore nor waiting
#include <concurrentqueue/blockingconcurrentqueue.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <string>
#include <thread>

#include "tests/bench/peers/peer.hpp"

namespace weir::bench {
namespace {

using Queue = moodycamel::ConcurrentQueue<Payload>;
using BlockingQueue = moodycamel::BlockingConcurrentQueue<Payload>;
using Many = std::array<Payload, batch_messages>;

auto moving(Many& many) { return std::make_move_iterator(many.begin()); }

Sums one(std::uint64_t messages) {
  BlockingQueue to_work(bound_messages);
  moodycamel::LightweightSemaphore credits(bound_messages);
  std::jthread source([&] {
    const moodycamel::ProducerToken from_source(to_work);
    for (std::uint64_t i = 0; i < messages; ++i) {
      Payload payload = filled(i);
      credits.wait();
      to_work.enqueue(from_source, std::move(payload));
    }
  });
  Queue to_end(bound_messages);
  moodycamel::ConsumerToken at_work(to_work), at_end(to_end);
  const moodycamel::ProducerToken from_work(to_end);
  Sums sums;
  Payload payload;
  for (std::uint64_t i = 0; i < messages; ++i) {
    to_work.wait_dequeue(at_work, payload);
    sums.of_all += worked(payload);
    to_end.enqueue(from_work, std::move(payload));
    to_end.try_dequeue(at_end, payload);
    sums.of_firsts += first_word(payload.get());
    payload.reset();
    credits.signal();
  }
  return sums;
}

/// What the second thread does with so many.
std::size_t work_and_end(Many& many, std::size_t count, Queue& to_end, const moodycamel::ProducerToken& from_work,
                         moodycamel::ConsumerToken& at_end, Sums& sums) {
  for (std::size_t k = 0; k < count; ++k) sums.of_all += worked(many[k]);
  to_end.enqueue_bulk(from_work, moving(many), count);
  count = to_end.try_dequeue_bulk(at_end, many.begin(), batch_messages);
  for (std::size_t k = 0; k < count; ++k) sums.of_firsts += first_word(many[k].get());
  return count;
}

Sums bulk(std::uint64_t messages) {
  BlockingQueue to_work(bound_messages);
  moodycamel::LightweightSemaphore credits(bound_messages);
  std::jthread source([&] {
    const moodycamel::ProducerToken from_source(to_work);
    Many many;
    for (std::uint64_t i = 0; i < messages;) {
      const auto count = credits.waitMany(std::min<std::uint64_t>(batch_messages, messages - i));
      for (auto& payload : std::span(many).first(count)) payload = filled(i++);
      to_work.enqueue_bulk(from_source, moving(many), count);
    }
  });
  Queue to_end(bound_messages);
  moodycamel::ConsumerToken at_work(to_work), at_end(to_end);
  const moodycamel::ProducerToken from_work(to_end);
  Sums sums;
  Many many;
  for (std::uint64_t ended = 0; ended < messages;) {
    const auto taken = to_work.wait_dequeue_bulk(at_work, many.begin(), batch_messages);
    const auto count = work_and_end(many, taken, to_end, from_work, at_end, sums);
    for (auto& payload : std::span(many).first(count)) payload.reset();
    credits.signal(count);
    ended += count;
  }
  return sums;
}

Sums bulk_pooled(std::uint64_t messages) {
  BlockingQueue to_work(bound_messages), pool(bound_messages);
  for (std::size_t k = 0; k < bound_messages; ++k) pool.enqueue(unfilled());
  std::jthread source([&] {
    const moodycamel::ProducerToken from_source(to_work);
    moodycamel::ConsumerToken at_pool(pool);
    Many many;
    for (std::uint64_t i = 0; i < messages;) {
      const auto room = std::min<std::uint64_t>(batch_messages, messages - i);
      const auto count = pool.wait_dequeue_bulk(at_pool, many.begin(), room);
      for (auto& payload : std::span(many).first(count)) fill(payload.get(), i++);
      to_work.enqueue_bulk(from_source, moving(many), count);
    }
  });
  Queue to_end(bound_messages);
  moodycamel::ConsumerToken at_work(to_work), at_end(to_end);
  const moodycamel::ProducerToken from_work(to_end), from_end(pool);
  Sums sums;
  Many many;
  for (std::uint64_t ended = 0; ended < messages;) {
    const auto taken = to_work.wait_dequeue_bulk(at_work, many.begin(), batch_messages);
    const auto count = work_and_end(many, taken, to_end, from_work, at_end, sums);
    pool.enqueue_bulk(from_end, moving(many), count);
    ended += count;
  }
  return sums;
}

Sums bulk_same(std::uint64_t messages) {
  Queue to_work(bound_messages), to_end(bound_messages);
  moodycamel::ConsumerToken at_work(to_work), at_end(to_end);
  const moodycamel::ProducerToken from_source(to_work), from_work(to_end);
  Sums sums;
  Many many;
  for (std::uint64_t i = 0; i < messages;) {
    auto count = std::min<std::uint64_t>(batch_messages, messages - i);
    for (auto& payload : std::span(many).first(count)) payload = filled(i++);
    to_work.enqueue_bulk(from_source, moving(many), count);
    count = to_work.try_dequeue_bulk(at_work, many.begin(), batch_messages);
    count = work_and_end(many, count, to_end, from_work, at_end, sums);
    for (auto& payload : std::span(many).first(count)) payload.reset();
  }
  return sums;
}

}  // namespace
}  // namespace weir::bench

int main(int, char** words) {
  const std::string kind = words[1];
  const auto work = kind == "one"           ? weir::bench::one
                    : kind == "bulk"        ? weir::bench::bulk
                    : kind == "bulk_pooled" ? weir::bench::bulk_pooled
                                            : weir::bench::bulk_same;
  weir::bench::report("moodycamel_" + kind, std::strtoull(words[2], nullptr, 10), work);
}
