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

Failure StageLimit::refused(runtime::Time now, std::optional<runtime::Time> until) const {
  Failure why(Reason::limit, "more than " + config::show(*config_.rate));
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
    switch (failed->reason) {
      case Reason::status:
        // One that asks to be left alone is well, and so is one that says the mistake is ours.
        if (!failed->may_pass || failed->retry_after) {
          breakers_->succeeded(key, permit, took, now);
          break;
        }
        [[fallthrough]];
      case Reason::connect:
      case Reason::timeout:
      case Reason::exit:
      case Reason::io:
      case Reason::tls:
      case Reason::remote:
        breakers_->failed(key, permit, now);
        break;
      default:
        breakers_->withdrawn(key, permit, now);
    }
  }
  const auto after = breakers_->state(key, now);
  if (after == before) return;
  context_.log(after == policy::Circuit::open ? observe::Level::warn : observe::Level::info,
               after == policy::Circuit::open ? "the breaker has opened" : "the breaker has closed",
               {{"key", key}, {"because", failed ? failed->text : std::string("a call went well")}});
}

}  // namespace weir::graph
