// generate: makes messages: numbers, the elements of a list, or what code yields; at once, or in time.
#include <algorithm>
#include <charconv>
#include <limits>

#include "engine/config/part.hpp"
#include "engine/policy/cron.hpp"
#include "engine/runtime/zone.hpp"
#include "engine/script/generator.hpp"
#include "engine/script/text.hpp"
#include "engine/stage/kind.hpp"
#include "engine/stage/ticks.hpp"

namespace weir::stages {
namespace {

using namespace std::chrono_literals;

/// What becomes of a tick that can't have its way.
enum class Skip : std::uint8_t { skip };

struct GenerateConfig {
  std::optional<config::IntegerRange> range;
  std::optional<std::vector<config::Value>> each;
  std::optional<config::Lua> lua;
  std::optional<config::Duration> every;
  std::optional<std::string> cron;
  std::string zone = "UTC";
  Skip overlap = Skip::skip, missed = Skip::skip;
  std::optional<std::int64_t> count;
  std::optional<config::Value> msg;
  std::optional<config::Template> text;
};

void verify_times(const GenerateConfig& config, config::Written& written) {
  if (!config.cron) return;
  policy::Cron::Mistake mistake;
  if (!policy::Cron::parse(*config.cron, mistake)) {
    written.reader().diagnostics.error(
        config::part_of(written.place("cron"), std::string_view(*config.cron), mistake.at, mistake.length),
        mistake.what, mistake.hint, written.reader().path + ".cron");
  }
  std::string why;
  if (!runtime::Zone::find(config.zone, why)) {
    const auto near = config::nearest(config.zone, runtime::Zone::names());
    written.error("zone", why, near.empty() ? "a name such as Europe/Berlin, or UTC" : "did you mean '" + near + "'?");
  }
}

constexpr const char* one_source = "only one of `range`, `each` and `lua` says what is made";
constexpr const char* whole_messages = "the code of `lua` yields whole messages";

const auto spec =
    config::Spec<GenerateConfig>("generate",
                                 "Makes messages: numbers, the elements of a list, or what code yields; at once, or in "
                                 "time.")
        .field("range", &GenerateConfig::range, "Numbers, both ends included.", config::sample("1..10"))
        .field("each", &GenerateConfig::each, "The elements of a list; with `every` the whole list each time.",
               config::sample("[eu, us]"))
        .excludes({"range"}, one_source, "make a stage of each")
        .field("lua", &GenerateConfig::lua,
               "Code that calls `yield(t)` for each message. `yield` returns the seconds that it had to wait until the "
               "message was taken; `sleep(\"100ms\")` or `sleep(seconds)` waits.",
               config::statements(), config::sample("for n = 1, 3 do sleep(\"1s\") yield({n = n}) end"))
        .excludes({"range", "each"}, one_source, "make a stage of each")
        .field("every", &GenerateConfig::every,
               "Time from one tick to the next; the first is at once. A tick gives the next number or message, or the "
               "whole list. A tick that nobody has room for is left out and counted as dropped (slow).",
               config::above(0), config::sample("1s"))
        .field("cron", &GenerateConfig::cron,
               "When it ticks, by the calendar: minute, hour, day of the month, month, day of the week, in numbers or "
               "names (mon, jan), with lists, ranges and steps (1-5,*/15); where both days are restricted either will "
               "do. Or @hourly, @daily, @weekly, @monthly, @yearly. The first tick is the next time that fits, not at "
               "once; what a tick gives is as with `every`.",
               config::sample("'0 2 * * mon-fri'"))
        .excludes({"every"})
        .field("zone", &GenerateConfig::zone, "Whose time of day: UTC, or a name of the system's time zones.",
               config::sample("Europe/Berlin"))
        .needs({"cron"})
        .field("overlap", &GenerateConfig::overlap,
               "What happens to a tick while a message of the one before is not done: it, or what was made of it, is "
               "still worked on, waits for room or is to be tried again. skip: it is left out and counted as dropped "
               "(slow). Before a `batch`, which waits for more, only what has no room counts.",
               config::one_of({{"skip", Skip::skip}}))
        .needs({"cron"})
        .field("missed", &GenerateConfig::missed,
               "What happens to a tick that fell while weir did not run, or while the machine slept and more than ten "
               "minutes passed. skip: it is left out; of a sleep, counted as dropped (slow).",
               config::one_of({{"skip", Skip::skip}}))
        .needs({"cron"})
        .field("count", &GenerateConfig::count, "Messages after which it ends.", config::at_least(0),
               config::sample("100"))
        .field("msg", &GenerateConfig::msg,
               "The message, as a mapping. May use `i`, the number (else 1, 2, …), and `item`, the list's element.",
               config::sample("{n: '{{ i }}'}"))
        .excludes({"lua"}, whole_messages, "build them there")
        .field("text", &GenerateConfig::text, "The message, as text; may use the same.",
               config::sample("'job {{ i }}'"))
        .excludes({"msg"})
        .excludes({"lua"}, whole_messages, "build them there")
        .details(
            "Where the clocks are changed, `cron` does as Vixie's and Debian's do. If its minute or hour begins with "
            "`*` it goes by the clock as it shows. Any other is due once a day: at the moment of the change, where the "
            "clock leaves its time out, and the first time, where the clock shows it twice.\n"
            "Without `every` and `cron` it goes once through what it makes: up to 64 messages, then it waits until "
            "they have found room. Code of `lua` goes on when the one that it yielded has. Without `msg` and `text` "
            "the message is the number, the list's element, or else {}.")
        .example("generate: {range: 1..1000, msg: {n: '{{ i }}'}}")
        .example("generate: {cron: '0 2 * * *', zone: Europe/Berlin, each: [backup, report]}")
        .example("generate: {every: 5s, each: [eu, us], msg: {region: '{{ item }}'}}")
        .example(
            "generate:\n  lua: |\n    local a, b = 0, 1\n    for n = 1, 10 do\n      sleep(\"100ms\")\n"
            "      yield({n = n, fibonacci = a})\n      a, b = b, a + b\n    end")
        .some_of({"range", "each", "lua", "every", "cron", "count"}, "says neither what is made nor when",
                 "write `range`, `each`, `lua`, `every`, `cron` or `count`")
        .verify(verify_times);

/// What comes quicker than this comes in bursts.
constexpr stage::Duration shortest_sleep = 1ms;

/// Makes messages of numbers or of a list, one after the other.
class Maker {
 public:
  Maker(const GenerateConfig& config, stage::Source& source) : source_(source), out_(source.out) {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    if (config.range) {
      number_ = config.range->from;
      left_ = static_cast<std::uint64_t>(config.range->to) - static_cast<std::uint64_t>(config.range->from);
      if (left_ != most) ++left_;
    } else {
      left_ = most;
    }
    if (config.count) left_ = std::min(left_, static_cast<std::uint64_t>(*config.count));
    if (config.each) {
      const bool timed = config.every || config.cron;
      lists_ = true;
      items_.resize(config.each->size());
      for (std::size_t i = 0; i < items_.size(); ++i) {
        source.compile(items_[i], (*config.each)[i], script::Setting::generate);
      }
      if (!timed && items_.empty()) left_ = 0;
      if (!timed) left_ = std::min<std::uint64_t>(left_, items_.size());
    }

    if (config.msg) {
      source.compile(tree_, *config.msg, script::Setting::generate);
      form_ = tree_.constant() ? Form::constant : Form::tree;
      if (tree_.constant()) constant_ = tree_.constant_json();
    } else if (config.text) {
      source.compile(text_, *config.text, script::Setting::generate);
      form_ = text_.constant() ? Form::constant : Form::text;
      if (text_.constant()) constant_ = text_.constant_text();
    } else if (config.each) {
      form_ = Form::item;
    } else if (config.range) {
      form_ = Form::number;
    }
  }

