#include "engine/graph/unit.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "engine/config/words.hpp"
#include "engine/runtime/assert.hpp"

namespace weir::graph {

using stage::Batch;
using stage::Port;

Unit::Unit(const UnitSetting& setting, const PlannedUnit& planned, runtime::Core& core, int replica)
    : setting_(setting), planned_(planned), core_(core), replica_(replica) {
  const Plan& plan = *setting.plan;
  for (const std::size_t index : planned.stages) {
    auto node = std::make_unique<Node>();
    node->planned = &plan.stages[index];
    std::vector<stage::Output::OutPort> ports;
    for (Port port = 0; port < node->planned->ports.size(); ++port) {
      const auto readers = plan.readers({index, port});
      const bool looked_into = std::any_of(readers.begin(), readers.end(), [&plan](std::size_t reader) {
        return plan.stages[reader].configured.looks_inside;
      });
      ports.push_back({node->planned->ports[port], !readers.empty(), looked_into});
    }
    const auto shape = node->planned->configured.shape;
    node->output =
        std::make_unique<stage::Output>(core, node->planned->name, std::move(ports), node->planned->common.on_error,
                                        shape != stage::Shape::source && shape != stage::Shape::operation);
    if (node->planned->of_several()) node->output->fail_originals();
    node->output->on_unheard = [this, of = node.get()](const message::Failure& why) { tell_lost(*of->context, why); };
    node->targets.resize(node->planned->ports.size());
    node->sampled = !nodes_.empty() && node->planned->name != name();
    nodes_.push_back(std::move(node));
  }
  // Who is fused hangs behind who it reads.
  for (const auto& node : nodes_) {
    if (!node->planned->fused) continue;
    const PortRef input = node->planned->inputs.front();
    Node* const before = this->node(input.stage);
    before->targets[input.port].fused = node.get();
    node->before = before;
  }
}

Unit::~Unit() = default;

Node* Unit::node(std::size_t stage) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (planned_.stages[i] == stage) return nodes_[i].get();
  }
  return nullptr;
}

void Unit::tell_lost(stage::Context& context, const message::Failure& why) {
  ++*setting_.unheard;
  constexpr const char* what = "a message failed and nobody listens";
  const auto& plan = *setting_.plan;
  const auto stage = plan.find(why.stage);
  const std::string place = why.place.empty() && stage ? plan.stages[*stage].place.str() : why.place;
  const observe::Field pipeline{"pipeline", context.pipeline}, source{"stage", context.name()};
  const observe::Field of{"failed_stage", why.stage}, text{"why", why.text}, yaml{"yaml", place};
  if (!why.line) return observe::log(observe::Level::error, what, {pipeline, source, of, text, yaml});
  observe::log(observe::Level::error, what, {pipeline, source, of, text, {"line", *why.line}, yaml});
}

void Unit::tell_beyond(stage::Context& context, const message::FailedRow& row) {
  if (row.beyond == 0) return;
  *setting_.unheard += row.beyond;
  context.log(observe::Level::error, "more of what one message became failed than could be kept",
              {{"messages", row.beyond}});
}

void Unit::equip(const PlannedStage& planned, stage::Context& context) {
  const auto index = static_cast<std::size_t>(&planned - setting_.plan->stages.data());
  context.memory = setting_.memory;
  if (planned.common.state) context.state = &*planned.common.state;
  context.timeout = planned.common.timeout;
  if (planned.configured.opens_groups) context.opens = setting_.groups(index);
  if (planned.gathers) {
    context.gathers = setting_.groups(*planned.gathers);
    context.gathers_once = setting_.plan->stages[*planned.gathers].configured.shape == stage::Shape::source;
    context.wake = [this] { inbox_.poke(); };
  }
}

