#include "engine/command/expectations.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "engine/message/arena.hpp"
#include "engine/message/document.hpp"
#include "engine/message/json.hpp"
#include "engine/message/normal.hpp"

namespace weir::command {
namespace {

using config::Value;
using message::Document;
using Lines = std::vector<std::string>;

constexpr std::size_t shown_bytes = 300;

std::string cut(std::string text) {
  if (text.size() <= shown_bytes) return text;
  text.resize(shown_bytes);
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
  if (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80) != 0) text.pop_back();
  return text + "…";
}

/// In quotes as YAML has them, where that says it all.
std::string shown_text(const std::string& text) {
  const bool plain = std::none_of(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\''; });
  return plain ? "'" + cut(text) + "'" : cut(config::json_text(text));
}

/// Where two texts part, for those that are long.
std::string parting(const std::string& one, const std::string& other) {
  const auto at = std::mismatch(one.begin(), one.end(), other.begin(), other.end()).first - one.begin();
  return "text: another from byte " + std::to_string(at + 1) + " on";
}

bool is_json(const std::string& text) { return !message::check_json(text); }

/// One line, whatever a payload holds.
std::string shown_payload(const std::string& payload) {
  const bool plain = payload.starts_with('{') || payload.starts_with('[');
  return plain && is_json(payload) && payload.find_first_of("\n\r") == std::string::npos ? cut(payload)
                                                                                         : shown_text(payload);
}

std::string shown_time(runtime::Time at) { return shown(at.time_since_epoch()); }

// ------------------------------------------------------------------------------------------------- a value and a value

/// A JSON text that can be looked into.
class Parsed {
 public:
  explicit Parsed(const std::string& text) : padded_(text + std::string(message::padding, '\0')) {
    document_.bind({padded_.data(), text.size()});
  }
  Document& document() { return document_; }

 private:
  std::string padded_;
  Document document_;
};

bool is_integer(std::string_view text) { return text.find_first_not_of("-0123456789") == text.npos; }

/// Integers by all their digits, other numbers as the doubles that they are read as.
bool same_number(std::string_view one, std::string_view other) {
  std::string a, b;
  message::append_normal_number(a, one);
  message::append_normal_number(b, other);
  if (a == b) return true;
  if (is_integer(one) && is_integer(other)) return false;
  const auto x = message::parse_number(one), y = message::parse_number(other);
  return x && y && !message::less(*x, *y) && !message::less(*y, *x);
}

/// `whole`: what is not expected must not be there.
void compare_values(const Value& expected, Document& document, message::Node found, const std::string& path, bool whole,
                    Lines& out) {
  const auto different = [&] {
    out.push_back((path.empty() ? "" : path + ": ") + "expected " + cut(expected.json()) + ", came " +
                  cut(std::string(document.raw(found))));
  };
  const auto below = [&](const std::string& name) { return path.empty() ? name : path + "." + name; };
  switch (expected.kind) {
    case Value::Kind::null:
      if (document.kind(found) != message::Kind::null) different();
      return;
    case Value::Kind::boolean:
      if (document.boolean(found) != expected.boolean) different();
      return;
    case Value::Kind::number: {
      const auto kind = document.kind(found);
      // Invalid is one that no double can hold: it passes through weir as text.
      const bool number =
          kind == message::Kind::integer || kind == message::Kind::number || kind == message::Kind::invalid;
      if (!number || !same_number(expected.number, document.raw(found))) different();
      return;
    }
    case Value::Kind::text: {
      const auto text = document.string(found);
      if (!text || *text != expected.text.text()) different();
      return;
    }
    case Value::Kind::list: {
      if (document.kind(found) != message::Kind::array) return different();
      const auto size = document.size(found);
      if (size != expected.items.size()) {
        out.push_back((path.empty() ? "" : path + ": ") + "expected a list of " +
                      std::to_string(expected.items.size()) + ", came one of " + std::to_string(size));
        return;
      }
      for (std::size_t i = 0; i < size; ++i) {
        compare_values(expected.items[i], document, document.at(found, i), path + "[" + std::to_string(i) + "]", whole,
                       out);
      }
      return;
    }
    case Value::Kind::map:
      break;
  }
  if (document.kind(found) != message::Kind::object) return different();
  for (const auto& [name, value] : expected.fields) {
    const auto member = document.find(found, name);
    if (!member) {
      out.push_back(below(name) + ": expected " + cut(value.json()) + ", it is not there");
    } else {
      compare_values(value, document, member, below(name), whole, out);
    }
  }
  if (!whole) return;
  std::string scratch;
  for (auto member = document.first(found); member; member = document.next(member)) {
    const std::string name(document.key(member, scratch));
    const auto known = std::any_of(expected.fields.begin(), expected.fields.end(),
                                   [&](const auto& field) { return field.first == name; });
    if (!known) out.push_back(below(name) + ": not expected, came " + cut(std::string(document.raw(member))));
  }
}

