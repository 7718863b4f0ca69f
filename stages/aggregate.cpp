// aggregate: makes one message of many, by key and by window of time.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <tuple>
#include <unordered_map>

#include "engine/message/members.hpp"
#include "engine/message/normal.hpp"
#include "engine/message/payload.hpp"
#include "engine/script/time_text.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

using message::Failure;
using runtime::Duration;
using runtime::Time;
using stage::Reason;

enum class What : std::uint8_t { count, sum, min, max, mean, first, last, percentile };

/// `mean(celsius)`.
struct Function {
  What what = What::count;
  int percent = 0;
  std::string path;        // Empty: of count(), messages.
  std::size_t source = 0;  // Which of all paths that are read it is.
};

struct AggregateConfig {
  std::vector<config::Path> by;
  config::Duration window{0};
  std::optional<config::Duration> slide;
  std::optional<config::Path> time;
  config::Duration late{0};
  config::Map<std::string> fields;
  std::int64_t keys = 100'000;
};

std::optional<Function> parse_function(std::string_view text) {
  const std::size_t open = text.find('(');
  if (open == text.npos || !text.ends_with(')')) return std::nullopt;
  const std::string_view name = text.substr(0, open), path = text.substr(open + 1, text.size() - open - 2);
  Function made;
  made.path = path;
  constexpr std::pair<std::string_view, What> names[] = {
      {"count", What::count}, {"sum", What::sum},     {"min", What::min},  {"max", What::max},
      {"mean", What::mean},   {"first", What::first}, {"last", What::last}};
  const auto* const known =
      std::find_if(std::begin(names), std::end(names), [&](const auto& one) { return one.first == name; });
  if (known != std::end(names)) {
    made.what = known->second;
  } else {
    made.what = What::percentile;
    if (!name.starts_with('p')) return std::nullopt;
    const auto read = std::from_chars(name.data() + 1, name.data() + name.size(), made.percent);
    const bool number = read.ec == std::errc() && read.ptr == name.data() + name.size();
    if (!number || made.percent < 1 || made.percent > 99) return std::nullopt;
  }
  if (path.empty() ? made.what != What::count : !config::parse_path(path)) return std::nullopt;
  return made;
}

void verify(const AggregateConfig& config, config::Written& written) {
  for (const auto& [name, text] : config.fields) {
    if (!parse_function(text)) {
      written.error("fields", "'" + text + "' is no function of a field",
                    "count(), or count, sum, min, max, mean, first, last or p1 to p99 of a path: mean(celsius)");
    }
    if (!config::parse_path(name)) {
      written.error("fields", "expected a path in the payload such as a.b as new name, found '" + name + "'",
                    config::path_advice(name));
    }
  }
  std::vector<std::string> made;
  for (const auto& path : config.by) made.push_back(path.text);
  for (const auto& [name, text] : config.fields) made.push_back(name);
  for (std::size_t i = 0; i < made.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (config::paths_meet(made[i], made[j])) {
        written.error(i < config.by.size() ? "by" : "fields",
                      "'" + made[j] + "' and '" + made[i] + "' would stand in the same place", "another name for one");
      }
    }
  }
  if (config.slide && (*config.slide > config.window || config.window % *config.slide != Duration::zero())) {
    written.error("slide", "a window is a whole number of slides long", "such as `window: 1m, slide: 10s`");
  }
  if (written.has("late") && !config.time) {
    written.error("late", "by arrival nothing comes late", "name the field that holds the time: `time: at`");
  }
}

