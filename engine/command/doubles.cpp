#include "engine/command/doubles.hpp"

#include <algorithm>
#include <csignal>
#include <set>
#include <system_error>

#include "engine/io/child.hpp"
#include "engine/io/http_path.hpp"
#include "engine/message/asker.hpp"
#include "engine/message/failure.hpp"
#include "engine/runtime/wait.hpp"
#include "engine/script/condition.hpp"
#include "engine/script/text.hpp"

namespace weir::command {
namespace {

using message::Failure;
using message::Message;
using message::Reason;
using stage::Configured;
using stage::Shape;
using stage::Touches;

/// As an entry of `fake` says it.
Failure failure_of(const std::string& kind, const std::string& text) {
  return {message::reason_named(kind).value_or(Reason::fault), text.empty() ? "the test says so" : text};
}

/// Of a name that was checked when it was read.
int signal_of(const std::string& name) {
  int number = 1;
  while (number < NSIG && io::name_of_signal(number) != name) ++number;
  return number;
}

Came came_of(const Message& message) {
  Came came;
  came.payload = message.text();
  if (const auto* metadata = message.metadata()) {
    const auto remembered = std::make_shared<message::Metadata>(*metadata);
    remembered->groups.clear();  // No `gather` waits for what is only remembered.
    came.metadata = remembered;
  }
  return came;
}

/// Who asks in a test: writes down what he is told.
class TestAsker final : public message::Asker {
 public:
  TestAsker(runtime::Core& core, const Record& record, std::vector<Came>& into)
      : core_(core), record_(record), into_(into) {}

  bool answer(message::Answer answer) noexcept override {
    if (!std::exchange(waits_, false)) return false;
    told_ = into_.size();
    Came& came = into_.emplace_back();
    came.at = record_.since_start(core_);
    came.status = answer.status;
    came.headers = std::move(answer.headers);
    came.payload = std::move(answer.body);
    if (answer.failed) {
      const auto why = std::make_shared<message::Metadata>();
      why->failed = std::move(answer.failed);
      came.metadata = why;
    }
    return true;
  }
  bool waits() const noexcept override { return waits_; }
  const Came& told() const { return into_[told_]; }  ///< Once he is no longer waiting.

 private:
  runtime::Core& core_;
  const Record& record_;
  std::vector<Came>& into_;
  std::size_t told_ = 0;
  bool waits_ = true;
};

/// `X-Api-Key` as Lua calls it: x_api_key.
std::string lua_name(std::string name) {
  for (auto& byte : name) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
    if (byte == '-') byte = '_';
  }
  return name;
}

/// Stands behind a port, writes down what passes and lets it on.
class Recorder : public stage::MessageOperator<Recorder> {
 public:
  using MessageOperator::process;

  /// `answers`: what passes has been answered, and the answer is what was sent.
  Recorder(stage::Context& context, const Record& record, std::vector<Came>& into,
           const std::optional<config::Template>& goes_to, bool answers)
      : core_(context.core), record_(record), into_(into), answers_(answers) {
    if (goes_to) context.compile(path_.emplace(), *goes_to);
  }

  void process(Message message, stage::Output& out) {
    Came& came = into_.emplace_back(came_of(message));
    came.at = record_.since_start(core_);
    const auto* metadata = message.metadata();
    const auto* asker = answers_ && metadata ? dynamic_cast<const TestAsker*>(metadata->asker.get()) : nullptr;
    if (asker && !asker->waits()) {
      came.payload = asker->told().payload;
      came.status = asker->told().status;
      came.headers = asker->told().headers;
    }
    // One that can't be filled in has failed in the stage itself.
    if (path_ && path_->fill(message, came.path)) came.path.clear();
    if (out.heard(stage::main_port)) return out.pass(message);
    out.filter(message);
  }

 private:
  runtime::Core& core_;
  const Record& record_;
  std::vector<Came>& into_;
  const bool answers_;
  std::optional<script::Text> path_;
};

}  // namespace

