// One stage by itself: its kind read from YAML, its outside simulated, its neighbours played by the test.
#pragma once
#include <boost/test/unit_test.hpp>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/config/yaml.hpp"
#include "engine/flow/channel.hpp"
#include "engine/runtime/simulated.hpp"
#include "engine/runtime/wait.hpp"
#include "engine/script/engine.hpp"
#include "engine/stage/kind.hpp"

namespace weir::tests {

using namespace std::chrono_literals;
using stage::Reason;

/// What the linked kind makes of `yaml`, the value under its name; or the mistakes it finds in it.
struct Read {
  Read(const std::string& kind, const std::string& yaml) {
    const auto catalog = stage::Catalog::linked();
    const auto* found = catalog.find(kind);
    BOOST_REQUIRE_MESSAGE(found, "no kind " + kind);
    const auto node = config::parse(config::make_source("test.yaml", yaml), diagnostics);
    BOOST_REQUIRE(node);
    const config::Scope scope;
    config::Reader reader(diagnostics, scope, kind);
    configured = found->configure(*node, reader);
  }
  /// The one mistake and its cure.
  std::string mistake() const {
    BOOST_REQUIRE_EQUAL(diagnostics.all().size(), 1U);
    const auto& found = diagnostics.all().front();
    return found.hint.empty() ? found.what : found.what + "; " + found.hint;
  }

  config::Diagnostics diagnostics;
  stage::Configured configured;
};

/// A stage that runs. What it puts out is taken from it, as long as there is room; messages given to it carry a token,
/// and how each of them ended is noted.
class Alone : public message::TokenOwner, public script::Host {
 public:
  /// `heard`: its ports that somebody reads, beside main.
  Alone(const std::string& kind, const std::string& yaml, const std::vector<std::string>& heard = {})
      : read_(kind, yaml) {
    BOOST_REQUIRE_MESSAGE(read_.diagnostics.empty(), read_.diagnostics.render());
    const auto shape = read_.configured.shape;
    const bool ends = shape == stage::Shape::sink;
    std::vector<stage::Output::OutPort> ports{{"main", !ends}, {"failed", false}};
    for (const auto& name : read_.configured.ports) ports.push_back({name, false});
    for (auto& port : ports) {
      for (const auto& name : heard) port.heard |= port.name == name;
    }
    output = std::make_unique<stage::Output>(core(), "tested", std::move(ports), stage::OnError::fail, ends);
    if (shape == stage::Shape::operation) {
      context_ = std::make_unique<stage::Context>(core(), *output, "test", scripts());
      operator_ = read_.configured.make_operator(*context_);
    }
  }
  ~Alone() {
    if (running()) {
      coroutine_->stop();
      runtime.run_until_idle();
    }
    operator_.reset();
    held.clear();  // Before the tokens that it counts on.
  }

  // --- operators -------------------------------------------------------------------------------------------------

  /// Gives an operator one batch of these, and takes what it puts out until it is through.
  void give(std::initializer_list<std::string> payloads) { give(std::vector<std::string>(payloads)); }
  void give(const std::vector<std::string>& payloads) {
    auto batch = batch_of(payloads);
    output->arrived(*batch);
    for (std::size_t row = 0; batch;) {
      output->begin(batch, runtime.now(), runtime::Time::max());
      row = operator_->process(*batch, row, *output, core().now());
      output->end(batch, row);
      largest_out_ = std::max(largest_out_, take());
    }
  }
  std::optional<stage::Time> tick() {
    const auto due = operator_->tick(core().now(), *output);
    take();
    return due;
  }
  void flush() {
    while (!operator_->flush(*output)) take();
    take();
  }

  /// Everything has ended.
  void finish() {
    while (!operator_->finish(*output)) take();
    take();
  }

  /// Destroys an operator with all that it holds.
  void release() { operator_.reset(); }

  // --- sources and sinks -----------------------------------------------------------------------------------------

