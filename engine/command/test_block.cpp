#include "engine/command/test_block.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <map>

#include "engine/config/spec.hpp"
#include "engine/message/failure.hpp"
#include "engine/script/engine.hpp"
#include "engine/script/time_text.hpp"

namespace weir::command {
namespace {

using config::Diagnostics;
using config::Node;
using stage::Shape;
using stage::Touches;

constexpr std::int64_t times_most = 1'000'000;

void refuse_later(const std::vector<const char*>& words, config::Written& written) {
  for (const auto* word : words) {
    if (written.has(word)) written.error(word, "`" + std::string(word) + "` comes with a later version of weir");
  }
}

/// The member as one of a class that has it from Amount.
template <class Config>
std::optional<std::int64_t> Config::*member_of(std::optional<std::int64_t> Amount::*member) {
  return member;
}

template <class Config>
config::Spec<Config> with_amount(config::Spec<Config> spec) {
  return std::move(spec)
      .scalar(member_of<Config>(&Amount::exactly), "So many.", config::at_least(0), config::sample("2"))
      .field("at_least", member_of<Config>(&Amount::at_least), "No fewer.", config::at_least(0))
      .field("at_most", member_of<Config>(&Amount::at_most), "No more.", config::at_least(0))
      .verify([](const Config& amount, config::Written& written) {
        if (amount.at_least && amount.at_most && *amount.at_least > *amount.at_most) {
          written.error("at_most", "`at_most` is less than `at_least`");
        }
      });
}

const auto amount_spec = with_amount(config::Spec<Amount>("an amount", "How many."));

const auto edge_spec =
    with_amount(config::Spec<EdgeExpectation>("edge", "Messages that have places on the edges before the stage."))
        .by_name("INPUT", &EdgeExpectation::inputs, amount_spec,
                 "The same of one of several inputs, named as in `from`.");

const auto request_spec =
    config::Spec<RequestConfig>("request", "What the asker sent.")
        .field("method", &RequestConfig::method, "Its method; one that the stage does not take is told 405.",
               config::not_empty(), config::sample("POST"))
        .field("path", &RequestConfig::path, "Its path; one that the stage does not serve is told 404.",
               config::not_empty(), config::sample("/orders/7"))
        .field("query", &RequestConfig::query, "What stands behind the `?`, by names.", config::sample("{page: '2'}"))
        .field("headers", &RequestConfig::headers, "Its headers.", config::sample("{x-api-key: k1}"))
        .field("params", &RequestConfig::params,
               "What stands in the path for {name}; of http_server it is found there.", config::sample("{id: '7'}"))
        .field("client", &RequestConfig::client, "Where it comes from.", config::sample("10.0.0.1"));

constexpr const char* said_nowhere = "it does not say where it comes in";
constexpr const char* say_to = "say `to: STAGE`";

const auto send_spec =
    config::Spec<SendConfig>("an entry of `send`", "What comes from outside, and when.")
        .field("to", &SendConfig::to, "The source that it comes by.", config::sample("orders"))
        .field("at", &SendConfig::at, "When, from the start of the test.", config::sample("1s"))
        .field("every", &SendConfig::every, "Time from one to the next, with `times`.", config::above(0),
               config::sample("1s"))
        .needs({"times"}, "`every` without `times` would never end", "say how many, such as `times: 10`")
        .field("times", &SendConfig::times, "So many of them.", config::at_least(1), config::at_most(times_most))
        .field("msg", &SendConfig::msg, "The message, as a mapping. May use `i`: 1, 2, … with `times`.",
               config::sample("{n: '{{ i }}'}"))
        .field("text", &SendConfig::text, "The message, as text; may use the same.", config::sample("hello"))
        .excludes({"msg"})
        .field("meta", &SendConfig::meta, "Its metadata: key, attempt, and names of your own.",
               config::sample("{key: a}"))
        .field("restart", &SendConfig::restart,
               "With `at` and without `to`: the engine stops at once and starts again. What a fake gave is not given "
               "again.")
        .group("request", &SendConfig::request, request_spec,
               "What the asker sent, where the source listens: `request` in Lua. Without it: from 127.0.0.1, "
               "and GET / or whatever else the stage takes.")
        .field("machine", &SendConfig::machine,
               "With `at` and without `to`: from then on the machine is so busy, for a `limit` by its load. Until then "
               "it idles.",
               config::sample("{cpu: 95%}"))
        .field("event", &SendConfig::later, "Comes with a later version.")
        .some_of({"to", "restart", "machine"}, said_nowhere, say_to)
        .place(&SendConfig::place)
        .verify([](const SendConfig& send, config::Written& written) {
          refuse_later({"event"}, written);
          if (send.restart || !send.machine.empty()) {
            const std::string what = send.restart ? "a `restart`" : "`machine`";
            for (const auto* word : {"to", "every", "times", "msg", "text", "meta", "request"}) {
              if (written.has(word)) written.error(word, what + " sends nothing", "make two entries of it");
            }
            for (const auto& [of, share] : send.machine) {
              if (!load_of(of))
                written.error("machine", "the machine has no '" + of + "'", "it has cpu, memory, pressure");
              if (!stage::parse_share(share)) {
                written.error("machine", "expected a share such as 95%, found '" + share + "'");
              }
            }
          } else if (!send.to) {  // Of a `restart: false`.
            written.error("", said_nowhere, say_to);
          }
          for (const auto& [name, value] : send.meta) {
            if (name == "id" || name == "time") written.error("meta", "`" + name + "` is given by the engine");
            if (name == "attempt" && config::parse_integer(value.number).value_or(0) < 1) {
              written.error("meta", "`attempt` counts from 1");
            }
          }
        });

const auto failure_kinds = [] {
  config::Extra kinds;
  for (const auto& word : message::reason_words()) kinds.choices.emplace_back(word.c_str());
  return kinds;
}();

const auto signal_names = [] {
  config::Extra names;
  for (int number = 1; number < NSIG; ++number) {
    // The real-time ones have no name.
    if (const char* const name = ::sigabbrev_np(number)) names.choices.emplace_back(name);
  }
  return names;
}();

const auto fake_spec =
    config::Spec<FakeConfig>("an entry of `fake`", "What the outside answers, or what is read from it.")
        .field("where", &FakeConfig::where, "Of a call: only for messages for which this holds, in Lua.",
               config::sample("msg.id == 3"))
        .field("times", &FakeConfig::times, "Of a call: so often, then the entries after it are asked. Else for ever.",
               config::at_least(1))
        .field("after", &FakeConfig::after,
               "How long the call takes. Of a source: how long after the entry before it comes.", config::sample("2s"))
        .field("status", &FakeConfig::status, "Of HTTP; 200 unless written.", config::at_least(100),
               config::at_most(599), config::sample("503"))
        .field("code", &FakeConfig::code, "Of a program: what it exits with; 0 unless written.", config::at_least(0),
               config::at_most(255), config::sample("1"))
        .excludes({"signal"}, "who is killed by a signal exits with no code")
        .field("signal", &FakeConfig::signal, "Of a program: what it is killed by, as `result.signal` tells it.",
               signal_names)
        .field("headers", &FakeConfig::headers, "Of HTTP.", config::sample("{content-type: text/html}"))
        .field("msg", &FakeConfig::msg, "What comes, as a mapping; in a call it may speak of the message.",
               config::sample("{score: '{{ msg.n * 2 }}'}"))
        .field("text", &FakeConfig::text,
               "What comes, as text; of a source, read in its `format` as if it stood outside.", config::sample("'ok'"))
        .excludes({"msg"})
        .field("stderr", &FakeConfig::error_text, "Of a program: its standard error.", config::sample("no such id"))
        .field("failed", &FakeConfig::failed, "Nothing comes: it fails so. `text` is the reason's text then.",
               failure_kinds)
        .place(&FakeConfig::place)
        .verify([](const FakeConfig& fake, config::Written& written) {
          if (!fake.failed) return;
          for (const auto* word : {"status", "code", "signal", "headers", "msg", "stderr"}) {
            if (written.has(word)) written.error(word, "with `failed` nothing comes", "keep one of them");
          }
        });

const auto failed_spec =
    config::Spec<FailedExpectation>("failed", "Why it failed.")
        .scalar(&FailedExpectation::kind, "The kind.", failure_kinds)
        .field("kind", &FailedExpectation::kind, "What failed.", failure_kinds)
        .field("stage", &FailedExpectation::stage, "Where.", config::sample("good"))
        .field("text", &FailedExpectation::text, "What is said of it, whole.", config::sample("no such id"))
        .field("line", &FailedExpectation::line, "The line of the input.", config::at_least(1))
        .field("attempts", &FailedExpectation::attempts, "How often it was tried.", config::at_least(1));

const auto expect_spec =
    config::Spec<ExpectConfig>("an entry of `expect`", "What must have come, or how a stage must stand.")
        .role("from", &ExpectConfig::from,
              "A stage, or STAGE.PORT: a message that left by its main output or that port. All that left must be "
              "named, one entry after the other.",
              config::sample("print"))
        .role("of", &ExpectConfig::of, "A stage: its figures, at `at` or at the end.", config::sample("numbers"))
        .needs({"in", "out", "calls", "filtered", "dropped", "errors", "breaker", "edge", "queue"},
               "it does not say which figure", "such as `out: 2`, `calls: {at_most: 3}`")
        .role("exit", &ExpectConfig::exit, "What `weir run` would exit with.", config::at_least(0),
              config::at_most(255), config::sample("0"))
        .role("answered", &ExpectConfig::answered,
              "A source that listens: what one of those who asked there got, by a reply or by weir itself. All that "
              "they got must be named, in any order.",
              config::sample("ask"))
        .role("got", &ExpectConfig::got, "Comes with a later version.")
        .field("at", &ExpectConfig::at,
               "When it left; of figures, when they are looked at: after all that is due then.", config::sample("1s"))
        .only_with("from", "of", "answered", "got")
        .group("times", &ExpectConfig::times, amount_spec, "So many such messages; 1 unless written.")
        .only_with("from", "answered", "got")
        .field("msg", &ExpectConfig::msg, "The whole message. Numbers compare by value.", config::sample("{n: 2}"))
        .only_with("from", "answered", "got")
        .field("has", &ExpectConfig::has, "Some of its fields; of maps in it some of theirs.", config::sample("{n: 2}"))
        .only_with("from", "answered", "got")
        .excludes({"msg"})
        .field("text", &ExpectConfig::text, "The message as text, whole.", config::sample("hello"))
        .only_with("from", "answered", "got")
        .excludes({"msg", "has"})
        .group("failed", &ExpectConfig::failed, failed_spec, "Why it failed: the kind, or more of it.")
        .only_with("from", "answered")
        .field("meta", &ExpectConfig::meta, "Some of its metadata.", config::sample("{attempt: 2}"))
        .only_with("from")
        .field("path", &ExpectConfig::path, "Of a file that is written: where the message went.",
               config::sample("logs/a.ndjson"))
        .only_with("from")
        .field("status", &ExpectConfig::status, "The status of the answer, or of what a `reply` sent.",
               config::at_least(100), config::at_most(599), config::sample("503"))
        .only_with("from", "answered")
        .field("headers", &ExpectConfig::headers, "Some of its headers.", config::sample("{retry-after: '1'}"))
        .only_with("from", "answered")
        .group("in", &ExpectConfig::in, amount_spec, "Messages that came in.")
        .only_with("of")
        .group("out", &ExpectConfig::out, amount_spec, "Messages that left by the main output.")
        .only_with("of")
        .group("calls", &ExpectConfig::calls, amount_spec, "Calls that were begun.")
        .only_with("of")
        .group("filtered", &ExpectConfig::filtered, amount_spec, "Messages that ended because a condition said so.")
        .only_with("of")
        .group("dropped", &ExpectConfig::dropped, amount_spec, "Messages that were dropped.")
        .only_with("of")
        .group("errors", &ExpectConfig::errors, amount_spec, "Failures, heard or not.")
        .only_with("of")
        .field("breaker", &ExpectConfig::breaker, "The state of its breaker; of several keys the worst.",
               config::one_of({{"closed", policy::Circuit::closed},
                               {"open", policy::Circuit::open},
                               {"half_open", policy::Circuit::half_open}}))
        .only_with("of")
        .group(
            "edge", &ExpectConfig::edge, edge_spec,
            "Messages that wait on the edges before it, and those in its hands: together what `capacity` bounds (of an "
            "edge that drops its oldest it bounds only those that wait); `{INPUT: 3}` of one of several.")
        .only_with("of")
        .field("queue", &ExpectConfig::later, "Comes with a later version.")
        .field("subject", &ExpectConfig::later, "Comes with a later version.")
        .field("topic", &ExpectConfig::later, "Comes with a later version.")
        .field("client", &ExpectConfig::later, "Comes with a later version.")
        .only_with("got")
        .place(&ExpectConfig::place)
        .example("- {from: print, msg: {n: 2}}")
        .verify([](const ExpectConfig& expect, config::Written& written) {
          refuse_later({"got", "queue", "subject", "topic"}, written);
          if (expect.has && expect.has->kind != config::Value::Kind::map) {
            written.error("has", "`has` names fields", "write `msg`, or `text`, for what is no mapping");
          }
        });

const auto test_spec =
    config::Spec<TestConfig>("test",
                             "A test of the pipeline, for `weir test`: what comes from outside, what must come of it.")
        .field("name", &TestConfig::name, "What it shows, as a sentence.", config::not_empty(),
               config::sample("an order without a price fails"))
        .required()
        .list("send", &TestConfig::send, send_spec, "Messages that sources give.")
        .lists("fake", &TestConfig::fake, fake_spec,
               "The outside, by stages. Of a call: the first entry whose `where` holds and whose `times` are not used "
               "up answers. Of a source: the entries are read once each, then it ends.")
        .list("expect", &TestConfig::expect, expect_spec, "What must come of it.")
        .required()
        .filled()
        .field("for", &TestConfig::run_for, "Then it is told to end; for what would not end by itself.",
               config::above(0), config::sample("20s"))
        .field("start", &TestConfig::start, "The time of day when it starts; 2030-01-01T00:00:00Z unless written.",
               config::sample("'2030-01-10T01:59:00+01:00'"))
        .field("vars", &TestConfig::vars, "Other values for some of `vars`.", config::sample("{hosts: [a]}"))
        .field("env", &TestConfig::env, "The environment: what is not written here is not set.",
               config::sample("{LEVEL: debug}"))
        .field("set", &TestConfig::set,
               "Other values for anything in the file; `stages` of its own, where the file has kinds and no stages.",
               config::sample("{stages.work.workers: 1}"))
        .field(
            "clock", &TestConfig::clock,
            "real: on the machine's own clock, with everything outside as it is: files, programs and servers are the "
            "real ones, and so is what sinks write. Nothing is faked then, a source to which the test sends gives what "
            "it is sent and no more, and messages come at no exact time.",
            config::one_of({{"virtual", TestClock::simulated}, {"real", TestClock::real}}))
        .details(
            "A test runs on virtual time and touches nothing outside. It ends when nothing is under way and nothing is "
            "still to be sent. An unset ${NAME} and a secret read as their own name.")
        .example(
            "- name: a slow answer is waited for\n  fake: {score: [{after: 2s, text: '7'}]}\n"
            "  send: [{to: orders, msg: {id: 1}}]\n  expect: [{from: kept, at: 2s, has: {id: 1, score: 7}}]")
        .place(&TestConfig::place)
        .verify([](const TestConfig& test, config::Written& written) {
          const bool real = test.clock == TestClock::real;
          if (real && test.start) written.error("start", "the machine's clock is not set by a test");
          if (real && !test.fake.empty()) {
            written.error("fake", "with `clock: real` the outside is as it is", "leave out one of the two");
          }
          if (test.start && !script::parse_rfc3339(*test.start)) {
            const auto what = script::outside_held_years(*test.start) ? script::not_held : "is no time of day";
            written.error("start", "'" + *test.start + "' " + what, "such as '2030-01-10T01:59:00+01:00'");
          }
          if (test.expect.empty()) {
            written.error("expect", "it expects nothing", "say what must come, such as `- {from: STAGE, msg: {n: 1}}`");
          }
        });

/// Where the value of a key of an entry stands, else the entry.
config::Place place_of(const Node* entry, const char* key, const config::Place& otherwise) {
  const Node* found = entry ? entry->find(key) : nullptr;
  return found ? found->place : otherwise;
}

const Node* item(const Node* list, std::size_t index) {
  return list && list->is_list() && index < list->items.size() ? &list->items[index] : nullptr;
}

/// What a test says against the pipeline that it runs: stages, ports, and what they can be told.
class Against {
 public:
  Against(const graph::Plan& plan, const TestConfig& test, const Node& written, Diagnostics& diagnostics)
      : plan_(plan), test_(test), written_(written), diagnostics_(diagnostics) {
    for (const auto& planned : plan.stages) {
      if (planned.first_step()) names_.push_back(planned.name);
    }
  }