struct Doubles::Inside {
  /// How the text of a source's fake becomes messages.
  enum class Reading : std::uint8_t {
    files,  ///< By the kind itself: the text is the content of its file, or its standard input.
    child,  ///< By the kind itself: a simulated program prints the text.
    run,    ///< By the kind's own call: one run of the program for each entry.
    whole,  ///< The text is what one call over the network brought.
    lines   ///< Each line is a message; of a kind whose outside can't be simulated.
  };
  struct Event {
    runtime::Time at{};
    const SendConfig* send = nullptr;
    const FakeConfig* fake = nullptr;
    std::int64_t number = 1;  ///< Of `times`.
  };
  struct Source {
    std::string name;
    Reading reading = Reading::lines;
    Configured once;   ///< The kind as it reads one entry, without what makes it go on for ever.
    std::string path;  ///< Of its file.
    std::vector<Event> events;
    std::size_t next = 0;  ///< Over restarts: the outside doesn't repeat itself.
    bool stays = false;    ///< Open until the test lets it end.
    const Record* record = nullptr;
    std::vector<Came>* answered = nullptr;  ///< Where it listens: what its askers get.
    std::function<message::Done(message::Request& request, std::string_view body)> admit;
    std::function<std::optional<message::Answer>(const message::Request& request, std::string_view body)> turns_away;
    std::optional<stage::Serves> serves;
    runtime::Waiter* waiting = nullptr;
  };
  struct Call {
    std::string name;
    const std::vector<FakeConfig>* entries = nullptr;  ///< Null: the test has no fake for it.
    std::vector<std::int64_t> used;                    ///< By entry, over restarts.
    Configured real;
    bool program = false, net = false;
    std::string child;                  ///< The name of its program, where that stays,
    bool by_lines = false;              ///< and answers each message with one line.
    std::vector<Came>* sent = nullptr;  ///< Where nobody reads its results, and the test asks for what it sends.
  };