void compare_payload(const Value& expected, const std::string& payload, bool whole, Lines& out) {
  if (!is_json(payload)) {
    out.push_back("the message is no JSON: " + shown_text(payload));
    return;
  }
  Parsed parsed(payload);
  compare_values(expected, parsed.document(), parsed.document().root(), "", whole, out);
}

template <class T>
std::string word_of(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    return shown_text(value);
  } else {
    return std::to_string(value);
  }
}

template <class T, class U>
void compare_part(const std::string& name, const std::optional<T>& expected, const std::optional<U>& came, Lines& out) {
  if (!expected) return;
  if (!came) {
    out.push_back(name + ": expected " + word_of(*expected) + ", there is none");
  } else if (T(*came) != *expected) {
    out.push_back(name + ": expected " + word_of(*expected) + ", came " + word_of(T(*came)));
  }
}

void compare_failure(const FailedExpectation& expected, const message::Metadata* metadata, Lines& out) {
  if (!metadata || !metadata->failed) {
    out.emplace_back("failed: expected, but it did not fail");
    return;
  }
  const auto& failed = *metadata->failed;
  if (expected.kind && *expected.kind != message::word(failed.reason)) {
    out.push_back("failed.kind: expected " + *expected.kind + ", came " + std::string(message::word(failed.reason)) +
                  ": " + failed.text);
  }
  compare_part("failed.stage", expected.stage, std::optional(failed.stage), out);
  compare_part("failed.text", expected.text, std::optional(failed.text), out);
  compare_part("failed.line", expected.line, failed.line, out);
  compare_part("failed.attempts", expected.attempts, std::optional(failed.attempts), out);
}

/// A message's metadata by the names that Lua has for it, as JSON.
std::optional<std::string> meta_of(const message::Metadata* metadata, const std::string& name) {
  static const message::Metadata nothing;
  const message::Metadata& meta = metadata ? *metadata : nothing;
  const auto text = [](const std::string& value) {
    return value.empty() ? std::nullopt : std::optional(config::json_text(value));
  };
  if (name == "attempt") return std::to_string(meta.attempt);
  if (name == "key") return text(meta.key);
  if (name == "event") return text(meta.event);
  if (name == "alert") return text(meta.alert);
  if (name == "line") return meta.line ? std::optional(std::to_string(*meta.line)) : std::nullopt;
  const auto own = meta.own.find(name);
  return own == meta.own.end() ? std::nullopt : std::optional(own->second);
}

// ---------------------------------------------------------------------------------------- expectations and what came

std::int64_t least_of(const ExpectConfig& expected) { return expected.times ? expected.times->least() : 1; }
std::int64_t most_of(const ExpectConfig& expected) {
  return expected.times ? expected.times->most().value_or(std::numeric_limits<std::int64_t>::max()) : 1;
}

bool same_name(const std::string& one, const std::string& other) {
  const auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [&](char a, char b) { return low(a) == low(b); });
}

void compare_answer(const ExpectConfig& expected, const Came& came, Lines& out) {
  if (expected.status && *expected.status != came.status) {
    out.push_back("status: expected " + std::to_string(*expected.status) + ", came " + std::to_string(came.status));
  }
  for (const auto& [name, value] : expected.headers) {
    const auto found = std::find_if(came.headers.begin(), came.headers.end(),
                                    [&, of = &name](const auto& header) { return same_name(header.first, *of); });
    if (found == came.headers.end()) {
      out.push_back("headers." + name + ": expected " + shown_text(value) + ", there is none");
    } else if (found->second != value) {
      out.push_back("headers." + name + ": expected " + shown_text(value) + ", came " + shown_text(found->second));
    }
  }
}

