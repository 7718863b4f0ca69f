// oneTBB on one thread: generate, upper-case and sum, drop. The job of the engine's rows, tokens of 64 messages, each
// message 64 bytes on the heap; 16 tokens under way at most, 1,024 messages.
//
//   tbb KIND MESSAGES      prints: name messages seconds cpu_ns_per_message peak_rss_kib
//
// KIND: pipeline         parallel_pipeline of three filters, the tokens vectors
//       pipeline_pooled  the same, the tokens in a ring that is written over and over, their messages with them
//       flow             a flow graph of an input node, a limiter and two function nodes, the tokens pointers
#include <tbb/flow_graph.h>
#include <tbb/global_control.h>
#include <tbb/parallel_pipeline.h>

#include <algorithm>
#include <array>
#include <string>

#include "tests/bench/peers/peer.hpp"

namespace weir::bench {
namespace {

constexpr std::size_t tokens = bound_messages / batch_messages;
constexpr auto in_order = tbb::filter_mode::serial_in_order;

Batch next_batch(std::uint64_t& i, std::uint64_t messages) {
  const std::uint64_t end = std::min(messages, i + batch_messages);
  Batch batch;
  batch.reserve(batch_messages);
  while (i < end) batch.push_back(filled(i++));
  return batch;
}

Sums pipeline(std::uint64_t messages) {
  Sums sums;
  std::uint64_t i = 0;
  const auto generate = tbb::make_filter<void, Batch>(in_order, [&](tbb::flow_control& control) {
    if (i < messages) return next_batch(i, messages);
    control.stop();
    return Batch();
  });
  const auto work = tbb::make_filter<Batch, Batch>(in_order, [&](Batch batch) {
    for (const Payload& payload : batch) sums.of_all += worked(payload);
    return batch;
  });
  const auto end = tbb::make_filter<Batch, void>(in_order, [&](const Batch& batch) {
    for (const Payload& payload : batch) sums.of_firsts += first_word(payload.get());
  });
  tbb::parallel_pipeline(tokens, generate & work & end);
  return sums;
}

/// No more tokens are under way than the ring has places and the last filter keeps their order, so a place is free
/// again when its turn comes.
Sums pipeline_pooled(std::uint64_t messages) {
  struct Token {
    std::array<Payload, batch_messages> payloads;
    std::size_t count = 0;
  };
  std::array<Token, tokens> ring;
  for (Token& token : ring) std::ranges::generate(token.payloads, unfilled);
  Sums sums;
  std::uint64_t i = 0, turn = 0;
  const auto generate = tbb::make_filter<void, Token*>(in_order, [&](tbb::flow_control& control) -> Token* {
    if (i == messages) {
      control.stop();
      return nullptr;
    }
    Token* const token = &ring[turn++ % tokens];
    token->count = std::min<std::uint64_t>(batch_messages, messages - i);
    for (std::size_t k = 0; k < token->count; ++k) fill(token->payloads[k].get(), i++);
    return token;
  });
  const auto work = tbb::make_filter<Token*, Token*>(in_order, [&](Token* token) {
    for (std::size_t k = 0; k < token->count; ++k) sums.of_all += worked(token->payloads[k]);
    return token;
  });
  const auto end = tbb::make_filter<Token*, void>(in_order, [&](const Token* token) {
    for (std::size_t k = 0; k < token->count; ++k) sums.of_firsts += first_word(token->payloads[k].get());
  });
  tbb::parallel_pipeline(tokens, generate & work & end);
  return sums;
}

/// Nodes copy what they pass on, so their users pass pointers.
Sums flow(std::uint64_t messages) {
  namespace flow = tbb::flow;
  Sums sums;
  std::uint64_t i = 0;
  flow::graph graph;
  flow::input_node<Batch*> source(graph, [&](tbb::flow_control& control) -> Batch* {
    if (i < messages) return new Batch(next_batch(i, messages));
    control.stop();
    return nullptr;
  });
  flow::limiter_node<Batch*> limiter(graph, tokens);
  flow::function_node<Batch*, Batch*> work(graph, flow::serial, [&](Batch* batch) {
    for (const Payload& payload : *batch) sums.of_all += worked(payload);
    return batch;
  });
  flow::function_node<Batch*, flow::continue_msg> end(graph, flow::serial, [&](Batch* batch) {
    for (const Payload& payload : *batch) sums.of_firsts += first_word(payload.get());
    delete batch;
    return flow::continue_msg();
  });
  flow::make_edge(source, limiter);
  flow::make_edge(limiter, work);
  flow::make_edge(work, end);
  flow::make_edge(end, limiter.decrementer());
  source.activate();
  graph.wait_for_all();
  return sums;
}

}  // namespace
}  // namespace weir::bench

int main(int, char** words) {
  const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
  const std::string kind = words[1];
  const auto work = kind == "pipeline"          ? weir::bench::pipeline
                    : kind == "pipeline_pooled" ? weir::bench::pipeline_pooled
                                                : weir::bench::flow;
  weir::bench::report("tbb_" + kind, std::strtoull(words[2], nullptr, 10), work);
}
