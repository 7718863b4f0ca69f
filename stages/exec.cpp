// exec: runs programs: one for each message, one at each tick, or one that stays and whose lines are messages.
#include <algorithm>
#include <csignal>
#include <cstring>
#include <deque>
#include <system_error>

#include "engine/io/child.hpp"
#include "engine/io/lines.hpp"
#include "engine/message/document.hpp"
#include "engine/policy/backoff.hpp"
#include "engine/runtime/processes.hpp"
#include "engine/script/text.hpp"
#include "engine/stage/kind.hpp"
#include "engine/stage/ticks.hpp"

namespace weir::stages {
namespace {

using namespace std::chrono_literals;

struct ExecConfig {
  std::optional<std::vector<config::Template>> run;
  std::optional<std::vector<config::Template>> pipe;
  std::optional<config::Duration> every;
  std::optional<config::Template> input;
  config::Map<config::Template> env;
  std::string dir;
  std::vector<std::int64_t> ok;
  std::string framing = "lines";
  std::optional<config::DurationRange> restart;
  std::optional<std::vector<std::string>> allow;
  std::optional<config::Map<config::Value>> limits;
  std::optional<std::string> reply;

  const std::vector<config::Template>& argv() const { return run ? *run : *pipe; }
  const char* role() const { return run ? "run" : "pipe"; }
  bool calls() const { return run && !every; }
};

constexpr std::size_t output_bytes_most = 16 * 1024 * 1024;  // A message's.
constexpr std::size_t error_tail_bytes = 64 * 1024;
constexpr std::size_t error_line_bytes_most = 64 * 1024;
constexpr std::size_t error_lines_waiting_most = 256;
constexpr std::size_t read_bytes = 16 * 1024;

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
  for (const auto& [key, there] :
       {std::pair("limits", config.limits.has_value()), std::pair("reply", config.reply.has_value())}) {
    if (there) written.error(key, "`" + std::string(key) + "` comes with a later version of weir");
  }
  if (config.framing != "lines") {
    written.error("framing", "framing '" + config.framing + "' comes with a later version of weir", "`lines` is there");
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
      written.error(role, "a template after the shell's `-c` would become code", "hand it over by `stdin` or by `env`");
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
  if (!config.calls()) {
    const auto constant = [](const config::Template& text) { return text.constant(); };
    const auto refuse = [&](const char* key) {
      written.error(key, "`{{ }}` has nothing to speak of: there is no message here",
                    "what is known at start is written `${name}`");
    };
    if (!std::all_of(argv.begin(), argv.end(), constant)) refuse(role.c_str());
    if (config.input && !config.input->constant()) refuse("stdin");
    if (!std::all_of(config.env.begin(), config.env.end(), [&](const auto& entry) { return constant(entry.second); })) {
      refuse("env");
    }
  }
}

const auto spec =
    config::Spec<ExecConfig>("exec", "Runs programs: one for each message or tick, or one whose lines are messages.")
        .role("run", &ExecConfig::run,
              "Program and arguments, run once for each message, or with `every` once a tick. What it prints becomes "
              "the payload, or `result.text` in `merge`.",
              config::not_empty(), config::sample("[./score, '{{ msg.id }}']"))
        .one_or_more()
        .role("pipe", &ExecConfig::pipe,
              "Program and arguments of a child that stays. Each line that it prints is a message, as it appears.",
              config::not_empty(), config::sample("[tail, -n, '0', -F, /var/log/syslog]"))
        .one_or_more()
        .field("every", &ExecConfig::every,
               "Time from one run to the next; the first is at once. While one still runs, ticks are left out and "
               "counted. The stage then takes no `from`.",
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
        .field("framing", &ExecConfig::framing,
               "How messages are told apart. length, netstring and raw come with a later version.",
               config::one_of({"lines", "length", "netstring", "raw"}))
        .only_with("pipe")
        .field(
            "restart", &ExecConfig::restart,
            "Starts the child again whenever it has ended. The pause between lies in this range and doubles from one "
            "to the next; it is short again after a child that ran for ten times the least. Left out: the child's "
            "end is the end of the stage.",
            config::sample("100ms..30s"))
        .only_with("pipe")
        .field("allow", &ExecConfig::allow,
               "The programs a message may choose, as it would name them: needed where the program is written as "
               "`{{ }}`. Any other fails the message (type).",
               config::not_empty(), config::sample("[psql, find]"))
        .only_with("run")
        .field("limits", &ExecConfig::limits, "Limits of the child. Comes with a later version.",
               config::sample("{memory: 256MiB}"))
        .field("reply", &ExecConfig::reply, "How a child that takes messages answers. Comes with a later version.",
               config::sample("one"))
        .only_with("pipe")
        .details(
            "No shell takes the command line apart: each element reaches the program as one argument, whatever a "
            "message puts into it. A run that ends with another code than 0 or one of `ok`, or by a signal, fails its "
            "message (exit); with `every`, and at the end of a `pipe` without `restart`, a message that holds standard "
            "error or what was printed leaves by .failed. Output of more than 16MiB for one message fails (size) and "
            "ends the program. `result` has code, signal, text (standard output as it came), stderr (its last 64KiB) "
            "and seconds.\n"
            "Where the stage is a source, standard error is logged, or leaves line by line by .stderr where somebody "
            "reads that; who is slow there loses the oldest lines, counted.\n"
            "A child that takes too long is killed. One that stays is told to end (SIGTERM) when weir ends, and killed "
            "a second later. With the program ends what it left behind in its process group. A `pipe` that takes "
            "messages comes with a later version.")
        .example("exec: {run: [./score, '{{ msg.id }}'], ok: [1]}", "{id: 7}")
        .example("exec: {run: [df, '--output=source,pcent'], every: 1m}")
        .example("exec: {pipe: [tail, -n, '0', -F, /var/log/syslog], restart: 100ms..30s}")
        .verify(verify);

// ------------------------------------------------------------------------------------------------ what happened

bool is_ok(const ExecConfig& config, const runtime::Exit& exit) {
  return exit.ok() || (exit.signal == 0 && std::find(config.ok.begin(), config.ok.end(), exit.code) != config.ok.end());
}

stage::Failure not_started(const ExecConfig& config, const std::system_error& error) {
  // Too long a command line stays too long.
  const auto reason = error.code() == std::errc::argument_list_too_long ? stage::Reason::size : stage::Reason::io;
  std::string text = error.what();
  if (!config.dir.empty()) text += " (started in '" + config.dir + "')";
  return {reason, text};
}

/// The program is missing when the run begins: nothing to wait for.
[[noreturn]] void refuse_to_start(const ExecConfig& config, const std::system_error& error) {
  const std::string program = config.argv().front().text();
  const std::string where = config.dir.empty() ? std::string() : " in '" + config.dir + "'";
  throw std::system_error(error.code(), "exec: cannot start `" + program + "`" + where);
}

// ------------------------------------------------------------------------------------------------------------- a child

/// A child from its start to its end, with all that it prints.
class Run final : public io::WatchedChild {
 public:
  Run(stage::Context& context, const runtime::Command& command, std::string_view input)
      : WatchedChild(context.core, context.out.counters(), command, input) {}

  bool too_large() const { return too_large_; }
  const std::string& output() const { return output_; }
  std::string_view errors() const { return errors_.bytes(); }
  std::shared_ptr<const message::Result> result() const {
    auto result = std::make_shared<message::Result>();
    if (exit()) {
      if (exit()->signal)
        result->signal = io::name_of_signal(exit()->signal);
      else
        result->code = exit()->code;
    }
    result->text = output_;
    result->error_text = errors_.bytes();
    result->seconds = std::chrono::duration<double>(ran()).count();
    return result;
  }
  /// Why this is a failure, if it is.
  message::Done judge(const ExecConfig& config, const std::string& program) const {
    if (too_large_) return stage::Failure(stage::Reason::size, "`" + program + "` printed more than 16MiB");
    if (is_ok(config, *exit())) return std::nullopt;
    return stage::Failure(stage::Reason::exit, io::describe_end(program, *exit(), errors()));
  }

 private:
  stage::Task<> through() override {
    look_after();
    while (!exit_ && !too_large_) co_await news_.wait();
    end_group();
    const auto give_up = core_.now() + patience;
    while ((output_open_ || errors_open_) && !too_large_) {
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
      if (output_.size() + count > output_bytes_most) {
        too_large_ = true;
        co_return;
      }
      output_.append(bytes.data(), count);
      if (reads % turn == 0) co_await core_.yield();
    }
  }
  stage::Task<> read_errors() override {
    const io::Ends ends(errors_open_, news_);
    std::array<char, read_bytes> bytes;
    for (int reads = 1;; ++reads) {
      const std::size_t count = co_await child_->read_error(bytes);
      if (count == 0) co_return;
      errors_.append({bytes.data(), count});
      if (reads % turn == 0) co_await core_.yield();
    }
  }

  bool too_large_ = false;
  std::string output_;
  io::Tail errors_{error_tail_bytes};
};

// -------------------------------------------------------------------------------------------- one child for each
// message

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

  stage::Task<message::Done> call(stage::Message message) override {
    runtime::Command command;
    std::string text;
    message::Done failure = fill(message, command, text);
    if (failure) co_return failure;
    std::unique_ptr<Run> run;
    try {
      run = std::make_unique<Run>(context_, command, input_ ? std::string_view(text) : message.text());
    } catch (const std::system_error& error) {
      failure = not_started(config_, error);
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
    command.directory = config_.dir;
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

constexpr stage::Port stderr_port = stage::first_own_port;

runtime::Command constant_command(const ExecConfig& config) {
  runtime::Command command;
  for (const auto& text : config.argv()) command.argv.push_back(text.text());
  for (const auto& [name, value] : config.env) command.environment[name] = value.text();
  command.directory = config.dir;
  command.input = config.input.has_value();
  return command;
}

/// What a source's child says on its standard error: its tail, and each line for `.stderr` or for the log.
class Errors {
 public:
  explicit Errors(stage::Source& source) : source_(source), framer_(error_line_bytes_most), tail_(error_tail_bytes) {}

  std::span<char> space() { return framer_.space(); }
  void filled(std::size_t size) {
    tail_.append(framer_.filled(size));
    take_lines();
  }
  void take(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto space = framer_.space();
      const std::size_t size = std::min(space.size(), bytes.size());
      std::memcpy(space.data(), bytes.data(), size);
      bytes.remove_prefix(size);
      filled(size);
    }
  }
  void end() {
    framer_.end();
    take_lines();
  }
  std::string_view tail() const { return tail_.bytes(); }

  bool pending() const { return !waiting_.empty(); }
  /// Puts out what waits for `.stderr`, until the output is full.
  void put_out() {
    while (!waiting_.empty() && !source_.full()) {
      source_.out.emit(stderr_port, waiting_.front(), source_.core.now());
      waiting_.pop_front();
    }
  }

 private:
  void take_lines() {
    // A flood must not be paid for line by line: the log would take none of it anyway.
    constexpr int logged_most = 4;
    int lines = 0;
    const bool heard = source_.out.heard(stderr_port);
    while (const auto line = framer_.next()) {
      if (heard) {
        put_by(line->bytes);
      } else if (++lines <= logged_most) {
        source_.log(observe::Level::info, "the child wrote to standard error", {{"line", io::quotable(line->bytes)}});
      }
    }
  }
  void put_by(std::string_view line) {
    if (waiting_.size() == error_lines_waiting_most) {
      waiting_.pop_front();
      ++source_.out.counters().created;
      source_.out.counters().drop(stage::Dropped::slow);
    }
    waiting_.emplace_back(line);
  }

  stage::Source& source_;
  io::LineFramer framer_;
  io::Tail tail_;
  std::deque<std::string> waiting_;
};

/// Runs the program at each tick.
stage::Task<> run_every(const ExecConfig& config, stage::Source& source) {
  const runtime::Command command = constant_command(config);
  const std::string input = config.input ? config.input->text() : std::string();
  bool first = true;
  stage::Ticks ticks(*config.every, source);
  for (; !source.abandoned(); first = false) {
    std::unique_ptr<Run> run;
    try {
      run = std::make_unique<Run>(source, command, input);
    } catch (const std::system_error& error) {
      if (first) refuse_to_start(config, error);
      source.refuse({}, not_started(config, error));  // It may be there again at the next tick.
    }
    if (run) {
      source.waited_outside();
      co_await run->finish();
      source.waited_outside();
      Errors errors(source);
      errors.take(run->errors());
      errors.end();
      while (errors.pending()) {
        errors.put_out();
        co_await source.flush();
      }
      if (auto failure = run->judge(config, command.argv.front())) {
        source.refuse(run->output().empty() ? run->errors() : run->output(), std::move(*failure));
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

/// A child that stays, from its start to its end. Only its standard output waits for anybody: it is read when all that
/// was read before has been sent on.
class Staying final : public io::WatchedChild {
 public:
  Staying(stage::Source& source, const runtime::Command& command, std::string_view input)
      : WatchedChild(source.core, source.out.counters(), command, input),
        source_(source),
        framer_(output_bytes_most),
        errors_(source),
        asked_(core_) {}

  std::string_view errors() const { return errors_.tail(); }

 private:
  /// Until it has ended and all it said is sent on, or nobody listens any more.
  stage::Task<> through() override {
    look_after();
    bool group_ended = false;
    while (true) {
      const bool more = put_out();
      co_await source_.flush();
      if (source_.abandoned()) co_return;
      if (more) continue;
      if (exit_ && !output_open_ && !errors_open_ && framer_.ended() && !errors_.pending()) co_return;
      if (exit_ && !group_ended) {
        group_ended = true;
        end_group();
      }
      ask();
      if (errors_.pending()) news_.wake();
      bool news = true;
      if (exit_ && !given_up_)
        news = co_await news_.wait_until(core_.now() + patience);
      else
        co_await news_.wait();
      source_.waited_outside();
      if (!news) give_up();
      take_in();
    }
  }
  stage::Task<> part(bool broken_off) override {
    if (!exit_) co_await persuade();
    take_in();
    // What was read is not lost: no more than one arena of it.
    while (broken_off) {
      const auto line = framer_.next();
      if (!line) break;
      put(*line);
    }
  }
  /// True: there is more to put out than could be.
  bool put_out() {
    while (!reading()) {
      if (source_.full()) return true;
      const auto line = framer_.next();
      if (!line) break;
      put(*line);
    }
    errors_.put_out();
    return false;
  }
  void put(const io::Line& line) {
    if (!line.too_long) {
      source_.emit_shared(framer_.arena(), line.bytes);
      return;
    }
    stage::Failure why(stage::Reason::size, "line " + std::to_string(line.number) + " has " +
                                                std::to_string(line.size) + " bytes, more than 16MiB");
    why.line = static_cast<std::int64_t>(line.number);
    source_.refuse(line.bytes, std::move(why));
  }
  bool reading() const { return !into_.empty() || read_ > 0; }
  void ask() {
    if (reading() || !output_open_) return;
    into_ = framer_.space();
    asked_.wake();
  }
  void take_in() {
    if (read_ > 0) {
      framer_.filled(std::exchange(read_, 0));
      into_ = {};
    } else if (!output_open_) {
      into_ = {};
      framer_.end();
    }
  }
  void give_up() {
    source_.log(observe::Level::warn, "the child has ended, but a process outside its group still holds its output");
    given_up_ = true;
    output_open_ = errors_open_ = false;
  }
  stage::Task<> read_output() override {
    const io::Ends ends(output_open_, news_);
    while (true) {
      while (into_.empty() || read_ > 0) co_await asked_.wait();
      const std::size_t count = co_await child_->read_output(into_);
      if (count == 0) co_return;
      read_ = count;
      news_.wake();
    }
  }
  stage::Task<> read_errors() override {
    const io::Ends ends(errors_open_, news_);
    for (int reads = 1;; ++reads) {
      const std::size_t count = co_await child_->read_error(errors_.space());
      if (count == 0) break;
      errors_.filled(count);
      if (errors_.pending()) news_.wake();
      if (reads % turn == 0) co_await core_.yield();
    }
    errors_.end();
  }
  stage::Source& source_;
  io::LineFramer framer_;
  Errors errors_;
  runtime::Waiter asked_;
  std::span<char> into_;  // Where the next read shall put its bytes: asked for, or not taken in yet;
  std::size_t read_ = 0;  // and how many it put there.
  bool given_up_ = false;
};

stage::Task<> pipe(const ExecConfig& config, stage::Source& source) {
  const runtime::Command command = constant_command(config);
  const std::string& program = command.argv.front();
  const std::string input = config.input ? config.input->text() : std::string();
  std::optional<policy::Backoff> backoff;
  if (config.restart) backoff.emplace(config.restart->from, config.restart->to);
  for (bool first = true;; first = false) {
    std::unique_ptr<Staying> child;
    std::string end;
    try {
      child = std::make_unique<Staying>(source, command, input);
    } catch (const std::system_error& error) {
      if (first) refuse_to_start(config, error);
      end = not_started(config, error).text;
    }
    if (child) {
      co_await child->finish();
      if (source.abandoned()) co_return;
      end = io::describe_end(program, *child->exit(), child->errors());
      if (!backoff) {
        if (!is_ok(config, *child->exit())) source.refuse(child->errors(), stage::Failure(stage::Reason::exit, end));
        co_return;
      }
      if (child->ran() / 10 >= config.restart->from) backoff->reset();
      child.reset();
    }
    const stage::Duration pause = backoff->next(source.core.random().fraction());
    source.log(observe::Level::warn, "the child is started again",
               {{"because", end}, {"seconds", std::chrono::duration<double>(pause).count()}});
    co_await source.sleep(pause);
    if (source.abandoned()) co_return;
    ++source.out.counters().child_restarts;
  }
}

const stage::Register registered(spec, [](auto config) {
  if (config->calls()) return stage::call_of<Exec>(config).touching(stage::Touches::proc);
  auto configured = stage::source_of(config, config->run ? run_every : pipe);
  configured.instead_of_from = config->run
                                   ? "without `every` it runs once for each message"
                                   : "a `pipe` that takes messages comes with a later version; `run` takes them";
  return std::move(configured).port("stderr").touching(stage::Touches::proc);
});

}  // namespace
}  // namespace weir::stages
