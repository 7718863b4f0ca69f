#include "engine/graph/policed.hpp"

#include <cmath>

namespace weir::graph {

using message::Failure;
using message::Reason;

StageLimit::StageLimit(const stage::LimitConfig& config, std::shared_ptr<policy::Limit> limit, stage::Context& context,
                       bool listens)
    : config_(config),
      limit_(std::move(limit)),
      over_(config.over.value_or(listens ? stage::Over::fail : stage::Over::wait)) {
  if (config.key) context.compile(key_.emplace(), *config.key);
  if (config.cost) context.compile(cost_.emplace(), *config.cost);
}

message::Outcome<Toll> StageLimit::toll(const message::Message& message) const {
  Toll toll;
  if (key_) {
    if (auto failure = key_->fill(message, toll.key)) return std::move(*failure);
  }
  if (cost_) {
    std::string text;
    if (auto failure = cost_->fill(message, text)) return std::move(*failure);
    const auto cost = config::parse_number(text);
    if (!cost || !(*cost >= 0))
      return Failure(Reason::type, "the cost is '" + text + "', which is no number from 0 on");
    toll.cost = *cost;
  }
  return toll;
}

void StageLimit::show(observe::StageSnapshot& cells, runtime::Time now) const {
  if (const auto machine = limit_->machine()) {
    cells.limit_load = machine->load;
    cells.limit_busy = machine->busy;
  } else if (keyed()) {
    cells.limit_overflowed = limit_->overflowed();
  } else {
    cells.limit_tokens = limit_->tokens({}, now);
  }
}

Failure StageLimit::refused(runtime::Time now, std::optional<runtime::Time> until) const {
  Failure why(Reason::limit, config_.text());
  if (until) why.retry_after = *until - now;
  return why;
}

StageBreaker::StageBreaker(const stage::BreakerConfig& config, std::shared_ptr<policy::Breakers> breakers,
                           stage::Context& context, std::function<void()> changed)
    : config_(config), breakers_(std::move(breakers)), context_(context) {
  if (config.key) context.compile(key_.emplace(), *config.key);
  listener_ = breakers_->tell(std::move(changed));
}

StageBreaker::~StageBreaker() { breakers_->forget(listener_); }

message::Outcome<std::string> StageBreaker::key(const message::Message& message) const {
  return key_ ? key_->text(message) : message::Outcome<std::string>(std::string());
}

Failure StageBreaker::refused(const std::string& key, runtime::Time now) const {
  Failure why(Reason::open, "the breaker is " + std::string(word(breakers_->state(key, now))));
  if (const auto until = breakers_->opens_again(key, now)) why.retry_after = *until - now;
  return why;
}

void StageBreaker::judge(const std::string& key, policy::Breaker::Permit permit, const message::Done& failed,
                         runtime::Duration took, runtime::Time now) {
  const auto before = breakers_->state(key, now);
  if (!failed) {
    breakers_->succeeded(key, permit, took, now);
  } else {
    // One that asks to be left alone is well, and so is one that says the mistake is ours.
    const bool well = failed->reason == Reason::status && (!failed->may_pass || failed->retry_after);
    // What was left of its time may have been too short for anybody: `slow` says what is.
    const auto& slow = breakers_->rule().slow;
    const bool hung = failed->reason == Reason::deadline && (!slow || took > *slow);
    if (well) {
      breakers_->succeeded(key, permit, took, now);
    } else if (hung || of_the_other_side(*failed)) {
      breakers_->failed(key, permit, now);
    } else {
      breakers_->withdrawn(key, permit, now);
    }
  }
  const auto after = breakers_->state(key, now);
  if (after == before) return;
  context_.log(after == policy::Circuit::open ? observe::Level::warn : observe::Level::info,
               after == policy::Circuit::open ? "the breaker has opened" : "the breaker has closed",
               {{"key", key}, {"because", failed ? failed->text : std::string("a call went well")}});
}

bool of_the_other_side(const Failure& failure) {
  switch (failure.reason) {
    case Reason::status:
    case Reason::connect:
    case Reason::timeout:
    case Reason::exit:
    case Reason::io:
    case Reason::tls:
    case Reason::remote:
      return true;
    default:
      return false;
  }
}

namespace {

policy::Cache::Memory half_of(flow::Budget& memory) {
  policy::Cache::Memory half;
  half.take = [&memory](std::size_t bytes) {
    return memory.used() + static_cast<std::int64_t>(bytes) <= memory.most() / 2 && memory.take(bytes);
  };
  half.give_back = [&memory](std::size_t bytes) { memory.give_back(bytes); };
  return half;
}

}  // namespace

StageCache::StageCache(const stage::CacheConfig& config, stage::Context& context, flow::Budget& memory)
    : answers_(config.rule(), half_of(memory)) {
  context.compile(key_, config.key);
}

message::Outcome<std::optional<std::string>> StageCache::key(const message::Message& message) const {
  std::optional<std::string> key(std::in_place);
  auto there = key_.json(message, *key);
  if (!there) return std::move(there.failure());
  if (!*there) key.reset();
  return key;
}

std::vector<policy::Cache::Ticket> StageCache::brought(const std::string& key, const Value& value, runtime::Time now) {
  constexpr std::size_t around = 256;  // What an entry takes beside its texts, about.
  std::size_t bytes = around + 2 * key.size() + value->text.size() + value->error_text.size();
  for (const auto& [name, text] : value->headers) bytes += name.size() + text.size() + 2 * sizeof(std::string);
  return answers_.brought(key, value, bytes, now);
}

}  // namespace weir::graph
