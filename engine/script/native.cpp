#include "engine/script/native.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/message/json.hpp"
#include "engine/script/native_run.hpp"

namespace weir::script {
namespace native {

using Kind = Expression::Kind;

Run::Run(State& state, Code code)
    : state_(state),
      code_(std::move(code)),
      budget_(static_cast<std::size_t>(state.limits().instructions)),
      memory_bytes_(state.limits().memory_bytes),
      slots_(code_.slots),
      arena_(std::make_unique_for_overwrite<char[]>(arena_bytes)) {}

Run::Outcome Run::run(const message::Message& message, std::string& out, std::vector<Emitted>& emitted,
                      KeyTable* key_table) {
  message_ = &message;
  key_table_ = key_table;
  state_document_ = nullptr;
  emitted_ = &emitted;
  document_ = message.batch().document_if_any(message.row());
  if (!code_.uses_msg) {
    // Whatever it is.
  } else if (document_) {
    if (document_->kind(document_->root()) != message::Kind::object) return Outcome::unclear;
  } else {
    if (!message.text().starts_with('{')) return Outcome::unclear;
    look_.emplace(message);
  }
  used_ = tables_used_ = work_ = emitted_bytes_ = edited_bytes_ = 0;
  deep_ = edited_ = false;
  const Flow flow = walk(code_.body);
  Outcome outcome = flow == Flow::dropped ? Outcome::dropped : flow == Flow::unclear ? Outcome::unclear : Outcome::kept;
  if (flow == Flow::gave) outcome = give(out);
  if (state_document_ && state_document_->dirty() && state_document_->written_size() > KeyTable::most_bytes)
    outcome = Outcome::unclear;
  if (outcome == Outcome::unclear) emitted.clear();
  if (edited_ && outcome != Outcome::kept) message.batch().undo_edits(message.row(), edits_before_);
  look_.reset();
  return outcome;
}

Flow Run::walk(const Statement::Body& body) {
  for (const auto& one : body) {
    if (const Flow flow = step(one); flow != Flow::on) return flow;
  }
  return Flow::on;
}

Flow Run::on_if(bool clear) { return clear ? Flow::on : Flow::unclear; }

Flow Run::step(const Statement& one) {
  switch (one.kind) {
    case Statement::Kind::locals: {
      // All are known before the first is set, as they may have names of others.
      if (one.conditions.size() == 1) {
        Value value;
        if (!eval(*one.conditions.front(), value)) return Flow::unclear;
        slots_[one.slot] = value;
        return Flow::on;
      }
      for (std::size_t i = 0; i < one.conditions.size(); ++i) {
        if (!eval(*one.conditions[i], slots_[one.slot + i])) return Flow::unclear;
      }
      return Flow::on;
    }
    case Statement::Kind::captures:
      return on_if(match(*one.value, &slots_[one.slot], one.slots));
    case Statement::Kind::assign: {
      Value value;
      if (!eval(*one.value, value)) return Flow::unclear;
      slots_[one.slot] = value;
      return Flow::on;
    }
    case Statement::Kind::assigns: {
      std::array<Value, assigned_most> values;
      for (std::size_t i = 0; i < one.targets.size(); ++i) {
        if (!eval(*one.conditions[i], values[i])) return Flow::unclear;
      }
      for (std::size_t i = 0; i < one.targets.size(); ++i) slots_[one.targets[i]] = values[i];
      return Flow::on;
    }
    case Statement::Kind::call: {
      Value value;
      const Flow flow = enter(*one.value);
      if (flow != Flow::gave) return flow;
      return on_if(!given_ || eval(*given_, value));
    }
    case Statement::Kind::loop:
    case Statement::Kind::repeat:
      return again(one);
    case Statement::Kind::store:
      return on_if(store(one));
    case Statement::Kind::choose:
      for (std::size_t i = 0; i < one.conditions.size(); ++i) {
        bool holds = false;
        if (!truth(*one.conditions[i], holds)) return Flow::unclear;
        if (holds) return walk(one.branches[i]);
      }
      return one.branches.size() > one.conditions.size() ? walk(one.branches.back()) : Flow::on;
    case Statement::Kind::each:
      return each(one);
    case Statement::Kind::count:
      return count(one);
    case Statement::Kind::remember:
      return on_if(remember(one));
    case Statement::Kind::insert: {
      Value list, value;
      if (!eval(*one.left, list) || !eval(*one.value, value)) return Flow::unclear;
      return on_if(list.is(Value::Kind::table) && append(tables_[list.index], value));
    }
    case Statement::Kind::emit:
      return on_if(emit(one));
    case Statement::Kind::drop:
      return Flow::dropped;
    case Statement::Kind::leave:
      return Flow::left;
    case Statement::Kind::give:
      given_ = one.value;
      return Flow::gave;
    case Statement::Kind::block:
      return walk(one.branches.front());
    case Statement::Kind::refuse:
      return Flow::unclear;
  }
  return Flow::unclear;
}

Flow Run::each(const Statement& one) {
  Value of;
  if (!eval(*one.value, of)) return Flow::unclear;
  const auto& body = one.branches.front();
  if (of.is(Value::Kind::table)) {
    if (!one.positions && tables_[of.index].had_names) return Flow::unclear;  // In which order?
    for (std::size_t i = 0; i < tables_[of.index].items.size(); ++i) {
      slots_[one.slot] = Value::of(static_cast<std::int64_t>(i + 1));
      slots_[one.slot + 1] = tables_[of.index].items[i];
      if (!round()) return Flow::unclear;
      if (const Flow flow = walk(body); flow != Flow::on) return flow == Flow::left ? Flow::on : flow;
    }
    return Flow::on;
  }
  if (!of.is(Value::Kind::node) && !of.is(Value::Kind::root)) return Flow::unclear;
  if (!touch()) return Flow::unclear;
  const auto kind = document_->kind(place(of));
  if (one.positions && kind != message::Kind::array && document_->size(place(of)) > 0) return Flow::unclear;
  std::int64_t position = 0;
  for (message::Node here = document_->first(place(of)); here;) {
    if (document_->kind(place(of)) != kind) return Flow::unclear;
    const message::Node next = document_->next(here);
    if (kind == message::Kind::array) {
      slots_[one.slot] = Value::of(++position);
    } else {
      const auto key = document_->key(here, scratch_);
      if (!(key.data() == scratch_.data() ? keep(key, slots_[one.slot]) : read_text(key, slots_[one.slot])))
        return Flow::unclear;
    }
    if (!value_of(here, slots_[one.slot + 1]) || !round()) return Flow::unclear;
    if (const Flow flow = walk(body); flow != Flow::on) return flow == Flow::left ? Flow::on : flow;
    here = next;
  }
  return Flow::on;
}

Flow Run::again(const Statement& one) {
  const bool first = one.kind == Statement::Kind::loop;  // Is it asked before the first round?
  for (bool asked = first;; asked = true) {
    bool holds = false;
    if (asked && !truth(*one.value, holds)) return Flow::unclear;
    if (asked && holds != first) return Flow::on;
    if (!round()) return Flow::unclear;
    if (const Flow flow = walk(one.branches.front()); flow != Flow::on) return flow == Flow::left ? Flow::on : flow;
  }
}

bool Run::own_call(const Expression& one, Value& out) {
  return enter(one) == Flow::gave && given_ && eval(*given_, out);
}

Flow Run::enter(const Expression& one) {
  std::array<Value, Subroutine::slots_most> given;
  // One of them may call it too.
  for (std::size_t i = 0; i < one.parts.size(); ++i) {
    if (!eval(*one.parts[i], given[i])) return Flow::unclear;
  }
  const Subroutine& own = *one.own;
  std::copy_n(given.begin(), own.slots, slots_.begin() + own.slot);
  return round() ? walk(own.body) : Flow::unclear;
}

Flow Run::count(const Statement& one) {
  std::array<std::int64_t, 3> bounds;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    Value value;
    if (!eval(*one.conditions[i], value) || !value.is(Value::Kind::integer)) return Flow::unclear;
    bounds[i] = value.integer;
  }
  const auto [from, to, by] = bounds;
  if (by == 0) return Flow::unclear;
  if (by > 0 ? from > to : from < to) return Flow::on;
  const auto apart = by > 0 ? static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from)
                            : static_cast<std::uint64_t>(from) - static_cast<std::uint64_t>(to);
  const auto rounds = apart / (by > 0 ? static_cast<std::uint64_t>(by) : 0 - static_cast<std::uint64_t>(by));
  std::int64_t at = from;
  for (std::uint64_t i = 0;; ++i) {
    slots_[one.slot] = Value::of(at);
    if (!round()) return Flow::unclear;
    if (const Flow flow = walk(one.branches.front()); flow != Flow::on) return flow == Flow::left ? Flow::on : flow;
    if (i == rounds) return Flow::on;
    at += by;
  }
}