const auto spec =
    config::Spec<AggregateConfig>("aggregate", "Makes one message of many, by key and by window of time.")
        .field("by", &AggregateConfig::by,
               "The fields that messages of one group have in common, by their paths. Left out: all are one group. "
               "Objects whose members stand in another order are others.",
               config::sample("[device]"))
        .distinct()
        .field("window", &AggregateConfig::window,
               "How long a window is. Windows begin at whole multiples of it since 1970, those of 1h at full hours.",
               config::above(0), config::sample("10s"))
        .required()
        .field("slide", &AggregateConfig::slide,
               "From the beginning of one window to that of the next. Left out: the window's length. Shorter, each "
               "message stands in several; a window is a whole number of them long.",
               config::above(0), config::sample("1s"))
        .field("time", &AggregateConfig::time,
               "The field that says when a message was made: seconds since 1970, or a text as of RFC 3339. Left out: "
               "when it arrives here counts.",
               config::sample("at"))
        .field("late", &AggregateConfig::late,
               "With `time`: a window is closed when a message has come that was made this long after its end.")
        .field("fields", &AggregateConfig::fields,
               "Each new field, and what it is: count(), or count, sum, min, max, mean, first, last or p1 to p99 of a "
               "field. first and last are as the messages came, whatever `time` says.",
               config::not_empty(), config::sample("{mean: mean(celsius), n: count()}"))
        .required()
        .field(
            "keys", &AggregateConfig::keys,
            "So many groups in one window at the most, where it slides in each part as long as `slide`; a message of "
            "one more fails (memory).",
            config::at_least(1), config::at_most(10'000'000))
        .details(
            "For each group that has messages one message leaves when its window closes. Its payload is `by` and "
            "`fields`; `meta.window_start` and `meta.window_end` say which window it was. Values of `by` are one if "
            "they are equal, however they are written: 1 and 1.0, `[1,2]` and `[1, 2]`. A field of `by` that is not "
            "there is null. What is not there or null is not counted, and of nothing the result is null, or 0 of count "
            "and sum; what is no number fails the message (type) where a number is wanted, and so does what would make "
            "a sum infinite. Integers of 64 bits are exact, other numbers count as the nearest double. A percentile is "
            "a value that came: that many of a hundred are not larger; all values of a window are kept for it.\n"
            "By `time`, windows close as messages come, and at the end. A message all of whose windows are closed "
            "leaves by .late.\n"
            "A message is done when it is taken: what is in open windows is lost if weir is killed. When the input "
            "ends open windows are closed.")
        .example("aggregate: {by: [device], window: 10s, fields: {mean: mean(celsius), n: count()}}",
                 "{device: d1, celsius: 20.5}")
        .example("aggregate: {window: 1h, slide: 5m, time: at, late: 30s, fields: {p95: p95(ms), worst: max(ms)}}")
        .verify(verify);

/// The values that a percentile is taken of, exactly and in 8 bytes each: integers apart from other numbers.
class Values {
 public:
  void add(const message::Number& number) {
    if (const auto* const integer = std::get_if<std::int64_t>(&number)) {
      integers_.push_back(*integer);
    } else {
      others_.push_back(std::get<double>(number));
    }
  }
  void add(const Values& more) {
    integers_.insert(integers_.end(), more.integers_.begin(), more.integers_.end());
    others_.insert(others_.end(), more.others_.begin(), more.others_.end());
  }
  /// The smallest one that so many of a hundred are not larger than. There must be one. Moves the values about.
  message::Number percentile(int percent) {
    const std::size_t size = integers_.size() + others_.size();
    const std::size_t rank = (size * static_cast<std::size_t>(percent) + 99) / 100 - 1;
    if (others_.empty()) return of_rank(integers_, rank);
    if (integers_.empty()) return of_rank(others_, rank);
    std::sort(integers_.begin(), integers_.end());
    std::sort(others_.begin(), others_.end());
    auto integer = integers_.begin();
    auto other = others_.begin();
    for (std::size_t before = 0;; ++before) {
      const bool takes_other =
          integer == integers_.end() || (other != others_.end() && message::less(*other, *integer));
      if (before == rank) return takes_other ? message::Number(*other) : message::Number(*integer);
      takes_other ? void(++other) : void(++integer);
    }
  }

 private:
  template <class Value>
  static Value of_rank(std::vector<Value>& values, std::size_t rank) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank);
    std::nth_element(values.begin(), at, values.end());
    return *at;
  }

  std::vector<std::int64_t> integers_;
  std::vector<double> others_;
};

double as_double(const message::Number& number) {
  return std::visit([](auto known) { return static_cast<double>(known); }, number);
}

/// Of a number of seconds, and how it is written. Its digits are taken as they are: a double has steps of a quarter of
/// a microsecond there, so that 1700000012.1 would lie before the window of 100 ms that begins then.
Duration since_1970(std::string_view written, double seconds) {
  constexpr std::size_t digits_most = 9;  // Of a nanosecond.
  const auto point = written.find('.');
  if (point == written.npos || written.find_first_of("eE") != written.npos) {
    return script::time_of(seconds).time_since_epoch();
  }
  const bool negative = written.starts_with('-');
  const std::string_view digits = written.substr(point + 1, digits_most);
  std::int64_t whole = 0, part = 0;
  for (const char digit : written.substr(negative ? 1 : 0, point - (negative ? 1 : 0)))
    whole = whole * 10 + (digit - '0');
  for (std::size_t i = 0; i < digits_most; ++i) part = part * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  const std::int64_t all = whole * 1'000'000'000 + part;
  return Duration(negative ? -all : all);
}

