#include "engine/script/block.hpp"

#include "engine/message/document.hpp"
#include "engine/script/lua.hpp"
#include "engine/script/program.hpp"

namespace weir::script {

struct Block::Content {
  Program program;
  std::vector<std::string> ports;
};

Block::Block() = default;
Block::Block(Block&&) noexcept = default;
Block& Block::operator=(Block&&) noexcept = default;
Block::~Block() = default;

std::optional<CompileError> Block::compile(Engine& engine, const config::Lua& code) {
  auto content = std::make_unique<Content>();
  Findings findings;
  if (auto error = content->program.compile(engine, code.code, Form::block, code.place, Setting::message, &findings)) {
    return error;
  }
  content->ports = std::move(findings.ports);
  content_ = std::move(content);
  return std::nullopt;
}

const std::vector<std::string>& Block::ports() const { return content_->ports; }

void Block::run(const message::Message& message, Run& run) const {
  State& state = content_->program.state();
  run.emitted.clear();
  state.ports() = &content_->ports;
  const auto failed = [&] {
    run.verdict = state.dropped() ? Verdict::drop : Verdict::fail;
    if (state.dropped()) {
      // What was sent before drop() has been sent.
      run.emitted.swap(state.emitted());
    } else {
      run.failure = std::move(state.failure());
    }
  };
  if (!state.run(content_->program.chunk(), message)) return failed();
  lua_State* lua = state.lua();
  const int type = lua_type(lua, -1);
  const Handle* handle = handle_at(lua, -1);
  run.verdict = Verdict::pass;
  if (type == LUA_TNIL || (handle && handle->kind == Handle::Kind::root)) {
    run.emitted.swap(state.emitted());
    state.finish(true);
    return;
  }
  if (type == LUA_TSTRING) {
    std::size_t size;
    const char* text = lua_tolstring(lua, -1, &size);
    message.replace({text, size});
    run.emitted.swap(state.emitted());
    state.finish(true);
    return;
  }
  if (!state.write_top()) return failed();
  if (message::Document& document = message.document(); !document.replace_root(message::Value::json(state.out()))) {
    run.verdict = Verdict::fail;
    run.failure = message::Failure(message::Reason::type, "what is returned is nested too deeply");
    state.finish(false);
    return;
  }
  run.emitted.swap(state.emitted());
  state.finish(true);
}

}  // namespace weir::script