  /// Starts the stage's coroutine. What it throws is kept in `fault`.
  void start() {
    stage::Task<> body = [&] {
      if (read_.configured.run_source) {
        source_ = std::make_unique<FakeSource>(*this);
        return to_its_end(*source_);
      }
      driver_ = std::make_unique<FakeDriver>(*this);
      return read_.configured.run_sink(*driver_);
    }();
    coroutine_ = core().spawn(std::move(body), [this](std::exception_ptr why) {
      ended = true;
      if (source_) take();  // What was emitted before it was stopped is not lost.
      try {
        if (why) std::rethrow_exception(why);
      } catch (const std::exception& error) {
        fault = error.what();
      }
    });
  }
  bool running() const { return coroutine_ && coroutine_->running(); }
  void stop() {
    coroutine_->stop();
    runtime.run_until_idle();
  }
  /// Runs for that long.
  void run_for(stage::Duration time) { runtime.run_for(time); }
  /// Starts it and runs to its end.
  void run() {
    start();
    runtime.run_until_idle();
    BOOST_TEST(ended);
  }
  /// A source's messages are taken only so far; more room later.
  void limit_room(std::uint64_t messages) { room_ = messages; }
  void make_room(std::uint64_t messages) {
    room_ += messages;
    wake_.wake();
  }
  void abandon() { abandoned_ = true; }
  /// Gives a sink one delivery; nothing more comes after end().
  void deliver(const std::vector<std::string>& payloads) {
    auto batch = batch_of(payloads);
    output->arrived(*batch);
    BOOST_REQUIRE(edge_.fits(static_cast<std::uint32_t>(batch->size()), batch->live_bytes()));
    edge_.send(std::move(batch), core().now());
    wake_.wake();
  }
  void end() {
    edge_.send(flow::Mark::end);
    wake_.wake();
  }

  // --- what came of it -------------------------------------------------------------------------------------------

  const std::vector<std::string>& out(const std::string& port = "main") { return out_[port]; }
  const std::vector<stage::Time>& times() const { return times_; }  ///< When each left by main.
  std::size_t largest_out() const { return largest_out_; }          ///< Messages in one call.
  runtime::Core& core() { return runtime.core(); }
  runtime::SimulatedFiles& files() { return runtime.files(); }
  /// in + created = out + filtered + absorbed + dropped + failed + in_flight.
  bool balanced() const {
    const auto& c = output->counters();
    std::uint64_t left = c.filtered + c.absorbed + static_cast<std::uint64_t>(c.in_flight);
    for (const auto n : c.out) left += n;
    for (const auto n : c.dropped) left += n;
    for (const auto n : c.failed) left += n;
    return c.in + c.created == left;
  }
  std::uint64_t dropped(stage::Dropped why) const { return output->counters().dropped[static_cast<std::size_t>(why)]; }

  runtime::SimulatedRuntime runtime{1};
  std::unique_ptr<stage::Output> output;
  bool ended = false;
  bool closed = false;  ///< The sink takes nothing any more.
  std::string fault;
  std::size_t done = 0;                                           ///< Given messages that ended well,
  std::vector<message::FailedRow> failed;                         ///< and those that did not.
  std::vector<std::pair<std::string, message::Failure>> refused;  ///< By a source,
  std::vector<std::shared_ptr<const message::Result>> brought;    ///< and what each of these has as `result`.
  /// What was put out is kept, unanswered, until it is answered here.
  bool hold = false;
  std::vector<message::Batch::Pointer> held;

  stage::Source& source() { return *source_; }
  const stage::Configured& configured() const { return read_.configured; }

 private:
  class FakeSource final : public stage::Source {
   public:
    explicit FakeSource(Alone& alone) : Source(alone.core(), *alone.output, "test", alone.scripts()), alone_(alone) {}
    stage::Task<> flush() override {
      while (out.pending()) {
        for (stage::Port port = 0; port < out.ports().size(); ++port) {
          auto batch = out.collect(port);
          for (std::size_t row = 0; batch && row < batch->size(); ++row) {
            while (alone_.room_ == 0) co_await alone_.wake_.wait();
            --alone_.room_;
            alone_.note(port, *batch, row);
          }
        }
      }
      co_await core.yield();
    }
    stage::Time clock() const noexcept override { return core.now(); }
    void refuse(std::string_view bytes, stage::Failure why) override {
      alone_.refused.emplace_back(bytes, why);
      alone_.brought.push_back(origin ? origin->result : nullptr);
    }
    bool abandoned() const noexcept override { return alone_.abandoned_; }
    std::uint64_t end_stretch() override { return ++stretches_; }
    std::uint64_t stretches_answered() override { return alone_.hold ? 0 : stretches_; }

