// A unit: what runs as one coroutine on one core, a driver or an operator with the operators fused behind it.
#pragma once
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/flow/channel.hpp"
#include "engine/flow/event.hpp"
#include "engine/graph/plan.hpp"
#include "engine/graph/running.hpp"
#include "engine/graph/wiring.hpp"
#include "engine/observe/snapshot.hpp"
#include "engine/runtime/core.hpp"
#include "engine/stage/context.hpp"
#include "engine/stage/operator.hpp"

namespace weir::graph {

/// A stage's instance in a unit.
struct Node {
  const PlannedStage* planned = nullptr;
  std::unique_ptr<stage::Output> output;
  std::unique_ptr<stage::Context> context;
  std::unique_ptr<stage::Operator> op;  ///< Null for a driver.
  stage::Batch::Pointer in;             ///< What it is working on,
  std::size_t row = 0;                  ///< and how far it has come.
  std::vector<Target> targets;          ///< By port.
  const Node* before = nullptr;         ///< Whom it reads, where it is fused.
  bool sampled = false;  ///< Timed one call in so many: another stage than the head, whose time is exact.
  int calls = 0;         ///< Of the operator, since one was timed,
  std::size_t rows = 0;  ///< and the rows of those.
  bool past = false;     ///< All of `in` goes past this step of a `do`: one before it has failed and says `pass`.
  /// What comes behind `in`, where that was one batch of both kinds.
  std::deque<std::pair<stage::Batch::Pointer, bool>> rest;

  bool at_work() const noexcept { return in || !rest.empty() || output->pending(); }
};

/// One way out of a unit that keeps it going.
struct WayOut {
  WayOut(const Node& of, const Branch* to) : node(&of), branch(to) {}
  const Node* node;
  const Branch* branch;  ///< Null: what comes to the node goes no further.
  /// Its reader has closed, or a stage on the way to it.
  bool closed() const noexcept {
    for (const Node* on_the_way = node; on_the_way; on_the_way = on_the_way->before) {
      if (on_the_way->output->closed()) return true;
    }
    return branch && branch->closed();
  }
};

/// What a unit is given by the pipeline it runs in. Outlives it.
struct UnitSetting {
  const Plan* plan = nullptr;
  RunOptions options;
  std::function<script::Engine&(runtime::Core&)> scripts;
  /// The groups of a stage that some `gather` waits for; null of any other.
  std::function<std::shared_ptr<message::Groups>(std::size_t stage)> groups;
  /// The buckets of a limit, the circuits of a breaker: those of one that has a name are the same for all who name it.
  std::function<std::shared_ptr<policy::Limit>(const stage::LimitConfig&)> limit;
  std::function<std::shared_ptr<policy::Breakers>(const stage::BreakerConfig&)> breaker;
  flow::Budget* memory = nullptr;
  std::atomic<std::uint64_t>* unheard = nullptr;
};

/// The part that all units share: the tree of nodes, and sending. Its core's thread only while it runs; before and
/// after that, its pipeline's home core's.
///
/// Life: made; connected; prepare(); start(); `ended` is called; retire() on all units of the pipeline, so that no
/// token and no batch is left anywhere; destroyed.
class Unit {
 public:
  Unit(const UnitSetting& setting, const PlannedUnit& planned, runtime::Core& core, int replica);
  virtual ~Unit();
  Unit(const Unit&) = delete;
  Unit& operator=(const Unit&) = delete;

  runtime::Core& core() const noexcept { return core_; }
  int replica() const noexcept { return replica_; }
  const std::string& name() const noexcept { return nodes_.front()->planned->name; }
  /// The node of a stage; null where it is not here.
  Node* node(std::size_t stage) const;
  flow::Inbox& inbox() noexcept { return inbox_; }

  /// Makes the stages' instances. May throw what they throw: nothing runs yet.
  virtual void prepare();
  /// `ended` is called once, when nothing of the unit runs any more.
  void start(std::function<void(std::exception_ptr)> ended);
  virtual void drain() {}  ///< A source reads no more. Also before it has started.
  /// The time that drain() has is over: what waits for an outside fails and goes its way. stop() follows.
  virtual void expire() {}
  /// One of its readers takes nothing any more. Where none is left, neither does this one.
  virtual void reader_closed();
  void stop();  ///< Ends at once. Also before it has started.
  /// Lets go of every message that is left; they fail.
  virtual void retire() noexcept;
  /// Messages of this source whose end nobody has heard of. Once all units have retired.
  virtual std::uint64_t left() noexcept { return 0; }

