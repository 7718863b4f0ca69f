#include "engine/graph/stage_reader.hpp"

#include <array>

#include "engine/config/advice.hpp"
#include "engine/config/words.hpp"
#include "engine/script/engine.hpp"

namespace weir::graph {

using config::Node;

StageReader::StageReader(const stage::Catalog& catalog, const config::Pipeline& pipeline,
                         config::Diagnostics& diagnostics)
    : catalog_(catalog),
      diagnostics_(diagnostics),
      instances_(pipeline.instances),
      vars_(pipeline.scope.names()),
      open_(pipeline.scope.open()) {
  read_named(pipeline.limits, stage::limit_spec(), "limits", pipeline.scope, named_.limits);
  read_named(pipeline.breakers, stage::breaker_spec(), "breakers", pipeline.scope, named_.breakers);
}

template <class Policy>
void StageReader::read_named(const Node& written, const config::Spec<Policy>& spec, const char* under,
                             const config::Scope& scope, std::map<std::string, Policy>& into) {
  for (const auto& entry : written.entries) {
    const std::string path = std::string(under) + "." + entry.key;
    config::check_name(entry.key, entry.key_place, "a policy", path, diagnostics_);
    config::Reader reader(diagnostics_, scope, path);
    const auto errors = diagnostics_.error_count();
    Policy policy = spec.read(entry.value, reader);
    check_code(reader, script::Setting::message);
    if (diagnostics_.error_count() == errors) resolve(policy, path);
    policy.shared = entry.key;
    into.emplace(entry.key, std::move(policy));
  }
}

template <class Policy>
bool StageReader::take_named(Policy& policy, const std::map<std::string, Policy>& named, const char* under,
                             std::string hint, const std::string& path) {
  const auto found = named.find(policy.word);
  if (found == named.end() && open_) return true;
  if (found == named.end()) {
    std::vector<std::string> names;
    for (const auto& [name, other] : named) names.push_back(name);
    diagnostics_.error(policy.place, "there is no '" + policy.word + "' under `" + under + ":`",
                       config::did_you_mean(policy.word, names, std::move(hint)), path);
    return false;
  }
  const auto place = policy.place;
  policy = found->second;
  policy.place = place;
  return true;
}

void StageReader::resolve(stage::LimitConfig& limit, const std::string& path) {
  if (limit.word.empty()) return;
  if (const auto rate = config::parse_rate(limit.word); rate && rate->count > 0) {
    limit.rate = rate;
    return;
  }
  if (!config::is_name(limit.word)) {
    const auto advice = config::rate_advice(limit.word);
    diagnostics_.error(limit.place, "'" + limit.word + "' is no rate" + (advice.empty() ? "" : ": " + advice),
                       "a rate is written 10/s, 100/m or 1/10s", path);
    return;
  }
  take_named(limit, named_.limits, "limits", "a rate is written 10/s, 100/m or 1/10s", path);
}

void StageReader::resolve(stage::BreakerConfig& breaker, const std::string& path) {
  if (!breaker.word.empty()) {
    take_named(breaker, named_.breakers, "breakers", "write `{failures: 5, recover_after: 5s}`", path);
  }
}

void StageReader::read(const config::StageNode& node, std::vector<PlannedStage>& stages) {
  const Node::Entry* kind = find_kind(node);
  PlannedStage planned = read_common(node);
  if (kind && kind->key == stage::do_key) return read_steps(node, *kind, planned, stages);
  if (kind) {
    config::Reader reader(diagnostics_, node.scope, "stages." + node.name);
    look_who_feeds(node, planned, reader);
    const bool configured = configure(planned, *kind, reader);
    // Fed it talks to what stays, and else that is a source: nobody knows which.
    const bool either = reader.fed_unknown && planned.configured.shape == stage::Shape::duplex;
    planned.doubtful |= either;
    if (configured && !either && !node.scope.guesses(node.body)) check(node, planned);
    const auto& common = planned.common;
    if (const auto* key = remembered_by(planned); key && common.workers > 1) planned.common.order.key = *key;
    if (!common.timeout) planned.common.timeout = planned.configured.default_timeout;
  }
  stages.push_back(std::move(planned));
  if (kind) put_gate(stages, stages.size() - 1);
}

/// What a stage inside of an instance reads that has no `from` of its own.
void StageReader::look_who_feeds(const config::StageNode& node, const PlannedStage& planned, config::Reader& reader) {
  reader.fed = !planned.common.from.empty();
  for (std::string inside = node.inside; !reader.fed && !inside.empty();) {
    const auto instance = std::find_if(instances_.begin(), instances_.end(),
                                       [&](const config::Instance& one) { return one.name == inside; });
    if (instance == instances_.end()) break;
    reader.fed_unknown = instance->reads_unknown;
    reader.fed = instance->reads_unknown || !instance->from.is_null();
    inside = instance->inside;
  }
  reader.inside = !reader.fed && !node.inside.empty();
}

/// Before an operator, or the steps of a `do`, that has a limit or a deadline: what sees to these.
void StageReader::put_gate(std::vector<PlannedStage>& stages, std::size_t first) {
  const auto& common = stages[first].common;
  if (!common.limit && !common.deadline) return;
  if (stages[first].configured.shape != stage::Shape::operation || stages[first].configured.limit) return;
  PlannedStage gate;
  gate.name = stages[first].name;
  gate.kind = stages[first].kind;
  gate.common = common;
  gate.place = stages[first].place;
  gate.in_do = stages[first].in_do;
  gate.gate = true;
  gate.configured.shape = stage::Shape::call;
  gate.configured.brings_result = false;
  gate.ports = {std::string(config::main_word), std::string(config::failed_word)};
  gate.steps = stages.size() - first + 1;
  for (std::size_t i = first; i < stages.size(); ++i) {
    stages[i].step = i - first + 1;
    stages[i].steps = gate.steps;
    stages[i].gated = true;
  }
  stages.insert(stages.begin() + static_cast<std::ptrdiff_t>(first), std::move(gate));
}

PlannedStage StageReader::read_common(const config::StageNode& node) {
  PlannedStage planned;
  planned.name = node.name;
  planned.place = node.place;
  config::Reader reader(diagnostics_, node.scope, "stages." + node.name);
  const auto errors = diagnostics_.error_count();
  planned.common = stage::common_spec().read(node.body, reader, others_);
  if (diagnostics_.error_count() == errors && !node.scope.guesses(node.body)) {
    if (planned.common.limit) resolve(*planned.common.limit, reader.path + ".limit");
    if (planned.common.breaker) resolve(*planned.common.breaker, reader.path + ".breaker");
  }
  check_code(reader, script::Setting::message);
  return planned;
}

void StageReader::check_code(config::Reader& reader, script::Setting setting) {
  for (const auto& use : reader.code) {
    auto wrong = script::check(use, setting);
    if (!wrong && !open_) wrong = script::check_vars(use, vars_);
    if (wrong) {
      wrong->tell(diagnostics_, use.path);
    } else if (const auto trap = config::length_trap(use.code)) {
      diagnostics_.warning(use.place, "Lua has no `.length`: this is a field of that name", *trap);
    } else if (use.what == config::CodeUse::What::expression) {
      if (const auto always = script::holds_always(use.code)) {
        diagnostics_.warning(use.place, "this holds for every message", *always, use.path);
      }
    }
  }
  reader.code.clear();
}

/// The kind's value without the keys that are said of every stage, and so beside it: they are told here.
Node StageReader::without_common(const PlannedStage& planned, const Entry& kind, config::Reader& reader) {
  Node value = kind.value;
  const auto& declaration = planned.kind->declaration();
  using Shape = config::Declaration::Shape;
  if (declaration.shape == Shape::scalar || declaration.shape == Shape::whole) return value;  // Any key is the user's.
  std::erase_if(value.entries, [&](const Entry& entry) {
    if (declaration.find(entry.key) || !stage::common_spec().declaration().find(entry.key)) return false;
    const std::string beside = planned.in_do ? std::string(stage::do_key) : kind.key;
    reader.error(entry.key_place, "'" + entry.key + "' is said of the stage, not of its '" + kind.key + "'",
                 "write it beside `" + beside + "`, not inside");
    return true;
  });
  return value;
}

/// False: there are mistakes in what it is told, so that what follows from that says nothing. Those in its code, which
/// are told here too, do not count.
bool StageReader::configure(PlannedStage& planned, const Entry& kind, config::Reader& reader) {
  planned.kind = catalog_.find(kind.key);
  const auto errors = diagnostics_.error_count();
  {
    const config::Reader::Step step(reader, kind.key);
    planned.configured = planned.kind->configure(without_common(planned, kind, reader), reader);
  }
  const bool good = diagnostics_.error_count() == errors;
  planned.doubtful = !good || reader.scope.guesses(kind.value);
  planned.ports = {std::string(config::main_word), std::string(config::failed_word)};
  planned.ports.insert(planned.ports.end(), planned.configured.ports.begin(), planned.configured.ports.end());
  if (planned.opens_tokens()) planned.ports.emplace_back(config::any_word);
  if (planned.configured.limit) {
    planned.common.limit = planned.configured.limit;
    if (!reader.scope.guesses(kind.value)) resolve(*planned.common.limit, reader.path + "." + kind.key);
  }
  // A source has no message yet; the code that makes one has its number and its element.
  const bool makes = planned.configured.shape == stage::Shape::source;
  const auto setting = makes                  ? script::Setting::generate
                       : planned.common.state ? script::Setting::keyed
                                              : script::Setting::message;
  check_code(reader, setting);
  return good;
}

void StageReader::read_steps(const config::StageNode& node, const Entry& list, const PlannedStage& common,
                             std::vector<PlannedStage>& stages) {
  const std::string path = "stages." + node.name + "." + std::string(stage::do_key);
  if (!list.value.is_list() || list.value.items.empty()) {
    if (!list.value.told) {
      diagnostics_.error(
          list.value.is_null() ? list.key_place : list.value.place,
          "expected a list of operators, found " + (list.value.is_list() ? "an empty one" : list.value.found()),
          "such as do: [{where: msg.n > 1}, {set: {big: true}}]", path);
    }
    stages.push_back(common);
    return;
  }
  const auto& items = list.value.items;
  const std::size_t first = stages.size();
  bool refused = false;
  for (std::size_t i = 0; i < items.size(); ++i) {
    PlannedStage& planned = stages.emplace_back(common);
    planned.step = i;
    planned.steps = items.size();
    planned.in_do = true;
    const Entry* kind = find_step(node, items[i]);
    if (!kind) continue;
    config::Reader reader(diagnostics_, node.scope, path + "[" + std::to_string(i + 1) + "]");
    const auto errors = diagnostics_.error_count();
    if (!configure(planned, *kind, reader)) continue;
    if (planned.configured.shape != stage::Shape::operation) {
      diagnostics_.error(kind->key_place, "'" + kind->key + "' is no operator: it can't be a step of `do`",
                         "make it a stage of its own that reads `from: " + node.name + "`", reader.path);
      planned.kind = nullptr;
      continue;
    }
    if (i + 1 < items.size() && !planned.configured.main_output) {
      diagnostics_.error(kind->key_place,
                         "nothing leaves by the main output of '" + kind->key + "': no step can follow",
                         "make it the last", reader.path);
    }
    // What holds for the stage would be told again for each step.
    if (!refused && !node.scope.guesses(node.body)) check(node, planned);
    refused |= diagnostics_.error_count() != errors;
  }
  put_gate(stages, first);
}

/// The kind of a step, which is all that it may say.
const Node::Entry* StageReader::find_step(const config::StageNode& node, const Node& step) {
  if (!step.is_map() || step.entries.empty()) {
    if (!step.told) {
      diagnostics_.error(step.place, "expected an operator, found " + step.found(), "such as `- where: msg.n > 1`");
    }
    return nullptr;
  }
  const auto& entry = step.entries.front();
  if (step.entries.size() > 1) {
    const auto& second = step.entries[1];
    const bool common = stage::common_spec().declaration().find(second.key) != nullptr;
    diagnostics_.error(second.key_place,
                       common ? "'" + second.key + "' is said of the whole stage, not of a step of its `do`"
                              : "a step does one thing, and this one has '" + entry.key + "' and '" + second.key + "'",
                       common ? "write it beside `do`" : "make two steps of it: each begins with its own `-`");
    return nullptr;
  }
  if (catalog_.find(entry.key)) return &entry;
  if (stage::comes_later(entry.key)) {
    diagnostics_.error(entry.key_place, "'" + entry.key + "' comes with a later version of weir");
    return nullptr;
  }
  diagnostics_.error(entry.key_place, "'" + node.name + "' has a step '" + entry.key + "', which is no kind",
                     config::did_you_mean(entry.key, catalog_.names(), "`weir list` shows the kinds"));
  return nullptr;
}

/// What other programs call a key or a kind.
std::string by_other_name(const std::string& word) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> names{{{"rate", "limit"},
                                                                                       {"rate_limit", "limit"},
                                                                                       {"retries", "retry"},
                                                                                       {"concurrency", "workers"},
                                                                                       {"parallelism", "workers"},
                                                                                       {"input", "from"},
                                                                                       {"inputs", "from"},
                                                                                       {"filter", "where"},
                                                                                       {"circuit_breaker", "breaker"}}};
  for (const auto& [other, ours] : names) {
    if (word == other) return "did you mean '" + std::string(ours) + "'?";
  }
  return {};
}