/// What an expectation says of a message, in a line.
std::string described(const ExpectConfig& expected) {
  std::string all;
  const auto add = [&all](const std::string& part) { all += (all.empty() ? "" : ", ") + part; };
  if (expected.status) add("status " + std::to_string(*expected.status));
  if (expected.msg) add(cut(expected.msg->json()));
  if (expected.has) add("with " + cut(expected.has->json()));
  if (expected.text) add(shown_text(*expected.text));
  if (expected.at) add("at " + shown(*expected.at));
  if (expected.path) add("in " + *expected.path);
  if (expected.failed) {
    const auto& failed = *expected.failed;
    std::string part = "failed";
    if (failed.kind) part += " by " + *failed.kind;
    if (failed.stage) part += " in " + *failed.stage;
    if (failed.line) part += " from line " + std::to_string(*failed.line);
    if (failed.attempts) part += " after attempt " + std::to_string(*failed.attempts);
    if (failed.text) part += ": " + shown_text(*failed.text);
    add(part);
  }
  for (const auto& [name, value] : expected.meta) add("meta." + name + " " + cut(value.json()));
  for (const auto& [name, value] : expected.headers) add("headers." + name + " " + shown_text(value));
  return all.empty() ? expected.answered ? "any answer" : "any message" : all;
}

std::string described(const Came& came) {
  std::string text = came.status ? "status " + std::to_string(came.status) + ", " : std::string();
  text += shown_payload(came.payload) + " at " + shown_time(came.at);
  if (!came.path.empty()) text += " in " + came.path;
  if (came.metadata && came.metadata->failed) {
    const auto& failed = *came.metadata->failed;
    text +=
        ", failed by " + std::string(message::word(failed.reason)) + " in " + failed.stage + ": " + cut(failed.text);
  }
  return text;
}

/// One stage's expectations and what left it; or one source's and what those who asked there got.
class Matching {
 public:
  enum class Of : std::uint8_t { messages, answers };
  Matching(Of of, const std::string& stage, const std::vector<Came>& came, config::Diagnostics& failures)
      : one_(of == Of::messages ? "message" : "answer"),
        from_((of == Of::messages ? "from " : "answered by ") + stage + ": "),
        whole_(of == Of::messages ? "what leaves a stage is named whole" : "what those who ask get is named whole"),
        came_(came),
        failures_(failures) {}

  void expect(const ExpectConfig& expected) {
    if (most_of(expected) == 0) {
      none_.push_back(&expected);
    } else {
      expected_.push_back(&expected);
    }
  }

  /// What may be why nothing came.
  void doubt(Lines doubts) { doubts_ = std::move(doubts); }

  /// What a source sends again comes when it can, after what came between.
  bool sent_again() const {
    return std::any_of(came_.begin(), came_.end(),
                       [](const Came& came) { return came.metadata && came.metadata->attempt > 1; });
  }

  void check(bool ordered) {
    for (const auto* expected : none_) {
      for (const auto& came : came_) {
        if (!differences(*expected, came).empty()) continue;
        tell(*expected, "no such " + one_ + " was expected",
             {"expected none: " + described(*expected), "came     " + described(came)});
        break;
      }
    }
    if (expected_.empty()) return;  // Nothing is said of the others.
    if (ordered) {
      in_turn();
    } else {
      in_any_order();
    }
  }

 private:
  void tell(const ExpectConfig& expected, const std::string& what, const Lines& lines) {
    std::string hint;
    for (const auto& line : lines) hint += (hint.empty() ? "" : "\n") + line;
    failures_.error(expected.place, from_ + what, hint);
  }