/// Only a number that is not smaller can make a finite sum infinite: it is half of the largest double's last place.
constexpr double overflowing_least = 0x1p970;

/// Holds the sum of any number of integers of 64 bits.
__extension__ typedef __int128 Wide;
bool fits(Wide sum) {
  using Limits = std::numeric_limits<std::int64_t>;
  return sum >= Limits::min() && sum <= Limits::max();
}

/// One field of one group. Which of its parts are used is the function's to say.
struct Cell {
  std::uint64_t count = 0;
  bool whole = true;  // All were integers.
  Wide integers = 0;
  double sum = 0;
  message::Number best{std::int64_t{0}};
  std::string text;                // Of the best, first or last, as JSON.
  std::uint64_t arrival = 0;       // Of the first or last: the how manieth message.
  std::unique_ptr<Values> values;  // Of a percentile, once there is one.

  void add(const Function& function, std::string_view raw, const message::Number& number, std::uint64_t message) {
    ++count;
    switch (function.what) {
      case What::count:
        break;
      case What::sum:
      case What::mean: {
        const auto* const integer = std::get_if<std::int64_t>(&number);
        whole = whole && integer;
        if (integer) integers += *integer;
        sum += as_double(number);
        break;
      }
      case What::min:
      case What::max:
        if (count == 1 || (function.what == What::min ? message::less(number, best) : message::less(best, number))) {
          best = number;
          text = raw;
        }
        break;
      case What::first:
        if (count > 1) break;
        [[fallthrough]];
      case What::last:
        text = raw;
        arrival = message;
        break;
      case What::percentile:
        if (!values) values = std::make_unique<Values>();
        values->add(number);
        break;
    }
  }

  void write(const Function& function, std::string& out) {
    const std::size_t before = out.size();
    switch (function.what) {
      case What::count:
        message::append_integer(out, static_cast<std::int64_t>(count));
        return;
      case What::sum:
        if (whole && fits(integers)) return message::append_integer(out, static_cast<std::int64_t>(integers));
        message::append_float(out, whole ? static_cast<double>(integers) : sum);
        break;
      case What::mean:
        if (count == 0) break;
        message::append_float(out, whole ? static_cast<double>(static_cast<long double>(integers) / count)
                                         : sum / static_cast<double>(count));
        break;
      case What::percentile:
        if (values) message::append_number(out, values->percentile(function.percent));
        break;
      default:
        out += text;
    }
    if (out.size() == before) out += "null";  // Of nothing.
  }
};

/// What a function makes of some panes in a row, whose cells stay where they are: sums, and which cell has the text.
/// Its sums depend hardly on what was added first: the integers' not at all, the others' in the last place of a double
/// at the most, as they have more digits than that and no largest number that a sum of doubles could reach.
struct Partial {
  static_assert(std::numeric_limits<long double>::max_exponent > std::numeric_limits<double>::max_exponent);

  std::uint64_t count = 0;
  bool whole = true;  // All panes' are.
  Wide integers = 0;
  long double sum = 0;
  const Cell* chosen = nullptr;  // Of min, max, first or last; null where there is none.

  Partial() = default;
  explicit Partial(const Cell& cell)
      : count(cell.count),
        whole(cell.whole),
        integers(cell.integers),
        sum(cell.sum),
        chosen(cell.count > 0 ? &cell : nullptr) {}

  void add(const Function& function, const Partial& later) {
    if (later.count == 0) return;
    const bool takes_over = count == 0 || (function.what == What::first && later.chosen->arrival < chosen->arrival) ||
                            (function.what == What::last && later.chosen->arrival > chosen->arrival) ||
                            (function.what == What::min && message::less(later.chosen->best, chosen->best)) ||
                            (function.what == What::max && message::less(chosen->best, later.chosen->best));
    count += later.count;
    whole = whole && later.whole;
    integers += later.integers;
    sum += later.sum;
    if (takes_over) chosen = later.chosen;
  }

  /// By itself, without the values of a percentile.
  Cell cell(const Function& function) const {
    Cell made;
    made.count = count;
    made.whole = whole;
    made.integers = integers;
    made.sum = finite(sum);
    const bool has_text = function.what == What::min || function.what == What::max || function.what == What::first ||
                          function.what == What::last;
    if (has_text && chosen) made.text = chosen->text;
    return made;
  }

