// exec: runs programs: one for each message, one at each tick, or one that stays, and prints messages or takes them.
#include <algorithm>
#include <system_error>

#include "engine/io/child.hpp"
#include "engine/message/document.hpp"
#include "engine/script/text.hpp"
#include "engine/stage/kind.hpp"
#include "engine/stage/pipe.hpp"
#include "engine/stage/ticks.hpp"

namespace weir::stages {
namespace {

using namespace std::chrono_literals;

struct LimitsConfig {
  std::optional<config::Duration> cpu;
  std::optional<config::Size> memory;
  std::optional<std::int64_t> files;
};

struct ExecConfig {
  std::optional<std::vector<config::Template>> run;
  std::optional<std::vector<config::Template>> pipe;
  std::optional<config::Duration> every;
  std::optional<config::Template> input;
  config::Map<config::Template> env;
  std::string dir;
  std::vector<std::int64_t> ok;
  io::Framing framing = io::Framing::lines;
  std::optional<stage::Reply> reply;
  std::optional<config::DurationRange> restart;
  std::int64_t unanswered = 2000;
  std::int64_t attempts = 3;
  std::optional<std::vector<std::string>> allow;
  std::optional<LimitsConfig> limits;

  const std::vector<config::Template>& argv() const { return run ? *run : *pipe; }
  const char* role() const { return run ? "run" : "pipe"; }
  bool calls() const { return run && !every; }
};

constexpr std::size_t read_bytes = 16 * 1024;

/// Of a `pipe`. Inside a kind of one's own `reply` tells, where `from` is not needed.
bool takes_messages(const ExecConfig& config, const config::Reader& reader) {
  return config.pipe && (reader.fed || (reader.inside && config.reply));
}

// ------------------------------------------------------------------------------------------------- what is not allowed

bool is_shell(const std::string& whole) {
  const std::string name = whole.substr(whole.rfind('/') + 1);
  for (const char* shell : {"sh", "bash", "dash", "zsh", "ksh", "ash", "fish"}) {
    if (name == shell) return true;
  }
  return false;
}

bool is_shell(const config::Template& text) { return text.constant() && is_shell(text.text()); }

/// `-c`, `-ec`: what follows is code.
bool takes_code(const config::Template& text) {
  const std::string flag = text.text();
  return text.constant() && flag.size() >= 2 && flag[0] == '-' && flag[1] != '-' && flag.find('c') != std::string::npos;
}

void verify(const ExecConfig& config, config::Written& written) {
  const std::string role = config.role();
  const auto& argv = config.argv();
  const bool fed = takes_messages(config, written.reader());
  if (config.pipe && !fed) {
    for (const char* key : {"reply", "unanswered", "attempts"}) {
      if (written.has(key)) written.error(key, "nobody gives this child anything to answer", "say `from: STAGE`");
    }
  }
  if (config.framing == io::Framing::raw && fed && !written.reader().fed_unknown &&
      config.reply.value_or(stage::Reply::one) == stage::Reply::one) {
    written.error("framing", "of raw bytes nobody can say where an answer ends",
                  "write `reply: none` or `reply: free`");
  }
  if (config.restart && config.restart->from <= 0s) {
    written.error("restart", "a restart without a pause would take the whole machine", "write `100ms..30s`");
  }
  if (config.allow && argv.front().constant()) {
    written.error("allow", "no message chooses the program here: it is written", "leave `allow` out");
  }
  if (!argv.front().constant()) {
    if (!config.allow && config.calls()) {
      written.error(role, "a message would choose the program, and nothing says which ones it may",
                    "list them: `allow: [psql, find]`; or write the program, and `{{ }}` in its arguments only");
    }
    for (const auto& program : config.allow.value_or(std::vector<std::string>())) {
      if (!is_shell(program)) continue;
      written.error("allow", "'" + program + "' runs whatever it is given: so would every message",
                    "name the programs themselves");
    }
  } else if (argv.front().text().empty()) {
    written.error(role, "the program has no name");
  } else if (argv.size() == 1 && argv.front().text().find(' ') != std::string::npos) {
    written.warning(role, "'" + argv.front().text() + "' is looked for as the name of one program",
                    "the command line is a list: [ls, '-l']; no shell takes it apart");
  }
  bool shell = false, code = false;
  for (const auto& text : argv) {
    if (code && !text.constant()) {
      written.error(role, "a template after the shell's `-c` may become code",
                    "hand it over by `stdin`, or by `env: {ID: '{{ … }}'}`, which the code reads as \"$ID\"");
      break;
    }
    code = code || (shell && takes_code(text));
    shell = shell || is_shell(text);
  }
  for (const auto& [name, value] : config.env) {
    if (name.empty() || name.find('=') != std::string::npos) {
      written.error("env", "'" + name + "' can't be the name of a variable");
    }
  }
  if (config.pipe || !config.calls()) {
    const auto constant = [](const config::Template& text) { return text.constant(); };
    const auto refuse = [&](const char* key) {
      written.error(key,
                    fed ? "`{{ }}` has nothing to speak of: the child is there before its messages"
                        : "`{{ }}` has nothing to speak of: there is no message here",
                    fed ? "a message is written into `stdin`" : "what is known at start is written `${name}`");
    };
    if (!std::all_of(argv.begin(), argv.end(), constant)) refuse(role.c_str());
    if (config.input && !config.input->constant() && !fed) refuse("stdin");
    if (!std::all_of(config.env.begin(), config.env.end(), [&](const auto& entry) { return constant(entry.second); })) {
      refuse("env");
    }
  }
}

const auto limits_spec =
    config::Spec<LimitsConfig>("limits", "What a program may use; each process that it starts for itself.")
        .field("cpu", &LimitsConfig::cpu, "Processor time, in whole seconds; then SIGXCPU.", config::at_least(1),
               config::sample("10s"))
        .field("memory", &LimitsConfig::memory,
               "Memory that it may ask for (its address space); more than that it does not get.",
               config::at_least(1024 * 1024), config::sample("256MiB"))
        .field("files", &LimitsConfig::files, "Files and sockets that it may have open.", config::at_least(3),
               config::sample("64"));

const auto spec =
    config::Spec<ExecConfig>("exec", "Runs programs: one for each message or tick, or one that stays.")
        .role("run", &ExecConfig::run,
              "Program and arguments, run once for each message, or with `every` once a tick. What it prints becomes "
              "the payload, or `result.text` in `merge`.",
              config::not_empty(), config::sample("[./score, '{{ msg.id }}']"))
        .one_or_more()
        .role("pipe", &ExecConfig::pipe,
              "Program and arguments of a child that stays. Each line that it prints is a message, as it appears. With "
              "`from` it gets the messages, each as a line, and its lines are the answers.",
              config::not_empty(), config::sample("[tail, -n, '0', -F, /var/log/syslog]"))
        .one_or_more()
        .field("every", &ExecConfig::every,
               "Time from one run to the next; the first is at once. While one still runs, ticks are left out and "
               "counted. The stage then takes no `from`. `timeout` is what one run may take.",
               config::above(0), config::sample("10s"))
        .only_with("run")
        .field("stdin", &ExecConfig::input,
               "What the program reads from its standard input. Left out: the payload; without `from` nothing.",
               config::sample("'{{ msg.sh }}'"))
        .secret_ok()
        .field("env", &ExecConfig::env, "Variables for the program, beside weir's own environment.",
               config::sample("{LC_ALL: C, ID: '{{ msg.id }}'}"))
        .secret_ok()
        .field("dir", &ExecConfig::dir, "Directory that it starts in; else weir's.", config::sample("/var/lib/jobs"))
        .field("ok", &ExecConfig::ok, "Exit codes that are no failure, beside 0.", config::at_least(0),
               config::at_most(255), config::sample("[1]"))
        .field(
            "framing", &ExecConfig::framing,
            "How messages are told apart, both ways. lines: each ends with a line break, and can't hold one. length: "
            "before each stand four bytes, how many bytes it has, the highest first. netstring: `5:hello,`. raw: "
            "not at all; what is read at once is a message.",
            config::one_of({{"lines", io::Framing::lines},
                            {"length", io::Framing::length},
                            {"netstring", io::Framing::netstring},
                            {"raw", io::Framing::raw}}))
        .only_with("pipe")
        .field(
            "reply", &ExecConfig::reply,
            "How a child that takes messages answers. one: its first message out answers the first in, and so on; "
            "the answer becomes the payload, or `result.text` in `merge`. none: not at all; what it prints is thrown "
            "away. free: what it says is new. With none and free a message is done when the child took it. Left "
            "out: one.",
            config::one_of({{"one", stage::Reply::one}, {"none", stage::Reply::none}, {"free", stage::Reply::free}}))
        .only_with("pipe")
        .field("unanswered", &ExecConfig::unanswered,
               "So many messages may be with the children, not yet answered; no more than 16MiB of them. A child that "
               "answers only after many, or keeps its answers back until some KiB are together, needs as many.",
               config::at_least(1), config::at_most(1'000'000))
        .only_with("pipe")
        .field("attempts", &ExecConfig::attempts,
               "A message fails (exit) when so many children have ended while it was next to be answered.",
               config::at_least(1), config::at_most(1000))
        .only_with("pipe")
        .field("restart", &ExecConfig::restart,
               "Starts the child again whenever it has ended. The pause between lies in this range and doubles from "
               "one to the next; it is short again after a child that ran for ten times the least, or answered. Left "
               "out: a child that takes messages, 100ms..30s; else the child's end is the end of the stage.",
               config::sample("100ms..30s"))
        .only_with("pipe")
        .field("allow", &ExecConfig::allow,
               "The programs a message may choose, as it would name them: needed where the program is written as "
               "`{{ }}`. Any other fails the message (type).",
               config::not_empty(), config::sample("[psql, find]"))
        .only_with("run")
        .group("limits", &ExecConfig::limits, limits_spec, "What the program may use.")
        .details(
            "No shell takes the command line apart: each element reaches the program as one argument, whatever a "
            "message puts into it. A run that ends with another code than 0 or one of `ok`, or by a signal, fails its "
            "message (exit); with `every`, and at the end of a `pipe` without `restart`, a message that holds standard "
            "error or what was printed leaves by .failed. Output of more than 16MiB for one message fails (size) and "
            "ends the program, as soon as it is more; a line of a source that long fails likewise, but the rest of it "
            "is passed over. `result` has code, signal, text (standard output as it came), stderr (its last 64KiB) "
            "and seconds.\n"
            "Where the stage is a source, standard error is logged, or leaves line by line by .stderr where somebody "
            "reads that; who is slow there loses the oldest lines, counted. A child that closes its output and lives "
            "on is waited for, and the log says so.\n"
            "A child that takes too long is killed. One that stays is told to end (SIGTERM) when weir ends, and killed "
            "a second later. With the program ends what it left behind in its process group. Should weir itself be "
            "killed (SIGKILL), the programs that it started are killed with it; what those have started lives on.\n"
            "A `pipe` with `from` has as many children as `workers` says, or with `order: {key: TEXT}` one for each "
            "key, so many at once; a key's child ends when it was idle for a minute or another key needs its place. "
            "Each child has many messages at once. If one ends, exactly what it has not answered is given to a new "
            "one, in the same order; half an answer is none. `timeout` is what one answer may take, counted from the "
            "one before, or from the child's start: give one that is slow to start the time for that too; then that "
            "message fails and the child is killed. A child that says more than it was asked, or "
            "what is no frame, or closes one of its streams, is ended as well (with its input closed and nothing more "
            "to "
            "write to it, after 30 s in which it may answer); the first answer that nobody asked for "
            "fails (decode), since who counts wrong may have done so before. When nothing more comes its input is "
            "closed, and its answers and its end are awaited; so it is when a source has read everything and an answer "
            "is missing for 200ms, and should more come it is started again. Where another key waits for a place, so "
            "it is with the child that has been silent the longest.")
        .example("exec: {run: [./score, '{{ msg.id }}'], ok: [1]}", "{id: 7}")
        .example("exec: {run: [df, '--output=source,pcent'], every: 1m}")
        .example("exec: {pipe: [tail, -n, '0', -F, /var/log/syslog], restart: 100ms..30s}")
        .example("exec: {pipe: [jq, --unbuffered, -c, '.n *= 2']}")
        .verify(verify);

/// All of a command that no message changes.
runtime::Command command_of(const ExecConfig& config) {
  runtime::Command command;
  command.directory = config.dir;
  if (config.limits) {
    const auto& limits = *config.limits;
    if (limits.cpu) command.limits.cpu_s = std::chrono::ceil<std::chrono::seconds>(*limits.cpu).count();
    if (limits.memory) command.limits.memory_bytes = limits.memory->bytes;
    if (limits.files) command.limits.files = static_cast<std::uint64_t>(*limits.files);
  }
  return command;
}

runtime::Command constant_command(const ExecConfig& config) {
  runtime::Command command = command_of(config);
  for (const auto& text : config.argv()) command.argv.push_back(text.text());
  for (const auto& [name, value] : config.env) command.environment[name] = value.text();
  command.input = config.input.has_value();
  return command;
}

// ------------------------------------------------------------------------------------------------------------- a child

/// A child from its start to its end, with all that it prints.
class Run final : public io::WatchedChild {
 public:
  /// `timeout`: what it may take, where it sees to that itself.
  Run(stage::Context& context, const runtime::Command& command, std::string_view input,
      std::optional<stage::Duration> timeout = std::nullopt)
      : WatchedChild(context.core, context.out.counters(), command, input), timeout_(timeout) {}