  /// Each expectation takes as many as it may, one after the other, so that all have what they need. Where that can't
  /// be, the first that has not is told: all behind it follows from it.
  void in_turn() {
    const std::size_t all = came_.size();
    std::vector<bool> begins(all + 1, false);  // Where the messages of the expectation at hand may begin.
    begins[0] = true;
    for (const auto* expected : expected_) {
      const auto least = static_cast<std::size_t>(least_of(*expected));
      const auto most = static_cast<std::size_t>(std::min(most_of(*expected), static_cast<std::int64_t>(all)));
      std::vector<bool> ends(all + 1, false);
      std::size_t fits_to = 0, wrong = all,
                  ended = 0;  // All from `begin` to `fits_to` fit; `wrong`: that one does not.
      std::size_t count = 0, missed_at = 0;
      bool any = false, looked = false;
      for (std::size_t begin = 0; begin <= all; ++begin) {
        if (!begins[begin]) continue;
        fits_to = std::max(fits_to, begin);
        while (fits_to < all && fits_to != wrong) {
          if (!differences(*expected, came_[fits_to]).empty()) {
            wrong = fits_to;
          } else {
            ++fits_to;
          }
        }
        const std::size_t last = std::min(fits_to, begin + most);
        // The farther the better, but one that is there and does not fit says more than that there are no more.
        if (last < all || !std::exchange(looked, true)) {
          missed_at = last;
          count = last - begin;
        }
        for (std::size_t end = std::max(begin + least, ended); end <= last; ++end) ends[end] = any = true;
        ended = std::max(ended, last + 1);
      }
      if (!any) return miss(*expected, count, missed_at);
      begins = std::move(ends);
    }
    if (begins[all]) return;
    std::size_t taken = all;
    while (!begins[taken]) --taken;
    surplus(taken);
  }

  void miss(const ExpectConfig& expected, std::int64_t count, std::size_t at) {
    Lines lines{"expected " + described(expected)};
    if (at == came_.size()) {
      add_missing(lines, [&] { return "no more came after " + described(came_.back()); });
      return tell(expected, wanting(expected, count, at), lines);
    }
    lines.push_back("came     " + described(came_[at]));
    for (const auto& difference : differences(expected, came_[at])) lines.push_back(difference);
    for (std::size_t later = at + 1; later < came_.size(); ++later) {
      if (!differences(expected, came_[later]).empty()) continue;
      lines.push_back("one that fits came later, as message " + std::to_string(later + 1) + " at " +
                      shown_time(came_[later].at));
      break;
    }
    tell(expected,
         count > 0 || least_of(expected) > 1 ? wanting(expected, count, at)
                                             : one_ + " " + std::to_string(at + 1) + " is not the one expected",
         lines);
  }

  static std::string wanting(const ExpectConfig& expected, std::int64_t count, std::size_t at) {
    if (!expected.times) return "message " + std::to_string(at + 1) + " never came";
    return "expected " + expected.times->text() + " such messages" + (count > 0 ? " in a row" : "") + ", came " +
           std::to_string(count);
  }

  void surplus(std::size_t from) {
    std::vector<std::size_t> rest;
    for (std::size_t i = from; i < came_.size(); ++i) rest.push_back(i);
    surplus(rest);
  }

  void surplus(const std::vector<std::size_t>& rest) {
    if (rest.empty()) return;
    constexpr std::size_t shown_most = 3;
    Lines lines;
    for (std::size_t i = 0; i < rest.size() && i < shown_most; ++i) {
      lines.push_back(one_ + " " + std::to_string(rest[i] + 1) + " " + described(came_[rest[i]]));
    }
    if (rest.size() > shown_most) lines.push_back("and " + std::to_string(rest.size() - shown_most) + " more");
    lines.emplace_back(whole_ + "; `times: {at_least: 1}` takes any number");
    tell(*expected_.back(),
         rest.size() == 1 ? "one more came than expected" : std::to_string(rest.size()) + " more came than expected",
         lines);
  }

  /// Gives each message to an expectation that it fits, so that as many as possible have theirs: first as many as each
  /// needs, then as many as each may have. Along a chain an expectation hands one of its own on to make room.
  void in_any_order() {
    const std::size_t wants = expected_.size();
    std::map<std::vector<bool>, std::size_t> known;  // Messages that fit the same are one as good as the other.
    std::vector<std::size_t> sort_of;
    for (const auto& came : came_) {
      std::vector<bool> fits;
      for (const auto* expected : expected_) fits.push_back(differences(*expected, came).empty());
      const auto [at, added] = known.emplace(fits, fits_.size());
      if (added) fits_.push_back(fits);
      sort_of.push_back(at->second);
    }
    given_.assign(wants, std::vector<std::vector<std::size_t>>(fits_.size()));
    count_.assign(wants, 0);
    std::vector<bool> placed(came_.size(), false);
    for (const bool at_least : {true, false}) {
      std::vector<bool> hopeless(fits_.size(), false);
      for (std::size_t message = 0; message < came_.size(); ++message) {
        const std::size_t sort = sort_of[message];
        if (placed[message] || hopeless[sort]) continue;
        std::vector<bool> seen(wants, false);
        placed[message] = place(message, sort, at_least, seen);
        hopeless[sort] = !placed[message];
      }
    }
    std::vector<std::size_t> rest;
    for (std::size_t message = 0; message < came_.size(); ++message) {
      if (!placed[message]) rest.push_back(message);
    }
    for (std::size_t want = 0; want < wants; ++want) {
      if (count_[want] < least_of(*expected_[want])) miss_any(*expected_[want], count_[want], rest);
    }
    surplus(rest);
  }

