#include "engine/script/native_code.hpp"

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
constexpr std::size_t depth_most = 100;

/// What Lua might fold into one constant.
bool is_constant(const Expression& one) {
  if (one.kind == Kind::constant) return true;
  return one.kind != Kind::member && one.kind != Kind::named && one.kind != Kind::indexed && (one.left || one.right) &&
         (!one.left || is_constant(*one.left)) && (!one.right || is_constant(*one.right));
}

/// Whether it gives more than one value where there is room for them.
bool is_several(const Expression& one) {
  return one.kind == Kind::call && one.function == Function::match && one.slot > 1;
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

class Reader {
 public:
  Reader(std::string_view code, const std::vector<std::string>& ports, const config::Map<config::Value>& vars)
      : tokens_(tokens_of(code)), ports_(ports), vars_(vars) {}

  std::optional<Code> read() {
    code_.body = block();
    if (failed_ || at_ < tokens_.size()) return std::nullopt;
    return std::move(code_);
  }

 private:
  // --- tokens: once something is not ours, nothing more is taken -----------------------------------------------------
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
  std::optional<std::uint32_t> local(std::string_view name) const {
    const auto found =
        std::find_if(locals_.rbegin(), locals_.rend(), [&](const auto& one) { return one.first == name; });
    return found == locals_.rend() ? std::nullopt : std::optional(found->second);
  }
  bool is_ours(std::string_view global) const { return is_name() && tokens_[at_].text == global && !local(global); }
  std::uint32_t declare(std::string_view name) {
    locals_.emplace_back(name, code_.slots);
    return code_.slots++;
  }

  // --- expressions ---------------------------------------------------------------------------------------------------
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

  Ref literal() {
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

  Ref var() {
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

  Ref table() {
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

  std::vector<Ref> arguments() {
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

  Ref call(std::string_view name, std::vector<Ref> given) {
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

  /// A name that is no local: msg, a var, or a call.
  Ref global() {
    if (take("msg")) return &make(Kind::root);
    if (take("vars")) return var();
    std::string called(name());
    if (take(".")) called.append(".").append(name());
    return call(called, arguments());
  }

  Ref primary() {
    Ref made = nullptr;
    if (take("(")) {
      made = expression();
      want(")");
      if (is_several(*made)) return nothing();  // The first alone.
    } else if (is("{")) {
      return table();
    } else if (is_name()) {
      if (const auto slot = local(tokens_[at_].text)) {
        ++at_;
        auto& read = make(Kind::local);
        read.slot = *slot;
        made = &read;
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
      } else if (is("[") && at_ + 2 < tokens_.size() && tokens_[at_ + 2].is("]") &&
                 string_value(tokens_[at_ + 1], key)) {
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
  Ref member(Ref of, std::string name) {
    auto& made = of->kind == Kind::root ? make(Kind::member) : make(Kind::named, of);
    made.name = std::move(name);
    return &made;
  }

  Ref expression(int bound = 0) {
    if (++depth_ > depth_most) failed_ = true;
    Ref left = nullptr;
    if (take("not")) {
      left = &make(Kind::negation, expression(unary_binds));
    } else if (take("-")) {
      left = &make(Kind::minus, expression(unary_binds));
    } else if (take("#")) {
      left = &make(Kind::length, expression(unary_binds));
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
  Ref joined(Kind kind, Ref left, Ref right) {
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

  // --- statements ----------------------------------------------------------------------------------------------------
  Statement::Body block() {
    const std::size_t before = locals_.size();
    Statement::Body body;
    if (++depth_ > depth_most) failed_ = true;
    while (!failed_ && at_ < tokens_.size() && !is("end") && !is("else") && !is("elseif")) {
      if (take(";")) continue;
      if (is("return")) {
        body.push_back(give());
        break;
      }
      body.push_back(statement());
    }
    --depth_;
    locals_.resize(before);
    return body;
  }

  Statement give() {
    Statement made;
    want("return");
    made.kind = Statement::Kind::give;
    made.value =
        at_ == tokens_.size() || is(";") || is("end") || is("else") || is("elseif") ? constant({}) : expression();
    take(";");
    if (is(",")) failed_ = true;
    return made;
  }

  Statement statement() {
    code_.weight += 8;
    if (is("local")) return locals();
    if (is("if")) return choose();
    if (is("for")) return loop();
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
      made.value = given[1];
      return made;
    }
    return assignment();
  }

  Statement verdict() {
    Statement made;
    const auto called = name();
    auto given = arguments();
    if (failed_) return made;
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
    want("=");
    if (failed_) return made;
    made.value = expression();
    if (is(",")) failed_ = true;
    if (target.kind == Kind::local) {
      made.kind = Statement::Kind::assign;
      made.slot = target.slot;
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
    return made;
  }

  Statement locals() {
    Statement made;
    made.kind = Statement::Kind::locals;
    want("local");
    std::vector<std::string_view> names;
    do names.push_back(name());
    while (take(","));
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
      if (given.size() != 1) failed_ = true;
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

  const std::vector<Token> tokens_;
  const std::vector<std::string>& ports_;
  const config::Map<config::Value>& vars_;
  std::size_t at_ = 0, depth_ = 0;
  bool failed_ = false;
  std::vector<std::pair<std::string_view, std::uint32_t>> locals_;  // In scope, by their names.
  Code code_;
};

}  // namespace

std::optional<Code> read(std::string_view code, const std::vector<std::string>& ports,
                         const config::Map<config::Value>& vars) {
  // Lua ends a comment at a carriage return too, and makes one line's end of it in a text.
  if (code.find('\r') != code.npos) return std::nullopt;
  return Reader(code, ports, vars).read();
}

}  // namespace weir::script::native
