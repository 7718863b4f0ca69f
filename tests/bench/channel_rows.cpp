// The channel by itself: coroutines on a core or two that send, receive and park as units do, and no stage, no token,
// no figure around them.
#include <functional>
#include <memory>
#include <stdexcept>

#include "tests/bench/rows.hpp"

namespace weir::bench {
namespace {

using flow::Edge;
using flow::Inbox;
using message::Batch;
using runtime::Core;
using runtime::Task;

struct Shape {
  bool two = false;         ///< Between two cores, otherwise on one.
  std::uint32_t rows = 64;  ///< Of a batch.
  std::uint32_t capacity = 128;
};

/// The coroutines of a row, each on a core; all run until the last has ended.
class Cast {
 public:
  explicit Cast(int cores) {
    runtime::Options machine;
    machine.cores = cores;
    machine.seed = 1;
    machine.pin = cores > 1;
    runtime_ = runtime::make_real(machine);
  }
  Core& core(int number) { return runtime_->core(number); }
  void add(Core& core, std::function<Task<>()> part) { parts_.push_back(std::make_unique<Part>(Part{core, part, {}})); }

  void play() {
    running_ = parts_.size();
    runtime_->run([this] {
      for (auto& part : parts_) {
        part->core.post([this, raw = part.get()] {
          raw->coroutine = raw->core.spawn(raw->body(), [this, raw](std::exception_ptr fault) {
            raw->coroutine.reset();
            core(0).post([this, fault] {
              if (fault && !fault_) fault_ = fault;
              if (--running_ == 0) runtime_->stop();
            });
          });
        });
      }
    });
    if (fault_) std::rethrow_exception(fault_);
  }

 private:
  struct Part {
    Core& core;
    std::function<Task<>()> body;
    std::unique_ptr<runtime::Coroutine> coroutine;
  };
  std::unique_ptr<runtime::RealRuntime> runtime_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::size_t running_ = 0;
  std::exception_ptr fault_;
};

/// Gives way now and then, as a unit does (semantics 16).
class Turn {
 public:
  bool over() noexcept { return ++batches_ % 16 == 0; }

 private:
  int batches_ = 0;
};

Task<> send(Core& core, Edge& edge, Batch::Pointer batch) {
  const auto rows = static_cast<std::uint32_t>(batch->size());
  while (!edge.fits(rows, batch->live_bytes())) co_await flow::suspend(core, edge);
  edge.send(std::move(batch), core.now());
}

/// Makes the messages of the job. Where there is room it waits for nothing.
Task<> source(Core& core, Edge& edge, std::uint64_t messages, std::uint32_t rows) {
  Turn turn;
  for (std::uint64_t i = 0; i < messages;) {
    auto batch = Batch::make();
    batch->expect(rows * payload_bytes);
    batch->append_many(std::min<std::uint64_t>(rows, messages - i), payload_bytes, {}, [&i](char* to) {
      fill(to, i++);
      return payload_bytes;
    });
    if (edge.fits(static_cast<std::uint32_t>(batch->size()), batch->live_bytes())) {
      edge.send(std::move(batch), core.now());
    } else {
      co_await send(core, edge, std::move(batch));
    }
    if (turn.over()) co_await core.yield();
  }
  edge.send(flow::Mark::end);
}

/// What comes; none: all has ended.
Task<std::optional<flow::Delivery>> receive(Core& core, Inbox& inbox) {
  while (!inbox.ended()) {
    auto arrival = inbox.receive();
    if (!arrival) {
      co_await flow::suspend(core, inbox);
    } else if (arrival->mark == flow::Mark::none) {
      co_return std::optional<flow::Delivery>(std::move(arrival->delivery));
    }
  }
  co_return std::nullopt;
}

/// Upper case, and on.
Task<> work(Core& core, Inbox& inbox, Edge& edge) {
  Turn turn;
  while (auto delivery = co_await receive(core, inbox)) {
    auto batch = delivery->take();
    batch->expect(batch->live_bytes());
    for (std::size_t row = 0; row < batch->size(); ++row) {
      const auto text = batch->payload(row);
      batch->rewrite_payload(row, text.size(), [text](char* to) {
        run_sums.of_all += upper(text.data(), to, text.size());
        return text.size();
      });
    }
    batch->compact();
    if (edge.fits(static_cast<std::uint32_t>(batch->size()), batch->live_bytes())) {
      edge.send(std::move(batch), core.now());
    } else {
      co_await send(core, edge, std::move(batch));
    }
    delivery.reset();
    if (turn.over()) co_await core.yield();
  }
  edge.send(flow::Mark::end);
}

/// Looks at each.
Task<> end(Core& core, Inbox& inbox) {
  Turn turn;
  while (auto delivery = co_await receive(core, inbox)) {
    const Batch& batch = **delivery;
    for (std::size_t row = 0; row < batch.size(); ++row) run_sums.of_firsts += first_word(batch.payload(row).data());
    delivery.reset();
    if (turn.over()) co_await core.yield();
  }
}

flow::Bounds bounds(std::uint32_t capacity) { return {capacity, std::uint64_t{64} << 20}; }

/// Of messages that nobody has made upper case.
std::uint64_t firsts_as_made(std::uint64_t messages) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < messages; ++i) {
    std::array<char, payload_bytes> message;
    fill(message.data(), i);
    sum += first_word(message.data());
  }
  return sum;
}