  void check() {
    for (std::size_t i = 0; i < test_.send.size(); ++i) check(test_.send[i], item(written_.find("send"), i));
    if (const Node* fakes = written_.find("fake"); fakes && fakes->is_map()) {
      for (std::size_t i = 0; i < test_.fake.size() && i < fakes->entries.size(); ++i) {
        check(test_.fake[i].second, fakes->entries[i]);
      }
    }
    for (std::size_t i = 0; i < test_.expect.size(); ++i) check(test_.expect[i], item(written_.find("expect"), i));
  }

 private:
  const graph::PlannedStage* stage(const std::string& name, const config::Place& place) {
    if (const auto found = plan_.find(name)) return &plan_.stages[*found + (plan_.stages[*found].gate ? 1 : 0)];
    diagnostics_.error(place, "there is no stage '" + name + "'", config::did_you_mean(name, names_));
    return nullptr;
  }

  void check(const SendConfig& send, const Node* written) {
    for (const auto* word : {"restart", "machine"}) {
      const bool there = std::string_view(word) == "restart" ? send.restart : !send.machine.empty();
      if (!there || test_.clock != TestClock::real) continue;
      diagnostics_.error(place_of(written, word, send.place), "`" + std::string(word) + "` needs the virtual clock");
    }
    if (!send.to) return;
    const auto place = place_of(written, "to", send.place);
    const auto* to = stage(*send.to, place);
    if (!to) return;
    if (to->configured.shape != Shape::source) {
      diagnostics_.error(
          place, "'" + to->name + "' reads from " + to->common.from.front() + ", not outside",
          listed_or(
              "messages are sent to sources: ", "messages are sent to sources: this file has none that reads outside",
              [](const graph::PlannedStage& planned) {
                return planned.configured.shape == Shape::source && planned.configured.touches != Touches::nothing;
              }));
    } else if (to->configured.touches == Touches::nothing) {
      diagnostics_.error(place, "'" + to->name + "' makes its messages itself and runs as it is",
                         "`vars` or `set` may change what it makes");
    }
    if (send.request && !to->configured.listens) {
      diagnostics_.error(place_of(written, "request", send.place),
                         "'" + to->name + "' does not listen: nobody asks there");
    }
    if (test_.run_for && send.at > *test_.run_for) {
      diagnostics_.error(place_of(written, "at", send.place), "that is after the end of the test, `for`");
    }
  }