  /// `on`: null on the machine's clock.
  Inside(const Trial& of, const stage::Catalog& kinds, runtime::SimulatedRuntime* on)
      : trial(of), catalog(kinds), simulated(on) {
    if (!simulated) return;
    simulated->programs().otherwise([this](const runtime::Command& command) {
      if (!next_child) {
        throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory), command.argv.front());
      }
      return std::move(*std::exchange(next_child, std::nullopt));
    });
  }

  const Trial& trial;
  const stage::Catalog& catalog;
  runtime::SimulatedRuntime* const simulated;
  Record record;
  std::map<std::size_t, Source> sources;  // By stage.
  std::map<std::size_t, Call> calls;
  bool ending = false;
  /// What the next program that is started does. Set right before the stage is called that starts one: nothing can come
  /// between, for a coroutine that is awaited begins at once.
  std::optional<runtime::Behaviour> next_child;

  void refuse(const std::string& what,
              const std::string& hint = "add an entry to `fake`, such as {text: '…'} or {failed: timeout}") {
    refuse(trial.config.place, what, hint);
  }
  void refuse(const config::Place& place, const std::string& what, const std::string& hint) {
    const bool told = std::any_of(record.refused.begin(), record.refused.end(), [&](const auto& other) {
      return other.what == what && other.place.line == place.line && other.place.column == place.column;
    });
    if (!told) record.refused.push_back({config::Severity::error, place, {}, what, hint});
  }

  static runtime::Exit exit_of(const FakeConfig& fake) {
    runtime::Exit exit;
    exit.code = static_cast<int>(fake.code.value_or(0));
    if (fake.signal) exit.signal = signal_of(*fake.signal);
    return exit;
  }
  static runtime::Behaviour behaviour(const FakeConfig& fake, bool wait, std::string text, std::string errors) {
    runtime::Behaviour behaviour;
    runtime::Behaviour::Step step;
    if (wait) step.after = fake.after;
    step.output = std::move(text);
    step.error = std::move(errors);
    behaviour.steps.push_back(std::move(step));
    behaviour.exit = exit_of(fake);
    return behaviour;
  }

  // --- sources -----------------------------------------------------------------------------------------------------

  void prepare(Source& source, const graph::PlannedStage& planned) {
    source.name = planned.name;
    const auto& test = trial.config;
    runtime::Time at{};
    for (const auto& [name, entries] : test.fake) {
      if (name != planned.name) continue;
      for (const auto& entry : entries) {
        Event event;
        event.at = at += entry.after;
        event.fake = &entry;
        source.events.push_back(event);
      }
    }
    for (const auto& send : test.send) {
      if (!send.to || *send.to != planned.name) continue;
      source.stays = simulated != nullptr;
      for (std::int64_t n = 0; n < send.times; ++n) {
        Event event;
        event.at = runtime::Time(send.at + n * send.every.value_or(runtime::Duration{0}));
        event.send = &send;
        event.number = n + 1;
        source.events.push_back(event);
      }
    }
    std::stable_sort(source.events.begin(), source.events.end(),
                     [](const Event& a, const Event& b) { return a.at < b.at; });
    choose_reading(source, planned);
    if (!planned.configured.listens) return;
    source.record = &record;
    source.answered = &record.answered[planned.name];
    source.admit = planned.configured.admit;
    source.turns_away = planned.configured.turns_away;
    source.serves = planned.configured.serves;
  }

  /// The kind once more, without the words that make it go on for ever: so its own code reads each entry.
  void choose_reading(Source& source, const graph::PlannedStage& planned) {
    const auto* node = trial.plan->pipeline.find(planned.name);
    const auto* kind = node->body.entry(planned.kind->name());
    if (!kind) return;
    config::Node once = kind->value;
    const auto without = [&once](std::string_view key) {
      return std::erase_if(once.entries, [&](const config::Node::Entry& entry) { return entry.key == key; }) > 0;
    };
    const bool again = without("every");
    without("restart");
    without("pages");
    for (auto& entry : once.entries) {
      if (entry.key != "follow") continue;
      entry.key = "read";
      without("poll");
      without("start");
      break;
    }
    config::Diagnostics ignored;  // It was good before.
    const auto& scope = node->scope;
    config::Reader reader(ignored, scope);
    source.once = planned.kind->configure(once, reader);
    if (ignored.has_errors()) return;
    if (planned.configured.touches == Touches::fs) {
      source.reading = Reading::files;
      if (const auto* read = once.find("read")) {
        if (const auto filled = scope.fill(*read, false, ignored, "")) source.path = filled->text;
      }
    } else if (planned.configured.touches == Touches::proc) {
      source.reading = again ? Reading::run : Reading::child;
      if (source.once.shape != (again ? Shape::call : Shape::source)) source.reading = Reading::lines;
    } else if (again && source.once.shape == Shape::call) {
      source.reading = Reading::whole;
    }
  }

  static stage::Task<> play(Inside& inside, Source& played, stage::Source& source) {
    const auto began = inside.record.began;
    while (played.next < played.events.size()) {
      const Event& event = played.events[played.next];
      if (event.at + began > source.core.now()) co_await source.sleep_until(event.at + began);
      ++played.next;
      if (event.send) {
        send(inside, played, event, source);
      } else {
        co_await read(inside, played, *event.fake, source);
      }
      if (source.full()) co_await source.flush();
      if (source.abandoned()) co_return;
    }
    co_await source.flush();
    if (!played.stays) co_return;
    runtime::Waiter waiter(source.core);
    const Waiting waiting(played, waiter);
    while (!inside.ending) co_await waiter.wait();
  }

  /// That a source waits to be let go.
  class Waiting {
   public:
    Waiting(Source& source, runtime::Waiter& waiter) : source_(source) { source_.waiting = &waiter; }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() { source_.waiting = nullptr; }

   private:
    Source& source_;
  };

  /// What the asker is told in place of the stage, which does not serve what he asks for. Nothing where no path or
  /// method is written: then he asks for what it serves.
  static std::optional<message::Answer> not_served(const stage::Serves& serves, const RequestConfig& said) {
    std::string why;
    const auto path = io::HttpPath::parse(serves.path, why);
    io::HttpPath::Found params;
    if (path && said.path && !path->match(*said.path, params)) return io::http_not_served({});
    if (said.method && !io::http_takes(serves.methods, *said.method)) return io::http_not_served(serves.methods);
    return std::nullopt;
  }

  /// Puts a message out; behind that of a source that listens stands somebody who asks. Nothing: it was refused.
  static std::optional<Message> give(const Source& played, const RequestConfig& said, std::string_view payload,
                                     stage::Source& source) {
    if (!played.answered) return source.emit(payload);
    const auto request = std::make_shared<message::Request>();
    const bool takes_get = !played.serves || io::http_takes(played.serves->methods, "GET");
    request->method = said.method.value_or(takes_get ? "GET" : played.serves->methods.front());
    request->path = said.path.value_or("/");
    request->client = said.client;
    request->params = said.params;
    request->query = said.query;
    for (const auto& [name, value] : said.headers) request->headers.emplace_back(lua_name(name), value);
    const auto asker = std::make_shared<TestAsker>(source.core, *played.record, *played.answered);
    if (played.serves) {
      if (auto told = not_served(*played.serves, said)) {
        asker->answer(std::move(*told));
        return std::nullopt;
      }
    }
    if (played.turns_away) {
      if (auto told = played.turns_away(*request, payload)) {
        asker->answer(std::move(*told));
        return std::nullopt;
      }
    }
    auto refused = played.admit ? played.admit(*request, payload) : std::nullopt;
    const auto metadata = std::make_shared<message::Metadata>();
    metadata->request = request;
    metadata->asker = asker;
    if (!refused) refused = source.enters(metadata, payload);
    if (refused) {
      source.origin = metadata;
      source.refuse(payload, std::move(*refused));
      source.origin = nullptr;
      return std::nullopt;
    }
    const Message message = source.emit(payload);
    message.batch().share_metadata(message.row(), metadata);
    return message;
  }

  static void send(Inside& inside, const Source& played, const Event& event, stage::Source& source) {
    const SendConfig& sent = *event.send;
    script::Names names;
    names.i = event.number;
    std::string payload;
    message::Done failure;
    if (sent.msg) {
      script::Tree tree;
      source.compile(tree, *sent.msg, script::Setting::generate);
      auto made = tree.json(names, payload);
      if (!made) failure = std::move(made.failure());
      if (made && !*made) payload = "null";
    } else if (sent.text) {
      script::Text text;
      source.compile(text, *sent.text, script::Setting::generate);
      failure = text.fill(names, payload);
    } else {
      payload = "{}";
    }
    if (failure) {
      return inside.refuse(sent.place, "what is to be sent can't be made: " + failure->text,
                           sent.times > 1 ? "with i = " + std::to_string(event.number) : std::string());
    }
    const auto message = give(played, sent.request.value_or(RequestConfig()), payload, source);
    if (!message) return;
    for (const auto& [name, value] : sent.meta) {
      auto& metadata = message->edit_metadata();
      const std::string text = value.kind == config::Value::Kind::text ? value.text.text() : value.json();
      if (name == "key") {
        metadata.key = text;
      } else if (name == "attempt") {
        metadata.attempt = static_cast<int>(config::parse_integer(text).value_or(1));
      } else {
        metadata.own[name] = value.json();
      }
    }
  }

  static stage::Task<> read(Inside& inside, Source& played, const FakeConfig& fake, stage::Source& source) {
    std::string text = fake.text ? fake.text->text() : std::string();
    if (fake.failed) {
      source.refuse({}, failure_of(*fake.failed, text));
      co_return;
    }
    if (fake.msg) text = fake.msg->json() + (played.reading == Reading::whole ? "" : "\n");
    const std::string errors = fake.error_text ? fake.error_text->text() : std::string();
    switch (played.reading) {
      case Reading::files:
        if (!played.path.empty()) inside.simulated->files().put(played.path, text);
        inside.simulated->files().give_standard_input(text);
        co_await played.once.run_source(source);
        break;
      case Reading::child:
        inside.next_child = behaviour(fake, false, text, errors);
        co_await played.once.run_source(source);
        break;
      case Reading::run:
        inside.next_child = behaviour(fake, false, text, errors);
        co_await run_once(played, source);
        break;
      case Reading::whole:
        take(played, fake, std::move(text), source);
        break;
      case Reading::lines:
        for (std::string_view rest = text; !rest.empty();) {
          const auto end = std::min(rest.find('\n'), rest.size());
          give(played, RequestConfig(), rest.substr(0, end), source);
          rest.remove_prefix(std::min(end + 1, rest.size()));
          if (source.full()) co_await source.flush();
        }
        break;
    }
  }

  /// What a call with such an answer brings.
  static std::shared_ptr<message::Result> result_of(const FakeConfig& fake, std::string text) {
    auto result = std::make_shared<message::Result>();
    result->status = static_cast<int>(fake.status.value_or(200));
    for (const auto& [name, value] : fake.headers) result->headers.emplace_back(lua_name(name), value);
    result->text = std::move(text);
    result->seconds = std::chrono::duration<double>(fake.after).count();
    return result;
  }
  static message::Done judge(const Configured& kind, const message::Result& result, runtime::WallTime now) {
    if (kind.judge) return kind.judge(result, now);
    const int status = result.status.value_or(0);
    if (status < 400) return std::nullopt;
    Failure failure(Reason::status, "answered " + std::to_string(status));
    failure.may_pass = status == 429 || status >= 500;
    for (const auto& [name, value] : result.headers) {
      const auto seconds = config::parse_integer(value);
      if (name == "retry_after" && seconds) failure.retry_after = std::chrono::seconds(*seconds);
    }
    return failure;
  }

  /// As at a tick: the reply is the message.
  static void take(const Source& played, const FakeConfig& fake, std::string text, stage::Source& source) {
    const std::shared_ptr<const message::Result> result = result_of(fake, std::move(text));
    if (auto failure = judge(played.once, *result, source.core.wall())) {
      source.refuse_result(result->text, std::move(*failure), result);
    } else {
      source.emit(result->text).edit_metadata().result = result;
    }
  }

  /// As at a tick: what the program printed is the message.
  static stage::Task<> run_once(Source& played, stage::Source& source) {
    const auto call = played.once.make_call(source);
    const auto batch = message::Batch::make();
    const Message asked(*batch, batch->append({}, source.core.now()));
    message::Done failure = co_await call->call(asked);
    const auto* metadata = asked.metadata();
    const auto result = metadata ? metadata->result : nullptr;
    if (failure) {
      std::string said;
      if (result) said = result->text.empty() ? result->error_text : result->text;
      source.refuse_result(said, std::move(*failure), result);
    } else if (result) {
      source.emit(result->text).edit_metadata().result = result;
    }
  }

  // --- calls -------------------------------------------------------------------------------------------------------

  /// It happens now. `sends`: what goes out, where that is not the message.
  void note_call(const Call& call, const Message& message, const runtime::Core& core,
                 std::optional<std::string> sends) {
    ++record.calls[call.name];
    if (!call.sent) return;
    Came& came = call.sent->emplace_back(came_of(message));
    came.at = record.since_start(core);
    if (sends) came.payload = std::move(*sends);
  }

  class FakedCall final : public stage::Call {
   public:
    FakedCall(Inside& inside, Inside::Call& faked, stage::Context& context)
        : inside_(inside), faked_(faked), context_(context) {
      if (faked.program || faked.net) real_ = faked.real.make_call(context);
      if (!faked.entries) return;
      for (const auto& entry : *faked.entries) {
        auto& compiled = entries_.emplace_back();
        if (entry.where) context.compile(compiled.where.emplace(), *entry.where);
        if (entry.msg) context.compile(compiled.msg.emplace(), *entry.msg);
        if (entry.text) context.compile(compiled.text.emplace(), *entry.text);
        if (entry.error_text) context.compile(compiled.error_text.emplace(), *entry.error_text);
      }
    }

    stage::Task<message::Done> call(Message message) override {
      std::string text, errors, sends;
      message::Done failure;
      if (real_) failure = real_->compose(message, sends);
      if (!faked_.child.empty()) message.forget_result();
      if (failure) co_return failure;  // Nobody is called by it.
      inside_.note_call(faked_, message, context_.core, real_ ? std::optional(std::move(sends)) : std::nullopt);
      const auto chosen = choose(message, failure);
      if (!chosen) co_return failure;
      const FakeConfig& fake = (*faked_.entries)[*chosen];
      failure = fill(entries_[*chosen], message, text, errors);
      if (failure) co_return refuse(fake, message, "what it answers can't be made: " + failure->text);
      if (faked_.program && !fake.failed) {
        inside_.next_child = behaviour(fake, true, std::move(text), std::move(errors));
        failure = co_await real_->call(message);
        inside_.next_child.reset();  // Of one that failed before it started a program.
        co_return failure;
      }
      const auto began = context_.core.now();
      co_await context_.core.sleep_until(began + fake.after);
      if (fake.failed) {
        co_return failure_of(*fake.failed, text);
      }
      if (!faked_.child.empty()) co_return answer(fake, message, std::move(text), errors);
      auto result = result_of(fake, std::move(text));
      failure = judge(faked_.real, *result, context_.core.wall());
      message.edit_metadata().result = std::move(result);
      co_return failure;
    }

    bool may_be_remembered(const Message& message) const override {
      return !real_ || real_->may_be_remembered(message);
    }
    bool may_be_doubled(const Message& message) const override { return !real_ || real_->may_be_doubled(message); }

   private:
    /// Of a child that stays: what it says, or how it ends of the message.
    message::Done answer(const FakeConfig& fake, const Message& message, std::string text, std::string_view errors) {
      const auto exit = exit_of(fake);
      if (!exit.ok()) return Failure(Reason::exit, io::describe_end(faked_.child, exit, errors));
      if (faked_.by_lines) {
        if (text.ends_with('\n')) text.pop_back();
        if (text.find('\n') != std::string::npos) {
          inside_.refuse("the `fake` of '" + faked_.name + "' answers one message with several lines",
                         "a child with `framing: lines` answers each message with one");
          return no_answer();
        }
      }
      auto result = std::make_shared<message::Result>();
      result->text = std::move(text);
      message.edit_metadata().result = std::move(result);
      return std::nullopt;
    }
    struct Compiled {
      std::optional<script::Condition> where;
      std::optional<script::Tree> msg;
      std::optional<script::Text> text, error_text;
    };

    /// The entry that answers. None: `failure` says why.
    std::optional<std::size_t> choose(const Message& message, message::Done& failure) {
      for (std::size_t i = 0; i < entries_.size(); ++i) {
        const FakeConfig& fake = (*faked_.entries)[i];
        if (fake.times && faked_.used[i] >= *fake.times) continue;
        if (entries_[i].where) {
          const auto holds = entries_[i].where->holds(message);
          if (!holds) {
            failure = refuse(fake, message, "`where` can't be answered: " + holds.failure().text);
            return std::nullopt;
          }
          if (!*holds) continue;
        }
        ++faked_.used[i];
        return i;
      }
      inside_.refuse(faked_.entries
                         ? "no entry under `fake: " + faked_.name + "` answers the message " + start_of(message)
                         : "'" + faked_.name +
                               "' calls outside, and the test has no `fake` for it; it was to take the message " +
                               start_of(message));
      failure = no_answer();
      return std::nullopt;
    }

    /// Of an entry whose own code fails: the mistake is the test's, and no answer of the outside.
    Failure refuse(const FakeConfig& fake, const Message& message, const std::string& what) {
      inside_.refuse(fake.place, what, "for the message " + start_of(message));
      return no_answer();
    }
    static Failure no_answer() { return {Reason::fault, "the test has no answer to this call"}; }
    static std::string start_of(const Message& message) {
      constexpr std::size_t shown_bytes = 200;
      const std::string_view text = message.text();
      return std::string(text.substr(0, shown_bytes)) + (text.size() > shown_bytes ? "…" : "");
    }

    static message::Done fill(const Compiled& entry, const Message& message, std::string& text, std::string& errors) {
      if (entry.msg) {
        auto made = entry.msg->json(message, text);
        if (!made) return std::move(made.failure());
      }
      if (entry.text) {
        if (auto failure = entry.text->fill(message, text)) return failure;
      }
      return entry.error_text ? entry.error_text->fill(message, errors) : std::nullopt;
    }

    Inside& inside_;
    Inside::Call& faked_;
    stage::Context& context_;
    std::unique_ptr<stage::Call> real_;
    std::vector<Compiled> entries_;
  };

  /// The call itself, counted, and written down where the test asks for what it sends.
  class WatchedCall final : public stage::Call {
   public:
    WatchedCall(Inside& inside, Inside::Call& watched, stage::Context& context)
        : inside_(inside), watched_(watched), context_(context), real_(watched.real.make_call(context)) {}

    stage::Task<message::Done> call(Message message) override {
      std::string sends;
      const bool composed = watched_.sent && !real_->compose(message, sends);
      inside_.note_call(watched_, message, context_.core, composed ? std::optional(std::move(sends)) : std::nullopt);
      return real_->call(std::move(message));
    }
    bool may_be_remembered(const Message& message) const override { return real_->may_be_remembered(message); }
    bool may_be_doubled(const Message& message) const override { return real_->may_be_doubled(message); }

   private:
    Inside& inside_;
    Inside::Call& watched_;
    stage::Context& context_;
    const std::unique_ptr<stage::Call> real_;
  };

  void prepare(Call& call, const graph::PlannedStage& planned) {
    call.name = planned.name;
    call.real = planned.configured;
    const bool stays = planned.configured.shape == Shape::duplex;
    call.program = planned.configured.touches == Touches::proc && !stays;
    if (stays) {
      call.child = program_of(planned);
      const auto* framing = option_of(planned, "framing");
      call.by_lines = !planned.configured.creates && (!framing || framing->text == "lines");
    }
    call.net = planned.configured.touches == Touches::net;
    for (const auto& [name, entries] : trial.config.fake) {
      if (name != planned.name) continue;
      call.entries = &entries;
      call.used.resize(entries.size());
    }
  }

  /// As written. Null: it is not.
  const config::Node* option_of(const graph::PlannedStage& planned, std::string_view option) const {
    const auto* kind = trial.plan->pipeline.find(planned.name)->body.entry(planned.kind->name());
    return kind ? kind->value.find(option) : nullptr;
  }
  std::string program_of(const graph::PlannedStage& planned) const {
    const config::Node* argv = option_of(planned, "pipe");
    if (!argv) return planned.name;
    return argv->is_list() && !argv->items.empty() ? argv->items.front().text : argv->text;
  }

  /// Of a child that says what it likes: the lines of what a message is answered are messages.
  static stage::Task<> talk(Inside& inside, Call& faked, stage::Duplex& duplex) {
    FakedCall call(inside, faked, duplex);
    while (auto delivery = co_await duplex.receive()) {
      for (std::size_t row = 0; row < (*delivery)->size(); ++row) {
        const Message message(**delivery, row);
        if (auto failure = co_await call.call(message)) {
          duplex.out.fail(message, std::move(*failure));
          continue;
        }
        const auto result = message.metadata()->result;
        for (std::string_view rest = result->text; !rest.empty();) {
          const auto end = std::min(rest.find('\n'), rest.size());
          duplex.out.emit(stage::main_port, rest.substr(0, end), duplex.core.now());
          rest.remove_prefix(std::min(end + 1, rest.size()));
          if (duplex.out.full()) co_await duplex.flush();
        }
        duplex.out.absorb(**delivery, row);
        (*delivery)->done(row);
      }
      co_await duplex.flush();
    }
  }

  // --- sinks -------------------------------------------------------------------------------------------------------

  /// Of a kind whose outside can't be simulated: everything arrives.
  static stage::Task<> take_all(stage::Driver& driver) {
    while (auto delivery = co_await driver.receive()) driver.out.pass_rest(**delivery, 0);
  }

  /// The disk of a test has the directories that its file writes to.
  void make_directories() {
    for (const auto& planned : trial.plan->stages) {
      const auto& goes_to = planned.configured.goes_to;
      if (!goes_to || goes_to->parts.empty() || goes_to->parts.front().lua) continue;
      const std::string& path = goes_to->parts.front().text;
      const auto slash = path.rfind('/');
      if (slash != std::string::npos && slash > 0) simulated->files().make_directories(path.substr(0, slash));
    }
  }

  // --- the plan ----------------------------------------------------------------------------------------------------

  void replace(std::size_t index, graph::PlannedStage& planned) {
    auto& configured = planned.configured;
    if (configured.touches == Touches::nothing) return;
    const auto& sends = trial.config.send;
    const bool is_sent_to =
        std::any_of(sends.begin(), sends.end(), [&](const auto& send) { return send.to == planned.name; });
    if (configured.shape == Shape::source) {
      if (!simulated && !is_sent_to) return;
      const auto [at, added] = sources.try_emplace(index);
      Source& source = at->second;
      if (added) prepare(source, planned);
      configured.run_source = [this, &source](stage::Source& runs) { return play(*this, source, runs); };
    } else if (configured.shape == Shape::duplex && !simulated) {
      // It talks to its child as outside.
    } else if (configured.shape == Shape::duplex && !configured.answers && !configured.creates) {
      // All that it does is take what comes.
      configured.shape = Shape::sink;
      configured.run_sink = [](stage::Driver& driver) { return take_all(driver); };
    } else if (configured.shape == Shape::call || configured.shape == Shape::duplex) {
      const auto [at, added] = calls.try_emplace(index);
      Call& call = at->second;
      if (added) prepare(call, planned);
      if (configured.creates) {
        configured.run_duplex = [this, &call](stage::Duplex& duplex) { return talk(*this, call, duplex); };
        return;
      }
      configured.shape = Shape::call;
      configured.make_call = [this, &call](stage::Context& context) -> std::unique_ptr<stage::Call> {
        if (!simulated) return std::make_unique<WatchedCall>(*this, call, context);
        return std::make_unique<FakedCall>(*this, call, context);
      };
    } else if (simulated && configured.shape == Shape::sink && configured.touches != Touches::fs) {
      configured.run_sink = [](stage::Driver& driver) { return take_all(driver); };
    }
    // A sink that writes to the simulated disk does so, and fails there as it would outside.
  }

  /// Puts a recorder behind a port, as an operator fused to its stage: no edge, no capacity, no turn of its own, and
  /// whoever was fused before is fused still. (Workers of an operator would each write down theirs as it comes, not in
  /// the order in which their reader takes them: there one does the work.)
  void record_port(graph::Plan& plan, graph::PortRef from, std::vector<Came>& into) {
    const auto& recorded = plan.stages[from.stage];
    graph::PlannedStage recorder;
    recorder.name = recorded.name + "." + recorded.ports[from.port] + " as recorded";
    recorder.kind = recorded.kind;
    recorder.place = recorded.place;
    recorder.ports = {"main", "failed"};
    recorder.inputs.push_back(from);
    recorder.fused = true;
    const auto goes_to = from.port == stage::main_port ? recorded.configured.goes_to : std::nullopt;
    const bool answers = sends_answer(plan, from);
    recorder.configured.make_operator = [this, &into, goes_to, answers](stage::Context& context) {
      return std::make_unique<Recorder>(context, record, into, goes_to, answers);
    };
    const std::size_t index = plan.stages.size();
    for (auto& reader : plan.stages) {
      for (auto& input : reader.inputs) {
        if (input == from) input = graph::PortRef(index, stage::main_port);
      }
    }
    plan.stages.push_back(std::move(recorder));
    for (auto& unit : plan.units) {
      const auto at = std::find(unit.stages.begin(), unit.stages.end(), from.stage);
      if (at == unit.stages.end()) continue;
      unit.stages.insert(at + 1, index);
      unit.replicas = 1;
    }
  }
};

