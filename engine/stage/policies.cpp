#include "engine/stage/policies.hpp"

#include <algorithm>
#include <cmath>

namespace weir::stage {

std::optional<double> parse_share(const std::string& text) {
  if (text.size() < 2 || text.back() != '%') return std::nullopt;
  const auto percent = config::parse_number(std::string_view(text).substr(0, text.size() - 1));
  if (!percent || *percent < 0 || *percent > 100) return std::nullopt;
  return *percent / 100;
}

namespace {

void refuse_no_share(const char* key, const std::string& text, const char* sample, config::Written& written) {
  if (!parse_share(text)) {
    written.error(key, std::string("expected a share such as ") + sample + ", found '" + text + "'");
  }
}

}  // namespace

policy::LimitRule LimitConfig::rule() const {
  policy::LimitRule rule;
  rule.tokens = rate->count;
  rule.period = rate->period;
  rule.burst = burst ? static_cast<double>(*burst) : std::max(1.0, rate->per_s());
  rule.keys = static_cast<std::size_t>(keys);
  return rule;
}

double LimitConfig::load_above() const { return parse_share(above.value_or("")).value_or(1); }

std::string LimitConfig::text() const {
  return by ? "the machine's " + std::string(runtime::word(*by)) + " is above " + *above
            : "more than " + config::show(*rate);
}

policy::CacheRule CacheConfig::rule() const {
  policy::CacheRule rule;
  rule.fresh = fresh;
  rule.stale = stale;
  rule.entries = static_cast<std::size_t>(entries);
  return rule;
}

double HedgeConfig::budget_share() const { return parse_share(budget).value_or(0); }

policy::BreakerRule BreakerConfig::rule() const {
  policy::BreakerRule rule;
  rule.failures = failures;
  rule.failure_rate = failure_rate;
  rule.window = window.value_or(rule.window);
  rule.min_calls = min_calls.value_or(rule.min_calls);
  rule.slow = slow;
  rule.recover_after = recover_after;
  rule.probes = probes;
  rule.keys = static_cast<std::size_t>(keys);
  return rule;
}

double RetryConfig::budget_share() const { return parse_share(budget).value_or(0); }

bool RetryConfig::again_after(const message::Failure& failure) const {
  if (std::find(never_again.begin(), never_again.end(), failure.reason) != never_again.end()) return false;
  if (!on) return failure.may_pass || message::transient(failure.reason);
  return std::find(on->begin(), on->end(), message::word(failure.reason)) != on->end();
}

namespace {

std::string not_of_load(const char* key) { return "'" + std::string(key) + "' says nothing of the machine's load"; }
constexpr const char* throttle_before = "put a limit with a rate on a `throttle` before the stage";

}  // namespace

config::Spec<LimitConfig> limit_spec_of(std::string name, std::string summary) {
  return config::Spec<LimitConfig>(std::move(name), std::move(summary))
      .scalar(&LimitConfig::word, "A rate such as 10/s, or the name of one under `limits:`.", config::not_empty(),
              config::sample("10/s"))
      .rate_or_name()
      .field("rate", &LimitConfig::rate,
             "So many in so long. This, or `by` and `above`. 5/s alone lets five go at once and then one each 200 ms; "
             "with `burst: 1` there is one each 200 ms from the first on.",
             config::above(0), config::sample("100/m"))
      .excludes({"by"}, not_of_load("rate"), throttle_before)
      .field(
          "by", &LimitConfig::by,
          "Instead of a rate: nothing begins while the machine is too busy. cpu: the share of its processors' time, "
          "memory: of its memory, that is used; where weir's control group allows it less, of that. pressure: of "
          "the last 10 seconds that somebody waited for a processor, memory or a disk. Looked at once a second.",
          config::one_of(
              {{"cpu", runtime::Load::cpu}, {"memory", runtime::Load::memory}, {"pressure", runtime::Load::pressure}}))
      .needs({"above"}, "it does not say above what", "such as `above: 80%`")
      .field("above", &LimitConfig::above,
             "With `by`: from this share on nothing begins, until it is below four fifths of it.",
             config::sample("80%"))
      .share()
      .needs({"by"}, "'above' is of a limit `by` the machine's load")
      .field("burst", &LimitConfig::burst,
             "So many may go at once after a pause. Left out: a second's worth, at least 1. In any time t at most "
             "rate × t + burst go.",
             config::at_least(1))
      .excludes({"by"}, not_of_load("burst"), throttle_before)
      .field("key", &LimitConfig::key, "Whose limit it is: each key has its own.", config::sample("'{{ msg.tenant }}'"))
      .excludes({"by"}, not_of_load("key"), throttle_before)
      .field("cost", &LimitConfig::cost,
             "How much of the limit a message uses. Left out: 1. One that costs more than `burst` goes when the "
             "whole burst is there.",
             config::sample("'{{ msg.tokens }}'"))
      .excludes({"by"}, not_of_load("cost"), throttle_before)
      .field(
          "over", &LimitConfig::over,
          "What happens to a message that comes too early. wait: it waits. fail: it fails (limit). drop: it is gone, "
          "and counted; whoever asked for it, and for it alone, is told 429. Left out: wait; of a stage that listens: "
          "fail. With `order: free` no other key waits for "
          "one that waits; with the order kept, what stands behind it does.",
          config::one_of({{"wait", Over::wait}, {"fail", Over::fail}, {"drop", Over::drop}}))
      .field("max_wait", &LimitConfig::max_wait, "Who has waited for so long fails (limit).", config::above(0))
      .field("keys", &LimitConfig::keys,
             "Keys at once; a key that has not used its limit for a while needs none. "
             "Further ones share one limit.",
             config::at_least(1), config::at_most(10'000'000))
      .excludes({"by"}, not_of_load("keys"), throttle_before)
      .field(
          "over_key", &LimitConfig::over_key,
          "One key may hold a quarter of the places before the stage while it waits. What is beyond: fail: fails "
          "(limit). block: holds up what comes after it. Left out: whoever asked is told at once (fail), of anything "
          "else nothing is lost (block).",
          config::one_of({{"fail", OverKey::fail}, {"block", OverKey::block}}))
      .excludes({"by"}, not_of_load("over_key"), throttle_before)
      .some_of({"rate", "by"}, "it does not say how much is too much",
               "such as `rate: 10/s`, or `by: cpu` with `above: 80%`")
      .place(&LimitConfig::place)
      .verify([](const LimitConfig& limit, config::Written& written) {
        if (const auto rate = config::parse_rate(limit.word); rate && rate->count <= 0) {
          written.error("", "nothing would ever go");
        }
        if (limit.above && parse_share(*limit.above).value_or(0) <= 0) {
          written.error("above", "expected a share such as 80%, found '" + *limit.above + "'");
        }
      });
}

const config::Spec<LimitConfig>& limit_spec() {
  static const auto spec = limit_spec_of("limit", "How often the stage may begin with a message.");
  return spec;
}

const config::Spec<BreakerConfig>& breaker_spec() {
  static const auto spec =
      config::Spec<BreakerConfig>("breaker", "When the stage stops calling, and when it tries again.")
          .scalar(&BreakerConfig::word, "The name of one under `breakers:`.", config::not_empty(),
                  config::sample("payments"))
          .field("failures", &BreakerConfig::failures,
                 "So many calls in a row that fail open it, those of `retry` counted.", config::at_least(1))
          .field("failure_rate", &BreakerConfig::failure_rate,
                 "Such a share of failures among the calls of the window opens it: 0.5 is half of them.",
                 config::above(0), config::at_most(1))
          .field("window", &BreakerConfig::window, "How far back `failure_rate` looks. Left out: 10s.",
                 config::above(0))
          .needs({"failure_rate"}, "'window' is of `failure_rate`, which is not there")
          .field("min_calls", &BreakerConfig::min_calls,
                 "So many calls in the window before a share means anything. Left out: 10.", config::at_least(1))
          .needs({"failure_rate"}, "'min_calls' is of `failure_rate`, which is not there")
          .field("slow", &BreakerConfig::slow,
                 "A call that took longer counts as a failure; one that a deadline cuts off counts only if it did, and "
                 "always where this is left out.",
                 config::above(0))
          .field("recover_after", &BreakerConfig::recover_after, "So long it stays open; then it tries.",
                 config::above(0))
          .field("probes", &BreakerConfig::probes, "So many calls try at once. Do all go well, it closes.",
                 config::at_least(1))
          .field("key", &BreakerConfig::key, "Whose breaker it is: each key has its own.",
                 config::sample("'{{ msg.host }}'"))
          .field("keys", &BreakerConfig::keys, "Keys at once; further ones share one breaker.", config::at_least(1),
                 config::at_most(10'000'000))
          .field("when_open", &BreakerConfig::when_open,
                 "What happens to a message that finds it open. hold: it waits, with its worker. fail: it fails "
                 "(open). Neither is an attempt.",
                 config::one_of({{"hold", WhenOpen::hold}, {"fail", WhenOpen::fail}}))
          .some_of({"failures", "failure_rate"}, "it does not say what opens it",
                   "such as `failures: 5`, `failure_rate: 0.5`")
          .place(&BreakerConfig::place);
  return spec;
}

const config::Spec<RetryConfig>& retry_spec() {
  static const auto spec =
      config::Spec<RetryConfig>("retry", "How often a call that failed is made again, with the message as it came.")
          .scalar(&RetryConfig::attempts, "Calls in all, the first one counted.", config::at_least(1))
          .field(
              "attempts", &RetryConfig::attempts,
              "Calls in all, the first one counted. One that was answered with Retry-After (429, 503) is none: it is "
              "made again when its time is over, up to an hour in all for one message, or its `deadline`. Each call "
              "takes a token of `limit`, and counts for `breaker`.",
              config::at_least(1), config::at_most(1'000'000))
          .field("backoff", &RetryConfig::backoff,
                 "The pause before the next call: anywhere between the least and a ceiling that doubles up to the "
                 "most.",
                 config::sample("500ms..30s"))
          .field("on", &RetryConfig::on,
                 "The kinds of failure after which it tries again. Left out: those that may pass, among them a status "
                 "of 429 and from 500 on. Never limit, open or deadline.",
                 config::sample("[connect, timeout]"))
          .field("budget", &RetryConfig::budget,
                 "Of the calls such a share is made again at the most, beside ten a second, so that a service that is "
                 "down is not asked a multiple. `100%` is no limit.",
                 config::sample("10%"))
          .share()
          .verify([](const RetryConfig& retry, config::Written& written) {
            refuse_no_share("budget", retry.budget, "10%", written);
            if (retry.backoff.from <= retry.backoff.from.zero()) {
              written.error("backoff", "a pause of nothing would be a storm", "write `100ms..10s`");
            }
            if (!retry.on) return;
            const auto words = message::reason_words();
            for (const auto& word : *retry.on) {
              const auto& never = RetryConfig::never_again;
              if (std::any_of(never.begin(), never.end(), [&](auto reason) { return message::word(reason) == word; })) {
                written.error("on", "nothing is tried again after '" + word + "': it is no failure of a call",
                              "a limit and a breaker let messages wait where they are not told otherwise");
              }
              if (std::find(words.begin(), words.end(), word) != words.end()) continue;
              written.error("on", "'" + word + "' is no kind of failure", "they are " + config::listed(words));
            }
          });
  return spec;
}

const config::Spec<CacheConfig>& cache_spec() {
  static const auto spec =
      config::Spec<CacheConfig>("cache", "What the stage's calls brought, remembered for messages of the same key.")
          .field("key", &CacheConfig::key,
                 "What two messages have in common that get the same answer: all that the answer depends on. A lone "
                 "`{{ }}` that is nil: this message's answer is not remembered.",
                 config::sample("'{{ msg.city }}'"))
          .required()
          .field("fresh", &CacheConfig::fresh, "So long an answer is given again without a call.", config::above(0),
                 config::sample("1m"))
          .required()
          .field("stale", &CacheConfig::stale,
                 "So long after that it is given at once, while one call renews it; should that fail, it is given on.",
                 config::at_least(0), config::sample("10m"))
          .field("entries", &CacheConfig::entries,
                 "So many answers are remembered; beyond that the one goes that was asked for least recently.",
                 config::at_least(1), config::at_most(10'000'000))
          .details(
              "Of messages that come while the first of their key is calling, none calls: they get its answer, or its "
              "failure. A failure is not remembered. `merge` is worked out for each message. Who finds an answer takes "
              "no token of `limit`, no worker, and asks no `breaker`. The memory is the program's (`run.memory`), of "
              "which answers may have half; it is gone when the program ends. What an HTTP answer says of caching is "
              "not looked at. Of what `forward` sends on, only a GET is remembered, and none with Authorization, Range "
              "or a condition such as If-None-Match: those are for one asker alone.")
          .example("cache: {key: '{{ msg.city }}', fresh: 1m, stale: 10m}");
  return spec;
}

const config::Spec<HedgeConfig>& hedge_spec() {
  static const auto spec =
      config::Spec<HedgeConfig>("hedge", "A second call beside one that takes long: the first answer counts.")
          .scalar(&HedgeConfig::after, "So long after the first call began.", config::above(0), config::sample("50ms"))
          .field("after", &HedgeConfig::after, "So long after the first call began, if that has not ended.",
                 config::above(0), config::sample("50ms"))
          .required()
          .field("budget", &HedgeConfig::budget,
                 "Of the calls such a share gets a second one at the most, beside ten a second.", config::sample("5%"))
          .share()
          .details(
              "The other call is given up. The second needs a token of `limit` and a breaker that is not open, or is "
              "not made. What is called must bear to be called twice for one message: HTTP's `post` and `patch` do "
              "not, so there it is refused, and a `forward` of them is not hedged.")
          .example("hedge: {after: 50ms, budget: 5%}")
          .verify([](const HedgeConfig& hedge, config::Written& written) {
            refuse_no_share("budget", hedge.budget, "5%", written);
          });
  return spec;
}

}  // namespace weir::stage