void Unit::prepare() {
  for (const auto& node : nodes_) {
    if (!node->context) {
      node->context = std::make_unique<stage::Context>(core_, *node->output, setting_.plan->pipeline.name,
                                                       [this]() -> script::Engine& { return setting_.scripts(core_); });
    }
    for (auto& target : node->targets) {
      for (auto& branch : target.branches) {
        if (branch.by_key) node->context->compile(branch.by_key->key, *branch.by_key->text);
      }
    }
    if (!node->planned->configured.make_operator) continue;
    equip(*node->planned, *node->context);
    node->op = node->planned->configured.make_operator(*node->context);
  }
  // A call whose results nobody reads is done when it has called: it goes on for that alone.
  const auto shape = head().planned->configured.shape;
  const bool calls = shape == stage::Shape::call || shape == stage::Shape::duplex;
  if (calls && !head().output->heard(stage::main_port)) return;
  std::vector<WayOut> of_failures, ends;
  for (const auto& node : nodes_) {
    bool last = true;
    for (Port port = 0; port < node->targets.size(); ++port) {
      const bool failures = port == stage::failed_port || node->planned->ports[port] == config::any_word;
      for (const auto& branch : node->targets[port].branches) {
        (failures ? of_failures : ways_out_).emplace_back(*node, &branch);
      }
      last = last && !node->targets[port].fused;
    }
    if (last) ends.emplace_back(*node, nullptr);
  }
  if (ways_out_.empty()) ways_out_ = std::move(of_failures);
  if (ways_out_.empty()) ways_out_ = std::move(ends);
}

void Unit::start(std::function<void(std::exception_ptr)> ended) {
  state_since_ = turn_began_ = read_clock();
  if (stopped_) {
    core_.post([ended = std::move(ended)] { ended(nullptr); });
    return;
  }
  coroutine_ = core_.spawn(run(), std::move(ended));
}

void Unit::stop() {
  stopped_ = true;
  if (coroutine_ && coroutine_->running()) coroutine_->stop();
}

void Unit::retire() noexcept {
  sending_ = {};
  ahead_.reset();
  merged_.clear();
  for (const auto& node : nodes_) {
    node->in.reset();
    node->rest.clear();
    for (Port port = 0; port < node->targets.size(); ++port) {
      while (node->output->collect(port)) {
      }
    }
    node->op.reset();
  }
  inbox_.clear();
}

void Unit::spent(observe::State state) {
  read_clock();
  spent_until_clock(state);
}

void Unit::spent_until_clock(observe::State state) {
  if constexpr (flow::counting) count_time(state, state_since_, clock_);
  state_since_ = clock_;
  if (state == observe::State::busy) {
    worked_ += clock_ - working_since_;
  } else {
    turn_began_ = clock_;  // The others have had theirs.
  }
  working_since_ = clock_;
}

void Unit::begin_batch() noexcept {
  worked_ = {};
  working_since_ = clock_;
}

runtime::Duration Unit::end_batch() {
  worked_ += read_clock() - working_since_;
  working_since_ = clock_;
  if (worked_ > turn_most) {  // Rows that ran through were perhaps slower than those before them.
    for (const auto& node : nodes_) node->output->relearn_pace();
  }
  return worked_;
}

void Unit::count_time(observe::State state, runtime::Time since, runtime::Time now) {
  head().output->counters().time[static_cast<std::size_t>(state)] += now - since;
}

std::optional<flow::Arrival> Unit::next_arrival() {
  if (ahead_) return std::exchange(ahead_, std::nullopt);
  return inbox_.receive();
}

void Unit::merge_into(flow::Delivery& delivery, std::size_t rows_most) {
  if (delivery.edge()->drops_oldest()) return;  // What waits there may give way to what is fresher.
  while (delivery->size() < message::batch_rows) {
    ahead_ = inbox_.receive();
    if (!ahead_) return;
    if (ahead_->mark != flow::Mark::none || ahead_->edge != delivery.edge()) return;
    Batch& more = *ahead_->delivery;
    if (more.refused() || more.size() > rows_most || delivery->size() + more.size() > message::batch_rows ||
        delivery->live_bytes() + more.live_bytes() > message::arena_bytes) {
      return;
    }
    for (std::size_t row = 0; row < more.size(); ++row) delivery->take_row(more, row);
    merged_.push_back(std::move(ahead_->delivery));
    ahead_.reset();
  }
}