  virtual void snapshot(std::vector<observe::StageSnapshot>& stages);
  virtual std::optional<std::pair<std::uint64_t, std::uint64_t>> progress() const { return std::nullopt; }

 protected:
  /// Whatever it starts has ended when it returns or throws.
  virtual runtime::Task<> run() = 0;
  /// Called with each batch of the head before it goes anywhere (a source opens its tokens here).
  virtual void admit(stage::Batch& batch, stage::Port port) {
    (void)batch;
    (void)port;
  }

  /// A failure that nobody hears. It is counted, and the log has it.
  void tell_lost(stage::Context& context, const message::Failure& why);
  /// Those of its row that were not kept: nobody hears of them either.
  void tell_beyond(stage::Context& context, const message::FailedRow& row);

  /// Gives the stage what the plan has for it, before its instance is made.
  void equip(const PlannedStage& planned, stage::Context& context);

  Node& head() noexcept { return *nodes_.front(); }
  /// Works off what is under way in the tree and sends it, as far as there is credit and the turn lasts. Begins at
  /// clock(). True: nothing is left of it.
  /// Every batch comes this way, and nearly always through: a coroutine for each step would cost more than the step.
  bool work_off();
  /// Works off everything. Waits for credit, and for its next turn.
  runtime::Task<> pump();
  /// The same after work_off() said no: without a coroutine where it says yes.
  runtime::Task<> catch_up();
  /// Lets every operator emit what it holds, then passes the mark on: Mark::flush if anything has gone out since the
  /// last one, since where many come together each would be passed on to all who read, who pass on each.
  runtime::Task<> pass_flush(flow::Mark mark);
  /// The same where nothing will come any more. Behind it Mark::end is to be sent.
  runtime::Task<> finish();
  runtime::Task<> let_go(bool over);
  void send_mark(flow::Mark mark);
  /// Marks that ask for what is held. (The end is none: what comes before it has asked already.)
  static constexpr bool asks_to_let_go(flow::Mark mark) {
    return mark == flow::Mark::flush || mark == flow::Mark::all_read;
  }
  /// A run that this replica got is over, and with it the run that it passes on (Runs::passed), be it empty.
  void end_run();
  /// What comes next; nothing: it has not come yet, or nothing will come any more (ended()).
  std::optional<flow::Arrival> next_arrival();
  bool ended() noexcept { return !ahead_ && inbox_.ended(); }
  /// Adds to the batch what has come by the same edge meanwhile, as far as a batch goes, and of batches that have no
  /// more than so many rows each: many handfuls are worked off as one batch. Waits for nothing. The places of what was
  /// added are free when release_merged() says so.
  void merge_into(flow::Delivery& delivery, std::size_t rows_most);
  void release_merged() noexcept { merged_.clear(); }
  /// The next of next_arrival(): it has been looked at, and is not to be taken yet.
  void put_back(flow::Arrival arrival) { ahead_ = std::move(arrival); }
  bool has_put_back() const noexcept { return ahead_.has_value(); }
  /// After the head has put something in.
  void feed(stage::Batch::Pointer batch);
  /// Everybody who reads this unit for its results has closed, or a stage on the way there takes nothing more. Who
  /// reads its failures only does not keep it going.
  bool abandoned() const noexcept { return abandoned_; }
  void look_for_readers();
  /// Whether others on this core should run now: every 16 batches or 500 µs (semantics 16). Asked after each batch.
  bool turn_is_over() noexcept { return ++batches_ >= 16 || clock_ - turn_began_ >= turn_most; }
  runtime::Task<> yield_turn();
  runtime::Task<bool> give_way();  ///< Core::give_way(), as a turn.
  /// Counts the time since the last call as spent in this state, until now or until clock().
  void spent(observe::State state);
  void spent_until_clock(observe::State state);
  /// The cells for the time from `since` to `now`. A unit of several workers divides it among them.
  virtual void count_time(observe::State state, runtime::Time since, runtime::Time now);
  /// The clock as this unit read it last. A reading costs as much as a short stage takes for a row, so one is made when
  /// a wait is over and one after each batch, and used for all that happens in between.
  runtime::Time clock() const noexcept { return clock_; }
  runtime::Time read_clock() { return clock_ = core_.now(); }
  /// Around the work on a batch. The second reads the clock, and returns how long this unit has worked on it, waits
  /// and the turns of others left out.
  void begin_batch() noexcept;
  runtime::Duration end_batch();