  bool place(std::size_t message, std::size_t sort, bool at_least, std::vector<bool>& seen) {
    for (std::size_t want = 0; want < expected_.size(); ++want) {
      if (!fits_[sort][want] || seen[want]) continue;
      seen[want] = true;
      if (count_[want] < (at_least ? least_of(*expected_[want]) : most_of(*expected_[want]))) {
        given_[want][sort].push_back(message);
        ++count_[want];
        return true;
      }
      for (std::size_t other = 0; other < fits_.size(); ++other) {
        auto& held = given_[want][other];
        if (held.empty() || !place(held.back(), other, at_least, seen)) continue;
        held.pop_back();
        given_[want][sort].push_back(message);
        return true;
      }
    }
    return false;
  }

  void miss_any(const ExpectConfig& expected, std::int64_t count, std::vector<std::size_t>& rest) {
    Lines lines{"expected " + described(expected)};
    auto nearest = rest.end();
    Lines least;
    for (auto at = rest.begin(); at != rest.end(); ++at) {
      Lines found = differences(expected, came_[*at]);
      if (nearest != rest.end() && found.size() >= least.size()) continue;
      nearest = at;
      least = std::move(found);
    }
    if (nearest == rest.end()) {
      add_missing(lines, [&] {
        return "all that came, " + std::to_string(came_.size()) + " " + one_ + (came_.size() == 1 ? ", is" : "s, are") +
               " expected elsewhere";
      });
    } else {
      lines.push_back("nearest  " + described(came_[*nearest]));
      lines.insert(lines.end(), least.begin(), least.end());
      rest.erase(nearest);
    }
    tell(expected,
         expected.times ? "expected " + expected.times->text() + " such " + one_ + "s, came " + std::to_string(count)
                        : "no such " + one_ + " came",
         lines);
  }

  /// That nothing came, and what may be why; where something did, `other`.
  void add_missing(Lines& lines, const auto& other) const {
    lines.push_back(came_.empty() ? "nothing came" : other());
    if (came_.empty()) lines.insert(lines.end(), doubts_.begin(), doubts_.end());
  }

  const std::string one_, from_, whole_;
  const std::vector<Came>& came_;
  config::Diagnostics& failures_;
  Lines doubts_;
  std::vector<const ExpectConfig*> expected_, none_;
  std::vector<std::vector<bool>> fits_;                       // By sort of message and expectation.
  std::vector<std::vector<std::vector<std::size_t>>> given_;  // By expectation and sort: the messages that it has,
  std::vector<std::int64_t> count_;                           // and how many in all.
};