void Unit::feed(Batch::Pointer batch) {
  Node& first = head();
  first.output->arrived(*batch);
  first.in = std::move(batch);
  first.row = 0;
  begin_batch();
}

Node* Unit::deepest_at_work() noexcept {
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    if (nodes_[i]->at_work()) return nodes_[i].get();
  }
  return nullptr;
}

bool Unit::work_off() {
  if (!go_on_sending()) return false;
  // The deepest first, and one call at a time: each operator finds the one behind it empty, so that no more than one
  // batch a port is ever under way, however much an operator makes of a message.
  for (Node* node = nullptr;;) {
    if (!node || !node->at_work()) node = deepest_at_work();
    if (!node) return true;
    stage::Output& output = *node->output;
    if (output.pending()) {
      for (Port port = 0; port < node->targets.size(); ++port) {
        Batch::Pointer batch = output.collect(port);
        if (!batch) continue;
        if (node == nodes_.front().get()) admit(*batch, port);
        Target& target = node->targets[port];
        if (target.fused) {
          WEIR_ASSERT(!target.fused->at_work(), "an operator deeper in the chain has been found empty");
          target.fused->output->arrived(*batch);
          output.counters().bytes_out += batch->live_bytes();
          hand_on(*target.fused, std::move(batch));
          node = target.fused;  // What is before it in the tree waits for it, and what is behind it is empty.
          break;
        }
        if (!send(target, std::move(batch), output)) return false;
      }
      continue;
    }
    process(*node);
    if (output.closed() && !abandoned_) look_for_readers();
    if (node->in && clock_ - turn_began_ >= turn_most) {
      full_ = nullptr;
      return false;
    }
  }
}

/// A `do` is one stage: what fails in a step, and goes on by `on_error: pass`, leaves it past the steps behind, in its
/// turn. Rare, so that they get it as batches of their own: an operator need not look at each row.
void Unit::hand_on(Node& to, Batch::Pointer batch) {
  to.row = 0;
  to.past = false;
  const bool may_pass =
      to.planned->common.on_error == stage::OnError::pass && to.planned->of_several() && !to.planned->first_written();
  const auto goes_past = [&](std::size_t row) {
    const auto* metadata = batch->metadata(row);
    return metadata && metadata->failed && metadata->failed->stage == to.planned->name;
  };
  for (std::size_t row = 0; may_pass && row < batch->size();) {
    const bool past = goes_past(row);
    std::size_t end = row + 1;
    while (end < batch->size() && goes_past(end) == past) ++end;
    if (row == 0 && end == batch->size()) {
      to.past = past;
      break;
    }
    Batch::Pointer part = Batch::make();
    for (; row < end; ++row) part->take_row(*batch, row);
    to.rest.emplace_back(std::move(part), past);
  }
  if (to.rest.empty()) to.in = std::move(batch);
}

void Unit::process(Node& node) {
  stage::Output& output = *node.output;
  if (!node.in) {
    std::tie(node.in, node.past) = std::move(node.rest.front());
    node.rest.pop_front();
  }
  const std::size_t before = node.row, rows = node.in->size();
  if (before == 0 && node.planned->of_several() && node.planned->first_written()) node.in->keep_originals();
  // The stage that heads the unit is timed by the unit's own readings.
  const bool timed = flow::counting && node.sampled && node.calls++ % timed_each == 0;
  if (timed) read_clock();
  const runtime::Time began = clock_;
  output.begin(node.in, clock_, turn_began_ + turn_most);
  if (node.past) {
    while (node.row < rows) output.pass(*node.in, node.row++);
  } else {
    node.row = node.op->process(*node.in, node.row, output, clock_);
  }
  const std::size_t done = node.row - before;
  output.end(node.in, node.row);
  if (done == 0 && before < rows && !output.pending()) {
    throw stage::Fault("operator '" + node.planned->name + "' makes no progress");
  }
  node.rows += done;
  if (node.in || timed) read_clock();
  if (timed && done > 0) {
    const auto took = (clock_ - began) / static_cast<runtime::Duration::rep>(done);
    output.counters().time[static_cast<std::size_t>(observe::State::busy)] +=
        took * static_cast<runtime::Duration::rep>(std::exchange(node.rows, 0));
  }
  if (!node.in) node.row = 0;
}