  bool too_large() const { return too_large_; }
  const std::string& output() const { return output_; }
  std::string_view errors() const { return errors_.bytes(); }
  std::shared_ptr<const message::Result> result() const {
    auto result = stage::result_of(*this, errors());
    result->text = output_;
    return result;
  }
  /// Why this is a failure, if it is.
  message::Done judge(const ExecConfig& config, const std::string& program) const {
    if (late_) return stage::Failure(stage::Reason::timeout, "it took longer than " + config::show(*timeout_));
    if (too_large_) return stage::Failure(stage::Reason::size, "`" + program + "` printed more than 16MiB");
    if (stage::is_ok(config.ok, *exit())) return std::nullopt;
    return stage::Failure(stage::Reason::exit, io::describe_end(program, *exit(), errors()));
  }

 private:
  stage::Task<> through() override {
    look_after();
    const runtime::Time end = core_.now() + timeout_.value_or(stage::Duration::zero());
    while (!exit_ && !too_large_ && !late_) {
      if (timeout_) {
        const bool news = co_await news_.wait_until(end);
        late_ = !news && !exit_;
      } else {
        co_await news_.wait();
      }
    }
    end_group();
    const auto give_up = core_.now() + patience;
    while ((output_open_ || errors_open_) && !too_large_ && !late_) {
      const bool news = co_await news_.wait_until(give_up);
      if (!news) break;
    }
  }
  stage::Task<> read_output() override {
    const io::Ends ends(output_open_, news_);
    std::array<char, read_bytes> bytes;
    for (int reads = 1;; ++reads) {
      const std::size_t count = co_await child_->read_output(bytes);
      if (count == 0) co_return;
      if (output_.size() + count > stage::output_bytes_most) {
        too_large_ = true;
        co_return;
      }
      output_.append(bytes.data(), count);
      if (reads % turn == 0) co_await core_.yield();
    }
  }
  std::span<char> error_space() override { return error_bytes_; }
  void errors_came(std::size_t count) override { errors_.append({error_bytes_.data(), count}); }