/// The one key that names a kind. All others are common keys, or mistakes that are told here.
const Node::Entry* StageReader::find_kind(const config::StageNode& node) {
  others_.clear();
  const std::string path = "stages." + node.name;
  const Node::Entry* kind = nullptr;
  bool told = false;
  const auto is_kind = [this](const Node::Entry& entry) {
    return entry.key == stage::do_key || catalog_.find(entry.key);
  };
  const bool has_kind = std::any_of(node.body.entries.begin(), node.body.entries.end(), is_kind);
  for (const auto& entry : node.body.entries) {
    if (is_kind(entry)) {
      others_.push_back(entry.key);
      if (kind) {
        told = true;
        diagnostics_.error(
            entry.key_place, "stage '" + node.name + "' has two kinds, '" + kind->key + "' and '" + entry.key + "'",
            "a stage does one thing; make a second stage that reads `from: " + node.name + "`", path + "." + entry.key);
      } else {
        kind = &entry;
      }
      continue;
    }
    const auto& common = stage::common_spec().declaration();
    if (common.find(entry.key)) continue;
    others_.push_back(entry.key);
    told = true;
    if (stage::comes_later(entry.key)) {
      diagnostics_.error(entry.key_place, "'" + entry.key + "' comes with a later version of weir", "",
                         path + "." + entry.key);
      continue;
    }
    const auto owner = std::find_if(node.body.entries.begin(), node.body.entries.end(), [&](const Entry& other) {
      const auto* of = catalog_.find(other.key);
      return of && of->declaration().find(entry.key);
    });
    if (owner != node.body.entries.end()) {
      diagnostics_.error(
          entry.key_place, "stage '" + node.name + "' has no key '" + entry.key + "'",
          "it is said of '" + owner->key + "': write it inside, " + owner->key + ": {" + entry.key + ": …}",
          path + "." + entry.key);
      continue;
    }
    auto known = common.keys();
    const auto kinds = catalog_.names();
    known.insert(known.end(), kinds.begin(), kinds.end());
    known.emplace_back(stage::do_key);
    if (!has_kind && open_) {  // It may be a kind of who includes this.
      const auto near = config::nearest(entry.key, known);
      if (near.empty()) continue;
      diagnostics_.warning(entry.key_place, "'" + entry.key + "' is no kind of weir's or of this file",
                           "did you mean '" + near + "'?");
      continue;
    }
    const auto other = by_other_name(entry.key);
    diagnostics_.error(entry.key_place,
                       has_kind ? "stage '" + node.name + "' has no key '" + entry.key + "'"
                                : "stage '" + node.name + "' has no kind, and '" + entry.key + "' is none",
                       other.empty() ? config::did_you_mean(entry.key, known, "`weir list` shows the kinds") : other,
                       path + "." + entry.key);
  }
  const bool merges = std::any_of(node.body.entries.begin(), node.body.entries.end(),
                                  [](const Entry& entry) { return entry.key == "<<"; });
  if (!kind && !told && !merges) {
    diagnostics_.error(node.place, "stage '" + node.name + "' has no kind",
                       "say what it does, such as `stdout: {}`; `weir list` shows the kinds", path);
  }
  return kind;
}