runtime::Task<> Unit::pump() {
  if (!work_off()) co_await catch_up();
}

runtime::Task<> Unit::catch_up() {
  do {
    if (!full_) {
      co_await yield_turn();
      continue;
    }
    spent(observe::State::busy);
    std::unique_ptr<runtime::Alarm> patience;
    if (patient_until_) {
      patience = core_.alarm(*patient_until_, [edge = full_] { edge->wake_sender(); });
    }
    co_await flow::suspend(core_, *full_);
    spent(observe::State::backpressured);
  } while (!work_off());
}

bool Unit::send(Target& target, Batch::Pointer batch, stage::Output& from) {
  batch->settle();
  if (target.branches.empty()) {
    batch->done_all();
    return true;
  }
  owes_flush_ = true;
  from.counters().bytes_out += batch->live_bytes();
  batch->compact();
  sending_.target = &target;
  sending_.from = &from;
  sending_.rest = std::move(batch);
  sending_.row = 0;
  sending_.rows_most = message::batch_rows;
  sending_.bytes_most = ~std::uint64_t{0};
  for (const auto& branch : target.branches) {
    for (const auto* edge : branch.edges) {  // Those to the sender's own core hold less.
      sending_.rows_most = std::min<std::size_t>(sending_.rows_most, edge->batch_most());
      sending_.bytes_most = std::min(sending_.bytes_most, edge->batch_bytes_most());
      if (branch.edges.size() > 1) {
        const auto cost = edge->row_cost();
        const auto each = static_cast<runtime::Duration::rep>(message::batch_rows);
        // Shared out by key, a piece is the work of all.
        const auto shared = branch.by_key ? static_cast<runtime::Duration::rep>(branch.edges.size()) : 1;
        if (cost > run_most * shared / each) {
          sending_.rows_most = std::min(sending_.rows_most,
                                        std::max<std::size_t>(1, static_cast<std::size_t>(run_most * shared / cost)));
        }
      }
    }
  }
  return go_on_sending();
}

bool Unit::go_on_sending() {
  while (sending_.piece_under_way() || sending_.rest) {
    if (!sending_.piece_under_way()) {
      cut_piece();
      split_piece();
    }
    if (!send_piece() || !send_keyless()) return false;
  }
  return true;
}

void Unit::cut_piece() {
  auto& [target, from, rest, piece, parts, keyless, row, rows_most, bytes_most] = sending_;
  if (row == 0 && rest->size() <= rows_most && (rest->live_bytes() <= bytes_most || rest->size() == 1)) {
    piece = std::move(rest);
    return;
  }
  piece = Batch::make();
  do {
    piece->take_row(*rest, row++);
  } while (row < rest->size() && piece->size() < rows_most &&
           piece->live_bytes() + rest->payload(row).size() <= bytes_most);
  if (row == rest->size()) rest.reset();
}

/// Of a piece that has been cut: what goes by key. The others get it whole.
void Unit::split_piece() {
  auto& branches = sending_.target->branches;
  std::size_t left = branches.size();
  for (auto& branch : branches) {
    if (branch.by_key) split_by_key(branch, --left == 0 ? std::move(sending_.piece) : sending_.piece->copy());
  }
}