  void check(const std::vector<FakeConfig>& entries, const Node::Entry& written) {
    const auto* of = stage(written.key, written.key_place);
    if (!of) return;
    const auto shape = of->configured.shape;
    if (of->configured.touches == Touches::nothing) {
      return diagnostics_.error(written.key_place, "'" + of->name + "' touches nothing outside and runs as it is",
                                "a fake stands for the outside of a source or a call");
    }
    const bool takes_all = shape == Shape::duplex && !of->configured.answers && !of->configured.creates;
    if (shape == Shape::sink || takes_all) {
      return diagnostics_.error(written.key_place, "'" + of->name + "' is a sink: it records and needs no fake",
                                "what came to it is asked by `expect: [{from: " + of->name + "}]`");
    }
    const bool program = of->configured.touches == Touches::proc;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const Node* entry = item(&written.value, i);
      if (!entry) continue;
      const auto refuse = [&](std::initializer_list<const char*> words, const std::string& why) {
        for (const auto* word : words) {
          if (const auto* found = entry->entry(word)) {
            diagnostics_.error(found->key_place, "`" + std::string(word) + "` " + why);
          }
        }
      };
      if (shape == Shape::source) {
        refuse({"where", "times"}, "goes with a call; '" + of->name + "' is a source, whose entries come once each");
        if ((entries[i].text && !entries[i].text->constant()) || (entries[i].msg && !entries[i].msg->constant())) {
          diagnostics_.error(place_of(entry, entries[i].text ? "text" : "msg", entries[i].place),
                             "`{{ }}` has nothing to speak of: there is no message here");
        }
      }
      if (of->configured.touches != Touches::net) {
        refuse({"status", "headers"}, "comes from HTTP; '" + of->name + "' is of kind " + of->kind_name());
      }
      if (!program) refuse({"code", "signal", "stderr"}, "comes from a program; '" + of->name + "' runs none");
    }
  }