  /// The nearest double. What overflows() has let pass may be beyond the largest by a digit that a double does not
  /// have.
  static double finite(long double sum) {
    constexpr double most = std::numeric_limits<double>::max();
    return std::clamp(static_cast<double>(sum), -most, most);
  }
};

/// What belongs together in one pane, or in one window.
struct Group {
  std::string key;  // The values of `by`, as JSON in its normal form, each closed by a byte that JSON does not have.
  Time entered{};   // Of its first message.
  std::vector<Cell> cells;
};

struct Groups {
  std::vector<Group> in_order;
  std::unordered_map<std::string, std::size_t> by_key;

  Group* find(const std::string& key) {
    const auto found = by_key.find(key);
    return found == by_key.end() ? nullptr : &in_order[found->second];
  }
  /// Of its numbers.
  double sum(const std::string& key, std::size_t function) {
    const Group* const group = find(key);
    return group ? group->cells[function].sum : 0;
  }
  Group& add(const std::string& key, Time entered, std::size_t cells) {
    by_key.emplace(key, in_order.size());
    Group& made = in_order.emplace_back();
    made.key = key;
    made.entered = entered;
    made.cells.resize(cells);
    return made;
  }
};

/// One group of the window that slides: its panes in order, and what each function makes of them all. To go on by a
/// pane costs the same however many there are, and nothing is taken back, which sums of doubles could not do exactly.
/// The newer panes are added up as they come. Of the older ones each has the sum of itself and those behind it, so that
/// the oldest may go; when no such sums are left they are made of all that are there. (Two stacks: Tangwongsan, Hirzel,
/// Schneider and Wu, "General incremental sliding-window aggregation", VLDB 2015.)
class Sliding {
 public:
  /// The group's part of a pane.
  struct Slice {
    std::int64_t pane;
    std::size_t place;  // Among the groups of the pane, in the order in which they came.
    Time entered;
    const Cell* cells;  // One for each function; they stay there.
  };

  Sliding(const std::vector<Function>& functions, const std::string& key)
      : functions_(functions), key_(key), newer_(functions.size()) {}

  const std::string& key() const noexcept { return key_; }
  bool empty() const noexcept { return slices_.empty(); }
  const Slice& oldest() const noexcept { return slices_.front(); }

  /// Behind all others.
  void push(const Slice& slice) {
    slices_.push_back(slice);
    for (std::size_t i = 0; i < functions_.size(); ++i) newer_[i].add(functions_[i], Partial(slice.cells[i]));
  }
  void pop() {
    if (older_ == 0 || stale_) add_up();
    slices_.pop_front();
    --older_;
    sums_.resize(older_ * functions_.size());
  }
  /// A pane that others are behind, or that is there already.
  void insert(const Slice& slice) {
    stale_ = true;
    const auto at = std::lower_bound(slices_.begin(), slices_.end(), slice.pane,
                                     [](const Slice& one, std::int64_t pane) { return one.pane < pane; });
    if (at == slices_.end() || at->pane != slice.pane) slices_.insert(at, slice);
  }

  /// What the functions make of all panes.
  void cells(std::vector<Cell>& made) {
    if (stale_) add_up();
    for (std::size_t i = 0; i < functions_.size(); ++i) {
      Partial all = older_ == 0 ? Partial() : sums_[sums_.size() - functions_.size() + i];
      all.add(functions_[i], newer_[i]);
      Cell& cell = made.emplace_back(all.cell(functions_[i]));
      if (functions_[i].what != What::percentile || cell.count == 0) continue;
      cell.values = std::make_unique<Values>();
      for (const auto& slice : slices_) {
        if (slice.cells[i].values) cell.values->add(*slice.cells[i].values);
      }
    }
  }

 private:
  void add_up() {
    const std::size_t each = functions_.size();
    sums_.clear();
    for (auto slice = slices_.rbegin(); slice != slices_.rend(); ++slice) {
      for (std::size_t i = 0; i < each; ++i) {
        Partial sum(slice->cells[i]);
        if (slice != slices_.rbegin()) sum.add(functions_[i], sums_[sums_.size() - each]);
        sums_.push_back(sum);
      }
    }
    older_ = slices_.size();
    newer_.assign(each, Partial());
    stale_ = false;
  }

  const std::vector<Function>& functions_;
  const std::string key_;
  std::deque<Slice> slices_;
  std::size_t older_ = 0;       // So many of them have a sum in sums_,
  std::vector<Partial> sums_;   // of themselves and all older ones behind them; the oldest's last.
  std::vector<Partial> newer_;  // Of the others, by function.
  bool stale_ = false;          // A pane has changed since they were added up.
};

