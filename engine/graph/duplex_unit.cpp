// A stage whose input and output do not depend on each other: hands it what comes, sends on what it puts out, and hears
// how the messages ended that it made itself.
#include <atomic>
#include <deque>

#include "engine/graph/unit.hpp"

namespace weir::graph {
namespace {

using message::Failure;
using message::Token;
using stage::Batch;
using stage::Port;

class DuplexUnit final : public Unit, private message::TokenOwner {
 public:
  DuplexUnit(const UnitSetting& setting, const PlannedUnit& planned, runtime::Core& core)
      : Unit(setting, planned, core, 0), any_port_(head().planned->ports.size() - 1) {
    stage = planned.stages.front();
    // As of a source.
    next_id_ = (core.random().next() & 0xffff) << 48;
  }
  ~DuplexUnit() override { left(); }

  void prepare() override {
    auto driver = std::make_unique<Driver>(*this);
    driver_ = driver.get();
    driver_->common = &head().planned->common;
    head().context = std::move(driver);
    Unit::prepare();
  }
  void retire() noexcept override {
    over_ = true;
    Unit::retire();
  }
  std::uint64_t left() noexcept override {
    std::uint64_t left = 0;
    for (Open* open = answered_.exchange(nullptr, std::memory_order_seq_cst); open;) {
      left += open->failures().size();
      Open* const next = open->next;
      delete open;
      open = next;
    }
    return left;
  }
  void drain() override {
    driver_->drains = true;
    if (driver_->on_drain) driver_->on_drain();
  }
  void expire() override {
    if (driver_->on_expire) driver_->on_expire();
  }
  void snapshot(std::vector<observe::StageSnapshot>& stages) override {
    const std::size_t own = stages.size();
    Unit::snapshot(stages);
    if (head().planned->configured.creates) stages[own].ack_pending = static_cast<std::int64_t>(open_);
  }

 private:
  class Driver final : public stage::Duplex {
   public:
    explicit Driver(DuplexUnit& unit)
        : Duplex(unit.core_, *unit.head().output, unit.setting_.plan->pipeline.name,
                 [&unit]() -> script::Engine& { return unit.setting_.scripts(unit.core_); }),
          unit_(unit) {}
    runtime::Task<std::optional<flow::Delivery>> receive() override { return unit_.receive(); }
    runtime::Task<> flush() override { return unit_.flush(); }
    void waited(bool outside) override { unit_.spent(outside ? observe::State::outside : observe::State::idle); }
    void refuse(std::string_view bytes, Failure why) override { unit_.refuse(bytes, std::move(why)); }
    bool abandoned() const noexcept override { return unit_.abandoned(); }
    void close() override { unit_.inbox_.close(); }

   private:
    DuplexUnit& unit_;
  };

  /// Messages of a batch that were made here.
  struct Open : Token {
    using Token::Token;
    bool last = false;  ///< Sent as failures: if one fails too, it is over.
    Open* next = nullptr;
  };

  runtime::Task<> run() override {
    inbox_.tell_each();
    co_await head().planned->configured.run_duplex(*driver_);
    // One that closed early lets what is still on its way come in and go.
    while (auto rest = co_await receive()) head().output->drop_rest(**rest, 0, observe::Dropped::gone);
    driver_->answered = nullptr;
    driver_->on_flush = [this] { heard_.set(); };
    co_await flush();
    for (co_await finish(); open_ > 0; co_await flush()) {
      spent(observe::State::busy);
      co_await heard_.wait();
      spent(observe::State::idle);
    }
    send_mark(flow::Mark::end);
    spent(observe::State::busy);
  }

  runtime::Task<std::optional<flow::Delivery>> receive() {
    if (++deliveries_ % deliveries_at_once == 0) co_await core_.yield();
    while (!inbox_.ended()) {
      auto arrival = inbox_.receive();
      if (!arrival) {
        co_await flow::suspend(core_, inbox_);
      } else if (asks_to_let_go(arrival->mark)) {
        marks_.push_back({arrival->mark, received_});
        if (driver_->on_flush) driver_->on_flush();
      } else if (arrival->mark == flow::Mark::one_read) {
        if (driver_->on_flush) driver_->on_flush();  // Who waits for the end of all would wait for the longest source.
      } else if (arrival->mark == flow::Mark::none) {
        head().output->arrived(*arrival->delivery);
        received_ += arrival->delivery->size();
        co_return std::optional<flow::Delivery>(std::move(arrival->delivery));
      }
    }
    co_return std::nullopt;
  }

