#include "engine/script/record.hpp"

#include <algorithm>

#include "engine/message/json.hpp"

namespace weir::script {
namespace {

/// The tokens from `at` on up to the first that ends an expression of a plain block; `at` is moved there.
std::vector<Token> expression(const std::vector<Token>& tokens, std::size_t& at) {
  std::vector<Token> taken;
  for (; at < tokens.size(); ++at) {
    const Token& token = tokens[at];
    if (token.is(",") || token.is(";") || token.is("}") || token.is("local") || token.is("return")) break;
    taken.push_back(token);
  }
  return taken;
}

std::optional<std::string> constant_of(const std::vector<Token>& tokens) {
  std::size_t at = 0;
  const auto literal = read_literal(tokens, at);
  if (!literal || at < tokens.size()) return std::nullopt;
  std::string json;
  switch (literal->kind) {
    case Literal::Kind::nil:
      return std::nullopt;
    case Literal::Kind::boolean:
      return literal->boolean ? "true" : "false";
    case Literal::Kind::integer:
      message::append_integer(json, literal->integer);
      return json;
    case Literal::Kind::number:
      if (!message::append_float(json, literal->number)) return std::nullopt;
      return json;
    case Literal::Kind::text:
      if (message::find_not_utf8(literal->text)) return std::nullopt;
      message::append_quoted(json, literal->text);
      return json;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Record::Value> Record::value_of(Engine& engine, const config::Lua& code,
                                              const std::vector<Token>& tokens) const {
  Value value;
  if (tokens.empty()) return std::nullopt;
  if (auto constant = constant_of(tokens)) {
    value.constant = std::move(*constant);
    return value;
  }
  if (tokens.size() == 1) {
    const auto found = std::find_if(locals_.begin(), locals_.end(),
                                    [&](const auto& local) { return tokens.front().is_name(local.first); });
    if (found == locals_.end()) return std::nullopt;
    value.local = static_cast<std::size_t>(found - locals_.begin());
    return value;
  }
  value.plain = Plain::of(tokens);
  if (value.plain) {
    const auto& pieces = value.plain.pieces;
    const bool good = std::none_of(pieces.begin(), pieces.end(),
                                   [](const auto& piece) { return message::find_not_utf8(piece.text).has_value(); });
    return good ? std::optional(std::move(value)) : std::nullopt;
  }
  // One comparison alone.
  if (std::any_of(tokens.begin(), tokens.end(), [](const Token& token) { return token.is("and"); }))
    return std::nullopt;
  const std::size_t begin = tokens.front().offset, end = tokens.back().offset + tokens.back().text.size();
  config::Lua condition = code;
  condition.code = code.code.substr(begin, end - begin);
  if (value.condition.emplace().compile(engine, condition) || !value.condition->native()) return std::nullopt;
  return value;
}

std::optional<Record> Record::of(Engine& engine, const config::Lua& code) {
  const auto tokens = tokens_of(code.code);
  std::size_t at = 0;
  const auto take = [&](std::string_view word) { return at < tokens.size() && tokens[at].is(word) && ++at; };
  const auto named = [](const auto& all, std::string_view name) {
    return std::any_of(all.begin(), all.end(), [name](const auto& one) { return one.first == name; });
  };
  Record record;
  // NAME = EXPRESSION, of a local or a member.
  const auto read = [&](std::vector<std::pair<std::string, Value>>& into) {
    if (at >= tokens.size() || tokens[at].kind != Token::Kind::name) return false;
    std::string name(tokens[at++].text);
    if (!take("=") || named(into, name)) return false;
    auto value = record.value_of(engine, code, expression(tokens, at));
    if (value) into.emplace_back(std::move(name), std::move(*value));
    return value.has_value();
  };
  while (take("local")) {
    if (!read(record.locals_) || record.locals_.back().first == "msg") return std::nullopt;
    take(";");
  }
  if (!take("return") || !take("{")) return std::nullopt;
  do {
    if (!read(record.members_)) return std::nullopt;
  } while (take(",") && !(at < tokens.size() && tokens[at].is("}")));
  if (!take("}")) return std::nullopt;
  take(";");
  if (at < tokens.size()) return std::nullopt;
  std::sort(record.members_.begin(), record.members_.end(),
            [](const auto& left, const auto& right) { return left.first < right.first; });
  for (auto& [key, value] : record.members_) {
    std::string written;
    message::append_key(written, key);
    key = std::move(written);
  }
  return record;
}

bool Record::make(const message::Message& message, std::string& out) const {
  const message::Look look(message);
  made_.clear();
  ends_.clear();
  for (const auto& local : locals_) {
    if (!write(local.second, message, look, made_)) return false;
    ends_.push_back(made_.size());
  }
  bool first = true;
  for (const auto& [key, value] : members_) {
    out += std::exchange(first, false) ? '{' : ',';
    out += key;
    if (!write(value, message, look, out)) return false;
  }
  out += '}';
  return true;
}

/// As Lua would write what it has read: a number in its normal form, a text with no more escapes than it needs.
bool Record::write(const Value& value, const message::Message& message, const message::Look& look,
                   std::string& out) const {
  if (value.local) {
    const std::size_t begin = *value.local == 0 ? 0 : ends_[*value.local - 1];
    out += std::string_view(made_).substr(begin, ends_[*value.local] - begin);
    return true;
  }
  if (value.condition) {
    const auto holds = value.condition->holds(message);
    if (message.batch().document_if_any(message.row())) return false;  // Lua had to be asked, and made a view.
    if (holds) out += *holds ? "true" : "false";
    return bool(holds);
  }
  if (!value.plain) {
    out += value.constant;
    return true;
  }
  if (value.plain.computes()) return value.plain.append(message, look, true, out);
  const auto found = look_up(message, look, value.plain.path);
  if (!found) return false;
  const std::string_view json = found.json();
  if (found.is_string()) {
    if (json.find('\\') == json.npos) {
      out += json;
      return true;
    }
    std::string scratch;
    const auto text = found.text(scratch);
    if (text) message::append_quoted(out, *text);
    return text.has_value();
  }
  if (json == "true" || json == "false") {
    out += json;
    return true;
  }
  const auto number = found.number();
  return number && message::append_number(out, *number);
}

}  // namespace weir::script
