// Operators without a driver: received, worked off and sent, with a clock where one holds messages back.
#include <algorithm>

#include "engine/graph/unit.hpp"

namespace weir::graph {
namespace {

class OperatorUnit final : public Unit {
 public:
  using Unit::Unit;

 private:
  // To move a row from one batch to another costs a tenth of what a batch costs.
  static constexpr std::size_t handful = 8;

  runtime::Task<> run() override {
    const Disarm disarm(*this);
    std::size_t rows = 0;  // Of the batch at hand.
    while (!ended()) {
      auto arrival = next_arrival();
      if (collects_) co_await tick();
      if (!arrival) {
        spent_until_clock(observe::State::busy);
        co_await flow::suspend(core_, inbox_);
        spent(observe::State::idle);
        continue;
      }
      switch (arrival->mark) {
        case flow::Mark::none:
          if (abandoned()) {
            give_up(*arrival);
            break;
          }
          if (const auto* why = arrival->delivery->refused()) {
            refuse(*arrival->delivery, *why);
            co_await pump();
            break;
          }
          // A replica that gets what others could get as well gives back the places of each piece as it is done: by
          // these it is dealt more.
          if (planned_.replicas == 1 || by_key_) merge_into(arrival->delivery, handful);
          rows = arrival->delivery->size();
          feed(arrival->delivery.take());
          if (!work_off()) co_await catch_up();
          tell_cost(end_batch() / static_cast<runtime::Duration::rep>(rows));
          arrival->delivery.release_all();
          release_merged();
          if (abandoned()) inbox_.close();
          break;
        case flow::Mark::flush:
        case flow::Mark::all_read:
          co_await pass_flush(arrival->mark);
          break;
        case flow::Mark::run_end:
          end_run();
          break;
        case flow::Mark::one_read:  // Not asked for.
        case flow::Mark::end:
          break;
      }
      if (turn_is_over()) co_await yield_turn();
    }
    co_await finish();
    send_mark(flow::Mark::end);
    spent(observe::State::busy);
  }

  /// Who deals to replicas wants to know.
  void tell_cost(runtime::Duration of_a_row) noexcept {
    if (planned_.replicas > 1) inbox_.set_row_cost(of_a_row);
  }

  void give_up(flow::Arrival& arrival) {
    stage::Output& output = *head().output;
    output.arrived(*arrival.delivery);
    output.drop_rest(*arrival.delivery, 0, observe::Dropped::gone);
  }

  /// What was dealt to this replica for want of a key.
  void refuse(stage::Batch& batch, const message::Failure& why) {
    stage::Output& output = *head().output;
    output.arrived(batch);
    for (std::size_t row = 0; row < batch.size(); ++row) output.fail(batch, row, why);
  }

  runtime::Task<> tick() {
    std::optional<runtime::Time> due;
    for (const auto& node : nodes_) {
      if (!node->planned->configured.collects) continue;
      const auto when = node->op->tick(clock(), *node->output);
      if (when && (!due || *when < *due)) due = when;
      if (node->output->pending()) co_await pump();
    }
    // One that rings earlier than needed does no harm: then we look again.
    if (!due || (armed_ && *armed_ <= *due)) co_return;
    armed_ = due;
    alarm_ = core_.alarm(*due, [this] {
      armed_.reset();
      inbox_.poke();
    });
  }

  /// However the unit ends, its alarm is taken back on this core.
  class Disarm {
   public:
    explicit Disarm(OperatorUnit& unit) : unit_(unit) {}
    Disarm(const Disarm&) = delete;
    Disarm& operator=(const Disarm&) = delete;
    ~Disarm() { unit_.alarm_.reset(); }

   private:
    OperatorUnit& unit_;
  };

  const bool by_key_ = head().planned->common.order == stage::Order::by_key;
  const bool collects_ =
      std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) { return node->planned->configured.collects; });
  std::unique_ptr<runtime::Alarm> alarm_;
  std::optional<runtime::Time> armed_;  // While it has not rung.
};

}  // namespace

std::unique_ptr<Unit> make_operator_unit(const UnitSetting& setting, const PlannedUnit& planned, runtime::Core& core,
                                         int replica) {
  return std::make_unique<OperatorUnit>(setting, planned, core, replica);
}

}  // namespace weir::graph