void Unit::split_by_key(Branch& branch, Batch::Pointer batch) {
  ByKey& by_key = *branch.by_key;
  by_key.parts.resize(branch.edges.size());
  const std::size_t before = sending_.parts.size();
  const std::size_t rows = batch->size();
  std::array<std::size_t, message::batch_rows> to{};
  bool one = true;  // They are all one replica's.
  for (std::size_t row = 0; row < rows; ++row) {
    key_.clear();
    if (auto why = by_key.key.fill(message::Message(*batch, row), key_)) {
      auto& keyless = sending_.keyless.emplace_back(branch, 0, Batch::make());
      keyless.batch->take_row(*batch, row);
      keyless.batch->refuse(std::move(*why));
      to[row] = branch.edges.size();
      one = false;
      continue;
    }
    to[row] = std::hash<std::string_view>()(key_) % branch.edges.size();
    one = one && to[row] == to[0];
  }
  if (one) {
    sending_.parts.emplace_back(branch, to[0], std::move(batch));
    return;
  }
  for (std::size_t row = 0; row < rows; ++row) {
    if (to[row] == branch.edges.size()) continue;
    auto& part = by_key.parts[to[row]];
    if (!part) part = sending_.parts.emplace_back(branch, to[row], Batch::make()).batch.get();
    part->take_row(*batch, row);
  }
  for (std::size_t i = before; i < sending_.parts.size(); ++i) {
    by_key.parts[sending_.parts[i].edge] = nullptr;
    sending_.parts[i].batch->compact();
  }
}

/// False: an edge has no credit for it, full_.
bool Unit::send_piece() {
  auto& branches = sending_.target->branches;
  stage::Output& from = *sending_.from;
  // Every edge that blocks has credit before any gets the messages: then they go out together.
  for (const auto& part : sending_.parts) {
    if (waits_for(*part.branch, part.edge, *part.batch)) return false;
  }
  bool gone = false;
  std::size_t left = 0;  // Of those who get it whole.
  if (sending_.piece) {
    for (auto& branch : branches) {
      if (branch.by_key) continue;
      ++left;
      branch.choose();
      if (waits_for(branch, branch.next, *sending_.piece)) return false;
    }
  }
  for (auto& part : sending_.parts) {
    gone |= deliver(*part.branch, *part.branch->edges[part.edge], std::move(part.batch), from) == Sent::to_nobody;
  }
  sending_.parts.clear();
  for (auto& branch : branches) {
    if (left == 0) break;
    if (branch.by_key) continue;
    Batch::Pointer batch = --left == 0 ? std::move(sending_.piece) : sending_.piece->copy();
    flow::Edge& edge = branch.edge();
    const Sent sent = deliver(branch, edge, std::move(batch), from);
    gone |= sent == Sent::to_nobody;
    // What an open edge did not take was no run: the next piece takes its turn. (A mark needs no credit, so marks of
    // runs that were lost would pile up without bound.) One that has closed is passed by, and must not keep the others
    // from hearing that their reader has.
    const bool lost = sent == Sent::not_at_all;
    if (branch.runs == Runs::piece && !lost) edge.send(flow::Mark::run_end);
    if (branch.runs == Runs::piece ? !lost : branch.runs != Runs::passed) branch.go_on();
  }
  if (gone) look_for_readers();
  return true;
}

/// What has no key fails where it was to go, at whichever replica. False: as above.
bool Unit::send_keyless() {
  while (!sending_.keyless.empty()) {
    auto& part = sending_.keyless.back();
    if (waits_for(*part.branch, part.edge, *part.batch)) return false;
    if (deliver(*part.branch, *part.branch->edges[part.edge], std::move(part.batch), *sending_.from) ==
        Sent::to_nobody) {
      look_for_readers();
    }
    sending_.keyless.pop_back();
  }
  return true;
}

