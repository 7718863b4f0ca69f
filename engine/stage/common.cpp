#include "engine/stage/common.hpp"

#include <algorithm>
#include <array>

namespace weir::stage {
namespace {

/// The member as one of a class that has it from EdgeLimits.
template <class Config, class T>
T Config::*of(T EdgeLimits::*member) {
  return member;
}

template <class Config>
config::Spec<Config> with_limits(config::Spec<Config> spec) {
  return std::move(spec)
      .field("capacity", of<Config>(&EdgeLimits::capacity),
             "Messages at the most, those in hand included: 128 on a core or as many as there are `workers`, 512 to "
             "what is written in bulk (`file`, `stdout`) unless "
             "`when_full` loses any, 1024 across cores.",
             config::at_least(1), config::at_most(65536))
      .field("bytes", of<Config>(&EdgeLimits::bytes), "Bytes at the most: 1MiB on a core, 8MiB across cores.",
             config::at_least(1))
      .field("when_full", of<Config>(&EdgeLimits::when_full),
             "What happens to a message that finds the edge full. block, unless written: it waits, and so does whoever "
             "sent it. fail: it has failed (full) for the source that it is of, which sends it again, or lets it leave "
             "by its own `.failed` or by `any.failed`; `.failed` of this stage does not have it. drop_newest: it is "
             "gone, and counted. drop_oldest: it is taken, and the one that has waited the longest is gone, and "
             "counted. spill comes with a later version.",
             config::one_of({{"block", WhenFull::block},
                             {"fail", WhenFull::fail},
                             {"drop_newest", WhenFull::drop_newest},
                             {"drop_oldest", WhenFull::drop_oldest}}),
             config::or_later("spill"))
      .field("after", of<Config>(&EdgeLimits::after),
             "The patience before `fail` or `drop_newest`: the edge has been full for so long. Until then the message "
             "waits.",
             config::above(0))
      .place(of<Config>(&EdgeLimits::place));
}

const config::Spec<EdgeLimits>& limits_spec() {
  static const auto spec =
      with_limits(config::Spec<EdgeLimits>("edge", "What may wait between this stage and one that it reads."));
  return spec;
}

const config::Spec<EdgeConfig>& edge_spec() {
  static const auto spec =
      with_limits(config::Spec<EdgeConfig>("edge", "What may wait between this stage and those it reads."))
          .by_name("INPUT", &EdgeConfig::inputs, limits_spec(),
                   "The same for one of several inputs, named as in `from`. What it does not say, it has from the "
                   "others.");
  return spec;
}

const config::Spec<OrderConfig>& order_spec() {
  static const auto spec =
      config::Spec<OrderConfig>("order", "Whether several workers keep the order of the messages.")
          .scalar(&OrderConfig::word, "kept, unless written: as they came. free: as they are ready.",
                  config::one_of({{"kept", Order::kept}, {"free", Order::free}}))
          .field(
              "key", &OrderConfig::key,
              "Messages of one key keep their order, and one worker at a time has them; other keys do not wait. "
              "Of a stage that only computes it is always the same worker, and a message without the key fails there.",
              config::sample("'{{ msg.tenant }}'"))
          .required();
  return spec;
}

const config::Spec<StateConfig>& state_spec() {
  static const auto spec =
      config::Spec<StateConfig>("state", "What `lua` remembers from message to message: a small table for each key.")
          .field("key", &StateConfig::key, "Whose table `state` is in the code.", config::sample("'{{ msg.host }}'"))
          .required()
          .field("forget", &StateConfig::forget, "So long after its last change a table is forgotten.",
                 config::above(0), config::sample("1d"))
          .required()
          .field(
              "keys", &StateConfig::keys,
              "So many tables are kept, of several workers by each; beyond that the one that has not changed for the "
              "longest is forgotten.",
              config::at_least(1), config::at_most(10'000'000))
          .field("store", &StateConfig::store,
                 "Where they are kept. memory: until the program ends. disk comes with a later version.",
                 config::one_of({{"memory", Store::memory}}), config::or_later("disk"));
  return spec;
}

}  // namespace

const config::Spec<Common>& common_spec() {
  static const auto spec =
      config::Spec<Common>("stage", "Keys that stages have in common.")
          .field("from", &Common::from,
                 "What this stage reads: STAGE, STAGE.PORT such as orders.failed, a list of them, or any.failed: what "
                 "failed and nobody else listens to.",
                 config::sample("[orders, retried]"))
          .one_or_more()
          .filled()
          .distinct()
          .field("description", &Common::description, "For people.")
          .group("edge", &Common::edge, edge_spec(), "What may wait before this stage.")
          .field(
              "attempts", &Common::attempts,
              "Of a source: so often a message is sent in all (3) that fails where nobody reads `.failed`, by what may "
              "pass: no connection, a time-out, 429 or 5xx, a program's exit, a disk or an edge or a list that is "
              "full, what a limit or a breaker refuses. All that was made of it then comes "
              "again, after 100ms, then after twice that and so on up to 10s, or when the other side says "
              "(Retry-After). 1: it is sent once.",
              config::at_least(1), config::at_most(1000), config::sample("1"))
          .field("workers", &Common::workers,
                 "So many messages at once; adaptive: as many as whoever is called answers best, found by watching how "
                 "long it takes, for stages that call.",
                 config::at_least(1), config::at_most(10000), config::or_word("adaptive", adaptive_workers))
          .group("order", &Common::order, order_spec(),
                 "Whether several workers keep the order of the messages. kept, unless written: as they came. free: as "
                 "they are ready. `{key: TEXT}`: those of one key as they came.")
          .field(
              "merge", &Common::merge,
              "Keeps the message and sets these fields of it, often from `result`; for stages that call. The payload "
              "must be an object; of a line make one first: `decode: {format: text, into: line}`.",
              config::sample("{code: '{{ result.code }}'}"))
          .group(
              "state", &Common::state, state_spec(),
              "Gives `lua` the table `state`, one for each key, of at most 64 KiB as JSON. It is kept only if the code "
              "succeeds; a table that is empty is forgotten. Several `workers` share the messages by the key. For "
              "`lua`.")
          .group("limit", &Common::limit, limit_spec(),
                 "How often this stage may begin with a message: a rate, the name of one under `limits:`, or a map; "
                 "for stages that call, listen, or only compute.")
          .group("breaker", &Common::breaker, breaker_spec(),
                 "When this stage stops calling for a while; for stages that call.")
          .group("retry", &Common::retry, retry_spec(),
                 "How often a call that failed is made again: a number, or a map; for stages that call.")
          .group("cache", &Common::cache, cache_spec(), "Answers that are remembered, for stages that call.")
          .group("hedge", &Common::hedge, hedge_spec(),
                 "When a second call is made beside one that takes long: a time, or a map; for stages that call.")
          .field("timeout", &Common::timeout, "How long one call may take; for stages that call.", config::above(0))
          .field("deadline", &Common::deadline,
                 "How long a message may take from here on, all waits and calls included; what is left of it goes with "
                 "the message. For stages that call, listen, or only compute.",
                 config::above(0))
          .field("on_error", &Common::on_error,
                 "What happens to a message that fails. fail: it leaves by .failed. drop: it is gone, and counted. "
                 "pass: it goes "
                 "on, with `failed` set.",
                 config::one_of({{"fail", OnError::fail}, {"drop", OnError::drop}, {"pass", OnError::pass}}))
          .place(&Common::place);
  return spec;
}

EdgeLimits Common::edge_from(std::string_view input) const {
  if (!edge) return {};
  EdgeLimits limits = *edge;
  for (const auto& [name, own] : edge->inputs) {
    if (name != input) continue;
    if (own.capacity) limits.capacity = own.capacity;
    if (own.bytes) limits.bytes = own.bytes;
    if (own.when_full) limits.when_full = own.when_full;
    if (own.after) limits.after = own.after;
  }
  return limits;
}

const config::Declaration& do_declaration() {
  struct Nothing {};
  static const auto spec =
      config::Spec<Nothing>("do", "Operators that run in turn, as one stage.")
          .details(
              "A list, each of its steps one operator and nothing else; the keys that stages have in common stand "
              "beside `do` and hold for all of them. What a step lets through, the next one gets; what fails in any "
              "leaves by the stage's .failed, as it came to the stage (of what a step made of one message each that "
              "fails leaves as that message, with its own reason); ports that a step opens are the stage's.")
          .example(
              "do:\n"
              "  - where: msg.amount > 0\n"
              "  - set: {total: '{{ msg.amount * msg.count }}'}\n"
              "  - lua: if msg.total > 1e6 then fail(\"too much\") end");
  return spec.declaration();
}

bool comes_later(std::string_view word) {
  static constexpr auto words =
      std::to_array<std::string_view>({"websocket", "websocket_server", "nats", "mqtt", "queue", "html"});
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace weir::stage
