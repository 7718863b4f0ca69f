#include "engine/script/condition.hpp"

#include <algorithm>

#include "engine/script/lua.hpp"
#include "engine/script/program.hpp"

namespace weir::script {
namespace {

enum class Operator : std::uint8_t { equal, unequal, below, at_most, above, at_least };

/// `msg.a.b OP literal`.
struct Comparison {
  std::vector<std::string> path;
  std::size_t number = 0;  ///< Of the path, among those that are asked of one message.
  bool equal_text = false;
  Operator op = Operator::equal;
  Literal literal;
};

enum class Answer : std::uint8_t { no, yes, unclear };

// Beyond these a double no longer tells all integers apart, and Lua compares in another way.
constexpr std::int64_t exact_most = std::int64_t{1} << 53;

std::optional<Operator> read_operator(const std::vector<Token>& tokens, std::size_t& at) {
  if (at >= tokens.size()) return std::nullopt;
  std::optional<Operator> op;
  const auto& token = tokens[at];
  if (token.is("=="))
    op = Operator::equal;
  else if (token.is("~="))
    op = Operator::unequal;
  else if (token.is("<"))
    op = Operator::below;
  else if (token.is("<="))
    op = Operator::at_most;
  else if (token.is(">"))
    op = Operator::above;
  else if (token.is(">="))
    op = Operator::at_least;
  if (op) ++at;
  return op;
}

/// The whole code as comparisons joined by `and`; empty where it is anything else.
std::vector<Comparison> recognise(std::string_view code) {
  const auto tokens = tokens_of(code);
  std::vector<Comparison> all;
  for (std::size_t at = 0;; ++at) {
    Comparison one;
    const auto path = read_path(tokens, at);
    const auto op = path ? read_operator(tokens, at) : std::nullopt;
    const auto literal = op ? read_literal(tokens, at) : std::nullopt;
    if (!literal) return {};
    one.path = *path;
    one.op = *op;
    one.literal = *literal;
    one.equal_text = one.op == Operator::equal && one.literal.kind == Literal::Kind::text;
    all.push_back(std::move(one));
    if (at == tokens.size()) return all;
    if (!tokens[at].is("and")) return {};
  }
}

template <class T>
Answer ordered(Operator op, const T& left, const T& right) {
  switch (op) {
    case Operator::equal:
      return left == right ? Answer::yes : Answer::no;
    case Operator::unequal:
      return left != right ? Answer::yes : Answer::no;
    case Operator::below:
      return left < right ? Answer::yes : Answer::no;
    case Operator::at_most:
      return left <= right ? Answer::yes : Answer::no;
    case Operator::above:
      return left > right ? Answer::yes : Answer::no;
    case Operator::at_least:
      return left >= right ? Answer::yes : Answer::no;
  }
  return Answer::unclear;
}

/// Two values of different types: never equal, and in no order.
Answer different(Operator op) {
  if (op == Operator::equal) return Answer::no;
  return op == Operator::unequal ? Answer::yes : Answer::unclear;
}

Answer compare(const message::Number& number, Operator op, const Literal& literal) {
  const auto* integer = std::get_if<std::int64_t>(&number);
  if (literal.kind == Literal::Kind::integer) {
    if (integer) return ordered(op, *integer, literal.integer);
    if (literal.integer > exact_most || literal.integer < -exact_most) return Answer::unclear;
    return ordered(op, std::get<double>(number), static_cast<double>(literal.integer));
  }
  if (literal.kind == Literal::Kind::number) {
    if (!integer) return ordered(op, std::get<double>(number), literal.number);
    if (*integer > exact_most || *integer < -exact_most) return Answer::unclear;
    return ordered(op, static_cast<double>(*integer), literal.number);
  }
  return different(op);
}

Answer compare(const message::Glimpse& value, Operator op, const Literal& literal) {
  switch (value.json().front()) {
    case '"': {
      if (literal.kind != Literal::Kind::text) return different(op);
      std::string scratch;
      const auto text = value.text(scratch);
      return text ? ordered(op, *text, std::string_view(literal.text)) : Answer::unclear;
    }
    case 't':
    case 'f':
      if (literal.kind != Literal::Kind::boolean || (op != Operator::equal && op != Operator::unequal))
        return different(op);
      return ordered(op, value.json().front() == 't', literal.boolean);
    case 'n':
    case '[':
    case '{':
      return different(op);
    default:
      const auto number = value.number();
      return number ? compare(*number, op, literal) : Answer::unclear;
  }
}

/// Of what is not there.
Answer compare_nil(Operator op, const Literal& literal) {
  if (literal.kind != Literal::Kind::nil) return different(op);
  return op == Operator::equal ? Answer::yes : op == Operator::unequal ? Answer::no : Answer::unclear;
}

/// What comparisons ask about one message, in turn.
class Questions {
 public:
  explicit Questions(const message::Message& message) : message_(message), look_(message) {}