  runtime::Task<> flush() {
    hear();
    read_clock();
    begin_batch();
    if (!work_off()) co_await catch_up();
    end_batch();
    // A mark goes on when all that came before it has: whoever collects downstream has it then.
    while (!marks_.empty() && (!driver_->answered || driver_->answered() >= marks_.front().received)) {
      const flow::Mark mark = marks_.front().mark;
      marks_.pop_front();
      co_await pass_flush(mark);
    }
    spent_until_clock(observe::State::busy);
    if (turn_is_over()) co_await yield_turn();
  }

  // ------------------------------------------------------------------------------------- messages that were made here

  void admit(Batch& batch, Port port) override {
    if (!setting_.options.acks || (port == stage::main_port && !head().planned->configured.creates)) return;
    std::uint32_t made = 0;
    for (std::size_t row = 0; row < batch.size(); ++row) made += batch.token(row) ? 0 : 1;
    if (made == 0) return;
    auto* const open = new Open(*this, next_id_, made);
    open->last = port == stage::failed_port || port == any_port_;
    for (std::size_t row = 0; row < batch.size(); ++row) {
      if (!batch.token(row)) batch.set_identity(row, next_id_++, open);
    }
    open_ += made;
  }

  void completed(Token& token) noexcept override {
    auto& open = static_cast<Open&>(token);
    const bool failed = !open.failures().empty();
    Open* top = answered_.load(std::memory_order_relaxed);
    do open.next = top;
    while (!answered_.compare_exchange_weak(top, &open, std::memory_order_seq_cst, std::memory_order_relaxed));
    if (over_ || (!failed && !ending_)) return;
    core_.post([this] {
      if (driver_->on_flush) driver_->on_flush();
    });
  }

  /// Takes in how they ended. What failed goes on by `.failed` or `any.failed`; it can't be made again.
  void hear() {
    ending_ = inbox_.ended();
    stage::Output& output = *head().output;
    for (Open* open = answered_.exchange(nullptr, std::memory_order_seq_cst); open;) {
      open_ -= open->rows();
      for (const auto& row : open->failures()) {
        tell_beyond(*driver_, row);
        const Port port = port_of_failures();
        if (open->last || !output.heard(port)) {
          tell_lost(*driver_, row.failure);
          continue;
        }
        const message::Message failed = output.emit(port, row.payload, core_.now());
        if (row.metadata) failed.edit_metadata() = *row.metadata;
        failed.edit_metadata().failed = row.failure;
      }
      Open* const next = open->next;
      delete open;
      open = next;
    }
  }
  Port port_of_failures() const {
    return nodes_.front()->output->heard(stage::failed_port) ? stage::failed_port : any_port_;
  }

  void refuse(std::string_view bytes, Failure why) {
    stage::Output& output = *head().output;
    output.complete(why);
    auto& counters = output.counters();
    const auto reason = static_cast<std::size_t>(why.reason);
    ++counters.errors[reason];
    if (const Port port = port_of_failures(); output.heard(port)) {
      const message::Message failed = output.emit(port, bytes, core_.now());
      failed.edit_metadata().failed = std::move(why);
      return;
    }
    ++counters.created;
    ++counters.failed[reason];
    tell_lost(*driver_, why);
  }

  static constexpr int deliveries_at_once = 16;

  Driver* driver_ = nullptr;
  const Port any_port_;
  flow::Event heard_{core_};
  int deliveries_ = 0;
  std::uint64_t received_ = 0;  // Messages, so far.
  struct Passing {
    flow::Mark mark;
    std::uint64_t received;
  };
  std::deque<Passing> marks_;  // To be passed on when so many have their verdict.
  std::uint64_t next_id_ = 0;
  std::uint64_t open_ = 0;  // Made here and not answered.
  std::atomic<Open*> answered_{nullptr};
  std::atomic<bool> over_{false}, ending_{false};
};

}  // namespace

std::unique_ptr<Unit> make_duplex_unit(const UnitSetting& setting, const PlannedUnit& planned, runtime::Core& core) {
  return std::make_unique<DuplexUnit>(setting, planned, core);
}

}  // namespace weir::graph