  const std::optional<stage::Duration> timeout_;
  bool too_large_ = false, late_ = false;
  std::string output_;
  std::array<char, read_bytes> error_bytes_;
  io::Tail errors_{stage::error_tail_bytes};
};

// ----------------------------------------------------------------------------------------- one child for each message

class Exec : public stage::Call {
 public:
  Exec(const ExecConfig& config, stage::Context& context)
      : config_(config), context_(context), argv_(config.run->size()) {
    for (std::size_t i = 0; i < argv_.size(); ++i) context.compile(argv_[i], (*config.run)[i]);
    if (config.input) context.compile(input_.emplace(), *config.input);
    for (const auto& [name, value] : config.env) {
      env_.emplace_back(name, script::Text());
      context.compile(env_.back().second, value);
    }
  }

  /// A program that is written and is not there fails every message: that is told at once.
  void look_outside() override {
    const auto path =
        std::find_if(config_.env.begin(), config_.env.end(), [](const auto& e) { return e.first == "PATH"; });
    const bool known = config_.run->front().constant() && (path == config_.env.end() || path->second.constant());
    if (!known) return;
    runtime::Command command = command_of(config_);
    command.argv.push_back(config_.run->front().text());
    if (path != config_.env.end()) command.environment["PATH"] = path->second.text();
    try {
      context_.core.processes().look_for(command);
    } catch (const std::system_error& error) {
      stage::refuse_to_start(command, error);
    }
  }
  stage::Task<message::Done> call(stage::Message message) override {
    runtime::Command command = command_of(config_);
    std::string text;
    message::Done failure = fill(message, command, text);
    if (failure) co_return failure;
    std::unique_ptr<Run> run;
    try {
      run = std::make_unique<Run>(context_, command, input_ ? std::string_view(text) : message.text());
    } catch (const std::system_error& error) {
      failure = stage::not_started(command, error);
    }
    if (failure) co_return failure;
    std::exception_ptr leaving;
    try {
      co_await run->finish();
    } catch (const std::system_error& error) {
      failure = stage::Failure(stage::Reason::io, error.what());
    } catch (...) {
      leaving = std::current_exception();
    }
    // Of a child that was stopped too: what it said until then may tell why it took so long.
    message.edit_metadata().result = run->result();
    if (leaving) std::rethrow_exception(leaving);
    if (!failure) failure = run->judge(config_, command.argv.front());
    co_return failure;
  }
  message::Done compose(const stage::Message& message, std::string& sent) override {
    runtime::Command command;
    auto failure = fill(message, command, sent);
    if (!failure && !input_) sent = message.text();
    return failure;
  }