  /// Nothing is left.
  bool ended() const { return left_ == 0; }
  /// Messages of a whole tick.
  std::uint64_t a_tick() const { return lists_ ? items_.size() : 1; }

  /// Puts out what one tick gives, until the output is full. False: there is more of this tick.
  bool tick(stage::Time now) {
    if (!lists_) {
      if (left_ > 0) put(now);
      return true;
    }
    if (item_ == 0) list_.begin(source_.opens.get());
    while (left_ > 0 && item_ < items_.size()) {
      put(now);
      if (++item_ < items_.size() && pause()) return false;
    }
    item_ = 0;
    list_.end();
    return true;
  }

  /// Puts out all there is, until the output is full.
  void fill(stage::Time now) {
    if (form_ == Form::number) return fill_numbers(now);
    if (lists_ && item_ == 0) list_.begin(source_.opens.get());
    while (left_ > 0) {
      put(now);
      if (lists_) ++item_;
      if (left_ == 0) list_.end();
      if (pause()) return;
    }
  }

 private:
  void put_out(std::string_view payload, stage::Time now) {
    const auto made = out_.emit(stage::main_port, payload, now);
    if (list_) made.edit_metadata().groups.push_back(list_.next());
  }

  enum class Form : std::uint8_t { constant, number, item, tree, text };

  bool pause() {
    // What is refused fills no output, and still others must get their turn.
    return out_.full() || std::exchange(refused_, false);
  }

