#include "engine/runtime/simulated_processes.hpp"

#include <algorithm>
#include <asio/this_coro.hpp>
#include <system_error>
#include <utility>

#include "engine/runtime/wait.hpp"

namespace weir::runtime {

namespace {
constexpr std::size_t pipe_bytes = 65536;  // As Linux's.
}

class SimulatedChild final : public Child {
 public:
  SimulatedChild(Core& core, SimulatedPrograms& programs, Behaviour behaviour, int id, bool has_input)
      : core_(core),
        programs_(programs),
        behaviour_(std::move(behaviour)),
        id_(id),
        input_open_(has_input),
        output_ready_(core),
        error_ready_(core),
        input_ready_(core),
        input_broken_(core),
        has_ended_(core) {
    ++programs_.running_;
    programs_.children_.insert(this);
    go_on();
  }
  ~SimulatedChild() override {
    end(Exit());
    programs_.children_.erase(this);
  }

  Task<std::size_t> read_output(std::span<char> into) override {
    throw_if_stopped(co_await asio::this_coro::cancellation_state);
    while (output_.empty() && !ended_ && output_open_) co_await output_ready_.wait();
    const std::size_t count = take(output_, into);
    if (!ended_) {
      read_input();
      go_on();
    }
    co_return count;
  }
  std::optional<std::size_t> read_output_now(std::span<char>) override { return std::nullopt; }
  Task<std::size_t> read_error(std::span<char> into) override {
    throw_if_stopped(co_await asio::this_coro::cancellation_state);
    while (error_.empty() && !ended_) co_await error_ready_.wait();
    const std::size_t count = take(error_, into);
    if (!ended_) go_on();
    co_return count;
  }
  Task<> write(std::span<const char> bytes) override {
    throw_if_stopped(co_await asio::this_coro::cancellation_state);
    if (!input_open_ || ended_) throw std::system_error(std::make_error_code(std::errc::broken_pipe), "write to child");
    input_.append(bytes.data(), bytes.size());
    read_input();
    co_await core_.yield();
    while (input_.size() > pipe_bytes && input_open_ && !ended_) co_await input_ready_.wait();
    if (input_.size() > pipe_bytes)
      throw std::system_error(std::make_error_code(std::errc::broken_pipe), "write to child");
  }
  void close_input() override {
    if (std::exchange(input_open_, false) && !ended_ && behaviour_.at_end) print(behaviour_.at_end());
    input_broken_.wake();
    if (!ended_) go_on();
  }
  Task<> input_broken() override {
    throw_if_stopped(co_await asio::this_coro::cancellation_state);
    while (input_open_ && !ended_) co_await input_broken_.wait();
  }
  Task<Exit> wait() override {
    throw_if_stopped(co_await asio::this_coro::cancellation_state);
    while (!ended_) co_await has_ended_.wait();
    co_return exit_;
  }
  void signal(int number) override {
    if (ended_ || (number != SIGKILL && behaviour_.ignores.contains(number))) return;
    Exit exit;
    exit.signal = number;
    end(exit);
  }
  int id() const override { return id_; }

 private:
  void print(const std::string& text) {
    output_ += text;
    if (!output_.empty()) output_ready_.wake();
  }
  /// Takes in what was written, unless nobody reads what it says to it.
  void read_input() {
    if (input_.empty() || deaf_ || ended_ || output_.size() >= pipe_bytes) return;
    const std::string text = std::exchange(input_, {});
    input_ready_.wake();
    if (behaviour_.answer) print(behaviour_.answer(text));
    if (!behaviour_.reacts) return;
    const auto reaction = behaviour_.reacts(text);
    error_ += reaction.error;
    if (!error_.empty()) error_ready_.wake();
    print(reaction.output);
    deaf_ = reaction.deaf;
    if (reaction.closes_input) {
      input_open_ = false;
      input_broken_.wake();
    }
    if (reaction.closes_output) {
      output_open_ = false;
      output_ready_.wake();
    }
    if (reaction.exit) end(*reaction.exit);
  }

  static std::size_t take(std::string& from, std::span<char> into) {
    const std::size_t count = std::min(from.size(), into.size());
    std::copy_n(from.data(), count, into.data());
    from.erase(0, count);
    return count;
  }

  // Arms the next step, or ends, unless something must happen first.
  void go_on() {
    if (alarm_) return;
    if (next_ < behaviour_.steps.size()) {
      if (output_.size() >= pipe_bytes || error_.size() >= pipe_bytes) return;
      alarm_ = core_.alarm(core_.now() + behaviour_.steps[next_].after, [this] { step(); });
      return;
    }
    if (behaviour_.forever || (behaviour_.until_input_ends && input_open_)) return;
    alarm_ = core_.alarm(core_.now(), [this] { end(behaviour_.exit); });
  }
  void step() {
    alarm_.reset();
    const auto& step = behaviour_.steps[next_++];
    output_ += step.output;
    error_ += step.error;
    if (!output_.empty()) output_ready_.wake();
    if (!error_.empty()) error_ready_.wake();
    go_on();
  }
  void end(Exit exit) {
    if (std::exchange(ended_, true)) return;
    alarm_.reset();
    exit_ = exit;
    --programs_.running_;
    output_ready_.wake();
    error_ready_.wake();
    input_ready_.wake();
    input_broken_.wake();
    has_ended_.wake();
  }

  Core& core_;
  SimulatedPrograms& programs_;
  Behaviour behaviour_;
  int id_;
  bool input_open_;
  std::size_t next_ = 0;
  bool ended_ = false;
  Exit exit_;
  bool output_open_ = true, deaf_ = false;
  std::string input_, output_, error_;
  Waiter output_ready_, error_ready_, input_ready_, input_broken_, has_ended_;
  std::unique_ptr<Alarm> alarm_;
};

void SimulatedPrograms::signal_all(int number) {
  for (auto* const child : children_) child->signal(number);
}

void SimulatedPrograms::script(const std::string& name, std::function<Behaviour(const Command&)> program) {
  programs_[name] = std::move(program);
}

void SimulatedProcesses::look_for(const Command& command) {
  const std::string name = command.argv.empty() ? std::string() : command.argv.front();
  if (!programs_.programs_.contains(name) && !programs_.otherwise_)
    throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory), name);
}

std::unique_ptr<Child> SimulatedProcesses::start(const Command& command) {
  look_for(command);
  const auto found = programs_.programs_.find(command.argv.empty() ? std::string() : command.argv.front());
  Behaviour behaviour = found != programs_.programs_.end() ? found->second(command) : programs_.otherwise_(command);
  programs_.commands_.push_back(command);
  const int id = 1000 + static_cast<int>(++programs_.started_);
  return std::make_unique<SimulatedChild>(core_, programs_, std::move(behaviour), id, command.input);
}

}  // namespace weir::runtime