/// One makes, the other looks.
void channel_row(State& state, Shape shape) {
  const std::uint64_t messages = shape.rows == 1 ? chain_messages / 10 : chain_messages / (shape.two ? 2 : 1);
  const std::uint64_t expected = firsts_as_made(messages);
  for (auto _ : state) {
    run_sums = {};
    flow::Budget budget(std::uint64_t{1} << 30);
    Inbox inbox;
    Edge& edge = inbox.connect("channel", bounds(shape.capacity), budget);
    Cast cast(shape.two ? 2 : 1);
    Core &here = cast.core(0), &there = cast.core(shape.two ? 1 : 0);
    cast.add(here, [&] { return source(here, edge, messages, shape.rows); });
    cast.add(there, [&] { return end(there, inbox); });
    cast.play();
    if (run_sums.of_firsts != expected) {
      state.SkipWithError("the sum is wrong: messages were lost or changed");
      return;
    }
  }
  count(state, messages);
}

/// All of the job, in batches of 64: made on one core, worked and looked at on the other.
void job_row(State& state, bool two) {
  const std::uint64_t messages = chain_messages / 2;
  const Sums expected = loop(messages);
  for (auto _ : state) {
    run_sums = {};
    flow::Budget budget(std::uint64_t{1} << 30);
    Inbox first, second;
    Edge& into_work = first.connect("work", bounds(two ? 1024 : 128), budget);
    Edge& into_end = second.connect("end", bounds(128), budget);
    Cast cast(two ? 2 : 1);
    Core &here = cast.core(0), &there = cast.core(two ? 1 : 0);
    cast.add(here, [&] { return source(here, into_work, messages, 64); });
    cast.add(there, [&] { return work(there, first, into_end); });
    cast.add(there, [&] { return end(there, second); });
    cast.play();
    if (!(run_sums == expected)) {
      state.SkipWithError("the sums are wrong: messages were lost or changed");
      return;
    }
  }
  count(state, messages);
}

// --- several senders, several receivers ---------------------------------------------------------------------------

/// Makes its share of the messages of the job, in batches of 64, and deals them to the edges in turn.
Task<> dealing_source(Core& core, const std::vector<Edge*>& edges, std::uint64_t from, std::uint64_t to) {
  Turn turn;
  std::size_t next = 0;
  for (std::uint64_t i = from; i < to;) {
    auto batch = Batch::make();
    batch->expect(64 * payload_bytes);
    batch->append_many(std::min<std::uint64_t>(64, to - i), payload_bytes, {}, [&i](char* into) {
      fill(into, i++);
      return payload_bytes;
    });
    Edge& edge = *edges[next];
    next = (next + 1) % edges.size();
    if (edge.fits(static_cast<std::uint32_t>(batch->size()), batch->live_bytes())) {
      edge.send(std::move(batch), core.now());
    } else {
      co_await send(core, edge, std::move(batch));
    }
    if (turn.over()) co_await core.yield();
  }
  for (Edge* const edge : edges) edge->send(flow::Mark::end);
}