void StageReader::check_edge(const PlannedStage& planned) {
  const auto& common = planned.common;
  const std::string path = "stages." + planned.name + ".edge";
  const auto check_after = [&](const stage::EdgeLimits& limits, const config::Place& place) {
    using stage::WhenFull;
    if (!limits.after || limits.when_full == WhenFull::fail || limits.when_full == WhenFull::drop_newest) return;
    diagnostics_.error(place, "'after' is the patience before a message fails or is dropped",
                       limits.when_full == WhenFull::drop_oldest
                           ? "leave it out: `drop_oldest` takes each message at once"
                           : "say `when_full: fail` or `when_full: drop_newest`; here it waits for ever",
                       path);
  };
  check_after(*common.edge, common.edge->place);
  for (const auto& [input, limits] : common.edge->inputs) {
    if (std::find(common.from.begin(), common.from.end(), input) == common.from.end()) {
      diagnostics_.error(limits.place, "'" + planned.name + "' does not read '" + input + "'",
                         config::did_you_mean(input, common.from, "it reads " + config::listed(common.from)), path);
    } else if (limits.after || limits.when_full) {
      check_after(common.edge_from(input), limits.place);
    }
  }
}

void StageReader::check_policies(const config::StageNode& node, const PlannedStage& planned) {
  const auto& configured = planned.configured;
  const bool calls = configured.shape == stage::Shape::call;
  const auto refuse = [&](const char* key, const std::string& what, std::string hint) {
    const auto* entry = node.body.entry(key);
    if (!entry) return;
    diagnostics_.error(entry->key_place, what, std::move(hint), "stages." + node.name + "." + key);
  };
  if (!(calls && configured.brings_result) && planned.common.workers == stage::adaptive_workers) {
    refuse("workers", "only how long calls take says how many are best", "write a number");
  }
  if (configured.shape == stage::Shape::duplex) {
    refuse("retry", "what this stage talks to stays, and is not called again",
           "its own `attempts` and `restart` say how often a message is tried");
    refuse("breaker", "what this stage talks to stays, and is not called", "");
    refuse("cache", "what this stage talks to stays: each message is told to it", "`exec: {run: …}` has one");
    refuse("hedge", "what this stage talks to stays: each message is told to it once", "");
  } else if (!calls || !configured.brings_result) {
    const bool asks_by_itself = configured.shape == stage::Shape::source && configured.default_timeout;
    const std::string what = calls            ? "'" + planned.kind->name() + "' calls nobody"
                             : asks_by_itself ? "this stage asks by itself, and no message calls"
                                              : "this stage calls nobody";
    const std::string behind =
        asks_by_itself ? "let `generate: {every: …}` tick, and ask for each tick behind it: that calls" : "";
    refuse("retry", what + ": there is nothing to try again", behind);
    refuse("breaker", what + ": there is nothing to stop calling", behind);
    refuse("cache", what + ": there is nothing to remember", "");
    refuse("hedge", what + ": there is nothing to do twice", "");
    if (calls)
      refuse("timeout", what + ": nothing can take too long", "`max_wait` of its limit says how long one waits");
  } else if (!configured.not_twice.empty()) {
    refuse("hedge", configured.not_twice + " that is made twice does its work twice",
           "`retry` makes a call again only after it has failed");
  }
  if (configured.limit) {
    refuse("limit", "'" + planned.kind->name() + "' is a limit itself",
           "keep one of the two; a second limit stands on a stage of its own");
  }
  if (configured.listens && planned.common.limit &&
      planned.common.limit->over.value_or(stage::Over::fail) != stage::Over::fail) {
    refuse("limit", "somebody waits for an answer here: who comes too early is turned away (`over: fail`)",
           "to let messages wait, put the limit on the stage behind it");
  }
  if (calls || configured.listens) return;
  const char* const cure = "put a stage `throttle: 10/s` before it";
  if (configured.shape != stage::Shape::operation) {
    const bool reads = configured.shape == stage::Shape::source;
    refuse("limit", "a limit stands on a stage that calls, listens or computes",
           reads ? "put it on the stage behind it" : cure);
    refuse("deadline", "a deadline stands on a stage that calls, listens or computes",
           "what it sets goes with the message");
  } else if (configured.collects || planned.common.workers != 1) {
    const std::string who = configured.collects ? "'" + planned.kind->name() + "', which holds messages back,"
                                                : std::string("a stage that computes with several workers");
    refuse("limit", who + " has none before it in this version of weir", cure);
    refuse("deadline", who + " has none in this version of weir", "put a stage `pass: {}` with it before this one");
  } else if (planned.common.on_error == stage::OnError::pass && planned.kind->name() != "pass") {
    const bool refuses =
        planned.common.limit && planned.common.limit->over.value_or(stage::Over::wait) == stage::Over::fail;
    if (refuses || planned.common.deadline) {
      refuse("on_error",
             "what comes too early or too late would pass through '" + planned.kind->name() + "' all the same",
             "put a stage `pass: {}` with the " + std::string(refuses ? "limit" : "deadline") +
                 " and `on_error: pass` before this one");
    }
  }
}