/// The messages have left this stage already: if they do not get into the edge, that is counted there, and shown with
/// the stage they were for.
Unit::Sent Unit::deliver(Branch& branch, flow::Edge& edge, Batch::Pointer batch, stage::Output& from) {
  const auto rows = static_cast<std::uint32_t>(batch->size());
  const std::uint64_t bytes = batch->live_bytes();
  if (edge.across()) batch->put_views_away();
  if (edge.closed()) {
    edge.count(flow::Edge::Loss::gone, rows);
    edge.give_back_reserve();
    batch->done_all();
    return Sent::to_nobody;
  }
  if (branch.when_full == stage::WhenFull::drop_oldest) {
    edge.make_room(rows, bytes);
  } else if (branch.when_full != stage::WhenFull::block && !edge.fits(rows, bytes)) {
    const std::size_t fitting = rows_that_fit(edge, *batch);
    if (fitting > 0) {
      Batch::Pointer first = Batch::make();
      for (std::size_t row = 0; row < fitting; ++row) first->take_row(*batch, row);
      edge.send(std::move(first), clock_);
    }
    lose(branch, edge, *batch, fitting, from);
    return fitting == 0 ? Sent::not_at_all : Sent::in_part;
  }
  edge.send(std::move(batch), clock_);
  return Sent::whole;
}

/// True: it is to wait for full_.
bool Unit::waits_for(Branch& branch, std::size_t number, const Batch& batch) noexcept {
  flow::Edge& edge = *branch.edges[number];
  if (edge.closed()) return false;
  const bool blocks = branch.when_full == stage::WhenFull::block;
  patient_until_.reset();
  if (!blocks && branch.patience == runtime::Duration::zero()) return false;
  auto& since = branch.full_since[number];
  if (edge.fits(static_cast<std::uint32_t>(batch.size()), batch.live_bytes())) {
    since.reset();
    return false;
  }
  full_ = &edge;
  if (blocks) return true;
  // From when it became full: whoever comes later finds what patience is left.
  if (!since) since = clock_;
  if (clock_ - *since >= branch.patience) return false;
  patient_until_ = *since + branch.patience;
  return true;
}

std::size_t Unit::rows_that_fit(flow::Edge& edge, const Batch& batch) {
  std::size_t rows = std::min<std::size_t>(batch.size(), edge.room());
  for (; rows > 0; rows /= 2) {
    std::uint64_t bytes = 0;
    for (std::size_t row = 0; row < rows; ++row) bytes += batch.payload(row).size();
    if (edge.fits(static_cast<std::uint32_t>(rows), bytes)) break;
  }
  return rows;
}

void Unit::lose(Branch& branch, flow::Edge& edge, Batch& batch, std::size_t first, stage::Output& from) {
  const auto count = static_cast<std::uint32_t>(batch.size() - first);
  const auto why = [&] {
    message::Failure full = edge.full();
    full.stage = branch.to;
    return full;
  };
  if (branch.when_full != stage::WhenFull::fail) {
    edge.count(flow::Edge::Loss::dropped, count);
    return batch.shed_all(why);
  }
  edge.count(flow::Edge::Loss::failed, count);
  for (std::size_t row = first; row < batch.size(); ++row) {
    message::Failure failure = why();
    from.complete(failure, batch, row);
    if (!batch.token(row) && from.on_unheard) from.on_unheard(failure);
    batch.fail(row, std::move(failure));
  }
}

void Unit::reader_closed() {
  look_for_readers();
  if (abandoned_) inbox_.close();
}

void Unit::look_for_readers() {
  if (!ways_out_.empty()) {
    abandoned_ = std::all_of(ways_out_.begin(), ways_out_.end(), [](const WayOut& way) { return way.closed(); });
  }
}

runtime::Task<> Unit::pass_flush(flow::Mark mark) {
  co_await let_go(false);
  const bool owes = std::exchange(owes_flush_, false);
  if (mark == flow::Mark::all_read || owes) send_mark(mark);
}

runtime::Task<> Unit::finish() {
  co_await let_go(true);
  send_mark(flow::Mark::all_read);
}

