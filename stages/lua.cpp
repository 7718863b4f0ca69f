// lua: runs code on each message: it may change, replace, multiply, drop or fail it.
#include <optional>

#include "engine/runtime/assert.hpp"
#include "engine/script/block.hpp"
#include "engine/script/text.hpp"
#include "engine/stage/common.hpp"
#include "engine/stage/key_tables.hpp"
#include "engine/stage/kind.hpp"

namespace weir::stages {
namespace {

struct LuaConfig {
  config::Lua code;
};

const auto spec =
    config::Spec<LuaConfig>("lua", "Runs code on each message: it may change, replace, multiply, drop or fail it.")
        .scalar(&LuaConfig::code, "The code: statements in Lua.", config::statements(),
                config::sample("msg.total = msg.price * msg.count"))
        .details(
            "Without `return` the edited message goes on; `return t` replaces it. `emit(t)` sends one more, "
            "`emit_to(\"port\", t)` sends one by a port of its own, `drop()` drops the message, `fail(\"text\")` "
            "fails it. What the code does not touch keeps its digits; a number that it copies or compares is one of "
            "Lua's, so an integer beyond 64 bits becomes the nearest double (`set` keeps its digits). Text that is not "
            "UTF-8 becomes JSON with U+FFFD in place of what is none; `decode: {format: text}` fails it.")
        .example(
            "lua: |\n"
            "  if msg.amount <= 0 then fail(\"amount must be above 0\") end\n"
            "  msg.total = msg.amount * msg.count\n"
            "  if msg.total > 1000 then emit_to(\"large\", {id = msg.id}) end",
            "{id: 7, amount: 30, count: 40}");

class Code : public stage::Operator {
 public:
  Code(const LuaConfig& config, stage::Context& context) : context_(context) {
    context.compile(code_, config.code, context.state ? script::Setting::keyed : script::Setting::message);
    if (context.state) {
      context.compile(key_, context.state->key);
      tables_.emplace(context.state->forget, static_cast<std::size_t>(context.state->keys));
    }
    for (const auto& name : code_.ports()) ports_.push_back(port_named(name, context.out));
  }

  std::size_t process(stage::Batch& in, std::size_t from, stage::Output& out, runtime::Time now) override {
    std::size_t row = from;
    for (; row < in.size() && out.may_go_on(); ++row) {
      const stage::Message message(in, row);
      if (!sending_) {
        out.mark(in, row);
        run(message, now);
        sent_ = 0;
      }
      // One message may become more than may be put out at once: then it goes on here when called again.
      sending_ = run_.verdict != script::Verdict::fail;
      for (; sending_ && sent_ < run_.emitted.size(); ++sent_) {
        if (out.full()) return row;
        const auto& emitted = run_.emitted[sent_];
        out.create(
            emitted.port == script::Emitted::main ? stage::main_port : ports_[static_cast<std::size_t>(emitted.port)],
            emitted.payload, message);
      }
      sending_ = false;
      switch (run_.verdict) {
        case script::Verdict::pass:
          out.pass(message);
          break;
        case script::Verdict::drop:
          if (sent_ > 0) in.withdraw(row);
          out.drop(message, stage::Dropped::configured);
          break;
        case script::Verdict::fail:
          out.fail(message, std::move(run_.failure));
          break;
      }
    }
    return row;
  }

 private:
  void run(const stage::Message& message, runtime::Time now) {
    if (!tables_) return code_.run(message, run_);
    text_.clear();
    if (auto failed = key_.fill(message, text_)) {
      run_.verdict = script::Verdict::fail;
      run_.emitted.clear();
      run_.failure = std::move(*failed);
      return;
    }
    script::KeyTable& table = tables_->find(text_, now);
    code_.run(message, run_, &table);
    if (table.changed && tables_->keep(now)) {
      context_.log(observe::Level::warn, "too many keys: the state that changed the longest ago was forgotten",
                   {{"keys", std::to_string(tables_->size())}});
    }
  }
  static stage::Port port_named(const std::string& name, const stage::Output& out) {
    stage::Port port = stage::main_port;
    while (port < out.ports().size() && out.ports()[port].name != name) ++port;
    WEIR_ASSERT(port < out.ports().size(), name.c_str());
    return port;
  }

  stage::Context& context_;
  script::Block code_;
  script::Text key_;  // Of the state, where there is one.
  std::optional<stage::KeyTables> tables_;
  std::string text_;                // Reused.
  std::vector<stage::Port> ports_;  // By the number that the code's own list gives them.
  script::Run run_;
  std::size_t sent_ = 0;  // Of run_.emitted.
  bool sending_ = false;  // run_ is of the row at hand, which still waits for its verdict.
};

/// Compiling needs somebody to be asked for the time, which compiling never does.
class NoHost : public script::Host {
 public:
  runtime::WallTime now() override { return {}; }
  std::uint64_t random() override { return 0; }
  runtime::WallTime wall(runtime::Time) override { return {}; }
};

/// The ports that the code opens. Of code that does not compile none: its author is told elsewhere.
std::vector<std::string> ports_of(const config::Lua& code) {
  if (code.code.find("emit_to") == std::string::npos) return {};  // A Lua state is dear to make only to learn this.
  NoHost host;
  script::Engine engine(host);
  script::Block block;
  if (block.compile(engine, code, script::Setting::keyed)) return {};
  return block.ports();
}

const stage::Register registered(spec, [](auto config) {
  auto configured = stage::operator_of<Code>(config);
  configured.ports = ports_of(config->code);
  configured.ports_are_to_be_read = true;
  configured.opens_ports = "`emit_to(\"NAME\", t)` in its code opens one";
  return configured;
});

}  // namespace
}  // namespace weir::stages
