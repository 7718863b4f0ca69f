#include "engine/script/program.hpp"

#include <charconv>
#include <cmath>

#include "engine/message/payload.hpp"

namespace weir::script {

std::optional<std::vector<std::string>> read_path(const std::vector<Token>& tokens, std::size_t& at) {
  std::size_t next = at;
  const auto is_at = [&](std::size_t place, std::string_view text) {
    return place < tokens.size() && tokens[place].is(text);
  };
  if (next >= tokens.size() || !tokens[next].is_name("msg")) return std::nullopt;
  ++next;
  std::vector<std::string> path;
  std::string value;
  while (true) {
    if (is_at(next, ".") && next + 1 < tokens.size() && tokens[next + 1].kind == Token::Kind::name) {
      path.emplace_back(tokens[next + 1].text);
      next += 2;
    } else if (is_at(next, "[") && is_at(next + 2, "]") && string_value(tokens[next + 1], value)) {
      path.push_back(value);
      next += 3;
    } else {
      break;
    }
  }
  if (path.empty()) return std::nullopt;
  at = next;
  return path;
}

std::optional<Literal> read_literal(const std::vector<Token>& tokens, std::size_t& at) {
  Literal literal;
  const bool minus = at < tokens.size() && tokens[at].is("-");
  const std::size_t next = at + minus;
  if (next >= tokens.size()) return std::nullopt;
  const auto& token = tokens[next];
  if (token.kind == Token::Kind::number) {
    const char* end = token.text.data() + token.text.size();
    std::int64_t integer = 0;
    double number = 0;
    if (const auto read = std::from_chars(token.text.data(), end, integer); read.ec == std::errc() && read.ptr == end) {
      literal.kind = Literal::Kind::integer;
      literal.integer = minus ? -integer : integer;
    } else if (const auto read_number = std::from_chars(token.text.data(), end, number);
               read_number.ec == std::errc() && read_number.ptr == end && std::isfinite(number) &&
               token.text.find_first_of(".eE") != std::string_view::npos) {
      literal.kind = Literal::Kind::number;
      literal.number = minus ? -number : number;
    } else {
      return std::nullopt;
    }
  } else if (minus) {
    return std::nullopt;
  } else if (token.kind == Token::Kind::string) {
    literal.kind = Literal::Kind::text;
    if (!string_value(token, literal.text)) return std::nullopt;
  } else if (token.is("true") || token.is("false")) {
    literal.kind = Literal::Kind::boolean;
    literal.boolean = token.is("true");
  } else if (!token.is("nil")) {
    return std::nullopt;
  }
  at = next + 1;
  return literal;
}

message::Glimpse look_up(const message::Message& message, const message::Look& look,
                         const std::vector<std::string>& path) {
  if (path.size() == 1) {
    if (const auto seen = look.member(path.front()); !seen.unclear()) return seen;
  }
  auto* const document = message::json_of(message);
  if (!document) return {};
  auto node = document->root();
  for (const auto& name : path) {
    if (document->kind(node) != message::Kind::object) return {};
    node = document->find(node, name);
    if (!node && (&name != &path.back() || !document->valid())) return {};
  }
  return node ? message::Glimpse(document->raw(node)) : message::Glimpse::nothing();
}

}  // namespace weir::script