runtime::Task<> Unit::let_go(bool over) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = *nodes_[i];
    if (!node.op) continue;
    for (bool done = false; !done;) {
      done = over ? node.op->finish(*node.output) : node.op->flush(*node.output);
      if (!work_off()) co_await catch_up();
    }
  }
}

void Unit::send_mark(flow::Mark mark) {
  for (const auto& node : nodes_) {
    for (auto& target : node->targets) {
      for (auto& branch : target.branches) {
        for (auto* edge : branch.edges) edge->send(mark);
      }
    }
  }
}

void Unit::end_run() {
  for (const auto& node : nodes_) {
    for (auto& target : node->targets) {
      for (auto& branch : target.branches) {
        if (branch.runs != Runs::passed) continue;
        if (branch.by_key) {
          for (auto* edge : branch.edges) edge->send(flow::Mark::run_end);  // Each has got some of it, be it nothing.
          continue;
        }
        branch.edge().send(flow::Mark::run_end);
        branch.go_on();
      }
    }
  }
}

runtime::Task<> Unit::yield_turn() {
  batches_ = 0;
  worked_ += read_clock() - working_since_;
  co_await core_.yield();
  turn_began_ = working_since_ = read_clock();
}

runtime::Task<bool> Unit::give_way() {
  batches_ = 0;
  worked_ += read_clock() - working_since_;
  const bool others = co_await core_.give_way();
  turn_began_ = working_since_ = read_clock();
  co_return others;
}

void Unit::snapshot(std::vector<observe::StageSnapshot>& stages) {
  for (const auto& node : nodes_) {
    const auto& counters = node->output->counters();
    observe::StageSnapshot& cells = stages.emplace_back();
    cells.stage = node->planned->name;
    cells.kind = node->planned->kind_name();
    // What one step of a `do` hands to the next stays inside the stage, and is in flight until that has taken it.
    const bool inner = !node->planned->last_step();
    if (node->planned->first_step()) {
      cells.in = counters.in;
      cells.bytes_in = counters.bytes_in;
    }
    cells.created = counters.created;
    cells.filtered = counters.filtered;
    cells.absorbed = counters.absorbed;
    if (!inner) cells.bytes_out = counters.bytes_out;
    cells.in_flight = counters.in_flight;
    if (inner) cells.in_flight += static_cast<std::int64_t>(node->output->waiting(stage::main_port));
    cells.restarts = counters.restarts;
    cells.fused = node->planned->fused && node->planned->first_step();
    std::copy(counters.dropped.begin(), counters.dropped.end(), cells.dropped.begin());
    for (Port port = 0; port < node->planned->ports.size(); ++port) {
      if (port == stage::main_port && inner) continue;
      observe::add(cells.out, node->planned->ports[port], counters.out[port]);
    }
    for (int reason = 0; reason < message::reasons; ++reason) {
      const auto at = static_cast<std::size_t>(reason);
      observe::add(cells.errors, message::word(static_cast<message::Reason>(reason)), counters.errors[at]);
      cells.failed += counters.failed[at];
    }
    for (std::size_t state = 0; state < observe::states; ++state) {
      cells.state_s[state] = std::chrono::duration<double>(runtime::Duration(counters.time[state])).count();
    }
    cells.http_refused = counters.http_refused;
    cells.behind_bytes = counters.behind_bytes;
    const auto shape = node->planned->configured.shape;
    const bool duplex = shape == stage::Shape::duplex;
    // Its steps are done by the same one.
    cells.workers = !node->planned->first_step() ? 0 : duplex ? node->planned->common.workers : 1;
    // Not node->op: at the end the home core takes that away while a question may still be under way here.
    const bool calls = duplex || (shape == stage::Shape::call && !node->planned->gate);
    if (calls || shape == stage::Shape::sink) cells.duration = counters.duration;
    if (node->planned->configured.touches == stage::Touches::proc) {
      cells.children = counters.children;
      cells.child_restarts = counters.child_restarts;
    }
  }
}

}  // namespace weir::graph