  void put_number(stage::Time now) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number_).ptr;
    out_.emit(stage::main_port, {digits.data(), static_cast<std::size_t>(end - digits.data())}, now);
  }
  void fill_numbers(stage::Time now) {
    constexpr std::size_t digits_most = 20;
    auto number = static_cast<std::uint64_t>(number_);  // It may go past the last number there is.
    const auto made = out_.emit_many(stage::main_port, left_, digits_most, now, [&number](char* to) {
      return static_cast<std::size_t>(std::to_chars(to, to + digits_most, static_cast<std::int64_t>(number++)).ptr -
                                      to);
    });
    left_ -= made;
    number_ += static_cast<std::int64_t>(left_ > 0 ? made : made - 1);
  }
  void advance() {
    --left_;
    if (left_ > 0) ++number_;
  }

  void put(stage::Time now) {
    switch (form_) {
      case Form::constant:
        put_out(constant_, now);
        break;
      case Form::number:
        put_number(now);
        break;
      default:
        put_filled_in(now);
        break;
    }
    advance();
  }

  void put_filled_in(stage::Time now) {
    script::Names names;
    names.i = number_;
    item_json_.clear();
    if (lists_) {
      if (auto failure = json_of(items_[item_], names, item_json_)) return refuse(item_json_, std::move(*failure));
      names.item = item_json_;
    }
    if (form_ == Form::item) {
      put_out(item_json_, now);
      return;
    }
    payload_.clear();
    auto failure = form_ == Form::tree ? json_of(tree_, names, payload_) : text_.fill(names, payload_);
    if (failure) return refuse(lists_ ? item_json_ : std::to_string(number_), std::move(*failure));
    put_out(payload_, now);
  }

  static message::Done json_of(const script::Tree& tree, const script::Names& names, std::string& out) {
    auto made = tree.json(names, out);
    if (!made) return std::move(made.failure());
    if (!*made) out += "null";
    return std::nullopt;
  }

  void refuse(std::string_view what, stage::Failure why) {
    refused_ = true;
    source_.refuse(what, std::move(why));
  }

  stage::Source& source_;
  stage::Output& out_;
  Form form_ = Form::constant;
  std::string_view constant_ = "{}";
  script::Tree tree_;
  script::Text text_;
  std::vector<script::Tree> items_;
  bool lists_ = false;
  bool refused_ = false;
  std::size_t item_ = 0;     // The next one of the list.
  message::OpenList list_;   // Of the list at hand, where somebody gathers it.
  std::int64_t number_ = 1;  // The next one's `i`.
  std::uint64_t left_ = 0;   // Messages until it ends.
  std::string payload_, item_json_;
};

/// Once through, as quickly as they are taken.
stage::Task<> at_once(Maker& maker, stage::Source& source) {
  while (!maker.ended() && !source.abandoned()) {
    maker.fill(source.clock());
    co_await source.flush();
  }
}

/// Leaves out the ticks that fell while nobody could take anything, and waits for the next one. A short delay is none:
/// such ticks are made up for.
stage::Task<> wait_for(stage::Ticks& ticks, stage::Duration every, stage::Source& source) {
  ticks.skip_late("ticks were left out, because nobody took their messages",
                  std::clamp<stage::Duration>(every, 10ms, 100ms));
  const stage::Time soonest = every < shortest_sleep ? source.core.now() + shortest_sleep : ticks.due();
  return source.sleep_until(std::max(soonest, ticks.due()));
}

stage::Task<> in_time(Maker& maker, stage::Duration every, stage::Source& source) {
  stage::Ticks ticks(every, source, maker.a_tick());
  while (!source.abandoned()) {
    const stage::Time now = source.core.now();
    while (ticks.due() <= now && !maker.ended()) {
      while (!maker.tick(now)) co_await source.flush();
      ticks.next();
      if (source.full()) co_await source.flush();
    }
    if (maker.ended()) co_return;
    co_await source.flush();
    co_await wait_for(ticks, every, source);
  }
}

/// The ticks of `cron`. The wall clock may be set, and stands for nothing while the machine sleeps, so it is looked at
/// again at least every few minutes.
class Calendar {
 public:
  /// `messages`: what a tick gives. The config was verified; the zones may have gone since.
  Calendar(const GenerateConfig& config, stage::Source& source, std::uint64_t messages)
      : source_(source), messages_(messages), last_(source.core.wall()) {
    policy::Cron::Mistake mistake;
    std::string why;
    auto cron = policy::Cron::parse(*config.cron, mistake);
    auto zone = runtime::Zone::find(config.zone, why);
    if (!cron || !zone) throw stage::Fault("generate: " + (cron ? why : mistake.what));
    cron_ = std::move(*cron);
    zone_ = std::move(*zone);
  }

