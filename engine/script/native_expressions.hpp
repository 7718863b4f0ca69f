// How code is read, expressions first: what `native_code` reads statements with.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/script/lexer.hpp"
#include "engine/script/native_code.hpp"

namespace weir::script::native {

/// Whether it gives more than one value where there is room for them.
inline bool is_several(const Expression& one) {
  return one.kind == Expression::Kind::call && one.function == Function::match && one.slot > 1;
}

/// Once something is not ours, nothing more is taken.
class Expressions {
 protected:
  using Kind = Expression::Kind;
  using Ref = Expression::Ref;
  static constexpr std::size_t depth_most = 100;

  /// A name in scope.
  struct Local {
    std::string_view name;
    std::uint32_t slot = 0;
    bool is_function = false;
    const Subroutine* function = nullptr;  ///< Null within its own body.
  };

  Expressions(std::string_view code, const config::Map<config::Value>& vars, bool keyed)
      : tokens_(tokens_of(code)), vars_(vars), keyed_(keyed) {}

  bool is(std::string_view word) const { return !failed_ && at_ < tokens_.size() && tokens_[at_].is(word); }
  bool is_name() const { return !failed_ && at_ < tokens_.size() && tokens_[at_].kind == Token::Kind::name; }
  bool take(std::string_view word) { return is(word) && ++at_; }
  void want(std::string_view word) {
    if (!take(word)) failed_ = true;
  }
  std::string_view name() {
    if (is_name()) return tokens_[at_++].text;
    failed_ = true;
    return {};
  }
  const Local* local(std::string_view name) const {
    const auto found =
        std::find_if(locals_.rbegin(), locals_.rend(), [&](const auto& one) { return one.name == name; });
    return found == locals_.rend() ? nullptr : &*found;
  }
  bool is_ours(std::string_view global) const { return is_name() && tokens_[at_].text == global && !local(global); }
  std::uint32_t declare(std::string_view name) {
    locals_.push_back({name, code_.slots, false, nullptr});
    return code_.slots++;
  }

  Expression& make(Kind kind, Ref left = nullptr, Ref right = nullptr) {
    code_.weight += 8;
    auto& made = code_.expressions.emplace_back();
    made.kind = kind;
    made.left = left;
    made.right = right;
    return made;
  }
  Ref nothing() {
    failed_ = true;
    return &make(Kind::constant);
  }
  Ref constant(Value value) {
    auto& made = make(Kind::constant);
    made.constant = value;
    return &made;
  }
  Ref text(std::string value) {
    auto& made = make(Kind::constant);
    made.name = std::move(value);
    made.constant = Value::of(std::string_view(made.name));
    return &made;
  }

  Ref literal();
  Ref var();
  Ref table();
  std::vector<Ref> arguments();
  Ref call(std::string_view name, std::vector<Ref> given);
  Ref own_call(const Subroutine* function);
  Ref global();
  Ref state();
  Ref primary();
  Ref member(Ref of, std::string name);
  Ref expression(int bound = 0);
  Ref joined(Kind kind, Ref left, Ref right);

  const std::vector<Token> tokens_;
  const config::Map<config::Value>& vars_;
  const bool keyed_;
  std::size_t at_ = 0, depth_ = 0;
  bool failed_ = false;
  std::vector<Local> locals_;
  Code code_;
};

}  // namespace weir::script::native