/// The key by which it remembers, which says who of several workers gets a message. Null: there is none.
const config::Template* StageReader::remembered_by(const PlannedStage& planned) {
  if (planned.common.state && !planned.in_do) return &planned.common.state->key;
  const auto& configured = planned.configured;
  return configured.memory == stage::Memory::keyed ? &*configured.remembers_by : nullptr;
}

void StageReader::check(const config::StageNode& node, const PlannedStage& planned) {
  using stage::Shape;
  const auto shape = planned.configured.shape;
  const auto place = [&](const char* key) {
    const auto* entry = node.body.entry(key);
    return entry ? entry->key_place : node.place;
  };
  const auto refuse = [&](const char* key, std::string what, std::string hint = {}) {
    diagnostics_.error(place(key), std::move(what), std::move(hint), "stages." + node.name + "." + key);
  };
  const auto written = [&](const char* key) { return node.body.find(key) != nullptr; };
  if (shape == Shape::source && written("from")) {
    refuse("from", "'" + planned.kind->name() + "' reads outside here and takes no `from`",
           planned.configured.instead_of_from);
  }
  if (shape != Shape::source && planned.common.from.empty() && node.inside.empty()) {
    diagnostics_.error(node.place, "stage '" + node.name + "' reads nothing", "say `from: STAGE`");
  }
  if (written("on_error") && planned.common.on_error == stage::OnError::pass && planned.last_step() &&
      planned.configured.ports_are_to_be_read && !planned.configured.main_output) {
    refuse("on_error", "what fails can't pass: nothing leaves by the main output of '" + planned.kind->name() + "'",
           "leave it out, and read '" + node.name + ".failed' or `any.failed`");
  }
  if (shape == Shape::source) {
    if (written("edge")) refuse("edge", "a source has no edge before it");
    if (written("workers")) refuse("workers", "this source takes no workers");
    if (written("order")) refuse("order", "this source has no workers, who could keep an order or not");
  }
  if (written("attempts") && (shape != Shape::source || planned.configured.listens)) {
    refuse("attempts",
           planned.configured.listens ? "who asks here asks again himself"
                                      : "only a source sends again what failed elsewhere",
           shape == Shape::call ? "a stage that calls says `retry`" : "");
  }
  if (planned.common.edge) check_edge(planned);
  check_policies(node, planned);
  if (shape != Shape::call && !planned.configured.answers) {
    if (written("merge")) refuse("merge", "only a stage that calls has something to merge");
    if (written("timeout") && !planned.configured.default_timeout && !planned.configured.takes_timeout) {
      refuse("timeout", "only a stage that calls can take too long");
    }
  }
  const bool may_have_workers = shape == Shape::duplex || shape == Shape::call || shape == Shape::operation;
  if (planned.common.order == stage::Order::by_key && may_have_workers && planned.common.workers == 1) {
    refuse("order", "one worker keeps the order of all keys anyway", "say `workers: 8`, for so many keys at once");
  }
  if (planned.common.state && (planned.kind->name() != "lua" || planned.in_do)) {
    refuse("state", "only the code of `lua` has something to remember", "give that a stage of its own");
  }
  if (shape == Shape::sink) {
    if (planned.common.workers > 1) {
      refuse("workers", "'" + planned.kind->name() + "' writes in one place and takes no workers");
    }
    if (written("order")) {
      refuse("order", "'" + planned.kind->name() + "' has no workers, who could keep an order or not",
             "it writes messages as they come");
    }
  }
  if (shape == Shape::operation && planned.common.workers > 1) {
    const auto* const key = remembered_by(planned);
    if (planned.configured.memory == stage::Memory::whole || planned.configured.collects) {
      refuse("workers", "'" + planned.kind->name() + "' remembers across messages, so only one can run");
    } else if (key && planned.in_do) {
      refuse("workers", "'" + planned.kind->name() + "' remembers by a key, which a step before it may change",
             "give it a stage of its own");
    } else if (const auto& order = planned.common.order;
               key && written("order") && !(order.key && order.key->text() == key->text())) {
      refuse("order",
             "'" + planned.kind->name() +
                 "' remembers by its key, so its workers share the messages by that and keep " +
                 "the order of each key alone",
             "leave `order` out");
    }
  }
  if (planned.configured.collects_most > unacked_most) {
    diagnostics_.error(place(planned.kind->name().c_str()),
                       "it would wait for " + std::to_string(planned.configured.collects_most) +
                           " messages, but a source has at most " + std::to_string(unacked_most) + " unanswered",
                       "collect fewer at once");
  }
}

}  // namespace weir::graph