void compare_figures(const ExpectConfig& expected, const Figures& figures, config::Diagnostics& failures) {
  const std::string& name = *expected.of;
  const auto& stages = figures.stages.stages;
  const auto at = std::find_if(stages.begin(), stages.end(), [&](const auto& cells) { return cells.stage == name; });
  const observe::StageSnapshot none;
  const auto& cells = at == stages.end() ? none : *at;
  const std::uint64_t dropped = cells.all_dropped();
  const auto calls = figures.calls.find(name);
  const auto check = [&](const std::string& word, const std::optional<Amount>& amount, std::uint64_t count) {
    if (!amount || amount->holds(static_cast<std::int64_t>(count))) return;
    failures.error(expected.place, "of " + name + ": expected `" + word + "` " + amount->text() + ", it is " +
                                       std::to_string(count) +
                                       (expected.at ? " at " + shown(*expected.at) : " at the end"));
  };
  check("in", expected.in, cells.in);
  check("out", expected.out, observe::count_of(cells.out, "main"));
  check("calls", expected.calls, calls == figures.calls.end() ? 0 : static_cast<std::uint64_t>(calls->second));
  check("filtered", expected.filtered, cells.filtered);
  check("dropped", expected.dropped, dropped);
  check("errors", expected.errors, observe::total(cells.errors));
  if (expected.edge) {
    static const std::map<std::string, std::int64_t> no_edges;
    const auto to = figures.edges.find(name);
    const auto& edges = to == figures.edges.end() ? no_edges : to->second;
    std::uint64_t all = 0;
    for (const auto& [input, count] : edges) all += static_cast<std::uint64_t>(count);
    if (expected.edge->of_all()) check("edge", *expected.edge, all);
    for (const auto& [input, amount] : expected.edge->inputs) {
      const auto from = edges.find(input);
      check("edge." + input, amount, from == edges.end() ? 0 : static_cast<std::uint64_t>(from->second));
    }
  }
  if (expected.breaker && cells.breaker != std::string(word(*expected.breaker))) {
    failures.error(expected.place, "of " + name + ": expected the breaker " + std::string(word(*expected.breaker)) +
                                       ", it is " + cells.breaker.value_or("none") +
                                       (expected.at ? " at " + shown(*expected.at) : " at the end"));
  }
}

}  // namespace

Figures figures_of(const graph::Plan& plan, observe::PipelineSnapshot stages,
                   const std::map<std::string, std::int64_t>& calls) {
  Figures figures;
  for (const auto& planned : plan.stages) {
    for (std::size_t i = 0; i < planned.read_as.size(); ++i) {
      const auto& from = plan.stages[planned.inputs[i].stage];
      for (const auto& channel : stages.channels) {
        const bool same = channel.to == planned.name && channel.from == from.name &&
                          channel.port == from.ports[planned.inputs[i].port];
        if (same) figures.edges[planned.name][planned.read_as[i]] += channel.depth + channel.held + channel.placeless;
      }
    }
  }
  figures.stages = std::move(stages);
  figures.calls = calls;
  return figures;
}

std::string shown(runtime::Duration time) {
  using namespace std::chrono_literals;
  const bool plain = time < 1s || time % 1s == 0s;
  return plain ? config::show(time) : config::show(std::chrono::duration<double>(time).count()) + "s";
}

std::vector<std::string> differences(const ExpectConfig& expected, const Came& came) {
  Lines out;
  if (expected.at && came.at != runtime::Time(*expected.at)) {
    out.push_back("at: expected " + shown(*expected.at) + ", came at " + shown_time(came.at));
  }
  if (expected.msg) compare_payload(*expected.msg, came.payload, true, out);
  if (expected.has) compare_payload(*expected.has, came.payload, false, out);
  if (expected.text && came.payload != *expected.text) {
    out.push_back(parting(*expected.text, came.payload));
  }
  compare_answer(expected, came, out);
  if (expected.failed) compare_failure(*expected.failed, came.metadata.get(), out);
  for (const auto& [name, value] : expected.meta) {
    const auto found = meta_of(came.metadata.get(), name);
    if (!found) {
      out.push_back("meta." + name + ": expected " + cut(value.json()) + ", there is none");
      continue;
    }
    Parsed parsed(*found);
    compare_values(value, parsed.document(), parsed.document().root(), "meta." + name, true, out);
  }
  if (expected.path && came.path != *expected.path) {
    out.push_back("path: expected " + *expected.path + ", came " + (came.path.empty() ? "none" : came.path));
  }
  return out;
}

bool in_order(const graph::Plan& plan, graph::PortRef from) {
  for (std::size_t stage = from.stage;;) {
    const auto& planned = plan.stages[stage];
    if (planned.configured.shape == stage::Shape::source) return true;
    // What waits for a limit or is remembered is not called about in turn, with one worker either.
    const bool one = planned.common.workers == 1 && planned.configured.shape != stage::Shape::call;
    if (planned.inputs.size() != 1 || (!one && planned.common.order != stage::Order::kept)) return false;
    const auto input = planned.inputs.front();
    const auto& before = plan.stages[input.stage];
    // What failed comes as it is answered.
    if (before.is_any(input.port)) return false;
    stage = input.stage;
  }
}