  void check(const ExpectConfig& expect, const Node* written) {
    if (test_.clock == TestClock::real && expect.at && !expect.of) {
      diagnostics_.error(place_of(written, "at", expect.place), "with `clock: real` a message comes at no exact time",
                         "figures have one: `{of: STAGE, at: …}`");
    }
    if (test_.run_for && expect.at && *expect.at > *test_.run_for) {
      diagnostics_.error(place_of(written, "at", expect.place), "that is after the end of the test, `for`");
    }
    if (expect.of) {
      const auto place = place_of(written, "of", expect.place);
      const auto* of = stage(*expect.of, place);
      if (of && expect.breaker && !of->common.breaker) {
        diagnostics_.error(place_of(written, "breaker", expect.place), "'" + of->name + "' has no breaker");
      }
      const auto& configured = of ? of->configured : stage::Configured();
      if (of && expect.calls && configured.shape != Shape::call && !configured.answers && !configured.creates) {
        diagnostics_.error(place_of(written, "calls", expect.place), "'" + of->name + "' calls nobody");
      }
    }
    if (expect.of && expect.edge) check_edge(*expect.of, *expect.edge, written, expect.place);
    if (expect.answered) {
      const auto place = place_of(written, "answered", expect.place);
      const auto* of = stage(*expect.answered, place);
      if (of && !of->configured.listens) {
        diagnostics_.error(place, "'" + of->name + "' does not listen: nobody asks there, and nobody is answered",
                           listed_or("those that listen: ", "no stage of this file listens",
                                     [](const graph::PlannedStage& planned) { return planned.configured.listens; }));
      }
    }
    if (!expect.from) return;
    const auto place = place_of(written, "from", expect.place);
    const auto refs = graph::outputs(plan_, *expect.from, place, diagnostics_);
    if (refs.empty()) return;
    const auto& of = plan_.stages[refs.front().stage];
    const bool failures = refs.front().port == stage::failed_port || refs.front().port >= of.visible_ports();
    if (failures && plan_.readers(refs.front()).empty()) {
      diagnostics_.error(place, "nobody reads '" + *expect.from + "', so nothing leaves by it",
                         "ask whoever reads `any.failed`, or `{of: " + of.name + ", errors: 1}`");
    }
    for (const char* word : {"status", "headers"}) {
      const bool there = std::string_view(word) == "status" ? expect.status.has_value() : !expect.headers.empty();
      if (!there || sends_answer(plan_, refs.front())) continue;
      diagnostics_.error(place_of(written, word, expect.place),
                         "'" + of.name + "' sends no answer, which has a " +
                             std::string(word == std::string_view("status") ? "status" : "header"),
                         "a `reply` does; what those who ask get is asked by `{answered: SOURCE}`");
    }
    if (expect.path && !of.configured.goes_to) {
      diagnostics_.error(place_of(written, "path", expect.place), "'" + of.name + "' writes no file");
    }
  }

