#include "engine/script/plain.hpp"

#include <optional>

#include "engine/message/json.hpp"

namespace weir::script {
namespace {

using Piece = Plain::Piece;

std::optional<Piece> read_piece(const std::vector<Token>& tokens, std::size_t& at) {
  Piece piece;
  if (auto path = read_path(tokens, at)) {
    piece.path = std::move(*path);
  } else {
    const auto literal = read_literal(tokens, at);
    if (!literal || literal->kind != Literal::Kind::text) return std::nullopt;
    piece.text = literal->text;
  }
  return piece;
}

/// `msg.a .. "text" .. msg.b`; nothing where it is anything else.
std::vector<Piece> read_pieces(const std::vector<Token>& tokens) {
  std::vector<Piece> pieces;
  for (std::size_t at = 0;; ++at) {
    auto piece = read_piece(tokens, at);
    if (!piece) return {};
    pieces.push_back(std::move(*piece));
    if (at == tokens.size()) break;
    if (!tokens[at].is("..")) return {};
  }
  return pieces.size() > 1 ? pieces : std::vector<Piece>();
}

/// As Lua does it: whole numbers wrap around, and the quotient is always a float.
message::Number compute(message::Number left, char op, message::Number right) {
  const auto* const a = std::get_if<std::int64_t>(&left);
  const auto* const b = std::get_if<std::int64_t>(&right);
  if (a && b && op != '/') {
    const auto x = static_cast<std::uint64_t>(*a), y = static_cast<std::uint64_t>(*b);
    return static_cast<std::int64_t>(op == '+' ? x + y : op == '-' ? x - y : x * y);
  }
  const double x = a ? static_cast<double>(*a) : std::get<double>(left);
  const double y = b ? static_cast<double>(*b) : std::get<double>(right);
  return op == '+' ? x + y : op == '-' ? x - y : op == '*' ? x * y : x / y;
}

}  // namespace

Plain Plain::of(const std::vector<Token>& tokens) {
  Plain plain;
  plain.pieces = read_pieces(tokens);
  std::size_t at = 0;
  auto path = read_path(tokens, at);
  if (!path) return plain;
  char op = 0;
  if (at < tokens.size()) {
    for (const char* known : {"+", "-", "*", "/"}) {
      if (tokens[at].is(known)) op = *known;
    }
    if (op == 0) return plain;
    const auto literal = read_literal(tokens, ++at);
    if (!literal || at < tokens.size()) return plain;
    if (literal->kind == Literal::Kind::integer) {
      if (op == '-' && literal->integer == 0) return plain;  // Lua adds 0 instead, which makes 0.0 of -0.0.
      plain.operand = literal->integer;
    } else if (literal->kind == Literal::Kind::number) {
      plain.operand = literal->number;
    } else {
      return plain;
    }
  }
  plain.path = std::move(*path);
  plain.op = op;
  return plain;
}

bool Plain::append(const message::Message& message, const message::Look& look, bool as_json, std::string& out) const {
  if (op != 0) {
    const auto found = look_up(message, look, path);
    const auto left = found ? found.number() : std::nullopt;
    return left && message::append_number(out, compute(*left, op, operand));
  }
  const std::size_t before = out.size();
  std::string joined, scratch;
  std::string& text = as_json ? joined : out;
  for (const auto& piece : pieces) {
    const auto found = piece.path.empty() ? std::nullopt : look_up(message, look, piece.path).text(scratch);
    if (!piece.path.empty() && !found) {
      out.resize(before);
      return false;
    }
    text += found ? *found : std::string_view(piece.text);
  }
  if (as_json) message::append_quoted(out, joined);
  return true;
}

}  // namespace weir::script