bool Run::append(Table& table, const Value& value) {
  if (value.is(Value::Kind::nil) || !table.members.empty() || table.items.size() >= items_most) return false;
  table.items.push_back(value);
  return true;
}

bool Run::pay(std::size_t bytes) {
  edited_bytes_ += bytes;
  return edited_bytes_ <= memory_bytes_;
}

bool Run::store(const Statement& one) {
  Value of, by = Value::of(std::string_view(one.name)), value;
  if (!eval(*one.left, of) || (one.right && !eval(*one.right, by)) || !eval(*one.value, value)) return false;
  if (of.is(Value::Kind::table)) return store(tables_[of.index], by, value);
  if (!by.is(Value::Kind::text) || (!of.is(Value::Kind::root) && !of.is(Value::Kind::node)) || !touch()) return false;
  const message::Node node = place(of);
  if (document_->kind(node) != message::Kind::object) return false;
  if (!edited_) edits_before_ = message_->batch().edits(message_->row());
  edited_ = true;
  switch (value.kind) {
    case Value::Kind::nil:
      document_->remove(node, by.text());
      return true;
    case Value::Kind::boolean:
      return bool(document_->set(node, by.text(), message::Value::boolean(value.boolean)));
    case Value::Kind::integer:
      return bool(document_->set(node, by.text(), message::Value::integer(value.integer)));
    case Value::Kind::number:
      return std::isfinite(value.number) && bool(document_->set(node, by.text(), message::Value::number(value.number)));
    case Value::Kind::text:
      return pay(value.size) && document_->set(node, by.text(), message::Value::string(value.text()));
    default:
      json_.clear();
      return write(value, json_, 0) && pay(json_.size()) &&
             bool(document_->set(node, by.text(), message::Value::json(json_)));
  }
}