  void check_edge(const std::string& name, const EdgeExpectation& edge, const Node* written,
                  const config::Place& otherwise) {
    const auto found = plan_.find(name);
    if (!found) return;  // Told.
    const auto& of = plan_.stages[*found];
    const auto* value = written ? written->find("edge") : nullptr;
    const auto place = place_of(written, "edge", otherwise);
    if (of.configured.shape == Shape::source) {
      return diagnostics_.error(place, "'" + name + "' reads outside: no edge leads to it");
    }
    if (of.fused) {
      return diagnostics_.error(
          place,
          "there is no edge before '" + name + "': it computes at once what '" + of.common.from.front() + "' puts out",
          "`edge: {capacity: 128}` on the stage makes one");
    }
    for (const auto& [input, amount] : edge.inputs) {
      if (std::find(of.read_as.begin(), of.read_as.end(), input) != of.read_as.end()) continue;
      const auto* entry = value ? value->entry(input) : nullptr;
      diagnostics_.error(entry ? entry->key_place : place, "'" + name + "' does not read '" + input + "'",
                         config::did_you_mean(input, of.read_as, "it reads " + config::listed(of.read_as)));
    }
  }

  template <class Which>
  std::string listed_or(const std::string& before, const std::string& none, Which which) const {
    std::vector<std::string> names;
    for (const auto& planned : plan_.stages) {
      if (which(planned)) names.push_back(planned.name);
    }
    return names.empty() ? none : before + config::listed(names);
  }