  /// Until the next tick. Those that nobody could see to, and those before all of the last one is done, are counted.
  stage::Task<> wait() {
    std::uint64_t lost = 0;
    for (;;) {
      const runtime::WallTime now = source_.core.wall();
      if (now < last_ - set_back_most) last_ = now;  // The clock was wrong, and by much. By less, none comes twice.
      const auto due = cron_.next(last_, zone_);
      if (due && *due <= now) {
        last_ = *due;
        // Of those since the wait began only one that is late by little is made up for.
        if (waiting_ && now - *due <= late_most && !is_due_again(now) && source_.stretches_answered() >= made_) break;
        ++lost;
        continue;
      }
      waiting_ = true;
      count(std::exchange(lost, 0));
      const stage::Duration rest = due ? *due - now : stage::Duration::max();
      co_await source_.sleep(std::min<stage::Duration>(rest, look_again));
    }
    count(lost);
    waiting_ = false;
  }
  /// What the tick gives has been emitted and flushed.
  void made() {
    if (!source_.batched()) made_ = source_.end_stretch();
  }

 private:
  static constexpr stage::Duration look_again = 5min, late_most = 10min, set_back_most = 3h;

  bool is_due_again(runtime::WallTime now) const {
    const auto due = cron_.next(last_, zone_);
    return due && *due <= now;
  }
  void count(std::uint64_t ticks) {
    if (ticks == 0) return;
    auto& counters = source_.out.counters();
    counters.created += ticks * messages_;
    counters.drop(stage::Dropped::slow, ticks * messages_);
    source_.log(observe::Level::warn, "ticks were left out, because the one before was not done or the machine slept",
                {{"ticks", ticks}});
  }

  stage::Source& source_;
  const std::uint64_t messages_;
  policy::Cron cron_;
  runtime::Zone zone_;
  runtime::WallTime last_;  // Up to here all ticks have been seen to.
  bool waiting_ = false;
  std::uint64_t made_ = 0;  // The stretch of the last one.
};

stage::Task<> by_calendar(Maker& maker, Calendar& calendar, stage::Source& source) {
  while (!maker.ended() && !source.abandoned()) {
    co_await calendar.wait();
    while (!maker.tick(source.core.now())) co_await source.flush();
    co_await source.flush();
    calendar.made();
  }
}

/// What the code yields. Each message is sent on before the code goes on: only then is it known how long it waited.
stage::Task<> run_code(const GenerateConfig& config, stage::Source& source) {
  script::Generator generator;
  source.compile(generator, *config.lua);
  script::Step step;
  double waited_seconds = 0;
  auto left = config.count.value_or(std::numeric_limits<std::int64_t>::max());
  std::optional<stage::Ticks> ticks;
  if (config.every) ticks.emplace(*config.every, source);
  std::optional<Calendar> calendar;
  if (config.cron) calendar.emplace(config, source, 1);
  for (bool due = !calendar; left > 0 && !source.abandoned();) {
    if (!std::exchange(due, true)) co_await calendar->wait();
    generator.next(std::exchange(waited_seconds, 0), step);
    if (step.kind == script::Step::Kind::ended) co_return;
    if (step.kind == script::Step::Kind::failed) {
      source.refuse({}, std::move(step.failure));
      co_return;
    }
    if (step.kind == script::Step::Kind::sleep) {
      co_await source.sleep(step.sleep);
      if (step.sleep <= 0s) co_await source.core.yield();  // A loop that sleeps for nothing must still let others run.
      continue;
    }
    const stage::Time made = source.core.now();
    source.out.emit(stage::main_port, step.payload, made);
    co_await source.flush();
    if (calendar) calendar->made();
    waited_seconds = std::chrono::duration<double>(source.core.now() - made).count();
    --left;
    due = !calendar;
    if (ticks && left > 0) {
      ticks->next();
      co_await wait_for(*ticks, *config.every, source);
    }
  }
}

stage::Task<> generate(const GenerateConfig& config, stage::Source& source) {
  if (config.lua) {
    co_await run_code(config, source);
    co_return;
  }
  Maker maker(config, source);
  if (config.cron) {
    Calendar calendar(config, source, maker.a_tick());
    co_await by_calendar(maker, calendar, source);
  } else if (config.every) {
    co_await in_time(maker, *config.every, source);
  } else {
    co_await at_once(maker, source);
  }
}

bool may_be_object(const config::Template& text) { return text.text().starts_with('{'); }  // Or a `{{ }}`.

bool may_make_objects(const GenerateConfig& config) {
  if (config.text) return may_be_object(*config.text);
  if (config.msg || (!config.range && !config.each)) return true;
  return config.each && std::any_of(config.each->begin(), config.each->end(), [](const config::Value& one) {
           return one.kind == config::Value::Kind::map ||
                  (one.kind == config::Value::Kind::text && may_be_object(one.text));
         });
}

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::source_of(config, generate);
  configured.opens_groups = config->each.has_value();
  configured.group_most = config->each ? config->each->size() : 0;
  if (!may_make_objects(*config)) configured.makes = stage::Makes::values;
  return configured;
});

}  // namespace
}  // namespace weir::stages
