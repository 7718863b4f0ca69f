#include "engine/script/native_expressions.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "engine/message/json.hpp"
#include "engine/message/number.hpp"
#include "engine/script/patterns.hpp"
#include "engine/script/program.hpp"

namespace weir::script::native {
namespace {

using Kind = Expression::Kind;
using Ref = Expression::Ref;

struct Callable {
  std::string_view name;
  Function function;
  std::size_t least, most;  // Arguments.
};
constexpr std::size_t any = 100;
constexpr std::array callables = {Callable{"string.upper", Function::upper, 1, 1},
                                  Callable{"string.lower", Function::lower, 1, 1},
                                  Callable{"string.len", Function::len, 1, 1},
                                  Callable{"string.sub", Function::sub, 2, 3},
                                  Callable{"string.format", Function::format, 1, any},
                                  Callable{"math.floor", Function::floor, 1, 1},
                                  Callable{"math.ceil", Function::ceil, 1, 1},
                                  Callable{"math.abs", Function::abs, 1, 1},
                                  Callable{"math.max", Function::max, 1, any},
                                  Callable{"math.min", Function::min, 1, any},
                                  Callable{"int", Function::to_int, 1, 1},
                                  Callable{"num", Function::num, 1, 1},
                                  Callable{"tostring", Function::to_text, 1, 1},
                                  Callable{"tonumber", Function::to_number, 1, 1},
                                  Callable{"trim", Function::trim, 1, 1},
                                  Callable{"starts", Function::starts, 2, 2},
                                  Callable{"contains", Function::contains, 2, 2},
                                  Callable{"type", Function::type, 1, 1},
                                  Callable{"split", Function::split, 2, 2},
                                  Callable{"table.concat", Function::concat, 1, 2},
                                  Callable{"re.match", Function::match, 2, 2},
                                  Callable{"re.replace", Function::replace, 3, 3},
                                  Callable{"now", Function::now, 0, 0},
                                  Callable{"uuid", Function::uuid, 0, 0},
                                  Callable{"time.unix", Function::time_unix, 1, 1},
                                  Callable{"time.format", Function::time_format, 2, 2}};

struct Binary {
  std::string_view sign;
  Kind kind;
  int left, right;  // How strongly it binds, as in Lua's own parser.
};
constexpr std::array binaries = {
    Binary{"or", Kind::either, 1, 1},  Binary{"and", Kind::both, 2, 2},        Binary{"<", Kind::below, 3, 3},
    Binary{">", Kind::above, 3, 3},    Binary{"<=", Kind::at_most, 3, 3},      Binary{">=", Kind::at_least, 3, 3},
    Binary{"~=", Kind::unequal, 3, 3}, Binary{"==", Kind::equal, 3, 3},        Binary{"..", Kind::joined, 9, 8},
    Binary{"+", Kind::plus, 10, 10},   Binary{"-", Kind::less, 10, 10},        Binary{"*", Kind::times, 11, 11},
    Binary{"/", Kind::over, 11, 11},   Binary{"//", Kind::whole_over, 11, 11}, Binary{"%", Kind::modulo, 11, 11}};
constexpr int unary_binds = 12;

/// What Lua might fold into one constant.
bool is_constant(const Expression& one) {
  if (one.kind == Kind::constant) return true;
  return one.kind != Kind::member && one.kind != Kind::named && one.kind != Kind::indexed && (one.left || one.right) &&
         (!one.left || is_constant(*one.left)) && (!one.right || is_constant(*one.right));
}

/// `%d`, `%5.2f`, `%s`, … Nothing where there is another in it.
std::optional<std::vector<Conversion>> conversions_of(std::string_view format) {
  std::vector<Conversion> all(1);
  for (std::size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%') {
      all.back().before += format[at];
      continue;
    }
    const auto is_digit = [&] { return at < format.size() && format[at] >= '0' && format[at] <= '9'; };
    const std::size_t begin = at++;
    if (at < format.size() && format[at] == '%') {
      all.back().before += '%';
      continue;
    }
    if (at < format.size() && (format[at] == '-' || format[at] == '0')) ++at;
    for (int digits = 0; digits < 2 && is_digit(); ++digits) ++at;
    if (at < format.size() && format[at] == '.') {
      ++at;
      for (int digits = 0; digits < 2 && is_digit(); ++digits) ++at;
    }
    const char letter = at < format.size() ? format[at] : '\0';
    const bool bare = at == begin + 1;
    if (letter != 'd' && letter != 'f' && letter != 'g' && letter != 'e' && !(letter == 's' && bare))
      return std::nullopt;
    if (format.substr(begin, 3) == "%00" || format.substr(begin, 3) == "%-0") return std::nullopt;
    auto& conversion = all.back();
    conversion.spec = format.substr(begin, at - begin);
    conversion.spec += letter == 'd' ? "lld" : std::string(1, letter);
    conversion.letter = letter;
    all.emplace_back();
  }
  return all;
}

}  // namespace

