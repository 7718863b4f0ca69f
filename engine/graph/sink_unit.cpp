// A sink: gives it what comes, and takes note of when it was done with that.
#include <algorithm>
#include <utility>

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
    const Plan& plan = *setting_.plan;
    for (std::size_t i = 0; i < plan.stages.size(); ++i) {
      const auto& maker = plan.stages[i];
      if (!maker.opens_tokens() || (maker.configured.shape == stage::Shape::duplex && !maker.configured.creates))
        continue;
      const auto is_this = [&maker](const PlannedStage& planned) { return &planned == &maker; };
      if (plan.any_up_to(planned_.stages.front(), is_this)) end_to_end_.push_back({i, {}});
    }
    Unit::prepare();
  }
  void snapshot(std::vector<observe::StageSnapshot>& stages) override {
    const std::size_t own = stages.size();
    Unit::snapshot(stages);
    for (const auto& [source, cells] : end_to_end_) {
      const bool known = source != message::TokenOwner::unknown;
      stages[own].end_to_end.emplace_back(known ? setting_.plan->stages[source].name : std::string(), cells);
    }
  }

 private:
  class SinkDriver final : public stage::Driver {
   public:
    explicit SinkDriver(SinkUnit& unit)
        : Driver(unit.core_, *unit.head().output, unit.setting_.plan->pipeline.name,
                 [&unit]() -> script::Engine& { return unit.setting_.scripts(unit.core_); }),
          unit_(unit) {}
    runtime::Task<std::optional<flow::Delivery>> receive() override { return unit_.receive(); }
    std::optional<flow::Delivery> receive_more() override { return unit_.receive_more(); }
    runtime::Task<std::optional<flow::Delivery>> receive_soon() override { return unit_.receive_soon(); }
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
    co_await finish();
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
      if (asks_to_let_go(arrival->mark)) {
        if (driver_->on_flush) co_await driver_->on_flush();
        co_await pass_flush(arrival->mark);
      } else if (arrival->mark == flow::Mark::none) {
        if (turn_is_over()) co_await yield_turn();
        // One that writes is asked to once, instead of once for each handful that a route lets through.
        merge_into(arrival->delivery, message::batch_rows);
        take(*arrival->delivery);
        co_return std::optional<flow::Delivery>(std::move(arrival->delivery));
      }
      if (ended()) co_return std::nullopt;
    }
  }

  std::optional<flow::Delivery> receive_more() {
    auto arrival = next_arrival();
    if (!arrival) return std::nullopt;
    // What waits where the oldest is dropped may give way to what is fresher.
    if (arrival->mark != flow::Mark::none || arrival->edge->drops_oldest()) {
      put_back(std::move(*arrival));
      return std::nullopt;
    }
    take(*arrival->delivery);
    return std::optional<flow::Delivery>(std::move(arrival->delivery));
  }

  /// As many turns as a source and a few stages need to have brought it.
  runtime::Task<std::optional<flow::Delivery>> receive_soon() {
    constexpr int turns_most = 8;
    for (int turns = 0;; ++turns) {
      if (auto more = receive_more()) co_return std::move(more);
      if (turns == turns_most || has_put_back() || ended()) co_return std::nullopt;
      try {
        if (!co_await give_way()) co_return std::nullopt;
      } catch (const runtime::Stopped&) {
        co_return std::nullopt;
      }
    }
  }

  void take(const stage::Batch& batch) {
    head().output->arrived(batch);
    if (taken_.empty()) taken_at_ = clock();
    taken_.push_back({batch.size(), batch.entered(0), source_of(batch)});
  }

  /// Whose its first row is, where several may be.
  std::size_t source_of(const stage::Batch& batch) const {
    if (end_to_end_.size() == 1) return end_to_end_.front().first;
    const message::Token* const token = batch.token(0);
    return token ? token->stage() : message::TokenOwner::unknown;
  }
  observe::HistogramCells& end_to_end(std::size_t source) {
    const auto known = std::find_if(end_to_end_.begin(), end_to_end_.end(),
                                    [source](const auto& cells) { return cells.first == source; });
    return known == end_to_end_.end() ? end_to_end_.emplace_back(source, observe::HistogramCells()).second
                                      : known->second;
  }

  /// The rows of a batch stand in the figures alike, and so do those of all that were worked off together.
  void count_done() {
    if (taken_.empty()) return;
    auto& counters = head().output->counters();
    std::size_t rows = 0;
    for (const Taken& batch : taken_) {
      const std::chrono::duration<double> age = clock() - batch.entered;
      end_to_end(batch.source).observe(age.count(), batch.rows);
      rows += batch.rows;
    }
    const std::chrono::duration<double> took = clock() - taken_at_;
    counters.duration.observe(took.count() / static_cast<double>(rows), rows);
    taken_.clear();
  }

  struct Taken {
    std::size_t rows;
    runtime::Time entered;  // Its first row, at the source,
    std::size_t source;     // and which that is.
  };

  SinkDriver* driver_ = nullptr;
  std::vector<std::pair<std::size_t, observe::HistogramCells>> end_to_end_;  // By the source.
  std::vector<Taken> taken_;                                                 // The batches that the sink works on.
  runtime::Time taken_at_{};                                                 // The first of them, here.
};

}  // namespace

std::unique_ptr<Unit> make_sink_unit(const UnitSetting& setting, const PlannedUnit& planned, runtime::Core& core) {
  return std::make_unique<SinkUnit>(setting, planned, core, 0);
}

}  // namespace weir::graph