  const graph::Plan& plan_;
  const TestConfig& test_;
  const Node& written_;
  Diagnostics& diagnostics_;
  std::vector<std::string> names_;
};

/// All code of a test, where it may stand at all.
void check_code(const config::Reader& reader, const std::string& path, Diagnostics& diagnostics) {
  for (const auto& use : reader.code) {
    const std::string inside = use.path.substr(std::min(path.size() + 1, use.path.size()));
    if (inside.starts_with("vars") || inside.starts_with("set")) continue;  // They are read where they go.
    if (inside.starts_with("expect")) {
      diagnostics.error(use.place, "an expectation is a constant: `{{ }}` is not filled in here",
                        "braces that are meant as such are written \\{{", use.path);
      continue;
    }
    const bool sent = inside.starts_with("send");
    auto wrong = script::check(use, sent ? script::Setting::generate : script::Setting::message);
    if (!wrong) wrong = script::check_vars(use, reader.scope.names());
    if (wrong) wrong->tell(diagnostics, use.path);
  }
}

/// Whether some value of the tree stands at this place.
bool is_written_in(const Node& tree, const config::Place& place) {
  if (tree.place.line == place.line && tree.place.column == place.column) return true;
  const auto at = [&place](const Node& node) { return is_written_in(node, place); };
  return std::any_of(tree.items.begin(), tree.items.end(), at) ||
         std::any_of(tree.entries.begin(), tree.entries.end(), [&at](const auto& entry) { return at(entry.value); });
}

/// What is wrong with the pipeline as a test changes it, which need not be wrong with the file: told with the test.
void tell_of_changed(const Node& test, const Diagnostics& found, Diagnostics& diagnostics) {
  const Node* name = test.find("name");
  for (auto diagnostic : found.all()) {
    const auto& known = diagnostics.all();
    const bool of_file = std::any_of(known.begin(), known.end(), [&](const config::Diagnostic& other) {
      return other.what == diagnostic.what && other.place.str() == diagnostic.place.str();
    });
    if (of_file) continue;
    if (is_written_in(test, diagnostic.place)) {
      diagnostics.add(std::move(diagnostic));
      continue;
    }
    const std::string which = name && name->is_scalar() ? " '" + name->text + "'" : "";
    diagnostic.hint += (diagnostic.hint.empty() ? "" : "\n") +
                       ("it is so in the test" + which + " at " + test.place.str() + ", by what it changes");
    diagnostics.add(std::move(diagnostic));
  }
}

/// The file's tree as a test changes it.
void change(Node& root, const Node& test, Diagnostics& diagnostics) {
  if (const Node* vars = test.find("vars"); vars && vars->is_map()) {
    const Node* known = root.find("vars");
    std::vector<std::string> names;
    if (known) {
      for (const auto& entry : known->entries) names.push_back(entry.key);
    }
    for (const auto& entry : vars->entries) {
      if (std::find(names.begin(), names.end(), entry.key) == names.end()) {
        diagnostics.error(entry.key_place, "the file has no var '" + entry.key + "'",
                          config::did_you_mean(entry.key, names));
        continue;
      }
      config::apply_override(root, "vars." + entry.key, entry.value, entry.key_place, diagnostics);
    }
  }
  if (const Node* set = test.find("set"); set && set->is_map()) {
    for (const auto& entry : set->entries) {
      if (entry.key == "tests" || entry.key.starts_with("tests.")) {
        diagnostics.error(entry.key_place, "a test does not change tests");
        continue;
      }
      const std::string first = entry.key.substr(0, entry.key.find('.'));
      const Node* stages = root.find("stages");
      if (!root.find(first) && stages && stages->find(first)) {
        diagnostics.error(entry.key_place, "the file has no '" + first + "'",
                          "a stage is meant by 'stages." + entry.key + "'");
        continue;
      }
      config::apply_override(root, entry.key, entry.value, entry.key_place, diagnostics);
    }
  }
}

config::Scope::Environment environment_of(const Node* env) {
  std::map<std::string, std::string> names;
  if (env && env->is_map()) {
    for (const auto& entry : env->entries) names[entry.key] = entry.value.text;
  }
  return [names](const std::string& name) -> std::optional<std::string> {
    const auto found = names.find(name);
    return found == names.end() ? std::nullopt : std::optional(found->second);
  };
}

/// A pipeline read for tests.
struct Read {
  config::Scope scope;
  std::shared_ptr<const graph::Plan> plan;  ///< Null where there are mistakes, and of a library.
  bool library = false;
};

Read read_pipeline(const std::shared_ptr<const config::Source>& source, const Node& root, const Node* env,
                   const stage::Catalog& catalog, Diagnostics& diagnostics) {
  Diagnostics found;
  Read read;
  if (auto pipeline = config::load(source, root, environment_of(env), true, found)) {
    read.scope = pipeline->scope;
    read.library = pipeline->library;
    if (read.library) return read;  // What is wrong with that has been told where the file itself was checked.
    if (auto plan = graph::compile(std::move(*pipeline), catalog, found)) {
      read.plan = std::make_shared<const graph::Plan>(std::move(*plan));
    }
  }
  if (found.has_errors()) read.plan.reset();
  // What is only warned of has been told where the file itself was checked.
  for (const auto& one : found.all()) {
    if (one.severity == config::Severity::error) diagnostics.add(one);
  }
  return read;
}

}  // namespace