  /// Whatever fails, or is not plainly so, is left to Lua: then there is only one way to fail.
  Answer answer(const std::vector<Comparison>& comparisons) {
    for (const auto& one : comparisons) {
      if (number_ != one.number) look_up(one);
      if (plain_ && one.equal_text) {  // As in most routes.
        if (!is(one.literal.text)) return Answer::no;
        continue;
      }
      if (value_.unclear()) return Answer::unclear;
      const Answer here = value_ ? compare(value_, one.op, one.literal) : compare_nil(one.op, one.literal);
      if (here != Answer::yes) return here;
    }
    return Answer::yes;
  }

 private:
  void look_up(const Comparison& one) {
    value_ = script::look_up(message_, look_, one.path);
    number_ = one.number;
    plain_ = value_.is_plain_string();
    if (plain_) text_ = value_.unquoted();
  }
  /// Most that are as long begin differently.
  bool is(std::string_view literal) const {
    return text_.size() == literal.size() && (literal.empty() || text_.front() == literal.front()) && text_ == literal;
  }

  const message::Message& message_;
  const message::Look look_;
  // What the comparison before was about.
  std::size_t number_ = static_cast<std::size_t>(-1);
  message::Glimpse value_;
  bool plain_ = false;  // A string without escapes: text_.
  std::string_view text_;
};

using Paths = std::vector<std::vector<std::string>>;

void number_paths(std::vector<Comparison>& comparisons, Paths& paths) {
  for (auto& one : comparisons) {
    const auto known = std::find(paths.begin(), paths.end(), one.path);
    one.number = static_cast<std::size_t>(known - paths.begin());
    if (known == paths.end()) paths.push_back(one.path);
  }
}

}  // namespace

struct Condition::Content {
  Program program;
  std::vector<Comparison> comparisons;

  bool native() const { return !comparisons.empty(); }
  message::Outcome<bool> by_lua(const Names& names) const;
};

Condition::Condition() = default;
Condition::Condition(Condition&&) noexcept = default;
Condition& Condition::operator=(Condition&&) noexcept = default;
Condition::~Condition() = default;

std::optional<CompileError> Condition::compile(Engine& engine, const config::Lua& code, Path path) {
  auto content = std::make_unique<Content>();
  if (auto error = content->program.compile(engine, code.code, Form::expression, code.place, Setting::message))
    return error;
  if (path == Path::automatic) content->comparisons = recognise(code.code);
  Paths paths;
  number_paths(content->comparisons, paths);
  content_ = std::move(content);
  return std::nullopt;
}

message::Outcome<bool> Condition::holds(const Names& names) const {
  if (names.message && content_->native()) {
    const Answer said = Questions(*names.message).answer(content_->comparisons);
    if (said != Answer::unclear) return said == Answer::yes;
  }
  return content_->by_lua(names);
}

message::Outcome<bool> Condition::Content::by_lua(const Names& names) const {
  State& state = program.state();
  if (!state.run(program.chunk(), names)) return std::move(state.failure());
  const bool holds = lua_toboolean(state.lua(), -1);
  state.finish(false);
  return holds;
}

bool Condition::native() const { return content_ && content_->native(); }

std::optional<CompileError> Choice::compile(Engine& engine, const config::Map<config::Lua>& conditions) {
  std::vector<Condition> compiled(conditions.size());
  Paths paths;
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    if (auto error = compiled[i].compile(engine, conditions[i].second)) return error;
    number_paths(compiled[i].content_->comparisons, paths);
  }
  conditions_ = std::move(compiled);
  return std::nullopt;
}

message::Outcome<std::size_t> Choice::first(const message::Message& message) const {
  for (std::size_t i = 0; i < conditions_.size(); ++i) {
    Answer said = Answer::unclear;
    if (conditions_[i].native()) {
      Questions questions(message);  // Of those up to the next that Lua is asked: it may make the view.
      said = questions.answer(conditions_[i].content_->comparisons);
      while (said == Answer::no && i + 1 < conditions_.size() && conditions_[i + 1].native()) {
        said = questions.answer(conditions_[++i].content_->comparisons);
      }
    }
    if (said == Answer::unclear) {
      auto holds = conditions_[i].content_->by_lua(message);
      if (!holds) return std::move(holds.failure());
      said = *holds ? Answer::yes : Answer::no;
    }
    if (said == Answer::yes) return i;
  }
  return conditions_.size();
}

}  // namespace weir::script