Ref Expressions::literal() {
  auto literal = read_literal(tokens_, at_);
  if (!literal) return nothing();
  switch (literal->kind) {
    case Literal::Kind::nil:
      return constant({});
    case Literal::Kind::boolean:
      return constant(Value::of(literal->boolean));
    case Literal::Kind::integer:
      return constant(Value::of(literal->integer));
    case Literal::Kind::number:
      return constant(Value::of(literal->number));
    case Literal::Kind::text:
      return text(std::move(literal->text));
  }
  return nothing();
}

Ref Expressions::var() {
  want(".");
  const auto wanted = name();
  for (const auto& [known, value] : vars_) {
    if (known != wanted) continue;
    if (value.kind == config::Value::Kind::boolean) return constant(Value::of(value.boolean));
    if (value.kind == config::Value::Kind::text) return text(value.text.text());
    if (value.kind != config::Value::Kind::number) break;
    const auto number = message::parse_number(value.number);
    if (!number) break;
    const auto* const integer = std::get_if<std::int64_t>(&*number);
    return constant(integer ? Value::of(*integer) : Value::of(std::get<double>(*number)));
  }
  return nothing();
}

Ref Expressions::table() {
  want("{");
  std::vector<std::pair<std::string, Ref>> members;
  std::vector<Ref> items;
  while (!failed_ && !is("}")) {
    std::string key;
    const auto is_next = [&](std::size_t more, std::string_view word) {
      return at_ + more < tokens_.size() && tokens_[at_ + more].is(word);
    };
    if (is_name() && is_next(1, "=")) {
      key = name();
      want("=");
      members.emplace_back(std::move(key), expression());
    } else if (is("[")) {
      if (!is_next(2, "]") || !string_value(tokens_[at_ + 1], key)) return nothing();
      at_ += 3;
      want("=");
      members.emplace_back(std::move(key), expression());
    } else {
      items.push_back(expression());
    }
    if (!take(",") && !take(";")) break;
  }
  want("}");
  if (!items.empty() && is_several(*items.back())) return nothing();
  if (!members.empty() && !items.empty()) return nothing();
  auto& made = make(members.empty() ? Kind::list : Kind::object);
  made.parts = std::move(items);
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i > 0 && members[i].first == made.names.back()) return nothing();
    made.keys.emplace_back();
    message::append_key(made.keys.back(), members[i].first);
    made.names.push_back(std::move(members[i].first));
    made.parts.push_back(members[i].second);
  }
  return &made;
}

std::vector<Ref> Expressions::arguments() {
  std::vector<Ref> all;
  std::string value;
  if (is("{")) {
    all.push_back(table());
  } else if (at_ < tokens_.size() && string_value(tokens_[at_], value)) {
    ++at_;
    all.push_back(text(std::move(value)));
  } else {
    want("(");
    if (!is(")")) {
      do all.push_back(expression());
      while (take(","));
    }
    want(")");
  }
  if (!all.empty() && is_several(*all.back())) failed_ = true;
  return all;
}

Ref Expressions::call(std::string_view name, std::vector<Ref> given) {
  const auto known =
      std::find_if(callables.begin(), callables.end(), [&](const auto& one) { return one.name == name; });
  if (known == callables.end() || given.size() < known->least || given.size() > known->most) return nothing();
  auto& made = make(Kind::call);
  made.function = known->function;
  made.parts = std::move(given);
  if (made.function == Function::match || made.function == Function::replace) {
    const Expression& pattern = *made.parts.front();
    if (pattern.kind != Kind::constant || !pattern.constant.is(Value::Kind::text)) return nothing();
    const auto compiled = compile_pattern(pattern.constant.text());
    if (!compiled->ok() || compiled->NumberOfCapturingGroups() > groups_most) return nothing();
    made.slot = static_cast<std::uint32_t>(compiled->NumberOfCapturingGroups());
  }
  if (made.function == Function::format) {
    const Expression& format = *made.parts.front();
    if (format.kind != Kind::constant || !format.constant.is(Value::Kind::text)) return nothing();
    auto conversions = conversions_of(format.constant.text());
    // As many as it writes: Lua computes those too that it does not write, and may fail there.
    if (!conversions || made.parts.size() != conversions->size()) return nothing();
    made.conversions = std::move(*conversions);
  }
  return &made;
}