bool Run::touch_state() {
  if (!key_table_) return false;
  if (!state_document_) state_document_ = state_.bind_state(*key_table_);
  return state_document_ && state_document_->walked() <= walked_most;
}

bool Run::remembered(std::string_view name, Value& out) {
  if (!touch_state()) return false;
  auto& table = *state_document_;
  const auto node = table.find(table.root(), name);
  if (!node) {
    out = Value();
    return table.valid();
  }
  if (const auto number = table.any_number(node)) return take(*number, out);
  switch (table.kind(node)) {
    case message::Kind::null:
      out = Value::null();
      return true;
    case message::Kind::boolean:
      out = Value::of(*table.boolean(node));
      return true;
    case message::Kind::string: {
      const auto text = table.string(node);
      return text && keep(*text, out);
    }
    default:
      return false;
  }
}

bool Run::remember(const Statement& one) {
  Value value;
  // Lua has the table before it has the value.
  if (!touch_state() || !eval(*one.value, value)) return false;
  auto& table = *state_document_;
  switch (value.kind) {
    case Value::Kind::nil:
      table.remove(table.root(), one.name);
      return true;
    case Value::Kind::null:
      return bool(table.set(table.root(), one.name, message::Value::json("null")));
    case Value::Kind::boolean:
      return bool(table.set(table.root(), one.name, message::Value::boolean(value.boolean)));
    case Value::Kind::integer:
      return bool(table.set(table.root(), one.name, message::Value::integer(value.integer)));
    case Value::Kind::number:
      return std::isfinite(value.number) &&
             bool(table.set(table.root(), one.name, message::Value::number(value.number)));
    case Value::Kind::text:
      return pay(value.size) && table.set(table.root(), one.name, message::Value::string(value.text()));
    default:
      return false;
  }
}

void Run::keep(KeyTable& key_table) const {
  key_table.changed = state_document_ && state_document_->dirty();
  if (!key_table.changed) return;
  key_table.json.clear();
  state_document_->write(key_table.json);
}

bool Run::store(Table& table, const Value& by, const Value& value) {
  if (by.is(Value::Kind::integer)) {
    if (by.integer < 1 || static_cast<std::uint64_t>(by.integer) > table.items.size() + 1) return false;
    if (static_cast<std::size_t>(by.integer) == table.items.size() + 1) return append(table, value);
    if (value.is(Value::Kind::nil)) return false;
    table.items[static_cast<std::size_t>(by.integer - 1)] = value;
    return true;
  }
  if (!by.is(Value::Kind::text) || !table.items.empty()) return false;
  auto& members = table.members;
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const auto& one) { return one.first == by.text(); });
  if (value.is(Value::Kind::nil)) {
    if (found != members.end()) members.erase(found);
  } else if (found != members.end()) {
    found->second = value;
  } else {
    if (members.size() == members_most) return false;
    members.emplace_back(by.text(), value);
    table.had_names = true;
  }
  return true;
}

bool Run::emit(const Statement& one) {
  const Expression& what = *one.value;
  json_.clear();
  bool nil = false;
  if (what.kind == Kind::object) {
    if (!write(what, json_, 0, nil)) return false;
  } else {
    Value value;
    if (!eval(what, value)) return false;
    if (value.is(Value::Kind::text))
      json_ = value.text();
    else if (!write(value, json_, 0))
      return false;
  }
  emitted_bytes_ += json_.size() + sizeof(Emitted);
  work_ += json_.size() / 16;
  if (emitted_bytes_ > memory_bytes_ || work_ > budget_) return false;
  Emitted& made = emitted_->emplace_back();
  made.port = one.port;
  made.payload = json_;
  return true;
}

}  // namespace native

Native::Native(std::unique_ptr<native::Run> run) : run_(std::move(run)) {}
Native::Native(Native&&) noexcept = default;
Native& Native::operator=(Native&&) noexcept = default;
Native::~Native() = default;

std::optional<Native> Native::of(Engine& engine, const config::Lua& code, const std::vector<std::string>& ports,
                                 Setting setting) {
  State& state = engine.state();
  auto read = native::read(code.code, ports, state.vars(), setting == Setting::keyed);
  if (!read || read->weight > static_cast<std::size_t>(state.limits().instructions)) return std::nullopt;
  return Native(std::make_unique<native::Run>(state, std::move(*read)));
}

Native::Outcome Native::run(const message::Message& message, std::string& out, std::vector<Emitted>& emitted,
                            KeyTable* key_table) const {
  return run_->run(message, out, emitted, key_table);
}
void Native::keep(KeyTable& key_table) const { run_->keep(key_table); }

}  // namespace weir::script
