#include "engine/script/block.hpp"

#include "engine/message/document.hpp"
#include "engine/message/json.hpp"
#include "engine/script/lua.hpp"
#include "engine/script/native.hpp"
#include "engine/script/program.hpp"

namespace weir::script {

struct Block::Content {
  Program program;
  std::vector<std::string> ports;
  std::optional<Native> native;  // Where weir can run it itself.
  mutable std::string made;      // By that; reused.
};

Block::Block() = default;
Block::Block(Block&&) noexcept = default;
Block& Block::operator=(Block&&) noexcept = default;
Block::~Block() = default;

std::optional<CompileError> Block::compile(Engine& engine, const config::Lua& code, Setting setting, Path path) {
  auto content = std::make_unique<Content>();
  Findings findings;
  if (auto error = content->program.compile(engine, code.code, Form::block, code.place, setting, &findings)) {
    return error;
  }
  content->ports = std::move(findings.ports);
  if (setting != Setting::generate && path == Path::automatic) {
    content->native = Native::of(engine, code, content->ports, setting);
  }
  content_ = std::move(content);
  return std::nullopt;
}

bool Block::native() const { return content_->native.has_value(); }
const std::vector<std::string>& Block::ports() const { return content_->ports; }

void Block::run(const message::Message& message, Run& run, KeyTable* key_table) const {
  run.emitted.clear();
  if (content_->native) {
    auto& made = content_->made;
    const bool viewed = message.batch().document_if_any(message.row());
    // The key's table is written last, when nothing can go to Lua any more.
    const auto done = [&](Verdict verdict) {
      run.verdict = verdict;
      if (key_table) content_->native->keep(*key_table);
    };
    switch (content_->native->run(message, made, run.emitted, key_table)) {
      case Native::Outcome::kept:
        return done(Verdict::pass);
      case Native::Outcome::replaced:
        if (viewed && !message.document().replace_root(message::Value::json(made))) {
          run.emitted.clear();
          break;
        }
        if (!viewed) {
          message.replace(made);
          message.batch().mark_json(message.row());
        }
        return done(Verdict::pass);
      case Native::Outcome::text:
        message.replace(made);
        return done(Verdict::pass);
      case Native::Outcome::dropped:
        return done(Verdict::drop);
      case Native::Outcome::unclear:
        break;
    }
  }
  State& state = content_->program.state();
  state.ports() = &content_->ports;
  const auto failed = [&] {
    if (state.dropped()) state.keep_state();
    run.verdict = state.dropped() ? Verdict::drop : Verdict::fail;
    if (state.dropped()) {
      // What was sent before drop() has been sent.
      run.emitted.swap(state.emitted());
    } else {
      run.failure = std::move(state.failure());
    }
  };
  Names names(message);
  names.state = key_table;
  if (!state.run(content_->program.chunk(), names)) return failed();
  lua_State* lua = state.lua();
  const int type = lua_type(lua, -1);
  const Handle* handle = handle_at(lua, -1);
  run.verdict = Verdict::pass;
  const auto finished = [&] {
    run.emitted.swap(state.emitted());
    state.finish(true);
  };
  if (type == LUA_TNIL || (handle && handle->kind == Handle::Kind::root)) {
    if (!state.keep_state()) return failed();
    return finished();
  }
  if (type == LUA_TSTRING) {
    if (!state.keep_state()) return failed();
    std::size_t size;
    const char* text = lua_tolstring(lua, -1, &size);
    message.replace({text, size});
    return finished();
  }
  if (!state.write_top()) return failed();
  // A view writes nothing that is nested too deeply. A short text can't be, as each container takes two bytes.
  const std::string& made = state.out();
  if (!message.batch().document_if_any(message.row()) && made.size() <= 2 * message::json_depth) {
    if (!state.keep_state()) return failed();
    message.replace(made);
    message.batch().mark_json(message.row());
    return finished();
  }
  if (!message.document().replace_root(message::Value::json(made))) {
    run.verdict = Verdict::fail;
    run.failure = message::Failure(message::Reason::type, "what is returned is nested too deeply");
    return state.finish(false);
  }
  if (!state.keep_state()) return failed();
  finished();
}

}  // namespace weir::script
