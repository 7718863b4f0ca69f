// What tests/bench/grow turns up: capacity, the size of a message, and the keys of policies.
#include "tests/bench/rows.hpp"

namespace weir::bench {
namespace {

// --- bench_keys, bench_call ----------------------------------------------------------------------------------------

struct KeysConfig {
  std::int64_t count = 0;
  std::int64_t keys = 1;
};

const auto keys_spec = config::Spec<KeysConfig>("bench_keys", "Makes messages with keys, each in its turn.")
                           .field("count", &KeysConfig::count, "Messages.", config::at_least(0))
                           .field("keys", &KeysConfig::keys, "Different keys.", config::at_least(1))
                           .example("bench_keys: {count: 10}");

stage::Task<> run_keys(const KeysConfig& config, stage::Source& source) {
  const auto count = static_cast<std::uint64_t>(config.count), keys = static_cast<std::uint64_t>(config.keys);
  for (std::uint64_t i = 0; i < count && !source.abandoned();) {
    const auto now = source.core.now();
    source.out.emit_many(stage::main_port, count - i, 32, now, [&i, keys](char* to) {
      // 7919 is a prime that divides none of the numbers of keys: neighbours have keys that lie far apart.
      constexpr std::string_view begin = "{\"key\":\"";
      char* at = std::copy(begin.begin(), begin.end(), to);
      at = std::to_chars(at, to + 30, i++ * 7919 % keys).ptr;
      *at++ = '"';
      *at++ = '}';
      return static_cast<std::size_t>(at - to);
    });
    co_await source.flush();
  }
}

struct CallConfig {};
const auto call_spec =
    config::Spec<CallConfig>("bench_call", "A call that is answered at once.").example("bench_call: {}");

class AtOnce final : public stage::Call {
 public:
  AtOnce(const CallConfig&, stage::Context&) {}
  stage::Task<message::Done> call(stage::Message message) override {
    run_sums.of_all += message.text().size();
    co_return std::nullopt;
  }
};

const stage::Register keys_registered(keys_spec, [](auto config) { return stage::source_of(config, run_keys); });
const stage::Register call_registered(call_spec, [](auto config) { return stage::call_of<AtOnce>(config); });

// --- the rows ----------------------------------------------------------------------------------------------------

void capacity_row(State& state, int capacity) {
  const Chain chain{.messages = capacity < 16 ? chain_messages / 20 : chain_messages / 2, .capacity = capacity};
  run_row(state, chain.yaml(), {}, chain.messages);
}

void size_row(State& state, std::size_t size) {
  const std::uint64_t bytes = std::uint64_t{1} << 29;
  const Chain chain{
      .messages = std::min<std::uint64_t>(bytes / size, chain_messages / 2), .capacity = 128, .size = size};
  run_row(state, chain.yaml(), {}, chain.messages, 1, size);
}

/// `policy` around a call that is answered at once, so that it is what costs. Each message is to get through.
void keys_row(State& state, const std::string& policy, std::uint64_t keys) {
  constexpr std::uint64_t messages = 300'000;
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < messages; ++i) bytes += 10 + std::to_string(i * 7919 % keys).size();
  const std::string yaml = "stages:\n  s: {bench_keys: {count: " + std::to_string(messages) +
                           ", keys: " + std::to_string(keys) + "}}\n  call: {from: s, bench_call: {}" + policy + "}\n";
  run_checked(state, yaml, {}, messages, [bytes](const Sums& sums) { return sums.of_all == bytes; });
}

}  // namespace

void register_growth() {
  for (const int capacity : {1, 4, 16, 64, 128, 256, 1024, 4096, 16384, 65536}) {
    row("Grow/capacity/" + std::to_string(capacity), capacity_row, capacity);
  }
  for (std::size_t size = 16; size <= std::size_t{4} << 20; size *= 4) {
    row("Grow/size/" + std::to_string(size), size_row, size);
  }
  for (std::uint64_t keys = 1; keys <= 100'000; keys *= 10) {
    const std::string of = ", key: '{{ msg.key }}', keys: " + std::to_string(2 * keys) + "}";
    const std::string number = std::to_string(keys);
    row("Grow/plain/" + number, keys_row, std::string(), keys);
    row("Grow/limit/" + number, keys_row, ", limit: {rate: 1000000000/s, over_key: block" + of, keys);
    row("Grow/breaker/" + number, keys_row, ", breaker: {failures: 5" + of, keys);
  }
}

}  // namespace weir::bench