 private:
  message::Done fill(const stage::Message& message, runtime::Command& command, std::string& input) const {
    if (argv_.size() == 1 && argv_.front().lone()) {
      if (auto failure = fill_whole(message, command.argv)) return failure;
    } else {
      for (const auto& text : argv_) {
        if (auto failure = text.fill(message, command.argv.emplace_back())) return failure;
      }
    }
    for (std::size_t i = 0; i < command.argv.size(); ++i) {
      if (!has_zero(command.argv[i])) continue;
      return stage::Failure(stage::Reason::type,
                            "argument " + std::to_string(i) + " holds a NUL byte, which no argument can");
    }
    if (config_.allow &&
        std::find(config_.allow->begin(), config_.allow->end(), command.argv.front()) == config_.allow->end()) {
      return stage::Failure(stage::Reason::type, "'" + command.argv.front() + "' is no program that it may choose");
    }
    for (const auto& [name, text] : env_) {
      std::string& value = command.environment[name];
      if (auto failure = text.fill(message, value)) return failure;
      if (has_zero(value)) {
        return stage::Failure(stage::Reason::type, "variable '" + name + "' holds a NUL byte, which none can");
      }
    }
    command.input = true;
    return input_ ? input_->fill(message, input) : std::nullopt;
  }
  /// A whole command line from the message: a list, each element one argument; or the name of a program alone.
  message::Done fill_whole(const stage::Message& message, std::vector<std::string>& argv) const {
    std::string json;
    auto made = argv_.front().json(message, json);
    if (!made) return std::move(made.failure());
    const auto wrong = [shown = *made ? json : std::string("nil")] {
      return stage::Failure(stage::Reason::type, "a command line is a list of texts and numbers, this is " + shown);
    };
    if (!*made) return wrong();
    json.append(message::padding, '\0');
    message::Document document;
    document.bind(std::string_view(json).substr(0, json.size() - message::padding));
    const auto element = [&](message::Document::Node node) {
      const auto kind = document.kind(node);
      const bool number = kind == message::Kind::integer || kind == message::Kind::number;
      if (kind == message::Kind::string) {
        argv.emplace_back(document.string(node).value_or(std::string_view()));
      } else if (number) {
        argv.emplace_back(document.raw(node));
      }
      return number || kind == message::Kind::string;
    };
    const auto root = document.root();
    if (document.kind(root) != message::Kind::array) return element(root) ? std::nullopt : message::Done(wrong());
    for (auto node = document.first(root); node; node = document.next(node)) {
      if (!element(node)) return wrong();
    }
    return argv.empty() ? message::Done(wrong()) : std::nullopt;
  }
  static bool has_zero(std::string_view text) { return text.find('\0') != std::string_view::npos; }