std::string Amount::text() const {
  if (exactly) return std::to_string(*exactly);
  std::string text = at_least ? "at least " + std::to_string(*at_least) : std::string();
  if (at_most) text += (text.empty() ? "at most " : " and at most ") + std::to_string(*at_most);
  return text.empty() ? "any number" : text;
}

std::vector<graph::PortRef> find_ports(const graph::Plan& plan, const std::string& from) {
  Diagnostics told;  // When it was checked.
  return graph::outputs(plan, from, {}, told);
}

bool sends_answer(const graph::Plan& plan, graph::PortRef from) {
  return plan.stages[from.stage].configured.replies && from.port == stage::main_port && plan.readers(from).empty();
}

std::set<runtime::Duration> TestConfig::looks() const {
  std::set<runtime::Duration> times;
  for (const auto& expected : expect) {
    if (expected.at) times.insert(*expected.at);
  }
  return times;
}

std::optional<runtime::Load> load_of(std::string_view word) {
  for (std::size_t i = 0; i < runtime::loads; ++i) {
    if (runtime::word(static_cast<runtime::Load>(i)) == word) return static_cast<runtime::Load>(i);
  }
  return std::nullopt;
}

const config::Declaration& test_declaration() { return test_spec.declaration(); }

std::vector<Trial> read_tests(const std::shared_ptr<const config::Source>& source, const Node& root,
                              const stage::Catalog& catalog, Diagnostics& diagnostics) {
  std::vector<Trial> trials;
  const Node* tests = root.find("tests");
  if (!tests || tests->is_null()) return trials;
  if (!tests->is_list()) {
    if (!tests->told) {
      diagnostics.error(tests->place, "expected a list of tests, found " + tests->found(),
                        "such as `- {name: …, expect: [{from: STAGE, msg: {n: 1}}]}`", "tests");
    }
    return trials;
  }
  std::optional<Read> unchanged;
  std::map<std::string, config::Place> names;
  for (std::size_t i = 0; i < tests->items.size(); ++i) {
    const Node& written = tests->items[i];
    const std::string path = "tests." + std::to_string(i);
    Read read;
    const bool changes = written.find("vars") || written.find("set") || written.find("env");
    if (changes) {
      Node changed = root;
      change(changed, written, diagnostics);
      Diagnostics found;
      read = read_pipeline(source, changed, written.find("env"), catalog, found);
      tell_of_changed(written, found, diagnostics);
    } else {
      if (!unchanged) unchanged = read_pipeline(source, root, nullptr, catalog, diagnostics);
      read = *unchanged;
    }
    if (read.library) {
      diagnostics.error(written.place, "the file has no stages, and this test brings none",
                        "such as set: {stages: {given: {stdin: {}}, made: {from: given, KIND: …}}}", path);
    }
    config::Reader reader(diagnostics, read.scope, path);
    reader.subject = "a test";
    const auto errors = diagnostics.error_count();
    Trial trial;
    trial.config = test_spec.read(written, reader);
    if (written.is_map() && trial.config.name.empty() && !written.find("name")) continue;  // Told.
    check_code(reader, path, diagnostics);
    if (!trial.config.name.empty()) {
      const Node* name = written.find("name");
      const auto [first, added] = names.emplace(trial.config.name, name ? name->place : written.place);
      if (!added && name) {
        diagnostics.error(name->place, "there is a test of this name already", "it is at " + first->second.str());
      }
    }
    if (read.plan && diagnostics.error_count() == errors)
      Against(*read.plan, trial.config, written, diagnostics).check();
    if (trial.config.start) trial.start = script::parse_rfc3339(*trial.config.start);
    trial.plan = read.plan;
    trials.push_back(std::move(trial));
  }
  return trials;
}

}  // namespace weir::command
