// A sink: gives it what comes, and takes note of when it was done with that.
#include "engine/graph/unit.hpp"

namespace weir::graph {
namespace {

class SinkUnit final : public Unit {
 public:
  using Unit::Unit;

  void prepare() override {
    auto driver = std::make_unique<SinkDriver>(*this);
    driver_ = driver.get();
    head().context = std::move(driver);
    Unit::prepare();
  }

 private:
  class SinkDriver final : public stage::Driver {
   public:
    explicit SinkDriver(SinkUnit& unit)
        : Driver(unit.core_, *unit.head().output, unit.setting_.plan->pipeline.name,
                 [&unit]() -> script::Engine& { return unit.setting_.scripts(unit.core_); }),
          unit_(unit) {}
    runtime::Task<std::optional<flow::Delivery>> receive() override { return unit_.receive(); }
    runtime::Task<> flush() override { return unit_.pump(); }
    void close() override { unit_.inbox_.close(); }

   private:
    SinkUnit& unit_;
  };

  runtime::Task<> run() override {
    co_await head().planned->configured.run_sink(*driver_);
    co_await pump();
    // A sink that closed early lets what is still on its way come in and go.
    while (true) {
      auto rest = co_await receive();
      if (!rest) break;
      head().output->drop_rest(**rest, 0, observe::Dropped::gone);
    }
    co_await pass_flush(true);
    send_mark(flow::Mark::end);
    spent(observe::State::busy);
  }

  /// Whoever comes for more is done with what it had.
  runtime::Task<std::optional<flow::Delivery>> receive() {
    read_clock();
    count_done();
    release_merged();
    if (!work_off()) co_await catch_up();
    while (true) {
      auto arrival = next_arrival();
      if (!arrival) {
        if (ended()) co_return std::nullopt;
        spent_until_clock(observe::State::busy);
        co_await flow::suspend(core_, inbox_);
        spent(observe::State::idle);
        continue;
      }
      if (arrival->mark == flow::Mark::flush) {
        if (driver_->on_flush) co_await driver_->on_flush();
        co_await pass_flush();
      } else if (arrival->mark == flow::Mark::none) {
        if (turn_is_over()) co_await yield_turn();
        // One that writes is asked to once, instead of once for each handful that a route lets through.
        merge_into(arrival->delivery, message::batch_rows);
        head().output->arrived(*arrival->delivery);
        rows_ = arrival->delivery->size();
        entered_ = arrival->delivery->entered(0);
        taken_ = clock();
        co_return std::optional<flow::Delivery>(std::move(arrival->delivery));
      }
      if (ended()) co_return std::nullopt;
    }
  }

  /// The rows of a batch stand in the figures alike.
  void count_done() {
    if (rows_ == 0) return;
    auto& counters = head().output->counters();
    const std::chrono::duration<double> age = clock() - entered_, took = clock() - taken_;
    counters.end_to_end.observe(age.count(), rows_);
    counters.duration.observe(took.count() / static_cast<double>(rows_), rows_);
    rows_ = 0;
  }

  SinkDriver* driver_ = nullptr;
  std::size_t rows_ = 0;               // Of the batch that the sink works on.
  runtime::Time entered_{}, taken_{};  // Its first row, at the source; and the batch, here.
};

}  // namespace

std::unique_ptr<Unit> make_sink_unit(const UnitSetting& setting, const PlannedUnit& planned, runtime::Core& core) {
  return std::make_unique<SinkUnit>(setting, planned, core, 0);
}

}  // namespace weir::graph