Doubles::Doubles(const Trial& trial, const stage::Catalog& catalog, runtime::SimulatedRuntime& runtime)
    : inside_(std::make_unique<Inside>(trial, catalog, &runtime)) {
  inside_->make_directories();
}
Doubles::Doubles(const Trial& trial, const stage::Catalog& catalog, runtime::RealRuntime& runtime)
    : inside_(std::make_unique<Inside>(trial, catalog, nullptr)) {
  inside_->record.began = runtime.core(0).now().time_since_epoch();
}
Doubles::~Doubles() {
  if (inside_->simulated) inside_->simulated->programs().otherwise(nullptr);
}

graph::Plan Doubles::plan() {
  Inside& inside = *inside_;
  graph::Plan plan = *inside.trial.plan;
  const std::size_t stages = plan.stages.size();
  for (std::size_t i = 0; i < stages; ++i) inside.replace(i, plan.stages[i]);
  std::set<std::string> asked;
  for (const auto& expect : inside.trial.config.expect) {
    if (expect.from) asked.insert(*expect.from);
  }
  for (const auto& text : asked) {
    auto& into = inside.record.came[text];
    for (const auto& from : find_ports(*inside.trial.plan, text)) {
      const auto& planned = plan.stages[from.stage];
      const bool unread_call = planned.configured.shape == Shape::call && from.port == stage::main_port &&
                               plan.readers(from).empty() && inside.calls.contains(from.stage);
      if (unread_call) {
        inside.calls[from.stage].sent = &into;
      } else {
        inside.record_port(plan, from, into);
      }
    }
  }
  return plan;
}

void Doubles::end_sources() {
  inside_->ending = true;
  for (auto& [stage, source] : inside_->sources) {
    if (source.waiting) source.waiting->wake();
  }
}

const Record& Doubles::record() const { return inside_->record; }

}  // namespace weir::command