  const ExecConfig& config_;
  stage::Context& context_;
  std::vector<script::Text> argv_;
  std::optional<script::Text> input_;
  std::vector<std::pair<std::string, script::Text>> env_;
};

// ------------------------------------------------------------------------------------------------------------- sources

/// Runs the program at each tick.
stage::Task<> run_every(const ExecConfig& config, stage::Source& source) {
  const runtime::Command command = constant_command(config);
  const std::string input = config.input ? config.input->text() : std::string();
  bool first = true;
  stage::Ticks ticks(*config.every, source);
  for (; !source.abandoned(); first = false) {
    std::unique_ptr<Run> run;
    try {
      run = std::make_unique<Run>(source, command, input, source.timeout);
    } catch (const std::system_error& error) {
      if (first) stage::refuse_to_start(command, error);
      source.refuse({}, stage::not_started(command, error));  // It may be there again at the next tick.
    }
    if (run) {
      source.waited_outside();
      co_await run->finish();
      source.waited_outside();
      stage::ChildErrors errors(source);
      errors.take(run->errors());
      while (errors.pending()) {
        errors.put_out();
        co_await source.flush();
      }
      if (auto failure = run->judge(config, command.argv.front())) {
        const std::string_view said = run->output().empty() ? run->errors() : run->output();
        source.refuse_result(said, std::move(*failure), run->result());
      } else {
        source.emit(run->output()).edit_metadata().result = run->result();
      }
    }
    run.reset();
    co_await source.flush();
    ticks.next();
    ticks.skip_late("ticks were left out, because the last run had not ended");
    co_await source.sleep_until(ticks.due());
  }
}

// ------------------------------------------------------------------------------------------------ a child that stays

stage::Pipe pipe_of(const ExecConfig& config) {
  stage::Pipe pipe;
  pipe.command = constant_command(config);
  pipe.framing = config.framing;
  pipe.restart = config.restart;
  pipe.ok = config.ok;
  pipe.input = config.input;
  return pipe;
}

stage::Task<> print(const ExecConfig& config, stage::Source& source) {
  const stage::Pipe pipe = pipe_of(config);
  co_await stage::read_pipe(pipe, source);
}

stage::Task<> talk(const ExecConfig& config, stage::Duplex& duplex) {
  stage::Pipe pipe = pipe_of(config);
  pipe.command.input = true;
  pipe.reply = config.reply.value_or(stage::Reply::one);
  if (!pipe.restart) pipe.restart = config::DurationRange{100ms, 30s};
  pipe.unanswered = static_cast<std::size_t>(config.unanswered);
  pipe.attempts = static_cast<int>(config.attempts);
  co_await stage::run_pipe(pipe, duplex);
}

const stage::Register registered(spec, [](auto config, const config::Reader& reader) {
  if (config->calls()) return stage::call_of<Exec>(config).touching(stage::Touches::proc);
  if (takes_messages(*config, reader)) {
    const auto reply = config->reply.value_or(stage::Reply::one);
    auto configured = stage::duplex_of(config, talk);
    configured.answers = reply == stage::Reply::one;
    configured.creates = reply == stage::Reply::free;
    return std::move(configured).port("stderr").touching(stage::Touches::proc);
  }
  auto configured = stage::source_of(config, config->run ? run_every : print);
  configured.instead_of_from = "without `every` it runs once for each message";
  configured.takes_timeout = config->run.has_value();
  return std::move(configured).port("stderr").touching(stage::Touches::proc);
});

}  // namespace
}  // namespace weir::stages