   private:
    Alone& alone_;
    std::uint64_t stretches_ = 0;
  };

  class FakeDriver final : public stage::Driver {
   public:
    explicit FakeDriver(Alone& alone) : Driver(alone.core(), *alone.output, "test", alone.scripts()), alone_(alone) {}
    stage::Task<std::optional<stage::Delivery>> receive() override {
      while (!alone_.inbox_.ended()) {
        auto arrival = alone_.inbox_.receive();
        if (arrival && arrival->mark == flow::Mark::none) co_return std::move(arrival->delivery);
        if (!arrival) co_await alone_.wake_.wait();
      }
      co_return std::nullopt;
    }
    std::optional<stage::Delivery> receive_more() override {
      auto arrival = alone_.inbox_.receive();  // The end is heard of by ended().
      if (!arrival || arrival->mark != flow::Mark::none) return std::nullopt;
      return std::move(arrival->delivery);
    }
    stage::Task<std::optional<stage::Delivery>> receive_soon() override { co_return receive_more(); }
    stage::Task<> flush() override { co_return; }
    void close() override { alone_.closed = true; }

   private:
    Alone& alone_;
  };

  stage::Task<> to_its_end(stage::Source& source) {
    co_await read_.configured.run_source(source);
    co_await source.flush();  // As the engine does.
  }

  std::function<script::Engine&()> scripts() {
    return [this]() -> script::Engine& {
      if (!engine_) engine_ = std::make_unique<script::Engine>(*this);
      return *engine_;
    };
  }
  message::Batch::Pointer batch_of(const std::vector<std::string>& payloads) {
    auto batch = message::Batch::make();
    for (const auto& payload : payloads) batch->append(payload, core().now());
    tokens_.push_back(std::make_unique<message::Token>(*this, next_id_, static_cast<std::uint32_t>(payloads.size())));
    batch->open(tokens_.back().get(), next_id_);
    next_id_ += payloads.size();
    return batch;
  }
  std::size_t take() {
    std::size_t taken = 0;
    for (stage::Port port = 0; port < output->ports().size(); ++port) {
      while (auto batch = output->collect(port)) {
        taken += batch->size();
        for (std::size_t row = 0; row < batch->size(); ++row) note(port, *batch, row);
        if (hold) {
          held.push_back(std::move(batch));
        } else {
          batch->done_all();
        }
      }
    }
    return taken;
  }
  void note(stage::Port port, message::Batch& batch, std::size_t row) {
    out_[output->ports()[port].name].emplace_back(batch.payload(row));
    if (port == stage::main_port) times_.push_back(core().now());
  }
  void completed(message::Token& token) noexcept override {
    done += token.rows();
    for (const auto& row : token.failures()) {
      if (!failed.empty() && &row != &token.failures().front() && failed.back().ordinal == row.ordinal) continue;
      failed.push_back(row);
      --done;
    }
  }
  runtime::WallTime now() override { return runtime.core().wall(); }
  runtime::WallTime wall(runtime::Time when) override { return core().wall() - (core().now() - when); }
  std::uint64_t random() override { return runtime.core().random().next(); }

  Read read_;
  std::unique_ptr<script::Engine> engine_;
  std::unique_ptr<stage::Context> context_;
  std::unique_ptr<stage::Operator> operator_;
  std::unique_ptr<FakeSource> source_;
  std::unique_ptr<FakeDriver> driver_;
  runtime::Waiter wake_{runtime.core()};
  std::unique_ptr<runtime::Coroutine> coroutine_;
  flow::Budget budget_{std::uint64_t{1} << 30};
  std::vector<std::unique_ptr<message::Token>> tokens_;  // Before who may hold what counts on them.
  flow::Inbox inbox_;
  flow::Edge& edge_ = inbox_.connect("in", {65'536, std::uint64_t{1} << 30}, budget_);
  std::map<std::string, std::vector<std::string>> out_;
  std::vector<stage::Time> times_;
  std::size_t largest_out_ = 0;
  std::uint64_t next_id_ = 1;
  std::uint64_t room_ = ~std::uint64_t{0};
  bool abandoned_ = false;
};

}  // namespace weir::tests
