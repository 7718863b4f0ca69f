#include "engine/script/engine.hpp"

#include "engine/script/state.hpp"

namespace weir::script {

Engine::Engine(Host& host, const config::Map<config::Value>& vars, Limits limits)
    : state_(std::make_unique<State>(host, vars, limits)) {}
Engine::~Engine() = default;

std::uint64_t Engine::rebuilt() const { return state_->rebuilt(); }
std::size_t Engine::memory_bytes() const { return state_->used(); }

std::optional<CompileError> check_expression(std::string_view code, const config::Place& place, Setting setting) {
  return examine(code, Form::expression, place, setting);
}

std::optional<CompileError> check_block(std::string_view code, const config::Place& place, Setting setting) {
  return examine(code, Form::block, place, setting);
}

std::optional<CompileError> check(const config::Template& text, Setting setting) {
  for (const auto& part : text.parts) {
    if (!part.lua) continue;
    if (auto error = check_expression(part.text, part.place, setting)) return error;
  }
  return std::nullopt;
}

std::optional<CompileError> check(const config::Value& tree, Setting setting) {
  if (tree.kind == config::Value::Kind::text) return check(tree.text, setting);
  for (const auto& item : tree.items) {
    if (auto error = check(item, setting)) return error;
  }
  for (const auto& [name, field] : tree.fields) {
    if (auto error = check(field, setting)) return error;
  }
  return std::nullopt;
}

std::optional<CompileError> check(const config::CodeUse& use, Setting setting) {
  const bool block = use.what == config::CodeUse::What::block;
  return block ? check_block(use.code, use.place, setting) : check_expression(use.code, use.place, setting);
}

}  // namespace weir::script
