#include "engine/script/native_code.hpp"

#include <algorithm>
#include <utility>

#include "engine/script/native_expressions.hpp"

namespace weir::script::native {
namespace {

class Reader : Expressions {
 public:
  Reader(std::string_view code, const std::vector<std::string>& ports, const config::Map<config::Value>& vars,
         bool keyed)
      : Expressions(code, vars, keyed), ports_(ports) {}

  std::optional<Code> read() {
    code_.body = block();
    if (failed_ || at_ < tokens_.size()) return std::nullopt;
    return std::move(code_);
  }

 private:
  bool is_end() const { return at_ == tokens_.size() || is("end") || is("else") || is("elseif") || is("until"); }

  Statement::Body block() {
    const std::size_t before = locals_.size();
    auto body = statements();
    locals_.resize(before);
    return body;
  }

  /// What they declare stays in scope.
  Statement::Body statements() {
    Statement::Body body;
    if (++depth_ > depth_most) failed_ = true;
    while (!failed_ && !is_end()) {
      if (take(";")) continue;
      if (is("return")) {
        body.push_back(give());
        break;
      }
      body.push_back(statement());
    }
    --depth_;
    return body;
  }

  Statement give() {
    Statement made;
    want("return");
    made.kind = Statement::Kind::give;
    if (!is_end() && !is(";")) {
      made.value = expression();
      if (in_function_ && is_several(*made.value)) failed_ = true;
    } else if (!in_function_) {  // Where nothing is given is no nil either.
      made.value = constant({});
    }
    take(";");
    if (is(",")) failed_ = true;
    return made;
  }

  Statement statement() {
    code_.weight += 8;
    if (is("local")) return locals();
    if (is("if")) return choose();
    if (is("for")) return loop();
    if (is("while") || is("repeat")) return again();
    Statement made;
    if (take("do")) {
      made.kind = Statement::Kind::block;
      made.branches.push_back(block());
      want("end");
      return made;
    }
    if (take("break")) {
      made.kind = Statement::Kind::leave;
      return made;
    }
    for (const auto* called : {"drop", "fail", "error", "emit", "emit_to"}) {
      if (is_ours(called)) return verdict();
    }
    if (is_ours("table") && at_ + 2 < tokens_.size() && tokens_[at_ + 1].is(".") && tokens_[at_ + 2].is("insert")) {
      at_ += 3;
      auto given = arguments();
      if (given.size() != 2) failed_ = true;
      if (failed_) return made;
      made.kind = Statement::Kind::insert;
      made.left = given[0];
      change(*made.left);
      made.value = given[1];
      return made;
    }
    if (const auto* const known = is_name() ? local(tokens_[at_].text) : nullptr; known && known->is_function) {
      ++at_;
      made.kind = Statement::Kind::call;
      made.value = own_call(known->function);
      acts_ |= known->function && known->function->acts;
      return made;
    }
    return assignment();
  }

  Statement verdict() {
    Statement made;
    const auto called = name();
    auto given = arguments();
    if (failed_) return made;
    acts_ |= called != "fail" && called != "error";
    if (called == "drop" && given.empty()) {
      made.kind = Statement::Kind::drop;
    } else if (called == "emit" && given.size() == 1) {
      made.kind = Statement::Kind::emit;
      made.value = given[0];
    } else if (called == "emit_to" && given.size() == 2 && given[0]->constant.is(Value::Kind::text)) {
      made.kind = Statement::Kind::emit;
      made.value = given[1];
      const auto port = std::find(ports_.begin(), ports_.end(), given[0]->constant.text());
      if (port == ports_.end()) failed_ = true;
      made.port = static_cast<int>(port - ports_.begin());
    } else if (called != "fail" && called != "error") {
      failed_ = true;
    }
    return made;
  }

  Statement assignment() {
    Statement made;
    if (!is_name()) {
      failed_ = true;
      return made;
    }
    const Expression& target = *primary();
    if (target.kind == Kind::local && is(",")) return assignments(target);
    want("=");
    if (failed_) return made;
    made.value = expression();
    if (is(",")) failed_ = true;
    if (target.kind == Kind::local) {
      made.kind = Statement::Kind::assign;
      made.slot = target.slot;
      // A local is read where Lua computes, which may be behind the call that has changed it.
      if (target.slot < own_from_) failed_ = true;
      acts_ |= is_fresh(target);
      return made;
    }
    if (target.kind == Kind::state) {
      made.kind = Statement::Kind::remember;
      made.name = target.name;
      acts_ = true;
      if (made.value->kind == Kind::object || made.value->kind == Kind::list) failed_ = true;
      return made;
    }
    made.kind = Statement::Kind::store;
    if (target.kind == Kind::member) {
      made.left = &make(Kind::root);
      made.name = target.name;
    } else if (target.kind == Kind::named) {
      made.left = target.left;
      made.name = target.name;
    } else if (target.kind == Kind::indexed) {
      made.left = target.left;
      made.right = target.right;
    } else {
      failed_ = true;
    }
    if (!failed_) change(*made.left);
    return made;
  }

  bool is_fresh(const Expression& one) const {
    return one.kind == Kind::local && one.slot >= own_from_ &&
           std::find(fresh_.begin(), fresh_.end(), one.slot) != fresh_.end();
  }
  /// Of what is sure to be a table that the function itself has made it is nobody else's business.
  void change(const Expression& table) { acts_ |= !is_fresh(table); }