Ref Expressions::own_call(const Subroutine* function) {
  auto given = arguments();
  // Nothing is to be called where its own body stands.
  if (!function || given.size() > function->slots) return nothing();
  auto& made = make(Kind::own_call);
  made.own = function;
  made.parts = std::move(given);
  return &made;
}

/// One of its own members alone; weir keeps no lists and no tables in it.
Ref Expressions::state() {
  std::string key;
  if (take("[") && at_ < tokens_.size() && string_value(tokens_[at_], key)) {
    ++at_;
    want("]");
  } else {
    want(".");
    key = name();
  }
  if (!keyed_ || is(".") || is("[")) return nothing();
  auto& made = make(Kind::state);
  made.name = std::move(key);
  return &made;
}

/// A name that is no local: msg, a var, or a call.
Ref Expressions::global() {
  if (take("msg")) {
    code_.uses_msg = true;
    return &make(Kind::root);
  }
  if (take("text")) return &make(Kind::text);
  if (take("state")) return state();
  if (take("vars")) return var();
  if (is("fail") || is("error")) {
    name();
    arguments();
    return &make(Kind::refuse);
  }
  std::string called(name());
  if (take(".")) called.append(".").append(name());
  return call(called, arguments());
}

Ref Expressions::primary() {
  Ref made = nullptr;
  if (take("(")) {
    made = expression();
    want(")");
    if (is_several(*made)) return nothing();  // The first alone.
  } else if (is("{")) {
    return table();
  } else if (is_name()) {
    if (const auto* const known = local(tokens_[at_].text)) {
      ++at_;
      if (known->is_function) {
        made = known->function && known->function->acts ? nothing() : own_call(known->function);
      } else {
        auto& read = make(Kind::local);
        read.slot = known->slot;
        made = &read;
      }
    } else {
      made = global();
    }
  } else {
    return literal();
  }
  while (!failed_) {
    std::string key;
    if (take(".")) {
      made = member(made, std::string(name()));
    } else if (is("[") && at_ + 2 < tokens_.size() && tokens_[at_ + 2].is("]") && string_value(tokens_[at_ + 1], key)) {
      at_ += 3;
      made = member(made, std::move(key));
    } else if (take("[")) {
      Ref index = expression();
      want("]");
      made = &make(Kind::indexed, made, index);
    } else if (take(":")) {
      const std::string called = "string." + std::string(name());
      auto given = arguments();
      given.insert(given.begin(), made);
      made = call(called, std::move(given));
    } else {
      break;
    }
  }
  return made;
}
Ref Expressions::member(Ref of, std::string name) {
  auto& made = of->kind == Kind::root ? make(Kind::member) : make(Kind::named, of);
  made.name = std::move(name);
  return &made;
}

Ref Expressions::expression(int bound) {
  if (++depth_ > depth_most) failed_ = true;
  Ref left = nullptr;
  if (take("not")) {
    left = &make(Kind::negation, expression(unary_binds));
  } else if (take("-")) {
    left = &make(Kind::minus, expression(unary_binds));
  } else if (take("#")) {
    left = &make(Kind::length, expression(unary_binds));
    if (left->left->kind == Kind::state) return nothing();
  } else {
    left = primary();
  }
  while (!failed_ && at_ < tokens_.size()) {
    const auto found = std::find_if(binaries.begin(), binaries.end(), [&](const auto& one) { return is(one.sign); });
    if (found == binaries.end() || found->left <= bound) break;
    ++at_;
    left = joined(found->kind, left, expression(found->right));
  }
  --depth_;
  return left;
}
Ref Expressions::joined(Kind kind, Ref left, Ref right) {
  if (kind == Kind::joined) {
    auto& made = make(kind);
    made.parts = {left};
    if (right->kind == kind)
      made.parts.insert(made.parts.end(), right->parts.begin(), right->parts.end());
    else
      made.parts.push_back(right);
    return &made;
  }
  // Of a constant Lua makes an addition, where 0 is another one: it makes 0.0 of -0.0.
  const bool is_literal = right->kind == Kind::constant && right->constant.is_number();
  const bool is_zero = is_literal && right->constant.is(Value::Kind::integer) && right->constant.integer == 0;
  if (kind == Kind::less && (is_zero || (!is_literal && is_constant(*right)))) return nothing();
  return &make(kind, left, right);
}

}  // namespace weir::script::native