/// Where something stands in a payload. Whether that is a member of the root is known beforehand: to look for the dot
/// each time takes one in twenty instructions of an event.
struct PayloadPath {
  explicit PayloadPath(std::string path) : text(std::move(path)), is_member(text.find('.') == text.npos) {}
  message::Glimpse in(const message::Look& payload) const {
    const auto seen = is_member ? payload.member(text) : message::Glimpse();
    return seen.unclear() ? payload.at(text) : seen;
  }
  std::string text;
  bool is_member;
};

/// Time is cut into panes as long as a slide; a window is some panes in a row. A pane's number counts from 1970.
class Aggregate : public stage::Operator {
 public:
  Aggregate(const AggregateConfig& config, stage::Context& context)
      : time_(config.time),
        late_(config.late),
        pane_(config.slide ? *config.slide : config.window),
        around_(config.window > Duration::max() - config.late ? Duration::max() : config.window + config.late),
        panes_in_window_(config.window / pane_),
        groups_most_(static_cast<std::size_t>(config.keys)),
        // The clock of the wall may jump, the engine's does not: windows by arrival keep the beginning they had.
        wall_ahead_(context.core.wall().time_since_epoch() - context.core.now().time_since_epoch()) {
    for (const auto& path : config.by) by_.emplace_back(path.text);
    for (const auto& [name, text] : config.fields) {
      names_.push_back(name);
      Function& function = functions_.emplace_back(*parse_function(text));
      auto source = std::find_if(sources_.begin(), sources_.end(),
                                 [&](const Source& known) { return known.path.text == function.path; });
      if (source == sources_.end()) source = sources_.insert(source, Source{function.path});
      function.source = static_cast<std::size_t>(source - sources_.begin());
      source->number |= wants_number(function.what);
    }
    read_.resize(sources_.size());
    const auto reads = [](const Source& source) { return !source.path.text.empty(); };
    reads_ = time_ || !by_.empty() || std::any_of(sources_.begin(), sources_.end(), reads);
  }

  std::size_t process(stage::Batch& in, std::size_t from, stage::Output& out, Time now) override {
    std::size_t row = from;
    const std::int64_t pane = pane_of(now);
    if (!time_) close_until(pane);
    if (!send_closed(out)) return row;
    taken_.clear();
    for (bool room = true; room && row < in.size() && out.may_go_on(); ++row) {
      const stage::Message message(in, row);
      out.mark(in, row);
      if (auto failed = take(message, pane, out)) {
        out.fail(message, std::move(*failed));
      }
      room = send_closed(out);
    }
    in.done(taken_);
    return row;
  }

  std::optional<Time> tick(Time now, stage::Output& out) override {
    if (!time_) close_until(pane_of(now));
    if (!send_closed(out)) return now;
    if (time_ || panes_.empty()) return std::nullopt;
    // The first window to close is the one whose last pane is the oldest that holds anything, or the next to close.
    return Time(pane_ * (std::max(panes_.begin()->first, closed_until_) + 1) - wall_ahead_);
  }

  bool flush(stage::Output& out) override { return send_closed(out); }

  bool finish(stage::Output& out) override {
    if (!panes_.empty()) close_until(panes_.rbegin()->first + panes_in_window_);
    return send_closed(out);
  }

 private:
  struct Source {
    explicit Source(std::string of) : path(std::move(of)) {}
    PayloadPath path;
    bool number = false;
  };
  struct Read {
    bool there = false;
    std::string_view raw;
    message::Number number{std::int64_t{0}};
  };

  /// Of a group with a number that could make a sum infinite.
  struct Large {
    std::int64_t last = std::numeric_limits<std::int64_t>::min();  // The last pane that has one.
    // All its numbers that are added up, signs aside, come to no more.
    long double most = std::numeric_limits<long double>::infinity();
  };

  /// A window that is closed and not yet sent.
  struct Closed {
    std::int64_t last;  // Its last pane.
    Groups groups;
    std::size_t sent = 0;
  };

  std::int64_t pane_of(Time now) const { return floor_div(now.time_since_epoch() + wall_ahead_); }
  std::int64_t floor_div(Duration since_1970) const {
    const std::int64_t pane = since_1970 / pane_;
    return since_1970 < pane_ * pane ? pane - 1 : pane;
  }