/// So many that make and so many that look, an edge from each to each: an inbox has one reader, so who sends to several
/// deals, as the engine does.
void many_row(State& state, std::size_t senders, std::size_t receivers, bool two) {
  const std::uint64_t messages = chain_messages / 2, share = messages / senders;
  const std::uint64_t expected = firsts_as_made(messages);
  for (auto _ : state) {
    run_sums = {};
    flow::Budget budget(std::uint64_t{1} << 30);
    std::vector<std::unique_ptr<Inbox>> inboxes;
    std::vector<std::vector<Edge*>> edges(senders);
    for (std::size_t i = 0; i < receivers; ++i) {
      inboxes.push_back(std::make_unique<Inbox>());
      for (auto& of_sender : edges) of_sender.push_back(&inboxes.back()->connect("many", bounds(1024), budget));
    }
    Cast cast(two ? 2 : 1);
    Core &here = cast.core(0), &there = cast.core(two ? 1 : 0);
    for (std::size_t i = 0; i < senders; ++i) {
      const std::uint64_t to = i + 1 == senders ? messages : (i + 1) * share;
      cast.add(here, [&, i, to] { return dealing_source(here, edges[i], i * share, to); });
    }
    for (const auto& inbox : inboxes) cast.add(there, [&] { return end(there, *inbox); });
    cast.play();
    if (run_sums.of_firsts != expected) {
      state.SkipWithError("the sum is wrong: messages were lost or changed");
      return;
    }
  }
  count(state, messages);
}

// --- parking -----------------------------------------------------------------------------------------------------

Task<> ask(Core& core, Edge& edge, Inbox& inbox, std::uint64_t rounds, std::vector<std::int64_t>& taken) {
  for (std::uint64_t i = 0; i < rounds; ++i) {
    const auto began = core.now();
    auto batch = Batch::make();
    batch->append_written(payload_bytes, began, [i](char* to) {
      fill(to, i);
      return payload_bytes;
    });
    co_await send(core, edge, std::move(batch));
    auto back = co_await receive(core, inbox);
    run_sums.of_firsts += first_word((*back)->payload(0).data());
    taken.push_back((core.now() - began).count());
  }
  edge.send(flow::Mark::end);
}

Task<> answer(Core& core, Inbox& inbox, Edge& edge) {
  while (auto delivery = co_await receive(core, inbox)) {
    auto batch = delivery->take();
    delivery.reset();
    co_await send(core, edge, std::move(batch));
  }
}

/// One message there and back; whoever waits parks, and is woken through its core.
void park_row(State& state, bool remote) {
  const std::uint64_t rounds = remote ? 20'000 : 200'000;
  const std::uint64_t expected = firsts_as_made(rounds);
  std::vector<std::int64_t> taken;
  taken.reserve(rounds);
  for (auto _ : state) {
    run_sums = {};
    taken.clear();
    flow::Budget budget(std::uint64_t{1} << 30);
    Inbox there, back;
    Edge& out = there.connect("there", bounds(128), budget);
    Edge& home = back.connect("back", bounds(128), budget);
    Cast cast(remote ? 2 : 1);
    Core &here = cast.core(0), &other = cast.core(remote ? 1 : 0);
    cast.add(here, [&] { return ask(here, out, back, rounds, taken); });
    cast.add(other, [&] { return answer(other, there, home); });
    cast.play();
    if (run_sums.of_firsts != expected) {
      state.SkipWithError("the sum is wrong: a message was lost or changed");
      return;
    }
  }
  count(state, rounds);
  percentiles(state, taken);
}

}  // namespace

void register_channels() {
  for (const bool two : {false, true}) {
    const std::string where = two ? "two" : "same";
    for (const std::uint32_t rows : {1u, 8u, 64u}) {
      for (const std::uint32_t capacity : {128u, 1024u, 16384u}) {
        row("Channel/" + where + "/" + std::to_string(rows) + "/" + std::to_string(capacity), channel_row,
            Shape{two, rows, capacity});
      }
    }
    row("Channel/" + where + "/job", job_row, two);
    for (const std::size_t senders : {1u, 2u, 4u}) {
      for (const std::size_t receivers : {1u, 2u, 4u}) {
        if (senders * receivers > 4 || (senders == 2) != (receivers == 2)) continue;
        row("Mpmc/" + std::to_string(senders) + "x" + std::to_string(receivers) + "/" + where, many_row, senders,
            receivers, two);
      }
    }
  }
  row("Park/local", park_row, false);
  row("Park/remote", park_row, true);
}

}  // namespace weir::bench