  /// Of locals alone, each another: as many values as names.
  Statement assignments(const Expression& first) {
    Statement made;
    made.kind = Statement::Kind::assigns;
    const auto add = [&](const Expression& target) {
      auto& all = made.targets;
      if (target.kind != Kind::local || target.slot < own_from_ ||
          std::find(all.begin(), all.end(), target.slot) != all.end())
        failed_ = true;
      acts_ |= is_fresh(target);
      all.push_back(target.slot);
    };
    add(first);
    while (take(",") && !failed_) add(*primary());
    want("=");
    if (failed_) return made;
    do made.conditions.push_back(expression());
    while (take(","));
    if (made.conditions.size() != made.targets.size() || made.targets.size() > assigned_most) failed_ = true;
    return made;
  }

  /// `function (a, b) … end`, but for its first word. Its name is known in it, but not to be called.
  const Subroutine* function() {
    const std::size_t before = locals_.size();
    const auto from_before = std::exchange(own_from_, code_.slots);
    const bool in_before = std::exchange(in_function_, true), acts_before = std::exchange(acts_, false);
    Subroutine made;
    made.slot = code_.slots;
    want("(");
    while (!failed_ && !is(")")) {
      declare(name());
      ++made.slots;
      if (!take(",")) break;
    }
    want(")");
    made.body = block();
    want("end");
    if (made.slots > Subroutine::slots_most) failed_ = true;
    made.acts = acts_;
    locals_.resize(before);
    own_from_ = from_before;
    in_function_ = in_before;
    acts_ = acts_before;
    return &code_.subroutines.emplace_back(std::move(made));
  }

  Statement own_function(std::string_view called, bool known_within) {
    Statement made;
    made.kind = Statement::Kind::block;
    made.branches.emplace_back();
    if (known_within) locals_.push_back({called, 0, true, nullptr});
    const auto* const own = function();
    if (known_within) locals_.pop_back();
    locals_.push_back({called, 0, true, own});
    return made;
  }

  Statement again() {
    Statement made;
    const std::size_t before = locals_.size();
    if (take("while")) {
      made.kind = Statement::Kind::loop;
      made.value = expression();
      want("do");
      made.branches.push_back(block());
      want("end");
      return made;
    }
    made.kind = Statement::Kind::repeat;
    want("repeat");
    made.branches.push_back(statements());
    want("until");
    made.value = expression();
    locals_.resize(before);
    return made;
  }

  Statement locals() {
    Statement made;
    made.kind = Statement::Kind::locals;
    want("local");
    if (take("function")) return own_function(name(), true);
    std::vector<std::string_view> names;
    do names.push_back(name());
    while (take(","));
    const bool one = names.size() == 1 && is("=") && at_ + 1 < tokens_.size() && tokens_[at_ + 1].is("function");
    if (one && take("=") && take("function")) return own_function(names.front(), false);
    if (take("=")) {
      do made.conditions.push_back(expression());
      while (take(","));
    }
    if (is("<") || made.conditions.size() > names.size()) failed_ = true;
    if (!failed_ && !made.conditions.empty() && is_several(*made.conditions.back())) {
      if (made.conditions.size() > 1) failed_ = true;
      made.kind = Statement::Kind::captures;
      made.value = made.conditions.front();
      made.slot = code_.slots;
      made.slots = static_cast<std::uint32_t>(names.size());
      for (const auto name : names) declare(name);
      return made;
    }
    while (!failed_ && made.conditions.size() < names.size()) made.conditions.push_back(constant({}));
    for (std::size_t i = 0; !failed_ && i < names.size(); ++i) {
      if (made.conditions[i]->kind == Kind::object || made.conditions[i]->kind == Kind::list)
        fresh_.push_back(code_.slots + static_cast<std::uint32_t>(i));
    }
    made.slot = code_.slots;
    for (const auto name : names) declare(name);
    return made;
  }

  Statement choose() {
    Statement made;
    made.kind = Statement::Kind::choose;
    want("if");
    do {
      made.conditions.push_back(expression());
      want("then");
      made.branches.push_back(block());
    } while (take("elseif"));
    if (take("else")) made.branches.push_back(block());
    want("end");
    return made;
  }

  Statement loop() {
    Statement made;
    want("for");
    const auto first = name();
    const std::size_t before = locals_.size();
    if (take("=")) {
      made.kind = Statement::Kind::count;
      made.conditions.push_back(expression());
      want(",");
      made.conditions.push_back(expression());
      made.conditions.push_back(take(",") ? expression() : constant(Value::of(std::int64_t{1})));
      made.slot = declare(first);
    } else {
      made.kind = Statement::Kind::each;
      const auto second = take(",") ? name() : std::string_view();
      want("in");
      made.positions = is_ours("ipairs");
      if (!made.positions && !is_ours("pairs")) failed_ = true;
      name();
      const auto given = arguments();
      if (given.size() != 1 || given[0]->kind == Kind::state) failed_ = true;
      if (failed_) return made;
      made.value = given[0];
      made.slot = declare(first);
      declare(second);
    }
    want("do");
    made.branches.push_back(block());
    want("end");
    locals_.resize(before);
    return made;
  }

  const std::vector<std::string>& ports_;
  std::uint32_t own_from_ = 0;  // The first slot of the function whose body is read.
  bool in_function_ = false;
  bool acts_ = false;                 // The code of that function, as far as it was read.
  std::vector<std::uint32_t> fresh_;  // Locals that began as tables which were made for them.
};

}  // namespace

std::optional<Code> read(std::string_view code, const std::vector<std::string>& ports,
                         const config::Map<config::Value>& vars, bool keyed) {
  // Lua ends a comment at a carriage return too, and makes one line's end of it in a text.
  if (code.find('\r') != code.npos) return std::nullopt;
  return Reader(code, ports, vars, keyed).read();
}

}  // namespace weir::script::native