  /// `pane`: of now.
  message::Done take(const stage::Message& message, std::int64_t pane, stage::Output& out) {
    const message::Look payload(message);
    if (reads_ && !message::is_json(message)) return message::not_json(message);
    Duration made{0};
    if (time_) {
      const auto time = time_of(payload);
      if (!time) return time.failure();
      made = *time;
      if (made > Duration::max() - around_ || made < Duration::min() + around_) {
        return Failure(Reason::type, "'" + time_->text + "', with its windows, " + script::not_held);
      }
      pane = floor_div(made);
      if (any_ && pane + panes_in_window_ <= closed_until_) {
        out.send(late, message);
        return std::nullopt;
      }
    }
    key_.clear();
    for (const auto& path : by_) {
      const auto value = path.in(payload);
      message::append_normal(key_, value ? value.json() : "null");
      key_ += separator;
    }
    bool may_overflow = false;
    // Everything that may fail is read before anything is counted; what several functions ask for, once.
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      const Source& source = sources_[i];
      Read& read = read_[i];
      read.there = source.path.text.empty();
      if (read.there) continue;
      const auto value = source.path.in(payload);
      if (!value || value.is_null()) continue;
      const auto number = source.number ? value.number() : std::nullopt;
      if (source.number && !number) return Failure(Reason::type, "'" + source.path.text + "' is no number");
      read.there = true;
      read.raw = value.json();
      if (!number) continue;
      read.number = *number;
      may_overflow |= std::abs(as_double(*number)) >= overflowing_least;
    }
    const auto found = panes_.find(pane);
    Group* group = found == panes_.end() ? nullptr : found->second.find(key_);
    if (!group && found != panes_.end() && found->second.in_order.size() >= groups_most_) {
      return Failure(Reason::memory,
                     "the window has " + std::to_string(groups_most_) + " groups already, as many as `keys` allows");
    }
    // A window near the edge may be tipped over by any number that comes in another one of its panes.
    const bool was_large = !large_.empty() && large_.contains(key_);
    if (may_overflow || was_large) {
      if (const Source* const source = overflows(pane, may_overflow)) {
        if (!was_large) large_.erase(key_);
        return Failure(Reason::type, "with this message the sum of '" + source->path.text + "' would be infinite");
      }
    }
    ++messages_;
    Groups& groups = panes_[pane];
    if (!group) group = &groups.add(key_, message.entered(), functions_.size());
    for (std::size_t i = 0; i < functions_.size(); ++i) {
      const Read& read = read_[functions_[i].source];
      if (read.there) group->cells[i].add(functions_[i], read.raw, read.number, messages_);
    }
    // Behind what slides already: the windows of which this pane is the last are closed.
    if (panes_in_window_ > 1 && any_ && pane < closed_until_) {
      sliding(key_).insert(slice_of(pane, groups, *group));
    }
    out.absorb(message.batch(), message.row());
    taken_.push_back(static_cast<std::uint8_t>(message.row()));
    if (time_) advance(made);
    return std::nullopt;
  }

  /// Whose sum the values that were read would make infinite, in a window that has this pane and is open; null: none.
  /// `large`: one of them could.
  const Source* overflows(std::int64_t pane, bool large) {
    if (panes_in_window_ > 1) {
      Large& known = large_.try_emplace(key_).first->second;
      if (large) known.last = std::max(known.last, pane);
      long double more = 0;
      for (std::size_t i = 0; i < functions_.size(); ++i) {
        if (adds(i)) more += std::abs(as_double(read_[functions_[i].source].number));
      }
      constexpr long double safe = std::numeric_limits<double>::max() / 2;
      if (!(known.most + more < safe)) known.most = sizes_of_sums();
      known.most += more;
      if (known.most < safe) return nullptr;
    }
    for (std::size_t i = 0; i < functions_.size(); ++i) {
      if (adds(i) && sum_overflows(pane, i)) return &sources_[functions_[i].source];
    }
    return nullptr;
  }
  /// Whether it adds up what was read.
  bool adds(std::size_t function) const {
    const auto& [what, percent, path, source] = functions_[function];
    return (what == What::sum || what == What::mean) && read_[source].there;
  }
  /// Of the group, all together.
  long double sizes_of_sums() {
    long double all = 0;
    for (auto& [pane, groups] : panes_) {
      const Group* const group = groups.find(key_);
      if (!group) continue;
      for (const auto& cell : group->cells) all += std::abs(cell.sum);
    }
    return all;
  }

  /// All these windows have the pane in common, so each is it with some of those before and some of those behind it.
  bool sum_overflows(std::int64_t pane, std::size_t function) {
    double own = as_double(read_[functions_[function].source].number);
    if (const auto found = panes_.find(pane); found != panes_.end()) own += found->second.sum(key_, function);
    if (!std::isfinite(own) || panes_in_window_ == 1) return !std::isfinite(own);
    // Of the window at hand.
    std::int64_t first = (any_ ? std::max(pane, closed_until_) : pane) - panes_in_window_ + 1;
    before_.clear();
    for (auto at = panes_.lower_bound(pane); at != panes_.begin() && std::prev(at)->first >= first;) {
      --at;
      before_.emplace_back(at->first, (before_.empty() ? 0 : before_.back().second) + at->second.sum(key_, function));
    }
    long double behind = 0;
    auto next = panes_.upper_bound(pane);  // Behind the window.
    while (true) {
      for (; next != panes_.end() && next->first < first + panes_in_window_; ++next) {
        behind += next->second.sum(key_, function);
      }
      while (!before_.empty() && before_.back().first < first) before_.pop_back();
      const long double all = (before_.empty() ? 0 : before_.back().second) + own + behind;
      if (!std::isfinite(static_cast<double>(all))) return true;
      // On to the window that has one pane less before it, or one more behind.
      const std::int64_t less = before_.empty() ? pane + 1 : before_.back().first + 1;
      const std::int64_t more = next == panes_.end() ? pane + 1 : next->first - panes_in_window_ + 1;
      first = std::min(less, more);
      if (first > pane) return false;
    }
  }

  /// Since 1970.
  message::Outcome<Duration> time_of(const message::Look& payload) const {
    const auto value = payload.at(time_->text);
    if (!value) return Failure(Reason::missing, "there is no '" + time_->text + "' in the payload");
    if (const auto number = value.number()) {
      const double seconds = as_double(*number);
      if (!script::held(seconds)) return Failure(Reason::type, "'" + time_->text + "' " + script::not_held);
      if (const auto* const whole = std::get_if<std::int64_t>(&*number)) return Duration(std::chrono::seconds(*whole));
      return since_1970(value.json(), seconds);
    }
    std::string scratch;
    if (const auto text = value.text(scratch)) {
      if (const auto time = script::parse_rfc3339(*text)) return Duration(time->time_since_epoch());
      if (script::outside_held_years(*text)) return Failure(Reason::type, "'" + time_->text + "' " + script::not_held);
    }
    return Failure(Reason::type, "'" + time_->text + "' is no time: seconds since 1970, or a text as of RFC 3339");
  }

  /// By `time`: what has come says how far time has gone.
  void advance(Duration made) {
    const std::int64_t pane = floor_div(made - late_);
    if (!std::exchange(any_, true)) closed_until_ = pane;
    close_until(pane);
  }

  /// All windows of which the last pane is before this one are to be closed: send_closed() does.
  void close_until(std::int64_t pane) {
    if (!time_ && !std::exchange(any_, true)) closed_until_ = pane;
    due_until_ = std::max(due_until_, pane);
  }
  /// The next of them that holds anything; false: there is none. One at a time: where the time of the messages jumps,
  /// all of them would be as many as slides are in a window, each with all groups.
  bool close_next() {
    while (closed_until_ < due_until_) {
      if (panes_.empty()) {
        closed_until_ = due_until_;
        return false;
      }
      const std::int64_t oldest = panes_.begin()->first;
      if (closed_until_ < oldest) {  // Windows that hold nothing.
        closed_until_ = std::min(oldest, due_until_);
        continue;
      }
      close(closed_until_++);
      if (closed_) return true;
    }
    return false;
  }

  /// The window that has this pane as its last.
  void close(std::int64_t last) {
    const std::int64_t first = last - panes_in_window_ + 1;
    if (panes_in_window_ == 1) {
      if (const auto found = panes_.find(last); found != panes_.end()) {
        closed_.emplace(Closed{last, std::move(found->second)});
        panes_.erase(found);
      }
      return;
    }
    if (const auto newest = panes_.find(last); newest != panes_.end()) {
      for (const auto& group : newest->second.in_order) sliding(group.key).push(slice_of(last, newest->second, group));
    }
    in_order_.clear();
    for (auto& [key, group] : sliding_) in_order_.push_back(&group);
    std::sort(in_order_.begin(), in_order_.end(), [](const Sliding* one, const Sliding* other) {
      return std::tie(one->oldest().pane, one->oldest().place) < std::tie(other->oldest().pane, other->oldest().place);
    });
    Closed window{last, {}};
    window.groups.in_order.reserve(in_order_.size());
    for (Sliding* const group : in_order_) {
      Group& made = window.groups.in_order.emplace_back();
      made.key = group->key();
      made.entered = group->oldest().entered;
      group->cells(made.cells);
    }
    if (!in_order_.empty()) closed_.emplace(std::move(window));
    if (const auto oldest = panes_.find(first); oldest != panes_.end()) {
      for (const auto& group : oldest->second.in_order) {
        const auto found = sliding_.find(group.key);
        found->second.pop();
        if (found->second.empty()) sliding_.erase(found);
      }
      panes_.erase(oldest);
    }
    if (!large_.empty()) std::erase_if(large_, [first](const auto& one) { return one.second.last <= first; });
  }

  /// The group in the window that slides.
  Sliding& sliding(const std::string& key) { return sliding_.try_emplace(key, functions_, key).first->second; }
  static Sliding::Slice slice_of(std::int64_t pane, const Groups& of, const Group& group) {
    return {pane, static_cast<std::size_t>(&group - of.in_order.data()), group.entered, group.cells.data()};
  }

  /// False: the output is full before all are sent.
  bool send_closed(stage::Output& out) {
    while (closed_ || close_next()) {
      for (; closed_->sent < closed_->groups.in_order.size(); ++closed_->sent) {
        if (out.full()) return false;
        send(closed_->groups.in_order[closed_->sent], closed_->last, out);
      }
      closed_.reset();
    }
    return true;
  }

  void send(Group& group, std::int64_t last, stage::Output& out) {
    const auto made = out.emit(stage::main_port, "{}", group.entered);
    made.batch().mark_json(made.row());
    message::Document& document = made.document();
    std::string_view keys = group.key;
    for (const auto& path : by_) {
      const std::size_t end = keys.find(separator);
      document.set_path(path.text, message::Value::json(keys.substr(0, end)));
      keys.remove_prefix(end + 1);
    }
    for (std::size_t i = 0; i < functions_.size(); ++i) {
      text_.clear();
      group.cells[i].write(functions_[i], text_);
      document.set_path(names_[i], message::Value::json(text_));
    }
    auto& own = made.edit_metadata().own;
    own["window_start"] = quoted_time(pane_ * (last + 1 - panes_in_window_));
    own["window_end"] = quoted_time(pane_ * (last + 1));
  }
  static std::string quoted_time(Duration since_1970) {
    return '"' + script::rfc3339(runtime::WallTime(since_1970)) + '"';
  }

  static constexpr char separator = '\x1f';
  static constexpr stage::Port late = stage::first_own_port;

  static bool wants_number(What what) { return what != What::count && what != What::first && what != What::last; }

  std::vector<PayloadPath> by_;
  const std::optional<config::Path> time_;
  const Duration late_, pane_;
  const Duration around_;  // How far from a message's time its windows, and what is waited for, may reach.
  const std::int64_t panes_in_window_;
  const std::size_t groups_most_;
  const Duration wall_ahead_;
  std::vector<std::string> names_;   // Of the new fields,
  std::vector<Function> functions_;  // what each is,
  std::vector<Source> sources_;      // and what they read.
  std::map<std::int64_t, Groups> panes_;
  // The window that slides: of the panes that are the last of a closed one and stand in open ones.
  std::unordered_map<std::string, Sliding> sliding_;
  std::unordered_map<std::string, Large> large_;
  std::uint64_t messages_ = 0;  // That were taken.
  bool any_ = false;            // closed_until_ is known.
  // Windows whose last pane is before these are closed, or due to be; no message is taken while the two differ.
  std::int64_t closed_until_ = 0, due_until_ = std::numeric_limits<std::int64_t>::min();
  std::optional<Closed> closed_;
  bool reads_ = false;  // Anything of the payload; lines of text can be counted, too.
  // Reused.
  std::string key_, text_;
  std::vector<Read> read_;           // By source, of the message at hand.
  std::vector<std::uint8_t> taken_;  // Rows of the batch at hand.
  std::vector<std::pair<std::int64_t, long double>> before_;
  std::vector<Sliding*> in_order_;
};

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::operator_of<Aggregate>(config);
  configured.collects = true;
  configured.memory = stage::Memory::whole;
  if (config->time) {
    configured.ports.push_back("late");
    configured.ports_are_to_be_read = true;
  } else {
    configured.opens_ports = "`.late` is there with `time: FIELD`: by arrival nothing comes late";
  }
  return configured;
});

}  // namespace
}  // namespace weir::stages
