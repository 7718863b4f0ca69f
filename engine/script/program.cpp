#include "engine/script/program.hpp"

#include "engine/message/json.hpp"

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

Found follow(message::Document& document, const std::vector<std::string>& path) {
  Found found;
  auto node = document.root();
  for (const auto& name : path) {
    if (document.kind(node) != message::Kind::object) return found;
    node = document.find(node, name);
    found.kind = node ? Found::Kind::value : Found::Kind::nothing;
    if (!node && (&name != &path.back() || !document.valid())) return Found{};
  }
  found.node = node;
  return found;
}

message::Document* document_for_native(const State& state, const message::Message& message) {
  auto& batch = message.batch();
  if (auto* document = batch.document_if_any(message.row())) return document->valid() ? document : nullptr;
  if (state.limits().strict && !batch.known_json(message.row()) &&
      message::check_json_padded(batch.payload(message.row()))) {
    return nullptr;
  }
  auto& document = batch.document(message.row());
  return document.valid() ? &document : nullptr;
}

}  // namespace weir::script