namespace {

/// Of each source before these ports that reads outside, and to which the test gives nothing to read: that it does.
Lines silent_sources(const Trial& trial, const std::vector<graph::PortRef>& ports) {
  Lines told;
  const auto look = [&](const graph::PlannedStage& planned) {
    const auto& test = trial.config;
    const bool reads_outside =
        planned.configured.shape == stage::Shape::source && planned.configured.touches != stage::Touches::nothing;
    const auto is_it = [&](const auto& one) { return one.first == planned.name; };
    const auto is_sent_to = [&](const SendConfig& send) { return send.to == planned.name; };
    if (!reads_outside || std::any_of(test.fake.begin(), test.fake.end(), is_it) ||
        std::any_of(test.send.begin(), test.send.end(), is_sent_to)) {
      return false;
    }
    std::string line = "'" + planned.name + "' reads outside, and the test has neither `fake` nor `send` for it";
    if (std::find(told.begin(), told.end(), line) == told.end()) told.push_back(std::move(line));
    return false;
  };
  for (const auto& port : ports) trial.plan->any_up_to(port.stage, look);
  return told;
}

/// How far the messages came that lead to these ports: what each stage on the way did, from the source on.
Lines counted_before(const Trial& trial, const std::vector<graph::PortRef>& ports, const Figures& end) {
  std::set<std::string> on_the_way;
  for (const auto& port : ports) {
    trial.plan->any_up_to(port.stage, [&on_the_way](const graph::PlannedStage& planned) {
      on_the_way.insert(planned.name);
      return false;
    });
  }
  Lines told;
  for (const auto& cells : end.stages.stages) {
    if (!on_the_way.contains(cells.stage)) continue;
    std::string did;
    const auto add = [&did](const char* what, std::uint64_t count) {
      if (count > 0) did += (did.empty() ? " " : ", ") + std::string(what) + " " + std::to_string(count);
    };
    add("took", cells.in);
    if (cells.ack_pending) add("read", cells.created);
    const auto calls = end.calls.find(cells.stage);
    if (calls != end.calls.end()) add("called", static_cast<std::uint64_t>(calls->second));
    add("failed", observe::total(cells.errors));
    add("let go", cells.filtered + cells.all_dropped());
    told.push_back("'" + cells.stage + "'" + (did.empty() ? " took nothing" : did));
  }
  return told;
}

}  // namespace

void compare(const Trial& trial, const Seen& seen, config::Diagnostics& failures) {
  static const std::vector<Came> nothing;
  std::vector<std::string> done, asked;
  for (const auto& expected : trial.config.expect) {
    if (expected.exit && *expected.exit != seen.exit_code) {
      failures.error(expected.place,
                     "exit: expected " + std::to_string(*expected.exit) + ", it is " + std::to_string(seen.exit_code));
    }
    if (expected.of) {
      const auto at = expected.at ? seen.at.find(*expected.at) : seen.at.end();
      compare_figures(expected, at == seen.at.end() ? seen.end : at->second, failures);
    }
    if (expected.answered && std::find(asked.begin(), asked.end(), *expected.answered) == asked.end()) {
      asked.push_back(*expected.answered);
      const auto came = seen.record->answered.find(*expected.answered);
      Matching matching(Matching::Of::answers, *expected.answered,
                        came == seen.record->answered.end() ? nothing : came->second, failures);
      for (const auto& other : trial.config.expect) {
        if (other.answered == expected.answered) matching.expect(other);
      }
      matching.check(false);
    }
    if (!expected.from || std::find(done.begin(), done.end(), *expected.from) != done.end()) continue;
    done.push_back(*expected.from);
    const auto came = seen.record->came.find(*expected.from);
    Matching matching(Matching::Of::messages, *expected.from, came == seen.record->came.end() ? nothing : came->second,
                      failures);
    for (const auto& other : trial.config.expect) {
      if (other.from == expected.from) matching.expect(other);
    }
    const auto ports = find_ports(*trial.plan, *expected.from);
    auto doubts = trial.config.clock == TestClock::simulated ? silent_sources(trial, ports) : Lines();
    matching.doubt(doubts.empty() ? counted_before(trial, ports, seen.end) : std::move(doubts));
    const bool ordered = ports.size() == 1 && in_order(*trial.plan, ports.front());
    matching.check(ordered && !matching.sent_again());
  }
}

}  // namespace weir::command