  const UnitSetting& setting_;
  const PlannedUnit& planned_;
  runtime::Core& core_;
  const int replica_;
  std::vector<std::unique_ptr<Node>> nodes_;
  flow::Inbox inbox_;

 private:
  static constexpr runtime::Duration turn_most = std::chrono::microseconds(500);
  static constexpr runtime::Duration run_most =
      std::chrono::microseconds(200);  ///< Of work, dealt to a replica at once.
  static constexpr int timed_each = 64;

  /// A batch on its way out of the unit, in pieces that its edges take. It is the unit's and not a coroutine's, so that
  /// a coroutine which is stopped while it waits for credit loses nothing.
  struct Sending {
    /// What one replica gets of a piece that is shared out by key.
    struct Part {
      Part(Branch& of, std::size_t number, stage::Batch::Pointer rows)
          : branch(&of), edge(number), batch(std::move(rows)) {}
      Branch* branch;
      std::size_t edge;
      stage::Batch::Pointer batch;
    };
    bool piece_under_way() const noexcept { return piece || !parts.empty() || !keyless.empty(); }

    Target* target = nullptr;
    stage::Output* from = nullptr;
    stage::Batch::Pointer rest, piece;
    std::vector<Part> parts, keyless;  // Of the piece: no two parts by one edge; and one by one what has no key.
    std::size_t row = 0;               ///< Of `rest`: the first that is in no piece yet.
    std::size_t rows_most = 0;
    std::uint64_t bytes_most = 0;
  };

  bool send(Target& target, stage::Batch::Pointer batch, stage::Output& from);
  bool go_on_sending();
  void cut_piece();
  void split_piece();
  void split_by_key(Branch& branch, stage::Batch::Pointer batch);
  bool waits_for(Branch& branch, std::size_t edge, const stage::Batch& batch) noexcept;
  enum class Sent : std::uint8_t { whole, in_part, not_at_all, to_nobody };
  Sent deliver(Branch& branch, flow::Edge& edge, stage::Batch::Pointer batch, stage::Output& from);
  static std::size_t rows_that_fit(flow::Edge& edge, const stage::Batch& batch);
  void lose(Branch& branch, flow::Edge& edge, stage::Batch& batch, std::size_t first, stage::Output& from);
  bool send_piece();
  bool send_keyless();
  void process(Node& node);
  Node* deepest_at_work() noexcept;
  static void hand_on(Node& to, stage::Batch::Pointer batch);

  std::unique_ptr<runtime::Coroutine> coroutine_;
  std::optional<flow::Arrival> ahead_;  // Received and not taken yet.
  std::vector<flow::Delivery> merged_;  // Their rows are in the batch at hand.
  Sending sending_;
  std::string key_;                             // Of one of its rows. Reused.
  flow::Edge* full_ = nullptr;                  // Which has no credit for it, where it waits. Null: the turn is over.
  std::optional<runtime::Time> patient_until_;  // Of one that then fails or drops.
  bool stopped_ = false;
  std::vector<WayOut> ways_out_;
  bool abandoned_ = false;
  bool owes_flush_ = false;  ///< Something has gone out since the last flush mark.
  int batches_ = 0;
  runtime::Time turn_began_{};
  runtime::Time clock_{};
  runtime::Time state_since_{};
  runtime::Time working_since_{};
  runtime::Duration worked_{};  // On the batch at hand, until then.
};

/// A unit without a driver: an inbox, operators, edges.
std::unique_ptr<Unit> make_operator_unit(const UnitSetting&, const PlannedUnit&, runtime::Core&, int replica);
/// A source with what is fused behind it: tokens, replays, the end.
std::unique_ptr<Unit> make_source_unit(const UnitSetting&, const PlannedUnit&, runtime::Core&);
/// A sink.
std::unique_ptr<Unit> make_sink_unit(const UnitSetting&, const PlannedUnit&, runtime::Core&);
/// A stage that calls: workers, order, timeout, merge.
std::unique_ptr<Unit> make_call_unit(const UnitSetting&, const PlannedUnit&, runtime::Core&);
/// A stage whose input and output do not depend on each other.
std::unique_ptr<Unit> make_duplex_unit(const UnitSetting&, const PlannedUnit&, runtime::Core&);

}  // namespace weir::graph
